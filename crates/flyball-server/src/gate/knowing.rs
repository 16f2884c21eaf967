//! What is known of services, asked for once whenever it may have changed, however many ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Mutex as Turn;

use flyball_govern::gate::BudgetFacts;

use super::Known;
use super::deciding::lock;
use crate::attribution::Attribution;

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

/// What the budgets of a service were spent on, found by reading their windows: once a minute at most.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spent {
    /// Of what it is: the minute, and messages on incidents.
    pub(crate) version: Option<(i64, u64)>,
    pub(crate) on: Arc<[Attribution]>,
}

impl Spent {
    /// Tells `budgets`, in the order of SLOs and their objectives, what they were spent on: all but those of slices.
    pub(crate) fn fill(&self, budgets: &mut [BudgetFacts]) {
        for found in self.on.iter() {
            let own = budgets.iter_mut().filter(|of| of.slice.is_none() && of.slo == found.slo());
            for (budget, objective) in own.zip(&found.objectives) {
                budget.causes = objective.by_name();
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
