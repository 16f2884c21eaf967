//! Where each risk stands against an objective: accepted, fits, does not fit, too big.
//!
//! Everything is compared as shares of time, exactly. Where an input is a range, both of its ends are compared;
//! where they disagree the mean decides, and the answer says that it is not sure.

use std::collections::BTreeSet;

use flyball_budget::{Fraction, cmp_sum};
use flyball_model::{Duration, Target};
use jiff::civil::Date;

use super::document::Risk;
use super::register::{Cost, Register, YEAR, minutes};

/// An objective whose budget risks spend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RiskObjective {
    /// The SLO.
    pub slo: String,
    /// The share of good that is promised.
    pub target: Target,
    /// Over which window; of a calendar's, its nominal length.
    pub window: Duration,
}

/// Where a risk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskStanding {
    /// By itself it spends more of the budget than one risk may.
    TooBig,
    /// It is no larger than one risk may be, and more than is left of the budget after what is accepted.
    DoesNotFit,
    /// The budget that is left would cover it.
    Fits,
    /// Somebody has decided to live with it.
    Accepted,
}

/// How an amount compares with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Above {
    /// True when it is more; by the means where ranges leave it open.
    pub above: bool,
    /// True when it is so whatever the ranges hold.
    pub sure: bool,
}

/// One line of a register.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RiskLine {
    /// The risk.
    pub name: String,
    /// Bad minutes that are expected in a year of 365.25 days: at the better end of the ranges, on average, at
    /// the worse end.
    pub minutes_a_year: [f64; 3],
    /// Bad minutes that are expected in the objective's window, on average.
    pub minutes_a_window: f64,
    /// The share of the budget that it is expected to spend, on average; the same for every window.
    pub budget_share: f64,
    /// The part of its bad time that passes before somebody knows.
    pub undetected: f64,
    /// Where it stands.
    pub standing: RiskStanding,
    /// How it compares with the most that one risk may spend, accepted or not.
    pub ceiling: Above,
    /// True when its standing is the same whatever the ranges hold.
    pub sure: bool,
    /// True when it was accepted, and no longer is.
    pub lapsed: bool,
}

/// What a factor adds, or what risks with one theme cost.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ThemeLine {
    /// The theme.
    pub name: String,
    /// How many risks have it.
    pub risks: usize,
    /// What they are expected to cost together, in bad minutes a year.
    pub minutes_a_year: f64,
    /// The part of that which would not be there without it, in bad minutes a year; `None` for a theme that is
    /// no factor.
    pub adds: Option<f64>,
}

/// A register held against one objective.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Assessment {
    /// The objective.
    pub objective: RiskObjective,
    /// The budget, in minutes of a year of 365.25 days.
    pub budget_minutes_a_year: f64,
    /// The budget, in minutes of the objective's window.
    pub budget_minutes_a_window: f64,
    /// The most that one risk may spend, in minutes of a year.
    pub ceiling_minutes_a_year: f64,
    /// What is kept for the unknown, in minutes of a year.
    pub reserve_minutes_a_year: f64,
    /// What accepted risks are expected to spend, in minutes of a year.
    pub accepted_minutes_a_year: f64,
    /// What is left of the budget after the reserve and what is accepted, in minutes of a year; below 0 when
    /// more is accepted than there is.
    pub unallocated_minutes_a_year: f64,
    /// What all risks are expected to spend, in minutes of a year.
    pub expected_minutes_a_year: f64,
    /// Whether that is more than the budget without its reserve.
    pub overspent: Above,
    /// Whether the risks that are not too big spend more than that, the accepted ones included.
    pub rest_overspent: Above,
    /// The risks, the most expensive first.
    pub risks: Vec<RiskLine>,
    /// What they have in common, the most expensive first.
    pub themes: Vec<ThemeLine>,
}

/// Holds the risks that spend the budget of `objective` against it, on the day `today`.
///
/// `None` when the register holds none: a service whose risks nobody has named is not without any.
pub fn assess(register: &Register, objective: &RiskObjective, today: Date) -> Option<Assessment> {
    let risks: Vec<(&Risk, Cost)> =
        register.spenders(&objective.slo).map(|risk| (risk, register.cost(&risk.spec))).collect();
    if risks.is_empty() {
        return None;
    }
    let rules = register.rules();
    let budget = Fraction::of(objective.target.error_budget());
    let part = |share| budget.checked_mul(Fraction::of(share)).unwrap_or(budget);
    let (ceiling, reserve) = (part(rules.ceiling), part(rules.reserve));
    let usable = budget.checked_sub(reserve).unwrap_or(budget);
    let stands = |risk: &Risk| risk.spec.accepted.as_ref().is_some_and(|of| today < of.until);
    let accepted: Vec<Cost> =
        risks.iter().filter(|(risk, _)| stands(risk)).map(|(_, cost)| *cost).collect();
    let line = |(risk, cost): &(&Risk, Cost)| {
        let is_above = above(std::slice::from_ref(cost), ceiling);
        let (standing, sure) = if stands(risk) {
            (RiskStanding::Accepted, true)
        } else if is_above.above {
            (RiskStanding::TooBig, is_above.sure)
        } else {
            let with: Vec<Cost> = accepted.iter().copied().chain([*cost]).collect();
            let left = above(&with, usable);
            let standing = if left.above { RiskStanding::DoesNotFit } else { RiskStanding::Fits };
            (standing, is_above.sure && left.sure)
        };
        RiskLine {
            name: risk.name.clone(),
            minutes_a_year: [cost.best.to_f64(), cost.mean, cost.worst.to_f64()]
                .map(|share| minutes(share, YEAR)),
            minutes_a_window: minutes(cost.mean, objective.window),
            budget_share: cost.mean / budget.to_f64(),
            undetected: cost.undetected,
            standing,
            ceiling: is_above,
            sure,
            lapsed: risk.spec.accepted.is_some() && !stands(risk),
        }
    };
    let mut lines: Vec<RiskLine> = risks.iter().map(line).collect();
    // A stable sort: risks that cost the same stay in the order of their names.
    lines.sort_by(|a, b| b.minutes_a_year[1].total_cmp(&a.minutes_a_year[1]));
    let costs: Vec<Cost> = risks.iter().map(|(_, cost)| *cost).collect();
    let big = |name: &str| {
        lines.iter().any(|line| line.name == name && line.standing == RiskStanding::TooBig)
    };
    let rest: Vec<Cost> =
        risks.iter().filter(|(risk, _)| !big(&risk.name)).map(|(_, cost)| *cost).collect();
    let a_year = |share: f64| minutes(share, YEAR);
    let accepts = sum(&accepted);
    Some(Assessment {
        budget_minutes_a_year: a_year(budget.to_f64()),
        budget_minutes_a_window: minutes(budget.to_f64(), objective.window),
        ceiling_minutes_a_year: a_year(ceiling.to_f64()),
        reserve_minutes_a_year: a_year(reserve.to_f64()),
        accepted_minutes_a_year: a_year(accepts),
        unallocated_minutes_a_year: a_year(usable.to_f64() - accepts),
        expected_minutes_a_year: a_year(sum(&costs)),
        overspent: above(&costs, usable),
        rest_overspent: above(&rest, usable),
        themes: themes(register, &risks),
        risks: lines,
        objective: objective.clone(),
    })
}

/// How the sum of `costs` compares with `limit`.
fn above(costs: &[Cost], limit: Fraction) -> Above {
    let compare = |end: fn(&Cost) -> Fraction| {
        cmp_sum(&costs.iter().map(end).collect::<Vec<_>>(), limit).is_gt()
    };
    let (best, worst) = (compare(|cost| cost.best), compare(|cost| cost.worst));
    let above = if best == worst { best } else { sum(costs) > limit.to_f64() };
    Above { above, sure: best == worst }
}

fn sum(costs: &[Cost]) -> f64 {
    costs.iter().map(|cost| cost.mean).sum()
}

/// What risks have in common: factors, and other themes that they name.
fn themes(register: &Register, risks: &[(&Risk, Cost)]) -> Vec<ThemeLine> {
    let factors = &register.rules().factors;
    let names: BTreeSet<&String> = risks
        .iter()
        .flat_map(|(risk, _)| &risk.spec.themes)
        .chain(factors.iter().map(|factor| &factor.name))
        .collect();
    let line = |name: &String| {
        let factor = factors.iter().find(|factor| factor.name == *name);
        let has = |risk: &Risk| {
            factor.map_or_else(|| risk.spec.themes.contains(name), |of| of.is_of(&risk.spec))
        };
        let with: Vec<&(&Risk, Cost)> = risks.iter().filter(|(risk, _)| has(risk)).collect();
        let together: f64 = with.iter().map(|(_, cost)| cost.mean).sum();
        let adds = factor.map(|_| {
            let without = register.without_factor(name);
            let rest: f64 = with.iter().map(|(risk, _)| without.cost(&risk.spec).mean).sum();
            minutes(together - rest, YEAR)
        });
        ThemeLine {
            name: name.clone(),
            risks: with.len(),
            minutes_a_year: minutes(together, YEAR),
            adds,
        }
    };
    let mut lines: Vec<ThemeLine> = names.into_iter().map(line).collect();
    lines.sort_by(|a, b| b.minutes_a_year.total_cmp(&a.minutes_a_year));
    lines
}
