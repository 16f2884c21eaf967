//! Cases: what a policy is to decide on given facts, so that it can be tried before anybody signs it.
//!
//! A case names budgets as counts, never as shares, so that what is at the very edge of a condition can be
//! written down. What it leaves out is as it is when nothing is wrong: fresh and complete data, a forecast that
//! lasts, no incident, no alert, a policy that all have signed.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Duration, Rational, Target, Timestamp};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::approving::{APPROVAL_LONGEST, Approval};
use super::facts::{BudgetFacts, Counts, Facts, Lookback, Outlook, Question, SpentOn, WindowFacts};
use super::latch::{Latch, LatchState};
use super::rollout::Rollout;
use super::{Decision, GateInputs, Outcome, ReasonKind, gate};
use crate::checklist::Stage;
use crate::policy::read::{self, share};
use crate::policy::{ChangeClass, Policy, Role, Signature};

/// The tests of one policy: the `spec` of a `PolicyTest`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyTest {
    /// The policy that is tried.
    pub policy: String,
    /// The file with its document, beside that of the test; `None` for a policy that ships.
    pub document: Option<String>,
    /// What it is held against.
    pub cases: Vec<Case>,
}

/// Facts, and what is to be decided on them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// When it is asked; a Monday at noon in UTC unless told.
    #[serde(default = "monday")]
    at: Timestamp,
    /// Whether all approvers have signed the policy.
    #[serde(default = "yes")]
    signed: bool,
    /// The service's tier.
    tier: Option<String>,
    /// Who carries the pager.
    custody: Option<String>,
    /// The stages of which a review stands approved.
    reviews: Option<BTreeSet<Stage>>,
    /// Incidents that are not resolved.
    #[serde(default)]
    incidents_open: u64,
    /// Alerts that page now.
    #[serde(default)]
    alerts_paging: u64,
    /// The service's budgets.
    #[serde(default)]
    budgets: Vec<CaseBudget>,
    /// Levels that are latched.
    #[serde(default)]
    latched: BTreeSet<String>,
    /// What is to be decided.
    expect: Vec<Expected>,
}

/// One budget of a case.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CaseBudget {
    /// Its SLO.
    slo: String,
    /// Its slice; all events unless told.
    slice: Option<String>,
    /// The promised share of good.
    #[serde(with = "read::target")]
    target: Target,
    /// Over which rolling window.
    #[serde(default = "four_weeks", deserialize_with = "read::duration")]
    window: Duration,
    /// Valid in the window; nothing ever unless told.
    valid: Option<u64>,
    /// Bad among them.
    #[serde(default)]
    bad: u64,
    /// Nothing is valid in the window, though there was something once.
    #[serde(default)]
    gone: bool,
    /// How old the counts are.
    #[serde(default = "nothing", deserialize_with = "read::duration")]
    age: Duration,
    /// How much of the window holds data.
    #[serde(default = "whole", deserialize_with = "share::deserialize")]
    coverage: Rational,
    /// What was counted lately.
    #[serde(default)]
    burns: Vec<CaseBurn>,
    /// How long it lasts.
    #[serde(default)]
    forecast: Forecast,
    /// Bad events by cause.
    #[serde(default)]
    causes: BTreeMap<String, u64>,
    /// Bad events of other causes, by class.
    #[serde(default)]
    classes: BTreeMap<String, u64>,
    /// Bad events of the largest incident.
    largest_incident: Option<u64>,
}

/// What was counted in a lookback.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseBurn {
    /// How far back.
    #[serde(deserialize_with = "read::duration")]
    last: Duration,
    /// Valid.
    valid: u64,
    /// Bad among them.
    bad: u64,
}

/// How long a budget lasts: `lasts`, `unknown`, or a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Forecast {
    #[default]
    Lasts,
    Unknown,
    GoneIn(Duration),
}

/// A question, and what is to be decided on it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Why the change is made.
    class: ChangeClass,
    /// How it reaches users.
    rollout: Option<Rollout>,
    /// Where it goes.
    environment: Option<String>,
    /// Whose signatures it has.
    #[serde(default)]
    approvals: Vec<Role>,
    /// What is to be decided.
    outcome: Outcome,
    /// The level that is to be in force.
    level: Option<String>,
    /// Kinds of reasons that are to be given, whatever others there are.
    #[serde(default)]
    reasons: Vec<ReasonKind>,
}

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseOutcome {
    /// The case's name.
    pub name: String,
    /// How much was expected.
    pub expectations: usize,
    /// What is otherwise; empty when it passes.
    pub failures: Vec<CaseFailure>,
}

/// Something that is otherwise than expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFailure {
    /// The field, as in `spec.cases[0].expect[1].level`.
    pub path: String,
    /// What was found.
    pub said: String,
    /// False when the case cannot be tried at all.
    pub is_failure: bool,
}

impl PolicyTest {
    /// Tries `policy` on every case.
    pub fn run(&self, policy: &Policy) -> Vec<CaseOutcome> {
        let cases = self.cases.iter().enumerate();
        cases.map(|(number, case)| case.run(policy, &format!("spec.cases[{number}]"))).collect()
    }
}

impl Case {
    fn run(&self, policy: &Policy, path: &str) -> CaseOutcome {
        let mut failures: Vec<CaseFailure> = Vec::new();
        let levels = || policy.spec().levels.iter().map(|level| level.name.as_str());
        for level in self.latched.iter().filter(|latched| levels().all(|level| level != *latched)) {
            let known: Vec<&str> = levels().collect();
            let path = format!("{path}.latched");
            let said =
                format!("the policy has no level `{level}`; hint: there are {}", known.join(", "));
            failures.push(CaseFailure { path, said, is_failure: false });
        }
        if failures.is_empty() {
            for (number, expected) in self.expect.iter().enumerate() {
                let decision = self.decide(policy, expected);
                let path = format!("{path}.expect[{number}]");
                failures.extend(expected.compare(&decision, &path));
            }
        }
        CaseOutcome { name: self.name.clone(), expectations: self.expect.len(), failures }
    }

    fn decide(&self, policy: &Policy, expected: &Expected) -> Decision {
        let at = self.at;
        let question = Question {
            service: "service".to_owned(),
            class: expected.class,
            change: Some("change".to_owned()),
            revision: None,
            environment: expected.environment.clone(),
            rollout: expected.rollout.clone(),
            asked_by: None,
            at,
        };
        let approval = |role: &Role| Approval {
            id: role.to_string(),
            service: question.service.clone(),
            change: "change".to_owned(),
            class: expected.class,
            rollout: None,
            environment: None,
            role: role.clone(),
            who: role.to_string(),
            why: "the case says so".to_owned(),
            from: at,
            expires: at.plus(APPROVAL_LONGEST),
            withdrawn: None,
        };
        let facts = Facts {
            tier: self.tier.clone(),
            custody: self.custody.clone(),
            approved: self.reviews.clone(),
            incidents_open: Some(self.incidents_open),
            alerts_paging: Some(self.alerts_paging),
            budgets: self.budgets.iter().map(|budget| budget.facts(at)).collect(),
            controls: Vec::new(),
        };
        let spec = policy.spec();
        let signature = |role: &Role| Signature {
            policy: policy.name().to_owned(),
            version: spec.version,
            role: role.clone(),
            who: role.to_string(),
            at,
        };
        let signers = spec.approvers.iter().filter(|_| self.signed);
        let latch = |level: &String| Latch {
            state: LatchState::Closed { since: at },
            ..Latch::open(policy.name(), level)
        };
        gate(&GateInputs {
            policy,
            question: &question,
            facts: &facts,
            signatures: &signers.map(signature).collect::<Vec<_>>(),
            latches: &self.latched.iter().map(latch).collect::<Vec<_>>(),
            blocks: &[],
            overrides: &[],
            approvals: &expected.approvals.iter().map(approval).collect::<Vec<_>>(),
        })
    }
}

impl CaseBudget {
    fn facts(&self, at: Timestamp) -> BudgetFacts {
        let Self { slo, slice, target, window, valid, bad, gone, age, .. } = self;
        let Self { coverage, burns, forecast, causes, classes, largest_incident, .. } = self;
        let of_cause = |(name, bad): (&String, &u64)| SpentOn {
            names: vec![name.clone()],
            class: None,
            bad: *bad,
        };
        let of_class = |(class, bad): (&String, &u64)| SpentOn {
            names: Vec::new(),
            class: Some(class.clone()),
            bad: *bad,
        };
        let lookback =
            |burn: &CaseBurn| Lookback { length: burn.last, valid: burn.valid, bad: burn.bad };
        // A share is at most one, so that its millionths fit.
        let millionths = Rational::new(1_000_000, 1).and_then(|all| coverage.checked_mul(all));
        BudgetFacts {
            slo: slo.clone(),
            slice: slice.clone(),
            target: *target,
            window: WindowFacts::Rolling(*window),
            complete_up_to: at.minus(*age),
            counts: match *valid {
                Some(valid) => Counts::Counted { valid, bad: *bad },
                None if *gone => Counts::Gone,
                None => Counts::Never,
            },
            coverage_ppm: millionths.map(|share| share.numerator() / share.denominator()),
            burns: burns.iter().map(lookback).collect(),
            outlook: match *forecast {
                Forecast::Lasts => Outlook::Lasts,
                Forecast::Unknown => Outlook::Unknown,
                Forecast::GoneIn(length) => Outlook::GoneAt(at.plus(length)),
            },
            causes: causes.iter().map(of_cause).chain(classes.iter().map(of_class)).collect(),
            largest_incident: *largest_incident,
            leaving: Vec::new(),
        }
    }
}

impl Expected {
    /// What `decision` has otherwise.
    fn compare(&self, decision: &Decision, path: &str) -> Vec<CaseFailure> {
        let mut failures = Vec::new();
        let mut fail = |field: &str, said: String| {
            let path = format!("{path}.{field}");
            failures.push(CaseFailure { path, said, is_failure: true });
        };
        if self.outcome != decision.outcome {
            let (expected, found) = (self.outcome.word(), decision.outcome.word());
            fail("outcome", format!("expected {expected}, found {found}: {decision}"));
        }
        if let Some(level) =
            self.level.as_ref().filter(|level| Some(*level) != decision.level.as_ref())
        {
            let found = match &decision.level {
                Some(found) => format!("`{found}`"),
                None => format!("one of {}", decision.levels.join(", ")),
            };
            fail("level", format!("expected the level `{level}`, found {found}"));
        }
        for kind in &self.reasons {
            if decision.reasons.iter().all(|reason| reason.kind != *kind) {
                let found: Vec<&str> =
                    decision.reasons.iter().map(|reason| reason.kind.word()).collect();
                let (kind, found) = (kind.word(), found.join(", "));
                fail("reasons", format!("expected a reason of the kind {kind}, found {found}"));
            }
        }
        failures
    }
}

impl<'de> Deserialize<'de> for Forecast {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        match text.as_str() {
            "lasts" => Ok(Self::Lasts),
            "unknown" => Ok(Self::Unknown),
            _ => Duration::parse(&text).map(Self::GoneIn).map_err(|_| {
                D::Error::custom(format!(
                    "`{text}` is no forecast; write lasts, unknown, or a time like 24h"
                ))
            }),
        }
    }
}

const fn yes() -> bool {
    true
}

const fn monday() -> Timestamp {
    Timestamp::from_seconds(1_767_614_400)
}

const fn four_weeks() -> Duration {
    Duration::from_days(28)
}

const fn nothing() -> Duration {
    Duration::ZERO
}

const fn whole() -> Rational {
    Rational::ONE
}

#[cfg(test)]
mod tests;
