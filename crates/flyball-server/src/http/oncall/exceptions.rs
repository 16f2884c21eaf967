//! Exceptions to rotas: made, settled, removed, listed.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::oncall::{Effect, FixedShift, Gap, SwapHow};
use flyball_model::Interval;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};

use super::super::App;
use super::super::administration::{people, wait};
use super::super::described::{ExceptionRefusals, KnownExceptionRefusals};
use super::super::extract::{Path, Query, Sent, meant, moment, page_size};
use super::super::problem::Problem;
use super::{allowed, may, seen};
use crate::auth::{Caller, Role, Scope};
use crate::rotas::{KeptException, NewException, Removed};

/// Exceptions in one answer, unless told, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1_000;

/// Somebody comes, goes, or comes for somebody else.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RotaOverrideRequest {
    /// From when on.
    start: String,
    /// Until when.
    end: String,
    /// Who is not called, in whichever layer they have.
    remove: Option<String>,
    /// Who is called: in their place, or beside everybody where nobody is removed.
    add: Option<String>,
    /// Why, in a sentence.
    why: String,
}

/// A shift for which somebody is looked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SwapRequest {
    /// Whose shift it is.
    who: String,
    /// What they give away.
    gives: Span,
    /// What they take for it; nothing when they only ask for help.
    takes: Option<Span>,
    /// Who is asked; anybody unless told.
    asked: Option<String>,
    /// Why, in a sentence.
    why: String,
}

/// Who is there for a time, written out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TemporaryRequest {
    /// From when on.
    start: String,
    /// Until when.
    end: String,
    /// Its shifts; what they leave out is nobody's.
    shifts: Vec<ShiftRequest>,
    /// Why, in a sentence.
    why: String,
}

/// One shift of a temporary schedule.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ShiftRequest {
    /// The layer that it is of.
    layer: String,
    /// Who has it.
    who: String,
    /// From when on.
    start: String,
    /// Until when.
    end: String,
}

/// A stretch of time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Span {
    /// From when on.
    start: String,
    /// Until when.
    end: String,
}

impl Span {
    fn read(&self, field: &str) -> Result<Interval, Problem> {
        span(field, (&self.start, &self.end))
    }
}

/// How a swap ends.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SettleRequest {
    /// Who takes, declines or withdraws it: a member.
    who: String,
    /// `taken`, `declined`, or `withdrawn` by who asked.
    #[schema(value_type = String)]
    how: SwapHow,
}

/// Why an exception is removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RemoveRequest {
    /// Why, in a sentence.
    why: String,
}

/// An exception to a rota.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct ExceptionInfo {
    /// What it is known by.
    id: String,
    /// What was made: its `kind` is `override`, `swap` or `temporary`; and who has `removed` it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    kept: KeptException,
    /// `removed`; of a swap `open`, `taken`, `declined`, `withdrawn` or `lapsed`; else `made`.
    state: &'static str,
    /// When who comes rests, has a holiday or is outside their hours: `who` and the `span`. It is not looked for where
    /// exceptions are listed.
    #[schema(value_type = Vec<Object>)]
    away: Vec<Away>,
    /// When nobody can be paged while it is in force, though somebody has to be there: the `span`, and `why` by layers. Not
    /// looked for where exceptions are listed.
    #[schema(value_type = Vec<Object>)]
    uncovered: Vec<Gap>,
    /// Whether it is in force and everybody is there as they would be without it, as while a temporary schedule says who
    /// is. Not looked for where exceptions are listed.
    is_idle: bool,
}

/// When somebody who is to come rests, has a holiday or is outside their hours.
#[derive(Debug, serde::Serialize)]
pub(in crate::http) struct Away {
    who: String,
    span: Interval,
}

/// Exceptions to a rota.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct ExceptionPage {
    /// Those made last first, those that are over or removed among them.
    exceptions: Vec<ExceptionInfo>,
    /// What those are called who made them, by the ids that they are told of, as far as that is known.
    people: BTreeMap<String, String>,
    /// What `before` is to be for more; null when there are none.
    next: Option<u64>,
}

/// Which exceptions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ExceptionQuery {
    /// Only those that were made before the one of this number: the `next` of the page before.
    #[serde(default, deserialize_with = "crate::http::extract::number")]
    before: Option<u64>,
    /// At most so many; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

fn span(field: &str, (start, end): (&str, &str)) -> Result<Interval, Problem> {
    let name =
        |part: &str| if field.is_empty() { part.to_owned() } else { format!("{field}.{part}") };
    let (from, to) = (moment(&name("start"), start)?, moment(&name("end"), end)?);
    Interval::new(from, to).map_err(|_| {
        meant(&format!("`{}` is before `{}`; hint: turn them round", name("end"), name("start")))
    })
}

/// What somebody wants done with a rota, and who that is, if they may.
async fn wanted<T: DeserializeOwned>(
    app: &App,
    sent: Sent,
    rota: &str,
) -> Result<(T, Caller), Problem> {
    let (wanted, caller) = sent.json(app, "on_call").await?;
    allowed(app, &caller, (Role::Developer, rota)).await?;
    Ok((wanted, caller))
}

async fn make(
    app: &App,
    rota: &str,
    new: NewException,
    caller: &Caller,
) -> Result<(StatusCode, Json<ExceptionInfo>), Problem> {
    let at = app.clock.now();
    let kept = app.rotas.make(rota, new, caller.actor(), at).await?;
    told(app, rota, kept, at).await
}

/// What is answered of an exception that was made, settled or removed.
async fn told(
    app: &App,
    rota: &str,
    kept: KeptException,
    at: flyball_model::Timestamp,
) -> Result<(StatusCode, Json<ExceptionInfo>), Problem> {
    let board = app.rotas.switchboard().await?;
    let mut info = ExceptionInfo::of(kept, at);
    if let Some(rota) = board.rota(rota) {
        let comes = info.kept.comes().into_iter();
        let away = comes.flat_map(|(who, during)| {
            let spans = rota.away(who, during).into_iter();
            spans.map(|span| Away { who: who.to_owned(), span })
        });
        info.away = away.collect();
        let after = board.exceptions(rota.name());
        let before = after.clone().without(&info.id);
        let spans = info.kept.in_force(at);
        let effects: Vec<Effect> =
            spans.into_iter().map(|span| rota.effect(span, &before, &after)).collect();
        // What was removed does nothing, as is meant.
        let is_removed = info.kept.removed.is_some();
        info.is_idle =
            !is_removed && !effects.is_empty() && effects.iter().all(|effect| effect.is_idle);
        info.uncovered = effects.into_iter().flat_map(|effect| effect.gaps).collect();
    }
    Ok((StatusCode::CREATED, Json(info)))
}

/// Refuses what `caller` says as the member called `who` of `rota`, unless they are that member, or own a service whose
/// pages come to the rota. What both said is in the audit log.
async fn speaks_for(app: &App, caller: &Caller, who: &str, rota: &str) -> Result<(), Problem> {
    let board = app.rotas.switchboard().await?;
    let may_speak = match (caller.person(), caller.token()) {
        (Some((_, person)), _) => {
            let names = [Some(&person.subject), person.email.as_ref(), person.name.as_ref()];
            let is_own = names.into_iter().flatten().any(|name| name == who);
            is_own || may(&board, caller, Role::Owner, rota)
        }
        (None, Some((_, scopes))) => scopes.contains(&Scope::Admin),
        (None, None) => true,
    };
    if may_speak {
        return Ok(());
    }
    let hint = if caller.person().is_none() {
        "a token is no member, whatever it is called: they log in, or somebody shows one of the scope admin"
    } else {
        "let them, or an owner, do it"
    };
    Err(meant(&format!("that is for `{who}` to say; hint: {hint}")))
}

impl ExceptionInfo {
    fn of(kept: KeptException, at: flyball_model::Timestamp) -> Self {
        let (id, state) = (kept.id().to_owned(), kept.state(at));
        Self { id, kept, state, away: Vec::new(), uncovered: Vec::new(), is_idle: false }
    }
}

/// Lets somebody come, go, or come for somebody else, for a time. Alerts call by it at once.
#[utoipa::path(
    post,
    path = "/api/v1/on-call/rotas/{rota}/overrides",
    tag = "on call",
    params(("rota" = String, Path, description = "The rota")),
    request_body = RotaOverrideRequest,
    responses(
        (status = 201, description = "It is in force", body = ExceptionInfo),
        ExceptionRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn override_rota(
    State(app): State<App>,
    Path(rota): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<ExceptionInfo>), Problem> {
    let (asked, caller): (RotaOverrideRequest, _) = wanted(&app, sent, &rota).await?;
    let RotaOverrideRequest { start, end, remove, add, why } = asked;
    let during = span("", (&start, &end))?;
    make(&app, &rota, NewException::Override { during, remove, add, why }, &caller).await
}

/// Asks for somebody to take a shift, which is the caller's own unless they are an owner. It is in force once somebody
/// has taken it.
#[utoipa::path(
    post,
    path = "/api/v1/on-call/rotas/{rota}/swaps",
    tag = "on call",
    params(("rota" = String, Path, description = "The rota")),
    request_body = SwapRequest,
    responses(
        (status = 201, description = "It is open", body = ExceptionInfo),
        ExceptionRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn swap(
    State(app): State<App>,
    Path(rota): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<ExceptionInfo>), Problem> {
    let (asked, caller): (SwapRequest, _) = wanted(&app, sent, &rota).await?;
    let SwapRequest { who, gives, takes, asked, why } = asked;
    speaks_for(&app, &caller, &who, &rota).await?;
    let gives = gives.read("gives")?;
    let takes = takes.map(|takes| takes.read("takes")).transpose()?;
    make(&app, &rota, NewException::Swap { who, gives, takes, asked, why }, &caller).await
}

/// Takes, declines or withdraws a swap, as the caller themselves or, for an owner, as anybody.
#[utoipa::path(
    post,
    path = "/api/v1/on-call/rotas/{rota}/swaps/{id}/settle",
    tag = "on call",
    params(
        ("rota" = String, Path, description = "The rota"),
        ("id" = String, Path, description = "What the swap is known by"),
    ),
    request_body = SettleRequest,
    responses(
        (status = 201, description = "It is settled", body = ExceptionInfo),
        KnownExceptionRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn settle(
    State(app): State<App>,
    Path((rota, id)): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<ExceptionInfo>), Problem> {
    let (SettleRequest { who, how }, caller) = wanted(&app, sent, &rota).await?;
    speaks_for(&app, &caller, &who, &rota).await?;
    let at = app.clock.now();
    let kept = app.rotas.settle(&rota, id, (who, how), (caller.actor(), at)).await?;
    told(&app, &rota, kept, at).await
}

/// Writes out who is there for a time: rota and overrides say nothing while it lasts.
#[utoipa::path(
    post,
    path = "/api/v1/on-call/rotas/{rota}/temporary-schedules",
    tag = "on call",
    params(("rota" = String, Path, description = "The rota")),
    request_body = TemporaryRequest,
    responses(
        (status = 201, description = "It is in force", body = ExceptionInfo),
        ExceptionRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn plan_rota(
    State(app): State<App>,
    Path(rota): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<ExceptionInfo>), Problem> {
    let (asked, caller): (TemporaryRequest, _) = wanted(&app, sent, &rota).await?;
    let TemporaryRequest { start, end, shifts, why } = asked;
    let during = span("", (&start, &end))?;
    let shift = |(at, of): (usize, ShiftRequest)| {
        let during = span(&format!("shifts[{at}]"), (&of.start, &of.end))?;
        let (start, end) = (during.start(), during.end());
        Ok(FixedShift { layer: of.layer, who: of.who, start, end })
    };
    let shifts = shifts.into_iter().enumerate().map(shift).collect::<Result<Vec<_>, Problem>>()?;
    make(&app, &rota, NewException::Temporary { during, shifts, why }, &caller).await
}

/// Removes an override or a temporary schedule: from now on it does nothing, and what it did stays.
#[utoipa::path(
    post,
    path = "/api/v1/on-call/rotas/{rota}/exceptions/{id}/end",
    tag = "on call",
    params(
        ("rota" = String, Path, description = "The rota"),
        ("id" = String, Path, description = "What the exception is known by"),
    ),
    request_body = RemoveRequest,
    responses(
        (status = 201, description = "It is removed", body = ExceptionInfo),
        KnownExceptionRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Path((rota, id)): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<ExceptionInfo>), Problem> {
    let (RemoveRequest { why }, caller) = wanted(&app, sent, &rota).await?;
    let at = app.clock.now();
    let removed = Removed { by: caller.actor(), at, why };
    let kept = app.rotas.remove(&rota, id, removed).await?;
    told(&app, &rota, kept, at).await
}

/// The exceptions to a rota.
#[utoipa::path(
    get,
    path = "/api/v1/on-call/rotas/{rota}/exceptions",
    tag = "on call",
    params(("rota" = String, Path, description = "The rota"), ExceptionQuery),
    responses(
        (status = 200, description = "The exceptions", body = ExceptionPage),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such rota", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn exceptions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(rota): Path<String>,
    Query(asked): Query<ExceptionQuery>,
) -> Result<Json<ExceptionPage>, Problem> {
    let most = page_size(asked.limit, PAGE, PAGE_MAX)?;
    seen(&app, &caller, &rota).await?;
    let at = app.clock.now();
    let rotas = app.rotas.clone();
    let found = wait(move || rotas.list(&rota, asked.before, most));
    let found: Vec<(u64, KeptException)> = found.await?;
    // A page that is full may be the last: then the next is empty.
    let next = found.last().filter(|_| found.len() == most).map(|(number, _)| *number);
    let who = found.iter().map(|(_, kept)| kept.by().to_owned()).collect();
    let people = people(&app, who).await?;
    let exceptions = found.into_iter().map(|(_, kept)| ExceptionInfo::of(kept, at)).collect();
    Ok(Json(ExceptionPage { exceptions, people, next }))
}
