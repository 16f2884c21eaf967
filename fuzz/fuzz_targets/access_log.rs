//! Access logs: lines of several formats, and format strings themselves.
#![no_main]

mod common;

use common::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The first line is a format, the rest is read with it and with the built-in ones.
    let newline = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (format, lines) = data.split_at(newline);
    let format = String::from_utf8_lossy(format);
    for name in [
        "combined".to_owned(),
        "vhost-combined".to_owned(),
        format!("apache:{format}"),
        format!("nginx:{format}"),
    ] {
        decode(&name, lines);
    }
});
