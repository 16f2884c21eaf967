//! Names of attributes: OpenTelemetry's current ones, and the user's own renames.

use std::collections::BTreeMap;

/// Names that OpenTelemetry's semantic conventions have replaced, and their replacements.
///
/// Source: OpenTelemetry semantic conventions, HTTP and network migration tables (1.20 to 1.23).
const RENAMED: &[(&str, &str)] = &[
    ("http.client_ip", "client.address"),
    ("http.flavor", "network.protocol.version"),
    ("http.host", "server.address"),
    ("http.method", "http.request.method"),
    ("http.request_content_length", "http.request.body.size"),
    ("http.response_content_length", "http.response.body.size"),
    ("http.scheme", "url.scheme"),
    ("http.server_name", "server.address"),
    ("http.status_code", "http.response.status_code"),
    ("http.target", "url.path"),
    ("http.url", "url.full"),
    ("http.user_agent", "user_agent.original"),
    ("net.host.name", "server.address"),
    ("net.host.port", "server.port"),
    ("net.peer.ip", "network.peer.address"),
    ("net.peer.name", "server.address"),
    ("net.peer.port", "server.port"),
    ("net.protocol.name", "network.protocol.name"),
    ("net.protocol.version", "network.protocol.version"),
    ("net.sock.peer.addr", "network.peer.address"),
    ("net.sock.peer.port", "network.peer.port"),
    ("db.statement", "db.query.text"),
    ("db.system", "db.system.name"),
    ("messaging.destination", "messaging.destination.name"),
    ("deployment.environment", "deployment.environment.name"),
];

/// Keys that hold the time of an event, the most telling first.
const TIME_KEYS: &[&str] = &["time", "timestamp", "@timestamp", "ts", "datetime", "start_time"];

/// How a source's names become attribute names.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    renames: BTreeMap<String, String>,
}

/// A `--map` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Not of the form `from=to`.
    #[error(
        "`{text}` is no mapping\nhint: write FROM=TO, such as `--map status=http.response.status_code`"
    )]
    Form {
        /// The text as given.
        text: String,
    },
    /// The same source name twice.
    #[error("`{from}` is mapped twice\nhint: keep one `--map {from}=…`")]
    Twice {
        /// The source name.
        from: String,
    },
}

impl Mapping {
    /// Reads `from=to` pairs.
    ///
    /// # Errors
    ///
    /// [`MappingError`] for a text without `=`, an empty side, or a source name given twice.
    pub fn parse<S: AsRef<str>>(pairs: impl IntoIterator<Item = S>) -> Result<Self, MappingError> {
        let mut renames = BTreeMap::new();
        for pair in pairs {
            let pair = pair.as_ref();
            let (from, to) = match pair.split_once('=') {
                Some((from, to)) if !from.is_empty() && !to.is_empty() => (from, to),
                _ => return Err(MappingError::Form { text: pair.to_owned() }),
            };
            if renames.insert(from.to_owned(), to.to_owned()).is_some() {
                return Err(MappingError::Twice { from: from.to_owned() });
            }
        }
        Ok(Self { renames })
    }

    /// The attribute name for a source's `name`: the user's rename, else the current semantic
    /// name, else `name` itself.
    pub fn attribute<'a>(&'a self, name: &'a str) -> &'a str {
        if let Some(renamed) = self.renames.get(name) {
            return renamed;
        }
        // Most names have no entry; the list is short and met once per key, not once per event.
        RENAMED.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
    }

    /// The user's renames as (from, to), by the source's name.
    pub fn renames(&self) -> impl Iterator<Item = (&str, &str)> {
        self.renames.iter().map(|(from, to)| (from.as_str(), to.as_str()))
    }

    /// Whether one of the user's renames leads to `attribute`.
    pub(crate) fn is_target(&self, attribute: &str) -> bool {
        self.renames.values().any(|to| to == attribute)
    }

    /// How well `name` serves as the time of an event: 0 is best, `None` not at all.
    pub fn time_rank(&self, name: &str) -> Option<u8> {
        let name = match self.renames.get(name) {
            // A rename to `time` outranks every key that only looks like one.
            Some(to) if to == "time" => return Some(0),
            Some(_) => return None,
            None => name,
        };
        let rank = TIME_KEYS.iter().position(|key| *key == name)?;
        u8::try_from(rank + 1).ok()
    }
}

/// The names that conventions have replaced.
pub(crate) fn replaced() -> impl Iterator<Item = &'static str> {
    RENAMED.iter().map(|(old, _)| *old)
}

/// Whether `attribute` is a name that conventions have given in place of another.
pub(crate) fn is_current(attribute: &str) -> bool {
    RENAMED.iter().any(|(_, new)| *new == attribute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renames_win_over_semantic_names() {
        let mapping = Mapping::parse(["status=http.response.status_code", "when=time"]).unwrap();
        assert_eq!(mapping.attribute("status"), "http.response.status_code");
        assert_eq!(mapping.attribute("http.method"), "http.request.method");
        assert_eq!(mapping.attribute("colour"), "colour");
        assert_eq!(mapping.time_rank("when"), Some(0));
        assert!(mapping.time_rank("time") > mapping.time_rank("when"));
        assert_eq!(mapping.time_rank("colour"), None);
    }

    #[test]
    fn a_mapping_needs_two_sides_and_one_source() {
        assert!(matches!(Mapping::parse(["a"]), Err(MappingError::Form { .. })));
        assert!(matches!(Mapping::parse(["a="]), Err(MappingError::Form { .. })));
        assert!(matches!(Mapping::parse(["a=b", "a=c"]), Err(MappingError::Twice { .. })));
    }
}
