//! By what a request of spans is known when it comes again.

use sha2::{Digest, Sha256};

use super::Id;

/// What the digest begins with: another way to compute it would have another name.
const DOMAIN: &[u8] = b"flyball.dev/otlp-spans/v1";

/// In place of an id's length: the id is a text that is no hexadecimal.
const IS_TEXT: u32 = 1 << 30;
/// In place of an id's length: a record that cannot be read follows, as it was sent.
const IS_REFUSED: u32 = 1 << 31;

/// A digest over the trace and span ids of a request, in order.
///
/// SHA-256, cut to 128 bits: nobody can make two requests of the same digest with less than 2⁶⁴
/// attempts, so that nobody can have another's spans taken for a repetition. Lengths stand before
/// what they belong to, so that different ids never give the same bytes.
#[derive(Debug)]
pub(crate) struct Identity {
    digest: Sha256,
    spans: u64,
    /// Whether every span so far had both of its ids.
    is_whole: bool,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let mut digest = Sha256::new();
        digest.update(DOMAIN);
        Self { digest, spans: 0, is_whole: true }
    }

    /// Adds a span, counted or not.
    pub(crate) fn span(&mut self, trace: &Id<'_>, span: &Id<'_>) {
        self.spans += 1;
        self.is_whole &= !trace.is_none() && !span.is_none();
        if let (Id::Bytes(trace), Id::Bytes(span)) = (trace, span)
            && let (Some(trace), Some(span)) = (trace.first_chunk::<16>(), span.first_chunk::<8>())
            && (trace.len(), span.len()) == (16, 8)
        {
            // As below, in one piece: half a block of the hash.
            let mut both = [0; 32];
            both[..4].copy_from_slice(&16_u32.to_le_bytes());
            both[4..20].copy_from_slice(trace);
            both[20..24].copy_from_slice(&8_u32.to_le_bytes());
            both[24..].copy_from_slice(span);
            return self.digest.update(both);
        }
        for id in [trace, span] {
            match id {
                Id::Bytes(bytes) => self.part(0, bytes),
                Id::Text(text) => match from_hex(text) {
                    Some(bytes) => self.part(0, &bytes),
                    None => self.part(IS_TEXT, text.as_bytes()),
                },
            }
        }
    }

    /// Adds a span that cannot be read.
    pub(crate) fn refused(&mut self, record: &[u8]) {
        self.spans += 1;
        self.part(IS_REFUSED, record);
    }

    fn part(&mut self, mark: u32, bytes: &[u8]) {
        // A request is shorter than the marks, which are single bits.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.digest.update((mark | len).to_le_bytes());
        self.digest.update(bytes);
    }

    /// The digest; `None` without spans, and when a span lacks an id: it is known by nothing.
    pub(crate) fn finish(self) -> Option<[u8; 16]> {
        let digest = self.digest.finalize();
        (self.spans > 0 && self.is_whole).then(|| digest.first_chunk().copied()).flatten()
    }
}

/// The bytes that `text` writes in hexadecimal, of either case; `None` when it does not.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
