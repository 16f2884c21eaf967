//! What is remembered of series, of the targets they come from, and of classic histograms.

use flyball_model::Timestamp;

use super::keys::Key;
use super::{BOUNDS_MAX, TARGET_GAP_MAX};
use crate::terms::What;

/// One, in the fixed point that fractional counts are kept in: 32 bits behind the point.
pub(super) const ONE: u64 = 1 << 32;
/// The largest counter: above it doubles leave out whole numbers.
pub(super) const COUNTER_MAX: f64 = 9_007_199_254_740_992.0;

/// A count from 0 to [`COUNTER_MAX`] in fixed point, rounded down.
///
/// Whole numbers are exact. Differences of one counter's values add up without an error, since
/// each value is rounded for itself.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounding down is meant, and callers keep to 0..=2^53"
)]
pub(super) fn fixed(count: f64) -> u128 {
    // Multiplying by a power of two changes the exponent alone.
    (count * ONE as f64) as u128
}

/// A series that an SLI means.
#[derive(Debug)]
pub(super) struct SeriesState {
    /// The last sample; [`Timestamp::MIN`] before the first.
    pub(super) at: Timestamp,
    /// Since when that one counted; [`Timestamp::MIN`] where it did not say so.
    pub(super) since: Timestamp,
    /// When the last sample came.
    pub(super) seen: Timestamp,
    /// How the last sample's buckets were laid out; 0 for a number.
    pub(super) layout: u64,
    /// What the series comes from; 0 where that is not known.
    pub(super) target: Key,
    /// `None` after a restart, until the labels come along with a sample.
    pub(super) route: Option<u32>,
    pub(super) is_changed: bool,
    /// One for each use of the route, in its order.
    pub(super) counts: Box<[Count]>,
    /// For a bucket of a classic histogram.
    pub(super) bucket: Option<Box<Bucket>>,
    /// The SLIs that keep slices, each with the place of the slice that the series belongs to.
    pub(super) slices: Box<[(usize, usize)]>,
}

/// What was counted last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Count {
    pub(super) what: What,
    /// The counter's last value; NaN before the first.
    pub(super) last: f64,
    /// What is left of whole numbers, as a part of [`ONE`].
    pub(super) rest: u32,
}

impl Count {
    pub(super) const fn new(what: What) -> Self {
        Self { what, last: f64::NAN, rest: 0 }
    }
}

/// Which bucket of which classic histogram a series is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    pub(super) group: Key,
    pub(super) bound: f64,
}

/// A series that needs no state.
#[derive(Debug)]
pub(super) enum Stateless {
    /// No SLI means it.
    Stranger,
    /// A bucket that was away from every threshold when it was met last.
    Bucket { route: u32, bucket: Bucket },
}

/// The bounds of a classic histogram, as met.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Group {
    /// Ascending; infinity is not among them.
    pub(super) bounds: Vec<f64>,
    /// When one was met last, rounded down to hours.
    pub(super) seen: Timestamp,
}

/// How much of a bucket's count belongs below a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weight {
    /// A part of [`ONE`].
    pub(super) part: u64,
    /// True when the threshold is the bucket's own bound.
    pub(super) is_exact: bool,
}

impl Weight {
    pub(super) const WHOLE: Self = Self { part: ONE, is_exact: true };
    const NONE: Self = Self { part: 0, is_exact: true };
}

impl Group {
    /// Notes a bound, and says whether it is new; `None` when there are too many.
    pub(super) fn meet(&mut self, bound: f64) -> Option<bool> {
        if !bound.is_finite() {
            return Some(false);
        }
        match self.bounds.binary_search_by(|known| known.total_cmp(&bound)) {
            Ok(_) => Some(false),
            Err(_) if self.bounds.len() >= BOUNDS_MAX => None,
            Err(at) => {
                self.bounds.insert(at, bound);
                Some(true)
            }
        }
    }

    /// How much of the bucket up to `bound` is at or below `threshold`.
    ///
    /// Buckets are cumulative, so that between two bounds the count at a threshold is a mean of
    /// both, weighted by distance: linear interpolation, as `histogram_quantile` does it. Below the
    /// first bound sizes are taken to begin at zero; above the last finite one nothing is known,
    /// and what is there is taken as above the threshold.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share from 0 to 1, rounded down"
    )]
    pub(super) fn weight(&self, threshold: f64, bound: f64) -> Weight {
        let after = self.bounds.partition_point(|known| *known < threshold);
        if self.bounds.get(after) == Some(&threshold) {
            return if bound == threshold { Weight::WHOLE } else { Weight::NONE };
        }
        let upper = self.bounds.get(after).copied();
        let lower = after.checked_sub(1).map(|before| self.bounds[before]);
        let begin = lower.unwrap_or(0.0);
        let upper_part = upper
            .filter(|upper| *upper > begin && threshold > begin)
            .map_or(0, |upper| ((threshold - begin) / (upper - begin) * ONE as f64) as u64);
        let part = if upper == Some(bound) {
            upper_part
        } else if lower == Some(bound) {
            ONE - upper_part
        } else {
            0
        };
        Weight { part, is_exact: part == 0 }
    }
}

/// When a target was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// Where its presence without a break begins.
    pub(super) first: Timestamp,
    /// The sample before the last.
    pub(super) previous: Timestamp,
    pub(super) last: Timestamp,
    /// When the last one came.
    pub(super) seen: Timestamp,
    pub(super) is_changed: bool,
}

impl Target {
    pub(super) const fn new(at: Timestamp, seen: Timestamp) -> Self {
        Self { first: at, previous: at, last: at, seen, is_changed: false }
    }

    /// Notes a sample.
    pub(super) fn see(&mut self, at: Timestamp, seen: Timestamp) {
        self.seen = seen;
        if at <= self.last {
            return;
        }
        if at.since(self.last) > TARGET_GAP_MAX {
            *self = Self { is_changed: self.is_changed, ..Self::new(at, seen) };
        } else {
            self.previous = self.last;
            self.last = at;
        }
    }

    /// A time before `at`, by at most [`TARGET_GAP_MAX`], from which on the target was watched
    /// without a series that appears at `at`; `None` when it was not watched before.
    pub(super) fn before(&self, at: Timestamp) -> Option<Timestamp> {
        let before = if self.last < at {
            self.last
        } else if self.previous < at {
            self.previous
        } else {
            self.first
        };
        let before = before.max(if self.first < at { at.minus(TARGET_GAP_MAX) } else { before });
        (before < at && at.since(self.last) <= TARGET_GAP_MAX).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_between_bounds_take_a_part_of_both() {
        let mut group = Group::default();
        for bound in [0.5, 0.1, 2.0, f64::INFINITY] {
            assert!(group.meet(bound).is_some());
        }
        assert_eq!(group.bounds, [0.1, 0.5, 2.0]);
        assert_eq!(group.weight(0.5, 0.5), Weight::WHOLE);
        assert_eq!(group.weight(0.5, 2.0).part, 0);
        // A third of the way from 0.5 to 2.
        let (lower, upper) = (group.weight(1.0, 0.5), group.weight(1.0, 2.0));
        assert_eq!((lower.part + upper.part, upper.part), (ONE, ONE / 3));
        assert!(!upper.is_exact);
        assert_eq!(group.weight(0.05, 0.1).part, ONE / 2);
        assert_eq!(group.weight(9.0, 2.0), Weight { part: ONE, is_exact: false });
        assert_eq!(group.weight(9.0, f64::INFINITY).part, 0);
    }

    #[test]
    fn a_target_is_watched_from_the_sample_before() {
        let at = Timestamp::from_seconds;
        let mut target = Target::new(at(100), at(100));
        assert_eq!(target.before(at(100)), None);
        assert_eq!(target.before(at(115)), Some(at(100)));
        target.see(at(115), at(115));
        target.see(at(130), at(130));
        assert_eq!(target.before(at(130)), Some(at(115)));
        assert_eq!(target.before(at(145)), Some(at(130)));
        // Overtaken by others of its target: all that is known is that it was watched before.
        assert_eq!(target.before(at(110)), Some(at(100)));
        assert_eq!(target.before(at(431)), None);
        // A pause ends the presence.
        target.see(at(500), at(500));
        assert_eq!(target.before(at(500)), None);
    }

    #[test]
    fn fixed_point_is_exact_for_whole_numbers() {
        for count in [0.0, 1.0, 4_294_967_296.0, COUNTER_MAX - 1.0, COUNTER_MAX] {
            assert_eq!(fixed(count) % u128::from(ONE), 0);
            assert_eq!((fixed(count) / u128::from(ONE)).to_string(), format!("{count:.0}"));
        }
        assert_eq!(fixed(0.25), u128::from(ONE / 4));
    }
}
