//! Agreed exceptions: what they change, and that they say so.

use flyball_budget::correction::{apply, dropped, expand, occurrences, summarise};
use flyball_budget::{Measured, Reason, Series, Status, assess};
use flyball_model::{
    BudgetingMethod, Correction, CorrectionMode, Duration, Interval, Schedule, Timestamp,
};
use proptest::prelude::*;

use crate::support::{duration, history, objective, rolling, slo, span};

fn correction(mode: CorrectionMode, schedule: Schedule) -> Correction {
    Correction {
        name: "upgrade".to_owned(),
        slos: Vec::new(),
        schedule,
        mode,
        category: "maintenance".to_owned(),
        author: "ops@example.org".to_owned(),
        reason: None,
    }
}

fn once(mode: CorrectionMode, start: i64, end: i64) -> Correction {
    correction(mode, Schedule::Once(span(start, end)))
}

fn recurring(start: &str, zone: &str, length: &str, rule: &str) -> Correction {
    correction(
        CorrectionMode::Drop,
        Schedule::Recurring {
            start: start.parse().unwrap(),
            zone: jiff::tz::TimeZone::get(zone).unwrap(),
            length: duration(length),
            rule: rule.to_owned(),
        },
    )
}

fn between(start: &str, end: &str) -> Interval {
    Interval::new(Timestamp::parse(start).unwrap(), Timestamp::parse(end).unwrap()).unwrap()
}

fn starts(correction: &Correction, span: Interval) -> Vec<String> {
    let found = occurrences(correction, span).unwrap();
    found.iter().map(|interval| interval.start().to_string()).collect()
}

#[test]
fn dropping_shrinks_and_counting_as_good_keeps_the_denominator() {
    let series = history("1m", &[(10, 100, 0), (5, 100, 50), (10, 100, 0)]);
    let extent = series.extent().unwrap();
    let mut slo = slo(BudgetingMethod::Occurrences, rolling("25m"), vec![objective("0.95")]);
    slo.lookbacks = vec![duration("5m")];
    let look = |corrections: &[Correction]| {
        assess(&slo, &Measured::single(series.clone()), corrections, extent.end(), extent).unwrap()
    };
    let plain = look(&[]);
    assert_eq!(plain.status, Status::Missed);
    let budget = |report: &flyball_budget::SloReport| {
        let budget = &report.objectives[0].total.budget;
        (budget.valid, budget.good, budget.bad)
    };
    assert_eq!(budget(&plain), (2500, 2250, 250));

    let drop = look(&[once(CorrectionMode::Drop, 600, 840)]);
    assert_eq!(budget(&drop), (2100, 2050, 50));
    let record = &drop.corrections[0];
    assert_eq!((record.slots, record.before.bad, record.after.valid), (4, 200, 0));
    assert_eq!(record.author, "ops@example.org");
    // What was taken out is no gap: it is not expected any more.
    let coverage = &drop.objectives[0].total.coverage;
    assert_eq!((coverage.observed, coverage.expected, coverage.gap_count), (21, 21, 0));

    let good = look(&[once(CorrectionMode::CountAsGood, 600, 840)]);
    assert_eq!(budget(&good), (2500, 2450, 50));
    let record = &good.corrections[0];
    assert_eq!((record.before.good, record.after.good, record.after.valid), (200, 400, 400));
}

#[test]
fn datadogs_week_with_a_day_taken_out() {
    // Datadog's documentation: an hour of a week is 60 / 10,080 = 0.6 % bad; with a day corrected
    // its monitors count 60 / 8,640 = 0.7 %, as `drop` does, and its time slices keep the week, as
    // `count-as-good` does.
    let series = history("1m", &[(60, 1, 1), (10_020, 1, 0)]);
    let extent = series.extent().unwrap();
    let sliced = flyball_model::Objective {
        timeslice_window: Some(duration("1m")),
        timeslice_target: Some(flyball_model::Rational::ONE),
        ..objective("0.9")
    };
    let slo = slo(BudgetingMethod::Timeslices, rolling("7d"), vec![sliced]);
    let counted = |corrections: &[Correction]| {
        let measured = Measured::single(series.clone());
        let report = assess(&slo, &measured, corrections, extent.end(), extent).unwrap();
        let budget = &report.objectives[0].total.budget;
        (budget.spent.to_string(), budget.slices)
    };
    let of = |slices| ("60".to_owned(), Some(slices));
    assert_eq!(counted(&[]), of(10_080));
    assert_eq!(counted(&[once(CorrectionMode::Drop, 86_400, 172_800)]), of(8_640));
    assert_eq!(counted(&[once(CorrectionMode::CountAsGood, 86_400, 172_800)]), of(10_080));
}

#[test]
fn a_correction_acts_on_the_slots_that_start_inside_it() {
    let series = history("1m", &[(3, 10, 10)]);
    let touch = |start, end| {
        let correction = once(CorrectionMode::Drop, start, end);
        let expanded = expand(std::slice::from_ref(&correction), "any", span(0, 180)).unwrap();
        let (corrected, records) = apply(&series, &expanded, 0).unwrap();
        (corrected.map_or(30, |series| series.sum(span(0, 180)).bad()), records[0].slots)
    };
    assert_eq!(touch(60, 120), (20, 1));
    assert_eq!(touch(59, 61), (20, 1), "one head touched");
    assert_eq!(touch(1, 60), (30, 0), "only a tail: nothing changes, and the record says so");
    assert_eq!(touch(0, 61), (10, 2));
}

#[test]
fn everything_dropped_is_no_data_rather_than_health() {
    let series = history("1m", &[(10, 10, 10)]);
    let slo = slo(BudgetingMethod::Occurrences, rolling("10m"), vec![objective("0.9")]);
    let corrections = [once(CorrectionMode::Drop, 0, 600)];
    let report =
        assess(&slo, &Measured::single(series), &corrections, span(0, 600).end(), span(0, 600))
            .unwrap();
    assert_eq!(report.status, Status::NoData);
    assert_eq!(report.objectives[0].total.reason, Reason::NothingValid);
}

#[test]
fn only_the_named_slos_are_corrected() {
    let mut named = once(CorrectionMode::Drop, 0, 60);
    named.slos = vec!["checkout".to_owned()];
    let corrections = [named];
    assert_eq!(expand(&corrections, "checkout", span(0, 60)).unwrap().len(), 1);
    assert_eq!(expand(&corrections, "search", span(0, 60)).unwrap().len(), 0);
}

#[test]
fn recurrences_keep_their_wall_clock_across_dst() {
    // Sundays at 03:30 in Berlin: one hour earlier in UTC once summer time begins on 29 March.
    let sundays = recurring("2026-03-01T03:30:00", "Europe/Berlin", "1h", "FREQ=WEEKLY;BYDAY=SU");
    assert_eq!(
        starts(&sundays, between("2026-03-20T00:00:00Z", "2026-04-08T00:00:00Z")),
        ["2026-03-22T02:30:00Z", "2026-03-29T01:30:00Z", "2026-04-05T01:30:00Z"]
    );
    let last_days =
        recurring("2026-01-31T22:00:00", "UTC", "2h", "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3");
    assert_eq!(
        starts(&last_days, between("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")),
        ["2026-01-31T22:00:00Z", "2026-02-28T22:00:00Z", "2026-03-31T22:00:00Z"]
    );
}

#[test]
fn a_wall_clock_time_that_a_zone_skips_is_still_corrected() {
    // 02:30 does not exist in Berlin on 29 March 2026.
    let nightly = recurring("2026-03-01T02:30:00", "Europe/Berlin", "1h", "FREQ=DAILY");
    assert_eq!(
        starts(&nightly, between("2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z")),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
    );
}

#[test]
fn an_occurrence_that_began_before_the_span_still_counts() {
    let nightly = recurring("2026-01-01T23:00:00", "UTC", "2h", "FREQ=DAILY");
    assert_eq!(
        starts(&nightly, between("2026-01-10T00:30:00Z", "2026-01-10T12:00:00Z")),
        ["2026-01-09T23:00:00Z"]
    );
}

#[test]
fn rules_that_cannot_be_expanded_are_refused() {
    let year = between("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    for (rule, says) in [
        ("FREQ=SOMETIMES", "RFC 5545"),
        ("FREQ=SECONDLY", "more often than hourly"),
        ("FREQ=minutely", "more often than hourly"),
        ("", "RFC 5545"),
        ("FREQ=DAILY;INTERVAL=0", "never repeats"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260301T000000Z", "exclude each other"),
    ] {
        let error = occurrences(&recurring("2026-01-01T00:00:00", "UTC", "1m", rule), year)
            .expect_err(rule);
        let text = error.to_string();
        assert!(text.contains(says) && text.contains("upgrade"), "{text}");
    }
    // A day that never comes ends the search instead of going on for ever.
    let never =
        recurring("2026-01-01T00:00:00", "UTC", "1m", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30");
    assert_eq!(occurrences(&never, year), Ok(Vec::new()));
    let long = between("2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
    let hourly = recurring("2026-01-01T00:00:00", "UTC", "1m", "FREQ=HOURLY");
    assert!(occurrences(&hourly, long).unwrap_err().to_string().contains("occurrences"));
    // Started so long ago that the search is given up, loudly.
    let ancient = recurring("1500-01-01T00:00:00", "UTC", "1m", "FREQ=HOURLY");
    assert!(occurrences(&ancient, year).unwrap_err().to_string().contains("steps"));
    let zero = Correction {
        schedule: Schedule::Recurring {
            start: "2026-01-01T00:00:00".parse().unwrap(),
            zone: jiff::tz::TimeZone::UTC,
            length: Duration::ZERO,
            rule: "FREQ=DAILY".to_owned(),
        },
        ..once(CorrectionMode::Drop, 0, 1)
    };
    assert!(occurrences(&zero, year).is_err());
}

#[test]
fn every_correction_is_summed_up_also_when_it_met_nothing() {
    let series = history("1m", &[(10, 100, 0), (5, 100, 50), (10, 100, 0)]);
    let extent = series.extent().unwrap();
    let slo = slo(BudgetingMethod::Occurrences, rolling("25m"), vec![objective("0.95")]);
    let named = |name: &str, given: Correction| Correction { name: name.to_owned(), ..given };
    let corrections = [
        named("met", once(CorrectionMode::CountAsGood, 600, 900)),
        named("early", once(CorrectionMode::Drop, -900, -600)),
        Correction {
            slos: vec!["another".to_owned()],
            ..named("elsewhere", once(CorrectionMode::Drop, 600, 900))
        },
    ];
    let measured = Measured::single(series);
    let report = assess(&slo, &measured, &corrections, extent.end(), extent).unwrap();
    let found = summarise(&corrections, extent, std::slice::from_ref(&report)).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.name.as_str(), one.slos.len(), one.occurrences, one.slots))
        .collect();
    assert_eq!(found, [("met", 1, 1, 5), ("early", 1, 0, 0), ("elsewhere", 0, 1, 0)]);
}

#[test]
fn dropped_stretches_are_joined() {
    let corrections = [
        once(CorrectionMode::Drop, 100, 200),
        once(CorrectionMode::CountAsGood, 0, 1000),
        once(CorrectionMode::Drop, 0, 50),
        once(CorrectionMode::Drop, 150, 300),
        once(CorrectionMode::Drop, 50, 60),
    ];
    let expanded = expand(&corrections, "any", span(0, 1000)).unwrap();
    assert_eq!(dropped(&expanded), [span(0, 60), span(100, 300)]);
}

proptest! {
    #[test]
    fn records_add_up_to_the_difference(
        slots in proptest::collection::vec((0u64..20, 0u64..20), 1..40),
        corrections in proptest::collection::vec((0i64..2400, 0i64..600, proptest::bool::ANY), 0..6),
    ) {
        let stretches: Vec<_> =
            slots.iter().map(|(good, bad)| (1, good + bad, *bad)).collect();
        let series: Series = history("1m", &stretches);
        let corrections: Vec<_> = corrections
            .into_iter()
            .map(|(start, length, drop)| {
                let mode = if drop { CorrectionMode::Drop } else { CorrectionMode::CountAsGood };
                once(mode, start, start + length)
            })
            .collect();
        let all = span(0, 10_000);
        let expanded = expand(&corrections, "any", all).unwrap();
        let (corrected, records) = apply(&series, &expanded, 0).unwrap();
        let after = corrected.as_ref().unwrap_or(&series).sum(all);
        let before = series.sum(all);
        let lost: u64 = records.iter().map(|record| record.before.valid - record.after.valid).sum();
        let forgiven: u64 = records.iter().map(|record| record.before.bad - record.after.bad).sum();
        prop_assert_eq!(before.valid() - lost, after.valid());
        prop_assert_eq!(before.bad() - forgiven, after.bad());
    }
}
