//! One request of OTLP: a body whose signal and encoding its sender has said.
//!
//! The same decoders as for files, without their guesses. A body is taken or refused as a whole
//! where it is no message of its signal; nothing of a refused one reaches the batch. Single records
//! that cannot be read are counted, as the protocol's partial success wants it.

use super::identity::Identity;
use super::json::{self, Unread};
use super::protobuf::message::Message;
use super::{MESSAGE_BYTES_MAX, Memory, Rows};
use crate::batch::BatchBuilder;
use crate::codec::Decoded;
use crate::reject::excerpt;

/// What a request is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpSignal {
    /// Spans: `ExportTraceServiceRequest`.
    Traces,
    /// Log records: `ExportLogsServiceRequest`.
    Logs,
}

impl OtlpSignal {
    /// The protocol's word for it, as in `/v1/traces`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }
}

/// How a request is written; its `Content-Type` says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpEncoding {
    /// `application/x-protobuf`, and all of gRPC.
    Protobuf,
    /// `application/json`.
    Json,
}

/// What a request brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtlpRequest {
    /// Rows and rejects. It has one line, the message; the column of a reject in protobuf is the
    /// byte where its record begins, from 1.
    pub decoded: Decoded,
    /// By what spans are known when they are sent again: the first 128 bits of a SHA-256 over their
    /// trace and span ids, in order. The encoding makes no difference to it.
    ///
    /// `None` for logs, which have no ids of their own; for no spans; where a span lacks one of its
    /// ids (zeros are none); and when the taker of batches stopped before the end.
    pub identity: Option<[u8; 16]>,
}

/// Why a body is no request: nothing of it can be used, and sending it again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtlpError {
    /// Longer than anything that is taken.
    #[error("the body has {bytes} bytes: no more than {MESSAGE_BYTES_MAX} are read at once")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not protobuf, or another message.
    #[error("the body is no message of OTLP {signal}: {reason}, at byte {at}")]
    Protobuf {
        /// What it was to hold: `traces`, `logs` or `metrics`.
        signal: &'static str,
        /// What is wrong.
        reason: &'static str,
        /// The byte, from 1, of the part that is.
        at: u64,
    },
    /// Not JSON, or JSON that is shaped otherwise.
    #[error("the body is no OTLP {signal} in JSON: {reason}, at {line}:{column}: {shown}")]
    Json {
        /// What it was to hold: `traces`, `logs` or `metrics`.
        signal: &'static str,
        /// What is wrong.
        reason: &'static str,
        /// The line, from 1.
        line: u64,
        /// The byte in the line, from 1; 0 when it is none in particular.
        column: u64,
        /// The field and what is wrong with it, or the text there; control characters escaped.
        shown: String,
    },
}

impl OtlpError {
    pub(super) fn json(signal: &'static str, unread: &Unread<'_>) -> Self {
        let (line, column) = unread.place;
        let shown = excerpt(&unread.shown);
        Self::Json { signal, reason: unread.reason, line, column: column.unwrap_or(0), shown }
    }
}

/// Decodes requests of traces and logs into batches. One a thread.
///
/// It remembers names and their order from one request to the next; what it answers does not depend
/// on that, and it may be used with one [`BatchBuilder`] after another.
#[derive(Debug, Default)]
pub struct OtlpCodec {
    memory: Memory,
}

impl OtlpCodec {
    /// A codec that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one uncompressed `body` into `batch`.
    ///
    /// Calls `flush` whenever the builder holds [`BATCH_ROWS`](crate::BATCH_ROWS) rows; `flush`
    /// answers `false` when the caller wants no more. Rows that it has not been called for are in
    /// `batch` at the end. An empty body is a request without records, in either encoding.
    ///
    /// # Errors
    ///
    /// [`OtlpError`] for a body that as a whole is no message of `signal`: not protobuf or JSON
    /// down to its list of records, or of another signal. The batch is then as it was.
    pub fn decode(
        &mut self,
        signal: OtlpSignal,
        encoding: OtlpEncoding,
        body: &[u8],
        batch: &mut BatchBuilder,
        flush: &mut dyn FnMut(&mut BatchBuilder) -> bool,
    ) -> Result<OtlpRequest, OtlpError> {
        let mut decoded = Decoded { lines: 1, ..Decoded::default() };
        if body.is_empty() {
            return Ok(OtlpRequest { decoded, identity: None });
        }
        if body.len() > MESSAGE_BYTES_MAX {
            return Err(OtlpError::TooLong { bytes: body.len() });
        }
        let mut rows = Rows::new(batch, &mut decoded, flush, &mut self.memory);
        rows.identity = (signal == OtlpSignal::Traces).then(Identity::new);
        match encoding {
            OtlpEncoding::Protobuf => {
                let message = Message { bytes: body, number: 1, signal: Some(signal) };
                let refused =
                    |(reason, at)| OtlpError::Protobuf { signal: signal.name(), reason, at };
                message.check(signal.into()).map_err(refused)?;
                message.rows(&mut rows);
            }
            OtlpEncoding::Json => {
                let refused = |unread| OtlpError::json(signal.name(), &unread);
                json::request(body, signal, &mut rows).map_err(refused)?;
            }
        }
        let identity = rows.identity.take().filter(|_| !rows.stopped);
        Ok(OtlpRequest { decoded, identity: identity.and_then(Identity::finish) })
    }
}

#[cfg(test)]
mod agree;
#[cfg(test)]
pub(super) mod tests;
