//! Event times: text and numbers into nanoseconds since 1970-01-01T00:00:00Z.
//!
//! Sources write RFC 3339 and its relatives, Apache's bracketed time, or an epoch count of seconds,
//! milliseconds, microseconds or nanoseconds. Lines that follow each other mostly share the minute,
//! so [`TimeReader`] remembers the last one and then reads seconds only.
//!
//! What is no time, or outside the years 1677 to 2262 that 64-bit nanoseconds span, is `None`;
//! nothing here panics. A leap second (`:60`) is the first second of the next minute. Digits below
//! the nanosecond are cut off. Zone names are not understood: an offset or nothing (which is UTC).

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY_SECONDS: i64 = 86_400;

/// Epoch counts below this are seconds: 10¹¹ s is the year 5138, 10¹¹ ms is March 1973.
const SECONDS_MAX: u64 = 100_000_000_000;
/// Epoch counts below this and not seconds are milliseconds; 10¹⁴ µs is March 1973.
const MILLIS_MAX: u64 = SECONDS_MAX * 1_000;
/// Epoch counts below this and not milliseconds are microseconds; 10¹⁷ ns is March 1973.
const MICROS_MAX: u64 = MILLIS_MAX * 1_000;

/// `2024-12-05T00:10`
const ISO_MINUTE_BYTES: usize = 16;
/// `05/Dec/2024:00:10`
const APACHE_MINUTE_BYTES: usize = 17;

/// Reads times of one source, cheaply when neighbours share the minute.
///
/// What it answers never depends on what it has read before.
#[derive(Debug, Clone, Default)]
pub struct TimeReader {
    iso_minute: [u8; ISO_MINUTE_BYTES],
    /// Nanoseconds at the start of `iso_minute` as if it were UTC.
    iso_nanos: i64,
    apache_minute: [u8; APACHE_MINUTE_BYTES],
    apache_nanos: i64,
}

impl TimeReader {
    /// A reader that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads RFC 3339, its relatives (space for `T`, lower case, comma before the fraction, offset
    /// `+hhmm` or `+hh` or missing, which is UTC), or a number as [`epoch_nanos`] does.
    #[inline]
    pub fn text(&mut self, text: &[u8]) -> Option<i64> {
        if text.len() > ISO_MINUTE_BYTES && text[4] == b'-' {
            return self.iso(text);
        }
        let text = text.trim_ascii();
        if text.len() > ISO_MINUTE_BYTES && text[4] == b'-' {
            return self.iso(text);
        }
        epoch_nanos(text)
    }

    fn iso(&mut self, text: &[u8]) -> Option<i64> {
        let (minute, rest) = text.split_first_chunk::<ISO_MINUTE_BYTES>()?;
        if *minute != self.iso_minute {
            self.iso_nanos = iso_minute(minute)?;
            self.iso_minute = *minute;
        }
        let [b':', tens, ones, rest @ ..] = rest else { return None };
        let second = second(*tens, *ones)?;
        let (fraction, rest) = match rest {
            // As most write it; the loop's end would be mispredicted.
            [b'.', a, b, c, rest @ ..] if rest == b"Z" => (millis(*a, *b, *c)?, rest),
            [b'.' | b',', rest @ ..] => fraction(rest)?,
            _ => (0, rest),
        };
        let nanos = self.iso_nanos.checked_add(second * SECOND)?.checked_add(fraction)?;
        if matches!(rest, [b'Z' | b'z'] | []) {
            return Some(nanos);
        }
        nanos.checked_sub(offset(rest)?)
    }

    /// Reads Apache's `%t` without its brackets: `05/Dec/2024:00:10:18 +0000`.
    ///
    /// A fraction may follow the seconds; the offset may be missing, which is UTC.
    #[inline]
    pub fn apache(&mut self, text: &[u8]) -> Option<i64> {
        let (minute, rest) = text.split_first_chunk::<APACHE_MINUTE_BYTES>()?;
        if *minute != self.apache_minute {
            self.apache_nanos = apache_minute(minute)?;
            self.apache_minute = *minute;
        }
        let [b':', tens, ones, rest @ ..] = rest else { return None };
        let second = second(*tens, *ones)?;
        let (fraction, rest) = match rest {
            [b'.' | b',', rest @ ..] => fraction(rest)?,
            _ => (0, rest),
        };
        let nanos = self.apache_nanos.checked_add(second * SECOND)?.checked_add(fraction)?;
        if matches!(rest, b" +0000" | b"") {
            return Some(nanos);
        }
        nanos.checked_sub(offset(rest)?)
    }
}

/// Reads a decimal count since the epoch, such as `1733357418`, `1733357418.25`, `1733357418250`.
///
/// The size of its whole part tells the unit: below 10¹¹ seconds, below 10¹⁴ milliseconds, below
/// 10¹⁷ microseconds, else nanoseconds. Decimals are exact; a number with an exponent goes through
/// a double.
pub fn epoch_nanos(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let whole_len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if whole_len == 0 || whole_len > 19 {
        return None;
    }
    let whole = digits[..whole_len].iter().fold(0_u64, |n, b| n * 10 + u64::from(b - b'0'));
    let fraction = match &digits[whole_len..] {
        [] => 0,
        [b'.', rest @ ..] if !rest.is_empty() && rest.iter().all(u8::is_ascii_digit) => {
            fraction(rest)?.0
        }
        rest if rest.ends_with(b".") => return None,
        _ => return epoch_nanos_float(std::str::from_utf8(text).ok()?.parse().ok()?),
    };
    let unit = unit_nanos(whole);
    // The fraction is in billionths of the unit, so it is scaled by the unit's share of a second.
    let part = fraction / (SECOND / unit);
    let nanos = i64::try_from(whole).ok()?.checked_mul(unit)?.checked_add(part)?;
    Some(if negative { -nanos } else { nanos })
}

/// As [`epoch_nanos`], for a count that is an integer already.
pub fn epoch_nanos_int(count: i64) -> Option<i64> {
    count.checked_mul(unit_nanos(count.unsigned_abs()))
}

/// As [`epoch_nanos`], for a count that is a double already. `None` for NaN and infinities.
pub fn epoch_nanos_float(count: f64) -> Option<i64> {
    if !count.is_finite() || count.abs() >= 9.3e18 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the whole part was just bounded")]
    let whole = count.trunc() as i64;
    let unit = unit_nanos(whole.unsigned_abs());
    #[expect(clippy::cast_possible_truncation, reason = "below one unit, that is below 10⁹")]
    let part = (count.fract() * unit as f64).round() as i64;
    whole.checked_mul(unit)?.checked_add(part)
}

fn unit_nanos(count: u64) -> i64 {
    match count {
        0..SECONDS_MAX => SECOND,
        SECONDS_MAX..MILLIS_MAX => 1_000_000,
        MILLIS_MAX..MICROS_MAX => 1_000,
        _ => 1,
    }
}

#[inline]
fn digit(byte: u8) -> Option<i64> {
    let digit = byte.wrapping_sub(b'0');
    (digit <= 9).then_some(i64::from(digit))
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<i64> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// Three digits after the point as billionths.
#[inline]
fn millis(tenths: u8, hundredths: u8, thousandths: u8) -> Option<i64> {
    Some((two(tenths, hundredths)? * 10 + digit(thousandths)?) * 1_000_000)
}

/// 0 to 60: a leap second reads as the second after.
#[inline]
fn second(tens: u8, ones: u8) -> Option<i64> {
    two(tens, ones).filter(|second| *second <= 60)
}

/// Digits after the point as billionths, and what follows them. `None` without a digit.
#[inline]
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let mut nanos = 0;
    let mut scale = SECOND;
    let mut rest = text;
    while let [byte, after @ ..] = rest
        && let Some(digit) = digit(*byte)
    {
        scale /= 10;
        nanos += digit * scale;
        rest = after;
    }
    (rest.len() < text.len()).then_some((nanos, rest))
}

fn iso_minute(text: &[u8; ISO_MINUTE_BYTES]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b't' | b' ', hour @ ..] = text else {
        return None;
    };
    let [h1, h2, b':', n1, n2] = hour else { return None };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    minute_nanos(year, two(*m1, *m2)?, two(*d1, *d2)?, two(*h1, *h2)?, two(*n1, *n2)?)
}

fn apache_minute(text: &[u8; APACHE_MINUTE_BYTES]) -> Option<i64> {
    let [d1, d2, b'/', m @ .., b'/', y1, y2, y3, y4, b':', h1, h2, b':', n1, n2] = text else {
        return None;
    };
    let month = match m {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    minute_nanos(year, month, two(*d1, *d2)?, two(*h1, *h2)?, two(*n1, *n2)?)
}

fn minute_nanos(year: i64, month: i64, day: i64, hour: i64, minute: i64) -> Option<i64> {
    if hour > 23 || minute > 59 || !(1..=12).contains(&month) {
        return None;
    }
    if day < 1 || day > month_days(year, month) {
        return None;
    }
    let seconds = days_before(year, month, day) * DAY_SECONDS + hour * 3_600 + minute * 60;
    // The minute must fit whole: its seconds are added without another look at the range's start.
    seconds.checked_mul(SECOND).filter(|nanos| nanos.checked_add(MINUTE).is_some())
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar, years 0 to 9999.
///
/// Years are counted from March, so that the leap day is the last of its year and the months
/// before it have lengths with a period of five: 153 days.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719 468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// `Z`, `+hh:mm`, `-hhmm`, `+hh`, one space before them allowed; nothing else.
fn offset(text: &[u8]) -> Option<i64> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let (sign, rest) = match text {
        [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [h1, h2, b':', m1, m2] | [h1, h2, m1, m2] => (two(*h1, *h2)?, two(*m1, *m2)?),
        [h1, h2] => (two(*h1, *h2)?, 0),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60) * SECOND)
}

#[cfg(test)]
mod tests;
