//! Samples from a Prometheus-compatible system that can be asked.
//!
//! What is asked for are raw samples of the series that an SLI's queries mean, never rates or sums:
//! so the same meter counts them as counts what is sent here, exactly. An SLI that is seen for the
//! first time is asked for over its whole window, an hour at a time.
//!
//! Source: the HTTP API of Prometheus, "Instant queries" with a range selector, which answers the
//! samples as they are stored.

pub(crate) mod matrix;

use std::collections::HashMap;
use std::time::Duration as Wait;

use bytes::{Bytes, BytesMut};
use flyball_budget::nominal_length;
use flyball_catalog::CountedBy;
use flyball_model::{Duration, Timestamp};

use super::Context;
use crate::entry::{Compression, Content, Mark};
use crate::hex::hex;
use crate::intake::Offer;

/// How often samples are asked for.
const EVERY: Wait = Wait::from_secs(10);
/// How long one answer may take.
const ANSWER_MAX: Wait = Wait::from_secs(30);
/// The longest stretch that is asked for at once, and the shortest.
const CHUNK_MAX: Duration = Duration::from_hours(1);
const CHUNK_MIN: Duration = Duration::from_minutes(1);
/// What was asked for before and is asked for again: a sample can only be found after its scrape
/// has ended, and carries the time at which that began. Samples that are met twice count once.
const OVERLAP: Duration = Duration::from_minutes(1);

/// A system that can be asked.
#[derive(Debug, Clone)]
pub struct Prometheus {
    url: reqwest::Url,
    client: reqwest::Client,
}

/// A system that cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// No URL of HTTP.
    #[error("`{0}` is no URL of a metrics system\nhint: write http://HOST:9090")]
    Url(String),
    /// No client can be made.
    #[error("cannot make a client: {0}")]
    Client(#[from] reqwest::Error),
}

impl Prometheus {
    /// The system whose API is below `url`.
    ///
    /// # Errors
    ///
    /// [`PrometheusError`].
    pub fn new(url: &str) -> Result<Self, PrometheusError> {
        crate::choose_cryptography();
        let base = if url.ends_with('/') { url.to_owned() } else { format!("{url}/") };
        let parsed = reqwest::Url::parse(&base).ok().filter(|url| url.scheme().starts_with("http"));
        let url = parsed.and_then(|url| url.join("api/v1/query").ok());
        let url = url.ok_or(PrometheusError::Url(base))?;
        Ok(Self { url, client: reqwest::Client::builder().timeout(ANSWER_MAX).build()? })
    }

    /// Asks until the server goes down.
    pub(super) async fn run(self, context: Context) {
        let mut asked: HashMap<String, Asked> = HashMap::new();
        loop {
            let Ok(slis) = context.evaluator.ask(|evaluator| slis(evaluator.catalog())).await
            else {
                return;
            };
            asked.retain(|source, _| slis.iter().any(|sli| sli.source == *source));
            for sli in slis {
                if !asked.contains_key(&sli.source) {
                    let mark = context.mark(&sli.source).await;
                    let reached = mark.and_then(|mark| mark.parse().ok());
                    let reached = reached.map(Timestamp::from_nanos);
                    let first = || context.clock.now().minus(sli.window);
                    let new = Asked { reached: reached.unwrap_or_else(first), chunk: CHUNK_MAX };
                    asked.insert(sli.source.clone(), new);
                }
                let Some(asked) = asked.get_mut(&sli.source) else { continue };
                if self.catch_up(&context, &sli, asked).await.is_none() {
                    return;
                }
            }
            if context.wait(EVERY).await.is_none() {
                return;
            }
        }
    }

    /// Asks for what has come since the last time; `None` when the server goes down.
    async fn catch_up(&self, context: &Context, sli: &Sli, asked: &mut Asked) -> Option<()> {
        loop {
            if context.stop.is_cancelled() {
                return None;
            }
            let now = context.clock.now();
            let to = asked.reached.plus(asked.chunk).min(now);
            if to <= asked.reached {
                return Some(());
            }
            let from = asked.reached.minus(OVERLAP);
            let most = context.intake.limits().request_bytes_max;
            let body = match self.samples(&sli.selectors, from, to, most).await {
                Ok(body) => body,
                Err(Unanswered::TooLarge) if asked.chunk > CHUNK_MIN => {
                    let half = Duration::from_nanos(asked.chunk.nanos() / 2);
                    asked.chunk = half.unwrap_or(CHUNK_MIN).max(CHUNK_MIN);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(source = sli.source, %error, "the metrics system was asked");
                    return Some(());
                }
            };
            let mark = Mark { source: sli.source.clone(), reached: to.nanos().to_string() };
            let offer = Offer {
                mark: Some(mark),
                ..Offer::new(Content::PrometheusMatrix, Compression::None, body)
            };
            if let Err(refusal) = context.offer(&sli.source, offer).await? {
                tracing::warn!(source = sli.source, %refusal, "samples cannot be taken in");
                return Some(());
            }
            asked.reached = to;
            if to == now {
                return Some(());
            }
        }
    }

    /// The samples of all `selectors` in `[from, to]`, an answer a line.
    async fn samples(
        &self,
        selectors: &[String],
        from: Timestamp,
        to: Timestamp,
        most: usize,
    ) -> Result<Bytes, Unanswered> {
        let millis = to.since(from).nanos() / 1_000_000;
        let time = format!("{:.3}", to.nanos() as f64 / 1e9);
        let mut whole = BytesMut::new();
        for selector in selectors {
            let query = format!("{selector}[{millis}ms]");
            let mut url = self.url.clone();
            url.query_pairs_mut().append_pair("query", &query).append_pair("time", &time);
            let mut answer = self.client.get(url).send().await?;
            let status = answer.status();
            let start = whole.len();
            while let Some(part) = answer.chunk().await? {
                if whole.len() + part.len() > most {
                    return Err(Unanswered::TooLarge);
                }
                whole.extend_from_slice(&part);
            }
            if !status.is_success() {
                let said = String::from_utf8_lossy(&whole[start..]);
                let said = said.chars().take(SAID_CHARS_MAX).collect();
                return Err(Unanswered::Refused { status: status.as_u16(), said });
            }
            // Between values, JSON takes a line end and a blank alike.
            whole[start..].iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
            whole.extend_from_slice(b"\n");
        }
        Ok(whole.freeze())
    }
}

/// Characters of a refusal that are shown.
const SAID_CHARS_MAX: usize = 300;

/// An SLI that is asked for.
#[derive(Debug)]
struct Sli {
    /// What it is called where it is kept how far it was read. Another way of counting has another
    /// name, and is asked for from the beginning of its window.
    source: String,
    selectors: Vec<String>,
    window: Duration,
}

/// How far an SLI was asked for.
#[derive(Debug)]
struct Asked {
    reached: Timestamp,
    chunk: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("the answer is too large")]
    TooLarge,
    #[error("it answers {status}: {said}")]
    Refused { status: u16, said: String },
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// The SLIs of `catalog` that are counted from samples.
fn slis(catalog: &flyball_catalog::Catalog) -> Vec<Sli> {
    let mut slis = Vec::new();
    for counted in &catalog.counted {
        for (indicator, by) in counted.indicators.iter().enumerate() {
            let CountedBy::Metric(plan) = by else { continue };
            let (slo, generation) = (&counted.slo, hex(&counted.generation));
            slis.push(Sli {
                source: format!("prometheus {}/{generation}/{indicator}", slo.name),
                selectors: plan.selectors(),
                window: nominal_length(&slo.window),
            });
        }
    }
    slis
}
