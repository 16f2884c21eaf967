//! Answers of Prometheus' query API that hold samples.

use std::collections::BTreeMap;

use flyball_events::{
    Buckets, Histogram, MetricKind, NAME_LABEL, Reset, Sample, SampleValue, Series, Temporality,
};
use flyball_model::Timestamp;
use serde::Deserialize;

/// The answer to a query without any result.
pub(super) const NOTHING: &[u8] = br#"{"data":{"resultType":"matrix","result":[]}}"#;

/// One answer.
#[derive(Debug, Deserialize)]
struct Answer {
    /// What the metric is called that it is to be taken for, as [`named`] has it.
    name: Option<String>,
    data: Data,
}

/// `answer`, with its results to be taken for the metric `name`. What is no answer stays as it is.
pub(super) fn named(answer: &[u8], name: &str) -> Vec<u8> {
    let answer = answer.trim_ascii_start();
    let Some(rest) = answer.strip_prefix(b"{") else { return answer.to_vec() };
    let name = serde_json::Value::from(name).to_string();
    [b"{\"name\":", name.as_bytes(), b",", rest].concat()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Vec<Found>,
}

/// A series that was found.
#[derive(Debug, Deserialize)]
struct Found {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Vec<(f64, FoundHistogram)>,
}

/// A native histogram, its buckets with their bounds.
#[derive(Debug, Deserialize)]
struct FoundHistogram {
    count: String,
    sum: String,
    /// How the bounds belong to it, the bounds, and the count.
    #[serde(default)]
    buckets: Vec<(u8, String, String, String)>,
}

/// Why an answer cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MatrixError {
    /// Not what the API answers.
    #[error("line {line} is no answer with samples: {cause}")]
    Json {
        /// The answer, from 1.
        line: usize,
        /// What is wrong.
        cause: serde_json::Error,
    },
    /// An answer of another type.
    #[error("line {line} holds a {found}, not a matrix")]
    Type {
        /// The answer, from 1.
        line: usize,
        /// What it holds.
        found: String,
    },
    /// A number that is none.
    #[error("line {line}: `{text}` is no number")]
    Number {
        /// The answer, from 1.
        line: usize,
        /// What stands for it.
        text: String,
    },
}

/// The series of all answers in `bytes`, one a line. Those that several answers hold are given
/// once.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Series>, MatrixError> {
    let mut series = BTreeMap::new();
    for (text, line) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        if text.is_empty() {
            continue;
        }
        let answer: Answer =
            serde_json::from_slice(text).map_err(|cause| MatrixError::Json { line, cause })?;
        if answer.data.result_type != "matrix" {
            return Err(MatrixError::Type { line, found: answer.data.result_type });
        }
        for mut found in answer.data.result {
            if let Some(name) = &answer.name {
                found.metric.insert(NAME_LABEL.to_owned(), name.clone());
            }
            let mut samples = Vec::with_capacity(found.values.len() + found.histograms.len());
            for (at, value) in found.values {
                let value = SampleValue::Number(number(&value, line)?);
                samples.push(Sample { at: time(at), since: None, value });
            }
            for (at, value) in found.histograms {
                let value = SampleValue::Histogram(Box::new(histogram(&value, line)?));
                samples.push(Sample { at: time(at), since: None, value });
            }
            samples.sort_by_key(|sample| sample.at);
            series.insert(found.metric, samples);
        }
    }
    let whole = |(labels, samples): (BTreeMap<_, _>, _)| Series {
        labels: labels.into_iter().collect(),
        kind: MetricKind::Unknown,
        temporality: Temporality::Cumulative,
        samples,
        exemplars: 0,
    };
    Ok(series.into_iter().map(whole).collect())
}

/// Times are seconds with three decimals.
#[expect(clippy::cast_possible_truncation, reason = "a float is held at the ends of its range")]
fn time(seconds: f64) -> Timestamp {
    Timestamp::from_nanos(((seconds * 1e3).round() as i64).saturating_mul(1_000_000))
}

/// Numbers are texts, so that JSON can say `NaN` and `+Inf`.
fn number(text: &str, line: usize) -> Result<f64, MatrixError> {
    text.parse().map_err(|_| MatrixError::Number { line, text: text.to_owned() })
}

/// Buckets without counts are left out of answers: what is between two is given back as empty.
fn histogram(found: &FoundHistogram, line: usize) -> Result<Histogram, MatrixError> {
    let (mut bounds, mut counts): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for (_, lower, upper, count) in &found.buckets {
        let (lower, upper) = (number(lower, line)?, number(upper, line)?);
        if bounds.last().is_none_or(|last| *last < lower) && lower.is_finite() {
            bounds.push(lower);
            counts.push(0.0);
        }
        if upper.is_finite() {
            bounds.push(upper);
        }
        counts.push(number(count, line)?);
    }
    // The last count is of what lies above all bounds.
    counts.resize(bounds.len() + 1, 0.0);
    Ok(Histogram {
        count: number(&found.count, line)?,
        sum: number(&found.sum, line)?,
        reset: Reset::Unknown,
        buckets: Buckets::Explicit { bounds, counts },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_documentation_is_read() {
        // The example of "Range vectors" in the documentation of the HTTP API.
        let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"up","job":"prometheus","instance":"localhost:9090"},
             "values":[[1435781430.781,"1"],[1435781445.781,"+Inf"]]}]}}"#;
        let series = read(text.replace('\n', " ").as_bytes()).unwrap();
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].labels[0], ("__name__".to_owned(), "up".to_owned()));
        assert_eq!(series[0].samples[0].at.nanos(), 1_435_781_430_781_000_000);
        assert_eq!(series[0].samples[1].value, SampleValue::Number(f64::INFINITY));
    }

    #[test]
    fn an_answer_is_taken_for_a_metric_of_another_name() {
        let text = br#" {"data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"up","job":"a"},"values":[[60,"1"]]}]}}"#;
        let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'\n').collect();
        let both = [&named(&text, "a \"b\"")[..], &named(NOTHING, "c")].join(&b'\n');
        let series = read(&both).unwrap();
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].labels[0], ("__name__".to_owned(), "a \"b\"".to_owned()));
        assert_eq!(named(b"<html>", "c"), b"<html>");
    }

    #[test]
    fn what_is_no_matrix_is_refused_with_its_line() {
        let good = r#"{"data":{"resultType":"matrix","result":[]}}"#;
        let other = r#"{"data":{"resultType":"vector","result":[]}}"#;
        let error = read(format!("{good}\n{other}\n").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "line 2 holds a vector, not a matrix");
        assert!(read(b"<html>").unwrap_err().to_string().starts_with("line 1 is no answer"));
    }

    #[test]
    fn buckets_that_were_left_out_are_empty() {
        let bucket = |lower: &str, upper: &str, count: &str| {
            (0, lower.to_owned(), upper.to_owned(), count.to_owned())
        };
        let found = FoundHistogram {
            count: "6".to_owned(),
            sum: "9".to_owned(),
            buckets: vec![bucket("1", "2", "1"), bucket("2", "4", "2"), bucket("8", "16", "3")],
        };
        let Buckets::Explicit { bounds, counts } = histogram(&found, 1).unwrap().buckets else {
            panic!("bounds are listed");
        };
        assert_eq!(bounds, [1.0, 2.0, 4.0, 8.0, 16.0]);
        assert_eq!(counts, [0.0, 1.0, 2.0, 0.0, 3.0, 0.0]);
    }
}
