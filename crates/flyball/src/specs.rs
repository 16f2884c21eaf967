//! Loads SLO documents from files and directories, ready to be evaluated.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use flyball_budget::alert;
use flyball_model::{AlertRule, Slo};
use flyball_query::near_matches;
use flyball_spec::{Alerting, Diagnostic, Level, Part, Source, SpecSet};

/// Endings of files that are taken from a directory.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

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
            let text = String::from_utf8(bytes).map_err(|error| {
                let valid = error.utf8_error().valid_up_to();
                let line = error.as_bytes()[..valid].split(|b| *b == b'\n').count();
                anyhow::anyhow!(
                    "{}:{line}: not UTF-8\nhint: save the document as UTF-8",
                    file.display()
                )
            })?;
            Ok(Source::new(file.display().to_string(), text))
        })
        .collect()
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
            Some(Alerting::Default) => slo.alert_rules = alert::default_rules(),
            Some(Alerting::Preset(name)) => match preset(name) {
                Some(rules) => slo.alert_rules = rules,
                None => diagnostics.extend(unknown_preset(slo, name, &set.origins)),
            },
            Some(Alerting::Own | Alerting::None) | None => {}
        }
    }
    (set, diagnostics)
}

fn preset(name: &str) -> Option<Vec<AlertRule>> {
    if name == "default" {
        return Some(alert::default_rules());
    }
    alert::strategies().into_iter().find(|(known, _)| *known == name).map(|(_, rules)| rules)
}

fn unknown_preset(slo: &Slo, name: &str, origins: &flyball_spec::Origins) -> Option<Diagnostic> {
    let known: Vec<&str> = std::iter::once("default")
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
