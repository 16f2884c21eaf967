//! Reviews: a service goes through a checklist, its team answers, others sign.

mod acts;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_catalog::Catalog;
use flyball_govern::checklist::{
    Assessment, Checklist, ChecklistSpec, Review, ReviewError, ReviewState, Standing,
};
use flyball_govern::evidence::ServiceEvidence;
use flyball_model::Timestamp;
use flyball_query::near_matches;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::administration::wait;
use super::described::ActRefusals;
use super::evidence::{Known, known};
use super::extract::{Path, Query, Sent, meant, page_size};
use super::problem::Problem;
use super::services::is_there;
use super::{App, shapes};
use crate::auth::{Caller, Role};
use crate::control::SharedControl;
use crate::gate::{Actor, GateError};
use crate::names::names;
use crate::reviews::ReviewsError;
pub(super) use acts::{
    __path_advise, __path_answer, __path_renew, __path_reopen, __path_sign, __path_submit,
    __path_waive, __path_withdraw, advise, answer, renew, reopen, sign, submit, waive, withdraw,
};

/// Reviews in one answer, unless told.
const PAGE: usize = 50;
/// Reviews in one answer, at most: each holds what was seen.
const PAGE_MAX: usize = 200;

impl From<ReviewsError> for Problem {
    fn from(error: ReviewsError) -> Self {
        let said = error.to_string();
        let status = match error {
            ReviewsError::Kept(error) => return error.into(),
            ReviewsError::Unknown { .. } => StatusCode::NOT_FOUND,
            ReviewsError::Underway { .. } => StatusCode::CONFLICT,
            ReviewsError::Review(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, &said)
    }
}

/// Every checklist.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct ChecklistPage {
    /// By name.
    checklists: Vec<ChecklistInfo>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<String>,
}

/// A checklist.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct ChecklistInfo {
    /// Its name.
    name: String,
    /// As it was written; docs/reviews.md says what each field means.
    #[schema(value_type = Object)]
    spec: ChecklistSpec,
}

/// Which checklists are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChecklistQuery {
    /// Only those whose names come after this one.
    after: Option<String>,
    /// At most so many; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// Which reviews are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReviewQuery {
    /// Only those before this one.
    #[serde(default, deserialize_with = "super::extract::number")]
    before: Option<u64>,
    /// At most so many; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// A page of reviews.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct ReviewList {
    /// Those opened last first.
    reviews: Vec<ReviewLine>,
    /// What those are called whom they know by an id, as far as that is known: a token's name, a person's.
    people: BTreeMap<String, String>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// A review in a list.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct ReviewLine {
    /// What it is known by.
    id: String,
    /// The service.
    service: String,
    /// The checklist, and its version.
    checklist: String,
    version: u32,
    /// What passing it opens: `launch`, `production`, `hand_off` or `slo_review`.
    stage: &'static str,
    /// How far it has come: `open`, `submitted`, `approved` or `withdrawn`.
    state: &'static str,
    /// What it is worth now: `pending`, `approved`, `waivers_over`, `too_old` or `withdrawn`, and since when or until
    /// when.
    #[schema(value_type = Object)]
    standing: Standing,
    /// When it was opened.
    #[schema(value_type = shapes::Instant)]
    opened: Timestamp,
    /// Who opened it.
    by: String,
}

impl ReviewLine {
    pub(super) fn of(review: &Review, at: Timestamp) -> Self {
        Self {
            id: review.id.clone(),
            service: review.service.clone(),
            checklist: review.checklist.clone(),
            version: review.version,
            stage: review.stage.word(),
            state: match review.state() {
                ReviewState::Open => "open",
                ReviewState::Submitted(_) => "submitted",
                ReviewState::Approved { .. } => "approved",
                ReviewState::Withdrawn { .. } => "withdrawn",
            },
            standing: review.standing(at),
            opened: review.opened.at,
            by: review.opened.who.clone(),
        }
    }
}

/// One review, and where it stands.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct ReviewPage {
    /// The review in short.
    #[serde(flatten)]
    line: ReviewLine,
    /// As it is kept: answers, waivers, signatures.
    #[schema(value_type = Object)]
    review: Review,
    /// Where each item stands: by what is known now, of an approved review by what was seen then; null where its
    /// version of the checklist is in force no more.
    #[schema(value_type = Option<Object>)]
    assessment: Option<Assessment>,
    /// The items that stand in the way.
    blocking: Vec<String>,
    /// What must hold for the service to be reviewed and does not, or is not known to, with what was seen; empty when the
    /// review is over.
    unmet: Vec<String>,
    /// The items that incidents taught since the service's review before.
    learnt: Vec<String>,
    /// The roles whose signatures are awaited; those of a checklist that is in force no more are not known.
    missing: Vec<String>,
    /// Why it cannot be assessed; null where it can.
    problem: Option<String>,
    /// What those are called whom it knows by an id, as far as that is known: a token's name, a person's.
    people: BTreeMap<String, String>,
}

impl ReviewPage {
    /// `review` at `at`, by what is known of its service; a look into `control` says what people are called.
    ///
    /// # Errors
    ///
    /// [`GateError`] where that cannot be read.
    fn of(
        review: Review,
        (catalog, evidence): (&Catalog, &ServiceEvidence),
        control: &SharedControl,
        at: Timestamp,
    ) -> Result<Self, GateError> {
        let checklist = catalog.governance.checklist(&review.checklist);
        let assessed = match review.state() {
            ReviewState::Approved { seen, .. } => Ok((**seen).clone()),
            _ => match checklist {
                Some(checklist) => checklist.assess(&review, evidence, at),
                None => Err(ReviewError::OtherVersion {
                    own: review.checklist.clone(),
                    version: review.version,
                }),
            },
        };
        let of_version = checklist.filter(|of| of.spec().version == review.version);
        let is_over =
            matches!(review.state(), ReviewState::Approved { .. } | ReviewState::Withdrawn { .. });
        let asked = of_version.filter(|_| !is_over);
        let missing = of_version.map(|checklist| {
            review.missing(checklist).map(|role| role.name().to_owned()).collect()
        });
        let (assessment, problem) = match assessed {
            Ok(assessment) => (Some(assessment), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let ids = |items: &mut dyn Iterator<Item = &flyball_govern::checklist::ItemStanding>| {
            items.map(|item| item.id.clone()).collect::<Vec<String>>()
        };
        let of = assessment.as_ref();
        let people = names(control, &review.people())?;
        Ok(Self {
            line: ReviewLine::of(&review, at),
            unmet: asked.map(|checklist| checklist.unmet(evidence)).unwrap_or_default(),
            blocking: of.map(|of| ids(&mut of.blocking())).unwrap_or_default(),
            learnt: of.map(|of| ids(&mut of.learnt())).unwrap_or_default(),
            missing: missing.unwrap_or_default(),
            review,
            assessment,
            problem,
            people,
        })
    }
}

/// A review to open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReviewOpenRequest {
    /// The checklist.
    checklist: String,
}

/// The checklists in force, those that ship among them.
#[utoipa::path(
    get,
    path = "/api/v1/checklists",
    tag = "reviews",
    params(ChecklistQuery),
    responses(
        (status = 200, description = "A page of checklists, by name", body = ChecklistPage),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server goes down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn checklists(
    State(app): State<App>,
    Query(ChecklistQuery { after, limit }): Query<ChecklistQuery>,
) -> Result<Json<ChecklistPage>, Problem> {
    let limit = page_size(limit, PAGE, PAGE_MAX)?;
    let catalog = app.evaluator.ask(|evaluator| Arc::clone(evaluator.catalog())).await?;
    let is_asked = |of: &&Checklist| after.as_ref().is_none_or(|after| of.name() > after.as_str());
    let mut found = catalog.governance.checklists().filter(is_asked);
    let info =
        |of: &Checklist| ChecklistInfo { name: of.name().to_owned(), spec: of.spec().clone() };
    let checklists: Vec<ChecklistInfo> = found.by_ref().take(limit).map(info).collect();
    let is_last = found.next().is_none();
    let next = checklists.last().filter(|_| !is_last).map(|last| last.name.clone());
    Ok(Json(ChecklistPage { checklists, next }))
}

/// Reviews of all services that the caller may see.
#[utoipa::path(
    get,
    path = "/api/v1/reviews",
    tag = "reviews",
    params(ReviewQuery),
    responses(
        (status = 200, description = "A page of reviews", body = ReviewList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<ReviewQuery>,
) -> Result<Json<ReviewList>, Problem> {
    page(app, caller.seen(), asked).await
}

/// Reviews of a service.
#[utoipa::path(
    get,
    path = "/api/v1/reviews/{service}",
    tag = "reviews",
    params(("service" = String, Path, description = "The service"), ReviewQuery),
    responses(
        (status = 200, description = "A page of reviews; of a service that the caller may not see, none", body = ReviewList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn of_service(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(asked): Query<ReviewQuery>,
) -> Result<Json<ReviewList>, Problem> {
    if !caller.sees(&service) {
        return page(app, Some(Vec::new()), asked).await;
    }
    let found = page(app.clone(), Some(vec![service.clone()]), asked).await?;
    if found.reviews.is_empty() {
        is_there(&app, &caller, &service).await?;
    }
    Ok(found)
}

async fn page(
    app: App,
    services: Option<Vec<String>>,
    ReviewQuery { before, limit }: ReviewQuery,
) -> Result<Json<ReviewList>, Problem> {
    let limit = page_size(limit, PAGE, PAGE_MAX)?;
    let at = app.clock.now();
    let found = wait(move || {
        let found = app.reviews.page(services.as_deref(), before, limit)?;
        let people = found.iter().flat_map(|(_, review)| review.people()).collect();
        let people = names(&app.control, &people)?;
        Ok::<_, GateError>((found, people))
    });
    let (found, people) = found.await?;
    let next = found.last().filter(|_| found.len() == limit).map(|(number, _)| *number);
    let reviews = found.iter().map(|(_, review)| ReviewLine::of(review, at)).collect();
    Ok(Json(ReviewList { reviews, people, next }))
}

/// A review and where each of its items stands. What is measured is answered from what is known now.
#[utoipa::path(
    get,
    path = "/api/v1/reviews/{service}/{id}",
    tag = "reviews",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the review is known by, or its checklist for the last one"),
    ),
    responses(
        (status = 200, description = "The review", body = ReviewPage),
        (status = 400, description = "The path cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The service has no such review", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((service, id)): Path<(String, String)>,
) -> Result<Json<ReviewPage>, Problem> {
    if !caller.sees(&service) {
        return Err(ReviewsError::Unknown { service, id }.into());
    }
    let (reviews, of) = (app.reviews.clone(), service.clone());
    let review = wait(move || reviews.get(&of, &id)).await?;
    let Known { catalog, evidence, .. } = known(&app, &caller, &service).await?;
    let page =
        wait(move || ReviewPage::of(review, (&catalog, &evidence), &app.control, evidence.at));
    Ok(Json(page.await?))
}

/// Opens a review of a service by a checklist. Who asks for a review signs none of it.
///
/// Refused while the service is not eligible by what the checklist says, with what was seen.
#[utoipa::path(
    post,
    path = "/api/v1/reviews/{service}",
    tag = "reviews",
    params(("service" = String, Path, description = "The service")),
    request_body = ReviewOpenRequest,
    responses(
        (status = 201, description = "It is open", body = ReviewPage),
        (status = 409, description = "One by this checklist is under way", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "There is no such checklist, or the service is not eligible for it", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn open(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<ReviewPage>), Problem> {
    let of = (Role::Developer, &*service);
    let (asked, caller): (ReviewOpenRequest, _) = sent.json_for(&app, "review", of).await?;
    is_there(&app, &caller, &service).await?;
    let Known { catalog, evidence, .. } = known(&app, &caller, &service).await?;
    checklist(&catalog, &asked.checklist)?;
    let (actor, at) = (actor(&caller), app.clock.now());
    let opened = wait(move || {
        let checklist = catalog.governance.checklist(&asked.checklist);
        let opened = checklist.map(|it| app.reviews.open(&service, it, &evidence, &actor, at));
        // It was there a moment ago, in the same documents.
        let unknown =
            || ReviewsError::Unknown { service: service.clone(), id: asked.checklist.clone() };
        let review = opened.ok_or_else(unknown)??;
        let page = ReviewPage::of(review, (&catalog, &evidence), &app.control, at)?;
        Ok::<_, ReviewsError>(page)
    });
    Ok((StatusCode::CREATED, Json(opened.await?)))
}

/// The checklist called `name`.
fn checklist<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Checklist, Problem> {
    if let Some(found) = catalog.governance.checklist(name) {
        return Ok(found);
    }
    let known = catalog.governance.checklists().map(Checklist::name);
    let hint = match near_matches(name, known).first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => "GET /api/v1/checklists lists them".to_owned(),
    };
    Err(meant(&format!("there is no checklist `{name}`; hint: {hint}")))
}

fn actor(caller: &Caller) -> Actor {
    Actor { name: caller.actor(), somebody: caller.somebody() }
}
