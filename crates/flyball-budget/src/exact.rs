//! Arithmetic without rounding: products of counts and shares, signed fractions, sums of ratios.
//!
//! Whether a promise was kept is decided here by comparing integers. A count has 64 bits and a
//! share up to 40 on either side of its line, so products outgrow 128 bits; they are compared in
//! 512. Only [`Fraction::to_f64`] rounds, for showing.

use std::cmp::Ordering;
use std::fmt;

use flyball_model::Rational;

/// Compares the product of `left` with the product of `right`, exactly.
///
/// An empty side is one. Each side may hold up to four factors of any size.
pub fn cmp_products(left: &[u128], right: &[u128]) -> Ordering {
    let small = |side: &[u128]| side.iter().try_fold(1u128, |product, f| product.checked_mul(*f));
    match (small(left), small(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => Natural::product(left).cmp(&Natural::product(right)),
    }
}

/// Compares the sum of `terms`, each above and below a fraction line, with `bound`, exactly.
///
/// No terms sum up to 0. However many there are and whatever their denominators, nothing is rounded; a term
/// or a bound below 0 counts as 0.
pub fn cmp_sum(terms: &[Fraction], bound: Fraction) -> Ordering {
    let above = |of: Fraction| of.numerator.max(0).unsigned_abs();
    let (mut numerator, mut denominator) = (Natural::new(0), Natural::new(1));
    for term in terms {
        numerator = numerator.times(term.denominator).plus(&denominator.times(above(*term)));
        denominator = denominator.times(term.denominator);
    }
    numerator.times(bound.denominator).cmp(&denominator.times(above(bound)))
}

/// An exact signed fraction in lowest terms: an allowed, spent or remaining amount of budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fraction {
    numerator: i128,
    denominator: u128,
}

impl Fraction {
    /// 0.
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };

    /// `numerator / denominator` in lowest terms; `None` when the denominator is zero.
    pub fn new(numerator: i128, denominator: u128) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        let divisor = gcd(numerator.unsigned_abs(), denominator);
        let magnitude = i128::try_from(numerator.unsigned_abs() / divisor).ok()?;
        let numerator = if numerator < 0 { -magnitude } else { magnitude };
        Some(Self { numerator, denominator: denominator / divisor })
    }

    /// A whole amount.
    pub fn whole(count: u64) -> Self {
        Self { numerator: i128::from(count), denominator: 1 }
    }

    /// The share `share` of `count`; held at the largest 127-bit numerator, which no share up to
    /// one can reach.
    pub fn share_of(count: u64, share: Rational) -> Self {
        let product = u128::from(count) * u128::from(share.numerator());
        let numerator = i128::try_from(product).unwrap_or(i128::MAX);
        Self::new(numerator, u128::from(share.denominator())).unwrap_or(Self::ZERO)
    }

    /// Above the fraction line; carries the sign.
    pub const fn numerator(self) -> i128 {
        self.numerator
    }

    /// Below the fraction line; never zero.
    pub const fn denominator(self) -> u128 {
        self.denominator
    }

    /// True below zero.
    pub const fn is_negative(self) -> bool {
        self.numerator < 0
    }

    /// True for zero.
    pub const fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// The exact sum; `None` when it does not fit 127 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let divisor = gcd(self.denominator, other.denominator);
        let scale = other.denominator / divisor;
        let denominator = self.denominator.checked_mul(scale)?;
        let left = self.numerator.checked_mul(i128::try_from(scale).ok()?)?;
        let other_scale = i128::try_from(self.denominator / divisor).ok()?;
        let right = other.numerator.checked_mul(other_scale)?;
        Self::new(left.checked_add(right)?, denominator)
    }

    /// The exact difference; `None` when it does not fit 127 bits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(Self { numerator: other.numerator.checked_neg()?, ..other })
    }

    /// The exact product; `None` when it does not fit 127 bits.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let left = Self::new(self.numerator, other.denominator)?;
        let right = Self::new(other.numerator, self.denominator)?;
        Self::new(
            left.numerator.checked_mul(right.numerator)?,
            left.denominator.checked_mul(right.denominator)?,
        )
    }

    /// The value of `share`.
    pub fn of(share: Rational) -> Self {
        Self {
            numerator: i128::from(share.numerator()),
            denominator: u128::from(share.denominator()),
        }
    }

    /// The largest whole number that is not above this amount.
    pub const fn floor(self) -> i128 {
        // A denominator past i128 is larger than any numerator: the quotient is 0 or -1.
        if self.denominator > i128::MAX.unsigned_abs() {
            return if self.numerator < 0 { -1 } else { 0 };
        }
        self.numerator.div_euclid(self.denominator.cast_signed())
    }

    /// The nearest double, or one beside it.
    pub fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative(), other.is_negative()) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (negative, _) => {
                let order = cmp_products(
                    &[self.numerator.unsigned_abs(), other.denominator],
                    &[other.numerator.unsigned_abs(), self.denominator],
                );
                if negative { order.reverse() } else { order }
            }
        }
    }
}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Fraction {
    /// The exact decimal where twelve places hold it, else the nearest double.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SCALE: u128 = 1_000_000_000_000;
        let magnitude = self.numerator.unsigned_abs();
        let (whole, rest) = (magnitude / self.denominator, magnitude % self.denominator);
        let decimals = match rest.checked_mul(SCALE) {
            Some(scaled) if scaled % self.denominator == 0 => scaled / self.denominator,
            _ => return write!(f, "{}", self.to_f64()),
        };
        let sign = if self.is_negative() { "-" } else { "" };
        if decimals == 0 {
            return write!(f, "{sign}{whole}");
        }
        let decimals = format!("{decimals:012}");
        write!(f, "{sign}{whole}.{}", decimals.trim_end_matches('0'))
    }
}

impl serde::Serialize for Fraction {
    /// The nearest double: files and screens show amounts, they do not decide by them.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.to_f64())
    }
}

/// An exact, positive bound that an observed ratio is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    numerator: u128,
    denominator: u128,
}

impl Threshold {
    /// The value of `share`.
    pub fn of(share: Rational) -> Self {
        Self {
            numerator: u128::from(share.numerator()),
            denominator: u128::from(share.denominator()),
        }
    }

    /// `numerator / denominator` in lowest terms; `None` when the denominator is zero.
    pub fn new(numerator: u128, denominator: u128) -> Option<Self> {
        let divisor = gcd(numerator, denominator);
        (denominator != 0)
            .then(|| Self { numerator: numerator / divisor, denominator: denominator / divisor })
    }

    /// The exact product; `None` when it does not fit.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let left = Self::new(self.numerator, other.denominator)?;
        let right = Self::new(other.numerator, self.denominator)?;
        Self::new(
            left.numerator.checked_mul(right.numerator)?,
            left.denominator.checked_mul(right.denominator)?,
        )
    }

    /// Above the fraction line.
    pub const fn numerator(self) -> u128 {
        self.numerator
    }

    /// Below the fraction line; never zero.
    pub const fn denominator(self) -> u128 {
        self.denominator
    }

    /// The nearest double, or one beside it.
    pub fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

impl Ord for Threshold {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_products(&[self.numerator, other.denominator], &[other.numerator, self.denominator])
    }
}

impl PartialOrd for Threshold {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A natural number of any size: only what exact comparisons need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Natural {
    /// Least significant first; no trailing zeros.
    words: Vec<u64>,
}

impl Natural {
    pub(crate) fn new(value: u128) -> Self {
        let mut number = Self { words: vec![low(value), low(value >> 64)] };
        number.trim();
        number
    }

    pub(crate) fn product(factors: &[u128]) -> Self {
        factors.iter().fold(Self::new(1), |product, factor| product.times(*factor))
    }

    pub(crate) fn times_word(&self, factor: u64) -> Self {
        let mut words = Vec::with_capacity(self.words.len() + 1);
        let mut carry = 0u128;
        for word in &self.words {
            carry += u128::from(*word) * u128::from(factor);
            words.push(low(carry));
            carry >>= 64;
        }
        words.push(low(carry));
        let mut number = Self { words };
        number.trim();
        number
    }

    pub(crate) fn times(&self, factor: u128) -> Self {
        let mut high = self.times_word(low(factor >> 64));
        if !high.words.is_empty() {
            high.words.insert(0, 0);
        }
        high.plus(&self.times_word(low(factor)))
    }

    pub(crate) fn times_natural(&self, other: &Self) -> Self {
        let mut sum = Self::new(0);
        for word in other.words.iter().rev() {
            if !sum.words.is_empty() {
                sum.words.insert(0, 0);
            }
            sum = sum.plus(&self.times_word(*word));
        }
        sum
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        let length = self.words.len().max(other.words.len());
        let mut words = Vec::with_capacity(length + 1);
        let mut carry = 0u128;
        for index in 0..length {
            let word = |number: &Self| u128::from(number.words.get(index).copied().unwrap_or(0));
            carry += word(self) + word(other);
            words.push(low(carry));
            carry >>= 64;
        }
        words.push(low(carry));
        let mut number = Self { words };
        number.trim();
        number
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        self.words
            .len()
            .cmp(&other.words.len())
            .then_with(|| self.words.iter().rev().cmp(other.words.iter().rev()))
    }
}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The low 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "taking the low word is the point")]
const fn low(value: u128) -> u64 {
    value as u64
}

/// The greatest common divisor; one where both are zero, so that it can always be divided by.
pub(crate) fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        // Most operands are small: 64-bit division is several times faster.
        if let (Ok(small_a), Ok(small_b)) = (u64::try_from(a), u64::try_from(b)) {
            return u128::from(gcd_small(small_a, small_b));
        }
        (a, b) = (b, a % b);
    }
    a.max(1)
}

pub(crate) const fn gcd_small(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    if a == 0 { 1 } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fractions_show_exactly_and_floor_downwards() {
        let allowed = Fraction::share_of(3_663_253, Rational::parse("0.03").unwrap());
        assert_eq!(allowed.to_string(), "109897.59");
        assert_eq!(allowed.floor(), 109_897);
        let over = Fraction::whole(1).checked_sub(Fraction::new(5, 2).unwrap()).unwrap();
        assert_eq!((over.to_string().as_str(), over.floor()), ("-1.5", -2));
        assert!(
            over < Fraction::ZERO && Fraction::new(1, 3).unwrap() < Fraction::new(1, 2).unwrap()
        );
        assert_eq!(Fraction::new(1, 0), None);
    }

    #[test]
    fn sums_past_128_bits_compare() {
        // Denominators whose product has 900 bits; the sum and its bound differ by less than 2^-120.
        let terms: Vec<Fraction> =
            (0..9).map(|at| Fraction::new(1, (1 << 100) + at).unwrap()).collect();
        let most = Fraction::new(9, 1 << 100).unwrap();
        let least = Fraction::new(9, (1 << 100) + 8).unwrap();
        assert_eq!(cmp_sum(&terms, most), Ordering::Less);
        assert_eq!(cmp_sum(&terms, least), Ordering::Greater);
        assert_eq!(cmp_sum(&[], Fraction::ZERO), Ordering::Equal);
    }

    #[test]
    fn products_past_128_bits_compare() {
        let big = u128::MAX;
        assert_eq!(cmp_products(&[big, big], &[big, big - 1]), Ordering::Greater);
        assert_eq!(cmp_products(&[big, big - 1], &[big - 1, big]), Ordering::Equal);
        assert_eq!(cmp_products(&[0, big, big], &[]), Ordering::Less);
        // (2^64 - 1)^2 x 2^64 against 2^192 - 2^129 + 2^64: equal by algebra.
        let word = u128::from(u64::MAX);
        assert_eq!(cmp_products(&[word * word, 1 << 64], &[word, word, 1 << 64]), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn naturals_agree_with_128_bits(a: u64, b: u64, c: u64) {
            let product = u128::from(a) * u128::from(b);
            prop_assert_eq!(Natural::product(&[u128::from(a), u128::from(b)]), Natural::new(product));
            if let Some(sum) = product.checked_add(u128::from(c)) {
                prop_assert_eq!(Natural::new(product).plus(&Natural::new(u128::from(c))), Natural::new(sum));
            }
        }

        #[test]
        fn wide_order_does_not_depend_on_the_common_factor(a: u64, b: u64, factor in 1u128..) {
            prop_assert_eq!(
                cmp_products(&[u128::from(a), factor, factor], &[u128::from(b), factor, factor]),
                a.cmp(&b)
            );
        }

        #[test]
        fn sums_compare_as_fractions_do(
            terms in proptest::collection::vec((0i128..100, 1u128..30), 0..6), bound in 0i128..200, below in 1u128..30
        ) {
            let terms: Vec<Fraction> = terms.into_iter().map(|(a, b)| Fraction::new(a, b).unwrap()).collect();
            let sum = terms.iter().try_fold(Fraction::ZERO, |sum, term| sum.checked_add(*term)).unwrap();
            let bound = Fraction::new(bound, below).unwrap();
            prop_assert_eq!(cmp_sum(&terms, bound), sum.cmp(&bound));
            prop_assert_eq!(cmp_sum(&terms, sum), Ordering::Equal);
        }

        #[test]
        fn products_of_fractions_are_exact(a in -1000i128..1000, b in 1u128..1000, c in -1000i128..1000, d in 1u128..1000) {
            let product = Fraction::new(a, b).unwrap().checked_mul(Fraction::new(c, d).unwrap()).unwrap();
            prop_assert_eq!(product, Fraction::new(a * c, b * d).unwrap());
            // What has no room as a product may have it in lowest terms.
            let (wide, inverse) = (Fraction::new(i128::MAX, 7).unwrap(), Fraction::new(7, i128::MAX.unsigned_abs()).unwrap());
            prop_assert_eq!(wide.checked_mul(inverse), Some(Fraction::whole(1)));
        }

        #[test]
        fn sums_of_fractions_are_exact(a in -1000i128..1000, b in 1u128..1000, c in -1000i128..1000, d in 1u128..1000) {
            let sum = Fraction::new(a, b).unwrap().checked_add(Fraction::new(c, d).unwrap()).unwrap();
            let cross = a * d.cast_signed() + c * b.cast_signed();
            prop_assert_eq!(sum, Fraction::new(cross, b * d).unwrap());
        }
    }
}
