use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::super::tests::{LOGS, LOGS_JSON, TRACES, TRACES_JSON, length, table};
use super::OtlpEncoding::{Json, Protobuf};
use super::OtlpSignal::{Logs, Traces};
use super::*;
use crate::batch::{Projection, TimeRule};

fn builder(projection: Projection) -> BatchBuilder {
    BatchBuilder::new(projection, Arc::default(), TimeRule::Required, None)
}

type Table = Vec<Vec<(String, String)>>;

/// A request decoded on its own by a new codec.
fn decode(
    signal: OtlpSignal,
    encoding: OtlpEncoding,
    body: &[u8],
) -> Result<(Table, OtlpRequest), OtlpError> {
    let mut batch = builder(Projection::All);
    let request = OtlpCodec::new().decode(signal, encoding, body, &mut batch, &mut |_| true);
    let batch = batch.finish();
    assert!(request.is_ok() || batch.num_rows() == 0, "a body that is refused leaves no rows");
    request.map(|request| (table(&batch), request))
}

/// The messages of a file with four-byte lengths.
fn messages(mut file: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    while let Some((len, rest)) = file.split_first_chunk() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*len) as usize);
        out.push(message);
        file = rest;
    }
    out
}

fn lines(file: &'static [u8]) -> impl Iterator<Item = &'static [u8]> {
    file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// The digest by its description; spans are numbered as the generator of the fixtures did it.
fn identity_of(numbers: impl IntoIterator<Item = u8>) -> [u8; 16] {
    let mut bytes = b"flyball.dev/otlp-spans/v1".to_vec();
    for number in numbers {
        bytes.extend([16, 0, 0, 0].iter().chain(&[number; 16]));
        bytes.extend([8, 0, 0, 0].iter().chain(&[number; 8]));
    }
    *Sha256::digest(bytes).first_chunk().unwrap()
}

#[test]
fn the_encoding_of_a_request_makes_no_difference() {
    let traces = messages(include_bytes!("../../../../tests/data/otlp/traces.be.pb"));
    for (at, (message, line)) in (0_u8..).zip(traces.into_iter().zip(lines(TRACES_JSON))) {
        let (rows, request) = decode(Traces, Protobuf, message).unwrap();
        let (expected, from_json) = decode(Traces, Json, line).unwrap();
        assert_eq!((rows.len(), request.decoded.lines, request.decoded.events), (20, 1, 20));
        assert_eq!((&rows, &request), (&expected, &from_json));
        assert_eq!(request.identity, Some(identity_of(20 * at + 1..=20 * at + 20)));
    }
    let logs = messages(include_bytes!("../../../../tests/data/otlp/logs.be.pb"));
    for (message, line) in logs.into_iter().zip(lines(LOGS_JSON)) {
        let (rows, request) = decode(Logs, Protobuf, message).unwrap();
        assert_eq!((rows, request.clone()), decode(Logs, Json, line).unwrap());
        assert_eq!((request.decoded.events, request.identity), (10, None));
    }
}

#[test]
fn a_request_is_known_by_all_of_its_spans() {
    let whole = decode(Traces, Protobuf, TRACES).unwrap().1;
    assert_eq!(whole.identity, Some(identity_of(1..=60)));
    let stopped = OtlpCodec::new().decode(
        Traces,
        Protobuf,
        &many(crate::BATCH_ROWS + 1),
        &mut builder(Projection::All),
        &mut |_| false,
    );
    assert_eq!(stopped.unwrap().identity, None);
    // What is refused alone is part of what was sent.
    let with = |span: &[u8]| {
        let spans = [&[0x12, 1, 0x0A][..], &[0x12], &length(span)].concat();
        decode(Traces, Protobuf, &nested(&spans)).unwrap().1
    };
    let (one, two) = (with(&span(1)), with(&span(2)));
    assert_eq!((one.decoded.events, one.decoded.rejects.total()), (1, 1));
    assert!(one.identity.is_some() && one.identity != two.identity);
    // Zeros are no id: another span without one is not the same span.
    assert_eq!(with(&span(0)).identity, None);
}

#[test]
fn ids_are_told_apart_whatever_their_lengths() {
    let of = |trace: &str, span: &str| {
        let body = format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{trace}","spanId":"{span}"}}]}}]}}]}}"#
        );
        decode(Traces, Json, body.as_bytes()).unwrap().1.identity.unwrap()
    };
    let one = of("0102", "03");
    for (trace, span) in [("01", "0203"), ("\\u0001\\u0002", "03"), ("0102", "0300")] {
        assert_ne!(one, of(trace, span), "{trace} {span}");
    }
    assert_eq!(of("ABCDEF", "01"), of("abcdef", "01"));
    let body = [&[0x0A, 2, 1, 2][..], &[0x12, 1, 3]].concat();
    let (_, request) =
        decode(Traces, Protobuf, &nested(&[&[0x12], &length(&body)[..]].concat())).unwrap();
    assert_eq!(request.identity, Some(one));
}

/// A span with ids of `number` and a start.
fn span(number: u8) -> Vec<u8> {
    let start = [0x39, 0, 0, 0, 0, 0, 0, 0, 1];
    [&[0x0A, 16][..], &[number; 16], &[0x12, 8], &[number; 8], &start].concat()
}

/// A request around the fields of a scope.
pub(in super::super) fn nested(scope: &[u8]) -> Vec<u8> {
    let part = [vec![0x12], length(scope)].concat();
    [vec![0x0A], length(&part)].concat()
}

fn many(spans: usize) -> Vec<u8> {
    nested(&[&[0x12], &length(&span(1))[..]].concat().repeat(spans))
}

#[test]
fn an_empty_request_has_no_records() {
    for (signal, encoding, body) in [
        (Traces, Protobuf, &b""[..]),
        (Traces, Json, b""),
        (Traces, Json, b"{}"),
        (Logs, Json, b"{\"resourceLogs\":null}"),
        (Logs, Protobuf, b"\x0A\x00"),
        (Traces, Protobuf, b"\x0A\x02\x12\x00"),
    ] {
        let (rows, request) = decode(signal, encoding, body).unwrap();
        let decoded = Decoded { lines: 1, ..Decoded::default() };
        assert_eq!((rows.len(), request), (0, OtlpRequest { decoded, identity: None }));
    }
}

#[test]
fn a_body_that_is_no_message_of_its_signal_is_refused_as_a_whole() {
    let of = |signal, encoding, body: &[u8]| {
        decode(signal, encoding, body).expect_err("refused").to_string()
    };
    for (signal, body, message) in [
        (Traces, b"\x0A\x05\x12".as_slice(), "traces: a malformed message, at byte 1"),
        (Traces, b"hello, world", "traces: a malformed message, at byte 1"),
        // A resource that is a number, and one whose attribute is cut off.
        (Traces, b"\x0A\x02\x08\x01", "traces: a malformed message, at byte 3"),
        (Logs, b"\x0A\x05\x0A\x03\x0A\x01\x0A", "logs: a malformed message, at byte 5"),
        (Logs, TRACES, "logs: records of another signal, at byte "),
        (Traces, LOGS, "traces: records of another signal, at byte "),
    ] {
        let expected = format!("the body is no message of OTLP {message}");
        let error = of(signal, Protobuf, body);
        assert!(error.starts_with(&expected), "{error}");
    }
    let log = lines(LOGS_JSON).next().unwrap();
    for (body, message) in [
        (b"{\"resourceSpans\":[}".as_slice(), "not JSON, at 1:19: {\"resourceSpans\":[}"),
        (b"\n{\"resourceSpans\":7}", "JSON that is not shaped as OTLP, at 2:18: resourceSpans: "),
        (b"\x80", "not UTF-8, at 1:1: "),
        (b" []", "not a JSON object, at 1:0:  []"),
        (b"{}{}", "not JSON, at 1:3: {}{}"),
        (log, "records of another signal, at 1:0: {\"resourceLogs\""),
        (b"{\"resourceMetrics\":[]}", "records of another signal, at 1:0: "),
        (b"{\"resourceSpans\":\"\\u001b[2J\"}", "JSON that is not shaped as OTLP, at 1:"),
    ] {
        let expected = format!("the body is no OTLP traces in JSON: {message}");
        let error = of(Traces, Json, body);
        assert!(error.starts_with(&expected), "{error}\n{expected}");
        assert!(!error.contains(char::is_control), "{error:?}");
    }
    let long = vec![0; MESSAGE_BYTES_MAX + 1];
    assert_eq!(of(Traces, Json, &long), of(Logs, Protobuf, &long));
}

#[test]
fn records_are_refused_alone() {
    // A span without a time, one that is cut off, one that is whole.
    let spans = [&[0x12, 0][..], &[0x12, 1, 0x0A], &[0x12], &length(&span(1))].concat();
    let (rows, request) = decode(Traces, Protobuf, &nested(&spans)).unwrap();
    let rejects: Vec<_> =
        request.decoded.rejects.iter().map(|(why, some)| (why, some.count)).collect();
    assert_eq!(
        (rows.len(), rejects),
        (1, vec![("a malformed message", 1), ("no readable time", 1)])
    );
    let (_, example) = request.decoded.rejects.first().unwrap();
    assert_eq!((example.line, example.column), (1, Some(9)));
}

#[test]
fn what_a_codec_remembers_changes_nothing() {
    let mut codec = OtlpCodec::new();
    let ours = Projection::Only(vec!["order.id".into(), "http.request.method".into()]);
    for projection in [Projection::All, ours, Projection::Only(vec![]), Projection::All] {
        let mut batch = builder(projection.clone());
        let mut fresh = builder(projection);
        for (signal, body) in [(Traces, TRACES), (Logs, LOGS), (Traces, TRACES)] {
            let request = codec.decode(signal, Protobuf, body, &mut batch, &mut |_| true);
            let expected =
                OtlpCodec::new().decode(signal, Protobuf, body, &mut fresh, &mut |_| true);
            assert_eq!(request, expected);
        }
        assert_eq!(batch.finish(), fresh.finish());
    }
}

#[test]
fn full_batches_are_passed_on() {
    let mut passed = 0;
    let mut batch = builder(Projection::All);
    let body = many(2 * crate::BATCH_ROWS + 5);
    let request = OtlpCodec::new().decode(Traces, Protobuf, &body, &mut batch, &mut |batch| {
        passed += batch.finish().num_rows();
        true
    });
    assert_eq!(request.unwrap().decoded.events, passed as u64 + 5);
    assert_eq!(batch.finish().num_rows(), 5);
}

#[test]
fn mutated_requests_never_panic_and_are_answered_the_same_again() {
    let metrics = include_bytes!("../../../../tests/data/otlp/metrics.json");
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % bound as u64).unwrap()
    };
    let (mut codec, mut batch) = (OtlpCodec::new(), builder(Projection::All));
    let (mut taken, mut refused) = (0, 0);
    for seed in [&TRACES[..3_000], LOGS, lines(LOGS_JSON).next().unwrap(), metrics] {
        for _ in 0..300 {
            let mut bytes = seed.to_vec();
            for _ in 0..=next(3) {
                let at = next(bytes.len());
                bytes[at] = u8::try_from(next(256)).unwrap();
            }
            for (signal, encoding) in
                [(Traces, Protobuf), (Logs, Protobuf), (Traces, Json), (Logs, Json)]
            {
                let [first, again] = [(); 2]
                    .map(|()| codec.decode(signal, encoding, &bytes, &mut batch, &mut |_| true));
                assert_eq!(first, again);
                let events = first.as_ref().map_or(0, |request| request.decoded.events);
                assert_eq!(batch.finish().num_rows() as u64, 2 * events);
                taken += events;
                refused += u64::from(first.is_err());
            }
            for encoding in [Protobuf, Json] {
                let Ok(read) = crate::otlp_metrics(encoding, &bytes) else { continue };
                let samples: usize = read.series.iter().map(|series| series.samples.len()).sum();
                assert_eq!(samples as u64 + read.rejects.total(), read.points);
                taken += read.points;
            }
        }
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} records, {refused} bodies refused");
}
