//! When a service failed those that depend on it, by its own counts.

use flyball_model::{Duration, Interval, Rational, Slot, Tally, Timestamp};

/// For how long before and after a slot in which a service failed its dependants may be bad by it: a request may wait, and be
/// tried again, and each side counts it at its own moment.
pub const FELT_WITHIN: Duration = Duration::from_seconds(30);
/// For how long before and after a slot in which a service was well it is believed to have been: past that nothing is known,
/// and no data is not health.
pub const HEARD_WITHIN: Duration = Duration::from_minutes(5);

/// When a service failed, by the counts of its SLOs, given in any order.
///
/// A slot in which more was bad than the promise allows, `bad > (1 - target) × valid`, is one in which it failed; any other in
/// which something was valid is one in which it was well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failed {
    bad: Vec<Interval>,
    heard: Vec<Interval>,
}

impl Failed {
    /// Takes in a slot that holds `tally`, of an SLO that allows this share of bad events.
    pub fn add(&mut self, slot: Slot, width: Duration, tally: Tally, allowed: Rational) {
        if tally.valid() == 0 {
            return;
        }
        let is_bad = Rational::new(tally.bad(), tally.valid()).is_some_and(|of| of > allowed);
        let (list, around) =
            if is_bad { (&mut self.bad, FELT_WITHIN) } else { (&mut self.heard, HEARD_WITHIN) };
        let slot = slot.interval(width);
        let (start, end) = (slot.start().minus(around), slot.end().plus(around));
        let before = list.pop_if(|last| last.start() <= start && start <= last.end());
        let start = before.map_or(start, Interval::start);
        let end = before.map_or(end, |before| end.max(before.end()));
        list.extend(Interval::new(start, end));
    }

    /// The parts of `during` in which its dependants may have been bad by it, in order and apart: those within [`FELT_WITHIN`]
    /// of a slot in which it failed, and those within [`HEARD_WITHIN`] of no slot in which it was well.
    pub fn parts(&self, during: Interval) -> Vec<Interval> {
        let mut charged = joined(&self.bad, during);
        let mut silent_from = during.start();
        for heard in joined(&self.heard, during) {
            charged.extend(between(silent_from, heard.start()));
            silent_from = heard.end();
        }
        charged.extend(between(silent_from, during.end()));
        joined(&charged, during)
    }
}

fn between(from: Timestamp, to: Timestamp) -> Option<Interval> {
    Interval::new(from, to).ok().filter(|_| from < to)
}

/// What `parts` have of `during`, in order, those that meet as one.
fn joined(parts: &[Interval], during: Interval) -> Vec<Interval> {
    let mut inside: Vec<Interval> = parts.iter().filter_map(|of| of.intersect(during)).collect();
    inside.retain(|part| !part.is_empty());
    inside.sort_by_key(|part| (part.start(), part.end()));
    let mut found: Vec<Interval> = Vec::with_capacity(inside.len());
    for part in inside {
        let before = found.pop_if(|before| before.end() >= part.start());
        let start = before.map_or(part.start(), Interval::start);
        let end = before.map_or(part.end(), |before| part.end().max(before.end()));
        found.extend(between(start, end));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: Duration = Duration::from_seconds(10);

    fn time(from: i64, to: i64) -> Interval {
        let at = Timestamp::from_seconds;
        Interval::new(at(from), at(to)).unwrap()
    }

    /// What is charged of a time, by slots with what of ten is bad in each.
    fn charged(slots: &[(i64, u64)], during: Interval) -> Vec<Interval> {
        let mut failed = Failed::default();
        for (slot, bad) in slots {
            let tally = Tally::new(10, 10 - bad).unwrap();
            failed.add(Slot(*slot), WIDTH, tally, Rational::new(1, 10).unwrap());
        }
        failed.parts(during)
    }

    #[test]
    fn what_was_well_is_charged_nothing() {
        // It fails for a minute and is well from then on.
        let slots: Vec<_> = (0..60).map(|slot| (slot, if slot < 6 { 9 } else { 0 })).collect();
        assert_eq!(charged(&slots, time(0, 600)), [time(0, 90)]);
        // What its promise allows is no failure.
        let slots: Vec<_> = (0..60).map(|slot| (slot, 1)).collect();
        assert_eq!(charged(&slots, time(0, 600)), []);
        // It fails again later.
        let slots: Vec<_> = (0..60).map(|slot| (slot, u64::from(slot == 40) * 2)).collect();
        assert_eq!(charged(&slots, time(0, 600)), [time(370, 440)]);
    }

    #[test]
    fn no_data_is_not_health() {
        assert_eq!(charged(&[], time(0, 600)), [time(0, 600)]);
        // A request a minute is enough to know that it is well; after the last one nothing is known for long.
        let slots: Vec<_> = (0..10).map(|minute| (minute * 6, 0)).collect();
        assert_eq!(charged(&slots, time(0, 1_200)), [time(850, 1_200)]);
        // It was bad when it was last heard of.
        assert_eq!(charged(&[(0, 0), (1, 9)], time(0, 600)), [time(0, 50), time(310, 600)]);
    }

    #[test]
    fn any_slo_that_failed_will_do_in_any_order() {
        let slots = [(30, 0), (30, 9), (20, 0), (40, 0), (0, 0)];
        assert_eq!(charged(&slots, time(0, 600)), [time(270, 340)]);
    }
}
