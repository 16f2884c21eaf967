use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;

use super::*;

const KEY: ChunkKey = ChunkKey { slice: 7, day: 20_413 };

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

fn day(key: ChunkKey) -> impl Strategy<Value = BTreeMap<Slot, Tally>> {
    let slot = (0..SLOTS_PER_DAY).prop_map(move |slot| Slot(key.day * SLOTS_PER_DAY + slot));
    proptest::collection::btree_map(slot, tally(), 0..60)
}

proptest! {
    #[test]
    fn a_chunk_reads_as_it_was_written(slice: i64, number in -200_000i64..200_000, seed in day(KEY)) {
        let key = ChunkKey { slice, day: number };
        let shift = (number - KEY.day) * SLOTS_PER_DAY;
        let tallies: Vec<_> =
            seed.into_iter().map(|(slot, tally)| (Slot(slot.0 + shift), tally)).collect();
        let bytes = encode(key, &tallies);
        prop_assert_eq!(decode(key, &bytes), Ok(tallies));
    }

    #[test]
    fn no_flipped_bit_cut_or_other_place_goes_unnoticed(tallies in day(KEY), flip in 1u8.., at: prop::sample::Index) {
        let tallies: Vec<_> = tallies.into_iter().collect();
        let bytes = encode(KEY, &tallies);
        for cut in 0..bytes.len() {
            prop_assert!(decode(KEY, &bytes[..cut]).is_err());
        }
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= flip;
        prop_assert!(decode(KEY, &flipped).is_err());
        for elsewhere in [ChunkKey { slice: 8, ..KEY }, ChunkKey { day: KEY.day + 1, ..KEY }] {
            prop_assert!(decode(elsewhere, &bytes).is_err());
        }
    }

    /// Bytes with a checksum that fits, as a faulty writer would leave them.
    #[test]
    fn what_was_written_wrong_does_not_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        bytes.insert(0, VERSION);
        let checksum = KEY.checksum(&bytes);
        bytes.extend(checksum.to_le_bytes());
        if let Ok(tallies) = decode(KEY, &bytes) {
            prop_assert_eq!(decode(KEY, &encode(KEY, &tallies)), Ok(tallies));
        }
    }

    #[test]
    fn merging_is_a_map_that_adds(
        first in day(KEY), more in proptest::collection::vec((0i64..40, 0u64..9, 0u64..9), 0..40),
    ) {
        let start = KEY.day * SLOTS_PER_DAY;
        let more: Vec<(Slot, Tally)> = more
            .into_iter()
            .map(|(slot, good, bad)| (Slot(start + slot), Tally::new(good + bad, good).unwrap()))
            .collect();
        let mut expected: BTreeMap<Slot, (u128, u128, u128)> = BTreeMap::new();
        for (slot, tally) in first.iter().chain(more.iter().map(|(slot, tally)| (slot, tally))) {
            if tally.is_empty() {
                continue;
            }
            let sum = expected.entry(*slot).or_default();
            sum.0 += u128::from(tally.valid());
            sum.1 += u128::from(tally.good());
            sum.2 += u128::from(tally.undecided());
        }
        let merged = merge(first.into_iter().collect(), more);
        if expected.values().any(|sum| u64::try_from(sum.0).is_err()) {
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
fn a_full_day_of_good_traffic_is_small() {
    let day: Vec<_> = (0..SLOTS_PER_DAY)
        .map(|slot| (Slot(KEY.day * SLOTS_PER_DAY + slot), Tally::new(5_000, 5_000).unwrap()))
        .collect();
    // Distance 1, valid 2, bad 1; version 1, count 2, checksum 4.
    assert_eq!(encode(KEY, &day).len(), 8_640 * 4 + 7);
}

#[test]
fn the_page_shows_what_is_written() {
    const PAGE: &str = include_str!("../../../../../docs/format/ledger-v1.md");
    let start = KEY.day * SLOTS_PER_DAY;
    let bytes = encode(
        KEY,
        &[
            (Slot(start + 360), Tally::new(300, 300).unwrap()),
            (Slot(start + 361), Tally::with_undecided(5, 2, 1).unwrap()),
        ],
    );
    let parts = [
        (1, "version: 1"),
        (1, "slots: 2"),
        (2, "distance: 360 slots after 00:00:00, which is 01:00:00"),
        (2, "valid: 300"),
        (1, "bad: 0, so that no undecided follow"),
        (1, "distance: 0, the slot after that"),
        (1, "valid: 5"),
        (1, "bad: 3"),
        (1, "undecided: 1"),
        (4, "checksum, of slice 7 and day 20413 before all that"),
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
