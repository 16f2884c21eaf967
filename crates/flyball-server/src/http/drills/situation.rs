//! What a drill would be now: how much it may spend, and everything that has to be met before it begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flyball_catalog::Catalog;
use flyball_connect::Asked;
use flyball_govern::drill::{
    Arriving, Check, Contract, Dose, Drill, NoDose, Situation, dose, preconditions,
};
use flyball_govern::gate::{Decision, Outcome, ReasonKind};
use flyball_model::{ChangeKind, Duration, Incident, Phase, Severity, Timestamp, Warranty};

use super::super::App;
use super::super::administration::wait;
use super::super::gate::{decided, question};
use super::super::problem::Problem;
use crate::changes::{Changes, ChangesError, DrillRun};
use crate::drills::counts::{Counted, Paying, counted, paying};
use crate::drills::{DrillsError, before};
use crate::evaluator::Agreed;

/// Over how long it is looked how fast events come.
const ARRIVING_OVER: Duration = Duration::from_minutes(10);

/// A drill as it would be now.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) dose: Result<Dose, NoDose>,
    pub(super) checks: Vec<Check>,
    /// Bad and valid events of the time before.
    pub(super) usual: (u64, u64),
    /// The bad events of the window.
    pub(super) bad: u64,
    /// The services that depend on its own, each with when it was told of the next run, if it was.
    pub(super) told: BTreeMap<String, Option<Timestamp>>,
}

/// What is kept that bears on a drill.
#[derive(Default)]
struct Kept {
    incidents: Vec<String>,
    observed: Vec<String>,
    underway: Vec<String>,
    told: Vec<(String, Timestamp)>,
}

/// What is known of drills, looked at together.
pub(super) struct Looking {
    app: App,
    catalog: Arc<Catalog>,
    counted: BTreeMap<String, Counted>,
    paying: BTreeMap<String, Paying>,
    agreed: Vec<Agreed>,
    now: Timestamp,
}

impl Looking {
    /// Of `drills`, which `catalog` holds.
    ///
    /// # Errors
    ///
    /// A problem with status 503 where something cannot be read.
    pub(super) async fn at(
        app: &App,
        catalog: &Arc<Catalog>,
        drills: &[Drill],
    ) -> Result<Self, Problem> {
        let now = app.clock.now();
        let slos: BTreeSet<String> = drills.iter().map(|drill| drill.spec.slo.clone()).collect();
        let slos: Vec<String> = slos.into_iter().collect();
        let counted = counted(&app.evaluator, slos.clone(), before(now)).await;
        let paying = paying(&app.evaluator, slos).await;
        let services: BTreeSet<&String> = drills.iter().map(|drill| &drill.spec.service).collect();
        let agreed = app.evaluator.agreed(services.into_iter().cloned().collect()).await;
        Ok(Self {
            app: app.clone(),
            catalog: Arc::clone(catalog),
            counted: counted.map_err(DrillsError::from)?,
            paying: paying.map_err(DrillsError::from)?,
            agreed: agreed.map_err(DrillsError::Ledger)?,
            now,
        })
    }

    /// What `drill` would be now.
    ///
    /// # Errors
    ///
    /// A problem with status 503 where something cannot be read.
    pub(super) async fn look(&self, drill: &Drill) -> Result<Looked, Problem> {
        let (now, slo) = (self.now, &drill.spec.slo);
        let nothing = Counted::default();
        let counted = self.counted.get(slo).unwrap_or(&nothing);
        let complete = counted.complete;
        let recent = counted.between(complete.minus(ARRIVING_OVER), complete);
        let arriving = Arriving { valid: recent.valid(), per: ARRIVING_OVER };
        let usual = counted.between(before(now), complete);
        let pays = self.paying.get(slo);
        let contracts = self.contracts(drill);
        let found = pays
            .map_or(Err(NoDose::NoData), |pays| dose(drill, &pays.budget, &contracts, arriving));
        let governance = &self.catalog.governance;
        let dependants: BTreeSet<&str> = governance.dependants(&drill.spec.service).collect();
        let names: Vec<String> = dependants.iter().map(|name| (*name).to_owned()).collect();
        let kept = self.kept(drill, names).await?;
        let lasts = found.as_ref().map_or(drill.spec.longest, |dose| dose.lasts);
        let unmanned = self.unmanned(&drill.spec.service, lasts).await?;
        let team = governance.service(&drill.spec.service);
        let situation = Situation {
            now,
            dose: found.clone(),
            is_fresh: Some(counted.is_fresh(now)),
            fresh_within: counted.fresh_within(),
            frozen_by: self.frozen_by(&drill.spec.service).await,
            incidents: Some(kept.incidents),
            observed: Some(kept.observed),
            drills: Some(kept.underway),
            team: team.and_then(|of| of.spec.working_hours.as_ref()),
            unmanned,
            window: pays.and_then(|pays| pays.window),
            told: kept.told.iter().map(|(who, at)| (who.as_str(), *at)).collect(),
            dependants: Some(dependants),
            // It is done before anything is broken, and what cannot be silenced is not broken.
            silenced: Some(true),
            guarded: Some(self.app.drills.is_guarded(drill)),
        };
        let checks = preconditions(drill, &situation);
        let when = |name: &str| kept.told.iter().find(|(who, _)| who == name).map(|(_, at)| *at);
        let told = governance.dependants(&drill.spec.service);
        Ok(Looked {
            dose: found,
            checks,
            usual: (usual.bad(), usual.valid()),
            bad: pays.map_or(0, |pays| pays.budget.counted.bad()),
            told: told.map(|name| (name.to_owned(), when(name))).collect(),
        })
    }

    /// The contracts of the service that `drill` makes worse about the events that it makes bad: those of the SLO that
    /// pays, and of others that measure the same.
    fn contracts(&self, drill: &Drill) -> Vec<Contract> {
        let of = |name: &str| self.catalog.set.slos.iter().find(|slo| slo.name == name);
        let indicator = of(&drill.spec.slo).and_then(|slo| slo.indicator.as_ref());
        let is_same = |name: &str| {
            let other = of(name).and_then(|slo| slo.indicator.as_ref());
            name == drill.spec.slo || (other.is_some() && other == indicator)
        };
        let agreed = self.agreed.iter().filter(|agreed| {
            agreed.service == drill.spec.service && is_same(&agreed.agreement.slo)
        });
        let contract = |agreed: &Agreed| Contract {
            name: format!("{} with {}", agreed.agreement.name, agreed.agreement.with),
            counted: agreed.counted,
            target: agreed.agreement.target,
        };
        agreed.map(contract).collect()
    }

    /// What freezes changes of `service`, in words; `None` where that cannot be told.
    async fn frozen_by(&self, service: &str) -> Option<Option<String>> {
        let question = question(Asked::default(), service.to_owned(), None, self.now).ok()?;
        let (decision, _) = decided(&self.app, &question).await.ok()?;
        frozen_by(&decision)
    }

    /// When a page of `service` would call nobody first, at the beginning or at the end of the time that it `lasts`.
    async fn unmanned(&self, service: &str, lasts: Duration) -> Result<Option<Timestamp>, Problem> {
        let (service, moments) = (service.to_owned(), [self.now, self.now.plus(lasts)]);
        let found = self.app.evaluator.ask(move |it| {
            let board = it.switchboard();
            let first = board.chain_of(&service)?.spec.levels.first()?;
            let is_nobody = |at: &Timestamp| board.who(first, Severity::Page, *at).is_empty();
            moments.into_iter().find(is_nobody)
        });
        Ok(found.await?)
    }

    async fn kept(&self, drill: &Drill, dependants: Vec<String>) -> Result<Kept, Problem> {
        let (changes, drill, now) = (self.app.changes.clone(), drill.clone(), self.now);
        wait(move || kept(&changes, &drill, &dependants, now)).await
    }
}

/// What freezes changes on account of a decision on one, in words; `None` where that cannot be told. An advisory policy
/// that would freeze them does: nothing has to be broken then.
#[expect(clippy::option_option, reason = "the outer one means that it can be told")]
fn frozen_by(decision: &Decision) -> Option<Option<String>> {
    let freezes = decision.reasons.iter().find(|reason| {
        use ReasonKind::{Block, Freeze, Level};
        reason.outcome == Outcome::Deny && matches!(reason.kind, Block | Freeze | Level)
    });
    match (freezes, decision.outcome) {
        (Some(reason), _) => Some(Some(reason.text.clone())),
        (None, Outcome::Undecidable) => None,
        (None, _) => Some(None),
    }
}

fn kept(
    changes: &Changes,
    drill: &Drill,
    dependants: &[String],
    now: Timestamp,
) -> Result<Kept, ChangesError> {
    let mut kept = Kept::default();
    let service = &drill.spec.service;
    for service in dependants.iter().chain([service]) {
        let lasting: Vec<Incident> = changes.lasting(service)?;
        kept.incidents.extend(lasting.into_iter().map(|of| of.id));
    }
    kept.incidents.sort_unstable();
    kept.incidents.dedup();
    let times = (now.minus(Warranty::DEFAULT.hold()), now.plus(Duration::from_days(1)));
    let (recent, _) = changes.changes_of(std::slice::from_ref(service), times)?;
    let is_observed = |of: &crate::changes::Kept| {
        of.change.kind != ChangeKind::Drill && matches!(of.phase(now), Phase::Observing { .. })
    };
    let observed = recent.iter().filter(|of| is_observed(of));
    kept.observed = observed.map(|of| of.change.id.clone()).collect();
    let underway = changes.drills_unsettled()?;
    let underway = underway.iter().filter(|run| run.is_underway());
    kept.underway = underway.map(|run| run.watch.drill.clone()).collect();
    // One announcement is of one run: of the next.
    let last = changes.drill_run_last(drill)?.as_ref().and_then(DrillRun::began);
    kept.told = changes.when_told_of_drill(&drill.name, dependants)?;
    kept.told.retain(|(_, at)| last.is_none_or(|last| *at > last));
    Ok(kept)
}
