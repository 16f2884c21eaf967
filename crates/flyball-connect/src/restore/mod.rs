//! What other systems are asked to do so that a service is restored: bodies and requests, and flags in files.
//!
//! Nothing here sends or writes. A request is made of a body that was fixed when it was planned, so that what
//! comes again is the same to the byte.

mod flagd;

pub use flagd::{FlagError, SwitchedOff, switch_off};

use flyball_model::{Change, HookPurpose, Timestamp};
use serde_json::{Value, json};

use crate::notify::{DELIVERY_HEADER, EVENT_HEADER, Request, SIGNATURE_HEADER, Secret};
use crate::notify::{segment, signature};

/// The name and version of the body of a hook.
pub const SCHEMA: &str = "flyball.dev/restore/v1";

/// What a hook is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Order<'a> {
    /// What it is known by when it comes again.
    pub key: &'a str,
    /// The action.
    pub action: &'a str,
    /// What is asked for.
    pub purpose: HookPurpose,
    /// The change to undo.
    pub change: &'a Change,
    /// The deployment before it; `None` when none is known.
    pub to: Option<&'a Change>,
    /// What to drain: an attribute and its value; `None` for the whole.
    pub slice: Option<(&'a str, &'a str)>,
    /// The SLOs that regressed.
    pub objectives: Vec<&'a str>,
    /// Who asked, as the audit log names them.
    pub by: &'a str,
    /// Whether nobody had to ask.
    pub automatic: bool,
    /// When.
    pub at: Timestamp,
}

impl Order<'_> {
    /// The body of the request, as text.
    pub fn body(&self) -> String {
        let Change { id, service, kind, environment, version, revision, .. } = self.change;
        let to = self
            .to
            .map(|to| json!({ "id": to.id, "version": to.version, "revision": to.revision }));
        let slice =
            self.slice.map(|(attribute, value)| json!({ "attribute": attribute, "value": value }));
        let body: Value = json!({
            "schema": SCHEMA,
            "event": self.purpose,
            "key": self.key,
            "action": self.action,
            "at": self.at,
            "by": self.by,
            "automatic": self.automatic,
            "change": {
                "id": id,
                "service": service,
                "kind": kind,
                "environment": environment,
                "version": version,
                "revision": revision,
            },
            "to": to,
            "slice": slice,
            "objectives": self.objectives,
            "record": change_id(self.key),
        });
        body.to_string()
    }
}

/// The id of the change that a restore is recorded as.
pub fn change_id(key: &str) -> String {
    format!("restore:{key}")
}

/// The request that brings `body` to the hook at `url`, signed as notices are.
pub fn hook_request(
    (url, secret): (&Secret, &Secret),
    purpose: HookPurpose,
    key: &str,
    body: &str,
    now: Timestamp,
) -> Request {
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        (SIGNATURE_HEADER, signature(secret, now, body.as_bytes())),
        (DELIVERY_HEADER, key.to_owned()),
        ("idempotency-key", key.to_owned()),
        (EVENT_HEADER, format!("restore.{}", purpose.name())),
    ];
    Request { url: url.clone(), headers, body: body.as_bytes().to_vec() }
}

/// Where Unleash switches the flag off in an environment.
///
/// Source: Unleash's admin API, `POST …/features/{featureName}/environments/{environment}/off`.
pub fn unleash_address(url: &str, project: &str, environment: &str, flag: &str) -> String {
    let [project, environment, flag] = [project, environment, flag].map(segment);
    let url = url.trim_end_matches('/');
    format!("{url}/api/admin/projects/{project}/features/{flag}/environments/{environment}/off")
}

/// The request to `address` that switches a flag off. Unleash takes the token as it is, without `Bearer`.
pub fn unleash_request(address: &str, token: &Secret) -> Request {
    let headers = vec![("authorization", token.expose().to_owned())];
    Request { url: Secret::new(address), headers, body: Vec::new() }
}
