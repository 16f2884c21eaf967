//! Whether targets are met, and which way measures go.

use std::cmp::Ordering;

use flyball_model::{Duration, Rational};

use super::Measures;
use super::four::Held;
use super::outcome::Outcome;
use super::spread::Share;
use crate::policy::read;

/// What a team wants to reach. What is `None` has no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default, rename_all(deserialize = "camelCase"))]
pub struct Targets {
    /// The longest mean interval between deployments.
    #[serde(deserialize_with = "read::duration_or_none")]
    pub interval: Option<Duration>,
    /// The longest median lead time of commits.
    #[serde(deserialize_with = "read::duration_or_none")]
    pub lead_time: Option<Duration>,
    /// The smallest availability rate.
    #[serde(with = "read::share_or_none")]
    pub availability: Option<Rational>,
    /// The longest median time to restore availability.
    #[serde(deserialize_with = "read::duration_or_none")]
    pub restore: Option<Duration>,
    /// The largest change failure rate.
    #[serde(with = "read::share_or_none")]
    pub change_failure: Option<Rational>,
    /// The longest median recovery from a failed deployment.
    #[serde(deserialize_with = "read::duration_or_none")]
    pub recovery: Option<Duration>,
    /// The largest rework rate.
    #[serde(with = "read::share_or_none")]
    pub rework: Option<Rational>,
}

/// Whether each target is met; `None` where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Met {
    /// The mean interval between deployments.
    pub interval: Option<Held>,
    /// The median lead time of commits.
    pub lead_time: Option<Held>,
    /// The availability rate.
    pub availability: Option<Held>,
    /// The median time to restore availability.
    pub restore: Option<Held>,
    /// The change failure rate. Met when it is whatever undecided deployments turn out to be, missed
    /// when it is missed whatever they are.
    pub change_failure: Option<Held>,
    /// The median recovery from a failed deployment.
    pub recovery: Option<Held>,
    /// The rework rate.
    pub rework: Option<Held>,
}

/// Whether `measures` meet `targets`. A target is met at its boundary.
pub fn met(measures: &Measures, targets: &Targets) -> Met {
    let time = |target: Option<Duration>, value: Option<Duration>| {
        target.map(|target| Held::from(value.map(|value| value <= target)))
    };
    let within = |share: Share, target: Rational| {
        share.compare_with(target.numerator(), target.denominator()).is_le()
    };
    let failure = &measures.change_failure;
    Met {
        interval: time(targets.interval, measures.frequency.interval),
        lead_time: time(targets.lead_time, measures.lead_time.commits.map(|of| of.median)),
        availability: targets
            .availability
            .map(|target| Held::from(measures.availability.meets(target))),
        restore: time(targets.restore, measures.restore.outages.map(|of| of.median)),
        change_failure: targets.change_failure.map(|target| {
            let (least, most) = (failure.at_least, failure.at_most);
            let (least, most) =
                (least.map(|share| within(share, target)), most.map(|share| within(share, target)));
            Held::from(if least == most { least } else { None })
        }),
        recovery: time(targets.recovery, measures.recovery.deployments.map(|of| of.median)),
        rework: targets
            .rework
            .map(|target| Held::from(measures.rework.rate.map(|rate| within(rate, target)))),
    }
}

/// Which way a measure went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Towards what is wanted.
    Better,
    /// Away from it.
    Worse,
    /// Neither.
    Same,
    /// One of the two is not known.
    NotEnoughData,
}

impl Direction {
    /// The direction of what is better when it is smaller, by how it compares with what it was; `None` where
    /// one of the two is not known.
    pub(super) fn of_smaller(ordering: Option<Ordering>) -> Self {
        match ordering {
            Some(Ordering::Less) => Self::Better,
            Some(Ordering::Greater) => Self::Worse,
            Some(Ordering::Equal) => Self::Same,
            None => Self::NotEnoughData,
        }
    }
}

/// Which way each measure went from one time to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Trend {
    /// The mean interval between deployments; shorter is better.
    pub interval: Direction,
    /// The median lead time of commits; shorter is better.
    pub lead_time: Direction,
    /// The availability rate; larger is better.
    pub availability: Direction,
    /// The median time to restore availability; shorter is better.
    pub restore: Direction,
    /// The outcome of the team's choice, which says what is better.
    pub outcome: Direction,
    /// The change failure rate of decided deployments; smaller is better.
    pub change_failure: Direction,
    /// The median recovery from a failed deployment; shorter is better.
    pub recovery: Direction,
    /// The rework rate; smaller is better.
    pub rework: Direction,
}

/// Which way measures went from `before` to `after`, which are of equally long times.
///
/// A direction is that of the two numbers and no test: with few deployments it says little, and the
/// interval of each share says how little.
pub fn trend(before: &Measures, after: &Measures) -> Trend {
    let time = |value: &dyn Fn(&Measures) -> Option<Duration>| {
        let both = value(after).zip(value(before));
        Direction::of_smaller(both.map(|(after, before)| after.cmp(&before)))
    };
    let share = |value: &dyn Fn(&Measures) -> Option<Share>| {
        let both = value(after).zip(value(before));
        Direction::of_smaller(both.map(|(after, before)| after.compare(before)))
    };
    Trend {
        interval: time(&|of| of.frequency.interval),
        lead_time: time(&|of| Some(of.lead_time.commits?.median)),
        availability: Direction::of_smaller(before.availability.compare(&after.availability)),
        restore: time(&|of| Some(of.restore.outages?.median)),
        outcome: Outcome::trend(before.outcome.as_ref(), after.outcome.as_ref()),
        change_failure: share(&|of| of.change_failure.rate),
        recovery: time(&|of| Some(of.recovery.deployments?.median)),
        rework: share(&|of| of.rework.rate),
    }
}
