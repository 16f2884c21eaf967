//! GitLab, Argo CD, Flux and DevLake, by the bodies that their documentation shows.

use flyball_connect::{Format, Hook, Report, read};
use flyball_model::{ChangeKind, ChangeOutcome};
use serde_json::json;

use crate::{change, headers, hook, ignored, incident, now, told};

#[test]
fn gitlab_deployments() {
    let body = |status: &str| {
        json!({
            "object_kind": "deployment", "status": status,
            "status_changed_at": "2021-04-28 21:50:00 +0200",
            "deployment_id": 15, "deployable_id": 796,
            "deployable_url": "http://10.126.0.2:3000/root/shop/-/jobs/796",
            "environment": "staging", "environment_tier": "staging",
            "project": {"id": 30, "name": "shop", "path_with_namespace": "root/shop"},
            "short_sha": "279484c0", "user": {"username": "root"}, "ref": "v1.4.0",
            "commit_url":
                "http://10.126.0.2:3000/root/shop/-/commit/279484c09fbe69ededfced8c1bb6e6d24616b468",
            "commit_title": "Add new file",
        })
        .to_string()
    };
    let keyed = headers(&[("X-Gitlab-Event-UUID", "13792a34"), ("Idempotency-Key", "f5e57")]);
    let received = read(&Format::GitLab, &keyed, body("success").as_bytes(), &hook()).unwrap();
    assert_eq!(received.delivery, "f5e57");
    let mut known = change(told(&Format::GitLab, &body("running")).unwrap());
    known.merge(change(received)).unwrap();
    assert_eq!(known.outcome, ChangeOutcome::Succeeded);
    assert_eq!((known.service.as_str(), known.version.as_deref()), ("shop", Some("v1.4.0")));
    assert_eq!(known.revision.as_deref(), Some("279484c09fbe69ededfced8c1bb6e6d24616b468"));
    assert_eq!(known.finished.unwrap().to_string(), "2021-04-28T19:50:00Z");
    assert_eq!(known.started, known.finished);
    for (status, outcome) in
        [("failed", ChangeOutcome::Failed), ("canceled", ChangeOutcome::Cancelled)]
    {
        assert_eq!(change(told(&Format::GitLab, &body(status)).unwrap()).outcome, outcome);
    }
    let without = body("success").replace("deployment_id", "deployment_number");
    assert_eq!(told(&Format::GitLab, &without).unwrap_err().field(), Some("deployment_id"));
}

#[test]
fn gitlab_pushes() {
    let body = json!({
        "object_kind": "push", "ref": "refs/heads/main", "checkout_sha": "da1560886d",
        "project": {"path_with_namespace": "mike/diaspora"}, "total_commits_count": 4,
        "commits": [
            {"id": "da1560886d", "timestamp": "2012-01-03T23:36:29+02:00"},
            {"id": "b6568db1bc", "timestamp": "2011-12-12T14:27:31+02:00"},
        ],
    });
    let received = told(&Format::GitLab, &body.to_string()).unwrap();
    let [Report::Commits(pushed)] = &received.reports[..] else { panic!("{received:?}") };
    assert_eq!((pushed.commits[0].sha.as_str(), pushed.left_out), ("b6568db1bc", 2));
}

#[test]
fn argocd_as_the_template_renders() {
    let body = |phase: &str| {
        json!({
            "application": "shop", "namespace": "argocd", "project": "default", "phase": phase,
            "health": "Healthy", "message": "successfully synced (all tasks run)",
            "revision": "3484a3fb816e0859fd6e1cea078d76385ff50625",
            "repository": "https://git.example/acme/deploy.git",
            "started": "2026-03-01T11:58:00Z", "finished": "2026-03-01T11:59:00Z",
            "destination": "production", "images": ["registry:5000/acme/shop:1.4.0"],
            "actor": "ada", "url": "https://argo.example/applications/shop",
        })
        .to_string()
    };
    let received = told(&Format::ArgoCd, &body("Succeeded")).unwrap();
    assert_eq!(received, told(&Format::ArgoCd, &body("Succeeded")).unwrap());
    let known = change(received);
    assert_eq!(known.version.as_deref(), Some("1.4.0"));
    assert_eq!(known.artifact.as_deref(), Some("pkg:oci/shop@1.4.0"));
    assert_eq!(known.environment.as_deref(), Some("production"));
    let mut failed = change(told(&Format::ArgoCd, &body("Failed")).unwrap());
    assert_eq!((failed.outcome, &failed.id), (ChangeOutcome::Failed, &known.id));
    failed.merge(known).unwrap();
    assert!(ignored(told(&Format::ArgoCd, &body("Odd")).unwrap()).contains("`Odd`"));
}

/// What Go's templates with sprig make of the template for an application that synchronises by itself
/// for the first time.
#[test]
fn argocd_while_it_runs() {
    let body = r#"{"application": "shop", "namespace": "argocd", "destination": "", "phase": "Running",
        "message": null, "revision": "", "started": "2026-03-01T11:58:00Z", "finished": null,
        "images": ["acme/shop:1.3.9"], "actor": "",
        "url": "https://argo.example/applications/shop"}"#;
    let known = change(told(&Format::ArgoCd, body).unwrap());
    assert_eq!((known.outcome, known.version), (ChangeOutcome::Underway, None));
    assert_eq!(known.environment.as_deref(), Some("production"));
}

/// The fields that the shipped template writes are those that are read.
#[test]
fn argocd_template_and_reader_agree() {
    let template = include_str!("../../../../deploy/argocd-notifications.yaml");
    for field in [
        "application",
        "namespace",
        "phase",
        "message",
        "revision",
        "started",
        "finished",
        "destination",
        "images",
        "actor",
        "url",
    ] {
        assert!(template.contains(&format!("\"{field}\": ")), "{field} is not in the template");
    }
}

#[test]
fn flux_events() {
    let body = |kind: &str, reason: &str, revision: serde_json::Value| {
        json!({
            "involvedObject": {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": kind, "name": "shop",
                "namespace": "apps", "uid": "7d0cdc51",
            },
            "severity": "info", "timestamp": "2026-03-01T11:59:00Z",
            "message": "Reconciliation finished in 1.2s", "reason": reason, "metadata": revision,
            "reportingController": "kustomize-controller", "reportingInstance": "kc-1",
        })
        .to_string()
    };
    let git = json!({
        "kustomize.toolkit.fluxcd.io/revision":
            "main@sha1:731f7eaddfb6af01cb2173e18f0f75b0ba780ef1",
    });
    let known = change(
        told(&Format::Flux, &body("Kustomization", "ReconciliationSucceeded", git.clone()))
            .unwrap(),
    );
    assert_eq!(known.id, "flux:apps/Kustomization/shop:2026-03-01T11:59:00Z");
    assert_eq!(known.revision.as_deref(), Some("731f7eaddfb6af01cb2173e18f0f75b0ba780ef1"));
    assert_eq!((known.version, known.outcome), (None, ChangeOutcome::Succeeded));
    let failed = change(
        told(&Format::Flux, &body("Kustomization", "HealthCheckFailed", git.clone())).unwrap(),
    );
    assert_eq!(failed.outcome, ChangeOutcome::Failed);
    let chart = json!({"revision": "6.3.5"});
    let back =
        change(told(&Format::Flux, &body("HelmRelease", "RollbackSucceeded", chart)).unwrap());
    assert_eq!((back.kind, back.version.as_deref()), (ChangeKind::Rollback, Some("6.3.5")));
    ignored(told(&Format::Flux, &body("GitRepository", "NewArtifact", git.clone())).unwrap());
    ignored(told(&Format::Flux, &body("Kustomization", "Progressing", git)).unwrap());
    ignored(
        told(&Format::Flux, &body("Kustomization", "ReconciliationSucceeded", json!({}))).unwrap(),
    );
    let error = told(&Format::Flux, r#"{"involvedObject":{"kind":"Kustomization"}}"#).unwrap_err();
    assert_eq!(error.field(), Some("involvedObject.name"));
}

#[test]
fn devlake_deployments() {
    let body = json!({
        "id": "14_1", "startedDate": "2024-01-01T12:00:00+00:00",
        "finishedDate": "2024-02-02T13:00:00+00:00", "environment": "PRODUCTION",
        "result": "FAILURE", "displayTitle": "a title",
        "deploymentCommits": [
            {"repoUrl": "https://git.example/acme/shop.git", "refName": "v0.17",
             "commitSha": "c1", "startedDate": "2024-01-02T12:00:00+00:00",
             "finishedDate": "2024-01-03T12:00:00+00:00"},
            {"repoUrl": "https://git.example/acme/search", "commitSha": "c4"},
        ],
    });
    let received = told(&Format::DevLakeDeployment, &body.to_string()).unwrap();
    let services = received.reports.iter().map(|report| match report {
        Report::Change(change) => {
            assert_eq!(change.outcome, ChangeOutcome::Failed);
            assert_eq!(change.environment.as_deref(), Some("production"));
            (change.service.as_str(), change.finished.unwrap().to_string())
        }
        other => panic!("{other:?}"),
    });
    let services: Vec<_> = services.collect();
    assert_eq!(
        services,
        [
            ("shop", "2024-01-03T12:00:00Z".to_owned()),
            ("search", "2024-02-02T13:00:00Z".to_owned()),
        ]
    );
    let named = Hook { service: Some("web".to_owned()), ..hook() };
    let text = body.to_string();
    let one = read(&Format::DevLakeDeployment, &headers(&[]), text.as_bytes(), &named).unwrap();
    assert_eq!(change(one).service, "web");
    for field in ["id", "startedDate", "finishedDate"] {
        let mut less = body.clone();
        less.as_object_mut().unwrap().remove(field);
        let error = told(&Format::DevLakeDeployment, &less.to_string()).unwrap_err();
        assert_eq!(error.field(), Some(field));
    }
    let wrong = text.replace("PRODUCTION", "PROD");
    let error = told(&Format::DevLakeDeployment, &wrong).unwrap_err();
    assert_eq!(error.field(), Some("environment"));
}

#[test]
fn devlake_incidents_open_and_close() {
    let body = json!({
        "issueKey": "OPS-17", "title": "checkout fails", "status": "TODO",
        "originalStatus": "open", "createdDate": "2024-01-01T12:00:00+00:00", "type": "INCIDENT",
    });
    let mut known = incident(told(&Format::DevLakeIssue, &body.to_string()).unwrap());
    assert_eq!(known.detected.unwrap().to_string(), "2024-01-01T12:00:00Z");
    let close = Format::DevLakeClose { key: "OPS-17".to_owned() };
    assert!(known.merge(incident(told(&close, "").unwrap())));
    assert_eq!(known.resolved, Some(now()));
    for field in ["issueKey", "title", "status", "createdDate"] {
        let mut less = body.clone();
        less.as_object_mut().unwrap().remove(field);
        let error = told(&Format::DevLakeIssue, &less.to_string()).unwrap_err();
        assert_eq!(error.field(), Some(field));
    }
}
