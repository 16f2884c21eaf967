//! What the server knows of a service when somebody reviews it or its pager is to change hands, put together in one place.
//!
//! What it does not know stays unknown: a criterion that asks for it neither holds nor fails.

use std::collections::BTreeSet;
use std::sync::Arc;

use flyball_budget::live::LiveError;
use flyball_catalog::{Catalog, faults};
use flyball_govern::catalogue::Fault;
use flyball_govern::custody::Custody;
use flyball_govern::delivery::{Measures, measure};
use flyball_govern::evidence::{
    BudgetEvidence, DEPLOYMENTS_DAYS, PAGES_WEEKS, Part, QUARTERS, ServiceEvidence,
};
use flyball_govern::gate::{BudgetFacts, Counts};
use flyball_govern::review::Said;
use flyball_govern::service::DependencyKind;
use flyball_model::{Duration, Interval, Slo, Timestamp};
use flyball_store::StoreError;

use super::administration::wait;
use super::attribution::by_cause_inside;
use super::delivery::gather;
use super::problem::Problem;
use super::services::card::Due;
use super::services::{Learnt, due};
use super::{App, room};
use crate::auth::Caller;
use crate::delivery::Whose;
use crate::evaluator::{Calendar, ServedError, ServiceFacts};
use crate::gate::GateError;
use crate::remarks::remarks;

/// What is known of a service, and what it was told from.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) catalog: Arc<Catalog>,
    pub(super) evidence: ServiceEvidence,
    /// Who carries its pager; `None` when nothing is known of it.
    pub(super) custody: Option<Custody>,
}

/// What the evaluator knows of a service.
struct Evaluated {
    catalog: Arc<Catalog>,
    facts: ServiceFacts,
    promised: Option<Timestamp>,
    rules: Part,
    told: u64,
}

/// What is known of `service` now, of which the caller may know.
///
/// # Errors
///
/// A problem with status 404 when nothing is known of it, 429 when too much is looked at, 503 where something cannot
/// be read.
pub(super) async fn known(app: &App, caller: &Caller, service: &str) -> Result<Known, Problem> {
    let _room = room(app).await?;
    let now = app.clock.now();
    let asked = service.to_owned();
    app.evaluator.join(move |slo| slo.service == asked).await?;
    let asked = service.to_owned();
    let evaluated = app.evaluator.ask(move |evaluator| {
        Ok::<_, LiveError<StoreError>>(Evaluated {
            facts: evaluator.service_facts(&asked, false)?,
            promised: evaluator.promised_since(&asked),
            rules: evaluator.paging_rules(&asked),
            told: evaluator.hearers(&asked).len() as u64,
            catalog: Arc::clone(evaluator.catalog()),
        })
    });
    let Evaluated { catalog, facts, promised, rules, told } = evaluated.await??;
    let mut evidence = documented(&catalog, service, now);
    evidence.budgets = Some(budgets(&catalog, service, &facts.budgets));
    let quarters = catalog.governance.custody_rules(service);
    let quarters = quarters.map_or(QUARTERS, |rules| rules.spec().hand_back.missed.of);
    let quarters = u32::try_from(quarters.max(QUARTERS)).unwrap_or(u32::MAX);
    let mut has_data = false;
    match app.evaluator.calendar(service, quarters).await {
        Ok(Calendar { months, quarters, events, hours, is_held }) => {
            (evidence.months, evidence.quarters) = (months, quarters);
            (evidence.events, evidence.hours) = (events, hours);
            has_data = is_held;
        }
        // More than one look takes in is as good as not known.
        Err(ServedError::TooMuch { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    (evidence.runbooks, evidence.told) = (Some(rules), Some(told));
    let weeks = u32::try_from(7 * PAGES_WEEKS).unwrap_or(u32::MAX);
    let month = now.minus(Duration::from_days(weeks));
    // Where nothing could have called anybody for as long, or nobody knows how it did, silence says nothing.
    let could_page = rules.whole > 0 && has_data && promised.is_some_and(|since| since <= month);
    delivered(app, caller, service, &mut evidence).await?;
    evidence.unwritten = unwritten(app, &catalog, service).await;
    let (changes, custodies) = (app.changes.clone(), app.custodies.clone());
    let (control, asked) = (app.control.clone(), service.to_owned());
    let kept = wait(move || {
        let pages = could_page.then(|| changes.pages_of(&asked, (month, now))).transpose()?;
        let said =
            remarks(&control, &asked, (Timestamp::MIN, now.plus(Duration::from_seconds(1))))?;
        let custody = custodies.get(&asked, promised)?;
        Ok::<_, GateError>((pages, said, custody))
    });
    let (pages, said, custody) = kept.await?;
    evidence.pages = pages;
    evidence.said = Some(Said::of(&said));
    let holder = custody.as_ref().and_then(|custody| custody.holder(now));
    evidence.custody = holder.zip(custody.as_ref().map(|custody| custody.since(now)));
    evidence.self_managed = custody.as_ref().and_then(|custody| custody.self_managed(now));
    let (changes, asked) = (app.changes.clone(), service.to_owned());
    evidence.incidents_open = Some(wait(move || changes.incidents_open(&asked)).await?);
    Ok(Known { catalog, evidence, custody })
}

/// What documents say of a service.
fn documented(catalog: &Catalog, service: &str, at: Timestamp) -> ServiceEvidence {
    let described = catalog.governance.service(service);
    let found = faults(catalog, at).remove(service).unwrap_or_default();
    let hard = described.map(|of| {
        let hard = of.spec.dependencies.iter().filter(|of| of.kind == DependencyKind::Hard);
        hard.count() as u64
    });
    let lack = |fault: &&Fault| matches!(fault, Fault::DependencyWithoutSlo { .. });
    let lacking = found.iter().filter(lack).count() as u64;
    let exceeds = found
        .iter()
        .any(|fault| matches!(fault, Fault::AboveDependency { .. } | Fault::AboveProduct { .. }));
    // Of what promises nothing, or different things, nobody knows whether it allows as much.
    let is_unclear = found.iter().any(|fault| matches!(fault, Fault::DependencyUnclear { .. }));
    let is_told = hard.is_some() && lacking == 0 && !is_unclear;
    ServiceEvidence {
        tier: Some(catalog.governance.tier(service).name),
        catalogue_faults: Some(found.len() as u64),
        without_slo: hard.map(|whole| Part { part: lacking, whole }),
        above_dependencies: (exceeds || is_told).then_some(exceeds),
        ..ServiceEvidence::of(described, at)
    }
}

/// The objectives of a service as they are counted; those of SLOs that are not evaluated have no data.
fn budgets(catalog: &Catalog, service: &str, facts: &[BudgetFacts]) -> Vec<BudgetEvidence> {
    let evaluated: BTreeSet<&str> = facts.iter().map(|budget| budget.slo.as_str()).collect();
    let counted = facts.iter().filter(|budget| budget.slice.is_none()).map(|budget| {
        let (valid, bad) = match budget.counts {
            Counts::Counted { valid, bad } => (valid, bad),
            Counts::Never | Counts::Gone => (0, 0),
        };
        let (slo, target) = (budget.slo.clone(), budget.target);
        BudgetEvidence { slo, target, valid, bad, coverage_ppm: budget.coverage_ppm }
    });
    let is_missing = |slo: &&Slo| slo.service == service && !evaluated.contains(slo.name.as_str());
    let missing = catalog.set.slos.iter().filter(is_missing).flat_map(|slo| {
        slo.objectives.iter().map(|objective| BudgetEvidence {
            slo: slo.name.clone(),
            target: objective.target,
            valid: 0,
            bad: 0,
            coverage_ppm: None,
        })
    });
    counted.chain(missing).collect()
}

/// How it was deployed, and how soon its outages were over, in the last [`DEPLOYMENTS_DAYS`].
async fn delivered(
    app: &App,
    caller: &Caller,
    service: &str,
    evidence: &mut ServiceEvidence,
) -> Result<(), Problem> {
    let days = u32::try_from(DEPLOYMENTS_DAYS).unwrap_or(u32::MAX);
    let during = Interval::ending(app.clock.now(), Duration::from_days(days));
    let whose = Whose::Service(service.to_owned());
    let gathered = gather(app, caller, (whose, None), during).await?;
    let measured = wait(move || {
        let history = gathered.history();
        Ok::<_, GateError>(measure(&gathered.facts(&history)))
    });
    let Measures { change_failure, lead_time, restore, .. } = measured.await?;
    let fates = change_failure.fates;
    let decided = fates.healthy + fates.failed;
    evidence.deployments = Some(decided + fates.undecided);
    evidence.failed = Some(Part { part: fates.failed, whole: decided });
    evidence.lead_time = lead_time.commits.map(|commits| commits.median);
    evidence.restore = restore.outages.map(|outages| outages.median);
    Ok(())
}

/// How many post-mortems are due and not published.
async fn unwritten(app: &App, catalog: &Catalog, service: &str) -> Option<u64> {
    let policy = catalog.governance.policy(&catalog.governance.tier(service).spec.policy)?;
    let rule = policy.spec().post_mortem;
    let asked = service.to_owned();
    let is_asked = move |slo: &Slo| slo.service == asked && slo.composition.is_none();
    let spent = by_cause_inside(app, is_asked, (None, None)).await.ok()?;
    let now = app.clock.now();
    let learnt = Learnt::of(app, service, now).await.ok()?;
    let due = due(rule, &spent, &learnt, now);
    let incidents: BTreeSet<&str> = due.iter().filter_map(Due::unpublished).collect();
    Some(incidents.len() as u64)
}
