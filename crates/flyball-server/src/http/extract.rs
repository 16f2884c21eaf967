//! Paths and queries of requests, refused as problem documents when they cannot be read.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};

use super::problem::Problem;

/// What the query says, as [`axum::extract::Query`].
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = axum::extract::Query::from_request_parts(parts, state).await;
        let found = found.map_err(|error| {
            let said = format!("{}; hint: see /api/v1/openapi.json", error.body_text());
            Problem::new(error.status(), &said)
        });
        found.map(|axum::extract::Query(value)| Self(value))
    }
}

/// For `deserialize_with`: the number of a record in a query. Records are counted in 63 bits.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    match Option::<u64>::deserialize(from)? {
        Some(number) if i64::try_from(number).is_err() => {
            Err(D::Error::custom(format!("no record has a number past {}", i64::MAX)))
        }
        number => Ok(number),
    }
}

/// How many records a page holds where `limit` was asked for: `usual` unless told, `most` at most.
///
/// # Errors
///
/// A problem with status 400 for none, and for more.
pub(super) fn page_size(limit: Option<usize>, usual: usize, most: usize) -> Result<usize, Problem> {
    let limit = limit.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    let said = format!("`limit` is not from 1 to {most}");
    Err(Problem::new(StatusCode::BAD_REQUEST, &said))
}

/// What the path says, as [`axum::extract::Path`].
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = axum::extract::Path::from_request_parts(parts, state).await;
        let found = found.map_err(|error| Problem::new(error.status(), &error.body_text()));
        found.map(|axum::extract::Path(value)| Self(value))
    }
}
