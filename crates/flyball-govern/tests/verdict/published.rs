//! Cases in which a widely used judge, by the Mann-Whitney test, errs according to its users; the
//! values are theirs.

use flyball_govern::verdict::{Answer, RankVerdict, Why, Worse, rank};

const ERRORS: (f64, f64) = (0.05, 0.05);

fn judged(control: &[f64], candidate: &[f64]) -> RankVerdict {
    rank(control, candidate, Worse::Higher, 1.05, ERRORS).unwrap()
}

/// `values`, `times` over: the same observed for longer.
fn longer(values: &[f64], times: usize) -> Vec<f64> {
    values.repeat(times)
}

/// spinnaker/spinnaker#6278: seven of ten values are a hundred times as high, and it passes there.
#[test]
fn a_partial_regression_is_found() {
    let control = [1.0; 10];
    let candidate = [100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 1.0, 1.0, 1.0];
    let verdict = judged(&control, &candidate);
    assert_eq!((verdict.answer, verdict.why), (Answer::Regressed, Why::Worse), "{verdict:?}");
    assert_eq!(verdict.superiority, Some(0.85));
    assert!(verdict.factor_range.low > 1.05);
}

/// spinnaker/kayenta#426: mostly zeros. Three of six past nothing but zeros happens to equals once
/// in eleven times, so six values cannot decide; that is not a pass, and a little later it is decided.
#[test]
fn sparse_values_do_not_pass() {
    let control = [0.0; 6];
    let candidate = [0.0, 1.0, 2.0, 1.0, 0.0, 0.0];
    let verdict = judged(&control, &candidate);
    assert_eq!(
        (verdict.answer, verdict.why),
        (Answer::Undecided, Why::TooLittleData),
        "{verdict:?}"
    );
    let verdict = judged(&longer(&control, 3), &longer(&candidate, 3));
    assert_eq!(verdict.answer, Answer::Regressed, "{verdict:?}");
}

const SPREAD: [f64; 15] =
    [1.0, 100.0, 4.0, 101.0, 5.0, 102.0, 6.0, 103.0, 7.0, 104.0, 8.0, 105.0, 9.0, 106.0, 17.0];
const NARROW: [f64; 15] =
    [10.0, 10.1, 10.2, 10.3, 10.4, 10.5, 10.6, 17.0, 17.1, 17.2, 17.3, 17.4, 17.5, 17.6, 17.7];

/// spinnaker/kayenta#780: the spread differs, the medians hardly do.
#[test]
fn a_change_of_the_spread_is_seen() {
    // More spread: half of the values are six times as high as any of the control's.
    let verdict = judged(&NARROW, &SPREAD);
    assert_eq!(
        (verdict.answer, verdict.superiority),
        (Answer::Regressed, Some(0.5)),
        "{verdict:?}"
    );
    // Less spread, as published: bad news where lower values are.
    let verdict = judged(&SPREAD, &NARROW);
    assert_eq!(verdict.answer, Answer::Undecided, "{verdict:?}");
    let lower = |times| {
        let (control, candidate) = (longer(&SPREAD, times), longer(&NARROW, times));
        rank(&control, &candidate, Worse::Lower, 1.05, ERRORS).unwrap()
    };
    assert_ne!(lower(1).answer, Answer::Healthy);
}

#[test]
fn constants_are_compared_without_noise() {
    let verdict = judged(&[5.0; 60], &[5.0; 90]);
    assert_eq!(verdict.answer, Answer::Healthy, "{verdict:?}");
    let verdict = judged(&[5.0; 20], &[6.0; 10]);
    assert_eq!(verdict.answer, Answer::Regressed, "{verdict:?}");
    assert!(verdict.factor_range.low > 1.19 && verdict.factor_range.low < 1.201, "{verdict:?}");
    // Equal constants and no tolerance: neither can ever be claimed.
    let verdict = rank(&[5.0; 60], &[5.0; 200], Worse::Higher, 1.0, ERRORS).unwrap();
    assert_eq!(verdict.answer, Answer::Undecided);
}

#[test]
fn one_huge_value_does_not_decide() {
    let control: Vec<f64> = (0..50).map(|index| 10.0 + f64::from(index % 7)).collect();
    let mut candidate = control.clone();
    candidate[3] = 1e12;
    assert_ne!(judged(&control, &candidate).answer, Answer::Regressed);
}

#[test]
fn absence_is_not_health() {
    let verdict = judged(&[], &[1.0]);
    assert_eq!((verdict.answer, verdict.why), (Answer::Undecided, Why::NoBaseline));
    let verdict = judged(&[1.0], &[]);
    assert_eq!((verdict.answer, verdict.why), (Answer::Undecided, Why::NoData));
    assert!(rank(&[f64::NAN], &[1.0], Worse::Higher, 1.1, ERRORS).is_err());
    assert!(rank(&[1.0], &[1.0], Worse::Higher, 0.9, ERRORS).is_err());
    assert!(rank(&[1.0], &[1.0], Worse::Higher, 1.1, (0.0, 0.05)).is_err());
}
