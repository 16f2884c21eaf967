//! The client that must not notice anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flyball_model::Timestamp;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::server::Server;

/// The pause between two requests.
const PAUSE: Duration = Duration::from_millis(10);
/// Events in a request.
const EVENTS: usize = 50;

/// What the client met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// How long each answer took, in order of length.
    took: Vec<Duration>,
    /// Requests that were not acknowledged, with what was said.
    pub(crate) refused: Vec<String>,
}

impl Met {
    pub(crate) fn answers(&self) -> usize {
        self.took.len()
    }

    /// The time within which this share of the answers came.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let last = self.took.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among some thousands"
        )]
        let rank = (last as f64 * share).round() as usize;
        self.took.get(rank).copied().unwrap_or_default()
    }
}

#[expect(clippy::disallowed_methods, reason = "events of now")]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_jiff(jiff::Timestamp::now()).unwrap()
}

/// Sends small requests until `ended`; tells when one was `served`.
pub(crate) async fn send(
    url: String,
    token: String,
    ended: Arc<AtomicBool>,
    served: Arc<Notify>,
) -> Met {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut pace = interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut met = Met::default();
    while !ended.load(Ordering::Relaxed) {
        pace.tick().await;
        let line = format!("{{\"time\":\"{}\",\"service.name\":\"shop\",\"status\":200}}\n", now());
        let begun = Instant::now();
        let request = client.post(&url).bearer_auth(&token).body(line.repeat(EVENTS));
        match request.send().await {
            Ok(answer) if answer.status() == 200 => {
                met.took.push(begun.elapsed());
                served.notify_one();
            }
            Ok(answer) => met.refused.push(answer.text().await.unwrap_or_default()),
            Err(error) => met.refused.push(format!("{error:?}")),
        }
    }
    met.took.sort_unstable();
    met
}

/// Where events go.
pub(crate) fn url(server: &Server) -> String {
    format!("http://{}/api/v1/events", server.address)
}
