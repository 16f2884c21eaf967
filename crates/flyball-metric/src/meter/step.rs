//! One sample: what it adds to which SLI.

use std::collections::BTreeMap;

use flyball_events::{Histogram, Reset, Sample, SampleValue, Series, Temporality};
use flyball_model::{Comparison, Duration, Slot, Tally, Timestamp};

use super::keys::{self, Key};
use super::routes::{Destination, Goal, Use};
use super::series::{
    Bucket, COUNTER_MAX, Count, Group, ONE, SeriesState, Stateless, Target, Weight, fixed,
};
use super::sli::SliState;
use super::{FUTURE_MAX, Meter, Reason, STRANGERS_MAX, add};
use crate::histogram::{below, layout};
use crate::matcher::value;
use crate::spread::{SLOT, spread};
use crate::terms::{Reading, What};

/// How far a start may lie before the last sample and still mean that counting began anew: clocks
/// of targets and of who reads them differ.
const CLOCK_SLACK: Duration = Duration::from_seconds(1);

/// What a sample says of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// It counts on.
    Continues,
    /// It counts from zero, because its source began anew or sends increases.
    Restarts,
    /// There is none before it.
    First,
}

/// What a sample adds.
struct Increase {
    count: u64,
    relation: Relation,
    /// The last sample; [`Timestamp::MIN`] where there is none.
    before: Timestamp,
    /// For a new series: since when its target was watched without it.
    watched: Option<Timestamp>,
    is_estimate: bool,
}

/// A series that an SLI means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met {
    pub(super) key: Key,
    route: u32,
    bucket: Option<Bucket>,
    /// Whether it has a state that is ready.
    is_ready: bool,
}

/// A sample in the terms of the meter.
struct Step<'s> {
    at: Timestamp,
    since: Option<Timestamp>,
    value: &'s SampleValue,
    temporality: Temporality,
}

impl Meter {
    /// Finds out what a series is; `None` when its samples count for nothing. A bucket's bound is
    /// noted.
    pub(super) fn meet(&mut self, series: &Series) -> Option<Met> {
        let labels = series.labels.as_slice();
        if !self.router.may_match(labels) {
            return None;
        }
        let key = keys::fingerprint(labels, None);
        let known = self.series.get(&key);
        let known = known.and_then(|state| Some((state.route?, state.bucket.as_deref().copied())));
        let (route, bucket) = match (known, self.stateless.get(&key)) {
            (Some(known), _) => known,
            (None, Some(Stateless::Stranger)) => return None,
            (None, Some(Stateless::Bucket { route, bucket })) => (*route, Some(*bucket)),
            (None, None) => self.introduce(series, key)?,
        };
        if let Some(bucket) = bucket
            && !self.meet_bucket(bucket)
        {
            self.refuse(Reason::Bound, series.samples.len());
            return None;
        }
        Some(Met { key, route, bucket, is_ready: known.is_some() })
    }

    /// Matches a series that is met for the first time, or for the first time since a restart.
    fn introduce(&mut self, series: &Series, key: Key) -> Option<(u32, Option<Bucket>)> {
        let labels = series.labels.as_slice();
        let Some(route) = self.router.find(labels) else {
            if self.series.remove(&key).is_some() {
                // An SLI meant it before the restart.
                self.changed.gone.push(keys::series(key));
            }
            self.pass_over(key, Stateless::Stranger);
            return None;
        };
        if !self.router.route(route).has_buckets {
            return Some((route, None));
        }
        let Some(bound) = value(labels, "le").parse().ok().filter(|bound: &f64| !bound.is_nan())
        else {
            self.refuse(Reason::Bound, series.samples.len());
            return None;
        };
        Some((route, Some(Bucket { group: keys::fingerprint(labels, Some("le")), bound })))
    }

    fn pass_over(&mut self, key: Key, what: Stateless) {
        if self.stateless.len() >= STRANGERS_MAX {
            self.stateless.clear();
        }
        self.stateless.insert(key, what);
    }

    /// Notes a bucket's bound; false when its histogram has too many.
    fn meet_bucket(&mut self, bucket: Bucket) -> bool {
        let hour = self.now.floor(Duration::from_hours(1));
        let group = self.groups.entry(bucket.group).or_default();
        let Some(is_new) = group.meet(bucket.bound) else { return false };
        if is_new || group.seen != hour {
            group.seen = hour;
            self.changed.groups.push(bucket.group);
        }
        true
    }

    /// Whether a threshold of the route lies at the bucket or beside it.
    fn is_near(&self, route: u32, bucket: Bucket) -> bool {
        let Some(group) = self.groups.get(&bucket.group) else { return false };
        self.router.route(route).uses.iter().any(|u| weight(u.what, Some((group, bucket))).part > 0)
    }

    /// Makes a state where one is needed, or gives one its route back; false when the series' samples
    /// are not counted.
    pub(super) fn admit(&mut self, series: &Series, met: Met) -> bool {
        let Met { key, route, bucket, is_ready } = met;
        if is_ready {
            return true;
        }
        if let Some(bucket) = bucket
            && !self.series.contains_key(&key)
            && !self.is_near(route, bucket)
        {
            self.pass_over(key, Stateless::Bucket { route, bucket });
            return false;
        }
        let is_full = self.series.len() >= self.series_max;
        let state = match self.series.entry(key) {
            std::collections::hash_map::Entry::Occupied(state) => state.into_mut(),
            std::collections::hash_map::Entry::Vacant(_) if is_full => {
                self.refuse(Reason::TooManySeries, series.samples.len());
                return false;
            }
            std::collections::hash_map::Entry::Vacant(place) => place.insert(SeriesState {
                at: Timestamp::MIN,
                since: Timestamp::MIN,
                seen: self.now,
                layout: 0,
                target: 0,
                route: None,
                is_changed: false,
                counts: Box::default(),
                bucket: None,
                slices: Box::default(),
            }),
        };
        if state.route.is_none() {
            let destinations =
                self.router.route(route).uses.iter().flat_map(|u| u.destinations.iter());
            let slis = destinations.map(|destination| destination.sli);
            state.slices = self.slices.of_series(slis, &series.labels, &mut self.slis);
            let kept = std::mem::take(&mut state.counts);
            let uses = &self.router.route(route).uses;
            let count = |what| kept.iter().find(|c| c.what == what).copied();
            state.counts =
                uses.iter().map(|u| count(u.what).unwrap_or(Count::new(u.what))).collect();
            state.route = Some(route);
            state.target = keys::target_of(&series.labels).unwrap_or(0);
            state.bucket = bucket.map(Box::new);
        }
        true
    }

    /// Counts one sample of a series that was met.
    pub(super) fn step(&mut self, key: Key, sample: &Sample, temporality: Temporality) {
        let Err(reason) = self.try_step(key, sample, temporality) else { return };
        self.refuse(reason, 1);
    }

    fn try_step(
        &mut self,
        key: Key,
        sample: &Sample,
        temporality: Temporality,
    ) -> Result<(), Reason> {
        let Some(state) = self.series.get_mut(&key) else { return Ok(()) };
        let Some(route) = state.route else { return Ok(()) };
        let uses = self.router.route(route).uses.as_slice();
        let Sample { at, since, value } = sample;
        let step = Step { at: *at, since: *since, value, temporality };
        if step.at > self.now.plus(FUTURE_MAX) {
            return Err(Reason::Future);
        }
        if step.at <= state.at {
            return Err(if step.at == state.at { Reason::Duplicate } else { Reason::Late });
        }
        step.check(uses)?;
        // That a series ended changes no count: it goes on from here, or another begins.
        if matches!(step.value, SampleValue::Stale) {
            return Ok(());
        }
        let bucket = state.bucket.as_deref().copied();
        let group = bucket.and_then(|bucket| Some((self.groups.get(&bucket.group)?, bucket)));
        if uses.iter().all(|u| weight(u.what, group).part == 0) {
            // Bounds came in between; should they go, counting starts afresh.
            let is_new = state.counts.iter().any(|count| !count.last.is_nan());
            state.counts.iter_mut().for_each(|count| count.last = f64::NAN);
            if is_new && !std::mem::replace(&mut state.is_changed, true) {
                self.changed.series.push(key);
            }
            return Ok(());
        }
        let relation = step.relation(state);
        let watched = (state.at == Timestamp::MIN)
            .then(|| self.targets.get(&state.target)?.before(step.at))
            .flatten();
        let fresh = step.fresh(relation, uses, &state.counts, group);
        for (u, count) in uses.iter().zip(&mut state.counts) {
            if u.what == What::Samples {
                let slis = &self.slis;
                let counting = u.destinations.iter().filter(|of| slis[of.sli].counts(step.at));
                let counting = counting.flat_map(|of| with_slice(*of, &state.slices));
                step.judge(counting, &mut self.counts);
                continue;
            }
            let Some((reading, reads_exactly)) = step.reading(u.what) else { continue };
            let weight = weight(u.what, group);
            let relation = if count.last.is_nan() && relation == Relation::Continues {
                Relation::First
            } else {
                relation
            };
            let last = std::mem::replace(&mut count.last, reading);
            if weight.part == 0 {
                count.last = f64::NAN;
                continue;
            }
            let increase = match relation {
                Relation::Continues => fixed(reading).saturating_sub(fixed(last)),
                Relation::Restarts | Relation::First => fixed(reading),
            };
            let scaled = (increase * u128::from(weight.part)) / u128::from(ONE);
            let sum = scaled + u128::from(count.rest);
            let increase = Increase {
                count: u64::try_from(sum / u128::from(ONE)).unwrap_or(u64::MAX),
                relation,
                before: state.at,
                // Bounds of a new histogram may still be unknown.
                watched: watched.filter(|_| weight.is_exact),
                is_estimate: !(weight.is_exact && reads_exactly),
            };
            let mut is_counted = false;
            for destination in &u.destinations {
                let sli = &self.slis[destination.sli];
                if !sli.counts(step.at) || fresh.contains(&destination.sli) {
                    continue;
                }
                let Some(from) = step.from(&increase, sli) else { continue };
                is_counted = true;
                for destination in with_slice(*destination, &state.slices) {
                    let sli = &mut self.slis[destination.sli];
                    if increase.is_estimate {
                        sli.estimated();
                    }
                    let due = sli.next_due;
                    spread(increase.count, from, step.at, |slot, part| {
                        let counts = &mut self.counts;
                        sli.add(slot, sides(destination, part), self.now, |slot, tally| {
                            add(counts, destination.sli, slot, tally);
                        });
                    });
                    self.due.moved(destination.sli, due, sli.next_due);
                }
            }
            if is_counted {
                count.rest = u32::try_from(sum % u128::from(ONE)).unwrap_or(0);
            }
        }
        state.at = step.at;
        state.since = step.since.unwrap_or(Timestamp::MIN);
        state.seen = self.now;
        state.layout = step.layout();
        if !std::mem::replace(&mut state.is_changed, true) {
            self.changed.series.push(key);
        }
        let target = state.target;
        self.see(target, step.at);
        Ok(())
    }

    /// Notes that a target was seen.
    fn see(&mut self, target: Key, at: Timestamp) {
        if target != 0 {
            let new = Target::new(at, self.now);
            let seen = self.targets.entry(target).or_insert(new);
            seen.see(at, self.now);
            if !std::mem::replace(&mut seen.is_changed, true) {
                self.changed.targets.push(target);
            }
        }
    }
}

/// Where a count of a series goes: to all of the SLI, and to the slice that the series belongs to.
fn with_slice(
    destination: Destination,
    slices: &[(usize, usize)],
) -> impl Iterator<Item = Destination> {
    let slice = slices.iter().find(|(sli, _)| *sli == destination.sli).map(|(_, slice)| *slice);
    let slice = slice.map(|sli| Destination { sli, ..destination });
    std::iter::once(destination).chain(slice)
}

/// How much of a series' count a use takes.
fn weight(what: What, bucket: Option<(&Group, Bucket)>) -> Weight {
    match (what, bucket) {
        (What::Classic(bits), Some((group, bucket))) => {
            group.weight(f64::from_bits(bits), bucket.bound)
        }
        _ => Weight::WHOLE,
    }
}

/// A part of an increase as what it adds to a side and to a total.
fn sides(destination: Destination, part: u64) -> (i64, i64) {
    let part = i64::try_from(part).unwrap_or(i64::MAX);
    match destination.goal {
        Goal::Side { sign } => (part * i64::from(sign), 0),
        Goal::Total { sign } => (0, part * i64::from(sign)),
        Goal::Event { .. } => (0, 0),
    }
}

/// One sample of a gauge as one event.
fn judge(goal: Goal, number: f64, at: Timestamp) -> Tally {
    let Goal::Event { reading, comparison, threshold } = goal else { return Tally::EMPTY };
    let judged = match reading {
        Reading::Value => number,
        Reading::Age => at.nanos() as f64 / 1e9 - number,
    };
    let is_good = match comparison {
        Comparison::Below => judged < threshold,
        Comparison::AtMost => judged <= threshold,
        Comparison::Above => judged > threshold,
        Comparison::AtLeast => judged >= threshold,
    };
    Tally::new(1, u64::from(is_good)).unwrap_or_default()
}

impl Step<'_> {
    /// From when on an SLI counts an increase; `None` when it does not, since nobody knows how much
    /// of it came before the SLI was watched.
    fn from(&self, increase: &Increase, sli: &SliState) -> Option<Timestamp> {
        let before = increase.before;
        match increase.relation {
            Relation::Continues => Some(before),
            Relation::Restarts if before > Timestamp::MIN => {
                Some(self.since.map_or(before, |since| since.max(before)))
            }
            Relation::Restarts | Relation::First => {
                let said = self.since.filter(|since| *since >= sli.began);
                said.max(increase.watched.filter(|seen| *seen >= sli.watched_from()))
            }
        }
    }

    /// Why the sample cannot be used, if so.
    fn check(&self, uses: &[Use]) -> Result<(), Reason> {
        let is_number = |what| matches!(what, What::Samples | What::Value | What::Classic(_));
        match self.value {
            SampleValue::Stale => Ok(()),
            SampleValue::Number(number) => {
                if !number.is_finite() {
                    return Err(Reason::NotFinite);
                }
                if !uses.iter().any(|u| is_number(u.what)) {
                    return Err(Reason::OtherKind);
                }
                if uses.iter().all(|u| u.what == What::Samples) {
                    return Ok(());
                }
                counter(*number)
            }
            SampleValue::Histogram(histogram) => {
                if uses.iter().all(|u| is_number(u.what)) {
                    return Err(Reason::OtherKind);
                }
                if histogram.reset == Reset::Gauge && self.since.is_none() {
                    return Err(Reason::NoStart);
                }
                counter(histogram.count)?;
                let mut readings = uses.iter().filter_map(|u| self.reading(u.what));
                readings.try_for_each(|(reading, _)| counter(reading))
            }
        }
    }

    fn histogram(&self) -> Option<&Histogram> {
        match self.value {
            SampleValue::Histogram(histogram) => Some(histogram),
            _ => None,
        }
    }

    fn layout(&self) -> u64 {
        self.histogram().map_or(0, layout)
    }

    /// SLIs of which something is read from the series for the first time, while it goes on for
    /// others: a new SLI that reads one thing of it as others do and another as none does counts
    /// neither yet, or the one would be ahead of the other.
    fn fresh(
        &self,
        relation: Relation,
        uses: &[Use],
        counts: &[Count],
        group: Option<(&Group, Bucket)>,
    ) -> Vec<usize> {
        let is_fresh = |u: &Use, count: &Count| {
            relation == Relation::Continues
                && count.last.is_nan()
                && self.reading(u.what).is_some()
                && weight(u.what, group).part > 0
        };
        let fresh = uses.iter().zip(counts).filter(|(u, count)| is_fresh(u, count));
        fresh.flat_map(|(u, _)| &u.destinations).map(|destination| destination.sli).collect()
    }

    /// Counts a gauge's sample as an event.
    fn judge(
        &self,
        destinations: impl Iterator<Item = Destination>,
        counts: &mut BTreeMap<(usize, Slot), Tally>,
    ) {
        let SampleValue::Number(number) = self.value else { return };
        for destination in destinations {
            let tally = judge(destination.goal, *number, self.at);
            add(counts, destination.sli, Slot::of(self.at, SLOT), tally);
        }
    }

    /// The counter that a use means, and whether it is exact; `None` where the sample has none.
    fn reading(&self, what: What) -> Option<(f64, bool)> {
        match (what, self.value) {
            (What::Value | What::Classic(_), SampleValue::Number(number)) => Some((*number, true)),
            (What::Count, SampleValue::Histogram(histogram)) => Some((histogram.count, true)),
            (What::Below(bits), SampleValue::Histogram(histogram)) => {
                let below = below(histogram, f64::from_bits(bits));
                Some((below.count, below.is_exact))
            }
            _ => None,
        }
    }

    /// How the sample's counts relate to the last ones.
    fn relation(&self, state: &SeriesState) -> Relation {
        let reset = self.histogram().map_or(Reset::Unknown, |histogram| histogram.reset);
        if reset == Reset::Gauge || self.temporality == Temporality::Delta {
            return Relation::Restarts;
        }
        if state.at == Timestamp::MIN {
            return Relation::First;
        }
        // A start that moved, but not past the last sample, is a start told less than precisely:
        // the counts before that sample are counted already.
        let begins_after = self
            .since
            .is_some_and(|since| since != state.since && since >= state.at.minus(CLOCK_SLACK));
        if reset == Reset::Yes || begins_after || self.falls(state) {
            return Relation::Restarts;
        }
        Relation::Continues
    }

    /// Whether a count is below its last one, which it is only when its source began anew. A share
    /// of a histogram whose buckets were laid out anew may fall without that.
    fn falls(&self, state: &SeriesState) -> bool {
        let is_laid_out_alike = self.layout() == state.layout;
        state.counts.iter().any(|count| {
            let compares = is_laid_out_alike || !matches!(count.what, What::Below(_));
            compares && self.reading(count.what).is_some_and(|(reading, _)| reading < count.last)
        })
    }
}

/// Why a value is none that a counter can have.
fn counter(value: f64) -> Result<(), Reason> {
    if !value.is_finite() {
        return Err(Reason::NotFinite);
    }
    if value < 0.0 {
        return Err(Reason::Negative);
    }
    if value > COUNTER_MAX { Err(Reason::TooLarge) } else { Ok(()) }
}
