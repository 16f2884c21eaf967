//! Measures what a live server needs for what it acknowledges: CPU seconds for a million spans over
//! gRPC and a million events as JSON lines, 100 SLOs active, every request on disk before it is
//! answered; then how long acknowledgements take at half that rate, and how long a restart takes.
//!
//! ```text
//! cargo bench --workspace --profile quick --bench serve -- [--events N | --gate]
//! ```
//!
//! With `--gate` it is measured how long a gate takes to answer while events come in, and nothing else.
//!
//! Beside it, in the same run: decoding the same spans into generated structs, which is the naive
//! way and does nothing else, and an insert of the same lines by `chdb` where `BENCH_PYTHON` has
//! it. A count that is wrong ends the run with an error; a ratio that is not reached does not.

mod gate;
mod load;
mod server;

use std::env;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use load::Load;
use server::Server;

const EVENTS: u64 = 500_000;
/// SLOs that are active, each of one service of ten.
const SLOS: usize = 100;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (mut events, mut is_gate) = (EVENTS, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--gate" => is_gate = true,
            "--events" => events = rest.next().context("--events needs a value")?.parse()?,
            // Cargo gives this one to every benchmark.
            "--bench" => {}
            other => bail!("unknown argument {other}; there are --events N and --gate"),
        }
    }
    flyball_server::choose_cryptography();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if is_gate {
        return gate::measure(&runtime);
    }
    say(&format!("{SLOS} SLOs; CPU seconds of the server for a million events, {events} sent"))?;
    for kind in [Kind::Spans, Kind::Lines] {
        let load = Load::new(kind, events);
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut server = Server::start(directory.path(), &load::documents(SLOS))?;
        let begun = now();
        let sent = runtime.block_on(load.send(server.address(), None))?;
        let took = now().duration_since(begun);
        server.settle(&runtime, events)?;
        let cpu = server.cpu()?;
        let threads = server.cpu_by_thread()?;
        let million = |seconds: f64| seconds * 1e6 / events as f64;
        let bytes = load.bytes();
        say(&format!(
            "{:<34} {:>6.2} CPU s   {:>6.0} events/s   {:.0} MB/s   ack p50 {:.1} ms, p99 {:.1} ms",
            kind.name(),
            million(cpu),
            events as f64 / took.as_secs_f64(),
            bytes as f64 / 1e6 / took.as_secs_f64(),
            sent.percentile(50.0),
            sent.percentile(99.0),
        ))?;
        let shares: Vec<String> = threads
            .iter()
            .filter(|(_, seconds)| *seconds * 50.0 >= cpu)
            .map(|(name, seconds)| format!("{name} {:.2}", million(*seconds)))
            .collect();
        say(&format!("{:<34} {}", "  by thread", shares.join(", ")))?;
        let half = took.as_secs_f64() * 2.0;
        let calm = runtime.block_on(load.again().send(server.address(), Some(half)))?;
        say(&format!(
            "{:<34} ack p50 {:.1} ms, p99 {:.1} ms",
            "  at half that rate",
            calm.percentile(50.0),
            calm.percentile(99.0)
        ))?;
        server.settle(&runtime, events * 2)?;
        say(&format!(
            "{:<34} {:>6.0} MB",
            "  resident at the end",
            server.resident()? as f64 / 1e6
        ))?;
        // As after a power cut.
        server.stop()?;
        let begun = now();
        let again = Server::start(directory.path(), &load::documents(SLOS))?;
        say(&format!(
            "{:<34} {:.2} s with {:.0} MB of journal",
            "  listening again after SIGKILL",
            now().duration_since(begun).as_secs_f64(),
            Server::journal(directory.path())? as f64 / 1e6
        ))?;
        again.count(&runtime, events * 2)?;
        again.stop()?;
        if kind == Kind::Spans {
            let naive = load.decode_into_structs()?;
            ensure!(naive.0 == events, "the structs hold {} spans", naive.0);
            let naive = million(naive.1.as_secs_f64());
            say(&format!(
                "{:<34} {:>6.2} CPU s   the server needs {:.2} of it",
                "  decoding into structs alone",
                naive,
                million(cpu) / naive
            ))?;
        } else {
            insert(&load, directory.path(), million(cpu), events)?;
        }
    }
    Ok(())
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Spans,
    Lines,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Spans => "spans of 20 attributes over gRPC",
            Self::Lines => "JSON lines over HTTP",
        }
    }
}

/// The same lines inserted by `chdb` into a table on disk.
fn insert(load: &Load, directory: &Path, ours: f64, events: u64) -> anyhow::Result<()> {
    let Some(python) = env::var_os("BENCH_PYTHON") else {
        return say("  chdb is not measured: BENCH_PYTHON names no Python that has it");
    };
    let path = directory.join("lines.ndjson");
    std::fs::write(&path, load.joined())?;
    let said = std::process::Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/serve/insert.py"))
        .args([&path, directory])
        .output()?;
    ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8(said.stdout)?;
    let (rows, seconds) = said.trim().split_once(' ').context("rows and seconds")?;
    ensure!(rows.parse::<u64>()? == events, "chdb has inserted {rows}");
    let peer = seconds.parse::<f64>()? * 1e6 / events as f64;
    say(&format!(
        "{:<34} {:>6.2} CPU s   {:.2} times the server's",
        "  chdb, INSERT of the same lines",
        peer,
        peer / ours
    ))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// How long the counts of a run may take to be in the ledger.
const SETTLE_MAX: Duration = Duration::from_mins(2);
