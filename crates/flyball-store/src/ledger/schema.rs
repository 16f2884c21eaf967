//! The ledger's tables: `docs/format/ledger-v1.md`.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Transaction, params};

use super::chunk::{self, ChunkKey, Kind, Place, SLOTS_PER_DAY, SLOTS_PER_HOUR};
use super::damaged_chunk;
use crate::StoreError;
use crate::sqlite::{self, Schema, Step};

/// The format's name and version; the file holds it.
const SCHEMA: &str = "flyball.dev/ledger/v1";

/// The tables and how they came to be.
pub(super) const TABLES: Schema = Schema {
    format: SCHEMA,
    read_format: "SELECT format FROM ledger",
    page_bytes: PAGE_BYTES,
    steps: STEPS,
};

/// Five hours of a slice fit a page, where 4,096 bytes would hold none whole.
const PAGE_BYTES: u32 = 8192;

const STEPS: &[Step] = &[
    Step::Sql(
        "
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    format TEXT NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0)
) STRICT;
INSERT INTO ledger (id, format, position) VALUES (1, 'flyball.dev/ledger/v1', 0);

CREATE TABLE generations (
    id INTEGER PRIMARY KEY,
    slo TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    created INTEGER NOT NULL,
    since INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('filling', 'live', 'retired')),
    UNIQUE (slo, hash)
) STRICT;
CREATE UNIQUE INDEX generations_live ON generations (slo) WHERE state = 'live';

CREATE TABLE slices (
    id INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL REFERENCES generations (id),
    name TEXT NOT NULL,
    UNIQUE (generation, name)
) STRICT;

CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    slice INTEGER NOT NULL REFERENCES slices (id),
    day INTEGER NOT NULL,
    slots BLOB NOT NULL,
    UNIQUE (slice, day)
) STRICT;

CREATE TABLE keys (
    key BLOB PRIMARY KEY,
    sequence INTEGER NOT NULL,
    arrival INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_arrival ON keys (arrival);
",
    ),
    Step::Sql(
        "
CREATE TABLE kept (
    key BLOB PRIMARY KEY,
    value BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
",
    ),
    Step::Code(days_to_hours),
];

/// Tallies at rest by the hour, and the newest ones by slot; until now they were kept by the day.
fn days_to_hours(transaction: &Transaction<'_>, path: &Path) -> Result<(), StoreError> {
    let cannot = || sqlite::cannot("set up", path);
    transaction
        .execute_batch(
            "
ALTER TABLE ledger ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;

CREATE TABLE hours (
    slice INTEGER NOT NULL REFERENCES slices (id),
    hour INTEGER NOT NULL,
    slots BLOB NOT NULL,
    PRIMARY KEY (slice, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE open_slots (
    block INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    slices BLOB NOT NULL,
    PRIMARY KEY (block, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE open_hours (
    block INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    touched INTEGER NOT NULL,
    PRIMARY KEY (block, hour)
) STRICT, WITHOUT ROWID;
",
        )
        .map_err(cannot())?;
    let days = "SELECT slice, day, slots FROM chunks ORDER BY slice, day";
    let mut days = transaction.prepare(days).map_err(cannot())?;
    let write = "INSERT INTO hours (slice, hour, slots) VALUES (?1, ?2, ?3)";
    let mut write = transaction.prepare(write).map_err(cannot())?;
    let mut rows = days.query([]).map_err(cannot())?;
    while let Some(row) = rows.next().map_err(cannot())? {
        let read = || Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?));
        let (slice, day, bytes): (i64, i64, Vec<u8>) = read().map_err(cannot())?;
        let key = ChunkKey { kind: Kind::Day, of: slice, at: day };
        let mut hours: BTreeMap<i64, Vec<(Place, _)>> = BTreeMap::new();
        for (place, tally) in chunk::decode(key, &bytes).map_err(damaged_chunk(path, key))? {
            let slot = chunk::join(day, SLOTS_PER_DAY, place);
            let (hour, place) = chunk::split(slot, SLOTS_PER_HOUR);
            hours.entry(hour).or_default().push((place, tally));
        }
        for (hour, slots) in hours {
            let bytes = chunk::encode(ChunkKey::hour(slice, hour), &slots);
            write.execute(params![slice, hour, bytes]).map_err(cannot())?;
        }
    }
    drop(rows);
    drop(days);
    transaction.execute_batch("DROP TABLE chunks").map_err(cannot())
}
