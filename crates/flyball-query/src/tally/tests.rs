use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, TimestampNanosecondArray};
use proptest::prelude::*;

use super::*;

mod mixed;

/// One event: second, service, status, region.
type Row = (i64, Option<&'static str>, Option<i64>, Option<&'static str>);

fn batch(rows: &[Row]) -> RecordBatch {
    let text = |values: Vec<Option<&str>>| -> ArrayRef {
        let values: DictionaryArray<UInt32Type> = values.into_iter().collect();
        Arc::new(values)
    };
    let times: Vec<i64> = rows.iter().map(|row| row.0 * 1_000_000_000).collect();
    RecordBatch::try_from_iter_with_nullable([
        (
            TIME_COLUMN,
            Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")) as ArrayRef,
            true,
        ),
        ("service.name", text(rows.iter().map(|row| row.1).collect()), true),
        (
            "http.response.status_code",
            Arc::new(Int64Array::from(rows.iter().map(|row| row.2).collect::<Vec<_>>())),
            true,
        ),
        ("region", text(rows.iter().map(|row| row.3).collect()), true),
    ])
    .unwrap()
}

fn sli(total: &str, side: GoodOrBad, by: &[&str], slice_limit: u32) -> EventSli {
    EventSli {
        total: total.into(),
        side,
        by: by.iter().map(|name| (*name).to_owned()).collect(),
        slice_limit,
    }
}

fn options() -> TallyOptions {
    TallyOptions { from: None, to: None, ladder: SlotLadder::dividing(Duration::ZERO) }
}

fn good() -> GoodOrBad {
    GoodOrBad::Good("http.response.status_code < 500".into())
}

/// The obvious way: row by row, into a map.
fn naive(
    rows: &[Row],
    valid: impl Fn(&Row) -> bool,
    good: impl Fn(&Row) -> Option<bool>,
) -> Vec<(Slot, Tally)> {
    let mut slots: BTreeMap<Slot, Tally> = BTreeMap::new();
    for row in rows.iter().filter(|row| valid(row)) {
        let answer = good(row);
        let one =
            Tally::with_undecided(1, u64::from(answer == Some(true)), u64::from(answer.is_none()));
        let sum = slots.entry(Slot(row.0.div_euclid(10))).or_default();
        *sum = sum.plus(one.unwrap());
    }
    slots.into_iter().collect()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let service = prop_oneof![Just(None), Just(Some("cart")), Just(Some("pay")), Just(Some("web"))];
    let status = prop_oneof![Just(None), Just(Some(200)), Just(Some(404)), Just(Some(503))];
    let region = prop_oneof![Just(None), Just(Some("eu")), Just(Some("us"))];
    prop::collection::vec((-100i64..100, service, status, region), 0..300)
}

proptest! {
    #[test]
    fn counting_equals_counting_row_by_row(rows in rows(), split in 0usize..300) {
        let split = split.min(rows.len());
        let slis = [
            sli("service.name = 'cart'", good(), &["region"], 10),
            sli("service.name = 'pay' AND http.response.status_code <> 404", good(), &[], 10),
            sli("TRUE", GoodOrBad::Bad("http.response.status_code >= 500".into()), &[], 10),
            sli("region = 'eu'", good(), &[], 10),
            sli("service.name = 'cart'", good(), &["region"], 1),
            sli("region = 'us'", good(), &[], 10),
            sli("region = 'us' OR region IS NULL", good(), &[], 10),
        ];
        let mut tallier = Tallier::new(&slis.each_ref(), options()).unwrap();
        tallier.add(&batch(&rows[..split])).unwrap();
        tallier.add(&batch(&rows[split..])).unwrap();
        let measured = tallier.finish();
        let ok = |row: &Row| row.2.map(|status| status < 500);
        prop_assert_eq!(&measured[0].total, &naive(&rows, |r| r.1 == Some("cart"), ok));
        prop_assert_eq!(
            &measured[1].total,
            &naive(&rows, |r| r.1 == Some("pay") && r.2.is_some_and(|s| s != 404), ok)
        );
        prop_assert_eq!(&measured[2].total, &naive(&rows, |_| true, ok));
        prop_assert_eq!(&measured[3].total, &naive(&rows, |r| r.3 == Some("eu"), ok));
        prop_assert_eq!(
            &measured[6].total,
            &naive(&rows, |r| r.3 == Some("us") || r.3.is_none(), ok)
        );
        for (slice, slots) in &measured[0].slices {
            let attributes = slice.attributes();
            let region = attributes["region"].as_deref();
            let expected = naive(&rows, |r| r.1 == Some("cart") && r.3 == region, ok);
            prop_assert_eq!(slots, &expected);
        }
        // Past the slice limit totals stay exact.
        let sliced: u64 = measured[4].slices.iter().flat_map(|s| &s.1).map(|s| s.1.valid()).sum();
        let total: u64 = measured[4].total.iter().map(|s| s.1.valid()).sum();
        prop_assert_eq!(sliced, total);
        prop_assert!(measured[4].slices.len() <= 2);
    }
}

#[test]
fn events_outside_the_range_are_left_out_and_counted() {
    let sli = sli("TRUE", good(), &[], 10);
    let range = TallyOptions {
        from: Some(Timestamp::from_seconds(10)),
        to: Some(Timestamp::from_seconds(20)),
        ..options()
    };
    let mut tallier = Tallier::new(&[&sli], range).unwrap();
    let row = |second| (second, None, Some(200), None);
    tallier.add(&batch(&[row(9), row(10), row(19), row(20)])).unwrap();
    assert_eq!((tallier.outside(), tallier.after_end()), (2, 1));
    let measured = tallier.finish();
    assert_eq!(measured[0].total, [(Slot(1), Tally::new(2, 2).unwrap())]);
}

#[test]
fn too_many_slots_make_them_wider_and_keep_every_count() {
    let sli = sli("TRUE", good(), &[], 10);
    let mut tallier = Tallier::new(&[&sli], options()).unwrap();
    let chunk = 500_000;
    for start in 0..5 {
        let rows: Vec<Row> =
            (0..chunk).map(|i| ((start * chunk + i) * 10, None, Some(200), None)).collect();
        tallier.add(&batch(&rows)).unwrap();
    }
    assert_eq!(tallier.slot_width(), Duration::from_minutes(1));
    let measured = tallier.finish();
    let total: Tally = measured[0].total.iter().map(|(_, tally)| *tally).sum();
    assert_eq!(total.valid(), 2_500_000);
    assert_eq!(measured[0].total.len(), 416_667);
}

#[test]
fn slots_that_cannot_widen_are_refused_past_the_bound() {
    let sli = sli("TRUE", good(), &[], 10);
    let only =
        TallyOptions { ladder: SlotLadder::dividing(Duration::from_seconds(10)), ..options() };
    let mut tallier = Tallier::new(&[&sli], only).unwrap();
    let rows: Vec<Row> = (0..2_000_001).map(|i| (i * 10, None, None, None)).collect();
    let error = tallier.add(&batch(&rows)).unwrap_err();
    assert!(matches!(error, QueryError::TooManySlots { .. }), "{error}");
}

#[test]
fn an_attribute_that_no_event_has_is_named_with_near_matches() {
    let sli = sli("TRUE", GoodOrBad::Good("http.response.status < 500".into()), &["zone"], 10);
    let mut tallier = Tallier::new(&[&sli], options()).unwrap();
    assert_eq!(tallier.unknown_attributes(&[]), []);
    let first = batch(&[(0, None, Some(200), None)]);
    let known: Vec<String> = first.schema().fields().iter().map(|f| f.name().clone()).collect();
    tallier.add(&first).unwrap();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let unknown = tallier.unknown_attributes(&known);
    assert_eq!(unknown.len(), 2);
    assert_eq!(unknown[0].attribute, "http.response.status");
    assert_eq!(unknown[0].near, ["http.response.status_code"]);
    assert_eq!(unknown[1].attribute, "zone");
}

#[test]
fn every_bad_predicate_is_reported_with_its_place() {
    let slis = [
        sli("a =", good(), &[], 10),
        sli("TRUE", good(), &[], 10),
        sli("TRUE", GoodOrBad::Bad("b + 1".into()), &[], 10),
    ];
    let errors = Tallier::new(&slis.each_ref(), options()).unwrap_err();
    let places: Vec<_> = errors.iter().map(|(at, part, _)| (*at, *part)).collect();
    assert_eq!(places, [(0, SliPart::Total), (2, SliPart::Side)]);
}
