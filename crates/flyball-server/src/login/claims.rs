//! Who somebody is, from what a provider says of them.

use std::collections::BTreeMap;

use flyball_store::{CONTROL_TEXT_MAX, Identity, PERSON_GROUPS_MAX};
use openidconnect::AdditionalClaims;
use serde_json::Value;

/// The longest subject. Bytes; the specification has 255.
const SUBJECT_BYTES_MAX: usize = 512;
/// The longest address, name or group: it must fit a grant with its kind before it. Bytes.
const TEXT_BYTES_MAX: usize = CONTROL_TEXT_MAX - 16;

/// All claims that the specification does not name.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Others {
    #[serde(flatten)]
    claims: BTreeMap<String, Value>,
}

impl AdditionalClaims for Others {}

impl Others {
    /// The groups in the claim `name`: a text or a list of them. `None` when there is no such claim.
    pub(super) fn groups(&self, name: &str) -> Option<Vec<String>> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match self.claims.get(name)? {
            Value::Array(groups) => Some(groups.iter().filter_map(text).collect()),
            Value::Null => None,
            one => Some(text(one).into_iter().collect()),
        }
    }
}

/// What is known of somebody from an ID token, and maybe from the provider's user info.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) issuer: String,
    pub(super) subject: String,
    /// Only one that the provider has verified.
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
    pub(super) groups: Option<Vec<String>>,
}

impl Claimed {
    /// The person as they are kept. What could not be kept of their names and groups is left out, and
    /// told in the log: they may do less then, never more.
    ///
    /// `None` for a subject that cannot be kept.
    pub(super) fn identity(self) -> Option<Identity> {
        let is_kept = |text: &String| {
            (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
        };
        let Self { issuer, subject, email, name, groups } = self;
        if !is_kept(&subject) || subject.len() > SUBJECT_BYTES_MAX {
            return None;
        }
        let all = groups.unwrap_or_default();
        let count = all.len();
        let groups: Vec<String> = all.into_iter().filter(is_kept).take(PERSON_GROUPS_MAX).collect();
        if groups.len() < count {
            let left_out = count - groups.len();
            tracing::warn!(subject, left_out, "groups of a person cannot be kept");
        }
        let (email, name) = (email.filter(is_kept), name.filter(is_kept));
        Some(Identity { issuer, subject, email, name, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn groups_are_a_list_or_one() {
        let others: Others =
            serde_json::from_value(json!({"a": ["x", 7, "y"], "b": "x", "c": {"d": 1}})).unwrap();
        assert_eq!(others.groups("a").unwrap(), ["x", "y"]);
        assert_eq!(others.groups("b").unwrap(), ["x"]);
        assert!(others.groups("c").unwrap().is_empty());
        assert_eq!(others.groups("d"), None);
    }

    #[test]
    fn what_cannot_be_kept_gives_no_rights() {
        let claimed = |subject: &str, groups: Vec<String>| Claimed {
            issuer: "https://id.example".to_owned(),
            subject: subject.to_owned(),
            email: Some("a\n@example.com".to_owned()),
            name: Some(String::new()),
            groups: Some(groups),
        };
        let groups = ["a".to_owned(), String::new(), "x".repeat(CONTROL_TEXT_MAX)];
        let kept = claimed("0001", groups.to_vec()).identity().unwrap();
        assert_eq!((kept.email, kept.name, kept.groups), (None, None, vec!["a".to_owned()]));
        let many = claimed("0001", vec!["a".to_owned(); PERSON_GROUPS_MAX + 1]);
        assert_eq!(many.identity().unwrap().groups.len(), PERSON_GROUPS_MAX);
        for wrong in [String::new(), "a\nb".to_owned(), "x".repeat(SUBJECT_BYTES_MAX + 1)] {
            assert_eq!(claimed(&wrong, Vec::new()).identity(), None, "{wrong}");
        }
    }
}
