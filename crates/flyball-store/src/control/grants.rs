//! Grants: which role somebody has, for one service or for all.

use flyball_model::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde_json::json;

use super::{Control, check_text};
use crate::StoreError;

/// That somebody has a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who: a subject of an identity provider, or an e-mail address. Compared byte by byte.
    pub subject: String,
    /// The one service that it is for; `None` for all. A subject has at most one role for each
    /// service and one for all.
    pub service: Option<String>,
    /// The role.
    pub role: String,
}

/// How the table says "all services"; no service has this name.
const ALL: &str = "";

impl Control {
    /// All grants, by subject; the one for all services before those for one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        let sql = "SELECT subject, service, role FROM grants ORDER BY subject, service";
        self.rows(sql, [], |row| {
            let service: String = row.get(1)?;
            let service = (service != ALL).then_some(service);
            Ok(Grant { subject: row.get(0)?, service, role: row.get(2)? })
        })
    }

    /// Gives somebody a role, in the place of the one that they had for the same service; records
    /// `grant.set`. `false`, and nothing recorded, when they had it already.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`StoreError::Invalid`] for an empty text, [`StoreError::TooLong`],
    /// [`StoreError::TooMany`]; [`StoreError::Sqlite`] when it cannot be written.
    pub fn set_grant(
        &mut self,
        grant: &Grant,
        actor: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let Grant { subject, service, role } = grant;
        check_text("the subject of a grant", subject)?;
        check_text("the role of a grant", role)?;
        service.iter().try_for_each(|service| check_text("the service of a grant", service))?;
        let key = [subject, service.as_deref().unwrap_or(ALL)];
        self.change(actor, at, |changing| {
            let find = "SELECT role FROM grants WHERE subject = ?1 AND service = ?2";
            let before: Option<String> = changing
                .transaction
                .query_row(find, key, |row| row.get(0))
                .optional()
                .map_err(changing.cannot())?;
            if before.as_ref() == Some(role) {
                return Ok(false);
            }
            let set = "INSERT INTO grants (subject, service, role) VALUES (?1, ?2, ?3)
                       ON CONFLICT (subject, service) DO UPDATE SET role = excluded.role";
            changing
                .transaction
                .execute(set, params![key[0], key[1], role])
                .map_err(changing.cannot())?;
            changing.check_count("grants", "SELECT count(*) FROM grants")?;
            let detail = json!({ "service": service, "role": role, "replaces": before });
            changing.record("grant.set", subject, &detail)?;
            Ok(true)
        })
    }

    /// Takes from somebody the role that they have for `service`, or the one for all (`None`);
    /// records `grant.remove`. `false`, and nothing recorded, when they have none.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`StoreError::Invalid`] for an empty service or actor,
    /// [`StoreError::TooLong`], [`StoreError::Sqlite`] when it cannot be written.
    pub fn remove_grant(
        &mut self,
        subject: &str,
        service: Option<&str>,
        actor: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        service.iter().try_for_each(|service| check_text("the service of a grant", service))?;
        self.change(actor, at, |changing| {
            let remove = "DELETE FROM grants WHERE subject = ?1 AND service = ?2 RETURNING role";
            let before: Option<String> = changing
                .transaction
                .query_row(remove, [subject, service.unwrap_or(ALL)], |row| row.get(0))
                .optional()
                .map_err(changing.cannot())?;
            let Some(role) = before else { return Ok(false) };
            changing.record(
                "grant.remove",
                subject,
                &json!({ "service": service, "role": role }),
            )?;
            Ok(true)
        })
    }
}
