//! The SLO documents that a command was given.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, bail};
use flyball_catalog::read_sources;
use flyball_spec::{Source, SpecSet};

/// How standard input is called in messages.
pub(crate) const STDIN: &str = "<stdin>";

/// As [`read_sources`], where `-` stands for the document on standard input, which comes first.
///
/// # Errors
///
/// As [`read_sources`]; standard input that cannot be read.
pub(crate) fn read_given(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let (stdin, files): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.iter().cloned().partition(|path| path.as_os_str() == "-");
    let mut sources = Vec::new();
    if !stdin.is_empty() {
        let mut bytes = Vec::new();
        // One byte more than is read of a document, so that a larger one is seen to be larger.
        let most = flyball_spec::SOURCE_BYTES_MAX as u64 + 1;
        std::io::stdin().lock().take(most).read_to_end(&mut bytes).context("cannot read stdin")?;
        sources.push(flyball_catalog::source(STDIN.to_owned(), bytes)?);
    }
    sources.extend(read_sources(&files)?);
    Ok(sources)
}

/// Refuses a set without any SLO, which is a wrong path or an unfinished document more often than
/// it is meant.
///
/// # Errors
///
/// That there is none.
pub(crate) fn require_slos(set: &SpecSet) -> anyhow::Result<()> {
    if set.slos.is_empty() && set.incomplete.is_empty() {
        bail!(
            "the documents define no SLO\nhint: name a file with `kind: SLO`; \
             `flyball slo suggest INPUT` writes one"
        );
    }
    Ok(())
}
