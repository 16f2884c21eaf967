//! What is wrong with a script, or what an expectation found instead: place, excerpt, reason, hint.

use std::fmt::{self, Write};

use flyball_spec::Excerpt;

/// A place in a script; line and column are counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The first character.
    pub column: usize,
    /// How many characters; at least 1 when shown.
    pub length: usize,
}

impl Place {
    /// From the start of this place to the end of `last`, when both are on one line.
    #[must_use]
    pub(super) fn to(self, last: Self) -> Self {
        if last.line != self.line || last.column < self.column {
            return self;
        }
        Self { length: last.column + last.length - self.column, ..self }
    }
}

/// One thing that is wrong in a script, or an expectation that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, in one line.
    pub message: String,
    /// What was expected, for an expectation that does not hold.
    pub expected: Option<String>,
    /// What was found instead.
    pub found: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// More lines, already laid out, such as the faults of an SLO document.
    pub detail: Option<String>,
    /// True when an expectation does not hold, false when the script cannot be run.
    pub is_failure: bool,
}

/// A [`Problem`] on its way up.
pub(super) type Fault = Box<Problem>;

impl Problem {
    /// The script cannot be run.
    pub(super) fn script(place: Place, message: impl Into<String>) -> Fault {
        Box::new(Self {
            place,
            message: message.into(),
            expected: None,
            found: None,
            hint: None,
            detail: None,
            is_failure: false,
        })
    }

    /// An expectation does not hold.
    pub(super) fn failure(
        place: Place,
        message: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Fault {
        Box::new(Self {
            expected: Some(expected.into()),
            found: Some(found.into()),
            is_failure: true,
            ..*Self::script(place, message)
        })
    }

    /// The same with advice.
    #[must_use]
    pub(super) fn hint(mut self: Fault, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    /// The problem as several lines, with the line of `text` it is about.
    pub fn render(&self, file: &str, text: &str) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out, file, text);
        out
    }

    fn write(&self, out: &mut String, file: &str, text: &str) -> fmt::Result {
        let Place { line, column, length } = self.place;
        let label = if self.is_failure { "failed" } else { "error" };
        let width = line.to_string().len();
        writeln!(out, "{label}: {}", self.message)?;
        writeln!(out, "{:width$}--> {file}:{line}:{column}", "")?;
        if let Some(shown) = text.lines().nth(line.saturating_sub(1)) {
            let Excerpt { text, caret, carets } =
                Excerpt::new(shown, column.saturating_sub(1), length);
            writeln!(out, "{:width$} |", "")?;
            writeln!(out, "{line} | {text}")?;
            writeln!(out, "{:width$} | {:caret$}{}", "", "", "^".repeat(carets))?;
        }
        if let Some(expected) = &self.expected {
            writeln!(out, "{:width$} = expected: {expected}", "")?;
        }
        if let Some(found) = &self.found {
            writeln!(out, "{:width$} =    found: {found}", "")?;
        }
        if let Some(hint) = &self.hint {
            writeln!(out, "{:width$} = hint: {hint}", "")?;
        }
        if let Some(detail) = &self.detail {
            write!(out, "{detail}")?;
        }
        Ok(())
    }
}

/// "did you mean" among `known`, else what there is.
pub(super) fn meant(given: &str, known: &[&str]) -> String {
    match flyball_query::near_matches(given, known.iter().copied()).first() {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there is none here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}
