//! What to fix first: each risk and each factor by what it would change if it were gone.

use super::document::Risk;
use super::register::{Register, YEAR, minutes};
use super::simulate::{Simulated, Trials};
use super::standing::RiskObjective;
use crate::delivery::Share;

/// What a bar of a tornado is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BarOf {
    /// One risk.
    Risk,
    /// Something that makes many risks worse.
    Factor,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Bar {
    /// What it is of.
    pub of: BarOf,
    /// The risk or the factor.
    pub name: String,
    /// What it costs, in bad minutes a year of 365.25 days: at the better end of the ranges, on average, at the
    /// worse end. The ends of a factor are those of the risks that have it.
    pub minutes_a_year: [f64; 3],
    /// The part of a risk's bad time that passes before somebody knows: more than half, and detecting it
    /// earlier saves more than repairing it faster by as much. `None` for a factor.
    pub undetected: Option<f64>,
    /// How many of the windows are missed when it is gone.
    pub missed_without: Share,
    /// By how much less likely the objective is then missed, from 0 to 1.
    pub saves: f64,
}

/// An objective's tornado.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Tornado {
    /// What is to be expected as it is.
    pub now: Simulated,
    /// Risks and factors: those that save the most probability first, then those that cost the most minutes.
    pub bars: Vec<Bar>,
}

/// Ranks what spends the budget of `objective`; `None` when no risk does.
///
/// The bars are not to be added up: two risks that each alone miss an objective save nothing one by one.
pub fn tornado(register: &Register, objective: &RiskObjective, seed: u64) -> Option<Tornado> {
    let trials = Trials::draw(register, objective, seed)?;
    let now = trials.summary();
    let saves = |without: Share| now.missed.share - without.share;
    let risks: Vec<&Risk> = register.spenders(&objective.slo).collect();
    let mut bars: Vec<Bar> = risks
        .iter()
        .enumerate()
        .map(|(column, risk)| {
            let cost = register.cost(&risk.spec);
            let missed_without = trials.missed_without(column);
            Bar {
                of: BarOf::Risk,
                name: risk.name.clone(),
                minutes_a_year: [cost.best.to_f64(), cost.mean, cost.worst.to_f64()]
                    .map(|share| minutes(share, YEAR)),
                undetected: Some(cost.undetected),
                missed_without,
                saves: saves(missed_without),
            }
        })
        .collect();
    for factor in &register.rules().factors {
        let without = register.without_factor(&factor.name);
        let drawn = trials.under(&without, objective, |risk| factor.is_of(risk));
        let mut adds = [0.0; 3];
        for risk in risks.iter().filter(|risk| factor.is_of(&risk.spec)) {
            let (with, bare) = (register.cost(&risk.spec), without.cost(&risk.spec));
            adds[0] += with.best.to_f64() - bare.best.to_f64();
            adds[1] += with.mean - bare.mean;
            adds[2] += with.worst.to_f64() - bare.worst.to_f64();
        }
        let missed_without = drawn.summary().missed;
        bars.push(Bar {
            of: BarOf::Factor,
            name: factor.name.clone(),
            minutes_a_year: adds.map(|share| minutes(share, YEAR)),
            undetected: None,
            missed_without,
            saves: saves(missed_without),
        });
    }
    let rank = |a: &Bar, b: &Bar| {
        let by_minutes = b.minutes_a_year[1].total_cmp(&a.minutes_a_year[1]);
        b.saves.total_cmp(&a.saves).then(by_minutes).then_with(|| a.name.cmp(&b.name))
    };
    bars.sort_by(rank);
    Some(Tornado { now, bars })
}
