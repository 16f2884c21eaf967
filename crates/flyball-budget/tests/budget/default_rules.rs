//! The rules of an SLO that says nothing: which apply over its window, and what evidence it takes to
//! call somebody, and to call again.

use flyball_budget::alert::{Firing, default_rules, evaluate, multi_window};
use flyball_budget::{Account, Frame};
use flyball_model::{AlertRule, BudgetingMethod};

use crate::support::{close, history, objective, rolling};

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

/// The page of an hour of an SLO that says nothing.
fn by_default() -> AlertRule {
    default_rules(&rolling("30d")).rules.swap_remove(1)
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
    let firings = fire(&after, &by_default());
    assert_eq!(minutes(&firings), [(1441, Some(1465))]);
    // As published, without evidence, it calls twice.
    let published = minutes(&fire(&after, &multi_window(None)[0]));
    assert_eq!(published, [(1441, Some(1465)), (1471, Some(1476))]);
}

#[test]
fn an_incident_that_comes_back_calls_again_at_once() {
    // Ten failures among those since 1465 are evidence by themselves.
    let back = [DAY, OUTAGE, (10, 10, 0), OUTAGE, (20, 10, 0)];
    let firings = minutes(&fire(&back, &by_default()));
    assert_eq!(firings, [(1441, Some(1465)), (1471, Some(1495))]);
    // Two failures a minute are 2 of 60 after the first, seen by chance at 0.4 % once in 41 times;
    // asked for is once in 1,000.
    let slow = [DAY, OUTAGE, (10, 10, 0), (30, 10, 2), (20, 10, 0)];
    let firings = minutes(&fire(&slow, &by_default()));
    assert_eq!(firings[0], (1441, Some(1465)));
    assert_eq!(firings[1].0, 1472, "4 of 70");
}

#[test]
fn other_evidence_lets_a_first_call_through_as_before() {
    // Nothing came before, so the whole lookback speaks: 10 of 600 are seen by chance at a burn of 4
    // once in 5,000 times.
    let firings = fire(&[DAY, OUTAGE, (10, 10, 0)], &by_default());
    assert_eq!((firings.len(), firings[0].bad), (1, 10));
    // Smallest numbers are asked of the whole lookback once, of what is fresh only the bad ones:
    // else traffic of ten a minute would need 50 minutes for a second call.
    let mut rule = by_default();
    rule.evidence = rule.evidence.map(|asked| flyball_model::Evidence { valid_min: 500, ..asked });
    let back = [DAY, OUTAGE, (10, 10, 0), OUTAGE, (20, 10, 0)];
    assert_eq!(fire(&back, &rule).len(), 2);
}

#[test]
fn default_rules_by_window() {
    let names = |window: &str| {
        let defaults = default_rules(&rolling(window));
        let left_out: Vec<_> =
            defaults.left_out.iter().map(|(rule, factor)| (rule.name.clone(), *factor)).collect();
        let rules: Vec<_> = defaults.rules.into_iter().map(|rule| rule.name).collect();
        (rules, left_out)
    };
    let all = ["burn-15m-5m", "burn-1h-5m", "burn-6h-30m", "burn-1d-2h", "burn-3d-6h"];
    for window in ["90d", "30d", "28d", "27d"] {
        let (rules, left_out) = names(window);
        assert_eq!((&rules[..], left_out.len()), (&all.map(String::from)[..], 0), "{window}");
    }
    // Over a week the tickets would call at burns of 0.7 and 0.23.
    let (rules, left_out) = names("7d");
    assert_eq!(rules, all[..3]);
    assert_eq!(left_out[0], (all[3].to_owned(), 0.7));
    close(left_out[1].1, 0.7 / 3.0, 1e-12);
    // Over a day the pages, too, at 0.48 and 0.2.
    let (rules, left_out) = names("1d");
    assert_eq!(rules, Vec::<String>::new());
    let factors: Vec<f64> = left_out.iter().map(|(_, factor)| *factor).collect();
    assert_eq!(factors[..3], [0.48, 0.48, 0.2]);
}

#[test]
fn the_prompt_pair_calls_at_a_quarter_of_the_cost() {
    let rules = default_rules(&rolling("30d")).rules;
    // 100 a minute of which 5 fail: a burn of 50, 0.5 % of the budget in 4.3 minutes.
    let spell = [(1440, 100, 0), (60, 100, 5)];
    assert_eq!(fire(&spell, &rules[0])[0].start.nanos() / 60_000_000_000, 1445);
    assert_eq!(fire(&spell, &rules[1])[0].start.nanos() / 60_000_000_000, 1458);
}

#[test]
fn a_burn_right_above_the_factor_is_evident_at_once() {
    // Of 6,000 an hour 90 fail: 1.5 % is a burn of 15, and 90 would come by chance at 14.4 in every
    // third hour, at 4 never. So the evidence costs nothing.
    let spell = [(1440, 100, 0), (120, 200, 3)];
    let published = fire(&spell, &multi_window(None)[0]);
    assert_eq!(minutes(&fire(&spell, &by_default())), minutes(&published));
    assert_eq!(published.len(), 1);
}
