//! How soon a burn rule calls about a total outage, as the method of the SLO counts it.

use std::cmp::Ordering;

use flyball_model::{
    AlertRule, BudgetingMethod, Comparison, Condition, Duration, Objective, Window,
};

use super::evidence::exceeds;
use super::rule::{Check, ready};
use super::watch::holds;
use crate::exact::{Threshold, cmp_products};

/// What a rule does about an outage of everything, after clean traffic without a gap.
///
/// Traffic is even and plenty: as much as the rule's evidence asks for in events. The slices of the
/// time-slice methods are counted for what they are, few or many; the outage begins and ends with
/// one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outage {
    /// Seconds from its start to the call; `None` when the long lookback never holds enough slices
    /// for the rule's confidence.
    pub detection: Option<f64>,
    /// Seconds from its end to the end of the alert, when it was as long as the lookbacks.
    pub reset: f64,
}

/// What `rule` does about a total outage of `objective`, counted by `method` over `window`.
///
/// `None` for conditions other than a burn from above, and for rules that cannot work.
pub fn outage(
    rule: &AlertRule,
    objective: &Objective,
    method: BudgetingMethod,
    window: &Window,
) -> Option<Outage> {
    let Condition::Burn { long, short, comparison, .. } = rule.condition else { return None };
    if matches!(comparison, Comparison::Below | Comparison::AtMost) {
        return None;
    }
    let ready = ready(rule, objective.target, window).ok()?;
    let Check::Ratio { bound, .. } = ready.check else { return None };
    let last = short.unwrap_or(long);
    if method == BudgetingMethod::Occurrences {
        return Some(Outage {
            detection: Some(long.as_seconds_f64() * bound.to_f64() + rule.hold.as_seconds_f64()),
            reset: last.as_seconds_f64() * (1.0 - bound.to_f64()),
        });
    }
    let width = objective.timeslice_window.filter(|width| !width.is_zero())?;
    let slices = |length: Duration| {
        let whole = length.is_multiple_of(width).then(|| length.nanos() / width.nanos())?;
        u64::try_from(whole).ok()
    };
    let (all, latest) = (slices(long)?, slices(last)?);
    let is_true = |bad: u64, of: u64| holds(compare(bad, of, bound), comparison);
    // The short lookback has as many bad slices, until all of its own are.
    let begins = first(all, |bad| is_true(bad, all) && is_true(bad.min(latest), latest))?;
    let confidence = rule.evidence.and_then(|evidence| evidence.confidence);
    let evident = match confidence {
        // The ratios of slices are no trials: there events are, of which there are plenty.
        Some(confidence) if method == BudgetingMethod::Timeslices => {
            first(all, |bad| exceeds(bad, all, ready.evident(bound), confidence.to_f64()))
        }
        _ => Some(begins),
    };
    let hold = rule.hold.nanos();
    let held = hold.div_euclid(width.nanos()) + i64::from(hold % width.nanos() != 0);
    let held = u64::try_from(held).unwrap_or(0);
    let clean = first(latest, |clean| !is_true(latest - clean, latest))?;
    let seconds = |slices: u64| slices as f64 * width.as_seconds_f64();
    Some(Outage {
        detection: evident.map(|evident| seconds(evident.max(begins + held))),
        reset: seconds(clean),
    })
}

fn compare(bad: u64, of: u64, bound: Threshold) -> Ordering {
    let (bad, of) = (u128::from(bad), u128::from(of));
    cmp_products(&[bad, bound.denominator()], &[of, bound.numerator()])
}

/// The least of 1 to `last` for which `test` holds, which goes on holding once it does.
fn first(last: u64, test: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (1, last);
    while low < high {
        let middle = low + (high - low) / 2;
        if test(middle) { high = middle } else { low = middle + 1 }
    }
    (low == high && test(low)).then_some(low)
}
