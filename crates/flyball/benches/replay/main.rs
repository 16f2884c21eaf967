//! Measures `flyball replay` against its peers and against lower bounds, on the same generated
//! files in one run, and prints ratios; every count is compared with what was generated.
//!
//! ```text
//! cargo bench --workspace --profile quick --bench replay -- [--events N] [--large]
//! ```
//!
//! `--large` measures the peak memory over 10 GB instead. `BENCH_DIR` says where the files are
//! kept (a directory of the target directory otherwise), `BENCH_PYTHON` which Python has `duckdb`
//! and `chdb`; a peer that cannot be loaded is reported as absent. A count that differs from the
//! generator's ends the run with an error; a ratio that is not reached does not: machines differ.

mod baselines;
mod inputs;
mod measure;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use flyball_testkit::traffic::{SERVICES, Truth};
use inputs::Kind;
use serde_json::Value;

const FLYBALL: &str = env!("CARGO_BIN_EXE_flyball");
/// Of so many runs the best counts.
const RUNS: usize = 3;
const EVENTS: u64 = 1_000_000;
/// About 10 GB of NDJSON.
const EVENTS_LARGE: u64 = 23_500_000;
/// What the benchmark's own argument for a lower bound is called.
const BASELINE: &str = "--baseline";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mut events = None;
    let mut large = false;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            BASELINE => {
                let found = baselines::run(value()?, Path::new(value()?))?;
                return say(&found.to_string());
            }
            "--events" => events = Some(value()?.parse()?),
            "--large" => large = true,
            // Cargo gives this one to every benchmark.
            "--bench" => {}
            other => bail!("unknown argument {other}; there are --events N and --large"),
        }
    }
    let directory = env::var_os("BENCH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench"), PathBuf::from);
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    if large {
        return memory(&directory, events.unwrap_or(EVENTS_LARGE));
    }
    let events = events.unwrap_or(EVENTS);
    ndjson(&directory, events)?;
    access_log(&directory, events)
}

/// The count per service and minute, against the peers and the scan; then 1,000 SLOs against 10.
fn ndjson(directory: &Path, events: u64) -> anyhow::Result<()> {
    let path = inputs::file(directory, Kind::Ndjson, events)?;
    let truth = Truth::of(inputs::traffic(events));
    let bytes = fs::metadata(&path)?.len();
    say(&format!(
        "NDJSON: {events} events, {:.0} MB, 15 attributes, 4 of them read; CPU seconds, best of {RUNS}",
        bytes as f64 / 1e6
    ))?;
    // One SLO with a slice for each service asks what the peers are asked.
    let same = replay(&path, &inputs::slos(directory, 1)?, &truth, 1)?;
    line("flyball replay, 1 SLO by service", same, bytes, "")?;
    let newlines = baseline("newlines", &path, truth.total().0)?;
    line("counting newlines (memchr)", newlines, bytes, &ratio(newlines, same, None))?;
    let sonic = baseline("sonic", &path, 4 * truth.total().0)?;
    line(
        "scanning 4 fields (sonic-rs)",
        sonic,
        bytes,
        &ratio(sonic, same, Some(Bound::AtLeast(0.5))),
    )?;
    for engine in ["duckdb", "chdb"] {
        match peer(engine, &path, &truth)? {
            Some((name, seconds)) => {
                line(&name, seconds, bytes, &ratio(seconds, same, Some(Bound::AtLeast(3.0))))?;
            }
            None => say(&format!("  {engine:<34} absent"))?,
        }
    }
    let few = replay(&path, &inputs::slos(directory, 10)?, &truth, 10)?;
    line("flyball replay, 10 SLOs", few, bytes, &ratio(few, same, None))?;
    let many = replay(&path, &inputs::slos(directory, 1_000)?, &truth, 1_000)?;
    let note = format!("{} of 10 SLOs", ratio(many, few, Some(Bound::AtMost(3.0))));
    line("flyball replay, 1,000 SLOs", many, bytes, &note)
}

/// Access logs against merely splitting them.
fn access_log(directory: &Path, events: u64) -> anyhow::Result<()> {
    let path = inputs::file(directory, Kind::Combined, events)?;
    let truth = Truth::of(inputs::traffic(events));
    let bytes = fs::metadata(&path)?.len();
    say(&format!(
        "\naccess log (combined): {events} lines, {:.0} MB; CPU seconds, best of {RUNS}",
        bytes as f64 / 1e6
    ))?;
    let slo = inputs::access_log_slo(directory)?;
    let run = measure::least_cpu(RUNS, FLYBALL.as_ref(), &replay_arguments(&slo, &path))?;
    let report: Value = serde_json::from_slice(&run.stdout)?;
    let counted = counts(&report["slos"][0]["objectives"][0])?;
    ensure!(
        counted == (events, truth.answered),
        "access log: counted {counted:?} of {events} and {} good",
        truth.answered
    );
    line("flyball replay, 1 SLO", run.cpu_seconds, bytes, "")?;
    // The combined format has nine fields.
    let fields = baseline("fields", &path, 9 * events)?;
    // Here the bound says how much more than the split a replay may take.
    line(
        "splitting lines and fields (memchr)",
        fields,
        bytes,
        &ratio(run.cpu_seconds, fields, Some(Bound::AtMost(2.5))),
    )
}

/// The most memory a replay of a large file holds.
fn memory(directory: &Path, events: u64) -> anyhow::Result<()> {
    let path = inputs::file(directory, Kind::Ndjson, events)?;
    let bytes = fs::metadata(&path)?.len();
    say(&format!("NDJSON: {events} events, {:.2} GB; peak resident memory", bytes as f64 / 1e9))?;
    let slos = inputs::slos(directory, 10)?;
    let (peak, stdout) = measure::peak_memory(FLYBALL.as_ref(), &replay_arguments(&slos, &path))?;
    check(&stdout, &Truth::of(inputs::traffic(events)), 10)?;
    let verdict = if peak < 300_000_000 { "reached" } else { "NOT reached" };
    say(&format!(
        "  flyball replay, 10 SLOs  {:.0} MB (under 300 MB: {verdict})",
        peak as f64 / 1e6
    ))
}

fn replay_arguments<'a>(slos: &'a Path, input: &'a Path) -> [&'a OsStr; 6] {
    [
        "replay".as_ref(),
        "--slo".as_ref(),
        slos.as_os_str(),
        "-o".as_ref(),
        "json".as_ref(),
        input.as_os_str(),
    ]
}

/// CPU seconds of a replay whose counts are right.
fn replay(input: &Path, slos: &Path, truth: &Truth, count: usize) -> anyhow::Result<f64> {
    let run = measure::least_cpu(RUNS, FLYBALL.as_ref(), &replay_arguments(slos, input))?;
    check(&run.stdout, truth, count)?;
    Ok(run.cpu_seconds)
}

/// Compares the report's counts with the generator's: of all requests, of each slice, and of each
/// service's first SLO (the others allow other durations, so only their valid events are known).
fn check(report: &[u8], truth: &Truth, count: usize) -> anyhow::Result<()> {
    let report: Value = serde_json::from_slice(report).context("a report is JSON")?;
    let slos = report["slos"].as_array().context("a report has `slos`")?;
    ensure!(slos.len() == count, "{} of {count} SLOs are in the report", slos.len());
    for slo in slos {
        let name = slo["slo"].as_str().unwrap_or_default();
        let objective = &slo["objectives"][0];
        let (valid, good) = counts(objective)?;
        if name == "all" {
            ensure!((valid, good) == truth.total(), "{name}: counted {valid} and {good} good");
            let slices = objective["slices"].as_array().context("an objective has `slices`")?;
            ensure!(slices.len() == SERVICES.len(), "{} slices", slices.len());
            for slice in slices {
                let label = slice["slice"].as_str().unwrap_or_default();
                let known = of_service(label, truth)?;
                ensure!(counts(slice)? == known, "slice {label}: not {known:?}");
            }
        } else {
            let (service, round) = name.rsplit_once('-').context("a name ends in its round")?;
            let known = of_service(service, truth)?;
            ensure!(valid == known.0, "{name}: counted {valid} of {}", known.0);
            ensure!(good >= known.1 && (round != "0" || good == known.1), "{name}: {good} good");
        }
    }
    Ok(())
}

fn of_service(label: &str, truth: &Truth) -> anyhow::Result<(u64, u64)> {
    // Labels of slices may be `service.name=x` or the value alone.
    let name = label.rsplit('=').next().unwrap_or(label);
    let at = SERVICES.iter().position(|service| *service == name);
    Ok(truth.of_service(at.with_context(|| format!("no service is called {name}"))?))
}

/// Valid and good events of an objective or a slice.
fn counts(part: &Value) -> anyhow::Result<(u64, u64)> {
    let count = |key: &str| {
        part["budget"][key].as_u64().with_context(|| format!("no count `{key}` in {part}"))
    };
    Ok((count("valid")?, count("good")?))
}

/// CPU seconds of a lower bound that found what there is.
fn baseline(name: &str, path: &Path, expected: u64) -> anyhow::Result<f64> {
    let this = env::current_exe()?;
    let arguments = [BASELINE.as_ref(), name.as_ref(), path.as_os_str()];
    let run = measure::least_cpu(RUNS, this.as_os_str(), &arguments)?;
    let found: u64 = String::from_utf8(run.stdout)?.trim().parse()?;
    ensure!(found == expected, "{name} found {found} of {expected}");
    Ok(run.cpu_seconds)
}

/// The peer's name with its version, and the CPU seconds of its query; `None` where it is absent.
fn peer(engine: &str, path: &Path, truth: &Truth) -> anyhow::Result<Option<(String, f64)>> {
    let python = env::var_os("BENCH_PYTHON").unwrap_or_else(|| "python3".into());
    let import =
        ["-c".as_ref(), OsStr::new(if engine == "chdb" { "import chdb" } else { "import duckdb" })];
    if !std::process::Command::new(&python)
        .args(import)
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        return Ok(None);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/replay/peers.py");
    let mut best: Option<(String, f64)> = None;
    // One thread spares them the cost of sharing work; two is what they would take here.
    for threads in ["1", "2"] {
        for _ in 0..RUNS {
            let arguments =
                [script.as_os_str(), engine.as_ref(), path.as_os_str(), threads.as_ref()];
            let run = measure::least_cpu(1, &python, &arguments)?;
            let told: Value = serde_json::from_slice(&run.stdout)?;
            let count = |key: &str| told[key].as_u64().unwrap_or(0);
            let found = (count("valid"), count("good"), count("rows"));
            let (valid, good) = truth.total();
            ensure!(
                found == (valid, good, truth.minutes.len() as u64),
                "{engine} counted {found:?}, not ({valid}, {good}, {})",
                truth.minutes.len()
            );
            let seconds = told["cpu_seconds"].as_f64().context("no CPU seconds")?;
            if best.as_ref().is_none_or(|(_, best)| seconds < *best) {
                let version = told["version"].as_str().unwrap_or_default();
                best = Some((format!("{engine} {version}, {threads} threads"), seconds));
            }
        }
    }
    Ok(best)
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

fn ratio(seconds: f64, of: f64, bound: Option<Bound>) -> String {
    let ratio = seconds / of;
    let verdict = |reached| if reached { "reached" } else { "NOT reached" };
    match bound {
        None => format!("{ratio:.2}x"),
        Some(Bound::AtLeast(least)) => {
            format!("{ratio:.2}x (at least {least}: {})", verdict(ratio >= least))
        }
        Some(Bound::AtMost(most)) => {
            format!("{ratio:.2}x (at most {most}: {})", verdict(ratio <= most))
        }
    }
}

fn line(name: &str, seconds: f64, bytes: u64, note: &str) -> anyhow::Result<()> {
    let rate = bytes as f64 / seconds / 1e9;
    say(format!("  {name:<36} {seconds:>7.3} s {rate:>6.2} GB/s  {note}").trim_end())
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}
