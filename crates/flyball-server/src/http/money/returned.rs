//! What reliability work returned, and which teams cut their burn without slowing their delivery.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::{Extension, Json};
use flyball_govern::delivery::{Facts, Measures, measure};
use flyball_govern::money::{
    Recognition, Return, TeamFacts, recognise, returned as return_of, weekly_minutes,
};
use flyball_model::{Duration, Interval};
use utoipa::{IntoParams, ToSchema};

use super::super::delivery::gather;
use super::super::extract::{Path, Query, meant, moment, page_size};
use super::super::problem::Problem;
use super::super::{App, room, shapes};
use super::{amount, business};
use crate::auth::Caller;
use crate::delivery::Whose;
use crate::evaluator::{ServedError, check};
use crate::report::corrected;
use crate::support::{burn, weeks};

/// A week, of which both sides have some.
const WEEK: Duration = Duration::from_days(7);
/// Weeks on each side unless told: a quarter.
const WEEKS_USUAL: i64 = 13;
/// The most weeks on each side: half a year, as far as one look takes in twice.
const WEEKS_MAX: i64 = 26;
/// Teams in one answer unless told, and at most: each is read over months.
const TEAMS_USUAL: usize = 10;
const TEAMS_MAX: usize = 50;
/// What draws are keyed by unless told.
const SEED: u64 = 0;

/// What was done, and when.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ReturnQuery {
    /// When the work began to be felt.
    at: String,
    /// What it cost, such as `40000 EUR`.
    cost: String,
    /// What an hour of outage costs; what the service's document says unless told.
    an_hour: Option<String>,
    /// Weeks on each side, 1 to 26; 13 unless told, and no more than have passed.
    #[param(minimum = 1, maximum = 26)]
    weeks: Option<i64>,
    /// What draws are keyed by; 0 unless told.
    #[param(maximum = 9_007_199_254_740_991_u64)]
    #[serde(default, deserialize_with = "crate::http::extract::seed")]
    seed: Option<u64>,
}

/// What work on a service returned.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct ReturnAnswer {
    /// The service.
    service: String,
    /// The weeks before.
    #[schema(value_type = shapes::Stretch)]
    before: Interval,
    /// The weeks after.
    #[schema(value_type = shapes::Stretch)]
    after: Interval,
    /// Bad minutes of each week, the earliest first, as time in which nobody would have been served, as if the rest of it had
    /// been like what was observed; null for a week of which less than half was.
    minutes_before: Vec<Option<f64>>,
    /// The same after.
    minutes_after: Vec<Option<f64>>,
    /// What draws are keyed by.
    seed: u64,
    /// What it returned; docs/money.md says what each number means.
    #[serde(rename = "return")]
    #[schema(value_type = Object)]
    of: Return,
}

/// Which teams, and over which time.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct RecognitionQuery {
    /// Only this team.
    team: Option<String>,
    /// Until when; now unless told.
    to: Option<String>,
    /// Weeks on each side, 1 to 26; 13 unless told.
    #[param(minimum = 1, maximum = 26)]
    weeks: Option<i64>,
    /// What draws are keyed by; 0 unless told.
    #[param(maximum = 9_007_199_254_740_991_u64)]
    #[serde(default, deserialize_with = "crate::http::extract::seed")]
    seed: Option<u64>,
    /// Only teams whose names come after this one: the `next` of the page before.
    after: Option<String>,
    /// How many teams, 1 to 50; 10 unless told.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<usize>,
}

/// Teams that cut their burn without slowing their delivery, and the others.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct RecognitionAnswer {
    /// The time before.
    #[schema(value_type = shapes::Stretch)]
    before: Interval,
    /// The time after, of equal length.
    #[schema(value_type = shapes::Stretch)]
    after: Interval,
    /// What draws are keyed by.
    seed: u64,
    /// Teams by name, never persons, and not ranked.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    recognition: Recognition,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<String>,
}

/// So many weeks, or the usual.
///
/// # Errors
///
/// A problem with status 422 for none, and for too many.
fn count(weeks: Option<i64>) -> Result<i64, Problem> {
    let count = weeks.unwrap_or(WEEKS_USUAL);
    if (1..=WEEKS_MAX).contains(&count) {
        return Ok(count);
    }
    Err(meant(&format!("`weeks` is not from 1 to {WEEKS_MAX}")))
}

/// So many weeks as a length.
fn length(weeks: i64) -> Duration {
    Duration::from_nanos(WEEK.nanos().saturating_mul(weeks)).unwrap_or(WEEK)
}

/// What reliability work on a service returned: bad minutes of weeks before and after, how many fewer they are with an
/// interval, what that is worth and whether it pays. What else changed in these weeks changed them too.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}/return",
    tag = "services",
    params(("name" = String, Path, description = "The service"), ReturnQuery),
    responses(
        (status = 200, description = "What it returned", body = ReturnAnswer),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No week has passed since, or the question cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn returned(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(ReturnQuery { at, cost, an_hour, weeks: asked, seed }): Query<ReturnQuery>,
) -> Result<Json<ReturnAnswer>, Problem> {
    let (at, cost, asked) = (moment("at", &at)?, amount("cost", &cost)?, count(asked)?);
    let business = business(&app, &caller, &service).await?;
    let told = an_hour.as_ref().map(|text| amount("an_hour", text)).transpose()?;
    let an_hour = told.or(business.inputs.an_hour);
    if an_hour.is_some_and(|hour| hour.currency() != cost.currency()) {
        return Err(meant(
            "the cost and an hour of outage are in two currencies; hint: nothing is converted: give both in one",
        ));
    }
    let passed = if at < business.now { business.now.since(at).nanos() / WEEK.nanos() } else { 0 };
    let count = asked.min(passed);
    if count == 0 {
        return Err(meant("no week has passed since; hint: look again when some have"));
    }
    let after = Interval::starting(at, length(count));
    let _room = room(&app).await?;
    let gathered = gather(&app, &caller, (Whose::Service(service.clone()), None), after).await?;
    let before = gathered.question.before();
    let history = gathered.history();
    let facts = gathered.facts(&history);
    let minutes = |during: Interval| -> Vec<Option<f64>> {
        let of_week = |week: Interval| {
            let availability = measure(&Facts { during: week, ..facts }).availability;
            weekly_minutes(availability.observed, availability.lost)
        };
        weeks(during).into_iter().map(of_week).collect()
    };
    let (minutes_before, minutes_after) = (minutes(before), minutes(after));
    let seed = seed.unwrap_or(SEED);
    let of = return_of(&minutes_before, &minutes_after, an_hour, cost, seed);
    Ok(Json(ReturnAnswer { service, before, after, minutes_before, minutes_after, seed, of }))
}

/// Which teams burn less of their budgets than before and deliver no slower: by the ledger, with an interval, and with
/// what speaks against it. Teams, never persons, and no ranking.
#[utoipa::path(
    get,
    path = "/api/v1/recognition",
    tag = "services",
    params(RecognitionQuery),
    responses(
        (status = 200, description = "The teams of the services that the caller may see", body = RecognitionAnswer),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No service is of that team", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The question cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn recognised(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<RecognitionQuery>,
) -> Result<Json<RecognitionAnswer>, Problem> {
    let RecognitionQuery { team, to, weeks: asked, seed, after: last, limit } = asked;
    let limit = page_size(limit, TEAMS_USUAL, TEAMS_MAX)?;
    let to = to.map_or(Ok(app.clock.now()), |text| moment("to", &text))?;
    let after = Interval::ending(to, length(count(asked)?));
    let before = Interval::ending(after.start(), after.length());
    let seer = caller.clone();
    let named = team.clone();
    let teams = app.evaluator.ask(move |evaluator| {
        let services = evaluator.catalog().governance.services();
        let seen = services.filter(|of| seer.sees(&of.name));
        let teams: BTreeSet<String> = seen.filter_map(|of| of.spec.team.clone()).collect();
        let is_asked = |team: &String| named.as_ref().is_none_or(|named| named == team);
        let is_next = |team: &String| last.as_ref().is_none_or(|last| team > last);
        teams.into_iter().filter(|team| is_asked(team) && is_next(team)).collect::<Vec<_>>()
    });
    let mut teams = teams.await?;
    // One that is asked for by name and is not there is told as everywhere.
    teams.extend(team.filter(|_| teams.is_empty()));
    let is_more = teams.len() > limit;
    teams.truncate(limit);
    let next = teams.last().filter(|_| is_more).cloned();
    let _room = room(&app).await?;
    let mut known = Vec::with_capacity(teams.len());
    for team in teams {
        known.push(Team::of(&app, &caller, team, (before, after)).await?);
    }
    let seed = seed.unwrap_or(SEED);
    let facts: Vec<TeamFacts<'_>> = known.iter().map(Team::facts).collect();
    Ok(Json(RecognitionAnswer { before, after, seed, recognition: recognise(&facts, seed), next }))
}

/// What is known of a team.
struct Team {
    name: String,
    burns: (Vec<Option<f64>>, Vec<Option<f64>>),
    delivery: (Measures, Measures),
    corrected: (Duration, Duration),
}

impl Team {
    async fn of(
        app: &App,
        caller: &Caller,
        name: String,
        (before, after): (Interval, Interval),
    ) -> Result<Self, Problem> {
        let gathered = gather(app, caller, (Whose::Team(name.clone()), None), after).await?;
        let history = gathered.history();
        let facts = gathered.facts(&history);
        let delivery = (measure(&Facts { during: before, ..facts }), measure(&facts));
        let corrections = &gathered.catalog.set.corrections;
        let mut spent = (0_i64, 0_i64);
        for slo in &gathered.slos {
            spent.0 = spent.0.saturating_add(corrected(corrections, slo, before)?.nanos());
            spent.1 = spent.1.saturating_add(corrected(corrections, slo, after)?.nanos());
        }
        let time = |nanos: i64| Duration::from_nanos(nanos).unwrap_or_default();
        let corrected = (time(spent.0), time(spent.1));
        let slos = gathered.slos.clone();
        let found = app.evaluator.ask(move |evaluator| {
            evaluator.counts_of(|slo| slos.contains(&slo.name) && slo.composition.is_none())
        });
        let found = found.await?;
        check(found.slos.iter().flat_map(|of| of.objectives.iter().flat_map(|_| [before, after])))?;
        let burns = app.evaluator.look(move |snapshot| {
            let corrections = &found.catalog.set.corrections;
            let of = |during| burn(snapshot, &found.slos, corrections, &weeks(during));
            Ok::<_, ServedError>((of(before)?, of(after)?))
        });
        Ok(Self { name, burns: burns.await?, delivery, corrected })
    }

    fn facts(&self) -> TeamFacts<'_> {
        TeamFacts {
            team: self.name.clone(),
            burn_before: &self.burns.0,
            burn_after: &self.burns.1,
            delivery_before: &self.delivery.0,
            delivery_after: &self.delivery.1,
            corrected_before: self.corrected.0,
            corrected_after: self.corrected.1,
        }
    }
}
