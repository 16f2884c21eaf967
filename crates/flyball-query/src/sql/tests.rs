use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, StringArray, TimestampNanosecondArray,
};
use arrow::datatypes::UInt32Type;
use arrow::util::pretty::pretty_format_batches;
use expect_test::{Expect, expect};

use super::*;

/// Three batches that differ: a number, a text and a float under one name; a column met late.
struct Batches;

fn times(seconds: &[i64]) -> ArrayRef {
    let nanos: Vec<i64> = seconds.iter().map(|second| second * 1_000_000_000).collect();
    Arc::new(TimestampNanosecondArray::from(nanos).with_timezone("UTC"))
}

impl EventSource for Batches {
    fn scan(
        &self,
        columns: Option<&[String]>,
        sink: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let text = |values: Vec<&str>| -> ArrayRef {
            let values: DictionaryArray<UInt32Type> = values.into_iter().collect();
            Arc::new(values)
        };
        let batches = [
            vec![
                ("time", times(&[1, 2])),
                ("http.route", text(vec!["/a", "/b"])),
                ("size", Arc::new(Int64Array::from(vec![9_007_199_254_740_993, 2])) as ArrayRef),
                ("size~text", Arc::new(StringArray::from(vec![None, Some("true")]))),
                ("id", text(vec!["abc", "12"])),
            ],
            vec![
                ("time", times(&[3])),
                ("http.route", text(vec!["/a"])),
                ("size", text(vec!["n/a"])),
                ("id~text", Arc::new(StringArray::from(vec!["1e400"]))),
            ],
            vec![
                ("time", times(&[4])),
                ("http.route", text(vec!["/b"])),
                ("size", Arc::new(Float64Array::from(vec![0.5])) as ArrayRef),
                ("Late", Arc::new(Int64Array::from(vec![7])) as ArrayRef),
            ],
        ];
        for batch in batches {
            let kept = batch.into_iter().filter(|(name, _)| {
                let attribute = name.trim_end_matches("~text");
                *name == "time"
                    || columns.is_none_or(|columns| columns.iter().any(|c| c == attribute))
            });
            if !sink(RecordBatch::try_from_iter(kept)?) {
                break;
            }
        }
        Ok(())
    }
}

fn run(sql: &str) -> Result<String, QueryError> {
    let source: Arc<dyn EventSource> = Arc::new(Batches);
    let mut batches = Vec::new();
    query(sql, &source, &mut |batch| {
        batches.push(batch.clone());
        true
    })?;
    Ok(pretty_format_batches(&batches).unwrap().to_string())
}

#[test]
fn a_statement_that_grows_when_it_is_planned_is_refused() {
    let doubled = |times: usize| {
        let named = (1..times).map(|n| format!("t{n} AS (SELECT * FROM t{0}, t{0} AS b)", n - 1));
        let named: Vec<String> = named.collect();
        format!(
            "WITH t0 AS (SELECT 1 AS a), {} SELECT count(*) FROM t{}",
            named.join(", "),
            times - 1
        )
    };
    let within = |sql: &str| {
        let source: Arc<dyn EventSource> = Arc::new(Batches);
        let place = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
        let (_wanting, wanted) = watch::channel(());
        let time_max = std::time::Duration::from_mins(1);
        let bounds =
            Bounds { memory_bytes_max: 64 << 20, time_max, wanted, place: Arc::new(place) };
        let mut rows = 0;
        query_within(sql, &source, bounds, &mut |batch| {
            rows += batch.num_rows();
            true
        })
        .map(|_| rows)
    };
    assert_eq!(within("SELECT size FROM events").unwrap(), 4);
    assert_eq!(
        within("SELECT count(*) FROM (SELECT 1 AS a) AS x, (SELECT 2 AS b) AS y").unwrap(),
        1
    );
    let chained = |one: &str, count: usize| format!("SELECT {}1 FROM events", one.repeat(count));
    assert_eq!(within(&chained("1+", 200)).unwrap(), 4);
    let wide: Vec<String> = (0..500).map(|n| format!("{n} AS a{n}")).collect();
    assert_eq!(within(&format!("SELECT {} FROM events", wide.join(", "))).unwrap(), 4);
    assert_eq!(within(&doubled(6)).unwrap(), 1);
    let union = vec!["SELECT 1 AS a"; 200].join(" UNION ALL ");
    let quoted = doubled(40).replace("t3 ", "\"T3\" ").replace("t3,", "\"T3\",");
    for sql in [
        doubled(40),
        quoted,
        union,
        chained("1+", 300),
        chained("1+", 4_900),
        chained("1+", 30_000),
    ] {
        let Err(error) = within(&sql) else { panic!("{} bytes are taken", sql.len()) };
        assert!(matches!(&error, QueryError::Bound { .. }), "{error}");
        assert!(error.to_string().contains("hint: ask for less"), "{error}");
    }
}

#[expect(clippy::needless_pass_by_value, reason = "expect! is written in place")]
fn check(sql: &str, expected: Expect) {
    expected.assert_eq(&run(sql).unwrap());
}

#[test]
fn dotted_names_and_aliases_need_no_quotes() {
    check(
        "SELECT e.http.route, count(*) AS n FROM events e WHERE http.route <> '/c' GROUP BY http.route ORDER BY n, http.route",
        expect![[r"
            +------------+---+
            | http.route | n |
            +------------+---+
            | /a         | 2 |
            | /b         | 2 |
            +------------+---+"]],
    );
    check(
        "SELECT Late FROM events WHERE Late IS NOT NULL",
        expect![[r"
            +------+
            | Late |
            +------+
            | 7    |
            +------+"]],
    );
}

#[test]
fn conflicting_types_lose_nothing() {
    check(
        r#"SELECT time, size, "size~text" FROM events ORDER BY time"#,
        expect![[r"
            +----------------------+--------------------+------------------+
            | time                 | size               | size~text        |
            +----------------------+--------------------+------------------+
            | 1970-01-01T00:00:01Z | 9007199254740992.0 | 9007199254740993 |
            | 1970-01-01T00:00:02Z | 2.0                | true             |
            | 1970-01-01T00:00:03Z |                    | n/a              |
            | 1970-01-01T00:00:04Z | 0.5                |                  |
            +----------------------+--------------------+------------------+"]],
    );
    check(
        "SELECT id, size FROM events ORDER BY time",
        expect![[r"
            +-------+--------------------+
            | id    | size               |
            +-------+--------------------+
            | abc   | 9007199254740992.0 |
            | 12    | 2.0                |
            | 1e400 |                    |
            |       | 0.5                |
            +-------+--------------------+"]],
    );
}

#[test]
fn what_cannot_run_says_what_to_do() {
    let error = |sql: &str| run(sql).unwrap_err().to_string();
    assert!(error("SELECT http.rout FROM events").contains("did you mean http.route?"));
    assert!(error("SELECT 1 FROM logs").contains("the events are the table `events`"));
    assert!(run("DESCRIBE events").unwrap().contains("http.route"));
    assert!(error("SELECT lowr(size) FROM events").contains("did you mean 'lower'?"));
    assert!(error("DROP TABLE events").contains("only SELECT"));
    assert!(error("SELECT 1; SELECT 2").contains("more than one"));
    assert!(error("").contains("empty"));
    assert!(error("SELECT 'open").contains("at 1:8"));
    assert!(error("SELEC 1").contains("SELEC"));
}
