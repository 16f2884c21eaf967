//! Whole reports: shape, status, coverage, forecast, chart.

use flyball_budget::alert::multi_window;
use flyball_budget::budget::GAPS_MAX;
use flyball_budget::chart::{POINTS_MAX, chart};
use flyball_budget::forecast::Outlook;
use flyball_budget::report::{IndicatorSeries, slot_width};
use flyball_budget::{BudgetError, Measured, Reason, Series, SloReport, Status, assess};
use flyball_model::{
    AlertRule, BudgetingMethod, CalendarUnit, CalendarWindow, Composition, Condition, Interval,
    NoDataRule, Severity, Slice, Slo, Slot, Tally, Timestamp, Window,
};

use crate::support::{at, close, duration, history, objective, rolling, share, slo, span};

fn look(slo: &Slo, series: &Series) -> SloReport {
    let extent = series.extent().unwrap();
    assess(slo, &Measured::single(series.clone()), &[], extent.end(), extent).unwrap()
}

fn month() -> Window {
    Window::Calendar(CalendarWindow {
        unit: CalendarUnit::Month,
        count: 1,
        zone: jiff::tz::TimeZone::UTC,
        anchor: jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0),
    })
}

#[test]
fn json_has_integer_counts_under_the_agreed_keys() {
    let mut slo = slo(BudgetingMethod::Occurrences, rolling("1h"), vec![objective("0.99")]);
    slo.lookbacks = vec![duration("5m")];
    slo.alert_rules = vec![AlertRule {
        name: "half gone".to_owned(),
        severity: Severity::Ticket,
        condition: Condition::RemainingBelow { share: share("0.5") },
        hold: flyball_model::Duration::ZERO,
        evidence: None,
    }];
    let series = history("1m", &[(30, 100, 0), (30, 100, 5)]);
    let eu = ("region".to_owned(), Some("eu".to_owned()));
    let measured = Measured {
        indicators: vec![IndicatorSeries {
            total: series.clone(),
            slices: vec![(Slice::Of(vec![eu]), series)],
        }],
    };
    let report = assess(&slo, &measured, &[], at(3600), span(0, 3600)).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    let objective = &json["objectives"][0];
    for place in [objective, &objective["slices"][0]] {
        for counts in
            [&place["budget"], &place["burns"][0], &place["worst_hours"][0], &place["firings"][0]]
        {
            for key in ["valid", "good", "bad"] {
                assert!(counts[key].is_u64(), "{key} in {counts}");
            }
        }
        for key in ["status", "reason", "window", "coverage", "forecast", "rule_errors"] {
            assert!(!place[key].is_null(), "{key}");
        }
    }
    assert_eq!(objective["budget"]["valid"], 6000);
    assert_eq!(objective["budget"]["bad"], 150);
    assert_eq!(objective["budget"]["allowed"], 60.0);
    assert_eq!(objective["budget"]["remaining"], -90.0);
    assert_eq!(objective["status"], "missed");
    assert_eq!(objective["slices"][0]["slice"], "eu");
    assert_eq!(objective["slices"][0]["attributes"]["region"], "eu");
    assert_eq!(objective["slices"][0]["overflow"], false);
    assert_eq!(json["complete_up_to"], "1970-01-01T01:00:00Z");
    assert_eq!(json["slot_width"], "1m");
    keys_are_snake_case(&json);
}

fn keys_are_snake_case(value: &serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(key.chars().all(plain), "{key}");
                keys_are_snake_case(value);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(keys_are_snake_case),
        _ => {}
    }
}

#[test]
fn status_follows_the_rule_for_silence() {
    let series = Series::empty(duration("1m"));
    for (rule, status, reason) in [
        (NoDataRule::Gap, Status::NoData, Reason::NothingValid),
        (NoDataRule::Good, Status::Met, Reason::SilenceIsGood),
        (NoDataRule::Bad, Status::Missed, Reason::SilenceIsBad),
    ] {
        let mut slo = slo(BudgetingMethod::Occurrences, rolling("1h"), vec![objective("0.9")]);
        slo.no_data = rule;
        let report =
            assess(&slo, &Measured::single(series.clone()), &[], at(3600), span(0, 3600)).unwrap();
        let total = &report.objectives[0].total;
        assert_eq!((total.status, total.reason), (status, reason));
        assert_eq!(total.budget.sli, None);
        assert_eq!(total.budget.remaining_share, None);
    }
}

#[test]
fn below_the_coverage_floor_there_is_no_status() {
    let mut slo = slo(BudgetingMethod::Occurrences, rolling("1h"), vec![objective("0.9")]);
    let series = history("1m", &[(30, 10, 0)]);
    let measured = Measured::single(series);
    slo.coverage_floor = share("0.5");
    let met = assess(&slo, &measured, &[], at(3600), span(0, 3600)).unwrap();
    assert_eq!(met.status, Status::Met);
    slo.coverage_floor = share("0.500001");
    let unknown = assess(&slo, &measured, &[], at(3600), span(0, 3600)).unwrap();
    assert_eq!(unknown.status, Status::NoData);
    assert_eq!(unknown.objectives[0].total.reason, Reason::CoverageBelowFloor);
    let coverage = &unknown.objectives[0].total.coverage;
    assert_eq!((coverage.observed, coverage.expected, coverage.share), (30, 60, 0.5));
    assert_eq!(coverage.gaps, [span(1800, 3600)]);
}

#[test]
fn the_longest_gaps_are_listed_and_all_are_counted() {
    // Every second minute silent, and one gap of ten minutes.
    let slots = (0..200).map(|i| Slot(if i < 100 { i * 2 } else { i * 2 + 9 }));
    let one = Tally::new(1, 1).unwrap();
    let series = Series::new(duration("1m"), slots.map(|slot| (slot, one))).unwrap();
    let slo = slo(BudgetingMethod::Occurrences, rolling("1d"), vec![objective("0.9")]);
    let coverage = look(&slo, &series).objectives[0].total.coverage.clone();
    assert_eq!(coverage.gaps.len(), GAPS_MAX);
    // 198 gaps of a minute, the long one, and the day before the data.
    assert_eq!(coverage.gap_count, 200);
    assert!(coverage.gaps.contains(&span(199 * 60, 209 * 60)));
}

#[test]
fn a_calendar_month_names_its_three_views() {
    // Ten days of January: 1,000 events a day, 2 bad a day, at 99.9 %.
    let series = history("1h", &[(240, 1000, 2)]);
    let slo = slo(BudgetingMethod::Occurrences, month(), vec![objective("0.999")]);
    let report = look(&slo, &series);
    let total = &report.objectives[0].total;
    let calendar = total.budget.calendar.as_ref().unwrap();
    assert_eq!(calendar.bad_so_far.to_string(), "480");
    assert_eq!(calendar.budget_at_traffic_so_far.to_string(), "240");
    close(calendar.elapsed_share, 10.0 / 31.0, 1e-12);
    let projection = calendar.projection.as_ref().unwrap();
    close(projection.valid, 744_000.0, 1e-6);
    close(projection.allowed, 744.0, 1e-9);
    close(projection.bad, 1488.0, 1e-9);
    close(projection.remaining_now, 264.0, 1e-9);
    close(projection.remaining_at_end, -744.0, 1e-9);
    assert_eq!(total.window.full, span(0, 31 * 86_400));
    // 264 left at 2 an hour: five and a half days.
    assert_eq!(total.forecast.outlook, Outlook::Exhausts);
    close(total.forecast.hours.unwrap(), 132.0, 0.01);
    assert!(total.forecast.hours_earliest < total.forecast.hours);
    assert!(total.forecast.hours_latest > total.forecast.hours);
}

#[test]
fn a_calendar_budget_spent_to_the_last_unit_is_gone_now() {
    // 99.9 % of a month of 744 hours at 1,000 an hour allows 744, and 744 of 744 are spent when
    // the one bad event an hour of the last day goes on.
    let forecast = |bad: u64| {
        let series = history("1h", &[(719, 1000, 0), (1, 1000, bad), (24, 1000, 1)]);
        let slo = slo(BudgetingMethod::Occurrences, month(), vec![objective("0.999")]);
        look(&slo, &series).objectives[0].total.forecast.clone()
    };
    let even = forecast(720);
    assert_eq!(even.outlook, Outlook::Exhausts);
    assert_eq!(format!("{:.2}", even.hours.unwrap()), "0.00");
    assert_eq!(even.exhausts_at, Some(at(744 * 3600)));
    assert_eq!(forecast(721).outlook, Outlook::AlreadyExhausted);
    // With a day to go and a budget of exactly what was spent before it.
    let series = history("1h", &[(719, 1000, 0), (1, 1000, 744), (0, 1000, 0)]);
    let slo = slo(BudgetingMethod::Occurrences, month(), vec![objective("0.999")]);
    let total = look(&slo, &series).objectives[0].total.clone();
    assert_eq!(total.forecast.outlook, Outlook::Exhausts);
    assert_eq!(format!("{:.2}", total.forecast.hours.unwrap()), "0.00");
}

#[test]
fn traffic_is_that_of_the_time_that_was_looked_at() {
    // Two hours of a month, 1,000 an hour, of which 100 of the last are bad. At 1,000 an hour 744 of 744,000 may be;
    // over a whole day it would be 83 an hour, of whose month 64 may be.
    let mut slo = slo(BudgetingMethod::Occurrences, month(), vec![objective("0.999")]);
    slo.lookbacks = vec![duration("1d")];
    let total =
        look(&slo, &history("1h", &[(1, 1000, 0), (1, 1000, 100)])).objectives[0].total.clone();
    assert_eq!(total.forecast.outlook, Outlook::Exhausts);
    // 644 are left, and 50 an hour are bad.
    close(total.forecast.hours.unwrap(), 12.88, 1e-9);
}

#[test]
fn forecasts_play_the_window_forward() {
    let look = |stretches: &[(usize, u64, u64)]| {
        let mut slo = slo(BudgetingMethod::Occurrences, rolling("100h"), vec![objective("0.9")]);
        slo.lookbacks = vec![duration("1h")];
        look(&slo, &history("1h", stretches)).objectives[0].total.forecast.clone()
    };
    // Clean history, then a burn of 2 (20 %) from now on: 1,000 of 10,000 may fail. 20 did; each
    // hour brings 20 and takes nothing away for 99 hours: (1,000 - 20) / 20 = 49 h.
    let fresh = look(&[(99, 100, 0), (1, 100, 20)]);
    close(fresh.hours.unwrap(), 49.0, 1e-6);
    assert_eq!(fresh.exhausts_at, Some(at(149 * 3600)));
    // A burn of exactly 1 lasts.
    assert_eq!(look(&[(100, 100, 10)]).outlook, Outlook::NotExhausting);
    // A slow burn after a recent outage does exhaust: the outage stays in the window.
    let after_outage = look(&[(89, 100, 0), (10, 100, 99), (1, 100, 5)]);
    // 995 spent, 5 left, 5 an hour.
    close(after_outage.hours.unwrap(), 1.0, 1e-6);
    // The same outage about to leave the window: it lasts.
    let leaving = look(&[(9, 100, 99), (90, 100, 0), (1, 100, 5)]);
    assert_eq!(leaving.outlook, Outlook::NotExhausting);
    assert_eq!(look(&[(100, 100, 50)]).outlook, Outlook::AlreadyExhausted);
    assert_eq!(look(&[(100, 100, 0)]).outlook, Outlook::NotExhausting);
}

#[test]
fn a_rule_that_cannot_work_is_reported_beside_those_that_can() {
    let mut slo = slo(BudgetingMethod::Occurrences, rolling("30d"), vec![objective("0.9")]);
    slo.alert_rules = multi_window(None);
    let report = look(&slo, &history("1m", &[(60, 10, 0), (600, 10, 10)]));
    let total = &report.objectives[0].total;
    assert_eq!(total.rule_errors.len(), 1, "{:?}", total.rule_errors);
    assert!(total.rule_errors[0].contains("burn-1h-5m"));
    assert!(total.firings.iter().any(|firing| firing.rule == "burn-6h-30m"));
}

#[test]
fn slices_longer_than_a_lookback_say_so() {
    let mut slo = slo(BudgetingMethod::Timeslices, rolling("30d"), vec![objective("0.999")]);
    slo.objectives[0].timeslice_window = Some(duration("10m"));
    slo.objectives[0].timeslice_target = Some(share("0.9"));
    slo.alert_rules = multi_window(None);
    let errors = look(&slo, &history("1m", &[(60, 10, 0)])).objectives[0].total.rule_errors.clone();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("lookback of 5m") && errors[0].contains("10m"), "{}", errors[0]);
}

#[test]
fn indicators_must_fit_the_objectives() {
    let slo = slo(
        BudgetingMethod::Occurrences,
        rolling("1h"),
        vec![objective("0.9"), objective("0.95"), objective("0.99")],
    );
    let one = IndicatorSeries { total: history("1m", &[(5, 1, 0)]), slices: Vec::new() };
    for (given, fits) in [(0, false), (1, true), (2, false), (3, true), (4, false)] {
        let measured = Measured { indicators: vec![one.clone(); given] };
        let report = assess(&slo, &measured, &[], at(300), span(0, 300));
        assert_eq!(report.is_ok(), fits, "{given}");
        if !fits {
            let expected = BudgetError::IndicatorMismatch { expected: 1, given };
            assert_eq!(report.unwrap_err(), expected);
        }
    }
}

#[test]
fn worst_hours_are_worst_first_and_inside_the_window() {
    let series = history("10m", &[(6, 10, 9), (6, 10, 1), (6, 10, 0), (6, 10, 3), (3, 10, 2)]);
    let slo = slo(BudgetingMethod::Occurrences, rolling("210m"), vec![objective("0.9")]);
    let hours = look(&slo, &series).objectives[0].total.worst_hours.clone();
    let listed: Vec<_> = hours
        .iter()
        .map(|hour| (hour.interval.start().nanos() / 3_600_000_000_000, hour.bad))
        .collect();
    // The window starts at minute 60: the first hour is outside.
    assert_eq!(listed, [(3, 18), (1, 6), (4, 6)]);
    assert!(hours.iter().all(|hour| hour.valid == hour.good + hour.bad));
}

#[test]
fn charts_are_bounded_and_add_up() {
    let series = history("1m", &[(5000, 10, 1)]);
    let slo = slo(BudgetingMethod::Occurrences, rolling("1d"), vec![objective("0.95")]);
    let extent = series.extent().unwrap();
    let measured = Measured::single(series);
    let charts = chart(&slo, &measured, &[], extent.end(), extent, extent).unwrap();
    let points = &charts[0].points;
    assert!(points.len() <= POINTS_MAX as usize && points.len() > 250);
    assert_eq!(points.iter().map(|point| point.valid).sum::<u64>(), 50_000);
    close(points[3].sli.unwrap(), 0.9, 1e-12);
    close(points.last().unwrap().remaining_share.unwrap(), -1.0, 1e-9);
    // Buckets without data are there, without a ratio.
    let sparse = Series::new(duration("1m"), [(Slot(0), Tally::new(1, 1).unwrap())]).unwrap();
    let hour = span(0, 3600);
    let charts = chart(&slo, &Measured::single(sparse), &[], at(3600), hour, hour).unwrap();
    assert_eq!(charts[0].points.len(), 60);
    assert_eq!(charts[0].points[1].sli, None);
}

#[test]
fn steps_of_charts_are_lengths_that_people_read() {
    let step = |slot: &str, length: &str| {
        let series = Series::new(duration(slot), [(Slot(0), Tally::new(1, 1).unwrap())]).unwrap();
        let slo = slo(BudgetingMethod::Occurrences, rolling("28d"), vec![objective("0.9")]);
        let whole = Interval::starting(at(0), duration(length));
        let charts =
            chart(&slo, &Measured::single(series), &[], whole.end(), whole, whole).unwrap();
        assert!(charts[0].points.len() <= POINTS_MAX as usize);
        charts[0].bucket.to_string()
    };
    assert_eq!(step("10s", "28d"), "2h");
    assert_eq!(step("10s", "1h"), "10s");
    assert_eq!(step("40s", "7d"), "30m");
    assert_eq!(step("4m", "28d"), "2h");
    // Of the round ones only a week is whole slots: the shortest multiple that fits.
    assert_eq!(step("7s", "1h"), "14s");
}

#[test]
fn slots_are_as_wide_as_everything_allows() {
    let mut slo = slo(BudgetingMethod::Occurrences, rolling("28d"), vec![objective("0.9")]);
    let width = |slo: &Slo| slot_width(slo, duration("1m")).to_string();
    assert_eq!(width(&slo), "1m");
    slo.alert_rules = multi_window(None);
    slo.lookbacks = vec![duration("90s")];
    assert_eq!(width(&slo), "30s");
    slo.objectives[0].timeslice_window = Some(duration("10s"));
    assert_eq!(width(&slo), "10s");
    // An all-of composite is judged by the minute.
    slo.alert_rules.clear();
    slo.lookbacks = vec![duration("40s")];
    slo.objectives[0].timeslice_window = None;
    slo.composition = Some(Composition::AllOf);
    let width = |slo: &Slo| slot_width(slo, duration("15m")).to_string();
    assert_eq!(width(&slo), "20s");
    slo.lookbacks.clear();
    assert_eq!(width(&slo), "1m");
    slo.method = BudgetingMethod::Timeslices;
    assert_eq!(width(&slo), "15m");
}

#[test]
fn odd_moments_do_not_panic() {
    let slo = slo(BudgetingMethod::Occurrences, rolling("1h"), vec![objective("0.9")]);
    let series = history("1m", &[(5, 1, 1)]);
    for moment in [Timestamp::MIN, at(-1), at(0), at(61), Timestamp::MAX] {
        let report =
            assess(&slo, &Measured::single(series.clone()), &[], moment, span(0, 300)).unwrap();
        assert!(report.objectives[0].total.budget.valid <= 5);
    }
}
