//! One series as the budgeting method of an objective counts it.
//!
//! `Occurrences` counts events. `Timeslices` counts slices of time, each good or bad by its own
//! ratio, which turns it into counting again. `RatioTimeslices` adds up the slices' ratios. Every
//! comparison is exact under all three methods; how is said in the module `sum`.
//!
//! A time slice counts once it has ended; one still filling at the end of the observed span does
//! not. A slice without valid events follows the [`NoDataRule`].

use std::cmp::Ordering;
use std::convert::Infallible;
use std::ops::Range;

use flyball_model::{
    BudgetingMethod, Duration, Interval, NoDataRule, Objective, Rational, Slot, Tally, Timestamp,
};

use crate::error::BudgetError;
use crate::exact::{Fraction, Threshold, cmp_products};
use crate::series::{Series, slot_from, slots_in};
use crate::sum::{Kind, Parts, Sum};

/// The most slices one account holds: two years of one-minute slices.
///
/// Reached only when a [`NoDataRule`] fills silence in; about 32 MB.
pub const SLICES_MAX: u64 = 1_048_576;

/// What was looked at, and how silence in it is read.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The time over which data was collected; nothing is known outside.
    pub span: Interval,
    /// Stretches taken out by corrections, sorted and disjoint: silence there means nothing.
    pub dropped: &'a [Interval],
    /// What a slice without valid events means.
    pub no_data: NoDataRule,
}

impl<'a> Frame<'a> {
    /// A frame over `span` in which silence is a gap.
    pub const fn plain(span: Interval) -> Frame<'a> {
        Frame { span, dropped: &[], no_data: NoDataRule::Gap }
    }

    /// How many slots of `width` that start inside `interval` were taken out.
    pub(crate) fn dropped_in(&self, interval: Interval, width: Duration) -> u64 {
        let first = self.dropped.partition_point(|dropped| dropped.end() <= interval.start());
        let shared = self.dropped[first..].iter().map_while(|dropped| dropped.intersect(interval));
        shared.map(|shared| slots_in(shared, width)).sum()
    }
}

/// A series as an objective counts it; see the module's documentation.
#[derive(Debug)]
pub struct Account<'a> {
    events: &'a Series,
    units: Units,
}

/// What is counted.
#[derive(Debug)]
enum Units {
    /// The events themselves.
    Events,
    /// Slices of time, one valid unit each.
    Slices(Series),
    /// The ratios of slices of time.
    Ratios(Ratios),
}

/// Slices' error ratios with running sums.
#[derive(Debug)]
struct Ratios {
    slices: Series,
    /// Running sums of `bad × 2^64 / valid`, each rounded down, before each slice.
    sums: Vec<u128>,
    /// How many of the slices before each one were rounded.
    rounded: Vec<u64>,
}

impl<'a> Account<'a> {
    /// `events` as `objective` counts them by `method`.
    ///
    /// # Errors
    ///
    /// [`BudgetError::MissingField`] when a time-slice method lacks its window or target,
    /// [`BudgetError::NotWholeSlots`] when the slices are not whole multiples of the series'
    /// slots, and [`BudgetError::TooManySlots`] when filled-in silence passes [`SLICES_MAX`].
    pub fn new(
        events: &'a Series,
        method: BudgetingMethod,
        objective: &Objective,
        frame: &Frame<'_>,
    ) -> Result<Self, BudgetError> {
        let units = match method {
            BudgetingMethod::Occurrences => Units::Events,
            BudgetingMethod::Timeslices => {
                let name = "Timeslices";
                let width = slice_width(objective, name)?;
                let target = slice_target(objective, name)?;
                let slices = ended(&events.coarsen(width)?, frame)?;
                let verdicts = slices.iter().map(|(slot, tally)| (slot, one(keeps(tally, target))));
                let silent = silent(&slices, frame)?;
                Units::Slices(Series::new(width, verdicts.chain(silent).collect::<Vec<_>>())?)
            }
            BudgetingMethod::RatioTimeslices => {
                let width = slice_width(objective, "RatioTimeslices")?;
                let slices = ended(&events.coarsen(width)?, frame)?;
                let filled = slices.iter().chain(silent(&slices, frame)?);
                Units::Ratios(Ratios::new(Series::new(width, filled.collect::<Vec<_>>())?))
            }
        };
        Ok(Self { events, units })
    }

    /// An account of slices that are already judged, one valid unit each.
    pub(crate) const fn of_slices(events: &'a Series, slices: Series) -> Self {
        Self { events, units: Units::Slices(slices) }
    }

    /// The events underneath.
    pub const fn events(&self) -> &Series {
        self.events
    }

    /// What is counted in, at the width that windows must end on.
    pub const fn units(&self) -> &Series {
        match &self.units {
            Units::Events => self.events,
            Units::Slices(series) => series,
            Units::Ratios(ratios) => &ratios.slices,
        }
    }

    /// The length of what is counted: a slot for events, else a time slice.
    pub const fn width(&self) -> Duration {
        self.units().width()
    }

    /// True when slices of time are counted rather than events.
    pub const fn counts_time(&self) -> bool {
        !matches!(self.units, Units::Events)
    }

    /// What is counted, as sums name it.
    pub(crate) const fn kind(&self) -> Kind {
        match &self.units {
            Units::Events => Kind::Events,
            Units::Slices(_) => Kind::Slices,
            Units::Ratios(_) => Kind::Ratios,
        }
    }

    /// What lies at the positions `range`.
    pub(crate) fn sum(&self, range: &Range<usize>) -> Sum {
        let known = range.len() as u64;
        let (kind, series) = match &self.units {
            Units::Ratios(ratios) => return ratios.sum(range),
            Units::Events => (Kind::Events, self.events),
            Units::Slices(series) => (Kind::Slices, series),
        };
        let (valid, bad) = (series.valid_range(range), series.bad_range(range));
        Sum { known, valid, bad, ..Sum::empty(kind) }
    }

    /// The ratios at the positions `range` one by one; nothing where none are counted.
    pub(crate) fn parts(&self, range: &Range<usize>) -> Parts {
        let mut parts = Parts::default();
        if let Units::Ratios(ratios) = &self.units {
            for index in range.clone() {
                parts.add(ratios.slices.sum_range(index..index + 1));
            }
        }
        parts
    }

    fn exactly(&self, range: &Range<usize>) -> impl FnOnce() -> Result<Parts, Infallible> {
        || Ok(self.parts(range))
    }

    /// How many units count at the positions `range`: events, or slices with an answer.
    pub fn valid_units(&self, range: &Range<usize>) -> u64 {
        self.sum(range).valid
    }

    /// The bad units at the positions `range`: a count, or a sum of ratios.
    ///
    /// Exact, unless a sum of ratios has a common denominator past 127 bits; then within
    /// 2^-40 of a slice for each slice. Comparisons do not depend on it.
    pub fn bad_units(&self, range: &Range<usize>) -> Fraction {
        let Ok(bad) = self.sum(range).bad_units(self.exactly(range));
        bad
    }

    /// The bad share of the units at the positions `range`; `None` when nothing is valid.
    pub fn error_ratio(&self, range: &Range<usize>) -> Option<f64> {
        self.sum(range).error_ratio()
    }

    /// Compares the bad share at the positions `range` with `threshold`, exactly.
    ///
    /// `None` when nothing is valid there: no data is not health.
    pub fn compare(&self, range: &Range<usize>, threshold: Threshold) -> Option<Ordering> {
        let Ok(order) = self.sum(range).compare(threshold, self.exactly(range));
        order
    }
}

impl Ratios {
    fn new(slices: Series) -> Self {
        let mut sum = Sum::empty(Kind::Ratios);
        let mut sums = vec![0];
        let mut rounded = vec![0];
        for (_, tally) in slices.iter() {
            sum.add(&Sum::of(Kind::Ratios, tally));
            sums.push(sum.low);
            rounded.push(sum.slack);
        }
        Self { slices, sums, rounded }
    }

    fn sum(&self, range: &Range<usize>) -> Sum {
        let count = range.len() as u64;
        Sum {
            kind: Kind::Ratios,
            known: count,
            valid: count,
            bad: self.slices.bad_range(range),
            low: self.sums[range.end] - self.sums[range.start],
            slack: self.rounded[range.end] - self.rounded[range.start],
        }
    }
}

/// Whether one of `stretches`, sorted and disjoint, holds `at`.
pub(crate) fn holds(stretches: &[Interval], at: Timestamp) -> bool {
    let next = stretches.partition_point(|stretch| stretch.end() <= at);
    stretches.get(next).is_some_and(|stretch| stretch.contains(at))
}

/// One slice of time with a verdict.
pub(crate) fn one(good: bool) -> Tally {
    Tally::new(1, u64::from(good)).unwrap_or(Tally::EMPTY)
}

/// The objective's slice length.
pub(crate) fn slice_width(
    objective: &Objective,
    method: &'static str,
) -> Result<Duration, BudgetError> {
    objective.timeslice_window.filter(|width| !width.is_zero()).ok_or(BudgetError::MissingField {
        method,
        field: "timeSliceWindow",
        hint: "write timeSliceWindow: 1m, the length of a slice",
    })
}

/// The share of good that makes one of the objective's slices good.
pub(crate) fn slice_target(
    objective: &Objective,
    method: &'static str,
) -> Result<Rational, BudgetError> {
    objective.timeslice_target.ok_or(BudgetError::MissingField {
        method,
        field: "timeSliceTarget",
        hint: "write timeSliceTarget: 0.95, the share of good that makes a slice good",
    })
}

/// Whether the share of good in `tally` reaches `asked`, exactly; of nothing it does.
pub fn keeps(tally: Tally, asked: Rational) -> bool {
    cmp_products(
        &[u128::from(tally.good()), u128::from(asked.denominator())],
        &[u128::from(tally.valid()), u128::from(asked.numerator())],
    )
    .is_ge()
}

/// The slices that had ended when the observed span did.
fn ended(slices: &Series, frame: &Frame<'_>) -> Result<Series, BudgetError> {
    let end = frame.span.end();
    let width = slices.width();
    match slices.slots().last() {
        Some(last) if last.interval(width).end() > end => {
            Series::new(width, slices.iter().filter(|(slot, _)| slot.interval(width).end() <= end))
        }
        _ => Ok(slices.clone()),
    }
}

/// The silent slices of the observed span as the [`NoDataRule`] reads them; none for a gap.
fn silent(slices: &Series, frame: &Frame<'_>) -> Result<Vec<(Slot, Tally)>, BudgetError> {
    let good = match frame.no_data {
        NoDataRule::Gap => return Ok(Vec::new()),
        NoDataRule::Good => true,
        NoDataRule::Bad => false,
    };
    let width = slices.width();
    let whole = frame.span.end().floor(width);
    let Ok(span) = Interval::new(frame.span.start().min(whole), whole) else {
        return Ok(Vec::new());
    };
    let count = slots_in(span, width);
    if count > SLICES_MAX {
        let what = "filling in the slices without data";
        return Err(BudgetError::TooManySlots { what, count, limit: SLICES_MAX });
    }
    let first = slot_from(span.start(), width).0;
    let known = slices.slots();
    let mut next = slices.range(span).start;
    let mut silent = Vec::new();
    for slot in (first..).take(usize::try_from(count).unwrap_or(0)).map(Slot) {
        if known.get(next) == Some(&slot) {
            next += 1;
        } else if !holds(frame.dropped, slot.interval(width).start()) {
            silent.push((slot, one(good)));
        }
    }
    Ok(silent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{objective, series_of_minutes};
    use proptest::prelude::*;

    fn threshold(text: &str) -> Threshold {
        Threshold::of(Rational::parse(text).unwrap())
    }

    fn hour() -> Interval {
        Interval::new(Timestamp::from_seconds(0), Timestamp::from_seconds(3600)).unwrap()
    }

    #[test]
    fn thirds_and_sevenths_sum_without_rounding() {
        // 1/3 + 2/3 + 3/7 + 4/7 = 2 of 4 slices: exactly one half, though no term is a binary fraction.
        let series = series_of_minutes(&[(3, 1), (3, 2), (7, 3), (7, 4)]);
        let mut objective = objective("0.5");
        objective.timeslice_window = Some(Duration::from_minutes(1));
        let frame = Frame::plain(hour());
        let account =
            Account::new(&series, BudgetingMethod::RatioTimeslices, &objective, &frame).unwrap();
        assert_eq!(account.compare(&(0..4), threshold("0.5")), Some(Ordering::Equal));
        assert_eq!(account.compare(&(0..4), threshold("0.500000000001")), Some(Ordering::Less));
        assert_eq!(account.compare(&(0..4), threshold("0.499999999999")), Some(Ordering::Greater));
        assert_eq!(account.bad_units(&(0..4)), Fraction::whole(2));
        assert_eq!(account.compare(&(0..0), threshold("0.5")), None);
    }

    #[test]
    fn silence_follows_the_rule_inside_the_span_only() {
        let series = series_of_minutes(&[(4, 0), (0, 0), (4, 4)]);
        let mut objective = objective("0.9");
        objective.timeslice_window = Some(Duration::from_minutes(1));
        objective.timeslice_target = Rational::parse("1");
        let span = Interval::new(Timestamp::from_seconds(0), Timestamp::from_seconds(299)).unwrap();
        for (rule, valid, bad) in
            [(NoDataRule::Gap, 2, 1), (NoDataRule::Good, 4, 1), (NoDataRule::Bad, 4, 3)]
        {
            let frame = Frame { no_data: rule, ..Frame::plain(span) };
            let account =
                Account::new(&series, BudgetingMethod::Timeslices, &objective, &frame).unwrap();
            let all = account.units().range(hour());
            assert_eq!(account.valid_units(&all), valid, "{rule:?}");
            assert_eq!(account.bad_units(&all), Fraction::whole(bad), "{rule:?}");
        }
    }

    #[test]
    fn a_slice_still_filling_does_not_count() {
        let series = series_of_minutes(&[(1, 1), (1, 1), (1, 1)]);
        let mut objective = objective("0.9");
        objective.timeslice_window = Some(Duration::from_minutes(2));
        objective.timeslice_target = Rational::parse("0.9");
        let span = Interval::new(Timestamp::from_seconds(0), Timestamp::from_seconds(180)).unwrap();
        let account =
            Account::new(&series, BudgetingMethod::Timeslices, &objective, &Frame::plain(span))
                .unwrap();
        assert_eq!(account.valid_units(&account.units().range(hour())), 1);
    }

    #[test]
    fn missing_fields_are_named() {
        let series = series_of_minutes(&[(1, 1)]);
        let frame = Frame::plain(hour());
        let error = Account::new(&series, BudgetingMethod::Timeslices, &objective("0.9"), &frame)
            .unwrap_err();
        assert!(error.to_string().contains("timeSliceWindow"), "{error}");
    }

    proptest! {
        #[test]
        fn ratio_comparisons_equal_fractions(
            slices in proptest::collection::vec((1u64..12, 0u64..12), 1..6),
            numerator in 0u64..60,
        ) {
            let slices: Vec<_> = slices.iter().map(|(valid, bad)| (*valid, (*bad).min(*valid))).collect();
            let series = series_of_minutes(&slices);
            let mut objective = objective("0.5");
            objective.timeslice_window = Some(Duration::from_minutes(1));
            let frame = Frame::plain(hour());
            let account = Account::new(&series, BudgetingMethod::RatioTimeslices, &objective, &frame).unwrap();
            // 27720 is divisible by every valid count, so plain integers give the true mean.
            let sum: u64 = slices.iter().map(|(valid, bad)| bad * (27_720 / valid)).sum();
            let expected = (sum * 60).cmp(&(numerator * 27_720 * slices.len() as u64));
            let threshold = Threshold::new(u128::from(numerator), 60).unwrap();
            prop_assert_eq!(account.compare(&(0..slices.len()), threshold), Some(expected));
            prop_assert_eq!(account.bad_units(&(0..slices.len())), Fraction::new(i128::from(sum), 27_720).unwrap());
        }
    }
}
