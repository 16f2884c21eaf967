//! A rota as it was: what its documents said, each while it was in force.
//!
//! A document that changes says nothing of the time before it: who served last month, on which terms and by which
//! clock, the document of last month says. The first that is known of holds for all the time before it too.

use std::collections::BTreeMap;

use flyball_model::{Duration, Interval, Timestamp};

use super::document::{MemberSpec, Rota};
use super::escalation::is;
use super::exception::Exceptions;
use super::load::{CallOut, Hours};
use super::roster::{SHIFTS_LONGEST, Shift};
use super::spans;

/// The documents of one rota, the oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    versions: Vec<Version>,
}

/// What a document said, from a moment on.
#[derive(Debug, Clone, PartialEq)]
struct Version {
    from: Timestamp,
    /// `None` while there was no such rota.
    rota: Option<Rota>,
}

impl Past {
    /// A rota that has always been as it is.
    pub fn always(rota: Rota) -> Self {
        Self { versions: vec![Version { from: Timestamp::MIN, rota: Some(rota) }] }
    }

    /// Of its documents with the moments from which they were in force, the oldest first, `None` while there was
    /// none; without any there was never such a rota.
    pub fn of(documents: impl IntoIterator<Item = (Timestamp, Option<Rota>)>) -> Self {
        let version = |(from, rota)| Version { from, rota };
        let mut versions: Vec<Version> = documents.into_iter().map(version).collect();
        if let Some(first) = versions.first_mut() {
            first.from = Timestamp::MIN;
        }
        Self { versions }
    }

    /// What was in force during `during`, piece by piece.
    fn during(&self, during: Interval) -> impl Iterator<Item = (Interval, &Rota)> {
        let ends = self.versions.iter().skip(1).map(|next| next.from).chain([Timestamp::MAX]);
        self.versions.iter().zip(ends).filter_map(move |(version, end)| {
            let span = spans::between(version.from.max(during.start()), end.min(during.end()));
            Some((span, version.rota.as_ref()?)).filter(|(span, _)| !span.is_empty())
        })
    }

    /// What the document that was in force at `at` says of `who`; where it says nothing, the last before it that does.
    pub(super) fn member(&self, who: &str, at: Timestamp) -> Option<&MemberSpec> {
        let mut known = self.versions.iter().rev().filter(|version| version.from <= at);
        known.find_map(|version| version.rota.as_ref()?.member(who))
    }

    /// The member who is meant by `said` at `at`, as [`is`] tells; `said` itself for a stranger.
    pub(super) fn named<'a>(&'a self, said: &'a str, at: Timestamp) -> &'a str {
        let known = self.versions.iter().rev().filter(|version| version.from <= at);
        let rotas = known.filter_map(|version| version.rota.as_ref());
        let mut members = rotas.flat_map(|rota| &rota.spec().members);
        members.find(|member| is(&member.name, said)).map_or(said, |member| &member.name)
    }

    /// The same people as members call themselves.
    pub(super) fn members(&self, call_outs: &[CallOut]) -> Vec<CallOut> {
        let known =
            |of: &CallOut| CallOut { who: self.named(&of.who, of.called).to_owned(), ..of.clone() };
        call_outs.iter().map(known).collect()
    }

    /// How many turns of their layers' rotations each had of `shifts`: a turn is theirs who served most of it, whatever
    /// cuts it into pieces. Who was added beside all layers had one for each time.
    pub(super) fn turns<'a>(
        &self,
        shifts: &'a [Shift],
        during: Interval,
    ) -> BTreeMap<&'a str, usize> {
        // By layer and beginning: how long each served of it.
        let mut served: BTreeMap<(Option<&str>, Timestamp), BTreeMap<&str, Duration>> =
            BTreeMap::new();
        let mut serve = |layer: Option<&'a str>, begin, who: &'a str, length: Duration| {
            let of = served.entry((layer, begin)).or_default().entry(who).or_default();
            *of = spans::sum([*of, length]);
        };
        for (span, rota) in self.during(during) {
            for shift in shifts {
                let Some(part) = shift.span().intersect(span) else { continue };
                let layers = rota.layers().iter().map(|layer| &layer.spec);
                let mut layers = layers.filter(|layer| Some(&layer.name) == shift.layer.as_ref());
                let Some(layer) = layers.next() else {
                    serve(None, part.start(), &shift.who, part.length());
                    continue;
                };
                let (rotation, zone) = (&layer.rotation, rota.zone());
                let mut number = rotation.number_at(part.start(), zone);
                loop {
                    let turn = rotation.turn(number, zone);
                    let own = turn.intersect(part).map_or(Duration::ZERO, Interval::length);
                    serve(shift.layer.as_deref(), turn.start(), &shift.who, own);
                    if turn.end() >= part.end() {
                        break;
                    }
                    number += 1;
                }
            }
        }
        let mut found = BTreeMap::new();
        for (_, of) in served {
            let most = of.values().copied().max().filter(|most| !most.is_zero());
            let whose = of.iter().find(|(_, length)| Some(**length) == most);
            if let Some((who, _)) = whose {
                *found.entry(*who).or_default() += 1;
            }
        }
        found
    }

    /// Whether the document that was in force at `at` knows `who`.
    pub(super) fn is_member(&self, who: &str, at: Timestamp) -> bool {
        let in_force = self.versions.iter().rev().find(|version| version.from <= at);
        let rota = in_force.and_then(|version| version.rota.as_ref());
        rota.is_some_and(|rota| rota.member(who).is_some())
    }

    /// The hours of `who` during `during`.
    pub(super) fn hours_of(&self, who: &str, during: Interval) -> Hours {
        let mut all = Hours { night: Vec::new(), working: Vec::new(), holidays: Vec::new() };
        for (span, rota) in self.during(during) {
            let Hours { night, working, holidays } = rota.hours_of(who, span);
            all.night.extend(night);
            all.working.extend(working);
            all.holidays.extend(holidays);
        }
        all
    }

    /// The final shifts during `during`, as [`Rota::shifts`] tells them; one that goes on under another document
    /// unchanged is one.
    pub fn shifts(&self, during: Interval, exceptions: &Exceptions) -> Vec<Shift> {
        let end = during.end().min(during.start().plus(SHIFTS_LONGEST));
        let mut found: Vec<Shift> = Vec::new();
        for (span, rota) in self.during(spans::between(during.start(), end)) {
            for shift in rota.shifts(span, exceptions) {
                let goes_on = |of: &&mut Shift| {
                    let same = of.layer == shift.layer && of.who == shift.who && of.by == shift.by;
                    same && of.carries == shift.carries && of.end == shift.start
                };
                match found.iter_mut().filter(|_| shift.start == span.start()).find(goes_on) {
                    Some(before) => (before.end, before.continues) = (shift.end, shift.continues),
                    None => found.push(shift),
                }
            }
        }
        for shift in found.iter_mut().filter(|shift| shift.end < end) {
            shift.continues = false;
        }
        found.sort_by_key(|shift| shift.start);
        found
    }
}
