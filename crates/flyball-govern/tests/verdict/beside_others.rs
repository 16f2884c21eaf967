//! What others say where nothing changed, and that they are asked correctly.

use flyball_govern::verdict::{Answer, Comparison, Pairing, Settings, judge};
use flyball_model::Rational;

use crate::peers::{mann_whitney, mann_whitney_watched, ratios, threshold_watched};
use crate::traffic::{Shape, Traffic};

#[test]
fn the_rank_sum_test_says_what_tables_say() {
    // U = 16 of 16, z = (16 - 8 - 0.5) / sqrt(12) = 2.165.
    let p = mann_whitney(&[1.0, 2.0, 3.0, 4.0], &[10.0, 20.0, 30.0, 40.0]);
    assert!((p - 0.015_19).abs() < 1e-4, "{p}");
    assert_eq!(mann_whitney(&[1.0; 5], &[1.0; 5]), 1.0);
    let tied = mann_whitney(&[1.0, 1.0, 2.0], &[1.0, 2.0, 2.0]);
    assert!((0.3..0.5).contains(&tied), "{tied}");
}

/// One draw of a service that did not change: what the rank-sum test, a threshold and we say of it.
fn draw(seed: u64, shape: Shape) -> (bool, bool, bool) {
    let settings = Settings::new(Rational::new(1, 100).unwrap(), Rational::ONE).unwrap();
    let mut traffic = Traffic::new(seed, shape);
    let before = traffic.slots(0, 500, 60.0, 0.005);
    let after = traffic.slots(500, 60, 60.0, 0.005);
    let pairing = Pairing::Nearest { horizon: 60 };
    let verdict = judge(&Comparison::before_after(&before, &after, pairing).unwrap(), &settings);
    let near = &before[before.len() - after.len()..];
    (
        mann_whitney_watched(&ratios(near), &ratios(&after), 0.05).is_some(),
        threshold_watched(near, &after, 0.01).is_some(),
        verdict.answer == Answer::Regressed,
    )
}

#[test]
fn tests_for_one_look_do_not_bear_many() {
    let draws: Vec<_> = (0..60).map(|seed| draw(seed, Shape::Clumps)).collect();
    let rank_sum = draws.iter().filter(|draw| draw.0).count();
    let threshold = draws.iter().filter(|draw| draw.1).count();
    let ours = draws.iter().filter(|draw| draw.2).count();
    // More than seven of sixty have a probability of 1.4 % where one in twenty is kept.
    assert!(rank_sum > 7 && threshold > 7, "{rank_sum} and {threshold} of 60");
    assert!(ours <= 3, "{ours} of 60");
}
