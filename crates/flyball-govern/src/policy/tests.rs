//! Documents: those that ship, and those that are wrong.

use flyball_model::{Duration, Rational, Timestamp};

use super::testing::{document, four_weeks, levels, quarterly};
use super::*;

#[test]
fn the_policies_that_ship_are_right() {
    let (four_weeks, quarterly) = (four_weeks(), quarterly());
    assert_eq!(four_weeks.name(), "four-weeks");
    assert_eq!(four_weeks.spec().post_mortem.unwrap().incident, Rational::new(1, 5).unwrap());
    assert_eq!(quarterly.level("overspent").unwrap().latch.as_ref().unwrap().role.name(), "sre");
    assert_eq!(quarterly.spec().overrides.second.as_ref().unwrap().name(), "sre");
    let by_custody = document(BY_CUSTODY).unwrap();
    let asks = by_custody.level("overspent-for-others").unwrap().when.as_ref().unwrap();
    assert!(asks.contains("custody.holder"), "{asks}");
    // Every shipped tier names a policy that ships.
    for tier in Tier::shipped() {
        assert!([four_weeks.name(), quarterly.name()].contains(&tier.spec.policy.as_str()));
    }
}

#[test]
fn the_example_of_the_page_is_right() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut examples = page.split("```yaml\n").filter_map(|rest| rest.split("```").next());
    let example = examples.find(|example| example.contains("kind: BudgetPolicy")).unwrap();
    assert_eq!(document(example).unwrap().name(), "shop");
}

#[test]
fn a_policy_is_written_as_it_is_read() {
    let spec = four_weeks().spec().clone();
    let again: BudgetPolicySpec =
        serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
    assert_eq!(again, spec);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let errors = levels(
        "- {name: a, when: 'budget.exausted', deploys: {deny: [rollback]}}\n\
         - {name: a, when: 'true', deploys: {deny: [feature], warn: [feature]}, \
            caps: [{classes: [fix], share: 5%, bake: 1m}]}\n\
         - {name: b}\n\
         - {name: c, when: 'true', require: [{role: sre, classes: [drain]}]}",
        "timeZone: Mars/Olympus\n\
         unknown: {block: [security]}\n\
         escalation: [{role: a, after: 2h}, {role: b, after: 1h}]\n\
         freezes: [{name: f, from: 2026-01-02T00:00:00Z, until: 2026-01-01T00:00:00Z, classes: [kill_switch]}]",
    )
    .unwrap_err();
    let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "spec.timeZone",
            "spec.levels[0].when",
            "spec.levels[0].deploys.deny",
            "spec.levels[1].name",
            "spec.levels[1].deploys",
            "spec.levels[1].caps[0].classes",
            "spec.levels[2].when",
            "spec.levels[3].when",
            "spec.levels[3].require[0].classes",
            "spec.unknown.block",
            "spec.freezes[0].until",
            "spec.freezes[0].classes",
            "spec.escalation",
        ]
    );
    assert_eq!(errors[1].place, Some((1, 1)));
}

#[test]
fn unknown_keys_are_errors() {
    let spec = serde_json::json!({
        "version": 1, "approvers": ["sre"], "revisit": "2100-01-01",
        "levels": [{"name": "a", "whenn": "true"}],
    });
    let error = serde_json::from_value::<BudgetPolicySpec>(spec).unwrap_err();
    assert!(error.to_string().contains("whenn"), "{error}");
}

#[test]
fn a_policy_is_in_force_when_all_have_signed_its_version() {
    let policy = four_weeks();
    let at = Timestamp::from_seconds;
    let sign = |role: &str, version, seconds| Signature {
        policy: "four-weeks".to_owned(),
        version,
        role: Role::new(role).unwrap(),
        who: "somebody".to_owned(),
        at: at(seconds),
    };
    let mut signatures =
        vec![sign("sre", 1, 10), sign("product_manager", 1, 30), sign("engineering_lead", 2, 20)];
    let missing = |standing| match standing {
        Standing::Advisory { missing } => missing.iter().map(ToString::to_string).collect(),
        Standing::Enforced { .. } => Vec::new(),
    };
    assert_eq!(missing(standing(&policy, &signatures, at(100))), ["engineering_lead"]);
    signatures.push(sign("engineering_lead", 1, 20));
    assert_eq!(standing(&policy, &signatures, at(100)), Standing::Enforced { since: at(30) });
    assert!(!standing(&policy, &signatures, at(29)).is_enforced());
    for signature in &mut signatures {
        signature.policy = "other".to_owned();
    }
    assert!(!standing(&policy, &signatures, at(100)).is_enforced());
}

#[test]
fn an_escalation_goes_on_with_time() {
    let policy = four_weeks();
    let since = Timestamp::from_seconds(0);
    let due = |hours| {
        let roles = policy.escalation_due(since, since.plus(Duration::from_hours(hours)));
        roles.into_iter().map(Role::name).collect::<Vec<_>>()
    };
    assert_eq!(due(0), ["engineering_lead"]);
    assert_eq!(due(24), ["engineering_lead", "product_manager"]);
    assert_eq!(due(7 * 24).len(), 3);
}
