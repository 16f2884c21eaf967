//! Chaos Toolkit: experiments that it runs for a drill, and a drill as an experiment that it runs.
//!
//! Its rollbacks are not played when an experiment fails or is interrupted unless it is told to, so it always is.
//! Whoever runs it ends it by SIGTERM, which plays them at once; a steady state that deviates does so only when the
//! pause is over that it deviates in.
//!
//! Source: Chaos Toolkit, "The Experiment" and "Journal" references; `chaos run --help` of 1.19.

use flyball_govern::drill::{Drill, Held};
use serde_json::{Value, json};

use super::Ask;

/// How often the steady state is looked at while an experiment runs, in seconds.
const FREQUENCY: &str = "1";
/// How many times a drill looks at whether it is to end: a pause that has begun is not interrupted by a steady state that
/// deviates, so that one pause for all of it would last to its end.
const LOOKS_MAX: u32 = 60;
/// The longest journal that is read.
pub const JOURNAL_BYTES_MAX: usize = 4 << 20;

/// The arguments of `chaos` that run the experiment in a file and keep its journal in another.
pub fn arguments(experiment: &str, journal: &str) -> Vec<String> {
    let fixed = [
        "run",
        "--rollback-strategy",
        "always",
        "--hypothesis-strategy",
        "continuously",
        "--hypothesis-frequency",
        FREQUENCY,
        "--fail-fast",
        "--journal-path",
        journal,
        experiment,
    ];
    fixed.map(str::to_owned).into()
}

/// How an experiment went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// `completed`, `failed`, `aborted` or `interrupted`.
    pub status: String,
    /// Whether the steady state held: it was there before, and did not deviate. Unknown of an experiment that did not
    /// come to its end otherwise.
    pub held: Held,
    /// Whether every rollback worked; `None` when none was played.
    pub is_rolled_back: Option<bool>,
}

/// Why a journal cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// It is too long.
    #[error(
        "the journal has {bytes} bytes, of which {JOURNAL_BYTES_MAX} are read; hint: write less into it"
    )]
    Long {
        /// Its length.
        bytes: usize,
    },
    /// It is no journal.
    #[error("it is no journal: {what}; hint: Chaos Toolkit writes one with --journal-path")]
    Unknown {
        /// What is wrong.
        what: String,
    },
}

/// Reads a journal.
///
/// # Errors
///
/// [`JournalError`].
pub fn journal(text: &[u8]) -> Result<Journal, JournalError> {
    let bytes = text.len();
    if bytes > JOURNAL_BYTES_MAX {
        return Err(JournalError::Long { bytes });
    }
    let unknown = |what: &str| JournalError::Unknown { what: what.to_owned() };
    let journal: Value =
        serde_json::from_slice(text).map_err(|error| unknown(&error.to_string()))?;
    let status = journal["status"].as_str().ok_or_else(|| unknown("it has no `status`"))?;
    let is_deviated =
        journal["deviated"].as_bool().ok_or_else(|| unknown("it has no `deviated`"))?;
    let held = match (is_deviated, status) {
        (true, _) => Held::No,
        (false, "completed") => Held::Yes,
        (false, _) => Held::Unknown,
    };
    let rollbacks = journal["rollbacks"].as_array().filter(|runs| !runs.is_empty());
    let is_rolled_back = rollbacks.map(|runs| runs.iter().all(|run| run["status"] == "succeeded"));
    Ok(Journal { status: status.to_owned(), held, is_rolled_back })
}

/// A drill as an experiment: what begins and what ends it, and as steady state the address of a server that answers
/// 200 while the drill may go on.
pub fn experiment(drill: &Drill, begin: &Ask, end: &Ask, steady: &str) -> Value {
    let spec = &drill.spec;
    let believed = spec.hypothesis.as_ref().map_or(spec.description.as_str(), |of| &of.text);
    let steady = json!({
        "type": "probe",
        "name": "the drill may go on",
        "tolerance": 200,
        "provider": { "type": "http", "url": steady, "timeout": 3 },
    });
    let mut method = vec![activity("break", begin)];
    for _ in 0..LOOKS_MAX {
        let mut look = steady.clone();
        look["pauses"] = json!({ "after": spec.longest.as_seconds_f64() / f64::from(LOOKS_MAX) });
        method.push(look);
    }
    json!({
        "version": "1.0.0",
        "title": drill.name,
        "description": spec.description,
        "tags": ["flyball", spec.service],
        "runtime": {
            "hypothesis": { "strategy": "continuously" },
            "rollbacks": { "strategy": "always" },
        },
        "steady-state-hypothesis": {
            "title": believed,
            "probes": [steady],
        },
        "method": method,
        "rollbacks": [activity("make whole", end)],
    })
}

fn activity(name: &str, ask: &Ask) -> Value {
    let arguments: Value = serde_json::from_str(&ask.body).unwrap_or(Value::Null);
    json!({
        "type": "action",
        "name": name,
        "provider": {
            "type": "http",
            "method": ask.method,
            "url": ask.url,
            "headers": { "Content-Type": "application/json" },
            "arguments": arguments,
            "timeout": 3,
        },
    })
}
