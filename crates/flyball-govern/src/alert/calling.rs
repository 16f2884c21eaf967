//! Pages are called out along the escalation of their service, until somebody takes them.
//!
//! A call begins with the step by which an alert becomes a page that nobody keeps silent, and ends when it is
//! none any more. Each further level is a step of the alert, so it is told and kept as every other one is. While
//! a silence covers an alert nobody else is called; who has been called is told of the end all the same.

use std::sync::Arc;

use flyball_model::{Severity, Timestamp};

use super::desk::{Desk, DeskError, Route};
use super::episode::{Alert, CALLS_KEPT, State, Transition, TransitionKind};
use crate::oncall::{Call, CallStep, Switchboard};

impl Desk {
    /// Calls people as `board` says from now on. Pages that nobody has taken, and for which nobody is called
    /// yet, are called out now.
    pub fn call_by(&mut self, board: Arc<Switchboard>, at: Timestamp) {
        if *self.board == *board {
            return;
        }
        self.board = board;
        let uncalled = self.alerts.values().filter(|alert| {
            let is_page = alert.state == State::Firing && alert.severity == Severity::Page;
            is_page && alert.acknowledged.is_none() && alert.call().is_none()
        });
        for id in uncalled.map(|alert| alert.id).collect::<Vec<_>>() {
            if self.call_out(id, at)
                && let Some(alert) = self.alert_mut(id)
            {
                let transition = alert.take(TransitionKind::Called, at);
                self.tell(id, transition, at);
            }
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
        let chain = board.chain(&call.escalation).ok_or(DeskError::NotCalled(id))?;
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
        calls.filter_map(|call| call.due(self.board.chain(&call.escalation)?)).min()
    }

    /// Calls the levels that are due at `at`.
    pub(super) fn call_on(&mut self, at: Timestamp) {
        let board = Arc::clone(&self.board);
        for id in self.calling.clone() {
            let Some(alert) = self.alerts.get(&id) else { continue };
            let chain = alert.call().and_then(|call| board.chain(&call.escalation));
            let due = chain.and_then(|chain| alert.call()?.due(chain));
            let is_due = due.is_some_and(|due| due <= at);
            if !is_due || self.silenced_by(alert, at).next().is_some() {
                continue;
            }
            let Some((chain, alert)) = chain.zip(self.alert_mut(id)) else { continue };
            let Some(call) = alert.call_mut() else { continue };
            let severity = call.severity;
            if call.advance(chain, at, |level, at| board.who(level, severity, at)).is_empty() {
                continue;
            }
            reach(alert, &board);
            let transition = alert.take(TransitionKind::Called, at);
            self.tell(id, transition, at);
        }
    }

    /// Lets the call of an alert follow a step of it that was made at `at`.
    pub(super) fn follow(&mut self, id: u64, step: TransitionKind, at: Timestamp) {
        use TransitionKind as Kind;
        match step {
            Kind::Fired | Kind::Escalated | Kind::Unsilenced => _ = self.call_out(id, at),
            Kind::Eased | Kind::Resolved => {
                self.calling.remove(&id);
                let Some(alert) = self.alert_mut(id) else { return };
                alert.reached.clear();
                if let Some(call) = alert.call_mut() {
                    call.close(at);
                }
            }
            Kind::Acknowledged => {
                self.calling.remove(&id);
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
            Kind::Pending | Kind::Called => {}
        }
    }

    /// Begins to call people for a page that nobody has taken; whether a call has begun.
    fn call_out(&mut self, id: u64, at: Timestamp) -> bool {
        let board = Arc::clone(&self.board);
        let Some(alert) = self.alerts.get(&id) else { return false };
        let is_page = alert.state == State::Firing && alert.severity == Severity::Page;
        let is_silent = self.silenced_by(alert, at).next().is_some();
        if !is_page || is_silent || alert.acknowledged.is_some() || alert.call().is_some() {
            return false;
        }
        let Some(chain) = board.chain_of(&alert.subject.service) else { return false };
        let mut call = Call::new(id.to_string(), chain.name.clone(), Severity::Page, at);
        call.advance(chain, at, |level, at| board.who(level, Severity::Page, at));
        let Some(alert) = self.alert_mut(id) else { return false };
        alert.calls.push(call);
        if alert.calls.len() > CALLS_KEPT {
            alert.calls.remove(0);
        }
        reach(alert, &board);
        self.calling.insert(id);
        true
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
