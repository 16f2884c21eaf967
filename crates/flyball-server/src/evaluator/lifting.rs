//! Silences that are about the counts of a time alone, such as a drill's: they end as soon as a page fires without these.

use flyball_budget::alert::Change;
use flyball_budget::live::{Live, LiveError, Plan, Saved};
use flyball_govern::alert::{Because, Subject};
use flyball_model::{
    Correction, CorrectionMode, Duration, Interval, Schedule, Severity, Timestamp,
};
use flyball_store::{Ledger, StoreError};

use super::Evaluator;
use super::alerting::state_of;
use super::objective::SliceHistory;
use crate::changes::SERVER;

/// How far ahead corrections are expanded to look whether a silence still holds.
const AHEAD: Duration = Duration::from_hours(1);

impl Evaluator {
    /// Ends the silences of which the time that they are about does not explain what fires: what fires is told then.
    pub(super) fn lift_silences(&mut self) {
        let now = self.clock.now();
        let desk = self.desk();
        let about = desk.silences().filter(|silence| !silence.is_announced);
        let mut doubted: Vec<(u64, Because, Vec<Subject>)> = Vec::new();
        let about = about.filter_map(|of| Some((of, of.because_of?)));
        // While the time goes on that it is about, all that fires may be because of that.
        for (silence, because) in about.filter(|(_, because)| because.to <= self.at) {
            let fires = desk.firing_under(silence).map(|alert| alert.subject.clone());
            doubted.push((silence.id, because, fires.collect()));
        }
        for (id, because, subjects) in doubted {
            if !subjects.iter().any(|subject| self.pages_without(subject, because, now)) {
                continue;
            }
            if let Err(error) = self.end_silence(id, SERVER) {
                tracing::error!(silence = id, %error, "a silence that holds no more is not ended");
            }
        }
    }

    /// Whether a page would have fired for `subject` since the end of `without`, had nothing been counted in that time.
    fn pages_without(&mut self, subject: &Subject, without: Because, now: Timestamp) -> bool {
        let Self { watched, ledger, catalog, telemetry, at, .. } = self;
        let Some((slo, index, objective, state)) = state_of(watched, subject) else { return false };
        let Ok(during) = Interval::new(without.from, without.to) else { return false };
        let mut corrections = catalog.set.corrections.clone();
        corrections.push(Correction {
            name: String::new(),
            slos: vec![slo.name.clone()],
            schedule: Schedule::Once(during),
            mode: CorrectionMode::Drop,
            category: String::new(),
            author: String::new(),
            reason: None,
        });
        let mut fires = || -> Result<bool, LiveError<StoreError>> {
            let (since, until) = (objective.plan.since(), now.plus(AHEAD));
            let plan = Plan::new(slo, index, Ledger::SLOT_WIDTH, &corrections, since, until)?;
            let snapshot = ledger.snapshot().map_err(LiveError::History)?;
            let history = SliceHistory { snapshot: &snapshot, slice: state.slice };
            let saved = Saved { at: without.to.max(since).nanos(), watches: Vec::new() };
            let (mut live, mut changes) = (Live::load(&plan, &saved, &history)?, Vec::new());
            live.advance(&plan, *at, &history, &mut changes)?;
            let pages = |change: &Change| matches!(change, Change::Fired(of) if of.severity == Severity::Page);
            Ok(changes.iter().any(pages))
        };
        fires().unwrap_or_else(|error| {
            telemetry.state_failed(&slo.name, &error);
            // Rather one call too many than an outage of which nobody hears.
            true
        })
    }
}
