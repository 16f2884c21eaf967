//! What receivers are told of alerts: a notice in, a request out.
//!
//! One module a receiver. What is made is pure: the same notice at the same moment is the same bytes,
//! under keys by which the receiver knows a repetition where it can. Nothing here sends; what was
//! answered is read by [`judge`].

mod alertmanager;
mod answer;
mod goalert;
mod grafana;
mod mail;
mod pagerduty;
mod slack;
mod text;
mod webhook;

pub use alertmanager::{ALERTS_LAST, REFRESH_ALERTS_MAX, REFRESH_EVERY, refresh};
pub use answer::{RETRY_AFTER_MAX, judge};
pub use grafana::Annotation;
pub use mail::{Mail, mail};
pub use webhook::{DELIVERY_HEADER, EVENT_HEADER, SCHEMA, SIGNATURE_HEADER, signature};

use std::fmt;

use flyball_govern::alert::{About, Alert, Notice};
use flyball_model::Timestamp;
use sha2::{Digest, Sha256};

/// Something that is not to be shown: its `Debug` says so.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `secret`, without the whitespace that files end with.
    pub fn new(secret: &str) -> Self {
        Self(secret.trim().to_owned())
    }

    /// The secret itself, to be sent and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Who is told by a request, and how. Addresses that are passwords in themselves are secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// Alertmanager, by its API v2.
    Alertmanager {
        /// Its address, as in `http://alertmanager:9093`, with the path that it is served under.
        url: String,
        /// The token that a proxy before it may ask for.
        bearer: Option<Secret>,
    },
    /// Anything that takes a JSON body and can check a signature.
    Webhook {
        /// The address.
        url: Secret,
        /// What is signed with.
        secret: Secret,
    },
    /// Slack's incoming webhooks, and what understands them: Mattermost, Rocket.Chat, Zulip.
    Slack {
        /// The address.
        url: Secret,
    },
    /// `PagerDuty`'s Events API v2.
    PagerDuty {
        /// The address: `https://events.pagerduty.com/v2/enqueue`, or what stands before it.
        url: String,
        /// The integration's key.
        routing_key: Secret,
    },
    /// `GoAlert`'s generic API.
    GoAlert {
        /// Its address, as in `https://goalert.example.com`.
        url: String,
        /// The token of the service's integration key.
        token: Secret,
    },
}

/// Who sends, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender<'a> {
    /// The address under which people reach this server, without a slash at its end.
    pub origin: &'a str,
    /// When the request is made.
    pub now: Timestamp,
}

impl Sender<'_> {
    /// Where an alert can be looked at.
    fn link(&self, alert: &Alert) -> String {
        format!("{}/api/v1/alerts/{}", self.origin, alert.id)
    }

    /// Where a change can be looked at.
    fn change(&self, id: &str) -> String {
        format!("{}/api/v1/changes/{}", self.origin, segment(id))
    }

    /// Where a service can be looked at.
    fn service(&self, name: &str) -> String {
        format!("{}/api/v1/services/{}", self.origin, segment(name))
    }

    /// What an alert is known by everywhere: 64 hexadecimal digits, other ones on every server.
    fn key(&self, alert: &Alert) -> String {
        self.digest(&format!("alert\0{}\0{}", alert.id, alert.opened.nanos()))
    }

    /// What a notice is known by when it comes again.
    fn delivery(&self, notice: &Notice) -> String {
        if let About::Restored(restored) = &notice.about {
            return self.digest(&format!("restored\0{}\0{}", notice.target, restored.key));
        }
        if let About::Reminder(reminder) = &notice.about {
            return self.digest(&format!("reminder\0{}\0{}", notice.target, reminder.key));
        }
        self.digest(&format!("notice\0{}\0{}\0{}", notice.target, notice.id, notice.made.nanos()))
    }

    fn digest(&self, of: &str) -> String {
        hex(&Sha256::digest(format!("{}\0{of}", self.origin)))
    }

    /// The host of the address.
    fn host(&self) -> &str {
        let rest = self.origin.split_once("://").map_or(self.origin, |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or(rest)
    }
}

/// A `POST` to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where to; it may hold a password.
    pub url: Secret,
    /// The headers, `Content-Type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    fn json(url: &str, value: &serde_json::Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { url: Secret::new(url), headers, body: value.to_string().into_bytes() }
    }

    /// The address, to send to.
    pub fn address(&self) -> &str {
        self.url.expose()
    }
}

/// The request that tells `receiver` of `notice`; `None` where it is of no concern to such a receiver:
/// what it cannot be told of is as good as told.
pub fn request(receiver: &Receiver, notice: &Notice, sender: &Sender<'_>) -> Option<Request> {
    match receiver {
        Receiver::Alertmanager { url, bearer } => {
            alertmanager::request(url, bearer.as_ref(), notice, sender)
        }
        Receiver::Webhook { url, secret } => Some(webhook::request(url, secret, notice, sender)),
        Receiver::Slack { url } => Some(slack::request(url, notice, sender)),
        Receiver::PagerDuty { url, routing_key } => {
            pagerduty::request(url, routing_key, notice, sender)
        }
        Receiver::GoAlert { url, token } => goalert::request(url, token, notice, sender),
    }
}

/// The parts of a notice about an alert; `None` for others.
fn of_alert(notice: &Notice) -> Option<(flyball_govern::alert::Act, &Alert)> {
    match &notice.about {
        About::Alert { act, alert, .. } => Some((*act, alert)),
        About::SilenceOver(_) | About::Restored(_) | About::Reminder(_) => None,
    }
}

/// The start of a text, at most `bytes` long.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// A text as a segment of a path: all but unreserved characters percent-encoded (RFC 3986, section 2).
pub(crate) fn segment(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
