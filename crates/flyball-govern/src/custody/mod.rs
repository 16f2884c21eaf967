//! Who carries a service's pager: its developers, a shared rota, or SRE; and how it changes hands.
//!
//! [`CustodyRules`] say what must hold for a step towards SRE and what is reason to hand back. A [`Custody`] is
//! one service's state: a step is proposed, and taken with its last signature while the evidence holds; a
//! hand-back is given notice of, and decided, or happens by itself at its deadline. Nobody takes a pager, or gives
//! one back, by a clock or a number alone, but for that deadline.

use std::fmt;

mod handback;
mod record;
mod rules;

pub use handback::{
    Decided, Ground, HandBack, HandBackOutcome, REPRIEVE_LONGEST, RETIREMENT_LONGEST,
};
pub use record::{
    Advice, Custody, CustodyError, FundingAlarm, Move, MoveReason, Party, REASON_BYTES_MAX, Signed,
    Transfer,
};
pub use rules::{
    CustodyRules, CustodyRulesSpec, EntryRule, HandBackRule, MissedRule, QUARTERS_MAX, USUAL,
};

#[cfg(test)]
mod tests;

/// Who carries a pager.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// Those who build it.
    Developers,
    /// A rota of developers and operations.
    Shared,
    /// An SRE team.
    Sre,
}

impl Holder {
    /// Each of them, on the way towards SRE.
    pub const ALL: [Self; 3] = [Self::Developers, Self::Shared, Self::Sre];

    /// The word that conditions and the gate's facts know it by.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Developers => "developers",
            Self::Shared => "shared",
            Self::Sre => "sre",
        }
    }

    /// The next step towards SRE; `None` after the last.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Developers => Some(Self::Shared),
            Self::Shared => Some(Self::Sre),
            Self::Sre => None,
        }
    }

    /// Who is called, in this order. In a shared rota whoever's turn it is.
    pub const fn called(self) -> &'static [Party] {
        match self {
            Self::Developers => &[Party::Developers],
            Self::Shared => &[Party::Rota],
            Self::Sre => &[Party::Operations, Party::Developers],
        }
    }
}

/// How a pager is carried, as the levels of an escalation ask for it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Carried {
    /// By those who build it.
    Developers,
    /// By those who build it, whom those advise who handed it back to them.
    Advised,
    /// By a rota of developers and operations.
    Shared,
    /// By an SRE team.
    Sre,
}

impl Carried {
    /// Each of them, on the way towards SRE.
    pub const ALL: [Self; 4] = [Self::Developers, Self::Advised, Self::Shared, Self::Sre];

    /// The word that it is known by.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Advised => "advised",
            Self::Developers | Self::Shared | Self::Sre => self.holder().word(),
        }
    }

    /// Who carries it.
    pub const fn holder(self) -> Holder {
        match self {
            Self::Developers | Self::Advised => Holder::Developers,
            Self::Shared => Holder::Shared,
            Self::Sre => Holder::Sre,
        }
    }

    /// Whether what holds for `asked` holds here: what is for developers does whether they are advised or not.
    pub const fn is(self, asked: Self) -> bool {
        match asked {
            Self::Developers => matches!(self, Self::Developers | Self::Advised),
            Self::Advised => matches!(self, Self::Advised),
            Self::Shared => matches!(self, Self::Shared),
            Self::Sre => matches!(self, Self::Sre),
        }
    }
}

impl From<Holder> for Carried {
    fn from(holder: Holder) -> Self {
        match holder {
            Holder::Developers => Self::Developers,
            Holder::Shared => Self::Shared,
            Holder::Sre => Self::Sre,
        }
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
