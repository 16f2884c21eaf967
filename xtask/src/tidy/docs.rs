//! Documents: links lead somewhere, nothing names the machine it was written on, and every
//! document of `docs/` can be reached from its index.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

/// The index of `docs/`.
const INDEX: &str = "docs/README.md";
/// The longest ARCHITECTURE.md that people read to the end.
const ARCHITECTURE_LINES_MAX: usize = 300;
/// Beginnings of paths that exist on one machine only; built from parts so as not to be found.
const MACHINE: &[&str] =
    &[concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/"), concat!("/", "Users/")];
/// Where recordings too large for the repository may lie; tests may look there and say when they
/// are absent, nothing else may.
const RECORDINGS: &str = concat!("../", "shared");

/// Every link that leads nowhere, machine path, and document that nobody links to.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut linked: BTreeSet<String> = BTreeSet::new();
    for (path, text) in tree.texts("md") {
        for link in links(text) {
            match resolve(tree, path, &link.target) {
                Ok(Some(target)) if path != target => drop(linked.insert(target)),
                Ok(_) => {}
                Err(message) => findings.push(Finding::new(
                    path,
                    link.line,
                    message,
                    "links are relative to the file; an anchor is its heading in small letters",
                )),
            }
        }
    }
    for (path, _) in tree.texts("md") {
        if path.starts_with("docs/") && path != INDEX && !linked.contains(path) {
            findings.push(Finding::new(
                path,
                1,
                "no document links here",
                "list it in docs/README.md",
            ));
        }
    }
    for kind in ["md", "rs", "toml", "yaml", "slotest"] {
        for (path, text) in tree.texts(kind) {
            for (index, line) in text.lines().enumerate() {
                let banned =
                    MACHINE.iter().chain((!path.contains("/tests/")).then_some(&RECORDINGS));
                if let Some(start) = banned.into_iter().find(|start| names(line, start)) {
                    findings.push(Finding::new(
                        path,
                        index + 1,
                        format!("`{start}…` exists on one machine only"),
                        "name a path inside the repository, or take it from the environment",
                    ));
                }
            }
        }
    }
    let lines = tree.text("ARCHITECTURE.md").map_or(0, |text| text.lines().count());
    if lines > ARCHITECTURE_LINES_MAX {
        findings.push(Finding::new(
            "ARCHITECTURE.md",
            ARCHITECTURE_LINES_MAX,
            format!("{lines} lines are more than {ARCHITECTURE_LINES_MAX}"),
            "move detail into docs/ and keep the map",
        ));
    }
    findings
}

/// True when `line` has `start` at the start of a path, not in the middle of one.
fn names(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | '~' | '}'))
    })
}

/// A link with its line, from 1.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    target: String,
    line: usize,
}

/// The targets of `[text](target)` outside code.
fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    let mut in_fence = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        let line = without_code(line);
        let mut rest = line.as_str();
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            let Some(end) = rest.find(')') else { break };
            let target = rest[..end].split_whitespace().next().unwrap_or_default();
            found.push(Link { target: target.to_owned(), line: index + 1 });
            rest = &rest[end..];
        }
    }
    found
}

/// The line with what stands in backticks left out.
fn without_code(line: &str) -> String {
    let mut parts = line.split('`');
    let mut kept = parts.next().unwrap_or_default().to_owned();
    while let (Some(_code), Some(text)) = (parts.next(), parts.next()) {
        kept.push_str("code");
        kept.push_str(text);
    }
    kept
}

/// The file that a link leads to; `None` for other sites.
fn resolve(tree: &Tree, from: &str, target: &str) -> Result<Option<String>, String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(None);
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { from.to_owned() } else { join(from, file)? };
    if !tree.exists(&path) {
        return Err(format!("the link `{target}` leads nowhere"));
    }
    let headings = tree.text(&path).map(anchors);
    if !anchor.is_empty() && headings.is_some_and(|known| !known.contains(anchor)) {
        return Err(format!("`{path}` has no heading `#{anchor}`"));
    }
    Ok(Some(path))
}

/// `target` as seen from the file `from`, relative to the root.
fn join(from: &str, target: &str) -> Result<String, String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            ".." if parts.pop().is_none() => {
                return Err(format!("the link `{target}` leads out of the repository"));
            }
            "." | ".." => {}
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The anchors of a document's headings, as code hosts make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut in_fence = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        let title = line.trim_start_matches('#');
        if in_fence || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let anchor: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        found.insert(anchor);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        let findings = check(&Tree::of(files));
        findings.iter().map(|f| format!("{}:{}: {}", f.path, f.line, f.message)).collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let index = "[b](b.md) [c](sub/c.md#the-way-it-is) [up](../README.md#x) [dir](sub)\n\
                     [site](https://example.com/nothing) `[no](link)`\n```\n[no](link)\n```\n";
        let files = [
            (INDEX, index),
            ("docs/b.md", "[self](#b-c)\n\n## B: `c`\n"),
            ("docs/sub/c.md", "# The way, it is\n"),
            ("README.md", "## X\n"),
        ];
        assert_eq!(messages(&files), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let files =
            [(INDEX, "\n[b](b.md)\n[c](c.md#other)\n[d](../../d.md)"), ("docs/c.md", "# C")];
        assert_eq!(
            messages(&files),
            [
                "docs/README.md:2: the link `b.md` leads nowhere",
                "docs/README.md:3: `docs/c.md` has no heading `#other`",
                "docs/README.md:4: the link `../../d.md` leads out of the repository",
                "docs/c.md:1: no document links here",
            ]
        );
    }

    #[test]
    fn machine_paths_are_found_and_other_paths_are_not() {
        let path = format!("see {}data\n", MACHINE[0]);
        assert_eq!(messages(&[("a.md", &path)]).len(), 1);
        assert_eq!(messages(&[("crates/a/src/b.rs", &format!("\"{path}\""))]).len(), 1);
        let recording = format!("root.join(\"{RECORDINGS}/data\")\n");
        assert_eq!(messages(&[("crates/a/src/b.rs", &recording)]).len(), 1);
        assert_eq!(messages(&[("crates/a/tests/b.rs", &recording)]), [""; 0]);
        let inside = format!("see docs{}data and net{}x\n", MACHINE[0], MACHINE[0]);
        assert_eq!(messages(&[("a.md", &inside)]), [""; 0]);
    }

    #[test]
    fn a_long_map_is_no_map() {
        let text = "\n".repeat(ARCHITECTURE_LINES_MAX + 1);
        assert_eq!(messages(&[("ARCHITECTURE.md", &text)]).len(), 1);
    }
}
