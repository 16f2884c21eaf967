//! Who is called after whom: support levels, and one trouble on its way along them.
//!
//! Each move of a trouble to another level is a hand-off and costs time, whether the level before it did
//! not answer, had nobody, or knew no further. They are counted, so that a chain of levels can be held
//! against one rota that is called at once.

use std::collections::BTreeSet;

use flyball_model::{Duration, Severity, Timestamp};

use super::document::{Check, Side};
use super::load::CallOut;
use crate::custody::Carried;
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
    /// Who has to carry the service's pager for the level to be called, or be advised with it; whoever does when it is
    /// empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custody: Vec<Carried>,
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
        for carried in Carried::ALL {
            let is_called = spec.levels.iter().any(|level| level.is_for(carried));
            // Those who are advised are called as they were before.
            if !spec.levels.is_empty() && !is_called && carried != Carried::Advised {
                let message = format!(
                    "nobody is called while `{carried}` carries the pager; hint: name it under `custody` of a level"
                );
                check.error("spec.levels", message);
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

    /// The same with the levels that are called while the pager is `carried` so.
    #[must_use]
    pub(super) fn held_by(&self, carried: Carried) -> Self {
        let mut own = self.clone();
        own.spec.levels.retain(|level| level.is_for(carried));
        own
    }
}

impl SupportLevel {
    /// Whether it is called while the pager is `carried` so.
    pub(super) fn is_for(&self, carried: Carried) -> bool {
        self.custody.is_empty() || self.custody.iter().any(|asked| carried.is(*asked))
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
    /// Who carried the pager when it began, which says which levels it takes; `None` for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custody: Option<Carried>,
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
    /// Since when nobody is left to call, as far as nobody has taken it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<Timestamp>,
}

/// One level that was called.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CallStep {
    /// When.
    pub at: Timestamp,
    /// The level, by its place in the chain.
    pub level: usize,
    /// What the level was called then.
    pub name: String,
    /// The rota that was called.
    pub rota: String,
    /// Who was called; empty when the level had nobody.
    pub who: Vec<String>,
    /// How it came here.
    pub moved: Moved,
}

impl CallStep {
    /// The call of a level of `chain`, which has so many.
    fn of(
        chain: &Escalation,
        level: usize,
        at: Timestamp,
        moved: Moved,
        who: impl Fn(&SupportLevel, Timestamp) -> Vec<String>,
    ) -> Self {
        let of = &chain.spec.levels[level];
        let (name, rota) = (of.name.clone(), of.rota.clone());
        Self { at, level, name, rota, who: who(of, at), moved }
    }
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
    /// These and `other` together; the delay is the sum.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            unanswered: self.unanswered + other.unanswered,
            nobody: self.nobody + other.nobody,
            passed_on: self.passed_on + other.passed_on,
            delay: super::spans::sum([self.delay, other.delay]),
        }
    }

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
        Self {
            id,
            escalation,
            custody: None,
            severity,
            opened,
            steps: Vec::new(),
            taken: None,
            closed: None,
            unanswered: None,
        }
    }

    /// Begins at the level of this place in `chain` with these people: whoever looks at a ticket.
    pub(crate) fn begin_at(
        &mut self,
        chain: &Escalation,
        (level, who): (usize, Vec<String>),
        at: Timestamp,
    ) {
        let here = |_: &SupportLevel, _| who.clone();
        self.steps.push(CallStep::of(chain, level, at, Moved::Opened, here));
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

    /// The level after the last that was called; `None` when the chain is used up, and for a ticket, for which
    /// nobody else is called.
    fn next(&self, chain: &Escalation) -> Option<usize> {
        if self.severity == Severity::Ticket && !self.steps.is_empty() {
            return None;
        }
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
        self.gives_up(chain).is_some_and(|gives_up| gives_up <= at)
    }

    /// When the last level's time is over and nobody is left to call; `None` while there is a level to call, somebody has
    /// it, and after its end.
    pub fn gives_up(&self, chain: &Escalation) -> Option<Timestamp> {
        let last = self.steps.last()?;
        let wait = chain.spec.levels.get(last.level).map(|level| level.wait).unwrap_or_default();
        let wait = if last.who.is_empty() { Duration::ZERO } else { wait };
        let is_open = self.severity == Severity::Page
            && self.taken.is_none()
            && self.closed.is_none()
            && self.next(chain).is_none();
        is_open.then(|| last.at.plus(wait))
    }

    /// Moves on to the level that is due at `now`, and answers with the steps that are new. `who` says who of a
    /// level is called at a moment; a level without anybody is passed over at once.
    ///
    /// A level that was due while nobody looked is called now, and has its whole time from then on: who
    /// was not told has not failed to answer.
    pub fn advance(
        &mut self,
        chain: &Escalation,
        now: Timestamp,
        who: impl Fn(&SupportLevel, Timestamp) -> Vec<String>,
    ) -> &[CallStep] {
        let known = self.steps.len();
        while self.due(chain).is_some_and(|due| due <= now) {
            let Some(next) = self.next(chain) else { break };
            let moved = match self.steps.last() {
                None => Moved::Opened,
                Some(last) if last.who.is_empty() => Moved::Nobody,
                Some(_) => Moved::Unanswered,
            };
            self.steps.push(CallStep::of(chain, next, now, moved, &who));
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
                self.unanswered = None;
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
        let levels = chain.spec.levels.len();
        // A chain that begins anew by itself does so by hand, as often.
        let rounds = self.steps.iter().filter(|step| step.level == 0).count();
        let anew = (levels > 1 && rounds <= chain.spec.repeat as usize).then_some(0);
        let next = if here + 1 < levels { Some(here + 1) } else { anew };
        let Some(next) = next else {
            let level = chain.spec.levels.get(here).map(|level| level.name.clone());
            return Err(CallError::Last { level: level.unwrap_or_default() });
        };
        let moved = Moved::PassedOn { by: by.to_owned(), why: why.to_owned() };
        self.steps.push(CallStep::of(chain, next, at, moved, who));
        (self.taken, self.unanswered) = (None, None);
        Ok(())
    }

    /// It is over.
    pub fn close(&mut self, at: Timestamp) {
        self.closed = self.closed.or(Some(at));
    }

    /// The times that people of `rota` worked on it because they were called, each person once, in the order of
    /// the calls.
    ///
    /// Whoever took it worked until it was over, or until they passed it on; somebody else who was called,
    /// until somebody took it. Whoever took it and was never called belongs to the rota that was called last. Of a
    /// ticket whoever took it works from then on, and nobody else.
    pub fn outs(&self, rota: &str) -> Vec<CallOut> {
        let out = |who: &str, called: Timestamp| CallOut {
            id: self.id.clone(),
            who: who.to_owned(),
            severity: self.severity,
            called,
            ended: self.ended_for(who, called),
        };
        let is_last = self.steps.last().is_some_and(|step| step.rota == rota);
        if self.severity == Severity::Ticket {
            let taken = self.taken.as_ref().filter(|_| is_last);
            return taken.map(|taken| out(self.member(&taken.by), taken.at)).into_iter().collect();
        }
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for step in self.steps.iter().filter(|step| step.rota == rota) {
            let people = step.who.iter().filter(|who| seen.insert(who.as_str()));
            found.extend(people.map(|who| out(who, step.at)));
        }
        let is_called = |by: &str| self.steps.iter().flat_map(|of| &of.who).any(|who| is(who, by));
        if let Some(taken) = self.taken.as_ref().filter(|of| is_last && !is_called(&of.by)) {
            found.push(out(&taken.by, taken.at));
        }
        found
    }

    /// Who of those who were called is meant by `said`; `said` itself for somebody else.
    fn member<'a>(&'a self, said: &'a str) -> &'a str {
        let called = self.steps.iter().flat_map(|step| &step.who);
        called.map(String::as_str).find(|who| is(who, said)).unwrap_or(said)
    }

    /// When `who` was done, who was called at `called`; `None` while nobody knows.
    fn ended_for(&self, who: &str, called: Timestamp) -> Option<Timestamp> {
        let passed = self.steps.iter().find(|step| {
            step.at >= called && matches!(&step.moved, Moved::PassedOn { by, .. } if is(who, by))
        });
        if let Some(passed) = passed {
            return Some(passed.at);
        }
        match &self.taken {
            Some(taken) if !is(who, &taken.by) => Some(taken.at.max(called)),
            _ => self.closed,
        }
    }

    fn is_open(&self) -> Result<(), CallError> {
        self.closed.map_or(Ok(()), |at| Err(CallError::Closed { at }))
    }

    /// What its way cost so far: a level that is called again hands nothing off.
    pub fn hand_offs(&self) -> HandOffs {
        let mut found = HandOffs::default();
        let before = std::iter::once(None).chain(self.steps.iter().map(|step| Some(step.level)));
        for (step, before) in self.steps.iter().zip(before) {
            if before == Some(step.level) {
                continue;
            }
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

/// Whether the member called `who` is meant by `said`: their name, or name and account as in `Ada (ada@shop)`.
pub fn is(who: &str, said: &str) -> bool {
    let account = said.strip_suffix(')').and_then(|said| said.rsplit_once(" ("));
    said == who || account.is_some_and(|(name, account)| name == who || account == who)
}

fn said(what: &'static str, text: &str) -> Result<(), CallError> {
    if text.trim().is_empty() || text.len() > WHY_BYTES_MAX {
        return Err(CallError::Missing { what });
    }
    Ok(())
}
