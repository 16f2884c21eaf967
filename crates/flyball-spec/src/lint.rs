//! Warnings about SLOs that are valid and still likely not meant: few, each with a remedy.
//!
//! Whether an alert rule can ever fire is judged where burns are computed, not here.

use flyball_model::{Indicator, Slo, Target, Window};

use crate::diagnostic::{DIAGNOSTICS_MAX, Diagnostic, Level};
use crate::origin::Part;
use crate::set::SpecSet;

/// A target that allows fewer than this share of bad is rarely kept by anything with dependencies:
/// five nines allow 26 seconds a month. Source: SRE Workbook, chapter 5, extreme targets.
const ERROR_BUDGET_PARTS_MAX: u64 = 100_000;
/// The label that marks an SLO as aspirational: tracked, and nothing follows from it.
const ASPIRATIONAL: &str = "aspirational";

/// Looks at every SLO of a set; at most [`DIAGNOSTICS_MAX`] findings.
pub fn lint(set: &SpecSet) -> Vec<Diagnostic> {
    set.slos.iter().flat_map(|slo| lint_slo(slo, set)).take(DIAGNOSTICS_MAX).collect()
}

/// Looks at `slo`, which is one of `set`.
pub fn lint_slo(slo: &Slo, set: &SpecSet) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut warn = |part: Part, message: String, hint: &str| {
        let hint = Some(hint.to_owned());
        found.extend(set.origins.diagnostic(&slo.name, part, None, Level::Warning, message, hint));
    };
    if slo.description.as_deref().is_none_or(|text| text.trim().is_empty()) {
        let hint = "say whose experience it protects: `spec.description`";
        warn(Part::Slo, format!("`{}` has no description", slo.name), hint);
    }
    let aspirational = slo.labels.contains_key(ASPIRATIONAL)
        || slo.labels.values().flatten().any(|value| value == ASPIRATIONAL);
    if aspirational && !slo.alert_rules.is_empty() {
        let message = format!("`{}` is aspirational and has alert rules", slo.name);
        warn(
            Part::Slo,
            message,
            "an aspirational SLO is tracked only: `flyball.dev/alerting: none`",
        );
    }
    let shared = slo.indicator.iter().map(|indicator| (None, indicator));
    let own = slo.objectives.iter().enumerate();
    let own = own.filter_map(|(index, given)| Some((Some(index), given.indicator.as_ref()?)));
    for (objective, indicator) in shared.chain(own) {
        let Indicator::Events(events) = indicator else { continue };
        if !events.total.contains("service.name") {
            let message = "the valid events are not limited to a service".to_owned();
            let hint = format!(
                "where inputs hold more than one, add `service.name = '{}'`; give those without it a name with --service or --map",
                slo.service
            );
            warn(Part::Total { objective }, message, &hint);
        }
    }
    for (index, objective) in slo.objectives.iter().enumerate() {
        let part = Part::Objective(index);
        if extreme(objective.target) {
            let message = format!("{} leaves almost nothing to spend", objective.target);
            warn(
                part,
                message,
                "past 99.999 % a window needs over 100,000 events for one bad one to fit",
            );
        }
        if objective.target.share().is_zero() {
            warn(part, "a target of 0 promises nothing".to_owned(), "like 0.999");
        }
        if let (Some(slice), Window::Rolling { length }) = (objective.timeslice_window, &slo.window)
            && slice > *length
        {
            let message = format!("a time slice of {slice} does not fit the window of {length}");
            warn(part, message, "make the slice shorter than the window");
        }
    }
    found
}

fn extreme(target: Target) -> bool {
    let budget = target.error_budget();
    budget.numerator().saturating_mul(ERROR_BUDGET_PARTS_MAX) < budget.denominator()
}
