//! The back end for every processor: eight bytes in a 64-bit register.

use crate::Block;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const LOWS: u64 = 0x7F7F_7F7F_7F7F_7F7F;

pub(crate) fn scan(blocks: &[Block], masks: &mut Vec<u64>) -> bool {
    let mut all = 0;
    for block in blocks {
        let mut mask = 0;
        for (index, eight) in block.as_chunks::<8>().0.iter().enumerate() {
            let bytes = u64::from_le_bytes(*eight);
            all |= bytes;
            mask |= gather(special(bytes)) << (index * 8);
        }
        masks.push(mask);
    }
    all & HIGHS == 0
}

/// The highest bit of each byte that is special.
fn special(bytes: u64) -> u64 {
    // A byte is below 0x20 when its upper three bits are zero.
    let control = zero_bytes(bytes & (ONES * 0xE0));
    zero_bytes(bytes ^ (ONES * u64::from(b'"')))
        | zero_bytes(bytes ^ (ONES * u64::from(b'\\')))
        | control
}

/// The highest bit of each byte that is zero, exactly: no carry crosses a byte.
fn zero_bytes(bytes: u64) -> u64 {
    !(((bytes & LOWS) + LOWS) | bytes) & HIGHS
}

/// The highest bits of eight bytes as one byte.
fn gather(highs: u64) -> u64 {
    // Each factor bit moves one byte's bit to its place in the top byte; no two meet.
    (highs >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
