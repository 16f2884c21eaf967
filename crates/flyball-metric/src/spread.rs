//! An increase between two samples, spread over the slots in between.
//!
//! When its events came is not known, only that they came in `(from, to]`, so they are laid out
//! evenly, in whole numbers that add up exactly.

use flyball_model::{Duration, Slot, Timestamp};

/// The width of the ledger's slots.
pub const SLOT: Duration = Duration::from_seconds(10);
/// How far back an increase is spread: longer gaps are laid into their last hour, so that one
/// sample touches 361 slots at the most.
pub const SPREAD_MAX: Duration = Duration::from_hours(1);

/// Calls `add` with each slot of `(from, to]` that gets a part of `count`, in order.
///
/// The parts add up to `count`. Up to the end of each slot, the floor of its share of the stretch
/// has been given, so that of two counts the smaller is never ahead of the larger. Everything goes
/// to the slot of `to` when `from` is not before it.
pub(crate) fn spread(count: u64, from: Timestamp, to: Timestamp, mut add: impl FnMut(Slot, u64)) {
    let from = from.max(to.minus(SPREAD_MAX));
    let length = to.since(from).nanos();
    if length == 0 {
        return add(Slot::of(to, SLOT), count);
    }
    // The last instant is the end of a slot when it lies on a bound: `to` itself belongs to the
    // stretch, and a slot that is only touched there would get events that came before it.
    let last = Slot::of(Timestamp::from_nanos(to.nanos().saturating_sub(1)), SLOT);
    let mut given = 0;
    let mut slot = Slot::of(from, SLOT);
    loop {
        let end = slot.interval(SLOT).end().min(to);
        let upto = if slot >= last {
            count
        } else {
            let share = u128::from(count) * u128::from(end.since(from).nanos().unsigned_abs());
            u64::try_from(share / u128::from(length.unsigned_abs())).unwrap_or(count)
        };
        if upto > given {
            add(slot, upto - given);
            given = upto;
        }
        if slot >= last {
            return;
        }
        slot = Slot(slot.0 + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(count: u64, from: i64, to: i64) -> Vec<(i64, u64)> {
        let mut parts = Vec::new();
        let at = |tenths: i64| Timestamp::from_nanos(tenths * 100_000_000);
        spread(count, at(from), at(to), |slot, part| parts.push((slot.0, part)));
        parts
    }

    #[test]
    fn parts_lie_where_the_stretch_does() {
        assert_eq!(parts(30, 0, 300), [(0, 10), (1, 10), (2, 10)]);
        assert_eq!(parts(10, 50, 150), [(0, 5), (1, 5)]);
        assert_eq!(parts(1, 50, 150), [(1, 1)]);
        assert_eq!(parts(7, 100, 100), [(1, 7)]);
        assert_eq!(parts(0, 0, 300), []);
        // Two hours: only the last is used.
        let long = parts(720, 0, 72_000);
        assert_eq!((long.len(), long[0]), (360, (360, 2)));
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_and_the_smaller_is_never_ahead(
            count in 0u64..5_000, more in 0u64..5_000, from in 0i64..2_000, length in 0i64..40_000,
        ) {
            let (small, large) = (parts(count, from, from + length), parts(count + more, from, from + length));
            proptest::prop_assert_eq!(small.iter().map(|(_, part)| part).sum::<u64>(), count);
            let upto = |parts: &[(i64, u64)], slot| -> u64 {
                parts.iter().filter(|(at, _)| *at <= slot).map(|(_, part)| part).sum()
            };
            for (slot, _) in &small {
                proptest::prop_assert!(upto(&small, *slot) <= upto(&large, *slot));
            }
        }
    }
}
