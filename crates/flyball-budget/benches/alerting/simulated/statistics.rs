//! Estimates with their intervals, all at 95 %.

use flyball_testkit::Random;
use statrs::distribution::{Beta, ContinuousCDF, Gamma};

/// How often a bootstrap draws.
const DRAWS: usize = 1_000;
/// What of a distribution lies below an interval, and above it.
const TAIL: f64 = 0.025;

/// A number and the interval that it is known to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Estimate {
    /// The best guess; NaN of nothing.
    pub(crate) value: f64,
    /// Where the interval begins.
    pub(crate) low: f64,
    /// Where it ends.
    pub(crate) high: f64,
}

/// The share of `of` that `count` is, with Clopper and Pearson's interval; NaN of nothing.
pub(crate) fn share(count: usize, of: usize) -> Estimate {
    let (k, n) = (count as f64, of as f64);
    let quantile =
        |a: f64, b: f64, at: f64| Beta::new(a, b).map_or(f64::NAN, |beta| beta.inverse_cdf(at));
    let low = if count == 0 { 0.0 } else { quantile(k, n - k + 1.0, TAIL) };
    let high = if count == of { 1.0 } else { quantile(k + 1.0, n - k, 1.0 - TAIL) };
    Estimate { value: k / n, low, high }
}

/// `count` events over `exposure` as a rate, with Garwood's interval of a Poisson mean.
pub(crate) fn rate(count: usize, exposure: f64) -> Estimate {
    let quantile = |shape: f64, at: f64| {
        Gamma::new(shape, 1.0).map_or(f64::NAN, |gamma| gamma.inverse_cdf(at))
    };
    let k = count as f64;
    let low = if count == 0 { 0.0 } else { quantile(k, TAIL) };
    let high = quantile(k + 1.0, 1.0 - TAIL);
    Estimate { value: k / exposure, low: low / exposure, high: high / exposure }
}

/// The median of `values`, between the order statistics that hold it; NaN of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Estimate {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len() as f64;
    // A number of values below the median is Binomial(n, 1/2).
    let reach = 0.98 * n.sqrt();
    Estimate {
        value: at(&values, 0.5 * n - 0.5),
        low: at(&values, (0.5 * n - reach - 0.5).floor()),
        high: at(&values, (0.5 * n + reach - 0.5).ceil()),
    }
}

/// The value at a rank from 0, between two where it lies between them; NaN of nothing.
fn at(sorted: &[f64], rank: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let rank = rank.clamp(0.0, last as f64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the positions there are"
    )]
    let (below, above) = (rank.floor() as usize, rank.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (rank - rank.floor())
}

/// `statistic` of all `groups`, with the interval that drawing groups anew puts it in; groups are
/// independent of each other, what is in them need not be.
///
/// Draws of which the statistic is NaN are left out. Source: B. Efron, "Bootstrap methods: another
/// look at the jackknife", Annals of Statistics 7 (1979); percentiles.
pub(crate) fn bootstrap<T>(
    groups: &[T],
    seed: u64,
    statistic: impl Fn(&mut dyn Iterator<Item = &T>) -> f64,
) -> Estimate {
    let value = statistic(&mut groups.iter());
    if groups.is_empty() {
        return Estimate { value, low: f64::NAN, high: f64::NAN };
    }
    let mut random = Random::new(seed);
    let mut drawn: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let sample: Vec<&T> = groups.iter().map(|_| random.pick(groups)).collect();
            statistic(&mut sample.into_iter())
        })
        .filter(|drawn| !drawn.is_nan())
        .collect();
    drawn.sort_unstable_by(f64::total_cmp);
    let rank = |share: f64| at(&drawn, share * drawn.len() as f64 - 0.5);
    Estimate { value, low: rank(TAIL), high: rank(1.0 - TAIL) }
}
