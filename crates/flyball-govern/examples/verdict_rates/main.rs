//! How often verdicts are wrong and how soon they are right, on seeded traffic, beside what others do.
//!
//! ```sh
//! cargo run --profile quick -p flyball-govern --example verdict_rates -- 1000
//! ```
//!
//! The number is how often each case is drawn; the tables of `docs/verdicts.md` are what it prints.

mod peers;
mod traffic;

use std::io::Write;

use flyball_govern::verdict::{
    Answer, Comparison, Pairing, Settings, Verdict, VerdictError, judge,
};
use flyball_model::{Rational, Slot, Tally};
use peers::{mann_whitney, mann_whitney_watched, ratios, threshold_watched};
use traffic::{SHAPES, Shape, Traffic};

/// Runs of each case unless said otherwise.
const RUNS: u64 = 200;
/// The share of bad events that the objective allows.
const ALLOWED: (u64, u64) = (1, 100);
/// The share of requests that a canary gets.
const CANARY: f64 = 0.1;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let runs = std::env::args().nth(1).map_or(Ok(RUNS), |text| text.parse())?;
    let mut out = std::io::stdout().lock();
    let allowed = Rational::new(ALLOWED.0, ALLOWED.1).ok_or("no share")?;
    let settings = Settings::new(allowed, Rational::ONE)?;
    false_alarms(&mut out, &settings, runs)?;
    power(&mut out, &settings, &any_difference(allowed)?, runs)
}

/// The margin of a tenth of that: nearly any difference.
fn any_difference(allowed: Rational) -> Result<Settings, Failure> {
    Ok(Settings::new(allowed, Rational::new(1, 10).ok_or("no share")?)?)
}

/// A rate of traffic: its name, requests in a slot, slots before and after the change.
struct Rate {
    name: &'static str,
    requests: f64,
    before: i64,
    after: i64,
}

const RATES: [Rate; 5] = [
    Rate { name: "10 an hour, slots of an hour", requests: 10.0, before: 672, after: 72 },
    Rate { name: "10 a minute, slots of a minute", requests: 10.0, before: 1500, after: 120 },
    Rate { name: "1 a second, slots of a minute", requests: 60.0, before: 1500, after: 120 },
    Rate { name: "100 a second, slots of a minute", requests: 6_000.0, before: 1500, after: 120 },
    Rate { name: "10,000 a second, slots of 10 s", requests: 100_000.0, before: 1500, after: 120 },
];

fn before_after(
    before: &[(Slot, Tally)],
    after: &[(Slot, Tally)],
    settings: &Settings,
) -> Result<Verdict, VerdictError> {
    let horizon = u32::try_from(after.len()).unwrap_or(u32::MAX);
    Ok(judge(&Comparison::before_after(before, after, Pairing::Nearest { horizon })?, settings))
}

fn percent(count: u64, of: u64) -> f64 {
    100.0 * count as f64 / of.max(1) as f64
}

/// Nothing changed: what is said all the same.
fn false_alarms(out: &mut impl Write, settings: &Settings, runs: u64) -> Result<(), Failure> {
    writeln!(
        out,
        "Nothing changed: per cent called regressed while watched after every slot ({runs} runs each)\n"
    )?;
    writeln!(
        out,
        "| traffic | bad events | before/after | healthy | canary | rank sum | threshold |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for rate in &RATES {
        for (name, shape) in SHAPES {
            let [mut regressed, mut healthy, mut canary, mut rank_sum, mut threshold] = [0; 5];
            for seed in 0..runs {
                let ratio = 0.5 * settings.margin().to_f64();
                let mut traffic = Traffic::new(seed, shape);
                let before = traffic.slots(0, rate.before, rate.requests, ratio);
                let after = traffic.slots(rate.before, rate.after, rate.requests, ratio);
                let verdict = before_after(&before, &after, settings)?;
                regressed += u64::from(verdict.answer == Answer::Regressed);
                healthy += u64::from(verdict.answer == Answer::Healthy);
                let both = concurrent(seed, shape, rate, ratio);
                let verdict = judge(&Comparison::concurrent(&both, &before)?, settings);
                canary += u64::from(verdict.answer == Answer::Regressed);
                let near = &before[before.len() - after.len()..];
                rank_sum +=
                    u64::from(mann_whitney_watched(&ratios(near), &ratios(&after), 0.05).is_some());
                let margin = settings.margin().to_f64();
                threshold += u64::from(threshold_watched(near, &after, margin).is_some());
            }
            let shown =
                [regressed, healthy, canary, rank_sum, threshold].map(|count| percent(count, runs));
            let [regressed, healthy, canary, rank_sum, threshold] = shown;
            writeln!(
                out,
                "| {} | {name} | {regressed:.1} | {healthy:.1} | {canary:.1} | {rank_sum:.1} | {threshold:.1} |",
                rate.name
            )?;
        }
    }
    writeln!(out)?;
    Ok(())
}

/// A canary beside the rest, each with bad events of its own.
fn concurrent(seed: u64, shape: Shape, rate: &Rate, ratio: f64) -> Vec<(Slot, Tally, Tally)> {
    let mut control = Traffic::new(seed + 1_000_000, shape);
    let mut canary = Traffic::new(seed + 2_000_000, shape);
    let control = control.slots(0, rate.after, rate.requests * (1.0 - CANARY), ratio);
    let canary = canary.slots(0, rate.after, rate.requests * CANARY, ratio);
    control
        .into_iter()
        .zip(canary)
        .map(|(control, canary)| (control.0, control.1, canary.1))
        .collect()
}

/// The change makes things worse by multiples of the margin.
fn power(
    out: &mut impl Write,
    settings: &Settings,
    fine: &Settings,
    runs: u64,
) -> Result<(), Failure> {
    let margin = settings.margin().to_f64();
    for (name, shape) in
        [("independent", Shape::Independent), ("heavy-tailed clumps", Shape::Clumps)]
    {
        let rate = &RATES[2];
        writeln!(
            out,
            "Worse by so many margins: per cent called regressed, and in the median in which slot"
        )?;
        writeln!(out, "({}, {name} bad events, {runs} runs each)\n", rate.name)?;
        writeln!(
            out,
            "| margins | regressed | slot | healthy | at a tenth of the margin | slot | rank sum, watched | slot | rank sum, once | threshold | slot |"
        )?;
        writeln!(out, "|---|---|---|---|---|---|---|---|---|---|---|")?;
        for margins in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 50.0] {
            let [mut ours, mut finer, mut watched, mut threshold] = [const { Vec::new() }; 4];
            let (mut healthy, mut once) = (0, 0);
            for seed in 0..runs {
                let mut traffic = Traffic::new(seed, shape);
                let usual = 0.5 * margin;
                let before = traffic.slots(0, rate.before, rate.requests, usual);
                let worse = usual + margins * margin;
                let after = traffic.slots(rate.before, rate.after, rate.requests, worse);
                let verdict = before_after(&before, &after, settings)?;
                healthy += u64::from(verdict.answer == Answer::Healthy);
                ours.extend(regressed_in(&verdict));
                finer.extend(regressed_in(&before_after(&before, &after, fine)?));
                let near = &before[before.len() - after.len()..];
                let (x, y) = (ratios(near), ratios(&after));
                watched.extend(mann_whitney_watched(&x, &y, 0.05).map(|slot| slot as u64));
                once += u64::from(mann_whitney(&x, &y) < 0.05);
                threshold.extend(threshold_watched(near, &after, margin).map(|slot| slot as u64));
            }
            writeln!(
                out,
                "| {margins} | {} | {:.1} | {} | {} | {:.1} | {} |",
                rate_and_median(&mut ours, runs),
                percent(healthy, runs),
                rate_and_median(&mut finer, runs),
                rate_and_median(&mut watched, runs),
                percent(once, runs),
                rate_and_median(&mut threshold, runs)
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// After how many slots it was called regressed.
fn regressed_in(verdict: &Verdict) -> Option<u64> {
    verdict.slots_to_decision.filter(|_| verdict.answer == Answer::Regressed)
}

/// Per cent of the runs, and the median of the slots, as two cells.
fn rate_and_median(slots: &mut [u64], runs: u64) -> String {
    slots.sort_unstable();
    let median = slots.get(slots.len() / 2).map_or("–".to_owned(), u64::to_string);
    format!("{:.1} | {median}", percent(slots.len() as u64, runs))
}
