//! What is done about a change that regressed: by which action, who asked, and what came of it.
//!
//! A use of an action on a change is known by a key that stays the same however often it is asked for, so that
//! whoever carries it out does it once. It is planned first, which changes nothing; begun before anybody is
//! asked, and settled by the answer. Nothing here asks anybody.

use flyball_model::{
    Change, ChangeKind, Duration, HookPurpose, RestoreAction, RestoreVia, Timestamp,
};

use crate::alert::{Outcome, Retry};
use crate::verdict::{Remedy, Suggestion};

/// What the source of changes that were recorded because they restored is called.
pub const RESTORE_SYSTEM: &str = "restore";

/// How often, how long and how far apart it is tried: what restores a quarter of an hour late meets a service
/// that somebody is mending already.
pub const RETRY: Retry = Retry {
    base: Duration::from_seconds(1),
    cap: Duration::from_minutes(1),
    age_max: Duration::from_minutes(15),
    seed: 0,
};

/// What restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restores {
    /// Going back to the version before.
    RollBack,
    /// Taking the traffic of a slice elsewhere.
    Drain,
    /// Switching a flag off.
    ToggleOff,
}

impl Restores {
    /// What `via` does.
    pub const fn of(via: &RestoreVia) -> Self {
        match via {
            RestoreVia::Hook { purpose: HookPurpose::Rollback, .. } => Self::RollBack,
            RestoreVia::Hook { purpose: HookPurpose::Drain, .. } => Self::Drain,
            RestoreVia::Flagd { .. } | RestoreVia::Unleash { .. } => Self::ToggleOff,
        }
    }

    /// The kind of the change that it is itself.
    pub const fn change_kind(self) -> ChangeKind {
        match self {
            Self::RollBack => ChangeKind::Rollback,
            Self::Drain => ChangeKind::Infrastructure,
            Self::ToggleOff => ChangeKind::Flag,
        }
    }

    /// What was done, in words that follow a change's name.
    pub const fn done(self) -> &'static str {
        match self {
            Self::RollBack => "was rolled back",
            Self::Drain => "was drained",
            Self::ToggleOff => "was switched off",
        }
    }

    const fn is_remedy(self, remedy: Remedy) -> bool {
        matches!(
            (self, remedy),
            (Self::RollBack, Remedy::RollBack) | (Self::ToggleOff, Remedy::ToggleOff)
        )
    }
}

/// The actions for `change` that do what is suggested, in the order of their names; none where a fix is.
pub fn suggested<'a>(
    actions: impl IntoIterator<Item = &'a RestoreAction>,
    change: &Change,
    suggestion: &Suggestion,
) -> Vec<&'a RestoreAction> {
    let does = |action: &RestoreAction| Restores::of(&action.via).is_remedy(suggestion.remedy);
    let actions = actions.into_iter().filter(|action| action.is_for(change) && does(action));
    let mut found: Vec<&RestoreAction> = actions.collect();
    found.sort_by(|one, two| one.name.cmp(&two.name));
    found
}

/// Whether `change` has restored something itself: undoing it would bring back what it undid.
pub fn is_restore(change: &Change) -> bool {
    change.kind == ChangeKind::Rollback
        || change.restores.is_some()
        || change.source.system == RESTORE_SYSTEM
}

/// The deployment that was live before `change`, of `others`: what is gone back to. `None` when none is known.
pub fn before<'a>(change: &Change, others: &'a [Change]) -> Option<&'a Change> {
    let began = change.started.or(change.shipped()).unwrap_or(change.recorded);
    let of_place = others.iter().filter(|other| {
        other.id != change.id
            && other.kind.is_deployment()
            && (&other.service, &other.environment) == (&change.service, &change.environment)
    });
    let shipped = of_place.filter_map(|other| Some((other.shipped()?, other)));
    let earlier = shipped.filter(|(at, _)| *at < began);
    earlier.max_by_key(|(at, other)| (*at, &other.id)).map(|(_, other)| other)
}

/// What is to be done, exactly, without a secret.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Plan {
    /// A request.
    Request {
        /// Its method.
        method: String,
        /// Where it is sent; where that is a secret itself, where it is found.
        url: String,
        /// Its body; empty for none.
        body: String,
    },
    /// Another text of a file.
    Edit {
        /// The file, below the directory of flag files.
        file: String,
        /// What differs; nothing when it is as it should be.
        edits: Vec<Edit>,
    },
}

/// One value of a JSON document that becomes another.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Edit {
    /// Where it stands: a JSON pointer, RFC 6901.
    pub pointer: String,
    /// What it is.
    pub from: serde_json::Value,
    /// What it becomes.
    pub to: serde_json::Value,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreState {
    /// It is known what would be done; nothing was.
    Planned,
    /// It is being done, or tried again.
    Begun,
    /// It was done.
    Done,
    /// It was not, and is tried no more.
    Failed,
    /// Something else restored the service before it was done.
    CalledOff,
}

impl RestoreState {
    /// The state in words, as the audit log has them.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "plan",
            Self::Begun => "begin",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::CalledOff => "called_off",
        }
    }
}

/// The use of an action on a change.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Restoring {
    /// What it is known by to whoever carries it out, whenever they are asked.
    pub key: String,
    /// The action.
    pub action: String,
    /// What that does.
    pub does: Restores,
    /// What is drained, as `cloud.region=eu-1`; `None` for the whole.
    pub slice: Option<String>,
    /// The flag that is switched off; `None` where it is none.
    pub flag: Option<String>,
    /// Who asked, as the audit log names them; `server` where nobody had to.
    pub by: String,
    /// As what they asked; `None` where nobody had to.
    pub role: Option<String>,
    /// Whether nobody had to ask.
    pub automatic: bool,
    /// When it was planned, or begun.
    pub at: Timestamp,
    /// What is done; `None` where that cannot be told.
    pub plan: Option<Plan>,
    /// How far it has come.
    pub state: RestoreState,
    /// How often it was tried and failed.
    pub attempts: u32,
    /// When it is tried next, while it is begun.
    pub next: Option<Timestamp>,
    /// Why it cannot be planned, or what the last attempt met.
    pub problem: Option<String>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// The change that it was recorded as, by id.
    pub change: Option<String>,
    /// Whether somebody is still to be told to look at it.
    #[serde(default)]
    pub is_owed: bool,
}

impl Restoring {
    /// What came of an attempt at `at`. What may go better later is tried again, as [`RETRY`] says.
    pub fn settle(&mut self, outcome: Outcome, at: Timestamp) {
        let (state, problem) = match outcome {
            Outcome::Delivered => (RestoreState::Done, None),
            Outcome::Refused { problem } => (RestoreState::Failed, Some(problem)),
            Outcome::Later { problem, after } => {
                self.attempts += 1;
                let next = at.plus(RETRY.wait(0, self.attempts, after));
                if next.since(self.at) <= RETRY.age_max {
                    (self.next, self.problem) = (Some(next), Some(problem));
                    return;
                }
                (RestoreState::Failed, Some(format!("it was tried for too long: {problem}")))
            }
        };
        self.end(state, problem, at);
    }

    /// It is not done, since something else restored the service.
    pub fn call_off(&mut self, at: Timestamp) {
        let problem = "the service was restored by something else".to_owned();
        self.end(RestoreState::CalledOff, Some(problem), at);
    }

    fn end(&mut self, state: RestoreState, problem: Option<String>, at: Timestamp) {
        self.is_owed = self.automatic && state != RestoreState::CalledOff;
        (self.state, self.problem) = (state, problem);
        (self.next, self.ended) = (None, Some(at));
    }
}

#[cfg(test)]
mod tests;
