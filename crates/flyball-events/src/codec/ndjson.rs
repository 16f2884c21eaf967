//! Newline-delimited JSON: one object a line.

use crate::batch::BatchBuilder;
use crate::codec::{Decoded, LineCodec};

/// Decodes newline-delimited JSON.
#[derive(Debug, Default)]
pub struct NdjsonCodec {}

impl NdjsonCodec {
    /// A codec that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl LineCodec for NdjsonCodec {
    fn decode(&mut self, _lines: &[u8], _batch: &mut BatchBuilder, _decoded: &mut Decoded) {}
}
