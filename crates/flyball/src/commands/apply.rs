//! `flyball apply`: gives a server its definitions.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal, Write as _};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use flyball_spec::{Diagnostic, Source, split};
use serde_json::{Value, json};

use super::print;
use crate::output::words;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, specs, talk};

/// The directory of documents that came through a pipe, among a server's files.
const PIPED: &str = "piped";

/// How a change begins that says why an SLO is not evaluated.
const LEFT_OUT: &str = "is not evaluated: ";

/// Give a server SLO documents: show what would change, ask, then change it as a whole
///
/// A file is known by its path below the working directory; one of the same path takes its place. A
/// document from standard input is known by its kind and name, whichever pipe it came through.
/// Files none of which holds a document are refused; an empty one among others is warned of. Nothing is changed when any
/// document has an error, or when the definitions have changed since
/// they were shown.
///
/// The exit code is 0 when it was done, or with --dry-run could be, also where SLOs are not evaluated,
/// which the last line says; 2 when it was not, and nothing has changed. `flyball budget` answers 3 for
/// SLOs that are not evaluated.
///
/// Examples:
///   flyball apply -f slos/
///   flyball apply -f slos/ --prune --dry-run
///   flyball apply -f checkout.yaml cart.yaml --yes --server http://flyball.example:8480
///   flyball apply -f new/cart.yaml --remove old/cart.yaml
///   flyball apply -f - --yes
#[expect(clippy::doc_markdown, reason = "examples are pasted as they stand")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ApplyArgs {
    /// Documents, or directories with documents, as many as there are; `-` is standard input. What a server
    /// keeps in a data directory below is no document
    #[arg(
        short = 'f',
        long = "file",
        value_name = "PATH",
        num_args = 1..,
        required_unless_present = "remove"
    )]
    files: Vec<PathBuf>,

    /// Remove an applied file, by its name as in `flyball get definitions`
    #[arg(long, value_name = "NAME")]
    remove: Vec<String>,

    /// Remove applied files below the directories among these that are no longer there, whoever applied
    /// them; `-f .` means all applied files
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
    probes: Vec<ProbeChange>,
    alert_targets: Vec<TargetChange>,
    restore_actions: Vec<RestoreChange>,
    documents: Vec<DocumentChange>,
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
struct ProbeChange {
    probe: String,
    service: String,
    action: Action,
}

#[derive(Debug, serde::Deserialize)]
struct TargetChange {
    target: String,
    via: String,
    action: Action,
}

#[derive(Debug, serde::Deserialize)]
struct RestoreChange {
    restore: String,
    service: String,
    via: String,
    action: Action,
}

#[derive(Debug, serde::Deserialize)]
struct DocumentChange {
    kind: String,
    name: String,
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
    let below = if args.prune { Some(pruned(&args.files, &here)?) } else { None };
    let mut files = Vec::new();
    let sources = specs::read_given(&args.files)?;
    if !args.prune {
        holding_something(&sources)?;
    }
    for source in sources {
        if source.name == specs::STDIN {
            files.extend(piped(&source)?);
        } else {
            let name = remote_name(Path::new(&source.name), &here)?;
            files.push(json!({"name": name, "text": source.text}));
        }
    }
    let remote = Remote::new(&args.server)?;
    let path = ["api", "v1", "apply"];
    let asked = |more: (&str, Value)| {
        let mut asked = json!({"files": files, "remove": args.remove});
        if let Some(below) = &below {
            asked["prune"] = true.into();
            asked["below"] = json!(below);
        }
        asked[more.0] = more.1;
        asked
    };
    let plan: Plan = remote.post(&path, &asked(("dry_run", true.into())))?;
    let sent: Vec<&str> = files.iter().filter_map(|file| file["name"].as_str()).collect();
    // What is taken away may be what others need.
    let is_adding = args.remove.is_empty() && below.is_none();
    warn(&plan.warnings, is_adding.then_some(&sent));
    print(&plan.text())?;
    if args.dry_run {
        return Ok(Exit::Met);
    }
    if !plan.is_empty() && !args.yes && !confirmed()? {
        talk::note("nothing was changed");
        return Ok(Exit::Usage);
    }
    // Also when nothing differs: what was kept and could not be begun is begun by it.
    let done: Plan = remote.post(&path, &asked(("revision", plan.revision.into())))?;
    talk::note(&format!("in force as revision {}", done.revision));
    Ok(Exit::Met)
}

/// Tells warnings of a plan. Those of files other than those `sent`, and that have nothing to do with these, are
/// counted: they were told when their files were applied.
fn warn(warnings: &[Diagnostic], sent: Option<&Vec<&str>>) {
    let is_new = |of: &Diagnostic| {
        let tells = |name: &&str| of.file == **name || of.message.contains(*name);
        sent.is_none_or(|sent| sent.iter().any(tells))
    };
    let (new, old): (Vec<_>, Vec<_>) = warnings.iter().cloned().partition(is_new);
    talk::diagnostics(&new);
    if !old.is_empty() {
        let files: BTreeSet<&str> = old.iter().map(|of| of.file.as_str()).collect();
        let files: Vec<&str> = files.into_iter().collect();
        let warnings = words::plural(old.len() as u64, "warning", "warnings");
        let said = format!("{warnings} of files that are not applied now: {}", files.join(", "));
        talk::note(&words::printable(&said));
    }
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
        for ProbeChange { probe, service, action } in &self.probes {
            if is_change(*action) {
                writeln!(out, "{} probe {probe} of {service}", action.sign())?;
            }
        }
        for TargetChange { target, via, action } in &self.alert_targets {
            if is_change(*action) {
                writeln!(out, "{} alert target {target} by {via}", action.sign())?;
            }
        }
        for RestoreChange { restore, service, via, action } in &self.restore_actions {
            if is_change(*action) {
                let sign = action.sign();
                writeln!(out, "{sign} restore action {restore} of {service} by {via}")?;
            }
        }
        for DocumentChange { kind, name, action, changes } in &self.documents {
            if is_change(*action) {
                writeln!(out, "{} {kind} {name}", action.sign())?;
            }
            for change in changes {
                writeln!(out, "      {}", change.replace('\n', " "))?;
            }
        }
        // What has just been told of a change is not told again.
        let is_told =
            |slo: &SloChange| slo.changes.iter().any(|change| change.starts_with(LEFT_OUT));
        let told: HashSet<&str> =
            self.slos.iter().filter(|slo| is_told(slo)).map(|slo| slo.slo.as_str()).collect();
        let others = self.not_evaluated.iter().filter(|one| !told.contains(one.slo.as_str()));
        for NotEvaluated { slo, reason } in others {
            writeln!(out, "! SLO {slo} is not evaluated: {reason}")?;
        }
        let number = |action| {
            let slos = self.slos.iter().filter(|slo| slo.action == action);
            words::count(slos.count() as u64)
        };
        write!(
            out,
            "SLOs: {} to create, {} to change, {} to remove, {} unchanged",
            number(Action::Created),
            number(Action::Changed),
            number(Action::Removed),
            number(Action::Unchanged),
        )?;
        if !self.not_evaluated.is_empty() {
            let count = self.not_evaluated.len() as u64;
            write!(out, "; {} of them not evaluated", words::count(count))?;
        }
        writeln!(out)
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

/// Refuses files none of which holds a document: a wrong path or an unfinished file more often than it is meant. An empty one
/// among others is warned of by the server.
fn holding_something(sources: &[Source]) -> anyhow::Result<()> {
    let is_empty = |source: &Source| split(source).is_ok_and(|documents| documents.is_empty());
    if sources.is_empty() || !sources.iter().all(is_empty) {
        return Ok(());
    }
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    bail!(
        "{}: there is no document in it, so nothing is applied\nhint: to take an applied file away, \
         `flyball apply --remove NAME`",
        names.join(", ")
    )
}

/// The documents of standard input as files of their own.
fn piped(source: &Source) -> anyhow::Result<Vec<Value>> {
    let documents = split(source).unwrap_or_else(|found| {
        talk::diagnostics(&found);
        Vec::new()
    });
    if documents.is_empty() {
        bail!("standard input holds no document that can be applied");
    }
    let files = documents.iter().map(|document| {
        let part =
            |text: &str| text.replace(|c: char| matches!(c, '/' | '\\') || c.is_control(), "_");
        let name = format!("{PIPED}/{}/{}.yaml", part(&document.kind), part(&document.name));
        json!({"name": name, "text": document.text})
    });
    Ok(files.collect())
}

/// The directories of a server's files that are pruned; none for all of them.
fn pruned(paths: &[PathBuf], here: &Path) -> anyhow::Result<Vec<String>> {
    let directories = paths.iter().filter(|path| path.is_dir());
    let names = directories.map(|path| remote_name(path, here));
    let names = names.collect::<anyhow::Result<Vec<_>>>()?;
    if names.is_empty() {
        bail!(
            "--prune removes files that are no longer in a directory, and none is named\nhint: name one \
             with -f, `.` for all applied files; --remove NAME removes a single one"
        );
    }
    Ok(if names.iter().any(String::is_empty) { Vec::new() } else { names })
}

/// The name of the file at `path` among a server's: its path below `here`, or below the root where
/// it lies elsewhere. Empty for `here` itself.
fn remote_name(path: &Path, here: &Path) -> anyhow::Result<String> {
    let mut parts: Vec<String> = Vec::new();
    let whole = here.join(path);
    let below = whole.strip_prefix(here).unwrap_or(&whole);
    let resolved;
    let below = if below.components().any(|part| part == Component::ParentDir) {
        resolved =
            whole.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
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
            (".", ""),
        ] {
            assert_eq!(remote_name(Path::new(path), here).unwrap(), name);
        }
    }
}
