//! Descriptions of values that other crates define.
//!
//! What a live budget has in common with the report of a replay is described once, in the schema of
//! that report; it is taken over into the `OpenAPI` document, whose schemas are of the same dialect.

use serde_json::{Value, json};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The schema of a replay's report.
const REPLAY: &str = include_str!("../../../../docs/format/replay-v1.schema.json");

/// The definitions that are taken over as they are.
const SHARED: [&str; 21] = [
    "all_of",
    "budget",
    "burn",
    "calendar",
    "composite",
    "count",
    "coverage",
    "duration",
    "example",
    "firing",
    "forecast",
    "hour",
    "instant",
    "interval",
    "minutes",
    "not_evaluated",
    "projection",
    "status",
    "target",
    "weighted",
    "window",
];

/// Types that stand for a definition in the document, for fields of types of other crates.
macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident = $definition:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                RefOr::Ref(Ref::from_schema_name($definition))
            }
        }

        impl ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                $definition.into()
            }
        }
    )*};
}

shapes! {
    /// A finding in a document.
    Finding = "finding";
    /// A record that was not counted.
    Example = "example";
    /// An SLO that is not evaluated.
    NotEvaluated = "not_evaluated";
    /// A moment.
    Instant = "instant";
    /// A length of time.
    Length = "duration";
    /// Whether a promise is kept.
    Kept = "status";
    /// What is promised.
    Promise = "target";
    /// How the objectives of a composite are joined.
    Joined = "composite";
    /// What is said of an objective or a slice.
    Standing = "standing";
    /// Events of a stretch of time.
    Counts = "tally";
    /// Events of a stretch of time, before or after a correction.
    Changed = "changed";
    /// A stretch of time.
    Stretch = "interval";
    /// What is known of a change.
    ChangeFields = "change";
    /// Where a change is in its life.
    ChangeLife = "change_life";
    /// What a change did.
    ChangeVerdict = "change_verdict";
    /// What kind of cause spent budget.
    CauseKind = "cause_kind";
    /// What to do about a change.
    ChangeSuggestion = "change_suggestion";
    /// What is done about a change.
    ChangeRestore = "change_restore";
    /// What is decided on a change.
    GateDecision = "decision";
}

/// Adds the definitions that these types stand for.
pub(super) fn describe(document: &mut Value) {
    // The schema is a file of the repository, and tests read this document.
    let replay: Value = serde_json::from_str(REPLAY).unwrap_or_default();
    let definitions = &replay["$defs"];
    let schemas = &mut document["components"]["schemas"];
    for name in SHARED {
        schemas[name] = definitions[name].clone();
    }
    let mut standing = json!({
        "type": "object",
        "description": "An objective or a slice of it at the moment.",
        "properties": {
            "coverage": {
                "type": "object",
                "description": "How much of the window is known.",
                "properties": definitions["coverage"]["properties"],
                "required": ["observed", "expected", "share"],
            },
            "firings": { "description": "Who is being called now." },
        },
        "required": ["coverage"],
    });
    if let Some(coverage) = standing["properties"]["coverage"]["properties"].as_object_mut() {
        // They take a walk over the whole history.
        coverage.retain(|name, _| !matches!(name.as_str(), "gaps" | "gap_count"));
    }
    for name in
        ["status", "reason", "window", "budget", "burns", "forecast", "firings", "rule_errors"]
    {
        let mut property = definitions["objective"]["properties"][name].clone();
        if let Some(own) = standing["properties"][name]["description"].as_str() {
            property["description"] = own.into();
        }
        standing["properties"][name] = property;
        if let Some(required) = standing["required"].as_array_mut() {
            required.push(name.into());
        }
    }
    standing["properties"]["forecast_firing"] = json!({
        "description": "The forecast at the rate of the rule that fires at the highest burn; null while none does.",
        "anyOf": [definitions["objective"]["properties"]["forecast"], { "type": "null" }],
    });
    standing["properties"]["forecast_recent"] = json!({
        "description": "The forecast at a shorter lookback at which more goes bad, and not by chance, where the budget is gone before the usual lookback would have passed, also at the latest; null without one.",
        "anyOf": [definitions["objective"]["properties"]["forecast"], { "type": "null" }],
    });
    schemas["standing"] = standing;
    schemas["tally"] = counts();
    schemas["changed"] = changed();
    schemas["finding"] = finding();
    super::change_shapes::describe(schemas);
    refer(document);
}

fn changed() -> Value {
    let mut shape = counts();
    shape["description"] = "Events of a stretch of time, before or after a correction.".into();
    if let Some(properties) = shape["properties"].as_object_mut() {
        properties.remove("undecided");
    }
    shape["required"] = json!(["valid", "good", "bad"]);
    shape
}

fn counts() -> Value {
    let count = |said: &str| json!({ "$ref": "#/$defs/count", "description": said });
    json!({
        "type": "object",
        "description": "Events of a stretch of time.",
        "properties": {
            "valid": count("Events that count."),
            "good": count("Good ones."),
            "bad": count("Bad ones: valid − good."),
            "undecided": count("Of the bad ones, those that lack an attribute to tell."),
        },
        "required": ["valid", "good", "bad", "undecided"],
    })
}

fn finding() -> Value {
    let position = |said: &str| json!({ "type": "integer", "minimum": 0, "description": said });
    json!({
        "type": "object",
        "description": "A finding in a document.",
        "properties": {
            "severity": { "enum": ["warning", "error"], "description": "An error refuses the document." },
            "file": { "type": "string", "description": "The file." },
            "line": position("The line, from 1."),
            "column": position("The column in characters, from 1."),
            "length": position("How many characters are meant."),
            "path": { "type": "string", "description": "The field; empty for the whole document." },
            "message": { "type": "string", "description": "What is wrong." },
            "hint": { "type": ["string", "null"], "description": "What to do." },
            "excerpt": {
                "type": "object",
                "description": "The piece of the line that is meant.",
                "properties": {
                    "text": { "type": "string", "description": "The piece." },
                    "caret": position("Characters before what is meant."),
                    "carets": position("Characters that are meant."),
                },
                "required": ["text", "caret", "carets"],
            },
        },
        "required": ["severity", "file", "line", "column", "length", "path", "message", "hint", "excerpt"],
    })
}

/// References into the schema of replays lead to the document's own schemas from here on.
fn refer(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                match value.as_str().and_then(|text| text.strip_prefix("#/$defs/")) {
                    Some(definition) if name == "$ref" => {
                        *value = format!("#/components/schemas/{definition}").into();
                    }
                    _ => refer(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refer),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reference below `value`.
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(entries) => {
                found.extend(value["$ref"].as_str());
                entries.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_description() {
        let document: Value = serde_json::from_str(crate::openapi()).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            let target = document.pointer(&reference[1..]).unwrap_or(&Value::Null);
            assert!(target.is_object(), "{reference}");
            assert_ne!(target["$ref"].as_str(), Some(reference), "{reference} is itself");
        }
    }
}
