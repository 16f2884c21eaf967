//! Contracts beside the SLOs that are to keep them.

use flyball_budget::Status;
use flyball_govern::delivery::Fate;
use flyball_model::{Duration, Interval, Target, Timestamp};
use utoipa::ToSchema;

use crate::attribution::{Attribution, ObjectiveAttribution};
use crate::changes::{Past, is_in_production};
use crate::evaluator::Agreed;
use crate::http::shapes;

/// Changes, and incidents, that are named beside a broken agreement: the latest.
const NAMED_MAX: usize = 20;

/// What a contract promises, and whether that is kept.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct AgreementStatus {
    /// The service.
    pub(crate) service: String,
    /// What the agreement is called.
    name: String,
    /// Whom it is made with.
    with: String,
    /// What follows when it is broken.
    remedy: Option<String>,
    /// The share of good that is promised.
    #[schema(value_type = shapes::Promise)]
    target: Target,
    /// Over which rolling window.
    #[schema(value_type = shapes::Length)]
    window: Duration,
    /// The SLO whose events count.
    slo: String,
    /// What that promises by itself; null where it is not evaluated.
    #[schema(value_type = Option<shapes::Promise>)]
    slo_target: Option<Target>,
    /// Whether the SLO promises more, so that it warns before the agreement is broken; null where it is not
    /// evaluated.
    guarded: Option<bool>,
    /// The window at this moment, up to when everything is counted.
    #[schema(value_type = shapes::Stretch)]
    during: Interval,
    /// Since when they are counted in it: later than its beginning where the SLO is younger; null before the first.
    #[schema(value_type = Option<shapes::Instant>)]
    counted_since: Option<Timestamp>,
    /// The events that count.
    valid: u64,
    /// Those of them that were bad.
    bad: u64,
    /// Whether it is kept.
    #[schema(value_type = shapes::Kept)]
    status: Status,
    /// The share of what may go bad that has; null when nothing was counted.
    spent_share: Option<f64>,
    /// Of a broken one: the changes of the service that failed in its window, by id, the latest first; at most 20.
    failed: Vec<String>,
    /// Of a broken one: the incidents of the service that began in its window; at most 20.
    incidents: Vec<String>,
    /// Of a broken one: what the bad events are put down to, so that those who caused them share what follows.
    by_cause: Option<ObjectiveAttribution>,
}

impl AgreementStatus {
    pub(crate) fn of(agreed: Agreed) -> Self {
        let Agreed { service, agreement, promised, during, since, counted, .. } = agreed;
        let status = match agreement.is_kept(counted) {
            Some(true) => Status::Met,
            Some(false) => Status::Missed,
            None => Status::NoData,
        };
        Self {
            service,
            slo_target: promised,
            guarded: promised.map(|target| agreement.is_guarded_by(target)),
            during,
            counted_since: since.map(|since| since.max(during.start())),
            valid: counted.valid(),
            bad: counted.bad(),
            status,
            spent_share: agreement.spent_share(counted),
            failed: Vec::new(),
            incidents: Vec::new(),
            by_cause: None,
            name: agreement.name,
            with: agreement.with,
            remedy: agreement.remedy,
            target: agreement.target,
            window: agreement.window,
            slo: agreement.slo,
        }
    }

    /// The window of a broken one, in which somebody may look for what broke it.
    pub(crate) fn broken(&self) -> Option<Interval> {
        (self.status == Status::Missed).then_some(self.during)
    }

    /// Whether it is kept.
    pub(crate) const fn status(&self) -> Status {
        self.status
    }

    /// The SLO whose events count.
    pub(crate) fn slo(&self) -> &str {
        &self.slo
    }

    /// Names what happened in the window, and what the bad events are put down to.
    pub(crate) fn happened(&mut self, past: &Past, by_cause: Option<Attribution>) {
        self.by_cause = by_cause.and_then(|found| found.objectives.into_iter().next());
        let failed = past.changes.iter().filter(|kept| {
            let shipped = kept.change.shipped();
            let (judged, broken) = kept.outcome();
            let is_shipped = shipped.is_some_and(|at| self.during.contains(at));
            let is_deployed = kept.change.kind.is_deployment() && is_in_production(&kept.change);
            is_shipped && is_deployed && Fate::of(judged, broken.is_some()) == Fate::Failed
        });
        self.failed = failed.take(NAMED_MAX).map(|kept| kept.change.id.clone()).collect();
        let incidents = past
            .incidents
            .iter()
            .filter(|incident| incident.opened().is_some_and(|at| self.during.contains(at)));
        self.incidents = incidents.take(NAMED_MAX).map(|incident| incident.id.clone()).collect();
    }
}
