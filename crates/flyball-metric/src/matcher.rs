//! Series selectors: which series a query means.
//!
//! As in Prometheus, a label that a series does not have counts as empty, and a regular expression
//! must match the whole value, `.` being any character. Source: "Time series selectors" of the
//! Prometheus documentation. Its expressions are RE2's, ours those of the crate `regex`, which
//! differ in rare escapes only.

use std::fmt;

use flyball_events::NAME_LABEL;
use regex::{Regex, RegexBuilder};

/// The most memory that one compiled expression takes, in bytes: a thousand alternatives fit.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Which series are meant: all matchers hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    /// The metric's name where it is fixed; kept apart since series are looked up by it.
    pub(crate) name: Option<String>,
    /// The other matchers.
    pub(crate) matchers: Vec<Matcher>,
}

/// One condition on one label.
#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    /// The text or expression as written.
    pub(crate) value: String,
    /// False for `!=` and `!~`.
    pub(crate) wanted: bool,
    /// For `=~` and `!~`.
    pattern: Option<Regex>,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        let key = |m: &Self| (m.wanted, m.pattern.is_some());
        self.label == other.label && self.value == other.value && key(self) == key(other)
    }
}

impl Eq for Matcher {}

impl Matcher {
    /// `label = value`, or `label != value` unless `wanted`.
    pub(crate) fn equal(label: String, value: String, wanted: bool) -> Self {
        Self { label, value, wanted, pattern: None }
    }

    /// The label and the text that it must equal; `None` for any other condition.
    pub(crate) fn equality(&self) -> Option<(&str, &str)> {
        (self.wanted && self.pattern.is_none()).then_some((&self.label, &self.value))
    }

    /// `label =~ value`, or `label !~ value` unless `wanted`; else what is wrong with the expression.
    pub(crate) fn pattern(label: String, value: String, wanted: bool) -> Result<Self, String> {
        let compile = |text: &str| RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
        // The expression is compiled alone first: `a)|(b` is none, although it is one in a group.
        compile(&value).map_err(|_| "this is no regular expression, or too large".to_owned())?;
        let pattern = compile(&format!(r"\A(?s:{value})\z"))
            .map_err(|_| "this regular expression is too large".to_owned())?;
        Ok(Self { label, value, wanted, pattern: Some(pattern) })
    }

    /// True for `=` only.
    pub(crate) const fn is_equality(&self) -> bool {
        self.wanted && self.pattern.is_none()
    }

    /// Whether a label's value, empty for none, is one that is meant.
    pub(crate) fn accepts(&self, value: &str) -> bool {
        let same = match &self.pattern {
            Some(pattern) => pattern.is_match(value),
            None => self.value == value,
        };
        same == self.wanted
    }
}

impl Selector {
    /// Whether a series with `labels`, sorted by name, is meant.
    pub(crate) fn accepts(&self, labels: &[(String, String)]) -> bool {
        let name_fits = self.name.as_deref().is_none_or(|name| value(labels, NAME_LABEL) == name);
        name_fits && self.matchers.iter().all(|m| m.accepts(value(labels, &m.label)))
    }

    /// True when nothing keeps series out, which is never meant.
    pub(crate) fn is_everything(&self) -> bool {
        self.name.is_none() && self.matchers.iter().all(|m| m.accepts(""))
    }
}

impl fmt::Display for Selector {
    /// As a query that asks for just these series.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        if let Some(name) = &self.name {
            write!(f, "{NAME_LABEL}={},", quoted(name))?;
        }
        for matcher in &self.matchers {
            write!(f, "{matcher},")?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match (self.wanted, self.pattern.is_some()) {
            (true, false) => "=",
            (false, false) => "!=",
            (true, true) => "=~",
            (false, true) => "!~",
        };
        write!(f, "{}{operator}{}", self.label, quoted(&self.value))
    }
}

impl Selector {
    /// The selector as people write it.
    pub(crate) fn told(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        let matchers: Vec<String> = self.matchers.iter().map(ToString::to_string).collect();
        match matchers.as_slice() {
            [] => name.to_owned(),
            matchers => format!("{name}{{{}}}", matchers.join(",")),
        }
    }
}

/// A text as PromQL writes it in double quotes.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    format!("\"{escaped}\"")
}

/// The value of a label; empty when the series has none.
pub(crate) fn value<'a>(labels: &'a [(String, String)], name: &str) -> &'a str {
    let found = labels.iter().find(|(label, _)| label == name);
    found.map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn pattern(value: &str, wanted: bool) -> Matcher {
        Matcher::pattern("code".into(), value.into(), wanted).unwrap()
    }

    #[test]
    fn expressions_match_whole_values() {
        // Prometheus' own examples: http_requests_total{environment=~"staging|testing"} and `5..`.
        let cases = [
            ("5..", "500", true),
            ("5..", "1500", false),
            ("5..", "5000", false),
            ("5..|429", "429", true),
            ("5..|429", "4290", false),
            ("", "", true),
            (".*", "", true),
            (".+", "", false),
            ("a.b", "a\nb", true),
        ];
        for (text, value, wanted) in cases {
            assert_eq!(pattern(text, true).accepts(value), wanted, "{text} on {value:?}");
            assert_eq!(pattern(text, false).accepts(value), !wanted, "not {text} on {value:?}");
        }
        assert!(Matcher::pattern("a".into(), "(".into(), true).is_err());
        assert!(Matcher::pattern("a".into(), "a)|(b".into(), true).is_err());
    }

    #[test]
    fn a_missing_label_is_empty() {
        let of = |matcher| Selector { name: Some("up".into()), matchers: vec![matcher] };
        let series = labels(&[("__name__", "up"), ("job", "a")]);
        assert!(of(Matcher::equal("code".into(), String::new(), true)).accepts(&series));
        assert!(of(Matcher::equal("code".into(), "5".into(), false)).accepts(&series));
        assert!(!of(Matcher::equal("job".into(), "b".into(), true)).accepts(&series));
        assert!(!of(pattern(".+", true)).accepts(&series));
        assert!(!of(pattern(".*", true)).accepts(&labels(&[("__name__", "down")])));
    }
}
