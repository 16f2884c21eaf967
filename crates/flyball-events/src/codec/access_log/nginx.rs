//! nginx's `log_format`: `$remote_addr - $remote_user [$time_local] "$request" $status`.
//!
//! Variables and their units are those of the nginx manual. A variable this file does not know
//! (from `map`, `geo`, another module) keeps its own name, and its values their apparent type.

use super::compile::{Field, LogFormat, LogFormatError, Part, Resolution, TimeForm};

impl LogFormat {
    /// Compiles an nginx format string, or the whole `log_format name '…' '…';` directive.
    ///
    /// # Errors
    ///
    /// [`LogFormatError`] for a `$` without a name, fields with nothing between them, no field at
    /// all, or a format that writes JSON, which is read as NDJSON.
    pub fn nginx(text: &str) -> Result<Self, LogFormatError> {
        let (format, offset) = directive(text);
        let json = format.trim_start().starts_with('{') || text.contains("escape=json");
        if json {
            return Err(LogFormatError::new(
                text,
                0,
                "this format writes JSON",
                "read such logs with `--format ndjson`, and name the keys with `--map`",
            ));
        }
        let mut parts = Vec::new();
        let bytes = format.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] != b'$' {
                parts.push(Part::Literal(vec![bytes[at]]));
                at += 1;
                continue;
            }
            let braced = bytes.get(at + 1) == Some(&b'{');
            let start = at + 1 + usize::from(braced);
            let len = bytes[start..]
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                .count();
            let end = start + len + usize::from(braced);
            if len == 0 || (braced && bytes.get(end - 1) != Some(&b'}')) {
                let reason = "a `$` without a variable's name";
                // In a directive of several strings, positions are those of its first.
                let hint = "write `$status` or `${status}`";
                return Err(LogFormatError::new(text, at + offset, reason, hint));
            }
            parts.push(Part::Field(field(&format[start..start + len]), at + offset));
            at = end;
        }
        Self::compile(text, parts)
    }
}

/// The format of a `log_format` directive, its strings joined, and where it begins; the text
/// itself when it is no directive.
fn directive(text: &str) -> (String, usize) {
    let trimmed = text.trim();
    let Some(rest) = trimmed.strip_prefix("log_format") else { return (text.to_owned(), 0) };
    let mut format = String::new();
    let mut first = None;
    let mut quote = None;
    for (at, c) in rest.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => format.push(c),
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                first.get_or_insert(at + 1);
            }
            None => {}
        }
    }
    let start = text.len() - text.trim_start().len() + "log_format".len();
    (format, start + first.unwrap_or(0))
}

fn field(name: &str) -> Field {
    let text = |name: &str| Field::Text(name.to_owned());
    let int = |name: &str| Field::Int(name.to_owned());
    match name {
        "remote_addr" => text("client.address"),
        "realip_remote_addr" => text("network.peer.address"),
        "remote_port" => int("client.port"),
        "remote_user" => text("user.name"),
        "time_local" => Field::Time(TimeForm::Apache),
        "time_iso8601" | "msec" => Field::Time(TimeForm::Text),
        "request" => Field::Request,
        "request_method" => text("http.request.method"),
        "request_uri" => Field::Target,
        "uri" | "document_uri" => Field::path(),
        "args" | "query_string" => Field::Query,
        "is_args" => Field::QuestionMark,
        "server_protocol" => Field::Protocol,
        "status" => int("http.response.status_code"),
        "body_bytes_sent" => int("http.response.body.size"),
        "bytes_sent" => int("http.response.size"),
        "request_length" => int("http.request.size"),
        "content_length" => int("http.request.body.size"),
        "request_time" => Field::Duration("duration_ms".to_owned(), Resolution::DecimalSeconds),
        "upstream_response_time" => Field::DurationList("upstream.duration_ms".to_owned()),
        "upstream_connect_time" => Field::DurationList("upstream.connect_ms".to_owned()),
        "upstream_header_time" => Field::DurationList("upstream.header_ms".to_owned()),
        "upstream_addr" => Field::List("upstream.address".to_owned()),
        "upstream_status" => Field::List("upstream.status_code".to_owned()),
        "upstream_cache_status" => text("upstream.cache_status"),
        "host" | "server_name" => text("server.address"),
        "server_addr" => text("network.local.address"),
        "server_port" => int("server.port"),
        "scheme" => text("url.scheme"),
        "http_user_agent" => text("user_agent.original"),
        "request_id" => text("http.request.id"),
        "ssl_protocol" => text("tls.protocol.version"),
        "ssl_cipher" => text("tls.cipher"),
        "connection" => int("nginx.connection"),
        "connection_requests" => int("nginx.connection_requests"),
        "pipe" => Field::Ignored,
        name => {
            for (prefix, attribute) in [
                ("http_", "http.request.header."),
                ("sent_http_", "http.response.header."),
                ("cookie_", "http.request.cookie."),
                ("upstream_http_", "upstream.response.header."),
            ] {
                if let Some(rest) = name.strip_prefix(prefix) {
                    // nginx writes the dashes of header names as underscores.
                    let rest =
                        if prefix == "cookie_" { rest.to_owned() } else { rest.replace('_', "-") };
                    return Field::Text(format!("{attribute}{rest}"));
                }
            }
            Field::Inferred(name.to_owned())
        }
    }
}
