//! One bet on one block of events of two arms.
//!
//! A block holds what two arms saw under the same conditions. One arm, *up*, is suspected of a
//! higher error ratio than the other, *down*. The null hypothesis is a boundary,
//! `p_up <= ratio × p_down + difference`, with `p_down` unknown and free to differ from block to
//! block. For any stakes `a >= 0` on each bad event of *up* and `0 <= c < 1` against each bad event
//! of *down*, and independent events,
//!
//! ```text
//!              (1 + a)^bad_up · (1 - c)^bad_down
//! e = ───────────────────────────────────────────────────────────────────────────────
//!     max over p of (1 + a (ratio p + difference))^valid_up · (1 - c p)^valid_down
//! ```
//!
//! has expectation at most one wherever the null holds, because the expectation of the numerator
//! is the expression in the denominator at the true `p`. So `e` is an e-value, and the product of
//! the e-values of blocks is a supermartingale however the stakes are chosen, as long as they
//! depend on earlier blocks only. The logarithm of the denominator is concave in `p`; its maximum
//! is where a linear equation says.
//!
//! With the stakes of a likelihood ratio these are the safe tests of two proportions by Turner, Ly
//! and Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional
//! stopping" (2021); the stakes here are chosen so that the maximum lies at the ratio the control
//! is believed to have.

use flyball_model::Tally;

/// The largest stake against a bad event of *down*: past it one such event ends the bet for good.
const DOWN_STAKE_MAX: f64 = 0.95;
/// The largest stake on a bad event of *up*.
const UP_STAKE_MAX: f64 = 1e4;

/// The edge of a null hypothesis: `p_up <= ratio × p_down + difference`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Boundary {
    /// The factor; positive.
    pub(super) ratio: f64,
    /// What is added; from -1 to 1.
    pub(super) difference: f64,
}

impl Boundary {
    /// `p_up <= p_down + difference`.
    pub(super) const fn difference(difference: f64) -> Self {
        Self { ratio: 1.0, difference }
    }

    /// `p_up <= ratio × p_down`.
    pub(super) const fn ratio(ratio: f64) -> Self {
        Self { ratio, difference: 0.0 }
    }
}

/// What is staked on a block before its outcome is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stakes {
    up: f64,
    down: f64,
}

impl Stakes {
    /// Stakes that gain where the odds of *up* are `odds` times those at the boundary.
    ///
    /// `believed` is the ratio of *down*. Where *up* has so many more events than *down* that the
    /// latter cannot vouch for it, less is staked.
    pub(super) fn on_up(
        odds: f64,
        up: Tally,
        down: Tally,
        boundary: Boundary,
        believed: f64,
    ) -> Self {
        let (n_up, n_down) = (up.valid() as f64, down.valid() as f64);
        let at_boundary = boundary.ratio * believed + boundary.difference;
        let stake = (odds - 1.0).min(UP_STAKE_MAX);
        let slope = n_up * boundary.ratio;
        let against =
            slope * stake / (slope * stake * believed + n_down * (1.0 + stake * at_boundary));
        if against <= DOWN_STAKE_MAX {
            return Self { up: stake, down: against };
        }
        // The same equation, solved for the other stake.
        let rest =
            slope * (1.0 - DOWN_STAKE_MAX * believed) - DOWN_STAKE_MAX * n_down * at_boundary;
        Self { up: DOWN_STAKE_MAX * n_down / rest, down: DOWN_STAKE_MAX }
    }

    /// Stakes that gain where bad events of *down* are `1 - against` times as many as at the
    /// boundary; `believed` is the ratio *down* would have there.
    pub(super) fn on_down(
        against: f64,
        up: Tally,
        down: Tally,
        boundary: Boundary,
        believed: f64,
    ) -> Self {
        let (n_up, n_down) = (up.valid() as f64, down.valid() as f64);
        let at_boundary = (boundary.ratio * believed + boundary.difference).max(0.0);
        let rest =
            n_up * boundary.ratio * (1.0 - against * believed) - n_down * against * at_boundary;
        let stake =
            if rest > 0.0 { (n_down * against / rest).min(UP_STAKE_MAX) } else { UP_STAKE_MAX };
        Self { up: stake, down: against }
    }

    /// By what `bad` further bad events of *down* would change the logarithm of the e-value.
    pub(super) fn log_loss(self, bad: f64) -> f64 {
        bad * (-self.down).ln_1p()
    }

    /// The logarithm of the e-value of a block against the null with `boundary`.
    ///
    /// Falls with a higher boundary. Zero, nothing learned, where an arm has no events: the block
    /// says nothing of how they compare.
    pub(super) fn log_e(self, up: Tally, down: Tally, boundary: Boundary) -> f64 {
        if up.is_empty() || down.is_empty() {
            return 0.0;
        }
        let Boundary { ratio, difference } = boundary;
        let (n_up, n_down) = (up.valid() as f64, down.valid() as f64);
        let gained = up.bad() as f64 * self.up.ln_1p() + down.bad() as f64 * (-self.down).ln_1p();
        let lowest = (-difference / ratio).clamp(0.0, 1.0);
        let highest = ((1.0 - difference) / ratio).clamp(lowest, 1.0);
        let denominator = self.up * self.down * ratio * (n_up + n_down);
        let worst = if denominator > 0.0 {
            let slope = n_up * self.up * ratio - n_down * self.down * (1.0 + self.up * difference);
            (slope / denominator).clamp(lowest, highest)
        } else if self.up > 0.0 {
            highest
        } else {
            lowest
        };
        let up_ratio = (ratio * worst + difference).clamp(0.0, 1.0);
        gained - n_up * (self.up * up_ratio).ln_1p() - n_down * (-self.down * worst).ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(valid: u64, bad: u64) -> Tally {
        Tally::new(valid, valid - bad).unwrap()
    }

    fn choose(n: u64, k: u64) -> f64 {
        (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product()
    }

    fn binomial(n: u64, k: u64, p: f64) -> f64 {
        choose(n, k)
            * p.powi(i32::try_from(k).unwrap())
            * (1.0 - p).powi(i32::try_from(n - k).unwrap())
    }

    /// The expectation of the e-value, summed over all outcomes of a block.
    fn expectation(
        n_up: u64,
        n_down: u64,
        p_up: f64,
        p_down: f64,
        stakes: Stakes,
        boundary: Boundary,
    ) -> f64 {
        let mut sum = 0.0;
        for up in 0..=n_up {
            for down in 0..=n_down {
                let e = stakes.log_e(tally(n_up, up), tally(n_down, down), boundary).exp();
                sum += binomial(n_up, up, p_up) * binomial(n_down, down, p_down) * e;
            }
        }
        sum
    }

    proptest! {
        /// The whole guarantee rests on this: by brute force, anywhere in the null.
        #[test]
        fn no_bet_gains_under_the_null(
            n_up in 1u64..9, n_down in 1u64..9,
            p_down in 0.0f64..=1.0, share in 0.0f64..=1.0,
            difference in -0.5f64..0.5, ratio in 0.2f64..3.0,
            odds in 1.01f64..50.0, against in 0.01f64..0.95, believed in 0.0001f64..0.9,
        ) {
            for boundary in [Boundary::difference(difference), Boundary::ratio(ratio), Boundary { ratio, difference }] {
                let most = (boundary.ratio * p_down + boundary.difference).min(1.0);
                if most < 0.0 {
                    continue;
                }
                let (up, down) = (tally(n_up, 0), tally(n_down, 0));
                for stakes in [
                    Stakes::on_up(odds, up, down, Boundary::difference(difference.max(0.0)), believed),
                    Stakes::on_down(against, up, down, Boundary::difference(-difference.abs()), believed),
                ] {
                    let mean = expectation(n_up, n_down, share * most, p_down, stakes, boundary);
                    prop_assert!(mean <= 1.0 + 1e-9, "{mean} with {stakes:?} at {boundary:?}");
                }
            }
        }

        #[test]
        fn evidence_falls_as_the_boundary_rises(
            bad_up in 0u64..20, bad_down in 0u64..40, low in -0.5f64..0.5, step in 0.0f64..0.3, odds in 1.1f64..20.0,
        ) {
            let (up, down) = (tally(20, bad_up), tally(40, bad_down));
            let stakes = Stakes::on_up(odds, up, down, Boundary::difference(0.01), 0.05);
            let at = |difference| stakes.log_e(up, down, Boundary::difference(difference));
            prop_assert!(at(low) + 1e-12 >= at(low + step));
            let at = |ratio: f64| stakes.log_e(up, down, Boundary::ratio(ratio));
            prop_assert!(at(low + 0.6) + 1e-12 >= at(low + 0.6 + step));
        }
    }

    #[test]
    fn an_arm_without_events_teaches_nothing() {
        let boundary = Boundary::difference(0.01);
        let stakes = Stakes::on_up(5.0, tally(10, 10), Tally::EMPTY, boundary, 0.01);
        assert_eq!(stakes.log_e(tally(10, 10), Tally::EMPTY, boundary), 0.0);
        assert_eq!(stakes.log_e(Tally::EMPTY, tally(10, 0), boundary), 0.0);
    }
}
