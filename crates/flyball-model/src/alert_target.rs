//! Who is told of alerts, and how.

use crate::alert::Severity;

/// The most services that one target names.
pub const TARGET_SERVICES_MAX: usize = 32;
/// The longest name of a service that a target names. Characters.
pub const TARGET_SERVICE_CHARS_MAX: usize = 256;
/// What the names of environment variables that hold secrets begin with: a document names its secrets
/// itself, and must not reach what else the server was started with.
pub const SECRET_PREFIX: &str = "FLYBALL_SECRET_";

/// Somebody, or a system, that is told of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertTarget {
    /// `metadata.name`: its identity.
    pub name: String,
    /// It is told of this severity and of graver ones.
    pub severity: Severity,
    /// The services that it is told of, at most [`TARGET_SERVICES_MAX`]; none for all.
    pub services: Vec<String>,
    /// Whether it is told when a silence ends.
    pub announces: bool,
    /// How it is told.
    pub via: AlertChannel,
}

/// Where a secret is found. It is never part of a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// In this environment variable, whose name begins with [`SECRET_PREFIX`].
    Env(String),
    /// In the file of this name, in the server's directory of secrets.
    File(String),
}

/// An address that may be a password in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// It is none.
    Plain(String),
    /// It is found like a secret.
    Secret(SecretRef),
}

/// How somebody is told of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertChannel {
    /// Alertmanager, by its API v2.
    Alertmanager {
        /// Its address, with the path that it is served under.
        url: String,
        /// A token that a proxy before it asks for.
        bearer: Option<SecretRef>,
    },
    /// A signed body of JSON.
    Webhook {
        /// Where it is sent.
        url: Address,
        /// What it is signed with.
        secret: SecretRef,
    },
    /// An incoming webhook as Slack has them.
    Slack {
        /// Where it is sent, which is a password in itself.
        url: SecretRef,
    },
    /// `PagerDuty`, by its Events API v2.
    PagerDuty {
        /// Where it is sent.
        url: String,
        /// The key of the integration.
        routing_key: SecretRef,
    },
    /// `GoAlert`, by its generic API.
    GoAlert {
        /// Its address.
        url: String,
        /// The token of the integration key.
        token: SecretRef,
    },
    /// Mail, by SMTP.
    Mail(Mailing),
}

/// How mail is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailing {
    /// The host that takes mail.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: MailEncryption,
    /// The user and where the password is found; without it nobody logs in.
    pub login: Option<(String, SecretRef)>,
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses; one at least.
    pub to: Vec<String>,
}

/// How a connection for mail is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailEncryption {
    /// From the first byte, as on port 465.
    Tls,
    /// After STARTTLS, without which nothing is sent, as on port 587.
    StartTls,
    /// Not at all: for a host that forwards mail on the same machine.
    None,
}

impl MailEncryption {
    /// The port that is usual.
    pub const fn port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}

impl AlertChannel {
    /// The kind in one word, as documents say it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Alertmanager { .. } => "alertmanager",
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "slack",
            Self::PagerDuty { .. } => "pagerDuty",
            Self::GoAlert { .. } => "goAlert",
            Self::Mail(_) => "mail",
        }
    }
}
