//! Logins that were begun and have not come back yet.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use flyball_model::{Duration, Timestamp};
use openidconnect::{Nonce, PkceCodeVerifier};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::hex::hex;

/// How long somebody may take at the provider, second factor and all.
pub(crate) const PATIENCE: Duration = Duration::from_minutes(10);
/// The most logins that wait at the same time; past it the oldest is forgotten. Some 5 MiB.
const WAITING_MAX: usize = 10_000;

/// What a login needs when it comes back.
pub(super) struct Waiting {
    pub(super) nonce: Nonce,
    pub(super) verifier: PkceCodeVerifier,
    pub(super) next: String,
    /// SHA-256 of what the browser keeps.
    browser: [u8; 32],
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Waiting {
    /// A login, and what the browser is to keep of it.
    ///
    /// # Errors
    ///
    /// When the system has no random bytes.
    pub(super) fn new(
        nonce: Nonce,
        verifier: PkceCodeVerifier,
        next: String,
    ) -> Result<(Self, String), getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        let kept = hex(&random);
        let browser = Sha256::digest(&kept).into();
        Ok((Self { nonce, verifier, next, browser }, kept))
    }
}

/// All logins that wait, by their states.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: HashMap<String, (Waiting, Timestamp)>,
    /// The states in the order in which they came, those that were taken among them.
    order: VecDeque<(String, Timestamp)>,
}

impl Pending {
    /// Keeps a login that begins `now`.
    pub(super) fn add(&mut self, state: String, waiting: Waiting, now: Timestamp) {
        while let Some((oldest, begun)) = self.order.front() {
            if self.order.len() < WAITING_MAX && now < begun.plus(PATIENCE) {
                break;
            }
            self.waiting.remove(oldest);
            self.order.pop_front();
        }
        self.order.push_back((state.clone(), now));
        self.waiting.insert(state, (waiting, now));
    }

    /// The login called `state`, if it was begun not long ago by the browser that keeps `browser`. It is
    /// good once.
    pub(super) fn take(
        &mut self,
        state: &str,
        browser: Option<&str>,
        now: Timestamp,
    ) -> Option<Waiting> {
        let (waiting, begun) = self.waiting.get(state)?;
        let shown: [u8; 32] = Sha256::digest(browser?).into();
        if !bool::from(waiting.browser.ct_eq(&shown)) || now >= begun.plus(PATIENCE) {
            return None;
        }
        self.waiting.remove(state).map(|(waiting, _)| waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting() -> (Waiting, String) {
        let verifier = PkceCodeVerifier::new("v".repeat(43));
        Waiting::new(Nonce::new("n".to_owned()), verifier, "/".to_owned()).unwrap()
    }

    #[test]
    fn a_login_is_good_once_in_its_browser_for_a_while() {
        let now = Timestamp::from_seconds(0);
        let mut pending = Pending::default();
        let (one, browser) = waiting();
        pending.add("a".to_owned(), one, now);
        assert!(pending.take("b", Some(&browser), now).is_none());
        assert!(pending.take("a", None, now).is_none());
        assert!(pending.take("a", Some("another"), now).is_none());
        assert!(pending.take("a", Some(&browser), now.plus(PATIENCE)).is_none(), "too late");
        assert!(pending.take("a", Some(&browser), now).is_some());
        assert!(pending.take("a", Some(&browser), now).is_none(), "it was used");
    }

    #[test]
    fn there_are_never_more_than_can_be_kept() {
        let now = Timestamp::from_seconds(0);
        let mut pending = Pending::default();
        let (first, browser) = waiting();
        pending.add("first".to_owned(), first, now);
        for number in 0..WAITING_MAX {
            pending.add(number.to_string(), waiting().0, now);
        }
        assert_eq!((pending.waiting.len(), pending.order.len()), (WAITING_MAX, WAITING_MAX));
        assert!(pending.take("first", Some(&browser), now).is_none(), "the oldest is forgotten");
        pending.add("later".to_owned(), waiting().0, now.plus(PATIENCE));
        assert_eq!((pending.waiting.len(), pending.order.len()), (1, 1));
    }
}
