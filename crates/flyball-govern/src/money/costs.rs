//! What support costs, as an organisation says it: editable, and marked where it is assumed.

use flyball_model::{Duration, Rational, Target};

use super::amount::{Currency, Money};
use crate::policy::{PolicyError, read};

/// Costs that ship, as the text of their document. Every amount is an assumption, and says so.
pub const ASSUMED: &str = include_str!("../../costs/assumed.yaml");

/// The most bandings, and the most bands of each: people choose among them.
const LIST_MAX: usize = 16;
/// The hours of a week.
const WEEK: Duration = Duration::from_days(7);
/// The longest that a set-up is written off over, in years.
const SET_UP_YEARS_MAX: u32 = 50;
/// The most people on standby at a time, and the most hand-offs, that make sense.
const PEOPLE_MAX: u32 = 100;
/// The largest factor from one nine to the next.
const TIMES_MAX: u32 = 1_000;

/// Who runs a service. Custody knows of developers, shared and SRE.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SupportModel {
    /// Those who build it run it.
    Developers,
    /// They and reliability engineers together.
    Shared,
    /// Reliability engineers.
    Sre,
    /// An operations team, behind a service desk.
    Operations,
    /// Some of each: operations take the call, and those who build it the next.
    Mixed,
}

impl SupportModel {
    /// What a service says of who runs it, as costs know it.
    pub const fn of_service(said: crate::service::SupportModel) -> Self {
        match said {
            crate::service::SupportModel::Developers => Self::Developers,
            crate::service::SupportModel::Operations => Self::Operations,
            crate::service::SupportModel::Sre => Self::Sre,
            crate::service::SupportModel::Mixed => Self::Mixed,
            crate::service::SupportModel::Shared => Self::Shared,
        }
    }

    /// Who carries a pager, as costs know it.
    pub const fn of_holder(holder: crate::custody::Holder) -> Self {
        match holder {
            crate::custody::Holder::Developers => Self::Developers,
            crate::custody::Holder::Shared => Self::Shared,
            crate::custody::Holder::Sre => Self::Sre,
        }
    }

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Developers => "developers",
            Self::Shared => "shared",
            Self::Sre => "sre",
            Self::Operations => "operations",
            Self::Mixed => "mixed",
        }
    }
}

/// Who is called out of hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutOfHours {
    /// Nobody: it waits for the next working day.
    None,
    /// One rota for all services of a domain.
    Domain,
    /// A rota of the service's own team.
    Team,
}

impl OutOfHours {
    /// Who it is, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::None => "nobody",
            Self::Domain => "a rota of the domain",
            Self::Team => "a rota of the team",
        }
    }
}

/// Which budget pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaidFrom {
    /// Capital, as an investment is.
    Capital,
    /// What running costs.
    Operating,
}

/// Costs of support with their name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SupportCosts {
    /// What they are called.
    pub name: String,
    /// What they say.
    pub spec: SupportCostsSpec,
}

/// `spec` of a `kind: SupportCosts`. All amounts are in one currency.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SupportCostsSpec {
    /// Where the amounts come from, in a sentence.
    #[serde(default)]
    pub description: Option<String>,
    /// True where nobody has said that the amounts are right; what follows from them says so.
    #[serde(default)]
    pub assumed: bool,
    /// What one person is paid for an hour of standby.
    pub standby: Money,
    /// What one person is paid for an hour of a call-out.
    pub call_out: Money,
    /// The shortest call-out that is paid.
    #[serde(default, deserialize_with = "read::duration")]
    pub call_out_shortest: Duration,
    /// The share of a call-out that is given back as time off.
    #[serde(with = "read::share")]
    pub time_off_in_lieu: Rational,
    /// What an hour of somebody's work costs.
    pub working_hour: Money,
    /// The hours of a week in which nobody is at work.
    #[serde(deserialize_with = "read::duration")]
    pub out_of_hours: Duration,
    /// How many services share the rota of a domain.
    pub services_per_domain: u32,
    /// What each model costs, each at most once.
    pub models: Vec<ModelCosts>,
    /// Which target an hour of outage asks for. The first decides; where others lead elsewhere, they are shown.
    pub bandings: Vec<Banding>,
    /// What a further nine costs.
    pub nines: Nines,
    /// By which share costs and exposure may move before somebody is told.
    #[serde(with = "read::share")]
    pub tolerance: Rational,
}

/// What one model costs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ModelCosts {
    /// Which.
    pub model: SupportModel,
    /// What is paid once.
    pub set_up: Money,
    /// The years over which that is written off.
    pub set_up_years: u32,
    /// Which budget pays it.
    pub set_up_from: PaidFrom,
    /// What is paid each year, besides standby and call-outs.
    pub running: Money,
    /// Which budget pays it, and standby and call-outs with it.
    pub running_from: PaidFrom,
    /// How many people are on standby at a time: one for each level of support.
    pub on_standby: u32,
    /// How long a failure is expected to last from when it is known.
    #[serde(deserialize_with = "read::duration")]
    pub restore: Duration,
    /// How often a failure is handed on before somebody can repair it.
    pub hand_offs: u32,
}

/// Which target what an hour of outage costs asks for, by one source.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Banding {
    /// Where it is from.
    pub name: String,
    /// The bands, cheapest first; the last has no end.
    pub bands: Vec<Band>,
}

/// One band.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Band {
    /// The most that an hour of outage costs in it; `None` in the last.
    #[serde(default)]
    pub up_to: Option<Money>,
    /// The share of good that is promised.
    #[serde(with = "read::target")]
    pub target: Target,
    /// Who is called out of hours.
    pub out_of_hours: OutOfHours,
}

/// The rule of thumb that each further nine costs so many times as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nines {
    /// What the first nine, 90 %, costs a year.
    pub first: Money,
    /// How many times as much the next.
    pub times: u32,
}

impl Banding {
    /// The band of what an hour of outage costs: at its end an amount is still in a band. `None` in another
    /// currency.
    pub fn band(&self, an_hour: Money) -> Option<&Band> {
        let mut bands = self.bands.iter();
        bands.find_map(|band| match band.up_to {
            Some(up_to) => match an_hour.compare(up_to) {
                None => Some(None),
                Some(order) => order.is_le().then_some(Some(band)),
            },
            None => Some(Some(band)),
        })?
    }
}

impl SupportCosts {
    /// Checks costs as a whole.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: SupportCostsSpec) -> Result<Self, Vec<PolicyError>> {
        let mut wrong = Vec::new();
        let mut fault = |path: String, message: String| {
            wrong.push(PolicyError { path, place: None, message });
        };
        if name.trim().is_empty() {
            fault("metadata.name".to_owned(), "costs have a name".to_owned());
        }
        let currency = spec.currency();
        for (path, amount) in spec.amounts() {
            if amount.currency() != currency {
                fault(path, format!("it is not in {currency}, as `spec.standby` is"));
            }
        }
        if spec.out_of_hours > WEEK {
            fault("spec.outOfHours".to_owned(), "a week has 168 hours".to_owned());
        }
        if spec.call_out_shortest > WEEK {
            fault("spec.callOutShortest".to_owned(), "it is at most a week".to_owned());
        }
        if spec.services_per_domain == 0 {
            fault("spec.servicesPerDomain".to_owned(), "a domain has a service".to_owned());
        }
        if spec.models.is_empty() {
            fault("spec.models".to_owned(), "there is nothing to compare".to_owned());
        }
        for (at, costs) in spec.models.iter().enumerate() {
            let path = format!("spec.models[{at}]");
            if spec.models[..at].iter().any(|other| other.model == costs.model) {
                fault(format!("{path}.model"), "it is there already".to_owned());
            }
            if !(1..=SET_UP_YEARS_MAX).contains(&costs.set_up_years) {
                fault(format!("{path}.setUpYears"), format!("1 to {SET_UP_YEARS_MAX} years"));
            }
            if costs.on_standby > PEOPLE_MAX {
                fault(format!("{path}.onStandby"), format!("at most {PEOPLE_MAX}"));
            }
            if costs.hand_offs > PEOPLE_MAX {
                fault(format!("{path}.handOffs"), format!("at most {PEOPLE_MAX}"));
            }
        }
        if spec.bandings.is_empty() || spec.bandings.len() > LIST_MAX {
            fault("spec.bandings".to_owned(), format!("there are 1 to {LIST_MAX}"));
        }
        for (at, banding) in spec.bandings.iter().enumerate() {
            if let Some((path, message)) = banding_fault(banding) {
                fault(format!("spec.bandings[{at}]{path}"), message.to_owned());
            }
        }
        if !(1..=TIMES_MAX).contains(&spec.nines.times) {
            fault("spec.nines.times".to_owned(), format!("1 to {TIMES_MAX}"));
        }
        if wrong.is_empty() { Ok(Self { name: name.to_owned(), spec }) } else { Err(wrong) }
    }

    /// What a model costs; `None` where nothing is said of it.
    pub fn model(&self, model: SupportModel) -> Option<&ModelCosts> {
        self.spec.models.iter().find(|costs| costs.model == model)
    }

    /// The banding that decides.
    pub fn banding(&self) -> &Banding {
        self.spec.bandings.first().expect("checked costs have a banding")
    }

    /// The currency of every amount.
    pub const fn currency(&self) -> Currency {
        self.spec.currency()
    }
}

impl SupportCostsSpec {
    const fn currency(&self) -> Currency {
        self.standby.currency()
    }

    /// Every amount with its path.
    fn amounts(&self) -> Vec<(String, Money)> {
        let mut amounts = vec![
            ("spec.callOut".to_owned(), self.call_out),
            ("spec.workingHour".to_owned(), self.working_hour),
        ];
        for (at, costs) in self.models.iter().enumerate() {
            amounts.push((format!("spec.models[{at}].setUp"), costs.set_up));
            amounts.push((format!("spec.models[{at}].running"), costs.running));
        }
        for (at, banding) in self.bandings.iter().enumerate() {
            for (inner, band) in banding.bands.iter().enumerate() {
                let path = format!("spec.bandings[{at}].bands[{inner}].upTo");
                amounts.extend(band.up_to.map(|up_to| (path, up_to)));
            }
        }
        amounts.push(("spec.nines.first".to_owned(), self.nines.first));
        amounts
    }
}

/// The first thing wrong with a banding, and where.
fn banding_fault(banding: &Banding) -> Option<(&'static str, &'static str)> {
    let Banding { name, bands } = banding;
    let is_open = |band: &Band| band.up_to.is_none();
    let rises = |pair: &[Band]| match (pair[0].up_to, pair[1].up_to) {
        (Some(one), Some(two)) => one.amount() < two.amount(),
        (one, _) => one.is_some(),
    };
    if name.trim().is_empty() {
        return Some((".name", "say where it is from"));
    }
    if bands.is_empty() || bands.len() > LIST_MAX {
        return Some((".bands", "there are 1 to 16 bands"));
    }
    if !bands.last().is_some_and(is_open) {
        return Some((
            ".bands",
            "the last band has no `upTo`: an outage may cost more than any amount",
        ));
    }
    if !bands.windows(2).all(rises) {
        return Some((
            ".bands",
            "each band ends above the one before it, and only the last has no end",
        ));
    }
    (!bands.is_sorted_by_key(|band| band.target))
        .then_some((".bands", "what costs more is promised no less"))
}
