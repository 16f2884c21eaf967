//! Simulations against probabilities that have a formula, and what would follow from mitigations.

use statrs::distribution::{DiscreteCDF, Poisson};

use super::*;

const DAYS_30: Duration = Duration::from_days(30);

/// Four standard errors of a share of so many trials.
fn error(share: f64) -> f64 {
    4.0 * (share * (1.0 - share) / TRIALS as f64).sqrt() + 1e-9
}

/// One risk of given length: missed when it fails more often than the budget holds, by the Poisson distribution.
#[test]
fn one_risk_misses_as_a_poisson_process_does() {
    // 43.2 minutes of budget in 30 days; failures of 10 minutes, 4 of which fit.
    for (between, mean) in [("30d", 1.0), ("10d", 3.0), ("5d", 6.0)] {
        let register = register(&[risk("one", &format!("5m 5m 100% {between}"))]);
        let of = simulate(&register, &objective("99.9%", DAYS_30), 7).unwrap();
        let expected = Poisson::new(mean).unwrap().sf(4);
        assert!((of.missed.share - expected).abs() < error(expected), "{between}: {of:?}");
        assert!((of.minutes_a_window / (10.0 * mean) - 1.0).abs() < 0.05, "{of:?}");
    }
}

/// At its boundary an objective is kept: four failures of 10.8 minutes spend 43.2 and no more.
#[test]
fn an_objective_is_kept_at_its_boundary() {
    let at = |between: &str, lasts: &str| {
        let register = register(&[risk("one", &format!("0s {lasts} 100% {between}"))]);
        simulate(&register, &objective("99.9%", DAYS_30), 3).unwrap().missed.share
    };
    let (four, five) = (Poisson::new(3.0).unwrap().sf(4), Poisson::new(3.0).unwrap().sf(3));
    assert!((at("10d", "648s") - four).abs() < error(four));
    assert!((at("10d", "649s") - five).abs() < error(five));
}

/// Two risks against the sum over both of their Poisson distributions.
#[test]
fn two_risks_add_up() {
    let register = register(&[risk("a", "0s 20m 100% 15d"), risk("b", "0s 60m 50% 60d")]);
    let of = simulate(&register, &objective("99.9%", DAYS_30), 11).unwrap();
    let probability = |mean: f64, n: u64| (1..=n).fold((-mean).exp(), |p, k| p * mean / k as f64);
    let mut expected = 0.0;
    for a in 0..40 {
        for b in 0..40 {
            if 20.0 * a as f64 + 30.0 * b as f64 > 43.2 {
                expected += probability(2.0, a) * probability(0.5, b);
            }
        }
    }
    assert!((of.missed.share - expected).abs() < error(expected), "{of:?} {expected}");
    // Without the first, two of the second are needed; without the second, three of the first.
    let bars = tornado(&register, &objective("99.9%", DAYS_30), 11).unwrap();
    assert_eq!(bars.now, of);
    let without = |name: &str| bars.bars.iter().find(|bar| bar.name == name).unwrap();
    let (only_b, only_a) = (Poisson::new(0.5).unwrap().sf(1), Poisson::new(2.0).unwrap().sf(2));
    assert!((without("a").missed_without.share - only_b).abs() < error(only_b));
    assert!((without("b").missed_without.share - only_a).abs() < error(only_a));
    assert_eq!(bars.bars[0].name, "a", "it saves more");
    assert!(bars.bars[0].saves > bars.bars[1].saves && bars.bars[1].saves > 0.0);
}

/// The mean of what is drawn from ranges is the closed mean that the register shows.
#[test]
fn ranges_are_drawn_with_their_means() {
    let rules = serde_json::json!({"service": "shop", "factors": [
        {"name": "slow", "detect": "10m", "frequency": "50%"}]});
    let mut wide = risk("wide", "1m..60m 10m..4h 5%..100% 2d..20d");
    wide.spec.themes.insert("slow".to_owned());
    for register in [register(&[wide.clone()]), ruled(&[wide], rules)] {
        let goal = objective("99.9%", DAYS_30);
        let (drawn, computed) =
            (simulate(&register, &goal, 5).unwrap(), assess(&register, &goal, TODAY).unwrap());
        let expected = computed.risks[0].minutes_a_window;
        assert!((drawn.minutes_a_window / expected - 1.0).abs() < 0.04, "{drawn:?} {expected}");
        let [low, middle, high] = computed.risks[0].minutes_a_year;
        assert!(low < middle && middle < high);
        let quantiles = drawn.minutes_a_window_quantiles;
        assert!(quantiles.is_sorted() && quantiles[1] < drawn.minutes_a_window, "it is skewed");
    }
}

#[test]
fn draws_depend_on_the_seed_alone() {
    let register = register(&[risk("a", "1m..60m 1h 50% 7d..30d"), risk("b", "1h 2h 10% 3d")]);
    let goal = objective("99.5%", DAYS_30);
    let of = |seed| simulate(&register, &goal, seed).unwrap();
    assert_eq!(of(1), of(1));
    assert_ne!(of(1).minutes_a_window, of(2).minutes_a_window);
}

#[test]
fn frequent_failures_are_drawn_too() {
    // 720 failures of 36 seconds: 432 minutes, and a standard deviation of 16.1.
    let register = register(&[risk("flap", "0s 36s 100% 1h")]);
    let of = simulate(&register, &objective("99%", DAYS_30), 2).unwrap();
    assert!((of.minutes_a_window - 432.0).abs() < 1.0, "{of:?}");
    assert!((of.missed.share - 0.5).abs() < 0.03, "432 are allowed: {of:?}");
    let [low, _, high] = of.minutes_a_window_quantiles;
    assert!((high - low - 2.0 * 1.645 * 16.1).abs() < 2.5, "{of:?}");
}

/// Of many failures most are drawn as their sum; its spread is that of a compound Poisson sum, whose variance is the
/// mean number of failures times the mean square of one.
#[test]
fn many_failures_of_ranges_spread_as_their_sum_does() {
    let flap = risk("flap", "10s..10m 1m..30m 1%..60% 6h");
    let of =
        simulate(&register(std::slice::from_ref(&flap)), &objective("90%", DAYS_30), 8).unwrap();
    let spec = &flap.spec;
    let (detect, repair) = (spec.time_to_detect, spec.time_to_repair);
    let both =
        detect.mean_of_square() + repair.mean_of_square() + 2.0 * detect.mean() * repair.mean();
    let (failures, square) = (120.0_f64, both * spec.share_of_users.mean_of_square());
    let deviation = (failures * square).sqrt() / 60.0;
    let mean = failures * (detect.mean() + repair.mean()) * spec.share_of_users.mean() / 60.0;
    assert!((of.minutes_a_window / mean - 1.0).abs() < 0.01, "{of:?} {mean}");
    let [low, _, high] = of.minutes_a_window_quantiles;
    let spread = (high - low) / (2.0 * 1.645);
    assert!((spread / deviation - 1.0).abs() < 0.05, "{spread} {deviation}");
}

/// The largest register is drawn for fewer windows, and its factors for the same ones.
#[test]
fn a_large_register_is_drawn_for_fewer_windows() {
    let risks: Vec<Risk> =
        (0..RISKS_MAX).map(|at| risk(&format!("r{at:03}"), "1m..5m 1m 1% 12h")).collect();
    let factor = |at: usize| serde_json::json!({"name": format!("f{at}"), "everywhere": true, "detect": "1m"});
    let factors: Vec<_> = (0..2).map(factor).collect();
    let rules = serde_json::json!({"service": "shop", "factors": factors});
    let goal = objective("99%", DAYS_30);
    let of = tornado(&ruled(&risks, rules), &goal, 1).unwrap();
    assert!((1_000..TRIALS as u64).contains(&of.now.missed.out_of), "{:?}", of.now);
    assert!(of.bars.iter().all(|bar| bar.missed_without.out_of == of.now.missed.out_of));
    assert_eq!(simulate(&register(&risks[..1]), &goal, 1).unwrap().missed.out_of, TRIALS as u64);
}

#[test]
fn a_register_without_risks_says_nothing() {
    let goal = objective("99.9%", DAYS_30);
    let empty = register(&[]);
    assert_eq!(assess(&empty, &goal, TODAY), None);
    assert_eq!((simulate(&empty, &goal, 1), tornado(&empty, &goal, 1)), (None, None));
    // A risk of another SLO is none of this one.
    let mut other = risk("a", "1m 1h 50% 7d");
    other.spec.slos.insert("fast".to_owned());
    assert_eq!(simulate(&register(&[other]), &goal, 1), None);
}

/// What to fix first is what misses the objective, and not what costs the most minutes: a minute every 36 hours is
/// 20 of 43.2 a month and never misses it, an hour every half year is 10 and always does.
#[test]
fn what_misses_comes_before_what_costs() {
    let register = register(&[risk("flap", "0s 1m 100% 36h"), risk("rare", "0s 60m 100% 180d")]);
    let of = tornado(&register, &objective("99.9%", DAYS_30), 4).unwrap();
    let names: Vec<&str> = of.bars.iter().map(|bar| bar.name.as_str()).collect();
    assert_eq!(names, ["rare", "flap"]);
    assert!(of.bars[0].minutes_a_year[1] < of.bars[1].minutes_a_year[1]);
    let expected = Poisson::new(1.0 / 6.0).unwrap().sf(0);
    assert!((of.now.missed.share - expected).abs() < error(expected), "{of:?}");
    assert!(of.bars[0].missed_without.share < 0.001 && of.bars[0].saves > 0.13, "{of:?}");
}

#[test]
fn a_factor_has_a_bar_of_its_own() {
    let rules = serde_json::json!({"service": "shop", "factors": [
        {"name": "no-measurement", "detect": "2h"}]});
    let mut with = risk("with", "5m 5m 100% 10d");
    with.spec.themes.insert("no-measurement".to_owned());
    let register = ruled(&[with, risk("bare", "5m 5m 100% 10d")], rules);
    let of = tornado(&register, &objective("99.9%", DAYS_30), 1).unwrap();
    let factor = of.bars.iter().find(|bar| bar.of == BarOf::Factor).unwrap();
    // Two hours each, 36.525 times a year.
    assert!((factor.minutes_a_year[1] - 120.0 * 36.525).abs() < 1e-6, "{factor:?}");
    // Without it the two are one process that fails every 5 days for 10 minutes.
    let expected = Poisson::new(6.0).unwrap().sf(4);
    assert!((factor.missed_without.share - expected).abs() < error(expected), "{factor:?}");
}

/// Faster detection, faster repair and softer dependencies: by hand.
#[test]
fn mitigations_change_what_they_say() {
    let before = register(&[risk("a", "30m 90m 80% 10d"), risk("b", "10m..1h 20m..2h 50% 10d")]);
    let done = |mitigation: Mitigation, name: &str| WhatIf {
        mitigation,
        risks: [name.to_owned()].into(),
        themes: BTreeSet::new(),
    };
    let minutes_of = Duration::from_minutes;
    let changed = |done: &WhatIf, at: usize| done.of(&before).unwrap().0.risks()[at].spec.clone();
    let faster = changed(&done(Mitigation::FasterDetection { within: minutes_of(5) }, "a"), 0);
    assert_eq!(faster.time_to_detect, "5m".parse().unwrap());
    assert_eq!(faster.time_to_repair, "90m".parse().unwrap());
    let faster = changed(&done(Mitigation::FasterRepair { within: minutes_of(60) }, "b"), 1);
    assert_eq!(faster.time_to_repair, "20m..1h".parse().unwrap());
    let soft = changed(&done(Mitigation::SoftDependency { share: share("25%") }, "a"), 0);
    assert_eq!(soft.share_of_users, "20%".parse().unwrap());
    let gone = changed(&done(Mitigation::SoftDependency { share: Rational::ZERO }, "a"), 0);
    assert_eq!(gone.share_of_users, "0%".parse().unwrap());
    // A canary of half an hour: what is found after 10 minutes has 20 left, what is found after 30 none.
    let canary = Mitigation::Canary { share: share("10%"), within: minutes_of(30) };
    let canary = changed(&done(canary, "b"), 1);
    assert_eq!(canary.time_to_detect, "10m..30m".parse().unwrap());
    assert!(canary.time_to_repair.high() <= minutes_of(20), "{canary:?}");
    // Nothing becomes worse, and what does not change is refused.
    let slower = done(Mitigation::FasterDetection { within: minutes_of(600) }, "a");
    assert_eq!(slower.of(&before), Err(WhatIfError::Already { names: "`a`".to_owned() }));
    let unknown = done(Mitigation::FasterDetection { within: minutes_of(1) }, "c");
    let wrong = unknown.of(&before).unwrap_err().to_string();
    assert_eq!(wrong, "the register has no risk `c`; hint: it has `a`, `b`");
    let mut themed = done(Mitigation::FasterDetection { within: minutes_of(1) }, "a");
    themed.themes.insert("storage".to_owned());
    assert!(matches!(themed.of(&before), Err(WhatIfError::Theme { .. })));
}

/// What is done within a time is done within it with factors as well: by hand, a failure of all users every ten days.
#[test]
fn factors_delay_nothing_past_what_is_done_within() {
    let everywhere = |detect: &str, repair: &str| {
        let factor = serde_json::json!({
            "name": "alerts", "everywhere": true, "detect": detect, "repair": repair,
        });
        let rules = serde_json::json!({"service": "shop", "factors": [factor]});
        ruled(&[risk("a", "30m 90m 100% 10d")], rules)
    };
    let after = |register: &Register, mitigation: Mitigation| {
        let done = WhatIf { mitigation, risks: ["a".to_owned()].into(), themes: BTreeSet::new() };
        let of = what_if(register, &[done], &objective("99%", YEAR), TODAY, 1).unwrap().unwrap();
        assert!(of.missed_after.minutes_a_window <= of.missed_before.minutes_a_window + 1e-9);
        of.after.expected_minutes_a_year / 36.525
    };
    let within = Duration::from_minutes(40);
    let canary = || Mitigation::Canary { share: share("50%"), within };
    for (detect, repair, lasts) in [("30m", "0s", 40.0), ("50m", "5m", 40.0), ("1s", "0s", 40.0)] {
        let expected = after(&everywhere(detect, repair), canary());
        assert!((expected - lasts / 2.0).abs() < 1e-9, "{detect} {repair}: {expected}");
    }
    let faster = Mitigation::FasterDetection { within };
    // Ninety minutes of repair and what is added to them.
    assert!((after(&everywhere("30m", "1m"), faster.clone()) - 131.0).abs() < 1e-9);
    assert!((after(&everywhere("2h", "1m"), faster) - 131.0).abs() < 1e-9);
    let faster = Mitigation::FasterRepair { within };
    assert!((after(&everywhere("1m", "2h"), faster) - 71.0).abs() < 1e-9);
}

/// Several together, by hand: each acts on what those before it leave.
#[test]
fn what_is_done_together_is_held_against_what_is_left() {
    let before = register(&[risk("a", "30m 90m 100% 10d"), risk("b", "10m 50m 100% 10d")]);
    let step = |mitigation: Mitigation, names: &[&str]| WhatIf {
        mitigation,
        risks: names.iter().map(|name| (*name).to_owned()).collect(),
        themes: BTreeSet::new(),
    };
    let within = Duration::from_minutes;
    // 120 minutes become 30, and of half of the users: 15. Of the other 60 become 20.
    let steps = [
        step(Mitigation::FasterDetection { within: within(10) }, &["a"]),
        step(Mitigation::FasterRepair { within: within(20) }, &["a"]),
        step(Mitigation::SoftDependency { share: share("50%") }, &["a"]),
        step(Mitigation::Canary { share: share("100%"), within: within(20) }, &["b"]),
    ];
    let goal = objective("99%", YEAR);
    let of = what_if(&before, &steps, &goal, TODAY, 1).unwrap().unwrap();
    assert_eq!(of.risks, ["a", "b"]);
    let expected = (120.0 - 15.0 + 60.0 - 20.0) * 36.525;
    assert!((of.saves_minutes_a_year - expected).abs() < 1e-6, "{}", of.saves_minutes_a_year);
    // One alone saves less, and one that says no less than those before it is refused.
    let one = what_if(&before, &steps[..1], &goal, TODAY, 1).unwrap().unwrap();
    assert!((one.saves_minutes_a_year - 20.0 * 36.525).abs() < 1e-6);
    let again = [steps[0].clone(), steps[0].clone()];
    let refused = what_if(&before, &again, &goal, TODAY, 1).unwrap_err();
    assert_eq!(refused, WhatIfError::Already { names: "`a`".to_owned() });
    assert_eq!(what_if(&before, &[], &goal, TODAY, 1), Err(WhatIfError::Nothing));
}

/// An objective whose budget is spent by other risks alone is as it was.
#[test]
fn an_objective_that_is_not_touched_is_left_out() {
    let mut of_one = risk("a", "30m 90m 100% 10d");
    of_one.spec.slos.insert("fast".to_owned());
    let before = register(&[of_one, risk("b", "10m 50m 100% 10d")]);
    let goal = objective("99%", YEAR);
    assert_ne!(goal.slo, "fast");
    let step = |name: &str| WhatIf {
        mitigation: Mitigation::FasterDetection { within: Duration::from_minutes(1) },
        risks: [name.to_owned()].into(),
        themes: BTreeSet::new(),
    };
    assert_eq!(what_if(&before, &[step("a")], &goal, TODAY, 1), Ok(None));
    let both = what_if(&before, &[step("a"), step("b")], &goal, TODAY, 1).unwrap().unwrap();
    assert_eq!(both.risks, ["b"]);
}

#[test]
fn a_difference_is_over_the_same_luck() {
    let before = register(&[risk("a", "30m 90m 100% 10d"), risk("b", "5m 5m 100% 10d")]);
    let done = WhatIf {
        mitigation: Mitigation::FasterDetection { within: Duration::from_minutes(1) },
        risks: ["b".to_owned()].into(),
        themes: BTreeSet::new(),
    };
    let goal = objective("99.9%", DAYS_30);
    let of = what_if(&before, std::slice::from_ref(&done), &goal, TODAY, 1).unwrap().unwrap();
    assert!((of.saves_minutes_a_year - 4.0 * 36.525).abs() < 1e-6, "{of:?}");
    assert!(of.missed_after.missed.share <= of.missed_before.missed.share);
    assert_eq!(of.risks, ["b"]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// No mitigation makes an objective likelier to be missed, whatever the risk and the luck.
    #[test]
    fn no_mitigation_harms(
        detect in 1u32..300, more in 0u32..300, repair in 1u32..300, hit in 1u64..100, days in 1u32..60,
        within in 1u32..400, part in 1u64..100, seed: u64, kind in 0..4,
    ) {
        let inputs = format!("{detect}m..{}m {repair}m {hit}% {days}d", detect + more);
        let before = register(&[risk("a", &inputs), risk("b", "5m 20m 50% 20d")]);
        let (within, share) = (Duration::from_minutes(within), Rational::new(part, 100).unwrap());
        let mitigation = match kind {
            0 => Mitigation::Canary { share, within },
            1 => Mitigation::FasterDetection { within },
            2 => Mitigation::FasterRepair { within },
            _ => Mitigation::SoftDependency { share },
        };
        let done = WhatIf { mitigation, risks: ["a".to_owned()].into(), themes: BTreeSet::new() };
        let goal = objective("99.9%", DAYS_30);
        if let Ok(Some(of)) = what_if(&before, std::slice::from_ref(&done), &goal, TODAY, seed) {
            proptest::prop_assert!(of.saves_minutes_a_year >= -1e-6);
            proptest::prop_assert!(of.missed_after.missed.of <= of.missed_before.missed.of);
        }
    }

    /// The exact ends hold the mean, and a second computation in doubles agrees with them.
    #[test]
    fn costs_agree_with_the_formula_in_doubles(
        detect in 0u32..3_000, repair in 1u32..3_000, parts in 1u64..=1_000_000, days in 1u32..3_000,
        adds in 0u32..600, frequency in 0u64..=100,
    ) {
        let share = f64::from(u32::try_from(parts).unwrap()) / 1e6;
        let mut one = risk("a", &format!("{detect}m {repair}m 100% {days}d"));
        one.spec.share_of_users = Range::point(Rational::new(parts, 1_000_000).unwrap());
        let rules = serde_json::json!({"service": "shop", "factors": [{"name": "f", "everywhere": true,
            "detect": format!("{adds}m"), "repair": "1s", "frequency": format!("{frequency}%")}]});
        let cost = ruled(&[one.clone()], rules).cost(&one.spec);
        let lasts = f64::from(detect) + f64::from(repair) + f64::from(adds) + 1.0 / 60.0;
        let naive = lasts * share / (f64::from(days) * 1_440.0) * (1.0 + frequency as f64 / 100.0);
        proptest::prop_assert!((cost.mean / naive - 1.0).abs() < 1e-9);
        proptest::prop_assert!(cost.is_certain());
    }
}
