//! Alert rules made ready: factors derived, and what can never work refused.

use flyball_model::{
    AlertRule, Comparison, Condition, Duration, Factor, Interval, Rational, Target, Timestamp,
    Window,
};

use crate::error::{BudgetError, RuleProblem};
use crate::exact::Threshold;
use crate::window::nominal_length;

/// A rule with its numbers worked out for one objective.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) rule: AlertRule,
    pub(super) check: Check,
    /// The lookback that decides significance; `None` is the SLO's window.
    pub(crate) long: Option<Duration>,
    /// The burn factor of a burn condition.
    pub(super) factor: Option<f64>,
    pub(super) target: Target,
    /// The SLO's window, as long as it is by name.
    pub(super) nominal: Duration,
}

impl Ready {
    /// The lookback that decides whether it is still happening.
    pub(crate) const fn short(&self) -> Option<Duration> {
        match self.check {
            Check::Ratio { short, .. } => short,
            Check::Exhaustion { .. } | Check::Remaining { .. } => None,
        }
    }

    /// The error ratio that evidence of a burn above `bound` has to exceed: the bound, or that of a
    /// [`BURN_GRAVE`] where that is less.
    pub(super) fn evident(&self, bound: Threshold) -> f64 {
        bound.to_f64().min(BURN_GRAVE * self.target.error_budget().to_f64())
    }

    /// Whether the condition looks at the SLO's own window.
    pub(crate) const fn needs_window(&self) -> bool {
        !matches!(self.check, Check::Ratio { .. })
    }

    /// Checks that the lookbacks are whole numbers of what is counted in.
    ///
    /// # Errors
    ///
    /// [`BudgetError::Rule`] where one is not.
    pub(crate) fn fits(&self, width: Duration) -> Result<(), BudgetError> {
        let ragged = |lookback: &Duration| !lookback.is_multiple_of(width);
        match [self.short(), self.long].into_iter().flatten().find(ragged) {
            None => Ok(()),
            Some(lookback) => {
                let problem = Box::new(RuleProblem::NotWholeSlots { lookback, width });
                Err(BudgetError::Rule { rule: self.rule.name.clone(), problem })
            }
        }
    }

    /// The stretch that decides significance at `now`, in a calendar window's `period`.
    pub(crate) fn looked_at(&self, now: Timestamp, period: Option<Interval>) -> Interval {
        match (self.long, period) {
            (Some(long), _) => Interval::ending(now, long),
            (None, Some(period)) => Interval::new(period.start().min(now), now).unwrap_or(period),
            (None, None) => Interval::ending(now, self.nominal),
        }
    }
}

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Check {
    /// The bad share of both lookbacks against a bound.
    Ratio { short: Option<Duration>, bound: Threshold, comparison: Comparison },
    /// The rest of the budget against what the lookback spends within a horizon.
    Exhaustion { within: Duration },
    /// The bad share of the whole window against what may be spent of it.
    Remaining { bound: Threshold },
}

/// The burn factor that `factor` stands for, over a lookback of `long` in `window`.
///
/// A budget share becomes `share × window / lookback`: 2 % within 1 h of 30 d is 14.4. Calendar
/// windows count with their [nominal length](nominal_length).
///
/// Source: SRE Workbook, chapter 5, table 5-6.
///
/// # Errors
///
/// [`RuleProblem::ZeroLookback`] for a lookback of no length, [`RuleProblem::Share`] for a share
/// outside (0, 1], [`RuleProblem::TooFine`] past 128 bits.
pub fn factor(factor: Factor, long: Duration, window: &Window) -> Result<Threshold, RuleProblem> {
    if long.is_zero() {
        return Err(RuleProblem::ZeroLookback);
    }
    match factor {
        Factor::Exact(value) => Ok(Threshold::of(value)),
        Factor::BudgetShare(share) => {
            if share.is_zero() || share > Rational::ONE {
                return Err(RuleProblem::Share { share: share.to_string() });
            }
            let nanos = |length: Duration| u128::from(length.nanos().unsigned_abs());
            Threshold::new(nanos(nominal_length(window)), nanos(long))
                .and_then(|stretch| stretch.checked_mul(Threshold::of(share)))
                .ok_or(RuleProblem::TooFine)
        }
    }
}

/// The lowest factor that a rule should call about; a burn of 1 spends exactly the budget.
///
/// Not 1 itself: the workbook's slowest pair is a burn of 1 over 30 days, which is 0.93 over 28,
/// and Sloth's catalogue for a week has 0.98. Without them nothing would see a burn of 2.
pub const FACTOR_MIN: Rational = match Rational::new(9, 10) {
    Some(factor) => factor,
    None => Rational::ONE,
};

/// A burn at which nobody is called in vain: evidence asks of no condition that the true burn is higher.
///
/// It empties the budget in a quarter of the window, and lies between what a ticket is for (3) and
/// what a page is for (6). Whether the factor is passed is what was measured; evidence is to tell
/// trouble from chance. Asked for the factor itself, it would miss burns right above it, and wait at
/// low traffic for failures that say nothing new: at 99 % and ten requests an hour for the seventh of
/// ten, where the fourth is beyond chance. `docs/alerting.md` has what was measured.
pub const BURN_GRAVE: f64 = 4.0;

/// The factor of a rule that calls about burns which keep the objective: one below
/// [`FACTOR_MIN`]. `None` for every other rule.
///
/// A lookback as long as the window spends the whole budget at a burn of 1, so a budget share over
/// a lookback longer than that has a low factor always.
pub fn low_factor(rule: &AlertRule, window: &Window) -> Option<f64> {
    let Condition::Burn { long, factor: given, comparison, .. } = rule.condition else {
        return None;
    };
    if matches!(comparison, Comparison::Below | Comparison::AtMost) {
        return None;
    }
    let factor = factor(given, long, window).ok()?;
    (factor < Threshold::of(FACTOR_MIN)).then(|| factor.to_f64())
}

/// Checks that `rule` can work for an objective of `target` over `window`.
///
/// # Errors
///
/// [`BudgetError::Rule`] with what is wrong and what to do: above all, a factor that no error
/// ratio can reach. A burn is at most `1 / (1 - target)`, when everything fails, so with a target
/// of 90 % nothing burns faster than 10 and "14.4" would never call anybody.
pub fn check(rule: &AlertRule, target: Target, window: &Window) -> Result<(), BudgetError> {
    ready(rule, target, window).map(|_| ())
}

/// Works out the numbers of `rule`, or says why it cannot work.
pub(crate) fn ready(
    rule: &AlertRule,
    target: Target,
    window: &Window,
) -> Result<Ready, BudgetError> {
    let problem =
        |problem| BudgetError::Rule { rule: rule.name.clone(), problem: Box::new(problem) };
    if let Some(confidence) = rule.evidence.and_then(|evidence| evidence.confidence)
        && (confidence >= Rational::ONE || confidence.to_f64() < 0.5)
    {
        return Err(problem(RuleProblem::Confidence { confidence: confidence.to_string() }));
    }
    let (check, long, burn_factor) = match rule.condition {
        Condition::Burn { long, short, factor: given, comparison } => {
            if short.is_some_and(Duration::is_zero) {
                return Err(problem(RuleProblem::ZeroLookback));
            }
            if let Some(short) = short.filter(|short| *short > long) {
                return Err(problem(RuleProblem::ShortIsLonger { short, long }));
            }
            let factor = factor(given, long, window).map_err(problem)?;
            let bound = factor
                .checked_mul(Threshold::of(target.error_budget()))
                .ok_or(problem(RuleProblem::TooFine))?;
            reachable(given, factor, bound, comparison, target, long, window).map_err(problem)?;
            (Check::Ratio { short, bound, comparison }, Some(long), Some(factor.to_f64()))
        }
        Condition::Exhaustion { within, lookback } => {
            if lookback.is_zero() || within.is_zero() {
                return Err(problem(RuleProblem::ZeroLookback));
            }
            (Check::Exhaustion { within }, Some(lookback), None)
        }
        Condition::RemainingBelow { share } => {
            let spent = share
                .complement()
                .ok_or(problem(RuleProblem::Share { share: share.to_string() }))?;
            let bound = Threshold::of(spent)
                .checked_mul(Threshold::of(target.error_budget()))
                .ok_or(problem(RuleProblem::TooFine))?;
            (Check::Remaining { bound }, None, None)
        }
    };
    let (rule, nominal) = (rule.clone(), nominal_length(window));
    Ok(Ready { rule, check, long, factor: burn_factor, target, nominal })
}

/// Refuses bounds on the error ratio that are never, or always, crossed.
fn reachable(
    given: Factor,
    factor: Threshold,
    bound: Threshold,
    comparison: Comparison,
    target: Target,
    long: Duration,
    window: &Window,
) -> Result<(), RuleProblem> {
    let one = Threshold::of(Rational::ONE);
    let never = match comparison {
        Comparison::Above => bound >= one,
        Comparison::AtLeast => bound > one,
        Comparison::Below => bound.numerator() == 0,
        Comparison::AtMost => false,
    };
    if never {
        let needed = match comparison {
            Comparison::Above => "exceeded",
            Comparison::AtLeast => "reached",
            Comparison::Below | Comparison::AtMost => "undercut",
        };
        let burn_max = target.burn_max();
        let hint = match (comparison, given) {
            (Comparison::Below | Comparison::AtMost, _) => "use a factor above 0".to_owned(),
            (_, Factor::Exact(_)) => format!("use a factor below {}", short(burn_max)),
            (_, Factor::BudgetShare(_)) => {
                let shortest = nominal_length(window).as_seconds_f64() / long.as_seconds_f64();
                let share = burn_max / shortest * 100.0;
                format!(
                    "spend less than {}% of the budget within {long}, or use a longer lookback",
                    short(share)
                )
            }
        };
        return Err(RuleProblem::CanNeverFire {
            factor: short(factor.to_f64()),
            needed,
            target: target.to_string(),
            burn_max: short(burn_max),
            hint,
        });
    }
    let always = match comparison {
        Comparison::AtLeast => bound.numerator() == 0,
        Comparison::AtMost => bound >= one,
        Comparison::Below => bound > one,
        Comparison::Above => false,
    };
    if always {
        let what = format!("this comparison with a burn of {}", short(factor.to_f64()));
        return Err(RuleProblem::AlwaysFires { what, hint: "use `gt` and a factor above 0" });
    }
    Ok(())
}

/// A number with at most four decimals and no trailing zeros, for messages.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
