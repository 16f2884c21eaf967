//! What must hold for a pager to change hands, as it is written, and the same checked as a whole.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Duration, Timestamp};

use super::handback::Ground;
use super::{Custody, Holder};
use crate::checklist::Stage;
use crate::evidence::{Criterion, Requirement, Seen, ServiceEvidence, missed_of, requirement};
use crate::policy::{LIST_MAX, PolicyError, Role, read};

/// The most quarters that are looked back at: ten years, longer than teams last.
pub const QUARTERS_MAX: usize = 40;

/// The rules that ship, as the text of their document.
pub const USUAL: &str = include_str!("../../custody/usual.yaml");

/// `spec` of a `kind: CustodyRules`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CustodyRulesSpec {
    /// What they are for, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Raised with every change.
    pub version: u32,
    /// From developers to a shared rota.
    pub shared: EntryRule,
    /// From a shared rota to SRE.
    pub sre: EntryRule,
    /// Back to developers.
    pub hand_back: HandBackRule,
}

impl CustodyRulesSpec {
    /// The functions that they name: who signs, gives notice and decides; some more than once.
    pub fn functions(&self) -> impl Iterator<Item = &Role> {
        let signers = self.shared.signers.iter().chain(&self.sre.signers);
        signers.chain(&self.hand_back.roles).chain(&self.hand_back.deciders)
    }
}

/// What must hold for one step.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryRule {
    /// All of these.
    #[serde(default)]
    pub criteria: Vec<Requirement>,
    /// A review of this stage is approved.
    #[serde(default)]
    pub review: Option<Stage>,
    /// These have signed.
    pub signers: Vec<Role>,
}

/// When a pager goes back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandBackRule {
    /// So many quarters in which a budget was missed are a reason.
    pub missed: MissedRule,
    /// Any of these is one as well, the page load for example.
    #[serde(default)]
    pub grounds: Vec<Requirement>,
    /// Who may give notice.
    pub roles: BTreeSet<Role>,
    /// Who decides what comes of it.
    pub deciders: BTreeSet<Role>,
    /// The soonest that it goes back, after the notice.
    #[serde(deserialize_with = "read::duration")]
    pub notice: Duration,
    /// When it goes back if nobody has decided, after the notice.
    #[serde(deserialize_with = "read::duration")]
    pub deadline: Duration,
}

/// So many of the last so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissedRule {
    /// In so many quarters a budget was missed.
    pub quarters: u64,
    /// Of so many complete ones, those before the custody left out.
    pub of: usize,
}

/// Rules that can decide.
#[derive(Debug, Clone, PartialEq)]
pub struct CustodyRules {
    name: String,
    spec: CustodyRulesSpec,
    shared: Vec<Criterion>,
    sre: Vec<Criterion>,
    grounds: Vec<Criterion>,
}

impl CustodyRules {
    /// Checks rules as a whole and compiles their criteria.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: CustodyRulesSpec) -> Result<Self, Vec<PolicyError>> {
        let mut errors = Vec::new();
        let mut error = |path: &str, message: &str| errors.push(PolicyError::at(path, message));
        if name.trim().is_empty() {
            error("metadata.name", "rules have a name");
        }
        if spec.version == 0 {
            error("spec.version", "versions count from 1");
        }
        let shared =
            requirement::compile("spec.shared.criteria", &spec.shared.criteria, &mut errors);
        signers("spec.shared.signers", spec.shared.signers.len(), &mut errors);
        let sre = requirement::compile("spec.sre.criteria", &spec.sre.criteria, &mut errors);
        signers("spec.sre.signers", spec.sre.signers.len(), &mut errors);
        let back = &spec.hand_back;
        let MissedRule { quarters, of } = back.missed;
        if of == 0 || of > QUARTERS_MAX || quarters == 0 || quarters > of as u64 {
            let message = format!(
                "so many of at most {QUARTERS_MAX} quarters; hint: write `{{quarters: 2, of: 4}}`"
            );
            errors.push(PolicyError::at("spec.handBack.missed", message));
        }
        let grounds = requirement::compile("spec.handBack.grounds", &back.grounds, &mut errors);
        signers("spec.handBack.roles", back.roles.len(), &mut errors);
        signers("spec.handBack.deciders", back.deciders.len(), &mut errors);
        if back.deadline.is_zero() || back.deadline < back.notice {
            let message = "the deadline comes when the notice is over, or later";
            errors.push(PolicyError::at("spec.handBack.deadline", message));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { name: name.to_owned(), spec, shared, sre, grounds })
    }

    /// Their name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As they were written.
    pub const fn spec(&self) -> &CustodyRulesSpec {
        &self.spec
    }

    /// What must hold for the step to `to`; `None` for developers, who need not be asked.
    pub const fn entry(&self, to: Holder) -> Option<&EntryRule> {
        match to {
            Holder::Developers => None,
            Holder::Shared => Some(&self.spec.shared),
            Holder::Sre => Some(&self.spec.sre),
        }
    }

    /// What stands in the way of the step to `to`, in words: criteria that do not hold or are not known to, and a
    /// review of a stage that is not among those `approved`.
    pub fn unmet(
        &self,
        to: Holder,
        evidence: &ServiceEvidence,
        approved: &BTreeMap<Stage, String>,
    ) -> Vec<String> {
        let Some(entry) = self.entry(to) else { return Vec::new() };
        let asked = entry.criteria.iter().zip(self.criteria(to));
        let answered = asked.map(|(rule, criterion)| (rule, criterion.ask(evidence)));
        let unmet = answered.filter(|(_, answered)| answered.holds != Some(true));
        let mut unmet: Vec<String> = unmet.map(|(rule, of)| rule.told(&of.seen)).collect();
        if let Some(stage) = entry.review.filter(|stage| !approved.contains_key(stage)) {
            unmet.push(format!("no review of the stage `{}` is approved", stage.word()));
        }
        unmet
    }

    /// What the criteria of the step to `to` look at, each variable once, in the order in which they ask.
    pub fn seen(&self, to: Holder, evidence: &ServiceEvidence) -> Vec<Seen> {
        let mut seen: Vec<Seen> = Vec::new();
        for of in self.criteria(to).iter().flat_map(|criterion| criterion.ask(evidence).seen) {
            if !seen.contains(&of) {
                seen.push(of);
            }
        }
        seen
    }

    /// What is asked for the step to `to`; nothing for that to developers.
    fn criteria(&self, to: Holder) -> &[Criterion] {
        match to {
            Holder::Developers => &[],
            Holder::Shared => &self.shared,
            Holder::Sre => &self.sre,
        }
    }

    /// The reasons there are to hand `custody` back at `at`; none while developers hold it. What is not known is no
    /// reason, and quarters that began before the custody are not its fault.
    pub fn grounds(
        &self,
        custody: &Custody,
        evidence: &ServiceEvidence,
        at: Timestamp,
    ) -> Vec<Ground> {
        let holder = custody.holder(at);
        if holder.is_none_or(|holder| holder == Holder::Developers) {
            return Vec::new();
        }
        let MissedRule { quarters, of } = self.spec.hand_back.missed;
        let mut grounds = Vec::new();
        let missed = missed_of(&evidence.quarters, of, custody.since(at));
        if let Some(missed) = missed.filter(|missed| *missed >= quarters) {
            grounds.push(Ground {
                name: "missed".to_owned(),
                say: format!("A budget was missed in {missed} of the last {of} quarters."),
                seen: Vec::new(),
            });
        }
        let asked = self.spec.hand_back.grounds.iter().zip(&self.grounds);
        let asked = asked.map(|(rule, criterion)| (rule, criterion.ask(evidence)));
        grounds.extend(asked.filter(|(_, answered)| answered.holds == Some(true)).map(
            |(rule, answered)| Ground {
                name: rule.name.clone(),
                say: rule.say.clone(),
                seen: answered.seen,
            },
        ));
        grounds
    }
}

fn signers(path: &str, count: usize, errors: &mut Vec<PolicyError>) {
    if count == 0 || count > LIST_MAX {
        let message = format!("1 to {LIST_MAX} roles are named; hint: like `- sre`");
        errors.push(PolicyError::at(path, message));
    }
}
