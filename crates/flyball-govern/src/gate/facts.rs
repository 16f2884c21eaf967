//! What a decision is made from: facts about budgets and service, all given, none looked up.

use std::collections::BTreeMap;

use flyball_model::{Duration, Interval, Rational, Target, Timestamp};

use super::rollout::Rollout;
use crate::policy::{ChangeClass, Name, Number, Policy, Role, Value, Values};

/// The most moments at which bad events leave a window, of one budget: four weeks by the hour and some.
pub const LEAVING_MAX: usize = 744;

/// The lookbacks whose burn conditions may ask for, with their variables.
const BURNS: [(Duration, Name); 5] = [
    (Duration::from_minutes(5), Name::Burn5m),
    (Duration::from_hours(1), Name::Burn1h),
    (Duration::from_hours(6), Name::Burn6h),
    (Duration::from_hours(24), Name::Burn1d),
    (Duration::from_hours(72), Name::Burn3d),
];

/// The same lookbacks alone.
pub(crate) const BURN_LOOKBACKS: [Duration; 5] =
    [BURNS[0].0, BURNS[1].0, BURNS[2].0, BURNS[3].0, BURNS[4].0];

/// Whether a change may ship: what is asked.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Question {
    /// The service that changes.
    pub service: String,
    /// Why it changes.
    pub class: ChangeClass,
    /// The change, if it has a name already.
    pub change: Option<String>,
    /// Where it goes.
    pub environment: Option<String>,
    /// How far it reaches; `None` for everybody at once.
    pub rollout: Option<Rollout>,
    /// Who has signed this change.
    pub approvals: Vec<Approval>,
    /// The moment of asking.
    pub at: Timestamp,
}

/// Somebody's signature under one change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Approval {
    /// As what.
    pub role: Role,
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// What is known of the service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Its tier's name.
    pub tier: Option<String>,
    /// Who carries its pager: `developers`, `shared` or `sre`.
    pub custody: Option<String>,
    /// Incidents that are not resolved; `None` when nobody keeps them.
    pub incidents_open: Option<u64>,
    /// Alerts that page now; `None` when it is not known.
    pub alerts_paging: Option<u64>,
    /// Its budgets: objectives, and slices that have their own.
    pub budgets: Vec<BudgetFacts>,
}

/// What is known of one budget.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetFacts {
    /// The SLO.
    pub slo: String,
    /// The slice's label; `None` for all events.
    pub slice: Option<String>,
    /// The promised share of good.
    pub target: Target,
    /// The window.
    pub window: WindowFacts,
    /// Up to when its counts are complete.
    pub complete_up_to: Timestamp,
    /// What was counted in the window.
    pub counts: Counts,
    /// The share of the window that holds data, in parts of a million.
    pub coverage_ppm: Option<u64>,
    /// Valid and bad by lookback.
    pub burns: BTreeMap<Duration, (u64, u64)>,
    /// What is to be expected at the recent rate.
    pub outlook: Outlook,
    /// Bad events by the cause they are attributed to.
    pub causes: BTreeMap<String, u64>,
    /// The bad events of the largest incident in the window; `None` when nobody keeps incidents.
    pub largest_incident: Option<u64>,
    /// Bad events that leave a rolling window at each moment to come, in order; those past
    /// [`LEAVING_MAX`] are not looked at.
    pub leaving: Vec<Leaving>,
}

/// The window of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowFacts {
    /// The last stretch of this length.
    Rolling(Duration),
    /// The calendar's running period.
    Calendar(Interval),
}

/// What was counted in the unit of the objective's method: events, or slices of time. Where what is
/// spent is a fraction of a slice, both are multiplied by the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// No valid event ever.
    Never,
    /// There was data once, but none in the window.
    Gone,
    /// So many.
    Counted {
        /// Valid.
        valid: u64,
        /// Bad among them.
        bad: u64,
    },
}

/// When a budget will be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Nothing can be said.
    Unknown,
    /// It lasts.
    Lasts,
    /// It is gone, or will be at that moment.
    GoneAt(Timestamp),
}

/// Bad events that a rolling window forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving {
    /// The first moment at which they do not count.
    pub at: Timestamp,
    /// How many.
    pub bad: u64,
}

/// What a budget can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    /// Fresh counts.
    Known,
    /// Never any.
    Never,
    /// None now, or too old: no data is not health.
    Missing,
}

impl BudgetFacts {
    /// The budget of a service that has no objective: nothing was ever counted.
    pub(crate) fn none() -> Self {
        Self {
            slo: String::new(),
            slice: None,
            target: Target::new(Rational::ZERO).expect("nothing promised is below one"),
            window: WindowFacts::Rolling(Duration::ZERO),
            complete_up_to: Timestamp::MIN,
            counts: Counts::Never,
            coverage_ppm: None,
            burns: BTreeMap::new(),
            outlook: Outlook::Unknown,
            causes: BTreeMap::new(),
            largest_incident: None,
            leaving: Vec::new(),
        }
    }

    /// The SLO and slice, for people.
    pub(crate) fn label(&self) -> String {
        match &self.slice {
            Some(slice) => format!("{} [{slice}]", self.slo),
            None => self.slo.clone(),
        }
    }

    /// What it can tell at `at`, if counts may be `fresh` old.
    pub(crate) fn data(&self, at: Timestamp, fresh: Duration) -> Data {
        match self.counts {
            Counts::Never => Data::Never,
            Counts::Counted { valid, .. }
                if valid > 0 && at.since(self.complete_up_to) <= fresh =>
            {
                Data::Known
            }
            Counts::Counted { .. } | Counts::Gone => Data::Missing,
        }
    }

    /// Of `bad` events those that count against the budget: all but those of exempted causes. When
    /// `left` have gone from the window since, the exempted ones are taken to have gone first, so that
    /// no recovery is promised too early.
    fn counted_bad(&self, bad: u64, left: u64, policy: &Policy) -> u64 {
        let exempted = policy
            .spec()
            .exemptions
            .iter()
            .filter_map(|exemption| self.causes.get(&exemption.cause))
            .fold(0_u64, |sum, bad| sum.saturating_add(*bad));
        bad.saturating_sub(exempted.saturating_sub(left))
    }
}

/// How much time has passed since the facts were gathered, if things go well: nothing more goes bad,
/// and as many valid events come as leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Later {
    pub(crate) at: Timestamp,
    /// Whether this is the moment of asking itself.
    pub(crate) is_now: bool,
}

/// The values of all variables for `budget` at `later`; without a budget, those of the service alone.
pub(crate) fn values(
    policy: &Policy,
    question: &Question,
    facts: &Facts,
    budget: Option<&BudgetFacts>,
    later: Later,
) -> Values {
    let mut values = Values::unknown();
    let mut text = |name, text: Option<&str>| {
        values.set(name, text.map(|text| Value::Text(text.to_owned())));
    };
    text(Name::CustodyHolder, facts.custody.as_deref());
    text(Name::ServiceTier, facts.tier.as_deref());
    text(Name::ChangeClass, Some(question.class.word()));
    text(Name::ChangeEnvironment, question.environment.as_deref());
    let count = |count: Option<u64>| count.map(|count| Value::Number(Number::count(count)));
    values.set(Name::IncidentsOpen, count(facts.incidents_open));
    values.set(Name::AlertsPaging, count(facts.alerts_paging));
    let reach =
        question.rollout.as_ref().map_or(Number::ONE, |rollout| Number::of(rollout.reach()));
    values.set(Name::ChangeShare, Some(Value::Number(reach)));
    calendar(&mut values, policy, later.at);
    if let Some(budget) = budget {
        of_budget(&mut values, policy, budget, question.at, later);
    }
    values
}

fn calendar(values: &mut Values, policy: &Policy, at: Timestamp) {
    const WEEKDAYS: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let local = at.to_jiff().to_zoned(policy.zone().clone());
    let number = |value: i8| Some(Value::Number(Number::count(u64::from(value.unsigned_abs()))));
    let day = local.weekday().to_monday_zero_offset().unsigned_abs();
    let weekday = WEEKDAYS[usize::from(day)];
    values.set(Name::CalendarWeekday, Some(Value::Text(weekday.to_owned())));
    values.set(Name::CalendarHour, number(local.hour()));
    values.set(Name::CalendarMonth, number(local.month()));
    values.set(Name::CalendarDay, number(local.day()));
}

fn of_budget(
    values: &mut Values,
    policy: &Policy,
    budget: &BudgetFacts,
    asked: Timestamp,
    later: Later,
) {
    values.set(Name::BudgetSlo, Some(Value::Text(budget.slo.clone())));
    values.set(Name::BudgetSlice, budget.slice.clone().map(Value::Text));
    let number = |number: Option<Number>| number.map(Value::Number);
    let (valid, bad, left) = match (budget.data(asked, policy.spec().fresh), budget.counts) {
        (Data::Known, Counts::Counted { valid, bad }) => {
            let over =
                matches!(budget.window, WindowFacts::Calendar(period) if later.at >= period.end());
            let left = budget
                .leaving
                .iter()
                .take(LEAVING_MAX)
                .take_while(|leaving| leaving.at <= later.at)
                .fold(0_u64, |sum, leaving| sum.saturating_add(leaving.bad));
            (valid, if over { 0 } else { bad.saturating_sub(left) }, left)
        }
        (Data::Never, _) => {
            // A service that nobody has used yet has spent nothing.
            values.set(Name::BudgetExhausted, Some(Value::Bool(false)));
            values.set(Name::BudgetSpent, number(Some(Number::ZERO)));
            values.set(Name::BudgetGross, number(Some(Number::ZERO)));
            values.set(Name::BudgetRemaining, number(Some(Number::ONE)));
            values.set(Name::BudgetValid, number(Some(Number::ZERO)));
            values.set(Name::ForecastExhausts, Some(Value::Bool(false)));
            for (_, name) in BURNS {
                values.set(name, number(Some(Number::ZERO)));
            }
            return;
        }
        _ => return,
    };
    let spent = Number::spent(budget.counted_bad(bad, left, policy), valid, budget.target);
    values.set(Name::BudgetExhausted, spent.map(|spent| Value::Bool(spent > Number::ONE)));
    values.set(Name::BudgetSpent, number(spent));
    values.set(Name::BudgetRemaining, number(spent.map(Number::complement)));
    values.set(Name::BudgetGross, number(Number::spent(bad, valid, budget.target)));
    values.set(Name::BudgetValid, number(Some(Number::count(valid))));
    let coverage = budget.coverage_ppm.and_then(|ppm| Number::ratio(ppm, 1_000_000));
    values.set(Name::BudgetCoverage, number(coverage));
    let largest = budget.largest_incident.and_then(|bad| Number::spent(bad, valid, budget.target));
    values.set(Name::IncidentsLargest, number(largest));
    forecast(values, budget, spent, later);
    for (lookback, name) in BURNS {
        let burn = if later.is_now {
            budget
                .burns
                .get(&lookback)
                .and_then(|(valid, bad)| Number::spent(*bad, *valid, budget.target))
        } else {
            // Nothing more goes bad, so that after the lookback the burn is none.
            (later.at.since(asked) >= lookback).then_some(Number::ZERO)
        };
        values.set(name, number(burn));
    }
}

fn forecast(values: &mut Values, budget: &BudgetFacts, spent: Option<Number>, later: Later) {
    let gone = spent.is_some_and(|spent| spent > Number::ONE);
    let (exhausts, within) = match budget.outlook {
        _ if gone => (Some(true), Some(Duration::ZERO)),
        // What the outlook was made from is past: things have gone well since.
        _ if !later.is_now => (Some(false), None),
        Outlook::Unknown => (None, None),
        Outlook::Lasts => (Some(false), None),
        Outlook::GoneAt(at) => (Some(true), Some(at.since(later.at))),
    };
    values.set(Name::ForecastExhausts, exhausts.map(Value::Bool));
    values.set(Name::ForecastIn, within.map(Value::Length));
}
