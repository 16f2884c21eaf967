//! Documents, series and what a meter made of them, in short.

use std::collections::BTreeMap;

use flyball_events::{MetricKind, Sample, SampleValue, Series, Temporality};
use flyball_metric::{Counted, Meter, Plan, Watched};
use flyball_model::{Comparison, MetricQuery, MetricSli, Slot, Tally, Timestamp};

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn query(text: &str) -> MetricQuery {
    let spec = serde_json_text(text);
    MetricQuery { source_type: Some("prometheus".to_owned()), source_ref: None, spec }
}

fn serde_json_text(text: &str) -> String {
    format!("{{\"query\": \"{}\"}}", text.replace('\\', r"\\").replace('"', "\\\""))
}

fn watched(sli: &MetricSli, threshold: Option<(Comparison, f64)>) -> Watched {
    let plan = Plan::compile(sli, threshold).unwrap();
    Watched { identity: format!("{sli:?}"), plan, after: None }
}

pub(crate) fn good(side: &str, total: &str) -> Watched {
    let (side, total) = (query(side), query(total));
    watched(&MetricSli::Ratio { counter: true, side, side_is_bad: false, total }, None)
}

pub(crate) fn bad(side: &str, total: &str) -> Watched {
    let (side, total) = (query(side), query(total));
    watched(&MetricSli::Ratio { counter: true, side, side_is_bad: true, total }, None)
}

/// The same with slices by the label `host`, of which at most `most` are kept.
pub(crate) fn bad_by_host(side: &str, total: &str, most: u32) -> Watched {
    let (side, mut total) = (query(side), query(total));
    let slices = format!(", \"by\": [\"host\"], \"sliceLimit\": {most}}}");
    total.spec = total.spec.replace('}', &slices);
    watched(&MetricSli::Ratio { counter: true, side, side_is_bad: true, total }, None)
}

pub(crate) fn share(text: &str) -> Watched {
    watched(&MetricSli::Raw { failures: false, query: query(text) }, None)
}

pub(crate) fn gauge(text: &str, comparison: Comparison, value: f64) -> Watched {
    watched(&MetricSli::Threshold { query: query(text) }, Some((comparison, value)))
}

/// A series of samples, given as `name label=value …`.
pub(crate) fn series(text: &str, samples: Vec<Sample>) -> Series {
    let mut words = text.split(' ');
    let name = words.next().unwrap_or_default();
    let mut labels = vec![("__name__".to_owned(), name.to_owned())];
    for word in words {
        let (label, value) = word.split_once('=').unwrap();
        labels.push((label.to_owned(), value.to_owned()));
    }
    labels.sort();
    let (kind, temporality) = (MetricKind::Unknown, Temporality::Cumulative);
    Series { labels, kind, temporality, samples, exemplars: 0 }
}

pub(crate) fn number(seconds: i64, value: f64) -> Sample {
    Sample { at: at(seconds), since: None, value: SampleValue::Number(value) }
}

pub(crate) fn since(seconds: i64, from: i64, value: f64) -> Sample {
    Sample { since: Some(at(from)), ..number(seconds, value) }
}

/// What a ledger would hold.
pub(crate) type Ledger = BTreeMap<(usize, Slot), Tally>;

pub(crate) fn post(ledger: &mut Ledger, counts: &[Counted]) {
    for counted in counts {
        let sum = ledger.entry((counted.sli, counted.slot)).or_default();
        *sum = sum.plus(counted.tally);
    }
}

/// Lets everything settle, and returns valid and good of an SLI.
pub(crate) fn totals(meter: &mut Meter, sli: usize) -> (u64, u64) {
    meter.apply(&[], at(4_000_000_000));
    let counts = meter.drain().counts;
    let tallies = counts.iter().filter(|counted| counted.sli == sli && counted.slice.is_none());
    let sum: Tally = tallies.map(|counted| counted.tally).sum();
    (sum.valid(), sum.good())
}
