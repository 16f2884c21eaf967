//! How much one token may ask in a second.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much may be used at once after a pause, in seconds of the rate.
const BURST: Duration = Duration::from_secs(2);

/// What each token may ask of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Requests in a second; 2,000 unless told. Clients send batches: that is many of them.
    pub requests: u32,
    /// Bytes of bodies in a second, as they are sent; 256 MiB unless told.
    pub bytes: u64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { requests: 2_000, bytes: 256 << 20 }
    }
}

/// What one token has used of a rate: the moment at which all of it is earned again. A request may
/// be let in when that lies no further ahead than the burst; it is charged whether that fits or
/// not, since the size of a body is known only after it came.
#[derive(Debug)]
struct Bucket {
    earned: Instant,
    each: Duration,
}

impl Bucket {
    fn new(per_second: u64, now: Instant) -> Self {
        let nanos = 1_000_000_000 / per_second.clamp(1, 1_000_000_000);
        Self { earned: now, each: Duration::from_nanos(nanos) }
    }

    /// How long to wait until there is room; zero when there is.
    fn wait(&self, now: Instant) -> Duration {
        self.earned.saturating_duration_since(now).saturating_sub(BURST)
    }

    fn charge(&mut self, now: Instant, count: u32) {
        self.earned = self.earned.max(now) + self.each * count;
    }
}

/// What one token has used.
#[derive(Debug)]
pub(super) struct Used {
    buckets: Mutex<Buckets>,
    /// Bytes of its bodies in memory.
    held: AtomicUsize,
}

#[derive(Debug)]
struct Buckets {
    requests: Bucket,
    kibibytes: Bucket,
}

impl Used {
    pub(super) fn new(rates: Rates, now: Instant) -> Self {
        let requests = Bucket::new(u64::from(rates.requests), now);
        let kibibytes = Bucket::new(rates.bytes >> 10, now);
        let buckets = Mutex::new(Buckets { requests, kibibytes });
        Self { buckets, held: AtomicUsize::new(0) }
    }

    /// Lets a request in.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = buckets.requests.wait(now).max(buckets.kibibytes.wait(now));
        if !wait.is_zero() {
            return Err(wait);
        }
        buckets.requests.charge(now, 1);
        Ok(())
    }

    /// Notes that a body holds `bytes` more. `false`, and nothing noted, when that would be more than
    /// `most`.
    pub(super) fn hold(&self, bytes: usize, most: usize) -> bool {
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= most);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Notes that bodies hold `bytes` less.
    pub(super) fn release(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Charges what came of a body.
    pub(super) fn charge(&self, now: Instant, bytes: usize) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let kibibytes = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        buckets.kibibytes.charge(now, kibibytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_too_fast_waits_as_long_as_the_rate_says() {
        let now = Instant::now();
        let used = Used::new(Rates { requests: 10, bytes: 1 << 20 }, now);
        let let_in = (0..100).take_while(|_| used.admit(now).is_ok()).count();
        assert_eq!(let_in, 21, "two seconds of the rate, and the one that exhausts it");
        assert_eq!(used.admit(now), Err(Duration::from_millis(100)));
        assert_eq!(used.admit(now + Duration::from_millis(100)), Ok(()));

        let later = now + Duration::from_mins(1);
        assert_eq!(used.admit(later), Ok(()));
        used.charge(later, 5 << 20);
        let wait = used.admit(later).unwrap_err();
        assert!((2_900..=3_000).contains(&wait.as_millis()), "{wait:?}");
    }
}
