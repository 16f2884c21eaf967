//! A desk as it is kept: rows of which each is small, so that a step writes what it has changed.

use std::collections::BTreeMap;

use super::desk::{Counts, Desk, Route};
use super::episode::{Alert, State};
use super::outbox::{Notice, Outbox, Past};
use super::silence::Silence;

/// What a row is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What there is once: targets, counts, the last ids.
    Head,
    /// An alert by its id.
    Alert(u64),
    /// A silence by its id.
    Silence(u64),
    /// A notice by its id.
    Notice(u64),
}

/// What there is once in a desk.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Head {
    alert_last: u64,
    silence_last: u64,
    routes: Vec<Route>,
    counts: Counts,
    past: Past,
}

/// A row: one part of a desk.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// What there is once.
    Head(Box<Head>),
    /// An alert.
    Alert(Box<Alert>),
    /// A silence.
    Silence(Box<Silence>),
    /// A notice that waits.
    Notice(Box<Notice>),
}

impl Desk {
    /// The rows that have changed since the last time, each once; `None` for what is no more. All of
    /// them belong into one transaction.
    pub fn take_changed(&mut self) -> Vec<(Part, Option<Row>)> {
        let mut changed = std::mem::take(&mut self.changed);
        let notices = self.outbox.take_changed();
        if !notices.is_empty() {
            // How many there were, and what became of them.
            changed.insert(Part::Head);
        }
        let own = changed.into_iter().filter_map(|part| {
            let row = match part {
                Part::Head => Some(Row::Head(Box::new(self.head()))),
                Part::Alert(id) => self.alerts.get(&id).cloned().map(Box::new).map(Row::Alert),
                Part::Silence(id) => {
                    self.silences.get(&id).cloned().map(Box::new).map(Row::Silence)
                }
                // The outbox tells of those.
                Part::Notice(_) => return None,
            };
            Some((part, row))
        });
        let notices = notices
            .into_iter()
            .map(|(id, notice)| (Part::Notice(id), notice.map(Box::new).map(Row::Notice)));
        own.chain(notices).collect()
    }

    /// The desk of rows that were kept, in any order; without rows a new one.
    pub fn of_rows(rows: impl IntoIterator<Item = Row>) -> Self {
        let mut head = Head::default();
        let (mut alerts, mut silences) = (BTreeMap::new(), BTreeMap::new());
        let mut notices = BTreeMap::new();
        for row in rows {
            match row {
                Row::Head(kept) => head = *kept,
                Row::Alert(alert) => _ = alerts.insert(alert.id, *alert),
                Row::Silence(silence) => _ = silences.insert(silence.id, *silence),
                Row::Notice(notice) => _ = notices.insert(notice.id, *notice),
            }
        }
        let Head { alert_last, silence_last, routes, counts, past } = head;
        // Also when the head could not be read: nothing that is new takes the place of something else.
        let last = |ids: Option<&u64>| ids.copied().unwrap_or(0);
        let alert_last = alert_last.max(last(alerts.keys().next_back()));
        let silence_last = silence_last.max(last(silences.keys().next_back()));
        let outbox = Outbox::of(past, notices);
        let mut desk = Self {
            alerts,
            alert_last,
            silences,
            silence_last,
            routes,
            outbox,
            counts,
            ..Self::default()
        };
        for (id, alert) in &desk.alerts {
            desk.of_subject.entry(alert.subject.clone()).or_default().insert(*id);
            if alert.state == State::Resolved {
                desk.over.insert(*id);
            }
            if alert.call().is_some_and(|call| call.taken.is_none()) {
                desk.calling.insert(*id);
            }
        }
        desk
    }

    fn head(&self) -> Head {
        Head {
            alert_last: self.alert_last,
            silence_last: self.silence_last,
            routes: self.routes.clone(),
            counts: self.counts,
            past: self.outbox.past().clone(),
        }
    }
}
