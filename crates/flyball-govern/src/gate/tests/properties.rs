//! What holds whatever a policy says, whatever is known.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::policy::testing::{four_weeks, levels, quarterly};
use crate::policy::{Block, NewBlock, Tier};

const CONDITIONS: &[&str] = &[
    "true",
    "budget.exhausted",
    "budget.remaining_share < 0.5",
    "burn.last_1h > 10",
    "incidents.open > 0",
    "alerts.paging > 0 && budget.exhausted",
    "forecast.exhausts && forecast.exhausts_in < duration(\"24h\")",
    "calendar.weekday in [\"thursday\", \"friday\"]",
    "custody.holder == \"sre\"",
    "change.share > 0.05",
];

/// A policy that is as strict as a policy can be, under arbitrary conditions, and the two that ship.
fn any_policy() -> impl Strategy<Value = Policy> {
    let made = (proptest::collection::vec(0..CONDITIONS.len(), 0..4), any::<bool>()).prop_map(|(picks, latch)| {
        let strict = "deploys: {deny: [feature, maintenance, fix, p0]}";
        let latch = if latch { "latch: {role: sre, rearm: 10%}, " } else { "" };
        let mut text = String::new();
        for (index, pick) in picks.iter().enumerate() {
            writeln!(text, "- {{name: l{index}, when: '{}', {latch}{strict}}}", CONDITIONS[*pick]).unwrap();
        }
        text += "- {name: last, deploys: {deny: [feature]}, require: [{role: cto, classes: [fix, p0]}]}";
        let more = "unknown: {block: [feature, maintenance, fix, p0]}\n\
                    freezes: [{name: f, from: 2026-11-19T00:00:00Z, until: 2026-11-21T00:00:00Z, classes: [feature, fix, p0]}]\n\
                    overrides: {roles: [cto]}";
        levels(&text, more).unwrap()
    });
    prop_oneof![2 => made, 1 => Just(four_weeks()), 1 => Just(quarterly())]
}

fn any_budget() -> impl Strategy<Value = BudgetFacts> {
    let counts = prop_oneof![
        Just(Counts::Never),
        Just(Counts::Gone),
        (0u64..5_000_000, 0u64..5_000)
            .prop_map(|(valid, bad)| Counts::Counted { valid, bad: bad.min(valid) }),
    ];
    let outlook = prop_oneof![
        Just(Outlook::Unknown),
        Just(Outlook::Lasts),
        (0u32..100).prop_map(|hours| Outlook::GoneAt(now().plus(Duration::from_hours(hours)))),
    ];
    let leaving = proptest::collection::vec(0u64..500, 0..20);
    (counts, outlook, leaving, 0u32..40, proptest::option::of(0u64..1_000)).prop_map(
        |(counts, outlook, leaving, age, burn)| {
            let leaves = leaving
                .into_iter()
                .zip(1_u32..)
                .map(|(bad, hour)| Leaving { at: now().plus(Duration::from_hours(hour)), bad });
            BudgetFacts {
                counts,
                outlook,
                leaving: leaves.collect(),
                complete_up_to: now().minus(Duration::from_minutes(age)),
                burns: burn
                    .map(|bad| Lookback { length: Duration::from_hours(1), valid: 1_000, bad })
                    .into_iter()
                    .collect(),
                ..budget(0)
            }
        },
    )
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let budgets = proptest::collection::vec(any_budget(), 0..4);
    (budgets, proptest::option::of(0u64..3), proptest::option::of(0u64..3)).prop_map(
        |(mut budgets, open, paging)| {
            for (index, budget) in budgets.iter_mut().enumerate() {
                budget.slo = format!("slo-{index}");
            }
            Facts { budgets, incidents_open: open, alerts_paging: paging, ..Facts::default() }
        },
    )
}

fn any_restoring() -> impl Strategy<Value = ChangeClass> {
    let restoring: Vec<_> = ChangeClass::ALL.into_iter().filter(|class| class.restores()).collect();
    proptest::sample::select(restoring)
}

fn any_class() -> impl Strategy<Value = ChangeClass> {
    proptest::sample::select(&ChangeClass::ALL[..])
}

fn block() -> Block {
    let classes =
        ChangeClass::ALL.into_iter().filter(|class| !class.restores()).collect::<BTreeSet<_>>();
    let new = NewBlock {
        id: "b".to_owned(),
        service: None,
        classes,
        role: role("sre"),
        who: "ada".to_owned(),
        why: "why".to_owned(),
        from: now(),
        expires: now().plus(Duration::from_days(1)),
    };
    Block::new(new, &Tier::default().spec.rights).unwrap()
}

/// All latches of `policy` closed.
fn closed(policy: &Policy) -> Vec<Latch> {
    let levels = policy.spec().levels.iter().filter(|level| level.latch.is_some());
    levels
        .map(|level| Latch {
            state: LatchState::Closed { since: now() },
            ..Latch::open(policy.name(), &level.name)
        })
        .collect()
}

proptest! {
    #[test]
    fn restoring_is_never_denied(
        policy in any_policy(), facts in any_facts(), class in any_restoring(),
    ) {
        let (signatures, latches) = (signed(&policy), closed(&policy));
        let decision = gate(&GateInputs {
            policy: &policy,
            question: &question(class),
            facts: &facts,
            signatures: &signatures,
            latches: &latches,
            blocks: &[block()],
            overrides: &[],
            approvals: &[],
        });
        prop_assert!(decision.outcome.passes());
        prop_assert_eq!(decision.outcome.exit_code(), 0);
    }

    #[test]
    fn an_advisory_policy_never_denies(policy in any_policy(), facts in any_facts(), class in any_class()) {
        let question = question(class);
        let latches = closed(&policy);
        let inputs = GateInputs {
            policy: &policy,
            question: &question,
            facts: &facts,
            signatures: &[],
            latches: &latches,
            blocks: &[],
            overrides: &[],
            approvals: &[],
        };
        let advised = gate(&inputs);
        prop_assert!(advised.outcome.passes());
        // It says what it would have said.
        let enforced = gate(&GateInputs { signatures: &signed(&policy), ..inputs });
        let said = advised.otherwise.unwrap_or(advised.outcome);
        prop_assert_eq!(said, enforced.outcome);
    }

    #[test]
    fn a_service_without_data_is_never_undecidable(
        policy in any_policy(), mut facts in any_facts(), class in any_class(),
    ) {
        for budget in &mut facts.budgets {
            budget.counts = Counts::Never;
        }
        prop_assert_ne!(decide(&policy, &question(class), &facts).outcome, Outcome::Undecidable);
    }

    #[test]
    fn a_service_without_data_is_not_blocked_for_it(class in any_class(), budgets in 0usize..3) {
        let budgets = vec![BudgetFacts { counts: Counts::Never, ..budget(0) }; budgets];
        for policy in [four_weeks(), quarterly()] {
            let decision = decide(&policy, &question(class), &facts(budgets.clone()));
            prop_assert!(decision.outcome.passes());
            prop_assert!(kinds(&decision).contains(&ReasonKind::NoDataYet));
        }
    }

    #[test]
    fn missing_data_never_lets_a_feature_through(mut facts in any_facts()) {
        facts.budgets.insert(0, BudgetFacts { counts: Counts::Gone, ..budget(0) });
        for policy in [four_weeks(), quarterly()] {
            let decision = decide(&policy, &question(ChangeClass::Feature), &facts);
            prop_assert!(!decision.outcome.passes(), "{:?}", decision);
        }
    }

    #[test]
    fn an_override_that_is_over_changes_nothing(
        policy in any_policy(), facts in any_facts(), class in any_class(), ago in 0u32..1_000,
    ) {
        let question = question(class);
        let signatures = signed(&policy);
        let expired = Override {
            id: "o".to_owned(),
            service: "shop".to_owned(),
            change: None,
            class,
            role: role("cto"),
            who: "ada".to_owned(),
            why: "why".to_owned(),
            from: now().minus(Duration::from_hours(1_001)),
            expires: now().minus(Duration::from_hours(ago)),
            second: None,
            revoked: None,
        };
        let inputs = GateInputs {
            policy: &policy,
            question: &question,
            facts: &facts,
            signatures: &signatures,
            latches: &[],
            blocks: &[],
            overrides: &[],
            approvals: &[],
        };
        let (without, with) = (gate(&inputs), gate(&GateInputs { overrides: &[expired], ..inputs }));
        prop_assert_eq!(without.outcome, with.outcome);
        prop_assert_eq!(with.overridden_by, None);
    }

    /// What is kept of a change of the past decides the same.
    #[test]
    fn a_recorded_change_is_read_back(facts in any_facts(), class in any_class()) {
        let change = RecordedChange { question: question(class), facts, ended: Some(Ended::Healthy) };
        let text = serde_json::to_string(&change).unwrap();
        prop_assert_eq!(serde_json::from_str::<RecordedChange>(&text).unwrap(), change);
    }

    #[test]
    fn a_decision_explains_itself(policy in any_policy(), facts in any_facts(), class in any_class()) {
        let question = question(class);
        let decision = decide(&policy, &question, &facts);
        prop_assert!(!decision.reasons.is_empty());
        prop_assert!(!decision.levels.is_empty());
        prop_assert!(decision.outcome.passes() || decision.reasons[0].outcome == decision.outcome);
        prop_assert!(decision.until.is_none_or(|until| !decision.outcome.passes() && until > now()));
        // The same inputs give the same decision, to the byte.
        let again = decide(&policy, &question, &facts);
        prop_assert_eq!(decision.canonical_json().unwrap(), again.canonical_json().unwrap());
    }

    /// A promised moment is kept: asked then, with what has left the window gone, the change passes.
    #[test]
    fn a_promise_is_kept(bad in 1_001u64..3_000, leaving in proptest::collection::vec(0u64..400, 1..40)) {
        let policy = four_weeks();
        let mut spent = budget(bad);
        spent.leaving = leaving
            .iter()
            .zip(1_u32..)
            .map(|(bad, hour)| Leaving { at: now().plus(Duration::from_hours(hour)), bad: *bad })
            .collect();
        let decision = decide(&policy, &question(ChangeClass::Feature), &facts(vec![spent.clone()]));
        let left_by = |at: Timestamp| -> u64 {
            spent.leaving.iter().filter(|leaving| leaving.at <= at).map(|leaving| leaving.bad).sum()
        };
        let first = spent.leaving.iter().find(|leaving| bad.saturating_sub(left_by(leaving.at)) <= 1_000);
        prop_assert_eq!(decision.until, first.map(|leaving| leaving.at));
    }
}
