//! What hurts people at work: where, how often, how much, and what became of it.
//!
//! Friction is noted where it is met, in a line, by whoever meets it (the sixty-three clicks of a deployment).
//! What is noted of one place and one thing is one [`Friction`]; what hurts most is turned into a requirement of a
//! team, and is over when nobody meets it any more.
//!
//! Source: *The DevOps Handbook*, chapter 16: downstream work is followed and its friction fed back as requirements.

use flyball_model::{CHANGE_TEXT_BYTES_MAX, Duration, Timestamp};

/// The most times that one friction lists; older ones are counted.
pub const TIMES_KEPT: usize = 200;
/// The longest time that one meeting may have cost: more is a project, or a mistake.
const COST_LONGEST: Duration = Duration::from_days(5);

/// Where in the work it hurts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Writing and reviewing code.
    Build,
    /// Testing it.
    Test,
    /// Bringing it to users.
    Deploy,
    /// Running it.
    Operate,
    /// Meeting an incident.
    Incident,
    /// Anything else.
    Other,
}

/// One time that somebody met it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Met {
    /// When.
    pub at: Timestamp,
    /// Who says so.
    pub who: String,
    /// The whole minutes that it cost; `None` when nobody counted.
    pub minutes: Option<u32>,
    /// What was said.
    pub note: Option<String>,
    /// The incident or change in which it was met, by id.
    pub during: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FrictionState {
    /// It is noted.
    Noted,
    /// Somebody is to mend it.
    Required {
        /// The team.
        team: String,
        /// What is required, so that it can be tested.
        requirement: String,
        /// Where it is worked on; an address.
        ticket: Option<String>,
        /// Since when.
        at: Timestamp,
    },
    /// It is mended.
    Mended {
        /// Since when.
        at: Timestamp,
        /// What was done.
        how: String,
    },
    /// It stays as it is.
    Accepted {
        /// Since when.
        at: Timestamp,
        /// Why.
        why: String,
    },
}

/// Something that hurts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Friction {
    /// What it is known by.
    pub id: String,
    /// What hurts, in a sentence.
    pub what: String,
    /// The service that it is about; `None` for all.
    pub service: Option<String>,
    /// Where in the work.
    pub stage: Stage,
    /// The newest times that somebody met it, oldest first.
    pub times: Vec<Met>,
    /// How often it was met in all.
    pub count: u64,
    /// What became of it.
    #[serde(flatten)]
    pub state: FrictionState,
}

/// Why something is not noted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrictionError {
    /// Something that it cannot be without.
    #[error("friction needs {what}; hint: what hurts, in a sentence, and who met it")]
    Missing {
        /// What is not there.
        what: &'static str,
    },
    /// A text that is longer than what is kept.
    #[error("{what} has {bytes} bytes; hint: say it in {CHANGE_TEXT_BYTES_MAX}")]
    Long {
        /// What is too long.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A cost that is none of one time.
    #[error(
        "{minutes} minutes are more than one time costs; hint: note what it cost this time, at most {COST_LONGEST}"
    )]
    Cost {
        /// The minutes.
        minutes: u32,
    },
    /// It is over, and has not been met since.
    #[error("`{id}` is over; hint: note that it was met again, and it is open")]
    Over {
        /// Which.
        id: String,
    },
}

fn says(what: &'static str, text: &str) -> Result<(), FrictionError> {
    if text.trim().is_empty() {
        return Err(FrictionError::Missing { what });
    }
    let bytes = text.len();
    if bytes > CHANGE_TEXT_BYTES_MAX {
        return Err(FrictionError::Long { what, bytes });
    }
    Ok(())
}

impl Friction {
    /// Notes something that hurts, met for the first time.
    ///
    /// # Errors
    ///
    /// [`FrictionError::Missing`], [`FrictionError::Long`] and [`FrictionError::Cost`].
    pub fn note(
        id: &str,
        what: &str,
        (service, stage): (Option<String>, Stage),
        met: Met,
    ) -> Result<Self, FrictionError> {
        says("an id", id)?;
        says("what hurts", what)?;
        let (id, what) = (id.to_owned(), what.to_owned());
        let (times, state) = (Vec::new(), FrictionState::Noted);
        let mut friction = Self { id, what, service, stage, times, count: 0, state };
        friction.meet(met)?;
        Ok(friction)
    }

    /// Somebody met it again. What was mended is open again when it is met after that.
    ///
    /// # Errors
    ///
    /// [`FrictionError::Missing`], [`FrictionError::Long`] and [`FrictionError::Cost`].
    pub fn meet(&mut self, met: Met) -> Result<(), FrictionError> {
        says("who met it", &met.who)?;
        if let Some(note) = &met.note {
            says("the note", note)?;
        }
        if let Some(minutes) = met.minutes.filter(|of| Duration::from_minutes(*of) > COST_LONGEST) {
            return Err(FrictionError::Cost { minutes });
        }
        if matches!(self.state, FrictionState::Mended { at, .. } if met.at > at) {
            self.state = FrictionState::Noted;
        }
        let place = self.times.partition_point(|known| known.at <= met.at);
        self.times.insert(place, met);
        if self.times.len() > TIMES_KEPT {
            self.times.remove(0);
        }
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Makes it a requirement of a team.
    ///
    /// # Errors
    ///
    /// [`FrictionError::Missing`] and [`FrictionError::Long`], [`FrictionError::Over`] when it is mended.
    pub fn require(
        &mut self,
        team: &str,
        requirement: &str,
        ticket: Option<String>,
        at: Timestamp,
    ) -> Result<(), FrictionError> {
        says("a team", team)?;
        says("a requirement", requirement)?;
        if matches!(self.state, FrictionState::Mended { .. }) {
            return Err(FrictionError::Over { id: self.id.clone() });
        }
        let (team, requirement) = (team.to_owned(), requirement.to_owned());
        self.state = FrictionState::Required { team, requirement, ticket, at };
        Ok(())
    }

    /// It is mended.
    ///
    /// # Errors
    ///
    /// [`FrictionError::Missing`] and [`FrictionError::Long`] without what was done.
    pub fn mend(&mut self, how: &str, at: Timestamp) -> Result<(), FrictionError> {
        says("what was done", how)?;
        self.state = FrictionState::Mended { at, how: how.to_owned() };
        Ok(())
    }

    /// It stays as it is, for a reason.
    ///
    /// # Errors
    ///
    /// [`FrictionError::Missing`] and [`FrictionError::Long`] without a reason.
    pub fn accept(&mut self, why: &str, at: Timestamp) -> Result<(), FrictionError> {
        says("a reason", why)?;
        self.state = FrictionState::Accepted { at, why: why.to_owned() };
        Ok(())
    }

    /// How much it hurt from `since` on.
    pub fn weight(&self, since: Timestamp) -> Weight {
        let times: Vec<&Met> = self.times.iter().filter(|met| met.at >= since).collect();
        let counted: Vec<u32> = times.iter().filter_map(|met| met.minutes).collect();
        let mut people: Vec<&str> = times.iter().map(|met| met.who.as_str()).collect();
        people.sort_unstable();
        people.dedup();
        Weight {
            minutes: counted.iter().map(|minutes| u64::from(*minutes)).sum(),
            times: times.len() as u64,
            uncounted: (times.len() - counted.len()) as u64,
            people: people.len() as u64,
        }
    }

    /// Whether somebody may still be hurt by it: it is neither mended nor accepted.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, FrictionState::Noted | FrictionState::Required { .. })
    }
}

/// How much something hurt in a time. Compared by minutes, then by times, then by people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Weight {
    /// The minutes that were counted: at least so many.
    pub minutes: u64,
    /// How often it was met.
    pub times: u64,
    /// By how many people.
    pub people: u64,
    /// The times of which nobody counted the minutes.
    pub uncounted: u64,
}

/// What hurts, the worst first, with how much it hurt from `since` on; without what nobody met since then, and what
/// is over.
pub fn worst<'a>(
    log: impl IntoIterator<Item = &'a Friction>,
    since: Timestamp,
) -> Vec<(&'a Friction, Weight)> {
    let open = log.into_iter().filter(|friction| friction.is_open());
    let mut found: Vec<(&Friction, Weight)> =
        open.map(|friction| (friction, friction.weight(since))).collect();
    found.retain(|(_, weight)| weight.times > 0);
    found.sort_by(|(one, heavy), (other, light)| light.cmp(heavy).then(one.id.cmp(&other.id)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn met(when: i64, who: &str, minutes: Option<u32>) -> Met {
        Met { at: at(when), who: who.to_owned(), minutes, note: None, during: None }
    }

    fn friction(id: &str, times: &[(i64, &str, Option<u32>)]) -> Friction {
        let (first, rest) = times.split_first().unwrap();
        let place = (None, Stage::Deploy);
        let mut made =
            Friction::note(id, "63 clicks", place, met(first.0, first.1, first.2)).unwrap();
        for time in rest {
            made.meet(met(time.0, time.1, time.2)).unwrap();
        }
        made
    }

    #[test]
    fn what_costs_most_comes_first_and_what_is_over_not_at_all() {
        let log = [
            friction("often", &[(1, "ada", None), (2, "ada", None), (3, "bo", None)]),
            friction("dear", &[(4, "ada", Some(63))]),
            friction("old", &[(-9, "ada", Some(600))]),
            {
                let mut mended = friction("mended", &[(5, "ada", Some(99))]);
                mended.mend("one button", at(6)).unwrap();
                mended
            },
        ];
        let worst = worst(&log, at(0));
        let ids: Vec<&str> = worst.iter().map(|(friction, _)| friction.id.as_str()).collect();
        assert_eq!(ids, ["dear", "often"]);
        let weight = Weight { minutes: 0, times: 3, people: 2, uncounted: 3 };
        assert_eq!(worst[1].1, weight);
    }

    #[test]
    fn what_is_mended_is_open_again_when_it_is_met_later() {
        let mut friction = friction("clicks", &[(1, "ada", Some(5))]);
        friction.require("platform", "a deploy takes one command", None, at(2)).unwrap();
        friction.mend("one button", at(3)).unwrap();
        assert!(friction.require("platform", "again", None, at(4)).is_err());
        friction.meet(met(2, "bo", None)).unwrap();
        assert!(!friction.is_open(), "it was met before it was mended");
        friction.meet(met(4, "bo", None)).unwrap();
        assert!(friction.is_open());
        let kept = serde_json::to_value(&friction).unwrap();
        assert_eq!(serde_json::from_value::<Friction>(kept).unwrap(), friction);
    }

    #[test]
    fn what_says_nothing_is_not_noted_and_much_is_bounded() {
        let place = || (None, Stage::Other);
        assert!(Friction::note("a", " ", place(), met(1, "ada", None)).is_err());
        assert!(Friction::note("a", "slow", place(), met(1, "", None)).is_err());
        let dear = Friction::note("a", "slow", place(), met(1, "ada", Some(7_201)));
        assert_eq!(dear.unwrap_err(), FrictionError::Cost { minutes: 7_201 });
        let mut friction = friction("a", &[(0, "ada", None)]);
        for time in 1..=300 {
            friction.meet(met(time, "ada", None)).unwrap();
        }
        assert_eq!((friction.times.len(), friction.count), (TIMES_KEPT, 301));
        assert_eq!(friction.times[0].at, at(101));
    }
}
