//! What is known of services, asked for once whenever it may have changed, however many ask.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration as Wait;

use flyball_govern::gate::{BudgetFacts, WindowFacts};
use flyball_model::{Duration, Timestamp};
use tokio::sync::Mutex as Turn;
use tokio::task::JoinHandle;

use super::Known;
use super::deciding::lock;
use crate::attribution::Attribution;

/// How long a question waits until it is found what budgets were spent on.
const PATIENCE: Wait = Wait::from_millis(200);
/// How far a window may have moved since it was found what it was spent on: what has left it must not be exempted.
const WINDOW_MOVED_MAX: Duration = Duration::from_minutes(5);
/// The most services of which anything is remembered; past it all are forgotten.
const SERVICES_MAX: usize = 10_000;

/// What is known of services.
#[derive(Debug, Clone, Default)]
pub(crate) struct Knowing(Arc<Mutex<HashMap<String, Arc<Turn<Slot>>>>>);

/// What is known of one service.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Of what it holds: ticks of the evaluator, and messages on incidents.
    version: (u64, u64),
    usual: Option<Arc<Known>>,
    leaving: Option<Arc<Known>>,
    spent: Spent,
}

/// What budgets were spent on.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// By SLO.
    pub(crate) slos: Vec<Attribution>,
    /// The dependencies without which the service serves nobody, and whose own gates hold features back for their budgets.
    pub(crate) frozen: BTreeSet<String>,
}

/// What the budgets of a service were spent on, found by reading their windows once a minute, beside whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    /// The minute in which it was looked for last.
    minute: Option<Timestamp>,
    looking: Option<JoinHandle<Option<Found>>>,
    on: Found,
}

impl Spent {
    /// Has `look` find it where it was not looked for in this `minute`, and waits for that a moment: what takes longer
    /// is taken in when it is there.
    pub(crate) async fn look<F>(&mut self, minute: Timestamp, look: impl FnOnce() -> F)
    where
        F: Future<Output = Option<Found>> + Send + 'static,
    {
        let is_new = self.looking.is_none() && self.minute != Some(minute);
        if is_new {
            self.minute = Some(minute);
            self.looking = Some(tokio::spawn(look()));
        }
        let Some(mut looking) = self.looking.take() else { return };
        let found = if is_new || looking.is_finished() {
            tokio::time::timeout(PATIENCE, &mut looking).await
        } else {
            self.looking = Some(looking);
            return;
        };
        match found {
            Ok(Ok(Some(found))) => self.on = found,
            // What was found before stays, as long as it is of the same window.
            Ok(Ok(None) | Err(_)) => {}
            Err(_) => self.looking = Some(looking),
        }
    }

    /// Tells `budgets`, in the order of SLOs and their objectives, what they were spent on: all but those of slices,
    /// and of windows that have moved on since.
    pub(crate) fn fill(&self, budgets: &mut [BudgetFacts]) {
        for found in &self.on.slos {
            let own = budgets.iter_mut().filter(|of| of.slice.is_none() && of.slo == found.slo());
            for (budget, objective) in own.zip(&found.objectives) {
                let start = match budget.window {
                    WindowFacts::Rolling(length) => budget.complete_up_to.minus(length),
                    WindowFacts::Calendar(period) => period.start(),
                };
                let from = found.from();
                if start.since(from).max(from.since(start)) > WINDOW_MOVED_MAX {
                    continue;
                }
                budget.causes = objective.spent_on(&self.on.frozen);
                budget.largest_incident = objective.incidents().map(|of| of.bad).max();
            }
        }
    }
}

impl Knowing {
    /// What is known of `service`; whoever holds it asks for all who wait.
    pub(crate) fn of(&self, service: &str) -> Arc<Turn<Slot>> {
        let mut slots = lock(&self.0);
        if let Some(slot) = slots.get(service) {
            return Arc::clone(slot);
        }
        if slots.len() >= SERVICES_MAX {
            slots.clear();
        }
        Arc::clone(slots.entry(service.to_owned()).or_default())
    }

    /// Forgets everything: people have said what something is.
    pub(crate) fn forget(&self) {
        lock(&self.0).clear();
    }
}

impl Slot {
    /// What is remembered of `version`, with `leaving` or without; `None` where it is to be asked for.
    pub(crate) fn get(&mut self, version: (u64, u64), leaving: bool) -> Option<Arc<Known>> {
        if self.version != version {
            let spent = std::mem::take(&mut self.spent);
            *self = Self { version, spent, ..Self::default() };
        }
        if leaving { self.leaving.clone() } else { self.usual.clone() }
    }

    /// What budgets were spent on, as it was last found.
    pub(crate) const fn spent(&mut self) -> &mut Spent {
        &mut self.spent
    }

    /// Remembers what was asked for.
    pub(crate) fn set(&mut self, leaving: bool, known: &Arc<Known>) {
        let into = if leaving { &mut self.leaving } else { &mut self.usual };
        *into = Some(Arc::clone(known));
    }
}
