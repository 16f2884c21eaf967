use std::io::Write;
use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

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
