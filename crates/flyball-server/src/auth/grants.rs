//! Granting roles to people, and taking them away.
//!
//! The same for a server's routes and for a command beside a server that does not run.

use std::path::Path;

use flyball_govern::policy::Role as Function;
use flyball_model::Timestamp;
use flyball_store::{Control, Grant};
use utoipa::ToSchema;

use super::functions;
use super::role::Role;
use super::tokens::{ControlError, blame};
use super::who::Who;
use crate::control::SharedControl;

/// How a grant says that it is for all services.
const ALL: &str = "*";

/// That somebody has a role.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantInfo {
    /// Who: `person:` and the provider's `sub`, `email:` and a verified address, or `group:` and a
    /// name of the claim that holds groups.
    #[schema(
        max_length = 1024,
        pattern = r"^((person|group):[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?|email:([^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*)?@([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?)$"
    )]
    pub who: String,
    /// The service that it is for; `*` for all.
    #[schema(min_length = 1, max_length = 1024)]
    pub service: String,
    /// What they may do there.
    pub role: Role,
    /// The functions in the company that they act in there, such as `security`: one that is granted to somebody is
    /// nobody else's.
    #[serde(rename = "as", default)]
    #[schema(value_type = Vec<String>, max_items = 256)]
    pub functions: Vec<Function>,
}

/// The grants of a server.
#[derive(Debug, Clone)]
pub struct Grants(SharedControl);

impl Grants {
    /// Those of the data directory at `path`, which no server uses at the moment. The directory is
    /// made where it is not there yet.
    ///
    /// # Errors
    ///
    /// [`ControlError::Store`]; with `StoreError::Locked` inside while a server runs.
    pub fn open(path: &Path) -> Result<Self, ControlError> {
        Ok(Self(SharedControl::new(Control::open_alone(path)?)))
    }

    pub(crate) const fn of(control: SharedControl) -> Self {
        Self(control)
    }

    /// All grants, by whom they are for. Roles of a newer version are left out.
    ///
    /// # Errors
    ///
    /// [`ControlError::Store`].
    pub fn list(&self) -> Result<Vec<GrantInfo>, ControlError> {
        let info = |Grant { subject, service, role, functions }| {
            let (service, role) = (service.unwrap_or_else(|| ALL.to_owned()), Role::named(&role)?);
            let functions = functions::read(&functions);
            Some(GrantInfo { who: subject, service, role, functions })
        };
        Ok(self.0.lock().grants()?.into_iter().filter_map(info).collect())
    }

    /// Grants a role, and functions with it, in the place of the one that was granted to the same for the same service.
    /// `false` when they had it already.
    ///
    /// # Errors
    ///
    /// [`ControlError::Invalid`] for what cannot be granted; nothing was changed then.
    pub fn add(&self, grant: &GrantInfo, actor: &str, at: Timestamp) -> Result<bool, ControlError> {
        let GrantInfo { who, service, role, functions } = grant;
        if *role == Role::Admin && service != ALL {
            let said = "an admin is one for all services; hint: they could grant themselves any \
                        other, so grant admin for `*`, or sre for the service";
            return Err(ControlError::Invalid(said.to_owned()));
        }
        if !functions.is_empty() && *role == Role::Viewer {
            let said = "a viewer does nothing as a function; hint: grant developer, owner or more";
            return Err(ControlError::Invalid(said.to_owned()));
        }
        if let Some(fault) = functions::fault(functions) {
            return Err(ControlError::Invalid(fault));
        }
        let role = role.name().to_owned();
        let functions = functions.iter().map(ToString::to_string).collect();
        let grant = Grant { subject: read(who)?, service: of_one(service), role, functions };
        self.0.lock().set_grant(&grant, actor, at).map_err(blame)
    }

    /// Takes a role away. `false` when there is none to take.
    ///
    /// # Errors
    ///
    /// [`ControlError::Invalid`] for what could not be granted; nothing was changed then.
    pub fn remove(
        &self,
        who: &str,
        service: &str,
        actor: &str,
        at: Timestamp,
    ) -> Result<bool, ControlError> {
        let (who, service) = (read(who)?, of_one(service));
        self.0.lock().remove_grant(&who, service.as_deref(), actor, at).map_err(blame)
    }
}

/// Who is meant, in the form that is kept.
fn read(who: &str) -> Result<String, ControlError> {
    let who: Who = who.parse().map_err(|error| ControlError::Invalid(format!("{error}")))?;
    Ok(who.to_string())
}

/// The one service that is meant; `None` for all.
fn of_one(service: &str) -> Option<String> {
    (service != ALL).then(|| service.to_owned())
}
