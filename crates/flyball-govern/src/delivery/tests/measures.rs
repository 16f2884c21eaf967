//! Measures by hand and against naive second implementations.

use flyball_model::{
    ChangeClass, ChangeKind, ChangeOutcome, Duration, Incident, Interval, Rational, Timestamp,
};
use proptest::prelude::*;

use super::{Case, at, commit, deploy, page};
use crate::delivery::{
    Better, Counts, Direction, Edition, Held, History, Judgement, Measures, Outage, OutcomeOf,
    OutcomeSpec, Point, Series, Share, Targets, classes, is_rework, levels, measure, met,
    over_time, shipped_commits, trend,
};

fn hours(of: u32) -> Duration {
    Duration::from_hours(of)
}

#[test]
fn nothing_is_not_enough_data() {
    let case = Case::empty();
    let measured = case.ask(measure);
    assert_eq!((measured.frequency.deployments, measured.frequency.interval), (0, None));
    assert_eq!((measured.lead_time.commits, measured.restore.outages), (None, None));
    assert_eq!(measured.lead_time_within_interval, Held::NotEnoughData);
    assert_eq!(measured.change_failure.at_most, None);
    assert_eq!((measured.recovery.deployments, measured.rework.rate), (None, None));
    let asked = Targets {
        interval: Some(hours(1)),
        change_failure: Some(Rational::ZERO),
        availability: Some(Rational::ONE),
        ..Targets::default()
    };
    let answers = met(&measured, &asked);
    assert_eq!(answers.interval, Some(Held::NotEnoughData));
    assert_eq!(answers.change_failure, Some(Held::NotEnoughData));
    assert_eq!((answers.lead_time, answers.recovery), (None, None));
    // Nothing went wrong in a time that was observed: that is known.
    assert_eq!(answers.availability, Some(Held::Yes));
    let direction = trend(&measured, &measured);
    assert_eq!(direction.interval, Direction::NotEnoughData);
    assert_eq!(direction.availability, Direction::Same);
    let json = serde_json::to_value(levels(&measured, Edition::Y2024)).unwrap();
    assert_eq!(json["change_failure"]["answer"], "not_enough_data");
}

#[test]
fn frequency_counts_what_reached_users_here() {
    let mut case = Case::empty();
    let before = deploy("0", at("01T00:00:00").minus(hours(24)));
    let (mut failed, mut staging) =
        (deploy("3", at("03T00:00:00")), deploy("4", at("03T01:00:00")));
    failed.outcome = ChangeOutcome::Failed;
    staging.environment = Some("staging".to_owned());
    let mut config = deploy("5", at("03T02:00:00"));
    config.kind = ChangeKind::Config;
    let mut back = deploy("6", at("05T12:00:00"));
    back.kind = ChangeKind::Rollback;
    let (one, two) = (deploy("1", at("02T00:00:00")), deploy("2", at("02T06:00:00")));
    let after = deploy("7", case.during.end());
    case.changes = vec![after, back, config, staging, failed, two, one, before];
    let found = case.ask(measure).frequency;
    assert_eq!((found.deployments, found.days), (3, 2));
    assert_eq!(found.interval, Some(hours(80)));
    let gaps = found.gaps.unwrap();
    assert_eq!((gaps.count, gaps.min, gaps.median, gaps.max), (3, hours(6), hours(48), hours(78)));
    assert_eq!(found.since_last, Some(hours(132)));
}

#[test]
fn a_commit_counts_with_the_first_deployment_that_carried_it() {
    let mut case = Case::empty();
    let mut before = deploy("0", at("01T00:00:00").minus(hours(1)));
    before.commits = vec![commit("old", at("01T00:00:00").minus(hours(9)))];
    let mut first = deploy("1", at("02T00:00:00"));
    first.commits = vec![
        commit("old", at("01T00:00:00").minus(hours(9))),
        commit("a", at("01T20:00:00")),
        commit("b", at("01T14:00:00")),
    ];
    let mut second = deploy("2", at("04T00:00:00"));
    second.commits = vec![commit("a", at("01T20:00:00")), commit("late", at("04T00:00:01"))];
    let third = deploy("3", at("05T00:00:00"));
    case.changes = vec![third, second, first, before];
    let measured = case.ask(measure);
    let lead = &measured.lead_time;
    let commits = lead.commits.unwrap();
    assert_eq!(
        (commits.count, commits.min, commits.median, commits.max),
        (2, hours(4), hours(7), hours(10))
    );
    assert_eq!(lead.oldest.unwrap().max, hours(10));
    assert_eq!((lead.without_commits, lead.skewed), (1, 1));
    // 7 h to users, and 25 h, 48 h and 24 h between deployments.
    assert_eq!(measured.lead_time_within_interval, Held::Yes);
}

#[test]
fn partial_outages_lose_their_share() {
    let mut case = Case::empty();
    let outage =
        |start: &str, end: &str, share| Outage { start: at(start), end: Some(at(end)), share };
    case.outages = vec![
        outage("02T00:00:00", "02T10:00:00", 500_000),
        // Overlaps the first: the larger share counts while both last.
        outage("02T05:00:00", "02T06:00:00", Outage::WHOLE),
        Outage { start: at("10T23:00:00"), end: None, share: 100_000 },
    ];
    let measured = case.ask(measure);
    // 9 h by half, 1 h whole, 1 h by a tenth.
    assert_eq!(measured.availability.lost, Duration::from_minutes(336));
    assert_eq!(measured.availability.observed, Duration::from_days(10));
    let restore = &measured.restore;
    assert_eq!((restore.outages.unwrap().count, restore.open), (1, 1));
    assert_eq!(restore.outages.unwrap().max, hours(10));
    // 336 min of 14,400 min are 7/300: at the boundary it is met.
    let boundary = Rational::new(293, 300).unwrap();
    assert_eq!(measured.availability.meets(boundary), Some(true));
    assert_eq!(measured.availability.meets(Rational::parse("0.97667").unwrap()), Some(false));
    // A time that nobody observed is neither available nor not.
    case.unobserved = vec![Interval::new(at("02T00:00:00"), at("02T10:00:00")).unwrap()];
    let measured = case.ask(measure);
    assert_eq!(measured.availability.lost, Duration::from_minutes(6));
    assert_eq!(measured.availability.unobserved, hours(10));
    case.unobserved = vec![case.during];
    assert_eq!(case.ask(measure).availability.rate, None);
    assert_eq!(case.ask(measure).availability.meets(Rational::ZERO), None);
}

#[test]
fn four_deployments_of_which_one_failed() {
    // The example of DORA's Four Keys: 25 %.
    let mut case = Case::empty();
    for (id, day) in [("1", "02"), ("2", "03"), ("3", "04"), ("4", "05")] {
        case.changes.push(deploy(id, at(&format!("{day}T00:00:00"))));
        case.judgements.insert(id.to_owned(), Judgement::Healthy);
    }
    case.judgements.insert("2".to_owned(), Judgement::Regressed);
    let found = case.ask(measure).change_failure;
    assert_eq!(found.rate, Share::new(1, 4));
    assert_eq!((found.at_least, found.at_most), (found.rate, found.rate));
    // A page within the warranty outweighs a verdict; what has none is not healthy.
    case.breaks.insert("3".to_owned(), page(at("04T01:00:00")));
    case.judgements.remove("4");
    let measured = case.ask(measure);
    let found = &measured.change_failure;
    assert_eq!(found.fates, Counts { healthy: 1, failed: 2, undecided: 1 });
    assert_eq!(found.rate, Share::new(2, 3));
    assert_eq!((found.at_least, found.at_most), (Share::new(2, 4), Share::new(3, 4)));
    let asked = |percent: u64| Targets {
        change_failure: Rational::new(percent, 100),
        ..Targets::default()
    };
    for (percent, answer) in [(49, Held::No), (50, Held::NotEnoughData), (75, Held::Yes)] {
        assert_eq!(met(&measured, &asked(percent)).change_failure, Some(answer), "{percent} %");
    }
}

#[test]
fn recovery_ends_with_the_incident_or_else_with_the_rollback() {
    let mut case = Case::empty();
    let mut back = deploy("1-back", at("02T03:00:00"));
    back.kind = ChangeKind::Rollback;
    case.changes = vec![deploy("1", at("02T00:00:00")), back, deploy("2", at("05T00:00:00"))];
    for id in ["1", "2"] {
        case.judgements.insert(id.to_owned(), Judgement::Regressed);
    }
    assert_eq!(History::new(&case.changes, "production").undone(&case.changes[1]).unwrap().id, "1");
    let found = case.ask(measure);
    assert_eq!(found.recovery.deployments.unwrap().max, hours(3));
    assert_eq!(found.recovery.open, 1);
    assert_eq!(found.rework.rate, Share::new(1, 3));
    // The incident was over before the rollback had ended.
    let mut incident = Incident::new("i".to_owned());
    incident.detected = Some(at("02T00:30:00"));
    incident.resolved = Some(at("02T02:00:00"));
    case.incidents = vec![incident.clone()];
    assert_eq!(case.ask(measure).recovery.deployments.unwrap().max, hours(2));
    // A page begins with the slot of its first bad events, which may be that of the deployment.
    case.incidents[0].started = Some(at("01T23:59:50"));
    assert_eq!(case.ask(measure).recovery.deployments.unwrap().max, hours(2));
    // One that lasts keeps it open.
    incident.id = "j".to_owned();
    incident.resolved = None;
    case.incidents.push(incident);
    let found = case.ask(measure).recovery;
    assert_eq!((found.deployments, found.open), (None, 2));
}

#[test]
fn rework_is_what_nobody_planned() {
    let mut change = deploy("1", at("02T00:00:00"));
    assert!(!is_rework(&change));
    change.class = ChangeClass::Fix;
    assert!(is_rework(&change));
    change.planned = Some(true);
    assert!(!is_rework(&change));
    (change.class, change.planned) = (ChangeClass::Feature, Some(false));
    assert!(!is_rework(&change));
    change.restores = Some("0".to_owned());
    assert!(is_rework(&change));
}

#[test]
fn incidents_from_their_cause_to_their_end() {
    let mut case = Case::empty();
    case.changes = vec![deploy("1", at("02T00:00:00"))];
    let mut incident = Incident::new("i".to_owned());
    incident.cause = Some("1".to_owned());
    incident.detected = Some(at("02T00:10:00"));
    incident.acknowledged = Some(at("02T00:15:00"));
    incident.mitigated = Some(at("02T01:00:00"));
    incident.resolved = Some(at("02T04:00:00"));
    // Nobody knows when this one began, and it lasts.
    let mut other = Incident::new("j".to_owned());
    other.detected = Some(at("03T00:00:00"));
    other.acknowledged = Some(at("02T23:00:00"));
    case.incidents = vec![incident, other];
    let found = case.ask(measure).response;
    assert_eq!((found.incidents, found.open, found.skewed), (2, 1, 1));
    let one = |spread: Option<crate::delivery::Spread>| {
        let spread = spread.unwrap();
        assert_eq!(spread.count, 1);
        spread.median
    };
    assert_eq!(one(found.detect), Duration::from_minutes(10));
    assert_eq!(one(found.acknowledge), Duration::from_minutes(5));
    assert_eq!(one(found.mitigate), hours(1));
    assert_eq!(one(found.restore), hours(4));
}

#[test]
fn trends_and_charts() {
    let mut case = Case::empty();
    for (id, day) in [("1", "02"), ("2", "06"), ("3", "07"), ("4", "08")] {
        let shipped = at(&format!("{day}T12:00:00"));
        let mut change = deploy(id, shipped);
        let wrote = if id == "1" { hours(5) } else { hours(9) };
        change.commits = vec![commit(id, shipped.minus(wrote))];
        case.changes.push(change);
        case.judgements.insert(id.to_owned(), Judgement::Healthy);
    }
    case.judgements.insert("1".to_owned(), Judgement::Regressed);
    let half = Duration::from_days(5);
    let first = Interval::starting(case.during.start(), half);
    let chart = case.ask(|facts| over_time(facts, &[first, Interval::starting(first.end(), half)]));
    assert_eq!(chart[0].frequency.deployments + chart[1].frequency.deployments, 4);
    let direction = trend(&chart[0], &chart[1]);
    assert_eq!((direction.interval, direction.lead_time), (Direction::Better, Direction::Worse));
    assert_eq!(direction.change_failure, Direction::Better);
    assert_eq!(direction.recovery, Direction::NotEnoughData);
}

proptest! {
    /// Against looking at every nanosecond of a very short time.
    #[test]
    fn availability_against_every_moment(
        outages in proptest::collection::vec((0i64..60, 0i64..60, 0u32..1_200_000, any::<bool>()), 0..8),
        gaps in proptest::collection::vec((0i64..60, 0i64..60), 0..4),
        now in 0i64..70,
    ) {
        let at = Timestamp::from_nanos;
        let mut case = Case::empty();
        case.during = Interval::new(at(5), at(50)).unwrap();
        case.now = at(now);
        case.outages = outages.iter().map(|&(start, end, share, open)| Outage {
            start: at(start),
            end: (!open).then_some(at(end)),
            share,
        }).collect();
        case.unobserved = gaps.iter().filter_map(|&(start, end)| Interval::new(at(start), at(end)).ok()).collect();
        let (mut observed, mut lost) = (0i64, 0u64);
        for moment in 5..50i64.min(now) {
            if case.unobserved.iter().any(|gap| gap.contains(at(moment))) {
                continue;
            }
            observed += 1;
            let here = case.outages.iter().filter(|outage| {
                outage.start <= at(moment) && outage.end.is_none_or(|end| at(moment) < end)
            });
            lost += u64::from(here.map(|outage| outage.share.min(Outage::WHOLE)).max().unwrap_or(0));
        }
        let found = case.ask(measure).availability;
        prop_assert_eq!(found.observed.nanos(), observed.max(0));
        prop_assert_eq!(found.observed.nanos() + found.unobserved.nanos(), 45);
        let lost_whole = i64::try_from(lost / 1_000_000).unwrap();
        prop_assert_eq!(found.lost.nanos(), lost_whole);
        let exact = Rational::new(u64::try_from(observed).unwrap_or(0) * 1_000_000 - lost, (u64::try_from(observed).unwrap_or(0) * 1_000_000).max(1)).unwrap();
        prop_assert_eq!(found.meets(exact), (observed > 0).then_some(true));
    }

    /// Every deployment is counted once, whatever is said of it.
    #[test]
    fn fates_add_up(said in proptest::collection::vec((0u8..4, any::<bool>(), 0i64..20), 0..20)) {
        let mut case = Case::empty();
        for (number, &(judged, broken, day)) in said.iter().enumerate() {
            let id = number.to_string();
            let shipped = Timestamp::from_nanos(case.during.start().nanos() + (day - 5) * 86_400_000_000_000);
            case.changes.push(deploy(&id, shipped));
            let judgement = [Judgement::Healthy, Judgement::Regressed, Judgement::Undecided];
            if let Some(&judgement) = judgement.get(usize::from(judged)) {
                case.judgements.insert(id.clone(), judgement);
            }
            if broken {
                case.breaks.insert(id, page(shipped));
            }
        }
        let found = case.ask(measure);
        let Counts { healthy, failed, undecided } = found.change_failure.fates;
        prop_assert_eq!(healthy + failed + undecided, found.frequency.deployments);
        let bounds = found.change_failure.at_least.zip(found.change_failure.at_most);
        if let Some((rate, (least, most))) = found.change_failure.rate.zip(bounds) {
            prop_assert!(least.compare(rate).is_le() && rate.compare(most).is_le());
        }
    }
}

#[test]
fn commits_since_the_deployment_before() {
    let branch: Vec<_> = ["aaaaaaa1", "bbbbbbb2", "ccccccc3", "ddddddd4"]
        .iter()
        .map(|sha| commit(sha, at("01T00:00:00")))
        .collect();
    let shipped = |before: Option<&str>, after: &str| {
        let commits = shipped_commits(&branch, before, after)?;
        Some(commits.into_iter().map(|commit| commit.sha).collect::<Vec<_>>())
    };
    let two = vec!["bbbbbbb2".to_owned(), "ccccccc3".to_owned()];
    assert_eq!(shipped(Some("aaaaaaa1"), "ccccccc3"), Some(two.clone()));
    assert_eq!(shipped(Some("aaaaaaa"), "CCCCCCC3ffff"), Some(two));
    assert_eq!(shipped(Some("ccccccc3"), "ccccccc3"), Some(Vec::new()));
    assert_eq!(shipped(Some("ddddddd4"), "aaaaaaa1"), Some(Vec::new()));
    assert_eq!(shipped(None, "aaaaaaa1"), None);
    assert_eq!(shipped(Some("eeeeeee5"), "aaaaaaa1"), None);
    assert_eq!(shipped(Some("aaaaaaa1"), "bbb"), None, "too short to be told apart");
}

proptest! {
    /// What is found in order is what a look at every change finds.
    #[test]
    fn causes_against_every_change(
        shipped in proptest::collection::vec((0i64..40, 0usize..2, 0u8..4), 0..12),
        opened in 0i64..40,
        service in 0usize..3,
        within in 0i64..40,
    ) {
        let at = Timestamp::from_seconds;
        let changes: Vec<_> = shipped.iter().enumerate().map(|(number, &(seconds, service, what))| {
            let mut change = deploy(&number.to_string(), at(seconds));
            ["shop", "search"][service].clone_into(&mut change.service);
            match what {
                0 => change.kind = ChangeKind::Rollback,
                1 => change.outcome = ChangeOutcome::Failed,
                2 => change.environment = Some("staging".to_owned()),
                _ => {}
            }
            change
        }).collect();
        let mut incident = Incident::new("i".to_owned());
        incident.detected = Some(at(opened));
        incident.service = ["shop", "search"].get(service).map(|name| (*name).to_owned());
        let here = changes.iter().filter(|change| {
            change.kind == ChangeKind::Deploy
                && change.environment.as_deref() == Some("production")
                && incident.service.as_ref().is_none_or(|named| *named == change.service)
        });
        let near = here.filter_map(|change| change.shipped().map(|shipped| (shipped, &change.id)));
        let near = near.filter(|(shipped, _)| *shipped < at(opened) && *shipped >= at(opened - within));
        let expected = near.max().map(|(_, id)| id.clone());
        let history = History::new(&changes, "production");
        let found = history.cause(&incident, Duration::from_nanos(within * 1_000_000_000).unwrap());
        prop_assert_eq!(found.map(|change| change.id.clone()), expected);
    }
}

#[test]
fn classes_add_up_to_all_deployments() {
    let mut case = Case::empty();
    assert_eq!(case.ask(classes), []);
    for (id, class) in
        [("a", ChangeClass::Feature), ("b", ChangeClass::Fix), ("c", ChangeClass::Fix)]
    {
        let mut change = deploy(id, at("02T00:00:00"));
        change.class = class;
        case.changes.push(change);
    }
    let found = case.ask(classes);
    let share = |class| found.iter().find(|of| of.class == class).unwrap().deployments;
    assert_eq!((share(ChangeClass::Fix).of, share(ChangeClass::Feature).of), (2, 1));
    assert_eq!(found.iter().map(|of| of.deployments.of).sum::<u64>(), 3);
    assert!(found.iter().all(|of| of.deployments.out_of == 3));
}

#[test]
fn an_outcome_is_measured_over_the_same_times_as_delivery() {
    let mut case = Case::empty();
    let spec = OutcomeSpec {
        name: "revenue".to_owned(),
        unit: "EUR".to_owned(),
        of: OutcomeOf::Sum,
        better: Better::Higher,
    };
    let point = |at: Timestamp, value| Point { at, value };
    let points = vec![
        point(case.during.end(), 400.0),
        point(at("01T00:00:00"), 20.0),
        point(at("01T00:00:00").minus(hours(1)), 30.0),
        point(at("09T12:00:00"), 4.5),
    ];
    assert_eq!(case.ask(measure).outcome, None, "none is chosen");
    case.outcome = Some(Series::new(spec, points));
    let value = |of: &Measures| of.outcome.as_ref().map(|of| (of.value, of.points));
    let measured = case.ask(measure);
    assert_eq!(value(&measured), Some((24.5, 2)));
    let before = Interval::ending(case.during.start(), case.during.length());
    let days = [before, Interval::starting(at("02T00:00:00"), hours(24)), case.during];
    let over = case.ask(|facts| over_time(facts, &days));
    assert_eq!(
        over.iter().map(value).collect::<Vec<_>>(),
        [Some((30.0, 1)), None, Some((24.5, 2))]
    );
    assert_eq!(trend(&over[0], &measured).outcome, Direction::Worse);
    assert_eq!(trend(&over[1], &measured).outcome, Direction::NotEnoughData);
    let json = serde_json::to_value(&measured).unwrap();
    assert_eq!(
        json["outcome"],
        serde_json::json!({
            "name": "revenue", "unit": "EUR", "of": "sum", "better": "higher", "value": 24.5, "points": 2,
        })
    );
}
