//! Running sums against the whole history: after every tick both say the same.

mod forecast;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use flyball_budget::alert::{Change, Firing, default_rules};
use flyball_budget::live::{History, Live, LiveError, Plan, Saved};
use flyball_budget::{IndicatorSeries, Measured, Series, assess};
use flyball_model::{
    AlertRule, BudgetingMethod, CalendarUnit, CalendarWindow, Comparison, Condition, Correction,
    CorrectionMode, Duration, Evidence, Factor, Interval, NoDataRule, Objective, Rational,
    Schedule, Severity, Slo, Slot, Tally, Target, Timestamp, Window,
};
use proptest::prelude::*;

use crate::support::{duration, objective, rolling, share, slo};

pub(crate) const SLOT: Duration = Duration::from_minutes(10);
/// 2026-03-27T18:00:00Z, two days before clocks go forward in Berlin and four before its month ends.
pub(crate) const SINCE: i64 = 1_774_634_400;

/// A ledger in memory that counts how often it is read, and fails when it is told to.
#[derive(Debug)]
pub(crate) struct Ledger {
    width: Duration,
    slots: RefCell<BTreeMap<Slot, Tally>>,
    reads: Cell<usize>,
    fails: Cell<bool>,
}

impl Ledger {
    pub(crate) fn new(width: Duration) -> Self {
        Self { width, slots: RefCell::default(), reads: Cell::new(0), fails: Cell::new(false) }
    }

    pub(crate) fn add(&self, added: &[(Slot, Tally)]) {
        let mut slots = self.slots.borrow_mut();
        for (slot, tally) in added {
            let sum = slots.entry(*slot).or_default();
            *sum = sum.plus(*tally);
        }
    }

    fn series(&self) -> Series {
        let slots = self.slots.borrow();
        Series::new(self.width, slots.iter().map(|(slot, tally)| (*slot, *tally))).unwrap()
    }
}

impl History for Ledger {
    type Error = &'static str;

    fn tallies(
        &self,
        interval: Interval,
        into: &mut Vec<(Slot, Tally)>,
    ) -> Result<(), Self::Error> {
        if self.fails.get() {
            return Err("the disk is gone");
        }
        self.reads.set(self.reads.get() + 1);
        let bound = |at: Timestamp| Slot::of(at.ceil(self.width), self.width);
        let slots = self.slots.borrow();
        into.extend(
            slots.range(bound(interval.start())..bound(interval.end())).map(|(s, t)| (*s, *t)),
        );
        Ok(())
    }
}

/// What happens between two looks.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Events in slots so many before now (negative: still to come): (slots ago, good, bad, undecided).
    Events(Vec<(i64, u64, u64, u64)>),
    /// Time passes: seconds.
    Tick(u32),
    /// The state is saved as JSON, dropped and loaded.
    Restart,
    /// The state is dropped and made again from the ledger's beginning.
    Replay,
    /// The ledger cannot be read for one tick of so many seconds, which is then made again.
    Fault(u32),
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let event = |ago: BoxedStrategy<i64>| {
        (ago, 0u64..40, prop_oneof![2 => Just(0u64), 1 => 0u64..9], 0u64..2)
    };
    let fresh = proptest::collection::vec(event((-3i64..1).boxed()), 1..6).prop_map(Step::Events);
    let burst = (0u64..3, 5u64..60)
        .prop_map(|(good, bad)| Step::Events((-4..0).map(|ago| (ago, good, bad, 0)).collect()));
    let late = prop_oneof![3 => 1i64..12, 2 => 1i64..200, 1 => 1i64..1500];
    let late = proptest::collection::vec(event(late.boxed()), 1..4).prop_map(Step::Events);
    let tick = prop_oneof![
        6 => Just(600u32),
        3 => Just(1800),
        2 => 1u32..2000,
        2 => 3600u32..40_000,
        1 => 86_400u32..200_000,
    ];
    let one = prop_oneof![
        6 => fresh,
        2 => burst,
        2 => late,
        10 => tick.prop_map(Step::Tick),
        1 => Just(Step::Restart),
        1 => Just(Step::Replay),
        1 => (600u32..20_000).prop_map(Step::Fault),
    ];
    proptest::collection::vec(one, 1..60)
}

/// What `events` of a step add to slots at `now`.
pub(crate) fn added(now: Timestamp, events: &[(i64, u64, u64, u64)]) -> Vec<(Slot, Tally)> {
    let here = Slot::of(now, SLOT).0;
    let added = events.iter().map(|(ago, good, bad, undecided)| {
        let tally = Tally::with_undecided(good + bad + undecided, *good, *undecided);
        (Slot(here - ago), tally.unwrap())
    });
    added.collect()
}

fn windows() -> impl Strategy<Value = Window> {
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let unit =
        prop_oneof![Just(CalendarUnit::Day), Just(CalendarUnit::Week), Just(CalendarUnit::Month)];
    let calendar = unit.prop_map(move |unit| {
        Window::Calendar(CalendarWindow {
            unit,
            count: 1,
            zone: zone.clone(),
            anchor: jiff::civil::date(2026, 1, 31).at(0, 0, 0, 0),
        })
    });
    let lengths =
        prop_oneof![Just("10m"), Just("70m"), Just("6h"), Just("25h"), Just("3d"), Just("11d")];
    prop_oneof![3 => lengths.prop_map(rolling), 2 => calendar]
}

fn rules(unit: u32) -> impl Strategy<Value = Vec<AlertRule>> {
    let units = move |count: u32| Duration::from_minutes(unit * count);
    let comparison = prop_oneof![
        4 => Just(Comparison::Above),
        1 => Just(Comparison::AtLeast),
        1 => Just(Comparison::Below)
    ];
    let burn = (1u32..200, proptest::option::of(1u32..9), 1u64..30, comparison).prop_map(
        move |(long, short, tenths, comparison)| Condition::Burn {
            long: units(long),
            short: short.map(|short| units(short.min(long))),
            factor: Factor::Exact(Rational::new(tenths, 10).unwrap()),
            comparison,
        },
    );
    let exhaustion = (1u32..60, 1u32..30).prop_map(move |(within, lookback)| {
        Condition::Exhaustion { within: units(within), lookback: units(lookback) }
    });
    let remaining = (0u64..=10)
        .prop_map(|tenths| Condition::RemainingBelow { share: Rational::new(tenths, 10).unwrap() });
    let evidence =
        (prop_oneof![Just(None), Just(Some("0.9")), Just(Some("0.999"))], 0u64..4, 0u64..9)
            .prop_map(|(confidence, bad_min, valid_min)| Evidence {
                confidence: confidence.map(share),
                bad_min,
                valid_min,
            });
    let rule = (
        prop_oneof![3 => burn, 1 => exhaustion, 1 => remaining],
        prop_oneof![2 => Just(0u32), 1 => 0u32..100],
        proptest::option::of(evidence),
    );
    proptest::collection::vec(rule, 0..4).prop_map(|rules| {
        let one = |(index, (condition, hold, evidence)): (usize, (Condition, u32, _))| AlertRule {
            name: format!("rule-{index}"),
            severity: Severity::Page,
            condition,
            hold: Duration::from_minutes(hold),
            evidence,
        };
        rules.into_iter().enumerate().map(one).collect()
    })
}

/// An SLO with units of ten minutes (events), or slices of so many.
pub(crate) fn slos() -> impl Strategy<Value = Slo> {
    let method = prop_oneof![
        3 => Just((BudgetingMethod::Occurrences, 10u32)),
        2 => (Just(BudgetingMethod::Timeslices), prop_oneof![Just(10u32), Just(20), Just(120)]),
        2 => (Just(BudgetingMethod::RatioTimeslices), prop_oneof![Just(10u32), Just(20), Just(120)]),
    ];
    let no_data = prop_oneof![
        3 => Just(NoDataRule::Gap),
        1 => Just(NoDataRule::Good),
        1 => Just(NoDataRule::Bad)
    ];
    // Those in minutes are whole slots, and not whole slices; 15 are not even whole slots.
    let lookback = prop_oneof![
        Just("10m"),
        Just("15m"),
        Just("30m"),
        Just("50m"),
        Just("2h"),
        Just("6h"),
        Just("3d")
    ];
    let lookbacks = proptest::collection::vec(lookback.prop_map(duration), 0..4);
    let rest = (windows(), no_data, lookbacks, 1u64..20, 0u64..3);
    (method, rest).prop_flat_map(|((method, unit), rest)| {
        let (window, no_data, lookbacks, twentieths, floor) = rest;
        let objective = Objective {
            target: Target::new(Rational::new(twentieths, 20).unwrap()).unwrap(),
            timeslice_window: Some(Duration::from_minutes(unit)),
            timeslice_target: Rational::parse("0.75"),
            ..objective("0.5")
        };
        let slo = Slo {
            no_data,
            lookbacks,
            coverage_floor: Rational::new(floor, 10).unwrap(),
            ..slo(method, window, vec![objective])
        };
        rules(unit).prop_map(move |alert_rules| Slo { alert_rules, ..slo.clone() })
    })
}

pub(crate) fn corrections() -> impl Strategy<Value = Vec<Correction>> {
    let schedule = prop_oneof![
        3 => (-1500i64..4000, 1i64..1500).prop_map(|(start, minutes)| {
            let start = SINCE + start * 60;
            Schedule::Once(crate::support::span(start, start + minutes * 60))
        }),
        1 => Just(Schedule::Recurring {
            start: jiff::civil::date(2026, 3, 1).at(2, 30, 0, 0),
            zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(),
            length: Duration::from_minutes(45),
            rule: "FREQ=DAILY".to_owned(),
        }),
    ];
    let mode = prop_oneof![Just(CorrectionMode::Drop), Just(CorrectionMode::CountAsGood)];
    let one = (schedule, mode).prop_map(|(schedule, mode)| Correction {
        name: "c".to_owned(),
        slos: Vec::new(),
        schedule,
        mode,
        category: "test".to_owned(),
        author: "us".to_owned(),
        reason: None,
    });
    prop_oneof![2 => Just(Vec::new()), 1 => proptest::collection::vec(one, 1..4)]
}

type Failed = LiveError<&'static str>;

/// A live objective beside what it is held against.
struct World {
    slo: Slo,
    corrections: Vec<Correction>,
    plan: Plan,
    ledger: Ledger,
    live: Live,
    now: Timestamp,
    /// What was called so far.
    resolved: Vec<Firing>,
    fired: usize,
    /// What changed since then.
    changes: Vec<Change>,
    /// The same decided by a state that is made anew from the ledger, for each unit once events
    /// came late: then a replay knows more than was known when it was decided.
    twin: Saved,
    twin_changes: Vec<Change>,
    is_late: bool,
}

impl World {
    fn new(slo: Slo, corrections: Vec<Correction>, before: &[(Slot, Tally)]) -> Self {
        let since = Timestamp::from_seconds(SINCE);
        let until = since.plus(Duration::from_days(400));
        let plan = Plan::new(&slo, 0, SLOT, &corrections, since, until).unwrap();
        let ledger = Ledger::new(SLOT);
        ledger.add(before);
        let live = Live::new(&plan, &ledger).unwrap();
        let twin = live.save();
        Self {
            slo,
            corrections,
            plan,
            ledger,
            live,
            now: since,
            resolved: Vec::new(),
            fired: 0,
            twin,
            twin_changes: Vec::new(),
            changes: Vec::new(),
            is_late: false,
        }
    }

    fn unit(&self) -> Duration {
        match self.slo.method {
            BudgetingMethod::Occurrences => SLOT,
            _ => self.slo.objectives[0].timeslice_window.unwrap(),
        }
    }

    fn events(&mut self, events: &[(i64, u64, u64, u64)]) {
        let added = added(self.now, events);
        let entered = self.now.floor(self.unit());
        self.is_late |= added
            .iter()
            .any(|(slot, tally)| !tally.is_empty() && slot.interval(SLOT).start() < entered);
        self.ledger.add(&added);
        self.live.record(&self.plan, &added, &self.ledger).unwrap();
    }

    fn tick(&mut self, seconds: u32) -> Result<(), Failed> {
        let to = self.now.plus(Duration::from_seconds(seconds));
        let advanced = self.live.advance(&self.plan, to, &self.ledger, &mut self.changes);
        self.ledger.fails.set(false);
        advanced?;
        self.now = to;
        if self.is_late {
            // Each unit from a state that knows nothing but the ledger and the rules' states.
            let mut at = Timestamp::from_nanos(self.twin.at);
            while at < to {
                at = at.plus(SLOT).min(to);
                self.advance_twin(at);
            }
        } else {
            self.advance_twin(to);
        }
        Ok(())
    }

    fn advance_twin(&mut self, to: Timestamp) {
        let mut twin = Live::load(&self.plan, &self.twin, &self.ledger).unwrap();
        twin.advance(&self.plan, to, &self.ledger, &mut self.twin_changes).unwrap();
        self.twin = twin.save();
    }

    /// Takes note of what was called.
    fn count(&mut self) {
        for change in self.changes.drain(..) {
            match change {
                Change::Fired(_) => self.fired += 1,
                Change::Resolved(firing) => self.resolved.push(firing),
            }
        }
        self.twin_changes.clear();
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let (plan, ledger) = (&self.plan, &self.ledger);
        let span = Interval::new(Timestamp::from_seconds(SINCE), self.now).unwrap();
        let total = ledger.series();
        let measured = Measured { indicators: vec![IndicatorSeries { total, slices: Vec::new() }] };
        let report = assess(&self.slo, &measured, &self.corrections, self.now, span).unwrap();
        let expected = &report.objectives[0].total;
        prop_assert_eq!(self.live.window(plan).unwrap(), expected.window);
        prop_assert_eq!(self.live.budget(plan, ledger).unwrap(), expected.budget.clone());
        prop_assert_eq!(self.live.seen(plan), expected.coverage.seen());
        let status = self.live.status(plan, ledger).unwrap();
        prop_assert_eq!(status, (expected.status, expected.reason));
        prop_assert_eq!(self.live.burns(plan).collect::<Vec<_>>(), expected.burns.clone());
        prop_assert_eq!(self.live.forecast(plan, ledger).unwrap(), expected.forecast.clone());
        prop_assert_eq!(plan.refused(), expected.rule_errors.as_slice());
        prop_assert_eq!(&self.changes, &self.twin_changes);
        self.count();
        if !self.is_late {
            let mut firings = self.resolved.clone();
            firings.extend(self.live.firings(&self.plan));
            prop_assert_eq!(self.fired, firings.len());
            let key = |firing: &Firing| (firing.start, firing.rule.clone());
            firings.sort_by_key(key);
            let mut expected = expected.firings.clone();
            expected.sort_by_key(key);
            prop_assert_eq!(firings, expected);
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Events(events) => self.events(events),
            Step::Tick(seconds) => self.tick(*seconds).unwrap(),
            Step::Restart => {
                let text = serde_json::to_string(&self.live.save()).unwrap();
                let saved = serde_json::from_str(&text).unwrap();
                self.live = Live::load(&self.plan, &saved, &self.ledger).unwrap();
            }
            Step::Replay if self.is_late => {}
            Step::Replay => {
                self.live = Live::new(&self.plan, &self.ledger).unwrap();
                let mut changes = Vec::new();
                self.live.advance(&self.plan, self.now, &self.ledger, &mut changes).unwrap();
                prop_assert_eq!(changes.len(), self.fired + self.resolved.len());
            }
            Step::Fault(seconds) => {
                self.ledger.fails.set(true);
                if let Err(failed) = self.tick(*seconds) {
                    prop_assert_eq!(failed, LiveError::History("the disk is gone"));
                    self.tick(*seconds).unwrap();
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn running_sums_say_what_the_whole_history_says(
        slo in slos(),
        corrections in corrections(),
        before in proptest::collection::vec((-400i64..0, 0u64..20, 0u64..5), 0..20),
        steps in steps(),
    ) {
        let first = SINCE / 600;
        let before: Vec<(Slot, Tally)> = before
            .iter()
            .map(|(slot, good, bad)| (Slot(first + slot), Tally::new(good + bad, *good).unwrap()))
            .collect();
        let mut world = World::new(slo, corrections, &before);
        for step in &steps {
            world.take(step)?;
            // Nothing was collected before, so no correction concerns it.
            if world.now > world.plan.since() {
                world.check()?;
            }
        }
    }
}

#[test]
fn the_generators_reach_what_matters() {
    // Guards the property above: without firings, late events and new periods it would prove little.
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut fired, mut resolved, mut late, mut periods) = (0, 0, 0, 0);
    for _ in 0..80 {
        let slo = slos().new_tree(&mut runner).unwrap().current();
        let mut world = World::new(slo, Vec::new(), &[]);
        let first = world.live.window(&world.plan).unwrap().full;
        for step in steps().new_tree(&mut runner).unwrap().current() {
            world.take(&step).unwrap();
            world.count();
        }
        fired += world.fired;
        resolved += world.resolved.len();
        late += i32::from(world.is_late);
        let last = world.live.window(&world.plan).unwrap().full;
        let is_calendar = matches!(world.slo.window, Window::Calendar(_));
        periods += i32::from(is_calendar && first != last);
    }
    assert!(fired > 40 && resolved > 20, "{fired} fired, {resolved} resolved");
    assert!(late > 20 && periods > 5, "{late} late, {periods} periods ended");
}

/// Two days of one event a slot at slots of ten minutes, in a window of a day.
fn a_day() -> World {
    let slo = slo(BudgetingMethod::Occurrences, rolling("1d"), vec![objective("0.9")]);
    let mut world = World::new(slo, Vec::new(), &[]);
    for _ in 0..288 {
        world.events(&[(0, 1, 0, 0)]);
        world.tick(600).unwrap();
    }
    world
}

#[test]
fn a_late_event_counts_once_wherever_its_slot_is_held() {
    // Slots so long ago: held as recent, held as copies that leave soon, not read yet; the last
    // one has left the window.
    for (ago, counts) in [(1, 1), (7, 1), (100, 1), (143, 1), (144, 1), (145, 0)] {
        let mut world = a_day();
        let bad = |world: &World| world.live.budget(&world.plan, &world.ledger).unwrap().bad;
        world.events(&[(ago, 0, 1, 0)]);
        assert_eq!(bad(&world), counts, "{ago} slots ago");
        // It stays until its slot has left, and then it is gone: not twice, not never.
        for _ in ago..144 {
            assert_eq!(bad(&world), 1, "{ago} slots ago");
            world.tick(600).unwrap();
        }
        world.tick(600).unwrap();
        assert_eq!(bad(&world), 0, "{ago} slots ago");
    }
}

#[test]
fn late_events_of_many_slots_take_few_reads() {
    let slo = slo(BudgetingMethod::Occurrences, rolling("6d"), vec![objective("0.9")]);
    let mut world = World::new(slo, Vec::new(), &[]);
    for _ in 0..860 {
        world.events(&[(0, 1, 0, 0)]);
        world.tick(600).unwrap();
    }
    // Each in a slot of its own, none of which is held any more; the last ones are far from the rest.
    let late: Vec<_> = (400..600).chain([800, 801]).map(|ago| (ago, 0, 1, 0)).collect();
    world.ledger.reads.set(0);
    world.events(&late);
    let reads = world.ledger.reads.get();
    assert!(reads <= 4, "{reads} reads for {} late events", late.len());
    world.check().unwrap();
}

/// A page for burning more than the budget over six hours and still, on two failures.
fn burn() -> AlertRule {
    AlertRule {
        name: "burn".to_owned(),
        severity: Severity::Page,
        condition: Condition::Burn {
            long: duration("6h"),
            short: Some(duration("20m")),
            factor: Factor::Exact(Rational::ONE),
            comparison: Comparison::Above,
        },
        hold: Duration::ZERO,
        evidence: Some(Evidence { confidence: None, bad_min: 2, valid_min: 0 }),
    }
}

#[test]
fn a_late_event_is_fresh_evidence() {
    let rule = burn();
    // One failure after it let go is none, and a second one that comes late is.
    for (late, fired) in [(0, 1), (1, 2)] {
        let slo = slo(BudgetingMethod::Occurrences, rolling("1d"), vec![objective("0.9")]);
        let mut world = World::new(Slo { alert_rules: vec![rule.clone()], ..slo }, vec![], &[]);
        let mut slots = vec![(10, 0); 36];
        slots.extend([(0, 10); 6]);
        slots.extend([(10, 0), (10, 0), (10, 0), (10, 0), (0, 1)]);
        for (good, bad) in slots {
            world.events(&[(0, good, bad, 0)]);
            world.tick(600).unwrap();
        }
        world.events(&[(3, 0, late, 0)]);
        // Silence: the short lookback still holds the failure before it.
        world.tick(600).unwrap();
        world.check().unwrap();
        assert_eq!((world.fired, world.resolved.len()), (fired, 1), "{late} late");
    }
}

#[test]
fn an_event_of_a_slot_still_to_come_counts_when_the_slot_has_ended() {
    let mut world = a_day();
    let bad = |world: &World| world.live.budget(&world.plan, &world.ledger).unwrap().bad;
    // Far enough ahead that one lies in what was read and one does not.
    world.events(&[(-2, 0, 1, 0), (-130, 0, 1, 0)]);
    world.tick(1200).unwrap();
    assert_eq!(bad(&world), 0);
    world.tick(600).unwrap();
    assert_eq!(bad(&world), 1);
    world.tick(128 * 600).unwrap();
    assert_eq!(bad(&world), 2);
}

#[test]
fn thirty_days_of_full_traffic_fit_64_kib_and_read_little() {
    let width = Duration::from_seconds(10);
    let window = rolling("30d");
    let slo = Slo {
        alert_rules: default_rules(&window).rules,
        lookbacks: ["5m", "1h", "6h", "1d", "3d"].map(duration).to_vec(),
        ..slo(BudgetingMethod::Occurrences, window, vec![objective("0.999")])
    };
    let since = Timestamp::from_seconds(SINCE);
    let start = since.plus(Duration::from_days(30));
    let until = start.plus(Duration::from_days(1));
    let plan = Plan::new(&slo, 0, width, &[], since, until).unwrap();
    let ledger = Ledger::new(width);
    let (first, last) = (Slot::of(since, width).0, Slot::of(until, width).0);
    let full = |slot| (Slot(slot), Tally::with_undecided(1000, 990, 1).unwrap());
    ledger.add(&(first..last).map(full).collect::<Vec<_>>());
    let saved = Saved { at: start.nanos(), watches: Vec::new() };
    let mut live = Live::load(&plan, &saved, &ledger).unwrap();
    ledger.reads.set(0);
    let (mut changes, mut most) = (Vec::new(), 0);
    // Six hours, slot by slot.
    let ticks = 2160;
    for tick in 1..=ticks {
        let now = start.plus(Duration::from_seconds(10 * tick));
        live.advance(&plan, now, &ledger, &mut changes).unwrap();
        most = most.max(live.size());
    }
    assert!(most < 65_536, "{most} bytes");
    // Five lookbacks longer than what is held, what enters, and the onsets of what fired.
    let reads = ledger.reads.get();
    assert!(reads < 200, "{reads} reads in {ticks} ticks");
}

#[test]
fn a_month_in_which_nobody_came_takes_few_reads_and_fires_as_slot_by_slot() {
    let width = Duration::from_seconds(10);
    let window = rolling("28d");
    let slo = Slo {
        alert_rules: default_rules(&window).rules,
        lookbacks: ["5m", "1h", "6h", "1d", "3d"].map(duration).to_vec(),
        ..slo(BudgetingMethod::Occurrences, window, vec![objective("0.999")])
    };
    let since = Timestamp::from_seconds(SINCE);
    let until = since.plus(Duration::from_days(60));
    let plan = Plan::new(&slo, 0, width, &[], since, until).unwrap();
    let ledger = Ledger::new(width);
    let first = Slot::of(since, width).0;
    // An hour that fires, a pause, an hour that lets go; then nobody for a month.
    let hour = |from: i64, good| (from..from + 360).map(move |slot| (Slot(first + slot), good));
    let hours = hour(0, 90).chain(hour(1_000, 100));
    let told: Vec<_> = hours.map(|(slot, good)| (slot, Tally::new(100, good).unwrap())).collect();
    ledger.add(&told);
    let (mut leaps, mut steps) =
        (Live::new(&plan, &ledger).unwrap(), Live::new(&plan, &ledger).unwrap());
    let (mut of_leaps, mut of_steps) = (Vec::new(), Vec::new());
    let day = since.plus(Duration::from_days(1));
    leaps.advance(&plan, day, &ledger, &mut of_leaps).unwrap();
    for slot in 1..=8_640 {
        let now = since.plus(Duration::from_seconds(10 * slot));
        steps.advance(&plan, now, &ledger, &mut of_steps).unwrap();
    }
    assert!(!of_leaps.is_empty());
    assert_eq!((of_leaps, leaps.save()), (of_steps, steps.save()));
    ledger.reads.set(0);
    let mut changes = Vec::new();
    leaps.advance(&plan, until, &ledger, &mut changes).unwrap();
    let reads = ledger.reads.get();
    assert!(reads < 600, "{reads} reads in 509,760 slots");
    let standing = leaps.standing(&plan, &ledger).unwrap();
    assert_eq!(standing.budget.valid, 0);
}

#[test]
fn a_plan_that_has_ended_says_so_and_another_goes_on() {
    let mut world = a_day();
    let until = world.plan.until();
    let late = until.plus(Duration::from_seconds(1));
    let mut changes = Vec::new();
    let ended = world.live.advance(&world.plan, late, &world.ledger, &mut changes);
    assert_eq!(ended, Err(LiveError::PlanEnded { until }));
    let later = until.plus(Duration::from_days(1));
    let plan = Plan::new(&world.slo, 0, SLOT, &[], world.plan.since(), later).unwrap();
    world.live.advance(&plan, late, &world.ledger, &mut changes).unwrap();
    assert_eq!(world.live.at(), late);
}

/// A slice that fires, the whole beside it, and when the slice's page ends after `quiet` slots without events of it.
fn silenced(per_slot: u64, goes_on: bool, quiet: usize) -> Option<Timestamp> {
    let rule = burn();
    let slo = slo(BudgetingMethod::Occurrences, rolling("1d"), vec![objective("0.9")]);
    let slo = Slo { alert_rules: vec![rule], ..slo };
    let (mut slice, mut whole) =
        (World::new(slo.clone(), vec![], &[]), World::new(slo, vec![], &[]));
    let mut step = |good, bad, others| {
        slice.events(&[(0, good, bad, 0)]);
        whole.events(&[(0, good + others, bad, 0)]);
        slice.tick(600).unwrap();
        whole.tick(600).unwrap();
        let mut changes = Vec::new();
        slice.live.release_silent(&slice.plan, &whole.live, &slice.ledger, &mut changes);
        changes.into_iter().find_map(|change| match change {
            Change::Resolved(firing) => firing.end,
            Change::Fired(_) => None,
        })
    };
    for _ in 0..36 {
        assert_eq!(step(per_slot, 0, per_slot), None);
    }
    for _ in 0..6 {
        assert_eq!(step(0, per_slot, per_slot), None, "events end it, nothing else does");
    }
    (0..quiet).find_map(|_| step(0, 0, if goes_on { per_slot } else { 0 }))
}

#[test]
fn a_slice_that_nobody_asks_any_more_calls_nobody() {
    // The short lookback is two slots: of some 360 events in the long one 20 were to come.
    let ended = Timestamp::from_seconds(SINCE).plus(SLOT);
    let after = |slots: u32| ended.plus(Duration::from_minutes(10 * (42 + slots - 1)));
    assert_eq!(silenced(10, true, 40), Some(after(2)));
    // At one event a slot two without any may be chance: it takes until the long lookback is empty.
    assert_eq!(silenced(1, true, 40), Some(after(36)));
    assert_eq!(silenced(10, false, 100), None, "no data is not health");
}
