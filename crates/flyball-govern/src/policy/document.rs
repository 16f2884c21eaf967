//! A policy as it is written, and the same checked as a whole.

use std::collections::BTreeSet;

use flyball_model::{Duration, Rational, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::condition::Condition;
use super::postmortem::PostMortemRule;
use super::{CAUSES, CLASSES, ChangeClass, ConditionError, Role};

/// The most levels of a policy: each is decided for each budget.
pub const LEVELS_MAX: usize = 16;
/// The most entries of any list in a policy.
pub const LIST_MAX: usize = 64;
/// The longest that an override may last by a policy that does not say.
const OVERRIDE_LONGEST: Duration = Duration::from_hours(24);
/// After which age of its counts a budget is unknown, by a policy that does not say.
const FRESH: Duration = Duration::from_minutes(15);

/// `spec` of a `kind: BudgetPolicy`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BudgetPolicySpec {
    /// What it is for, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Raised with every change; signatures are for one version.
    pub version: u32,
    /// Whose signatures put it in force; until then it is advisory.
    pub approvers: Vec<Role>,
    /// When it is to be looked at again; it stays in force after that day, and says that it is late.
    #[serde(with = "super::read::date")]
    pub revisit: Date,
    /// The zone of `calendar.…`, by IANA's name.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// How old counts may be; older ones are no data.
    #[serde(default = "fresh", deserialize_with = "super::read::duration")]
    pub fresh: Duration,
    /// The levels, gravest first: the first whose condition holds for any budget is in force. The last
    /// has no condition.
    pub levels: Vec<LevelSpec>,
    /// Which changes wait while it cannot be told which level is in force.
    #[serde(default)]
    pub unknown: UnknownRule,
    /// Causes whose bad events do not count against the budget.
    #[serde(default)]
    pub exemptions: Vec<Exemption>,
    /// Who may make exceptions.
    #[serde(default)]
    pub overrides: OverrideRule,
    /// Who is told of a denial that lasts, and after how long the next.
    #[serde(default)]
    pub escalation: Vec<EscalationStep>,
    /// Which incidents are written up.
    #[serde(default)]
    pub post_mortem: Option<PostMortemRule>,
    /// Stretches of time in which changes wait.
    #[serde(default)]
    pub freezes: Vec<CalendarFreeze>,
}

impl BudgetPolicySpec {
    /// The functions that it names: who signs, overrides and is told; some more than once.
    pub fn functions(&self) -> impl Iterator<Item = &Role> {
        let levels = self.levels.iter().flat_map(|level| {
            let signers = level.require.iter().map(|sign_off| &sign_off.role);
            let openers = level.latch.iter().map(|latch| &latch.role);
            signers.chain(openers).chain(&level.notify)
        });
        let overriders = self.overrides.roles.iter().chain(&self.overrides.second);
        let escalated = self.escalation.iter().map(|step| &step.role);
        self.approvers.iter().chain(levels).chain(overriders).chain(escalated)
    }
}

/// One level and its consequences.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LevelSpec {
    /// Its name, unique in the policy.
    pub name: String,
    /// When it holds, in CEL; missing in the last level only.
    #[serde(default)]
    pub when: Option<String>,
    /// What it means for people, in a sentence that answers repeat.
    #[serde(default)]
    pub say: String,
    /// What happens to changes; a class that is not listed is allowed.
    #[serde(default)]
    pub deploys: Rulings,
    /// Rollouts small enough to be let through where the class is denied.
    #[serde(default)]
    pub caps: Vec<Cap>,
    /// Signatures that a change needs.
    #[serde(default)]
    pub require: Vec<SignOff>,
    /// Once it held, the level stays until somebody signs it off.
    #[serde(default)]
    pub latch: Option<LatchRule>,
    /// Who is told when it begins.
    #[serde(default)]
    pub notify: Vec<Role>,
}

/// Classes of changes by what happens to them.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rulings {
    /// These pass, and are told of the level.
    #[serde(default)]
    pub warn: BTreeSet<ChangeClass>,
    /// These wait.
    #[serde(default)]
    pub deny: BTreeSet<ChangeClass>,
}

/// The blast radius that is accepted: at most this share of users, for at least this long.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// For which classes.
    pub classes: BTreeSet<ChangeClass>,
    /// The largest share of users.
    #[serde(with = "super::read::share")]
    pub share: Rational,
    /// The shortest time that each step is watched.
    #[serde(deserialize_with = "super::read::duration")]
    pub bake: Duration,
}

/// A signature that a change needs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignOff {
    /// Whose.
    pub role: Role,
    /// For which classes.
    pub classes: BTreeSet<ChangeClass>,
}

/// How a latched level ends, and begins again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatchRule {
    /// Whose signature opens it.
    pub role: Role,
    /// It closes again when this share of the budget was spent after the signature, although the
    /// condition never ceased to hold.
    #[serde(with = "super::read::share")]
    pub rearm: Rational,
}

/// What waits while the level is unknown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnknownRule {
    /// These; all others pass with a warning.
    pub block: BTreeSet<ChangeClass>,
}

impl Default for UnknownRule {
    /// Features wait.
    fn default() -> Self {
        Self { block: BTreeSet::from([ChangeClass::Feature]) }
    }
}

/// Bad events that are not the team's: of a cause, or of all causes of a class. One of both is named.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// The cause, as attributions in the ledger name it: the id of an incident or a change, or one of
    /// [`CAUSES`](super::CAUSES).
    #[serde(default)]
    pub cause: Option<String>,
    /// The class that was given to what happened.
    #[serde(default)]
    pub class: Option<String>,
    /// Why, in a sentence.
    #[serde(default)]
    pub why: String,
}

impl Exemption {
    /// What is wrong with it, and in which field; what it names may well be unknown yet.
    fn fault(&self) -> Option<(&'static str, String)> {
        match (&self.cause, &self.class) {
            (Some(cause), None) if CLASSES.contains(&cause.as_str()) => {
                Some((".cause", format!("`{cause}` is a class; hint: write `class: {cause}`")))
            }
            (Some(cause), None) if cause.trim().is_empty() => {
                Some((".cause", format!("it names nothing; hint: {}", CAUSES.join(", "))))
            }
            (None, Some(class)) if CAUSES.contains(&class.as_str()) => {
                Some((".class", format!("`{class}` is a cause; hint: write `cause: {class}`")))
            }
            (None, Some(class)) if Role::new(class).is_err() => Some((
                ".class",
                format!("`{class}` is no class; hint: write it like `company-network`"),
            )),
            (None, None) | (Some(_), Some(_)) => {
                Some(("", "an exemption names a `cause` or a `class`, and not both".to_owned()))
            }
            _ => None,
        }
    }
}

/// Who may make exceptions, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideRule {
    /// Any of these.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// Another person of this role has to agree.
    #[serde(default)]
    pub second: Option<Role>,
    /// The longest that one lasts.
    #[serde(default = "override_longest", deserialize_with = "super::read::duration")]
    pub longest: Duration,
}

impl Default for OverrideRule {
    /// Nobody: a policy that does not say who may make exceptions has none.
    fn default() -> Self {
        Self { roles: BTreeSet::new(), second: None, longest: OVERRIDE_LONGEST }
    }
}

/// One step of an escalation path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscalationStep {
    /// Who is told.
    pub role: Role,
    /// How long after the beginning.
    #[serde(deserialize_with = "super::read::duration")]
    pub after: Duration,
}

/// A stretch of time in which changes wait.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarFreeze {
    /// Its name, such as `year-end`.
    pub name: String,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after.
    pub until: Timestamp,
    /// What waits.
    pub classes: BTreeSet<ChangeClass>,
}

impl CalendarFreeze {
    /// True when it stops a change of `class` at `at`.
    pub fn stops(&self, class: ChangeClass, at: Timestamp) -> bool {
        self.from <= at && at < self.until && self.classes.contains(&class)
    }
}

fn utc() -> String {
    "UTC".to_owned()
}

const fn fresh() -> Duration {
    FRESH
}

const fn override_longest() -> Duration {
    OVERRIDE_LONGEST
}

/// Something wrong in a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("{path}: {message}")]
pub struct PolicyError {
    /// Where, such as `spec.levels[1].when`.
    pub path: String,
    /// The line and character inside a condition, from 1; `None` elsewhere.
    pub place: Option<(usize, usize)>,
    /// What is wrong and what to do.
    pub message: String,
}

impl PolicyError {
    /// `message` about what stands at `path`.
    pub(crate) fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), place: None, message: message.into() }
    }
}

/// A policy that can decide.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    name: String,
    spec: BudgetPolicySpec,
    conditions: Vec<Option<Condition>>,
    zone: TimeZone,
}

impl Policy {
    /// Checks a policy as a whole and compiles its conditions.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: BudgetPolicySpec) -> Result<Self, Vec<PolicyError>> {
        let mut check = Check::default();
        check.head(name, &spec);
        let zone = TimeZone::get(&spec.time_zone).unwrap_or_else(|_| {
            check
                .error("spec.timeZone", format!("`{}` is not a time zone of IANA", spec.time_zone));
            TimeZone::UTC
        });
        let conditions = check.levels(&spec.levels);
        check.rest(&spec);
        if !check.errors.is_empty() {
            return Err(check.errors);
        }
        Ok(Self { name: name.to_owned(), spec, conditions, zone })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As it was written.
    pub const fn spec(&self) -> &BudgetPolicySpec {
        &self.spec
    }

    /// Whether it should have been looked at again before `at`.
    pub fn is_overdue(&self, at: Timestamp) -> bool {
        at.to_jiff().to_zoned(self.zone().clone()).date() > self.spec.revisit
    }

    /// The levels with their conditions, gravest first; the last has none.
    pub(crate) fn levels(
        &self,
    ) -> impl DoubleEndedIterator<Item = (&LevelSpec, Option<&Condition>)> {
        self.spec.levels.iter().zip(self.conditions.iter().map(Option::as_ref))
    }

    /// The conditions of its levels.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().flatten()
    }

    /// Where its days begin.
    pub(crate) const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The level called `name`.
    pub fn level(&self, name: &str) -> Option<&LevelSpec> {
        self.spec.levels.iter().find(|level| level.name == name)
    }

    /// Who is due to be told at `at` of a denial that began at `since`, in the order of the path.
    pub fn escalation_due(&self, since: Timestamp, at: Timestamp) -> Vec<&Role> {
        let due = |step: &&EscalationStep| since.plus(step.after) <= at;
        self.spec.escalation.iter().filter(due).map(|step| &step.role).collect()
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Check {
    errors: Vec<PolicyError>,
}

impl Check {
    fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.errors.push(PolicyError::at(path, message));
    }

    fn head(&mut self, name: &str, spec: &BudgetPolicySpec) {
        if name.trim().is_empty() {
            self.error("metadata.name", "a policy has a name");
        }
        if spec.version == 0 {
            self.error("spec.version", "versions count from 1");
        }
        if spec.approvers.is_empty() {
            let message = "a policy names whose signatures put it in force; hint: list roles, like \
                           `- product_manager`";
            self.error("spec.approvers", message);
        }
        if spec.fresh.is_zero() {
            self.error("spec.fresh", "counts are never that new; hint: write `15m`");
        }
    }

    fn levels(&mut self, levels: &[LevelSpec]) -> Vec<Option<Condition>> {
        if levels.is_empty() || levels.len() > LEVELS_MAX {
            let message = format!("a policy has 1 to {LEVELS_MAX} levels, not {}", levels.len());
            self.error("spec.levels", message);
        }
        let mut names = BTreeSet::new();
        let mut conditions = Vec::new();
        for (index, level) in levels.iter().enumerate().take(LEVELS_MAX) {
            let path = format!("spec.levels[{index}]");
            if level.name.trim().is_empty() || !names.insert(level.name.as_str()) {
                self.error(format!("{path}.name"), "each level has a name of its own");
            }
            conditions.push(self.condition(&path, level, index + 1 == levels.len()));
            self.restoring(&format!("{path}.deploys.deny"), &level.deploys.deny);
            if let Some(class) = level.deploys.deny.intersection(&level.deploys.warn).next() {
                self.error(format!("{path}.deploys"), format!("`{class}` is listed twice"));
            }
            for (at, cap) in level.caps.iter().enumerate() {
                if cap.share.is_zero() {
                    self.error(format!("{path}.caps[{at}].share"), "a rollout to nobody is none");
                }
                if let Some(class) = cap.classes.difference(&level.deploys.deny).next() {
                    let message = format!(
                        "`{class}` is not denied at this level, so that a cap does nothing"
                    );
                    self.error(format!("{path}.caps[{at}].classes"), message);
                }
            }
            for (at, sign_off) in level.require.iter().enumerate() {
                self.restoring(&format!("{path}.require[{at}].classes"), &sign_off.classes);
            }
            for (list, length) in [
                ("caps", level.caps.len()),
                ("require", level.require.len()),
                ("notify", level.notify.len()),
            ] {
                self.bounded(&format!("{path}.{list}"), length);
            }
        }
        conditions
    }

    fn condition(&mut self, path: &str, level: &LevelSpec, is_last: bool) -> Option<Condition> {
        let path = format!("{path}.when");
        match (&level.when, is_last) {
            (None, true) => None,
            (Some(_), true) => {
                self.error(path, "the last level has no condition: it holds when no other does");
                None
            }
            (None, false) => {
                self.error(
                    path,
                    "only the last level has no condition; hint: levels after it are never reached",
                );
                None
            }
            (Some(text), false) => match Condition::compile(text) {
                Ok(condition) => Some(condition),
                Err(ConditionError { line, column, message }) => {
                    self.errors.push(PolicyError { path, place: Some((line, column)), message });
                    None
                }
            },
        }
    }

    fn rest(&mut self, spec: &BudgetPolicySpec) {
        self.restoring("spec.unknown.block", &spec.unknown.block);
        for (index, freeze) in spec.freezes.iter().enumerate() {
            let path = format!("spec.freezes[{index}]");
            if freeze.until <= freeze.from {
                self.error(format!("{path}.until"), "a freeze ends after it starts");
            }
            self.restoring(&format!("{path}.classes"), &freeze.classes);
        }
        if spec.overrides.longest.is_zero() {
            self.error("spec.overrides.longest", "an override that ends at once does nothing");
        }
        for (index, exemption) in spec.exemptions.iter().enumerate() {
            if let Some((field, message)) = exemption.fault() {
                self.error(format!("spec.exemptions[{index}]{field}"), message);
            }
        }
        for (list, length) in [
            ("approvers", spec.approvers.len()),
            ("exemptions", spec.exemptions.len()),
            ("escalation", spec.escalation.len()),
            ("freezes", spec.freezes.len()),
        ] {
            self.bounded(&format!("spec.{list}"), length);
        }
        if !spec.escalation.is_sorted_by_key(|step| step.after) {
            self.error("spec.escalation", "each step comes after the one before it");
        }
    }

    /// Restoring is never denied, so that a policy that says so is wrong.
    fn restoring(&mut self, path: &str, classes: &BTreeSet<ChangeClass>) {
        if let Some(class) = classes.iter().find(|class| class.restores()) {
            let message =
                format!("`{class}` restores, and restoring is never denied; hint: leave it out");
            self.error(path, message);
        }
    }

    fn bounded(&mut self, path: &str, length: usize) {
        if length > LIST_MAX {
            self.error(path, format!("a list has at most {LIST_MAX} entries, not {length}"));
        }
    }
}
