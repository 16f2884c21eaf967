//! Fields of a JSON body, read one by one, so that an error names its place.

use flyball_model::{
    CHANGE_TEXT_BYTES_MAX, ChangeClass, ChangeKind, ChangeLink, Commit, Timestamp,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::ConnectError;

/// A body that is a JSON object.
#[derive(Debug)]
pub(crate) struct Body {
    value: Value,
    digest: String,
}

impl Body {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ConnectError> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| ConnectError::Json { problem: error.to_string() })?;
        if !value.is_object() {
            let problem = format!("it is {}, not an object", kind(&value));
            return Err(ConnectError::Json { problem });
        }
        let digest = Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
            text
        });
        Ok(Self { value, digest })
    }

    /// What the body is known by where its sender gives it no name: the same bytes, the same text.
    pub(crate) fn digest(&self) -> String {
        format!("sha256:{}", self.digest)
    }

    pub(crate) fn root(&self) -> Node<'_> {
        Node { value: &self.value, path: String::new() }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A value of a body, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    /// A value that came inside a text, at `path`.
    pub(crate) fn inside(value: &'a Value, path: String) -> Self {
        Self { value, path }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// The path of a field of this object.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A field; `None` when it is absent or null.
    pub(crate) fn get(&self, key: &str) -> Option<Node<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Node { value, path: self.path_of(key) })
    }

    /// A field that must be there.
    pub(crate) fn need(&self, key: &str) -> Result<Node<'a>, ConnectError> {
        self.get(key).ok_or_else(|| {
            ConnectError::field_of(self.path_of(key), "is missing", "the format requires it")
        })
    }

    /// The names of the fields of this object.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.value.as_object().into_iter().flat_map(|object| object.keys().map(String::as_str))
    }

    fn wrong(&self, wanted: &str) -> ConnectError {
        let problem = format!("is {}", kind(self.value));
        ConnectError::field_of(&self.path, &problem, &format!("write {wanted}"))
    }

    /// A link, where there is one that can be kept.
    pub(crate) fn may_link(&self, key: &str, name: &str) -> Option<ChangeLink> {
        let url = self.may_text(key).ok().flatten()?;
        Some(ChangeLink { name: name.to_owned(), url })
    }

    /// An object.
    pub(crate) fn object(self) -> Result<Self, ConnectError> {
        if self.value.is_object() { Ok(self) } else { Err(self.wrong("an object")) }
    }

    /// A text that says something, or a whole number, which ids may be.
    pub(crate) fn text(&self) -> Result<String, ConnectError> {
        let text = match self.value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
            _ => return Err(self.wrong("a text")),
        };
        if text.is_empty() {
            return Err(ConnectError::field_of(
                &self.path,
                "is empty",
                "say something or leave it out",
            ));
        }
        if text.len() > CHANGE_TEXT_BYTES_MAX {
            let problem = format!("has {} bytes", text.len());
            let hint = format!("at most {CHANGE_TEXT_BYTES_MAX} are kept");
            return Err(ConnectError::field_of(&self.path, &problem, &hint));
        }
        Ok(text)
    }

    /// A text field that must be there.
    pub(crate) fn need_text(&self, key: &str) -> Result<String, ConnectError> {
        self.need(key)?.text()
    }

    /// A text field; `None` when it is absent, null or empty, as many senders write absence.
    pub(crate) fn may_text(&self, key: &str) -> Result<Option<String>, ConnectError> {
        match self.get(key) {
            Some(node) if node.value.as_str().is_some_and(|text| text.trim().is_empty()) => {
                Ok(None)
            }
            Some(node) => node.text().map(Some),
            None => Ok(None),
        }
    }

    /// A sentence: the first line of a text, cut where it is longer than is kept; `None` when it is
    /// absent, null or empty.
    pub(crate) fn may_sentence(&self, key: &str) -> Result<Option<String>, ConnectError> {
        let Some(node) = self.get(key) else { return Ok(None) };
        let text = node.value.as_str().ok_or_else(|| node.wrong("a text"))?;
        let line = text.trim().lines().next().unwrap_or_default().trim_end();
        let end = line.floor_char_boundary(CHANGE_TEXT_BYTES_MAX);
        Ok((end > 0).then(|| line[..end].to_owned()))
    }

    /// An instant.
    pub(crate) fn time(&self) -> Result<Timestamp, ConnectError> {
        let text =
            self.value.as_str().ok_or_else(|| self.wrong("a time like 2026-03-29T02:00:00Z"))?;
        Timestamp::parse(text).or_else(|error| {
            // GitLab writes `2021-04-28 21:50:00 +0200`, and `UTC` for the offset of none.
            let spaced = text.trim().replace(" UTC", " +0000");
            let spaced = jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S %z", spaced)
                .and_then(|parsed| parsed.to_timestamp());
            spaced
                .ok()
                .and_then(Timestamp::from_jiff)
                .ok_or_else(|| ConnectError::field_of(&self.path, "is no time", &error.to_string()))
        })
    }

    /// An instant that must be there.
    pub(crate) fn need_time(&self, key: &str) -> Result<Timestamp, ConnectError> {
        self.need(key)?.time()
    }

    /// An instant; `None` when it is absent, null or empty.
    pub(crate) fn may_time(&self, key: &str) -> Result<Option<Timestamp>, ConnectError> {
        match self.get(key) {
            Some(node) if node.value.as_str() == Some("") => Ok(None),
            Some(node) => node.time().map(Some),
            None => Ok(None),
        }
    }

    /// True or false.
    pub(crate) fn may_flag(&self, key: &str) -> Result<Option<bool>, ConnectError> {
        self.get(key)
            .map(|node| node.value.as_bool().ok_or_else(|| node.wrong("true or false")))
            .transpose()
    }

    /// The entries of a list; none when it is absent.
    pub(crate) fn list(&self, key: &str) -> Result<Vec<Node<'a>>, ConnectError> {
        let Some(node) = self.get(key) else { return Ok(Vec::new()) };
        let entries = node.value.as_array().ok_or_else(|| node.wrong("a list"))?;
        let path = |number| format!("{}[{number}]", node.path);
        let nodes = entries.iter().enumerate();
        Ok(nodes.map(|(number, value)| Node { value, path: path(number) }).collect())
    }

    /// One of a few words.
    pub(crate) fn may_word<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Option<T>,
        words: &[&str],
    ) -> Result<Option<T>, ConnectError> {
        let Some(text) = self.may_text(key)? else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| {
            let hint = format!("write one of {}", words.join(", "));
            ConnectError::field_of(self.path_of(key), &format!("is `{text}`"), &hint)
        })
    }

    /// What altered production.
    pub(crate) fn may_kind(&self, key: &str) -> Result<Option<ChangeKind>, ConnectError> {
        self.may_word(key, ChangeKind::parse, &ChangeKind::ALL.map(ChangeKind::name))
    }

    /// Why it was made.
    pub(crate) fn may_class(&self, key: &str) -> Result<Option<ChangeClass>, ConnectError> {
        self.may_word(key, ChangeClass::parse, &ChangeClass::ALL.map(ChangeClass::name))
    }

    /// A list of commits with their authors' times.
    pub(crate) fn commits(&self, key: &str) -> Result<Vec<Commit>, ConnectError> {
        let entries = self.list(key)?.into_iter();
        let read = |entry: Node<'_>| {
            Ok(Commit { sha: entry.need_text("sha")?, authored: entry.need_time("authored")? })
        };
        entries.map(read).collect()
    }
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The commit that a git revision of a delivery tool names: the part after the algorithm in
/// `main@sha1:5c3…` and in the older `main/5c3…`; `None` when there is no such part.
pub(crate) fn commit_of(revision: &str) -> Option<&str> {
    let digest = match revision.split_once('@') {
        Some((_, digest)) => digest.split_once(':').map_or(digest, |(_, hash)| hash),
        None => revision.rsplit_once('/').map_or(revision, |(_, hash)| hash),
    };
    is_hash(digest).then_some(digest)
}

/// True for a git hash, in full or short.
pub(crate) fn is_hash(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The version that a git ref names: tags do, branches do not, since a branch names another one
/// tomorrow. `None` for branches and hashes.
pub(crate) fn version_of(reference: &str) -> Option<&str> {
    if let Some(tag) = reference.strip_prefix("refs/tags/") {
        return Some(tag);
    }
    let number = reference.strip_prefix(['v', 'V']).unwrap_or(reference);
    let numbered = number.starts_with(|first: char| first.is_ascii_digit()) && number.contains('.');
    (numbered && !is_hash(reference)).then_some(reference)
}

/// The last part of the address or full name of a repository: `shop` of `https://host/acme/shop.git`.
pub(crate) fn repository_name(address: &str) -> &str {
    let address = address.trim_end_matches('/');
    let name = address.rsplit(['/', ':']).next().unwrap_or(address);
    name.strip_suffix(".git").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_name_versions_only_where_they_stay() {
        for (text, version) in [
            ("refs/tags/spring", Some("spring")),
            ("v1.2.3", Some("v1.2.3")),
            ("6.3.5", Some("6.3.5")),
            ("master", None),
            ("refs/heads/1.x", None),
            ("f95f852bd8fca8fcc58a9a2d6c842781e32a215e", None),
        ] {
            assert_eq!(version_of(text), version, "{text}");
        }
        let hash = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e";
        for text in [format!("main@sha1:{hash}"), format!("main/{hash}"), hash.to_owned()] {
            assert_eq!(commit_of(&text), Some(hash));
        }
        assert_eq!(commit_of("6.3.5"), None);
        assert_eq!(repository_name("https://host/acme/shop.git/"), "shop");
        assert_eq!(repository_name("git@host:acme/shop.git"), "shop");
    }

    #[test]
    fn times_of_several_senders() {
        let body = Body::parse(
            br#"{"a":"2021-04-28 21:50:00 +0200","b":"2021-04-28 19:50:00 UTC","c":"2021-04-28T19:50:00Z","d":"yesterday"}"#,
        )
        .unwrap();
        let root = body.root();
        let first = root.need_time("a").unwrap();
        assert_eq!(first.to_string(), "2021-04-28T19:50:00Z");
        assert_eq!(root.need_time("b"), Ok(first));
        assert_eq!(root.need_time("c"), Ok(first));
        assert_eq!(root.need_time("d").unwrap_err().field(), Some("d"));
    }
}
