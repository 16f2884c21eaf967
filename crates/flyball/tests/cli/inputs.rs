//! Inputs that are not what they should be: each is told what is wrong, where, and what to do.

use std::io::Write;

use crate::run::{directory, event, flyball, flyball_with_input, slo};

const SLO: &str = "slo.yaml";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn served() -> String {
    slo("served", "TRUE", "status < 500")
}

#[test]
fn what_nothing_can_be_read_of_comes_with_what_to_do() {
    let one = event(1, 200);
    let [line] = one.lines().collect::<Vec<_>>()[..] else { panic!("one line") };
    let packed = gzip(one.as_bytes());
    for (name, content, shown, hint) in [
        ("a", format!("[{line},{line}]").into_bytes(), "a:1:1: [{", "jq -c '.[]' FILE"),
        ("a.json", format!("[\n  {line},\n").into_bytes(), "a.json:1:1: [", "jq -c '.[]' FILE"),
        (
            "p.json",
            line.replace(',', ",\n").replace('{', "{\n").into_bytes(),
            "p.json:1:2: {",
            "jq -c . FILE",
        ),
        ("t.gz", packed[..12].to_vec(), "t.gz:1: ", "gzip -t"),
        (
            "d.parquet",
            b"PAR1 and then nothing".to_vec(),
            "d.parquet:1: ",
            "a Parquet file is read from its end",
        ),
        (
            "m.json",
            br#"{"resourceMetrics":[{"scopeMetrics":[]}]}"#.to_vec(),
            "m.json:1",
            "export traces or logs",
        ),
        (
            "cr.csv",
            b"time,status\r2026-01-01T00:00:00Z,200\r2026-01-01T00:00:01Z,200\r".to_vec(),
            "cr.csv:1:12: time,status\\r2026",
            "tr '\\r' '\\n' < FILE",
        ),
    ] {
        let directory = directory(&[(SLO, served().as_bytes()), (name, &content)]);
        let ran = flyball(directory.path(), &["replay", "--slo", SLO, name]);
        assert_eq!(ran.code, 2, "{name}: {ran:?}");
        assert!(ran.err.contains(shown) && ran.err.contains(hint), "{name}: {}", ran.err);
        assert!(!ran.err.contains("--map") && !ran.err.contains("--format"), "{}", ran.err);
    }
    // Records that were cut off have a time; to rename it would not help.
    let directory = directory(&[(SLO, served().as_bytes()), ("cut", &one.as_bytes()[..40])]);
    let ran = flyball(directory.path(), &["replay", "--slo", SLO, "cut"]);
    assert_eq!(ran.code, 2);
    assert!(!ran.err.contains("--map time=time"), "{}", ran.err);
}

#[test]
fn what_follows_a_compressed_input_is_told_and_the_input_counted() {
    let packed = gzip((event(1, 200) + &event(2, 500)).as_bytes());
    let trailed = [&packed[..], b"more"].concat();
    let directory = directory(&[(SLO, served().as_bytes()), ("a.gz", &trailed)]);
    let ran = flyball(directory.path(), &["replay", "--slo", SLO, "a.gz"]);
    let place = format!("from byte {} on it is no gzip", packed.len() + 1);
    assert!(ran.err.contains("other bytes follow the compressed data"), "{}", ran.err);
    assert!(ran.err.contains(&place) && ran.err.contains("cut them off"), "{}", ran.err);
    assert!(ran.out.contains("a.gz: ndjson, 2 lines, 2 events, "), "{}", ran.out);
    assert!(ran.out.contains("    hint: cut them off"), "{}", ran.out);
}

#[test]
fn one_line_is_one_line_and_a_cut_one_is_counted() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder
        .write_all(&[event(1, 200).as_bytes(), &event(2, 200).as_bytes()[..30]].concat())
        .unwrap();
    encoder.flush().unwrap();
    let files = [
        (SLO, served()),
        ("one", event(1, 200)),
        ("blank", "\n".to_owned()),
        ("empty", String::new()),
    ];
    let mut files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    files.push(("cut.gz", encoder.get_ref()));
    let directory = directory(&files);
    let all = ["replay", "--slo", SLO, "one", "blank", "empty", "cut.gz"];
    let ran = flyball(directory.path(), &all);
    for line in [
        "one: ndjson, 1 line, 1 event, 2026-",
        "blank: empty, 1 line, 0 events\n",
        "empty: empty, 0 lines, 0 events\n",
        "cut.gz: ndjson, 2 lines, 1 event, 2026-",
    ] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
}

#[test]
fn a_file_of_two_names_is_read_once() {
    let events = event(1, 200);
    let directory = directory(&[(SLO, served().as_bytes()), ("a", events.as_bytes())]);
    let ran = flyball(directory.path(), &["replay", "--slo", SLO, "a", "./a", "-o", "json"]);
    assert_eq!(ran.json()["events"], 1, "{ran:?}");
    assert!(ran.err.contains("named more than once and read once: ./a"), "{}", ran.err);
    let ran = flyball(directory.path(), &["replay", "--slo", SLO, "a", "-o", "json"]);
    assert!(!ran.err.contains("read once"), "{}", ran.err);
}

#[test]
fn documents_can_come_from_standard_input_where_events_do_not() {
    let events = event(1, 200);
    let directory = directory(&[(SLO, served().as_bytes()), ("a", events.as_bytes())]);
    let run = |args: &[&str]| flyball_with_input(directory.path(), args, served().as_bytes());
    let ran = run(&["replay", "--slo", "-", "a"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("served"), "{}", ran.out);
    let ran = run(&["replay", "--slo", "-", "-"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("both the SLO documents and the events"), "{}", ran.err);
}

#[test]
fn names_in_warnings_are_code_on_the_page() {
    let events = event(1, 200);
    let slo = slo("served", "status = 404", "status < 500");
    let directory = directory(&[(SLO, slo.as_bytes()), ("a", events.as_bytes())]);
    let ran = flyball(directory.path(), &["replay", "--slo", SLO, "a", "-o", "html"]);
    let warning = "<li>SLO <code>served</code>: no event matches <code>status = 404</code></li>";
    assert!(ran.out.contains(warning), "{}", ran.err);
}

#[test]
fn values_that_are_left_out_are_told_by_every_command() {
    let both = event(1, 200)
        .replace("\"status\":200", "\"http.status_code\":500,\"http.response.status_code\":200");
    let slo = slo("served", "TRUE", "http.response.status_code < 500");
    let csv = "time,http.response.status_code,http.response.status_code\n\
               2026-03-01T00:00:01Z,200,500\n";
    let directory = directory(&[
        (SLO, slo.as_bytes()),
        ("both.ndjson", both.as_bytes()),
        ("twice.csv", csv.as_bytes()),
    ]);
    for (name, warning) in [
        (
            "both.ndjson",
            "`http.response.status_code`, `http.status_code` are both read as \
             `http.response.status_code`",
        ),
        ("twice.csv", "column 3 is called `http.response.status_code` like one before it"),
    ] {
        let query = "SELECT \"http.response.status_code\" FROM events";
        for arguments in [
            &["replay", "--slo", SLO, name][..],
            &["query", query, name],
            &["slo", "suggest", name],
        ] {
            let ran = flyball(directory.path(), arguments);
            let told = (ran.out.clone() + &ran.err).replace('\n', " ");
            assert!(told.contains(warning), "{arguments:?}: {ran:?}");
        }
        let ran = flyball(directory.path(), &["query", query, name]);
        assert!(ran.out.contains("200") && !ran.out.contains("500"), "{ran:?}");
    }
}
