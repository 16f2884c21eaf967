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
        // What is empty, or null, is as if it were left out.
        let optional = fields.iter_mut().filter(|(name, _)| *name != "service");
        for field in optional.filter_map(|(_, field)| field.as_object_mut()) {
            field.remove("minLength");
        }
        for name in ["id", "commits", "links"] {
            fields[name] = or_null(fields[name].take());
        }
        for name in ["kind", "class", "outcome"] {
            if let Some(words) = fields[name]["enum"].as_array_mut() {
                words.push(Value::Null);
            }
        }
    }
    or_number(&mut new["properties"]);
    new["required"] = json!(["service"]);
    new["additionalProperties"] = json!(false);
    new["description"] =
        "A change to record. `kind` is deploy, `outcome` succeeded and `finished` now \
                          unless said otherwise; without `id` the Idempotency-Key makes one."
            .into();
    schemas["change"] = change;
    schemas["new_change"] = new;
    schemas["change_life"] = life();
    schemas["change_verdict"] = verdict();
    schemas["change_suggestion"] = suggestion();
    schemas["change_restore"] = restore();
    schemas["cause_kind"] = json!({
        "enum": ["drill", "change", "dependency", "incident"],
        "description": "What kind of cause spent budget.",
    });
    schemas["decision"] = decision();
}

/// Lets whole numbers stand for texts in `schema` and all below it, as they are read: a version may be one.
fn or_number(schema: &mut Value) {
    if schema.get("maxLength").is_some() {
        let mut types = match &schema["type"] {
            Value::Array(types) => types.clone(),
            one => vec![one.clone()],
        };
        types.push(json!("integer"));
        schema["type"] = types.into();
    }
    match schema {
        Value::Object(below) => below.values_mut().for_each(or_number),
        Value::Array(below) => below.iter_mut().for_each(or_number),
        _ => {}
    }
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
        ("rollout", "How it reaches users step by step, as canary:5%:30m."),
        ("restores", "The change that this one undoes or repairs, by id."),
        ("flag", "The feature flag that what it did is behind, or that it flipped."),
    ] {
        add(name, or_null(text(said)));
    }
    let summary =
        "What it is about, in a sentence: the first line is kept, as far as 1,024 bytes go.";
    add("summary", json!({ "type": ["string", "null"], "description": summary }));
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

fn number(said: &str) -> Value {
    json!({ "type": "number", "description": said })
}

fn whole(said: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": said })
}

/// An object all of whose fields are always there.
fn whole_object(said: &str, fields: &Value) -> Value {
    let names = fields.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    object(said, fields, &names.collect::<Vec<_>>())
}

/// The words of an answer.
fn answer(said: &str) -> Value {
    json!({ "enum": ["healthy", "regressed", "undecided"], "description": said })
}

/// What a change did: all of it is in docs/verdicts.md.
fn verdict() -> Value {
    let decided = "The end of the minute that decided it; null while it is undecided.";
    whole_object(
        "What a change did to the objectives of its service, as far as it was looked at.",
        &json!({
            "answer": answer("Regressed when any objective is, those of dependants too; healthy when all of its own service are."),
            "from": moment("Since when it is looked at."),
            "seen": moment("Up to when it was looked at."),
            "until": moment("Until when it is looked at."),
            "decided": or_null(moment(decided)),
            "is_over": { "type": "boolean", "description": "Whether nothing more is looked at." },
            "objectives": {
                "type": "array", "items": objective_verdict(),
                "description": "Each objective, and those of dependants; none where there is none.",
            },
        }),
    )
}

fn objective_verdict() -> Value {
    let range = |said: &str| {
        let high = or_null(number("Its upper end; null where there is none."));
        whole_object(said, &json!({ "low": number("Its lower end."), "high": high }))
    };
    let arm = |said: &str| {
        let fields = json!({ "valid": whole("Valid events."), "bad": whole("Bad ones of them.") });
        whole_object(said, &fields)
    };
    let mut effect = whole_object(
        "How far both are apart; null before both had events.",
        &json!({
            "difference": number("Bad events past those that the control explains, over valid events."),
            "difference_range": range("Where the difference lies."),
            "ratio": or_null(number("Bad events over those that the control explains.")),
            "ratio_range": range("Where the ratio lies."),
            "confidence": number("The confidence of both ranges."),
        }),
    );
    effect = or_null(effect);
    let burned = json!({
        "events": whole("Bad events that the control does not explain."),
        "low": whole("At least as many."),
        "high": whole("At most as many."),
    });
    let certainty = json!({
        "false_alarm": number("The bound of the probability that a harmless change is called regressed."),
        "false_health": number("The bound of the probability that a harmful change is called healthy."),
        "p_regressed": number("A p-value that holds at any time, for: not worse by more than the margin."),
        "p_healthy": number("A p-value that holds at any time, for: worse by the margin at least."),
        "dispersion": number("By how much the evidence was divided, because events come in bursts."),
    });
    let why = ["worse", "within_margin", "no_data", "no_baseline", "too_little_data"];
    let decided = "The end of the minute that decided it; null while it is undecided.";
    whole_object(
        "What a change did to one objective.",
        &json!({
            "slo": { "type": "string", "description": "The SLO." },
            "objective": whole("Which of its objectives, counted from 0."),
            "dependant": or_null(text("The service that promises it, where that is another one, which depends on the changed one.")),
            "answer": answer("What it did."),
            "why": { "enum": why, "description": "Why." },
            "design": {
                "enum": ["concurrent", "before_after"],
                "description": "Held against other versions at the same time, or the time before.",
            },
            "margin": number("The smallest difference of error ratios that matters."),
            "candidate": arm("The time, or version, with the change."),
            "control": arm("What it was held against."),
            "effect": effect,
            "burned": whole_object("What the change spent, in bad events.", &burned),
            "certainty": whole_object("How sure the answer is.", &certainty),
            "decided": or_null(moment(decided)),
            "looks": whole("How often the evidence was looked at."),
        }),
    )
}

/// What to do about a change.
fn suggestion() -> Value {
    let remedies = json!(["toggle_off", "roll_back", "fix_forward"]);
    let reasons = [
        "behind_a_flag",
        "one_way",
        "nothing_before",
        "later_changes",
        "settled",
        "newest",
        "young_enough",
    ];
    whole_object(
        "What to do about a change that regressed, and why.",
        &json!({
            "remedy": { "enum": remedies, "description": "What to do first." },
            "reasons": {
                "type": "array", "items": { "enum": reasons },
                "description": "What spoke for it.",
            },
            "otherwise": {
                "type": "array", "items": { "enum": remedies },
                "description": "What is possible besides, best first.",
            },
        }),
    )
}

/// What is done about a change.
fn restore() -> Value {
    let said = |text: &str| json!({ "type": "string", "description": text });
    let may = |text: &str| or_null(said(text));
    let edit = whole_object(
        "A value of the file that becomes another.",
        &json!({
            "pointer": said("Where it stands, as RFC 6901 has it."),
            "from": { "description": "What it is." },
            "to": { "description": "What it becomes." },
        }),
    );
    let request = whole_object(
        "A request.",
        &json!({
            "kind": { "const": "request" },
            "method": said("Its method."),
            "url": said("Where it is sent; where that is a secret itself, where it is found."),
            "body": said("Its body; empty for none."),
        }),
    );
    let file = whole_object(
        "Another text of a file of flags.",
        &json!({
            "kind": { "const": "edit" },
            "file": said("The file, below the directory of flag files."),
            "edits": { "type": "array", "items": edit, "description": "What differs." },
        }),
    );
    whole_object(
        "The use of a restore action on a change.",
        &json!({
            "key": said("What it is known by to whoever carries it out."),
            "action": said("The action."),
            "does": { "enum": ["roll_back", "drain", "toggle_off"], "description": "What that does." },
            "slice": may("What is drained, as cloud.region=eu-1; null for the whole."),
            "flag": may("The flag that is switched off; null where it is none."),
            "by": said("Who asked, as the audit log names them; server where nobody had to."),
            "role": may("As what they asked; null where nobody had to."),
            "automatic": { "type": "boolean", "description": "Whether nobody had to ask." },
            "at": moment("When it was planned, or begun."),
            "plan": {
                "description": "What is done, without secrets; null where that cannot be told.",
                "oneOf": [{ "type": "null" }, request, file],
            },
            "state": {
                "enum": ["planned", "begun", "done", "failed", "called_off"],
                "description": "How far it has come; planned is a dry run, which changes nothing.",
            },
            "attempts": whole("How often it was tried and failed."),
            "next": or_null(moment("When it is tried next, while it is begun.")),
            "problem": may("Why it cannot be planned, or what the last attempt met."),
            "ended": or_null(moment("When it was over.")),
            "change": may("The change that it was recorded as, by id."),
            "is_owed": { "type": "boolean", "description": "Whether somebody is still to be told of it." },
        }),
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
