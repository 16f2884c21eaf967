//! What the server fetches by itself: logs that grow, metrics systems that can be asked, probes.
//!
//! How far a source has been read is journalled with what was read of it, so that a crash reads
//! nothing twice and leaves nothing out.

mod probe;
pub(crate) mod prometheus;
pub(crate) mod tail;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::evaluator;
use crate::intake::{Intake, Offer, Receipt, Refusal};
use crate::telemetry::Telemetry;
pub use prometheus::Prometheus;
pub use tail::Tail;

/// How long to wait before something is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// What sources work with.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) intake: Arc<Intake>,
    pub(crate) evaluator: evaluator::Handle,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) stop: CancellationToken,
}

/// Sources that run.
#[derive(Debug)]
pub(crate) struct Running {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// Starts reading.
    pub(crate) fn start(
        context: &Context,
        tails: Vec<Tail>,
        prometheus: Option<Prometheus>,
    ) -> Self {
        let tasks = TaskTracker::new();
        tasks.spawn(probe::run(context.clone()));
        for tail in tails {
            tasks.spawn(tail.run(context.clone()));
        }
        if let Some(prometheus) = prometheus {
            tasks.spawn(prometheus.run(context.clone()));
        }
        tasks.close();
        Self { stop: context.stop.clone(), tasks }
    }

    /// Ends all of them; what was offered is brought to its end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Context {
    /// How far `source` has been read; `None` for one that was never read, and when the server goes
    /// down.
    async fn mark(&self, source: &str) -> Option<String> {
        loop {
            let asked = source.to_owned();
            match self.evaluator.ask(move |evaluator| evaluator.mark(&asked)).await {
                Ok(Ok(mark)) => return mark,
                Ok(Err(error)) => {
                    tracing::error!(source, %error, "cannot tell how far a source was read");
                    self.pause().await?;
                }
                Err(_) => return None,
            }
        }
    }

    /// Offers what was read until it is taken in; `None` when the server goes down before.
    ///
    /// # Errors
    ///
    /// What would be refused again.
    async fn offer(&self, source: &str, offer: Offer) -> Option<Result<Receipt, Refusal>> {
        loop {
            match self.intake.accept(offer.clone()).await {
                Err(refusal) if refusal.is_temporary() => {
                    tracing::warn!(source, %refusal, "what was read is offered again");
                    self.pause().await?;
                }
                outcome => return Some(outcome),
            }
        }
    }

    /// Waits a moment; `None` when the server goes down.
    async fn pause(&self) -> Option<()> {
        self.wait(PAUSE).await
    }

    /// Waits; `None` when the server goes down.
    async fn wait(&self, how_long: Duration) -> Option<()> {
        tokio::select! {
            () = self.stop.cancelled() => None,
            () = tokio::time::sleep(how_long) => Some(()),
        }
    }
}
