//! An identity provider that says whatever it is told to, also what none may say.
//!
//! It has no page of its own: who asks for a login is sent back by the test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreHmacKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PrivateSigningKey};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How an ID token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signed {
    /// As it should be.
    Rightly,
    /// Not at all.
    Not,
    /// With the public key as a shared secret.
    WithPublicKey,
    /// By a key that it does not publish under this name.
    ByAnother,
}

/// What the provider says next.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Which of its keys it has, and publishes.
    pub(super) key: u8,
    pub(super) signed: Signed,
    /// What the ID token claims.
    pub(super) claims: Value,
    /// What it tells to the holder of the access token.
    pub(super) info: Value,
    /// What it was sent for a code.
    pub(super) sent: HashMap<String, String>,
}

type Known = Arc<Mutex<Script>>;

/// A provider on a port of its own. It is down when it is dropped.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) issuer: String,
    script: Arc<Mutex<Script>>,
    serving: JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Provider {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script {
            key: 1,
            signed: Signed::Rightly,
            claims: json!({}),
            info: json!({}),
            sent: HashMap::new(),
        }));
        let known = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/info"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA", "none", "HS256"],
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async move || Json(known)))
            .route(
                "/keys",
                get(async |State(script): State<Known>| {
                    let key = key(script.lock().unwrap().key).as_verification_key();
                    Json(json!({"keys": [key]}))
                }),
            )
            .route(
                "/token",
                post(async |State(script): State<Known>, sent: String| {
                    let mut script = script.lock().unwrap();
                    let form = Url::parse(&format!("form:?{sent}")).unwrap();
                    script.sent = form.query_pairs().into_owned().collect();
                    if script.sent["code"] == "wrong" {
                        let error = json!({"error": "invalid_grant"});
                        return (StatusCode::BAD_REQUEST, Json(error));
                    }
                    let token = json!({
                        "access_token": "access",
                        "token_type": "Bearer",
                        "id_token": script.token(),
                    });
                    (StatusCode::OK, Json(token))
                }),
            )
            .route(
                "/info",
                get(async |State(script): State<Known>| Json(script.lock().unwrap().info.clone())),
            )
            .with_state(Arc::clone(&script));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, script, serving }
    }

    /// What it says next, to be changed.
    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }
}

impl Script {
    /// The ID token.
    fn token(&self) -> String {
        let (algorithm, kid) = match self.signed {
            Signed::Not => ("none", Value::Null),
            Signed::WithPublicKey => ("HS256", json!("key")),
            Signed::Rightly | Signed::ByAnother => ("EdDSA", json!(format!("key {}", self.key))),
        };
        let mut header = json!({"alg": algorithm});
        if kid != Value::Null {
            header["kid"] = kid;
        }
        let parts =
            [header, self.claims.clone()].map(|part| base64url(part.to_string().as_bytes()));
        let message = parts.join(".");
        let signature = match self.signed {
            Signed::Not => Vec::new(),
            Signed::WithPublicKey => {
                let public = serde_json::to_vec(&key(self.key).as_verification_key()).unwrap();
                let algorithm = CoreJwsSigningAlgorithm::HmacSha256;
                CoreHmacKey::new(public).sign(&algorithm, message.as_bytes()).unwrap()
            }
            Signed::Rightly => sign(self.key, &message),
            Signed::ByAnother => sign(self.key + 1, &message),
        };
        format!("{message}.{}", base64url(&signature))
    }
}

fn sign(number: u8, message: &str) -> Vec<u8> {
    key(number).sign(&CoreJwsSigningAlgorithm::EdDsa, message.as_bytes()).unwrap()
}

/// A key from its number, in the PKCS #8 form of RFC 8410.
fn key(number: u8) -> CoreEdDsaPrivateSigningKey {
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([number; 32]);
    let text = base64(&der, *b"+/", true);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let kid = JsonWebKeyId::new(format!("key {number}"));
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(kid)).unwrap()
}

/// RFC 4648, as JWTs and PKCE have it.
pub(super) fn base64url(bytes: &[u8]) -> String {
    base64(bytes, *b"-_", false)
}

fn base64(bytes: &[u8], last: [u8; 2], pads: bool) -> String {
    let digits: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(last).collect();
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |number, at| {
            number << 8 | three.get(at).map_or(0, |byte| usize::from(*byte))
        });
        for at in 0..=three.len() {
            text.push(char::from(digits[number >> (18 - 6 * at) & 63]));
        }
        if pads {
            text.push_str(&"=".repeat(3 - three.len()));
        }
    }
    text
}
