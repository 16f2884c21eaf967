//! Alert evaluation against a second implementation that looks at every slot end from scratch.

use std::collections::BTreeMap;

use flyball_budget::alert::evaluate;
use flyball_budget::{Account, Frame, Series};
use flyball_model::{
    AlertRule, BudgetingMethod, CalendarUnit, CalendarWindow, Comparison, Condition, Duration,
    Evidence, Factor, Objective, Rational, Severity, Slot, Tally, Target, Window,
};
use proptest::prelude::*;

use crate::support::{objective, span};

/// Units by hour: (valid, bad), both times twelve under `RatioTimeslices` so that they are whole.
type Units = BTreeMap<i64, (i128, i128)>;

#[derive(Debug, Clone, Copy)]
enum NaiveWindow {
    Rolling(i64),
    Day,
}

impl NaiveWindow {
    /// The first hour of the window that ends before hour `now`, its elapsed and full hours.
    fn at(self, now: i64) -> (i64, i128, i128) {
        match self {
            Self::Rolling(hours) => (now - hours, i128::from(hours), i128::from(hours)),
            Self::Day => {
                let start = (now - 1).div_euclid(24) * 24;
                (start, i128::from(now - start), 24)
            }
        }
    }
}

fn sum(units: &Units, from: i64, to: i64) -> (i128, i128) {
    units
        .range(from..to.max(from))
        .fold((0, 0), |(valid, bad), (_, unit)| (valid + unit.0, bad + unit.1))
}

/// True, false, or nothing to go by.
fn condition(
    units: &Units,
    rule: &AlertRule,
    e: (i128, i128),
    window: NaiveWindow,
    now: i64,
) -> Option<bool> {
    let hours = |length: Duration| length.nanos() / 3_600_000_000_000;
    let (from, elapsed, full) = window.at(now);
    match rule.condition {
        Condition::Burn { long, short, factor: Factor::Exact(factor), comparison } => {
            let one = |lookback: Duration| {
                let (valid, bad) = sum(units, now - hours(lookback), now);
                // bad / valid against factor × e
                let left = bad * e.1 * i128::from(factor.denominator());
                let right = valid * e.0 * i128::from(factor.numerator());
                (valid > 0).then_some(match comparison {
                    Comparison::Above => left > right,
                    Comparison::AtLeast => left >= right,
                    Comparison::Below => left < right,
                    Comparison::AtMost => left <= right,
                })
            };
            match (one(long), short.map(one)) {
                (Some(false), _) | (_, Some(Some(false))) => Some(false),
                (None, _) | (_, Some(None)) => None,
                _ => Some(true),
            }
        }
        Condition::RemainingBelow { share } => {
            let (valid, bad) = sum(units, from, now);
            // 1 - bad elapsed / (valid e full) < share
            let (n, d) = (i128::from(share.numerator()), i128::from(share.denominator()));
            (valid > 0).then_some((d - n) * valid * e.0 * full < bad * elapsed * e.1 * d)
        }
        Condition::Exhaustion { within, lookback } => {
            let (valid, bad) = sum(units, from, now);
            let (recent, recent_bad) = sum(units, now - hours(lookback), now);
            if valid == 0 || recent == 0 {
                return None;
            }
            // rest share of the budget / share burned an hour <= within
            let rest = valid * e.0 * full - bad * e.1 * elapsed;
            let horizon = i128::from(hours(within));
            Some(recent_bad > 0 && rest * recent <= horizon * recent_bad * valid * e.1)
        }
        Condition::Burn { .. } => unreachable!("only exact factors are generated"),
    }
}

fn firings(
    units: &Units,
    rule: &AlertRule,
    e: (i128, i128),
    window: NaiveWindow,
    events: &Units,
    (first, last): (i64, i64),
) -> Vec<(i64, Option<i64>, bool)> {
    let hold = rule.hold.nanos() / 3_600_000_000_000;
    let mut found: Vec<(i64, Option<i64>, bool)> = Vec::new();
    let (mut since, mut firing, mut answer, mut let_go) = (None, false, None, i64::MIN);
    for now in first + 1..=last {
        answer = condition(units, rule, e, window, now);
        match answer {
            Some(false) => {
                if firing {
                    found.last_mut().unwrap().1 = Some(now);
                    let_go = now;
                }
                (since, firing) = (None, false);
            }
            Some(true) if !firing => {
                let since = *since.get_or_insert(now);
                let evident = rule.evidence.is_none_or(|evidence| {
                    let from = match rule.condition {
                        Condition::Burn { long, .. } => now - long.nanos() / 3_600_000_000_000,
                        Condition::Exhaustion { lookback, .. } => {
                            now - lookback.nanos() / 3_600_000_000_000
                        }
                        Condition::RemainingBelow { .. } => window.at(now).0,
                    };
                    let (valid, bad) = sum(events, from, now);
                    let fresh = match rule.condition {
                        Condition::RemainingBelow { .. } => bad,
                        _ => sum(events, from.max(let_go), now).1,
                    };
                    bad.min(fresh) >= i128::from(evidence.bad_min)
                        && valid >= i128::from(evidence.valid_min)
                });
                if now - since >= hold && evident {
                    firing = true;
                    found.push((now, None, false));
                }
            }
            _ => {}
        }
    }
    if firing {
        found.last_mut().unwrap().2 = answer.is_none();
    }
    found
}

fn conditions() -> impl Strategy<Value = Condition> {
    let comparisons = prop_oneof![
        4 => Just(Comparison::Above),
        2 => Just(Comparison::AtLeast),
        1 => Just(Comparison::Below),
        1 => Just(Comparison::AtMost)
    ];
    let burn = (1u32..9, proptest::option::of(1u32..9), 1u64..40, comparisons).prop_map(
        |(long, short, tenths, comparison)| Condition::Burn {
            long: Duration::from_hours(long),
            short: short.map(|short| Duration::from_hours(short.min(long))),
            factor: Factor::Exact(Rational::new(tenths, 10).unwrap()),
            comparison,
        },
    );
    let exhaustion = (1u32..30, 1u32..9).prop_map(|(within, lookback)| Condition::Exhaustion {
        within: Duration::from_hours(within),
        lookback: Duration::from_hours(lookback),
    });
    let remaining = (0u64..=10)
        .prop_map(|tenths| Condition::RemainingBelow { share: Rational::new(tenths, 10).unwrap() });
    prop_oneof![3 => burn, 1 => exhaustion, 1 => remaining]
}

fn rules() -> impl Strategy<Value = AlertRule> {
    let evidence =
        proptest::option::of((0u64..4, 0u64..12).prop_map(|(bad_min, valid_min)| Evidence {
            confidence: None,
            bad_min,
            valid_min,
        }));
    (conditions(), 0u32..4, evidence).prop_map(|(condition, hold, evidence)| AlertRule {
        name: "rule".to_owned(),
        severity: Severity::Page,
        condition,
        hold: Duration::from_hours(hold),
        evidence,
    })
}

/// Hours with traffic; valid counts divide twelve.
fn hours() -> impl Strategy<Value = BTreeMap<i64, (u64, u64)>> {
    let valid = prop_oneof![Just(1u64), Just(2), Just(3), Just(4), Just(6), Just(12)];
    let bad = prop_oneof![3 => Just(0u64), 2 => 0u64..13];
    let one = (valid, bad).prop_map(|(valid, bad)| (valid, bad.min(valid)));
    proptest::collection::btree_map(-10i64..80, one, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn change_points_see_what_every_slot_end_sees(
        hours in hours(),
        rule in rules(),
        method in prop_oneof![
            Just(BudgetingMethod::Occurrences),
            Just(BudgetingMethod::Timeslices),
            Just(BudgetingMethod::RatioTimeslices)
        ],
        tenths in 5u64..10,
        window in prop_oneof![(1i64..40).prop_map(NaiveWindow::Rolling), Just(NaiveWindow::Day)],
        start in -5i64..10,
    ) {
        let objective = Objective {
            target: Target::new(Rational::new(tenths, 10).unwrap()).unwrap(),
            timeslice_window: Some(Duration::from_hours(1)),
            timeslice_target: Rational::parse("0.75"),
            ..objective("0.5")
        };
        let model = match window {
            NaiveWindow::Rolling(hours) => {
                Window::Rolling { length: Duration::from_hours(u32::try_from(hours).unwrap()) }
            }
            NaiveWindow::Day => Window::Calendar(CalendarWindow {
                unit: CalendarUnit::Day,
                count: 1,
                zone: jiff::tz::TimeZone::UTC,
                anchor: jiff::civil::date(2020, 2, 2).at(0, 0, 0, 0),
            }),
        };
        let tallies = hours.iter().map(|(hour, (valid, bad))| {
            (Slot(*hour), Tally::new(*valid, valid - bad).unwrap())
        });
        let series = Series::new(Duration::from_hours(1), tallies).unwrap();
        let last = 80;
        let interval = span(start * 3600, last * 3600);
        let frame = Frame::plain(span(-36_000, last * 3600));
        let account = Account::new(&series, method, &objective, &frame).unwrap();
        let rules = std::slice::from_ref(&rule);
        let Ok(found) = evaluate(&account, objective.target, &model, rules, interval) else {
            // A factor that cannot fire was refused; that is tested elsewhere.
            return Ok(());
        };
        let events: Units = hours
            .iter()
            .map(|(hour, (valid, bad))| (*hour, (i128::from(*valid), i128::from(*bad))))
            .collect();
        let units: Units = events
            .iter()
            .map(|(hour, (valid, bad))| {
                let unit = match method {
                    BudgetingMethod::Occurrences => (*valid, *bad),
                    BudgetingMethod::Timeslices => (1, i128::from((valid - bad) * 4 < valid * 3)),
                    BudgetingMethod::RatioTimeslices => (12, bad * 12 / valid),
                };
                (*hour, unit)
            })
            .collect();
        let expected =
            firings(&units, &rule, (i128::from(10 - tenths), 10), window, &events, (start, last));
        let hour = |at: flyball_model::Timestamp| at.nanos() / 3_600_000_000_000;
        let found: Vec<_> = found
            .iter()
            .map(|firing| (hour(firing.start), firing.end.map(hour), firing.frozen))
            .collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn the_generator_reaches_firings_of_every_kind() {
    // Guards the property above: were the rules never to fire, it would prove nothing.
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut fired, mut ended, mut frozen) = (0, 0, 0);
    for _ in 0..300 {
        let hours = hours().new_tree(&mut runner).unwrap().current();
        let rule = rules().new_tree(&mut runner).unwrap().current();
        let units: Units = hours
            .iter()
            .map(|(hour, (valid, bad))| (*hour, (i128::from(*valid), i128::from(*bad))))
            .collect();
        for (_, end, held) in firings(&units, &rule, (3, 10), NaiveWindow::Day, &units, (0, 80)) {
            fired += 1;
            ended += i32::from(end.is_some());
            frozen += i32::from(held);
        }
    }
    assert!(fired > 100 && ended > 50 && frozen > 5, "{fired} {ended} {frozen}");
}
