//! Several objectives joined into one promise.

use flyball_budget::composite::joint_target;
use flyball_budget::report::{CompositeReport, IndicatorSeries};
use flyball_budget::{BudgetError, Measured, Series, Status, assess};
use flyball_model::{BudgetingMethod, Composition, Objective, Rational};
use proptest::prelude::*;

use crate::support::{close, duration, history, objective, rolling, share, slo, span, target};

fn joined(
    composition: Composition,
    method: BudgetingMethod,
    parts: Vec<(Series, Objective)>,
) -> Result<(CompositeReport, Status), BudgetError> {
    let (series, objectives): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let mut slo = slo(method, rolling("10m"), objectives);
    slo.composition = Some(composition);
    let indicators =
        series.into_iter().map(|total| IndicatorSeries { total, slices: Vec::new() }).collect();
    let span = span(0, 600);
    let report = assess(&slo, &Measured { indicators }, &[], span.end(), span)?;
    Ok((report.composite.unwrap(), report.status))
}

fn weighing(target: &str, weight: &str) -> Objective {
    Objective {
        weight: share(weight),
        timeslice_window: Some(duration("1m")),
        timeslice_target: Some(Rational::ONE),
        ..objective(target)
    }
}

#[test]
fn weights_average_what_each_spent() {
    // 40 % of one budget and 160 % of the other: 100 % at equal weights, which is just kept.
    let parts = |weight| {
        vec![
            (history("1m", &[(10, 1000, 4)]), weighing("0.99", "1")),
            (history("1m", &[(10, 100, 16)]), weighing("0.9", weight)),
        ]
    };
    let both = |weight| joined(Composition::Weighted, BudgetingMethod::Occurrences, parts(weight));
    let (CompositeReport::Weighted(even), status) = both("1").unwrap() else { panic!() };
    assert_eq!(status, Status::Met);
    close(even.spent_share.unwrap(), 1.0, 1e-12);
    let (CompositeReport::Weighted(heavy), status) = both("1.000000001").unwrap() else { panic!() };
    assert_eq!((heavy.status, status), (Status::Missed, Status::Missed));
    let (CompositeReport::Weighted(light), _) = both("0").unwrap() else { panic!() };
    close(light.spent_share.unwrap(), 0.4, 1e-12);
}

#[test]
fn shortfalls_of_ratio_timeslices_add_up() {
    // OpenSLO: 95 % and 95 % make 90 %.
    let parts = |bad| {
        vec![
            (history("1m", &[(10, 100, 5)]), weighing("0.95", "1")),
            (history("1m", &[(10, 100, bad)]), weighing("0.95", "1")),
        ]
    };
    let method = BudgetingMethod::RatioTimeslices;
    let (CompositeReport::Weighted(kept), _) =
        joined(Composition::Weighted, method, parts(5)).unwrap()
    else {
        panic!()
    };
    close(kept.sli.unwrap(), 0.9, 1e-12);
    close(kept.target.unwrap(), 0.9, 1e-12);
    assert_eq!(kept.status, Status::Met);
    let (CompositeReport::Weighted(missed), _) =
        joined(Composition::Weighted, method, parts(6)).unwrap()
    else {
        panic!()
    };
    assert_eq!(missed.status, Status::Missed);
}

#[test]
fn all_of_takes_a_slice_as_bad_when_any_part_is() {
    // Minutes 0-1 bad in the first, 1-2 in the second, 5-9 silent in the second.
    let first = history("1m", &[(2, 10, 10), (8, 10, 0)]);
    let second = history("1m", &[(1, 10, 0), (2, 10, 10), (2, 10, 0)]);
    let (CompositeReport::AllOf(joint), status) = joined(
        Composition::AllOf,
        BudgetingMethod::Timeslices,
        vec![(first, weighing("0.9", "1")), (second, weighing("0.8", "1"))],
    )
    .unwrap() else {
        panic!()
    };
    let budget = &joint.total.budget;
    assert_eq!((budget.valid, budget.bad), (5, 3));
    assert_eq!(joint.target.to_string(), "70%");
    assert_eq!(status, Status::Missed);
    // Half the window is unknown, because one part is silent.
    assert_eq!((joint.total.coverage.observed, joint.total.coverage.expected), (5, 10));
}

#[test]
fn a_silent_part_leaves_a_weighted_whole_unknown() {
    let parts = vec![
        (history("1m", &[(10, 10, 0)]), weighing("0.9", "1")),
        (Series::empty(duration("1m")), weighing("0.9", "1")),
    ];
    let (_, status) = joined(Composition::Weighted, BudgetingMethod::Occurrences, parts).unwrap();
    assert_eq!(status, Status::NoData);
}

#[test]
fn nothing_to_join_is_refused() {
    let weightless = vec![(history("1m", &[(10, 10, 0)]), weighing("0.9", "0"))];
    let error = joined(Composition::Weighted, BudgetingMethod::Occurrences, weightless);
    assert_eq!(error.unwrap_err(), BudgetError::EmptyComposite);
}

#[test]
fn joint_targets_never_fall_below_zero() {
    assert_eq!(joint_target([target("0.99"), target("0.95")]).to_string(), "94%");
    assert_eq!(joint_target([target("0.4"), target("0.4")]).to_string(), "0%");
}

proptest! {
    /// If every component keeps its promise, the all-of composite does.
    #[test]
    fn all_of_is_missed_only_when_a_part_is(
        minutes in proptest::collection::vec((proptest::bool::ANY, proptest::bool::ANY), 10),
        tenths in (1u64..10, 1u64..10),
    ) {
        let series = |which: fn(&(bool, bool)) -> bool| {
            let slots: Vec<_> = minutes.iter().map(|m| (1, 1, u64::from(which(m)))).collect();
            history("1m", &slots)
        };
        let parts = vec![
            (series(|m| m.0), weighing(&format!("0.{}", tenths.0), "1")),
            (series(|m| m.1), weighing(&format!("0.{}", tenths.1), "1")),
        ];
        let kept = |bad: usize, tenths: u64| bad as u64 <= 10 - tenths;
        let each = kept(minutes.iter().filter(|m| m.0).count(), tenths.0)
            && kept(minutes.iter().filter(|m| m.1).count(), tenths.1);
        let (_, status) = joined(Composition::AllOf, BudgetingMethod::Timeslices, parts).unwrap();
        prop_assert!(!each || status == Status::Met);
    }
}
