//! SQL conditions of SLOs: their errors, shown in the documents that hold them.

use std::ops::Range;

use flyball_model::{EventSli, GoodOrBad, Indicator, Slo};
use flyball_query::{PredicateError, PredicateSet};
use flyball_spec::{Diagnostic, Level, Part, SpecSet};

/// Compiles every condition of every SLO; what cannot be used, where it stands.
pub fn conditions(set: &SpecSet) -> Vec<Diagnostic> {
    let mut predicates = PredicateSet::new();
    let mut found = Vec::new();
    for slo in &set.slos {
        for (objective, sli) in event_slis(slo) {
            let (GoodOrBad::Good(side) | GoodOrBad::Bad(side)) = &sli.side;
            let parts = [(Part::Total { objective }, &sli.total), (Part::Side { objective }, side)];
            for (part, text) in parts {
                if let Err(error) = predicates.add(text) {
                    found.extend(condition(set, slo, part, text, &error));
                }
            }
        }
    }
    found
}

/// Every event SLI of an SLO, with its objective in a composite.
pub fn event_slis(slo: &Slo) -> impl Iterator<Item = (Option<usize>, &EventSli)> {
    let shared = slo.indicator.iter().map(|indicator| (None, indicator));
    let own = slo.objectives.iter().enumerate();
    let own = own.filter_map(|(index, given)| Some((Some(index), given.indicator.as_ref()?)));
    shared.chain(own).filter_map(|(objective, indicator)| match indicator {
        Indicator::Events(sli) => Some((objective, sli)),
        Indicator::Metric(_) => None,
    })
}

/// What is wrong with the condition `text`, which is `part` of `slo`, under the very word; `None`
/// when that part has no place in a document.
pub fn condition(
    set: &SpecSet,
    slo: &Slo,
    part: Part,
    text: &str,
    error: &PredicateError,
) -> Option<Diagnostic> {
    let within =
        error.line.zip(error.column).and_then(|(line, column)| word_at(text, line, column));
    let message = format!("this condition cannot be used: {}", error.message);
    let hint = error.hint.clone();
    set.origins.diagnostic(&slo.name, part, within, Level::Error, message, hint)
}

/// The bytes of the word at a line and character, both counted from 1.
fn word_at(text: &str, line: u64, column: u64) -> Option<Range<usize>> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let line_start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(line_start..)?;
    let start = line_start + rest.char_indices().nth(column)?.0;
    let length: usize = text[start..]
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
        .map(char::len_utf8)
        .sum();
    Some(start..start + length.max(1))
}
