//! Evidence over a rule's history: what it takes to call somebody, and to call again.

use flyball_budget::alert::{Firing, default_rules, evaluate, multi_window};
use flyball_budget::{Account, Frame};
use flyball_model::{AlertRule, BudgetingMethod};

use crate::support::{history, objective, rolling};

/// The firings of one rule over minutes, each stretch (minutes, valid, bad), at 99.9 % over 30 d.
fn fire(stretches: &[(usize, u64, u64)], rule: &AlertRule) -> Vec<Firing> {
    let series = history("1m", stretches);
    let extent = series.extent().unwrap();
    let objective = objective("0.999");
    let frame = Frame::plain(extent);
    let account = Account::new(&series, BudgetingMethod::Occurrences, &objective, &frame).unwrap();
    let rules = std::slice::from_ref(rule);
    evaluate(&account, objective.target, &rolling("30d"), rules, extent).unwrap()
}

/// In minutes since the epoch.
fn minutes(firings: &[Firing]) -> Vec<(i64, Option<i64>)> {
    let minute = |at: flyball_model::Timestamp| at.nanos() / 60_000_000_000;
    firings.iter().map(|firing| (minute(firing.start), firing.end.map(minute))).collect()
}

const DAY: (usize, u64, u64) = (1440, 10, 0);
const OUTAGE: (usize, u64, u64) = (20, 10, 10);

#[test]
fn one_failure_after_an_incident_calls_nobody_again() {
    // The incident lies in the hour until minute 1520, far above 14.4; the short lookback passes
    // with one failure of fifty, for five minutes.
    let after = [DAY, OUTAGE, (10, 10, 0), (1, 10, 1), (20, 10, 0)];
    let firings = fire(&after, &default_rules()[0]);
    assert_eq!(minutes(&firings), [(1442, Some(1465))]);
    // As published, without evidence, it calls twice.
    let published = minutes(&fire(&after, &multi_window(None)[0]));
    assert_eq!(published, [(1441, Some(1465)), (1471, Some(1476))]);
}

#[test]
fn an_incident_that_comes_back_calls_again_at_once() {
    // Ten failures among those since 1465 are evidence by themselves.
    let back = [DAY, OUTAGE, (10, 10, 0), OUTAGE, (20, 10, 0)];
    let firings = minutes(&fire(&back, &default_rules()[0]));
    assert_eq!(firings, [(1442, Some(1465)), (1471, Some(1495))]);
    // Two failures a minute are 6 of 80 after the third, seen by chance at 1.44 % once in 930 times;
    // asked for is once in 1,000.
    let slow = [DAY, OUTAGE, (10, 10, 0), (30, 10, 2), (20, 10, 0)];
    let firings = minutes(&fire(&slow, &default_rules()[0]));
    assert_eq!(firings[0], (1442, Some(1465)));
    assert_eq!(firings[1].0, 1474, "8 of 90");
}

#[test]
fn other_evidence_lets_a_first_call_through_as_before() {
    // Nothing came before, so the whole lookback speaks: 10 of 600 are no evidence, 20 are.
    let firings = fire(&[DAY, OUTAGE, (10, 10, 0)], &default_rules()[0]);
    assert_eq!((firings.len(), firings[0].bad), (1, 20));
    // Smallest numbers are asked of the whole lookback once, of what is fresh only the bad ones:
    // else traffic of ten a minute would need 50 minutes for a second call.
    let mut rule = default_rules()[0].clone();
    rule.evidence = rule.evidence.map(|asked| flyball_model::Evidence { valid_min: 500, ..asked });
    let back = [DAY, OUTAGE, (10, 10, 0), OUTAGE, (20, 10, 0)];
    assert_eq!(fire(&back, &rule).len(), 2);
}
