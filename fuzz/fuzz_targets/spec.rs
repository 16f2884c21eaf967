//! Documents: reading and formatting any text ends, and what was formatted formats the same again.
#![no_main]

use flyball_spec::{Source, format, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source = Source::new("fuzz.yaml", text);
    let _ = load(std::slice::from_ref(&source));
    if let Ok(formatted) = format(&source) {
        let again = format(&Source::new("fuzz.yaml", formatted.clone()));
        assert_eq!(again.as_deref(), Ok(formatted.as_str()));
    }
});
