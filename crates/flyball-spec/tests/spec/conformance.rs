//! Documents are accepted or refused as the reference validator labelled them.

use std::path::{Path, PathBuf};

use flyball_spec::{Diagnostic, Source, SpecSet, load};
use serde_json::Value;

pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn lines(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(data().join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn load_file(path: &Path) -> (SpecSet, Vec<Diagnostic>) {
    let text = std::fs::read_to_string(path).unwrap();
    load(&[Source::new(path.to_string_lossy(), text)])
}

fn refused(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}

fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} differ from their labels:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn every_labelled_document_is_judged_as_labelled() {
    let rows = lines("openslo/labelled.ndjson");
    assert_eq!(rows.len(), 627);
    let mut wrong = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let (_, diagnostics) = load(&[Source::new("doc.json", row["doc"].to_string())]);
        if refused(&diagnostics) != (row["label"] != "valid") {
            let shown = flyball_spec::render(&diagnostics);
            wrong.push(format!("{index} {} {}\n{shown}", row["label"], row["error"]));
        }
    }
    report(&wrong);
}

#[test]
fn every_published_file_is_judged_as_labelled() {
    let rows = lines("openslo/files-labels.ndjson");
    assert_eq!(rows.len(), 62);
    let mut wrong = Vec::new();
    for row in rows {
        let name = row["file"].as_str().unwrap();
        let (_, diagnostics) = load_file(&data().join("openslo/files").join(name));
        if refused(&diagnostics) != (row["label"] != "valid") {
            let shown = flyball_spec::render(&diagnostics);
            wrong.push(format!("{name} {} {}\n{shown}", row["label"], row["error"]));
        }
    }
    report(&wrong);
}

/// The field paths of a verdict, list positions kept, what follows the field itself taken away.
fn labelled_paths(error: &str) -> Vec<String> {
    let lines = error.lines().filter_map(|line| line.strip_prefix("  - '"));
    lines
        .map(|line| {
            // A key with dots stands in brackets and quotes, and may hold a quote's end itself.
            let path = line.split("['").next().unwrap();
            let path = path.split('\'').next().unwrap();
            let path = path.strip_suffix(".value").or(path.strip_suffix(".unit")).unwrap_or(path);
            path.to_owned()
        })
        .collect()
}

/// Every field that the validator complains about is complained about here, or the object around
/// it or something inside it.
#[test]
fn every_labelled_fault_is_found_at_its_field() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (index, row) in lines("openslo/labelled.ndjson").iter().enumerate() {
        let (_, diagnostics) = load(&[Source::new("doc.json", row["doc"].to_string())]);
        let errors: Vec<&Diagnostic> = diagnostics.iter().filter(|d| d.is_error()).collect();
        for label in labelled_paths(row["error"].as_str().unwrap_or("")) {
            checked += 1;
            let related =
                |d: &&&Diagnostic| d.path.starts_with(&label) || label.starts_with(&d.path);
            if !errors.iter().any(|d| related(&d)) {
                wrong.push(format!("{index} {label}\n{}", flyball_spec::render(&diagnostics)));
            }
        }
    }
    assert!(checked > 380, "{checked}");
    report(&wrong);
}
