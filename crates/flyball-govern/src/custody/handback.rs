//! Giving a pager back: why, by whom, until when, and what came of it.

use flyball_model::{Duration, Timestamp};

use crate::evidence::Seen;
use crate::policy::Role;

/// The longest that a blitz or help lasts: half a year, after which the evidence speaks again.
pub const REPRIEVE_LONGEST: Duration = Duration::from_days(183);
/// The longest until a service is switched off that is to be retired: two years.
pub const RETIREMENT_LONGEST: Duration = Duration::from_days(731);

/// A reason to hand back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ground {
    /// The rule's name; `missed` for budgets missed by the quarter.
    pub name: String,
    /// What it means, in a sentence.
    pub say: String,
    /// What was looked at.
    pub seen: Vec<Seen>,
}

/// What comes of a notice.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum HandBackOutcome {
    /// The developers carry the pager as soon as the notice is over.
    Returned,
    /// The developers mend it first, and do little else; who carries the pager does so until then.
    Blitz {
        /// When the evidence is looked at again.
        until: Timestamp,
    },
    /// Others help for a time; who carries the pager does so until then.
    Staffed {
        /// Who helps.
        by: String,
        /// When the evidence is looked at again.
        until: Timestamp,
    },
    /// It is switched off; who carries the pager does so until then.
    Retired {
        /// When.
        off: Timestamp,
    },
}

/// What was decided on a notice.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Decided {
    /// What comes of it.
    #[serde(flatten)]
    pub outcome: HandBackOutcome,
    /// As what they decided.
    pub role: Role,
    /// Who decided.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// A notice that a pager goes back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HandBack {
    /// Why; what was seen when it was given.
    pub grounds: Vec<Ground>,
    /// As what the notice was given.
    pub role: Role,
    /// Who gave it.
    pub who: String,
    /// When.
    pub given: Timestamp,
    /// The soonest that the pager goes back.
    pub notice_until: Timestamp,
    /// When it goes back if nobody decides.
    pub deadline: Timestamp,
    /// What was decided.
    pub decided: Option<Decided>,
}

impl HandBack {
    /// When the pager goes back, as things stand; `None` when it stays.
    pub fn returns(&self) -> Option<Timestamp> {
        match &self.decided {
            None => Some(self.deadline),
            Some(Decided { outcome: HandBackOutcome::Returned, at, .. }) => {
                Some((*at).max(self.notice_until))
            }
            Some(_) => None,
        }
    }

    /// When the service is switched off, as things stand.
    pub fn retires(&self) -> Option<Timestamp> {
        match &self.decided {
            Some(Decided { outcome: HandBackOutcome::Retired { off }, .. }) => Some(*off),
            _ => None,
        }
    }

    /// Until when no other notice is given.
    pub fn reprieve(&self) -> Option<Timestamp> {
        match &self.decided {
            Some(Decided {
                outcome: HandBackOutcome::Blitz { until } | HandBackOutcome::Staffed { until, .. },
                ..
            }) => Some(*until),
            _ => None,
        }
    }

    /// Whether somebody has to decide it.
    pub const fn is_pending(&self) -> bool {
        self.decided.is_none()
    }
}
