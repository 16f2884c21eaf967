//! NDJSON: whatever the lines, a codec that has learnt a layout answers as a new one does.
#![no_main]

mod common;

use common::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let alone = decode("ndjson", data);
    // The same lines again, after a codec has seen them once: what it learnt may not change what
    // it answers.
    let mut twice = data.to_vec();
    if !twice.is_empty() && twice.last() != Some(&b'\n') {
        twice.push(b'\n');
    }
    let half = twice.clone();
    twice.extend_from_slice(&half);
    let again = decode("ndjson", &twice);
    assert_eq!(again.events, 2 * alone.events);
    assert_eq!(again.rejects.total(), 2 * alone.rejects.total());
});
