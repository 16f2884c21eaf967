//! Decoded documents to the model: references followed, defaults filled in.
//!
//! A reference that leads nowhere does not make a document invalid, since what it names may be
//! kept elsewhere. It is a warning, and the SLO that needs it is listed as incomplete.

use std::collections::HashMap;

use flyball_model::{
    AlertRule, BudgetingMethod, CalendarWindow, Composition, Condition, Duration, Factor,
    Indicator, MetricSli, Objective, Rational, Severity, Slo, Target, Window,
};

use crate::decode::{Place, Text};
use crate::diagnostic::{CANDIDATES_MAX, ELSEWHERE, nearest, shown};
use crate::indicator::{self, Lowered};
use crate::openslo::{
    ConditionDoc, DataSourceDoc, Length, ObjectiveDoc, PolicyDoc, Ref, SliDoc, SloDoc, TargetDoc,
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
    if found.is_none() && !session.findings.is_full() {
        let names: Vec<&str> = known.keys().map(String::as_str).take(CANDIDATES_MAX).collect();
        let hint = match nearest(&name.value, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => ELSEWHERE.to_owned(),
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
    let before = session.findings.errors();
    origins.insert(name, Part::Slo, doc.metadata.name.at, session);
    origins.insert(name, Part::Window, doc.window.place, session);
    let extension = &doc.extension;
    let mut making = Making { doc, registry, session, origins, gaps: Vec::new() };
    let window = making.window();
    let shared = doc.indicator.as_ref().and_then(|given| making.indicator(given, None));
    let objectives = making.objectives(shared.as_ref());
    let composition = making.composition(extension.composite.as_ref());
    let gaps = making.gaps;
    let (alert_rules, alerting) =
        alerting(doc, extension.alerting.as_ref(), registry, strategies, session, origins);
    if session.findings.errors() > before {
        return Err(Unusable::Refused);
    }
    let (Some(window), true) = (window, gaps.is_empty()) else {
        return Err(Unusable::Incomplete(Incomplete { name: name.clone(), reasons: gaps }));
    };
    let annotations = doc.metadata.annotations.iter();
    let slo = Slo {
        name: name.clone(),
        display_name: doc.metadata.display_name.clone(),
        description: doc.description.clone(),
        service: doc.service.clone(),
        labels: doc.metadata.labels.clone(),
        annotations: annotations.map(|(key, text)| (key.clone(), text.value.clone())).collect(),
        indicator: shared,
        composition,
        window,
        method: doc.method,
        objectives,
        alert_rules,
        lookbacks: extension.lookbacks.clone(),
        no_data: extension.no_data,
        coverage_floor: extension.coverage_floor,
    };
    Ok((slo, alerting))
}

/// One SLO in the making.
struct Making<'m, 's> {
    doc: &'m SloDoc,
    registry: &'m Registry,
    session: &'m mut Session<'s>,
    origins: &'m mut Origins,
    /// What stands in the way of evaluating it.
    gaps: Vec<String>,
}

impl Making<'_, '_> {
    /// Notes a warning and what it stands in the way of.
    fn gap(&mut self, at: Place, message: &str, hint: &str, reason: String) {
        self.session.warn(at, message, hint);
        self.gaps.push(reason);
    }

    fn window(&mut self) -> Option<Window> {
        let doc = &self.doc.window;
        if doc.length.count == 0 {
            let message = "a time window of no length holds nothing";
            let reason = "its time window is empty".to_owned();
            self.gap(doc.place, message, "write a length above 0, like 28d", reason);
            return None;
        }
        let Some((anchor, zone)) = &doc.calendar else {
            return Some(Window::Rolling { length: doc.length.fixed() });
        };
        let Some(unit) = doc.length.calendar() else {
            let message =
                "calendars have days and longer periods; this window is shorter than a day";
            let hint = "`1M` is a month and `1m` a minute; or write `isRolling: true`";
            let reason = "its calendar window is shorter than a day".to_owned();
            self.gap(doc.place, message, hint, reason);
            return None;
        };
        Some(Window::Calendar(CalendarWindow {
            unit,
            count: doc.length.count,
            zone: zone.clone(),
            anchor: *anchor,
        }))
    }

    fn indicator(&mut self, given: &Ref<SliDoc>, objective: Option<usize>) -> Option<Indicator> {
        let Some(sli) = follow(given, &self.registry.slis, "SLI", self.session) else {
            self.gaps.push("its SLI is not loaded".to_owned());
            return None;
        };
        // Refused: an error was noted, which refuses the whole SLO.
        let Ok(lowered) = indicator::lower(&sli.metric, &self.registry.sources, self.session)
        else {
            return None;
        };
        let Lowered { indicator, total, side, by } = lowered;
        let parts = [
            (Part::Total { objective }, total),
            (Part::Side { objective }, side),
            (Part::By { objective }, by),
        ];
        for (part, place) in parts {
            if let Some(place) = place {
                self.origins.insert(&self.doc.metadata.name.value, part, place, self.session);
            }
        }
        Some(indicator)
    }

    fn objectives(&mut self, shared: Option<&Indicator>) -> Vec<Objective> {
        let doc = self.doc;
        if doc.objectives.is_empty() {
            let message = "an SLO without objectives promises nothing";
            let reason = "it has no objectives".to_owned();
            self.gap(doc.metadata.name.at, message, "add one to `objectives`", reason);
        }
        let mut made = Vec::new();
        for (index, given) in doc.objectives.iter().enumerate() {
            let (name, part) = (&doc.metadata.name.value, Part::Objective(index));
            self.origins.insert(name, part, given.place, self.session);
            let own = given.indicator.as_ref().and_then(|own| self.indicator(own, Some(index)));
            if doc.indicator.is_none() && given.indicator.is_none() {
                let message = "this objective of a composite has no indicator";
                let hint = "add `indicator` or `indicatorRef`, as its siblings have";
                let reason = format!("objective {} has no indicator", index + 1);
                self.gap(given.place, message, hint, reason);
            }
            let measured = own.as_ref().or(shared);
            let gauge = matches!(measured, Some(Indicator::Metric(MetricSli::Threshold { .. })));
            if gauge && given.op.zip(given.value).is_none() {
                let message = "a threshold metric needs `op` and `value` in the objective";
                let reason = format!("objective {} has no threshold", index + 1);
                self.gap(given.place, message, "like `op: lt` and `value: 500`", reason);
            }
            made.extend(self.objective(given, own));
        }
        made
    }

    fn objective(
        &mut self,
        given: &ObjectiveDoc,
        indicator: Option<Indicator>,
    ) -> Option<Objective> {
        let Ok(target) = Target::new(given.target) else {
            let message = "a target of 1 leaves no error budget";
            self.session.error(given.place, message, "write a target below 1");
            return None;
        };
        let method = self.doc.method;
        let sliced = method != BudgetingMethod::Occurrences;
        let timeslice_window = given.timeslice_window.filter(|_| sliced).map(Length::fixed);
        if timeslice_window.is_some_and(Duration::is_zero) {
            let message = "a time slice of no length holds nothing";
            let reason = "its time slices are empty".to_owned();
            self.gap(given.place, message, "write a length above 0, like 5m", reason);
        }
        Some(Objective {
            display_name: given.display_name.clone(),
            target,
            threshold: given.op.zip(given.value),
            indicator,
            weight: given.weight.unwrap_or(Rational::ONE),
            timeslice_target: given
                .timeslice_target
                .filter(|_| method == BudgetingMethod::Timeslices),
            timeslice_window,
        })
    }

    /// How components join; `None` for an SLO with one indicator.
    fn composition(&mut self, said: Option<&(Composition, Text)>) -> Option<Composition> {
        if self.doc.indicator.is_some() {
            if let Some((_, text)) = said {
                let message = "this SLO is not a composite";
                self.session.warn(text.at, message, "leave the annotation out");
            }
            return None;
        }
        Some(match (said, self.doc.method) {
            (Some((composition, _)), _) => *composition,
            // Source: OpenSLO v1, composite SLOs: one bad component makes a bad time slice.
            (None, BudgetingMethod::Timeslices) => Composition::AllOf,
            (None, _) => Composition::Weighted,
        })
    }
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
    let (mut rules, mut places) = (Vec::new(), Vec::new());
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
                let rule = rule(policy, condition, &rules, session);
                places.extend(rule.is_some().then_some(condition.threshold_at));
                rules.extend(rule);
            }
        }
    }
    let slo = &doc.metadata.name.value;
    let mut note = |places: &[Place], session: &Session<'_>| {
        for (index, place) in places.iter().enumerate() {
            origins.insert(slo, Part::Rule(index), *place, session);
        }
    };
    let Some(text) = named else {
        note(&places, session);
        let alerting = if doc.policies.is_empty() { Alerting::Default } else { Alerting::Own };
        return (rules, alerting);
    };
    if !rules.is_empty() {
        let message =
            "both `alertPolicies` and this annotation say when to alert; the annotation counts";
        session.warn(text.at, message, "keep one of them");
    }
    let name = text.value.trim();
    let strategy = strategies.iter().find(|strategy| strategy.name == name);
    note(strategy.map_or(&[], |strategy| &strategy.places), session);
    origins.insert(slo, Part::Alerting, text.at, session);
    match strategy {
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
    let (lookback, hold) = (condition.lookback.fixed(), condition.after.map(Length::fixed));
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
