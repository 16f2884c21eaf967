//! Backups of a server that runs.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use flyball_store::{Backup, StoreError};
use utoipa::ToSchema;

use super::App;
use super::access::still;
use super::body::read_json;
use super::problem::Problem;
use crate::auth::{Caller, Needs};
use crate::backup::BackupError;
use crate::hex::hex;

/// A backup to make.
#[derive(Debug, serde::Serialize, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// The directory's name among the server's backups.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
    pub name: String,
}

/// A backup that was made, read back and checked.
#[derive(Debug, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct BackupMade {
    /// How many files it has, without the list of their digests.
    pub files: usize,
    /// Their bytes together.
    pub bytes: u64,
    /// The last journal entry that its ledger counts.
    pub position: u64,
    /// The last journal entry in it.
    pub last: u64,
    /// The number of the last record of its audit log.
    pub audit_number: u64,
    /// That record's hash, hexadecimal: noted elsewhere, it shows later that nothing was cut off.
    pub audit_hash: String,
}

impl From<Backup> for BackupMade {
    fn from(made: Backup) -> Self {
        Self {
            files: made.files,
            bytes: made.bytes,
            position: made.position.0,
            last: made.last.0,
            audit_number: made.audit.number,
            audit_hash: hex(&made.audit.hash),
        }
    }
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        let status = match &error {
            BackupError::Name(_) => StatusCode::UNPROCESSABLE_ENTITY,
            BackupError::NoPlace | BackupError::Store(StoreError::NotEmpty { .. }) => {
                StatusCode::CONFLICT
            }
            BackupError::Busy => StatusCode::TOO_MANY_REQUESTS,
            BackupError::Store(_) | BackupError::Segment(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, &error.to_string())
    }
}

/// Copies the data directory into a new directory beside the server's other backups. Answers when
/// the copy has been read back and checked, which may take minutes; requests are served meanwhile. The
/// audit log says who asked for it, before it is begun. It is made to its end also when nobody waits for the answer.
#[utoipa::path(
    post,
    path = "/api/v1/backups",
    tag = "administration",
    request_body(content = BackupRequest, content_type = "application/json"),
    responses(
        (status = 201, description = "The backup", body = BackupMade),
        (status = 400, description = "The body cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is no directory for backups, or something in the one named", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not said to be JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No backup can be called so", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "One is being made", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read, written, or is damaged", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["admin"]))
)]
pub(super) async fn make(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<BackupMade>), Problem> {
    let BackupRequest { name } = read_json(&app, "administration", &headers, body).await?;
    let caller = still(&app.gate, &caller, needs)?;
    let (making, actor, at) = (name.clone(), caller.actor(), app.clock.now());
    let made = tokio::task::spawn_blocking(move || app.copies.make(&making, &actor, at));
    let made = made
        .await
        .map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()))??;
    tracing::info!(%name, actor = caller.actor(), files = made.files, bytes = made.bytes, "a backup was made");
    Ok((StatusCode::CREATED, Json(made.into())))
}
