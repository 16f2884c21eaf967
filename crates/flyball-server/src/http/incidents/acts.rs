//! What people say of an incident: notes, corrections, roles, that it was none.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use flyball_govern::incident::{
    By, FalseAlarmCause, IncidentError, IncidentRecord, IncidentRole, Moment, Note, WriteUpError,
    names_in,
};
use flyball_model::Timestamp;
use serde_json::json;
use utoipa::ToSchema;

use super::super::App;
use super::super::administration::wait;
use super::super::described::IncidentRefusals;
use super::super::extract::{Path, Sent, meant, moment};
use super::super::problem::Problem;
use super::write_ups::people;
use super::{IncidentView, found, known_names, names, said_of, say_in, view};
use crate::changes::{IncidentActError, KeptIncident};

/// A note on an incident.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NoteRequest {
    /// What happened, or was done.
    text: String,
    /// When; now unless told.
    at: Option<String>,
}

/// A correction of an incident. What is left out stays.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CorrectionRequest {
    /// Why, in a sentence.
    why: String,
    /// Moments by name: started, detected, acknowledged, mitigated, resolved; null where one has not come.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    moments: BTreeMap<Moment, Option<Timestamp>>,
    /// What happened, in a sentence; an empty one takes that back.
    summary: Option<String>,
    /// The change that caused it, by id; an empty one takes that back.
    cause: Option<String>,
    /// The incident that it repeats, by id; an empty one takes that back.
    repeats: Option<String>,
    /// All services whose users were hit beside its own.
    services: Option<Vec<String>>,
    /// All journeys that were hit.
    journeys: Option<Vec<String>>,
    /// All runbooks that were followed.
    runbooks: Option<Vec<String>>,
}

/// Whether an incident was one.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct FalseAlarmRequest {
    /// Why the alarm was false: measurement, `too_sensitive`, `on_purpose`, `wrong_target` or report; null when it was an
    /// incident after all.
    #[schema(value_type = Option<String>)]
    cause: Option<FalseAlarmCause>,
    /// What was learnt, in a sentence.
    text: String,
}

/// A role in an incident.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RoleRequest {
    /// commander, operations, communications or planning.
    #[schema(value_type = String)]
    role: IncidentRole,
    /// Who takes it over; null when nobody does.
    who: Option<String>,
    /// When; now unless told.
    at: Option<String>,
}

/// Notes what happened in an incident, at its time.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/notes",
    tag = "incidents",
    params(("id" = String, Path, description = "The incident")),
    request_body = NoteRequest,
    responses(
        (status = 200, description = "The incident with the note", body = IncidentView),
        (status = 422, description = "It says nothing, or has not come", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn note(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Json<IncidentView>, Problem> {
    let (asked, caller, _): (NoteRequest, _, _) = said_of(&app, &id, sent).await?;
    let (who, now) = (caller.actor(), app.clock.now());
    let at = asked.at.map_or(Ok(now), |text| moment("at", &text))?;
    let note = Note { who: who.clone(), at, text: asked.text };
    let changes = app.changes.clone();
    let kept = wait(move || {
        changes.amend_incident(&id, (&who, now), "incident.note", |record| {
            let detail = json!({ "at": note.at });
            record.note(note, now)?;
            Ok(detail)
        })
    });
    view(&app, kept.await?, &caller).await
}

/// Corrects what is said of an incident. Who corrected what, when, why, and what was said before stay with it.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/corrections",
    tag = "incidents",
    params(("id" = String, Path, description = "The incident")),
    request_body = CorrectionRequest,
    responses(
        (status = 200, description = "The incident as it is said to be now", body = IncidentView),
        (status = 422, description = "It gives no reason, or its moments cannot be", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn correct(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Json<IncidentView>, Problem> {
    let (asked, caller, kept): (CorrectionRequest, _, _) = said_of(&app, &id, sent).await?;
    let lists = [
        ("services", &asked.services),
        ("journeys", &asked.journeys),
        ("runbooks", &asked.runbooks),
    ];
    for (what, list) in lists {
        names(what, list.as_deref().unwrap_or_default())?;
    }
    let known = &kept.record.services;
    let told = asked.services.iter().flatten().filter(|service| !known.contains(service));
    let taken =
        known.iter().filter(|of| asked.services.as_ref().is_some_and(|told| !told.contains(of)));
    say_in(&caller, &told.chain(taken).cloned().collect::<Vec<_>>())?;
    let told = asked.services.iter().flatten().filter(|service| !known.contains(service));
    let told: Vec<String> = told.cloned().collect();
    let hits = asked.journeys.clone().unwrap_or_default();
    known_names(&app, &caller, (&told, &hits, asked.cause.as_deref())).await?;
    if let Some(other) = asked.repeats.as_deref().filter(|other| !other.trim().is_empty())
        && found(&app, &caller, other.trim()).await.is_err()
    {
        return Err(meant(&format!(
            "no incident is called `{other}`; hint: GET /api/v1/incidents lists them"
        )));
    }
    let (who, now) = (caller.actor(), app.clock.now());
    let changes = app.changes.clone();
    let kept = wait::<KeptIncident, IncidentActError>(move || {
        changes.amend_incident(&id, (&who, now), "incident.correct", |record| {
            let before = record.edits.len();
            let why = asked.why.clone();
            corrected(record, asked, By { who: &who, at: now, why: &why })?;
            let made = &record.edits[before..];
            let detail = made.iter().map(
                |edit| json!({ "field": edit.field, "before": edit.before, "after": edit.after }),
            );
            Ok(json!({ "why": why, "edits": detail.collect::<Vec<_>>() }))
        })
    });
    view(&app, kept.await?, &caller).await
}

fn corrected(
    record: &mut IncidentRecord,
    asked: CorrectionRequest,
    by: By<'_>,
) -> Result<(), IncidentError> {
    let CorrectionRequest { moments, summary, cause, repeats, .. } = asked;
    // Each alone may come before or after one that is still to be corrected.
    let mut left: Vec<_> = moments.into_iter().collect();
    while !left.is_empty() {
        let mut refused = None;
        let before = left.len();
        left.retain(|(moment, to)| match record.set(*moment, *to, by) {
            Ok(()) => false,
            Err(error) => {
                refused = Some(error);
                true
            }
        });
        if let Some(error) = refused.filter(|_| left.len() == before) {
            return Err(error);
        }
    }
    if let Some(summary) = summary {
        record.sum_up(&summary, by)?;
    }
    if let Some(cause) = cause {
        record.put_down_to(&cause, by)?;
    }
    if let Some(repeats) = repeats {
        record.say_repeats(&repeats, by)?;
    }
    let lists = (
        asked.services.unwrap_or_else(|| record.services.clone()),
        asked.journeys.unwrap_or_else(|| record.journeys.clone()),
        asked.runbooks.unwrap_or_else(|| record.runbooks.clone()),
    );
    record.concerns(lists, by)
}

/// Says that an alarm was false, or that it was none after all. Nobody's name belongs to it: whoever calls when unsure does
/// right.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/false-alarm",
    tag = "incidents",
    params(("id" = String, Path, description = "The incident")),
    request_body = FalseAlarmRequest,
    responses(
        (status = 200, description = "The incident; a false alarm counts in no measure and spends nothing", body = IncidentView),
        (status = 422, description = "It does not say what was learnt, or names somebody", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn false_alarm(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Json<IncidentView>, Problem> {
    let (asked, caller, _): (FalseAlarmRequest, _, _) = said_of(&app, &id, sent).await?;
    let (who, now) = (caller.actor(), app.clock.now());
    let changes = app.changes.clone();
    let kept = wait(move || {
        let FalseAlarmRequest { cause, text } = asked;
        changes.amend_incident(&id, (&who, now), "incident.false_alarm", |record| {
            let named = people(record, &[]);
            let named: Vec<&str> = named.iter().map(String::as_str).collect();
            if let Some(name) = names_in(&text, &named).first() {
                let name = (*name).to_owned();
                return Err(WriteUpError::Named { name, heading: "What was learnt" }.into());
            }
            let by = By { who: &who, at: now, why: &text };
            match cause {
                Some(cause) => record.call_false(cause, &text, by)?,
                None => record.call_real(by)?,
            }
            Ok(json!({ "cause": cause, "text": text }))
        })
    });
    view(&app, kept.await?, &caller).await
}

/// Hands a role over: whoever held it holds it no longer.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/roles",
    tag = "incidents",
    params(("id" = String, Path, description = "The incident")),
    request_body = RoleRequest,
    responses(
        (status = 200, description = "The incident with the role handed over", body = IncidentView),
        (status = 422, description = "Nobody holds the role, or the moment cannot be", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn role(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Json<IncidentView>, Problem> {
    let (asked, caller, _): (RoleRequest, _, _) = said_of(&app, &id, sent).await?;
    let RoleRequest { role, who, at } = asked;
    let (actor, now) = (caller.actor(), app.clock.now());
    let at = at.map_or(Ok(now), |text| moment("at", &text))?;
    let changes = app.changes.clone();
    let kept = wait(move || {
        changes.amend_incident(&id, (&actor, now), "incident.role", |record| {
            if at > now {
                return Err(IncidentError::Future { at }.into());
            }
            match &who {
                Some(who) => record.assign(role, who, at)?,
                None => record.relieve(role, at)?,
            }
            Ok(json!({ "role": role, "who": who, "at": at }))
        })
    });
    view(&app, kept.await?, &caller).await
}
