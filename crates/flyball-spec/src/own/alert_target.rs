//! `kind: AlertTarget`.

use flyball_model::{
    AlertChannel, AlertTarget, MailEncryption, Mailing, Severity, TARGET_SERVICE_CHARS_MAX,
    TARGET_SERVICES_MAX,
};

use super::Defined;
use super::reference::{self, address, secret};
use crate::decode::{Fields, Reader, Text};
use crate::diagnostic::shown;
use crate::openslo::Version;
use crate::openslo::metadata::{description, metadata};
use crate::yaml::Node;

/// Where `PagerDuty` takes events unless told; the European service region has another.
const PAGER_DUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// The most addresses that one target sends mail to.
const RECIPIENTS_MAX: usize = 32;
/// The longest address of mail. Bytes; RFC 5321, section 4.5.3.1.3, without its brackets.
const MAIL_BYTES_MAX: usize = 254;

pub(super) fn alert_target(fields: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<Defined> {
    let metadata = metadata(fields, Version::V1, r);
    let node = fields.require("spec", "with one of `alertmanager`, `webhook`, `slack`, …", r)?;
    let mut spec = r.fields(node)?;
    description(&mut spec, r);
    let severity = spec.get("severity");
    let services = spec.get("services");
    let announces = spec.boolean("announceSilences", r);
    let channels = [
        spec.get("alertmanager").map(|node| alertmanager(node, r)),
        spec.get("webhook").map(|node| webhook(node, r)),
        spec.get("slack").map(|node| slack(node, r)),
        spec.get("pagerDuty").map(|node| pager_duty(node, r)),
        spec.get("goAlert").map(|node| go_alert(node, r)),
        spec.get("mail").map(|node| mail(node, r)),
    ];
    spec.finish(r);
    let severities = [("page", Severity::Page), ("ticket", Severity::Ticket)];
    let severity = severity.map_or(Some(Severity::Ticket), |node| r.word(node, &severities));
    let services = self::services(services, r);
    let mut channels = channels.into_iter().flatten();
    let (Some(channel), None) = (channels.next(), channels.next()) else {
        let message = "a target has exactly one of `alertmanager`, `webhook`, `slack`, `pagerDuty`, \
                       `goAlert`, `mail`";
        r.error(node.head(r.source), message, "write a target for each receiver");
        return None;
    };
    let (via, name) = (channel?, metadata?.name);
    let is_read_by_people = matches!(
        via,
        AlertChannel::Slack { .. } | AlertChannel::Mail(_) | AlertChannel::Webhook { .. }
    );
    let target = AlertTarget {
        name: name.value.clone(),
        severity: severity?,
        services: services?,
        announces: announces.unwrap_or(is_read_by_people),
        via,
    };
    Some(Defined::Target(Box::new(target), name))
}

fn services(node: Option<&Node>, r: &mut Reader<'_, '_>) -> Option<Vec<String>> {
    let nodes = r.list(node);
    if let Some(node) = node
        && (nodes.is_empty() || nodes.len() > TARGET_SERVICES_MAX)
    {
        let message =
            format!("a target names 1 to {TARGET_SERVICES_MAX} services, not {}", nodes.len());
        r.error(node.head(r.source), message, "leave `services` out for all");
        return None;
    }
    let mut service = |node: &Node| {
        let text = r.text(node)?;
        if text.value.is_empty() || text.value.chars().count() > TARGET_SERVICE_CHARS_MAX {
            let message =
                format!("a service's name has 1 to {TARGET_SERVICE_CHARS_MAX} characters");
            r.error(node.span, message, "");
            return None;
        }
        Some(text.value)
    };
    nodes.iter().map(&mut service).collect()
}

fn alertmanager(node: &Node, r: &mut Reader<'_, '_>) -> Option<AlertChannel> {
    let mut fields = r.fields(node)?;
    let url = fields.require_text("url", "like http://alertmanager:9093", r);
    let bearer = fields.text("bearer", r);
    fields.finish(r);
    let bearer = bearer.map_or(Some(None), |text| secret(&text, r).map(Some));
    Some(AlertChannel::Alertmanager { url: reference::url(&url?, r)?, bearer: bearer? })
}

fn webhook(node: &Node, r: &mut Reader<'_, '_>) -> Option<AlertChannel> {
    let mut fields = r.fields(node)?;
    let url = fields.require_text("url", "like https://hooks.example/alerts", r);
    let secret = fields.require_text("secret", "what requests are signed with", r);
    fields.finish(r);
    let url = url.and_then(|text| address(&text, r));
    let secret = secret.and_then(|text| reference::secret(&text, r));
    Some(AlertChannel::Webhook { url: url?, secret: secret? })
}

fn slack(node: &Node, r: &mut Reader<'_, '_>) -> Option<AlertChannel> {
    let mut fields = r.fields(node)?;
    let url = fields.require_text("url", "where the webhook's address is found", r);
    fields.finish(r);
    Some(AlertChannel::Slack { url: secret(&url?, r)? })
}

fn pager_duty(node: &Node, r: &mut Reader<'_, '_>) -> Option<AlertChannel> {
    let mut fields = r.fields(node)?;
    let url = fields.text("url", r);
    let key = fields.require_text("routingKey", "where the integration's key is found", r);
    fields.finish(r);
    let url = url.map_or_else(|| Some(PAGER_DUTY.to_owned()), |text| reference::url(&text, r));
    let key = key.and_then(|text| secret(&text, r));
    Some(AlertChannel::PagerDuty { url: url?, routing_key: key? })
}

fn go_alert(node: &Node, r: &mut Reader<'_, '_>) -> Option<AlertChannel> {
    let mut fields = r.fields(node)?;
    let url = fields.require_text("url", "like https://goalert.example.com", r);
    let token = fields.require_text("token", "where the integration key's token is found", r);
    fields.finish(r);
    let url = url.and_then(|text| reference::url(&text, r));
    let token = token.and_then(|text| secret(&text, r));
    Some(AlertChannel::GoAlert { url: url?, token: token? })
}

fn mail(node: &Node, r: &mut Reader<'_, '_>) -> Option<AlertChannel> {
    let mut fields = r.fields(node)?;
    let host = fields.require_text("host", "the host that takes mail, like smtp.example.com", r);
    let port = fields.get("port");
    let encryption = fields.get("encryption");
    let (user, password) = (fields.text("user", r), fields.text("password", r));
    let from = fields.require_text("from", "like flyball@example.com", r);
    let to = fields.require("to", "a list of addresses, like `- on-call@example.com`", r);
    fields.finish(r);
    let encryptions = [
        ("tls", MailEncryption::Tls),
        ("starttls", MailEncryption::StartTls),
        ("none", MailEncryption::None),
    ];
    let encryption =
        encryption.map_or(Some(MailEncryption::StartTls), |node| r.word(node, &encryptions));
    let port = port.map_or(Some(None), |node| {
        let port =
            r.integer(node).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        if port.is_none() {
            r.error(node.span, "a port is expected", "like 587");
        }
        port.map(Some)
    });
    let login = match (user, password) {
        (None, None) => Some(None),
        (Some(user), Some(password)) => {
            let is_plain = encryption == Some(MailEncryption::None);
            if is_plain {
                let message = "a password is not sent over a connection that is not encrypted";
                r.error(password.at.span, message, "use `encryption: starttls`, or log in nowhere");
            }
            secret(&password, r).filter(|_| !is_plain).map(|password| Some((user.value, password)))
        }
        (user, _) => {
            let (there, missing) =
                if user.is_some() { ("user", "password") } else { ("password", "user") };
            r.error(
                node.head(r.source),
                format!("`{there}` needs `{missing}`"),
                "write both or none",
            );
            None
        }
    };
    let nodes = r.list(to);
    if let Some(to) = to
        && (nodes.is_empty() || nodes.len() > RECIPIENTS_MAX)
    {
        let message = format!("mail goes to 1 to {RECIPIENTS_MAX} addresses, not {}", nodes.len());
        r.error(to.head(r.source), message, "a list of your mail system is one address");
        return None;
    }
    let mut recipient = |node: &Node| r.text(node).and_then(|text| mail_address(&text, r));
    let to: Option<Vec<String>> = nodes.iter().map(&mut recipient).collect();
    let from = from.and_then(|text| mail_address(&text, r));
    let host = host.and_then(|text| host_name(&text, r));
    let encryption = encryption?;
    Some(AlertChannel::Mail(Mailing {
        host: host?,
        port: port?.unwrap_or(encryption.port()),
        encryption,
        login: login?,
        from: from?,
        to: to?,
    }))
}

/// The name or address of a host, without a port.
fn host_name(text: &Text, r: &mut Reader<'_, '_>) -> Option<String> {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-');
    let is_address = text.value.parse::<std::net::IpAddr>().is_ok();
    if !is_address && !text.value.chars().all(is_sign) {
        let message = format!("`{}` is no host", shown(&text.value));
        r.error(text.at.span, message, "like smtp.example.com, with the port as `port`");
        return None;
    }
    Some(text.value.clone())
}

/// An address of mail, bare.
fn mail_address(text: &Text, r: &mut Reader<'_, '_>) -> Option<String> {
    let parts = text.value.rsplit_once('@');
    let is_sign =
        |sign: char| sign.is_ascii_graphic() && !matches!(sign, '<' | '>' | ',' | ';' | '"');
    let is_good = parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty())
        && text.value.chars().all(is_sign)
        && text.value.len() <= MAIL_BYTES_MAX;
    if !is_good {
        let message = format!("`{}` is no address of mail", shown(&text.value));
        r.error(text.at.span, message, "like on-call@example.com, without a name or brackets");
        return None;
    }
    Some(text.value.clone())
}
