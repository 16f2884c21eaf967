//! Which SLIs are counted, compiled, and how their tallies find back to their SLOs.

use std::collections::BTreeSet;

use flyball_budget::report::slot_width;
use flyball_catalog::place_of;
use flyball_events::ReadSummary;
use flyball_model::{Duration, Slo};
use flyball_query::{
    Measurement, PredicateError, QueryError, SliPart, SlotLadder, Tallier, TallyOptions,
    UnknownAttribute, listed,
};
use flyball_spec::{Diagnostic, Level, Part, SpecSet};

use super::{NotEvaluated, Times, event_indicators, refuse};
use crate::talk;

/// The SLOs of a set that can be replayed, with their conditions compiled.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) tallier: Tallier,
    /// For each SLI of the tallier: its SLO's index in the set, and its objective in a composite.
    slis: Vec<(usize, Option<usize>)>,
    not_evaluated: Vec<NotEvaluated>,
}

/// The evaluated SLOs, those that are not, and the tallies of each evaluated SLO's indicators.
type Finished<'a> = (Vec<&'a Slo>, Vec<NotEvaluated>, Vec<Vec<Measurement>>);

impl Plan {
    /// Compiles the conditions of every event SLI in `set`.
    ///
    /// # Errors
    ///
    /// Conditions that cannot be used; each is shown in its document first.
    pub(crate) fn new(set: &SpecSet, times: Times) -> anyhow::Result<Self> {
        let mut slis = Vec::new();
        let mut events = Vec::new();
        let mut not_evaluated: Vec<NotEvaluated> = set
            .incomplete
            .iter()
            .map(|slo| NotEvaluated { slo: slo.name.clone(), reason: slo.reasons.join("; ") })
            .collect();
        let mut common = Duration::ZERO;
        for (at, slo) in set.slos.iter().enumerate() {
            match event_indicators(slo) {
                Ok(indicators) => {
                    let is_composite = slo.objectives.iter().any(|o| o.indicator.is_some());
                    for (index, indicator) in indicators.into_iter().enumerate() {
                        slis.push((at, is_composite.then_some(index)));
                        events.push(indicator);
                    }
                    common = slot_width(slo, common);
                }
                Err(reason) => {
                    not_evaluated.push(NotEvaluated { slo: slo.name.clone(), reason });
                }
            }
        }
        let options = TallyOptions {
            from: times.from,
            to: Some(times.end()),
            ladder: SlotLadder::dividing(common),
        };
        match Tallier::new(&events, options) {
            Ok(tallier) => Ok(Self { tallier, slis, not_evaluated }),
            Err(errors) => {
                refuse_conditions(set, &slis, &errors)?;
                unreachable!("the tallier reports at least one error when it fails")
            }
        }
    }

    /// The SLO of an SLI of the tallier, by its index in the set, and its objective in a composite.
    pub(crate) fn sli(&self, index: usize) -> (usize, Option<usize>) {
        self.slis[index]
    }

    /// True when no SLO can be evaluated from events.
    pub(crate) fn is_empty(&self) -> bool {
        self.slis.is_empty()
    }

    /// The SLOs that events cannot answer, and why.
    pub(crate) fn not_evaluated(&self) -> &[NotEvaluated] {
        &self.not_evaluated
    }

    /// Refuses attributes that no event had, except those named as optional.
    ///
    /// # Errors
    ///
    /// Unknown attributes; each is shown in its document first, with near matches.
    pub(crate) fn refuse_unknown_attributes(
        &self,
        set: &SpecSet,
        summary: &ReadSummary,
        optional: &BTreeSet<String>,
    ) -> anyhow::Result<()> {
        let known = summary.attributes();
        let unknown: Vec<UnknownAttribute> = self
            .tallier
            .unknown_attributes(&known)
            .into_iter()
            .filter(|unknown| !optional.contains(&unknown.attribute))
            .collect();
        for unknown in &unknown {
            let message = format!("no event has the attribute `{}`", unknown.attribute);
            let hint = hint(unknown, &known);
            for sli in &unknown.slis {
                let (slo, objective) = self.slis[*sli];
                let slo = &set.slos[slo];
                let place = place_of(slo, objective, &unknown.attribute);
                let found = place.and_then(|(part, within)| {
                    let hint = Some(hint.clone());
                    set.origins.diagnostic(
                        &slo.name,
                        part,
                        within,
                        Level::Error,
                        message.clone(),
                        hint,
                    )
                });
                match found {
                    Some(diagnostic) => talk::diagnostics(&[diagnostic]),
                    None => talk::warning(&format!("SLO `{}`: {message}\nhint: {hint}", slo.name)),
                }
            }
        }
        match unknown.len() {
            0 => Ok(()),
            1 => anyhow::bail!("an attribute is unknown, so nothing was decided"),
            many => anyhow::bail!("{many} attributes are unknown, so nothing was decided"),
        }
    }

    /// Shows a failure of the counting, in the document where it is a condition's.
    pub(crate) fn refuse_failure(&self, set: &SpecSet, error: QueryError) -> anyhow::Error {
        match error {
            QueryError::Condition { sli, part, error } => {
                match self.refuse_conditions(set, &[(sli, part, error)]) {
                    Ok(()) => unreachable!("one condition is refused"),
                    Err(error) => error,
                }
            }
            other => other.into(),
        }
    }

    /// Refuses conditions that cannot mean what they say with what the events held.
    ///
    /// # Errors
    ///
    /// Such conditions; each is shown in its document first.
    pub(crate) fn refuse_faults(&self, set: &SpecSet) -> anyhow::Result<()> {
        self.refuse_conditions(set, &self.tallier.faults())
    }

    fn refuse_conditions(
        &self,
        set: &SpecSet,
        errors: &[(usize, SliPart, PredicateError)],
    ) -> anyhow::Result<()> {
        refuse_conditions(set, &self.slis, errors)
    }

    /// The tallies by SLO.
    pub(crate) fn finish(self, set: &SpecSet) -> Finished<'_> {
        let mut slos: Vec<&Slo> = Vec::new();
        let mut measured: Vec<Vec<Measurement>> = Vec::new();
        let mut last = None;
        for ((slo, _), measurement) in self.slis.iter().zip(self.tallier.finish()) {
            if last != Some(*slo) {
                slos.push(&set.slos[*slo]);
                measured.push(Vec::new());
                last = Some(*slo);
            }
            if let Some(indicators) = measured.last_mut() {
                indicators.push(measurement);
            }
        }
        (slos, self.not_evaluated, measured)
    }
}

/// What to do about an attribute that no event has; `known` are those they have.
fn hint(unknown: &UnknownAttribute, known: &[&str]) -> String {
    let UnknownAttribute { attribute, near, .. } = unknown;
    if !near.is_empty() {
        let near = near.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
        return format!("did you mean {near}? or allow its absence with --optional {attribute}");
    }
    if unknown.is_text {
        return format!("text stands in single quotes: '{attribute}'");
    }
    let first = if attribute == "service.name" {
        "name the service with --service NAME, or take it from an attribute with --map FROM=service.name".to_owned()
    } else {
        format!(
            "rename an attribute with --map FROM={attribute}, or allow its absence with --optional {attribute}"
        )
    };
    format!("{first}; the events have: {}", listed(known))
}

/// Shows each condition's error in its document, then fails with their number.
fn refuse_conditions(
    set: &SpecSet,
    slis: &[(usize, Option<usize>)],
    errors: &[(usize, SliPart, PredicateError)],
) -> anyhow::Result<()> {
    let diagnostics: Vec<Diagnostic> = errors
        .iter()
        .filter_map(|(sli, part, error)| {
            let (slo, objective) = slis[*sli];
            condition_error(set, slo, objective, *part, error)
        })
        .collect();
    talk::diagnostics(&diagnostics);
    refuse(errors.len())
}

/// A condition's error, shown in the document.
fn condition_error(
    set: &SpecSet,
    slo: usize,
    objective: Option<usize>,
    part: SliPart,
    error: &PredicateError,
) -> Option<Diagnostic> {
    let slo = &set.slos[slo];
    let indicator = match objective {
        Some(objective) => slo.objectives.get(objective)?.indicator.as_ref()?,
        None => slo.indicator.as_ref()?,
    };
    let flyball_model::Indicator::Events(sli) = indicator else { return None };
    let (part, text) = match part {
        SliPart::Total => (Part::Total { objective }, &sli.total),
        SliPart::Side => {
            let (flyball_model::GoodOrBad::Good(text) | flyball_model::GoodOrBad::Bad(text)) =
                &sli.side;
            (Part::Side { objective }, text)
        }
    };
    flyball_catalog::condition(set, slo, part, text, error, Level::Error)
}
