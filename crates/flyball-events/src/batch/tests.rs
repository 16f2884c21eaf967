use super::*;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type, UInt32Type};
use arrow::util::display::array_value_to_string;
use proptest::prelude::*;

fn builder(rule: TimeRule) -> BatchBuilder {
    BatchBuilder::new(Projection::All, Arc::default(), rule, None)
}

fn column(builder: &mut BatchBuilder, name: &str) -> ColumnId {
    builder.column(name).unwrap()
}

#[test]
fn rows_without_a_value_are_null() {
    let mut builder = builder(TimeRule::Optional);
    let status = column(&mut builder, "status");
    assert!(builder.end_row());
    builder.set_int(status, 200);
    assert!(builder.end_row());
    assert!(builder.end_row());
    let batch = builder.finish();
    let status = batch.column_by_name("status").unwrap().as_primitive::<Int64Type>();
    assert_eq!(status.iter().collect::<Vec<_>>(), [None, Some(200), None]);
    assert_eq!(builder.finish().num_rows(), 0);
}

#[test]
fn a_value_that_does_not_fit_is_kept_as_text() {
    let mut builder = builder(TimeRule::Optional);
    let size = column(&mut builder, "size");
    builder.set_int(size, 9_007_199_254_740_993);
    assert!(builder.end_row());
    builder.set_float(size, 0.5, "0.5");
    assert!(builder.end_row());
    builder.set_text(size, "unknown");
    assert!(builder.end_row());
    builder.set_float(size, f64::INFINITY, "1e400");
    assert!(builder.end_row());
    builder.set_bool(size, true);
    assert!(builder.end_row());
    let batch = builder.finish();
    let floats = batch.column_by_name("size").unwrap().as_primitive::<Float64Type>();
    assert_eq!(
        floats.iter().collect::<Vec<_>>(),
        [Some(9_007_199_254_740_992.0), Some(0.5), None, None, None]
    );
    let twin = batch.column_by_name("size~text").unwrap().as_string::<i32>();
    assert_eq!(
        twin.iter().collect::<Vec<_>>(),
        [Some("9007199254740993"), None, Some("unknown"), Some("1e400"), Some("true")]
    );
}

#[test]
fn an_abandoned_row_leaves_nothing() {
    let mut builder = builder(TimeRule::Required);
    let name = column(&mut builder, "name");
    builder.set_text(name, "kept");
    builder.set_time(1, 5);
    assert!(builder.end_row());
    builder.set_text(name, "dropped");
    builder.set_time(1, 6);
    builder.abandon_row();
    builder.set_text(name, "no time");
    assert!(!builder.end_row());
    builder.set_time(2, 8);
    builder.set_time(1, 7);
    assert!(builder.end_row());
    let batch = builder.finish();
    let names = batch.column_by_name("name").unwrap().as_dictionary::<UInt32Type>();
    assert_eq!(names.len(), 2);
    assert!(names.is_null(1));
    assert_eq!(names.values().len(), 3);
    let times = batch.column(0).as_primitive::<arrow::datatypes::TimestampNanosecondType>();
    assert_eq!(times.values(), &[5, 7]);
}

#[test]
fn the_default_service_fills_only_gaps() {
    let mut builder = BatchBuilder::new(
        Projection::Only(vec!["service.name".into()]),
        Arc::default(),
        TimeRule::Optional,
        Some("shop".into()),
    );
    assert_eq!(builder.column("other"), None);
    let service = column(&mut builder, "service.name");
    assert!(builder.end_row());
    builder.set_text(service, "cart");
    assert!(builder.end_row());
    let batch = builder.finish();
    let services = batch.column_by_name("service.name").unwrap().as_dictionary::<UInt32Type>();
    let services = services.downcast_dict::<arrow::array::StringArray>().unwrap();
    assert_eq!(services.into_iter().collect::<Vec<_>>(), [Some("shop"), Some("cart")]);
}

#[test]
fn a_current_name_counts_before_the_one_it_replaced_whatever_the_order() {
    let mut builder = builder(TimeRule::Optional);
    let keys = ["http.status_code", "http.response.status_code"].map(|key| builder.role(key));
    let [Role::Attribute(old), Role::Attribute(new)] = keys else { panic!("{keys:?}") };
    builder.set_int(old, 1);
    assert!(builder.end_row());
    assert!(builder.offered().clashed.is_empty());
    builder.set_int(old, 1);
    builder.set_int(new, 2);
    builder.set_int(new, 3);
    assert!(builder.end_row());
    builder.set_int(new, 2);
    builder.set_int(old, 1);
    assert!(builder.end_row());
    builder.set_int(old, 1);
    builder.abandon_row();
    builder.set_int(new, 2);
    builder.set_int(new, 3);
    assert!(builder.end_row());
    assert!(builder.offered().clashed.contains("http.response.status_code"));
    let batch = builder.finish();
    let status = batch["http.response.status_code"].as_primitive::<Int64Type>();
    assert_eq!(status.values(), &[1, 2, 2, 2]);
}

/// The texts of a column, row by row.
fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let Some(column) = batch.column_by_name(name) else { return vec![None; batch.num_rows()] };
    let column = column.as_dictionary::<UInt32Type>();
    let column = column.downcast_dict::<arrow::array::StringArray>().unwrap();
    column.into_iter().map(|text| text.map(str::to_owned)).collect()
}

proptest::proptest! {
    /// Whatever is kept back, told apart or written once: each row has the text that it was given.
    #[test]
    fn every_row_has_its_own_text(
        rows in proptest::collection::vec((0_u32..9, 0_u32..1_000, proptest::bool::weighted(0.9)), 0..2_000),
        repeats in proptest::bool::ANY,
    ) {
        let mut builder = builder(TimeRule::Optional);
        let column = column(&mut builder, "name");
        let mut expected = Vec::new();
        for (kind, number, is_kept) in &rows {
            let text = match kind {
                0 => None,
                1 => Some("long ".repeat(*number as usize / 20)),
                _ if repeats => Some(format!("{}", number % 20)),
                _ => Some(format!("{number} {}", expected.len())),
            };
            if let Some(text) = &text {
                builder.set_text(column, text);
            }
            if *is_kept {
                assert!(builder.end_row());
                expected.push(text);
            } else {
                builder.abandon_row();
            }
        }
        proptest::prop_assert_eq!(texts(&builder.finish(), "name"), expected);
    }
}

#[test]
fn nobody_looks_for_repeats_among_ids() {
    let mut builder = builder(TimeRule::Optional);
    let ids = ["id", "kind"].map(|name| column(&mut builder, name));
    for row in 0..1_000 {
        builder.set_text(ids[0], &format!("{row:032x}"));
        builder.set_text(ids[1], if row % 2 == 0 { "read" } else { "write" });
        assert!(builder.end_row());
    }
    // One of long ago comes again.
    builder.set_text(ids[0], &format!("{:032x}", 1));
    assert!(builder.end_row());
    let batch = builder.finish();
    let values = |name: &str| batch[name].as_dictionary::<UInt32Type>().values().len();
    assert_eq!((values("id"), values("kind")), (1_001, 2));
    assert_eq!(texts(&batch, "id")[1_000], texts(&batch, "id")[1]);
}

#[test]
fn texts_that_are_too_long_are_cut_between_characters_and_counted() {
    let mut batch =
        BatchBuilder::new(Projection::All, Arc::new(Mapping::default()), TimeRule::Optional, None);
    batch.set_text_bytes_max(4);
    let column = batch.column("a").unwrap();
    for text in ["abcd", "abcde", "abc\u{20ac}"] {
        batch.set_text(column, text);
        assert!(batch.end_row());
    }
    assert_eq!((batch.take_texts_cut(), batch.take_texts_cut()), (2, 0));
    let rows = batch.finish();
    let texts = arrow::compute::cast(rows.column(1), &DataType::Utf8).unwrap();
    let texts: Vec<&str> = texts.as_string::<i32>().iter().flatten().collect();
    assert_eq!(texts, ["abcd", "abcd", "abc"]);
}

/// What is done to a builder, with the place of a column where it is to one.
#[derive(Debug, Clone)]
enum Step {
    Int(usize, i64),
    Text(usize, String),
    /// Under a key that conventions have replaced.
    Old(usize, String),
    Share(usize, String),
    EndSharing,
    EndRow,
    Abandon,
    Finish,
}

/// The columns of a batch as texts, whatever codes their texts have.
fn shown(batch: &RecordBatch) -> Vec<(String, Vec<String>)> {
    let text = |array: &ArrayRef, row| array_value_to_string(array, row).unwrap();
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns
        .map(|(field, array)| {
            let texts = (0..batch.num_rows()).map(|row| text(array, row)).collect();
            (field.to_string(), texts)
        })
        .collect()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let column = || 0..3_usize;
    let text = || "[ab]{0,2}|[ab]{70}";
    let step = prop_oneof![
        1 => (column(), any::<i64>()).prop_map(|(at, value)| Step::Int(at, value)),
        4 => (column(), text()).prop_map(|(at, value)| Step::Text(at, value)),
        2 => (column(), text()).prop_map(|(at, value)| Step::Old(at, value)),
        3 => (column(), text()).prop_map(|(at, value)| Step::Share(at, value)),
        1 => Just(Step::EndSharing),
        6 => Just(Step::EndRow),
        1 => Just(Step::Abandon),
        1 => Just(Step::Finish),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Held against a builder that is told the text at the end of each row.
    #[test]
    fn a_shared_text_is_as_one_set_in_each_row(steps in steps()) {
        let (mut sharing, mut told) = (builder(TimeRule::Optional), builder(TimeRule::Optional));
        for builder in [&mut sharing, &mut told] {
            builder.set_text_bytes_max(64);
        }
        let columns = ["a", "b", "c"].map(|name| column(&mut sharing, name));
        let _ = ["a", "b", "c"].map(|name| column(&mut told, name));
        let mut shared = std::collections::BTreeMap::<usize, String>::new();
        let mut is_between = true;
        for step in steps.into_iter().chain([Step::Finish]) {
            if matches!(step, Step::Share(..) | Step::EndSharing) && !is_between {
                continue;
            }
            let is_end = matches!(step, Step::EndRow | Step::Abandon | Step::Finish);
            if is_end && (!is_between || matches!(step, Step::EndRow)) {
                for (at, value) in &shared {
                    told.set_text(columns[*at], value);
                }
            }
            is_between = is_end || is_between && matches!(step, Step::Share(..) | Step::EndSharing);
            match step {
                Step::Int(at, value) => [&mut sharing, &mut told].map(|to| to.set_int(columns[at], value)),
                Step::Text(at, value) => [&mut sharing, &mut told].map(|to| to.set_text(columns[at], &value)),
                Step::Old(at, value) => {
                    let id = ColumnId { is_old: true, ..columns[at] };
                    [&mut sharing, &mut told].map(|to| to.set_text(id, &value))
                }
                Step::Share(at, value) => {
                    if sharing.share_text(columns[at], &value) {
                        shared.entry(at).or_insert(value);
                    }
                    [(); 2]
                }
                Step::EndSharing => {
                    sharing.end_sharing();
                    shared.clear();
                    [(); 2]
                }
                Step::EndRow => [&mut sharing, &mut told].map(|to| assert!(to.end_row())),
                Step::Abandon => [&mut sharing, &mut told].map(BatchBuilder::abandon_row),
                Step::Finish => {
                    shared.clear();
                    let [one, other] = [sharing.finish(), told.finish()].map(|batch| shown(&batch));
                    prop_assert_eq!(one, other);
                    [(); 2]
                }
            };
        }
        prop_assert_eq!(sharing.offered(), told.offered());
        prop_assert_eq!(sharing.take_texts_cut(), told.take_texts_cut());
    }
}
