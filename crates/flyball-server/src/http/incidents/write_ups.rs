//! Write-ups of incidents: written, read by somebody else, published; blameless.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_govern::SERVER;
use flyball_govern::incident::{
    Blame, By, EntryKind, Field, IncidentCost, IncidentRecord, PostMortemState, WriteUp,
};
use flyball_model::Timestamp;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::super::administration::{self, wait};
use super::super::described::IncidentRefusals;
use super::super::extract::{Path, Query, Sent, meant, page_size};
use super::super::problem::Problem;
use super::super::{App, shapes};
use super::cost::{CostAnswer, cost_of};
use super::timeline::timeline_of;
use super::{found, said_of};
use crate::auth::Caller;
use crate::changes::{
    ChangesError, Figures, IncidentActError, KeptWriteUp, PAGE_DEFAULT, PAGE_MAX,
};

/// The longest text of one field. Bytes; what is longer than a heading takes is refused with its name.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// The most addresses where more is found, and authors.
const SUPPORTING_MAX: usize = 64;

/// What is written of an incident. What is left out stays.
#[derive(Debug, Default, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct WriteRequest {
    /// What it is called.
    title: Option<String>,
    /// Who writes it beside the caller, as the audit log names them.
    authors: Vec<String>,
    /// What happened.
    summary: Option<String>,
    /// Who was hit, how, and what it cost.
    impact: Option<String>,
    /// Why the system let it happen.
    root_causes: Option<String>,
    /// What set it off.
    trigger: Option<String>,
    /// What ended it.
    resolution: Option<String>,
    /// How it was noticed.
    detection: Option<String>,
    /// What went well.
    went_well: Option<String>,
    /// What went wrong.
    went_wrong: Option<String>,
    /// Where luck helped.
    lucky: Option<String>,
    /// Where more is found; addresses.
    supporting: Option<Vec<String>>,
}

/// Where a write-up goes.
#[derive(Debug, Clone, Copy, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WriteUpTo {
    /// Back to whoever writes it.
    Draft,
    /// To somebody else, who reads it.
    InReview,
    /// To everybody.
    Published,
}

/// Where a write-up is to go.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct MoveRequest {
    /// `in_review`, published, or back to draft.
    to: WriteUpTo,
}

/// A write-up.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct WriteUpView {
    /// In which order write-ups were begun.
    number: u64,
    /// The service whose incident it is of; null when nobody said.
    service: Option<String>,
    /// What is written, with its action items.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    write_up: WriteUp,
    /// The headings under which nothing is said.
    #[schema(value_type = Vec<String>)]
    missing: Vec<Field>,
    /// Where it blames somebody: a person's name, which is refused, or words that ask nothing.
    #[schema(value_type = Vec<Object>)]
    blames: Vec<Blame>,
}

/// A write-up with what belongs to it.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct WriteUpAnswer {
    #[serde(flatten)]
    write_up: WriteUpView,
    /// What the incident cost by SLO, once it is published as it was then; null where the ledger cannot tell.
    #[schema(value_type = Option<Vec<Object>>)]
    costs: Option<Vec<Value>>,
    /// The attribute that told users apart; null where none did.
    users_by: Option<String>,
    /// What happened, oldest first, without the names of people; once it is published as it was then.
    #[schema(value_type = Vec<Happened>)]
    timeline: Vec<Value>,
    /// The editions before, oldest first: each with its `write_up` and its `figures`, which are costs and timeline, as they
    /// were published.
    #[schema(value_type = Vec<Object>)]
    earlier: Vec<Value>,
    /// What authors are called who are told of by an id, as far as that is known.
    people: BTreeMap<String, String>,
}

/// Something that happened, without who did it.
#[derive(Debug, serde::Serialize, ToSchema)]
struct Happened {
    /// When.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// What it is of: moment, alert, change, decision, role or note.
    #[schema(value_type = String)]
    kind: EntryKind,
    /// What happened.
    text: String,
    /// The service to which it happened; null of what the record of the incident says.
    service: Option<String>,
}

/// A page of write-ups.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(in crate::http) struct WriteUpList {
    /// Those begun last first.
    post_mortems: Vec<WriteUpView>,
    /// What to ask with as `before` for the next page; null when this is the last.
    next: Option<u64>,
}

/// Which write-ups, or action items, are asked for.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct WrittenQuery {
    /// Only those of this service.
    pub(super) service: Option<String>,
    /// Only those of write-ups begun before the one of this number.
    #[serde(default, deserialize_with = "crate::http::extract::number")]
    pub(super) before: Option<u64>,
    /// Of at most so many write-ups; 100 unless told.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<usize>,
}

/// The people who are named in a record, as texts may name them: an address by what is before its `@`, what the audit log
/// calls them without saying that they are people. Tokens and the server are nobody.
pub(super) fn people(record: &IncidentRecord, authors: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    let authors = authors.iter().map(String::as_str);
    for name in record.people().into_iter().chain(authors) {
        let is_nobody = name == "anyone" || name == SERVER || name.starts_with("token:");
        if is_nobody {
            continue;
        }
        let name = name.strip_prefix("person:").unwrap_or(name);
        let name = name.split_once(" (").map_or(name, |(name, _)| name);
        let own = name.split_once('@').map(|(own, _)| own);
        names.extend([Some(name), own].into_iter().flatten().map(str::to_owned));
    }
    names.sort_unstable();
    names.dedup();
    names
}

impl WriteUpView {
    fn of(kept: KeptWriteUp, record: Option<&IncidentRecord>) -> Self {
        let KeptWriteUp { number, service, write_up, .. } = kept;
        let people = record.map(|record| people(record, &write_up.authors)).unwrap_or_default();
        let blames = write_up.blames(people.iter().map(String::as_str));
        let missing = write_up.missing();
        Self { number, service, write_up, missing, blames }
    }
}

/// What the ledger says that it cost, in sentences, to begin with.
fn impact(costs: &[IncidentCost]) -> String {
    let mut said = String::new();
    for IncidentCost { slo, bad, budget, users, .. } in costs {
        let budget = budget.map(|share| format!(", {:.1} % of its budget", share.to_f64() * 100.0));
        let users = users.map(|of| format!(", {} of {} users", of.hit, of.seen));
        let (budget, users) = (budget.unwrap_or_default(), users.unwrap_or_default());
        // Writing to a string cannot fail.
        let _ = write!(said, "{slo}: {bad} bad{budget}{users}. ");
    }
    said.truncate(said.trim_end().len());
    said
}

/// Begins what is written of an incident, or goes on with it while it is a draft. It begins with what is known: moments,
/// what the ledger says that it cost, the change that was named.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/post-mortem",
    tag = "incidents",
    params(("id" = String, Path, description = "The incident")),
    request_body = WriteRequest,
    responses(
        (status = 200, description = "What is written", body = WriteUpView),
        (status = 422, description = "It is no draft, or a text is too long", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn write(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Json<WriteUpView>, Problem> {
    let (asked, caller, kept): (WriteRequest, _, _) = said_of(&app, &id, sent).await?;
    check(&asked)?;
    let record = kept.record;
    let (changes, of) = (app.changes.clone(), record.incident.id.clone());
    let is_begun = wait::<_, ChangesError>(move || Ok(changes.write_up(&of)?.is_some())).await?;
    let cost = if is_begun { None } else { cost_of(&app, &caller, &record).await.ok() };
    let impact = cost.map(|cost| impact(&cost.costs)).unwrap_or_default();
    let (changes, who, now) = (app.changes.clone(), caller.actor(), app.clock.now());
    let written = wait::<_, IncidentActError>(move || {
        let kept = changes.write(&record, (&who, now), "post_mortem.write", |known| {
            let mut write_up = known.unwrap_or_else(|| WriteUp::begin(&record, &who, impact, now));
            write_up.reopen(&record)?;
            write_up.drafted()?;
            fill(&mut write_up, asked, &who);
            let detail = json!({ "missing": write_up.missing() });
            Ok((write_up, detail))
        })?;
        Ok(WriteUpView::of(kept, Some(&record)))
    });
    Ok(Json(written.await?))
}

fn check(asked: &WriteRequest) -> Result<(), Problem> {
    let WriteRequest { title, summary, impact, root_causes, trigger, resolution, .. } = asked;
    let WriteRequest { detection, went_well, went_wrong, lucky, authors, supporting, .. } = asked;
    let texts = [
        title,
        summary,
        impact,
        root_causes,
        trigger,
        resolution,
        detection,
        went_well,
        went_wrong,
        lucky,
    ];
    let listed = authors.iter().chain(supporting.iter().flatten());
    let longest = texts.into_iter().flatten().chain(listed).map(String::len).max();
    if longest.is_some_and(|bytes| bytes > TEXT_BYTES_MAX) {
        let said = format!("a text has more than {TEXT_BYTES_MAX} bytes; hint: link to the rest");
        return Err(meant(&said));
    }
    let many = authors.len().max(supporting.as_ref().map_or(0, Vec::len));
    if many > SUPPORTING_MAX {
        let said = format!("a list has more than {SUPPORTING_MAX} entries; hint: link to a page");
        return Err(meant(&said));
    }
    Ok(())
}

fn fill(write_up: &mut WriteUp, asked: WriteRequest, who: &str) {
    for author in asked.authors.into_iter().chain([who.to_owned()]) {
        if !write_up.authors.contains(&author) && write_up.authors.len() < SUPPORTING_MAX {
            write_up.authors.push(author);
        }
    }
    let lessons = &mut write_up.lessons;
    let texts = [
        (&mut write_up.title, asked.title),
        (&mut write_up.summary, asked.summary),
        (&mut write_up.impact, asked.impact),
        (&mut write_up.root_causes, asked.root_causes),
        (&mut write_up.trigger, asked.trigger),
        (&mut write_up.resolution, asked.resolution),
        (&mut write_up.detection, asked.detection),
        (&mut lessons.well, asked.went_well),
        (&mut lessons.wrong, asked.went_wrong),
        (&mut lessons.lucky, asked.lucky),
    ];
    for (known, told) in texts {
        if let Some(told) = told {
            *known = told;
        }
    }
    if let Some(supporting) = asked.supporting {
        write_up.supporting = supporting;
    }
}

/// Moves a write-up on: to somebody else who reads it, once it is complete, names nobody, and has an item that comes first;
/// then to everybody, by somebody who has not written it; or back.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/post-mortem/state",
    tag = "incidents",
    params(("id" = String, Path, description = "The incident")),
    request_body = MoveRequest,
    responses(
        (status = 200, description = "Where it is", body = WriteUpView),
        (status = 422, description = "Something is missing, somebody is named, or it is the reviewer's own", body = Problem, content_type = "application/problem+json"),
        IncidentRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(in crate::http) async fn move_on(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Json<WriteUpView>, Problem> {
    let (MoveRequest { to }, caller, kept) = said_of(&app, &id, sent).await?;
    let record = kept.record;
    let figures = match to {
        WriteUpTo::Published => Some(published(&app, &record).await?),
        WriteUpTo::Draft | WriteUpTo::InReview => None,
    };
    let (changes, who, now) = (app.changes.clone(), caller.actor(), app.clock.now());
    let moved = wait::<_, IncidentActError>(move || {
        let by = By { who: &who, at: now, why: "" };
        let (figures, spent) = figures.unzip();
        let action = ("post_mortem.move", figures);
        let kept = changes.write_with(&record, (&who, now), action, |known| {
            let mut write_up = known.ok_or(NOT_WRITTEN)?;
            let people = people(&record, &write_up.authors);
            let people = people.iter().map(String::as_str);
            match to {
                WriteUpTo::Draft => write_up.send_back()?,
                WriteUpTo::InReview => write_up.submit(people, by.at)?,
                WriteUpTo::Published => write_up.publish(by.who, people, by.at)?,
            }
            write_up.spent = spent.unwrap_or(write_up.spent);
            let detail = json!({ "state": write_up.state });
            Ok((write_up, detail))
        })?;
        Ok(WriteUpView::of(kept, Some(&record)))
    });
    Ok(Json(moved.await?))
}

/// What a write-up says of an incident from its publication on, all of it, and the bad events of each SLO that are its own.
///
/// # Errors
///
/// A problem where something cannot be read now: what is published stays as it is. What never can be told is left out.
async fn published(
    app: &App,
    record: &IncidentRecord,
) -> Result<(Figures, BTreeMap<String, u64>), Problem> {
    let caller = &Caller::Anyone;
    let cost = match cost_of(app, caller, record).await {
        Err(problem) if AGAIN.map(|of| of.as_u16()).contains(&problem.status) => {
            return Err(problem);
        }
        cost => cost.ok(),
    };
    let costs = cost.iter().flat_map(|cost| &cost.costs);
    let spent = costs.map(|of| (of.slo.clone(), of.bad)).collect();
    let authors = {
        let (changes, id) = (app.changes.clone(), record.incident.id.clone());
        let known = wait::<_, ChangesError>(move || changes.write_up(&id)).await?;
        known.map(|known| known.write_up.authors).unwrap_or_default()
    };
    Ok((figures(app, caller, (record, &authors), cost).await?, spent))
}

/// What the ledger and the record say of an incident, as far as `caller` may see; `cost` is what it cost, where that can be
/// told.
async fn figures(
    app: &App,
    caller: &Caller,
    (record, authors): (&IncidentRecord, &[String]),
    cost: Option<CostAnswer>,
) -> Result<Figures, Problem> {
    let (costs, users_by) = cost.map_or((None, None), |cost| (Some(cost.costs), cost.users_by));
    let costs = costs.map(|costs| costs.iter().map(|of| json!(of)).collect());
    let timeline = happened(app, caller, record, authors).await?;
    Ok(Figures { costs, users_by, timeline })
}

/// What happened in an incident, without the names of people.
async fn happened(
    app: &App,
    caller: &Caller,
    record: &IncidentRecord,
    authors: &[String],
) -> Result<Vec<Value>, Problem> {
    let timeline = timeline_of(app, caller, record).await?;
    // Corrections are of the record, and no part of what happened; what people noted may name somebody.
    let hidden = people(record, authors);
    let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
    let entries = timeline.entries.into_iter().filter(|entry| entry.kind != EntryKind::Edit);
    let timeline = entries.map(|entry| {
        let text = flyball_govern::incident::without_names(&entry.text, &hidden);
        json!(Happened { at: entry.at, kind: entry.kind, text, service: entry.service })
    });
    Ok(timeline.collect())
}

/// What is answered where something may be read a moment later.
const AGAIN: [StatusCode; 2] = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];

/// Whether `caller` sees the service that `of` names.
fn is_seen(of: &Value, caller: &Caller) -> bool {
    of["service"].as_str().is_some_and(|service| caller.sees(service))
}

/// What of a timeline that was published `caller` may see, who sees some services only; `None` of one that does not say of
/// which services it is, as before that was kept.
fn timeline_seen(timeline: &[Value], caller: &Caller) -> Option<Vec<Value>> {
    let is_known = |entry: &Value| entry.get("service").is_some();
    let is_shown = |entry: &&Value| entry["service"].is_null() || is_seen(entry, caller);
    let shown = || timeline.iter().filter(is_shown).cloned().collect();
    timeline.iter().all(is_known).then(shown)
}

/// What of an edition before `caller` may see: of one that sees some services only, what it cost these and what happened to
/// them.
fn seen(mut edition: Value, caller: &Caller) -> Value {
    if !caller.sees_all() {
        if let Some(costs) = edition.pointer_mut("/figures/costs").and_then(Value::as_array_mut) {
            costs.retain(|cost| is_seen(cost, caller));
        }
        if let Some(Value::Array(timeline)) = edition.pointer_mut("/figures/timeline") {
            *timeline = timeline_seen(timeline, caller).unwrap_or_default();
        }
    }
    edition
}

/// The refusal of what nobody has begun to write.
pub(super) const NOT_WRITTEN: IncidentActError = IncidentActError::Unknown(
    "write-up",
    "`flyball incident post-mortem` begins one, POST to its path does",
);

/// What is written of an incident, with what it cost and what happened. Names of people are left out of what happened.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}/post-mortem",
    tag = "incidents",
    params(("id" = String, Path, description = "The incident")),
    responses(
        (status = 200, description = "What is written", body = WriteUpAnswer),
        (status = 404, description = "Nobody has begun it, or the caller may not see the incident", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Something cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn write_up(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<WriteUpAnswer>, Problem> {
    let record = found(&app, &caller, &id).await?.record;
    let (changes, of) = (app.changes.clone(), record.incident.id.clone());
    let kept = wait::<_, IncidentActError>(move || changes.write_up(&of)?.ok_or(NOT_WRITTEN));
    let kept = kept.await?;
    let (earlier, shown) = (kept.earlier.clone(), kept.figures.clone());
    let authors = kept.write_up.authors.clone();
    let mut figures = if let Some(figures) = shown.filter(|_| kept.write_up.is_published()) {
        figures
    } else {
        let cost = cost_of(&app, &caller, &record).await.ok();
        figures(&app, &caller, (&record, &authors), cost).await?
    };
    if !caller.sees_all() {
        if let Some(costs) = &mut figures.costs {
            costs.retain(|cost| is_seen(cost, &caller));
        }
        figures.timeline = match timeline_seen(&figures.timeline, &caller) {
            Some(timeline) => timeline,
            None => happened(&app, &caller, &record, &authors).await?,
        };
    }
    let people = administration::people(&app, authors.into_iter().collect()).await?;
    let write_up = WriteUpView::of(kept, Some(&record));
    let Figures { costs, users_by, timeline } = figures;
    let earlier = earlier.into_iter().map(|edition| seen(edition, &caller)).collect();
    Ok(Json(WriteUpAnswer { write_up, costs, users_by, timeline, earlier, people }))
}

/// Write-ups, those begun last first.
#[utoipa::path(
    get,
    path = "/api/v1/post-mortems",
    tag = "incidents",
    params(WrittenQuery),
    responses(
        (status = 200, description = "A page of them; of services that the caller may not see, none", body = WriteUpList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(in crate::http) async fn write_ups(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(WrittenQuery { service, before, limit }): Query<WrittenQuery>,
) -> Result<Json<WriteUpList>, Problem> {
    let limit = page_size(limit, PAGE_DEFAULT, PAGE_MAX)?;
    let changes = app.changes.clone();
    let listed = wait::<_, ChangesError>(move || {
        let (listed, next) = changes.write_ups(service.as_deref(), before, limit, &caller)?;
        let mut views = Vec::with_capacity(listed.len());
        for kept in listed {
            let record = changes.incident(&kept.write_up.incident)?.map(|of| of.record);
            views.push(WriteUpView::of(kept, record.as_ref()));
        }
        Ok((views, next))
    });
    let (post_mortems, next) = listed.await?;
    Ok(Json(WriteUpList { post_mortems, next }))
}

/// Refuses to change what everybody has read.
///
/// # Errors
///
/// A problem with status 422.
pub(super) fn unpublished(write_up: &WriteUp) -> Result<(), IncidentActError> {
    if matches!(write_up.state, PostMortemState::Published { .. }) {
        return Err(flyball_govern::incident::WriteUpError::State { state: "published" }.into());
    }
    Ok(())
}
