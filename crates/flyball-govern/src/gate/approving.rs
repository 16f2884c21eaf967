//! Approvals: the signatures under one change that a level may `require`.
//!
//! An approval is of one change, and lets nothing through that a level denies. Who asks the gate for a change does
//! not approve it.

use std::fmt::Write;

use flyball_model::{Duration, Rational, Timestamp};

use super::facts::Question;
use super::overriding::EndedEarly;
use super::rollout::Rollout;
use crate::checklist::Control;
use crate::policy::{ChangeClass, LevelSpec, Policy, Role};

/// The longest that one approval holds: two weeks, after which somebody has to look at the change again.
pub const APPROVAL_LONGEST: Duration = Duration::from_days(14);

/// Somebody's signature under one change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Approval {
    /// What it is known by.
    pub id: String,
    /// For which service.
    pub service: String,
    /// The change, as the gate is asked with it: by its name or its revision.
    pub change: String,
    /// For which class.
    pub class: ChangeClass,
    /// How far it may reach; `None` for everybody at once. What reaches no more users, and watches each step for as
    /// long, is approved with it.
    pub rollout: Option<Rollout>,
    /// Where it may go; `None` for anywhere.
    pub environment: Option<String>,
    /// As what the person signs.
    pub role: Role,
    /// Who.
    pub who: String,
    /// Why, in a sentence.
    pub why: String,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after: from then on it does nothing.
    pub expires: Timestamp,
    /// Who withdrew it before its end.
    pub withdrawn: Option<EndedEarly>,
}

/// Why a change is not approved, or an approval not withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// Nobody, nothing, or for no reason.
    #[error("an approval needs {what}; hint: it is as accountable as an override")]
    Missing {
        /// What is not there.
        what: &'static str,
    },
    /// Its end is not after its start, or too far.
    #[error(
        "an approval ends after it begins and lasts at most {APPROVAL_LONGEST}; hint: end it earlier"
    )]
    Length,
    /// No level asks for this signature.
    #[error(
        "no level of the policy `{policy}`, and no review, asks `{role}` to sign a {class}; hint: {asked}, and `flyball policy \
         override` makes an exception"
    )]
    NotAsked {
        /// The policy.
        policy: String,
        /// The role.
        role: Role,
        /// The class of the change.
        class: ChangeClass,
        /// Who is asked, in words.
        asked: String,
    },
    /// One person, two roles.
    #[error("{who} has approved `{change}` as another role; hint: each role is another person's")]
    Same {
        /// Who.
        who: String,
        /// The change.
        change: String,
    },
    /// It is over.
    #[error("the approval `{id}` is over already; hint: it does nothing any more")]
    Over {
        /// The approval.
        id: String,
    },
    /// Somebody else's.
    #[error("the approval `{id}` is that of {who}; hint: who has approved withdraws it")]
    NotYours {
        /// The approval.
        id: String,
        /// Who made it.
        who: String,
    },
}

impl Approval {
    /// Whether `policy` takes it: some level asks this role to sign changes of the class.
    ///
    /// # Errors
    ///
    /// [`ApprovalError`]: who, why or the change are missing, it is longer than [`APPROVAL_LONGEST`], or neither a level
    /// nor one of `controls` asks for it.
    pub fn check(&self, policy: &Policy, controls: &[Control]) -> Result<(), ApprovalError> {
        let missing = [
            ("who it is made by", &self.who),
            ("a reason", &self.why),
            ("the change's name", &self.change),
        ];
        if let Some((what, _)) = missing.into_iter().find(|(_, text)| text.trim().is_empty()) {
            return Err(ApprovalError::Missing { what });
        }
        if self.expires <= self.from || self.expires.since(self.from) > APPROVAL_LONGEST {
            return Err(ApprovalError::Length);
        }
        let levels = policy.spec().levels.iter().flat_map(|level| signers(level, self.class));
        let mut asked: Vec<&Role> = levels.chain(controllers(controls, self.class)).collect();
        if asked.contains(&&self.role) {
            return Ok(());
        }
        asked.sort_unstable();
        asked.dedup();
        let asked: Vec<&str> = asked.into_iter().map(Role::name).collect();
        let asked = if asked.is_empty() {
            format!("a {} needs no signature by it", self.class)
        } else {
            format!("it asks for {}", asked.join(", "))
        };
        let (policy, role) = (policy.name().to_owned(), self.role.clone());
        Err(ApprovalError::NotAsked { policy, role, class: self.class, asked })
    }

    /// Whether it is under the same change as `other`, whoever signed which.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.service == other.service && self.class == other.class && self.change == other.change
    }

    /// Withdraws it from `ended.at` on.
    ///
    /// # Errors
    ///
    /// [`ApprovalError`]: it is over, somebody else's, or no reason is given.
    pub fn withdraw(&mut self, ended: EndedEarly) -> Result<(), ApprovalError> {
        if !self.holds(ended.at) {
            return Err(ApprovalError::Over { id: self.id.clone() });
        }
        if ended.who != self.who {
            return Err(ApprovalError::NotYours { id: self.id.clone(), who: self.who.clone() });
        }
        if ended.why.trim().is_empty() {
            return Err(ApprovalError::Missing { what: "a reason when it is withdrawn" });
        }
        self.withdrawn = Some(ended);
        Ok(())
    }

    /// Whether it has neither expired nor been withdrawn at `at`.
    pub fn holds(&self, at: Timestamp) -> bool {
        at < self.expires && self.withdrawn.as_ref().is_none_or(|ended| at < ended.at)
    }

    /// Why it does nothing for `question`, which it [concerns](Self::concerns); `None` when it is a signature under
    /// it.
    ///
    /// The first of: not begun, expired, withdrawn; another environment; a rollout that reaches more users or is
    /// watched for less time; given by who asks.
    pub fn refusal(&self, question: &Question) -> Option<String> {
        let at = question.at;
        if at < self.from {
            return Some(format!("it begins at {}", self.from));
        }
        if at >= self.expires {
            return Some(format!("it expired at {}", self.expires));
        }
        if let Some(EndedEarly { who, why, at }) = self.withdrawn.as_ref().filter(|of| of.at <= at)
        {
            return Some(format!("{who} withdrew it at {at}: {why}"));
        }
        if let Some(place) = self.environment.as_ref()
            && question.environment.as_ref() != Some(place)
        {
            return Some(format!("it is for the environment `{place}`"));
        }
        if let Some(rollout) = &self.rollout {
            let (share, bake) = blast(question.rollout.as_ref());
            if share > rollout.reach() || bake < rollout.shortest_bake() {
                return Some(format!("it is for the rollout {rollout}"));
            }
        }
        (question.asked_by.as_ref() == Some(&self.who))
            .then(|| "who asks for a change does not approve it; another person does".to_owned())
    }

    /// True when it is under the change that `question` is about, whatever its time and reach.
    pub fn concerns(&self, question: &Question) -> bool {
        let names = [&question.change, &question.revision];
        self.service == question.service
            && self.class == question.class
            && names.into_iter().flatten().any(|name| *name == self.change)
    }

    /// Who signed as what until when, and why, in a sentence.
    pub(super) fn sentence(&self) -> String {
        let Self { who, role, change, expires, why, .. } = self;
        let why = why.trim_end_matches('.');
        format!("{who} has approved `{change}` as `{role}` until {expires:.0}: {why}.")
    }
}

/// The roles that `level` asks to sign changes of `class`.
pub(super) fn signers(level: &LevelSpec, class: ChangeClass) -> impl Iterator<Item = &Role> {
    let asked = level.require.iter().filter(move |sign_off| sign_off.classes.contains(&class));
    asked.map(|sign_off| &sign_off.role)
}

/// The roles that `controls` ask to sign changes of `class`.
pub(super) fn controllers(controls: &[Control], class: ChangeClass) -> impl Iterator<Item = &Role> {
    let asked = controls.iter().filter(move |control| control.sign_off.classes.contains(&class));
    asked.map(|control| &control.sign_off.role)
}

/// The share of users that a rollout reaches, and how long its steps are watched at least.
fn blast(rollout: Option<&Rollout>) -> (Rational, Duration) {
    rollout.map_or((Rational::ONE, Duration::ZERO), |rollout| {
        (rollout.reach(), rollout.shortest_bake())
    })
}

/// The command by which `role` signs the change of `question`; `None` of a change without a name, which nobody can
/// sign. A revision goes before a name, since a pipeline that runs again may find another name for the same change.
pub(super) fn command(question: &Question, role: &Role) -> Option<String> {
    let change = question.revision.as_ref().or(question.change.as_ref())?;
    let Question { service, class, rollout, environment, .. } = question;
    let mut out = format!("flyball policy approve {} --change {}", word(service), word(change));
    // Writing to a text does not fail.
    let _ = write!(out, " --class {class}");
    if let Some(rollout) = rollout {
        let _ = write!(out, " --rollout {}", word(&rollout.to_string()));
    }
    if let Some(place) = environment {
        let _ = write!(out, " --environment {}", word(place));
    }
    let _ = write!(out, " --role {role} --why '…' --until 24h");
    Some(out)
}

/// The command by which `role` signs a latched level of `service` off.
pub(super) fn sign_off(service: &str, level: &str, role: &Role) -> String {
    format!("flyball policy sign-off {} {} --role {role}", word(service), word(level))
}

/// `text` as one word of a shell.
fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
