//! Signatures that changes need because of what a service is.

use super::cases::exception;
use super::*;
use crate::policy::testing::levels;

#[test]
fn what_a_service_is_may_ask_for_a_signature_whatever_the_budget_is() {
    let policy = levels("- {name: within}", "").unwrap();
    let control = Control {
        item: "card-data".to_owned(),
        ask: "Does it hold data of payment cards?".to_owned(),
        sign_off: SignOff { role: role("security"), classes: [ChangeClass::Feature].into() },
    };
    let facts = Facts { controls: vec![control.clone()], ..facts(vec![budget(0)]) };
    let ask = |class, signatures: &[Signature], approvals: &[Approval]| {
        let question = question(class);
        let (latches, blocks, overrides) = (&[], &[], &[]);
        let (policy, question, facts) = (&policy, &question, &facts);
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
        gate(&inputs)
    };
    // A signed review asks, so that the policy need not be signed.
    for signatures in [Vec::new(), signed(&policy)] {
        let denied = ask(ChangeClass::Feature, &signatures, &[]);
        assert_eq!((denied.outcome, denied.until), (Outcome::Deny, None), "{denied:#?}");
        assert_eq!(denied.reasons[0].kind, ReasonKind::SignOff);
        let text = &denied.reasons[0].text;
        assert!(text.contains("`security`") && text.contains("`card-data`"), "{text}");
        let command = denied.reasons[0].lifts.iter().find_map(|lift| match lift {
            Lift::Approval { command, .. } => command.as_deref(),
            _ => None,
        });
        assert!(command.is_some_and(|it| it.contains("--role security")), "{denied:#?}");
    }
    let approval = Approval {
        id: "shop:1".to_owned(),
        service: "shop".to_owned(),
        change: "c1".to_owned(),
        class: ChangeClass::Feature,
        rollout: None,
        environment: None,
        role: role("security"),
        who: "bo".to_owned(),
        why: "read it".to_owned(),
        from: now(),
        expires: now().plus(Duration::from_hours(1)),
        withdrawn: None,
    };
    approval.check(&policy, &[control]).unwrap();
    let refused = approval.check(&policy, &[]).unwrap_err().to_string();
    assert!(refused.contains("no review, asks `security`"), "{refused}");
    let passes = ask(ChangeClass::Feature, &signed(&policy), &[approval]);
    assert!(passes.outcome.passes(), "{passes:#?}");
    assert!(passes.reasons.iter().any(|of| of.kind == ReasonKind::Approval), "{passes:#?}");
    for class in [ChangeClass::Fix, ChangeClass::Rollback] {
        assert!(ask(class, &signed(&policy), &[]).outcome.passes(), "{class}");
    }
}

#[test]
fn an_override_is_no_signature_that_a_review_asks_for() {
    let text = "overrides: {roles: [cto, security], longest: 4h}";
    let policy = levels("- {name: within}", text).unwrap();
    let classes = [ChangeClass::Feature, ChangeClass::P0, ChangeClass::Reliability].into();
    let control = Control {
        item: "card-data".to_owned(),
        ask: "Does it hold data of payment cards?".to_owned(),
        sign_off: SignOff { role: role("security"), classes },
    };
    let facts = Facts { controls: vec![control], ..facts(vec![budget(0)]) };
    let ask = |class, as_role: Option<&str>| {
        let one =
            as_role.map(|name| Override { class, role: role(name), second: None, ..exception() });
        let question = question(class);
        gate(&GateInputs {
            policy: &policy,
            question: &question,
            facts: &facts,
            signatures: &signed(&policy),
            latches: &[],
            blocks: &[],
            overrides: &one.into_iter().collect::<Vec<_>>(),
            approvals: &[],
        })
    };
    for class in [ChangeClass::Feature, ChangeClass::P0] {
        let denied = ask(class, None);
        assert_eq!(denied.outcome, Outcome::Deny, "{class}");
        let lifts: Vec<&Lift> = denied.reasons.iter().flat_map(|of| &of.lifts).collect();
        assert!(!lifts.iter().any(|lift| matches!(lift, Lift::Override { .. })), "{lifts:?}");
        let still = ask(class, Some("cto"));
        assert_eq!(still.outcome, Outcome::Deny, "{class}");
        let said = "does nothing: it does not stand for the signature of `security`";
        assert!(still.reasons.iter().any(|of| of.text.contains(said)), "{still:#?}");
        assert!(ask(class, Some("security")).outcome.passes(), "{class}: it is theirs");
    }
    let restored = ask(ChangeClass::Reliability, None);
    assert_eq!(restored.outcome, Outcome::Allow);
    let owed = restored.reasons.iter().find(|of| of.kind == ReasonKind::SignOff).unwrap();
    assert!(owed.text.contains("`security`") && owed.text.ends_with("is owed."), "{}", owed.text);
}
