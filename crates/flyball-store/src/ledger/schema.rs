//! The ledger's tables: `docs/format/ledger-v1.md`.

use crate::sqlite::Schema;

/// The tables and how they came to be.
pub(super) const SCHEMA: Schema = Schema {
    format: "flyball.dev/ledger/v1",
    read_format: "SELECT format FROM ledger",
    steps: STEPS,
};

const STEPS: &[&str] = &[
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
    "
CREATE TABLE kept (
    key BLOB PRIMARY KEY,
    value BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
",
];
