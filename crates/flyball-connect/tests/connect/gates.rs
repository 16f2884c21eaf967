//! Questions that other systems ask before they let a change go on.

use flyball_connect::{
    Asked, ConnectError, Headers, Hook, Protection, flagger_question, github_protection,
    opa_question,
};
use serde_json::{Value, json};

use crate::{data, headers, hook, recordings};

const API: &str = "https://api.github.com";

fn requested() -> Value {
    let file = data().join("github/deployment_protection_rule.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn of_event(event: &str) -> Headers {
    headers(&[("X-GitHub-Event", event), ("X-GitHub-Delivery", "72d3162e-cc78")])
}

fn asked(body: &Value, hook: &Hook) -> Result<Option<Protection>, ConnectError> {
    github_protection(&of_event("deployment_protection_rule"), body.to_string().as_bytes(), hook)
}

fn protection(body: &Value) -> Protection {
    asked(body, &hook()).unwrap().unwrap()
}

#[test]
fn a_protection_rule_asks_about_the_deployment_that_later_messages_tell_of() {
    let found = protection(&requested());
    assert_eq!(found.service, "Hello-World");
    assert_eq!(
        found.asked,
        Asked {
            class: Some("feature".to_owned()),
            rollout: None,
            environment: Some("production".to_owned()),
            change: Some("github:Codertocat/Hello-World:deployment:145988746".to_owned()),
            revision: Some(requested()["deployment"]["sha"].as_str().unwrap().to_owned()),
        }
    );
    assert_eq!((found.installation, found.environment.as_str()), (375_706, "production"));
    let answer = found.answer(false, &"x".repeat(5_000));
    assert_eq!(
        (&answer["environment_name"], &answer["state"]),
        (&json!("production"), &json!("rejected"))
    );
    assert_eq!(answer["comment"].as_str().unwrap().len(), 1_000);

    let mut body = requested();
    body["deployment"]["task"] = json!("rollback");
    body["deployment"]["payload"] = json!({"service": "shop"});
    let found = protection(&body);
    assert_eq!((found.service.as_str(), found.asked.class.as_deref()), ("shop", Some("rollback")));
    let named = Hook { service: Some("checkout".to_owned()), ..hook() };
    assert_eq!(asked(&body, &named).unwrap().unwrap().service, "checkout");
    body["deployment"] = Value::Null;
    let found = asked(&body, &named).unwrap().unwrap();
    assert_eq!((found.service.as_str(), found.asked.change), ("checkout", None));
}

#[test]
fn what_asks_nothing_is_told_from_what_cannot_be_understood() {
    let body = requested().to_string();
    for event in ["ping", "deployment", "push"] {
        assert_eq!(github_protection(&of_event(event), body.as_bytes(), &hook()), Ok(None));
    }
    let mut other = requested();
    other["action"] = json!("withdrawn");
    assert_eq!(asked(&other, &hook()), Ok(None));
    for field in ["installation", "environment", "deployment_callback_url", "repository", "action"]
    {
        let mut body = requested();
        body.as_object_mut().unwrap().remove(field);
        assert_eq!(asked(&body, &hook()).unwrap_err().field(), Some(field));
    }
}

#[test]
fn answers_go_to_githubs_api_and_to_this_repository_only() {
    let found = protection(&requested());
    assert_eq!(found.callback_below(API), Some(found.callback.as_str()));
    assert_eq!(found.callback_below("https://api.github.com/"), Some(found.callback.as_str()));
    assert_eq!(found.callback_below("https://github.example/api/v3"), None);
    let path = "/actions/runs/1/deployment_protection_rule";
    for callback in [
        format!("https://api.github.com.evil.example/repos/Codertocat/Hello-World{path}"),
        format!("https://api.github.com@evil.example/repos/Codertocat/Hello-World{path}"),
        format!("http://api.github.com/repos/Codertocat/Hello-World{path}"),
        format!("https://169.254.169.254/repos/Codertocat/Hello-World{path}"),
        format!("https://api.github.com/repos/Codertocat/Other{path}"),
        "https://api.github.com/repos/Codertocat/Hello-World/actions/runs/1/../2/deployment_protection_rule".to_owned(),
        "https://api.github.com/repos/Codertocat/Hello-World/actions/runs//deployment_protection_rule".to_owned(),
        "https://api.github.com/repos/Codertocat/Hello-World/actions/runs/1/approvals".to_owned(),
        String::new(),
    ] {
        let wrong = Protection { callback: callback.clone(), ..found.clone() };
        assert_eq!(wrong.callback_below(API), None, "{callback}");
    }
    let repository = "../../x".to_owned();
    let callback = format!("{API}/repos/{repository}{path}");
    let wrong = Protection { callback, repository, ..found };
    assert_eq!(wrong.callback_below(API), None);
}

#[test]
fn the_question_has_the_fields_of_githubs_schema() {
    let Some(schemas) = recordings("github/schema/deployment_protection_rule") else { return };
    let schema = std::fs::read(schemas.join("requested.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let (body, known) = (requested(), schema["properties"].as_object().unwrap());
    for field in body.as_object().unwrap().keys() {
        assert!(known.contains_key(field), "{field}");
    }
    for field in schema["required"].as_array().unwrap() {
        assert!(body.get(field.as_str().unwrap()).is_some(), "{field}");
    }
}

#[test]
fn flagger_names_a_canary_and_may_say_more() {
    let mut body = json!({
        "name": "podinfo", "namespace": "test", "phase": "Progressing", "checksum": "85d557f47b",
        "metadata": {"class": "fix", "rollout": "canary:5%:30m", "test": "all"},
    });
    let found = flagger_question(body.to_string().as_bytes()).unwrap();
    assert_eq!(
        (found.class.as_deref(), found.rollout.as_deref()),
        (Some("fix"), Some("canary:5%:30m"))
    );
    assert_eq!(found.change.as_deref(), Some("flagger:test/podinfo@85d557f47b"));
    body["metadata"] = json!({"change": "release-14", "revision": "4f2a"});
    let found = flagger_question(body.to_string().as_bytes()).unwrap();
    assert_eq!(
        (found.change.as_deref(), found.revision.as_deref()),
        (Some("release-14"), Some("4f2a"))
    );
    // Older ones send neither phase nor checksum.
    let old = flagger_question(br#"{"name":"podinfo","namespace":"test"}"#).unwrap();
    assert_eq!(old, Asked::default());
    assert_eq!(flagger_question(b"{}").unwrap_err().field(), Some("name"));
}

#[test]
fn a_policy_agent_is_asked_with_an_input() {
    let (service, asked) =
        opa_question(br#"{"input":{"service":"shop","class":"fix","change":7}}"#).unwrap();
    assert_eq!((service.as_str(), asked.class.as_deref()), ("shop", Some("fix")));
    assert_eq!(asked.change.as_deref(), Some("7"));
    for (body, field) in [
        ("{}", "input"),
        (r#"{"input":{}}"#, "input.service"),
        (r#"{"input":{"service":"shop","klass":"fix"}}"#, "input.klass"),
        (r#"{"input":{"service":["shop"]}}"#, "input.service"),
    ] {
        assert_eq!(opa_question(body.as_bytes()).unwrap_err().field(), Some(field), "{body}");
    }
}
