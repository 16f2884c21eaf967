//! Who may do what: tokens, people and their roles, and how much they may ask.
//!
//! A token is shown once and kept as a digest, and so is a session of somebody who has logged in. Once
//! there is any token, also a revoked one, or people can log in, every request must show one or the
//! other that may do what its route needs; before, everything is open, and the server listens to its
//! own machine only. [`Gate`] decides; [`Tokens`], [`Grants`] and [`Sessions`] change what it goes by.
//! How people log in is [`crate::login`]'s.

mod caller;
mod functions;
mod gate;
mod grants;
mod rate;
mod role;
mod scope;
mod secret;
mod sessions;
mod tokens;
mod who;

pub(crate) use caller::Caller;
pub(crate) use functions::{Functions, NotHeld};
pub(crate) use gate::{Denied, Gate, Needs, People, Shown};
pub use grants::{GrantInfo, Grants};
pub use rate::Rates;
pub use role::Role;
pub use scope::Scope;
pub(crate) use sessions::{Expelled, LIFE, SessionInfo, Sessions};
pub use tokens::{
    AuditPage, AuditVerdict, ControlError, MadeToken, RecordedChange, TokenInfo, TokenRequest,
    Tokens,
};
pub use who::{Who, WhoError};
