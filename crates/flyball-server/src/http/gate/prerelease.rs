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

use super::super::access::allowed;
use super::super::administration::wait;
use super::super::extract::{Path, Query, meant};
use super::super::problem::Problem;
use super::super::{App, room, shapes};
use super::backtest::shipped;
use super::known;
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
    #[param(maximum = 9_007_199_254_740_991_u64)]
    #[serde(default, deserialize_with = "crate::http::extract::seed")]
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
    /// Whether every budget covers it; null when that is not known of one, and none of the others is overspent.
    covered: Option<bool>,
    /// Budgets of which nothing can be told: of time slices, or without data.
    not_told: u64,
    /// By objective that counts events.
    budgets: Vec<RiskOf>,
}

/// What a release may cost one budget.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct RiskOf {
    /// The SLO.
    slo: String,
    /// The promised share of good.
    #[schema(value_type = shapes::Promise)]
    target: Target,
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
    let room = room(&app).await?;
    let budgets = known(&app, &service, false).await?.facts.budgets.clone();
    let history = app.evaluator.ask(|evaluator| evaluator.history());
    let mut history = history.await?.map_err(crate::gate::GateError::from)?;
    let plan = Plan { rollout, limit, seed: seed.unwrap_or(0) };
    let risks = wait(move || {
        let _room = room;
        let now = app.clock.now();
        let failed = Failed::of(&app, &service, now)?;
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
    fn of(app: &App, service: &str, now: Timestamp) -> Result<Self, Problem> {
        let (services, during) = ([service.to_owned()], (now.minus(BEFORE), now));
        let (incidents, _) = app.changes.incidents_of(&services, during)?;
        // Of very many the latest say enough.
        let (mut changes, _) = shipped(app, &services, during, now)?;
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
    let whole = || budgets.iter().filter(|facts| facts.slice.is_none());
    for sums in sums {
        // The budgets of an SLO come in the order of its objectives.
        let own = whole().filter(|facts| facts.slo == sums.slo).nth(sums.objective);
        let Some(Counts::Counted { valid, bad }) = own.map(|facts| facts.counts) else { continue };
        found.push(risk_of(plan, failed, &sums, remaining(sums.target, valid, bad), now));
    }
    let not_told = whole().count() - found.len();
    Ok(Risks {
        changes: failed.changes,
        failures: failed.failures,
        without_end: failed.failures - failed.known.len() as u64,
        covered: covered(&found, not_told),
        not_told: not_told as u64,
        budgets: found,
    })
}

/// Whether every budget covers it: not told where that is not known of one and none is overspent.
fn covered(risks: &[RiskOf], not_told: usize) -> Option<bool> {
    let covers = risks.iter().map(|one| match &one.answer {
        Prerelease::Estimated { covered, .. } => Some(*covered),
        Prerelease::NotEnoughData { .. } => None,
    });
    let covers: Vec<Option<bool>> = covers.collect();
    if covers.contains(&Some(false)) {
        return Some(false);
    }
    let are_all_told = not_told == 0 && !covers.is_empty() && !covers.contains(&None);
    are_all_told.then_some(true)
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
    let (slo, target) = (sums.slo.clone(), sums.target);
    RiskOf { slo, target, remaining, events_per_hour, background_per_hour, answer }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(covered: Option<bool>) -> RiskOf {
        let inputs = PrereleaseInputs {
            rollout: "canary:5%:30m,100%:1h".parse().unwrap(),
            history: Before {
                changes: 40,
                failures: vec![
                    FailedChange {
                        detect: Duration::from_minutes(10),
                        repair: Duration::from_minutes(20),
                        error_share: Rational::new(1, 2).unwrap(),
                    };
                    if covered.is_some() { 10 } else { 0 }
                ],
            },
            events_per_hour: 1_000,
            background_per_hour: 0,
            remaining: if covered == Some(true) { 1_000_000 } else { -1 },
            limit: Rational::parse_percent(LIMIT).unwrap(),
            seed: 0,
        };
        let answer = prerelease(&inputs);
        let told = match &answer {
            Prerelease::Estimated { covered, .. } => Some(*covered),
            Prerelease::NotEnoughData { .. } => None,
        };
        assert_eq!(told, covered);
        let (slo, target) =
            ("answered".to_owned(), Target::new(Rational::new(99, 100).unwrap()).unwrap());
        RiskOf { slo, target, remaining: 0, events_per_hour: 0, background_per_hour: 0, answer }
    }

    #[test]
    fn what_is_not_known_covers_nothing() {
        let all = |told: &[Option<bool>], not_told| {
            covered(&told.iter().map(|one| of(*one)).collect::<Vec<_>>(), not_told)
        };
        assert_eq!(all(&[], 0), None);
        assert_eq!(all(&[Some(true), Some(true)], 0), Some(true));
        assert_eq!(all(&[Some(true)], 1), None);
        assert_eq!(all(&[Some(true), None], 0), None);
        assert_eq!(
            all(&[None, Some(false)], 1),
            Some(false),
            "one is overspent whatever the others are"
        );
    }
}
