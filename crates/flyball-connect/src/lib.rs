//! What other systems say, as nouns of Flyball: a message in, [`Report`]s out.
//!
//! One module a format. A format is given the headers and the body of a request and the settings of
//! the hook that it came to; what it answers is pure, so that a message that comes again is read
//! alike. Nothing here listens, sends or reads a clock: `received` comes in with the [`Hook`].
//!
//! Two things are never the same: the *delivery*, by which a message is known when it comes a second
//! time, and the *id* of what it speaks of, which many messages share. A message that is understood
//! and speaks of nothing that is kept is answered with [`Report::Ignored`] and why; only what cannot
//! be understood is an error, with the field and what to do.

mod alerts;
mod argocd;
mod cdevents;
mod cloudevents;
mod devlake;
pub mod drill;
mod error;
mod fields;
mod flux;
mod gates;
mod github;
mod gitlab;
mod headers;
pub mod notify;
pub mod oncall;
mod own;
pub mod restore;
mod signature;

pub use alerts::{FORWARDED_TIMEOUT, RESOLVE_TIMEOUT, forwarded_alerts, posted_alerts};
pub use error::ConnectError;
pub use gates::{Asked, Protection, flagger_question, github_protection, opa_question};
pub use headers::Headers;
pub use own::AHEAD_MAX;
pub use signature::{SECRET_BYTES_MIN, Scheme, SignatureError, verify};

use flyball_model::{CHANGE_TEXT_BYTES_MAX, Change, Commit, Incident, Timestamp};

use crate::fields::Body;

/// The largest body that is read. GitHub, which sends the largest, cuts its own at 25 MiB, of which
/// only pushes of thousands of commits have more than this.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// The longest name of a delivery, which is kept with every change: room for a source and an id.
pub const DELIVERY_BYTES_MAX: usize = CHANGE_TEXT_BYTES_MAX;

/// The wire formats that are understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Flyball's own body.
    Own,
    /// CDEvents of 0.3 to 0.6, over CloudEvents in binary or structured mode, or bare.
    CdEvents,
    /// GitHub's webhooks: `deployment`, `deployment_status`, `push`, `workflow_run`.
    GitHub,
    /// GitLab's webhooks: deployments and pushes.
    GitLab,
    /// Argo CD's notifications, by the template that ships with Flyball.
    ArgoCd,
    /// Flux's events, as its providers `generic` and `generic-hmac` send them.
    Flux,
    /// The body of DevLake's incoming webhook for deployments.
    DevLakeDeployment,
    /// The body of DevLake's incoming webhook for issues, which are incidents.
    DevLakeIssue,
    /// DevLake's `issue/:key/close`, which has no body.
    DevLakeClose {
        /// The issue's key, as in the path.
        key: String,
    },
}

/// What is known of the hook that a message came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// When the message came.
    pub received: Timestamp,
    /// The service that the hook speaks for, whatever its messages call it.
    pub service: Option<String>,
    /// The environment of messages that name none; [`Hook::ENVIRONMENT`] where the hook says none.
    pub environment: String,
    /// For GitHub: the workflow that deploys, by name or path. Others are not changes.
    pub workflow: Option<String>,
}

impl Hook {
    /// The environment that a message is about when nobody says: who tells of changes tells of those
    /// that users meet.
    pub const ENVIRONMENT: &str = "production";

    /// A hook without settings.
    pub fn new(received: Timestamp) -> Self {
        let environment = Self::ENVIRONMENT.to_owned();
        Self { received, service: None, environment, workflow: None }
    }
}

/// What a message speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A change, or news of one: to be joined with what is known of it.
    Change(Box<Change>),
    /// An incident, or news of one.
    Incident(Box<Incident>),
    /// Commits that were pushed.
    Commits(Pushed),
    /// Nothing that is kept.
    Ignored {
        /// Why, and what would change it.
        reason: String,
    },
}

/// Commits that were pushed to a branch: what lead time is counted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The repository by its full name, as in `acme/shop`.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// The commit that the branch names afterwards.
    pub head: String,
    /// The commits, oldest first.
    pub commits: Vec<Commit>,
    /// How many commits the sender left out.
    pub left_out: u64,
}

/// A message that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The system that sent it.
    pub system: &'static str,
    /// What the message is known by when it comes again.
    pub delivery: String,
    /// What it speaks of; never empty.
    pub reports: Vec<Report>,
}

/// Reads one message.
///
/// Whether the sender is who it says is asked of [`verify`], before this.
///
/// # Errors
///
/// [`ConnectError`] when the message is not of the format.
pub fn read(
    format: &Format,
    headers: &Headers,
    body: &[u8],
    hook: &Hook,
) -> Result<Received, ConnectError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(ConnectError::Large { bytes: body.len() });
    }
    if let Format::DevLakeClose { key } = format {
        return devlake::close(key, hook);
    }
    let body = Body::parse(body)?;
    let received = match format {
        Format::Own => own::read(headers, &body, hook),
        Format::CdEvents => cdevents::read(headers, &body, hook),
        Format::GitHub => github::read(headers, &body, hook),
        Format::GitLab => gitlab::read(headers, &body, hook),
        Format::ArgoCd => argocd::read(headers, &body, hook),
        Format::Flux => flux::read(headers, &body, hook),
        Format::DevLakeDeployment => devlake::deployment(&body, hook),
        Format::DevLakeIssue | Format::DevLakeClose { .. } => devlake::issue(&body, hook),
    }?;
    if received.delivery.len() > DELIVERY_BYTES_MAX {
        return Err(ConnectError::Delivery { bytes: received.delivery.len() });
    }
    Ok(received)
}
