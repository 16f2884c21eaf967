//! What an incident cost, from the ledger: budgets by SLO, and users.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::{Extension, Json};
use flyball_govern::incident::{Counted, IncidentCost, IncidentRecord, costliest};
use flyball_model::{BudgetingMethod, Duration, Indicator, Interval, Slo, Tally, Timestamp};
use utoipa::ToSchema;

use super::super::attribution::{inside, spent};
use super::super::extract::Path;
use super::super::problem::Problem;
use super::super::{App, shapes};
use super::users::users;
use super::{began, found};
use crate::attribution::{ObjectiveAttribution, times};
use crate::auth::Caller;
use crate::evaluator::{SloCounts, check};

/// What an incident cost.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct CostAnswer {
    /// The incident.
    incident: String,
    /// When it began, as far as it is known.
    #[schema(value_type = shapes::Instant)]
    from: Timestamp,
    /// When it was over for users; up to when everything is counted where it lasts.
    #[schema(value_type = shapes::Instant)]
    to: Timestamp,
    /// Of each SLO of its services, and of those that ask them, what it cost. They are not to be added up: one failed request
    /// may be bad for several.
    #[schema(value_type = Vec<Object>)]
    pub(super) costs: Vec<IncidentCost>,
    /// The SLO of which it spent the largest share of a budget; null of none that is known.
    costliest: Option<String>,
    /// The attribute that told users apart; null where events have none or are stored no longer, and the share of events
    /// stands for users.
    pub(super) users_by: Option<String>,
}

/// What an incident cost: the share of each budget that it spent, bad events that are its own, users that were hit.
///
/// A budget is that of the window that ended with the incident. What was not counted is null.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}/cost",
    tag = "incidents",
    params(("id" = String, Path, description = "The incident")),
    responses(
        (status = 200, description = "What it cost", body = CostAnswer),
        (status = 404, description = "There is none, or it is of services that the caller may not see", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "That is more than one look takes in", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The ledger cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn cost(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<CostAnswer>, Problem> {
    let kept = found(&app, &caller, &id).await?;
    Ok(Json(cost_of(&app, &caller, &kept.record).await?))
}

/// What the incident in `record` cost, as far as `caller` may see.
///
/// # Errors
///
/// A problem where the ledger cannot be read.
pub(super) async fn cost_of(
    app: &App,
    caller: &Caller,
    record: &IncidentRecord,
) -> Result<CostAnswer, Problem> {
    let incident = &record.incident;
    let from = began(record);
    let services: BTreeSet<String> = record.all_services().into_iter().map(str::to_owned).collect();
    let seer = caller.clone();
    let found = app.evaluator.ask(move |evaluator| {
        let governance = &evaluator.catalog().governance;
        let below = services.iter().flat_map(|service| governance.dependants(service));
        let hit: BTreeSet<String> = below.map(str::to_owned).chain(services.clone()).collect();
        evaluator.counts_of(|slo: &Slo| {
            hit.contains(&slo.service) && seer.sees(&slo.service) && slo.composition.is_none()
        })
    });
    let found = found.await?;
    let over = incident.served_again().unwrap_or(found.complete);
    let to = over.min(found.complete).max(from);
    let lasted = record.parts(from, to);
    let mut asked = Vec::new();
    for counts in found.slos {
        // The slot in which it ended belongs to it, and none that begins with its end.
        let each = width(&counts);
        let end = to.ceil(each).max(from.floor(each).plus(each));
        let during = times(&counts, (Some(from), Some(end)), found.complete);
        let window = times(&counts, (None, Some(end)), found.complete);
        let (Some(during), Some(window)) = (inside(during)?, inside(window)?) else { continue };
        let parts = (lasted.len() > 1).then(|| slots_of(&lasted, each, during));
        asked.push((counts, during, parts, window));
    }
    check(asked.iter().flat_map(|(_, during, parts, window)| {
        [*during, *window].into_iter().chain(parts.iter().flatten().copied())
    }))?;
    let (mut costs, mut users_by) = (Vec::new(), None);
    for (counts, during, parts, window) in asked {
        let slo = counts.slo.clone();
        // One that came back is over in between: of none of its parts that are counted nothing is known.
        let parts = parts.unwrap_or_else(|| vec![during]);
        let mut then = Vec::with_capacity(parts.len());
        for part in &parts {
            then.push(spent(app, &found.catalog, counts.clone(), *part).await?);
        }
        let whole = spent(app, &found.catalog, counts, window).await?;
        let hit = match &slo.indicator {
            Some(Indicator::Events(sli)) => {
                let is_counted = slo.method == BudgetingMethod::Occurrences;
                let first = then.iter().filter_map(|of| of.objectives.first());
                let valid = first.map(|of| of.counted().0).sum();
                users(app, sli, &parts, Some(valid).filter(|_| is_counted)).await
            }
            _ => None,
        };
        for (number, objective) in whole.objectives.iter().enumerate() {
            let own = objective.spent_by_incident(&incident.id).filter(|own| *own > 0);
            let Some(own) = own else { continue };
            let then = then
                .iter()
                .filter_map(|of| of.objectives.get(number))
                .map(ObjectiveAttribution::counted);
            let (valid, bad) = then.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
            let during = Tally::new(valid, valid.saturating_sub(bad)).unwrap_or_default();
            let name = match objective.name() {
                Some(name) if whole.objectives.len() > 1 => format!("{} · {name}", slo.name),
                _ => slo.name.clone(),
            };
            users_by = hit.as_ref().map(|(by, _)| by.clone()).or(users_by);
            costs.push(IncidentCost::of(&Counted {
                slo: name,
                service: slo.service.clone(),
                target: objective.target(),
                during,
                own,
                window_valid: objective.counted().0,
                users: hit.as_ref().map(|(_, users)| *users),
            }));
        }
    }
    let costliest = costliest(&costs).map(|cost| cost.slo.clone());
    Ok(CostAnswer { incident: incident.id.clone(), from, to, costs, costliest, users_by })
}

/// The `parts` of `during` in whole units of `each`, those that meet as one: none is counted twice.
fn slots_of(parts: &[Interval], each: Duration, during: Interval) -> Vec<Interval> {
    let mut whole: Vec<Interval> = Vec::with_capacity(parts.len());
    for part in parts {
        let start = part.start().floor(each).max(during.start());
        let end = part.end().ceil(each).min(during.end());
        let before = whole.pop_if(|before| before.end() >= start);
        let start = before.map_or(start, Interval::start);
        let end = before.map_or(end, |before| end.max(before.end()));
        whole.extend(Interval::new(start, end).ok().filter(|_| start < end));
    }
    whole
}

/// The length of what the budget in `counts` is counted in, at most.
fn width(counts: &SloCounts) -> Duration {
    let slices = counts.slo.objectives.iter().filter_map(|objective| objective.timeslice_window);
    slices.max().unwrap_or(flyball_store::Ledger::SLOT_WIDTH)
}
