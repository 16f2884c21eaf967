//! The four measures that go together: how often, how fast, how available, how soon available again.
//!
//! Throughput and reliability are shown beside each other, so that neither is bought with the other.
//! The definitions are ours, and are in `docs/delivery.md`.

use std::cmp::Ordering;
use std::collections::HashSet;

use flyball_model::{Duration, Interval, Rational, Timestamp};

use super::facts::{Facts, Outage};
use super::spread::Spread;

/// How often it was deployed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Frequency {
    /// Deployments that reached users, rollbacks among them.
    pub deployments: u64,
    /// The days, in UTC, with at least one.
    pub days: u64,
    /// The time that was measured, by the deployments in it, rounded down; `None` without any.
    pub interval: Option<Duration>,
    /// From one deployment to the next, where the next lies in the time that was measured; `None`
    /// without any.
    pub gaps: Option<Spread>,
    /// From the last deployment, whenever it was, to the end of what was measured; `None` without any.
    pub since_last: Option<Duration>,
}

/// How long commits took to reach users.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LeadTime {
    /// From each commit's author to users. A commit counts once, with the first deployment that
    /// carried it; `None` when no commit is known.
    pub commits: Option<Spread>,
    /// From the oldest new commit of each deployment; `None` when no commit is known.
    pub oldest: Option<Spread>,
    /// Deployments of which no new commit is known: they have no lead time, and not one of zero.
    pub without_commits: u64,
    /// Commits that say they were written after they shipped; left out.
    pub skewed: u64,
}

/// How much of the time users were served.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Availability {
    /// The time of which anything is known.
    pub observed: Duration,
    /// The time of which nothing is known: neither available nor not.
    pub unobserved: Duration,
    /// What was lost, as time in which nobody would have been served, rounded down.
    pub lost: Duration,
    /// The share that was served, as the nearest double; `None` when nothing is known.
    pub rate: Option<f64>,
    /// What was lost exactly, in nanoseconds times parts of [`Outage::WHOLE`].
    #[serde(skip)]
    lost_parts: u128,
}

impl Availability {
    /// Whether at least `target` of the time known was served; `None` when nothing is known.
    pub fn meets(&self, target: Rational) -> Option<bool> {
        if self.observed.is_zero() {
            return None;
        }
        // 1e6 parts of 300 years of nanoseconds times a denominator of 1e12 stay below 2^127.
        let whole = self.whole_parts();
        let served = (whole - self.lost_parts) * u128::from(target.denominator());
        Some(served >= whole.saturating_mul(u128::from(target.numerator())))
    }

    /// How the share that was served compares, exactly; `None` when nothing is known of one.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        self.rate.and(other.rate)?;
        let lost = |of: &Self| (of.lost_parts, of.whole_parts());
        Some(compare_fractions(lost(other), lost(self)))
    }

    fn whole_parts(&self) -> u128 {
        u128::from(self.observed.nanos().unsigned_abs()) * u128::from(Outage::WHOLE)
    }
}

/// Compares two fractions whose products would not fit: by their whole parts, then by what remains,
/// turned over, as Euclid's algorithm does. Denominators are not zero.
fn compare_fractions(one: (u128, u128), other: (u128, u128)) -> Ordering {
    let ((a, b), (c, d)) = (one, other);
    match (a / b).cmp(&(c / d)) {
        Ordering::Equal => match (a % b, c % d) {
            (0, 0) => Ordering::Equal,
            (0, _) => Ordering::Less,
            (_, 0) => Ordering::Greater,
            (a_rest, c_rest) => compare_fractions((d, c_rest), (b, a_rest)),
        },
        decided => decided,
    }
}

/// How soon users were served again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Restore {
    /// Outages that ended in the time measured, from beginning to end; `None` without any. Outages
    /// that touch are one.
    pub outages: Option<Spread>,
    /// Outages that lasted at the end of what was measured.
    pub open: u64,
}

/// A question that may have no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Yes.
    Yes,
    /// No.
    No,
    /// What it needs is not known.
    NotEnoughData,
}

impl From<Option<bool>> for Held {
    fn from(held: Option<bool>) -> Self {
        match held {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::NotEnoughData,
        }
    }
}

pub(super) fn frequency(facts: &Facts<'_>) -> Frequency {
    const DAY: i64 = 86_400_000_000_000;
    let shipped = facts.history.shipped();
    let inside = facts.deployments();
    let count = inside.len() as u64;
    let days: HashSet<i64> = inside.iter().map(|(at, _)| at.nanos().div_euclid(DAY)).collect();
    let gaps = shipped.windows(2).filter(|pair| facts.during.contains(pair[1].0));
    let gaps = gaps.map(|pair| pair[1].0.since(pair[0].0)).collect();
    let length = facts.during.length().nanos();
    let end = facts.during.end().min(facts.now);
    let last = shipped.iter().rev().map(|(at, _)| *at).find(|at| *at < end);
    Frequency {
        deployments: count,
        days: days.len() as u64,
        interval: i64::try_from(count)
            .ok()
            .and_then(|count| length.checked_div(count))
            .and_then(Duration::from_nanos),
        gaps: Spread::of(gaps),
        since_last: last.map(|at| end.since(at)),
    }
}

pub(super) fn lead_time(facts: &Facts<'_>) -> LeadTime {
    let mut seen: HashSet<&str> = HashSet::new();
    let (mut commits, mut oldest) = (Vec::new(), Vec::new());
    let (mut without_commits, mut skewed) = (0, 0);
    for &(at, change) in facts.history.shipped() {
        let new: Vec<_> =
            change.commits.iter().filter(|commit| seen.insert(commit.sha.as_str())).collect();
        if !facts.during.contains(at) {
            continue;
        }
        if new.is_empty() {
            without_commits += 1;
        }
        let times = new.iter().filter(|commit| commit.authored <= at);
        let times: Vec<Duration> = times.map(|commit| at.since(commit.authored)).collect();
        skewed += (new.len() - times.len()) as u64;
        oldest.extend(times.iter().max());
        commits.extend(times);
    }
    LeadTime { commits: Spread::of(commits), oldest: Spread::of(oldest), without_commits, skewed }
}

/// Stretches that touch or overlap, joined and in order.
fn joined(mut stretches: Vec<(Timestamp, Timestamp)>) -> Vec<(Timestamp, Timestamp)> {
    stretches.retain(|(start, end)| start < end);
    stretches.sort_unstable();
    let mut joined: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (start, end) in stretches {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// The part of a stretch inside `during`.
fn inside(during: Interval, start: Timestamp, end: Timestamp) -> (Timestamp, Timestamp) {
    (start.max(during.start()), end.min(during.end()))
}

pub(super) fn availability(facts: &Facts<'_>) -> Availability {
    // What lies ahead of the moment of looking is not known yet.
    let ahead = inside(facts.during, facts.now, facts.during.end());
    let unknown = facts.unobserved.iter().map(|gap| inside(facts.during, gap.start(), gap.end()));
    let unknown = joined(unknown.chain([ahead]).collect());
    let length = |(start, end): &(Timestamp, Timestamp)| end.since(*start).nanos();
    let unobserved: i64 = unknown.iter().map(length).sum();
    let observed = facts.during.length().nanos() - unobserved;

    // At each moment the largest share counts: whom one outage hits, another may hit as well.
    let mut edges: Vec<Timestamp> =
        unknown.iter().flat_map(|(start, end)| [*start, *end]).collect();
    let outages = facts.outages.iter().map(|outage| {
        let end = outage.end.unwrap_or(facts.during.end());
        (inside(facts.during, outage.start, end), outage.share.min(Outage::WHOLE))
    });
    let mut outages: Vec<_> = outages.collect();
    outages.retain(|((start, end), _)| start < end);
    outages.sort_unstable();
    edges.extend(outages.iter().flat_map(|((start, end), _)| [*start, *end]));
    edges.sort_unstable();
    edges.dedup();
    let mut lost_parts: u128 = 0;
    let (mut next, mut gap) = (0, 0);
    let mut live: Vec<(Timestamp, u32)> = Vec::new();
    for pair in edges.windows(2) {
        let (start, end) = (pair[0], pair[1]);
        while let Some(((_, to), share)) = outages.get(next).filter(|outage| outage.0.0 <= start) {
            live.push((*to, *share));
            next += 1;
        }
        live.retain(|(to, _)| *to > start);
        while unknown.get(gap).is_some_and(|(_, to)| *to <= start) {
            gap += 1;
        }
        if unknown.get(gap).is_some_and(|(from, _)| *from <= start) {
            continue;
        }
        let share = live.iter().map(|(_, share)| *share).max().unwrap_or_default();
        lost_parts += u128::from(end.since(start).nanos().unsigned_abs()) * u128::from(share);
    }
    let whole = u128::from(observed.unsigned_abs()) * u128::from(Outage::WHOLE);
    let lost = i64::try_from(lost_parts / u128::from(Outage::WHOLE)).unwrap_or(i64::MAX);
    let lengths = |nanos: i64| Duration::from_nanos(nanos).unwrap_or_default();
    Availability {
        observed: lengths(observed),
        unobserved: lengths(unobserved),
        lost: lengths(lost),
        rate: (whole > 0).then(|| (whole - lost_parts) as f64 / whole as f64),
        lost_parts,
    }
}

pub(super) fn restore(facts: &Facts<'_>) -> Restore {
    let stretches = facts.outages.iter().filter(|outage| outage.share > 0);
    let stretches = stretches.map(|outage| (outage.start, outage.end.unwrap_or(Timestamp::MAX)));
    let stretches = joined(stretches.collect());
    let end = facts.during.end().min(facts.now);
    let ended = stretches.iter().filter(|(_, to)| facts.during.contains(*to) && *to <= end);
    let open = stretches.iter().filter(|(from, to)| *from < end && *to > end).count() as u64;
    Restore { outages: Spread::of(ended.map(|(from, to)| to.since(*from)).collect()), open }
}
