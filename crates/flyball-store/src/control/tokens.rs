//! Tokens: what a machine shows to be let in. Their secrets are not here, only the digests.

use flyball_model::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;

use super::grants::check_functions;
use super::{Control, TOKEN_LIST_MAX, check_text, list};
use crate::StoreError;

/// A token, revoked and expired ones too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is called by in lists and logs; public.
    pub id: String,
    /// What people call it; need not be unique.
    pub name: String,
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// The services that it may be used for; empty for all.
    pub services: Vec<String>,
    /// The role that it acts in, where it has one.
    pub role: Option<String>,
    /// The functions in the company that it acts in.
    pub functions: Vec<String>,
    /// Whose it is, [`super::Person::id`]: it may do no more than they may. `None` for a token of its
    /// own.
    pub person: Option<i64>,
    /// Who made it, [`super::Person::id`], by a session or with another token that they made. `None`
    /// where no person did.
    pub made_by: Option<i64>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is no longer to be taken; `None` for never.
    pub expires: Option<Timestamp>,
    /// When it was revoked; `None` while it is not.
    pub revoked_at: Option<Timestamp>,
}

/// A token to make; see [`Token`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What it is called by; unique, also among revoked ones.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// SHA-256 of its secret; unique.
    pub hash: [u8; 32],
    /// What it may be used for; at most [`TOKEN_LIST_MAX`].
    pub scopes: Vec<String>,
    /// The services that it may be used for, at most [`TOKEN_LIST_MAX`]; empty for all.
    pub services: Vec<String>,
    /// The role that it acts in, where it has one.
    pub role: Option<String>,
    /// The functions in the company that it acts in; at most [`TOKEN_LIST_MAX`].
    pub functions: Vec<String>,
    /// Whose it is, [`super::Person::id`]: it may do no more than they may. `None` for a token of its
    /// own.
    pub person: Option<i64>,
    /// Who made it, [`super::Person::id`], by a session or with another token that they made. `None`
    /// where no person did.
    pub made_by: Option<i64>,
    /// From when on it is no longer to be taken; `None` for never.
    pub expires: Option<Timestamp>,
}

const COLUMNS: &str = "id, name, hash, scopes, services, role, created, expires, revoked_at, person, made_by, functions";

impl Control {
    /// Makes a token; records `token.create`.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`StoreError::Exists`] when its id or digest is used already, by a
    /// revoked one too; [`StoreError::Invalid`] for an empty text, [`StoreError::TooLong`],
    /// [`StoreError::TooMany`]; [`StoreError::Sqlite`] when it cannot be written.
    pub fn insert_token(
        &mut self,
        token: &NewToken,
        actor: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let NewToken {
            id,
            name,
            hash,
            scopes,
            services,
            role,
            functions,
            person,
            made_by,
            expires,
        } = token;
        check_text("the id of a token", id)?;
        check_text("the name of a token", name)?;
        for (what, list) in [("a scope", scopes), ("a service", services)] {
            if list.len() > TOKEN_LIST_MAX {
                let what = "scopes or services of one token";
                return Err(StoreError::TooMany { what, most: TOKEN_LIST_MAX });
            }
            list.iter().try_for_each(|text| check_text(what, text))?;
        }
        role.iter().try_for_each(|role| check_text("a role", role))?;
        check_functions("functions of one token", functions)?;
        let expires = expires.map(Timestamp::nanos);
        self.change(actor, at, |changing| {
            let sql =
                "INSERT INTO tokens (id, name, hash, scopes, services, role, created, expires,
                           person, made_by, functions)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING";
            let (scope_list, service_list) =
                (json!(scopes).to_string(), json!(services).to_string());
            let created = at.nanos();
            let values = params![
                id,
                name,
                hash,
                scope_list,
                service_list,
                role,
                created,
                expires,
                person,
                made_by,
                json!(functions).to_string()
            ];
            if changing.transaction.execute(sql, values).map_err(changing.cannot())? == 0 {
                return Err(StoreError::Exists { what: "token", name: id.clone() });
            }
            changing.check_count("tokens", "SELECT count(*) FROM tokens")?;
            let detail = json!({
                "name": name,
                "scopes": scopes,
                "services": services,
                "role": role,
                "as": functions,
                "person": person,
                "made_by": made_by,
                "expires": expires,
            });
            changing.record("token.create", id, &detail)
        })
    }

    /// All tokens, the oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when they cannot be read.
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM tokens ORDER BY created, id");
        self.rows(&sql, [], token)
    }

    /// The token whose secret has this SHA-256, revoked or expired or neither: whether it lets
    /// anybody in is the caller's to decide. `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] when it cannot be read.
    pub fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM tokens WHERE hash = ?1");
        self.connection.query_row(&sql, [hash], token).optional().map_err(self.cannot_read())
    }

    /// Revokes a token for good; records `token.revoke`. `false`, and nothing recorded, when it was
    /// revoked before or is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] for an empty actor, [`StoreError::TooLong`], [`StoreError::Sqlite`]
    /// when it cannot be written; nothing was changed then.
    pub fn revoke_token(
        &mut self,
        id: &str,
        actor: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.change(actor, at, |changing| {
            let sql = "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
            let values = params![id, at.nanos()];
            if changing.transaction.execute(sql, values).map_err(changing.cannot())? == 0 {
                return Ok(false);
            }
            changing.record("token.revoke", id, &json!({}))?;
            Ok(true)
        })
    }
}

/// A token from a row of [`COLUMNS`].
fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        hash: row.get(2)?,
        scopes: list(row, 3)?,
        services: list(row, 4)?,
        role: row.get(5)?,
        created: Timestamp::from_nanos(row.get(6)?),
        expires: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_nanos),
        revoked_at: row.get::<_, Option<i64>>(8)?.map(Timestamp::from_nanos),
        person: row.get(9)?,
        made_by: row.get(10)?,
        functions: list(row, 11)?,
    })
}
