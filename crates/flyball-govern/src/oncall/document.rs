//! A rota as it is written, and the same checked as a whole.

use std::collections::BTreeSet;

use flyball_model::{Duration, Interval, Timestamp};
use jiff::tz::TimeZone;

use super::holidays::HolidayCalendar;
use super::rotation::{EVERY_MAX, Rotation};
use super::weekly::Weekly;
use super::{spans, weekly};
use crate::policy::{PolicyError, read};

/// The most members of a rota: each is looked at for each turn. A team that shares a pager has 6 to 8
/// (*Site Reliability Engineering*, chapter 11), and several may share a rota.
pub const MEMBERS_MAX: usize = 64;
/// The most layers of a rota: each is answered for each instant.
pub const LAYERS_MAX: usize = 16;
/// The most stretches of hours in one list: one for each day, twice.
pub const HOURS_MAX: usize = 14;
/// The most calendars of a rota.
pub const CALENDARS_MAX: usize = 32;
/// The most holidays of a calendar: thirty a year for over thirty years.
pub const HOLIDAYS_MAX: usize = 1_024;
/// The longest name, in bytes: names stand in calendars and in tables.
pub const NAME_BYTES_MAX: usize = 128;
/// The longest working week: all of it.
const WEEK: Duration = Duration::from_days(7);

/// `spec` of a `kind: Rota`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RotaSpec {
    /// What it is for, in a sentence.
    #[serde(default)]
    pub description: String,
    /// The zone of its rotations and hours, by IANA's name.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Who takes part.
    pub members: Vec<MemberSpec>,
    /// Public holidays, by the calendars that members name.
    #[serde(default)]
    pub calendars: Vec<HolidayCalendar>,
    /// The calendar of the public holidays of those who name none, whether they have them off or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_holidays: Option<String>,
    /// Who is called, in this order: the first layer first.
    pub layers: Vec<LayerSpec>,
    /// When somebody has to be there for pages; empty for always.
    #[serde(default)]
    pub cover: Vec<Weekly>,
    /// When people are at work anyway, by their own clocks; the rest is out of hours.
    #[serde(default = "working")]
    pub working: Vec<Weekly>,
    /// What is night, by people's own clocks.
    #[serde(default = "night")]
    pub night: Weekly,
}

/// Somebody who takes part in a rota.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MemberSpec {
    /// Who; unique in the rota.
    pub name: String,
    /// Whose side they are on.
    pub side: Side,
    /// What they can be asked to do.
    #[serde(default)]
    pub duty: Duty,
    /// Where their clock is, by IANA's name; the rota's zone when it is missing.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// When they can be called at all, by their clock: business hours only. Empty for always.
    #[serde(default)]
    pub hours: Vec<Weekly>,
    /// When they rest every week, by their clock.
    #[serde(default)]
    pub rest: Vec<Weekly>,
    /// The calendar whose holidays they have off.
    #[serde(default)]
    pub holidays: Option<String>,
    /// The calendar of their public holidays, on which hours are out of hours and paid as holidays whether they have
    /// them off or not; that of [`Self::holidays`], else the rota's, when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_holidays: Option<String>,
    /// The alert target that reaches them.
    #[serde(default)]
    pub target: Option<String>,
    /// What is paid for out-of-hours work; nobody has said when it is missing.
    #[serde(default)]
    pub paid: Option<Paid>,
    /// How long they work in a week, like `40h`: what operations' work is a share of.
    #[serde(default = "full_time", deserialize_with = "read::duration")]
    pub week: Duration,
}

/// Whose side somebody is on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// They build what they run.
    Developers,
    /// They run what others build.
    Operations,
    /// Site reliability engineers.
    Sre,
}

/// What somebody can be asked to do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// They carry a pager, and look at tickets.
    #[default]
    Pages,
    /// They look at tickets and are never paged.
    Tickets,
}

/// What is paid for out-of-hours work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Paid {
    /// Being on call, and each call-out.
    StandbyAndCallOut,
    /// Being on call: call-outs are part of it.
    Standby,
    /// Each call-out alone.
    CallOut,
    /// Nothing.
    Nothing,
}

/// One layer of a rota: at each instant one member, or nobody.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// Its name, unique in the rota.
    pub name: String,
    /// What it is called for.
    #[serde(default)]
    pub carries: Carries,
    /// When it changes hands.
    pub rotation: Rotation,
    /// Who takes turns, in this order.
    pub members: Vec<String>,
    /// When it is there, in the rota's zone; empty for always.
    #[serde(default)]
    pub hours: Vec<Weekly>,
}

/// What a layer is called for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Carries {
    /// Pages, and tickets where no layer is for these.
    #[default]
    Pages,
    /// Tickets.
    Tickets,
    /// Nothing: they look on and learn. They cover no gap and nobody waits for them.
    Shadow,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn working() -> Vec<Weekly> {
    vec![Weekly::working()]
}

fn night() -> Weekly {
    Weekly::night()
}

const fn full_time() -> Duration {
    Duration::from_hours(40)
}

/// A rota that can answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Rota {
    name: String,
    spec: RotaSpec,
    zone: TimeZone,
    members: Vec<Member>,
    layers: Vec<Layer>,
}

/// A member with their clock.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) spec: MemberSpec,
    pub(super) zone: TimeZone,
    /// The calendar whose days they have off.
    off: Option<usize>,
    /// The calendar of their public holidays.
    public: Option<usize>,
}

impl Member {
    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    /// When they can be called at all, days of rest included.
    pub(super) fn hours(&self, during: Interval) -> Vec<Interval> {
        match self.spec.hours.as_slice() {
            [] => spans::union(vec![during]),
            hours => weekly::stretches(hours, during, &self.zone),
        }
    }
}

/// A layer with its members found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    pub(super) spec: LayerSpec,
    /// Their places in the rota's list.
    pub(super) members: Vec<usize>,
}

impl Rota {
    /// Checks a rota as a whole.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: RotaSpec) -> Result<Self, Vec<PolicyError>> {
        let mut check = Check::default();
        check.name("metadata.name", name);
        let zone = check.zone("spec.timeZone", &spec.time_zone);
        let members = check.members(&spec, &zone);
        check.calendars(&spec.calendars);
        let layers = check.layers(&spec, &zone);
        check.hours("spec.cover", &spec.cover);
        check.hours("spec.working", &spec.working);
        check.hours("spec.night", std::slice::from_ref(&spec.night));
        if !check.errors.is_empty() {
            return Err(check.errors);
        }
        Ok(Self { name: name.to_owned(), spec, zone, members, layers })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As it was written.
    pub const fn spec(&self) -> &RotaSpec {
        &self.spec
    }

    /// Where its turns begin.
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The member called `name`.
    pub fn member(&self, name: &str) -> Option<&MemberSpec> {
        self.known(name).map(|member| &member.spec)
    }

    pub(super) fn known(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name() == name)
    }

    pub(super) fn member_at(&self, at: usize) -> &Member {
        &self.members[at]
    }

    pub(super) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Those who take turns in the layers that carry pages, or in the one called `layer` alone.
    pub(super) fn paged<'a>(
        &'a self,
        layer: Option<&'a str>,
    ) -> impl Iterator<Item = &'a MemberSpec> {
        let is_asked = move |of: &&Layer| match layer {
            Some(name) => of.spec.name == name,
            None => of.spec.carries == Carries::Pages,
        };
        let places = self.layers.iter().filter(is_asked).flat_map(|layer| &layer.members);
        places.map(|at| &self.members[*at].spec)
    }

    /// The calendars whose days are holidays of somebody.
    pub(super) fn calendars(&self) -> impl Iterator<Item = &HolidayCalendar> {
        let named = self.members.iter().flat_map(|who| [who.off, who.public]);
        let named: BTreeSet<usize> = named.flatten().collect();
        named.into_iter().map(|at| &self.spec.calendars[at])
    }

    /// When `member` is kept off: days of rest and holidays.
    pub(super) fn off(&self, member: &Member, during: Interval) -> Vec<Interval> {
        let mut off = weekly::stretches(&member.spec.rest, during, &member.zone);
        off.extend(self.days(member.off, during, &member.zone));
        spans::union(off)
    }

    /// When `member` has public holidays, whether they have them off or not.
    pub(super) fn holidays(&self, member: &Member, during: Interval) -> Vec<Interval> {
        self.days(member.public, during, &member.zone)
    }

    fn days(&self, calendar: Option<usize>, during: Interval, zone: &TimeZone) -> Vec<Interval> {
        let calendar = calendar.map(|at| &self.spec.calendars[at]);
        calendar.map_or_else(Vec::new, |calendar| calendar.spans(during, zone))
    }
}

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Check {
    pub(super) errors: Vec<PolicyError>,
}

impl Check {
    pub(super) fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.errors.push(PolicyError { path: path.into(), place: None, message: message.into() });
    }

    pub(super) fn name(&mut self, path: impl Into<String>, name: &str) {
        if name.trim().is_empty() {
            self.error(path, "it has a name; hint: one that people would say");
        } else if name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let message = format!(
                "a name is one line of at most {NAME_BYTES_MAX} bytes; hint: it stands in calendars"
            );
            self.error(path, message);
        }
    }

    fn zone(&mut self, path: impl Into<String>, name: &str) -> TimeZone {
        TimeZone::get(name).unwrap_or_else(|_| {
            let hint = "hint: name one like Europe/Berlin";
            self.error(path, format!("`{name}` is not a time zone of IANA; {hint}"));
            TimeZone::UTC
        })
    }

    fn hours(&mut self, path: &str, hours: &[Weekly]) {
        if hours.len() > HOURS_MAX {
            self.error(path, format!("there are more than {HOURS_MAX} stretches; hint: join some"));
        }
        for (at, weekly) in hours.iter().enumerate() {
            if weekly.days.is_empty() {
                self.error(format!("{path}[{at}].days"), "name a day; hint: like [mon, tue]");
            }
        }
    }

    pub(super) fn count(&mut self, path: &str, count: usize, most: usize) {
        if count > most {
            self.error(path, format!("there are {count}; hint: at most {most} are looked at"));
        }
    }

    fn members(&mut self, spec: &RotaSpec, zone: &TimeZone) -> Vec<Member> {
        if spec.members.is_empty() {
            self.error("spec.members", "a rota has members; hint: one is enough to begin");
        }
        self.count("spec.members", spec.members.len(), MEMBERS_MAX);
        let named = spec.public_holidays.as_deref();
        let usual = self.calendar("spec.publicHolidays".to_owned(), named, spec);
        let mut members = Vec::with_capacity(spec.members.len());
        for (at, member) in spec.members.iter().enumerate() {
            let path = |field: &str| format!("spec.members[{at}].{field}");
            self.name(path("name"), &member.name);
            if spec.members[..at].iter().any(|other| other.name == member.name) {
                self.error(path("name"), format!("another member is called `{}`", member.name));
            }
            let own_zone = member.time_zone.as_ref().map(|name| self.zone(path("timeZone"), name));
            self.hours(&path("hours"), &member.hours);
            self.hours(&path("rest"), &member.rest);
            let off = self.calendar(path("holidays"), member.holidays.as_deref(), spec);
            let own = member.public_holidays.as_deref();
            let public = self.calendar(path("publicHolidays"), own, spec);
            if let Some(target) = &member.target {
                self.name(path("target"), target);
            }
            if member.week.is_zero() || member.week > WEEK {
                self.error(path("week"), "a working week has some hours; hint: write it like 40h");
            }
            members.push(Member {
                spec: member.clone(),
                zone: own_zone.unwrap_or_else(|| zone.clone()),
                off,
                public: public.or(off).or(usual),
            });
        }
        members
    }

    /// The place of the calendar called `name`.
    fn calendar(&mut self, path: String, name: Option<&str>, spec: &RotaSpec) -> Option<usize> {
        let name = name?;
        let found = spec.calendars.iter().position(|calendar| calendar.name == name);
        if found.is_none() {
            let hint = "hint: list it under `calendars`";
            self.error(path, format!("no calendar is called `{name}`; {hint}"));
        }
        found
    }

    fn calendars(&mut self, calendars: &[HolidayCalendar]) {
        self.count("spec.calendars", calendars.len(), CALENDARS_MAX);
        for (at, calendar) in calendars.iter().enumerate() {
            let path = |field: &str| format!("spec.calendars[{at}].{field}");
            self.name(path("name"), &calendar.name);
            if calendars[..at].iter().any(|other| other.name == calendar.name) {
                let message = format!("another calendar is called `{}`", calendar.name);
                self.error(path("name"), message);
            }
            self.count(&path("days"), calendar.days.len(), HOLIDAYS_MAX);
            if calendar.days.is_empty() {
                self.error(path("days"), "it has no days; hint: leave the calendar out");
            }
        }
    }

    fn layers(&mut self, spec: &RotaSpec, zone: &TimeZone) -> Vec<Layer> {
        self.count("spec.layers", spec.layers.len(), LAYERS_MAX);
        if !spec.layers.iter().any(|layer| layer.carries != Carries::Shadow) {
            self.error("spec.layers", "nobody is called; hint: add a layer that carries pages");
        }
        let mut layers = Vec::with_capacity(spec.layers.len());
        for (at, layer) in spec.layers.iter().enumerate() {
            let path = |field: &str| format!("spec.layers[{at}].{field}");
            self.name(path("name"), &layer.name);
            if spec.layers[..at].iter().any(|other| other.name == layer.name) {
                self.error(path("name"), format!("another layer is called `{}`", layer.name));
            }
            if layer.rotation.every == 0 || layer.rotation.every > EVERY_MAX {
                let message = format!("a turn lasts from 1 to {EVERY_MAX} units");
                self.error(path("rotation.every"), message);
            }
            if weekly::instant(layer.rotation.start, zone).is_none_or(|at| at < EARLIEST) {
                let message = "turns begin in 1970 or later; hint: take a day of this year";
                self.error(path("rotation.start"), message);
            }
            self.hours(&path("hours"), &layer.hours);
            if layer.members.is_empty() {
                self.error(path("members"), "nobody takes turns; hint: name a member");
            }
            layers.push(Layer {
                spec: layer.clone(),
                members: self.turns(spec, layer, &path("members")),
            });
        }
        layers
    }

    /// The places of those who take turns in `layer`.
    fn turns(&mut self, spec: &RotaSpec, layer: &LayerSpec, path: &str) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::with_capacity(layer.members.len());
        for (at, name) in layer.members.iter().enumerate() {
            let path = format!("{path}[{at}]");
            match spec.members.iter().position(|member| member.name == *name) {
                None => {
                    let hint = "hint: list them under `members`";
                    self.error(path, format!("no member is called `{name}`; {hint}"));
                }
                Some(place) if found.contains(&place) => {
                    let hint = "hint: turns are shared evenly; name everybody once";
                    self.error(path, format!("`{name}` is there already; {hint}"));
                }
                Some(place) => {
                    let duty = spec.members[place].duty;
                    if duty == Duty::Tickets && layer.carries == Carries::Pages {
                        let hint = "hint: put them in a layer that carries tickets";
                        self.error(path, format!("`{name}` is not paged; {hint}"));
                    }
                    found.push(place);
                }
            }
        }
        found
    }
}

/// Nobody's turns begin before computers count time.
const EARLIEST: Timestamp = Timestamp::from_nanos(0);
