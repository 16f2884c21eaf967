//! A store that cannot be written or read for a while: nothing is lost, nothing counts twice.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flyball_model::Duration;
use serde_json::Value;

use crate::harness::{NOON, Running, SHOP, TestClock, events, sources};

/// The SLO of the shop under another name.
fn named(name: &str) -> String {
    format!("---\n{}", SHOP.replace("{name: checkout}", &format!("{{name: {name}}}")))
}

/// Has the ledger's file below `data` refuse what `when` says.
fn refuse(data: &Path, when: &str) -> rusqlite::Connection {
    let ledger = rusqlite::Connection::open(data.join("ledger.sqlite")).unwrap();
    ledger.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let refused = "BEGIN SELECT RAISE(ABORT, 'there is no room'); END";
    ledger.execute_batch(&format!("CREATE TRIGGER refused BEFORE {when} {refused}")).unwrap();
    ledger
}

fn allow(ledger: &rusqlite::Connection) {
    ledger.execute_batch("DROP TRIGGER refused").unwrap();
}

fn has(valid: u64) -> impl Fn(&Value) -> bool {
    move |said| said["budget"]["valid"] == valid
}

/// Waits until `doing` has failed `times` often.
async fn fails(running: &Running, doing: &str, times: f64) {
    let name = format!("flyball_failures_total{{doing=\"{doing}\"}}");
    let look = async { while running.metric(&name).await < times {} };
    let most = std::time::Duration::from_mins(1);
    tokio::time::timeout(most, look).await.unwrap_or_else(|_| panic!("{name} stays below {times}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_could_not_be_installed_have_no_hole_when_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let all = SHOP.to_owned() + &["first", "second", "third"].map(named).concat();
    let ledger = refuse(directory.path(), "INSERT ON generations WHEN NEW.slo = 'third'");
    running.server.give(sources(&all)).await.unwrap_err();

    // Nobody counts these for those that were begun.
    clock.advance(Duration::from_minutes(5));
    running.post("/api/v1/events", events(clock.now(), 60, 6)).send().await.unwrap();
    clock.advance(Duration::from_minutes(1));
    running.budget("checkout", has(60)).await;

    allow(&ledger);
    running.server.give(sources(&all)).await.unwrap();
    for name in ["first", "second", "third"] {
        running.budget(name, has(60)).await;
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_that_could_not_be_written_counts_once() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    clock.advance(Duration::from_minutes(5));
    running.post("/api/v1/events", events(clock.now(), 60, 6)).send().await.unwrap();
    clock.advance(Duration::from_minutes(1));
    running.budget("checkout", has(60)).await;

    let ledger = refuse(
        directory.path(),
        "INSERT ON kept WHEN substr(NEW.key, 1, 4) = CAST('fill' AS BLOB)",
    );
    running.server.give(sources(&(SHOP.to_owned() + &named("late")))).await.unwrap();
    for times in 1..=3_u8 {
        fails(&running, "back-fill", times.into()).await;
        clock.advance(Duration::from_seconds(61));
    }
    allow(&ledger);
    clock.advance(Duration::from_seconds(61));
    let said = running.budget("late", |said| said["budget"]["valid"] != 0).await;
    assert_eq!(said["budget"]["valid"], 60, "{said}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_cannot_be_read_for_a_moment_are_counted_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Arc::new(Running::start(directory.path(), SHOP, &clock).await);
    clock.advance(Duration::from_minutes(5));
    let body = events(clock.now(), 20, 6);
    clock.advance(Duration::from_minutes(1));

    let (ended, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let sending: Vec<_> = (0..4)
        .map(|_| {
            let (running, body) = (Arc::clone(&running), body.clone());
            let (ended, sent) = (Arc::clone(&ended), Arc::clone(&sent));
            tokio::spawn(async move {
                while !ended.load(Ordering::SeqCst) {
                    let answer = running.post("/api/v1/events", body.clone()).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    sent.fetch_add(20, Ordering::SeqCst);
                }
            })
        })
        .collect();
    // What was decoded for other definitions than those in force is read from the journal again.
    let (journal, away) = (directory.path().join("journal"), directory.path().join("away"));
    std::fs::rename(&journal, &away).unwrap();
    let name = "flyball_failures_total{doing=\"read\"}";
    let both = SHOP.to_owned() + &named("second");
    for round in 0..1_000 {
        let documents = if round % 2 == 0 { both.as_str() } else { SHOP };
        running.server.give(sources(documents)).await.unwrap();
        if running.metric(name).await >= 1.0 {
            break;
        }
    }
    assert!(running.metric(name).await >= 1.0);
    std::fs::rename(&away, &journal).unwrap();
    ended.store(true, Ordering::SeqCst);
    for sending in sending {
        sending.await.unwrap();
    }
    running.budget("checkout", has(sent.load(Ordering::SeqCst))).await;
    Arc::into_inner(running).unwrap().server.stop().await;
}
