//! The back ends for `x86_64`: SSE2, which every such processor has, and AVX2.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8,
    _mm_or_si128, _mm_set1_epi8, _mm_setzero_si128, _mm256_cmpeq_epi8, _mm256_loadu_si256,
    _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256,
};

use crate::Block;

const QUOTE: i8 = b'"'.cast_signed();
const BACKSLASH: i8 = b'\\'.cast_signed();
const CONTROL_MAX: i8 = 0x1F;

/// Must be called only where AVX2 was detected; `crate::backend` is the one place that does.
pub(crate) fn scan_avx2(blocks: &[Block], masks: &mut Vec<u64>) -> bool {
    debug_assert!(std::arch::is_x86_feature_detected!("avx2"), "avx2 was chosen without it");
    // SAFETY: the processor has AVX2: this function is only named after its detection.
    unsafe { avx2(blocks, masks) }
}

/// Whether the processor has what [`with_v3`] is compiled for.
#[inline]
pub(crate) fn has_v3() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("lzcnt")
}

/// Must be called only where [`has_v3`].
#[inline]
pub(crate) fn with_v3<R>(work: impl FnOnce() -> R) -> R {
    debug_assert!(has_v3(), "x86-64-v3 was chosen without it");
    // SAFETY: the processor has all four features: this function is only called after `has_v3`.
    unsafe { v3(work) }
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn v3<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[target_feature(enable = "avx2")]
fn avx2(blocks: &[Block], masks: &mut Vec<u64>) -> bool {
    let old = masks.len();
    masks.resize(old + blocks.len(), 0);
    let mut all = _mm256_setzero_si256();
    for (block, mask) in blocks.iter().zip(&mut masks[old..]) {
        let (low, high) = (load_avx2(block, 0), load_avx2(block, 32));
        all = _mm256_or_si256(all, _mm256_or_si256(low, high));
        *mask = u64::from(special_avx2(low)) | u64::from(special_avx2(high)) << 32;
    }
    _mm256_movemask_epi8(all) == 0
}

#[target_feature(enable = "avx2")]
#[inline]
#[expect(clippy::cast_ptr_alignment, reason = "the unaligned load is asked for")]
fn load_avx2(block: &Block, at: usize) -> __m256i {
    let half = &block[at..at + 32];
    // SAFETY: `half` is 32 readable bytes and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(half.as_ptr().cast::<__m256i>()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn special_avx2(bytes: __m256i) -> u32 {
    let quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(QUOTE));
    let backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(BACKSLASH));
    // There is no unsigned comparison; the smaller of the two is the byte itself if it is low.
    let low = _mm256_min_epu8(bytes, _mm256_set1_epi8(CONTROL_MAX));
    let control = _mm256_cmpeq_epi8(low, bytes);
    let special = _mm256_or_si256(_mm256_or_si256(quote, backslash), control);
    _mm256_movemask_epi8(special).cast_unsigned()
}

/// Can be called everywhere.
pub(crate) fn scan_sse2(blocks: &[Block], masks: &mut Vec<u64>) -> bool {
    // SAFETY: SSE2 belongs to every x86_64 processor.
    unsafe { sse2(blocks, masks) }
}

#[target_feature(enable = "sse2")]
fn sse2(blocks: &[Block], masks: &mut Vec<u64>) -> bool {
    let old = masks.len();
    masks.resize(old + blocks.len(), 0);
    let mut all = _mm_setzero_si128();
    for (block, mask) in blocks.iter().zip(&mut masks[old..]) {
        let mut bits = 0;
        for quarter in 0..4 {
            let bytes = load_sse2(block, quarter * 16);
            all = _mm_or_si128(all, bytes);
            bits |= u64::from(special_sse2(bytes)) << (quarter * 16);
        }
        *mask = bits;
    }
    _mm_movemask_epi8(all) == 0
}

#[target_feature(enable = "sse2")]
#[inline]
#[expect(clippy::cast_ptr_alignment, reason = "the unaligned load is asked for")]
fn load_sse2(block: &Block, at: usize) -> __m128i {
    let quarter = &block[at..at + 16];
    // SAFETY: `quarter` is 16 readable bytes and the load asks for no alignment.
    unsafe { _mm_loadu_si128(quarter.as_ptr().cast::<__m128i>()) }
}

#[target_feature(enable = "sse2")]
#[inline]
fn special_sse2(bytes: __m128i) -> u32 {
    let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(QUOTE));
    let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(BACKSLASH));
    let low = _mm_min_epu8(bytes, _mm_set1_epi8(CONTROL_MAX));
    let control = _mm_cmpeq_epi8(low, bytes);
    let special = _mm_or_si128(_mm_or_si128(quote, backslash), control);
    _mm_movemask_epi8(special).cast_unsigned()
}
