//! One service with its troubles, as counted by chance, and what each strategy says of them.

use flyball_budget::alert::{Firing, default_rules, evaluate, strategies};
use flyball_budget::{Account, Frame, Series};
use flyball_model::{
    AlertRule, BudgetingMethod, Condition, Duration, Interval, Severity, Slot, Tally, Timestamp,
};

use super::episode::{BEFORE, Episode, Plan, Weight};
use super::service::{Service, start_of};
use super::{Failure, Settings};

/// What a strategy did about one significant episode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// Seconds from the episode's first traffic to a page; 0 where one was open already.
    pub(crate) delay: f64,
    /// The share of the budget that the episode was expected to have spent by then.
    pub(crate) spent: f64,
    /// Seconds from its end to the page's; `None` where that was before.
    pub(crate) reset: Option<f64>,
}

/// What a strategy did about one service.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// For each significant episode in order.
    pub(crate) found: Vec<Option<Found>>,
    /// Pages while nothing but the background was wrong.
    pub(crate) by_chance: usize,
    /// Pages about lesser episodes.
    pub(crate) by_lesser: usize,
}

impl Outcome {
    /// Pages that nobody should have been called by.
    pub(crate) const fn false_pages(&self) -> usize {
        self.by_chance + self.by_lesser
    }
}

/// One service, under every strategy.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    /// Whether it has low traffic.
    pub(crate) is_low: bool,
    /// How long it was scored, in months of 30 days.
    pub(crate) months: f64,
    /// In the order of [`names`].
    pub(crate) outcomes: Vec<Outcome>,
}

/// The strategy that the default rules are compared with: the book's last and best.
pub(crate) const PEER: &str = "multi-window";

/// The strategies that are looked at: those of the book, then the rules of an SLO that says nothing.
pub(crate) fn names(settings: &Settings) -> Vec<&'static str> {
    book(settings).map(|(name, _)| name).chain(["default"]).collect()
}

fn book(settings: &Settings) -> impl Iterator<Item = (&'static str, Vec<AlertRule>)> {
    let is_whole = settings.is_whole;
    strategies().into_iter().filter(move |(name, _)| is_whole || *name == PEER)
}

impl Trial {
    /// Service number `index`.
    pub(crate) fn run(index: u64, settings: &Settings) -> Result<Self, Failure> {
        let mut service = Service::new(index, settings)?;
        let plan = Plan::new(&mut service, settings)?;
        let series = count(&mut service, &plan, settings.slot)?;
        let length = Duration::from_days(service.days);
        let span = Interval::new(Timestamp::from_nanos(0), Timestamp::from_nanos(length.nanos()))?;
        let account = Account::new(
            &series,
            BudgetingMethod::Occurrences,
            &service.objective,
            &Frame::plain(span),
        )?;
        let window = service.window();
        let mut outcomes = Vec::new();
        let book = book(settings).map(|(_, rules)| rules);
        for rules in book.chain([default_rules(&window).rules]) {
            let rules: Vec<AlertRule> =
                rules.into_iter().filter(|rule| rule.severity == Severity::Page).collect();
            let firings = evaluate(&account, service.objective.target, &window, &rules, span)?;
            let scoring = Scoring { service: &service, plan: &plan, slot: settings.slot };
            outcomes.push(scoring.outcome(&pages(&firings, span.end()), late(&rules)));
        }
        let months = (length.as_seconds_f64() - BEFORE.as_seconds_f64()) / (30.0 * 86_400.0);
        Ok(Self { is_low: service.is_low(), months, outcomes })
    }
}

/// What is counted in each slot.
fn count(service: &mut Service, plan: &Plan, slot: Duration) -> Result<Series, Failure> {
    let ratios = plan.ratios(service.background);
    let mut tallies = Vec::new();
    for (at, (expected, ratio)) in (0..).zip(plan.requests.iter().zip(ratios)) {
        let valid = service.random.poisson(*expected);
        if valid > 0 {
            let bad = service.random.binomial(valid, ratio);
            tallies.push((Slot(at), Tally::new(valid, valid - bad).ok_or("more good than valid")?));
        }
    }
    Ok(Series::new(slot, tallies)?)
}

/// The stretches in which at least one rule fires: one is one call.
fn pages(firings: &[Firing], end: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let mut pages: Vec<(Timestamp, Timestamp)> = Vec::new();
    for firing in firings {
        let firing_end = firing.end.unwrap_or(end);
        match pages.last_mut() {
            Some(last) if firing.start <= last.1 => last.1 = last.1.max(firing_end),
            _ => pages.push((firing.start, firing_end)),
        }
    }
    pages
}

/// For how long an episode that is over can still make `rules` fire: by the longest of the lookbacks
/// that say that it goes on.
fn late(rules: &[AlertRule]) -> Duration {
    let lookback = |rule: &AlertRule| match rule.condition {
        Condition::Burn { long, short, .. } => short.unwrap_or(long),
        Condition::Exhaustion { lookback, .. } => lookback,
        Condition::RemainingBelow { .. } => Duration::ZERO,
    };
    rules.iter().map(lookback).max().unwrap_or(Duration::ZERO)
}

/// What pages are held against.
struct Scoring<'a> {
    service: &'a Service,
    plan: &'a Plan,
    slot: Duration,
}

impl Scoring<'_> {
    fn outcome(&self, pages: &[(Timestamp, Timestamp)], late: Duration) -> Outcome {
        let episodes = &self.plan.episodes;
        let significant = episodes.iter().filter(|episode| episode.weight == Weight::Significant);
        let found = significant.map(|episode| self.find(episode, pages, late)).collect();
        let scored = Timestamp::from_nanos(BEFORE.nanos());
        let mut outcome = Outcome { found, by_chance: 0, by_lesser: 0 };
        for (start, _) in pages.iter().filter(|(start, _)| *start >= scored) {
            let cause = episodes.iter().find(|episode| {
                let (from, to) = self.interval(episode);
                *start > from && *start <= to.plus(late)
            });
            match cause.map(|episode| episode.weight) {
                None => outcome.by_chance += 1,
                Some(Weight::Lesser) => outcome.by_lesser += 1,
                Some(Weight::Significant | Weight::Faint) => {}
            }
        }
        outcome
    }

    /// The first page that is open while `episode` goes on, or can still be seen.
    fn find(
        &self,
        episode: &Episode,
        pages: &[(Timestamp, Timestamp)],
        late: Duration,
    ) -> Option<Found> {
        let (from, to) = self.interval(episode);
        let page = pages.iter().find(|(start, end)| *end > from && *start <= to.plus(late))?;
        let seen = page.0.max(from);
        let slots = usize::try_from(seen.nanos() / self.slot.nanos()).unwrap_or(0);
        Some(Found {
            delay: seen.since(from).as_seconds_f64(),
            spent: self.plan.spent(
                episode.first,
                slots.min(episode.end).max(episode.first),
                self.service,
            ),
            reset: (page.1 >= to).then(|| page.1.since(to).as_seconds_f64()),
        })
    }

    fn interval(&self, episode: &Episode) -> (Timestamp, Timestamp) {
        (start_of(episode.first, self.slot), start_of(episode.end, self.slot))
    }
}
