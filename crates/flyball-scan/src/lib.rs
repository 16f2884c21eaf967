//! The byte scanner: structural masks by SIMD chosen at run time.
//!
//! A JSON decoder that walks byte by byte spends its time inside strings. [`Masks`] looks at 64
//! bytes at a time and remembers, one bit a byte, where a string can end: at a quote, a backslash
//! or a control character. The decoder then finds the end of a string by counting zero bits.
//!
//! The back end is chosen once a process by what the processor has, not by build flags: AVX2, else
//! SSE2 (every `x86_64` has it), else a portable one that works on eight bytes in a register. All
//! give the same bits. [`widest`] offers the same choice to the code that uses the masks.
//!
//! This is the only crate of the workspace with `unsafe` code; it knows nothing of JSON beyond the
//! three classes of bytes.

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Bytes that one mask covers.
const BLOCK_BYTES: usize = 64;

/// What back ends work on: one mask stands for one block.
type Block = [u8; BLOCK_BYTES];

/// Scans whole blocks: appends one mask a block, bit 0 for its first byte, and answers whether all
/// bytes are ASCII.
type ScanBlocks = fn(&[Block], &mut Vec<u64>) -> bool;

/// Where the special bytes of a text are: `"`, `\` and control characters (below 0x20).
#[derive(Debug, Clone, Default)]
pub struct Masks {
    /// Bit `i % 64` of word `i / 64` stands for byte `i`; every bit past the text is set, of which
    /// there is at least one whole word.
    words: Vec<u64>,
    len: usize,
}

impl Masks {
    /// No text yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Scans `text`, forgetting the last one. Answers it as a `str` if it is ASCII, which costs
    /// nothing extra; `None` says only that a byte is not ASCII.
    pub fn scan<'text>(&mut self, text: &'text [u8]) -> Option<&'text str> {
        self.scan_with(backend(), text)
    }

    fn scan_with<'text>(&mut self, scan: ScanBlocks, text: &'text [u8]) -> Option<&'text str> {
        self.words.clear();
        self.words.reserve(text.len() / BLOCK_BYTES + 2);
        self.len = text.len();
        let (blocks, tail) = text.as_chunks::<BLOCK_BYTES>();
        let mut ascii = scan(blocks, &mut self.words);
        // Zeros are control characters, so the padding sets the bits past the end.
        let mut last = [0; BLOCK_BYTES];
        last[..tail.len()].copy_from_slice(tail);
        ascii &= scan(&[last], &mut self.words);
        // `next` looks at two words at once.
        self.words.push(u64::MAX);
        // SAFETY: every byte of `text` was in a block given to `scan`, which found no byte of 0x80
        // or more in any of them; ASCII is UTF-8.
        ascii.then(|| unsafe { std::str::from_utf8_unchecked(text) })
    }

    /// The first special byte at or after `from`; the length of the text when there is none.
    #[expect(clippy::inline_always, reason = "inlined, it is compiled for what `widest` chose")]
    #[inline(always)]
    #[must_use]
    pub fn next(&self, from: usize) -> usize {
        let index = from / BLOCK_BYTES;
        let Some([low, high]) = self.words.get(index..).and_then(<[u64]>::first_chunk) else {
            return self.len;
        };
        // The 64 bits from `from` on, whichever words they lie in: whether a string crosses a word
        // cannot be predicted, that it is shorter than 64 bytes mostly can.
        let shift = from % BLOCK_BYTES;
        let ahead = (low >> shift) | (high << 1 << (BLOCK_BYTES - 1 - shift));
        if ahead == 0 {
            return self.next_far(index + 1);
        }
        from + ahead.trailing_zeros() as usize
    }

    /// The first special byte in the word `index` or after it.
    fn next_far(&self, index: usize) -> usize {
        let words = self.words.get(index..).unwrap_or_default();
        let found = words.iter().zip(index..).find(|(word, _)| **word != 0);
        found.map_or(self.len, |(word, index)| index * BLOCK_BYTES + word.trailing_zeros() as usize)
    }
}

/// Runs `work` as compiled for the widest instruction set that this processor has: with AVX2 and
/// the bit manipulation of BMI, else for what every processor of the target has.
///
/// Only what is inlined into here is compiled so: the closure needs `#[inline(always)]`, and so do
/// the functions it calls.
#[inline]
pub fn widest<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if x86::has_v3() {
        return x86::with_v3(work);
    }
    work()
}

/// Bytes of the longest text that [`short_ascii`] looks at.
const SHORT_BYTES: usize = 64;

/// `text` as a `str` if it is ASCII and short, as most names and values are: a few instructions
/// where a check that can tell everything is a call. `None` says nothing about the text.
#[inline]
#[must_use]
pub fn short_ascii(text: &[u8]) -> Option<&str> {
    let high = match (text.len(), text.last_chunk::<8>()) {
        (0..8, _) => text.iter().fold(0, |high, byte| high | u64::from(*byte)),
        (..=SHORT_BYTES, Some(last)) => {
            let words = text.as_chunks::<8>().0.iter();
            words.fold(u64::from_ne_bytes(*last), |high, word| high | u64::from_ne_bytes(*word))
        }
        _ => return None,
    };
    // SAFETY: every byte of `text` is part of `high`, in which no highest bit of a byte is set;
    // ASCII is UTF-8.
    (high & 0x8080_8080_8080_8080 == 0).then(|| unsafe { std::str::from_utf8_unchecked(text) })
}

/// The fastest back end that this processor can run.
fn backend() -> ScanBlocks {
    #[cfg(target_arch = "x86_64")]
    {
        // The answer of the detection is cached by the standard library: one load a call.
        if std::arch::is_x86_feature_detected!("avx2") { x86::scan_avx2 } else { x86::scan_sse2 }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        portable::scan
    }
}

/// The name of the back end that [`Masks::scan`] uses on this processor.
#[must_use]
pub fn backend_name() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx2") { "avx2" } else { "sse2" }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        "portable"
    }
}

#[cfg(test)]
mod tests;
