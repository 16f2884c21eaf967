//! Who asks for a change, in the words of the audit log.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Whoever is recorded where nobody has said who they are.
const ANONYMOUS: &str = "anonymous";

/// Who a request comes from. Whoever authenticates requests puts one into their extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// An actor of this name, such as `token:ci`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name that is recorded.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Default for Actor {
    /// Nobody in particular.
    fn default() -> Self {
        Self::new(ANONYMOUS)
    }
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
