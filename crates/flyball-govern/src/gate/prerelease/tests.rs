//! Against numbers that can be worked out by hand.

use super::*;

fn inputs(rollout: &str, remaining: i64) -> PrereleaseInputs {
    let failure = |detect: u32, repair: u32| FailedChange {
        detect: Duration::from_minutes(detect),
        repair: Duration::from_minutes(repair),
        error_share: Rational::ONE,
    };
    PrereleaseInputs {
        rollout: rollout.parse().unwrap(),
        history: History {
            changes: 100,
            failures: vec![failure(20, 10), failure(20, 10), failure(20, 10), failure(20, 10)],
        },
        events_per_hour: 1_000,
        background_per_hour: 0,
        remaining,
        limit: Rational::new(1, 100).unwrap(),
        seed: 1,
    }
}

fn risk(inputs: &PrereleaseInputs) -> Risk {
    match prerelease(inputs) {
        Prerelease::Estimated { risk, .. } => risk,
        Prerelease::NotEnoughData { .. } => panic!("there is enough data"),
    }
}

#[test]
fn all_at_once_spends_the_whole_failure() {
    // Half an hour of all of 1,000 events an hour, in (4 + ½) of (100 + 1) cases.
    let risk = risk(&inputs("all:100%:1h", 400));
    let failure = 4.5 / 101.0;
    assert!((risk.failure - failure).abs() < 0.002, "{risk:?}");
    assert!((risk.expected_bad - 500.0 * risk.failure).abs() < 1e-6, "{risk:?}");
    assert!((risk.overspends - risk.failure).abs() < 1e-9, "{risk:?}");
    let (low, high) = risk.overspends_between;
    assert!(low < risk.overspends && risk.overspends < high);
}

#[test]
fn a_canary_keeps_the_failure_small() {
    // 5 % for the half hour in which it is found and repaired: 25 events.
    let canary = inputs("canary:5%:30m,100%:1h", 400);
    let canary_risk = risk(&canary);
    assert!((canary_risk.expected_bad - 25.0 * canary_risk.failure).abs() < 1e-6);
    assert_eq!(canary_risk.overspends, 0.0);
    // A canary that is left after 10 minutes: 10 minutes of 5 % and 20 of all.
    let hasty = risk(&inputs("canary:5%:10m,100%:1h", 400));
    let expected = (50.0 * 10.0 + 1_000.0 * 20.0) / 60.0 * hasty.failure;
    assert!((hasty.expected_bad - expected).abs() < 1e-6, "{hasty:?}");
}

#[test]
fn a_mitigation_is_the_least_that_suffices() {
    // Up to 400 events; all at once spends 500. A canary of half the users for the 20 minutes in which
    // failures are found, at which it stays for the repair, spends 250. Detecting in half the time
    // spends 333. A longer bake of a single step changes nothing.
    let Prerelease::Estimated { covered, mitigations, .. } =
        prerelease(&inputs("all:100%:1h", 400))
    else {
        panic!("there is enough data")
    };
    assert!(!covered);
    let kinds: Vec<_> = mitigations.iter().map(|mitigation| mitigation.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            MitigationKind::SmallerCanary { rollout: "all:50%:20m,100%:1h".to_owned() },
            MitigationKind::FasterDetection { times: 2 },
        ]
    );
    let Prerelease::Estimated { mitigations, .. } =
        prerelease(&inputs("canary:5%:10m,100%:1h", 300))
    else {
        panic!("there is enough data")
    };
    let longer = MitigationKind::LongerBake { rollout: "canary:5%:20m,100%:1h".to_owned() };
    assert!(mitigations.iter().any(|mitigation| mitigation.kind == longer), "{mitigations:?}");
}

#[test]
fn an_overspent_budget_covers_nothing() {
    let mut inputs = inputs("canary:5%:30m", -1);
    assert_eq!(risk(&inputs).overspends, 1.0);
    inputs.remaining = 10;
    inputs.background_per_hour = 100;
    // 50 in the usual half hour are more than 10, whether the change fails or not.
    assert_eq!(risk(&inputs).overspends, 1.0);
}

#[test]
fn little_history_is_not_enough() {
    let mut inputs = inputs("all:100%:1h", 400);
    inputs.history.failures.truncate(2);
    assert!(matches!(prerelease(&inputs), Prerelease::NotEnoughData { failures: 2, .. }));
    inputs.history = History::default();
    assert!(matches!(prerelease(&inputs), Prerelease::NotEnoughData { changes: 0, .. }));
}

#[test]
fn the_same_seed_gives_the_same_answer() {
    let inputs = inputs("canary:5%:10m,100%:1h", 300);
    assert_eq!(prerelease(&inputs), prerelease(&inputs));
    let other = PrereleaseInputs { seed: 2, ..inputs.clone() };
    assert_ne!(risk(&inputs), risk(&other));
}
