use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType};

use super::*;
use crate::batch::{Projection, TimeRule};

fn decode(format: &LogFormat, lines: &[u8]) -> (RecordBatch, Decoded) {
    let mut batch = BatchBuilder::new(Projection::All, Arc::default(), TimeRule::Required, None);
    let mut decoded = Decoded::default();
    AccessLogCodec::new(Arc::new(format.clone())).decode(lines, &mut batch, &mut decoded);
    (batch.finish(), decoded)
}

fn one(format: &LogFormat, line: &str) -> RecordBatch {
    let (batch, decoded) = decode(format, line.as_bytes());
    assert_eq!(decoded.events, 1, "{decoded:?}");
    batch
}

/// The attribute in the first row as text, `absent` without a value.
fn value(batch: &RecordBatch, name: &str) -> String {
    let Some(column) = batch.column_by_name(name) else { return "absent".to_owned() };
    if column.is_null(0) {
        return "absent".to_owned();
    }
    arrow::util::display::array_value_to_string(column, 0).unwrap()
}

fn values(batch: &RecordBatch, expected: &[(&str, &str)]) {
    for (name, expected) in expected {
        assert_eq!(value(batch, name), *expected, "{name}");
    }
}

fn nanos(batch: &RecordBatch) -> i64 {
    batch["time"].as_primitive::<TimestampNanosecondType>().value(0)
}

#[test]
fn a_combined_line_gives_all_its_attributes() {
    let format = LogFormat::apache(VHOST_COMBINED).unwrap();
    let line = r#"shop.example:443 198.18.0.1 - ann [05/Dec/2024:00:10:18 +0100] "GET /a%20b?c=1 HTTP/2.0" 503 17 "https://ref.example/" "Mozilla \"x\" (y)""#;
    let batch = one(&format, line);
    values(
        &batch,
        &[
            ("server.address", "shop.example"),
            ("server.port", "443"),
            ("client.address", "198.18.0.1"),
            ("client.ident", "absent"),
            ("user.name", "ann"),
            ("http.request.method", "GET"),
            ("url.path", "/a%20b"),
            ("url.query", "c=1"),
            ("network.protocol.version", "2.0"),
            ("http.response.status_code", "503"),
            ("http.response.body.size", "17"),
            ("http.request.header.referer", "https://ref.example/"),
            ("user_agent.original", "Mozilla \"x\" (y)"),
            ("http.request.line", "absent"),
        ],
    );
    assert_eq!(nanos(&batch), 1_733_353_818_000_000_000);
    assert_eq!(batch["http.response.status_code"].as_primitive::<Int64Type>().value(0), 503);
}

#[test]
fn requests_that_are_none_are_events_without_a_path() {
    let format = LogFormat::apache(COMMON).unwrap();
    for (request, kept) in [
        (r"\x16\x03\x01", "\u{16}\u{3}\u{1}"),
        (r"\xff\xfe", "\\xff\\xfe"),
        ("-", "-"),
        ("", "absent"),
        (r#"say \"hi\""#, "say \"hi\""),
    ] {
        let line = format!("h - - [05/Dec/2024:00:10:18 +0000] \"{request}\" 400 -\n");
        let batch = one(&format, &line);
        values(&batch, &[("url.path", "absent"), ("http.request.line", kept)]);
        values(&batch, &[("http.response.status_code", "400")]);
    }
}

#[test]
fn quotes_that_a_server_left_unescaped_do_not_end_a_field() {
    let format = LogFormat::apache(COMBINED).unwrap();
    let line =
        "h - a b [05/Dec/2024:00:10:18 +0000] \"GET /\"x\"y HTTP/1.1\" 200 5 \"-\" \"a\"b\"\r\n";
    let batch = one(&format, line);
    values(
        &batch,
        &[("url.path", "/\"x\"y"), ("user.name", "a b"), ("user_agent.original", "a\"b")],
    );
    for agent in ["say \"hi\" there \"you\"", "5\" wide", "a \\\" \\\"b", "\"x\" \"y\""] {
        let line = format!("h - - [05/Dec/2024:00:10:18 +0000] \"-\" 200 5 \"-\" \"{agent}\"");
        values(&one(&format, &line), &[("user_agent.original", &agent.replace('\\', ""))]);
    }
}

#[test]
fn a_line_with_fields_after_the_last_one_is_refused() {
    let line = |more: &str| {
        format!("h - - [05/Dec/2024:00:10:18 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x y\"{more}")
    };
    let format = LogFormat::apache(COMBINED).unwrap();
    for more in [" \"10.0.0.1\"", " \"\" \"b\"", " 0.25 \"b\"", " rt=0.25 ut=\"0.25\"", " 0.25"] {
        let (_, decoded) = decode(&format, line(more).as_bytes());
        assert_eq!((decoded.events, decoded.rejects.first().unwrap().0), (0, MISMATCH), "{more}");
    }
    let main = LogFormat::nginx(NGINX_MAIN).unwrap();
    let forwarded = ("http.request.header.x-forwarded-for", "10.0.0.1");
    values(&one(&main, &line(" \"10.0.0.1\"")), &[("user_agent.original", "x y"), forwarded]);
    assert_eq!(decode(&main, line("").as_bytes()).1.events, 0);
}

#[test]
fn a_last_field_without_its_closing_quote_was_cut_off_and_is_kept() {
    let format = LogFormat::apache(COMBINED).unwrap();
    let cut =
        "h - - [05/Dec/2024:00:10:18 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"Mozilla/5.0 (com";
    let batch = one(&format, cut);
    values(
        &batch,
        &[("user_agent.original", "Mozilla/5.0 (com"), ("http.response.status_code", "200")],
    );
    let before_last = cut.find("\"-\"").unwrap() + 2;
    let (batch, _) = decode(&format, &cut.as_bytes()[..before_last]);
    assert_eq!(batch.num_rows(), 0, "a line cut before its last field is refused");
}

#[test]
fn lines_that_do_not_fit_are_refused_with_the_place() {
    let format = LogFormat::apache(COMMON).unwrap();
    for (line, reason, column) in [
        ("no log", MISMATCH, Some(4)),
        ("h - - [05/Dec/2024:00:10:18 +0000] \"GET / HTTP/1.1\" abc 5", NOT_A_NUMBER, Some(53)),
        (
            "h - - [05/Dec/2024:00:10:18 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\"",
            NOT_A_NUMBER,
            Some(57),
        ),
        ("h - - [05/Dec/2024:00:10:18 +0000] \"GET / HTTP/1.1", MISMATCH, Some(37)),
        ("h - - [05/Dec/2024:00:10:18 +0000] \"GET / HTTP/1.1\\\" 200 5", MISMATCH, Some(37)),
        ("h - - [05/Foo/2024:00:10:18 +0000] \"GET / HTTP/1.1\" 200 5", NO_TIME, None),
        ("h - - [-] \"GET / HTTP/1.1\" 200 5", NO_TIME, None),
    ] {
        let (batch, decoded) = decode(&format, line.as_bytes());
        assert_eq!((batch.num_rows(), decoded.events, decoded.lines), (0, 0, 1), "{line}");
        let (found, example) = decoded.rejects.first().unwrap();
        assert_eq!((found, example.column), (reason, column), "{line}");
    }
}

#[test]
fn a_refused_line_leaves_nothing_behind() {
    let format = LogFormat::apache("%h %t %>s %D %X").unwrap();
    let lines =
        b"one [05/Dec/2024:00:10:18 +0000] x 1 +\n\ntwo [05/Dec/2024:00:10:18 +0000] 200 1500 -\n";
    let (batch, decoded) = decode(&format, lines);
    assert_eq!((decoded.lines, decoded.events, decoded.rejects.total()), (3, 1, 1));
    values(&batch, &[("client.address", "two"), ("duration_ms", "1.5")]);
    assert!(batch.column_by_name("apache.connection_status").is_none());
}

#[test]
fn the_finest_duration_counts() {
    let format = LogFormat::apache("%t %T %{ms}T %D %^FB").unwrap();
    let time = "[05/Dec/2024:00:10:18 +0000]";
    let duration = |line: &str| {
        let batch = one(&format, &format!("{time} {line}"));
        batch["duration_ms"].as_primitive::<Float64Type>().value(0)
    };
    assert_eq!(duration("28 28987 28987740 12"), 28_987.740);
    assert_eq!(duration("28 28987 - 12"), 28_987.0);
    assert_eq!(duration("28 - - -"), 28_000.0);
    let batch = one(&format, &format!("{time} 0 0 73 12"));
    values(&batch, &[("duration_ms", "0.073"), ("time_to_first_byte_ms", "0.012")]);
}

#[test]
fn nginx_formats_with_times_lists_and_own_variables() {
    let format = LogFormat::nginx(
        "log_format main '$remote_addr $msec [$time_iso8601] \"$request_method \"'\n  \
         '\"$scheme://$host$request_uri\" $status $request_time '\n  \
         'ut=$upstream_response_time us=$upstream_status $tenant x$http_x_trace_id';",
    );
    // The first string ends in the middle of a quoted part, as people write it.
    let format = format.unwrap();
    let line = "198.18.0.1 1733357418.250 [2024-12-05T00:10:18+00:00] \"GET \"\"https://a.example/p/q?r=s\" \
                502 0.253 ut=0.001, 0.250 : - us=502, 200 : - 017 xabc";
    let batch = one(&format, line);
    values(
        &batch,
        &[
            ("url.scheme", "https"),
            ("server.address", "a.example"),
            ("url.path", "/p/q"),
            ("url.query", "r=s"),
            ("http.response.status_code", "502"),
            ("duration_ms", "253.0"),
            ("upstream.duration_ms", "251.0"),
            ("upstream.status_code", "502, 200 : -"),
            ("tenant", "017"),
            ("http.request.header.x-trace-id", "abc"),
        ],
    );
    assert_eq!(nanos(&batch), 1_733_357_418_250_000_000);
}

#[test]
fn paths_and_queries_written_next_to_each_other() {
    let apache = LogFormat::apache("%t \"%m %U%q %H\"").unwrap();
    let nginx =
        LogFormat::nginx("[$time_local] \"$request_method $uri$is_args$args $server_protocol\"")
            .unwrap();
    for format in [apache, nginx] {
        for (target, path, query) in [("/a?b", "/a", "b"), ("/a", "/a", "absent")] {
            let batch =
                one(&format, &format!("[05/Dec/2024:00:10:18 +0000] \"GET {target} HTTP/1.1\""));
            values(&batch, &[("url.path", path), ("url.query", query)]);
            values(&batch, &[("network.protocol.version", "1.1")]);
        }
    }
}

#[test]
fn times_by_pattern_and_with_a_fraction() {
    let format = LogFormat::apache("%{%Y-%m-%d %H:%M:%S}t.%{msec_frac}t %>s").unwrap();
    assert_eq!(nanos(&one(&format, "2024-12-05 00:10:18.250 200")), 1_733_357_418_250_000_000);
    let format = LogFormat::apache("%{%e %B %Y %H.%M.%S}t %>s").unwrap();
    assert_eq!(nanos(&one(&format, "5 December 2024 00.10.18 200")), 1_733_357_418_000_000_000);
    let format = LogFormat::apache("%{usec}t %>s").unwrap();
    assert_eq!(nanos(&one(&format, "1733357418250000 200")), 1_733_357_418_250_000_000);
}

#[test]
fn formats_that_cannot_be_used_say_where_and_what_to_do() {
    for (error, position, part) in [
        (LogFormat::apache("%h %Z").unwrap_err(), 4, "`%Z` is no directive"),
        (LogFormat::apache("%h %{Referer").unwrap_err(), 5, "not closed"),
        (LogFormat::apache("%h%u").unwrap_err(), 3, "nothing stands between"),
        (LogFormat::apache("é %").unwrap_err(), 3, "unfinished"),
        (LogFormat::apache("").unwrap_err(), 1, "no field"),
        (LogFormat::nginx("$status $").unwrap_err(), 9, "without a variable's name"),
        (LogFormat::nginx("${status").unwrap_err(), 1, "without a variable's name"),
        (LogFormat::nginx("escape=json {\"s\":$status}").unwrap_err(), 1, "writes JSON"),
    ] {
        assert_eq!(error.position, position, "{error}");
        assert!(error.reason.contains(part), "{error}");
        assert!(error.to_string().contains("\nhint: "));
    }
}

#[test]
fn a_whole_directive_of_apache_is_its_format() {
    let directive = LogFormat::apache(r#"LogFormat "%h %l %u %t \"%r\" %>s %b" common"#).unwrap();
    assert_eq!(directive, LogFormat::apache(COMMON).unwrap());
}

/// Status and minute, found another way: by splitting at text that these lines have once.
fn naive(line: &str) -> (u64, String) {
    let status = line.split("\" ").nth(1).unwrap().split(' ').next().unwrap();
    (status.parse().unwrap(), line.split('[').nth(1).unwrap()[..17].to_owned())
}

#[test]
fn common_lines_agree_with_a_naive_count() {
    let mut lines = String::new();
    let mut expected = std::collections::BTreeMap::new();
    for n in 0..500_u64 {
        let status = [200, 200, 301, 404, 500][(n * 7 % 5) as usize];
        let line = format!(
            "198.18.0.{} - - [05/Dec/2024:00:{:02}:18 +0000] \"GET /{n} HTTP/1.1\" {status} {n}",
            n % 256,
            n % 60,
        );
        *expected.entry(naive(&line)).or_insert(0_u64) += 1;
        lines += &line;
        lines.push('\n');
    }
    let (batch, decoded) = decode(&LogFormat::apache(COMMON).unwrap(), lines.as_bytes());
    assert_eq!((decoded.lines, decoded.events), (500, 500));
    let statuses = batch["http.response.status_code"].as_primitive::<Int64Type>();
    let times = batch["time"].as_primitive::<TimestampNanosecondType>();
    let mut found = std::collections::BTreeMap::new();
    for row in 0..500 {
        let time = jiff::Timestamp::from_nanosecond(times.value(row).into()).unwrap();
        let minute = time.strftime("%d/%b/%Y:%H:%M").to_string();
        let status = u64::try_from(statuses.value(row)).unwrap();
        *found.entry((status, minute)).or_insert(0_u64) += 1;
    }
    assert_eq!(found, expected);
}

#[test]
fn mutated_lines_never_panic_and_are_counted_once() {
    let formats = [
        LogFormat::apache(COMBINED).unwrap(),
        LogFormat::apache("%v,%p,%t,%D,%^FB,\"%U\",\"%q\",%L").unwrap(),
        LogFormat::nginx("$msec \"$scheme://$host$request_uri\" $upstream_response_time|$tenant")
            .unwrap(),
    ];
    let seeds: [&[u8]; 3] = [
        b"h - - [05/Dec/2024:00:10:18 +0000] \"GET /\\\"a?b HTTP/1.1\" 200 5 \"-\" \"x\"",
        b"v,80,[05/Dec/2024:00:10:18 +0000],12,-,\"/a\",\"?b\",-",
        b"1733357418.250 \"https://h/p?q\" 0.1, 0.2 : -|7",
    ];
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % bound as u64).unwrap()
    };
    for (format, seed) in formats.iter().zip(seeds) {
        assert_eq!(decode(format, seed).1.events, 1);
        for _ in 0..4_000 {
            let mut line = seed.to_vec();
            for _ in 0..=next(4) {
                let at = next(line.len());
                match next(4) {
                    0 => line[at] = u8::try_from(next(256)).unwrap(),
                    1 => line.truncate(at.max(1)),
                    2 => line.insert(at, b"\"\\[]- ,%?/"[next(10)]),
                    _ => {
                        line.remove(at);
                        line.push(b'"');
                    }
                }
            }
            let (batch, decoded) = decode(format, &line);
            let blank = line.split(|b| *b == b'\n').filter(|l| l.trim_ascii().is_empty()).count();
            assert!(decoded.events + decoded.rejects.total() + blank as u64 >= decoded.lines);
            assert_eq!(batch.num_rows() as u64, decoded.events);
        }
    }
}

#[test]
fn a_field_of_a_megabyte_is_read() {
    let format = LogFormat::apache(COMMON).unwrap();
    let path = "x".repeat(1 << 20);
    let line = format!("h - - [05/Dec/2024:00:10:18 +0000] \"GET /{path} HTTP/1.1\" 200 5");
    assert_eq!(value(&one(&format, &line), "url.path").len(), path.len() + 1);
}
