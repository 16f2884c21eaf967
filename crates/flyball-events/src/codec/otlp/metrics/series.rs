//! Points into series.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::BuildHasher;

use flyball_model::Timestamp;
use hashbrown::HashTable;

use super::names::{Suffix, label_name, metric_name};
use super::{Metric, OtlpMetrics, Point, Shape, Side};
use crate::codec::NO_TIME;
use crate::codec::otlp::{Any, Attribute, Origin};
use crate::codec::wire::Fault;
use crate::sample::{
    Buckets, Histogram, MetricKind, NAME_LABEL, Reset, Sample, SampleValue, Series, Temporality,
};

const NO_NAME: Fault = "a metric without a name";
const NO_DATA: Fault = "a metric without data";
const NO_LABEL: Fault = "an attribute whose name has neither letter nor digit";
const NO_VALUE: Fault = "a point without a value";
const NO_TEMPORALITY: Fault = "a metric that is neither delta nor cumulative";
const CHANGES: Fault = "changes of a sum that is not monotonic: nothing to count";
const SUMMARY: Fault = "a summary: nothing to count";
const NEGATIVE: Fault = "a monotonic sum below zero";
const BAD_TIME: Fault = "a time outside the years 1678 to 2262";
const BACKWARDS: Fault = "a point that begins after it ends";
const BAD_COUNT: Fault = "a histogram whose buckets do not add up to its count";
const BAD_BOUNDS: Fault = "a histogram whose bounds do not ascend or do not match its buckets";
const BAD_SCALE: Fault = "an exponential histogram of a scale outside -10 to 20";
const BAD_INDEX: Fault = "an exponential histogram whose buckets have no number";
const LABELS_TOO_LONG: Fault = "labels longer than 64 KiB";
const TOO_MANY_LABELS: Fault = "labels of all points together longer than 64 MiB";

/// Bytes of one series' labels; Prometheus takes a fraction of it.
const LABEL_BYTES_MAX: usize = 64 << 10;
/// Bytes of the labels of all points of one request: each repeats those of its resource, so that a
/// few megabytes could otherwise fill the memory, or keep a processor busy for minutes. Collectors
/// send some 8,000 points at a time, which leaves 8 KiB for each.
const LABEL_BYTES_ALL_MAX: usize = 64 << 20;

/// The flag of a point without a value: its series ended.
const NO_RECORDED_VALUE: u64 = 1;

/// What the attributes of a resource stand for in `job` and `instance`.
const SERVICE: &str = "service.name";
const NAMESPACE: &str = "service.namespace";
const INSTANCE: &str = "service.instance.id";

type Labels = BTreeMap<String, String>;

/// Takes points, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Taker {
    out: OtlpMetrics,
    /// Series by their labels.
    table: HashTable<usize>,
    hasher: RandomState,
    label_bytes: usize,
}

/// Labels that all points of a scope have.
#[derive(Debug, Default)]
pub(crate) struct Base {
    /// Of the resource: those of a point come before them.
    resource: Labels,
    /// Of the scope, `job` and `instance`: they come before those of a point.
    scope: Labels,
    bytes: usize,
}

impl Base {
    pub(crate) fn new(origin: &Origin<'_>) -> Result<Self, Fault> {
        let find = |name: &str| {
            let value = origin.resource.iter().find(|(key, _)| key == name);
            value.map(|(_, value)| label_value(value)).filter(|value| !value.is_empty())
        };
        let is_service = |name: &str| matches!(name, SERVICE | NAMESPACE | INSTANCE);
        let others = origin.resource.iter().filter(|(key, _)| !is_service(key));
        let resource = labels("", others)?;
        let mut scope = labels("otel_scope_", origin.scope.iter())?;
        scope.insert("otel_scope_name".into(), origin.scope_name.clone().into());
        scope.insert("otel_scope_version".into(), origin.scope_version.clone().into());
        if let Some(service) = find(SERVICE) {
            let job = match find(NAMESPACE) {
                Some(namespace) => format!("{namespace}/{service}"),
                None => service,
            };
            scope.insert("job".into(), job);
        }
        if let Some(instance) = find(INSTANCE) {
            scope.insert("instance".into(), instance);
        }
        // A label without a value is none.
        scope.retain(|_, value| !value.is_empty());
        let both = resource.iter().chain(&scope);
        let bytes = both.map(|(name, value)| name.len() + value.len()).sum();
        if bytes > LABEL_BYTES_MAX {
            return Err(LABELS_TOO_LONG);
        }
        Ok(Self { resource, scope, bytes })
    }
}

/// Attributes as labels. Values of names that become the same stand together, by their own names.
fn labels<'a>(
    prefix: &str,
    attributes: impl Iterator<Item = &'a Attribute<'a>>,
) -> Result<Labels, Fault> {
    let mut sorted: Vec<_> = attributes.collect();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    // The protocol allows each key once; the first counts, as in a row.
    sorted.dedup_by(|(later, _), (first, _)| later == first);
    let mut out = Labels::new();
    for (key, value) in sorted {
        let value = label_value(value);
        let name =
            if prefix.is_empty() { label_name(key) } else { label_name(&format!("{prefix}{key}")) };
        let name = name.ok_or(NO_LABEL)?;
        if value.is_empty() {
            continue;
        }
        out.entry(name)
            .and_modify(|values: &mut String| {
                values.push(';');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    Ok(out)
}

fn label_value(value: &Any<'_>) -> String {
    let mut out = String::new();
    match value {
        Any::Absent => {}
        // Writing to a text cannot fail.
        Any::Float(value) => _ = write!(out, "{value}"),
        value => value.write_text(&mut out),
    }
    out
}

/// What a metric is, if anything can be made of it.
struct Known {
    name: String,
    shape: Shape,
    kind: MetricKind,
    temporality: Temporality,
}

impl Known {
    fn new(metric: &Metric<'_>) -> Result<Self, Fault> {
        let shape = metric.shape.ok_or(NO_DATA)?;
        let temporality = match metric.temporality {
            1 => Ok(Temporality::Delta),
            2 => Ok(Temporality::Cumulative),
            _ => Err(NO_TEMPORALITY),
        };
        let (kind, temporality, suffix) = match shape {
            Shape::Gauge => (MetricKind::Gauge, Temporality::Cumulative, Suffix::Ratio),
            Shape::Sum if metric.is_monotonic => (MetricKind::Counter, temporality?, Suffix::Total),
            Shape::Sum => match temporality? {
                Temporality::Cumulative => {
                    (MetricKind::Gauge, Temporality::Cumulative, Suffix::None)
                }
                Temporality::Delta => return Err(CHANGES),
            },
            Shape::Histogram | Shape::Exponential => {
                (MetricKind::Histogram, temporality?, Suffix::None)
            }
            Shape::Summary => return Err(SUMMARY),
        };
        let name = metric_name(&metric.name, &metric.unit, suffix).ok_or(NO_NAME)?;
        Ok(Self { name, shape, kind, temporality })
    }

    /// The labels of a point's series.
    fn labels(&self, point: &Point<'_>, base: &Base) -> Result<Vec<(String, String)>, Fault> {
        let mut labels = labels("", point.attributes.iter())?;
        for (name, value) in &base.resource {
            if !labels.contains_key(name) {
                labels.insert(name.clone(), value.clone());
            }
        }
        labels.extend(base.scope.iter().map(|(name, value)| (name.clone(), value.clone())));
        labels.insert(NAME_LABEL.to_owned(), self.name.clone());
        Ok(labels.into_iter().collect())
    }

    fn sample(&self, point: &Point<'_>) -> Result<Sample, Fault> {
        let time =
            |nanos: u64| i64::try_from(nanos).map(Timestamp::from_nanos).map_err(|_| BAD_TIME);
        if point.time == 0 {
            return Err(NO_TIME);
        }
        let at = time(point.time)?;
        let since = if point.start == 0 { None } else { Some(time(point.start)?) };
        if since.is_some_and(|since| since > at) {
            return Err(BACKWARDS);
        }
        let value = if point.flags & NO_RECORDED_VALUE != 0 {
            SampleValue::Stale
        } else {
            match self.shape {
                Shape::Histogram => SampleValue::Histogram(Box::new(explicit(point)?)),
                Shape::Exponential => SampleValue::Histogram(Box::new(exponential(point)?)),
                Shape::Gauge | Shape::Sum | Shape::Summary => {
                    let value = point.value.ok_or(NO_VALUE)?;
                    if self.kind == MetricKind::Counter && value < 0.0 {
                        return Err(NEGATIVE);
                    }
                    SampleValue::Number(value)
                }
            }
        };
        Ok(Sample { at, since, value })
    }
}

fn explicit(point: &Point<'_>) -> Result<Histogram, Fault> {
    let bounds = &point.bounds;
    let ascend = bounds.is_sorted_by(|a, b| a < b) && bounds.iter().all(|bound| bound.is_finite());
    let counts = match &*point.counts {
        // Only the count is known: one bucket of everything.
        [] if bounds.is_empty() => &[point.count][..],
        counts if counts.len() == bounds.len() + 1 => counts,
        _ => return Err(BAD_BOUNDS),
    };
    if !ascend {
        return Err(BAD_BOUNDS);
    }
    check_count(counts.iter(), point.count)?;
    let counts = counts.iter().map(|count| *count as f64).collect();
    Ok(histogram(point, Buckets::Explicit { bounds: bounds.clone(), counts }))
}

fn exponential(point: &Point<'_>) -> Result<Histogram, Fault> {
    let scale = i32::try_from(point.scale).ok().filter(|scale| (-10..=20).contains(scale));
    let (positive, negative) = (&point.positive, &point.negative);
    let counts = positive.counts.iter().chain(&negative.counts).chain([&point.zero]);
    check_count(counts, point.count)?;
    let buckets = Buckets::Exponential {
        scale: scale.ok_or(BAD_SCALE)?,
        zero_threshold: point.zero_threshold,
        zero: point.zero as f64,
        positive: side(positive)?,
        negative: side(negative)?,
    };
    Ok(histogram(point, buckets))
}

fn check_count<'a>(mut counts: impl Iterator<Item = &'a u64>, expected: u64) -> Result<(), Fault> {
    let sum = counts.try_fold(0_u64, |sum, count| sum.checked_add(*count));
    if sum == Some(expected) { Ok(()) } else { Err(BAD_COUNT) }
}

fn histogram(point: &Point<'_>, buckets: Buckets) -> Histogram {
    let sum = point.sum.unwrap_or(f64::NAN);
    Histogram { count: point.count as f64, sum, reset: Reset::Unknown, buckets }
}

/// The buckets that have something in them. OTLP numbers a bucket by its lower bound, [`Buckets`]
/// by its upper one.
fn side(side: &Side) -> Result<Vec<(i32, f64)>, Fault> {
    let filled = (1_i64..).zip(&side.counts).filter(|(_, count)| **count > 0);
    let index = |nth| side.offset.checked_add(nth).and_then(|index| i32::try_from(index).ok());
    filled.map(|(nth, count)| Ok((index(nth).ok_or(BAD_INDEX)?, *count as f64))).collect()
}

impl Taker {
    /// Takes the points of a metric, and counts those that nothing can be made of.
    pub(crate) fn metric<'a>(
        &mut self,
        metric: &Metric<'_>,
        base: &Result<Base, Fault>,
        points: impl Iterator<Item = Result<Point<'a>, Fault>>,
    ) {
        if metric.shape.is_none() {
            return self.unread(NO_DATA, metric.name.as_bytes());
        }
        let known = Known::new(metric);
        for point in points {
            self.out.points += 1;
            if let Err(reason) = self.take(&known, base, point) {
                self.out.rejects.add(reason, self.out.points, None, metric.name.as_bytes());
            }
        }
    }

    /// Counts a metric of which no point can be read.
    pub(crate) fn unread(&mut self, reason: Fault, shown: &[u8]) {
        self.out.points += 1;
        self.out.rejects.add(reason, self.out.points, None, shown);
    }

    fn take(
        &mut self,
        known: &Result<Known, Fault>,
        base: &Result<Base, Fault>,
        point: Result<Point<'_>, Fault>,
    ) -> Result<(), Fault> {
        let (known, base, point) =
            (known.as_ref().map_err(|why| *why)?, base.as_ref().map_err(|why| *why)?, point?);
        let sample = known.sample(&point)?;
        if base.bytes > LABEL_BYTES_ALL_MAX - self.label_bytes {
            return Err(TOO_MANY_LABELS);
        }
        let labels = known.labels(&point, base)?;
        let bytes = labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if bytes > LABEL_BYTES_MAX {
            return Err(LABELS_TOO_LONG);
        }
        self.label_bytes = (self.label_bytes + bytes).min(LABEL_BYTES_ALL_MAX);
        let is_same = |series: &Series| {
            series.labels == labels
                && (series.kind, series.temporality) == (known.kind, known.temporality)
        };
        let hash = self.hasher.hash_one(&labels);
        let all = &mut self.out.series;
        if let Some(at) = self.table.find(hash, |at| is_same(&all[*at])) {
            all[*at].samples.push(sample);
            all[*at].exemplars += point.exemplars;
            return Ok(());
        }
        let hasher = &self.hasher;
        self.table.insert_unique(hash, all.len(), |at| hasher.hash_one(&all[*at].labels));
        all.push(Series {
            labels,
            kind: known.kind,
            temporality: known.temporality,
            samples: vec![sample],
            exemplars: point.exemplars,
        });
        Ok(())
    }

    pub(crate) fn finish(self) -> OtlpMetrics {
        self.out
    }
}
