//! Numbers and states in words, alike in every form for people.

use std::fmt::Write;

use flyball_budget::alert::Firing;
use flyball_budget::budget::Unit;
use flyball_budget::forecast::{Forecast, Outlook};
use flyball_budget::report::{Assessment, SliceReport, SloReport};
use flyball_budget::{Reason, Status};
pub(crate) use flyball_catalog::decimals;
use flyball_events::Example;
use flyball_model::{Duration, Interval, Severity, Timestamp};

use crate::replay::{InputReport, Verdict};

/// `met`, `MISSED`, `no data`.
pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::Met => "met",
        Status::Missed => "MISSED",
        Status::NoData => "no data",
    }
}

/// A status of the whole: not everything that was asked for could be told where it is `NoData`.
pub(crate) fn overall(status_: Status) -> &'static str {
    match status_ {
        Status::NoData => "undecided",
        known => status(known),
    }
}

/// One line for the whole: how many promises were kept.
pub(crate) fn verdict(verdict: &Verdict) -> String {
    let mut parts =
        vec![format!("{} of {} objectives met", count(verdict.met), count(verdict.objectives))];
    let others = [
        (verdict.missed, "missed"),
        (verdict.no_data, "without enough data"),
        (verdict.not_evaluated, "not evaluated"),
    ];
    let others = others.into_iter().filter(|(number, _)| *number > 0);
    parts.extend(others.map(|(number, what)| format!("{} {what}", count(number))));
    parts.join(", ") + &of_slices(verdict.slices_missed, verdict.slices)
}

/// How many of `slices` are missed; nothing when none is.
pub(crate) fn slices_missed(slices: &[SliceReport]) -> String {
    let missed = slices.iter().filter(|slice| slice.assessment.status == Status::Missed).count();
    of_slices(missed as u64, slices.len() as u64)
}

fn of_slices(missed: u64, all: u64) -> String {
    match missed {
        0 => String::new(),
        missed => format!("; {} of {} missed", count(missed), plural(all, "slice", "slices")),
    }
}

/// A count with its noun.
pub(crate) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `page` or `ticket`.
pub(crate) fn severity(severity: Severity) -> &'static str {
    if severity == Severity::Page { "page" } else { "ticket" }
}

/// `2 pages, 1 ticket`; `none` without any.
pub(crate) fn calls<'a>(firings: impl IntoIterator<Item = &'a Firing>) -> String {
    let (mut pages, mut tickets) = (0, 0);
    for firing in firings {
        match firing.severity {
            Severity::Page => pages += 1,
            Severity::Ticket => tickets += 1,
        }
    }
    let both = [(pages, "page", "pages"), (tickets, "ticket", "tickets")];
    let parts: Vec<String> = both
        .into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, many)| plural(number, one, many))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// Pages before tickets, each by time: where a list is cut, whoever was woken stays on it.
pub(crate) fn pages_first(firings: &[Firing]) -> Vec<&Firing> {
    let mut sorted: Vec<&Firing> = firings.iter().collect();
    sorted.sort_by_key(|firing| (firing.severity != Severity::Page, firing.start));
    sorted
}

/// Why a status is what it is.
pub(crate) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::WithinBudget => "within budget",
        Reason::BudgetOverspent => "budget overspent",
        Reason::NothingValid => "no valid event in the window",
        Reason::CoverageBelowFloor => "too little of the window has data",
        Reason::SilenceIsGood => "no event; silence counts as good",
        Reason::SilenceIsBad => "no event; silence counts as bad",
    }
}

/// A count with thousands separators: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// An amount that may be a fraction: up to two decimals, thousands separated. What would be rounded to
/// nothing is not nothing: it has its first digit, up to the ninth decimal.
pub(crate) fn amount(number: f64) -> String {
    if (1e-9..0.005).contains(&number.abs()) {
        let places = (1..=9).find(|places| number.abs() * 10f64.powi(*places) >= 1.0);
        return format!("{number:.*}", usize::try_from(places.unwrap_or(9)).unwrap_or(9));
    }
    let rounded = (number * 100.0).round() / 100.0;
    let sign = if rounded < 0.0 { "-" } else { "" };
    let text = format!("{:.2}", rounded.abs());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(w, f)| (w, Some(f)));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), count);
    match fraction {
        Some(fraction) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{whole}"),
    }
}

/// An amount of money as a server says it, thousands separated: `1,972,350.50 EUR`; as it is where it is none.
pub(crate) fn money(text: &str) -> String {
    let (number, currency) = text.split_once(' ').unwrap_or((text, ""));
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let (whole, rest) = number.find('.').map_or((number, ""), |at| number.split_at(at));
    match whole.parse() {
        Ok(whole) => format!("{sign}{}{rest} {currency}", count(whole)),
        Err(_) => text.to_owned(),
    }
}

/// The day of an instant, in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d").to_string()
}

/// A share as a percentage with `places` decimals that never rounds up to a promise: 99.9996 %
/// shows as 99.999 %, not as 100 %.
pub(crate) fn percent_down(share: f64, places: u32) -> String {
    let scale = 10f64.powi(i32::try_from(places).unwrap_or(2));
    // A hair is added so that exact decimals do not fall to the next lower digit.
    let floored = (share * 100.0 * scale + 1e-7).floor() / scale;
    let text = format!("{floored:.*}", places as usize);
    format!("{text}%")
}

/// A share as a percentage with one decimal; with more where it is less than nothing and would round to it.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let is_nothing =
        |places: usize| format!("{percent:.places$}").trim_matches(['-', '0', '.']).is_empty();
    if share < 0.0 && is_nothing(1) {
        let places = (2..=6).find(|places| !is_nothing(*places));
        return places.map_or_else(|| "0.0%".to_owned(), |places| format!("{percent:.places$}%"));
    }
    // Minus nothing is nothing.
    format!("{:.1}%", percent + 0.0)
}

/// A target as it was written: 99.95 % is not 100 %.
pub(crate) fn percent_exact(share: f64) -> String {
    let digits = format!("{:.6}", share * 100.0);
    format!("{}%", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// A share as a server says it, which marks what it has rounded, in per cent.
pub(crate) fn said_share(text: Option<&String>) -> String {
    let share = text.and_then(|text| text.trim_start_matches('≈').parse::<f64>().ok());
    share.map_or_else(|| "not known".to_owned(), percent)
}

/// An instant to the second, in UTC.
pub(crate) fn moment(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A time as a server says it, without parts of a second; as it is where it cannot be read.
pub(crate) fn whole_seconds(text: &str) -> String {
    let at = Timestamp::parse(text).map(|at| at.floor(Duration::from_seconds(1)));
    at.map_or_else(|_| text.to_owned(), |at| at.to_string())
}

/// The text of a sentence with its times to the second. A time that is part of something, such as an id, stays as it is:
/// people type it.
pub(crate) fn to_seconds(text: &str) -> String {
    const DATE_AND_TIME: usize = "2026-03-02T12:00:00".len();
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(point) = rest.find('.') {
        let (before, after) = rest.split_at(point);
        let digits = after[1..].bytes().take_while(u8::is_ascii_digit).count();
        let end = &after[1 + digits..];
        let from =
            before.len().checked_sub(DATE_AND_TIME).filter(|at| before.is_char_boundary(*at));
        let is_time = from.is_some_and(|from| {
            let stands_alone =
                out.len() + from == 0 || (from > 0 && before[..from].ends_with([' ', '\n', '(']));
            let goes_on = end.strip_prefix('Z').is_none_or(|end| {
                let end = end.strip_prefix([':', '-', '/']).unwrap_or(end);
                end.starts_with(char::is_alphanumeric)
            });
            stands_alone && !goes_on && Timestamp::parse(&format!("{}Z", &before[from..])).is_ok()
        });
        out.push_str(before);
        if !is_time {
            out.push('.');
        }
        rest = if is_time { end } else { &after[1..] };
    }
    out.push_str(rest);
    out
}

/// A stretch of time in UTC.
pub(crate) fn stretch(interval: Interval) -> String {
    format!("{} – {}", moment(interval.start()), moment(interval.end()))
}

/// The window of a promise: a calendar period by its name and zone, then in UTC.
pub(crate) fn window(slo: &SloReport, full: Interval) -> String {
    match slo.time_zone.as_deref().and_then(|zone| Some((zone, period(zone, full)?))) {
        Some((zone, name)) => format!("{name}, {zone} ({})", stretch(full)),
        None => stretch(full),
    }
}

/// `February 2026`, `2026`, `2026-02-14`; the local times of other periods.
fn period(zone: &str, full: Interval) -> Option<String> {
    let zone = jiff::tz::TimeZone::get(zone).ok()?;
    let [start, end] = [full.start(), full.end()].map(|at| zone.to_datetime(at.to_jiff()));
    let midnight = jiff::civil::Time::midnight();
    let is_days = start.time() == midnight && end.time() == midnight;
    let is_long = |span: jiff::Span| start.checked_add(span).ok() == Some(end);
    let span = jiff::Span::new();
    let form = if is_days && start.day() == 1 && is_long(span.months(1)) {
        "%B %Y"
    } else if is_days && start.day_of_year() == 1 && is_long(span.years(1)) {
        "%Y"
    } else if is_days && is_long(span.days(1)) {
        "%Y-%m-%d"
    } else {
        let local = |at: jiff::civil::DateTime| at.strftime("%Y-%m-%d %H:%M").to_string();
        return Some(format!("{} – {}", local(start), local(end)));
    };
    Some(start.strftime(form).to_string())
}

/// How much of the window holds data, and the longest stretch that does not. Empty slots are usual
/// at low traffic; a long silence may be an outage of the logging.
pub(crate) fn coverage(slo: &SloReport, total: &Assessment) -> String {
    let coverage = &total.coverage;
    let slots = match total.budget.unit {
        Unit::Slices => "time slices".to_owned(),
        Unit::Events => format!("slots of {}", slo.slot_width),
    };
    let known = format!(
        "{} of {} {slots} ({}) have data",
        count(coverage.observed),
        count(coverage.expected),
        percent(coverage.share)
    );
    match coverage.gaps.iter().max_by_key(|gap| gap.length()) {
        Some(gap) => {
            let (length, start) = (duration(gap.length()), moment(gap.start()));
            format!("{known}; the longest silence is {length} from {start}")
        }
        None => known,
    }
}

/// A length of time in its two largest units, the last one rounded: `2 d 3 h`, `4 min 20 s`.
pub(crate) fn length(seconds: f64) -> String {
    in_units(seconds, 2)
}

/// A length of time in as many of its largest units, the last one rounded.
fn in_units(seconds: f64, most: usize) -> String {
    let total = seconds.round().max(0.0);
    if total >= 1e12 {
        return "ages".to_owned();
    }
    let units = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s")];
    let Some(first) = units.iter().position(|(size, _)| total >= *size) else {
        return "0 s".to_owned();
    };
    let last = units[(first + most - 1).min(units.len() - 1)].0;
    let mut rest = (total / last).round() * last;
    let mut parts = Vec::new();
    // What is rounded up may be one of the unit before.
    for (size, unit) in units.into_iter().filter(|(size, _)| *size >= last) {
        let number = (rest / size).floor();
        rest -= number * size;
        if number > 0.0 {
            parts.push(format!("{number:.0} {unit}"));
        }
    }
    parts.join(" ")
}

/// A length of time in its two largest units.
pub(crate) fn duration(length_: Duration) -> String {
    length(length_.as_seconds_f64())
}

/// Minutes of budget, in the unit that reads best.
pub(crate) fn minutes(minutes: f64) -> String {
    let sign = if minutes < 0.0 { "-" } else { "" };
    if minutes.abs() < 1.0 && minutes != 0.0 {
        return format!("{sign}{} s", amount(minutes.abs() * 60.0));
    }
    format!("{sign}{}", length(minutes.abs() * 60.0))
}

/// Minutes of a worksheet: to the second below a day, so that what an hour costs can be held against them.
pub(crate) fn minutes_exact(minutes: f64) -> String {
    if minutes.abs() < 1.0 { self::minutes(minutes) } else { in_units(minutes * 60.0, 3) }
}

/// What is to be expected of a budget.
pub(crate) fn forecast(forecast: &Forecast) -> String {
    let Forecast { outlook, lookback, hours, hours_earliest, hours_latest, .. } = *forecast;
    self::outlook(outlook, &lookback.to_string(), [hours, hours_earliest, hours_latest])
}

/// The same from its parts; the hours are those that are expected, the earliest and the latest.
pub(crate) fn outlook(outlook: Outlook, lookback: &str, hours: [Option<f64>; 3]) -> String {
    let [expected, earliest, latest] = hours;
    match outlook {
        Outlook::NoData => format!("no data in the last {lookback}"),
        Outlook::AlreadyExhausted => "already exhausted".to_owned(),
        Outlook::NotExhausting => format!("lasts at the rate of the last {lookback}"),
        Outlook::Exhausts => {
            let hours = |hours: Option<f64>| hours.map(|hours| length(hours * 3_600.0));
            let range = match (hours(earliest), hours(latest)) {
                (Some(earliest), Some(latest)) => format!(" ({earliest} – {latest})"),
                (Some(earliest), None) => format!(" ({earliest} – never)"),
                _ => String::new(),
            };
            let expected = match expected {
                // Spent to the last unit, and something bad goes on happening.
                Some(0.0) => "now".to_owned(),
                expected => format!("in {}", hours(expected).unwrap_or_default()),
            };
            let range = if expected == "now" { String::new() } else { range };
            format!("exhausted {expected}{range} at the rate of the last {lookback}")
        }
    }
}

/// The achieved share of good; a dash for nothing.
pub(crate) fn sli(assessment: &Assessment) -> String {
    assessment.budget.sli.map_or_else(|| "–".to_owned(), |sli| percent_down(sli, 4))
}

/// What an input was found to be.
pub(crate) fn format(input: &InputReport) -> &str {
    match &input.format {
        Some(format) => format,
        None if input.damage.is_some() => "unreadable",
        None => "empty",
    }
}

/// What was refused of an input by reason, with examples: a line each, indented; nothing when
/// nothing was.
pub(crate) fn rejects(input: &InputReport) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    for rejected in &input.rejected {
        let _ = writeln!(out, "  rejected {}: {}", count(rejected.count), rejected.reason);
        for example in &rejected.examples {
            let _ = writeln!(out, "    {}", self::example(&input.name, example));
        }
        if let Some(remedy) = rejected.remedy {
            let _ = writeln!(out, "    hint: {remedy}");
        }
    }
    out
}

/// A refused record with its place in the input `name`.
pub(crate) fn example(name: &str, example: &Example) -> String {
    let column = example.column.map_or(String::new(), |column| format!(":{column}"));
    format!("{name}:{}{column}: {}", example.line, example.excerpt)
}

/// The text for a terminal: what an event could command it to do is shown instead of done. Lines
/// stay.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { visible(c) }).collect()
}

/// A character that takes its own place and nothing else's: line ends and tabs become spaces; other
/// control characters and those that turn the direction of writing become visible.
pub(crate) fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ if c.is_control() => '\u{fffd}',
        _ => c,
    }
}

/// That a condition had no answer for so many events.
pub(crate) fn undecided(events: u64) -> String {
    format!(
        "{} no answer (an attribute is missing or of another type), counted as bad",
        plural(events, "valid event has", "valid events have")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_spent_to_the_last_unit_is_gone_now() {
        let at = |hours| Forecast {
            lookback: Duration::from_hours(1),
            outlook: Outlook::Exhausts,
            hours: Some(hours),
            exhausts_at: None,
            hours_earliest: Some(hours),
            hours_latest: Some(hours + 1.0),
            confidence: 0.95,
        };
        assert_eq!(forecast(&at(0.0)), "exhausted now at the rate of the last 1h");
        assert_eq!(forecast(&at(2.0)), "exhausted in 2 h (2 h – 3 h) at the rate of the last 1h");
    }

    #[test]
    fn sentences_have_whole_seconds_and_ids_stay_as_they_are() {
        for (text, said) in [
            ("2026-03-02T12:00:00.5Z", "2026-03-02T12:00:00Z"),
            ("until 2026-03-02T12:00:00.069417935Z, by", "until 2026-03-02T12:00:00Z, by"),
            ("until 2026-03-02T12:00:00.069417935Z: shop", "until 2026-03-02T12:00:00Z: shop"),
            ("(2026-03-02T12:00:00.1Z). Over.", "(2026-03-02T12:00:00Z). Over."),
            ("shop:2026-03-02T12:00:00.5Z", "shop:2026-03-02T12:00:00.5Z"),
            ("`2026-03-02T12:00:00.5Z`", "`2026-03-02T12:00:00.5Z`"),
            ("ü2026-03-02T12:00:00.5Z x", "ü2026-03-02T12:00:00.5Z x"),
            ("at 2026-03-02T12:00:00.5Z:x 1.5 a.b.", "at 2026-03-02T12:00:00.5Z:x 1.5 a.b."),
            ("a ….5 99.95% …", "a ….5 99.95% …"),
        ] {
            assert_eq!(to_seconds(text), said);
        }
    }

    #[test]
    fn what_would_command_or_rearrange_is_visible() {
        let text = "a\tb\nc\x1b[2Jd\u{202e}e\u{85}";
        assert_eq!(printable(text), "a b\nc\u{fffd}[2Jd\u{fffd}e\u{fffd}");
        assert_eq!("a\nb\r".chars().map(visible).collect::<String>(), "a b\u{fffd}");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(amount(-1234.5), "-1,234.5");
        assert_eq!(amount(0.004), "0.004");
        assert_eq!(amount(0.000_012), "0.00001");
        assert_eq!((amount(0.0), amount(0.005)), ("0".to_owned(), "0.01".to_owned()));
        assert_eq!(percent_down(0.999_999_6, 4), "99.9999%");
        assert_eq!(percent_down(0.999, 4), "99.9000%");
        assert_eq!(length(0.4), "0 s");
        assert_eq!(length(93_784.0), "1 d 2 h");
        assert_eq!(length(86_430.0), "1 d");
        // The last unit is rounded, and not cut: 1 h 40 min 48 s, 131.49 min, 1,826 min.
        assert_eq!(length(6_048.0), "1 h 41 min");
        assert_eq!(minutes_exact(100.8), "1 h 40 min 48 s");
        assert_eq!(minutes(131.49), "2 h 11 min");
        assert_eq!(minutes(1_826.0), "1 d 6 h");
        assert_eq!(length(172_799.0), "2 d");
        assert_eq!((length(3_599.6), length(59.0)), ("1 h".to_owned(), "59 s".to_owned()));
        assert_eq!(minutes(-40.32), "-40 min 19 s");
        assert_eq!(minutes(0.5), "30 s");
        assert_eq!(money("-1972350.50 EUR"), "-1,972,350.50 EUR");
        assert_eq!((money("7 USD"), money("≈3")), ("7 USD".to_owned(), "≈3".to_owned()));
    }

    #[test]
    fn calendar_periods_have_names() {
        let name = |zone: &str, start: &str, end: &str| {
            let at = |text: &str| Timestamp::parse(text).unwrap();
            period(zone, Interval::new(at(start), at(end)).unwrap()).unwrap()
        };
        let zone = "America/New_York";
        // The month of the change to daylight time ends an hour earlier in UTC.
        assert_eq!(name(zone, "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"), "March 2026");
        assert_eq!(name(zone, "2026-01-01T05:00:00Z", "2027-01-01T05:00:00Z"), "2026");
        assert_eq!(name(zone, "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"), "2026-03-08");
        assert_eq!(
            name("UTC", "2026-01-01T09:00:00Z", "2026-01-08T09:00:00Z"),
            "2026-01-01 09:00 – 2026-01-08 09:00"
        );
    }

    #[test]
    fn less_than_nothing_is_not_rounded_to_it() {
        for (share, said) in [
            (-0.0, "0.0%"),
            (0.0, "0.0%"),
            (0.0004, "0.0%"),
            (-0.0004, "-0.04%"),
            (-0.000_02, "-0.002%"),
            (-1e-12, "0.0%"),
            (-0.0006, "-0.1%"),
            (-0.018, "-1.8%"),
        ] {
            assert_eq!(percent(share), said);
        }
    }

    #[test]
    fn the_verdict_leaves_nothing_out() {
        let mut all = Verdict { objectives: 1, met: 1, ..Verdict::default() };
        assert_eq!((verdict(&all).as_str(), all.status()), ("1 of 1 objectives met", Status::Met));
        all = Verdict { objectives: 2, not_evaluated: 1, ..all };
        assert_eq!(verdict(&all), "1 of 2 objectives met, 1 not evaluated");
        assert_eq!(all.status(), Status::NoData);
        all = Verdict { objectives: 4, missed: 1, no_data: 1, slices: 5, slices_missed: 2, ..all };
        assert_eq!(
            verdict(&all),
            "1 of 4 objectives met, 1 missed, 1 without enough data, 1 not evaluated; \
             2 of 5 slices missed"
        );
        assert_eq!(all.status(), Status::Missed);
        assert_eq!(Verdict::default().status(), Status::NoData, "no promise is no success");
    }
}
