//! What delivery is measured from.

use std::collections::BTreeMap;

use flyball_model::{Break, Change, Incident, Interval, Timestamp};

use super::history::History;
use super::outcome::Series;

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
    /// Changes, also from before and after `during`.
    pub history: &'a History<'a>,
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
    /// What was pushed of the outcome that is chosen; `None` without one.
    pub outcome: Option<&'a Series>,
}

impl<'a> Facts<'a> {
    /// Deployments that reached users in the time that is measured, in order.
    pub(super) fn deployments(&self) -> &'a [(Timestamp, &'a Change)] {
        let shipped = self.history.shipped();
        let from = shipped.partition_point(|(at, _)| *at < self.during.start());
        let to = shipped.partition_point(|(at, _)| *at < self.during.end());
        &shipped[from..to]
    }

    /// What came of a change.
    pub fn fate(&self, change: &Change) -> Fate {
        let judged = self.judgements.get(&change.id).copied();
        Fate::of(judged, self.breaks.contains_key(&change.id))
    }
}

impl Fate {
    /// What came of a change that was `judged`, and whose warranty `is_broken` or is not.
    pub fn of(judged: Option<Judgement>, is_broken: bool) -> Self {
        match judged {
            _ if is_broken => Self::Failed,
            Some(Judgement::Regressed) => Self::Failed,
            Some(Judgement::Healthy) => Self::Healthy,
            Some(Judgement::Undecided) | None => Self::Undecided,
        }
    }
}
