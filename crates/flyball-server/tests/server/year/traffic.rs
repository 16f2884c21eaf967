//! What users do: counts by slot, from the seed alone, and what is told of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use flyball_model::Timestamp;
use flyball_testkit::Random;

use super::company::{Sent, Service};
use super::plan::GROWN;

/// A slot, in seconds.
pub(super) const SLOT: i64 = 10;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Valid and bad events by the second at which their slot begins.
pub(super) type Slots = BTreeMap<i64, (u64, u64)>;

/// A time in which a service fares otherwise than it usually does, in seconds.
#[derive(Debug, Clone)]
pub(super) struct Episode {
    pub(super) service: usize,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) what: Fares,
}

/// How it fares then.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fares {
    /// So many of a thousand are bad.
    Badly(u64),
    /// Users come in slots that begin so many seconds after each other.
    Busily(i64),
}

/// Users of all services.
#[derive(Debug)]
pub(super) struct Traffic {
    seed: u64,
    services: Vec<Service>,
    episodes: Vec<Episode>,
}

/// What is told of a time: requests, and what a plain addition makes of them, by service.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) metrics: Option<String>,
    pub(super) lines: Option<String>,
    pub(super) counts: Vec<(usize, i64, (u64, u64))>,
}

impl Traffic {
    pub(super) fn new(seed: u64, services: Vec<Service>) -> Self {
        Self { seed, services, episodes: Vec::new() }
    }

    pub(super) fn add(&mut self, episode: Episode) {
        self.episodes.push(episode);
    }

    /// What happened in slots that begin at `from` or later and before `to`, seconds.
    pub(super) fn told(&self, from: i64, to: i64) -> Told {
        let mut told = Told::default();
        let (mut points, mut lines) = (Vec::new(), String::new());
        for number in 0..self.services.len() {
            let service = &self.services[number];
            for slot in self.slots(number, from, to) {
                let (valid, bad) = self.counts(number, slot);
                if valid == 0 {
                    continue;
                }
                told.counts.push((number, slot, (valid, bad)));
                match service.sent {
                    Sent::Counters => {
                        points.push(point(service.name, "good", slot, valid - bad));
                        if bad > 0 {
                            points.push(point(service.name, "bad", slot, bad));
                        }
                    }
                    Sent::Lines => self.write_lines(number, slot, (valid, bad), &mut lines),
                }
            }
        }
        told.metrics = (!points.is_empty()).then(|| {
            format!(
                r#"{{"resourceMetrics":[{{"resource":{{}},"scopeMetrics":[{{"scope":{{}},"metrics":[{{"name":"requests","sum":{{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{}]}}}}]}}]}}]}}"#,
                points.join(",")
            )
        });
        told.lines = (!lines.is_empty()).then_some(lines);
        told
    }

    /// When users of a service come, from `from` and before `to`.
    fn slots(&self, number: usize, from: i64, to: i64) -> BTreeSet<i64> {
        let service = &self.services[number];
        let every = match service.sent {
            Sent::Counters if number == GROWN => HOUR,
            Sent::Counters => 3 * HOUR,
            Sent::Lines => 12 * HOUR,
        };
        let offset = 600 * i64::try_from(number % 6).unwrap();
        let stepped = |start: i64, end: i64, first: i64, every: i64| {
            let first = first + (start - first).max(0).div_euclid(every) * every;
            (0..)
                .map(move |step| first + step * every)
                .take_while(move |at| *at < end)
                .filter(move |at| *at >= start)
        };
        // Nobody comes before the launch, in the morning.
        let begins = super::plan::at(service.since, if service.since == 0 { 0 } else { 7 });
        let mut slots: BTreeSet<i64> =
            stepped(from.max(begins), to, super::plan::start() + offset, every).collect();
        for Episode { from: first, to: end, what, .. } in self.of(number) {
            if let Fares::Busily(every) = what {
                slots.extend(stepped(from.max(*first), to.min(*end), *first, *every));
            }
        }
        slots
    }

    fn of(&self, number: usize) -> impl Iterator<Item = &Episode> {
        self.episodes.iter().filter(move |episode| episode.service == number)
    }

    /// Valid and bad events of one slot.
    fn counts(&self, number: usize, slot: i64) -> (u64, u64) {
        let service = &self.services[number];
        let mut random = self.random(number, slot, 1);
        let by_day = if (slot.rem_euclid(DAY) / HOUR) < 7 { 0.4 } else { 1.0 };
        let mean = match service.sent {
            Sent::Counters => service.events as f64 * by_day,
            Sent::Lines => 6.0,
        };
        let is_inside = |of: &&Episode| (of.from..of.to).contains(&slot);
        let is_busy =
            self.of(number).filter(is_inside).any(|of| matches!(of.what, Fares::Busily(_)));
        // Those of three hours come in many slots then.
        let mean = if is_busy { mean / 20.0 } else { mean };
        let fares = self.of(number).filter(is_inside).filter_map(|of| match of.what {
            Fares::Badly(share) => Some(share as f64 / 1_000.0),
            Fares::Busily(_) => None,
        });
        let share = fares.reduce(f64::max).unwrap_or(service.allowed as f64 / 5_000.0);
        let valid = random.poisson(mean);
        (valid, random.binomial(valid, share))
    }

    fn random(&self, number: usize, slot: i64, purpose: u64) -> Random {
        let place = (number as u64) << 48 ^ purpose << 40 ^ slot.unsigned_abs();
        let mut random = Random::new(self.seed ^ place);
        let mixed = random.next_u64();
        Random::new(mixed)
    }

    /// Each event of a slot by itself, the bad ones first.
    fn write_lines(&self, number: usize, slot: i64, (valid, bad): (u64, u64), into: &mut String) {
        let name = self.services[number].name;
        let mut random = self.random(number, slot, 2);
        for (event, place) in (0..valid).zip((0..SLOT).cycle()) {
            let (status, user) = (if event < bad { 503 } else { 200 }, random.below(40));
            let at = Timestamp::from_nanos(slot * 1_000_000_000 + place * 1_000_000);
            let _ = writeln!(
                into,
                r#"{{"time":"{at}","service.name":"{name}","status":{status},"user.id":"u{user}"}}"#
            );
        }
    }
}

/// An increase of a counter within one slot.
fn point(service: &str, outcome: &str, slot: i64, count: u64) -> String {
    format!(
        r#"{{"attributes":[{{"key":"service","value":{{"stringValue":"{service}"}}}},{{"key":"outcome","value":{{"stringValue":"{outcome}"}}}}],"startTimeUnixNano":"{slot}000000000","timeUnixNano":"{}000000000","asInt":"{count}"}}"#,
        slot + SLOT
    )
}
