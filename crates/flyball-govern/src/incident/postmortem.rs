//! The write-up of an incident: what is said of it, what was learnt, and what is to be done.
//!
//! Which incidents demand one is the policy's to say ([`PostMortemRule`](crate::policy::PostMortemRule)). It is
//! blameless: a person's name in what happened and why is refused, since nobody was the cause of what a system
//! let happen; the record of who did what stays in the incident.
//!
//! Source: Site Reliability Engineering, chapter 15, "Postmortem Culture", and appendix D for the headings; the SRE
//! Workbook, appendix B: one action item at least has the highest priority.

use std::collections::BTreeMap;

use flyball_model::{CHANGE_TEXT_BYTES_MAX, Duration, Timestamp};

use super::action::{ACTIONS_MAX, ActionItem, Priority};
use super::record::IncidentRecord;
use crate::policy::{PostMortem, PostMortemReason};

/// Within which time after the end of an incident its write-up is due: while people remember.
pub const WRITE_UP_WITHIN: Duration = Duration::from_days(14);
/// The most editions of a write-up beside the last: of what comes back more often the class is to be planned for.
const EDITIONS_MAX: usize = 16;
/// The longest text under one heading, in bytes: some pages.
const SECTION_BYTES_MAX: usize = 16 * 1_024;
/// Words that put a fault down to people, where the text goes on to ask nothing.
const WORDS_OF_BLAME: [&str; 7] = [
    "human error",
    "operator error",
    "user error",
    "careless",
    "negligen",
    "should have known",
    "to blame",
];

/// A write-up that is due.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Demand {
    /// What the policy demands it for, and the share of the budget.
    pub of: PostMortem,
    /// By when; `None` while the incident lasts, and for a class, whose place is the next plan.
    pub due: Option<Timestamp>,
    /// Whether it is published.
    pub is_met: bool,
    /// The further edition that it asks for; `None` where nothing was published before.
    pub again: Option<Again>,
}

/// A further edition of a write-up, because the incident came back after it was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Again {
    /// Which edition is to be published, counted from 1.
    pub edition: usize,
    /// When the one before was.
    pub published: Timestamp,
    /// When the incident came back since; `None` when that is no longer known.
    pub came_back: Option<Timestamp>,
}

/// What is due of what a policy demands: each with its date, and whether a published write-up meets it. An incident
/// that turned out to be none demands nothing.
pub fn demands(
    demanded: Vec<PostMortem>,
    records: &[IncidentRecord],
    written: &[WriteUp],
) -> Vec<Demand> {
    let found = demanded.into_iter().filter_map(|of| {
        let (due, is_met) = match &of.reason {
            PostMortemReason::Incident { id } => {
                let record = records.iter().find(|record| record.incident.id == *id);
                if record.is_some_and(|record| record.false_alarm.is_some()) {
                    return None;
                }
                let end = record.and_then(|record| record.incident.resolved);
                let is_of = |of: &&WriteUp| of.incident == *id;
                let written = written.iter().find(is_of);
                let is_met = written.is_some_and(|of| of.published_last().is_some());
                (end.map(|end| end.plus(WRITE_UP_WITHIN)), is_met)
            }
            PostMortemReason::Class { class } => {
                // An item of the highest priority in a published write-up of that class is the plan's.
                let is_of = |record: &&IncidentRecord| record.class.as_ref() == Some(class);
                let ids = records.iter().filter(is_of).map(|record| &record.incident.id);
                let mut written = ids.filter_map(|id| written.iter().find(|of| of.incident == *id));
                (None, written.any(|of| of.is_published() && of.has_highest()))
            }
        };
        Some(Demand { of, due, is_met, again: None })
    });
    found.collect()
}

/// A heading of a write-up.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// What happened, in some sentences.
    Summary,
    /// Who was hit, how, and what it cost.
    Impact,
    /// Why the system let it happen.
    RootCauses,
    /// What set it off.
    Trigger,
    /// What ended it.
    Resolution,
    /// How it was noticed.
    Detection,
    /// What went well.
    WentWell,
    /// What went wrong.
    WentWrong,
    /// Where luck helped.
    Lucky,
    /// What is to be done.
    Actions,
}

impl Field {
    /// Every heading, in the order in which they are written.
    pub const ALL: [Self; 10] = [
        Self::Summary,
        Self::Impact,
        Self::RootCauses,
        Self::Trigger,
        Self::Resolution,
        Self::Detection,
        Self::WentWell,
        Self::WentWrong,
        Self::Lucky,
        Self::Actions,
    ];

    /// The heading as it is written.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Summary => "Summary",
            Self::Impact => "Impact",
            Self::RootCauses => "Root causes",
            Self::Trigger => "Trigger",
            Self::Resolution => "Resolution",
            Self::Detection => "Detection",
            Self::WentWell => "What went well",
            Self::WentWrong => "What went wrong",
            Self::Lucky => "Where we got lucky",
            Self::Actions => "Action items",
        }
    }
}

/// What was learnt.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct Lessons {
    /// What went well.
    pub well: String,
    /// What went wrong.
    pub wrong: String,
    /// Where luck helped.
    pub lucky: String,
}

/// Where a write-up is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PostMortemState {
    /// It is being written.
    Draft,
    /// It is complete, and somebody else is to read it.
    InReview {
        /// Since when.
        since: Timestamp,
    },
    /// It is for everybody to read.
    Published {
        /// Since when.
        at: Timestamp,
        /// Who read it before.
        reviewer: String,
    },
}

/// The write-up of one incident.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WriteUp {
    /// The incident, by id.
    pub incident: String,
    /// What it is called.
    pub title: String,
    /// Who writes it.
    pub authors: Vec<String>,
    /// When it was begun.
    pub begun: Timestamp,
    /// Where it is.
    #[serde(flatten)]
    pub state: PostMortemState,
    /// What happened.
    pub summary: String,
    /// Who was hit, how, and what it cost.
    pub impact: String,
    /// Why the system let it happen.
    pub root_causes: String,
    /// What set it off.
    pub trigger: String,
    /// What ended it.
    pub resolution: String,
    /// How it was noticed.
    pub detection: String,
    /// What was learnt.
    pub lessons: Lessons,
    /// What is to be done.
    pub actions: Vec<ActionItem>,
    /// Where more is found; addresses.
    pub supporting: Vec<String>,
    /// When editions before this one were published, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editions: Vec<Timestamp>,
    /// The bad events of each SLO that were the incident's own when it was published last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spent: BTreeMap<String, u64>,
}

/// A place where a write-up blames somebody.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Blame {
    /// Under which heading.
    pub field: Field,
    /// The name or the words.
    pub words: String,
    /// Whether it is a person's name, which is refused; words are only shown to whoever writes.
    pub is_name: bool,
}

/// Why a write-up does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteUpError {
    /// Headings under which nothing is said.
    #[error(
        "nothing is said under {headings}; hint: \"nothing\" is an answer, an empty heading is none"
    )]
    Incomplete {
        /// The headings.
        headings: String,
    },
    /// A text that is longer than what is kept.
    #[error(
        "{heading} has {bytes} bytes; hint: say it in {SECTION_BYTES_MAX}, and link to the rest"
    )]
    Long {
        /// The heading.
        heading: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// More than is kept.
    #[error("a write-up has at most {ACTIONS_MAX} action items; hint: the rest is a project")]
    Many,
    /// Two items with one id.
    #[error("two action items are called `{id}`; hint: give each its own id")]
    Twice {
        /// The id.
        id: String,
    },
    /// No item comes first.
    #[error(
        "no action item has the priority P0; hint: what must not wait, or the incident will come again"
    )]
    NothingFirst,
    /// Somebody is named.
    #[error(
        "`{name}` is named under {heading}; hint: say what the system let happen, and name a role where one is needed"
    )]
    Named {
        /// Who.
        name: String,
        /// Where.
        heading: &'static str,
    },
    /// Nobody else has read it.
    #[error("`{who}` has written it; hint: somebody else reviews it")]
    OwnReview {
        /// Who.
        who: String,
    },
    /// It is not where it would have to be.
    #[error("the write-up is {state}; hint: it is a draft, then in review, then published")]
    State {
        /// Where it is.
        state: &'static str,
    },
}

impl WriteUp {
    /// Begins the write-up of an incident, with what its record says; what it cost is the ledger's to say, in
    /// `impact`, as text.
    pub fn begin(record: &IncidentRecord, author: &str, impact: String, now: Timestamp) -> Self {
        let incident = &record.incident;
        let at = |at: Option<Timestamp>| at.map_or("not known".to_owned(), |at| at.to_string());
        let noticed = match &record.opened {
            super::Opened::ByAlerts { .. } => "An alert called.",
            super::Opened::ByHand { .. } => "Somebody reported it.",
            super::Opened::ByMessage { .. } => "Another system told of it.",
        };
        let cause = incident.cause.as_ref();
        Self {
            incident: incident.id.clone(),
            title: incident.summary.clone().unwrap_or_else(|| incident.id.clone()),
            authors: vec![author.to_owned()],
            begun: now,
            state: PostMortemState::Draft,
            summary: String::new(),
            impact,
            root_causes: String::new(),
            trigger: cause.map(|change| format!("The change {change}.")).unwrap_or_default(),
            resolution: match (incident.mitigated, incident.resolved) {
                // Nobody knows what ended what goes on.
                (None, None) => String::new(),
                (mitigated, resolved) => {
                    format!("Mitigated: {}. Resolved: {}.", at(mitigated), at(resolved))
                }
            },
            detection: format!(
                "{noticed} Started: {}. Detected: {}.",
                at(incident.started),
                at(incident.detected)
            ),
            lessons: Lessons::default(),
            actions: Vec::new(),
            supporting: incident.link.iter().cloned().collect(),
            editions: Vec::new(),
            spent: BTreeMap::new(),
        }
    }

    /// What is said under a heading; `None` for action items, which are a list.
    pub fn text(&self, field: Field) -> Option<&str> {
        Some(match field {
            Field::Summary => &self.summary,
            Field::Impact => &self.impact,
            Field::RootCauses => &self.root_causes,
            Field::Trigger => &self.trigger,
            Field::Resolution => &self.resolution,
            Field::Detection => &self.detection,
            Field::WentWell => &self.lessons.well,
            Field::WentWrong => &self.lessons.wrong,
            Field::Lucky => &self.lessons.lucky,
            Field::Actions => return None,
        })
    }

    /// The headings under which nothing is said, in their order.
    pub fn missing(&self) -> Vec<Field> {
        let is_missing = |field: &Field| {
            self.text(*field).map_or(self.actions.is_empty(), |text| text.trim().is_empty())
        };
        Field::ALL.into_iter().filter(is_missing).collect()
    }

    /// Where it blames somebody: names among `people` first, then words that ask nothing.
    pub fn blames<'a>(&self, people: impl IntoIterator<Item = &'a str>) -> Vec<Blame> {
        let mut texts: Vec<(Field, &str)> =
            Field::ALL.into_iter().filter_map(|field| Some((field, self.text(field)?))).collect();
        texts.extend(self.actions.iter().map(|item| (Field::Actions, item.text.as_str())));
        let people: Vec<&str> = people.into_iter().collect();
        let names = texts.iter().flat_map(|(field, text)| {
            let found = names_in(text, &people).into_iter();
            found.map(|name| Blame { field: *field, words: name.to_owned(), is_name: true })
        });
        let words = texts.iter().flat_map(|(field, text)| {
            let text = text.to_lowercase();
            let found = WORDS_OF_BLAME.into_iter().filter(move |words| text.contains(words));
            found.map(|words| Blame { field: *field, words: words.to_owned(), is_name: false })
        });
        names.chain(words).collect()
    }

    /// Refuses to have it written on where it is no draft.
    ///
    /// # Errors
    ///
    /// [`WriteUpError::State`].
    pub fn drafted(&self) -> Result<(), WriteUpError> {
        match self.state {
            PostMortemState::Draft => Ok(()),
            _ => Err(WriteUpError::State { state: self.word() }),
        }
    }

    /// Gives it to somebody else to read, when it is complete and names nobody of `people`.
    ///
    /// # Errors
    ///
    /// Whatever of [`WriteUpError`] is found first.
    pub fn submit<'a>(
        &mut self,
        people: impl IntoIterator<Item = &'a str>,
        at: Timestamp,
    ) -> Result<(), WriteUpError> {
        if self.state != PostMortemState::Draft {
            return Err(WriteUpError::State { state: self.word() });
        }
        self.check(people)?;
        self.state = PostMortemState::InReview { since: at };
        Ok(())
    }

    /// Publishes it, when somebody who has not written it has read it.
    ///
    /// # Errors
    ///
    /// Whatever of [`WriteUpError`] is found first.
    pub fn publish<'a>(
        &mut self,
        reviewer: &str,
        people: impl IntoIterator<Item = &'a str>,
        at: Timestamp,
    ) -> Result<(), WriteUpError> {
        if !matches!(self.state, PostMortemState::InReview { .. }) {
            return Err(WriteUpError::State { state: self.word() });
        }
        if reviewer.trim().is_empty() || self.authors.iter().any(|author| author == reviewer) {
            return Err(WriteUpError::OwnReview { who: reviewer.to_owned() });
        }
        self.check(people)?;
        self.state = PostMortemState::Published { at, reviewer: reviewer.to_owned() };
        Ok(())
    }

    /// Sends it back to whoever writes it; what is published stays so.
    ///
    /// # Errors
    ///
    /// [`WriteUpError::State`] unless it is in review.
    pub fn send_back(&mut self) -> Result<(), WriteUpError> {
        if !matches!(self.state, PostMortemState::InReview { .. }) {
            return Err(WriteUpError::State { state: self.word() });
        }
        self.state = PostMortemState::Draft;
        Ok(())
    }

    /// Whether everybody may read it.
    pub const fn is_published(&self) -> bool {
        matches!(self.state, PostMortemState::Published { .. })
    }

    /// The further edition of it that the incident in `record` asks for, which came back after the publication at `after`.
    pub(super) fn again(&self, record: Option<&IncidentRecord>, after: Timestamp) -> Again {
        let now = match self.state {
            PostMortemState::Published { at, .. } => Some(at),
            _ => None,
        };
        let before = self.editions.iter().copied().chain(now).filter(|at| *at <= after);
        let mut back = record.into_iter().flat_map(|record| &record.came_back);
        Again {
            edition: before.count() + 1,
            published: after,
            came_back: back.find(|at| **at > after).copied(),
        }
    }

    /// When it was published last, in this edition or in one before.
    pub fn published_last(&self) -> Option<Timestamp> {
        match self.state {
            PostMortemState::Published { at, .. } => Some(at),
            _ => self.editions.last().copied(),
        }
    }

    /// Begins a new edition of what is published, because the incident in `record` has come back since; what is no
    /// published one stays as it is.
    ///
    /// # Errors
    ///
    /// [`WriteUpError::State`] when it has not, and past [`EDITIONS_MAX`] editions.
    pub fn reopen(&mut self, record: &IncidentRecord) -> Result<(), WriteUpError> {
        let PostMortemState::Published { at, .. } = self.state else { return Ok(()) };
        let came_back = record.came_back.last().is_some_and(|back| *back > at);
        if !came_back || self.editions.len() >= EDITIONS_MAX {
            return Err(WriteUpError::State { state: self.word() });
        }
        self.editions.push(at);
        self.state = PostMortemState::Draft;
        Ok(())
    }

    /// The bad events of `slo` that were the incident's own when it was published last: of several objectives the most.
    pub fn spent(&self, slo: &str) -> u64 {
        let is_of = |name: &str| {
            let rest = name.strip_prefix(slo);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" · "))
        };
        let spent = self.spent.iter().filter(|(name, _)| is_of(name));
        spent.map(|(_, bad)| *bad).max().unwrap_or(0)
    }

    /// Whether an item has the highest priority.
    pub fn has_highest(&self) -> bool {
        self.actions.iter().any(|item| item.priority == Priority::P0)
    }

    const fn word(&self) -> &'static str {
        match self.state {
            PostMortemState::Draft => "a draft",
            PostMortemState::InReview { .. } => "in review",
            PostMortemState::Published { .. } => "published",
        }
    }

    fn check<'a>(&self, people: impl IntoIterator<Item = &'a str>) -> Result<(), WriteUpError> {
        let missing = self.missing();
        if !missing.is_empty() {
            let headings: Vec<&str> = missing.into_iter().map(Field::heading).collect();
            return Err(WriteUpError::Incomplete { headings: headings.join(", ") });
        }
        for field in Field::ALL {
            let bytes = self.text(field).map_or(0, str::len);
            if bytes > SECTION_BYTES_MAX {
                return Err(WriteUpError::Long { heading: field.heading(), bytes });
            }
        }
        if self.title.len() > CHANGE_TEXT_BYTES_MAX {
            return Err(WriteUpError::Long { heading: "The title", bytes: self.title.len() });
        }
        if self.actions.len() > ACTIONS_MAX {
            return Err(WriteUpError::Many);
        }
        for (at, item) in self.actions.iter().enumerate() {
            if self.actions[..at].iter().any(|other| other.id == item.id) {
                return Err(WriteUpError::Twice { id: item.id.clone() });
            }
        }
        if !self.has_highest() {
            return Err(WriteUpError::NothingFirst);
        }
        let named = self.blames(people).into_iter().find(|blame| blame.is_name);
        named.map_or(Ok(()), |blame| {
            let heading = blame.field.heading();
            Err(WriteUpError::Named { name: blame.words, heading })
        })
    }
}

/// A text with "somebody" in the place of each of `people`.
pub fn without_names(text: &str, people: &[&str]) -> String {
    let mut text = text.to_owned();
    let mut named = names_in(&text, people);
    named.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in named {
        let mut rest = std::mem::take(&mut text);
        while let Some(at) = names_at(&rest, name) {
            text.push_str(&rest[..at]);
            text.push_str("somebody");
            rest = rest.split_off(at + name.trim().len());
        }
        text.push_str(&rest);
    }
    text
}

/// Which of `people` a text names: as whole words, whatever their case. What has no letter names nobody.
pub fn names_in<'a>(text: &str, people: &[&'a str]) -> Vec<&'a str> {
    people.iter().filter(|name| names_at(text, name).is_some()).copied().collect()
}

/// Where a text first names `name`, as a whole word, whatever the case of its letters. What has no letter names nobody.
fn names_at(text: &str, name: &str) -> Option<usize> {
    let name = name.trim();
    if !name.chars().any(char::is_alphabetic) {
        return None;
    }
    let lower = name.to_lowercase();
    text.char_indices().map(|(at, _)| at).find(|at| {
        let Some(found) = text.get(*at..at + name.len()) else { return false };
        let before = text[..*at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        let is_it =
            found.eq_ignore_ascii_case(name) || !found.is_ascii() && found.to_lowercase() == lower;
        is_it && ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}
