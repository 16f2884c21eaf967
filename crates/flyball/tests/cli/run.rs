//! Runs the real binary on real files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// What was printed as JSON; a report of a replay fits its schema.
    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err));
        if value["schema"] == "flyball.dev/replay/v1" {
            crate::schema::check(&value);
        }
        value
    }
}

/// Runs `flyball` in `directory`.
pub(crate) fn flyball(directory: &Path, args: &[&str]) -> Ran {
    flyball_with_input(directory, args, b"")
}

/// Runs `flyball` in `directory` with `input` on its standard input.
pub(crate) fn flyball_with_input(directory: &Path, args: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flyball"))
        .args(args)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // From a thread of its own, so that neither side waits for the other. A command that does not
    // read its standard input closes it.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: output.status.code().expect("ended by itself, not by a signal"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A directory with these files.
pub(crate) fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

/// Replays `events` against one SLO that counts everything, as JSON.
/// Valid, good and bad events of the first objective of a replay in JSON.
pub(crate) fn counts(ran: &Ran) -> (u64, u64, u64) {
    let json = ran.json();
    let budget = &json["slos"][0]["objectives"][0]["budget"];
    let integer = |key: &str| {
        budget[key].as_u64().unwrap_or_else(|| panic!("{key} is no integer: {budget}\n{}", ran.err))
    };
    (integer("valid"), integer("good"), integer("bad"))
}

/// An event so many seconds into 2026.
pub(crate) fn event(second: u32, status: u16) -> String {
    format!(
        "{{\"time\":\"2026-01-01T00:{:02}:{:02}Z\",\"status\":{status}}}\n",
        second / 60,
        second % 60
    )
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// An SLO with one event SLI: 99 % over 28 days.
pub(crate) fn slo(name: &str, total: &str, good: &str) -> String {
    slo_with(name, total, good, "0.99", "duration: 28d, isRolling: true")
}

/// An SLO with one event SLI.
pub(crate) fn slo_with(name: &str, total: &str, good: &str, target: &str, window: &str) -> String {
    format!(
        r#"apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  description: Test.
  service: shop
  indicator:
    metadata: {{name: {name}-sli}}
    spec:
      ratioMetric:
        counter: true
        good: {{metricSource: {{type: flyball, spec: {{where: "{good}"}}}}}}
        total: {{metricSource: {{type: flyball, spec: {{where: "{total}"}}}}}}
  timeWindow: [{{{window}}}]
  budgetingMethod: Occurrences
  objectives: [{{displayName: Served, target: {target}}}]
"#
    )
}
