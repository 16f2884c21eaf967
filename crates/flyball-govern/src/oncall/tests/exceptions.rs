//! Overrides, swaps and temporary schedules, with what is refused.

use super::*;

fn weeks() -> Rota {
    rota(json!({
        "members": members(&["ada", "bo", "cy"]),
        "layers": [{"name": "primary", "members": ["ada", "bo", "cy"],
            "rotation": {"unit": "week", "start": "2026-01-05T09:00"}}],
    }))
}

fn made(at: &str) -> Value {
    json!({"by": "ada", "at": at, "why": "a concert"})
}

fn swap(asked: Option<&str>) -> Swap {
    serde_json::from_value(json!({
        "id": "s1", "who": "ada", "asked": asked,
        "gives": {"start": "2026-01-07T09:00:00Z", "end": "2026-01-08T09:00:00Z"},
        "takes": {"start": "2026-01-14T09:00:00Z", "end": "2026-01-15T09:00:00Z"},
        "made": made("2026-01-06T00:00:00Z"),
    }))
    .unwrap()
}

fn who(rota: &Rota, moment: &str, exceptions: &Exceptions) -> Option<String> {
    rota.on_call(at(moment), exceptions)[0].answer.who().map(str::to_owned)
}

#[test]
fn a_swap_that_is_taken_goes_both_ways() {
    let rota = weeks();
    let mut swap = swap(None);
    swap.check(&rota).unwrap();
    let with = |swap: &Swap| Exceptions { swaps: vec![swap.clone()], ..Exceptions::default() };
    let (given, taken) = ("2026-01-07T12:00:00Z", "2026-01-14T12:00:00Z");
    assert_eq!(who(&rota, given, &with(&swap)).as_deref(), Some("ada"), "nobody took it yet");
    let now = at("2026-01-06T12:00:00Z");
    let own = swap.end(&rota, "ada", SwapHow::Taken, now);
    assert!(matches!(own, Err(ExceptionError::Own { .. })));
    swap.end(&rota, "bo", SwapHow::Taken, now).unwrap();
    assert_eq!(who(&rota, given, &with(&swap)).as_deref(), Some("bo"));
    assert_eq!(who(&rota, taken, &with(&swap)).as_deref(), Some("ada"));
    assert_eq!(who(&rota, "2026-01-08T09:00:00Z", &with(&swap)).as_deref(), Some("ada"));
    let again = swap.end(&rota, "cy", SwapHow::Taken, now);
    assert_eq!(again, Err(ExceptionError::Settled { state: "taken" }));
    let kept = serde_json::to_value(&swap).unwrap();
    assert_eq!(serde_json::from_value::<Swap>(kept).unwrap(), swap);
}

#[test]
fn a_swap_is_for_who_was_asked_and_until_the_shift_begins() {
    let rota = weeks();
    let now = at("2026-01-06T12:00:00Z");
    let mut asked = swap(Some("bo"));
    asked.check(&rota).unwrap();
    let other = asked.end(&rota, "cy", SwapHow::Declined, now);
    assert!(matches!(other, Err(ExceptionError::NotAsked { .. })));
    assert!(asked.end(&rota, "bo", SwapHow::Withdrawn, now).is_err());
    assert_eq!((asked.state(now), asked.state(at("2026-01-07T09:00:00Z"))), ("open", "lapsed"));
    let late = asked.clone().end(&rota, "bo", SwapHow::Taken, at("2026-01-07T09:00:00Z"));
    assert_eq!(late, Err(ExceptionError::Settled { state: "lapsed" }));
    asked.end(&rota, "ada", SwapHow::Withdrawn, now).unwrap();
    assert_eq!(asked.state(now), "withdrawn");
    let exceptions = Exceptions { swaps: vec![asked], ..Exceptions::default() };
    assert_eq!(who(&rota, "2026-01-07T12:00:00Z", &exceptions).as_deref(), Some("ada"));
}

#[test]
fn overrides_act_in_the_order_in_which_they_were_made() {
    let rota = weeks();
    let of = |id: &str, remove: &str, add: &str, made_at: &str| -> Override {
        let of = json!({"id": id, "start": "2026-01-07T00:00:00Z", "end": "2026-01-08T00:00:00Z",
            "remove": remove, "add": add, "made": made(made_at)});
        serde_json::from_value(of).unwrap()
    };
    let first = of("1", "ada", "bo", "2026-01-06T00:00:00Z");
    let second = of("2", "bo", "cy", "2026-01-06T01:00:00Z");
    let moment = "2026-01-07T12:00:00Z";
    for overrides in [vec![first.clone(), second.clone()], vec![second.clone(), first.clone()]] {
        let exceptions = Exceptions { overrides, ..Exceptions::default() };
        assert_eq!(who(&rota, moment, &exceptions).as_deref(), Some("cy"));
    }
    // Made the other way round, the one of Bo finds no Bo.
    let earlier = of("2", "bo", "cy", "2026-01-05T00:00:00Z");
    let exceptions = Exceptions { overrides: vec![first, earlier], ..Exceptions::default() };
    assert_eq!(who(&rota, moment, &exceptions).as_deref(), Some("bo"));
}

#[test]
fn of_two_temporary_schedules_the_last_made_counts() {
    let rota = weeks();
    let of = |id: &str, who: &str, made_at: &str| -> TemporarySchedule {
        serde_json::from_value(json!({
            "id": id, "start": "2026-01-07T00:00:00Z", "end": "2026-01-08T00:00:00Z",
            "made": made(made_at),
            "shifts": [{"layer": "primary", "who": who, "start": "2026-01-07T06:00:00Z",
                "end": "2026-01-07T18:00:00Z"}],
        }))
        .unwrap()
    };
    let late = of("late", "cy", "2026-01-06T01:00:00Z");
    let temporary = vec![late.clone(), of("early", "bo", "2026-01-06T00:00:00Z")];
    let exceptions = Exceptions { temporary, ..Exceptions::default() };
    assert_eq!(who(&rota, "2026-01-07T12:00:00Z", &exceptions).as_deref(), Some("cy"));
    let gaps = rota.coverage(late.span(), &exceptions).gaps;
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert_eq!(gaps[0].why["primary"], Absence::Temporary { id: "late".to_owned() });
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let rota = weeks();
    let of = |remove: Value, add: Value, end: &str| -> Result<(), ExceptionError> {
        let of = json!({"id": "1", "start": "2026-01-07T00:00:00Z", "end": end, "remove": remove,
            "add": add, "made": made("2026-01-06T00:00:00Z")});
        serde_json::from_value::<Override>(of).unwrap().check(&rota)
    };
    let end = "2026-01-08T00:00:00Z";
    assert_eq!(of(json!("gone"), json!("bo"), end), Ok(()), "who has left can be replaced");
    assert_eq!(of(json!(null), json!(null), end), Err(ExceptionError::Nothing));
    assert_eq!(of(json!("bo"), json!("bo"), end), Err(ExceptionError::Nothing));
    assert!(matches!(of(json!(null), json!("dee"), end), Err(ExceptionError::Stranger { .. })));
    assert_eq!(of(json!("bo"), json!(null), "2026-01-07T00:00:00Z"), Err(ExceptionError::Length));
    assert_eq!(of(json!("bo"), json!(null), "2028-01-07T00:00:00Z"), Err(ExceptionError::Length));
    let shifts = |shifts: Value| {
        let of = json!({"id": "1", "start": "2026-01-07T00:00:00Z", "end": end, "shifts": shifts,
            "made": made("2026-01-06T00:00:00Z")});
        serde_json::from_value::<TemporarySchedule>(of).unwrap().check(&rota)
    };
    let shift = |layer: &str, who: &str, from: &str, to: &str| {
        let time = |clock: &str| format!("2026-01-0{clock}:00:00Z");
        json!({"layer": layer, "who": who, "start": time(from), "end": time(to)})
    };
    let first = shift("primary", "bo", "7T06", "7T12");
    assert_eq!(shifts(json!([first, shift("primary", "cy", "7T12", "7T18")])), Ok(()));
    let overlapping = shifts(json!([first, shift("primary", "cy", "7T11", "7T18")]));
    assert!(matches!(overlapping, Err(ExceptionError::Shift { number: 2, .. })));
    let outside = shifts(json!([shift("primary", "cy", "7T11", "8T18")]));
    assert!(matches!(outside, Err(ExceptionError::Shift { number: 1, .. })));
    let unknown = shifts(json!([shift("backup", "cy", "7T11", "7T18")]));
    assert!(matches!(unknown, Err(ExceptionError::Layer { .. })));
}
