//! Notices that wait to be delivered, in the order in which each target is to hear of each alert.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Duration, Timestamp};

use super::episode::Alert;
use super::plan::Retry;
use super::silence::{Silence, TEXT_BYTES_MAX};
use crate::restore::Restores;

/// The most notices that wait. More of them, and the targets have been away for longer than
/// anybody would read up on.
pub const NOTICES_MAX: usize = 20_000;
/// The newest notices that could not be delivered, which are listed; all of them are counted.
pub const DEAD_KEPT: usize = 256;

/// What a target is told to do with an alert.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// It fires, and the target did not know.
    Open,
    /// It still fires; what is said of it has changed.
    Update,
    /// Somebody has taken it on.
    Acknowledge,
    /// It is over, or of no concern to the target any more.
    Close,
}

/// A silence that has ended.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SilenceOver {
    /// The silence.
    pub silence: Silence,
    /// The alerts that it covered, that still fire and that no other silence covers: id and subject.
    pub firing: Vec<(u64, super::Subject)>,
    /// How many more there are than are listed.
    pub firing_more: u64,
    /// How many others of them another silence covers: nobody is told of those.
    #[serde(default)]
    pub still_covered: u64,
}

/// A change that was undone, or was to be, without anybody asking for it: to be looked at in working hours.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Restored {
    /// What it is known by to whoever carried it out.
    pub key: String,
    /// The number of the change.
    pub number: u64,
    /// The change, by id.
    pub change: String,
    /// Whose it was.
    pub service: String,
    /// The action.
    pub action: String,
    /// What that does.
    pub does: Restores,
    /// When it was over.
    pub at: Timestamp,
    /// Why it was not done; `None` where it was.
    pub problem: Option<String>,
}

/// Something about a service that is no alert, to be looked at in working hours.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reminder {
    /// What it is known by: told again under it, it is the same.
    pub key: String,
    /// The service.
    pub service: String,
    /// What it is about in one line.
    pub title: String,
    /// What is so, and what to do.
    pub text: String,
    /// Since when.
    pub at: Timestamp,
    /// The one target that is told, somebody's own; whoever is told of tickets of the service where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What a notice speaks of.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A step of an alert, as the alert was then.
    Alert {
        /// What the target is told to do.
        act: Act,
        /// The number of the step.
        number: u32,
        /// The alert after the step.
        alert: Box<Alert>,
    },
    /// The end of a silence.
    SilenceOver(Box<SilenceOver>),
    /// A change that was undone by itself.
    Restored(Box<Restored>),
    /// Something that is no alert.
    Reminder(Box<Reminder>),
}

impl About {
    /// What is told in order: of one alert, of one silence, of one change, or reminders.
    const fn thread(&self) -> (u8, u64) {
        match self {
            Self::SilenceOver(over) => (0, over.silence.id),
            Self::Alert { alert, .. } => (1, alert.id),
            Self::Restored(restored) => (2, restored.number),
            Self::Reminder(_) => (3, 0),
        }
    }
}

/// Something to tell one target.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Notice {
    /// What it is known by; also to receivers, so that they know it when it comes again.
    pub id: u64,
    /// Whom it is for.
    pub target: String,
    /// What it says.
    pub about: About,
    /// When what it speaks of happened.
    pub made: Timestamp,
    /// How often it was tried and failed.
    pub attempts: u32,
    /// When it is tried next.
    pub next: Timestamp,
    /// When it was taken to be sent, while nobody knows what came of it.
    pub begun: Option<Timestamp>,
    /// Whether an earlier attempt may have arrived: the process ended before the answer was kept.
    pub may_repeat: bool,
    /// Why the last attempt failed.
    pub problem: Option<String>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was accepted.
    Delivered,
    /// It was not, and may be later.
    Later {
        /// Why.
        problem: String,
        /// How long the receiver wants to be left alone.
        after: Option<Duration>,
    },
    /// It never will be.
    Refused {
        /// Why.
        problem: String,
    },
}

/// Why a notice was given up.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// The receiver will never take it.
    Refused,
    /// It was tried for as long as notices are.
    Expired,
    /// There was no room for it.
    NoRoom,
    /// Its target is configured no more.
    NoTarget,
}

impl DeadReason {
    /// The reason in one word, as it is written everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::NoRoom => "no_room",
            Self::NoTarget => "no_target",
        }
    }
}

/// A notice that was given up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Dead {
    /// The notice.
    pub id: u64,
    /// Whom it was for.
    pub target: String,
    /// The alert; `None` for what was said of a silence or a change.
    pub alert: Option<u64>,
    /// The number of the alert's step.
    pub number: Option<u32>,
    /// When it was given up.
    pub at: Timestamp,
    /// Why.
    pub reason: DeadReason,
    /// What the last attempt met.
    pub problem: Option<String>,
}

/// What an outbox remembers beside the notices that wait.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Past {
    last_id: u64,
    dead: Vec<Dead>,
    dead_count: BTreeMap<DeadReason, u64>,
    delivered: u64,
}

/// The notices that wait, and those that were given up.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outbox {
    notices: BTreeMap<u64, Notice>,
    past: Past,
    /// The notices that have changed since [`Self::take_changed`].
    changed: BTreeSet<u64>,
}

impl Outbox {
    /// The notices that wait or are on their way, oldest first.
    pub fn waiting(&self) -> impl DoubleEndedIterator<Item = &Notice> {
        self.notices.values()
    }

    /// The newest notices that were given up, oldest first.
    pub fn dead(&self) -> &[Dead] {
        &self.past.dead
    }

    /// How many notices were given up, by reason.
    pub const fn dead_count(&self) -> &BTreeMap<DeadReason, u64> {
        &self.past.dead_count
    }

    /// How many notices were accepted.
    pub const fn delivered(&self) -> u64 {
        self.past.delivered
    }

    pub(super) fn put(&mut self, target: &str, about: About, at: Timestamp) {
        let id = self.past.last_id + 1;
        self.past.last_id = id;
        let notice = Notice {
            id,
            target: target.to_owned(),
            about,
            made: at,
            attempts: 0,
            next: at,
            begun: None,
            may_repeat: false,
            problem: None,
        };
        if self.notices.len() >= NOTICES_MAX {
            return self.bury(notice, DeadReason::NoRoom, at);
        }
        self.changed.insert(id);
        self.notices.insert(id, notice);
    }

    pub(super) fn of(mut past: Past, notices: BTreeMap<u64, Notice>) -> Self {
        past.last_id = past.last_id.max(notices.keys().next_back().copied().unwrap_or(0));
        Self { notices, past, changed: BTreeSet::new() }
    }

    pub(super) const fn past(&self) -> &Past {
        &self.past
    }

    /// The notices that have changed since the last time; `None` for those that are no more.
    pub(super) fn take_changed(&mut self) -> Vec<(u64, Option<Notice>)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed.map(|id| (id, self.notices.get(&id).cloned())).collect()
    }

    /// The first notice of each alert for each target that is on nobody's way.
    fn heads(&self) -> impl Iterator<Item = &Notice> {
        let mut seen = BTreeSet::new();
        self.notices
            .values()
            .filter(move |notice| seen.insert((notice.target.as_str(), notice.about.thread())))
            .filter(|notice| notice.begun.is_none())
    }

    /// The notices to send at `at`, oldest first, at most `limit`; they are taken to be on their way
    /// from here on. Of one alert a target is told in order: the next waits for the one before. At most
    /// `each_max` are on their way to one target, so that one that does not answer holds no other up.
    pub fn begin(&mut self, at: Timestamp, limit: usize, each_max: usize) -> Vec<Notice> {
        let mut on_their_way: BTreeMap<&str, usize> = BTreeMap::new();
        for notice in self.notices.values().filter(|notice| notice.begun.is_some()) {
            *on_their_way.entry(notice.target.as_str()).or_default() += 1;
        }
        let due = self.heads().filter(|notice| notice.next <= at).filter(|notice| {
            let of_target = on_their_way.entry(notice.target.as_str()).or_default();
            *of_target += 1;
            *of_target <= each_max
        });
        let due: Vec<u64> = due.take(limit).map(|notice| notice.id).collect();
        let mut begun = Vec::with_capacity(due.len());
        for id in due {
            if let Some(notice) = self.notices.get_mut(&id) {
                notice.begun = Some(at);
                self.changed.insert(id);
                begun.push(notice.clone());
            }
        }
        begun
    }

    /// When there is something to send next; `None` while nothing waits.
    pub fn next(&self) -> Option<Timestamp> {
        self.heads().map(|notice| notice.next).min()
    }

    /// Keeps what came of an attempt. Of a notice that is not known nothing is kept.
    pub fn settle(&mut self, id: u64, outcome: Outcome, at: Timestamp, retry: &Retry) {
        let Some(mut notice) = self.notices.remove(&id) else { return };
        self.changed.insert(id);
        let (problem, after) = match outcome {
            Outcome::Delivered => {
                self.past.delivered += 1;
                return;
            }
            Outcome::Refused { problem } => {
                notice.problem = Some(short(problem));
                return self.bury(notice, DeadReason::Refused, at);
            }
            Outcome::Later { problem, after } => (problem, after),
        };
        notice.attempts += 1;
        notice.begun = None;
        notice.problem = Some(short(problem));
        notice.next = at.plus(retry.wait(id, notice.attempts, after));
        if notice.next.since(notice.made) > retry.age_max {
            return self.bury(notice, DeadReason::Expired, at);
        }
        self.notices.insert(id, notice);
    }

    /// After a restart: what was on its way is sent again, and says that it may be a repetition.
    pub(super) fn resume(&mut self, at: Timestamp) {
        for notice in self.notices.values_mut().filter(|notice| notice.begun.is_some()) {
            self.changed.insert(notice.id);
            notice.begun = None;
            notice.may_repeat = true;
            notice.next = at;
        }
    }

    /// Gives up what waits for targets that are none any more.
    pub(super) fn only(&mut self, is_target: impl Fn(&str) -> bool, at: Timestamp) {
        let gone = self.notices.values().filter(|notice| !is_target(&notice.target));
        let gone: Vec<u64> = gone.map(|notice| notice.id).collect();
        for id in gone {
            if let Some(notice) = self.notices.remove(&id) {
                self.changed.insert(id);
                self.bury(notice, DeadReason::NoTarget, at);
            }
        }
    }

    fn bury(&mut self, notice: Notice, reason: DeadReason, at: Timestamp) {
        *self.past.dead_count.entry(reason).or_default() += 1;
        let (alert, number) = match &notice.about {
            About::Alert { alert, number, .. } => (Some(alert.id), Some(*number)),
            About::SilenceOver(_) | About::Restored(_) | About::Reminder(_) => (None, None),
        };
        let Notice { id, target, problem, .. } = notice;
        self.past.dead.push(Dead { id, target, alert, number, at, reason, problem });
        if self.past.dead.len() > DEAD_KEPT {
            self.past.dead.remove(0);
        }
    }
}

/// A problem as it is kept.
fn short(mut problem: String) -> String {
    problem.truncate(problem.floor_char_boundary(TEXT_BYTES_MAX));
    problem
}
