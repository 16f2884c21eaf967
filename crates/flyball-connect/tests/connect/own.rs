//! Flyball's own body.

use flyball_connect::{BODY_BYTES_MAX, ConnectError, Format, read};
use flyball_model::{CHANGE_COMMITS_MAX, Change, ChangeClass, ChangeKind, ChangeOutcome};

use crate::{change, headers, hook, now, told};

#[test]
fn one_line_is_enough() {
    let received = told(&Format::Own, r#"{"service":"shop"}"#).unwrap();
    let again = told(&Format::Own, r#"{"service":"shop"}"#).unwrap();
    assert_eq!(received, again, "a body that comes again is the same change");
    let change = change(received);
    assert_eq!((change.kind, change.outcome), (ChangeKind::Deploy, ChangeOutcome::Succeeded));
    assert_eq!(change.shipped(), Some(now()));
    let other = told(&Format::Own, r#"{"service": "shop"}"#).unwrap();
    assert_ne!(other.delivery, again.delivery);
    let keyed = headers(&[("Idempotency-Key", "run 17")]);
    let keyed = read(&Format::Own, &keyed, br#"{"service":"shop"}"#, &hook()).unwrap();
    assert_eq!(
        (keyed.delivery.as_str(), &*crate::change(keyed.clone()).id),
        ("run 17", "api:run 17")
    );
}

#[test]
fn every_field_is_kept_and_comes_back() {
    let body = r#"{"id":"42","service":"shop","kind":"rollback","class":"fix","outcome":"planned",
        "planned":false,"environment":"production","version":"1.2.2","revision":"abc1234",
        "artifact":"pkg:oci/shop@1.2.2","actor":"ada","summary":"back\nto before",
        "not_before":"2026-03-02T08:00:00Z","not_after":"2026-03-02T10:00:00+01:00",
        "rollout":"canary:5%:30m","restores":"41",
        "commits":[{"sha":"abc1234","authored":"2026-02-28T09:00:00Z"}],
        "links":[{"name":"log","url":"https://ci.example/1"}]}"#;
    let known = change(told(&Format::Own, body).unwrap());
    assert_eq!(known.class, ChangeClass::Fix);
    assert_eq!(known.summary.as_deref(), Some("back"));
    assert_eq!(known.not_after.unwrap().to_string(), "2026-03-02T09:00:00Z");
    assert_eq!((known.commits.len(), known.links.len()), (1, 1));
    let written = serde_json::to_string(&known).unwrap();
    assert_eq!(serde_json::from_str::<Change>(&written).unwrap(), known);
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (body, field, part) in [
        ("{}", "service", "is missing"),
        (r#"{"service":""}"#, "service", "is empty"),
        (r#"{"service":["shop"]}"#, "service", "is a list"),
        (r#"{"service":"shop","sevrice":"x"}"#, "sevrice", "is not known"),
        (r#"{"service":"shop","kind":"deployment"}"#, "kind", "one of deploy, rollback"),
        (r#"{"service":"shop","started":"yesterday"}"#, "started", "is no time"),
        (r#"{"service":"shop","started":17}"#, "started", "is a number"),
        (r#"{"service":"shop","planned":"yes"}"#, "planned", "true or false"),
        (r#"{"service":"shop","commits":[{"sha":"a"}]}"#, "commits[0].authored", "is missing"),
        (r#"{"service":"shop","commits":{}}"#, "commits", "write a list"),
        (
            r#"{"service":"shop","outcome":"underway","finished":"2026-03-01T00:00:00Z"}"#,
            "finished",
            "has succeeded",
        ),
        (
            r#"{"service":"shop","started":"2026-03-01T01:00:00Z","finished":"2026-03-01T00:00:00Z"}"#,
            "finished",
            "before `started`",
        ),
    ] {
        let error = told(&Format::Own, body).unwrap_err();
        assert_eq!(error.field(), Some(field), "{body}");
        assert!(error.to_string().contains(part) && !error.hint().is_empty(), "{error}");
    }
}

#[test]
fn bodies_are_bounded() {
    let large = format!(r#"{{"service":"{}"}}"#, "x".repeat(BODY_BYTES_MAX));
    assert!(matches!(told(&Format::Own, &large), Err(ConnectError::Large { .. })));
    let long = format!(r#"{{"service":"{}"}}"#, "x".repeat(2_000));
    assert_eq!(told(&Format::Own, &long).unwrap_err().field(), Some("service"));
    let commit = r#"{"sha":"a","authored":"2026-02-28T09:00:00Z"}"#;
    let many = vec![commit; CHANGE_COMMITS_MAX + 1].join(",");
    let many = format!(r#"{{"service":"shop","commits":[{many}]}}"#);
    assert_eq!(told(&Format::Own, &many).unwrap_err().field(), Some("commits"));
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(matches!(told(&Format::Own, &deep), Err(ConnectError::Json { .. })));
    for body in ["", "[]", "null", "{", "\u{0}", r#"{"service":"shop"} x"#] {
        let error = told(&Format::Own, body).unwrap_err();
        assert!(matches!(error, ConnectError::Json { .. }), "{body:?}: {error}");
    }
}
