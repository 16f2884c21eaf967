//! Measures the ledger against what anybody would write first, on the same disk in one run: a table
//! with a row for each slot and slice, and an UPSERT for each tally.
//!
//! ```text
//! cargo bench --workspace --profile quick --bench ledger
//! ```
//!
//! `BENCH_DIR` says on which disk (the target directory's otherwise); it takes a gigabyte. Each
//! ledger has 30 days behind it. Then commits of one slot for every slice follow each other until
//! the first hour of them was folded; both sides commit through SQLite's log with a sync each. What
//! the two say is compared. Ratios are printed and none is required: disks differ.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flyball_model::{Interval, Slot, Tally, Timestamp};
use flyball_store::{Commit, Delta, JournalOptions, Ledger, SliceId, Store};
use rusqlite::{Connection, params};

const DAYS: i64 = 30;
const SLOTS_PER_DAY: i64 = 8_640;
const MONTH: i64 = DAYS * SLOTS_PER_DAY;

/// Slices, and of how many slots one has data: some seven million tallies each.
const COMMITTED: [(usize, usize); 3] = [(100, 4), (1_000, 36), (10_000, 360)];
/// An hour of slots, the commits until it is quiet, and those in which it is folded.
const COMMITS: i64 = 460;
/// The naive way is too slow for all of them.
const NAIVE_COMMITS: i64 = 60;

/// Slices with data in every slot, for sizes and reads.
const FULL_SLICES: usize = 20;
const READS: usize = 2_000;
const MONTH_READS: usize = 40;
/// What the live evaluator reads ahead.
const RANGE: i64 = 128;

fn main() -> anyhow::Result<()> {
    let directory = env::var_os("BENCH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench"), PathBuf::from)
        .join("ledger");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    say(&format!("ledgers of {DAYS} days in {}", directory.display()))?;
    for (slices, every) in COMMITTED {
        commits(&directory, slices, every)?;
    }
    sizes_and_reads(&directory)?;
    fs::remove_dir_all(&directory)?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

/// What a slice counts in a slot: mostly good, some slots with bad events.
fn tally(slice: usize, slot: i64) -> Tally {
    let number = slot.cast_unsigned().wrapping_mul(31).wrapping_add(slice as u64);
    let valid = 900 + number % 200;
    let bad = if number.is_multiple_of(7) { number % 5 } else { 0 };
    Tally::new(valid, valid - bad).unwrap_or(Tally::EMPTY)
}

/// The ledger, with the data of a month.
struct Ours {
    ledger: Ledger,
    slices: Vec<SliceId>,
}

impl Ours {
    fn new(directory: &Path, slices: usize, every: usize) -> anyhow::Result<Self> {
        let mut ledger = Store::open(directory, JournalOptions::default())?.ledger;
        let generation = ledger.generation("checkout", [1; 32], Timestamp::default())?;
        let names: Vec<String> = (0..slices).map(|slice| slice.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let slices = ledger.slices(generation.id, &names)?;
        for (number, slice) in slices.iter().enumerate() {
            let delta =
                |slot| Delta { slice: *slice, slot: Slot(slot), tally: tally(number, slot) };
            let deltas = (0..MONTH).step_by(every).map(delta).collect();
            ledger.commit(&Commit { deltas, ..Commit::default() })?;
        }
        Ok(Self { ledger, slices })
    }

    fn commit(&mut self, slot: i64) -> anyhow::Result<Duration> {
        let delta = |(number, slice): (usize, &SliceId)| Delta {
            slice: *slice,
            slot: Slot(slot),
            tally: tally(number, slot),
        };
        let deltas = self.slices.iter().enumerate().map(delta).collect();
        let commit = Commit { deltas, ..Commit::default() };
        let start = now();
        self.ledger.commit(&commit)?;
        Ok(start.elapsed())
    }
}

/// A row for each slot and slice.
struct Naive {
    connection: Connection,
    slices: usize,
}

impl Naive {
    const UPSERT: &str = "INSERT INTO tallies VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (slice, slot)
        DO UPDATE SET valid = valid + excluded.valid, bad = bad + excluded.bad,
        undecided = undecided + excluded.undecided";
    const READ: &str = "SELECT slot, valid, bad, undecided FROM tallies
        WHERE slice = ?1 AND slot >= ?2 AND slot < ?3 ORDER BY slot";

    fn new(path: &Path, slices: usize, every: usize) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384;
             CREATE TABLE tallies (slice INTEGER, slot INTEGER, valid INTEGER, bad INTEGER,
             undecided INTEGER, PRIMARY KEY (slice, slot)) STRICT, WITHOUT ROWID;",
        )?;
        let mut naive = Self { connection, slices };
        let slots: Vec<i64> = (0..MONTH).step_by(every).collect();
        for slice in 0..slices {
            naive.add(slots.iter().map(|slot| (slice, *slot)))?;
        }
        Ok(naive)
    }

    fn add(&mut self, places: impl Iterator<Item = (usize, i64)>) -> anyhow::Result<Duration> {
        let start = now();
        let transaction = self.connection.transaction()?;
        let mut upsert = transaction.prepare(Self::UPSERT)?;
        for (slice, slot) in places {
            let tally = tally(slice, slot);
            let counts = [tally.valid(), tally.bad(), tally.undecided()].map(u64::cast_signed);
            upsert.execute(params![
                (slice as u64).cast_signed(),
                slot,
                counts[0],
                counts[1],
                counts[2]
            ])?;
        }
        drop(upsert);
        transaction.commit()?;
        Ok(start.elapsed())
    }

    fn commit(&mut self, slot: i64) -> anyhow::Result<Duration> {
        self.add((0..self.slices).map(|slice| (slice, slot)))
    }

    fn read(&self, slice: usize, from: i64, to: i64) -> anyhow::Result<Vec<(Slot, Tally)>> {
        let mut statement = self.connection.prepare(Self::READ)?;
        let rows = statement.query_map(params![(slice as u64).cast_signed(), from, to], |row| {
            let [valid, bad, undecided] =
                [row.get::<_, i64>(1)?, row.get(2)?, row.get(3)?].map(i64::cast_unsigned);
            let tally = Tally::with_undecided(valid, valid - bad, undecided);
            Ok((Slot(row.get(0)?), tally.unwrap_or(Tally::EMPTY)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn slots(from: i64, to: i64) -> anyhow::Result<Interval> {
    let at = |slot: i64| Timestamp::from_nanos(slot * Ledger::SLOT_WIDTH.nanos());
    Interval::new(at(from), at(to)).context("the end is behind the start")
}

/// Commits of one slot for each slice.
fn commits(directory: &Path, slices: usize, every: usize) -> anyhow::Result<()> {
    let mut ours = Ours::new(&directory.join(format!("ours-{slices}")), slices, every)?;
    let mut naive = Naive::new(&directory.join(format!("naive-{slices}")), slices, every)?;
    let month_ago = MONTH;
    let run = |count, commit: &mut dyn FnMut(i64) -> anyhow::Result<Duration>| {
        let mut times: Vec<Duration> =
            (0..count).map(|number| commit(month_ago + number)).collect::<Result<_, _>>()?;
        times.sort_unstable();
        anyhow::Ok(times)
    };
    let ours_times = run(COMMITS, &mut |slot| ours.commit(slot))?;
    let naive_times = run(NAIVE_COMMITS, &mut |slot| naive.commit(slot))?;
    let snapshot = ours.ledger.snapshot()?;
    for number in (0..slices).step_by(slices / 50) {
        let (from, to) = (MONTH - SLOTS_PER_DAY, MONTH + NAIVE_COMMITS);
        let found = snapshot.tallies(ours.slices[number], slots(from, to)?)?;
        ensure!(found == naive.read(number, from, to)?, "slice {number} differs");
    }
    line(&format!("commit of {slices} slices"), &ours_times)?;
    line("  naive", &naive_times)?;
    say(&format!("  naive / ours, the mean: {:.1}", mean(&naive_times) / mean(&ours_times)))
}

/// What a month takes on disk, and reading of it.
fn sizes_and_reads(directory: &Path) -> anyhow::Result<()> {
    let (ours_path, naive_path) = (directory.join("ours-full"), directory.join("naive-full"));
    let mut ours = Ours::new(&ours_path, FULL_SLICES, 1)?;
    let naive = Naive::new(&naive_path, FULL_SLICES, 1)?;
    naive.connection.query_row("PRAGMA wal_checkpoint (TRUNCATE)", [], |_| Ok(()))?;
    let snapshot = ours.ledger.snapshot()?;
    for (of, length, reads) in
        [("read of 128 slots", RANGE, READS), ("read of 30 days", MONTH, MONTH_READS)]
    {
        let place = |read: usize| {
            let from = ((read as u64).cast_signed() * 7_919) % (MONTH - length + 1);
            (read % FULL_SLICES, from, from + length)
        };
        let (mut ours_times, mut naive_times) = (Vec::new(), Vec::new());
        for (slice, from, to) in (0..reads).map(place) {
            let interval = slots(from, to)?;
            let start = now();
            let found = snapshot.tallies(ours.slices[slice], interval)?;
            ours_times.push(start.elapsed());
            let start = now();
            let expected = naive.read(slice, from, to)?;
            naive_times.push(start.elapsed());
            ensure!(found == expected, "slice {slice} differs from slot {from} on");
        }
        ours_times.sort_unstable();
        naive_times.sort_unstable();
        line(of, &ours_times)?;
        line("  naive", &naive_times)?;
        say(&format!("  naive / ours, the mean: {:.1}", mean(&naive_times) / mean(&ours_times)))?;
    }
    drop(snapshot);
    // Closing brings what is in the log into the file.
    drop(ours);
    let [ours, naive] = [ours_path.join("ledger.sqlite"), naive_path]
        .map(|path| fs::metadata(path).map(|file| file.len() as f64 / FULL_SLICES as f64));
    let (ours, naive) = (ours?, naive?);
    say(&format!(
        "a slice's month, data in all slots: {:.2} MB, naive {:.2} MB, {:.1} as much",
        ours / 1e6,
        naive / 1e6,
        naive / ours
    ))
}

/// Seconds.
fn mean(times: &[Duration]) -> f64 {
    times.iter().sum::<Duration>().as_secs_f64() / times.len().max(1) as f64
}

/// `times` are sorted.
fn line(of: &str, times: &[Duration]) -> anyhow::Result<()> {
    let at = |percent: usize| {
        let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    say(&format!(
        "{of:28} {:8.3} ms, p50 {:8.3} ms, p99 {:8.3} ms",
        mean(times) * 1e3,
        at(50),
        at(99)
    ))
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}
