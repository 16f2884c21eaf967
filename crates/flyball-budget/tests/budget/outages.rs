//! What a rule is said to do about a total outage, against what it does.

use flyball_budget::alert::{EVIDENCE_DEFAULT, evaluate, multi_window, outage};
use flyball_budget::{Account, Frame, Series};
use flyball_model::{AlertRule, BudgetingMethod, Duration, Objective, Rational};

use crate::support::{duration, history, objective, rolling, share, span};

/// Seconds from the start of an outage as long as the lookbacks to the call, and from its end to
/// the alert's, as evaluated in slots of 10 s at a million events each.
fn happens(
    rule: &AlertRule,
    objective: &Objective,
    method: BudgetingMethod,
) -> Option<(f64, Option<f64>)> {
    let slots = |hours: u64| usize::try_from(hours * 360).unwrap();
    let hours = 9;
    let many = 1_000_000;
    let stretches = [(slots(hours), many, 0), (slots(hours), many, many), (slots(hours), many, 0)];
    let series: Series = history("10s", &stretches);
    let length = i64::try_from(3 * hours).unwrap() * 3600;
    let span = span(0, length);
    let account = Account::new(&series, method, objective, &Frame::plain(span)).unwrap();
    let rules = std::slice::from_ref(rule);
    let window = rolling("30d");
    let firings = evaluate(&account, objective.target, &window, rules, span).unwrap();
    let firing = firings.first()?;
    let seconds = |from: i64, at: flyball_model::Timestamp| {
        at.since(crate::support::at(from)).as_seconds_f64()
    };
    Some((seconds(length / 3, firing.start), firing.end.map(|end| seconds(2 * length / 3, end))))
}

#[test]
fn an_outage_is_told_as_it_is_evaluated() {
    let mut compared = 0;
    for method in [
        BudgetingMethod::Occurrences,
        BudgetingMethod::Timeslices,
        BudgetingMethod::RatioTimeslices,
    ] {
        for target in ["0.9", "0.99", "0.999"] {
            for width in ["1m", "5m"] {
                for (evidence, hold) in
                    [(None, "0s"), (Some(EVIDENCE_DEFAULT), "0s"), (Some(EVIDENCE_DEFAULT), "7m")]
                {
                    let objective = Objective {
                        timeslice_window: Some(duration(width)),
                        timeslice_target: Some(share("0.95")),
                        ..objective(target)
                    };
                    for rule in multi_window(evidence).into_iter().take(2) {
                        let hold = Duration::parse(hold).unwrap_or(Duration::ZERO);
                        let rule = AlertRule { hold, ..rule };
                        let told = outage(&rule, &objective, method, &rolling("30d"));
                        let Some(told) = told else { continue };
                        let what = format!("{method:?} {target} {width} {rule:?}: {told:?}");
                        let happened = happens(&rule, &objective, method);
                        let Some(detection) = told.detection else {
                            assert_eq!(happened, None, "{what}");
                            continue;
                        };
                        let (seen, over) = happened.expect(&what);
                        // Events are looked at every 10 s; slices when they end, which is exact.
                        let late = if method == BudgetingMethod::Occurrences { 10.0 } else { 0.0 };
                        let near = |told: f64, happened: f64| {
                            (told - 1e-6..=told + late + 1e-6).contains(&happened)
                        };
                        assert!(near(detection, seen), "{what}, not {seen}");
                        assert!(near(told.reset, over.unwrap()), "{what}, not {over:?}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 60, "{compared}");
}

#[test]
fn too_few_slices_never_call() {
    // Two slices that fail are likely enough where one in seven may.
    let objective = Objective {
        timeslice_window: Some(duration("30m")),
        timeslice_target: Some(Rational::ONE),
        ..objective("0.99")
    };
    let [rule, ..] = &multi_window(Some(EVIDENCE_DEFAULT))[..] else { panic!() };
    let flyball_model::Condition::Burn { long, factor, comparison, .. } = rule.condition else {
        panic!()
    };
    let condition = flyball_model::Condition::Burn { long, short: None, factor, comparison };
    let rule = AlertRule { condition, ..rule.clone() };
    let method = BudgetingMethod::Timeslices;
    let told = outage(&rule, &objective, method, &rolling("30d")).unwrap();
    assert_eq!((told.detection, told.reset), (None, 3600.0));
    assert_eq!(happens(&rule, &objective, method), None);
}
