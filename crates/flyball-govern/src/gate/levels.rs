//! Which level of a policy is in force, and what it makes of a change.

use std::collections::BTreeSet;

use flyball_model::{Duration, Rational, Timestamp};

use super::decision::{Input, Lift, Outcome, Reason, ReasonKind};
use super::facts::{BudgetFacts, Data, Later, values};
use super::{GateInputs, Rollout};
use crate::policy::{Condition, LevelSpec, Role, Values};

/// What one level makes of the change.
#[derive(Debug, Clone)]
pub(super) struct Ruling {
    pub(super) outcome: Outcome,
    pub(super) reasons: Vec<Reason>,
    /// How far the change may reach.
    pub(super) reach: Option<Rational>,
}

/// The values that conditions see at one moment: one set for each budget that counts, or one without a
/// budget when there is none.
pub(super) struct Scene<'a> {
    sets: Vec<(Option<&'a BudgetFacts>, Values)>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(inputs: &GateInputs<'a>, later: Later) -> Self {
        let GateInputs { policy, question, facts, .. } = *inputs;
        let fresh = policy.spec().fresh;
        let data = |budget: &&BudgetFacts| budget.data(question.at, fresh);
        // Objectives that have never counted anything have nothing to say beside others that have.
        let some_has_data = facts.budgets.iter().any(|budget| data(&budget) != Data::Never);
        let mut sets: Vec<_> = facts
            .budgets
            .iter()
            .filter(|budget| !some_has_data || data(budget) != Data::Never)
            .map(|budget| (Some(budget), values(policy, question, facts, Some(budget), later)))
            .collect();
        if sets.is_empty() {
            let none = BudgetFacts::none();
            sets.push((None, values(policy, question, facts, Some(&none), later)));
        }
        Self { sets }
    }

    /// Whether `condition` holds for any of the budgets.
    fn holds(&self, condition: &Condition) -> Option<bool> {
        let mut answer = Some(false);
        for (_, values) in &self.sets {
            match condition.holds(values) {
                Some(true) => return Some(true),
                None => answer = None,
                Some(false) => {}
            }
        }
        answer
    }

    /// The budgets for which `condition` holds, or may.
    fn budgets(&self, condition: &Condition, holds: Option<bool>) -> Vec<String> {
        let these = self.sets.iter().filter(|(_, values)| condition.holds(values) == holds);
        these.filter_map(|(budget, _)| budget.map(BudgetFacts::label)).collect()
    }

    /// Everything that `conditions` look at, each once, in order of budgets and variables.
    pub(super) fn inputs<'c>(&self, conditions: impl Iterator<Item = &'c Condition>) -> Vec<Input> {
        let names: BTreeSet<_> = conditions.flat_map(Condition::names).copied().collect();
        let mut inputs = Vec::new();
        for (index, (budget, values)) in self.sets.iter().enumerate() {
            for name in names.iter().filter(|name| index == 0 || name.is_of_budget()) {
                inputs.push(Input {
                    budget: budget.filter(|_| name.is_of_budget()).map(BudgetFacts::label),
                    name: name.variable().name,
                    value: values.get(*name).map(ToString::to_string),
                });
            }
        }
        inputs
    }

    /// What the conditions of `condition` lack.
    fn missing(&self, condition: &Condition) -> Vec<String> {
        let mut missing = BTreeSet::new();
        for (budget, values) in
            self.sets.iter().filter(|(_, values)| condition.holds(values).is_none())
        {
            for name in condition.names().iter().filter(|name| values.get(**name).is_none()) {
                let variable = name.variable().name;
                missing.insert(match budget.filter(|_| name.is_of_budget()) {
                    Some(budget) => format!("{variable} of {}", budget.label()),
                    None => variable.to_owned(),
                });
            }
        }
        missing.into_iter().collect()
    }
}

/// A level that is in force, or may be.
pub(super) struct Candidate<'a> {
    pub(super) level: &'a LevelSpec,
    condition: Option<&'a Condition>,
    /// True when it holds, `None` when that is unknown.
    holds: Option<bool>,
    latched: bool,
}

/// The levels that may be in force in `scene`, gravest first: all whose condition is unknown before the
/// first that holds, and that one. Never empty.
///
/// Levels in `held` hold whatever their condition says.
pub(super) fn candidates<'a>(
    inputs: &GateInputs<'a>,
    scene: &Scene<'_>,
    held: &[&str],
) -> Vec<Candidate<'a>> {
    let mut found = Vec::new();
    for (level, condition) in inputs.policy.levels() {
        let own = condition.map_or(Some(true), |condition| scene.holds(condition));
        let latch = level.latch.as_ref().and_then(|rule| {
            let mut all = inputs.latches.iter();
            let latch = all
                .find(|latch| latch.policy == inputs.policy.name() && latch.level == level.name)?;
            Some(latch.effective(rule, own, &inputs.facts.budgets))
        });
        let held = held.contains(&level.name.as_str());
        let holds = if held { Some(true) } else { latch.unwrap_or(own) };
        let latched = level.latch.is_some() && holds == Some(true);
        if holds != Some(false) {
            found.push(Candidate { level, condition, holds, latched });
        }
        if holds == Some(true) {
            break;
        }
    }
    found
}

/// Whether the condition of each latched level holds now, by the level's name: what
/// [`Latch::after`](super::Latch::after) is told.
pub(super) fn latch_conditions(inputs: &GateInputs<'_>) -> Vec<(String, Option<bool>)> {
    let scene = Scene::new(inputs, inputs.now());
    let latched = inputs.policy.levels().filter(|(level, _)| level.latch.is_some());
    latched
        .map(|(level, condition)| {
            (level.name.clone(), condition.map_or(Some(true), |condition| scene.holds(condition)))
        })
        .collect()
}

impl Candidate<'_> {
    /// What the level makes of the change.
    pub(super) fn rule(&self, inputs: &GateInputs<'_>, scene: &Scene<'_>) -> Ruling {
        let question = inputs.question;
        let class = question.class;
        let text = self.sentence(scene);
        let level =
            |outcome, lifts| Reason { outcome, kind: ReasonKind::Level, text: text.clone(), lifts };
        if self.level.deploys.deny.contains(&class) {
            let caps = self.level.caps.iter().filter(|cap| cap.classes.contains(&class));
            let fits = |rollout: &Rollout, share: Rational, bake: Duration| {
                rollout.reach() <= share && rollout.shortest_bake() >= bake
            };
            if let Some(rollout) = &question.rollout
                && caps.clone().any(|cap| fits(rollout, cap.share, cap.bake))
            {
                let percent = crate::policy::read::share::percent(rollout.reach());
                let reason = Reason {
                    outcome: Outcome::Warn,
                    kind: ReasonKind::Cap,
                    text: format!(
                        "{text} A rollout to {percent} of users watched for {} is small enough; ask again before it \
                         goes further.",
                        rollout.shortest_bake()
                    ),
                    lifts: Vec::new(),
                };
                return Ruling {
                    outcome: Outcome::Warn,
                    reasons: vec![reason],
                    reach: Some(rollout.reach()),
                };
            }
            let mut lifts: Vec<Lift> =
                caps.map(|cap| Lift::Cap { share: cap.share, bake: cap.bake }).collect();
            if let Some(latch) = self.level.latch.as_ref().filter(|_| self.latched) {
                lifts.push(Lift::SignOff { role: latch.role.clone() });
            }
            return Ruling {
                outcome: Outcome::Deny,
                reasons: vec![level(Outcome::Deny, lifts)],
                reach: None,
            };
        }
        let signed =
            |role: &Role| question.approvals.iter().any(|a| a.role == *role && a.at <= question.at);
        let missing = self
            .level
            .require
            .iter()
            .filter(|sign_off| sign_off.classes.contains(&class) && !signed(&sign_off.role));
        let mut reasons: Vec<Reason> = missing
            .map(|sign_off| Reason {
                outcome: Outcome::Deny,
                kind: ReasonKind::SignOff,
                text: format!("{text} A {class} needs the signature of `{}`.", sign_off.role),
                lifts: vec![Lift::SignOff { role: sign_off.role.clone() }],
            })
            .collect();
        let warns = self.level.deploys.warn.contains(&class);
        let own = if warns { Outcome::Warn } else { Outcome::Allow };
        let outcome = if reasons.is_empty() { own } else { Outcome::Deny };
        reasons.push(level(own, Vec::new()));
        Ruling { outcome, reasons, reach: None }
    }

    /// The level in a sentence, with the budgets that brought it about.
    fn sentence(&self, scene: &Scene<'_>) -> String {
        let LevelSpec { name, say, .. } = self.level;
        let say = if say.is_empty() { String::new() } else { format!(" {say}") };
        let budgets = self.condition.map(|condition| scene.budgets(condition, self.holds));
        match budgets.as_deref() {
            _ if self.latched && self.condition.is_some_and(|c| scene.holds(c) != Some(true)) => {
                format!("Level `{name}`, until it is signed off.{say}")
            }
            None | Some([]) => format!("Level `{name}`.{say}"),
            Some(budgets) => format!("Level `{name}` by {}.{say}", budgets.join(", ")),
        }
    }
}

/// What the candidates together make of the change.
pub(super) fn together(
    inputs: &GateInputs<'_>,
    scene: &Scene<'_>,
    candidates: &[Candidate<'_>],
) -> Ruling {
    let mut rulings: Vec<Ruling> = candidates.iter().map(|c| c.rule(inputs, scene)).collect();
    let gravest = rulings.iter().map(|ruling| ruling.outcome).max();
    let mildest = rulings.iter().map(|ruling| ruling.outcome).min();
    // Whatever level it is, the answer is the same: not knowing which is no reason to wait.
    if gravest == mildest || gravest.is_none_or(Outcome::passes) {
        let gravest = gravest.unwrap_or(Outcome::Allow);
        let reach = rulings.iter().filter_map(|ruling| ruling.reach).min();
        let certain = candidates.len() == 1;
        let mut reasons = Vec::new();
        for ruling in &mut rulings {
            reasons.append(&mut ruling.reasons);
        }
        if !certain {
            let passes = if gravest.passes() { "let it pass" } else { "deny it" };
            let follows = format!("all of them {passes}");
            reasons.push(unknown(scene, candidates, Outcome::Warn, &follows));
        }
        let outcome = if certain || gravest == Outcome::Deny { gravest } else { Outcome::Warn };
        return Ruling { outcome, reasons, reach };
    }
    let waits = inputs.policy.spec().unknown.block.contains(&inputs.question.class);
    let class = inputs.question.class;
    let (outcome, follows) = if waits {
        (Outcome::Undecidable, format!("a {class} waits until it can"))
    } else {
        (Outcome::Warn, format!("the policy lets a {class} pass"))
    };
    Ruling { outcome, reasons: vec![unknown(scene, candidates, outcome, &follows)], reach: None }
}

/// That it cannot be told which of `candidates` is in force, why, and what follows.
fn unknown(
    scene: &Scene<'_>,
    candidates: &[Candidate<'_>],
    outcome: Outcome,
    follows: &str,
) -> Reason {
    let names: Vec<String> = candidates.iter().map(|c| format!("`{}`", c.level.name)).collect();
    let open = candidates.iter().filter(|candidate| candidate.holds.is_none());
    let missing: BTreeSet<String> =
        open.filter_map(|c| c.condition).flat_map(|condition| scene.missing(condition)).collect();
    let missing: Vec<String> = missing.into_iter().collect();
    Reason {
        outcome,
        kind: ReasonKind::Unknown,
        text: format!(
            "It cannot be told which level is in force ({}), for want of {}; {follows}. No data is not health.",
            names.join(" or "),
            missing.join(", ")
        ),
        lifts: vec![Lift::Data { of: missing }],
    }
}

/// The first moment after now at which the levels would let the change pass, if nothing more goes bad
/// and traffic stays as it is; `None` when none is found within what is known.
///
/// A latched level that is in force, one of `now`, does not end by time.
pub(super) fn recovery(inputs: &GateInputs<'_>, now: &[Candidate<'_>]) -> Option<Timestamp> {
    let question = inputs.question;
    let latched = now.iter().filter(|candidate| candidate.latched);
    let held: Vec<&str> = latched.map(|candidate| candidate.level.name.as_str()).collect();
    let passes = |at: Timestamp| {
        let scene = Scene::new(inputs, Later { at, is_now: false });
        together(inputs, &scene, &candidates(inputs, &scene, &held)).outcome.passes()
    };
    moments(inputs).into_iter().filter(|at| *at > question.at).find(|at| passes(*at))
}

/// When anything that a condition looks at may change by time alone, in order.
fn moments(inputs: &GateInputs<'_>) -> BTreeSet<Timestamp> {
    use super::facts::{BURN_LOOKBACKS, LEAVING_MAX, WindowFacts};
    /// How far ahead the calendar is looked at: a week and a day, so that a weekly rule ends inside.
    const CALENDAR_HOURS: u32 = 192;

    let at = inputs.question.at;
    let mut moments = BTreeSet::new();
    for budget in &inputs.facts.budgets {
        moments.extend(budget.leaving.iter().take(LEAVING_MAX).map(|leaving| leaving.at));
        if let WindowFacts::Calendar(period) = budget.window {
            moments.insert(period.end());
        }
    }
    moments.extend(BURN_LOOKBACKS.iter().map(|lookback| at.plus(*lookback)));
    let names =
        || inputs.policy.levels().filter_map(|(_, condition)| condition).flat_map(Condition::names);
    if names().any(|name| name.is_of_calendar()) {
        let hour = Duration::from_hours(1);
        // Zones begin their days on whole quarters of an hour.
        let quarter = Duration::from_minutes(15);
        let local = at.to_jiff().to_zoned(inputs.policy.zone().clone());
        let is_whole = local.offset().seconds() % 3_600 == 0;
        let start = at.ceil(if is_whole { hour } else { quarter });
        let step = if is_whole { hour } else { quarter };
        let steps = if is_whole { CALENDAR_HOURS } else { CALENDAR_HOURS * 4 };
        let mut moment = start;
        for _ in 0..steps {
            moments.insert(moment);
            moment = moment.plus(step);
        }
    }
    moments
}
