//! Idempotency keys that the ledger does not know yet.
//!
//! A request with a key is counted once. The ledger remembers the keys of what it has counted;
//! between the moment that a request is taken in and that commit, its key is remembered here.
//!
//! A key says which request it is, and where a client chose it also what was in that: under the same key
//! something else may not come, since it would be taken for what was counted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flyball_store::Sequence;
use tokio::sync::watch;

/// The bytes of a key that say which request it is. Those behind them say what was in it, where there
/// are any; keys that were made before there were have none.
pub(crate) const ID_BYTES: usize = 16;

/// The part of a key that says which request it is, and the part that says what was in it.
pub(crate) fn parts(key: &[u8]) -> (&[u8], &[u8]) {
    key.split_at(key.len().min(ID_BYTES))
}

/// Whether two keys of one request cannot be of the same content.
pub(crate) fn is_other(one: &[u8], two: &[u8]) -> bool {
    let (one, two) = (parts(one).1, parts(two).1);
    !one.is_empty() && !two.is_empty() && one != two
}

/// The keys between intake and ledger. Their number is bounded by what may wait to be counted.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// By what says which request it is.
    held: Mutex<HashMap<Vec<u8>, Held>>,
}

#[derive(Debug)]
enum Held {
    /// Whoever watches learns when it is decided, which dropping the sender tells.
    InFlight(watch::Receiver<()>),
    /// In the journal as this entry, by this key.
    Durable(Sequence, Vec<u8>),
}

/// What is known of a key.
#[derive(Debug)]
pub(crate) enum Claim<'a> {
    /// It is new, and the caller's until the claim is dropped or kept.
    New(Claimed<'a>),
    /// It is in the journal.
    Durable,
    /// It is in the journal with something else in it.
    Other,
    /// Another request with it is being taken in: ask again when this tells.
    Wait(watch::Receiver<()>),
}

/// A key that a request is being taken in under. Dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Claimed<'a> {
    keys: &'a Keys,
    key: Vec<u8>,
    /// Told by being dropped, after the key's state has changed.
    _decided: watch::Sender<()>,
}

impl Keys {
    fn held(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims `key` for a request.
    pub(crate) fn claim(&self, key: &[u8]) -> Claim<'_> {
        let mut held = self.held();
        match held.get(parts(key).0) {
            Some(Held::Durable(_, before)) if is_other(before, key) => Claim::Other,
            Some(Held::Durable(..)) => Claim::Durable,
            Some(Held::InFlight(decided)) => Claim::Wait(decided.clone()),
            None => {
                let (decided, wait) = watch::channel(());
                held.insert(parts(key).0.to_vec(), Held::InFlight(wait));
                Claim::New(Claimed { keys: self, key: key.to_vec(), _decided: decided })
            }
        }
    }

    /// Notes a key that was found in the journal behind the ledger's position.
    pub(crate) fn recovered(&self, key: Vec<u8>, sequence: Sequence) {
        self.held().insert(parts(&key).0.to_vec(), Held::Durable(sequence, key));
    }

    /// Forgets the keys of entries up to `through`: the ledger has them now.
    pub(crate) fn committed(&self, through: Sequence) {
        self.held().retain(|_, held| !matches!(held, Held::Durable(at, _) if *at <= through));
    }
}

impl Claimed<'_> {
    /// The request is in the journal as entry `sequence`.
    pub(crate) fn keep(self, sequence: Sequence) {
        self.keys.recovered(self.key.clone(), sequence);
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        let mut held = self.keys.held();
        let (id, _) = parts(&self.key);
        if matches!(held.get(id), Some(Held::InFlight(_))) {
            held.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_claimed_by_one_request_at_a_time() {
        let keys = Keys::default();
        let Claim::New(first) = keys.claim(b"a") else { panic!("it is new") };
        let Claim::Wait(mut wait) = keys.claim(b"a") else { panic!("it is claimed") };
        drop(first);
        assert!(wait.changed().await.is_err(), "the sender is gone");
        let Claim::New(second) = keys.claim(b"a") else { panic!("it is free again") };
        second.keep(Sequence(7));
        assert!(matches!(keys.claim(b"a"), Claim::Durable));
        keys.committed(Sequence(6));
        assert!(matches!(keys.claim(b"a"), Claim::Durable));
        keys.committed(Sequence(7));
        assert!(matches!(keys.claim(b"a"), Claim::New(_)));
    }

    #[test]
    fn a_key_with_something_else_in_it_is_another() {
        let keys = Keys::default();
        let key = |content: &[u8]| [&[7; ID_BYTES][..], content].concat();
        keys.recovered(key(b"one"), Sequence(1));
        assert!(matches!(keys.claim(&key(b"one")), Claim::Durable));
        assert!(matches!(keys.claim(&key(b"two")), Claim::Other));
        assert!(matches!(keys.claim(&key(b"")), Claim::Durable), "one that does not say");
    }
}
