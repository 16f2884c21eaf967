//! Simulates services with known troubles under the six alert strategies of the SRE Workbook, chapter 5,
//! and under the rules of an SLO that says nothing, and prints how good each is, as Markdown.
//!
//! ```text
//! cargo bench --locked -p flyball-budget --bench alerting -- [--seed N] [--services N]
//! ```
//!
//! The same seed prints the same; what is simulated and what counts as what is said in `simulated` and in
//! `docs/alerting.md`, whose table it is. Progress goes to standard error.

mod simulated;

use std::env;
use std::io::Write;

use flyball_model::Duration;
use simulated::{Failure, Results, Settings};

const HELP: &str = "\
Simulated services under the six alert strategies of the SRE Workbook and the default rules

  --seed N       what all chance comes from (1)
  --services N   services of a window each (2304: each kind twice)
";

fn main() -> Result<(), Failure> {
    let mut settings =
        Settings { seed: 1, services: 2304, slot: Duration::from_seconds(10), is_whole: true };
    let mut arguments = env::args().skip(1);
    let mut out = std::io::stdout().lock();
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64, String> {
            let wrong = || format!("{argument} needs a whole number; hint: {argument} 7");
            arguments.next().and_then(|text| text.parse().ok()).ok_or_else(wrong)
        };
        match argument.as_str() {
            "--seed" => settings.seed = number()?,
            "--services" => settings.services = number()?,
            "--help" => return Ok(out.write_all(HELP.as_bytes())?),
            // Cargo gives this one to every benchmark.
            "--bench" => {}
            other => {
                return Err(format!("unknown argument {other}; hint: --help lists them").into());
            }
        }
    }
    let all = settings.services;
    let results = Results::run(settings, |done| {
        if done.is_multiple_of(64) || done == all {
            // Nobody has to read it.
            let _ = writeln!(std::io::stderr(), "{done} of {all} services");
        }
    })?;
    write!(out, "{results}")?;
    Ok(())
}
