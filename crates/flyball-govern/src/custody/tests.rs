use std::collections::BTreeMap;

use flyball_model::{Duration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::checklist::Stage;
use crate::evidence::{Period, ServiceEvidence};
use crate::policy::testing::yaml;
use crate::policy::{PolicyError, Role};
use crate::service::Funding;

fn at(day: u32) -> Timestamp {
    Timestamp::parse("2026-01-01T00:00:00Z").unwrap().plus(Duration::from_days(day))
}

fn role(name: &str) -> Role {
    Role::new(name).unwrap()
}

fn rules() -> CustodyRules {
    let document = yaml(USUAL);
    assert_eq!(
        (&document["apiVersion"], &document["kind"]),
        (&"flyball.dev/v1".into(), &"CustodyRules".into())
    );
    let spec: CustodyRulesSpec = serde_json::from_value(document["spec"].clone()).unwrap();
    CustodyRules::new(document["metadata"]["name"].as_str().unwrap(), spec).unwrap()
}

/// A busy service that keeps its budgets.
fn busy() -> ServiceEvidence {
    let month = Period { start: at(0), end: at(30), kept: Some(true) };
    ServiceEvidence {
        at: at(400),
        tier: Some("critical".to_owned()),
        months: vec![month; 6],
        events: Some(28_000_000),
        pages: Some(4),
        ..ServiceEvidence::default()
    }
}

fn signed(name: &str, who: &str, day: u32) -> Signed {
    let (who, seen, review) = (who.to_owned(), Vec::new(), None);
    Signed { role: role(name), who, at: at(day), seen, review }
}

fn stages(all: &[Stage]) -> BTreeMap<Stage, String> {
    all.iter().map(|stage| (*stage, format!("shop:{}", stage.word()))).collect()
}

fn reviewed() -> BTreeMap<Stage, String> {
    stages(&[Stage::Production, Stage::HandOff])
}

fn shared(day: u32) -> Custody {
    let mut custody = Custody::new("shop", at(0));
    custody.propose(Holder::Shared, "ada", "it has grown", at(day)).unwrap();
    for (name, who) in [("engineering_lead", "bo"), ("sre", "cy")] {
        custody.sign(&rules(), signed(name, who, day), &busy(), &reviewed()).unwrap();
    }
    custody
}

fn sre(day: u32) -> Custody {
    let mut custody = shared(day);
    custody.propose(Holder::Sre, "ada", "it is critical", at(day)).unwrap();
    for (name, who) in [("engineering_lead", "bo"), ("sre", "cy"), ("product_manager", "dee")] {
        custody.sign(&rules(), signed(name, who, day), &busy(), &reviewed()).unwrap();
    }
    custody
}

/// Quarters from `day` on, of 91 days each.
fn quarters(day: u32, kept: &[Option<bool>]) -> ServiceEvidence {
    let period = |(index, kept): (u32, &Option<bool>)| Period {
        start: at(day + 91 * index),
        end: at(day + 91 * (index + 1)),
        kept: *kept,
    };
    ServiceEvidence { quarters: (0..).zip(kept).map(period).collect(), ..busy() }
}

fn noticed() -> Custody {
    let mut custody = sre(10);
    let missed = quarters(10, &[Some(false), Some(false)]);
    custody.give_notice(&rules(), &missed, &role("sre"), "cy", at(200)).unwrap();
    custody
}

fn decided(outcome: HandBackOutcome, day: u32) -> Decided {
    let (role, who) = (role("cto"), "eve".to_owned());
    Decided { outcome, role, who, at: at(day), why: "it has been a year".to_owned() }
}

#[test]
fn a_pager_goes_to_sre_in_two_steps() {
    let mut custody = Custody::new("shop", at(0));
    assert_eq!((custody.holder(at(5)), custody.since(at(5))), (Some(Holder::Developers), at(0)));
    let jump = custody.propose(Holder::Sre, "ada", "now", at(5)).unwrap_err();
    assert_eq!(jump, CustodyError::NotNext { from: Holder::Developers, to: Holder::Sre });
    custody.propose(Holder::Shared, "ada", "it has grown", at(5)).unwrap();
    assert!(custody.propose(Holder::Shared, "bo", "me too", at(5)).is_err());
    let rules = rules();
    let mut sign = |of: Signed| custody.sign(&rules, of, &busy(), &reviewed());
    assert!(matches!(sign(signed("cto", "eve", 6)), Err(CustodyError::NoRight { .. })));
    assert!(matches!(sign(signed("sre", "ada", 6)), Err(CustodyError::OwnCause { .. })));
    sign(signed("sre", "cy", 6)).unwrap();
    assert!(matches!(
        sign(signed("engineering_lead", "cy", 6)),
        Err(CustodyError::OwnCause { .. })
    ));
    sign(signed("engineering_lead", "bo", 7)).unwrap();
    assert_eq!((custody.holder(at(7)), custody.since(at(7))), (Some(Holder::Shared), at(7)));
    assert_eq!((custody.transfer(), custody.moves().len()), (None, 1));
    assert_eq!(sre(9).holder(at(9)), Some(Holder::Sre));
    assert!(sre(9).propose(Holder::Shared, "ada", "back", at(9)).is_err());
    // What was seen with each signature is kept.
    let MoveReason::Signed { transfer } = &custody.moves()[0].why else { panic!("{custody:?}") };
    let seen: Vec<String> = transfer.signed[1].seen.iter().map(ToString::to_string).collect();
    assert_eq!(seen, ["traffic.per_day is 1000000", "budget.kept_months is 6"]);
    assert_eq!(transfer.signed[1].review.as_deref(), Some("shop:production"));
    assert_eq!(custody.signed_last(), Some(&transfer.signed[1]));
    let kept = serde_json::to_value(sre(9)).unwrap();
    assert_eq!(serde_json::from_value::<Custody>(kept).unwrap(), sre(9));
}

#[test]
fn the_evidence_is_asked_with_each_signature() {
    let rules = rules();
    let small = ServiceEvidence { events: Some(279_999), ..busy() };
    let silent = ServiceEvidence { events: None, ..busy() };
    let mut custody = Custody::new("shop", at(0));
    custody.propose(Holder::Shared, "ada", "it has grown", at(5)).unwrap();
    for (evidence, approved, said) in [
        (&small, reviewed(), "Its traffic is substantial (traffic.per_day is ≈9999.964285)"),
        (&silent, reviewed(), "traffic.per_day is not known"),
        (&busy(), stages(&[Stage::Launch]), "no review of the stage `production` is approved"),
    ] {
        let error = custody.sign(&rules, signed("sre", "cy", 6), evidence, &approved).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(rules.unmet(Holder::Developers, &silent, &BTreeMap::new()), Vec::<String>::new());
}

#[test]
fn missing_the_budget_in_two_of_four_quarters_hands_back() {
    let (yes, no, unknown) = (Some(true), Some(false), None);
    let rules = rules();
    let custody = sre(10);
    let names = |evidence: &ServiceEvidence| {
        let grounds = rules.grounds(&custody, evidence, at(500)).into_iter();
        grounds.map(|ground| ground.name).collect::<Vec<_>>()
    };
    for (kept, is_reason) in [
        (vec![no, yes, yes, no], true),
        (vec![yes, no, yes, yes], false),
        (vec![no, unknown, yes, yes], false),
        (vec![no, no, yes, yes, yes], false),
        (vec![no, unknown, no, yes], true),
        (vec![], false),
    ] {
        let found = names(&quarters(10, &kept));
        assert_eq!(found == ["missed"], is_reason, "{kept:?} {found:?}");
    }
    // The same quarters, of which the first began before the custody.
    assert_eq!(names(&quarters(9, &[no, yes, yes, no])), Vec::<String>::new());
    let developers = Custody::new("shop", at(0));
    assert_eq!(rules.grounds(&developers, &quarters(10, &[no, no]), at(500)), []);
}

#[test]
fn waking_people_too_often_hands_back() {
    let rules = rules();
    let mut custody = sre(10);
    let loud = |pages, months: u32| ServiceEvidence {
        pages: Some(pages),
        custody: Some((Holder::Sre, at(10))),
        at: at(10 + 31 * months),
        ..busy()
    };
    assert_eq!(rules.grounds(&custody, &loud(57, 0), at(20)), [], "these were of before");
    assert_eq!(rules.grounds(&custody, &loud(56, 2), at(80)), [], "twice a day");
    let error = custody.give_notice(&rules, &loud(56, 2), &role("sre"), "cy", at(80)).unwrap_err();
    assert!(matches!(error, CustodyError::NoGrounds { .. }));
    let notice = custody.give_notice(&rules, &loud(57, 2), &role("sre"), "cy", at(80)).unwrap();
    assert_eq!(notice.grounds[0].name, "page-load");
    assert_eq!(notice.grounds[0].seen[1].to_string(), "pages.per_week is 14.25");
    assert_eq!((notice.notice_until, notice.deadline), (at(110), at(170)));
}

#[test]
fn an_undecided_notice_hands_back_at_its_deadline() {
    let mut custody = noticed();
    assert_eq!(custody.holder(at(289)), Some(Holder::Sre));
    assert_eq!(
        (custody.holder(at(290)), custody.since(at(300))),
        (Some(Holder::Developers), at(290))
    );
    let advice = Advice { from: Holder::Sre, since: at(290) };
    assert_eq!(custody.advice(at(300)), Some(advice), "operations advises");
    let late = custody.decide(&rules(), decided(HandBackOutcome::Returned, 290)).unwrap_err();
    assert!(matches!(late, CustodyError::NotUnderway { .. }));
    assert_eq!((custody.moves().len(), custody.notice()), (3, None), "it was written down");
    assert_eq!(custody.advice(at(300)), Some(advice));
    assert!(!custody.settle(at(400)));
    custody.propose(Holder::Shared, "ada", "again", at(400)).unwrap();
    for (name, who) in [("engineering_lead", "bo"), ("sre", "cy")] {
        custody.sign(&rules(), signed(name, who, 400), &busy(), &reviewed()).unwrap();
    }
    assert_eq!(custody.advice(at(400)), None);
}

#[test]
fn a_return_waits_for_the_end_of_the_notice() {
    let mut custody = noticed();
    let right = custody
        .decide(&rules(), Decided { role: role("sre"), ..decided(HandBackOutcome::Returned, 210) });
    assert!(matches!(right, Err(CustodyError::NoRight { .. })), "who gives it does not decide");
    custody.decide(&rules(), decided(HandBackOutcome::Returned, 210)).unwrap();
    assert_eq!(custody.holder(at(229)), Some(Holder::Sre));
    assert_eq!(custody.holder(at(230)), Some(Holder::Developers));
    let mut custody = noticed();
    custody.decide(&rules(), decided(HandBackOutcome::Returned, 250)).unwrap();
    assert_eq!((custody.holder(at(249)), custody.since(at(250))), (Some(Holder::Sre), at(250)));
}

#[test]
fn a_blitz_or_help_lasts_until_the_evidence_is_looked_at_again() {
    for outcome in [
        HandBackOutcome::Blitz { until: at(260) },
        HandBackOutcome::Staffed { by: "platform".to_owned(), until: at(260) },
    ] {
        let mut custody = noticed();
        custody.decide(&rules(), decided(outcome, 210)).unwrap();
        assert_eq!(custody.holder(at(10_000)), Some(Holder::Sre));
        let missed = quarters(10, &[Some(false), Some(false)]);
        let mut again = |day| {
            custody.give_notice(&rules(), &missed, &role("sre"), "cy", at(day)).map(|of| of.given)
        };
        assert_eq!(again(259), Err(CustodyError::Reprieved { until: at(260) }));
        assert_eq!(again(260), Ok(at(260)));
    }
    for (outcome, why) in [
        (HandBackOutcome::Blitz { until: at(210) }, "no time"),
        (HandBackOutcome::Blitz { until: at(210 + 184) }, "too long"),
        (HandBackOutcome::Staffed { by: " ".to_owned(), until: at(260) }, "nobody"),
        (HandBackOutcome::Retired { off: at(210 + 732) }, "too late"),
    ] {
        assert!(noticed().decide(&rules(), decided(outcome, 210)).is_err(), "{why}");
    }
}

#[test]
fn a_retired_service_has_no_pager() {
    let mut custody = noticed();
    custody.decide(&rules(), decided(HandBackOutcome::Retired { off: at(300) }, 210)).unwrap();
    assert_eq!((custody.holder(at(299)), custody.holder(at(300))), (Some(Holder::Sre), None));
    assert!(matches!(
        custody.propose(Holder::Shared, "ada", "again", at(250)),
        Err(CustodyError::NotNext { .. })
    ));
    let gone = custody.propose(Holder::Shared, "ada", "again", at(300)).unwrap_err();
    assert_eq!(gone, CustodyError::Retired { service: "shop".to_owned(), at: at(300) });
    assert_eq!(custody.advice(at(300)), None);
}

#[test]
fn notice_is_given_by_right_and_for_a_reason() {
    let missed = quarters(10, &[Some(false), Some(false)]);
    let mut home = Custody::new("shop", at(0));
    let error = home.give_notice(&rules(), &missed, &role("sre"), "cy", at(200)).unwrap_err();
    assert_eq!(error, CustodyError::AtHome { service: "shop".to_owned() });
    let mut custody = shared(10);
    custody.propose(Holder::Sre, "ada", "more", at(100)).unwrap();
    let mut give = |name: &str, who: &str| {
        custody.give_notice(&rules(), &missed, &role(name), who, at(200)).map(|_| ())
    };
    assert!(matches!(give("cto", "eve"), Err(CustodyError::NoRight { .. })));
    assert!(matches!(give("sre", " "), Err(CustodyError::Missing { .. })));
    give("sre", "cy").unwrap();
    assert!(matches!(give("sre", "cy"), Err(CustodyError::Underway { .. })));
    assert_eq!(custody.transfer(), None, "the step falls");
    assert!(custody.propose(Holder::Sre, "ada", "more", at(201)).is_err());
    assert!(custody.take_back(&rules(), &role("cto"), at(201)).is_err());
    custody.take_back(&rules(), &role("sre"), at(201)).unwrap();
    assert_eq!((custody.notice(), custody.holder(at(900))), (None, Some(Holder::Shared)));
}

#[test]
fn a_team_that_is_not_paid_is_an_alarm() {
    let day = |text: &str| text.parse().unwrap();
    let (ended, ends) =
        (Funding::Ended { last: day("2026-06-30") }, Funding::Ends { until: day("2026-12-31") });
    let home = Custody::new("shop", at(0));
    assert_eq!(home.funding_alarm(Funding::Unknown, at(1)), None);
    assert_eq!(home.funding_alarm(Funding::Lasts { until: day("2030-01-01") }, at(1)), None);
    let alarm = home.funding_alarm(ended, at(200)).unwrap();
    assert!(alarm.sentence.contains("since 2026-06-30: nobody will carry"), "{}", alarm.sentence);
    let alarm = sre(10).funding_alarm(ends, at(200)).unwrap();
    assert!(alarm.sentence.contains("2026-12-31 only: there will be nobody to hand it back to"));
    let mut retired = noticed();
    retired.decide(&rules(), decided(HandBackOutcome::Retired { off: at(300) }, 210)).unwrap();
    assert_eq!(retired.funding_alarm(ended, at(300)), None);
}

/// Developers have run it as long as SRE did not, through a shared rota and back.
#[test]
fn what_developers_ran_themselves_adds_up() {
    let found = Custody::found("shop", Holder::Shared, at(0));
    assert_eq!(found.self_managed(at(2)), Some(at(0)));
    assert_eq!(
        (shared(10).self_managed(at(20)), shared(10).handed_back(at(20))),
        (Some(at(0)), None)
    );
    assert_eq!(sre(10).self_managed(at(20)), None);
    let mut back = noticed();
    assert_eq!((back.self_managed(at(289)), back.handed_back(at(289))), (None, None));
    for _ in 0..2 {
        assert_eq!(back.self_managed(at(400)), Some(at(290)), "SRE had it until then");
        assert_eq!(back.handed_back(at(400)), Some(at(290)));
        back.settle(at(290));
    }
    assert_eq!(back.moves()[0].since, at(0), "since when they had it before");
}

/// What is kept for good is kept short.
#[test]
fn reasons_and_names_are_short() {
    let long = "x".repeat(REASON_BYTES_MAX + 1);
    let is_long =
        |result: Result<(), CustodyError>| matches!(result, Err(CustodyError::TooLong { .. }));
    let mut custody = Custody::new("shop", at(0));
    assert!(is_long(custody.propose(Holder::Shared, "ada", &long, at(5))));
    let mut why = decided(HandBackOutcome::Returned, 210);
    why.why.clone_from(&long);
    assert!(is_long(noticed().decide(&rules(), why)));
    let by = "x".repeat(257);
    let staffed = HandBackOutcome::Staffed { by, until: at(260) };
    assert!(is_long(noticed().decide(&rules(), decided(staffed, 210))));
}

#[test]
fn words_are_those_of_the_gate() {
    let words = [Holder::Developers, Holder::Shared, Holder::Sre].map(Holder::word);
    assert_eq!(words, crate::policy::HOLDERS);
    assert_eq!(Holder::Sre.called(), [Party::Operations, Party::Developers]);
    for holder in [Holder::Developers, Holder::Shared, Holder::Sre] {
        assert_eq!(serde_json::to_value(holder).unwrap(), holder.word());
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = USUAL
        .replace("version: 1", "version: 0")
        .replace("signers: [engineering_lead, sre]", "signers: []")
        .replace("traffic.per_day >= 10000\n", "traffic.per_dey >= 10000\n")
        .replace("{quarters: 2, of: 4}", "{quarters: 5, of: 4}")
        .replace("deadline: 90d", "deadline: 29d");
    let spec = serde_json::from_value(yaml(&text)["spec"].clone()).unwrap();
    let errors: Vec<PolicyError> = CustodyRules::new(" ", spec).unwrap_err();
    let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "metadata.name",
            "spec.version",
            "spec.shared.criteria[0].when",
            "spec.shared.signers",
            "spec.handBack.missed",
            "spec.handBack.deadline",
        ]
    );
}

/// One thing that somebody does, in a property test.
#[derive(Debug, Clone)]
enum Step {
    Propose,
    Sign(usize),
    Notice,
    Decide(usize),
    TakeBack,
    Wait(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Propose),
        6 => (0_usize..3).prop_map(Step::Sign),
        2 => Just(Step::Notice),
        2 => (0_usize..4).prop_map(Step::Decide),
        1 => Just(Step::TakeBack),
        3 => (0_u32..120).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    /// Whatever people do in whatever order: a pager goes one step towards SRE with every signature, or home after
    /// a notice that lasted; moves join up; and settling changes nothing that could be seen before.
    #[test]
    fn every_move_was_signed_or_had_notice(steps in steps()) {
        let rules = rules();
        let mut custody = Custody::new("shop", at(0));
        let mut day = 0;
        for step in steps {
            let holder = custody.holder(at(day));
            match step {
                Step::Propose => {
                    let to = holder.and_then(Holder::next).unwrap_or(Holder::Shared);
                    let _ = custody.propose(to, "ada", "why", at(day));
                }
                Step::Sign(which) => {
                    let who = [("engineering_lead", "bo"), ("sre", "cy"), ("product_manager", "dee")];
                    let (name, who) = who[which];
                    let _ = custody.sign(&rules, signed(name, who, day), &busy(), &reviewed());
                }
                Step::Notice => {
                    let missed = quarters(day, &[Some(false), Some(false)]);
                    let _ = custody.give_notice(&rules, &missed, &role("sre"), "cy", at(day));
                }
                Step::Decide(which) => {
                    let until = at(day + 50);
                    let outcome = [
                        HandBackOutcome::Returned,
                        HandBackOutcome::Blitz { until },
                        HandBackOutcome::Staffed { by: "x".to_owned(), until },
                        HandBackOutcome::Retired { off: until },
                    ];
                    let _ = custody.decide(&rules, decided(outcome[which].clone(), day));
                }
                Step::TakeBack => drop(custody.take_back(&rules, &role("sre"), at(day))),
                Step::Wait(days) => day += days,
            }
            let seen = |of: &Custody| (of.holder(at(day)), of.since(at(day)), of.advice(at(day)));
            let mut settled = custody.clone();
            settled.settle(at(day));
            prop_assert_eq!(seen(&custody), seen(&settled));
            let holder = custody.holder(at(day));
            prop_assert!(custody.notice().is_none() || holder != Some(Holder::Developers) || settled != custody);
        }
        let mut before = Holder::Developers;
        for step in custody.moves() {
            prop_assert_eq!(step.from, before);
            match &step.why {
                MoveReason::Signed { transfer } => {
                    prop_assert_eq!(before.next(), Some(step.to));
                    let signers = &rules.entry(step.to).unwrap().signers;
                    prop_assert_eq!(transfer.signed.len(), signers.len());
                }
                MoveReason::HandedBack { notice } => {
                    prop_assert_eq!(step.to, Holder::Developers);
                    let decided = notice.decided.as_ref().map(|decided| decided.at);
                    let due = decided.map_or(notice.deadline, |at| at.max(notice.notice_until));
                    prop_assert_eq!(step.at, due);
                    prop_assert!(due <= notice.deadline);
                }
            }
            before = step.to;
        }
    }
}

#[test]
fn a_custody_that_was_found_goes_on_as_it_was() {
    let mut custody = Custody::found("shop", Holder::Sre, at(0));
    assert_eq!((custody.holder(at(1)), custody.since(at(1))), (Some(Holder::Sre), at(0)));
    assert!(custody.is_as_found() && !custody.is_retired(at(1)));
    custody.give_notice(&rules(), &noisy(), &role("sre"), "cy", at(60)).unwrap();
    assert!(!custody.is_as_found());
    assert!(custody.settle(at(60 + 90)));
    assert!(!custody.is_as_found(), "it has moved");
}

#[test]
fn where_nobody_can_be_told_from_others_anyone_signs() {
    let mut custody = Custody::new("shop", at(0));
    custody.propose(Holder::Shared, crate::policy::ANYONE, "it has grown", at(1)).unwrap();
    for name in ["engineering_lead", "sre"] {
        let signed = signed(name, crate::policy::ANYONE, 1);
        custody.sign(&rules(), signed, &busy(), &reviewed()).unwrap();
    }
    assert_eq!(custody.holder(at(1)), Some(Holder::Shared));
}

/// A service that wakes people three times a day.
fn noisy() -> ServiceEvidence {
    let custody = Some((Holder::Sre, at(0)));
    ServiceEvidence { at: at(60), custody, pages: Some(84), ..ServiceEvidence::default() }
}

/// What nobody has said stays unsaid when a step is proposed, and is known once the pager has moved.
#[test]
fn since_when_is_known_once_somebody_said_so_or_it_has_moved() {
    let mut custody = Custody::new("shop", at(1));
    custody.propose(Holder::Shared, "ada", "it has grown", at(2)).unwrap();
    assert!(!custody.is_since_known());
    assert!(Custody::found("shop", Holder::Developers, at(1)).is_since_known());
    let kept: Custody = serde_json::from_value(serde_json::json!({
        "service": "shop", "holder": "developers", "since": at(1), "transfer": null, "notice": null, "moves": [],
    }))
    .unwrap();
    assert!(kept.is_since_known(), "older ones do not tell");
}
