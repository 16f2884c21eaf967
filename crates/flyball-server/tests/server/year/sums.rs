//! What was sent and done, added up naively: the other side of every comparison.

use super::company::Service;
use super::plan;
use super::traffic::Slots;

const DAY: i64 = 86_400;

/// A change that shipped.
#[derive(Debug, Clone)]
pub(super) struct Shipped {
    pub(super) service: usize,
    pub(super) id: String,
    pub(super) at: i64,
    /// Whether it undoes another.
    pub(super) is_rollback: bool,
    /// Whether users fared badly with it.
    pub(super) fails: bool,
    /// Since when its only commit waited; `None` where it has none.
    pub(super) authored: Option<i64>,
}

/// What the gate answered.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    pub(super) service: usize,
    pub(super) at: i64,
    pub(super) is_allowed: bool,
    /// Whether somebody let it through.
    pub(super) by_override: bool,
}

/// A time in which users were hit.
#[derive(Debug, Clone)]
pub(super) struct Happened {
    pub(super) service: usize,
    pub(super) id: String,
    pub(super) from: i64,
    pub(super) to: i64,
    /// When somebody was called, and when they said that they had it.
    pub(super) called: i64,
    pub(super) taken: i64,
    pub(super) who: String,
    pub(super) is_false: bool,
}

/// A planned fault.
#[derive(Debug, Clone)]
pub(super) struct Drilled {
    pub(super) service: usize,
    /// Of the change that it is, and of its run.
    pub(super) id: String,
    pub(super) key: String,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// Everything that was sent and done.
#[derive(Debug)]
pub(super) struct Sums {
    services: Vec<Service>,
    slots: Vec<Slots>,
    pub(super) shipped: Vec<Shipped>,
    pub(super) decided: Vec<Decided>,
    pub(super) happened: Vec<Happened>,
    pub(super) drilled: Vec<Drilled>,
    /// Blocks by service: from and to.
    pub(super) blocked: Vec<(usize, i64, i64)>,
    /// Hours of toil that were told of, by service and moment.
    pub(super) toil: Vec<(usize, i64, u64)>,
    /// Minutes of friction, by id.
    pub(super) friction: Vec<(String, u32)>,
    /// Exceptions to each team's rota that hold.
    pub(super) exceptions: Vec<(usize, i64, i64, String)>,
}

/// Valid and bad.
pub(super) type Counted = (u64, u64);

fn plus(sum: Counted, more: Counted) -> Counted {
    (sum.0 + more.0, sum.1 + more.1)
}

impl Sums {
    pub(super) fn new(services: Vec<Service>) -> Self {
        let slots = services.iter().map(|_| Slots::new()).collect();
        Self {
            services,
            slots,
            shipped: Vec::new(),
            decided: Vec::new(),
            happened: Vec::new(),
            drilled: Vec::new(),
            blocked: Vec::new(),
            toil: Vec::new(),
            friction: Vec::new(),
            exceptions: Vec::new(),
        }
    }

    /// Adds what was told.
    pub(super) fn add(&mut self, counts: &[(usize, i64, Counted)]) {
        for (service, slot, counted) in counts {
            let sum = self.slots[*service].entry(*slot).or_default();
            *sum = plus(*sum, *counted);
        }
    }

    /// The events of a service in slots that begin at `from` or later and before `to`.
    pub(super) fn events(&self, service: usize, from: i64, to: i64) -> Counted {
        let slots = self.slots[service].range(from..to);
        slots.fold((0, 0), |sum, (_, counted)| plus(sum, *counted))
    }

    /// The hours of a service in which there was anybody, and those of them that were bad: in which fewer than nine of ten
    /// were good.
    pub(super) fn hours(&self, service: usize, from: i64, to: i64) -> Counted {
        let (mut all, mut bad) = (0, 0);
        let mut hour = from;
        while hour < to {
            let (valid, lost) = self.events(service, hour, hour + 3_600);
            all += u64::from(valid > 0);
            bad += u64::from(valid > 0 && 10 * (valid - lost) < 9 * valid);
            hour += 3_600;
        }
        (all, bad)
    }

    /// The beginning of the window of a service's budget that ends at `end`.
    pub(super) fn window(&self, service: usize, end: i64) -> i64 {
        if !self.services[service].is_quarterly {
            return end - 28 * DAY;
        }
        let ends = plan::QUARTER_ENDS.map(|day| plan::at(day, 0));
        ends.into_iter().rfind(|quarter| *quarter < end).unwrap_or(plan::start())
    }

    /// Whether more of a service is bad than it allows, at `end`.
    pub(super) fn is_overspent(&self, service: usize, end: i64) -> bool {
        let allowed = self.services[service].allowed;
        let (valid, bad) = self.events(service, self.window(service, end), end);
        let (hours, lost) = if self.services[service].has_hours {
            let end = end.div_euclid(3_600) * 3_600;
            self.hours(service, end - 28 * DAY, end)
        } else {
            (0, 0)
        };
        1_000 * bad > allowed * valid || 20 * lost > hours
    }

    /// When the rule that pages is to fire for a service that users come to every minute from `from` on, and when it is to let
    /// go: looked at every ten seconds, with what was told by then. That is everything of the minutes before.
    pub(super) fn pages(&self, service: usize, from: i64) -> (i64, i64) {
        let allowed = self.services[service].allowed;
        let burns = |at: i64| {
            let told = at.div_euclid(60) * 60;
            [3_600, 300].iter().all(|lookback| {
                let (valid, bad) = self.events(service, at - lookback, told);
                1_000 * bad > 5 * allowed * valid
            })
        };
        let looks = |from: i64| (from..).step_by(10);
        let fires = looks(from).find(|at| burns(*at)).unwrap();
        (fires, looks(fires).find(|at| !burns(*at)).unwrap())
    }

    /// Whether somebody has blocked a service at `at`.
    pub(super) fn is_blocked(&self, service: usize, at: i64) -> bool {
        self.blocked.iter().any(|(of, from, to)| *of == service && (*from..*to).contains(&at))
    }

    /// Whether a budget of a service was kept in a quarter.
    pub(super) fn is_kept(&self, service: usize, from: i64, to: i64) -> bool {
        let (valid, bad) = self.events(service, from, to);
        1_000 * bad <= self.services[service].allowed * valid
    }

    /// Whether what shipped was broken: users fared badly with it, or were hit by an incident within its warranty of seven
    /// days, and nothing had shipped since.
    pub(super) fn is_broken(&self, shipped: &Shipped) -> bool {
        let later = |other: &&Shipped| other.service == shipped.service && other.at > shipped.at;
        let next = self.shipped.iter().filter(later).map(|other| other.at).min();
        let until = next.unwrap_or(i64::MAX).min(shipped.at + 7 * DAY);
        let calls = self.happened.iter().filter(|happened| happened.service == shipped.service);
        let mut calls = calls.map(|happened| happened.called);
        shipped.fails || calls.any(|at| (shipped.at..until).contains(&at))
    }
}
