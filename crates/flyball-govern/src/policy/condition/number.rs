//! Exact signed fractions of any counts, for comparing.

use std::cmp::Ordering;
use std::fmt;

use flyball_model::{Rational, Target};

/// An exact number: a share of a budget, a burn, a count.
///
/// Compared without rounding and without overflow, whatever the counts it was made from.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    negative: bool,
    numerator: u128,
    /// Never zero.
    denominator: u128,
}

impl Number {
    /// 0.
    pub const ZERO: Self = Self { negative: false, numerator: 0, denominator: 1 };
    /// 1.
    pub const ONE: Self = Self { negative: false, numerator: 1, denominator: 1 };

    /// The whole number `count`.
    pub const fn count(count: u64) -> Self {
        Self { negative: false, numerator: count as u128, denominator: 1 }
    }

    /// The value of `share`.
    pub const fn of(share: Rational) -> Self {
        Self {
            negative: false,
            numerator: share.numerator() as u128,
            denominator: share.denominator() as u128,
        }
    }

    /// `part / whole`; `None` when `whole` is zero.
    pub const fn ratio(part: u64, whole: u64) -> Option<Self> {
        if whole == 0 {
            return None;
        }
        Some(Self { negative: false, numerator: part as u128, denominator: whole as u128 })
    }

    /// The share of a budget that `bad` of `valid` spend, `bad / (valid × (1 - target))`, which is also
    /// the burn over the stretch that they were counted in; `None` when nothing was valid.
    ///
    /// Source: SRE Workbook, chapter 5 (burn rate).
    pub fn spent(bad: u64, valid: u64, target: Target) -> Option<Self> {
        let budget = target.error_budget();
        // Both products are below 2^64 × 10^12 < 2^104.
        let numerator = u128::from(bad) * u128::from(budget.denominator());
        let denominator = u128::from(valid) * u128::from(budget.numerator());
        (denominator != 0).then_some(Self { negative: false, numerator, denominator })
    }

    /// `1 - self` of a number that is not negative.
    #[must_use]
    pub(crate) const fn complement(self) -> Self {
        Self {
            negative: self.numerator > self.denominator,
            numerator: self.denominator.abs_diff(self.numerator),
            denominator: self.denominator,
        }
    }

    /// `-self`.
    #[must_use]
    pub(crate) const fn negated(self) -> Self {
        Self { negative: !self.negative && self.numerator != 0, ..self }
    }

    /// The nearest double, for showing and for estimates.
    pub fn to_f64(self) -> f64 {
        let size = self.numerator as f64 / self.denominator as f64;
        if self.negative { -size } else { size }
    }
}

/// The order of `a/b` and `c/d`: by products where they fit; else whole parts first, then the
/// reciprocals of what is left, as in Euclid's algorithm, where nothing can overflow.
fn compare(mut a: u128, mut b: u128, mut c: u128, mut d: u128) -> Ordering {
    if let (Some(left), Some(right)) = (a.checked_mul(d), c.checked_mul(b)) {
        return left.cmp(&right);
    }
    loop {
        let wholes = (a / b).cmp(&(c / d));
        if wholes.is_ne() {
            return wholes;
        }
        match (a % b, c % d) {
            (0, 0) => return Ordering::Equal,
            (0, _) => return Ordering::Less,
            (_, 0) => return Ordering::Greater,
            // left/b < right/d exactly when d/right < b/left.
            (left, right) => (a, b, c, d) = (d, right, b, left),
        }
    }
}

impl Number {
    /// The number in millionths, rounded down; 0 of what is negative.
    pub fn ppm(self) -> u64 {
        let parts = (self.to_f64() * 1e6).floor().clamp(0.0, 1e15);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "held between 0 and what a double says exactly"
        )]
        let parts = parts as u64;
        parts
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sizes = compare(self.numerator, self.denominator, other.numerator, other.denominator);
        match (self.negative, other.negative) {
            (false, false) => sizes,
            (true, true) => sizes.reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl fmt::Display for Number {
    /// A decimal of up to six places; `≈` before it where that is not the whole of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PLACES: u128 = 1_000_000;
        let (whole, rest) = (self.numerator / self.denominator, self.numerator % self.denominator);
        let sign = if self.negative { "-" } else { "" };
        // `rest` is below 2^104, so that six places more fit.
        let scaled = rest.saturating_mul(PLACES);
        let (digits, left) = (scaled / self.denominator, scaled % self.denominator);
        let about = if left == 0 { "" } else { "≈" };
        let digits = format!("{digits:06}");
        match digits.trim_end_matches('0') {
            "" => write!(f, "{about}{sign}{whole}"),
            digits => write!(f, "{about}{sign}{whole}.{digits}"),
        }
    }
}

impl serde::Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(text: &str) -> Target {
        Target::new(Rational::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn the_workbook_budget_is_spent_at_its_last_error() {
        // SRE Workbook, appendix B: 1,000,000 requests at 99.9 % allow 1,000 errors.
        let spent = |bad| Number::spent(bad, 1_000_000, target("0.999")).unwrap();
        assert_eq!(spent(1_000), Number::ONE);
        assert!(spent(1_001) > Number::ONE);
        assert_eq!(spent(200).to_string(), "0.2");
        assert_eq!(spent(1_500).complement().to_string(), "-0.5");
        assert_eq!(Number::spent(0, 0, target("0.999")), None);
    }

    #[test]
    fn the_largest_counts_compare() {
        let most = target("0.999999999999");
        let a = Number::spent(u64::MAX, u64::MAX - 1, most).unwrap();
        let b = Number::spent(u64::MAX - 1, u64::MAX - 2, most).unwrap();
        assert!(a < b);
        assert_eq!(Number::ratio(1, 3).unwrap().to_string(), "≈0.333333");
    }

    proptest! {
        #[test]
        fn order_is_the_order_of_products(a in 0u64.., b in 1u64.., c in 0u64.., d in 1u64..) {
            let (left, right) = (Number::ratio(a, b).unwrap(), Number::ratio(c, d).unwrap());
            let products = (u128::from(a) * u128::from(d)).cmp(&(u128::from(c) * u128::from(b)));
            prop_assert_eq!(left.cmp(&right), products);
            prop_assert_eq!(left.negated().cmp(&right.negated()), products.reverse());
        }

        /// The same fractions, extended until no product fits.
        #[test]
        fn order_does_not_depend_on_size(a in 1u64.., b in 1u64.., c in 1u64.., d in 1u64.., by in 1u64..1 << 40) {
            let wide = |part: u64, whole: u64| Number {
                negative: false,
                numerator: u128::from(part) * u128::from(by),
                denominator: u128::from(whole) * u128::from(by),
            };
            let products = (u128::from(a) * u128::from(d)).cmp(&(u128::from(c) * u128::from(b)));
            prop_assert_eq!(wide(a, b).cmp(&wide(c, d)), products);
        }
    }
}
