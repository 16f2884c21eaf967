//! Changes in order, and how they and incidents belong together.

use std::collections::HashMap;

use flyball_model::{Change, ChangeKind, ChangeOutcome, Duration, Incident, Timestamp};

/// Whose deployments follow each other: a service in an environment.
type Place<'a> = (&'a str, Option<&'a str>);

/// The changes of one service, team or product, in order; made once and asked often.
#[derive(Debug)]
pub struct History<'a> {
    changes: &'a [Change],
    by_id: HashMap<&'a str, &'a Change>,
    /// Deployments to the environment that is measured, by the time at which they shipped.
    shipped: Vec<(Timestamp, &'a Change)>,
    /// Deployments that succeeded, by the time at which they began.
    began: HashMap<Place<'a>, Vec<(Timestamp, &'a Change)>>,
}

impl<'a> History<'a> {
    /// Puts `changes`, which may be in any order, into order. `environment` is the one that is
    /// measured, in any case of letters.
    pub fn new(changes: &'a [Change], environment: &str) -> Self {
        let mut by_id = HashMap::new();
        let (mut shipped, mut began) = (Vec::new(), HashMap::<Place<'a>, Vec<_>>::new());
        for change in changes {
            by_id.entry(change.id.as_str()).or_insert(change);
            if !change.kind.is_deployment() || change.outcome != ChangeOutcome::Succeeded {
                continue;
            }
            began.entry(place(change)).or_default().push((beginning(change), change));
            let named = change.environment.as_deref();
            if named.is_some_and(|named| named.eq_ignore_ascii_case(environment)) {
                shipped.extend(change.shipped().map(|at| (at, change)));
            }
        }
        for ordered in began.values_mut().chain([&mut shipped]) {
            ordered.sort_by(|one, two| (one.0, &one.1.id).cmp(&(two.0, &two.1.id)));
        }
        Self { changes, by_id, shipped, began }
    }

    /// Every change, as given.
    pub(super) const fn changes(&self) -> &'a [Change] {
        self.changes
    }

    /// Deployments to the environment that is measured, by the time at which they shipped.
    pub(super) fn shipped(&self) -> &[(Timestamp, &'a Change)] {
        &self.shipped
    }

    /// The deployment that was live before `change`: the latest of the same service and environment
    /// that succeeded and began before it. `None` when there is none.
    ///
    /// DevLake's `prev_success_deployment_commit`, whose order is that of beginnings.
    pub fn previous(&self, change: &Change) -> Option<&'a Change> {
        let ordered = self.began.get(&place(change))?;
        let before = ordered.partition_point(|(at, _)| *at < beginning(change));
        let earlier = ordered[..before].iter().rev();
        earlier.map(|(_, other)| *other).find(|other| other.id != change.id)
    }

    /// The change that an incident is put down to: the one that somebody named, else the latest deploy
    /// to the environment that had shipped before the incident was known, no longer than `within`
    /// before. `None` when there is none.
    ///
    /// Without a name and with the longest `within` this is DevLake's rule
    /// (`ConnectIncidentToDeployment`): time alone. A named service narrows it.
    pub fn cause(&self, incident: &Incident, within: Duration) -> Option<&'a Change> {
        if let Some(named) = &incident.cause {
            return self.by_id.get(named.as_str()).copied();
        }
        let known = incident.known()?;
        let before = self.shipped.partition_point(|(at, _)| *at < known);
        let near = self.shipped[..before].iter().rev();
        let near = near.take_while(|(at, _)| *at >= known.minus(within)).map(|(_, change)| *change);
        let mut deploys = near.filter(|change| change.kind == ChangeKind::Deploy);
        deploys
            .find(|change| incident.service.as_ref().is_none_or(|named| *named == change.service))
    }

    /// The change that a rollback undoes: the one it names, else the deployment that was live before
    /// it. `None` when it names none and there is none.
    pub fn undone(&self, rollback: &Change) -> Option<&'a Change> {
        match &rollback.restores {
            Some(named) => self.by_id.get(named.as_str()).copied(),
            None => self.previous(rollback),
        }
    }
}

fn place(change: &Change) -> Place<'_> {
    (&change.service, change.environment.as_deref())
}

fn beginning(change: &Change) -> Timestamp {
    change.started.or(change.finished).unwrap_or(change.recorded)
}
