//! OTLP in JSON: any bytes as documents.
#![no_main]

mod common;

use common::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    decode("otlp-json", data);
});
