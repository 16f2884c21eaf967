//! Protobuf as it stands on the wire: fields one after the other, without structs.

#![expect(
    clippy::inline_always,
    reason = "a field is a few instructions: inlined, what the caller does not look at costs none"
)]

/// Why a message is refused.
pub(crate) type Fault = &'static str;

pub(crate) const MALFORMED: Fault = "a malformed message";
const NOT_UTF8: Fault = "a text that is not UTF-8";

/// A string field.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Fault> {
    match flyball_scan::short_ascii(bytes) {
        Some(text) => Ok(text),
        None => simdutf8::basic::from_utf8(bytes).map_err(|_| NOT_UTF8),
    }
}

/// A value as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

/// The fields of a message, one after the other; ends after the first fault.
pub(crate) struct Fields<'a> {
    /// What is still to be read.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<Result<(u64, Wire<'a>), Fault>> {
        if self.bytes.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.bytes = &[];
        }
        Some(field.ok_or(MALFORMED))
    }

    #[inline(always)]
    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let (key, rest) = varint(self.bytes)?;
        let (wire, rest) = match key & 7 {
            0 => {
                let (value, rest) = varint(rest)?;
                (Wire::Varint(value), rest)
            }
            1 => {
                let (value, rest) = rest.split_first_chunk()?;
                (Wire::Fixed64(u64::from_le_bytes(*value)), rest)
            }
            2 => {
                let (len, rest) = varint(rest)?;
                let (value, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
                (Wire::Bytes(value), rest)
            }
            5 => (Wire::Fixed32, rest.split_first_chunk::<4>()?.1),
            // Groups were given up long before the formats read here.
            _ => return None,
        };
        self.bytes = rest;
        (key >> 3 > 0).then_some((key >> 3, wire))
    }
}

/// A varint and what follows it; `None` when it is cut off or longer than 64 bits.
#[inline(always)]
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    // Tags, and most lengths.
    if let [byte @ ..0x80, rest @ ..] = bytes {
        return Some((u64::from(*byte), rest));
    }
    varint_long(bytes)
}

fn varint_long(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7F);
        if index == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// A signed varint, whose last bit is the sign.
pub(crate) fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// A repeated number, packed or not.
pub(crate) fn varints(wire: Wire<'_>, out: &mut Vec<u64>) -> Result<(), Fault> {
    match wire {
        Wire::Varint(value) => out.push(value),
        Wire::Bytes(mut bytes) => {
            while !bytes.is_empty() {
                let (value, rest) = varint(bytes).ok_or(MALFORMED)?;
                out.push(value);
                bytes = rest;
            }
        }
        Wire::Fixed64(_) | Wire::Fixed32 => return Err(MALFORMED),
    }
    Ok(())
}

/// A repeated double, packed or not.
pub(crate) fn doubles(wire: Wire<'_>, out: &mut Vec<f64>) -> Result<(), Fault> {
    match wire {
        Wire::Fixed64(bits) => out.push(f64::from_bits(bits)),
        Wire::Bytes(bytes) => {
            let (doubles, []) = bytes.as_chunks::<8>() else { return Err(MALFORMED) };
            out.extend(doubles.iter().map(|double| f64::from_le_bytes(*double)));
        }
        Wire::Varint(_) | Wire::Fixed32 => return Err(MALFORMED),
    }
    Ok(())
}

/// A repeated `fixed64`, packed or not.
pub(crate) fn fixed64s(wire: Wire<'_>, out: &mut Vec<u64>) -> Result<(), Fault> {
    match wire {
        Wire::Fixed64(value) => out.push(value),
        Wire::Bytes(bytes) => {
            let (values, []) = bytes.as_chunks::<8>() else { return Err(MALFORMED) };
            out.extend(values.iter().map(|value| u64::from_le_bytes(*value)));
        }
        Wire::Varint(_) | Wire::Fixed32 => return Err(MALFORMED),
    }
    Ok(())
}
