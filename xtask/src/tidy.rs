//! Holds the repository to what its documents promise: crate arrows, one version of each heavy
//! dependency, layout, sources, links, decision records and formats.
//!
//! Each check is a function from what it reads to [`Finding`]s, so that fixtures can show it fail.
//! A finding names a file, a line and what to do. Nothing here repairs anything.

mod arrows;
mod docs;
mod formats;
mod graph;
mod layout;
mod records;
mod sources;
mod tree;
mod versions;

use std::fmt;
use std::path::Path;

use anyhow::Context as _;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the root.
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: &'static str,
}

impl Finding {
    fn new(
        path: impl Into<String>,
        line: usize,
        message: impl Into<String>,
        hint: &'static str,
    ) -> Self {
        Self { path: path.into(), line, message: message.into(), hint }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n  hint: {}", self.path, self.line, self.message, self.hint)
    }
}

/// What was looked at and what was found.
#[derive(Debug)]
pub(crate) struct Report {
    crates: usize,
    packages: usize,
    files: usize,
    /// By file and line.
    pub(crate) findings: Vec<Finding>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { crates, packages, files, findings } = self;
        write!(f, "tidy: {crates} crates, {packages} packages, {files} files: ")?;
        match findings.len() {
            0 => write!(f, "all in order"),
            1 => write!(f, "1 finding"),
            count => write!(f, "{count} findings"),
        }
    }
}

/// Runs every check on the workspace at `root`.
///
/// # Errors
///
/// When a file or `cargo metadata` cannot be read; what is wrong with the content is a finding.
pub(crate) fn run(root: &Path) -> anyhow::Result<Report> {
    let graph = graph::Graph::load(root)?;
    let tree = tree::Tree::load(root).context("cannot read the repository")?;
    let mut findings = Vec::new();
    findings.extend(arrows::check(&graph));
    findings.extend(versions::check(&graph));
    findings.extend(layout::check(&graph, &tree));
    findings.extend(sources::check(&tree));
    findings.extend(docs::check(&tree));
    findings.extend(records::check(&tree));
    findings.extend(formats::check(&tree));
    findings.sort();
    findings.dedup();
    Ok(Report {
        crates: graph.members().count(),
        packages: graph.packages.len(),
        files: tree.files().count(),
        findings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_where_and_what_to_do() {
        let finding = Finding::new("docs/a.md", 7, "`b.md` does not exist", "mend the link");
        assert_eq!(
            finding.to_string(),
            "docs/a.md:7: `b.md` does not exist\n  hint: mend the link"
        );
    }

    #[test]
    fn this_repository_is_tidy() {
        let root = crate::workspace_root(&std::env::current_dir().unwrap());
        let report = run(&root).unwrap();
        let found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
        assert!(report.crates >= 9, "only {} crates were seen", report.crates);
    }
}
