//! Opaque values that must be exactly as old as the tallies: the last sample of a metric's series,
//! where a file that is followed stands, the state of an alert rule.
//!
//! They are written in the transaction that adds the tallies and moves the position, so that a
//! crash can neither repeat nor lose what was computed from them. What they mean is not known here.

use std::path::Path;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::{StoreError, sqlite};

/// The longest key of a value. Bytes; enough for a path or a name with a digest. Hash what is longer.
pub const VALUE_KEY_BYTES_MAX: usize = 1024;

/// The longest value. Bytes; the state of one thing, not of all: a commit rewrites it whole.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// A key and what is kept under it.
pub type KeptValue = (Vec<u8>, Vec<u8>);

/// Part of what is kept, so that a changed value, or one under another's key, is found.
fn checksum(key: &[u8], value: &[u8]) -> u32 {
    let length = crc32c::crc32c(&(key.len() as u64).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(length, key), value)
}

/// Keeps and forgets values, in order: the last word on a key counts.
pub(super) fn write(
    transaction: &Transaction<'_>,
    path: &Path,
    values: &[(Vec<u8>, Option<Vec<u8>>)],
) -> Result<(), StoreError> {
    if values.is_empty() {
        return Ok(());
    }
    let cannot = || sqlite::cannot("commit to", path);
    let mut keep = transaction
        .prepare(
            "INSERT INTO kept (key, value, checksum) VALUES (?1, ?2, ?3) ON CONFLICT (key)
             DO UPDATE SET value = excluded.value, checksum = excluded.checksum",
        )
        .map_err(cannot())?;
    let mut forget = transaction.prepare("DELETE FROM kept WHERE key = ?1").map_err(cannot())?;
    for (key, value) in values {
        StoreError::check_length("the key of a value", key.len(), VALUE_KEY_BYTES_MAX)?;
        match value {
            Some(value) => {
                StoreError::check_length("a value", value.len(), VALUE_BYTES_MAX)?;
                keep.execute(params![key, value, checksum(key, value)])
            }
            None => forget.execute([key]),
        }
        .map_err(cannot())?;
    }
    Ok(())
}

/// The value under `key`.
pub(super) fn one(
    transaction: &Transaction<'_>,
    path: &Path,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT value, checksum FROM kept WHERE key = ?1";
    let row: Option<(Vec<u8>, u32)> = transaction
        .query_row(sql, [key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(sqlite::cannot("read", path))?;
    row.map(|(value, sum)| checked(path, key, value, sum)).transpose()
}

/// Shows `each` the values whose keys begin with `prefix`, in the order of their keys' bytes.
pub(super) fn beginning(
    transaction: &Transaction<'_>,
    path: &Path,
    prefix: &[u8],
    mut each: impl FnMut(KeptValue),
) -> Result<(), StoreError> {
    let cannot = || sqlite::cannot("read", path);
    // A missing bound compares as unknown, so it is asked for by name.
    let sql = "SELECT key, value, checksum FROM kept
               WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) ORDER BY key";
    let mut statement = transaction.prepare(sql).map_err(cannot())?;
    let mut rows = statement.query(params![prefix, behind(prefix)]).map_err(cannot())?;
    while let Some(row) = rows.next().map_err(cannot())? {
        let read = || Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?, row.get(2)?));
        let (key, value, sum) = read().map_err(cannot())?;
        let value = checked(path, &key, value, sum)?;
        each((key, value));
    }
    Ok(())
}

/// The first key behind all that begin with `prefix`; `None` when there is none.
fn behind(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut bound = prefix[..=kept].to_vec();
    bound[kept] += 1;
    Some(bound)
}

fn checked(path: &Path, key: &[u8], value: Vec<u8>, sum: u32) -> Result<Vec<u8>, StoreError> {
    if checksum(key, &value) == sum {
        return Ok(value);
    }
    let key = key.escape_ascii().to_string();
    Err(StoreError::DamagedValue { path: path.to_owned(), key })
}
