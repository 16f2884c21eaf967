//! Page load: how much each shift and each person carries, and whose side it falls on.
//!
//! Held against two norms of *Site Reliability Engineering* (Beyer and others, 2016): at most two events
//! in a shift of 8 to 12 hours (chapter 11, "Being On-Call": six hours for each event with its root cause
//! and post-mortem), and at most half of anybody's time for operations' work (chapter 5, "Eliminating
//! Toil"). Several pages about one trouble are one event. A longer shift is held to the first norm over
//! each stretch of 12 hours in it: fourteen events in one night are not fine because the week had 168 hours.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Duration, Interval, Severity, Timestamp};

use super::document::{Carries, Rota, Side};
use super::escalation::is;
use super::past::Past;
use super::roster::Shift;
use super::{spans, weekly};

/// The most events in a [`WATCH`]. Source: *Site Reliability Engineering*, chapter 11.
pub const EVENTS_MAX: usize = 2;
/// The stretch of a shift that [`EVENTS_MAX`] is for: the longer end of 8 to 12 hours. Same source.
pub const WATCH: Duration = Duration::from_hours(12);
/// The most of somebody's time that operations' work takes, in per cent. Source: *Site Reliability
/// Engineering*, chapter 5.
pub const OPERATIONS_SHARE_MAX: u32 = 50;

/// One time somebody worked on a trouble because they were called, or took a ticket.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CallOut {
    /// The trouble: pages with the same one are one event.
    pub id: String,
    /// Who.
    pub who: String,
    /// Whether they were paged, or took a ticket.
    pub severity: Severity,
    /// When.
    pub called: Timestamp,
    /// When they were done; `None` when nobody has said.
    pub ended: Option<Timestamp>,
}

impl CallOut {
    /// How long it is known to have taken; empty at its beginning when nobody has said.
    pub(super) fn span(&self) -> Interval {
        spans::between(self.called, self.ended.unwrap_or(self.called))
    }
}

/// What one shift carried.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ShiftLoad {
    /// The shift.
    pub shift: Shift,
    /// Troubles that paged.
    pub events: usize,
    /// Those of them that paged at night, by the person's own clock.
    pub at_night: usize,
    /// The most events in any [`WATCH`] of it.
    pub busiest: usize,
    /// Whether that is more than [`EVENTS_MAX`].
    pub is_over: bool,
}

/// What one person carried.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PersonLoad {
    /// Who.
    pub who: String,
    /// Whose side they are on; `None` for somebody whom the rota does not know.
    pub side: Option<Side>,
    /// The turns that carried pages of which they served most.
    pub turns: usize,
    /// Their shifts over the norm: a turn that days off cut is several.
    pub shifts_over: usize,
    /// How long they were on call, at once in several layers counted once.
    pub on_call: Duration,
    /// Troubles that paged them, on a shift or not.
    pub events: usize,
    /// Those that paged them at night, by their own clock.
    pub at_night: usize,
    /// Those that paged them out of hours.
    pub out_of_hours: usize,
    /// Tickets that they took.
    pub tickets: usize,
    /// How long they worked on troubles, and while they were at work had tickets, as far as it is known; at once on
    /// several counted once.
    pub worked: Duration,
    /// Call-outs of which nobody has said when they were done.
    pub unknown: usize,
    /// What share of their working time that is; `None` for somebody whom the rota does not know.
    pub operations_share: Option<f64>,
    /// Whether that is more than [`OPERATIONS_SHARE_MAX`] per cent; `None` when it cannot be told.
    pub is_over: Option<bool>,
}

/// What one side carried.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SideLoad {
    /// Whose side; `None` for people whom the rota does not know.
    pub side: Option<Side>,
    /// Troubles that paged somebody of it.
    pub events: usize,
    /// How long its people worked on troubles and tickets.
    pub worked: Duration,
    /// Its share of that work; `None` when nobody is known to have worked.
    pub share: Option<f64>,
}

/// The load of a rota over a stretch of time.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Load {
    /// The stretch.
    pub during: Interval,
    /// Its shifts that carried pages, in their order.
    pub shifts: Vec<ShiftLoad>,
    /// People who had a shift or were called, by name.
    pub people: Vec<PersonLoad>,
    /// The sides that people are on.
    pub sides: Vec<SideLoad>,
}

/// The clock of somebody: when it is night and when they are at work.
pub(super) struct Hours {
    pub(super) night: Vec<Interval>,
    pub(super) working: Vec<Interval>,
    pub(super) holidays: Vec<Interval>,
}

impl Rota {
    /// The hours of `who` during `during`, by their own clock; of a stranger by the rota's. Nobody works on
    /// public holidays.
    pub(super) fn hours_of(&self, who: &str, during: Interval) -> Hours {
        let member = self.known(who);
        let zone = member.map_or(self.zone(), |member| &member.zone);
        let holidays = member.map_or_else(Vec::new, |member| self.holidays(member, during));
        let working = weekly::stretches(&self.spec().working, during, zone);
        Hours {
            night: weekly::stretches(std::slice::from_ref(&self.spec().night), during, zone),
            working: spans::without(&working, &holidays),
            holidays,
        }
    }
}

impl Past {
    /// What `shifts` of this rota and `call_outs` of its alerts come to during `during`. `elsewhere` are the times that
    /// people of other rotas worked on the same troubles, each with their side: sides share all of it, whichever rota is
    /// asked.
    pub fn load(
        &self,
        shifts: &[Shift],
        (call_outs, elsewhere): (&[CallOut], &[(Option<Side>, CallOut)]),
        during: Interval,
    ) -> Load {
        let shifts = within(shifts, during);
        let call_outs = self.members(call_outs);
        let called: Vec<&CallOut> =
            call_outs.iter().filter(|call| during.contains(call.called)).collect();
        let turns = self.turns(&shifts, during);
        let names: BTreeSet<&str> = shifts
            .iter()
            .map(|shift| shift.who.as_str())
            .chain(called.iter().map(|call| call.who.as_str()))
            .collect();
        let mut loads = Vec::with_capacity(shifts.len());
        let mut people = Vec::with_capacity(names.len());
        for who in names {
            let hours = self.hours_of(who, during);
            let own: Vec<&CallOut> =
                called.iter().copied().filter(|call| call.who == who).collect();
            let theirs: Vec<&Shift> = shifts.iter().filter(|shift| shift.who == who).collect();
            let first = loads.len();
            loads.extend(theirs.iter().map(|shift| shift_load(shift, &own, &hours)));
            let over = loads[first..].iter().filter(|load: &&ShiftLoad| load.is_over).count();
            let turns = turns.get(who).copied().unwrap_or_default();
            people.push(self.person(who, (&theirs, turns, over), &own, &hours, during));
        }
        loads.sort_by_key(|load| load.shift.start);
        let sides = sides(&people, &called, &beside(&people, elsewhere, during));
        Load { during, shifts: loads, sides, people }
    }

    /// The side of somebody; `None` of a stranger.
    pub fn side(&self, who: &str, at: Timestamp) -> Option<Side> {
        self.member(self.named(who, at), at).map(|member| member.side)
    }

    fn person(
        &self,
        who: &str,
        (shifts, turns, shifts_over): (&[&Shift], usize, usize),
        own: &[&CallOut],
        hours: &Hours,
        during: Interval,
    ) -> PersonLoad {
        let member = self.member(who, during.end());
        let events = events(own.iter().copied());
        let known = own.iter().flat_map(|call| {
            let span: Vec<Interval> = call.span().intersect(during).into_iter().collect();
            match call.severity {
                Severity::Page => span,
                // Nobody sits up with a ticket.
                Severity::Ticket => spans::common(&span, &hours.working),
            }
        });
        let worked = spans::length(&spans::union(known.collect()));
        let tickets = own.iter().filter(|call| call.severity == Severity::Ticket).count();
        let unknown = own.iter().filter(|call| call.ended.is_none()).count();
        // Shares of a week are compared as products, so that nothing is rounded.
        let nanos = |of: Duration| i128::from(of.nanos());
        let share = member.map(|member| {
            let seven_days = nanos(Duration::from_days(7));
            (nanos(worked) * seven_days, nanos(member.week) * nanos(during.length()))
        });
        let is_over = share.filter(|(_, whole)| *whole > 0).and_then(|(work, whole)| {
            let is_over = work * 100 > whole * i128::from(OPERATIONS_SHARE_MAX);
            (is_over || unknown == 0).then_some(is_over)
        });
        let at = |spans: &[Interval]| events.values().filter(|at| holds(spans, **at)).count();
        let on_call = spans::union(shifts.iter().map(|shift| shift.span()).collect());
        PersonLoad {
            who: who.to_owned(),
            side: member.map(|member| member.side),
            turns,
            shifts_over,
            on_call: spans::length(&on_call),
            events: events.len(),
            at_night: at(&hours.night),
            out_of_hours: events.len() - at(&hours.working),
            tickets,
            worked,
            unknown,
            operations_share: share
                .filter(|(_, whole)| *whole > 0)
                .map(|(work, whole)| work as f64 / whole as f64),
            is_over,
        }
    }
}

/// The shifts that carry pages, as far as they lie in `during`.
fn within(shifts: &[Shift], during: Interval) -> Vec<Shift> {
    let carries = shifts.iter().filter(|shift| shift.carries == Carries::Pages);
    let cut = carries.filter_map(|shift| {
        let span = shift.span().intersect(during)?;
        Some(Shift { start: span.start(), end: span.end(), ..shift.clone() })
    });
    cut.collect()
}

/// The troubles that paged, each with its first page.
fn events<'a>(calls: impl Iterator<Item = &'a CallOut>) -> BTreeMap<&'a str, Timestamp> {
    let mut found: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for call in calls.filter(|call| call.severity == Severity::Page) {
        let first = found.entry(&call.id).or_insert(call.called);
        *first = call.called.min(*first);
    }
    found
}

fn holds(spans: &[Interval], at: Timestamp) -> bool {
    spans.get(spans.partition_point(|span| span.end() <= at)).is_some_and(|span| span.contains(at))
}

fn shift_load(shift: &Shift, own: &[&CallOut], hours: &Hours) -> ShiftLoad {
    let inside = own.iter().copied().filter(|call| shift.span().contains(call.called));
    let events = events(inside);
    let mut times: Vec<Timestamp> = events.values().copied().collect();
    times.sort_unstable();
    let in_watch =
        |from: &Timestamp| times.iter().filter(|at| *at >= from && at.since(*from) < WATCH).count();
    let busiest = times.iter().map(in_watch).max().unwrap_or_default();
    ShiftLoad {
        shift: shift.clone(),
        events: times.len(),
        at_night: times.iter().filter(|at| holds(&hours.night, **at)).count(),
        busiest,
        is_over: busiest > EVENTS_MAX,
    }
}

/// What somebody of another rota worked on troubles that came to this one.
struct Beside<'a> {
    side: Option<Side>,
    worked: Duration,
    events: BTreeSet<&'a str>,
}

/// What others than `people` worked during `during`, each once, with the first side that is known of them.
fn beside<'a>(
    people: &[PersonLoad],
    elsewhere: &'a [(Option<Side>, CallOut)],
    during: Interval,
) -> Vec<Beside<'a>> {
    let is_other = |of: &&(Option<Side>, CallOut)| {
        let is_page = of.1.severity == Severity::Page && during.contains(of.1.called);
        is_page && !people.iter().any(|person| is(&person.who, &of.1.who))
    };
    let others: Vec<_> = elsewhere.iter().filter(is_other).collect();
    let names: BTreeSet<&str> = others.iter().map(|of| of.1.who.as_str()).collect();
    let one = |who: &'a str| {
        let own = || others.iter().filter(move |of| of.1.who == who);
        let known = own().filter_map(|of| of.1.span().intersect(during)).collect();
        Beside {
            side: own().find_map(|of| of.0),
            worked: spans::length(&spans::union(known)),
            events: own().map(|of| of.1.id.as_str()).collect(),
        }
    };
    names.into_iter().map(one).collect()
}

fn sides(people: &[PersonLoad], called: &[&CallOut], beside: &[Beside<'_>]) -> Vec<SideLoad> {
    let all = people.iter().map(|person| person.side).chain(beside.iter().map(|of| of.side));
    let all: BTreeSet<Option<Side>> = all.collect();
    let each = |is_meant: &dyn Fn(Option<Side>) -> bool| {
        let own = people.iter().filter(|of| is_meant(of.side)).map(|of| of.worked);
        let others = beside.iter().filter(|of| is_meant(of.side)).map(|of| of.worked);
        spans::sum(own.chain(others))
    };
    let whole = each(&|_| true);
    let side = |side: Option<Side>| {
        let own: Vec<&PersonLoad> = people.iter().filter(|person| person.side == side).collect();
        let is_own = |call: &&&CallOut| own.iter().any(|person| person.who == call.who);
        let worked = each(&|of| of == side);
        let paged = events(called.iter().filter(is_own).copied());
        let others = beside.iter().filter(|of| of.side == side).flat_map(|of| &of.events);
        let paged: BTreeSet<&str> = paged.keys().chain(others).copied().collect();
        SideLoad {
            side,
            events: paged.len(),
            worked,
            share: (!whole.is_zero()).then(|| worked.as_seconds_f64() / whole.as_seconds_f64()),
        }
    };
    all.into_iter().map(side).collect()
}
