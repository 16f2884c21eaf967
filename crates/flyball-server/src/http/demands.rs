//! Post-mortems that policies demand: looked for once an hour, kept when they arise, told when they are late; waived by
//! whoever answers for the service. Action items that are late are told of as well.

use std::time::Duration as Wait;

use axum::Json;
use axum::extract::State;
use flyball_catalog::Catalog;
use flyball_govern::alert::Reminder;
use flyball_govern::incident::{Again, CLASSED_OVER, KeptDemand, Waived};
use flyball_govern::policy::{PostMortem, PostMortemReason, PostMortemRule};
use flyball_model::{CHANGE_TEXT_BYTES_MAX, Duration, Slo, Timestamp};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::App;
use super::administration::wait;
use super::attribution::by_cause_inside;
use super::extract::{Path, Sent, meant};
use super::problem::Problem;
use super::services::Learnt;
use crate::attribution::Attribution;
use crate::auth::Role;
use crate::changes::{ChangesError, IncidentActError};
use crate::tasks::Tasks;

/// How often it is looked what is demanded.
const EACH: Duration = Duration::from_hours(1);
/// How long to wait until what could not be read or kept is tried again.
const AGAIN: Wait = Wait::from_secs(5);

/// Why what is demanded is not to be written.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaiverRequest {
    /// The incident of which no post-mortem is to be written.
    incident: Option<String>,
    /// The class of outages that is to have no place in the next plan; give this or an incident.
    class: Option<String>,
    /// Why, in a sentence.
    #[schema(max_length = 1024)]
    why: String,
}

/// Waives the post-mortem of an incident, or the place of a class in the next plan, that the policy demands of a service:
/// of all its SLOs at once. It is in the audit log.
#[utoipa::path(
    post,
    path = "/api/v1/services/{name}/post-mortem-waivers",
    tag = "incidents",
    params(("name" = String, Path, description = "The service")),
    request_body = WaiverRequest,
    responses(
        (status = 200, description = "What is waived", body = Vec<Object>),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing of it is demanded", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It does not say what or why", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(super) async fn waive(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<Json<Vec<KeptDemand>>, Problem> {
    let (asked, caller) = sent.json_for(&app, "waiver", (Role::Owner, &service)).await?;
    let WaiverRequest { incident, class, why } = asked;
    let reason = match (incident, class) {
        (Some(id), None) => PostMortemReason::Incident { id },
        (None, Some(class)) => PostMortemReason::Class { class },
        _ => return Err(meant("what is waived is not said; hint: give `incident` or `class`")),
    };
    if why.trim().is_empty() || why.len() > CHANGE_TEXT_BYTES_MAX {
        return Err(meant("`why` is empty or too long; hint: say it in a sentence"));
    }
    let (changes, waived) =
        (app.changes.clone(), Waived { who: caller.actor(), at: app.clock.now(), why });
    let found = wait::<_, IncidentActError>(move || changes.waive(&service, &reason, &waived));
    Ok(Json(found.await?))
}

/// Looks for what is demanded from now on.
pub(crate) fn start(app: App) -> Tasks {
    let tasks = Tasks::default();
    tasks.spawn(run(app, tasks.stopped().clone()));
    tasks
}

/// Looks until the server goes down.
async fn run(app: App, stop: CancellationToken) {
    let mut ticks = app.evaluator.ticks();
    let mut looked = None;
    loop {
        let hour = app.clock.now().floor(EACH);
        let mut failed = false;
        if looked != Some(hour) {
            match look(&app).await {
                Ok(()) => looked = Some(hour),
                Err(_) if app.evaluator.has_ended() => return,
                Err(problem) => {
                    let said = problem.text();
                    tracing::error!(%said, "post-mortems are not looked for; it is tried again");
                    failed = true;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            ticked = ticks.changed(), if !failed => if ticked.is_err() { return },
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Looks at every service once.
async fn look(app: &App) -> Result<(), Problem> {
    let services = app.evaluator.ask(|evaluator| {
        let catalog: &Catalog = evaluator.catalog();
        let of = |service: &str| {
            let tier = catalog.governance.tier(service);
            let policy = catalog.governance.policy(&tier.spec.policy);
            (service.to_owned(), policy.and_then(|policy| policy.spec().post_mortem))
        };
        catalog.services().into_iter().map(of).collect::<Vec<_>>()
    });
    for (service, rule) in services.await? {
        match look_at(app, &service, rule).await {
            Ok(()) => {}
            Err(problem) if app.evaluator.has_ended() => return Err(problem),
            // One that cannot be read holds up no other.
            Err(problem) => {
                let said = problem.text();
                tracing::error!(service, %said, "what is demanded is not looked for before the next hour");
            }
        }
    }
    Ok(())
}

/// Looks at one service.
async fn look_at(app: &App, service: &str, rule: Option<PostMortemRule>) -> Result<(), Problem> {
    let now = app.clock.now();
    let mut learnt = Learnt::of(app, service, now).await?;
    // Where nothing happened nothing is demanded.
    if let Some(rule) = rule.filter(|_| !learnt.records.is_empty()) {
        let new = arising(app, service, rule, &learnt).await?;
        let (changes, kept) = (app.changes.clone(), new.clone());
        wait::<_, ChangesError>(move || changes.demand(&kept, now)).await?;
        learnt.demanded.extend(new);
    }
    for reminder in reminders(service, &learnt, now) {
        tell(app, reminder).await?;
    }
    super::money::look(app, service).await
}

/// What `rule` demands of `service` now and did not before: of incidents by what the windows hold, of classes by the last
/// quarter.
async fn arising(
    app: &App,
    service: &str,
    rule: PostMortemRule,
    learnt: &Learnt,
) -> Result<Vec<KeptDemand>, Problem> {
    let now = app.clock.now();
    let quarter = (Some(now.minus(CLASSED_OVER)), Some(now));
    let is_class = |of: &PostMortem| matches!(of.reason, PostMortemReason::Class { .. });
    let mut new: Vec<KeptDemand> = Vec::new();
    for (during, of_classes) in [((None, None), false), (quarter, true)] {
        let asked = service.to_owned();
        let is_asked = move |slo: &Slo| slo.service == asked && slo.composition.is_none();
        let found: Vec<Attribution> = by_cause_inside(app, is_asked, during).await?;
        for spent in &found {
            let is_asked = |of: &PostMortem| is_class(of) == of_classes;
            let kept = (&*learnt.records, &*learnt.written, &*learnt.demanded);
            let found = spent.demands(&rule, is_asked, kept, now).into_iter();
            let found = found.map(|(_, demand)| demand);
            // What is met already is not demanded.
            let stands = |of: &KeptDemand| of.stands(&learnt.records, &learnt.written);
            new.extend(found.filter(|of| stands(of).is_some_and(|of| !of.is_met)));
        }
    }
    Ok(new)
}

/// What is to be told of `service`: each thing that is demanded, again when its day is over, and late action items.
fn reminders(service: &str, learnt: &Learnt, now: Timestamp) -> Vec<Reminder> {
    let Learnt { records, written, demanded } = learnt;
    let reminder = |key: String, title: String, text: &str| Reminder {
        key: format!("{key}/{service}"),
        service: service.to_owned(),
        title,
        text: text.to_owned(),
        at: now,
        target: None,
    };
    let mut found = Vec::new();
    for demand in demanded {
        let Some(stands) = demand.stands(records, written).filter(|of| !of.is_met) else {
            continue;
        };
        let share =
            format!("{:.1} % of the budget of {}", stands.of.share.to_f64() * 100.0, demand.slo);
        let (name, title, text) = match &demand.reason {
            PostMortemReason::Incident { id } => match demand.after {
                None => (
                    format!("post-mortem/{id}"),
                    format!("a post-mortem of {id} is demanded: it spent {share}"),
                    "`flyball incident post-mortem write` begins it.",
                ),
                Some(after) => (
                    format!("post-mortem/{id}/{after}"),
                    format!(
                        "{} is demanded: it has spent {share}",
                        edition(id, after, stands.again)
                    ),
                    "`flyball incident post-mortem write` begins it; what was published is kept.",
                ),
            },
            PostMortemReason::Class { class } => (
                format!("post-mortem/class/{class}/{}", demand.since),
                format!("outages of the class {class} spent {share} in a quarter"),
                "They ask for an action item of the priority P0 in a published post-mortem of one of them.",
            ),
        };
        // While an incident lasts people have other things to do.
        if matches!(demand.reason, PostMortemReason::Incident { .. }) && stands.due.is_none() {
            continue;
        }
        let is_late = stands.due.is_some_and(|due| due < now);
        found.push(reminder(name.clone(), title, text));
        if is_late {
            let title = format!("{} is late", name.replace('/', " of "));
            found.push(reminder(format!("{name}/late"), title, text));
        }
    }
    for write_up in written {
        for item in write_up.actions.iter().filter(|item| item.is_late(now)) {
            let (incident, id) = (&write_up.incident, &item.id);
            let key = format!("action/{incident}/{id}/{}", item.due);
            let title = format!(
                "the action item {id} of {incident} was due by the end of {} UTC",
                item.due
            );
            found.push(reminder(key, title, &format!("{}: {}", item.owner, item.text)));
        }
    }
    found
}

/// The edition of the post-mortem of `id` that is demanded since it came back after the one published at `after`.
fn edition(id: &str, after: Timestamp, again: Option<Again>) -> String {
    let which = again.map_or("a new edition".to_owned(), |of| format!("edition {}", of.edition));
    let back = again.and_then(|of| of.came_back);
    let back = back.map(|at| format!(" at {at:.0}")).unwrap_or_default();
    format!(
        "{which} of the post-mortem of {id}, which came back{back} after the one of {after:.0},"
    )
}

/// Tells who is told of tickets of the service, unless that was told.
async fn tell(app: &App, reminder: Reminder) -> Result<(), Problem> {
    let (changes, key) = (app.changes.clone(), reminder.key.clone());
    if wait::<_, ChangesError>(move || changes.was_told(&key)).await? {
        return Ok(());
    }
    let told = reminder.clone();
    let reminded = app.evaluator.ask(move |evaluator| evaluator.remind(&told)).await?;
    reminded.map_err(ChangesError::from)?;
    let changes = app.changes.clone();
    let Reminder { key, service, title, at, .. } = reminder;
    wait::<_, ChangesError>(move || changes.keep_told((&key, &service), &title, at)).await
}
