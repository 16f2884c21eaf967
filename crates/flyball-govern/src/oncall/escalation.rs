//! Who is called after whom: support levels, and one trouble on its way along them.
//!
//! Each move of a trouble to another level is a hand-off and costs time, whether the level before it did
//! not answer, had nobody, or knew no further. They are counted, so that a chain of levels can be held
//! against one rota that is called at once.

use flyball_model::{Duration, Severity, Timestamp};

use super::document::{Check, Side};
use crate::policy::{PolicyError, read};

/// The most levels of a chain: who is called after five hand-offs is too late anyway.
pub const LEVELS_MAX: usize = 8;
/// How often a chain begins anew at most, after its last level did not answer.
pub const REPEATS_MAX: u32 = 16;
/// The most services of a chain.
pub const SERVICES_MAX: usize = 256;
/// The longest wait for a level: a ticket waits for a long weekend.
const WAIT_LONGEST: Duration = Duration::from_days(4);
/// The longest reason, in bytes.
const WHY_BYTES_MAX: usize = 1_024;

/// `spec` of a `kind: Escalation`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscalationSpec {
    /// What it is for, in a sentence.
    #[serde(default)]
    pub description: String,
    /// The services whose alerts take this way.
    pub services: Vec<String>,
    /// Who is called, first to last.
    pub levels: Vec<SupportLevel>,
    /// How often it begins anew when nobody answers.
    #[serde(default)]
    pub repeat: u32,
}

/// One level of support.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupportLevel {
    /// Its name, unique in the chain, such as `service desk`.
    pub name: String,
    /// Whose it is.
    pub side: Side,
    /// The rota that is called.
    pub rota: String,
    /// One of its layers; those that carry the alert's severity when it is missing.
    #[serde(default)]
    pub layer: Option<String>,
    /// How long it has to answer before the next is called.
    #[serde(deserialize_with = "read::duration")]
    pub wait: Duration,
}

/// An escalation with its name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Escalation {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub spec: EscalationSpec,
}

impl Escalation {
    /// Checks an escalation as a whole.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: EscalationSpec) -> Result<Self, Vec<PolicyError>> {
        let mut check = Check::default();
        check.name("metadata.name", name);
        check.count("spec.services", spec.services.len(), SERVICES_MAX);
        for (at, service) in spec.services.iter().enumerate() {
            let path = format!("spec.services[{at}]");
            if spec.services[..at].contains(service) {
                check.error(path, format!("`{service}` is there already"));
            } else {
                check.name(path, service);
            }
        }
        if spec.levels.is_empty() {
            check.error("spec.levels", "nobody is called; hint: one level with a rota is enough");
        }
        check.count("spec.levels", spec.levels.len(), LEVELS_MAX);
        for (at, level) in spec.levels.iter().enumerate() {
            let path = |field: &str| format!("spec.levels[{at}].{field}");
            check.name(path("name"), &level.name);
            if spec.levels[..at].iter().any(|other| other.name == level.name) {
                check.error(path("name"), format!("another level is called `{}`", level.name));
            }
            check.name(path("rota"), &level.rota);
            if let Some(layer) = &level.layer {
                check.name(path("layer"), layer);
            }
            if level.wait.is_zero() || level.wait > WAIT_LONGEST {
                let message = format!("people need time to answer, and at most {WAIT_LONGEST}");
                check.error(path("wait"), message);
            }
        }
        if spec.repeat > REPEATS_MAX {
            check.error("spec.repeat", format!("it begins anew at most {REPEATS_MAX} times"));
        }
        if check.errors.is_empty() {
            Ok(Self { name: name.to_owned(), spec })
        } else {
            Err(check.errors)
        }
    }
}

/// Why a call cannot be moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It is over.
    #[error("the call is over since {at}; hint: a new alert opens a new one")]
    Closed {
        /// Since when.
        at: Timestamp,
    },
    /// Somebody has it.
    #[error("`{who}` has it already; hint: they pass it on")]
    Taken {
        /// Who.
        who: String,
    },
    /// There is no level after this one.
    #[error("`{level}` is the last level; hint: call whom you need by hand")]
    Last {
        /// Its name.
        level: String,
    },
    /// Who or why is missing.
    #[error("{what} is missing or too long; hint: say it in a line")]
    Missing {
        /// What is not there.
        what: &'static str,
    },
}

/// One trouble on its way along an escalation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Call {
    /// The trouble: an alert or an incident by its id.
    pub id: String,
    /// The escalation that it takes.
    pub escalation: String,
    /// How grave it is.
    pub severity: Severity,
    /// When it began.
    pub opened: Timestamp,
    /// Whom it went to, in order.
    pub steps: Vec<CallStep>,
    /// Who has it now.
    pub taken: Option<Taken>,
    /// When it was over.
    pub closed: Option<Timestamp>,
}

/// One level that was called.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CallStep {
    /// When.
    pub at: Timestamp,
    /// The level, by its place in the chain.
    pub level: usize,
    /// Who was called; empty when the level had nobody.
    pub who: Vec<String>,
    /// How it came here.
    pub moved: Moved,
}

/// How a trouble came to a level.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Moved {
    /// It began here.
    Opened,
    /// The level before it did not answer.
    Unanswered,
    /// The level before it had nobody.
    Nobody,
    /// Somebody passed it on.
    PassedOn {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
}

/// Who has a trouble.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Taken {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
}

/// What a trouble's way cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct HandOffs {
    /// Moves because a level did not answer.
    pub unanswered: u32,
    /// Moves because a level had nobody.
    pub nobody: u32,
    /// Moves by somebody who knew no further.
    pub passed_on: u32,
    /// From its beginning until the level that it came to last was called.
    pub delay: Duration,
}

impl HandOffs {
    /// All of them.
    pub const fn total(self) -> u32 {
        self.unanswered + self.nobody + self.passed_on
    }
}

impl Call {
    /// A trouble that begins at `opened`; nobody is called yet.
    pub const fn new(
        id: String,
        escalation: String,
        severity: Severity,
        opened: Timestamp,
    ) -> Self {
        Self { id, escalation, severity, opened, steps: Vec::new(), taken: None, closed: None }
    }

    /// When the next level is due; `None` while somebody has it, after its end, and when the chain is used
    /// up.
    pub fn due(&self, chain: &Escalation) -> Option<Timestamp> {
        if self.taken.is_some() || self.closed.is_some() {
            return None;
        }
        let Some(last) = self.steps.last() else { return Some(self.opened) };
        self.next(chain)?;
        let waits = !last.who.is_empty();
        let wait = chain.spec.levels.get(last.level).filter(|_| waits).map(|level| level.wait);
        Some(last.at.plus(wait.unwrap_or_default()))
    }

    /// The level after the last that was called; `None` when the chain is used up.
    fn next(&self, chain: &Escalation) -> Option<usize> {
        let levels = chain.spec.levels.len();
        let most = levels.saturating_mul(1 + chain.spec.repeat as usize);
        let next = self.steps.last().map_or(0, |step| step.level + 1);
        // Passing on by hand is beside the rounds: it does not use them up.
        let passed = |step: &&CallStep| matches!(step.moved, Moved::PassedOn { .. });
        let used = self.steps.len() - self.steps.iter().filter(passed).count();
        let next = if next >= levels { 0 } else { next };
        (used < most && levels > 0).then_some(next)
    }

    /// Whether nobody took it and nobody is left to call at `at`: the last level's time is over too.
    pub fn is_unanswered(&self, chain: &Escalation, at: Timestamp) -> bool {
        let Some(last) = self.steps.last() else { return false };
        let wait = chain.spec.levels.get(last.level).map(|level| level.wait).unwrap_or_default();
        let wait = if last.who.is_empty() { Duration::ZERO } else { wait };
        self.taken.is_none()
            && self.closed.is_none()
            && self.next(chain).is_none()
            && last.at.plus(wait) <= at
    }

    /// Moves on to the levels that are due at `now`, each at the moment at which it was due, and answers
    /// with the steps that are new. `who` says who of a level is called at a moment; a level without
    /// anybody is passed over at once.
    pub fn advance(
        &mut self,
        chain: &Escalation,
        now: Timestamp,
        who: impl Fn(&SupportLevel, Timestamp) -> Vec<String>,
    ) -> &[CallStep] {
        let known = self.steps.len();
        while let Some(at) = self.due(chain).filter(|at| *at <= now) {
            let Some(next) = self.next(chain) else { break };
            let moved = match self.steps.last() {
                None => Moved::Opened,
                Some(last) if last.who.is_empty() => Moved::Nobody,
                Some(_) => Moved::Unanswered,
            };
            let called = who(&chain.spec.levels[next], at);
            self.steps.push(CallStep { at, level: next, who: called, moved });
        }
        &self.steps[known..]
    }

    /// Somebody has it now.
    ///
    /// # Errors
    ///
    /// [`CallError`] when it is over or somebody else has it.
    pub fn take(&mut self, by: &str, at: Timestamp) -> Result<(), CallError> {
        self.is_open()?;
        said("who takes it", by)?;
        match &self.taken {
            Some(taken) if taken.by != by => Err(CallError::Taken { who: taken.by.clone() }),
            Some(_) => Ok(()),
            None => {
                self.taken = Some(Taken { by: by.to_owned(), at });
                Ok(())
            }
        }
    }

    /// Passes it on to the next level, which is called at once: `who` are those of it.
    ///
    /// # Errors
    ///
    /// [`CallError`] when it is over, there is no level after this one, or nobody says who or why.
    pub fn pass_on(
        &mut self,
        chain: &Escalation,
        (by, why): (&str, &str),
        at: Timestamp,
        who: impl Fn(&SupportLevel, Timestamp) -> Vec<String>,
    ) -> Result<(), CallError> {
        self.is_open()?;
        said("who passes it on", by)?;
        said("the reason", why)?;
        let here = self.steps.last().map_or(0, |step| step.level);
        let Some(level) = chain.spec.levels.get(here + 1) else {
            let level = chain.spec.levels.get(here).map(|level| level.name.clone());
            return Err(CallError::Last { level: level.unwrap_or_default() });
        };
        let moved = Moved::PassedOn { by: by.to_owned(), why: why.to_owned() };
        self.steps.push(CallStep { at, level: here + 1, who: who(level, at), moved });
        self.taken = None;
        Ok(())
    }

    /// It is over.
    pub fn close(&mut self, at: Timestamp) {
        self.closed = self.closed.or(Some(at));
    }

    fn is_open(&self) -> Result<(), CallError> {
        self.closed.map_or(Ok(()), |at| Err(CallError::Closed { at }))
    }

    /// What its way cost so far.
    pub fn hand_offs(&self) -> HandOffs {
        let mut found = HandOffs::default();
        for step in &self.steps {
            match step.moved {
                Moved::Opened => {}
                Moved::Unanswered => found.unanswered += 1,
                Moved::Nobody => found.nobody += 1,
                Moved::PassedOn { .. } => found.passed_on += 1,
            }
        }
        let last = self.steps.last().map(|step| step.at.since(self.opened));
        HandOffs { delay: last.unwrap_or_default(), ..found }
    }
}

fn said(what: &'static str, text: &str) -> Result<(), CallError> {
    if text.trim().is_empty() || text.len() > WHY_BYTES_MAX {
        return Err(CallError::Missing { what });
    }
    Ok(())
}
