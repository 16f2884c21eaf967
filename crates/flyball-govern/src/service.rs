//! Services: whose they are, who is accountable, how critical they are, what their delivery is to reach.
//!
//! All of it may be left out: a service that nobody has described is there as soon as anything is heard of
//! it, and says of itself that nobody is accountable.

mod funding;
mod revenue;
#[cfg(test)]
mod tests;

use flyball_budget::keeps;
use flyball_model::{Duration, Tally, Target};
use jiff::civil::Date;

pub use funding::{FUNDING_NOTICE, Funding, day};
pub use revenue::Revenue;
pub(crate) use revenue::amount_or_none;

use crate::delivery::{OutcomeSpec, Targets};
use crate::hours::Hours;
use crate::policy::{Accountable, PolicyError, read};

/// The longest text of a service, in bytes: longer ones belong behind a link.
const TEXT_BYTES_MAX: usize = 1_024;
/// The longest name and unit of an outcome, in bytes: they stand beside numbers in tables.
const LABEL_BYTES_MAX: usize = 64;
/// The most links of a service.
const LINKS_MAX: usize = 16;
/// The most agreements of a service: each is counted over its own window.
const AGREEMENTS_MAX: usize = 16;
/// The most services that one asks: each is looked at for every change and budget.
const DEPENDENCIES_MAX: usize = 64;
/// The most journeys of a service: each is shown on its card.
const JOURNEYS_MAX: usize = 32;
/// The longest window of an agreement: a year, and what two quarters may differ.
const WINDOW_LONGEST: Duration = Duration::from_days(400);

/// A service with its name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Service {
    /// What SLOs, events and changes call it.
    pub name: String,
    /// What it says of itself.
    pub spec: ServiceSpec,
}

/// What a service says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// What it does, in a sentence that its users understand.
    pub description: Option<String>,
    /// The team that builds and runs it.
    pub team: Option<String>,
    /// The product that it is part of.
    pub product: Option<String>,
    /// The product manager who answers for its targets.
    pub accountable: Option<Accountable>,
    /// How critical it is: the name of a tier.
    pub tier: Option<String>,
    /// Who is called, in words: the name of a rota, or where to look.
    pub on_call: Option<String>,
    /// When its team works: what can wait is told then. At once unless told.
    pub working_hours: Option<Hours>,
    /// What to do when it is down.
    pub runbook: Option<String>,
    /// Where more is said of it.
    pub links: Vec<ServiceLink>,
    /// How its delivery is measured.
    pub delivery: DeliverySpec,
    /// What contracts promise of it.
    pub agreements: Vec<Agreement>,
    /// The services that it asks.
    pub dependencies: Vec<Dependency>,
    /// The journeys of users that it takes part in, such as `buy a ticket`.
    pub journeys: Vec<String>,
    /// What is not earned in an hour that it is down.
    pub revenue_per_hour: Option<Revenue>,
    /// Who runs it.
    pub support_model: Option<SupportModel>,
    /// How far it is in its life.
    pub lifecycle: Option<Lifecycle>,
    /// The last day for which its team is paid.
    #[serde(with = "read::date_or_none")]
    pub funded_until: Option<Date>,
    /// The rules by which its pager changes hands; those called `usual` unless told.
    pub custody_rules: Option<String>,
}

/// How far a service is in its life, in the words of Backstage's catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// It is tried.
    Experimental,
    /// People rely on it.
    Production,
    /// It goes: nobody is asked to pay for it, or to promise anything of it.
    Deprecated,
}

/// Who runs a service: the models of Equal Experts' *You Build It You Run It* playbook, and an SRE team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupportModel {
    /// Those who build it run it.
    Developers,
    /// An operations team runs it.
    Operations,
    /// Some of each: operations by day, say, and developers at night.
    Mixed,
    /// Those who build it and reliability engineers together.
    Shared,
    /// An SRE team runs it.
    Sre,
}

/// A service that another one asks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// What it is called.
    pub service: String,
    /// Whether the other can do without it.
    #[serde(default)]
    pub kind: DependencyKind,
    /// Which of its SLOs the other needs; without it any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<String>,
}

/// Whether a service can do without one that it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyKind {
    /// It serves nobody without it.
    #[default]
    Hard,
    /// It serves without it, though worse.
    Soft,
}

/// What a contract promises, beside the SLO that is to keep it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// What it is called; unique in its service.
    pub name: String,
    /// Whom it is made with.
    pub with: String,
    /// The SLO whose events count: those of its first objective.
    pub slo: String,
    /// The share of good that is promised.
    #[serde(with = "read::target")]
    pub target: Target,
    /// Over which rolling window.
    #[serde(deserialize_with = "read::duration")]
    pub window: Duration,
    /// What follows when it is broken, in words.
    #[serde(default)]
    pub remedy: Option<String>,
}

impl Agreement {
    /// Whether it is kept with these events in its window; `None` when nothing was valid.
    pub fn is_kept(&self, counted: Tally) -> Option<bool> {
        (counted.valid() > 0).then(|| keeps(counted, self.target.share()))
    }

    /// The share of what may go bad that has, with these events; more than one when it is broken, `None` when
    /// nothing was valid.
    pub fn spent_share(&self, counted: Tally) -> Option<f64> {
        let allowed = self.target.error_budget().to_f64() * counted.valid() as f64;
        (counted.valid() > 0).then(|| counted.bad() as f64 / allowed)
    }

    /// Whether an SLO that promises `target` warns before this is broken: it promises more.
    pub fn is_guarded_by(&self, target: Target) -> bool {
        target.share() > self.target.share()
    }
}

/// Where more is said of a service.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceLink {
    /// What is found there, in a word or two.
    pub name: String,
    /// The address.
    pub url: String,
}

/// How the delivery of a service is measured.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverySpec {
    /// The environment whose deployments count.
    pub environment: String,
    /// What is to be reached.
    pub targets: Targets,
    /// The business outcome that is shown beside the measures; its values are pushed.
    pub outcome: Option<OutcomeSpec>,
}

impl Default for DeliverySpec {
    fn default() -> Self {
        Self { environment: "production".to_owned(), targets: Targets::default(), outcome: None }
    }
}

impl Service {
    /// Checks a service as a whole.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: ServiceSpec) -> Result<Self, Vec<PolicyError>> {
        let who = |of: &Accountable| {
            let delegate = of.delegate.as_ref().map(|delegate| delegate.who.clone());
            (Some(of.who.clone()), delegate)
        };
        let (accountable, delegate) = spec.accountable.as_ref().map(who).unwrap_or_default();
        let texts = [
            ("spec.description", spec.description.as_ref()),
            ("spec.team", spec.team.as_ref()),
            ("spec.product", spec.product.as_ref()),
            ("spec.accountable.who", accountable.as_ref()),
            ("spec.accountable.delegate.who", delegate.as_ref()),
            ("spec.onCall", spec.on_call.as_ref()),
            ("spec.delivery.environment", Some(&spec.delivery.environment)),
            ("spec.custodyRules", spec.custody_rules.as_ref()),
        ];
        let mut wrong = Vec::new();
        let mut fault = |path: String, message: String| {
            wrong.push(PolicyError { path, place: None, message });
        };
        for (path, text) in texts {
            if let Some(message) = text.and_then(|text| says_nothing(text)) {
                fault(path.to_owned(), message);
            }
        }
        for (field, text) in
            spec.delivery.outcome.iter().flat_map(|of| [("name", &of.name), ("unit", &of.unit)])
        {
            if let Some(message) = says_nothing(text).or_else(|| too_wide(text)) {
                fault(format!("spec.delivery.outcome.{field}"), message);
            }
        }
        if let Some(message) = spec.runbook.as_ref().and_then(|url| no_address(url)) {
            fault("spec.runbook".to_owned(), message);
        }
        if spec.links.len() > LINKS_MAX {
            fault("spec.links".to_owned(), format!("a service has at most {LINKS_MAX} links"));
        }
        for (at, link) in spec.links.iter().enumerate() {
            if let Some(message) = says_nothing(&link.name) {
                fault(format!("spec.links[{at}].name"), message);
            }
            if let Some(message) = no_address(&link.url) {
                fault(format!("spec.links[{at}].url"), message);
            }
        }
        if spec.agreements.len() > AGREEMENTS_MAX {
            let message = format!("a service has at most {AGREEMENTS_MAX} agreements");
            fault("spec.agreements".to_owned(), message);
        }
        for (at, agreement) in spec.agreements.iter().enumerate() {
            let Agreement { name, with, remedy, window, .. } = agreement;
            for (field, text) in
                [("name", Some(name)), ("with", Some(with)), ("remedy", remedy.as_ref())]
            {
                if let Some(message) = text.and_then(|text| says_nothing(text)) {
                    fault(format!("spec.agreements[{at}].{field}"), message);
                }
            }
            if spec.agreements[..at].iter().any(|other| other.name == *name) {
                let message = format!("another agreement is called `{name}`");
                fault(format!("spec.agreements[{at}].name"), message);
            }
            if window.is_zero() || *window > WINDOW_LONGEST {
                let message = format!("a window has a length of at most {WINDOW_LONGEST}");
                fault(format!("spec.agreements[{at}].window"), message);
            }
        }
        wrong.extend(dependency_faults(name, &spec.dependencies));
        wrong.extend(journey_faults(&spec.journeys));
        wrong.extend(spec.working_hours.iter().flat_map(|hours| hours.faults("spec.workingHours")));
        if wrong.is_empty() { Ok(Self { name: name.to_owned(), spec }) } else { Err(wrong) }
    }
}

/// What is wrong with what the service called `name` asks.
fn dependency_faults(name: &str, dependencies: &[Dependency]) -> Vec<PolicyError> {
    let mut wrong = Vec::new();
    if dependencies.len() > DEPENDENCIES_MAX {
        let message = format!("a service has at most {DEPENDENCIES_MAX} dependencies");
        wrong.push(PolicyError::at("spec.dependencies", message));
    }
    for (at, dependency) in dependencies.iter().enumerate() {
        let of = &dependency.service;
        let is_there = dependencies[..at].iter().any(|other| other.service == *of);
        let message = match says_nothing(of) {
            None if of == name => Some("a service does not depend on itself".to_owned()),
            None if is_there => Some(format!("`{of}` is there already")),
            message => message,
        };
        let path = format!("spec.dependencies[{at}].service");
        wrong.extend(message.map(|message| PolicyError::at(path, message)));
        let unnamed = dependency.slo.as_ref().and_then(|slo| says_nothing(slo));
        let path = format!("spec.dependencies[{at}].slo");
        wrong.extend(unnamed.map(|message| PolicyError::at(path, message)));
    }
    wrong
}

/// What is wrong with the journeys of a service.
fn journey_faults(journeys: &[String]) -> Vec<PolicyError> {
    let mut wrong = Vec::new();
    if journeys.len() > JOURNEYS_MAX {
        let message = format!("a service has at most {JOURNEYS_MAX} journeys");
        wrong.push(PolicyError::at("spec.journeys", message));
    }
    for (at, journey) in journeys.iter().enumerate() {
        let is_there = journeys[..at].contains(journey);
        let message = says_nothing(journey).or_else(|| too_wide(journey));
        let message = message.or_else(|| is_there.then(|| format!("`{journey}` is there already")));
        let path = format!("spec.journeys[{at}]");
        wrong.extend(message.map(|message| PolicyError::at(path, message)));
    }
    wrong
}

/// What is wrong with a text that people read.
fn says_nothing(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("it says nothing\nhint: leave it out".to_owned());
    }
    let length = text.len();
    (length > TEXT_BYTES_MAX).then(|| {
        format!("it has {length} bytes\nhint: say it in {TEXT_BYTES_MAX}, and link to the rest")
    })
}

/// What is wrong with a text that stands beside numbers.
fn too_wide(text: &str) -> Option<String> {
    let length = text.len();
    (length > LABEL_BYTES_MAX).then(|| {
        format!(
            "it has {length} bytes\nhint: it stands beside numbers; say it in {LABEL_BYTES_MAX}"
        )
    })
}

/// What is wrong with an address that people follow.
fn no_address(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_one = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if is_one && url.len() <= TEXT_BYTES_MAX && !url.chars().any(char::is_whitespace) {
        return None;
    }
    let most = TEXT_BYTES_MAX;
    Some(format!("it is no address of at most {most} bytes\nhint: write https://HOST/PATH in full"))
}
