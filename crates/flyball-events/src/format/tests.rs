mod recordings;

use super::*;

fn named(text: &str) -> String {
    Format::parse(text).unwrap().map_or("auto".to_owned(), |format| format.name())
}

#[test]
fn names_are_read_and_shown_again() {
    for name in [
        "auto",
        "ndjson",
        "common",
        "combined",
        "vhost-combined",
        "nginx-main",
        "nginx:$msec $status",
        "apache:%t %>s",
        "csv",
        "tsv",
        "csv;delimiter=semicolon",
        "csv;header=no;columns=a,b",
        "tsv;header=no",
        "otlp-json",
        "otlp-proto",
        "parquet",
    ] {
        assert_eq!(named(name), name);
    }
    assert_eq!(named("csv;delimiter=;;header=yes"), "csv;delimiter=semicolon");
    assert_eq!(named("csv;delimiter=tab"), "tsv");
    assert_eq!(named("JSONL"), "ndjson");
}

#[test]
fn names_that_are_none_come_with_help() {
    for (name, hint) in [
        ("combind", "did you mean `combined`?"),
        ("ndjsn", "did you mean `ndjson`?"),
        ("$status $msec", "write an nginx format as `nginx:$status $msec`"),
        ("%h %t", "write an Apache format as `apache:%h %t`"),
        ("syslog", "the formats are auto, ndjson, common"),
        ("csv;delimiter=ab", "the options are"),
        ("csv;columns=a,,b", "the options are"),
        ("csv;quote", "the options are"),
        ("nginx:$", "write `$status`"),
    ] {
        let error = Format::parse(name).unwrap_err().to_string();
        assert!(error.contains(&format!("\nhint: {hint}")), "{error}");
    }
}

fn detected(name: &str, head: &str) -> String {
    Format::detect(name, head.as_bytes()).map_or("none".to_owned(), |format| format.name())
}

#[test]
fn content_tells_before_the_name_does() {
    let common = "h - - [05/Dec/2024:00:10:18 +0000] \"GET / HTTP/1.1\" 200 5";
    for (name, head, expected) in [
        ("x.csv", "\u{feff} {\"a\":1}\n", "ndjson"),
        ("x.csv", &*format!("{common}\n"), "common"),
        ("x", &format!("{common} \"-\" \"x\"\n"), "combined"),
        ("x", &format!("v:80 {common} \"-\" \"x\"\n"), "vhost-combined"),
        ("x", &format!("{common} \"-\" \"x\" \"10.0.0.1, 10.0.0.2\"\n"), "nginx-main"),
        ("x", &format!("{common} \"-\" \"x\" \"-\" \"y\"\n"), "none"),
        ("x", &format!("{common} \"-\" \"x\" 0.1 ut=\"0.2\"\n"), "none"),
        ("x", &format!("noise\n{common}\n{common}\n"), "common"),
        ("x", "TraceID,SpanID\nb0,52\n", "csv"),
        ("x", "a\tb\n1\t2\n", "tsv"),
        ("x", "a;b\n1;2\n", "csv;delimiter=semicolon"),
        ("dir/x.tsv.gz", "1 2 3", "tsv"),
        ("x.ndjson", "", "ndjson"),
        ("x.log", "some words of prose\nmore\n", "none"),
        ("x", "", "none"),
        ("-", "\u{0}\u{1}\u{2}", "none"),
    ] {
        assert_eq!(detected(name, head), expected, "{head}");
    }
}

#[test]
fn telemetry_and_tables_are_told_by_their_first_bytes() {
    let data = |name: &str| {
        std::fs::read(format!("{}/tests/data/otlp/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    for name in ["trace.json", "logs.json", "metrics.json", "traces.otlp.json"] {
        assert_eq!(Format::detect("x", &data(name)), Some(Format::OtlpJson), "{name}");
    }
    for name in ["traces.pb", "traces.be.pb", "traces.varint.pb", "logs.pb", "metrics.pb"] {
        assert_eq!(Format::detect("x", &data(name)), Some(Format::OtlpProto), "{name}");
    }
    assert_eq!(Format::detect("x", b"PAR1\x15\x04"), Some(Format::Parquet));
    for text in ["\n\n\na,b\n1,2\n", "\n0123456789\n"] {
        assert_ne!(Format::detect("x", text.as_bytes()), Some(Format::OtlpProto), "{text}");
    }
}
