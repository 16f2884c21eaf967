//! When reality has left what a choice was made from.
//!
//! Whoever chose a target and who runs a service did so from numbers. They are kept with the choice; later ones
//! are put in their place one by one, so that an alarm says which of them led elsewhere.

use flyball_budget::Fraction;
use flyball_model::{Rational, Target, Timestamp};

use super::amount::Money;
use super::costs::{OutOfHours, SupportCosts, SupportModel};
use super::support::{Basis, Ruled, SupportRule, YearlyCost, recommend};

/// A choice, and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SupportChoice {
    /// Who answers for it.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// What it was made from.
    pub basis: Basis,
    /// The target.
    #[serde(with = "crate::policy::read::target")]
    pub target: Target,
    /// Who runs it.
    pub model: SupportModel,
    /// Who is called out of hours.
    pub out_of_hours: OutOfHours,
    /// Why it was chosen against the bands or a rule; `None` where it was not.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What the bands, or a rule, said otherwise when something was chosen.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Against {
    /// The bands asked for another target.
    Target {
        /// Which.
        asked: Target,
        /// What was chosen.
        chosen: Target,
    },
    /// The bands asked for others to be called out of hours.
    OutOfHours {
        /// Whom.
        asked: OutOfHours,
        /// Who was chosen.
        chosen: OutOfHours,
    },
    /// A rule said that others should run it.
    Model {
        /// The rule.
        rule: SupportRule,
        /// Who should.
        asked: SupportModel,
        /// Who was chosen.
        chosen: SupportModel,
    },
}

impl Against {
    /// What it is, in a sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Target { asked, chosen } => {
                format!("The bands asked for {asked}, and {chosen} was chosen.")
            }
            Self::OutOfHours { asked, chosen } => format!(
                "The bands asked for {} out of hours, and {} was chosen.",
                asked.words(),
                chosen.words()
            ),
            Self::Model { rule, asked, chosen } => {
                format!("{} said {}, and {} was chosen.", rule.name(), asked.word(), chosen.word())
            }
        }
    }
}

/// What speaks against `choice` by what it was made from; nothing where it is what was asked for. `None` when the costs are
/// in another currency.
pub fn against(costs: &SupportCosts, choice: &SupportChoice) -> Option<Vec<Against>> {
    let said = recommend(costs, &choice.basis)?;
    let decided = said.targets.first()?;
    let mut found = Vec::new();
    if decided.target != choice.target {
        found.push(Against::Target { asked: decided.target, chosen: choice.target });
    }
    if decided.out_of_hours != choice.out_of_hours {
        let (asked, chosen) = (decided.out_of_hours, choice.out_of_hours);
        found.push(Against::OutOfHours { asked, chosen });
    }
    for ruled in said.rules {
        if let Some(asked) = ruled.model.filter(|model| *model != choice.model) {
            found.push(Against::Model { rule: ruled.rule, asked, chosen: choice.model });
        }
    }
    Some(found)
}

/// What is in force of a service, beside what was chosen for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InForce {
    /// What its SLOs promise; empty when it has none.
    pub promised: Vec<Target>,
    /// SLOs whose budgets are overspent now.
    pub broken: Vec<String>,
    /// Who carries its pager; `None` when nothing is known of it.
    pub holder: Option<SupportModel>,
}

/// A number that a choice was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// What an hour of outage costs.
    AnHour,
    /// What kind of thing it is.
    Product,
    /// How often it is deployed.
    Interval,
    /// How large its traffic is.
    Traffic,
    /// Whether it has passed its review.
    Reviewed,
    /// Whether its budget is missed time and again.
    Missed,
    /// How often it is called, and fails.
    Load,
}

impl Input {
    const ALL: [Self; 7] = [
        Self::AnHour,
        Self::Product,
        Self::Interval,
        Self::Traffic,
        Self::Reviewed,
        Self::Missed,
        Self::Load,
    ];

    /// What it is, in words.
    const fn words(self) -> &'static str {
        match self {
            Self::AnHour => "what an hour costs",
            Self::Product => "what it is",
            Self::Interval => "how often it is deployed",
            Self::Traffic => "its traffic",
            Self::Reviewed => "its review",
            Self::Missed => "missed budgets",
            Self::Load => "how often it is called",
        }
    }

    /// `then` with this of `now`.
    fn of(self, then: &Basis, now: &Basis) -> Basis {
        match self {
            Self::AnHour => Basis { an_hour: now.an_hour, ..*then },
            Self::Product => Basis { product: now.product, ..*then },
            Self::Interval => Basis { interval: now.interval, ..*then },
            Self::Traffic => Basis { traffic: now.traffic, ..*then },
            Self::Reviewed => Basis { reviewed: now.reviewed, ..*then },
            Self::Missed => Basis { missed: now.missed, ..*then },
            Self::Load => Basis { load: now.load, ..*then },
        }
    }
}

/// Something that a choice would now be made differently for.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Drift {
    /// Another target is asked for.
    Target {
        /// What was chosen.
        chosen: Target,
        /// What is asked for.
        now: Target,
        /// What alone leads there; empty when it needs several, and when it was chosen against the rule.
        because: Vec<Input>,
    },
    /// A rule says that others should run it.
    Model {
        /// The rule.
        rule: SupportRule,
        /// Who runs it.
        chosen: SupportModel,
        /// Who should.
        now: SupportModel,
        /// What alone leads there; as above.
        because: Vec<Input>,
    },
    /// It costs more, or less, than it did when it was chosen, by more than is tolerated.
    Cost {
        /// What it cost a year.
        then: Money,
        /// What it costs a year.
        now: Money,
        /// What alone moves it so far.
        because: Vec<Input>,
    },
    /// Failures cost more, or less, than was expected, by more than is tolerated.
    Loss {
        /// What they were expected to cost a year.
        then: Money,
        /// What they are expected to cost a year.
        now: Money,
        /// What alone moves it so far.
        because: Vec<Input>,
    },
    /// No SLO of the service promises what was chosen.
    Promised {
        /// What was chosen.
        chosen: Target,
        /// What its SLOs promise.
        now: Vec<Target>,
    },
    /// Others carry the pager than was chosen.
    Held {
        /// Who was chosen.
        chosen: SupportModel,
        /// Who does.
        now: SupportModel,
    },
    /// Budgets are overspent, so that what was chosen is not what users get.
    Broken {
        /// The SLOs.
        slos: Vec<String>,
    },
}

impl Drift {
    /// What it is, in a sentence.
    pub fn sentence(&self) -> String {
        let percent = |target: &Target| target.to_string();
        let because = |inputs: &[Input]| {
            if inputs.is_empty() {
                return "it takes several inputs together".to_owned();
            }
            let words: Vec<&str> = inputs.iter().map(|input| input.words()).collect();
            format!("for {}", words.join(", "))
        };
        match self {
            Self::Target { chosen, now, because: of } => format!(
                "{} is asked for, and {} was chosen: {}.",
                percent(now),
                percent(chosen),
                because(of)
            ),
            Self::Model { rule, chosen, now, because: of } => format!(
                "{} says {}, and {} was chosen: {}.",
                rule.name(),
                now.word(),
                chosen.word(),
                because(of)
            ),
            Self::Cost { then, now, because: of } => {
                format!("Support costs {now} a year, and not {then}: {}.", because(of))
            }
            Self::Loss { then, now, because: of } => {
                format!("Failures cost {now} a year, and not {then}: {}.", because(of))
            }
            Self::Promised { chosen, now } if now.is_empty() => {
                format!("{} was chosen, and no SLO promises anything.", percent(chosen))
            }
            Self::Promised { chosen, now } => {
                let now: Vec<String> = now.iter().map(percent).collect();
                format!("{} was chosen, and its SLOs promise {}.", percent(chosen), now.join(", "))
            }
            Self::Held { chosen, now } => {
                format!("{} was chosen, and the pager is with {}.", chosen.word(), now.word())
            }
            Self::Broken { slos } => format!("The budget of {} is overspent.", slos.join(", ")),
        }
    }
}

/// Where what is `in_force` is not what was chosen; nothing where it is.
///
/// Custody knows developers, a shared rota and SRE: where operations take part, it says nothing of who was chosen.
pub fn left(choice: &SupportChoice, in_force: &InForce) -> Vec<Drift> {
    let InForce { promised, broken, holder } = in_force;
    let mut found = Vec::new();
    if !promised.contains(&choice.target) {
        found.push(Drift::Promised { chosen: choice.target, now: promised.clone() });
    }
    let is_known = !matches!(choice.model, SupportModel::Operations | SupportModel::Mixed);
    if let Some(now) = holder.filter(|now| is_known && *now != choice.model) {
        found.push(Drift::Held { chosen: choice.model, now });
    }
    if !broken.is_empty() {
        found.push(Drift::Broken { slos: broken.clone() });
    }
    found
}

/// Where inputs lead: the target that is asked for, what both rules say, and what the choice costs; that is `None` of a
/// model that has no costs.
type Led = (Target, [Ruled; 2], Option<YearlyCost>);

/// What would now be chosen differently than `choice` was; nothing while it stands. `None` when the costs are
/// in another currency. Where they say nothing of the model, nothing is said of what it costs.
///
/// A rule that already said something else when it was chosen was decided against, and is no drift until it
/// says a third thing.
pub fn drift(costs: &SupportCosts, choice: &SupportChoice, now: &Basis) -> Option<Vec<Drift>> {
    let then = &choice.basis;
    let at = |basis: &Basis| -> Option<Led> {
        let recommended = recommend(costs, basis)?;
        let yearly = costs.yearly(choice.model, choice.out_of_hours, &basis.load, basis.an_hour);
        let target = recommended.targets.first()?.target;
        Some((target, recommended.rules, yearly))
    };
    let (old, new) = (at(then)?, at(now)?);
    let each: Vec<_> = Input::ALL
        .into_iter()
        .filter_map(|input| Some((input, at(&input.of(then, now))?)))
        .collect();
    let mut found = Vec::new();
    if new.0 != old.0 && new.0 != choice.target {
        let because = each.iter().filter(|(_, of)| of.0 == new.0).map(|(input, _)| *input);
        found.push(Drift::Target { chosen: choice.target, now: new.0, because: because.collect() });
    }
    for at in 0..new.1.len() {
        let (was, is) = (old.1[at].model, new.1[at].model);
        let Some(is) = is.filter(|is| Some(*is) != was && *is != choice.model) else { continue };
        let because = each.iter().filter(|(_, of)| of.1[at].model == Some(is));
        found.push(Drift::Model {
            rule: new.1[at].rule,
            chosen: choice.model,
            now: is,
            because: because.map(|(input, _)| *input).collect(),
        });
    }
    found.extend(dearer(costs, (old.2.as_ref(), new.2.as_ref()), &each));
    Some(found)
}

/// What a choice costs, and what failures cost, where that has moved; nothing of a model that has no costs.
fn dearer(
    costs: &SupportCosts,
    (old, new): (Option<&YearlyCost>, Option<&YearlyCost>),
    each: &[(Input, Led)],
) -> Vec<Drift> {
    let Some((old, new)) = old.zip(new) else { return Vec::new() };
    let tolerance = costs.spec.tolerance;
    let mut found = Vec::new();
    let mut moved = |of: fn(&YearlyCost) -> Money, drift: fn(Money, Money, Vec<Input>) -> Drift| {
        let (then, now) = (of(old), of(new));
        if has_moved(then, now, tolerance) {
            let is_far =
                |led: &Led| led.2.as_ref().is_some_and(|led| has_moved(then, of(led), tolerance));
            let because = each.iter().filter(|(_, led)| is_far(led));
            found.push(drift(then, now, because.map(|(input, _)| *input).collect()));
        }
    };
    moved(|of| of.total, |then, now, because| Drift::Cost { then, now, because });
    moved(|of| of.expected_loss, |then, now, because| Drift::Loss { then, now, because });
    found
}

/// Whether `now` is further from `then` than the share `tolerance` of it, exactly.
fn has_moved(then: Money, now: Money, tolerance: Rational) -> bool {
    let Some(by) = now.minus(then).map(Money::amount) else { return false };
    let by = if by.is_negative() { Fraction::ZERO.checked_sub(by).unwrap_or(by) } else { by };
    then.amount().checked_mul(Fraction::of(tolerance)).is_some_and(|allowed| by > allowed)
}
