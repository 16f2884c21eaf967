//! Loads SLO documents from files and directories, ready to be evaluated.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use flyball_budget::{alert, nominal_length};
use flyball_model::{AlertRule, Slo, Window};
use flyball_query::near_matches;
use flyball_spec::{Alerting, Diagnostic, Level, Part, Source, SpecSet};

use crate::output::words;

/// Endings of files that are taken from a directory.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

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
        sources.push(source(STDIN.to_owned(), bytes)?);
    }
    sources.extend(read_sources(&files)?);
    Ok(sources)
}

/// Reads the documents under `paths`: files as they are named, directories with all their YAML and
/// JSON files below.
///
/// # Errors
///
/// A path that cannot be read, or a directory without any document.
pub(crate) fn read_sources(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut files = BTreeSet::new();
    for path in paths {
        let meta =
            std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if meta.is_dir() {
            let before = files.len();
            collect(path, &mut files)?;
            if files.len() == before {
                bail!(
                    "no documents in {}\nhint: SLO documents end in .yaml, .yml or .json",
                    path.display()
                );
            }
        } else {
            files.insert(path.clone());
        }
    }
    files
        .into_iter()
        .map(|file| {
            let bytes =
                std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            source(file.display().to_string(), bytes)
        })
        .collect()
}

fn source(name: String, bytes: Vec<u8>) -> anyhow::Result<Source> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|b| *b == b'\n').count();
        anyhow::anyhow!("{name}:{line}: not UTF-8\nhint: save the document as UTF-8")
    })?;
    Ok(Source::new(name, text))
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

fn collect(directory: &Path, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        // Links to directories are not followed, so a loop of them cannot trap us.
        if path.is_dir() && !path.is_symlink() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| ENDINGS.iter().any(|known| e == *known)) {
            files.insert(path);
        }
    }
    Ok(())
}

/// Loads `sources` and gives every SLO its alert rules.
pub(crate) fn load(sources: &[Source]) -> (SpecSet, Vec<Diagnostic>) {
    let (mut set, mut diagnostics) = flyball_spec::load(sources);
    for slo in &mut set.slos {
        match set.alerting.get(&slo.name) {
            Some(Alerting::Default) => slo.alert_rules = alert::default_rules(&slo.window).rules,
            Some(Alerting::Preset(name)) => match preset(name, &slo.window) {
                Some(rules) => slo.alert_rules = rules,
                None => diagnostics.extend(unknown_preset(slo, name, &set.origins)),
            },
            Some(Alerting::Own | Alerting::Imported | Alerting::None) | None => {}
        }
    }
    (set, diagnostics)
}

/// The preset that stands for the rules of an SLO that says nothing.
const DEFAULT: &str = "default";

fn preset(name: &str, window: &Window) -> Option<Vec<AlertRule>> {
    if name == DEFAULT {
        return Some(alert::default_rules(window).rules);
    }
    alert::strategies().into_iter().find(|(known, _)| *known == name).map(|(_, rules)| rules)
}

/// Which of the default rules `slo` goes without because of its window, in words; `None` when it
/// has them all, or others.
pub(crate) fn left_out(slo: &Slo, set: &SpecSet) -> Option<String> {
    match set.alerting.get(&slo.name)? {
        Alerting::Default => {}
        Alerting::Preset(name) if name == DEFAULT => {}
        _ => return None,
    }
    let left_out = alert::default_rules(&slo.window).left_out;
    if left_out.is_empty() {
        return None;
    }
    let named: Vec<String> = left_out
        .iter()
        .map(|(rule, factor)| format!("{} (factor {})", rule.name, words::decimals(*factor)))
        .collect();
    Some(format!(
        "left out over {}: {}, which would call about burns that keep the objective",
        nominal_length(&slo.window),
        named.join(", ")
    ))
}

fn unknown_preset(slo: &Slo, name: &str, origins: &flyball_spec::Origins) -> Option<Diagnostic> {
    let known: Vec<&str> = std::iter::once(DEFAULT)
        .chain(alert::strategies().into_iter().map(|(known, _)| known))
        .collect();
    let near = near_matches(name, known.iter().copied());
    let hint = match near.first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("presets are {}; or define an AlertStrategy", known.join(", ")),
    };
    let message = format!("no alert strategy or preset is called `{name}`");
    origins.diagnostic(&slo.name, Part::Alerting, None, Level::Error, message, Some(hint))
}
