//! What is wrong with a rota ahead: hours that nobody covers, people who are there twice, calendars that end.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Interval, Timestamp};

use super::document::{Carries, Rota};
use super::exception::Exceptions;
use super::roster::{Absence, Answer, SHIFTS_LONGEST};
use super::{holidays, spans, weekly};

/// What is found of a rota over a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Coverage {
    /// The stretch that was looked at.
    pub during: Interval,
    /// When nobody can be paged though somebody has to be there.
    pub gaps: Vec<Gap>,
    /// When one person is all there is in two layers that carry pages.
    pub doubled: Vec<Doubled>,
    /// Years of which a calendar of holidays says nothing, by its name: who is off then is not known.
    pub silent: BTreeMap<String, BTreeSet<i16>>,
    /// People who are there for pages and have no alert target: they hear of what others are told of.
    pub unreachable: BTreeSet<String>,
}

/// A stretch of time in which nobody can be paged.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Gap {
    /// When.
    pub span: Interval,
    /// Why, by the layers that carry pages.
    pub why: BTreeMap<String, Absence>,
}

/// A stretch of time in which one person has two layers: whoever is to come after them is they.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Doubled {
    /// When.
    pub span: Interval,
    /// Who.
    pub who: String,
    /// The two layers.
    pub layers: [String; 2],
}

impl Rota {
    /// What is wrong during `during`, of which [`SHIFTS_LONGEST`] is looked at.
    pub fn coverage(&self, during: Interval, exceptions: &Exceptions) -> Coverage {
        let end = during.end().min(during.start().plus(SHIFTS_LONGEST));
        let during = spans::between(during.start(), end);
        let asked = match self.spec().cover.as_slice() {
            [] => spans::union(vec![during]),
            hours => weekly::stretches(hours, during, self.zone()),
        };
        let mut lines = self.lines(during, exceptions);
        lines.retain(|line| line.carries == Carries::Pages);
        let people = lines.iter().flat_map(|line| &line.pieces);
        let there = people.filter(|piece| piece.answer.who().is_some()).map(|piece| piece.span);
        let there = spans::union(there.collect());
        let mut gaps = Vec::new();
        for open in spans::without(&asked, &there) {
            // A gap has one reason a layer: it is cut where a reason changes.
            let ends = lines.iter().flat_map(|line| &line.pieces).map(|piece| piece.span.end());
            let mut cuts: BTreeSet<Timestamp> =
                ends.filter(|end| open.contains(*end) && open.start() < *end).collect();
            cuts.insert(open.end());
            let mut from = open.start();
            for cut in cuts {
                let span = spans::between(from, cut);
                let reasons = lines.iter().filter_map(|line| {
                    let piece = line.pieces.iter().find(|piece| piece.span.contains(from))?;
                    let Answer::Nobody { why } = &piece.answer else { return None };
                    Some((line.layer.clone()?, why.clone()))
                });
                gaps.push(Gap { span, why: reasons.collect() });
                from = cut;
            }
        }
        gaps.dedup_by(|next, last| {
            let is_one = last.span.end() == next.span.start() && last.why == next.why;
            if is_one {
                last.span = spans::between(last.span.start(), next.span.end());
            }
            is_one
        });
        let silent = holidays::silent(self.calendars(), during, self.zone());
        let people = lines.iter().flat_map(|line| &line.pieces).filter_map(|of| of.answer.who());
        let has_target = |who: &&str| self.member(who).is_some_and(|of| of.target.is_some());
        let unreachable = people.filter(|who| !has_target(who)).map(str::to_owned).collect();
        Coverage { during, gaps, doubled: doubled(&lines), silent, unreachable }
    }
}

/// What an exception does to who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// When nobody can be paged while it lasts, though somebody has to be there.
    pub gaps: Vec<Gap>,
    /// Whether everybody is there as they would be without it.
    pub is_idle: bool,
}

impl Rota {
    /// What it does that `during` goes by the exceptions `after` in the place of those `before`, of which
    /// [`SHIFTS_LONGEST`] is looked at.
    pub fn effect(&self, during: Interval, before: &Exceptions, after: &Exceptions) -> Effect {
        let there = |exceptions| {
            let mut found: BTreeMap<(Option<String>, String), Vec<Interval>> = BTreeMap::new();
            for shift in self.shifts(during, exceptions) {
                let span = shift.span();
                found.entry((shift.layer, shift.who)).or_default().push(span);
            }
            for there in found.values_mut() {
                *there = spans::union(std::mem::take(there));
            }
            found
        };
        let gaps = self.coverage(during, after).gaps;
        Effect { gaps, is_idle: there(before) == there(after) }
    }
}

/// When one person is in two of `lines`, by start.
fn doubled(lines: &[super::roster::Line]) -> Vec<Doubled> {
    let mut found = Vec::new();
    for (at, one) in lines.iter().enumerate() {
        for other in &lines[at + 1..] {
            let (Some(first), Some(second)) = (&one.layer, &other.layer) else { continue };
            for piece in &one.pieces {
                let Some(who) = piece.answer.who() else { continue };
                let same = other.pieces.iter().filter(|piece| piece.answer.who() == Some(who));
                found.extend(same.filter_map(|same| {
                    let span = same.span.intersect(piece.span)?;
                    let layers = [first.clone(), second.clone()];
                    Some(Doubled { span, who: who.to_owned(), layers })
                }));
            }
        }
    }
    found.sort_by_key(|doubled| doubled.span.start());
    found
}
