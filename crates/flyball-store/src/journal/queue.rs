//! What waits to be written: bounded in entries and bytes, taken in groups.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use flyball_model::Timestamp;

use super::JournalOptions;
use super::ticket::{self, Resolver, Ticket};
use crate::StoreError;

/// An entry on its way to the disk.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) arrival: Timestamp,
    pub(super) payload: Vec<u8>,
    pub(super) resolver: Resolver,
}

/// The queue between those who append and the one who writes.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something waits, or nothing more will come.
    changed: Condvar,
    entries_max: usize,
    bytes_max: usize,
    group_bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Pending>,
    /// Entries and payload bytes that wait or are being written: what memory is bounded by.
    entries: usize,
    bytes: usize,
    /// Why nothing more is taken.
    ended: Option<StoreError>,
}

impl Queue {
    pub(super) fn new(options: &JournalOptions) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            entries_max: options.queue_entries_max,
            bytes_max: options.queue_bytes_max,
            group_bytes_max: options.group_bytes_max,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, arrival: Timestamp, payload: Vec<u8>) -> Result<Ticket, StoreError> {
        let mut state = self.state();
        if let Some(ended) = &state.ended {
            return Err(ended.clone());
        }
        if state.entries >= self.entries_max || state.bytes + payload.len() > self.bytes_max {
            return Err(StoreError::Busy { entries: state.entries, bytes: state.bytes });
        }
        let (ticket, resolver) = ticket::pair();
        state.entries += 1;
        state.bytes += payload.len();
        state.waiting.push_back(Pending { arrival, payload, resolver });
        drop(state);
        self.changed.notify_one();
        Ok(ticket)
    }

    /// Waits for entries and takes those that are written together; `None` when none will come.
    pub(super) fn take(&self) -> Option<VecDeque<Pending>> {
        let mut state = self.state();
        while state.waiting.is_empty() {
            if state.ended.is_some() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        let fits = |pending: &Pending| {
            bytes += pending.payload.len();
            bytes <= self.group_bytes_max
        };
        let count = state.waiting.iter().map(fits).take_while(|fits| *fits).count().max(1);
        let rest = state.waiting.split_off(count);
        Some(std::mem::replace(&mut state.waiting, rest))
    }

    /// Entries that were taken are on disk or given up: their room is free again.
    pub(super) fn settle(&self, entries: usize, bytes: usize) {
        let mut state = self.state();
        state.entries -= entries;
        state.bytes -= bytes;
    }

    /// Takes nothing more; what waits is still written.
    pub(super) fn close(&self) {
        self.state().ended.get_or_insert(StoreError::Closed);
        self.changed.notify_one();
    }

    /// Why it takes nothing more; `None` while it does.
    pub(super) fn ended(&self) -> Option<StoreError> {
        self.state().ended.clone()
    }

    /// Takes nothing more, and answers what waits with `why`.
    pub(super) fn poison(&self, why: &StoreError) {
        let mut state = self.state();
        state.ended = Some(why.clone());
        let waiting = std::mem::take(&mut state.waiting);
        state.entries -= waiting.len();
        state.bytes -= waiting.iter().map(|pending| pending.payload.len()).sum::<usize>();
        drop(state);
        for pending in waiting {
            pending.resolver.resolve(Err(why.clone()));
        }
    }
}
