//! What is promised of the default rules, held against `multi-window` episode by episode.

use super::Results;
use super::statistics::{Estimate, bootstrap};
use super::trial::{Outcome, PEER, Trial, names};

/// The default rules have at most this share of its false pages at low traffic.
const FALSE_SHARE_MAX: f64 = 0.1;

/// One promise and what came of it.
#[derive(Debug)]
pub(crate) struct Promise {
    /// What was promised.
    pub(crate) name: &'static str,
    /// What is compared.
    pub(crate) measure: &'static str,
    /// The figure of all services, by bootstrap over them.
    pub(crate) estimate: Estimate,
    /// Whether the figure keeps the promise.
    pub(crate) is_kept: bool,
    /// Whether all of its interval does.
    pub(crate) is_certain: bool,
}

impl Results {
    /// The three promises, in the order in which they are made.
    pub(crate) fn promises(&self) -> [Promise; 3] {
        let names = names(&self.settings);
        let peer = names.iter().position(|name| *name == PEER).unwrap_or(0);
        let ours = names.len() - 1;
        let of = |trial: &Trial| -> (Outcome, Outcome) {
            (trial.outcomes[ours].clone(), trial.outcomes[peer].clone())
        };
        let all: Vec<_> = self.trials.iter().map(of).collect();
        let low: Vec<_> = self.trials.iter().filter(|trial| trial.is_low).map(of).collect();
        let seed = self.settings.seed;
        let recall = bootstrap(&all, seed, recall_difference);
        let delay = bootstrap(&all, seed, delay_ratio);
        let pages = bootstrap(&low, seed, false_ratio);
        [
            Promise {
                name: "at least its recall",
                measure: "recall, less its",
                estimate: recall,
                is_kept: recall.value >= 0.0,
                is_certain: recall.low >= 0.0,
            },
            Promise {
                name: "a shorter median time to detection",
                measure: "median of what both find, over its",
                estimate: delay,
                is_kept: delay.value < 1.0,
                is_certain: delay.high < 1.0,
            },
            Promise {
                name: "at most a tenth of its false pages at low traffic",
                measure: "false pages, over its",
                estimate: pages,
                is_kept: pages.value <= FALSE_SHARE_MAX,
                is_certain: pages.high <= FALSE_SHARE_MAX,
            },
        ]
    }
}

type Pairs<'a, 'b> = &'a mut dyn Iterator<Item = &'b (Outcome, Outcome)>;

fn recall_difference(pairs: Pairs<'_, '_>) -> f64 {
    let (mut ours, mut peers, mut all) = (0, 0, 0);
    for (our, peer) in pairs {
        all += our.found.len();
        ours += our.found.iter().flatten().count();
        peers += peer.found.iter().flatten().count();
    }
    (ours as f64 - peers as f64) / all as f64
}

fn delay_ratio(pairs: Pairs<'_, '_>) -> f64 {
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for (our, peer) in pairs {
        for both in our.found.iter().zip(&peer.found) {
            if let (Some(our), Some(peer)) = both {
                ours.push(our.delay);
                peers.push(peer.delay);
            }
        }
    }
    middle(&mut ours) / middle(&mut peers)
}

/// The median by selection, which is what a bootstrap has time for; NaN of nothing.
fn middle(values: &mut [f64]) -> f64 {
    let half = values.len() / 2;
    if values.is_empty() {
        return f64::NAN;
    }
    *values.select_nth_unstable_by(half, f64::total_cmp).1
}

fn false_ratio(pairs: Pairs<'_, '_>) -> f64 {
    let (mut ours, mut peers) = (0, 0);
    for (our, peer) in pairs {
        ours += our.false_pages();
        peers += peer.false_pages();
    }
    ours as f64 / peers as f64
}
