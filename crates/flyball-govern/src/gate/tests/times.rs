//! Until when a denial lasts.

use super::*;
use crate::policy::testing::{four_weeks, levels, quarterly};
use flyball_model::Interval;

fn hours(hours: u32) -> Timestamp {
    now().plus(Duration::from_hours(hours))
}

#[test]
fn a_rolling_window_forgets() {
    // 1,500 bad; 300 leave in 10 hours, 200 in 20: at 1,000 of 1,000 the level no longer holds.
    let mut spent = budget(1_500);
    spent.leaving = vec![
        Leaving { at: hours(10), bad: 300 },
        Leaving { at: hours(20), bad: 199 },
        Leaving { at: hours(30), bad: 1 },
        Leaving { at: hours(40), bad: 1_000 },
    ];
    let question = question(ChangeClass::Feature);
    let decision = decide(&four_weeks(), &question, &facts(vec![spent.clone()]));
    assert_eq!((decision.outcome, decision.until), (Outcome::Deny, Some(hours(30))));
    assert!(decision.reasons[0].lifts.contains(&Lift::Time { at: hours(30) }));

    // What is exempted is taken to leave first.
    spent.causes = vec![classed("company-network", 300)];
    let decision = decide(&four_weeks(), &question, &facts(vec![spent.clone()]));
    assert_eq!(decision.until, Some(hours(30)));

    // With two budgets it takes both.
    let mut other = budget(1_001);
    other.leaving = vec![Leaving { at: hours(35), bad: 1 }];
    let decision = decide(&four_weeks(), &question, &facts(vec![spent.clone(), other]));
    assert_eq!(decision.until, Some(hours(35)));

    // Never, as far as is known.
    spent.leaving.truncate(1);
    assert_eq!(decide(&four_weeks(), &question, &facts(vec![spent])).until, None);
}

#[test]
fn a_calendar_window_begins_anew() {
    let policy = levels(
        "- {name: spent, when: budget.exhausted, deploys: {deny: [feature]}}\n- {name: within}",
        "",
    )
    .unwrap();
    let end = Timestamp::parse("2027-01-01T00:00:00Z").unwrap();
    let start = Timestamp::parse("2026-10-01T00:00:00Z").unwrap();
    let mut spent = budget(2_000);
    spent.window = WindowFacts::Calendar(Interval::new(start, end).unwrap());
    let ask = |policy: &Policy| {
        decide(policy, &question(ChangeClass::Feature), &facts(vec![spent.clone()])).until
    };
    assert_eq!(ask(&policy), Some(end));
    // A latched level does not end with the quarter.
    assert_eq!(ask(&quarterly()), None);
}

#[test]
fn a_burn_ends_with_its_lookback() {
    let policy = levels(
        "- {name: hot, when: 'burn.last_6h > 6 || burn.last_1h > 14', deploys: {deny: [feature]}}\n- {name: calm}",
        "",
    )
    .unwrap();
    let mut burning = budget(0);
    burning.burns = vec![
        Lookback { length: Duration::from_hours(1), valid: 1_000, bad: 15 },
        Lookback { length: Duration::from_hours(6), valid: 1_000, bad: 2 },
    ];
    let decision = decide(&policy, &question(ChangeClass::Feature), &facts(vec![burning]));
    assert_eq!((decision.outcome, decision.until), (Outcome::Deny, Some(hours(6))));
}

#[test]
fn rules_of_the_calendar_end() {
    let policy = levels(
        "- {name: late, when: \"calendar.weekday == 'thursday' && calendar.hour >= 13\", deploys: {deny: [feature]}}\n\
         - {name: day}",
        "timeZone: Europe/Berlin",
    )
    .unwrap();
    // 12:00 UTC is 13:00 in Berlin; Friday begins there at 23:00 UTC.
    let decision = decide(&policy, &question(ChangeClass::Feature), &facts(vec![budget(0)]));
    assert_eq!((decision.outcome, decision.until), (Outcome::Deny, Some(hours(11))));
}

#[test]
fn a_freeze_ends_and_the_latest_end_counts() {
    let policy = levels(
        "- {name: spent, when: budget.exhausted, deploys: {deny: [feature]}}\n- {name: within}",
        "freezes: [{name: sale, from: 2026-11-19T00:00:00Z, until: 2026-11-20T00:00:00Z, classes: [feature]}]",
    )
    .unwrap();
    let mut spent = budget(1_001);
    spent.leaving = vec![Leaving { at: hours(40), bad: 1 }];
    let ask = |budget: &BudgetFacts| {
        decide(&policy, &question(ChangeClass::Feature), &facts(vec![budget.clone()])).until
    };
    assert_eq!(ask(&budget(0)), Some(hours(12)));
    assert_eq!(ask(&spent), Some(hours(40)));
    spent.leaving.clear();
    assert_eq!(ask(&spent), None);
}

#[test]
fn what_begins_before_the_rest_has_ended_counts() {
    // Frozen until Saturday noon, and nothing ships at weekends.
    let policy = levels(
        "- {name: weekend, when: \"calendar.weekday in ['saturday', 'sunday']\", deploys: {deny: [feature]}}\n\
         - {name: week}",
        "freezes: [{name: sale, from: 2026-11-19T00:00:00Z, until: 2026-11-21T12:00:00Z, classes: [feature]}]",
    )
    .unwrap();
    let decision = decide(&policy, &question(ChangeClass::Feature), &facts(vec![budget(0)]));
    assert_eq!(kinds(&decision), [ReasonKind::Freeze, ReasonKind::Level]);
    let monday = Timestamp::parse("2026-11-23T00:00:00Z").unwrap();
    assert_eq!(decision.until, Some(monday));
}
