//! Several objectives joined into one promise.

use flyball_budget::composite::joint_target;
use flyball_budget::report::{CompositeReport, IndicatorSeries};
use flyball_budget::{BudgetError, Measured, Series, Status, assess};
use flyball_model::{BudgetingMethod, Composition, NoDataRule, Objective, Rational, Slot, Tally};
use proptest::prelude::*;

use crate::support::{at, close, duration, history, objective, rolling, share, slo, span, target};

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
    assert_eq!((budget.valid, budget.bad), (10, 3));
    assert_eq!((joint.target.to_string(), joint.slice_width), ("70%".to_owned(), duration("1m")));
    assert_eq!(status, Status::Met);
    // Half the window is not wholly known, because one part is silent.
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
fn a_part_that_is_always_silent_leaves_the_whole_unknown_unless_it_is_missed() {
    let status = |bad, silence| {
        let parts = vec![(history("1m", &[(10, 10, bad)]), objective("0.9"))];
        let silent = vec![(Series::empty(duration("1m")), objective("0.9"))];
        let parts: Vec<_> = parts.into_iter().chain(silent).collect();
        let mut slo = slo(BudgetingMethod::Occurrences, rolling("10m"), vec![]);
        let (series, objectives): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        slo.objectives = objectives;
        slo.composition = Some(Composition::AllOf);
        slo.no_data = silence;
        let indicators =
            series.into_iter().map(|total| IndicatorSeries { total, slices: Vec::new() }).collect();
        let span = span(0, 600);
        assess(&slo, &Measured { indicators }, &[], span.end(), span).unwrap().status
    };
    assert_eq!(status(0, NoDataRule::Gap), Status::NoData);
    assert_eq!(status(2, NoDataRule::Gap), Status::Missed);
    assert_eq!(status(0, NoDataRule::Good), Status::Met);
    assert_eq!(status(0, NoDataRule::Bad), Status::Missed);
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
    /// The width of the slots that events are counted in has no say.
    #[test]
    fn all_of_is_the_same_in_finer_slots(
        // Seconds of ten minutes, each with an event of one component, mostly good.
        events in proptest::collection::vec((0i64..600, proptest::bool::ANY, 0u8..8), 1..80),
    ) {
        let composite = |width: &str| {
            let series = |second: bool| {
                let own = events.iter().filter(|(_, of, _)| *of == second);
                let tallies = own.map(|(at_second, _, good)| {
                    let slot = Slot::of(at(*at_second), duration(width));
                    (slot, Tally::new(1, u64::from(*good > 0)).unwrap())
                });
                Series::new(duration(width), tallies).unwrap()
            };
            let parts = vec![(series(false), objective("0.9")), (series(true), objective("0.8"))];
            joined(Composition::AllOf, BudgetingMethod::Occurrences, parts).unwrap().0
        };
        let expected = composite("1m");
        for width in ["30s", "20s", "10s", "4s", "1s"] {
            prop_assert_eq!(&composite(width), &expected, "{}", width);
        }
    }

    /// If every component keeps its promise, the all-of composite does, whatever is silent.
    #[test]
    fn all_of_with_silence_is_missed_only_when_a_part_is(
        // 0 is silent, 1 bad, more is good.
        minutes in proptest::collection::vec((0u8..5, 0u8..5), 10),
        tenths in (1u64..10, 1u64..10),
    ) {
        let series = |which: fn(&(u8, u8)) -> u8| {
            let told = minutes.iter().map(which).enumerate().filter(|(_, state)| *state > 0);
            let tallies = told.map(|(minute, state)| {
                let tally = Tally::new(1, u64::from(state > 1)).unwrap();
                (Slot(i64::try_from(minute).unwrap()), tally)
            });
            Series::new(duration("1m"), tallies).unwrap()
        };
        let parts = vec![
            (series(|m| m.0), weighing(&format!("0.{}", tenths.0), "1")),
            (series(|m| m.1), weighing(&format!("0.{}", tenths.1), "1")),
        ];
        let kept = |states: Vec<u8>, tenths: u64| {
            let count = |from| states.iter().filter(|state| **state >= from).count() as u64;
            10 * count(2) >= tenths * count(1)
        };
        let each = kept(minutes.iter().map(|m| m.0).collect(), tenths.0)
            && kept(minutes.iter().map(|m| m.1).collect(), tenths.1);
        let (_, status) = joined(Composition::AllOf, BudgetingMethod::Timeslices, parts).unwrap();
        prop_assert!(!each || status != Status::Missed);
    }

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
