//! The alerts of what a drill spends are silenced while it lasts, and no others.
//!
//! A silence covers the SLO that pays, of the service that is made worse: what that spends is watched closer than any alert
//! rule does. Other SLOs of the service, and all that depends on it, call whom they always do. It outlasts the fault by the
//! longest lookback that lets go of a page, and then holds only for what fires because of the drill's own time: a page that
//! fires without what was counted in that ends it at once.

use flyball_govern::SERVER;
use flyball_govern::alert::{Because, Field, Matcher, OF_DRILL, Silence};
use flyball_govern::drill::WatchState;
use flyball_model::{Condition, Duration, Severity, Slo, Timestamp};
use flyball_store::Ledger;

use super::counts::late;
use crate::changes::DrillRun;
use crate::evaluator::{AlertError, Evaluator};

/// How long alerts are silent behind a drill at most: longer ones hide what is no drill.
const BEHIND_LONGEST: Duration = Duration::from_hours(1);
/// How long counts are on their way to alert rules: two slots, and what events take to come.
const COUNTING: Duration = Duration::from_seconds(40);

/// How long alerts of `slo` may still fire for what is over.
fn behind(slo: &Slo) -> Duration {
    let pages = slo.alert_rules.iter().filter(|rule| rule.severity == Severity::Page);
    let lets_go = pages.map(|rule| match rule.condition {
        Condition::Burn { long, short, .. } => short.unwrap_or(long),
        Condition::Exhaustion { lookback, .. } => lookback,
        Condition::RemainingBelow { .. } => Duration::ZERO,
    });
    let longest = lets_go.max().unwrap_or(Duration::ZERO).min(BEHIND_LONGEST);
    let counted = longest.nanos().saturating_add(COUNTING.nanos());
    Duration::from_nanos(counted.saturating_add(late(slo).nanos())).unwrap_or(longest)
}

impl Evaluator {
    /// Silences the alerts of what `run` spends: until it is over at the latest, and from its end on what still fires
    /// because of it. On disk when this returns; done again, it changes nothing.
    ///
    /// # Errors
    ///
    /// [`AlertError`].
    pub(crate) fn quieten(&mut self, run: &DrillRun, now: Timestamp) -> Result<(), AlertError> {
        let behind = self.behind(run);
        let own = self.desk().silences().filter(|silence| silence.is_of_drill(run.key()));
        let own: Vec<&Silence> = own.collect();
        let is_new = own.is_empty();
        let active = own.into_iter().filter(|of| of.until > now && !of.is_announced);
        let active: Vec<u64> = active.map(|of| of.id).collect();
        match &run.watch.state {
            WatchState::Ended { began: None, .. } => {
                for id in active {
                    self.end_silence(id, SERVER)?;
                }
            }
            // One that was ended sooner stays so: somebody wants to be told, or is to be.
            WatchState::Ended { began: Some(began), at, .. } => {
                let because = self.blamed(run, (*began, *at));
                for id in active {
                    self.move_silence(id, (at.plus(behind), because))?;
                }
            }
            _ if is_new => {
                let is =
                    |field, value: &str| Matcher { field, value: value.to_owned(), is_not: false };
                let spec = &run.spec;
                // A server that is away when it ends finds a silence that is about no more than the drill.
                let because_of = Some(self.blamed(run, (now, run.latest)));
                self.silence(Silence {
                    id: 0,
                    matchers: vec![is(Field::Service, &spec.service), is(Field::Slo, &spec.slo)],
                    from: now,
                    until: run.latest.plus(behind),
                    who: run.watch.by.clone(),
                    why: format!("{OF_DRILL}{}", run.key()),
                    ended_by: None,
                    is_announced: false,
                    because_of,
                    drill: Some(run.key().to_owned()),
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    /// How long alerts may still fire for what a run that is over has burned.
    fn behind(&self, run: &DrillRun) -> Duration {
        self.paying(run).map_or(COUNTING, behind)
    }

    /// The counts that a run is blamed for whose fault was there from one moment to another: those of metrics lie up to a
    /// scrape behind it.
    fn blamed(&self, run: &DrillRun, (from, to): (Timestamp, Timestamp)) -> Because {
        let slot = Ledger::SLOT_WIDTH;
        let late = self.paying(run).map_or(Duration::ZERO, late);
        Because { from: from.floor(slot), to: to.plus(late).ceil(slot).plus(slot) }
    }

    fn paying(&self, run: &DrillRun) -> Option<&Slo> {
        self.catalog().set.slos.iter().find(|slo| slo.name == run.spec.slo)
    }

    /// Up to when alerts are taken to fire because of `run`; `None` while it goes on.
    fn blamed_until(&self, run: &DrillRun) -> Option<Timestamp> {
        let until = run.ended()?.plus(self.behind(run));
        let own = self.desk().silences().filter(|of| of.is_of_drill(run.key()));
        Some(own.map(|of| of.until).fold(until, Timestamp::min))
    }

    /// When an alert called somebody first, or would have, for what the SLO of `run` burned; `None` when none did.
    pub(crate) fn detected(&self, run: &DrillRun) -> Option<Timestamp> {
        let began = run.began()?;
        let until = self.blamed_until(run);
        let own = self.desk().alerts().filter(|alert| {
            alert.subject.service == run.spec.service && alert.subject.slo == run.spec.slo
        });
        let fired = own.flat_map(|alert| &alert.transitions).filter(|step| {
            use flyball_govern::alert::TransitionKind as Kind;
            step.severity == Severity::Page && matches!(step.kind, Kind::Fired | Kind::Escalated)
        });
        let during = fired
            .map(|step| step.at)
            .filter(|at| *at >= began && until.is_none_or(|until| *at <= until));
        during.min()
    }
}
