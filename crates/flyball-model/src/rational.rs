//! Exact shares and factors.

use std::cmp::Ordering;
use std::fmt;

/// An exact, non-negative fraction in lowest terms: a target, a budget share, a burn factor.
///
/// Read from decimal text, so that 99.9 % is 999/1000 and not the nearest double. Denominators
/// stay at or below [`Rational::DENOMINATOR_MAX`], so that products with 64-bit counts can be
/// compared without rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rational {
    numerator: u64,
    denominator: u64,
}

impl Rational {
    /// The largest denominator: twelve decimal places, far finer than any objective in use.
    pub const DENOMINATOR_MAX: u64 = 1_000_000_000_000;
    /// 0.
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };
    /// 1.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// `numerator / denominator` in lowest terms.
    ///
    /// `None` when the denominator is zero or, reduced, above [`Self::DENOMINATOR_MAX`].
    pub const fn new(numerator: u64, denominator: u64) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        let divisor = gcd(numerator, denominator);
        let (numerator, denominator) = (numerator / divisor, denominator / divisor);
        if denominator > Self::DENOMINATOR_MAX {
            return None;
        }
        Some(Self { numerator, denominator })
    }

    /// Reads a plain decimal such as `0.999`, `14.4`, `1e-3`; no sign, no per cent.
    ///
    /// `None` for anything else, for more than twelve decimal places that matter, and for values
    /// past 64 bits.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut numerator: u128 = 0;
        for byte in whole.bytes().chain(fraction.trim_end_matches('0').bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            numerator = numerator.checked_mul(10)?.checked_add(u128::from(byte - b'0'))?;
        }
        if numerator == 0 {
            return Some(Self::ZERO);
        }
        let places = i32::try_from(fraction.trim_end_matches('0').len()).ok()?;
        let scale = exponent.checked_sub(places)?;
        let power = 10u128.checked_pow(scale.unsigned_abs())?;
        let (numerator, denominator) =
            if scale >= 0 { (numerator.checked_mul(power)?, 1) } else { (numerator, power) };
        let divisor = gcd_wide(numerator, denominator);
        Self::new(
            u64::try_from(numerator / divisor).ok()?,
            u64::try_from(denominator / divisor).ok()?,
        )
    }

    /// Reads a percentage such as `2%` or `99.95 %` as a share of one.
    pub fn parse_percent(text: &str) -> Option<Self> {
        let percent = Self::parse(text.strip_suffix('%')?.trim_end())?;
        percent.checked_mul(Self { numerator: 1, denominator: 100 })
    }

    /// Above the fraction line.
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// Below the fraction line; never zero.
    pub const fn denominator(self) -> u64 {
        self.denominator
    }

    /// True for 0.
    pub const fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// `1 - self`; `None` above one.
    pub const fn complement(self) -> Option<Self> {
        match self.denominator.checked_sub(self.numerator) {
            Some(numerator) => Some(Self { numerator, denominator: self.denominator }),
            None => None,
        }
    }

    /// The exact product; `None` when it does not fit.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let numerator = u128::from(self.numerator) * u128::from(other.numerator);
        let denominator = u128::from(self.denominator) * u128::from(other.denominator);
        let divisor = gcd_wide(numerator, denominator);
        Self::new(
            u64::try_from(numerator / divisor).ok()?,
            u64::try_from(denominator / divisor).ok()?,
        )
    }

    /// The nearest double, for showing and for estimates.
    pub fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    if a == 0 { 1 } else { a }
}

fn gcd_wide(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = u128::from(self.numerator) * u128::from(other.denominator);
        let right = u128::from(other.numerator) * u128::from(self.denominator);
        left.cmp(&right)
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Rational {
    /// The shortest decimal where one exists within twelve places, else the nearest double.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = u128::from(Self::DENOMINATOR_MAX);
        let scaled = u128::from(self.numerator) * scale;
        if scaled % u128::from(self.denominator) != 0 {
            return write!(f, "{}", self.to_f64());
        }
        let scaled = scaled / u128::from(self.denominator);
        let (whole, fraction) = (scaled / scale, scaled % scale);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{fraction:012}");
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl serde::Serialize for Rational {
    /// The nearest double.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.to_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let nines = Rational::parse("0.999").unwrap();
        assert_eq!((nines.numerator(), nines.denominator()), (999, 1000));
        assert_eq!(Rational::parse_percent("99.9%").unwrap(), nines);
        assert_eq!(Rational::parse("1e-3").unwrap(), nines.complement().unwrap());
        assert_eq!(Rational::parse("14.40").unwrap().to_string(), "14.4");
        assert_eq!(Rational::parse("0.0").unwrap(), Rational::ZERO);
        assert_eq!(Rational::parse("1e3").unwrap().to_string(), "1000");
        for text in ["", ".", "-1", "+1", "1,5", "NaN", "inf", "1e400", "0.1234567890123", "1e"] {
            assert_eq!(Rational::parse(text), None, "{text} was accepted");
        }
    }

    proptest::proptest! {
        #[test]
        fn printing_and_reading_agree(numerator in 0u64..1_000_000_000, places in 0u32..9) {
            let value = Rational::new(numerator, 10u64.pow(places)).unwrap();
            proptest::prop_assert_eq!(Rational::parse(&value.to_string()), Some(value));
        }

        #[test]
        fn order_is_the_order_of_the_values(a in 0u64..1000, b in 1u64..1000, c in 0u64..1000, d in 1u64..1000) {
            let left = Rational::new(a, b).unwrap();
            let right = Rational::new(c, d).unwrap();
            proptest::prop_assert_eq!(left.cmp(&right), (a * d).cmp(&(c * b)));
        }
    }
}
