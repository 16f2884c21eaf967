//! Documents in, a set with every alert rule filled in out.

use flyball_budget::alert;
use flyball_model::{AlertRule, Slo, Window};
use flyball_query::near_matches;
use flyball_spec::{Alerting, Diagnostic, Level, Origins, Part, Source, SpecSet};

/// The preset that stands for the rules of an SLO that says nothing.
pub const DEFAULT_ALERTING: &str = "default";

/// Loads `sources` and gives every SLO its alert rules.
///
/// As [`flyball_spec::load`] otherwise; an alert strategy that nobody knows is an error more.
pub fn load(sources: &[Source]) -> (SpecSet, Vec<Diagnostic>) {
    let (mut set, mut diagnostics) = flyball_spec::load(sources);
    for slo in &mut set.slos {
        match set.alerting.get(&slo.name) {
            Some(Alerting::Default) => slo.alert_rules = alert::default_rules(&slo.window).rules,
            Some(Alerting::Preset(name)) => match preset(name, &slo.window) {
                Some(rules) => slo.alert_rules = rules,
                None => diagnostics.extend(unknown_preset(slo, name, &set.origins)),
            },
            Some(Alerting::Own | Alerting::Imported | Alerting::None) | None => {}
        }
    }
    (set, diagnostics)
}

fn preset(name: &str, window: &Window) -> Option<Vec<AlertRule>> {
    if name == DEFAULT_ALERTING {
        return Some(alert::default_rules(window).rules);
    }
    alert::strategies().into_iter().find(|(known, _)| *known == name).map(|(_, rules)| rules)
}

fn unknown_preset(slo: &Slo, name: &str, origins: &Origins) -> Option<Diagnostic> {
    let known: Vec<&str> = std::iter::once(DEFAULT_ALERTING)
        .chain(alert::strategies().into_iter().map(|(known, _)| known))
        .collect();
    let near = near_matches(name, known.iter().copied());
    let hint = match near.first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("presets are {}; or define an AlertStrategy", known.join(", ")),
    };
    let message = format!("no alert strategy or preset is called `{name}`");
    origins.diagnostic(&slo.name, Part::Alerting, None, Level::Error, message, Some(hint))
}
