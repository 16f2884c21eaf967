//! CDEvents against the specification's own events and schemas.

use std::path::Path;

use flyball_connect::{ConnectError, Format, Headers, Hook, Received, Report, read};
use flyball_model::{ChangeKind, ChangeOutcome};
use serde_json::{Value, json};

use crate::{change, data, headers, hook, ignored, incident, json_files, now, recordings};

const GENERATIONS: [&str; 4] = ["v0.3.0", "v0.4.1", "v0.5.1", "v0.6-draft"];

fn event(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event["context"][key].as_str().unwrap()
}

/// The event as binary mode sends it.
fn binary(event: &Value) -> Headers {
    headers(&[
        ("Content-Type", "application/json"),
        ("Ce-Specversion", "1.0"),
        ("ce-type", text(event, "type")),
        ("ce-id", text(event, "id")),
        ("ce-source", text(event, "source")),
        ("ce-subject", event["subject"]["id"].as_str().unwrap()),
        ("ce-time", text(event, "timestamp")),
    ])
}

/// The event as structured mode sends it.
fn structured(event: &Value) -> Value {
    json!({
        "specversion": "1.0",
        "type": text(event, "type"),
        "id": text(event, "id"),
        "source": text(event, "source"),
        "subject": event["subject"]["id"],
        "time": text(event, "timestamp"),
        "datacontenttype": "application/json",
        "data": event,
    })
}

fn said(headers: &Headers, body: &Value, hook: &Hook) -> Result<Received, ConnectError> {
    read(&Format::CdEvents, headers, body.to_string().as_bytes(), hook)
}

/// Reads an event in every mode; all must say the same.
fn every_mode(event: &Value) -> Received {
    let bare = said(&Headers::default(), event, &hook()).unwrap();
    assert_eq!(said(&binary(event), event, &hook()).as_ref(), Ok(&bare));
    let kind = headers(&[("content-type", "application/cloudevents+json; charset=UTF-8")]);
    assert_eq!(said(&kind, &structured(event), &hook()).as_ref(), Ok(&bare));
    bare
}

#[test]
fn services_of_every_generation_in_every_mode() {
    for generation in GENERATIONS {
        let directory = data().join("cdevents").join(generation);
        for (file, kind) in [
            ("service_deployed.json", ChangeKind::Deploy),
            ("service_upgraded.json", ChangeKind::Deploy),
            ("service_rolledback.json", ChangeKind::Rollback),
            ("service_removed.json", ChangeKind::Infrastructure),
        ] {
            let received = every_mode(&event(&directory.join(file)));
            assert_eq!(received.delivery, "/event/source/123 271069a8-fc18-44f1-b38f-9d70a1695819");
            let change = change(received);
            assert_eq!(change.kind, kind, "{generation} {file}");
            assert_eq!(change.service, "mySubject123");
            assert_eq!(change.environment.as_deref(), Some("test123"));
            assert_eq!(change.outcome, ChangeOutcome::Succeeded);
            assert_eq!(change.shipped().unwrap().to_string(), "2023-03-20T14:27:05.315384Z");
            assert_eq!(change.recorded, now());
            let version = "sha256:0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427";
            let version = (kind != ChangeKind::Infrastructure).then_some(version);
            assert_eq!(change.version.as_deref(), version);
        }
    }
}

#[test]
fn incidents_of_every_generation_in_every_mode() {
    for generation in GENERATIONS {
        let directory = data().join("cdevents").join(generation);
        let at = |name: &str| incident(every_mode(&event(&directory.join(name))));
        let mut known = at("incident_detected.json");
        assert_eq!(known.service.as_deref(), Some("myApp"), "{generation}");
        assert_eq!(known.environment.as_deref(), Some("prod1"));
        assert!(known.detected.is_some() && known.resolved.is_none());
        assert_eq!(
            at("incident_reported.json").link.as_deref(),
            Some("https://my-issues.example/incidents/ticket-345")
        );
        assert!(known.merge(at("incident_resolved.json")), "the same incident");
        assert!(known.resolved.is_some());
    }
}

#[test]
fn an_environment_is_of_the_service_that_the_hook_names() {
    let modified = event(&data().join("cdevents/v0.5.1/environment_modified.json"));
    let reason = ignored(every_mode(&modified));
    assert!(reason.contains("?service="), "{reason}");
    let named = Hook { service: Some("shop".to_owned()), ..hook() };
    let change = change(said(&Headers::default(), &modified, &named).unwrap());
    assert_eq!((change.service.as_str(), change.kind), ("shop", ChangeKind::Infrastructure));
    assert_eq!(change.environment.as_deref(), Some("mySubject123"));
}

#[test]
fn what_we_ask_beyond_the_format_is_in_custom_data() {
    let mut deployed = event(&data().join("cdevents/v0.5.1/service_deployed.json"));
    deployed["customData"] = json!({
        "class": "security", "planned": false, "revision": "abc1234", "theirs": {"own": 1},
        "commits": [{"sha": "abc1234", "authored": "2023-03-20T10:00:00Z"}],
    });
    let known = change(every_mode(&deployed));
    assert_eq!(known.class.name(), "security");
    assert_eq!((known.planned, known.commits.len()), (Some(false), 1));
    deployed["customData"]["class"] = json!("hotfix");
    let error = said(&Headers::default(), &deployed, &hook()).unwrap_err();
    assert_eq!(error.field(), Some("customData.class"));
    assert!(error.hint().contains("fix, reliability"), "{error}");
    // Base64, as the schema permits it, is the sender's own.
    deployed["customData"] = json!("bm90IG91cnM=");
    change(every_mode(&deployed));
}

#[test]
fn envelopes_that_say_otherwise_are_refused() {
    let deployed = event(&data().join("cdevents/v0.5.1/service_deployed.json"));
    let field = |body: &Value, pairs: &[(&str, &str)]| {
        said(&headers(pairs), body, &hook()).unwrap_err().to_string()
    };
    let said_structured = [("content-type", "application/cloudevents+json")];
    let mut envelope = structured(&deployed);
    envelope["id"] = json!("another");
    assert!(field(&envelope, &said_structured).starts_with("`context.id` is"));
    envelope["data"] = json!("{}");
    assert!(field(&envelope, &said_structured).starts_with("`data` is a text"));
    envelope["specversion"] = json!("0.3");
    assert!(field(&envelope, &said_structured).starts_with("`specversion` is `0.3`"));
    let batch = [("content-type", "application/cloudevents-batch+json")];
    assert!(field(&deployed, &batch).contains("names a batch"));
    let half = [("ce-specversion", "1.0"), ("ce-id", "1")];
    assert!(field(&deployed, &half).contains("`ce-type` is missing"));
    let mut later = deployed.clone();
    later["context"]["specversion"] = json!("1.0.0");
    assert!(field(&later, &[]).contains("0.3 to 0.6"));
    later["context"]["specversion"] = json!("0.5.1");
    later["context"]["type"] = json!("org.example.deployed");
    assert!(field(&later, &[]).starts_with("`context.type` is `org.example.deployed`"));
}

#[test]
fn events_of_other_nouns_are_understood_and_not_kept() {
    let directory = data().join("cdevents");
    for generation in GENERATIONS {
        let merged = event(&directory.join(generation).join("change_merged.json"));
        assert!(ignored(every_mode(&merged)).contains("`change.merged`"));
    }
    let custom = every_mode(&event(&directory.join("v0.6-draft/custom.json")));
    assert!(ignored(custom).contains("`mytool-resource.created`"));
}

/// Every object of a schema with the fields that it requires, by path.
fn required(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    for field in schema["required"].as_array().into_iter().flatten() {
        let mut full = path.clone();
        full.push(field.as_str().unwrap().to_owned());
        found.push(full);
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        path.push(name.clone());
        required(inner, path, found);
        path.pop();
    }
}

/// Takes a field out of an event; `false` when it has none there.
fn take(event: &mut Value, path: &[String]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let parent = parents.iter().try_fold(event, |value, key| value.get_mut(key));
    parent.and_then(Value::as_object_mut).is_some_and(|object| object.remove(last).is_some())
}

#[test]
fn every_event_of_the_specification_and_every_field_its_schema_requires() {
    let Some(directory) = recordings("cdevents") else { return };
    let (mut events, mut refused) = (0, 0);
    for generation in GENERATIONS {
        let root = directory.join(generation);
        let of = if generation == "v0.3.0" { "examples" } else { "conformance" };
        for file in json_files(&root.join(of)) {
            let whole = event(&file);
            let kept = !matches!(every_mode(&whole).reports[..], [Report::Ignored { .. }]);
            events += 1;
            let name = file.file_name().unwrap().to_str().unwrap().replace('_', "");
            let speaks = name.starts_with("service") && name != "servicepublished.json";
            assert_eq!(kept, speaks || name.starts_with("incident"), "{}", file.display());
            if !kept {
                continue;
            }
            let schema = event(&root.join("schemas").join(&name));
            let mut fields = Vec::new();
            required(&schema, &mut Vec::new(), &mut fields);
            for path in fields {
                // The type of the subject left the format; whoever still asks for it gains nothing.
                if path == ["subject", "type"] {
                    continue;
                }
                let mut less = whole.clone();
                if !take(&mut less, &path) {
                    continue;
                }
                let error = said(&Headers::default(), &less, &hook()).unwrap_err();
                let full = path.join(".");
                let named =
                    error.field().unwrap().replace("context.specversion", "context.version");
                let full = full.replace("context.specversion", "context.version");
                assert_eq!(named, full, "{}", file.display());
                refused += 1;
            }
        }
    }
    assert!(events >= 39 + 45 + 45 + 48, "{events} events");
    assert!(refused >= 200, "{refused} fields");
}
