//! Contracts beside the SLOs that are to keep them.

use flyball_budget::Status;
use flyball_govern::delivery::Fate;
use flyball_model::{Duration, Interval, Target};
use utoipa::ToSchema;

use crate::changes::Past;
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
}

impl AgreementStatus {
    pub(crate) fn of(agreed: Agreed) -> Self {
        let Agreed { service, agreement, promised, during, counted, .. } = agreed;
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
            valid: counted.valid(),
            bad: counted.bad(),
            status,
            spent_share: agreement.spent_share(counted),
            failed: Vec::new(),
            incidents: Vec::new(),
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

    /// Names what happened in the window.
    pub(crate) fn happened(&mut self, past: &Past) {
        let failed = past.changes.iter().filter(|kept| {
            let shipped = kept.change.shipped();
            let (judged, broken) = kept.outcome();
            shipped.is_some_and(|at| self.during.contains(at))
                && Fate::of(judged, broken.is_some()) == Fate::Failed
        });
        self.failed = failed.take(NAMED_MAX).map(|kept| kept.change.id.clone()).collect();
        let incidents = past
            .incidents
            .iter()
            .filter(|incident| incident.opened().is_some_and(|at| self.during.contains(at)));
        self.incidents = incidents.take(NAMED_MAX).map(|incident| incident.id.clone()).collect();
    }
}
