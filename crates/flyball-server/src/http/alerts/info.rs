//! Alerts as they are shown.

use std::collections::BTreeMap;

use flyball_govern::alert::{
    About, Acknowledgement, Alert, Dead, Desk, Difference, Notice, Pair, Reading, RecentChange,
    State, Transition,
};
use flyball_govern::oncall::Call;
use flyball_model::{Severity, Timestamp};
use utoipa::ToSchema;

use crate::http::shapes;

/// Where an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AlertState {
    /// A rule is about to fire; nobody is told.
    Pending,
    /// A rule fires.
    Firing,
    /// None fires any more.
    Resolved,
}

impl AlertState {
    pub(super) fn is(self, state: State) -> bool {
        match self {
            Self::Pending => state == State::Pending,
            Self::Firing => state == State::Firing,
            Self::Resolved => state == State::Resolved,
        }
    }
}

/// How urgent something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AlertSeverity {
    /// A working-hours task.
    Ticket,
    /// Wakes a person.
    Page,
}

/// A notice of an alert that its target has not taken.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct Untaken {
    /// Whom it is for.
    target: String,
    /// How often it was tried and failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    /// When it is tried next; not there where it was given up.
    #[schema(value_type = Option<shapes::Instant>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Timestamp>,
    /// Why it was given up: `refused`, `expired`, `no_room` or `no_target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What the last attempt met.
    problem: Option<String>,
}

impl Untaken {
    fn waiting(notice: &Notice) -> Self {
        let Notice { target, attempts, next, problem, .. } = notice.clone();
        Self { target, attempts: Some(attempts), next: Some(next), reason: None, problem }
    }

    fn given_up(dead: &Dead) -> Self {
        let Dead { target, reason, problem, .. } = dead.clone();
        Self { target, attempts: None, next: None, reason: Some(reason.name()), problem }
    }
}

/// A silence that covers an alert.
#[derive(Debug, serde::Serialize)]
struct Silenced {
    id: u64,
    until: Timestamp,
    who: String,
    why: String,
}

impl Silenced {
    fn of(desk: &Desk, alert: &Alert, now: Timestamp) -> Vec<Self> {
        let shown = desk.covering(alert, now).map(|silence| Self {
            id: silence.id,
            until: silence.until,
            who: silence.who.clone(),
            why: silence.why.clone(),
        });
        shown.collect()
    }
}

/// One alert: all that fires for one objective of an SLO, or for one slice of it.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct AlertInfo {
    /// What it is known by.
    pub(super) id: u64,
    /// The service that makes the promise.
    pub(super) service: String,
    /// The SLO.
    pub(super) slo: String,
    /// Which of the SLO's objectives, counted from 0.
    objective: u32,
    /// The slice by its label; null for the whole.
    slice: Option<String>,
    /// Where it is.
    #[schema(value_type = AlertState)]
    state: State,
    /// The gravest severity that fires; what it was last where none does.
    #[schema(value_type = AlertSeverity)]
    severity: Severity,
    /// The gravest severity that it ever had.
    #[schema(value_type = AlertSeverity)]
    severity_max: Severity,
    /// When its first sign was seen.
    #[schema(value_type = shapes::Instant)]
    opened: Timestamp,
    /// When it first fired; null while it is pending.
    #[schema(value_type = Option<shapes::Instant>)]
    fired: Option<Timestamp>,
    /// Since when it fires at its severity without a break; null while it is pending.
    #[schema(value_type = Option<shapes::Instant>)]
    since: Option<Timestamp>,
    /// When nothing fired any more.
    #[schema(value_type = Option<shapes::Instant>)]
    resolved: Option<Timestamp>,
    /// The rule that tells: of those that fire the gravest that burns most. Null while it is pending.
    rule: Option<String>,
    /// The rules that fire or have fired, with their counts, as in a notice.
    #[schema(value_type = Vec<Object>)]
    pairs: Vec<Pair>,
    /// Who has taken it on.
    #[schema(value_type = Option<Object>)]
    acknowledged: Option<Acknowledgement>,
    /// Who was called for it, the newest call last: each with its `steps` from level to level, who has `taken` it, and
    /// when it was `closed`.
    #[schema(value_type = Vec<Object>)]
    calls: Vec<Call>,
    /// Whether a call goes on that nobody has taken, and nobody is left to call.
    unanswered: bool,
    /// The silences that cover it now.
    silenced_by: Vec<u64>,
    /// The same with until when each lasts at the latest, and why: `id`, `until`, `who`, `why`.
    #[schema(value_type = Vec<Object>)]
    silences: Vec<Silenced>,
    /// The rules that are about to fire: what they ask for is there, not yet for long enough or with too
    /// little evidence.
    pending: Vec<String>,
    /// The targets that believe that it fires, or will when what waits for them has arrived.
    told: Vec<String>,
    /// Notices that are on their way, or are tried again, oldest first.
    waiting: Vec<Untaken>,
    /// The newest notices that were given up, oldest first.
    given_up: Vec<Untaken>,
    /// What was promised, in words.
    promise: Option<String>,
    /// The share of the budget that was left at its last step; negative when it is overspent.
    remaining: Option<f64>,
    /// What the rules that fire had in their long lookbacks at its last step: `rule`, `valid`, `bad`, `burn`,
    /// `spent_in_lookback` (of the budget of a whole window, at even traffic), `spent_of_window` (of what is allowed by
    /// what was counted so far, as `remaining` is).
    #[schema(value_type = Vec<Object>)]
    readings: Vec<Reading>,
    /// When the budget will be gone at the burn of what fired at that moment; null when it will not, or nobody knows.
    #[schema(value_type = Option<shapes::Instant>)]
    exhausted: Option<Timestamp>,
    /// What changed before, the newest first.
    #[schema(value_type = Vec<Object>)]
    changes: Vec<RecentChange>,
    /// What tells bad events from good ones.
    #[schema(value_type = Vec<Object>)]
    differing: Vec<Difference>,
    /// What to do.
    runbook: Option<String>,
    /// What to look at.
    dashboard: Option<String>,
    /// Its newest steps, the oldest first.
    #[schema(value_type = Vec<Object>)]
    transitions: Vec<Transition>,
}

/// The notices that wait, by their alerts.
pub(in crate::http) fn waiting(desk: &Desk) -> BTreeMap<u64, Vec<&Notice>> {
    let mut waiting: BTreeMap<u64, Vec<&Notice>> = BTreeMap::new();
    for notice in desk.outbox().waiting() {
        if let About::Alert { alert, .. } = &notice.about {
            waiting.entry(alert.id).or_default().push(notice);
        }
    }
    waiting
}

impl AlertInfo {
    /// The alert of `desk` as it is at `now`, of which those of `waiting` wait.
    pub(in crate::http) fn of(
        desk: &Desk,
        alert: &Alert,
        waiting: &BTreeMap<u64, Vec<&Notice>>,
        now: Timestamp,
    ) -> Self {
        let waiting = waiting.get(&alert.id).map_or(&[][..], |waiting| waiting);
        let (subject, facts) = (&alert.subject, &alert.facts);
        let given_up = desk.outbox().dead().iter().filter(|dead| dead.alert == Some(alert.id));
        Self {
            id: alert.id,
            service: subject.service.clone(),
            slo: subject.slo.clone(),
            objective: subject.objective,
            slice: subject.slice.clone(),
            state: alert.state,
            severity: alert.severity,
            severity_max: alert.severity_max,
            opened: alert.opened,
            fired: alert.fired,
            since: alert.firing_since(),
            resolved: alert.resolved,
            rule: alert.leading().map(|pair| pair.rule.clone()),
            pairs: alert.pairs.clone(),
            acknowledged: alert.acknowledged.clone(),
            calls: alert.calls.clone(),
            unanswered: alert.call().is_some_and(|call| {
                let chain = desk.board().chain(&call.escalation, call.custody);
                chain.is_some_and(|chain| call.is_unanswered(chain, now))
            }),
            silenced_by: desk.silenced_by(alert, now).collect(),
            silences: Silenced::of(desk, alert, now),
            pending: alert.about_to_fire().map(str::to_owned).collect(),
            told: alert.told().map(str::to_owned).collect(),
            waiting: waiting.iter().map(|notice| Untaken::waiting(notice)).collect(),
            given_up: given_up.map(Untaken::given_up).collect(),
            promise: facts.promise.clone(),
            remaining: facts.remaining,
            readings: facts.readings.clone(),
            exhausted: facts.exhausted,
            changes: facts.changes.clone(),
            differing: facts.differing.clone(),
            runbook: facts.links.runbook.clone(),
            dashboard: facts.links.dashboard.clone(),
            transitions: alert.transitions.clone(),
        }
    }
}
