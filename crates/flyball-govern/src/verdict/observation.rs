//! A change observed: which times are held against each other for all objectives of its service, and what
//! they say together.

use std::collections::BTreeMap;

use flyball_model::{
    Break, BreakCause, Change, ChangeKind, ChangeOutcome, Duration, Interval, Rational, Slot,
    Tally, Target, Timestamp,
};

use super::VerdictError;
use super::answer::{Answer, Burned, Certainty, Effect, Verdict, Why};
use super::blocks::{Comparison, Design, Pairing};
use super::judge::{Settings, judge};
use super::suggest::{Facts, Suggestion, suggest};

/// What is compared at once. What follows a deployment at once and is over soon, such as caches that are
/// cold, is a step or two of it, and does not decide.
pub const STEP: Duration = Duration::from_minutes(1);
/// How long a change that is underway is looked at, before it has shipped: rollouts take hours.
const UNDERWAY_MAX: Duration = Duration::from_hours(24);
/// How far back the time before a change is looked at; [`Pairing::Nearest`] looks no further for an hour
/// of observation.
const BEFORE_MAX: Duration = Duration::from_hours(24);
/// How often the allowed ratio a change must spend on its own to matter.
const BURN: Rational = Rational::ONE;

/// When a change is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The time before the change ends here.
    before: Timestamp,
    /// The first step begins here.
    from: Timestamp,
    /// Nothing is looked at from here on.
    until: Timestamp,
    observe: Duration,
    /// The length of the slots that events are counted in.
    width: Duration,
}

impl Observation {
    /// How `change` is looked at where nothing but time tells its events from others: from when it shipped,
    /// for `observe` at most, until the next of `others` of its service and environment begins. What was
    /// counted while it was underway is neither before nor after. `None` before it has shipped.
    ///
    /// `width` is the length of the slots that events are counted in.
    pub fn by_time(
        change: &Change,
        others: &[Change],
        observe: Duration,
        width: Duration,
    ) -> Option<Self> {
        let shipped = change.shipped()?;
        let before = change.started.unwrap_or(shipped).min(shipped);
        Some(Self {
            before: before.floor(width),
            from: shipped.ceil(width),
            until: end(change, others, shipped.plus(observe)),
            observe,
            width,
        })
    }

    /// How `change` is looked at where events tell their version: as soon as it has begun, so that a rollout
    /// can be stopped. `None` before it has begun, and for what was called off.
    pub fn by_version(
        change: &Change,
        others: &[Change],
        observe: Duration,
        width: Duration,
    ) -> Option<Self> {
        let is_live = matches!(change.outcome, ChangeOutcome::Underway | ChangeOutcome::Succeeded);
        let shipped = change.shipped();
        let began = change.started.or(shipped).unwrap_or(change.recorded);
        if !is_live {
            return None;
        }
        // One that began long before it shipped is looked at for no longer than others.
        let began = shipped.map_or(began, |at| began.clamp(at.minus(UNDERWAY_MAX), at));
        let until = match shipped {
            Some(shipped) => end(change, others, shipped.plus(observe)),
            None => began.plus(UNDERWAY_MAX),
        };
        let (before, from) = (began.floor(width), began.ceil(width));
        Some(Self { before, from, until, observe, width })
    }

    /// Until when it is looked at, if nothing ends that earlier.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// All that a look needs of the ledger.
    pub fn span(&self) -> Interval {
        let start = self.before.minus(BEFORE_MAX);
        Interval::starting(start, self.until.since(start))
    }

    /// The time that it is looked at.
    pub fn since(&self) -> Interval {
        Interval::starting(self.from, self.until.since(self.from))
    }

    /// How many whole steps had ended when everything up to `complete` was counted.
    pub fn steps(&self, complete: Timestamp) -> u32 {
        let seen = complete.min(self.until).since(self.from).nanos() / STEP.nanos();
        u32::try_from(seen).unwrap_or(u32::MAX)
    }

    /// Whether nothing more is seen by looking later than at `complete`.
    pub fn is_over(&self, complete: Timestamp) -> bool {
        complete >= self.until
    }

    /// When the step of this number has ended.
    fn end_of(&self, step: i64) -> Timestamp {
        let count = u32::try_from(step.saturating_add(1)).unwrap_or(0);
        self.from.plus(Duration::from_minutes(count))
    }

    /// Tallies by step: from 0 on those since the change, below those before it.
    fn steps_of(&self, slots: &[(Slot, Tally)]) -> BTreeMap<i64, Tally> {
        let mut steps: BTreeMap<i64, Tally> = BTreeMap::new();
        for (slot, tally) in slots {
            let interval = slot.interval(self.width);
            let step = if interval.start() >= self.from {
                interval.start().since(self.from).nanos() / STEP.nanos()
            } else if interval.end() <= self.before {
                -1 - self.before.since(interval.end()).nanos() / STEP.nanos()
            } else {
                continue;
            };
            let sum = steps.entry(step).or_default();
            *sum = sum.plus(*tally);
        }
        steps
    }

    /// What is compared for an objective, up to `complete` or its own end.
    fn compare(
        &self,
        tallies: &ObjectiveTallies,
        complete: Timestamp,
    ) -> Result<Comparison, VerdictError> {
        let complete = tallies.until.map_or(complete, |until| until.min(complete));
        let total = self.steps_of(&tallies.total);
        let (candidate, others) = match &tallies.versions {
            Some(versions) => (self.steps_of(&versions.own), self.steps_of(&versions.others)),
            None => (total.clone(), BTreeMap::new()),
        };
        let before: Vec<(Slot, Tally)> =
            total.range(..0).map(|(step, tally)| (Slot(*step), *tally)).collect();
        let at = |steps: &BTreeMap<i64, Tally>, step| steps.get(&step).copied().unwrap_or_default();
        let after: Vec<(Slot, Tally, Tally)> = (0..i64::from(self.steps(complete)))
            .map(|step| (Slot(step), at(&others, step), at(&candidate, step)))
            .collect();
        // The planned length, whatever ends it earlier: it must not depend on what was seen.
        let horizon = u32::try_from(self.observe.nanos() / STEP.nanos()).unwrap_or(u32::MAX);
        Comparison::split(&before, &after, Pairing::Nearest { horizon })
    }
}

/// When the time of `change` ends: when another change of its service and environment begins after it, at
/// `latest` else. Drills end nothing: what they do is theirs, and over soon.
fn end(change: &Change, others: &[Change], latest: Timestamp) -> Timestamp {
    let began = |other: &Change| other.shipped().map(|at| other.started.unwrap_or(at).min(at));
    let shipped = change.shipped();
    let next =
        others.iter().filter(|other| is_neighbour(change, other) && other.shipped() > shipped);
    next.filter_map(began).fold(latest, Timestamp::min).max(shipped.unwrap_or(Timestamp::MIN))
}

/// Whether `other` is another change of the same service and environment, and no drill.
fn is_neighbour(change: &Change, other: &Change) -> bool {
    other.id != change.id
        && other.kind != ChangeKind::Drill
        && (&other.service, &other.environment) == (&change.service, &change.environment)
}

/// What the ledger holds of an objective around a change, by slot, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectiveTallies {
    /// The SLO.
    pub slo: String,
    /// Which of its objectives, counted from 0.
    pub objective: u32,
    /// The service that promises it, where that is another one, which depends on the one that changed.
    pub dependant: Option<String>,
    /// When something else of its own began that may make it worse; what is counted from then on tells nothing of the
    /// change.
    pub until: Option<Timestamp>,
    /// What is promised.
    pub target: Target,
    /// All events.
    pub total: Vec<(Slot, Tally)>,
    /// By version, where events carry it and some carry that of the change.
    pub versions: Option<Versions>,
}

/// The events of an objective by what their version is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Versions {
    /// Those of the version that the change ships.
    pub own: Vec<(Slot, Tally)>,
    /// Those of other versions.
    pub others: Vec<(Slot, Tally)>,
}

/// Valid and bad events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Arm {
    /// Events that count at all.
    pub valid: u64,
    /// Those of them that were bad.
    pub bad: u64,
}

impl From<Tally> for Arm {
    fn from(tally: Tally) -> Self {
        Self { valid: tally.valid(), bad: tally.bad() }
    }
}

/// What a change did to one objective.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ObjectiveVerdict {
    /// The SLO.
    pub slo: String,
    /// Which of its objectives, counted from 0.
    pub objective: u32,
    /// The service that promises it, where that is another one, which depends on the one that changed.
    #[serde(default)]
    pub dependant: Option<String>,
    /// The answer.
    pub answer: Answer,
    /// Why.
    pub why: Why,
    /// What it was held against.
    pub design: Design,
    /// The smallest difference of error ratios that matters.
    pub margin: f64,
    /// What was compared of the time, or version, with the change.
    pub candidate: Arm,
    /// What it was held against.
    pub control: Arm,
    /// How far they are apart.
    pub effect: Option<Effect>,
    /// What the change spent, in bad events.
    pub burned: Burned,
    /// How sure the answer is.
    pub certainty: Certainty,
    /// The end of the step that decided it.
    pub decided: Option<Timestamp>,
    /// How often the evidence was looked at.
    pub looks: u64,
}

/// What a change did to all objectives of its service.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ChangeVerdict {
    /// Regressed when any objective is, those of dependants too; healthy when all of its own service are.
    pub answer: Answer,
    /// Since when it is looked at.
    pub from: Timestamp,
    /// Up to when it was looked at.
    pub seen: Timestamp,
    /// Until when it is looked at.
    pub until: Timestamp,
    /// When enough was seen for the answer: the first regression, or the last objective's health. `None`
    /// while it is undecided.
    pub decided: Option<Timestamp>,
    /// Whether nothing more is looked at.
    pub is_over: bool,
    /// Each objective, and those of dependants; none where there is none.
    pub objectives: Vec<ObjectiveVerdict>,
}

impl ChangeVerdict {
    /// Judges `change` from what the ledger holds of its service's `objectives`, when everything up to
    /// `complete` is counted; `others` are the changes around it. `None` while there is nothing to look at.
    ///
    /// The same counts make the same verdict. Objectives share the probability of a false alarm. One
    /// without a margin, as a target of 100 % has none, is left out.
    ///
    /// # Errors
    ///
    /// [`VerdictError`] for tallies that are out of order.
    pub fn of(
        change: &Change,
        others: &[Change],
        objectives: &[ObjectiveTallies],
        (observe, width): (Duration, Duration),
        complete: Timestamp,
    ) -> Result<Option<Self>, VerdictError> {
        let judged: Vec<(&ObjectiveTallies, Settings)> = objectives
            .iter()
            .filter_map(|of| Some((of, Settings::new(of.target.error_budget(), BURN).ok()?)))
            .collect();
        let count = u32::try_from(judged.len()).unwrap_or(u32::MAX);
        let by_version = Observation::by_version(change, others, observe, width);
        let by_time = Observation::by_time(change, others, observe, width);
        let mut verdicts = Vec::with_capacity(judged.len());
        for (tallies, settings) in judged {
            let is_split = tallies.versions.is_some();
            let Some(observation) = (if is_split { by_version } else { by_time }) else { continue };
            let compared = observation.compare(tallies, complete)?;
            let verdict = judge(&compared, &settings.shared_by(count));
            verdicts.push(ObjectiveVerdict::new(tallies, &observation, &verdict));
        }
        // Where it is looked at both ways, the longer one.
        let is_split = objectives.iter().any(|of| of.versions.is_some());
        let Some(observation) = by_version.filter(|_| is_split).or(by_time) else {
            return Ok(None);
        };
        // What others promise shows harm; whether it shows health depends on more than this change.
        let weighs =
            |of: &&ObjectiveVerdict| of.dependant.is_none() || of.answer == Answer::Regressed;
        let answer = Answer::joint(verdicts.iter().filter(weighs).map(|verdict| verdict.answer));
        let told = verdicts.iter().filter(weighs).filter(|verdict| verdict.answer == answer);
        let told = told.filter_map(|verdict| verdict.decided);
        let decided = match answer {
            Answer::Regressed => told.min(),
            Answer::Healthy => told.max(),
            Answer::Undecided => None,
        };
        Ok(Some(Self {
            answer,
            from: observation.from,
            seen: observation.end_of(i64::from(observation.steps(complete)) - 1),
            until: observation.until,
            decided,
            is_over: observation.is_over(complete),
            objectives: verdicts,
        }))
    }

    /// This verdict, found after `before`: an answer stays, whatever late counts say, but for health that turned
    /// into a regression.
    #[must_use]
    pub fn after(self, before: Option<&Self>) -> Self {
        let stays = |before: &&Self| match before.answer {
            Answer::Regressed => self.answer != Answer::Regressed,
            Answer::Healthy => self.answer == Answer::Undecided,
            Answer::Undecided => false,
        };
        match before.filter(stays) {
            Some(before) => {
                let Self { seen, until, is_over, .. } = self;
                Self { seen, until, is_over, ..before.clone() }
            }
            None => self,
        }
    }

    /// When it was known to be healthy, where it is.
    pub fn healthy_since(&self) -> Option<Timestamp> {
        self.decided.filter(|_| self.answer == Answer::Healthy)
    }

    /// What to do about `change` at `now`, when `others` are the changes around it and `breaks` what broke it.
    /// Nothing unless it regressed, and nothing once a rollback or a fix has restored the service.
    ///
    /// Whether the version before could not read what it wrote, nobody tells: it is taken to be able to.
    pub fn suggestion(
        &self,
        change: &Change,
        others: &[Change],
        breaks: &[Break],
        now: Timestamp,
    ) -> Option<Suggestion> {
        let is_restored = breaks.iter().any(|news| {
            matches!(news.cause, BreakCause::Rollback(_) | BreakCause::Fix(_)) && news.at <= now
        });
        if is_restored {
            return None;
        }
        let shipped = change.shipped().or(change.started).unwrap_or(change.recorded);
        let of_place = others.iter().filter(|other| is_neighbour(change, other));
        let moments: Vec<Timestamp> = of_place.filter_map(Change::shipped).collect();
        let later = moments.iter().filter(|moment| **moment > shipped && **moment <= now).count();
        // Something that was counted ran before it, also where nobody told of what.
        let ran_before = self.objectives.iter().any(|objective| objective.control.valid > 0);
        let facts = Facts {
            has_flag: change.kind == ChangeKind::Flag || change.flag.is_some(),
            has_previous: ran_before || moments.iter().any(|moment| *moment < shipped),
            is_one_way: false,
            age: now.since(shipped),
            later_changes: u32::try_from(later).unwrap_or(u32::MAX),
        };
        suggest(self.answer, &facts)
    }
}

impl ObjectiveVerdict {
    fn new(tallies: &ObjectiveTallies, observation: &Observation, verdict: &Verdict) -> Self {
        let Verdict { answer, why, design, margin, candidate, control, .. } = *verdict;
        let Verdict { effect, burned, certainty, decided_in, looks, .. } = *verdict;
        Self {
            slo: tallies.slo.clone(),
            objective: tallies.objective,
            dependant: tallies.dependant.clone(),
            answer,
            why,
            design,
            margin,
            candidate: candidate.into(),
            control: control.into(),
            effect,
            burned,
            certainty,
            decided: decided_in.map(|step| observation.end_of(step.0)),
            looks,
        }
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::ChangeSource;

    use super::*;
    use crate::verdict::Remedy;

    const WIDTH: Duration = Duration::from_seconds(10);
    const TIMES: (Duration, Duration) = (Duration::from_hours(1), WIDTH);
    const DAY: i64 = 86_400;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn change(id: &str, shipped: i64) -> Change {
        let source = ChangeSource { system: "api".to_owned(), delivery: id.to_owned() };
        let (service, kind) = ("shop".to_owned(), ChangeKind::Deploy);
        let outcome = ChangeOutcome::Succeeded;
        let mut change = Change::new(id.to_owned(), service, kind, outcome, at(shipped), source);
        change.finished = Some(at(shipped));
        change
    }

    /// `valid` events a slot from `from` to before `to`, of which `bad` are.
    fn traffic(from: i64, to: i64, valid: u64, bad: u64) -> Vec<(Slot, Tally)> {
        let tally = Tally::new(valid, valid - bad).unwrap();
        (from / 10..to / 10).map(|slot| (Slot(slot), tally)).collect()
    }

    fn objective(total: Vec<(Slot, Tally)>) -> ObjectiveTallies {
        let target = Target::new(Rational::parse("0.99").unwrap()).unwrap();
        ObjectiveTallies {
            slo: "checkout".to_owned(),
            objective: 0,
            dependant: None,
            until: None,
            target,
            total,
            versions: None,
        }
    }

    /// Steady traffic with a share of `after` per thousand bad since `shipped`, and one before.
    fn regression(shipped: i64, after: u64) -> ObjectiveTallies {
        let before = traffic(shipped - 6 * 3_600, shipped, 1_000, 1);
        objective([before, traffic(shipped, shipped + 3_600, 1_000, after)].concat())
    }

    fn verdict(
        change: &Change,
        others: &[Change],
        objective: &ObjectiveTallies,
        complete: i64,
    ) -> ChangeVerdict {
        let objectives = std::slice::from_ref(objective);
        ChangeVerdict::of(change, others, objectives, TIMES, at(complete)).unwrap().unwrap()
    }

    #[test]
    fn a_change_that_regressed_is_found_by_time_and_later_looks_say_the_same() {
        let (deploy, tallies) = (change("a", DAY), regression(DAY, 100));
        let first = verdict(&deploy, &[], &tallies, DAY + 60);
        assert_eq!((first.answer, first.decided), (Answer::Undecided, None), "one step never does");
        let found = verdict(&deploy, &[], &tallies, DAY + 600);
        assert_eq!(found.answer, Answer::Regressed);
        let decided = found.decided.unwrap();
        assert!((at(DAY + 120)..=at(DAY + 300)).contains(&decided), "{decided}");
        let [one] = &found.objectives[..] else { panic!("{found:?}") };
        assert_eq!((one.design, one.candidate.bad), (Design::BeforeAfter, 60 * 100));
        assert_eq!(one.burned.events, 60 * 99);
        assert!(!found.is_over);
        let last = verdict(&deploy, &[], &tallies, 2 * DAY);
        assert_eq!((last.answer, last.decided), (Answer::Regressed, Some(decided)));
        assert!(last.is_over && last.seen == last.until);
    }

    #[test]
    fn what_changes_nothing_is_healthy_and_what_is_not_seen_is_not() {
        let deploy = change("a", DAY);
        let healthy = verdict(&deploy, &[], &regression(DAY, 1), DAY + 3_600);
        assert_eq!(healthy.answer, Answer::Healthy);
        assert!(healthy.healthy_since().is_some());
        let silent = objective(traffic(DAY - 3_600, DAY, 1_000, 1));
        let silent = verdict(&deploy, &[], &silent, DAY + 3_600);
        assert_eq!(silent.answer, Answer::Undecided, "no data is not health");
        assert_eq!(silent.objectives[0].why, Why::NoData);
        let none = ChangeVerdict::of(&deploy, &[], &[], TIMES, at(DAY + 3_600)).unwrap().unwrap();
        assert_eq!(none.answer, Answer::Undecided, "nothing was promised");
        let mut planned = deploy;
        (planned.outcome, planned.finished) = (ChangeOutcome::Planned, None);
        assert_eq!(ChangeVerdict::of(&planned, &[], &[], TIMES, at(DAY)), Ok(None));
    }

    #[test]
    fn a_dependant_tells_of_a_change_until_it_changes_itself_whenever_it_is_looked_at() {
        let (deploy, own) = (change("a", DAY), regression(DAY, 1));
        let dependant = |until| ObjectiveTallies {
            dependant: Some("web".to_owned()),
            until: Some(at(until)),
            ..regression(DAY + 600, 500)
        };
        let look = |until, complete| {
            let objectives = [own.clone(), dependant(until)];
            ChangeVerdict::of(&deploy, &[], &objectives, TIMES, at(complete)).unwrap().unwrap()
        };
        let answer = |until, complete| look(until, complete).answer;
        assert_eq!(answer(DAY + 600, DAY + 3_600), Answer::Healthy, "its own doing");
        let late = look(DAY + 1_200, DAY + 3_600);
        assert_eq!(late.answer, Answer::Regressed);
        // Whoever looked before its own change was heard of found the same.
        let early = look(DAY + 7_200, DAY + 1_200);
        assert_eq!((early.answer, early.decided), (late.answer, late.decided));
        assert_eq!(early.objectives[1], late.objectives[1]);
    }

    #[test]
    fn an_answer_stays_but_for_health_that_leaks() {
        let deploy = change("a", DAY);
        let worse = verdict(&deploy, &[], &regression(DAY, 100), DAY + 600);
        let fine = verdict(&deploy, &[], &regression(DAY, 1), DAY + 3_600);
        let open = verdict(&deploy, &[], &regression(DAY, 1), DAY);
        let late = fine.clone().after(Some(&worse));
        assert_eq!((late.answer, late.decided), (Answer::Regressed, worse.decided));
        assert_eq!((late.is_over, late.seen), (true, fine.seen), "and no more is looked at");
        assert_eq!(open.clone().after(Some(&fine)).answer, Answer::Healthy);
        assert_eq!(worse.clone().after(Some(&fine)), worse);
        assert_eq!(fine.clone().after(Some(&open)), fine);
        assert_eq!(fine.clone().after(None), fine);
    }

    #[test]
    fn the_next_change_ends_an_observation_and_a_rollout_belongs_to_neither_side() {
        let mut deploy = change("a", DAY);
        deploy.started = Some(at(DAY - 1_800));
        let mut next = change("b", DAY + 900);
        next.started = Some(at(DAY + 600));
        let mut elsewhere = change("c", DAY + 60);
        elsewhere.service = "search".to_owned();
        let drill = Change { kind: ChangeKind::Drill, ..change("d", DAY + 120) };
        let others = [deploy.clone(), next, elsewhere, drill];
        let observation =
            Observation::by_time(&deploy, &others, Duration::from_hours(1), WIDTH).unwrap();
        assert_eq!(observation.until(), at(DAY + 600));
        assert!(!observation.is_over(at(DAY + 599)) && observation.is_over(at(DAY + 600)));
        // All is bad while it is rolled out, and as before afterwards.
        let parts = [
            traffic(DAY - 6 * 3_600, DAY - 1_800, 1_000, 1),
            traffic(DAY - 1_800, DAY, 1_000, 900),
            traffic(DAY, DAY + 3_600, 1_000, 1),
        ];
        let found = verdict(&deploy, &others, &objective(parts.concat()), DAY + 3_600);
        assert_eq!((found.answer, found.is_over), (Answer::Healthy, true));
        assert_eq!(found.objectives[0].control.bad, 40 * 6);
    }

    #[test]
    fn a_canary_is_judged_by_its_version_before_it_has_shipped() {
        let mut deploy = change("a", DAY);
        (deploy.outcome, deploy.finished) = (ChangeOutcome::Underway, None);
        deploy.started = Some(at(DAY));
        // What the hour does to everybody is not the canary's doing.
        let own = traffic(DAY, DAY + 1_200, 50, 10);
        let others = traffic(DAY, DAY + 1_200, 950, 95);
        let parts =
            [traffic(DAY - 6 * 3_600, DAY, 1_000, 1), traffic(DAY, DAY + 1_200, 1_000, 105)];
        let mut tallies = objective(parts.concat());
        let objectives = std::slice::from_ref(&tallies);
        let by_time = ChangeVerdict::of(&deploy, &[], objectives, TIMES, at(DAY + 1_200));
        assert_eq!(by_time, Ok(None), "time tells nothing before it has shipped");
        tallies.versions = Some(Versions { own, others: others.clone() });
        let found = verdict(&deploy, &[], &tallies, DAY + 1_200);
        assert_eq!(found.answer, Answer::Regressed);
        assert_eq!(found.objectives[0].design, Design::Concurrent);
        let own = traffic(DAY, DAY + 1_200, 50, 5);
        tallies.versions = Some(Versions { own, others });
        let found = verdict(&deploy, &[], &tallies, DAY + 1_200);
        assert_ne!(found.answer, Answer::Regressed, "as bad as all others");
    }

    #[test]
    fn what_to_do_depends_on_what_came_after() {
        let deploy = change("a", DAY);
        let found = verdict(&deploy, &[], &regression(DAY, 100), DAY + 600);
        let suggested = |others: &[Change], breaks: &[Break], now| {
            found.suggestion(&deploy, others, breaks, at(now)).map(|suggestion| suggestion.remedy)
        };
        assert_eq!(suggested(&[], &[], DAY + 600), Some(Remedy::RollBack), "something ran before");
        let later = [change("b", DAY + 900)];
        assert_eq!(suggested(&later, &[], DAY + 1_000), Some(Remedy::RollBack));
        assert_eq!(suggested(&later, &[], 3 * DAY), Some(Remedy::FixForward));
        let cause = BreakCause::Rollback("b".to_owned());
        let restored = [Break { at: at(DAY + 900), cause }];
        assert_eq!(suggested(&later, &restored, DAY + 1_000), None, "it is done");
        let healthy = verdict(&deploy, &[], &regression(DAY, 1), DAY + 3_600);
        assert_eq!(healthy.suggestion(&deploy, &[], &[], at(2 * DAY)), None);
    }
}
