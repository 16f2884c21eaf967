//! Who may do what: tokens, what they are for, and how much they may ask.
//!
//! A token is shown once and kept as a digest. Once there is any token, also a revoked one, every
//! request must show one that has the scope of its route; before, everything is open, and the
//! server listens to its own machine only. [`Gate`] decides, [`Tokens`] makes, lists and revokes.

mod gate;
mod rate;
mod scope;
mod secret;
mod tokens;

pub(crate) use gate::{Caller, Denied, Gate};
pub use rate::Rates;
pub use scope::Scope;
pub use tokens::{
    AuditPage, AuditVerdict, MadeToken, RecordedChange, TokenError, TokenInfo, TokenRequest, Tokens,
};
