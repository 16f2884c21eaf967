//! `slo suggest`: what it writes loads, lints without errors, and is met by the same inputs.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::slo;
use crate::run::{flyball, root};

/// Suggests from `inputs` (with the flags in them), then lints and replays what was suggested over
/// the same inputs; gives the YAML and the replay.
fn round_trip(directory: &Path, inputs: &[&str]) -> (String, Value) {
    let ran = slo(directory, &[&["suggest"], inputs].concat());
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let again = slo(directory, &[&["suggest"], inputs].concat());
    assert_eq!(ran.out, again.out, "two runs differ");
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("proposed.yaml");
    std::fs::write(&path, &ran.out).unwrap();
    let path = path.to_str().unwrap();
    let lint = slo(directory, &["lint", path]);
    assert_eq!(lint.code, 0, "{}\n{}", lint.out, ran.out);
    let fmt = slo(directory, &["fmt", "--check", path]);
    assert_eq!(fmt.code, 0, "not as `slo fmt` writes it: {}\n{}", fmt.err, ran.out);
    let replay = flyball(directory, &[&["replay", "--slo", path, "-o", "json"], inputs].concat());
    assert_eq!(replay.code, 0, "{}\n{}\n{}", ran.out, replay.out, replay.err);
    let replay = replay.json();
    for slo in replay["slos"].as_array().unwrap() {
        assert_eq!(slo["status"], "met", "{slo:#}");
        // The evidence in the comments is what the replay counts.
        let budget = &slo["objectives"][0]["budget"];
        let count = |key: &str| thousands(budget[key].as_u64().unwrap());
        let counted = format!("{} of {} bad", count("bad"), count("valid"));
        assert!(ran.out.contains(&counted), "{}: {counted} is not in\n{}", slo["slo"], ran.out);
        assert!(budget["spent_share"].as_f64().unwrap() <= 0.7, "{slo:#}");
    }
    (ran.out, replay)
}

/// A count below a million as people write it.
fn thousands(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        _ => format!("{},{:03}", count / 1_000, count % 1_000),
    }
}

fn names(replay: &Value) -> Vec<&str> {
    replay["slos"].as_array().unwrap().iter().map(|slo| slo["slo"].as_str().unwrap()).collect()
}

fn target(replay: &Value, name: &str) -> f64 {
    let slo = replay["slos"].as_array().unwrap().iter().find(|slo| slo["slo"] == name);
    slo.unwrap()["objectives"][0]["target"].as_f64().unwrap()
}

/// `count` requests a minute apart; `describe` gives the rest of each event.
fn events(count: u64, describe: impl Fn(u64) -> String) -> String {
    (0..count).fold(String::new(), |mut out, number| {
        let second = 1_767_225_600 + number * 60;
        writeln!(out, "{{\"time\":{second},{}}}", describe(number)).unwrap();
        out
    })
}

#[test]
fn real_access_logs_are_met_by_what_they_suggest() {
    let data = root().join("crates/flyball-events/tests/data/access-logs");
    let mut seen = 0;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        if !name.contains("combined") && !name.contains("common") {
            continue;
        }
        let (yaml, replay) = round_trip(&data, &[name]);
        assert!(names(&replay).iter().any(|slo| slo.ends_with("-availability")), "{name}: {yaml}");
        seen += 1;
    }
    assert!(seen >= 2, "only {seen} real logs were found in {}", data.display());
}

#[test]
fn each_service_gets_availability_and_two_latencies() {
    let dir = tempfile::tempdir().unwrap();
    // 20,000 events: 2 of 1,000 fail (0.2 %); durations 1 to 100 ms evenly.
    let text = events(20_000, |number| {
        let status = if number % 1_000 < 2 { 500 } else { 200 };
        let duration = number % 100 + 1;
        format!(
            "\"service.name\":\"Shop API\",\"http.response.status_code\":{status},\"duration_ms\":{duration}"
        )
    });
    std::fs::write(dir.path().join("a.ndjson"), text).unwrap();
    let (yaml, replay) = round_trip(dir.path(), &["a.ndjson"]);
    assert_eq!(
        names(&replay),
        ["shop-api-availability", "shop-api-latency-90", "shop-api-latency-99"]
    );
    // 0.2 % bad spends 40 % of the budget at 99.5 % and 200 % at 99.9 %.
    assert_eq!(target(&replay, "shop-api-availability"), 0.995);
    assert!(yaml.contains("99.9% is not kept: 40 of 20,000 bad would spend 200%"), "{yaml}");
    // 7 % may exceed the threshold of the 90 % target: the first one past 93 ms is 100 ms.
    assert!(yaml.contains("where: duration_ms <= 100"), "{yaml}");
    assert!(yaml.contains("service.name = 'Shop API'"), "{yaml}");
    let table = slo(dir.path(), &["suggest", "-o", "table", "a.ndjson"]);
    assert!(table.out.contains("40 / 20,000"), "{}", table.out);
    assert!(
        table.out.contains("Stricter:\n  shop-api-availability: 99.9% is not kept"),
        "{table:?}"
    );
    assert!(table.out.lines().all(|line| line.chars().count() <= 120), "{}", table.out);
}

#[test]
fn one_bad_day_is_not_hidden_by_good_ones() {
    let dir = tempfile::tempdir().unwrap();
    // Ten days of a request a minute; in one day 20 of 1,440 fail: 0.14 % of all, 1.4 % that day.
    let text = events(14_400, |number| {
        let status = if (7_200..8_640).contains(&number) && number % 72 == 0 { 503 } else { 200 };
        format!("\"service.name\":\"a\",\"http.response.status_code\":{status}")
    });
    std::fs::write(dir.path().join("a.ndjson"), text).unwrap();
    let (yaml, replay) = round_trip(dir.path(), &["a.ndjson"]);
    // 99.5 % would be kept by all ten days together (28 % spent), and not by that day (278 %).
    assert_eq!(target(&replay, "a-availability"), 0.97, "{yaml}");
    assert!(yaml.contains("alone would overspend"), "{yaml}");
    // The outage that 3 % allow of the window asked for, whatever a month has.
    assert!(yaml.contains("or a total outage of 20 h 10 min in 28d."), "{yaml}");
    let week = slo(dir.path(), &["suggest", "--objective-window", "7d", "a.ndjson"]);
    assert!(week.out.contains("or a total outage of 5 h 2 min in 7d."), "{}", week.out);
}

#[test]
fn events_without_a_service_take_the_given_name_or_the_file_s() {
    let dir = tempfile::tempdir().unwrap();
    let text = events(5_000, |_| "\"http.response.status_code\":200".to_owned());
    std::fs::write(dir.path().join("front.door.ndjson"), text).unwrap();
    let (yaml, replay) = round_trip(dir.path(), &["front.door.ndjson"]);
    assert_eq!(names(&replay), ["front-availability"]);
    assert!(!yaml.contains("service.name"), "{yaml}");
    let (yaml, replay) = round_trip(dir.path(), &["--service", "door", "front.door.ndjson"]);
    assert_eq!(names(&replay), ["door-availability"]);
    assert!(yaml.contains("service.name = 'door'"), "{yaml}");
    assert!(yaml.contains("Not proposed: latency: no event has `duration_ms`"), "{yaml}");
}

#[test]
fn spans_inside_a_service_are_no_requests() {
    let dir = tempfile::tempdir().unwrap();
    let text = events(6_000, |number| {
        let kind = if number % 2 == 0 { "SERVER" } else { "CLIENT" };
        let status = if number % 2 == 1 { "ERROR" } else { "UNSET" };
        format!(
            "\"service.name\":\"a\",\"span.kind\":\"{kind}\",\"otel.status_code\":\"{status}\",\"duration_ms\":5.5"
        )
    });
    std::fs::write(dir.path().join("a.ndjson"), text).unwrap();
    let (yaml, replay) = round_trip(dir.path(), &["a.ndjson"]);
    assert_eq!(target(&replay, "a-availability"), 0.9990, "{yaml}");
    assert!(yaml.contains("3,000 spans inside or towards others left out"), "{yaml}");
}

#[test]
fn too_little_is_said_to_be_too_little() {
    let dir = tempfile::tempdir().unwrap();
    let text = events(12, |_| "\"http.response.status_code\":200".to_owned());
    std::fs::write(dir.path().join("a.ndjson"), text).unwrap();
    let ran = slo(dir.path(), &["suggest", "a.ndjson"]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    assert!(ran.out.contains("12 events with 0 bad are too few to tell"), "{}", ran.out);
    std::fs::write(dir.path().join("b.ndjson"), "\n").unwrap();
    let empty = slo(dir.path(), &["suggest", "b.ndjson"]);
    assert_eq!(empty.code, 3, "{empty:?}");
    assert!(empty.err.contains("there are no events in the inputs"), "{empty:?}");
}

#[test]
fn each_slo_of_a_service_that_ended_before_the_others_says_where_it_is_met() {
    // Two sites: one for thirteen months, the other for the first of them only.
    let format = r#"apache:%v,%p,%h,%l,%u,%t,%I,%O,%S,%B,%{ms}T,%D,%^FB,%>s,"%H","%m","%U","%q","%{Referer}i","%{User-Agent}i","%{VARNAME}C",%L"#;
    let data = root().join("crates/flyball-events/tests/data/access-logs");
    let inputs = ["--format", format, "--map", "server.address=service.name", "site-timed.csv.zst"];
    let ran = slo(&data, &[&["suggest"][..], &inputs].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.out.contains("meets every SLO here"), "{}", ran.out);
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("proposed.yaml");
    std::fs::write(&path, &ran.out).unwrap();
    let path = path.to_str().unwrap();
    let replay = |at: &[&str]| {
        flyball(&data, &[&["replay", "--slo", path, "-o", "json"], at, &inputs].concat()).json()
    };
    let default = replay(&[]);
    let of = |replay: &Value, name: &str| -> Value {
        let slos = replay["slos"].as_array().unwrap();
        slos.iter().find(|slo| slo["slo"] == name).unwrap()["status"].clone()
    };
    assert_eq!(of(&default, "farmwork-app-availability"), "no_data");
    let mut seen = 0;
    for document in ran.out.split("\n---\n") {
        let name = document.split("\n  name: ").nth(1).unwrap().lines().next().unwrap();
        let (_, at) = document.split_once("# A replay with --at ").expect(document);
        let at = at.split(',').next().unwrap();
        assert_eq!(of(&replay(&["--at", at]), name), "met", "{document}");
        seen += 1;
    }
    assert_eq!(seen, 6, "{}", ran.out);
}

#[test]
fn what_could_not_be_read_is_shown_with_its_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let text = events(400, |_| "\"http.response.status_code\":200".to_owned());
    std::fs::write(dir.path().join("a.ndjson"), format!("{text}{{\"time\":oops}}\n")).unwrap();
    let ran = slo(dir.path(), &["suggest", "a.ndjson"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("warning: 1 line could not be read and is left out"), "{}", ran.err);
    assert!(ran.err.contains("    a.ndjson:401:9: {\"time\":oops}"), "{}", ran.err);
    std::fs::write(dir.path().join("b.ndjson"), "{\"when\":\"2026-03-01T00:00:00Z\"}\n").unwrap();
    let ran = slo(dir.path(), &["suggest", "b.ndjson"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("--map when=time"), "{}", ran.err);
}
