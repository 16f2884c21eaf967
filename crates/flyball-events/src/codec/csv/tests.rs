use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use proptest::prelude::*;

use super::*;
use crate::batch::{Projection, TimeRule};
use crate::semantic::Mapping;

fn decode(options: &CsvOptions, header: &str, records: &[u8]) -> (RecordBatch, Decoded) {
    let mapping = Arc::new(Mapping::parse(["StartTimeUnixNano=time"]).unwrap());
    let mut batch = BatchBuilder::new(Projection::All, mapping, TimeRule::Optional, None);
    let mut decoded = Decoded::default();
    CsvCodec::new(options, header.as_bytes()).decode(records, &mut batch, &mut decoded);
    (batch.finish(), decoded)
}

/// The texts of a column, `null` where absent.
fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("{name}: {batch:?}"));
    (0..column.len())
        .map(|row| {
            if column.is_null(row) {
                return "null".to_owned();
            }
            arrow::util::display::array_value_to_string(column, row).unwrap()
        })
        .collect()
}

#[test]
fn values_have_the_type_they_look_like() {
    let records = b"1,0.5,true,007,\r\n2,-1e3,False,x,\"\"\n";
    let (batch, decoded) = decode(&CsvOptions::default(), "i,f,b,t,e", records);
    assert_eq!((decoded.lines, decoded.events), (2, 2));
    let types: Vec<&DataType> = ["i", "f", "b"].map(|name| batch[name].data_type()).to_vec();
    assert_eq!(types, [&DataType::Int64, &DataType::Float64, &DataType::Boolean]);
    assert_eq!(texts(&batch, "t"), ["007", "x"]);
    assert!(batch.column_by_name("e").is_none());
}

#[test]
fn quoted_fields_hold_delimiters_quotes_and_line_ends() {
    let records = b"\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\nx,5\" pipe,\"\"\"\"\n";
    let (batch, decoded) = decode(&CsvOptions::default(), "a,b,c", records);
    assert_eq!((decoded.lines, decoded.events), (3, 2), "{decoded:?}");
    assert_eq!(texts(&batch, "a"), ["a,b", "x"]);
    assert_eq!(texts(&batch, "b"), ["say \"hi\"", "5\" pipe"]);
    assert_eq!(texts(&batch, "c"), ["two\nlines", "\""]);
}

#[test]
fn times_come_from_a_column_that_is_mapped_to_time() {
    let (batch, _) =
        decode(&CsvOptions::default(), "StartTimeUnixNano,n", b"1674981768697000000,1\n");
    let times = batch["time"].as_primitive::<arrow::datatypes::TimestampNanosecondType>();
    assert_eq!(times.value(0), 1_674_981_768_697_000_000);
}

#[test]
fn columns_can_be_named_or_numbered() {
    let options = CsvOptions { header: false, delimiter: b'\t', columns: Vec::new() };
    let (batch, _) = decode(&options, "", b"1\tx y\n2\t\"z\"\n");
    assert_eq!(texts(&batch, "column_1"), ["1", "2"]);
    assert_eq!(texts(&batch, "column_2"), ["x y", "z"]);
    let options = CsvOptions { columns: vec!["n".into(), "m".into()], ..options };
    let (batch, _) = decode(&options, "", b"1\t2");
    assert_eq!(texts(&batch, "m"), ["2"]);
    let (batch, _) = decode(&CsvOptions::default(), "\"n\"\"1\",,m ", b"1,2,3");
    assert_eq!(
        (texts(&batch, "n\"1"), texts(&batch, "column_2")),
        (vec!["1".into()], vec!["2".into()])
    );
    assert_eq!(texts(&batch, "m"), ["3"]);
}

#[test]
fn records_that_do_not_fit_are_refused_with_the_place() {
    for (record, reason, column) in [
        ("1", TOO_FEW, 2),
        ("1,2,3", TOO_MANY, 5),
        ("\"1\"x,2", AFTER_QUOTE, 4),
        ("1,\"2", UNCLOSED, 3),
        ("1,\u{fffd}", "", 0),
    ] {
        let mut bytes = record.as_bytes().to_vec();
        let mut expected = (reason, Some(column));
        if reason.is_empty() {
            bytes = b"1,\xff".to_vec();
            expected = (NOT_UTF8, Some(3));
        }
        bytes.extend_from_slice(b"\n8,9\n");
        let (batch, decoded) = decode(&CsvOptions::default(), "a,b", &bytes);
        let (found, example) = decoded.rejects.first().unwrap();
        assert_eq!((found, example.column), expected, "{record}");
        assert_eq!((example.line, decoded.lines), (1, 2));
        assert_eq!(texts(&batch, "b"), ["9"], "the next record is read");
    }
}

#[test]
fn a_column_of_two_types_keeps_both() {
    let (batch, decoded) = decode(&CsvOptions::default(), "n", b"1\nx\n\n2.5\n");
    assert_eq!((decoded.events, decoded.lines), (3, 4));
    assert_eq!(texts(&batch, "n"), ["1.0", "null", "2.5"]);
    assert_eq!(texts(&batch, "n~text"), ["null", "x", "null"]);
}

/// The fields of one record, as RFC 4180 has a writer write them.
fn written(fields: &[String]) -> String {
    let quoted: Vec<String> =
        fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
    quoted.join(",")
}

proptest! {
    #[test]
    fn what_is_written_by_the_rules_is_read_back(
        rows in prop::collection::vec(prop::collection::vec("[a-z\",\\r\\n é]{1,8}", 3), 1..8)
    ) {
        let mut records = String::new();
        for row in &rows {
            records += &written(row);
            records += "\r\n";
        }
        let (batch, decoded) = decode(&CsvOptions::default(), "a,b,c", records.as_bytes());
        prop_assert_eq!(decoded.events, rows.len() as u64);
        for (index, name) in ["a", "b", "c"].iter().enumerate() {
            let expected: Vec<String> = rows.iter().map(|row| row[index].clone()).collect();
            // Words such as `true` cannot come up: they would need four given letters in a row
            // of their own, and then be of another type.
            if expected.iter().all(|text| text != "true" && text != "false") {
                prop_assert_eq!(texts(&batch, name), expected);
            }
        }
    }

    #[test]
    fn no_bytes_panic_and_every_row_is_an_event(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (batch, decoded) = decode(&CsvOptions::default(), "a,b", &bytes);
        prop_assert_eq!(batch.num_rows() as u64, decoded.events);
        let csv_like: Vec<u8> = bytes.iter().map(|b| b",\"\n\r1a"[usize::from(b % 6)]).collect();
        let (batch, decoded) = decode(&CsvOptions::default(), "a,b", &csv_like);
        prop_assert_eq!(batch.num_rows() as u64, decoded.events);
    }
}

#[test]
fn integers_are_exact() {
    let (batch, _) = decode(&CsvOptions::default(), "n", b"9007199254740993\n");
    assert_eq!(batch["n"].as_primitive::<Int64Type>().value(0), 9_007_199_254_740_993);
}

#[test]
fn records_with_line_ends_and_stray_quotes_survive_being_cut_into_units() {
    use std::fmt::Write as _;
    use std::io::Write as _;
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let mut content = String::from("time,n,note\n");
    for n in 0..120_000_usize {
        let note = ["\"two\nlines, \"\"q\"\"\"", "5\" pipe", "x", "\"\"\"\n\"\"\""][n % 4];
        writeln!(content, "{},{n},{note}", 1_700_000_000 + n).unwrap();
    }
    file.write_all(content.as_bytes()).unwrap();
    let mut numbers: Vec<i64> = Vec::new();
    let options = crate::ReadOptions { threads: 3, ..crate::ReadOptions::default() };
    let inputs = [crate::Input::File(file.path().to_owned())];
    let summary = crate::read(&inputs, &options, &mut |_| {}, &mut |batch| {
        numbers.extend(batch["n"].as_primitive::<Int64Type>().values());
        std::ops::ControlFlow::Continue(())
    });
    let summary = summary.unwrap();
    assert_eq!(summary.inputs[0].format.as_deref(), Some("csv"));
    assert_eq!((summary.rejected(), summary.lines()), (0, content.lines().count() as u64));
    assert_eq!(numbers, (0..120_000).collect::<Vec<i64>>());
}
