//! One alert from its first sign to its end.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Severity, Timestamp};

use super::facts::{Facts, Reading};
use super::observed::{Observed, Pair, Subject};
use crate::oncall::{Call, CallStep};

/// The newest calls that an alert lists: one for each time that it became a page, or a ticket that is looked at.
pub const CALLS_KEPT: usize = 16;
/// The most pairs that an alert lists; of more, the oldest that are over are forgotten.
pub const PAIRS_MAX: usize = 32;
/// The newest transitions that an alert lists; the numbers go on.
pub const TRANSITIONS_KEPT: usize = 64;

/// Where an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A rule is about to fire; nobody is told.
    Pending,
    /// A rule fires.
    Firing,
    /// None fires any more.
    Resolved,
}

/// What a step of an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// A rule is about to fire.
    Pending,
    /// The first rule fires.
    Fired,
    /// It was a ticket and is a page. An acknowledgement of the ticket is none of the page.
    Escalated,
    /// It was a page and is a ticket.
    Eased,
    /// Somebody has taken it on.
    Acknowledged,
    /// The last silence that covered it has ended, and it still fires.
    Unsilenced,
    /// The next level of its escalation was called.
    Called,
    /// All levels of its escalation were called, and nobody has taken it on in time.
    Unanswered,
    /// No rule fires any more.
    Resolved,
}

/// A step of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Transition {
    /// Counted from 1 in each alert.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: TransitionKind,
    /// The severity afterwards.
    pub severity: Severity,
}

/// An alert that called somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct Paged {
    /// The alert.
    pub alert: Alert,
    /// When it did first.
    pub first: Timestamp,
    /// When it did last: each time that it becomes a page is one.
    pub last: Timestamp,
}

/// Who has taken an alert on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// What they said.
    pub note: Option<String>,
}

/// A rule that is about to fire.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Pending {
    rule: String,
    severity: Severity,
}

/// One alert: all that fires for one subject, from its first sign until nothing fires any more.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Alert {
    /// What it is known by.
    pub id: u64,
    /// What it is about.
    pub subject: Subject,
    /// Where it is.
    pub state: State,
    /// The highest severity that fires; what it was last where none does.
    pub severity: Severity,
    /// The highest severity that it ever had.
    pub severity_max: Severity,
    /// When its first sign was seen.
    pub opened: Timestamp,
    /// When it first fired; `None` while it is pending.
    pub fired: Option<Timestamp>,
    /// When nothing fired any more.
    pub resolved: Option<Timestamp>,
    /// The rules that fire or have fired, in that order. All but the [`Self::leading`] one are
    /// inhibited: they tell nobody.
    pub pairs: Vec<Pair>,
    /// Who has taken it on.
    pub acknowledged: Option<Acknowledgement>,
    /// What is known beside.
    pub facts: Facts,
    /// Its newest steps, oldest first.
    pub transitions: Vec<Transition>,
    /// Who was called for it, the newest call last; none where its service has neither rota nor escalation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// Up to when what it fires for is known to have another reason: that of the silence which has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained_until: Option<Timestamp>,
    /// The targets of the people who were called.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) reached: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pending: Vec<Pending>,
    /// The targets that believe that it fires, and the severity that they were told last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) told: BTreeMap<String, Severity>,
}

impl Alert {
    pub(super) fn new(id: u64, subject: Subject, at: Timestamp) -> Self {
        Self {
            id,
            subject,
            state: State::Pending,
            severity: Severity::Ticket,
            severity_max: Severity::Ticket,
            opened: at,
            fired: None,
            resolved: None,
            pairs: Vec::new(),
            acknowledged: None,
            facts: Facts::default(),
            transitions: Vec::new(),
            calls: Vec::new(),
            explained_until: None,
            reached: BTreeSet::new(),
            pending: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    /// The call that goes on; `None` when it is over, or nobody was ever called.
    pub fn call(&self) -> Option<&Call> {
        self.calls.last().filter(|call| call.closed.is_none())
    }

    pub(super) fn call_mut(&mut self) -> Option<&mut Call> {
        self.calls.last_mut().filter(|call| call.closed.is_none())
    }

    /// The level that was called last by the call that goes on.
    pub fn called(&self) -> Option<&CallStep> {
        self.call()?.steps.last()
    }

    /// Whether nobody has taken it on and nobody is left to call.
    pub fn is_unanswered(&self) -> bool {
        self.call().is_some_and(|call| call.taken.is_none() && call.unanswered.is_some())
    }

    /// When the trouble of a pair began, as far as it has no other reason.
    pub fn onset(&self, pair: &Pair) -> Timestamp {
        self.explained_until.map_or(pair.onset, |until| pair.onset.max(until))
    }

    /// What a pair of it has in its lookback: at the newest step of the alert while it fires, else when it fired.
    pub fn reading(&self, pair: &Pair) -> Reading {
        let now = self.facts.readings.iter().find(|of| pair.end.is_none() && of.rule == pair.rule);
        now.cloned().unwrap_or_else(|| Reading::from(pair))
    }

    /// Since when it fires without having been calm in between: since it last became what it is now from none that woke
    /// anybody, as far as its steps are known.
    pub fn firing_since(&self) -> Option<Timestamp> {
        use TransitionKind as Kind;
        let begins = self
            .transitions
            .iter()
            .rev()
            .find(|step| matches!(step.kind, Kind::Fired | Kind::Escalated | Kind::Eased));
        begins.map(|step| step.at).or(self.fired)
    }

    /// The pair that the alert is told by: of those that fire the gravest, and of these the one that
    /// burns most. After the end, of those that have fired. `None` while it is pending.
    pub fn leading(&self) -> Option<&Pair> {
        let is_over = self.state == State::Resolved;
        let pairs = self.pairs.iter().filter(|pair| is_over || pair.end.is_none());
        pairs.max_by(|one, two| {
            one.severity.cmp(&two.severity).then(one.burn_peak.total_cmp(&two.burn_peak))
        })
    }

    /// Pairs that fire as well, and tell nobody.
    pub fn inhibited(&self) -> impl Iterator<Item = &Pair> {
        let leading = self.leading().map(|pair| (&pair.rule, pair.start));
        let firing = self.pairs.iter().filter(|pair| pair.end.is_none());
        firing.filter(move |pair| Some((&pair.rule, pair.start)) != leading)
    }

    /// Its newest step; `None` before the first.
    pub fn transition(&self) -> Option<Transition> {
        self.transitions.last().copied()
    }

    /// The rules that are about to fire.
    pub fn about_to_fire(&self) -> impl Iterator<Item = &str> {
        self.pending.iter().map(|pending| pending.rule.as_str())
    }

    /// The names of the targets that believe that it fires, or are on their way to.
    pub fn told(&self) -> impl Iterator<Item = &str> {
        self.told.keys().map(String::as_str)
    }

    /// The alert as a notice holds it: without what only the desk needs.
    #[must_use]
    pub fn shown(&self) -> Self {
        let (told, reached, pending) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Self { reached, pending, told, ..self.clone() }
    }

    /// Whether this firing is known of here already.
    pub(super) fn knows(&self, rule: &str, start: Timestamp) -> bool {
        self.pairs.iter().any(|pair| pair.rule == rule && pair.start >= start)
    }

    pub(super) fn rules_firing(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(|pair| pair.end.is_none())
    }

    /// Notes what was seen, without making a step of it.
    pub(super) fn note(&mut self, seen: Observed) {
        match seen {
            Observed::Pending { rule, severity, .. } => {
                let is_known = self.pending.iter().any(|pending| pending.rule == rule);
                if !is_known && self.pending.len() < PAIRS_MAX {
                    self.pending.push(Pending { rule, severity });
                }
            }
            Observed::Calm { rule, .. } => self.pending.retain(|pending| pending.rule != rule),
            Observed::Fired(pair) => {
                self.pending.retain(|pending| pending.rule != pair.rule);
                if !self.knows(&pair.rule, pair.start) {
                    // A rule fires once at a time: what it was thought to do is over.
                    for old in self.pairs.iter_mut().filter(|old| old.rule == pair.rule) {
                        old.end.get_or_insert(pair.start);
                    }
                    self.pairs.push(Pair { end: None, ..pair });
                    if self.pairs.len() > PAIRS_MAX {
                        let oldest = self.pairs.iter().position(|pair| pair.end.is_some());
                        self.pairs.remove(oldest.unwrap_or(0));
                    }
                }
            }
            Observed::Resolved(pair) => {
                let known = self.pairs.iter_mut().find(|known| {
                    known.rule == pair.rule && known.start <= pair.start && known.end.is_none()
                });
                if let Some(known) = known {
                    known.end = Some(pair.end.unwrap_or(pair.start));
                    known.spell_end = pair.spell_end;
                    known.burn_peak = known.burn_peak.max(pair.burn_peak);
                }
            }
        }
    }

    /// The step that follows from what fires now, if one does.
    pub(super) fn step(&self) -> Option<TransitionKind> {
        let firing = self.rules_firing().map(|pair| pair.severity).max();
        match (self.state, firing) {
            (State::Pending, None) if self.transitions.is_empty() && self.is_pending() => {
                Some(TransitionKind::Pending)
            }
            (State::Pending, Some(_)) => Some(TransitionKind::Fired),
            (State::Firing, None) => Some(TransitionKind::Resolved),
            (State::Firing, Some(severity)) if severity > self.severity => {
                Some(TransitionKind::Escalated)
            }
            (State::Firing, Some(severity)) if severity < self.severity => {
                Some(TransitionKind::Eased)
            }
            _ => None,
        }
    }

    /// Whether a rule is about to fire.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Makes a step, and numbers it.
    pub(super) fn take(&mut self, kind: TransitionKind, at: Timestamp) -> Transition {
        let firing = self.rules_firing().map(|pair| pair.severity).max();
        let pending = self.pending.iter().map(|pending| pending.severity).max();
        match kind {
            TransitionKind::Pending => self.severity = pending.unwrap_or(self.severity),
            TransitionKind::Fired | TransitionKind::Escalated | TransitionKind::Eased => {
                self.severity = firing.unwrap_or(self.severity);
            }
            TransitionKind::Acknowledged
            | TransitionKind::Unsilenced
            | TransitionKind::Called
            | TransitionKind::Unanswered
            | TransitionKind::Resolved => {}
        }
        match kind {
            TransitionKind::Fired => {
                (self.state, self.fired) = (State::Firing, Some(at));
            }
            TransitionKind::Escalated => self.acknowledged = None,
            TransitionKind::Resolved => {
                (self.state, self.resolved) = (State::Resolved, Some(at));
                self.pending.clear();
            }
            _ => {}
        }
        if self.state != State::Pending {
            self.severity_max = self.severity_max.max(self.severity);
        }
        let number = self.transition().map_or(1, |last| last.number + 1);
        let transition = Transition { number, at, kind, severity: self.severity };
        self.transitions.push(transition);
        if self.transitions.len() > TRANSITIONS_KEPT {
            self.transitions.remove(0);
        }
        transition
    }
}
