//! Errors as RFC 9457 problem documents, with a hint where something can be done.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flyball_query::near_matches;
use flyball_spec::split_hint;
use flyball_store::StoreError;
use utoipa::ToSchema;

use super::shapes;
use crate::decode::BodyError;
use crate::intake::Refusal;

/// How much of a name that nothing has is said again.
const NAME_SHOWN: usize = 200;

/// An error that the caller can act on.
#[derive(Debug, Clone, PartialEq, serde::Serialize, ToSchema)]
pub struct Problem {
    /// What kind of problem this is; the same for all of its kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The kind in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this very request.
    pub detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Findings in documents, each with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<shapes::Finding>)]
    pub diagnostics: Vec<flyball_spec::Diagnostic>,
}

impl Problem {
    /// A problem of the status' own kind. `said` may end in a line that begins with `hint:`.
    pub fn new(status: StatusCode, said: &str) -> Self {
        let (detail, hint) = split_hint(said);
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.to_owned(),
            hint: hint.map(str::to_owned),
            diagnostics: Vec::new(),
        }
    }

    /// That there is nothing of a kind called `name`: with the nearest name of those that are `known`, else with where they
    /// are listed.
    pub(super) fn not_there<'a>(
        (kind, name): (&str, &str),
        known: impl IntoIterator<Item = &'a str>,
        listed: &str,
    ) -> Self {
        let near = near_matches(name, known);
        let hint = near
            .first()
            .map_or_else(|| listed.to_owned(), |near| format!("did you mean `{near}`?"));
        let name: String = name.chars().take(NAME_SHOWN).collect();
        Self::new(StatusCode::NOT_FOUND, &format!("there is no {kind} `{name}`; hint: {hint}"))
    }

    /// What is wrong and what to do in one text, for protocols that have room for one only.
    pub(crate) fn text(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; hint: {hint}", self.detail),
            None => self.detail.clone(),
        }
    }

    /// Documents that are refused for these findings.
    pub fn documents(diagnostics: Vec<flyball_spec::Diagnostic>) -> Self {
        let errors = diagnostics.iter().filter(|finding| finding.is_error()).count();
        let said = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
        Self {
            diagnostics,
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                &format!("{said} in the documents; nothing was changed"),
            )
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::Busy | Refusal::Store(StoreError::Busy { .. }) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Refusal::Body(BodyError::TooLarge { .. })
            | Refusal::Store(StoreError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Body(_) => StatusCode::BAD_REQUEST,
            Refusal::Service(_) => StatusCode::FORBIDDEN,
            Refusal::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Store(_) | Refusal::GivenUp => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, &refusal.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
