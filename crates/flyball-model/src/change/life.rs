//! What becomes of a change after it was recorded: observed, then in warranty, then done.
//!
//! What is kept are facts with their own times; the [`Phase`] at a moment follows from them. News
//! may so come late and in any order: a page of yesterday that is heard of today breaks the warranty
//! of yesterday, and the same facts make the same life whichever came first.

use crate::time::{Duration, Timestamp};

/// For how long a change is answered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Warranty {
    observe: Duration,
    hold: Duration,
}

impl Warranty {
    /// One hour of observation, one week of warranty: long enough that a page after a release of
    /// Friday is met on Monday.
    pub const DEFAULT: Self =
        Self { observe: Duration::from_hours(1), hold: Duration::from_days(7) };

    /// Observed for `observe` at most, answered for during `hold`; both begin when it has shipped.
    ///
    /// # Errors
    ///
    /// [`LifeError::Warranty`] when the warranty would end before the observation.
    pub fn new(observe: Duration, hold: Duration) -> Result<Self, LifeError> {
        if hold < observe {
            return Err(LifeError::Warranty { observe, hold });
        }
        Ok(Self { observe, hold })
    }

    /// How long it is observed at most.
    pub const fn observe(self) -> Duration {
        self.observe
    }

    /// How long it is answered for.
    pub const fn hold(self) -> Duration {
        self.hold
    }
}

/// What broke a change within its warranty.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case", tag = "kind", content = "by")]
pub enum BreakCause {
    /// Somebody was paged for the service; the alert's id.
    Page(String),
    /// It was rolled back; the id of the change that did it.
    Rollback(String),
    /// It was repaired; the id of the change that did it.
    Fix(String),
    /// Its verdict is that the service regressed; the verdict's id.
    Verdict(String),
}

/// A break, and when it was.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Break {
    /// When it happened, which may be before it was heard of.
    pub at: Timestamp,
    /// What it was.
    pub cause: BreakCause,
}

/// How a life ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Ending {
    /// The warranty ran out and nothing broke it.
    Kept,
    /// Something broke it.
    Broken(Break),
    /// It never shipped: it failed or was cancelled.
    NotShipped,
}

/// Where a change is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Phase {
    /// Known, and not shipped yet.
    Recorded,
    /// Shipped, and looked at closely.
    Observing {
        /// When observation ends by itself.
        until: Timestamp,
    },
    /// Looked at, and answered for.
    InWarranty {
        /// When the warranty ends.
        until: Timestamp,
    },
    /// Over.
    Done {
        /// Since when.
        at: Timestamp,
        /// How it ended.
        ending: Ending,
    },
}

/// Why a life does not take a fact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LifeError {
    /// A warranty shorter than the observation.
    #[error("a warranty of {hold} ends before the observation of {observe} does")]
    Warranty {
        /// How long to observe.
        observe: Duration,
        /// How long to answer for.
        hold: Duration,
    },
    /// Nothing has shipped that could be observed or broken.
    #[error("the change has not shipped, so it has no warranty to break and nothing to observe")]
    NotShipped,
    /// It had not shipped at that time.
    #[error("{at} lies before {shipped}, when the change shipped")]
    TooEarly {
        /// When the fact happened.
        at: Timestamp,
        /// When the change shipped.
        shipped: Timestamp,
    },
    /// Its warranty had ended.
    #[error("{at} is not before {ended}, when the warranty ended")]
    TooLate {
        /// When the fact happened.
        at: Timestamp,
        /// When the warranty ended.
        ended: Timestamp,
    },
    /// It has shipped or been called off at another time.
    #[error("the change ended at {before}, and cannot have ended at {at} as well")]
    EndedBefore {
        /// The end that is known.
        before: Timestamp,
        /// The end that is told.
        at: Timestamp,
    },
}

/// The life of one change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Life {
    warranty: Warranty,
    shipped: Option<Timestamp>,
    called_off: Option<Timestamp>,
    observed: Option<Timestamp>,
    broken: Option<Break>,
}

impl Life {
    /// A change that is recorded and has not shipped.
    pub const fn new(warranty: Warranty) -> Self {
        Self { warranty, shipped: None, called_off: None, observed: None, broken: None }
    }

    /// It shipped at `at`. Told again, it changes nothing. What was called off and then shipped
    /// after all has shipped.
    ///
    /// # Errors
    ///
    /// [`LifeError::EndedBefore`] when it shipped at another time: that is another change.
    pub fn ship(&mut self, at: Timestamp) -> Result<(), LifeError> {
        if let Some(before) = self.shipped.filter(|before| *before != at) {
            return Err(LifeError::EndedBefore { before, at });
        }
        self.shipped = Some(at);
        Ok(())
    }

    /// It failed or was cancelled at `at`; the latest time stands.
    ///
    /// # Errors
    ///
    /// [`LifeError::EndedBefore`] when it has shipped by then: what is live cannot be called off.
    pub fn call_off(&mut self, at: Timestamp) -> Result<(), LifeError> {
        if let Some(before) = self.shipped {
            return Err(LifeError::EndedBefore { before, at });
        }
        self.called_off = self.called_off.max(Some(at));
        Ok(())
    }

    /// Its verdict was decided at `at`, and is that nothing regressed: observation ends there
    /// unless it had ended by then. The earliest decision stands.
    ///
    /// # Errors
    ///
    /// [`LifeError::NotShipped`], [`LifeError::TooEarly`].
    pub fn observe(&mut self, at: Timestamp) -> Result<(), LifeError> {
        let shipped = self.shipped.ok_or(LifeError::NotShipped)?;
        if at < shipped {
            return Err(LifeError::TooEarly { at, shipped });
        }
        self.observed = Some(self.observed.map_or(at, |before| before.min(at)));
        Ok(())
    }

    /// Something broke it. The earliest break stands, of two at the same time the first by kind.
    ///
    /// # Errors
    ///
    /// [`LifeError::NotShipped`], and [`LifeError::TooEarly`] or [`LifeError::TooLate`] when it
    /// happened outside the warranty, which includes its beginning and not its end.
    pub fn break_by(&mut self, news: Break) -> Result<(), LifeError> {
        let shipped = self.shipped.ok_or(LifeError::NotShipped)?;
        let (at, ended) = (news.at, shipped.plus(self.warranty.hold));
        if at < shipped {
            return Err(LifeError::TooEarly { at, shipped });
        }
        if at >= ended {
            return Err(LifeError::TooLate { at, ended });
        }
        self.broken = Some(match self.broken.take() {
            Some(known) => known.min(news),
            None => news,
        });
        Ok(())
    }

    /// What broke it, as far as is known.
    pub const fn broken(&self) -> Option<&Break> {
        self.broken.as_ref()
    }

    /// Where it is at `now`. Moments before it shipped are answered as they were then.
    pub fn phase(&self, now: Timestamp) -> Phase {
        let Some(shipped) = self.shipped else {
            return match self.called_off {
                Some(at) if at <= now => Phase::Done { at, ending: Ending::NotShipped },
                _ => Phase::Recorded,
            };
        };
        if now < shipped {
            return Phase::Recorded;
        }
        if let Some(news) = self.broken.as_ref().filter(|news| news.at <= now) {
            return Phase::Done { at: news.at, ending: Ending::Broken(news.clone()) };
        }
        let ended = shipped.plus(self.warranty.hold);
        if now >= ended {
            return Phase::Done { at: ended, ending: Ending::Kept };
        }
        let observed = shipped.plus(self.warranty.observe);
        let observed = self.observed.map_or(observed, |at| at.min(observed));
        if now < observed {
            Phase::Observing { until: observed }
        } else {
            Phase::InWarranty { until: ended }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn page(seconds: i64) -> Break {
        Break { at: at(seconds), cause: BreakCause::Page("p".to_owned()) }
    }

    fn shipped() -> Life {
        let warranty = Warranty::new(Duration::from_seconds(10), Duration::from_seconds(100));
        let mut life = Life::new(warranty.unwrap());
        assert_eq!(life.phase(at(1_000)), Phase::Recorded);
        life.ship(at(1_000)).unwrap();
        life
    }

    #[test]
    fn a_quiet_life() {
        let mut life = shipped();
        assert_eq!(life.phase(at(999)), Phase::Recorded);
        assert_eq!(life.phase(at(1_000)), Phase::Observing { until: at(1_010) });
        assert_eq!(life.phase(at(1_010)), Phase::InWarranty { until: at(1_100) });
        assert_eq!(life.phase(at(1_100)), Phase::Done { at: at(1_100), ending: Ending::Kept });
        life.observe(at(1_004)).unwrap();
        assert_eq!(life.phase(at(1_004)), Phase::InWarranty { until: at(1_100) });
        // Heard of late, and still broken: what happened counts, not when it was told.
        life.break_by(page(1_050)).unwrap();
        let ending = Ending::Broken(page(1_050));
        assert_eq!(life.phase(at(2_000)), Phase::Done { at: at(1_050), ending });
        assert_eq!(life.phase(at(1_049)), Phase::InWarranty { until: at(1_100) });
    }

    #[test]
    fn refusals_say_why() {
        let mut life = Life::new(Warranty::DEFAULT);
        assert_eq!(life.break_by(page(1)), Err(LifeError::NotShipped));
        assert_eq!(life.observe(at(1)), Err(LifeError::NotShipped));
        life.call_off(at(5)).unwrap();
        assert_eq!(life.phase(at(5)), Phase::Done { at: at(5), ending: Ending::NotShipped });
        let mut life = shipped();
        assert_eq!(
            life.break_by(page(999)).unwrap_err().to_string(),
            "1970-01-01T00:16:39Z lies before 1970-01-01T00:16:40Z, when the change shipped"
        );
        let late = LifeError::TooLate { at: at(1_100), ended: at(1_100) };
        assert_eq!(life.break_by(page(1_100)), Err(late));
        assert!(life.ship(at(1_001)).is_err() && life.call_off(at(1_001)).is_err());
        assert_eq!(life, shipped());
        assert!(Warranty::new(Duration::from_seconds(2), Duration::from_seconds(1)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn the_order_of_news_does_not_matter(
            news in proptest::collection::vec((0u8..3, 990i64..1_120), 0..8),
            now in 990i64..1_200,
        ) {
            let live = |news: &mut dyn Iterator<Item = &(u8, i64)>| {
                let mut life = shipped();
                for &(kind, seconds) in news {
                    // Refused facts change nothing, in whichever order they come.
                    let _ = match kind {
                        0 => life.observe(at(seconds)),
                        1 => life.break_by(page(seconds)),
                        _ => life.break_by(Break {
                            at: at(seconds),
                            cause: BreakCause::Fix("f".to_owned()),
                        }),
                    };
                }
                life.phase(at(now))
            };
            proptest::prop_assert_eq!(live(&mut news.iter()), live(&mut news.iter().rev()));
        }
    }
}
