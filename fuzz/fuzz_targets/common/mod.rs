//! What must hold of every codec, whatever the bytes. One function a target; a test of the workspace
//! calls the same ones with the corpus.

use std::io::{Seek, Write};
use std::sync::Arc;

use flyball_events::{
    BatchBuilder, Codec, Decoded, Format, OtlpCodec, OtlpEncoding, OtlpSignal, Projection,
    RemoteWrite, RemoteWriteVersion, TimeRule, otlp_metrics,
};

/// Lines of several formats, and format strings themselves: the first line is a format, the rest
/// is read with it and with the built-in ones.
pub(crate) fn access_log(data: &[u8]) {
    let newline = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (format, lines) = data.split_at(newline);
    let format = String::from_utf8_lossy(format);
    let given = [format!("apache:{format}"), format!("nginx:{format}")];
    for name in ["combined", "vhost-combined"].into_iter().chain(given.iter().map(String::as_str)) {
        decode(name, lines);
    }
}

/// Records after a header, with and without quotes.
pub(crate) fn csv(data: &[u8]) {
    for name in ["csv", "tsv", "csv;header=no"] {
        decode(name, data);
    }
}

/// Whatever the lines, a codec that has learnt a layout answers as a new one does.
pub(crate) fn ndjson(data: &[u8]) {
    let alone = decode("ndjson", data);
    let mut twice = data.to_vec();
    if !twice.is_empty() && twice.last() != Some(&b'\n') {
        twice.push(b'\n');
    }
    twice.extend_from_within(..);
    let again = decode("ndjson", &twice);
    assert_eq!(again.events, 2 * alone.events);
    assert_eq!(again.rejects.total(), 2 * alone.rejects.total());
}

/// Any bytes as OTLP documents.
pub(crate) fn otlp_json(data: &[u8]) {
    decode("otlp-json", data);
}

/// Any bytes as OTLP messages, whatever their framing.
pub(crate) fn otlp_proto(data: &[u8]) {
    decode("otlp-proto", data);
}

/// Any bytes as requests of OTLP: every event is a row, a body that is refused leaves none, and a
/// codec that has seen the request before answers the same.
pub(crate) fn otlp_request(data: &[u8]) {
    let encodings = [OtlpEncoding::Protobuf, OtlpEncoding::Json];
    for (signal, encoding) in [OtlpSignal::Traces, OtlpSignal::Logs]
        .into_iter()
        .flat_map(|signal| encodings.map(|encoding| (signal, encoding)))
    {
        let mut codec = OtlpCodec::new();
        let mut batch =
            BatchBuilder::new(Projection::All, Arc::default(), TimeRule::Optional, None);
        let answers = [(); 2].map(|()| {
            let mut rows = 0;
            let answer = codec.decode(signal, encoding, data, &mut batch, &mut |batch| {
                rows += batch.finish().num_rows() as u64;
                true
            });
            rows += batch.finish().num_rows() as u64;
            assert_eq!(rows, answer.as_ref().map_or(0, |answer| answer.decoded.events));
            answer
        });
        assert_eq!(answers[0], answers[1]);
    }
    for encoding in encodings {
        let Ok(metrics) = otlp_metrics(encoding, data) else { continue };
        let samples = metrics.series.iter().map(|series| series.samples.len() as u64).sum::<u64>();
        assert_eq!(samples + metrics.rejects.total(), metrics.points);
    }
}

/// Any bytes as a Parquet file.
pub(crate) fn parquet(data: &[u8]) {
    decode("parquet", data);
}

/// Any bytes as requests of remote write: what is taken is no more than what was sent.
pub(crate) fn remote_write(data: &[u8]) {
    for version in [RemoteWriteVersion::V1, RemoteWriteVersion::V2] {
        let Ok(write) = RemoteWrite::decode(version, data) else { continue };
        let samples: usize = write.series.iter().map(|series| series.samples.len()).sum();
        assert!(samples <= data.len());
    }
}

/// Decodes `data` as the format `name`, if that is one: every event is a row of a batch.
fn decode(name: &str, data: &[u8]) -> Decoded {
    let Ok(Some(format)) = Format::parse(name) else { return Decoded::default() };
    let mut batch = BatchBuilder::new(Projection::All, Arc::default(), TimeRule::Optional, None);
    let mut decoded = Decoded::default();
    let mut rows = 0;
    match format.codec() {
        Codec::Lines { header, new, .. } => {
            let newline = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
            let (first, rest) = if header { data.split_at(newline) } else { (&[][..], data) };
            new(first).decode(rest, &mut batch, &mut decoded);
        }
        Codec::Stream(mut codec) => {
            let mut flush = |batch: &mut BatchBuilder| {
                rows += batch.finish().num_rows();
                true
            };
            let mut input = data;
            let read = codec.decode(&mut input, &mut batch, &mut decoded, &mut flush);
            assert!(read.is_ok(), "memory does not fail to be read");
        }
        Codec::Seekable(mut codec) => {
            let mut flush = |batch: &mut BatchBuilder| {
                rows += batch.finish().num_rows();
                true
            };
            let mut file = tempfile::tempfile().expect("a temporary file can be made");
            file.write_all(data).expect("a temporary file can be written");
            file.rewind().expect("a file can be rewound");
            let read = codec.decode(file, &mut batch, &mut decoded, &mut flush);
            assert!(read.is_ok(), "a temporary file does not fail to be read");
        }
    }
    rows += batch.finish().num_rows();
    assert_eq!(rows as u64, decoded.events);
    decoded
}
