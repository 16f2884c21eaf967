//! Registers of risks as CSV: what is read is written as it was, and read again the same.
#![no_main]

use flyball_govern::risk::csv::{read, write};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match read(text) {
        Ok(risks) => assert_eq!(read(&write(&risks)).as_ref(), Ok(&risks)),
        Err(wrong) => assert!(wrong.iter().all(|of| of.line > 0 && of.column > 0)),
    }
});
