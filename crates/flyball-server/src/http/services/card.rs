//! The card of a service: one page that a product manager understands.

use std::collections::BTreeSet;

use flyball_budget::{Reason as Why, Status};
use flyball_catalog::Catalog;
use flyball_govern::custody::{Advice, Custody, HandBack, Holder, Party};
use flyball_govern::gate::{Decision, Outcome, PolicyUsed, Reach, Reason};
use flyball_govern::incident::{Again, Demand, IncidentRecord, KeptDemand, WriteUp};
use flyball_govern::money::{self, OutOfHours};
use flyball_govern::policy::{Number, PostMortem, PostMortemReason, PostMortemRule};
use flyball_govern::service::{Dependency, Lifecycle, Revenue, ServiceLink, SupportModel};
use flyball_model::{BudgetingMethod, Duration, Incident, Interval, Target, Timestamp};
use utoipa::ToSchema;

use super::catalogue::FaultInfo;
use crate::agreements::AgreementStatus;
use crate::attribution::{Attribution, ObjectiveAttribution};
use crate::changes::{ChangeView, DrillRun};
use crate::evaluator::{ObjectiveStatus, SloStatus};
use crate::http::App;
use crate::http::administration::wait;
use crate::http::alerts::AlertInfo;
use crate::http::friction::FrictionView;
use crate::http::oncall::LevelNow;
use crate::http::problem::Problem;
use crate::http::reviews::ReviewLine;
use crate::http::shapes;

/// Slices of one objective that a card names: those with the most bad events.
const SLICES_SHOWN: usize = 3;
/// Causes of one objective that a card names: those that spent most.
const CAUSES_SHOWN: usize = 3;

/// Whose a service is.
#[derive(Debug, Clone, Default, serde::Serialize, ToSchema)]
pub(crate) struct Owner {
    /// A name for people.
    pub(crate) display_name: Option<String>,
    /// What it does.
    pub(crate) description: Option<String>,
    /// The team that builds and runs it; null when nobody said.
    pub(crate) team: Option<String>,
    /// The product that it is part of; null when nobody said.
    pub(crate) product: Option<String>,
    /// The product manager who answers for its targets; null when nobody said.
    pub(crate) accountable: Option<String>,
    /// Who decides for them at the moment.
    pub(crate) delegate: Option<String>,
    /// How critical it is: the name of its tier.
    pub(crate) tier: String,
    /// The journeys of users that it takes part in.
    pub(crate) journeys: Vec<String>,
    /// What is not earned in an hour that it is down, as `amount` and `currency`; null when nobody said.
    #[schema(value_type = Option<Object>)]
    pub(crate) revenue_per_hour: Option<Revenue>,
    /// Who runs it: `developers`, `operations`, `mixed`, `shared` or `sre`; null when nobody said.
    #[schema(value_type = Option<String>)]
    pub(crate) support_model: Option<SupportModel>,
    /// How far it is in its life: `experimental`, `production` or `deprecated`; null when nobody said.
    #[schema(value_type = Option<String>)]
    pub(crate) lifecycle: Option<Lifecycle>,
    /// The last day for which its team is paid; null when nobody said.
    pub(crate) funded_until: Option<String>,
}

impl Owner {
    /// Whose `service` is at `now`, as documents say.
    pub(crate) fn of(catalog: &Catalog, service: &str, now: Timestamp) -> Self {
        let described = catalog.set.services.iter().find(|of| of.name == service);
        let spec = catalog.governance.service(service).map(|of| &of.spec);
        let accountable = spec.and_then(|spec| spec.accountable.as_ref());
        let delegate = accountable.and_then(|of| of.delegate.as_ref());
        Self {
            display_name: described.and_then(|of| of.display_name.clone()),
            description: described.and_then(|of| of.description.clone()),
            team: spec.and_then(|spec| spec.team.clone()),
            product: spec.and_then(|spec| spec.product.clone()),
            accountable: accountable.map(|of| of.who.clone()),
            delegate: delegate.filter(|of| of.during.contains(now)).map(|of| of.who.clone()),
            tier: catalog.governance.tier(service).name,
            journeys: spec.map(|spec| spec.journeys.clone()).unwrap_or_default(),
            revenue_per_hour: spec.and_then(|spec| spec.revenue_per_hour.clone()),
            support_model: spec.and_then(|spec| spec.support_model),
            lifecycle: spec.and_then(|spec| spec.lifecycle),
            funded_until: spec.and_then(|spec| Some(spec.funded_until?.to_string())),
        }
    }
}

/// One service on one page.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct ServiceCard {
    /// What SLOs, events and changes call it.
    name: String,
    /// The moment of looking.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// Whose it is.
    #[serde(flatten)]
    owner: Owner,
    /// What services of its tier are held to.
    held_to: HeldTo,
    /// Who is called, in words; null when nobody said.
    on_call: Option<String>,
    /// Who would be called by a page now, level by level; null when it has neither rota nor escalation.
    called: Option<Vec<LevelNow>>,
    /// The first stretch of the next 28 days in which nobody of the first rota can be paged; null when there is none,
    /// and without a rota.
    #[schema(value_type = Option<shapes::Stretch>)]
    uncovered: Option<Interval>,
    /// The alert targets that hear of its pages: those that are told of them, and those of the people who may be called.
    paged: Vec<String>,
    /// What to do when it is down.
    runbook: Option<String>,
    /// Where more is said of it.
    #[schema(value_type = Vec<Object>)]
    links: Vec<ServiceLink>,
    /// The services that it asks.
    #[schema(value_type = Vec<Object>)]
    dependencies: Vec<Dependency>,
    /// The services that say they ask it, of those that the caller may see.
    dependants: Vec<String>,
    /// Whether a feature may ship now, to everybody at once, and why; null where that cannot be told.
    ship: Option<Ship>,
    /// Why that cannot be told.
    ship_problem: Option<String>,
    /// Missed when any SLO or contract is; else no data when any has none, and without either; else met.
    #[schema(value_type = shapes::Kept)]
    status: Status,
    /// What is left of its budgets, those with the least first; what nothing is known of last.
    budgets: Vec<BudgetLine>,
    /// What contracts promise of it, and whether that is kept.
    agreements: Vec<AgreementStatus>,
    /// The drills that break it now, or what it asks.
    drills: Vec<DrillNow>,
    /// Its alerts that are pending or fire, the newest first; at most 20.
    alerts: Vec<AlertInfo>,
    /// Its incidents that last, those that were heard of last first; at most 20.
    #[schema(value_type = Vec<Object>)]
    incidents: Vec<Incident>,
    /// What the policy wants to be written up: incidents and classes of outages, for what they spent of a budget. It stays
    /// until it is met or waived.
    post_mortems: Vec<Due>,
    /// Why it cannot be told what spent the budgets, so that more may be wanted; null where it can.
    spent_problem: Option<String>,
    /// The five changes that were heard of last, and what became of them.
    changes: Vec<ChangeView>,
    /// Who carries its pager; null when nothing is known of it.
    custody: Option<CustodyLine>,
    /// Who was chosen last to run it, with what it is to promise; null when nobody has chosen.
    chosen: Option<Chosen>,
    /// Where reality has left what was chosen for its support, in sentences, as it was looked within the hour.
    drifted: Vec<String>,
    /// Its last review by each checklist, those opened last first; at most 20.
    reviews: Vec<ReviewLine>,
    /// What is wrong with it in the catalogue.
    faults: Vec<FaultInfo>,
    /// What hurts people who work on it and is neither mended nor accepted, what hurt most in the last quarter first; at
    /// most five.
    friction: Vec<FrictionView>,
}

/// A drill that goes on.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct DrillNow {
    /// Its run, by key.
    key: String,
    /// The drill.
    drill: String,
    /// The service that is made worse.
    service: String,
    /// The SLO that pays.
    slo: String,
    /// Since when the fault is there, or may be; null before that.
    #[schema(value_type = Option<shapes::Instant>)]
    since: Option<Timestamp>,
    /// The bad events that it may spend.
    dose: u64,
}

impl DrillNow {
    fn of(run: DrillRun) -> Self {
        Self {
            key: run.key().to_owned(),
            since: run.began(),
            dose: run.watch.dose,
            drill: run.watch.drill,
            service: run.spec.service,
            slo: run.spec.slo,
        }
    }
}

/// Who was chosen to run a service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct Chosen {
    /// Who chose.
    who: String,
    /// When.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// Who runs it: `developers`, `operations`, `mixed`, `shared` or `sre`.
    #[schema(value_type = String)]
    model: money::SupportModel,
    /// Who is called out of hours: `none`, `domain` or `team`.
    #[schema(value_type = String)]
    out_of_hours: OutOfHours,
    /// What it is to promise.
    #[schema(value_type = shapes::Promise)]
    target: Target,
}

impl Chosen {
    /// What `choice` says.
    pub(super) fn of(choice: money::SupportChoice) -> Self {
        let money::SupportChoice { who, at, model, out_of_hours, target, .. } = choice;
        Self { who, at, model, out_of_hours, target }
    }
}

/// Who carries a pager, in short.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct CustodyLine {
    /// Who: `developers`, `shared` or `sre`; null once the service is retired.
    #[schema(value_type = Option<String>)]
    holder: Option<Holder>,
    /// Since when.
    #[schema(value_type = shapes::Instant)]
    since: Timestamp,
    /// Who is to be called, in this order: `developers`, `operations` or `rota`.
    #[schema(value_type = Vec<String>)]
    called: Vec<Party>,
    /// That its pages do not call them first, in a sentence; null when they do, or nobody is called.
    misrouted: Option<String>,
    /// Who advises the developers since it went back to them; null otherwise.
    #[schema(value_type = Option<Object>)]
    advice: Option<Advice>,
    /// To whom a step is proposed; null without one.
    #[schema(value_type = Option<String>)]
    step: Option<Holder>,
    /// When it goes back to the developers, as things stand; null when it stays.
    #[schema(value_type = Option<shapes::Instant>)]
    returns: Option<Timestamp>,
}

impl CustodyLine {
    /// What `custody` is at `at`.
    pub(super) fn of(custody: &Custody, misrouted: Option<String>, at: Timestamp) -> Self {
        let holder = custody.holder(at);
        let returns = custody.notice().and_then(HandBack::returns);
        Self {
            holder,
            since: custody.since(at),
            called: holder.map_or_else(Vec::new, |holder| holder.called().to_vec()),
            misrouted,
            advice: custody.advice(at),
            step: custody.transfer().map(|step| step.to),
            returns: returns.filter(|returns| *returns > at),
        }
    }
}

/// A post-mortem, or a place in the next plan, that is demanded.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct Due {
    /// The SLO whose budget was spent.
    slo: String,
    /// The incident; null of a class.
    incident: Option<String>,
    /// The class of outages, which asks for an action item of the priority P0 in a published write-up of one of them; null
    /// of an incident.
    class: Option<String>,
    /// The share of the budget that it spent, as a decimal; more than 1 is more than all of it. Once it is demanded it stays: it
    /// is that of the window, or of a class the 90 days, that ended `demanded`; before that of those that end now.
    #[schema(value_type = String)]
    share: Number,
    /// When it was demanded; null where the next look, within the hour, will demand it if it has spent as much then.
    #[schema(value_type = Option<shapes::Instant>)]
    demanded: Option<Timestamp>,
    /// By when it is due: two weeks after the end of the incident; null while that lasts, and of a class.
    #[schema(value_type = Option<shapes::Instant>)]
    by: Option<Timestamp>,
    /// Whether that is over, and it is not published.
    is_late: bool,
    /// Whether it is published; of a class, whether it has its place in the plan.
    is_published: bool,
    /// The further edition that it asks for, since the incident came back: which `edition` that is, counted from 1, when the one
    /// before was `published`, and when it `came_back`; null where no edition was published before.
    #[schema(value_type = Option<Object>)]
    again: Option<Again>,
}

impl Due {
    fn of(
        slo: &str,
        Demand { of, due, is_met, again }: Demand,
        (demanded, now): (Option<Timestamp>, Timestamp),
    ) -> Self {
        let (incident, class) = match of.reason {
            PostMortemReason::Incident { id } => (Some(id), None),
            PostMortemReason::Class { class } => (None, Some(class)),
        };
        Self {
            slo: slo.to_owned(),
            incident,
            class,
            share: of.share,
            demanded,
            by: due,
            is_late: !is_met && due.is_some_and(|due| due < now),
            is_published: is_met,
            again,
        }
    }

    /// The incident, unless its post-mortem is published.
    pub(in crate::http) fn unpublished(&self) -> Option<&str> {
        self.incident.as_deref().filter(|_| !self.is_published)
    }
}

/// What is kept of incidents of a service, what is written of them, and what was demanded.
pub(in crate::http) struct Learnt {
    pub(in crate::http) records: Vec<IncidentRecord>,
    pub(in crate::http) written: Vec<WriteUp>,
    pub(in crate::http) demanded: Vec<KeptDemand>,
}

impl Learnt {
    /// What is kept of `service`, each incident with the class that it was put into.
    ///
    /// # Errors
    ///
    /// A problem where it cannot be read.
    pub(in crate::http) async fn of(
        app: &App,
        service: &str,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let (changes, gatekeeper) = (app.changes.clone(), app.gatekeeper.clone());
        let of = [service.to_owned()];
        let learnt = wait(move || {
            let (mut records, _) = changes.incident_records(&of, (Timestamp::MIN, now))?;
            let (written, demanded) = (changes.written(&of)?, changes.demanded(&of)?);
            let classes = gatekeeper.classes(&of)?;
            let [service] = of;
            for record in &mut records {
                let posting = (service.clone(), record.incident.id.clone());
                record.class = classes.get(&posting).cloned();
            }
            Ok::<_, Problem>(Self { records, written, demanded })
        });
        learnt.await
    }

    /// What was demanded once and stands.
    pub(in crate::http) fn stands(&self, now: Timestamp) -> Vec<Due> {
        let Self { records, written, demanded } = self;
        let due = |kept: &KeptDemand| {
            let stands = kept.stands(records, written)?;
            Some(Due::of(&kept.slo, stands, (Some(kept.since), now)))
        };
        demanded.iter().filter_map(due).collect()
    }
}

/// What was demanded once and stands, whatever has left the window since; and the post-mortems that `rule` wants of what
/// the window holds, demanded within the hour.
pub(in crate::http) fn due(
    rule: Option<PostMortemRule>,
    by_cause: &[Attribution],
    learnt: &Learnt,
    now: Timestamp,
) -> Vec<Due> {
    let Learnt { records, written, demanded } = learnt;
    let mut found = learnt.stands(now);
    let Some(rule) = rule else { return found };
    for spent in by_cause {
        // Classes are added up over a quarter, which is not looked at here.
        let is_incident = |of: &PostMortem| matches!(of.reason, PostMortemReason::Incident { .. });
        let wanted = spent.demands(&rule, is_incident, (records, written, demanded), now);
        let news = wanted
            .into_iter()
            .filter_map(|(of, new)| Some(Demand { of, ..new.stands(records, written)? }));
        found.extend(news.map(|of| Due::of(spent.slo(), of, (None, now))));
    }
    found
}

/// What services of a tier are held to.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct HeldTo {
    /// What services belong there.
    description: String,
    /// The share of good that is promised unless an SLO says otherwise.
    #[schema(value_type = shapes::Promise)]
    target: Target,
    /// Over which rolling window.
    #[schema(value_type = shapes::Length)]
    window: Duration,
    /// The policy that decides on changes.
    policy: String,
}

/// Whether a feature may ship.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct Ship {
    /// What is decided; `allow` and `warn` let it pass. Where `in_force` is false that is no approval: nobody denies
    /// anything, and what the policy says is `otherwise`.
    #[schema(value_type = String)]
    outcome: Outcome,
    /// Whether the policy is in force: signed by all whose signatures it asks for.
    in_force: bool,
    /// What would be decided were the policy in force and without overrides; null when it is the same.
    #[schema(value_type = Option<String>)]
    otherwise: Option<Outcome>,
    /// The level in force; null when it cannot be told.
    level: Option<String>,
    /// The policy that decides.
    #[schema(value_type = Object)]
    policy: PolicyUsed,
    /// Until when it waits, if nothing more goes wrong; null when time alone does not do it.
    #[schema(value_type = Option<shapes::Instant>)]
    until: Option<Timestamp>,
    /// The share of users that it may reach; null for everybody.
    #[schema(value_type = Option<String>)]
    reach: Option<Reach>,
    /// Why, gravest first, and what would change it.
    #[schema(value_type = Vec<Object>)]
    reasons: Vec<Reason>,
}

impl Ship {
    pub(super) fn of(decision: Decision) -> Self {
        let Decision { outcome, otherwise, level, policy, until, reach, reasons, .. } = decision;
        let in_force = policy.standing.is_enforced();
        Self { outcome, in_force, otherwise, level, policy, until, reach, reasons }
    }
}

/// What is left of a budget.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct BudgetLine {
    /// The SLO.
    slo: String,
    /// A name for people, of SLO and objective.
    display_name: Option<String>,
    /// The promised share of good.
    #[schema(value_type = shapes::Promise)]
    target: Target,
    /// How it is counted.
    #[schema(value_type = String)]
    method: BudgetingMethod,
    /// Whether the promise is kept.
    #[schema(value_type = shapes::Kept)]
    status: Status,
    /// Why the status is what it is.
    #[schema(value_type = String)]
    reason: Why,
    /// The window of the promise.
    #[schema(value_type = shapes::Stretch)]
    window: Interval,
    /// Up to when it is complete.
    #[schema(value_type = shapes::Instant)]
    complete_up_to: Timestamp,
    /// The share of good; null when nothing was counted.
    sli: Option<f64>,
    /// The share of the budget that is left, negative when it is overspent; null when nothing was counted.
    remaining_share: Option<f64>,
    /// When it will be gone if nobody does anything, at the rate of what fires or began just now, else of the usual lookback; null when it lasts, or nobody knows.
    #[schema(value_type = Option<shapes::Instant>)]
    exhausts_at: Option<Timestamp>,
    /// Where it went: the slices with the most bad events, at most three.
    spent_by: Vec<SpentBy>,
    /// What it was spent on, with the causes that spent most, at most three; null where that is not looked at.
    by_cause: Option<ObjectiveAttribution>,
}

/// A slice and what was bad in it.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct SpentBy {
    /// The slice by its label.
    slice: String,
    /// Its bad events.
    bad: u64,
    /// The bad events of all slices.
    of: u64,
}

impl BudgetLine {
    fn of(
        slo: &SloStatus,
        objective: &ObjectiveStatus,
        by_cause: Option<&ObjectiveAttribution>,
    ) -> Self {
        let names = [slo.display_name.as_deref(), objective.name.as_deref()];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        let total = &objective.total;
        let bad = |of: &flyball_budget::live::Standing| of.budget.bad;
        let slices = objective.slices.iter().filter(|slice| bad(&slice.standing) > 0);
        let mut slices: Vec<SpentBy> = slices
            .map(|slice| SpentBy {
                slice: slice.slice.clone(),
                bad: bad(&slice.standing),
                of: bad(total),
            })
            .collect();
        slices.sort_by(|one, two| two.bad.cmp(&one.bad).then_with(|| one.slice.cmp(&two.slice)));
        slices.truncate(SLICES_SHOWN);
        Self {
            slo: slo.slo.clone(),
            display_name: (!names.is_empty()).then(|| names.join(" · ")),
            target: objective.target,
            method: slo.method,
            status: total.status,
            reason: total.reason,
            window: total.window.full,
            complete_up_to: slo.complete_up_to,
            sli: total.budget.sli,
            remaining_share: total.budget.remaining_share,
            exhausts_at: total.outlook().exhausts_at,
            spent_by: slices,
            by_cause: by_cause.cloned().map(|found| found.foremost(CAUSES_SHOWN)),
        }
    }
}

/// What is left of the budgets of `slos`, those with the least first; what nothing is known of last. With what
/// they were spent on where `by_cause` has it.
pub(in crate::http) fn budgets<'a>(
    slos: impl IntoIterator<Item = &'a SloStatus>,
    by_cause: &[Attribution],
) -> Vec<BudgetLine> {
    let mut lines = Vec::new();
    for slo in slos {
        let causes = by_cause.iter().find(|found| found.slo() == slo.slo);
        for (number, objective) in slo.objectives.iter().enumerate() {
            let causes = causes.and_then(|found| found.objectives.get(number));
            lines.push(BudgetLine::of(slo, objective, causes));
        }
    }
    let left = |of: &BudgetLine| of.remaining_share.unwrap_or(f64::INFINITY);
    lines.sort_by(|one, two| left(one).total_cmp(&left(two)));
    lines
}

/// Who is called for pages of a service.
pub(super) struct Called {
    /// Level by level; `None` where nobody has said.
    pub(super) levels: Option<Vec<LevelNow>>,
    /// When nobody of the first rota can be paged.
    pub(super) uncovered: Option<Interval>,
    /// The alert targets that hear of a page.
    pub(super) paged: Vec<String>,
}

/// What is known of a service at the moment.
pub(super) struct Known {
    pub(super) slos: Vec<SloStatus>,
    /// What their budgets were spent on, or why that cannot be told.
    pub(super) by_cause: Result<Vec<Attribution>, String>,
    pub(super) agreements: Vec<AgreementStatus>,
    /// The drills that are underway, of all services.
    pub(super) drills: Vec<DrillRun>,
    pub(super) alerts: Vec<AlertInfo>,
    pub(super) changes: Vec<ChangeView>,
    pub(super) incidents: Vec<Incident>,
    pub(super) learnt: Learnt,
    /// Who is called, and when nobody is.
    pub(super) called: Called,
    /// Whether a feature may ship, or why that cannot be told.
    pub(super) ship: Result<Ship, String>,
    pub(super) custody: Option<CustodyLine>,
    pub(super) chosen: Option<Chosen>,
    pub(super) drifted: Vec<String>,
    pub(super) reviews: Vec<ReviewLine>,
    pub(super) faults: Vec<FaultInfo>,
    pub(super) friction: Vec<FrictionView>,
}

impl ServiceCard {
    /// The card of the service `name` at `at`.
    pub(super) fn new(
        catalog: &Catalog,
        (name, at): (&str, Timestamp),
        known: Known,
        is_seen: impl Fn(&str) -> bool,
    ) -> Self {
        let Known { slos, by_cause, agreements, alerts, changes, incidents, learnt, ship, .. } =
            known;
        let Known { drills, custody, chosen, drifted, reviews, faults, friction, called, .. } =
            known;
        let Called { levels: called, uncovered, paged } = called;
        let tier = catalog.governance.tier(name).spec;
        let spec = catalog.governance.service(name).map(|of| of.spec.clone()).unwrap_or_default();
        let dependants = catalog.governance.dependants(name).filter(|service| is_seen(service));
        let policy = catalog.governance.policy(&tier.policy);
        let rule = policy.and_then(|policy| policy.spec().post_mortem);
        let statuses = slos.iter().map(|slo| slo.status);
        let statuses: Vec<Status> =
            statuses.chain(agreements.iter().map(AgreementStatus::status)).collect();
        let asked: BTreeSet<&str> = catalog.governance.dependencies(name).collect();
        let drills = drills
            .into_iter()
            .filter(|run| {
                let of = run.spec.service.as_str();
                of == name || (asked.contains(of) && is_seen(of))
            })
            .map(DrillNow::of)
            .collect();
        let (by_cause, spent_problem) = match by_cause {
            Ok(by_cause) => (by_cause, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        let (ship, ship_problem) = match ship {
            Ok(ship) => (Some(ship), None),
            Err(problem) => (None, Some(problem)),
        };
        Self {
            name: name.to_owned(),
            at,
            owner: Owner::of(catalog, name, at),
            held_to: HeldTo {
                description: tier.description,
                target: tier.target,
                window: tier.window,
                policy: tier.policy,
            },
            on_call: spec.on_call,
            called,
            uncovered,
            paged,
            runbook: spec.runbook,
            links: spec.links,
            dependencies: spec.dependencies,
            dependants: dependants.map(str::to_owned).collect(),
            ship,
            ship_problem,
            status: Status::worst(&statuses),
            budgets: budgets(&slos, &by_cause),
            post_mortems: due(rule, &by_cause, &learnt, at),
            spent_problem,
            agreements,
            drills,
            alerts,
            incidents,
            changes,
            custody,
            chosen,
            drifted,
            reviews,
            faults,
            friction,
        }
    }
}
