use flyball_model::{Interval, Rational};
use proptest::prelude::*;

use super::*;
use crate::draws::Source;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn period(start: &str, kept: Option<bool>) -> Period {
    Period { start: at(start), end: at(start), kept }
}

fn row(kept: &[Option<bool>]) -> Vec<Period> {
    let start = |index: usize| Timestamp::from_seconds(i64::try_from(index).unwrap());
    let period = |(index, kept): (usize, &Option<bool>)| Period {
        start: start(index),
        end: start(index + 1),
        kept: *kept,
    };
    kept.iter().enumerate().map(period).collect()
}

fn ask(text: &str, evidence: &ServiceEvidence) -> Option<bool> {
    Criterion::compile(text).unwrap_or_else(|error| panic!("{text}: {error}")).ask(evidence).holds
}

#[test]
fn months_in_a_row_are_counted_from_the_last() {
    let (yes, no, unknown) = (Some(true), Some(false), None);
    for (months, expected) in [
        (vec![], None),
        (vec![yes, unknown], None),
        (vec![no], Some(0)),
        (vec![no, yes, yes], Some(2)),
        (vec![yes, unknown, yes], Some(1)),
        (vec![yes; 7], Some(7)),
    ] {
        assert_eq!(kept_in_a_row(&row(&months)), expected, "{months:?}");
    }
}

#[test]
fn quarters_of_an_earlier_holder_do_not_count() {
    let quarters = [
        period("2025-10-01T00:00:00Z", Some(false)),
        period("2026-01-01T00:00:00Z", Some(false)),
        period("2026-04-01T00:00:00Z", None),
        period("2026-07-01T00:00:00Z", Some(false)),
    ];
    assert_eq!(missed_of(&quarters, 4, Timestamp::MIN), Some(3));
    assert_eq!(missed_of(&quarters, 3, Timestamp::MIN), Some(2));
    assert_eq!(missed_of(&quarters, 4, at("2026-01-02T00:00:00Z")), Some(1));
    assert_eq!(missed_of(&quarters, 4, at("2026-08-01T00:00:00Z")), None);
    assert_eq!(missed_of(&quarters[2..3], 4, Timestamp::MIN), None, "no data is no miss");
}

/// A month says something when half of its days hold data and no week goes by without.
#[test]
fn a_few_seconds_of_a_month_are_no_month() {
    let (start, end) = (at("2026-04-01T00:00:00Z"), at("2026-05-01T00:00:00Z"));
    let april = Interval::new(start, end).unwrap();
    let day = |number: u32| start.plus(Duration::from_days(number)).plus(Duration::from_hours(9));
    let held = |days: &mut dyn Iterator<Item = u32>| is_held(april, days.map(day));
    assert!(held(&mut (0..30)));
    assert!(!held(&mut std::iter::empty()));
    assert!(!held(&mut (0..1)), "three seconds on its first day");
    // 2026-04-01 is a Wednesday.
    assert!(held(&mut (0..30).filter(|of| ![3, 4].contains(&(of % 7)))), "on working days");
    assert!(held(&mut (0..30).filter(|of| of % 2 == 0)) && !held(&mut (0..30).step_by(3)));
    assert!(held(&mut (0..30).filter(|of| !(10..17).contains(of))), "a week of silence");
    assert!(!held(&mut (0..30).filter(|of| !(10..18).contains(of))), "and a day more");
    assert!(held(&mut (0..23)) && !held(&mut (0..22)), "it was gone at its end");
    assert!(held(&mut (7..30)) && !held(&mut (8..30)), "and at its beginning");
    assert!(!held(&mut (30..90)), "what is of another month is of no use");
    // What begins in the middle of a day: four weeks up to a moment.
    let end = at("2026-06-02T12:00:00Z");
    let weeks = Interval::ending(end, Duration::from_days(28));
    assert!(is_held(weeks, (0..27).map(|back| end.minus(Duration::from_days(back)))));
    assert!(!is_held(weeks, (8..28).map(|back| end.minus(Duration::from_days(back)))));
    assert!(!is_held(Interval::starting(end, Duration::ZERO), [end]));
}

#[test]
fn hours_tell_silence_from_little_traffic() {
    let end = at("2026-06-02T12:34:50Z");
    let weeks = Interval::ending(end, Duration::from_days(28));
    // 10,000 events a day by a curve that falls to a twentieth of the day at night, each by chance.
    let mut chance = Source::new(7);
    let slots = |chance: &mut Source| {
        let all = (0..28 * 8_640).map(|slot| weeks.start().plus(Duration::from_seconds(slot * 10)));
        let asked = all.filter(|at| {
            let day = at.since(at.floor(Duration::from_days(1))).as_seconds_f64() / 86_400.0;
            let curve = 1.0 - 0.95 * (day * std::f64::consts::TAU).cos();
            let expected = 10_000.0 / 8_640.0 * curve;
            chance.uniform() < 1.0 - (-expected).exp()
        });
        asked.collect::<Vec<_>>()
    };
    let all = slots(&mut chance);
    let of_slots = all.len() as f64 / (28.0 * 8_640.0);
    assert!(of_slots < 0.7, "{of_slots} of the slots");
    let held = |moments: &[Timestamp], taken_out: &[Interval]| {
        let found = hours_held(weeks, moments.iter().copied(), taken_out);
        (found.part, found.whole)
    };
    assert_eq!(held(&all, &[]), (672, 672));
    // Nothing for a day and a quarter: 30 hours, of which one would have been noticed.
    let gap =
        Interval::starting(weeks.start().plus(Duration::from_hours(100)), Duration::from_hours(30));
    let rest: Vec<Timestamp> = all.iter().copied().filter(|at| !gap.contains(*at)).collect();
    assert_eq!(held(&rest, &[]), (642, 672));
    assert_eq!(held(&rest, &[gap]), (642, 642), "it was taken out");
    let half =
        Interval::starting(gap.start().plus(Duration::from_minutes(30)), Duration::from_hours(1));
    assert_eq!(held(&rest, &[half, half]), (642, 670), "an hour that is touched is out");
    assert_eq!(held(&[end, weeks.start().minus(Duration::from_seconds(1))], &[]), (0, 672));
    let nothing = Interval::starting(end, Duration::ZERO);
    assert_eq!(hours_held(nothing, [end], &[]), Part { part: 0, whole: 0 });
    assert_eq!(hours_held(weeks, all, &[weeks]).share(), None, "all of it is taken out");
}

#[test]
fn months_are_those_of_the_calendar() {
    for (from, to, months) in [
        ("2026-01-15T12:00:00Z", "2026-07-15T12:00:00Z", 6),
        ("2026-01-15T12:00:00Z", "2026-07-15T11:59:59Z", 5),
        ("2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z", 0),
        ("2026-01-31T00:00:00Z", "2026-03-01T00:00:00Z", 1),
        ("2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z", 11),
        ("2024-02-29T00:00:00Z", "2025-03-01T00:00:00Z", 12),
        ("2026-07-15T12:00:00Z", "2026-01-15T12:00:00Z", 0),
        ("2025-12-01T00:00:00Z", "2027-03-01T00:00:00Z", 15),
    ] {
        assert_eq!(whole_months(at(from), at(to)), months, "{from} {to}");
    }
}

#[test]
fn what_nobody_knows_is_unknown() {
    let nothing = ServiceEvidence::default();
    for variable in VARIABLES {
        let text = match variable.kind {
            crate::policy::Kind::Bool => variable.name.to_owned(),
            crate::policy::Kind::Number => format!("{} >= 0", variable.name),
            crate::policy::Kind::Length => format!("{} >= duration('0s')", variable.name),
            crate::policy::Kind::Text => {
                format!("{} == '{}'", variable.name, variable.words.first().unwrap_or(&"a"))
            }
        };
        assert_eq!(ask(&text, &nothing), None, "{text}");
    }
}

#[test]
fn each_variable_says_what_was_counted() {
    let half = Target::new(Rational::new(1, 2).unwrap()).unwrap();
    let budget = |slo: &str, bad, coverage_ppm| BudgetEvidence {
        slo: slo.to_owned(),
        target: half,
        valid: 100,
        bad,
        coverage_ppm,
    };
    let known = ServiceEvidence {
        at: at("2026-11-22T00:00:00Z"),
        described: Some(Described {
            owned: true,
            funded: Some(false),
            runbook: true,
            revenue_per_hour: Rational::new(25_001, 2),
        }),
        tier: Some("critical".to_owned()),
        catalogue_faults: Some(2),
        said: Some(Said { toil: Some(Mark::High), satisfaction: Some(Mark::Low) }),
        custody: Some((Holder::Developers, at("2026-04-22T00:00:00Z"))),
        self_managed: Some(at("2025-11-22T00:00:00Z")),
        budgets: Some(vec![budget("a", 10, Some(990_000)), budget("b", 51, Some(1_000_000))]),
        months: row(&[Some(true); 6]),
        quarters: row(&[Some(true), Some(false)]),
        events: Some(2_801),
        hours: Some(Part { part: 660, whole: 672 }),
        runbooks: Some(Part { part: 3, whole: 4 }),
        told: Some(1),
        pages: Some(9),
        deployments: Some(20),
        failed: Some(Part { part: 3, whole: 20 }),
        lead_time: Some(Duration::from_hours(16)),
        restore: Some(Duration::from_minutes(10)),
        incidents_open: Some(0),
        unwritten: Some(1),
        without_slo: Some(Part { part: 1, whole: 3 }),
        above_dependencies: Some(true),
    };
    let questions = [
        "service.tier == 'critical'",
        "service.owned",
        "!service.funded",
        "service.runbook",
        "service.revenue_per_hour == 12500.5",
        "service.catalogue_faults == 2",
        "service.toil == 'high'",
        "service.satisfaction == 'low'",
        "custody.holder == 'developers'",
        "custody.months == 7",
        "custody.self_managed_months == 12",
        "slo.count == 2",
        "slo.missed == 1",
        "budget.remaining_share == -0.02",
        "budget.coverage == 0.99",
        "budget.hours_covered > 0.98 && budget.hours_covered < 0.983",
        "budget.kept_months == 6",
        "budget.quarters_missed == 1",
        "traffic.per_day > 100 && traffic.per_day < 100.04",
        "alerts.paging_rules == 4",
        "alerts.runbook_share == 0.75",
        "alerts.told == 1",
        "pages.per_week == 2.25",
        "changes.deployments == 20",
        "changes.failure_rate <= 0.15",
        "changes.lead_time == duration('16h')",
        "changes.restore < duration('1h')",
        "incidents.open == 0",
        "incidents.unwritten == 1",
        "dependencies.hard == 3",
        "dependencies.without_slo == 1",
        "dependencies.exceeded",
    ];
    assert_eq!(questions.len(), VARIABLES.len());
    for (question, variable) in questions.iter().zip(VARIABLES) {
        assert!(question.contains(variable.name), "{question} is not of {}", variable.name);
        assert_eq!(ask(question, &known), Some(true), "{question}");
    }
    let again = serde_json::from_value(serde_json::to_value(&known).unwrap()).unwrap();
    assert_eq!(known, again);
    let mut silent = known.clone();
    silent.budgets.as_mut().unwrap()[0].valid = 0;
    silent.budgets.as_mut().unwrap()[0].bad = 0;
    assert_eq!(ask("slo.missed == 1", &silent), None, "one without data hides what it is");
    assert_eq!(ask("budget.remaining_share < 0", &silent), None);
    silent.budgets = Some(Vec::new());
    assert_eq!(ask("slo.count == 0 && slo.missed == 0", &silent), Some(true));
    assert_eq!(ask("budget.remaining_share > 0", &silent), None);
}

#[test]
fn variables_of_policies_are_not_those_of_evidence() {
    let error = Criterion::compile("budget.exhausted").unwrap_err();
    assert!(error.message.contains("there are budget.remaining_share"), "{error}");
    let error = Criterion::compile("calendar.hour > 3").unwrap_err();
    assert!(error.message.contains("service, custody, slo, budget, traffic"), "{error}");
    let error = Criterion::compile("custody.holder == 'ops'").unwrap_err();
    assert!(error.message.contains("developers, shared, sre"), "{error}");
}

#[test]
fn what_was_seen_is_told() {
    let evidence = ServiceEvidence { pages: Some(9), ..ServiceEvidence::default() };
    let criterion = Criterion::compile("pages.per_week <= 2 || changes.failure_rate < 0.1");
    let answered = criterion.unwrap().ask(&evidence);
    assert_eq!(answered.holds, None);
    let seen: Vec<String> = answered.seen.iter().map(ToString::to_string).collect();
    assert_eq!(seen, ["pages.per_week is 2.25", "changes.failure_rate is not known"]);
}

proptest! {
    /// A second way to count: strings of `k`, `m` and `?`.
    #[test]
    fn rows_and_misses_are_counted_as_text(
        kept in proptest::collection::vec(proptest::option::of(any::<bool>()), 0..12),
        of in 0_usize..6,
    ) {
        let letter = |kept: &Option<bool>| match kept { Some(true) => 'k', Some(false) => 'm', None => '?' };
        let text: String = kept.iter().map(letter).collect();
        let tail = text.len() - text.trim_end_matches('k').len();
        let expected = (!text.is_empty() && !text.ends_with('?')).then_some(tail as u64);
        prop_assert_eq!(kept_in_a_row(&row(&kept)), expected);
        let last = &text[text.len().saturating_sub(of)..];
        let known = last.contains(['k', 'm']);
        let missed = known.then(|| last.matches('m').count() as u64);
        prop_assert_eq!(missed_of(&row(&kept), of, Timestamp::MIN), missed);
    }
}

#[test]
fn an_slo_with_several_objectives_is_one() {
    let target = Target::new(Rational::new(99, 100).unwrap()).unwrap();
    let budget = |(slo, bad): (&str, u64)| {
        let slo = slo.to_owned();
        BudgetEvidence { slo, target, valid: 100, bad, coverage_ppm: None }
    };
    let mut evidence = ServiceEvidence::default();
    assert_eq!(ask("slo.count == 0", &evidence), None);
    evidence.budgets = Some(Vec::new());
    assert_eq!(ask("slo.count == 0", &evidence), Some(true));
    evidence.budgets = Some([("one", 2), ("one", 3), ("two", 0)].map(budget).to_vec());
    assert_eq!(ask("slo.count == 2 && slo.missed == 1", &evidence), Some(true));
}

#[test]
fn quarters_and_months_are_those_of_the_calendar() {
    let shown = |moment: &str, count| {
        let (quarters, rest) = complete_quarters(at(moment), count);
        let all: Vec<Interval> = quarters.into_iter().chain([rest]).collect();
        assert!(all.windows(2).all(|pair| pair[0].end() == pair[1].start()), "{all:?}");
        let of_months: Vec<Interval> = all.iter().flat_map(|of| months(*of)).collect();
        assert_eq!(of_months[0].start(), all[0].start());
        assert_eq!(of_months.last().map(|of| of.end()), Some(rest.end()));
        (all[0].start(), rest, of_months.len())
    };
    let (start, rest, months) = shown("2026-03-02T12:00:00Z", 2);
    assert_eq!((start, months), (at("2025-07-01T00:00:00Z"), 8));
    assert_eq!(rest.end(), at("2026-03-01T00:00:00Z"));
    let (start, rest, months) = shown("2026-04-01T00:00:00Z", 1);
    assert_eq!((start, months), (at("2026-01-01T00:00:00Z"), 3));
    assert!(rest.is_empty(), "a quarter has just begun");
}

#[test]
fn every_variable_is_documented_once() {
    let mut names: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), VARIABLES.len());
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reviews.md");
    let page = std::fs::read_to_string(page).unwrap();
    for variable in VARIABLES {
        let row = format!("| `{}` | {} | {} |", variable.name, variable.kind, variable.meaning);
        assert!(page.contains(&row), "docs/reviews.md has no row\n{row}");
    }
}
