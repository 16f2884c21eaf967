//! Amounts of money: exact, with their currency.

use std::fmt;
use std::str::FromStr;

use flyball_budget::Fraction;
use flyball_model::{Duration, Rational};

/// The largest amount that is written: a trillion of anything. Products with targets and times then stay exact.
const AMOUNT_MAX: u64 = 1_000_000_000_000;
/// The parts of a unit that amounts are written in, and rounded to when they are shown.
const MINOR: u64 = 100;

/// An amount of money in one currency; below 0 only as a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    amount: Fraction,
    currency: Currency,
}

/// A currency by its three letters (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an amount: {reason}; hint: write it like 250000 USD or 12.50 EUR")]
pub struct MoneyError {
    /// The text as given, cut.
    pub text: String,
    /// What is wrong.
    pub reason: &'static str,
}

impl Money {
    /// Nothing, in a currency.
    pub const fn nothing(currency: Currency) -> Self {
        Self { amount: Fraction::ZERO, currency }
    }

    /// So many units of a currency.
    pub fn of(amount: Rational, currency: Currency) -> Self {
        Self { amount: Fraction::of(amount), currency }
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The amount in units of the currency.
    pub const fn amount(self) -> Fraction {
        self.amount
    }

    /// Both together; `None` when they are of two currencies.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.with(other, Fraction::checked_add)
    }

    /// This without the other; `None` when they are of two currencies.
    pub fn minus(self, other: Self) -> Option<Self> {
        self.with(other, Fraction::checked_sub)
    }

    fn with(self, other: Self, of: fn(Fraction, Fraction) -> Option<Fraction>) -> Option<Self> {
        let is_same = self.currency == other.currency;
        let amount = is_same.then(|| of(self.amount, other.amount)).flatten()?;
        Some(Self { amount, ..self })
    }

    /// So many times this; `None` when it does not fit.
    pub fn times(self, factor: Fraction) -> Option<Self> {
        Some(Self { amount: self.amount.checked_mul(factor)?, ..self })
    }

    /// What `length` costs when an hour costs this; `None` when it does not fit.
    pub fn for_time(self, length: Duration) -> Option<Self> {
        self.times(hours(length))
    }

    /// Which is more; `None` when they are of two currencies.
    pub fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        (self.currency == other.currency).then(|| self.amount.cmp(&other.amount))
    }
}

/// A length of time in hours.
pub(super) fn hours(length: Duration) -> Fraction {
    const HOUR: u128 = 3_600_000_000_000;
    Fraction::new(length.nanos().into(), HOUR).unwrap_or(Fraction::ZERO)
}

impl FromStr for Currency {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let letters: Option<[u8; 3]> = text.as_bytes().try_into().ok();
        letters
            .filter(|letters| letters.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or("a currency has three capital letters")
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// Reads an amount with at most two decimals, a space and a currency.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let bad = |reason| MoneyError { text: text.chars().take(100).collect(), reason };
        let (amount, currency) =
            text.trim().split_once(' ').ok_or_else(|| bad("it has no currency"))?;
        let currency = currency.trim_start().parse().map_err(bad)?;
        let amount = Rational::parse(amount).ok_or_else(|| bad("it is no number"))?;
        if !MINOR.is_multiple_of(amount.denominator()) {
            return Err(bad("it has more than two decimals"));
        }
        if amount.numerator() / amount.denominator() > AMOUNT_MAX {
            return Err(bad("it is more than a trillion"));
        }
        Ok(Self { amount: Fraction::of(amount), currency })
    }
}

impl fmt::Display for Money {
    /// Rounded to hundredths, halves away from 0: `336000 USD`, `-12.50 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (numerator, denominator) =
            (self.amount.numerator().unsigned_abs(), self.amount.denominator());
        let (whole, rest) = (numerator / denominator, numerator % denominator);
        let minor = u128::from(MINOR);
        let parts = match rest.checked_mul(minor) {
            // Halves go up: twice the rest against the line.
            Some(scaled) => {
                scaled / denominator + u128::from(scaled % denominator >= denominator.div_ceil(2))
            }
            // A denominator past 121 bits; the last of its bits do not show.
            None => rest / (denominator / minor),
        };
        let (whole, parts) = if parts >= minor { (whole + 1, 0) } else { (whole, parts) };
        let sign = if self.amount.is_negative() && (whole, parts) != (0, 0) { "-" } else { "" };
        if parts == 0 {
            return write!(f, "{sign}{whole} {}", self.currency);
        }
        write!(f, "{sign}{whole}.{parts:02} {}", self.currency)
    }
}

impl serde::Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_read_and_print_alike() {
        for text in ["250000 USD", "12.50 EUR", "0 GBP", "1000000000000 JPY", "0.01 EUR"] {
            assert_eq!(money(text).to_string(), text);
        }
        assert_eq!(money("12.5  EUR"), money("12.50 EUR"));
        for text in
            ["", "5", "5 usd", "5 EURO", "EUR 5", "1.005 EUR", "-5 EUR", "2e12 EUR", "1,000 EUR"]
        {
            assert!(text.parse::<Money>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn currencies_are_never_mixed() {
        let (one, other) = (money("1 EUR"), money("1 USD"));
        assert_eq!((one.plus(other), one.minus(other), one.compare(other)), (None, None, None));
        assert_eq!(one.minus(money("3.50 EUR")).unwrap().to_string(), "-2.50 EUR");
    }

    #[test]
    fn amounts_are_rounded_when_shown_and_not_before() {
        let third = money("1 EUR").times(Fraction::new(1, 3).unwrap()).unwrap();
        assert_eq!(third.to_string(), "0.33 EUR");
        assert_eq!(third.times(Fraction::whole(3)).unwrap(), money("1 EUR"));
        let part = |n, d| money("1 EUR").times(Fraction::new(n, d).unwrap()).unwrap().to_string();
        assert_eq!(part(5, 1_000), "0.01 EUR");
        assert_eq!(part(4_999, 1_000_000), "0 EUR");
        assert_eq!(part(-4_999, 1_000_000), "0 EUR");
        assert_eq!(part(9_999, 10_000), "1 EUR");
        assert_eq!(money("90 EUR").for_time(Duration::from_minutes(20)).unwrap(), money("30 EUR"));
    }
}
