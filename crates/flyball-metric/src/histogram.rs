//! How many measurements of a histogram are at or below a bound.
//!
//! On a bucket's bound the answer is exact. Inside a bucket it is interpolated as Prometheus does
//! it: exponentially in exponential buckets, linearly in the zero bucket and in listed ones.
//! Sources: `histogram_fraction` and `histogram_quantile` in the Prometheus documentation; bounds of
//! exponential buckets in the OpenTelemetry data model, "Exponential histogram".

use flyball_events::{Buckets, Histogram};

/// Measurements at or below a bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Below {
    pub(crate) count: f64,
    /// False when a bucket that holds measurements had to be cut.
    pub(crate) is_exact: bool,
}

/// Adds up buckets; remembers whether one was cut.
#[derive(Default)]
struct Adder {
    count: f64,
    is_cut: bool,
}

impl Adder {
    /// `share`, from 0 to 1, of a bucket with `count` measurements.
    fn part(&mut self, count: f64, share: f64) {
        self.count += count * share;
        self.is_cut |= count > 0.0 && share > 0.0 && share < 1.0;
    }
}

/// Measurements of `histogram` at or below `bound`.
///
/// An empty histogram has none, exactly. Measurements of a bucket without a lower or upper bound
/// are taken as above any finite `bound` inside it, and the answer as inexact.
pub(crate) fn below(histogram: &Histogram, bound: f64) -> Below {
    let mut adder = Adder::default();
    match &histogram.buckets {
        Buckets::Exponential { scale, zero_threshold, zero, positive, negative } => {
            for (index, count) in negative {
                let amount = position(-bound, *scale);
                // Amounts in bucket i lie in [base^(i-1), base^i) below zero.
                let share = amount.map_or(1.0, |at| (f64::from(*index) - at).clamp(0.0, 1.0));
                adder.part(*count, share);
            }
            // Without measurements on one side, the zero bucket's lie on the other. Where there are
            // none on either, Prometheus lays them around zero; here they are above it as long as
            // nothing below was seen, so that counts do not fall when the first larger one comes.
            let lowest = if negative.is_empty() { 0.0 } else { -zero_threshold };
            let highest =
                if positive.is_empty() && !negative.is_empty() { 0.0 } else { *zero_threshold };
            // Exact zeros are above a bound of zero, so that a fraction from zero up has them.
            let share = if bound >= highest && bound > lowest {
                1.0
            } else if bound <= lowest {
                0.0
            } else {
                (bound - lowest) / (highest - lowest)
            };
            adder.part(*zero, share);
            for (index, count) in positive {
                let share = position(bound, *scale)
                    .map_or(0.0, |at| (at - (f64::from(*index) - 1.0)).clamp(0.0, 1.0));
                adder.part(*count, share);
            }
        }
        Buckets::Explicit { bounds, counts } => {
            for (index, count) in counts.iter().enumerate() {
                let upper = bounds.get(index).copied().unwrap_or(f64::INFINITY);
                // The first bucket begins at zero where sizes are positive.
                let lower = match index.checked_sub(1).and_then(|before| bounds.get(before)) {
                    Some(lower) => *lower,
                    None if upper > 0.0 && upper.is_finite() => 0.0,
                    None => f64::NEG_INFINITY,
                };
                if bound >= upper {
                    adder.part(*count, 1.0);
                } else if bound > lower {
                    let share = (bound - lower) / (upper - lower);
                    let is_open = upper == f64::INFINITY || lower == f64::NEG_INFINITY;
                    adder.part(*count, if is_open { 0.0 } else { share });
                    adder.is_cut |= *count > 0.0;
                }
            }
        }
    }
    Below { count: adder.count, is_exact: !adder.is_cut }
}

/// Where a positive `size` lies on the scale on which bucket `i` is `(i - 1, i]`; a whole number
/// exactly when it is a bound. `None` for sizes at or below zero.
fn position(size: f64, scale: i32) -> Option<f64> {
    if size <= 0.0 || size.is_nan() {
        return None;
    }
    // Powers of two are bounds at every scale from 0 up, and their logarithm is exact.
    Some(size.log2() * f64::from(scale).exp2())
}

/// A number that differs when two histograms' buckets do; the same in every release, for it is kept.
pub(crate) fn layout(histogram: &Histogram) -> u64 {
    use std::hash::Hasher;
    let mut hasher = siphasher::sip::SipHasher13::new();
    match &histogram.buckets {
        Buckets::Exponential { scale, zero_threshold, .. } => {
            hasher.write(&[0]);
            hasher.write(&scale.to_le_bytes());
            hasher.write(&zero_threshold.to_le_bytes());
        }
        Buckets::Explicit { bounds, .. } => {
            hasher.write(&[1]);
            for bound in bounds {
                hasher.write(&bound.to_le_bytes());
            }
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use flyball_events::Reset;

    use super::*;

    fn histogram(buckets: Buckets) -> Histogram {
        Histogram { count: 0.0, sum: 0.0, reset: Reset::Unknown, buckets }
    }

    fn exponential(
        scale: i32,
        zero: f64,
        positive: &[(i32, f64)],
        negative: &[(i32, f64)],
    ) -> Histogram {
        histogram(Buckets::Exponential {
            scale,
            zero_threshold: 0.001,
            zero,
            positive: positive.to_vec(),
            negative: negative.to_vec(),
        })
    }

    fn close(histogram: &Histogram, bound: f64, count: f64) {
        let found = below(histogram, bound);
        assert!((found.count - count).abs() < 1e-9, "{found:?} at {bound}, not {count}");
    }

    #[test]
    fn bounds_are_exact_and_the_inside_is_interpolated() {
        // Prometheus, promqltest/testdata/native_histograms.test, `single_histogram`: half of it in
        // (1, 2], all of it in (0, 8], the median at 1.414213562373095.
        let single = exponential(0, 0.0, &[(0, 1.0), (1, 2.0), (2, 1.0)], &[]);
        for (bound, count) in [(0.0, 0.0), (0.5, 0.0), (1.0, 1.0), (2.0, 3.0), (8.0, 4.0)] {
            assert_eq!(below(&single, bound), Below { count, is_exact: true }, "{bound}");
        }
        close(&single, std::f64::consts::SQRT_2, 2.0);
        assert!(!below(&single, std::f64::consts::SQRT_2).is_exact);
    }

    #[test]
    fn published_quantiles_are_inverted() {
        // The same file, `histogram_quantile_1` and `_2`: 12 measurements; quantiles and values.
        let counts = [(0, 2.0), (1, 3.0), (2, 0.0), (3, 1.0), (4, 4.0)];
        let positive = exponential(0, 2.0, &counts, &[]);
        for (quantile, value) in [
            (1.0, 16.0),
            (0.99, 15.670_724_761_390_83),
            (0.9, 12.996_038_341_699_77),
            (0.6, 4.594_793_419_988_138),
            (0.5, 1.587_401_051_968_199_4),
            (0.1, 0.000_6),
            (0.0, 0.0),
        ] {
            close(&positive, value, 12.0 * quantile);
        }
        let negative = exponential(0, 2.0, &[], &counts);
        for (quantile, value) in [
            (1.0, 0.0),
            (0.99, -0.000_06),
            (0.9, -0.000_6),
            (0.5, -1.587_401_051_968_199_6),
            (0.1, -12.996_038_341_699_768),
        ] {
            close(&negative, value, 12.0 * quantile);
        }
    }

    #[test]
    fn finer_scales_have_powers_of_two_as_bounds() {
        for scale in 0..=8 {
            let steps = 1 << scale;
            let one = exponential(scale, 0.0, &[(-2 * steps, 5.0), (-2 * steps + 1, 7.0)], &[]);
            assert_eq!(below(&one, 0.25), Below { count: 5.0, is_exact: true }, "{scale}");
        }
        // Coarser: at scale -1 the bounds are powers of four.
        let coarse = exponential(-1, 0.0, &[(1, 8.0)], &[]);
        assert_eq!(below(&coarse, 4.0), Below { count: 8.0, is_exact: true });
        assert_eq!(below(&coarse, 2.0), Below { count: 4.0, is_exact: false });
    }

    #[test]
    fn negative_sizes_mirror_positive_ones() {
        let one = exponential(0, 4.0, &[(1, 3.0)], &[(1, 5.0), (2, 2.0)]);
        // [-4, -2) has 2, [-2, -1) has 5, then the zero bucket, then (1, 2].
        let exact = [(-4.0, 0.0), (-2.0, 2.0), (-1.0, 7.0), (0.5, 11.0), (2.0, 14.0)];
        for (bound, count) in exact {
            assert_eq!(below(&one, bound), Below { count, is_exact: true }, "{bound}");
        }
        assert_eq!(below(&one, 0.0), Below { count: 9.0, is_exact: false });
    }

    #[test]
    fn listed_bounds_are_interpolated_linearly() {
        let one = histogram(Buckets::Explicit {
            bounds: vec![0.1, 0.5, 1.0],
            counts: vec![2.0, 4.0, 8.0, 1.0],
        });
        for (bound, count) in [(0.0, 0.0), (0.1, 2.0), (0.5, 6.0), (1.0, 14.0)] {
            assert_eq!(below(&one, bound), Below { count, is_exact: true }, "{bound}");
        }
        assert!((below(&one, 0.3).count - 4.0).abs() < 1e-12);
        assert_eq!(below(&one, 0.05), Below { count: 1.0, is_exact: false });
        assert_eq!(below(&one, 7.0), Below { count: 14.0, is_exact: false });
    }
}
