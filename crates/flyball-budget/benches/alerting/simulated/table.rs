//! Results as Markdown.

use std::fmt;

use super::statistics::{Estimate, median, rate, share};
use super::trial::{Found, Trial, names};
use super::{Results, promise::Promise};

/// A column of the first table: its head, and what it says of one strategy over some services.
type Column = (&'static str, fn(&[&Trial], usize) -> String);

const COLUMNS: [Column; 6] = [
    ("recall", recall),
    ("median detection", |trials, at| times(trials, at, |found| Some(found.delay))),
    ("budget spent by then", spent),
    ("median reset", |trials, at| times(trials, at, |found| found.reset)),
    ("false pages a service-month", |trials, at| pages(trials, at, |_| true)),
    ("of them by chance alone", |trials, at| pages(trials, at, |is_chance| is_chance)),
];

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<&Trial> = self.trials.iter().collect();
        let (low, high): (Vec<&Trial>, Vec<&Trial>) = all.iter().partition(|trial| trial.is_low);
        for (name, trials) in [
            ("All services", all),
            ("Low traffic, at most 1 request a second", low),
            ("More traffic", high),
        ] {
            let months: f64 = trials.iter().map(|trial| trial.months).sum();
            let episodes: usize = trials
                .iter()
                .filter_map(|trial| trial.outcomes.first())
                .map(|of| of.found.len())
                .sum();
            writeln!(
                f,
                "{name}: {} services, {months:.0} service-months, {episodes} significant episodes\n",
                trials.len()
            )?;
            let heads: Vec<&str> = COLUMNS.iter().map(|(head, _)| *head).collect();
            writeln!(
                f,
                "| strategy | {} |\n|---|{}",
                heads.join(" | "),
                "---|".repeat(heads.len())
            )?;
            for (at, name) in names(&self.settings).into_iter().enumerate() {
                let cells: Vec<String> =
                    COLUMNS.iter().map(|(_, cell)| cell(&trials, at)).collect();
                writeln!(f, "| {name} | {} |", cells.join(" | "))?;
            }
            writeln!(f)?;
        }
        writeln!(
            f,
            "| promise of the default against multi-window | measured | 95 % interval | |\n|---|---|---|---|"
        )?;
        for Promise { name, measure, estimate, is_kept, is_certain } in self.promises() {
            let Estimate { value, low, high } = estimate;
            let verdict = match (is_kept, is_certain) {
                (true, true) => "PASS",
                (true, false) => "PASS, not beyond doubt",
                (false, _) => "FALLS SHORT",
            };
            writeln!(f, "| {name} | {measure}: {value:.4} | {low:.4} to {high:.4} | {verdict} |")?;
        }
        Ok(())
    }
}

fn found<'a>(trials: &'a [&Trial], at: usize) -> impl Iterator<Item = &'a Option<Found>> {
    trials.iter().flat_map(move |trial| &trial.outcomes[at].found)
}

fn recall(trials: &[&Trial], at: usize) -> String {
    let count = found(trials, at).flatten().count();
    let Estimate { value, low, high } = share(count, found(trials, at).count());
    format!("{:.1} % ({:.1} to {:.1})", 100.0 * value, 100.0 * low, 100.0 * high)
}

fn spent(trials: &[&Trial], at: usize) -> String {
    let values = found(trials, at).flatten().map(|found| found.spent).collect();
    format!("{:.1} %", 100.0 * median(values).value)
}

fn times(trials: &[&Trial], at: usize, of: fn(&Found) -> Option<f64>) -> String {
    let values: Vec<f64> = found(trials, at).flatten().filter_map(of).collect();
    let Estimate { value, low, high } = median(values);
    if value.is_nan() {
        return "–".to_owned();
    }
    format!("{:.1} min ({:.1} to {:.1})", value / 60.0, low / 60.0, high / 60.0)
}

/// False pages; `wanted` is asked whether it wants those by chance and those about lesser episodes.
fn pages(trials: &[&Trial], at: usize, wanted: fn(bool) -> bool) -> String {
    let of = |trial: &&Trial| {
        let outcome = &trial.outcomes[at];
        let lesser = if wanted(false) { outcome.by_lesser } else { 0 };
        outcome.by_chance + lesser
    };
    let months = trials.iter().map(|trial| trial.months).sum();
    let Estimate { value, low, high } = rate(trials.iter().map(of).sum(), months);
    format!("{value:.3} ({low:.3} to {high:.3})")
}
