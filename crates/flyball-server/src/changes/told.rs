//! What one message changes: the transaction that takes it in.

use flyball_connect::{Pushed, Received, Report};
use flyball_govern::verdict::ChangeVerdict;
use flyball_govern::warranty::{Page, breaks, verdict_break};
use flyball_model::{Change, Incident, Timestamp, Warranty};
use flyball_store::{NewRecord, Noting, Record};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use utoipa::ToSchema;

use super::incidents::told;
use super::kept::Kept;
use super::{CHANGE, CHANGES, ChangesError, PAGE, PAGES, PUSH, PUSHES, Sender};
use crate::auth::{Caller, Role};
use crate::control;

/// Changes, and pages, of a service that one message is held against: those of three weeks. Past it the
/// latest are left out.
const NEIGHBOURS_MAX: usize = 4_096;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Receipt {
    /// What the message is known by when it comes again.
    pub delivery: String,
    /// Whether it had come before, so that nothing was changed.
    pub repeated: bool,
    /// What it speaks of; never empty.
    pub reports: Vec<ReportTold>,
}

/// One thing that a message speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ReportTold {
    /// A change, or news of one.
    Change {
        /// What it is known by.
        id: String,
        /// The service that was changed.
        service: String,
        /// Whether it had not been heard of before.
        new: bool,
    },
    /// An incident, or news of one.
    Incident {
        /// What it is known by.
        id: String,
    },
    /// Commits that were pushed.
    Commits {
        /// The repository.
        repository: String,
        /// How many were listed.
        commits: usize,
        /// How many the sender left out.
        left_out: u64,
    },
    /// Nothing that is kept.
    Ignored {
        /// Why, and what would change it.
        reason: String,
    },
}

impl ReportTold {
    /// What is told of `report`, which speaks of something that is `new` or not.
    fn of(report: &Report, new: bool) -> Self {
        match report {
            Report::Change(change) => {
                Self::Change { id: change.id.clone(), service: change.service.clone(), new }
            }
            Report::Incident(incident) => Self::Incident { id: incident.id.clone() },
            Report::Commits(pushed) => Self::Commits {
                repository: pushed.repository.clone(),
                commits: pushed.commits.len(),
                left_out: pushed.left_out,
            },
            Report::Ignored { reason } => Self::Ignored { reason: reason.clone() },
        }
    }
}

/// Refuses a message that speaks for services that `caller` may not register changes of.
pub(super) fn check_reach(received: &Received, caller: &Caller) -> Result<(), ChangesError> {
    if caller.may_everywhere(Role::Developer) {
        return Ok(());
    }
    for report in &received.reports {
        let service = match report {
            Report::Change(change) => Some(&change.service),
            Report::Incident(incident) => incident.service.as_ref(),
            Report::Commits(_) => None,
            Report::Ignored { .. } => continue,
        };
        match service {
            Some(service) if caller.may(Role::Developer, service) => {}
            Some(service) => return Err(ChangesError::Forbidden { service: service.clone() }),
            None => return Err(ChangesError::NoService),
        }
    }
    Ok(())
}

/// Notes what `received` says, where it is new.
pub(super) fn note(
    noting: &Noting<'_>,
    received: &Received,
    is_new: bool,
    (sender, now): (&Sender, Timestamp),
) -> Result<Receipt, ChangesError> {
    let mut reports = Vec::new();
    for report in &received.reports {
        let is_first = is_new
            && match report {
                Report::Change(change) => note_change(noting, change, sender)?,
                Report::Incident(incident) => {
                    note_incident(noting, incident, received, (sender, now))?
                }
                Report::Commits(pushed) => note_push(noting, pushed)?,
                Report::Ignored { .. } => false,
            };
        reports.push(ReportTold::of(report, is_first));
    }
    Ok(Receipt { delivery: received.delivery.clone(), repeated: !is_new, reports })
}

/// Notes what is told of a change. `true` when it had not been heard of before.
pub(super) fn note_change(
    noting: &Noting<'_>,
    change: &Change,
    sender: &Sender,
) -> Result<bool, ChangesError> {
    let known = noting.record(CHANGE, &change.id)?;
    let is_new = known.is_none();
    let mut kept = match known.as_ref().map(Kept::read).transpose()? {
        None => Kept::new(change.clone()),
        Some(known) if !sender.caller.may(Role::Developer, &known.change.service) => {
            return Err(ChangesError::Taken { id: change.id.clone() });
        }
        Some(mut known) => {
            known.change.merge(change.clone())?;
            known
        }
    };
    kept.change.begun_when(change.recorded);
    kept.change.ended_when(change.recorded);
    let source = &change.source;
    let detail = json!({
        "service": change.service,
        "outcome": change.outcome.name(),
        "system": source.system,
        "delivery": source.delivery,
    });
    keep(noting, &kept, Some(("change.record", &detail)))?;
    settle(noting, &kept.change.service, moment(&kept.change))?;
    Ok(is_new)
}

/// Keeps a change.
pub(super) fn keep(
    noting: &Noting<'_>,
    kept: &Kept,
    audited: Option<(&str, &serde_json::Value)>,
) -> Result<(), ChangesError> {
    let Kept { change, .. } = kept;
    let (id, service) = (change.id.clone(), Some(change.service.clone()));
    let new = NewRecord { kind: CHANGE, id, service, at: moment(change), text: text(kept)? };
    noting.keep(&new, CHANGES, audited)?;
    Ok(())
}

/// The moment at which a change is looked for: when it shipped, or was heard of.
fn moment(change: &Change) -> Timestamp {
    change.shipped().unwrap_or(change.recorded)
}

/// Puts what happened to `service` around `at` down to its changes again, since news at `at` may have
/// taken the place of something.
///
/// News concerns changes that shipped up to a warranty before it, and those changes may be broken up
/// to a warranty later.
fn settle(noting: &Noting<'_>, service: &str, at: Timestamp) -> Result<(), ChangesError> {
    let hold = Warranty::DEFAULT.hold();
    let from = at.minus(hold);
    let around = (from, at.plus(hold).plus(hold));
    let found = noting.near(CHANGE, service, around, NEIGHBOURS_MAX)?;
    let near: Vec<Kept> = found.iter().map(Kept::read).collect::<Result<_, _>>()?;
    let pages = noting.near(PAGE, service, around, NEIGHBOURS_MAX)?;
    let pages: Vec<Page> = pages.iter().map(parse).collect::<Result<_, _>>()?;
    let changes: Vec<Change> = near.iter().map(|kept| kept.change.clone()).collect();
    let broken = breaks(&changes, &pages);
    let until = at.plus(hold);
    for mut kept in near.into_iter().filter(|kept| moment(&kept.change) <= until) {
        let mut found = broken.get(&kept.change.id).cloned().unwrap_or_default();
        let verdict = kept.verdict.as_ref();
        found.extend(verdict.and_then(|verdict| verdict_break(&kept.change, verdict)));
        found.sort();
        if kept.is_broken_by(&found) {
            keep(noting, &kept, None)?;
        }
    }
    Ok(())
}

/// Notes what the change called `id` did; of one that has made room nothing.
pub(super) fn note_verdict(
    noting: &Noting<'_>,
    id: &str,
    verdict: ChangeVerdict,
) -> Result<(), ChangesError> {
    let Some(record) = noting.record(CHANGE, id)? else { return Ok(()) };
    let mut kept = Kept::read(&record)?;
    let verdict = verdict.after(kept.verdict.as_ref());
    let objectives = verdict.objectives.iter().map(|of| {
        json!({
            "slo": of.slo,
            "objective": of.objective,
            "answer": of.answer,
            "why": of.why,
            "burned": of.burned.events,
        })
    });
    let detail = json!({
        "service": kept.change.service,
        "answer": verdict.answer,
        "from": verdict.from,
        "seen": verdict.seen,
        "decided": verdict.decided,
        "objectives": objectives.collect::<Vec<_>>(),
    });
    kept.verdict = Some(verdict);
    keep(noting, &kept, Some(("change.verdict", &detail)))?;
    settle(noting, &kept.change.service, moment(&kept.change))
}

/// Notes that somebody was paged. Told again, it changes nothing.
pub(super) fn note_page(noting: &Noting<'_>, page: &Page) -> Result<(), ChangesError> {
    if noting.record(PAGE, &page.alert)?.is_some() {
        return Ok(());
    }
    let (id, service) = (page.alert.clone(), Some(page.service.clone()));
    let new = NewRecord { kind: PAGE, id, service, at: page.at, text: text(page)? };
    noting.keep(&new, PAGES, None)?;
    settle(noting, &page.service, page.at)
}

fn note_incident(
    noting: &Noting<'_>,
    incident: &Incident,
    received: &Received,
    (sender, now): (&Sender, Timestamp),
) -> Result<bool, ChangesError> {
    let mut detail = json!({ "system": received.system, "delivery": received.delivery });
    told(noting, incident, (received.system, &mut detail), (&sender.caller, now))
}

fn note_push(noting: &Noting<'_>, pushed: &Pushed) -> Result<bool, ChangesError> {
    let Pushed { repository, branch, head, commits, left_out } = pushed;
    let at = commits.iter().map(|commit| commit.authored).max().unwrap_or(Timestamp::MIN);
    let kept = json!({
        "repository": repository,
        "branch": branch,
        "head": head,
        "commits": commits,
        "left_out": left_out,
    });
    let id = format!("{repository}@{head}");
    let is_new = noting.record(PUSH, &id)?.is_none();
    let new = NewRecord { kind: PUSH, id, service: None, at, text: kept.to_string() };
    noting.keep(&new, PUSHES, None)?;
    Ok(is_new)
}

/// What a record holds.
pub(super) fn parse<T: DeserializeOwned>(record: &Record) -> Result<T, ChangesError> {
    Ok(control::parse(record)?)
}

pub(super) fn text(kept: &impl Serialize) -> Result<String, ChangesError> {
    Ok(control::text(kept, "")?)
}
