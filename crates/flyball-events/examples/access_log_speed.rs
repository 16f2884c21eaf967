//! Measures the CPU time of decoding access logs against merely splitting the same bytes.
//!
//! Takes a real combined log (plain or gzip), repeats it in memory, and prints in one run: cutting
//! it into lines and fields with `memchr` and nothing else, and decoding time, status, virtual host
//! and path of it, by the built-in format and by the same format given as an nginx string. Not a
//! benchmark that decides anything: a tool to see what a change costs.
//!
//! ```text
//! cargo run --profile quick -p flyball-events --example access_log_speed -- LOG [MEGABYTES]
//! ```

use std::io::{Read, Write};
use std::sync::Arc;

use anyhow::Context;
use flyball_events::{BatchBuilder, Codec, Decoded, Format, Projection, TimeRule};

/// What the reading driver passes to a codec at once.
const UNIT_BYTES: usize = 2 << 20;

const NGINX: &str = "nginx:$remote_addr - $remote_user [$time_local] \"$request\" $status \
                     $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("name a log in the combined format")?;
    let megabytes: usize = arguments.next().map_or(Ok(256), |text| text.parse())?;
    let log = load(&path)?;
    let unit = log.repeat(UNIT_BYTES.div_ceil(log.len()));
    let repeats = (megabytes << 20).div_ceil(unit.len());
    let bytes = (repeats * unit.len()) as f64;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{repeats} units of {} bytes", unit.len())?;
    let wanted = ["http.response.status_code", "server.address", "url.path"];
    let wanted = Projection::Only(wanted.map(str::to_owned).to_vec());
    let mut baseline = 0.0;
    for name in ["memchr", "combined, 3 fields", "nginx string, 3 fields", "combined, all fields"] {
        let mut best = f64::INFINITY;
        let mut found = 0;
        for _ in 0..3 {
            let projection = if name.contains("all") { Projection::All } else { wanted.clone() };
            let format = if name.starts_with("nginx") { NGINX } else { "combined" };
            let start = cpu_seconds()?;
            found = match name {
                "memchr" => (0..repeats).map(|_| fields(&unit)).sum(),
                _ => decode(format, &projection, &unit, repeats)?,
            };
            best = best.min(cpu_seconds()? - start);
        }
        if name == "memchr" {
            baseline = best;
        }
        let (rate, ratio) = (bytes / best / 1e9, best / baseline);
        writeln!(out, "{name:<24} {best:>6.2} CPU s  {rate:>5.2} GB/s  {ratio:>5.2} x  ({found})")?;
    }
    Ok(())
}

fn load(path: &str) -> anyhow::Result<Vec<u8>> {
    let raw = std::fs::read(path).with_context(|| path.to_owned())?;
    if !raw.starts_with(&[0x1F, 0x8B]) {
        return Ok(raw);
    }
    let mut log = Vec::new();
    flate2::read::MultiGzDecoder::new(&*raw).read_to_end(&mut log)?;
    Ok(log)
}

/// User and system time of this process.
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The fields after the command's closing parenthesis; 14 and 15 of all are the times.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap_or(0) + 2..].split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(ticks as f64 / 100.0)
}

/// Lines cut at newlines, each cut at spaces, as awk would.
fn fields(unit: &[u8]) -> u64 {
    let mut found = 0;
    let mut rest = unit;
    while let Some(newline) = memchr::memchr(b'\n', rest) {
        let mut line = &rest[..newline];
        rest = &rest[newline + 1..];
        while let Some(space) = memchr::memchr(b' ', line) {
            found += u64::from(std::hint::black_box(&line[..space]).len() > 1);
            line = &line[space + 1..];
        }
    }
    found
}

fn decode(
    format: &str,
    projection: &Projection,
    unit: &[u8],
    repeats: usize,
) -> anyhow::Result<u64> {
    let format = Format::parse(format)?.context("the format is named")?;
    let Codec::Lines { new, .. } = format.codec() else { anyhow::bail!("no format of lines") };
    let mut codec = new(&[]);
    let mut batch = BatchBuilder::new(projection.clone(), Arc::default(), TimeRule::Required, None);
    let mut rows = 0;
    for _ in 0..repeats {
        let mut decoded = Decoded::default();
        codec.decode(unit, &mut batch, &mut decoded);
        rows += batch.finish().num_rows() as u64;
    }
    Ok(rows)
}
