//! Why a change is made: what a policy tells apart.

use std::fmt;

use flyball_model::{Change, ChangeClass as Told, ChangeKind};

/// The class of a proposed change.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ChangeClass {
    /// New or altered behaviour.
    Feature,
    /// Upkeep without a change in behaviour: dependencies, refactoring.
    Maintenance,
    /// A defect that does not bear on reliability.
    Fix,
    /// A defect of the highest priority, as the error-budget policy of the SRE Workbook exempts it.
    P0,
    /// Work that makes the service meet its objectives again.
    Reliability,
    /// A hole closed.
    Security,
    /// Back to a version that ran before.
    Rollback,
    /// A feature switched off.
    KillSwitch,
    /// Traffic led away from a part that fails.
    Drain,
}

impl ChangeClass {
    /// Every class, in the order in which documents list them.
    pub const ALL: [Self; 9] = [
        Self::Feature,
        Self::Maintenance,
        Self::Fix,
        Self::P0,
        Self::Reliability,
        Self::Security,
        Self::Rollback,
        Self::KillSwitch,
        Self::Drain,
    ];

    /// The class of a change as systems tell of it. One that says nothing of why it was made is taken to
    /// alter behaviour.
    pub const fn of(change: &Change) -> Self {
        match (change.kind, change.class) {
            (ChangeKind::Rollback, _) => Self::Rollback,
            (_, Told::Fix) => Self::Fix,
            (_, Told::Reliability) => Self::Reliability,
            (_, Told::Security) => Self::Security,
            (_, Told::Maintenance) => Self::Maintenance,
            (_, Told::Feature | Told::Unknown) => Self::Feature,
        }
    }

    /// True for changes that give users back what they lost, or keep them from harm: no policy, freeze
    /// or lack of data ever denies these.
    pub const fn restores(self) -> bool {
        matches!(
            self,
            Self::Reliability | Self::Security | Self::Rollback | Self::KillSwitch | Self::Drain
        )
    }

    /// The word in documents and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::Maintenance => "maintenance",
            Self::Fix => "fix",
            Self::P0 => "p0",
            Self::Reliability => "reliability",
            Self::Security => "security",
            Self::Rollback => "rollback",
            Self::KillSwitch => "kill_switch",
            Self::Drain => "drain",
        }
    }

    /// Reads [`Self::word`]; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == text)
    }
}

impl fmt::Display for ChangeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
