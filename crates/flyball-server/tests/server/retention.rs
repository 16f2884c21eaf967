//! What a server deletes when it is old, or takes too much room.

use std::path::Path;

use flyball_model::Duration;
use flyball_server::{Config, Limits, Retention, Settings};
use flyball_store::{JournalOptions, Store};

use crate::harness::{NOON, PATIENCE, Running, SHOP, TestClock, config, events};

fn journal_files(data: &Path) -> Vec<std::ffi::OsString> {
    let names =
        std::fs::read_dir(data.join("journal")).unwrap().map(|file| file.unwrap().file_name());
    names.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_goes_by_its_age_however_little_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let age = Duration::from_hours(1);
    let running = Running::of(Config {
        retention: Retention {
            journal_bytes_min: u64::MAX,
            journal_age_max: Some(age),
            ..Retention::default()
        },
        ..config(directory.path(), SHOP, &clock)
    })
    .await;
    clock.advance(Duration::from_minutes(5));
    // A file holds 64 MiB.
    let note = "x".repeat(Limits::default().request_bytes_max - (1 << 10));
    let line = events(clock.now(), 1, 2).replace('}', &format!(",\"note\":\"{note}\"}}"));
    while journal_files(directory.path()).len() < 2 {
        let answer = running.post("/api/v1/events", line.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let first = journal_files(directory.path()).into_iter().min();
    let mut ticks = running.server.ticks();
    let deleted = async {
        while running.metric("flyball_retention_deleted_files_total{class=\"journal\"}").await < 1.0
        {
            clock.advance(Duration::from_minutes(10));
            let _ = ticks.changed().await;
        }
    };
    tokio::time::timeout(PATIENCE, deleted).await.expect("a file is deleted");
    assert!(clock.now().since(flyball_model::Timestamp::parse(NOON).unwrap()) > age);
    let left = journal_files(directory.path()).into_iter().min();
    assert!(left > first, "{left:?}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_counts_go_where_the_ledger_is_too_large_but_none_that_a_window_needs() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let settings = Settings { ledger_bytes_max: Some(1), ..Settings::default() };
    let running = Running::of(Config { settings, ..config(directory.path(), SHOP, &clock) }).await;
    let begin = clock.now();
    // Slots rest in hours after some hundred commits.
    for _ in 0..300 {
        let before = running.position().await;
        clock.advance(Duration::from_minutes(2));
        running.post("/api/v1/events", events(clock.now(), 5, 6)).send().await.unwrap();
        running.counts_behind(before).await;
    }
    running.server.stop().await;
    let (store, at) =
        (Store::open(directory.path(), JournalOptions::default()).unwrap(), clock.now());
    let first = store.ledger.first_tallies().unwrap().unwrap();
    assert!(first > begin.plus(Duration::from_hours(4)), "{first}");
    // Twice the window of an hour.
    assert!(first <= at.minus(Duration::from_hours(2)), "{first}");
}
