//! What holds for every rota of several layers with whatever was made of exceptions, and a naive second implementation
//! that looks at each half hour.

use flyball_model::Severity;
use proptest::prelude::*;

use super::properties::{Case, Naive, STEP, case, steps};
use super::*;
use crate::oncall::roster::Line;
use crate::oncall::spans;

/// Some stretch of time: where it begins and how many steps it lasts.
type Stretch = (i64, i64);

/// What is drawn of one exception: when, for a swap what for it, two people, which of its ways, when it was made.
type Drawn = (Stretch, Stretch, [usize; 2], u8, i64);

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let stretch = || (-40_i64..400, 1_i64..150);
    let one = (stretch(), stretch(), [0_usize..4, 0_usize..4], any::<u8>(), 0_i64..6);
    proptest::collection::vec(one, 0..5)
}

fn name(case: &Case, number: usize) -> String {
    let members = &case.rota.spec().members;
    members[number % members.len()].name.clone()
}

fn stretch(case: &Case, (from, length): Stretch) -> Interval {
    let moved = |steps| Timestamp::from_nanos(case.during.start().nanos() + steps * STEP.nanos());
    spans::between(moved(from), moved(from + length))
}

/// Made so many hours after a moment that lies before everything.
fn made(hours: i64) -> Made {
    let at =
        Timestamp::from_seconds(at("2025-12-01T00:00:00Z").nanos() / 1_000_000_000 + hours * 3_600);
    Made { by: "m0".to_owned(), at, why: "agreed".to_owned() }
}

/// Somebody goes, comes, or comes for somebody else.
fn overridden(case: &Case, number: usize, drawn: &Drawn) -> Override {
    let (when, _, [one, other], way, at) = drawn;
    let when = stretch(case, *when);
    let (remove, add) = match way % 4 {
        0 => (Some(*one), None),
        1 => (None, Some(*other)),
        _ => (Some(*one), Some(*other)),
    };
    let [remove, add] = [remove, add].map(|who| who.map(|who| name(case, who)));
    let id = format!("o{number}");
    Override { id, start: when.start(), end: when.end(), remove, add, made: made(*at) }
}

/// A swap for nothing, for another time or for the same; open, taken, declined or withdrawn.
fn swapped(case: &Case, number: usize, drawn: &Drawn) -> Swap {
    let (gives, takes, [one, other], way, at) = drawn;
    let (who, by) = (name(case, *one), name(case, *other));
    let takes = match way % 3 {
        0 => None,
        1 => Some(*takes),
        _ => Some(*gives),
    };
    let how = match way / 3 % 5 {
        0 => None,
        1 => Some(SwapHow::Declined),
        2 => Some(SwapHow::Withdrawn),
        _ => Some(SwapHow::Taken),
    };
    let ended = how.filter(|_| who != by).map(|how| SwapEnd { by, at: made(*at).at, how });
    let (gives, takes) = (stretch(case, *gives), takes.map(|takes| stretch(case, takes)));
    Swap { id: format!("s{number}"), who, gives, takes, asked: None, made: made(-1), ended }
}

/// One or two shifts of a layer, or none.
fn temporary(case: &Case, number: usize, drawn: &Drawn) -> TemporarySchedule {
    let (when, (_, first), people, way, at) = drawn;
    let span = stretch(case, *when);
    let layers = &case.rota.spec().layers;
    let layer = layers[usize::from(*way) % layers.len()].name.clone();
    let cut = span.start().plus(STEP).nanos() + first * STEP.nanos();
    let cut = Timestamp::from_nanos(cut).min(span.end());
    let parts = [spans::between(span.start(), cut), spans::between(cut, span.end())];
    let parts = parts.into_iter().zip(people).take(usize::from(way / 4 % 3));
    let shifts = parts.filter(|(part, _)| !part.is_empty()).map(|(part, who)| FixedShift {
        layer: layer.clone(),
        who: name(case, *who),
        start: part.start(),
        end: part.end(),
    });
    let (id, shifts) = (format!("t{number}"), shifts.collect());
    TemporarySchedule { id, start: span.start(), end: span.end(), shifts, made: made(*at) }
}

fn each<T>(case: &Case, drawn: &[Drawn], of: fn(&Case, usize, &Drawn) -> T) -> Vec<T> {
    drawn.iter().enumerate().map(|(number, drawn)| of(case, number, drawn)).collect()
}

/// A rota with up to four exceptions of each kind, which nobody has checked.
fn excepted() -> impl Strategy<Value = (Case, Exceptions)> {
    (case(), drawn(), drawn(), drawn()).prop_map(|(case, overrides, swaps, temporaries)| {
        let exceptions = Exceptions {
            overrides: each(&case, &overrides, overridden),
            swaps: each(&case, &swaps, swapped),
            temporary: each(&case, &temporaries, temporary),
        };
        (case, exceptions)
    })
}

/// Who is there at an instant: in which layer, and by which exception.
type Row = (Option<String>, Option<String>, Option<String>);

/// Who goes and who comes during a stretch.
type Change = (Interval, Option<String>, Option<String>);

/// What was made, by when it was: its name and all that it changes, at once.
fn changes(exceptions: &Exceptions) -> Vec<(Timestamp, String, Vec<Change>)> {
    let mut found: Vec<(Timestamp, String, Vec<Change>)> = Vec::new();
    for of in &exceptions.overrides {
        let change = (of.span(), of.remove.clone(), of.add.clone());
        found.push((of.made.at, of.id.clone(), vec![change]));
    }
    for of in &exceptions.swaps {
        let Some(SwapEnd { by, at, how: SwapHow::Taken }) = &of.ended else { continue };
        let mut both = vec![(of.gives, Some(of.who.clone()), Some(by.clone()))];
        both.extend(of.takes.map(|takes| (takes, Some(by.clone()), Some(of.who.clone()))));
        found.push((*at, of.id.clone(), both));
    }
    found.sort_by_key(|(at, _, _)| *at);
    found
}

/// What is said at `at`, told from what exceptions mean.
fn said(case: &Case, exceptions: &Exceptions, naive: &Naive, at: Timestamp) -> Vec<Row> {
    let names = case.rota.spec().layers.iter().map(|layer| Some(layer.name.clone()));
    let mut rows: Vec<Row> =
        names.clone().zip(naive.who(at)).map(|(layer, who)| (layer, who, None)).collect();
    for (_, id, changes) in changes(exceptions) {
        let before = rows.clone();
        for (_, remove, add) in changes.iter().filter(|(span, _, _)| span.contains(at)) {
            match remove {
                Some(_) => {
                    for (row, _) in rows.iter_mut().zip(&before).filter(|(_, was)| was.1 == *remove)
                    {
                        (row.1, row.2) = (add.clone(), Some(id.clone()));
                    }
                }
                None if add.is_some() => rows.push((None, add.clone(), Some(id.clone()))),
                None => {}
            }
        }
    }
    let there = exceptions.temporary.iter().filter(|of| of.span().contains(at));
    let Some(last) = there.max_by_key(|of| of.made.at) else { return rows };
    let own = |layer: &Option<String>| {
        let is_its = |of: &&FixedShift| Some(&of.layer) == layer.as_ref() && of.span().contains(at);
        last.shifts.iter().find(is_its).map(|of| of.who.clone())
    };
    names.map(|layer| (layer.clone(), own(&layer), Some(last.id.clone()))).collect()
}

fn row(layer: Option<&String>, answer: &Answer) -> Row {
    let id = match answer {
        Answer::On { by: By::Override { id } | By::Swap { id } | By::Temporary { id }, .. }
        | Answer::Nobody { why: Absence::Removed { id } | Absence::Temporary { id } } => Some(id),
        Answer::On { .. } | Answer::Nobody { .. } => None,
    };
    (layer.cloned(), answer.who().map(str::to_owned), id.cloned())
}

fn rows(lines: &[Line], at: Timestamp) -> Vec<Row> {
    let there = lines.iter().filter_map(|line| {
        let piece = line.pieces.iter().find(|piece| piece.span.contains(at))?;
        Some(row(line.layer.as_ref(), &piece.answer))
    });
    there.collect()
}

/// What a rota keeps of `all`, as it is asked for one after the other.
fn kept(rota: &Rota, all: Exceptions) -> Exceptions {
    let mut kept = Exceptions::default();
    let Exceptions { mut overrides, mut swaps, temporary } = all;
    kept.temporary.extend(temporary.into_iter().filter(|of| of.check(rota).is_ok()));
    overrides.sort_by_key(|of| of.made.at);
    for of in overrides {
        if of.check(rota, &kept).is_ok() {
            kept.overrides.push(of);
        }
    }
    swaps.sort_by_key(|of| of.ended.as_ref().map(|end| end.at));
    for (number, mut of) in swaps.into_iter().enumerate() {
        let ended = of.ended.take();
        let is_kept = of.check(rota, &kept).is_ok();
        // After all overrides, which did not see it.
        let at = made(10 + i64::try_from(number).unwrap()).at;
        let is_ended = ended.is_none_or(|end| of.end((rota, &kept), &end.by, end.how, at).is_ok());
        if is_kept && is_ended {
            kept.swaps.push(of);
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_naive_implementation_says_the_same_of_exceptions((case, exceptions) in excepted()) {
        let naive = Naive::new(&case);
        let lines = case.rota.lines(case.during, &exceptions);
        for at in steps(case.during) {
            let expected = said(&case, &exceptions, &naive, at);
            prop_assert_eq!(rows(&lines, at), expected, "at {}", at);
        }
    }

    #[test]
    fn every_instant_has_one_answer_a_layer_whatever_was_made(
        (case, exceptions) in excepted(),
        inside in 0_i64..1_000,
    ) {
        let during = case.during;
        let lines = case.rota.lines(during, &exceptions);
        let (layers, added) = lines.split_at(case.rota.spec().layers.len());
        for line in layers {
            let mut next = during.start();
            for piece in &line.pieces {
                prop_assert_eq!(piece.span.start(), next, "no gap and no overlap");
                prop_assert!(!piece.span.is_empty());
                next = piece.span.end();
            }
            prop_assert_eq!(next, during.end());
        }
        prop_assert!(added.iter().all(|line| line.layer.is_none()));
        let nanos = during.length().nanos() / 1_000 * inside;
        let moment = Timestamp::from_nanos(during.start().nanos() + nanos);
        let at_once = case.rota.on_call(moment, &exceptions);
        let at_once: Vec<Row> =
            at_once.iter().map(|said| row(said.layer.as_ref(), &said.answer)).collect();
        prop_assert_eq!(at_once, rows(&lines, moment), "asked for an instant or for all");
        // Shifts are the same told by person, and all of their time is there.
        let shifts = case.rota.shifts(during, &exceptions);
        let told: i64 = shifts.iter().map(|of| of.span().length().nanos()).sum();
        let pieces = lines.iter().flat_map(|line| &line.pieces);
        let there = pieces.filter(|piece| piece.answer.who().is_some());
        prop_assert_eq!(told, there.map(|piece| piece.span.length().nanos()).sum::<i64>());
    }

    #[test]
    fn exceptions_say_nothing_outside_their_time((case, exceptions) in excepted()) {
        let swaps = exceptions.swaps.iter().flat_map(|of| of.takes.into_iter().chain([of.gives]));
        let overrides = exceptions.overrides.iter().map(Override::span);
        let temporary = exceptions.temporary.iter().map(TemporarySchedule::span);
        let spans: Vec<Interval> = swaps.chain(overrides).chain(temporary).collect();
        let without = case.rota.lines(case.during, &Exceptions::default());
        let with = case.rota.lines(case.during, &exceptions);
        for at in steps(case.during).filter(|at| !spans.iter().any(|span| span.contains(*at))) {
            prop_assert_eq!(rows(&with, at), rows(&without, at), "at {}", at);
        }
    }

    #[test]
    fn what_is_kept_calls_nobody_who_may_not_be((case, exceptions) in excepted()) {
        let kept = kept(&case.rota, exceptions);
        for shift in case.rota.shifts(case.during, &kept) {
            let member = case.rota.known(&shift.who).unwrap();
            let duty = case.rota.member(&shift.who).unwrap().duty;
            let is_paged = shift.carries == Carries::Pages;
            prop_assert!(!is_paged || duty == Duty::Pages, "{:?}", shift);
            if matches!(shift.by, By::Turn | By::StandIn) {
                prop_assert!(case.rota.off(member, shift.span()).is_empty(), "{:?}", shift);
                prop_assert_eq!(member.hours(shift.span()), vec![shift.span()], "{:?}", shift);
            }
        }
        for at in steps(case.during).step_by(7) {
            let on_call = case.rota.on_call(at, &kept);
            let pages = on_call.iter().filter(|said| said.carries == Carries::Pages);
            let mut people: Vec<&str> = pages.filter_map(|said| said.answer.who()).collect();
            let called = case.rota.called(at, Severity::Page, None, &kept);
            let mut called: Vec<&str> = called.iter().map(String::as_str).collect();
            prop_assert_eq!(called.first(), people.first(), "in the order of the layers");
            called.sort_unstable();
            people.sort_unstable();
            people.dedup();
            prop_assert_eq!(called, people, "each once");
        }
    }

    #[test]
    fn a_swap_that_is_kept_moves_time_and_makes_none((case, exceptions) in excepted()) {
        let kept = kept(&case.rota, exceptions);
        let whole = stretch(&case, (-40, 600));
        for (number, swap) in kept.swaps.iter().enumerate() {
            let upto = |count: usize| {
                let swaps = kept.swaps[..count].to_vec();
                let of = Exceptions { swaps, overrides: kept.overrides.clone(), temporary: vec![] };
                case.rota.shifts(whole, &of)
            };
            let (before, after) = (upto(number), upto(number + 1));
            let time = |shifts: &[Shift], is: &dyn Fn(&str) -> bool| {
                let own = shifts.iter().filter(|of| is(&of.who));
                own.map(|of| of.span().length().nanos()).sum::<i64>()
            };
            let taker = swap.ended.as_ref().map(|end| end.by.clone()).unwrap_or_default();
            let is_of_two = |who: &str| who == swap.who || who == taker;
            let others = |who: &str| !is_of_two(who);
            prop_assert_eq!(time(&before, &is_of_two), time(&after, &is_of_two));
            prop_assert_eq!(time(&before, &others), time(&after, &others));
            // Of one time, both have exactly what the other had.
            if swap.state(swap.made.at) == "taken" && swap.takes == Some(swap.gives) {
                let within = |shifts: &[Shift], who: &str| {
                    let own = shifts.iter().filter(|of| of.who == who);
                    own.filter_map(|of| of.span().intersect(swap.gives))
                        .map(|span| span.length().nanos())
                        .sum::<i64>()
                };
                prop_assert_eq!(within(&before, &swap.who), within(&after, &taker));
                prop_assert_eq!(within(&before, &taker), within(&after, &swap.who));
            }
        }
    }
}

#[test]
fn two_layers_of_one_time_are_swapped_at_once() {
    let layer = |name: &str, who: &str| {
        json!({"name": name, "members": [who],
            "rotation": {"unit": "week", "start": "2026-01-05T09:00"}})
    };
    let rota = rota(json!({"members": members(&["ada", "bo"]),
        "layers": [layer("first", "ada"), layer("second", "bo")]}));
    let swap: Swap = serde_json::from_value(json!({
        "id": "s", "who": "ada", "made": made(0),
        "gives": {"start": "2026-01-07T09:00:00Z", "end": "2026-01-08T09:00:00Z"},
        "takes": {"start": "2026-01-07T15:00:00Z", "end": "2026-01-08T15:00:00Z"},
        "ended": {"by": "bo", "at": "2026-01-06T00:00:00Z", "how": "taken"},
    }))
    .unwrap();
    let exceptions = Exceptions { swaps: vec![swap], ..Exceptions::default() };
    let people = |moment: &str| {
        let said = rota.on_call(at(moment), &exceptions).into_iter();
        said.filter_map(|said| said.answer.who().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(people("2026-01-07T12:00:00Z"), ["bo", "bo"], "she has given hers away");
    assert_eq!(people("2026-01-07T18:00:00Z"), ["bo", "ada"], "each has the other's");
    assert_eq!(people("2026-01-08T12:00:00Z"), ["ada", "ada"], "she has taken his");
}
