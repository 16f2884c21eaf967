//! Probes: checks made from outside, for services that say nothing of themselves.

use crate::time::Duration;

/// A check that is made again and again; each time is one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `metadata.name`: its identity.
    pub name: String,
    /// The service that is checked.
    pub service: String,
    /// From the beginning of one check to that of the next.
    pub every: Duration,
    /// How long a check may take before it has failed.
    pub timeout: Duration,
    /// What is checked.
    pub check: Check,
}

/// What a probe checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// A request is answered.
    Http {
        /// What is asked for. A redirect is an answer, and is not followed.
        url: String,
        /// How it is asked for.
        method: String,
        /// The statuses that are a success; empty for 200 to 399.
        statuses: Vec<u16>,
    },
    /// A connection is accepted.
    Tcp {
        /// Host and port.
        address: String,
    },
    /// The certificate will be valid for a while.
    TlsExpiry {
        /// Host and port.
        address: String,
        /// For how long it must be valid yet.
        at_least: Duration,
    },
}

impl Check {
    /// The kind in one word, as events say it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Tcp { .. } => "tcp",
            Self::TlsExpiry { .. } => "tls",
        }
    }
}
