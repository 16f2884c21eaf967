//! Requests of OTLP: traces, logs and metrics, in both encodings.
#![no_main]

#[expect(dead_code, reason = "each target uses one")]
mod common;

libfuzzer_sys::fuzz_target!(|data: &[u8]| common::otlp_request(data));
