//! What no source file may contain, where clippy has no lint for it or does not look.
//!
//! Looked for in the text with comments and string literals included: an exception would have to
//! be written on purpose. This file builds its words from parts so as not to find itself.

use super::Finding;
use super::tree::Tree;

/// A word, what is wrong with it, and what to do.
struct Banned {
    word: &'static str,
    message: &'static str,
    hint: &'static str,
}

const BANNED: &[Banned] = &[
    Banned {
        word: concat!("#[", "ignore"),
        message: "an ignored test",
        hint: "a test runs or is removed; where data may be absent, say so and return",
    },
    Banned {
        word: concat!("thread::", "sleep"),
        message: "sleeping",
        hint: "poll a condition, or take the time as an argument",
    },
    Banned {
        word: concat!("todo", "!("),
        message: "unfinished code",
        hint: "finish it, or leave the function out",
    },
    Banned {
        word: concat!("unimplemented", "!("),
        message: "unfinished code",
        hint: "finish it, or leave the function out",
    },
    Banned {
        word: concat!("#[", "allow("),
        message: "a lint is switched off without a reason",
        hint: "write #[expect(lint, reason = \"…\")]",
    },
    Banned {
        word: concat!("#![", "allow("),
        message: "a lint is switched off without a reason",
        hint: "write #![expect(lint, reason = \"…\")]",
    },
];

/// More lines than this are more than one idea.
const LINES_MAX: usize = 700;

/// Everything that a source file should not contain, and modules that do not say what they are for.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts("rs") {
        for (index, line) in text.lines().enumerate() {
            for banned in BANNED.iter().filter(|banned| line.contains(banned.word)) {
                findings.push(Finding::new(path, index + 1, banned.message, banned.hint));
            }
        }
        if !is_test(path) && !text.starts_with("//!") {
            findings.push(Finding::new(
                path,
                1,
                "the module does not say what it is for",
                "open it with `//!`: what for, why so, what it does not do",
            ));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            findings.push(Finding::new(
                path,
                LINES_MAX,
                format!("{lines} lines are more than {LINES_MAX}"),
                "split it where a noun of its own begins",
            ));
        }
    }
    findings
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        let findings = check(&Tree::of(&[(path, text)]));
        findings.into_iter().map(|finding| (finding.line, finding.message)).collect()
    }

    #[test]
    fn a_plain_module_passes() {
        assert_eq!(found("crates/a/src/b.rs", "//! What for.\nfn b() {}\n"), []);
        assert_eq!(found("crates/a/src/b/tests.rs", "use super::*;\n"), []);
    }

    #[test]
    fn banned_words_are_found_on_their_line() {
        for banned in BANNED {
            let text = format!("//! Why.\n\n{}\n", banned.word);
            assert_eq!(found("crates/a/src/b.rs", &text), [(3, banned.message.to_owned())]);
        }
    }

    #[test]
    fn silent_and_endless_modules_are_found() {
        assert_eq!(found("crates/a/src/b.rs", "fn b() {}\n").len(), 1);
        let long = format!("//! Why.\n{}", "\n".repeat(LINES_MAX));
        assert_eq!(found("crates/a/src/b.rs", &long)[0].0, LINES_MAX);
    }
}
