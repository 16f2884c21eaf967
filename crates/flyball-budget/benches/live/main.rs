//! Measures a tick of 10,000 live objectives against looking at their whole histories, in one run,
//! and prints ratios; what both say is compared first.
//!
//! ```text
//! cargo bench --workspace --profile quick --bench live -- [--slos N] [--ticks N] [--peer N]
//! ```
//!
//! Each objective has a window of 30 days, slots of 10 s with traffic in every one, the default
//! alert pairs and lookbacks. A tick tells each of them the counts of one slot, moves it on, and
//! asks for status, budget and burns. Beside it, where it is installed, Prometheus evaluates N (10) of
//! the same SLOs over counters, by Sloth's rules and by the exact form. Times are CPU times. Different answers end the run with an error; a bound that is
//! not reached does not: machines differ.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::io::Write;
use std::process::Command;
use std::{env, fs};

use flyball_budget::alert::{EVIDENCE_DEFAULT, multi_window};
use flyball_budget::live::{History, Live, Plan, Saved};
use flyball_budget::{Measured, Series, Status, assess};
use flyball_model::{
    BudgetingMethod, Duration, Interval, NoDataRule, Objective, Rational, Slo, Slot, Tally, Target,
    Timestamp, Window,
};

const SLOT: Duration = Duration::from_seconds(10);
const SLOS: usize = 10_000;
/// So many that Prometheus evaluates: to write 30 days of them takes seconds each.
const PEER_SLOS: usize = 10;
/// An hour.
const TICKS: usize = 360;
/// So many services differ; the others have the same traffic as one of them.
const SERVICES: u64 = 64;
/// So many are looked at the naive way.
const NAIVE: u64 = 8;
const TICK_MILLISECONDS_MAX: f64 = 50.0;
const BYTES_MAX: f64 = 65_536.0;

/// Traffic that is computed when it is asked for: the cost of a ledger is not measured.
struct Traffic {
    service: u64,
    /// Slots from here on are still to come.
    now: Cell<i64>,
    reads: Cell<u64>,
}

impl Traffic {
    fn tally(&self, slot: i64) -> Tally {
        // SplitMix64's mixing (Steele, Lea, Flood, 2014) of the service and the slot.
        let mut mixed = self.service.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ slot.unsigned_abs();
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let valid = 20 + mixed % 100;
        // Some hours of each service go worse than they should; of the first, most often.
        let hour = slot.unsigned_abs() / 360;
        let bad = if hour.is_multiple_of(20 + self.service) {
            mixed >> 62
        } else {
            u64::from((mixed >> 32).is_multiple_of(50))
        };
        Tally::new(valid, valid - bad).unwrap_or(Tally::EMPTY)
    }
}

impl History for Traffic {
    type Error = Infallible;

    fn tallies(&self, interval: Interval, into: &mut Vec<(Slot, Tally)>) -> Result<(), Infallible> {
        self.reads.set(self.reads.get() + 1);
        let first = Slot::of(interval.start().ceil(SLOT), SLOT).0;
        let end = Slot::of(interval.end().ceil(SLOT), SLOT).0.min(self.now.get());
        into.extend((first..end).map(|slot| (Slot(slot), self.tally(slot))));
        Ok(())
    }
}

fn slo() -> Result<Slo, Box<dyn Error>> {
    let target = Rational::parse("0.999").ok_or("no target")?;
    Ok(Slo {
        name: "availability".to_owned(),
        display_name: None,
        description: None,
        service: "shop".to_owned(),
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        indicator: None,
        composition: None,
        window: Window::Rolling { length: Duration::from_days(30) },
        method: BudgetingMethod::Occurrences,
        objectives: vec![Objective {
            display_name: None,
            target: Target::new(target)?,
            threshold: None,
            indicator: None,
            weight: Rational::ONE,
            timeslice_target: None,
            timeslice_window: None,
        }],
        alert_rules: multi_window(Some(EVIDENCE_DEFAULT)),
        lookbacks: vec![
            Duration::from_minutes(5),
            Duration::from_hours(1),
            Duration::from_hours(6),
            Duration::from_days(1),
            Duration::from_days(3),
        ],
        no_data: NoDataRule::Gap,
        coverage_floor: Rational::ZERO,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut count, mut ticks, mut peers) = (SLOS, TICKS, PEER_SLOS);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--slos" => count = value()?.parse()?,
            "--ticks" => ticks = value()?.parse()?,
            "--peer" => peers = value()?.parse()?,
            // Cargo gives this one to every benchmark.
            "--bench" => {}
            other => {
                let known = "--slos N, --ticks N and --peer N";
                return Err(format!("unknown argument {other}; there are {known}").into());
            }
        }
    }
    let slo = slo()?;
    let since = Timestamp::from_seconds(1_767_225_600);
    let start = since.plus(Duration::from_days(30));
    let plan = Plan::new(&slo, 0, SLOT, &[], since, start.plus(Duration::from_days(1)))?;
    let traffic: Vec<Traffic> = (0..SERVICES)
        .map(|service| Traffic {
            service,
            now: Cell::new(Slot::of(start, SLOT).0),
            reads: Cell::new(0),
        })
        .collect();
    say(&format!("{count} SLOs of 30 d in slots of 10 s, the default alert pairs, {ticks} ticks"))?;

    let resident_before = resident()?;
    let began = cpu_seconds()?;
    let mut first = Vec::new();
    let mut changes = Vec::new();
    for (traffic, early) in traffic.iter().zip(0u32..) {
        // Begun at different moments, as the objectives of a server are.
        let at = start.minus(Duration::from_seconds(20 * early));
        let saved = Saved { at: at.nanos(), watches: Vec::new() };
        let mut live = Live::load(&plan, &saved, traffic)?;
        live.advance(&plan, start, traffic, &mut changes)?;
        first.push(live);
    }
    let load = (cpu_seconds()? - began) * 1e3 / first.len() as f64;
    say(&format!("  made anew from 30 d of slots      {load:>9.3} ms an SLO"))?;
    let mut lives: Vec<(Live, &Traffic)> = (0..count)
        .map(|index| (first[index % first.len()].clone(), &traffic[index % traffic.len()]))
        .collect();

    for traffic in &traffic {
        traffic.reads.set(0);
    }
    let (mut total, mut worst, mut missed, mut shown) = (0.0, 0.0f64, 0u64, 0.0);
    let mut now = start;
    for _ in 0..ticks {
        let slot = Slot::of(now, SLOT);
        now = now.plus(SLOT);
        for traffic in &traffic {
            traffic.now.set(slot.0 + 1);
        }
        let began = cpu_seconds()?;
        for (live, traffic) in &mut lives {
            live.record(&plan, &[(slot, traffic.tally(slot.0))], *traffic)?;
            live.advance(&plan, now, *traffic, &mut changes)?;
            missed += u64::from(live.status(&plan, *traffic)?.0 == Status::Missed);
            shown += live.budget(&plan, *traffic)?.spent_share.unwrap_or(0.0);
            shown += live.burns(&plan).filter_map(|burn| burn.burn).sum::<f64>();
        }
        let tick = (cpu_seconds()? - began) * 1e3;
        total += tick;
        worst = worst.max(tick);
    }
    let tick = total / ticks as f64;
    let bytes = lives.iter().map(|(live, _)| live.size()).max().unwrap_or(0) as f64;
    let grown = resident()?.saturating_sub(resident_before) as f64 / count as f64;
    say(&format!(
        "  a tick, running sums              {tick:>9.3} ms (at most {TICK_MILLISECONDS_MAX}: {}), the longest {worst:.3} ms",
        reached(tick <= TICK_MILLISECONDS_MAX)
    ))?;
    say(&format!(
        "  memory of an SLO                  {bytes:>9.0} bytes (at most {BYTES_MAX}: {}), resident {grown:.0}",
        reached(bytes <= BYTES_MAX)
    ))?;
    let reads = traffic.iter().map(|traffic| traffic.reads.get()).sum::<u64>() as f64;
    say(&format!(
        "  reads of the ledger               {:>9.3} a tick and SLO",
        reads / (count * ticks) as f64
    ))?;
    say(&format!(
        "  called or let go                  {:>9} times; missed {missed} times, shares and burns add up to {shown:.0}",
        changes.len()
    ))?;

    let naive = naive(&slo, &plan, &lives, now)? * count as f64;
    say(&format!(
        "  a tick, the whole history (of {NAIVE})  {naive:>7.0} ms, {:.0}x of running sums",
        naive / tick
    ))?;
    prometheus(peers, tick / count as f64, bytes)
}

/// What Prometheus needs for `slos` of the same, beside our `tick` (milliseconds) and `bytes` of one.
fn prometheus(slos: usize, tick: f64, bytes: f64) -> Result<(), Box<dyn Error>> {
    let runs = |program| Command::new(program).arg("--version").output().is_ok();
    if slos == 0 || !runs("prometheus") || !runs("python3") {
        return say("  Prometheus is not measured: it is not installed, or not wanted");
    }
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/live/prometheus.py");
    let mut peer = Command::new("python3");
    let said = peer.args([script, &slos.to_string()]).arg(directory.path()).output()?;
    if !said.status.success() {
        return Err(String::from_utf8_lossy(&said.stderr).into());
    }
    let said = String::from_utf8(said.stdout)?;
    let figure = |name: &str| -> Result<f64, Box<dyn Error>> {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.ok_or(format!("no {name} in {said}"))?.trim().parse()?)
    };
    for (name, what) in [("rules", "Sloth's rules"), ("exact", "the exact form")] {
        let took = figure(name)?;
        say(&format!(
            "  Prometheus, {what:<20}  {took:>9.3} ms an SLO and evaluation, {:.0}x of a tick's {tick:.6}",
            took / tick
        ))?;
    }
    say(&format!(
        "  Prometheus, bytes of an SLO       {:>9.0} on disk, {:.0} resident, {:.0}x of {bytes:.0}",
        figure("disk")?,
        figure("memory")?,
        figure("memory")? / bytes
    ))
}

/// Milliseconds that one objective takes when its whole history is looked at.
fn naive(
    slo: &Slo,
    plan: &Plan,
    lives: &[(Live, &Traffic)],
    now: Timestamp,
) -> Result<f64, Box<dyn Error>> {
    let span = Interval::new(plan.since(), now)?;
    let mut naive = 0.0;
    for (live, traffic) in lives.iter().take(usize::try_from(NAIVE)?) {
        let mut slots = Vec::new();
        let Ok(()) = traffic.tallies(span, &mut slots);
        let measured = Measured::single(Series::new(SLOT, slots)?);
        let began = cpu_seconds()?;
        let report = assess(slo, &measured, &[], now, span)?;
        naive += (cpu_seconds()? - began) * 1e3;
        let expected = &report.objectives[0].total;
        if live.budget(plan, *traffic)? != expected.budget
            || live.burns(plan).collect::<Vec<_>>() != expected.burns
            || live.forecast(plan, *traffic)? != expected.forecast
            || live.status(plan, *traffic)?.0 != expected.status
        {
            return Err(format!("service {}: the two ways differ", traffic.service).into());
        }
    }
    Ok(naive / NAIVE as f64)
}

fn reached(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "NOT reached" }
}

/// CPU seconds of this thread: what else runs on the machine does not count.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split_whitespace().next().ok_or("no CPU time")?;
    Ok(nanos.parse::<u64>()? as f64 / 1e9)
}

/// Bytes of this process that are in memory; 0 where the system does not say.
fn resident() -> Result<u64, Box<dyn Error>> {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return Ok(0) };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).unwrap_or("0");
    Ok(kilobytes.parse::<u64>()? * 1024)
}

fn say(text: &str) -> Result<(), Box<dyn Error>> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}
