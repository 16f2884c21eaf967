//! Events in, the same events out, whatever happens between.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampNanosecondType};
use arrow::util::display::array_value_to_string;
use flyball_events::{
    BatchBuilder, Decoded, LineCodec, Mapping, NdjsonCodec, Projection, TIME_COLUMN, TimeRule,
};
use flyball_model::{Duration, Timestamp};

use super::*;

const ALWAYS: (Timestamp, Timestamp) = (Timestamp::MIN, Timestamp::MAX);

fn batch(lines: &str) -> RecordBatch {
    let mapping = Arc::new(Mapping::default());
    let mut batch = BatchBuilder::new(Projection::All, mapping, TimeRule::Required, None);
    NdjsonCodec::new().decode(lines.as_bytes(), &mut batch, &mut Decoded::default());
    batch.finish()
}

/// Every event by time and entry, with what its attributes say.
fn rows(view: &View) -> BTreeMap<(i64, i64), Vec<(String, String)>> {
    let mut all = BTreeMap::new();
    for hour in view.hours() {
        for batch in view.read(hour, None) {
            let batch = batch.unwrap();
            let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
            let entries = batch.column(1).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let fields = batch.schema_ref().fields().iter().zip(batch.columns()).skip(2);
                let said = fields.filter(|(_, column)| !column.is_null(row)).map(|(f, column)| {
                    (f.name().clone(), array_value_to_string(column, row).unwrap())
                });
                assert_eq!(Hour::of(Timestamp::from_nanos(times.value(row))), hour);
                let old = all.insert((times.value(row), entries.value(row)), said.collect());
                assert_eq!(old, None, "an event is there twice");
            }
        }
    }
    all
}

/// As [`Buffer::add`] for the events of one entry, and the last of those that the buffer holds.
fn add(buffer: &mut Buffer, entry: u64, lines: &str, (from, to): (Timestamp, Timestamp)) {
    let batch = batch(lines);
    buffer.add(&batch, &[Run { entry, rows: batch.num_rows(), from, to }]).unwrap();
    buffer.reach(entry);
}

fn store(writer: &mut SegmentWriter, entry: u64, lines: &str) {
    let mut buffer = Buffer::new(writer.segments().view().through());
    add(&mut buffer, entry, lines, ALWAYS);
    writer.append(&buffer).unwrap();
}

fn open(path: &Path) -> SegmentWriter {
    SegmentWriter::open(path).unwrap().0
}

#[test]
fn types_that_differ_keep_their_values() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = open(directory.path());
    let mut buffer = Buffer::new(0);
    let lines = [
        r#"{"time":"2026-03-02T12:00:00Z","v":200,"a":true}"#,
        r#"{"time":"2026-03-02T12:00:01Z","v":"timeout","a":"x"}"#,
        r#"{"time":"2026-03-02T12:00:02Z","v":0.5,"~entry":"mine"}"#,
        r#"{"time":"2026-03-02T12:00:03Z","v":9007199254740993}"#,
    ];
    for (entry, line) in (1..).zip(lines) {
        add(&mut buffer, entry, line, ALWAYS);
    }
    writer.append(&buffer).unwrap();
    let view = writer.segments().view();
    assert_eq!(view.files().count(), 1);
    let said: Vec<_> = rows(&view).into_values().collect();
    let text = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    assert_eq!(said[0], text(&[("a", "true"), ("v", "200.0")]));
    assert_eq!(said[1], text(&[("a~text", "x"), ("v~text", "timeout")]));
    assert_eq!(said[2], text(&[("v", "0.5"), ("~entry~", "mine")]));
    assert_eq!(said[3][1], ("v~text".to_owned(), "9007199254740993".to_owned()));
    let batch = view.read(Hour::of(Timestamp::parse("2026-03-02T12:00:00Z").unwrap()), None);
    let batch = batch.last().unwrap().unwrap();
    assert_eq!(batch.column_by_name("v").unwrap().data_type(), &DataType::Float64);
}

#[test]
fn hours_and_bounds_part_events() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = open(directory.path());
    let lines = concat!(
        "{\"time\":\"2026-03-02T12:59:59Z\",\"service.name\":\"b\"}\n",
        "{\"time\":\"2026-03-02T13:00:00Z\",\"service.name\":\"a\"}\n",
        "{\"time\":\"2026-03-02T13:00:01Z\"}\n",
        "{\"time\":\"2026-03-02T14:00:00Z\"}\n",
    );
    let to = Timestamp::parse("2026-03-02T14:00:00Z").unwrap();
    let mut buffer = Buffer::new(0);
    add(&mut buffer, 7, lines, (to.minus(Duration::from_hours(2)), to));
    assert_eq!((buffer.rows(), buffer.through()), (3, 7));
    writer.append(&buffer).unwrap();
    let view = writer.segments().view();
    let counts: Vec<u64> = view.files().map(|file| file.rows).collect();
    assert_eq!(counts, [1, 2]);
    let only = view.read(Hour::of(to.minus(Duration::from_minutes(30))), Some(&[]));
    let only = only.last().unwrap().unwrap();
    let names: Vec<_> = only.schema_ref().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, [TIME_COLUMN, ENTRY_COLUMN]);
    assert_eq!(view.check(&mut |_| {}).unwrap(), view.files().map(|file| file.bytes).sum::<u64>());
}

#[test]
fn joining_files_keeps_every_event_once_and_readers_their_files() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = open(directory.path());
    for entry in 1..=20 {
        let second = entry % 7;
        let value = if entry % 3 == 0 { "\"x\"".to_owned() } else { entry.to_string() };
        store(
            &mut writer,
            entry,
            &format!("{{\"time\":\"2026-03-02T12:00:0{second}Z\",\"v\":{value}}}\n"),
        );
    }
    let before = writer.segments().view();
    // Where a value stands, in the column or in its twin, depends on the others of the file.
    let rows = |view: &View| -> Vec<_> {
        let text = |(name, value): (String, String)| (name.replace("~text", ""), value);
        let said = rows(view).into_iter();
        said.map(|(at, row)| (at, row.into_iter().map(text).collect::<Vec<_>>())).collect()
    };
    let expected = rows(&before);
    assert_eq!(expected.len(), 20);
    assert!(writer.compact().unwrap());
    assert!(!writer.compact().unwrap());
    let after = writer.segments().view();
    assert_eq!(after.files().count(), 1);
    assert_eq!(rows(&after), expected);
    assert_eq!(rows(&before), expected, "what is read stays");
    drop(before);
    let left = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 2, "the manifest and one file");
    drop(writer);
    let again = open(directory.path()).segments().view();
    assert_eq!((rows(&again), again.through()), (expected, 20));
}

#[test]
fn what_a_crash_leaves_does_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = open(directory.path());
    store(&mut writer, 1, r#"{"time":"2026-03-02T12:00:00Z","v":1}"#);
    let kept = fs::read(directory.path().join("manifest.json")).unwrap();
    store(&mut writer, 2, r#"{"time":"2026-03-02T12:00:01Z","v":2}"#);
    // The files of the second are written, and its manifest is not: only half of a new one.
    drop(writer);
    fs::write(directory.path().join("manifest.json"), &kept).unwrap();
    fs::write(directory.path().join("manifest.json.new"), &kept[..40]).unwrap();
    let (mut writer, opened) = SegmentWriter::open(directory.path()).unwrap();
    assert_eq!(opened, Opened { leftovers: 2 });
    assert_eq!(writer.segments().view().through(), 1);
    store(&mut writer, 2, r#"{"time":"2026-03-02T12:00:01Z","v":2}"#);
    assert_eq!(rows(&writer.segments().view()).len(), 2);
}

#[test]
fn damage_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = open(directory.path());
    store(&mut writer, 1, r#"{"time":"2026-03-02T12:00:00Z","v":1}"#);
    let view = writer.segments().view();
    let path = directory.path().join(&view.files().next().unwrap().name);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(view.check(&mut |_| {}).unwrap_err().to_string().contains("damaged"));
    fs::write(&path, &bytes[1..]).unwrap();
    let opened = SegmentWriter::open(directory.path());
    assert!(matches!(opened, Err(SegmentError::Damaged { .. })));
}

#[test]
fn old_hours_go_by_age_and_size_and_the_newest_stays() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = open(directory.path());
    for hour in 0..6 {
        store(&mut writer, hour + 1, &format!("{{\"time\":\"2026-03-02T0{hour}:00:00Z\"}}\n"));
    }
    let hours: Vec<Hour> = writer.segments().view().hours().into_iter().collect();
    let gone = writer.retain(hours[2], u64::MAX).unwrap();
    assert_eq!(gone.len(), 2);
    assert_eq!(writer.segments().view().kept_from(), Some(hours[2]));
    let newest = writer.segments().view().files().last().unwrap().bytes;
    writer.retain(hours[0], newest * 2).unwrap();
    assert_eq!(writer.segments().view().hours().into_iter().collect::<Vec<_>>(), hours[4..]);
    writer.retain(Hour(i64::MAX), 0).unwrap();
    let left = writer.segments().view();
    assert_eq!(
        (left.hours().into_iter().collect::<Vec<_>>(), left.through()),
        (hours[5..].to_vec(), 6)
    );
}

#[test]
fn rows_of_several_entries_in_one_batch_keep_theirs_and_its_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = open(directory.path());
    let line = |n| format!("{{\"time\":\"2026-03-02T12:00:0{n}Z\",\"v\":\"text {}\"}}\n", n % 2);
    let lines = (0..6).map(line).collect::<Vec<String>>().concat();
    let second =
        |n: u32| Timestamp::parse("2026-03-02T12:00:00Z").unwrap().plus(Duration::from_seconds(n));
    let mut buffer = Buffer::new(0);
    let run = |entry, rows, from, to| Run { entry, rows, from: second(from), to: second(to) };
    buffer.add(&batch(&lines), &[run(1, 2, 0, 9), run(3, 3, 3, 4), run(4, 1, 0, 9)]).unwrap();
    buffer.add(&batch(&lines), &[run(5, 6, 2, 4)]).unwrap();
    buffer.reach(6);
    writer.append(&buffer).unwrap();
    let view = writer.segments().view();
    assert_eq!((view.through(), buffer.rows()), (6, 6));
    let said = rows(&view).into_iter().map(|((at, entry), row)| {
        let at = Timestamp::from_nanos(at).since(second(0));
        (at.nanos() / 1_000_000_000, entry, row[0].1.clone())
    });
    let said: Vec<_> = said.collect();
    let expected = [(0, 1, 0), (1, 1, 1), (2, 5, 0), (3, 3, 1), (3, 5, 1), (5, 4, 1)];
    let expected = expected.map(|(at, entry, text)| (at, entry, format!("text {text}")));
    assert_eq!(said, expected);
}

#[test]
fn what_is_kept_once_counts_as_often_as_it_will_be_read() {
    let text = "x".repeat(10_000);
    let line = format!("{{\"time\":\"2026-03-02T12:00:00Z\",\"v\":\"{text}\"}}\n");
    let mut buffer = Buffer::new(0);
    add(&mut buffer, 1, &line.repeat(100), ALWAYS);
    assert!(buffer.bytes() > 100 * text.len(), "{}", buffer.bytes());
}

#[test]
fn what_is_read_at_once_is_bounded_however_often_a_long_text_stands() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = open(directory.path());
    let long = "x".repeat(64 << 10);
    let line = |second: usize| {
        format!("{{\"time\":\"2026-03-02T12:00:{:02}Z\",\"v\":\"{long}\"}}\n", second % 60)
    };
    store(&mut writer, 1, &(0..1_100).map(line).collect::<String>());
    let view = writer.segments().view();
    let hour = *view.hours().first().unwrap();
    let rows = |columns: Option<&[String]>| -> Vec<usize> {
        view.read(hour, columns).map(|batch| batch.unwrap().num_rows()).collect()
    };
    let all = rows(None);
    assert_eq!(all.iter().sum::<usize>(), 1_100);
    assert!(all.iter().all(|rows| *rows <= 512), "{all:?}");
    assert_eq!(rows(Some(&[])), [1_100], "what is not read takes no room");
}

#[test]
fn events_that_cannot_be_read_are_found_under_a_checksum_that_fits() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = open(directory.path());
    let line = |n: u64| format!("{{\"time\":\"2026-03-02T12:00:00Z\",\"v\":\"{n:x}{n:b}\"}}\n");
    store(&mut writer, 1, &(0..500).map(line).collect::<String>());
    let file = writer.segments().view().files().next().unwrap().clone();
    let path = directory.path().join(&file.name);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[64..middle].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let (_, sum) = crate::file::sum(&path).unwrap();
    let manifest = directory.path().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace(&file.crc32c.to_string(), &sum.to_string())).unwrap();
    drop(writer);
    let view = open(directory.path()).segments().view();
    assert!(view.check(&mut |_| {}).unwrap_err().to_string().contains("damaged"));
}

/// Where one of several files cannot be written, none of them stays: what there is of them may take the room
/// that is missing.
#[test]
fn files_of_an_append_that_fails_do_not_stay() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, _) = SegmentWriter::open(directory.path()).unwrap();
    let mut buffer = Buffer::new(0);
    let lines = "{\"time\":\"2026-03-02T11:59:59Z\"}\n{\"time\":\"2026-03-02T12:00:00Z\"}\n";
    add(&mut buffer, 1, lines, ALWAYS);
    let taken = directory.path().join("2026-03-02T12-00000002.parquet");
    fs::create_dir(&taken).unwrap();
    let before = fs::read_dir(directory.path()).unwrap().count();
    writer.append(&buffer).unwrap_err();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), before);
    assert_eq!(writer.segments().view().files().count(), 0);
    fs::remove_dir(&taken).unwrap();
    writer.append(&buffer).unwrap();
    assert_eq!(rows(&writer.segments().view()).len(), 2);
}
