//! Decisions: cases, and what holds whatever a policy says.

mod cases;
mod controls;
mod properties;
mod times;

use flyball_model::{Duration, Rational, Target, Timestamp};

use super::*;
use crate::policy::{ChangeClass, Policy, Role, Signature};

/// The moment of asking: a Thursday, 12:00.
fn now() -> Timestamp {
    Timestamp::parse("2026-11-19T12:00:00Z").unwrap()
}

fn role(name: &str) -> Role {
    Role::new(name).unwrap()
}

fn question(class: ChangeClass) -> Question {
    Question {
        service: "shop".to_owned(),
        class,
        change: Some("c1".to_owned()),
        revision: None,
        environment: None,
        rollout: None,
        asked_by: None,
        at: now(),
    }
}

/// 1,000,000 requests over four weeks at 99.9 %, of which `bad` are bad: 1,000 are allowed.
fn budget(bad: u64) -> BudgetFacts {
    BudgetFacts {
        slo: "availability".to_owned(),
        slice: None,
        target: Target::new(Rational::new(999, 1_000).unwrap()).unwrap(),
        window: WindowFacts::Rolling(Duration::from_days(28)),
        complete_up_to: now(),
        counts: Counts::Counted { valid: 1_000_000, bad },
        coverage_ppm: Some(1_000_000),
        burns: Vec::new(),
        outlook: Outlook::Lasts,
        causes: Vec::new(),
        largest_incident: None,
        leaving: Vec::new(),
    }
}

fn facts(budgets: Vec<BudgetFacts>) -> Facts {
    Facts { budgets, ..Facts::default() }
}

/// What all causes of a class have spent.
fn classed(class: &str, bad: u64) -> SpentOn {
    SpentOn { names: Vec::new(), class: Some(class.to_owned()), bad }
}

/// The signatures that put `policy` in force.
fn signed(policy: &Policy) -> Vec<Signature> {
    let spec = policy.spec();
    let sign = |role: &Role| Signature {
        policy: policy.name().to_owned(),
        version: spec.version,
        role: role.clone(),
        who: "ada".to_owned(),
        at: Timestamp::from_seconds(0),
    };
    spec.approvers.iter().map(sign).collect()
}

/// The decision of `policy` in force, without latches, blocks and overrides.
fn decide(policy: &Policy, question: &Question, facts: &Facts) -> Decision {
    let signatures = signed(policy);
    gate(&GateInputs {
        policy,
        question,
        facts,
        signatures: &signatures,
        latches: &[],
        blocks: &[],
        overrides: &[],
        approvals: &[],
    })
}

fn kinds(decision: &Decision) -> Vec<ReasonKind> {
    decision.reasons.iter().map(|reason| reason.kind).collect()
}
