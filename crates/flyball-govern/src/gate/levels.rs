//! Which level of a policy is in force, and what it makes of a change.

use std::collections::BTreeSet;

use flyball_model::{Rational, Timestamp};

use super::GateInputs;
use super::approving::{command, sign_off, signers};
use super::decision::{Lift, Outcome, Reason, ReasonKind};
use super::facts::Question;
use super::scene::Scene;
use crate::policy::read::share;
use crate::policy::{Cap, Condition, LevelSpec, Role};

/// Why a level makes of the change what it does.
pub(super) struct Ruling {
    pub(super) reasons: Vec<Reason>,
    /// How far the change may reach.
    pub(super) reach: Option<Rational>,
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
        let latches = || inputs.latches.iter().filter(|latch| latch.policy == inputs.policy.name());
        let latch = level.latch.as_ref().and_then(|rule| {
            let latch = latches().find(|latch| latch.level == level.name)?;
            let unknown = condition.is_some_and(|condition| scene.is_unknown_of_any(condition));
            Some(latch.effective(rule, own, unknown, inputs.policy, &inputs.facts.budgets))
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

/// Whether the condition of each latched level holds now, by the level's name.
pub(super) fn latch_conditions(inputs: &GateInputs<'_>) -> Vec<(String, Option<bool>)> {
    let scene = Scene::new(inputs);
    let latched = inputs.policy.levels().filter(|(level, _)| level.latch.is_some());
    latched
        .map(|(level, condition)| {
            (level.name.clone(), condition.map_or(Some(true), |condition| scene.holds(condition)))
        })
        .collect()
}

impl Candidate<'_> {
    /// What the level makes of the change.
    fn outcome(&self, inputs: &GateInputs<'_>) -> Outcome {
        let deploys = &self.level.deploys;
        if deploys.deny.contains(&inputs.question.class) {
            return if self.fits_a_cap(inputs) { Outcome::Warn } else { Outcome::Deny };
        }
        if self.unsigned(inputs).next().is_some() {
            return Outcome::Deny;
        }
        if deploys.warn.contains(&inputs.question.class) { Outcome::Warn } else { Outcome::Allow }
    }

    /// The caps for the change's class.
    fn caps<'c>(&'c self, inputs: &GateInputs<'c>) -> impl Iterator<Item = &'c Cap> {
        let class = inputs.question.class;
        self.level.caps.iter().filter(move |cap| cap.classes.contains(&class))
    }

    fn fits_a_cap(&self, inputs: &GateInputs<'_>) -> bool {
        inputs.question.rollout.as_ref().is_some_and(|rollout| {
            let fits =
                |cap: &Cap| rollout.reach() <= cap.share && rollout.shortest_bake() >= cap.bake;
            self.caps(inputs).any(fits)
        })
    }

    /// The roles whose signatures the change lacks.
    fn unsigned<'c>(&'c self, inputs: &GateInputs<'c>) -> impl Iterator<Item = &'c Role> {
        let inputs = *inputs;
        let asked = signers(self.level, inputs.question.class);
        asked.filter(move |role| inputs.signed().all(|approval| approval.role != **role))
    }

    /// Whether the level asks `role` to sign changes like this one.
    pub(super) fn asks(&self, inputs: &GateInputs<'_>, role: &Role) -> bool {
        signers(self.level, inputs.question.class).any(|asked| asked == role)
    }

    /// Why the level makes of the change what it does, and how far the change may reach.
    /// With `others` that may be in force in its place nobody knows whether it is.
    fn rule(&self, inputs: &GateInputs<'_>, scene: &Scene<'_>, others: bool) -> Ruling {
        let class = inputs.question.class;
        let unsigned: Vec<&Role> = self.unsigned(inputs).collect();
        // What has been signed is not asked for again.
        let is_signed = unsigned.is_empty() && signers(self.level, class).next().is_some();
        let text = self.sentence(scene, others, !is_signed);
        let outcome = self.outcome(inputs);
        let reason = |outcome, kind, text, lifts| Reason { outcome, kind, text, lifts };
        if !self.level.deploys.deny.contains(&class) {
            let unsigned = unsigned.into_iter().map(|role| {
                let text = format!("{text} A {class} needs the signature of `{role}`.");
                reason(Outcome::Deny, ReasonKind::SignOff, text, vec![asking(inputs, role)])
            });
            let mut reasons: Vec<_> = unsigned.collect();
            let warns = self.level.deploys.warn.contains(&class);
            let own = if warns { Outcome::Warn } else { Outcome::Allow };
            reasons.push(reason(own, ReasonKind::Level, text.clone(), Vec::new()));
            return Ruling { reasons, reach: None };
        }
        if let Some(rollout) = inputs.question.rollout.as_ref().filter(|_| outcome.passes()) {
            let text = format!(
                "{text} A rollout to {} of users, watched for {} and more, is small enough; ask again before it \
                 goes further.",
                share::percent(rollout.reach()),
                rollout.shortest_bake()
            );
            let reasons = vec![reason(outcome, ReasonKind::Cap, text, Vec::new())];
            return Ruling { reasons, reach: Some(rollout.reach()) };
        }
        let caps = self.caps(inputs).map(|cap| Lift::Cap { share: cap.share, bake: cap.bake });
        let mut lifts: Vec<_> = caps.collect();
        if let Some(latch) = self.level.latch.as_ref().filter(|_| self.latched) {
            let role = latch.role.clone();
            let command = sign_off(&inputs.question.service, &self.level.name, &role);
            lifts.push(Lift::SignOff { role, command });
        }
        Ruling { reasons: vec![reason(outcome, ReasonKind::Level, text, lifts)], reach: None }
    }

    /// The level in a sentence, with the budgets that brought it about, and what it `says` of itself: one that may not
    /// be in force says nothing, nor does one that goes by a budget where nothing was ever counted.
    fn sentence(&self, scene: &Scene<'_>, others: bool, says: bool) -> String {
        let LevelSpec { name, say, .. } = self.level;
        let goes_by_budget = self.condition.is_none_or(Condition::asks_of_budget);
        let says = says && !others && !(scene.is_new() && goes_by_budget);
        let say = if say.is_empty() || !says { String::new() } else { format!(" {say}") };
        let level = if others { "Perhaps level" } else { "Level" };
        let budgets = self.condition.map(|condition| scene.budgets(condition, self.holds));
        match budgets.as_deref() {
            _ if self.latched && self.condition.is_some_and(|c| scene.holds(c) != Some(true)) => {
                format!("{level} `{name}`, until it is signed off.{say}")
            }
            None | Some([]) => format!("{level} `{name}`.{say}"),
            Some(budgets) => format!("{level} `{name}` by {}.{say}", budgets.join(", ")),
        }
    }
}

/// The signature of `role` under the change, which would change the answer.
pub(super) fn asking(inputs: &GateInputs<'_>, role: &Role) -> Lift {
    Lift::Approval { role: role.clone(), command: command(inputs.question, role) }
}

/// What candidates make of a change, without reasons.
enum Answer {
    /// Whichever is in force, this.
    Same(Outcome),
    /// It depends on which; so this is decided.
    Open(Outcome),
}

impl Answer {
    fn of(inputs: &GateInputs<'_>, scene: &Scene<'_>, candidates: &[Candidate<'_>]) -> Self {
        let outcomes = || candidates.iter().map(|candidate| candidate.outcome(inputs));
        let gravest = outcomes().max().unwrap_or(Outcome::Allow);
        // Not knowing which level it is is no reason to wait where the answer is the same.
        if candidates.len() == 1 || outcomes().all(|outcome| outcome == Outcome::Deny) {
            return Self::Same(gravest);
        }
        if gravest.passes() {
            return Self::Same(Outcome::Warn);
        }
        let blocks = inputs.policy.spec().unknown.block.contains(&inputs.question.class);
        // A service that nobody has used yet is not blocked for what is not known of it.
        Self::Open(if blocks && !scene.is_new() { Outcome::Undecidable } else { Outcome::Warn })
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Same(outcome) | Self::Open(outcome) => *outcome,
        }
    }
}

/// What the candidates together make of the change.
pub(super) fn together(
    inputs: &GateInputs<'_>,
    scene: &Scene<'_>,
    candidates: &[Candidate<'_>],
) -> Ruling {
    let class = inputs.question.class;
    let (outcome, follows) = match Answer::of(inputs, scene, candidates) {
        Answer::Same(outcome) => {
            let others = candidates.len() > 1;
            let rulings: Vec<_> =
                candidates.iter().map(|c| c.rule(inputs, scene, others)).collect();
            let reach = rulings.iter().filter_map(|ruling| ruling.reach).min();
            let mut reasons: Vec<_> =
                rulings.into_iter().flat_map(|ruling| ruling.reasons).collect();
            if others {
                let does = if outcome.passes() { "let it pass" } else { "deny it" };
                let follows = format!("all of them {does}");
                reasons.push(unknown(scene, candidates, Outcome::Warn, &follows));
            }
            return Ruling { reasons, reach };
        }
        Answer::Open(Outcome::Undecidable) => {
            (Outcome::Undecidable, format!("a {class} waits until it can"))
        }
        Answer::Open(outcome) if scene.is_new() => {
            (outcome, "a service without data is not blocked for that".to_owned())
        }
        Answer::Open(outcome) => (outcome, format!("the policy lets a {class} pass")),
    };
    let mut reason = unknown(scene, candidates, outcome, &follows);
    let denies = |c: &Candidate<'_>| c.level.deploys.deny.contains(&class) && !c.fits_a_cap(inputs);
    if !outcome.passes() && !candidates.iter().any(denies) {
        let unsigned: BTreeSet<&Role> =
            candidates.iter().flat_map(|c| c.unsigned(inputs)).collect();
        reason.lifts.extend(unsigned.into_iter().map(|role| asking(inputs, role)));
    }
    Ruling { reasons: vec![reason], reach: None }
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
    let stale: String = scene.without_data().collect();
    Reason {
        outcome,
        kind: ReasonKind::Unknown,
        text: format!(
            "It cannot be told which level is in force ({}), for want of {}; {follows}.{stale}",
            names.join(" or "),
            missing.join(", ")
        ),
        lifts: vec![Lift::Data { of: missing }],
    }
}

/// When a denial ends by itself.
#[derive(Default)]
pub(super) struct Recovery {
    /// The first moment at which the levels let the change pass.
    pub(super) levels: Option<Timestamp>,
    /// The first at which nothing else stops it either.
    pub(super) all: Option<Timestamp>,
}

/// When the change will pass, if nothing more goes bad and traffic stays as it is; `None` where that
/// is not found within what is known. `ends` are when other things that stop it may end, `is_stopped`
/// whether they stop it at a moment.
///
/// A latched level that is in force, one of `now`, does not end by time.
pub(super) fn recovery(
    inputs: &GateInputs<'_>,
    now: &[Candidate<'_>],
    ends: impl Iterator<Item = Timestamp>,
    is_stopped: impl Fn(Timestamp) -> bool,
) -> Recovery {
    let latched = now.iter().filter(|candidate| candidate.latched);
    let held: Vec<&str> = latched.map(|candidate| candidate.level.name.as_str()).collect();
    let mut scene = Scene::new(inputs);
    let mut moments = scene.moments();
    moments.extend(ends);
    moments.retain(|moment| *moment > inputs.question.at);
    moments.sort_unstable();
    moments.dedup();
    let mut recovery = Recovery::default();
    for at in moments {
        scene.advance(at);
        // An approval may have expired by then.
        let question = Question { at, ..inputs.question.clone() };
        let then = GateInputs { question: &question, ..*inputs };
        let candidates = candidates(&then, &scene, &held);
        if Answer::of(&then, &scene, &candidates).outcome().passes() {
            recovery.levels = recovery.levels.or(Some(at));
            if !is_stopped(at) {
                recovery.all = Some(at);
                break;
            }
        }
    }
    recovery
}
