//! DevLake's own cases.

use std::collections::BTreeMap;

use flyball_model::{
    Change, ChangeKind, ChangeOutcome, ChangeSource, Commit, Duration, Incident, Interval,
    Timestamp,
};

use super::Case;
use crate::delivery::{History, measure};

type Row = BTreeMap<&'static str, &'static str>;

/// The rows of a CSV file without quotes.
fn rows(text: &'static str) -> Vec<Row> {
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().unwrap().split(',').collect();
    lines.map(|line| names.iter().copied().zip(line.split(',')).collect()).collect()
}

/// Both ways in which the files write times, with or without zeros in front.
fn time(text: &str) -> Timestamp {
    if let Ok(time) = Timestamp::parse(text) {
        return time;
    }
    let (date, clock) = text.split_once(' ').unwrap();
    let pad = |text: &str, sign: &str| {
        let parts: Vec<_> = text.split(sign).map(|part| format!("{part:0>2}")).collect();
        parts.join(sign)
    };
    Timestamp::parse(&format!("{}T{}Z", pad(date, "-"), pad(clock, ":"))).unwrap()
}

/// A commit of a deployment as a change of its repository in its scope.
fn change(row: &Row) -> Change {
    let source = ChangeSource { system: "devlake".to_owned(), delivery: row["id"].to_owned() };
    let service = format!("{} {}", row["cicd_scope_id"], row["repo_url"]);
    let outcome = match row["result"] {
        "SUCCESS" => ChangeOutcome::Succeeded,
        _ => ChangeOutcome::Failed,
    };
    let (id, finished) = (row["id"].to_owned(), time(row["finished_date"]));
    let mut change = Change::new(id, service, ChangeKind::Deploy, outcome, finished, source);
    change.started = Some(time(row["started_date"]));
    change.finished = Some(finished);
    change.environment =
        Some(row["environment"]).filter(|name| !name.is_empty()).map(str::to_lowercase);
    change
}

fn deployments() -> Vec<Row> {
    rows(include_str!("../../../tests/data/devlake-dora/previous_expected.csv"))
}

/// Whether a row of the named table belongs to `project1`.
fn in_project(table: &str, id: &str) -> bool {
    let mapping = rows(include_str!("../../../tests/data/devlake-dora/project_mapping.csv"));
    let row = |row: &Row| row["project_name"] == "project1" && row["table"] == table;
    mapping.iter().any(|mapped| row(mapped) && mapped["row_id"] == id)
}

#[test]
fn the_deployment_before() {
    let rows = deployments();
    let changes: Vec<Change> = rows.iter().map(change).collect();
    let history = History::new(&changes, "production");
    let mut linked = 0;
    for (row, change) in rows.iter().zip(&changes) {
        // DevLake links what succeeded; a failed one has none.
        if change.outcome != ChangeOutcome::Succeeded {
            continue;
        }
        let expected = Some(row["prev_success_deployment_commit_id"]).filter(|id| !id.is_empty());
        let found = history.previous(change).map(|change| change.id.as_str());
        assert_eq!(found, expected, "before {}", change.id);
        linked += u32::from(found.is_some());
    }
    assert_eq!(linked, 7);
}

#[test]
fn incidents_go_to_the_deployment_before_them() {
    let rows_of = deployments();
    let ours = rows_of.iter().filter(|row| in_project("cicd_scopes", row["cicd_scope_id"]));
    let changes: Vec<Change> = ours.map(change).collect();
    let pipeline = |id: &str| {
        rows_of.iter().find(|row| row["id"] == id).map(|row| row["cicd_deployment_id"]).unwrap()
    };
    let history = History::new(&changes, "PRODUCTION");
    let long = Duration::from_days(10_000);
    let mut found = Vec::new();
    for row in rows(include_str!("../../../tests/data/devlake-dora/incidents.csv")) {
        if !in_project(row["table"], row["scope_id"]) {
            continue;
        }
        let mut incident = Incident::new(row["id"].to_owned());
        incident.detected = Some(time(row["created_date"]));
        let change = history.cause(&incident, long).unwrap();
        found.push((row["id"], pipeline(&change.id)));
    }
    let expected = rows(include_str!("../../../tests/data/devlake-dora/incidents_expected.csv"));
    let expected: Vec<_> = expected.iter().map(|row| (row["id"], row["deployment_id"])).collect();
    assert_eq!(found, expected);
}

/// DevLake measures a pull request from its first commit, in whole minutes rounded up. The first one
/// has every span, so that the sum is from first commit to deployment; the second has commits that say
/// they are of days after it was deployed.
#[test]
fn lead_times() {
    let expected = rows(include_str!("../../../tests/data/devlake-dora/lead_expected.csv"));
    let commits = rows(include_str!("../../../tests/data/devlake-dora/lead_commits.csv"));
    let deployments = rows(include_str!("../../../tests/data/devlake-dora/lead_deployments.csv"));
    let mut measured = Vec::new();
    for pull in expected.iter().filter(|row| !row["deployment_commit_id"].is_empty()) {
        let row = deployments.iter().find(|row| row["id"] == pull["deployment_commit_id"]);
        let mut change = change(row.unwrap());
        assert_eq!(change.shipped(), Some(time(pull["pr_deployed_date"])));
        let own = commits.iter().filter(|commit| commit["pull_request_id"] == pull["id"]);
        let own = own.map(|commit| Commit {
            sha: commit["commit_sha"].to_owned(),
            authored: time(commit["commit_authored_date"]),
        });
        change.commits = own.collect();
        let shipped = change.shipped().unwrap();
        let mut case = Case::empty();
        case.during =
            Interval::ending(shipped.plus(Duration::from_days(1)), Duration::from_days(9));
        case.now = case.during.end();
        case.changes = vec![change];
        let lead = case.ask(measure).lead_time;
        let minutes = |length: Duration| length.nanos().div_euclid(60_000_000_000) + 1;
        measured.push((pull["id"], minutes(lead.oldest.unwrap().max), lead.skewed));
        if pull["id"] == "pr1" {
            assert_eq!(pull["pr_cycle_time"], minutes(lead.oldest.unwrap().max).to_string());
        }
    }
    assert_eq!(measured, [("pr1", 4478, 0), ("pr2", 158, 2), ("pr3", 8799, 0)]);
}
