//! What a restart keeps.

use flyball_model::Duration;

use crate::harness::{NOON, Running, SHOP, TestClock, events, sources};

#[tokio::test(flavor = "multi_thread")]
async fn budgets_go_on_where_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let first = Running::start(directory.path(), SHOP, &clock).await;
    clock.advance(Duration::from_minutes(5));
    first.post("/api/v1/events", events(clock.now(), 60, 6)).send().await.unwrap();
    clock.advance(Duration::from_minutes(1));
    let before = first.budget("checkout", |said| said["budget"]["valid"] == 60).await;
    first.server.stop().await;
    let second = Running::start(directory.path(), SHOP, &clock).await;
    let after = second.budget("checkout", |said| said["budget"]["valid"] == 60).await;
    assert_eq!(before, after);
    second.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_target_keeps_the_counts() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    clock.advance(Duration::from_minutes(5));
    running.post("/api/v1/events", events(clock.now(), 60, 6)).send().await.unwrap();
    clock.advance(Duration::from_minutes(1));
    running.budget("checkout", |said| said["budget"]["valid"] == 60).await;

    let stricter = SHOP.replace("target: 0.9", "target: 0.99");
    running.server.give(sources(&stricter)).await.unwrap();
    let kept = running.budget("checkout", |said| said["budget"]["valid"] == 60).await;
    assert_eq!((&kept["status"], &kept["target"]), (&"missed".into(), &0.99.into()));

    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_budgets_does_not_keep_the_server_from_ending() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    let mut watching = reqwest::get(running.url("/api/v1/stream")).await.unwrap();
    assert!(watching.chunk().await.unwrap().is_some());
    let soon = std::time::Duration::from_secs(10);
    tokio::time::timeout(soon, running.server.stop()).await.unwrap();
    // The stream has ended in order, it was not cut off.
    while watching.chunk().await.unwrap().is_some() {}
}
