//! Measures the CPU time of decoding NDJSON against other ways of looking at the same bytes.
//!
//! Writes a file of a million events (about 432 MB, 15 fields) once, then prints in one run: only
//! reading it, only counting its newlines, sonic-rs reading four fields of each line on demand, and
//! the reading driver with a projection of the same four fields. Not a benchmark that decides
//! anything: a tool to see what a change costs.
//!
//! ```text
//! cargo run --profile quick -p flyball-events --example decode_speed -- [EVENTS] [FILE] [ONLY]
//! ```

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use flyball_events::{Input, Projection, ReadOptions, read};

const READ_BYTES: usize = 256 << 10;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let events: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let path = arguments.next().map_or_else(
        || std::env::temp_dir().join(format!("flyball-{events}.ndjson")),
        PathBuf::from,
    );
    if !path.exists() {
        generate(&path, events)?;
    }
    let only = arguments.next().unwrap_or_default();
    let bytes = std::fs::metadata(&path)?.len();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} bytes, {events} events, {}", bytes, flyball_scan::backend_name())?;
    for (name, run) in [
        ("read only", read_only as fn(&Path) -> anyhow::Result<u64>),
        ("newlines (memchr)", newlines),
        ("sonic-rs, 4 fields", sonic),
        ("flyball, 4 fields", |path| flyball(path, false, 1)),
        ("flyball, 4 fields, 2 threads", |path| flyball(path, false, 2)),
        ("flyball, all fields", |path| flyball(path, true, 1)),
    ] {
        if !name.contains(&only) {
            continue;
        }
        let mut best = f64::INFINITY;
        let mut found = 0;
        for _ in 0..3 {
            let start = cpu_seconds()?;
            found = run(&path)?;
            best = best.min(cpu_seconds()? - start);
        }
        let rate = bytes as f64 / best / 1e9;
        writeln!(out, "{name:<30} {best:>6.2} CPU s  {rate:>5.2} GB/s  ({found})")?;
    }
    Ok(())
}

/// User and system time of this process.
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The fields after the command's closing parenthesis; 14 and 15 of all are the times.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap_or(0) + 2..].split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(ticks as f64 / 100.0)
}

fn generate(path: &Path, events: u64) -> anyhow::Result<()> {
    let services = ["checkout", "cart", "search", "recommendation", "payment", "catalogue"];
    let regions = ["eu-west-1", "us-east-1", "ap-south-1"];
    let routes = ["/api/v1/cart/items", "/api/v1/checkout", "/search", "/api/v1/products/{id}"];
    let mut file = BufWriter::new(File::create(path)?);
    let mut line = String::new();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for event in 0..events {
        // xorshift: enough to defeat the branch predictor's memory.
        let mut next = |bound: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % bound as u64).unwrap_or(0)
        };
        line.clear();
        let millis = event * 3;
        let (second, minute, hour) =
            (millis / 1_000 % 60, millis / 60_000 % 60, millis / 3_600_000 % 24);
        let status = [200, 200, 200, 200, 201, 204, 301, 404, 500, 503][next(10)];
        writeln!(
            line,
            "{{\"time\":\"2026-03-01T{hour:02}:{minute:02}:{second:02}.{:03}Z\",\
             \"service.name\":\"{}\",\"http.response.status_code\":{status},\
             \"duration_ms\":{}.{:03},\"http.request.method\":\"{}\",\"http.route\":\"{}\",\
             \"url.path\":\"/api/v1/products/{}\",\"client.address\":\"198.18.{}.{}\",\
             \"user_agent.original\":\"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0\",\
             \"trace_id\":\"{:016x}{:016x}\",\"span_id\":\"{:016x}\",\"cloud.region\":\"{}\",\
             \"http.response.body.size\":{},\"retry\":{},\"host.name\":\"node-{:04}\"}}",
            millis % 1_000,
            services[next(6)],
            next(900),
            next(1_000),
            if next(5) == 0 { "POST" } else { "GET" },
            routes[next(4)],
            next(100_000),
            next(256),
            next(256),
            next(usize::MAX),
            next(usize::MAX),
            next(usize::MAX),
            regions[next(3)],
            next(200_000),
            next(20) == 0,
            next(300),
        )?;
        file.write_all(line.as_bytes())?;
    }
    file.flush()?;
    Ok(())
}

fn read_only(path: &Path) -> anyhow::Result<u64> {
    blocks(path, |_| 0)
}

fn newlines(path: &Path) -> anyhow::Result<u64> {
    blocks(path, |block| memchr::memchr_iter(b'\n', block).count() as u64)
}

fn blocks(path: &Path, look: impl Fn(&[u8]) -> u64) -> anyhow::Result<u64> {
    let mut file = File::open(path)?;
    let mut block = vec![0; READ_BYTES];
    let mut found = 0;
    loop {
        match file.read(&mut block)? {
            0 => return Ok(found),
            len => found += look(&block[..len]),
        }
    }
}

fn sonic(path: &Path) -> anyhow::Result<u64> {
    let mut tree = sonic_rs::PointerTree::new();
    for field in ["time", "service.name", "http.response.status_code", "duration_ms"] {
        tree.add_path([field].iter());
    }
    let mut file = File::open(path)?;
    let mut block = vec![0; 8 * READ_BYTES];
    let (mut kept, mut found) = (0, 0);
    loop {
        let len = file.read(&mut block[kept..])?;
        if len == 0 {
            return Ok(found);
        }
        let whole = memchr::memrchr(b'\n', &block[..kept + len]).map_or(0, |at| at + 1);
        for line in block[..whole].split_inclusive(|b| *b == b'\n') {
            let fields = sonic_rs::get_many(line, &tree)?;
            found += fields.iter().flatten().count() as u64;
        }
        block.copy_within(whole..kept + len, 0);
        kept = kept + len - whole;
    }
}

fn flyball(path: &Path, all: bool, threads: usize) -> anyhow::Result<u64> {
    let wanted = ["service.name", "http.response.status_code", "duration_ms"];
    let projection = if all {
        Projection::All
    } else {
        Projection::Only(wanted.iter().map(ToString::to_string).collect())
    };
    let options = ReadOptions { projection, threads, ..ReadOptions::default() };
    let mut rows = 0;
    read(&[Input::File(path.to_owned())], &options, &mut |_| {}, &mut |batch| {
        rows += batch.num_rows() as u64;
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}
