//! Warnings about SLOs that are valid and still likely not meant: few, each with a remedy.
//!
//! Whether an alert rule can ever fire is judged where burns are computed, not here.

use flyball_model::{Indicator, MetricSli, Slo, Target, Window};

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
        let events = match indicator {
            Indicator::Events(events) => events,
            Indicator::Metric(metric) => {
                if queries(metric).any(is_middle) {
                    let message =
                        "the query asks for the middle of what is measured: up to half of it may be bad unseen"
                            .to_owned();
                    let hint =
                        "count good and total events instead: a ratio metric of two counters";
                    warn(Part::Total { objective }, message, hint);
                }
                continue;
            }
        };
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

/// The queries of a metric SLI, as texts.
fn queries(metric: &MetricSli) -> impl Iterator<Item = &str> {
    let (one, other) = match metric {
        MetricSli::Ratio { side, total, .. } => (side, Some(total)),
        MetricSli::Raw { query, .. } | MetricSli::Threshold { query } => (query, None),
    };
    std::iter::once(one).chain(other).map(|query| query.spec.as_str())
}

/// Whether a query asks for a median or a lower quantile, in the words of Prometheus and others.
fn is_middle(query: &str) -> bool {
    let query = query.to_lowercase();
    let calls = |name: &str| -> Vec<String> {
        let after = query.match_indices(name).map(|(at, _)| query[at + name.len()..].trim_start());
        let inside = after.filter_map(|rest| rest.strip_prefix('('));
        inside.map(|rest| rest.chars().take_while(|c| !matches!(c, ',' | ')')).collect()).collect()
    };
    let is_low = |first: &String| first.trim().parse::<f64>().is_ok_and(|share| share <= 0.5);
    let mut quantiles = ["quantile", "quantile_over_time"].into_iter().flat_map(calls);
    quantiles.any(|first| is_low(&first)) || !calls("median").is_empty()
}

fn extreme(target: Target) -> bool {
    let budget = target.error_budget();
    budget.numerator().saturating_mul(ERROR_BUDGET_PARTS_MAX) < budget.denominator()
}

#[cfg(test)]
mod tests {
    use flyball_model::{Rational, Tally};

    use super::*;

    #[test]
    fn a_query_for_the_middle_is_known() {
        for query in [
            r#"{"query": "quantile(0.5, success_ratio)"}"#,
            r#"{"query": "quantile_over_time ( 0.5 , up[1h])"}"#,
            r#"{"query": "histogram_quantile(.25, sum(rate(a_bucket[5m])) by (le))"}"#,
            "SELECT MEDIAN(success_rate) FROM probes",
        ] {
            assert!(is_middle(query), "{query}");
        }
        for query in [
            "histogram_quantile(0.99, sum(rate(a_bucket[5m])) by (le))",
            "median_age",
            "quantile(p, a)",
        ] {
            assert!(!is_middle(query), "{query}");
        }
    }

    /// Half of the slots are dead, less one: the median success rate is 100 %, and half of the users meet an error.
    #[test]
    fn a_median_success_rate_hides_half_of_the_slots() {
        let slots: Vec<Tally> = (0..101)
            .map(|slot| Tally::new(100, if slot < 50 { 0 } else { 100 }).unwrap())
            .collect();
        let rate = |of: &Tally| Rational::new(of.good(), of.valid()).unwrap();
        let mut rates: Vec<Rational> = slots.iter().map(rate).collect();
        rates.sort_unstable();
        assert_eq!(rates[rates.len() / 2], Rational::ONE, "the wrong number");
        let whole = slots.iter().fold((0, 0), |sum, of| (sum.0 + of.good(), sum.1 + of.valid()));
        assert_eq!(whole, (5_100, 10_100));
    }
}
