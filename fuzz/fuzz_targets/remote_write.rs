//! Remote write of Prometheus.
#![no_main]

#[expect(dead_code, reason = "each target uses one")]
mod common;

libfuzzer_sys::fuzz_target!(|data: &[u8]| common::remote_write(data));
