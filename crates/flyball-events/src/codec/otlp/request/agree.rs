//! Requests that a protobuf library writes, read in both encodings by codecs that remember.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::super::tests::table;
use super::super::write_hex;
use super::{OtlpCodec, OtlpEncoding, OtlpSignal};
use crate::batch::{BatchBuilder, Projection, TimeRule};

fn value(any: &AnyValue) -> Value {
    match any.value.as_ref() {
        None => json!({}),
        Some(Any::StringValue(text)) => json!({"stringValue": text}),
        Some(Any::BoolValue(truth)) => json!({"boolValue": truth}),
        Some(Any::IntValue(int)) => json!({"intValue": int.to_string()}),
        Some(Any::DoubleValue(double)) if double.is_nan() => json!({"doubleValue": "NaN"}),
        Some(Any::DoubleValue(double)) => json!({"doubleValue": double}),
        Some(Any::ArrayValue(list)) => {
            json!({"arrayValue": {"values": list.values.iter().map(value).collect::<Vec<_>>()}})
        }
        Some(Any::KvlistValue(map)) => json!({"kvlistValue": {"values": pairs(&map.values)}}),
        Some(other) => panic!("no test writes {other:?}"),
    }
}

fn pairs(pairs: &[KeyValue]) -> Vec<Value> {
    let pair = |pair: &KeyValue| json!({"key": pair.key, "value": pair.value.as_ref().map(value)});
    pairs.iter().map(pair).collect()
}

fn span(span: &Span) -> Value {
    let hex = |bytes: &[u8]| {
        let mut text = String::new();
        write_hex(bytes, &mut text);
        text
    };
    let status = span.status.clone().unwrap_or_default();
    json!({
        "traceId": hex(&span.trace_id),
        "spanId": hex(&span.span_id),
        "parentSpanId": hex(&span.parent_span_id),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano.to_string(),
        "endTimeUnixNano": span.end_time_unix_nano.to_string(),
        "attributes": pairs(&span.attributes),
        "status": {"code": status.code, "message": status.message},
    })
}

fn written(request: &ExportTraceServiceRequest) -> String {
    let parts = request.resource_spans.iter().map(|part| {
        let resource = part.resource.as_ref().map(|resource| pairs(&resource.attributes));
        let scopes = part.scope_spans.iter().map(|scoped| {
            let scope = scoped.scope.clone().unwrap_or_default();
            json!({
                "scope": {
                    "name": scope.name,
                    "version": scope.version,
                    "attributes": pairs(&scope.attributes),
                },
                "spans": scoped.spans.iter().map(span).collect::<Vec<_>>(),
            })
        });
        json!({"resource": {"attributes": resource}, "scopeSpans": scopes.collect::<Vec<_>>()})
    });
    json!({"resourceSpans": parts.collect::<Vec<_>>()}).to_string()
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(None),
        "[a-zß\"]{0,3}".prop_map(|text| Some(Any::StringValue(text))),
        any::<bool>().prop_map(|truth| Some(Any::BoolValue(truth))),
        any::<i64>().prop_map(|int| Some(Any::IntValue(int))),
        // Eighths, which no parser of decimals gets wrong.
        any::<i32>().prop_map(|double| Some(Any::DoubleValue(f64::from(double) / 8.0))),
        Just(Some(Any::DoubleValue(f64::NAN))),
    ];
    let leaf = leaf.prop_map(|value| AnyValue { value });
    leaf.prop_recursive(2, 6, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..3);
        let map = prop::collection::vec((key(), inner), 0..3);
        prop_oneof![
            list.prop_map(|values| Any::ArrayValue(ArrayValue { values })),
            map.prop_map(|pairs| Any::KvlistValue(KeyValueList { values: key_values(pairs) })),
        ]
        .prop_map(|value| AnyValue { value: Some(value) })
    })
}

/// Few, so that they repeat; some are times, some old names, some what records have themselves.
fn key() -> impl Strategy<Value = String> {
    let keys = ["a", "b", "a.b", "time", "http.method", "http.request.method", "span.name", ""];
    let long = "k".repeat(140);
    prop::sample::select(keys.map(str::to_owned).into_iter().chain([long]).collect::<Vec<_>>())
}

fn key_values(pairs: Vec<(String, AnyValue)>) -> Vec<KeyValue> {
    let pair = |(key, value)| KeyValue { key, value: Some(value), ..KeyValue::default() };
    pairs.into_iter().map(pair).collect()
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    // Mostly in one order, as sources write them.
    let usual = (any_value(), any_value(), any_value()).prop_map(|(a, b, c)| {
        key_values(vec![("a".into(), a), ("b".into(), b), ("a.b".into(), c)])
    });
    let any = prop::collection::vec((key(), any_value()), 0..5).prop_map(key_values);
    prop_oneof![usual, any]
}

fn spans() -> impl Strategy<Value = Vec<Span>> {
    let ids = (0..3_u8, 0..3_u8, 0..2_u8);
    let span = (ids, "[a-c]{0,2}", 0..8_i32, 0..3_u64, 0..3_u64, attributes(), 0..4_i32).prop_map(
        |((trace, id, parent), name, kind, start, end, attributes, code)| Span {
            trace_id: vec![trace; 16],
            span_id: vec![id; 8],
            parent_span_id: vec![parent; 8],
            name,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            attributes,
            status: Some(Status { code, message: "why".repeat(usize::from(trace)) }),
            ..Span::default()
        },
    );
    prop::collection::vec(span, 0..5)
}

fn requests() -> impl Strategy<Value = Vec<ExportTraceServiceRequest>> {
    let scope = (attributes(), spans()).prop_map(|(attributes, spans)| {
        let (name, version) = ("lib".into(), String::new());
        let scope = InstrumentationScope { name, version, attributes, ..Default::default() };
        ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }
    });
    let part =
        (attributes(), prop::collection::vec(scope, 0..3)).prop_map(|(attributes, scope_spans)| {
            let resource = Some(Resource { attributes, ..Resource::default() });
            ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }
        });
    let request = prop::collection::vec(part, 0..3)
        .prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans });
    prop::collection::vec(request, 1..4)
}

proptest! {
    #[test]
    fn both_encodings_agree_whatever_was_learnt(requests in requests(), all: bool) {
        let projection = if all {
            Projection::All
        } else {
            Projection::Only(vec!["a.b".into(), "trace_id".into(), "http.request.method".into()])
        };
        let builder = || {
            BatchBuilder::new(projection.clone(), Arc::default(), TimeRule::Required, None)
        };
        let (mut wire, mut json, mut fresh) = (builder(), builder(), builder());
        let (mut codec, mut json_codec) = (OtlpCodec::new(), OtlpCodec::new());
        for request in &requests {
            let decode = |codec: &mut OtlpCodec, encoding, body: &[u8], batch: &mut _| {
                codec.decode(OtlpSignal::Traces, encoding, body, batch, &mut |_| true)
            };
            let bytes = request.encode_to_vec();
            let text = written(request);
            let taken = decode(&mut codec, OtlpEncoding::Protobuf, &bytes, &mut wire).unwrap();
            let from_json =
                decode(&mut json_codec, OtlpEncoding::Json, text.as_bytes(), &mut json).unwrap();
            let alone =
                decode(&mut OtlpCodec::new(), OtlpEncoding::Protobuf, &bytes, &mut fresh).unwrap();
            prop_assert_eq!(&taken, &alone);
            prop_assert_eq!(taken.identity, from_json.identity);
            prop_assert_eq!(taken.decoded.events, from_json.decoded.events);
            prop_assert_eq!(taken.decoded.rejects.total(), from_json.decoded.rejects.total());
        }
        prop_assert_eq!(wire.offered(), json.offered());
        let (wire, json) = (wire.finish(), json.finish());
        prop_assert_eq!(&wire, &fresh.finish());
        prop_assert_eq!(wire.schema(), json.schema());
        prop_assert_eq!(table(&wire), table(&json));
    }
}
