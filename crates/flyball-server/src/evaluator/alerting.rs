//! What rules do becomes alerts, and alerts become notices.
//!
//! Who is told of what is decided by a [`Desk`]. Its rows are written with the commit that keeps the states
//! of the rules that led to them, so that a restart neither loses a step nor makes it twice. A notice is
//! handed over to be sent once a commit holds that it is on its way: what became of it may be unknown after
//! a crash, that it was tried never is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use flyball_catalog::Catalog;
use flyball_govern::alert::{
    Alert, Because, Desk, DeskError, Facts, Links, Notice, Observed, Outcome, Paged, Pair, Part,
    ROUTES_MAX, Reading, Reminder, Restored, Retry, Route, Row, Silence, SilenceError, Subject,
    Transition,
};
use flyball_govern::custody::Carried;
use flyball_govern::oncall::{Call, Exceptions, Switchboard};
use flyball_model::{AlertTarget, Severity, Slice, Slo, Timestamp, Window};
use flyball_store::{LedgerSnapshot, StoreError, VALUE_BYTES_MAX};
use tokio::sync::Notify;

use super::Evaluator;
use super::objective::{InstallError, Objective, SliceHistory, State, Watched};
use crate::telemetry::Telemetry;

/// What the keys of all rows begin with.
const PREFIX: &[u8] = b"alerts\0";
/// Alerts whose budget is worked out for one step, which may take a walk over a window; when more fire at
/// once, the others say that they do.
const FACTS_MAX: usize = 64;

/// Alerts and whoever waits for notices.
#[derive(Debug)]
pub(super) struct Alerting {
    desk: Desk,
    retry: Retry,
    /// Notices that are on their way as soon as a commit has kept that.
    begun: Vec<Notice>,
    /// Told when there may be something to send.
    due: Arc<Notify>,
}

/// Notices to send, and to whom.
#[derive(Debug)]
pub(crate) struct Begun {
    /// The notices; they are to be settled one by one.
    pub(crate) notices: Vec<Notice>,
    /// What is in force.
    pub(crate) catalog: Arc<Catalog>,
    /// When there is something to do next.
    pub(crate) next: Option<Timestamp>,
}

/// The calls of one alert.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    /// The alert.
    pub(crate) alert: u64,
    /// What it is about.
    pub(crate) subject: Subject,
    /// Who was called for it.
    pub(crate) calls: Vec<Call>,
}

/// What was seen of one subject.
pub(super) type Sighting = (Subject, Vec<Observed>, Facts);

/// Why something cannot be done with an alert or a silence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AlertError {
    /// It cannot be done.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The silence cannot be kept or ended.
    #[error(transparent)]
    Silence(#[from] SilenceError),
    /// It is done, and not on disk yet.
    #[error(
        "it is done and cannot be written at the moment: {0}; hint: it is tried again, so look later"
    )]
    Store(#[from] StoreError),
}

impl Alerting {
    /// The desk that `snapshot` holds, as nobody knows what became of what was on its way.
    pub(super) fn read(
        snapshot: &LedgerSnapshot<'_>,
        now: Timestamp,
        due: Arc<Notify>,
        telemetry: &Telemetry,
    ) -> Result<Self, StoreError> {
        let rows = snapshot.values(PREFIX)?.into_iter().filter_map(|(key, value)| {
            let row: Result<Row, _> = serde_json::from_slice(&value);
            row.map_err(|error| telemetry.alert_row(&key.escape_ascii().to_string(), &error)).ok()
        });
        let mut desk = Desk::of_rows(rows);
        desk.resume(now);
        let retry = Retry { seed: seed(), ..Retry::default() };
        Ok(Self { desk, retry, begun: Vec::new(), due })
    }

    /// Lets people be called with these exceptions to rotas, and while these carry pagers.
    pub(super) fn begin_with(
        &mut self,
        exceptions: BTreeMap<String, Exceptions>,
        custody: BTreeMap<String, Option<Carried>>,
        now: Timestamp,
    ) {
        let board = self.desk.board().with(exceptions).with_pagers(custody);
        self.desk.call_by(Arc::new(board), now);
    }
}

/// What the jitter of retries is made of: others than on every other server.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    // Without chance, retries are as far apart as ever.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

impl Evaluator {
    /// Alerts, silences and notices.
    pub(crate) const fn desk(&self) -> &Desk {
        &self.alerting.desk
    }

    /// Takes what was seen of rules.
    pub(super) fn observe(&mut self, seen: Vec<Sighting>) {
        let now = self.clock.now();
        self.refresh_due(now);
        for (subject, seen, facts) in seen {
            self.alerting.desk.observe(&subject, seen, &facts, now);
        }
        self.keep_alerts();
    }

    /// All rules have been looked at up to a moment.
    pub(super) fn observed(&mut self, up_to: Timestamp) {
        self.alerting.desk.observed(up_to);
    }

    /// Tells the targets that are in force, and compares what is known of alerts with the states of all
    /// rules: after a start, and when something else is evaluated.
    pub(super) fn reconcile_alerts(&mut self) {
        let now = self.clock.now();
        let routes: Vec<Route> = self.catalog.set.alert_targets.iter().map(route).collect();
        let are_new = routes != self.alerting.desk.routes();
        if are_new && let Err(error) = self.alerting.desk.route(routes, now) {
            // Refused before it was installed.
            tracing::error!(%error, "alert targets are not told");
        }
        let board = self.catalog.governance.switchboard().as_of(self.alerting.desk.board());
        self.alerting.desk.call_by(Arc::new(board), now);
        let mut firing = Vec::new();
        let mut pending = Vec::new();
        for Watched { slo, objectives, .. } in &self.watched {
            for (index, objective) in objectives.iter().enumerate() {
                let Objective { plan, total, slices, .. } = objective;
                let slices = slices.iter().map(|(slice, state)| (Some(slice), state));
                for (slice, state) in std::iter::once((None, total)).chain(slices) {
                    let fire = state.live.firings(plan);
                    if !fire.is_empty() {
                        let pairs: Vec<Pair> = fire.iter().map(Pair::from).collect();
                        firing.push((subject(slo, index, slice), pairs));
                    }
                    let seen = signs(slo, state, &[], self.at);
                    if !seen.is_empty() {
                        pending.push((subject(slo, index, slice), seen));
                    }
                }
            }
        }
        self.alerting.desk.reconcile(&firing, pending, now);
        if are_new {
            self.alerting.desk.catch_up(now);
        }
        self.keep_alerts();
    }

    /// Takes the notices that are due, at most `limit`, and `each_max` for each target. They are on their way
    /// from here on, which is on disk; none are handed over while nothing can be written.
    pub(crate) fn begin_notices(&mut self, limit: usize, each_max: usize) -> Begun {
        let now = self.clock.now();
        self.refresh_due(now);
        let begun = self.alerting.desk.begin(now, limit, each_max);
        self.alerting.begun.extend(begun);
        self.keep_alerts();
        let catalog = Arc::clone(&self.catalog);
        let mut notices = Vec::new();
        if !self.alerting.begun.is_empty() {
            match self.try_commit() {
                Ok(()) => notices = std::mem::take(&mut self.alerting.begun),
                Err(error) => self.telemetry.store_failed("commit", &error),
            }
        }
        Begun { notices, catalog, next: self.alerting.desk.next() }
    }

    /// Keeps what came of an attempt.
    pub(crate) fn settle_notice(&mut self, notice: u64, outcome: Outcome) {
        let now = self.clock.now();
        let Alerting { desk, retry, .. } = &mut self.alerting;
        desk.settle(notice, outcome, now, retry);
        self.keep_alerts();
    }

    /// Tells of a change that was undone by itself; on disk when this returns.
    ///
    /// # Errors
    ///
    /// It is told, and not on disk yet.
    pub(crate) fn restored(&mut self, restored: &Restored) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.alerting.desk.restored(restored, now);
        self.kept_alerts()
    }

    /// Tells of something that is no alert; on disk when this returns. False when no target is told of tickets of the
    /// service.
    ///
    /// # Errors
    ///
    /// It is told, and not on disk yet.
    pub(crate) fn remind(&mut self, reminder: &Reminder) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let is_heard = self.alerting.desk.remind(reminder, now);
        self.kept_alerts()?;
        Ok(is_heard)
    }

    /// The alerts that called somebody: of every service of which one has gone on since it
    /// had as many steps as `known` says, all.
    pub(crate) fn paged_since(&self, known: &HashMap<u64, u32>) -> Vec<Paged> {
        let step = |alert: &Alert| alert.transitions.last().map(|step| step.number);
        let paged: Vec<_> = self.alerting.desk.paged().collect();
        let is_news = |alert: &Alert| known.get(&alert.id).copied() != step(alert);
        let news = paged.iter().filter(|(alert, ..)| is_news(alert));
        let services: BTreeSet<&str> =
            news.map(|(alert, ..)| alert.subject.service.as_str()).collect();
        let of_services =
            paged.iter().filter(|(alert, ..)| services.contains(alert.subject.service.as_str()));
        let paged = of_services.map(|(alert, first, last)| Paged {
            alert: (*alert).clone(),
            first: *first,
            last: *last,
        });
        paged.collect()
    }

    /// Who is called for which service.
    pub(crate) const fn switchboard(&self) -> &Arc<Switchboard> {
        self.alerting.desk.board()
    }

    /// Lets people be called with these exceptions to `rota` from now on.
    pub(crate) fn except(&mut self, rota: String, exceptions: Exceptions) {
        let now = self.clock.now();
        let mut all = self.alerting.desk.board().all_exceptions().clone();
        all.insert(rota, exceptions);
        let board = self.alerting.desk.board().with(all);
        self.alerting.desk.call_by(Arc::new(board), now);
        self.keep_alerts();
    }

    /// Lets people be called by who carries pagers from now on: by service, `None` for a retired one.
    pub(crate) fn carry(&mut self, custody: BTreeMap<String, Option<Carried>>) {
        let now = self.clock.now();
        let board = self.alerting.desk.board().with_pagers(custody);
        self.alerting.desk.call_by(Arc::new(board), now);
        self.keep_alerts();
    }

    /// The alert targets that hear of a page of `service`.
    pub(crate) fn hearers(&self, service: &str) -> Vec<String> {
        self.alerting.desk.hearers(service).into_iter().map(str::to_owned).collect()
    }

    /// Rotas as they are from this moment on.
    pub(crate) fn rotas(&self) -> (Arc<Switchboard>, Timestamp) {
        (Arc::clone(self.switchboard()), self.clock.now())
    }

    /// The calls of all alerts that are known of.
    pub(crate) fn calls(&self) -> Vec<Called> {
        let called = self.alerting.desk.alerts().filter(|alert| !alert.calls.is_empty());
        let of = |alert: &Alert| {
            let (subject, calls) = (alert.subject.clone(), alert.calls.clone());
            Called { alert: alert.id, subject, calls }
        };
        called.map(of).collect()
    }

    /// Somebody passes an alert on to the next level; on disk when this returns.
    ///
    /// # Errors
    ///
    /// [`AlertError`].
    pub(crate) fn pass_on(
        &mut self,
        id: u64,
        said: (&str, &str),
    ) -> Result<Transition, AlertError> {
        let now = self.clock.now();
        self.refresh(&[id]);
        let done = self.alerting.desk.pass_on(id, said, now)?;
        self.kept_alerts()?;
        Ok(done)
    }

    /// What the target believes to fire, and the severities that it was told.
    pub(crate) fn believed_by(&self, target: &str) -> Vec<(Alert, Severity)> {
        let believed = self.alerting.desk.believed_by(target);
        believed.map(|(alert, severity)| (alert.shown(), severity)).collect()
    }

    /// Somebody takes an alert on; on disk when this returns.
    ///
    /// # Errors
    ///
    /// [`AlertError`].
    pub(crate) fn acknowledge(
        &mut self,
        id: u64,
        who: &str,
        note: Option<&str>,
    ) -> Result<Transition, AlertError> {
        let now = self.clock.now();
        self.refresh(&[id]);
        let done = self.alerting.desk.acknowledge(id, who, note, now)?;
        self.kept_alerts()?;
        Ok(done)
    }

    /// Keeps a silence, and returns its id; on disk when this returns.
    ///
    /// # Errors
    ///
    /// [`AlertError`].
    pub(crate) fn silence(&mut self, silence: Silence) -> Result<u64, AlertError> {
        let now = self.clock.now();
        let id = self.alerting.desk.silence(silence, now)?;
        self.kept_alerts()?;
        Ok(id)
    }

    /// Ends a silence before its time; on disk when this returns.
    ///
    /// # Errors
    ///
    /// [`AlertError`].
    pub(crate) fn end_silence(&mut self, id: u64, who: &str) -> Result<(), AlertError> {
        let now = self.clock.now();
        let desk = &self.alerting.desk;
        let silence = desk.silences().find(|silence| silence.id == id);
        let covered = silence.into_iter().flat_map(|silence| desk.firing_under(silence));
        let covered: Vec<u64> = covered.map(|alert| alert.id).collect();
        self.refresh(&covered);
        self.alerting.desk.end_silence(id, who, now)?;
        Ok(self.kept_alerts()?)
    }

    /// Moves the end of a silence, and says which counts alone it is about; on disk when this returns.
    ///
    /// # Errors
    ///
    /// [`AlertError`].
    pub(crate) fn move_silence(
        &mut self,
        id: u64,
        (until, because_of): (Timestamp, Because),
    ) -> Result<(), AlertError> {
        let now = self.clock.now();
        self.alerting.desk.move_silence(id, (until, Some(because_of)), now)?;
        Ok(self.kept_alerts()?)
    }

    /// Has the alerts of which time alone makes a step say what is so now: whoever is called next is told of that, and
    /// not of what the first was called for.
    fn refresh_due(&mut self, now: Timestamp) {
        let due: Vec<u64> = self.alerting.desk.due(now).into_iter().collect();
        self.refresh(&due);
    }

    /// Has these alerts say what is so now of their budgets, where that can be read.
    fn refresh(&mut self, ids: &[u64]) {
        if ids.is_empty() {
            return;
        }
        let Ok(snapshot) = self.ledger.snapshot() else { return };
        let mut found = Vec::new();
        for (number, id) in ids.iter().enumerate() {
            let Some(alert) = self.alerting.desk.alert(*id) else { continue };
            let Some((slo, index, objective, state)) = state_of(&self.watched, &alert.subject)
            else {
                continue;
            };
            let history = SliceHistory { snapshot: &snapshot, slice: state.slice };
            found.push((*id, facts((slo, index), &objective.plan, state, &history, number)));
        }
        for (id, facts) in found {
            self.alerting.desk.refresh(id, &facts);
        }
    }

    fn kept_alerts(&mut self) -> Result<(), StoreError> {
        self.keep_alerts();
        self.try_commit()
    }

    /// Has what has changed of alerts written with the next commit.
    fn keep_alerts(&mut self) {
        let changed = self.alerting.desk.take_changed();
        if changed.is_empty() {
            return;
        }
        for (part, row) in changed {
            let value = row.map(|row| serde_json::to_vec(&row).unwrap_or_default());
            if let Some(value) = value.as_ref().filter(|value| value.len() > VALUE_BYTES_MAX) {
                // All that a row holds is bounded; nothing else must wait for one that is too long.
                tracing::error!(?part, bytes = value.len(), "what is known of alerts is not kept");
                continue;
            }
            self.pending.values.push((key(part), value));
        }
        self.telemetry.alerts(&self.alerting.desk);
        self.alerting.due.notify_one();
    }
}

/// Whether the targets of a catalog can all be told.
pub(super) fn check_targets(catalog: &Catalog) -> Result<(), InstallError> {
    let targets = catalog.set.alert_targets.len();
    if targets <= ROUTES_MAX {
        return Ok(());
    }
    let said = DeskError::Targets(targets).to_string();
    Err(InstallError::Condition(said))
}

fn route(target: &AlertTarget) -> Route {
    Route {
        target: target.name.clone(),
        severity_min: target.severity,
        services: target.services.clone(),
        matchers: Vec::new(),
        announces: target.announces,
    }
}

/// Where a row is kept.
fn key(part: Part) -> Vec<u8> {
    let name = match part {
        Part::Head => "head".to_owned(),
        Part::Alert(id) => format!("alert\0{id}"),
        Part::Silence(id) => format!("silence\0{id}"),
        Part::Notice(id) => format!("notice\0{id}"),
    };
    [PREFIX, name.as_bytes()].concat()
}

/// What an alert of this state is about.
pub(super) fn subject(slo: &Slo, objective: usize, slice: Option<&Slice>) -> Subject {
    Subject {
        service: slo.service.clone(),
        slo: slo.name.clone(),
        // Documents have a few objectives.
        objective: u32::try_from(objective).unwrap_or(u32::MAX),
        slice: slice.map(ToString::to_string),
    }
}

/// The rules of a state that are about to fire, and since when.
pub(super) fn pending(state: &State) -> Vec<(String, Timestamp)> {
    let watches = state.live.watches().iter();
    watches.filter_map(|watch| Some((watch.rule().to_owned(), watch.pending_since()?))).collect()
}

/// Which rules of a state are about to fire and were not among `before`, and which are no longer.
pub(super) fn signs(
    slo: &Slo,
    state: &State,
    before: &[(String, Timestamp)],
    at: Timestamp,
) -> Vec<Observed> {
    let after = pending(state);
    if after == before {
        return Vec::new();
    }
    let severities: BTreeMap<&str, Severity> =
        slo.alert_rules.iter().map(|rule| (rule.name.as_str(), rule.severity)).collect();
    let begun = after.iter().filter(|one| !before.contains(one)).filter_map(|(rule, since)| {
        let severity = severities.get(rule.as_str()).copied()?;
        Some(Observed::Pending { rule: rule.clone(), severity, since: *since })
    });
    let gone = before.iter().filter(|(rule, _)| after.iter().all(|(other, _)| rule != other));
    let gone = gone.map(|(rule, _)| Observed::Calm { rule: rule.clone(), at });
    begun.chain(gone).collect()
}

/// The state that `subject` is about, with its SLO and objective; `None` where it is not watched.
pub(super) fn state_of<'a>(
    watched: &'a [Watched],
    subject: &Subject,
) -> Option<(&'a Slo, usize, &'a Objective, &'a State)> {
    let is_of = |of: &&Watched| of.slo.name == subject.slo && of.slo.service == subject.service;
    let watched = watched.iter().find(is_of)?;
    let index = usize::try_from(subject.objective).ok()?;
    let objective = watched.objectives.get(index)?;
    let state = match &subject.slice {
        None => &objective.total,
        Some(label) => objective.slices.iter().find(|(of, _)| of.to_string() == *label)?.1,
    };
    Some((&watched.slo, index, objective, state))
}

/// What is known of a subject when one of its rules fires or lets go. Of those past the first
/// [`FACTS_MAX`] of a step only what costs nothing.
pub(super) fn facts(
    (slo, objective): (&Slo, usize),
    plan: &flyball_budget::live::Plan,
    state: &State,
    history: &SliceHistory<'_>,
    number: usize,
) -> Facts {
    let target = slo.objectives.get(objective).map(|objective| objective.target);
    let promise = target.map(|target| format!("{target} over {}", window(&slo.window)));
    let links = Links::of(&slo.annotations);
    let standing = if number < FACTS_MAX { state.live.standing(plan, history).ok() } else { None };
    let readings = state.live.readings(plan).into_iter().map(|of| Reading {
        rule: of.rule,
        valid: of.events.valid(),
        bad: of.events.bad(),
        burn: of.burn,
        spent_in_lookback: of.spent_in_lookback,
        spent_of_window: of.spent_of_window,
    });
    Facts {
        promise,
        remaining: standing.as_ref().and_then(|standing| standing.budget.remaining_share),
        exhausted: standing.and_then(|standing| standing.outlook().exhausts_at),
        readings: readings.collect(),
        changes: Vec::new(),
        differing: Vec::new(),
        links,
    }
}

fn window(window: &Window) -> String {
    match window {
        Window::Rolling { length } => length.to_string(),
        Window::Calendar(calendar) => {
            let unit = calendar.unit.name();
            match calendar.count {
                1 => format!("a calendar {unit}"),
                count => format!("{count} calendar {unit}s"),
            }
        }
    }
}
