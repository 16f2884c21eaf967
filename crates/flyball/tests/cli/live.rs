//! A server and the commands that speak with it, as processes over real sockets.

use std::process::Stdio;

use jiff::SignedDuration;

use crate::process::{Process, command, listening, serve};
use crate::run::{Ran, directory, flyball, slo_with};

/// Sends `count` events of a minute ago, of which `bad` failed.
pub(crate) fn send(url: &str, count: u32, bad: u32) {
    assert_eq!(post(url, count, bad), 200);
}

/// As [`send`]; returns the status of the answer.
#[expect(clippy::disallowed_methods, reason = "the server reads the same clock")]
fn post(url: &str, count: u32, bad: u32) -> reqwest::StatusCode {
    let at = jiff::Timestamp::now().checked_sub(SignedDuration::from_secs(60)).unwrap();
    let line = |number| {
        let status = if number < bad { 500 } else { 200 };
        format!("{{\"time\":\"{at}\",\"status\":{status}}}\n")
    };
    post_events(url, (0..count).map(line).collect())
}

/// Sends events that stand in lines.
pub(crate) fn send_events(url: &str, lines: &str) {
    assert_eq!(post_events(url, lines.to_owned()), 200);
}

fn post_events(url: &str, body: String) -> reqwest::StatusCode {
    flyball_server::choose_cryptography();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let post = reqwest::Client::new().post(format!("{url}/api/v1/events")).body(body);
        post.send().await.unwrap().status()
    })
}

fn document(name: &str, target: &str) -> String {
    let window = "duration: 1h, isRolling: true";
    slo_with(name, "status IS NOT NULL", "status < 500", target, window)
}

fn ok(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out
}

#[test]
fn definitions_are_applied_and_budgets_follow() {
    let slos = document("checkout", "0.9");
    let home = directory(&[]);
    let at = home.path();
    std::fs::create_dir(at.join("slos")).unwrap();
    std::fs::write(at.join("slos/shop.yaml"), &slos).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| flyball(at, &[args, &["--server", &url]].concat());

    // Planned, not done without somebody who agrees, then done.
    let plan = ok(run(&["apply", "-f", "slos", "--dry-run"]));
    assert!(plan.contains("+ SLO checkout (slos/shop.yaml)"), "{plan}");
    let unasked = run(&["apply", "-f", "slos"]);
    assert_eq!(unasked.code, 2);
    assert!(unasked.err.contains("--yes"), "{}", unasked.err);
    let none = run(&["budget"]);
    assert_eq!((none.code, none.out.as_str()), (3, ""), "no SLO is no health");
    assert!(none.err.contains("no SLOs"), "{}", none.err);
    ok(run(&["apply", "-f", "slos", "--yes"]));
    assert_eq!(run(&["budget", "checkout"]).code, 3, "no data is no health");

    let mut child = command(at, &["tail", "--server", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = child.stdout.take().unwrap();
    let mut tail = Process::new(child, said);
    tail.wait_for("no data");
    send(&url, 100, 5);
    let line = tail.wait_for("5 bad of 100");
    assert!(line.contains("met") && line.contains("50.0% left"), "{line}");
    let table = ok(run(&["budget"]));
    assert!(table.contains("checkout") && table.contains("50.0%"), "{table}");
    let json = run(&["budget", "checkout", "-o", "json"]).json();
    let budget = &json["slos"][0]["objectives"][0]["budget"];
    assert_eq!((&budget["valid"], &budget["bad"]), (&100.into(), &5.into()), "{budget}");
    let status = ok(run(&["slo", "status", "checkout"]));
    assert!(status.contains("spent 5 of 10 events (50.0%)"), "{status}");

    // Another target: the counts stay and the verdict does not.
    std::fs::write(at.join("slos/shop.yaml"), document("checkout", "0.99")).unwrap();
    let plan = ok(run(&["apply", "-f", "slos", "--yes"]));
    assert!(plan.contains("target: 90% → 99%") && !plan.contains("generation"), "{plan}");
    assert_eq!(run(&["budget"]).code, 1);
    tail.wait_for("MISSED");

    // A mistake is drawn where it is, and changes nothing.
    std::fs::write(at.join("slos/shop.yaml"), slos.replace("status < 500", "status <")).unwrap();
    let wrong = run(&["apply", "-f", "slos", "--yes"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.err.contains("--> slos/shop.yaml:") && wrong.err.contains('^'), "{}", wrong.err);
    assert_eq!(run(&["budget"]).code, 1);

    // What is not there any more is removed only when it is asked for.
    std::fs::write(at.join("slos/cart.yaml"), document("cart", "0.9")).unwrap();
    let plan = ok(run(&["apply", "-f", "slos/cart.yaml", "--yes"]));
    assert!(!plan.contains("- SLO"), "{plan}");
    std::fs::remove_file(at.join("slos/shop.yaml")).unwrap();
    let plan = ok(run(&["apply", "-f", "slos", "--yes", "--prune"]));
    assert!(plan.contains("- SLO checkout") && plan.contains("- file slos/shop.yaml"), "{plan}");
    let listed = ok(run(&["get", "slos"]));
    assert!(listed.contains("cart") && !listed.contains("checkout"), "{listed}");
    assert!(ok(run(&["get", "definitions"])).contains("slos/cart.yaml"));
    assert_eq!(ok(run(&["get", "definitions", "slos/cart.yaml"])), document("cart", "0.9"));
    let missing = run(&["slo", "status", "crat"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("did you mean `cart`?"), "{}", missing.err);
}

#[test]
fn the_servers_own_files_are_read_again_when_they_change() {
    let home = directory(&[]);
    let at = home.path();
    std::fs::create_dir(at.join("own")).unwrap();
    std::fs::write(at.join("own/a.yaml"), document("checkout", "0.9")).unwrap();
    let (mut server, url) = serve(at, "127.0.0.1:0", &["--slo", "own"]);
    let run = |args: &[&str]| flyball(at, &[args, &["--server", &url]].concat());

    std::fs::write(at.join("own/b.yaml"), document("cart", "0.9")).unwrap();
    server.wait_for("are in force");
    assert!(ok(run(&["get", "slos"])).contains("cart"));

    // Written beside and put in place, as editors do; with a mistake, so the old set goes on.
    let wrong = document("cart", "0.9").replace("status < 500", "status <");
    std::fs::write(at.join("b.tmp"), wrong).unwrap();
    std::fs::rename(at.join("b.tmp"), at.join("own/b.yaml")).unwrap();
    server.wait_for("refused");
    assert!(ok(run(&["get", "slos"])).contains("cart"));
    assert!(ok(run(&["get", "definitions"])).contains("refused"));

    std::fs::remove_file(at.join("own/b.yaml")).unwrap();
    server.wait_for("are in force");
    assert!(!ok(run(&["get", "slos"])).contains("cart"));
    assert!(!ok(run(&["get", "definitions"])).contains("refused"));
}

#[test]
fn a_server_that_is_not_there_is_told_with_what_to_do() {
    let home = directory(&[]);
    let ran = flyball(home.path(), &["budget", "--server", "http://127.0.0.1:1"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("cannot reach") && ran.err.contains("hint:"), "{}", ran.err);
}

#[test]
fn what_corrections_have_taken_out_is_told() {
    let home = directory(&[]);
    let at = home.path();
    std::fs::write(at.join("slo.yaml"), document("checkout", "0.9")).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| flyball(at, &[args, &["--server", &url]].concat());
    ok(run(&["apply", "-f", "slo.yaml", "--yes"]));
    let mut child = command(at, &["tail", "--server", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = child.stdout.take().unwrap();
    let mut tail = Process::new(child, said);
    tail.wait_for("no data");
    send(&url, 100, 5);
    tail.wait_for("5 bad of 100");
    let correction = "apiVersion: flyball.dev/v1\nkind: Correction\nmetadata: {name: move}\n\
                      spec: {mode: drop, category: maintenance, author: ann, reason: the database was moved,\n  \
                      schedule: {start: 2020-01-01T00:00:00Z, end: 2099-01-01T00:00:00Z}}\n";
    std::fs::write(at.join("move.yaml"), correction).unwrap();
    ok(run(&["apply", "-f", "move.yaml", "--yes"]));
    let told = "corrected by move (maintenance, ann): 100 events taken out, 5 of them bad: the database was moved";
    for asked in [&["slo", "status", "checkout"][..], &["budget"]] {
        let said = run(asked);
        assert!(said.out.contains(told), "{said:?}");
    }
    let json = run(&["budget", "-o", "json"]).json();
    let changed = &json["slos"][0]["corrections"][0];
    assert_eq!(
        (&changed["before"]["bad"], &changed["after"]["valid"]),
        (&5.into(), &0.into()),
        "{json}"
    );
}

/// What a disk holds that does not confirm a write is known at the next start only.
#[test]
fn a_server_whose_disk_fails_says_so_and_ends() {
    let home = directory(&[("slo.yaml", document("checkout", "0.9").as_bytes())]);
    let at = home.path();
    let (library, fails) = (flyball_testkit::failing_sync(at), at.join("fails"));
    let args = ["serve", "--data", "data", "--listen", "127.0.0.1:0", "--slo", "slo.yaml"];
    let mut failing = command(at, &args);
    failing.env("LD_PRELOAD", library).env("FAIL_SYNC_WHILE", &fails);
    let (server, url) = listening(&mut failing);
    send(&url, 10, 1);
    assert_eq!(flyball(at, &["ready", "--server", &url]).code, 0);
    std::fs::write(&fails, "").unwrap();
    assert_eq!(post(&url, 1, 0), 503);
    let said = server.failure().concat();
    assert!(said.contains("start the server again"), "{said}");

    std::fs::remove_file(&fails).unwrap();
    let (again, url) = serve(at, "127.0.0.1:0", &["--slo", "slo.yaml"]);
    let json = flyball(at, &["budget", "checkout", "-o", "json", "--server", &url]).json();
    assert_eq!(json["slos"][0]["objectives"][0]["budget"]["valid"], 10, "{json}");
    again.stop();
}
