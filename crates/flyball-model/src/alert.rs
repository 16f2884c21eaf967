//! Rules that say when people are called: conditions on burn, forecast and remaining budget.
//!
//! Evaluated in `flyball-budget`; delivered elsewhere.

use crate::rational::Rational;
use crate::time::Duration;

/// One rule: a condition, how long it must hold, and the evidence it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRule {
    /// What the rule is called in reports; unique within an SLO.
    pub name: String,
    /// Whether it wakes a person.
    pub severity: Severity,
    /// What must be true.
    pub condition: Condition,
    /// How long the condition must have been true without a break before the rule fires; zero
    /// fires at once.
    pub hold: Duration,
    /// What else must be certain before the rule fires; `None` fires on the ratio alone.
    pub evidence: Option<Evidence>,
}

/// How urgent a firing rule is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A working-hours task.
    Ticket,
    /// Wakes a person.
    Page,
}

/// How an observed value is held against a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Comparison {
    /// `<`
    #[serde(rename = "lt")]
    Below,
    /// `<=`
    #[serde(rename = "lte")]
    AtMost,
    /// `>`
    #[serde(rename = "gt")]
    Above,
    /// `>=`
    #[serde(rename = "gte")]
    AtLeast,
}

/// The burn factor of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    /// Given as it stands; 1 spends exactly the budget over the SLO's window.
    Exact(Rational),
    /// Derived: the burn that spends this share of the budget within the long lookback,
    /// `share × window / lookback`.
    ///
    /// Source: SRE Workbook, chapter 5, table 5-6.
    BudgetShare(Rational),
}

/// What must be true for a rule to fire.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Burn over `long`, and over `short` where given, compares true against the factor.
    Burn {
        /// The lookback that decides significance.
        long: Duration,
        /// The lookback that decides whether it is still happening; ends the alert soon after.
        short: Option<Duration>,
        /// The burn to compare with.
        factor: Factor,
        /// Usually [`Comparison::Above`], as in the SRE Workbook.
        comparison: Comparison,
    },
    /// At the burn over `lookback`, what remains of the budget would be gone within `within`.
    ///
    /// A budget already gone counts as exhausted while anything burns.
    Exhaustion {
        /// The horizon.
        within: Duration,
        /// The lookback the current rate is taken from.
        lookback: Duration,
    },
    /// The remaining share of the budget is below `share`.
    RemainingBelow {
        /// A share of the whole budget, 0 to 1.
        share: Rational,
    },
}

/// Evidence a rule needs beyond a ratio, so that one failed request of ten wakes nobody.
///
/// A rule that has fired before is asked for the bad ones and the certainty a second time, of
/// those events alone that came after it resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// How sure to be, strictly between 0 and 1, that the true burn exceeds the factor, or 4 where
    /// that is less, by an exact binomial test over the long lookback; `None` asks no test.
    pub confidence: Option<Rational>,
    /// The fewest bad events in the long lookback.
    pub bad_min: u64,
    /// The fewest valid events in the long lookback.
    pub valid_min: u64,
}
