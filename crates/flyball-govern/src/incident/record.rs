//! One incident as it is kept: its moments, who does what, what was noted, and every correction.

use std::collections::BTreeMap;

use flyball_model::{CHANGE_TEXT_BYTES_MAX, Incident, Interval, Timestamp};

use super::error::IncidentError;
use super::opening::fitting;

/// The most notes of an incident: beyond that a chat is the better place, and a link.
pub const NOTES_MAX: usize = 500;
/// The most corrections of an incident: each is kept for good.
pub const EDITS_MAX: usize = 500;
/// The most services, journeys and runbooks that an incident names.
pub const LIST_MAX: usize = 64;
/// The most holders of one role in turn: a day of hourly hand-overs, twice.
const HOLDINGS_MAX: usize = 48;

/// A moment of an incident.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Users were first hit.
    Started,
    /// It was noticed.
    Detected,
    /// Somebody took it on.
    Acknowledged,
    /// Users were no longer hit.
    Mitigated,
    /// It was over.
    Resolved,
}

impl Moment {
    /// Every moment, in the order in which they are told.
    pub const ALL: [Self; 5] =
        [Self::Started, Self::Detected, Self::Acknowledged, Self::Mitigated, Self::Resolved];

    /// The moment in one word, as it is written everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Detected => "detected",
            Self::Acknowledged => "acknowledged",
            Self::Mitigated => "mitigated",
            Self::Resolved => "resolved",
        }
    }

    /// When it was; `None` when it is not known, or has not come.
    pub const fn of(self, incident: &Incident) -> Option<Timestamp> {
        match self {
            Self::Started => incident.started,
            Self::Detected => incident.detected,
            Self::Acknowledged => incident.acknowledged,
            Self::Mitigated => incident.mitigated,
            Self::Resolved => incident.resolved,
        }
    }

    pub(super) const fn of_mut(self, incident: &mut Incident) -> &mut Option<Timestamp> {
        match self {
            Self::Started => &mut incident.started,
            Self::Detected => &mut incident.detected,
            Self::Acknowledged => &mut incident.acknowledged,
            Self::Mitigated => &mut incident.mitigated,
            Self::Resolved => &mut incident.resolved,
        }
    }
}

/// The pairs of moments of which the first is never the later one. Detection and mitigation have no order:
/// some incidents are over before anybody notices.
const ORDER: [(Moment, Moment); 6] = [
    (Moment::Started, Moment::Detected),
    (Moment::Started, Moment::Mitigated),
    (Moment::Started, Moment::Resolved),
    (Moment::Detected, Moment::Acknowledged),
    (Moment::Mitigated, Moment::Resolved),
    (Moment::Acknowledged, Moment::Resolved),
];

/// What opened an incident.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "opened", rename_all = "snake_case")]
pub enum Opened {
    /// Alerts that called somebody, by their ids.
    ByAlerts {
        /// The alerts.
        alerts: Vec<u64>,
    },
    /// A person.
    ByHand {
        /// Who.
        who: String,
    },
    /// Another system's message.
    ByMessage {
        /// The system.
        system: String,
    },
}

/// What somebody does in an incident.
///
/// Source: Site Reliability Engineering, chapter 14, "Managing Incidents".
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum IncidentRole {
    /// Decides, and hands out the other roles; holds those that nobody has.
    Commander,
    /// Works on the system, and nobody else does.
    Operations,
    /// Tells those who wait.
    Communications,
    /// Keeps the record, and sees what is needed later.
    Planning,
}

/// Somebody who holds a role for a time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Holding {
    /// Who.
    pub who: String,
    /// From when.
    pub from: Timestamp,
    /// Until when; `None` while they hold it.
    pub until: Option<Timestamp>,
}

/// Something that was noted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Note {
    /// Who noted it.
    pub who: String,
    /// When it happened.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// A correction: what was said before and is said since.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Edit {
    /// Who corrected it.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// What was corrected.
    pub field: String,
    /// What it was; `None` for nothing.
    pub before: Option<String>,
    /// What it is; `None` for nothing.
    pub after: Option<String>,
    /// Why.
    pub why: String,
}

/// Why an alarm was false.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FalseAlarmCause {
    /// What is measured is not what users meet.
    Measurement,
    /// Users were hit, and less than anybody should be called for.
    TooSensitive,
    /// It was caused on purpose: a test, a drill, maintenance.
    OnPurpose,
    /// It went to those who could not do anything about it.
    WrongTarget,
    /// Somebody reported what was none, which is what reports are for.
    Report,
}

/// That an alarm was false. Nobody's name belongs to it: whoever calls when unsure does right, and what is to be
/// changed is a rule or a measurement.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FalseAlarm {
    /// Why it was.
    pub cause: FalseAlarmCause,
    /// When that was known.
    pub at: Timestamp,
    /// What was learnt, in a sentence.
    pub text: String,
}

/// Where an incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Nobody has taken it on.
    Open,
    /// Somebody has.
    Acknowledged,
    /// Users are no longer hit.
    Mitigated,
    /// It is over.
    Resolved,
    /// It was none.
    FalseAlarm,
}

/// An incident with what people do about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IncidentRecord {
    /// Its moments and its names.
    pub incident: Incident,
    /// When the record was opened.
    pub recorded: Timestamp,
    /// What opened it.
    pub opened: Opened,
    /// The class of outage, such as `dependency` or `capacity`; `None` when nobody classified it. Classes are given
    /// where budgets are ([`Classing`](crate::policy::Classing)), and told here by whoever knows them.
    pub class: Option<String>,
    /// The services whose users were hit, beside the incident's own.
    pub services: Vec<String>,
    /// The journeys of users that were hit.
    pub journeys: Vec<String>,
    /// Who did what, in turn.
    pub roles: BTreeMap<IncidentRole, Vec<Holding>>,
    /// The runbooks that were followed, by name.
    pub runbooks: Vec<String>,
    /// What was noted.
    pub notes: Vec<Note>,
    /// That it was none.
    pub false_alarm: Option<FalseAlarm>,
    /// The incident that somebody says this one repeats, by id.
    pub repeats: Option<String>,
    /// The id under which it goes on: another system told of it under that one. What is kept here is empty then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_as: Option<String>,
    /// When an alert called somebody again after it was over or mitigated, oldest first; the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub came_back: Vec<Timestamp>,
    /// The times between its parts, in which it was over; the newest. Of what came back before they were kept there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calm: Vec<Calm>,
    /// When somebody took on the page of the last time that it came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_again: Option<Timestamp>,
    /// Whether `mitigated` is what the ledger says, since nobody said when it was: the end of the last slot that was bad beyond
    /// what its pages allow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_by_ledger: bool,
    /// Every correction, oldest first.
    pub edits: Vec<Edit>,
}

/// A time in which an incident that came back was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Calm {
    /// When users were no longer hit.
    pub from: Timestamp,
    /// When they were hit again.
    pub to: Timestamp,
}

/// Who does something about an incident, when, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By<'a> {
    /// Who.
    pub who: &'a str,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: &'a str,
}

fn says(what: &'static str, text: &str) -> Result<(), IncidentError> {
    if text.trim().is_empty() {
        return Err(IncidentError::Missing { what });
    }
    let bytes = text.len();
    if bytes > CHANGE_TEXT_BYTES_MAX {
        return Err(IncidentError::Long { what, bytes });
    }
    Ok(())
}

impl IncidentRecord {
    /// Opens a record of what is known of an incident.
    pub const fn new(incident: Incident, opened: Opened, recorded: Timestamp) -> Self {
        Self {
            incident,
            recorded,
            opened,
            class: None,
            services: Vec::new(),
            journeys: Vec::new(),
            roles: BTreeMap::new(),
            runbooks: Vec::new(),
            notes: Vec::new(),
            false_alarm: None,
            repeats: None,
            known_as: None,
            came_back: Vec::new(),
            calm: Vec::new(),
            taken_again: None,
            is_by_ledger: false,
            edits: Vec::new(),
        }
    }

    /// Opens an incident by hand: it is detected when somebody says so, unless they say when.
    ///
    /// # Errors
    ///
    /// [`IncidentError::Missing`] and [`IncidentError::Long`] for its texts, [`IncidentError::Order`] and
    /// [`IncidentError::Future`] for its moments.
    pub fn by_hand(
        mut incident: Incident,
        who: &str,
        now: Timestamp,
    ) -> Result<Self, IncidentError> {
        says("the id", &incident.id)?;
        says("who opens it", who)?;
        says("the summary", incident.summary.as_deref().unwrap_or_default())?;
        incident.detected.get_or_insert(now);
        for moment in Moment::ALL {
            if let Some(at) = moment.of(&incident).filter(|at| *at > now) {
                return Err(IncidentError::Future { at });
            }
        }
        in_order(&incident)?;
        Ok(Self::new(incident, Opened::ByHand { who: who.to_owned() }, now))
    }

    /// Whether it counts: it is no false alarm, and has not gone on under another id.
    pub const fn counts(&self) -> bool {
        self.false_alarm.is_none() && self.known_as.is_none()
    }

    /// Where it is. One that came back is open until somebody takes that on.
    pub fn state(&self) -> IncidentState {
        let Incident { resolved, mitigated, acknowledged, .. } = &self.incident;
        let taken = (*acknowledged).max(self.taken_again);
        let is_taken = taken >= self.came_back.last().copied() && taken.is_some();
        match (&self.false_alarm, resolved, mitigated) {
            (Some(_), ..) => IncidentState::FalseAlarm,
            (_, Some(_), _) => IncidentState::Resolved,
            (_, _, Some(_)) => IncidentState::Mitigated,
            _ if is_taken => IncidentState::Acknowledged,
            _ => IncidentState::Open,
        }
    }

    /// Whether it holds up what waits for incidents to be over: it counts, and is not resolved.
    pub fn lasts(&self) -> bool {
        self.counts() && !matches!(self.state(), IncidentState::Resolved)
    }

    /// The parts of the time from `from` to `to` in which it lasted: without those in which it was over before it came back.
    /// Oldest first, none of them empty.
    pub fn parts(&self, from: Timestamp, to: Timestamp) -> Vec<Interval> {
        let mut parts = Vec::new();
        let mut begins = from;
        let behind = Calm { from: to, to };
        for Calm { from, to: again } in self.calm.iter().chain([&behind]) {
            let end = (*from).min(to);
            parts.extend(Interval::new(begins, end).ok().filter(|_| begins < end));
            begins = begins.max(*again);
        }
        parts
    }

    /// Its services: its own first, then the others, each once.
    pub fn all_services(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.incident.service.iter().map(String::as_str).collect();
        for service in &self.services {
            if !all.contains(&service.as_str()) {
                all.push(service);
            }
        }
        all
    }

    /// Says when a moment was, or with `None` that it has not come: an incident that is not over is open again.
    /// What was said before stays in the record.
    ///
    /// # Errors
    ///
    /// [`IncidentError::Future`], [`IncidentError::Order`], and what [`Self::correct`] refuses.
    pub fn set(
        &mut self,
        moment: Moment,
        to: Option<Timestamp>,
        by: By<'_>,
    ) -> Result<(), IncidentError> {
        if let Some(at) = to.filter(|at| *at > by.at) {
            return Err(IncidentError::Future { at });
        }
        let before = moment.of(&self.incident);
        let mut corrected = self.incident.clone();
        *moment.of_mut(&mut corrected) = to;
        // What somebody says comes before what the ledger says.
        let mut is_by_ledger = self.is_by_ledger && moment != Moment::Mitigated;
        fitting(&mut corrected, &mut is_by_ledger);
        in_order(&corrected)?;
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        self.correct(moment.name(), (text(before), text(to)), by)?;
        (self.incident, self.is_by_ledger) = (corrected, is_by_ledger);
        Ok(())
    }

    /// Says what caused it: a change by id; an empty one takes that back.
    ///
    /// # Errors
    ///
    /// What [`Self::correct`] refuses.
    pub fn put_down_to(&mut self, change: &str, by: By<'_>) -> Result<(), IncidentError> {
        let cause = Some(change.trim().to_owned()).filter(|cause| !cause.is_empty());
        self.correct("cause", (self.incident.cause.clone(), cause.clone()), by)?;
        self.incident.cause = cause;
        Ok(())
    }

    /// Says that it repeats another one; an empty id takes that back.
    ///
    /// # Errors
    ///
    /// [`IncidentError::RepeatsItself`], and what [`Self::correct`] refuses.
    pub fn say_repeats(&mut self, other: &str, by: By<'_>) -> Result<(), IncidentError> {
        if other == self.incident.id {
            return Err(IncidentError::RepeatsItself);
        }
        let other = Some(other.trim().to_owned()).filter(|other| !other.is_empty());
        self.correct("repeats", (self.repeats.clone(), other.clone()), by)?;
        self.repeats = other;
        Ok(())
    }

    /// Says which services, journeys and runbooks belong to it. Nothing is noted where nothing changes.
    ///
    /// # Errors
    ///
    /// [`IncidentError::Many`] past [`LIST_MAX`], and what [`Self::correct`] refuses.
    pub fn concerns(
        &mut self,
        (services, journeys, runbooks): (Vec<String>, Vec<String>, Vec<String>),
        by: By<'_>,
    ) -> Result<(), IncidentError> {
        let mut corrected = self.clone();
        let lists = [
            ("services", &mut corrected.services, services),
            ("journeys", &mut corrected.journeys, journeys),
            ("runbooks", &mut corrected.runbooks, runbooks),
        ];
        let mut edits = Vec::new();
        for (field, known, told) in lists {
            if told.len() > LIST_MAX {
                return Err(IncidentError::Many { what: field, most: LIST_MAX });
            }
            let joined =
                |list: &[String]| Some(list.join(", ")).filter(|text: &String| !text.is_empty());
            edits.push((field, (joined(known), joined(&told))));
            *known = told;
        }
        for (field, change) in edits {
            corrected.correct(field, change, by)?;
        }
        *self = corrected;
        Ok(())
    }

    /// Says in a sentence what happened; an empty one takes that back.
    ///
    /// # Errors
    ///
    /// [`IncidentError::Long`], and what [`Self::correct`] refuses.
    pub fn sum_up(&mut self, summary: &str, by: By<'_>) -> Result<(), IncidentError> {
        let bytes = summary.len();
        if bytes > CHANGE_TEXT_BYTES_MAX {
            return Err(IncidentError::Long { what: "the summary", bytes });
        }
        let summary = Some(summary.trim().to_owned()).filter(|summary| !summary.is_empty());
        self.correct("summary", (self.incident.summary.clone(), summary.clone()), by)?;
        self.incident.summary = summary;
        Ok(())
    }

    /// Says that it was none. It counts as no incident from then on, in no measure.
    ///
    /// # Errors
    ///
    /// [`IncidentError::Missing`] and [`IncidentError::Long`] without what was learnt, and what
    /// [`Self::correct`] refuses.
    pub fn call_false(
        &mut self,
        cause: FalseAlarmCause,
        text: &str,
        by: By<'_>,
    ) -> Result<(), IncidentError> {
        says("what was learnt", text)?;
        let before = self.false_alarm.as_ref().map(|alarm| alarm.text.clone());
        self.correct("false_alarm", (before, Some(text.to_owned())), by)?;
        self.false_alarm = Some(FalseAlarm { cause, at: by.at, text: text.to_owned() });
        Ok(())
    }

    /// Says that it was one after all.
    ///
    /// # Errors
    ///
    /// What [`Self::correct`] refuses.
    pub fn call_real(&mut self, by: By<'_>) -> Result<(), IncidentError> {
        let before = self.false_alarm.as_ref().map(|alarm| alarm.text.clone());
        self.correct("false_alarm", (before, None), by)?;
        self.false_alarm = None;
        Ok(())
    }

    /// Notes what happened, at its time; notes are in the order of their times.
    ///
    /// # Errors
    ///
    /// [`IncidentError::Future`] after `now`, [`IncidentError::Missing`], [`IncidentError::Long`] and
    /// [`IncidentError::Many`].
    pub fn note(&mut self, note: Note, now: Timestamp) -> Result<(), IncidentError> {
        says("the note", &note.text)?;
        says("who notes it", &note.who)?;
        if note.at > now {
            return Err(IncidentError::Future { at: note.at });
        }
        if self.notes.len() >= NOTES_MAX {
            return Err(IncidentError::Many { what: "notes", most: NOTES_MAX });
        }
        let place = self.notes.partition_point(|known| known.at <= note.at);
        self.notes.insert(place, note);
        Ok(())
    }

    /// Gives a role to somebody, who takes it over from whoever holds it.
    ///
    /// # Errors
    ///
    /// [`IncidentError::Missing`] and [`IncidentError::Long`] for nobody, [`IncidentError::Many`], and
    /// [`IncidentError::Order`] when it is handed over before it was taken.
    pub fn assign(
        &mut self,
        role: IncidentRole,
        who: &str,
        at: Timestamp,
    ) -> Result<(), IncidentError> {
        says("who holds the role", who)?;
        let held = self.roles.entry(role).or_default();
        if held.len() >= HOLDINGS_MAX {
            return Err(IncidentError::Many { what: "hand-overs", most: HOLDINGS_MAX });
        }
        if held.last().is_some_and(|last| last.who == who && last.until.is_none()) {
            return Ok(());
        }
        end(held, at)?;
        held.push(Holding { who: who.to_owned(), from: at, until: None });
        Ok(())
    }

    /// Ends a role without anybody taking it over.
    ///
    /// # Errors
    ///
    /// [`IncidentError::NotHeld`], and [`IncidentError::Order`] when it would end before it was taken.
    pub fn relieve(&mut self, role: IncidentRole, at: Timestamp) -> Result<(), IncidentError> {
        let held = self.roles.get_mut(&role).ok_or(IncidentError::NotHeld)?;
        if held.last().is_none_or(|last| last.until.is_some()) {
            return Err(IncidentError::NotHeld);
        }
        end(held, at)
    }

    /// Who holds a role; for a role that nobody has, the commander.
    pub fn holder(&self, role: IncidentRole) -> Option<&str> {
        let holds = |role| {
            let last = self.roles.get(&role)?.last()?;
            last.until.is_none().then_some(last.who.as_str())
        };
        holds(role).or_else(|| holds(IncidentRole::Commander))
    }

    /// Everybody who is named in it: whoever opened, noted, corrected or held a role. Each once, sorted.
    pub fn people(&self) -> Vec<&str> {
        let opener = match &self.opened {
            Opened::ByHand { who } => Some(who.as_str()),
            Opened::ByAlerts { .. } | Opened::ByMessage { .. } => None,
        };
        let noted = self.notes.iter().map(|note| note.who.as_str());
        let edited = self.edits.iter().map(|edit| edit.who.as_str());
        let held = self.roles.values().flatten().map(|holding| holding.who.as_str());
        let mut people: Vec<&str> = opener.into_iter().chain(noted).chain(edited).collect();
        people.extend(held);
        people.sort_unstable();
        people.dedup();
        people
    }

    /// Keeps what was corrected; nothing where nothing changes.
    ///
    /// # Errors
    ///
    /// [`IncidentError::Missing`] and [`IncidentError::Long`] without a person, a reason or with a long value,
    /// [`IncidentError::Many`] past [`EDITS_MAX`].
    fn correct(
        &mut self,
        field: &str,
        (before, after): (Option<String>, Option<String>),
        By { who, at, why }: By<'_>,
    ) -> Result<(), IncidentError> {
        says("who corrects it", who)?;
        says("the reason", why)?;
        if before == after {
            return Ok(());
        }
        if let Some(bytes) = after.as_ref().map(String::len).filter(|of| *of > VALUE_BYTES_MAX) {
            return Err(IncidentError::Long { what: "the value", bytes });
        }
        if self.edits.len() >= EDITS_MAX {
            return Err(IncidentError::Many { what: "corrections", most: EDITS_MAX });
        }
        let (who, field, why) = (who.to_owned(), field.to_owned(), why.to_owned());
        self.edits.push(Edit { who, at, field, before, after, why });
        Ok(())
    }
}

/// The longest value of a correction: a list of as many names as there may be.
const VALUE_BYTES_MAX: usize = LIST_MAX * 256;

fn end(held: &mut [Holding], at: Timestamp) -> Result<(), IncidentError> {
    let Some(last) = held.last_mut().filter(|last| last.until.is_none()) else { return Ok(()) };
    if at < last.from {
        let (earlier, later) = ("taken", "handed over");
        return Err(IncidentError::Order { earlier, earlier_at: last.from, later, later_at: at });
    }
    last.until = Some(at);
    Ok(())
}

fn in_order(incident: &Incident) -> Result<(), IncidentError> {
    for (one, other) in ORDER {
        if let (Some(earlier_at), Some(later_at)) = (one.of(incident), other.of(incident))
            && later_at < earlier_at
        {
            let (earlier, later) = (one.name(), other.name());
            return Err(IncidentError::Order { earlier, earlier_at, later, later_at });
        }
    }
    Ok(())
}
