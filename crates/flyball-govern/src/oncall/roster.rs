//! Who is on call: what the layers say, with the exceptions.
//!
//! At every instant each layer has exactly one answer, a person or nobody with the reason, whatever
//! stretch of time was asked for. An override that only adds somebody is beside all layers.

use std::collections::BTreeSet;

use flyball_model::{Duration, Interval, Severity, Timestamp};

use super::document::{Carries, Rota};
use super::exception::{Act, Exceptions};
use super::layer::{self, Piece};
use super::spans;

/// The longest stretch that shifts are told for: a year, and what two quarters may differ.
pub const SHIFTS_LONGEST: Duration = Duration::from_days(400);

/// What a layer says at one instant.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// Somebody is there.
    On {
        /// Who.
        who: String,
        /// By what.
        by: By,
    },
    /// Nobody is.
    Nobody {
        /// Why.
        why: Absence,
    },
}

impl Answer {
    /// Who is there.
    pub fn who(&self) -> Option<&str> {
        match self {
            Self::On { who, .. } => Some(who),
            Self::Nobody { .. } => None,
        }
    }
}

/// By what somebody is on call.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum By {
    /// It is their turn.
    Turn,
    /// The one whose turn it is cannot be called.
    StandIn,
    /// An override.
    Override {
        /// Which.
        id: String,
    },
    /// A swap.
    Swap {
        /// Which.
        id: String,
    },
    /// A temporary schedule.
    Temporary {
        /// Which.
        id: String,
    },
}

/// Why nobody is on call in a layer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Absence {
    /// Its first turn has not begun.
    NotStarted,
    /// The layer is not there at these hours.
    OutsideHours,
    /// All of its members are off or outside their hours.
    NobodyFree,
    /// An override took away who was there, for nobody.
    Removed {
        /// Which.
        id: String,
    },
    /// A temporary schedule names nobody.
    Temporary {
        /// Which.
        id: String,
    },
}

/// One answer of who is on call at an instant.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OnCall {
    /// The layer; `None` for somebody whom an override added beside all of them.
    pub layer: Option<String>,
    /// What it is called for.
    pub carries: Carries,
    /// Who, or why nobody.
    #[serde(flatten)]
    pub answer: Answer,
}

/// A stretch of time in which one person is on call.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shift {
    /// The rota.
    pub rota: String,
    /// The layer; `None` for somebody whom an override added beside all of them.
    pub layer: Option<String>,
    /// What it is called for.
    pub carries: Carries,
    /// Who.
    pub who: String,
    /// By what.
    pub by: By,
    /// The first instant, or that of the stretch that was asked for.
    pub start: Timestamp,
    /// The first instant after, or that of the stretch that was asked for.
    pub end: Timestamp,
    /// Whether it goes on after the stretch that was asked for.
    pub continues: bool,
}

impl Shift {
    /// When it is.
    pub const fn span(&self) -> Interval {
        spans::between(self.start, self.end)
    }
}

/// What one layer, or somebody beside them, says over a stretch of time.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) layer: Option<String>,
    pub(super) carries: Carries,
    pub(super) pieces: Vec<Piece>,
}

impl Rota {
    /// Who is on call at `at`: each layer in the order of the document, then who was added.
    pub fn on_call(&self, at: Timestamp, exceptions: &Exceptions) -> Vec<OnCall> {
        let instant = spans::between(at, at.plus(NANOSECOND));
        let lines = self.lines(instant, exceptions).into_iter();
        let said = lines.filter_map(|line| {
            let piece = line.pieces.into_iter().next()?;
            Some(OnCall { layer: line.layer, carries: line.carries, answer: piece.answer })
        });
        said.collect()
    }

    /// Who is called at `at` for an alert of `severity`, first to last, each once.
    ///
    /// A page goes to the layers that carry pages. A ticket goes to those that carry tickets; where no such
    /// layer has anybody, to those that carry pages. `layer` asks for one layer alone. Empty when nobody
    /// is there.
    pub fn called(
        &self,
        at: Timestamp,
        severity: Severity,
        layer: Option<&str>,
        exceptions: &Exceptions,
    ) -> Vec<String> {
        let on_call = self.on_call(at, exceptions);
        let triage = match severity {
            Severity::Page => Vec::new(),
            Severity::Ticket => those(&on_call, Carries::Tickets, layer),
        };
        if triage.is_empty() { those(&on_call, Carries::Pages, layer) } else { triage }
    }

    /// Who looks at tickets at `at`, each once: those of the layers that carry tickets.
    pub fn triage(&self, at: Timestamp, exceptions: &Exceptions) -> Vec<String> {
        if !self.has_triage() {
            return Vec::new();
        }
        those(&self.on_call(at, exceptions), Carries::Tickets, None)
    }

    /// Whether a layer carries tickets.
    pub(super) fn has_triage(&self) -> bool {
        self.layers().iter().any(|layer| layer.spec.carries == Carries::Tickets)
    }

    /// When `who` is off or outside their hours during `during`; nothing is known of a stranger.
    pub fn away(&self, who: &str, during: Interval) -> Vec<Interval> {
        let Some(member) = self.known(who) else { return Vec::new() };
        let free = spans::without(&member.hours(during), &self.off(member, during));
        spans::without(&[during], &free)
    }

    /// The final shifts during `during`, cut at its ends: by start, then in the order of the layers.
    ///
    /// No more than [`SHIFTS_LONGEST`] from the start is told.
    pub fn shifts(&self, during: Interval, exceptions: &Exceptions) -> Vec<Shift> {
        let end = during.end().min(during.start().plus(SHIFTS_LONGEST));
        // One instant more tells which shifts go on.
        let asked = spans::between(during.start(), end.plus(NANOSECOND));
        let mut found = Vec::new();
        for line in self.lines(asked, exceptions) {
            for piece in line.pieces {
                let Answer::On { who, by } = piece.answer else { continue };
                if piece.span.start() >= end {
                    continue;
                }
                let continues = piece.span.end() > end;
                found.push(Shift {
                    rota: self.name().to_owned(),
                    layer: line.layer.clone(),
                    carries: line.carries,
                    who,
                    by,
                    start: piece.span.start(),
                    end: piece.span.end().min(end),
                    continues,
                });
            }
        }
        found.sort_by_key(|shift| shift.start);
        found
    }

    /// What every layer says during `during`: each line is without gap or overlap, but those of people who
    /// were added, which hold their stretches alone.
    pub(super) fn lines(&self, during: Interval, exceptions: &Exceptions) -> Vec<Line> {
        let of_layer = |layer: &super::document::Layer| Line {
            layer: Some(layer.spec.name.clone()),
            carries: layer.spec.carries,
            pieces: layer::pieces(self, layer, during),
        };
        let mut lines: Vec<Line> = self.layers().iter().map(of_layer).collect();
        let mut added: Vec<Line> = Vec::new();
        for act in exceptions.acts(during) {
            for line in lines.iter_mut().chain(&mut added) {
                line.act(&act);
            }
            if let (None, Some(add)) = (&act.remove, &act.add)
                && let Some(span) = act.span.intersect(during)
            {
                let answer = Answer::On { who: add.clone(), by: act.by.clone() };
                let pieces = vec![Piece { span, answer }];
                added.push(Line { layer: None, carries: Carries::Pages, pieces });
            }
        }
        for temporary in exceptions.temporary(during) {
            let none = Answer::Nobody { why: Absence::Temporary { id: temporary.id.clone() } };
            for line in &mut added {
                line.pieces = split(&line.pieces, temporary.span(), |_| None);
            }
            for line in &mut lines {
                line.pieces = split(&line.pieces, temporary.span(), |_| Some(none.clone()));
                let own = temporary.shifts.iter();
                for shift in own.filter(|shift| line.layer.as_ref() == Some(&shift.layer)) {
                    let by = By::Temporary { id: temporary.id.clone() };
                    let answer = Answer::On { who: shift.who.clone(), by };
                    line.pieces = split(&line.pieces, shift.span(), |_| Some(answer.clone()));
                }
            }
        }
        lines.append(&mut added);
        for line in &mut lines {
            line.pieces = joined(std::mem::take(&mut line.pieces));
        }
        lines
    }
}

/// Who is there for `carries`, in `layer` alone where one is asked for: each once.
fn those(on_call: &[OnCall], carries: Carries, layer: Option<&str>) -> Vec<String> {
    let is_asked = |said: &&OnCall| {
        said.carries == carries && (layer.is_none() || said.layer.as_deref() == layer)
    };
    let mut seen = BTreeSet::new();
    let people = on_call.iter().filter(is_asked).filter_map(|said| said.answer.who());
    people.filter(|who| seen.insert(*who)).map(str::to_owned).collect()
}

/// The shortest time there is.
pub(super) const NANOSECOND: Duration = match Duration::from_nanos(1) {
    Some(nanosecond) => nanosecond,
    None => Duration::ZERO,
};

impl Line {
    /// Lets an override act on what is there.
    fn act(&mut self, act: &Act) {
        let Some(remove) = act.remove.as_deref() else { return };
        let id = match &act.by {
            By::Override { id } | By::Swap { id } | By::Temporary { id } => id.clone(),
            By::Turn | By::StandIn => String::new(),
        };
        self.pieces = split(&self.pieces, act.span, |answer| {
            let add = act.add.as_deref();
            let next = match answer.who() {
                Some(who) if who == remove => add,
                who @ Some(_) if act.is_exchange && who == add => Some(remove),
                _ => return Some(answer.clone()),
            };
            Some(match next {
                Some(next) => Answer::On { who: next.to_owned(), by: act.by.clone() },
                None => Answer::Nobody { why: Absence::Removed { id: id.clone() } },
            })
        });
    }
}

/// `pieces` cut at the ends of `span`, inside which `answer` says what becomes of each.
fn split(
    pieces: &[Piece],
    span: Interval,
    answer: impl Fn(&Answer) -> Option<Answer>,
) -> Vec<Piece> {
    let mut found = Vec::with_capacity(pieces.len() + 2);
    for piece in pieces {
        let Some(inside) = piece.span.intersect(span) else {
            found.push(piece.clone());
            continue;
        };
        let outside = |from, to| Piece { span: spans::between(from, to), ..piece.clone() };
        found.push(outside(piece.span.start(), inside.start()));
        found.extend(answer(&piece.answer).map(|answer| Piece { span: inside, answer }));
        found.push(outside(inside.end(), piece.span.end()));
    }
    found.retain(|piece| !piece.span.is_empty());
    found
}

/// Joins pieces that follow each other and say the same.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut found: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match found.last_mut() {
            Some(last) if last.answer == piece.answer && last.span.end() == piece.span.start() => {
                last.span = spans::between(last.span.start(), piece.span.end());
            }
            _ => found.push(piece),
        }
    }
    found
}
