use super::*;
use proptest::prelude::*;

fn text(text: &str) -> Option<i64> {
    TimeReader::new().text(text.as_bytes())
}

fn apache(text: &str) -> Option<i64> {
    TimeReader::new().apache(text.as_bytes())
}

/// 2024-12-05T00:10:18Z
const AT: i64 = 1_733_357_418 * SECOND;

#[test]
fn the_spellings_of_one_instant() {
    for spelling in [
        "2024-12-05T00:10:18Z",
        "2024-12-05t00:10:18z",
        "2024-12-05 00:10:18",
        "2024-12-05T02:10:18+02:00",
        "2024-12-05T02:10:18+0200",
        "2024-12-05T02:10:18+02",
        "2024-12-04 18:40:18 -05:30",
        "2024-12-05T00:10:18.000Z",
        "2024-12-05T00:10:18,000",
        " 2024-12-05T00:10:18Z ",
        "1733357418",
        "1733357418000",
        "1733357418000000",
        "1733357418000000000",
        "1733357418.0",
        "1.733357418e9",
    ] {
        assert_eq!(text(spelling), Some(AT), "{spelling}");
    }
    for spelling in [
        "05/Dec/2024:00:10:18 +0000",
        "05/Dec/2024:00:10:18",
        "05/Dec/2024:02:10:18 +0200",
        "04/Dec/2024:18:40:18.000 -0530",
    ] {
        assert_eq!(apache(spelling), Some(AT), "{spelling}");
    }
}

#[test]
fn fractions_are_exact_to_the_nanosecond() {
    assert_eq!(text("2024-12-05T00:10:18.123456789Z"), Some(AT + 123_456_789));
    assert_eq!(text("2024-12-05T00:10:18.1234567899Z"), Some(AT + 123_456_789));
    assert_eq!(text("1733357418.123456789"), Some(AT + 123_456_789));
    assert_eq!(text("1733357418123.5"), Some(AT + 123_500_000));
    assert_eq!(text("1733357418123456.5"), Some(AT + 123_456_500));
    assert_eq!(text("-1.5"), Some(-SECOND - SECOND / 2));
    assert_eq!(epoch_nanos_int(1_733_357_418_123), Some(AT + 123_000_000));
    assert_eq!(epoch_nanos_float(1_733_357_418.5), Some(AT + SECOND / 2));
}

#[test]
fn a_leap_second_is_the_next_second() {
    assert_eq!(text("2016-12-31T23:59:60Z"), text("2017-01-01T00:00:00Z"));
    assert_eq!(text("2016-12-31T23:59:61Z"), None);
    assert_eq!(apache("31/Dec/2016:23:59:60 +0000"), text("2017-01-01T00:00:00Z"));
}

#[test]
fn what_is_no_time() {
    for wrong in [
        "",
        "-",
        "yesterday",
        "2024-12-05",
        "2024-12-05T00:10",
        "2024-12-05T00:10:1",
        "2024-13-05T00:10:18Z",
        "2023-02-29T00:10:18Z",
        "2024-12-00T00:10:18Z",
        "2024-12-05T24:10:18Z",
        "2024-12-05T00:60:18Z",
        "2024-12-05T00:10:18.Z",
        "2024-12-05T00:10:18ZZ",
        "2024-12-05T00:10:18+24:00",
        "2024-12-05T00:10:18 CET",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "99999999999999999999",
        "99999999999",
        "1e400",
        "NaN",
        "1733357418x",
        "1733357418.",
        "2024-12-05\u{e9}00:10:18Z",
    ] {
        assert_eq!(text(wrong), None, "{wrong}");
    }
    for wrong in ["", "5/Dec/2024:00:10:18 +0000", "05/Foo/2024:00:10:18 +0000", "05/Dec/2024"] {
        assert_eq!(apache(wrong), None, "{wrong}");
    }
    assert_eq!(epoch_nanos_float(f64::NAN), None);
    assert_eq!(epoch_nanos_float(f64::INFINITY), None);
    assert_eq!(epoch_nanos_float(1e300), None);
    assert_eq!(epoch_nanos_int(i64::MIN), Some(i64::MIN));
}

proptest! {
    #[test]
    fn iso_agrees_with_jiff(nanos: i64, offset in -1_439_i64..1_439, digits in 0_i32..=9) {
        // jiff prints, and jiff reads what it printed: the oracle on both sides.
        let unit = 10_i64.pow(u32::try_from(9 - digits).unwrap());
        let nanos = nanos / unit * unit;
        let instant = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
        let zone = jiff::tz::Offset::from_seconds(i32::try_from(offset * 60).unwrap()).unwrap();
        let written = instant.display_with_offset(zone).to_string();
        let oracle: jiff::Timestamp = written.parse().unwrap();
        // At the very ends of the range the local minute may lie outside it.
        prop_assume!(nanos.unsigned_abs() < u64::try_from(i64::MAX - 2 * 86_400 * SECOND).unwrap());
        prop_assert_eq!(text(&written), i64::try_from(oracle.as_nanosecond()).ok());
    }

    #[test]
    fn every_date_agrees_with_jiff(year in 1600_i16..2300, month in 0_i8..=13, day in 0_i8..=32) {
        let written = format!("{year:04}-{month:02}-{day:02}T12:00:00Z");
        let oracle = written.parse::<jiff::Timestamp>().ok();
        let oracle = oracle.and_then(|instant| i64::try_from(instant.as_nanosecond()).ok());
        prop_assert_eq!(text(&written), oracle);
    }

    #[test]
    fn any_bytes_are_survived_and_memory_changes_nothing(
        texts in prop::collection::vec("[0-9T:. Zz+/,-]{0,30}|2024-0[1-9]-[0-3][0-9]T0[0-9]:00:[0-6][0-9]Z", 0..20)
    ) {
        let mut reader = TimeReader::new();
        for written in &texts {
            prop_assert_eq!(reader.text(written.as_bytes()), text(written));
            prop_assert_eq!(reader.apache(written.as_bytes()), apache(written));
        }
    }

    #[test]
    fn whole_epochs_agree_with_integers(count: i64) {
        prop_assert_eq!(text(&count.to_string()), epoch_nanos_int(count));
    }
}
