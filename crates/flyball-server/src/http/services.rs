//! Services: whose they are, how they stand, whether their next change may ship.

pub(super) mod card;
mod catalogue;
mod outcome;
mod remark;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_budget::Status;
use flyball_budget::live::LiveError;
use flyball_catalog::{Catalog, faults};
use flyball_govern::alert;
use flyball_govern::custody::Holder;
use flyball_govern::gate::Decision;
use flyball_model::{Incident, Interval, Slo, Timestamp};
use flyball_query::near_matches;
use flyball_store::StoreError;
use utoipa::ToSchema;

use super::administration::wait;
use super::alerts::{AlertInfo, waiting};
use super::attribution::{by_cause, by_cause_inside};
use super::extract::{PartQuery, Path, Query, part};
use super::friction::hurting;
use super::gate::{GateQuestion, decided, question};
use super::oncall::LevelNow;
use super::problem::Problem;
use super::reviews::ReviewLine;
use super::{App, oncall, shapes};
use crate::agreements::AgreementStatus;
use crate::attribution::Attribution;
use crate::auth::Caller;
use crate::changes::{ChangeView, ChangesError, DrillRun};
use crate::evaluator::SloStatus;
use crate::gate::GateError;
use crate::rotas::RotaError;
use crate::support::{choices, drifted};
use card::{Called, Chosen, CustodyLine, Known, Owner, ServiceCard, Ship};
pub(super) use card::{Due, Learnt, due};
use catalogue::FaultInfo;
pub(super) use catalogue::{__path_catalogue, catalogue};
pub(super) use outcome::{__path_outcome, __path_push_outcome, outcome, push_outcome};
pub(super) use remark::{__path_remark, remark};

/// Services that nothing but changes is known of, at most.
const RECORDED_MAX: usize = 10_000;
/// Changes on a card.
const CHANGES_SHOWN: usize = 5;
/// Alerts, and incidents, on a card.
const ALERTS_SHOWN: usize = 20;
/// Reviews on a card.
const REVIEWS_SHOWN: usize = 20;

/// A page of services.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct ServiceList {
    /// By name.
    services: Vec<ServiceLine>,
    /// What to ask with as `after` for the next page; null when this is the last.
    next: Option<usize>,
}

/// A service in a list.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct ServiceLine {
    /// What SLOs, events and changes call it.
    name: String,
    /// Whose it is.
    #[serde(flatten)]
    owner: Owner,
    /// Its SLOs that are evaluated.
    slos: u64,
    /// Missed when any SLO is; else no data when any has none, and without SLOs; else met.
    #[schema(value_type = shapes::Kept)]
    status: Status,
    /// Its alerts that fire.
    firing: u64,
    /// Who carries its pager: `developers`, `shared` or `sre`; null when nothing is known of it, or it is retired.
    #[schema(value_type = Option<String>)]
    holder: Option<Holder>,
    /// How many things the catalogue finds wrong with it, as far as the caller may see.
    faults: u64,
}

/// Every service that anything is known of: those that documents describe, promise something for or probe, and
/// those that changes were told of.
#[utoipa::path(
    get,
    path = "/api/v1/services",
    tag = "services",
    params(PartQuery),
    responses(
        (status = 200, description = "A page of services, by name", body = ServiceList),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<PartQuery>,
) -> Result<Json<ServiceList>, Problem> {
    let asked = asked.read()?;
    let (changes, custodies) = (app.changes.clone(), app.custodies.clone());
    let kept = wait(move || {
        let recorded = changes.services(RECORDED_MAX)?;
        Ok::<_, GateError>((recorded, custodies.all()?))
    });
    let (recorded, custodies) = kept.await?;
    let now = app.clock.now();
    let seer = caller.clone();
    app.evaluator.join(move |slo| seer.sees(&slo.service)).await?;
    let answer = app.evaluator.ask(move |evaluator| {
        let statuses = evaluator.statuses(|slo| caller.sees(&slo.service))?;
        let mut of_service: BTreeMap<&str, Vec<Status>> = BTreeMap::new();
        for slo in &statuses {
            of_service.entry(&slo.service).or_default().push(slo.status);
        }
        let mut firing: BTreeMap<&str, u64> = BTreeMap::new();
        let fires = |of: &&alert::Alert| of.state == alert::State::Firing;
        for one in evaluator.desk().alerts().filter(fires) {
            *firing.entry(&one.subject.service).or_default() += 1;
        }
        let catalog = evaluator.catalog();
        let faults = faults(catalog, now);
        let names: BTreeSet<&str> =
            catalog.services().into_iter().chain(recorded.iter().map(String::as_str)).collect();
        let services = names.into_iter().filter(|name| caller.sees(name)).map(|name| {
            let slos = of_service.get(name).map_or(&[][..], Vec::as_slice);
            ServiceLine {
                name: name.to_owned(),
                owner: Owner::of(catalog, name, now),
                slos: slos.len() as u64,
                status: Status::worst(slos),
                firing: firing.get(name).copied().unwrap_or_default(),
                holder: match custodies.get(name) {
                    Some(custody) => custody.holder(now),
                    None => evaluator.is_promised(name).then_some(Holder::Developers),
                },
                faults: faults
                    .get(name)
                    .map_or(0, |faults| FaultInfo::seen(faults, &caller).len() as u64),
            }
        });
        let (services, next) = part(services.collect(), asked);
        Ok::<_, LiveError<StoreError>>(ServiceList { services, next })
    });
    Ok(Json(answer.await??))
}

/// One service on a card: whose it is, whether a feature may ship now and why, what is left of its budgets and
/// what spent them, its last changes, who is called.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}",
    tag = "services",
    params(("name" = String, Path, description = "The service", example = "checkout")),
    responses(
        (status = 200, description = "The card", body = ServiceCard),
        (status = 400, description = "The name cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<ServiceCard>, Problem> {
    if !caller.sees(&name) {
        return Err(absent(&app, &caller, &name).await?);
    }
    Ok(Json(card(&app, &caller, &name).await?))
}

/// What happened to a service of late.
struct Recent {
    changes: Vec<ChangeView>,
    incidents: Vec<Incident>,
    drills: Vec<DrillRun>,
}

/// What is evaluated of a service.
struct Live {
    slos: Vec<SloStatus>,
    alerts: Vec<AlertInfo>,
    catalog: Arc<Catalog>,
    promised: Option<Timestamp>,
}

/// Who carries the pager of a service, and its last review by each checklist.
async fn care(
    app: &App,
    service: &str,
    promised: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Option<CustodyLine>, Vec<ReviewLine>), Problem> {
    let (custodies, reviews) = (app.custodies.clone(), app.reviews.clone());
    let (board, of) = (app.rotas.switchboard().await?, service.to_owned());
    wait(move || {
        let custody = custodies.get(&of, promised)?;
        let mut seen = BTreeSet::new();
        let mut last = reviews.of_service(&of)?;
        last.retain(|review| seen.insert(review.checklist.clone()));
        last.truncate(REVIEWS_SHOWN);
        let custody = custody.map(|custody| CustodyLine::of(&custody, board.misrouted(&of), now));
        let reviews = last.iter().map(|review| ReviewLine::of(review, now)).collect();
        Ok::<_, GateError>((custody, reviews))
    })
    .await
}

/// The card of a service that `caller` sees.
///
/// # Errors
///
/// A problem with status 404 when nothing is known of it.
pub(super) async fn card(app: &App, caller: &Caller, name: &str) -> Result<ServiceCard, Problem> {
    let now = app.clock.now();
    let (changes, of, seer) = (app.changes.clone(), name.to_owned(), caller.clone());
    let recent = wait(move || {
        let kept = changes.list(Some(&of), None, CHANGES_SHOWN, &seer)?;
        let mut incidents = changes.lasting(&of)?;
        incidents.truncate(ALERTS_SHOWN);
        let underway = changes.drills_unsettled()?;
        let changes = kept.into_iter().map(|kept| changes.view(kept, now)).collect();
        let drills = underway.into_iter().filter(DrillRun::is_underway).collect();
        Ok::<_, ChangesError>(Recent { changes, incidents, drills })
    });
    let recent = recent.await?;
    let learnt = Learnt::of(app, name, now).await?;
    let asked = name.to_owned();
    app.evaluator.join(move |slo| slo.service == asked).await?;
    let asked = name.to_owned();
    let found = app.evaluator.ask(move |evaluator| {
        let slos = evaluator.statuses(|slo| slo.service == asked)?;
        let desk = evaluator.desk();
        let is_open =
            |of: &&alert::Alert| of.subject.service == asked && of.state != alert::State::Resolved;
        let alerts = desk.alerts().rev().filter(is_open).take(ALERTS_SHOWN);
        let waiting = waiting(desk);
        let alerts = alerts.map(|of| AlertInfo::of(desk, of, &waiting, now));
        let alerts: Vec<AlertInfo> = alerts.collect();
        let catalog = Arc::clone(evaluator.catalog());
        Ok::<_, LiveError<StoreError>>(Live {
            slos,
            alerts,
            catalog,
            promised: evaluator.promised_since(&asked),
        })
    });
    let Live { slos, alerts, catalog, promised } = found.await??;
    if !catalog.services().contains(name) && recent.changes.is_empty() {
        return Err(absent(app, caller, name).await?);
    }
    let Recent { changes, incidents, drills } = recent;
    let changes = changes.into_iter().map(|view: ChangeView| view.seen_by(caller)).collect();
    // The rest of the card is as true without it.
    let ship = shipping(app, name, now).await.map(Ship::of).map_err(|problem| problem.text());
    let asked = name.to_owned();
    let is_asked = move |slo: &Slo| slo.service == asked && slo.composition.is_none();
    let by_cause = by_cause_inside(app, is_asked, (None, None)).await;
    let seen = |found: Vec<Attribution>| found.into_iter().map(|of| of.seen_by(caller)).collect();
    let by_cause = by_cause.map(seen).map_err(|problem| problem.text());
    let agreements = agreements(app, caller, &[name.to_owned()]).await?;
    let called = called(app, name, now).await?;
    let (custody, reviews) = care(app, name, promised, now).await?;
    let (control, of) = (app.control.clone(), name.to_owned());
    let found = wait(move || {
        let chosen = choices(&control, &of, None, 1)?;
        Ok::<_, ChangesError>((chosen, drifted(&control, &of)?, hurting(&control, &of, now)?))
    });
    let (chosen, drifted, friction) = found.await?;
    let chosen = chosen.into_iter().next().map(|(_, choice)| Chosen::of(choice));
    let faults = faults(&catalog, now).remove(name).unwrap_or_default();
    let faults = FaultInfo::seen(&faults, caller);
    let known = Known {
        slos,
        by_cause,
        agreements,
        drills,
        alerts,
        changes,
        incidents,
        learnt,
        called,
        ship,
        custody,
        chosen,
        drifted,
        reviews,
        faults,
        friction,
    };
    Ok(ServiceCard::new(&catalog, (name, now), known, |service| caller.sees(service)))
}

/// The agreements of `services` and whether they are kept, with what happened where they are not.
///
/// # Errors
///
/// A problem where the ledger or the control state cannot be read.
pub(super) async fn agreements(
    app: &App,
    caller: &Caller,
    services: &[String],
) -> Result<Vec<AgreementStatus>, Problem> {
    let agreed = app.evaluator.agreed(services.to_vec()).await?;
    let mut agreements: Vec<_> = agreed.into_iter().map(AgreementStatus::of).collect();
    for agreement in &mut agreements {
        let Some(during) = agreement.broken() else { continue };
        let (from, to) = (during.start(), during.end());
        let (changes, of) = (app.changes.clone(), [agreement.service.clone()]);
        let past = wait(move || changes.past(&of, (from, to))).await?;
        let slo = agreement.slo().to_owned();
        let found = by_cause(app, move |of| of.name == slo, (Some(from), Some(to))).await?;
        let found = found.into_iter().next().map(|found| found.seen_by(caller));
        agreement.happened(&past, found);
    }
    Ok(agreements)
}

/// Who is called for a page of the service, and when nobody of its first rota can be soon.
async fn called(app: &App, service: &str, now: Timestamp) -> Result<Called, Problem> {
    let (board, service) = (app.rotas.switchboard().await?, service.to_owned());
    let asked = service.clone();
    let paged = app.evaluator.ask(move |evaluator| evaluator.hearers(&asked)).await?;
    wait(move || {
        let levels = LevelNow::of(&board, &service, now);
        let first = board.chain_of(&service).and_then(|chain| chain.spec.levels.first());
        let uncovered = first.and_then(|level| {
            let rota = board.rota(&level.rota)?;
            let during = Interval::starting(now, oncall::AHEAD);
            let found = rota.coverage(during, &board.exceptions(&level.rota));
            found.gaps.first().map(|gap| gap.span)
        });
        Ok::<_, RotaError>(Called { levels, uncovered, paged })
    })
    .await
}

/// Whether a feature of the service may ship now, to everybody at once.
async fn shipping(app: &App, service: &str, now: Timestamp) -> Result<Decision, Problem> {
    let question = question(GateQuestion::default().into(), service.to_owned(), None, now)?;
    Ok(decided(app, &question).await?.0)
}

/// Refuses a service of which nothing is known, neither a document nor a change: most likely its name is
/// misspelt.
pub(super) async fn is_there(app: &App, caller: &Caller, name: &str) -> Result<(), Problem> {
    let asked = name.to_owned();
    if app.evaluator.ask(move |evaluator| evaluator.catalog().services().contains(&*asked)).await? {
        return Ok(());
    }
    let (changes, asked, seer) = (app.changes.clone(), name.to_owned(), caller.clone());
    if wait(move || changes.list(Some(&asked), None, 1, &seer)).await?.is_empty() {
        return Err(absent(app, caller, name).await?);
    }
    Ok(())
}

/// That there is no such service, with the nearest name of those that there are.
pub(super) async fn absent(app: &App, caller: &Caller, name: &str) -> Result<Problem, Problem> {
    let seer = caller.clone();
    let known = app.evaluator.ask(move |evaluator| {
        let services = evaluator.catalog().services().into_iter();
        services.filter(|name| seer.sees(name)).map(str::to_owned).collect::<Vec<_>>()
    });
    let known = known.await?;
    let hint = match near_matches(name, known.iter().map(String::as_str)).first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => "GET /api/v1/services lists them".to_owned(),
    };
    let said = format!("nothing is known of a service `{name}`; hint: {hint}");
    Ok(Problem::new(StatusCode::NOT_FOUND, &said))
}
