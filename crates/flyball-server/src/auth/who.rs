//! Who is meant by a grant.

use std::fmt;
use std::str::FromStr;

use flyball_store::Identity;

/// Whom a grant is for. The kind is always said: a group that is called like somebody's address must not
/// get their role.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// The person whom the identity provider calls so: its `sub`.
    Person(String),
    /// Whoever has this e-mail address, as far as the provider has verified it. In small letters.
    Email(String),
    /// Everybody in this group.
    Group(String),
}

/// A text that means nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is nobody\nhint: write person:SUBJECT, email:ADDRESS or group:NAME", .0.escape_debug()
)]
pub struct WhoError(String);

impl FromStr for Who {
    type Err = WhoError;

    fn from_str(text: &str) -> Result<Self, WhoError> {
        let nobody = || WhoError(text.to_owned());
        let (kind, name) = text.split_once(':').ok_or_else(nobody)?;
        if name.is_empty() || name.trim() != name || name.contains(char::is_control) {
            return Err(nobody());
        }
        match kind {
            "person" => Ok(Self::Person(name.to_owned())),
            "email" if name.contains('@') => Ok(Self::Email(name.to_ascii_lowercase())),
            "group" => Ok(Self::Group(name.to_owned())),
            _ => Err(nobody()),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(subject) => write!(f, "person:{subject}"),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::Group(name) => write!(f, "group:{name}"),
        }
    }
}

impl Who {
    /// Everything by which a grant may mean the person.
    pub(super) fn all_of(identity: &Identity) -> impl Iterator<Item = Self> {
        let Identity { subject, email, groups, .. } = identity;
        let email = email.as_ref().map(|email| Self::Email(email.to_ascii_lowercase()));
        let groups = groups.iter().cloned().map(Self::Group);
        [Self::Person(subject.clone())].into_iter().chain(email).chain(groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_always_said() {
        for text in ["person:0001", "email:ann@example.com", "group:sre:shop"] {
            assert_eq!(text.parse::<Who>().unwrap().to_string(), text);
        }
        let shouted: Who = "email:Ann@Example.com".parse().unwrap();
        assert_eq!(shouted, Who::Email("ann@example.com".to_owned()));
        for wrong in ["", "ann", "person:", "email:ann", "role:x", "group: x", "group:a\nb"] {
            assert!(wrong.parse::<Who>().is_err(), "{wrong}");
        }
    }
}
