//! Everything that can be said of one SLO at one moment, in the shape that every output shares.
//!
//! One SLO has a list of objectives; each objective, and each slice of it, is assessed alike. Keys
//! are `snake_case`; counts of events are always the integers `valid`, `good` and `bad`.

use std::collections::BTreeMap;

use flyball_model::{
    AlertRule, BudgetingMethod, Composition, Condition, Correction, Duration, Interval, NoDataRule,
    Objective, Slice, Slo, Target, Timestamp, Window,
};

use crate::account::{Account, Frame};
use crate::alert::{Firing, evaluate};
use crate::budget::{Budget, Coverage, Reason, Status, counted, status};
use crate::burn::{Burn, burn};
use crate::composite::{ALL_OF_SLICE, Part, Weighted, all_of, joint_target, weighted};
use crate::correction::{Applied, Expanded, apply, dropped, expand};
use crate::error::BudgetError;
use crate::forecast::{Forecast, forecast};
use crate::series::Series;
use crate::window::{WindowAt, nominal_length, window_at};

/// How many of the worst hours are listed.
pub const WORST_HOURS_MAX: usize = 10;

/// What was measured of one indicator.
#[derive(Debug, Clone)]
pub struct IndicatorSeries {
    /// All events.
    pub total: Series,
    /// The same events by slice.
    pub slices: Vec<(Slice, Series)>,
}

/// What was measured for an SLO: one indicator for all its objectives, or one for each.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The indicators, in the order of the objectives.
    pub indicators: Vec<IndicatorSeries>,
}

impl Measured {
    /// A single indicator without slices.
    pub fn single(total: Series) -> Self {
        Self { indicators: vec![IndicatorSeries { total, slices: Vec::new() }] }
    }
}

/// One SLO at one moment.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SloReport {
    /// The SLO's name.
    pub slo: String,
    /// A name for people.
    pub display_name: Option<String>,
    /// The service that makes the promise.
    pub service: String,
    /// How the budget is counted.
    pub method: BudgetingMethod,
    /// Missed when any objective is; else no data when any has none; else met.
    pub status: Status,
    /// The moment of looking.
    pub at: Timestamp,
    /// Up to when every slot had ended and was observed.
    pub complete_up_to: Timestamp,
    /// The time over which data was collected.
    pub span: Interval,
    /// The length of the slots that events were counted in.
    pub slot_width: Duration,
    /// Where the days of a calendar window begin, by IANA's name; `None` for a rolling window and
    /// for a zone without a name.
    pub time_zone: Option<String>,
    /// The promises.
    pub objectives: Vec<ObjectiveReport>,
    /// How the objectives join, for a composite.
    pub composite: Option<CompositeReport>,
    /// What the corrections changed, by occurrence.
    pub corrections: Vec<Applied>,
}

/// One objective of an SLO.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ObjectiveReport {
    /// A name for people.
    pub name: Option<String>,
    /// The promised share of good.
    pub target: Target,
    /// All events.
    #[serde(flatten)]
    pub total: Assessment,
    /// The same for each slice.
    pub slices: Vec<SliceReport>,
}

/// One slice of an objective.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SliceReport {
    /// The slice's label; no two slices of an objective have the same.
    pub slice: String,
    /// The values of the attributes by which slices are kept, `None` where events have none;
    /// empty for the overflow.
    pub attributes: BTreeMap<String, Option<String>>,
    /// Whether this slice is the one that takes what is past the slice limit.
    pub overflow: bool,
    /// Its own budget and alerts.
    #[serde(flatten)]
    pub assessment: Assessment,
}

/// What can be said of one objective, as a whole or of one slice.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Assessment {
    /// Whether the promise was kept.
    pub status: Status,
    /// Why the status is what it is.
    pub reason: Reason,
    /// The window of the promise.
    pub window: WindowAt,
    /// The budget over the window.
    pub budget: Budget,
    /// How much of the window is known.
    pub coverage: Coverage,
    /// The burn over each lookback.
    pub burns: Vec<Burn>,
    /// When the budget will be gone.
    pub forecast: Forecast,
    /// The hours of the window with the most bad events, worst first.
    pub worst_hours: Vec<Hour>,
    /// When people would have been called, over the whole observed span.
    pub firings: Vec<Firing>,
    /// Rules that cannot work for this objective, and why.
    pub rule_errors: Vec<String>,
}

/// The events of one hour.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Hour {
    /// The hour in UTC; longer where slots are.
    pub interval: Interval,
    /// Events that count at all.
    pub valid: u64,
    /// Valid events that kept the promise.
    pub good: u64,
    /// Valid events that did not.
    pub bad: u64,
}

/// How the objectives of a composite join.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "composition", rename_all = "kebab-case")]
pub enum CompositeReport {
    /// Spending averaged, or shortfalls added, by weight.
    Weighted(Weighted),
    /// Slices that are good only when every component is; counts are of slices.
    AllOf(Box<AllOfReport>),
}

impl CompositeReport {
    /// Whether the joint promise was kept.
    pub fn status(&self) -> Status {
        match self {
            Self::Weighted(weighted) => weighted.status,
            Self::AllOf(all_of) => all_of.total.status,
        }
    }
}

/// An all-of composite.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AllOfReport {
    /// What the components' targets guarantee together.
    pub target: Target,
    /// The length of a joint slice.
    pub slice_width: Duration,
    /// The joint slices, assessed like any objective.
    #[serde(flatten)]
    pub total: Assessment,
}

/// The widest slots that everything in `slo` is a whole number of, at most `widest`.
///
/// Counts kept in such slots serve every time slice, lookback and hold exactly; a rolling window
/// and the slices of an all-of composite too. `widest` itself where the SLO asks for nothing finer.
pub fn slot_width(slo: &Slo, widest: Duration) -> Duration {
    let mut lengths = vec![widest];
    lengths.extend(slo.objectives.iter().filter_map(|objective| objective.timeslice_window));
    lengths.extend(&slo.lookbacks);
    if slo.composition == Some(Composition::AllOf) && slo.method == BudgetingMethod::Occurrences {
        lengths.push(ALL_OF_SLICE);
    }
    if let Window::Rolling { length } = &slo.window {
        lengths.push(*length);
    }
    for rule in &slo.alert_rules {
        lengths.push(rule.hold);
        match rule.condition {
            Condition::Burn { long, short, .. } => lengths.extend([long].into_iter().chain(short)),
            Condition::Exhaustion { lookback, .. } => lengths.push(lookback),
            Condition::RemainingBelow { .. } => {}
        }
    }
    let nanos = lengths.into_iter().filter(|length| !length.is_zero()).fold(0, |common, length| {
        crate::exact::gcd(common, u128::from(length.nanos().unsigned_abs()))
    });
    i64::try_from(nanos).ok().and_then(Duration::from_nanos).unwrap_or(widest)
}

/// Says everything about `slo` at `at`.
///
/// `span` is the time over which data was collected; outside it nothing is known. Rolling windows
/// end at `at`, moved back to the last complete slot. Alert rules are evaluated over the whole
/// `span` up to `at`; a rule that cannot work is reported and does not stop the others.
///
/// # Errors
///
/// [`BudgetError::IndicatorMismatch`] when `measured` holds neither one indicator nor one for each
/// objective; else what [`Account::new`], [`window_at`] and
/// [`expand`](crate::correction::expand) refuse.
pub fn assess(
    slo: &Slo,
    measured: &Measured,
    corrections: &[Correction],
    at: Timestamp,
    span: Interval,
) -> Result<SloReport, BudgetError> {
    let expanded = expand(corrections, &slo.name, span)?;
    let taken_out = dropped(&expanded);
    let frame = Frame { span, dropped: &taken_out, no_data: slo.no_data };
    let indicators = Corrected::all(slo, measured, &expanded)?;
    let look = Look { slo, frame, at };
    let mut objectives = Vec::with_capacity(slo.objectives.len());
    for (index, objective) in slo.objectives.iter().enumerate() {
        let indicator = indicators.of(index);
        let assess = |series: &Series| -> Result<Assessment, BudgetError> {
            let account = Account::new(series, slo.method, objective, &frame)?;
            look.assess(&account, objective.target)
        };
        let slices = indicator
            .slices
            .iter()
            .map(|(slice, series)| {
                Ok(SliceReport {
                    slice: slice.to_string(),
                    attributes: slice.attributes(),
                    overflow: *slice == Slice::Overflow,
                    assessment: assess(series)?,
                })
            })
            .collect::<Result<_, BudgetError>>()?;
        objectives.push(ObjectiveReport {
            name: objective.display_name.clone(),
            target: objective.target,
            total: assess(&indicator.total)?,
            slices,
        });
    }
    let composite = slo.composition.map(|how| look.compose(how, &indicators)).transpose()?;
    let slot_width = indicators.of(0).total.width();
    let mut statuses: Vec<Status> =
        objectives.iter().map(|objective| objective.total.status).collect();
    // A composite promises what the whole does; its components explain it.
    if let Some(composite) = &composite {
        statuses = vec![composite.status()];
    }
    Ok(SloReport {
        slo: slo.name.clone(),
        display_name: slo.display_name.clone(),
        service: slo.service.clone(),
        method: slo.method,
        status: Status::worst(&statuses),
        at,
        complete_up_to: at.min(span.end()).floor(slot_width),
        span,
        slot_width,
        time_zone: slo.window.time_zone().map(str::to_owned),
        objectives,
        composite,
        corrections: indicators.records,
    })
}

/// How the objectives of `slo` join at `at`; `None` when it is no composite. As [`assess`] has it,
/// without what it says of each objective.
///
/// # Errors
///
/// As [`assess`]'s.
pub fn compose(
    slo: &Slo,
    measured: &Measured,
    corrections: &[Correction],
    at: Timestamp,
    span: Interval,
) -> Result<Option<CompositeReport>, BudgetError> {
    let expanded = expand(corrections, &slo.name, span)?;
    let taken_out = dropped(&expanded);
    let frame = Frame { span, dropped: &taken_out, no_data: slo.no_data };
    let indicators = Corrected::all(slo, measured, &expanded)?;
    let look = Look { slo, frame, at };
    slo.composition.map(|how| look.compose(how, &indicators)).transpose()
}

/// The measured indicators after corrections.
pub(crate) struct Corrected<'a> {
    indicators: Vec<std::borrow::Cow<'a, IndicatorSeries>>,
    pub(crate) records: Vec<Applied>,
}

impl<'a> Corrected<'a> {
    pub(crate) fn all(
        slo: &Slo,
        measured: &'a Measured,
        corrections: &[Expanded<'_>],
    ) -> Result<Self, BudgetError> {
        use std::borrow::Cow;
        let given = measured.indicators.len();
        let expected = if slo.composition.is_some() { slo.objectives.len() } else { 1 };
        if given == 0 || (given != expected && given != slo.objectives.len()) {
            return Err(BudgetError::IndicatorMismatch { expected, given });
        }
        let mut records = Vec::new();
        let mut indicators = Vec::with_capacity(given);
        for (index, indicator) in measured.indicators.iter().enumerate() {
            let (total, applied) = apply(&indicator.total, corrections, index)?;
            records.extend(applied);
            indicators.push(match total {
                None => Cow::Borrowed(indicator),
                Some(total) => {
                    let mut slices = Vec::with_capacity(indicator.slices.len());
                    for (slice, series) in &indicator.slices {
                        let (corrected, _) = apply(series, corrections, index)?;
                        slices.push((slice.clone(), corrected.unwrap_or_else(|| series.clone())));
                    }
                    Cow::Owned(IndicatorSeries { total, slices })
                }
            });
        }
        Ok(Self { indicators, records })
    }

    /// The indicator of an objective: its own, or the one that all share.
    pub(crate) fn of(&self, objective: usize) -> &IndicatorSeries {
        self.indicators.get(objective).unwrap_or(&self.indicators[0])
    }
}

/// What every assessment of one SLO shares.
struct Look<'a> {
    slo: &'a Slo,
    frame: Frame<'a>,
    at: Timestamp,
}

impl Look<'_> {
    fn is_calendar(&self) -> bool {
        matches!(self.slo.window, Window::Calendar(_))
    }

    fn assess(&self, account: &Account<'_>, target: Target) -> Result<Assessment, BudgetError> {
        self.assess_covered(account, account, target)
    }

    /// Assesses `account`, of which only what is also in `known` is wholly known.
    fn assess_covered(
        &self,
        account: &Account<'_>,
        known: &Account<'_>,
        target: Target,
    ) -> Result<Assessment, BudgetError> {
        let end = self.at.floor(account.width());
        let window = window_at(&self.slo.window, end)?;
        let budget = Budget::new(account, target, window, self.is_calendar());
        let coverage = Coverage::new(known, budget.counted, &self.frame);
        let (status, reason) = status(
            account,
            target,
            budget.counted,
            &coverage,
            self.slo.coverage_floor,
            &self.frame,
        );
        let burns = self.slo.lookbacks.iter().map(|lookback| burn(account, target, end, *lookback));
        let recent = forecast_lookback(&self.slo.lookbacks, &self.slo.window);
        let since = self.frame.span.start();
        let forecast = forecast(account, target, window, self.is_calendar(), recent, since);
        let (firings, rule_errors) = self.fire(account, target);
        Ok(Assessment {
            status,
            reason,
            window,
            worst_hours: worst_hours(account.events(), budget.counted),
            budget,
            coverage,
            burns: burns.collect(),
            forecast,
            firings,
            rule_errors,
        })
    }

    /// Evaluates each rule for itself, so that one that cannot work does not silence the rest.
    fn fire(&self, account: &Account<'_>, target: Target) -> (Vec<Firing>, Vec<String>) {
        let (mut firings, mut errors) = (Vec::new(), Vec::new());
        let start = self.frame.span.start();
        let Ok(interval) = Interval::new(start, self.at.min(self.frame.span.end()).max(start))
        else {
            return (firings, errors);
        };
        for rule in &self.slo.alert_rules {
            let one: &[AlertRule] = std::slice::from_ref(rule);
            match evaluate(account, target, &self.slo.window, one, interval) {
                Ok(found) => firings.extend(found),
                Err(error) => errors.push(error.to_string()),
            }
        }
        firings.sort_by_key(|firing| firing.start);
        (firings, errors)
    }

    fn compose(
        &self,
        how: Composition,
        indicators: &Corrected<'_>,
    ) -> Result<CompositeReport, BudgetError> {
        let components: Vec<(&Series, &Objective)> = self
            .slo
            .objectives
            .iter()
            .enumerate()
            .map(|(index, objective)| (&indicators.of(index).total, objective))
            .collect();
        match how {
            Composition::Weighted => {
                let accounts = components
                    .iter()
                    .map(|(series, objective)| {
                        Account::new(series, self.slo.method, objective, &self.frame)
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                let mut parts = Vec::with_capacity(accounts.len());
                for (account, (_, objective)) in accounts.iter().zip(&components) {
                    let window = window_at(&self.slo.window, self.at.floor(account.width()))?;
                    let range = account.units().range(counted(account.width(), window.elapsed));
                    parts.push(Part {
                        bad: account.bad_units(&range),
                        valid: account.valid_units(&range),
                        target: objective.target,
                        weight: objective.weight,
                    });
                }
                Ok(CompositeReport::Weighted(weighted(&parts, self.slo.method)?))
            }
            Composition::AllOf => {
                let joint = all_of(&components, self.slo.method, &self.frame)?;
                let target = joint_target(components.iter().map(|(_, objective)| objective.target));
                let account = Account::of_slices(&joint.slices, joint.slices.clone());
                let known = Account::of_slices(&joint.complete, joint.complete.clone());
                let mut total = self.assess_covered(&account, &known, target)?;
                let counted = total.budget.counted;
                let is_silent = |part: &Series| part.range(counted).is_empty();
                // What the others kept says nothing of a component that was never heard.
                if total.reason == Reason::WithinBudget && joint.parts.iter().any(is_silent) {
                    (total.status, total.reason) = match self.frame.no_data {
                        NoDataRule::Gap => (Status::NoData, Reason::NothingValid),
                        NoDataRule::Good => (Status::Met, Reason::WithinBudget),
                        NoDataRule::Bad => (Status::Missed, Reason::SilenceIsBad),
                    };
                }
                let slice_width = joint.slices.width();
                Ok(CompositeReport::AllOf(Box::new(AllOfReport { target, slice_width, total })))
            }
        }
    }
}

/// The lookback that forecasts take their rate from: the longest that is at most a twenty-eighth
/// of the window (a day of four weeks), else the shortest, else an hour.
pub(crate) fn forecast_lookback(lookbacks: &[Duration], window: &Window) -> Duration {
    let most = nominal_length(window).nanos() / 28;
    lookbacks
        .iter()
        .filter(|lookback| lookback.nanos() <= most)
        .max()
        .or(lookbacks.iter().filter(|lookback| !lookback.is_zero()).min())
        .copied()
        .unwrap_or(Duration::from_hours(1))
}

/// The hours of `counted` with the most bad events, worst first; none without bad events.
fn worst_hours(series: &Series, counted: Interval) -> Vec<Hour> {
    let length = Duration::from_hours(1).max(series.width());
    let mut hours: Vec<Hour> = Vec::new();
    let range = series.range(counted);
    let mut index = series.next_bad(range.start);
    while index < range.end {
        let start = series.slots()[index].interval(series.width()).start().floor(length);
        let interval = Interval::starting(start, length);
        let within = series.range(interval);
        let within = within.start.max(range.start)..within.end.min(range.end).max(index + 1);
        index = series.next_bad(within.end);
        let tally = series.sum_range(within);
        hours.push(Hour { interval, valid: tally.valid(), good: tally.good(), bad: tally.bad() });
    }
    hours.sort_by_key(|hour| (std::cmp::Reverse(hour.bad), hour.interval.start()));
    hours.truncate(WORST_HOURS_MAX);
    hours
}
