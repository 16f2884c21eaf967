//! What is reported of a team's week or quarter, put together from what is measured.

use std::collections::BTreeSet;

use flyball_budget::correction::occurrences;
use flyball_budget::{BudgetError, Status};
use flyball_govern::delivery::{ClassShare, Fate, classes};
use flyball_govern::policy::Retarget;
use flyball_govern::review::{Reviewed, Said, Sign, filed_as_fixes, growing_corrections, review};
use flyball_model::{
    BreakCause, Change, ChangeKind, Correction, Duration, Incident, Interval, Timestamp,
};
use utoipa::ToSchema;

use crate::delivery::{Delivery, Gathered};
use crate::http::shapes;

/// Changes that failed, incidents and signs in one report, at most, each; the latest.
const LISTED_MAX: usize = 50;

/// How long a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Period {
    /// Seven days.
    Weekly,
    /// Thirteen weeks.
    Quarterly,
}

impl Period {
    /// How long it is.
    pub(crate) const fn length(self) -> Duration {
        match self {
            Self::Weekly => Duration::from_days(7),
            Self::Quarterly => Duration::from_days(91),
        }
    }
}

/// A change that failed.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct FailedChange {
    /// What it is known by.
    id: String,
    /// Its service.
    service: String,
    /// The version, else the commit, that it brought.
    version: Option<String>,
    /// When it shipped.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// What broke it: kind and id.
    #[schema(value_type = Option<Object>)]
    cause: Option<BreakCause>,
}

/// A drill that was run: a fault on purpose.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct DrillRun {
    /// The change that it is, by id.
    id: String,
    /// The service that was made worse.
    service: String,
    /// When the fault was there first.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// What was done, in words.
    summary: Option<String>,
}

/// An SLO that is to be reviewed.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct SloReview {
    /// The SLO.
    slo: String,
    /// Whether its promise is kept.
    #[schema(value_type = shapes::Kept)]
    status: Status,
    /// The lines of the decision table that are left by what is known; one when all of it is.
    #[schema(value_type = Vec<Object>)]
    lines: Vec<Reviewed>,
}

/// A policy that should be looked at again.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct Reminder {
    /// The policy.
    policy: String,
    /// The date by which it says that it is to be looked at.
    revisit: String,
}

/// What is computed of a report beside how services stand.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct Findings {
    /// How services were delivered.
    pub(crate) delivery: Delivery,
    /// The share of each class of deployments.
    #[schema(value_type = Vec<Object>)]
    classes: Vec<ClassShare>,
    /// The changes of the time that failed, the latest first; at most 50. Drills are none of them.
    failed: Vec<FailedChange>,
    /// The drills of the time, the latest first; at most 50. What they made worse was planned.
    drills: Vec<DrillRun>,
    /// The incidents that began in the time, the latest first; at most 50.
    #[schema(value_type = Vec<Object>)]
    incidents: Vec<Incident>,
    /// What to change about each SLO, by the decision table.
    reviews: Vec<SloReview>,
    /// What makes numbers look better than what users met: reasons to ask, and no proof. At most 50 of each.
    #[schema(value_type = Vec<Object>)]
    signs: Vec<Sign>,
    /// The policies of these services that are to be looked at again.
    reminders: Vec<Reminder>,
}

impl Findings {
    /// What is found in `gathered`, where SLOs stand as `statuses` say, of which `said` tells what people say,
    /// and `retargets` were made.
    ///
    /// # Errors
    ///
    /// A correction that cannot be expanded.
    pub(crate) fn new(
        gathered: &Gathered,
        statuses: &[(&str, Status, Said)],
        retargets: Vec<Retarget>,
    ) -> Result<Self, BudgetError> {
        let history = gathered.history();
        let facts = gathered.facts(&history);
        let during = gathered.question.during;
        let is_inside = |at: Option<Timestamp>| at.is_some_and(|at| during.contains(at));
        let shipped = gathered.changes.iter().filter(|change| is_inside(change.shipped()));
        let shipped: Vec<&Change> = shipped.collect();
        let is_drill = |change: &&&Change| change.kind == ChangeKind::Drill;
        let drills = shipped.iter().filter(is_drill).map(|change| drill_run(change));
        let failed = shipped.iter().filter(|change| !is_drill(change));
        let failed = failed.filter(|change| facts.fate(change) == Fate::Failed);
        let failed = failed.map(|change| failed_change(gathered, change));
        let began = gathered.incidents.iter().filter(|incident| is_inside(incident.opened()));
        let mut incidents: Vec<Incident> = began.cloned().collect();
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.opened()));
        incidents.truncate(LISTED_MAX);
        let reviews = statuses.iter().map(|&(slo, status, said)| {
            let met = match status {
                Status::Met => Some(true),
                Status::Missed => Some(false),
                Status::NoData => None,
            };
            let lines = review(met, said).collect();
            SloReview { slo: slo.to_owned(), status, lines }
        });
        Ok(Self {
            delivery: gathered.delivery(),
            classes: classes(&facts),
            failed: failed.take(LISTED_MAX).collect(),
            drills: drills.take(LISTED_MAX).collect(),
            incidents,
            reviews: reviews.collect(),
            signs: signs(gathered, &shipped, retargets)?,
            reminders: reminders(gathered),
        })
    }
}

fn failed_change(gathered: &Gathered, change: &Change) -> FailedChange {
    FailedChange {
        id: change.id.clone(),
        service: change.service.clone(),
        version: change.version.clone().or_else(|| change.revision.clone()),
        at: change.shipped().unwrap_or(change.recorded),
        cause: gathered.breaks.get(&change.id).map(|broken| broken.cause.clone()),
    }
}

fn drill_run(change: &Change) -> DrillRun {
    DrillRun {
        id: change.id.clone(),
        service: change.service.clone(),
        at: change.shipped().unwrap_or(change.recorded),
        summary: change.summary.clone(),
    }
}

fn signs(
    gathered: &Gathered,
    shipped: &[&Change],
    retargets: Vec<Retarget>,
) -> Result<Vec<Sign>, BudgetError> {
    let suspects = retargets.into_iter().filter(Retarget::is_suspect).take(LISTED_MAX);
    let mut signs: Vec<Sign> =
        suspects.map(|retarget| Sign::LoosenedWhileOverspent { retarget }).collect();
    let (during, before) = (gathered.question.during, gathered.question.before());
    let corrections = &gathered.catalog.set.corrections;
    let mut growing = Vec::new();
    for slo in &gathered.slos {
        let of = |span| corrected(corrections, slo, span);
        growing.extend(growing_corrections(slo, of(before)?, of(during)?));
    }
    signs.extend(growing.into_iter().take(LISTED_MAX));
    signs.extend(filed_as_fixes(shipped.iter().copied()).into_iter().take(LISTED_MAX));
    Ok(signs)
}

/// The time of `span` that is corrected for `slo`; twice where corrections overlap.
///
/// # Errors
///
/// A correction that cannot be expanded.
pub(crate) fn corrected(
    corrections: &[Correction],
    slo: &str,
    span: Interval,
) -> Result<Duration, BudgetError> {
    let mut sum: i64 = 0;
    for correction in corrections.iter().filter(|correction| correction.is_for(slo)) {
        for occurrence in occurrences(correction, span)? {
            let inside = occurrence.intersect(span).map_or(0, |inside| inside.length().nanos());
            sum = sum.saturating_add(inside);
        }
    }
    Ok(Duration::from_nanos(sum).unwrap_or_default())
}

/// The policies of the services that should be looked at again by now.
fn reminders(gathered: &Gathered) -> Vec<Reminder> {
    let governance = &gathered.catalog.governance;
    let names = gathered.question.services.iter();
    let names: BTreeSet<String> =
        names.map(|service| governance.tier(service).spec.policy).collect();
    let policies = names.iter().filter_map(|name| governance.policy(name));
    let due = policies.filter(|policy| policy.is_overdue(gathered.question.now));
    due.map(|policy| Reminder {
        policy: policy.name().to_owned(),
        revisit: policy.spec().revisit.to_string(),
    })
    .collect()
}
