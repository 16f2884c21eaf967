//! What being on call costs: pages by shift, person and side; hours for pay; calls as they went.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::{Extension, Json};
use flyball_govern::oncall::{Call, HandOffs, Load, Past, PaySheet, Rota, Switchboard};
use flyball_model::{Duration, Interval, Severity, Timestamp};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::administration::wait;
use super::super::extract::{Path, Query, page_size};
use super::super::problem::Problem;
use super::super::{App, room};
use super::{ahead, allowed, seen, work_out};
use crate::auth::{Caller, Role};
use crate::rotas::KeptCall;

/// How far back is looked unless told.
const BACK: Duration = Duration::from_days(28);
/// Calls in one answer, unless told, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1_000;

/// Which stretch of the past.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct BackQuery {
    /// From when on; 28 days before `to` unless told, at most 400.
    from: Option<String>,
    /// Until when; now unless told.
    to: Option<String>,
}

impl BackQuery {
    fn during(&self, now: Timestamp) -> Result<Interval, Problem> {
        let now = now.to_string();
        let to = self.to.as_deref().unwrap_or(&now);
        let usual =
            Timestamp::parse(to).map_or_else(|_| now.clone(), |to| to.minus(BACK).to_string());
        ahead(Some(self.from.as_deref().unwrap_or(&usual)), Some(to), Timestamp::MIN)
    }
}

/// Which calls.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct CallQuery {
    /// Only those of this service.
    service: Option<String>,
    /// Only those that were heard of before the one of this number: the `next` of the page before.
    #[serde(default, deserialize_with = "crate::http::extract::number")]
    before: Option<u64>,
    /// At most so many; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// What a rota carried.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct LoadInfo {
    /// The rota.
    rota: String,
    /// `during`, `shifts` with their events, `people` with their turns and `sides`, held against the norms. Sides share what
    /// people of other rotas did of the same calls too.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    load: Load,
    /// Calls of pages that came to it.
    calls: usize,
    /// From level to level in these calls: `unanswered`, `nobody`, `passed_on`, and the `delay` of all together.
    #[schema(value_type = Object)]
    hand_offs: HandOffs,
    /// Whether all calls of the time were looked at; false when there were more than are.
    complete: bool,
}

/// Hours for pay.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct PayInfo {
    /// The rota.
    rota: String,
    /// `during`, `served_until` when hours are counted, a line a person with what is `to_come` after that, and call-outs
    /// that nobody pays.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    sheet: PaySheet,
    /// Whether all calls of the time were looked at; false when there were more than are.
    complete: bool,
}

/// A call as it went.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct CallInfo {
    /// The service.
    service: String,
    /// The SLO.
    slo: String,
    /// The alert.
    alert: u64,
    /// Its `steps` from level to level, who has `taken` it, when it was `closed`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    call: Call,
    /// How it went from level to level.
    #[schema(value_type = Object)]
    hand_offs: HandOffs,
}

/// Calls as they went.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct CallPage {
    /// Those that were heard of last first.
    calls: Vec<CallInfo>,
    /// What `before` is to be for more; null when there are none.
    next: Option<u64>,
}

/// The calls of a stretch of time, those of this very moment among them.
async fn calls_of(app: &App, during: Interval) -> Result<(Vec<Call>, bool), Problem> {
    app.rotas.keep_calls().await?;
    let rotas = app.rotas.clone();
    wait(move || rotas.calls_of(during)).await
}

/// A rota as it was, and what came of it.
struct Served {
    past: Past,
    calls: Vec<Call>,
    during: Interval,
    /// The other rotas that its calls came to, as they were.
    others: BTreeMap<String, Past>,
}

impl Served {
    fn load(&self, board: &Switchboard, rota: &Rota) -> Load {
        let shifts = self.past.shifts(self.during, &board.exceptions(rota.name()));
        let outs: Vec<_> = self.calls.iter().flat_map(|call| call.outs(rota.name())).collect();
        let came = self.calls.iter().filter(|call| comes(call, rota.name()));
        let elsewhere = came.flat_map(|call| {
            let others = self.others.iter().map(move |(name, past)| (past, call.outs(name)));
            others.flat_map(|(past, outs)| {
                outs.into_iter().map(|out| (past.side(&out.who, out.called), out))
            })
        });
        let elsewhere: Vec<_> = elsewhere.collect();
        self.past.load(&shifts, (&outs, &elsewhere), self.during)
    }

    fn pay(&self, board: &Switchboard, rota: &Rota, now: Timestamp) -> PaySheet {
        let shifts = self.past.shifts(self.during, &board.exceptions(rota.name()));
        let outs: Vec<_> = self.calls.iter().flat_map(|call| call.outs(rota.name())).collect();
        self.past.pay(&shifts, &outs, (self.during, now))
    }
}

/// Whether a call came to `rota`.
fn comes(call: &Call, rota: &str) -> bool {
    call.steps.iter().any(|step| step.rota == rota)
}

/// The rotas other than `rota` that its calls came to, as they were.
async fn others(app: &App, rota: &str, calls: &[Call]) -> Result<BTreeMap<String, Past>, Problem> {
    let came = calls.iter().filter(|call| comes(call, rota));
    let names: BTreeSet<&str> =
        came.flat_map(|call| &call.steps).map(|step| step.rota.as_str()).collect();
    let mut found = BTreeMap::new();
    for name in names.into_iter().filter(|name| *name != rota) {
        found.insert(name.to_owned(), app.rotas.past(name).await?);
    }
    Ok(found)
}

/// How much a rota carried: events by shift, person and side, held against the norms of two events in twelve hours
/// and half of anybody's week.
#[utoipa::path(
    get,
    path = "/api/v1/on-call/rotas/{rota}/load",
    tag = "on call",
    params(("rota" = String, Path, description = "The rota"), BackQuery),
    responses(
        (status = 200, description = "What it carried", body = LoadInfo),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such rota", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The time is empty or too long", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn load(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(rota): Path<String>,
    Query(asked): Query<BackQuery>,
) -> Result<Json<LoadInfo>, Problem> {
    let during = asked.during(app.clock.now())?;
    let board = seen(&app, &caller, &rota).await?;
    let _room = room(&app).await?;
    let (calls, complete) = calls_of(&app, during).await?;
    let others = others(&app, &rota, &calls).await?;
    let served = Served { past: app.rotas.past(&rota).await?, calls, during, others };
    let info = work_out(board, rota, move |board, rota| {
        let load = served.load(board, rota);
        let came = |call: &&Call| {
            comes(call, rota.name())
                && call.severity == Severity::Page
                && during.contains(call.opened)
        };
        let came: Vec<&Call> = served.calls.iter().filter(came).collect();
        let hand_offs = came.iter().map(|call| call.hand_offs());
        let hand_offs = hand_offs.fold(HandOffs::default(), HandOffs::and);
        LoadInfo { rota: rota.name().to_owned(), load, calls: came.len(), hand_offs, complete }
    });
    Ok(Json(info.await?))
}

/// Hours for pay: who was on call when, who was called out of hours, and what nobody pays, as far as it was served. For
/// owners.
#[utoipa::path(
    get,
    path = "/api/v1/on-call/rotas/{rota}/pay",
    tag = "on call",
    params(("rota" = String, Path, description = "The rota"), BackQuery),
    responses(
        (status = 200, description = "The hours", body = PayInfo),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such rota", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The time is empty or too long", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn pay(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(rota): Path<String>,
    Query(asked): Query<BackQuery>,
) -> Result<Json<PayInfo>, Problem> {
    let (sheet, complete) = sheet(&app, &caller, &rota, &asked).await?;
    Ok(Json(PayInfo { rota, sheet, complete }))
}

/// The same as comma-separated values, one line a person and one a call-out that nobody pays: lengths in hours to four
/// digits.
#[utoipa::path(
    get,
    path = "/api/v1/on-call/rotas/{rota}/pay.csv",
    tag = "on call",
    params(("rota" = String, Path, description = "The rota"), BackQuery),
    responses(
        (status = 200, description = "The hours", body = String, content_type = "text/csv"),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such rota", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The time is empty or too long, or has more calls than are looked at", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(in crate::http) async fn pay_csv(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(rota): Path<String>,
    Query(asked): Query<BackQuery>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let (sheet, complete) = sheet(&app, &caller, &rota, &asked).await?;
    if !complete {
        // A table has no place in which to say that something is missing.
        let said = "there were more calls than are looked at; hint: ask for less time";
        return Err(super::meant(said));
    }
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], sheet.csv()))
}

async fn sheet(
    app: &App,
    caller: &Caller,
    rota: &str,
    asked: &BackQuery,
) -> Result<(PaySheet, bool), Problem> {
    let now = app.clock.now();
    let during = asked.during(now)?;
    let board = allowed(app, caller, (Role::Owner, rota)).await?;
    let _room = room(app).await?;
    let (calls, complete) = calls_of(app, during).await?;
    let others = BTreeMap::new();
    let served = Served { past: app.rotas.past(rota).await?, calls, during, others };
    let work = move |board: &Switchboard, rota: &Rota| served.pay(board, rota, now);
    Ok((work_out(board, rota.to_owned(), work).await?, complete))
}

/// Calls as they went, from level to level. Callers see those of services that they see.
#[utoipa::path(
    get,
    path = "/api/v1/on-call/calls",
    tag = "on call",
    params(CallQuery),
    responses(
        (status = 200, description = "The calls", body = CallPage),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn calls(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<CallQuery>,
) -> Result<Json<CallPage>, Problem> {
    let CallQuery { service, before, limit } = asked;
    let most = page_size(limit, PAGE, PAGE_MAX)?;
    app.rotas.keep_calls().await?;
    let services = match service {
        Some(service) => Some(Vec::from_iter(caller.sees(&service).then_some(service))),
        None => caller.seen(),
    };
    let rotas = app.rotas.clone();
    let found = wait(move || rotas.calls(services.as_deref(), before, most)).await?;
    let next = found.last().filter(|_| found.len() == most).map(|(number, _)| *number);
    let calls = found.into_iter().map(|(_, KeptCall { alert, subject, call })| {
        let hand_offs = call.hand_offs();
        CallInfo { service: subject.service, slo: subject.slo, alert, call, hand_offs }
    });
    Ok(Json(CallPage { calls: calls.collect(), next }))
}
