//! Before a release: whether the budget covers what it may cost, by what changes of the service cost before.

use axum::extract::State;
use axum::{Extension, Json};
use flyball_budget::Fraction;
use flyball_govern::gate::{
    BudgetFacts, Counts, Ended, FailedChange, Failing, History as Before, Prerelease,
    PrereleaseInputs, Rollout, prerelease,
};
use flyball_model::{ChangeKind, Duration, Interval, Rational, Tally, Target, Timestamp};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::App;
use super::super::access::allowed;
use super::super::administration::wait;
use super::super::extract::{Path, Query, meant};
use super::super::problem::Problem;
use super::backtest::shipped;
use super::{known, room};
use crate::auth::{Caller, Role};
use crate::evaluator::{History, Sums};

/// How far back changes are looked at.
const BEFORE: Duration = Duration::from_days(365);
/// How far back traffic is looked at: a week has all hours and weekdays.
const TRAFFIC: Duration = Duration::from_days(7);
/// Before a change, how long what is usual is looked at.
const USUAL: Duration = Duration::from_days(1);
/// The probability of overspending that is accepted unless told.
const LIMIT: &str = "10%";

/// Which release is to be checked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct RiskQuery {
    /// How it is to be rolled out, as `canary:5%:30m,100%:2h`.
    rollout: String,
    /// The probability of overspending that is accepted, as `10%`, which it is unless told.
    limit: Option<String>,
    /// What draws are keyed by; 0 unless told. The same seed gives the same answer.
    #[serde(default, deserialize_with = "super::super::extract::number")]
    seed: Option<u64>,
}

/// What a release may cost.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct Risks {
    /// Changes of the service within a year, without rollbacks and drills.
    changes: u64,
    /// Those that failed.
    failures: u64,
    /// Of those, the ones of which nobody knows when they were repaired; they are left out.
    without_end: u64,
    /// Whether every budget covers it; null when that cannot be told of any.
    covered: Option<bool>,
    /// By objective that counts events.
    budgets: Vec<RiskOf>,
}

/// What a release may cost one budget.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct RiskOf {
    /// The SLO.
    slo: String,
    /// Bad events that its budget still allows; not above 0 when it is spent.
    remaining: i64,
    /// Valid events in an hour of the last week.
    events_per_hour: u64,
    /// Bad ones among them.
    background_per_hour: u64,
    /// `answer` is `estimated`, with `risk`, `covered` and `mitigations`, or `not_enough_data`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    answer: Prerelease,
}

/// Whether the budgets of a service cover what a rollout may cost, by its own history of change failures, and what would
/// bring the risk under the limit.
#[utoipa::path(
    get,
    path = "/api/v1/gate/{service}/prerelease",
    tag = "changes",
    params(("service" = String, Path, description = "The service that would change"), RiskQuery),
    responses(
        (status = 200, description = "What is to be expected", body = Risks),
        (status = 400, description = "A parameter cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The service's tier names a policy that is not there", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The rollout or the limit cannot be meant", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Changes or budgets cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn risk(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(RiskQuery { rollout, limit, seed }): Query<RiskQuery>,
) -> Result<Json<Risks>, Problem> {
    allowed(caller.may(Role::Developer, &service), Role::Developer, &service)?;
    let rollout: Rollout = rollout.parse().map_err(|error| meant(&format!("{error}")))?;
    let limit = limit.unwrap_or_else(|| LIMIT.to_owned());
    let parsed = Rational::parse_percent(&limit).filter(|limit| *limit <= Rational::ONE);
    let limit = parsed
        .ok_or_else(|| meant(&format!("`{limit}` is no probability; hint: write it like 10%")))?;
    let room = room(&app)?;
    let budgets = known(&app, &service, false).await?.facts.budgets.clone();
    let history = app.evaluator.ask(|evaluator| evaluator.history());
    let mut history = history.await?.map_err(crate::gate::GateError::from)?;
    let plan = Plan { rollout, limit, seed: seed.unwrap_or(0) };
    let risks = wait(move || {
        let _room = room;
        let now = app.clock.now();
        let failed = Failed::of(&app, &caller, &service, now)?;
        risks(&plan, &failed, &mut history, (&service, &budgets), now)
    });
    Ok(Json(risks.await?))
}

/// A release that is checked.
struct Plan {
    rollout: Rollout,
    limit: Rational,
    seed: u64,
}

/// What changes of the service did before.
struct Failed {
    changes: u64,
    failures: u64,
    /// Those of which it is known how long they lasted, the last first.
    known: Vec<Failing>,
}

impl Failed {
    fn of(app: &App, caller: &Caller, service: &str, now: Timestamp) -> Result<Self, Problem> {
        let incidents = app.changes.incidents(service)?;
        let mut changes = shipped(app, caller, Some(service), (now.minus(BEFORE), now))?;
        changes.retain(|kept| kept.change.kind != ChangeKind::Rollback);
        let broken = changes.iter().rev();
        let broken: Vec<_> =
            broken.filter(|kept| Ended::of(&kept.phase(now)) == Some(Ended::Regressed)).collect();
        Ok(Self {
            changes: changes.len() as u64,
            failures: broken.len() as u64,
            known: broken.iter().filter_map(|kept| kept.failing(&incidents)).collect(),
        })
    }

    /// What is to be counted: the traffic of late, and for each failure before and during it.
    fn stretches(&self, now: Timestamp) -> Vec<Interval> {
        let during = self.known.iter().flat_map(|failing| {
            let lasted = failing.repaired.since(failing.met);
            [Interval::ending(failing.met, USUAL), Interval::starting(failing.met, lasted)]
        });
        std::iter::once(Interval::ending(now, TRAFFIC)).chain(during).collect()
    }
}

fn risks(
    plan: &Plan,
    failed: &Failed,
    history: &mut History,
    (service, budgets): (&str, &[BudgetFacts]),
    now: Timestamp,
) -> Result<Risks, Problem> {
    let sums = history.sums(service, &failed.stretches(now))?;
    let mut found = Vec::new();
    for sums in sums {
        let is_own = |facts: &&BudgetFacts| {
            (facts.slo == sums.slo && facts.target == sums.target) && facts.slice.is_none()
        };
        let Some(Counts::Counted { valid, bad }) = budgets.iter().find(is_own).map(|f| f.counts)
        else {
            continue;
        };
        found.push(risk_of(plan, failed, &sums, remaining(sums.target, valid, bad), now));
    }
    let covers = found.iter().filter_map(|one| match &one.answer {
        Prerelease::Estimated { covered, .. } => Some(*covered),
        Prerelease::NotEnoughData { .. } => None,
    });
    Ok(Risks {
        changes: failed.changes,
        failures: failed.failures,
        without_end: failed.failures - failed.known.len() as u64,
        covered: covers.reduce(|all, one| all && one),
        budgets: found,
    })
}

/// Bad events that are allowed beside those there were.
fn remaining(target: Target, valid: u64, bad: u64) -> i64 {
    let allowed = Fraction::share_of(valid, target.error_budget()).floor();
    i64::try_from(allowed).unwrap_or(i64::MAX).saturating_sub_unsigned(bad)
}

fn risk_of(plan: &Plan, failed: &Failed, sums: &Sums, remaining: i64, now: Timestamp) -> RiskOf {
    let (traffic, during) = sums.tallies.split_first().unwrap_or((&Tally::EMPTY, &[]));
    let seconds = now.since(sums.since.max(now.minus(TRAFFIC))).nanos() / 1_000_000_000;
    let seconds = u128::from(seconds.max(1).unsigned_abs());
    let hourly = |events: u64| u64::try_from(u128::from(events) * 3_600 / seconds).unwrap_or(0);
    let failures = failed.known.iter().zip(during.chunks_exact(2));
    let failures = failures.map(|(failing, counted)| FailedChange {
        detect: failing.detected.since(failing.met),
        repair: failing.repaired.since(failing.detected),
        error_share: beyond(counted[0], counted[1]),
    });
    let inputs = PrereleaseInputs {
        rollout: plan.rollout.clone(),
        history: Before {
            changes: failed.changes - (failed.failures - failed.known.len() as u64),
            failures: failures.collect(),
        },
        events_per_hour: hourly(traffic.valid()),
        background_per_hour: hourly(traffic.bad()),
        remaining,
        limit: plan.limit,
        seed: plan.seed,
    };
    let answer = prerelease(&inputs);
    let PrereleaseInputs { events_per_hour, background_per_hour, .. } = inputs;
    RiskOf { slo: sums.slo.clone(), remaining, events_per_hour, background_per_hour, answer }
}

/// The share of bad events in `failing` beyond that in `usual`, in millionths; none where nothing was counted.
fn beyond(usual: Tally, failing: Tally) -> Rational {
    let millionths = |tally: Tally| {
        let share = (u128::from(tally.bad()) * 1_000_000).checked_div(u128::from(tally.valid()));
        share.and_then(|share| u64::try_from(share).ok()).unwrap_or(0)
    };
    let more = millionths(failing).saturating_sub(millionths(usual));
    Rational::new(more, 1_000_000).unwrap_or(Rational::ZERO)
}
