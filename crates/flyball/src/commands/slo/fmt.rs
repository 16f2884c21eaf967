//! `flyball slo fmt`: documents in canonical form, comments kept.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{count, print};
use crate::{Exit, specs, talk};

/// Bring SLO documents into canonical form: keys sorted, block style, comments kept
///
/// Prints the result unless --write or --check is given. Exits 1 when --check finds a file that
/// is not formatted, 2 when a file cannot be formatted; such a file is never changed.
///
/// Examples:
///   flyball slo fmt --write slos/
///   flyball slo fmt --check slos/
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct FmtArgs {
    /// Documents, or directories with documents; `-` is standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Change nothing; name the files that are not formatted
    #[arg(long, conflicts_with = "write")]
    check: bool,

    /// Write the files back
    #[arg(short, long)]
    write: bool,
}

pub(super) fn run(args: &FmtArgs) -> anyhow::Result<Exit> {
    let sources = specs::read_given(&args.paths)?;
    if args.write && sources.iter().any(|source| source.name == specs::STDIN) {
        anyhow::bail!("standard input cannot be written back\nhint: leave --write out");
    }
    let (mut changed, mut failed) = (0, 0);
    let mut printed = String::new();
    for source in &sources {
        let formatted = match flyball_spec::format(source) {
            Ok(formatted) => formatted,
            Err(diagnostics) => {
                talk::diagnostics(&diagnostics);
                failed += 1;
                continue;
            }
        };
        if !args.check && !args.write {
            if !printed.is_empty() && !formatted.starts_with("---") {
                printed.push_str("---\n");
            }
            printed.push_str(&formatted);
        } else if formatted != source.text {
            changed += 1;
            if args.write {
                replace(Path::new(&source.name), &formatted)?;
            }
            printed.push_str(&source.name);
            printed.push('\n');
        }
    }
    print(&printed)?;
    if args.check || args.write {
        let what = if args.write { "changed" } else { "not formatted" };
        talk::note(&format!("{} of {} {what}", changed, count(sources.len(), "file")));
    }
    Ok(match (failed, args.check && changed > 0) {
        (0, false) => Exit::Met,
        (0, true) => Exit::Missed,
        _ => Exit::Usage,
    })
}

/// Writes beside the file and renames, so that a full disk or a crash leaves the old content.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let about = || format!("cannot write {}", path.display());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".flyball-fmt");
    let beside = path.with_file_name(name);
    let written = std::fs::write(&beside, text)
        .and_then(|()| std::fs::set_permissions(&beside, std::fs::metadata(path)?.permissions()))
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // Nobody wants the half-written file; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&beside);
    }
    written.with_context(about)
}
