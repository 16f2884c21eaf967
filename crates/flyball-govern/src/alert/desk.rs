//! Where alerts, silences and notices come together: the one place that decides who is told what.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flyball_model::{Severity, Timestamp};

use super::episode::{Acknowledgement, Alert, State, Transition, TransitionKind};
use super::facts::Facts;
use super::kept::Part;
use super::observed::{Observed, Pair, Subject};
use super::outbox::{About, Act, Notice, Outbox, Outcome, Reminder, Restored, SilenceOver};
use super::plan::Retry;
use super::silence::{Because, Matcher, SILENCES_MAX, Silence, SilenceError, TEXT_BYTES_MAX};
use crate::oncall::{CallError, Switchboard};

/// The most alerts that are pending or fire; slices beyond that share a cause.
pub const ALERTS_OPEN_MAX: usize = 10_000;
/// The newest alerts that are over and can still be looked at.
pub const RESOLVED_KEPT: usize = 512;
/// The most targets.
pub const ROUTES_MAX: usize = 64;
/// The most alerts that the end of a silence lists.
const OVER_LISTED_MAX: usize = 50;

/// Which alerts a target is told of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Route {
    /// The target.
    pub target: String,
    /// It is told of this severity and of graver ones.
    pub severity_min: Severity,
    /// The services that it is told of; none for all.
    #[serde(default)]
    pub services: Vec<String>,
    /// All of them must match; none matches every alert.
    pub matchers: Vec<Matcher>,
    /// Whether it is told when a silence ends.
    pub announces: bool,
}

impl Route {
    pub(super) fn wants(&self, alert: &Alert) -> bool {
        alert.state == State::Firing && self.is_for(&alert.subject, alert.severity)
    }

    pub(super) fn is_for(&self, subject: &Subject, severity: Severity) -> bool {
        let matches = |matcher: &Matcher| matcher.matches(subject, severity);
        let is_of = |service: &String| *service == subject.service;
        severity >= self.severity_min
            && (self.services.is_empty() || self.services.iter().any(is_of))
            && self.matchers.iter().all(matches)
    }
}

/// What has been counted since the desk was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Alerts that had no room, of which nobody was told.
    pub alerts_refused: u64,
    /// Notices that were not made because the alert was silenced.
    pub silenced: u64,
}

/// Why something cannot be done with an alert, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// There is none of this id.
    #[error("there is no alert {0}; `flyball alert list` lists them")]
    Unknown(u64),
    /// It does not fire.
    #[error("the alert {0} does not fire, so there is nothing to take on")]
    NotFiring(u64),
    /// Somebody else has it.
    #[error("the alert {id} was taken on by {who} already; talk to them")]
    Taken {
        /// The alert.
        id: u64,
        /// Who has it.
        who: String,
    },
    /// Nobody would know whom to ask.
    #[error("an acknowledgement needs a name, and no text of more than {TEXT_BYTES_MAX} bytes")]
    Unsigned,
    /// Nobody is called for it.
    #[error(
        "nobody is called for the alert {0}; name a rota or an escalation in its service's onCall"
    )]
    NotCalled(u64),
    /// The call does not take it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// More targets than are kept.
    #[error("there are {0} targets; at most {ROUTES_MAX} are told of alerts")]
    Targets(usize),
}

/// Alerts, silences and notices; see the module's documentation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Desk {
    pub(super) alerts: BTreeMap<u64, Alert>,
    pub(super) alert_last: u64,
    pub(super) silences: BTreeMap<u64, Silence>,
    pub(super) silence_last: u64,
    pub(super) routes: Vec<Route>,
    pub(super) outbox: Outbox,
    pub(super) counts: Counts,
    /// What has changed since [`Desk::take_changed`], but for notices.
    pub(super) changed: BTreeSet<Part>,
    /// The alerts of each subject: many begin at once when much is down.
    pub(super) of_subject: BTreeMap<Subject, BTreeSet<u64>>,
    /// Those that are over.
    pub(super) over: BTreeSet<u64>,
    /// Who is called for which service.
    pub(super) board: Arc<Switchboard>,
    /// Those for which somebody is called and nobody has taken it.
    pub(super) calling: BTreeSet<u64>,
    /// Tickets that wait for somebody who looks at tickets, and when somebody does.
    pub(super) waiting: BTreeMap<u64, Timestamp>,
    /// Up to when all that fires has been observed; `None` after a start.
    pub(super) observed_up_to: Option<Timestamp>,
}

impl Desk {
    /// The alerts, oldest first: those that are pending or fire, and the newest that are over.
    pub fn alerts(&self) -> impl DoubleEndedIterator<Item = &Alert> {
        self.alerts.values()
    }

    /// An alert; `None` when there is none of this id, or it has been over for long.
    pub fn alert(&self, id: u64) -> Option<&Alert> {
        self.alerts.get(&id)
    }

    /// The alerts that called somebody, oldest first, and when each did first and last: what a silence covered then
    /// called nobody.
    pub fn paged(&self) -> impl Iterator<Item = (&Alert, Timestamp, Timestamp)> {
        self.alerts.values().filter_map(|alert| {
            let mut calls = alert.transitions.iter().filter(|step| {
                use TransitionKind as Kind;
                step.severity == Severity::Page
                    && matches!(step.kind, Kind::Fired | Kind::Escalated | Kind::Unsilenced)
                    && self.silenced_by(alert, step.at).next().is_none()
            });
            let first = calls.next()?;
            Some((alert, first.at, calls.next_back().unwrap_or(first).at))
        })
    }

    /// The silences, oldest first: those to come, in force and over.
    pub fn silences(&self) -> impl DoubleEndedIterator<Item = &Silence> {
        self.silences.values()
    }

    /// The ids of the silences that cover an alert at `at`.
    pub fn silenced_by<'a>(
        &'a self,
        alert: &'a Alert,
        at: Timestamp,
    ) -> impl Iterator<Item = u64> + 'a {
        self.covering(alert, at).map(|silence| silence.id)
    }

    /// The notices that wait, and what became of others.
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The targets that are told.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// What has been counted.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The alerts that `target` believes to fire, with the severity that it was told: what a target
    /// is told again that forgets alerts it has not heard of for a while.
    pub fn believed_by(&self, target: &str) -> impl Iterator<Item = (&Alert, Severity)> {
        let told = move |alert: &Alert| alert.told.get(target).copied();
        self.alerts.values().filter_map(move |alert| Some((alert, told(alert)?)))
    }

    /// When there is something to do next, whatever comes in: a notice to send, a silence to end.
    pub fn next(&self) -> Option<Timestamp> {
        let silences = self.silences_ending().map(|silence| silence.until);
        silences.chain(self.outbox.next()).chain(self.next_call()).min()
    }

    /// Tells these targets from now on; see [`Self::catch_up`]. What waits for others is given up.
    ///
    /// # Errors
    ///
    /// [`DeskError::Targets`]; the targets stay as they were.
    pub fn route(&mut self, routes: Vec<Route>, at: Timestamp) -> Result<(), DeskError> {
        if routes.len() > ROUTES_MAX {
            return Err(DeskError::Targets(routes.len()));
        }
        let is_target = |target: &str| routes.iter().any(|route| route.target == target);
        self.outbox.only(is_target, at);
        for alert in self.alerts.values_mut() {
            alert.told.retain(|target, _| is_target(target));
            self.changed.insert(Part::Alert(alert.id));
        }
        self.routes = routes;
        self.changed.insert(Part::Head);
        Ok(())
    }

    /// Tells targets that are new, or want other alerts than before, of what fires already, and of what is
    /// no longer for them.
    pub fn catch_up(&mut self, at: Timestamp) {
        let firing = self.alerts.values().filter(|alert| alert.state == State::Firing);
        let firing: Vec<_> =
            firing.filter_map(|alert| Some((alert.id, alert.transition()?))).collect();
        for (id, transition) in firing {
            self.tell_by(id, transition, at, |act| matches!(act, Act::Open | Act::Close));
        }
    }

    /// Takes up a desk that was kept: nobody knows whether what was on its way has arrived.
    pub fn resume(&mut self, at: Timestamp) {
        self.outbox.resume(at);
    }

    /// Takes what was seen of the rules of `subject`, up to `at`. Of one rule, in its order; what is
    /// known already changes nothing. What happened at one moment is one step.
    pub fn observe(
        &mut self,
        subject: &Subject,
        mut seen: Vec<Observed>,
        facts: &Facts,
        at: Timestamp,
    ) {
        self.tick(at);
        // The end of a firing that was never heard of tells of its beginning too.
        let told = |rule: &str, start| {
            seen.iter().any(|other| {
                matches!(other, Observed::Fired(pair) if pair.rule == rule && pair.start == start)
            })
        };
        let unheard = seen.iter().filter_map(|one| match one {
            Observed::Resolved(pair)
                if !told(&pair.rule, pair.start)
                    && !self.knows(subject, &pair.rule, pair.start) =>
            {
                Some(Observed::Fired(Pair { end: None, ..pair.clone() }))
            }
            _ => None,
        });
        let unheard: Vec<Observed> = unheard.collect();
        seen.extend(unheard);
        seen.sort_by_key(Observed::at);
        let mut seen = seen.into_iter().peekable();
        while let Some(first) = seen.next() {
            let moment = first.at();
            let mut id = self.note(subject, first, moment);
            while let Some(more) = seen.next_if(|more| more.at() == moment) {
                id = self.note(subject, more, moment).or(id);
            }
            let Some(id) = id else { continue };
            // What is said of a budget belongs to a step.
            if let Some(alert) = self.alert_mut(id).filter(|alert| alert.step().is_some()) {
                let before = std::mem::replace(&mut alert.facts, facts.clone().bounded());
                // What came after it fired is none of its causes.
                if alert.fired.is_some() {
                    alert.facts.changes = before.changes;
                }
            }
            self.advance(id, moment, at);
        }
        self.forget();
    }

    /// Compares with all that fires, or is about to, at `at`, as the rules themselves know: what is not
    /// known is opened, and what fires no more, or is not watched any more, is over.
    pub fn reconcile(
        &mut self,
        firing: &[(Subject, Vec<Pair>)],
        pending: Vec<(Subject, Vec<Observed>)>,
        at: Timestamp,
    ) {
        let fire: BTreeSet<(&Subject, &str)> = firing
            .iter()
            .flat_map(|(subject, pairs)| {
                pairs.iter().map(move |pair| (subject, pair.rule.as_str()))
            })
            .collect();
        let mut over = Vec::new();
        let still: BTreeSet<&Subject> = pending.iter().map(|(subject, _)| subject).collect();
        let gone = self.alerts.values().filter(|alert| alert.state == State::Pending);
        let gone = gone.filter(|alert| !still.contains(&alert.subject));
        for id in gone.map(|alert| alert.id).collect::<Vec<_>>() {
            self.remove_alert(id);
        }
        for alert in self.alerts.values().filter(|alert| alert.state == State::Firing) {
            let ended = alert.rules_firing();
            let ended = ended.filter(|pair| !fire.contains(&(&alert.subject, pair.rule.as_str())));
            let ended = ended.map(|pair| {
                Observed::Resolved(Pair { end: Some(at.max(pair.start)), ..pair.clone() })
            });
            let ended: Vec<Observed> = ended.collect();
            if !ended.is_empty() {
                over.push((alert.subject.clone(), ended, alert.facts.clone()));
            }
        }
        for (subject, ended, facts) in over {
            self.observe(&subject, ended, &facts, at);
        }
        for (subject, pairs) in firing {
            let fired = pairs.iter().cloned().map(Observed::Fired).collect();
            let facts = self.open_of(subject).map(|alert| alert.facts.clone()).unwrap_or_default();
            self.observe(subject, fired, &facts, at);
        }
        for (subject, mut seen) in pending {
            let open = self.open_of(&subject);
            let gone = open.into_iter().flat_map(Alert::about_to_fire).filter(|rule| {
                !seen.iter().any(
                    |one| matches!(one, Observed::Pending { rule: still, .. } if still == rule),
                )
            });
            let gone = gone.map(|rule| Observed::Calm { rule: rule.to_owned(), at });
            let gone: Vec<Observed> = gone.collect();
            let facts = open.map(|alert| alert.facts.clone()).unwrap_or_default();
            seen.extend(gone);
            self.observe(&subject, seen, &facts, at);
        }
    }

    /// Somebody takes an alert on.
    ///
    /// # Errors
    ///
    /// [`DeskError`]; nothing changes.
    pub fn acknowledge(
        &mut self,
        id: u64,
        who: &str,
        note: Option<&str>,
        at: Timestamp,
    ) -> Result<Transition, DeskError> {
        self.tick(at);
        let is_long = |text: &str| text.len() > TEXT_BYTES_MAX;
        if who.trim().is_empty() || is_long(who) || note.is_some_and(is_long) {
            return Err(DeskError::Unsigned);
        }
        let alert = self.alert_mut(id).ok_or(DeskError::Unknown(id))?;
        if alert.state != State::Firing {
            return Err(DeskError::NotFiring(id));
        }
        if let Some(taken) = &alert.acknowledged {
            return Err(DeskError::Taken { id, who: taken.who.clone() });
        }
        let note = note.map(str::to_owned);
        alert.acknowledged = Some(Acknowledgement { who: who.to_owned(), at, note });
        let transition = alert.take(TransitionKind::Acknowledged, at);
        self.follow(id, transition.kind, at);
        self.tell(id, transition, at);
        Ok(transition)
    }

    /// Keeps a silence, and returns its id.
    ///
    /// # Errors
    ///
    /// [`SilenceError`]; nothing changes.
    pub fn silence(&mut self, silence: Silence, at: Timestamp) -> Result<u64, SilenceError> {
        self.tick(at);
        silence.check(at)?;
        if self.silences.len() >= SILENCES_MAX {
            let over = self.silences.values().find(|silence| silence.is_announced);
            let over = over.map(|silence| silence.id).ok_or(SilenceError::Full)?;
            self.silences.remove(&over);
            self.changed.insert(Part::Silence(over));
        }
        self.silence_last += 1;
        let id = self.silence_last;
        self.changed.extend([Part::Head, Part::Silence(id)]);
        self.silences.insert(id, Silence { id, ended_by: None, is_announced: false, ..silence });
        Ok(id)
    }

    /// Ends a silence before its time.
    ///
    /// # Errors
    ///
    /// [`SilenceError::Unknown`] and [`SilenceError::Ended`].
    pub fn end_silence(&mut self, id: u64, who: &str, at: Timestamp) -> Result<(), SilenceError> {
        self.tick(at);
        let silence = self.silences.get_mut(&id).ok_or(SilenceError::Unknown(id))?;
        if silence.is_announced {
            return Err(SilenceError::Ended(id));
        }
        self.changed.insert(Part::Silence(id));
        silence.until = at;
        silence.ended_by = Some(who.to_owned());
        self.tick(at);
        Ok(())
    }

    /// Moves the end of a silence, and says which counts alone it is about; its end is announced when it comes.
    ///
    /// # Errors
    ///
    /// [`SilenceError::Unknown`] and [`SilenceError::Ended`].
    pub fn move_silence(
        &mut self,
        id: u64,
        (until, because_of): (Timestamp, Option<Because>),
        at: Timestamp,
    ) -> Result<(), SilenceError> {
        self.tick(at);
        let silence = self.silences.get_mut(&id).ok_or(SilenceError::Unknown(id))?;
        if silence.is_announced {
            return Err(SilenceError::Ended(id));
        }
        self.changed.insert(Part::Silence(id));
        (silence.until, silence.because_of) = (until, because_of);
        self.tick(at);
        Ok(())
    }

    /// Says of an alert that fires what is known of it now, before a step of it is told.
    pub fn refresh(&mut self, id: u64, facts: &Facts) {
        let Some(known) = self.alerts.get_mut(&id).map(|alert| &mut alert.facts) else { return };
        let Facts { remaining, exhausted, readings, .. } = facts.clone().bounded();
        if (known.remaining, known.exhausted, &known.readings) != (remaining, exhausted, &readings)
        {
            (known.remaining, known.exhausted, known.readings) = (remaining, exhausted, readings);
            self.changed.insert(Part::Alert(id));
        }
    }

    /// Ends the silences whose time has come: their end is announced, and what still fires is told.
    pub fn tick(&mut self, at: Timestamp) {
        let over = self.silences_over(at);
        let mut over: Vec<(Timestamp, u64)> =
            over.map(|silence| (silence.until, silence.id)).collect();
        over.sort_unstable();
        for (until, id) in over {
            let Some(silence) = self.silences.get_mut(&id) else { continue };
            self.changed.insert(Part::Silence(id));
            silence.is_announced = true;
            // One that was called off before it began has kept nothing from anybody.
            if silence.from < until {
                let silence = silence.clone();
                self.silence_over(silence, at);
            }
        }
    }

    /// The notices to send at `at`; see [`Outbox::begin`].
    pub fn begin(&mut self, at: Timestamp, limit: usize, each_max: usize) -> Vec<Notice> {
        self.tick(at);
        self.call_on(at);
        self.outbox.begin(at, limit, each_max)
    }

    /// Keeps what came of an attempt; see [`Outbox::settle`].
    pub fn settle(&mut self, notice: u64, outcome: Outcome, at: Timestamp, retry: &Retry) {
        self.outbox.settle(notice, outcome, at, retry);
    }

    /// Tells whoever is told of tickets of the service that a change was undone by itself. What waits to be told
    /// already is not told twice.
    pub fn restored(&mut self, restored: &Restored, at: Timestamp) {
        let is_known = |notice: &Notice| matches!(&notice.about, About::Restored(known) if known.key == restored.key);
        if !self.outbox.waiting().any(is_known) {
            let about = About::Restored(Box::new(restored.clone()));
            self.ticket(&restored.service, &about, at);
        }
    }

    /// Tells whoever is told of tickets of the service of something that is no alert. What waits to be told already
    /// is not told twice.
    ///
    /// False when nobody is told, as no target is for tickets of the service.
    pub fn remind(&mut self, reminder: &Reminder, at: Timestamp) -> bool {
        let is_known = |notice: &Notice| matches!(&notice.about, About::Reminder(known) if known.key == reminder.key);
        if self.outbox.waiting().any(is_known) {
            return true;
        }
        let about = About::Reminder(Box::new(reminder.clone()));
        let Some(target) = &reminder.target else {
            return self.ticket(&reminder.service, &about, at);
        };
        let is_there = self.routes.iter().any(|route| route.target == *target);
        if is_there {
            self.outbox.put(target, about, at);
        }
        is_there
    }

    /// Tells whoever is told of tickets of `service` of `about`; whether anybody is.
    fn ticket(&mut self, service: &str, about: &About, at: Timestamp) -> bool {
        let service = service.to_owned();
        let subject = Subject { service, slo: String::new(), objective: 0, slice: None };
        let told = self
            .routes
            .iter()
            .filter(|route| route.is_for(&subject, Severity::Ticket) && !self.is_own(route));
        let told: Vec<String> = told.map(|route| route.target.clone()).collect();
        for target in &told {
            self.outbox.put(target, about.clone(), at);
        }
        !told.is_empty()
    }

    fn silence_over(&mut self, silence: Silence, at: Timestamp) {
        let firing = self.firing_under(&silence);
        let firing: Vec<(u64, Subject)> =
            firing.map(|alert| (alert.id, alert.subject.clone())).collect();
        let is_covered = |(id, _): &(u64, Subject)| {
            let alert = self.alerts.get(id);
            alert.is_some_and(|alert| self.silenced_by(alert, at).next().is_some())
        };
        let (covered, firing): (Vec<_>, Vec<_>) = firing.into_iter().partition(is_covered);
        for (id, _) in &firing {
            let Some(alert) = self.alert_mut(*id) else { continue };
            let explained = silence.because_of.map(|of| of.to).filter(|to| *to <= silence.until);
            alert.explained_until = alert.explained_until.max(explained);
            let transition = alert.take(TransitionKind::Unsilenced, silence.until);
            self.follow(*id, transition.kind, at);
            self.tell(*id, transition, at);
        }
        let mut over = SilenceOver { silence, firing, firing_more: 0, still_covered: 0 };
        over.still_covered = covered.len() as u64;
        over.firing_more = over.firing.len().saturating_sub(OVER_LISTED_MAX) as u64;
        over.firing.truncate(OVER_LISTED_MAX);
        // Somebody's own target hears of what they are called for.
        let announced = |route: &&Route| route.announces && !self.is_own(route);
        let targets = self.routes.iter().filter(announced).map(|route| route.target.clone());
        for target in targets.collect::<Vec<_>>() {
            self.outbox.put(&target, About::SilenceOver(Box::new(over.clone())), at);
        }
    }

    fn alerts_of(&self, subject: &Subject) -> impl DoubleEndedIterator<Item = &Alert> {
        let ids = self.of_subject.get(subject).into_iter().flatten();
        ids.filter_map(|id| self.alerts.get(id))
    }

    fn open_of(&self, subject: &Subject) -> Option<&Alert> {
        // At most one is open, and that is the newest.
        self.alerts_of(subject).next_back().filter(|alert| alert.state != State::Resolved)
    }

    fn knows(&self, subject: &Subject, rule: &str, start: Timestamp) -> bool {
        self.alerts_of(subject).any(|alert| alert.knows(rule, start))
    }

    /// Notes one thing in the alert it belongs to; `None` where there is nothing to note.
    fn note(&mut self, subject: &Subject, seen: Observed, moment: Timestamp) -> Option<u64> {
        let is_known = match &seen {
            Observed::Fired(pair) => self.knows(subject, &pair.rule, pair.start),
            _ => false,
        };
        if is_known {
            return None;
        }
        let open = self.open_of(subject).map(|alert| alert.id);
        let id = match (open, &seen) {
            (Some(id), _) => id,
            (None, Observed::Calm { .. } | Observed::Resolved(_)) => return None,
            (None, Observed::Pending { .. } | Observed::Fired(_)) => {
                if self.alerts.len() - self.over.len() >= ALERTS_OPEN_MAX {
                    self.counts.alerts_refused += 1;
                    self.changed.insert(Part::Head);
                    return None;
                }
                self.alert_last += 1;
                let id = self.alert_last;
                self.changed.extend([Part::Head, Part::Alert(id)]);
                self.of_subject.entry(subject.clone()).or_default().insert(id);
                self.alerts.insert(id, Alert::new(id, subject.clone(), moment));
                id
            }
        };
        self.alert_mut(id)?.note(seen);
        Some(id)
    }

    /// Makes the steps that follow, and tells of them.
    fn advance(&mut self, id: u64, moment: Timestamp, at: Timestamp) {
        while let Some(alert) = self.alert_mut(id) {
            let Some(kind) = alert.step() else { break };
            let transition = alert.take(kind, moment);
            if kind == TransitionKind::Resolved {
                self.over.insert(id);
            }
            self.follow(id, kind, at);
            self.tell(id, transition, at);
        }
        // What was about to fire and did not leaves nothing.
        let is_nothing = |alert: &Alert| alert.state == State::Pending && !alert.is_pending();
        if self.alerts.get(&id).is_some_and(is_nothing) {
            self.remove_alert(id);
        }
    }

    /// Makes the notices of a step.
    pub(super) fn tell(&mut self, id: u64, transition: Transition, at: Timestamp) {
        self.tell_by(id, transition, at, |_| true);
    }

    /// Makes those of the notices of a step that are `meant`. What a target is told follows from what it
    /// believes: of an alert that it was never told of it hears no end, and of one that it was told of it
    /// always does.
    fn tell_by(&mut self, id: u64, transition: Transition, at: Timestamp, meant: fn(Act) -> bool) {
        let Some(alert) = self.alerts.get(&id) else { return };
        let is_silenced = self.silenced_by(alert, at).next().is_some();
        let mut acts = Vec::new();
        for route in &self.routes {
            let believes = alert.told.contains_key(&route.target);
            let act = match (self.is_wanted(route, alert), believes) {
                (false, false) => continue,
                (false, true) => Act::Close,
                (true, false) => Act::Open,
                (true, true) if transition.kind == TransitionKind::Acknowledged => Act::Acknowledge,
                (true, true) => Act::Update,
            };
            if !meant(act) {
                continue;
            }
            if is_silenced && act != Act::Close {
                self.counts.silenced += 1;
                self.changed.insert(Part::Head);
                continue;
            }
            acts.push((route.target.clone(), act));
        }
        if acts.is_empty() {
            return;
        }
        let shown = Box::new(alert.shown());
        let number = transition.number;
        for (target, act) in acts {
            let alert = shown.clone();
            self.outbox.put(&target, About::Alert { act, number, alert }, at);
            if let Some(alert) = self.alert_mut(id) {
                match act {
                    Act::Close => _ = alert.told.remove(&target),
                    Act::Open | Act::Update | Act::Acknowledge => {
                        alert.told.insert(target, transition.severity);
                    }
                }
            }
        }
    }

    /// Forgets the oldest alerts that are over.
    fn forget(&mut self) {
        while self.over.len() > RESOLVED_KEPT
            && let Some(oldest) = self.over.first().copied()
        {
            self.remove_alert(oldest);
        }
    }

    /// An alert to change.
    pub(super) fn alert_mut(&mut self, id: u64) -> Option<&mut Alert> {
        let alert = self.alerts.get_mut(&id)?;
        self.changed.insert(Part::Alert(id));
        Some(alert)
    }

    fn remove_alert(&mut self, id: u64) {
        let Some(alert) = self.alerts.remove(&id) else { return };
        self.over.remove(&id);
        self.calling.remove(&id);
        self.waiting.remove(&id);
        self.changed.insert(Part::Alert(id));
        if let Entry::Occupied(mut ids) = self.of_subject.entry(alert.subject) {
            ids.get_mut().remove(&id);
            if ids.get().is_empty() {
                ids.remove();
            }
        }
    }
}
