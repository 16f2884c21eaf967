//! Alerts, silences and targets of a server on the terminal.

use std::collections::BTreeMap;
use std::fmt::Write;

use flyball_model::Severity;

use super::table::{finish_or, new_table};
use super::words;

/// The answer of `GET /api/v1/alerts`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct AlertPage {
    alerts: Vec<AlertView>,
    next: Option<u64>,
}

/// One alert.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct AlertView {
    id: u64,
    service: String,
    slo: String,
    objective: u32,
    slice: Option<String>,
    state: String,
    severity: Severity,
    opened: String,
    since: Option<String>,
    #[serde(default)]
    unanswered: bool,
    resolved: Option<String>,
    rule: Option<String>,
    pairs: Vec<PairView>,
    acknowledged: Option<AcknowledgedView>,
    silenced_by: Vec<u64>,
    #[serde(default)]
    silences: Vec<CoverView>,
    pending: Vec<String>,
    told: Vec<String>,
    waiting: Vec<UntakenView>,
    given_up: Vec<UntakenView>,
    promise: Option<String>,
    remaining: Option<f64>,
    #[serde(default)]
    readings: Vec<ReadingView>,
    exhausted: Option<String>,
    changes: Vec<ChangedView>,
    runbook: Option<String>,
    dashboard: Option<String>,
    transitions: Vec<StepView>,
}

/// A change that came before.
#[derive(Debug, serde::Deserialize)]
struct ChangedView {
    id: String,
    kind: String,
    at: String,
    version: Option<String>,
}

/// A notice that its target has not taken.
#[derive(Debug, serde::Deserialize)]
struct UntakenView {
    target: String,
    attempts: Option<u32>,
    next: Option<String>,
    reason: Option<String>,
    problem: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct PairView {
    rule: String,
    severity: Severity,
    start: String,
    end: Option<String>,
    valid: u64,
    bad: u64,
    burn: Option<f64>,
}

#[derive(Debug, serde::Deserialize)]
struct CoverView {
    id: u64,
    until: String,
    why: String,
}

#[derive(Debug, serde::Deserialize)]
struct ReadingView {
    rule: String,
    valid: u64,
    bad: u64,
    burn: f64,
}

#[derive(Debug, serde::Deserialize)]
struct AcknowledgedView {
    who: String,
    at: String,
    note: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct StepView {
    at: String,
    kind: String,
    severity: Severity,
}

/// The answer of `GET /api/v1/silences`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct SilenceList {
    silences: Vec<SilenceView>,
}

#[derive(Debug, serde::Deserialize)]
struct SilenceView {
    id: u64,
    matchers: Vec<MatcherView>,
    from: String,
    until: String,
    who: String,
    why: String,
    ended_by: Option<String>,
    #[serde(default)]
    because_of: Option<serde_json::Value>,
    is_active: bool,
}

#[derive(Debug, serde::Deserialize)]
struct MatcherView {
    field: String,
    value: String,
    is_not: bool,
}

/// The answer of `GET /api/v1/alerts/foreign`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct ForeignList {
    alerts: Vec<ForeignView>,
}

#[derive(Debug, serde::Deserialize)]
struct ForeignView {
    labels: BTreeMap<String, String>,
    starts: String,
    ends: String,
}

/// The answer of `GET /api/v1/alert-targets`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct TargetList {
    targets: Vec<TargetView>,
}

#[derive(Debug, serde::Deserialize)]
struct TargetView {
    name: String,
    via: String,
    severity: Severity,
    services: Vec<String>,
    #[serde(default)]
    is_personal: bool,
    waiting: u64,
    problem: Option<String>,
}

impl AlertView {
    /// What it is about, in one word.
    fn about(&self) -> String {
        let objective = match self.objective {
            0 => String::new(),
            number => format!(" · {}", number + 1),
        };
        let slice = self.slice.as_ref().map_or_else(String::new, |slice| format!(" [{slice}]"));
        format!("{}{objective}{slice}", self.slo)
    }

    /// Its state, and what keeps people from being told or has been done.
    fn standing(&self) -> String {
        let mut state = self.state.clone();
        if !self.silenced_by.is_empty() {
            state += ", silenced";
        }
        if self.acknowledged.is_some() {
            state += ", taken on";
        }
        if self.unanswered {
            state += ", unanswered";
        }
        state
    }
}

/// Alerts, a line each.
pub(crate) fn alerts(page: &AlertPage) -> String {
    let header =
        ["ID", "SEVERITY", "STATE", "SERVICE", "SLO", "RULE", "LEFT % THEN", "SINCE", "BY"];
    let mut table = new_table(&header);
    for alert in &page.alerts {
        table.add_row([
            alert.id.to_string(),
            words::severity(alert.severity).to_owned(),
            alert.standing(),
            alert.service.clone(),
            alert.about().replace('\n', "\u{fffd}"),
            // What is pending has no rule that fires yet, but those that are about to.
            alert.rule.clone().unwrap_or_else(|| alert.pending.join(", ")),
            alert.remaining.map_or_else(String::new, words::percent),
            words::whole_seconds(alert.since.as_ref().unwrap_or(&alert.opened)),
            alert.acknowledged.as_ref().map(|taken| taken.who.clone()).unwrap_or_default(),
        ]);
    }
    let mut out = words::printable(&finish_or("no alerts", table, &[0, 6])) + "\n";
    if let Some(next) = page.next {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\nolder ones: --before {next}");
    }
    out
}

/// Everything that is said of one alert.
pub(crate) fn alert(alert: &AlertView) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = details(&mut out, alert);
    words::printable(&words::to_seconds(&out))
}

fn details(out: &mut String, alert: &AlertView) -> std::fmt::Result {
    let severity = words::severity(alert.severity);
    writeln!(out, "{severity} {}: {} of {}", alert.id, alert.about(), alert.service)?;
    let end = alert.resolved.as_ref().map_or_else(String::new, |at| format!(" until {at}"));
    let since = alert.since.as_ref().unwrap_or(&alert.opened);
    let first = if *since == alert.opened {
        String::new()
    } else {
        format!(", first sign {}", alert.opened)
    };
    writeln!(out, "  since {since}{end}: {}{first}", alert.standing())?;
    if alert.unanswered {
        writeln!(
            out,
            "  unanswered: all levels were called, nobody has taken it on, and nobody is left to call"
        )?;
    }
    if let Some(promise) = &alert.promise {
        writeln!(out, "  promised: {promise}")?;
    }
    if let Some(remaining) = alert.remaining {
        let gone = alert.exhausted.as_ref();
        let gone = gone.map_or_else(String::new, |at| format!(", gone at {at} as it burns"));
        writeln!(out, "  budget at its last step: {} left{gone}", words::percent(remaining))?;
    }
    if !alert.pending.is_empty() {
        let rules = alert.pending.join(", ");
        writeln!(
            out,
            "  about to fire, not yet for long enough or with too little evidence: {rules}"
        )?;
    }
    for PairView { rule, severity, start, end, valid, bad, burn } in &alert.pairs {
        let burn = burn.map_or_else(String::new, |burn| format!(", burn {}", words::amount(burn)));
        let end = end.as_ref().map_or_else(String::new, |end| format!(" to {end}"));
        let (bad, valid) = (words::count(*bad), words::count(*valid));
        let severity = words::severity(*severity);
        writeln!(out, "  {severity} {rule}: {bad} bad of {valid}{burn}, from {start}{end}")?;
    }
    for ReadingView { rule, valid, bad, burn } in &alert.readings {
        let (bad, valid, burn) = (words::count(*bad), words::count(*valid), words::amount(*burn));
        writeln!(out, "  {rule} at its last step: {bad} bad of {valid}, burn {burn}")?;
    }
    if let Some(AcknowledgedView { who, at, note }) = &alert.acknowledged {
        let note = note.as_ref().map_or_else(String::new, |note| format!(": {note}"));
        writeln!(out, "  taken on by {who} at {at}{note}")?;
    }
    for CoverView { id, until, why } in &alert.silences {
        writeln!(out, "  covered by silence {id} until {until} at the latest: {why}")?;
    }
    for ChangedView { id, kind, at, version } in &alert.changes {
        let version = version.as_ref().map_or_else(String::new, |version| format!(" of {version}"));
        writeln!(out, "  after a {kind}{version} at {at}: change {id}")?;
    }
    notices(out, alert)?;
    for (name, link) in [("runbook", &alert.runbook), ("dashboard", &alert.dashboard)] {
        if let Some(link) = link {
            writeln!(out, "  {name}: {link}")?;
        }
    }
    for StepView { at, kind, severity } in &alert.transitions {
        writeln!(out, "  {at} {kind} ({})", words::severity(*severity))?;
    }
    Ok(())
}

/// Who knows of an alert, and who does not.
fn notices(out: &mut String, alert: &AlertView) -> std::fmt::Result {
    let missing = || alert.waiting.iter().chain(&alert.given_up);
    let has_it = |target: &&String| missing().all(|notice| notice.target != **target);
    let told: Vec<&str> = alert.told.iter().filter(has_it).map(String::as_str).collect();
    if !told.is_empty() {
        writeln!(out, "  told: {}", told.join(", "))?;
    }
    for UntakenView { target, attempts, next, problem, .. } in &alert.waiting {
        let next = next.as_deref().unwrap_or_default();
        match (attempts, problem) {
            (Some(attempts @ 1..), Some(problem)) => {
                writeln!(
                    out,
                    "  not told yet: {target}, tried {attempts} times, again at {next}: {problem}"
                )?;
            }
            _ => writeln!(out, "  not told yet: {target}, since {next}")?,
        }
    }
    for UntakenView { target, reason, problem, .. } in &alert.given_up {
        let reason = reason.as_deref().unwrap_or_default().replace('_', " ");
        let problem = problem.as_ref().map_or_else(String::new, |problem| format!(": {problem}"));
        writeln!(out, "  not told: {target}, given up ({reason}){problem}")?;
    }
    Ok(())
}

/// Silences, a line each.
pub(crate) fn silences(list: &SilenceList) -> String {
    let mut table = new_table(&["ID", "IN FORCE", "COVERS", "FROM", "UNTIL", "BY", "WHY"]);
    for silence in &list.silences {
        let matchers = silence.matchers.iter().map(|MatcherView { field, value, is_not }| {
            format!("{field}{}{value}", if *is_not { "≠" } else { "=" })
        });
        let matchers: Vec<String> = matchers.collect();
        let ended = silence.ended_by.as_ref();
        let ended = ended.map_or_else(String::new, |who| format!(" (ended by {who})"));
        let holds = silence.because_of.as_ref().filter(|_| silence.is_active);
        let about = holds.map_or("", |_| ", or when a page fires without what it is about");
        table.add_row([
            silence.id.to_string(),
            if silence.is_active { "yes" } else { "no" }.to_owned(),
            matchers.join(" "),
            words::whole_seconds(&silence.from),
            format!("{}{ended}{about}", words::whole_seconds(&silence.until)),
            silence.who.clone(),
            silence.why.replace('\n', " "),
        ]);
    }
    words::printable(&finish_or("no silences", table, &[0])) + "\n"
}

/// Alerts of other systems, a line each.
pub(crate) fn foreign(list: &ForeignList) -> String {
    let mut table = new_table(&["ALERT", "LABELS", "SINCE", "UNTIL"]);
    for ForeignView { labels, starts, ends } in &list.alerts {
        let name = labels.get("alertname").cloned().unwrap_or_default();
        let others = labels.iter().filter(|(name, _)| *name != "alertname");
        let others: Vec<String> = others.map(|(name, text)| format!("{name}={text}")).collect();
        let labels = others.join(" ").replace('\n', " ");
        table.add_row([name, labels, words::whole_seconds(starts), words::whole_seconds(ends)]);
    }
    words::printable(&finish_or("no alerts of others", table, &[])) + "\n"
}

/// Targets of alerts, a line each.
pub(crate) fn targets(list: &TargetList) -> String {
    let mut table = new_table(&["TARGET", "BY", "FROM", "SERVICES", "WAITING", "PROBLEM"]);
    for target in &list.targets {
        let services = match (target.services.as_slice(), target.is_personal) {
            ([], true) => "whose it is when called".to_owned(),
            ([], false) => "all".to_owned(),
            (services, _) => services.join(","),
        };
        table.add_row([
            target.name.clone(),
            target.via.clone(),
            words::severity(target.severity).to_owned(),
            services,
            words::count(target.waiting),
            target.problem.clone().unwrap_or_default().replace('\n', " "),
        ]);
    }
    words::printable(&finish_or("no alert targets", table, &[4])) + "\n"
}
