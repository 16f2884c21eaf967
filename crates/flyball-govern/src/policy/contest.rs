//! A posting in the ledger that somebody disputes: evidence, a decider, a deadline, an outcome.
//!
//! A posting stands while it is contested, and stands for good when the deadline passes undecided: a
//! dispute is no way to get a budget back.

use flyball_model::Timestamp;

use super::Role;

/// The most pieces of evidence for one contest.
const EVIDENCE_MAX: usize = 100;

/// Something that bears on a contest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Evidence {
    /// Who brought it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What it says, or where it is.
    pub text: String,
}

/// How a contest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The posting stays as it is.
    Stands,
    /// The posting is taken back; the ledger gets a correction.
    TakenBack,
    /// The posting is somebody else's: another cause or dependency is charged.
    Moved,
}

/// Where a contest is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ContestState {
    /// To be decided.
    Open,
    /// Decided in time.
    Decided {
        /// How.
        outcome: Outcome,
        /// By whom.
        by: String,
        /// When.
        at: Timestamp,
        /// Why.
        why: String,
    },
    /// The deadline passed: the posting stands.
    Lapsed,
}

/// One posting, contested.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Contest {
    posting: String,
    by: String,
    why: String,
    opened: Timestamp,
    decider: Role,
    deadline: Timestamp,
    evidence: Vec<Evidence>,
    state: ContestState,
}

/// Why a contest does not move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContestError {
    /// Something that it cannot be without.
    #[error("a contest needs {what}")]
    Missing {
        /// What is not there.
        what: &'static str,
    },
    /// No time to decide.
    #[error("the deadline {deadline} is not after {opened}, when the contest is opened")]
    Deadline {
        /// When it was to be opened.
        opened: Timestamp,
        /// Its deadline.
        deadline: Timestamp,
    },
    /// It is over.
    #[error("the contest of `{posting}` is over; hint: open another with new evidence")]
    Over {
        /// The posting.
        posting: String,
    },
    /// Not theirs to decide.
    #[error("`{role}` does not decide this contest; hint: `{decider}` does")]
    NotDecider {
        /// The role that tried.
        role: Role,
        /// The role that decides.
        decider: Role,
    },
    /// Nobody judges their own cause.
    #[error(
        "{who} opened this contest and cannot decide it; hint: ask somebody else who holds the role"
    )]
    OwnCause {
        /// Who.
        who: String,
    },
    /// Too much.
    #[error(
        "a contest has at most {EVIDENCE_MAX} pieces of evidence; hint: link to a document that holds more"
    )]
    TooMuch,
}

impl Contest {
    /// Opens a contest of `posting`.
    ///
    /// # Errors
    ///
    /// [`ContestError::Missing`] without a posting, a person or a reason, [`ContestError::Deadline`] when
    /// the deadline is not in the future.
    pub fn open(
        posting: &str,
        by: &str,
        why: &str,
        opened: Timestamp,
        decider: Role,
        deadline: Timestamp,
    ) -> Result<Self, ContestError> {
        for (what, text) in [("a posting", posting), ("a person", by), ("a reason", why)] {
            if text.trim().is_empty() {
                return Err(ContestError::Missing { what });
            }
        }
        if deadline <= opened {
            return Err(ContestError::Deadline { opened, deadline });
        }
        Ok(Self {
            posting: posting.to_owned(),
            by: by.to_owned(),
            why: why.to_owned(),
            opened,
            decider,
            deadline,
            evidence: Vec::new(),
            state: ContestState::Open,
        })
    }

    /// Where it is at `at`: an open contest lapses at its deadline without anybody doing anything.
    pub fn state(&self, at: Timestamp) -> ContestState {
        match &self.state {
            ContestState::Open if at >= self.deadline => ContestState::Lapsed,
            state => state.clone(),
        }
    }

    /// Adds evidence.
    ///
    /// # Errors
    ///
    /// [`ContestError::Over`] when it is decided or lapsed, [`ContestError::Missing`] for an empty text,
    /// [`ContestError::TooMuch`].
    pub fn add(&mut self, evidence: Evidence) -> Result<(), ContestError> {
        self.still_open(evidence.at)?;
        if evidence.text.trim().is_empty() {
            return Err(ContestError::Missing { what: "words in its evidence" });
        }
        if self.evidence.len() >= EVIDENCE_MAX {
            return Err(ContestError::TooMuch);
        }
        self.evidence.push(evidence);
        Ok(())
    }

    /// Decides it.
    ///
    /// # Errors
    ///
    /// [`ContestError::Over`] when it is decided or lapsed, [`ContestError::NotDecider`] for another role,
    /// [`ContestError::OwnCause`] for whoever opened it, [`ContestError::Missing`] without a reason.
    pub fn decide(
        &mut self,
        role: &Role,
        who: &str,
        at: Timestamp,
        outcome: Outcome,
        why: &str,
    ) -> Result<(), ContestError> {
        self.still_open(at)?;
        if *role != self.decider {
            return Err(ContestError::NotDecider {
                role: role.clone(),
                decider: self.decider.clone(),
            });
        }
        if who == self.by {
            return Err(ContestError::OwnCause { who: who.to_owned() });
        }
        if why.trim().is_empty() {
            return Err(ContestError::Missing { what: "a reason for its outcome" });
        }
        self.state = ContestState::Decided { outcome, by: who.to_owned(), at, why: why.to_owned() };
        Ok(())
    }

    /// When it was opened.
    pub const fn opened(&self) -> Timestamp {
        self.opened
    }

    /// What was brought so far, in order.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    fn still_open(&self, at: Timestamp) -> Result<(), ContestError> {
        match self.state(at) {
            ContestState::Open => Ok(()),
            _ => Err(ContestError::Over { posting: self.posting.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn open() -> Contest {
        let cto = Role::new("cto").unwrap();
        Contest::open("posting-7", "ada", "the load test did it", at(0), cto, at(100)).unwrap()
    }

    #[test]
    fn a_contest_is_decided_once_by_its_decider() {
        let (cto, sre) = (Role::new("cto").unwrap(), Role::new("sre").unwrap());
        let mut contest = open();
        contest.add(Evidence { by: "ada".into(), at: at(1), text: "graph 3".into() }).unwrap();
        let mut decide = |role: &Role, who: &str, when: i64, why: &str| {
            contest.decide(role, who, at(when), Outcome::TakenBack, why)
        };
        assert!(matches!(decide(&sre, "bo", 2, "yes"), Err(ContestError::NotDecider { .. })));
        assert!(matches!(decide(&cto, "ada", 2, "yes"), Err(ContestError::OwnCause { .. })));
        assert!(matches!(decide(&cto, "bo", 2, ""), Err(ContestError::Missing { .. })));
        decide(&cto, "bo", 2, "it was one").unwrap();
        assert!(matches!(decide(&cto, "bo", 3, "again"), Err(ContestError::Over { .. })));
        assert!(matches!(contest.state(at(500)), ContestState::Decided { .. }));
        assert_eq!(contest.evidence().len(), 1);
        let kept = serde_json::to_value(&contest).unwrap();
        assert_eq!(serde_json::from_value::<Contest>(kept).unwrap(), contest);
    }

    #[test]
    fn an_undecided_contest_lapses() {
        let mut contest = open();
        assert_eq!(contest.state(at(99)), ContestState::Open);
        assert_eq!(contest.state(at(100)), ContestState::Lapsed);
        let late = Evidence { by: "ada".into(), at: at(100), text: "late".into() };
        assert!(matches!(contest.add(late), Err(ContestError::Over { .. })));
        let cto = Role::new("cto").unwrap();
        assert!(contest.decide(&cto, "bo", at(100), Outcome::Moved, "late").is_err());
    }

    #[test]
    fn a_contest_needs_a_person_a_reason_and_time() {
        let cto = Role::new("cto").unwrap();
        assert!(Contest::open("p", "", "why", at(0), cto.clone(), at(1)).is_err());
        assert!(Contest::open("p", "ada", " ", at(0), cto.clone(), at(1)).is_err());
        assert!(Contest::open("p", "ada", "why", at(1), cto, at(1)).is_err());
    }
}
