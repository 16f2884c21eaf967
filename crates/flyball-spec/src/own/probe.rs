//! `kind: Probe`.

use flyball_model::{Check, Duration, Probe};

use super::{Defined, positive};
use crate::decode::{Fields, Reader, Text};
use crate::diagnostic::shown;
use crate::openslo::Version;
use crate::openslo::metadata::{description, metadata};
use crate::yaml::Node;

/// How often a check is made unless told.
const EVERY: Duration = Duration::from_seconds(10);
/// The shortest time between two checks: more often is load, not a probe.
const EVERY_MIN: Duration = Duration::from_seconds(1);
/// How long a check may take unless told.
const TIMEOUT: Duration = Duration::from_seconds(5);
/// How long a certificate must be valid yet unless told.
const AT_LEAST: Duration = Duration::from_days(14);
/// Statuses that one probe lists.
const STATUSES_MAX: usize = 100;

pub(super) fn probe(fields: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<Defined> {
    let metadata = metadata(fields, Version::V1, r);
    let node = fields.require("spec", "with `service` and one of `http`, `tcp`, `tls`", r)?;
    let mut spec = r.fields(node)?;
    description(&mut spec, r);
    let service = spec.require_text("service", "the service that is checked", r);
    let every = spec.get("every");
    let timeout = spec.get("timeout");
    let kinds = [spec.get("http"), spec.get("tcp"), spec.get("tls")];
    spec.finish(r);
    let every = every.map_or(Some(EVERY), |node| {
        let every = positive(node, r)?;
        if every < EVERY_MIN {
            r.error(node.span, format!("checks are at least {EVERY_MIN} apart"), "like 10s");
            return None;
        }
        Some(every)
    });
    let timeout = timeout.map_or(Some(None), |node| positive(node, r).map(Some));
    let check = match kinds {
        [Some(node), None, None] => http(node, r),
        [None, Some(node), None] => tcp(node, r),
        [None, None, Some(node)] => tls(node, r),
        _ => {
            let message = "a probe has exactly one of `http`, `tcp`, `tls`";
            r.error(node.head(r.source), message, "write a probe for each check");
            None
        }
    };
    let name = metadata?.name;
    let every = every?;
    let probe = Probe {
        name: name.value.clone(),
        service: service?.value,
        every,
        timeout: timeout?.unwrap_or(TIMEOUT.min(every)),
        check: check?,
    };
    Some(Defined::Probe(Box::new(probe), name))
}

fn http(node: &Node, r: &mut Reader<'_, '_>) -> Option<Check> {
    let mut fields = r.fields(node)?;
    let url = fields.require_text("url", "like https://shop.example/health", r);
    let method = fields.get("method");
    let statuses = fields.get("statuses");
    fields.finish(r);
    let methods = [("GET", "GET"), ("HEAD", "HEAD"), ("OPTIONS", "OPTIONS")];
    let method = method.map_or(Some("GET"), |node| r.word(node, &methods));
    let nodes = r.list(statuses);
    if nodes.len() > STATUSES_MAX {
        r.error(node.head(r.source), format!("more than {STATUSES_MAX} statuses"), "list fewer");
    }
    let mut status = |node: &Node| {
        let status = r.integer(node).and_then(|status| u16::try_from(status).ok());
        let status = status.filter(|status| (100..600).contains(status));
        if status.is_none() {
            r.error(node.span, "a status of HTTP is expected", "like 200");
        }
        status
    };
    let statuses: Vec<u16> = nodes.iter().map_while(&mut status).collect();
    let url = url?;
    let is_http = ["http://", "https://"].iter().any(|scheme| url.value.starts_with(scheme));
    if !is_http {
        let message = format!("`{}` is no URL of HTTP", shown(&url.value));
        r.error(url.at.span, message, "like https://shop.example/health");
        return None;
    }
    let method = method?.to_owned();
    (statuses.len() == nodes.len()).then_some(Check::Http { url: url.value, method, statuses })
}

fn tcp(node: &Node, r: &mut Reader<'_, '_>) -> Option<Check> {
    let mut fields = r.fields(node)?;
    let address = fields.require_text("address", "like db.example:5432", r);
    fields.finish(r);
    Some(Check::Tcp { address: self::address(&address?, r)? })
}

fn tls(node: &Node, r: &mut Reader<'_, '_>) -> Option<Check> {
    let mut fields = r.fields(node)?;
    let address = fields.require_text("address", "like shop.example:443", r);
    let at_least = fields.get("atLeast");
    fields.finish(r);
    let at_least = at_least.map_or(Some(AT_LEAST), |node| positive(node, r));
    Some(Check::TlsExpiry { address: self::address(&address?, r)?, at_least: at_least? })
}

/// A host and a port.
fn address(text: &Text, r: &mut Reader<'_, '_>) -> Option<String> {
    let parts = text.value.rsplit_once(':');
    let is_good = parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !is_good {
        let message = format!("`{}` is no host with a port", shown(&text.value));
        r.error(text.at.span, message, "like shop.example:443");
        return None;
    }
    Some(text.value.clone())
}
