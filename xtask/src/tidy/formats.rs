//! Formats: the name and version in the code are those in `docs/format/`, and the prose and the
//! machine-readable schema there speak of the same keys.
//!
//! A format is a constant `SCHEMA` with a value like `flyball.dev/replay/v1`. It is described in
//! `docs/format/replay-v1.md` and, where it is JSON, in `docs/format/replay-v1.schema.json`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Finding;
use super::tree::Tree;

const DIRECTORY: &str = "docs/format/";
const PREFIX: &str = "flyball.dev/";
const CONSTANT: &str = concat!("const SCHEMA", ": &str = \"");

/// Every format that the code and the documents disagree about.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut known: BTreeSet<String> = BTreeSet::new();
    for (path, text) in tree.texts("rs") {
        for (index, line) in text.lines().enumerate() {
            let Some((_, rest)) = line.split_once(CONSTANT) else { continue };
            let schema = rest.split('"').next().unwrap_or_default();
            let Some(stem) = stem(schema) else {
                findings.push(Finding::new(
                    path,
                    index + 1,
                    format!("`{schema}` is no name of a format"),
                    "write flyball.dev/<name>/v<number>",
                ));
                continue;
            };
            let document = format!("{DIRECTORY}{stem}.md");
            if !tree.text(&document).is_some_and(|text| text.contains(schema)) {
                findings.push(Finding::new(
                    path,
                    index + 1,
                    format!("{document} does not describe `{schema}`"),
                    "a new version gets a document of its own; the old one stays",
                ));
            }
            known.insert(stem);
        }
    }
    for (path, text) in tree.texts("md") {
        let stem = path.strip_prefix(DIRECTORY).and_then(|name| name.strip_suffix(".md"));
        let Some(stem) = stem.filter(|stem| is_versioned(stem)) else { continue };
        if !known.contains(stem) {
            findings.push(Finding::new(
                path,
                1,
                "no code writes this format",
                "a constant SCHEMA in crates/*/src names it",
            ));
        }
        findings.extend(keys(tree, path, text, stem));
    }
    findings
}

/// `flyball.dev/replay/v1` → `replay-v1`.
fn stem(schema: &str) -> Option<String> {
    let (name, version) = schema.strip_prefix(PREFIX)?.split_once('/')?;
    let stem = format!("{name}-{version}");
    (is_versioned(&stem) && !name.is_empty()).then_some(stem)
}

fn is_versioned(stem: &str) -> bool {
    stem.rsplit_once("-v").is_some_and(|(_, digits)| digits.parse::<u32>().is_ok())
}

/// Keys of the JSON schema that the document does not speak of.
fn keys(tree: &Tree, path: &str, text: &str, stem: &str) -> Vec<Finding> {
    let schema_path = format!("{DIRECTORY}{stem}.schema.json");
    let Some(schema) = tree.text(&schema_path) else { return Vec::new() };
    let schema: Value = match serde_json::from_str(schema) {
        Ok(schema) => schema,
        Err(error) => {
            return vec![Finding::new(
                schema_path,
                error.line().max(1),
                format!("not JSON: {error}"),
                "mend the schema",
            )];
        }
    };
    let mut properties = BTreeSet::new();
    collect(&schema, &mut properties);
    properties
        .into_iter()
        .filter(|key| !text.contains(&format!("`{key}`")))
        .map(|key| {
            Finding::new(
                path,
                1,
                format!("the key `{key}` of {schema_path} is not described"),
                "say its type, unit, meaning and when it is null",
            )
        })
        .collect()
}

fn collect<'a>(schema: &'a Value, properties: &mut BTreeSet<&'a str>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(own)) = object.get("properties") {
                properties.extend(own.keys().map(String::as_str));
            }
            object.values().for_each(|inner| collect(inner, properties));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, properties)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"properties": {"a": {"items": {"properties": {"b": {}}}}}}"#;

    fn messages(constant: &str, document: &str) -> Vec<String> {
        let source = format!("pub {CONSTANT}{constant}\";\n");
        let files = [
            ("crates/a/src/b.rs", source.as_str()),
            ("docs/format/replay-v1.md", document),
            ("docs/format/replay-v1.schema.json", SCHEMA),
        ];
        check(&Tree::of(&files)).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn agreement_passes() {
        assert_eq!(messages("flyball.dev/replay/v1", "flyball.dev/replay/v1: `a`, `b`"), [""; 0]);
    }

    #[test]
    fn a_new_version_needs_a_document_and_an_old_document_a_writer() {
        assert_eq!(
            messages("flyball.dev/replay/v2", "flyball.dev/replay/v1: `a`, `b`"),
            [
                "docs/format/replay-v2.md does not describe `flyball.dev/replay/v2`",
                "no code writes this format",
            ]
        );
        assert_eq!(messages("replay", "`a` `b`")[0], "`replay` is no name of a format");
    }

    #[test]
    fn every_key_is_described() {
        assert_eq!(
            messages("flyball.dev/replay/v1", "flyball.dev/replay/v1: `a`"),
            ["the key `b` of docs/format/replay-v1.schema.json is not described"]
        );
    }

    #[test]
    fn a_broken_schema_is_found() {
        let files = [("docs/format/x-v1.md", ""), ("docs/format/x-v1.schema.json", "{")];
        let found = check(&Tree::of(&files));
        assert!(found.iter().any(|finding| finding.message.starts_with("not JSON")));
    }
}
