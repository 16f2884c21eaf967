//! Descriptions of changes, which the model defines.

use flyball_model::{
    CHANGE_COMMITS_MAX, CHANGE_LINKS_MAX, CHANGE_TEXT_BYTES_MAX, ChangeClass, ChangeKind,
    ChangeOutcome,
};
use serde_json::{Map, Value, json};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A change, as it is told in the server's own words.
#[derive(Debug)]
pub(super) enum NewChange {}

impl PartialSchema for NewChange {
    fn schema() -> RefOr<Schema> {
        RefOr::Ref(Ref::from_schema_name("new_change"))
    }
}

impl ToSchema for NewChange {
    fn name() -> std::borrow::Cow<'static, str> {
        "new_change".into()
    }
}

/// Adds the descriptions to `schemas`.
pub(super) fn describe(schemas: &mut Value) {
    let change = change();
    let mut new = change.clone();
    if let Some(fields) = new["properties"].as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "recorded" | "source"));
        // What is empty is as if it were left out.
        let optional = fields.iter_mut().filter(|(name, _)| *name != "service");
        for field in optional.filter_map(|(_, field)| field.as_object_mut()) {
            field.remove("minLength");
        }
    }
    new["required"] = json!(["service"]);
    new["additionalProperties"] = json!(false);
    new["description"] =
        "A change to record. `kind` is deploy, `outcome` succeeded and `finished` now \
                          unless said otherwise; without `id` the Idempotency-Key makes one."
            .into();
    schemas["change"] = change;
    schemas["new_change"] = new;
    schemas["change_life"] = life();
    schemas["decision"] = decision();
}

fn text(said: &str) -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": CHANGE_TEXT_BYTES_MAX, "description": said,
    })
}

fn or_null(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

fn moment(said: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": said })
}

fn change() -> Value {
    let kinds = ChangeKind::ALL.map(ChangeKind::name);
    let classes = ChangeClass::ALL.map(ChangeClass::name);
    let outcomes = ChangeOutcome::ALL.map(ChangeOutcome::name);
    let mut fields = Map::new();
    let mut add = |name: &str, schema: Value| _ = fields.insert(name.to_owned(), schema);
    add("id", text("What it is known by; the same in every message that speaks of it."));
    add("service", text("The service that was changed."));
    add("kind", json!({ "enum": kinds, "description": "What altered production." }));
    add("class", json!({ "enum": classes, "description": "Why it was made." }));
    add("outcome", json!({ "enum": outcomes, "description": "How far the act has come." }));
    let planned = "Whether somebody had planned it; null when nobody said.";
    add("planned", json!({ "type": ["boolean", "null"], "description": planned }));
    for (name, said) in [
        ("environment", "Where."),
        ("version", "The version that runs afterwards, as events of the service name it."),
        ("revision", "The commit that runs afterwards."),
        ("artifact", "What was deployed, as a package URL."),
        ("actor", "Who did it."),
        ("summary", "What it is about, in a sentence."),
        ("rollout", "How it reaches users step by step, as canary:5%:30m."),
        ("restores", "The change that this one undoes or repairs, by id."),
    ] {
        add(name, or_null(text(said)));
    }
    add("recorded", moment("When it was first heard of."));
    for (name, said) in [
        ("started", "When the act began."),
        ("finished", "When the act ended, whichever way."),
        ("not_before", "A planned change does not begin before."),
        ("not_after", "A planned change has ended by then."),
    ] {
        add(name, or_null(moment(said)));
    }
    let commit = object(
        "A commit that a change ships.",
        &json!({ "sha": text("Its hash."), "authored": moment("When its author wrote it.") }),
        &["sha", "authored"],
    );
    add("commits", list("What it ships that the one before did not.", &commit, CHANGE_COMMITS_MAX));
    let link = object(
        "Where more is said of it.",
        &json!({ "name": text("What is found there."), "url": text("The address.") }),
        &["name", "url"],
    );
    add("links", list("Where more is said of it.", &link, CHANGE_LINKS_MAX));
    let source = object(
        "The message that told of it last.",
        &json!({
            "system": text("The system that told."),
            "delivery": text("What the system knows the message by."),
        }),
        &["system", "delivery"],
    );
    add("source", source);
    let all: Vec<String> = fields.keys().cloned().collect();
    json!({
        "type": "object",
        "description": "Anything that altered production, or is about to.",
        "properties": fields,
        "required": all,
    })
}

fn object(said: &str, fields: &Value, required: &[&str]) -> Value {
    json!({ "type": "object", "description": said, "properties": fields, "required": required })
}

fn list(said: &str, items: &Value, most: usize) -> Value {
    json!({ "type": "array", "description": said, "items": items, "maxItems": most })
}

/// A decision of the gate, as far as clients need it; all of it is in docs/policy.md.
fn decision() -> Value {
    let outcomes = json!({
        "enum": ["allow", "warn", "deny", "undecidable"], "description": "What is decided.",
    });
    let reason = object(
        "Why, and what would change it.",
        &json!({
            "outcome": outcomes,
            "kind": { "type": "string", "description": "Its kind, for programs." },
            "text": { "type": "string", "description": "Why, for people." },
            "lifts": { "type": "array", "items": { "type": "object" }, "description": "What would change it." },
        }),
        &["outcome", "kind", "text", "lifts"],
    );
    let until = "When nothing will stop it any more, if things go well.";
    object(
        "What is decided on a change: what, why, from what, until when.",
        &json!({
            "service": { "type": "string", "description": "The service." },
            "class": { "type": "string", "description": "The class of the change." },
            "at": moment("When it was asked."),
            "outcome": outcomes,
            "policy": { "type": "object", "description": "The policy, its version and standing." },
            "level": { "type": ["string", "null"], "description": "The level in force." },
            "reasons": { "type": "array", "items": reason, "description": "Gravest first." },
            "inputs": { "type": "array", "items": { "type": "object" }, "description": "What conditions looked at." },
            "budgets": { "type": "array", "items": { "type": "object" }, "description": "What it was made from." },
            "until": or_null(moment(until)),
        }),
        &[
            "service", "class", "at", "outcome", "policy", "level", "reasons", "inputs", "budgets",
            "until",
        ],
    )
}

/// Where a change is in its life.
fn life() -> Value {
    let phase = |name: &str, said: &str, more: &Value, required: &[&str]| {
        let mut phase = object(said, more, required);
        phase["properties"]["phase"] = json!({ "const": name });
        if let Some(required) = phase["required"].as_array_mut() {
            required.push("phase".into());
        }
        phase
    };
    let until = |said: &str| json!({ "until": moment(said) });
    let by = object(
        "What broke it: the id of an alert, a change or a verdict.",
        &json!({
            "kind": { "enum": ["page", "rollback", "fix", "verdict"], "description": "What it was." },
            "by": { "type": "string", "description": "What it is known by." },
        }),
        &["kind", "by"],
    );
    let ending = json!({
        "type": "object",
        "description": "How it ended: the warranty was kept, something broke it, or it never shipped.",
        "properties": {
            "kind": { "enum": ["kept", "broken", "not_shipped"], "description": "How." },
            "at": moment("For what was broken: when."),
            "cause": by,
        },
        "required": ["kind"],
    });
    json!({
        "description": "Where a change is in its life.",
        "oneOf": [
            phase("recorded", "Known, and not shipped yet.", &json!({}), &[]),
            phase(
                "observing",
                "Shipped, and looked at closely.",
                &until("When observation ends by itself."),
                &["until"],
            ),
            phase(
                "in_warranty",
                "Looked at, and answered for.",
                &until("When the warranty ends."),
                &["until"],
            ),
            phase(
                "done",
                "Over.",
                &json!({ "at": moment("Since when."), "ending": ending }),
                &["at", "ending"],
            ),
        ],
    })
}
