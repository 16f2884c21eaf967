//! What other systems told of what happened elsewhere: records of several kinds, such as changes.
//!
//! A record is known by its kind and id, and is written anew whenever more is told of it; its number
//! says in which order records were first heard of. What a text means is the caller's business. Each
//! message is known by its system and name, so that one that comes again can be told from news.
//!
//! Of each kind the newest are kept within a [`RecordBound`]; the oldest make room for new ones.

use flyball_model::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;

use super::{Changing, Control, check_text, rows};
use crate::StoreError;

/// The longest text of one record. Bytes: thousands of commits with their times have less.
pub const RECORD_BYTES_MAX: usize = 4 << 20;

/// The most records that one question is answered with.
pub const RECORDS_PAGE_MAX: usize = 1_000;

/// The most messages that are known by name; the oldest are forgotten first. Years of a busy company.
pub const DELIVERIES_MAX: u32 = 500_000;

/// How much of one kind is kept, or asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordBound {
    /// How many records.
    pub rows: u32,
    /// How many bytes their texts have together. The newest record is kept whatever its size.
    pub bytes: u64,
}

/// A record to keep in the place of the one of its kind and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// What it is of.
    pub kind: &'static str,
    /// What it is known by.
    pub id: String,
    /// Whose it is; `None` when nobody said.
    pub service: Option<String>,
    /// The moment that it is about, by which [`Noting::near`] finds it.
    pub at: Timestamp,
    /// What is known, opaque; at most [`RECORD_BYTES_MAX`].
    pub text: String,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// In which order records were first heard of; a number is never used twice.
    pub number: u64,
    /// What it is known by.
    pub id: String,
    /// What is known.
    pub text: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The system that sent it.
    pub system: String,
    /// What the system knows it by.
    pub name: String,
    /// SHA-256 of what it said.
    pub hash: [u8; 32],
}

/// Whether a message came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It is new, and is known from now on.
    New,
    /// The same came before.
    Again,
    /// One of this name that said something else came before.
    Otherwise,
}

/// Which records are asked for.
#[derive(Debug, Clone, Default)]
pub struct RecordFilter<'a> {
    /// Only those of these services; `None` for all, those of no service among them.
    pub services: Option<&'a [String]>,
    /// Only those with a smaller number.
    pub before: Option<u64>,
    /// At most so many, and at most [`RECORDS_PAGE_MAX`].
    pub limit: usize,
}

/// A message being noted: all of it is kept, or nothing.
pub struct Noting<'a>(pub(super) &'a Changing<'a>);

impl std::fmt::Debug for Noting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Noting").field("actor", &self.0.actor).finish_non_exhaustive()
    }
}

impl Control {
    /// Does `work` as one transaction of `actor`, on disk when this returns.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. What `work` answers; [`StoreError::Invalid`] for an empty actor,
    /// [`StoreError::TooLong`]; [`StoreError::Sqlite`] when it cannot be written.
    pub fn note<T, E: From<StoreError>>(
        &mut self,
        actor: &str,
        at: Timestamp,
        work: impl FnOnce(&Noting<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.change(actor, at, |changing| work(&Noting(changing)))
    }

    /// The record of `kind` called `id`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn record(&self, kind: &str, id: &str) -> Result<Option<Record>, StoreError> {
        let sql = "SELECT number, id, text FROM records WHERE kind = ?1 AND id = ?2";
        let found = self.connection.query_row(sql, [kind, id], record).optional();
        found.map_err(self.cannot_read())
    }

    /// The records of `kind` that are asked for, the newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn records(
        &self,
        kind: &str,
        filter: &RecordFilter<'_>,
    ) -> Result<Vec<Record>, StoreError> {
        let before =
            filter.before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let limit = i64::try_from(filter.limit.min(RECORDS_PAGE_MAX)).unwrap_or(i64::MAX);
        let Some(services) = filter.services else {
            let sql = "SELECT number, id, text FROM records
                       WHERE kind = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3";
            return self.rows(sql, params![kind, before, limit], record);
        };
        let sql = "SELECT number, id, text FROM records
                   WHERE kind = ?1 AND number < ?2
                     AND service IN (SELECT value FROM json_each(?4))
                   ORDER BY number DESC LIMIT ?3";
        self.rows(sql, params![kind, before, limit, json!(services).to_string()], record)
    }

    /// The records of `kind`, and of `service` where one is named, that are about a moment from `from` to
    /// before `to`: the newest `limit` of them by these moments, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn records_about(
        &self,
        kind: &str,
        service: Option<&str>,
        (from, to): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (from, to) = (from.nanos(), to.nanos());
        let Some(service) = service else {
            let sql = "SELECT number, id, text FROM records
                       WHERE kind = ?1 AND at >= ?2 AND at < ?3
                       ORDER BY at DESC, number DESC LIMIT ?4";
            return self.rows(sql, params![kind, from, to, limit], record);
        };
        let sql = "SELECT number, id, text FROM records
                   WHERE kind = ?1 AND at >= ?2 AND at < ?3 AND service = ?5
                   ORDER BY at DESC, number DESC LIMIT ?4";
        self.rows(sql, params![kind, from, to, limit, service], record)
    }

    /// The records of `kind` and of `services` that are about a moment from `from` to before `to`, those of the
    /// latest moment first, as many as `most` allows; and whether these are all.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn records_of(
        &self,
        kind: &str,
        services: &[String],
        (from, to): (Timestamp, Timestamp),
        most: RecordBound,
    ) -> Result<(Vec<Record>, bool), StoreError> {
        let sql = "SELECT number, id, text FROM records
                   WHERE kind = ?1 AND service IN (SELECT value FROM json_each(?2))
                     AND at >= ?3 AND at < ?4
                   ORDER BY at DESC, number DESC";
        let cannot = || self.cannot_read();
        let mut statement = self.connection.prepare(sql).map_err(cannot())?;
        let values = params![kind, json!(services).to_string(), from.nanos(), to.nanos()];
        let mut rows = statement.query(values).map_err(cannot())?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(cannot())? {
            let record = record(row).map_err(cannot())?;
            bytes += record.text.len() as u64;
            if found.len() as u64 >= u64::from(most.rows) || bytes > most.bytes {
                return Ok((found, false));
            }
            found.push(record);
        }
        Ok((found, true))
    }

    /// The services that records of `kind` are of, in the order of their names, at most `limit` of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn record_services(&self, kind: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT service FROM records
                   WHERE kind = ?1 AND service IS NOT NULL ORDER BY service LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.rows(sql, params![kind, limit], |row| row.get(0))
    }

    /// How many records of `kind` there are, and how many bytes their texts have.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn record_total(&self, kind: &str) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT rows, bytes FROM record_totals WHERE kind = ?1";
        let read = |row: &Row<'_>| {
            let (rows, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((rows.cast_unsigned(), bytes.cast_unsigned()))
        };
        let found = self.connection.query_row(sql, [kind], read).optional();
        Ok(found.map_err(self.cannot_read())?.unwrap_or_default())
    }
}

impl Noting<'_> {
    /// Does `work` as `actor` in the same transaction: what several did at the same time is on disk at once.
    ///
    /// # Errors
    ///
    /// What `work` answers; [`StoreError::Invalid`] for an empty actor, [`StoreError::TooLong`].
    pub fn by<T, E: From<StoreError>>(
        &self,
        actor: &str,
        at: Timestamp,
        work: impl FnOnce(&Noting<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        check_text("an actor", actor)?;
        let Changing { transaction, path, .. } = *self.0;
        work(&Noting(&Changing { transaction, path, actor, at }))
    }

    /// Notes that a message came; the oldest of more than [`DELIVERIES_MAX`] is forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] for an empty text, [`StoreError::TooLong`]; [`StoreError::Sqlite`].
    pub fn deliver(&self, delivery: &Delivery) -> Result<Delivered, StoreError> {
        let Delivery { system, name, hash } = delivery;
        check_text("the system of a message", system)?;
        check_text("the name of a message", name)?;
        let changing = self.0;
        let known = "SELECT hash FROM deliveries WHERE system = ?1 AND name = ?2";
        let known: Option<[u8; 32]> = changing.find(known, [system, name], |row| row.get(0))?;
        if let Some(known) = known {
            return Ok(if known == *hash { Delivered::Again } else { Delivered::Otherwise });
        }
        let add = "INSERT INTO deliveries (system, name, hash, at) VALUES (?1, ?2, ?3, ?4)";
        let values = params![system, name, hash, changing.at.nanos()];
        changing.execute(add, values)?;
        let forget = "DELETE FROM deliveries WHERE number <= ?1 - ?2";
        let last = changing.transaction.last_insert_rowid();
        changing.execute(forget, params![last, DELIVERIES_MAX])?;
        Ok(Delivered::New)
    }

    /// The record of `kind` called `id`, as it is in this transaction; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn record(&self, kind: &str, id: &str) -> Result<Option<Record>, StoreError> {
        let sql = "SELECT number, id, text FROM records WHERE kind = ?1 AND id = ?2";
        self.0.find(sql, [kind, id], record)
    }

    /// The records of `kind` and `service` that are about a moment from `from` to before `to`, in the
    /// order of these moments, at most `limit` of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn near(
        &self,
        kind: &str,
        service: &str,
        (from, to): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let sql = "SELECT number, id, text FROM records
                   WHERE kind = ?1 AND service = ?2 AND at >= ?3 AND at < ?4
                   ORDER BY at, number LIMIT ?5";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = params![kind, service, from.nanos(), to.nanos(), limit];
        rows(self.0.transaction, sql, values, record).map_err(self.0.cannot())
    }

    /// As [`Self::near`], the newest `limit` of them by these moments, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn near_last(
        &self,
        kind: &str,
        service: &str,
        (from, to): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let sql = "SELECT number, id, text FROM records
                   WHERE kind = ?1 AND service = ?2 AND at >= ?3 AND at < ?4
                   ORDER BY at DESC, number DESC LIMIT ?5";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = params![kind, service, from.nanos(), to.nanos(), limit];
        rows(self.0.transaction, sql, values, record).map_err(self.0.cannot())
    }

    /// Keeps `new`, and as much of its kind as `bound` allows; records `action` unless that is `None`,
    /// with `detail`. Answers its number, and how many of the oldest made room.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] for an empty text, [`StoreError::TooLong`]; [`StoreError::Sqlite`].
    pub fn keep(
        &self,
        new: &NewRecord,
        bound: RecordBound,
        audited: Option<(&str, &serde_json::Value)>,
    ) -> Result<(u64, usize), StoreError> {
        let NewRecord { kind, id, service, at, text } = new;
        check_text("the id of a record", id)?;
        service.iter().try_for_each(|service| check_text("the service of a record", service))?;
        if text.len() > RECORD_BYTES_MAX {
            let (what, length) = ("the text of a record", text.len());
            return Err(StoreError::TooLong {
                what,
                length,
                unit: "bytes",
                most: RECORD_BYTES_MAX,
            });
        }
        let changing = self.0;
        let bytes = i64::try_from(text.len()).unwrap_or(i64::MAX);
        // Each statement changes one row and has no trigger: of others SQLite copies every page that they touch, so
        // that it could take back half of one.
        let known = "SELECT number, bytes FROM records WHERE kind = ?1 AND id = ?2";
        let known: Option<(i64, i64)> =
            changing.find(known, [*kind, id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let number = if let Some((number, before)) = known {
            let set = "UPDATE records SET service = ?2, at = ?3, bytes = ?4, text = ?5
                       WHERE number = ?1";
            changing.execute(set, params![number, service, at.nanos(), bytes, text])?;
            self.add_to_total(kind, 0, bytes - before)?;
            number
        } else {
            let add = "INSERT INTO records (kind, id, service, at, bytes, text)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            changing.execute(add, params![kind, id, service, at.nanos(), bytes, text])?;
            let number = changing.transaction.last_insert_rowid();
            self.add_to_total(kind, 1, bytes)?;
            number
        };
        let forgotten = self.make_room(kind, bound, number)?;
        if let Some((action, detail)) = audited {
            changing.record(action, id, detail)?;
        }
        Ok((number.cast_unsigned(), forgotten))
    }

    /// Removes the oldest records of `kind` but `newest` until the rest fits `bound`.
    fn make_room(&self, kind: &str, bound: RecordBound, newest: i64) -> Result<usize, StoreError> {
        let total = "SELECT rows > ?2 OR bytes > ?3 FROM record_totals WHERE kind = ?1";
        let bytes = i64::try_from(bound.bytes).unwrap_or(i64::MAX);
        let oldest = "SELECT number, bytes FROM records WHERE kind = ?1 AND number != ?2
                      ORDER BY number LIMIT 1";
        let mut forgotten = 0;
        loop {
            let is_over: Option<bool> =
                self.0.find(total, params![kind, bound.rows, bytes], |row| row.get(0))?;
            if is_over != Some(true) {
                return Ok(forgotten);
            }
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let oldest: Option<(i64, i64)> = self.0.find(oldest, params![kind, newest], read)?;
            let Some((number, bytes)) = oldest else { return Ok(forgotten) };
            self.0.execute("DELETE FROM records WHERE number = ?1", [number])?;
            self.add_to_total(kind, -1, -bytes)?;
            forgotten += 1;
        }
    }

    /// Adds to how many records of `kind` there are, and how many bytes their texts have.
    fn add_to_total(&self, kind: &str, rows: i64, bytes: i64) -> Result<(), StoreError> {
        let set = "UPDATE record_totals SET rows = rows + ?2, bytes = bytes + ?3 WHERE kind = ?1";
        if self.0.execute(set, params![kind, rows, bytes])? == 0 {
            let add = "INSERT INTO record_totals (kind, rows, bytes) VALUES (?1, ?2, ?3)";
            self.0.execute(add, params![kind, rows, bytes])?;
        }
        Ok(())
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let number: i64 = row.get(0)?;
    Ok(Record { number: number.cast_unsigned(), id: row.get(1)?, text: row.get(2)? })
}
