//! Decodes bytes as one format and checks what must hold whatever they are.

use std::sync::Arc;

use flyball_events::{BatchBuilder, Codec, Decoded, Format, Projection, TimeRule};

/// Decodes `data` as the format `name`, if that is one: every event is a row of a batch.
pub fn decode(name: &str, data: &[u8]) -> Decoded {
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
        Codec::Seekable(_) => return decoded,
    }
    rows += batch.finish().num_rows();
    assert_eq!(rows as u64, decoded.events);
    decoded
}
