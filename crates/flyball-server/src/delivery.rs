//! How services are delivered: what is known of their past, given to whoever measures it.
//!
//! `flyball-govern` measures. Changes, incidents and business outcomes come from the control state, outages from
//! what the ledger counts of SLOs, targets from the documents that describe services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flyball_catalog::Catalog;
use flyball_govern::delivery::{
    Direction, Edition, Facts, History, Judgement, Levels, Measures, Met, Outage, Outcome,
    OutcomeSpec, Series, Targets, Trend, levels, measure, met, over_time, trend,
};
use flyball_govern::service::{DeliverySpec, ServiceSpec};
use flyball_model::{Break, Change, Duration, Incident, Interval, Timestamp};
use utoipa::ToSchema;

use crate::changes::Past;
use crate::evaluator::ServedBy;
use crate::http::shapes;
use crate::outcomes::Pushed;

/// How long before the time that is measured changes are looked at: the deployment before the first, and
/// commits that an earlier one has shipped.
const BEFORE: Duration = Duration::from_days(90);

/// Whose delivery is measured.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub(crate) enum Whose {
    /// A service's.
    Service(String),
    /// That of a team's services.
    Team(String),
    /// That of a product's services.
    Product(String),
}

impl Whose {
    /// The services that are meant, by name, as documents say.
    pub(crate) fn services(&self, catalog: &Catalog) -> Vec<String> {
        let is_of = |spec: &ServiceSpec| match self {
            Self::Service(_) => false,
            Self::Team(name) => spec.team.as_ref() == Some(name),
            Self::Product(name) => spec.product.as_ref() == Some(name),
        };
        if let Self::Service(name) = self {
            return vec![name.clone()];
        }
        let services = catalog.governance.services().filter(|of| is_of(&of.spec));
        services.map(|of| of.name.clone()).collect()
    }

    /// How it is to be measured: what a service says, `None` for what is not one that says so.
    fn delivery(&self, catalog: &Catalog) -> Option<DeliverySpec> {
        let Self::Service(name) = self else { return None };
        Some(catalog.governance.service(name)?.spec.delivery.clone())
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) whose: Whose,
    pub(crate) services: Vec<String>,
    /// The environment; that of the service, where one is meant that says so.
    pub(crate) environment: Option<String>,
    pub(crate) during: Interval,
    /// The moment of looking.
    pub(crate) now: Timestamp,
}

impl Question {
    /// The time of equal length before the one that is measured.
    pub(crate) fn before(&self) -> Interval {
        Interval::ending(self.during.start(), self.during.length())
    }

    /// The time of which outages are looked at.
    pub(crate) fn observed(&self) -> Interval {
        let start = self.before().start();
        Interval::starting(start, self.during.end().since(start))
    }

    /// The time of which changes and incidents are looked at; incidents may end long after.
    pub(crate) fn past(&self) -> (Timestamp, Timestamp) {
        (self.before().start().minus(BEFORE), self.now.max(self.during.end()))
    }
}

/// Who answers for a service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct Accountable {
    /// The service.
    service: String,
    /// The product manager; null when nobody said.
    who: Option<String>,
}

/// What came of a service for the business.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct ServiceOutcome {
    /// The service.
    service: String,
    /// The outcome that it has chosen.
    #[schema(value_type = Object)]
    outcome: OutcomeSpec,
    /// Its value over the time, in its unit; null when nothing was pushed in it.
    value: Option<f64>,
    /// How many values were pushed in the time.
    points: u64,
    /// Which way it went since the time before.
    #[schema(value_type = String)]
    trend: Direction,
}

/// How a service, a team or a product was delivered.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct Delivery {
    /// Whose.
    of: Whose,
    /// Its services, and who answers for each.
    services: Vec<Accountable>,
    /// The environment whose deployments count.
    environment: String,
    /// The moment of looking.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// The measures, as docs/delivery.md defines them.
    #[schema(value_type = Object)]
    measures: Measures,
    /// The time of equal length before, which trends compare with.
    #[schema(value_type = shapes::Stretch)]
    before: Interval,
    /// Which way each measure went since then.
    #[schema(value_type = Object)]
    trend: Trend,
    /// Where each of DORA's metrics stands in the report of each year, the oldest first.
    #[schema(value_type = Vec<Object>)]
    levels: Vec<Levels>,
    /// The outcomes that its services have chosen, by service: side by side, for they cannot be added.
    outcomes: Vec<ServiceOutcome>,
    /// What is to be reached; null but for a service.
    #[schema(value_type = Option<Object>)]
    targets: Option<Targets>,
    /// Whether it is; null but for a service.
    #[schema(value_type = Option<Object>)]
    met: Option<Met>,
    /// The same measures over consecutive times, the oldest first: velocity beside stability.
    #[schema(value_type = Vec<Object>)]
    periods: Vec<Measures>,
    /// The SLOs that availability is told from; without any it is not known.
    slos: BTreeSet<String>,
    /// Whether there are more changes, incidents or values of outcomes than are looked at, so that the oldest are
    /// left out.
    is_cut: bool,
}

/// Consecutive times that end where `during` does: days up to two weeks, weeks up to half a year, else four
/// weeks each. A rest at the beginning is left out.
fn periods(during: Interval) -> Vec<Interval> {
    let length = during.length();
    let step = if length <= Duration::from_days(14) {
        Duration::from_days(1)
    } else if length <= Duration::from_days(183) {
        Duration::from_days(7)
    } else {
        Duration::from_days(28)
    };
    let count = length.nanos() / step.nanos();
    let mut found = Vec::new();
    let mut end = during.end();
    for _ in 0..count {
        let period = Interval::ending(end, step);
        end = period.start();
        found.push(period);
    }
    found.reverse();
    found
}

/// What is known of how services were delivered.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) question: Question,
    pub(crate) changes: Vec<Change>,
    pub(crate) judgements: BTreeMap<String, Judgement>,
    pub(crate) breaks: BTreeMap<String, Break>,
    pub(crate) incidents: Vec<Incident>,
    outages: Vec<Outage>,
    unobserved: Vec<Interval>,
    pub(crate) slos: BTreeSet<String>,
    pub(crate) catalog: Arc<Catalog>,
    environment: String,
    /// By service, of those that have chosen an outcome.
    outcomes: Vec<(String, Series)>,
    is_cut: bool,
}

impl Gathered {
    /// Puts together what is known of what is asked.
    pub(crate) fn new(question: Question, past: Past, by: ServedBy, pushed: Pushed) -> Self {
        let Past { changes: kept, incidents, is_cut } = past;
        let ServedBy { served, slos, catalog } = by;
        let mut judgements = BTreeMap::new();
        let mut breaks = BTreeMap::new();
        let mut changes = Vec::new();
        for one in kept {
            let (judged, broken) = one.outcome();
            judgements.extend(judged.map(|judged| (one.change.id.clone(), judged)));
            breaks.extend(broken.map(|broken| (one.change.id.clone(), broken)));
            changes.push(one.change);
        }
        let usual = || question.whose.delivery(&catalog).unwrap_or_default().environment;
        Self {
            environment: question.environment.clone().unwrap_or_else(usual),
            incidents: once(incidents),
            outages: served.outages(),
            unobserved: served.unobserved(),
            question,
            changes,
            judgements,
            breaks,
            slos,
            catalog,
            outcomes: pushed.series,
            is_cut: is_cut || pushed.is_cut,
        }
    }

    /// Their changes in order, in the environment that counts.
    pub(crate) fn history(&self) -> History<'_> {
        History::new(&self.changes, &self.environment)
    }

    /// The facts that delivery is measured from.
    pub(crate) fn facts<'a>(&'a self, history: &'a History<'a>) -> Facts<'a> {
        // Those of several services are in different units, and of different users.
        let outcome = match &self.question.whose {
            Whose::Service(_) => self.outcomes.first().map(|(_, series)| series),
            Whose::Team(_) | Whose::Product(_) => None,
        };
        Facts {
            during: self.question.during,
            now: self.question.now,
            history,
            judgements: &self.judgements,
            breaks: &self.breaks,
            incidents: &self.incidents,
            outages: &self.outages,
            unobserved: &self.unobserved,
            outcome,
        }
    }

    /// What came of `service` in the time that is measured.
    fn outcome(&self, service: &str, series: &Series) -> ServiceOutcome {
        let before = series.over(self.question.before());
        let found = series.over(self.question.during);
        ServiceOutcome {
            service: service.to_owned(),
            outcome: series.spec().clone(),
            value: found.as_ref().map(|found| found.value),
            points: found.as_ref().map_or(0, |found| found.points),
            trend: Outcome::trend(before.as_ref(), found.as_ref()),
        }
    }

    /// The measures.
    pub(crate) fn delivery(&self) -> Delivery {
        let history = self.history();
        let facts = self.facts(&history);
        let before = self.question.before();
        let measures = measure(&facts);
        let earlier = measure(&Facts { during: before, ..facts });
        let targets = self.question.whose.delivery(&self.catalog).map(|own| own.targets);
        let accountable = self.question.services.iter().map(|service| {
            let spec = self.catalog.governance.service(service).map(|of| &of.spec);
            let who = spec.and_then(|spec| Some(spec.accountable.as_ref()?.who.clone()));
            Accountable { service: service.clone(), who }
        });
        Delivery {
            services: accountable.collect(),
            of: self.question.whose.clone(),
            environment: self.environment.clone(),
            at: self.question.now,
            before,
            trend: trend(&earlier, &measures),
            levels: Edition::ALL.iter().map(|edition| levels(&measures, *edition)).collect(),
            met: targets.map(|targets| met(&measures, &targets)),
            targets,
            outcomes: self
                .outcomes
                .iter()
                .map(|(service, series)| self.outcome(service, series))
                .collect(),
            periods: over_time(&facts, &periods(self.question.during)),
            measures,
            slos: self.slos.clone(),
            is_cut: self.is_cut,
        }
    }
}

/// Incidents, each once: one that concerns several services is there for each.
fn once(mut incidents: Vec<Incident>) -> Vec<Incident> {
    let mut known = BTreeSet::new();
    incidents.retain(|incident| known.insert(incident.id.clone()));
    incidents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_end_where_the_time_ends() {
        let end = Timestamp::from_seconds(1_000_000_000);
        let of = |days| periods(Interval::ending(end, Duration::from_days(days)));
        assert_eq!(of(14).len(), 14);
        assert_eq!(of(90).len(), 12, "a rest of six days is left out");
        assert_eq!(of(365).len(), 13);
        assert_eq!(periods(Interval::ending(end, Duration::from_hours(23))), []);
        let weeks = of(90);
        assert_eq!(weeks[11].end(), end);
        assert!(weeks.windows(2).all(|pair| pair[0].end() == pair[1].start()));
    }
}
