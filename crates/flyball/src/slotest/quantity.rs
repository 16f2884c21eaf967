//! What an expectation asks of a value, compared exactly.
//!
//! `=` means equal to the last bit; `~` means equal when rounded to the digits that were written,
//! which is how books print numbers. Counts, amounts and shares are exact fractions; estimates
//! (forecasts, minutes) are floats and only take `~` and inequalities.

use std::cmp::Ordering;

use flyball_budget::Fraction;
use flyball_model::{Duration, Timestamp};

use super::lex::{Kind, Token};
use super::problem::{Fault, Place, Problem};

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Equal,
    NotEqual,
    About,
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Sign {
    pub(super) fn parse(token: &Token) -> Option<Self> {
        if token.kind != Kind::Sign {
            return None;
        }
        Some(match token.text.as_str() {
            "=" | "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "~" => Self::About,
            "<" => Self::Below,
            "<=" => Self::AtMost,
            ">" => Self::Above,
            ">=" => Self::AtLeast,
            _ => return None,
        })
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::About => "~",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }

    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal | Self::About => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// One demand: a field, a comparison, a value.
#[derive(Debug, Clone)]
pub(super) struct Demand {
    pub(super) field: String,
    pub(super) field_place: Place,
    pub(super) sign: Sign,
    pub(super) value: String,
    pub(super) place: Place,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// An exact number.
    Exact(Fraction),
    /// An exact share of one.
    Share(Fraction),
    /// An amount that is also a share of a whole; `%` asks for the share.
    Amount(Fraction, Option<Fraction>),
    /// An estimate.
    Estimate(f64),
    /// A length of time in seconds.
    Seconds(f64),
    /// An instant.
    Time(Timestamp),
    /// A word.
    Word(String),
    /// No data, or nothing of the kind.
    Missing,
}

/// The word for [`Found::Missing`].
const MISSING: &str = "no_data";

impl Found {
    pub(super) fn count(count: u64) -> Self {
        Self::Exact(Fraction::whole(count))
    }

    pub(super) fn estimate(value: Option<f64>) -> Self {
        value.map_or(Self::Missing, Self::Estimate)
    }

    pub(super) fn time(value: Option<Timestamp>) -> Self {
        value.map_or(Self::Missing, Self::Time)
    }

    pub(super) fn word(value: &impl serde::Serialize) -> Self {
        Self::Word(word(value))
    }

    /// As people read it.
    pub(super) fn show(&self) -> String {
        match self {
            Self::Exact(value) => fraction(*value),
            Self::Share(share) => percent(*share),
            Self::Amount(amount, Some(share)) => {
                format!("{} ({})", fraction(*amount), percent(*share))
            }
            Self::Amount(amount, None) => fraction(*amount),
            Self::Estimate(value) => format!("{value}"),
            Self::Seconds(seconds) => span(*seconds),
            Self::Time(at) => at.to_string(),
            Self::Word(word) => word.clone(),
            Self::Missing => MISSING.to_owned(),
        }
    }
}

/// A unit variant as it is serialised: `no_data`.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// `part / whole`, exactly; `None` for an empty whole or past 127 bits.
pub(super) fn share(part: Fraction, whole: Fraction) -> Option<Fraction> {
    if whole.is_zero() || whole.is_negative() {
        return None;
    }
    let numerator = part.numerator().checked_mul(i128::try_from(whole.denominator()).ok()?)?;
    let denominator = part.denominator().checked_mul(whole.numerator().unsigned_abs())?;
    Fraction::new(numerator, denominator)
}

/// A decimal with as many digits as it was written with.
struct Number {
    value: Fraction,
    /// Half a unit of the last digit written.
    half: Fraction,
    is_percent: bool,
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let (digits, is_percent) = match text.strip_suffix('%') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let (digits, is_negative) = match digits.strip_prefix('-') {
            Some(digits) => (digits, true),
            None => (digits, false),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || !whole.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let mut numerator: i128 = 0;
        for c in whole.chars().filter(|c| *c != '_').chain(decimals.chars()) {
            let digit = c.to_digit(10)?;
            numerator = numerator.checked_mul(10)?.checked_add(i128::from(digit))?;
        }
        let places = u32::try_from(decimals.len()).ok()? + if is_percent { 2 } else { 0 };
        let scale = 10u128.checked_pow(places)?;
        Some(Self {
            value: Fraction::new(if is_negative { -numerator } else { numerator }, scale)?,
            half: Fraction::new(1, scale.checked_mul(2)?)?,
            is_percent,
        })
    }
}

impl Demand {
    /// The demand in words.
    pub(super) fn show(&self) -> String {
        format!("{} {} {}", self.field, self.sign.text(), self.value)
    }

    fn failure(&self, found: &Found) -> Fault {
        Problem::failure(
            self.place,
            format!("{} is not as expected", self.field),
            self.show(),
            found.show(),
        )
    }

    fn not_a(&self, what: &str, hint: &str) -> Fault {
        Problem::script(self.place, format!("`{}` is not {what}", self.value)).hint(hint)
    }

    /// Holds the demand against what was found.
    pub(super) fn check(&self, found: &Found) -> Result<(), Fault> {
        // A word may itself be `no_data`: a status.
        let asks_missing = self.value == MISSING && !matches!(found, Found::Word(_));
        if asks_missing || matches!(found, Found::Missing) {
            let is_equal = matches!(found, Found::Missing) && self.value == MISSING;
            let holds = if self.sign == Sign::NotEqual { !is_equal } else { is_equal };
            return if holds { Ok(()) } else { Err(self.failure(found)) };
        }
        match found {
            Found::Exact(value) => self.number(*value, found),
            Found::Share(share) => self.number(*share, found),
            Found::Amount(amount, share) => match share {
                Some(share) if self.value.ends_with('%') => self.number(*share, found),
                None if self.value.ends_with('%') => Err(self.failure(&Found::Missing)),
                _ => self.number(*amount, found),
            },
            Found::Estimate(value) => self.estimate(*value, found),
            Found::Seconds(seconds) => match Duration::parse(&self.value) {
                Ok(wanted) => self.seconds(*seconds, wanted, found),
                Err(_) => Err(self.not_a("a length of time", "write it like 90s or 5m")),
            },
            Found::Time(at) => {
                let Ok(wanted) = Timestamp::parse(&self.value) else {
                    return Err(self.not_a("an instant", "write it like 2026-03-29T02:00:00Z"));
                };
                self.verdict(at.cmp(&wanted), found)
            }
            Found::Word(word) => match self.sign {
                Sign::Equal | Sign::NotEqual => self.verdict(word.as_str().cmp(&self.value), found),
                _ => Err(Problem::script(self.place, format!("`{}` is a word", self.field))
                    .hint("compare words with = or !=")),
            },
            Found::Missing => Ok(()),
        }
    }

    fn verdict(&self, order: Ordering, found: &Found) -> Result<(), Fault> {
        if self.sign.holds(order) { Ok(()) } else { Err(self.failure(found)) }
    }

    fn parse(&self) -> Result<Number, Fault> {
        Number::parse(&self.value)
            .ok_or_else(|| self.not_a("a number", "write it like 1000, 1_000, 0.5, -3 or 12.8%"))
    }

    fn number(&self, value: Fraction, found: &Found) -> Result<(), Fault> {
        let wanted = self.parse()?;
        if self.sign == Sign::About {
            return if is_about(value, &wanted) { Ok(()) } else { Err(self.failure(found)) };
        }
        self.verdict(value.cmp(&wanted.value), found).map_err(|problem| {
            if self.sign == Sign::Equal && is_about(value, &wanted) {
                problem.hint("they agree to the digits written; `~` instead of `=` asks for that")
            } else {
                problem
            }
        })
    }

    fn estimate(&self, value: f64, found: &Found) -> Result<(), Fault> {
        let wanted = self.parse()?;
        let number = wanted.value.to_f64();
        match self.sign {
            Sign::About => {
                // Half a unit of the last digit, and the float's own last bits.
                let room = wanted.half.to_f64() + number.abs() * 1e-12;
                if (value - number).abs() <= room { Ok(()) } else { Err(self.failure(found)) }
            }
            Sign::Equal | Sign::NotEqual => {
                Err(Problem::script(self.place, format!("`{}` is an estimate", self.field))
                    .hint("`~` compares to the digits written; <, <=, > and >= work too"))
            }
            _ => self.verdict(value.total_cmp(&number), found),
        }
    }

    fn seconds(&self, seconds: f64, wanted: Duration, found: &Found) -> Result<(), Fault> {
        // Whole slots, so the float is exact.
        self.verdict(seconds.total_cmp(&wanted.as_seconds_f64()), found)
    }

    /// Whether the value must be a share: it was written with `%`.
    pub(super) fn is_percent(&self) -> bool {
        Number::parse(&self.value).is_some_and(|number| number.is_percent)
    }
}

fn is_about(value: Fraction, wanted: &Number) -> bool {
    value.checked_sub(wanted.value).is_some_and(|difference| {
        let magnitude = if difference.is_negative() {
            Fraction::ZERO.checked_sub(difference)
        } else {
            Some(difference)
        };
        magnitude.is_some_and(|magnitude| magnitude <= wanted.half)
    })
}

/// A fraction as a decimal: whole where it is, else with up to six decimals.
pub(super) fn fraction(value: Fraction) -> String {
    if value.denominator() == 1 {
        return value.numerator().to_string();
    }
    let text = format!("{:.6}", value.to_f64());
    let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
    if Number::parse(&text).is_some_and(|number| number.value == value) {
        text
    } else {
        format!("about {text}")
    }
}

fn percent(share: Fraction) -> String {
    let hundred = share.numerator().checked_mul(100);
    match hundred.and_then(|numerator| Fraction::new(numerator, share.denominator())) {
        Some(percent) => format!("{}%", fraction(percent)),
        None => format!("{}%", share.to_f64() * 100.0),
    }
}

fn span(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "only shown; held at the ends of i64")]
    let nanos = (seconds * 1e9) as i64;
    Duration::from_nanos(nanos).map_or_else(|| format!("{seconds}s"), |length| length.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(sign: Sign, value: &str) -> Demand {
        let place = Place::default();
        Demand { field: "x".into(), field_place: place, sign, value: value.into(), place }
    }

    fn holds(sign: Sign, value: &str, found: &Found) -> bool {
        demand(sign, value).check(found).is_ok()
    }

    #[test]
    fn equal_is_exact_and_about_is_to_the_digits_written() {
        let third = Found::Exact(Fraction::new(1, 3).unwrap());
        assert!(!holds(Sign::Equal, "0.333", &third));
        assert!(holds(Sign::About, "0.333", &third));
        assert!(holds(Sign::About, "0.3", &third));
        assert!(!holds(Sign::About, "0.334", &third));
        assert!(holds(Sign::About, "33.3%", &third));
        assert!(holds(Sign::Above, "0.3333", &third) && holds(Sign::Below, "0.3334", &third));
        let hint = demand(Sign::Equal, "0.333").check(&third).unwrap_err().hint;
        assert!(hint.unwrap().contains('~'));
    }

    #[test]
    fn an_amount_is_a_share_where_a_percentage_is_asked() {
        let spent = Found::Amount(Fraction::whole(5), Fraction::new(1, 2));
        assert!(holds(Sign::Equal, "5", &spent) && holds(Sign::Equal, "50%", &spent));
        let nothing = Found::Amount(Fraction::ZERO, None);
        assert!(!holds(Sign::Equal, "0%", &nothing), "no data is not 0 %");
    }

    #[test]
    fn missing_is_only_equal_to_no_data() {
        assert!(holds(Sign::Equal, "no_data", &Found::Missing));
        assert!(!holds(Sign::Equal, "0", &Found::Missing));
        assert!(!holds(Sign::Below, "1", &Found::Missing));
        assert!(!holds(Sign::Equal, "no_data", &Found::count(0)));
        assert!(holds(Sign::NotEqual, "no_data", &Found::count(0)));
        assert!(holds(Sign::Equal, "no_data", &Found::Word("no_data".into())));
    }

    #[test]
    fn estimates_are_never_equal() {
        let hours = Found::Estimate(20.57);
        assert!(holds(Sign::About, "20.6", &hours) && holds(Sign::Below, "21", &hours));
        let refused = demand(Sign::Equal, "20.57").check(&hours).unwrap_err();
        assert!(!refused.is_failure, "asking an estimate for equality is a mistake in the script");
    }

    #[test]
    fn numbers_have_one_spelling() {
        for text in ["", "x", "1.x", "--1", "1e3", ".5", "5 %", "_1"] {
            assert!(Number::parse(text).is_none(), "{text} was accepted");
        }
        assert!(holds(Sign::Equal, "3_663_253", &Found::count(3_663_253)));
        assert!(holds(Sign::Equal, "-1.5", &Found::Exact(Fraction::new(-3, 2).unwrap())));
    }
}
