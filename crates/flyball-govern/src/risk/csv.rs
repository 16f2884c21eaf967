//! A register as CSV, for spreadsheets: text ⇄ risks.
//!
//! RFC 4180 with a header; columns may come in any order, and those of optional fields may be missing. Lists
//! stand in one field with `;` between their parts. A text that a spreadsheet would take for a formula is
//! written with a `'` in front, which reading takes away again (OWASP, "CSV Injection").

use std::collections::BTreeSet;

use csv_core::{ReadFieldResult, Reader};
use flyball_model::{ChangeKind, Duration, Rational};

use super::document::{Acceptance, Matches, RISKS_MAX, Risk, RiskSpec, Undelayed};
use super::range::{Range, Value};

pub mod rules;

/// The columns as they are written. Those up to `time_between_failures` but `description` and `slos` are
/// needed.
pub const COLUMNS: [&str; 14] = [
    "name",
    "service",
    "description",
    "slos",
    "time_to_detect",
    "time_to_repair",
    "share_of_users",
    "time_between_failures",
    "themes",
    "accepted_by",
    "accepted_because",
    "accepted_until",
    "match_classes",
    "match_causes",
];
/// The columns that a register cannot be read without.
const NEEDED: [&str; 6] = [
    "name",
    "service",
    "time_to_detect",
    "time_to_repair",
    "share_of_users",
    "time_between_failures",
];
/// The most bytes that are read: 200 risks with the longest texts need less.
pub const CSV_BYTES_MAX: usize = 1 << 20;
/// What spreadsheets take for the beginning of a formula, and the mark itself.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// Something wrong in a register's CSV.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("{line}:{column}: {message}")]
pub struct CsvError {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line at which the field begins, from 1.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// A field with its place.
#[derive(Debug, Clone, Default)]
struct Field {
    text: String,
    line: usize,
    column: usize,
}

impl Field {
    fn wrong(&self, message: impl Into<String>) -> CsvError {
        CsvError { line: self.line, column: self.column, message: message.into() }
    }
}

/// Writes `risks` with a header.
pub fn write(risks: &[Risk]) -> String {
    let mut text = record(COLUMNS.iter().map(|name| (*name).to_owned()));
    for Risk { name, spec } in risks {
        let accepted = spec.accepted.as_ref();
        text.push_str(&record([
            name.clone(),
            spec.service.clone(),
            spec.description.clone().unwrap_or_default(),
            list(&spec.slos),
            spec.time_to_detect.to_string(),
            spec.time_to_repair.to_string(),
            spec.share_of_users.to_string(),
            spec.time_between_failures.to_string(),
            list(&spec.themes),
            accepted.map(|of| of.who.clone()).unwrap_or_default(),
            accepted.map(|of| of.reason.clone()).unwrap_or_default(),
            accepted.map(|of| of.until.to_string()).unwrap_or_default(),
            spec.matches.as_ref().map(|of| list(&of.classes)).unwrap_or_default(),
            spec.matches.as_ref().map(causes).unwrap_or_default(),
        ]));
    }
    text
}

fn record(fields: impl IntoIterator<Item = String>) -> String {
    let fields: Vec<String> = fields.into_iter().map(|field| quoted(&field)).collect();
    fields.join(",") + "\r\n"
}

fn quoted(field: &str) -> String {
    let mark = if field.starts_with(FORMULA) { "'" } else { "" };
    // Spaces at the ends are quoted for those who trim.
    let is_plain = !field.contains(['"', ',', '\n', '\r']) && field.trim() == field;
    if is_plain {
        format!("{mark}{field}")
    } else {
        format!("\"{mark}{}\"", field.replace('"', "\"\""))
    }
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(";")
}

fn causes(of: &Matches) -> String {
    of.causes.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(";")
}

/// Reads risks, in the order in which they are written.
///
/// # Errors
///
/// Everything that is wrong, in the order of the text; where records do not even have the columns of the
/// header, what is in them is not looked at.
pub fn read(text: &str) -> Result<Vec<Risk>, Vec<CsvError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > CSV_BYTES_MAX {
        let message = format!("a register has at most {CSV_BYTES_MAX} bytes");
        return Err(vec![CsvError { line: 1, column: 1, message }]);
    }
    let mut records = split(text).map_err(|wrong| vec![wrong])?.into_iter();
    let header = records.next().unwrap_or_default();
    let (columns, mut wrong) = Columns::of(&header)?;
    let mut risks: Vec<Risk> = Vec::new();
    for fields in records {
        let first = fields.first().cloned().unwrap_or_default();
        if fields.len() != header.len() {
            let (has, wants) = (fields.len(), header.len());
            wrong.push(first.wrong(format!("the record has {has} fields, the header {wants}")));
            continue;
        }
        match columns.risk(&fields) {
            Ok(risk) if risks.iter().any(|of| of.name == risk.name) => {
                let place = columns.field(&fields, "name");
                wrong.push(place.wrong(format!("`{}` is there already", risk.name)));
            }
            Ok(risk) if risks.len() < RISKS_MAX => risks.push(risk),
            Ok(_) => {
                wrong.push(first.wrong(format!("a register has at most {RISKS_MAX} risks")));
                break;
            }
            Err(errors) => wrong.extend(errors),
        }
    }
    if wrong.is_empty() { Ok(risks) } else { Err(wrong) }
}

/// Where each column is.
struct Columns(Vec<Option<usize>>);

impl Columns {
    /// The columns of `header`, with what is wrong with others.
    ///
    /// # Errors
    ///
    /// What is wrong where one that is needed is not there.
    fn of(header: &[Field]) -> Result<(Self, Vec<CsvError>), Vec<CsvError>> {
        let mut wrong = Vec::new();
        for (at, field) in header.iter().enumerate() {
            let name = field.text.trim();
            if !COLUMNS.contains(&name) {
                let hint = if name.contains([';', '\t']) {
                    "write it with commas between fields".to_owned()
                } else {
                    format!("columns are {}", COLUMNS.join(", "))
                };
                wrong.push(field.wrong(format!("there is no column `{name}`; hint: {hint}")));
            } else if header[..at].iter().any(|other| other.text.trim() == name) {
                wrong.push(field.wrong(format!("the column `{name}` is there already")));
            }
        }
        let position = |name: &str| header.iter().position(|field| field.text.trim() == name);
        let missing: Vec<&str> =
            NEEDED.into_iter().filter(|name| position(name).is_none()).collect();
        if wrong.is_empty() && !missing.is_empty() {
            let message = format!(
                "the header lacks {}; hint: the first line names the columns",
                missing.join(", ")
            );
            wrong.push(CsvError { line: 1, column: 1, message });
        }
        if missing.is_empty() {
            Ok((Self(COLUMNS.iter().map(|name| position(name)).collect()), wrong))
        } else {
            Err(wrong)
        }
    }

    /// The field of a column; an empty one at the beginning of the record when there is no such column.
    fn field(&self, fields: &[Field], name: &str) -> Field {
        let at = COLUMNS.iter().position(|column| *column == name).and_then(|at| self.0[at]);
        at.and_then(|at| fields.get(at)).cloned().unwrap_or_else(|| {
            let first = fields.first().cloned().unwrap_or_default();
            Field { text: String::new(), ..first }
        })
    }

    fn risk(&self, fields: &[Field]) -> Result<Risk, Vec<CsvError>> {
        let field = |name: &str| self.field(fields, name);
        let said = |name: &str| Some(field(name).text).filter(|text| !text.is_empty());
        let names = |name: &str| {
            let text = field(name).text;
            let parts = text.split(';').map(|part| part.trim().to_owned());
            parts.filter(|part| !part.is_empty()).collect::<BTreeSet<String>>()
        };
        let mut wrong = Vec::new();
        let detect = range(&field("time_to_detect"), &mut wrong);
        let repair = range(&field("time_to_repair"), &mut wrong);
        let share = range::<Rational>(&field("share_of_users"), &mut wrong);
        let between = range(&field("time_between_failures"), &mut wrong);
        let (classes, kinds) = (names("match_classes"), names("match_causes"));
        let mut causes = BTreeSet::new();
        for word in &kinds {
            let Some(kind) = ChangeKind::parse(word) else {
                let kinds: Vec<&str> = ChangeKind::ALL.iter().map(|kind| kind.name()).collect();
                let said = format!("`{word}` is no kind of change; hint: {}", kinds.join(", "));
                wrong.push(field("match_causes").wrong(said));
                continue;
            };
            causes.insert(kind);
        }
        let says_something = !classes.is_empty() || !kinds.is_empty();
        let matches = says_something.then_some(Matches { classes, causes });
        let accepted = self.acceptance(fields).map_err(|error| wrong.push(error)).ok().flatten();
        // What cannot be read is taken to be right, so that all else that is wrong is told as well.
        let spec = RiskSpec {
            description: said("description"),
            service: field("service").text,
            slos: names("slos"),
            time_to_detect: detect.unwrap_or(Range::point(Duration::from_minutes(1))),
            time_to_repair: repair.unwrap_or(Range::point(Duration::from_minutes(1))),
            share_of_users: share.unwrap_or(Range::point(Rational::ONE)),
            time_between_failures: between.unwrap_or(Range::point(Duration::from_days(1))),
            themes: names("themes"),
            accepted,
            matches,
            undelayed: Undelayed::default(),
        };
        match Risk::new(&field("name").text, spec) {
            Ok(risk) if wrong.is_empty() => Ok(risk),
            Ok(_) => Err(wrong),
            Err(errors) => {
                let place = |path: &str| field(column_of(path));
                let more =
                    errors.iter().map(|error| place(&error.path).wrong(error.message.clone()));
                wrong.extend(more);
                wrong.sort_by_key(|of| (of.line, of.column));
                Err(wrong)
            }
        }
    }

    fn acceptance(&self, fields: &[Field]) -> Result<Option<Acceptance>, CsvError> {
        let [who, reason, until] = ["accepted_by", "accepted_because", "accepted_until"]
            .map(|name| self.field(fields, name));
        if [&who, &reason, &until].iter().all(|field| field.text.is_empty()) {
            return Ok(None);
        }
        let until = until.text.parse().map_err(|_| {
            let text = &until.text;
            until.wrong(format!(
                "`{text}` is not a date; hint: write it like 2027-06-01, or leave all three of `accepted_…` empty"
            ))
        })?;
        Ok(Some(Acceptance { who: who.text, reason: reason.text, until }))
    }
}

/// The column of a path in the document.
fn column_of(path: &str) -> &'static str {
    let columns = [
        ("spec.service", "service"),
        ("spec.description", "description"),
        ("spec.slos", "slos"),
        ("spec.timeToDetect", "time_to_detect"),
        ("spec.timeToRepair", "time_to_repair"),
        ("spec.shareOfUsers", "share_of_users"),
        ("spec.timeBetweenFailures", "time_between_failures"),
        ("spec.themes", "themes"),
        ("spec.accepted.who", "accepted_by"),
        ("spec.accepted.reason", "accepted_because"),
        ("spec.matches.classes", "match_classes"),
        ("spec.matches", "match_causes"),
        ("spec.matches.causes", "match_causes"),
    ];
    columns.into_iter().find(|(of, _)| *of == path).map_or("name", |(_, column)| column)
}

fn range<T: Value>(field: &Field, wrong: &mut Vec<CsvError>) -> Option<Range<T>> {
    let read = field.text.trim().parse();
    read.map_err(|error: super::range::RangeError| wrong.push(field.wrong(error.to_string()))).ok()
}

/// The records, each with at least one field; empty lines are none.
fn split(text: &str) -> Result<Vec<Vec<Field>>, CsvError> {
    let bytes = text.as_bytes();
    let mut reader = Reader::new();
    let mut records: Vec<Vec<Field>> = Vec::new();
    let mut record: Vec<Field> = Vec::new();
    // No field is longer than the text.
    let mut output = vec![0; bytes.len().max(1)];
    let mut place = Place { at: 0, line: 1, column: 1 };
    let mut at = 0;
    loop {
        if record.is_empty() {
            // Ends of lines before a record are no part of it.
            at += bytes[at..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        }
        place.advance(text, at);
        let (result, read, written) = reader.read_field(&bytes[at..], &mut output);
        let (result, written) = match result {
            // All is read; what is left of the last field is asked for with no more input.
            ReadFieldResult::InputEmpty => {
                let (result, _, more) = reader.read_field(&[], &mut output[written..]);
                (result, written + more)
            }
            result => (result, written),
        };
        let raw = &text[at..at + read];
        if raw.starts_with('"') && raw.matches('"').count() % 2 == 1 {
            let message =
                "the field's closing `\"` is missing; hint: a `\"` in a field is written twice";
            return Err(place.field(String::new()).wrong(message));
        }
        at += read;
        match result {
            ReadFieldResult::Field { record_end } => {
                let field = String::from_utf8_lossy(&output[..written]).into_owned();
                let unmarked = field.strip_prefix('\'').filter(|rest| rest.starts_with(FORMULA));
                record.push(place.field(unmarked.map_or_else(|| field.clone(), str::to_owned)));
                if record_end {
                    records.push(std::mem::take(&mut record));
                }
            }
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull | ReadFieldResult::End => {
                return Ok(records);
            }
        }
    }
}

/// A place in the text.
struct Place {
    at: usize,
    line: usize,
    column: usize,
}

impl Place {
    /// Moves on to the byte `to`, which begins a character.
    fn advance(&mut self, text: &str, to: usize) {
        for character in text[self.at..to].chars() {
            if character == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
        self.at = to;
    }

    fn field(&self, text: String) -> Field {
        Field { text, line: self.line, column: self.column }
    }
}
