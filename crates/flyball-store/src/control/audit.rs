//! The audit log: what was changed, by whom, when; a chain of hashes.
//!
//! Each record holds the hash of the one before it and is hashed together with it, so that a record
//! that was changed, removed, inserted or moved breaks the chain from there on. Whoever can write
//! the file can also compute the whole chain anew, or cut off its newest records: neither can be
//! found by looking at the file alone. So [`AuditHead`] tells number and hash of the last record:
//! noted elsewhere (a log, a message, a backup's name), it tells later whether the log still holds
//! that record, and with it every one before it.

use std::path::Path;

use flyball_model::Timestamp;
use rusqlite::{Connection, Row, params};
use sha2::{Digest, Sha256};

use super::{Changing, Control};
use crate::{StoreError, sqlite};

/// The most records that one [`Control::audit`] returns.
pub const AUDIT_PAGE_MAX: usize = 10_000;

/// What every hash begins with, so that it is the hash of nothing else.
const DOMAIN: &[u8] = b"flyball.dev/audit/v1\n";

/// What the first record has in the place of the one before it.
const GENESIS: [u8; 32] = [0; 32];

/// One change, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// 1 for the first ever, then without gaps.
    pub number: u64,
    /// When it was made, as whoever made it said.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// What was done, such as `token.revoke`.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// More about it: a JSON object as text.
    pub detail: String,
    /// The hash of the record before; zeros for the first.
    pub previous: [u8; 32],
    /// SHA-256 of all of the above.
    pub hash: [u8; 32],
}

impl AuditRecord {
    /// SHA-256 of the canonical encoding: the line `flyball.dev/audit/v1`, number and time (8 bytes
    /// each, little-endian), actor, action, target and detail (each as its length in 8 bytes and
    /// its bytes), the hash of the record before.
    pub fn expected_hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(self.number.to_le_bytes());
        hash.update(self.at.nanos().to_le_bytes());
        for text in [&self.actor, &self.action, &self.target, &self.detail] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hash.update(self.previous);
        hash.finalize().into()
    }
}

/// The last record of the log: what to note elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// Its number; 0 for an empty log.
    pub number: u64,
    /// Its hash; zeros for an empty log.
    pub hash: [u8; 32],
}

/// What [`Control::verify_audit`] has looked at, all of it whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditChecked {
    /// How many records there are.
    pub records: u64,
    /// The last of them. Whether newer ones were cut off only a head noted earlier can tell.
    pub head: AuditHead,
}

impl Control {
    /// The records behind number `after` (0 for all), in order, at most `limit` and
    /// [`AUDIT_PAGE_MAX`] of them; none behind the last one. Their hashes are not compared.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn audit(&self, after: u64, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let limit = i64::try_from(limit.min(AUDIT_PAGE_MAX)).unwrap_or(i64::MAX);
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let sql = "SELECT number, at, actor, action, target, detail, previous, hash FROM audit
                   WHERE number > ?1 ORDER BY number LIMIT ?2";
        self.rows(sql, [after, limit], record)
    }

    /// Reads the whole log and compares every hash.
    ///
    /// # Errors
    ///
    /// [`StoreError::AuditBroken`] with the first record that does not continue the chain,
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn verify_audit(&self) -> Result<AuditChecked, StoreError> {
        verify(&self.connection, &self.path)
    }
}

/// Reads the whole log and compares every hash: [`Control::verify_audit`].
pub(super) fn verify(connection: &Connection, path: &Path) -> Result<AuditChecked, StoreError> {
    let cannot = || sqlite::cannot("read", path);
    let mut head = AuditHead { number: 0, hash: GENESIS };
    let sql = "SELECT number, at, actor, action, target, detail, previous, hash FROM audit
               ORDER BY number";
    let mut statement = connection.prepare(sql).map_err(cannot())?;
    for record in statement.query_map([], record).map_err(cannot())? {
        let record = record.map_err(cannot())?;
        let number = head.number + 1;
        let broken = |what| Err(StoreError::AuditBroken { path: path.to_owned(), number, what });
        if record.number != number {
            return broken("it is missing");
        }
        if record.previous != head.hash {
            return broken("it does not follow the record before it");
        }
        if record.hash != record.expected_hash() {
            return broken("its hash does not fit");
        }
        head = AuditHead { number, hash: record.hash };
    }
    Ok(AuditChecked { records: head.number, head })
}

/// Adds a record behind the last one.
pub(super) fn append(
    change: &Changing<'_>,
    action: &str,
    target: &str,
    detail: &str,
) -> Result<(), StoreError> {
    let last = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1";
    let head: Option<(i64, [u8; 32])> =
        change.find(last, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (number, previous) = head.unwrap_or((0, GENESIS));
    let mut record = AuditRecord {
        number: number.cast_unsigned() + 1,
        at: change.at,
        actor: change.actor.to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
        detail: detail.to_owned(),
        previous,
        hash: GENESIS,
    };
    record.hash = record.expected_hash();
    let add = "INSERT INTO audit (number, at, actor, action, target, detail, previous, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let AuditRecord { actor, action, target, detail, .. } = &record;
    let (number, at) = (record.number.cast_signed(), record.at.nanos());
    let values = params![number, at, actor, action, target, detail, record.previous, record.hash];
    change.execute(add, values).map(drop)
}

/// A record from a row of its columns in order.
fn record(row: &Row<'_>) -> rusqlite::Result<AuditRecord> {
    Ok(AuditRecord {
        // The table takes none below 1.
        number: row.get::<_, i64>(0)?.cast_unsigned(),
        at: Timestamp::from_nanos(row.get(1)?),
        actor: row.get(2)?,
        action: row.get(3)?,
        target: row.get(4)?,
        detail: row.get(5)?,
        previous: row.get(6)?,
        hash: row.get(7)?,
    })
}
