//! What is known of services, asked for once whenever it may have changed, however many ask.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration as Wait;

use flyball_govern::gate::{BudgetFacts, WindowFacts};
use flyball_model::{Duration, Timestamp};
use tokio::sync::{Mutex as Turn, MutexGuard as TurnGuard};
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
pub(crate) struct Knowing(Arc<Mutex<HashMap<String, Arc<Slot>>>>);

/// What is known of one service.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    remembered: Mutex<Remembered>,
    /// Whoever asks for all who want to know, with what its budgets were spent on as it was last found.
    asking: Turn<Spent>,
}

/// What was last found, without and with when budgets recover.
#[derive(Debug, Default)]
struct Remembered {
    usual: Option<(Version, Arc<Known>)>,
    leaving: Option<(Version, Arc<Known>)>,
}

/// What something was found from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version {
    /// Ticks of the evaluator.
    pub(crate) tick: u64,
    /// Messages on incidents.
    pub(crate) changes: u64,
}

/// What is remembered, or whose turn it is to ask.
pub(crate) enum Turned<'a> {
    /// It is known.
    Known(Arc<Known>),
    /// It is to be asked for, and remembered.
    Ask(TurnGuard<'a, Spent>),
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
    /// What is known of `service`.
    pub(crate) fn of(&self, service: &str) -> Arc<Slot> {
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
    /// What is remembered of `version`, with `leaving` or without, else whose turn it is to ask.
    ///
    /// While somebody asks, all others go by what was known a tick before, where that is all that has passed since: a
    /// pipeline does not wait for the evaluator, which may just be waiting for the disk.
    pub(crate) async fn turn(&self, version: Version, leaving: bool) -> Turned<'_> {
        if let Some(known) = self.remembered(version, leaving) {
            return Turned::Known(known);
        }
        let spent = if let Ok(spent) = self.asking.try_lock() {
            spent
        } else {
            let before = Version { tick: version.tick.saturating_sub(1), ..version };
            if let Some(known) = self.remembered(before, leaving) {
                return Turned::Known(known);
            }
            self.asking.lock().await
        };
        // Whoever was before may have found it.
        self.remembered(version, leaving).map_or(Turned::Ask(spent), Turned::Known)
    }

    /// What was found from `least`, or later.
    fn remembered(&self, least: Version, leaving: bool) -> Option<Arc<Known>> {
        let remembered = lock(&self.remembered);
        let of = if leaving { &remembered.leaving } else { &remembered.usual };
        let (of, known) = of.as_ref()?;
        let is_late = of.tick >= least.tick && of.changes >= least.changes;
        is_late.then(|| Arc::clone(known))
    }

    /// Remembers what was found from `version`.
    pub(crate) fn set(&self, version: Version, leaving: bool, known: &Arc<Known>) {
        let mut remembered = lock(&self.remembered);
        let into = if leaving { &mut remembered.leaving } else { &mut remembered.usual };
        *into = Some((version, Arc::clone(known)));
    }
}

#[cfg(test)]
mod tests {
    use flyball_catalog::Catalog;

    use super::*;
    use crate::evaluator::ServiceFacts;

    #[tokio::test]
    async fn one_asks_and_all_others_go_by_the_tick_before() {
        let (catalog, _) = Catalog::load(&[]).unwrap();
        let of = || Arc::new(Known::of(&catalog, "shop", ServiceFacts::default()).unwrap());
        let version = |tick, changes| Version { tick, changes };
        let slot = Slot::default();
        let is_known = async |version, leaving, known: &Arc<Known>| matches!(slot.turn(version, leaving).await, Turned::Known(found) if Arc::ptr_eq(&found, known));

        let Turned::Ask(asking) = slot.turn(version(4, 1), false).await else {
            panic!("nothing is known yet")
        };
        let first = of();
        slot.set(version(4, 1), false, &first);
        drop(asking);
        assert!(is_known(version(4, 1), false, &first).await);

        // Whoever is alone is told what is known now.
        let Turned::Ask(asking) = slot.turn(version(5, 1), false).await else {
            panic!("that was before the tick")
        };
        assert!(is_known(version(5, 1), false, &first).await, "others do not wait");
        let second = of();
        // Neither of two ticks before, nor of before a message, nor without what was asked for.
        let (late, told, leaving) = (version(6, 1), version(5, 2), version(5, 1));
        let mut waiting = Vec::from([
            Box::pin(slot.turn(late, false)),
            Box::pin(slot.turn(told, false)),
            Box::pin(slot.turn(leaving, true)),
        ]);
        for turn in &mut waiting {
            assert!(futures::poll!(turn).is_pending());
        }
        slot.set(version(6, 2), false, &second);
        drop(asking);
        let left = waiting.pop().unwrap();
        for turn in waiting {
            assert!(matches!(turn.await, Turned::Known(found) if Arc::ptr_eq(&found, &second)));
        }
        assert!(matches!(left.await, Turned::Ask(_)));
    }
}
