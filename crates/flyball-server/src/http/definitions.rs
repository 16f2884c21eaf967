//! Definitions: what is in force, and changes to it.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use flyball_catalog::NotCounted;
use flyball_model::Timestamp;
use flyball_query::near_matches;
use flyball_store::StoreError;
use utoipa::ToSchema;

use super::App;
use super::access::still;
use super::body::read_json;
use super::extract::{PartQuery, Path, Query, part};
use super::problem::Problem;
use super::shapes;
use crate::auth::{Caller, Needs};
use crate::definitions::{Apply, ApplyError, File, Known, Plan, Refused, names, seen};
use crate::evaluator::InstallError;

/// Files to apply.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyRequest {
    /// Files that are new or take the place of those of the same name.
    files: Vec<File>,
    /// Applied files to remove, by name.
    #[serde(default)]
    remove: Vec<String>,
    /// Whether applied files that are not named here are removed, whoever applied them.
    #[serde(default)]
    prune: bool,
    /// With `prune`, the directories below which files are removed; all files, where none is named.
    #[serde(default)]
    below: Vec<String>,
    /// Whether only to say what would change.
    #[serde(default)]
    dry_run: bool,
    /// The revision that is to be changed; any, when it is not said.
    revision: Option<u64>,
}

/// Where a file comes from.
#[derive(Debug, Clone, Copy, serde::Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Origin {
    /// It was applied.
    Applied,
    /// The server was started with it.
    Server,
}

/// A file of definitions.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct FileSummary {
    /// Its name.
    name: String,
    /// Where it comes from.
    origin: Origin,
    /// Its length.
    bytes: usize,
    /// The SLOs that it defines.
    slos: Vec<String>,
    /// When it was applied last.
    #[schema(value_type = Option<shapes::Instant>)]
    applied_at: Option<Timestamp>,
    /// Who applied it last.
    applied_by: Option<String>,
}

/// All definitions.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct DefinitionList {
    /// Goes up by one with every change to what is applied.
    revision: u64,
    /// Whether it is evaluated; `false` after a change that could be kept and not begun.
    in_force: bool,
    /// The files, those of the server first.
    files: Vec<FileSummary>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
    /// SLOs that are valid and cannot be evaluated here, with reasons.
    #[schema(value_type = Vec<shapes::NotEvaluated>)]
    not_evaluated: Vec<NotCounted>,
    /// Why the server's own files, as they are now, are not in force.
    refused: Option<Refused>,
}

/// One file of definitions with its text.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct FileText {
    #[serde(flatten)]
    summary: FileSummary,
    /// Its text, as it was given.
    text: String,
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        use StoreError::{Invalid, TooLong, TooMany};
        let status = match &error {
            ApplyError::Request(_)
            | ApplyError::TooMany(_)
            | ApplyError::TooLong(_)
            | ApplyError::Store(Invalid { .. } | TooLong { .. } | TooMany { .. }) => {
                StatusCode::BAD_REQUEST
            }
            ApplyError::Missing(_) => StatusCode::NOT_FOUND,
            ApplyError::Forbidden(_) => StatusCode::FORBIDDEN,
            ApplyError::Revision { .. } | ApplyError::GivenFile(_) => StatusCode::CONFLICT,
            ApplyError::Install(InstallError::Store(_))
            | ApplyError::NotInForce { .. }
            | ApplyError::Store(_)
            | ApplyError::Ended(_) => StatusCode::SERVICE_UNAVAILABLE,
            ApplyError::Documents(_) | ApplyError::Install(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        match error {
            ApplyError::Documents(diagnostics) => Self::documents(diagnostics),
            error => Self::new(status, &error.to_string()),
        }
    }
}

impl Known {
    /// Every file that `caller` may see, with its text, the server's own first.
    fn files(&self, caller: &Caller) -> impl Iterator<Item = (FileSummary, &str)> {
        let seen = seen(&self.catalog, caller);
        let mut slos: HashMap<&str, Vec<String>> = HashMap::new();
        for slo in names(&self.catalog) {
            if let Some(file) = self.catalog.set.origins.file(slo) {
                slos.entry(file).or_default().push(slo.to_owned());
            }
        }
        let given = self.given.iter().map(|file| (&file.name, &file.text, None));
        let applied = self.applied.iter().map(|file| (&file.name, &file.text, Some(file)));
        let all = given.chain(applied);
        let is_seen = move |name: &str| seen.as_ref().is_none_or(|seen| seen.contains(name));
        all.filter(move |file| is_seen(file.0)).map(move |(name, text, applied)| {
            let summary = FileSummary {
                name: name.clone(),
                origin: if applied.is_some() { Origin::Applied } else { Origin::Server },
                bytes: text.len(),
                slos: slos.remove(name.as_str()).unwrap_or_default(),
                applied_at: applied.map(|applied| applied.applied_at),
                applied_by: applied.map(|applied| applied.applied_by.clone()),
            };
            (summary, text.as_str())
        })
    }
}

/// Applies files of definitions: all of them, or none. With `dry_run` only says what would change.
///
/// The whole set, these files with all others, must be without errors. Changes are made one after
/// the other; `revision` keeps two people from overwriting each other's.
#[utoipa::path(
    post,
    path = "/api/v1/apply",
    tag = "definitions",
    request_body = ApplyRequest,
    responses(
        (status = 200, description = "What has changed, or would", body = Plan),
        (status = 400, description = "The request cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "A file to remove was not applied", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "At another revision, or a file that the server was started with", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The documents have errors; nothing was changed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used; send it again", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["owner"]))
)]
pub(super) async fn apply(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(needs): Extension<Needs>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Plan>, Problem> {
    let request: ApplyRequest = read_json(&app, "definitions", &headers, body).await?;
    let caller = still(&app.gate, &caller, needs)?;
    let ApplyRequest { files, remove, prune, below, dry_run, revision } = request;
    let apply = Apply { files, removals: remove, prune, below, dry_run, revision };
    Ok(Json(app.definitions.apply(apply, caller).await?))
}

/// All files of definitions that the caller may see, without their texts.
#[utoipa::path(
    get,
    path = "/api/v1/definitions",
    tag = "definitions",
    params(PartQuery),
    responses(
        (status = 200, description = "The files", body = DefinitionList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<PartQuery>,
) -> Result<Json<DefinitionList>, Problem> {
    let asked = asked.read()?;
    let known = app.definitions.known().await?;
    let files: Vec<FileSummary> = known.files(&caller).map(|(summary, _)| summary).collect();
    let Known { revision, in_force, refused, catalog, .. } = known;
    let is_seen = |slo: &str| files.iter().any(|file| file.slos.iter().any(|name| name == slo));
    let sees_all = caller.sees_all();
    let mut not_evaluated = catalog.not_counted.clone();
    not_evaluated.retain(|left_out| sees_all || is_seen(&left_out.slo));
    // It may quote any of the server's own files.
    let refused = refused.filter(|_| sees_all);
    let (files, next) = part(files, asked);
    Ok(Json(DefinitionList { revision, in_force, files, next, not_evaluated, refused }))
}

/// One file of definitions with its text. A `/` in its name is written `%2F`.
#[utoipa::path(
    get,
    path = "/api/v1/definitions/{name}",
    tag = "definitions",
    params(("name" = String, Path, description = "The file's name")),
    responses(
        (status = 200, description = "The file", body = FileText),
        (status = 400, description = "The name cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none of this name", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<FileText>, Problem> {
    let known = app.definitions.known().await?;
    if let Some((summary, text)) = known.files(&caller).find(|(summary, _)| summary.name == name) {
        return Ok(Json(FileText { summary, text: text.to_owned() }));
    }
    let all: Vec<String> = known.files(&caller).map(|(summary, _)| summary.name).collect();
    let near = near_matches(&name, all.iter().map(String::as_str));
    let hint = match near.first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => "GET /api/v1/definitions lists them".to_owned(),
    };
    let said = format!("no file of definitions is called `{name}`; hint: {hint}");
    Err(Problem::new(StatusCode::NOT_FOUND, &said))
}

/// Removes an applied file. A `/` in its name is written `%2F`.
#[utoipa::path(
    delete,
    path = "/api/v1/definitions/{name}",
    tag = "definitions",
    params(("name" = String, Path, description = "The file's name")),
    responses(
        (status = 200, description = "What has changed", body = Plan),
        (status = 400, description = "The name cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "None of this name was applied", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Others refer to it; nothing was changed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used; send it again", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["owner"]))
)]
pub(super) async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Plan>, Problem> {
    let apply = Apply { removals: vec![name], ..Apply::default() };
    Ok(Json(app.definitions.apply(apply, caller).await?))
}
