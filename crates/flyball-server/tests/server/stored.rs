//! Stored events: what is counted again from them, and what another definition makes of them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flyball_catalog::Catalog;
use flyball_model::Duration;
use flyball_server::{Limits, Outcome, Verified, backup, doctor, restore, verify};
use serde_json::Value;

use crate::harness::{NOON, Running, SHOP, TestClock, events, sources};

/// The SLO by region, with few slices.
fn sliced() -> String {
    SHOP.replace(
        "total: {metricSource: {type: flyball, spec: {where: service.name = 'shop'}}}",
        "total: {metricSource: {type: flyball, spec: {where: service.name = 'shop', by: [region], sliceLimit: 3}}}",
    )
}

/// Events of five regions.
fn regional(clock: &TestClock, count: u32) -> String {
    let text = events(clock.now(), count, 6);
    let region = |(number, line): (usize, &str)| {
        line.replace("\"status\"", &format!("\"region\":\"r{}\",\"status\"", number % 5)) + "\n"
    };
    text.lines().enumerate().map(region).collect()
}

fn verified(data: &Path, documents: &str) -> Verified {
    verify(data, &Catalog::load(&sources(documents)).unwrap().0, &Limits::default()).unwrap()
}

async fn post(running: &Running, body: String) {
    let answer = running.post("/api/v1/events", body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// Waits until everything that came before is stored, and counted for the newest definition.
async fn filled(running: &Running) {
    let mut ticks = running.server.ticks();
    let stored = async {
        while running.get("/api/v1/slos/checkout").await.1["filling"] != Value::Null {
            let _ = ticks.changed().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), stored).await.unwrap();
}

fn is_filled(said: &Value, valid: u64) -> bool {
    said["budget"]["valid"] == valid
}

#[tokio::test(flavor = "multi_thread")]
async fn another_condition_is_counted_over_stored_events_while_the_one_before_serves() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    clock.advance(Duration::from_minutes(5));
    post(&running, events(clock.now(), 60, 6)).await;
    clock.advance(Duration::from_minutes(1));
    running.budget("checkout", |said| is_filled(said, 60)).await;

    let other = SHOP.replace("status < 500", "status < 200");
    running.server.give(sources(&other)).await.unwrap();
    post(&running, events(clock.now(), 6, 6)).await;
    clock.advance(Duration::from_minutes(1));
    let after = running.budget("checkout", |said| said["budget"]["bad"] == 66).await;
    assert_eq!(after["budget"]["valid"], 66, "each event once, those before and those since");

    // Back to the definition of before, whose own counts have a hole.
    running.server.give(sources(SHOP)).await.unwrap();
    let back = running.budget("checkout", |said| said["budget"]["bad"] == 11).await;
    assert_eq!(back["budget"]["valid"], 66);
    let (_, status) = running.get("/api/v1/slos/checkout").await;
    assert_eq!(status["filling"], Value::Null);
    assert_eq!(status["since"], "2026-03-02T12:00:00Z");
    running.server.stop().await;

    let verified = verified(directory.path(), SHOP);
    assert_eq!((verified.differing, verified.not_compared.len()), (0, 0), "{verified:?}");
    assert!(verified.slots > 0);
}

/// Whoever asks since when something is counted hears the same: what was stored before it was promised is counted.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_measured_begins_with_what_was_stored() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    clock.advance(Duration::from_minutes(5));
    post(&running, events(clock.now(), 60, 6)).await;
    clock.advance(Duration::from_minutes(20));
    let new =
        SHOP.replace("name: checkout", "name: fresh").replace("service: shop", "service: kiosk");
    let both = format!("{SHOP}---{new}");
    running.server.give(sources(&both)).await.unwrap();
    running.budget("fresh", |said| is_filled(said, 60)).await;
    let (_, status) = running.get("/api/v1/slos/fresh").await;
    let since = status["since"].as_str().unwrap();
    assert!(since < "2026-03-02T12:05:01Z", "{since}");
    let (_, measured) = running.get("/api/v1/services/kiosk/risks/measured").await;
    assert_eq!(measured["during"]["start"], since, "{measured}");
    // Its developers carry its pager since then as well.
    let (_, custody) = running.get("/api/v1/custody/kiosk").await;
    let held = (custody["since"].as_str(), custody["is_since_known"].as_bool());
    assert_eq!(held, (Some(since), Some(false)), "{custody}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_slo_that_is_new_and_sliced_is_filled_also_across_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    clock.advance(Duration::from_minutes(5));
    post(&running, regional(&clock, 100)).await;
    clock.advance(Duration::from_minutes(1));
    running.budget("checkout", |said| is_filled(said, 100)).await;
    running.server.stop().await;

    let running = Running::start(directory.path(), &sliced(), &clock).await;
    post(&running, regional(&clock, 50)).await;
    clock.advance(Duration::from_minutes(1));
    let filled = running.budget("checkout", |said| is_filled(said, 150)).await;
    let slices = filled["slices"].as_array().unwrap();
    let sum: u64 = slices.iter().map(|slice| slice["budget"]["valid"].as_u64().unwrap()).sum();
    assert_eq!((slices.len(), sum), (4, 150), "{slices:?}");
    running.server.stop().await;
    let verified = verified(directory.path(), &sliced());
    assert_eq!(
        (verified.differing, &*verified.slos),
        (0, &["checkout".to_owned()][..]),
        "{verified:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_changed_differs_from_what_was_stored() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    post(&running, events(clock.now(), 60, 6)).await;
    running.server.stop().await;
    assert_eq!(verified(directory.path(), SHOP).differing, 0);
    let limits = Limits::default();
    let findings = doctor(directory.path(), &limits, clock.now(), &mut |_, _| {});
    assert!(findings.iter().all(|finding| finding.outcome == Outcome::Well), "{findings:?}");
    let early = clock.now().minus(Duration::from_hours(1));
    let findings = doctor(directory.path(), &limits, early, &mut |_, _| {});
    let wrong: Vec<_> =
        findings.iter().filter(|f| f.outcome == Outcome::Wrong).map(|f| f.check).collect();
    assert_eq!(wrong, ["clock"]);

    let options = flyball_store::JournalOptions::default();
    let mut store = flyball_store::Store::open(directory.path(), options).unwrap();
    let snapshot = store.ledger.snapshot().unwrap();
    let generation = snapshot.generations().unwrap()[0].id;
    let (slice, _) = snapshot.slices(generation).unwrap()[0];
    let position = snapshot.position();
    drop(snapshot);
    let slot = flyball_model::Slot::of(clock.now(), flyball_store::Ledger::SLOT_WIDTH);
    let tally = flyball_model::Tally::new(1, 0).unwrap();
    let commit = flyball_store::Commit {
        after: position,
        through: position,
        deltas: vec![flyball_store::Delta { slice, slot, tally }],
        ..flyball_store::Commit::default()
    };
    store.ledger.commit(&commit).unwrap();
    drop(store);
    let found = verified(directory.path(), SHOP);
    assert_eq!((found.differing, found.differences[0].ledger), (1, tally), "{found:?}");
    assert_eq!(found.differences[0].at, clock.now());
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_reads_what_is_stored_and_what_has_just_come() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let limits = Limits { query_rows_max: 100, ..Limits::default() };
    let running = Running::with(directory.path(), SHOP, &clock, limits).await;
    post(&running, events(clock.now(), 60, 6)).await;
    // A new definition has everything stored that came before it.
    running.server.give(sources(&SHOP.replace("status < 500", "status < 400"))).await.unwrap();
    filled(&running).await;
    clock.advance(Duration::from_hours(2));
    post(
        &running,
        "{\"time\":\"2026-03-02T13:59:00Z\",\"service.name\":\"shop\",\"status\":\"lost\"}\n"
            .to_owned(),
    )
    .await;
    let ask = async |sql: &str, accept: &str| {
        let body = serde_json::json!({ "sql": sql }).to_string();
        let request = running.post("/api/v1/query", body).header("accept", accept);
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let json = "application/json";
    let (status, said) =
        ask("SELECT count(*) AS n, count(status) AS numbers FROM events", json).await;
    assert_eq!((status, &*said), (200, r#"[{"n":61,"numbers":60}]"#));
    let newest = "SELECT service.name, \"status~text\" AS s FROM events WHERE time >= '2026-03-02T13:00:00Z'";
    assert_eq!(ask(newest, "text/csv").await, (200, "service.name,s\nshop,lost\n".to_owned()));
    let oldest = "SELECT count(*) AS n FROM events WHERE time < '2026-03-02T12:00:00Z'";
    assert_eq!(ask(oldest, "application/x-ndjson").await, (200, "{\"n\":60}\n".to_owned()));

    let (status, said) = ask("SELECT a.status FROM events a, events b", json).await;
    assert_eq!(status, 422, "{said}");
    assert!(said.contains("more than 100 rows") && said.contains("\"hint\""), "{said}");
    let (status, said) = ask("DROP TABLE events", json).await;
    assert_eq!(status, 400, "{said}");
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tool_reads_what_is_stored() {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/duckdb/bin/python");
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    post(&running, events(clock.now(), 60, 6)).await;
    let at = clock.now().minus(Duration::from_seconds(1));
    let body = format!("{{\"time\":\"{at}\",\"status\":\"lost\",\"my note\":1.5}}\n");
    post(&running, body).await;
    running.server.give(sources(&SHOP.replace("status < 500", "status < 400"))).await.unwrap();
    filled(&running).await;
    let script = "import duckdb, sys; print(duckdb.sql(f\"\"\"
        select count(*), count(distinct \"~entry\"), sum(status), any_value(\"status~text\"),
               sum(\"my note\"), min(time)::text, count(\"service.name\")
        from read_parquet('{sys.argv[1]}/*.parquet', union_by_name = true)\"\"\").fetchall())";
    let files = directory.path().join("segments");
    let said = std::process::Command::new(&python)
        .env("TZ", "UTC")
        .args(["-c", script])
        .arg(files)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; `make duckdb` installs it", python.display()));
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8(said.stdout).unwrap();
    let sum = 50 * 200 + 10 * 503;
    let expected = format!("[(61, 2, {sum}, 'lost', 1.5, '2026-03-02 11:59:00', 60)]");
    assert_eq!(said.trim().replace("+00", ""), expected);
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_stored_events_and_those_on_their_way() {
    let directory = tempfile::tempdir().unwrap();
    let (data, copy) = (directory.path().join("data"), directory.path().join("copy"));
    let clock = TestClock::at(NOON);
    let running = Running::start(&data, SHOP, &clock).await;
    post(&running, events(clock.now(), 60, 6)).await;
    let other = SHOP.replace("status < 500", "status < 400");
    running.server.give(sources(&other)).await.unwrap();
    filled(&running).await;
    // In the journal only.
    post(&running, events(clock.now(), 6, 6)).await;
    running.server.stop().await;
    let made = backup(&data, &copy, &Limits::default()).unwrap();
    let again = directory.path().join("again");
    assert_eq!(restore(&copy, &again).unwrap().last, made.last);
    let found = verified(&again, &other);
    assert_eq!((found.differing, found.not_compared.len()), (0, 0), "{found:?}");
    assert!(found.slots > 0);
    // All of it is counted for another definition.
    let running = Running::start(&again, SHOP, &clock).await;
    filled(&running).await;
    clock.advance(Duration::from_seconds(20));
    let budget = running.budget("checkout", |said| said["budget"]["valid"] == 66).await;
    assert_eq!(budget["budget"]["bad"], 11);
    running.server.stop().await;
    std::fs::write(copy.join("segments/manifest.json"), "{}").unwrap();
    assert!(restore(&copy, &directory.path().join("third")).is_err());
}

/// Everything below `path` whose mode is another than that of what only its owner may use.
fn open_to_others(path: &Path) -> Vec<(PathBuf, u32)> {
    let found = std::fs::symlink_metadata(path).unwrap();
    let mode = found.permissions().mode() & 0o777;
    let mut open = Vec::new();
    if mode != if found.is_dir() { 0o700 } else { 0o600 } {
        open.push((path.to_owned(), mode));
    }
    if found.is_dir() {
        let entries = std::fs::read_dir(path).unwrap();
        open.extend(entries.flat_map(|entry| open_to_others(&entry.unwrap().path())));
    }
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_for_its_owner_alone_and_what_was_there_keeps_its_rights() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (data, copy, again) = (at("above/data"), at("copies/one"), at("again"));
    let clock = TestClock::at(NOON);
    let running = Running::start(&data, SHOP, &clock).await;
    post(&running, events(clock.now(), 60, 6)).await;
    let other = SHOP.replace("status < 500", "status < 400");
    running.server.give(sources(&other)).await.unwrap();
    filled(&running).await;
    // SQLite's own files are there as long as it runs.
    let wal = data.join("control.sqlite-wal");
    assert!(wal.exists(), "{}", wal.display());
    assert_eq!(open_to_others(&at("above")), []);
    running.server.stop().await;
    backup(&data, &copy, &Limits::default()).unwrap();
    restore(&copy, &again).unwrap();
    let segments = std::fs::read_dir(again.join("segments")).unwrap();
    assert!(segments.count() >= 2, "a manifest and events");
    for place in ["above", "copies", "again"] {
        assert_eq!(open_to_others(&at(place)), []);
    }

    std::fs::set_permissions(&again, Permissions::from_mode(0o750)).unwrap();
    let ledger = again.join("ledger.sqlite");
    std::fs::set_permissions(&ledger, Permissions::from_mode(0o640)).unwrap();
    let running = Running::start(&again, SHOP, &clock).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&again), mode(&ledger)), (0o750, 0o640));
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_needs_more_than_it_is_given_is_told_what() {
    let clock = TestClock::at(NOON);
    let usual = Limits::default;
    let no_time = Limits { query_time_max: std::time::Duration::ZERO, ..usual() };
    let no_memory = Limits { query_memory_max: 1, ..usual() };
    let no_room = Limits { queries_max: 0, ..usual() };
    let all =
        [(no_time, 422, "took longer"), (no_memory, 422, "memory"), (no_room, 429, "looked at")];
    for (limits, status, said) in all {
        let directory = tempfile::tempdir().unwrap();
        let running = Running::with(directory.path(), SHOP, &clock, limits).await;
        post(&running, events(clock.now(), 60, 6)).await;
        let sql = "SELECT status, count(*) FROM events GROUP BY 1 ORDER BY 2";
        let body = serde_json::json!({ "sql": sql }).to_string();
        let request = running.post("/api/v1/query", body);
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
        assert!(problem["hint"].is_string(), "{problem}");
        running.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_make_much_of_little_are_not_there() {
    let clock = TestClock::at(NOON);
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), SHOP, &clock).await;
    post(&running, events(clock.now(), 1, 2)).await;
    for made in ["length(repeat('x', 1000))", "lpad('x', 1000)", "range(1, 1000)"] {
        let body = serde_json::json!({ "sql": format!("SELECT {made}") }).to_string();
        let request = running.post("/api/v1/query", body);
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        assert_eq!(answer.status(), 400, "{made}");
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains("not there on a server"), "{problem}");
        assert!(!problem.to_string().contains("did you mean"), "{problem}");
    }
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_cannot_be_filled_does_not_hold_others() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = Running::start(directory.path(), SHOP, &clock).await;
    clock.advance(Duration::from_minutes(5));
    // Texts that do not compress: nearly all of the file is theirs.
    let mut state = 1_u64;
    let mut noise = || -> String {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("{:08x}", state >> 32)
        };
        (0..50).map(|_| next()).collect()
    };
    let body = events(clock.now(), 300, 3);
    let body: String = body
        .lines()
        .map(|line| {
            line.replace("\"status\"", &format!("\"noise\":\"{}\",\"status\"", noise())) + "\n"
        })
        .collect();
    post(&running, body).await;
    running.server.give(sources(&SHOP.replace("status < 500", "status < 501"))).await.unwrap();
    filled(&running).await;
    for entry in std::fs::read_dir(directory.path().join("segments")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if path.extension().is_some_and(|kind| kind == "parquet") {
            let length = bytes.len();
            bytes[length / 3..length / 2].fill(0xff);
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let noisy = SHOP.replace("status < 500", "status < 500 AND noise <> 'x'");
    running.server.give(sources(&noisy)).await.unwrap();
    post(&running, events(clock.now(), 1, 2)).await;
    let other = SHOP.replace("name: checkout", "name: other");
    running.server.give(sources(&format!("{noisy}\n---\n{other}"))).await.unwrap();
    clock.advance(Duration::from_minutes(1));
    let counted = running.budget("other", |said| is_filled(said, 301)).await;
    assert_eq!(counted["budget"]["bad"], 101, "{counted}");
    assert_ne!(running.get("/api/v1/slos/checkout").await.1["filling"], Value::Null);
    running.server.stop().await;
    let findings = doctor(directory.path(), &Limits::default(), clock.now(), &mut |_, _| {});
    let wrong: Vec<_> =
        findings.iter().filter(|f| f.outcome == Outcome::Wrong).map(|f| f.check).collect();
    assert_eq!(wrong, ["segments"]);
}
