//! What others do, as plainly as possible: the judges that ours is held against.

use flyball_model::{Slot, Tally};

/// The one-sided p-value of the rank-sum test of Mann and Whitney that `after` is not higher than
/// `before`: normal approximation with correction for ties and continuity. One when all are equal.
pub(crate) fn mann_whitney(before: &[f64], after: &[f64]) -> f64 {
    let (m, n) = (before.len() as f64, after.len() as f64);
    let mut all: Vec<(f64, bool)> = before.iter().map(|value| (*value, false)).collect();
    all.extend(after.iter().map(|value| (*value, true)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut ties, mut from) = (0.0, 0.0, 0);
    while from < all.len() {
        let to = from + all[from..].iter().take_while(|value| value.0 == all[from].0).count();
        let rank = (from + to + 1) as f64 / 2.0;
        ranks += rank * all[from..to].iter().filter(|value| value.1).count() as f64;
        let tied = (to - from) as f64;
        ties += tied * (tied * tied - 1.0);
        from = to;
    }
    let u = ranks - n * (n + 1.0) / 2.0;
    let total = m + n;
    let variance = m * n / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    1.0 - normal((u - m * n / 2.0 - 0.5) / variance.sqrt())
}

/// The normal distribution function, by a rational approximation that is off by less than 10⁻⁷
/// (Abramowitz and Stegun, 26.2.17).
fn normal(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let tail = t
        * (0.319_381_53
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let below = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * tail;
    if z > 0.0 { 1.0 - below } else { below }
}

/// The error ratios of slots with events.
pub(crate) fn ratios(slots: &[(Slot, Tally)]) -> Vec<f64> {
    let known = slots.iter().filter(|slot| !slot.1.is_empty());
    known.map(|slot| slot.1.bad() as f64 / slot.1.valid() as f64).collect()
}

/// The slot after a change, counted from one, in which the rank-sum test first says "worse" at
/// `level`, when it is asked after every slot from the tenth on.
pub(crate) fn mann_whitney_watched(before: &[f64], after: &[f64], level: f64) -> Option<usize> {
    (10..=after.len()).find(|seen| mann_whitney(before, &after[..*seen]) < level)
}

/// The slot after a change in which the error ratio since the change first exceeds that before by
/// `margin`, when it is asked after every slot from the fifth on.
pub(crate) fn threshold_watched(
    before: &[(Slot, Tally)],
    after: &[(Slot, Tally)],
    margin: f64,
) -> Option<usize> {
    let ratio = |tally: Tally| tally.bad() as f64 / tally.valid().max(1) as f64;
    let usual = ratio(before.iter().map(|slot| slot.1).sum());
    (5..=after.len())
        .find(|seen| ratio(after[..*seen].iter().map(|slot| slot.1).sum()) > usual + margin)
}
