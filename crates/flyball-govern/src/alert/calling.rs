//! Pages are called out along the escalation of their service, until somebody takes them; tickets to whoever looks at
//! tickets.
//!
//! A call begins with the step by which an alert becomes a page that nobody keeps silent, and ends when it is
//! none any more. Each further level is a step of the alert, so it is told and kept as every other one is. While
//! a silence covers an alert nobody else is called; who has been called is told of the end all the same.
//!
//! A ticket waits until somebody is there who looks at tickets, and calls nobody after them.

use std::collections::BTreeSet;
use std::sync::Arc;

use flyball_model::{Severity, Timestamp};

use super::desk::{Desk, DeskError, Route};
use super::episode::{Alert, CALLS_KEPT, State, Transition, TransitionKind};
use super::observed::Subject;
use crate::oncall::{Call, CallStep, Switchboard};

impl Desk {
    /// Calls people as `board` says from now on. What fires and nobody has taken, and for which nobody is called
    /// yet, is called out now.
    pub fn call_by(&mut self, board: Arc<Switchboard>, at: Timestamp) {
        if *self.board == *board {
            return;
        }
        self.board = board;
        let uncalled = self.alerts.values().filter(|alert| {
            let is_open = alert.state == State::Firing && alert.acknowledged.is_none();
            is_open && alert.call().is_none()
        });
        for id in uncalled.map(|alert| alert.id).collect::<Vec<_>>() {
            self.call_late(id, at);
        }
    }

    /// Calls people for an alert that was told of before.
    fn call_late(&mut self, id: u64, at: Timestamp) {
        if self.call_out(id, at)
            && let Some(alert) = self.alert_mut(id)
        {
            let transition = alert.take(TransitionKind::Called, at);
            self.tell(id, transition, at);
        }
    }

    /// Who is called for which service.
    pub const fn board(&self) -> &Arc<Switchboard> {
        &self.board
    }

    /// Whoever has the alert passes it on to the next level of its escalation, which is called at once.
    ///
    /// # Errors
    ///
    /// [`DeskError::Unknown`], [`DeskError::NotCalled`], [`DeskError::Call`]; nothing changes.
    pub fn pass_on(
        &mut self,
        id: u64,
        (who, why): (&str, &str),
        at: Timestamp,
    ) -> Result<Transition, DeskError> {
        self.tick(at);
        let board = Arc::clone(&self.board);
        let alert = self.alerts.get_mut(&id).ok_or(DeskError::Unknown(id))?;
        let call = alert.call_mut().ok_or(DeskError::NotCalled(id))?;
        let chain = board.chain(&call.escalation, call.custody);
        let chain = chain.ok_or(DeskError::NotCalled(id))?;
        let severity = call.severity;
        let people = |level: &_, at| board.who(level, severity, at);
        call.pass_on(chain, (who, why), at, people)?;
        call.advance(chain, at, people);
        alert.acknowledged = None;
        reach(alert, &board);
        let transition = alert.take(TransitionKind::Called, at);
        self.calling.insert(id);
        self.tell(id, transition, at);
        Ok(transition)
    }

    /// When the next level of some alert is to be called.
    pub(super) fn next_call(&self) -> Option<Timestamp> {
        let calls = self.calling.iter().filter_map(|id| self.alerts.get(id)?.call());
        let due = calls.filter_map(|call| Some(self.next_step(call)?.0));
        due.chain(self.waiting.values().copied()).min()
    }

    /// When time alone moves a call on, and how: the next level is called, or nobody is left to call. `None` where it does
    /// not.
    fn next_step(&self, call: &Call) -> Option<(Timestamp, TransitionKind)> {
        let chain = self.board.chain(&call.escalation, call.custody)?;
        if let Some(due) = call.due(chain) {
            return Some((due, TransitionKind::Called));
        }
        let gives_up = call.gives_up(chain).filter(|_| call.unanswered.is_none())?;
        Some((gives_up, TransitionKind::Unanswered))
    }

    /// Calls the levels that are due at `at`, and whoever looks at tickets that wait.
    pub(super) fn call_on(&mut self, at: Timestamp) {
        let waited = self.waiting.iter().filter(|(_, due)| **due <= at).map(|(id, _)| *id);
        for id in waited.collect::<Vec<_>>() {
            self.call_late(id, at);
        }
        let board = Arc::clone(&self.board);
        for id in self.calling.clone() {
            let Some(kind) = self.alerts.get(&id).and_then(|alert| self.step_due(alert, at)) else {
                continue;
            };
            let Some(alert) = self.alert_mut(id) else { continue };
            let Some(call) = alert.call_mut() else { continue };
            let chain = board.chain(&call.escalation, call.custody);
            if let Some(chain) = chain.filter(|_| kind == TransitionKind::Called) {
                let severity = call.severity;
                call.unanswered = None;
                call.advance(chain, at, |level, at| board.who(level, severity, at));
                reach(alert, &board);
            } else {
                call.unanswered = Some(at);
            }
            let transition = alert.take(kind, at);
            self.tell(id, transition, at);
        }
    }

    /// The step that `alert` makes at `at` because of time alone: the next level is called, or nobody is left to call.
    /// `None` while neither is due, and while it is silenced.
    fn step_due(&self, alert: &Alert, at: Timestamp) -> Option<TransitionKind> {
        if self.silenced_by(alert, at).next().is_some() {
            return None;
        }
        let (due, kind) = self.next_step(alert.call()?)?;
        (due <= at).then_some(kind)
    }

    /// The alerts of which a step is told at `at` because of time alone: a level is due, nobody is left to call, or the
    /// last silence is over.
    pub fn due(&self, at: Timestamp) -> BTreeSet<u64> {
        let covered = self.silences_over(at).flat_map(|silence| self.firing_under(silence));
        let calls = self.calling.iter().filter(|id| {
            self.alerts.get(id).is_some_and(|alert| self.step_due(alert, at).is_some())
        });
        let waiting = self.waiting.iter().filter(|(_, due)| **due <= at).map(|(id, _)| *id);
        covered.map(|alert| alert.id).chain(calls.copied()).chain(waiting).collect()
    }

    /// Lets the call of an alert follow a step of it that was made at `at`.
    pub(super) fn follow(&mut self, id: u64, step: TransitionKind, at: Timestamp) {
        use TransitionKind as Kind;
        match step {
            Kind::Fired | Kind::Unsilenced => _ = self.call_out(id, at),
            // A page is none of those who look at tickets, and a ticket calls nobody who was paged.
            Kind::Escalated | Kind::Eased => {
                self.call_off(id, at);
                self.call_out(id, at);
            }
            Kind::Resolved => self.call_off(id, at),
            Kind::Acknowledged => {
                self.calling.remove(&id);
                self.waiting.remove(&id);
                let alert = self.alerts.get_mut(&id);
                let taken = alert.and_then(|alert| {
                    let who = alert.acknowledged.as_ref()?.who.clone();
                    Some((alert.call_mut()?, who))
                });
                if let Some((call, who)) = taken {
                    // That it can be taken, the desk has seen itself.
                    let _ = call.take(&who, at);
                }
            }
            Kind::Pending | Kind::Called | Kind::Unanswered => {}
        }
    }

    /// Ends the call of an alert.
    fn call_off(&mut self, id: u64, at: Timestamp) {
        self.calling.remove(&id);
        self.waiting.remove(&id);
        let Some(alert) = self.alert_mut(id) else { return };
        alert.reached.clear();
        if let Some(call) = alert.call_mut() {
            call.close(at);
        }
    }

    /// Begins to call people for an alert that nobody has taken; whether a call has begun. A ticket of which nobody
    /// looks at tickets now waits until somebody does.
    fn call_out(&mut self, id: u64, at: Timestamp) -> bool {
        self.waiting.remove(&id);
        let board = Arc::clone(&self.board);
        let Some(alert) = self.alerts.get(&id) else { return false };
        let is_open = alert.state == State::Firing && alert.acknowledged.is_none();
        let is_silent = self.silenced_by(alert, at).next().is_some();
        if !is_open || is_silent || alert.call().is_some() {
            return false;
        }
        let (service, severity) = (&alert.subject.service, alert.severity);
        let Some(chain) = board.chain_of(service) else { return false };
        let mut call = Call::new(id.to_string(), chain.name.clone(), severity, at);
        call.custody = board.carried(service);
        match severity {
            Severity::Page => {
                call.advance(chain, at, |level, at| board.who(level, severity, at));
                self.calling.insert(id);
            }
            Severity::Ticket => {
                let Some(triage) = board.triage(chain, at) else {
                    self.waiting.extend(board.triage_next(chain, at).map(|next| (id, next)));
                    return false;
                };
                call.begin_at(chain, triage, at);
            }
        }
        let Some(alert) = self.alert_mut(id) else { return false };
        alert.calls.push(call);
        if alert.calls.len() > CALLS_KEPT {
            alert.calls.remove(0);
        }
        reach(alert, &board);
        true
    }

    /// The targets that hear of a page of `service`: those that are told of it anyway, and those of the people whom
    /// it may call.
    pub fn hearers(&self, service: &str) -> BTreeSet<&str> {
        let service = service.to_owned();
        let subject = Subject { service, slo: String::new(), objective: 0, slice: None };
        let reached = self.board.reaches(&subject.service);
        let hears = |route: &&Route| {
            let is_told = route.is_for(&subject, Severity::Page) && !self.is_own(route);
            is_told || reached.contains(route.target.as_str())
        };
        self.routes.iter().filter(hears).map(|route| route.target.as_str()).collect()
    }

    /// Whether some target is told of pages of `service` whoever is called.
    pub fn is_told(&self, service: &str) -> bool {
        let service = service.to_owned();
        let subject = Subject { service, slo: String::new(), objective: 0, slice: None };
        let told = |route: &Route| route.is_for(&subject, Severity::Page) && !self.is_own(route);
        self.routes.iter().any(told)
    }

    /// Whether a target is to hear of an alert that fires: of what its document says, or since somebody
    /// whose target it is was called.
    pub(super) fn is_wanted(&self, route: &Route, alert: &Alert) -> bool {
        let is_called = || alert.state == State::Firing && alert.reached.contains(&route.target);
        is_called() || (route.wants(alert) && !self.is_own(route))
    }

    /// Whether a target is somebody's own and names no services: it is told of what they are called for, and
    /// of nothing else.
    pub(super) fn is_own(&self, route: &Route) -> bool {
        route.services.is_empty() && self.board.is_personal(&route.target)
    }
}

/// Notes the targets of those whom the call that goes on has called.
fn reach(alert: &mut Alert, board: &Switchboard) {
    let Some(call) = alert.calls.last() else { return };
    let targets = |step: &CallStep| {
        let people = step.who.iter();
        let targets = people.filter_map(|who| board.target(&step.rota, who).map(str::to_owned));
        targets.collect::<Vec<_>>()
    };
    alert.reached.extend(call.steps.iter().flat_map(targets));
}
