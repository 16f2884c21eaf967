//! What is known of services, asked for once whenever it may have changed, however many ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Mutex as Turn;

use super::Known;
use super::deciding::lock;

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
            *self = Self { version, ..Self::default() };
        }
        if leaving { self.leaving.clone() } else { self.usual.clone() }
    }

    /// Remembers what was asked for.
    pub(crate) fn set(&mut self, leaving: bool, known: &Arc<Known>) {
        let into = if leaving { &mut self.leaving } else { &mut self.usual };
        *into = Some(Arc::clone(known));
    }
}
