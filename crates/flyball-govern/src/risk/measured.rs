//! What a risk did, beside what its register says: from incidents, changes that failed and drills.
//!
//! Times and shares are compared by their medians, whose interval needs no distribution: the ranks of a
//! binomial with probability ½ (Hahn and Meeker, *Statistical Intervals*). How often it fails is a
//! Poisson count, with Garwood's exact interval (Biometrika 28, 1936). All intervals hold with at least 90 %.
//! Drills say how long it takes and nothing of how often: they are planned.

use flyball_model::{Break, Change, Duration, Incident, Interval, Rational, Timestamp};
use statrs::distribution::{ContinuousCDF, Gamma};

use super::document::{BETWEEN_SHORTEST, Risk, RiskSpec, TIME_LONGEST};
use super::range::{Range, TimeRange, Value};
use super::register::{Register, YEAR, added, minutes};

/// The fewest values whose median has an interval of 90 %: of five, all lie on one side of it in 2 of 32 cases.
pub const VALUES_MIN: usize = 5;
/// How often an interval may miss on each side.
const TAIL: f64 = 0.05;
/// What a measured share is rounded to, so that it can be written into a register.
const PARTS: u64 = 10_000;

/// What told of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldBy {
    /// An incident.
    Incident,
    /// A change that failed.
    Change,
    /// A drill: how often it happens was decided.
    Drill,
}

/// One time that a risk came true.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Occurrence {
    /// The incident, change or drill, by its id.
    pub id: String,
    /// What told of it.
    pub source: ToldBy,
    /// When the first user was hit; `None` when it is not known.
    pub started: Option<Timestamp>,
    /// When somebody knew.
    pub detected: Option<Timestamp>,
    /// When users were served again; `None` while it lasts.
    pub ended: Option<Timestamp>,
    /// Bad and valid events while it lasted, from the ledger; `None` when nothing was valid.
    pub share: Option<(u64, u64)>,
}

impl Occurrence {
    /// What an incident says; `share` are the bad and the valid events while it lasted. Users are served again
    /// when it is mitigated, else when it is resolved.
    pub fn of_incident(incident: &Incident, share: Option<(u64, u64)>) -> Self {
        Self {
            id: incident.id.clone(),
            source: ToldBy::Incident,
            started: incident.started,
            detected: incident.detected,
            ended: incident.served_again(),
            share,
        }
    }

    /// What a change that failed says: users met it when it shipped, and somebody knew when it broke its
    /// warranty. `ended` and `share` are of the outage that it caused.
    pub fn of_change(
        change: &Change,
        broken: Option<&Break>,
        ended: Option<Timestamp>,
        share: Option<(u64, u64)>,
    ) -> Self {
        Self {
            id: change.id.clone(),
            source: ToldBy::Change,
            started: change.shipped(),
            detected: broken.map(|broken| broken.at),
            ended,
            share,
        }
    }

    /// When it is counted: its first moment that is known.
    fn at(&self) -> Option<Timestamp> {
        self.started.or(self.detected).or(self.ended)
    }

    fn detect(&self) -> Option<Duration> {
        length(self.started, self.detected)
    }

    fn repair(&self) -> Option<Duration> {
        length(self.detected, self.ended)
    }

    fn share(&self) -> Option<Rational> {
        let (bad, valid) = self.share?;
        if valid == 0 {
            return None;
        }
        let parts = u128::from(bad.min(valid)) * u128::from(PARTS) / u128::from(valid);
        // A failure hit somebody, however few.
        Rational::new(u64::try_from(parts).ok()?.max(1), PARTS)
    }
}

/// From one moment to a later one; `None` when one is not known, or they are in the wrong order.
fn length(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<Duration> {
    let (from, to) = from.zip(to)?;
    (from <= to).then(|| to.since(from))
}

/// Whether a register agrees with what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The range of the register and the interval of the measurement meet.
    Agrees,
    /// More was measured than the register says.
    More,
    /// Less was measured.
    Less,
    /// Too little was measured.
    NotEnoughData,
}

/// One input, as it is said and as it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Beside<T: Value> {
    /// What the register says.
    pub said: Range<T>,
    /// How many were measured.
    pub count: usize,
    /// What was measured: the median, or the mean time between failures; `None` of nothing.
    pub measured: Option<T>,
    /// Where the truth lies with 90 %; `None` when too little was measured.
    pub interval_90: Option<Range<T>>,
    /// Whether the two agree.
    pub finding: Finding,
}

impl<T: Value> Beside<T> {
    fn new(said: Range<T>, count: usize, measured: Option<T>, interval: Option<Range<T>>) -> Self {
        let finding = match interval {
            None => Finding::NotEnoughData,
            Some(interval) if interval.meets(said) => Finding::Agrees,
            Some(interval) if interval.low() > said.high() => Finding::More,
            Some(_) => Finding::Less,
        };
        Self { said, count, measured, interval_90: interval, finding }
    }
}

/// A risk as it is said and as it was measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Measured {
    /// The risk.
    pub name: String,
    /// The time that was observed; it ends when counts are complete.
    pub during: Interval,
    /// Times that it came true, drills left out.
    pub failures: u64,
    /// Drills.
    pub drills: u64,
    /// Moments in the wrong order; left out.
    pub skewed: u64,
    /// From the first user to somebody knowing.
    pub time_to_detect: Beside<Duration>,
    /// From then until users were served again.
    pub time_to_repair: Beside<Duration>,
    /// The share of users that was hit: of events, as the ledger counts them.
    pub share_of_users: Beside<Rational>,
    /// From one time to the next. Without a failure in the time that was observed it has an interval and no
    /// value.
    pub time_between_failures: Beside<Duration>,
    /// Bad minutes a year of 365.25 days that the register expects, its factors among it.
    pub said_minutes_a_year: f64,
    /// Bad minutes a year as they were: those of each failure whose length and share are known, by the time
    /// that was observed. `None` when one of them is not known, and when none was seen: what is not known is not zero, and
    /// what has not come yet says by the interval of the time between failures how seldom it is.
    pub measured_minutes_a_year: Option<f64>,
}

/// Holds `risk` of `register` beside the `occurrences` of it, in any order; those outside of `during` are left out, as is
/// one that is there twice. What is said is with the factors that the register gives it, since what was seen had them.
/// `None` when no time was observed.
pub fn measure(
    register: &Register,
    risk: &Risk,
    occurrences: &[Occurrence],
    during: Interval,
) -> Option<Measured> {
    if during.is_empty() {
        return None;
    }
    let mut ids = std::collections::HashSet::new();
    let inside: Vec<&Occurrence> = occurrences
        .iter()
        .filter(|of| of.at().is_some_and(|at| during.contains(at)) && ids.insert(of.id.as_str()))
        .collect();
    let failures: Vec<&&Occurrence> =
        inside.iter().filter(|of| of.source != ToldBy::Drill).collect();
    let spec = register.with_factors(&risk.spec);
    let count = failures.len() as u64;
    let between = (count > 0)
        .then(|| Duration::from_nanos(during.length().nanos() / i64::try_from(count).ok()?))
        .flatten();
    let bad = failures.iter().map(|of| {
        let lasted = length(of.started, of.ended)?;
        Some(lasted.as_seconds_f64() * of.share()?.to_f64())
    });
    let bad: Option<f64> = bad.sum();
    let mut time_between_failures = Beside::new(
        spec.time_between_failures,
        failures.len(),
        between,
        garwood(count, during.length()),
    );
    // That none was seen says that it is seldom, and nothing of how seldom: it can speak against a register, never for it.
    if count == 0 && time_between_failures.finding == Finding::Agrees {
        time_between_failures.finding = Finding::NotEnoughData;
    }
    let wrong = |from: Option<Timestamp>, to: Option<Timestamp>| {
        u64::from(from.zip(to).is_some_and(|(from, to)| to < from))
    };
    Some(Measured {
        name: risk.name.clone(),
        during,
        failures: count,
        drills: inside.len() as u64 - count,
        skewed: inside
            .iter()
            .map(|of| wrong(of.started, of.detected) + wrong(of.detected, of.ended))
            .sum(),
        time_to_detect: median(spec.time_to_detect, inside.iter().filter_map(|of| of.detect())),
        time_to_repair: median(spec.time_to_repair, inside.iter().filter_map(|of| of.repair())),
        share_of_users: median(spec.share_of_users, inside.iter().filter_map(|of| of.share())),
        time_between_failures,
        said_minutes_a_year: minutes(register.cost(&risk.spec).mean, YEAR),
        measured_minutes_a_year: bad
            .filter(|_| count > 0)
            .map(|seconds| minutes(seconds / during.length().as_seconds_f64(), YEAR)),
    })
}

/// What is said beside the lower median of `values`, with its interval.
fn median<T: Value>(said: Range<T>, values: impl Iterator<Item = T>) -> Beside<T> {
    let mut sorted: Vec<T> = values.collect();
    sorted.sort_unstable();
    let count = sorted.len();
    let middle = sorted.get(count.saturating_sub(1) / 2).copied();
    let interval = rank(count).and_then(|rank| {
        let (low, high) = (sorted[rank - 1], sorted[count - rank]);
        // Values of 0 have no order of magnitude; the interval then begins at its end.
        Range::new(low, high).or_else(|| Some(Range::point(high)))
    });
    Beside::new(said, count, middle, interval)
}

/// The largest rank, from 1, whose value and the one as far from the other end hold the median of `count`
/// between them with 90 %; `None` when there is none.
fn rank(count: usize) -> Option<usize> {
    if count < VALUES_MIN {
        return None;
    }
    // P(fewer than `rank` of `count` lie below the median), added up term by term in logarithms.
    let (mut term, mut below, mut rank) = (-(count as f64) * std::f64::consts::LN_2, 0.0, 0);
    while rank < count / 2 {
        below += term.exp();
        if below > TAIL {
            break;
        }
        term += ((count - rank) as f64 / (rank + 1) as f64).ln();
        rank += 1;
    }
    (rank > 0).then_some(rank)
}

/// Between which times between failures `count` of them in `observed` leave the truth with 90 %. Without any it
/// lies above the lower end, and the upper one is where a register's longest time is.
fn garwood(count: u64, observed: Duration) -> Option<TimeRange> {
    let most = TIME_LONGEST;
    // Failures by the chi-square quantiles of 2n and 2n + 2 degrees of freedom, which are twice gammas.
    let quantile = |shape: f64, p: f64| Gamma::new(shape, 1.0).ok().map(|of| of.inverse_cdf(p));
    let upper = quantile(count as f64 + 1.0, 1.0 - TAIL)?;
    let low = scaled(observed, upper)?.max(Duration::from_seconds(1));
    let high = match count {
        0 => most,
        count => scaled(observed, quantile(count as f64, TAIL)?)?.min(most),
    };
    Range::new(low.min(high), high)
}

/// `observed` by `failures`, in whole seconds.
fn scaled(observed: Duration, failures: f64) -> Option<Duration> {
    let seconds = observed.as_seconds_f64() / failures;
    #[expect(clippy::cast_possible_truncation, reason = "held within what a length of time can be")]
    let nanos = (seconds.min(9e9).floor() as i64).checked_mul(1_000_000_000)?;
    Duration::from_nanos(nanos)
}

/// The risk with what was measured in place of what was said, where enough was; the rest as it is.
///
/// Times and shares become the interval of their median, without what the factors of `register` add: they add it again. A
/// risk that lasts no time or hits nobody stays as it is said.
#[must_use]
pub fn fed(register: &Register, risk: &RiskSpec, measured: &Measured) -> RiskSpec {
    let Measured { time_to_detect, time_to_repair, share_of_users, time_between_failures, .. } =
        measured;
    let mut seen = risk.clone();
    seen.time_to_detect = time_to_detect.interval_90.unwrap_or(seen.time_to_detect);
    seen.time_to_repair = time_to_repair.interval_90.unwrap_or(seen.time_to_repair);
    // What never failed has no upper end of its own: the register knows better.
    let between = time_between_failures.interval_90.filter(|_| measured.failures > 0);
    seen.time_between_failures = between.unwrap_or(seen.time_between_failures);
    let told = register.without_factors(&seen);
    let mut fed = risk.clone();
    if time_to_detect.interval_90.is_some() {
        fed.time_to_detect = whole_seconds(told.time_to_detect);
    }
    if time_to_repair.interval_90.is_some() {
        fed.time_to_repair = whole_seconds(told.time_to_repair);
    }
    fed.share_of_users = share_of_users.interval_90.unwrap_or(fed.share_of_users);
    if between.is_some() {
        let range = told.time_between_failures;
        let held = |of: Duration| of.max(BETWEEN_SHORTEST);
        fed.time_between_failures =
            Range::new(held(range.low()), held(range.high())).unwrap_or(range);
    }
    if added(fed.time_to_detect.high(), fed.time_to_repair.high()).is_zero() {
        fed.time_to_detect = risk.time_to_detect;
        fed.time_to_repair = risk.time_to_repair;
    }
    fed
}

/// The ends as documents write them; what is above 0 stays above 0.
fn whole_seconds(range: TimeRange) -> TimeRange {
    let second = 1_000_000_000;
    let up = |of: Duration| {
        let seconds = of.nanos() / second + i64::from(of.nanos() % second != 0);
        Duration::from_nanos(seconds.saturating_mul(second)).unwrap_or(of)
    };
    Range::new(up(range.low()), up(range.high())).unwrap_or(range)
}
