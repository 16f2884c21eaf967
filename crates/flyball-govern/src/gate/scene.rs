//! What conditions see, now and at moments to come.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Duration, Timestamp};

use super::GateInputs;
use super::decision::Input;
use super::facts::{BudgetFacts, Counts, Data, Facts, LEAVING_MAX, Outlook, Question, WindowFacts};
use crate::checklist::Stage;
use crate::policy::{Condition, Name, Number, Place, Policy, Value, Values};

/// The lookbacks whose burn conditions may ask for, with their variables.
const BURNS: [(Duration, Name); 5] = [
    (Duration::from_minutes(5), Name::Burn5m),
    (Duration::from_hours(1), Name::Burn1h),
    (Duration::from_hours(6), Name::Burn6h),
    (Duration::from_hours(24), Name::Burn1d),
    (Duration::from_hours(72), Name::Burn3d),
];
/// How far ahead the calendar is looked at: a week and a day, so that a weekly rule ends inside.
const CALENDAR_HOURS: u32 = 192;

/// The values that conditions see at one moment: one set for each budget that counts, or one of a
/// service that has none.
pub(super) struct Scene<'a> {
    policy: &'a Policy,
    asked: Timestamp,
    sets: Vec<Set<'a>>,
    uses_calendar: bool,
    is_new: bool,
}

/// The values for one budget.
struct Set<'a> {
    budget: Option<&'a BudgetFacts>,
    values: Values,
    /// How many entries of what leaves the window are past.
    passed: usize,
    /// The bad events that have left since the moment of asking.
    left: u64,
}

impl<'a> Scene<'a> {
    /// What is seen at the moment of asking.
    pub(super) fn new(inputs: &GateInputs<'a>) -> Self {
        Self::seeing(inputs, inputs.policy.conditions().flat_map(Condition::places))
    }

    /// What `condition`, which is none of the policy's, sees at the moment of asking.
    pub(super) fn of(inputs: &GateInputs<'a>, condition: &Condition) -> Self {
        Self::seeing(inputs, condition.places())
    }

    fn seeing(inputs: &GateInputs<'a>, places: impl Iterator<Item = Place>) -> Self {
        let GateInputs { policy, question, facts, .. } = *inputs;
        let data = |budget: &BudgetFacts| budget.data(question.at, policy.spec().fresh);
        // Objectives that have never counted anything have nothing to say beside others that have.
        let is_new = facts.budgets.iter().all(|budget| data(budget) == Data::Never);
        let service = of_service(policy, question, facts, places);
        let set = |budget: Option<&'a BudgetFacts>| {
            let mut values = service.clone();
            match budget {
                Some(budget) => of_budget(&mut values, policy, budget, question.at),
                None => of_nothing(&mut values),
            }
            Set { budget, values, passed: 0, left: 0 }
        };
        let budgets = facts.budgets.iter().filter(|budget| is_new || data(budget) != Data::Never);
        let mut sets: Vec<_> = budgets.map(|budget| set(Some(budget))).collect();
        if sets.is_empty() {
            sets.push(set(None));
        }
        let mut asked = policy.conditions().flat_map(Condition::asked);
        let uses_calendar = asked.any(|(_, variable)| variable.is_of_calendar());
        Self { policy, asked: question.at, sets, uses_calendar, is_new }
    }

    /// True when nothing of the service was ever counted.
    pub(super) const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Goes on to `at`, later than before, if nothing more goes bad and as many valid events come as
    /// leave.
    pub(super) fn advance(&mut self, at: Timestamp) {
        let today = self.uses_calendar.then(|| Today::at(self.policy, at));
        for set in &mut self.sets {
            if let Some(today) = &today {
                today.tell(&mut set.values);
            }
            let Some(budget) = set.budget else { continue };
            let (Data::Known, Counts::Counted { valid, bad }) =
                (budget.data(self.asked, self.policy.spec().fresh), budget.counts)
            else {
                continue;
            };
            let leaving = budget.leaving.iter().take(LEAVING_MAX).skip(set.passed);
            for leaving in leaving.take_while(|leaving| leaving.at <= at) {
                set.left = set.left.saturating_add(leaving.bad);
                set.passed += 1;
            }
            let is_over =
                matches!(budget.window, WindowFacts::Calendar(period) if at >= period.end());
            let bad = if is_over { 0 } else { bad.saturating_sub(set.left) };
            let spent = spend(&mut set.values, self.policy, budget, valid, bad, set.left);
            // What the outlook was made from is past: things have gone well since.
            let gone = spent.is_some_and(|spent| spent > Number::ONE);
            set.values.set(Name::ForecastExhausts, Some(Value::Bool(gone)));
            set.values.set(Name::ForecastIn, gone.then_some(Value::Length(Duration::ZERO)));
            // Nothing more goes bad, so that after the lookback the burn is none.
            for (lookback, name) in BURNS {
                let over = at.since(self.asked) >= lookback;
                set.values.set(name, over.then_some(Value::Number(Number::ZERO)));
            }
        }
    }

    /// When anything that a condition looks at may change by time alone, in no order, some of them more
    /// than once.
    pub(super) fn moments(&self) -> Vec<Timestamp> {
        let at = self.asked;
        let mut moments: Vec<_> = BURNS.iter().map(|(lookback, _)| at.plus(*lookback)).collect();
        for budget in self.sets.iter().filter_map(|set| set.budget) {
            moments.extend(budget.leaving.iter().take(LEAVING_MAX).map(|leaving| leaving.at));
            if let WindowFacts::Calendar(period) = budget.window {
                moments.push(period.end());
            }
        }
        if self.uses_calendar {
            // Zones differ from UTC by whole quarters of an hour.
            let offset = at.to_jiff().to_zoned(self.policy.zone().clone()).offset().seconds();
            let minutes = if offset % 3_600 == 0 { 60 } else { 15 };
            let step = Duration::from_minutes(minutes);
            let mut moment = at.ceil(step);
            for _ in 0..CALENDAR_HOURS * 60 / minutes {
                moments.push(moment);
                moment = moment.plus(step);
            }
        }
        moments
    }

    /// Whether `condition` holds for any of the budgets.
    pub(super) fn holds(&self, condition: &Condition) -> Option<bool> {
        let mut answer = Some(false);
        for set in &self.sets {
            match condition.holds(&set.values) {
                Some(true) => return Some(true),
                None => answer = None,
                Some(false) => {}
            }
        }
        answer
    }

    /// Whether it is unknown of any budget if `condition` holds for it.
    pub(super) fn is_unknown_of_any(&self, condition: &Condition) -> bool {
        self.sets.iter().any(|set| condition.holds(&set.values).is_none())
    }

    /// The budgets of which `condition` says `holds`, each with what is left of it; none where it asks nothing of a
    /// budget.
    pub(super) fn budgets(&self, condition: &Condition, holds: Option<bool>) -> Vec<String> {
        if !condition.asks_of_budget() {
            return Vec::new();
        }
        let these = self.sets.iter().filter(|set| condition.holds(&set.values) == holds);
        these.filter_map(|set| Some(self.standing(set, set.budget?))).collect()
    }

    /// The budget of `set` by its name, with what is left of it, exempted events left out, and over which window.
    fn standing(&self, set: &Set<'_>, budget: &BudgetFacts) -> String {
        let label = budget.label();
        let (Data::Known, Counts::Counted { valid, bad }) =
            (budget.data(self.asked, self.policy.spec().fresh), budget.counts)
        else {
            return label;
        };
        let bad = bad.saturating_sub(set.left);
        let bad = budget.counted_bad(bad, set.left, self.policy);
        let Some(spent) = Number::spent(bad, valid, budget.target) else { return label };
        let left = spent.complement().to_f64() * 100.0;
        match budget.window {
            WindowFacts::Rolling(length) => format!("{label} ({left:.1}% left over {length})"),
            WindowFacts::Calendar(period) => {
                format!("{label} ({left:.1}% left of the window that ends {:.0})", period.end())
            }
        }
    }

    /// Everything that the policy's conditions look at, each once, in order of budgets and variables.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let asked: BTreeMap<_, _> = self.policy.conditions().flat_map(Condition::asked).collect();
        let mut inputs = Vec::new();
        for (index, set) in self.sets.iter().enumerate() {
            let asked = asked.iter().filter(|(_, of)| index == 0 || of.is_of_budget());
            for (place, variable) in asked {
                let budget = set.budget.filter(|_| variable.is_of_budget());
                inputs.push(Input {
                    budget: budget.map(BudgetFacts::label),
                    name: variable.name,
                    value: set.values.get(*place).map(ToString::to_string),
                });
            }
        }
        inputs
    }

    /// The budgets that had data and have none that is fresh, in a sentence each that begins with a blank.
    pub(super) fn without_data(&self) -> impl Iterator<Item = String> {
        let fresh = self.policy.spec().fresh;
        let budgets = self.sets.iter().filter_map(|set| set.budget);
        budgets.filter(move |budget| budget.data(self.asked, fresh) == Data::Missing).map(
            move |budget| {
                let (label, up_to) = (budget.label(), budget.complete_up_to);
                match budget.counts {
                    Counts::Counted { valid: 1.., .. } => {
                        format!(" The counts of {label} end at {up_to:.0}, more than {fresh} ago.")
                    }
                    _ => format!(" Nothing was counted of {label} in its window up to {up_to:.0}."),
                }
            },
        )
    }

    /// The variables for want of which `condition` cannot be told.
    pub(super) fn missing(&self, condition: &Condition) -> BTreeSet<String> {
        let mut missing = BTreeSet::new();
        for set in self.sets.iter().filter(|set| condition.holds(&set.values).is_none()) {
            let asked = condition.asked();
            for (_, variable) in asked.filter(|(place, _)| set.values.get(*place).is_none()) {
                missing.insert(match set.budget.filter(|_| variable.is_of_budget()) {
                    Some(budget) => format!("{} of {}", variable.name, budget.label()),
                    None => variable.name.to_owned(),
                });
            }
        }
        missing
    }
}

fn text(text: &str) -> Value {
    Value::Text(Cow::Owned(text.to_owned()))
}

fn of_service(
    policy: &Policy,
    question: &Question,
    facts: &Facts,
    places: impl Iterator<Item = Place>,
) -> Values {
    let mut values = Values::unknown(places);
    values.set(Name::CustodyHolder, facts.custody.as_deref().map(text));
    for (name, stage) in [
        (Name::ReviewLaunch, Stage::Launch),
        (Name::ReviewProduction, Stage::Production),
        (Name::ReviewHandOff, Stage::HandOff),
    ] {
        let approved = facts.approved.as_ref();
        values.set(name, approved.map(|approved| Value::Bool(approved.contains(&stage))));
    }
    values.set(Name::ServiceTier, facts.tier.as_deref().map(text));
    values.set(Name::ChangeClass, Some(Value::Text(Cow::Borrowed(question.class.word()))));
    values.set(Name::ChangeEnvironment, question.environment.as_deref().map(text));
    let count = |count: Option<u64>| count.map(|count| Value::Number(Number::count(count)));
    values.set(Name::IncidentsOpen, count(facts.incidents_open));
    values.set(Name::AlertsPaging, count(facts.alerts_paging));
    let reach =
        question.rollout.as_ref().map_or(Number::ONE, |rollout| Number::of(rollout.reach()));
    values.set(Name::ChangeShare, Some(Value::Number(reach)));
    Today::at(policy, question.at).tell(&mut values);
    values
}

/// The calendar at one moment.
struct Today {
    weekday: &'static str,
    numbers: [(Name, i8); 3],
}

impl Today {
    fn at(policy: &Policy, at: Timestamp) -> Self {
        const WEEKDAYS: [&str; 7] =
            ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let local = at.to_jiff().to_zoned(policy.zone().clone());
        let day = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
        Self {
            weekday: WEEKDAYS[day],
            numbers: [
                (Name::CalendarHour, local.hour()),
                (Name::CalendarMonth, local.month()),
                (Name::CalendarDay, local.day()),
            ],
        }
    }

    fn tell(&self, values: &mut Values) {
        values.set(Name::CalendarWeekday, Some(Value::Text(Cow::Borrowed(self.weekday))));
        for (name, number) in self.numbers {
            let number = Number::count(u64::from(number.unsigned_abs()));
            values.set(name, Some(Value::Number(number)));
        }
    }
}

/// A service that nobody has used yet has spent nothing.
fn of_nothing(values: &mut Values) {
    let number = |number| Some(Value::Number(number));
    values.set(Name::BudgetExhausted, Some(Value::Bool(false)));
    values.set(Name::BudgetSpent, number(Number::ZERO));
    values.set(Name::BudgetGross, number(Number::ZERO));
    values.set(Name::BudgetRemaining, number(Number::ONE));
    values.set(Name::BudgetValid, number(Number::ZERO));
    values.set(Name::ForecastExhausts, Some(Value::Bool(false)));
    for (_, name) in BURNS {
        values.set(name, number(Number::ZERO));
    }
}

/// What `budget` says at the moment of asking, `at`.
fn of_budget(values: &mut Values, policy: &Policy, budget: &BudgetFacts, at: Timestamp) {
    values.set(Name::BudgetSlo, Some(text(&budget.slo)));
    values.set(Name::BudgetSlice, budget.slice.as_deref().map(text));
    let (valid, bad) = match (budget.data(at, policy.spec().fresh), budget.counts) {
        (Data::Known, Counts::Counted { valid, bad }) => (valid, bad),
        (Data::Never, _) => return of_nothing(values),
        _ => return,
    };
    let spent = spend(values, policy, budget, valid, bad, 0);
    let number = |number: Option<Number>| number.map(Value::Number);
    let coverage = budget.coverage_ppm.and_then(|ppm| Number::ratio(ppm, 1_000_000));
    values.set(Name::BudgetCoverage, number(coverage));
    let largest = budget.largest_incident.and_then(|bad| Number::spent(bad, valid, budget.target));
    values.set(Name::BudgetLargestIncident, number(largest));
    let (exhausts, within) = match budget.outlook {
        _ if spent.is_some_and(|spent| spent > Number::ONE) => (Some(true), Some(Duration::ZERO)),
        Outlook::Unknown => (None, None),
        Outlook::Lasts => (Some(false), None),
        Outlook::GoneAt(gone) => (Some(true), Some(gone.since(at))),
    };
    values.set(Name::ForecastExhausts, exhausts.map(Value::Bool));
    values.set(Name::ForecastIn, within.map(Value::Length));
    for (lookback, name) in BURNS {
        let counted = budget.burns.iter().find(|counted| counted.length == lookback);
        let burn = counted.and_then(|c| Number::spent(c.bad, c.valid, budget.target));
        values.set(name, number(burn));
    }
}

/// Sets what is spent of `budget`, and returns it.
fn spend(
    values: &mut Values,
    policy: &Policy,
    budget: &BudgetFacts,
    valid: u64,
    bad: u64,
    left: u64,
) -> Option<Number> {
    let number = |number: Option<Number>| number.map(Value::Number);
    let spent = Number::spent(budget.counted_bad(bad, left, policy), valid, budget.target);
    values.set(Name::BudgetExhausted, spent.map(|spent| Value::Bool(spent > Number::ONE)));
    values.set(Name::BudgetSpent, number(spent));
    values.set(Name::BudgetRemaining, number(spent.map(Number::complement)));
    values.set(Name::BudgetGross, number(Number::spent(bad, valid, budget.target)));
    values.set(Name::BudgetValid, number(Some(Number::count(valid))));
    spent
}
