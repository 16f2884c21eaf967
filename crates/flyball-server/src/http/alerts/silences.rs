//! Silences: nobody is told of what somebody knows already, until then.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::alert::{Because, Field, Matcher, Silence, SilenceError};
use flyball_model::{Duration, Timestamp};
use flyball_query::near_matches;
use serde_json::json;
use utoipa::ToSchema;

use super::{allowed, named, record};
use crate::auth::{Caller, Role};
use crate::evaluator::AlertError;
use crate::http::extract::{PartQuery, Path, Query, Sent, part};
use crate::http::{App, Problem, shapes};

/// What of an alert a matcher looks at.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MatcherField {
    /// The service.
    Service,
    /// The SLO.
    Slo,
    /// The slice by its label; the empty text for alerts about a whole.
    Slice,
    /// `page` or `ticket`.
    Severity,
}

/// A condition on alerts.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatcherInfo {
    /// What is looked at.
    field: MatcherField,
    /// What it is compared with, as a whole.
    #[schema(max_length = 1024)]
    value: String,
    /// Whether it must be something else.
    #[serde(default)]
    is_not: bool,
}

/// A silence to make. It ends at `until`, or `length` after it begins.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SilenceRequest {
    /// All of them must match an alert.
    #[schema(min_items = 1, max_items = 8)]
    matchers: Vec<MatcherInfo>,
    /// When it begins; now unless told.
    #[serde(default)]
    #[schema(value_type = Option<shapes::Instant>)]
    from: Option<Timestamp>,
    /// When it ends, at most 30 days after it begins.
    #[serde(default)]
    #[schema(value_type = Option<shapes::Instant>)]
    until: Option<Timestamp>,
    /// How long it lasts, as in `2h`.
    #[serde(default)]
    length: Option<String>,
    /// Whom to talk to, in words; the caller is named beside.
    #[serde(default)]
    #[schema(max_length = 200)]
    who: Option<String>,
    /// Why.
    #[schema(min_length = 1, max_length = 1024)]
    why: String,
}

/// A silence.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct SilenceInfo {
    /// What it is known by.
    id: u64,
    /// All of them match what it covers.
    matchers: Vec<MatcherInfo>,
    /// When it begins.
    #[schema(value_type = shapes::Instant)]
    from: Timestamp,
    /// When it is over.
    #[schema(value_type = shapes::Instant)]
    until: Timestamp,
    /// Who asked for it.
    who: String,
    /// Why.
    why: String,
    /// Who ended it before its time.
    ended_by: Option<String>,
    /// The time `from` and `to` whose counts alone it is about: a page that fires without them ends it. Null where it
    /// covers whatever fires.
    #[schema(value_type = Option<Object>)]
    because_of: Option<Because>,
    /// The run of the drill whose own it is, by its key; null of one that somebody asked for.
    drill: Option<String>,
    /// Whether it is in force.
    is_active: bool,
}

/// The silences.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct SilenceList {
    silences: Vec<SilenceInfo>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
}

impl From<&Matcher> for MatcherInfo {
    fn from(matcher: &Matcher) -> Self {
        let field = match matcher.field {
            Field::Service => MatcherField::Service,
            Field::Slo => MatcherField::Slo,
            Field::Slice => MatcherField::Slice,
            Field::Severity => MatcherField::Severity,
        };
        Self { field, value: matcher.value.clone(), is_not: matcher.is_not }
    }
}

impl From<MatcherInfo> for Matcher {
    fn from(info: MatcherInfo) -> Self {
        let field = match info.field {
            MatcherField::Service => Field::Service,
            MatcherField::Slo => Field::Slo,
            MatcherField::Slice => Field::Slice,
            MatcherField::Severity => Field::Severity,
        };
        Self { field, value: info.value, is_not: info.is_not }
    }
}

impl SilenceInfo {
    fn of(silence: &Silence, now: Timestamp) -> Self {
        Self {
            id: silence.id,
            matchers: silence.matchers.iter().map(MatcherInfo::from).collect(),
            from: silence.from,
            until: silence.until,
            who: silence.who.clone(),
            why: silence.why.clone(),
            ended_by: silence.ended_by.clone(),
            because_of: silence.because_of,
            drill: silence.drill.clone(),
            is_active: silence.is_active(now),
        }
    }
}

/// Whether the caller has `role` for all that a silence of these matchers can cover.
fn may(caller: &Caller, role: Role, matchers: &[Matcher]) -> bool {
    let is_service = |one: &&Matcher| one.field == Field::Service && !one.is_not;
    match matchers.iter().find(is_service) {
        Some(matcher) => caller.may(role, &matcher.value),
        None => caller.may_everywhere(role),
    }
}

/// The service that a silence is for, in words.
fn service(matchers: &[Matcher]) -> &str {
    let is_service = |one: &&Matcher| one.field == Field::Service && !one.is_not;
    matchers.iter().find(is_service).map_or("every service", |matcher| matcher.value.as_str())
}

/// Refuses a silence of a service or an SLO that is not there: it would keep quiet what nobody means, or nothing. Alerts come
/// from the SLOs that are there, so that none is made ahead of them.
async fn are_known(app: &App, caller: &Caller, matchers: &[Matcher]) -> Result<(), Problem> {
    let (matchers, seer) = (matchers.to_vec(), caller.clone());
    let unknown = app.evaluator.ask(move |evaluator| {
        let catalog = evaluator.catalog();
        let services = || catalog.services().into_iter().filter(|name| seer.sees(name));
        let own = matchers.iter().find(|one| one.field == Field::Service && !one.is_not);
        let is_asked = |service: &str| own.is_none_or(|own| own.value == service);
        let slos = || {
            let seen = catalog.set.slos.iter().filter(|slo| seer.sees(&slo.service));
            seen.filter(|slo| is_asked(&slo.service)).map(|slo| slo.name.as_str())
        };
        matchers.iter().find_map(|Matcher { field, value, .. }| match field {
            Field::Service if !services().any(|name| name == value) => {
                let said = format!("nothing is known of a service `{value}`");
                Some(nearest(&said, value, services(), "services"))
            }
            Field::Slo if !slos().any(|name| name == value) => {
                let whose = own.map_or_else(String::new, |own| format!(" of `{}`", own.value));
                let said = format!("there is no SLO `{value}`{whose}");
                Some(nearest(&said, value, slos(), "slos"))
            }
            Field::Service | Field::Slo | Field::Slice | Field::Severity => None,
        })
    });
    unknown.await?.map_or(Ok(()), |said| Err(invalid(&said)))
}

/// What is said of a name that is not there, with the nearest of those that are, or where these are listed.
fn nearest<'a>(
    said: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
    listed: &str,
) -> String {
    match near_matches(name, known).first() {
        Some(near) => format!("{said}; hint: did you mean `{near}`?"),
        None => format!("{said}; hint: GET /api/v1/{listed} lists them"),
    }
}

/// Silences, the oldest first: those to come, in force, and the newest that are over. Callers see those that
/// cover services that they see.
#[utoipa::path(
    get,
    path = "/api/v1/silences",
    tag = "alerts",
    params(PartQuery),
    responses(
        (status = 200, description = "The silences", body = SilenceList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is going down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(crate) async fn list_silences(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<PartQuery>,
) -> Result<Json<SilenceList>, Problem> {
    let asked = asked.read()?;
    let now = app.clock.now();
    let silences = app.evaluator.ask(move |evaluator| {
        let silences = evaluator.desk().silences();
        let seen = silences.filter(|silence| may(&caller, Role::Viewer, &silence.matchers));
        seen.map(|silence| SilenceInfo::of(silence, now)).collect()
    });
    let (silences, next) = part(silences.await?, asked);
    Ok(Json(SilenceList { silences, next }))
}

/// Makes a silence. While it covers an alert, nobody is told that it opens or changes; when it ends, targets for
/// people are told so, and of all that still fires. It is in the audit log before it is made, also when it is
/// refused then.
#[utoipa::path(
    post,
    path = "/api/v1/silences",
    tag = "alerts",
    request_body = SilenceRequest,
    responses(
        (status = 201, description = "The silence", body = SilenceInfo),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is no room", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No such silence can be made, or nobody knows the service or SLO", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(crate) async fn make_silence(
    State(app): State<App>,
    sent: Sent,
) -> Result<(StatusCode, Json<SilenceInfo>), Problem> {
    let (request, caller) = sent.json(&app, "alerts").await?;
    let SilenceRequest { matchers, from, until, length, who, why } = request;
    let now = app.clock.now();
    let from = from.unwrap_or(now);
    let length = length.map(|length| {
        Duration::parse(&length).map_err(|_| {
            invalid("`length` is no length of time; hint: write a whole number and s, m, h or d, like 2h")
        })
    });
    let until = match (until, length.transpose()?) {
        (Some(until), None) => until,
        (None, Some(length)) => from.plus(length),
        _ => return Err(invalid("a silence has an end; hint: say either `until` or `length`")),
    };
    let matchers: Vec<Matcher> = matchers.into_iter().map(Matcher::from).collect();
    let may = may(&caller, Role::Developer, &matchers);
    allowed(may, Role::Developer, service(&matchers))?;
    are_known(&app, &caller, &matchers).await?;
    let who = named(who.as_deref(), &caller)?;
    let silence = Silence {
        id: 0,
        matchers,
        from,
        until,
        who,
        why,
        ended_by: None,
        is_announced: false,
        because_of: None,
        drill: None,
    };
    silence.check(now).map_err(AlertError::from)?;
    let detail = json!({
        "matchers": silence.matchers, "from": from, "until": until, "why": silence.why,
    });
    record(&app, &caller, "silence.make", service(&silence.matchers).to_owned(), detail).await?;
    let made = app.evaluator.ask(move |evaluator| {
        let id = evaluator.silence(silence)?;
        let made = evaluator.desk().silences().rev().find(|silence| silence.id == id);
        made.map(|silence| SilenceInfo::of(silence, now))
            .ok_or(AlertError::Silence(SilenceError::Unknown(id)))
    });
    Ok((StatusCode::CREATED, Json(made.await??)))
}

/// Ends a silence before its time: what still fires is told.
#[utoipa::path(
    delete,
    path = "/api/v1/silences/{id}",
    tag = "alerts",
    params(("id" = u64, Path, description = "The silence's id")),
    responses(
        (status = 204, description = "It is over"),
        (status = 400, description = "The id is none", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none of this id", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is over already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(crate) async fn end_silence(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<u64>,
) -> Result<StatusCode, Problem> {
    let found = app.evaluator.ask(move |evaluator| {
        evaluator.desk().silences().find(|silence| silence.id == id).cloned()
    });
    let found = found.await?.filter(|silence| may(&caller, Role::Viewer, &silence.matchers));
    let silence = found.ok_or(AlertError::Silence(SilenceError::Unknown(id)))?;
    let may = may(&caller, Role::Developer, &silence.matchers);
    allowed(may, Role::Developer, service(&silence.matchers))?;
    if silence.is_announced {
        return Err(AlertError::Silence(SilenceError::Ended(id)).into());
    }
    let detail = json!({ "matchers": silence.matchers, "until": silence.until });
    record(&app, &caller, "silence.end", id.to_string(), detail).await?;
    let who = named(None, &caller)?;
    app.evaluator.ask(move |evaluator| evaluator.end_silence(id, &who)).await??;
    Ok(StatusCode::NO_CONTENT)
}

fn invalid(said: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, said)
}
