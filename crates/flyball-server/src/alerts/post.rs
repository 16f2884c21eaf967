//! Requests to receivers.

use std::error::Error;
use std::time::Duration;

use flyball_connect::notify::{Request, judge};
use flyball_govern::alert::Outcome;
use reqwest::header::RETRY_AFTER;

use super::Told;
use crate::clock::Clock;

/// How long a connection may take, and a request with its answer.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How much of an answer is read: what is wrong stands at its beginning. Bytes.
const ANSWER_BYTES_MAX: usize = 1 << 10;

/// The client of all targets.
///
/// # Errors
///
/// A system that refuses one.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    client_within(CONNECT_MAX, ANSWER_MAX)
}

/// A client whose connections take so long at most, and requests with their answers.
///
/// # Errors
///
/// As [`client`].
pub(crate) fn client_within(
    connection: Duration,
    answer: Duration,
) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .connect_timeout(connection)
        .timeout(answer)
        // Whoever is told does not choose who else is: what is sent holds keys.
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// Sends `request` once.
pub(crate) async fn send(client: &reqwest::Client, request: &Request, clock: &Clock) -> Told {
    let mut post = client.post(request.address()).body(request.body.clone());
    for (name, value) in &request.headers {
        post = post.header(*name, value);
    }
    let mut answer = match post.send().await {
        Ok(answer) => answer,
        Err(error) => return Told::later(kind(&error), said(error)),
    };
    let status = answer.status().as_u16();
    let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = asked.map(str::to_owned);
    let body = beginning(&mut answer, ANSWER_BYTES_MAX).await;
    let outcome = judge(status, asked.as_deref(), &body, clock.now());
    let reason = match outcome {
        Outcome::Delivered => "accepted",
        _ if status == 429 => "status_429",
        _ if status >= 500 => "status_5xx",
        _ if status >= 400 => "status_4xx",
        _ => "status_other",
    };
    Told { outcome, reason, status: Some(status) }
}

/// The beginning of an answer's body. The status is the answer; a body that breaks off takes nothing from it.
pub(crate) async fn beginning(answer: &mut reqwest::Response, bytes_max: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < bytes_max
        && let Ok(Some(part)) = answer.chunk().await
    {
        body.extend_from_slice(&part[..part.len().min(bytes_max - body.len())]);
    }
    body
}

fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connect"
    } else if error.is_builder() {
        "address"
    } else {
        "broken_off"
    }
}

/// What went wrong, without the address, which may be a password.
pub(crate) fn said(error: reqwest::Error) -> String {
    if error.is_builder() {
        return "the address or a secret cannot be used in a request".to_owned();
    }
    let error = error.without_url();
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}
