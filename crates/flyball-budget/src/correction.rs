//! Agreed exceptions applied to what was counted, with a record of what they changed.
//!
//! A correction acts on whole slots: those whose start lies inside it. A slot that only its tail
//! touches is left alone, one that only its head touches is corrected whole, so corrections that
//! touch each other never act twice on one slot. A correction shorter than a slot may hold no
//! slot's start; its record then shows that nothing changed.
//!
//! Corrections are applied in the order given, and each record shows what that step changed, so
//! the records add up to the whole difference. Recurrences are expanded in their own time zone.

use flyball_model::{Correction, CorrectionMode, Interval, Schedule, Tally, Timestamp};

use crate::error::BudgetError;
use crate::report::SloReport;
use crate::series::Series;

/// The most occurrences of one correction in what is looked at: hourly for more than a year.
pub const OCCURRENCES_MAX: usize = 10_000;
/// The most occurrences stepped over from the start of a recurrence: hourly for a century.
const STEPS_MAX: usize = 1_000_000;

/// Event counts, as records show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Events that count at all.
    pub valid: u64,
    /// Valid events that kept the promise.
    pub good: u64,
    /// Valid events that did not.
    pub bad: u64,
}

impl From<Tally> for Counts {
    fn from(tally: Tally) -> Self {
        Self { valid: tally.valid(), good: tally.good(), bad: tally.bad() }
    }
}

/// What one occurrence of a correction changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Applied {
    /// The correction's name.
    pub name: String,
    /// What it does.
    pub mode: CorrectionMode,
    /// The kind of reason.
    pub category: String,
    /// Who answers for it.
    pub author: String,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// The indicator it was applied to, counted from 0.
    pub indicator: usize,
    /// This occurrence.
    pub interval: Interval,
    /// How many slots with data it changed.
    pub slots: u64,
    /// The events inside before.
    pub before: Counts,
    /// The events inside after.
    pub after: Counts,
}

/// One correction as a whole, also when it changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CorrectionReport {
    /// The correction's name.
    pub name: String,
    /// What it does.
    pub mode: CorrectionMode,
    /// The kind of reason.
    pub category: String,
    /// Who answers for it.
    pub author: String,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// The SLOs it applies to, of those that were looked at.
    pub slos: Vec<String>,
    /// How many of its occurrences share time with the data.
    pub occurrences: u64,
    /// How many slots with data it changed, in all indicators of those SLOs together.
    pub slots: u64,
}

/// What became of each of `corrections` in `reports`, over the time `span` that was looked at.
///
/// # Errors
///
/// As [`expand`].
pub fn summarise(
    corrections: &[Correction],
    span: Interval,
    reports: &[SloReport],
) -> Result<Vec<CorrectionReport>, BudgetError> {
    let one = |correction: &Correction| {
        let concerned = || reports.iter().filter(|report| correction.is_for(&report.slo));
        let records = concerned().flat_map(|report| &report.corrections);
        Ok(CorrectionReport {
            name: correction.name.clone(),
            mode: correction.mode,
            category: correction.category.clone(),
            author: correction.author.clone(),
            reason: correction.reason.clone(),
            slos: concerned().map(|report| report.slo.clone()).collect(),
            occurrences: occurrences(correction, span)?.len() as u64,
            slots: records
                .filter(|applied| applied.name == correction.name)
                .map(|applied| applied.slots)
                .sum(),
        })
    };
    corrections.iter().map(one).collect()
}

/// A correction with its occurrences in the time that is looked at.
#[derive(Debug, Clone)]
pub struct Expanded<'a> {
    correction: &'a Correction,
    occurrences: Vec<Interval>,
}

/// Expands those of `corrections` that apply to the SLO `name`, within `span`.
///
/// # Errors
///
/// [`BudgetError::Recurrence`] for a rule that does not parse, repeats more often than hourly, has
/// no zone name, or has more than [`OCCURRENCES_MAX`] occurrences in `span`.
pub fn expand<'a>(
    corrections: &'a [Correction],
    name: &str,
    span: Interval,
) -> Result<Vec<Expanded<'a>>, BudgetError> {
    corrections
        .iter()
        .filter(|correction| correction.is_for(name))
        .map(|correction| Ok(Expanded { correction, occurrences: occurrences(correction, span)? }))
        .collect()
}

/// The occurrences of `correction` that share time with `span`, in order.
///
/// # Errors
///
/// As [`expand`].
pub fn occurrences(correction: &Correction, span: Interval) -> Result<Vec<Interval>, BudgetError> {
    let (start, zone, length, rule) = match &correction.schedule {
        Schedule::Once(interval) => {
            return Ok(interval.intersect(span).map(|_| *interval).into_iter().collect());
        }
        Schedule::Recurring { start, zone, length, rule } => (start, zone, *length, rule),
    };
    let refuse = |reason: String| BudgetError::Recurrence {
        name: correction.name.clone(),
        rule: rule.clone(),
        reason,
    };
    if length.is_zero() {
        return Err(refuse("its length is zero; hint: write a length such as 2h".to_owned()));
    }
    let set = flyball_model::recurrence(*start, zone, rule).map_err(refuse)?;
    let set = set.limit();
    let mut found = Vec::new();
    for (step, moment) in set.into_iter().enumerate() {
        if step >= STEPS_MAX {
            return Err(refuse(format!("it takes more than {STEPS_MAX} steps to reach the data")));
        }
        let start = Timestamp::from_seconds(moment.timestamp());
        if start >= span.end() {
            break;
        }
        let interval = Interval::starting(start, length);
        if interval.intersect(span).is_some() {
            found.push(interval);
        }
        if found.len() > OCCURRENCES_MAX {
            let reason = format!(
                "it has more than {OCCURRENCES_MAX} occurrences in {span}; hint: make it rarer"
            );
            return Err(refuse(reason));
        }
    }
    Ok(found)
}

/// The stretches that `corrections` take out, sorted and disjoint.
pub fn dropped(corrections: &[Expanded<'_>]) -> Vec<Interval> {
    stretches(corrections, CorrectionMode::Drop)
}

/// The stretches that those of `corrections` with `mode` cover, sorted and disjoint.
pub(crate) fn stretches(corrections: &[Expanded<'_>], mode: CorrectionMode) -> Vec<Interval> {
    let mut stretches: Vec<Interval> = corrections
        .iter()
        .filter(|expanded| expanded.correction.mode == mode)
        .flat_map(|expanded| expanded.occurrences.iter().copied())
        .collect();
    stretches.sort_unstable_by_key(|stretch| (stretch.start(), stretch.end()));
    let mut joined: Vec<Interval> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        match joined.last_mut() {
            Some(last) if stretch.start() <= last.end() => {
                if let Ok(both) = Interval::new(last.start(), last.end().max(stretch.end())) {
                    *last = both;
                }
            }
            _ => joined.push(stretch),
        }
    }
    joined
}

/// What a correction makes of a slot.
pub(crate) fn corrected(tally: Tally, mode: CorrectionMode) -> Tally {
    match mode {
        CorrectionMode::Drop => Tally::EMPTY,
        CorrectionMode::CountAsGood => Tally::new(tally.valid(), tally.valid()).unwrap_or(tally),
    }
}

/// `series` after `corrections`, and what each occurrence changed.
///
/// `None` in place of the series when nothing changed, which saves the copy.
///
/// # Errors
///
/// None in practice: the corrected series keeps the width of a valid one.
pub fn apply(
    series: &Series,
    corrections: &[Expanded<'_>],
    indicator: usize,
) -> Result<(Option<Series>, Vec<Applied>), BudgetError> {
    let mut records = Vec::new();
    let mut tallies: Option<Vec<Tally>> = None;
    for Expanded { correction, occurrences } in corrections {
        for interval in occurrences {
            let range = series.range(*interval);
            let (mut before, mut after, mut slots) = (Tally::EMPTY, Tally::EMPTY, 0);
            if !range.is_empty() {
                let tallies =
                    tallies.get_or_insert_with(|| series.iter().map(|(_, tally)| tally).collect());
                for tally in &mut tallies[range] {
                    before = before.plus(*tally);
                    let corrected = corrected(*tally, correction.mode);
                    slots += u64::from(corrected != *tally);
                    *tally = corrected;
                    after = after.plus(corrected);
                }
            }
            records.push(Applied {
                name: correction.name.clone(),
                mode: correction.mode,
                category: correction.category.clone(),
                author: correction.author.clone(),
                reason: correction.reason.clone(),
                indicator,
                interval: *interval,
                slots,
                before: before.into(),
                after: after.into(),
            });
        }
    }
    let corrected = match tallies {
        Some(tallies) => {
            Some(Series::new(series.width(), series.slots().iter().copied().zip(tallies))?)
        }
        None => None,
    };
    Ok((corrected, records))
}
