//! The promise that an entry will be on disk, for threads and for tasks.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::{Sequence, StoreError};

type Outcome = Result<Sequence, StoreError>;

/// Tells when an entry is on disk: its number, or why it is not there.
///
/// A thread calls [`Ticket::wait`]; a task awaits it, in any async runtime. Dropping it takes
/// nothing back: the entry is written all the same.
#[derive(Debug)]
#[must_use = "the entry is not on disk before the ticket says so"]
pub struct Ticket(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    resolved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Waits until the entry is on disk and returns its number.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotWritten`] when the entry is not in the journal, [`StoreError::Poisoned`]
    /// when nobody can tell, [`StoreError::Closed`] when the writer ended before it came to it.
    pub fn wait(self) -> Result<Sequence, StoreError> {
        let mut state = self.0.state();
        loop {
            if let Some(outcome) = &state.outcome {
                return outcome.clone();
            }
            state = self.0.resolved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Ticket {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.0.state();
        if let Some(outcome) = &state.outcome {
            return Poll::Ready(outcome.clone());
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

/// The writer's end of a [`Ticket`]. Dropped without an answer it says that the journal is closed,
/// so that nobody waits for ever.
#[derive(Debug)]
pub(super) struct Resolver(Option<Arc<Shared>>);

impl Resolver {
    pub(super) fn resolve(mut self, outcome: Outcome) {
        self.answer(outcome);
    }

    fn answer(&mut self, outcome: Outcome) {
        let Some(shared) = self.0.take() else { return };
        let mut state = shared.state();
        state.outcome = Some(outcome);
        let waker = state.waker.take();
        drop(state);
        shared.resolved.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.answer(Err(StoreError::Closed));
    }
}

/// A ticket and what resolves it.
pub(super) fn pair() -> (Ticket, Resolver) {
    let shared = Arc::new(Shared::default());
    (Ticket(Arc::clone(&shared)), Resolver(Some(shared)))
}
