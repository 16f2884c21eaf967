//! Whether a burst of failures is evidence, or a handful of requests that happened to fail.
//!
//! With ten requests an hour one failure is a burn of 100 at 99.9 %: any threshold is crossed by
//! chance. The question asked instead: if the true error ratio were only `ratio`, how likely would
//! `bad` or more failures among `valid` be? When that probability is at most `1 - confidence`,
//! the burn is real. This is the exact one-sided binomial test, the same as asking whether the
//! Clopper-Pearson lower bound `Beta(1 - confidence; bad, valid - bad + 1)` lies above `ratio`.
//!
//! `P(X >= k) = pmf(k) × (1 + r_0 + r_0 r_1 + ...)` with
//! `r_i = (n - k - i) / (k + 1 + i) × p / (1 - p)`, all below one and falling once `k` is past the
//! mean. So `pmf(k)` bounds the tail from below and `pmf(k) / (1 - r_0)` from above, which settles
//! nearly every case at once; the sum is carried on only while the bounds leave the answer open.
//! The probability itself comes from Loader's saddle-point form, which keeps full precision where
//! differences of log-gammas have none left (counts past about 10^12).
//!
//! Sources: Clopper and Pearson, Biometrika 26 (1934); C. Loader, "Fast and Accurate Computation
//! of Binomial Probabilities" (2000).

use std::f64::consts::TAU;

use statrs::function::gamma::ln_gamma;

/// The most terms summed; where they do not settle it, the answer is the cautious one.
///
/// Reached only where the standard deviation of the count is in the thousands and the evidence is
/// right at the limit; there the next slot decides.
const TERMS_MAX: u64 = 20_000;

/// Whether `bad` of `valid` is evidence, at `confidence`, that the true ratio exceeds `ratio`.
///
/// `confidence` is at least one half. Nothing bad is evidence of nothing. A `ratio` at or below
/// zero is exceeded by any failure; one at or above one, by none.
pub fn exceeds(bad: u64, valid: u64, ratio: f64, confidence: f64) -> bool {
    if bad == 0 || bad > valid || ratio >= 1.0 {
        return false;
    }
    if ratio <= 0.0 {
        return true;
    }
    let (k, n) = (bad as f64, valid as f64);
    // The median lies within one of the mean, so at or below it the tail is at least a half.
    if k <= (n * ratio).floor() {
        return false;
    }
    let limit = 1.0 - confidence;
    let mut term = probability(k, n, ratio);
    if term > limit {
        return false;
    }
    let odds = ratio / (1.0 - ratio);
    let mut tail = 0.0;
    for index in 0..TERMS_MAX {
        tail += term;
        if tail > limit {
            return false;
        }
        let index = index as f64;
        let next = ((n - k - index) / (k + 1.0 + index)) * odds;
        if next <= 0.0 || next < 1.0 && tail + term * next / (1.0 - next) <= limit {
            return true;
        }
        term *= next;
    }
    false
}

/// The binomial probability of `k` of `n` at `p`, in Loader's saddle-point form.
fn probability(k: f64, n: f64, p: f64) -> f64 {
    if k >= n {
        return (n * p.ln()).exp();
    }
    let rest = n - k;
    let exponent = stirling_error(n)
        - stirling_error(k)
        - stirling_error(rest)
        - deviance(k, n * p)
        - deviance(rest, n * (1.0 - p));
    exponent.exp() * (n / (TAU * k * rest)).sqrt()
}

/// `ln(x!) - ln(sqrt(2 pi x) (x/e)^x)`.
fn stirling_error(x: f64) -> f64 {
    if x < 16.0 {
        return ln_gamma(x + 1.0) - 0.5 * (TAU * x).ln() - x * x.ln() + x;
    }
    let square = x * x;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / 1680.0 / square) / square) / square) / x
}

/// `x ln(x / mean) + mean - x`, without the cancellation where both are close.
fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    if difference.abs() < 0.1 * (x + mean) {
        // x ln(x/m) + m - x as a series in v = (x - m) / (x + m).
        let v = difference / (x + mean);
        let mut sum = difference * v;
        let mut term = 2.0 * x * v;
        for index in 1..1000 {
            term *= v * v;
            let before = sum;
            sum += term / f64::from(2 * index + 1);
            if sum == before {
                return sum;
            }
        }
        return sum;
    }
    x * (x / mean).ln() + mean - x
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The tail summed from scratch with plain powers: fine for small counts.
    fn naive_tail(bad: u64, valid: u64, ratio: f64) -> f64 {
        (bad..=valid)
            .map(|k| {
                let choose =
                    (0..k).fold(1.0, |product, i| product * (valid - i) as f64 / (i + 1) as f64);
                let rest = i32::try_from(valid - k).unwrap();
                choose * ratio.powi(i32::try_from(k).unwrap()) * (1.0 - ratio).powi(rest)
            })
            .sum()
    }

    #[test]
    fn one_failure_of_ten_is_no_evidence_of_a_fast_burn() {
        // SRE Workbook, chapter 5, "Low-traffic services": 10 requests an hour, one fails, 99.9 %.
        // Ten requests at a true ratio of 1.44 % fail at least once in 13.5 % of hours.
        assert!(!exceeds(1, 10, 0.0144, 0.95));
        assert!(exceeds(1, 10, 0.0144, 0.86));
        assert!(exceeds(2, 10, 0.0144, 0.95));
    }

    #[test]
    fn failures_needed() {
        // Worked out with the binomial tail summed in logarithms; the first is the table of
        // docs/alerts.md.
        let grave = [(10, 2), (100, 4), (1000, 12), (10_000, 62), (100_000, 464)];
        let factor = [(10, 2), (100, 5), (1000, 22), (10_000, 165), (100_000, 1503)];
        for (ratio, confidence, rows) in [(0.004, 0.999, grave), (0.0144, 0.95, factor)] {
            for (valid, needed) in rows {
                assert!(exceeds(needed, valid, ratio, confidence), "{needed} of {valid}");
                assert!(!exceeds(needed - 1, valid, ratio, confidence), "{needed} of {valid}");
            }
        }
    }

    #[test]
    fn the_edges() {
        assert!(!exceeds(0, 10, 0.0, 0.95));
        assert!(exceeds(1, 10, 0.0, 0.95));
        assert!(!exceeds(10, 10, 1.0, 0.95));
        assert!(exceeds(10, 10, 0.5, 0.95));
        assert!(!exceeds(4, 4, 0.5, 0.95), "0.5^4 is 6.25 %");
        assert!(exceeds(5, 5, 0.5, 0.95), "0.5^5 is 3.125 %");
    }

    #[test]
    fn counts_of_any_size_are_settled() {
        // Ten standard deviations either way of the mean, up to the largest counts.
        for valid in [1_000_000u64, 1_000_000_000_000, u64::MAX / 2] {
            let ratio = 0.01;
            let mean = valid as f64 * ratio;
            let far = 10.0 * (mean * (1.0 - ratio)).sqrt();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
            let (above, below) = ((mean + far) as u64, (mean - far) as u64);
            assert!(exceeds(above, valid, ratio, 0.999), "{valid}");
            assert!(!exceeds(below, valid, ratio, 0.999), "{valid}");
        }
        // One failure where a millionth of one was to be expected.
        assert!(exceeds(1, 1_000, 1e-9, 0.999));
    }

    proptest! {
        #[test]
        fn equals_the_plain_sum(valid in 1u64..60, bad in 0u64..60, ratio in 0.001f64..0.999, confidence in 0.5f64..0.9999) {
            let bad = bad.min(valid);
            let tail = naive_tail(bad, valid, ratio);
            // Right at the limit the two sums may round apart.
            prop_assume!((tail - (1.0 - confidence)).abs() > 1e-9);
            prop_assert_eq!(exceeds(bad, valid, ratio, confidence), tail <= 1.0 - confidence);
        }

        #[test]
        fn probabilities_agree_with_powers(valid in 1u64..60, bad in 1u64..60, ratio in 0.001f64..0.999) {
            let bad = bad.min(valid);
            let naive = naive_tail(bad, valid, ratio) - naive_tail(bad + 1, valid, ratio);
            let ours = probability(bad as f64, valid as f64, ratio);
            prop_assert!((ours - naive).abs() <= 1e-12 + 1e-9 * naive, "{} against {}", ours, naive);
        }
    }
}
