//! Delivery against published cases, naive second implementations and examples worked by hand.

mod devlake;
mod levels;
mod measures;

use std::collections::BTreeMap;

use flyball_model::{
    Break, BreakCause, Change, ChangeKind, ChangeOutcome, ChangeSource, Commit, Duration, Incident,
    Interval, Timestamp,
};

use super::facts::{Facts, Judgement, Outage};
use super::history::History;
use super::outcome::Series;

/// An instant on the first days of 2026.
fn at(text: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-01-{text}Z")).unwrap()
}

fn deploy(id: &str, shipped: Timestamp) -> Change {
    let source = ChangeSource { system: "test".to_owned(), delivery: id.to_owned() };
    let (service, kind) = ("shop".to_owned(), ChangeKind::Deploy);
    let outcome = ChangeOutcome::Succeeded;
    let mut change = Change::new(id.to_owned(), service, kind, outcome, shipped, source);
    change.environment = Some("production".to_owned());
    change.finished = Some(shipped);
    change
}

fn commit(sha: &str, authored: Timestamp) -> Commit {
    Commit { sha: sha.to_owned(), authored }
}

fn page(at: Timestamp) -> Break {
    Break { at, cause: BreakCause::Page("p".to_owned()) }
}

/// What is measured, owned.
struct Case {
    during: Interval,
    now: Timestamp,
    changes: Vec<Change>,
    judgements: BTreeMap<String, Judgement>,
    breaks: BTreeMap<String, Break>,
    incidents: Vec<Incident>,
    outages: Vec<Outage>,
    unobserved: Vec<Interval>,
    outcome: Option<Series>,
}

impl Case {
    /// Nothing at all, over the first ten days of 2026.
    fn empty() -> Self {
        let during = Interval::starting(at("01T00:00:00"), Duration::from_days(10));
        Self {
            during,
            now: during.end(),
            changes: Vec::new(),
            judgements: BTreeMap::new(),
            breaks: BTreeMap::new(),
            incidents: Vec::new(),
            outages: Vec::new(),
            unobserved: Vec::new(),
            outcome: None,
        }
    }

    /// Asks of these facts.
    fn ask<T>(&self, question: impl FnOnce(&Facts<'_>) -> T) -> T {
        let history = History::new(&self.changes, "Production");
        question(&Facts {
            during: self.during,
            now: self.now,
            history: &history,
            judgements: &self.judgements,
            breaks: &self.breaks,
            incidents: &self.incidents,
            outages: &self.outages,
            unobserved: &self.unobserved,
            outcome: self.outcome.as_ref(),
        })
    }
}
