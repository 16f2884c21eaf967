//! Lower bounds: passes over the same bytes that do less than a replay, by well-made crates.
//!
//! They run as children of the benchmark (the same program with other arguments), so that their
//! CPU time is taken exactly as that of `flyball`: the whole process, reading the file included.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};

/// Read at once; what does not fill a line is kept for the next block.
const BLOCK_BYTES: usize = 1 << 20;

/// The passes, by the name they are asked for.
pub(crate) const NAMES: [&str; 3] = ["newlines", "sonic", "fields"];

/// Runs the pass `name` over `path` and returns what it found.
pub(crate) fn run(name: &str, path: &Path) -> anyhow::Result<u64> {
    match name {
        "newlines" => newlines(path),
        "sonic" => sonic(path),
        "fields" => fields(path),
        _ => bail!("no such pass: {name}; there are {}", NAMES.join(", ")),
    }
}

/// Counts line ends and does nothing else.
fn newlines(path: &Path) -> anyhow::Result<u64> {
    let mut found = 0;
    blocks(path, &mut |block| {
        found += memchr::memchr_iter(b'\n', block).count() as u64;
        Ok(())
    })?;
    Ok(found)
}

/// Finds the four attributes of each event on demand, without building a document, and without
/// turning them into times or numbers.
fn sonic(path: &Path) -> anyhow::Result<u64> {
    let mut tree = sonic_rs::PointerTree::new();
    for field in ["time", "service.name", "http.response.status_code", "duration_ms"] {
        tree.add_path([field].iter());
    }
    let mut found = 0;
    lines(path, &mut |line| {
        let fields = sonic_rs::get_many(line, &tree).context("a generated line is JSON")?;
        found += fields.iter().flatten().count() as u64;
        Ok(())
    })?;
    Ok(found)
}

/// Splits access log lines into fields: at spaces, and at what encloses a field. Nothing is
/// looked at in a field.
fn fields(path: &Path) -> anyhow::Result<u64> {
    let mut found = 0;
    lines(path, &mut |line| {
        let mut rest = line;
        while let Some(first) = rest.first() {
            let (skip, end) = match first {
                b'"' => (1, b'"'),
                b'[' => (1, b']'),
                _ => (0, b' '),
            };
            let len = memchr::memchr(end, &rest[skip..]).unwrap_or(rest.len() - skip);
            std::hint::black_box(&rest[skip..skip + len]);
            found += 1;
            // The closing mark, and the space behind it.
            rest = rest.get(2 * skip + len + 1..).unwrap_or_default();
        }
        Ok(())
    })?;
    Ok(found)
}

fn lines(path: &Path, look: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    blocks(path, &mut |block| {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', block) {
            look(&block[start..end])?;
            start = end + 1;
        }
        Ok(())
    })
}

/// Gives the file's bytes in blocks that end at line ends.
fn blocks(path: &Path, look: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut kept = 0;
    loop {
        let read = file.read(&mut block[kept..])?;
        if read == 0 {
            return if kept == 0 { Ok(()) } else { bail!("the last line has no end") };
        }
        let filled = kept + read;
        let whole = memchr::memrchr(b'\n', &block[..filled]).map_or(0, |at| at + 1);
        look(&block[..whole])?;
        block.copy_within(whole..filled, 0);
        kept = filled - whole;
    }
}
