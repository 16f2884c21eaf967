//! `.slotest` scripts: given these SLOs and this traffic, expect these budgets and alerts.
//!
//! A script loads SLO documents, events or ready slot tallies, moves a clock, and says what must
//! hold then. It is evaluated by the code that replays real logs, so a test that passes here says
//! what a replay would say. The language is described for its users in `docs/slotest.md`.
//!
//! Running a script reads the files it names and nothing else: no network, no clock.

mod expect;
mod lex;
mod parse;
mod problem;
mod quantity;
mod unfired;
mod world;

use std::path::Path;

use flyball_model::Timestamp;

use expect::Checker;
use parse::{Script, Step, parse};
pub use problem::{Place, Problem};
use world::World;

/// What came of one test of a script.
#[derive(Debug)]
pub struct Outcome {
    /// The test's name; `None` for a script that is one test.
    pub name: Option<String>,
    /// How many expectations were checked.
    pub expectations: usize,
    /// What does not hold, or why the test cannot be run; empty when it passes.
    pub problems: Vec<Problem>,
}

impl Outcome {
    /// True when everything holds.
    pub fn is_passed(&self) -> bool {
        self.problems.is_empty()
    }

    /// True when the test could not be run.
    pub fn is_broken(&self) -> bool {
        self.problems.iter().any(|problem| !problem.is_failure)
    }
}

/// The names of the tests of a script; `None` for a script that is one test.
///
/// # Errors
///
/// What is wrong with a text that is no script, in the order of its lines.
pub fn names(text: &str) -> Result<Vec<Option<String>>, Vec<Problem>> {
    Ok(parse(text)?.tests.into_iter().map(|test| test.name).collect())
}

/// Runs the tests of a script; `file` is where it comes from, for messages and relative paths.
///
/// # Errors
///
/// What is wrong with a text that is no script, in the order of its lines.
pub fn run(file: &Path, text: &str) -> Result<Vec<Outcome>, Vec<Problem>> {
    let Script { shared, tests } = parse(text)?;
    let directory = file.parent().unwrap_or(Path::new(""));
    Ok(tests
        .into_iter()
        .map(|test| {
            let steps: Vec<&Step> = shared.iter().chain(&test.steps).collect();
            let (expectations, problems) = match World::load(file, directory, &steps) {
                Ok(world) => check(&world, &steps),
                Err(problem) => (0, vec![*problem]),
            };
            Outcome { name: test.name, expectations, problems }
        })
        .collect())
}

/// Walks through the steps with the clock; gives how many expectations were checked as well.
fn check(world: &World, steps: &[&Step]) -> (usize, Vec<Problem>) {
    let mut checker = Checker::new(world);
    let mut now: Option<Timestamp> = world.extent.map(flyball_model::Interval::end);
    let (mut expectations, mut problems) = (0, Vec::new());
    for step in steps {
        match step {
            Step::Slo(_) | Step::Events(_) | Step::Series(_) => {}
            Step::At(at) => now = Some(*at),
            Step::Advance(by, place) => {
                let Some(at) = now else {
                    problems.push(*no_clock(*place));
                    break;
                };
                now = Some(at.plus(*by));
            }
            Step::Expect(expect) => {
                expectations += 1;
                let Some(now) = now else {
                    problems.push(*no_clock(expect.place));
                    break;
                };
                problems.extend(checker.check(expect, now));
            }
        }
    }
    (expectations, problems)
}

/// Without data there is no last moment to look at.
fn no_clock(place: Place) -> Box<Problem> {
    Problem::script(place, "there is no data, so the clock stands nowhere")
        .hint("say when to look: at 2026-01-01T00:00:00Z")
}
