//! A log format compiled: which fields a line has, and which text stands between them.
//!
//! Apache's `LogFormat` and nginx's `log_format` differ in how they name fields, not in what a
//! line is; both become the same steps, and so do the built-in formats.

/// A log format that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reason} at character {position} of the log format\n  {text}\n  {}^\nhint: {hint}",
    " ".repeat(position - 1)
)]
pub struct LogFormatError {
    /// The format as given.
    pub text: String,
    /// The character at fault, from 1.
    pub position: usize,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

impl LogFormatError {
    /// An error at the byte `at` of `text`.
    pub(super) fn new(
        text: &str,
        at: usize,
        reason: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let position = text.get(..at).map_or(at, |before| before.chars().count()) + 1;
        // A caret under the text must not be thrown off by its line breaks.
        let text = text.replace(['\n', '\r', '\t'], " ");
        Self { text, position, reason: reason.into(), hint: hint.into() }
    }
}

/// How finely a duration is measured, the finest first: where a line has several, it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resolution {
    Microseconds,
    Milliseconds,
    /// Seconds written with three decimals.
    DecimalSeconds,
    Seconds,
}

/// How a time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// `05/Dec/2024:00:10:18 +0000`.
    Apache,
    /// RFC 3339 or an epoch count.
    Text,
    /// By a pattern of `strptime`.
    Pattern(String),
    /// Only the part of the second, which is added: one unit is so many nanoseconds.
    Fraction(i64),
}

/// What a field of a line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    /// Nothing that anyone would want.
    Ignored,
    /// A text attribute.
    Text(String),
    /// An attribute whose type is inferred from each value.
    Inferred(String),
    /// An integer attribute.
    Int(String),
    /// A duration in milliseconds.
    Duration(String, Resolution),
    /// Seconds of several tries, as nginx lists them for upstreams: summed, in milliseconds.
    DurationList(String),
    /// A list, as nginx writes for upstreams.
    List(String),
    /// The request line: method, target, protocol.
    Request,
    /// Path with query.
    Target,
    /// The query, with or without its question mark.
    Query,
    /// Only nginx's `$is_args`: a question mark or nothing.
    QuestionMark,
    /// `HTTP/1.1`.
    Protocol,
    /// When it happened.
    Time(TimeForm),
}

impl Field {
    fn starts_with_slash(&self) -> bool {
        matches!(self, Self::Target) || *self == Self::path()
    }

    /// The path without the query.
    pub(super) fn path() -> Self {
        Self::Text("url.path".to_owned())
    }
}

/// One part of a format as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(Vec<u8>),
    /// A field, and the byte of the format where it stands.
    Field(Field, usize),
}

/// A field with what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) field: Field,
    /// In double quotes, so that only an unescaped quote can end it.
    pub(super) quoted: bool,
    /// The text after the field; empty for the last field that ends with its line.
    pub(super) after: Vec<u8>,
    /// Bytes of `after` that are not the beginning of the next field.
    pub(super) consumed: usize,
}

/// A compiled log format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormat {
    /// What every line begins with.
    pub(super) lead: Vec<u8>,
    pub(super) steps: Vec<Step>,
}

/// Fields of one format: far more than anyone logs.
const FIELDS_MAX: usize = 256;

impl LogFormat {
    /// Compiles `parts` of the format `text`.
    pub(super) fn compile(text: &str, parts: Vec<Part>) -> Result<Self, LogFormatError> {
        let parts = merge(parts);
        let mut lead = Vec::new();
        let mut steps: Vec<Step> = Vec::new();
        let mut pending = false;
        for part in parts {
            match part {
                Part::Literal(literal) => match steps.last_mut() {
                    Some(step) => {
                        step.consumed = literal.len();
                        step.after = literal;
                        pending = false;
                    }
                    None => lead = literal,
                },
                Part::Field(field, at) => {
                    if pending && let Some(before) = steps.last_mut() {
                        if !field.starts_with_slash() {
                            return Err(LogFormatError::new(
                                text,
                                at,
                                "nothing stands between this field and the one before",
                                "put a space or another separator between them; a line could not \
                                 be taken apart otherwise",
                            ));
                        }
                        before.after = b"/".to_vec();
                        before.consumed = 0;
                    }
                    if steps.len() >= FIELDS_MAX {
                        return Err(LogFormatError::new(
                            text,
                            at,
                            format!("more than {FIELDS_MAX} fields"),
                            "name only the fields that lines have",
                        ));
                    }
                    steps.push(Step { field, quoted: false, after: Vec::new(), consumed: 0 });
                    pending = true;
                }
            }
        }
        if steps.is_empty() {
            return Err(LogFormatError::new(
                text,
                0,
                "no field",
                "write fields as `%h` (Apache) or `$remote_addr` (nginx)",
            ));
        }
        let mut opened = lead.ends_with(b"\"");
        for step in &mut steps {
            step.quoted = opened && step.after.starts_with(b"\"");
            opened = step.after.ends_with(b"\"") && (!step.quoted || step.after.len() > 1);
        }
        Ok(Self { lead, steps })
    }
}

/// Joins neighbouring literals, and a path with the query right behind it.
fn merge(parts: Vec<Part>) -> Vec<Part> {
    let mut merged: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match (merged.last_mut(), part) {
            (_, Part::Literal(literal)) if literal.is_empty() => {}
            (Some(Part::Literal(before)), Part::Literal(literal)) => before.extend(literal),
            (Some(Part::Field(before, _)), Part::Field(Field::Query | Field::QuestionMark, _))
                if before.starts_with_slash() =>
            {
                *before = Field::Target;
            }
            (Some(Part::Field(before @ Field::QuestionMark, _)), Part::Field(Field::Query, _)) => {
                *before = Field::Query;
            }
            (_, part) => merged.push(part),
        }
    }
    merged
}
