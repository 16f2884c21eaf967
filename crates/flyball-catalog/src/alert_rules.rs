//! What only the arithmetic can judge about a document: its alert rules.

use flyball_budget::{alert, nominal_length};
use flyball_model::{AlertRule, Condition, Factor, Slo, Window};
use flyball_spec::{Alerting, Diagnostic, Level, Part, SpecSet, split_hint};

use crate::load::DEFAULT_ALERTING;

/// What there is to say about the alert rules of `slo`, which is one of `set`; nothing without any.
///
/// A rule that the document itself asks for and that can never work is an error; one that comes
/// with the program's defaults, or those of an imported document's tool, is a warning, because the
/// document did not choose it. Rules that work and are likely not meant are warnings.
pub fn alert_rules(slo: &Slo, set: &SpecSet) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let level = match set.alerting.get(&slo.name) {
        Some(Alerting::Default | Alerting::Imported) => Level::Warning,
        _ => Level::Error,
    };
    let choose = "; or choose the rules: flyball.dev/alerting";
    for (number, rule) in slo.alert_rules.iter().enumerate() {
        let before = found.len();
        for (index, objective) in slo.objectives.iter().enumerate() {
            let Err(error) = alert::check(rule, objective.target, &slo.window) else {
                continue;
            };
            let text = error.to_string();
            let (message, hint) = split_hint(&text);
            let hint = hint.unwrap_or_default();
            let hint = if level == Level::Warning { hint.to_owned() + choose } else { hint.into() };
            let parts = [Part::Rule(number), Part::Objective(index), Part::Slo];
            found.extend(at_first(set, slo, &parts, level, message, &hint));
        }
        if found.len() == before
            && let Some((message, hint)) = doubt(rule, &slo.window)
        {
            let parts = [Part::Rule(number), Part::Alerting, Part::Slo];
            let message = format!("alert rule `{}`: {message}", rule.name);
            found.extend(at_first(set, slo, &parts, Level::Warning, &message, &hint));
        }
    }
    if let Some(left_out) = left_out(slo, set) {
        let message = format!("default rules {left_out}");
        let hint = "choose rules for this window: flyball.dev/alerting";
        let parts = [Part::Window, Part::Slo];
        found.extend(at_first(set, slo, &parts, Level::Warning, &message, hint));
    }
    found
}

/// A rule that works and is likely not meant: what is odd, and what to do.
fn doubt(rule: &AlertRule, window: &Window) -> Option<(String, String)> {
    let Condition::Burn { long, factor, .. } = rule.condition else { return None };
    let whole = nominal_length(window);
    if long > whole {
        return Some((
            format!("it looks back {long}, further than the SLO's window of {whole}"),
            format!("write a lookback below {whole}"),
        ));
    }
    let low = alert::low_factor(rule, window)?;
    let hint = match factor {
        Factor::Exact(_) => "write a factor of 1 or more".to_owned(),
        Factor::BudgetShare(_) => {
            let share = long.as_seconds_f64() / whole.as_seconds_f64() * 100.0;
            let share = decimals(share);
            format!("{long} are {share}% of {whole}: write a larger share or a shorter lookback")
        }
    };
    let low = decimals(low);
    Some((format!("it calls about burns above {low}, which keep the objective"), hint))
}

/// A finding at the first of `parts` that has a place. A rule may stand in a document of its own
/// that several SLOs share, so there the SLO is named.
fn at_first(
    set: &SpecSet,
    slo: &Slo,
    parts: &[Part],
    level: Level,
    message: &str,
    hint: &str,
) -> Option<Diagnostic> {
    parts.iter().find_map(|part| {
        let message = match part {
            Part::Rule(_) => format!("SLO `{}`: {message}", slo.name),
            _ => message.to_owned(),
        };
        set.origins.diagnostic(&slo.name, *part, None, level, message, Some(hint.to_owned()))
    })
}

/// Which of the default rules `slo` goes without because of its window, in words; `None` when it
/// has them all, or others.
pub fn left_out(slo: &Slo, set: &SpecSet) -> Option<String> {
    match set.alerting.get(&slo.name)? {
        Alerting::Default => {}
        Alerting::Preset(name) if name == DEFAULT_ALERTING => {}
        _ => return None,
    }
    let left_out = alert::default_rules(&slo.window).left_out;
    if left_out.is_empty() {
        return None;
    }
    let named: Vec<String> = left_out
        .iter()
        .map(|(rule, factor)| format!("{} (factor {})", rule.name, decimals(*factor)))
        .collect();
    Some(format!(
        "left out over {}: {}, which would call about burns that keep the objective",
        nominal_length(&slo.window),
        named.join(", ")
    ))
}

/// A number as it is meant to be exact: at most four decimals, no trailing zeros.
pub fn decimals(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
