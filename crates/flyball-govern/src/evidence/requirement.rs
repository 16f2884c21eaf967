//! Criteria with a name and words, as documents list them.

use super::{Criterion, Seen};
use crate::policy::{LIST_MAX, PolicyError};

/// Something that is to hold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Its name, unique in its list.
    pub name: String,
    /// What is to hold, in CEL over [`super::VARIABLES`].
    pub when: String,
    /// What it means, in a sentence.
    #[serde(default)]
    pub say: String,
}

impl Requirement {
    /// What it says, and what was seen.
    pub(crate) fn told(&self, seen: &[Seen]) -> String {
        let text = if self.say.is_empty() { &self.name } else { &self.say };
        let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
        format!("{} ({})", text.trim_end_matches('.'), seen.join(", "))
    }
}

/// Compiles the list at `path` of a document; what is wrong is added to `errors`. Each has a criterion when nothing
/// is.
pub(crate) fn compile(
    path: &str,
    list: &[Requirement],
    errors: &mut Vec<PolicyError>,
) -> Vec<Criterion> {
    if list.len() > LIST_MAX {
        let message = format!("a list has at most {LIST_MAX} entries, not {}", list.len());
        errors.push(PolicyError::at(path, message));
    }
    let mut compiled = Vec::new();
    for (at, requirement) in list.iter().enumerate().take(LIST_MAX) {
        let is_there = list[..at].iter().any(|other| other.name == requirement.name);
        if requirement.name.trim().is_empty() || is_there {
            errors
                .push(PolicyError::at(format!("{path}[{at}].name"), "each has a name of its own"));
        }
        compiled.extend(criterion(&format!("{path}[{at}].when"), &requirement.when, errors));
    }
    compiled
}

/// Compiles the criterion at `path` of a document; what is wrong is added to `errors`.
pub(crate) fn criterion(
    path: &str,
    text: &str,
    errors: &mut Vec<PolicyError>,
) -> Option<Criterion> {
    match Criterion::compile(text) {
        Ok(criterion) => Some(criterion),
        Err(error) => {
            let place = Some((error.line, error.column));
            errors.push(PolicyError { path: path.to_owned(), place, message: error.message });
            None
        }
    }
}
