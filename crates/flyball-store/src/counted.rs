//! What the ledger has counted, told to the journal, so that nothing else can be deleted there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Sequence;

/// The ledger's position as of its last commit that is on disk.
#[derive(Debug, Clone)]
pub(crate) struct Counted(Arc<AtomicU64>);

impl Counted {
    pub(crate) fn at(position: Sequence) -> Self {
        Self(Arc::new(AtomicU64::new(position.0)))
    }

    pub(crate) fn get(&self) -> Sequence {
        Sequence(self.0.load(Ordering::Acquire))
    }

    /// Only after the commit: a position that a crash takes back must not have released anything.
    pub(crate) fn set(&self, position: Sequence) {
        self.0.store(position.0, Ordering::Release);
    }
}
