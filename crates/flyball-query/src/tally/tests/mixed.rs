//! What an event counts as depends on the event alone, not on which others share its batch.

use std::sync::Arc;

use flyball_events::{BatchBuilder, Decoded, LineCodec, NdjsonCodec, Projection, TimeRule};

use super::*;

/// Values of one attribute as JSON: several types, and what no column holds.
fn value() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "200",
        "500",
        "\"500\"",
        "\"200\"",
        "1.5",
        "\"n/a\"",
        "true",
        "false",
        "\"true\"",
        "1e400",
        "null",
        "[1]",
        "9007199254740993",
        "-7.25",
        "200.0",
        "2e2",
        "\"\"",
        "0",
        "1",
        "\"1\"",
        "9007199254740992",
        "\" 200\"",
        "\"1e16\"",
        "\"2e2\"",
        "\"TRUE\"",
        "\"NaN\"",
    ])
}

fn counts(batches: &[&[String]], slis: &[EventSli]) -> Vec<Measurement> {
    let mut tallier = Tallier::new(&slis.iter().collect::<Vec<_>>(), options()).unwrap();
    for lines in batches {
        let mut batch =
            BatchBuilder::new(Projection::All, Arc::default(), TimeRule::Required, None);
        let mut decoded = Decoded::default();
        NdjsonCodec::new().decode(lines.concat().as_bytes(), &mut batch, &mut decoded);
        assert_eq!(decoded.rejects.total(), 0);
        if batch.rows() > 0 {
            tallier.add(&batch.finish()).unwrap();
        }
    }
    tallier.finish()
}

/// Beside -7.25 the first event's `v` is a double, as which its `w` would be the same.
#[test]
fn a_wide_integer_keeps_its_last_digit_beside_decimals() {
    let line = |v: &str, w: &str| format!("{{\"time\":1772323200,\"v\":{v},\"w\":{w}}}\n");
    let lines = [line("9007199254740992", "9007199254740993"), line("-7.25", "200")];
    let conditions = ["v = w", "v IN (0, w)", "v >= w", "w <= v", "v <> w", "v IS DISTINCT FROM w"];
    let sli = |condition: &&str| sli(condition, GoodOrBad::Good("TRUE".into()), &[], 100);
    let counts = counts(&[&lines], &conditions.iter().map(sli).collect::<Vec<_>>());
    let valid = |counted: &Measurement| counted.total.first().map_or(0, |(_, tally)| tally.valid());
    assert_eq!(counts.iter().map(valid).collect::<Vec<_>>(), [0, 0, 0, 0, 2, 2]);
}

proptest! {
    // Each case compiles every condition for many combinations of types.
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn cutting_and_turning_the_input_changes_no_count(
        values in prop::collection::vec((value(), value()), 1..40),
        cut in 0usize..40,
    ) {
        let lines: Vec<String> = values
            .iter()
            .map(|(v, w)| format!("{{\"time\":1772323200,\"v\":{v},\"w\":{w}}}\n"))
            .collect();
        let conditions = [
            "v < 500", "v <= 200.5", "v = 200", "v <> 200", "v >= 1000", "v BETWEEN 100 AND 300",
            "v IN (200, 500)", "v NOT IN (200, 500)", "v IS NULL", "v IS NOT NULL", "NOT v < 500",
            "v < 500 AND w < 500", "v = 'n/a'", "v <> 'n/a'", "v LIKE '5%'", "v = TRUE",
            "v IN ('n/a', 'x')", "v IN (200, 'n/a')", "v NOT IN ('x', 200, w)", "v = '200'",
            "v <> '200'", "v < '300'", "v >= 9007199254740993", "v = 9007199254740993",
            "v <> '9007199254740993'", "v IN (9007199254740993, 1.5)", "v > 9007199254740992",
            "lower(v) = 'n/a'", "length(v) = 3", "v + 1 > 201", "v / 3 < 70", "v % 2 = 0", "-v < 0",
            "10 / (v - 200) > 0", "v + w > 300", "v = w", "v <> w", "v < w", "v", "NOT v",
            "v IS TRUE", "v IS NOT TRUE", "v IS UNKNOWN", "coalesce(v, 'x') = 'x'",
            "coalesce(v, 0) > 3", "v ~ '^5'", "v || 'x' LIKE '%0x'", "concat(v, w) = '200500'",
            "abs(v) > 7", "round(v) = 2", "upper(v) <> w", "v IS DISTINCT FROM w",
            "CAST(v AS VARCHAR) = '1.5'", "nullif(v, 'n/a') IS NULL", "starts_with(v, '2')",
            "v <> 10000000000000000", "v <= 10000000000000000", "v > w AND v > 9007199254740991",
            "coalesce(v, 0) < 500", "coalesce(v, w) = 200", "nullif(v, 200) IS NULL",
            "greatest(v, w) = 200", "least(v, w) < 2", "CASE v WHEN 200 THEN TRUE WHEN 'n/a' THEN w END",
            "CASE WHEN v THEN 1 WHEN w IS NULL THEN v ELSE 0.5 END > 0.7", "CAST(v AS BIGINT) = 200",
            "TRY_CAST(v AS DOUBLE) > 1", "CAST(v AS BOOLEAN)", "v % 7 = 4", "v IS FALSE", "v = FALSE",
            "v NOT BETWEEN w AND 300",
            "CASE WHEN v > 250 THEN w ELSE 'low' END = 'low'", "v BETWEEN w AND 400",
        ];
        let mut slis: Vec<EventSli> = conditions
            .iter()
            .map(|condition| sli(condition, GoodOrBad::Good("w < 500".into()), &[], 100))
            .collect();
        slis.push(sli("TRUE", GoodOrBad::Good("w IS NOT NULL".into()), &["v"], 100));
        let whole = counts(&[&lines], &slis);
        let (first, second) = lines.split_at(cut.min(lines.len()));
        let turned: Vec<String> = lines.iter().rev().cloned().collect();
        let alone: Vec<&[String]> = lines.chunks(1).collect();
        for batches in [vec![first, second], vec![&turned[..]], alone] {
            let other = counts(&batches, &slis);
            for (at, (whole, other)) in whole.iter().zip(&other).enumerate() {
                let condition = conditions.get(at).unwrap_or(&"by v");
                prop_assert_eq!(whole, other, "{} over {:?} in {:?}", condition, lines, batches);
            }
        }
    }
}
