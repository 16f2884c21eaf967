//! One exception to a rota: how it is made, removed, and what of it is in force.

use flyball_govern::oncall::{
    self, Exceptions, FixedShift, Override, Rota, Swap, TemporarySchedule,
};
use flyball_model::{Interval, Timestamp};

use super::RotaError;

/// An exception to a rota, as it is kept.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct KeptException {
    /// The rota.
    pub(crate) rota: String,
    /// What was made.
    pub(crate) made: Made,
    /// Who has removed it; `None` while nobody has.
    pub(crate) removed: Option<Removed>,
}

/// What people make of a rota.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Made {
    /// Somebody comes, goes, or comes for somebody else.
    Override(Override),
    /// One shift for which somebody is looked for.
    Swap(Swap),
    /// Who is there for a time, written out.
    Temporary(TemporarySchedule),
}

/// The early end of an exception.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Removed {
    /// As the audit log names them.
    pub(crate) by: String,
    /// From when on it does nothing.
    pub(crate) at: Timestamp,
    /// Why, in a sentence.
    pub(crate) why: String,
}

/// An exception to make.
#[derive(Debug)]
pub(crate) enum NewException {
    /// An override, for a stretch of time: who goes, who comes, why.
    Override {
        /// When.
        during: Interval,
        /// Who is not called.
        remove: Option<String>,
        /// Who is.
        add: Option<String>,
        /// Why.
        why: String,
    },
    /// A swap: whose shift, what they give, what they take, who is asked, why.
    Swap {
        /// Whose shift it is.
        who: String,
        /// What they give away.
        gives: Interval,
        /// What they take for it.
        takes: Option<Interval>,
        /// Who is asked.
        asked: Option<String>,
        /// Why.
        why: String,
    },
    /// A temporary schedule.
    Temporary {
        /// When.
        during: Interval,
        /// Its shifts.
        shifts: Vec<FixedShift>,
        /// Why.
        why: String,
    },
}

impl NewException {
    /// The exception, if `rota` with the exceptions that there are takes it.
    pub(super) fn check(
        self,
        (rota, exceptions): (&Rota, &Exceptions),
        id: String,
        by: &str,
        at: Timestamp,
    ) -> Result<KeptException, RotaError> {
        let signed = |why| oncall::Made { by: by.to_owned(), at, why };
        let made = match self {
            Self::Override { during, remove, add, why } => {
                let (start, end, made) = (during.start(), during.end(), signed(why));
                let one = Override { id, start, end, remove, add, made };
                one.check(rota, exceptions)?;
                Made::Override(one)
            }
            Self::Swap { who, gives, takes, asked, why } => {
                let made = signed(why);
                let one = Swap { id, who, gives, takes, asked, made, ended: None };
                one.check(rota, exceptions)?;
                Made::Swap(one)
            }
            Self::Temporary { during, shifts, why } => {
                let (start, end, made) = (during.start(), during.end(), signed(why));
                let one = TemporarySchedule { id, start, end, shifts, made };
                one.check(rota)?;
                Made::Temporary(one)
            }
        };
        let kept = KeptException { rota: rota.name().to_owned(), made, removed: None };
        if kept.span().end() <= at {
            return Err(RotaError::Past);
        }
        Ok(kept)
    }
}

impl Made {
    /// What the audit log calls it.
    pub(super) const fn action(&self) -> &'static str {
        match self {
            Self::Override(_) => "on_call.override",
            Self::Swap(_) => "on_call.swap",
            Self::Temporary(_) => "on_call.temporary",
        }
    }
}

impl KeptException {
    /// What it is known by.
    pub(crate) fn id(&self) -> &str {
        match &self.made {
            Made::Override(of) => &of.id,
            Made::Swap(of) => &of.id,
            Made::Temporary(of) => &of.id,
        }
    }

    /// Who made it, as the audit log names them.
    pub(crate) fn by(&self) -> &str {
        match &self.made {
            Made::Override(of) => &of.made.by,
            Made::Swap(of) => &of.made.by,
            Made::Temporary(of) => &of.made.by,
        }
    }

    /// What it is at `at`, in a word.
    pub(crate) fn state(&self, at: Timestamp) -> &'static str {
        match (&self.made, &self.removed) {
            (_, Some(_)) => "removed",
            (Made::Swap(swap), None) => swap.state(at),
            (Made::Override(_) | Made::Temporary(_), None) => "made",
        }
    }

    /// When it is in force unless it is removed.
    fn span(&self) -> Interval {
        match &self.made {
            Made::Override(of) => of.span(),
            Made::Swap(of) => of.gives,
            Made::Temporary(of) => of.span(),
        }
    }

    /// The stretches, from `at` on, in which it changes who is there; those of one that is removed, in which it did. None of
    /// a swap that nobody has taken.
    pub(crate) fn in_force(&self, at: Timestamp) -> Vec<Interval> {
        let spans = match &self.made {
            Made::Override(_) | Made::Temporary(_) => vec![self.span()],
            Made::Swap(of) if of.state(at) == "taken" => {
                [of.gives].into_iter().chain(of.takes).collect()
            }
            Made::Swap(_) => Vec::new(),
        };
        let left = spans
            .into_iter()
            .filter_map(|span| Interval::new(span.start().max(at), span.end()).ok());
        left.filter(|span| !span.is_empty()).collect()
    }

    pub(super) fn start(&self) -> Timestamp {
        self.span().start()
    }

    /// Who has something by it, and when.
    pub(crate) fn comes(&self) -> Vec<(&str, Interval)> {
        match &self.made {
            Made::Override(of) => of.add.iter().map(|who| (who.as_str(), of.span())).collect(),
            Made::Swap(of) => {
                let taken = of.ended.as_ref().filter(|end| end.how == oncall::SwapHow::Taken);
                let taker = taken.map(|end| end.by.as_str()).or(of.asked.as_deref());
                let back = of.takes.map(|takes| (of.who.as_str(), takes));
                taker.map(|who| (who, of.gives)).into_iter().chain(back).collect()
            }
            Made::Temporary(of) => {
                of.shifts.iter().map(|shift| (shift.who.as_str(), shift.span())).collect()
            }
        }
    }

    /// Removes it.
    pub(super) fn remove(&mut self, removed: Removed) -> Result<(), RotaError> {
        let ended = |state| Err(oncall::ExceptionError::Ended { state }.into());
        match (&self.made, &self.removed) {
            (Made::Swap(_), _) => return Err(oncall::ExceptionError::IsSwap.into()),
            (_, Some(_)) => return ended("removed already"),
            _ if self.span().end() <= removed.at => return ended("over"),
            _ => {}
        }
        if removed.why.trim().is_empty() || removed.why.len() > WHY_BYTES_MAX {
            return Err(oncall::ExceptionError::Missing { what: "the reason" }.into());
        }
        self.removed = Some(removed);
        Ok(())
    }

    /// Adds what is or was in force of it to `found`.
    pub(super) fn into_force(self, found: &mut Exceptions) {
        let removed = self.removed.map(|removed| removed.at);
        match self.made {
            Made::Override(of) => match removed {
                Some(at) => found.overrides.extend(of.until(at)),
                None => found.overrides.push(of),
            },
            Made::Swap(of) => found.swaps.push(of),
            Made::Temporary(of) => match removed {
                Some(at) => found.temporary.extend(of.until(at)),
                None => found.temporary.push(of),
            },
        }
    }
}

/// The longest reason, in bytes.
const WHY_BYTES_MAX: usize = 1_024;
