//! No input panics, hangs or grows without bound.

use flyball_spec::{Diagnostic, Source, export, format, inline, lint, load};
use proptest::prelude::*;

use crate::backstage::TICKETS;
use crate::conformance::data;
use crate::extensions::CHECKOUT;
use crate::imports::files;

/// Everything there is to do with a text; positions must lie inside it.
fn exercise(text: &str) {
    let sources = [Source::new("a.yaml", text)];
    let (set, diagnostics) = load(&sources);
    let lines = text.split('\n').count() + text.matches('\r').count();
    for diagnostic in &diagnostics {
        assert!((1..=lines + 1).contains(&diagnostic.line), "{diagnostic}");
        assert!(diagnostic.column >= 1 && diagnostic.length >= 1, "{diagnostic}");
        assert!(!diagnostic.to_string().is_empty());
    }
    lint(&set);
    let refused = diagnostics.iter().any(Diagnostic::is_error);
    if let Ok(out) = format(&sources[0]) {
        let again = format(&Source::new("a.yaml", out.as_str()));
        assert_eq!(again.as_deref(), Ok(out.as_str()), "formatting is not idempotent");
    }
    let inlined = inline(&sources, flyball_spec::Referred::Keep);
    assert!(!refused || inlined.is_err());
    assert_eq!(export(&sources).is_err(), refused);
}

/// Published documents and our own, as seeds.
fn seeds() -> Vec<String> {
    let mut seeds = vec![CHECKOUT.to_owned(), TICKETS.to_owned()];
    for root in ["openslo/files/go-sdk", "sloth/testdata", "pyrra/mimir"] {
        let texts = files(&data().join(root)).into_iter();
        seeds.extend(texts.map(|path| std::fs::read_to_string(path).unwrap()));
    }
    seeds
}

/// References that lead nowhere, unknown keys and unknown names cost no more than their number.
#[test]
fn many_faults_are_found_in_linear_time() {
    let slis: String = (0..2_000)
        .map(|n| {
            format!("- {{apiVersion: openslo/v1, kind: SLI, metadata: {{name: sli-{n}}}, spec: {{thresholdMetric: {{metricSource: {{spec: {{q: x}}}}}}}}}}\n- {{apiVersion: openslo/v1, kind: SLO, metadata: {{name: slo-{n}}}, spec: {{service: s, indicatorRef: other-{n}, budgetingMethod: Occurrences, timeWindow: [{{duration: 1d, isRolling: true}}], objectives: [{{target: 0.9}}]}}}}\n")
        })
        .collect::<Vec<_>>()
        .concat();
    let (set, diagnostics) = load(&[Source::new("a.yaml", slis)]);
    assert_eq!((set.incomplete.len(), diagnostics.len()), (2_000, flyball_spec::DIAGNOSTICS_MAX));
    let unknown: String =
        (0..20_000).map(|n| format!("  key{n}: 1\n")).collect::<Vec<_>>().concat();
    let text = CHECKOUT.replace("spec:\n  description", &format!("spec:\n{unknown}  description"));
    let (set, diagnostics) = load(&[Source::new("a.yaml", text)]);
    assert_eq!((set.slos.len(), diagnostics.len()), (0, flyball_spec::DIAGNOSTICS_MAX));
    let many: String = (0..1_000)
        .map(|n| {
            CHECKOUT
                .replace("name: checkout\n", &format!("name: c{n}\n"))
                .replace("service.name", "x")
                + "---\n"
        })
        .collect();
    let (set, diagnostics) = load(&[Source::new("a.yaml", many)]);
    assert_eq!((set.slos.len(), diagnostics.len()), (1_000, 0));
    assert_eq!(lint(&set).len(), flyball_spec::DIAGNOSTICS_MAX);
}

/// What fuzzing found worth keeping.
#[test]
fn the_corpus_is_read_to_its_end() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/spec");
    let mut read = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        exercise(&String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()));
        read += 1;
    }
    assert!(read > 10, "{read}");
}

/// Pieces that have broken YAML readers before.
const PIECES: [&str; 32] = [
    ":",
    "- ",
    "\n",
    "  ",
    "\t",
    "#",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<: *a",
    "|\n",
    ">-\n",
    "---\n",
    "...\n",
    "!!str ",
    "%YAML 1.2\n",
    "\u{feff}",
    "\r",
    "\0",
    "ä",
    "\u{2028}",
    "1e400",
    "-0.0",
    "no",
    "~",
    "? ",
    "null",
];

fn mutate(text: &str, choices: &[(usize, usize, u8)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, other, how) in choices {
        if chars.is_empty() {
            break;
        }
        let at = at % chars.len();
        let end = (at + 1 + other % 40).min(chars.len());
        match how % 4 {
            0 => drop(chars.drain(at..end)),
            1 => drop(chars.splice(at..at, PIECES[other % PIECES.len()].chars())),
            2 => {
                let copy: Vec<char> = chars[at..end].to_vec();
                let to = other % chars.len();
                drop(chars.splice(to..to, copy));
            }
            _ => chars.truncate(at),
        }
    }
    chars.into_iter().collect()
}

/// The same few thousand damaged documents in every run.
#[test]
fn damaged_documents_are_judged_without_panic() {
    let seeds = seeds();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |below: usize| {
        // xorshift64*, so that the run needs no generator that may change.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        usize::try_from(state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % below.max(1)
    };
    for _ in 0..1_500 {
        let seed = &seeds[next(seeds.len())];
        let choices: Vec<(usize, usize, u8)> = (0..=next(4))
            .map(|_| (next(100_000), next(100_000), u8::try_from(next(8)).unwrap()))
            .collect();
        // Truncation is one case in sixteen: deeper damage is more telling.
        let choices: Vec<_> = choices
            .into_iter()
            .map(|(at, other, how)| (at, other, if how == 3 { 3 } else { how % 3 }))
            .collect();
        exercise(&mutate(seed, &choices));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_documents_never_panic(
        seed in 0usize..1_000,
        choices in prop::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 1..6),
    ) {
        let seeds = seeds();
        exercise(&mutate(&seeds[seed % seeds.len()], &choices));
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[ -~\\n\\t:{}\\[\\]#&*!|>'\"%@`äö\u{2028}-]{0,200}") {
        exercise(&text);
    }

    /// Any value survives formatting: JSON in, the same JSON out, keys sorted.
    #[test]
    fn formatting_keeps_any_value(text in ".{0,40}", key in ".{1,20}", nested in prop::collection::vec(".{0,10}", 0..4)) {
        let value = serde_json::json!({ key.clone(): [text.clone(), {"k": nested}], "fixed": text });
        let yaml = format!("---\n{value}\n");
        if let Ok(out) = format(&Source::new("a.yaml", yaml)) {
            let again = format(&Source::new("a.yaml", out.as_str()));
            prop_assert_eq!(again.as_deref(), Ok(out.as_str()));
        }
    }
}

#[test]
fn monsters_are_refused_quickly() {
    let wide = format!("a: [{}]", "1, ".repeat(1_000_000));
    let long = format!("a: {}", "x".repeat(3_000_000));
    let keys: String = (0..100_000).map(|n| format!("k{n}: 1\n")).collect::<Vec<_>>().concat();
    let same: String = "k: 1\n".repeat(100_000);
    let unknown: String = (0..50_000)
        .map(|n| format!("- {{apiVersion: openslo/v{n}, kind: SLO}}\n"))
        .collect::<Vec<_>>()
        .concat();
    let brackets = "[".repeat(1_000_000);
    let anchors: String =
        (0..20_000).map(|n| format!("k{n}: &a{n} [1]\n")).collect::<Vec<_>>().concat();
    let huge = "x".repeat(flyball_spec::SOURCE_BYTES_MAX + 1);
    for text in [wide, long, keys, same, unknown, brackets, anchors, huge] {
        let (set, diagnostics) = load(&[Source::new("a.yaml", text)]);
        assert!(set.slos.is_empty());
        assert!(diagnostics.iter().any(Diagnostic::is_error));
        assert!(diagnostics.len() <= flyball_spec::DIAGNOSTICS_MAX);
    }
}

#[test]
fn empty_and_odd_texts_have_clear_results() {
    for text in ["", "\n", "---\n", "# only a comment\n", "---\n---\n", "\u{feff}", "null\n"] {
        let (set, diagnostics) = load(&[Source::new("a.yaml", text)]);
        let [warning] = diagnostics.as_slice() else { panic!("{text:?} {diagnostics:?}") };
        assert!(set.slos.is_empty() && !warning.is_error(), "{text:?} {warning}");
        assert!(warning.message.contains("no document"), "{text:?} {warning}");
    }
    for text in ["x", "- 1", "a: 1", "\0", "{", "'"] {
        let (_, diagnostics) = load(&[Source::new("a.yaml", text)]);
        assert_eq!(diagnostics.iter().filter(|d| d.is_error()).count(), 1, "{text:?}");
    }
    let windows = CHECKOUT.replace('\n', "\r\n");
    let (set, diagnostics) = load(&[Source::new("a.yaml", format!("\u{feff}{windows}"))]);
    assert!(diagnostics.is_empty() && set.slos.len() == 1, "{diagnostics:?}");
}
