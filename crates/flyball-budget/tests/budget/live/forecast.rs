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
