//! Threads for work that takes the processor, so that those that answer requests never wait for it,
//! and small work never for much of the large.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// A few threads, each with a state of its own. The first does small work only; all others do what
/// has waited longest.
#[derive(Debug)]
pub(crate) struct Pool<S>(Arc<Shared<S>>);

/// How long a piece of work takes, told before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// A moment.
    Small,
    /// So long that others would notice.
    Large,
}

/// The work was not done: it panicked, or the pool is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was given up")]
pub(crate) struct GivenUp;

struct Shared<S> {
    waiting: Mutex<Waiting<S>>,
    changed: Condvar,
}

struct Waiting<S> {
    /// In the order they came, each with its number.
    small: VecDeque<(u64, Job<S>)>,
    large: VecDeque<(u64, Job<S>)>,
    next: u64,
    has_ended: bool,
}

impl<S> std::fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.lock();
        let (small, large) = (waiting.small.len(), waiting.large.len());
        f.debug_struct("Shared").field("small", &small).field("large", &large).finish()
    }
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Waiting<S>> {
        // Jobs are done without the lock: whoever panics with it has changed nothing by halves.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, and tells the threads.
    fn put(&self, size: Size, job: Job<S>) {
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        match size {
            Size::Small => waiting.small.push_back((number, job)),
            Size::Large => waiting.large.push_back((number, job)),
        }
        drop(waiting);
        match size {
            Size::Small => self.changed.notify_one(),
            // The one that is woken might be the one that must not take it.
            Size::Large => self.changed.notify_all(),
        }
    }

    /// The next job for a thread, as soon as there is one; none when the pool has ended.
    fn take(&self, takes_large: bool) -> Option<Job<S>> {
        let mut waiting = self.lock();
        loop {
            let first = |queue: &VecDeque<(u64, Job<S>)>| queue.front().map(|(number, _)| *number);
            let small = first(&waiting.small);
            let large = first(&waiting.large).filter(|_| takes_large);
            let queue = match (small, large) {
                (Some(small), Some(large)) if large < small => &mut waiting.large,
                (Some(_), _) => &mut waiting.small,
                (None, Some(_)) => &mut waiting.large,
                (None, None) if waiting.has_ended => return None,
                (None, None) => {
                    let changed = self.changed.wait(waiting);
                    waiting = changed.unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            };
            return queue.pop_front().map(|(_, job)| job);
        }
    }
}

impl<S: 'static> Pool<S> {
    /// A pool of `threads` threads, at least two, whose states `new` makes. The threads end with the
    /// pool, after what waits then.
    ///
    /// # Errors
    ///
    /// What the system answers when a thread cannot be started.
    pub(crate) fn new(
        name: &str,
        threads: usize,
        new: impl Fn() -> S + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (small, large) = (VecDeque::new(), VecDeque::new());
        let waiting = Mutex::new(Waiting { small, large, next: 0, has_ended: false });
        let this = Self(Arc::new(Shared { waiting, changed: Condvar::new() }));
        let new = Arc::new(new);
        for number in 0..threads.max(2) {
            let (shared, new) = (Arc::clone(&this.0), Arc::clone(&new));
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || work(&shared, number > 0, &*new))?;
        }
        Ok(this)
    }

    /// Does `job` on one of the threads.
    ///
    /// # Errors
    ///
    /// [`GivenUp`] when it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        size: Size,
        job: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, GivenUp> {
        let (done, answer) = oneshot::channel();
        let job: Job<S> = Box::new(move |state| {
            // Whoever asked may have gone.
            let _ = done.send(job(state));
        });
        self.0.put(size, job);
        answer.await.map_err(|_| GivenUp)
    }
}

impl<S> Drop for Pool<S> {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.changed.notify_all();
    }
}

fn work<S>(shared: &Shared<S>, takes_large: bool, new: &dyn Fn() -> S) {
    let mut state = new();
    while let Some(job) = shared.take(takes_large) {
        if catch_unwind(AssertUnwindSafe(|| job(&mut state))).is_err() {
            state = new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn count(state: &mut u32) -> u32 {
        *state += 1;
        *state
    }

    #[tokio::test]
    async fn a_panic_is_told_and_the_thread_goes_on() {
        let pool = Pool::new("test", 2, || 0_u32).unwrap();
        for size in [Size::Small, Size::Large] {
            assert!(pool.run(size, count).await.is_ok());
            assert_eq!(pool.run(size, |_| panic!("on purpose")).await, Err::<(), _>(GivenUp));
            assert!(pool.run(size, count).await.is_ok());
        }
    }

    #[tokio::test]
    async fn small_work_is_done_while_large_work_waits_for_its_turn() {
        let pool = Arc::new(Pool::new("test", 2, || 0_u32).unwrap());
        let large = [0, 1].map(|_| {
            let (go, wait) = channel::<()>();
            let pool = Arc::clone(&pool);
            let done =
                tokio::spawn(async move { pool.run(Size::Large, move |_| wait.recv()).await });
            (go, done)
        });
        // However many: none of them waits for a large one.
        for _ in 0..50 {
            assert!(pool.run(Size::Small, count).await.is_ok());
        }
        for (go, done) in large {
            go.send(()).unwrap();
            assert_eq!(done.await.unwrap(), Ok(Ok(())));
        }
    }
}
