use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray,
};
use arrow::datatypes::UInt32Type;

use super::*;
use crate::truth::is_set;

fn text(values: &[Option<&str>]) -> ArrayRef {
    let values: DictionaryArray<UInt32Type> = values.iter().copied().collect();
    Arc::new(values)
}

fn batch() -> RecordBatch {
    RecordBatch::try_from_iter([
        (
            "http.response.status_code",
            Arc::new(Int64Array::from(vec![Some(200), Some(503), None, Some(404)])) as ArrayRef,
        ),
        (
            "duration_ms",
            Arc::new(Float64Array::from(vec![Some(12.5), Some(300.0), Some(301.0), None])),
        ),
        ("service.name", text(&[Some("cart"), Some("cart"), None, Some("pay")])),
        ("status", text(&[Some("200"), Some("5x"), Some("503"), None])),
        ("Ok", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
        ("size", Arc::new(Int64Array::from(vec![Some(7), None, Some(9), None]))),
        ("size~text", Arc::new(StringArray::from(vec![None, Some("many"), None, None]))),
    ])
    .unwrap()
}

/// The answers as a string: `1` true, `0` false, `?` unknown.
fn check(predicate: &str, expected: &str) {
    let mut set = PredicateSet::new();
    let id = set.add(predicate).unwrap_or_else(|error| panic!("{predicate}: {error:?}"));
    let batch = batch();
    let mut answers = set.answers();
    let truth = set.evaluate(id, &batch, &mut answers).unwrap();
    let actual: String = (0..4)
        .map(|row| match (is_set(&truth.yes, row), is_set(&truth.no, row)) {
            (true, _) => '1',
            (_, true) => '0',
            _ => '?',
        })
        .collect();
    assert_eq!(actual, expected, "{predicate}");
}

#[test]
fn dotted_names_need_no_quotes() {
    check("http.response.status_code < 500", "10?1");
    check("\"http.response.status_code\" < 500", "10?1");
    check("http.response.status_code < 500 AND duration_ms <= 300", "100?");
    check("http.response.status_code < 500 OR duration_ms <= 300", "11?1");
    check("NOT (http.response.status_code < 500)", "01?0");
    check("http.response.status_code IS NULL", "0010");
    check("http.response.status_code BETWEEN 400 AND 499", "00?1");
    check("http.response.status_code IN (200, 404)", "10?1");
}

#[test]
fn case_of_names_is_kept() {
    check("Ok", "10?1");
    check("Ok = true", "10?1");
    check("NOT Ok", "01?0");
    check("ok", "????");
}

#[test]
fn text_is_decided_once_per_distinct_value() {
    check("service.name = 'cart'", "11?0");
    check("service.name LIKE 'c%'", "11?0");
    check("service.name IS NULL", "0010");
    check("upper(service.name) = 'PAY'", "00?1");
    check("service.name IN ('pay', 'cart')", "11?1");
    check("coalesce(service.name, 'none') = 'none'", "0010");
}

#[test]
fn the_literal_says_which_type_is_meant() {
    check("status < 500", "1?0?");
    check("status IN (200, 503)", "1?1?");
    check("status BETWEEN 400 AND 599", "0?1?");
    check("status = '5x'", "010?");
    check("http.response.status_code = '503'", "01?0");
    check("http.response.status_code LIKE '5%'", "01?0");
    check("size = 'many'", "010?");
    check("size > 8", "0?1?");
    check("Ok = 'true'", "10?1");
}

#[test]
fn an_attribute_that_no_event_has_is_unknown() {
    check("nope < 500", "????");
    check("nope = 'x' OR service.name = 'cart'", "11??");
    check("nope IS NULL", "1111");
    check("lower(nope) = 'x'", "????");
    check("nope LIKE 'x%'", "????");
}

#[test]
fn one_failing_row_is_unknown_alone() {
    check("10 / (http.response.status_code - 200) >= 0", "?1?1");
}

#[test]
fn equal_terms_are_shared() {
    let mut set = PredicateSet::new();
    let first = set.add("a.b < 5 AND c = 'x'").unwrap();
    let nodes = set.nodes.len();
    assert_eq!(set.add("(a.b<5) AND   c = 'x'").unwrap(), first);
    assert_eq!(set.nodes.len(), nodes);
    assert_eq!(set.required_value(first, "c").as_deref(), Some("x"));
    assert_eq!(set.required_value(first, "a.b"), None);
    assert_eq!(set.attributes(first).into_iter().collect::<Vec<_>>(), ["a.b", "c"]);
}

#[test]
fn words_that_sql_reserves_can_be_attributes() {
    for name in [
        "user",
        "current_date",
        "user.name",
        "end.time",
        "time.zone",
        "url.path",
        "order.id",
        "select.x",
        "case.a",
    ] {
        let mut set = PredicateSet::new();
        let id = set.add(&format!("{name} = 'x'")).unwrap();
        assert_eq!(set.attributes(id).into_iter().collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn what_is_no_condition_on_an_event_is_refused_with_its_place() {
    let error = |text: &str| {
        let mut set = PredicateSet::new();
        match set.add(text) {
            Err(error) => error,
            Ok(_) => panic!("{text} was accepted"),
        }
    };
    assert!(error("a = ").message.contains("EOF"));
    assert!(error("").hint.is_some());
    assert_eq!(error("a <> AND b").column, Some(10));
    let trailing = error("a = 1 b");
    assert_eq!((trailing.line, trailing.column), (Some(1), Some(7)));
    assert!(error("a = 'open").line.is_some());
    assert!(error("a IN (SELECT 1)").message.contains("subquery"));
    assert!(error("count(*) > 1").message.contains('*'));
    assert!(error("nosuch(a) = 1").message.contains("nosuch"));
    assert_eq!(error("lowr(a) = 'x'").hint.as_deref(), Some("did you mean 'lower'?"));
    assert!(error("date_part(a) = 1").message.ends_with("expects 2 arguments but received 1"));
    assert!(error("a COLLATE \"C\" = 'x'").message.ends_with("cannot be used here"));
    assert!(error("a > now()").message.contains("now"));
    assert!(error("repeat('x', 1000000000) = a").message.contains("any length"));
    assert!(error("random() > 0.5").message.contains("random"));
    assert!(error("a + 1").message.contains("not true or false"));
    assert!(error("'text'").message.contains("not true or false"));
    let deep = format!("{}a{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(error(&deep).message.contains("deep") || error(&deep).message.contains("recursion"));
    assert!(error(&"a OR ".repeat(20_000)).message.contains("longer"));
}
