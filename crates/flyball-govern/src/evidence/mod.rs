//! What is known of a service when somebody reviews it or its pager is to change hands.
//!
//! [`ServiceEvidence`] holds counts and texts, all given, none looked up. A [`Criterion`] asks it a question in
//! the language of policies' conditions, over the closed list [`VARIABLES`]. What nobody knows is unknown, and
//! never passes for good.

mod period;
pub(crate) mod requirement;
mod variable;

use std::borrow::Cow;
use std::collections::BTreeSet;

use flyball_model::{Duration, Target, Timestamp};

use crate::custody::Holder;
use crate::policy::{Condition, ConditionError, Number, Value, Values, Variable};
use crate::review::{Mark, Said};
use crate::service::{Funding, Service};

pub use period::{
    Period, complete_quarters, hours_held, is_held, kept_in_a_row, missed_of, months, whole_months,
};
pub use requirement::Requirement;
use variable::Name;
pub use variable::VARIABLES;

/// Over how many weeks pages are counted: as long as the window of the usual SLO.
pub const PAGES_WEEKS: u64 = 4;
/// Over how many days events are counted for the traffic of a day.
pub const TRAFFIC_DAYS: u64 = 28;
/// Over how many days deployments count: a quarter, so that teams who ship monthly have some.
pub const DEPLOYMENTS_DAYS: u64 = 90;
/// Of how many quarters those are counted that missed their budget.
pub const QUARTERS: usize = 4;

/// What is known of a service at one moment. Everything may be missing.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceEvidence {
    /// When it was gathered.
    pub at: Timestamp,
    /// What its document says; `None` when nothing describes it.
    pub described: Option<Described>,
    /// The name of its tier.
    pub tier: Option<String>,
    /// How many things the catalogue finds wrong with it.
    pub catalogue_faults: Option<u64>,
    /// What people say of it.
    pub said: Option<Said>,
    /// Who carries its pager, and since when.
    pub custody: Option<(Holder, Timestamp)>,
    /// Since when its developers have carried it without a break, alone or in a shared rota.
    pub self_managed: Option<Timestamp>,
    /// The objectives of its SLOs; `None` when they are not known, empty when it has none.
    pub budgets: Option<Vec<BudgetEvidence>>,
    /// Whether its budgets were kept, month by month, the latest complete month last.
    pub months: Vec<Period>,
    /// The same by the quarter.
    pub quarters: Vec<Period>,
    /// Valid events in the last [`TRAFFIC_DAYS`], of the SLI that counts the most: several may count the same ones.
    pub events: Option<u64>,
    /// In how many hours of these days there is data, of those in which it is expected; of the SLO that has the least.
    pub hours: Option<Part>,
    /// Of its alert rules that page, how many name a runbook.
    pub runbooks: Option<Part>,
    /// How many are told of its pages.
    pub told: Option<u64>,
    /// Pages in the last [`PAGES_WEEKS`].
    pub pages: Option<u64>,
    /// How often it was deployed in the last [`DEPLOYMENTS_DAYS`].
    pub deployments: Option<u64>,
    /// Of these deployments, as far as it is decided what became of them, how many failed.
    pub failed: Option<Part>,
    /// Half of its commits reach users within this time.
    #[serde(deserialize_with = "crate::policy::read::duration_or_none")]
    pub lead_time: Option<Duration>,
    /// Half of its outages are over within this time.
    #[serde(deserialize_with = "crate::policy::read::duration_or_none")]
    pub restore: Option<Duration>,
    /// Incidents that are not resolved.
    pub incidents_open: Option<u64>,
    /// Post-mortems that are due and not written.
    pub unwritten: Option<u64>,
    /// Of its hard dependencies, how many have no SLO.
    pub without_slo: Option<Part>,
    /// Whether it promises more than its hard dependencies allow.
    pub above_dependencies: Option<bool>,
}

/// What a service's document says that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Described {
    /// A team and an accountable product manager are named.
    pub owned: bool,
    /// Its team is paid for; `None` when nobody says until when.
    pub funded: Option<bool>,
    /// It says what to do when it is down.
    pub runbook: bool,
    /// What it earns in an hour, in its own currency.
    #[serde(with = "crate::service::amount_or_none")]
    pub revenue_per_hour: Option<flyball_model::Rational>,
}

/// Some of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// How many of them.
    pub part: u64,
    /// All of them.
    pub whole: u64,
}

impl Part {
    /// The share; `None` of nothing.
    pub const fn share(self) -> Option<Number> {
        Number::ratio(self.part, self.whole)
    }
}

/// What the budget of one objective was counted to be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetEvidence {
    /// The SLO.
    pub slo: String,
    /// The promised share of good.
    #[serde(with = "crate::policy::read::target")]
    pub target: Target,
    /// What was valid in its window.
    pub valid: u64,
    /// What was bad among it.
    pub bad: u64,
    /// The share of the window that holds data, in parts of a million.
    pub coverage_ppm: Option<u64>,
}

impl ServiceEvidence {
    /// What `service` says of itself, at `at`; nothing else is known.
    pub fn of(service: Option<&Service>, at: Timestamp) -> Self {
        let described = service.map(|service| {
            let spec = &service.spec;
            Described {
                owned: spec.team.is_some() && spec.accountable.is_some(),
                funded: match Funding::of(spec, crate::service::day(at)) {
                    Funding::Unknown => None,
                    Funding::Lasts { .. } | Funding::Ends { .. } => Some(true),
                    Funding::Ended { .. } => Some(false),
                },
                runbook: spec.runbook.is_some(),
                revenue_per_hour: spec.revenue_per_hour.as_ref().map(|revenue| revenue.amount),
            }
        });
        let tier = service.and_then(|service| service.spec.tier.clone());
        Self { at, described, tier, ..Self::default() }
    }

    /// The least that is left of any budget; unknown when one of them has no data.
    fn remaining(&self) -> Option<Number> {
        let budgets = self.budgets.as_ref()?.iter();
        let spent: Option<Vec<Number>> =
            budgets.map(|of| Number::spent(of.bad, of.valid, of.target)).collect();
        spent?.into_iter().max().map(Number::complement)
    }

    /// How many SLOs are missed, by any of their objectives; unknown when one of them has no data.
    fn missed(&self) -> Option<u64> {
        let mut missed = BTreeSet::new();
        for of in self.budgets.as_ref()? {
            if Number::spent(of.bad, of.valid, of.target)? > Number::ONE {
                missed.insert(of.slo.as_str());
            }
        }
        u64::try_from(missed.len()).ok()
    }

    /// How many SLOs there are, each once however many objectives it has.
    fn slos(&self) -> Option<u64> {
        let names = self.budgets.as_ref()?.iter().map(|of| of.slo.as_str());
        u64::try_from(names.collect::<BTreeSet<_>>().len()).ok()
    }

    /// The least coverage of any window; unknown when it is of one of them.
    fn coverage(&self) -> Option<Number> {
        let budgets = self.budgets.as_ref()?.iter();
        let coverage: Option<Vec<u64>> = budgets.map(|of| of.coverage_ppm).collect();
        coverage?.into_iter().min().and_then(|ppm| Number::ratio(ppm, 1_000_000))
    }

    /// What `condition` asks for.
    fn values(&self, condition: &Condition) -> Values {
        let mut values = Values::unknown(condition.places());
        let count = |count: Option<u64>| count.map(|count| Value::Number(Number::count(count)));
        let number = |number: Option<Number>| number.map(Value::Number);
        let text = |text: &str| Value::Text(Cow::Owned(text.to_owned()));
        let described = self.described.as_ref();
        values.set(Name::ServiceTier, self.tier.as_deref().map(text));
        values.set(Name::ServiceOwned, described.map(|of| Value::Bool(of.owned)));
        values.set(Name::ServiceFunded, described.and_then(|of| of.funded).map(Value::Bool));
        values.set(Name::ServiceRunbook, described.map(|of| Value::Bool(of.runbook)));
        let revenue = described.and_then(|of| of.revenue_per_hour).map(Number::of);
        values.set(Name::ServiceRevenue, number(revenue));
        values.set(Name::ServiceFaults, count(self.catalogue_faults));
        let mark = |mark: Mark| Value::Text(Cow::Borrowed(mark.word()));
        values.set(Name::ServiceToil, self.said.and_then(|said| said.toil).map(mark));
        let satisfaction = self.said.and_then(|said| said.satisfaction);
        values.set(Name::ServiceSatisfaction, satisfaction.map(mark));
        let holder = self.custody.map(|(holder, _)| Value::Text(Cow::Borrowed(holder.word())));
        values.set(Name::CustodyHolder, holder);
        let months = self.custody.map(|(_, since)| whole_months(since, self.at));
        values.set(Name::CustodyMonths, count(months));
        let self_managed = self.self_managed.map(|since| whole_months(since, self.at));
        values.set(Name::CustodySelfManaged, count(self_managed));
        values.set(Name::SloCount, count(self.slos()));
        values.set(Name::SloMissed, count(self.missed()));
        values.set(Name::BudgetRemaining, number(self.remaining()));
        values.set(Name::BudgetCoverage, number(self.coverage()));
        values.set(Name::BudgetHours, number(self.hours.and_then(Part::share)));
        values.set(Name::BudgetKeptMonths, count(kept_in_a_row(&self.months)));
        let missed = missed_of(&self.quarters, QUARTERS, Timestamp::MIN);
        values.set(Name::BudgetQuartersMissed, count(missed));
        let traffic = self.events.and_then(|events| Number::ratio(events, TRAFFIC_DAYS));
        values.set(Name::TrafficPerDay, number(traffic));
        values.set(Name::AlertsPaging, count(self.runbooks.map(|part| part.whole)));
        values.set(Name::AlertsRunbooks, number(self.runbooks.and_then(Part::share)));
        values.set(Name::AlertsTold, count(self.told));
        let pages = self.pages.and_then(|pages| Number::ratio(pages, PAGES_WEEKS));
        values.set(Name::PagesPerWeek, number(pages));
        values.set(Name::ChangesDeployments, count(self.deployments));
        values.set(Name::ChangesFailureRate, number(self.failed.and_then(Part::share)));
        values.set(Name::ChangesLeadTime, self.lead_time.map(Value::Length));
        values.set(Name::ChangesRestore, self.restore.map(Value::Length));
        values.set(Name::IncidentsOpen, count(self.incidents_open));
        values.set(Name::IncidentsUnwritten, count(self.unwritten));
        values.set(Name::DependenciesHard, count(self.without_slo.map(|part| part.whole)));
        values.set(Name::DependenciesWithoutSlo, count(self.without_slo.map(|part| part.part)));
        values.set(Name::DependenciesAbove, self.above_dependencies.map(Value::Bool));
        values
    }
}

/// A question to evidence, in CEL over [`VARIABLES`].
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion(Condition);

impl Criterion {
    /// Compiles `text`.
    ///
    /// # Errors
    ///
    /// As [`Condition::compile`] has them.
    pub fn compile(text: &str) -> Result<Self, ConditionError> {
        Condition::compile_over(text, VARIABLES).map(Self)
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        self.0.text()
    }

    /// What it depends on, each once, in the order of [`VARIABLES`].
    pub fn variables(&self) -> impl Iterator<Item = &'static Variable> + '_ {
        self.0.variables()
    }

    /// What `evidence` answers, and what was seen.
    pub fn ask(&self, evidence: &ServiceEvidence) -> Answered {
        let values = evidence.values(&self.0);
        let seen = self.0.asked().map(|(place, variable)| Seen {
            name: variable.name.to_owned(),
            value: values.get(place).map(ToString::to_string),
        });
        Answered { holds: self.0.holds(&values), seen: seen.collect() }
    }
}

/// What evidence answers to a question.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Answered {
    /// Whether it holds; `None` when what is unknown decides.
    pub holds: Option<bool>,
    /// What was looked at.
    pub seen: Vec<Seen>,
}

/// One value that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    /// The variable.
    pub name: String,
    /// Its value; `None` when unknown.
    pub value: Option<String>,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {}", self.name, self.value.as_deref().unwrap_or("not known"))
    }
}

#[cfg(test)]
mod tests;
