//! What every codec does: bytes in, rows and rejects out.
//!
//! One module a format below this one. Codecs of line formats get whole lines at a time, so that
//! chunks of a file can be decoded in parallel; codecs of documents get the whole stream.

pub(crate) mod access_log;
pub(crate) mod csv;
mod infer;
mod layout;
pub(crate) mod ndjson;
pub(crate) mod otlp;
pub(crate) mod parquet;
pub(crate) mod remote_write;
pub(crate) mod wire;

use std::io::Read;

use crate::batch::BatchBuilder;
use crate::reject::Rejects;

/// The reason for a record without a readable time where one is required.
pub(crate) const NO_TIME: &str = "no readable time";
pub(crate) const TOO_MANY: &str = "more attributes than an event may have";

/// What one call of a codec found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Lines (or records) met, the empty ones included.
    pub lines: u64,
    /// Events that became rows.
    pub events: u64,
    /// Records that could not be read; lines counted from 1 at the start of the call's bytes.
    pub rejects: Rejects,
}

impl Decoded {
    /// Adds what the call after this one found.
    pub fn append(&mut self, later: Self) {
        self.rejects.append(later.rejects, self.lines);
        self.lines += later.lines;
        self.events += later.events;
    }
}

/// A codec of a format in which a record is a line.
///
/// One instance serves one thread and may learn from what it has seen (key order, column ids of
/// the one builder it is used with); what it answers never depends on what it has learnt.
pub trait LineCodec: Send {
    /// Decodes `lines`: zero or more whole lines, the last with or without its newline.
    ///
    /// A line that cannot be read adds one reject and no row. Never panics, whatever the bytes.
    fn decode(&mut self, lines: &[u8], batch: &mut BatchBuilder, decoded: &mut Decoded);
}

/// A codec of a format that must be read as a whole: a document, a table, length-prefixed messages.
pub trait StreamCodec: Send {
    /// Decodes the stream to its end. Calls `flush` whenever the builder holds enough rows to
    /// pass on; `flush` answers `false` when the caller wants no more.
    ///
    /// # Errors
    ///
    /// What `input` answers. Content that cannot be read is a reject, not an error.
    fn decode(
        &mut self,
        input: &mut dyn Read,
        batch: &mut BatchBuilder,
        decoded: &mut Decoded,
        flush: &mut dyn FnMut(&mut BatchBuilder) -> bool,
    ) -> std::io::Result<()>;
}
