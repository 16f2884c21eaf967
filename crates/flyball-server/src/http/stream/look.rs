//! Looking at all budgets once for everybody who watches.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::evaluator::{Handle, SloStatus};

/// The least time between two looks.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Looks at all budgets, each time for all who want to see them.
#[derive(Debug)]
pub(super) struct Looks {
    evaluator: Handle,
    last: Mutex<Option<Arc<Look>>>,
}

impl Looks {
    pub(super) fn new(evaluator: Handle) -> Self {
        Self { evaluator, last: Mutex::new(None) }
    }

    /// The budgets as they were within [`PAUSE`]. `None` when the server ends, or they cannot be read.
    pub(super) async fn look(&self) -> Option<Arc<Look>> {
        // Whoever comes while somebody looks waits, and sees the same.
        let mut last = self.last.lock().await;
        if let Some(look) = last.as_ref().filter(|look| look.begun.elapsed() < PAUSE) {
            return Some(Arc::clone(look));
        }
        let (begun, tick) = (Instant::now(), *self.evaluator.ticks().borrow());
        self.evaluator.join(|_| true).await.ok()?;
        let statuses = self.evaluator.ask(|evaluator| evaluator.statuses(|_| true));
        let mut statuses = statuses.await.ok()?.ok()?;
        // All who watch are told the same, those who may not see every service among them.
        for doubt in statuses.iter_mut().flat_map(|status| &mut status.doubts) {
            doubt.hint = None;
        }
        let look = Arc::new(Look::after(last.as_deref(), begun, tick, statuses));
        *last = Some(Arc::clone(&look));
        Some(look)
    }
}

/// All budgets at one moment.
#[derive(Debug)]
pub(super) struct Look {
    /// Goes up with every look.
    pub(super) number: u64,
    /// The evaluator's tick before it: what came with a later one may not be in it.
    pub(super) tick: u64,
    /// The SLOs in the order of their documents.
    pub(super) slos: Vec<Seen>,
    begun: Instant,
}

/// One SLO as it was seen.
#[derive(Debug)]
pub(super) struct Seen {
    /// What is said of it.
    pub(super) status: SloStatus,
    /// The number of the look that found it changed.
    pub(super) changed: u64,
    text: OnceLock<String>,
}

impl Seen {
    /// What is said of it, as JSON on one line; made once, for all who are told.
    pub(super) fn text(&self) -> &str {
        // What is told of an SLO has no maps with keys other than texts, and so can be written.
        self.text.get_or_init(|| serde_json::to_string(&self.status).unwrap_or_default())
    }
}

impl Look {
    fn after(before: Option<&Self>, begun: Instant, tick: u64, statuses: Vec<SloStatus>) -> Self {
        let number = before.map_or(0, |before| before.number) + 1;
        let known = before.iter().flat_map(|before| &before.slos);
        let known: HashMap<&str, &Seen> =
            known.map(|seen| (seen.status.slo.as_str(), seen)).collect();
        let see = |mut status: SloStatus| {
            let changed = known.get(status.slo.as_str()).and_then(|seen| {
                // The moment of looking is no news.
                let at = std::mem::replace(&mut status.at, seen.status.at);
                let is_same = status == seen.status;
                status.at = at;
                is_same.then_some(seen.changed)
            });
            Seen { status, changed: changed.unwrap_or(number), text: OnceLock::new() }
        };
        let slos = statuses.into_iter().map(see).collect();
        Self { number, tick, slos, begun }
    }
}
