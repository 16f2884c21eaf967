use std::io::Write;
use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use super::split::LINE_BYTES_MAX;
use super::*;

fn options(threads: usize) -> ReadOptions {
    ReadOptions { threads, ..ReadOptions::default() }
}

/// The values of `n` in the order in which batches came, and the summary.
fn read_n(path: &Path, options: &ReadOptions) -> (Vec<i64>, ReadSummary) {
    let mut values = Vec::new();
    let inputs = [Input::File(path.to_owned())];
    let summary = read(&inputs, options, &mut |_| {}, &mut |batch| {
        assert!(batch.num_rows() > 0);
        let n = batch.column_by_name("n").unwrap().as_primitive::<Int64Type>();
        values.extend(n.values());
        ControlFlow::Continue(())
    });
    (values, summary.unwrap())
}

fn line(n: u64) -> String {
    format!("{{\"time\":{},\"n\":{n},\"pad\":\"{}\"}}\n", 1_700_000_000 + n, "x".repeat(60))
}

fn file(dir: &tempfile::TempDir, name: &str, content: &[u8]) -> std::path::PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn many_units_arrive_in_order_whatever_the_threads_and_compression() {
    let dir = tempfile::tempdir().unwrap();
    let content: String = (0..100_000).map(line).collect();
    assert!(content.len() > 4 * split::UNIT_BYTES);
    let expected: Vec<i64> = (0..100_000).collect();
    let (front, back) = content.as_bytes().split_at(content.len() / 3);
    let members = [gzip(front), gzip(back)].concat();
    let zstd = zstd::encode_all(content.as_bytes(), 1).unwrap();
    for (content, compression) in [
        (content.as_bytes(), Compression::None),
        (&members, Compression::Gzip),
        (&zstd, Compression::Zstd),
    ] {
        // The name says nothing, or the wrong thing.
        let path = file(&dir, "events.csv", content);
        for threads in [1, 3] {
            let (values, summary) = read_n(&path, &options(threads));
            assert_eq!(values, expected);
            let [input] = &*summary.inputs else { panic!("one input") };
            assert_eq!(input.compression, compression);
            assert_eq!(input.format.as_deref(), Some("ndjson"));
            assert_eq!((input.lines, input.events), (100_000, 100_000));
            assert_eq!(input.bytes_read, content.len() as u64);
            assert_eq!(input.first.unwrap().nanos(), 1_700_000_000_000_000_000);
            assert_eq!(input.last.unwrap().nanos(), 1_700_099_999_000_000_000);
            assert!(input.rejects.first().is_none() && input.damage.is_none());
        }
    }
}

fn only(summary: &ReadSummary) -> &InputSummary {
    assert_eq!(summary.inputs.len(), 1);
    &summary.inputs[0]
}

fn reasons(summary: &InputSummary) -> Vec<(&'static str, u64)> {
    summary.rejects.iter().map(|(reason, rejected)| (reason, rejected.count)).collect()
}

/// The error of reading `path`.
fn read_error(path: &Path, options: &ReadOptions) -> EventsError {
    let inputs = [Input::File(path.to_owned())];
    read(&inputs, options, &mut |_| {}, &mut |_| ControlFlow::Continue(())).unwrap_err()
}

#[test]
fn rejects_are_numbered_through_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut content = String::new();
    let bad = [7, 40_000, 79_999];
    for n in 0..80_000 {
        if bad.contains(&n) {
            content.push_str("{\"time\":oops}\n");
        } else {
            content.push_str(&line(n));
        }
    }
    assert!(content.len() > 2 * split::UNIT_BYTES);
    let path = file(&dir, "events", content.as_bytes());
    for threads in [1, 2] {
        let (values, summary) = read_n(&path, &options(threads));
        assert_eq!(values.len(), 79_997);
        let input = only(&summary);
        assert_eq!((input.lines, input.rejects.total()), (80_000, 3));
        let (_, rejected) = input.rejects.iter().next().unwrap();
        let lines: Vec<u64> = rejected.examples.iter().map(|example| example.line).collect();
        assert_eq!(lines, bad.map(|n| n + 1));

        let strict = ReadOptions { strict: true, ..options(threads) };
        let error = read_error(&path, &strict);
        let EventsError::Strict { line: 8, column: 9, .. } = &error else { panic!("{error}") };
        let shown = format!("{}:8:9: ", path.display());
        assert!(error.to_string().starts_with(&shown), "{error}");
    }
}

#[test]
fn what_came_before_the_end_of_a_cut_off_stream_counts() {
    let dir = tempfile::tempdir().unwrap();
    let content: String = (0..50_000).map(line).collect();
    let zstd = zstd::encode_all(content.as_bytes(), 1).unwrap();
    for (name, whole) in [("gzip", gzip(content.as_bytes())), ("zstd", zstd)] {
        for keep in [2, 3] {
            let path = file(&dir, name, &whole[..whole.len() * (keep - 1) / keep]);
            let (values, summary) = read_n(&path, &options(2));
            let input = only(&summary);
            assert!(values.len() > 1_000 && values.len() < 50_000, "{name}: {}", values.len());
            assert!((0..).zip(&values).all(|(n, value)| n == *value));
            assert_eq!(input.events, values.len() as u64);
            assert_eq!(reasons(input), [(summary::TRUNCATED, 1)]);
            assert!(input.damage.as_deref().unwrap().starts_with(summary::TRUNCATED));
            let error = read_error(&path, &ReadOptions { strict: true, ..options(2) });
            assert!(error.to_string().contains(summary::TRUNCATED), "{error}");
        }
    }
    // The line that was cut off is a line that was read and refused.
    let summary = read_n(&file(&dir, "cut", &cut_off(&line(7))), &options(1)).1;
    assert_eq!((only(&summary).lines, only(&summary).events), (2, 1));
    // Cut off before the first line, even inside the header of the compression.
    for keep in [5, 12] {
        let path = file(&dir, "short", &gzip(content.as_bytes())[..keep]);
        let (values, summary) = read_n(&path, &options(1));
        assert_eq!((values.len(), reasons(only(&summary))), (0, vec![(summary::TRUNCATED, 1)]));
    }
}

/// Two lines in gzip, of which the end of the second is missing.
fn cut_off(line: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(line.as_bytes()).unwrap();
    encoder.write_all(&line.as_bytes()[..line.len() / 2]).unwrap();
    encoder.flush().unwrap();
    encoder.get_ref().clone()
}

#[test]
fn bytes_after_the_last_member_are_told_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    let content: String = (0..50_000).map(line).collect();
    let members = [gzip(content.as_bytes()), gzip(line(50_000).as_bytes())].concat();
    for rest in [&b"x"[..], &[0; 1_000], b"and so on"] {
        let path = file(&dir, "a.gz", &[&members, rest].concat());
        let (values, summary) = read_n(&path, &options(2));
        assert_eq!(values.len(), 50_001);
        let input = only(&summary);
        assert_eq!((input.lines, reasons(input)), (50_001, vec![(summary::TRAILING, 1)]));
        let place = format!("from byte {} on", members.len() + 1);
        assert!(input.damage.as_deref().unwrap().contains(&place), "{:?}", input.damage);
    }
}

#[test]
fn a_format_is_told_past_a_long_first_line() {
    let dir = tempfile::tempdir().unwrap();
    let line =
        |path: &str| format!("h - - [05/Dec/2024:00:10:18 +0000] \"GET /{path} HTTP/1.1\" 200 5\n");
    for len in [1_000, 1 << 20, 12 << 20] {
        let content = line(&"a".repeat(len)) + &line("b").repeat(20);
        let path = file(&dir, "log.1", content.as_bytes());
        let summary =
            read(
                &[Input::File(path)],
                &options(1),
                &mut |_| {},
                &mut |_| ControlFlow::Continue(()),
            );
        let summary = summary.unwrap();
        assert_eq!(only(&summary).format.as_deref(), Some("common"), "{len}");
        assert_eq!(only(&summary).events, 21);
    }
}

#[test]
fn blank_lines_are_counted_and_what_follows_them_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let blank = "\n".repeat(2 * HEAD_BYTES);
    let (_, summary) = read_n(&file(&dir, "blank", blank.as_bytes()), &options(1));
    assert_eq!((only(&summary).lines, only(&summary).format.as_deref()), (131_072, None));
    let (values, summary) = read_n(&file(&dir, "late", (blank + &line(3)).as_bytes()), &options(1));
    assert_eq!((values, only(&summary).format.as_deref()), (vec![3], Some("ndjson")));
}

#[test]
fn a_damaged_stream_is_no_error_of_the_system() {
    let dir = tempfile::tempdir().unwrap();
    let content: String = (0..50_000).map(line).collect();
    let mut damaged = gzip(content.as_bytes());
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xFF);
    let path = file(&dir, "damaged.gz", &damaged);
    let (values, summary) = read_n(&path, &options(2));
    assert!(values.len() < 50_000);
    let input = only(&summary);
    assert!(input.damage.is_some());
    // The damage may spoil a line before it is noticed, or all the checksum has to say.
    assert!(reasons(input).contains(&(summary::DAMAGED, 1)), "{:?}", reasons(input));

    assert!(matches!(read_error(dir.path(), &options(1)), EventsError::Io { .. }));
    assert!(matches!(read_error(&dir.path().join("gone"), &options(1)), EventsError::Io { .. }));
}

#[test]
fn inputs_with_hardly_anything_in_them() {
    let dir = tempfile::tempdir().unwrap();
    for content in
        [&b""[..], b"\n", b"  \r\n\n", &gzip(b""), &zstd::encode_all(&b""[..], 1).unwrap()]
    {
        let path = file(&dir, "empty", content);
        for threads in [1, 2] {
            let (values, summary) = read_n(&path, &options(threads));
            let input = only(&summary);
            assert_eq!((values.len(), input.events, input.rejects.total()), (0, 0, 0));
            assert_eq!((input.first, input.damage.as_ref()), (None, None));
        }
    }
    for content in [
        &b"{\"time\":1,\"n\":5}"[..],
        b"{\"time\":1,\"n\":5}\r\n",
        b"\xEF\xBB\xBF{\"time\":1,\"n\":5}\n",
        b"\n\n{\"time\":1,\"n\":5}",
    ] {
        let path = file(&dir, "one", content);
        let (values, summary) = read_n(&path, &options(2));
        assert_eq!((values, only(&summary).rejects.total()), (vec![5], 0));
    }
    let path = file(&dir, "prose", b"\x00\x01\x02 neither this nor that \xFF");
    assert!(matches!(read_error(&path, &options(1)), EventsError::UnknownFormat { .. }));
}

#[test]
fn long_lines_are_read_and_longer_ones_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let long =
        |n: u64, len: usize| format!("{{\"time\":1,\"n\":{n},\"x\":\"{}\"}}\n", "y".repeat(len));
    let content = [
        line(0),
        long(1, 1 << 20),
        line(2),
        long(3, LINE_BYTES_MAX + (1 << 20)),
        line(4),
        long(5, 3 << 20),
        long(6, 2 * LINE_BYTES_MAX),
    ]
    .concat();
    let path = file(&dir, "long", content.as_bytes());
    let wanted = Projection::Only(vec!["n".to_owned()]);
    for threads in [1, 2] {
        let options = ReadOptions { projection: wanted.clone(), ..options(threads) };
        let (values, summary) = read_n(&path, &options);
        let input = only(&summary);
        assert_eq!(values, [0, 1, 2, 4, 5]);
        assert_eq!(input.lines, 7);
        let (reason, rejected) = input.rejects.iter().next().unwrap();
        assert_eq!((reason, rejected.count), (lines::TOO_LONG, 2));
        let lines: Vec<u64> = rejected.examples.iter().map(|example| example.line).collect();
        assert_eq!(lines, [4, 7]);
    }
}

#[test]
fn a_taker_that_has_enough_stops_the_reading() {
    let dir = tempfile::tempdir().unwrap();
    let content: String = (0..150_000).map(line).collect();
    let path = file(&dir, "events", content.as_bytes());
    let inputs = vec![Input::File(path); 2];
    for threads in [1, 2] {
        let mut rows = 0;
        let summary = read(&inputs, &options(threads), &mut |_| {}, &mut |batch| {
            rows += batch.num_rows() as u64;
            ControlFlow::Break(())
        })
        .unwrap();
        assert!(summary.stopped);
        assert_eq!((summary.inputs.len(), summary.events()), (1, rows));
        assert!(rows < 150_000);
    }
}

#[test]
fn progress_rises_to_the_total() {
    let dir = tempfile::tempdir().unwrap();
    let content: String = (0..50_000).map(line).collect();
    let one = Input::File(file(&dir, "a", content.as_bytes()));
    let two = Input::File(file(&dir, "b", &gzip(content.as_bytes())));
    let total = one.size_bytes().unwrap() + two.size_bytes().unwrap();
    let mut seen: Vec<Progress> = Vec::new();
    read_mapped(
        &[one, two],
        &options(2),
        &mut |progress| seen.push(progress),
        &|batch| batch.num_rows(),
        &mut |rows| if rows > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) },
    )
    .unwrap();
    assert!(seen.windows(2).all(|pair| {
        pair[0].input <= pair[1].input
            && pair[0].bytes_read <= pair[1].bytes_read
            && pair[0].events <= pair[1].events
    }));
    let last = seen.last().unwrap();
    assert_eq!((last.bytes_read, last.bytes_total, last.events), (total, Some(total), 100_000));
}

#[test]
fn patterns_name_files_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b.log", "a.log", "c.txt", ".hidden", "x[1].log"] {
        file(&dir, name, b"");
    }
    std::fs::create_dir(dir.path().join("d.log")).unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let names = |patterns: &[String]| {
        let inputs = expand(patterns).unwrap().inputs;
        inputs
            .iter()
            .map(|input| input.name().rsplit('/').next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&[at("*.log")]), ["a.log", "b.log", "x[1].log"]);
    assert_eq!(names(&[at("b.log"), at("*.log")]), ["b.log", "a.log", "x[1].log"]);
    assert_eq!(names(&[at("x[1].log"), "-".into(), "-".into()]), ["x[1].log", "-"]);
    assert_eq!(names(&[at("")]), ["a.log", "b.log", "c.txt", "x[1].log"]);
    for (pattern, shown) in
        [(at("*.gz"), "*.gz"), (at("gone.log"), "gone.log"), (at("d.log"), "d.log")]
    {
        let error = expand(&[pattern]).unwrap_err().to_string();
        assert!(error.contains(shown) && error.contains("matches no file"), "{error}");
    }
    let other = at("./b.log");
    let twice = expand(&[at("b.log"), other.clone(), at("a.log")]).unwrap();
    assert_eq!(twice.repeated, [Input::File(other.into())]);
    assert_eq!(twice.inputs.len(), 2);
    assert!(matches!(expand(&[at("[")]), Err(EventsError::Pattern { .. })));
    assert!(matches!(expand::<&str>(&[]), Err(EventsError::NoInput)));
}

mod cuts {
    use super::super::split::{Buffer, Records, Unit};
    use crate::format::Splitter;
    use proptest::prelude::*;

    /// A source that answers in pieces of all sizes.
    struct Pieces(Vec<u8>, usize);

    impl std::io::Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.1 = self.1 % 7 + 1;
            let len = self.1.min(self.0.len()).min(buffer.len());
            buffer[..len].copy_from_slice(&self.0[..len]);
            self.0.drain(..len);
            Ok(len)
        }
    }

    fn units(text: &[u8], splitter: Splitter, target: usize) -> Vec<Vec<u8>> {
        let mut records = Records::new(Box::new(Pieces(text.to_vec(), 0)), splitter);
        let mut buffer = Buffer::default();
        let mut units = Vec::new();
        while records.next(&mut buffer, target) == Unit::Records {
            units.push(buffer.bytes().to_vec());
        }
        units
    }

    proptest! {
        #[test]
        fn lose_and_split_no_record(text in "[ab\n]{0,80}", target in 1_usize..30) {
            let units = units(text.as_bytes(), Splitter::Newline, target);
            prop_assert_eq!(units.concat(), text.as_bytes());
            for unit in units.iter().rev().skip(1) {
                prop_assert_eq!(unit.last(), Some(&b'\n'));
            }
            prop_assert!(units.iter().all(|unit| !unit.is_empty()));
        }

        #[test]
        fn keep_quoted_newlines_together(
            fields in prop::collection::vec("[a\n\",]{0,6}", 0..20), target in 1_usize..30
        ) {
            // Every record is one quoted field, so a cut may only be where a record ends.
            let records: Vec<String> =
                fields.iter().map(|field| format!("\"{}\"\n", field.replace('"', "\"\""))).collect();
            let text = records.concat();
            let mut ends = vec![0];
            for record in &records {
                ends.push(ends[ends.len() - 1] + record.len());
            }
            let units = units(text.as_bytes(), Splitter::Csv { delimiter: b',' }, target);
            prop_assert_eq!(units.concat(), text.as_bytes());
            let mut at = 0;
            for unit in &units {
                at += unit.len();
                prop_assert!(ends.contains(&at), "cut at {} of {:?}", at, text);
            }
        }
    }
}
