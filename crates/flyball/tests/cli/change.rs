//! Changes by the command line: from a pipeline, from a checkout, past a server that is killed.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{command, serve};

/// `flyball change` with `more` arguments at the server `url`, in the environment `says`.
fn change(at: &Path, url: &str, says: &[(&str, &str)], more: &[&str]) -> Output {
    let mut command = command(at, &["change"]);
    // The tests themselves may run in a pipeline.
    for name in ["GITHUB_ACTIONS", "GITLAB_CI", "FLYBALL_SERVICE", "FLYBALL_ENVIRONMENT"] {
        command.env_remove(name);
    }
    command.args(more).env("FLYBALL_SERVER", url).envs(says.iter().copied()).output().unwrap()
}

/// What the server answers to it, as JSON.
fn said(at: &Path, url: &str, says: &[(&str, &str)], more: &[&str]) -> Value {
    let ran = change(at, url, says, &[more, &["-o", "json"]].concat());
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

fn git(at: &Path, args: &[&str]) -> String {
    let who = ["-c", "user.name=ann", "-c", "user.email=ann@example.com"];
    let ran = Command::new("git").arg("-C").arg(at).args(who).args(args).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

fn commit(at: &Path, message: &str) -> String {
    git(at, &["commit", "--quiet", "--allow-empty", "-m", message]);
    git(at, &["rev-parse", "HEAD"])
}

#[test]
fn a_pipeline_tells_of_a_change_in_one_line() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_RUN_ID", "7"),
        ("GITHUB_SHA", "3484a3fb816e0859fd6e1cea078d76385ff50625"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_ACTOR", "ann"),
    ];
    let begun = said(at, &url, &run, &["record", "--outcome", "underway"]);
    assert_eq!(begun["change"]["id"], "github:acme/shop:run:7:1:shop:production");
    assert_eq!(begun["life"]["phase"], "recorded");
    let ended = said(at, &url, &run, &["record", "--class", "feature"]);
    assert_eq!(ended["life"]["phase"], "observing");
    assert_eq!(ended["change"]["links"][0]["url"], "https://github.com/acme/shop/actions/runs/7");
    let again = said(at, &url, &run, &["record", "--class", "feature"]);
    assert_eq!(again["change"], ended["change"], "the job was repeated");

    let back = ["record", "--service", "shop", "--kind", "rollback", "--version", "1.0"];
    assert!(change(at, &url, &[], &back).status.success());
    let listed = change(at, &url, &[], &["list", "--service", "shop"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("broken by rollback cli:shop:"), "{listed}");
    let id = "github:acme/shop:run:7:1:shop:production";
    let shown = String::from_utf8(change(at, &url, &[], &["show", id]).stdout).unwrap();
    assert!(shown.contains("3484a3fb") && shown.contains("feature"), "{shown}");

    for wrong in [
        &["record"][..],
        &["record", "--service", "shop", "--kind", "party"],
        &[
            "record",
            "--service",
            "shop",
            "--outcome",
            "planned",
            "--finished",
            "2026-03-02T11:00:00Z",
        ],
        &["record", "--service", "shop", "--commits", "--repository", "/"],
        &["show", "nothing"],
    ] {
        let ran = change(at, &url, &[], wrong);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{wrong:?}: {said}");
        assert!(said.contains("hint") || said.contains("one of"), "{wrong:?}: {said}");
    }
}

#[test]
fn commits_since_the_last_deployment_come_from_the_checkout() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    git(at, &["init", "--quiet", "repository"]);
    let checkout = at.join("repository");
    let record = |more: &[&str]| {
        let usual = ["record", "--service", "shop", "--repository", "repository"];
        said(at, &url, &[], &[&usual[..], more].concat())
    };
    let shipped = |view: &Value| -> Vec<String> {
        let commits = view["change"]["commits"].as_array().unwrap().iter();
        commits.map(|commit| commit["sha"].as_str().unwrap().to_owned()).collect()
    };
    let first = commit(&checkout, "one");
    assert_eq!(shipped(&record(&["--commits", "--revision", &first])), [first.as_str()]);
    let second = commit(&checkout, "two");
    let third = commit(&checkout, "three");
    assert_eq!(shipped(&record(&["--commits", "--revision", &third])), [&*third, &*second]);
    let since = format!("--commits={first}");
    assert_eq!(shipped(&record(&[&since, "--revision", &second])), [second.as_str()]);
    // What looks like an option to git is none.
    let ran = change(at, &url, &[], &["record", "--service", "x", "--commits=--output=gone"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(!at.join("gone..HEAD").exists() && !at.join("gone").exists());
}

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let mut acknowledged = Vec::new();
    for life in 0..3 {
        let (server, url) = serve(at, "127.0.0.1:0", &[]);
        let told: Vec<_> = (0..4)
            .map(|sender| {
                let (at, url) = (at.to_owned(), url.clone());
                std::thread::spawn(move || {
                    let mut told = Vec::new();
                    for number in 0.. {
                        let id = format!("{life}-{sender}-{number}");
                        let ran =
                            change(&at, &url, &[], &["record", "--service", "shop", "--id", &id]);
                        if !ran.status.success() {
                            return told;
                        }
                        told.push(id);
                    }
                    told
                })
            })
            .collect();
        // In the midst of requests: as soon as some of this life are there.
        loop {
            let listed = change(at, &url, &[], &["list", "-o", "json", "--limit", "1000"]);
            let listed = String::from_utf8(listed.stdout).unwrap();
            if listed.matches(&format!("\"id\": \"{life}-")).count() >= 8 {
                break;
            }
        }
        server.kill();
        for sender in told {
            acknowledged.extend(sender.join().unwrap());
        }
    }
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let listed = said(at, &url, &[], &["list", "--limit", "1000"]);
    let kept: Vec<&str> = listed["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|view| view["change"]["id"].as_str().unwrap())
        .collect();
    assert!(acknowledged.len() >= 20, "{}", acknowledged.len());
    for id in &acknowledged {
        assert_eq!(kept.iter().filter(|kept| *kept == id).count(), 1, "{id}");
    }
    let verified = command(at, &["audit", "verify", "--server", &url]).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}
