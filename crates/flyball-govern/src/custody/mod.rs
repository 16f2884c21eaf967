//! Who carries a service's pager: its developers, a shared rota, or SRE; and how it changes hands.
//!
//! [`CustodyRules`] say what must hold for a step towards SRE and what is reason to hand back. A [`Custody`] is
//! one service's state: a step is proposed, and taken with its last signature while the evidence holds; a
//! hand-back is given notice of, and decided, or happens by itself at its deadline. Nobody takes a pager, or gives
//! one back, by a clock or a number alone, but for that deadline.

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

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
