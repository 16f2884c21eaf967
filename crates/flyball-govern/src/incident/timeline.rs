//! What happened in an incident, in order: alerts, changes, decisions, notes, and what people did.

use flyball_model::{Change, Duration, Interval, Timestamp};

use super::record::{IncidentRecord, IncidentRole, Moment};
use crate::alert::{Alert, TransitionKind};
use crate::gate::Outcome;
use crate::policy::ChangeClass;

/// The most entries of a timeline: more than anybody reads.
pub const ENTRIES_MAX: usize = 2_000;
/// How long before an incident what happened belongs to it: what shipped an hour ago may have caused it.
const BEFORE: Duration = Duration::from_hours(1);
/// How long after it: what was done about it ends with it.
const AFTER: Duration = Duration::from_minutes(30);

/// What an entry is of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A moment of the incident.
    Moment,
    /// A step of an alert.
    Alert,
    /// A change that began or ended.
    Change,
    /// A decision on a change.
    Decision,
    /// Somebody took a role.
    Role,
    /// Somebody noted something.
    Note,
    /// Somebody corrected something.
    Edit,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What it is of.
    pub kind: EntryKind,
    /// What happened, in a sentence without a person's name.
    pub text: String,
    /// Who it was; `None` where nobody did it. It is left out of what is published.
    pub who: Option<String>,
    /// The alert or change, by id.
    pub of: Option<String>,
    /// The service to which it happened; `None` of what the record of the incident says.
    pub service: Option<String>,
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Timeline {
    /// The stretch of time that was looked at.
    pub during: Interval,
    /// What happened, oldest first.
    pub entries: Vec<Entry>,
    /// How many entries were left out past [`ENTRIES_MAX`]: decisions first, then alerts, then changes, the latest
    /// first.
    pub left_out: u64,
}

/// A decision of the gate, as much of it as a timeline tells.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Decided {
    /// The service.
    pub service: String,
    /// The class of the change.
    pub class: ChangeClass,
    /// The change, if it had a name.
    pub change: Option<String>,
    /// What was decided.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
}

/// What else is known of the time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// Alerts of any service.
    pub alerts: &'a [Alert],
    /// Changes of any service.
    pub changes: &'a [Change],
    /// Decisions on changes of any service.
    pub decisions: &'a [Decided],
}

/// The timeline of an incident, as it is known at `now`: its own record, and what happened to its services around
/// it; to any service where it names none.
pub fn timeline(record: &IncidentRecord, seen: &Seen<'_>, now: Timestamp) -> Timeline {
    let during = around(record, now);
    let services = record.all_services();
    let is_of = |service: &str| services.is_empty() || services.contains(&service);
    let mut entries = own(record);
    let mut others = Vec::new();
    for alert in seen.alerts.iter().filter(|alert| is_of(&alert.subject.service)) {
        others.extend(of_alert(alert));
    }
    for change in seen.changes {
        // What caused it belongs to it, of whichever service it is.
        if is_of(&change.service) || record.incident.cause.as_deref() == Some(&change.id) {
            others.extend(of_change(change));
        }
    }
    others.extend(seen.decisions.iter().filter(|of| is_of(&of.service)).map(of_decision));
    // What happens this very moment has happened.
    others.retain(|entry| during.start() <= entry.at && entry.at <= during.end());
    let left_out = (entries.len() + others.len()).saturating_sub(ENTRIES_MAX);
    let rank = |entry: &Entry| match entry.kind {
        EntryKind::Decision => 2,
        EntryKind::Alert => 1,
        _ => 0,
    };
    others.sort_by_key(|entry| (rank(entry), entry.at));
    others.truncate(others.len().saturating_sub(left_out));
    entries.extend(others);
    entries.sort_by_key(|entry| (entry.at, entry.kind));
    Timeline { during, entries, left_out: left_out as u64 }
}

/// The time in which what happens to the services of an incident belongs to it, as it is known at `now`: from an hour
/// before it to half an hour after its end, with that moment itself.
pub fn around(record: &IncidentRecord, now: Timestamp) -> Interval {
    let IncidentRecord { incident, recorded, .. } = record;
    let first = incident.opened().unwrap_or(*recorded).min(*recorded);
    let end = incident.resolved.map_or(now, |at| at.plus(AFTER).min(now));
    let (start, end) = (first.minus(BEFORE), end.max(first));
    Interval::starting(start, end.since(start))
}

/// What the record itself says. Its own entries are kept whenever they were, and bounded by the record.
fn own(record: &IncidentRecord) -> Vec<Entry> {
    let entry = |at, kind, text: String, who: Option<&str>| Entry {
        at,
        kind,
        text,
        who: who.map(str::to_owned),
        of: None,
        service: None,
    };
    let moments = Moment::ALL.into_iter().filter_map(|moment| {
        let at = moment.of(&record.incident)?;
        Some(entry(at, EntryKind::Moment, moment.name().to_owned(), None))
    });
    let mut entries: Vec<Entry> = moments.collect();
    let again = "it came back: an alert called somebody again";
    let back = record.came_back.iter();
    entries.extend(back.map(|at| entry(*at, EntryKind::Moment, again.to_owned(), None)));
    for (role, held) in &record.roles {
        let text = match role {
            IncidentRole::Commander => "the role of commander was taken",
            IncidentRole::Operations => "operations were taken",
            IncidentRole::Communications => "communications were taken",
            IncidentRole::Planning => "planning was taken",
        };
        entries.extend(
            held.iter().map(|of| entry(of.from, EntryKind::Role, text.to_owned(), Some(&of.who))),
        );
    }
    let notes = record.notes.iter();
    entries.extend(notes.map(|of| entry(of.at, EntryKind::Note, of.text.clone(), Some(&of.who))));
    for edit in &record.edits {
        let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let (before, after) = (said(&edit.before), said(&edit.after));
        let text = format!("{} was corrected from {before} to {after}", edit.field);
        entries.push(entry(edit.at, EntryKind::Edit, text, Some(&edit.who)));
    }
    entries
}

fn of_alert(alert: &Alert) -> impl Iterator<Item = Entry> {
    alert.transitions.iter().map(|step| {
        let what = match step.kind {
            TransitionKind::Pending => "was about to fire",
            TransitionKind::Fired => "fired",
            TransitionKind::Escalated => "became a page",
            TransitionKind::Eased => "became a ticket",
            TransitionKind::Acknowledged => "was acknowledged",
            TransitionKind::Unsilenced => "was no longer silenced",
            TransitionKind::Called => "went to the next level",
            TransitionKind::Unanswered => {
                "was called to its last level, and nobody took it on in time"
            }
            TransitionKind::Resolved => "resolved",
        };
        let is_taken = step.kind == TransitionKind::Acknowledged;
        let taken = alert.acknowledged.as_ref().filter(|of| is_taken && of.at == step.at);
        Entry {
            at: step.at,
            kind: EntryKind::Alert,
            text: format!("{} of {} {what}", alert.subject.slo, alert.subject.service),
            who: taken.map(|by| by.who.clone()),
            of: Some(alert.id.to_string()),
            service: Some(alert.subject.service.clone()),
        }
    })
}

fn of_change(change: &Change) -> impl Iterator<Item = Entry> {
    let name = change.version.as_ref().or(change.revision.as_ref()).unwrap_or(&change.id);
    let steps = [(change.started, "began"), (change.finished, change.outcome.name())];
    steps.into_iter().filter_map(move |(at, what)| {
        Some(Entry {
            at: at?,
            kind: EntryKind::Change,
            text: format!("{} {name} of {} {what}", change.kind.name(), change.service),
            who: change.actor.clone(),
            of: Some(change.id.clone()),
            service: Some(change.service.clone()),
        })
    })
}

fn of_decision(decision: &Decided) -> Entry {
    let Decided { service, class, outcome, change, at, .. } = decision;
    let named = change.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
    Entry {
        at: *at,
        kind: EntryKind::Decision,
        text: format!("{} for the {class} change{named} of {service}", outcome.word()),
        who: None,
        of: change.clone(),
        service: Some(service.clone()),
    }
}
