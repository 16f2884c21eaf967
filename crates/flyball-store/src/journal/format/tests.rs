use std::fmt::Write;

use proptest::prelude::*;

use super::*;

const PAGE: &str = include_str!("../../../../../docs/format/journal-v1.md");

/// Offsets, bytes and what they mean, as the page shows them.
fn annotated(bytes: &[u8], parts: &[(usize, &str)]) -> String {
    let mut text = String::new();
    let mut at = 0;
    for (length, meaning) in parts {
        for (line, chunk) in bytes[at..at + length].chunks(8).enumerate() {
            let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
            let meaning = if line == 0 { meaning } else { "" };
            let line = format!("{:4}  {:23}  {meaning}", at + 8 * line, hex.join(" "));
            writeln!(text, "{}", line.trim_end()).unwrap();
        }
        at += length;
    }
    assert_eq!(at, bytes.len());
    text
}

#[test]
fn the_page_shows_what_is_written() {
    let arrival = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
    let mut bytes = header(Sequence(42), 0x1234_5678).to_vec();
    encode(&mut bytes, 0x1234_5678, Sequence(42), arrival, 0, b"hello");
    encode(&mut bytes, 0x1234_5678, Sequence(43), arrival, 1, b"");
    let text = annotated(
        &bytes,
        &[
            (24, "\"flyball.dev/journal/v1\\n\\0\""),
            (8, "first sequence: 42"),
            (4, "salt: 0x12345678"),
            (4, "CRC-32C of bytes 0 to 35"),
            (4, "record: CRC-32C of bytes 44 to 72, begun with the salt"),
            (4, "length: 5"),
            (8, "sequence: 42"),
            (8, "arrival: 2026-11-21T12:00:00Z"),
            (4, "place: 0, the first of its group"),
            (5, "payload: \"hello\""),
            (4, "record: CRC-32C of bytes 77 to 100, begun with the salt"),
            (4, "length: 0"),
            (8, "sequence: 43"),
            (8, "arrival: 2026-11-21T12:00:00Z"),
            (4, "place: 1, written together with entry 42"),
        ],
    );
    assert!(PAGE.contains(&text), "docs/format/journal-v1.md should show:\n{text}");
    assert!(PAGE.contains(SCHEMA));
}

#[test]
fn the_checksum_is_that_of_rfc_3720() {
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
}

proptest! {
    #[test]
    fn a_record_reads_as_it_was_written(
        salt: u32, number: u64, nanos: i64, place: u32,
        payload in proptest::collection::vec(any::<u8>(), 0..100), rest: [u8; 3],
    ) {
        let (sequence, arrival) = (Sequence(number), Timestamp::from_nanos(nanos));
        let mut bytes = Vec::new();
        encode(&mut bytes, salt, sequence, arrival, place, &payload);
        let length = bytes.len();
        bytes.extend(rest);
        let record = Record { sequence, arrival, place, payload: &payload };
        prop_assert_eq!(parse(salt, &bytes), Ok(record));
        prop_assert_eq!(record.bytes(), length);
        for cut in 0..length {
            prop_assert!(parse(salt, &bytes[..cut]).is_err());
        }
    }
}
