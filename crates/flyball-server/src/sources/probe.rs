//! Probes: each check is one event, `probe.success` says how it went.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration as Wait;

use flyball_model::{Check, Duration, Probe, Timestamp};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use x509_cert::der::Decode;

use super::Context;
use crate::entry::{Compression, Content};
use crate::intake::Offer;

/// How often it is looked whether probes have changed.
const LOOK: Wait = Wait::from_secs(1);
/// Probes that are made at the same time; those past it are left out with a warning.
const PROBES_MAX: usize = 1_000;
/// The most of an answer's body that is read, so that the answer is whole. Bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Makes the probes of the catalog in force until the server goes down.
pub(super) async fn run(context: Context) {
    let mut running: HashMap<String, (Probe, CancellationToken)> = HashMap::new();
    let mut is_told = false;
    loop {
        let asked = context.evaluator.ask(|evaluator| evaluator.catalog().set.probes.clone());
        let Ok(mut probes) = asked.await else { return };
        if probes.len() > PROBES_MAX && !std::mem::replace(&mut is_told, true) {
            tracing::warn!(probes = probes.len(), most = PROBES_MAX, "some probes are left out");
        }
        probes.truncate(PROBES_MAX);
        running.retain(|_, (probe, stop)| {
            let is_kept = probes.contains(probe);
            if !is_kept {
                stop.cancel();
            }
            is_kept
        });
        for probe in probes {
            if !running.contains_key(&probe.name) {
                let stop = context.stop.child_token();
                let own = Context { stop: stop.clone(), ..context.clone() };
                running.insert(probe.name.clone(), (probe.clone(), stop));
                tokio::spawn(repeat(own, probe));
            }
        }
        if context.wait(LOOK).await.is_none() {
            return;
        }
    }
}

/// Makes one probe again and again.
async fn repeat(context: Context, probe: Probe) {
    let mut ticks = tokio::time::interval(wait(probe.every));
    // A check that took long does not make the next ones come in a rush.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let source = format!("probe {}", probe.name);
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = context.clock.now();
        let begun = Instant::now();
        let outcome = match tokio::time::timeout(wait(probe.timeout), check(&probe, now)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::failed("timeout", format!("no answer within {}", probe.timeout)),
        };
        let line = event(&probe, now, begun.elapsed(), outcome);
        let offer = Offer::new(Content::Ndjson, Compression::None, line.into());
        match context.offer(&source, offer).await {
            None => return,
            Some(Ok(_)) => {}
            Some(Err(refusal)) => tracing::error!(source, %refusal, "a probe is not counted"),
        }
    }
}

fn wait(length: Duration) -> Wait {
    Wait::from_nanos(length.nanos().unsigned_abs())
}

/// How a check went.
#[derive(Debug)]
struct Outcome {
    success: bool,
    attributes: Map<String, Value>,
}

impl Outcome {
    fn new(success: bool) -> Self {
        Self { success, attributes: Map::new() }
    }

    fn failed(kind: &str, message: impl Into<String>) -> Self {
        Self::new(false).with("error.type", kind).with("error.message", message.into())
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }
}

/// The event of one check, as a line.
fn event(probe: &Probe, at: Timestamp, took: Wait, outcome: Outcome) -> String {
    let mut event = Map::new();
    let (Check::Http { url: target, .. }
    | Check::Tcp { address: target }
    | Check::TlsExpiry { address: target, .. }) = &probe.check;
    for (name, value) in [
        ("time", json!(at)),
        ("service.name", json!(probe.service)),
        ("probe.name", json!(probe.name)),
        ("probe.kind", json!(probe.check.kind())),
        ("probe.target", json!(target)),
        ("probe.success", json!(outcome.success)),
        ("duration_ms", json!(took.as_secs_f64() * 1e3)),
    ] {
        event.insert(name.to_owned(), value);
    }
    event.extend(outcome.attributes);
    Value::Object(event).to_string() + "\n"
}

async fn check(probe: &Probe, now: Timestamp) -> Outcome {
    match &probe.check {
        Check::Http { url, method, statuses } => http(url, method, statuses).await,
        Check::Tcp { address } => match TcpStream::connect(address).await {
            Ok(_) => Outcome::new(true),
            Err(error) => refused(&error),
        },
        Check::TlsExpiry { address, at_least } => match expiry(address).await {
            Ok(end) => {
                let left = end.since(now);
                let days = left.as_seconds_f64() / 86_400.0;
                Outcome::new(end > now.plus(*at_least)).with("tls.days_left", days)
            }
            Err(error) => refused(&error),
        },
    }
}

fn refused(error: &io::Error) -> Outcome {
    Outcome::failed(&error.kind().to_string(), error.to_string())
}

async fn http(url: &str, method: &str, statuses: &[u16]) -> Outcome {
    // A connection of its own each time: that it can be made is part of what is checked.
    // A redirect is an answer: whoever is checked does not choose whom else this server asks.
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap_or_default();
    let asked = async {
        let mut answer = client?.request(method, url).send().await?;
        let status = answer.status().as_u16();
        let mut read = 0;
        while let Some(part) = answer.chunk().await? {
            read += part.len();
            if read > ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok::<_, reqwest::Error>(status)
    };
    match asked.await {
        Ok(status) => {
            let is_default = statuses.is_empty() && (200..400).contains(&status);
            let success = is_default || statuses.contains(&status);
            Outcome::new(success).with("http.response.status_code", status)
        }
        Err(error) => {
            let kind = if error.is_connect() { "connect" } else { "http" };
            Outcome::failed(kind, error.to_string())
        }
    }
}

/// When the certificate of `address` ends.
async fn expiry(address: &str) -> io::Result<Timestamp> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    let certificate = certificate.ok_or_else(|| io::Error::other("there is no certificate"))?;
    let certificate = x509_cert::Certificate::from_der(certificate).map_err(io::Error::other)?;
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    let seconds = i64::try_from(end.as_secs()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_seconds(seconds))
}

/// Takes every certificate: what is asked is when it ends, also of one that nobody trusts. Nothing
/// is said over such a connection.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
