//! Whoever breaks something when asked: a signed body, and for how long it holds.
//!
//! An order to begin holds for a lease and is renewed while the drill goes on, so that whoever takes it can end the
//! fault when nobody renews it. The last order says to end it, and comes until it is answered.

use flyball_govern::drill::{Drill, LEASE};
use flyball_model::Timestamp;
use serde_json::json;

use super::{Ask, Injection};
use crate::notify::{DELIVERY_HEADER, EVENT_HEADER};

/// The name and version of an order.
pub const SCHEMA: &str = "flyball.dev/drill/v1";

/// What is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The fault is to be there, until the lease is over.
    Begin,
    /// The fault is to be gone.
    End,
}

impl Order {
    const fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::End => "end",
        }
    }
}

/// What is asked of the webhook at `url` at `at`, to be signed with what `secret_env` holds.
pub fn ask(
    order: Order,
    drill: &Drill,
    injection: &Injection<'_>,
    (url, secret_env): (&str, &str),
    at: Timestamp,
) -> Ask {
    let until = (order == Order::Begin).then(|| at.plus(LEASE));
    let body = json!({
        "schema": SCHEMA,
        "order": order,
        "key": injection.key,
        "drill": drill.name,
        "service": drill.spec.service,
        "fault": drill.spec.fault,
        "share": injection.share,
        "at": at,
        "until": until,
    });
    let mut ask = Ask::new("POST", url.to_owned(), body.to_string());
    ask.headers = vec![
        (DELIVERY_HEADER.to_owned(), format!("{}:{}", injection.key, order.name())),
        (EVENT_HEADER.to_owned(), format!("drill.{}", order.name())),
    ];
    ask.secret_env = Some(secret_env.to_owned());
    ask
}
