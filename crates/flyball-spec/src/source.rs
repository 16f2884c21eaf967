//! Texts that are read, and positions in them.
//!
//! Reading files is the caller's job: a [`Source`] is a name and a text.

use std::borrow::Cow;

/// The largest source that is read, in bytes: about fifty thousand lines of YAML.
pub const SOURCE_BYTES_MAX: usize = 4 << 20;

/// One text to load, with the name that diagnostics show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Usually the path of the file.
    pub name: String,
    /// Its content: YAML or JSON.
    pub text: String,
}

impl Source {
    /// A source of this name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// Bytes `[start, end)` of a source's text, its byte order mark not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A line and a column, both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A source prepared for parsing: no byte order mark, line starts known.
#[derive(Debug)]
pub(crate) struct SourceText<'s> {
    name: &'s str,
    text: &'s str,
    lines: Cow<'s, [usize]>,
}

impl<'s> SourceText<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
        // YAML ends a line at `\r`, `\n` or both together.
        let bytes = text.as_bytes();
        let ends = |at: &usize| {
            bytes[*at] == b'\n' || (bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
        };
        let lines =
            std::iter::once(0).chain((0..bytes.len()).filter(ends).map(|at| at + 1)).collect();
        Self { name: &source.name, text, lines: Cow::Owned(lines) }
    }

    /// As [`Self::new`], with the line starts that it found before.
    pub(crate) fn with_lines(source: &'s Source, lines: &'s [usize]) -> Self {
        let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
        Self { name: &source.name, text, lines: Cow::Borrowed(lines) }
    }

    /// Where the lines start, to be kept for [`Self::with_lines`].
    pub(crate) fn lines(&self) -> Vec<usize> {
        self.lines.to_vec()
    }

    pub(crate) fn name(&self) -> &'s str {
        self.name
    }

    pub(crate) fn text(&self) -> &'s str {
        self.text
    }

    /// The text of `span`; empty when the span does not fit the text.
    pub(crate) fn slice(&self, span: Span) -> &'s str {
        self.text.get(span.start..span.end.max(span.start)).unwrap_or("")
    }

    pub(crate) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// The number of the line that holds byte `at`, counted from 0.
    pub(crate) fn line_index(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The bytes of line `index`, counted from 0, without its end.
    pub(crate) fn line_span(&self, index: usize) -> Span {
        let start = self.lines.get(index).copied().unwrap_or(self.text.len());
        let end = self.lines.get(index + 1).map_or(self.text.len(), |next| next - 1);
        let end = end.max(start);
        let carriage = end > start && self.text.as_bytes()[end - 1] == b'\r';
        Span { start, end: if carriage { end - 1 } else { end } }
    }

    pub(crate) fn position(&self, at: usize) -> Position {
        let index = self.line_index(at);
        let start = self.line_span(index).start;
        let before = self.text.get(start..at.min(self.text.len())).unwrap_or("");
        Position { line: index + 1, column: before.chars().count() + 1 }
    }

    /// The line that holds byte `at`, without its end.
    pub(crate) fn line(&self, at: usize) -> &'s str {
        self.slice(self.line_span(self.line_index(at)))
    }

    /// How many characters of `span` lie on its first line.
    pub(crate) fn chars_on_line(&self, span: Span) -> usize {
        let line = self.line_span(self.line_index(span.start));
        self.slice(Span { start: span.start, end: span.end.min(line.end) })
            .trim_end()
            .chars()
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new("a", "\u{feff}a: ä\r\nb: ö\rc: 1");
        let text = SourceText::new(&source);
        let at = |needle: &str| text.position(text.text().find(needle).unwrap());
        assert_eq!(at("a:"), Position { line: 1, column: 1 });
        assert_eq!(at("ö"), Position { line: 2, column: 4 });
        assert_eq!(at("c:"), Position { line: 3, column: 1 });
        assert_eq!(text.position(10_000), Position { line: 3, column: 5 });
    }
}
