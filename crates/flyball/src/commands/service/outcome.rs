//! `flyball service outcome`: values of the business outcome that a service has chosen.

use std::path::{Path, PathBuf};

use anyhow::Context;
use flyball_model::Timestamp;
use serde_json::json;

use super::PATH;
use crate::commands::change::moment;
use crate::commands::replay::now;
use crate::output::words;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Values in one request: as many as a server takes.
const POINTS_AT_ONCE: usize = 1_000;

/// Push values of the business outcome that a service has chosen: orders, sign-ups, a rating
///
/// It is shown beside the measures of delivery. A document says which outcome it is (`delivery.outcome` of `kind:
/// Service`). A value takes the place of the one of the same moment, so pushing again changes nothing. It is in the
/// audit log.
///
/// Examples:
///
///   flyball service outcome checkout 1234.50 --at 2026-11-01T00:00:00Z
///   flyball service outcome checkout --from-csv orders.csv
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct OutcomeArgs {
    /// The service
    name: String,
    /// The value, in the unit of the outcome
    #[arg(
        allow_negative_numbers = true,
        value_parser = value,
        required_unless_present = "from_csv",
        conflicts_with = "from_csv"
    )]
    value: Option<f64>,
    /// The moment that it is of; now unless told
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "from_csv")]
    at: Option<Timestamp>,
    /// A file of lines like 2026-11-01T00:00:00Z,1234.50; its first line may be time,value
    #[arg(long, value_name = "FILE")]
    from_csv: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// What became of values.
#[derive(Debug, serde::Deserialize)]
struct Receipt {
    name: String,
    kept: u64,
    known: u64,
}

/// A value and its moment.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
struct Point {
    at: Timestamp,
    value: f64,
}

fn value(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().parse().ok();
    let number = number.filter(|number| number.is_finite());
    number.ok_or_else(|| format!("`{text}` is no number\nhint: write it like 1234.50"))
}

pub(super) fn run(args: &OutcomeArgs) -> anyhow::Result<Exit> {
    let OutcomeArgs { name, value, at, from_csv, server } = args;
    let points = if let Some(file) = from_csv {
        read(file)?
    } else {
        let at = at.unwrap_or_else(now);
        value.iter().map(|&value| Point { at, value }).collect()
    };
    let remote = Remote::new(server)?;
    let path = [&PATH[..], &[name, "outcome"]].concat();
    let mut total = Receipt { name: String::new(), kept: 0, known: 0 };
    for points in points.chunks(POINTS_AT_ONCE) {
        let receipt = remote.post(&path, &json!({ "points": points }));
        let Receipt { name, kept, known } = match total.kept + total.known {
            0 => receipt?,
            before => receipt.with_context(|| {
                let before = words::plural(before, "value", "values");
                format!("the first {before} are kept; pushing them again changes nothing")
            })?,
        };
        total = Receipt { name, kept: total.kept + kept, known: total.known + known };
    }
    let Receipt { name: outcome, kept, known } = total;
    let kept = words::plural(kept, "value", "values");
    talk::note(&format!(
        "kept: {kept} of {outcome} for {name}; known before: {}",
        words::count(known)
    ));
    Ok(Exit::Met)
}

/// The points of a file.
///
/// # Errors
///
/// A file that cannot be read or has none, and the first line that is none, by its number.
fn read(file: &Path) -> anyhow::Result<Vec<Point>> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let points =
        points(&text).map_err(|(line, wrong)| anyhow::anyhow!("{name}:{line}: {wrong}"))?;
    anyhow::ensure!(!points.is_empty(), "{name} has no values\nhint: {LINE_HINT}");
    Ok(points)
}

/// How a line is written.
const LINE_HINT: &str = "write lines like 2026-11-01T00:00:00Z,1234.50";

/// The points of the lines of a text; else the number of the first that is none, and what is wrong with it.
fn points(text: &str) -> Result<Vec<Point>, (usize, String)> {
    let mut points = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let is_heading = number == 1 && line.replace(' ', "").eq_ignore_ascii_case("time,value");
        if is_heading || line.trim().is_empty() {
            continue;
        }
        let mut fields = line.split(',');
        let (Some(at), Some(amount), None) = (fields.next(), fields.next(), fields.next()) else {
            return Err((number, format!("a time and a value are wanted\nhint: {LINE_HINT}")));
        };
        let at = moment(at).map_err(|wrong| (number, wrong))?;
        let value = value(amount).map_err(|wrong| (number, wrong))?;
        points.push(Point { at, value });
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_time_and_a_value_a_line() {
        let read = points(
            "\u{feff}Time, value\r\n2026-11-01T00:00:00Z, -1.5\r\n\n2026-11-02T01:00:00+01:00,2e3\n",
        );
        let at = |text| Timestamp::parse(text).unwrap();
        assert_eq!(
            read,
            Ok(vec![
                Point { at: at("2026-11-01T00:00:00Z"), value: -1.5 },
                Point { at: at("2026-11-02T00:00:00Z"), value: 2_000.0 },
            ])
        );
        assert_eq!(points(""), Ok(Vec::new()));
        for (text, line) in [
            ("2026-11-01T00:00:00Z,1\ntime,value", 2),
            ("2026-11-01,1", 1),
            ("2026-11-01T00:00:00Z", 1),
            ("2026-11-01T00:00:00Z,1,2", 1),
            ("2026-11-01T00:00:00Z,", 1),
            ("2026-11-01T00:00:00Z,NaN", 1),
            ("2026-11-01T00:00:00Z,\"1\"", 1),
            ("\n\n2026-11-01T00:00:00Z;1", 3),
        ] {
            let (found, wrong) = points(text).unwrap_err();
            assert_eq!(found, line, "{text}");
            assert!(!wrong.is_empty(), "{text}");
        }
    }
}
