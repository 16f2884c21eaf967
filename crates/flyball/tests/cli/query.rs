//! `flyball query`: SQL over events.

use super::process::{command, serve};
use super::run::{directory, flyball};

#[test]
fn what_could_not_be_read_is_told_with_reasons_and_examples() {
    let events =
        "{\"time\":1772323200,\"a\":1}\n{\"time\":1772323201,\n{\"time\":1772323202,\"a\":2}\n";
    let directory = directory(&[("events.ndjson", events.as_bytes())]);
    let ran = flyball(
        directory.path(),
        &["query", "-o", "csv", "SELECT sum(a) AS a FROM events", "events.ndjson"],
    );
    assert_eq!((ran.code, ran.out.as_str()), (0, "a\n3\n"), "{}", ran.err);
    assert!(ran.err.contains("1 line could not be read and is left out"), "{}", ran.err);
    assert!(ran.err.contains("events.ndjson:2:"), "{}", ran.err);
    // Once, though the inputs are read twice.
    assert_eq!(ran.err.matches("left out").count(), 1, "{}", ran.err);
}

#[test]
fn a_server_of_the_environment_is_asked_where_no_inputs_are_named() {
    let line = "{\"time\":1772323200,\"a\":1}\n";
    let directory = directory(&[("events.ndjson", line.as_bytes())]);
    let (at, sql) = (directory.path(), "SELECT count(*) AS n FROM events");
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let query = |server: &str, more: &[&str]| {
        let args = [&["query", "-o", "csv", sql], more].concat();
        let output = command(at, &args).env("FLYBALL_SERVER", server).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(query(&url, &[]).1, "n\n0\n");
    assert_eq!(query(&url, &["events.ndjson"]).1, "n\n1\n", "what is named goes first");
    let wrong = query("flyball.example:8480", &[]);
    assert!(wrong.0 == Some(2) && wrong.2.contains("http://HOST:PORT"), "{wrong:?}");
    let nothing = flyball(at, &["query", sql]);
    assert!(nothing.code == 2 && nothing.err.contains("FLYBALL_SERVER"), "{}", nothing.err);
}

#[test]
fn inputs_of_which_nothing_can_be_read_are_an_error() {
    let directory = directory(&[("events.ndjson", b"{\"time\":\n{\"time\":\n".as_slice())]);
    let ran = flyball(directory.path(), &["query", "SELECT count(*) FROM events", "events.ndjson"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    assert!(ran.err.contains("none of the 2 records could be read"), "{}", ran.err);
}

#[test]
fn an_identifier_that_looks_like_a_number_is_kept() {
    let events = "time,id\n2026-01-01T00:00:10Z,abc\n2026-01-01T00:00:10Z,12e4567890123456\n2026-01-01T00:00:11Z,12e4\n";
    let directory = directory(&[("events.csv", events.as_bytes())]);
    let ran =
        flyball(directory.path(), &["query", "-o", "csv", "SELECT id FROM events", "events.csv"]);
    assert_eq!(ran.out, "id\nabc\n12e4567890123456\n12e4\n", "{}", ran.err);
}

#[test]
fn numbers_written_as_text_are_numbers_and_the_rest_is_named() {
    let lines = ["3", "\"n/a\"", "\"3\"", "2.5"];
    let lines = lines.map(|x| format!("{{\"time\":1772323200,\"x\":{x}}}\n"));
    let reversed: String = lines.iter().rev().map(String::as_str).collect();
    let directory = directory(&[
        ("events.ndjson", lines.concat().as_bytes()),
        ("reversed.ndjson", reversed.as_bytes()),
    ]);
    for file in ["events.ndjson", "reversed.ndjson"] {
        let query = "SELECT count(*) AS n FROM events WHERE x = 3";
        let ran = flyball(directory.path(), &["query", "-o", "csv", query, file]);
        assert_eq!(ran.out, "n\n2\n", "{}", ran.err);
        assert!(ran.err.contains("those that are in \"x~text\""), "{}", ran.err);
        let query = "SELECT \"x~text\" AS x FROM events WHERE x IS NULL";
        let ran = flyball(directory.path(), &["query", "-o", "csv", query, file]);
        assert_eq!(ran.out, "x\nn/a\n", "{}", ran.err);
    }
}

#[test]
fn a_name_in_a_warning_cannot_command_the_terminal() {
    let events = "time,a\u{1b}[31m,a\u{1b}[31m\n2026-01-01T00:00:10Z,1,2\n";
    let directory = directory(&[("events.csv", events.as_bytes())]);
    let ran = flyball(directory.path(), &["query", "SELECT count(*) FROM events", "events.csv"]);
    assert!(ran.err.contains("column 3 is called `a\u{fffd}[31m`"), "{}", ran.err);
}
