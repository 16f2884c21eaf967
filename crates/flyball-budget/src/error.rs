//! What can be wrong with a question put to this crate.

use flyball_model::{Duration, TimeError};

/// Why a budget, window, correction or alert condition cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// A slot of no length.
    #[error("a slot width of zero counts nothing; hint: use 10s or 1m")]
    ZeroWidth,
    /// A length that is not a whole number of slots.
    #[error(
        "{what} of {length} is not a whole multiple of the {width} that counts are kept in; \
         hint: use a multiple of {width}, or keep counts in shorter slots"
    )]
    NotWholeSlots {
        /// What the length belongs to.
        what: &'static str,
        /// The length as given.
        length: Duration,
        /// The width of the slots.
        width: Duration,
    },
    /// An objective that lacks what its budgeting method needs.
    #[error("the {method} method needs `{field}` on every objective; hint: {hint}")]
    MissingField {
        /// The budgeting method.
        method: &'static str,
        /// The missing field, as `OpenSLO` names it.
        field: &'static str,
        /// What to write.
        hint: &'static str,
    },
    /// More slots than this crate holds for one series.
    #[error(
        "{what} would need {count} slots, more than the {limit} held for one series; \
         hint: use wider slots or a shorter stretch of time"
    )]
    TooManySlots {
        /// What needs them.
        what: &'static str,
        /// How many.
        count: u64,
        /// The bound.
        limit: u64,
    },
    /// A window that reaches outside the years 1678 to 2262.
    #[error("the window around {at} reaches outside the years 1678 to 2262")]
    WindowOutOfRange {
        /// The moment of looking.
        at: String,
    },
    /// A window of no length.
    #[error("a window of no length holds no budget; hint: write a length such as 28d")]
    EmptyWindow,
    /// A recurrence rule that cannot be expanded.
    #[error("correction `{name}`: the recurrence `{rule}` cannot be expanded: {reason}")]
    Recurrence {
        /// The correction's name.
        name: String,
        /// The rule as given.
        rule: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// An alert rule that cannot work.
    #[error("alert rule `{rule}`: {problem}")]
    Rule {
        /// The rule's name.
        rule: String,
        /// What is wrong and what to do.
        problem: Box<RuleProblem>,
    },
    /// Two series that cannot be joined.
    #[error(
        "series of {left} and {right} slots cannot be joined; hint: coarsen the finer one first"
    )]
    WidthMismatch {
        /// One width.
        left: Duration,
        /// The other width.
        right: Duration,
    },
    /// Measurements of an indicator that the SLO does not have.
    #[error("the SLO has {expected} indicators but {given} were measured")]
    IndicatorMismatch {
        /// How many the SLO has.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// A composite of nothing, or of weights that are all zero.
    #[error("a composite needs at least one component with a weight above zero")]
    EmptyComposite,
    /// A time that cannot be represented.
    #[error(transparent)]
    Time(#[from] TimeError),
}

/// What is wrong with an alert rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleProblem {
    /// No error ratio can reach the factor.
    #[error(
        "a burn of {factor} can never be {needed}: with a target of {target} the burn is at most \
         {burn_max}, when everything fails; hint: {hint}"
    )]
    CanNeverFire {
        /// The factor, as a decimal.
        factor: String,
        /// How the burn would have to compare.
        needed: &'static str,
        /// The objective's target, as a percentage.
        target: String,
        /// The largest burn there can be, as a decimal.
        burn_max: String,
        /// What to do.
        hint: String,
    },
    /// A condition that holds whatever happens.
    #[error("{what} always holds; hint: {hint}")]
    AlwaysFires {
        /// The condition, in words.
        what: String,
        /// What to do.
        hint: &'static str,
    },
    /// A lookback of no length.
    #[error("the lookback is zero; hint: write a length such as 1h")]
    ZeroLookback,
    /// A lookback that does not fit the slots.
    #[error(
        "the lookback of {lookback} is not a whole multiple of the {width} slices that the budget \
         is counted in; hint: use a multiple of {width}"
    )]
    NotWholeSlots {
        /// The lookback.
        lookback: Duration,
        /// The width counted in.
        width: Duration,
    },
    /// The short lookback is not the shorter one.
    #[error("the short lookback ({short}) is longer than the long one ({long}); hint: swap them")]
    ShortIsLonger {
        /// The short lookback.
        short: Duration,
        /// The long lookback.
        long: Duration,
    },
    /// A share that is no share.
    #[error("a budget share of {share} is not above 0 and at most 1; hint: write 0.02 or 2%")]
    Share {
        /// The share as given.
        share: String,
    },
    /// A confidence that is no confidence.
    #[error("a confidence of {confidence} is not at least 0.5 and below 1; hint: write 0.95")]
    Confidence {
        /// The confidence as given.
        confidence: String,
    },
    /// A factor too finely written to be compared exactly.
    #[error("the factor has too many digits to be compared exactly; hint: write fewer decimals")]
    TooFine,
}
