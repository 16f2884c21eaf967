//! When reality has left what a choice was made from.
//!
//! Whoever chose a target and who runs a service did so from numbers. They are kept with the choice; later ones
//! are put in their place one by one, so that an alarm says which of them led elsewhere.

use flyball_budget::Fraction;
use flyball_model::{Rational, Target, Timestamp};

use super::amount::Money;
use super::costs::{OutOfHours, SupportCosts, SupportModel};
use super::support::{Basis, SupportRule, recommend};

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
}

/// What would now be chosen differently than `choice` was; nothing while it stands. `None` when the costs are
/// in another currency, or say nothing of the model.
///
/// A rule that already said something else when it was chosen was decided against, and is no drift until it
/// says a third thing.
pub fn drift(costs: &SupportCosts, choice: &SupportChoice, now: &Basis) -> Option<Vec<Drift>> {
    let then = &choice.basis;
    let at = |basis: &Basis| {
        let recommended = recommend(costs, basis)?;
        let yearly = costs.yearly(choice.model, choice.out_of_hours, &basis.load, basis.an_hour)?;
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
    let tolerance = costs.spec.tolerance;
    let mut moved = |then: Money,
                     now: Money,
                     of: &dyn Fn(usize) -> Money,
                     drift: fn(Money, Money, Vec<Input>) -> Drift| {
        if has_moved(then, now, tolerance) {
            let because = (0..each.len()).filter(|at| has_moved(then, of(*at), tolerance));
            found.push(drift(then, now, because.map(|at| each[at].0).collect()));
        }
    };
    moved(old.2.total, new.2.total, &|at| each[at].1.2.total, |then, now, because| Drift::Cost {
        then,
        now,
        because,
    });
    moved(
        old.2.expected_loss,
        new.2.expected_loss,
        &|at| each[at].1.2.expected_loss,
        |then, now, because| Drift::Loss { then, now, because },
    );
    Some(found)
}

/// Whether `now` is further from `then` than the share `tolerance` of it, exactly.
fn has_moved(then: Money, now: Money, tolerance: Rational) -> bool {
    let Some(by) = now.minus(then).map(Money::amount) else { return false };
    let by = if by.is_negative() { Fraction::ZERO.checked_sub(by).unwrap_or(by) } else { by };
    then.amount().checked_mul(Fraction::of(tolerance)).is_some_and(|allowed| by > allowed)
}
