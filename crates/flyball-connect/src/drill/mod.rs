//! What other systems are asked to do so that something breaks, and is whole again: one module a system.
//!
//! What is asked is fixed before a drill begins, and may be written down and sent by another process: a guard holds
//! what takes a fault away, and knows nothing else. Every [`Ask`] may be sent again. Nothing here sends.

pub mod chaos_toolkit;
pub mod envoy;
pub mod guard;
pub mod toxiproxy;
pub mod webhook;

use flyball_govern::alert::Outcome;
use flyball_govern::drill::Fault;
use flyball_model::{Rational, Timestamp};

use crate::notify::{SIGNATURE_HEADER, Secret, judge, signature};

/// The fault of a drill, and whom it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injection<'a> {
    /// What the drill is known by in the other system; the same whenever it is asked.
    pub key: &'a str,
    /// What is broken.
    pub fault: Fault,
    /// The share of traffic that it reaches.
    pub share: Rational,
}

/// Something that another system is asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ask {
    /// The method of HTTP.
    pub method: String,
    /// Where.
    pub url: String,
    /// The body, which is JSON; empty for none.
    pub body: String,
    /// Headers that are its own, each with its value; those of the body and of the signature are made of it.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The environment variable with what it is signed with; `None` for no signature.
    pub secret_env: Option<String>,
    /// Answers that are as good as 2xx: what is there already, or gone already.
    pub as_good: Vec<u16>,
}

impl Ask {
    fn new(method: &str, url: String, body: String) -> Self {
        let (method, headers, as_good) = (method.to_owned(), Vec::new(), Vec::new());
        Self { method, url, body, headers, secret_env: None, as_good }
    }

    /// The headers that it is sent with at `now`, signed as notices are when there is a `secret`.
    pub fn headers_at(&self, now: Timestamp, secret: Option<&Secret>) -> Vec<(String, String)> {
        let kind = (!self.body.is_empty()).then(|| ("content-type", "application/json".to_owned()));
        let signed = secret.map(|of| (SIGNATURE_HEADER, signature(of, now, self.body.as_bytes())));
        let made = kind.into_iter().chain(signed);
        let made = made.map(|(name, value)| (name.to_owned(), value));
        made.chain(self.headers.iter().cloned()).collect()
    }

    /// What an answer means: its status and the beginning of its body.
    pub fn judge(&self, status: u16, body: &[u8], now: Timestamp) -> Outcome {
        if self.as_good.contains(&status) {
            return Outcome::Delivered;
        }
        judge(status, None, body, now)
    }
}

/// Why a fault cannot be injected by a system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DrillError {
    /// The system has no such fault.
    #[error("{system} cannot do `{fault}`; hint: {can}")]
    Fault {
        /// The system.
        system: &'static str,
        /// The fault.
        fault: &'static str,
        /// What it can do.
        can: &'static str,
    },
    /// The share is finer than the system's.
    #[error(
        "{system} reaches whole per cents of requests, and {share} of them are none; hint: write a `blastRadius` like 5%"
    )]
    Share {
        /// The system.
        system: &'static str,
        /// The share.
        share: Rational,
    },
}
