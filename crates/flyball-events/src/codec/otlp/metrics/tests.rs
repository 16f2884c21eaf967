use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    self as proto, ResourceMetrics, ScopeMetrics, exponential_histogram_data_point as exponential,
    metric, number_data_point as number,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::super::request::OtlpEncoding::{Json, Protobuf};
use super::*;
use crate::sample::{Buckets, Histogram, MetricKind, Reset, Sample, SampleValue, Temporality};
use flyball_model::Timestamp;

const SECOND: u64 = 1_000_000_000;

fn attribute(key: &str, value: &str) -> KeyValue {
    attribute_of(key, any_value::Value::StringValue(value.into()))
}

fn attribute_of(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn request(
    resource: Vec<KeyValue>,
    scope: InstrumentationScope,
    metrics: Vec<proto::Metric>,
) -> ExportMetricsServiceRequest {
    let scoped = ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() };
    let resource = Some(Resource { attributes: resource, ..Resource::default() });
    let part = ResourceMetrics { resource, scope_metrics: vec![scoped], ..Default::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![part] }
}

/// One metric of no scope and resource.
fn alone(name: &str, data: metric::Data) -> ExportMetricsServiceRequest {
    let metric = proto::Metric { name: name.into(), data: Some(data), ..Default::default() };
    request(vec![], InstrumentationScope::default(), vec![metric])
}

/// What both encodings say, which is the same.
fn read(request: &ExportMetricsServiceRequest) -> OtlpMetrics {
    let read = otlp_metrics(Protobuf, &request.encode_to_vec()).unwrap();
    let text = written(request).to_string();
    let from_json = otlp_metrics(Json, text.as_bytes()).unwrap();
    // NaN is not equal to itself, so that what is shown is compared.
    assert_eq!(format!("{read:?}"), format!("{from_json:?}"), "{text}");
    read
}

/// The request in OTLP's JSON.
fn written(request: &ExportMetricsServiceRequest) -> Value {
    let parts = request.resource_metrics.iter().map(|part| {
        let resource = part.resource.as_ref().map(|resource| pairs(&resource.attributes));
        let scopes = part.scope_metrics.iter().map(|scoped| {
            let scope = scoped.scope.clone().unwrap_or_default();
            json!({
                "scope": {
                    "name": scope.name,
                    "version": scope.version,
                    "attributes": pairs(&scope.attributes),
                },
                "metrics": scoped.metrics.iter().map(written_metric).collect::<Vec<_>>(),
            })
        });
        json!({"resource": {"attributes": resource}, "scopeMetrics": scopes.collect::<Vec<_>>()})
    });
    json!({"resourceMetrics": parts.collect::<Vec<_>>()})
}

fn pairs(attributes: &[KeyValue]) -> Value {
    let pair = |pair: &KeyValue| {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
        json!({"key": pair.key, "value": value.map(|value| match value {
            any_value::Value::StringValue(text) => json!({"stringValue": text}),
            any_value::Value::BoolValue(truth) => json!({"boolValue": truth}),
            any_value::Value::IntValue(int) => json!({"intValue": int.to_string()}),
            any_value::Value::DoubleValue(double) => json!({"doubleValue": double}),
            other => panic!("no test writes {other:?}"),
        })})
    };
    attributes.iter().map(pair).collect()
}

/// JSON has no NaN and no infinity; the protocol writes them as texts.
fn double(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else {
        json!(format!("{value}").replace("inf", "Infinity"))
    }
}

fn texts(counts: &[u64]) -> Vec<String> {
    counts.iter().map(ToString::to_string).collect()
}

fn written_metric(metric: &proto::Metric) -> Value {
    let number = |point: &proto::NumberDataPoint| {
        let mut out = json!({
            "attributes": pairs(&point.attributes),
            "startTimeUnixNano": point.start_time_unix_nano.to_string(),
            "timeUnixNano": point.time_unix_nano.to_string(),
            "flags": point.flags,
            "exemplars": vec![json!({}); point.exemplars.len()],
        });
        match point.value {
            Some(number::Value::AsInt(int)) => out["asInt"] = json!(int.to_string()),
            Some(number::Value::AsDouble(value)) => out["asDouble"] = double(value),
            None => {}
        }
        out
    };
    let explicit = |point: &proto::HistogramDataPoint| {
        json!({
            "attributes": pairs(&point.attributes),
            "startTimeUnixNano": point.start_time_unix_nano.to_string(),
            "timeUnixNano": point.time_unix_nano.to_string(),
            "flags": point.flags,
            "count": point.count.to_string(),
            "sum": point.sum.map(double),
            "bucketCounts": texts(&point.bucket_counts),
            "explicitBounds": point.explicit_bounds,
        })
    };
    let side = |side: &Option<exponential::Buckets>| {
        side.as_ref()
            .map(|side| json!({"offset": side.offset, "bucketCounts": texts(&side.bucket_counts)}))
    };
    let exponential = |point: &proto::ExponentialHistogramDataPoint| {
        json!({
            "attributes": pairs(&point.attributes),
            "startTimeUnixNano": point.start_time_unix_nano.to_string(),
            "timeUnixNano": point.time_unix_nano.to_string(),
            "flags": point.flags,
            "count": point.count.to_string(),
            "sum": point.sum.map(double),
            "scale": point.scale,
            "zeroCount": point.zero_count.to_string(),
            "zeroThreshold": point.zero_threshold,
            "positive": side(&point.positive),
            "negative": side(&point.negative),
        })
    };
    let mut out = json!({"name": metric.name, "unit": metric.unit, "description": "what it is"});
    match &metric.data {
        None => {}
        Some(metric::Data::Gauge(gauge)) => {
            let points: Vec<_> = gauge.data_points.iter().map(number).collect();
            out["gauge"] = json!({"dataPoints": points});
        }
        Some(metric::Data::Sum(sum)) => {
            let points: Vec<_> = sum.data_points.iter().map(number).collect();
            out["sum"] = json!({
                "dataPoints": points,
                "aggregationTemporality": sum.aggregation_temporality,
                "isMonotonic": sum.is_monotonic,
            });
        }
        Some(metric::Data::Histogram(histogram)) => {
            let points: Vec<_> = histogram.data_points.iter().map(explicit).collect();
            let temporality = histogram.aggregation_temporality;
            out["histogram"] = json!({"dataPoints": points, "aggregationTemporality": temporality});
        }
        Some(metric::Data::ExponentialHistogram(histogram)) => {
            let points: Vec<_> = histogram.data_points.iter().map(exponential).collect();
            let temporality = ["UNSPECIFIED", "DELTA", "CUMULATIVE"]
                [usize::try_from(histogram.aggregation_temporality).unwrap()];
            out["exponentialHistogram"] = json!({
                "dataPoints": points,
                "aggregationTemporality": format!("AGGREGATION_TEMPORALITY_{temporality}"),
            });
        }
        Some(metric::Data::Summary(summary)) => {
            out["summary"] = json!({"dataPoints": vec![json!({}); summary.data_points.len()]});
        }
    }
    out
}

fn point(value: number::Value, seconds: u64) -> proto::NumberDataPoint {
    proto::NumberDataPoint {
        time_unix_nano: seconds * SECOND,
        value: Some(value),
        ..Default::default()
    }
}

fn sum(temporality: i32, is_monotonic: bool, points: Vec<proto::NumberDataPoint>) -> metric::Data {
    metric::Data::Sum(proto::Sum {
        data_points: points,
        aggregation_temporality: temporality,
        is_monotonic,
    })
}

fn gauge(points: Vec<proto::NumberDataPoint>) -> metric::Data {
    metric::Data::Gauge(proto::Gauge { data_points: points })
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

fn labels(series: &Series) -> Vec<(&str, &str)> {
    series.labels.iter().map(|(name, value)| (&**name, &**value)).collect()
}

fn reasons(metrics: &OtlpMetrics) -> Vec<(&'static str, u64)> {
    metrics.rejects.iter().map(|(reason, some)| (reason, some.count)).collect()
}

#[test]
fn the_protocols_own_example_is_read() {
    let body = include_bytes!("../../../../tests/data/otlp/metrics.json");
    let read = otlp_metrics(Json, body).unwrap();
    assert_eq!((read.points, read.rejects.total(), read.series.len()), (4, 0, 4));
    let time = Timestamp::from_nanos(1_544_712_660_300_000_000);
    let scope = [
        ("otel_scope_my_scope_attribute", "some scope attribute"),
        ("otel_scope_name", "my.library"),
        ("otel_scope_version", "1.0.0"),
    ];
    let delta = Temporality::Delta;
    let histogram = |count, sum, buckets| {
        let reset = Reset::Unknown;
        SampleValue::Histogram(Box::new(Histogram { count, sum, reset, buckets }))
    };
    let explicit = Buckets::Explicit { bounds: vec![1.0], counts: vec![1.0, 1.0] };
    // Offset 1 is the bucket from 2 to 4, the next one from 4 to 8, of which 8 is the third power.
    let exponential = Buckets::Exponential {
        scale: 0,
        zero_threshold: 0.0,
        zero: 1.0,
        positive: vec![(3, 2.0)],
        negative: vec![],
    };
    for (series, (name, attribute, kind, temporality, since, value)) in read.series.iter().zip([
        (
            "my_counter_total",
            "my_counter_attr",
            MetricKind::Counter,
            delta,
            Some(time),
            SampleValue::Number(5.0),
        ),
        (
            "my_gauge_ratio",
            "my_gauge_attr",
            MetricKind::Gauge,
            Temporality::Cumulative,
            None,
            SampleValue::Number(10.0),
        ),
        (
            "my_histogram",
            "my_histogram_attr",
            MetricKind::Histogram,
            delta,
            Some(time),
            histogram(2.0, 2.0, explicit),
        ),
        (
            "my_exponential_histogram",
            "my_exponential_histogram_attr",
            MetricKind::Histogram,
            delta,
            Some(time),
            histogram(3.0, 10.0, exponential),
        ),
    ]) {
        let mut expected =
            vec![("__name__", name), ("job", "my.service"), (attribute, "some value")];
        expected.extend(scope);
        expected.sort_unstable();
        assert_eq!(labels(series), expected);
        assert_eq!((series.kind, series.temporality), (kind, temporality), "{name}");
        assert_eq!(series.samples, [Sample { at: time, since, value }], "{name}");
    }
}

#[test]
fn what_a_sum_is_decides_its_name_and_kind() {
    let one = || vec![point(number::Value::AsInt(7), 9)];
    for (data, name, kind, temporality) in [
        (sum(2, true, one()), "a_b_total", MetricKind::Counter, Temporality::Cumulative),
        (sum(1, true, one()), "a_b_total", MetricKind::Counter, Temporality::Delta),
        (sum(2, false, one()), "a_b", MetricKind::Gauge, Temporality::Cumulative),
        (gauge(one()), "a_b", MetricKind::Gauge, Temporality::Cumulative),
    ] {
        let read = read(&alone("a.b", data));
        let [series] = &*read.series else { panic!("{read:?}") };
        assert_eq!(labels(series), [("__name__", name)]);
        assert_eq!((series.kind, series.temporality), (kind, temporality));
        let expected = Sample { at: at(9), since: None, value: SampleValue::Number(7.0) };
        assert_eq!(series.samples, [expected]);
    }
}

#[test]
fn labels_name_the_whole_stream() {
    let resource = vec![
        attribute("service.name", "shop"),
        attribute("service.namespace", "eu"),
        attribute("service.instance.id", "pod-1"),
        attribute("host.name", "h1"),
        attribute("region", "of the resource"),
        attribute("empty", ""),
    ];
    let scope = InstrumentationScope {
        name: "lib".into(),
        attributes: vec![attribute("a.b", "c")],
        ..Default::default()
    };
    let mut one = point(number::Value::AsDouble(0.5), 1);
    one.attributes = vec![
        attribute("z_1", "second"),
        attribute("z.1", "first"),
        attribute("region", "of the point"),
        attribute("job", "another"),
        attribute("__name__", "another"),
        attribute_of("count", any_value::Value::IntValue(-3)),
        attribute_of("ratio", any_value::Value::DoubleValue(2.0)),
        attribute_of("cached", any_value::Value::BoolValue(true)),
    ];
    let metric = proto::Metric {
        name: "queue.time".into(),
        unit: "s".into(),
        data: Some(gauge(vec![one])),
        ..Default::default()
    };
    let read = read(&request(resource, scope, vec![metric]));
    assert_eq!(
        labels(&read.series[0]),
        [
            ("__name__", "queue_time_seconds"),
            ("cached", "true"),
            ("count", "-3"),
            ("host_name", "h1"),
            ("instance", "pod-1"),
            ("job", "eu/shop"),
            ("otel_scope_a_b", "c"),
            ("otel_scope_name", "lib"),
            ("ratio", "2"),
            ("region", "of the point"),
            ("z_1", "first;second"),
        ]
    );
}

#[test]
fn points_of_the_same_labels_are_one_series() {
    let labelled = |value, seconds, label: &str| {
        let mut point = point(number::Value::AsInt(value), seconds);
        point.attributes = vec![attribute("to", label)];
        point.exemplars = vec![proto::Exemplar::default()];
        point
    };
    let points = vec![labelled(1, 10, "a"), labelled(2, 10, "b"), labelled(3, 20, "a")];
    let read = read(&alone("x", sum(2, true, points)));
    let numbers = |series: &Series| -> Vec<_> {
        series.samples.iter().map(|sample| (sample.at, sample.value.clone())).collect()
    };
    let number = SampleValue::Number;
    assert_eq!((read.points, read.series.len()), (3, 2));
    assert_eq!(numbers(&read.series[0]), [(at(10), number(1.0)), (at(20), number(3.0))]);
    assert_eq!(numbers(&read.series[1]), [(at(10), number(2.0))]);
    assert_eq!((read.series[0].exemplars, read.series[1].exemplars), (2, 1));
}

#[test]
fn a_point_without_a_recorded_value_ends_its_series() {
    let mut ended = point(number::Value::AsInt(0), 5);
    (ended.flags, ended.value) = (1, None);
    let metrics = read(&alone("x", sum(1, true, vec![ended])));
    assert_eq!(metrics.series[0].samples[0].value, SampleValue::Stale);
    let ended = proto::HistogramDataPoint { time_unix_nano: 1, flags: 1, ..Default::default() };
    let data = proto::Histogram { data_points: vec![ended], aggregation_temporality: 2 };
    let metrics = read(&alone("x", metric::Data::Histogram(data)));
    assert_eq!(metrics.series[0].samples[0].value, SampleValue::Stale);
}

#[test]
fn what_nothing_can_be_made_of_is_refused_with_its_reason() {
    let one = || vec![point(number::Value::AsInt(1), 1)];
    let without = |edit: fn(&mut proto::NumberDataPoint)| {
        let mut point = point(number::Value::AsInt(1), 2);
        edit(&mut point);
        gauge(vec![point])
    };
    assert_eq!(reasons(&read(&alone("x", without(|_| {})))), []);
    let summary = proto::Summary { data_points: vec![proto::SummaryDataPoint::default(); 2] };
    for (data, reason, points) in [
        (sum(1, false, one()), "changes of a sum that is not monotonic: nothing to count", 1),
        (sum(0, true, one()), "a metric that is neither delta nor cumulative", 1),
        (metric::Data::Summary(summary), "a summary: nothing to count", 2),
        (without(|point| point.value = None), "a point without a value", 1),
        (without(|point| point.time_unix_nano = 0), "no readable time", 1),
        (
            without(|point| point.time_unix_nano = u64::MAX),
            "a time outside the years 1678 to 2262",
            1,
        ),
        (
            without(|point| point.start_time_unix_nano = 3 * SECOND),
            "a point that begins after it ends",
            1,
        ),
        (
            without(|point| point.attributes = vec![attribute("__", "x")]),
            "an attribute whose name has neither letter nor digit",
            1,
        ),
        (sum(2, true, vec![point(number::Value::AsInt(-1), 1)]), "a monotonic sum below zero", 1),
    ] {
        let read = read(&alone("x", data));
        assert_eq!((reasons(&read), read.points), (vec![(reason, points)], points));
        assert_eq!(read.series, []);
    }
    let nameless = read(&alone("…", gauge(one())));
    assert_eq!(reasons(&nameless), [("a metric without a name", 1)]);
    let (mut empty, scope) = (proto::Metric::default(), InstrumentationScope::default());
    empty.name = "none".into();
    let read = read(&request(vec![], scope, vec![empty]));
    assert_eq!((reasons(&read), read.points), (vec![("a metric without data", 1)], 1));
    assert_eq!(read.rejects.first().unwrap().1.excerpt, "none");
}

#[test]
fn a_histogram_that_contradicts_itself_is_refused() {
    let histogram = |edit: fn(&mut proto::HistogramDataPoint)| {
        let mut point = proto::HistogramDataPoint {
            time_unix_nano: 1,
            count: 3,
            bucket_counts: vec![1, 2],
            explicit_bounds: vec![0.5],
            ..Default::default()
        };
        edit(&mut point);
        metric::Data::Histogram(proto::Histogram {
            data_points: vec![point],
            aggregation_temporality: 2,
        })
    };
    let exponential = |edit: fn(&mut proto::ExponentialHistogramDataPoint)| {
        let mut point = proto::ExponentialHistogramDataPoint {
            time_unix_nano: 1,
            count: 2,
            zero_count: 1,
            positive: Some(exponential::Buckets { offset: 3, bucket_counts: vec![0, 1] }),
            ..Default::default()
        };
        edit(&mut point);
        metric::Data::ExponentialHistogram(proto::ExponentialHistogram {
            data_points: vec![point],
            aggregation_temporality: 1,
        })
    };
    for data in [histogram(|_| {}), exponential(|_| {})] {
        assert_eq!(reasons(&read(&alone("x", data))), []);
    }
    for (data, reason, points) in [
        (
            histogram(|point| point.count = 4),
            "a histogram whose buckets do not add up to its count",
            1,
        ),
        (
            histogram(|point| point.bucket_counts = vec![u64::MAX, 4]),
            "a histogram whose buckets do not add up to its count",
            1,
        ),
        (
            histogram(|point| point.explicit_bounds = vec![]),
            "a histogram whose bounds do not ascend or do not match its buckets",
            1,
        ),
        (
            histogram(|point| {
                (point.explicit_bounds, point.bucket_counts) = (vec![1.0, 1.0], vec![1, 1, 1]);
            }),
            "a histogram whose bounds do not ascend or do not match its buckets",
            1,
        ),
        (
            exponential(|point| point.scale = 21),
            "an exponential histogram of a scale outside -10 to 20",
            1,
        ),
        (
            exponential(|point| {
                let bucket_counts = vec![0, 1];
                point.positive = Some(exponential::Buckets { offset: i32::MAX, bucket_counts });
            }),
            "an exponential histogram whose buckets have no number",
            1,
        ),
    ] {
        let read = read(&alone("x", data));
        assert_eq!((reasons(&read), read.points), (vec![(reason, points)], points));
        assert_eq!(read.series, []);
    }
}

#[test]
fn a_histogram_of_its_count_alone_is_one_bucket() {
    let point = proto::HistogramDataPoint { time_unix_nano: 1, count: 9, ..Default::default() };
    let data = proto::Histogram { data_points: vec![point], aggregation_temporality: 2 };
    let read = read(&alone("x", metric::Data::Histogram(data)));
    let SampleValue::Histogram(histogram) = &read.series[0].samples[0].value else { panic!() };
    assert_eq!(histogram.buckets, Buckets::Explicit { bounds: vec![], counts: vec![9.0] });
    assert!(histogram.sum.is_nan(), "it was not said");
}

#[test]
fn labels_do_not_multiply_without_bound() {
    let long = |len: usize| vec![attribute("a", &"x".repeat(len))];
    let some = |resource: Vec<KeyValue>, points: usize| {
        let metric = proto::Metric {
            name: "x".into(),
            data: Some(gauge(vec![point(number::Value::AsInt(1), 1); points])),
            ..Default::default()
        };
        let request = request(resource, InstrumentationScope::default(), vec![metric]);
        otlp_metrics(Protobuf, &request.encode_to_vec()).unwrap()
    };
    assert_eq!(reasons(&some(long(65 << 10), 2)), [("labels longer than 64 KiB", 2)]);
    // 60 KiB fit 64 MiB 1,092 times, the name of the metric aside.
    let read = some(long(60 << 10), 1_200);
    let taken = read.series[0].samples.len() as u64;
    assert!((1_085..1_093).contains(&taken), "{taken}");
    let reason = "labels of all points together longer than 64 MiB";
    assert_eq!(reasons(&read), [(reason, 1_200 - taken)]);
}

#[test]
fn a_body_that_is_no_request_of_metrics_is_refused_as_a_whole() {
    let traces = include_bytes!("../../../../tests/data/otlp/traces.pb");
    for (encoding, body) in [
        (Protobuf, traces.as_slice()),
        (Protobuf, b"\x0A\x05\x12"),
        (Protobuf, b"nothing of the kind"),
        (Json, b"{\"resourceSpans\":[]}"),
        (Json, b"[]"),
        (Json, b"{"),
        (Json, b"{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"sum\":7}]}]}]}"),
    ] {
        let error = otlp_metrics(encoding, body).expect_err("refused").to_string();
        assert!(error.contains("OTLP metrics"), "{error}");
    }
    for (encoding, body) in [(Protobuf, &b""[..]), (Json, b""), (Json, b"{}")] {
        assert_eq!(otlp_metrics(encoding, body).unwrap(), OtlpMetrics::default());
    }
    // A metric that is cut off, before one that is not.
    let whole = alone("x", gauge(vec![point(number::Value::AsInt(1), 1)])).encode_to_vec();
    let scope = [&[0x12, 1, 0x2A][..], &whole[6..]].concat();
    let body = super::super::request::tests::nested(&scope);
    let read = otlp_metrics(Protobuf, &body).unwrap();
    assert_eq!((reasons(&read), read.series.len()), (vec![("a malformed message", 1)], 1));
}

fn any_points() -> impl Strategy<Value = Vec<proto::NumberDataPoint>> {
    let value = prop_oneof![
        Just(None),
        any::<i64>().prop_map(|int| Some(number::Value::AsInt(int))),
        // The parser of JSON is not exact to the last digit: eighths it cannot get wrong.
        any::<i32>().prop_map(|value| Some(number::Value::AsDouble(f64::from(value) / 8.0))),
        prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0])
            .prop_map(|value| Some(number::Value::AsDouble(value))),
    ];
    let keys = prop::collection::vec(("[a-c._]{1,2}", "[xyß]{0,2}"), 0..3);
    let point = (value, keys, 0..4_u64, 0..4_u64, 0..3_u32).prop_map(
        |(value, keys, start, time, flags)| proto::NumberDataPoint {
            attributes: keys.iter().map(|(key, value)| attribute(key, value)).collect(),
            start_time_unix_nano: start * SECOND,
            time_unix_nano: time * SECOND,
            flags,
            value,
            ..Default::default()
        },
    );
    prop::collection::vec(point, 0..6)
}

proptest! {
    /// Both encodings agree, every point is either taken or refused, and labels are in order.
    #[test]
    fn every_point_is_taken_or_refused(
        points in any_points(),
        temporality in 0..3_i32,
        is_monotonic: bool,
        name in "[a-b./ ]{0,3}",
    ) {
        for data in [sum(temporality, is_monotonic, points.clone()), gauge(points.clone())] {
            let read = read(&alone(&name, data));
            let taken: usize = read.series.iter().map(|series| series.samples.len()).sum();
            prop_assert_eq!(read.points, points.len() as u64);
            prop_assert_eq!(taken as u64 + read.rejects.total(), read.points);
            for series in &read.series {
                prop_assert!(series.labels.is_sorted_by(|(a, _), (b, _)| a < b));
                prop_assert!(series.labels.iter().all(|(_, value)| !value.is_empty()));
            }
        }
    }
}
