//! SLOs that a change would define a second time, and who defines them already.
//!
//! An applied file is known by its name. What was applied from another directory has another name there,
//! so that the same SLO comes twice; to find that out from "defined twice" alone is hard.

use std::collections::BTreeMap;

use flyball_catalog::Catalog;
use flyball_model::Duration;
use flyball_spec::{Diagnostic, Level, Part, Source, load};
use flyball_store::Document;

use super::{File, seen};
use crate::auth::{Caller, Role};
use crate::evaluator::Ended;

/// What is in force beside the files of a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside<'a> {
    pub(super) catalog: &'a Catalog,
    /// The files that were applied.
    pub(super) applied: &'a [Document],
    /// All applied files as they would be.
    pub(super) after: &'a BTreeMap<String, String>,
}

/// Each SLO of `files` that another file defines already which stays, told where it stands in `files`. Only
/// those that `caller` may see and change: to others it would be of no use.
pub(super) async fn held(
    files: &[File],
    beside: Beside<'_>,
    caller: &Caller,
) -> Result<Vec<Diagnostic>, Ended> {
    let sources: Vec<Source> =
        files.iter().map(|file| Source::new(&file.name, &file.text)).collect();
    let loaded = tokio::task::spawn_blocking(move || load(&sources)).await;
    let (set, _) = loaded.map_err(|_| Ended)?;
    let seen = seen(beside.catalog, caller);
    let incomplete = set.incomplete.iter().map(|slo| &slo.name);
    let defined = set.slos.iter().map(|slo| &slo.name).chain(incomplete);
    let told = defined.filter_map(|slo| {
        let home = beside.catalog.set.origins.file(slo)?;
        let is_seen = seen.as_ref().is_none_or(|seen| seen.contains(home));
        let known = beside.catalog.set.slos.iter().find(|one| one.name == *slo);
        let is_theirs = match known {
            Some(slo) => caller.may(Role::Owner, &slo.service),
            None => caller.may_everywhere(Role::Owner),
        };
        if !is_seen || !is_theirs || files.iter().any(|file| file.name == home) {
            return None;
        }
        let (whose, hint) = match beside.applied.iter().find(|file| file.name == home) {
            Some(_) if !beside.after.contains_key(home) => return None,
            Some(Document { applied_at, applied_by, .. }) => (
                format!(
                    "which {applied_by} applied at {}",
                    applied_at.floor(Duration::from_seconds(1))
                ),
                format!(
                    "a file is known by its path below the directory where it is applied: apply it as \
                     `{home}` again, or replace that one by this one with --remove {home}"
                ),
            ),
            None => (
                "which the server was started with".to_owned(),
                "change it there, or rename one of them".to_owned(),
            ),
        };
        let said = format!("the file `{home}`, {whose}, defines the SLO `{slo}` already");
        set.origins.diagnostic(slo, Part::Slo, None, Level::Error, said, Some(hint))
    });
    Ok(told.collect())
}
