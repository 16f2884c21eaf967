//! What people say of a service.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use flyball_govern::review::{Mark, Remark};
use utoipa::ToSchema;

use crate::auth::Role;
use crate::changes::ChangesError;
use crate::http::App;
use crate::http::administration::wait;
use crate::http::extract::{Path, Sent, meant};
use crate::http::problem::Problem;
use crate::http::services::is_there;
use crate::remarks::keep;

/// The longest note, in bytes.
const NOTE_BYTES_MAX: usize = 1_024;
/// The most hours: those of a large team in a quarter.
const HOURS_MAX: u32 = 100_000;

/// What is said of a service.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RemarkRequest {
    /// How much toil it takes: low or high.
    #[schema(value_type = Option<String>)]
    toil: Option<Mark>,
    /// The hours that went into it since the remark before.
    #[schema(maximum = 100_000)]
    toil_hours: Option<u32>,
    /// How satisfied its users are: low or high.
    #[schema(value_type = Option<String>)]
    satisfaction: Option<Mark>,
    /// What was said, in a sentence.
    #[schema(max_length = 1024)]
    note: Option<String>,
}

/// Keeps what somebody says of a service: how much toil it takes, how satisfied its users are. Reports go by what was
/// said last in their time. It is in the audit log.
#[utoipa::path(
    post,
    path = "/api/v1/services/{name}/remarks",
    tag = "services",
    params(("name" = String, Path, description = "The service")),
    request_body = RemarkRequest,
    responses(
        (status = 201, description = "It is kept", body = Object),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It says nothing, or cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn remark(
    State(app): State<App>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<Remark>), Problem> {
    let (asked, caller) = sent.json_for(&app, "remark", (Role::Developer, &name)).await?;
    is_there(&app, &caller, &name).await?;
    let RemarkRequest { toil, toil_hours, satisfaction, note } = asked;
    let note = note.filter(|note| !note.trim().is_empty());
    let wrong = if toil.is_none()
        && toil_hours.is_none()
        && satisfaction.is_none()
        && note.is_none()
    {
        Some("the remark says nothing; hint: give `toil`, `toil_hours`, `satisfaction` or `note`")
    } else if toil_hours.is_some_and(|hours| hours > HOURS_MAX) {
        Some("`toil_hours` is more than 100,000; hint: say those since the remark before")
    } else if note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
        Some("`note` has more than 1,024 bytes; hint: say it in a sentence, and link to the rest")
    } else {
        None
    };
    if let Some(said) = wrong {
        return Err(meant(said));
    }
    let (who, at) = (caller.actor(), app.clock.now());
    let remark = Remark { toil, toil_hours, satisfaction, note, who, at };
    let kept = wait(move || {
        keep(&app.control, &name, &remark).map(|()| remark).map_err(ChangesError::from)
    });
    Ok((StatusCode::CREATED, Json(kept.await?)))
}
