//! The alerts of what a drill spends are silenced while it lasts, and no others.
//!
//! A silence covers the SLO that pays, of the service that is made worse: what that spends is watched closer than any alert
//! rule does. Other SLOs of the service, and all that depends on it, call whom they always do. It outlasts the fault by the
//! longest lookback that lets go of a page, so that nobody is called for what is over.

use flyball_govern::alert::{Field, Matcher, Silence};
use flyball_govern::drill::WatchState;
use flyball_model::{Condition, Duration, Severity, Slo, Timestamp};

use crate::changes::DrillRun;
use crate::evaluator::{AlertError, Evaluator};

/// How long alerts are silent behind a drill at most: longer ones hide what is no drill.
const BEHIND_LONGEST: Duration = Duration::from_hours(1);
/// How long counts are on their way to alert rules: two slots, and what events take to come.
const COUNTING: Duration = Duration::from_seconds(40);

/// Why a silence is there, by which it is found again.
fn why(key: &str) -> String {
    format!("the drill {key}")
}

/// How long alerts of `slo` may still fire for what is over.
fn behind(slo: &Slo) -> Duration {
    let pages = slo.alert_rules.iter().filter(|rule| rule.severity == Severity::Page);
    let lets_go = pages.map(|rule| match rule.condition {
        Condition::Burn { long, short, .. } => short.unwrap_or(long),
        Condition::Exhaustion { lookback, .. } => lookback,
        Condition::RemainingBelow { .. } => Duration::ZERO,
    });
    let longest = lets_go.max().unwrap_or(Duration::ZERO).min(BEHIND_LONGEST);
    Duration::from_nanos(longest.nanos().saturating_add(COUNTING.nanos())).unwrap_or(longest)
}

impl Evaluator {
    /// Silences the alerts of what `run` spends: until it is over at the latest, or from its end on for as long as they may
    /// still fire. On disk when this returns; done again, it changes nothing.
    ///
    /// # Errors
    ///
    /// [`AlertError`].
    pub(crate) fn quieten(&mut self, run: &DrillRun, now: Timestamp) -> Result<(), AlertError> {
        let (spec, why) = (&run.spec, why(run.key()));
        let slo = self.catalog().set.slos.iter().find(|slo| slo.name == spec.slo);
        let behind = slo.map_or(COUNTING, behind);
        let until = match &run.watch.state {
            WatchState::Ended { began: None, .. } => now,
            WatchState::Ended { at, .. } => at.plus(behind),
            _ => run.latest.plus(behind),
        };
        let own = self.desk().silences().filter(|silence| silence.why == why);
        let own: Vec<(u64, Timestamp)> =
            own.filter(|of| of.until > now).map(|of| (of.id, of.until)).collect();
        if own.iter().all(|(_, known)| *known != until) && until > now {
            let is = |field, value: &str| Matcher { field, value: value.to_owned(), is_not: false };
            self.silence(Silence {
                id: 0,
                matchers: vec![is(Field::Service, &spec.service), is(Field::Slo, &spec.slo)],
                from: now,
                until,
                who: run.watch.by.clone(),
                why,
                ended_by: None,
                is_announced: false,
            })?;
        }
        // What is over sooner than it was thought to be calls again sooner.
        for (id, known) in own {
            if known != until {
                self.end_silence(id, crate::changes::SERVER)?;
            }
        }
        Ok(())
    }

    /// When an alert called somebody first, or would have, for what the SLO of `run` burned; `None` when none did.
    pub(crate) fn detected(&self, run: &DrillRun) -> Option<Timestamp> {
        let began = run.began()?;
        let slo = self.catalog().set.slos.iter().find(|slo| slo.name == run.spec.slo);
        let until = run.ended().map(|ended| ended.plus(slo.map_or(COUNTING, behind)));
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
