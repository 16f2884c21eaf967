//! What is wrong with a source, where exactly, and what to do about it.
//!
//! A [`Diagnostic`] stands alone: it carries the piece of the source line that it points at, so
//! that it can be shown after the source is gone. Colour is the caller's business.

use std::fmt;

use crate::source::{SourceText, Span};

/// The most diagnostics kept for one call of [`load`](crate::load): past this a person fixes what
/// is shown and runs again.
pub const DIAGNOSTICS_MAX: usize = 200;
/// What to do about a name that nothing has which was loaded, and that is like none of those that are.
pub const ELSEWHERE: &str = "load the file that defines it as well";
/// The widest piece of a line that is shown, in characters: fits a terminal.
const EXCERPT_CHARS_MAX: usize = 100;

/// How much a diagnostic matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth a look; what was loaded can be used.
    Warning,
    /// The document is refused.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What an error says, without the hint that stands behind it after `; hint: ` or in a line of its own,
/// and that hint.
pub fn split_hint(said: &str) -> (&str, Option<&str>) {
    let cut = ["\nhint: ", "; hint: "].iter().find_map(|mark| said.split_once(mark));
    cut.map_or((said, None), |(message, hint)| (message, Some(hint)))
}

/// One finding in a source.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Level,
    /// The source's name, usually a file path.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// How many characters the finding covers on that line; at least 1.
    pub length: usize,
    /// The field, such as `spec.objectives[0].target`; empty for the whole document.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The piece of the line that is pointed at, for whoever shows the finding elsewhere.
    excerpt: Excerpt,
}

/// The piece of a source line around a finding.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Excerpt {
    /// The piece, with `…` where the line was cut; control characters are blanks.
    pub text: String,
    /// How many characters stand before what is pointed at.
    pub caret: usize,
    /// How many characters are pointed at; at least 1.
    pub carets: usize,
}

impl Excerpt {
    /// The piece of `line` around the `length` characters behind its first `before`, about 100
    /// characters wide, so that a line of a megabyte shows as one line.
    pub fn new(line: &str, before: usize, length: usize) -> Self {
        let chars = line.chars().count();
        let from = if chars <= EXCERPT_CHARS_MAX {
            0
        } else {
            // The window ends with the line, where it can.
            let last =
                (chars - EXCERPT_CHARS_MAX).max(before.saturating_sub(EXCERPT_CHARS_MAX - 1));
            before.saturating_sub(EXCERPT_CHARS_MAX / 2).min(last)
        };
        let mut text: String = line
            .chars()
            .skip(from)
            .take(EXCERPT_CHARS_MAX)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        if chars > from + EXCERPT_CHARS_MAX {
            text.push('…');
        } else {
            text.truncate(text.trim_end().len());
        }
        let cut = usize::from(from > 0);
        if cut > 0 {
            text.insert(0, '…');
        }
        let caret = before - from;
        let room = EXCERPT_CHARS_MAX.saturating_sub(caret).max(1);
        Self { text, caret: caret + cut, carets: length.clamp(1, room) }
    }
}

impl Diagnostic {
    /// Whether it is about a name that nothing has which was loaded, and that may be right beside more files.
    pub fn is_elsewhere(&self) -> bool {
        self.hint.as_ref().is_some_and(|hint| hint.ends_with(ELSEWHERE))
    }

    /// A finding at `span` of `source`.
    pub(crate) fn new(
        severity: Level,
        source: &SourceText<'_>,
        span: Span,
        path: String,
        message: String,
        hint: Option<String>,
    ) -> Self {
        let position = source.position(span.start);
        let line = source.line(span.start);
        let before = position.column - 1;
        let line_chars = line.chars().count();
        let spanned = source.chars_on_line(span);
        let length = spanned.min(line_chars.saturating_sub(before)).max(1);
        let excerpt = Excerpt::new(line, before, length);
        Self {
            severity,
            file: source.name().to_owned(),
            line: position.line,
            column: position.column,
            length,
            path,
            message,
            hint,
            excerpt,
        }
    }

    /// True for an error.
    pub fn is_error(&self) -> bool {
        self.severity == Level::Error
    }
}

impl fmt::Display for Diagnostic {
    /// Message, place, source line with carets, field and hint; several lines, no colour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.line.to_string().len();
        writeln!(f, "{}: {}", self.severity, self.message)?;
        writeln!(f, "{:width$}--> {}:{}:{}", "", self.file, self.line, self.column)?;
        writeln!(f, "{:width$} |", "")?;
        writeln!(f, "{} | {}", self.line, self.excerpt.text)?;
        // One that another process sent may claim anything.
        let caret = self.excerpt.caret.min(EXCERPT_CHARS_MAX + 2);
        let carets = "^".repeat(self.excerpt.carets.min(EXCERPT_CHARS_MAX));
        write!(f, "{:width$} | {:caret$}{carets}", "", "")?;
        if !self.path.is_empty() {
            write!(f, "\n{:width$} = at: {}", "", self.path)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{:width$} = hint: {hint}", "")?;
        }
        Ok(())
    }
}

/// Writes all diagnostics, a blank line between them; empty for none.
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&diagnostic.to_string());
        text.push('\n');
    }
    text
}

/// The shortest beginning of a name that may stand for it: `shop-avail`, not `s`.
const BEGINNING_MIN: usize = 4;
/// The most names that are compared for a "did you mean": hints must not make loading quadratic.
pub(crate) const CANDIDATES_MAX: usize = 500;

/// The candidate nearest to `given`, when it is near enough to be a slip of the fingers, else the
/// shortest that `given` is the beginning of.
pub(crate) fn nearest<'c>(given: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let lower = given.to_lowercase();
    candidates
        .iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            (distance, *candidate)
        })
        .min_by_key(|(distance, _)| *distance)
        // A third of the letters: `indicatorRfe` is a slip, `markdown` is another word.
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .map(|(_, candidate)| candidate)
        .or_else(|| {
            let begun = |candidate: &&&str| candidate.to_lowercase().starts_with(&lower);
            let begun = candidates.iter().filter(begun).filter(|_| lower.len() >= BEGINNING_MIN);
            begun.min_by_key(|candidate| (candidate.len(), **candidate)).copied()
        })
}

/// A value as it is quoted in a message: short, on one line.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    let mut short: String =
        text.chars().take(SHOWN_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn carets_stand_under_the_token() {
        let source = Source::new("a.yaml", "kind: SLO\nspce: {ä: 1}\n");
        let text = SourceText::new(&source);
        let at = text.text().find("spce").unwrap();
        let diagnostic = Diagnostic::new(
            Level::Error,
            &text,
            Span { start: at, end: at + 4 },
            "spce".into(),
            "`spce` is not a field here".into(),
            Some("did you mean `spec`?".into()),
        );
        let expected = "error: `spce` is not a field here\n --> a.yaml:2:1\n  |\n2 | spce: {ä: 1}\n  | ^^^^\n  = at: spce\n  = hint: did you mean `spec`?";
        assert_eq!(diagnostic.to_string(), expected);
    }

    #[test]
    fn a_line_of_a_megabyte_shows_a_window() {
        let source =
            Source::new("a.yaml", format!("x: {}BAD{}", "y".repeat(500_000), "z".repeat(500_000)));
        let text = SourceText::new(&source);
        let at = text.text().find("BAD").unwrap();
        let span = Span { start: at, end: at + 3 };
        let shown =
            Diagnostic::new(Level::Error, &text, span, String::new(), "m".into(), None).to_string();
        assert!(shown.len() < 400, "{} bytes", shown.len());
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[4].find('^').unwrap();
        let under: String = lines[3].chars().skip(caret).take(3).collect();
        assert_eq!(under, "BAD", "{shown}");
    }

    #[test]
    fn lines_are_cut_only_where_they_must_and_say_so() {
        let whole = format!("{}BAD", "y".repeat(EXCERPT_CHARS_MAX - 3));
        let shown = Excerpt::new(&whole, EXCERPT_CHARS_MAX - 3, 3);
        assert_eq!((shown.text, shown.caret), (whole, EXCERPT_CHARS_MAX - 3));
        for (before, cut) in [
            (0, (false, true)),
            (50, (false, true)),
            (51, (true, true)),
            (252, (true, true)),
            (253, (true, false)),
            (300, (true, false)),
        ] {
            let line = format!("{}BAD{}", "y".repeat(before), "z".repeat(300 - before));
            let shown = Excerpt::new(&line, before, 3);
            let at: String = shown.text.chars().skip(shown.caret).take(shown.carets).collect();
            assert_eq!(at, "BAD", "{before}: {shown:?}");
            let found = (shown.text.starts_with('…'), shown.text.ends_with('…'));
            assert_eq!(found, cut, "{before}: {shown:?}");
            assert!(shown.text.chars().count() <= EXCERPT_CHARS_MAX + 2, "{shown:?}");
        }
        // Behind the end of a line, where something is missing.
        let shown = Excerpt::new(&"y".repeat(200), 200, 1);
        assert_eq!((shown.text.chars().count(), shown.caret, shown.carets), (100, 100, 1));
    }

    #[test]
    fn only_slips_are_corrected() {
        let known = ["indicator", "indicatorRef", "timeWindow"];
        assert_eq!(nearest("indicatorRfe", &known), Some("indicatorRef"));
        assert_eq!(nearest("timewindow", &known), Some("timeWindow"));
        assert_eq!(nearest("markdown", &known), None);
        let slos = ["shop-availability-eu", "shop-availability", "cart"];
        assert_eq!(nearest("shop-avail", &slos), Some("shop-availability"));
        assert_eq!(nearest("sho", &slos), None);
    }
}
