//! Troubles that happen to a service, and which of them somebody should be called for.
//!
//! A trouble is judged by what is to be expected of it, never by what chance made of it: it is
//! *significant* when, at the error ratio that it has and the traffic that is expected, the hour or
//! the six hours up to some moment of it spend what the SRE Workbook, chapter 5, table 5-6, calls a
//! person for: more than 2 % of the budget within an hour, or more than 5 % within six hours. That is what
//! `multi-burn` finds where there is no chance: nothing in it speaks for rules that call sooner.

use flyball_budget::alert::{factor, multi_window};
use flyball_model::{AlertRule, Condition, Duration, Severity};

use super::service::Service;
use super::{Failure, Settings};

/// Before the first episode lookbacks fill; until then nothing is scored.
pub(crate) const BEFORE: Duration = Duration::from_hours(48);
/// The least time between two episodes: longer than the longest lookback of a page, 36 hours.
const APART: Duration = Duration::from_hours(40);
/// What is added to that in the mean, exponentially distributed, in hours.
const MORE_HOURS: f64 = 72.0;

/// What an episode is to the people who may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Somebody is to be called.
    Significant,
    /// Significant by its error ratio, but so few requests are expected to fail in it that nobody
    /// could tell it from chance: a call is not false, and none is missed.
    Faint,
    /// Nobody is to be called.
    Lesser,
}

/// A trouble with one error ratio from its start to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Episode {
    /// The first slot in it for which traffic is expected.
    pub(crate) first: usize,
    /// The first slot after it.
    pub(crate) end: usize,
    /// Of all requests while it lasts so many fail.
    pub(crate) ratio: f64,
    /// What it is to people.
    pub(crate) weight: Weight,
}

/// What is expected of a service, slot by slot.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Requests in each slot.
    pub(crate) requests: Vec<f64>,
    /// In order.
    pub(crate) episodes: Vec<Episode>,
    /// Running sums of requests and of failures before each slot, and one more after the last.
    sums: Vec<(f64, f64)>,
}

impl Plan {
    /// Draws the episodes of `service`.
    pub(crate) fn new(service: &mut Service, settings: &Settings) -> Result<Self, Failure> {
        let slot = settings.slot;
        let slots = |length: Duration| length.nanos() / slot.nanos();
        let requests = service.expected(slot);
        let mut plan = Self { requests, episodes: Vec::new(), sums: Vec::new() };
        let (mut at, gap) = (slots(BEFORE), slots(APART));
        loop {
            let random = &mut service.random;
            let more = -(1.0 - random.uniform()).ln() * MORE_HOURS;
            let (ratio, hours) = draw(service);
            let begin = at + slots(hours_of(more));
            let end = begin + slots(hours_of(hours)).max(1);
            at = end + gap;
            let (begin, end) = (usize::try_from(begin)?, usize::try_from(end)?);
            // What comes of the last one is to be seen whole.
            if usize::try_from(at)? > plan.requests.len() {
                break;
            }
            let Some(busy) = plan.requests[begin..end].iter().position(|expected| *expected > 0.0)
            else {
                continue;
            };
            let first = begin + busy;
            plan.episodes.push(Episode { first, end, ratio, weight: Weight::Lesser });
        }
        plan.sum(service.background);
        plan.weigh(service, slot)?;
        Ok(plan)
    }

    /// The share of requests that fails in a slot.
    pub(crate) fn ratios(&self, background: f64) -> Vec<f64> {
        let mut ratios = vec![background; self.requests.len()];
        for episode in &self.episodes {
            ratios[episode.first..episode.end].fill(episode.ratio.max(background));
        }
        ratios
    }

    fn sum(&mut self, background: f64) {
        let (mut valid, mut bad) = (0.0, 0.0);
        self.sums.push((valid, bad));
        for (expected, ratio) in self.requests.iter().zip(self.ratios(background)) {
            valid += expected;
            bad += expected * ratio;
            self.sums.push((valid, bad));
        }
    }

    /// Requests and failures to expect in the slots from `first` up to `end`.
    pub(crate) fn between(&self, first: usize, end: usize) -> (f64, f64) {
        let (from, to) = (self.sums[first], self.sums[end.min(self.requests.len())]);
        (to.0 - from.0, to.1 - from.1)
    }

    /// The share of the window's budget that is expected to be spent in the slots from `first` up
    /// to `end`.
    pub(crate) fn spent(&self, first: usize, end: usize, service: &Service) -> f64 {
        let (valid, _) = self.between(0, self.requests.len());
        self.between(first, end).1 / (valid * service.allowed())
    }

    fn weigh(&mut self, service: &Service, slot: Duration) -> Result<(), Failure> {
        let mut pages = Vec::new();
        for rule in multi_window(None) {
            if let AlertRule { severity: Severity::Page, condition, .. } = rule
                && let Condition::Burn { long, factor: given, .. } = condition
            {
                let factor = factor(given, long, &service.window())?.to_f64();
                let slots = usize::try_from(long.nanos() / slot.nanos())?;
                pages.push((slots, factor * service.allowed()));
            }
        }
        for index in 0..self.episodes.len() {
            let Episode { first, end, .. } = self.episodes[index];
            let is_spent = |end: usize| {
                pages.iter().any(|(slots, bound)| {
                    let (valid, bad) = self.between(end.saturating_sub(*slots), end);
                    bad > bound * valid
                })
            };
            let (valid, bad) = self.between(first, end);
            let failures = bad - valid * service.background;
            self.episodes[index].weight = if !(first + 1..=end).any(is_spent) {
                Weight::Lesser
            } else if failures < super::FAILURES_MIN {
                Weight::Faint
            } else {
                Weight::Significant
            };
        }
        Ok(())
    }
}

/// Error ratio and hours of an episode: an outage, a degradation, or a slow burn, each as likely.
///
/// Every size is drawn evenly by its logarithm: outages of everything last from 10 seconds to 2
/// hours, degradations of 1 to 20 % from 10 minutes to 12 hours, slow burns of 1 to 6 times what is
/// allowed from 6 hours to 2 days.
fn draw(service: &mut Service) -> (f64, f64) {
    let allowed = service.allowed();
    let random = &mut service.random;
    let kind = random.below(3);
    let mut between = |low: f64, high: f64| low * (high / low).powf(random.uniform());
    match kind {
        0 => (1.0, between(10.0 / 3600.0, 2.0)),
        1 => (between(0.01, 0.2), between(1.0 / 6.0, 12.0)),
        _ => (allowed * between(1.0, 6.0), between(6.0, 48.0)),
    }
}

fn hours_of(hours: f64) -> Duration {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days at most")]
    let seconds = (hours * 3600.0) as u32;
    Duration::from_seconds(seconds)
}
