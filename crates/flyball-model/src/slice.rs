//! Which events belong to a slice.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// What stands for the value of an attribute that events do not have.
const ABSENT: &str = "(none)";
/// What stands for everything past the slice limit.
const OVERFLOW: &str = "other";

/// Which events of an SLI belong to one of its slices.
///
/// Its text is a label for people: the value of a single attribute (`eu`), else
/// `region=eu,version=2`. A value that would read as something else stands in double quotes, so
/// that no two slices have the same label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slice {
    /// Those with these values of the attributes that slices are kept by, in the order of the
    /// document; `None` for events without the attribute.
    Of(Vec<(String, Option<String>)>),
    /// Those of every slice that was met after the slice limit was reached.
    Overflow,
}

impl Slice {
    /// Each attribute with its value, by name; empty for the overflow.
    pub fn attributes(&self) -> BTreeMap<String, Option<String>> {
        match self {
            Self::Of(values) => values.iter().cloned().collect(),
            Self::Overflow => BTreeMap::new(),
        }
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Of(values) = self else { return f.write_str(OVERFLOW) };
        if let [(_, value)] = values.as_slice() {
            return f.write_str(&text(value.as_deref(), |value| value == OVERFLOW));
        }
        for (at, (name, value)) in values.iter().enumerate() {
            let has_sign = |text: &str| text.contains(['=', ',']);
            let comma = if at == 0 { "" } else { "," };
            let value = text(value.as_deref(), has_sign);
            write!(f, "{comma}{}={value}", text(Some(name), has_sign))?;
        }
        Ok(())
    }
}

/// A value as it is shown: in quotes where it would read as something else.
fn text(value: Option<&str>, is_ambiguous: impl Fn(&str) -> bool) -> Cow<'_, str> {
    let Some(value) = value else { return Cow::Borrowed(ABSENT) };
    if value == ABSENT || value.starts_with('"') || is_ambiguous(value) {
        return Cow::Owned(format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\"")));
    }
    Cow::Borrowed(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn label(values: &[(&str, Option<&str>)]) -> String {
        let own = |text: &str| text.to_owned();
        Slice::Of(values.iter().map(|(name, value)| (own(name), value.map(own))).collect())
            .to_string()
    }

    #[test]
    fn labels_read_as_people_expect() {
        assert_eq!(label(&[("region", Some("eu"))]), "eu");
        assert_eq!(label(&[("region", Some("a=b,c"))]), "a=b,c");
        assert_eq!(label(&[("region", Some("eu")), ("zone", None)]), "region=eu,zone=(none)");
        assert_eq!(Slice::Overflow.to_string(), "other");
    }

    #[test]
    fn a_value_that_reads_as_something_else_is_quoted() {
        assert_eq!(label(&[("region", Some("other"))]), "\"other\"");
        assert_eq!(label(&[("region", Some("(none)"))]), "\"(none)\"");
        assert_eq!(label(&[("region", Some("\"other\""))]), r#""\"other\"""#);
        assert_eq!(label(&[("a", Some("1,b=2")), ("b", Some("3"))]), "a=\"1,b=2\",b=3");
    }

    #[test]
    fn no_two_slices_have_the_same_label() {
        let values = ["", "other", "(none)", "\"", "\\", ",", "=", "x,b=", "\"x\"", "\"x\",b=\"\""];
        let values = || values.iter().map(|value| Some(*value)).chain([None]);
        let pairs = values().flat_map(|a| values().map(move |b| label(&[("a", a), ("b", b)])));
        let pairs: Vec<String> = pairs.collect();
        assert_eq!(pairs.iter().collect::<BTreeSet<_>>().len(), pairs.len(), "{pairs:?}");
        let single = values().map(|a| label(&[("a", a)])).chain([Slice::Overflow.to_string()]);
        let single: Vec<String> = single.collect();
        assert_eq!(single.iter().collect::<BTreeSet<_>>().len(), single.len(), "{single:?}");
    }
}
