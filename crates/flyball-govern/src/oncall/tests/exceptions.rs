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
    swap.check(&rota, &Exceptions::default()).unwrap();
    let with = |swap: &Swap| Exceptions { swaps: vec![swap.clone()], ..Exceptions::default() };
    let (given, taken) = ("2026-01-07T12:00:00Z", "2026-01-14T12:00:00Z");
    assert_eq!(who(&rota, given, &with(&swap)).as_deref(), Some("ada"), "nobody took it yet");
    let now = at("2026-01-06T12:00:00Z");
    let own = swap.end((&rota, &Exceptions::default()), "ada", SwapHow::Taken, now);
    assert!(matches!(own, Err(ExceptionError::Own { .. })));
    swap.end((&rota, &Exceptions::default()), "bo", SwapHow::Taken, now).unwrap();
    assert_eq!(who(&rota, given, &with(&swap)).as_deref(), Some("bo"));
    assert_eq!(who(&rota, taken, &with(&swap)).as_deref(), Some("ada"));
    assert_eq!(who(&rota, "2026-01-08T09:00:00Z", &with(&swap)).as_deref(), Some("ada"));
    let again = swap.end((&rota, &Exceptions::default()), "cy", SwapHow::Taken, now);
    assert_eq!(again, Err(ExceptionError::Settled { state: "taken" }));
    let kept = serde_json::to_value(&swap).unwrap();
    assert_eq!(serde_json::from_value::<Swap>(kept).unwrap(), swap);
}

#[test]
fn a_swap_is_for_who_was_asked_and_until_the_shift_begins() {
    let rota = weeks();
    let now = at("2026-01-06T12:00:00Z");
    let mut asked = swap(Some("bo"));
    asked.check(&rota, &Exceptions::default()).unwrap();
    let other = asked.end((&rota, &Exceptions::default()), "cy", SwapHow::Declined, now);
    assert!(matches!(other, Err(ExceptionError::NotAsked { .. })));
    assert!(asked.end((&rota, &Exceptions::default()), "bo", SwapHow::Withdrawn, now).is_err());
    assert_eq!((asked.state(now), asked.state(at("2026-01-07T09:00:00Z"))), ("open", "lapsed"));
    let late = asked.clone().end(
        (&rota, &Exceptions::default()),
        "bo",
        SwapHow::Taken,
        at("2026-01-07T09:00:00Z"),
    );
    assert_eq!(late, Err(ExceptionError::Settled { state: "lapsed" }));
    asked.end((&rota, &Exceptions::default()), "ada", SwapHow::Withdrawn, now).unwrap();
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
        serde_json::from_value::<Override>(of).unwrap().check(&rota, &Exceptions::default())
    };
    let end = "2026-01-08T00:00:00Z";
    assert_eq!(of(json!("ada"), json!("bo"), end), Ok(()));
    let gone = of(json!("gone"), json!("bo"), end);
    assert!(matches!(gone, Err(ExceptionError::NoShift { .. })), "nobody is replaced: {gone:?}");
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

/// Ada and Bo carry the pager, Cy and Di look at tickets.
fn triage() -> Rota {
    let layer = |name: &str, carries: &str, names: &[&str]| {
        json!({"name": name, "carries": carries, "members": names,
            "rotation": {"unit": "week", "start": "2026-01-05T09:00"}})
    };
    rota(json!({
        "members": [
            {"name": "ada", "side": "developers"},
            {"name": "bo", "side": "developers", "rest": [{"days": ["wed"]}]},
            {"name": "cy", "side": "operations", "duty": "tickets",
                "hours": [{"days": ["wed", "thu"], "from": "09:00", "to": "17:00"}]},
            {"name": "di", "side": "operations", "duty": "tickets"},
        ],
        "layers": [layer("first", "pages", &["ada", "bo"]), layer("triage", "tickets", &["cy", "di"])],
    }))
}

#[test]
fn nobody_is_paged_whose_duty_is_tickets() {
    let rota = triage();
    let none = Exceptions::default();
    let not_paged = |who: &str| Err(ExceptionError::NotPaged { who: who.to_owned() });
    let of = |remove: Value, add: &str| {
        let of = json!({"id": "1", "start": "2026-01-07T09:00:00Z", "end": "2026-01-07T17:00:00Z",
            "remove": remove, "add": add, "made": made("2026-01-06T00:00:00Z")});
        serde_json::from_value::<Override>(of).unwrap().check(&rota, &none)
    };
    assert_eq!(of(json!(null), "cy"), not_paged("cy"), "beside everybody she would be paged");
    assert_eq!(of(json!("ada"), "di"), not_paged("di"));
    assert_eq!(of(json!("cy"), "di"), Ok(()), "of tickets");
    assert_eq!(of(json!("cy"), "bo"), Ok(()), "who is paged may look at tickets");
    let shifts = |layer: &str| {
        let shift = json!({"layer": layer, "who": "cy", "start": "2026-01-07T06:00:00Z",
            "end": "2026-01-07T18:00:00Z"});
        let of = json!({"id": "1", "start": "2026-01-07T00:00:00Z", "end": "2026-01-08T00:00:00Z",
            "shifts": [shift], "made": made("2026-01-06T00:00:00Z")});
        serde_json::from_value::<TemporarySchedule>(of).unwrap().check(&rota)
    };
    assert_eq!((shifts("first"), shifts("triage")), (not_paged("cy"), Ok(())));
    let mut swap = Swap { takes: None, ..swap(None) };
    let asked = Swap { asked: Some("di".to_owned()), ..swap.clone() };
    assert_eq!(asked.check(&rota, &none), not_paged("di"));
    swap.check(&rota, &none).unwrap();
    let now = at("2026-01-06T12:00:00Z");
    assert_eq!(swap.end((&rota, &none), "di", SwapHow::Taken, now), not_paged("di"));
    swap.end((&rota, &none), "bo", SwapHow::Taken, now).unwrap();
}

#[test]
fn only_shifts_change_hands() {
    let rota = weeks();
    let none = Exceptions::default();
    let no_shift = |who: &str| {
        Err(ExceptionError::NoShift { rota: "payments".to_owned(), who: who.to_owned() })
    };
    // Ada is on call in the first week, Bo in the second.
    let of = |who: &str, asked: Option<&str>| Swap { who: who.to_owned(), ..swap(asked) };
    assert_eq!(of("bo", None).check(&rota, &none), no_shift("bo"), "he has nothing to give");
    assert_eq!(of("ada", Some("cy")).check(&rota, &none), no_shift("cy"), "nor she in return");
    let mut open = of("ada", None);
    let now = at("2026-01-06T12:00:00Z");
    assert_eq!(open.end((&rota, &none), "cy", SwapHow::Taken, now), no_shift("cy"));
    assert_eq!(open.state(now), "open");
    // With what was made before Cy has Bo's week.
    let over: Override = serde_json::from_value(json!({"id": "1", "remove": "bo", "add": "cy",
        "start": "2026-01-12T09:00:00Z", "end": "2026-01-19T09:00:00Z",
        "made": made("2026-01-06T00:00:00Z")}))
    .unwrap();
    let exceptions = Exceptions { overrides: vec![over.clone()], ..none };
    open.end((&rota, &exceptions), "cy", SwapHow::Taken, now).unwrap();
    assert_eq!(over.check(&rota, &exceptions), no_shift("bo"), "it was done already");
}

#[test]
fn it_is_known_when_somebody_rests_or_is_outside_their_hours() {
    let rota = triage();
    let week = span("2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z");
    assert_eq!(rota.away("ada", week), []);
    assert_eq!(rota.away("bo", week), [span("2026-01-07T00:00:00Z", "2026-01-08T00:00:00Z")]);
    let day = span("2026-01-07T00:00:00Z", "2026-01-08T00:00:00Z");
    let away = [
        span("2026-01-07T00:00:00Z", "2026-01-07T09:00:00Z"),
        span("2026-01-07T17:00:00Z", "2026-01-08T00:00:00Z"),
    ];
    assert_eq!((rota.away("cy", day), rota.away("zoe", day)), (away.to_vec(), Vec::new()));
}
