//! Exceptions to a rota: overrides, swaps of shifts, temporary schedules.
//!
//! Overrides act in the order in which they were made, each on what the ones before it left: what Bo took
//! over of Ada's can be taken over of Bo's. A swap that was taken is one or two of them. A temporary
//! schedule stands above all: while it lasts it alone says who is there.
//!
//! Source: overrides (add, remove, replace) and temporary schedules as `GoAlert` has them.

use flyball_model::{Duration, Interval, Timestamp};

use super::document::{Carries, Duty, NAME_BYTES_MAX};
use super::{Rota, spans};

/// The longest override or temporary schedule: a year, after which the rota is to be changed.
pub const EXCEPTION_LONGEST: Duration = Duration::from_days(366);
/// The most shifts of a temporary schedule: eight a day for a quarter.
pub const FIXED_SHIFTS_MAX: usize = 744;
/// The longest reason, in bytes.
const WHY_BYTES_MAX: usize = 1_024;

/// Why an exception cannot be made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExceptionError {
    /// Nobody asked for it, or it says nothing.
    #[error("{what} is missing or too long; hint: say it in a line")]
    Missing {
        /// What is not there.
        what: &'static str,
    },
    /// Its end is not after its start, or too far.
    #[error(
        "it would end before it starts, or last longer than {EXCEPTION_LONGEST}; hint: change the rota for what lasts"
    )]
    Length,
    /// It changes nothing.
    #[error("it neither adds nor removes anybody; hint: name who comes, who goes, or both")]
    Nothing,
    /// Somebody whom the rota does not know.
    #[error("the rota `{rota}` has no member `{who}`; hint: list them under `members`")]
    Stranger {
        /// The rota.
        rota: String,
        /// The name.
        who: String,
    },
    /// A layer that the rota does not have.
    #[error("the rota `{rota}` has no layer `{layer}`; hint: these are there: {layers}")]
    Layer {
        /// The rota.
        rota: String,
        /// The name.
        layer: String,
        /// Those that are there, in words.
        layers: String,
    },
    /// A shift that two people have, or that lies outside.
    #[error(
        "shift {number} of layer `{layer}` overlaps another or lies outside; hint: one at a time, from start to end"
    )]
    Shift {
        /// Which, counted from 1.
        number: usize,
        /// Whose.
        layer: String,
    },
    /// There are too many shifts.
    #[error(
        "there are {count} shifts; hint: at most {FIXED_SHIFTS_MAX}; change the rota for what lasts"
    )]
    Many {
        /// How many.
        count: usize,
    },
    /// Nobody's shift changes.
    #[error(
        "`{who}` has no shift of `{rota}` then; hint: `flyball oncall show {rota}` lists the shifts"
    )]
    NoShift {
        /// The rota.
        rota: String,
        /// Whose shift it was to be.
        who: String,
    },
    /// A page would come to somebody who is not paged.
    #[error(
        "`{who}` looks at tickets and is never paged; hint: name somebody whose duty is `pages`"
    )]
    NotPaged {
        /// Who.
        who: String,
    },
    /// The swap is settled, or too late.
    #[error("the swap is {state}; hint: ask for another one")]
    Settled {
        /// What it is, in a word.
        state: &'static str,
    },
    /// A swap is settled, and not removed.
    #[error(
        "it is a swap; hint: while nobody has taken it who asked withdraws it (`flyball oncall settle … --how withdrawn`), once \
         it is taken an override puts who asked back (`flyball oncall override`)"
    )]
    IsSwap,
    /// It is over already.
    #[error(
        "the exception is {state}; hint: `flyball oncall exceptions` lists those that are in force"
    )]
    Ended {
        /// What it is, in a word.
        state: &'static str,
    },
    /// The asker cannot take their own shift.
    #[error("`{who}` has asked for it; hint: somebody else takes it")]
    Own {
        /// Who.
        who: String,
    },
    /// Somebody else was asked.
    #[error("`{asked}` was asked, not `{who}`; hint: ask again, naming nobody")]
    NotAsked {
        /// Who was.
        asked: String,
        /// Who wants it.
        who: String,
    },
}

/// Who made an exception, when and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Made {
    /// Who.
    pub by: String,
    /// When: exceptions act in this order, those of one moment in the order in which they are listed.
    pub at: Timestamp,
    /// Why, in a sentence.
    pub why: String,
}

impl Made {
    fn check(&self) -> Result<(), ExceptionError> {
        text("who asks for it", &self.by, NAME_BYTES_MAX)?;
        text("the reason", &self.why, WHY_BYTES_MAX)
    }
}

fn text(what: &'static str, text: &str, bytes_max: usize) -> Result<(), ExceptionError> {
    if text.trim().is_empty() || text.len() > bytes_max {
        return Err(ExceptionError::Missing { what });
    }
    Ok(())
}

fn length(span: Interval) -> Result<(), ExceptionError> {
    if span.is_empty() || span.length() > EXCEPTION_LONGEST {
        return Err(ExceptionError::Length);
    }
    Ok(())
}

fn known(rota: &Rota, who: &str) -> Result<(), ExceptionError> {
    if rota.member(who).is_none() {
        let (rota, who) = (rota.name().to_owned(), who.to_owned());
        return Err(ExceptionError::Stranger { rota, who });
    }
    Ok(())
}

fn paged(rota: &Rota, who: &str) -> Result<(), ExceptionError> {
    if rota.member(who).is_some_and(|member| member.duty == Duty::Tickets) {
        return Err(ExceptionError::NotPaged { who: who.to_owned() });
    }
    Ok(())
}

/// Whether `remove` has something in `span` that can be taken from them, and that `add` may have.
fn handed(
    (rota, exceptions): (&Rota, &Exceptions),
    span: Interval,
    (remove, add): (&str, Option<&str>),
) -> Result<(), ExceptionError> {
    let mut theirs = rota.lines(span, exceptions);
    theirs.retain(|line| line.pieces.iter().any(|piece| piece.answer.who() == Some(remove)));
    if theirs.is_empty() {
        let (rota, who) = (rota.name().to_owned(), remove.to_owned());
        return Err(ExceptionError::NoShift { rota, who });
    }
    let pages = theirs.iter().any(|line| line.carries == Carries::Pages);
    add.filter(|_| pages).map_or(Ok(()), |who| paged(rota, who))
}

/// Somebody comes, goes, or comes for somebody else, for a time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Override {
    /// What it is known by.
    pub id: String,
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after.
    pub end: Timestamp,
    /// Who is not called, in whichever layer they have.
    pub remove: Option<String>,
    /// Who is called: in their place, or beside everybody where nobody is removed.
    pub add: Option<String>,
    /// By whom and why.
    pub made: Made,
}

impl Override {
    /// When it is in force.
    pub const fn span(&self) -> Interval {
        spans::between(self.start, self.end)
    }

    /// What is left of it when it ends at `at`; `None` when it had not begun.
    #[must_use]
    pub fn until(self, at: Timestamp) -> Option<Self> {
        (self.start < at).then(|| Self { end: self.end.min(at), ..self })
    }

    /// Whether it can be kept for `rota` with the exceptions that there are: who is removed has a shift, and nobody is
    /// paged who is never paged.
    ///
    /// # Errors
    ///
    /// [`ExceptionError`]: why not.
    pub fn check(&self, rota: &Rota, exceptions: &Exceptions) -> Result<(), ExceptionError> {
        self.made.check()?;
        length(self.span())?;
        if self.remove == self.add {
            return Err(ExceptionError::Nothing);
        }
        let add = self.add.as_deref();
        add.map_or(Ok(()), |who| known(rota, who))?;
        match (&self.remove, add) {
            (Some(remove), add) => handed((rota, exceptions), self.span(), (remove, add)),
            (None, Some(add)) => paged(rota, add),
            (None, None) => Ok(()),
        }
    }
}

/// One shift for which somebody is looked for, and what is offered for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Swap {
    /// What it is known by.
    pub id: String,
    /// Whose shift it is.
    pub who: String,
    /// The stretch that they give away.
    #[serde(deserialize_with = "crate::policy::read::interval")]
    pub gives: Interval,
    /// The stretch of the other's that they take for it; nothing when they only ask for help.
    #[serde(default, deserialize_with = "interval_or_none")]
    pub takes: Option<Interval>,
    /// Who is asked; anybody when it is missing.
    #[serde(default)]
    pub asked: Option<String>,
    /// By whom and why.
    pub made: Made,
    /// How it ended; `None` while it is open.
    #[serde(default)]
    pub ended: Option<SwapEnd>,
}

fn interval_or_none<'de, D: serde::Deserializer<'de>>(
    input: D,
) -> Result<Option<Interval>, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(transparent)]
    struct Span(#[serde(deserialize_with = "crate::policy::read::interval")] Interval);
    Ok(<Option<Span> as serde::Deserialize>::deserialize(input)?.map(|Span(span)| span))
}

/// How a swap ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SwapEnd {
    /// Who ended it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// How.
    pub how: SwapHow,
}

/// How a swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapHow {
    /// Somebody took it: it is in force.
    Taken,
    /// Who was asked does not want it.
    Declined,
    /// Who asked does not need it any more.
    Withdrawn,
}

impl Swap {
    /// Whether it can be asked for in `rota` with the exceptions that there are: what is given is a shift of whoever
    /// asks, what is taken for it one of whoever is asked.
    ///
    /// # Errors
    ///
    /// [`ExceptionError`]: why not.
    pub fn check(&self, rota: &Rota, exceptions: &Exceptions) -> Result<(), ExceptionError> {
        self.made.check()?;
        known(rota, &self.who)?;
        self.asked.as_ref().map_or(Ok(()), |who| self.taker(rota, who))?;
        length(self.gives)?;
        self.takes.map_or(Ok(()), length)?;
        if self.gives.start() <= self.made.at {
            return Err(ExceptionError::Settled { state: "too late" });
        }
        self.changes((rota, exceptions), self.asked.as_deref())
    }

    /// Whether both sides of it are shifts that change hands once `taker` has taken it; where that may be anybody,
    /// whether what is given is one.
    fn changes(
        &self,
        known: (&Rota, &Exceptions),
        taker: Option<&str>,
    ) -> Result<(), ExceptionError> {
        handed(known, self.gives, (&self.who, taker))?;
        let back = self.takes.zip(taker);
        back.map_or(Ok(()), |(takes, taker)| handed(known, takes, (taker, Some(&self.who))))
    }

    /// Whether `who` may take it.
    fn taker(&self, rota: &Rota, who: &str) -> Result<(), ExceptionError> {
        known(rota, who)?;
        if who == self.who {
            return Err(ExceptionError::Own { who: who.to_owned() });
        }
        match &self.asked {
            Some(asked) if asked != who => {
                let (asked, who) = (asked.clone(), who.to_owned());
                Err(ExceptionError::NotAsked { asked, who })
            }
            _ => Ok(()),
        }
    }

    /// What it is at `at`, in a word: `open`, `taken`, `declined`, `withdrawn`, or `lapsed` when the
    /// shift began before anybody took it.
    pub fn state(&self, at: Timestamp) -> &'static str {
        match self.ended.as_ref().map(|end| end.how) {
            Some(SwapHow::Taken) => "taken",
            Some(SwapHow::Declined) => "declined",
            Some(SwapHow::Withdrawn) => "withdrawn",
            None if self.gives.start() <= at => "lapsed",
            None => "open",
        }
    }

    /// Ends it: who takes or declines it is whoever may; who withdraws it is who asked.
    ///
    /// # Errors
    ///
    /// [`ExceptionError`] when it is not open at `at`, it is not theirs to end so, or what changes hands is no shift
    /// with the exceptions that there are.
    pub fn end(
        &mut self,
        (rota, exceptions): (&Rota, &Exceptions),
        who: &str,
        how: SwapHow,
        at: Timestamp,
    ) -> Result<(), ExceptionError> {
        let state = self.state(at);
        if state != "open" {
            return Err(ExceptionError::Settled { state });
        }
        match how {
            SwapHow::Taken => {
                self.taker(rota, who)?;
                self.changes((rota, exceptions), Some(who))?;
            }
            SwapHow::Declined => self.taker(rota, who)?,
            SwapHow::Withdrawn if who == self.who => {}
            SwapHow::Withdrawn => {
                let (asked, who) = (self.who.clone(), who.to_owned());
                return Err(ExceptionError::NotAsked { asked, who });
            }
        }
        self.ended = Some(SwapEnd { by: who.to_owned(), at, how });
        Ok(())
    }

    /// What it is once taken: the taker for the asker, and the asker for the taker; where both sides are of one
    /// time, as of two layers, both at once.
    fn overrides(&self) -> Vec<Act> {
        let Some(SwapEnd { by, at, how: SwapHow::Taken }) = &self.ended else { return Vec::new() };
        let act = |span, remove: &str, add: &str, is_exchange| Act {
            at: *at,
            span,
            remove: Some(remove.to_owned()),
            add: Some(add.to_owned()),
            is_exchange,
            by: super::By::Swap { id: self.id.clone() },
        };
        let takes: Vec<Interval> = self.takes.into_iter().collect();
        let both = spans::common(&[self.gives], &takes);
        let given = spans::without(&[self.gives], &both);
        let back = spans::without(&takes, &both);
        let given = given.into_iter().map(|span| act(span, &self.who, by, false));
        let back = back.into_iter().map(|span| act(span, by, &self.who, false));
        let both = both.into_iter().map(|span| act(span, &self.who, by, true));
        given.chain(back).chain(both).collect()
    }
}

/// What an override or a swap does.
#[derive(Debug, Clone)]
pub(super) struct Act {
    at: Timestamp,
    pub(super) span: Interval,
    pub(super) remove: Option<String>,
    pub(super) add: Option<String>,
    /// Whether who is removed comes for who is added.
    pub(super) is_exchange: bool,
    pub(super) by: super::By,
}

/// Who is there for a time, written out: the rota and its overrides say nothing while it lasts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TemporarySchedule {
    /// What it is known by.
    pub id: String,
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after.
    pub end: Timestamp,
    /// Its shifts; what they leave out is nobody's.
    pub shifts: Vec<FixedShift>,
    /// By whom and why.
    pub made: Made,
}

/// One shift of a temporary schedule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FixedShift {
    /// The layer that it is of.
    pub layer: String,
    /// Who has it.
    pub who: String,
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after.
    pub end: Timestamp,
}

impl FixedShift {
    /// When it is.
    pub const fn span(&self) -> Interval {
        spans::between(self.start, self.end)
    }
}

impl TemporarySchedule {
    /// When it is in force.
    pub const fn span(&self) -> Interval {
        spans::between(self.start, self.end)
    }

    /// What is left of it when it ends at `at`; `None` when it had not begun.
    #[must_use]
    pub fn until(self, at: Timestamp) -> Option<Self> {
        let cut = |shift: FixedShift| FixedShift { end: shift.end.min(at), ..shift };
        let begun = self.shifts.iter().filter(|shift| shift.start < at).cloned();
        let shifts = begun.map(cut).collect();
        (self.start < at).then(|| Self { end: self.end.min(at), shifts, ..self })
    }

    /// Whether it can be kept for `rota`: every shift lies inside, is of a layer and a member that are
    /// there, and no layer has two at once.
    ///
    /// # Errors
    ///
    /// [`ExceptionError`]: why not.
    pub fn check(&self, rota: &Rota) -> Result<(), ExceptionError> {
        self.made.check()?;
        length(self.span())?;
        if self.shifts.len() > FIXED_SHIFTS_MAX {
            return Err(ExceptionError::Many { count: self.shifts.len() });
        }
        for (at, shift) in self.shifts.iter().enumerate() {
            known(rota, &shift.who)?;
            let layers = &rota.spec().layers;
            let Some(layer) = layers.iter().find(|layer| layer.name == shift.layer) else {
                let layers: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
                let (rota, layer) = (rota.name().to_owned(), shift.layer.clone());
                return Err(ExceptionError::Layer { rota, layer, layers: layers.join(", ") });
            };
            if layer.carries == Carries::Pages {
                paged(rota, &shift.who)?;
            }
            let is_inside = self.start <= shift.start && shift.end <= self.end;
            let overlaps = self.shifts[..at].iter().any(|other| {
                other.layer == shift.layer && other.span().intersect(shift.span()).is_some()
            });
            if !is_inside || overlaps || shift.span().is_empty() {
                return Err(ExceptionError::Shift { number: at + 1, layer: shift.layer.clone() });
            }
        }
        Ok(())
    }
}

/// All exceptions of one rota.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Exceptions {
    /// Its overrides.
    pub overrides: Vec<Override>,
    /// Its swaps, open and settled ones too.
    pub swaps: Vec<Swap>,
    /// Its temporary schedules; of two that overlap the one that was made last counts.
    pub temporary: Vec<TemporarySchedule>,
}

impl Exceptions {
    /// The same without the one that is known by `id`.
    #[must_use]
    pub fn without(mut self, id: &str) -> Self {
        self.overrides.retain(|of| of.id != id);
        self.swaps.retain(|of| of.id != id);
        self.temporary.retain(|of| of.id != id);
        self
    }

    /// What overrides and swaps do during `during`, in the order in which they were made.
    pub(super) fn acts(&self, during: Interval) -> Vec<Act> {
        let act = |of: &Override| Act {
            at: of.made.at,
            span: of.span(),
            remove: of.remove.clone(),
            add: of.add.clone(),
            is_exchange: false,
            by: super::By::Override { id: of.id.clone() },
        };
        let overrides = self.overrides.iter().map(act);
        let mut acts: Vec<Act> =
            overrides.chain(self.swaps.iter().flat_map(Swap::overrides)).collect();
        acts.retain(|act| act.span.intersect(during).is_some());
        acts.sort_by_key(|act| act.at);
        acts
    }

    /// The temporary schedules that touch `during`, the one that was made last last.
    pub(super) fn temporary(&self, during: Interval) -> Vec<&TemporarySchedule> {
        let touches = |of: &&TemporarySchedule| of.span().intersect(during).is_some();
        let mut found: Vec<&TemporarySchedule> = self.temporary.iter().filter(touches).collect();
        found.sort_by_key(|of| of.made.at);
        found
    }
}
