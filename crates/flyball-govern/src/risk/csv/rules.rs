//! What holds for all risks of a service as CSV: text ⇄ rules.
//!
//! A line a factor, each with what is beside factors; one line where there is none. With it a register that goes through
//! sheets stands elsewhere as it does here.

use flyball_model::{Duration, Rational};

use super::super::document::{Factor, RiskRules, RiskRulesSpec};
use super::super::range::Range;
use super::{CSV_BYTES_MAX, CsvError, Field, range, record, split};

/// The columns as they are written. The first four are needed.
pub const COLUMNS: [&str; 10] = [
    "rules",
    "service",
    "ceiling",
    "reserve",
    "factor",
    "description",
    "everywhere",
    "detect",
    "repair",
    "frequency",
];
/// How many of them a sheet cannot be read without.
const NEEDED: usize = 4;

/// Writes `rules` with a header.
pub fn write(rules: &RiskRules) -> String {
    let mut text = record(COLUMNS.iter().map(|name| (*name).to_owned()));
    let RiskRules { name, spec } = rules;
    let share = |share: Rational| Range::point(share).to_string();
    let beside = || [name.clone(), spec.service.clone(), share(spec.ceiling), share(spec.reserve)];
    for factor in &spec.factors {
        let Factor { name, description, everywhere, detect, repair, frequency } = factor;
        let own = [
            name.clone(),
            description.clone().unwrap_or_default(),
            if *everywhere { "yes" } else { "" }.to_owned(),
            detect.to_string(),
            repair.to_string(),
            share(*frequency),
        ];
        text.push_str(&record(beside().into_iter().chain(own)));
    }
    if spec.factors.is_empty() {
        let nothing = std::iter::repeat_n(String::new(), COLUMNS.len() - NEEDED);
        text.push_str(&record(beside().into_iter().chain(nothing)));
    }
    text
}

/// Whether `text` is such a sheet, and not one of risks: its header names the ceiling.
pub fn is_one(text: &str) -> bool {
    let header = text.strip_prefix('\u{feff}').unwrap_or(text).lines().next().unwrap_or_default();
    header.split(',').any(|name| name.trim().trim_matches('"') == "ceiling")
}

/// Reads rules, in the order in which they are written.
///
/// # Errors
///
/// Everything that is wrong, in the order of the text.
pub fn read(text: &str) -> Result<Vec<RiskRules>, Vec<CsvError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > CSV_BYTES_MAX {
        let message = format!("rules have at most {CSV_BYTES_MAX} bytes");
        return Err(vec![CsvError { line: 1, column: 1, message }]);
    }
    let mut records = split(text).map_err(|wrong| vec![wrong])?.into_iter();
    let header = records.next().unwrap_or_default();
    let places = places(&header)?;
    let mut wrong = Vec::new();
    let mut found: Vec<(Field, String, RiskRulesSpec)> = Vec::new();
    for fields in records {
        let first = fields.first().cloned().unwrap_or_default();
        if fields.len() != header.len() {
            let (has, wants) = (fields.len(), header.len());
            wrong.push(first.wrong(format!("the record has {has} fields, the header {wants}")));
            continue;
        }
        let field = |name: &str| {
            let place = COLUMNS.iter().position(|column| *column == name);
            let place = place.and_then(|at| places[at]).and_then(|at| fields.get(at)).cloned();
            place.unwrap_or_else(|| Field { text: String::new(), ..first.clone() })
        };
        let Some((beside, factor)) = line(field, &mut wrong) else { continue };
        let name = field("rules").text;
        let known = found.iter().position(|(_, other, _)| *other == name);
        let at = known.unwrap_or(found.len());
        if known.is_none() {
            found.push((first.clone(), name.clone(), beside.clone()));
        }
        let spec = &mut found[at].2;
        if (&spec.service, spec.ceiling, spec.reserve)
            != (&beside.service, beside.ceiling, beside.reserve)
        {
            let message = format!(
                "`{name}` says something else above; hint: `service`, `ceiling` and `reserve` are the same in each line of it"
            );
            wrong.push(first.wrong(message));
        }
        spec.factors.extend(factor);
    }
    let mut rules = Vec::new();
    for (first, name, spec) in found {
        match RiskRules::new(&name, spec) {
            Ok(read) => rules.push(read),
            Err(errors) => wrong.extend(
                errors
                    .into_iter()
                    .map(|error| first.wrong(format!("{}: {}", error.path, error.message))),
            ),
        }
    }
    wrong.sort_by_key(|of| (of.line, of.column));
    if wrong.is_empty() { Ok(rules) } else { Err(wrong) }
}

/// Where each column is.
fn places(header: &[Field]) -> Result<Vec<Option<usize>>, Vec<CsvError>> {
    let mut wrong = Vec::new();
    for (at, field) in header.iter().enumerate() {
        let name = field.text.trim();
        if !COLUMNS.contains(&name) {
            let hint = COLUMNS.join(", ");
            wrong.push(
                field.wrong(format!("there is no column `{name}`; hint: columns are {hint}")),
            );
        } else if header[..at].iter().any(|other| other.text.trim() == name) {
            wrong.push(field.wrong(format!("the column `{name}` is there already")));
        }
    }
    let position = |name: &str| header.iter().position(|field| field.text.trim() == name);
    let places: Vec<Option<usize>> = COLUMNS.iter().map(|name| position(name)).collect();
    let missing = COLUMNS.iter().take(NEEDED).filter(|name| position(name).is_none());
    let missing: Vec<&str> = missing.copied().collect();
    if wrong.is_empty() && !missing.is_empty() {
        let message = format!(
            "the header lacks {}; hint: the first line names the columns",
            missing.join(", ")
        );
        wrong.push(CsvError { line: 1, column: 1, message });
    }
    if wrong.is_empty() { Ok(places) } else { Err(wrong) }
}

/// What a line says beside factors, and its factor; `None` where something is wrong.
fn line(
    field: impl Fn(&str) -> Field,
    wrong: &mut Vec<CsvError>,
) -> Option<(RiskRulesSpec, Option<Factor>)> {
    let before = wrong.len();
    let ceiling = share(&field("ceiling"), wrong);
    let reserve = share(&field("reserve"), wrong);
    let name = field("factor").text;
    let everywhere = field("everywhere");
    let is_everywhere = match everywhere.text.trim().to_lowercase().as_str() {
        "yes" | "true" => true,
        "" | "no" | "false" => false,
        _ => {
            wrong.push(everywhere.wrong("it is neither; hint: write yes or no"));
            false
        }
    };
    let (detect, repair) = (time(&field("detect"), wrong), time(&field("repair"), wrong));
    let frequency = share(&field("frequency"), wrong);
    if name.is_empty() {
        // What belongs to a factor is of none without its name.
        let own = ["description", "everywhere", "detect", "repair", "frequency"].map(&field);
        let filled = own.into_iter().filter(|field| !field.text.trim().is_empty());
        wrong.extend(
            filled.map(|field| field.wrong("it is of a factor; hint: name that in `factor`")),
        );
    }
    if wrong.len() > before {
        return None;
    }
    let factor = (!name.is_empty()).then(|| Factor {
        name,
        description: Some(field("description").text).filter(|text| !text.is_empty()),
        everywhere: is_everywhere,
        detect: detect.unwrap_or_default(),
        repair: repair.unwrap_or_default(),
        frequency: frequency.unwrap_or(Rational::ZERO),
    });
    let spec = RiskRulesSpec {
        service: field("service").text,
        ceiling: ceiling.unwrap_or(Rational::ZERO),
        reserve: reserve.unwrap_or(Rational::ZERO),
        factors: Vec::new(),
    };
    Some((spec, factor))
}

/// One share; nothing where nothing is said.
fn share(field: &Field, wrong: &mut Vec<CsvError>) -> Option<Rational> {
    point(field, wrong)
}

/// One length of time; nothing where nothing is said.
fn time(field: &Field, wrong: &mut Vec<CsvError>) -> Option<Duration> {
    point(field, wrong)
}

fn point<T: super::Value + PartialEq>(field: &Field, wrong: &mut Vec<CsvError>) -> Option<T> {
    if field.text.trim().is_empty() {
        return None;
    }
    let range: Range<T> = range(field, wrong)?;
    if range.low() != range.high() {
        wrong.push(field.wrong("it is one value, and no range"));
        return None;
    }
    Some(range.low())
}
