use std::collections::BTreeSet;

use flyball_model::{Duration, Interval, Rational, Tally, Target, Timestamp};
use proptest::prelude::*;

use super::*;
use CheckState::{NotMet, Unknown};
use Precondition as What;

fn target(text: &str) -> Target {
    Target::new(Rational::parse(text).unwrap()).unwrap()
}

fn surplus(valid: u64, bad: u64, to_come: u64, of: &str) -> Surplus {
    Surplus { counted: Tally::new(valid, valid - bad).unwrap(), to_come, target: target(of) }
}

fn per_second(valid: u64) -> Arriving {
    Arriving { valid, per: Duration::from_seconds(1) }
}

/// Site Reliability Engineering, chapter 4: each quarter in which true failures have not taken the lock service below
/// its target, an outage is made of what is left. A quarter of 90 days at 99.99 % allows 12.96 minutes.
#[test]
fn the_lock_services_quarter() {
    const QUARTER: u64 = 90 * 86_400;
    // Time counted in milliseconds, so that nothing is rounded: 777.6 s.
    let quarter = surplus(QUARTER * 1_000, 0, 0, "0.9999");
    let dose_of = |budget: &Surplus| dose(&read(&text()), budget, &[], per_second(1_000));
    let whole = dose_of(&quarter).unwrap();
    assert_eq!((whole.allowed, whole.bad), (777_600, 777_600));
    assert!((whole.bad as f64 / 60_000.0 - 12.96).abs() < 1e-9);
    assert_eq!((whole.lasts, whole.is_cut), (Duration::from_seconds(777), false));
    // Ten minutes of true failures leave 2.96 minutes.
    let failed = dose_of(&surplus(QUARTER * 1_000, 600_000, 0, "0.9999")).unwrap();
    assert_eq!((failed.bad, failed.lasts), (177_600, Duration::from_seconds(177)));
    // True failures have met the target already: no outage is made.
    let spent = dose_of(&surplus(QUARTER * 1_000, 777_600, 0, "0.9999")).unwrap_err();
    assert_eq!(
        spent,
        NoDose::NoSurplus { bad: 777_600, allowed: 777_600, reserved: 0, of: Bound::Budget }
    );
    // After the outage the target is met exactly, and not significantly exceeded.
    let after = Tally::new(QUARTER * 1_000, QUARTER * 1_000 - whole.bad).unwrap();
    assert!(flyball_budget::keeps(after, target("0.9999").share()));
    let more = Tally::new(QUARTER * 1_000, QUARTER * 1_000 - whole.bad - 1).unwrap();
    assert!(!flyball_budget::keeps(more, target("0.9999").share()));
}

#[test]
fn a_dose_keeps_the_reserve_and_reaches_as_many_as_it_may() {
    // 1,000,000 events at 99.9 % allow 1,000; 200 are bad, 20 % are reserved: 600 are left.
    let budget = surplus(800_000, 200, 200_000, "0.999");
    let abort = [
        ("via", json!({"kind": "envoy", "url": "http://127.0.0.1:9901", "runtime": "fault.http"})),
        ("fault", json!({"kind": "abort", "status": 503})),
        ("reserve", json!("20%")),
        ("blastRadius", json!("25%")),
        ("goesBad", json!("80%")),
    ];
    let drill = with(&abort);
    // Ten a second, a quarter reached, four of five bad: two a second, so that 600 take 300 s.
    let found = dose(&drill, &budget, &[], per_second(10)).unwrap();
    assert_eq!((found.surplus, found.bad, found.lasts), (600, 600, Duration::from_seconds(300)));
    let small = with(&[abort.as_slice(), &[("dose", json!("5%"))]].concat());
    let found = dose(&small, &budget, &[], per_second(10)).unwrap();
    assert_eq!((found.bad, found.lasts), (50, Duration::from_seconds(25)));
    let short = with(&[abort.as_slice(), &[("longest", json!("2m"))]].concat());
    let found = dose(&short, &budget, &[], per_second(10)).unwrap();
    assert_eq!((found.bad, found.lasts, found.is_cut), (600, Duration::from_minutes(2), true));
    assert_eq!(dose(&drill, &budget, &[], per_second(1_000)), Err(NoDose::TooShort { bad: 600 }));
    assert_eq!(dose(&drill, &surplus(0, 0, 9, "0.9"), &[], per_second(1)), Err(NoDose::NoData));
    assert_eq!(dose(&drill, &budget, &[], per_second(0)), Err(NoDose::NoData));
}

#[test]
fn a_dose_leaves_each_contract_its_reserve_and_says_which_bound_binds() {
    let drill = with(&[
        ("via", json!({"kind": "envoyHeaders"})),
        ("fault", json!({"kind": "abort", "status": 503})),
        ("reserve", json!("20%")),
    ]);
    // A million events at 99.9 % allow 1,000; 200 stay and 100 are bad: 700 are left.
    let budget = surplus(1_000_000, 100, 0, "0.999");
    let contract = |name: &str, valid: u64, bad: u64, of: &str| Contract {
        name: name.to_owned(),
        counted: Tally::new(valid, valid - bad).unwrap(),
        target: target(of),
    };
    let with_contracts = |of: &[Contract]| dose(&drill, &budget, of, per_second(1));
    let found = with_contracts(&[]).unwrap();
    assert_eq!((found.bad, found.bound), (700, Bound::Budget));
    // 10,000 at 99 % allow 100, of which 20 stay and 30 are bad.
    let gold = contract("gold with ACME", 10_000, 30, "0.99");
    let wide = contract("silver", 10_000_000, 0, "0.9");
    let named = Bound::Contract { name: "gold with ACME".to_owned() };
    let found = with_contracts(&[wide.clone(), gold]).unwrap();
    assert_eq!((found.allowed, found.surplus, found.bad), (1_000, 50, 50));
    // What is counted while it runs is held against what is left: the contract ends it.
    assert_eq!(Watch::new("k", "d", "ada", &found, 100).reserve_at, 150);
    assert_eq!(found.bound, named);
    assert_eq!(with_contracts(&[wide]).unwrap().bound, Bound::Budget);
    let broken = contract("gold with ACME", 10_000, 119, "0.99");
    let none = with_contracts(&[broken]).unwrap_err();
    assert_eq!(none, NoDose::NoSurplus { bad: 119, allowed: 100, reserved: 20, of: named });
    assert_eq!(
        none.to_string(),
        "nothing is left to spend: the contract gold with ACME lets 100 events go bad, of which a drill may use 80 and 20 \
         stay in reserve, and 119 have gone bad already; hint: wait until bad events leave its window"
    );
    let held = with_contracts(&[contract("gold", 10_000, 90, "0.99")]).unwrap_err();
    assert!(held.to_string().ends_with("or lower the drill's `reserve`"), "{held}");
    let young = with_contracts(&[contract("gold", 10, 0, "0.99")]).unwrap_err();
    assert!(young.to_string().starts_with("the contract gold lets not one event"), "{young}");
}

proptest! {
    /// Against the definition with plain fractions: no dose spends what is reserved, and one event more would.
    #[test]
    fn a_dose_never_reaches_the_reserve_and_leaves_nothing_else(
        valid in 1u64..10_000_000, bad in 0u64..2_000, reserve in 0u64..100, rate in 1u64..50, share in 1u64..=100,
    ) {
        let bad = bad.min(valid);
        let drill = with(&[
            ("via", json!({"kind": "envoyHeaders"})),
            ("fault", json!({"kind": "abort", "status": 503})),
            ("reserve", json!(format!("{reserve}%"))),
            ("blastRadius", json!(format!("{share}%"))),
            ("longest", json!("4h")),
        ]);
        let budget = surplus(valid, bad, 0, "0.999");
        let allowed = valid / 1_000;
        let usable = allowed * (100 - reserve) / 100;
        match dose(&drill, &budget, &[], per_second(rate)) {
            Ok(found) => {
                prop_assert_eq!(found.bad, usable - bad);
                // Bad events of the whole seconds that it lasts: rate × share × seconds.
                let spent = rate * share * found.lasts.nanos().unsigned_abs() / 1_000_000_000;
                prop_assert!(spent <= found.bad * 100);
                if !found.is_cut {
                    prop_assert!(spent + rate * share > found.bad * 100);
                }
            }
            Err(NoDose::NoSurplus { .. }) => prop_assert!(usable <= bad),
            Err(NoDose::TooShort { bad: most }) => prop_assert!(most * 100 < 10 * rate * share),
            Err(NoDose::NoData) => prop_assert!(false, "there is data"),
        }
    }
}

fn situation(now: Timestamp, dose: Dose) -> Situation<'static> {
    Situation {
        now,
        dose: Ok(dose),
        is_fresh: Some(true),
        fresh_within: Duration::from_seconds(30),
        frozen_by: Some(None),
        incidents: Some(Vec::new()),
        observed: Some(Vec::new()),
        drills: Some(Vec::new()),
        team: None,
        unmanned: None,
        window: Interval::new(
            now.minus(Duration::from_days(80)),
            now.plus(Duration::from_days(10)),
        )
        .ok(),
        dependants: Some(BTreeSet::from(["files", "mail"])),
        told: vec![
            ("files", now.minus(Duration::from_days(2))),
            ("mail", now.minus(Duration::from_days(1))),
        ],
        silenced: Some(true),
        guarded: Some(true),
    }
}

#[test]
fn a_drill_begins_when_everything_is_met_and_what_is_not_known_is_not() {
    let now = Timestamp::parse("2026-03-26T09:00:00Z").unwrap();
    let some = Dose {
        bad: 9,
        allowed: 9,
        surplus: 9,
        bound: Bound::Share,
        lasts: Duration::from_minutes(5),
        is_cut: false,
    };
    let drill = read(&text());
    let nights: crate::hours::Hours =
        serde_json::from_value(json!({"from": "22:00", "to": "06:00", "timeZone": "UTC"})).unwrap();
    let fine = || situation(now, some.clone());
    let checks = preconditions(&drill, &fine());
    assert!(may_begin(&checks), "{checks:#?}");
    assert!(!may_begin(&[]));
    let held_up = |changed: Situation<'_>| {
        let checks = preconditions(&drill, &changed);
        let unmet = checks.iter().filter(|check| check.state != CheckState::Met);
        unmet.map(|check| (check.what, check.state)).collect::<Vec<_>>()
    };
    let one = || Some(vec!["x".to_owned()]);
    let cases = [
        (Situation { dose: Err(NoDose::NoData), ..fine() }, What::Surplus, Unknown),
        (Situation { dose: Err(NoDose::TooShort { bad: 1 }), ..fine() }, What::Surplus, NotMet),
        (Situation { is_fresh: None, ..fine() }, What::FreshData, Unknown),
        (
            Situation { frozen_by: Some(Some("month's end".into())), ..fine() },
            What::NoFreeze,
            NotMet,
        ),
        (Situation { frozen_by: None, ..fine() }, What::NoFreeze, Unknown),
        (Situation { incidents: one(), ..fine() }, What::NoIncident, NotMet),
        (Situation { observed: None, ..fine() }, What::NoChangeObserved, Unknown),
        (Situation { drills: one(), ..fine() }, What::NoOtherDrill, NotMet),
        (Situation { unmanned: Some(now), ..fine() }, What::StaffedHours, NotMet),
        (Situation { team: Some(&nights), ..fine() }, What::StaffedHours, NotMet),
        (Situation { window: None, ..fine() }, What::NearEnd, NotMet),
        (Situation { dependants: None, ..fine() }, What::DependantsTold, Unknown),
        (Situation { told: Vec::new(), ..fine() }, What::DependantsTold, NotMet),
        (Situation { silenced: Some(false), ..fine() }, What::OwnAlertsSilenced, NotMet),
        (Situation { guarded: None, ..fine() }, What::Guarded, Unknown),
    ];
    for (changed, what, state) in cases {
        assert_eq!(held_up(changed), [(what, state)]);
    }
    let late = situation(now.plus(Duration::from_hours(6)), some.clone());
    assert_eq!(held_up(late), [(What::StaffedHours, NotMet)]);
    let early = fine();
    let window = Interval::new(now, now.plus(Duration::from_days(15))).ok();
    assert_eq!(held_up(Situation { window, ..early }), [(What::NearEnd, NotMet)]);
    let mut short = fine();
    short.told[1].1 = now.minus(Duration::from_hours(23));
    assert_eq!(held_up(short), [(What::DependantsTold, NotMet)], "told too late");
}
