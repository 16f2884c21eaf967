use std::sync::Arc;

use arrow::array::{Array, RecordBatch};

use super::json::OtlpJsonCodec;
use super::protobuf::OtlpProtobufCodec;
use super::*;
use crate::batch::{Projection, TimeRule};
use crate::codec::StreamCodec;

fn decode(codec: &mut dyn StreamCodec, mut bytes: &[u8]) -> (RecordBatch, Decoded) {
    let mut batch = BatchBuilder::new(Projection::All, Arc::default(), TimeRule::Required, None);
    let mut decoded = Decoded::default();
    codec.decode(&mut bytes, &mut batch, &mut decoded, &mut |_| true).unwrap();
    (batch.finish(), decoded)
}

fn json(bytes: &[u8]) -> (RecordBatch, Decoded) {
    decode(&mut OtlpJsonCodec::default(), bytes)
}

fn protobuf(bytes: &[u8]) -> (RecordBatch, Decoded) {
    decode(&mut OtlpProtobufCodec::default(), bytes)
}

/// The value as text, `absent` without one.
fn value(batch: &RecordBatch, name: &str, row: usize) -> String {
    match batch.column_by_name(name) {
        Some(column) if !column.is_null(row) => {
            let column = match column.data_type() {
                // Showing a zone needs a feature of Arrow; the count is as good.
                arrow::datatypes::DataType::Timestamp(..) => {
                    &arrow::compute::cast(column, &arrow::datatypes::DataType::Int64).unwrap()
                }
                _ => column,
            };
            arrow::util::display::array_value_to_string(column, row).unwrap()
        }
        _ => "absent".to_owned(),
    }
}

/// All values by name, whatever the order of columns.
pub(super) fn table(batch: &RecordBatch) -> Vec<Vec<(String, String)>> {
    (0..batch.num_rows())
        .map(|row| {
            let schema = batch.schema();
            let mut cells: Vec<(String, String)> = schema
                .fields()
                .iter()
                .map(|field| (field.name().clone(), value(batch, field.name(), row)))
                .filter(|(_, value)| value != "absent")
                .collect();
            cells.sort();
            cells
        })
        .collect()
}

pub(super) const TRACES_JSON: &[u8] = include_bytes!("../../../tests/data/otlp/traces.otlp.json");
pub(super) const LOGS_JSON: &[u8] = include_bytes!("../../../tests/data/otlp/logs.otlp.json");
pub(super) const TRACES: &[u8] = include_bytes!("../../../tests/data/otlp/traces.pb");
pub(super) const LOGS: &[u8] = include_bytes!("../../../tests/data/otlp/logs.pb");
const LOGS_BIG_ENDIAN: &[u8] = include_bytes!("../../../tests/data/otlp/logs.be.pb");
const LOGS_VARINT: &[u8] = include_bytes!("../../../tests/data/otlp/logs.varint.pb");

#[test]
fn both_encodings_and_all_framings_give_the_same_rows() {
    let (expected, decoded) = json(TRACES_JSON);
    assert_eq!((decoded.lines, decoded.events, decoded.rejects.total()), (3, 60, 0));
    for bytes in [
        TRACES,
        include_bytes!("../../../tests/data/otlp/traces.be.pb"),
        include_bytes!("../../../tests/data/otlp/traces.varint.pb"),
    ] {
        let (batch, decoded) = protobuf(bytes);
        assert_eq!((decoded.lines, decoded.events, decoded.rejects.total()), (3, 60, 0));
        assert_eq!(table(&batch), table(&expected));
        assert_eq!(batch.schema(), expected.schema(), "names, types and their order");
    }
    let (expected, decoded) = json(LOGS_JSON);
    assert_eq!((decoded.events, decoded.rejects.total()), (20, 0));
    for bytes in [LOGS, LOGS_BIG_ENDIAN, LOGS_VARINT] {
        let (batch, decoded) = protobuf(bytes);
        assert_eq!((decoded.lines, decoded.events, decoded.rejects.total()), (2, 20, 0));
        assert_eq!(table(&batch), table(&expected));
    }
}

#[test]
fn spans_have_what_the_generator_gave_them() {
    // The values follow from the generator's formulas, named in the fixtures' note.
    let (batch, _) = protobuf(TRACES);
    for row in [0, 5, 23, 59] {
        let (n, i) = (row, row % 20);
        let error = i % 3 == 2;
        for (name, expected) in [
            ("time", (1_700_000_000_000_000_000 + n as u64 * 1_000_000_000).to_string()),
            ("service.name", format!("svc-{}", n / 20)),
            ("host.cpus", "4".into()),
            ("otel.scope.name", "lib".into()),
            ("otel.scope.version", "1.2".into()),
            ("scope.attr", "true".into()),
            ("trace_id", format!("{:02x}", n + 1).repeat(16)),
            ("span_id", format!("{:02x}", n + 1).repeat(8)),
            ("span.name", format!("GET /item/{}", i % 4)),
            ("otel.status_code", STATUS_CODES[i % 3].into()),
            ("http.response.status_code", if error { "500" } else { "200" }.into()),
            ("http.request.method", "GET".into()),
            ("duration_ms", format!("{:?}", (i * 1_234_567) as f64 / 1e6)),
            ("big", ((1_u64 << 60) + i as u64).to_string()),
            ("cached", (i % 2 == 1).to_string()),
            ("tags", r#"["a","b\n",2.0]"#.into()),
            ("order.id", i.to_string()),
            ("order.to.city", "Bern".into()),
            ("otel.status_description", if error { "bröken \"x\"" } else { "absent" }.into()),
            ("span.kind", if i % 6 == 0 { "absent" } else { SPAN_KINDS[i % 6] }.into()),
        ] {
            assert_eq!(value(&batch, name, row), expected, "{name} of {row}");
        }
    }
}

#[test]
fn logs_have_a_time_even_if_only_the_observed_one() {
    let (batch, _) = protobuf(LOGS);
    assert_eq!(value(&batch, "time", 0), "1700000000000000005");
    assert_eq!(value(&batch, "time", 1), "1700000001000000000");
    for (name, expected) in [
        ("body", "{\"msg\":\"x\"}"),
        ("severity_number", "9"),
        ("severity_text", "INFO"),
        ("trace_id", "04040404040404040404040404040404"),
        ("attempt", "3"),
    ] {
        assert_eq!(value(&batch, name, 3), expected, "{name}");
    }
    assert_eq!(value(&batch, "event.name", 5), "checkout.done");
}

#[test]
fn the_protocols_own_examples_are_read() {
    let (batch, decoded) = json(include_bytes!("../../../tests/data/otlp/trace.json"));
    assert_eq!((decoded.events, decoded.rejects.total()), (1, 0));
    for (name, expected) in [
        ("time", "1544712660000000000"),
        ("duration_ms", "1000.0"),
        ("service.name", "my.service"),
        ("span.name", "I'm a server span"),
        ("span.kind", "SERVER"),
        ("otel.status_code", "UNSET"),
        ("trace_id", "5b8efff798038103d269b633813fc60c"),
        ("parent_span_id", "eee19b7ec3c1b173"),
        ("my.span.attr", "some value"),
        ("my.scope.attribute", "some scope attribute"),
    ] {
        assert_eq!(value(&batch, name, 0), expected, "{name}");
    }
    let (batch, decoded) = json(include_bytes!("../../../tests/data/otlp/logs.json"));
    assert_eq!((decoded.events, decoded.rejects.total()), (1, 0));
    assert_eq!(value(&batch, "body", 0), "Example log record");
    assert_eq!(value(&batch, "severity_number", 0), "10");
    let (batch, decoded) = json(include_bytes!("../../../tests/data/otlp/events.json"));
    assert_eq!((decoded.events, decoded.rejects.total()), (1, 0));
    assert_eq!(value(&batch, "event.name", 0), "browser.page_view");
    assert!(value(&batch, "body", 0).starts_with("{\"type\":0,\"url\":"));
}

#[test]
fn metrics_are_refused_as_what_they_are() {
    let metrics = include_bytes!("../../../tests/data/otlp/metrics.json");
    for (_, decoded) in
        [json(metrics), protobuf(include_bytes!("../../../tests/data/otlp/metrics.pb"))]
    {
        assert_eq!(decoded.events, 0);
        assert_eq!(decoded.rejects.first().unwrap().0, METRICS);
    }
}

#[test]
fn json_is_read_in_all_its_forms() {
    let document = r#"{"resource_spans":[{"scope_spans":[{"spans":[{
        "trace_id":"W47/95gDgQPSabYzgT/GDA==","spanId":"0000000000000000","new":{"a":[1]},
        "kind":"SPAN_KIND_CLIENT","start_time_unix_nano":1544712660000000000,
        "endTimeUnixNano":"1544712660500000000","status":{"code":"STATUS_CODE_ERROR"},
        "attributes":[{"key":"i","value":{"intValue":7}},{"key":"d","value":{"doubleValue":"NaN"}},
        {"key":"n","value":null},{"key":"b","value":{"bytesValue":"Zg=="}}]}]}],"resource":null}]}"#;
    let (batch, decoded) = json(document.as_bytes());
    assert_eq!((decoded.events, decoded.lines), (1, 6), "{decoded:?}");
    for (name, expected) in [
        ("trace_id", "5b8efff798038103d269b633813fc60c"),
        ("span_id", "absent"),
        ("span.kind", "CLIENT"),
        ("otel.status_code", "ERROR"),
        ("duration_ms", "500.0"),
        ("i", "7"),
        ("d~text", "NaN"),
        ("b", "Zg=="),
    ] {
        assert_eq!(value(&batch, name, 0), expected, "{name}");
    }
}

#[test]
fn documents_that_cannot_be_read_do_not_hide_the_next() {
    let good = String::from_utf8(LOGS_JSON.to_vec()).unwrap();
    let good = good.lines().next().unwrap();
    for (bad, reason, line, column) in [
        ("{\"resourceLogs\":[}", "not JSON", 1, None),
        ("{\"resourceLogs\":7}", "JSON that is not shaped as OTLP", 1, Some(17)),
        ("{\"a\":\n1}", "no resourceSpans or resourceLogs: not OTLP traces or logs", 1, None),
        ("{\"resourceLogs\":[{\"scopeLogs\":[", "not JSON", 1, None),
        ("{\"resourceLogs\":[{\"sco", "not JSON", 1, None),
        ("{\n  \"resourceLogs\": [\n    {\n    ]\n}", "not JSON", 1, None),
        ("{\"resourceLogs\":tru}", "not JSON", 1, Some(20)),
        ("noise {", "not a JSON object", 1, None),
        ("{}", "no resourceSpans or resourceLogs: not OTLP traces or logs", 1, None),
    ] {
        let (batch, decoded) = json(format!("{bad}\n{good}").as_bytes());
        let (found, example) = decoded.rejects.first().unwrap();
        assert_eq!((found, example.line, example.column), (reason, line, column), "{bad}");
        assert_eq!(batch.num_rows(), 10, "{bad}");
    }
    let (_, decoded) = json(&good.as_bytes()[..good.len() - 1]);
    assert_eq!(decoded.rejects.first().unwrap().0, "the input ends inside a document");
    let (_, decoded) =
        json(b"{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{}}]}]}]}");
    assert_eq!(decoded.rejects.first().unwrap().0, NO_TIME);
}

#[test]
fn a_value_of_another_type_is_named_with_its_field() {
    let document = |field: &str| {
        format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"kind":2}},{{"name":"a",{field},"x":1}}]}}]}}]}}"#
        )
    };
    let span = "resourceSpans[0].scopeSpans[0].spans[1]";
    for (field, shown) in [
        (r#""kind":"two""#, "kind: `two` is not an integer"),
        (r#""startTimeUnixNano":"-1""#, "startTimeUnixNano: -1 is out of range"),
        (r#""startTimeUnixNano":-1"#, "startTimeUnixNano: -1 is out of range"),
        (r#""endTimeUnixNano":1.5"#, "endTimeUnixNano: 1.5 is not an integer"),
        (
            r#""attributes":[{"value":{"doubleValue":"x"}}]"#,
            "attributes[0].value.doubleValue: `x` is not a number",
        ),
    ] {
        let text = document(field);
        let (_, decoded) = json(text.as_bytes());
        let (reason, example) = decoded.rejects.first().unwrap();
        assert_eq!(reason, "JSON that is not shaped as OTLP", "{field}");
        assert_eq!(example.excerpt, format!("{span}.{shown}"));
        let end = text.find(field).unwrap() + field.trim_end_matches(['}', ']']).len();
        assert_eq!(example.column, Some(end as u64), "{field}");
        // Over many lines the place is the line's.
        let (_, decoded) = json(text.replace(",{", ",\n{").as_bytes());
        let (_, example) = decoded.rejects.first().unwrap();
        assert_eq!((example.line, &*example.excerpt), (2, &*format!("{span}.{shown}")));
    }
}

#[test]
fn deep_nesting_and_large_lengths_are_refused_without_being_followed() {
    let nested = format!("{{\"resourceLogs\":{}", "[".repeat(1 << 20));
    assert_eq!(json(nested.as_bytes()).1.rejects.total(), 1);
    let closed = format!("{{\"resourceLogs\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(json(closed.as_bytes()).1.rejects.total(), 1);
    // A length of 2⁶³ and one of 4 GiB, followed by next to nothing.
    let huge = b"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x0A\x00";
    assert_eq!(protobuf(huge).1.rejects.total(), 1);
    assert_eq!(protobuf(b"\xFF\xFF\xFF\xFF\x0A\x02").1.rejects.total(), 1);
    // Lists within lists: every level adds its tag and length around the one before.
    let mut value = vec![0x10, 1];
    for _ in 0..40 {
        let mut list = vec![0x0A];
        list.extend(length(&value));
        let mut outer = vec![0x2A];
        outer.extend(length(&list));
        value = outer;
    }
    let body = [vec![0x09, 0, 0, 0, 0, 0, 0, 0, 1, 0x2A], length(&value)].concat();
    let record = [vec![0x12], length(&body)].concat();
    let scope = [vec![0x12], length(&record)].concat();
    let message = [vec![0x0A], length(&scope)].concat();
    let (_, decoded) = protobuf(&message);
    assert_eq!(decoded.rejects.first().unwrap().0, "a value nested deeper than 32 levels");
}

/// `bytes` with their length before them.
pub(super) fn length(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut len = bytes.len();
    while len > 127 {
        out.push(u8::try_from(len & 127).unwrap() | 128);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap());
    out.extend_from_slice(bytes);
    out
}

#[test]
fn mutated_files_never_panic_and_count_what_they_gave() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % bound as u64).unwrap()
    };
    let mut read = 0;
    for seed in [TRACES, LOGS, LOGS_BIG_ENDIAN, LOGS_VARINT, LOGS_JSON] {
        for _ in 0..400 {
            let mut bytes = seed[..seed.len().min(3_000)].to_vec();
            for _ in 0..=next(3) {
                let at = next(bytes.len());
                match next(3) {
                    0 => bytes[at] = u8::try_from(next(256)).unwrap(),
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, u8::try_from(next(256)).unwrap()),
                }
            }
            for (batch, decoded) in [json(&bytes), protobuf(&bytes)] {
                assert_eq!(batch.num_rows() as u64, decoded.events);
                read += decoded.events;
            }
        }
    }
    assert!(read > 1_000, "most of a mutated file is still read: {read}");
}
