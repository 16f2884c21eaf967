use super::*;
use proptest::prelude::*;

fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

fn backends() -> Vec<(&'static str, ScanBlocks)> {
    let mut all: Vec<(&'static str, ScanBlocks)> = vec![("portable", portable::scan)];
    #[cfg(target_arch = "x86_64")]
    {
        all.push(("sse2", x86::scan_sse2));
        if std::arch::is_x86_feature_detected!("avx2") {
            all.push(("avx2", x86::scan_avx2));
        }
    }
    all
}

fn check(text: &[u8]) {
    for (name, scan) in backends() {
        let mut masks = Masks::new();
        // A longer text first: nothing of it may be left.
        let _ = masks.scan_with(scan, &[b'"'; 300]);
        let ascii = masks.scan_with(scan, text);
        assert_eq!(ascii.map(str::as_bytes), text.is_ascii().then_some(text), "{name}");
        for from in 0..=text.len() + 130 {
            let naive = (from..text.len()).find(|i| is_special(text[*i])).unwrap_or(text.len());
            let past_end = from > text.len();
            let next = masks.next(from);
            assert!(next == naive || (past_end && next >= text.len()), "{name} from {from}");
        }
    }
}

#[test]
fn every_byte_at_every_place_of_a_block() {
    for byte in 0..=u8::MAX {
        for place in 0..70 {
            let mut text = [b'x'; 70];
            text[place] = byte;
            check(&text);
        }
    }
}

#[test]
fn no_text_has_no_special_byte() {
    check(b"");
    assert_eq!(Masks::new().next(0), 0);
    assert!(backends().iter().any(|(name, _)| *name == backend_name()));
}

proptest! {
    #[test]
    fn all_back_ends_agree_with_a_loop(
        text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), b'a'..=b'z'], 0..400)
    ) {
        check(&text);
    }
}

#[test]
fn short_texts_are_told_from_bytes_at_every_length_and_place() {
    for len in 0..SHORT_BYTES + 8 {
        let mut text = vec![b'x'; len];
        assert_eq!(short_ascii(&text).is_some(), len <= SHORT_BYTES, "{len}");
        for place in 0..len {
            for byte in [0x00, 0x7F, 0x80, 0xC3, 0xFF] {
                text[place] = byte;
                let expected = byte.is_ascii() && len <= SHORT_BYTES;
                assert_eq!(short_ascii(&text).is_some(), expected, "{byte} at {place} of {len}");
            }
            text[place] = b'x';
        }
    }
}
