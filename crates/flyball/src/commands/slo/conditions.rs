//! What only other crates can judge about a document: its SQL conditions, and its alert rules.

use std::ops::Range;

use flyball_budget::alert;
use flyball_model::{EventSli, GoodOrBad, Indicator, Slo};
use flyball_query::{PredicateError, PredicateSet};
use flyball_spec::{Alerting, Diagnostic, Level, Part, SpecSet};

/// Compiles every condition of every SLO; what cannot be used, where it stands.
pub(super) fn conditions(set: &SpecSet) -> Vec<Diagnostic> {
    let mut predicates = PredicateSet::new();
    let mut found = Vec::new();
    for slo in &set.slos {
        for (objective, sli) in indicators(slo) {
            let (GoodOrBad::Good(side) | GoodOrBad::Bad(side)) = &sli.side;
            let parts = [(Part::Total { objective }, &sli.total), (Part::Side { objective }, side)];
            for (part, text) in parts {
                if let Err(error) = predicates.add(text) {
                    found.extend(show(set, slo, part, text, &error));
                }
            }
        }
    }
    found
}

/// Every event SLI of an SLO, with its objective in a composite.
fn indicators(slo: &Slo) -> impl Iterator<Item = (Option<usize>, &EventSli)> {
    let shared = slo.indicator.iter().map(|indicator| (None, indicator));
    let own = slo.objectives.iter().enumerate();
    let own = own.filter_map(|(index, given)| Some((Some(index), given.indicator.as_ref()?)));
    shared.chain(own).filter_map(|(objective, indicator)| match indicator {
        Indicator::Events(sli) => Some((objective, sli)),
        Indicator::Metric(_) => None,
    })
}

fn show(
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

/// Checks every alert rule against every target it watches.
///
/// A rule that the document itself asks for and that can never work is an error; one that comes
/// with the program's defaults is a warning, because the document did not choose it.
pub(super) fn alert_rules(set: &SpecSet) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for slo in &set.slos {
        let level = match set.alerting.get(&slo.name) {
            Some(Alerting::Default) => Level::Warning,
            _ => Level::Error,
        };
        for (index, objective) in slo.objectives.iter().enumerate() {
            for rule in &slo.alert_rules {
                let Err(error) = alert::check(rule, objective.target, &slo.window) else {
                    continue;
                };
                let text = error.to_string();
                let (message, hint) = match text.split_once("; hint: ") {
                    Some((message, hint)) => (message.to_owned(), hint.to_owned()),
                    None => (text, String::new()),
                };
                let hint = if level == Level::Warning {
                    format!("{hint}; or choose the rules: flyball.dev/alerting")
                } else {
                    hint
                };
                let part = Part::Objective(index);
                found.extend(
                    set.origins
                        .diagnostic(
                            &slo.name,
                            part,
                            None,
                            level,
                            message.clone(),
                            Some(hint.clone()),
                        )
                        .or_else(|| {
                            let (part, hint) = (Part::Slo, Some(hint));
                            set.origins.diagnostic(&slo.name, part, None, level, message, hint)
                        }),
                );
            }
        }
    }
    found
}
