//! Teams that burn less of their budgets and ship no slower: what deserves to be seen.
//!
//! Teams, never persons: nothing here has a field for one. Teams are listed by name and not ranked, since
//! budgets of different services do not compare, and what is ranked is gamed.

use flyball_model::Duration;

use super::returned::Weeks;
use crate::delivery::{Direction, Held, Measures, trend};

/// What is known of a team, before and after.
#[derive(Debug, Clone)]
pub struct TeamFacts<'a> {
    /// The team.
    pub team: String,
    /// The burn of its budgets in each week before: 1 spends a budget in its window. `None` where nothing is
    /// known.
    pub burn_before: &'a [Option<f64>],
    /// The same after.
    pub burn_after: &'a [Option<f64>],
    /// How it delivered before.
    pub delivery_before: &'a Measures,
    /// How it delivers; over as long a time.
    pub delivery_after: &'a Measures,
    /// How much time was corrected away before.
    pub corrected_before: Duration,
    /// How much is now.
    pub corrected_after: Duration,
}

/// Why a team is not recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unrecognised {
    /// Too little is known of its burn, or chance may have done it.
    BurnUndecided,
    /// It burns no less.
    BurnsNoLess,
    /// It deploys less often.
    DeploysLess,
    /// Its commits take longer to users.
    LeadsLonger,
    /// How it delivers is not known.
    DeliveryUnknown,
    /// More of its time was corrected away: its burn may be less for that alone.
    MoreCorrected,
}

/// A team, and what speaks for it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TeamLine {
    /// The team.
    pub team: String,
    /// Its burn, before and after.
    pub burn: Weeks,
    /// Which way the time between its deployments went.
    pub interval: Direction,
    /// Which way the lead time of its commits went.
    pub lead_time: Direction,
    /// Why it is not recognised; empty when it is.
    pub because: Vec<Unrecognised>,
}

/// Teams whose burn was cut without slowing delivery, and the others.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Recognition {
    /// Those recognised, by name.
    pub recognised: Vec<TeamLine>,
    /// The others, by name, each with why: no blame, and what would change it.
    pub others: Vec<TeamLine>,
}

/// Which teams cut their burn without slowing their delivery.
pub fn recognise(teams: &[TeamFacts<'_>], seed: u64) -> Recognition {
    let mut lines: Vec<TeamLine> = teams.iter().map(|facts| line(facts, seed)).collect();
    lines.sort_by(|a, b| a.team.cmp(&b.team));
    let (recognised, others) = lines.into_iter().partition(|line| line.because.is_empty());
    Recognition { recognised, others }
}

fn line(facts: &TeamFacts<'_>, seed: u64) -> TeamLine {
    let burn = Weeks::of(facts.burn_before, facts.burn_after, seed);
    let went = trend(facts.delivery_before, facts.delivery_after);
    let mut because = Vec::new();
    match burn.is_less() {
        Held::Yes => {}
        Held::No => because.push(Unrecognised::BurnsNoLess),
        Held::NotEnoughData => because.push(Unrecognised::BurnUndecided),
    }
    let unknown = Direction::NotEnoughData;
    if went.interval == unknown || went.lead_time == unknown {
        because.push(Unrecognised::DeliveryUnknown);
    }
    if went.interval == Direction::Worse {
        because.push(Unrecognised::DeploysLess);
    }
    if went.lead_time == Direction::Worse {
        because.push(Unrecognised::LeadsLonger);
    }
    if facts.corrected_after > facts.corrected_before {
        because.push(Unrecognised::MoreCorrected);
    }
    TeamLine {
        team: facts.team.clone(),
        burn,
        interval: went.interval,
        lead_time: went.lead_time,
        because,
    }
}
