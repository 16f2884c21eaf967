//! What happened in an incident, in order.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::{Extension, Json};
use flyball_govern::alert::Alert;
use flyball_govern::incident::{
    Decided, IncidentRecord, Seen, Timeline, around, timeline as ordered,
};
use flyball_model::{Change, Interval, Timestamp, Warranty};
use utoipa::ToSchema;

use super::super::administration::{people, wait};
use super::super::extract::Path;
use super::super::problem::Problem;
use super::super::{App, shapes};
use super::found;
use crate::auth::Caller;

/// What happened in an incident.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct TimelineAnswer {
    /// The incident.
    incident: String,
    /// The time that was looked at.
    #[schema(value_type = shapes::Stretch)]
    during: Interval,
    /// What happened, oldest first: moments, steps of alerts, changes, decisions of the gate, roles, notes, corrections.
    #[schema(value_type = Vec<Object>)]
    entries: Vec<flyball_govern::incident::Entry>,
    /// How many entries are left out.
    left_out: u64,
    /// What those are called who are told of by an id, as far as that is known.
    people: BTreeMap<String, String>,
}

/// The timeline of an incident, put together from its own record and from alerts, changes and decisions of its services
/// from an hour before it to half an hour after it.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}/timeline",
    tag = "incidents",
    params(("id" = String, Path, description = "The incident")),
    responses(
        (status = 200, description = "What happened", body = TimelineAnswer),
        (status = 404, description = "There is none, or it is of services that the caller may not see", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn timeline(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<TimelineAnswer>, Problem> {
    let kept = found(&app, &caller, &id).await?;
    let Timeline { during, entries, left_out } = timeline_of(&app, &caller, &kept.record).await?;
    let people = people(&app, entries.iter().filter_map(|of| of.who.clone()).collect()).await?;
    let incident = kept.record.incident.id;
    Ok(Json(TimelineAnswer { incident, during, entries, left_out, people }))
}

/// The timeline of the incident in `record`, as far as `caller` may see.
///
/// # Errors
///
/// A problem where something cannot be read.
pub(super) async fn timeline_of(
    app: &App,
    caller: &Caller,
    record: &IncidentRecord,
) -> Result<Timeline, Problem> {
    let now = app.clock.now();
    let during = around(record, now);
    let services: Vec<String> = record.all_services().into_iter().map(str::to_owned).collect();
    let services: Vec<String> = services.into_iter().filter(|of| caller.sees(of)).collect();
    let asked = services.clone();
    let alerts = app.evaluator.ask(move |evaluator| {
        let alerts = evaluator.desk().alerts();
        let own = alerts.filter(|alert| asked.contains(&alert.subject.service));
        own.map(Alert::shown).collect::<Vec<_>>()
    });
    let alerts = alerts.await?;
    let (changes, gatekeeper) = (app.changes.clone(), app.gatekeeper.clone());
    let (cause, seer) = (record.incident.cause.clone(), caller.clone());
    let known = wait::<_, Problem>(move || {
        // What is under way ships later.
        let times =
            (during.start().minus(Warranty::DEFAULT.hold()), during.end().max(Timestamp::MIN));
        let (kept, _) = changes.changes_of(&services, times)?;
        let mut changed: Vec<Change> = kept.into_iter().map(|of| of.change).collect();
        let cause = cause.map(|id| changes.get(&id, &seer)).transpose()?.flatten();
        let cause = cause.map(|of| of.change);
        changed.extend(cause.filter(|cause| changed.iter().all(|one| one.id != cause.id)));
        let mut decisions: Vec<Decided> = Vec::new();
        for service in &services {
            decisions.extend(gatekeeper.decided_in(service, during)?);
        }
        Ok((changed, decisions))
    });
    let (changes, decisions) = known.await?;
    let seen = Seen { alerts: &alerts, changes: &changes, decisions: &decisions };
    Ok(ordered(record, &seen, now))
}
