mod oracle;

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, UInt32Type};

use super::*;
use crate::batch::Projection;

fn builder() -> BatchBuilder {
    BatchBuilder::new(Projection::All, Arc::default(), TimeRule::Optional, None)
}

fn decode(lines: &[u8]) -> (RecordBatch, Decoded) {
    let mut batch = builder();
    let mut decoded = Decoded::default();
    NdjsonCodec::new().decode(lines, &mut batch, &mut decoded);
    (batch.finish(), decoded)
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    let column = column.as_dictionary::<UInt32Type>();
    let column = column.downcast_dict::<arrow::array::StringArray>().unwrap();
    column.into_iter().map(|text| text.map(str::to_owned)).collect()
}

fn ints(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().iter().collect()
}

#[test]
fn nested_objects_are_joined_and_arrays_kept_as_written() {
    let (batch, decoded) = decode(
        br#"{"http":{"status":200,"route":{"name":"/a"},"none":{}},"tags":[1, {"k":"]"}],"gone":null}
{"http.status":500,"tags":[],"ok":true,"gone":null}
"#,
    );
    assert_eq!((decoded.lines, decoded.events), (2, 2));
    assert_eq!(ints(&batch, "http.status"), [Some(200), Some(500)]);
    assert_eq!(texts(&batch, "http.route.name"), [Some("/a".into()), None]);
    assert_eq!(texts(&batch, "tags"), [Some(r#"[1, {"k":"]"}]"#.into()), Some("[]".into())]);
    let ok = batch.column_by_name("ok").unwrap().as_boolean();
    assert!(ok.is_null(0) && ok.value(1));
    assert!(batch.column_by_name("gone").is_none());
}

#[test]
fn numbers_lose_nothing() {
    let (batch, decoded) = decode(
        br#"{"i":9223372036854775807,"f":-0.0,"z":-0,"big":0.5}
{"i":-9223372036854775808,"f":1.7976931348623157e308,"z":0,"big":1e400}
{"i":9007199254740993,"f":5e-324,"z":0,"big":18446744073709551616}
{"i":1,"f":123456789012.345,"z":0,"big":-1E+999}
"#,
    );
    assert_eq!(decoded.rejects.total(), 0);
    assert_eq!(
        ints(&batch, "i"),
        [Some(i64::MAX), Some(i64::MIN), Some(9_007_199_254_740_993), Some(1)]
    );
    let floats = batch.column_by_name("f").unwrap().as_primitive::<Float64Type>();
    assert!(floats.value(0) == 0.0 && floats.value(0).is_sign_negative());
    assert_eq!(&floats.values()[1..], [f64::MAX, 5e-324, 123_456_789_012.345]);
    assert_eq!(ints(&batch, "z"), [Some(0); 4]);
    let big = batch.column_by_name("big").unwrap().as_primitive::<Float64Type>();
    assert_eq!(big.iter().collect::<Vec<_>>(), [Some(0.5), None, Some(2_f64.powi(64)), None]);
    let twin = batch.column_by_name("big~text").unwrap().as_string::<i32>();
    assert_eq!(
        twin.iter().collect::<Vec<_>>(),
        [None, Some("1e400"), Some("18446744073709551616"), Some("-1E+999")]
    );
}

#[test]
fn the_first_value_of_a_key_that_is_not_null_counts() {
    let (batch, decoded) = decode(b"{\"a\":null,\"a\":1,\"a\":2}\n{\"b\":{\"c\":3},\"b.c\":4}");
    assert_eq!(decoded.events, 2);
    assert_eq!(ints(&batch, "a"), [Some(1), None]);
    assert_eq!(ints(&batch, "b.c"), [None, Some(3)]);
}

#[test]
fn strings_are_unescaped_keys_too() {
    let (batch, decoded) = decode(
        br#"{"a":"q\" s\/ b\b f\f n\n r\r t\t \\ \u00e9 \uD83D\uDE00!","\u0061b":"x","b":"\\"}"#,
    );
    assert_eq!(decoded.events, 1);
    assert_eq!(
        texts(&batch, "a"),
        [Some("q\" s/ b\u{8} f\u{c} n\n r\r t\t \\ \u{e9} \u{1F600}!".into())]
    );
    assert_eq!(texts(&batch, "ab"), [Some("x".into())]);
    assert_eq!(texts(&batch, "b"), [Some("\\".into())]);
}

#[test]
fn blank_lines_and_line_ends_of_all_kinds() {
    let (batch, decoded) = decode(b"\n  \t\r\n{\"a\":1}\r\n\r\n { \"a\" : 2 } \r\n{\"a\":3}");
    assert_eq!((decoded.lines, decoded.events, decoded.rejects.total()), (6, 3, 0));
    assert_eq!(ints(&batch, "a"), [Some(1), Some(2), Some(3)]);
    for empty in [&b""[..], b"\n", b"\n\n", b" "] {
        let (batch, decoded) = decode(empty);
        assert_eq!((batch.num_rows(), decoded.rejects.total()), (0, 0));
        assert_eq!(decoded.lines, empty.len() as u64);
    }
}

#[test]
fn each_fault_has_its_reason_and_column() {
    let deep = |open: &str, levels: usize| format!("{{\"a\":{}", open.repeat(levels));
    let cases: Vec<(Vec<u8>, &str, u64)> = vec![
        (b"[1]".into(), value::NOT_AN_OBJECT, 1),
        (b"  1".into(), value::NOT_AN_OBJECT, 3),
        (b"plain text".into(), value::NOT_AN_OBJECT, 1),
        (b"\xEF\xBB\xBF{\"a\":1}".into(), value::BOM_INSIDE, 1),
        (b"{".into(), value::CUT_OFF, 2),
        (b"{\"a".into(), value::CUT_OFF, 4),
        (b"{\"a\":".into(), value::CUT_OFF, 6),
        (b"{\"a\":tr".into(), value::CUT_OFF, 8),
        (b"{\"a\":\"x\\".into(), value::CUT_OFF, 9),
        (b"{\"a\":\"\\u12".into(), value::CUT_OFF, 11),
        (b"{\"a\":1".into(), value::CUT_OFF, 7),
        (b"{\"a\":[1,".into(), value::CUT_OFF, 9),
        (b"{\"a\":-".into(), value::CUT_OFF, 7),
        (b"{\"a\":1}}".into(), value::AFTER, 8),
        (b"{\"a\":1} x".into(), value::AFTER, 9),
        (b"{\"a\":1}{\"a\":2}".into(), value::AFTER, 8),
        (b"{\"a\":\"x\ty\"}".into(), value::CONTROL, 8),
        (b"{\"a\":\"x\0y\"}".into(), value::CONTROL, 8),
        (b"{\"a\":\"\\x41\"}".into(), value::ESCAPE, 8),
        (b"{\"a\":\"\\u12G4\"}".into(), value::ESCAPE, 11),
        (b"{\"a\":\"\\uD800\"}".into(), value::SURROGATE, 7),
        (b"{\"a\":\"\\uDC00\"}".into(), value::SURROGATE, 7),
        (b"{\"a\":\"\\uD800\\u0041\"}".into(), value::SURROGATE, 7),
        (b"{\"a\":01}".into(), value::NUMBER, 6),
        (b"{\"a\":1.}".into(), value::NUMBER, 8),
        (b"{\"a\":-x}".into(), value::NUMBER, 7),
        (b"{\"a\":1e+}".into(), value::NUMBER, 9),
        (b"{\"a\":.5}".into(), value::VALUE, 6),
        (b"{\"a\":+5}".into(), value::VALUE, 6),
        (b"{\"a\":NaN}".into(), value::NOT_FINITE, 6),
        (b"{\"a\":-Infinity}".into(), value::NOT_FINITE, 7),
        (b"{\"a\":Infinity}".into(), value::NOT_FINITE, 6),
        (b"{\"a\":nil}".into(), value::VALUE, 7),
        (b"{\"a\":}".into(), value::VALUE, 6),
        (b"{\"a\":[1,]}".into(), value::VALUE, 9),
        (b"{\"a\":1,}".into(), value::KEY, 8),
        (b"{a:1}".into(), value::KEY, 2),
        (b"{,\"a\":1}".into(), value::KEY, 2),
        (b"{\"a\" 1}".into(), value::COLON, 6),
        (b"{\"a\":1 \"b\":2}".into(), value::COMMA, 8),
        (b"{\"a\":1x}".into(), value::COMMA, 7),
        (b"{\"a\":[1 2]}".into(), value::COMMA, 9),
        (b"{\"a\":[{\"b\" 1}]}".into(), value::COLON, 12),
        (b"{\"a\":\"\xFF\"}".into(), NOT_UTF8, 7),
        (b"{\"a\":\"\xED\xA0\x80\"}".into(), NOT_UTF8, 7),
        (deep("[", 64).into(), value::TOO_DEEP, 6 + 63),
        (deep("{\"a\":", 64).into(), value::TOO_DEEP, 6 + 63 * 5),
        (deep("[{\"a\":", 32).into(), value::TOO_DEEP, 6 + 31 * 6 + 1),
        (deep("[", 1_000_000).into(), value::TOO_DEEP, 6 + 63),
    ];
    for (line, reason, column) in cases {
        let shown = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
        // Alone, and after lines that taught the codec this very layout.
        for teach in ["", "{\"a\":1}\n{\"a\":\"x\"}\n{\"a\":1,\"b\":2}\n"] {
            for end in ["", "\n", "\n{\"a\":5}\n"] {
                let text = [teach.as_bytes(), &line, end.as_bytes()].concat();
                let (batch, decoded) = decode(&text);
                let found: Vec<_> = decoded.rejects.iter().collect();
                assert_eq!(found.len(), 1, "{shown}");
                let (found, rejected) = found[0];
                assert_eq!((found, rejected.count), (reason, 1), "{shown}");
                assert_eq!(rejected.examples[0].column, Some(column), "{shown}");
                assert_eq!(rejected.examples[0].line, teach.lines().count() as u64 + 1);
                let good = teach.lines().count() + usize::from(end.len() > 1);
                assert_eq!(batch.num_rows(), good, "{shown}");
                assert_eq!(decoded.events, good as u64);
                assert_eq!(decoded.lines, good as u64 + 1);
            }
        }
    }
}

#[test]
fn the_deepest_nesting_that_is_read() {
    let line = format!("{{\"a\":{}1{}}}", "[".repeat(63), "]".repeat(63));
    assert_eq!(decode(line.as_bytes()).1.events, 1);
    let line = format!("{}1{}", "{\"a\":".repeat(64), "}".repeat(64));
    let (batch, decoded) = decode(line.as_bytes());
    assert_eq!(decoded.events, 1);
    assert_eq!(ints(&batch, &["a"; 64].join(".")), [Some(1)]);
}

#[test]
fn a_refused_line_does_not_shape_the_columns() {
    let (batch, decoded) = decode(b"{\"a\":1,\"b\":tru}\n{\"a\":\"x\"}\n{\"a\":\"y\",}\n");
    assert_eq!((decoded.events, decoded.rejects.total()), (1, 2));
    assert_eq!(texts(&batch, "a"), [Some("x".into())]);
    assert!(batch.column_by_name("a~text").is_none());
}

#[test]
fn times_by_rank_and_rule() {
    let lines = b"{\"ts\":1700000000,\"time\":\"2023-11-14T22:13:21Z\"}
{\"timestamp\":\"2023-11-14T22:13:22Z\",\"a\":1}
{\"time\":\"soon\",\"a\":2}
{\"time\":null,\"a\":3}
{\"time\":\"2023-11-14T22:13\\u003a23Z\"}
";
    let mut batch = BatchBuilder::new(
        Projection::Only(vec!["a".into()]),
        Arc::default(),
        TimeRule::Required,
        None,
    );
    let mut decoded = Decoded::default();
    NdjsonCodec::new().decode(lines, &mut batch, &mut decoded);
    assert_eq!(decoded.events, 3);
    let (reason, rejected) = decoded.rejects.iter().next().unwrap();
    assert_eq!((reason, rejected.count, rejected.examples[0].line), (NO_TIME, 2, 3));
    let batch = batch.finish();
    let times = batch.column(0).as_primitive::<arrow::datatypes::TimestampNanosecondType>();
    let seconds = |s: i64| s * 1_000_000_000;
    assert_eq!(
        times.values(),
        &[seconds(1_700_000_001), seconds(1_700_000_002), seconds(1_700_000_003)]
    );

    // Where times are optional, one that cannot be read is kept as it was written.
    let (batch, decoded) = decode(lines);
    assert_eq!((decoded.events, batch.column(0).null_count()), (5, 2));
    assert_eq!(texts(&batch, "time~text")[2].as_deref(), Some("\"soon\""));
    assert_eq!(ints(&batch, "ts")[0], Some(1_700_000_000));
}

#[test]
fn keys_as_data_and_long_lines_stay_bounded() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for i in 0..20_000 {
        writeln!(text, "{{\"k{i}\":{i},\"a\":{i}}}").unwrap();
    }
    writeln!(text, "{{\"{}\":1,\"a\":-1}}", "long".repeat(100_000)).unwrap();
    writeln!(text, "{{\"x\":\"{}\",\"a\":-2}}", "y".repeat(1_000_000)).unwrap();
    let mut batch = BatchBuilder::new(
        Projection::Only(vec!["a".into()]),
        Arc::default(),
        TimeRule::Optional,
        None,
    );
    let mut decoded = Decoded::default();
    let mut codec = NdjsonCodec::new();
    codec.decode(text.as_bytes(), &mut batch, &mut decoded);
    assert_eq!((decoded.events, decoded.rejects.total()), (20_002, 0));
    let expected: Vec<Option<i64>> = (0..20_000).chain([-1, -2]).map(Some).collect();
    assert_eq!(ints(&batch.finish(), "a"), expected);
    assert!(codec.line.layout.len() <= 8_192, "the layout outgrew its bound");
}
