//! SQL conditions of SLOs: their errors, shown in the documents that hold them.

use std::ops::Range;

use flyball_model::{EventSli, GoodOrBad, Indicator, Slo};
use flyball_query::{Outline, PredicateError, PredicateSet};
use flyball_spec::{Diagnostic, Level, Part, SpecSet};

/// Compiles every condition of every SLO; what cannot be used, where it stands.
pub fn conditions(set: &SpecSet) -> Vec<Diagnostic> {
    let mut predicates = PredicateSet::new();
    let mut found = Vec::new();
    for slo in &set.slos {
        for (objective, sli) in event_slis(slo) {
            for (part, text) in parts(objective, sli) {
                if let Err(error) = predicates.add(text) {
                    found.extend(condition(set, slo, part, text, &error, Level::Error));
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

/// A warning for each condition of SLOs of `set`, of those that `is_asked`, that can only be a mistake
/// with the types that events `met` have, in the words of a run over such events.
pub fn unfit_conditions(
    set: &SpecSet,
    is_asked: impl Fn(&Slo) -> bool,
    met: &Outline,
) -> Vec<Diagnostic> {
    let mut predicates = PredicateSet::new();
    let mut asked = Vec::new();
    for slo in set.slos.iter().filter(|slo| is_asked(slo)) {
        for (part, text) in event_slis(slo).flat_map(|(objective, sli)| parts(objective, sli)) {
            if let Ok(id) = predicates.add(text) {
                asked.push((slo, part, text, id));
            }
        }
    }
    predicates.meet(met);
    let unfit = asked.into_iter().filter_map(|(slo, part, text, id)| {
        condition(set, slo, part, text, &predicates.fault(id)?, Level::Warning)
    });
    unfit.collect()
}

/// The conditions of an SLI, which is that of an objective or of the whole SLO.
fn parts(objective: Option<usize>, sli: &EventSli) -> [(Part, &str); 2] {
    let (GoodOrBad::Good(side) | GoodOrBad::Bad(side)) = &sli.side;
    [(Part::Total { objective }, &sli.total), (Part::Side { objective }, side)]
}

/// What is wrong with the condition `text`, which is `part` of `slo`, under the very word; `None`
/// when that part has no place in a document. A warning where events that are still to come could
/// make sense of it.
pub fn condition(
    set: &SpecSet,
    slo: &Slo,
    part: Part,
    text: &str,
    error: &PredicateError,
    level: Level,
) -> Option<Diagnostic> {
    let within =
        error.line.zip(error.column).and_then(|(line, column)| word_at(text, line, column));
    let what = match level {
        Level::Error => "this condition cannot be used",
        Level::Warning => "this condition can only be a mistake",
    };
    let message = format!("{what}: {}", error.message);
    set.origins.diagnostic(&slo.name, part, within, level, message, error.hint.clone())
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
