//! The control state's tables: `docs/format/control-v1.md`.

use crate::sqlite::{Schema, Step};

/// The format's name and version; the file holds it.
const SCHEMA: &str = "flyball.dev/control/v1";

/// The tables and how they came to be.
pub(super) const TABLES: Schema = Schema {
    format: SCHEMA,
    read_format: "SELECT format FROM control",
    page_bytes: PAGE_BYTES,
    steps: STEPS,
};

/// Each change writes the pages that it touches: a dozen of them for a decision, most of them of indexes.
const PAGE_BYTES: u32 = 4096;

const STEPS: &[Step] = &[
    Step::Sql(FIRST),
    Step::Sql(PEOPLE),
    Step::Sql(MAKERS),
    Step::Sql(RECORDS),
    Step::Sql(TIMES),
    Step::Sql(TOTALS),
    Step::Sql(FUNCTIONS),
];

const FIRST: &str = "
CREATE TABLE control (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    format TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 0)
) STRICT;
INSERT INTO control (id, format, revision) VALUES (1, 'flyball.dev/control/v1', 0);

CREATE TABLE documents (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    origin TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    applied_by TEXT NOT NULL,
    UNIQUE (kind, name)
) STRICT;

CREATE TABLE tokens (
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes TEXT NOT NULL,
    services TEXT NOT NULL,
    role TEXT,
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE TABLE grants (
    subject TEXT NOT NULL,
    service TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (subject, service)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    number INTEGER PRIMARY KEY CHECK (number >= 1),
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    previous BLOB NOT NULL CHECK (length(previous) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE (ABORT, 'the audit log is only appended to'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
    BEGIN SELECT RAISE (ABORT, 'the audit log is only appended to'); END;
";

/// People, who log in, and what belongs to them.
const PEOPLE: &str = "
CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    email TEXT,
    name TEXT,
    groups TEXT NOT NULL,
    UNIQUE (issuer, subject)
) STRICT;

CREATE TABLE sessions (
    id TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    person INTEGER NOT NULL REFERENCES people (id),
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    seen INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_person ON sessions (person);

ALTER TABLE tokens ADD COLUMN person INTEGER REFERENCES people (id);
CREATE INDEX tokens_by_person ON tokens (person) WHERE person IS NOT NULL;
";

/// Who made a token. For those that are there the audit log knows; it has subjects only, and where two
/// providers use the same one, who logged in first is taken: somebody is expelled by it as well.
const MAKERS: &str = "
ALTER TABLE tokens ADD COLUMN made_by INTEGER REFERENCES people (id);
UPDATE tokens SET made_by = coalesce(person, (
    SELECT min(people.id) FROM audit JOIN people ON audit.actor = 'person:' || people.subject
    WHERE audit.action = 'token.create' AND audit.target = tokens.id
));
CREATE INDEX tokens_by_maker ON tokens (made_by) WHERE made_by IS NOT NULL;
";

/// What other systems told, the messages that told it, and how much of each there is.
const RECORDS: &str = "
CREATE TABLE records (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    service TEXT,
    at INTEGER NOT NULL,
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    text TEXT NOT NULL,
    UNIQUE (kind, id)
) STRICT;
CREATE INDEX records_in_order ON records (kind, number);
CREATE INDEX records_by_service ON records (kind, service, number);
CREATE INDEX records_by_time ON records (kind, service, at);

CREATE TABLE record_totals (
    kind TEXT PRIMARY KEY,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER record_added AFTER INSERT ON records BEGIN
    INSERT INTO record_totals (kind, rows, bytes) VALUES (NEW.kind, 1, NEW.bytes)
        ON CONFLICT (kind) DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER record_changed AFTER UPDATE OF bytes ON records BEGIN
    UPDATE record_totals SET bytes = bytes + NEW.bytes - OLD.bytes WHERE kind = NEW.kind;
END;
CREATE TRIGGER record_removed AFTER DELETE ON records BEGIN
    UPDATE record_totals SET rows = rows - 1, bytes = bytes - OLD.bytes WHERE kind = OLD.kind;
END;

CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    system TEXT NOT NULL,
    name TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    at INTEGER NOT NULL,
    UNIQUE (system, name)
) STRICT;
";

/// What is about a time, whatever service it is of.
const TIMES: &str = "CREATE INDEX records_of_all_by_time ON records (kind, at);";

/// How much of a kind there is, counted by whoever keeps a record: with a trigger, SQLite copies every page that a
/// statement touches.
const TOTALS: &str = "
DROP TRIGGER record_added;
DROP TRIGGER record_changed;
DROP TRIGGER record_removed;
";

/// The functions in the company that grants and tokens carry.
const FUNCTIONS: &str = "
ALTER TABLE grants ADD COLUMN functions TEXT NOT NULL DEFAULT '[]';
ALTER TABLE tokens ADD COLUMN functions TEXT NOT NULL DEFAULT '[]';
";
