//! What a server does by itself beside answering: tasks that go on until it goes down.

use std::time::Duration as Wait;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a server that goes down waits for answers of others; what is not known by then is asked for again by the next
/// start.
const END_MAX: Wait = Wait::from_secs(15);

/// Tasks that serve one purpose; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    stopped: CancellationToken,
    all: TaskTracker,
    unanswered: Option<&'static str>,
}

impl Tasks {
    /// Tasks that wait for answers of others: what is said is said of those that did not come in time.
    pub(crate) fn asking(unanswered: &'static str) -> Self {
        Self { unanswered: Some(unanswered), ..Self::default() }
    }

    /// Has a task go on until it ends by itself, which it does once [`Self::stopped`] is cancelled.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.all.spawn(task)
    }

    /// Cancelled when the server goes down.
    pub(crate) const fn stopped(&self) -> &CancellationToken {
        &self.stopped
    }

    /// Begins nothing more, and waits for what is under way: until what is being kept is kept, and for answers a while.
    pub(crate) async fn stop(self) {
        self.stopped.cancel();
        self.all.close();
        match self.unanswered {
            None => self.all.wait().await,
            Some(unanswered) => {
                if tokio::time::timeout(END_MAX, self.all.wait()).await.is_err() {
                    tracing::warn!("{unanswered}");
                }
            }
        }
    }
}
