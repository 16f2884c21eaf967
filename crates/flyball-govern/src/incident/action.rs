//! What is to be done after an incident: with an owner, a date, and a test of its outcome.
//!
//! The best outcome is one that a machine can look at: "this `.slotest` now passes". An item with such an outcome is
//! done when its test passed, and open again when the test fails later.

use std::collections::BTreeMap;

use flyball_model::{CHANGE_TEXT_BYTES_MAX, Duration, Timestamp};
use jiff::civil::Date;

use super::distribution::Distribution;
use crate::drill::{Held, Report, Stop};

/// The most items of one write-up: more are a project, and belong into its plan.
pub const ACTIONS_MAX: usize = 64;

/// What an item is for.
///
/// Source: Site Reliability Engineering, appendix D, "Example Postmortem": prevent, mitigate, process.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// That it does not happen again.
    Prevent,
    /// That it is less bad, or sooner noticed and over.
    Mitigate,
    /// That people work together better.
    Process,
}

/// How soon it is to be done.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Priority {
    /// Before anything else.
    P0,
    /// Next.
    P1,
    /// In the plan.
    P2,
    /// When there is time.
    P3,
}

/// How it is known that an item did what it is for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// A `.slotest` passes.
    SloTest {
        /// The file.
        file: String,
        /// The test in it; `None` for all of them.
        test: Option<String>,
    },
    /// The hypothesis of a drill holds.
    Drill {
        /// The drill.
        name: String,
    },
    /// Somebody looks, and says what they saw.
    Looked {
        /// What is to be seen.
        text: String,
    },
}

/// Where an item is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ActionState {
    /// To be done.
    Open,
    /// Done, and shown to be: its test passed, or somebody saw it.
    Done {
        /// When that was known.
        at: Timestamp,
        /// What showed it: the version that was tested, or what was seen.
        shown: String,
    },
    /// Not to be done.
    Dropped {
        /// When that was decided.
        at: Timestamp,
        /// Why.
        why: String,
    },
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ActionItem {
    /// What it is known by, unique in its write-up.
    pub id: String,
    /// What is to be done, in a sentence.
    pub text: String,
    /// What it is for.
    pub kind: ActionKind,
    /// The team that does it.
    pub owner: String,
    /// How soon.
    pub priority: Priority,
    /// By when: the end of that day, in UTC.
    #[serde(with = "crate::policy::read::date")]
    pub due: Date,
    /// Where it is worked on; an address.
    pub ticket: Option<String>,
    /// How it is known that it did what it is for.
    pub outcome: Outcome,
    /// When it was written down.
    pub opened: Timestamp,
    /// Where it is.
    pub state: ActionState,
    /// When its test last failed; `None` when it never did, or has none. A test that never failed may test
    /// nothing.
    pub failed: Option<Timestamp>,
    /// How often it was done and its test failed again.
    pub undone: u32,
}

/// What came of a test or of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What was tested.
    pub of: Outcome,
    /// When.
    pub at: Timestamp,
    /// Whether it passed, or the hypothesis held; `None` when it could not be told, which changes nothing.
    pub passed: Option<bool>,
    /// The version that was tested, or where the run is found.
    pub version: String,
}

impl Run {
    /// What a drill came to, for the items that name it: whether its hypothesis held; `None` while it lasts, and for a drill
    /// that believed nothing. One that was stopped before it was over refutes a hypothesis and confirms none. The run is
    /// found by its key.
    pub fn of_drill(report: &Report, at: Timestamp) -> Option<Self> {
        let is_whole = matches!(report.why.as_ref()?, Stop::Dosed | Stop::TimeUp);
        let held = report.hypothesis.as_ref().map(|of| of.held)?;
        let passed = match held {
            Held::Yes => is_whole.then_some(true),
            Held::No => Some(false),
            Held::Unknown => None,
        };
        let of = Outcome::Drill { name: report.drill.clone() };
        Some(Self { of, at, passed, version: report.key.clone() })
    }
}

/// Why an item does not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// Something that it cannot be without.
    #[error(
        "an action item needs {what}; hint: what is to be done, by which team, by when, and how it is known"
    )]
    Missing {
        /// What is not there.
        what: &'static str,
    },
    /// A text that is longer than what is kept.
    #[error(
        "{what} has {bytes} bytes; hint: say it in {CHANGE_TEXT_BYTES_MAX}, and link to the ticket"
    )]
    Long {
        /// What is too long.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A machine looks at its outcome.
    #[error("`{id}` is done when its test passes; hint: run it, or drop the item with a reason")]
    Tested {
        /// The item.
        id: String,
    },
    /// It is over.
    #[error("`{id}` is over already; hint: write another one")]
    Over {
        /// The item.
        id: String,
    },
}

impl ActionItem {
    /// Checks an item that is written down.
    ///
    /// # Errors
    ///
    /// [`ActionError::Missing`] and [`ActionError::Long`].
    pub fn checked(self) -> Result<Self, ActionError> {
        let outcome = match &self.outcome {
            Outcome::SloTest { file, .. } => file,
            Outcome::Drill { name } => name,
            Outcome::Looked { text } => text,
        };
        let texts = [
            ("an id", &self.id),
            ("words", &self.text),
            ("an owner", &self.owner),
            ("an outcome", outcome),
        ];
        for (what, text) in texts {
            if text.trim().is_empty() {
                return Err(ActionError::Missing { what });
            }
            if text.len() > CHANGE_TEXT_BYTES_MAX {
                return Err(ActionError::Long { what, bytes: text.len() });
            }
        }
        Ok(self)
    }

    /// What a run of its test means for it; whether anything changed. Runs of other tests mean nothing, and
    /// neither do those from before it was written down: but for a failure, which shows that the test can fail.
    pub fn learn(&mut self, run: &Run) -> bool {
        if run.of != self.outcome || matches!(self.outcome, Outcome::Looked { .. }) {
            return false;
        }
        match (run.passed, &self.state) {
            (Some(false), state) => {
                let is_undone = matches!(state, ActionState::Done { at, .. } if run.at > *at);
                if is_undone {
                    self.state = ActionState::Open;
                    self.undone += 1;
                }
                let is_news = self.failed.is_none_or(|known| known < run.at);
                self.failed = self.failed.max(Some(run.at));
                is_undone || is_news
            }
            (Some(true), ActionState::Open)
                if run.at >= self.opened && self.failed.is_none_or(|known| known < run.at) =>
            {
                self.state = ActionState::Done { at: run.at, shown: run.version.clone() };
                true
            }
            _ => false,
        }
    }

    /// Somebody looked, and saw that it is done.
    ///
    /// # Errors
    ///
    /// [`ActionError::Tested`] where a test decides, [`ActionError::Missing`] without what was seen,
    /// [`ActionError::Over`].
    pub fn seen(&mut self, what: &str, at: Timestamp) -> Result<(), ActionError> {
        if !matches!(self.outcome, Outcome::Looked { .. }) {
            return Err(ActionError::Tested { id: self.id.clone() });
        }
        self.close(what, "what was seen")?;
        self.state = ActionState::Done { at, shown: what.to_owned() };
        Ok(())
    }

    /// It is not to be done.
    ///
    /// # Errors
    ///
    /// [`ActionError::Missing`] without a reason, [`ActionError::Over`].
    pub fn drop_it(&mut self, why: &str, at: Timestamp) -> Result<(), ActionError> {
        self.close(why, "a reason")?;
        self.state = ActionState::Dropped { at, why: why.to_owned() };
        Ok(())
    }

    fn close(&self, text: &str, what: &'static str) -> Result<(), ActionError> {
        if self.state != ActionState::Open {
            return Err(ActionError::Over { id: self.id.clone() });
        }
        if text.trim().is_empty() {
            return Err(ActionError::Missing { what });
        }
        if text.len() > CHANGE_TEXT_BYTES_MAX {
            return Err(ActionError::Long { what, bytes: text.len() });
        }
        Ok(())
    }

    /// How old it is at `now`, or was when it was over.
    pub fn age(&self, now: Timestamp) -> Duration {
        match self.state {
            ActionState::Open => now.since(self.opened),
            ActionState::Done { at, .. } | ActionState::Dropped { at, .. } => at.since(self.opened),
        }
    }

    /// Whether its day is over at `now` and it is not.
    pub fn is_late(&self, now: Timestamp) -> bool {
        let today = now.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
        self.state == ActionState::Open && today > self.due
    }

    /// Whether its test is known to be able to fail; `None` where no test decides.
    pub const fn is_proof(&self) -> Option<bool> {
        match self.outcome {
            Outcome::SloTest { .. } | Outcome::Drill { .. } => Some(self.failed.is_some()),
            Outcome::Looked { .. } => None,
        }
    }
}

/// How many items are where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ActionSummary {
    /// To be done, by priority.
    pub open: BTreeMap<Priority, u64>,
    /// Of those, the ones whose day is over.
    pub late: u64,
    /// The age of what is to be done; `None` of nothing.
    pub age: Option<Distribution>,
    /// Done, as a test showed.
    pub tested: u64,
    /// Of those, the ones whose test was never seen to fail.
    pub never_failed: u64,
    /// Done, as somebody saw.
    pub looked: u64,
    /// Not to be done.
    pub dropped: u64,
    /// How long those took that are done; `None` of nothing.
    pub took: Option<Distribution>,
}

/// How many of `items` are where at `now`.
pub fn summary<'a>(
    items: impl IntoIterator<Item = &'a ActionItem>,
    now: Timestamp,
) -> ActionSummary {
    let (mut ages, mut took) = (Vec::new(), Vec::new());
    let mut found = ActionSummary {
        open: BTreeMap::new(),
        late: 0,
        age: None,
        tested: 0,
        never_failed: 0,
        looked: 0,
        dropped: 0,
        took: None,
    };
    for item in items {
        match item.state {
            ActionState::Open => {
                *found.open.entry(item.priority).or_default() += 1;
                found.late += u64::from(item.is_late(now));
                ages.push(item.age(now));
            }
            ActionState::Done { .. } => {
                took.push(item.age(now));
                match item.is_proof() {
                    Some(is_proof) => {
                        found.tested += 1;
                        found.never_failed += u64::from(!is_proof);
                    }
                    None => found.looked += 1,
                }
            }
            ActionState::Dropped { .. } => found.dropped += 1,
        }
    }
    (found.age, found.took) = (Distribution::of(ages), Distribution::of(took));
    found
}
