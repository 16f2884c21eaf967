//! Changes by the command line: from a pipeline, from a checkout, past a server that is killed.

use std::path::Path;
use std::process::{Command, Output};

use flyball_model::{Duration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

use crate::live::send_events;
use crate::process::{command, serve};
use crate::run::{flyball, slo_with};

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

/// Requests of three hours before `end`, one every four seconds: since two hours ago one in five fails, one
/// in a hundred before.
fn traffic(end: Timestamp) -> String {
    let line = |number: u32| {
        let at = end.minus(Duration::from_seconds(4 * number));
        let bad_every = if number < 1_800 { 5 } else { 100 };
        let status = if number.is_multiple_of(bad_every) { 500 } else { 200 };
        format!("{{\"time\":\"{at}\",\"status\":{status}}}\n")
    };
    (0..2_700).map(line).collect()
}

#[test]
fn what_a_change_did_is_shown_with_what_to_do_and_who_spent_the_budget() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let window = "duration: 1d, isRolling: true";
    let slo = slo_with("checkout", "status IS NOT NULL", "status < 500", "0.98", window);
    std::fs::write(at.join("slo.yaml"), slo).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &["--slo", "slo.yaml"]);
    let listed = flyball(at, &["slo", "status", "checkout", "-o", "json", "--server", &url]).json();
    let service = listed["service"].as_str().unwrap();
    let now = Timestamp::parse(listed["at"].as_str().unwrap()).unwrap();
    send_events(&url, &traffic(now));
    let shipped = now.minus(Duration::from_hours(2)).to_string();
    let record = ["record", "--service", service, "--id", "release-14", "--version", "1.4.0"];
    let recorded = change(at, &url, &[], &[&record[..], &["--finished", &shipped]].concat());
    assert!(recorded.status.success());
    // Its hour of observation is over, and so it is judged at once.
    let mut looks = 0;
    let view = loop {
        let view = said(at, &url, &[], &["show", "release-14"]);
        if view["verdict"]["is_over"] == true {
            break view;
        }
        looks += 1;
        assert!(looks < 1_000, "no verdict comes: {view:#}");
    };
    assert_eq!(view["verdict"]["answer"], "regressed", "{view:#}");
    let shown = String::from_utf8(change(at, &url, &[], &["show", "release-14"]).stdout).unwrap();
    for text in [
        "regressed; known at",
        "checkout: regressed (worse)",
        "burned",
        "roll back, because: newest",
    ] {
        assert!(shown.contains(text), "`{text}` is not in {shown}");
    }
    let listed = String::from_utf8(change(at, &url, &[], &["list"]).stdout).unwrap();
    assert!(listed.contains("broken by verdict release-14"), "{listed}");

    let spent = ["budget", "checkout", "--by-cause", "--server", &url];
    let told = flyball(at, &spent);
    assert_eq!(told.code, 0, "{}", told.err);
    for text in ["bad events from", "release-14", "usual", "unexplained", "all"] {
        assert!(told.out.contains(text), "`{text}` is not in {}", told.out);
    }
    let json = flyball(at, &[&spent[..], &["-o", "json"]].concat()).json();
    let objective = &json["objectives"][0];
    let sum = ["usual", "unexplained"].map(|part| objective[part].as_u64().unwrap());
    let of_causes = objective["causes"].as_array().unwrap().iter();
    let of_causes: u64 = of_causes.map(|of| of["spent"].as_u64().unwrap()).sum();
    assert_eq!(sum[0] + sum[1] + of_causes, objective["spent"].as_u64().unwrap(), "{json:#}");
    assert!(of_causes > 300, "{json:#}");
    let end = now.to_string();
    let backwards = [&spent[..], &["--from", &end, "--to", &shipped]].concat();
    assert_eq!(flyball(at, &backwards).code, 2);
    assert_eq!(flyball(at, &["budget", "--by-cause", "--server", &url]).code, 2, "of which SLO?");
}
