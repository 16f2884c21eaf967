//! A policy tried on the past: what it would have stopped of the changes there were.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use flyball_govern::gate::{Backtest, Ended, Facts, Question, RecordedChange, backtest};
use flyball_govern::policy::{ChangeClass, Policy};
use flyball_model::{ChangeKind, Duration, Incident, Timestamp};
use flyball_spec::{Diagnostic, Source};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::administration::wait;
use super::super::delivery::stretch;
use super::super::extract::{Path, Sent};
use super::super::problem::Problem;
use super::super::{App, room, shapes};
use super::no_policy;
use crate::auth::Caller;
use crate::changes::{ChangesError, Kept, is_in_production};
use crate::evaluator::History;

/// How far back is looked unless told: a quarter.
const USUAL: Duration = Duration::from_days(91);
/// The most changes that are replayed, the latest ones; each takes a look at whole windows.
const CHANGES_MAX: usize = 1_000;
/// The most services whose changes are replayed at once.
const SERVICES_MAX: usize = 10_000;

/// Which changes a policy is tried on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct BacktestRequest {
    /// Only changes of this service; else of all that the caller may know of.
    service: Option<String>,
    /// Only changes from then on; those of the last 91 days unless told.
    from: Option<String>,
    /// Only changes before then; until now unless told.
    to: Option<String>,
    /// A document with the policy, to be tried in the place of the one that is there.
    document: Option<String>,
}

/// What a policy would have done.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct BacktestAnswer {
    /// The policy.
    policy: String,
    /// Its version.
    version: u32,
    /// From when on changes were looked at.
    #[schema(value_type = shapes::Instant)]
    from: Timestamp,
    /// Before when.
    #[schema(value_type = shapes::Instant)]
    to: Timestamp,
    /// All in a sentence.
    sentence: String,
    /// Earlier changes of the time that were left out, since there were too many.
    left_out: usize,
    /// Whether there were still earlier ones, of which it is not known how many.
    is_cut: bool,
    /// How many `changes` there were, their `outcomes` with how many were `healthy`, `regressed`, `undecided` and
    /// `unjudged`, and those that would have been `stopped`.
    #[schema(value_type = Object)]
    result: Backtest,
}

/// Replays a policy, as if it were in force, over recorded changes with the budgets as they were when each began.
///
/// Known of the past are the budgets of objectives, incidents and the tier; not slices, nor which alerts paged.
#[utoipa::path(
    post,
    path = "/api/v1/policies/{name}/backtest",
    tag = "changes",
    params(("name" = String, Path, description = "The policy's name")),
    request_body = BacktestRequest,
    responses(
        (status = 200, description = "What it would have done", body = BacktestAnswer),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such policy", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The document or the time cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much of the past is looked at already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Changes or budgets cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn backtested(
    State(app): State<App>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<Json<BacktestAnswer>, Problem> {
    let (asked, caller) = sent.json(&app, "gate").await?;
    let BacktestRequest { service, from, to, document } = asked;
    let now = app.clock.now();
    let during = stretch((from.as_ref(), to.as_ref()), now, USUAL)?;
    let (from, to) = (during.start(), during.end());
    let room = room(&app).await?;
    let history = app.evaluator.ask(|evaluator| evaluator.history());
    let mut history = history.await?.map_err(crate::gate::GateError::from)?;
    let policy = policy(&name, document, &history)?;
    let answer = wait(move || {
        let _room = room;
        let services = services(&app, &caller, service)?;
        let (recorded, are_all) = shipped(&app, &services, (from, to), now)?;
        let left_out = recorded.len().saturating_sub(CHANGES_MAX);
        let latest = &recorded[left_out..];
        let changes = with_facts(&app, &mut history, latest, now)?;
        let result = backtest(&policy, &changes);
        let (policy, version) = (policy.name().to_owned(), policy.spec().version);
        let sentence = result.to_string();
        let is_cut = !are_all;
        Ok::<_, Problem>(BacktestAnswer {
            policy,
            version,
            from,
            to,
            sentence,
            left_out,
            is_cut,
            result,
        })
    });
    Ok(Json(answer.await?))
}

/// The policy called `name`: that of `document` where one is given.
fn policy(name: &str, document: Option<String>, history: &History) -> Result<Policy, Problem> {
    let found = match document {
        None => history.catalog.governance.policy(name).cloned(),
        Some(text) => {
            let (set, mut found) = flyball_spec::load(&[Source::new("policy.yaml", text)]);
            let (governance, more) = flyball_catalog::governance(&set);
            found.extend(more);
            if found.iter().any(Diagnostic::is_error) {
                return Err(Problem::documents(found));
            }
            governance.policy(name).cloned()
        }
    };
    found.ok_or_else(|| no_policy(name, &history.catalog))
}

/// The services whose changes are meant, of those that `caller` may see.
fn services(app: &App, caller: &Caller, named: Option<String>) -> Result<Vec<String>, Problem> {
    let mut services = match named {
        Some(service) => vec![service],
        None => app.changes.services(SERVICES_MAX).map_err(ChangesError::from)?,
    };
    services.retain(|service| caller.sees(service));
    Ok(services)
}

/// When a change was to be asked about: when it began, where that is known.
fn asked_at(kept: &Kept) -> Option<Timestamp> {
    let shipped = kept.change.shipped()?;
    Some(kept.change.started.map_or(shipped, |started| started.min(shipped)))
}

/// Changes of `services` that shipped to production and began from `from` to before `to`, in this order; drills,
/// which are no work of a pipeline, left out. Elsewhere nobody judges what a change did. And whether these are
/// all of the time.
pub(super) fn shipped(
    app: &App,
    services: &[String],
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<(Vec<Kept>, bool), Problem> {
    // What ships after the time may have begun in it.
    let (mut found, are_all) = app.changes.changes_of(services, (from, now))?;
    found.retain(|kept| {
        let at = asked_at(kept);
        let is_work = kept.change.kind != ChangeKind::Drill && is_in_production(&kept.change);
        is_work && at.is_some_and(|at| from <= at && at < to)
    });
    found.sort_by_key(asked_at);
    Ok((found, are_all))
}

/// The same changes with what was known when each began, and how they ended as of `now`.
fn with_facts(
    app: &App,
    history: &mut History,
    changes: &[Kept],
    now: Timestamp,
) -> Result<Vec<RecordedChange>, Problem> {
    let mut by_service: BTreeMap<&str, Vec<(usize, Timestamp)>> = BTreeMap::new();
    for (place, kept) in changes.iter().enumerate() {
        let at = asked_at(kept).unwrap_or(now);
        by_service.entry(&kept.change.service).or_default().push((place, at));
    }
    let mut recorded: Vec<(usize, RecordedChange)> = Vec::with_capacity(changes.len());
    for (service, places) in by_service {
        let moments: Vec<Timestamp> = places.iter().map(|(_, at)| *at).collect();
        let budgets = history.facts(service, &moments)?;
        let services = [service.to_owned()];
        // Those that began long before may have been open.
        let (incidents, _) = app.changes.incidents_of(&services, (Timestamp::MIN, now))?;
        let tier = history.catalog.governance.tier(service).name;
        for ((place, at), budgets) in places.into_iter().zip(budgets) {
            let kept = &changes[place];
            let facts = Facts {
                tier: Some(tier.clone()),
                custody: None,
                approved: None,
                incidents_open: Some(open_at(&incidents, at)),
                alerts_paging: None,
                budgets,
                controls: Vec::new(),
            };
            let ended = Ended::of(&kept.phase(now));
            recorded.push((place, RecordedChange { question: question(kept, at), facts, ended }));
        }
    }
    recorded.sort_by_key(|(place, _)| *place);
    Ok(recorded.into_iter().map(|(_, recorded)| recorded).collect())
}

/// What would have been asked about a change.
fn question(kept: &Kept, at: Timestamp) -> Question {
    let change = &kept.change;
    Question {
        service: change.service.clone(),
        class: ChangeClass::of(change),
        change: Some(change.id.clone()),
        revision: change.revision.clone(),
        environment: change.environment.clone(),
        // What its source calls a rollout may be none.
        rollout: change.rollout.as_ref().and_then(|text| text.parse().ok()),
        asked_by: None,
        at,
    }
}

/// How many incidents were open at `at`.
fn open_at(incidents: &[Incident], at: Timestamp) -> u64 {
    let is_open = |incident: &&Incident| {
        incident.opened().is_some_and(|opened| opened <= at)
            && incident.resolved.is_none_or(|resolved| at < resolved)
    };
    incidents.iter().filter(is_open).count() as u64
}
