//! What is to be expected while something fires.

use flyball_budget::forecast::Outlook;

use super::*;

#[test]
fn what_fires_is_forecast_at_its_own_rate() {
    let slo = slo(BudgetingMethod::Occurrences, rolling("10d"), vec![objective("0.9")]);
    let lookbacks = vec![duration("1d")];
    let mut world = World::new(Slo { alert_rules: vec![burn()], lookbacks, ..slo }, vec![], &[]);
    let standing = |world: &World| world.live.standing(&world.plan, &world.ledger).unwrap();
    // Two days of 60 an hour, all good; then an hour of nothing but failures.
    for slot in 0..294 {
        world.events(&[if slot < 288 { (0, 10, 0, 0) } else { (0, 0, 10, 0) }]);
        world.tick(600).unwrap();
        if slot == 288 {
            assert_eq!(standing(&world).forecast_firing, None);
            assert!(world.live.readings(&world.plan).is_empty());
        }
    }
    world.check().unwrap();
    // 60 of 1,440 of the day are bad, less than the tenth that may be; 60 of 360 of six hours are more. 294 of 2,940
    // may be bad, which 60 are: 234 are left, and 1/6 - 1/10 of 60 an hour are 4 more than may be.
    let now = standing(&world);
    assert_eq!(now.forecast.outlook, Outlook::NotExhausting);
    let firing = now.forecast_firing.as_ref().unwrap();
    assert_eq!((firing.lookback, firing.outlook), (duration("6h"), Outlook::Exhausts));
    assert!((firing.hours.unwrap() - 58.5).abs() < 1e-9, "{firing:?}");
    assert_eq!(now.outlook(), firing);
    // What the lookback spent and what is left are shares of the same: 60 and 234 of 294.
    let readings = world.live.readings(&world.plan);
    let [reading] = readings.as_slice() else { panic!("{readings:?}") };
    assert!((reading.spent_of_window.unwrap() - 60.0 / 294.0).abs() < 1e-9, "{reading:?}");
    assert!((now.budget.remaining_share.unwrap() - 234.0 / 294.0).abs() < 1e-9);
    // At even traffic over ten days it would be a twenty-fourth of that: 5/3 of a fortieth.
    assert!((reading.spent_in_lookback - 1.0 / 24.0).abs() < 1e-9, "{reading:?}");
}

#[test]
fn what_began_just_now_is_forecast_before_anything_fires() {
    let slo = slo(BudgetingMethod::Occurrences, rolling("28d"), vec![objective("0.99")]);
    let lookbacks = vec![duration("10m"), duration("1h"), duration("1d")];
    let mut world = World::new(Slo { alert_rules: Vec::new(), lookbacks, ..slo }, vec![], &[]);
    let standing = |world: &World| world.live.standing(&world.plan, &world.ledger).unwrap();
    // Two days of 60 an hour, of which 28.8 may go bad.
    for _ in 0..288 {
        world.events(&[(0, 10, 0, 0)]);
        world.tick(600).unwrap();
    }
    // One of ten is bad: of so few that may be chance, and at that rate the rest lasts for 30 h.
    world.events(&[(0, 9, 1, 0)]);
    world.tick(600).unwrap();
    assert_eq!(standing(&world).forecast_recent, None);
    // Two times ten minutes of nothing but failures: 21 are bad of the 29.1 that may be.
    for _ in 0..2 {
        world.events(&[(0, 0, 10, 0)]);
        world.tick(600).unwrap();
    }
    world.check().unwrap();
    let now = standing(&world);
    // Of the day 21 of 1,440 are bad, 15 per mille: 0.3 an hour more than may be, for 8.1 that are left.
    assert_eq!(now.forecast.lookback, duration("1d"));
    assert!(now.forecast.hours.is_some_and(|hours| hours > 24.0), "{:?}", now.forecast);
    // Of the last ten minutes all are: 59.4 an hour more than may be.
    let recent = now.forecast_recent.as_ref().unwrap();
    assert_eq!((recent.lookback, recent.outlook), (duration("10m"), Outlook::Exhausts));
    let left = 0.01 * 2_910.0 - 21.0;
    assert!((recent.hours.unwrap() - left / 59.4).abs() < 1e-9, "{recent:?}");
    assert_eq!(now.outlook(), recent);
    // The window is walked once, however many rates there are.
    let reads = |read: &dyn Fn()| {
        let before = world.ledger.reads.get();
        read();
        world.ledger.reads.get() - before
    };
    let usual = reads(&|| assert!(world.live.forecast(&world.plan, &world.ledger).is_ok()));
    assert!(usual > 0, "nothing settles it before");
    assert_eq!(reads(&|| assert!(standing(&world).forecast_recent.is_some())), usual);
    // Once it is over, what began just now is over as well: the last hour goes on to say it until it has passed.
    world.events(&[(0, 10, 0, 0)]);
    world.tick(600).unwrap();
    let after = standing(&world);
    assert_eq!(after.outlook().lookback, duration("1h"));
    for _ in 0..6 {
        world.events(&[(0, 10, 0, 0)]);
        world.tick(600).unwrap();
    }
    assert_eq!(standing(&world).forecast_recent, None);
}
