//! `flyball policy test`: run `.policytest` files.

use std::path::{Path, PathBuf};

use anyhow::Context;
use flyball_catalog::{governance, policy_test, source};
use flyball_govern::gate::{CaseFailure, CaseOutcome};
use flyball_govern::policy::Policy;
use flyball_spec::{Diagnostic, Governing, GoverningKind, Origins, load};
use serde_json::json;

use crate::commands::scripts::scripts;
use crate::commands::slo::count;
use crate::commands::{Form, answer, print};
use crate::output::words::printable;
use crate::{Exit, talk};

/// The ending of tests in a directory.
const ENDING: &str = "policytest";

/// Run tests of policies: given these budgets, expect these decisions
///
/// A test is a document of kind PolicyTest in a file that ends in .policytest, beside the policy; see
/// docs/policy.md. It asks no server and no clock. From a directory all such files are run. Exits 0 when
/// all cases pass, 1 when one fails, 2 when one cannot be run.
///
/// Examples:
///
///   flyball policy test policies/
///   flyball policy test four-weeks.policytest -o json
#[expect(clippy::doc_markdown, reason = "kinds are written as in documents")]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct TestArgs {
    /// Tests, or directories with tests
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
}

/// One case, with the places of what is otherwise.
struct Tried {
    file: String,
    outcome: CaseOutcome,
    places: Vec<Diagnostic>,
}

impl Tried {
    fn is_broken(&self) -> bool {
        self.outcome.failures.iter().any(|failure| !failure.is_failure)
    }

    fn verdict(&self) -> &'static str {
        match () {
            () if self.outcome.failures.is_empty() => "ok",
            () if self.is_broken() => "ERROR",
            () => "FAILED",
        }
    }

    fn text(&self) -> String {
        let mut out = format!("{:6} {}: {}\n", self.verdict(), self.file, self.outcome.name);
        for place in &self.places {
            for line in place.to_string().lines() {
                out.push_str("       ");
                out.push_str(line);
                out.push('\n');
            }
            out.push('\n');
        }
        printable(&out)
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "file": self.file,
            "case": self.outcome.name,
            "result": self.verdict().to_lowercase(),
            "expectations": self.outcome.expectations,
            "problems": self.places,
        })
    }
}

pub(super) fn run(args: &TestArgs) -> anyhow::Result<Exit> {
    let (mut tried, mut broken) = (Vec::new(), 0);
    for file in scripts(&args.paths, ENDING)? {
        // What is wrong with one file keeps no other from being tried.
        match read(&file) {
            Ok(Ok(cases)) => tried.extend(cases),
            Ok(Err(found)) => {
                talk::diagnostics(&found);
                broken += 1;
            }
            Err(error) => {
                talk::error(&error);
                broken += 1;
            }
        }
    }
    let results = serde_json::Value::Array(tried.iter().map(Tried::json).collect());
    match args.output {
        Form::Table => tried.iter().try_for_each(|tried| print(&tried.text()))?,
        form => answer(form, &results, || Ok(String::new()))?,
    }
    broken += tried.iter().filter(|tried| tried.is_broken()).count();
    let failed = tried.iter().filter(|tried| tried.verdict() == "FAILED").count();
    let passed = tried.iter().filter(|tried| tried.verdict() == "ok").count();
    let checked = tried.iter().map(|tried| tried.outcome.expectations).sum();
    talk::note(&format!(
        "{passed} passed, {failed} failed, {broken} could not be run; {} checked",
        count(checked, "decision")
    ));
    Ok(match (broken, failed) {
        (1.., _) => Exit::Usage,
        (_, 1..) => Exit::Missed,
        _ => Exit::Met,
    })
}

/// Runs the tests in `file`; what is wrong with them, or with the policy, instead.
fn read(file: &Path) -> anyhow::Result<Result<Vec<Tried>, Vec<Diagnostic>>> {
    let text = [text_of(file)?];
    let (set, mut found) = load(&text);
    let mut tried = Vec::new();
    for of in &set.governing {
        match one(file, of, &set.origins)? {
            Ok(cases) => tried.extend(cases),
            Err(more) => found.extend(more),
        }
    }
    let is_wrong = found.iter().any(Diagnostic::is_error);
    anyhow::ensure!(
        is_wrong || !set.governing.is_empty(),
        "there is no test in {}\nhint: it is a document of `kind: PolicyTest`",
        file.display()
    );
    Ok(if is_wrong { Err(found) } else { Ok(tried) })
}

/// Runs one document of tests.
fn one(
    file: &Path,
    of: &Governing,
    origins: &Origins,
) -> anyhow::Result<Result<Vec<Tried>, Vec<Diagnostic>>> {
    let wrong = |path: &str, said: &str| {
        Ok(Err(origins.governing_error(of, path, None, said).into_iter().collect()))
    };
    if of.kind != GoverningKind::PolicyTest {
        return wrong("kind", "this is no test; hint: tests are documents of kind PolicyTest");
    }
    let test = match policy_test(of) {
        Ok(test) => test,
        Err(errors) => {
            let told = errors.iter().filter_map(|error| {
                origins.governing_error(of, &error.path, error.place, &error.message)
            });
            return Ok(Err(told.collect()));
        }
    };
    let beside = |name: &String| text_of(&file.parent().unwrap_or(Path::new("")).join(name));
    let document = match test.document.as_ref().map(beside).transpose() {
        Ok(document) => document,
        Err(error) => {
            let hint = "name the policy's file as it lies beside the test";
            return wrong("spec.document", &format!("{error:#}; hint: {hint}"));
        }
    };
    let (set, mut found) = load(&document.into_iter().collect::<Vec<_>>());
    let (governance, more) = governance(&set);
    found.extend(more);
    if found.iter().any(Diagnostic::is_error) {
        return Ok(Err(found));
    }
    let Some(policy) = governance.policy(&test.policy) else {
        let known: Vec<&str> = governance.policies().map(Policy::name).collect();
        let said =
            format!("no policy is called `{}`; hint: there are {}", test.policy, known.join(", "));
        return wrong("spec.policy", &said);
    };
    let place =
        |failure: &CaseFailure| origins.governing_error(of, &failure.path, None, &failure.said);
    let tried = test.run(policy).into_iter().map(|outcome| {
        let places = outcome.failures.iter().filter_map(place).collect();
        Tried { file: file.display().to_string(), outcome, places }
    });
    Ok(Ok(tried.collect()))
}

fn text_of(file: &Path) -> anyhow::Result<flyball_spec::Source> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(source(file.display().to_string(), bytes)?)
}
