//! What lies in one stretch of time, counted in the units of a budget.
//!
//! A [`Sum`] is all that a status, a burn or an alert condition needs to know of a stretch, however
//! long it is. Sums of neighbouring stretches add up, and what has left can be taken away again, so
//! a look-up in prefix sums and a running sum give the same value.
//!
//! Sums of ratios are kept in 64 binary places, each ratio rounded down, with a count of those that
//! were rounded. Where that leaves a comparison open, the caller is asked for the [`Parts`].

use std::cmp::Ordering;
use std::collections::BTreeMap;

use flyball_model::Tally;

use crate::exact::{Fraction, Natural, Threshold, cmp_products, gcd_small};

/// 2^64 as a double.
const SCALE: f64 = 18_446_744_073_709_551_616.0;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Events.
    Events,
    /// Slices of time, each good or bad.
    Slices,
    /// Slices of time, each bad by its own ratio.
    Ratios,
}

/// The units of one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) kind: Kind,
    /// Slots or slices with an answer.
    pub(crate) known: u64,
    /// Units that count.
    pub(crate) valid: u64,
    /// Bad units; the slices' bad events under [`Kind::Ratios`].
    pub(crate) bad: u64,
    /// Under [`Kind::Ratios`] the sum of ratios in 2^-64, each rounded down.
    pub(crate) low: u128,
    /// By how much, in 2^-64 and exclusive, the true sum of ratios can lie above `low`.
    pub(crate) slack: u64,
}

impl Sum {
    pub(crate) const fn empty(kind: Kind) -> Self {
        Self { kind, known: 0, valid: 0, bad: 0, low: 0, slack: 0 }
    }

    /// One slot or slice; nothing where nothing in it is valid.
    pub(crate) fn of(kind: Kind, tally: Tally) -> Self {
        if tally.is_empty() {
            return Self::empty(kind);
        }
        let (valid, bad) = (tally.valid(), tally.bad());
        if kind != Kind::Ratios {
            return Self { kind, known: 1, valid, bad, low: 0, slack: 0 };
        }
        let scaled = u128::from(bad) << 64;
        let slack = u64::from(scaled % u128::from(valid) != 0);
        Self { kind, known: 1, valid: 1, bad, low: scaled / u128::from(valid), slack }
    }

    /// Takes in what entered the stretch; held at 2^64, as a series is.
    pub(crate) const fn add(&mut self, entered: &Self) {
        self.known = self.known.saturating_add(entered.known);
        self.valid = self.valid.saturating_add(entered.valid);
        self.bad = self.bad.saturating_add(entered.bad);
        self.low = self.low.saturating_add(entered.low);
        self.slack = self.slack.saturating_add(entered.slack);
    }

    /// Takes away what left the stretch.
    pub(crate) const fn subtract(&mut self, left: &Self) {
        self.known = self.known.saturating_sub(left.known);
        self.valid = self.valid.saturating_sub(left.valid);
        self.bad = self.bad.saturating_sub(left.bad);
        self.low = self.low.saturating_sub(left.low);
        self.slack = self.slack.saturating_sub(left.slack);
    }

    /// True when nothing is bad.
    pub(crate) const fn is_spotless(&self) -> bool {
        self.bad == 0
    }

    /// The bad units as a double, a sum of ratios rounded down.
    fn bad_shown(&self) -> f64 {
        match self.kind {
            Kind::Ratios => self.low as f64 / SCALE,
            Kind::Events | Kind::Slices => self.bad as f64,
        }
    }

    /// The bad share of the units; `None` when nothing is valid.
    pub(crate) fn error_ratio(&self) -> Option<f64> {
        (self.valid > 0).then(|| self.bad_shown() / self.valid as f64)
    }

    /// The bad units, exact unless a sum of ratios has a common denominator past 127 bits; then
    /// within 2^-40 of a slice for each slice.
    pub(crate) fn bad_units<E>(
        &self,
        parts: impl FnOnce() -> Result<Parts, E>,
    ) -> Result<Fraction, E> {
        if self.kind != Kind::Ratios {
            return Ok(Fraction::whole(self.bad));
        }
        Ok(parts()?.sum().unwrap_or_else(|| {
            let scaled = i128::try_from(self.low >> 24).unwrap_or(i128::MAX);
            Fraction::new(scaled, 1 << 40).unwrap_or(Fraction::ZERO)
        }))
    }

    /// Compares the bad share with `threshold`, exactly.
    ///
    /// `None` when nothing is valid there: no data is not health.
    pub(crate) fn compare<E>(
        &self,
        threshold: Threshold,
        parts: impl FnOnce() -> Result<Parts, E>,
    ) -> Result<Option<Ordering>, E> {
        let (numerator, denominator) = (threshold.numerator(), threshold.denominator());
        let word = u128::from(u64::MAX);
        if self.kind != Kind::Ratios && numerator <= word && denominator <= word {
            // The usual case, a few times faster: nothing passes 128 bits.
            let (valid, bad) = (u128::from(self.valid), u128::from(self.bad));
            return Ok((valid > 0).then(|| (bad * denominator).cmp(&(valid * numerator))));
        }
        self.compare_scaled(&[denominator], &[numerator], parts)
    }

    /// Compares `bad × left` with `valid × right`, exactly; up to three factors a side.
    ///
    /// `None` when nothing is valid.
    pub(crate) fn compare_scaled<E>(
        &self,
        left: &[u128],
        right: &[u128],
        parts: impl FnOnce() -> Result<Parts, E>,
    ) -> Result<Option<Ordering>, E> {
        if self.valid == 0 {
            return Ok(None);
        }
        if self.kind == Kind::Ratios {
            return self.compare_ratios(left, right, parts).map(Some);
        }
        let with = |first: u64, rest: &[u128]| {
            let mut factors = [1u128; 5];
            factors[0] = u128::from(first);
            factors[1..=rest.len()].copy_from_slice(rest);
            factors
        };
        Ok(Some(cmp_products(&with(self.bad, left), &with(self.valid, right))))
    }

    fn compare_ratios<E>(
        &self,
        left: &[u128],
        right: &[u128],
        parts: impl FnOnce() -> Result<Parts, E>,
    ) -> Result<Ordering, E> {
        let times = |first: u128, rest: &[u128]| {
            rest.iter().fold(Natural::new(first), |product, factor| product.times(*factor))
        };
        let (low, slack) = (self.low, u128::from(self.slack));
        // Doubles settle it unless they are within their own rounding of each other.
        let estimate = |first: f64, rest: &[u128]| {
            rest.iter().fold(first, |product, factor| product * *factor as f64)
        };
        let (near_left, near_right) =
            (estimate(self.bad_shown(), left), estimate(self.valid as f64, right));
        if (near_left - near_right).abs() > 1e-9 * near_left.max(near_right) {
            return Ok(near_left.total_cmp(&near_right));
        }
        let bound = times(u128::from(self.valid), right).times(1 << 64);
        match times(low, left).cmp(&bound) {
            order if slack == 0 => return Ok(order),
            // Something was cut off, so the true sum lies above `low` and below `low + slack`.
            Ordering::Equal | Ordering::Greater => return Ok(Ordering::Greater),
            Ordering::Less => {}
        }
        if times(low + slack, left) <= bound {
            return Ok(Ordering::Less);
        }
        // The bound leaves it open: add the ratios over a common denominator.
        let (mut numerator, mut denominator) = (Natural::new(0), Natural::new(1));
        for (part_denominator, part) in parts()?.0 {
            numerator = numerator.times_word(part_denominator).plus(&denominator.times(part));
            denominator = denominator.times_word(part_denominator);
        }
        let left = left.iter().fold(numerator, |product, factor| product.times(*factor));
        let right =
            right.iter().fold(denominator.times(u128::from(self.valid)), |product, factor| {
                product.times(*factor)
            });
        Ok(left.cmp(&right))
    }
}

/// The ratios of slices with something bad, in lowest terms and summed by denominator.
#[derive(Debug, Default)]
pub(crate) struct Parts(BTreeMap<u64, u128>);

impl Parts {
    /// Adds the ratio of one slice.
    pub(crate) fn add(&mut self, tally: Tally) {
        if tally.bad() > 0 {
            let divisor = gcd_small(tally.bad(), tally.valid());
            *self.0.entry(tally.valid() / divisor).or_default() +=
                u128::from(tally.bad() / divisor);
        }
    }

    /// The sum; `None` when it does not fit 127 bits.
    fn sum(self) -> Option<Fraction> {
        self.0.into_iter().try_fold(Fraction::ZERO, |sum, (denominator, numerator)| {
            let part = Fraction::new(i128::try_from(numerator).ok()?, u128::from(denominator))?;
            sum.checked_add(part)
        })
    }
}
