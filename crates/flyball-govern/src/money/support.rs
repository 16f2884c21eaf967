//! Who should run a service: models beside each other with their costs, and what two published rules say.
//!
//! Sources: Equal Experts' playbooks ("You Build It You Run It", selection by availability and deployment
//! target) and S. Smith's account of how Google's SRE teams take services on ("SRE Run It"). Where the two
//! differ both answers stand: neither decides for the other.

use flyball_budget::Fraction;
use flyball_model::{Duration, Rational, Target};

use super::amount::{Money, hours};
use super::costs::{ModelCosts, OutOfHours, PaidFrom, SupportCosts, SupportModel};
use super::worksheet::{Banded, banded};
use crate::risk::YEAR;

/// How often a service is called out of hours, and how it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Call-outs out of hours in a year.
    pub call_outs_a_year: u32,
    /// How long one takes.
    #[serde(deserialize_with = "crate::policy::read::duration")]
    pub call_out_lasts: Duration,
    /// Failures in a year, at any hour.
    pub failures_a_year: u32,
}

/// What a model costs in a year of 365.25 days.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct YearlyCost {
    /// Which.
    pub model: SupportModel,
    /// Who is called out of hours.
    pub out_of_hours: OutOfHours,
    /// For being ready.
    pub standby: Money,
    /// For being called.
    pub call_outs: Money,
    /// For time off afterwards.
    pub time_off: Money,
    /// The part of the set-up that is written off.
    pub set_up: Money,
    /// What running it costs besides.
    pub running: Money,
    /// All together: what it costs as an insurance does.
    pub total: Money,
    /// The part of it that capital pays.
    pub capital: Money,
    /// The part that running costs are.
    pub operating: Money,
    /// What failures are expected to cost, in the time until they are repaired: all users hit, at any hour alike. Where
    /// nobody is called out of hours they wait until work begins: [`wait_until_work`].
    pub expected_loss: Money,
    /// What it costs and what failures are expected to cost, together: an insurance is its premium and what it does not
    /// cover.
    pub with_loss: Money,
    /// How often a failure is handed on.
    pub hand_offs: u32,
}

impl SupportCosts {
    /// What `model` costs a year with that rota out of hours, when an hour of outage costs `an_hour`; `None`
    /// when nothing is said of the model, and in another currency.
    ///
    /// A rota of a domain is shared by its services. Standby of a team for each service is the most expensive
    /// form: it grows with the number of teams.
    pub fn yearly(
        &self,
        model: SupportModel,
        out_of_hours: OutOfHours,
        load: &Load,
        an_hour: Money,
    ) -> Option<YearlyCost> {
        let costs = self.model(model)?;
        let spec = &self.spec;
        let whole = |count: u32| Fraction::whole(count.into());
        let nothing = Money::nothing(self.currency());
        let weeks = Fraction::new(YEAR.nanos().into(), 7 * 86_400_000_000_000)?;
        let one_of = |count: u32| Fraction::new(1, u128::from(count));
        let (rota, call_outs) = match out_of_hours {
            OutOfHours::None => (Fraction::ZERO, Fraction::ZERO),
            OutOfHours::Domain => (one_of(spec.services_per_domain)?, whole(load.call_outs_a_year)),
            OutOfHours::Team => (Fraction::whole(1), whole(load.call_outs_a_year)),
        };
        let standby_hours = hours(spec.out_of_hours).checked_mul(weeks)?;
        let standby =
            spec.standby.times(standby_hours)?.times(rota)?.times(whole(costs.on_standby))?;
        let paid = load.call_out_lasts.max(spec.call_out_shortest);
        let called = spec.call_out.for_time(paid)?.times(call_outs)?;
        let off = spec.working_hour.for_time(load.call_out_lasts)?.times(call_outs)?;
        let time_off = off.times(Fraction::of(spec.time_off_in_lieu))?;
        let set_up = costs.set_up.times(one_of(costs.set_up_years)?)?;
        let running = costs.running;
        let run = standby.plus(called)?.plus(time_off)?.plus(running)?;
        let paid_by = |from: PaidFrom| {
            let part = |of: PaidFrom, amount: Money| if of == from { amount } else { nothing };
            part(costs.set_up_from, set_up).plus(part(costs.running_from, run))
        };
        let waits = match out_of_hours {
            OutOfHours::None => wait_until_work(spec.out_of_hours),
            OutOfHours::Domain | OutOfHours::Team => Duration::ZERO,
        };
        let lasts = Duration::from_nanos(costs.restore.nanos().checked_add(waits.nanos())?)?;
        let loss = an_hour.for_time(lasts)?.times(whole(load.failures_a_year))?;
        // In another currency the two cannot be compared, and nothing is said.
        let expected_loss = loss.plus(nothing)?;
        let total = run.plus(set_up)?;
        Some(YearlyCost {
            model,
            out_of_hours,
            standby,
            call_outs: called,
            time_off,
            set_up,
            running,
            total,
            capital: paid_by(PaidFrom::Capital)?,
            operating: paid_by(PaidFrom::Operating)?,
            expected_loss,
            with_loss: total.plus(expected_loss)?,
            hand_offs: costs.hand_offs,
        })
    }
}

/// How long a failure at any hour waits on average until work begins, in whole seconds, when nobody is at work for
/// `out_of_hours` of a week: five working days of equal length, four nights and a weekend.
///
/// A failure falls into a stretch of length L with the share L ÷ 168 h and waits half of it: Σ L² ÷ (2 · 168 h).
pub fn wait_until_work(out_of_hours: Duration) -> Duration {
    let (week, weekend) = (7 * 86_400, 2 * 86_400);
    let out = (out_of_hours.nanos() / 1_000_000_000).min(week);
    // What is left of five days; of less than a weekend there are no nights.
    let night = (out - weekend).max(0) / 5;
    let last = out - 4 * night;
    let seconds = (4 * night * night + last * last) / (2 * week);
    Duration::from_nanos(seconds * 1_000_000_000).unwrap_or_default()
}

/// What kind of thing a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// A service that the organisation builds and changes for its users.
    DigitalService,
    /// Something bought and hosted, or a foundation that changes seldom.
    OffTheShelf,
}

/// How much hangs on a service's traffic.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// Little.
    Light,
    /// So much that failures are noticed.
    Substantial,
    /// So much that the organisation fails with it.
    Critical,
}

/// What a choice of who runs a service is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Basis {
    /// What an hour of outage costs.
    pub an_hour: Money,
    /// What kind of thing it is.
    pub product: Product,
    /// The time from one deployment to the next that features ask for.
    #[serde(deserialize_with = "crate::policy::read::duration")]
    pub interval: Duration,
    /// How much hangs on its traffic.
    pub traffic: Traffic,
    /// Whether it has passed its hand-off review.
    pub reviewed: bool,
    /// Whether its budget has been missed time and again.
    pub missed: bool,
    /// How often it is called, and fails.
    pub load: Load,
}

/// Why a rule says what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SupportReason {
    /// Four nines and more are kept by those who build it only.
    FourNines,
    /// A digital service that is deployed weekly or more often.
    OftenDeployed,
    /// Bought or foundational, deployed seldom, three nines or less.
    SeldomDeployed,
    /// No line of the rule fits.
    NotCovered,
    /// Whoever builds a service begins by running it.
    Default,
    /// Substantial traffic and a passed review.
    Substantial,
    /// Critical traffic and a passed review.
    Critical,
    /// It has the traffic, and has not passed its review.
    NotReviewed,
    /// Its budget was missed time and again: the rota goes back.
    HandedBack,
}

impl SupportReason {
    /// The reason, in a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::FourNines => {
                "At 99.99 % and above only those who build it can restore it fast enough."
            }
            Self::OftenDeployed => "It is a digital service that is deployed weekly or more often.",
            Self::SeldomDeployed => {
                "It is bought or foundational, is deployed every two weeks or more seldom, and promises 99.9 % or less."
            }
            Self::NotCovered => {
                "The rule has no line for this kind of service, target and frequency."
            }
            Self::Default => {
                "Whoever builds a service begins by running it, with a quarterly budget."
            }
            Self::Substantial => "Its traffic is substantial and it has passed its review.",
            Self::Critical => "Its traffic is critical and it has passed its review.",
            Self::NotReviewed => "It has the traffic, and has not passed its hand-off review.",
            Self::HandedBack => "Its budget was missed time and again, so the rota goes back.",
        }
    }
}

/// A published rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SupportRule {
    /// Equal Experts' selection by availability target and deployment target.
    EqualExperts,
    /// How SRE teams take services on and give them back.
    SreRunIt,
}

impl SupportRule {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EqualExperts => "Equal Experts' rule",
            Self::SreRunIt => "The rule of SRE teams",
        }
    }
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Ruled {
    /// The rule.
    pub rule: SupportRule,
    /// Who should run it; `None` when the rule does not say.
    pub model: Option<SupportModel>,
    /// Why.
    pub reason: SupportReason,
}

/// Who should run a service, what it should promise, and what each answer costs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Recommendation {
    /// What each banding asks for, the one that decides first.
    pub targets: Vec<Banded>,
    /// What both rules say.
    pub rules: [Ruled; 2],
    /// The model, where no rule that says anything says another.
    pub agreed: Option<SupportModel>,
    /// Every model of the document with its cost, the least of cost and expected loss together first, with the rota of the
    /// target that decides.
    pub costs: Vec<YearlyCost>,
    /// True when the amounts are assumed.
    pub assumed: bool,
}

/// Recommends who runs a service; `None` when its costs are in another currency.
pub fn recommend(costs: &SupportCosts, basis: &Basis) -> Option<Recommendation> {
    let targets = banded(costs, basis.an_hour)?;
    let decided = targets.first()?;
    let rules = [equal_experts(decided.target, basis), sre_run_it(basis)];
    let said: Vec<SupportModel> = rules.iter().filter_map(|ruled| ruled.model).collect();
    let agreed = said.first().copied().filter(|first| said.iter().all(|model| model == first));
    let yearly =
        |of: &ModelCosts| costs.yearly(of.model, decided.out_of_hours, &basis.load, basis.an_hour);
    let mut yearly: Vec<YearlyCost> =
        costs.spec.models.iter().map(yearly).collect::<Option<_>>()?;
    yearly.sort_by_key(|cost| cost.with_loss.amount());
    Some(Recommendation { rules, agreed, costs: yearly, assumed: costs.spec.assumed, targets })
}

/// Equal Experts: two keys, the availability target and the deployment target.
fn equal_experts(target: Target, basis: &Basis) -> Ruled {
    let at_most = |part, whole| Rational::new(part, whole).is_some_and(|of| target.share() <= of);
    let at_least = |part, whole| Rational::new(part, whole).is_some_and(|of| target.share() >= of);
    let weekly = basis.interval <= Duration::from_days(7);
    let (model, reason) = if at_least(9_999, 10_000) {
        (Some(SupportModel::Developers), SupportReason::FourNines)
    } else if basis.product == Product::DigitalService && weekly && at_least(95, 100) {
        (Some(SupportModel::Developers), SupportReason::OftenDeployed)
    } else if basis.product == Product::OffTheShelf
        && basis.interval >= Duration::from_days(14)
        && at_least(95, 100)
        && at_most(999, 1_000)
    {
        (Some(SupportModel::Operations), SupportReason::SeldomDeployed)
    } else {
        (None, SupportReason::NotCovered)
    };
    Ruled { rule: SupportRule::EqualExperts, model, reason }
}

/// SRE teams: developers first, shared with substantial traffic, SRE with critical traffic, back when it is
/// missed.
fn sre_run_it(basis: &Basis) -> Ruled {
    let (model, reason) = match basis {
        Basis { missed: true, .. } => (SupportModel::Developers, SupportReason::HandedBack),
        Basis { traffic: Traffic::Light, .. } => (SupportModel::Developers, SupportReason::Default),
        Basis { reviewed: false, .. } => (SupportModel::Developers, SupportReason::NotReviewed),
        Basis { traffic: Traffic::Critical, .. } => (SupportModel::Sre, SupportReason::Critical),
        Basis { .. } => (SupportModel::Shared, SupportReason::Substantial),
    };
    Ruled { rule: SupportRule::SreRunIt, model: Some(model), reason }
}
