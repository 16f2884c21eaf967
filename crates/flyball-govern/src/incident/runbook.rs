//! Runbooks: what to do in an incident, with explicit criteria for going back.

use flyball_model::Duration;

use crate::policy::{Condition, ConditionError, PolicyError, Role, read};

/// The classes that nobody gives and that are found: a drill caused the incident, or a service that it depends on failed
/// while it lasted.
pub const FOUND_CLASSES: [&str; 2] = ["drill", "dependency"];
/// What only a gate finds.
const FROZEN: &str = "frozen-dependency";

/// The most criteria of a runbook: somebody reads them while users wait.
pub const ROLLBACK_CRITERIA_MAX: usize = 16;
/// The most steps of a runbook.
const STEPS_MAX: usize = 64;
/// The most classes of a runbook.
const CLASSES_MAX: usize = 64;
/// The longest text of a runbook, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// A runbook with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Runbook {
    /// What incidents and alerts call it.
    pub name: String,
    /// What it says.
    pub spec: RunbookSpec,
    conditions: Vec<Condition>,
}

/// What a runbook says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RunbookSpec {
    /// What it is for, in a sentence.
    pub description: String,
    /// The services that it is for; none for all.
    #[serde(default)]
    pub services: Vec<String>,
    /// The classes of outage that it is for, given by people or [found](FOUND_CLASSES); none for all.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Where it is written in full; an address.
    #[serde(default)]
    pub link: Option<String>,
    /// What to do, in order.
    #[serde(default)]
    pub steps: Vec<String>,
    /// When to go back, and who decides it: one at least.
    #[serde(default)]
    pub rollback: Vec<RollbackCriterion>,
}

/// When to go back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RollbackCriterion {
    /// When it holds, in CEL, in the words of policies.
    pub when: String,
    /// For how long it holds before it counts; at once unless told.
    #[serde(default, deserialize_with = "read::duration_or_none")]
    pub holds: Option<Duration>,
    /// What is done then, in a sentence.
    pub then: String,
    /// Who decides it, without asking anybody.
    pub who: Role,
}

impl Runbook {
    /// Checks a runbook as a whole and compiles its criteria.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: RunbookSpec) -> Result<Self, Vec<PolicyError>> {
        let mut wrong = Vec::new();
        let mut fault = |path: String, message: &str| {
            wrong.push(PolicyError { path, place: None, message: message.to_owned() });
        };
        let mut text = |path: String, text: &str| {
            if text.trim().is_empty() {
                fault(path, "it says nothing\nhint: leave it out");
            } else if text.len() > TEXT_BYTES_MAX {
                fault(path, "it is too long\nhint: say it in 1024 bytes, and link to the rest");
            }
        };
        text("spec.description".to_owned(), &spec.description);
        for (at, step) in spec.steps.iter().enumerate().take(STEPS_MAX) {
            text(format!("spec.steps[{at}]"), step);
        }
        for (at, criterion) in spec.rollback.iter().enumerate().take(ROLLBACK_CRITERIA_MAX) {
            text(format!("spec.rollback[{at}].then"), &criterion.then);
        }
        for (at, class) in spec.classes.iter().enumerate().take(CLASSES_MAX) {
            let path = format!("spec.classes[{at}]");
            if class == FROZEN {
                fault(
                    path,
                    "only gates find that\nhint: `dependency` is the class of such an incident",
                );
            } else if Role::new(class).is_err() {
                let said = "that is no class\nhint: write lower-case letters, digits, `_` or `-`, like `company-network`";
                fault(path, said);
            }
        }
        if spec.classes.len() > CLASSES_MAX {
            fault("spec.classes".to_owned(), "a runbook has at most 64 classes");
        }
        if spec.steps.len() > STEPS_MAX {
            fault("spec.steps".to_owned(), "a runbook has at most 64 steps");
        }
        if spec.steps.is_empty() && spec.link.is_none() {
            fault("spec.steps".to_owned(), "it says nothing to do\nhint: write steps, or a link");
        }
        if spec.rollback.is_empty() {
            fault(
                "spec.rollback".to_owned(),
                "it does not say when to go back\nhint: write `when`, `then` and `who`",
            );
        }
        if spec.rollback.len() > ROLLBACK_CRITERIA_MAX {
            fault("spec.rollback".to_owned(), "a runbook has at most 16 criteria for going back");
        }
        let mut conditions = Vec::new();
        for (at, criterion) in spec.rollback.iter().enumerate().take(ROLLBACK_CRITERIA_MAX) {
            let path = format!("spec.rollback[{at}].when");
            match Condition::compile(&criterion.when) {
                Ok(condition) => conditions.push(condition),
                Err(ConditionError { line, column, message }) => {
                    wrong.push(PolicyError { path, place: Some((line, column)), message });
                }
            }
        }
        if wrong.is_empty() {
            Ok(Self { name: name.to_owned(), spec, conditions })
        } else {
            Err(wrong)
        }
    }

    /// Whether it is for an incident of one of these services, of whatever class.
    pub fn is_of(&self, services: &[&str]) -> bool {
        let own = &self.spec.services;
        own.is_empty() || own.iter().any(|own| services.contains(&own.as_str()))
    }

    /// Whether it is for an incident of one of these `classes`.
    pub fn is_for(&self, classes: &[&str]) -> bool {
        let own = &self.spec.classes;
        own.is_empty() || own.iter().any(|own| classes.contains(&own.as_str()))
    }

    /// Whether it waits for a class that is found.
    pub fn waits_for_found(&self) -> bool {
        self.spec.classes.iter().any(|class| FOUND_CLASSES.contains(&class.as_str()))
    }

    /// Its criteria for going back, each with its compiled condition.
    pub fn criteria(&self) -> impl Iterator<Item = (&RollbackCriterion, &Condition)> {
        self.spec.rollback.iter().zip(&self.conditions)
    }
}
