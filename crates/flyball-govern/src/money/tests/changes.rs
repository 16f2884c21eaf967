//! Before and after: intervals whose truth is known, what work returned, and who is recognised.

use flyball_model::{Interval, Timestamp};

use super::*;
use crate::delivery::{Held, Measures};
use crate::draws::Source;

fn weeks(of: &[f64]) -> Vec<Option<f64>> {
    of.iter().copied().map(Some).collect()
}

/// Weeks of an exponential distribution, which is as skewed as outages are.
fn skewed(source: &mut Source, mean: f64, count: usize) -> Vec<Option<f64>> {
    (0..count).map(|_| Some(source.exponential() * mean)).collect()
}

/// Two sides that are drawn alike: the interval holds the truth nearly as often as it says.
#[test]
fn intervals_hold_what_they_say() {
    let mut source = Source::new(17);
    let (mut held, runs) = (0, 400);
    for run in 0..runs {
        let (before, after) = (skewed(&mut source, 60.0, 26), skewed(&mut source, 20.0, 26));
        let [low, high] = Weeks::of(&before, &after, run).less.unwrap().between_90;
        held += i32::from(low <= 40.0 && 40.0 <= high);
    }
    let share = f64::from(held) / runs as f64;
    assert!((0.83..=0.94).contains(&share), "{share}");
}

/// Nothing was done: that something was is said in about one of twenty runs.
#[test]
fn chance_is_seldom_taken_for_work() {
    let mut source = Source::new(23);
    let runs = 400;
    let said = (0..runs).filter(|run| {
        let (before, after) = (skewed(&mut source, 60.0, 26), skewed(&mut source, 60.0, 26));
        Weeks::of(&before, &after, *run).is_less() == Held::Yes
    });
    let share = said.count() as f64 / runs as f64;
    assert!(share < 0.09, "{share}");
}

#[test]
fn few_weeks_say_nothing() {
    let (few, many) = (weeks(&[60.0; 7]), weeks(&[1.0; 12]));
    let of = returned(&few, &many, Some(money("600 USD")), money("10 USD"), 1);
    assert_eq!((of.minutes.before, of.minutes.after), (Some(60.0), Some(1.0)));
    assert_eq!((of.avoided_minutes_a_year, of.pays_after_weeks), (None, None));
    assert_eq!(of.pays_within_a_year, Held::NotEnoughData);
    // Weeks of which nothing is known are neither good nor bad.
    let mut gaps = weeks(&[60.0; 7]);
    gaps.extend([None; 20]);
    let of = Weeks::of(&gaps, &many, 1);
    assert_eq!((of.weeks_before, of.unknown, of.before, of.less), (7, 20, Some(60.0), None));
    assert_eq!(Weeks::of(&[], &[], 1).is_less(), Held::NotEnoughData);
}

/// By hand: 60 minutes a week become 10, at 600 an hour.
#[test]
fn work_returns_what_it_avoids() {
    let before = weeks(&[50.0, 70.0].repeat(6));
    let after = weeks(&[5.0, 15.0].repeat(6));
    let of = |cost: &str| returned(&before, &after, Some(money("600 USD")), money(cost), 1);
    let cheap = of("2000 USD");
    let avoided = cheap.avoided_minutes_a_year.unwrap();
    let a_year = 50.0 * 365.25 / 7.0;
    assert!((avoided.mean - a_year).abs() < 1e-9, "{avoided:?}");
    assert!(avoided.between_90[0] < a_year && a_year < avoided.between_90[1]);
    assert!((cheap.worth_a_year.unwrap().mean - a_year * 10.0).abs() < 1e-6);
    assert!((cheap.pays_after_weeks.unwrap() - 4.0).abs() < 1e-9);
    assert_eq!(cheap.pays_within_a_year, Held::Yes);
    assert_eq!(of("100000 USD").pays_within_a_year, Held::No);
    assert_eq!(of("26089 USD").pays_within_a_year, Held::NotEnoughData, "about what it is worth");
    // Without a price there is no worth, and with one in another currency neither.
    assert_eq!(returned(&before, &after, None, money("1 USD"), 1).worth_a_year, None);
    let other = returned(&before, &after, Some(money("1 EUR")), money("1 USD"), 1);
    assert_eq!((other.worth_a_year, other.pays_within_a_year), (None, Held::NotEnoughData));
    // Work that made it worse never pays.
    let worse = returned(&after, &before, Some(money("600 USD")), money("10 USD"), 1);
    assert_eq!((worse.pays_within_a_year, worse.pays_after_weeks), (Held::No, None));
    assert_eq!(worse.minutes.is_less(), Held::No);
}

/// Ten days with deployments every so many hours, their commits written so many hours before.
fn delivered(every: u32, lead: u32) -> Measures {
    use std::collections::BTreeMap;

    use crate::delivery::{Facts, History, measure};
    use flyball_model::{Change as Shipped, ChangeKind, ChangeOutcome, ChangeSource, Commit};

    let start = Timestamp::from_seconds(1_767_225_600);
    let during = Interval::starting(start, Duration::from_days(10));
    let deploy = |hour: u32| {
        let at = start.plus(Duration::from_hours(hour));
        let source = ChangeSource { system: "test".to_owned(), delivery: hour.to_string() };
        let (kind, done) = (ChangeKind::Deploy, ChangeOutcome::Succeeded);
        let mut change = Shipped::new(hour.to_string(), "shop".to_owned(), kind, done, at, source);
        change.environment = Some("production".to_owned());
        change.finished = Some(at);
        change.commits =
            vec![Commit { sha: hour.to_string(), authored: at.minus(Duration::from_hours(lead)) }];
        change
    };
    let changes: Vec<Shipped> = if every == 0 {
        Vec::new()
    } else {
        (1..240).step_by(every as usize).map(deploy).collect()
    };
    let (judgements, breaks) = (BTreeMap::new(), BTreeMap::new());
    measure(&Facts {
        during,
        now: during.end(),
        history: &History::new(&changes, "production"),
        judgements: &judgements,
        breaks: &breaks,
        incidents: &[],
        outages: &[],
        unobserved: &[],
        outcome: None,
    })
}

#[test]
fn teams_that_burn_less_and_ship_no_slower_are_seen() {
    let (high, low) = (weeks(&[2.0, 1.0].repeat(6)), weeks(&[0.5, 0.1].repeat(6)));
    let (usual, slower, later, none) =
        (delivered(6, 5), delivered(12, 5), delivered(6, 9), delivered(0, 0));
    let hour = Duration::from_hours(1);
    let team = |name: &str| TeamFacts {
        team: name.to_owned(),
        burn_before: &high,
        burn_after: &low,
        delivery_before: &usual,
        delivery_after: &usual,
        corrected_before: hour,
        corrected_after: hour,
    };
    let few = weeks(&[0.1; 3]);
    let of = recognise(
        &[
            team("web"),
            TeamFacts { delivery_after: &slower, ..team("slow") },
            TeamFacts { delivery_after: &later, ..team("late") },
            TeamFacts { delivery_after: &none, ..team("silent") },
            TeamFacts { corrected_after: hour.max(Duration::from_hours(2)), ..team("corrected") },
            TeamFacts { burn_after: &high, ..team("same") },
            TeamFacts { burn_before: &low, burn_after: &high, ..team("worse") },
            TeamFacts { burn_after: &few, ..team("new") },
            TeamFacts { delivery_before: &slower, ..team("data") },
        ],
        1,
    );
    let seen: Vec<&str> = of.recognised.iter().map(|line| line.team.as_str()).collect();
    assert_eq!(seen, ["data", "web"], "by name, not by rank");
    let because: Vec<(&str, &[Unrecognised])> =
        of.others.iter().map(|line| (line.team.as_str(), &line.because[..])).collect();
    assert_eq!(
        because,
        [
            ("corrected", &[Unrecognised::MoreCorrected][..]),
            ("late", &[Unrecognised::LeadsLonger]),
            ("new", &[Unrecognised::BurnUndecided]),
            ("same", &[Unrecognised::BurnUndecided]),
            ("silent", &[Unrecognised::DeliveryUnknown]),
            ("slow", &[Unrecognised::DeploysLess]),
            ("worse", &[Unrecognised::BurnsNoLess]),
        ]
    );
    // Teams, never persons: this is all that a line says.
    let line = serde_json::to_value(&of.recognised[0]).unwrap();
    let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["team", "burn", "interval", "lead_time", "because"]);
}
