//! What a token may be used for.

use std::fmt;

use utoipa::ToSchema;

/// What a token may be used for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// To send telemetry, and alerts of other systems.
    Ingest,
    /// To read budgets, and what the server says of itself.
    Read,
    /// To change definitions, to take alerts on and silence them, and to ask whether a change may ship.
    Deploy,
    /// Everything, tokens and the audit log among it.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Read, Self::Deploy, Self::Admin];

    /// Its name in requests, documents and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::Admin => "admin",
        }
    }

    /// The scope called `name`; `None` for another word.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// Whether who has this scope may do what asks for `needed`: admin means all.
    pub const fn allows(self, needed: Self) -> bool {
        matches!(self, Self::Admin) || self as u8 == needed as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
