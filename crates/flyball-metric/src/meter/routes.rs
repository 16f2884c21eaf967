//! Which SLIs a series counts for.
//!
//! Terms are looked up by the metric's name, so that a sample meets only SLIs that can match, and
//! series that match the same terms share one route.

use std::collections::HashMap;

use flyball_events::NAME_LABEL;
use flyball_model::Comparison;
use foldhash::fast::RandomState;

use crate::matcher::{Selector, value};
use crate::terms::{POINTS_PREFIX, Plan, PlanKind, Reading, What};

/// Where a count goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Goal {
    /// To a side of a ratio, added or taken away.
    Side { sign: i8 },
    /// To its total.
    Total { sign: i8 },
    /// Every sample is an event.
    Event { reading: Reading, comparison: Comparison, threshold: f64 },
}

/// An SLI and what a count means to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Destination {
    pub(super) sli: usize,
    pub(super) goal: Goal,
}

/// One thing that is counted of a series, and for whom.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) what: What,
    pub(super) destinations: Vec<Destination>,
}

/// Everything that is counted of a series.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) uses: Vec<Use>,
    /// Whether a use needs the bounds of the classic histogram that the series is a bucket of.
    pub(super) has_buckets: bool,
}

#[derive(Debug)]
struct Entry {
    selector: Selector,
    what: What,
    destination: Destination,
    /// Whether a series has matched it.
    is_met: bool,
}

/// All terms of all SLIs, and the routes met so far.
#[derive(Debug)]
pub(super) struct Router {
    entries: Vec<Entry>,
    by_name: HashMap<String, Vec<usize>, RandomState>,
    /// Entries whose metric's name is not fixed.
    nameless: Vec<usize>,
    routes: Vec<Route>,
    /// Routes by the entries that match.
    known: HashMap<Vec<usize>, u32>,
}

impl Router {
    pub(super) fn new(plans: &[&Plan]) -> Self {
        let mut entries = Vec::new();
        for (sli, plan) in plans.iter().enumerate() {
            let mut add = |selector: &Selector, what, goal| {
                let destination = Destination { sli, goal };
                let selector = selector.clone();
                entries.push(Entry { selector, what, destination, is_met: false });
            };
            match &plan.kind {
                PlanKind::Counts { side, total, .. } => {
                    for term in side {
                        add(&term.selector, term.what, Goal::Side { sign: term.sign });
                    }
                    for term in total {
                        add(&term.selector, term.what, Goal::Total { sign: term.sign });
                    }
                }
                PlanKind::Gauge { selector, reading, comparison, threshold } => {
                    let (reading, comparison, threshold) = (*reading, *comparison, *threshold);
                    add(selector, What::Samples, Goal::Event { reading, comparison, threshold });
                }
            }
        }
        let (mut by_name, mut nameless) =
            (HashMap::<_, Vec<usize>, RandomState>::default(), Vec::new());
        for (index, entry) in entries.iter().enumerate() {
            match &entry.selector.name {
                Some(name) => by_name.entry(name.clone()).or_default().push(index),
                None => nameless.push(index),
            }
        }
        Self { entries, by_name, nameless, routes: Vec::new(), known: HashMap::new() }
    }

    /// Entries that a series with `labels` may match, by its name.
    fn candidates(&self, labels: &[(String, String)]) -> impl Iterator<Item = usize> {
        let name = value(labels, NAME_LABEL);
        let named = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        // An answer is for the query that it was given to, whatever its labels are.
        let is_answer = name.starts_with(POINTS_PREFIX);
        let nameless = if is_answer { &[][..] } else { self.nameless.as_slice() };
        named.iter().chain(nameless).copied()
    }

    /// False when no SLI can mean a series with `labels`, told by its name alone.
    pub(super) fn may_match(&self, labels: &[(String, String)]) -> bool {
        self.candidates(labels).next().is_some()
    }

    /// The route of a series with `labels`; `None` when no SLI means it.
    pub(super) fn find(&mut self, labels: &[(String, String)]) -> Option<u32> {
        let matching: Vec<usize> = self
            .candidates(labels)
            .filter(|index| self.entries[*index].selector.accepts(labels))
            .collect();
        if matching.is_empty() {
            return None;
        }
        for index in &matching {
            self.entries[*index].is_met = true;
        }
        if let Some(route) = self.known.get(&matching) {
            return Some(*route);
        }
        let mut uses: Vec<Use> = Vec::new();
        for entry in matching.iter().map(|index| &self.entries[*index]) {
            match uses.iter_mut().find(|u| u.what == entry.what) {
                Some(found) => found.destinations.push(entry.destination),
                None => {
                    uses.push(Use { what: entry.what, destinations: vec![entry.destination] });
                }
            }
        }
        let has_buckets = uses.iter().any(|u| matches!(u.what, What::Classic(_)));
        // A count lies below 2³², since each route belongs to a series in memory.
        let route = u32::try_from(self.routes.len()).ok()?;
        self.routes.push(Route { uses, has_buckets });
        self.known.insert(matching, route);
        Some(route)
    }

    /// What counts for an SLI that no series has matched.
    pub(super) fn unmet(&self, sli: usize) -> impl Iterator<Item = (&Selector, Goal)> {
        // The entries of one SLI follow each other.
        let first = self.entries.partition_point(|entry| entry.destination.sli < sli);
        let own =
            self.entries[first..].iter().take_while(move |entry| entry.destination.sli == sli);
        own.filter(|entry| !entry.is_met).map(|entry| (&entry.selector, entry.destination.goal))
    }

    pub(super) fn route(&self, route: u32) -> &Route {
        &self.routes[route as usize]
    }
}
