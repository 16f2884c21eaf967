//! What requests say, refused as problem documents when it cannot be read.

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use flyball_model::Timestamp;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};

use utoipa::IntoParams;

use super::App;
use super::access::{allowed, still};
use super::body::read_any_json;
use super::changes::read;
use super::problem::Problem;
use crate::auth::{Caller, Needs, Role};

/// How many records a page holds unless told.
const PAGE: usize = 100;
/// The most records of a page.
const PAGE_MAX: usize = 1_000;

/// A request whose body is still to come: by whom, and what its route needs. Who has lost their rights when
/// it has come is refused.
#[derive(Debug)]
pub(super) struct Sent {
    caller: Caller,
    needs: Needs,
    headers: HeaderMap,
    body: Body,
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let missing = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "nobody was let in");
        let known = <(Extension<Caller>, Extension<Needs>)>::from_request_parts(&mut parts, state);
        let (Extension(caller), Extension(needs)) = known.await.map_err(missing)?;
        Ok(Self { caller, needs, headers: parts.headers, body })
    }
}

impl Sent {
    /// What it says in JSON, whatever type it is called, and the caller as they are then; `content` is what
    /// refusals are counted as.
    ///
    /// # Errors
    ///
    /// Those of [`read_any_json`] and [`still`].
    pub(super) async fn json<T: DeserializeOwned>(
        self,
        app: &App,
        content: &'static str,
    ) -> Result<(T, Caller), Problem> {
        let said = read_any_json(app, content, &self.headers, self.body).await?;
        Ok((said, still(&app.gate, &self.caller, self.needs)?))
    }

    /// As [`Self::json`], from who may with `role` for `service`.
    ///
    /// # Errors
    ///
    /// Those of [`Self::json`] and [`allowed`].
    pub(super) async fn json_for<T: DeserializeOwned>(
        self,
        app: &App,
        content: &'static str,
        (role, service): (Role, &str),
    ) -> Result<(T, Caller), Problem> {
        let (said, caller) = self.json(app, content).await?;
        allowed(caller.may(role, service), role, service)?;
        Ok((said, caller))
    }

    /// The bytes of a message of another system, and the caller as they are when these have come.
    ///
    /// # Errors
    ///
    /// Those of [`read`] and [`still`].
    pub(super) async fn message(
        self,
        app: &App,
        system: &'static str,
    ) -> Result<(Bytes, Caller), Problem> {
        let body = read(app, system, &self.headers, self.body).await?;
        Ok((body, still(&app.gate, &self.caller, self.needs)?))
    }
}

/// A moment that `field` says.
///
/// # Errors
///
/// A problem with status 422 for what is none.
pub(super) fn moment(field: &str, text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).map_err(|error| meant(&format!("`{field}`: {error}")))
}

/// The refusal of what can be read and not be meant.
pub(super) fn meant(said: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, said)
}

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

/// The largest seed: JavaScript reads numbers up to it exactly.
const SEED_MAX: u64 = (1 << 53) - 1;

/// For `deserialize_with`: what draws are keyed by.
pub(super) fn seed<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    match Option::<u64>::deserialize(from)? {
        Some(seed) if seed > SEED_MAX => {
            Err(D::Error::custom(format!("a seed is at most {SEED_MAX}")))
        }
        seed => Ok(seed),
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

/// Which page of what was kept is asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Only those that were kept before the one of this number: the `next` of the page before.
    #[serde(default, deserialize_with = "number")]
    before: Option<u64>,
    /// At most so many; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl PageQuery {
    /// Before which number, and how many.
    ///
    /// # Errors
    ///
    /// Those of [`page_size`].
    pub(super) fn read(&self) -> Result<(Option<u64>, usize), Problem> {
        Ok((self.before, page_size(self.limit, PAGE, PAGE_MAX)?))
    }
}

/// Which part of a list that is known as a whole is asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PartQuery {
    /// How many to leave out: the `next` of the page before.
    #[serde(default)]
    after: usize,
    /// At most so many; 1000 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl PartQuery {
    /// The same of a list that may be asked for by something else as well.
    pub(super) const fn new(after: usize, limit: Option<usize>) -> Self {
        Self { after, limit }
    }

    /// How many are left out, and how many are asked for.
    ///
    /// # Errors
    ///
    /// Those of [`page_size`].
    pub(super) fn read(&self) -> Result<(usize, usize), Problem> {
        Ok((self.after, page_size(self.limit, PAGE_MAX, PAGE_MAX)?))
    }
}

/// `most` of `all` after the first `after`, and what `after` is to be for more; `None` when there are none.
pub(super) fn part<T>(all: Vec<T>, (after, most): (usize, usize)) -> (Vec<T>, Option<usize>) {
    let mut rest = all.into_iter().skip(after);
    let part: Vec<T> = rest.by_ref().take(most).collect();
    let next = rest.next().map(|_| after + part.len());
    (part, next)
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
