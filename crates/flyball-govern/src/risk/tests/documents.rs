//! Documents: what is read, what is refused, and where it says so.

use super::*;

fn paths(wrong: &[crate::policy::PolicyError]) -> Vec<&str> {
    wrong.iter().map(|error| error.path.as_str()).collect()
}

#[test]
fn a_risk_is_written_as_it_is_read() {
    let text = r#"{"description": "The database is deleted.", "service": "shop", "slos": ["served"],
        "timeToDetect": "5m", "timeToRepair": "2h..8h30m", "shareOfUsers": "100%",
        "timeBetweenFailures": "365d..1460d", "themes": ["no-rehearsal"],
        "accepted": {"who": "ada", "reason": "Backups are tried each week.", "until": "2027-06-01"}}"#;
    // Lengths have one unit.
    assert!(serde_json::from_str::<RiskSpec>(text).is_err());
    let spec: RiskSpec = serde_json::from_str(&text.replace("8h30m", "510m")).unwrap();
    assert!(Risk::new("operator", spec.clone()).is_ok());
    let again: RiskSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
    assert_eq!(again, spec);
    let rules = serde_json::json!({"service": "shop", "reserve": "10%", "factors": [
        {"name": "no-rehearsal", "repair": "30m", "frequency": "10%"}]});
    let rules: RiskRulesSpec = serde_json::from_value(rules).unwrap();
    assert_eq!(rules.ceiling, share("25%"));
    let again: RiskRulesSpec =
        serde_json::from_value(serde_json::to_value(&rules).unwrap()).unwrap();
    assert_eq!(again, rules);
    for wrong in [
        r#"{"service": "shop"}"#,
        r#"{"service": "shop", "timeToDetect": "5", "timeToRepair": "2h", "shareOfUsers": "1%", "timeBetweenFailures": "1d"}"#,
        r#"{"service": "shop", "timeToDetect": "5m", "timeToRepair": "2h", "shareOfUsers": "101%", "timeBetweenFailures": "1d"}"#,
        r#"{"service": "shop", "timeToDetect": "5m", "timeToRepair": "2h", "shareOfUsers": "1%", "timeBetweenFailures": "1d", "theme": "a"}"#,
    ] {
        assert!(serde_json::from_str::<RiskSpec>(wrong).is_err(), "{wrong} was accepted");
    }
}

#[test]
fn all_that_is_wrong_with_a_risk_is_told_at_once() {
    let mut spec = risk("a", "1m 1h 50% 7d").spec;
    spec.description = Some(" ".to_owned());
    spec.service = String::new();
    spec.time_to_detect = "0s".parse().unwrap();
    spec.time_to_repair = "0s".parse().unwrap();
    spec.time_between_failures = "1m..40000d".parse().unwrap();
    spec.share_of_users = Range::point(Rational::new(1, 3).unwrap());
    spec.themes.insert("a;b".to_owned());
    spec.accepted = Some(Acceptance { who: String::new(), reason: "r".to_owned(), until: TODAY });
    let wrong = Risk::new("a", spec.clone()).unwrap_err();
    assert_eq!(
        paths(&wrong),
        [
            "spec.description",
            "spec.service",
            "spec.timeBetweenFailures",
            "spec.timeBetweenFailures",
            "spec.timeToRepair",
            "spec.shareOfUsers",
            "spec.themes",
            "spec.accepted.who",
        ]
    );
    spec.share_of_users = Range::point(Rational::ZERO);
    assert!(paths(&Risk::new("a", spec).unwrap_err()).contains(&"spec.shareOfUsers"));
}

#[test]
fn all_that_is_wrong_with_rules_is_told_at_once() {
    let rules = serde_json::json!({"service": "shop", "ceiling": "0%", "reserve": "100%", "factors": [
        {"name": "a", "detect": "1m"}, {"name": "a"}, {"name": "b", "frequency": "0.00001%"}]});
    let wrong = RiskRules::new("r", serde_json::from_value(rules).unwrap()).unwrap_err();
    assert_eq!(
        paths(&wrong),
        [
            "spec.ceiling",
            "spec.reserve",
            "spec.factors[1].name",
            "spec.factors[1]",
            "spec.factors[2].frequency",
        ]
    );
}

#[test]
fn a_register_holds_one_service_and_each_name_once() {
    let mut other = risk("b", "1m 1h 50% 7d");
    other.spec.service = "cart".to_owned();
    let one = risk("a", "1m 1h 50% 7d");
    let wrong = Register::new("shop", None, vec![one.clone(), other, one.clone()]).unwrap_err();
    assert_eq!(paths(&wrong), ["a.metadata.name", "b.spec.service"]);
    let many: Vec<Risk> =
        (0..=RISKS_MAX).map(|at| Risk { name: format!("r{at}"), ..one.clone() }).collect();
    assert!(Register::new("shop", None, many).is_err());
}

/// A standing that its ranges leave open says so, and the mean decides.
#[test]
fn ranges_may_leave_a_standing_open() {
    let of = |inputs: &str| assessed(&register(&[risk("a", inputs)]), "99.9%").risks.remove(0);
    // The ceiling is 131.49 minutes a year.
    let small = of("0s 10m..100m 100% 8766h");
    assert_eq!((small.standing, small.sure), (RiskStanding::Fits, true));
    let open = of("0s 10m..200m 100% 8766h");
    assert_eq!((open.standing, open.sure), (RiskStanding::Fits, false));
    assert_eq!(open.ceiling, Above { above: false, sure: false });
    let open = of("0s 100m..400m 100% 8766h");
    assert_eq!((open.standing, open.sure), (RiskStanding::TooBig, false));
    let large = of("0s 150m..400m 100% 8766h");
    assert_eq!((large.standing, large.sure), (RiskStanding::TooBig, true));
}
