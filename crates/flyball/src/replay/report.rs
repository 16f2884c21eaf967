//! What a replay says; the document behind every output format.
//!
//! The JSON form is described in `docs/format/replay-v1.md`; adding a key keeps its version,
//! anything else raises it.

use flyball_budget::correction::CorrectionReport;
use flyball_budget::report::SloReport;
use flyball_budget::{Status, chart::Chart};
use flyball_events::{Example, InputSummary, remedy};
use flyball_model::{Duration, Interval, Timestamp};

/// The name and version of the JSON form.
pub const SCHEMA: &str = "flyball.dev/replay/v1";

/// A replay with the courses that only the charts need.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// What was found.
    pub report: ReplayReport,
    /// For each of `report.slos` the course of each of its objectives; empty when no charts were
    /// asked for.
    pub charts: Vec<Vec<Chart>>,
}

/// What a replay says.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ReplayReport {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The program and its version.
    pub generator: String,
    /// The worst of all promises: missed, then no data, then met. An SLO that was not evaluated is
    /// without data.
    pub status: Status,
    /// How many promises were kept.
    pub verdict: Verdict,
    /// The moment at which the windows end.
    pub at: Timestamp,
    /// The time that events were taken from.
    pub span: Interval,
    /// The length of the slots that events were counted in.
    pub slot_width: Duration,
    /// Events that were read, all inputs together.
    pub events: u64,
    /// Events left out because they lie outside `--from` and `--to`.
    pub events_outside_range: u64,
    /// Events left out because they lie in the future.
    pub events_in_future: u64,
    /// Lines or records that could not be read, all inputs together.
    pub rejected: u64,
    /// What was read, input by input.
    pub inputs: Vec<InputReport>,
    /// The SLOs that could be evaluated.
    pub slos: Vec<SloReport>,
    /// The SLOs that could not.
    pub not_evaluated: Vec<NotEvaluated>,
    /// Every correction that was loaded, also when it changed nothing.
    pub corrections: Vec<CorrectionReport>,
    /// What a reader of the numbers should know.
    pub warnings: Vec<String>,
}

/// How many promises were kept: the counts behind every summary and behind the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Verdict {
    /// What was promised: objectives, each composite as one, since its components explain it, and
    /// each SLO that was not evaluated as one. The sum of the next four.
    pub objectives: u64,
    /// Kept.
    pub met: u64,
    /// Not kept.
    pub missed: u64,
    /// Evaluated, without enough data to tell.
    pub no_data: u64,
    /// SLOs that could not be evaluated.
    pub not_evaluated: u64,
    /// Slices of all objectives. They explain their objective and do not change the verdict.
    pub slices: u64,
    /// Of those, the ones whose own budget is overspent.
    pub slices_missed: u64,
}

impl Verdict {
    /// Counts what `slos` and the SLOs left out say.
    pub(crate) fn of(slos: &[SloReport], not_evaluated: &[NotEvaluated]) -> Self {
        let mut verdict = Self { not_evaluated: not_evaluated.len() as u64, ..Self::default() };
        for slo in slos {
            match &slo.composite {
                Some(whole) => verdict.count(whole.status()),
                None => slo.objectives.iter().for_each(|o| verdict.count(o.total.status)),
            }
            for slice in slo.objectives.iter().flat_map(|objective| &objective.slices) {
                verdict.slices += 1;
                verdict.slices_missed += u64::from(slice.assessment.status == Status::Missed);
            }
        }
        verdict.objectives = verdict.met + verdict.missed + verdict.no_data + verdict.not_evaluated;
        verdict
    }

    fn count(&mut self, status: Status) {
        match status {
            Status::Met => self.met += 1,
            Status::Missed => self.missed += 1,
            Status::NoData => self.no_data += 1,
        }
    }

    /// The worst of all: a miss outweighs no data, no data outweighs a success, and so does an SLO
    /// that was not evaluated. No data where nothing was promised.
    pub fn status(&self) -> Status {
        if self.missed > 0 {
            Status::Missed
        } else if self.met == self.objectives && self.met > 0 {
            Status::Met
        } else {
            Status::NoData
        }
    }
}

/// One input.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct InputReport {
    /// The path as given, `-` for standard input.
    pub name: String,
    /// The format's name; `None` for an input without content.
    pub format: Option<String>,
    /// `none`, `gzip` or `zstd`.
    pub compression: String,
    /// Bytes that came from the system.
    pub bytes_read: u64,
    /// Bytes after decompression.
    pub bytes_decoded: u64,
    /// Lines or records, the empty and refused ones included.
    pub lines: u64,
    /// Events that were read.
    pub events: u64,
    /// The earliest event.
    pub first: Option<Timestamp>,
    /// The latest event.
    pub last: Option<Timestamp>,
    /// What could not be read, by reason.
    pub rejected: Vec<RejectedReport>,
    /// Why the input ended before its end, if it did.
    pub damage: Option<String>,
}

/// Records refused for one reason.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RejectedReport {
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
    /// The first few.
    pub examples: Vec<Example>,
    /// What to do about them, where that is known; for people, who are shown it.
    #[serde(skip)]
    pub remedy: Option<&'static str>,
}

/// An SLO that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NotEvaluated {
    /// The SLO's name.
    pub slo: String,
    /// Why.
    pub reason: String,
}

impl InputReport {
    /// The report of one input that was read.
    pub(crate) fn new(input: &InputSummary) -> Self {
        Self {
            name: input.name.clone(),
            format: input.format.clone(),
            compression: format!("{:?}", input.compression).to_lowercase(),
            bytes_read: input.bytes_read,
            bytes_decoded: input.bytes_decoded,
            lines: input.lines,
            events: input.events,
            first: input.first,
            last: input.last,
            rejected: input
                .rejects
                .iter()
                .map(|(reason, rejected)| RejectedReport {
                    reason,
                    count: rejected.count,
                    examples: rejected.examples.clone(),
                    remedy: remedy(reason, rejected),
                })
                .collect(),
            damage: input.damage.clone(),
        }
    }
}
