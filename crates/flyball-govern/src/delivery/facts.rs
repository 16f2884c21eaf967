//! What delivery is measured from, and how changes and incidents belong together.

use std::collections::BTreeMap;

use flyball_model::{
    Break, Change, ChangeKind, ChangeOutcome, Duration, Incident, Interval, Timestamp,
};

/// What a verdict said of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It made nothing worse.
    Healthy,
    /// It made the service worse.
    Regressed,
    /// It cannot be said.
    Undecided,
}

/// What came of a deployment, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Its verdict is that it made nothing worse, and nothing broke its warranty.
    Healthy,
    /// Its verdict is that it made the service worse, or something broke its warranty.
    Failed,
    /// Neither is known.
    Undecided,
}

/// A time in which a share of users, or of what they came for, was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Outage {
    /// When it began.
    pub start: Timestamp,
    /// When it ended; `None` while it lasts.
    pub end: Option<Timestamp>,
    /// The share of users or journeys that was not served, in parts of [`Outage::WHOLE`].
    pub share: u32,
}

impl Outage {
    /// The share of an outage that nobody was served in.
    pub const WHOLE: u32 = 1_000_000;
}

/// What delivery is measured from: everything of one service, team or product.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The time that is measured.
    pub during: Interval,
    /// The moment of looking, up to which what is still going on has gone on.
    pub now: Timestamp,
    /// The environment that is measured, in any case of letters.
    pub environment: &'a str,
    /// Changes, also from before and after `during`, in any order.
    pub changes: &'a [Change],
    /// What verdicts said, by id of the change.
    pub judgements: &'a BTreeMap<String, Judgement>,
    /// What broke a warranty, by id of the change.
    pub breaks: &'a BTreeMap<String, Break>,
    /// Incidents, in any order.
    pub incidents: &'a [Incident],
    /// Outages, in any order; they may overlap.
    pub outages: &'a [Outage],
    /// Times of which nothing is known about availability, in any order; they may overlap.
    pub unobserved: &'a [Interval],
}

impl<'a> Facts<'a> {
    /// Whether a change is of the environment that is measured.
    pub(crate) fn is_here(&self, change: &Change) -> bool {
        let named = change.environment.as_deref();
        named.is_some_and(|named| named.eq_ignore_ascii_case(self.environment))
    }

    /// Deployments that reached users, by the time at which they did, whenever that was.
    pub(crate) fn shipped(&self) -> Vec<(Timestamp, &'a Change)> {
        let here = self.changes.iter().filter(|change| self.is_here(change));
        let here = here.filter(|change| change.kind.is_deployment());
        let mut shipped: Vec<_> =
            here.filter_map(|change| change.shipped().map(|at| (at, change))).collect();
        shipped.sort_by(|one, two| (one.0, &one.1.id).cmp(&(two.0, &two.1.id)));
        shipped
    }

    /// Those of them that shipped in the time that is measured.
    pub(crate) fn deployments(&self) -> Vec<(Timestamp, &'a Change)> {
        let mut shipped = self.shipped();
        shipped.retain(|(at, _)| self.during.contains(*at));
        shipped
    }

    /// What came of a change.
    pub fn fate(&self, change: &Change) -> Fate {
        let judged = self.judgements.get(&change.id);
        if judged == Some(&Judgement::Regressed) || self.breaks.contains_key(&change.id) {
            Fate::Failed
        } else if judged == Some(&Judgement::Healthy) {
            Fate::Healthy
        } else {
            Fate::Undecided
        }
    }
}

/// The deployment that was live before `change`: the latest of the same service and environment that
/// succeeded and began before it. `None` when there is none.
///
/// DevLake's `prev_success_deployment_commit`, whose order is that of beginnings.
pub fn previous<'a>(changes: &'a [Change], change: &Change) -> Option<&'a Change> {
    let began = |change: &Change| change.started.or(change.finished).unwrap_or(change.recorded);
    let same = changes.iter().filter(|other| {
        other.id != change.id
            && other.service == change.service
            && other.environment == change.environment
            && other.kind.is_deployment()
            && other.outcome == ChangeOutcome::Succeeded
            && began(other) < began(change)
    });
    same.max_by(|one, two| (began(one), &one.id).cmp(&(began(two), &two.id)))
}

/// The change that an incident is put down to: the one that somebody named, else the latest
/// deployment to the environment that had shipped by then, no longer than `within` before. `None`
/// when there is none.
///
/// Without a name and with the longest `within` this is DevLake's rule
/// (`ConnectIncidentToDeployment`): time alone. A named service narrows it.
pub fn cause<'a>(
    changes: &'a [Change],
    environment: &str,
    incident: &Incident,
    within: Duration,
) -> Option<&'a Change> {
    if let Some(named) = &incident.cause {
        return changes.iter().find(|change| change.id == *named);
    }
    let opened = incident.opened()?;
    let earliest = opened.minus(within);
    let shipped = changes.iter().filter(|change| {
        let named = change.environment.as_deref();
        change.kind == ChangeKind::Deploy
            && named.is_some_and(|named| named.eq_ignore_ascii_case(environment))
            && incident.service.as_ref().is_none_or(|service| *service == change.service)
    });
    let shipped = shipped.filter_map(|change| change.shipped().map(|at| (at, change)));
    let shipped = shipped.filter(|(at, _)| (earliest..opened).contains(at));
    shipped.max_by(|one, two| (one.0, &one.1.id).cmp(&(two.0, &two.1.id))).map(|(_, change)| change)
}

/// The change that a rollback undoes: the one it names, else the latest deployment that had shipped
/// before it. `None` when it names none and there is none.
pub fn undone<'a>(changes: &'a [Change], rollback: &Change) -> Option<&'a Change> {
    match &rollback.restores {
        Some(named) => changes.iter().find(|change| change.id == *named),
        None => previous(changes, rollback),
    }
}
