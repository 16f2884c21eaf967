//! Marks on dashboards: changes and what they did are pushed to Grafana as annotations.
//!
//! A mark is begun on disk before it is sent, and done on disk once it was taken. What a crash or a broken
//! connection has left begun is looked for in Grafana before it is sent again, so that nothing is there
//! twice. What cannot be pushed is tried again for a day; nothing waits for it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration as Wait;

use flyball_connect::notify::{Annotation, Secret};
use flyball_govern::alert::Outcome;
use flyball_model::{Duration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::alerts::post;
use crate::changes::Changes;
use crate::clock::Clock;
use crate::telemetry::Telemetry;
use crate::urls::masked;

/// How old what a mark stands for may be: older news is history, and nobody looks for it on a dashboard.
const PUSHED_WITHIN: Duration = Duration::from_days(1);
/// How long to wait after a failure, the first time and at most.
const WAIT_MIN: Wait = Wait::from_secs(5);
const WAIT_MAX: Wait = Wait::from_mins(5);
/// The longest answer that is read: one annotation.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// What attempts are counted under.
const TARGET: &str = "grafana";

/// A Grafana that is pushed to.
#[derive(Debug, Clone)]
pub struct Grafana {
    /// Its address, without a slash at its end.
    url: String,
    /// The file with the token of a service account; read at each attempt.
    token: PathBuf,
}

/// No address of a Grafana.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no URL of a Grafana\nhint: write https://grafana.example.com, with the path that it is served under"
)]
pub struct GrafanaError(String);

impl Grafana {
    /// The Grafana at `url`, with a token in the file `token`.
    ///
    /// # Errors
    ///
    /// An address that is no URL of HTTP, or has a query.
    pub fn new(url: &str, token: PathBuf) -> Result<Self, GrafanaError> {
        let parsed = reqwest::Url::parse(url).ok();
        let is_one = |url: &reqwest::Url| {
            matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.fragment().is_none()
        };
        if !parsed.as_ref().is_some_and(is_one) {
            return Err(GrafanaError(masked(url)));
        }
        Ok(Self { url: url.trim_end_matches('/').to_owned(), token })
    }
}

/// What pushing takes.
#[derive(Debug)]
pub(crate) struct Pushing {
    pub(crate) grafana: Grafana,
    pub(crate) changes: Changes,
    pub(crate) client: reqwest::Client,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Arc<Telemetry>,
    /// The address under which people reach this server.
    pub(crate) origin: Arc<str>,
    pub(crate) stop: CancellationToken,
}

impl Pushing {
    /// Pushes until the server goes down.
    pub(crate) async fn run(self) {
        let mut news = self.changes.news();
        let mut done = HashSet::new();
        let mut wait = WAIT_MIN;
        loop {
            let all = match self.round(&mut done).await {
                Ok(()) => true,
                Err(problem) => {
                    tracing::warn!(
                        problem,
                        "not all annotations are in Grafana; they are tried again"
                    );
                    false
                }
            };
            wait = if all { WAIT_MIN } else { wait };
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = news.changed() => {}
                () = tokio::time::sleep(wait), if !all => wait = (wait * 2).min(WAIT_MAX),
            }
        }
    }

    /// Pushes what is not there yet. What fails keeps nothing else from being pushed.
    async fn round(&self, done: &mut HashSet<String>) -> Result<(), String> {
        let (changes, origin) = (self.changes.clone(), Arc::clone(&self.origin));
        let now = self.clock.now();
        let since = now.minus(PUSHED_WITHIN);
        let found = blocking(move || changes.annotations(since, &origin)).await?;
        done.retain(|key| found.iter().any(|one| one.key == *key));
        let mut failed = Ok(());
        for one in found {
            if done.contains(&one.key) || self.stop.is_cancelled() {
                continue;
            }
            match self.push(&one, now).await {
                Ok(()) => _ = done.insert(one.key),
                Err(problem) => failed = Err(problem),
            }
        }
        failed
    }

    /// Pushes one, unless it is there.
    async fn push(&self, one: &Annotation, now: Timestamp) -> Result<(), String> {
        let (changes, key, at) = (self.changes.clone(), one.key.clone(), one.at);
        let known = blocking(move || changes.begin_annotation(&key, at, now)).await?;
        match known {
            AnnotationState::Done => return Ok(()),
            AnnotationState::Begun if self.is_there(one).await? => {}
            AnnotationState::Begun | AnnotationState::New => {
                let request = one.request(&self.grafana.url, &self.token().await?);
                let told = post::send(&self.client, &request, &self.clock).await;
                self.telemetry.notified(TARGET, told.name(), told.reason);
                match told.outcome {
                    Outcome::Delivered => {}
                    Outcome::Later { problem, .. } | Outcome::Refused { problem } => {
                        return Err(problem);
                    }
                }
            }
        }
        let (changes, key) = (self.changes.clone(), one.key.clone());
        blocking(move || changes.end_annotation(&key, at, now)).await
    }

    /// Whether Grafana has it.
    async fn is_there(&self, one: &Annotation) -> Result<bool, String> {
        let token = self.token().await?;
        let asked = self.client.get(one.address(&self.grafana.url)).bearer_auth(token.expose());
        let said = |error: reqwest::Error| error.without_url().to_string();
        let mut answer = asked.send().await.map_err(said)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(said)? {
            body.extend_from_slice(&part);
            if body.len() > ANSWER_BYTES_MAX {
                break;
            }
        }
        let listed = one.is_listed(&body).filter(|_| status.is_success());
        listed.ok_or_else(|| format!("asked for annotations, it answered {}", status.as_u16()))
    }

    /// The token as it is now.
    async fn token(&self) -> Result<Secret, String> {
        let file = self.grafana.token.clone();
        let read = tokio::fs::read_to_string(&file).await;
        let read = read
            .map_err(|error| format!("the token in {} cannot be read: {error}", file.display()))?;
        if read.trim().is_empty() {
            return Err(format!("the token in {} is empty", file.display()));
        }
        Ok(Secret::new(&read))
    }
}

/// What is known of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnnotationState {
    /// Nothing: it was not sent.
    New,
    /// It was sent, and nobody knows what came of it.
    Begun,
    /// It was taken.
    Done,
}

async fn blocking<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_urls() {
        let of = |url| Grafana::new(url, PathBuf::from("token")).map(|grafana| grafana.url);
        assert_eq!(of("https://grafana.example/sub/").unwrap(), "https://grafana.example/sub");
        for wrong in ["grafana:3000", "ftp://grafana", "https://grafana?orgId=2", ""] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
