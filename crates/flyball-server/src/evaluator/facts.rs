//! Budgets as facts for a gate: integers, and nothing that it would have to look up.

use std::collections::BTreeMap;

use flyball_budget::burn::Burn;
use flyball_budget::forecast::{Forecast, Outlook as Expected};
use flyball_budget::live::{LiveError, Standing};
use flyball_budget::report::{Assessment, CompositeReport};
use flyball_budget::{Budget, Status, WindowAt, window_at};
use flyball_govern::gate::{
    BudgetFacts, Counts, LEAVING_MAX, Leaving, Lookback, Outlook, WindowFacts,
};
use flyball_model::{BudgetingMethod, Duration, Interval, Slo, Target, Timestamp, Window};
use flyball_store::{Ledger, LedgerSnapshot, SliceId, StoreError};

use super::Evaluator;
use super::status::SloStatus;

/// Slices of one service that a gate looks at: those that have spent most. A decision tells of each.
const SLICES_MAX: usize = 100;

/// Slices of one service of which it is looked up when bad events leave their window: those that have spent most.
/// Each is read over a whole window.
const SLICES_LEAVING_MAX: usize = 8;

/// In how many parts the budget of a weighted composite is counted.
const BILLIONTHS: u64 = 1_000_000_000;
/// Bad events leave a window hour by hour: the grain of what is promised.
const HOUR: Duration = Duration::from_hours(1);

/// What is known of a service.
#[derive(Debug, Default)]
pub(crate) struct ServiceFacts {
    pub(crate) budgets: Vec<BudgetFacts>,
    /// The rules that page now.
    pub(crate) paging: u64,
}

impl Evaluator {
    /// The budgets of `service`: each objective, and the slices of its SLOs that have spent most.
    /// Of a composite it is the whole that is promised, as it was joined last.
    ///
    /// With `leaving`, which reads the ledger over whole windows, also when bad events leave them; of slices past
    /// the first few it is not known, and no moment is promised on their account.
    ///
    /// # Errors
    ///
    /// A ledger that cannot be read, a calendar window that cannot be computed.
    pub(crate) fn service_facts(
        &mut self,
        service: &str,
        leaving: bool,
    ) -> Result<ServiceFacts, LiveError<StoreError>> {
        let statuses = self.statuses(|slo| slo.service == service)?;
        let is_corrected = !self.catalog.set.corrections.is_empty();
        let Self { watched, ledger, .. } = self;
        let snapshot = ledger.snapshot().map_err(LiveError::History)?;
        let mut facts = ServiceFacts::default();
        let mut slices = Vec::new();
        for status in &statuses {
            let Some(watched) = watched.iter().find(|of| of.slo.name == status.slo) else {
                continue;
            };
            if watched.slo.composition.is_some() {
                let kept = watched.objectives.iter().any(|kept| kept.total.slice.is_some());
                let (composite, at) = (status.composite.as_ref(), status.complete_up_to);
                facts.budgets.push(joined(&watched.slo, composite, at, kept)?);
                let paging = status.objectives.iter().map(|objective| paging(&objective.total));
                facts.paging += paging.sum::<u64>();
                continue;
            }
            for (objective, kept) in status.objectives.iter().zip(&watched.objectives) {
                let of = Of { slo: &watched.slo, status, target: objective.target };
                let mut total = of.facts(None, &objective.total, kept.total.slice.is_some());
                // What was taken out must not be promised to leave.
                if leaving && !is_corrected {
                    total.leaving = of.leaving(&snapshot, kept.total.slice, &objective.total)?;
                }
                facts.paging += paging(&objective.total);
                facts.budgets.push(total);
                // Both are in the order of slices.
                for (slice, state) in objective.slices.iter().zip(kept.slices.values()) {
                    let spent = slice.standing.budget.spent_share.unwrap_or(0.0);
                    slices.push((spent, of, slice, state.slice));
                }
            }
        }
        slices.sort_by(|one, two| two.0.total_cmp(&one.0));
        for (rank, (_, of, slice, id)) in slices.into_iter().take(SLICES_MAX).enumerate() {
            let mut own = of.facts(Some(slice.slice.clone()), &slice.standing, true);
            if leaving && !is_corrected && rank < SLICES_LEAVING_MAX {
                own.leaving = of.leaving(&snapshot, id, &slice.standing)?;
            }
            facts.budgets.push(own);
        }
        Ok(facts)
    }
}

/// The objective that facts are of.
#[derive(Clone, Copy)]
struct Of<'a> {
    slo: &'a Slo,
    status: &'a SloStatus,
    target: Target,
}

impl Of<'_> {
    /// When the bad events of a rolling window leave it.
    fn leaving(
        &self,
        snapshot: &LedgerSnapshot<'_>,
        slice: Option<SliceId>,
        standing: &Standing,
    ) -> Result<Vec<Leaving>, LiveError<StoreError>> {
        let (Window::Rolling { length }, BudgetingMethod::Occurrences, Some(slice)) =
            (&self.slo.window, self.slo.method, slice)
        else {
            return Ok(Vec::new());
        };
        let tallies =
            snapshot.tallies(slice, standing.window.elapsed).map_err(LiveError::History)?;
        let mut hours: BTreeMap<Timestamp, u64> = BTreeMap::new();
        for (slot, tally) in tallies {
            let interval: Interval = slot.interval(Ledger::SLOT_WIDTH);
            // Rounded up, so that no moment is promised too early.
            let at = interval.end().plus(*length).ceil(HOUR);
            *hours.entry(at).or_default() += tally.bad();
        }
        let bad = hours.into_iter().filter(|(_, bad)| *bad > 0);
        Ok(bad.take(LEAVING_MAX).map(|(at, bad)| Leaving { at, bad }).collect())
    }

    /// The facts of all events or of a slice; `is_counted` says whether anything ever was.
    fn facts(&self, slice: Option<String>, standing: &Standing, is_counted: bool) -> BudgetFacts {
        let Standing { status, budget, window, coverage, burns, forecast, .. } = standing;
        let known = Known {
            status: *status,
            budget,
            window,
            coverage: (coverage.observed, coverage.expected),
            burns,
            forecast,
            complete_up_to: self.status.complete_up_to,
        };
        let facts = known.facts(self.slo, (self.slo.method, self.target), is_counted);
        BudgetFacts { slice, ..facts }
    }
}

/// What is said of an objective at one moment, now or in the past.
pub(super) struct Known<'a> {
    pub(super) status: Status,
    pub(super) budget: &'a Budget,
    pub(super) window: &'a WindowAt,
    /// Slots with data, of how many.
    pub(super) coverage: (u64, u64),
    pub(super) burns: &'a [Burn],
    pub(super) forecast: &'a Forecast,
    pub(super) complete_up_to: Timestamp,
}

impl<'a> Known<'a> {
    /// What was assessed of one as it is joined, or was at a moment of the past.
    pub(super) fn of(said: &'a Assessment, complete_up_to: Timestamp) -> Self {
        Self {
            status: said.status,
            budget: &said.budget,
            window: &said.window,
            coverage: (said.coverage.observed, said.coverage.expected),
            burns: &said.burns,
            forecast: &said.forecast,
            complete_up_to,
        }
    }

    /// The same as facts for a gate; `is_counted` says whether anything ever was.
    pub(super) fn facts(
        &self,
        slo: &Slo,
        (method, target): (BudgetingMethod, Target),
        is_counted: bool,
    ) -> BudgetFacts {
        let Self { status, budget, window, coverage: (observed, expected), burns, .. } = *self;
        let counts = match counts(method, budget) {
            Some((valid, bad)) if valid > 0 && status != Status::NoData => {
                Counts::Counted { valid, bad }
            }
            _ if is_counted => Counts::Gone,
            _ => Counts::Never,
        };
        let window = window_of(slo, window);
        let of_events = method == BudgetingMethod::Occurrences;
        let burns = burns.iter().filter(|_| of_events);
        let burns =
            burns.map(|burn| Lookback { length: burn.lookback, valid: burn.valid, bad: burn.bad });
        BudgetFacts {
            slo: slo.name.clone(),
            slice: None,
            target,
            window,
            complete_up_to: self.complete_up_to,
            counts,
            coverage_ppm: (observed * 1_000_000).checked_div(expected),
            burns: burns.collect(),
            outlook: outlook(self.forecast, self.complete_up_to),
            causes: Vec::new(),
            largest_incident: None,
            leaving: Vec::new(),
        }
    }
}

fn window_of(slo: &Slo, window: &WindowAt) -> WindowFacts {
    match &slo.window {
        Window::Rolling { length } => WindowFacts::Rolling(*length),
        Window::Calendar(_) => WindowFacts::Calendar(window.full),
    }
}

/// The whole of a composite: slices that are good when all components are, or the spending of the components by
/// their weights, in billionths of the whole budget. `is_counted` says whether anything of it ever was.
///
/// # Errors
///
/// A calendar window that cannot be computed.
pub(super) fn joined(
    slo: &Slo,
    composite: Option<&CompositeReport>,
    complete_up_to: Timestamp,
    is_counted: bool,
) -> Result<BudgetFacts, LiveError<StoreError>> {
    let share = match composite {
        Some(CompositeReport::AllOf(report)) => {
            let counted = (BudgetingMethod::Timeslices, report.target);
            return Ok(Known::of(&report.total, complete_up_to).facts(slo, counted, is_counted));
        }
        Some(CompositeReport::Weighted(weighted)) => {
            weighted.spent_share.map(|share| (share, weighted.status == Status::Missed))
        }
        None => None,
    };
    let counts = match share {
        Some((share, is_overspent)) => {
            Counts::Counted { valid: BILLIONTHS, bad: billionths(share, is_overspent) }
        }
        None if is_counted => Counts::Gone,
        None => Counts::Never,
    };
    let outlook = match share {
        Some((_, true)) => Outlook::GoneAt(complete_up_to),
        _ => Outlook::Unknown,
    };
    Ok(BudgetFacts {
        slo: slo.name.clone(),
        slice: None,
        // All of what is counted may be spent.
        target: Target::NOTHING,
        window: window_of(slo, &window_at(&slo.window, complete_up_to)?),
        complete_up_to,
        counts,
        coverage_ppm: None,
        burns: Vec::new(),
        outlook,
        causes: Vec::new(),
        largest_incident: None,
        leaving: Vec::new(),
    })
}

/// What is spent of a weighted whole. Whether it is overspent was decided exactly, and stays so.
fn billionths(share: f64, is_overspent: bool) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share that is not negative; past the range it stays overspent"
    )]
    let spent = (share * BILLIONTHS as f64).round() as u64;
    if is_overspent { spent.max(BILLIONTHS + 1) } else { spent.min(BILLIONTHS) }
}

/// Valid and bad in the unit of the method, both multiplied by what makes them whole.
fn counts(method: BudgetingMethod, budget: &Budget) -> Option<(u64, u64)> {
    let valid = match method {
        BudgetingMethod::Occurrences => budget.valid,
        BudgetingMethod::Timeslices | BudgetingMethod::RatioTimeslices => budget.slices?,
    };
    let denominator = u64::try_from(budget.spent.denominator()).ok()?;
    let bad = u64::try_from(budget.spent.numerator()).ok()?;
    Some((valid.checked_mul(denominator)?, bad))
}

fn outlook(forecast: &Forecast, now: Timestamp) -> Outlook {
    match forecast.outlook {
        Expected::NoData => Outlook::Unknown,
        Expected::NotExhausting => Outlook::Lasts,
        Expected::AlreadyExhausted => Outlook::GoneAt(now),
        Expected::Exhausts => forecast.exhausts_at.map_or(Outlook::Unknown, Outlook::GoneAt),
    }
}

/// How many rules page now.
fn paging(standing: &Standing) -> u64 {
    let pages =
        |firing: &&flyball_budget::alert::Firing| firing.severity == flyball_model::Severity::Page;
    standing.firings.iter().filter(pages).count() as u64
}
