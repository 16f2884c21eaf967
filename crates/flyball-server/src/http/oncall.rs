//! Who is on call: rotas, shifts, gaps, exceptions, load and pay.

mod calendar;
mod exceptions;
mod load;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::custody::Holder;
use flyball_govern::oncall::{Coverage, OnCall, Rota, SHIFTS_LONGEST, Shift, Switchboard};
use flyball_model::{Duration, Interval, Severity, Timestamp};
use flyball_query::near_matches;
use utoipa::{IntoParams, ToSchema};

use super::administration::wait;
use super::extract::{PartQuery, Path, Query, meant, moment, page_size, part};
use super::problem::Problem;
use super::{App, room, shapes};
use crate::auth::{Caller, Role};
use crate::rotas::RotaError;
pub(super) use calendar::{__path_of_person, __path_of_rota, of_person, of_rota};
pub(super) use exceptions::{
    __path_exceptions, __path_override_rota, __path_plan_rota, __path_remove, __path_settle,
    __path_swap, exceptions, override_rota, plan_rota, remove, settle, swap,
};
pub(super) use load::{
    __path_calls, __path_load, __path_pay, __path_pay_csv, calls, load, pay, pay_csv,
};

/// How far ahead shifts and gaps are looked for unless told.
pub(super) const AHEAD: Duration = Duration::from_days(28);
/// Shifts in one answer, unless told, and at most.
const PAGE: usize = 1_000;
const PAGE_MAX: usize = 10_000;

impl From<RotaError> for Problem {
    fn from(error: RotaError) -> Self {
        let status = match &error {
            RotaError::Rota(_) | RotaError::Unknown { .. } => StatusCode::NOT_FOUND,
            RotaError::Exception(_) | RotaError::Past => StatusCode::UNPROCESSABLE_ENTITY,
            RotaError::Store(_)
            | RotaError::Unreadable(_)
            | RotaError::Ended(_)
            | RotaError::GivenUp(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, &error.to_string())
    }
}

/// For which moment.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AtQuery {
    /// When; now unless told.
    at: Option<String>,
}

/// For which moment, and which part of the list.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RotasQuery {
    /// When; now unless told.
    at: Option<String>,
    /// How many to leave out: the `next` of the page before.
    #[serde(default)]
    after: usize,
    /// At most so many; 1000 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Who is asked for, and for which moment.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhoQuery {
    /// The service whose page it would be.
    service: String,
    /// When; now unless told.
    at: Option<String>,
    /// `page`, or `ticket` for who would look at one; `page` unless told.
    #[serde(default = "page")]
    #[param(value_type = Option<String>)]
    severity: Severity,
}

const fn page() -> Severity {
    Severity::Page
}

/// For which stretch of time.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AheadQuery {
    /// From when on; now unless told.
    from: Option<String>,
    /// Until when; 28 days after `from` unless told, at most 400.
    to: Option<String>,
}

/// Which shifts.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ShiftsQuery {
    /// From when on; now unless told.
    from: Option<String>,
    /// Until when; 28 days after `from` unless told, at most 400.
    to: Option<String>,
    /// How many to leave out: the `next` of the page before, asked with its `from` and `to`.
    #[serde(default)]
    after: usize,
    /// At most so many; 1000 unless told.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
}

/// One level of those who are called for a service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct LevelNow {
    /// The level.
    level: String,
    /// The rota that is called.
    rota: String,
    /// One of its layers; null for those that carry pages.
    layer: Option<String>,
    /// Who is called; empty when nobody is there.
    who: Vec<String>,
    /// How long they have to answer before the next level is called.
    #[schema(value_type = shapes::Length)]
    wait: Duration,
}

impl LevelNow {
    /// The levels by which a page of `service` would be called at `at`, the first first; `None` when the service
    /// has neither rota nor escalation.
    pub(super) fn of(board: &Switchboard, service: &str, at: Timestamp) -> Option<Vec<Self>> {
        let chain = board.chain_of(service)?;
        let level = |of: &flyball_govern::oncall::SupportLevel| Self {
            level: of.name.clone(),
            rota: of.rota.clone(),
            layer: of.layer.clone(),
            who: board.who(of, Severity::Page, at),
            wait: of.wait,
        };
        Some(chain.spec.levels.iter().map(level).collect())
    }
}

/// Who is called for a service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Who {
    /// The service.
    service: String,
    /// The moment.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// The escalation, or the rota that is called alone.
    escalation: String,
    /// How often it begins anew when nobody answers.
    repeat: u32,
    /// Who carries the service's pager, for whom these levels hold.
    #[schema(value_type = Option<String>)]
    custody: Option<Holder>,
    /// That they are not who is called first, in a sentence; null when they are.
    misrouted: Option<String>,
    /// Its levels, the first first; of a ticket the one that looks at it, and none when nobody does.
    levels: Vec<LevelNow>,
}

/// A rota and who is there.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct RotaInfo {
    /// Its name.
    rota: String,
    /// What it is for.
    description: String,
    /// Where its turns begin.
    time_zone: String,
    /// Who takes part.
    members: Vec<String>,
    /// The services whose pages come to it at some level, of those that the caller may see.
    services: Vec<String>,
    /// What each layer says, in their order, then whom overrides added.
    #[schema(value_type = Vec<Object>)]
    on_call: Vec<OnCall>,
    /// Who would be called by a page; empty when nobody is there.
    called: Vec<String>,
}

impl RotaInfo {
    fn of(board: &Switchboard, rota: &Rota, caller: &Caller, at: Timestamp) -> Self {
        let exceptions = board.exceptions(rota.name());
        let services = board.services_of(rota.name()).into_iter();
        let spec = rota.spec();
        Self {
            rota: rota.name().to_owned(),
            description: spec.description.clone(),
            time_zone: spec.time_zone.clone(),
            members: spec.members.iter().map(|member| member.name.clone()).collect(),
            services: services.filter(|of| caller.sees(of)).map(str::to_owned).collect(),
            on_call: rota.on_call(at, &exceptions),
            called: rota.called(at, Severity::Page, None, &exceptions),
        }
    }
}

/// The rotas.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct RotaList {
    /// The moment.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// By name.
    rotas: Vec<RotaInfo>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
}

/// The final shifts of a rota.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct ShiftPage {
    /// The stretch of time that shifts are cut at.
    #[schema(value_type = shapes::Stretch)]
    during: Interval,
    /// Where its turns begin.
    time_zone: String,
    /// By start, then in the order of the layers.
    #[schema(value_type = Vec<Object>)]
    shifts: Vec<Shift>,
    /// What `after` is to be for more, with this `from` and `to`; null when there are none.
    next: Option<usize>,
}

/// What is wrong with a rota ahead.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Gaps {
    /// The rota.
    rota: String,
    /// Whether somebody can be paged all the time that somebody has to be there, nobody is there twice, and a page
    /// reaches whoever is there.
    covered: bool,
    /// What was found: `during`, `gaps` with their reasons by layer, `doubled` people, years of which calendars are
    /// `silent`, and people who are `unreachable`: they have no alert target, and no other is told of the pages.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    found: Coverage,
}

/// Whether a rota is any of `caller`'s business: pages of a service that they see come to it.
fn sees(board: &Switchboard, caller: &Caller, rota: &str) -> bool {
    caller.sees_all() || board.services_of(rota).iter().any(|service| caller.sees(service))
}

/// Whether `caller` has `role` for some service whose pages come to the rota.
fn may(board: &Switchboard, caller: &Caller, role: Role, rota: &str) -> bool {
    let services = board.services_of(rota);
    caller.may_everywhere(role) || services.iter().any(|service| caller.may(role, service))
}

/// The switchboard, on which the rota is and `caller` may look at it.
///
/// # Errors
///
/// A problem with status 404.
async fn seen(app: &App, caller: &Caller, rota: &str) -> Result<Arc<Switchboard>, Problem> {
    let board = app.rotas.switchboard().await?;
    if board.rota(rota).is_some() && sees(&board, caller, rota) {
        return Ok(board);
    }
    let known = board.rotas().map(Rota::name).filter(|name| sees(&board, caller, name));
    let hint = match near_matches(rota, known).first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => "GET /api/v1/on-call/rotas lists them".to_owned(),
    };
    let said = format!("no rota is called `{rota}`; hint: {hint}");
    Err(Problem::new(StatusCode::NOT_FOUND, &said))
}

/// As [`seen`], for whoever has `role` for some service whose pages come to the rota.
///
/// # Errors
///
/// Those of [`seen`]; a problem with status 403.
async fn allowed(
    app: &App,
    caller: &Caller,
    (role, rota): (Role, &str),
) -> Result<Arc<Switchboard>, Problem> {
    let board = seen(app, caller, rota).await?;
    if may(&board, caller, role, rota) {
        return Ok(board);
    }
    let said = format!(
        "that needs the role {role} for a service whose pages come to `{rota}`; hint: an admin can grant it"
    );
    Err(Problem::new(StatusCode::FORBIDDEN, &said))
}

/// What was asked about `rota`, worked out on a thread that may take its time.
///
/// # Errors
///
/// A problem with status 503 when it did not come to its end.
async fn work_out<T: Send + 'static>(
    board: Arc<Switchboard>,
    rota: String,
    work: impl FnOnce(&Switchboard, &Rota) -> T + Send + 'static,
) -> Result<T, Problem> {
    wait(move || {
        let of = board.rota(&rota).ok_or_else(|| RotaError::Rota(rota.clone()))?;
        Ok::<_, RotaError>(work(&board, of))
    })
    .await
}

/// The time from `from` to `to` as a query says it; from now on, and [`AHEAD`], unless told.
///
/// # Errors
///
/// A problem with status 422 for a time that is empty or too long, and for what is no moment.
fn ahead(from: Option<&str>, to: Option<&str>, now: Timestamp) -> Result<Interval, Problem> {
    let from = from.map_or(Ok(now), |text| moment("from", text))?;
    let to = to.map_or(Ok(from.plus(AHEAD)), |text| moment("to", text))?;
    let during = Interval::new(from, to).ok().filter(|during| !during.is_empty());
    let during = during.ok_or_else(|| {
        meant("`from` is not before `to`; hint: write moments like 2026-01-01T00:00:00Z")
    })?;
    if during.length() > SHIFTS_LONGEST {
        let said = format!(
            "at most {SHIFTS_LONGEST} are looked at at once, and `from` and `to` are further apart; hint: ask for parts of it, each \
             with its `from` and `to`"
        );
        return Err(meant(&said));
    }
    Ok(during)
}

/// Who is called for a page of a service, level by level; or who looks at a ticket of it.
#[utoipa::path(
    get,
    path = "/api/v1/on-call",
    tag = "on call",
    params(WhoQuery),
    responses(
        (status = 200, description = "Who is called", body = Who),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No rota and no escalation is of the service", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`at` is no moment", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is going down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn who(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<WhoQuery>,
) -> Result<Json<Who>, Problem> {
    let WhoQuery { service, at, severity } = asked;
    let at = at.map_or(Ok(app.clock.now()), |text| moment("at", &text))?;
    let board = app.rotas.switchboard().await?;
    let chain = board.chain_of(&service).filter(|_| caller.sees(&service));
    let Some(chain) = chain else {
        let said = format!(
            "nobody is called for `{service}`; hint: name a rota or an escalation as its `onCall`, or list it under \
             the `services` of an escalation, unless it is retired"
        );
        return Err(Problem::new(StatusCode::NOT_FOUND, &said));
    };
    let (escalation, repeat) = (chain.name.clone(), chain.spec.repeat);
    wait(move || {
        let mut levels = LevelNow::of(&board, &service, at).unwrap_or_default();
        if severity == Severity::Ticket {
            let triage = board.chain_of(&service).and_then(|chain| board.triage(chain, at));
            let of = |(place, who): (usize, _)| LevelNow {
                who,
                layer: None,
                ..levels.swap_remove(place)
            };
            levels = triage.map(of).into_iter().collect();
        }
        let (custody, misrouted) = (board.holder(&service), board.misrouted(&service));
        let who = Who { service, at, escalation, repeat, custody, misrouted, levels };
        Ok::<_, RotaError>(Json(who))
    })
    .await
}

/// Every rota and who is there. Callers see those to which pages of services come that they see.
#[utoipa::path(
    get,
    path = "/api/v1/on-call/rotas",
    tag = "on call",
    params(RotasQuery),
    responses(
        (status = 200, description = "The rotas", body = RotaList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`at` is no moment", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is going down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn rotas(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(RotasQuery { at, after, limit }): Query<RotasQuery>,
) -> Result<Json<RotaList>, Problem> {
    let asked = PartQuery::new(after, limit).read()?;
    let at = at.map_or(Ok(app.clock.now()), |text| moment("at", &text))?;
    let board = app.rotas.switchboard().await?;
    let _room = room(&app).await?;
    wait(move || {
        let seen = board.rotas().filter(|rota| sees(&board, &caller, rota.name()));
        let (seen, next) = part(seen.collect(), asked);
        let rotas = seen.into_iter().map(|rota| RotaInfo::of(&board, rota, &caller, at)).collect();
        Ok::<_, RotaError>(Json(RotaList { at, rotas, next }))
    })
    .await
}

/// One rota and who is there.
#[utoipa::path(
    get,
    path = "/api/v1/on-call/rotas/{rota}",
    tag = "on call",
    params(("rota" = String, Path, description = "The rota"), AtQuery),
    responses(
        (status = 200, description = "The rota", body = RotaInfo),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such rota", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`at` is no moment", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is going down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn rota(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(rota): Path<String>,
    Query(asked): Query<AtQuery>,
) -> Result<Json<RotaInfo>, Problem> {
    let at = asked.at.map_or(Ok(app.clock.now()), |text| moment("at", &text))?;
    let board = seen(&app, &caller, &rota).await?;
    let info = work_out(board, rota, move |board, rota| RotaInfo::of(board, rota, &caller, at));
    Ok(Json(info.await?))
}

/// The final shifts of a rota, with all exceptions; of the past as the documents of then had them.
#[utoipa::path(
    get,
    path = "/api/v1/on-call/rotas/{rota}/shifts",
    tag = "on call",
    params(("rota" = String, Path, description = "The rota"), ShiftsQuery),
    responses(
        (status = 200, description = "The shifts", body = ShiftPage),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such rota", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The time is empty or too long", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is going down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn shifts(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(rota): Path<String>,
    Query(asked): Query<ShiftsQuery>,
) -> Result<Json<ShiftPage>, Problem> {
    let ShiftsQuery { from, to, after, limit } = asked;
    let most = page_size(limit, PAGE, PAGE_MAX)?;
    let during = ahead(from.as_deref(), to.as_deref(), app.clock.now())?;
    let board = seen(&app, &caller, &rota).await?;
    let _room = room(&app).await?;
    let past = app.rotas.past(&rota).await?;
    let all = work_out(board, rota, move |board, rota| {
        (rota.spec().time_zone.clone(), past.shifts(during, &board.exceptions(rota.name())))
    });
    let (time_zone, all) = all.await?;
    let (shifts, next) = part(all, (after, most));
    Ok(Json(ShiftPage { during, time_zone, shifts, next }))
}

/// What is wrong with a rota ahead: hours in which nobody can be paged, people who are there twice, calendars that
/// end.
#[utoipa::path(
    get,
    path = "/api/v1/on-call/rotas/{rota}/gaps",
    tag = "on call",
    params(("rota" = String, Path, description = "The rota"), AheadQuery),
    responses(
        (status = 200, description = "What was found", body = Gaps),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such rota", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The time is empty or too long", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is going down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn gaps(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(rota): Path<String>,
    Query(asked): Query<AheadQuery>,
) -> Result<Json<Gaps>, Problem> {
    let during = ahead(asked.from.as_deref(), asked.to.as_deref(), app.clock.now())?;
    let board = seen(&app, &caller, &rota).await?;
    let _room = room(&app).await?;
    let name = rota.clone();
    let services: Vec<String> = board.services_of(&rota).into_iter().map(str::to_owned).collect();
    let found = work_out(board, rota, move |board, rota| {
        rota.coverage(during, &board.exceptions(rota.name()))
    });
    let mut found = found.await?;
    // A page that some target is told of anyway says there who is called.
    let are_told = app.evaluator.ask(move |evaluator| {
        !services.is_empty() && services.iter().all(|service| evaluator.desk().is_told(service))
    });
    if are_told.await? {
        found.unreachable.clear();
    }
    let is_whole = found.gaps.is_empty() && found.doubled.is_empty();
    let covered = is_whole && found.unreachable.is_empty();
    Ok(Json(Gaps { rota: name, covered, found }))
}
