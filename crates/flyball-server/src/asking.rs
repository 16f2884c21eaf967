//! What other systems are asked in drills: by the server, and by the guard that outlives it.
//!
//! What is asked is made by `flyball-connect`, and signed here with what the environment holds. Nothing is tried
//! again by itself, and no redirect is followed: whoever is asked does not choose who else is.

use std::time::Duration;

use flyball_connect::drill::Ask;
use flyball_govern::alert::Outcome;
use flyball_model::SecretRef;
use reqwest::{Client, Method, Request};

use crate::alerts::post;
use crate::alerts::secrets::Secrets;
use crate::clock::Clock;

/// How long an ask takes with its answer: a fault is to be gone within five seconds, and a first attempt may fail.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How much of an answer is read: the keys of an Envoy, or the toxics of a proxy. Bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Asks other systems; clones share its connections.
#[derive(Debug, Clone)]
pub struct Asker {
    client: Client,
    clock: Clock,
}

impl Asker {
    /// One that signs at the time of `clock`.
    ///
    /// # Errors
    ///
    /// A client that cannot be made.
    pub fn new(clock: Clock) -> Result<Self, reqwest::Error> {
        Ok(Self { client: post::client_within(ANSWER_MAX, ANSWER_MAX)?, clock })
    }

    /// Whether `ask` can be asked: it has an address and a method, and the secret is there.
    ///
    /// # Errors
    ///
    /// What it lacks.
    pub fn check(&self, ask: &Ask) -> Result<(), String> {
        self.request(ask).map(drop)
    }

    /// Asks once, and waits at most a second for the answer; returns its beginning.
    ///
    /// # Errors
    ///
    /// Why it did not work: what was answered, or that nothing was.
    pub async fn ask(&self, ask: &Ask) -> Result<Vec<u8>, String> {
        let mut answer = self.client.execute(self.request(ask)?).await.map_err(post::said)?;
        let body = post::beginning(&mut answer, ANSWER_BYTES_MAX).await;
        match ask.judge(answer.status().as_u16(), &body, self.clock.now()) {
            Outcome::Delivered => Ok(body),
            Outcome::Later { problem, .. } | Outcome::Refused { problem } => Err(problem),
        }
    }

    /// The request, signed now.
    fn request(&self, ask: &Ask) -> Result<Request, String> {
        let reference = ask.secret_env.as_ref().map(|name| SecretRef::Env(name.clone()));
        let secret = reference.map(|of| Secrets::default().read(&of)).transpose()?;
        let method = Method::from_bytes(ask.method.as_bytes())
            .map_err(|_| format!("`{}` is no method of HTTP", ask.method))?;
        let mut request = self.client.request(method, &ask.url).body(ask.body.clone());
        for (name, value) in ask.headers_at(self.clock.now(), secret.as_ref()) {
            request = request.header(name, value);
        }
        request.build().map_err(post::said)
    }
}
