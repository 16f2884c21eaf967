//! DORA's measures of instability: failed changes, recovery from them, rework.

use std::collections::HashMap;

use flyball_model::{Change, ChangeClass, ChangeKind, Timestamp};

use super::facts::{Facts, Fate};
use super::spread::{Share, Spread};
use super::{CAUSE_WITHIN, Counts};

/// How many deployments made things worse.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ChangeFailure {
    /// Deployments by what came of them. They add up to those that reached users, without
    /// rollbacks, which undo a change and are none that could fail users anew.
    pub fates: Counts,
    /// Failed of those that are decided; `None` when none is.
    pub rate: Option<Share>,
    /// The least that the rate can be: as if all that are undecided had been healthy. `None` without
    /// deployments.
    pub at_least: Option<Share>,
    /// The most that the rate can be: as if all that are undecided had failed. `None` without
    /// deployments.
    pub at_most: Option<Share>,
}

/// How long failed deployments were felt.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Recovery {
    /// From the deployment to its recovery; `None` when none has recovered.
    pub deployments: Option<Spread>,
    /// Failed deployments of which no recovery is known.
    pub open: u64,
}

/// How many deployments repaired others.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Rework {
    /// Deployments that nobody had planned and that repaired what users saw, of all that reached
    /// users; `None` without deployments.
    pub rate: Option<Share>,
}

pub(super) fn change_failure(facts: &Facts<'_>) -> ChangeFailure {
    let mut fates = Counts::default();
    for &(_, change) in facts.deployments() {
        if change.kind == ChangeKind::Rollback {
            continue;
        }
        match facts.fate(change) {
            Fate::Healthy => fates.healthy += 1,
            Fate::Failed => fates.failed += 1,
            Fate::Undecided => fates.undecided += 1,
        }
    }
    let all = fates.healthy + fates.failed + fates.undecided;
    ChangeFailure {
        rate: Share::new(fates.failed, fates.healthy + fates.failed),
        at_least: Share::new(fates.failed, all),
        at_most: Share::new(fates.failed + fates.undecided, all),
        fates,
    }
}

/// When users had recovered from a change.
#[derive(Default)]
struct Evidence {
    /// The ends of the incidents that are put down to it; `None` of one that lasts.
    incidents: Vec<Option<Timestamp>>,
    /// The earliest end of a change that undid or repaired it.
    restored: Option<Timestamp>,
}

impl Evidence {
    /// The latest end of its incidents, and where there is none, the end of what undid it. `None`
    /// while an incident lasts, and when nothing is known.
    fn recovered(&self) -> Option<Timestamp> {
        if self.incidents.is_empty() {
            return self.restored;
        }
        let ends: Option<Vec<Timestamp>> = self.incidents.iter().copied().collect();
        ends.and_then(|ends| ends.into_iter().max())
    }
}

/// What is known of recoveries, by id of the change.
fn evidence<'a>(facts: &Facts<'a>) -> HashMap<&'a str, Evidence> {
    let mut known: HashMap<&str, Evidence> = HashMap::new();
    for incident in facts.incidents {
        if let Some(blamed) = facts.history.cause(incident, CAUSE_WITHIN) {
            known.entry(&blamed.id).or_default().incidents.push(incident.resolved);
        }
    }
    for change in facts.history.changes() {
        let Some(at) = change.shipped() else { continue };
        let restored = match (&change.restores, change.kind) {
            (Some(named), _) => Some(named.as_str()),
            (None, ChangeKind::Rollback) => {
                facts.history.undone(change).map(|undone| undone.id.as_str())
            }
            (None, _) => None,
        };
        if let Some(id) = restored {
            let before = &mut known.entry(id).or_default().restored;
            *before = Some(before.map_or(at, |before| before.min(at)));
        }
    }
    known
}

pub(super) fn recovery(facts: &Facts<'_>) -> Recovery {
    let known = evidence(facts);
    let (mut lengths, mut open) = (Vec::new(), 0);
    for &(shipped, change) in facts.deployments() {
        if change.kind == ChangeKind::Rollback || facts.fate(change) != Fate::Failed {
            continue;
        }
        match known.get(change.id.as_str()).and_then(Evidence::recovered) {
            Some(at) if at <= facts.now => lengths.push(at.since(shipped)),
            _ => open += 1,
        }
    }
    Recovery { deployments: Spread::of(lengths), open }
}

/// Whether a deployment is rework: it was not planned, and it is a rollback, a fix, or repairs a
/// change by name. Rollbacks and what repairs a change are unplanned unless somebody says otherwise,
/// and so are fixes.
pub fn is_rework(change: &Change) -> bool {
    let repairs = change.kind == ChangeKind::Rollback
        || change.class == ChangeClass::Fix
        || change.restores.is_some();
    repairs && change.planned != Some(true)
}

pub(super) fn rework(facts: &Facts<'_>) -> Rework {
    let deployments = facts.deployments();
    let of = deployments.iter().filter(|(_, change)| is_rework(change)).count() as u64;
    Rework { rate: Share::new(of, deployments.len() as u64) }
}
