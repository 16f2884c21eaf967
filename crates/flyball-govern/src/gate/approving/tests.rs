use super::*;
use crate::policy::testing::levels;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn made() -> Approval {
    Approval {
        id: "shop:1".to_owned(),
        service: "shop".to_owned(),
        change: "release 14's".to_owned(),
        class: ChangeClass::Feature,
        rollout: Some("canary:5%:30m".parse().unwrap()),
        environment: Some("production".to_owned()),
        role: Role::new("sre").unwrap(),
        who: "bo".to_owned(),
        why: "read it".to_owned(),
        from: at(0),
        expires: at(100),
        withdrawn: None,
    }
}

#[test]
fn a_policy_takes_the_signatures_that_it_asks_for() {
    let policy = levels("- {name: all, require: [{role: sre, classes: [feature]}]}", "").unwrap();
    made().check(&policy, &[]).unwrap();
    for (wrong, said) in [
        (Approval { why: " ".to_owned(), ..made() }, "a reason"),
        (Approval { who: String::new(), ..made() }, "who it is made by"),
        (Approval { change: String::new(), ..made() }, "the change's name"),
        (Approval { expires: at(0), ..made() }, "lasts at most 14d"),
        (Approval { expires: at(14 * 86_400 + 1), ..made() }, "lasts at most 14d"),
        (Approval { role: Role::new("cto").unwrap(), ..made() }, "it asks for sre"),
        (Approval { class: ChangeClass::Fix, ..made() }, "a fix needs no signature"),
    ] {
        let error = wrong.check(&policy, &[]).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("; hint: "), "{error}");
    }
}

#[test]
fn who_has_approved_withdraws_it_and_says_why() {
    let mut one = made();
    let ended = |who: &str, why: &str, seconds| EndedEarly {
        who: who.to_owned(),
        why: why.to_owned(),
        at: at(seconds),
    };
    assert!(matches!(one.withdraw(ended("ada", "no", 1)), Err(ApprovalError::NotYours { .. })));
    assert!(matches!(one.withdraw(ended("bo", " ", 1)), Err(ApprovalError::Missing { .. })));
    assert!(matches!(one.withdraw(ended("bo", "a bug", 100)), Err(ApprovalError::Over { .. })));
    one.withdraw(ended("bo", "a bug", 10)).unwrap();
    assert!(one.holds(at(9)) && !one.holds(at(10)));
    assert!(matches!(one.withdraw(ended("bo", "again", 11)), Err(ApprovalError::Over { .. })));
    let kept = serde_json::to_value(&one).unwrap();
    assert_eq!(serde_json::from_value::<Approval>(kept).unwrap(), one);
}

#[test]
fn the_command_is_words_of_a_shell() {
    let Approval { service, change, class, rollout, environment, role, .. } = made();
    let question = Question {
        service,
        class,
        change: Some(change),
        revision: None,
        environment,
        rollout,
        asked_by: None,
        at: at(0),
    };
    assert_eq!(
        command(&question, &role).unwrap(),
        concat!(
            r"flyball policy approve shop --change 'release 14'\''s' --class feature --rollout canary:5%:30m",
            " --environment production --role sre --why '…' --until 24h",
        )
    );
    let by_revision = Question { revision: Some("4f2a".to_owned()), ..question.clone() };
    assert!(command(&by_revision, &role).unwrap().contains("--change 4f2a"));
    assert_eq!(command(&Question { change: None, ..question }, &role), None);
}
