//! For any order of what can happen, restarts included: nothing is lost, nothing is told twice.

use std::collections::{BTreeMap, BTreeSet};

use flyball_govern::alert::{
    About, Act, Desk, Facts, Field, Matcher, Observed, Outcome, Part, Retry, Silence, State,
};
use flyball_model::{Duration, Severity, Timestamp};
use proptest::prelude::*;

use super::{RULES, at, board, calling, fired, resolved, subject};

const SUBJECTS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// A rule of a subject fires if it does not, lets go if it does; how often that is told.
    Flip {
        subject: usize,
        rule: usize,
        times: usize,
    },
    /// Two rules at one moment.
    FlipBoth {
        subject: usize,
        rules: (usize, usize),
    },
    Pending {
        subject: usize,
        rule: usize,
    },
    Acknowledge(u64),
    Silence {
        field: usize,
        length: i64,
        begins_in: i64,
    },
    EndSilence(u64),
    Wait(i64),
    /// Notices are taken to be sent; of each, what the receiver and the sender see.
    Send {
        limit: usize,
        fates: Vec<Fate>,
    },
    /// The process ends and starts again.
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Accepted,
    /// The receiver has it, and the process ended before the answer was kept.
    AcceptedUnheard,
    /// It never arrived, and the process ended before that was kept.
    LostUnheard,
    Busy,
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        4 => Just(Fate::Accepted),
        1 => Just(Fate::AcceptedUnheard),
        1 => Just(Fate::LostUnheard),
        2 => Just(Fate::Busy),
    ];
    let rule = 0..RULES.len();
    prop_oneof![
        6 => (0..SUBJECTS, rule.clone(), 1..3_usize)
            .prop_map(|(subject, rule, times)| Step::Flip { subject, rule, times }),
        2 => (0..SUBJECTS, (rule.clone(), rule.clone()))
            .prop_map(|(subject, rules)| Step::FlipBoth { subject, rules }),
        1 => (0..SUBJECTS, rule).prop_map(|(subject, rule)| Step::Pending { subject, rule }),
        1 => (1..6_u64).prop_map(Step::Acknowledge),
        1 => (0..4_usize, 1..200_i64, 0..50_i64)
            .prop_map(|(field, length, begins_in)| Step::Silence { field, length, begins_in }),
        1 => (1..4_u64).prop_map(Step::EndSilence),
        2 => (1..120_i64).prop_map(Step::Wait),
        4 => (1..5_usize, prop::collection::vec(fate, 5))
            .prop_map(|(limit, fates)| Step::Send { limit, fates }),
        1 => Just(Step::Restart),
    ]
}

/// The world around a desk.
struct World {
    desk: Desk,
    /// The rows of the desk.
    kept: BTreeMap<Part, String>,
    now: i64,
    retry: Retry,
    /// The rules that fire, by subject and rule.
    firing: BTreeMap<(usize, usize), Timestamp>,
    /// What each receiver has heard, without repetitions: by target and alert, numbers and acts.
    heard: BTreeMap<(String, u64), Vec<(u32, Act)>>,
    /// Notices that receivers have.
    arrived: BTreeSet<u64>,
    /// Each notice by what it is about; one alone for each step and target.
    notices: BTreeMap<(String, u64, u32), u64>,
    has_silenced: bool,
}

impl World {
    fn new() -> Self {
        let retry = Retry { age_max: Duration::from_days(3_650), seed: 3, ..Retry::default() };
        Self {
            desk: calling(),
            kept: BTreeMap::new(),
            now: 1,
            retry,
            firing: BTreeMap::new(),
            heard: BTreeMap::new(),
            arrived: BTreeSet::new(),
            notices: BTreeMap::new(),
            has_silenced: false,
        }
    }

    fn flip(&mut self, of: usize, rule: usize) -> Observed {
        let now = at(self.now);
        if let Some(start) = self.firing.remove(&(of, rule)) {
            return resolved(rule, start, now);
        }
        self.firing.insert((of, rule), now);
        fired(rule, now)
    }

    fn observe(&mut self, of: usize, seen: Vec<Observed>) {
        self.desk.observe(&subject(of), seen, &Facts::default(), at(self.now));
    }

    fn restart(&mut self) {
        self.desk.tick(at(self.now));
        self.keep();
        let rows = self.kept.values().map(|row| serde_json::from_str(row).unwrap());
        let mut read = Desk::of_rows(rows);
        // Nobody is called a second time.
        read.call_by(board(), at(self.now));
        assert_eq!(read, self.desk);
        self.desk = read;
        self.desk.resume(at(self.now));
    }

    /// Writes what has changed, as a transaction does after every step.
    fn keep(&mut self) {
        for (part, row) in self.desk.take_changed() {
            match row {
                Some(row) => _ = self.kept.insert(part, serde_json::to_string(&row).unwrap()),
                None => _ = self.kept.remove(&part),
            }
        }
    }

    fn step(&mut self, step: &Step) {
        self.now += 1;
        match step {
            Step::Flip { subject, rule, times } => {
                let seen = self.flip(*subject, *rule);
                for _ in 0..*times {
                    self.observe(*subject, vec![seen.clone()]);
                }
            }
            Step::FlipBoth { subject, rules } => {
                let mut seen = vec![self.flip(*subject, rules.0)];
                if rules.0 != rules.1 {
                    seen.push(self.flip(*subject, rules.1));
                }
                self.observe(*subject, seen);
            }
            Step::Pending { subject, rule } => {
                let (name, severity) = RULES[*rule];
                if !self.firing.contains_key(&(*subject, *rule)) {
                    let since = at(self.now);
                    let rule = name.to_owned();
                    self.observe(*subject, vec![Observed::Pending { rule, severity, since }]);
                }
            }
            Step::Acknowledge(id) => {
                let is_free = |alert: &flyball_govern::alert::Alert| {
                    alert.state == State::Firing && alert.acknowledged.is_none()
                };
                let can = self.desk.alert(*id).is_some_and(is_free);
                let done = self.desk.acknowledge(*id, "ana", None, at(self.now));
                assert_eq!(done.is_ok(), can);
            }
            Step::Silence { field, length, begins_in } => {
                let (field, value) = [
                    (Field::Service, "shop-0"),
                    (Field::Slo, "availability"),
                    (Field::Severity, "ticket"),
                    (Field::Slice, "eu-2"),
                ][*field];
                let matcher = Matcher { field, value: value.to_owned(), is_not: false };
                let silence = Silence {
                    id: 0,
                    matchers: vec![matcher],
                    from: at(self.now + begins_in),
                    until: at(self.now + begins_in + length),
                    who: "ana".to_owned(),
                    why: "a move".to_owned(),
                    ended_by: None,
                    is_announced: false,
                    because_of: None,
                    drill: None,
                };
                self.desk.silence(silence, at(self.now)).unwrap();
                self.has_silenced = true;
            }
            // There may be none, or it may be over.
            Step::EndSilence(id) => _ = self.desk.end_silence(*id, "ben", at(self.now)),
            Step::Wait(seconds) => self.now += seconds,
            Step::Send { limit, fates } => _ = self.send(*limit, fates),
            Step::Restart => self.restart(),
        }
    }

    fn send(&mut self, limit: usize, fates: &[Fate]) -> bool {
        let begun = self.desk.begin(at(self.now), limit, usize::MAX);
        self.keep();
        let is_empty = begun.is_empty();
        let mut has_ended = false;
        for (number, notice) in begun.into_iter().enumerate() {
            // After the process has ended it sends nothing; that much is not known when it starts.
            let fate = if has_ended { Fate::LostUnheard } else { fates[number % fates.len()] };
            if matches!(fate, Fate::Accepted | Fate::AcceptedUnheard) {
                self.arrive(&notice);
            }
            let outcome = match fate {
                Fate::Accepted => Outcome::Delivered,
                Fate::Busy => Outcome::Later { problem: "busy".to_owned(), after: None },
                Fate::AcceptedUnheard | Fate::LostUnheard => {
                    has_ended = true;
                    continue;
                }
            };
            self.desk.settle(notice.id, outcome, at(self.now), &self.retry);
            self.keep();
        }
        if has_ended {
            self.restart();
        }
        is_empty
    }

    fn arrive(&mut self, notice: &flyball_govern::alert::Notice) {
        // A receiver knows a notice that comes again by its id; only one that says so may.
        if !self.arrived.insert(notice.id) {
            assert!(notice.may_repeat, "told twice: {notice:?}");
            return;
        }
        let About::Alert { act, number, alert } = &notice.about else { return };
        let key = (notice.target.clone(), alert.id, *number);
        let other = self.notices.insert(key, notice.id);
        assert_eq!(other, None, "two notices of one step");
        let heard = self.heard.entry((notice.target.clone(), alert.id)).or_default();
        assert!(heard.last().is_none_or(|(last, _)| last < number), "out of order");
        let believes = heard.last().is_some_and(|(_, act)| *act != Act::Close);
        assert_eq!(believes, *act != Act::Open, "{act:?} after {heard:?}");
        heard.push((*number, *act));
    }

    /// Lets silences end and delivers everything.
    fn finish(&mut self) {
        self.restart();
        self.now += 1_000;
        while self.desk.outbox().waiting().count() > 0 || !self.send(100, &[Fate::Accepted]) {
            self.now += 600;
            self.send(100, &[Fate::Accepted]);
        }
    }

    fn check(&self) {
        for (of, alert) in (0..SUBJECTS).map(|of| {
            let mut open = self.desk.alerts().filter(|alert| alert.state == State::Firing);
            (of, open.find(|alert| alert.subject == subject(of)))
        }) {
            let rules = self.firing.keys().filter(|(subject, _)| *subject == of);
            let severity = rules.map(|(_, rule)| RULES[*rule].1).max();
            assert_eq!(alert.map(|alert| alert.severity), severity, "subject {of}");
        }
        for alert in self.desk.alerts() {
            let numbers: Vec<u32> = alert.transitions.iter().map(|step| step.number).collect();
            let last = *numbers.last().unwrap();
            let first = last + 1 - u32::try_from(numbers.len()).unwrap();
            assert_eq!(numbers, (first..=last).collect::<Vec<_>>());
        }
        assert!(self.desk.outbox().dead().is_empty());
        self.check_calls();
    }

    /// Pages of `shop-0` are called out from level to level, in time, until they are taken or over.
    fn check_calls(&self) {
        for alert in self.desk.alerts() {
            if alert.subject.service != "shop-0" {
                assert_eq!(alert.calls, []);
            }
            let is_page = alert.state == State::Firing && alert.severity == Severity::Page;
            assert!(is_page || alert.call().is_none(), "{alert:?}");
            for call in &alert.calls {
                assert!(!call.steps.is_empty() && call.steps.len() <= 6, "{call:?}");
                for (number, step) in call.steps.iter().enumerate() {
                    assert_eq!((step.level, step.who.len()), (number % 3, 1));
                    let wait = if step.level == 2 { 120 } else { 60 };
                    let next = call.steps.get(number + 1);
                    assert!(next.is_none_or(|next| next.at.since(step.at)
                        >= Duration::from_nanos(wait * 1_000_000_000).unwrap()));
                    let is_late = |at: Timestamp| step.at > at;
                    assert!(!call.taken.as_ref().is_some_and(|taken| is_late(taken.at)));
                }
            }
            let acknowledged = alert.acknowledged.is_some();
            let taken = alert.call().map(|call| call.taken.is_some());
            assert!(taken.is_none_or(|taken| taken == acknowledged), "{alert:?}");
        }
    }

    /// Every receiver believes what is so.
    fn check_beliefs(&self) {
        for target in ["chat", "pager"] {
            let mut believed = BTreeSet::new();
            for ((of, alert), heard) in &self.heard {
                let is_open = heard.last().is_some_and(|(_, act)| *act != Act::Close);
                if of == target && is_open {
                    believed.insert(*alert);
                }
            }
            let concerns = |severity| target == "chat" || severity == Severity::Page;
            let firing = self.desk.alerts().filter(|alert| alert.state == State::Firing);
            let firing = firing.filter(|alert| concerns(alert.severity)).map(|alert| alert.id);
            assert_eq!(believed, firing.collect::<BTreeSet<_>>(), "{target}");
        }
        for (target, who) in [("ada-phone", "ada"), ("cy-phone", "cy")] {
            let is_open =
                |heard: &[(u32, Act)]| heard.last().is_some_and(|(_, act)| *act != Act::Close);
            let believed =
                self.heard.iter().filter(|((of, _), heard)| of == target && is_open(heard));
            let believed: BTreeSet<u64> = believed.map(|((_, alert), _)| *alert).collect();
            let is_called = |alert: &&flyball_govern::alert::Alert| {
                let steps = alert.call().map_or(&[][..], |call| &call.steps);
                steps.iter().any(|step| step.who == [who])
            };
            let called = self.desk.alerts().filter(is_called).map(|alert| alert.id);
            assert_eq!(believed, called.collect::<BTreeSet<_>>(), "{target}");
        }
        if self.has_silenced {
            return;
        }
        // Without silences whoever is told of everything hears of every step but pending.
        for alert in self.desk.alerts().filter(|alert| alert.state != State::Pending) {
            let heard = &self.heard[&("chat".to_owned(), alert.id)];
            let steps = alert.transitions.iter();
            let steps = steps
                .filter(|step| step.kind != flyball_govern::alert::TransitionKind::Pending)
                .map(|step| step.number);
            let heard: Vec<u32> = heard.iter().map(|(number, _)| *number).collect();
            assert!(steps.clone().count() < 60 && heard == steps.collect::<Vec<_>>(), "{heard:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_lost_or_told_twice(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.keep();
            world.check();
        }
        world.finish();
        world.check();
        world.check_beliefs();
    }
}
