//! Pages of the manual: what they tell people to type works, in the order of the page, with the examples that ship.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::serve;
use crate::run::flyball;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A directory with the examples.
fn examples() -> TempDir {
    let directory = TempDir::new().unwrap();
    for part in ["", "shop", "policies"] {
        let (from, to) = (root().join("examples").join(part), directory.path().join("examples"));
        std::fs::create_dir_all(to.join(part)).unwrap();
        for file in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), to.join(part).join(file.file_name())).unwrap();
            }
        }
    }
    directory
}

/// What the blocks of shell on a page type, in their order; those that start a server of their own left out.
fn typed(page: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs").join(page)).unwrap();
    let blocks = text.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let blocks: Vec<&str> = blocks.filter(|block| !block.contains("flyball serve")).collect();
    assert!(!blocks.is_empty(), "{page}");
    // Nobody is there to ask.
    blocks.join("\n").replace("flyball apply -f", "flyball apply --yes -f")
}

/// What of `page` cannot be done as it is written: wrong usage, or refused.
fn wrong(page: &str) -> Vec<String> {
    let directory = examples();
    let at = directory.path();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let applied = flyball(at, &["apply", "--yes", "-f", "examples", "--server", &url]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    let bin = Path::new(env!("CARGO_BIN_EXE_flyball")).parent().unwrap().to_str().unwrap();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let script = format!(
        "exec 2>&1\ntrap 'code=$?; case $code in 2|127) echo \"FAILED $BASH_COMMAND\";; esac' ERR\n{}\n",
        typed(page)
    );
    let ran = Command::new("bash")
        .args(["-c", &script])
        .current_dir(at)
        .env("PATH", path)
        .env("FLYBALL_SERVER", &url)
        .env_remove("FLYBALL_TOKEN")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let lines: Vec<&str> = said.lines().collect();
    let failed = lines.iter().enumerate().filter(|(_, line)| line.starts_with("FAILED "));
    // With what was said of it, which stands before.
    failed.map(|(at, _)| lines[at.saturating_sub(2)..=at].join("\n")).collect()
}

#[test]
fn what_pages_tell_people_to_type_works() {
    let pages = [
        "incidents.md",
        "oncall.md",
        "services.md",
        "reviews.md",
        "risk.md",
        "money.md",
        "policy.md",
    ];
    let wrong: Vec<String> = pages
        .iter()
        .flat_map(|page| wrong(page).into_iter().map(move |said| format!("{page}: {said}")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A drill begins when there are people and an Envoy, which a page cannot bring about.
#[test]
fn the_drill_of_the_examples_says_what_it_waits_for() {
    let wrong = wrong("drills.md");
    let begins = |said: &String| said.contains("drill begin checkout-errors --apply");
    let reports = |said: &String| said.contains("FAILED flyball drill report");
    assert!(wrong.iter().all(|said| begins(said) || reports(said)), "{}", wrong.join("\n\n"));
}

#[test]
fn the_examples_are_right() {
    let directory = examples();
    let at = directory.path();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| flyball(at, &[args, &["--server", &url]].concat());
    let applied = run(&["apply", "--yes", "-f", "examples"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    let warnings = applied.err.matches("warning:").count();
    let waits = applied.err.contains("nothing was put into the class `card-network` so far");
    assert_eq!((warnings, waits), (1, true), "{}", applied.err);
    assert_eq!(run(&["service", "check"]).code, 0);
    assert_eq!(run(&["oncall", "who", "checkout"]).code, 0);
    for tested in [&["slo", "test", "examples"][..], &["policy", "test", "examples/policies"]] {
        let ran = flyball(at, tested);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    }
}
