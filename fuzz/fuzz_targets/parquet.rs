//! Parquet.
#![no_main]

#[expect(dead_code, reason = "each target uses one")]
mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: {
    // The codec catches what the Parquet reader panics about; libFuzzer's hook would end there.
    std::panic::set_hook(Box::new(|_| {}));
}, |data: &[u8]| common::parquet(data));
