//! Simulated services under the six strategies of the SRE Workbook, chapter 5, and under the rules of
//! an SLO that says nothing; the benchmark `alerting` prints what a test asserts of fewer services.
//!
//! The truth is known: `episode` says what happens to a service and for what of it somebody is to be
//! called, `service` what is asked of it, `trial` what the strategies make of it. Pages alone are
//! looked at; tickets wake nobody. All is drawn from one seed, a service at a time, so that results
//! do not depend on the number of threads.

mod episode;
mod promise;
mod service;
mod statistics;
mod table;
mod trial;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use flyball_model::Duration;

use self::trial::Trial;

/// Why a simulation ended early.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An episode in which fewer failures are to be expected cannot be told from chance.
pub(crate) const FAILURES_MIN: f64 = 10.0;

/// What to simulate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// All chance comes from it.
    pub(crate) seed: u64,
    /// How many services, over a window each.
    pub(crate) services: u64,
    /// How long the slots are that events are counted in and rules are looked at.
    pub(crate) slot: Duration,
    /// Whether all of the book's strategies are looked at, or only the one that is compared with.
    pub(crate) is_whole: bool,
}

/// What came of all services.
#[derive(Debug)]
pub(crate) struct Results {
    settings: Settings,
    trials: Vec<Trial>,
}

impl Results {
    /// Simulates every service on all processors; `progress` is told how many are done.
    pub(crate) fn run(settings: Settings, progress: impl Fn(u64) + Sync) -> Result<Self, Failure> {
        let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
        let work = || {
            let mut trials = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= settings.services {
                    return Ok(trials);
                }
                trials.push((index, Trial::run(index, &settings)?));
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let parts: Vec<Result<Vec<(u64, Trial)>, Failure>> = thread::scope(|scope| {
            let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let join = |handle: thread::ScopedJoinHandle<'_, _>| {
                handle.join().unwrap_or_else(|_| Err("a thread panicked".into()))
            };
            handles.into_iter().map(join).collect()
        });
        let mut trials = parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        trials.sort_unstable_by_key(|(index, _)| *index);
        Ok(Self { settings, trials: trials.into_iter().map(|(_, trial)| trial).collect() })
    }
}
