use super::*;
use crate::hours::Hours;

#[test]
fn a_drill_is_read_strictly_and_written_as_it_was_read() {
    let drill = read(&text());
    assert_eq!(drill.spec.purpose, Purpose::Surplus);
    assert_eq!(drill.spec.notice, flyball_model::Duration::from_days(1));
    let again = serde_json::to_value(&drill.spec).unwrap();
    let again: DrillSpec = serde_json::from_value(again).unwrap();
    assert_eq!(again, drill.spec);
    for (name, value) in [
        ("reserv", json!("20%")),
        ("reserve", json!("120%")),
        ("longest", json!("soon")),
        ("fault", json!({"kind": "explode"})),
        ("fault", json!({"kind": "abort", "status": 503, "staus": 1})),
        ("via", json!({"kind": "toxiproxy", "url": "http://127.0.0.1:8474"})),
        ("hours", json!({"days": ["mon"], "from": "25:00", "to": "16:00", "timeZone": "UTC"})),
    ] {
        let mut wrong = text();
        wrong[name] = value;
        assert!(serde_json::from_value::<DrillSpec>(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let wrong = json!({
        "description": "", "service": "locks", "slo": " ", "reserve": "100%", "dose": "0%", "longest": "5s",
        "blastRadius": "0%", "goesBad": "0%", "nearEnd": "0s", "notice": "91d", "purpose": "experiment",
        "fault": {"kind": "abort", "status": 99},
        "via": {"kind": "toxiproxy", "url": "127.0.0.1:8474", "proxy": ""},
        "hours": {"days": [], "from": "16:00", "to": "10:00", "timeZone": "Mars/Olympus"},
    });
    let wrong = Drill::new("d", serde_json::from_value(wrong).unwrap()).unwrap_err();
    let paths: Vec<&str> = wrong.iter().map(|error| error.path.as_str()).collect();
    let expected = [
        "spec.description",
        "spec.slo",
        "spec.reserve",
        "spec.dose",
        "spec.blastRadius",
        "spec.goesBad",
        "spec.nearEnd",
        "spec.notice",
        "spec.longest",
        "spec.fault.status",
        "spec.fault.kind",
        "spec.via.url",
        "spec.via.proxy",
        "spec.hours.days",
        "spec.hours.timeZone",
        "spec.hypothesis",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn each_way_says_what_it_can_break_and_reaches_nothing_else() {
    let refused = |changes: &[(&str, Value)]| {
        let mut text = text();
        for (name, value) in changes {
            text[name] = value.clone();
        }
        let wrong = Drill::new("d", serde_json::from_value(text).unwrap()).unwrap_err();
        wrong.into_iter().map(|error| error.path).collect::<Vec<_>>()
    };
    let envoy = json!({"kind": "envoy", "url": "http://127.0.0.1:9901", "runtime": "a b"});
    assert_eq!(refused(&[("via", envoy)]), ["spec.fault.kind", "spec.via.runtime"]);
    assert_eq!(refused(&[("blastRadius", json!("50%"))]), ["spec.blastRadius"]);
    // Headers reach whole per cents of requests.
    let headers = || ("via", json!({"kind": "envoyHeaders"}));
    let abort = || ("fault", json!({"kind": "abort", "status": 503}));
    let part = |share: &str| ("blastRadius", json!(share));
    assert_eq!(refused(&[headers(), abort(), part("33.5%")]), ["spec.blastRadius"]);
    with(&[headers(), abort(), part("33%")]);
    for file in ["../x.json", "/etc/x.json", "a/../../x.yaml", "x.toml"] {
        let via = json!({"kind": "chaosToolkit", "experiment": file});
        assert_eq!(refused(&[("via", via)]), ["spec.via.experiment"], "{file}");
    }
    let hook = json!({"kind": "webhook", "url": "https://break.example/", "secretEnv": "PATH"});
    assert_eq!(refused(&[("via", hook)]), ["spec.via.secretEnv"]);
    let twice = json!({"text": "nobody notices", "holds": [
        {"slo": "paid", "badAtMost": "1%"}, {"slo": "paid", "badAtMost": "2%"}]});
    assert_eq!(refused(&[("hypothesis", twice)]), ["spec.hypothesis.holds[1].slo"]);
    let headers = with(&[
        ("via", json!({"kind": "envoyHeaders"})),
        ("fault", json!({"kind": "abort", "status": 503})),
    ]);
    assert!(headers.spec.via.expires() && !read(&text()).spec.via.expires());
    let hook = |ends: Option<bool>| {
        let secret = "FLYBALL_SECRET_X";
        let mut via = json!({"kind": "webhook", "url": "https://x.example/", "secretEnv": secret});
        if let Some(ends) = ends {
            via["endsByItself"] = json!(ends);
        }
        with(&[("via", via)]).spec.via.expires()
    };
    assert_eq!([None, Some(false), Some(true)].map(hook), [false, false, true]);
}

#[test]
fn hours_go_by_the_clock_of_their_zone() {
    let hours = read(&text()).spec.hours;
    let at = |text: &str| flyball_model::Timestamp::parse(text).unwrap();
    let cover = |from: &str, to: &str| hours.cover(at(from), at(to));
    // Berlin is two hours ahead of UTC on Thursday, 26 March 2026's next week, and one hour before the change of
    // clocks on the 29th.
    assert_eq!(cover("2026-03-26T09:00:00Z", "2026-03-26T15:00:00Z"), Some(true));
    assert_eq!(cover("2026-03-26T08:59:59Z", "2026-03-26T09:10:00Z"), Some(false));
    assert_eq!(cover("2026-03-30T08:00:00Z", "2026-03-30T14:00:00Z"), Some(true), "summer time");
    assert_eq!(cover("2026-03-30T14:00:00Z", "2026-03-30T14:00:00Z"), Some(false), "its end");
    assert_eq!(cover("2026-03-27T09:30:00Z", "2026-03-27T09:40:00Z"), Some(false), "a Friday");
    assert_eq!(cover("2026-03-25T14:30:00Z", "2026-03-26T10:00:00Z"), Some(false), "over night");
    let nowhere = Hours { time_zone: "Mars/Olympus".to_owned(), ..hours.clone() };
    assert_eq!(nowhere.cover(at("2026-03-26T09:00:00Z"), at("2026-03-26T09:00:00Z")), None);
}
