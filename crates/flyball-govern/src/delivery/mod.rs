//! How a service, a team or a product delivers: the four measures that go together first, then
//! DORA's, and where those stand in DORA's reports.
//!
//! Everything is computed from [`Facts`]: changes with their commits, what verdicts said of them,
//! what broke their warranties, incidents and outages. Counts are integers, times whole nanoseconds,
//! and shares two counts, so that nothing is rounded before it is compared. What cannot be computed
//! is absent, never zero: no deployments have no failure rate. Beside them is one outcome of the team's
//! choice, which is pushed.

mod classes;
mod commits;
mod dora;
mod facts;
mod four;
mod history;
mod level;
mod outcome;
mod paged;
mod response;
mod score;
mod served;
mod spread;
mod tables;
mod target;
#[cfg(test)]
mod tests;

pub use classes::{ClassShare, classes};
pub use commits::shipped_commits;
pub use dora::{ChangeFailure, Recovery, Rework, is_rework};
pub use facts::{Facts, Fate, Judgement, Outage};
pub use four::{Availability, Frequency, Held, LeadTime, Restore};
pub use history::History;
pub use level::{Answer, Edition, Level, Metric, Placed, place_failure, place_time};
pub use outcome::{Better, Outcome, OutcomeOf, OutcomeSpec, Point, Series};
pub(crate) use paged::trouble;
pub use response::Response;
pub use score::{
    SCORE_MAX, Standing, category, overall, score_of_category, score_of_share, standing,
};
pub use served::Served;
pub use spread::{Share, Spread, quantile};
pub use target::{Direction, Met, Targets, Trend, met, trend};

use flyball_model::{Duration, Interval};

/// How long before an incident a deployment may be for time alone to put it down to it: as long as
/// a change is answered for by default.
pub const CAUSE_WITHIN: Duration = flyball_model::Warranty::DEFAULT.hold();

/// Deployments by what came of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Made nothing worse.
    pub healthy: u64,
    /// Made something worse.
    pub failed: u64,
    /// Not known.
    pub undecided: u64,
}

/// How a service, a team or a product delivered in a time.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Measures {
    /// The time that was measured.
    pub during: Interval,
    /// How often it was deployed.
    pub frequency: Frequency,
    /// How long commits took to reach users.
    pub lead_time: LeadTime,
    /// How much of the time users were served.
    pub availability: Availability,
    /// How soon users were served again.
    pub restore: Restore,
    /// Whether the median lead time is shorter than the median time from one deployment to the next:
    /// a commit is then live before the next one is due, and nothing piles up.
    pub lead_time_within_interval: Held,
    /// What came of it for the business; `None` without an outcome that is chosen, and when nothing of it was
    /// pushed in the time.
    pub outcome: Option<Outcome>,
    /// How many deployments made things worse.
    pub change_failure: ChangeFailure,
    /// How long failed deployments were felt.
    pub recovery: Recovery,
    /// How many deployments repaired others.
    pub rework: Rework,
    /// How soon incidents were met.
    pub response: Response,
}

/// Measures how `facts` delivered.
pub fn measure(facts: &Facts<'_>) -> Measures {
    let (frequency, lead_time) = (four::frequency(facts), four::lead_time(facts));
    let within = lead_time.commits.zip(frequency.gaps);
    Measures {
        during: facts.during,
        lead_time_within_interval: within.map(|(lead, gap)| lead.median < gap.median).into(),
        frequency,
        lead_time,
        availability: four::availability(facts),
        restore: four::restore(facts),
        outcome: facts.outcome.and_then(|series| series.over(facts.during)),
        change_failure: dora::change_failure(facts),
        recovery: dora::recovery(facts),
        rework: dora::rework(facts),
        response: response::response(facts),
    }
}

/// Measures each of `periods` alike: velocity and stability over time, for one chart.
pub fn over_time(facts: &Facts<'_>, periods: &[Interval]) -> Vec<Measures> {
    periods.iter().map(|&during| measure(&Facts { during, ..*facts })).collect()
}

/// Where measures stand in DORA's report of a year.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Levels {
    /// The mean interval between deployments.
    pub frequency: Placed,
    /// The median lead time of commits.
    pub lead_time: Placed,
    /// The median recovery from a failed deployment.
    pub recovery: Placed,
    /// The change failure rate, with what undecided deployments allow for.
    pub change_failure: Placed,
}

/// Places measures in an edition, each metric by itself: an overall level would average what the
/// clusters do not order.
pub fn levels(measures: &Measures, edition: Edition) -> Levels {
    let failure = &measures.change_failure;
    // Without any decided deployment the bounds are 0 and 1, which allow for every level.
    let bounds = failure.rate.and(failure.at_least.zip(failure.at_most));
    let lead = measures.lead_time.commits.map(|of| of.median);
    let recovery = measures.recovery.deployments.map(|of| of.median);
    Levels {
        frequency: place_time(edition, Metric::Frequency, measures.frequency.interval),
        lead_time: place_time(edition, Metric::LeadTime, lead),
        recovery: place_time(edition, Metric::Recovery, recovery),
        change_failure: place_failure(edition, bounds),
    }
}
