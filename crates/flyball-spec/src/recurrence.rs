//! Recurrence rules part by part, so that a fault has a place within the rule.
//!
//! The form and range of each value is judged here, and which parts a frequency may have; the rest
//! where rules are expanded, by [`flyball_model::recurrence`]. Source: RFC 5545, section 3.3.10.

use std::ops::Range;

use crate::diagnostic::{nearest, shown};

/// What is wrong with a rule, and in which of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleFault {
    pub(crate) within: Range<usize>,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// What the value of a part looks like.
#[derive(Debug, Clone, Copy)]
enum Value {
    Frequency,
    /// A whole number above 0.
    Count,
    /// An instant in UTC.
    Until,
    Weekday,
    /// Weekdays, each maybe with a number before it.
    Weekdays,
    /// Numbers from the first to the last; negative ones count from the end where that is allowed.
    Numbers {
        first: u16,
        last: u16,
        from_end: bool,
    },
}

const FREQUENCIES: [&str; 5] = ["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"];
const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
/// The most weeks of a year, for the number before a weekday.
const WEEKS_MAX: u16 = 53;
const EXAMPLE: &str = "like FREQ=WEEKLY;BYDAY=SU";

const fn numbers(first: u16, last: u16, from_end: bool) -> Value {
    Value::Numbers { first, last, from_end }
}

/// The parts there are; `BYSECOND` is left out, as nothing shorter than an hour repeats.
const PARTS: [(&str, Value); 13] = [
    ("FREQ", Value::Frequency),
    ("INTERVAL", Value::Count),
    ("COUNT", Value::Count),
    ("UNTIL", Value::Until),
    ("WKST", Value::Weekday),
    ("BYDAY", Value::Weekdays),
    ("BYMONTH", numbers(1, 12, false)),
    ("BYMONTHDAY", numbers(1, 31, true)),
    ("BYYEARDAY", numbers(1, 366, true)),
    ("BYWEEKNO", numbers(1, WEEKS_MAX, true)),
    ("BYSETPOS", numbers(1, 366, true)),
    ("BYHOUR", numbers(0, 23, false)),
    ("BYMINUTE", numbers(0, 59, false)),
];

/// The first fault of `rule`, which is in upper case; `None` when each part is well formed.
pub(crate) fn fault(rule: &str) -> Option<RuleFault> {
    let mut seen: Vec<Given<'_>> = Vec::new();
    let mut start = 0;
    for part in rule.split(';') {
        let whole = start..start + part.len();
        start = whole.end + 1;
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let refuse = |within: Range<usize>, message: String, hint: String| {
            Some(RuleFault { within, message, hint })
        };
        let Some((_, form)) = PARTS.iter().find(|(name, _)| *name == key) else {
            let message = format!("`{}` is not a part of a recurrence rule", shown(part));
            let keys = PARTS.map(|(name, _)| name);
            let hint = match nearest(key, &keys) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{EXAMPLE}; parts are {}", keys.join(", ")),
            };
            return refuse(whole, message, hint);
        };
        if let Err((message, hint)) = form.check(value) {
            let within = if value.is_empty() { whole } else { whole.end - value.len()..whole.end };
            return refuse(within, format!("{key} {message}"), hint);
        }
        if value_of(&seen, key).is_some() {
            return refuse(whole, format!("{key} is given twice"), "keep one of them".to_owned());
        }
        seen.push(Given { key, value, whole: whole.clone() });
        if value_of(&seen, "COUNT").is_some() && value_of(&seen, "UNTIL").is_some() {
            let message = "COUNT and UNTIL exclude each other".to_owned();
            return refuse(whole, message, "keep one of them".to_owned());
        }
    }
    let Some(frequency) = value_of(&seen, "FREQ") else {
        return Some(RuleFault {
            within: 0..rule.len(),
            message: "a recurrence rule needs FREQ".to_owned(),
            hint: EXAMPLE.to_owned(),
        });
    };
    seen.iter().find_map(|part| {
        let (message, hint) = part.clash(frequency, &seen)?;
        Some(RuleFault { within: part.whole.clone(), message, hint: hint.to_owned() })
    })
}

/// A part as it was written.
#[derive(Debug)]
struct Given<'r> {
    key: &'r str,
    value: &'r str,
    whole: Range<usize>,
}

fn value_of<'r>(parts: &[Given<'r>], key: &str) -> Option<&'r str> {
    parts.iter().find(|part| part.key == key).map(|part| part.value)
}

impl Given<'_> {
    /// What keeps this part from going with `frequency` and the other `parts`, and what to write.
    ///
    /// Expansion would take out of a rule what does not go, silently: the weekdays of
    /// `FREQ=WEEKLY;BYDAY=1MO` limit nothing, and every day would match.
    fn clash(&self, frequency: &str, parts: &[Given<'_>]) -> Option<(String, &'static str)> {
        let key = self.key;
        let with = |allowed: &[&str], hint| {
            let message = || {
                let allowed = allowed.join(" and FREQ=");
                format!("{key} goes with FREQ={allowed} only, not with {frequency}")
            };
            (!allowed.contains(&frequency)).then(|| (message(), hint))
        };
        match key {
            "BYWEEKNO" => with(&["YEARLY"], "every other week is FREQ=WEEKLY;INTERVAL=2"),
            "BYYEARDAY" => with(&["YEARLY", "HOURLY"], "days of a month are BYMONTHDAY"),
            "BYMONTHDAY" => with(
                &["YEARLY", "MONTHLY", "DAILY", "HOURLY"],
                "a day of each month is FREQ=MONTHLY;BYMONTHDAY=13",
            ),
            "BYSETPOS" => {
                let is_other = |part: &Given<'_>| part.key != key && part.key.starts_with("BY");
                let message = || format!("{key} picks from what another BY part lists: none does");
                let hint = "the last workday is FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1";
                (!parts.iter().any(is_other)).then(|| (message(), hint))
            }
            "BYDAY" => {
                let mut days = self.value.split(',');
                let counted = days.clone().find(|day| day.len() > 2)?;
                if !["MONTHLY", "YEARLY"].contains(&frequency) {
                    let message = format!(
                        "BYDAY counts weekdays in a month or year (`{counted}`): \
                         not with FREQ={frequency}"
                    );
                    let hint = "the first Monday of a month is FREQ=MONTHLY;BYDAY=1MO; \
                                every Monday is FREQ=WEEKLY;BYDAY=MO";
                    return Some((message, hint));
                }
                if value_of(parts, "BYWEEKNO").is_some() {
                    let message =
                        format!("BYDAY cannot count weekdays (`{counted}`) beside BYWEEKNO");
                    return Some((message, "a week has one Monday: write MO without a number"));
                }
                // Allowed by the standard, but expanded to the days that are both.
                let message = || {
                    format!("BYDAY mixes counted weekdays (`{counted}`) with those that are not")
                };
                let hint = "number them all, or write two corrections";
                days.any(|day| day.len() == 2).then(|| (message(), hint))
            }
            _ => None,
        }
    }
}

impl Value {
    /// What is wrong with `value`, in words that follow the part's name, and what to write.
    fn check(self, value: &str) -> Result<(), (String, String)> {
        let not =
            |what: &str, hint: String| Err((format!("is {what}, not `{}`", shown(value)), hint));
        let is_weekday = |text: &str| WEEKDAYS.contains(&text);
        let number = |text: &str, first: u16, last: u16, from_end: bool| {
            let negative = from_end.then(|| text.strip_prefix('-')).flatten();
            let digits = negative.or(text.strip_prefix('+')).unwrap_or(text);
            let is_plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            is_plain && digits.parse().is_ok_and(|number| (first..=last).contains(&number))
        };
        match self {
            Self::Frequency if FREQUENCIES.contains(&value) => Ok(()),
            Self::Frequency => {
                let hint = match nearest(value, &FREQUENCIES) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "nothing repeats more often than hourly".to_owned(),
                };
                not(&format!("one of {}", FREQUENCIES.join(", ")), hint)
            }
            Self::Count if value == "0" => {
                not("a whole number above 0", "a rule that never repeats is none".to_owned())
            }
            Self::Count if value.parse::<u16>().is_ok() => Ok(()),
            Self::Count => {
                not(&format!("a whole number from 1 to {}", u16::MAX), "like 2".to_owned())
            }
            Self::Until if jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", value).is_ok() => {
                Ok(())
            }
            Self::Until => {
                not("an instant in UTC without signs", "write it like 20260301T000000Z".to_owned())
            }
            Self::Weekday if is_weekday(value) => Ok(()),
            Self::Weekday => not("a weekday", format!("one of {}", WEEKDAYS.join(", "))),
            Self::Weekdays => {
                let is_one = |text: &str| {
                    let day = text.len().checked_sub(2).and_then(|at| text.split_at_checked(at));
                    day.is_some_and(|(before, day)| {
                        let counted = before.is_empty() || number(before, 1, WEEKS_MAX, true);
                        is_weekday(day) && counted
                    })
                };
                if value.split(',').all(is_one) {
                    return Ok(());
                }
                let hint =
                    format!("some of {}; the last Sunday of a month is -1SU", WEEKDAYS.join(", "));
                not("a list of weekdays", hint)
            }
            Self::Numbers { first, last, from_end } => {
                if value.split(',').all(|text| number(text, first, last, from_end)) {
                    return Ok(());
                }
                let hint = if from_end { "like 1,-1; -1 is the last" } else { "like 6,18" };
                let hint = if last == 12 { "like 1,7" } else { hint };
                not(&format!("a list of numbers from {first} to {last}"), hint.to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_rules_pass() {
        for rule in [
            "FREQ=WEEKLY;BYDAY=SU",
            "FREQ=MONTHLY;BYDAY=-1SU,+2MO;BYHOUR=0,23;BYMINUTE=59",
            "INTERVAL=2;FREQ=DAILY;UNTIL=20261231T235959Z",
            "FREQ=YEARLY;COUNT=3;BYMONTH=1,12;BYMONTHDAY=-31,31;WKST=MO",
            "FREQ=YEARLY;BYYEARDAY=-366;BYSETPOS=-1",
            "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO",
            "FREQ=YEARLY;BYDAY=20MO",
            "FREQ=HOURLY;BYYEARDAY=1;BYMONTHDAY=1;BYDAY=MO",
            "FREQ=DAILY;BYMONTHDAY=13;BYDAY=FR",
            "BYSETPOS=2;BYHOUR=1,5;FREQ=DAILY",
        ] {
            assert_eq!(fault(rule), None, "{rule}");
        }
    }

    #[test]
    fn each_fault_points_at_its_value() {
        for (rule, at, message, hint) in [
            ("FREQ=WEEKLY;BYDAY=XX", "XX", "BYDAY is a list of weekdays", "MO, TU"),
            ("FREQ=WEEKLY;BYDAY=SU,", "SU,", "BYDAY is a list", "-1SU"),
            ("FREQ=WEEKLY;BYDAY=54SU", "54SU", "BYDAY is a list", ""),
            ("FREQ=WEEKLY;BYDAY=é", "é", "BYDAY is a list", ""),
            ("FREQ=DAILY;UNTIL=2026-03-01", "2026-03-01", "an instant in UTC", "20260301T000000Z"),
            ("FREQ=DAILY;UNTIL=20260230T000000Z", "20260230T000000Z", "an instant", ""),
            ("FREQ=DAILY;UNTIL=20260301T000000", "20260301T000000", "an instant", ""),
            ("FREQ=DAILY;BYHOUR=25", "25", "BYHOUR is a list of numbers from 0 to 23", ""),
            ("FREQ=DAILY;BYHOUR=-1", "-1", "BYHOUR", ""),
            ("FREQ=DAILY;BYMONTH=0", "0", "from 1 to 12", "like 1,7"),
            ("FREQ=DAILY;INTERVAL=0", "0", "INTERVAL is a whole number above 0", "never repeats"),
            ("FREQ=DAILY;COUNT=0", "0", "COUNT is a whole number above 0", ""),
            ("FREQ=DAILY;COUNT=-1", "-1", "COUNT is a whole number", ""),
            ("FREQ=DAILY;INTERVAL=", "INTERVAL=", "INTERVAL is a whole number", ""),
            ("FREQ=DALY", "DALY", "FREQ is one of", "did you mean DAILY?"),
            ("FREQ=SECONDLY", "SECONDLY", "FREQ is one of", ""),
            ("FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY", "given twice", ""),
            ("FREQ=DAILY;BYDY=SU", "BYDY=SU", "not a part", "did you mean `BYDAY`?"),
            ("FREQ=DAILY;", "", "not a part", "BYDAY"),
            (
                "FREQ=DAILY;COUNT=2;UNTIL=20261231T235959Z",
                "UNTIL=20261231T235959Z",
                "exclude each other",
                "keep one",
            ),
            ("BYDAY=SU", "BYDAY=SU", "needs FREQ", "FREQ=WEEKLY"),
            ("FREQ=WEEKLY;BYDAY=MO,1FR", "BYDAY=MO,1FR", "`1FR`): not with FREQ=WEEKLY", "MONTHLY"),
            ("BYDAY=-1FR;FREQ=DAILY", "BYDAY=-1FR", "not with FREQ=DAILY", ""),
            ("FREQ=HOURLY;BYDAY=+2TU", "BYDAY=+2TU", "not with FREQ=HOURLY", ""),
            ("FREQ=YEARLY;BYDAY=1MO;BYWEEKNO=10", "BYDAY=1MO", "beside BYWEEKNO", "one Monday"),
            ("FREQ=MONTHLY;BYDAY=MO,1TU", "BYDAY=MO,1TU", "mixes", "two corrections"),
            ("FREQ=MONTHLY;BYWEEKNO=3", "BYWEEKNO=3", "FREQ=YEARLY only, not with MONTHLY", ""),
            ("FREQ=HOURLY;BYWEEKNO=3", "BYWEEKNO=3", "not with HOURLY", "INTERVAL=2"),
            ("FREQ=DAILY;BYYEARDAY=3", "BYYEARDAY=3", "not with DAILY", "BYMONTHDAY"),
            ("FREQ=WEEKLY;BYYEARDAY=3", "BYYEARDAY=3", "not with WEEKLY", ""),
            ("FREQ=MONTHLY;BYYEARDAY=3", "BYYEARDAY=3", "not with MONTHLY", ""),
            ("FREQ=WEEKLY;BYMONTHDAY=13", "BYMONTHDAY=13", "not with WEEKLY", "FREQ=MONTHLY"),
            ("FREQ=MONTHLY;BYSETPOS=-1", "BYSETPOS=-1", "another BY part", "BYDAY=MO,TU"),
        ] {
            let found = fault(rule).expect(rule);
            assert_eq!(&rule[found.within.clone()], at, "{rule}: {found:?}");
            assert!(found.message.contains(message), "{rule}: {found:?}");
            assert!(found.hint.contains(hint), "{rule}: {found:?}");
        }
    }
}
