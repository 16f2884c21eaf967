//! Runs a program and tells the CPU seconds and the memory it took.
//!
//! CPU seconds are user and system time of all threads, because a replay uses several: wall time
//! would reward spreading the same work over more cores. They come from bash's `time`, which
//! asks the kernel (getrusage) to the millisecond and needs no unsafe call here.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};
use std::thread::park_timeout;
use std::time::Duration;

use anyhow::{Context, bail};

/// What one run took and said.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// User and system seconds, all threads, from the start to the end of the process.
    pub(crate) cpu_seconds: f64,
    /// What it wrote to standard output.
    pub(crate) stdout: Vec<u8>,
}

/// Runs `program`, which may end with 0 or 1 (a verdict), `times` times; the run that took the
/// least CPU is returned: noise of other processes only adds.
pub(crate) fn least_cpu(
    times: usize,
    program: &OsStr,
    arguments: &[&OsStr],
) -> anyhow::Result<Run> {
    let mut best: Option<Run> = None;
    for _ in 0..times {
        let run = once(program, arguments)?;
        if best.as_ref().is_none_or(|best| run.cpu_seconds < best.cpu_seconds) {
            best = Some(run);
        }
    }
    best.context("no run was asked for")
}

fn once(program: &OsStr, arguments: &[&OsStr]) -> anyhow::Result<Run> {
    // The program's own words are thrown away, so that only the times stand on stderr.
    let script = "TIMEFORMAT='%3U %3S'; time \"$@\" 2>/dev/null";
    let output = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
        .context("cannot run bash")?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        let again = Command::new(program).args(arguments).output()?;
        bail!(
            "{} failed ({}): {}",
            program.display(),
            output.status,
            String::from_utf8_lossy(&again.stderr)
        );
    }
    let times = String::from_utf8(output.stderr)?;
    let cpu_seconds = times
        .split_whitespace()
        .map(str::parse::<f64>)
        .sum::<Result<f64, _>>()
        .with_context(|| format!("bash's time said {times:?}"))?;
    Ok(Run { cpu_seconds, stdout: output.stdout })
}

/// Runs `program` and returns the most memory it held resident, in bytes, and its output.
///
/// The kernel keeps the mark (`VmHWM`), so looking at it now and then loses at most what is added
/// in the last moments.
pub(crate) fn peak_memory(program: &OsStr, arguments: &[&OsStr]) -> anyhow::Result<(u64, Vec<u8>)> {
    const LOOK_EVERY: Duration = Duration::from_millis(2);
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut stdout = child.stdout.take().context("standard output is piped")?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut stdout, &mut bytes).map(|_| bytes)
    });
    let mut peak = 0;
    let exit = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        });
        peak = peak.max(mark.unwrap_or(0) * 1_024);
        if let Some(exit) = child.try_wait()? {
            break exit;
        }
        park_timeout(LOOK_EVERY);
    };
    if !matches!(exit.code(), Some(0 | 1)) {
        bail!("{} failed: {exit}", program.display());
    }
    let Ok(bytes) = reader.join() else { bail!("reading the output failed") };
    Ok((peak, bytes?))
}
