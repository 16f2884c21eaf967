//! What holds for every rota, and a naive second implementation that looks at each half hour.

use flyball_model::Duration;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, date};
use proptest::prelude::*;

use super::*;
use crate::oncall::spans;

/// How finely the naive implementation looks. All times of the rotas below are multiples of it, and so are
/// changes of clocks, of which those of Lord Howe are the smallest.
pub(super) const STEP: Duration = Duration::from_minutes(30);
const ZONES: [&str; 5] =
    ["UTC", "Europe/Berlin", "America/Chicago", "Asia/Kolkata", "Australia/Lord_Howe"];

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) rota: Rota,
    /// What is asked.
    pub(super) during: Interval,
}

fn hours() -> impl Strategy<Value = Value> {
    let days =
        proptest::sample::subsequence(vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun"], 1..6);
    (days, 0_u32..48, 0_u32..48).prop_map(|(days, from, to)| {
        let clock = |half: u32| format!("{:02}:{:02}", half / 2, half % 2 * 30);
        json!({"days": days, "from": clock(from), "to": clock(to)})
    })
}

fn member(number: usize) -> impl Strategy<Value = Value> {
    let some = proptest::collection::vec(hours(), 0..2);
    let rest = proptest::collection::vec(hours(), 0..2);
    (some, rest, 0..ZONES.len(), any::<bool>()).prop_map(
        move |(hours, rest, zone, has_holidays)| {
            let holidays = has_holidays.then_some("XX");
            json!({"name": format!("m{number}"), "side": "developers", "hours": hours, "rest": rest,
            "timeZone": ZONES[zone], "holidays": holidays})
        },
    )
}

/// How a layer is: its hours, unit and length of a turn, start, zone-free; whether it carries tickets; who of the
/// members, as bits.
type Layered = (Vec<Value>, (&'static str, u32), (i32, u8), bool, u8);

fn layered() -> impl Strategy<Value = Layered> {
    let unit = prop_oneof![
        (Just("hour"), 5_u32..40),
        (Just("day"), 1_u32..4),
        (Just("week"), 1_u32..2),
        (Just("month"), 1_u32..2),
    ];
    let layer_hours = proptest::collection::vec(hours(), 0..2);
    (layer_hours, unit, (0_i32..20, 0_u8..48), any::<bool>(), any::<u8>())
}

/// A layer of `members`, the first of whom is paged.
fn layer(at: usize, of: Layered, first: Date, members: &[Value]) -> Value {
    let (hours, (unit, every), (days, half), is_triage, who) = of;
    let half = i8::try_from(half).unwrap();
    let clock = jiff::civil::time(half / 2, half % 2 * 30, 0, 0);
    let start: DateTime = first.checked_add(days.days()).unwrap().to_datetime(clock);
    let carries = if is_triage && at > 0 { "tickets" } else { "pages" };
    let may = |member: &&Value| carries == "tickets" || member["duty"] == "pages";
    let is_in = |(number, _): &(usize, &Value)| at == 0 || who >> number & 1 == 1;
    let some = members.iter().filter(may).enumerate().filter(is_in).map(|(_, member)| member);
    let mut names: Vec<&Value> = some.map(|member| &member["name"]).collect();
    if names.is_empty() {
        names.push(&members[0]["name"]);
    }
    json!({"name": format!("l{at}"), "carries": carries, "members": names, "hours": hours,
        "rotation": {"unit": unit, "every": every,
            "start": start.strftime("%Y-%m-%dT%H:%M").to_string()}})
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let members = (1_usize..5).prop_flat_map(|count| (0..count).map(member).collect::<Vec<_>>());
    // Around the changes of clocks in March and November.
    let first = prop_oneof![Just(date(2026, 3, 1)), Just(date(2026, 10, 20))];
    let layers = proptest::collection::vec(layered(), 1..4);
    let asked = (-60_i64..900, 1_u32..400);
    (members, layers, first, 0..ZONES.len(), asked).prop_map(
        |(mut members, layers, first, zone, (from, length))| {
            for (at, member) in members.iter_mut().enumerate() {
                member["duty"] = json!(if at == 2 { "tickets" } else { "pages" });
            }
            let layers = layers.into_iter().enumerate();
            let layers: Vec<Value> =
                layers.map(|(at, of)| layer(at, of, first, &members)).collect();
            let holidays = ["2026-03-09", "2026-03-29", "2026-11-01", "2026-11-02"];
            let rota = rota(json!({
                "timeZone": ZONES[zone],
                "members": members,
                "calendars": [{"name": "XX", "days": holidays.map(|date| json!({"date": date}))}],
                "layers": layers,
            }));
            let anchor = rota.spec().layers[0].rotation.boundary(0, rota.zone());
            let moved = |steps: i64| Timestamp::from_nanos(anchor.nanos() + steps * STEP.nanos());
            let during = spans::between(moved(from), moved(from + i64::from(length)));
            Case { rota, during }
        },
    )
}

/// The instants of `during` that are looked at.
pub(super) fn steps(during: Interval) -> impl Iterator<Item = Timestamp> {
    let count = during.length().nanos() / STEP.nanos();
    (0..count).map(move |step| Timestamp::from_nanos(during.start().nanos() + step * STEP.nanos()))
}

/// What the naive implementation says of every layer.
pub(super) struct Naive(Vec<(Timestamp, Vec<Option<String>>)>);

impl Naive {
    pub(super) fn new(case: &Case) -> Self {
        let (layers, zone) = (&case.rota.spec().layers, case.rota.zone());
        let said =
            layers.iter().map(|layer| (layer.rotation.boundary(0, zone), naive(case, layer)));
        Self(said.collect())
    }

    /// Who has each layer at `at`.
    pub(super) fn who(&self, at: Timestamp) -> Vec<Option<String>> {
        let who = |(anchor, said): &(Timestamp, Vec<Option<String>>)| {
            let index = (at.nanos() - anchor.nanos()).div_euclid(STEP.nanos());
            usize::try_from(index).ok().and_then(|index| said[index].clone())
        };
        self.0.iter().map(who).collect()
    }
}

/// The civil date of `at`, give or take two days.
fn around(at: Timestamp, zone: &TimeZone) -> impl Iterator<Item = jiff::civil::Date> {
    let day = zone.to_datetime(at.to_jiff()).date();
    (-2..=1).map(move |move_by: i32| day.checked_add(move_by.days()).unwrap())
}

/// Whether `at` lies in one of `hours`, told from their definition.
fn is_in(hours: &[Weekly], at: Timestamp, zone: &TimeZone) -> bool {
    hours.iter().any(|weekly| {
        around(at, zone).filter(|day| weekly.days.contains(&Day::of(*day))).any(|day| {
            let instant = |date: Date, clock: Clock| {
                weekly::instant(format!("{date}T{clock}").parse().unwrap(), zone).unwrap()
            };
            let last = if weekly.to <= weekly.from { day.tomorrow().unwrap() } else { day };
            instant(day, weekly.from) <= at && at < instant(last, weekly.to)
        })
    })
}

/// Of each step from the anchor on: who has the layer, `None` for nobody.
fn naive(case: &Case, layer: &LayerSpec) -> Vec<Option<String>> {
    let spec = case.rota.spec();
    let zone = case.rota.zone();
    let people: Vec<&MemberSpec> =
        layer.members.iter().map(|name| case.rota.member(name).unwrap()).collect();
    let zones: Vec<TimeZone> =
        people.iter().map(|who| TimeZone::get(who.time_zone.as_ref().unwrap()).unwrap()).collect();
    let serves = |who: usize, at: Timestamp| {
        people[who].hours.is_empty() || is_in(&people[who].hours, at, &zones[who])
    };
    let is_off = |who: usize, at: Timestamp| {
        let today = zones[who].to_datetime(at.to_jiff()).date();
        let is_holiday = people[who].holidays.is_some()
            && spec.calendars[0].days.iter().any(|holiday| holiday.date == today);
        is_holiday || is_in(&people[who].rest, at, &zones[who])
    };
    let covered = |at: Timestamp| layer.hours.is_empty() || is_in(&layer.hours, at, zone);
    let (mut turns, mut stands): (Vec<Served>, Vec<Served>) =
        (vec![Served::default(); people.len()], vec![Served::default(); people.len()]);
    let mut said = Vec::new();
    let mut number = 0;
    while layer.rotation.boundary(number, zone) < case.during.end() {
        let (from, to) =
            (layer.rotation.boundary(number, zone), layer.rotation.boundary(number + 1, zone));
        number += 1;
        let count = to.since(from).nanos() / STEP.nanos();
        let steps: Vec<Timestamp> = (0..count)
            .map(|step| Timestamp::from_nanos(from.nanos() + step * STEP.nanos()))
            .collect();
        let on: Vec<bool> = steps.iter().map(|at| covered(*at)).collect();
        let hours: Vec<Vec<bool>> = (0..people.len())
            .map(|who| steps.iter().map(|at| serves(who, *at)).collect())
            .collect();
        let is_free = |who: usize, at: usize| hours[who][at] && !is_off(who, steps[at]);
        let free: Vec<Vec<bool>> = (0..people.len())
            .map(|who| (0..steps.len()).map(|at| is_free(who, at)).collect())
            .collect();
        let mut answers: Vec<Option<usize>> = vec![None; steps.len()];
        if on.contains(&true) {
            let may: Vec<usize> = (0..people.len())
                .filter(|who| {
                    let own = |at: &usize| on[*at] && hours[*who][*at];
                    let whole = (0..steps.len()).filter(own).count();
                    let left = (0..steps.len()).filter(|at| on[*at] && free[*who][*at]).count();
                    left > 0 && left * 2 >= whole
                })
                .collect();
            // How much of the turn a member's hours leave of it.
            let hers: Vec<usize> = (0..people.len())
                .map(|who| (0..steps.len()).filter(|at| on[*at] && hours[who][*at]).count())
                .collect();
            let part = |time: usize, who: usize| (time << 32) / hers[who].max(1);
            let holder = least(&turns, &may);
            if let Some(holder) = holder {
                let own = (0..steps.len()).filter(|at| on[*at] && free[holder][*at]).count();
                served(&mut turns, holder, part(own, holder));
            }
            let mut step = 0;
            while step < steps.len() {
                if !on[step] {
                    step += 1;
                    continue;
                }
                if let Some(holder) = holder.filter(|who| free[*who][step]) {
                    answers[step] = Some(holder);
                    step += 1;
                    continue;
                }
                // A stretch that the holder leaves: while they are off, or outside their hours.
                let is_theirs = |at: usize| holder.is_some_and(|who| hours[who][at]);
                let is_left = |at: &usize| {
                    let is_free = holder.is_some_and(|who| free[who][*at]);
                    on[*at] && !is_free && is_theirs(*at) == is_theirs(step)
                };
                let end = (step..steps.len()).find(|at| !is_left(at)).unwrap_or(steps.len());
                let reach = |who: usize| (step..end).find(|at| !free[who][*at]).unwrap_or(end);
                let longest = (0..people.len()).map(reach).max().unwrap();
                if longest == step {
                    step += 1;
                    continue;
                }
                let best: Vec<usize> =
                    (0..people.len()).filter(|who| reach(*who) == longest).collect();
                let (queue, amount) = match holder.filter(|_| is_theirs(step)) {
                    Some(holder) => (&mut turns, part(longest - step, holder)),
                    None => (&mut stands, longest - step),
                };
                let stand_in = least(queue, &best);
                if let Some(stand_in) = stand_in {
                    served(queue, stand_in, amount);
                }
                answers[step..longest].fill(stand_in);
                step = longest;
            }
        }
        said.extend(answers.into_iter().map(|who| who.map(|who| people[who].name.clone())));
    }
    said
}

#[derive(Debug, Clone, Copy, Default)]
struct Served {
    times: u32,
    amount: usize,
    last: u32,
}

/// Whoever has served least; of those the longest ago; of those the first in the list.
fn least(served: &[Served], may: &[usize]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for who in may {
        let is_better = best.is_none_or(|best| {
            served[*who].amount < served[best].amount
                || (served[*who].amount == served[best].amount
                    && served[*who].last < served[best].last)
        });
        if is_better {
            best = Some(*who);
        }
    }
    best
}

/// They serve so much.
fn served(queue: &mut [Served], who: usize, amount: usize) {
    let now = queue.iter().map(|of| of.times).sum::<u32>() + 1;
    let Served { times, amount: before, .. } = queue[who];
    queue[who] = Served { times: times + 1, amount: before + amount, last: now };
}

fn name(answer: &Answer) -> Option<String> {
    answer.who().map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_instant_has_one_answer_whatever_is_asked(case in case(), inside in 0_i64..1_000) {
        let lines = case.rota.lines(case.during, &Exceptions::default());
        prop_assert_eq!(lines.len(), case.rota.spec().layers.len());
        let nanos = case.during.length().nanos() / 1_000 * inside;
        let moment = Timestamp::from_nanos(case.during.start().nanos() + nanos);
        let said = case.rota.on_call(moment, &Exceptions::default());
        for (line, said) in lines.iter().zip(&said) {
            let mut next = case.during.start();
            for piece in &line.pieces {
                prop_assert_eq!(piece.span.start(), next, "no gap and no overlap");
                prop_assert!(!piece.span.is_empty());
                next = piece.span.end();
            }
            prop_assert_eq!(next, case.during.end());
            let held = line.pieces.iter().find(|piece| piece.span.contains(moment)).unwrap();
            prop_assert_eq!(&said.answer, &held.answer);
        }
    }

    #[test]
    fn the_naive_implementation_says_the_same(case in case()) {
        let naive = Naive::new(&case);
        let lines = case.rota.lines(case.during, &Exceptions::default());
        for at in steps(case.during) {
            let piece = |line: &crate::oncall::roster::Line| {
                name(&line.pieces.iter().find(|piece| piece.span.contains(at)).unwrap().answer)
            };
            prop_assert_eq!(lines.iter().map(piece).collect::<Vec<_>>(), naive.who(at), "at {}", at);
        }
    }

    #[test]
    fn nobody_is_called_when_they_are_off(case in case()) {
        for shift in case.rota.shifts(case.during, &Exceptions::default()) {
            let member = case.rota.known(&shift.who).unwrap();
            let off = case.rota.off(member, shift.span());
            prop_assert!(off.is_empty(), "{:?} has {:?} off", shift, off);
            let hours = member.hours(shift.span());
            prop_assert_eq!(hours, vec![shift.span()], "outside their hours");
        }
    }

    #[test]
    fn weekly_turns_and_the_time_of_stand_ins_are_shared_evenly(
        rests in proptest::collection::vec((0_usize..4, 1_u32..24), 2..5),
        free in 2_usize..4,
        turns in 1_u32..60,
    ) {
        let resting = rests.iter().enumerate().map(|(at, (day, hours))| {
            let day = ["tue", "wed", "fri", "sat"][*day];
            let rest = json!([{"days": [day], "from": "00:00", "to": format!("{hours:02}:00")}]);
            json!({"name": format!("r{at}"), "side": "developers", "rest": rest})
        });
        let others = (0..free).map(|at| json!({"name": format!("f{at}"), "side": "developers"}));
        let members: Vec<Value> = resting.chain(others).collect();
        let names: Vec<Value> = members.iter().map(|who| who["name"].clone()).collect();
        let rota = rota(json!({
            "timeZone": "Europe/Berlin", "members": members,
            "layers": [{"name": "primary", "members": names,
                "rotation": {"unit": "week", "start": "2026-01-05T09:00"}}],
        }));
        let boundary =
            |turn: u32| rota.spec().layers[0].rotation.boundary(turn.into(), rota.zone());
        let during = spans::between(boundary(0), boundary(turns));
        let shifts = rota.lines(during, &Exceptions::default()).swap_remove(0).pieces;
        let time = |name: &Value| {
            let own = shifts.iter().filter(|of| of.answer.who().is_some_and(|who| who == name));
            own.map(|of| of.span.length().nanos()).sum::<i64>()
        };
        // All have served the same, but for one turn, one time of standing in, and the hours by which clocks change.
        let times = names.iter().map(time);
        let spread = times.clone().max().unwrap() - times.min().unwrap();
        let longest = rests.iter().map(|(_, hours)| *hours).max().unwrap_or_default();
        let one = Duration::from_hours(168 + longest + turns / 20).nanos();
        prop_assert!(spread <= one, "{} h", spread / 3_600_000_000_000);
    }

    #[test]
    fn those_who_may_differ_by_one_and_who_was_skipped_is_made_up_for(
        count in 1_usize..8,
        first in 0_usize..8,
        skips in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut queue = crate::oncall::fair::Queue::new(count, first % count);
        let mut counts = vec![0_u32; count];
        let mut serve = |counts: &mut Vec<u32>, may: &dyn Fn(usize) -> bool| {
            let Some(next) = queue.next(may) else { return Ok(()) };
            let least = (0..count).filter(|who| may(*who)).map(|who| counts[who]).min();
            prop_assert_eq!(Some(counts[next]), least, "nobody serves ahead of who is behind");
            queue.serve(next, 1);
            counts[next] += 1;
            Ok(())
        };
        for mask in &skips {
            serve(&mut counts, &|who| mask >> who & 1 == 0)?;
        }
        // Once nobody is skipped, all that is owed is made up for before anybody goes ahead.
        let most = counts.iter().max().copied().unwrap_or_default();
        let owed: u32 = counts.iter().map(|count| most - count).sum();
        for _ in 0..owed {
            serve(&mut counts, &|_| true)?;
        }
        prop_assert!(counts.iter().all(|count| *count == most), "{:?}", counts);
        for _ in 0..3 * count {
            serve(&mut counts, &|_| true)?;
            let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
            prop_assert!(spread <= 1, "{:?}", counts);
        }
    }
}
