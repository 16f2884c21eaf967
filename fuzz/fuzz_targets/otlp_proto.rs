//! OTLP in protobuf: any bytes as messages, whatever their framing.
#![no_main]

mod common;

use common::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    decode("otlp-proto", data);
});
