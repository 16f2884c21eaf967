//! When the inputs and the SLOs have nothing to do with each other: what to say and what to try.

use std::collections::BTreeSet;
use std::fmt::Write;

use flyball_events::{Example, Mapping, ReadSummary, TimeReader, lacks_time, remedy};
use flyball_model::{Indicator, Slo};
use flyball_query::{Measurement, listed, near_matches};
use serde_json::Value;

use super::{InputReport, input_warnings};
use crate::output::words::{self, count, plural};
use crate::talk;

/// Objects that may be open where the excerpt of a record ends.
const NESTED_MAX: usize = 4;
/// Times that an event may well have, in nanoseconds since the epoch: 2000 to 2100.
const LIKELY_NANOS: std::ops::Range<i64> = 946_684_800_000_000_000..4_102_444_800_000_000_000;

/// Refuses inputs of which not one record could be read.
///
/// # Errors
///
/// The reasons with their first examples, and what to try.
pub(crate) fn refuse_unread(summary: &ReadSummary) -> anyhow::Result<()> {
    let rejected = summary.rejected();
    if summary.events() > 0 || rejected == 0 {
        return Ok(());
    }
    let mut message = match rejected {
        1 => "the only record could not be read".to_owned(),
        many => format!("none of the {} records could be read", count(many)),
    };
    let (mut key, mut remedies) = (None, Vec::new());
    // Writing to a text cannot fail.
    for input in &summary.inputs {
        for (reason, rejected) in input.rejects.iter() {
            let _ = write!(message, "\n  {}: {reason} ({})", input.name, count(rejected.count));
            for example in &rejected.examples {
                let _ = write!(message, "\n    {}", words::example(&input.name, example));
            }
            remedies.extend(remedy(reason, rejected));
            if lacks_time(reason) {
                key = key.or_else(|| rejected.examples.iter().find_map(time_key));
            }
        }
    }
    if let Some(remedy) = remedies.first() {
        anyhow::bail!("{message}\nhint: {remedy}");
    }
    let formats = || summary.inputs.iter().filter_map(|input| input.format.as_deref());
    let of_telemetry = |format: &str| format.starts_with("otlp-");
    if formats().any(of_telemetry) && key.is_none() {
        // What it holds has no names to choose: the reasons say all there is.
        anyhow::bail!(message);
    }
    let of_table = |format: &str| {
        let (name, _) = format.split_once(';').unwrap_or((format, ""));
        matches!(name, "ndjson" | "csv" | "tsv" | "parquet")
    };
    let is_log = !formats().any(of_table);
    let hint = match key {
        Some(key) if formats().any(|format| format == "ndjson") => {
            format!("`{key}` may be the time of an event: --map {key}=time")
        }
        _ if is_log => "name the log's own format, as in --format 'nginx:$remote_addr …' \
            or --format 'apache:%h …'"
            .to_owned(),
        _ => {
            "name the attribute with the time with --map FROM=time, or another --format".to_owned()
        }
    };
    anyhow::bail!("{message}\nhint: {hint}")
}

/// As [`refuse_unread`], and tells what else of the inputs was left out, with reasons and examples.
pub(crate) fn tell_unread(summary: &ReadSummary) -> anyhow::Result<()> {
    refuse_unread(summary)?;
    for warning in input_warnings(summary) {
        talk::warning(&warning);
    }
    if summary.rejected() > 0 {
        let (one, many) = ("line could not be read and is", "lines could not be read and are");
        let lines = plural(summary.rejected(), one, many);
        let reasons: String =
            summary.inputs.iter().map(|input| words::rejects(&InputReport::new(input))).collect();
        talk::warning(&format!("{lines} left out\n{}", reasons.trim_end()));
    }
    Ok(())
}

/// The key of a JSON record whose value reads as a time of our days.
fn time_key(example: &Example) -> Option<String> {
    // The excerpt of a long record ends anywhere: whole fields are what stands before a comma.
    let text = &example.excerpt;
    let whole = std::iter::once(text.clone());
    let begun = text.rmatch_indices(',').flat_map(|(comma, _)| {
        (1..=NESTED_MAX).map(move |open| text[..comma].to_owned() + &"}".repeat(open))
    });
    let record: Value = whole.chain(begun).find_map(|text| serde_json::from_str(&text).ok())?;
    likely_time(&record, "")
}

fn likely_time(value: &Value, name: &str) -> Option<String> {
    let text = match value {
        Value::Object(fields) => {
            return fields.iter().find_map(|(key, value)| {
                let dot = if name.is_empty() { "" } else { "." };
                likely_time(value, &format!("{name}{dot}{key}"))
            });
        }
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let nanos = TimeReader::new().text(text.as_bytes())?;
    LIKELY_NANOS.contains(&nanos).then(|| name.to_owned())
}

/// That no event lies in the asked range, and where they lie.
pub(super) fn all_outside(summary: &ReadSummary) -> Option<String> {
    let (first, last) = (summary.first()?, summary.last()?);
    Some(match summary.events() {
        1 => format!("the only event lies outside the asked time range, at {first}"),
        many => format!(
            "all {} events lie outside the asked time range; they are from {first} to {last}",
            count(many)
        ),
    })
}

/// What is odd about the user's renames: a source's name that no event has, and an attribute that
/// several names stand for.
pub(super) fn renames(mapping: &Mapping, summary: &ReadSummary) -> Vec<String> {
    let known = summary.attributes();
    let mut warnings = Vec::new();
    if summary.events() == 0 {
        return warnings;
    }
    for (from, to) in mapping.renames() {
        let keys: BTreeSet<&str> = summary
            .inputs
            .iter()
            .filter_map(|input| input.offered.renamed.get(to))
            .flatten()
            .map(String::as_str)
            .collect();
        if !keys.contains(from) {
            let near = near_matches(from, known.iter().copied());
            let near = if near.is_empty() {
                String::new()
            } else {
                format!("; did you mean {}?", near.join(" or "))
            };
            warnings.push(format!("--map {from}={to}: no event has `{from}`{near}"));
        } else if keys.len() > 1
            && mapping
                .renames()
                .find(|(_, other)| *other == to)
                .is_some_and(|(first, _)| first == from)
        {
            warnings.push(format!(
                "{} all stand for `{to}`; of an event that has more than one, the first counts",
                listed(keys.iter().map(|key| format!("`{key}`")))
            ));
        }
    }
    warnings
}

/// That no event counts for an SLO, and which services there are if it asks for one.
pub(super) fn unmatched(
    slo: &Slo,
    measured: &[Measurement],
    services: &BTreeSet<String>,
) -> Option<String> {
    if measured.iter().any(|measurement| !measurement.total.is_empty()) {
        return None;
    }
    let indicators =
        slo.indicator.iter().chain(slo.objectives.iter().filter_map(|o| o.indicator.as_ref()));
    let totals: Vec<String> = indicators
        .filter_map(|indicator| match indicator {
            Indicator::Events(sli) => Some(format!("`{}`", sli.total)),
            Indicator::Metric(_) => None,
        })
        .collect();
    let asks_service = totals.iter().any(|total| total.contains("service.name"));
    let seen = if asks_service && !services.is_empty() {
        format!("; the services there are: {}", listed(services))
    } else {
        String::new()
    };
    Some(format!("SLO `{}`: no event matches {}{seen}", slo.name, totals.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_record_is_found_below_objects() {
        let key = |excerpt: &str| {
            time_key(&Example { line: 1, column: None, excerpt: excerpt.to_owned() })
        };
        assert_eq!(key(r#"{"a":1,"when":"2026-03-01T00:00:00Z"}"#).as_deref(), Some("when"));
        assert_eq!(key(r#"{"a":{"at":1772323200}}"#).as_deref(), Some("a.at"));
        let cut = r#"{"when":"2026-03-01T00:00:00Z","a":{"b":{"c":1,"d":"and so o"#;
        assert_eq!(key(cut).as_deref(), Some("when"));
        assert_eq!(key(r#"{"duration":12,"x":null}"#), None);
        assert_eq!(key("no JSON"), None);
    }
}
