//! Who spent the budget.
//!
//! Bad events are split among causes so that the parts add up, in integers, slot by slot:
//!
//! 1. Of a slot's bad events, as many are *usual* as the service's usual ratio explains. Fractions
//!    are carried from slot to slot, so that the usual part of a stretch is off by less than one.
//! 2. The rest goes to the causes whose interval holds the slot. Those of the highest priority take
//!    all of it; a lower one gets what no higher one is there for. So a drill within an incident is
//!    charged to the drill while it lasts.
//! 3. Causes of one priority share equally. What does not divide goes, event by event, to whoever
//!    got the fewest such odd events so far, the first in the list before the next.
//! 4. Where no cause is, it is *unexplained*.

use std::collections::{BTreeMap, HashSet};

use flyball_model::{Rational, Slot, Tally};

use super::VerdictError;

/// What kind of cause spent budget.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// A planned outage or injected fault.
    Drill,
    /// A change that regressed.
    Change,
    /// A failure of a service that this one depends on.
    Dependency,
    /// An incident, whatever its cause.
    Incident,
}

impl CauseKind {
    /// The priority of causes of this kind unless they say otherwise: the more is known of what
    /// happened, the higher. Ourselves on purpose, ourselves by a change, somebody else, something.
    pub const fn priority(self) -> u32 {
        match self {
            Self::Drill => 400,
            Self::Change => 300,
            Self::Dependency => 200,
            Self::Incident => 100,
        }
    }
}

/// Something that may have spent budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What names it; unique.
    pub id: String,
    /// What it is.
    pub kind: CauseKind,
    /// The slots that it is there in: from the first of each stretch to the one that it ends before, in order and none of
    /// them touching.
    pub slots: Vec<(Slot, Slot)>,
    /// The higher takes first; [`CauseKind::priority`] unless decided otherwise.
    pub priority: u32,
}

impl Cause {
    /// Whether it is there in a slot.
    fn is_there(&self, slot: Slot) -> bool {
        let begun = self.slots.partition_point(|(from, _)| *from <= slot);
        begun.checked_sub(1).is_some_and(|last| slot < self.slots[last].1)
    }
}

/// What was spent in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The slot.
    pub slot: Slot,
    /// Its counts.
    pub tally: Tally,
}

/// The part of one cause.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Share {
    /// The cause.
    pub id: String,
    /// What it is.
    pub kind: CauseKind,
    /// Bad events charged to it.
    pub bad: u64,
}

/// Bad events by cause: `usual`, `unexplained` and the shares add up to `total`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Attribution {
    /// All bad events.
    pub total: u64,
    /// Those that the usual ratio explains.
    pub usual: u64,
    /// Those past it that no cause was there for.
    pub unexplained: u64,
    /// The causes in the order given, those that spent nothing included.
    pub shares: Vec<Share>,
}

/// Splits the bad events of `postings`, which are in the order of their slots, among `causes`.
///
/// `usual` is the ratio of bad events that the service has anyway; zero charges every bad event of
/// a slot to its causes. Without postings everything is zero.
///
/// # Errors
///
/// [`VerdictError::Posting`] when slots do not follow each other or their sum does not fit 64 bits,
/// [`VerdictError::Cause`] when an id is there twice.
pub fn attribute(
    postings: &[Posting],
    causes: &[Cause],
    usual: Rational,
) -> Result<Attribution, VerdictError> {
    let mut ids = HashSet::new();
    if let Some(cause) = causes.iter().find(|cause| !ids.insert(cause.id.as_str())) {
        return Err(VerdictError::Cause { id: cause.id.clone() });
    }
    let mut split = Split::new(causes, usual);
    let mut last: Option<Slot> = None;
    for posting in postings {
        let in_order = last.is_none_or(|last| last < posting.slot);
        if !in_order || !split.add(posting) {
            return Err(VerdictError::Posting { slot: posting.slot.0 });
        }
        last = Some(posting.slot);
    }
    Ok(split.done())
}

/// Joins neighbouring slots of an hour in which the same causes were there: what is usual in them is then
/// found whichever of them it fell into. `per_hour` is how many slots an hour has.
pub fn by_hour(postings: &[Posting], causes: &[Cause], per_hour: i64) -> Vec<Posting> {
    let borders = Borders::of(causes);
    let hour = |slot: Slot| (slot.0.div_euclid(per_hour.max(1)), borders.part(slot));
    let mut joined: Vec<Posting> = Vec::new();
    for posting in postings {
        match joined.last_mut() {
            Some(last) if hour(last.slot) == hour(posting.slot) => {
                last.tally = last.tally.plus(posting.tally);
            }
            _ => joined.push(*posting),
        }
    }
    joined
}

/// The slots at which causes begin or end: between two of them the same are there.
struct Borders(Vec<(Slot, bool)>);

impl Borders {
    fn of(causes: &[Cause]) -> Self {
        let mut steps: BTreeMap<Slot, i64> = BTreeMap::new();
        let there = causes.iter().flat_map(|cause| &cause.slots);
        for (from, to) in there.filter(|(from, to)| from < to) {
            *steps.entry(*from).or_default() += 1;
            *steps.entry(*to).or_default() -= 1;
        }
        let mut there = 0;
        let borders = steps.into_iter().map(|(slot, step)| {
            there += step;
            (slot, there > 0)
        });
        Self(borders.collect())
    }

    /// How many borders lie before a slot, or at it.
    fn part(&self, slot: Slot) -> usize {
        self.0.partition_point(|(border, _)| *border <= slot)
    }

    /// Whether a cause is there.
    fn is_there(&self, slot: Slot) -> bool {
        self.part(slot).checked_sub(1).is_some_and(|last| self.0[last].1)
    }
}

/// The ratio of bad events that a service has anyway: the median of its hours in which no cause was there,
/// so that an outage which nobody has explained does not pass as usual. `per_hour` is how many slots an
/// hour has. Zero where causes were always there, or nothing was counted.
pub fn usual(postings: &[Posting], causes: &[Cause], per_hour: i64) -> Rational {
    let borders = Borders::of(causes);
    let mut hours: BTreeMap<i64, Tally> = BTreeMap::new();
    for posting in postings.iter().filter(|posting| !borders.is_there(posting.slot)) {
        let hour = hours.entry(posting.slot.0.div_euclid(per_hour.max(1))).or_default();
        *hour = hour.plus(posting.tally);
    }
    let ratio = |tally: Tally| Rational::new(tally.bad(), tally.valid());
    let mut ratios: Vec<Rational> = hours.into_values().filter_map(ratio).collect();
    ratios.sort_unstable();
    // Of two in the middle the smaller: what is called usual is charged to nobody.
    let middle = ratios.len().saturating_sub(1) / 2;
    ratios.get(middle).copied().unwrap_or(Rational::ZERO)
}

struct Split<'a> {
    causes: &'a [Cause],
    parts: Vec<u64>,
    odd: Vec<u64>,
    ratio: Rational,
    /// The numerator of the fraction of a usual event that is carried.
    carried: u128,
    total: u64,
    usual: u64,
    unexplained: u64,
}

impl<'a> Split<'a> {
    fn new(causes: &'a [Cause], ratio: Rational) -> Self {
        let none = vec![0; causes.len()];
        let (parts, odd) = (none.clone(), none);
        Self { causes, parts, odd, ratio, carried: 0, total: 0, usual: 0, unexplained: 0 }
    }

    /// False when the sum does not fit.
    fn add(&mut self, posting: &Posting) -> bool {
        let bad = posting.tally.bad();
        let Some(total) = self.total.checked_add(bad) else { return false };
        self.total = total;
        let denominator = u128::from(self.ratio.denominator());
        let product = u128::from(self.ratio.numerator()) * u128::from(posting.tally.valid());
        let expected = product.saturating_add(self.carried);
        self.carried = expected % denominator;
        let usual = u64::try_from(expected / denominator).map_or(bad, |expected| expected.min(bad));
        self.usual += usual;
        self.charge(posting.slot, bad - usual);
        true
    }

    fn charge(&mut self, slot: Slot, bad: u64) {
        let there = |cause: &Cause| cause.is_there(slot);
        let Some(highest) =
            self.causes.iter().filter(|cause| there(cause)).map(|cause| cause.priority).max()
        else {
            self.unexplained += bad;
            return;
        };
        let mut sharing: Vec<usize> = (0..self.causes.len())
            .filter(|index| there(&self.causes[*index]) && self.causes[*index].priority == highest)
            .collect();
        let count = sharing.len() as u64;
        for index in &sharing {
            self.parts[*index] += bad / count;
        }
        // Fewer than `count` are left, so each gets one at most.
        sharing.sort_by_key(|index| self.odd[*index]);
        for (index, _) in sharing.iter().zip(0..bad % count) {
            self.parts[*index] += 1;
            self.odd[*index] += 1;
        }
    }

    fn done(self) -> Attribution {
        let shares = self.causes.iter().zip(self.parts);
        Attribution {
            total: self.total,
            usual: self.usual,
            unexplained: self.unexplained,
            shares: shares
                .map(|(cause, bad)| Share { id: cause.id.clone(), kind: cause.kind, bad })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cause(id: &str, kind: CauseKind, from: i64, to: i64) -> Cause {
        let slots = vec![(Slot(from), Slot(to))];
        Cause { id: id.into(), kind, slots, priority: kind.priority() }
    }

    fn posting(slot: i64, valid: u64, bad: u64) -> Posting {
        Posting { slot: Slot(slot), tally: Tally::new(valid, valid - bad).unwrap() }
    }

    #[test]
    fn the_best_known_cause_takes_first_and_equals_share() {
        let causes = [
            cause("inc-1", CauseKind::Incident, 0, 10),
            cause("deploy-7", CauseKind::Change, 2, 4),
            cause("deploy-8", CauseKind::Change, 3, 4),
        ];
        let postings = [0, 2, 3, 12].map(|slot| posting(slot, 1000, 15));
        let split = attribute(&postings, &causes, Rational::parse("0.01").unwrap()).unwrap();
        assert_eq!((split.total, split.usual, split.unexplained), (60, 40, 5));
        let parts: Vec<_> = split.shares.iter().map(|share| share.bad).collect();
        assert_eq!(parts, [5, 8, 2]);
    }

    #[test]
    fn what_is_usual_in_an_hour_is_found_wherever_it_fell() {
        // One in ten is usual, and the bad ones come together.
        let bad = |slot| if slot % 6 == 5 { 6 } else { 0 };
        let postings: Vec<_> = (0..12).map(|slot| posting(slot, 10, bad(slot))).collect();
        let causes = [cause("deploy-7", CauseKind::Change, 9, 12)];
        let joined = by_hour(&postings, &causes, 6);
        assert_eq!(joined, [posting(0, 60, 6), posting(6, 30, 0), posting(9, 30, 6)]);
        let split = attribute(&joined, &causes, Rational::new(1, 10).unwrap()).unwrap();
        assert_eq!((split.usual, split.unexplained, split.shares[0].bad), (9, 0, 3));
    }

    #[test]
    fn what_is_usual_is_the_median_hour_without_a_cause() {
        let hours = [(0, 100, 1), (1, 100, 2), (2, 100, 90), (3, 100, 50), (4, 100, 3), (5, 0, 0)];
        let postings = hours.map(|(hour, valid, bad)| posting(hour * 6, valid, bad));
        let causes = [cause("deploy-7", CauseKind::Change, 18, 24)];
        assert_eq!(usual(&postings, &causes, 6), Rational::new(2, 100).unwrap());
        assert_eq!(usual(&postings, &[], 6), Rational::new(3, 100).unwrap());
        assert_eq!(usual(&[], &[], 6), Rational::ZERO);
        let always = [cause("drill", CauseKind::Drill, 0, 99)];
        assert_eq!(usual(&postings, &always, 6), Rational::ZERO);
    }

    #[test]
    fn fractions_of_usual_events_are_not_lost() {
        let postings: Vec<_> = (0..1000).map(|slot| posting(slot, 1, 1)).collect();
        let split = attribute(&postings, &[], Rational::parse("0.003").unwrap()).unwrap();
        assert_eq!((split.usual, split.unexplained), (3, 997));
    }

    #[test]
    fn what_is_there_twice_is_refused() {
        let twice = [posting(1, 1, 1), posting(1, 1, 1)];
        assert!(matches!(
            attribute(&twice, &[], Rational::ZERO),
            Err(VerdictError::Posting { slot: 1 })
        ));
        let causes = [cause("a", CauseKind::Drill, 0, 1), cause("a", CauseKind::Change, 0, 1)];
        assert!(matches!(attribute(&[], &causes, Rational::ZERO), Err(VerdictError::Cause { .. })));
    }

    proptest! {
        #[test]
        fn the_parts_always_add_up(
            slots in proptest::collection::vec((0u64..2000, 0u64..2000), 0..60),
            causes in proptest::collection::vec((0i64..60, 0i64..40, 0u32..3), 0..8),
            usual in 0u64..400,
        ) {
            let postings: Vec<_> = (0_i64..).zip(&slots)
                .map(|(slot, (valid, bad))| posting(slot, *valid.max(bad), *bad))
                .collect();
            let causes: Vec<_> = causes.iter().enumerate()
                .map(|(index, (from, length, priority))| Cause {
                    priority: *priority,
                    ..cause(&index.to_string(), CauseKind::Incident, *from, from + length)
                })
                .collect();
            let split = attribute(&postings, &causes, Rational::new(usual, 1000).unwrap()).unwrap();
            let bad: u64 = slots.iter().map(|slot| slot.1).sum();
            let shares: u64 = split.shares.iter().map(|share| share.bad).sum();
            prop_assert_eq!(split.total, bad);
            prop_assert_eq!(split.usual + split.unexplained + shares, bad);
            // Nobody is charged outside their interval.
            for (cause, share) in causes.iter().zip(&split.shares) {
                let most: u64 = postings.iter()
                    .filter(|posting| cause.is_there(posting.slot))
                    .map(|posting| posting.tally.bad())
                    .sum();
                prop_assert!(share.bad <= most);
            }
        }

        /// Causes that always share a slot differ by one event at most.
        #[test]
        fn equals_are_treated_equally(bads in proptest::collection::vec(0u64..50, 1..50), count in 1usize..5) {
            let postings: Vec<_> = (0_i64..).zip(&bads).map(|(slot, bad)| posting(slot, *bad, *bad)).collect();
            let causes: Vec<_> = (0..count)
                .map(|index| cause(&index.to_string(), CauseKind::Dependency, 0, 100))
                .collect();
            let split = attribute(&postings, &causes, Rational::ZERO).unwrap();
            let parts = split.shares.iter().map(|share| share.bad);
            prop_assert!(parts.clone().max().unwrap() - parts.min().unwrap() <= 1);
        }
    }
}
