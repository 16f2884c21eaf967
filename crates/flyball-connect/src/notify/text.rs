//! What people read of a notice, before any receiver's markup.

use flyball_govern::alert::{
    About, Act, Alert, Notice, Pair, Reading, Reminder, Restored, SilenceOver, State, Subject,
};
use flyball_govern::oncall::CallStep;
use flyball_model::{Duration, Severity};

use super::Sender;

/// What is said of an alert for which nobody is left to call.
const UNANSWERED: &str = "nobody has taken it on, and nobody is left to call";

/// A line of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) text: String,
    /// Where the text leads.
    pub(super) link: Option<String>,
}

impl Line {
    fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, text: text.into(), link: None }
    }

    fn link(name: &'static str, link: impl Into<String>) -> Self {
        let link = link.into();
        Self { name, text: link.clone(), link: Some(link) }
    }
}

/// What a notice says in one line.
pub(super) fn title(notice: &Notice) -> String {
    match &notice.about {
        About::Alert { act, alert, .. } => alert_title(*act, alert),
        About::SilenceOver(over) => silence_title(over),
        About::Restored(restored) => restored_title(restored),
        About::Reminder(reminder) => {
            let Reminder { service, title, target, .. } = &**reminder;
            // What only one person is told is no ticket of the service.
            let kind = if target.is_some() { "on call" } else { "ticket" };
            format!("[{kind}] {service}: {title}")
        }
    }
}

/// Everything that a notice says beside its title.
pub(super) fn lines(notice: &Notice, sender: &Sender<'_>) -> Vec<Line> {
    let mut lines = match &notice.about {
        About::Alert { alert, .. } => alert_lines(alert, sender),
        About::SilenceOver(over) => silence_lines(over),
        About::Restored(restored) => restored_lines(restored, sender),
        About::Reminder(reminder) => reminder_lines(reminder, sender),
    };
    if notice.may_repeat {
        lines.push(Line::new(
            "Note",
            "this may be a repetition: the first attempt was not answered",
        ));
    }
    lines
}

/// Lines as plain text.
pub(super) fn plain(lines: &[Line]) -> String {
    let parts = lines.iter().flat_map(|line| [line.name, ": ", line.text.as_str(), "\n"]);
    parts.collect()
}

/// The severity in one word.
pub(super) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Page => "page",
        Severity::Ticket => "ticket",
    }
}

/// What an alert is about.
pub(super) fn about(subject: &Subject) -> String {
    let slice = subject.slice.as_ref().map_or(String::new(), |slice| format!(" [{slice}]"));
    let objective = match subject.objective {
        0 => String::new(),
        number => format!(" (objective {})", number + 1),
    };
    format!("{}: {}{slice}{objective}", subject.service, subject.slo)
}

fn alert_title(act: Act, alert: &Alert) -> String {
    let about = about(&alert.subject);
    let severity = severity(alert.severity);
    match (act, &alert.acknowledged) {
        (Act::Close, _) if alert.state == State::Resolved => format!("[resolved] {about} is over"),
        // Whoever is told of tickets alone hears of it no more once it is a page.
        (Act::Close, _) if alert.severity == Severity::Page => {
            format!("[{severity}] {about} is a {severity} now, and others are called")
        }
        (Act::Close, _) => format!("[{severity}] {about} has eased to a {severity}"),
        (Act::Acknowledge, Some(taken)) => {
            format!("[{severity}] {about} was taken on by {}", taken.who)
        }
        (Act::Open | Act::Update | Act::Acknowledge, _) => {
            let still = if act == Act::Update { "still " } else { "" };
            let spends = alert.leading().map_or(String::new(), |pair| {
                format!(" {still}burns its budget at {}", times(alert.reading(pair).burn))
            });
            let called = alert.called().filter(|_| act != Act::Acknowledge);
            let called = called.map_or(String::new(), |step| {
                let words =
                    if alert.is_unanswered() { UNANSWERED.to_owned() } else { called_words(step) };
                format!("; {words}")
            });
            format!("[{severity}] {about}{spends}{called}")
        }
    }
}

pub(super) fn alert_lines(alert: &Alert, sender: &Sender<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    let facts = &alert.facts;
    lines.extend(facts.promise.as_ref().map(|promise| Line::new("Promise", promise)));
    if let Some(pair) = alert.leading() {
        let now = alert.reading(pair);
        lines.push(Line::new("Rule", rule(pair, &now)));
        lines.push(Line::new("Began", alert.onset(pair).to_string()));
        lines.push(Line::new("Spent", spent(&now)));
    }
    lines.extend(
        facts.remaining.map(|left| Line::new("Left", format!("{} of the budget", percent(left)))),
    );
    lines.extend(facts.exhausted.map(|gone| Line::new("Gone by", format!("{gone} at this rate"))));
    let inhibited: Vec<&str> = alert.inhibited().map(|pair| pair.rule.as_str()).collect();
    if !inhibited.is_empty() {
        lines.push(Line::new("Fires too", inhibited.join(", ")));
    }
    lines.extend(facts.changes.iter().map(|change| {
        let version = change.version.as_ref().map_or(String::new(), |it| format!(" of {it}"));
        let summary = change.summary.as_ref().map_or(String::new(), |it| format!(": {it}"));
        let text = format!("{}{version} at {}{summary}", change.kind.name(), change.at);
        Line { link: change.link.clone(), ..Line::new("Change", text) }
    }));
    lines.extend(facts.differing.iter().map(|it| {
        let (bad, good) = (share(it.bad, it.bad_of), share(it.good, it.good_of));
        Line::new(
            "Differs",
            format!("{} = {}: {bad} of bad, {good} of good", it.attribute, it.value),
        )
    }));
    lines.extend(alert.call().and_then(|call| {
        let (step, hand_offs) = (call.steps.last()?, call.hand_offs().total());
        let before = match hand_offs {
            0 => String::new(),
            1 => ", after 1 hand-off".to_owned(),
            many => format!(", after {many} hand-offs"),
        };
        Some(Line::new("Called", format!("{} at {}{before}", called_words(step), step.at)))
    }));
    lines.extend(alert.call().filter(|_| alert.is_unanswered()).and_then(|call| {
        let since = call.unanswered?;
        Some(Line::new("Unanswered", format!("{UNANSWERED}, since {since}")))
    }));
    lines.extend(alert.acknowledged.as_ref().map(|taken| {
        let note = taken.note.as_ref().map_or(String::new(), |note| format!(": {note}"));
        Line::new("Taken on", format!("by {} at {}{note}", taken.who, taken.at))
    }));
    lines.extend(alert.resolved.map(|at| Line::new("Over", at.to_string())));
    lines.extend(facts.links.runbook.as_ref().map(|link| Line::link("Runbook", link)));
    lines.extend(facts.links.dashboard.as_ref().map(|link| Line::link("Dashboard", link)));
    lines.push(Line::link("Alert", sender.link(alert)));
    lines
}

/// Who was called, and at which level.
fn called_words(step: &CallStep) -> String {
    match step.who.as_slice() {
        [] => format!("nobody is on call ({})", step.name),
        [one] => format!("{one} is called ({})", step.name),
        many => format!("{} are called ({})", many.join(", "), step.name),
    }
}

/// What the lookback spent, as a share of what "Left" is of, where that is known.
fn spent(now: &Reading) -> String {
    if let Some(share) = now.spent_of_window {
        return format!("{} of the budget within the rule's lookback", percent(share));
    }
    let share = percent(now.spent_in_lookback);
    format!("{share} of a window's budget within the rule's lookback, at even traffic")
}

fn rule(pair: &Pair, now: &Reading) -> String {
    let Reading { rule, valid, bad, burn, .. } = now;
    let factor =
        pair.factor.map_or(String::new(), |factor| format!(" (asks for {})", times(factor)));
    format!("{rule}: {bad} of {valid} bad, burn {}{factor}", times(*burn))
}

fn silence_title(over: &SilenceOver) -> String {
    let many = over.firing.len() as u64 + over.firing_more;
    let alerts = |many: u64| match many {
        1 => "1 alert still fires".to_owned(),
        many => format!("{many} alerts still fire"),
    };
    let still = match (many, over.still_covered) {
        (0, 0) => "nothing that it covered fires".to_owned(),
        (many, 0) => alerts(many),
        (0, covered) => format!("{}, and another silence covers all of it", alerts(covered)),
        (many, covered) => {
            format!("{}, beside {covered} that another silence covers", alerts(many))
        }
    };
    format!("[silence over] silence {} has ended; {still}", over.silence.id)
}

fn silence_lines(over: &SilenceOver) -> Vec<Line> {
    let silence = &over.silence;
    let mut lines = vec![
        Line::new("Silence", format!("by {}: {}", silence.who, silence.why)),
        Line::new("From", silence.from.to_string()),
        Line::new("Until", silence.until.to_string()),
    ];
    lines.extend(silence.ended_by.as_ref().map(|who| Line::new("Ended by", who)));
    lines.extend(silence.because_of.filter(|_| silence.ended_by.is_some()).map(|of| {
        let text = format!(
            "what still fires does so without what was counted from {} to {}",
            of.from, of.to
        );
        Line::new("Because", text)
    }));
    lines.extend(
        over.firing.iter().map(|(id, subject)| {
            Line::new("Still fires", format!("{} (alert {id})", about(subject)))
        }),
    );
    if over.firing_more > 0 {
        lines.push(Line::new("Still fires", format!("and {} more", over.firing_more)));
    }
    lines
}

fn restored_title(restored: &Restored) -> String {
    let Restored { change, service, does, problem, .. } = restored;
    match problem {
        None => format!(
            "[ticket] {service}: {change} {} automatically; look at it in working hours",
            does.done()
        ),
        Some(_) => format!("[ticket] {service}: {change} could not be undone automatically"),
    }
}

fn restored_lines(restored: &Restored, sender: &Sender<'_>) -> Vec<Line> {
    let mut lines =
        vec![Line::new("Action", &restored.action), Line::new("At", restored.at.to_string())];
    lines.extend(restored.problem.as_ref().map(|problem| Line::new("Problem", problem)));
    lines.push(Line::link("Change", sender.change(&restored.change)));
    lines
}

fn reminder_lines(reminder: &Reminder, sender: &Sender<'_>) -> Vec<Line> {
    vec![
        Line::new("What", &reminder.text),
        Line::new("At", reminder.at.floor(Duration::from_seconds(1)).to_string()),
        Line::link("Service", sender.service(&reminder.service)),
    ]
}

/// A burn for people, to a tenth.
fn times(burn: f64) -> String {
    let text = format!("{burn:.1}");
    format!("{}×", text.strip_suffix(".0").unwrap_or(&text))
}

/// A share for people: to a hundredth of a percent, without zeros at the end.
fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A share of counts; of nothing there is none.
fn share(part: u64, of: u64) -> String {
    if of == 0 { "none".to_owned() } else { percent(part as f64 / of as f64) }
}
