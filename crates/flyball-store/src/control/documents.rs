//! Documents: the texts that say which promises there are, as they were applied.

use std::collections::BTreeSet;

use flyball_model::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::records::Noting;
use super::{CONTROL_ROWS_MAX, Changing, Control, check_text};
use crate::{StoreError, hex};

/// The longest text of a document. Bytes; what Flyball reads of one file.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// A document as it was applied last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is, such as `SLO`. Kind and name together are unique.
    pub kind: String,
    /// Its name among those of its kind.
    pub name: String,
    /// Its text, as it was given.
    pub text: String,
    /// Where it came from, in the words of whoever applied it; may be empty.
    pub origin: String,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Who applied it.
    pub applied_by: String,
}

/// All documents at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    /// Goes up by one with every change to the set; 0 before the first.
    pub revision: u64,
    /// The documents by kind and name.
    pub documents: Vec<Document>,
}

/// A document to apply; see [`Document`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// What it is.
    pub kind: String,
    /// Its name among those of its kind.
    pub name: String,
    /// Its text; at most [`DOCUMENT_BYTES_MAX`] bytes.
    pub text: String,
    /// Where it comes from; may be empty.
    pub origin: String,
}

/// What to change in the set of documents, all at once. None may be named twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Documents that are new, or take the place of the one of the same kind and name. One whose
    /// text and origin are there already changes nothing.
    pub upserts: Vec<NewDocument>,
    /// Kinds and names of documents to remove. One that is not there changes nothing.
    pub removals: Vec<(String, String)>,
}

impl Control {
    /// All documents, and the revision that they are.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn documents(&self) -> Result<Documents, StoreError> {
        let sql = "SELECT kind, name, text, origin, applied_at, applied_by FROM documents
                   ORDER BY kind, name";
        let documents = self.rows(sql, [], |row| {
            Ok(Document {
                kind: row.get(0)?,
                name: row.get(1)?,
                text: row.get(2)?,
                origin: row.get(3)?,
                applied_at: Timestamp::from_nanos(row.get(4)?),
                applied_by: row.get(5)?,
            })
        })?;
        Ok(Documents { revision: self.revision()?, documents })
    }

    /// The revision that the documents are.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn revision(&self) -> Result<u64, StoreError> {
        let sql = "SELECT revision FROM control";
        let revision: i64 =
            self.connection.query_row(sql, [], |row| row.get(0)).map_err(self.cannot_read())?;
        // The table takes none below 0.
        Ok(revision.cast_unsigned())
    }

    /// Changes documents, all or none, and returns the revision that they are then: the one before
    /// when nothing was different. Records `document.apply` and `document.remove` for each one
    /// that was.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`StoreError::Invalid`] when a document is named twice, or a kind, a
    /// name or the actor is empty; [`StoreError::TooLong`], [`StoreError::TooMany`];
    /// [`StoreError::Sqlite`] when it cannot be written.
    pub fn apply(
        &mut self,
        change: &Change,
        actor: &str,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        self.apply_with(change, actor, at, |_| Ok(()))
    }

    /// As [`Self::apply`], and what `also` notes, in one transaction.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. Those of [`Self::apply`], and what `also` answers.
    pub fn apply_with(
        &mut self,
        change: &Change,
        actor: &str,
        at: Timestamp,
        also: impl FnOnce(&Noting<'_>) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        check(change)?;
        let revision = self.revision()?;
        self.change(actor, at, |changing| {
            also(&Noting(changing))?;
            let next = revision + 1;
            let mut changed = false;
            for (kind, name) in &change.removals {
                changed |= remove(changing, kind, name, next)?;
            }
            for document in &change.upserts {
                changed |= upsert(changing, document, next)?;
            }
            if !changed {
                return Ok(revision);
            }
            changing.check_count("documents", "SELECT count(*) FROM documents")?;
            let sql = "UPDATE control SET revision = ?1";
            changing.transaction.execute(sql, [next.cast_signed()]).map_err(changing.cannot())?;
            Ok(next)
        })
    }
}

/// Refuses a change that cannot be meant, before anything is looked at.
fn check(change: &Change) -> Result<(), StoreError> {
    if change.upserts.len() + change.removals.len() > CONTROL_ROWS_MAX {
        return Err(StoreError::TooMany { what: "documents", most: CONTROL_ROWS_MAX });
    }
    let mut named = BTreeSet::new();
    let upserts = change.upserts.iter().map(|document| (&document.kind, &document.name));
    let removals = change.removals.iter().map(|(kind, name)| (kind, name));
    for (kind, name) in upserts.chain(removals) {
        check_text("the kind of a document", kind)?;
        check_text("the name of a document", name)?;
        if !named.insert((kind, name)) {
            let value = target(kind, name);
            let why = "is named twice in one change";
            return Err(StoreError::Invalid { what: "the document", value, why });
        }
    }
    for NewDocument { text, origin, .. } in &change.upserts {
        StoreError::check_length("a document", text.len(), DOCUMENT_BYTES_MAX)?;
        if !origin.is_empty() {
            check_text("the origin of a document", origin)?;
        }
    }
    Ok(())
}

fn target(kind: &str, name: &str) -> String {
    format!("{kind}/{name}")
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// The text and origin of a document that is there.
fn present(
    changing: &Changing<'_>,
    kind: &str,
    name: &str,
) -> Result<Option<(String, String)>, StoreError> {
    let sql = "SELECT text, origin FROM documents WHERE kind = ?1 AND name = ?2";
    changing
        .transaction
        .query_row(sql, [kind, name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(changing.cannot())
}

/// Whether that made a difference.
fn upsert(
    changing: &Changing<'_>,
    document: &NewDocument,
    revision: u64,
) -> Result<bool, StoreError> {
    let NewDocument { kind, name, text, origin } = document;
    let before = present(changing, kind, name)?;
    if before.as_ref().is_some_and(|before| (&before.0, &before.1) == (text, origin)) {
        return Ok(false);
    }
    let sql = "INSERT INTO documents (kind, name, text, origin, applied_at, applied_by)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (kind, name) DO UPDATE SET
               text = excluded.text, origin = excluded.origin,
               applied_at = excluded.applied_at, applied_by = excluded.applied_by";
    let values = params![kind, name, text, origin, changing.at.nanos(), changing.actor];
    changing.transaction.execute(sql, values).map_err(changing.cannot())?;
    let detail = json!({
        "revision": revision,
        "origin": origin,
        "bytes": text.len(),
        "sha256": digest(text),
        "replaces": before.map(|(text, _)| digest(&text)),
    });
    changing.record("document.apply", &target(kind, name), &detail)?;
    Ok(true)
}

/// Whether it was there.
fn remove(
    changing: &Changing<'_>,
    kind: &str,
    name: &str,
    revision: u64,
) -> Result<bool, StoreError> {
    let Some((text, origin)) = present(changing, kind, name)? else { return Ok(false) };
    let sql = "DELETE FROM documents WHERE kind = ?1 AND name = ?2";
    changing.transaction.execute(sql, [kind, name]).map_err(changing.cannot())?;
    let detail = json!({ "revision": revision, "origin": origin, "sha256": digest(&text) });
    changing.record("document.remove", &target(kind, name), &detail)?;
    Ok(true)
}
