//! How a service is restored when a change made it worse: what a server may do to other systems.

use crate::alert_target::{Address, SecretRef};
use crate::change::{Change, ChangeClass, ChangeKind};

/// Something that a server may do about a change that regressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreAction {
    /// `metadata.name`: its identity.
    pub name: String,
    /// The service whose changes it undoes.
    pub service: String,
    /// The kinds of changes that it is for; none for all.
    pub kinds: Vec<ChangeKind>,
    /// The classes of changes that it is for; none for all.
    pub classes: Vec<ChangeClass>,
    /// Whether it is done as soon as the verdict is known, without anybody asking.
    pub automatic: bool,
    /// Whether it is only told what would be done.
    pub dry_run: bool,
    /// What is done.
    pub via: RestoreVia,
}

/// What is done to restore a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreVia {
    /// A signed request to whoever can do it.
    Hook {
        /// What is asked for.
        purpose: HookPurpose,
        /// Where it is sent.
        url: Address,
        /// What it is signed with.
        secret: SecretRef,
    },
    /// A flag in a file that flagd reads.
    Flagd {
        /// The file, below the server's directory of flag files.
        file: String,
        /// The flag; that of the change unless told.
        flag: Option<String>,
        /// The variant that is off; found among the variants unless told.
        off: Option<String>,
    },
    /// A flag of Unleash, by its admin API.
    Unleash {
        /// Its address, with the path that it is served under.
        url: String,
        /// The project that the flag is of.
        project: String,
        /// The environment in which the flag is switched off.
        environment: String,
        /// The flag; that of the change unless told.
        flag: Option<String>,
        /// The token that the API asks for.
        token: SecretRef,
    },
}

/// What a hook is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookPurpose {
    /// To go back to the version before.
    Rollback,
    /// To take the traffic of a slice elsewhere.
    Drain,
}

impl HookPurpose {
    /// The purpose in one word, as documents say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Drain => "drain",
        }
    }
}

impl RestoreAction {
    /// Whether it is for `change`: of its service, kind and class. One that switches a flag off is for changes of
    /// that flag, and knows which one that is.
    pub fn is_for(&self, change: &Change) -> bool {
        let is_of = self.service == change.service
            && (self.kinds.is_empty() || self.kinds.contains(&change.kind))
            && (self.classes.is_empty() || self.classes.contains(&change.class));
        let is_of_flag = match &self.via {
            RestoreVia::Hook { .. } => true,
            RestoreVia::Flagd { flag, .. } | RestoreVia::Unleash { flag, .. } => {
                match (flag, &change.flag) {
                    (Some(own), Some(of)) => own == of,
                    (own, of) => own.is_some() || of.is_some(),
                }
            }
        };
        is_of && is_of_flag
    }
}

impl RestoreVia {
    /// The kind in one word, as documents say it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hook { .. } => "hook",
            Self::Flagd { .. } => "flagd",
            Self::Unleash { .. } => "unleash",
        }
    }

    /// The flag that is switched off for `change`; `None` where it is no flag, or nobody says which.
    pub fn flag<'a>(&'a self, change: &'a Change) -> Option<&'a str> {
        match self {
            Self::Hook { .. } => None,
            Self::Flagd { flag, .. } | Self::Unleash { flag, .. } => {
                flag.as_deref().or(change.flag.as_deref())
            }
        }
    }
}
