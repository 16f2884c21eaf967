//! Logs that grow, are rotated, and are cut: every whole line is read once.
//!
//! A file is known by its device, its inode and its first bytes, never by its name. A log that is
//! renamed is read to its end, as its writer may go on for a while; then the one that took its name
//! is read from its beginning. Whenever another file has the log's name, those that had it in between
//! are looked for among its neighbours ([`rotated`]), so that it does not matter how often a log is
//! rotated while nobody looks. What was compressed, deleted or cut before it was read is told.

mod follow;
mod position;
mod rotated;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Context;
use crate::decode::log_codec;
use crate::entry::{Compression, Content, Mark};
use crate::intake::Offer;
use follow::Follow;

/// How often a log is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A log to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The log's path; the file may come later.
    pub path: PathBuf,
    /// What its lines are, as `flyball replay --format` names it.
    pub format: String,
    /// The service of lines that name none.
    pub service: Option<String>,
}

/// A log that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TailError {
    /// The option is not in the form `PATH;format=NAME;service=NAME`.
    #[error("`{0}` is no option of a log\nhint: write PATH;format=combined;service=NAME")]
    Option(String),
    /// The format cannot be used.
    #[error("{0}")]
    Format(String),
}

impl std::str::FromStr for Tail {
    type Err = TailError;

    /// Reads `PATH;format=NAME;service=NAME`. The format is `combined` unless told.
    fn from_str(text: &str) -> Result<Self, TailError> {
        let mut parts = text.split(';');
        let path = PathBuf::from(parts.next().unwrap_or_default());
        let (mut format, mut service) = ("combined".to_owned(), None);
        for part in parts {
            match part.split_once('=') {
                Some(("format", name)) => name.clone_into(&mut format),
                Some(("service", name)) if !name.is_empty() => service = Some(name.to_owned()),
                _ => return Err(TailError::Option(part.to_owned())),
            }
        }
        log_codec(&format).map_err(|error| TailError::Format(error.to_string()))?;
        Ok(Self { path, format, service })
    }
}

impl Tail {
    /// Follows the log until the server goes down.
    pub(super) async fn run(self, context: Context) {
        let name = format!("tail {}", self.path.display());
        let reached = context.mark(&name).await;
        let reached = reached.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let telemetry = Arc::clone(&context.telemetry);
        let mut follow = Follow::resume(self.path.clone(), reached, telemetry);
        loop {
            match follow.look() {
                Ok(Some(lines)) => {
                    let content = Content::AccessLog;
                    let body = Bytes::from(lines);
                    let reached = serde_json::to_string(&follow.reached()).unwrap_or_default();
                    let offer = Offer {
                        service: self.service.clone(),
                        format: Some(self.format.clone()),
                        mark: Some(Mark { source: name.clone(), reached }),
                        ..Offer::new(content, Compression::None, body)
                    };
                    match context.offer(&name, offer).await {
                        None => return,
                        Some(Ok(_)) => {}
                        Some(Err(refusal)) => {
                            tracing::error!(source = name, %refusal, "lines of a log are left out");
                        }
                    }
                }
                Ok(None) => {
                    if context.wait(LOOK).await.is_none() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(source = name, %error, "a log cannot be read");
                    if context.pause().await.is_none() {
                        return;
                    }
                }
            }
        }
    }
}
