//! Logins that were begun and have not come back yet.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;

use flyball_model::{Duration, Timestamp};
use openidconnect::{Nonce, PkceCodeVerifier};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::hex::hex;
use crate::listen::network;

/// How long somebody may take at the provider, second factor and all.
pub(crate) const PATIENCE: Duration = Duration::from_minutes(10);
/// The most logins that wait at the same time. Past it the oldest of the network that has the most is
/// forgotten, so that whoever begins many pushes out their own. Some 5 MiB.
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
    /// The states by the networks that they came from, each in their order, those that were taken among
    /// them.
    order: HashMap<IpAddr, VecDeque<(String, Timestamp)>>,
    /// How many that are.
    held: usize,
}

impl Pending {
    /// Keeps a login that begins `now` at `address`.
    pub(super) fn add(&mut self, state: String, waiting: Waiting, address: IpAddr, now: Timestamp) {
        if self.held >= WAITING_MAX {
            self.forget_late(now);
        }
        if self.held >= WAITING_MAX {
            let most = self.order.values_mut().max_by_key(|states| states.len());
            if let Some((oldest, _)) = most.and_then(VecDeque::pop_front) {
                self.waiting.remove(&oldest);
                self.held -= 1;
            }
        }
        self.order.entry(network(address)).or_default().push_back((state.clone(), now));
        self.waiting.insert(state, (waiting, now));
        self.held += 1;
    }

    /// Forgets those that took too long.
    fn forget_late(&mut self, now: Timestamp) {
        for states in self.order.values_mut() {
            while let Some((state, _)) = states.pop_front_if(|(_, at)| now >= at.plus(PATIENCE)) {
                self.waiting.remove(&state);
                self.held -= 1;
            }
        }
        self.order.retain(|_, states| !states.is_empty());
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
    use std::net::Ipv6Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn waiting() -> (Waiting, String) {
        let verifier = PkceCodeVerifier::new("v".repeat(43));
        Waiting::new(Nonce::new("n".to_owned()), verifier, "/".to_owned()).unwrap()
    }

    #[test]
    fn a_login_is_good_once_in_its_browser_for_a_while() {
        let now = Timestamp::from_seconds(0);
        let mut pending = Pending::default();
        let (one, browser) = waiting();
        pending.add("a".to_owned(), one, HERE, now);
        assert!(pending.take("b", Some(&browser), now).is_none());
        assert!(pending.take("a", None, now).is_none());
        assert!(pending.take("a", Some("another"), now).is_none());
        assert!(pending.take("a", Some(&browser), now.plus(PATIENCE)).is_none(), "too late");
        assert!(pending.take("a", Some(&browser), now).is_some());
        assert!(pending.take("a", Some(&browser), now).is_none(), "it was used");
    }

    #[test]
    fn there_are_never_more_than_can_be_kept_and_many_push_out_their_own() {
        let now = Timestamp::from_seconds(0);
        let mut pending = Pending::default();
        let (first, browser) = waiting();
        pending.add("first".to_owned(), first, HERE, now);
        let (other, others) = waiting();
        pending.add("other".to_owned(), other, "2001:db8::1".parse().unwrap(), now);
        let flood = |host: usize| format!("2001:db8:0:1::{host:x}").parse().unwrap();
        for number in 0..WAITING_MAX {
            pending.add(number.to_string(), waiting().0, flood(number), now);
        }
        assert_eq!((pending.waiting.len(), pending.held), (WAITING_MAX, WAITING_MAX));
        assert!(!pending.waiting.contains_key("1"), "the oldest of the many");
        assert!(pending.take("first", Some(&browser), now).is_some());
        assert!(pending.take("other", Some(&others), now).is_some());
        pending.add("later".to_owned(), waiting().0, HERE, now.plus(PATIENCE));
        assert_eq!((pending.waiting.len(), pending.held, pending.order.len()), (1, 1, 1));
    }
}
