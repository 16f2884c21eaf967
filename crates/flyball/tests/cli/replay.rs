//! `flyball replay` end to end: real logs, hostile inputs, exit codes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use serde_json::Value;

use crate::run::{Ran, counts, directory, event, flyball, flyball_with_input, root, slo, slo_with};

const GOOD: &str = "http.response.status_code < 500";

fn replay(events: &[u8], args: &[&str]) -> Ran {
    let good = "status < 500";
    let directory =
        directory(&[("slo.yaml", slo("all", "TRUE", good).as_bytes()), ("events.ndjson", events)]);
    let mut all = vec!["replay", "--slo", "slo.yaml", "-o", "json"];
    all.extend(args);
    all.push("events.ndjson");
    flyball(directory.path(), &all)
}

/// (valid, good, bad) of the first objective of the first SLO.
/// The status of an access log line, read character by character as a person would.
fn naive_status(line: &str) -> Option<u16> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if quoted => return line[at + 1..].split_whitespace().next()?.parse().ok(),
            '"' => quoted = true,
            _ => {}
        }
    }
    None
}

#[test]
fn real_access_logs_count_to_the_last_event() {
    let logs = root().join("crates/flyball-events/tests/data/access-logs");
    let mut checked = 0;
    for name in
        ["site-combined.log", "site-common.log", "site-vhost-combined.log", "blog-combined.log.gz"]
    {
        let path = logs.join(name);
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let text = if bytes.starts_with(&[0x1f, 0x8b]) { gunzip(&bytes) } else { bytes };
        let text = String::from_utf8_lossy(&text);
        let statuses: Vec<u16> = text.lines().filter_map(naive_status).collect();
        let bad = statuses.iter().filter(|status| **status >= 500).count() as u64;
        let directory = directory(&[("slo.yaml", slo("site", "TRUE", GOOD).as_bytes())]);
        let args = ["replay", "--slo", "slo.yaml", "-o", "json", path.to_str().unwrap()];
        let ran = flyball(directory.path(), &args);
        let valid = statuses.len() as u64;
        assert_eq!(counts(&ran), (valid, valid - bad, bad), "{name}\n{}", ran.err);
        checked += 1;
    }
    assert!(checked >= 3, "only {checked} of the logs are in the repository");
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

/// A recording of 328,848 spans that is too large for the repository.
#[test]
fn spans_of_a_large_recording_count_to_the_last_event() {
    let recordings = std::env::var("FLYBALL_RECORDINGS")
        .map_or_else(|_| root().join("../shared/data"), std::path::PathBuf::from);
    let spans = recordings.join("traces/trainticket/spans.csv.zst");
    if !spans.exists() {
        println!("absent, so not checked: {} (set FLYBALL_RECORDINGS)", spans.display());
        return;
    }
    let text = zstd::decode_all(std::fs::File::open(&spans).unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    // Columns: TraceID,SpanID,ParentID,PodName,OperationName,Start,End,Duration (µs).
    let mut pods: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.rsplit(',').collect();
        let (duration, pod) = (fields[0].parse::<f64>().unwrap(), fields[4]);
        let counts = pods.entry(pod.to_owned()).or_default();
        counts.0 += 1;
        counts.1 += u64::from(duration <= 100_000.0);
    }
    let (pod, expected) = pods.iter().max_by_key(|(_, counts)| counts.0).unwrap();
    let total = format!("PodName = '{pod}'");
    let directory = directory(&[("slo.yaml", slo("pod", &total, "Duration <= 100000").as_bytes())]);
    let args = [
        "replay",
        "--slo",
        "slo.yaml",
        "-o",
        "json",
        "--map",
        "StartTimeUnixNano=time",
        spans.to_str().unwrap(),
    ];
    let ran = flyball(directory.path(), &args);
    assert_eq!(counts(&ran), (expected.0, expected.1, expected.0 - expected.1), "{}", ran.err);
}

#[test]
fn exit_codes_say_what_was_decided() {
    let good: String = (0..100).map(|second| event(second, 200)).collect();
    assert_eq!(replay(good.as_bytes(), &[]).code, 0);
    let bad = good.clone() + &event(100, 500) + &event(101, 503);
    let ran = replay(bad.as_bytes(), &[]);
    assert_eq!((ran.code, counts(&ran)), (1, (102, 100, 2)));
    assert_eq!(replay(b"", &[]).code, 3);
    assert_eq!(replay(good.as_bytes(), &["--from", "2027-01-01"]).code, 3);
    assert_eq!(replay(good.as_bytes(), &["--from", "yesterday"]).code, 2);
    assert_eq!(replay(b"{\"time\":\"2026-01-01T00:00:00Z\",\"Status\":200}", &[]).code, 2);
    let empty = directory(&[]);
    assert_eq!(flyball(empty.path(), &["replay", "--slo", "no.yaml", "no.log"]).code, 2);
    assert_eq!(flyball(empty.path(), &["replay"]).code, 2);
    assert_eq!(flyball(empty.path(), &["--help"]).code, 0);
}

#[test]
fn order_duplicates_and_line_ends_do_not_matter() {
    let ordered: String = (0..200).map(|s| event(s, if s % 50 == 0 { 500 } else { 200 })).collect();
    let expected = (200, 196, 4);
    assert_eq!(counts(&replay(ordered.as_bytes(), &[])), expected);
    let mut lines: Vec<&str> = ordered.lines().collect();
    lines.reverse();
    let reversed = lines.join("\r\n");
    let ran = replay(reversed.as_bytes(), &[]);
    assert_eq!(counts(&ran), expected, "CRLF, reversed, no newline at the end");
    let twice = ordered.clone() + &ordered;
    assert_eq!(counts(&replay(twice.as_bytes(), &[])), (400, 392, 8), "never merged by content");
}

#[test]
fn what_cannot_be_read_is_counted_with_its_reason_and_place() {
    let mut events = Vec::new();
    let good = |second: u32| event(second, 200).into_bytes();
    let line = |text: &[u8]| [text, b"\n"].concat();
    let deep = format!(
        "{{\"time\":\"2026-01-01T00:00:00Z\",\"a\":{}1{}}}",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let wrong: Vec<Vec<u8>> = vec![
        line(b"not json"),
        line(b"{\"time\":\"2026-01-01T00:00:00Z\",\"status\":NaN}"),
        line(b"{\"time\":\"2026-01-01T00:00:00Z\",\"status\":\"\xff\xfe\"}"),
        line(b"{\"time\":\"no time\",\"status\":200}"),
        line(b"{\"status\":200}"),
        line(b"[1,2]"),
        line(deep.as_bytes()),
        line(b"{\"time\":\"2026-01-01T00:00:00Z\",\"status\":200"),
    ];
    for (at, wrong) in wrong.iter().enumerate() {
        events.extend(good(u32::try_from(at).unwrap()));
        events.extend(wrong);
    }
    let ran = replay(&events, &[]);
    let n = wrong.len() as u64;
    assert_eq!(counts(&ran), (n, n, 0), "{}", ran.err);
    let json = ran.json();
    assert_eq!(json["rejected"], n);
    let lines: Vec<u64> = json["inputs"][0]["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|reason| reason["examples"].as_array().unwrap())
        .map(|example| example["line"].as_u64().unwrap())
        .collect();
    assert!(lines.contains(&2) && lines.iter().all(|line| line % 2 == 0), "{lines:?}");

    let strict = replay(&events, &["--strict"]);
    assert_eq!(strict.code, 2);
    assert!(strict.err.contains("events.ndjson:2:"), "{}", strict.err);
}

#[test]
fn strange_numbers_are_numbers_or_text_and_never_lost() {
    let line = |second: u32, status: &str| {
        format!("{{\"time\":\"2026-01-01T00:00:{second:02}Z\",\"status\":{status}}}\n")
    };
    // Numbers below 500 are good, numbers above bad, what is no number is undecided and bad.
    let events = [
        line(1, "200"),
        line(2, "-0.0"),
        line(3, "1e400"),
        line(4, "9007199254740993"),
        line(5, "123456789012345678901234567890"),
        line(6, "\"200\""),
        line(7, "\"many\""),
        line(8, "null"),
        line(9, "-1e-400"),
    ]
    .concat();
    let ran = replay(events.as_bytes(), &[]);
    let (valid, good, bad) = counts(&ran);
    assert_eq!((valid, good + bad), (9, 9));
    let budget = &ran.json()["slos"][0]["objectives"][0]["budget"];
    // 1e400 is past every double, so past 500; "200" says a number; "many" and null have none.
    assert_eq!((good, bad, budget["undecided"].as_u64()), (4, 5, Some(2)), "{budget}");
}

#[test]
fn a_megabyte_in_a_line_is_an_event_like_any_other() {
    let long = format!(
        "{{\"time\":\"2026-01-01T00:00:00Z\",\"blob\":\"{}\",\"status\":503}}\n",
        "x".repeat(1 << 20)
    );
    let events = event(1, 200) + &long + &event(2, 200);
    assert_eq!(counts(&replay(events.as_bytes(), &[])), (3, 2, 1));
}

#[test]
fn events_from_the_future_are_left_out_and_counted() {
    let mut events: String = (0..50).map(|second| event(second, 200)).collect();
    events += "{\"time\":\"2199-01-01T00:00:00Z\",\"status\":500}\n";
    let ran = replay(events.as_bytes(), &[]);
    assert_eq!(counts(&ran), (50, 50, 0));
    assert_eq!(ran.json()["events_in_future"], 1);
    assert_eq!(ran.json()["at"], "2026-01-01T00:00:50Z");
    // Whoever names a moment in the future gets the same answer whatever the clock says.
    for asked in ["--at", "--to"] {
        let ran = replay(events.as_bytes(), &[asked, "2199-01-02"]);
        assert_eq!(ran.json()["events_in_future"], 0, "{asked}");
        assert_eq!(ran.json()["events_outside_range"], 0, "{asked}");
    }
}

#[test]
fn a_truncated_gzip_gives_what_it_has_and_says_so() {
    let events: String = (0..3000).map(|second| event(second, 200)).collect();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(events.as_bytes()).unwrap();
    let mut gz = gz.finish().unwrap();
    gz.truncate(gz.len() / 2);
    let ran = replay(&gz, &[]);
    let (valid, good, bad) = counts(&ran);
    assert!(valid > 0 && valid < 3000 && good == valid && bad == 0, "{valid}");
    assert!(ran.err.contains("ends in the middle"), "{}", ran.err);
    assert_eq!(replay(&gz, &["--strict"]).code, 2);
}

#[test]
fn compressed_globbed_and_piped_inputs_are_one_stream() {
    let part = |range: std::ops::Range<u32>| range.map(|s| event(s, 200)).collect::<String>();
    let zst = zstd::encode_all(part(0..10).as_bytes(), 1).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(part(10..20).as_bytes()).unwrap();
    let directory = directory(&[
        ("slo.yaml", slo("all", "TRUE", "status < 500").as_bytes()),
        // The names lie on purpose: content decides.
        ("a.log", &zst),
        ("b.log", &gz.finish().unwrap()),
    ]);
    let args = ["replay", "--slo", "slo.yaml", "-o", "json", "*.log", "-"];
    let ran = flyball_with_input(directory.path(), &args, part(20..30).as_bytes());
    assert_eq!(counts(&ran), (30, 30, 0), "{}", ran.err);
    assert_eq!(ran.json()["inputs"].as_array().unwrap().len(), 3);
    let ran = flyball(directory.path(), &["replay", "--slo", "slo.yaml", "*.nothing"]);
    assert!(ran.code == 2 && ran.err.contains("*.nothing"), "{}", ran.err);
}

#[test]
fn the_time_range_is_half_open() {
    let events: String = (0..60).map(|second| event(second, 200)).collect();
    let args = ["--from", "2026-01-01T00:00:10Z", "--to", "2026-01-01T00:00:20Z"];
    let ran = replay(events.as_bytes(), &args);
    assert_eq!(counts(&ran), (10, 10, 0));
    assert_eq!(ran.json()["events_outside_range"], 50);
    let ran = replay(events.as_bytes(), &["--at", "2026-01-01T00:00:30Z"]);
    assert_eq!(counts(&ran), (30, 30, 0), "windows end at the moment asked for");
}

#[test]
fn a_calendar_day_in_a_zone_holds_its_own_events() {
    // Berlin's day of 29 March 2026 has 23 hours: it begins at 23:00Z and ends at 22:00Z.
    let window = "duration: 1d, isRolling: false, calendar: {startTime: '2026-01-01 00:00:00', timeZone: Europe/Berlin}";
    let slo = slo_with("day", "TRUE", "status < 500", "0.9", window);
    let line = |time: &str| format!("{{\"time\":\"{time}\",\"status\":200}}\n");
    let events =
        [line("2026-03-28T22:59:59Z"), line("2026-03-28T23:00:00Z"), line("2026-03-29T21:59:59Z")]
            .concat();
    let directory =
        directory(&[("slo.yaml", slo.as_bytes()), ("events.ndjson", events.as_bytes())]);
    let ran =
        flyball(directory.path(), &["replay", "--slo", "slo.yaml", "-o", "json", "events.ndjson"]);
    assert_eq!(counts(&ran), (2, 2, 0), "{}", ran.err);
    let objective = &ran.json()["slos"][0]["objectives"][0];
    assert_eq!(objective["window"]["full"]["start"], "2026-03-28T23:00:00Z");
    assert_eq!(objective["window"]["full"]["end"], "2026-03-29T22:00:00Z");
    for key in ["bad_so_far", "budget_at_traffic_so_far", "projection"] {
        assert!(!objective["budget"]["calendar"][key].is_null(), "{key}");
    }
}

#[test]
fn a_wrong_condition_is_shown_under_its_word() {
    let events = event(1, 200);
    let run = |total: &str, good: &str| {
        let directory = directory(&[
            ("slo.yaml", slo("all", total, good).as_bytes()),
            ("events.ndjson", events.as_bytes()),
        ]);
        flyball(directory.path(), &["replay", "--slo", "slo.yaml", "events.ndjson"])
    };
    let ran = run("TRUE", "statsu < 500");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("slo.yaml:12:") && ran.err.contains("^^^^^^"), "{}", ran.err);
    assert!(ran.err.contains("did you mean `status`"), "{}", ran.err);
    let ran = run("TRUE", "status < < 500");
    assert!(ran.code == 2 && ran.err.contains("slo.yaml:12:"), "{}", ran.err);
    // All of a document's errors at once.
    let ran = run("status +", "status < < 500");
    assert!(ran.err.contains("slo.yaml:12:") && ran.err.contains("slo.yaml:13:"), "{}", ran.err);
}

#[test]
fn a_condition_that_cannot_mean_what_it_says_is_an_error() {
    let events = r#"{"time":1772323200,"method":"GET","status":200,"ok":true,"mixed":1}
{"time":1772323201,"method":"GET","status":500,"ok":false,"mixed":"a"}
"#;
    let run = |good: &str| {
        let directory = directory(&[
            ("slo.yaml", slo("all", "TRUE", good).as_bytes()),
            ("events.ndjson", events.as_bytes()),
        ]);
        flyball(directory.path(), &["replay", "--slo", "slo.yaml", "events.ndjson"])
    };
    for (good, said) in [
        ("status <> '5%'", "`status` is a number in every event, and '5%' is not"),
        ("status IN ('ok', 'fine')", "'ok' is not"),
        ("status BETWEEN 'a' AND 'b'", "'a' is not"),
        ("status / 100 <= '0.3s'", "is a number in every event, and '0.3s' is not"),
        ("status BETWEEN 0 AND '9s'", "is a number in every event, and '9s' is not"),
        ("status < '500'", "hint: without quotes it is a number: 500"),
        ("ok > 0", "`ok` is true or false in every event, and 0 is not"),
        ("status = TRUE", "`status` is a number in every event, and TRUE is not"),
        ("to_timestamp(method) + ok", "to_timestamp"),
        ("ok = 'yes'", "hint: write TRUE or FALSE without quotes"),
        ("method = GET", "hint: text stands in single quotes: 'GET'"),
        ("method IN ('PUT', GET)", "hint: text stands in single quotes: 'GET'"),
        ("missing > 1", "the events have: method, mixed, ok, status"),
        ("service.name = 'shop'", "--service NAME"),
        ("time > 5", "Cannot infer common argument type"),
        ("status", "not true or false"),
        ("count(*) > 3", "judges each event alone"),
    ] {
        let ran = run(good);
        assert_eq!(ran.code, 2, "{good}: {}", ran.out);
        assert!(ran.err.contains("slo.yaml:12:") && ran.err.contains(said), "{good}: {}", ran.err);
    }
    // Texts that say a number, patterns, and attributes that hold both are meant so.
    for good in [
        "status = '200'",
        "status IN (200, 'x')",
        "status IN ('200', 'x')",
        "status LIKE '2%'",
        "mixed = 'a'",
        "ok = 'true'",
    ] {
        let ran = run(good);
        assert_eq!(ran.code, 1, "{good}: {}", ran.err);
        assert!(ran.out.contains(" 50.0000%"), "{good}: {}", ran.out);
    }
}

#[test]
fn values_of_several_types_count_the_same_in_any_order() {
    let slo = slo("all", "status IS NOT NULL AND status < 600", "status < 500");
    let number = r#"{"time":1772323200,"status":200}"#.to_owned() + "\n";
    let text = r#"{"time":1772323201,"status":"500"}"#.to_owned() + "\n";
    let directory = directory(&[
        ("slo.yaml", slo.as_bytes()),
        ("number-first.ndjson", (number.clone() + &text).as_bytes()),
        ("text-first.ndjson", (text + &number).as_bytes()),
    ]);
    for file in ["number-first.ndjson", "text-first.ndjson"] {
        let ran = flyball(directory.path(), &["replay", "--slo", "slo.yaml", "-o", "json", file]);
        assert_eq!((counts(&ran), ran.code), ((2, 1, 1), 1), "{file}");
    }
}

#[test]
fn what_an_event_says_cannot_command_the_terminal() {
    let events = r#"{"time":1772323200,"status":200,"name":"\u001b[31mred\u0007\u202e"}"#;
    let directory = directory(&[("events.ndjson", events.as_bytes())]);
    let ran = flyball(directory.path(), &["query", "SELECT name FROM events", "events.ndjson"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let sliced = slo("all", "TRUE", "status < 500").replace("\"TRUE\"", "\"TRUE\", by: [name]");
    let events = r#"{"time":1772323200,"status":200,"name":"two\nlines"}"#;
    std::fs::write(directory.path().join("lines.ndjson"), events).unwrap();
    std::fs::write(directory.path().join("slo.yaml"), sliced).unwrap();
    let table = flyball(directory.path(), &["replay", "--slo", "slo.yaml", "lines.ndjson"]);
    assert!(table.out.contains("two\u{fffd}lines"), "{} {}", table.out, table.err);
    assert!(ran.out.contains("[31mred") && !ran.out.contains(['\u{1b}', '\u{7}', '\u{202e}']));
}

#[test]
fn a_condition_of_too_many_operators_is_refused_and_one_of_many_is_not() {
    let events = event(1, 200);
    for (first, more) in [
        ("1 = 1", " + 1"),
        ("TRUE", " AND TRUE"),
        ("FALSE", " OR TRUE"),
        ("status < 500", " AND status < 501"),
        ("'a' = 'a'", " || 'a'"),
        ("TRUE", " IS NOT NULL"),
    ] {
        for (times, code) in [(150, 0..=3), (5_000, 2..=2)] {
            let condition = first.to_owned() + &more.repeat(times);
            let directory = directory(&[
                ("slo.yaml", slo("all", "TRUE", &condition).as_bytes()),
                ("events.ndjson", events.as_bytes()),
            ]);
            let ran = flyball(directory.path(), &["replay", "--slo", "slo.yaml", "events.ndjson"]);
            assert!(code.contains(&ran.code), "{more} {times}: {} {}", ran.code, ran.err);
        }
    }
}

#[test]
fn inputs_that_have_nothing_to_do_with_the_slo_are_told() {
    let directory = directory(&[
        ("slo.yaml", slo("all", "service.name = 'shopp'", "status < 500").as_bytes()),
        ("events.ndjson", br#"{"time":"2026-03-01T00:00:00Z","service.name":"shop","status":200}"#),
        ("when.ndjson", br#"{"at":{"when":"2026-03-01T00:00:00Z"},"status":200}"#),
        ("own.log", b"2026-03-01 GET /\n2026-03-01 GET /a\n"),
    ]);
    let run = |args: &[&str]| {
        flyball(directory.path(), &[&["replay", "--slo", "slo.yaml"], args].concat())
    };
    let ran = run(&["events.ndjson"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("no event matches `service.name = 'shopp'`"), "{}", ran.err);
    assert!(ran.err.contains("the services there are: shop"), "{}", ran.err);
    let ran = run(&["--from", "2030-01-01", "events.ndjson"]);
    assert!(ran.err.contains("the only event lies outside the asked time range"), "{}", ran.err);
    let ran = run(&["when.ndjson"]);
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert!(ran.err.contains("hint: `at.when` may be the time of an event"), "{}", ran.err);
    assert!(ran.err.contains("    when.ndjson:1: {"), "{}", ran.err);
    // A rename that leads from nowhere, and one to a name that events have themselves.
    let ran = run(&["--map", "statsu=http.response.status_code", "events.ndjson"]);
    assert!(ran.err.contains("no event has `statsu`; did you mean status?"), "{}", ran.err);
    let ran = run(&["--map", "status=service.name", "events.ndjson"]);
    assert!(
        ran.err.contains("`service.name`, `status` all stand for `service.name`"),
        "{}",
        ran.err
    );
    let ran = run(&["--format", "nginx:@missing", "own.log"]);
    assert!(ran.code == 2 && ran.err.contains("cannot read the log format"), "{}", ran.err);
    let ran = run(&["--format", "nginx", "own.log"]);
    assert!(ran.code == 2 && ran.err.contains("`nginx:@FILE`"), "{}", ran.err);
    let ran = run(&["--format", "combined", "own.log"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("none of the 2 records") && ran.err.contains("nginx:"), "{}", ran.err);
}

#[test]
fn an_sli_that_is_a_query_is_named_and_not_decided() {
    let slo = slo("metrics", "TRUE", "TRUE")
        .replace("type: flyball, spec: {where: \"TRUE\"}", "type: prometheus, spec: {query: up}");
    let directory =
        directory(&[("slo.yaml", slo.as_bytes()), ("events.ndjson", event(1, 200).as_bytes())]);
    let ran = flyball(directory.path(), &["replay", "--slo", "slo.yaml", "events.ndjson"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("metrics"), "{}", ran.err);
}

#[test]
fn every_form_tells_the_same() {
    let events: String = (0..300).map(|s| event(s, if s == 7 { 500 } else { 200 })).collect();
    let directory = directory(&[
        ("slo.yaml", slo("all", "TRUE", "status < 500").as_bytes()),
        ("events.ndjson", events.as_bytes()),
    ]);
    let form = |form: &str| {
        flyball(directory.path(), &["replay", "--slo", "slo.yaml", "-o", form, "events.ndjson"]).out
    };
    let json: Value = serde_json::from_str(&form("json")).unwrap();
    assert_eq!(json["schema"], "flyball.dev/replay/v1");
    assert_eq!(json["slos"][0]["objectives"][0]["budget"]["bad"], 1);
    let table = form("table");
    assert!(table.contains("99.6666%") && table.contains("300"), "{table}");
    assert!(!table.contains('\x1b'), "no colour where there is no terminal");
    assert!(form("markdown").contains("| all | 99% | 99.6666% | met | 300 | 299 | 1 |"));
    let yaml = form("yaml");
    assert!(yaml.contains("schema: flyball.dev/replay/v1") && yaml.contains("bad: 1"), "{yaml}");
    let html = form("html");
    assert!(html.starts_with("<!doctype html>") || html.starts_with("<!DOCTYPE html>"));
}

#[test]
fn a_report_can_be_written_beside_the_table() {
    let directory = directory(&[
        ("slo.yaml", slo("all", "TRUE", "status < 500").as_bytes()),
        ("events.ndjson", event(1, 200).as_bytes()),
    ]);
    let args = ["replay", "--slo", "slo.yaml", "--html", "report.html", "events.ndjson"];
    let ran = flyball(directory.path(), &args);
    assert!(ran.code == 0 && ran.out.contains("1 of 1 objectives met"), "{} {}", ran.out, ran.err);
    let html = std::fs::read_to_string(directory.path().join("report.html")).unwrap();
    assert!(html.contains("</html>"));
    let args = ["replay", "--slo", "slo.yaml", "--html", "no/such/report.html", "events.ndjson"];
    assert_eq!(flyball(directory.path(), &args).code, 2);
}

#[test]
fn two_runs_say_the_same() {
    let events: String = (0..900).map(|s| event(s, if s % 97 == 0 { 500 } else { 200 })).collect();
    let first = replay(events.as_bytes(), &[]);
    assert_eq!(first.out, replay(events.as_bytes(), &[]).out);
}

#[test]
fn queries_run_over_the_same_inputs() {
    let events = event(1, 200) + &event(2, 500) + &event(3, 200);
    let directory = directory(&[("events.ndjson", events.as_bytes())]);
    let query = |sql: &str, input: &str| {
        flyball_with_input(
            directory.path(),
            &["query", "-o", "json", sql, input],
            events.as_bytes(),
        )
    };
    let sql = "SELECT status, count(*) AS n FROM events GROUP BY status ORDER BY status";
    let expected = "{\"status\":200,\"n\":2}\n{\"status\":500,\"n\":1}\n";
    assert_eq!(query(sql, "events.ndjson").out, expected);
    assert_eq!(query(sql, "-").out, expected, "standard input is read twice through a file");
    let ran = query("SELECT statsu FROM events", "events.ndjson");
    assert!(ran.code == 2 && ran.err.contains("did you mean status"), "{}", ran.err);
    assert_eq!(query("SELECT 1 FROM logs", "events.ndjson").code, 2);
}

#[test]
fn completions_and_man_pages_are_written() {
    let directory = directory(&[]);
    for shell in ["bash", "zsh", "fish"] {
        let ran = flyball(directory.path(), &["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("replay"), "{shell}");
    }
    assert_eq!(flyball(directory.path(), &["man", "."]).code, 0);
    assert!(Path::new(&directory.path().join("flyball-replay.1")).exists());
}
