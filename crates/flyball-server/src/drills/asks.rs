//! What other systems are asked for a run, by what its document says.

use flyball_connect::drill::{Ask, DrillError, Injection, envoy, toxiproxy, webhook};
use flyball_govern::drill::{Drill, DrillVia, WebhookVia};
use flyball_model::Timestamp;

/// The fault of `drill` as the run called `key` injects it.
pub(crate) const fn injection<'a>(drill: &Drill, key: &'a str) -> Injection<'a> {
    Injection { key, fault: drill.spec.fault, share: drill.spec.blast_radius }
}

/// What injects the fault of `drill`, asked at `at` for the run called `key`; `None` where nobody is asked: callers ask us, or
/// it is no request.
///
/// # Errors
///
/// What the system cannot do.
pub(super) fn begin(drill: &Drill, key: &str, at: Timestamp) -> Result<Option<Ask>, DrillError> {
    let injection = injection(drill, key);
    Ok(match &drill.spec.via {
        DrillVia::Toxiproxy { url, proxy } => Some(toxiproxy::begin(url, proxy, &injection)?),
        DrillVia::Envoy { url, runtime } => Some(envoy::begin(url, runtime, &injection)?),
        DrillVia::EnvoyHeaders {} => {
            // What nobody could be told is refused before it is begun.
            envoy::headers(&injection)?;
            None
        }
        DrillVia::Webhook(WebhookVia { url, secret_env, .. }) => {
            let to = (url.as_str(), secret_env.as_str());
            Some(webhook::ask(webhook::Order::Begin, drill, &injection, to, at))
        }
        DrillVia::ChaosToolkit { .. } => None,
    })
}

/// What takes it away.
///
/// # Errors
///
/// As [`begin`].
pub(super) fn end(drill: &Drill, key: &str, at: Timestamp) -> Result<Vec<Ask>, DrillError> {
    let injection = injection(drill, key);
    Ok(match &drill.spec.via {
        DrillVia::Toxiproxy { url, proxy } => vec![toxiproxy::end(url, proxy, &injection)],
        DrillVia::Envoy { url, runtime } => vec![envoy::end(url, runtime, &injection)?],
        DrillVia::Webhook(WebhookVia { url, secret_env, .. }) => {
            let to = (url.as_str(), secret_env.as_str());
            vec![webhook::ask(webhook::Order::End, drill, &injection, to, at)]
        }
        DrillVia::EnvoyHeaders {} | DrillVia::ChaosToolkit { .. } => Vec::new(),
    })
}
