//! Whether the server takes requests, and why it does not.

use std::sync::Arc;
use std::time::Duration;

use flyball_store::Journal;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::evaluator;

/// How often it is looked whether the server can still do its work.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether the server takes requests.
#[derive(Debug, Default)]
pub(crate) struct Ready(watch::Sender<Option<String>>);

impl Ready {
    /// Why it does not; `None` when it does.
    pub(crate) fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn set(&self, reason: Option<String>) {
        self.0.send_replace(reason);
    }

    /// Waits until it no longer does, and answers why: answers without an end must end.
    pub(crate) async fn until_not(&self) -> String {
        let mut reasons = self.0.subscribe();
        // The sender is here.
        let reason = reasons.wait_for(Option::is_some).await.map(|reason| reason.clone());
        reason.ok().flatten().unwrap_or_default()
    }

    /// Looks again and again whether there is something that only a new start can mend, until `stop`.
    pub(crate) async fn watch(
        self: Arc<Self>,
        journal: Arc<Journal>,
        evaluating: evaluator::Handle,
        stop: CancellationToken,
    ) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            let ended =
                || "nothing is counted any more: the thread that counts has failed".to_owned();
            let broken = journal.ended().map(|why| why.to_string());
            let broken = broken.or_else(|| evaluating.has_ended().then(ended));
            if let Some(reason) = broken {
                tracing::error!(reason, "the server has to be started again");
                self.set(Some(reason));
                return;
            }
        }
    }
}
