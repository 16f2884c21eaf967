//! What is done to a review: answers, waivers, signatures.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use flyball_govern::checklist::{
    Answer, Checklist, ItemOutcome, ItemStanding, ReportedBy, Review, ReviewError, ReviewSignature,
    Waiver,
};
use flyball_govern::evidence::ServiceEvidence;
use flyball_govern::policy::Role as Function;
use flyball_model::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::access::{Acting, acts_as};
use super::super::administration::wait;
use super::super::described::KnownActRefusals;
use super::super::evidence::{Known, known};
use super::super::extract::{Path, Sent};
use super::super::problem::Problem;
use super::super::services::is_there;
use super::super::{App, shapes};
use super::{ReviewPage, actor};
use crate::auth::Role;
use crate::names::names;
use crate::reviews::ReviewsError;

/// An answer to an item.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReviewAnswerRequest {
    /// The item.
    item: String,
    /// Yes or no.
    yes: bool,
    /// What shows it: words, or where it is. A yes needs it.
    #[serde(default)]
    #[schema(max_length = 4096)]
    evidence: String,
}

/// Who advises a review.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReviewAdviserRequest {
    /// Their name; that of the audit log where they have one there.
    #[schema(max_length = 256)]
    who: String,
}

/// Nothing more than that it is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReviewActRequest {}

/// An item that need not hold for a time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReviewWaiverRequest {
    /// The item.
    item: String,
    /// As what the caller waives it.
    #[schema(value_type = String)]
    role: Function,
    /// Why, in a sentence.
    #[schema(max_length = 4096)]
    why: String,
    /// Until when; no longer than the checklist allows.
    #[schema(value_type = shapes::Instant)]
    expires: Timestamp,
}

/// A signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReviewSignatureRequest {
    /// As what the caller signs.
    #[schema(value_type = String)]
    role: Function,
}

/// Why a review is given up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReviewWithdrawalRequest {
    /// Why, in a sentence.
    #[schema(max_length = 4096)]
    why: String,
}

/// What is done to a review: by whom and when, with its checklist and what is known.
struct Act<'a> {
    checklist: &'a Checklist,
    evidence: &'a ServiceEvidence,
    by: ReportedBy,
    /// What those are called whom the review knows by an id.
    names: BTreeMap<String, String>,
}

impl Acting for ReviewWaiverRequest {
    fn function(&self) -> Option<&Function> {
        Some(&self.role)
    }
}

impl Acting for ReviewSignatureRequest {
    fn function(&self) -> Option<&Function> {
        Some(&self.role)
    }
}

impl Acting for ReviewAnswerRequest {}

impl Acting for ReviewAdviserRequest {}

impl Acting for ReviewActRequest {}

impl Acting for ReviewWithdrawalRequest {}

/// Has `act` done to the review `id` of `service` by whoever may with `role`: what it is called in the audit log and what
/// is said of it there come from `detail`.
async fn done<T: DeserializeOwned + Acting + Send + 'static>(
    app: App,
    (service, id): (String, String),
    sent: Sent,
    role: Role,
    (action, detail): (&'static str, fn(&T) -> Value),
    act: fn(&mut Review, T, &Act<'_>) -> Result<(), ReviewError>,
) -> Result<(StatusCode, Json<ReviewPage>), Problem> {
    let (asked, caller): (T, _) = sent.json_for(&app, "review", (role, &service)).await?;
    is_there(&app, &caller, &service).await?;
    if let Some(function) = asked.function() {
        acts_as(&app.gate, &caller, function, Some(&service))?;
    }
    let Known { catalog, evidence, .. } = known(&app, &caller, &service).await?;
    let (actor, at) = (actor(&caller), app.clock.now());
    let done = wait(move || {
        let before = app.reviews.get(&service, &id)?;
        let names = names(&app.control, &before.people())?;
        let detail = detail(&asked);
        let by = ReportedBy { who: actor.who().to_owned(), at };
        let own = (&*service, &*id);
        let review = app.reviews.act(own, &actor, at, (action, detail), |review| {
            let (own, version) = (review.checklist.clone(), review.version);
            let checklist = catalog.governance.checklist(&review.checklist);
            let checklist = checklist.ok_or(ReviewError::OtherVersion { own, version })?;
            act(review, asked, &Act { checklist, evidence: &evidence, by, names })
        })?;
        // The gate asks for what approved reviews say.
        app.gatekeeper.knowing().forget();
        let page = ReviewPage::of(review, (&catalog, &evidence), &app.control, at)?;
        Ok::<_, ReviewsError>(page)
    });
    Ok((StatusCode::CREATED, Json(done.await?)))
}

/// Answers an item that a person answers; a later answer takes the place of the one before.
#[utoipa::path(
    post,
    path = "/api/v1/reviews/{service}/{id}/answers",
    tag = "reviews",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the review is known by, or its checklist for the last one"),
    ),
    request_body = ReviewAnswerRequest,
    responses(
        (status = 201, description = "It is answered", body = ReviewPage),
        (status = 422, description = "The review is not open, has no such item, or the item is measured", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn answer(
    State(app): State<App>,
    Path(of): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<ReviewPage>), Problem> {
    let audited: (&str, fn(&ReviewAnswerRequest) -> Value) = (
        "review.answer",
        |asked| json!({ "item": asked.item, "yes": asked.yes, "evidence": asked.evidence }),
    );
    done(app, of, sent, Role::Developer, audited, |review, asked, act| {
        let ReviewAnswerRequest { item, yes, evidence } = asked;
        let ReportedBy { who, at } = act.by.clone();
        review.answer(act.checklist, &item, Answer { yes, evidence, who, at })
    })
    .await
}

/// Assigns who advises the team, from outside of it; another name takes the place of the one before.
#[utoipa::path(
    post,
    path = "/api/v1/reviews/{service}/{id}/adviser",
    tag = "reviews",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the review is known by, or its checklist for the last one"),
    ),
    request_body = ReviewAdviserRequest,
    responses(
        (status = 201, description = "They advise it", body = ReviewPage),
        (status = 422, description = "The review is over, or they opened or submitted it", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn advise(
    State(app): State<App>,
    Path(of): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<ReviewPage>), Problem> {
    let audited: (&str, fn(&ReviewAdviserRequest) -> Value) =
        ("review.advise", |asked| json!({ "adviser": asked.who }));
    done(app, of, sent, Role::Developer, audited, |review, asked, act| {
        review.advise(&asked.who, &act.names)
    })
    .await
}

/// Submits a review: the team says that it is ready. What is measured is asked again, and whether the service is eligible. Whoever waived an item or advises the review does not submit it.
#[utoipa::path(
    post,
    path = "/api/v1/reviews/{service}/{id}/submission",
    tag = "reviews",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the review is known by, or its checklist for the last one"),
    ),
    request_body = ReviewActRequest,
    responses(
        (status = 201, description = "Signatures are awaited", body = ReviewPage),
        (status = 422, description = "Items stand in the way, the service is not eligible, an adviser is missing, or the caller waived an item", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn submit(
    State(app): State<App>,
    Path(of): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<ReviewPage>), Problem> {
    let audited: (&str, fn(&ReviewActRequest) -> Value) = ("review.submit", |_| json!({}));
    done(app, of, sent, Role::Developer, audited, |review, _, act| {
        review.submit(act.checklist, act.evidence, act.by.clone())
    })
    .await
}

/// Waives an item that stands in the way: as what, why, until when. Whoever opened or ever submitted the review waives nothing. Of an approved review the items are waived that it was approved with, also when its checklist has another version since.
#[utoipa::path(
    post,
    path = "/api/v1/reviews/{service}/{id}/waivers",
    tag = "reviews",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the review is known by, or its checklist for the last one"),
    ),
    request_body = ReviewWaiverRequest,
    responses(
        (status = 201, description = "It is waived", body = ReviewPage),
        (status = 422, description = "The checklist lets the role waive nothing, or not for as long", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn waive(
    State(app): State<App>,
    Path(of): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<ReviewPage>), Problem> {
    let audited: (&str, fn(&ReviewWaiverRequest) -> Value) = ("review.waive", |asked| {
        let ReviewWaiverRequest { item, role, why, expires } = asked;
        json!({ "item": item, "role": role, "why": why, "expires": expires })
    });
    done(app, of, sent, Role::Owner, audited, |review, asked, act| {
        let ReviewWaiverRequest { item, role, why, expires } = asked;
        let ReportedBy { who: approver, at } = act.by.clone();
        // What holds stands in nobody's way; an approved review goes by what was seen then.
        let seen = act.checklist.assess(review, act.evidence, at).ok();
        let seen = seen.filter(|_| !review.standing(at).is_approved());
        let holds = |of: &ItemStanding| of.id == item && of.outcome == ItemOutcome::Passed;
        if seen.is_some_and(|seen| seen.items.iter().any(holds)) {
            let why = "it holds; a waiver is for what stands in the way";
            return Err(ReviewError::NotWaivable { item, why });
        }
        review.waive(act.checklist, Waiver { item, why, role, approver, at, expires })
    })
    .await
}

/// Signs a review as one of the roles that its checklist asks for. With the last signature it is approved, and keeps what was seen. Whoever opened or submitted it does not sign, nobody signs as two roles; whoever merely answered an item may.
#[utoipa::path(
    post,
    path = "/api/v1/reviews/{service}/{id}/signatures",
    tag = "reviews",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the review is known by, or its checklist for the last one"),
    ),
    request_body = ReviewSignatureRequest,
    responses(
        (status = 201, description = "It is signed", body = ReviewPage),
        (status = 422, description = "The role is not asked for, the service is not eligible, or items stand in the way", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn sign(
    State(app): State<App>,
    Path(of): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<ReviewPage>), Problem> {
    let audited: (&str, fn(&ReviewSignatureRequest) -> Value) =
        ("review.sign", |asked| json!({ "role": asked.role }));
    done(app, of, sent, Role::Owner, audited, |review, asked, act| {
        let ReportedBy { who, at } = act.by.clone();
        let signature = ReviewSignature { role: asked.role, who, at };
        review.sign(act.checklist, act.evidence, signature)
    })
    .await
}

/// Gives a submitted review back to the team; its answers stay.
#[utoipa::path(
    post,
    path = "/api/v1/reviews/{service}/{id}/reopening",
    tag = "reviews",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the review is known by, or its checklist for the last one"),
    ),
    request_body = ReviewActRequest,
    responses(
        (status = 201, description = "It is open", body = ReviewPage),
        (status = 422, description = "It is not submitted", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn reopen(
    State(app): State<App>,
    Path(of): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<ReviewPage>), Problem> {
    let audited: (&str, fn(&ReviewActRequest) -> Value) = ("review.reopen", |_| json!({}));
    done(app, of, sent, Role::Developer, audited, |review, _, _| review.reopen()).await
}

/// Gives a review up.
#[utoipa::path(
    post,
    path = "/api/v1/reviews/{service}/{id}/withdrawal",
    tag = "reviews",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the review is known by, or its checklist for the last one"),
    ),
    request_body = ReviewWithdrawalRequest,
    responses(
        (status = 201, description = "It is given up", body = ReviewPage),
        (status = 422, description = "It is over, or no reason is given", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn withdraw(
    State(app): State<App>,
    Path(of): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<ReviewPage>), Problem> {
    let audited: (&str, fn(&ReviewWithdrawalRequest) -> Value) =
        ("review.withdraw", |asked| json!({ "why": asked.why }));
    done(app, of, sent, Role::Developer, audited, |review, asked, act| {
        review.withdraw(act.by.clone(), &asked.why)
    })
    .await
}

/// Moves a review to the version of its checklist that is in force, and back to the team. Answers and waivers of items that are gone, or are measured now, are dropped.
#[utoipa::path(
    post,
    path = "/api/v1/reviews/{service}/{id}/version",
    tag = "reviews",
    params(
        ("service" = String, Path, description = "The service"),
        ("id" = String, Path, description = "What the review is known by, or its checklist for the last one"),
    ),
    request_body = ReviewActRequest,
    responses(
        (status = 201, description = "It goes through the version in force", body = ReviewPage),
        (status = 422, description = "It is over", body = Problem, content_type = "application/problem+json"),
        KnownActRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn renew(
    State(app): State<App>,
    Path(of): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<ReviewPage>), Problem> {
    let audited: (&str, fn(&ReviewActRequest) -> Value) = ("review.renew", |_| json!({}));
    done(app, of, sent, Role::Developer, audited, |review, _, act| review.move_to(act.checklist))
        .await
}
