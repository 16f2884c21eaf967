//! Files that the server reads again, when what keeps it from that is not in them.

use std::path::Path;

use flyball_server::{Config, Given};
use serde_json::Value;

use crate::harness::{NOON, PATIENCE, Running, SHOP, TestClock, config};

async fn start(data: &Path, slos: &Path, clock: &TestClock) -> Running {
    let given = Given::Paths(vec![slos.to_owned()]);
    Running::of(Config { given, ..config(data, "", clock) }).await
}

/// Asks for the definitions until what is refused of them is as awaited.
async fn refused(running: &Running, is_awaited: impl Fn(&Value) -> bool) {
    let look =
        async { while !is_awaited(&running.get("/api/v1/definitions").await.1["refused"]) {} };
    tokio::time::timeout(PATIENCE, look).await.expect("what is refused changes");
}

fn other() -> String {
    SHOP.replace("name: checkout", "name: other")
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_a_locked_ledger_kept_from_being_taken_are_taken_later() {
    let directory = tempfile::tempdir().unwrap();
    let (data, slos) = (directory.path().join("data"), directory.path().join("slos"));
    std::fs::create_dir(&slos).unwrap();
    std::fs::write(slos.join("a.yaml"), SHOP).unwrap();
    let running = start(&data, &slos, &TestClock::at(NOON)).await;

    let ledger = rusqlite::Connection::open(data.join("ledger.sqlite")).unwrap();
    ledger.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::fs::write(slos.join("a.yaml"), other()).unwrap();
    refused(&running, |refused| refused["reason"].as_str().is_some()).await;
    ledger.execute_batch("COMMIT").unwrap();
    // Nothing happens to the file any more.
    refused(&running, Value::is_null).await;
    assert_eq!(running.get("/api/v1/slos/other").await.0, 200);
    assert_eq!(running.get("/api/v1/slos/checkout").await.0, 404);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_read_are_read_later() {
    let directory = tempfile::tempdir().unwrap();
    let (data, slos) = (directory.path().join("data"), directory.path().join("slos"));
    std::fs::create_dir(&slos).unwrap();
    std::fs::write(slos.join("a.yaml"), SHOP).unwrap();
    let running = start(&data, &slos, &TestClock::at(NOON)).await;

    // A link to where nothing is watched.
    let elsewhere = directory.path().join("elsewhere.yaml");
    std::fs::remove_file(slos.join("a.yaml")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, slos.join("a.yaml")).unwrap();
    refused(&running, |refused| refused["reason"].as_str().is_some()).await;
    std::fs::write(&elsewhere, other()).unwrap();
    refused(&running, Value::is_null).await;
    assert_eq!(running.get("/api/v1/slos/other").await.0, 200);
    running.server.stop().await;
}
