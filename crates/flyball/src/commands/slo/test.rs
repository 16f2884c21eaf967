//! `flyball slo test`: run `.slotest` scripts.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;

use super::{count, print};
use crate::commands::scripts::scripts;
use crate::output::words::printable;
use crate::remote::{Remote, ServerArgs};
use crate::slotest::{self, Outcome, Problem};
use crate::{Exit, talk};

/// The ending of scripts in a directory.
const ENDING: &str = "slotest";

/// Run tests of SLOs: given this traffic, expect these budgets and alerts
///
/// Scripts are described in docs/slotest.md. From a directory all files that end in .slotest are
/// run. Exits 0 when all tests pass, 1 when one fails, 2 when a script cannot be run.
///
/// Examples:
///   flyball slo test slos/
///   flyball slo test checkout.slotest
///   flyball slo test slos/ --tell 1.4.0
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TestArgs {
    /// Scripts, or directories with scripts
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// How results are written: as text, or as JSON for other tools
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,

    /// Tell a server what came of it, of this version: action items of incidents are done when their test passes
    #[arg(long, value_name = "VERSION")]
    tell: Option<String>,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

/// How often each thing happened.
#[derive(Debug, Default)]
struct Counts {
    tests: usize,
    failed: usize,
    broken: usize,
    expectations: usize,
}

pub(super) fn run(args: &TestArgs) -> anyhow::Result<Exit> {
    let mut counts = Counts::default();
    let (mut results, mut runs) = (Vec::new(), Vec::new());
    for file in scripts(&args.paths, ENDING)? {
        let bytes =
            std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let Ok(text) = String::from_utf8(bytes) else {
            bail!("{}: not UTF-8\nhint: save the script as UTF-8", file.display());
        };
        let outcomes = match slotest::run(&file, &text) {
            Ok(outcomes) => outcomes,
            Err(problems) => vec![Outcome { name: None, expectations: 0, problems }],
        };
        for outcome in outcomes {
            counts.tests += 1;
            counts.expectations += outcome.expectations;
            counts.broken += usize::from(outcome.is_broken());
            counts.failed += usize::from(!outcome.is_passed() && !outcome.is_broken());
            let passed = (!outcome.is_broken()).then(|| outcome.is_passed());
            let (path, name) = (file.display().to_string(), &outcome.name);
            runs.push(json!({ "file": path, "test": name, "passed": passed }));
            match args.output {
                Output::Text => print(&text_of(&file, &text, &outcome))?,
                Output::Json => results.push(json_of(&file, &outcome)),
            }
        }
    }
    if args.output == Output::Json {
        print(&format!("{}\n", serde_json::to_string_pretty(&results)?))?;
    }
    let passed = counts.tests - counts.failed - counts.broken;
    talk::note(&format!(
        "{} passed, {} failed, {} could not be run; {} checked",
        passed,
        counts.failed,
        counts.broken,
        count(counts.expectations, "expectation")
    ));
    if let Some(version) = &args.tell {
        tell(args, version, &runs)?;
    }
    Ok(match counts {
        Counts { broken: 1.., .. } => Exit::Usage,
        Counts { failed: 1.., .. } => Exit::Missed,
        _ => Exit::Met,
    })
}

/// What a server has learnt.
#[derive(Debug, serde::Deserialize)]
struct Told {
    changed: Vec<Learnt>,
}

#[derive(Debug, serde::Deserialize)]
struct Learnt {
    incident: String,
    item: String,
    state: State,
}

#[derive(Debug, serde::Deserialize)]
struct State {
    #[serde(rename = "state")]
    word: String,
}

/// Tells a server what came of the tests of `version`.
fn tell(args: &TestArgs, version: &str, runs: &[serde_json::Value]) -> anyhow::Result<()> {
    let body = json!({ "version": version, "runs": runs });
    let path = ["api", "v1", "slotest-runs"];
    let Told { changed } = Remote::new(&args.server)?.post(&path, &body)?;
    for Learnt { incident, item, state } in changed {
        let said = format!("action item {item} of {incident} is {}", state.word);
        talk::note(&printable(&said));
    }
    Ok(())
}

fn verdict(outcome: &Outcome) -> &'static str {
    if outcome.is_passed() {
        "ok"
    } else if outcome.is_broken() {
        "ERROR"
    } else {
        "FAILED"
    }
}

fn text_of(file: &Path, text: &str, outcome: &Outcome) -> String {
    let name = outcome.name.as_ref().map(|name| format!(": {name}")).unwrap_or_default();
    let mut out = format!("{:6} {}{name}\n", verdict(outcome), file.display());
    for problem in &outcome.problems {
        for line in problem.render(&file.display().to_string(), text).lines() {
            out.push_str("       ");
            out.push_str(line);
            out.push('\n');
        }
        out.push('\n');
    }
    out
}

fn json_of(file: &Path, outcome: &Outcome) -> serde_json::Value {
    let problem = |problem: &Problem| {
        json!({
            "kind": if problem.is_failure { "failure" } else { "error" },
            "line": problem.place.line,
            "column": problem.place.column,
            "message": problem.message,
            "expected": problem.expected,
            "found": problem.found,
            "hint": problem.hint,
            "detail": problem.detail,
        })
    };
    json!({
        "file": file.display().to_string(),
        "test": outcome.name,
        "result": verdict(outcome).to_lowercase(),
        "expectations": outcome.expectations,
        "problems": outcome.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}
