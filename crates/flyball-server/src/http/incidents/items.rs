//! Action items: written down, tested, ended, listed.

use axum::extract::State;
use axum::{Extension, Json};
use flyball_govern::incident::{
    ACTIONS_MAX, ActionError, ActionItem, ActionKind, ActionState, ActionSummary, Outcome,
    Priority, Run, WriteUpError, summary,
};
use flyball_govern::service::day;
use flyball_model::{Duration, Timestamp};
use flyball_query::near_matches;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::super::App;
use super::super::administration::wait;
use super::super::described::IncidentRefusals;
use super::super::extract::{Path, Query, Sent, meant, moment, page_size};
use super::super::problem::Problem;
use super::super::shapes;
use super::said_of;
use super::write_ups::{NOT_WRITTEN, unpublished};
use crate::auth::Caller;
use crate::changes::ChangesError;
use crate::changes::{IncidentActError, Learnt, PAGE_DEFAULT, PAGE_MAX};

/// The most runs that are told at once.
const RUNS_MAX: usize = 10_000;

/// An action item to write down.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ItemRequest {
    /// What it is to be known by in its write-up; its number unless told.
    id: Option<String>,
    /// What is to be done, in a sentence.
    text: String,
    /// What it is for: prevent, mitigate or process.
    #[schema(value_type = String)]
    kind: ActionKind,
    /// The team that does it.
    owner: String,
    /// How soon: P0 to P3. One item at least is a P0.
    #[schema(value_type = String)]
    priority: Priority,
    /// By when: a date, whose end in UTC is meant.
    due: String,
    /// Where it is worked on; an address.
    ticket: Option<String>,
    /// How it is known that it did what it is for: `{"outcome": "slo_test", "file": "…", "test": null}`,
    /// `{"outcome": "drill", "name": "…"}` or `{"outcome": "looked", "text": "…"}`.
    #[schema(value_type = Object)]
    outcome: Outcome,
}

/// Which action items are asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ItemQuery {
    /// Only those of this service.
    service: Option<String>,
    /// Only those of this team.
    owner: Option<String>,
    /// Only those that are to be done, where it is true.
    #[serde(default)]
    open: bool,
    /// Only those whose day is over and that are to be done, where it is true.
    #[serde(default)]
    late: bool,
    /// Only those of write-ups begun before the one of this number.
    #[serde(default, deserialize_with = "crate::http::extract::number")]
    before: Option<u64>,
    /// At most so many, and the rest of those of the last write-up; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// The end of an action item.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ItemEnd {
    /// What somebody saw, which shows that it is done; null when it is not to be done. Where a test decides, that does.
    seen: Option<String>,
    /// Why it is not to be done; null when it is done.
    dropped: Option<String>,
}

/// An action item and where it is from.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct ItemView {
    /// The incident.
    incident: String,
    /// The service whose incident it is of; null when nobody said.
    service: Option<String>,
    /// What is to be done, by whom, by when, and how it is known.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    item: ActionItem,
    /// How old it is, or was when it was over.
    #[schema(value_type = shapes::Length)]
    age: Duration,
    /// Whether its day is over and it is not.
    is_late: bool,
    /// Whether its test is known to be able to fail; null where no test decides.
    is_proof: Option<bool>,
}

/// Action items.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct ItemList {
    /// Those of write-ups begun last first.
    items: Vec<ItemView>,
    /// How many of these are where, and how old they are.
    #[schema(value_type = Object)]
    summary: ActionSummary,
    /// What to ask with as `before` for those of earlier write-ups; null when these are all.
    next: Option<u64>,
}

/// What came of tests.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RunsRequest {
    /// The version that was tested, or where the run is found.
    version: String,
    /// When; now unless told.
    at: Option<String>,
    /// What came of each test.
    runs: Vec<TestRun>,
}

/// What came of a test.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TestRun {
    /// The file, as it was named.
    file: String,
    /// The test in it; null where it could not be read.
    test: Option<String>,
    /// Whether it passed; null where it could not be run.
    passed: Option<bool>,
}

/// What was learnt of tests.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct RunsAnswer {
    /// The action items that changed, or of which it is news that their test can fail.
    changed: Vec<Learnt>,
}

/// Writes an action item down, unless what it belongs to is published.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/post-mortem/actions",
    tag = "incidents",
    params(("id" = String, Path, description = "The incident")),
    request_body = ItemRequest,
    responses(
        (status = 200, description = "It is written down", body = ItemView),
        (status = 422, description = "It lacks something, or the write-up is published", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn add_item(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Json<ItemView>, Problem> {
    let (asked, caller, kept): (ItemRequest, _, _) = said_of(&app, &id, sent).await?;
    let record = kept.record;
    let due = asked.due.parse().map_err(|_| {
        meant(&format!("`due`: `{}` is no date; hint: write one like 2026-12-01", asked.due))
    })?;
    if day(app.clock.now()) > due {
        return Err(meant(&format!(
            "`due`: {} is over in UTC; hint: give a day to come",
            asked.due
        )));
    }
    if let Outcome::Drill { name } = &asked.outcome {
        known_drill(&app, name).await?;
    }
    let (changes, who, now) = (app.changes.clone(), caller.actor(), app.clock.now());
    let made = wait::<_, IncidentActError>(move || {
        let ItemRequest { id, text, kind, owner, priority, ticket, outcome, .. } = asked;
        let mut made = None;
        let kept = changes.write(&record, (&who, now), "action.open", |known| {
            let mut write_up = known.ok_or(NOT_WRITTEN)?;
            unpublished(&write_up)?;
            if write_up.actions.len() >= ACTIONS_MAX {
                return Err(WriteUpError::Many.into());
            }
            let id = id.unwrap_or_else(|| (write_up.actions.len() + 1).to_string());
            if write_up.actions.iter().any(|item| item.id == id) {
                return Err(WriteUpError::Twice { id }.into());
            }
            let (opened, state) = (now, ActionState::Open);
            let (failed, undone) = (None, 0);
            let item = ActionItem {
                id,
                text,
                kind,
                owner,
                priority,
                due,
                ticket,
                outcome,
                opened,
                state,
                failed,
                undone,
            };
            let item = item.checked()?;
            let detail =
                json!({ "item": item.id, "owner": item.owner, "due": item.due.to_string() });
            write_up.actions.push(item.clone());
            made = Some(item);
            Ok((write_up, detail))
        })?;
        let item = made.ok_or(NO_ITEM)?;
        Ok(ItemView::of(kept.write_up.incident, kept.service, item, now))
    });
    Ok(Json(made.await?))
}

/// Refuses a drill that no document describes: it would never be run, and what waits for it never be done.
///
/// # Errors
///
/// A problem with status 422, with the nearest name.
async fn known_drill(app: &App, name: &str) -> Result<(), Problem> {
    let known = app.evaluator.ask(|evaluator| {
        let drills = evaluator.catalog().governance.drills();
        drills.map(|drill| drill.name.clone()).collect::<Vec<_>>()
    });
    let known = known.await?;
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    let near = near_matches(name, known.iter().map(String::as_str));
    let hint = near.first().map_or_else(
        || "apply its document first (kind: Drill)".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Err(meant(&format!("no drill is called `{name}`; hint: {hint}")))
}

/// The refusal of an item that is not there.
const NO_ITEM: IncidentActError =
    IncidentActError::Unknown("action item", "GET /api/v1/action-items lists them");

impl ItemView {
    fn of(incident: String, service: Option<String>, item: ActionItem, now: Timestamp) -> Self {
        let (age, is_late, is_proof) = (item.age(now), item.is_late(now), item.is_proof());
        Self { incident, service, item, age, is_late, is_proof }
    }
}

/// Ends an action item: somebody saw that it is done, or it is not to be done. Where a test decides, its run does.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/post-mortem/actions/{item}/end",
    tag = "incidents",
    params(
        ("id" = String, Path, description = "The incident"),
        ("item" = String, Path, description = "The action item"),
    ),
    request_body = ItemEnd,
    responses(
        (status = 200, description = "It is over", body = ItemView),
        (status = 422, description = "A test decides, it is over already, or nothing is said", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn end_item(
    State(app): State<App>,
    Path((id, item)): Path<(String, String)>,
    sent: Sent,
) -> Result<Json<ItemView>, Problem> {
    let (asked, caller, kept): (ItemEnd, _, _) = said_of(&app, &id, sent).await?;
    let record = kept.record;
    let (changes, who, now) = (app.changes.clone(), caller.actor(), app.clock.now());
    let ended = wait::<_, IncidentActError>(move || {
        let mut ended = None;
        let kept = changes.write(&record, (&who, now), "action.end", |known| {
            let mut write_up = known.ok_or(NOT_WRITTEN)?;
            let found = write_up.actions.iter_mut().find(|of| of.id == item).ok_or(NO_ITEM)?;
            match (asked.seen, asked.dropped) {
                (Some(seen), None) => found.seen(&seen, now)?,
                (None, Some(why)) => found.drop_it(&why, now)?,
                _ => return Err(ActionError::Missing { what: "either `seen` or `dropped`" }.into()),
            }
            let detail = json!({ "item": found.id, "state": found.state });
            ended = Some(found.clone());
            Ok((write_up, detail))
        })?;
        let item = ended.ok_or(NO_ITEM)?;
        Ok(ItemView::of(kept.write_up.incident, kept.service, item, now))
    });
    Ok(Json(ended.await?))
}

/// Action items of all write-ups, with how many are where and how old they are.
#[utoipa::path(
    get,
    path = "/api/v1/action-items",
    tag = "incidents",
    params(ItemQuery),
    responses(
        (status = 200, description = "A page of them; of services that the caller may not see, none", body = ItemList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn items(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<ItemQuery>,
) -> Result<Json<ItemList>, Problem> {
    let limit = page_size(asked.limit, PAGE_DEFAULT, PAGE_MAX)?;
    let (changes, now) = (app.changes.clone(), app.clock.now());
    let listed = wait::<_, ChangesError>(move || {
        let ItemQuery { service, owner, open, late, mut before, .. } = asked;
        let is_asked = |item: &ActionItem| {
            owner.as_ref().is_none_or(|owner| item.owner == *owner)
                && (!open || item.state == ActionState::Open)
                && (!late || item.is_late(now))
        };
        let mut items = Vec::new();
        loop {
            let (listed, next) =
                changes.write_ups(service.as_deref(), before, PAGE_DEFAULT, &caller)?;
            for kept in listed {
                let incident = &kept.write_up.incident;
                let own = kept.write_up.actions.iter().filter(|item| is_asked(item));
                let view = |item: &ActionItem| {
                    ItemView::of(incident.clone(), kept.service.clone(), item.clone(), now)
                };
                items.extend(own.map(view));
                before = Some(kept.number);
                // Items of one write-up stay together.
                if items.len() >= limit {
                    return Ok((items, before));
                }
            }
            if next.is_none() {
                return Ok((items, None));
            }
            before = next;
        }
    });
    let (items, next) = listed.await?;
    let summary = summary(items.iter().map(|of| &of.item), now);
    Ok(Json(ItemList { items, summary, next }))
}

/// Tells action items what came of `.slotest` files: an item is done when its test passes, and open again when that fails
/// later. Items name a file by its path, or by the end of it.
#[utoipa::path(
    post,
    path = "/api/v1/slotest-runs",
    tag = "incidents",
    request_body = RunsRequest,
    responses(
        (status = 200, description = "The action items that changed, of services for which the caller may", body = RunsAnswer),
        (status = 422, description = "There are too many, or it is not said what was tested", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn tested(
    State(app): State<App>,
    sent: Sent,
) -> Result<Json<RunsAnswer>, Problem> {
    let (asked, caller): (RunsRequest, _) = sent.json(&app, "slotest").await?;
    let now = app.clock.now();
    let at = asked.at.map_or(Ok(now), |text| moment("at", &text))?;
    if at > now {
        return Err(meant("`at` has not come; hint: leave it out for a run that has just ended"));
    }
    if asked.version.trim().is_empty() || asked.version.len() > 1_024 {
        return Err(meant(
            "`version` does not say what was tested; hint: a version, a commit or an address",
        ));
    }
    if asked.runs.len() > RUNS_MAX {
        return Err(meant(&format!(
            "there are more than {RUNS_MAX} runs; hint: tell them in parts"
        )));
    }
    let (changes, version) = (app.changes.clone(), asked.version);
    let results: Vec<(String, Option<String>, Option<bool>)> =
        asked.runs.into_iter().map(|run| (run.file, run.test, run.passed)).collect();
    let changed = wait::<_, IncidentActError>(move || {
        let judge = |of: &Outcome| {
            let Outcome::SloTest { file, test } = of else { return None };
            let is_of = |path: &str| {
                path == file
                    || path.strip_suffix(file.as_str()).is_some_and(|rest| rest.ends_with('/'))
            };
            let own: Vec<Option<bool>> = results
                .iter()
                .filter(|(path, name, _)| {
                    is_of(path) && (test.is_none() || name.is_none() || name == test)
                })
                .map(|(.., passed)| *passed)
                .collect();
            let passed = if own.contains(&Some(false)) {
                Some(false)
            } else if own.contains(&None) {
                None
            } else {
                Some(true)
            };
            (!own.is_empty()).then(|| Run { of: of.clone(), at, passed, version: version.clone() })
        };
        changes.tested(judge, &caller, now)
    });
    Ok(Json(RunsAnswer { changed: changed.await? }))
}
