//! What metrics say: samples of series.

use flyball_model::Timestamp;

/// The label that holds a metric's name.
pub const NAME_LABEL: &str = "__name__";

/// Samples of one series, as one request brought them.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Names and values, sorted by name, each name once; [`NAME_LABEL`] is one of them.
    pub labels: Vec<(String, String)>,
    /// What the metric is, where its source says so.
    pub kind: MetricKind,
    /// What the samples of a counter or histogram count from; the default for all else.
    pub temporality: Temporality,
    /// In the order they were sent; those of remote write in the order of their times.
    pub samples: Vec<Sample>,
    /// Single measurements that came along as examples; they are counted and not kept.
    pub exemplars: u64,
}

/// What the samples of a counter or histogram count from.
///
/// Source: OpenTelemetry's metrics data model, "Temporality".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Temporality {
    /// From a beginning that stays, [`Sample::since`] where it is known, until the source begins
    /// anew: what happened between two samples is their difference.
    #[default]
    Cumulative,
    /// From the sample before: each one is what happened in `(since, at]`, to be added and never to
    /// be subtracted. A sample that is sent twice would count twice.
    Delta,
}

/// What a metric's values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricKind {
    /// Not said.
    #[default]
    Unknown,
    /// Only grows, and begins again at zero.
    Counter,
    /// May be anything at any time.
    Gauge,
    /// Counts of measurements by size, growing as a counter.
    Histogram,
    /// Info, state sets, summaries and gauge histograms: nothing an SLI counts.
    Other,
}

/// One value of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When it was so.
    pub at: Timestamp,
    /// Since when the value of a counter or histogram counts, exclusively, where its source says
    /// so.
    pub since: Option<Timestamp>,
    /// What it was.
    pub value: SampleValue,
}

/// What a sample says.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleValue {
    /// A number; NaN and infinities are as they were sent.
    Number(f64),
    /// The series ended here: its target is gone.
    Stale,
    /// Counts by size.
    Histogram(Box<Histogram>),
}

/// Counts of measurements by their size. Counts are doubles, exact up to 2⁵³, since sources send
/// rates and fractions as well.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// All measurements.
    pub count: f64,
    /// Their sum; NaN when one of them was, and when the source does not say it.
    pub sum: f64,
    /// Whether the source began to count anew.
    pub reset: Reset,
    /// The measurements by size.
    pub buckets: Buckets,
}

/// Whether a histogram continues the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reset {
    /// To be found by comparing.
    #[default]
    Unknown,
    /// It is the first after a reset.
    Yes,
    /// It continues.
    No,
    /// It is a gauge: each stands for itself.
    Gauge,
}

/// Which sizes are counted together.
#[derive(Debug, Clone, PartialEq)]
pub enum Buckets {
    /// Bounds are powers of `2^(2^-scale)`.
    Exponential {
        /// How fine the buckets are: 2^`scale` of them double the size.
        scale: i32,
        /// Sizes up to this, of either sign, are in the zero bucket.
        zero_threshold: f64,
        /// Measurements in the zero bucket.
        zero: f64,
        /// Indexes and counts, by index. Index `i` holds sizes above `base^(i-1)`, up to and
        /// including `base^i`.
        positive: Vec<(i32, f64)>,
        /// The same for sizes below zero, by their amount.
        negative: Vec<(i32, f64)>,
    },
    /// Bounds are listed.
    Explicit {
        /// Upper bounds, inclusive, ascending. There is one count more than bounds: above all.
        bounds: Vec<f64>,
        /// Counts of the buckets, each for itself.
        counts: Vec<f64>,
    },
}
