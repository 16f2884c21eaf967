//! Custody as it is kept, beside what the audit log says of it.

use std::collections::BTreeMap;

use flyball_govern::checklist::Stage;
use flyball_govern::custody::{
    CustodyRules, CustodyRulesSpec, Decided, HandBackOutcome, MoveReason, Signed,
};
use flyball_govern::evidence::{Period, ServiceEvidence};
use flyball_govern::policy::Role;
use flyball_model::Duration;
use flyball_store::{AuditRecord, Control};
use proptest::prelude::*;

use super::*;

/// What somebody tries, or the days until the next does.
#[derive(Debug, Clone)]
enum Step {
    Propose,
    Drop,
    Sign(usize),
    Notice,
    TakeBack,
    Decide(usize),
    Settle,
    Wait(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Propose),
        1 => Just(Step::Drop),
        6 => (0_usize..2).prop_map(Step::Sign),
        2 => Just(Step::Notice),
        1 => Just(Step::TakeBack),
        2 => (0_usize..3).prop_map(Step::Decide),
        1 => Just(Step::Settle),
        3 => (0_u32..40).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..40)
}

fn role(name: &str) -> Role {
    Role::new(name).unwrap()
}

/// Rules of which little has to hold.
fn rules() -> CustodyRules {
    let spec: CustodyRulesSpec = serde_json::from_value(json!({
        "version": 1,
        "shared": {"signers": ["sre"], "criteria": [{"name": "asked", "when": "traffic.per_day > 1"}]},
        "sre": {"signers": ["sre", "cto"], "review": "hand_off"},
        "handBack": {
            "missed": {"quarters": 1, "of": 2}, "roles": ["sre"], "deciders": ["cto"], "notice": "7d",
            "deadline": "30d",
        },
    }))
    .unwrap();
    CustodyRules::new("quick", spec).unwrap()
}

/// A busy service whose last quarter was missed.
fn missed(at: Timestamp) -> ServiceEvidence {
    let quarter = Period { start: at, end: at, kept: Some(false) };
    ServiceEvidence { at, quarters: vec![quarter], events: Some(2_800), ..Default::default() }
}

/// Does one step to the custody of the shop; `None` when it was refused.
fn take(custodies: &Custodies, step: &Step, at: Timestamp) -> Option<Custody> {
    let (rules, evidence) = (rules(), missed(at));
    let approved = BTreeMap::from([(Stage::HandOff, "shop:1".to_owned())]);
    let act = |who: &str, action: &str, work: &dyn Fn(&mut Custody) -> Result<(), CustodyError>| {
        let actor = Actor { name: who.to_owned(), somebody: None };
        let usual = Custody::new("shop", at);
        custodies.act(("shop", usual), &actor, at, (action, |_: &Custody| json!({})), |of| work(of))
    };
    let done = match step {
        Step::Propose => act("ada", "custody.propose", &|of| {
            let to = of.holder(at).and_then(Holder::next).unwrap_or(Holder::Shared);
            of.propose(to, "ada", "why", at)
        }),
        Step::Drop => act("ada", "custody.drop", &|of| of.drop_step().map(|_| ())),
        Step::Sign(which) => {
            let (name, who) = [("sre", "bo"), ("cto", "cy")][*which];
            act(who, "custody.sign", &|of| {
                let (role, who) = (role(name), who.to_owned());
                let signed = Signed { role, who, at, seen: Vec::new(), review: None };
                of.sign(&rules, signed, &evidence, &approved)
            })
        }
        Step::Notice => act("bo", "custody.notice", &|of| {
            of.give_notice(&rules, &evidence, &role("sre"), "bo", at).map(|_| ())
        }),
        Step::TakeBack => {
            act("bo", "custody.take_back", &|of| of.take_back(&rules, &role("sre"), at).map(|_| ()))
        }
        Step::Decide(which) => act("cy", "custody.decide", &|of| {
            let until = at.plus(Duration::from_days(20));
            let outcome = [
                HandBackOutcome::Returned,
                HandBackOutcome::Blitz { until },
                HandBackOutcome::Staffed { by: "others".to_owned(), until },
            ][*which]
                .clone();
            let (role, who, why) = (role("cto"), "cy".to_owned(), "why".to_owned());
            of.decide(&rules, Decided { outcome, role, who, at, why })
        }),
        Step::Settle => {
            let _ = custodies.settle(at).unwrap();
            return custodies.get("shop", None).unwrap();
        }
        Step::Wait(_) => return None,
    };
    done.ok()
}

fn detail(record: &AuditRecord) -> Value {
    serde_json::from_str(&record.detail).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever people do in whatever order: what is refused leaves no trace, what is done is in the audit log once, and
    /// each pager that changed hands is told there by who had it and who has it, with the act that moved it.
    #[test]
    fn the_audit_log_tells_of_every_move(steps in steps()) {
        let home = tempfile::tempdir().unwrap();
        let control = SharedControl::new(Control::open_alone(home.path()).unwrap());
        let custodies = Custodies::of(control.clone());
        let log = || control.lock().audit(0, 1_000).unwrap();
        let mut at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        for step in &steps {
            if let Step::Wait(days) = step {
                at = at.plus(Duration::from_days(*days));
            }
            let before = (log().len(), custodies.get("shop", None).unwrap());
            let acts = |of: &[AuditRecord]| of.iter().filter(|of| of.action != "custody.return").count();
            let acted = acts(&log());
            match (take(&custodies, step, at), step) {
                (None, _) => prop_assert_eq!((log().len(), custodies.get("shop", None).unwrap()), before),
                (Some(_), Step::Settle) => prop_assert_eq!(acts(&log()), acted),
                (Some(kept), _) => {
                    prop_assert_eq!(acts(&log()), acted + 1);
                    prop_assert_eq!(custodies.get("shop", None).unwrap(), Some(kept));
                }
            }
        }
        let kept = custodies.get("shop", None).unwrap();
        let moves = kept.iter().flat_map(Custody::moves);
        let records = log();
        let mut told = records.iter();
        for step in moves {
            let action = match step.why {
                MoveReason::Signed { .. } => "custody.sign",
                MoveReason::HandedBack { .. } => "custody.return",
            };
            let found = told.find(|of| {
                of.action == action && detail(of)["holder"] == step.to.word() && of.at >= step.at
            });
            prop_assert!(found.is_some(), "{:?} is not in {:#?}", step, records);
        }
        let returns = records.iter().filter(|of| of.action == "custody.return").count();
        let back = kept.iter().flat_map(Custody::moves);
        let back = back.filter(|of| matches!(of.why, MoveReason::HandedBack { .. })).count();
        prop_assert_eq!(returns, back);
        prop_assert!(control.lock().verify_audit().is_ok());
    }
}
