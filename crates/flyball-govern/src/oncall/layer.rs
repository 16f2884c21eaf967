//! What one layer says: who has it, at each instant, by its rotation alone.
//!
//! A *turn* is one period of the rotation, as far as the layer's hours cover it; a period that they do
//! not touch is nobody's turn and is not counted, so that a rotation over working days does not cheat
//! those whom weekends would have hit. A member *may hold* a turn when what keeps them off (days of rest,
//! holidays) takes at most half of what their own hours leave of it. Where the holder is off or outside
//! their hours, others *stand in*. A turn counts as much as its holder's hours leave of it ([`super::fair`]): whoever
//! stands in while the holder is off has that part of it, so that days off are made up for. What is outside
//! the holder's hours was never theirs; how long people stand in then is shared evenly by itself.
//!
//! Counts begin at the rotation's start, and again every [`EPOCH_TURNS`], so that no question costs more
//! than that many turns.

use flyball_model::{Duration, Interval, Timestamp};

use super::document::{Layer, Member, Rota};
use super::fair::{Queue, TURN};
use super::roster::NANOSECOND;
use super::{Absence, Answer, By, spans, weekly};

/// After how many turns counting begins anew: 42 days of hours, close to 3 years of days. What somebody
/// was skipped for before is forgotten then, which is a turn or two.
pub(super) const EPOCH_TURNS: i64 = 1_024;

/// A stretch of time with one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) span: Interval,
    pub(super) answer: Answer,
}

/// What `time` of a turn counts, of which the holder's hours leave `whole`; rounded down.
fn part(time: Duration, whole: Duration) -> u64 {
    let part = u128::from(time.nanos().unsigned_abs()) * u128::from(TURN);
    let part = part.checked_div(u128::from(whole.nanos().unsigned_abs())).unwrap_or_default();
    u64::try_from(part).unwrap_or(TURN)
}

/// What a layer says during `during`: pieces that follow each other without gap or overlap.
pub(super) fn pieces(rota: &Rota, layer: &Layer, during: Interval) -> Vec<Piece> {
    let rotation = &layer.spec.rotation;
    let anchor = rotation.boundary(0, rota.zone());
    let nobody = |span, why| Piece { span, answer: Answer::Nobody { why } };
    let mut found = Vec::new();
    if during.start() < anchor {
        let before = spans::between(during.start(), anchor.min(during.end()));
        found.push(nobody(before, Absence::NotStarted));
    }
    let asked = spans::between(during.start().max(anchor), during.end());
    if asked.is_empty() {
        found.retain(|piece| !piece.span.is_empty());
        return found;
    }
    let first = rotation.number_at(asked.start(), rota.zone());
    let last = rotation.number_at(asked.end().minus(NANOSECOND), rota.zone());
    let mut epoch = first.div_euclid(EPOCH_TURNS);
    while epoch * EPOCH_TURNS <= last {
        let turns = epoch * EPOCH_TURNS..(last + 1).min((epoch + 1) * EPOCH_TURNS);
        found.extend(Walk::new(rota, layer, turns, asked).pieces());
        epoch += 1;
    }
    found
}

/// One epoch of a layer, turn by turn from its beginning.
struct Walk<'a> {
    rota: &'a Rota,
    members: Vec<&'a Member>,
    layer: &'a Layer,
    turns: std::ops::Range<i64>,
    asked: Interval,
    /// What the layer's hours cover of the turns.
    covered: Vec<Interval>,
    /// When each member serves at all, by their own hours.
    hours: Vec<Vec<Interval>>,
    /// When each member can be called: their hours without what keeps them off.
    free: Vec<Vec<Interval>>,
}

impl<'a> Walk<'a> {
    fn new(rota: &'a Rota, layer: &'a Layer, turns: std::ops::Range<i64>, asked: Interval) -> Self {
        let zone = rota.zone();
        let boundary = |number| layer.spec.rotation.boundary(number, zone);
        let whole = spans::between(boundary(turns.start), boundary(turns.end));
        let covered = match layer.spec.hours.as_slice() {
            [] => vec![whole],
            hours => weekly::stretches(hours, whole, zone),
        };
        let members: Vec<&Member> = layer.members.iter().map(|at| rota.member_at(*at)).collect();
        let hours: Vec<_> = members.iter().map(|member| member.hours(whole)).collect();
        let free = members
            .iter()
            .zip(&hours)
            .map(|(member, hours)| spans::without(hours, &rota.off(member, whole)))
            .collect();
        Self { rota, members, layer, turns, asked, covered, hours, free }
    }

    fn pieces(&self) -> Vec<Piece> {
        let count = self.members.len();
        let first = i64::try_from(count.max(1)).map_or(0, |all| self.turns.start.rem_euclid(all));
        let first = usize::try_from(first).unwrap_or_default();
        let mut holders = Queue::new(count, first);
        let mut stand_ins = Queue::new(count, first);
        let mut found = Vec::new();
        for number in self.turns.clone() {
            let turn = self.layer.spec.rotation.turn(number, self.rota.zone());
            let covered = spans::within(&self.covered, turn);
            let mut said = Vec::new();
            if !covered.is_empty() {
                let holder = holders.next(|member| self.may_hold(member, &covered));
                let (theirs, own) = holder.map_or_else(Default::default, |holder| {
                    let of_turn = |spans: &[Vec<Interval>]| spans::common(&covered, &spans[holder]);
                    (of_turn(&self.hours), of_turn(&self.free))
                });
                let whole = spans::length(&theirs);
                if let Some(holder) = holder {
                    holders.serve(holder, part(spans::length(&own), whole));
                }
                for left in spans::without(&theirs, &own) {
                    let part = |time| part(time, whole);
                    self.stand_in(left, (&mut holders, &part), &mut said);
                }
                for left in spans::without(&covered, &theirs) {
                    let time = |time: Duration| time.nanos().unsigned_abs();
                    self.stand_in(left, (&mut stand_ins, &time), &mut said);
                }
                let held = |span| self.piece(span, holder.map(|holder| (holder, By::Turn)));
                said.extend(own.into_iter().map(held));
            }
            let outside = spans::without(&[turn], &covered);
            let closed =
                |span| Piece { span, answer: Answer::Nobody { why: Absence::OutsideHours } };
            said.extend(outside.into_iter().map(closed));
            said.sort_by_key(|piece| piece.span.start());
            found.extend(said.into_iter().filter_map(|piece| {
                Some(Piece { span: piece.span.intersect(self.asked)?, ..piece })
            }));
        }
        found
    }

    /// Whether a member may hold a turn of which `covered` is to be served: they are free for half of what
    /// their own hours leave of it, at least.
    fn may_hold(&self, member: usize, covered: &[Interval]) -> bool {
        let nanos = |spans: &[Interval]| i128::from(spans::length(spans).nanos());
        let whole = nanos(&spans::common(covered, &self.hours[member]));
        let free = nanos(&spans::common(covered, &self.free[member]));
        free > 0 && 2 * free >= whole
    }

    /// Fills `left`, in which the holder cannot be called: with one who can throughout if there is
    /// one, else with whoever can longest, and on from there. It counts in a queue, as much as that says.
    fn stand_in(
        &self,
        left: Interval,
        (queue, counts): (&mut Queue, &dyn Fn(Duration) -> u64),
        said: &mut Vec<Piece>,
    ) {
        let mut from = left.start();
        while from < left.end() {
            let until: Vec<Option<Timestamp>> =
                (0..self.members.len()).map(|member| self.free_until(member, from)).collect();
            let reach = |member: usize| until[member].map(|until| until.min(left.end()));
            let longest = (0..self.members.len()).filter_map(reach).max();
            let next = longest.and_then(|longest| queue.next(|who| reach(who) == Some(longest)));
            let end = longest.unwrap_or_else(|| self.next_free(from).min(left.end()));
            if let Some(member) = next {
                queue.serve(member, counts(end.since(from)));
            }
            said.push(self.piece(spans::between(from, end), next.map(|who| (who, By::StandIn))));
            from = end;
        }
    }

    /// Until when a member who can be called at `at` can without a break; `None` when they cannot.
    fn free_until(&self, member: usize, at: Timestamp) -> Option<Timestamp> {
        let free = &self.free[member];
        let next = free.partition_point(|span| span.end() <= at);
        free.get(next).filter(|span| span.contains(at)).map(|span| span.end())
    }

    /// When anybody can be called next after `at`, at which nobody can.
    fn next_free(&self, at: Timestamp) -> Timestamp {
        let next = |free: &Vec<Interval>| {
            free.get(free.partition_point(|span| span.start() <= at)).map(|span| span.start())
        };
        self.free.iter().filter_map(next).min().unwrap_or(Timestamp::MAX)
    }

    fn piece(&self, span: Interval, of: Option<(usize, By)>) -> Piece {
        let answer = match of {
            Some((member, by)) => Answer::On { who: self.members[member].name().to_owned(), by },
            None => Answer::Nobody { why: Absence::NobodyFree },
        };
        Piece { span, answer }
    }
}
