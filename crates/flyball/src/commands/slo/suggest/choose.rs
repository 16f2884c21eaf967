//! Which targets the history of a service keeps.
//!
//! A target is proposed when, on integers,
//!
//! 1. the whole history spends at most 70 % of its budget at that target;
//! 2. the worst stretch of it (a week, or a day where there are less than two weeks) stays within
//!    that stretch's own budget, so that good months do not hide what a bad day looks like; where
//!    less than two bad events are allowed, only one that is evidence of being worse counts;
//! 3. the events are evidence, at 95 %, that the true share of good is above the target (exact
//!    binomial test), so that ten lucky requests do not promise four nines.

use flyball_budget::alert::exceeds;
use flyball_model::{Duration, Interval, Rational, Target, Timestamp};

use super::history::{Cell, SIGNALS, Service, THRESHOLDS};
use crate::output::words::{self, count, plural};

/// Targets of availability, in hundredths of a per cent, the strictest first.
const AVAILABILITY: [u64; 8] = [9_999, 9_995, 9_990, 9_950, 9_900, 9_700, 9_500, 9_000];
/// Targets of latency: most requests, and nearly all. Source: SRE Workbook, chapter 2.
const LATENCY: [u64; 2] = [9_000, 9_900];
/// The most of the budget that the history may have spent.
const SPENT_PERCENT_MAX: u128 = 70;
/// How sure the evidence has to be.
const CONFIDENCE: f64 = 0.95;
/// The fewest bad events that a stretch must allow to be judged by its count alone.
const STRETCH_ALLOWED_MIN: u128 = 2;
/// How sure to be that a quieter stretch was worse than promised: there are many stretches, and
/// chance alone makes the worst of them look bad.
const STRETCH_CONFIDENCE: f64 = 0.999;

/// What was chosen for one service.
#[derive(Debug)]
pub(super) struct Choice<'h> {
    pub(super) service: &'h Service,
    pub(super) availability: Result<Availability, String>,
    /// For each of the two targets.
    pub(super) latency: Vec<Result<Latency, String>>,
}

/// An availability objective.
#[derive(Debug)]
pub(super) struct Availability {
    /// The position in [`SIGNALS`].
    pub(super) signal: usize,
    /// Whether some events lack the attribute.
    pub(super) is_partial: bool,
    pub(super) kept: Kept,
    /// The next stricter target and why it was not taken; `None` at the end of the ladder.
    pub(super) stricter: Option<(Target, String)>,
}

/// A latency objective.
#[derive(Debug)]
pub(super) struct Latency {
    /// The position in [`THRESHOLDS`].
    pub(super) threshold: usize,
    pub(super) is_partial: bool,
    pub(super) kept: Kept,
    /// The next lower threshold and why it was not taken.
    pub(super) stricter: Option<(usize, String)>,
}

/// A target that is kept, with its evidence.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) target: Target,
    pub(super) valid: u64,
    pub(super) bad: u64,
    pub(super) worst: Option<Stretch>,
    pub(super) stretch: Option<Duration>,
    pub(super) met: Met,
}

/// At which end of its window a replay of the same inputs meets a target that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// Where the inputs end: the window holds the whole history.
    ByDefault,
    /// Here, where the history that counts for the target ends.
    At(Timestamp),
    /// Nobody knows: a window begins within a cell.
    Untold {
        /// Of the cells.
        width: Duration,
    },
}

/// Part of the history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) interval: Interval,
    pub(super) valid: u64,
    pub(super) bad: u64,
}

/// The windows of the objectives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    pub(super) length: Duration,
    /// No window that ends with the inputs, as is the default of a replay, ends after this.
    pub(super) end: Timestamp,
}

/// Chooses the objectives of a service.
pub(super) fn choose(service: &Service, windows: Windows) -> Choice<'_> {
    let availability = availability(service, windows);
    let latency = LATENCY.iter().map(|target| latency(service, windows, *target)).collect();
    Choice { service, availability, latency }
}

fn target(hundredths: u64) -> Target {
    let share = Rational::new(hundredths, 10_000).unwrap_or(Rational::ZERO);
    Target::new(share).unwrap_or_else(|_| unreachable!("the ladder stays below 100 %"))
}

fn availability(service: &Service, windows: Windows) -> Result<Availability, String> {
    let has =
        |signal: usize| -> u64 { service.cells.values().map(|cell| cell.signals[signal].0).sum() };
    let Some(signal) = (0..SIGNALS.len()).find(|signal| has(*signal) > 0) else {
        let names: Vec<&str> = SIGNALS.iter().map(|signal| signal.attribute).collect();
        return Err(format!(
            "no event says whether it went well; looked for {} (rename one with --map)",
            names.join(", ")
        ));
    };
    let counts = |cell: &Cell| cell.signals[signal];
    let mut refused: Option<(Target, String)> = None;
    for hundredths in AVAILABILITY {
        let target = target(hundredths);
        match keeps(service, windows, target, &counts) {
            Ok(kept) => {
                let is_partial = has(signal) < service.events;
                return Ok(Availability { signal, is_partial, kept, stricter: refused });
            }
            Err(reason) => refused = Some((target, reason)),
        }
    }
    let reason = refused.map_or_else(String::new, |(_, reason)| reason);
    Err(format!("even {} is not kept: {reason}", target(AVAILABILITY[AVAILABILITY.len() - 1])))
}

fn latency(service: &Service, windows: Windows, hundredths: u64) -> Result<Latency, String> {
    let timed: u64 = service.cells.values().flat_map(|cell| cell.durations.iter()).sum();
    if timed == 0 {
        return Err("no event has `duration_ms` (rename one with --map)".to_owned());
    }
    let target = target(hundredths);
    let at = |threshold: usize| {
        let counts = move |cell: &Cell| {
            let valid: u64 = cell.durations.iter().sum();
            let good: u64 = cell.durations[..=threshold].iter().sum();
            (valid, valid - good)
        };
        keeps(service, windows, target, &counts)
    };
    // The more a threshold allows, the more events are good, so the first that is kept can be
    // searched for.
    let indices: Vec<usize> = (0..THRESHOLDS.len()).collect();
    let threshold = indices.partition_point(|threshold| at(*threshold).is_err());
    if threshold == THRESHOLDS.len() {
        let reason = at(threshold - 1).err().unwrap_or_default();
        return Err(format!("no threshold is kept by {target} of events: {reason}"));
    }
    let stricter =
        threshold.checked_sub(1).map(|below| (below, at(below).err().unwrap_or_default()));
    let kept = at(threshold)?;
    Ok(Latency { threshold, is_partial: timed < service.events, kept, stricter })
}

/// Whether `target` is kept, or why it is not.
fn keeps(
    service: &Service,
    windows: Windows,
    target: Target,
    counts: &dyn Fn(&Cell) -> (u64, u64),
) -> Result<Kept, String> {
    let cells: Vec<(Interval, u64, u64)> = service
        .cells
        .iter()
        .map(|(slot, cell)| {
            let (valid, bad) = counts(cell);
            (slot.interval(service.width), valid, bad)
        })
        .filter(|(_, valid, _)| *valid > 0)
        .collect();
    let valid: u64 = cells.iter().map(|(_, valid, _)| valid).sum();
    let bad: u64 = cells.iter().map(|(_, _, bad)| bad).sum();
    let spent = |percent: u128, valid: u64, bad: u64| -> bool {
        let budget = target.error_budget();
        let bad = u128::from(bad) * u128::from(budget.denominator()) * 100;
        bad <= u128::from(valid) * u128::from(budget.numerator()) * percent
    };
    let allowed = |valid: u64| {
        let budget = target.error_budget();
        u128::from(valid) * u128::from(budget.numerator()) / u128::from(budget.denominator())
    };
    let share = |valid: u64, bad: u64| {
        bad as f64 / (valid.max(1) as f64 * target.error_budget().to_f64()) * 100.0
    };
    if !spent(SPENT_PERCENT_MAX, valid, bad) {
        return Err(format!(
            "{} of {} bad would spend {:.0}% of the budget",
            count(bad),
            count(valid),
            share(valid, bad)
        ));
    }
    if !exceeds(valid - bad, valid, target.share().to_f64(), CONFIDENCE) {
        let (valid, bad) = (plural(valid, "event", "events"), count(bad));
        return Err(format!("{valid} with {bad} bad are too few to tell"));
    }
    let stretch = stretch(service.first, service.last);
    let budget = target.error_budget().to_f64();
    let is_judged = |valid: u64, bad: u64| {
        allowed(valid) >= STRETCH_ALLOWED_MIN || exceeds(bad, valid, budget, STRETCH_CONFIDENCE)
    };
    let worst = stretch.and_then(|length| worst_of(&cells, length, &is_judged));
    // A history longer than the window must keep the target in every window.
    let window = windows.length;
    let longer = cells
        .first()
        .zip(cells.last())
        .map(|((first, ..), (last, ..))| (first.start(), last.end()))
        .filter(|(start, end)| end.since(*start) > window);
    let longest = longer.and_then(|_| worst_of(&cells, window, &|_, _| true));
    for found in [worst, longest].into_iter().flatten() {
        if !spent(100, found.valid, found.bad) {
            return Err(format!(
                "{} alone would overspend: {} of {} bad, {:.0}% of its budget",
                words::stretch(found.interval),
                count(found.bad),
                count(found.valid),
                share(found.valid, found.bad)
            ));
        }
    }
    let end = cells.last().map_or(service.last, |(last, ..)| last.end());
    let met = if windows.end.minus(window) <= service.first {
        Met::ByDefault
    } else if longer.is_none() || window.is_multiple_of(service.width) {
        Met::At(end)
    } else {
        Met::Untold { width: service.width }
    };
    Ok(Kept { target, valid, bad, worst, stretch, met })
}

/// The length of the stretches that are judged by themselves; `None` for less than two days.
fn stretch(first: Timestamp, last: Timestamp) -> Option<Duration> {
    let length = last.since(first);
    [Duration::from_days(7), Duration::from_days(1)]
        .into_iter()
        .find(|stretch| length.nanos() / 2 >= stretch.nanos())
}

/// The rolling stretch of `length` with the largest bad share; `None` when none is judged.
///
/// Stretches end where cells do, and none begins before the first cell: what happened before the
/// history is unknown. So the first stretch may end after its last cell. The cells span `length`.
fn worst_of(
    cells: &[(Interval, u64, u64)],
    length: Duration,
    is_judged: &dyn Fn(u64, u64) -> bool,
) -> Option<Stretch> {
    let mut worst: Option<Stretch> = None;
    let (mut valid, mut bad, mut oldest) = (0, 0, 0);
    let first_end = cells.first()?.0.start().plus(length);
    for (at, (interval, more_valid, more_bad)) in cells.iter().enumerate() {
        valid += more_valid;
        bad += more_bad;
        if cells.get(at + 1).is_some_and(|(next, ..)| next.end() <= first_end) {
            continue;
        }
        let end = interval.end().max(first_end);
        let start = end.minus(length);
        // The cell itself stays, even where cells are wider than the stretch.
        while cells[oldest].0.start() < start && cells[oldest].0.end() <= interval.start() {
            valid -= cells[oldest].1;
            bad -= cells[oldest].2;
            oldest += 1;
        }
        let is_worse = worst.is_none_or(|known| {
            u128::from(bad) * u128::from(known.valid) > u128::from(known.bad) * u128::from(valid)
        });
        if is_worse && is_judged(valid, bad) {
            let interval = Interval::ending(end, length);
            worst = Some(Stretch { interval, valid, bad });
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stretch_begins_before_the_history() {
        let hour = |number: i64, bad: u64| {
            let start = Timestamp::from_seconds(number * 3_600);
            (Interval::starting(start, Duration::from_hours(1)), 10, bad)
        };
        let day = Duration::from_days(1);
        // The first hour is the worst by far; a day that ended with it would begin before it.
        let cells = [hour(0, 9), hour(5, 0), hour(30, 1), hour(60, 0)];
        let worst = worst_of(&cells, day, &|_, _| true).unwrap();
        assert_eq!(worst.interval, Interval::starting(Timestamp::from_seconds(0), day));
        assert_eq!((worst.valid, worst.bad), (20, 9));
        // Cells wider than the stretch are judged whole.
        assert!(worst_of(&cells, Duration::from_minutes(30), &|_, _| true).is_some());
        assert!(worst_of(&[], day, &|_, _| true).is_none());
    }
}
