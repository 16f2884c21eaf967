//! Runs of drills as they are kept, each with the change that it is.
//!
//! A run is kept before anything is done, and every step of it is one transaction with its audit record and with what it
//! means for the change, by which what the drill burned is posted as planned. What may be broken is known from the record
//! alone, so that whoever starts after a crash takes it away first.

use std::collections::BTreeMap;

use flyball_connect::Hook;
use flyball_connect::drill::Ask;
use flyball_govern::SERVER;
use flyball_govern::drill::{Drill, DrillSpec, Watch, WatchState};
use flyball_model::{Change, ChangeKind, ChangeOutcome, ChangeSource, Tally, Timestamp};
use flyball_store::{NewRecord, Noting, Record, RecordBound, RecordFilter};
use serde_json::{Value, json};

use super::told::{note_change, parse, text};
use super::{Changes, ChangesError, PAGE_MAX, Sender};
use crate::auth::Caller;
use crate::risks::{self, Naming};

/// What runs are called.
const RUN: &str = "drill.run";
/// The most that are kept: one a day for half a century.
const RUNS: RecordBound = RecordBound { rows: 20_000, bytes: 256 << 20 };
/// The runs of a service over a time that one look takes in.
const SEEN: RecordBound = RecordBound { rows: 5_000, bytes: 64 << 20 };
/// That a service was told of a drill.
const TOLD: &str = "drill.told";
/// The most of these that are kept: each drill's dependants, told last.
const ALL_TOLD: RecordBound = RecordBound { rows: 50_000, bytes: 32 << 20 };
/// Among how many runs those are looked for that go on: one goes on at a time.
const UNDERWAY_MAX: usize = 64;
/// The system that tells of drills.
const SYSTEM: &str = "drill";

/// A run of a drill.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct DrillRun {
    /// In which order runs were begun; 0 before it is kept.
    #[serde(skip)]
    pub(crate) number: u64,
    /// Where it is.
    pub(crate) watch: Watch,
    /// What its document said when it was begun.
    pub(crate) spec: DrillSpec,
    /// When it was begun.
    pub(crate) planned: Timestamp,
    /// When the fault is gone at the latest.
    pub(crate) latest: Timestamp,
    /// What takes the fault away, fixed before it is there.
    pub(crate) undo: Vec<Ask>,
    /// Bad and valid events of the time before it, which is usual.
    pub(crate) usual: (u64, u64),
    /// The bad events of the window before it.
    pub(crate) bad_before: u64,
    /// What it came to; `None` before all of it is counted.
    pub(crate) measured: Option<DrillMeasured>,
}

/// What a run measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct DrillMeasured {
    /// The bad events that attribution leaves it; `None` when nothing was counted.
    pub(crate) burned: Option<u64>,
    /// What its SLO counted while it lasted.
    pub(crate) bad: u64,
    /// All of these that were valid.
    pub(crate) valid: u64,
    /// When an alert would have called somebody first; `None` when none would.
    pub(crate) detected: Option<Timestamp>,
    /// When users were served as before; `None` when that was not seen.
    pub(crate) recovered: Option<Timestamp>,
}

impl DrillRun {
    /// What it is known by.
    pub(crate) fn key(&self) -> &str {
        &self.watch.key
    }

    /// The drill as it was when it was begun.
    pub(crate) fn drill(&self) -> Drill {
        Drill { name: self.watch.drill.clone(), spec: self.spec.clone() }
    }

    /// What the change is known by that it is.
    pub(crate) fn change_id(&self) -> String {
        change_id(self.key())
    }

    /// Whether the fault may be there, or there is something to do about it.
    pub(crate) const fn is_underway(&self) -> bool {
        !matches!(self.watch.state, WatchState::Ended { .. })
    }

    /// Whether nothing is left to be done: it has ended, and it is known what it came to.
    pub(crate) const fn is_settled(&self) -> bool {
        !self.is_underway() && self.measured.is_some()
    }

    /// From when on the fault was there, or may have been.
    pub(crate) const fn began(&self) -> Option<Timestamp> {
        match &self.watch.state {
            WatchState::Planned | WatchState::Arming { .. } => None,
            WatchState::Injecting { since } | WatchState::Running { since } => Some(*since),
            WatchState::Stopping { began, .. } | WatchState::Ended { began, .. } => *began,
        }
    }

    /// When the fault was gone; `None` while it may be there.
    pub(crate) const fn ended(&self) -> Option<Timestamp> {
        match &self.watch.state {
            WatchState::Ended { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// Bad events of `counted` past the usual ones; `None` when nothing was counted.
    pub(crate) fn past_usual(&self, counted: Tally) -> Option<u64> {
        let (bad, valid) = self.usual;
        let usual = u128::from(counted.valid()) * u128::from(bad);
        let usual = usual.checked_div(u128::from(valid)).unwrap_or(0);
        let usual = u64::try_from(usual).unwrap_or(u64::MAX);
        (!counted.is_empty()).then(|| counted.bad().saturating_sub(usual))
    }

    /// The change that it is, as it is known at `now`.
    fn change(&self, now: Timestamp) -> Change {
        let (outcome, started, finished) = match &self.watch.state {
            WatchState::Planned | WatchState::Arming { .. } => (ChangeOutcome::Planned, None, None),
            WatchState::Injecting { since } | WatchState::Running { since } => {
                (ChangeOutcome::Underway, Some(*since), None)
            }
            WatchState::Stopping { began, .. } => (ChangeOutcome::Underway, *began, None),
            WatchState::Ended { began: None, at, .. } => {
                (ChangeOutcome::Cancelled, None, Some(*at))
            }
            WatchState::Ended { began, at, .. } => (ChangeOutcome::Succeeded, *began, Some(*at)),
        };
        let (id, service) = (self.change_id(), self.spec.service.clone());
        let source = ChangeSource { system: SYSTEM.to_owned(), delivery: self.key().to_owned() };
        let mut change = Change::new(id, service, ChangeKind::Drill, outcome, now, source);
        change.planned = Some(true);
        change.environment = Some(Hook::ENVIRONMENT.to_owned());
        change.actor = Some(self.watch.by.clone());
        change.summary = Some(format!("{}: {}", self.watch.drill, self.spec.description));
        (change.not_before, change.not_after) = (Some(self.planned), Some(self.latest));
        (change.started, change.finished) = (started, finished);
        change
    }

    fn read(record: &Record) -> Result<Self, ChangesError> {
        let run: Self = parse(record)?;
        Ok(Self { number: record.number, ..run })
    }

    /// Keeps it, with `audited`; answers it with its number.
    fn keep(
        mut self,
        noting: &Noting<'_>,
        audited: Option<(&str, &Value)>,
    ) -> Result<Self, ChangesError> {
        let (id, service) = (self.key().to_owned(), Some(self.spec.service.clone()));
        let new = NewRecord { kind: RUN, id, service, at: self.planned, text: text(&self)? };
        self.number = noting.keep(&new, RUNS, audited)?.0;
        Ok(self)
    }

    /// What the audit log says of it.
    fn detail(&self) -> Value {
        json!({
            "service": self.spec.service,
            "drill": self.watch.drill,
            "slo": self.spec.slo,
            "state": self.watch.state,
            "dose": self.watch.dose,
            "burned": self.watch.burned,
        })
    }
}

/// What the change is known by that the run called `key` is.
fn change_id(key: &str) -> String {
    format!("drill:{key}")
}

/// What the audit log calls that a run comes to a state.
const fn act(state: &WatchState) -> &'static str {
    match state {
        WatchState::Planned | WatchState::Arming { .. } => "drill.begin",
        WatchState::Injecting { .. } => "drill.inject",
        WatchState::Running { .. } => "drill.run",
        WatchState::Stopping { .. } => "drill.stop",
        WatchState::Ended { .. } => "drill.end",
    }
}

impl Changes {
    /// Keeps a run that is begun.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn begin_drill(
        &self,
        run: DrillRun,
        now: Timestamp,
    ) -> Result<DrillRun, ChangesError> {
        let who = run.watch.by.clone();
        let kept = self.control.lock().note(&who, now, |noting| {
            let (change, detail) = (run.change(now), run.detail());
            let kept = run.keep(noting, Some((act(&WatchState::Planned), &detail)))?;
            note_change(noting, &change, &sender(&who))?;
            Ok::<_, ChangesError>(kept)
        })?;
        self.news.send_modify(|news| *news += 1);
        Ok(kept)
    }

    /// Has `work` done to the run called `key` by `who`; the run as it is then, and what `work` answers. `None` where there
    /// is no such run. What comes to another state is audited, and so does its change.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn move_drill<T>(
        &self,
        key: &str,
        (who, now): (&str, Timestamp),
        work: impl FnOnce(&mut Watch) -> T,
    ) -> Result<Option<(DrillRun, T)>, ChangesError> {
        let mut is_news = false;
        let moved = self.control.lock().note(who, now, |noting| {
            let Some(record) = noting.record(RUN, key)? else { return Ok(None) };
            let mut run = DrillRun::read(&record)?;
            let before = run.watch.clone();
            let answer = work(&mut run.watch);
            if run.watch == before {
                return Ok(Some((run, answer)));
            }
            let state = std::mem::discriminant(&run.watch.state);
            is_news = state != std::mem::discriminant(&before.state);
            if !is_news {
                return Ok(Some((run.keep(noting, None)?, answer)));
            }
            let (change, detail) = (run.change(now), run.detail());
            let run = run.clone().keep(noting, Some((act(&run.watch.state), &detail)))?;
            note_change(noting, &change, &sender(who))?;
            Ok::<_, ChangesError>(Some((run, answer)))
        })?;
        if is_news {
            self.news.send_modify(|news| *news += 1);
        }
        Ok(moved)
    }

    /// Keeps what the run called `key` came to, and which risk it played where its document names one.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn settle_drill(
        &self,
        key: &str,
        measured: DrillMeasured,
        now: Timestamp,
    ) -> Result<(), ChangesError> {
        self.control.lock().note(SERVER, now, |noting| {
            let Some(record) = noting.record(RUN, key)? else { return Ok(()) };
            let mut run = DrillRun::read(&record)?;
            run.measured = Some(measured);
            let mut detail = run.detail();
            detail["measured"] = json!(measured);
            let run = run.keep(noting, Some(("drill.measure", &detail)))?;
            if let (Some(risk), Some(_)) = (&run.spec.risk, run.began()) {
                let naming = Naming {
                    service: run.spec.service.clone(),
                    posting: run.change_id(),
                    risk: Some(risk.clone()),
                    who: SERVER.to_owned(),
                    why: format!("the drill {} plays it", run.watch.drill),
                    at: now,
                };
                risks::note(noting, &naming)?;
            }
            Ok::<_, ChangesError>(())
        })?;
        self.news.send_modify(|news| *news += 1);
        Ok(())
    }

    /// The run called `key`.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn drill_run(&self, key: &str) -> Result<Option<DrillRun>, ChangesError> {
        let found = self.control.lock().record(RUN, key)?;
        found.as_ref().map(DrillRun::read).transpose()
    }

    /// Runs, those begun last first: of `service`, or of all services that `caller` may know of; and the number of the last
    /// that was looked at, where there may be more.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn drill_runs(
        &self,
        services: Option<&[String]>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<DrillRun>, Option<u64>), ChangesError> {
        let filter = RecordFilter { services, before, limit };
        let found = self.control.lock().records(RUN, &filter)?;
        let next = found.last().filter(|_| found.len() == limit).map(|last| last.number);
        Ok((found.iter().map(DrillRun::read).collect::<Result<_, _>>()?, next))
    }

    /// The runs for which there is something left to do, those begun last first.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn drills_unsettled(&self) -> Result<Vec<DrillRun>, ChangesError> {
        let (mut runs, _) = self.drill_runs(None, None, UNDERWAY_MAX)?;
        runs.retain(|run| !run.is_settled());
        Ok(runs)
    }

    /// The run of `drill` that was begun last, among the last [`PAGE_MAX`] of its service.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn drill_run_last(&self, drill: &Drill) -> Result<Option<DrillRun>, ChangesError> {
        let own = [drill.spec.service.clone()];
        let (runs, _) = self.drill_runs(Some(&own), None, PAGE_MAX)?;
        Ok(runs.into_iter().find(|run| run.watch.drill == drill.name))
    }

    /// What drills of `service` from `from` to before `to` measured, by the id of the change that each is.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn drills_measured(
        &self,
        service: &str,
        during: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<String, DrillMeasured>, ChangesError> {
        let services = [service.to_owned()];
        let (runs, _) = self.known_of((RUN, SEEN), &services, during, DrillRun::read)?;
        let measured = |run: DrillRun| Some((run.change_id(), run.measured?));
        Ok(runs.into_iter().filter_map(measured).collect())
    }

    /// Keeps that `services` were told of the drill called `drill` by `who`.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`ChangesError`].
    pub(crate) fn told_of_drill(
        &self,
        (drill, of): (&str, &str),
        services: &[String],
        (who, now): (&str, Timestamp),
    ) -> Result<(), ChangesError> {
        self.control.lock().note(who, now, |noting| {
            for service in services {
                let id = json!([drill, service]).to_string();
                let detail = json!({ "drill": drill, "of": of, "service": service });
                let text = json!({ "drill": drill, "at": now }).to_string();
                let new =
                    NewRecord { kind: TOLD, id, service: Some(service.clone()), at: now, text };
                noting.keep(&new, ALL_TOLD, Some(("drill.announce", &detail)))?;
            }
            Ok::<_, ChangesError>(())
        })
    }

    /// When each of `services` was told last of the drill called `drill`; those that never were are left out.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn when_told_of_drill(
        &self,
        drill: &str,
        services: &[String],
    ) -> Result<Vec<(String, Timestamp)>, ChangesError> {
        #[derive(serde::Deserialize)]
        struct When {
            at: Timestamp,
        }
        let control = self.control.lock();
        let mut found = Vec::new();
        for service in services {
            let Some(record) = control.record(TOLD, &json!([drill, service]).to_string())? else {
                continue;
            };
            let When { at } = parse(&record)?;
            found.push((service.clone(), at));
        }
        Ok(found)
    }
}

/// Whoever does something to a drill, who may: that was looked at before.
fn sender(who: &str) -> Sender {
    Sender { actor: who.to_owned(), caller: Caller::Anyone }
}
