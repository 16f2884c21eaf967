//! Grants: which role somebody has, for one service or for all.

use flyball_model::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde_json::json;

use super::{Control, TOKEN_LIST_MAX, check_text, list};
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
    /// The functions in the company that they act in there; at most [`TOKEN_LIST_MAX`].
    pub functions: Vec<String>,
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
        let sql = "SELECT subject, service, role, functions FROM grants ORDER BY subject, service";
        self.rows(sql, [], |row| {
            let service: String = row.get(1)?;
            let service = (service != ALL).then_some(service);
            Ok(Grant { subject: row.get(0)?, service, role: row.get(2)?, functions: list(row, 3)? })
        })
    }

    /// Gives somebody a role and functions, in the place of those that they had for the same service; records
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
        let Grant { subject, service, role, functions } = grant;
        check_text("the subject of a grant", subject)?;
        check_text("the role of a grant", role)?;
        check_functions("functions of one grant", functions)?;
        service.iter().try_for_each(|service| check_text("the service of a grant", service))?;
        let key = [subject, service.as_deref().unwrap_or(ALL)];
        self.change(actor, at, |changing| {
            let find = "SELECT role, functions FROM grants WHERE subject = ?1 AND service = ?2";
            let before: Option<(String, Vec<String>)> = changing
                .transaction
                .query_row(find, key, |row| Ok((row.get(0)?, list(row, 1)?)))
                .optional()
                .map_err(changing.cannot())?;
            if before.as_ref().is_some_and(|(had, acted)| had == role && acted == functions) {
                return Ok(false);
            }
            let set =
                "INSERT INTO grants (subject, service, role, functions) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT (subject, service) DO UPDATE SET role = excluded.role,
                           functions = excluded.functions";
            changing
                .transaction
                .execute(set, params![key[0], key[1], role, json!(functions).to_string()])
                .map_err(changing.cannot())?;
            changing.check_count("grants", "SELECT count(*) FROM grants")?;
            let (replaces, acted) = before.unzip();
            let mut detail = json!({
                "service": service, "role": role, "as": functions, "replaces": replaces,
            });
            if let Some(acted) = acted {
                detail["replaces_as"] = json!(acted);
            }
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
            let remove =
                "DELETE FROM grants WHERE subject = ?1 AND service = ?2 RETURNING role, functions";
            let before: Option<(String, Vec<String>)> = changing
                .transaction
                .query_row(remove, [subject, service.unwrap_or(ALL)], |row| {
                    Ok((row.get(0)?, list(row, 1)?))
                })
                .optional()
                .map_err(changing.cannot())?;
            let Some((role, functions)) = before else { return Ok(false) };
            let detail = json!({ "service": service, "role": role, "as": functions });
            changing.record("grant.remove", subject, &detail)?;
            Ok(true)
        })
    }
}

/// Refuses more functions than are kept, and such as are no text.
pub(super) fn check_functions(what: &'static str, functions: &[String]) -> Result<(), StoreError> {
    if functions.len() > TOKEN_LIST_MAX {
        return Err(StoreError::TooMany { what, most: TOKEN_LIST_MAX });
    }
    functions.iter().try_for_each(|function| check_text("a function", function))
}
