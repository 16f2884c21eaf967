//! What contracts promise of a service, beside what its SLOs do.

use flyball_budget::Status;
use flyball_model::Timestamp;

use crate::commands::delivery::view::{Length, Stretch};
use crate::output::attribution::Objective as SpentOn;
use crate::output::page::{Page, number, text};
use crate::output::words;

/// What a contract promises.
#[derive(Debug, serde::Deserialize)]
pub(in crate::commands) struct AgreementView {
    name: String,
    with: String,
    remedy: Option<String>,
    target: f64,
    window: Length,
    slo: String,
    slo_target: Option<f64>,
    guarded: Option<bool>,
    valid: u64,
    bad: u64,
    status: Status,
    spent_share: Option<f64>,
    failed: Vec<String>,
    incidents: Vec<String>,
    by_cause: Option<SpentOn>,
    counted_since: Option<Timestamp>,
    during: Stretch,
}

impl AgreementView {
    /// Whether it is kept.
    pub(in crate::commands) const fn status(&self) -> Status {
        self.status
    }

    /// What it is called, and whom it is made with.
    pub(in crate::commands) fn called(&self) -> String {
        format!("{} with {}", self.name, self.with)
    }
}

/// What contracts promise beside what SLOs do; nothing without contracts.
pub(in crate::commands) fn agreements(page: &mut Page, agreements: &[AgreementView]) {
    if agreements.is_empty() {
        return;
    }
    page.heading("Contracts");
    let dash = || "–".to_owned();
    let rows = agreements.iter().map(|of| {
        [
            format!("{} with {}", of.name, of.with),
            words::percent_exact(of.target),
            of.window.words(),
            words::status(of.status).to_owned(),
            format!("{} of {}", words::count(of.bad), words::count(of.valid)),
            of.spent_share.map_or_else(dash, words::percent),
            of.slo_target.map_or_else(dash, words::percent_exact),
        ]
    });
    let columns = [
        text("Contract"),
        number("Promises"),
        text("Window"),
        text("Status"),
        number("Bad"),
        number("Allowance spent"),
        number("SLO promises"),
    ];
    page.table(columns, rows);
    let mut said = Vec::new();
    for of in agreements {
        let name = &of.name;
        match of.guarded {
            Some(true) => {}
            Some(false) => said.push(format!(
                "{name}: the SLO {} promises no more than the contract, so nothing warns before it is broken.",
                of.slo
            )),
            None => said.push(format!("{name}: the SLO {} is not evaluated.", of.slo)),
        }
        if let Some(since) = of.counted_since.filter(|since| *since > of.during.start) {
            said.push(format!("{name}: it is counted since {} only.", words::moment(since)));
        }
        if of.status == Status::Missed {
            let list = |names: &[String]| match names {
                [] => "none is known".to_owned(),
                names => names.join(", "),
            };
            said.push(format!(
                "{name} is broken. Changes that failed in its window: {}; incidents: {}.",
                list(&of.failed),
                list(&of.incidents)
            ));
            let causes = of.by_cause.as_ref().filter(|found| found.is_spent());
            said.extend(causes.map(|found| format!("{name}: {}", found.words())));
            said.extend(of.remedy.as_ref().map(|remedy| format!("{name}: what follows: {remedy}")));
        }
    }
    page.list(said);
}
