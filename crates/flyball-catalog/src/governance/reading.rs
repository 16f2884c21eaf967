//! The `spec` of a document as what it is to be, or everything in it that cannot be read.
//!
//! A reader stops at the first thing that it cannot read. That is taken out, and the rest is read again, so that whoever
//! wrote the document hears of all at once.

use std::collections::{BTreeMap, BTreeSet};

use flyball_govern::policy::{Condition, PolicyError};
use flyball_spec::Governing;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// The most that is told of one document.
const FAULTS_MAX: usize = 100;

/// The `spec` of a document as what it is to be.
///
/// # Errors
///
/// All that cannot be read, in the order in which it was met.
pub(super) fn read<T: DeserializeOwned>(of: &Governing) -> Result<T, Vec<PolicyError>> {
    let mut rest = of.spec.clone();
    let mut taken = Taken::default();
    let mut found: Vec<PolicyError> = Vec::new();
    while found.len() < FAULTS_MAX {
        let error = match serde_path_to_error::deserialize(&rest) {
            Ok(spec) if found.is_empty() => return Ok(spec),
            Ok::<T, _>(_) => break,
            Err(error) => error,
        };
        let message = error.inner().to_string();
        let missing =
            message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let (path, is_out) = taken.out(&mut rest, error.path());
        // What was taken out is missing for that.
        if !missing.is_some_and(|name| taken.all.contains(&format!("{path}.{name}"))) {
            found.push(PolicyError { path, place: None, message });
        }
        if !is_out {
            break;
        }
    }
    Err(found)
}

/// What is wrong with the conditions of a policy that cannot be read as a whole.
pub(super) fn conditions(of: &Governing) -> Vec<PolicyError> {
    let levels = of.spec["levels"].as_array().map_or(&[][..], Vec::as_slice);
    let wrong = levels.iter().enumerate().filter_map(|(at, level)| {
        let error = Condition::compile(level["when"].as_str()?).err()?;
        Some(PolicyError {
            path: format!("spec.levels[{at}].when"),
            place: Some((error.line, error.column)),
            message: error.message,
        })
    });
    wrong.take(FAULTS_MAX).collect()
}

/// What was taken out of a document.
#[derive(Default)]
struct Taken {
    /// Each, by the path that it has in the document.
    all: BTreeSet<String>,
    /// How many entries of a list, whose later ones have moved up since.
    of_lists: BTreeMap<String, usize>,
}

impl Taken {
    /// Takes what is at `path` out of `rest`: the path that it has in the document, and whether there was anything to
    /// take out. Entries are met in their order, so that those which are gone came before.
    fn out(&mut self, rest: &mut Value, path: &Path) -> (String, bool) {
        let mut name = "spec".to_owned();
        let mut node = rest;
        let mut steps = path.iter().peekable();
        while let Some(step) = steps.next() {
            let is_last = steps.peek().is_none();
            match (step, node) {
                (Segment::Map { key }, Value::Object(entries)) => {
                    name = format!("{name}.{key}");
                    if is_last {
                        let is_out = entries.remove(key).is_some();
                        self.all.insert(name.clone());
                        return (name, is_out);
                    }
                    let Some(inside) = entries.get_mut(key) else { return (name, false) };
                    node = inside;
                }
                (Segment::Seq { index }, Value::Array(entries)) => {
                    let gone = self.of_lists.entry(name.clone()).or_default();
                    let place = format!("{name}[{}]", index + *gone);
                    if *index >= entries.len() {
                        return (place, false);
                    }
                    if is_last {
                        entries.remove(*index);
                        *gone += 1;
                        self.all.insert(place.clone());
                        return (place, true);
                    }
                    node = &mut entries[*index];
                    name = place;
                }
                // What is inside of a text is told at the text.
                _ => return (name, false),
            }
        }
        (name, false)
    }
}
