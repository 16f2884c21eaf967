//! The examples of `docs/spec.md` are what they say.

use flyball_spec::{Source, lint, load, render};

fn page() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec.md");
    std::fs::read_to_string(path).unwrap()
}

fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = page.split(fence.as_str()).skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_example_is_read_without_a_word() {
    let sources: Vec<Source> = blocks(&page(), "yaml")
        .into_iter()
        .enumerate()
        .map(|(index, text)| Source::new(format!("example {index}"), text))
        .collect();
    assert_eq!(sources.len(), 7);
    let (set, diagnostics) = load(&sources);
    assert!(diagnostics.is_empty(), "{}", render(&diagnostics));
    assert!(lint(&set).is_empty(), "{}", render(&lint(&set)));
    assert_eq!((set.slos.len(), set.strategies.len()), (3, 1));
    assert_eq!((set.corrections.len(), set.probes.len()), (2, 2));
    assert_eq!(set.alert_targets.len(), 6, "one of each kind");
    let actions = set.restore_actions.iter().map(|action| (action.via.kind(), action.dry_run));
    let kinds = [("hook", false), ("hook", false), ("flagd", true), ("unleash", true)];
    assert_eq!(actions.collect::<Vec<_>>(), kinds, "a dry run unless told");
}

#[test]
fn the_error_on_the_page_is_the_error_of_the_program() {
    let text = "apiVersion: openslo/v1\nkind: SLO\nmetadata:\n  name: a\nspec:\n  service: a\n  indicatorRfe: checkout\n";
    let (_, diagnostics) = load(&[Source::new("slos.yaml", text)]);
    let shown: Vec<String> = diagnostics.iter().map(|d| format!("{d}\n")).collect();
    assert!(shown.contains(&blocks(&page(), "text")[0]), "{}", shown.join("\n"));
}
