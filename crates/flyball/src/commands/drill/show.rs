//! One drill, and one run, on a page.

use std::collections::BTreeMap;

use flyball_model::Timestamp;

use crate::commands::review::{People, called};
use crate::output::page::{Page, number, text};
use crate::output::words;

/// What holds it to that many.
#[derive(Debug, serde::Deserialize)]
struct Bound {
    bound: String,
    name: Option<String>,
}

impl Bound {
    fn words(&self) -> String {
        match (self.bound.as_str(), &self.name) {
            ("share", _) => "its own `dose`".to_owned(),
            ("budget", _) => "what the budget has left".to_owned(),
            (_, Some(name)) => format!("what the contract {name} has left"),
            (other, None) => other.to_owned(),
        }
    }
}

/// A drill as it would be now.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Checked {
    pub(super) name: String,
    pub(super) spec: Spec,
    pub(super) dose: Option<Dose>,
    checks: Vec<Check>,
    pub(super) may_begin: bool,
    told: BTreeMap<String, Option<Timestamp>>,
}

/// What is read of a document.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Spec {
    description: String,
    pub(super) service: String,
    pub(super) slo: String,
    fault: Kind,
    via: Kind,
}

#[derive(Debug, serde::Deserialize)]
struct Kind {
    kind: String,
}

/// How much it would spend.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Dose {
    pub(super) bad: u64,
    allowed: u64,
    surplus: u64,
    #[serde(rename = "bound_by")]
    bound: Option<Bound>,
    pub(super) lasts: String,
    is_cut: bool,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct Check {
    what: String,
    state: String,
    text: String,
}

impl Check {
    /// What has to be met, and what was seen of it.
    pub(super) fn sentence(&self) -> String {
        let Self { what, text, .. } = self;
        format!("{}: {}", what.replace('_', " "), text.replace("; hint: ", ". "))
    }
}

/// A run.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Run {
    pub(super) number: u64,
    pub(super) key: String,
    pub(super) service: String,
    slo: String,
    pub(super) planned: Timestamp,
    pub(super) watch: Watch,
    measured: Option<Measured>,
    #[serde(default)]
    people: People,
}

/// Where a run is.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Watch {
    by: String,
    pub(super) dose: u64,
    pub(super) state: State,
    burned: Option<u64>,
}

#[derive(Debug, serde::Deserialize)]
struct Measured {
    burned: Option<u64>,
}

/// A state, with what is told of it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct State {
    #[serde(rename = "state")]
    word: String,
    why: Option<Why>,
    problem: Option<String>,
    since: Option<Timestamp>,
}

/// Why a run ends, or has ended.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Why {
    reason: String,
    who: Option<String>,
    id: Option<String>,
    problem: Option<String>,
}

/// A run with what it came to.
#[derive(Debug, serde::Deserialize)]
pub(super) struct RunReport {
    run: Run,
    report: Report,
}

#[derive(Debug, serde::Deserialize)]
struct Report {
    during: Option<During>,
    dosed: u64,
    burned: Option<u64>,
    as_dosed: Option<bool>,
    share: Option<String>,
    dependants: Vec<Dependant>,
    hypothesis: Option<Hypothesis>,
    detect: Option<String>,
    recover: Option<String>,
}

/// While the fault was there.
#[derive(Debug, serde::Deserialize)]
struct During {
    start: Timestamp,
    end: Timestamp,
}

#[derive(Debug, serde::Deserialize)]
struct Dependant {
    service: String,
    slo: String,
    is_soft: bool,
    excess: u64,
    budget: Option<String>,
    assumed_too_much: Option<bool>,
}

#[derive(Debug, serde::Deserialize)]
struct Hypothesis {
    text: String,
    held: String,
    by_slo: Vec<(String, Counts, String)>,
}

#[derive(Debug, serde::Deserialize)]
struct Counts {
    valid: u64,
    bad: u64,
}

impl Checked {
    /// Whether it may begin, in a few words.
    pub(super) fn says(&self) -> String {
        if self.may_begin {
            return "yes".to_owned();
        }
        let unmet = self.checks.iter().filter(|check| check.state != "met");
        let unmet: Vec<String> = unmet.map(|check| check.what.replace('_', " ")).collect();
        format!("no: {}", unmet.join(", "))
    }
}

impl Run {
    /// What it has burned, as far as it is counted.
    pub(super) fn burned(&self) -> Option<u64> {
        self.measured.as_ref().and_then(|of| of.burned).or(self.watch.burned)
    }

    /// Where it is, and why.
    pub(super) fn sentence(&self) -> String {
        self.watch.state.sentence(&self.people)
    }

    /// How long the fault was there, where nobody has measured it yet.
    fn so_far(&self) -> String {
        let State { word, since, .. } = &self.watch.state;
        let since = since.map(words::moment).unwrap_or_default();
        match word.as_str() {
            "running" => format!("runs since {since}"),
            "injecting" => format!("is being begun since {since}"),
            "stopping" => format!("is being stopped since {since}"),
            "planned" | "arming" => "has not begun".to_owned(),
            _ => "not known".to_owned(),
        }
    }
}

impl State {
    /// Whether the fault is gone.
    pub(super) fn is_over(&self) -> bool {
        self.word == "ended"
    }

    /// The state, and why, by what `people` are called.
    fn sentence(&self, people: &People) -> String {
        let why = self.why.as_ref();
        let why = why.map(|why| format!(": {}", why.sentence(people))).unwrap_or_default();
        let problem = self.problem.as_ref().map(|of| format!(" ({of})")).unwrap_or_default();
        format!("{}{why}{problem}", self.word)
    }
}

impl Why {
    fn sentence(&self, people: &People) -> String {
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        match self.reason.as_str() {
            "dosed" => "what was dosed is spent".to_owned(),
            "time_up" => "its time was over".to_owned(),
            "reserve" => "the budget came to its reserve".to_owned(),
            "asked" => format!("{} stopped it", called(people, &of(&self.who))),
            "incident" => format!("the incident {} began", of(&self.id)),
            "blind" => "nothing was counted any more".to_owned(),
            "guard_lost" => "its guard did not answer".to_owned(),
            "driver" => of(&self.problem),
            "died" => "the server died meanwhile".to_owned(),
            other => other.replace('_', " "),
        }
    }
}

/// A drill on a page.
pub(super) fn drill(drill: &Checked) -> Page {
    let mut page = Page::new(format!("Drill {}", drill.name), drill.spec.description.clone());
    let dose = drill.dose.as_ref().map_or_else(
        || "nothing now".to_owned(),
        |dose| {
            let cut = if dose.is_cut { ", less than the dose in so little time" } else { "" };
            format!(
                "{} of {} bad events above the reserve, of {} allowed, in {}{cut}",
                words::count(dose.bad),
                words::count(dose.surplus),
                words::count(dose.allowed),
                dose.lasts
            )
        },
    );
    let bound = drill.dose.as_ref().and_then(|dose| dose.bound.as_ref());
    let bound = bound.map_or_else(|| "–".to_owned(), Bound::words);
    page.facts([
        ("Service", drill.spec.service.clone()),
        ("Paid by", drill.spec.slo.clone()),
        ("Fault", format!("{} by {}", drill.spec.fault.kind, drill.spec.via.kind)),
        ("Would spend", dose),
        ("Held to that by", bound),
        ("May begin", if drill.may_begin { "yes" } else { "no" }.to_owned()),
    ]);
    page.heading("What has to be met");
    let rows = drill.checks.iter().map(|check| {
        let text = check.text.replace("; hint: ", ". ");
        [check.what.replace('_', " "), check.state.replace('_', " "), text]
    });
    page.table([text("What"), text("Is"), text("Seen")], rows);
    if !drill.told.is_empty() {
        page.heading("Dependants");
        let rows = drill.told.iter().map(|(service, told)| {
            let told = told.map_or_else(|| "not of the next run".to_owned(), words::moment);
            [service.clone(), told]
        });
        page.table([text("Service"), text("Told")], rows);
    }
    page
}

/// A run on a page.
pub(super) fn report(found: &RunReport) -> Page {
    let RunReport { run, report } = found;
    let mut page = Page::new(format!("Drill {}", run.key), run.sentence());
    let unknown = || "not known".to_owned();
    let known = |text: &Option<String>| text.clone().unwrap_or_else(unknown);
    let burned = report.burned.map_or_else(unknown, |burned| {
        let within = match report.as_dosed {
            Some(true) => ", as it was dosed",
            Some(false) => ", more than a tenth off its dose",
            None => "",
        };
        format!("{} of {}{within}", words::count(burned), words::count(report.dosed))
    });
    let lasted = report.during.as_ref().map_or_else(
        || run.so_far(),
        |of| {
            let length = words::length(of.end.since(of.start).as_seconds_f64());
            format!("{length}, from {}", words::moment(of.start))
        },
    );
    page.facts([
        ("Service", run.service.clone()),
        ("Paid by", run.slo.clone()),
        ("Begun by", called(&run.people, &run.watch.by).to_owned()),
        ("Lasted", lasted),
        ("Burned", burned),
        ("Went bad", words::said_share(report.share.as_ref())),
        ("Detected after", known(&report.detect)),
        ("Served as before after", known(&report.recover)),
    ]);
    page.heading("Who depends on it");
    if report.dependants.is_empty() {
        page.say("No service says that it depends on it.");
    }
    let rows = report.dependants.iter().map(|of| {
        let assumed = match of.assumed_too_much {
            Some(true) => "assumed too much",
            Some(false) => "no",
            None => "not known",
        };
        [
            of.service.clone(),
            of.slo.clone(),
            if of.is_soft { "soft" } else { "hard" }.to_owned(),
            words::count(of.excess),
            words::said_share(of.budget.as_ref()),
            assumed.to_owned(),
        ]
    });
    let columns = [
        text("Service"),
        text("SLO"),
        text("Depends"),
        number("Bad past usual"),
        number("Of its budget"),
        text("Burned with it"),
    ];
    page.table(columns, rows);
    if let Some(of) = &report.hypothesis {
        page.heading("What was believed");
        page.say(format!("{} – {}", of.text, held(&of.held)));
        let rows = of.by_slo.iter().map(|(slo, counted, is)| {
            let counts =
                format!("{} of {}", words::count(counted.bad), words::count(counted.valid));
            [slo.clone(), counts, held(is).to_owned()]
        });
        page.table([text("SLO"), number("Bad"), text("Holds")], rows);
    }
    page
}

fn held(word: &str) -> &str {
    match word {
        "yes" => "it holds",
        "no" => "it does not hold",
        _ => "it cannot be told",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_goes_on_says_since_when_and_by_whom_it_was_stopped() {
        let run = |state: serde_json::Value| -> Run {
            let run = serde_json::json!({
                "number": 1, "key": "k", "service": "shop", "slo": "served", "measured": null,
                "planned": "2026-03-02T12:00:00Z", "people": {"token:1": "root"},
                "watch": {"by": "token:1", "dose": 9, "burned": null, "state": state},
            });
            serde_json::from_value(run).unwrap()
        };
        let since = "2026-03-02T12:00:05Z";
        let running = run(serde_json::json!({"state": "running", "since": since}));
        assert_eq!(running.so_far(), "runs since 2026-03-02 12:00:05Z");
        let arming = run(serde_json::json!({"state": "arming", "since": since}));
        assert_eq!(arming.so_far(), "has not begun");
        let why = serde_json::json!({"reason": "asked", "who": "token:1"});
        let ended = run(serde_json::json!({"state": "ended", "why": why}));
        let name = called(&ended.people, "token:1");
        assert_eq!(ended.sentence(), format!("ended: {name} stopped it"));
        assert!(name.contains("root"), "{name}");
    }
}
