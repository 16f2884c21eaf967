//! Final shifts as calendars that people subscribe to.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use flyball_connect::oncall::{ShiftCalendar, shifts as written};
use flyball_govern::oncall::Shift;
use flyball_model::{Duration, Interval, Timestamp};

use super::super::administration::wait;
use super::super::extract::Path;
use super::super::problem::Problem;
use super::super::{App, room};
use super::{seen, sees, work_out};
use crate::auth::Caller;
use crate::rotas::RotaError;

/// How far back a calendar goes at least. It begins where one of these lengths does, so that a shift that
/// neither begins nor ends in it keeps its id, which follows from where it is cut, for as long.
const BACK: Duration = Duration::from_days(31);
/// How far ahead it goes: people plan a quarter.
const AHEAD: Duration = Duration::from_days(92);
/// The most events of a calendar: an hourly rota with a few layers. Later ones are left out, which it says.
const EVENTS_MAX: usize = 20_000;
/// How long before a shift its person is reminded.
const REMINDERS: [Duration; 1] = [Duration::from_hours(1)];

/// What a calendar is sent as.
type Calendar = ([(HeaderName, &'static str); 1], String);

fn during(now: Timestamp) -> Interval {
    let start = now.minus(BACK).floor(BACK);
    Interval::starting(start, now.plus(AHEAD).since(start))
}

fn calendar(name: &str, written_at: Timestamp, mut of: Vec<Shift>) -> Calendar {
    let left_out = of.get(EVENTS_MAX).map(|first| first.start);
    of.truncate(EVENTS_MAX);
    let calendar = ShiftCalendar { name, written: written_at, reminders: &REMINDERS, left_out };
    ([(header::CONTENT_TYPE, "text/calendar; charset=utf-8")], written(&calendar, &of))
}

/// The final shifts of a rota as iCalendar, from a month back to a quarter ahead. Programs that cannot send a header
/// show their token as the password.
#[utoipa::path(
    get,
    path = "/api/v1/on-call/rotas/{rota}/calendar.ics",
    tag = "on call",
    params(("rota" = String, Path, description = "The rota")),
    responses(
        (status = 200, description = "The calendar", body = String, content_type = "text/calendar"),
        (status = 400, description = "The name cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such rota", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is going down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn of_rota(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(rota): Path<String>,
) -> Result<Calendar, Problem> {
    let now = app.clock.now();
    let board = seen(&app, &caller, &rota).await?;
    let _room = room(&app).await?;
    let past = app.rotas.past(&rota).await?;
    work_out(board, rota, move |board, rota| {
        let shifts = past.shifts(during(now), &board.exceptions(rota.name()));
        calendar(rota.name(), now, shifts)
    })
    .await
}

/// The final shifts of a person in every rota that the caller may see, as iCalendar, from a month back to a quarter
/// ahead.
#[utoipa::path(
    get,
    path = "/api/v1/on-call/people/{who}/calendar.ics",
    tag = "on call",
    params(("who" = String, Path, description = "The member's name")),
    responses(
        (status = 200, description = "The calendar", body = String, content_type = "text/calendar"),
        (status = 400, description = "The name cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No rota has such a member, and nobody has added them to one", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The server is going down", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn of_person(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(who): Path<String>,
) -> Result<Calendar, Problem> {
    let now = app.clock.now();
    let board = app.rotas.switchboard().await?;
    let own = board.rotas().filter(|rota| rota.member(&who).is_some());
    let own: Vec<String> = own.map(|rota| rota.name().to_owned()).collect();
    let own: Vec<String> = own.into_iter().filter(|name| sees(&board, &caller, name)).collect();
    if own.is_empty() {
        let said = format!(
            "no rota has a member `{who}`; hint: GET /api/v1/on-call/rotas lists them with their members"
        );
        return Err(Problem::new(StatusCode::NOT_FOUND, &said));
    }
    let _room = room(&app).await?;
    let mut pasts = Vec::with_capacity(own.len());
    for name in own {
        pasts.push((app.rotas.past(&name).await?, name));
    }
    wait(move || {
        let mut found = Vec::new();
        for (past, name) in &pasts {
            let shifts = past.shifts(during(now), &board.exceptions(name));
            found.extend(shifts.into_iter().filter(|shift| shift.who == who));
        }
        found.sort_by_key(|shift| shift.start);
        Ok::<_, RotaError>(calendar(&who, now, found))
    })
    .await
}
