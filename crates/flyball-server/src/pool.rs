//! Threads for work that takes the processor, so that those that answer requests never wait for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// A few threads, each with a state of its own.
#[derive(Debug)]
pub(crate) struct Pool<S> {
    jobs: Sender<Job<S>>,
}

/// The work was not done: it panicked, or the pool is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was given up")]
pub(crate) struct GivenUp;

impl<S: 'static> Pool<S> {
    /// A pool of `threads` threads, whose states `new` makes. The threads end with the pool.
    ///
    /// # Errors
    ///
    /// What the system answers when a thread cannot be started.
    pub(crate) fn new(
        name: &str,
        threads: usize,
        new: impl Fn() -> S + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, waiting) = channel::<Job<S>>();
        let waiting = Arc::new(Mutex::new(waiting));
        let new = Arc::new(new);
        for number in 0..threads.max(1) {
            let (waiting, new) = (Arc::clone(&waiting), Arc::clone(&new));
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || work(&waiting, &*new))?;
        }
        Ok(Self { jobs })
    }

    /// Does `job` on one of the threads.
    ///
    /// # Errors
    ///
    /// [`GivenUp`] when it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, GivenUp> {
        let (done, answer) = oneshot::channel();
        let job: Job<S> = Box::new(move |state| {
            // Whoever asked may have gone.
            let _ = done.send(job(state));
        });
        self.jobs.send(job).map_err(|_| GivenUp)?;
        answer.await.map_err(|_| GivenUp)
    }
}

fn work<S>(waiting: &Mutex<Receiver<Job<S>>>, new: &dyn Fn() -> S) {
    let mut state = new();
    loop {
        // The lock is given back before the job is done.
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(|| job(&mut state))).is_err() {
            state = new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_and_the_thread_goes_on() {
        let pool = Pool::new("test", 1, || 0_u32).unwrap();
        assert_eq!(
            pool.run(|state| {
                *state += 1;
                *state
            })
            .await,
            Ok(1)
        );
        assert_eq!(pool.run(|_| panic!("on purpose")).await, Err::<(), _>(GivenUp));
        assert_eq!(
            pool.run(|state| {
                *state += 1;
                *state
            })
            .await,
            Ok(1)
        );
    }
}
