//! Measures the journal against its bounds on the same disk in one run: one write and one sync an
//! entry, which is what anybody would write first, and the bare writing of the same bytes with one
//! sync at the end, which nothing durable can pass.
//!
//! ```text
//! cargo bench --workspace --profile quick --bench journal -- [--entries N] [--bytes N]
//! ```
//!
//! `BENCH_DIR` says on which disk (the target directory's otherwise). Each thread appends and waits
//! for its entries, so many at once; the time from offering an entry to hearing that it is on disk
//! is what a client would wait. Ratios are printed and none is required: disks differ.

use std::collections::VecDeque;
use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use flyball_model::Timestamp;
use flyball_store::{Journal, JournalOptions, Sequence, Store};

const ENTRIES: usize = 40_000;
/// What a small batch of events takes.
const BYTES: usize = 1_000;
/// The naive way is too slow for all of them.
const NAIVE_ENTRIES_MAX: usize = 4_000;
/// Clients, and the entries that each has on the way.
const LOADS: [(usize, usize); 4] = [(1, 1), (16, 1), (64, 1), (4, 256)];

fn main() -> anyhow::Result<()> {
    let (mut entries, mut bytes) = (ENTRIES, BYTES);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--entries" => entries = value()?.parse()?,
            "--bytes" => bytes = value()?.parse()?,
            // Cargo gives this one to every benchmark.
            "--bench" => {}
            other => bail!("unknown argument {other}; there are --entries N and --bytes N"),
        }
    }
    let directory = env::var_os("BENCH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench"), PathBuf::from)
        .join("journal");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    say(&format!("{entries} entries of {bytes} bytes in {}", directory.display()))?;
    let raw = raw(&directory.join("raw"), entries, bytes)?;
    let naive = naive(&directory.join("naive"), entries.min(NAIVE_ENTRIES_MAX), bytes)?;
    for (threads, on_the_way) in LOADS {
        let of = format!("journal, {threads} clients with {on_the_way} on the way");
        let count = if threads * on_the_way == 1 { naive.entries } else { entries };
        let run =
            journal(&directory.join(of.replace(' ', "-")), count, bytes, threads, on_the_way)?;
        line(&of, &run)?;
        say(&format!(
            "{:34} {:.1} × one sync an entry, {:.2} of raw writing",
            "",
            run.per_second() / naive.per_second(),
            run.per_second() / raw.per_second()
        ))?;
    }
    fs::remove_dir_all(&directory)?;
    Ok(())
}

/// What was measured.
struct Run {
    entries: usize,
    bytes: usize,
    whole: Duration,
    /// From offering an entry to hearing that it is on disk, sorted.
    waits: Vec<Duration>,
}

impl Run {
    fn per_second(&self) -> f64 {
        self.entries as f64 / self.whole.as_secs_f64()
    }

    /// The wait that `percent` of the entries did not pass.
    fn wait_ms(&self, percent: usize) -> f64 {
        let at = (self.waits.len() * percent / 100).min(self.waits.len().saturating_sub(1));
        self.waits.get(at).map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

/// The bytes of all entries, written in large blocks and synced once.
fn raw(path: &Path, entries: usize, bytes: usize) -> anyhow::Result<Run> {
    let block = vec![7; 1 << 20];
    let mut file = File::create(path)?;
    let start = now();
    let mut left = entries * bytes;
    while left > 0 {
        let next = left.min(block.len());
        file.write_all(&block[..next])?;
        left -= next;
    }
    file.sync_data()?;
    let run = Run { entries, bytes, whole: start.elapsed(), waits: Vec::new() };
    line("raw writing, one sync", &run)?;
    Ok(run)
}

/// One write and one sync an entry.
fn naive(path: &Path, entries: usize, bytes: usize) -> anyhow::Result<Run> {
    let entry = vec![7; bytes];
    let mut file = File::create(path)?;
    let mut waits = Vec::with_capacity(entries);
    let start = now();
    for _ in 0..entries {
        let offered = now();
        file.write_all(&entry)?;
        file.sync_data()?;
        waits.push(offered.elapsed());
    }
    let whole = start.elapsed();
    waits.sort_unstable();
    let run = Run { entries, bytes, whole, waits };
    line("one write and sync an entry", &run)?;
    Ok(run)
}

fn journal(
    path: &Path,
    entries: usize,
    bytes: usize,
    threads: usize,
    on_the_way: usize,
) -> anyhow::Result<Run> {
    let store = Store::open(path, JournalOptions::default())?;
    let each = entries / threads;
    let start = now();
    let journal = &store.journal;
    let waits: anyhow::Result<Vec<_>> = thread::scope(|scope| {
        let client = || scope.spawn(|| client(journal, each, bytes, on_the_way));
        let clients: Vec<_> = (0..threads).map(|_| client()).collect();
        let join = |client: thread::ScopedJoinHandle<'_, _>| match client.join() {
            Ok(waits) => waits,
            Err(_) => bail!("a client panicked"),
        };
        clients.into_iter().map(join).collect()
    });
    let whole = start.elapsed();
    let mut waits = waits?.concat();
    ensure!(store.journal.committed() == Sequence((each * threads) as u64), "entries are missing");
    waits.sort_unstable();
    Ok(Run { entries: each * threads, bytes, whole, waits })
}

fn client(
    journal: &Journal,
    entries: usize,
    bytes: usize,
    on_the_way: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut waits = Vec::with_capacity(entries);
    let mut waiting = VecDeque::with_capacity(on_the_way);
    for number in 0..entries + on_the_way {
        if waiting.len() == on_the_way || number >= entries {
            let Some((offered, ticket)): Option<(Instant, flyball_store::Ticket)> =
                waiting.pop_front()
            else {
                break;
            };
            ticket.wait()?;
            waits.push(offered.elapsed());
        }
        if number < entries {
            let payload = vec![7; bytes];
            waiting.push_back((now(), journal.append(Timestamp::default(), payload)?));
        }
    }
    Ok(waits)
}

fn line(of: &str, run: &Run) -> anyhow::Result<()> {
    let mb = run.per_second() * run.bytes as f64 / 1e6;
    let waits = if run.waits.is_empty() {
        String::new()
    } else {
        format!(
            ", acknowledged in {:.2} ms (p50), {:.2} ms (p99)",
            run.wait_ms(50),
            run.wait_ms(99)
        )
    };
    say(&format!("{of:34} {:9.0} entries/s, {mb:6.1} MB/s{waits}", run.per_second()))
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}
