//! How incidents went together: how soon they were detected, acknowledged, mitigated and resolved, and which came again.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::{Extension, Json};
use flyball_govern::incident::{
    ActionSummary, IncidentMeasures, IncidentRecord, Recurrence, Trace, WriteUp, measures,
    recurrences, summary,
};
use flyball_model::{Duration, Interval, Slo, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::super::administration::wait;
use super::super::attribution::by_cause_inside;
use super::super::delivery::{USUAL, services_of, stretch, whose};
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::{App, room, shapes};
use super::{began, beside};
use crate::attribution::Attribution;
use crate::auth::Caller;
use crate::delivery::Whose;

/// How much of the past is attributed at a time: well within what one look takes in.
const PIECE: Duration = Duration::from_days(100);

/// Whose incidents are measured, over which time.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct MeasuresQuery {
    /// Those of this service.
    service: Option<String>,
    /// Those of the services of this team.
    team: Option<String>,
    /// Those of the services of this product.
    product: Option<String>,
    /// Since when they began; 90 days before `to` unless told.
    from: Option<String>,
    /// Until when; now unless told.
    to: Option<String>,
}

/// How incidents went.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct MeasuresAnswer {
    /// Whose.
    of: Whose,
    /// The moment of looking.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// How soon incidents were detected, acknowledged, mitigated and resolved: mean and distribution, what has not come so
    /// far, and what is not known; false alarms beside.
    #[schema(value_type = Object)]
    measures: IncidentMeasures,
    /// The incidents of the time that came again, and which earlier ones of the year before each resembles, by what.
    #[schema(value_type = Vec<Object>)]
    recurrences: Vec<Recurrence>,
    /// Whether all that burned in the time could be looked up; where not, only classes, what people say and what burned
    /// in the current windows tell what came again.
    is_burned_known: bool,
    /// The action items of these incidents.
    #[schema(value_type = Object)]
    actions: ActionSummary,
    /// Whether there are more incidents than are looked at, so that the oldest are left out.
    is_cut: bool,
}

/// How the incidents of a service, a team or a product went: MTTD, MTTA, time to mitigate and MTTR with their
/// distributions, what came again, and what is to be done.
#[utoipa::path(
    get,
    path = "/api/v1/incident-measures",
    tag = "incidents",
    params(MeasuresQuery),
    responses(
        (status = 200, description = "The measures; docs/incidents.md says what each means", body = MeasuresAnswer),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No service is of that team or product", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The question cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn measured(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<MeasuresQuery>,
) -> Result<Json<MeasuresAnswer>, Problem> {
    let MeasuresQuery { service, team, product, from, to } = asked;
    let of = whose(service, team, product)?;
    let now = app.clock.now();
    let during = stretch((from.as_ref(), to.as_ref()), now, USUAL)?;
    let _room = room(&app).await?;
    let (services, _) = services_of(&app, &caller, &of).await?;
    // What came again did so within a year.
    let since = during.start().minus(flyball_govern::incident::RECURS_WITHIN);
    let (changes, asked) = (app.changes.clone(), services.clone());
    let known = wait::<_, Problem>(move || {
        let records = changes.incident_records(&asked, (since, during.end()))?;
        Ok((records, changes.written(&asked)?))
    });
    let ((mut records, are_all), written) = known.await?;
    let beside = beside(&app, services.clone()).await?;
    for record in &mut records {
        record.class = beside.class(record);
    }
    let all = Interval::starting(since, during.end().since(since));
    let (burned, is_burned_known) = burned(&app, services, all).await;
    let traces: Vec<Trace> = records
        .iter()
        .filter(|record| record.counts())
        .map(|record| trace(record, &written, &burned, during.end()))
        .collect();
    let inside: BTreeSet<&str> = records
        .iter()
        .filter(|record| during.contains(began(record)))
        .map(|record| record.incident.id.as_str())
        .collect();
    let mut found = recurrences(&traces);
    found.retain(|again| inside.contains(again.id.as_str()));
    let own = written.iter().filter(|of| inside.contains(of.incident.as_str()));
    let actions = summary(own.flat_map(|of| &of.actions), now);
    Ok(Json(MeasuresAnswer {
        of,
        at: now,
        measures: measures(&records, during, now),
        recurrences: found,
        is_burned_known,
        actions,
        is_cut: !are_all,
    }))
}

/// What the SLOs of `services` spent in a time, in pieces that one look takes in, and whether that is all: where there is too
/// much of it, what they spent in their windows.
pub(super) async fn burned(
    app: &App,
    services: Vec<String>,
    during: Interval,
) -> (Vec<Attribution>, bool) {
    let is_asked = move |slo: &Slo| services.contains(&slo.service) && slo.composition.is_none();
    let mut found = Vec::new();
    for piece in pieces(during) {
        let Ok(spent) = by_cause_inside(app, is_asked.clone(), whole(piece)).await else {
            let windows = by_cause_inside(app, is_asked, (None, None)).await;
            return (windows.unwrap_or_default(), false);
        };
        found.extend(spent);
    }
    let is_all = !found.iter().any(Attribution::is_cut);
    (found, is_all)
}

fn whole(during: Interval) -> (Option<Timestamp>, Option<Timestamp>) {
    (Some(during.start()), Some(during.end()))
}

/// A time in pieces of at most [`PIECE`], the earliest first.
fn pieces(during: Interval) -> impl Iterator<Item = Interval> {
    let (mut from, end) = (during.start(), during.end());
    std::iter::from_fn(move || {
        let piece = Interval::starting(from, PIECE.min(end.since(from)));
        from = piece.end();
        (!piece.is_empty()).then_some(piece)
    })
}

/// What is known of an incident that may come again.
fn trace(
    record: &IncidentRecord,
    written: &[WriteUp],
    burned: &[Attribution],
    end: Timestamp,
) -> Trace {
    let incident = &record.incident;
    let from = began(record);
    let over = incident.served_again().unwrap_or(end).max(from);
    let parts = record.parts(from, over);
    let (mut slos, mut dependencies) = (BTreeSet::new(), BTreeSet::new());
    for of in burned {
        for objective in &of.objectives {
            let failed: BTreeSet<&str> =
                parts.iter().flat_map(|part| objective.failed_below(*part)).collect();
            let own = objective.spent_by_incident(&incident.id);
            if own.is_some_and(|spent| spent > 0) || !failed.is_empty() {
                slos.insert(of.slo().to_owned());
            }
            dependencies.extend(failed.into_iter().map(str::to_owned));
        }
    }
    let written = written.iter().find(|of| of.incident == incident.id);
    Trace {
        id: incident.id.clone(),
        began: incident.opened(),
        services: record.all_services().into_iter().map(str::to_owned).collect(),
        class: record.class.clone(),
        burned: slos,
        dependencies,
        repeats: record.repeats.clone(),
        actions: written.map(|of| of.actions.clone()).unwrap_or_default(),
    }
}
