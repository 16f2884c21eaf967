//! The commits that a change ships, from a git checkout: where lead time begins.
//!
//! `git` itself is asked, by a list of arguments and no shell: it alone knows every way in which a
//! checkout may be made.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use flyball_model::{CHANGE_COMMITS_MAX, ChangeOutcome, Commit, Timestamp};

use super::{PATH, Page};
use crate::remote::Remote;
use crate::talk;

/// Changes that are looked through for the one before.
const LOOKED_AT: &str = "1000";

/// The commit that the last recorded deployment of a service to an environment shipped, other than the
/// change `id` itself; `None`, and that is told, when there is none or nobody may say.
pub(super) fn shipped_before(
    remote: &Remote,
    (service, environment): (&str, &str),
    id: &str,
) -> Option<String> {
    let page: Page = match remote.get(&PATH, &[("service", service), ("limit", LOOKED_AT)]) {
        Ok(page) => page,
        Err(error) => {
            talk::warning(&format!(
                "only its own commit is listed, since the last deployment is not known: {error:#}\n\
                 hint: name its commit (--commits=SINCE), or use a token with the scope `read` as well"
            ));
            return None;
        }
    };
    let changes = page.changes.into_iter().map(|view| view.change);
    let shipped = changes.filter(|change| {
        change.id != id
            && change.outcome == ChangeOutcome::Succeeded
            && change.environment.as_deref() == Some(environment)
            && change.kind.is_deployment()
            && change.revision.is_some()
    });
    let last = shipped.max_by_key(flyball_model::Change::shipped);
    if last.is_none() {
        talk::warning(
            "only its own commit is listed: no deployment that names its commit was recorded before",
        );
    }
    last.and_then(|change| change.revision)
}

/// The commits that `until` (what is checked out unless told) holds and `since` does not, newest first;
/// of more than a change lists the newest. Without `since` the one commit `until`.
///
/// # Errors
///
/// No `git`, no checkout, or commits that it does not hold.
pub(super) fn list(
    repository: &Path,
    since: Option<&str>,
    until: Option<&str>,
) -> anyhow::Result<Vec<Commit>> {
    let until = until.unwrap_or("HEAD");
    let (range, most) = match since {
        Some(since) => (format!("{since}..{until}"), CHANGE_COMMITS_MAX),
        None => (until.to_owned(), 1),
    };
    let most = format!("--max-count={most}");
    let asked = Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(["log", "--no-show-signature", "--format=%H %aI", &most, "--end-of-options", &range])
        .output()
        .context("git cannot be started\nhint: install it, or leave out --commits")?;
    if !asked.status.success() {
        let said = String::from_utf8_lossy(&asked.stderr);
        bail!(
            "git does not list the commits: {}\nhint: is --repository a checkout with its history? A \
             pipeline's may be cut off (fetch-depth, GIT_DEPTH)",
            said.trim()
        );
    }
    let said = String::from_utf8(asked.stdout).context("git says something else than commits")?;
    let lines = said.lines().map(|line| {
        let (sha, authored) = line.split_once(' ').context("git says something else")?;
        let authored = Timestamp::parse(authored)?;
        Ok(Commit { sha: sha.to_owned(), authored })
    });
    lines.collect()
}
