//! Formatting, inlining and exporting give what the reference implementation published.

use std::path::Path;

use flyball_spec::{Diagnostic, Referred, Source, export, format, inline, load, render};

use crate::conformance::data;
use crate::imports::files;

fn source(name: &str) -> Source {
    let path = data().join("openslo/files").join(name);
    Source::new(name, std::fs::read_to_string(path).unwrap())
}

/// A published output, which may or may not end with a line end.
fn golden(name: &str) -> String {
    format!("{}\n", source(name).text.trim_end())
}

fn ok(result: Result<String, Vec<Diagnostic>>) -> String {
    result.unwrap_or_else(|faults| panic!("{}", render(&faults)))
}

#[test]
fn formatting_matches_the_published_outputs() {
    assert_eq!(
        ok(format(&source("oslo/inputs/fmt/service.yaml"))),
        golden("oslo/outputs/fmt/service.yaml")
    );
    // Exporting with everything switched off is formatting.
    let base = "go-sdk/sdk/export";
    assert_eq!(
        ok(format(&source(&format!("{base}/inputs/custom_config.yaml")))),
        golden(&format!("{base}/outputs/custom_config.yaml"))
    );
    for directory in ["export", "inline"] {
        for path in files(&data().join("openslo/files/go-sdk/sdk").join(directory).join("outputs"))
        {
            let text = std::fs::read_to_string(&path).unwrap();
            let formatted = ok(format(&Source::new("a", text.as_str())));
            assert_eq!(formatted.trim_end(), text.trim_end(), "{}", path.display());
        }
    }
}

#[test]
fn inlining_matches_the_published_outputs() {
    let base = "go-sdk/sdk/inline";
    for (name, referred) in [
        ("v1_alert_policies_keep_refs", Referred::Keep),
        ("v1_alert_policies_remove_refs", Referred::Remove),
        ("v1_slo", Referred::Remove),
    ] {
        let inlined = ok(inline(&[source(&format!("{base}/inputs/{name}.yaml"))], referred));
        assert_eq!(inlined, golden(&format!("{base}/outputs/{name}.yaml")), "{name}");
    }
}

#[test]
fn references_that_lead_nowhere_are_errors_when_inlining() {
    let base = "go-sdk/sdk/inline/inputs";
    for (name, reference) in [
        ("v1_alert_policies_invalid_condition", "cpu-usage-breach"),
        ("v1_alert_policies_invalid_target", "devs-email-notification"),
        ("v1_slo_invalid_policy", "no-policy"),
        ("v1_slo_invalid_sli", "no-sli"),
        ("v1_slo_invalid_target", "devs-email-notification"),
    ] {
        let faults = inline(&[source(&format!("{base}/{name}.yaml"))], Referred::Keep).unwrap_err();
        assert!(faults.iter().any(|f| f.message.contains(reference)), "{}", render(&faults));
    }
}

#[test]
fn exporting_matches_the_published_outputs() {
    let base = "go-sdk/sdk/export";
    for name in ["v1_alert_policies", "v1_slo"] {
        let exported = ok(export(&[source(&format!("{base}/inputs/{name}.yaml"))]));
        assert_eq!(exported, golden(&format!("{base}/outputs/{name}.yaml")), "{name}");
    }
}

/// Every valid document with a name of its own can be formatted, and means the same after it.
#[test]
fn formatting_published_files_keeps_their_meaning() {
    let mut formatted = 0;
    for root in ["openslo/files", "sloth", "pyrra"] {
        for path in files(&data().join(root)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let before = Source::new("a.yaml", text);
            let Ok(out) = format(&before) else {
                panic!("{} cannot be formatted", path.display());
            };
            let after = Source::new("a.yaml", out.as_str());
            assert_eq!(ok(format(&after)), out, "{} changes when formatted twice", path.display());
            let comments =
                |text: &str| text.lines().filter(|line| line.trim_start().starts_with('#')).count();
            assert!(comments(&out) >= comments(&before.text), "{}", path.display());
            assert_eq!(load(&[before]).0.slos, load(&[after]).0.slos, "{}", path.display());
            formatted += 1;
        }
    }
    assert!(
        formatted > 150,
        "only {formatted} files were found below {}",
        Path::new("tests/data").display()
    );
}
