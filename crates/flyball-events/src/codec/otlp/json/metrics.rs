//! Metrics in JSON.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::Origin;
use super::super::metrics::{Base, Metric, Point, Shape, Side, Taker};
use super::model::{Double, KeyValue, List, Number, Resource, Scope, Text};
use super::{Unread, body};

/// Reads the body of a request.
pub(crate) fn request<'a>(bytes: &'a [u8], taker: &mut Taker) -> Result<(), Unread<'a>> {
    let request: Request<'_> =
        body(bytes, |request: &Request<'_>| request.spans.is_some() || request.logs.is_some())?;
    for part in request.metrics.unwrap_or_default().0 {
        let resource = part.resource.unwrap_or_default().attributes.pairs();
        let mut origin = Origin { resource, ..Origin::default() };
        for scoped in part.scope_metrics.0 {
            origin.next_scope();
            let scope = scoped.scope.unwrap_or_default();
            (origin.scope_name, origin.scope_version) = (scope.name.0, scope.version.0);
            origin.scope = scope.attributes.pairs();
            let base = Base::new(&origin);
            for shape in scoped.metrics.0 {
                let (metric, points) = shape.split();
                taker.metric(&metric, &base, points.0.into_iter().map(|point| Ok(point.into())));
            }
        }
    }
    Ok(())
}

/// `ExportMetricsServiceRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request<'a> {
    #[serde(borrow, rename = "resourceMetrics", alias = "resource_metrics")]
    metrics: Option<List<ResourceMetrics<'a>>>,
    #[serde(rename = "resourceSpans", alias = "resource_spans")]
    spans: Option<IgnoredAny>,
    #[serde(rename = "resourceLogs", alias = "resource_logs")]
    logs: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ResourceMetrics<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow, alias = "scope_metrics")]
    scope_metrics: List<ScopeMetrics<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ScopeMetrics<'a> {
    #[serde(borrow)]
    scope: Option<Scope<'a>>,
    #[serde(borrow)]
    metrics: List<MetricShape<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MetricShape<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    unit: Text<'a>,
    #[serde(borrow)]
    gauge: Option<Data<'a>>,
    #[serde(borrow)]
    sum: Option<Data<'a>>,
    #[serde(borrow)]
    histogram: Option<Data<'a>>,
    #[serde(borrow, alias = "exponential_histogram")]
    exponential_histogram: Option<Data<'a>>,
    #[serde(borrow)]
    summary: Option<Data<'a>>,
}

impl<'a> MetricShape<'a> {
    fn split(self) -> (Metric<'a>, List<PointShape<'a>>) {
        let shapes = [
            (Shape::Gauge, self.gauge),
            (Shape::Sum, self.sum),
            (Shape::Histogram, self.histogram),
            (Shape::Exponential, self.exponential_histogram),
            (Shape::Summary, self.summary),
        ];
        let (shape, data) = shapes
            .into_iter()
            .find_map(|(shape, data)| Some((Some(shape), data?)))
            .unwrap_or_default();
        let metric = Metric {
            name: self.name.0,
            unit: self.unit.0,
            shape,
            temporality: data.aggregation_temporality.0,
            is_monotonic: data.is_monotonic.unwrap_or_default(),
        };
        (metric, data.points)
    }
}

/// The data of a metric of any shape.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Data<'a> {
    #[serde(borrow, rename = "dataPoints", alias = "data_points")]
    points: List<PointShape<'a>>,
    #[serde(alias = "aggregation_temporality")]
    aggregation_temporality: Number<i64>,
    #[serde(alias = "is_monotonic")]
    is_monotonic: Option<bool>,
}

/// A point of any shape.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PointShape<'a> {
    #[serde(borrow)]
    attributes: List<KeyValue<'a>>,
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Number<u64>,
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Number<u64>,
    flags: Number<u64>,
    exemplars: List<IgnoredAny>,
    #[serde(alias = "as_double")]
    as_double: Option<Double>,
    #[serde(alias = "as_int")]
    as_int: Option<Number<i64>>,
    count: Number<u64>,
    sum: Option<Double>,
    #[serde(alias = "bucket_counts")]
    bucket_counts: List<Number<u64>>,
    #[serde(alias = "explicit_bounds")]
    explicit_bounds: List<Double>,
    scale: Number<i64>,
    #[serde(alias = "zero_count")]
    zero_count: Number<u64>,
    #[serde(alias = "zero_threshold")]
    zero_threshold: Option<Double>,
    positive: Option<Buckets>,
    negative: Option<Buckets>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Buckets {
    offset: Number<i64>,
    #[serde(alias = "bucket_counts")]
    bucket_counts: List<Number<u64>>,
}

impl From<Option<Buckets>> for Side {
    fn from(buckets: Option<Buckets>) -> Self {
        let buckets = buckets.unwrap_or_default();
        Self { offset: buckets.offset.0, counts: numbers(buckets.bucket_counts) }
    }
}

fn numbers(list: List<Number<u64>>) -> Vec<u64> {
    list.0.into_iter().map(|number| number.0).collect()
}

impl<'a> From<PointShape<'a>> for Point<'a> {
    fn from(shape: PointShape<'a>) -> Self {
        let int = shape.as_int.map(|int| int.0 as f64);
        Self {
            attributes: shape.attributes.pairs(),
            start: shape.start_time_unix_nano.0,
            time: shape.time_unix_nano.0,
            flags: shape.flags.0,
            exemplars: shape.exemplars.0.len() as u64,
            value: shape.as_double.map(|double| double.0).or(int),
            count: shape.count.0,
            sum: shape.sum.map(|double| double.0),
            counts: numbers(shape.bucket_counts),
            bounds: shape.explicit_bounds.0.into_iter().map(|bound| bound.0).collect(),
            scale: shape.scale.0,
            zero: shape.zero_count.0,
            zero_threshold: shape.zero_threshold.map_or(0.0, |double| double.0),
            positive: shape.positive.into(),
            negative: shape.negative.into(),
        }
    }
}
