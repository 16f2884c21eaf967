//! Text made safe, and the small marks that many parts of the page share.

use std::fmt;

use flyball_budget::Status;

use super::super::words;

/// A text of the user's, safe in an element and in a quoted attribute.
///
/// Control characters and those that turn the direction of writing become visible: a name must
/// not be able to rearrange the words around it.
#[derive(Debug, Clone, Copy)]
pub(in crate::output) struct Safe<'a>(pub(in crate::output) &'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.chars().map(words::visible) {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A text of ours with the user's words in backticks, which become code.
#[derive(Debug, Clone, Copy)]
pub(in crate::output) struct Marked<'a>(pub(in crate::output) &'a str);

impl fmt::Display for Marked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((before, after)) = rest.split_once('`') {
            let Some((code, after)) = after.split_once('`') else { break };
            write!(f, "{}<code>{}</code>", Safe(before), Safe(code))?;
            rest = after;
        }
        write!(f, "{}", Safe(rest))
    }
}

/// The class of a status.
pub(super) fn class(status: Status) -> &'static str {
    match status {
        Status::Met => "met",
        Status::Missed => "missed",
        Status::NoData => "nodata",
    }
}

/// A status as shape, colour and word: a disc, a diamond, an empty ring.
pub(super) fn badge(status: Status) -> String {
    mark(status, words::status(status))
}

/// The shape and colour of a status with a word of its own.
pub(super) fn mark(status: Status, word: &str) -> String {
    let shape = match status {
        Status::Met => {
            r#"<circle class="fill" cx="8" cy="8" r="7"/><path class="mark" d="M4.6 8.3l2.3 2.3 4.5-5"/>"#
        }
        Status::Missed => {
            r#"<path class="fill" d="M8 0l8 8-8 8-8-8z"/><path class="mark" d="M5.6 5.6l4.8 4.8m0-4.8l-4.8 4.8"/>"#
        }
        Status::NoData => {
            r#"<circle class="fill" cx="8" cy="8" r="6.2" stroke-width="1.6" stroke-dasharray="2.6 2"/>"#
        }
    };
    format!(
        r#"<span class="status {}"><svg width="15" height="15" viewBox="0 0 16 16" aria-hidden="true">{shape}</svg>{word}</span>"#,
        class(status)
    )
}

/// What is left of a budget as a bar around zero, from one budget overspent to a whole one left.
pub(super) fn bar(share: Option<f64>) -> String {
    let Some(share) = share else { return String::new() };
    let width = (share.abs().min(1.0) * 54.0).max(0.5);
    let (class, left) = if share < 0.0 { ("over", 55.0 - width) } else { ("left", 55.0) };
    format!(
        r#"<svg class="bar" viewBox="0 0 110 12" aria-hidden="true"><rect class="track" y="2" width="110" height="8" rx="2"/><rect class="{class}" x="{left:.1}" y="2" width="{width:.1}" height="8"/><path class="zero" d="M55 0v12"/></svg>"#
    )
}

/// A share in per cent; a dash when unknown.
pub(super) fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), words::percent)
}

/// A burn to two decimals; a dash when unknown.
pub(super) fn burn(burn: Option<f64>) -> String {
    burn.map_or_else(|| "–".to_owned(), |burn| format!("{burn:.2}"))
}

/// A number for sorting; empty when unknown.
pub(super) fn key(number: Option<f64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_text() {
        assert_eq!(
            Safe("<script>alert('1' & \"2\")</script>").to_string(),
            "&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)&lt;/script&gt;"
        );
        assert_eq!(
            Marked("`a` is <b>, `<i>` not `").to_string(),
            "<code>a</code> is &lt;b&gt;, <code>&lt;i&gt;</code> not `"
        );
        assert_eq!(Safe("a\u{202e}b\0c\nd").to_string(), "a\u{fffd}b\u{fffd}c d");
    }
}
