//! Incidents that come again: which earlier one an incident resembles, by what, and what was done after that.

use std::collections::{BTreeSet, HashMap};

use flyball_model::{Duration, Timestamp};

use super::action::{ActionItem, ActionState};

/// How far back an earlier incident is looked for: a year, in which what was learnt should hold.
pub const RECURS_WITHIN: Duration = Duration::from_days(365);

/// By what two incidents resemble each other.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(tag = "sign", rename_all = "snake_case")]
pub enum Sign {
    /// Somebody says so.
    Said,
    /// The same class of outage.
    Class {
        /// Which.
        class: String,
    },
    /// The same SLO, or slice of one, burned.
    Burned {
        /// Which.
        slo: String,
    },
    /// The same service that both asked failed.
    Dependency {
        /// Which.
        service: String,
    },
}

/// What is known of an incident that may come again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The incident, by id.
    pub id: String,
    /// When it began; one without a beginning resembles nothing.
    pub began: Option<Timestamp>,
    /// The services whose users were hit.
    pub services: BTreeSet<String>,
    /// Its class.
    pub class: Option<String>,
    /// The SLOs and slices that it burned.
    pub burned: BTreeSet<String>,
    /// The services that failed below it.
    pub dependencies: BTreeSet<String>,
    /// The incident that somebody says it repeats.
    pub repeats: Option<String>,
    /// What was to be done after it.
    pub actions: Vec<ActionItem>,
}

/// An earlier incident that one resembles.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Earlier {
    /// The earlier one, by id.
    pub id: String,
    /// How long ago it began then.
    pub ago: Duration,
    /// By what they resemble each other, sorted; never empty.
    pub by: Vec<Sign>,
    /// What was done before it came again, and did not prevent it: items by id.
    pub despite: Vec<String>,
    /// What was still to be done when it came again: items by id.
    pub undone: Vec<String>,
}

/// An incident that came again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Recurrence {
    /// The incident, by id.
    pub id: String,
    /// The earlier ones that it resembles, the latest first; never empty.
    pub earlier: Vec<Earlier>,
}

/// The incidents among `traces` that came again, by their beginning.
///
/// Two incidents resemble each other when somebody says so, or when they hit a service in common within
/// [`RECURS_WITHIN`] and have their class in common, or both an SLO that burned and a dependency that failed:
/// either alone is a sign of any outage.
pub fn recurrences(traces: &[Trace]) -> Vec<Recurrence> {
    let mut began: Vec<(Timestamp, &Trace)> =
        traces.iter().filter_map(|trace| Some((trace.began?, trace))).collect();
    // Of two that began at one moment the one that is said to repeat the other comes after it.
    let mut by_id: HashMap<&str, &Trace> = HashMap::with_capacity(traces.len());
    for trace in traces {
        by_id.entry(&trace.id).or_insert(trace);
    }
    let repeats = |(at, trace): &(Timestamp, &Trace)| {
        let other = trace.repeats.as_ref().and_then(|id| by_id.get(id.as_str()));
        other.is_some_and(|of| of.began == Some(*at) && of.repeats.as_ref() != Some(&trace.id))
    };
    began.sort_by_cached_key(|of| (of.0, repeats(of), of.1.id.clone()));
    let mut found = Vec::new();
    for (place, (at, trace)) in began.iter().enumerate() {
        let before = began[..place].iter().rev();
        let earlier: Vec<Earlier> = before
            .filter_map(|(then, other)| {
                let by = signs(trace, other, at.since(*then))?;
                Some(earlier(other, by, (*then, *at)))
            })
            .collect();
        if !earlier.is_empty() {
            found.push(Recurrence { id: trace.id.clone(), earlier });
        }
    }
    found
}

fn signs(trace: &Trace, other: &Trace, ago: Duration) -> Option<Vec<Sign>> {
    let is_said = trace.repeats.as_ref() == Some(&other.id);
    let mut by = BTreeSet::new();
    if ago <= RECURS_WITHIN && !trace.services.is_disjoint(&other.services) {
        let class = trace.class.as_ref().filter(|class| other.class.as_ref() == Some(class));
        by.extend(class.map(|class| Sign::Class { class: class.clone() }));
        let burned = trace.burned.intersection(&other.burned);
        by.extend(burned.map(|slo| Sign::Burned { slo: slo.clone() }));
        let failed = trace.dependencies.intersection(&other.dependencies);
        by.extend(failed.map(|service| Sign::Dependency { service: service.clone() }));
    }
    let has_class = by.iter().any(|sign| matches!(sign, Sign::Class { .. }));
    // With neither class there are two kinds left: both are there when the first and the last differ.
    let has_two = by
        .first()
        .zip(by.last())
        .is_some_and(|(one, other)| std::mem::discriminant(one) != std::mem::discriminant(other));
    let resembles = is_said || has_class || has_two;
    if is_said {
        by.insert(Sign::Said);
    }
    resembles.then(|| by.into_iter().collect())
}

fn earlier(other: &Trace, by: Vec<Sign>, (then, at): (Timestamp, Timestamp)) -> Earlier {
    let done =
        |item: &&ActionItem| matches!(item.state, ActionState::Done { at: done, .. } if done <= at);
    let id = |item: &ActionItem| item.id.clone();
    let undone = |item: &&ActionItem| {
        item.opened <= at
            && match item.state {
                ActionState::Open => true,
                ActionState::Done { at: over, .. } | ActionState::Dropped { at: over, .. } => {
                    over > at
                }
            }
    };
    Earlier {
        id: other.id.clone(),
        ago: at.since(then),
        by,
        despite: other.actions.iter().filter(done).map(id).collect(),
        undone: other.actions.iter().filter(undone).map(id).collect(),
    }
}
