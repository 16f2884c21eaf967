//! The memory in which bodies are worked on.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Refusal, size_of};
use crate::pool::Size;

/// How many times its size a body may take in memory while it is worked on: its columns, and the
/// copy that is written.
const WORKING_FACTOR: usize = 4;
/// The part of all memory that large bodies never get: one in so many.
const SMALL_PART: usize = 8;

/// Memory for bodies, of which some is kept for small ones: a few large bodies, or such that say they
/// are small and are not, can fill the rest without a small one being turned away.
///
/// One permit a kibibyte, since permits are counted in 32 bits.
#[derive(Debug)]
pub(super) struct Room {
    small: Arc<Semaphore>,
    shared: Arc<Semaphore>,
    /// What one body can get at most.
    most: usize,
}

impl Room {
    /// `bytes` of memory.
    pub(super) fn new(bytes: usize) -> Self {
        let kibibytes = bytes >> 10;
        let small = kibibytes / SMALL_PART;
        let most = kibibytes - small;
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { small: semaphore(small), shared: semaphore(most), most }
    }

    /// Room for a body of so many bytes, decompressed: never more than one can get. A small one takes
    /// what is kept for its kind, and what is shared when that is taken.
    ///
    /// # Errors
    ///
    /// [`Refusal::Busy`] when there is none.
    pub(super) fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let kibibytes = (bytes.saturating_mul(WORKING_FACTOR) >> 10).min(self.most);
        let permits = u32::try_from(kibibytes).unwrap_or(u32::MAX);
        let of = |room: &Arc<Semaphore>| Arc::clone(room).try_acquire_many_owned(permits).ok();
        let kept = match size_of(bytes) {
            Size::Small => of(&self.small),
            Size::Large => None,
        };
        kept.or_else(|| of(&self.shared)).ok_or(Refusal::Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: usize = 16 << 10;
    const LARGE: usize = 64 << 20;

    #[test]
    fn large_bodies_leave_room_for_small_ones() {
        let room = Room::new(64 << 20);
        let large = room.take(LARGE).unwrap();
        assert!(matches!(room.take(LARGE), Err(Refusal::Busy)));
        let of_small = (64 << 20) / SMALL_PART / (SMALL * WORKING_FACTOR);
        let small: Vec<_> = (0..of_small).map(|_| room.take(SMALL).unwrap()).collect();
        assert!(matches!(room.take(SMALL), Err(Refusal::Busy)));

        drop(large);
        let beyond = room.take(SMALL).unwrap();
        assert!(
            matches!(room.take(LARGE), Err(Refusal::Busy)),
            "a small one is in the shared room"
        );
        drop((small, beyond));
        assert!(room.take(LARGE).is_ok());
    }
}
