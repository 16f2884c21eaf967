//! Exceptions: an accountable person lets one change, or a class of changes, through for a time.

use std::collections::BTreeMap;

use flyball_model::Timestamp;

use super::facts::{Approval, Question};
use crate::policy::{ChangeClass, OverrideRule, Role};

/// An exception to what a policy decides.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Override {
    /// What it is known by.
    pub id: String,
    /// For which service.
    pub service: String,
    /// For which change; `None` for any of the class.
    pub change: Option<String>,
    /// For which class.
    pub class: ChangeClass,
    /// As what the person answers for it.
    pub role: Role,
    /// Who.
    pub who: String,
    /// Why, in a sentence.
    pub why: String,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after: from then on it does nothing.
    pub expires: Timestamp,
    /// The other person who agrees.
    pub second: Option<Approval>,
    /// When it was taken back.
    #[serde(default)]
    pub revoked: Option<Timestamp>,
}

impl Override {
    /// Why it does nothing for `question` under `rule`; `None` when it lets the change through.
    ///
    /// The first of: another service, class or change; not begun, expired, revoked; no person or no
    /// reason; a role that makes no exceptions; longer than the policy allows; a second person missing,
    /// or the same one twice, or of another role.
    pub fn refusal(&self, question: &Question, rule: &OverrideRule) -> Option<String> {
        let other_change = self.change.is_some() && self.change != question.change;
        if self.service != question.service || self.class != question.class || other_change {
            return Some("it is for another change".to_owned());
        }
        let at = question.at;
        if at < self.from {
            return Some(format!("it begins at {}", self.from));
        }
        if at >= self.expires {
            return Some(format!("it expired at {}", self.expires));
        }
        if let Some(revoked) = self.revoked.filter(|revoked| *revoked <= at) {
            return Some(format!("it was revoked at {revoked}"));
        }
        if self.who.trim().is_empty() || self.why.trim().is_empty() {
            return Some("nobody answers for it, or for no reason".to_owned());
        }
        if !rule.roles.contains(&self.role) {
            return Some(format!("the policy lets no `{}` make exceptions", self.role));
        }
        if self.expires.since(self.from) > rule.longest {
            return Some(format!("it lasts longer than the policy's {}", rule.longest));
        }
        let needed = rule.second.as_ref()?;
        match &self.second {
            Some(second) if second.role == *needed && second.who != self.who && second.at <= at => {
                None
            }
            _ => Some(format!("it needs another person's agreement as `{needed}`")),
        }
    }

    /// True when it is for the same service, class and change, whatever its time.
    pub(crate) fn concerns(&self, question: &Question) -> bool {
        self.service == question.service
            && self.class == question.class
            && (self.change.is_none() || self.change == question.change)
    }
}

/// How a change ended that an override had let through.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Nothing got worse.
    Healthy,
    /// Something did.
    Regressed,
    /// It could not be told.
    Undecided,
}

/// What one person's overrides came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct OverrideRecord {
    /// How many overrides they made.
    pub made: usize,
    /// Changes that shipped under them, by how they ended.
    pub ended: BTreeMap<Ended, usize>,
    /// Overrides that no change used.
    pub unused: usize,
}

/// Who overrode, and how it ended: `used` tells for each change that shipped under an override which
/// one, and how the change ended. Uses of overrides that are not listed are left out.
pub fn override_report(
    overrides: &[Override],
    used: &[(String, Ended)],
) -> BTreeMap<String, OverrideRecord> {
    let mut report: BTreeMap<String, OverrideRecord> = BTreeMap::new();
    for one in overrides {
        let record = report.entry(one.who.clone()).or_default();
        record.made += 1;
        let mut endings =
            used.iter().filter(|(id, _)| *id == one.id).map(|(_, ended)| ended).peekable();
        if endings.peek().is_none() {
            record.unused += 1;
        }
        for ended in endings {
            *record.ended.entry(*ended).or_default() += 1;
        }
    }
    report
}
