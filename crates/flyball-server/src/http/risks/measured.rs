//! Registers beside what was measured, and who says which failure came of which risk.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::risk::{Measured, Occurrence, RiskSpec, fed, measure};
use flyball_model::{Duration, Interval, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::super::administration::wait;
use super::super::delivery::stretch;
use super::super::extract::{Path, Query, Sent, meant, page_size};
use super::super::problem::Problem;
use super::super::services::{absent, is_there};
use super::super::{App, room, shapes};
use super::{PAGE_DEFAULT, PAGE_MAX, known};
use crate::auth::{Caller, Role};
use crate::evaluator::{ServedError, check};
use crate::risks::{Failures, Naming, keep, named, page};

/// How long is looked back unless told: a year.
const USUAL: Duration = Duration::from_days(365);
/// Failures that came of no risk, in one answer: those that began last.
const UNNAMED_SHOWN: usize = 100;
/// Occurrences of one risk in an answer.
const OCCURRENCES_SHOWN: usize = 100;
/// The longest reason, in bytes.
const WHY_BYTES_MAX: usize = 1_024;

/// Over which time.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct MeasuredQuery {
    /// Since when; a year before `to` unless told, and not before the service's first SLO counted anything.
    from: Option<String>,
    /// Until when; as far as everything is counted unless told.
    to: Option<String>,
}

/// A register beside what was measured.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct MeasuredRegister {
    /// The service.
    service: String,
    /// The time that was observed.
    #[schema(value_type = shapes::Stretch)]
    during: Interval,
    /// The risks, by name.
    risks: Vec<MeasuredRisk>,
    /// How many failures came of no risk that somebody has named.
    unnamed: u64,
    /// Those of them that began last, by id; at most 100.
    unnamed_last: Vec<String>,
    /// Whether there were more changes, incidents or failures than are looked at, so that the earliest are left out.
    is_cut: bool,
}

/// A risk beside what was measured of it.
#[derive(Debug, serde::Serialize, ToSchema)]
struct MeasuredRisk {
    /// What the register says and what was measured, input by input; docs/risk.md says what each means.
    #[schema(value_type = Object)]
    measured: Measured,
    /// What it was measured from, in no order; at most 100.
    #[schema(value_type = Vec<Object>)]
    occurrences: Vec<Occurrence>,
    /// The failures that came of no risk that somebody has named and that its `matches` fits, those that began last, by id;
    /// at most 100. They count once somebody has said that they came of it.
    likely: Vec<String>,
    /// The `spec` of its document with what was measured in it, for somebody to look at and apply; null where too
    /// little was measured to change anything.
    #[schema(value_type = Option<Object>)]
    proposed: Option<RiskSpec>,
}

/// What a failure came of.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NamingRequest {
    /// The incident, change or drill of the service, by its id.
    posting: String,
    /// The risk, by its name; null takes back what was said.
    risk: Option<String>,
    /// Why, in a sentence.
    #[schema(max_length = 1024)]
    why: String,
}

/// What a failure came of, as somebody has said.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct NamingInfo {
    /// The service.
    service: String,
    /// The incident, change or drill, by its id.
    posting: String,
    /// The risk; null when that was taken back.
    risk: Option<String>,
    /// Who said so.
    who: String,
    /// Why.
    why: String,
    /// When.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
}

impl From<Naming> for NamingInfo {
    fn from(naming: Naming) -> Self {
        let Naming { service, posting, risk, who, why, at } = naming;
        Self { service, posting, risk, who, why, at }
    }
}

/// Which page.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct NamingsQuery {
    /// Only those that were said before: the `next` of the page before.
    #[serde(default, deserialize_with = "super::super::extract::number")]
    #[param(maximum = 9_223_372_036_854_775_807_u64)]
    before: Option<u64>,
    /// How many, 1 to 1,000; 100 unless told.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<usize>,
}

/// What failures of a service came of.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct NamingList {
    /// The last word on each, those that were first said last first.
    occurrences: Vec<NamingInfo>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// The risks of a service beside what was measured: from incidents, pages and failed changes that somebody has named a
/// risk of, and from drills. Of how often, Poisson counts with Garwood's interval; of how long and how many, medians
/// with theirs.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}/risks/measured",
    tag = "services",
    params(("name" = String, Path, description = "The service"), MeasuredQuery),
    responses(
        (status = 200, description = "Both side by side", body = MeasuredRegister),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The time cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn measured(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(MeasuredQuery { from, to }): Query<MeasuredQuery>,
) -> Result<Json<MeasuredRegister>, Problem> {
    if !caller.sees(&service) {
        return Err(absent(&app, &caller, &service).await?);
    }
    is_there(&app, &caller, &service).await?;
    let asked = service.clone();
    let found = app.evaluator.ask(move |evaluator| {
        let is_own = |slo: &flyball_model::Slo| slo.service == asked && slo.composition.is_none();
        evaluator.counts_of(is_own)
    });
    let found = found.await?;
    let mut during = stretch((from.as_ref(), to.as_ref()), found.complete, USUAL)?;
    let first = found.slos.iter().map(|of| of.since).min();
    if let (None, Some(first)) = (&from, first) {
        // What nobody could have measured was not without failures.
        let start = first.clamp(during.start(), during.end());
        during = Interval::starting(start, during.end().since(start));
    }
    check(found.slos.iter().map(|_| during))?;
    let _room = room(&app).await?;
    let (changes, control) = (app.changes.clone(), app.control.clone());
    let gatekeeper = app.gatekeeper.clone();
    let of = [service.clone()];
    let (past, drills, classes, (names, are_all)) = wait(move || {
        let times = (during.start(), during.end());
        let classes = gatekeeper.classes(&of)?;
        let classes: BTreeMap<String, String> =
            classes.into_iter().map(|((_, posting), class)| (posting, class)).collect();
        let (past, drills) = (changes.past(&of, times)?, changes.drills_measured(&of[0], times)?);
        Ok::<_, Problem>((past, drills, classes, named(&control, &of[0])?))
    })
    .await?;
    let mut failures = Failures::of(&past.changes, &past.incidents, (&names, &drills), &classes);
    let register = found.catalog.governance.register(&service);
    let answer = app.evaluator.look(move |snapshot| {
        let is_read = failures.read(snapshot, &register, &found.slos)?;
        let risks = register.risks().iter().filter_map(|risk| {
            let occurrences = failures.occurrences.remove(&risk.name).unwrap_or_default();
            let measured = measure(&register, risk, &occurrences, during)?;
            let fed = fed(&register, &risk.spec, &measured);
            let proposed = (fed != risk.spec).then_some(fed);
            let shown = occurrences.into_iter().take(OCCURRENCES_SHOWN).collect();
            let likely = failures.unnamed.iter().filter(|of| of.fits(risk));
            let likely = likely.take(UNNAMED_SHOWN).map(|of| of.id.clone()).collect();
            Some(MeasuredRisk { measured, occurrences: shown, likely, proposed })
        });
        let risks = risks.collect();
        let unnamed = failures.unnamed.len() as u64;
        failures.unnamed.truncate(UNNAMED_SHOWN);
        Ok::<_, ServedError>(MeasuredRegister {
            service,
            during,
            risks,
            unnamed,
            unnamed_last: failures.unnamed.into_iter().map(|of| of.id).collect(),
            is_cut: past.is_cut || !are_all || !is_read,
        })
    });
    Ok(Json(answer.await?))
}

/// Says which risk an incident, a change or a drill of a service came of, so that the register is held beside it. The
/// last word counts. It is in the audit log.
#[utoipa::path(
    post,
    path = "/api/v1/services/{name}/risks/occurrences",
    tag = "services",
    params(("name" = String, Path, description = "The service")),
    request_body = NamingRequest,
    responses(
        (status = 201, description = "It is kept", body = NamingInfo),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "There is no such risk or failure, or no reason", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn name(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<NamingInfo>), Problem> {
    let (asked, caller) = sent.json_for(&app, "naming", (Role::Developer, &service)).await?;
    let NamingRequest { posting, risk, why } = asked;
    is_there(&app, &caller, &service).await?;
    if why.trim().is_empty() || why.len() > WHY_BYTES_MAX {
        return Err(meant(
            "`why` is empty or has more than 1,024 bytes; hint: say it in a sentence",
        ));
    }
    let of = service.clone();
    let found = app.evaluator.ask(move |evaluator| {
        let paged = evaluator.desk().paged().filter(|(alert, ..)| alert.subject.service == of);
        let paged: Vec<String> = paged.map(|(alert, ..)| format!("alert:{}", alert.id)).collect();
        (evaluator.catalog().governance.register(&of), paged)
    });
    let (register, paged) = found.await?;
    risk.as_ref().map_or(Ok(()), |name| known(&register, name).map(|_| ()))?;
    let (who, at) = (caller.actor(), app.clock.now());
    let naming = Naming { service, posting, risk, who, why, at };
    let kept = wait(move || {
        let Naming { service, posting, .. } = &naming;
        if !paged.contains(posting) && !app.changes.has_happened(service, posting)? {
            let said = format!(
                "no incident, page or change of `{service}` is called `{posting}`; hint: `flyball risk measured \
                 {service}` names those that came of no risk"
            );
            return Err(meant(&said));
        }
        keep(&app.control, &naming)?;
        Ok::<_, Problem>(naming)
    });
    Ok((StatusCode::CREATED, Json(kept.await?.into())))
}

/// What failures of a service came of, as people have said.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}/risks/occurrences",
    tag = "services",
    params(("name" = String, Path, description = "The service"), NamingsQuery),
    responses(
        (status = 200, description = "A page of them; of a service that the caller may not see, none", body = NamingList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn namings(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(NamingsQuery { before, limit }): Query<NamingsQuery>,
) -> Result<Json<NamingList>, Problem> {
    let limit = page_size(limit, PAGE_DEFAULT, PAGE_MAX)?;
    if !caller.sees(&service) {
        return Ok(Json(NamingList { occurrences: Vec::new(), next: None }));
    }
    let found = wait(move || page(&app.control, &service, before, limit)).await?;
    let next = found.last().filter(|_| found.len() == limit).map(|(number, _)| *number);
    let occurrences = found.into_iter().map(|(_, naming)| naming.into()).collect();
    Ok(Json(NamingList { occurrences, next }))
}
