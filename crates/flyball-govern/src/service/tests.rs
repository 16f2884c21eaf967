use flyball_model::Duration;

use super::*;

#[test]
fn a_service_says_what_it_likes_and_nothing_else() {
    let nothing: ServiceSpec = serde_json::from_str("{}").unwrap();
    assert_eq!(nothing, ServiceSpec::default());
    assert!(Service::new("shop", nothing).is_ok());
    let text = r#"{"team": "checkout", "accountable": {"who": "ada"}, "onCall": "rota shop",
        "runbook": "https://wiki.example/shop",
        "links": [{"name": "code", "url": "https://code.example/shop"}],
        "delivery": {"targets": {"leadTime": "2d", "changeFailure": "15%"}}}"#;
    let spec: ServiceSpec = serde_json::from_str(text).unwrap();
    assert_eq!(spec.delivery.environment, "production");
    assert_eq!(spec.delivery.targets.lead_time, Some(Duration::from_days(2)));
    assert_eq!(spec.delivery.targets.interval, None);
    assert!(Service::new("shop", spec).is_ok());
    for wrong in [
        r#"{"tame": "checkout"}"#,
        r#"{"accountable": "ada"}"#,
        r#"{"accountable": {"who": "ada", "delegat": null}}"#,
        r#"{"delivery": {"targets": {"leadTime": "soon"}}}"#,
        r#"{"delivery": {"targets": {"rework": "110%"}}}"#,
        r#"{"delivery": {"targets": {"lead_time": "2d"}}}"#,
    ] {
        assert!(serde_json::from_str::<ServiceSpec>(wrong).is_err(), "{wrong} was accepted");
    }
}

#[test]
fn an_agreement_is_kept_at_its_boundary() {
    let text = r#"{"agreements": [{"name": "gold", "with": "ACME", "slo": "served", "target": "99%",
        "window": "30d"}]}"#;
    let spec: ServiceSpec = serde_json::from_str(text).unwrap();
    let agreement = &spec.agreements[0];
    let tally = |valid, good| Tally::new(valid, good).unwrap();
    assert_eq!(agreement.is_kept(tally(100, 99)), Some(true));
    assert_eq!(agreement.is_kept(tally(1_000_000_001, 990_000_000)), Some(false));
    assert_eq!(
        (agreement.is_kept(Tally::EMPTY), agreement.spent_share(Tally::EMPTY)),
        (None, None)
    );
    assert!((agreement.spent_share(tally(100, 98)).unwrap() - 2.0).abs() < 1e-9);
    let target = |text| Target::new(flyball_model::Rational::parse(text).unwrap()).unwrap();
    assert!(agreement.is_guarded_by(target("0.995")) && !agreement.is_guarded_by(target("0.99")));
    let twice = ServiceSpec {
        agreements: vec![
            agreement.clone(),
            Agreement { window: Duration::ZERO, ..agreement.clone() },
        ],
        ..spec
    };
    let wrong = Service::new("shop", twice).unwrap_err();
    let paths: Vec<&str> = wrong.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["spec.agreements[1].name", "spec.agreements[1].window"]);
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let text = r#"{"team": " ", "accountable": {"who": ""}, "runbook": "wiki/shop",
        "delivery": {"outcome": {"name": "", "unit": "LONG", "of": "sum"}},
        "links": [{"name": "code", "url": "https://"}, {"name": "", "url": "http://a b"}]}"#;
    let text = text.replace("LONG", &"orders ".repeat(10));
    let wrong = Service::new("shop", serde_json::from_str(&text).unwrap()).unwrap_err();
    let paths: Vec<&str> = wrong.iter().map(|error| error.path.as_str()).collect();
    let expected = [
        "spec.team",
        "spec.accountable.who",
        "spec.delivery.outcome.name",
        "spec.delivery.outcome.unit",
        "spec.runbook",
        "spec.links[0].url",
        "spec.links[1].name",
        "spec.links[1].url",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn who_runs_it_and_what_it_earns_is_read_exactly() {
    let text = r#"{"journeys": ["buy a ticket"], "revenuePerHour": {"amount": "1250.50", "currency": "EUR"},
        "supportModel": "developers", "fundedUntil": "2027-03-31"}"#;
    let spec: ServiceSpec = serde_json::from_str(text).unwrap();
    let amount = spec.revenue_per_hour.as_ref().map(|revenue| revenue.amount);
    assert_eq!(amount, flyball_model::Rational::new(2_501, 2));
    assert_eq!(spec.support_model, Some(SupportModel::Developers));
    assert_eq!(spec.funded_until, "2027-03-31".parse().ok());
    let kept = serde_json::to_value(&spec.revenue_per_hour).unwrap();
    assert_eq!(kept, serde_json::json!({"amount": "1250.5", "currency": "EUR"}));
    assert_eq!(serde_json::from_value::<Option<Revenue>>(kept).unwrap(), spec.revenue_per_hour);
    assert!(Service::new("shop", spec.clone()).is_ok());
    for wrong in [
        r#"{"revenuePerHour": {"amount": 1250.5, "currency": "EUR"}}"#,
        r#"{"revenuePerHour": {"amount": -1, "currency": "EUR"}}"#,
        r#"{"revenuePerHour": {"amount": 1, "currency": "euro"}}"#,
        r#"{"supportModel": "nobody"}"#,
        r#"{"fundedUntil": "soon"}"#,
    ] {
        assert!(serde_json::from_str::<ServiceSpec>(wrong).is_err(), "{wrong} was accepted");
    }
    let journeys = ["buy a ticket", "buy a ticket", " "].map(str::to_owned).to_vec();
    let wrong = Service::new("shop", ServiceSpec { journeys, ..spec }).unwrap_err();
    let paths: Vec<&str> = wrong.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["spec.journeys[1]", "spec.journeys[2]"]);
}
