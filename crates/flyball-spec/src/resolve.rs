//! Decoded documents to the model: references followed, defaults filled in.
//!
//! A reference that leads nowhere does not make a document invalid, since what it names may be
//! kept elsewhere. It is a warning, and the SLO that needs it is listed as incomplete.

use std::collections::{BTreeMap, HashMap};

use flyball_model::{
    AlertRule, BudgetingMethod, CalendarWindow, Composition, Condition, Duration, Factor,
    Objective, Rational, Severity, Slo, Target, Window,
};

use crate::decode::Text;
use crate::diagnostic::{CANDIDATES_MAX, nearest, shown};
use crate::extension::extension;
use crate::indicator::{self, Lowered};
use crate::openslo::{
    ConditionDoc, DataSourceDoc, ObjectiveDoc, PolicyDoc, Ref, SliDoc, SloDoc, TargetDoc, WindowDoc,
};
use crate::origin::{Origins, Part};
use crate::session::Session;
use crate::set::{AlertStrategy, Alerting, Incomplete};

/// What references can lead to.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) slis: HashMap<String, SliDoc>,
    pub(crate) sources: HashMap<String, DataSourceDoc>,
    pub(crate) policies: HashMap<String, PolicyDoc>,
    pub(crate) conditions: HashMap<String, ConditionDoc>,
    pub(crate) targets: HashMap<String, TargetDoc>,
}

/// Why an SLO does not become part of the model.
pub(crate) enum Unusable {
    /// Its document is valid, but something is missing; noted as a warning.
    Incomplete(Incomplete),
    /// An error was noted.
    Refused,
}

/// Follows the reference, if there is anything to follow.
fn follow<'a, T>(
    reference: &'a Ref<T>,
    known: &'a HashMap<String, T>,
    kind: &str,
    session: &mut Session<'_>,
) -> Option<&'a T> {
    let name = match reference {
        Ref::Inline(object) => return Some(object),
        Ref::Name(name) => name,
    };
    let found = known.get(&name.value);
    if found.is_none() {
        let names: Vec<&str> = known.keys().map(String::as_str).take(CANDIDATES_MAX).collect();
        let hint = match nearest(&name.value, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "load the file that defines it as well".to_owned(),
        };
        session.warn(name.at, format!("no {kind} `{}` is loaded", shown(&name.value)), hint);
    }
    found
}

/// Turns one SLO document into the model.
pub(crate) fn slo(
    doc: &SloDoc,
    registry: &Registry,
    strategies: &[AlertStrategy],
    session: &mut Session<'_>,
    origins: &mut Origins,
) -> Result<(Slo, Alerting), Unusable> {
    let name = &doc.metadata.name.value;
    let mut gaps = Vec::new();
    let mut refused = false;
    let before = session.findings.errors();
    origins.insert(name, Part::Slo, doc.metadata.name.at, session);
    origins.insert(name, Part::Window, doc.window.place, session);

    let extension = extension(&doc.metadata, session);
    let window = window(&doc.window, session).map_err(|gap| gaps.push(gap)).ok();
    let mut lower = |reference: &Ref<SliDoc>,
                     objective: Option<usize>,
                     session: &mut Session<'_>,
                     origins: &mut Origins,
                     gaps: &mut Vec<String>| {
        let Some(sli) = follow(reference, &registry.slis, "SLI", session) else {
            gaps.push("its SLI is not loaded".to_owned());
            return None;
        };
        match indicator::lower(&sli.metric, &registry.sources, session) {
            Ok(Lowered { indicator, total, side, by }) => {
                let parts = [
                    (Part::Total { objective }, total),
                    (Part::Side { objective }, side),
                    (Part::By { objective }, by),
                ];
                for (part, place) in parts {
                    if let Some(place) = place {
                        origins.insert(name, part, place, session);
                    }
                }
                Some(indicator)
            }
            Err(indicator::Refused) => {
                refused = true;
                None
            }
        }
    };
    let shared = match &doc.indicator {
        Some(reference) => lower(reference, None, session, origins, &mut gaps),
        None => None,
    };
    let composite = doc.indicator.is_none();
    if doc.objectives.is_empty() {
        session.warn(
            doc.metadata.name.at,
            "an SLO without objectives promises nothing",
            "add one to `objectives`",
        );
        gaps.push("it has no objectives".to_owned());
    }
    let mut objectives = Vec::new();
    for (index, objective) in doc.objectives.iter().enumerate() {
        origins.insert(name, Part::Objective(index), objective.place, session);
        let own = match &objective.indicator {
            Some(reference) => lower(reference, Some(index), session, origins, &mut gaps),
            None => None,
        };
        if composite && objective.indicator.is_none() {
            let message = "this objective of a composite has no indicator";
            session.warn(
                objective.place,
                message,
                "add `indicator` or `indicatorRef`, as its siblings have",
            );
            gaps.push(format!("objective {} has no indicator", index + 1));
        }
        objectives.extend(self::objective(objective, own, doc, session, &mut gaps));
    }
    let composition = composite.then(|| match (&extension.composite, doc.method) {
        (Some((composition, _)), _) => *composition,
        // Source: OpenSLO v1, composite SLOs: with Timeslices one bad component makes a bad slice.
        (None, BudgetingMethod::Timeslices) => Composition::AllOf,
        (None, _) => Composition::Weighted,
    });
    if let (false, Some((_, text))) = (composite, &extension.composite) {
        session.warn(text.at, "this SLO is not a composite", "leave the annotation out");
    }
    let (alert_rules, alerting) =
        alerting(doc, extension.alerting.as_ref(), registry, strategies, session, origins);
    if refused || session.findings.errors() > before {
        return Err(Unusable::Refused);
    }
    let (Some(window), true) = (window, gaps.is_empty()) else {
        return Err(Unusable::Incomplete(Incomplete { name: name.clone(), reasons: gaps }));
    };
    let slo = Slo {
        name: name.clone(),
        display_name: doc.metadata.display_name.clone(),
        description: doc.description.clone(),
        service: doc.service.clone(),
        labels: doc.metadata.labels.clone(),
        annotations: doc
            .metadata
            .annotations
            .iter()
            .map(|(key, text)| (key.clone(), text.value.clone()))
            .collect::<BTreeMap<_, _>>(),
        indicator: shared,
        composition,
        window,
        method: doc.method,
        objectives,
        alert_rules,
        lookbacks: extension.lookbacks,
        no_data: extension.no_data,
        coverage_floor: extension.coverage_floor,
    };
    Ok((slo, alerting))
}

fn window(doc: &WindowDoc, session: &mut Session<'_>) -> Result<Window, String> {
    if doc.length.count == 0 {
        session.warn(
            doc.place,
            "a time window of no length holds nothing",
            "write a length above 0, like 28d",
        );
        return Err("its time window is empty".to_owned());
    }
    let Some((anchor, zone)) = &doc.calendar else {
        return Ok(Window::Rolling { length: doc.length.fixed() });
    };
    let Some(unit) = doc.length.calendar() else {
        let message = "calendars have days and longer periods; this window is shorter than a day";
        session.warn(
            doc.place,
            message,
            "`1M` is a month and `1m` a minute; or write `isRolling: true`",
        );
        return Err("its calendar window is shorter than a day".to_owned());
    };
    Ok(Window::Calendar(CalendarWindow {
        unit,
        count: doc.length.count,
        zone: zone.clone(),
        anchor: *anchor,
    }))
}

fn objective(
    doc: &ObjectiveDoc,
    indicator: Option<flyball_model::Indicator>,
    slo: &SloDoc,
    session: &mut Session<'_>,
    gaps: &mut Vec<String>,
) -> Option<Objective> {
    let Ok(target) = Target::new(doc.target) else {
        session.error(doc.place, "a target of 1 leaves no error budget", "write a target below 1");
        return None;
    };
    let sliced = slo.method != BudgetingMethod::Occurrences;
    let timeslice_window =
        doc.timeslice_window.filter(|_| sliced).map(super::openslo::Length::fixed);
    if timeslice_window.is_some_and(Duration::is_zero) {
        session.warn(
            doc.place,
            "a time slice of no length holds nothing",
            "write a length above 0, like 5m",
        );
        gaps.push("its time slices are empty".to_owned());
    }
    let timeslice_target =
        doc.timeslice_target.filter(|_| slo.method == BudgetingMethod::Timeslices);
    Some(Objective {
        display_name: doc.display_name.clone(),
        target,
        threshold: doc.op.zip(doc.value),
        indicator,
        weight: doc.weight.unwrap_or(Rational::ONE),
        timeslice_target,
        timeslice_window,
    })
}

/// The rules of an SLO: a named strategy wins over policies; with neither, the caller's default.
fn alerting(
    doc: &SloDoc,
    named: Option<&Text>,
    registry: &Registry,
    strategies: &[AlertStrategy],
    session: &mut Session<'_>,
    origins: &mut Origins,
) -> (Vec<AlertRule>, Alerting) {
    let mut rules = Vec::new();
    for policy in &doc.policies {
        let Some(policy) = follow(policy, &registry.policies, "AlertPolicy", session) else {
            continue;
        };
        for target in &policy.targets {
            follow(target, &registry.targets, "AlertNotificationTarget", session);
        }
        for condition in &policy.conditions {
            let condition = follow(condition, &registry.conditions, "AlertCondition", session);
            let Some(condition) = condition else { continue };
            if policy.when_breaching {
                rules.extend(rule(policy, condition, &rules, session));
            }
        }
    }
    let Some(text) = named else {
        let alerting = if doc.policies.is_empty() { Alerting::Default } else { Alerting::Own };
        return (rules, alerting);
    };
    origins.insert(&doc.metadata.name.value, Part::Alerting, text.at, session);
    if !rules.is_empty() {
        let message =
            "both `alertPolicies` and this annotation say when to alert; the annotation counts";
        session.warn(text.at, message, "keep one of them");
    }
    let name = text.value.trim();
    match strategies.iter().find(|strategy| strategy.name == name) {
        Some(strategy) => (strategy.rules.clone(), Alerting::Own),
        None if name == "none" => (Vec::new(), Alerting::None),
        None => (Vec::new(), Alerting::Preset(name.to_owned())),
    }
}

fn rule(
    policy: &PolicyDoc,
    condition: &ConditionDoc,
    before: &[AlertRule],
    session: &mut Session<'_>,
) -> Option<AlertRule> {
    let (lookback, hold) =
        (condition.lookback.fixed(), condition.after.map(super::openslo::Length::fixed));
    if lookback.is_zero() {
        let message = "a lookback of no length sees nothing: the condition makes no alert rule";
        session.warn(condition.place, message, "write a length above 0, like 1h");
        return None;
    }
    let severity = severity(&condition.severity, session);
    let base = policy.metadata.name.value.clone();
    let taken = |name: &String| before.iter().any(|rule| rule.name == *name);
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    let name = std::iter::once(base.clone()).chain(numbered).find(|name| !taken(name))?;
    Some(AlertRule {
        name,
        severity,
        condition: Condition::Burn {
            long: lookback,
            short: None,
            factor: Factor::Exact(condition.threshold?),
            comparison: condition.op,
        },
        hold: hold.unwrap_or(Duration::ZERO),
        evidence: None,
    })
}

/// Words of a severity that wake a person, and words that do not.
const PAGE_WORDS: [&str; 10] =
    ["page", "pager", "critical", "crit", "high", "urgent", "emergency", "fatal", "sev1", "p1"];
const TICKET_WORDS: [&str; 15] = [
    "ticket", "warning", "warn", "low", "medium", "minor", "info", "notice", "major", "error",
    "sev2", "sev3", "p2", "p3", "p4",
];

/// Free text to a severity: an unknown word makes a ticket, since waking people needs a clear word.
fn severity(text: &Text, session: &mut Session<'_>) -> Severity {
    let word = text.value.trim().to_lowercase();
    if PAGE_WORDS.contains(&word.as_str()) {
        return Severity::Page;
    }
    if !TICKET_WORDS.contains(&word.as_str()) {
        let message = format!("the severity `{}` is taken for a ticket", shown(&text.value));
        session.warn(text.at, message, "write page or ticket");
    }
    Severity::Ticket
}
