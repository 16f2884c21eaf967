//! GitHub's webhooks against its own examples.

use flyball_connect::{ConnectError, Format, Hook, Received, Report, read};
use flyball_model::{ChangeKind, ChangeOutcome};
use serde_json::{Value, json};

use crate::{change, data, headers, hook, ignored, json_files, recordings};

fn payload(name: &str) -> Value {
    let file = data().join("github").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn told(event: &str, body: &Value, hook: &Hook) -> Result<Received, ConnectError> {
    let headers = headers(&[("X-GitHub-Event", event), ("X-GitHub-Delivery", "72d3162e-cc78")]);
    read(&Format::GitHub, &headers, body.to_string().as_bytes(), hook)
}

#[test]
fn a_deployment_is_one_change_from_its_request_to_its_end() {
    let requested = told("deployment", &payload("deployment"), &hook()).unwrap();
    assert_eq!(requested.delivery, "72d3162e-cc78");
    let mut known = change(requested);
    assert_eq!(known.outcome, ChangeOutcome::Planned);
    assert_eq!(known.id, "github:Codertocat/Hello-World:deployment:145988746");
    assert_eq!(known.service, "Hello-World");
    assert_eq!(known.version, None, "a branch is no version");
    let ended = change(told("deployment_status", &payload("deployment_status"), &hook()).unwrap());
    known.merge(ended).unwrap();
    assert_eq!((known.kind, known.outcome), (ChangeKind::Deploy, ChangeOutcome::Succeeded));
    assert_eq!(known.revision.as_deref(), Some("f95f852bd8fca8fcc58a9a2d6c842781e32a215e"));
    assert_eq!(known.environment.as_deref(), Some("production"));
    assert_eq!(known.actor.as_deref(), Some("Codertocat"));
    assert_eq!(known.started.unwrap().to_string(), "2019-05-15T15:20:53Z");
    assert_eq!(known.finished.unwrap().to_string(), "2019-05-15T15:20:55Z");
}

#[test]
fn states_of_a_deployment() {
    for (state, outcome) in [
        ("pending", Some(ChangeOutcome::Planned)),
        ("queued", Some(ChangeOutcome::Planned)),
        ("waiting", Some(ChangeOutcome::Planned)),
        ("in_progress", Some(ChangeOutcome::Underway)),
        ("success", Some(ChangeOutcome::Succeeded)),
        ("failure", Some(ChangeOutcome::Failed)),
        ("error", Some(ChangeOutcome::Failed)),
        ("inactive", None),
        ("tomorrow's", None),
    ] {
        let mut body = payload("deployment_status");
        body["deployment_status"]["state"] = json!(state);
        let received = told("deployment_status", &body, &hook()).unwrap();
        match outcome {
            Some(outcome) => assert_eq!(change(received).outcome, outcome, "{state}"),
            None => drop(ignored(received)),
        }
    }
}

#[test]
fn the_payload_of_a_deployment_says_what_github_does_not() {
    let ours = json!({"service": "checkout", "class": "fix", "version": "2.0", "restores": "x"});
    for written in [ours.clone(), json!(ours.to_string())] {
        let mut body = payload("deployment");
        body["deployment"]["payload"] = written;
        body["deployment"]["task"] = json!("rollback:production");
        let known = change(told("deployment", &body, &hook()).unwrap());
        assert_eq!((known.service.as_str(), known.class.name()), ("checkout", "fix"));
        assert_eq!(known.kind, ChangeKind::Rollback);
        assert_eq!(known.restores.as_deref(), Some("x"));
    }
    let mut body = payload("deployment");
    body["deployment"]["payload"] = json!("free text");
    change(told("deployment", &body, &hook()).unwrap());
    body["deployment"]["payload"] = json!({"kind": "party"});
    let error = told("deployment", &body, &hook()).unwrap_err();
    assert_eq!(error.field(), Some("deployment.payload.kind"));
    body["deployment"].as_object_mut().unwrap().remove("sha");
    body["deployment"]["payload"] = json!({});
    assert_eq!(told("deployment", &body, &hook()).unwrap_err().field(), Some("deployment.sha"));
}

#[test]
fn a_workflow_deploys_where_the_hook_says_so() {
    let body = payload("workflow_run");
    let reason = ignored(told("workflow_run", &body, &hook()).unwrap());
    assert!(reason.contains("?workflow="), "{reason}");
    let deploys = |name: &str| Hook { workflow: Some(name.to_owned()), ..hook() };
    ignored(told("workflow_run", &body, &deploys("release")).unwrap());
    for name in ["test", ".github/workflows/test.yml"] {
        let known = change(told("workflow_run", &body, &deploys(name)).unwrap());
        assert_eq!(known.id, "github:octo-org/octo-repo:run:289782451:1");
        assert_eq!(known.outcome, ChangeOutcome::Succeeded);
        assert_eq!(known.finished.unwrap().to_string(), "2020-10-05T16:33:49Z");
    }
}

#[test]
fn pushes_bring_commits() {
    let received = told("push", &payload("push"), &hook()).unwrap();
    let [Report::Commits(pushed)] = &received.reports[..] else { panic!("{received:?}") };
    assert_eq!(
        (pushed.repository.as_str(), pushed.branch.as_str()),
        ("Codertocat/Hello-World", "master")
    );
    assert_eq!(pushed.commits.len(), 1);
    assert_eq!(pushed.commits[0].authored.to_string(), "2019-05-15T15:19:25Z");
    assert_eq!(pushed.left_out, 0);
}

#[test]
fn headers_are_asked_for() {
    let body = payload("push").to_string();
    let error = read(&Format::GitHub, &headers(&[]), body.as_bytes(), &hook()).unwrap_err();
    assert!(error.to_string().contains("`x-github-event` is missing"), "{error}");
}

#[test]
fn every_published_payload_is_understood() {
    let Some(directory) = recordings("github") else { return };
    let mut seen = 0;
    for event in std::fs::read_dir(directory).unwrap() {
        let event = event.unwrap();
        let name = event.file_name().into_string().unwrap();
        if name == "schema" || !event.path().is_dir() {
            continue;
        }
        for file in json_files(&event.path()) {
            let body: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            let settings = Hook { workflow: Some("test".to_owned()), ..hook() };
            let received = told(&name, &body, &settings)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let kept = matches!(received.reports[..], [Report::Change(_)]);
            assert!(kept || !name.starts_with("deployment_status"), "{}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen} payloads");
}
