//! `flyball apply`: gives a server its definitions.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal, Write as _};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use flyball_spec::{Diagnostic, Source};
use serde_json::json;

use super::print;
use crate::output::words;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, specs, talk};

/// How standard input is called among a server's files.
const STDIN_NAME: &str = "stdin.yaml";

/// Give a server SLO documents: show what would change, ask, then change it as a whole
///
/// A file is known by its path below the working directory; one of the same path takes its place.
/// Nothing is changed when any document has an error, or when the definitions have changed since
/// they were shown.
///
/// Examples:
///   flyball apply -f slos/
///   flyball apply -f slos/ --prune --dry-run
///   flyball apply -f checkout.yaml -f cart.yaml --yes --server http://flyball.example:8480
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ApplyArgs {
    /// Documents, or directories with documents; `-` is standard input
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    files: Vec<PathBuf>,

    /// Remove all files that were applied before and are not among these
    #[arg(long)]
    prune: bool,

    /// Only show what would change
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    server: ServerArgs,
}

/// What a server says that it changes.
#[derive(Debug, serde::Deserialize)]
struct Plan {
    revision: u64,
    files: Vec<FileChange>,
    slos: Vec<SloChange>,
    not_evaluated: Vec<NotEvaluated>,
    warnings: Vec<Diagnostic>,
}

#[derive(Debug, serde::Deserialize)]
struct FileChange {
    name: String,
    action: Action,
}

#[derive(Debug, serde::Deserialize)]
struct SloChange {
    slo: String,
    file: Option<String>,
    action: Action,
    changes: Vec<String>,
}

#[derive(Debug, serde::Deserialize)]
struct NotEvaluated {
    slo: String,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Created,
    Changed,
    Unchanged,
    Removed,
}

pub(crate) fn run(args: &ApplyArgs) -> anyhow::Result<Exit> {
    let here = std::env::current_dir().context("cannot tell the working directory")?;
    let sources = specs::read_given(&args.files)?;
    let files = sources
        .into_iter()
        .map(|Source { name, text }| Ok(json!({"name": remote_name(&name, &here)?, "text": text})));
    let files = files.collect::<anyhow::Result<Vec<_>>>()?;
    let remote = Remote::new(&args.server)?;
    let path = ["api", "v1", "apply"];
    let plan: Plan =
        remote.post(&path, &json!({"files": files, "prune": args.prune, "dry_run": true}))?;
    talk::diagnostics(&plan.warnings);
    print(&plan.text())?;
    if args.dry_run {
        return Ok(Exit::Met);
    }
    if !plan.is_empty() && !args.yes && !confirmed()? {
        talk::note("nothing was changed");
        return Ok(Exit::Usage);
    }
    // Also when nothing differs: what was kept and could not be begun is begun by it.
    let asked = json!({"files": files, "prune": args.prune, "revision": plan.revision});
    let done: Plan = remote.post(&path, &asked)?;
    talk::note(&format!("in force as revision {}", done.revision));
    Ok(Exit::Met)
}

impl Plan {
    fn is_empty(&self) -> bool {
        let mut actions = self.files.iter().map(|file| file.action);
        actions.all(|action| action == Action::Unchanged)
    }

    /// The plan for people, with a newline at its end.
    fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        words::printable(&out)
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let is_change = |action| action != Action::Unchanged;
        for file in self.files.iter().filter(|file| is_change(file.action)) {
            writeln!(out, "{} file {}", file.action.sign(), file.name)?;
        }
        for slo in self.slos.iter().filter(|slo| is_change(slo.action)) {
            let file = slo.file.as_ref().map_or_else(String::new, |file| format!(" ({file})"));
            writeln!(out, "{} SLO {}{file}", slo.action.sign(), slo.slo)?;
            for change in &slo.changes {
                writeln!(out, "      {}", change.replace('\n', " "))?;
            }
        }
        for NotEvaluated { slo, reason } in &self.not_evaluated {
            writeln!(out, "! SLO {slo} is not evaluated: {reason}")?;
        }
        let number = |action| {
            let slos = self.slos.iter().filter(|slo| slo.action == action);
            words::count(slos.count() as u64)
        };
        writeln!(
            out,
            "SLOs: {} to create, {} to change, {} to remove, {} unchanged",
            number(Action::Created),
            number(Action::Changed),
            number(Action::Removed),
            number(Action::Unchanged),
        )
    }
}

impl Action {
    fn sign(self) -> char {
        match self {
            Self::Created => '+',
            Self::Changed => '~',
            Self::Removed => '-',
            Self::Unchanged => ' ',
        }
    }
}

/// Asks whoever is there.
fn confirmed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to ask, so nothing was changed\nhint: --yes applies without asking");
    }
    let mut err = std::io::stderr().lock();
    write!(err, "apply this? [y/N] ")?;
    err.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// The name of the file at `path` among a server's: its path below `here`, or below the root where
/// it lies elsewhere.
fn remote_name(path: &str, here: &Path) -> anyhow::Result<String> {
    if path == specs::STDIN {
        return Ok(STDIN_NAME.to_owned());
    }
    let mut parts: Vec<String> = Vec::new();
    let whole = here.join(path);
    let below = whole.strip_prefix(here).unwrap_or(&whole);
    let resolved;
    let below = if below.components().any(|part| part == Component::ParentDir) {
        resolved = whole.canonicalize().with_context(|| format!("cannot read {path}"))?;
        resolved.strip_prefix(here).unwrap_or(&resolved)
    } else {
        below
    };
    for part in below.components() {
        if let Component::Normal(part) = part {
            parts.push(part.to_string_lossy().into_owned());
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_paths_below_the_working_directory() {
        let here = Path::new("/srv/shop");
        for (path, name) in [
            ("slos/a.yaml", "slos/a.yaml"),
            ("./slos/./a.yaml", "slos/a.yaml"),
            ("/srv/shop/slos/a.yaml", "slos/a.yaml"),
            ("/etc/flyball/a.yaml", "etc/flyball/a.yaml"),
            (specs::STDIN, STDIN_NAME),
        ] {
            assert_eq!(remote_name(path, here).unwrap(), name);
        }
    }
}
