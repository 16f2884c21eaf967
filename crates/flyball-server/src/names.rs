//! What those are called whom records know by an id.

use std::collections::{BTreeMap, BTreeSet};

use flyball_store::StoreError;

use crate::control::SharedControl;

/// What each of `who` is called, as far as that is known and is something else: the name of a token, also of one that was
/// revoked; of a person what their identity provider calls them, else their address. Names need not be unique.
///
/// # Errors
///
/// [`StoreError`] when they cannot be read.
pub(crate) fn names(
    control: &SharedControl,
    who: &BTreeSet<&str>,
) -> Result<BTreeMap<String, String>, StoreError> {
    let mut names = BTreeMap::new();
    let asked = |kind: &str| who.iter().any(|who| who.starts_with(kind));
    let control = control.lock();
    if asked("token:") {
        let tokens = control.tokens()?.into_iter();
        names.extend(tokens.map(|token| (format!("token:{}", token.id), token.name)));
    }
    if asked("person:") {
        for of in control.people()?.into_iter().map(|person| person.identity) {
            names.extend(of.name.or(of.email).map(|name| (format!("person:{}", of.subject), name)));
        }
    }
    names.retain(|id, _| who.contains(id.as_str()));
    Ok(names)
}
