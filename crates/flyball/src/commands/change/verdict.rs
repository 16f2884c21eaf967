//! What a change did to users, in words.

use flyball_model::Timestamp;

use crate::output::words;

/// What a change did, as an answer says it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Verdict {
    answer: String,
    from: Timestamp,
    seen: Timestamp,
    until: Timestamp,
    decided: Option<Timestamp>,
    is_over: bool,
    objectives: Vec<Objective>,
}

/// What it did to one objective.
#[derive(Debug, serde::Deserialize)]
struct Objective {
    slo: String,
    #[serde(rename = "objective")]
    number: u32,
    dependant: Option<String>,
    answer: String,
    why: String,
    design: String,
    margin: f64,
    candidate: Arm,
    control: Arm,
    effect: Option<Effect>,
    burned: Burned,
}

#[derive(Debug, serde::Deserialize)]
struct Arm {
    valid: u64,
    bad: u64,
}

#[derive(Debug, serde::Deserialize)]
struct Effect {
    difference: f64,
    difference_range: Range,
    confidence: f64,
}

#[derive(Debug, serde::Deserialize)]
struct Range {
    low: f64,
    high: Option<f64>,
}

#[derive(Debug, serde::Deserialize)]
struct Burned {
    events: u64,
    low: u64,
    high: u64,
}

/// What to do about it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Suggestion {
    remedy: String,
    reasons: Vec<String>,
    otherwise: Vec<String>,
}

/// The answer in a word or two.
pub(super) fn word(verdict: &Verdict) -> String {
    match verdict.answer.as_str() {
        "undecided" if !verdict.is_over => "undecided yet".to_owned(),
        answer => answer.to_owned(),
    }
}

/// What is said of a verdict, and what to do: names with texts.
pub(super) fn lines(
    verdict: Option<&Verdict>,
    suggestion: Option<&Suggestion>,
) -> Vec<(&'static str, String)> {
    let Some(verdict) = verdict else { return Vec::new() };
    let mut lines = vec![("verdict", sentence(verdict))];
    lines.extend(verdict.objectives.iter().flat_map(told));
    lines.extend(suggestion.map(|suggestion| ("suggestion", advice(suggestion))));
    lines
}

fn sentence(verdict: &Verdict) -> String {
    let answer = word(verdict);
    let looked = match (verdict.decided, verdict.is_over) {
        (Some(decided), _) => {
            let after = words::whole_seconds(&decided.to_string());
            format!("known at {after}, {} after it took effect", decided.since(verdict.from))
        }
        (None, false) => format!("looked at until {}", verdict.until),
        (None, true) if verdict.objectives.is_empty() => "the service has no SLO".to_owned(),
        (None, true) => format!("looked at until {}", verdict.seen),
    };
    format!("{answer}; {looked}")
}

/// One objective: the answer, from what, how far, and what it cost.
fn told(objective: &Objective) -> Vec<(&'static str, String)> {
    let Objective { slo, number, dependant, answer, why, margin, .. } = objective;
    let mut name = if *number == 0 { slo.clone() } else { format!("{slo}, objective {number}") };
    if let Some(service) = dependant {
        name = format!("{name} of {service}, which depends on it");
    }
    let against = match objective.design.as_str() {
        "concurrent" => "other versions",
        _ => "before",
    };
    let arm = |arm: &Arm| format!("{} of {} bad", words::count(arm.bad), words::count(arm.valid));
    let (candidate, control) = (arm(&objective.candidate), arm(&objective.control));
    let mut lines = vec![
        ("objective", format!("{name}: {answer} ({})", why.replace('_', " "))),
        ("", format!("{candidate}; {against} {control}")),
    ];
    lines.extend(objective.effect.as_ref().map(|effect| {
        let Effect { difference, difference_range: Range { low, high }, confidence } = effect;
        let high = high.map_or_else(|| "+100".to_owned(), points);
        let [difference, low] = [*difference, *low].map(points);
        let confidence = format!("{:.0} %", confidence * 100.0);
        let range = format!("{low} to {high} with {confidence} confidence");
        ("", format!("{difference} % points ({range}); {} and more matter", points(*margin)))
    }));
    let Burned { events, low, high } = objective.burned;
    lines.extend((events > 0).then(|| {
        let [events, low, high] = [events, low, high].map(words::count);
        ("", format!("burned {events} bad events ({low} to {high})"))
    }));
    lines
}

/// A difference of shares in hundredths, with its sign.
fn points(share: f64) -> String {
    let text = format!("{:+.3}", share * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.len() == 1 { "0".to_owned() } else { text.to_owned() }
}

fn advice(suggestion: &Suggestion) -> String {
    let plain = |words: &[String]| {
        words.iter().map(|word| word.replace('_', " ")).collect::<Vec<_>>().join(", ")
    };
    let first = suggestion.remedy.replace('_', " ");
    let because = plain(&suggestion.reasons);
    let otherwise = match plain(&suggestion.otherwise) {
        none if none.is_empty() => none,
        otherwise => format!("; else {otherwise}"),
    };
    format!("{first}, because: {because}{otherwise}")
}
