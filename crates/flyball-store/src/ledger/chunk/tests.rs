use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;

use super::*;

const KEY: ChunkKey = ChunkKey::hour(7, 489_912);

fn tally() -> impl Strategy<Value = Tally> {
    let small = (1u64..300, 0u64..4, 0u64..3);
    let any = (any::<u64>(), any::<u64>(), any::<u64>());
    let of = |(valid, bad, undecided): (u64, u64, u64)| {
        let bad = bad % valid.max(1).saturating_add(1).max(1);
        Tally::with_undecided(valid, valid - bad.min(valid), undecided.min(bad.min(valid)))
    };
    prop_oneof![9 => small.prop_map(of), 1 => any.prop_map(of)]
        .prop_filter_map("contradicts itself", |tally| tally.filter(|tally| !tally.is_empty()))
}

fn tallies(key: ChunkKey) -> impl Strategy<Value = BTreeMap<Place, Tally>> {
    proptest::collection::btree_map(0..key.kind.places(), tally(), 0..60)
}

fn key() -> impl Strategy<Value = ChunkKey> {
    let kind = prop_oneof![Just(Kind::Day), Just(Kind::Hour), Just(Kind::Slot)];
    (kind, any::<i64>(), any::<i64>()).prop_map(|(kind, of, at)| ChunkKey { kind, of, at })
}

proptest! {
    #[test]
    fn a_chunk_reads_as_it_was_written(
        (key, tallies) in key().prop_flat_map(|key| (Just(key), tallies(key))),
    ) {
        let tallies: Vec<_> = tallies.into_iter().collect();
        let bytes = encode(key, &tallies);
        prop_assert_eq!(decode(key, &bytes), Ok(tallies));
    }

    #[test]
    fn a_number_is_taken_apart_and_put_together(number: i64, each in 1u16..) {
        let (row, place) = split(number, each);
        prop_assert!(place < each);
        prop_assert_eq!(i128::from(row) * i128::from(each) + i128::from(place), number.into());
        if row > i64::MIN / i64::from(each) {
            prop_assert_eq!(join(row, each, place), number);
        }
    }

    #[test]
    fn no_flipped_bit_cut_or_other_place_goes_unnoticed(tallies in tallies(KEY), flip in 1u8.., at: prop::sample::Index) {
        let tallies: Vec<_> = tallies.into_iter().collect();
        let bytes = encode(KEY, &tallies);
        for cut in 0..bytes.len() {
            prop_assert!(decode(KEY, &bytes[..cut]).is_err());
        }
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= flip;
        prop_assert!(decode(KEY, &flipped).is_err());
        for elsewhere in [
            ChunkKey { of: 8, ..KEY },
            ChunkKey { at: KEY.at + 1, ..KEY },
            ChunkKey { kind: Kind::Slot, ..KEY },
        ] {
            prop_assert!(decode(elsewhere, &bytes).is_err());
        }
    }

    /// Bytes with a checksum that fits, as a faulty writer would leave them.
    #[test]
    fn what_was_written_wrong_does_not_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        bytes.insert(0, KEY.kind.version());
        let checksum = KEY.checksum(&bytes);
        bytes.extend(checksum.to_le_bytes());
        if let Ok(tallies) = decode(KEY, &bytes) {
            prop_assert_eq!(decode(KEY, &encode(KEY, &tallies)), Ok(tallies));
        }
    }

    #[test]
    fn merging_is_a_map_that_adds(
        first in tallies(KEY), more in proptest::collection::vec((0u16..40, 0u64..9, 0u64..9), 0..40),
        most: u64,
    ) {
        let more: Vec<(Place, Tally)> = more
            .into_iter()
            .map(|(slot, good, bad)| (slot, Tally::new(good + bad, good).unwrap()))
            .collect();
        let mut expected: BTreeMap<Place, (u128, u128, u128)> = BTreeMap::new();
        for (slot, tally) in first.iter().chain(more.iter().map(|(slot, tally)| (slot, tally))) {
            if tally.is_empty() {
                continue;
            }
            let sum = expected.entry(*slot).or_default();
            sum.0 += u128::from(tally.valid());
            sum.1 += u128::from(tally.good());
            sum.2 += u128::from(tally.undecided());
        }
        let merged = merge(first.into_iter().collect(), more, most);
        if expected.values().any(|sum| sum.0 > u128::from(most)) {
            prop_assert_eq!(merged, None);
        } else {
            let merged: Vec<_> = merged
                .unwrap()
                .into_iter()
                .map(|(slot, tally)| {
                    let counts = (tally.valid(), tally.good(), tally.undecided());
                    (slot, (counts.0.into(), counts.1.into(), counts.2.into()))
                })
                .collect();
            prop_assert_eq!(merged, expected.into_iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_full_hour_of_good_traffic_is_small() {
    let hour: Vec<_> =
        (0..SLOTS_PER_HOUR).map(|slot| (slot, Tally::new(5_000, 5_000).unwrap())).collect();
    // Distance 1, valid 2, bad 1; version 1, count 2, checksum 4.
    assert_eq!(encode(KEY, &hour).len(), 360 * 4 + 7);
}

#[test]
fn the_page_shows_what_is_written() {
    const PAGE: &str = include_str!("../../../../../docs/format/ledger-v1.md");
    let bytes = encode(
        KEY,
        &[(200, Tally::new(300, 300).unwrap()), (201, Tally::with_undecided(5, 2, 1).unwrap())],
    );
    let parts = [
        (1, "version: 2, an hour of a slice"),
        (1, "tallies: 2"),
        (2, "distance: 200 slots after 00:00, which is 33:20"),
        (2, "valid: 300"),
        (1, "bad: 0, so that no undecided follow"),
        (1, "distance: 0, the slot after that"),
        (1, "valid: 5"),
        (1, "bad: 3"),
        (1, "undecided: 1"),
        (4, "checksum, of slice 7 and hour 489912 before all that"),
    ];
    let mut text = String::new();
    let mut at = 0;
    for (length, meaning) in parts {
        let hex: Vec<String> = bytes[at..at + length].iter().map(|b| format!("{b:02x}")).collect();
        writeln!(text, "{at:4}  {:11}  {meaning}", hex.join(" ")).unwrap();
        at += length;
    }
    assert_eq!(at, bytes.len());
    assert!(PAGE.contains(&text), "docs/format/ledger-v1.md should show:\n{text}");
}

#[test]
fn a_chunk_is_named_for_people() {
    assert_eq!(KEY.text(), "slice 7 in 2025-11-21T00");
    let day = ChunkKey { kind: Kind::Day, of: 7, at: 0 };
    assert_eq!(day.text(), "slice 7 in 1970-01-01");
    assert_eq!(ChunkKey::slot(1, 3).text(), "the slices 256 to 511 in 1970-01-01T00:00:30");
}
