//! Metrics of a request as series of samples.
//!
//! | OTLP | here |
//! |---|---|
//! | sum, monotonic | counter |
//! | sum, not monotonic; gauge | gauge |
//! | histogram, exponential histogram | histogram, one sample a point |
//! | summary; sum of changes up and down (delta, not monotonic) | refused: nothing an SLI counts |
//!
//! Names are those that Prometheus gives (see [`names`]). Labels are all attributes of the point
//! and, where it has none of that name, of its resource; `otel_scope_name`, `otel_scope_version` and
//! `otel_scope_…` of its scope; `job`, which is `service.namespace/service.name`, and `instance`,
//! which is `service.instance.id`, in place of these three. So two streams that the protocol tells
//! apart are two series; Prometheus, which keeps a resource's attributes in a metric of their own,
//! would take some for one.
//!
//! Integers become the nearest doubles, exact up to 2⁵³.

mod names;
mod series;

use std::borrow::Cow;

use super::json::metrics::request as from_json;
use super::protobuf::metrics::request as from_protobuf;
use super::request::{OtlpEncoding, OtlpError};
use super::{Attribute, MESSAGE_BYTES_MAX};
use crate::reject::Rejects;
use crate::sample::Series;
pub(crate) use series::{Base, Taker};

/// The protocol's word for metrics, as in `/v1/metrics`.
pub(crate) const SIGNAL: &str = "metrics";

/// What a request of metrics brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OtlpMetrics {
    /// In the order they were first met, each with all of its points. Two series never have both
    /// the same labels and the same kind and temporality.
    pub series: Vec<Series>,
    /// Points that nothing can be made of; the line of an example is the number of its point, from
    /// 1, and what is shown the name of its metric.
    pub rejects: Rejects,
    /// Points in the request, refused ones included; a metric that cannot be read counts as one.
    pub points: u64,
}

/// Reads one uncompressed `ExportMetricsServiceRequest`. An empty body is one without metrics.
///
/// # Errors
///
/// [`OtlpError`] for a body that as a whole is no such message: not protobuf or JSON down to its
/// list of metrics, or of another signal.
pub fn otlp_metrics(encoding: OtlpEncoding, body: &[u8]) -> Result<OtlpMetrics, OtlpError> {
    let mut taker = Taker::default();
    if body.len() > MESSAGE_BYTES_MAX {
        return Err(OtlpError::TooLong { bytes: body.len() });
    }
    if !body.is_empty() {
        match encoding {
            OtlpEncoding::Protobuf => {
                let refused = |(reason, at)| OtlpError::Protobuf { signal: SIGNAL, reason, at };
                from_protobuf(body, &mut taker).map_err(refused)?;
            }
            OtlpEncoding::Json => {
                let refused = |unread| OtlpError::json(SIGNAL, &unread);
                from_json(body, &mut taker).map_err(refused)?;
            }
        }
    }
    Ok(taker.finish())
}

/// A metric without its points.
#[derive(Debug, Default)]
pub(crate) struct Metric<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) unit: Cow<'a, str>,
    /// `None` for a metric without data, or with data of a kind that came after this was written.
    pub(crate) shape: Option<Shape>,
    /// By the protocol's numbers: 1 delta, 2 cumulative.
    pub(crate) temporality: i64,
    pub(crate) is_monotonic: bool,
}

/// What a metric's points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
}

/// A point of any shape; what the shape does not have is as by default. Times in nanoseconds since
/// the epoch, 0 for none.
#[derive(Debug, Default)]
pub(crate) struct Point<'a> {
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) start: u64,
    pub(crate) time: u64,
    pub(crate) flags: u64,
    pub(crate) exemplars: u64,
    pub(crate) value: Option<f64>,
    pub(crate) count: u64,
    pub(crate) sum: Option<f64>,
    /// Of a histogram: one more than bounds, or none.
    pub(crate) counts: Vec<u64>,
    pub(crate) bounds: Vec<f64>,
    pub(crate) scale: i64,
    pub(crate) zero: u64,
    pub(crate) zero_threshold: f64,
    pub(crate) positive: Side,
    pub(crate) negative: Side,
}

/// The buckets of one sign of an exponential histogram: those from `offset` on.
#[derive(Debug, Default)]
pub(crate) struct Side {
    pub(crate) offset: i64,
    pub(crate) counts: Vec<u64>,
}

#[cfg(test)]
mod tests;
