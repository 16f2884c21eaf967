//! What one journal entry says: a request as it came in, and what is needed to read it again.
//!
//! The format is described in `docs/format/entry-v1.md`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The name of this form.
const SCHEMA: &str = "flyball.dev/entry/v1";
/// The first byte of every entry of this form.
const VERSION: u8 = 1;
/// The bytes before the header: the version and the header's length.
const PREFIX_BYTES: usize = 5;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Content {
    /// One JSON object a line.
    Ndjson,
    /// `ExportTraceServiceRequest` in protobuf.
    OtlpTracesProtobuf,
    /// The same in JSON.
    OtlpTracesJson,
    /// `ExportLogsServiceRequest` in protobuf.
    OtlpLogsProtobuf,
    /// The same in JSON.
    OtlpLogsJson,
    /// `ExportMetricsServiceRequest` in protobuf.
    OtlpMetricsProtobuf,
    /// The same in JSON.
    OtlpMetricsJson,
    /// `prometheus.WriteRequest`.
    RemoteWriteV1,
    /// `io.prometheus.write.v2.Request`.
    RemoteWriteV2,
    /// Lines of a log in the header's format.
    AccessLog,
    /// Answers of Prometheus' query API with samples of ranges, one a line.
    PrometheusMatrix,
}

impl Content {
    /// Every kind there is.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 11] = [
        Self::Ndjson,
        Self::OtlpTracesProtobuf,
        Self::OtlpTracesJson,
        Self::OtlpLogsProtobuf,
        Self::OtlpLogsJson,
        Self::OtlpMetricsProtobuf,
        Self::OtlpMetricsJson,
        Self::RemoteWriteV1,
        Self::RemoteWriteV2,
        Self::AccessLog,
        Self::PrometheusMatrix,
    ];

    /// Whether it holds samples of metrics, and no events.
    pub(crate) const fn is_metrics(self) -> bool {
        matches!(
            self,
            Self::OtlpMetricsProtobuf
                | Self::OtlpMetricsJson
                | Self::RemoteWriteV1
                | Self::RemoteWriteV2
                | Self::PrometheusMatrix
        )
    }

    /// The name as it is written in journals and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::OtlpTracesProtobuf => "otlp-traces-protobuf",
            Self::OtlpTracesJson => "otlp-traces-json",
            Self::OtlpLogsProtobuf => "otlp-logs-protobuf",
            Self::OtlpLogsJson => "otlp-logs-json",
            Self::OtlpMetricsProtobuf => "otlp-metrics-protobuf",
            Self::OtlpMetricsJson => "otlp-metrics-json",
            Self::RemoteWriteV1 => "remote-write-v1",
            Self::RemoteWriteV2 => "remote-write-v2",
            Self::AccessLog => "access-log",
            Self::PrometheusMatrix => "prometheus-matrix",
        }
    }
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952, one or more members.
    Gzip,
    /// RFC 8878, one or more frames.
    Zstd,
    /// Snappy's block format, without frames.
    Snappy,
}

/// What is known of a body beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// What it is.
    pub(crate) content: Content,
    /// How it is compressed.
    #[serde(default, skip_serializing_if = "Compression::is_none")]
    pub(crate) compression: Compression,
    /// The service of events that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    /// The idempotency key that it is counted once under, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The format of the lines of a log, as `flyball replay --format` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<String>,
    /// How far its source has been read with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mark: Option<Mark>,
}

/// How far a source has been read: kept with what was read of it, so that neither a crash nor a
/// restart reads anything twice or leaves anything out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The source.
    pub(crate) source: String,
    /// How far, in its own terms.
    pub(crate) reached: String,
}

impl Compression {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "it is called by serde, by reference")]
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// A journal entry that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EntryError {
    /// Written by a later version of this program.
    #[error(
        "the entry has the version {0}, and this is not {SCHEMA}; hint: open the directory with a newer flyball"
    )]
    Version(u8),
    /// Its beginning does not hold together.
    #[error("the entry's header cannot be read: {0}")]
    Header(String),
}

/// The bytes of an entry.
pub(crate) fn encode(header: &Header, body: &[u8]) -> Vec<u8> {
    let json = serde_json::to_vec(header).unwrap_or_default();
    let mut entry = Vec::with_capacity(PREFIX_BYTES + json.len() + body.len());
    entry.push(VERSION);
    // A header is a few short texts, whose lengths are bounded where they come in.
    entry.extend(u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes());
    entry.extend(json);
    entry.extend_from_slice(body);
    entry
}

/// The header and the body of an entry.
///
/// # Errors
///
/// [`EntryError`] for bytes that [`encode`] did not write.
pub(crate) fn decode(entry: Vec<u8>) -> Result<(Header, Bytes), EntryError> {
    let cut = || EntryError::Header("the entry is too short".to_owned());
    let [version, length @ ..] = entry.first_chunk::<PREFIX_BYTES>().ok_or_else(cut)?;
    if *version != VERSION {
        return Err(EntryError::Version(*version));
    }
    let end = PREFIX_BYTES.saturating_add(u32::from_le_bytes(*length) as usize);
    let json = entry.get(PREFIX_BYTES..end).ok_or_else(cut)?;
    let header =
        serde_json::from_slice(json).map_err(|error| EntryError::Header(error.to_string()))?;
    Ok((header, Bytes::from(entry).slice(end..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            content: Content::OtlpTracesProtobuf,
            compression: Compression::Zstd,
            service: Some("checkout".to_owned()),
            key: Some("ab12".to_owned()),
            format: None,
            mark: Some(Mark { source: "log".to_owned(), reached: "12".to_owned() }),
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        for header in [header(), Header { service: None, key: None, mark: None, ..header() }] {
            let read = decode(encode(&header, b"body")).unwrap();
            assert_eq!(read, (header, Bytes::from_static(b"body")));
        }
    }

    #[test]
    fn what_was_not_written_so_is_refused() {
        let whole = encode(&header(), b"");
        for cut in 0..whole.len() {
            assert!(decode(whole[..cut].to_vec()).is_err(), "{cut}");
        }
        let mut newer = whole;
        newer[0] = 2;
        assert_eq!(decode(newer), Err(EntryError::Version(2)));
    }

    #[test]
    fn names_in_metrics_are_those_in_journals() {
        for content in Content::ALL {
            assert_eq!(serde_json::to_value(content).unwrap(), content.name());
        }
    }
}
