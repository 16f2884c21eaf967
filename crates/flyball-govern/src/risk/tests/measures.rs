//! What was measured, against tables and by hand.

use flyball_model::{
    Break, BreakCause, Change, ChangeKind, ChangeOutcome, ChangeSource, Incident, Interval,
    Timestamp,
};

use super::*;

const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

fn year() -> Interval {
    Interval::starting(START, Duration::from_days(365))
}

/// A failure that begins `day` days in, is known after `detect` minutes and over after `repair` more.
fn failure(source: ToldBy, day: u32, detect: u32, repair: u32, share: (u64, u64)) -> Occurrence {
    let started = START.plus(Duration::from_days(day));
    let detected = started.plus(Duration::from_minutes(detect));
    Occurrence {
        id: format!("{source:?}-{day}"),
        source,
        started: Some(started),
        detected: Some(detected),
        ended: Some(detected.plus(Duration::from_minutes(repair))),
        share: Some(share),
    }
}

/// A register without factors.
fn plain() -> Register {
    Register::new("shop", None, Vec::new()).unwrap()
}

fn failures(count: u32) -> Vec<Occurrence> {
    (0..count).map(|at| failure(ToldBy::Incident, at * 30, 10 + at, 60 + at, (1, 2))).collect()
}

#[test]
fn too_few_failures_say_nothing() {
    let risk = risk("a", "5m 1h 50% 30d");
    let of = measure(&plain(), &risk, &failures(4), year()).unwrap();
    assert_eq!(of.time_to_detect.finding, Finding::NotEnoughData);
    assert_eq!(of.time_to_detect.measured, Some(Duration::from_minutes(11)));
    assert_eq!((of.time_to_detect.count, of.time_to_detect.interval_90), (4, None));
    assert_eq!(
        fed(&plain(), &risk.spec, &of).time_to_detect,
        risk.spec.time_to_detect,
        "as it is said"
    );
    assert_eq!(measure(&plain(), &risk, &[], Interval::starting(START, Duration::ZERO)), None);
}

/// Of five values the median lies between the first and the last with 93.75 %; of eleven between the third and the
/// ninth with 93.5 % (summed from the binomial distribution).
#[test]
fn medians_have_their_ranks() {
    let risk = risk("a", "5m 1h 50% 30d");
    let interval = |count| {
        measure(&plain(), &risk, &failures(count), year()).unwrap().time_to_detect.interval_90
    };
    let minutes_of =
        |low, high| Range::new(Duration::from_minutes(low), Duration::from_minutes(high));
    assert_eq!(interval(5), minutes_of(10, 14));
    assert_eq!(interval(8), minutes_of(11, 16));
    assert_eq!(interval(11), minutes_of(12, 18));
}

/// Against the binomial distribution, added up naively: the ranks hold 90 %, and narrower ones do not.
#[test]
fn ranks_hold_what_they_say() {
    let risk = risk("a", "5m 1h 50% 2d");
    for count in 5_u32..60 {
        let of: Vec<Occurrence> =
            (0..count).map(|at| failure(ToldBy::Incident, at, at + 1, 60, (1, 2))).collect();
        let found =
            measure(&plain(), &risk, &of, year()).unwrap().time_to_detect.interval_90.unwrap();
        let rank = |of: Duration| u64::try_from(of.nanos()).unwrap() / 60_000_000_000;
        let (low, high) = (rank(found.low()), rank(found.high()));
        assert_eq!(low + high, u64::from(count) + 1, "as far from both ends");
        let holds = |rank: u64| {
            let mut tail = 0.0;
            for below in 0..rank {
                let ways = (1..=below)
                    .fold(1.0, |ways, k| ways * (u64::from(count) - k + 1) as f64 / k as f64);
                tail += ways * 0.5_f64.powi(i32::try_from(count).unwrap());
            }
            1.0 - 2.0 * tail
        };
        assert!(holds(low) >= 0.9, "{count}: {low}");
        assert!(low + 1 > high - 1 || holds(low + 1) < 0.9, "{count}: {low} could be narrower");
    }
}

/// Garwood's limits of a Poisson count with 90 %: of 0 up to 2.996, of 10 from 5.425 to 16.962.
#[test]
fn frequencies_have_garwoods_interval() {
    let risk = risk("a", "5m 1h 50% 36d");
    let of = measure(&plain(), &risk, &failures(10), year()).unwrap().time_between_failures;
    assert_eq!(of.measured, Some(Duration::from_hours(876)));
    let interval = of.interval_90.unwrap();
    let per_year = |of: Duration| 365.0 * 86_400.0 / of.as_seconds_f64();
    assert!((per_year(interval.high()) - 5.425).abs() < 0.001, "{interval}");
    assert!((per_year(interval.low()) - 16.962).abs() < 0.001, "{interval}");
    assert_eq!(of.finding, Finding::Agrees);
    let none = measure(&plain(), &risk, &[], year()).unwrap().time_between_failures;
    assert_eq!(none.measured, None);
    assert!((per_year(none.interval_90.unwrap().low()) - 2.996).abs() < 0.001, "{none:?}");
    assert_eq!(none.finding, Finding::More, "36 days and not one in a year");
}

#[test]
fn what_was_measured_stands_beside_what_is_said() {
    let risk = risk("a", "1m 1h..2h 10% 30d");
    let of = measure(&plain(), &risk, &failures(12), year()).unwrap();
    assert_eq!(of.time_to_detect.finding, Finding::More);
    assert_eq!(of.time_to_repair.finding, Finding::Agrees);
    assert_eq!(of.share_of_users.finding, Finding::More);
    assert_eq!(of.share_of_users.measured, Some(share("50%")));
    // Σ (10 + 60 + 2k) × ½ over twelve, by the 365 days.
    let expected: f64 = (0..12).map(|k| (70.0 + 2.0 * f64::from(k)) * 0.5).sum();
    let measured = of.measured_minutes_a_year.unwrap();
    assert!((measured - expected * 365.25 / 365.0).abs() < 1e-9, "{measured}");
    // 1 min + (2 h − 1 h) / ln 2, a tenth of users, every 30 days of 365.25.
    let said = (1.0 + 60.0 / 2.0_f64.ln()) * 0.1 * 365.25 / 30.0;
    assert!((of.said_minutes_a_year - said).abs() < 1e-9);
    let fed = fed(&plain(), &risk.spec, &of);
    assert_eq!(fed.time_to_detect, "12m..19m".parse().unwrap());
    assert_eq!(fed.share_of_users, "50%".parse().unwrap());
    assert!(Risk::new("a", fed).is_ok(), "what is fed is a document");
}

/// What is seen has what factors add; what is said has not, nor what is put back.
#[test]
fn factors_are_counted_once() {
    let mut spec = RiskRulesSpec::of("shop".to_owned());
    spec.factors.push(Factor {
        name: "no-runbook".to_owned(),
        description: None,
        everywhere: true,
        detect: Duration::from_minutes(5),
        repair: Duration::from_minutes(30),
        frequency: share("50%"),
    });
    let rules = RiskRules::new("shop", spec).unwrap();
    let register = Register::new("shop", Some(&rules), Vec::new()).unwrap();
    let risk = risk("a", "7m 35m 50% 45d");
    // Ten failures, known after 10 to 19 minutes and over after 60 to 69 more: as 12 and 65 minutes are.
    let of = measure(&register, &risk, &failures(10), year()).unwrap();
    assert_eq!(of.time_to_detect.said, Range::point(Duration::from_minutes(12)));
    assert_eq!(of.time_to_repair.said, Range::point(Duration::from_minutes(65)));
    assert_eq!(of.time_between_failures.said, Range::point(Duration::from_days(30)));
    let all =
        [of.time_to_detect.finding, of.time_to_repair.finding, of.time_between_failures.finding];
    assert_eq!(all, [Finding::Agrees; 3]);
    let bare = measure(&plain(), &risk, &failures(10), year()).unwrap();
    let all = [bare.time_to_detect.finding, bare.time_to_repair.finding];
    assert_eq!(all, [Finding::More; 2], "so it seems without them");
    // 77 minutes of half of the users every 30 days.
    let said = 77.0 * 0.5 * 365.25 / 30.0;
    assert!((of.said_minutes_a_year - said).abs() < 1e-6, "{}", of.said_minutes_a_year);
    let fed = fed(&register, &risk.spec, &of);
    let again = register.with_factors(&fed);
    assert_eq!(Some(again.time_to_detect), of.time_to_detect.interval_90);
    assert_eq!(Some(again.time_to_repair), of.time_to_repair.interval_90);
    let (told, seen) = (again.time_between_failures, of.time_between_failures.interval_90.unwrap());
    let second =
        |one: Duration, other: Duration| (one.nanos() - other.nanos()).abs() <= 1_000_000_000;
    assert!(
        second(told.low(), seen.low()) && second(told.high(), seen.high()),
        "{told:?} {seen:?}"
    );
    // What is known sooner than a factor alone delays it cannot be said to be known before it began.
    let soon: Vec<Occurrence> =
        (0..6).map(|at| failure(ToldBy::Incident, at * 30, 3, 60, (1, 2))).collect();
    let of = measure(&register, &risk, &soon, year()).unwrap();
    let fed = super::fed(&register, &risk.spec, &of);
    assert_eq!(fed.time_to_detect, Range::point(Duration::ZERO));
    assert!(Risk::new("a", fed).is_ok());
}

/// Drills say how long it takes and nothing of how often.
#[test]
fn drills_are_no_failures() {
    let risk = risk("a", "1m 1h 10% 30d");
    let drills: Vec<Occurrence> =
        (0..6).map(|at| failure(ToldBy::Drill, at, 20, 30, (1, 10))).collect();
    let of = measure(&plain(), &risk, &drills, year()).unwrap();
    assert_eq!((of.failures, of.drills), (0, 6));
    assert_eq!(of.time_to_detect.interval_90, Some(Range::point(Duration::from_minutes(20))));
    assert_eq!(of.time_between_failures.measured, None);
    assert_eq!(of.measured_minutes_a_year, None, "none was seen in the time observed");
    assert_eq!(
        fed(&plain(), &risk.spec, &of).time_between_failures,
        risk.spec.time_between_failures
    );
}

/// Two minutes in which nothing failed: neither "0 minutes a year" nor "agrees".
#[test]
fn no_failure_in_a_short_time_is_no_measurement() {
    let risk = risk("a", "1m 1h 10% 30d");
    let of = measure(&plain(), &risk, &[], Interval::starting(START, Duration::from_seconds(148)))
        .unwrap();
    assert_eq!(of.measured_minutes_a_year, None);
    let between = of.time_between_failures;
    assert_eq!((between.measured, between.finding), (None, Finding::NotEnoughData));
    assert!(between.interval_90.unwrap().low() < Duration::from_minutes(1), "{between:?}");
    // A year without one speaks against a register that says a month.
    let year = measure(&plain(), &risk, &[], year()).unwrap();
    assert_eq!(year.time_between_failures.finding, Finding::More);
}

#[test]
fn what_is_not_known_is_not_zero() {
    let risk = risk("a", "1m 1h 10% 30d");
    let mut of = failures(6);
    of[2].share = None;
    of[3].ended = Some(START);
    let seen = measure(&plain(), &risk, &of, year()).unwrap();
    assert_eq!(seen.measured_minutes_a_year, None);
    assert_eq!((seen.share_of_users.count, seen.time_to_repair.count, seen.skewed), (5, 5, 1));
    // The same incident told twice is one; one before the time observed is none.
    let mut twice = failures(2);
    twice.push(twice[0].clone());
    twice.push(Occurrence {
        id: "old".to_owned(),
        started: Some(START.minus(Duration::from_days(1))),
        ..twice[0].clone()
    });
    assert_eq!(measure(&plain(), &risk, &twice, year()).unwrap().failures, 2);
}

#[test]
fn an_incident_is_an_occurrence() {
    let mut incident = Incident::new("i1".to_owned());
    incident.started = Some(START);
    incident.resolved = Some(START.plus(Duration::from_hours(3)));
    let of = Occurrence::of_incident(&incident, None);
    assert_eq!((of.source, of.ended), (ToldBy::Incident, incident.resolved));
    incident.mitigated = Some(START.plus(Duration::from_hours(1)));
    assert_eq!(Occurrence::of_incident(&incident, None).ended, incident.mitigated);
}

#[test]
fn a_change_that_failed_is_an_occurrence() {
    let source = ChangeSource { system: "test".to_owned(), delivery: "1".to_owned() };
    let (kind, done) = (ChangeKind::Deploy, ChangeOutcome::Succeeded);
    let change = Change::new("c1".to_owned(), "shop".to_owned(), kind, done, START, source);
    let at = START.plus(Duration::from_minutes(7));
    let broken = Break { at, cause: BreakCause::Page("p".to_owned()) };
    let of = Occurrence::of_change(&change, Some(&broken), None, Some((1, 4)));
    assert_eq!((of.source, of.started, of.detected), (ToldBy::Change, Some(START), Some(at)));
    let seen = measure(&plain(), &risk("a", "7m 1h 50% 30d"), &[of], year()).unwrap();
    assert_eq!(seen.time_to_detect.measured, Some(Duration::from_minutes(7)));
    assert_eq!((seen.failures, seen.measured_minutes_a_year), (1, None), "it lasts");
}
