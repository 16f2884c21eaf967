use std::io::{Seek, Write};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int64Array, Int64Builder, ListArray, MapBuilder, StringArray, StringBuilder, StructArray,
    TimestampMillisecondArray, UInt64Array,
};
use arrow::datatypes::{Fields, Int64Type, TimestampNanosecondType};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::batch::{Projection, TimeRule};
use crate::semantic::Mapping;

fn sample(rows: i64) -> RecordBatch {
    let ids: Vec<i64> = (0..rows).collect();
    let odd = |id: &i64| id % 2 == 1;
    let status: ArrayRef = Arc::new(
        ids.iter()
            .map(|id| odd(id).then_some(i16::try_from(200 + id % 300).unwrap()))
            .collect::<Int16Array>(),
    );
    let field = Arc::new(Field::new("status", DataType::Int16, true));
    let http = StructArray::new(Fields::from(vec![field]), vec![status], None);
    let tags = ListArray::from_iter_primitive::<Int64Type, _, _>(
        ids.iter().map(|id| Some(vec![Some(*id), None])),
    );
    let at: Vec<i64> = ids.iter().map(|id| 1_733_357_418_250 + id).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("at", Arc::new(TimestampMillisecondArray::from(at).with_timezone("+02:00"))),
        ("id", Arc::new(Int64Array::from(ids.clone()))),
        (
            "wide",
            Arc::new(ids.iter().map(|id| u64::MAX - id.unsigned_abs()).collect::<UInt64Array>()),
        ),
        ("ratio", Arc::new(ids.iter().map(|id| *id as f32 / 4.0).collect::<Float32Array>())),
        (
            "name",
            Arc::new(ids.iter().map(|id| Some(format!("n{}", id % 3))).collect::<StringArray>()),
        ),
        (
            "price",
            Arc::new(
                Decimal128Array::from_iter_values(ids.iter().map(|id| i128::from(*id) + 1_000))
                    .with_precision_and_scale(20, 2)
                    .unwrap(),
            ),
        ),
        ("http", Arc::new(http)),
        ("tags", Arc::new(tags)),
        ("raw", Arc::new(BinaryArray::from_iter_values(ids.iter().map(|_| [0xFF_u8, 0x01])))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn bytes(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn decode(bytes: &[u8], projection: Projection) -> (Vec<RecordBatch>, Decoded) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    let mapping = Arc::new(Mapping::parse(["at=time"]).unwrap());
    let mut batch = BatchBuilder::new(projection, mapping, TimeRule::Required, None);
    let mut decoded = Decoded::default();
    let mut batches = Vec::new();
    let mut flush = |batch: &mut BatchBuilder| {
        batches.push(batch.finish());
        true
    };
    ParquetCodec::default().decode(file, &mut batch, &mut decoded, &mut flush).unwrap();
    batches.push(batch.finish());
    (batches, decoded)
}

fn text(batch: &RecordBatch, name: &str, row: usize) -> String {
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("{name}"));
    if column.is_null(row) {
        return "null".to_owned();
    }
    arrow::util::display::array_value_to_string(column, row).unwrap()
}

#[test]
fn columns_of_every_kind_become_ours() {
    let (batches, decoded) = decode(&bytes(&sample(4)), Projection::All);
    assert_eq!((decoded.lines, decoded.events, decoded.rejects.total()), (4, 4, 0));
    let batch = &batches[0];
    let times = batch["time"].as_primitive::<TimestampNanosecondType>();
    assert_eq!(times.value(3), 1_733_357_418_253_000_000);
    for (name, expected) in [
        ("id", "3"),
        ("wide~text", "18446744073709551612"),
        ("ratio", "0.75"),
        ("name", "n0"),
        ("price", "10.03"),
        ("http.status", "203"),
        ("tags", "[3,null]"),
        ("raw", "ff01"),
    ] {
        assert_eq!(text(batch, name, 3), expected, "{name}");
    }
    assert_eq!(text(batch, "http.status", 2), "null");
}

#[test]
fn keys_of_maps_are_attributes() {
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for (key, value) in [("k", Some(7)), ("status", Some(200)), ("n", None)] {
        maps.keys().append_value(key);
        maps.values().append_option(value);
    }
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    maps.keys().append_value("k");
    maps.values().append_value(9);
    maps.append(true).unwrap();
    let at = Arc::new(Int64Array::from(vec![1_733_357_418; 3])) as ArrayRef;
    let columns = [("at", at), ("mp", Arc::new(maps.finish()) as ArrayRef)];
    let bytes = bytes(
        &RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
            .unwrap(),
    );
    let (batches, decoded) = decode(&bytes, Projection::All);
    assert_eq!((decoded.events, decoded.rejects.total()), (3, 0));
    let rows = |name: &str| [0, 1, 2].map(|row| text(&batches[0], name, row));
    assert_eq!(rows("mp.k"), ["7", "null", "9"]);
    assert_eq!(rows("mp.status"), ["200", "null", "null"]);
    assert!(batches[0].column_by_name("mp").is_none());
    let (batches, _) = decode(&bytes, Projection::Only(vec!["mp.status".to_owned()]));
    assert_eq!(text(&batches[0], "mp.status", 0), "200");
    assert!(batches[0].column_by_name("mp.k").is_none());
}

#[test]
fn digits_and_numbers_that_no_double_holds_are_kept_as_text() {
    let prices = Decimal128Array::from_iter_values([
        150,
        123_456_789_012_345_678_901_234_567,
        -900_719_925_474_099_312,
        225_179_981_368_524_850,
    ]);
    let prices = prices.with_precision_and_scale(38, 2).unwrap();
    let ratios = [0.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("at", Arc::new(Int64Array::from(vec![1_733_357_418; 4]))),
        ("price", Arc::new(prices)),
        ("ratio", Arc::new(ratios.iter().copied().collect::<Float64Array>())),
    ];
    let (batches, _) =
        decode(&bytes(&RecordBatch::try_from_iter(columns).unwrap()), Projection::All);
    let rows = |name: &str| [0, 1, 2, 3].map(|row| text(&batches[0], name, row));
    assert_eq!(rows("price"), ["1.5", "null", "null", "2251799813685248.5"]);
    assert_eq!(
        rows("price~text"),
        ["null", "1234567890123456789012345.67", "-9007199254740993.12", "null"]
    );
    assert_eq!(rows("ratio"), ["0.5", "null", "null", "null"]);
    assert_eq!(rows("ratio~text"), ["null", "inf", "-inf", "NaN"]);
}

#[test]
fn only_wanted_columns_come_and_many_rows_are_passed_on_in_parts() {
    let rows = 40_000;
    let wanted = Projection::Only(vec!["http.status".to_owned()]);
    let (batches, decoded) = decode(&bytes(&sample(rows)), wanted);
    assert_eq!(decoded.events, rows.unsigned_abs());
    assert!(batches.len() > 2);
    assert!(batches.iter().all(|batch| batch.num_rows() <= 2 * BATCH_ROWS));
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 40_000);
    assert!(batches.iter().all(|batch| batch.num_columns() <= 2));
}

#[test]
fn files_that_are_none_are_refused_with_the_reason() {
    for content in [&b""[..], b"PAR1", b"PAR1 nothing PAR1", b"hello"] {
        let (_, decoded) = decode(content, Projection::All);
        assert_eq!(decoded.events, 0);
        assert_eq!(
            decoded.rejects.iter().map(|(reason, _)| reason).collect::<Vec<_>>(),
            [NOT_PARQUET]
        );
    }
    let whole = bytes(&sample(100));
    let (_, decoded) = decode(&whole[..whole.len() / 2], Projection::All);
    assert_eq!((decoded.events, decoded.rejects.total()), (0, 1));
}

#[test]
fn mutated_files_never_panic() {
    let seed = bytes(&sample(50));
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % bound as u64).unwrap()
    };
    let mut refused = 0;
    for _ in 0..500 {
        let mut bytes = seed.clone();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            bytes[at] = u8::try_from(next(256)).unwrap();
        }
        let (batches, decoded) = decode(&bytes, Projection::All);
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows as u64, decoded.events);
        refused += u64::from(decoded.rejects.total() > 0);
    }
    assert!(refused > 20, "{refused}");
}
