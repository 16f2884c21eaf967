//! SQL over stored events.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonArray, LineDelimited};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flyball_query::QueryError;
use flyball_query::sql::{Bounds, EventSource, query_within};
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::ToSchema;

use super::body::read_json;
use super::problem::Problem;
use super::{App, room};
use crate::auth::Caller;
use crate::limits::Limits;

/// A query.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// One SELECT statement, or `DESCRIBE events`; stored events are the table `events`.
    #[schema(max_length = 65536, example = "SELECT count(*) FROM events")]
    sql: String,
}

/// The longest statement. Bytes.
const SQL_BYTES_MAX: usize = 64 << 10;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Lines,
    Csv,
}

impl Form {
    /// What the client would take: JSON unless it asks for another.
    fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let accept = accept.unwrap_or_default();
        if accept.contains("application/x-ndjson") {
            Self::Lines
        } else if accept.contains("text/csv") {
            Self::Csv
        } else {
            Self::Json
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Lines => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// Runs SQL over stored events, those of the last minute included. What the query may take in time,
/// memory and rows is bounded. The answer is a list of objects; with `Accept: application/x-ndjson`
/// one object a line, with `Accept: text/csv` comma-separated values.
///
/// Attribute names need no quotes, dots included. A comparison of `time` with a moment keeps hours
/// from being read that cannot match.
#[utoipa::path(
    post,
    path = "/api/v1/query",
    tag = "events",
    request_body(content = Query, content_type = "application/json"),
    responses(
        (status = 200, description = "The rows", content((Vec<Object> = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 400, description = "The body or the statement is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The statement is too long", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The query needs more time, memory or rows than it is given", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many queries at once; ask again", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Stored events cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn query(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if !caller.sees_all() {
        let said = "you may read some services, and a statement reads all; hint: use a token that is \
                    for all services, or have the role viewer granted for `*`";
        return Err(Problem::new(StatusCode::FORBIDDEN, said));
    }
    let Query { sql } = read_json(&app, "query", &headers, body).await?;
    if sql.len() > SQL_BYTES_MAX {
        let said = format!("the statement is longer than {SQL_BYTES_MAX} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, &said));
    }
    let permit = room(&app).await?;
    let limits = app.intake.limits().clone();
    let stored = app.stored.clone();
    // Dropped with this request, whoever drops it.
    let (wanting, wanted) = watch::channel(());
    let form = Form::of(&headers);
    let answer = tokio::task::spawn_blocking(move || {
        let source: Arc<dyn EventSource> = Arc::new(stored.source());
        run(&sql, &source, &limits, (&wanted, permit), form)
    });
    let answer = answer
        .await
        .map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()))?;
    drop(wanting);
    Ok(([(header::CONTENT_TYPE, form.media_type())], answer?).into_response())
}

fn run(
    sql: &str,
    source: &Arc<dyn EventSource>,
    limits: &Limits,
    (wanted, permit): (&watch::Receiver<()>, OwnedSemaphorePermit),
    form: Form,
) -> Result<Vec<u8>, Problem> {
    let bounds = Bounds {
        memory_bytes_max: limits.query_memory_max,
        time_max: limits.query_time_max,
        wanted: wanted.clone(),
        place: Arc::new(permit),
    };
    let (mut rows, mut bytes) = (0, 0);
    let mut batches = Vec::new();
    let answered = query_within(sql, source, bounds, &mut |batch| {
        rows += batch.num_rows();
        bytes += batch.get_array_memory_size();
        batches.push(batch.clone());
        rows <= limits.query_rows_max && bytes <= limits.query_bytes_max
    });
    let answered = answered.map_err(|error| {
        let status = match &error {
            QueryError::Bound { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            QueryError::Read(_) | QueryError::GivenUp => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Problem::new(status, &error.to_string())
    })?;
    let most = [(rows, limits.query_rows_max, "rows"), (bytes, limits.query_bytes_max, "bytes")];
    if let Some((_, most, what)) = most.into_iter().find(|(has, most, _)| has > most) {
        let hint = "add a LIMIT, or group the rows";
        let said = format!("the answer has more than {most} {what}; hint: {hint}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, &said));
    }
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(answered.schema));
    }
    write(&batches, form).map_err(|error| {
        let said = format!("{error}; hint: CAST what has no form of its own to text");
        Problem::new(StatusCode::BAD_REQUEST, &said)
    })
}

/// The rows of `batches` as text.
fn write(batches: &[RecordBatch], form: Form) -> Result<Vec<u8>, ArrowError> {
    let mut text = Vec::new();
    let json = WriterBuilder::new().with_explicit_nulls(true);
    match form {
        Form::Json => {
            let mut writer = json.build::<_, JsonArray>(&mut text);
            batches.iter().try_for_each(|batch| writer.write(batch))?;
            writer.finish()?;
        }
        Form::Lines => {
            let mut writer = json.build::<_, LineDelimited>(&mut text);
            batches.iter().try_for_each(|batch| writer.write(batch))?;
            writer.finish()?;
        }
        Form::Csv => {
            let mut writer = arrow::csv::Writer::new(&mut text);
            batches.iter().try_for_each(|batch| writer.write(batch))?;
        }
    }
    Ok(text)
}
