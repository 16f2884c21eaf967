//! The policies that ship, on cases whose answers are known.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::policy::testing::{four_weeks, levels, quarterly};
use crate::policy::{Block, NewBlock, Tier};

#[test]
fn the_workbook_policy_halts_what_the_workbook_halts() {
    // SRE Workbook, appendix B: over the budget of the preceding four weeks all changes wait but those
    // for P0 issues and security.
    let policy = four_weeks();
    for (bad, class, outcome, level) in [
        (1_000, ChangeClass::Feature, Outcome::Warn, "nearly-spent"),
        (1_001, ChangeClass::Feature, Outcome::Deny, "overspent"),
        (1_001, ChangeClass::Maintenance, Outcome::Deny, "overspent"),
        (1_001, ChangeClass::Fix, Outcome::Deny, "overspent"),
        (1_001, ChangeClass::P0, Outcome::Warn, "overspent"),
        (1_001, ChangeClass::Security, Outcome::Allow, "overspent"),
        (9_999, ChangeClass::Rollback, Outcome::Allow, "overspent"),
        (751, ChangeClass::Feature, Outcome::Warn, "nearly-spent"),
        (750, ChangeClass::Feature, Outcome::Allow, "within"),
        (0, ChangeClass::Feature, Outcome::Allow, "within"),
    ] {
        let decision = decide(&policy, &question(class), &facts(vec![budget(bad)]));
        assert_eq!(decision.outcome, outcome, "{class} at {bad}");
        assert_eq!(decision.level.as_deref(), Some(level), "{class} at {bad}");
        assert!(!decision.reasons.is_empty());
    }
}

#[test]
fn errors_that_are_not_the_teams_do_not_count() {
    let policy = four_weeks();
    let mut spent = budget(1_400);
    spent.causes = vec![classed("company-network", 399)];
    let decide = |spent: &BudgetFacts| {
        decide(&policy, &question(ChangeClass::Feature), &facts(vec![spent.clone()])).outcome
    };
    assert_eq!(decide(&spent), Outcome::Deny);
    spent.causes.push(classed("out-of-scope", 1));
    assert_eq!(decide(&spent), Outcome::Warn);
    spent.causes.push(classed("bad-luck", 1_000));
    assert_eq!(decide(&spent), Outcome::Warn);
    spent.causes.push(classed("miscategorised", 250));
    assert_eq!(decide(&spent), Outcome::Allow);
    // What is exempted twice does not count twice.
    let mut spent = budget(1_400);
    let frozen = |class: Option<&str>| SpentOn {
        names: vec!["dependency".to_owned(), "frozen-dependency".to_owned()],
        class: class.map(str::to_owned),
        bad: 399,
    };
    spent.causes = vec![frozen(Some("company-network"))];
    assert_eq!(decide(&spent), Outcome::Deny);
    spent.causes = vec![frozen(None), classed("miscategorised", 1)];
    assert_eq!(decide(&spent), Outcome::Warn);
}

#[test]
fn any_budget_that_is_overspent_halts() {
    let policy = four_weeks();
    let mut slice = budget(2_000);
    slice.slice = Some("eu".to_owned());
    let decision = decide(&policy, &question(ChangeClass::Feature), &facts(vec![budget(0), slice]));
    assert_eq!(decision.outcome, Outcome::Deny);
    assert!(decision.reasons[0].text.contains("availability [eu]"), "{:?}", decision.reasons);
    let input = decision.inputs.iter().find(|input| input.name == "budget.exhausted").unwrap();
    assert_eq!(
        (input.budget.as_deref(), input.value.as_deref()),
        (Some("availability"), Some("false"))
    );
}

#[test]
fn a_new_service_is_told_so_and_not_blocked() {
    let mut new = budget(0);
    new.counts = Counts::Never;
    for policy in [four_weeks(), quarterly()] {
        for budgets in [vec![], vec![new.clone()]] {
            let decision = decide(&policy, &question(ChangeClass::Feature), &facts(budgets));
            assert_eq!(decision.outcome, Outcome::Warn);
            assert!(kinds(&decision).contains(&ReasonKind::NoDataYet));
            assert_eq!(decision.level.as_deref(), Some("within"));
            let allows = |reason: &Reason| reason.text.contains("The budget allows");
            assert!(!decision.reasons.iter().any(allows), "there is no budget: {decision}");
        }
    }
}

#[test]
fn a_levels_sentence_is_true_whenever_the_level_holds() {
    let told = |policy: &Policy, latches: &[Latch], bad| {
        let (question, facts) = (question(ChangeClass::Feature), facts(vec![budget(bad)]));
        let signatures = signed(policy);
        let (blocks, overrides, approvals) = (&[], &[], &[]);
        let (policy, question, facts, signatures) = (policy, &question, &facts, &*signatures);
        let inputs = GateInputs {
            policy,
            question,
            facts,
            signatures,
            latches,
            blocks,
            overrides,
            approvals,
        };
        gate(&inputs).reasons[0].text.clone()
    };
    let small = "Less than a tenth of the budget is left, or none; features begin small.";
    let wait = "The budget of the window was overspent; features wait until SRE signs that the errors are resolved.";
    let policy = quarterly();
    let spent = told(&policy, &[], 1_432);
    let by = "by availability (-43.2% left over 28d)";
    assert_eq!(spent, format!("Level `overspent` {by}. {wait}"));
    let near = told(&policy, &[], 950);
    assert_eq!(near, format!("Level `nearly-spent` by availability (5.0% left over 28d). {small}"));
    // Latched, though what was bad has left the window since; signed off, though it has not.
    let latched = Latch::open(policy.name(), "overspent");
    let latched = latched.after(&policy, Some(true), &[budget(1_432)], now());
    let signed = latched.clone().release(&policy, &role("sre"), "ada", &[budget(1_432)], now());
    let well = told(&policy, &[latched], 0);
    assert_eq!(well, format!("Level `overspent`, until it is signed off. {wait}"));
    let below = told(&policy, &[signed.unwrap()], 1_432);
    assert_eq!(below, format!("Level `nearly-spent` {by}. {small}"));

    let mut soon = budget(100);
    soon.outlook = Outlook::GoneAt(now().plus(Duration::from_hours(47)));
    let decision = decide(&four_weeks(), &question(ChangeClass::Feature), &facts(vec![soon]));
    let said = "Level `nearly-spent` by availability (90.0% left over 28d). Less than a quarter of the budget is \
                left, or it will be gone within two days; a bad change now ends shipping.";
    assert_eq!(decision.reasons[0].text, said);
}

#[test]
fn a_level_that_may_not_be_in_force_says_so_and_one_of_the_calendar_names_no_budget() {
    let mut gone = budget(0);
    gone.counts = Counts::Gone;
    let decision = decide(&four_weeks(), &question(ChangeClass::P0), &facts(vec![gone]));
    let texts: Vec<&str> = decision.reasons.iter().map(|reason| &*reason.text).collect();
    assert_eq!(decision.outcome, Outcome::Warn);
    for (level, by) in
        [("overspent", " by availability"), ("nearly-spent", " by availability"), ("within", "")]
    {
        assert!(texts.contains(&&*format!("Perhaps level `{level}`{by}.")), "{texts:#?}");
    }
    let calendar = levels(
        "- {name: autumn, when: calendar.month == 11, say: Leaves fall.}\n- {name: within}",
        "fresh: 15m",
    )
    .unwrap();
    for budgets in [vec![budget(0)], vec![]] {
        let decision = decide(&calendar, &question(ChangeClass::Feature), &facts(budgets));
        let is_said = |reason: &Reason| reason.text == "Level `autumn`. Leaves fall.";
        assert!(decision.reasons.iter().any(is_said), "{decision}");
    }
}

#[test]
fn what_cannot_be_told_waits() {
    let policy = four_weeks();
    let mut gone = budget(0);
    gone.counts = Counts::Gone;
    let mut stale = budget(0);
    stale.complete_up_to = now().minus(Duration::from_minutes(16));
    for unknown in [gone, stale.clone()] {
        let decision = decide(&policy, &question(ChangeClass::Feature), &facts(vec![unknown]));
        assert_eq!((decision.outcome, decision.level), (Outcome::Undecidable, None));
        assert_eq!(decision.levels, ["overspent", "nearly-spent", "within"]);
        let Lift::Data { of } = &decision.reasons[0].lifts[0] else {
            panic!("{:?}", decision.reasons)
        };
        assert!(of.contains(&"budget.exhausted of availability".to_owned()), "{of:?}");
        assert!(decision.reasons[0].text.contains("of availability"), "{:?}", decision.reasons);
    }
    let ask = |class| decide(&policy, &question(class), &facts(vec![stale.clone()]));
    assert_eq!(ask(ChangeClass::Fix).outcome, Outcome::Warn);
    assert_eq!(ask(ChangeClass::Rollback).outcome, Outcome::Allow);
    let open = levels(
        "- {name: spent, when: budget.exhausted, deploys: {deny: [feature]}}\n- {name: within}",
        "unknown: {block: []}",
    )
    .unwrap();
    let decision = decide(&open, &question(ChangeClass::Feature), &facts(vec![stale]));
    assert_eq!(decision.outcome, Outcome::Warn);
}

#[test]
fn not_knowing_the_level_is_no_reason_to_wait_when_all_agree() {
    let policy = levels(
        "- {name: hot, when: 'alerts.paging > 0', deploys: {deny: [feature]}}\n\
         - {name: spent, when: budget.exhausted, deploys: {deny: [feature]}}\n- {name: within}",
        "",
    )
    .unwrap();
    // Nobody knows whether it pages, but the budget is spent in any case.
    let decision = decide(&policy, &question(ChangeClass::Feature), &facts(vec![budget(2_000)]));
    assert_eq!(decision.outcome, Outcome::Deny);
    assert_eq!((decision.level, decision.levels.len()), (None, 2));
    let decision = decide(&policy, &question(ChangeClass::Fix), &facts(vec![budget(0)]));
    assert_eq!(decision.outcome, Outcome::Warn);
}

#[test]
fn a_small_rollout_turns_a_denial_round() {
    let policy = quarterly();
    let ask = |rollout: Option<&str>| {
        let mut question = question(ChangeClass::Feature);
        question.rollout = rollout.map(|rollout| rollout.parse().unwrap());
        decide(&policy, &question, &facts(vec![budget(950)]))
    };
    let denied = ask(None);
    assert_eq!(denied.outcome, Outcome::Deny);
    let share = Rational::new(1, 20).unwrap();
    assert!(
        denied.reasons[0].lifts.contains(&Lift::Cap { share, bake: Duration::from_minutes(30) })
    );
    let capped = ask(Some("canary:5%:30m"));
    assert_eq!((capped.outcome, capped.reach), (Outcome::Warn, Some(Reach(share))));
    assert_eq!(kinds(&capped), [ReasonKind::Cap]);
    for too_much in ["canary:6%:30m", "canary:5%:29m", "canary:5%:30m,100%:1h"] {
        assert_eq!(ask(Some(too_much)).outcome, Outcome::Deny, "{too_much}");
    }
}

#[test]
fn a_signature_of_the_change_may_be_needed() {
    let policy = levels("- {name: all, require: [{role: sre, classes: [feature]}]}", "").unwrap();
    let mut question = question(ChangeClass::Feature);
    let decision = decide(&policy, &question, &facts(vec![budget(0)]));
    assert_eq!(decision.outcome, Outcome::Deny);
    let Lift::Approval { command: Some(command), .. } = &decision.reasons[0].lifts[0] else {
        panic!("{:?}", decision.reasons)
    };
    assert!(
        command.starts_with("flyball policy approve shop --change c1 --class feature --role sre")
    );
    assert_eq!(decision.until, None);
    question.change = None;
    let nameless = decide(&policy, &question, &facts(vec![budget(0)]));
    let asked = Lift::Approval { role: role("sre"), command: None };
    assert!(nameless.reasons[0].lifts.contains(&asked), "{nameless}");
}

fn approval() -> Approval {
    Approval {
        id: "a1".to_owned(),
        service: "shop".to_owned(),
        change: "c1".to_owned(),
        class: ChangeClass::Feature,
        rollout: None,
        environment: None,
        role: role("sre"),
        who: "bo".to_owned(),
        why: "looked at it".to_owned(),
        from: now().minus(Duration::from_hours(1)),
        expires: now().plus(Duration::from_hours(1)),
        withdrawn: None,
    }
}

#[test]
fn a_change_is_approved_by_another_person_within_what_was_approved() {
    let policy = levels(
        "- {name: all, say: SRE looks first., require: [{role: sre, classes: [feature]}]}",
        "",
    )
    .unwrap();
    let (signatures, facts) = (signed(&policy), facts(vec![budget(0)]));
    let ask = |question: &Question, one: Approval| {
        gate(&GateInputs {
            policy: &policy,
            question,
            facts: &facts,
            signatures: &signatures,
            latches: &[],
            blocks: &[],
            overrides: &[],
            approvals: &[one],
        })
    };
    let asked = Question { asked_by: Some("ci".to_owned()), ..question(ChangeClass::Feature) };
    let passes = ask(&asked, approval());
    assert_eq!((passes.outcome, &*passes.approvals), (Outcome::Allow, &[approval()][..]));
    let said = passes.to_string();
    assert!(said.contains("bo has approved `c1` as `sre` until"), "{said}");
    assert!(!said.contains("SRE looks first"), "{said}");

    let canary = || Some("canary:5%:30m".parse().unwrap());
    let idle = [
        (Approval { from: now().plus(Duration::from_seconds(1)), ..approval() }, "begins"),
        (Approval { expires: now(), ..approval() }, "expired"),
        (
            Approval {
                withdrawn: Some(EndedEarly { who: "bo".into(), why: "a bug".into(), at: now() }),
                ..approval()
            },
            "a bug",
        ),
        (Approval { environment: Some("staging".to_owned()), ..approval() }, "staging"),
        (Approval { rollout: canary(), ..approval() }, "canary:5%:30m"),
        (Approval { who: "ci".to_owned(), ..approval() }, "another person"),
    ];
    for (one, why) in idle {
        let decision = ask(&asked, one);
        assert_eq!((decision.outcome, decision.approvals.len()), (Outcome::Deny, 0), "{why}");
        assert!(decision.to_string().contains(why), "{decision}");
        assert!(decision.to_string().contains("SRE looks first"), "{decision}");
    }
    for other in [
        Approval { service: "search".to_owned(), ..approval() },
        Approval { change: "c2".to_owned(), ..approval() },
        Approval { class: ChangeClass::Fix, ..approval() },
        Approval { role: role("cto"), ..approval() },
    ] {
        assert_eq!(ask(&asked, other.clone()).outcome, Outcome::Deny, "{other:?}");
    }
    // As far as it was approved, or less far and more slowly.
    for (rollout, outcome) in [
        ("canary:5%:30m", Outcome::Allow),
        ("careful:1%:1h,5%:30m", Outcome::Allow),
        ("wide:6%:30m", Outcome::Deny),
        ("hasty:5%:29m", Outcome::Deny),
    ] {
        let asked = Question { rollout: Some(rollout.parse().unwrap()), ..asked.clone() };
        let one = Approval { rollout: canary(), ..approval() };
        assert_eq!(ask(&asked, one).outcome, outcome, "{rollout}");
        assert_eq!(ask(&asked, approval()).outcome, Outcome::Allow, "{rollout}");
    }
    // By its revision, whatever it is called.
    let again = Question { revision: Some("4f2a".to_owned()), ..asked };
    let one = Approval { change: "4f2a".to_owned(), ..approval() };
    assert_eq!(ask(&again, one).outcome, Outcome::Allow);
}

#[test]
fn an_approval_denies_nothing_away_and_lifts_what_cannot_be_told() {
    let text = "- {name: spent, when: budget.exhausted, deploys: {deny: [feature]}}\n\
                - {name: rest, require: [{role: sre, classes: [feature, fix]}]}";
    let denying = levels(text, "").unwrap();
    let signatures = signed(&denying);
    let ask = |policy: &Policy, facts: &Facts, approvals: &[Approval]| {
        gate(&GateInputs {
            policy,
            question: &question(ChangeClass::Feature),
            facts,
            signatures: &signatures,
            latches: &[],
            blocks: &[],
            overrides: &[],
            approvals,
        })
    };
    let denied = ask(&denying, &facts(vec![budget(2_000)]), &[approval()]);
    assert_eq!(denied.outcome, Outcome::Deny);
    let unknown = facts(vec![BudgetFacts { counts: Counts::Gone, ..budget(0) }]);
    let asks = |decision: &Decision| {
        decision
            .reasons
            .iter()
            .flat_map(|reason| &reason.lifts)
            .any(|lift| matches!(lift, Lift::Approval { .. }))
    };
    let held = ask(&denying, &unknown, &[]);
    assert_eq!((held.outcome, asks(&held)), (Outcome::Deny, true), "{held}");
    let held = ask(&denying, &unknown, &[approval()]);
    assert_eq!((held.outcome, asks(&held)), (Outcome::Undecidable, false), "{held}");
    let open = text.replace("deploys: {deny: [feature]}", "say: careful");
    let open = levels(&open, "").unwrap();
    let held = ask(&open, &unknown, &[]);
    assert_eq!((held.outcome, asks(&held)), (Outcome::Undecidable, true), "{held}");
    assert!(ask(&open, &unknown, &[approval()]).outcome.passes());
}

/// A denial that ends with time may not count on an approval that ends before.
#[test]
fn what_expires_is_not_promised() {
    let policy = levels(
        "- {name: spent, when: budget.exhausted, deploys: {deny: [feature]}}\n\
         - {name: rest, require: [{role: sre, classes: [feature]}]}",
        "",
    )
    .unwrap();
    let mut spent = budget(1_001);
    spent.leaving = vec![Leaving { at: now().plus(Duration::from_hours(2)), bad: 1 }];
    let (signatures, facts) = (signed(&policy), facts(vec![spent]));
    for (hours, is_promised) in [(2, false), (3, true)] {
        let one = Approval { expires: now().plus(Duration::from_hours(hours)), ..approval() };
        let decision = gate(&GateInputs {
            policy: &policy,
            question: &question(ChangeClass::Feature),
            facts: &facts,
            signatures: &signatures,
            latches: &[],
            blocks: &[],
            overrides: &[],
            approvals: &[one],
        });
        assert_eq!(decision.outcome, Outcome::Deny);
        assert_eq!(decision.until.is_some(), is_promised, "{decision}");
    }
}

#[test]
fn an_advisory_policy_says_what_it_would_have_said() {
    let policy = four_weeks();
    let (question, facts) = (question(ChangeClass::Feature), facts(vec![budget(2_000)]));
    let inputs = GateInputs {
        policy: &policy,
        question: &question,
        facts: &facts,
        signatures: &[],
        latches: &[],
        blocks: &[],
        overrides: &[],
        approvals: &[],
    };
    let decision = gate(&inputs);
    assert_eq!((decision.outcome, decision.otherwise), (Outcome::Warn, Some(Outcome::Deny)));
    assert!(kinds(&decision).contains(&ReasonKind::Advisory));
    // A block is somebody's own decision, and stands whatever the policy's standing.
    let block = Block::new(
        NewBlock {
            id: "b1".to_owned(),
            service: None,
            classes: BTreeSet::from([ChangeClass::Feature]),
            role: role("sre"),
            who: "ada".to_owned(),
            why: "a migration runs".to_owned(),
            from: now(),
            expires: now().plus(Duration::from_hours(2)),
        },
        &Tier::default().spec.rights,
    )
    .unwrap();
    let blocked = gate(&GateInputs { blocks: &[block], ..inputs });
    assert_eq!(blocked.outcome, Outcome::Deny);
    assert_eq!(blocked.until, Some(now().plus(Duration::from_hours(2))));
    assert!(blocked.reasons[0].text.contains("a migration runs"));
}

pub(super) fn exception() -> Override {
    Override {
        id: "o1".to_owned(),
        service: "shop".to_owned(),
        change: None,
        class: ChangeClass::Feature,
        role: role("product_manager"),
        who: "ada".to_owned(),
        why: "the law asks for it today".to_owned(),
        from: now().minus(Duration::from_hours(1)),
        expires: now().plus(Duration::from_hours(1)),
        second: Some(Agreement { role: role("sre"), who: "bo".to_owned(), at: now() }),
        revoked: None,
    }
}

#[test]
fn an_override_lets_through_by_the_policys_rules_only() {
    let policy = quarterly();
    let (question, facts) = (question(ChangeClass::Feature), facts(vec![budget(2_000)]));
    let signatures = signed(&policy);
    let ask = |one: Override| {
        gate(&GateInputs {
            policy: &policy,
            question: &question,
            facts: &facts,
            signatures: &signatures,
            latches: &[],
            blocks: &[],
            overrides: &[one],
            approvals: &[],
        })
    };
    let decision = ask(exception());
    assert_eq!((decision.outcome, decision.otherwise), (Outcome::Warn, Some(Outcome::Deny)));
    assert_eq!(decision.overridden_by.as_deref(), Some("o1"));
    assert!(decision.reasons.iter().any(|reason| reason.outcome == Outcome::Deny));
    let own = Agreement { role: role("sre"), who: "ada".to_owned(), at: now() };
    for idle in [
        Override { expires: now(), ..exception() },
        Override { from: now().plus(Duration::from_seconds(1)), ..exception() },
        Override {
            revoked: Some(EndedEarly { who: "bo".into(), why: "no".into(), at: now() }),
            ..exception()
        },
        Override { why: " ".to_owned(), ..exception() },
        Override { role: role("developer"), ..exception() },
        Override { second: None, ..exception() },
        Override { second: Some(own), ..exception() },
        Override { from: now().minus(Duration::from_days(30)), ..exception() },
        Override { change: Some("c2".to_owned()), ..exception() },
        Override { class: ChangeClass::Fix, ..exception() },
        Override { service: "search".to_owned(), ..exception() },
    ] {
        let decision = ask(idle.clone());
        assert_eq!(decision.outcome, Outcome::Deny, "{idle:?}");
        assert_eq!(decision.overridden_by, None);
    }
}

#[test]
fn who_overrode_and_how_it_ended_is_told() {
    let other = Override { id: "o2".to_owned(), ..exception() };
    let used = [
        ("o1".to_owned(), Some(Ended::Regressed)),
        ("o1".to_owned(), Some(Ended::Healthy)),
        ("o9".to_owned(), Some(Ended::Healthy)),
    ];
    let report = override_report(&[exception(), other], &used);
    let record = &report["ada"];
    assert_eq!((record.made, record.unused, record.ended[&Ended::Regressed]), (2, 1, 1));
}

#[test]
fn a_latch_opens_by_a_signature_and_closes_with_further_spending() {
    let policy = quarterly();
    let question = question(ChangeClass::Feature);
    let signatures = signed(&policy);
    let ask = |latch: &Latch, bad: u64| {
        let facts = facts(vec![budget(bad)]);
        let latches = [latch.clone()];
        let inputs = GateInputs {
            policy: &policy,
            question: &question,
            facts: &facts,
            signatures: &signatures,
            latches: &latches,
            blocks: &[],
            overrides: &[],
            approvals: &[],
        };
        let holds = latch_conditions(&inputs)[0].1;
        (gate(&inputs), latch.clone().after(&policy, holds, &facts.budgets, now()))
    };
    let open = Latch::open(policy.name(), "overspent");
    assert!(open.clone().release(&policy, &role("sre"), "bo", &[], now()).is_err());
    let (decision, closed) = ask(&open, 1_001);
    assert_eq!(decision.outcome, Outcome::Deny);
    assert!(matches!(closed.state, LatchState::Closed { .. }));

    // The window forgets, the latch does not; and no time will open it.
    let (decision, closed) = ask(&closed, 100);
    assert_eq!((decision.outcome, decision.until), (Outcome::Deny, None));
    let command = "flyball policy sign-off shop overspent --role sre".to_owned();
    assert!(decision.reasons[0].lifts.contains(&Lift::SignOff { role: role("sre"), command }));

    assert!(closed.clone().release(&policy, &role("developer"), "x", &[], now()).is_err());
    let released = closed.release(&policy, &role("sre"), "bo", &[budget(1_200)], now()).unwrap();
    // Still overspent, but signed off: the level does not hold, the one below it does.
    let (decision, released) = ask(&released, 1_299);
    assert_eq!(decision.level.as_deref(), Some("nearly-spent"));
    assert!(matches!(released.state, LatchState::Released { .. }));
    // What another budget hides, the signature does not cover.
    let mut hidden = budget(0);
    hidden.slo = "latency".to_owned();
    hidden.counts = Counts::Gone;
    let facts_hidden = facts(vec![budget(1_200), hidden]);
    let decision = gate(&GateInputs {
        policy: &policy,
        question: &question,
        facts: &facts_hidden,
        signatures: &signatures,
        latches: std::slice::from_ref(&released),
        blocks: &[],
        overrides: &[],
        approvals: &[],
    });
    assert_eq!(decision.outcome, Outcome::Deny);
    assert_eq!(decision.levels, ["overspent", "nearly-spent"]);
    // Another tenth of the budget is spent.
    let (decision, closed) = ask(&released, 1_300);
    assert_eq!(decision.level.as_deref(), Some("overspent"));
    assert!(matches!(closed.state, LatchState::Closed { .. }));
    // Met again: the signature has done its work.
    let (decision, open) = ask(&released, 500);
    assert_eq!((decision.outcome, open.state), (Outcome::Allow, LatchState::Open));
}

#[test]
fn a_backtest_counts_what_would_have_been_stopped() {
    let policy = four_weeks();
    let change = |index: u64| RecordedChange {
        question: Question { change: Some(format!("c{index}")), ..question(ChangeClass::Feature) },
        facts: facts(vec![budget(if index < 7 { 2_000 } else { 0 })]),
        ended: Some(if index < 5 || index == 100 { Ended::Regressed } else { Ended::Healthy }),
    };
    let changes: Vec<_> = (0..112).map(change).collect();
    let result = backtest(&policy, &changes);
    assert_eq!(
        result.to_string(),
        "would have denied 7 of 112, of which 5 regressed; 1 that regressed would have passed"
    );
    assert_eq!(result.stopped.len(), 7);
    assert_eq!(result.stopped[0].level.as_deref(), Some("overspent"));
    assert_eq!(result.of(Outcome::Allow).changes, 105);
}

#[test]
fn a_decision_is_written_canonically() {
    let decision =
        decide(&four_weeks(), &question(ChangeClass::Feature), &facts(vec![budget(2_000)]));
    let text = decision.canonical_json().unwrap();
    assert!(
        text.starts_with(
            r#"{"approvals":[],"asked_by":null,"at":"2026-11-19T12:00:00Z","budgets":["#
        ),
        "{text}"
    );
    assert_eq!(text, decision.clone().canonical_json().unwrap());
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value, serde_json::to_value(&decision).unwrap());
    assert!(!floats(&value), "{text}");
}

/// Whether there are floats, which two programs may write in two ways.
fn floats(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.is_f64(),
        serde_json::Value::Array(list) => list.iter().any(floats),
        serde_json::Value::Object(object) => object.values().any(floats),
        _ => false,
    }
}

#[test]
fn a_decision_keeps_what_it_was_made_from() {
    let mut spent = budget(2_000);
    spent.causes = vec![classed("company-network", 400)];
    let decision = decide(&four_weeks(), &question(ChangeClass::Feature), &facts(vec![spent]));
    let value = serde_json::to_value(&decision.budgets).unwrap();
    assert_eq!(
        value,
        serde_json::json!([{
            "budget": "availability", "target": "99.9%", "window": "28d",
            "complete_up_to": "2026-11-19T12:00:00Z", "data": "known",
            "valid": 1_000_000, "bad": 2_000, "exempted": 400,
        }])
    );
}

#[test]
fn what_is_kept_is_read_back() {
    let one = exception();
    let text = serde_json::to_value(&one).unwrap();
    assert_eq!(serde_json::from_value::<Override>(text).unwrap(), one);
    let latch = Latch {
        state: LatchState::Released {
            who: "bo".to_owned(),
            at: now(),
            bad: BTreeMap::from([("availability".to_owned(), 7)]),
        },
        ..Latch::open("p", "l")
    };
    let text = serde_json::to_value(&latch).unwrap();
    assert_eq!(serde_json::from_value::<Latch>(text).unwrap(), latch);
}

#[test]
fn exit_codes() {
    let codes = [Outcome::Allow, Outcome::Warn, Outcome::Deny, Outcome::Undecidable]
        .map(Outcome::exit_code);
    assert_eq!(codes, [0, 0, 1, 3]);
}

#[test]
fn a_policy_that_is_late_says_so() {
    let policy = four_weeks();
    let mut question = question(ChangeClass::Feature);
    question.at = Timestamp::parse("2027-11-02T00:00:00Z").unwrap();
    let mut budget = budget(0);
    budget.complete_up_to = question.at;
    let decision = decide(&policy, &question, &facts(vec![budget]));
    assert_eq!(kinds(&decision), [ReasonKind::Revisit, ReasonKind::Level]);
    assert_eq!(decision.outcome, Outcome::Warn);
}
