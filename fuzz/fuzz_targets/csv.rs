//! CSV: records after a header, with and without quotes.
#![no_main]

mod common;

use common::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for name in ["csv", "tsv", "csv;header=no"] {
        decode(name, data);
    }
});
