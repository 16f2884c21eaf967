use std::collections::{BTreeMap, BTreeSet};

use flyball_model::{Duration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::custody::Holder;
use crate::evidence::{BudgetEvidence, Described, Part, Period, ServiceEvidence};
use crate::policy::testing::yaml;
use crate::policy::{PolicyError, Role};

fn at(day: u32) -> Timestamp {
    Timestamp::parse("2026-11-01T00:00:00Z").unwrap().plus(Duration::from_days(day))
}

fn role(name: &str) -> Role {
    Role::new(name).unwrap()
}

fn by(who: &str, day: u32) -> ReportedBy {
    ReportedBy { who: who.to_owned(), at: at(day) }
}

fn shipped(text: &str) -> Checklist {
    let document = yaml(text);
    assert_eq!(
        (&document["apiVersion"], &document["kind"]),
        (&"flyball.dev/v1".into(), &"Checklist".into())
    );
    let spec: ChecklistSpec = serde_json::from_value(document["spec"].clone()).unwrap();
    Checklist::new(document["metadata"]["name"].as_str().unwrap(), spec).unwrap()
}

fn written(text: &str) -> Result<Checklist, Vec<PolicyError>> {
    Checklist::new("test", serde_json::from_value(yaml(text)).unwrap())
}

const SMALL: &str = "version: 3
stage: launch
signers: [product_manager, sre]
adviser: true
validFor: 52w
waivers: {roles: [sre], longest: 60d}
items:
- {id: defects, heading: defects, ask: Is it sound?}
- {id: pages, heading: pager_alerts, ask: Does it page seldom?, holds: pages.per_week <= 2, severityByTier: {low: advised}}
- {id: hygiene, heading: production_hygiene, ask: Is it clean?, severity: advised}
- id: cards
  heading: regulatory_scope
  ask: Does it see cards?
  asks: scope
  controls: [{role: security, classes: [feature, fix]}]
- {id: backups, heading: production_hygiene, ask: Was a backup read?, learnt: {incident: INC-7}, since: 3, severityByTier: {low: skipped}}
";

fn small() -> Checklist {
    written(SMALL).unwrap()
}

fn quiet() -> ServiceEvidence {
    ServiceEvidence { pages: Some(8), tier: Some("standard".to_owned()), ..Default::default() }
}

fn open(before: Option<u32>) -> Review {
    Review::open("r1", "shop", &small(), before, &quiet(), by("ada", 0)).unwrap()
}

fn answer(yes: bool, evidence: &str) -> Answer {
    Answer { yes, evidence: evidence.to_owned(), who: "ada".to_owned(), at: at(1) }
}

fn answered(before: Option<u32>) -> Review {
    let mut review = open(before);
    for (item, yes) in [("defects", true), ("cards", true), ("backups", true)] {
        review.answer(&small(), item, answer(yes, "wiki/7")).unwrap();
    }
    review.advise("dee", &BTreeMap::new()).unwrap();
    review
}

fn waiver(item: &str, approver: &str, from: u32, to: u32) -> Waiver {
    Waiver {
        item: item.to_owned(),
        why: "it is mended next month".to_owned(),
        role: role("sre"),
        approver: approver.to_owned(),
        at: at(from),
        expires: at(to),
    }
}

fn signature(name: &str, who: &str, day: u32) -> ReviewSignature {
    ReviewSignature { role: role(name), who: who.to_owned(), at: at(day) }
}

fn outcomes(
    review: &Review,
    evidence: &ServiceEvidence,
    day: u32,
) -> BTreeMap<String, ItemOutcome> {
    let assessment = small().assess(review, evidence, at(day)).unwrap();
    assessment.items.into_iter().map(|item| (item.id, item.outcome)).collect()
}

#[test]
fn what_ships_is_right() {
    let all: Vec<Checklist> = READY.into_iter().map(shipped).collect();
    let stages: Vec<Stage> = all.iter().map(|list| list.spec().stage).collect();
    assert_eq!(stages, [Stage::Launch, Stage::Production, Stage::HandOff, Stage::SloReview]);
    for list in &all {
        let headings: BTreeSet<Heading> =
            list.spec().items.iter().map(|item| item.heading).collect();
        // All the headings of launch guidance; a review of SLOs has no scope, and its own.
        assert_eq!(headings.len(), 7, "{}", list.name());
        let live = list.items().filter(|(_, live)| live.is_some()).count();
        assert!(live >= 4 && live < list.spec().items.len(), "{}", list.name());
        let spec = serde_json::to_value(list.spec()).unwrap();
        let again: ChecklistSpec = serde_json::from_value(spec).unwrap();
        assert_eq!(again, *list.spec(), "{}", list.name());
    }
}

/// What nobody knows passes no list, and what is known to be good passes all that is measured.
#[test]
fn no_data_passes_no_list_that_ships() {
    for text in READY {
        let list = shipped(text);
        let good = healthy();
        assert_eq!(list.unmet(&good), Vec::<String>::new(), "{}", list.name());
        let review = Review::open("r", "shop", &list, None, &good, by("ada", 0)).unwrap();
        let live = |evidence: &ServiceEvidence| {
            let assessment = list.assess(&review, evidence, at(0)).unwrap().items.into_iter();
            let live = |item: &ItemStanding| list.item(&item.id).unwrap().holds.is_some();
            assessment.filter(live).map(|item| (item.id, item.outcome)).collect::<Vec<_>>()
        };
        for (id, outcome) in live(&good) {
            assert_eq!(outcome, ItemOutcome::Passed, "{} {id}", list.name());
        }
        for (id, outcome) in live(&ServiceEvidence::default()) {
            assert_eq!(outcome, ItemOutcome::Unknown, "{} {id}", list.name());
        }
    }
}

/// A service of which everything is known and good.
fn healthy() -> ServiceEvidence {
    let month = Period { start: at(0), end: at(1), kept: Some(true) };
    let target = flyball_model::Target::new(flyball_model::Rational::new(9, 10).unwrap()).unwrap();
    let budget = BudgetEvidence {
        slo: "up".to_owned(),
        target,
        valid: 1_000,
        bad: 1,
        coverage_ppm: Some(1_000_000),
    };
    let said = crate::review::Said {
        toil: Some(crate::review::Mark::Low),
        satisfaction: Some(crate::review::Mark::High),
    };
    ServiceEvidence {
        at: at(0),
        described: Some(Described {
            owned: true,
            funded: Some(true),
            runbook: true,
            revenue_per_hour: flyball_model::Rational::new(500, 1),
        }),
        tier: Some("critical".to_owned()),
        catalogue_faults: Some(0),
        said: Some(said),
        custody: Some((Holder::Developers, Timestamp::parse("2026-05-01T00:00:00Z").unwrap())),
        self_managed: Some(Timestamp::parse("2026-05-01T00:00:00Z").unwrap()),
        budgets: Some(vec![budget]),
        months: vec![month; 6],
        hours: Some(Part { part: 672, whole: 672 }),
        runbooks: Some(Part { part: 4, whole: 4 }),
        told: Some(1),
        pages: Some(8),
        deployments: Some(20),
        failed: Some(Part { part: 2, whole: 20 }),
        lead_time: Some(Duration::from_hours(40)),
        restore: Some(Duration::from_minutes(50)),
        incidents_open: Some(0),
        unwritten: Some(0),
        without_slo: Some(Part { part: 0, whole: 2 }),
        above_dependencies: Some(false),
        ..ServiceEvidence::default()
    }
}

/// *DevOps Handbook*, chapter 16: at least six months of self-management before a hand-off.
#[test]
fn a_hand_off_waits_for_six_months_a_kept_budget_and_few_pages() {
    let list = shipped(HAND_OFF);
    let may = |evidence: &ServiceEvidence| {
        Review::open("r", "shop", &list, None, evidence, by("ada", 0)).err()
    };
    assert_eq!(may(&healthy()), None);
    let since = Timestamp::parse("2026-05-02T00:00:00Z").unwrap();
    let young = ServiceEvidence { self_managed: Some(since), ..healthy() };
    let said = "have run it themselves for at least six months (custody.self_managed_months is 5)";
    // A shared rota that has just begun makes nobody experienced.
    for custody in [(Holder::Developers, since), (Holder::Shared, at(0))] {
        let error = may(&ServiceEvidence { custody: Some(custody), ..young.clone() }).unwrap();
        assert!(error.to_string().contains(said), "{error}");
    }
    let mut broken = healthy();
    broken.months[1].kept = Some(false);
    assert!(may(&broken).unwrap().to_string().contains("kept its budgets"));
    let mut silent = healthy();
    silent.months[1].kept = None;
    assert!(may(&silent).is_some(), "a month without data is none that was kept");
    assert!(may(&ServiceEvidence { pages: Some(9), ..healthy() }).is_some());
    // The tier that services have which name none matters no more than they show.
    for tier in ["low", "standard"] {
        let of_tier = ServiceEvidence { tier: Some(tier.to_owned()), ..healthy() };
        assert!(may(&of_tier).unwrap().to_string().contains("It matters enough"), "{tier}");
        assert_eq!(may(&ServiceEvidence { events: Some(2_800_000), ..of_tier.clone() }), None);
        let mut earns = of_tier;
        earns.described.as_mut().unwrap().revenue_per_hour = flyball_model::Rational::new(1_000, 1);
        assert_eq!(may(&earns), None);
    }
    let Some(ReviewError::NotEligible { unmet, .. }) = may(&ServiceEvidence::default()) else {
        panic!("nothing is known, and it was let in")
    };
    assert_eq!(unmet.len(), 4);
}

#[test]
fn a_launch_is_reported_by_the_team_and_approved_by_others() {
    let list = small();
    let mut review = open(None);
    assert_eq!(review.standing(at(0)), Standing::Pending);
    assert!(matches!(
        review.submit(&list, &quiet(), by("ada", 1)),
        Err(ReviewError::NoAdviser { .. })
    ));
    assert!(matches!(review.advise("ada", &BTreeMap::new()), Err(ReviewError::OwnCause { .. })));
    review.advise("dee", &BTreeMap::new()).unwrap();
    let blocked = review.submit(&list, &quiet(), by("ada", 1)).unwrap_err();
    let items = ["defects", "cards", "backups"].map(str::to_owned).to_vec();
    assert_eq!(blocked, ReviewError::Blocked { items });
    let none = review.answer(&list, "defects", answer(true, " ")).unwrap_err();
    assert_eq!(none, ReviewError::NoEvidence { item: "defects".to_owned() });
    assert!(none.to_string().contains("--evidence"), "{none}");
    let live = review.answer(&list, "pages", answer(true, "I say so")).unwrap_err();
    assert!(matches!(live, ReviewError::Live { .. }));
    assert!(matches!(
        review.answer(&list, "pagers", answer(true, "x")),
        Err(ReviewError::NoItem { .. })
    ));
    let mut review = answered(None);
    assert!(matches!(
        review.sign(&list, &quiet(), signature("sre", "bo", 2)),
        Err(ReviewError::WrongState { state: "open", .. })
    ));
    review.submit(&list, &quiet(), by("cy", 2)).unwrap();
    let mut sign = |name, who, day| review.sign(&list, &quiet(), signature(name, who, day));
    assert!(matches!(sign("cto", "bo", 3), Err(ReviewError::NoRight { .. })));
    assert!(matches!(sign("sre", "ada", 3), Err(ReviewError::OwnCause { .. })), "ada opened it");
    assert!(matches!(sign("sre", "cy", 3), Err(ReviewError::OwnCause { .. })), "cy submitted it");
    sign("sre", "bo", 3).unwrap();
    assert!(matches!(sign("product_manager", "bo", 3), Err(ReviewError::OwnCause { .. })));
    sign("product_manager", "eve", 4).unwrap();
    assert!(matches!(sign("sre", "bo", 5), Err(ReviewError::WrongState { .. })));
    let until = at(4 + 7 * 52);
    assert_eq!(review.standing(at(5)), Standing::Approved { until: Some(until) });
    assert_eq!(review.standing(until), Standing::TooOld { since: until });
    let ReviewState::Approved { seen, .. } = review.state() else { panic!("{review:?}") };
    assert_eq!(seen.items[1].seen[0].to_string(), "pages.per_week is 2");
    let kept = serde_json::to_value(&review).unwrap();
    assert_eq!(serde_json::from_value::<Review>(kept).unwrap(), review);
}

#[test]
fn what_is_measured_is_asked_again_with_each_signature() {
    let (list, loud) = (small(), ServiceEvidence { pages: Some(9), ..quiet() });
    let mut review = answered(None);
    review.submit(&list, &quiet(), by("ada", 2)).unwrap();
    let items = vec!["pages".to_owned()];
    let refused = review.sign(&list, &loud, signature("sre", "bo", 3)).unwrap_err();
    assert_eq!(refused, ReviewError::Blocked { items });
    let unknown = ServiceEvidence { pages: None, ..quiet() };
    assert!(review.sign(&list, &unknown, signature("sre", "bo", 3)).is_err(), "no data passed");
    review.reopen().unwrap();
    assert_eq!(outcomes(&review, &loud, 3)["pages"], ItemOutcome::Failed);
    assert_eq!(outcomes(&review, &unknown, 3)["pages"], ItemOutcome::Unknown);
}

#[test]
fn severity_follows_the_tier() {
    let low = ServiceEvidence { pages: Some(99), tier: Some("low".to_owned()), ..quiet() };
    let review = open(None);
    let assessment = small().assess(&review, &low, at(1)).unwrap();
    let blocking: Vec<&str> = assessment.blocking().map(|item| item.id.as_str()).collect();
    assert_eq!(blocking, ["defects", "cards"], "pages are advised, backups are not asked");
    assert_eq!(outcomes(&review, &low, 1)["backups"], ItemOutcome::Skipped);
    assert_eq!(outcomes(&review, &low, 1)["pages"], ItemOutcome::Failed);
}

#[test]
fn a_waiver_has_an_approver_and_an_end() {
    let (list, loud) = (small(), ServiceEvidence { pages: Some(9), ..quiet() });
    let mut review = answered(None);
    for (wrong, why) in [
        (waiver("cards", "bo", 1, 31), "a question of scope"),
        (waiver("pages", "ada", 1, 31), "ada opened it"),
        (waiver("pages", "bo", 1, 1), "no time"),
        (waiver("pages", "bo", 1, 62), "too long"),
        (Waiver { why: String::new(), ..waiver("pages", "bo", 1, 31) }, "no reason"),
        (Waiver { role: role("cto"), ..waiver("pages", "bo", 1, 31) }, "no right"),
        (waiver("pagers", "bo", 1, 31), "no such item"),
    ] {
        assert!(review.waive(&list, wrong).is_err(), "{why}");
    }
    review.waive(&list, waiver("pages", "bo", 1, 61)).unwrap();
    assert_eq!(outcomes(&review, &loud, 0)["pages"], ItemOutcome::Failed, "not yet");
    assert_eq!(outcomes(&review, &loud, 1)["pages"], ItemOutcome::Waived { until: at(61) });
    assert_eq!(outcomes(&review, &loud, 61)["pages"], ItemOutcome::Failed, "over");
    assert_eq!(outcomes(&review, &quiet(), 1)["pages"], ItemOutcome::Passed, "it holds by itself");
    review.submit(&list, &loud, by("ada", 2)).unwrap();
    review.sign(&list, &loud, signature("sre", "bo", 3)).unwrap();
    review.sign(&list, &loud, signature("product_manager", "eve", 4)).unwrap();
    assert_eq!(review.standing(at(60)), Standing::Approved { until: Some(at(61)) });
    let over = Standing::WaiversOver { items: vec!["pages".to_owned()] };
    assert_eq!(review.standing(at(61)), over);
    // By the rule of a later version too, which asks something else.
    let next =
        written(&SMALL.replace("version: 3", "version: 4").replace("id: pages", "id: noise"));
    let next = next.unwrap();
    assert!(review.waive(&next, waiver("noise", "bo", 61, 90)).is_err(), "it was not asked then");
    assert!(review.waive(&next, waiver("cards", "bo", 61, 90)).is_err(), "a question of scope");
    review.waive(&next, waiver("pages", "bo", 61, 90)).unwrap();
    assert_eq!(review.standing(at(61)), Standing::Approved { until: Some(at(90)) });
    assert_eq!(review.waivers().len(), 2);
}

/// Whoever submits waives nothing: not before it, not after it is given back, and not once it is approved.
#[test]
fn nobody_judges_their_own_cause() {
    let (list, loud) = (small(), ServiceEvidence { pages: Some(9), ..quiet() });
    let own = |result: Result<(), ReviewError>| matches!(result, Err(ReviewError::OwnCause { .. }));
    let mut review = answered(None);
    review.waive(&list, waiver("pages", "bo", 1, 31)).unwrap();
    assert!(own(review.submit(&list, &loud, by("bo", 2))), "bo waived an item");
    assert!(own(review.submit(&list, &loud, by("dee", 2))), "dee advises");
    review.submit(&list, &loud, by("cy", 2)).unwrap();
    review.reopen().unwrap();
    assert!(own(review.waive(&list, waiver("pages", "cy", 3, 31))), "cy submitted it once");
    assert!(own(review.advise("cy", &BTreeMap::new())));
    review.submit(&list, &loud, by("ada", 3)).unwrap();
    assert!(own(review.sign(&list, &loud, signature("sre", "cy", 4))));
    review.sign(&list, &loud, signature("sre", "bo", 4)).unwrap();
    review.sign(&list, &loud, signature("product_manager", "eve", 4)).unwrap();
    let kept = serde_json::to_value(&review).unwrap();
    let mut review: Review = serde_json::from_value(kept).unwrap();
    assert!(own(review.waive(&list, waiver("pages", "cy", 20, 60))), "approved, and still theirs");
    review.waive(&list, waiver("pages", "bo", 20, 60)).unwrap();
    let people: Vec<&str> = review.people().into_iter().collect();
    assert_eq!(people, ["ada", "bo", "cy", "eve"]);
}

/// An adviser is somebody else by whichever of their names.
#[test]
fn advice_comes_from_outside() {
    let mut review = open(None);
    let names = BTreeMap::from([("ada".to_owned(), "Ada Lovelace".to_owned())]);
    for own in ["ada", "Ada Lovelace", " ada lovelace "] {
        assert!(matches!(review.advise(own, &names), Err(ReviewError::OwnCause { .. })), "{own}");
    }
    let long = review.advise(&"d".repeat(257), &names).unwrap_err();
    assert!(long.to_string().contains("257 bytes; hint: say it in 256"), "{long}");
    review.advise("Dee", &names).unwrap();
}

/// What must hold before a review begins must hold until it is approved.
#[test]
fn eligibility_is_asked_again_with_each_signature() {
    let text = format!(
        "{SMALL}eligibility: [{{name: earns, when: traffic.per_day > 1, say: It is used.}}]\n"
    );
    let list = written(&text).unwrap();
    let used = ServiceEvidence { events: Some(280), ..quiet() };
    let unused = ServiceEvidence { events: Some(0), ..quiet() };
    let mut review = Review::open("r1", "shop", &list, None, &used, by("ada", 0)).unwrap();
    for item in ["defects", "cards", "backups"] {
        review.answer(&list, item, answer(true, "wiki/7")).unwrap();
    }
    review.advise("dee", &BTreeMap::new()).unwrap();
    let refused = |result: Result<(), ReviewError>| matches!(result, Err(ReviewError::NotEligible { unmet, .. }) if unmet.len() == 1);
    assert!(refused(review.submit(&list, &unused, by("ada", 1))));
    review.submit(&list, &used, by("ada", 1)).unwrap();
    assert!(refused(review.sign(&list, &unused, signature("sre", "bo", 2))));
    assert!(refused(review.sign(&list, &quiet(), signature("sre", "bo", 2))), "not known");
    review.sign(&list, &used, signature("sre", "bo", 2)).unwrap();
}

/// An approval of before a pager went back opens no way to hand it over again, nor does one that a later one took the
/// place of.
#[test]
fn the_last_approval_of_each_checklist_counts() {
    let list = small();
    let review = |id: &str, day| {
        let mut review = Review::open(id, "shop", &list, None, &quiet(), by("ada", day)).unwrap();
        for item in ["defects", "cards", "backups"] {
            review.answer(&list, item, answer(true, "wiki/7")).unwrap();
        }
        review.advise("dee", &BTreeMap::new()).unwrap();
        review.submit(&list, &quiet(), by("ada", day)).unwrap();
        for (name, who) in [("sre", "bo"), ("product_manager", "eve")] {
            review.sign(&list, &quiet(), signature(name, who, day)).unwrap();
        }
        review
    };
    let (first, open) = (review("r1", 10), open(None));
    let of = |id: &str| BTreeMap::from([(Stage::Launch, id.to_owned())]);
    let none = BTreeMap::new();
    assert_eq!(approved([&open, &first], None, at(20)), of("r1"), "one under way ends none");
    assert_eq!(approved([&first], Some(at(9)), at(20)), of("r1"));
    assert_eq!(approved([&first], Some(at(10)), at(20)), none, "of before it went back");
    assert_eq!(approved([&review("r2", 12), &first], None, at(20)), of("r2"));
    let until = 12 + 7 * 52;
    assert_eq!(approved([&review("r2", 12), &first], None, at(until)), none, "too old");
    let mut waived = answered(None);
    let loud = ServiceEvidence { pages: Some(9), ..quiet() };
    waived.waive(&list, waiver("pages", "bo", 11, 13)).unwrap();
    waived.submit(&list, &loud, by("ada", 12)).unwrap();
    for (name, who) in [("sre", "bo"), ("product_manager", "eve")] {
        waived.sign(&list, &loud, signature(name, who, 12)).unwrap();
    }
    assert_eq!(
        approved([&waived, &first], None, at(14)),
        none,
        "the one before stands for it no more"
    );
}

#[test]
fn answers_of_scope_ask_for_controls() {
    let list = small();
    let mut review = answered(None);
    let controls = |review: &Review| list.assess(review, &quiet(), at(1)).unwrap().controls;
    let [control] = &controls(&review)[..] else { panic!("{review:?}") };
    assert_eq!((control.item.as_str(), control.sign_off.role.name()), ("cards", "security"));
    assert_eq!(control.sign_off.classes.len(), 2);
    review.answer(&list, "cards", answer(false, "")).unwrap();
    assert_eq!(controls(&review), []);
    assert!(review.submit(&list, &quiet(), by("ada", 2)).is_ok(), "a no is as good");
}

#[test]
fn a_later_review_shows_what_was_learnt() {
    let list = small();
    let learnt = |before| {
        let assessment = list.assess(&answered(before), &quiet(), at(1)).unwrap();
        assessment.learnt().map(|item| item.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(learnt(Some(2)), ["backups"]);
    assert_eq!(learnt(Some(3)), Vec::<String>::new());
    assert_eq!(learnt(None), ["backups"], "all that was ever learnt");
    let items: Vec<_> = list.learnt_since(Some(2)).map(|item| item.id.as_str()).collect();
    assert_eq!((items, list.learnt_since(Some(3)).count()), (vec!["backups"], 0));
}

#[test]
fn a_review_moves_to_the_version_that_counts() {
    let next = SMALL.replace("version: 3", "version: 4").replace(
        "- {id: defects, heading: defects, ask: Is it sound?}",
        "- {id: defects, heading: defects, ask: Is it sound?, holds: incidents.open == 0}\n- {id: new, heading: defects, ask: What else?, since: 4}",
    );
    let next = written(&next).unwrap();
    let mut review = answered(None);
    review.submit(&small(), &quiet(), by("ada", 2)).unwrap();
    assert!(matches!(
        review.sign(&next, &quiet(), signature("sre", "bo", 3)),
        Err(ReviewError::OtherVersion { .. })
    ));
    review.move_to(&next).unwrap();
    assert_eq!((review.version, review.state()), (4, &ReviewState::Open));
    let kept: Vec<&str> = review.answers().keys().map(String::as_str).collect();
    assert_eq!(kept, ["backups", "cards"], "defects is answered live now");
    assert!(matches!(
        small().assess(&review, &quiet(), at(3)),
        Err(ReviewError::OtherVersion { .. })
    ));
    review.withdraw(by("ada", 4), "not now").unwrap();
    assert_eq!(review.standing(at(5)), Standing::Withdrawn);
    assert!(review.move_to(&next).is_err());
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let errors = written(
        "version: 0
stage: launch
signers: []
validFor: 0s
eligibility: [{name: a, when: 'pages.per_weak > 1'}, {name: a, when: 'true'}]
waivers: {roles: [sre], longest: 400d}
items:
- {id: 'A b', heading: defects, ask: ' '}
- {id: a, heading: defects, ask: x, holds: 'budget.exhausted', since: 9}
- {id: a, heading: defects, ask: x, controls: [{role: sre, classes: [rollback]}], learnt: {incident: i}}
",
    )
    .unwrap_err();
    let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "spec.version",
            "spec.signers",
            "spec.validFor",
            "spec.eligibility[0].when",
            "spec.eligibility[1].name",
            "spec.waivers.longest",
            "spec.items[0].id",
            "spec.items[0].ask",
            "spec.items[0].since",
            "spec.items[1].since",
            "spec.items[1].holds",
            "spec.items[2].controls",
            "spec.items[2].since",
            "spec.items[2].since",
            "spec.items[2].id",
        ]
    );
    assert_eq!(errors[3].place, Some((1, 1)));
    let none = written("version: 1\nstage: launch\nsigners: [sre]\nitems: []\n").unwrap_err();
    assert_eq!(none[0].path, "spec.items");
    let unknown = yaml("version: 1\nstage: launch\nsigners: [sre]\nitems: []\nitmes: []\n");
    assert!(serde_json::from_value::<ChecklistSpec>(unknown).is_err());
}

proptest! {
    /// However answers, waivers and measurements fall, whatever blocks keeps a review from being submitted, and
    /// nothing else does.
    #[test]
    fn what_blocks_keeps_from_submitting_and_nothing_else_does(
        yes in proptest::array::uniform4(proptest::option::of(any::<bool>())),
        pages in proptest::option::of(0_u64..20),
        waived in proptest::array::uniform3(any::<bool>()),
        tier in proptest::sample::select(vec!["low", "standard", "unheard"]),
    ) {
        let list = small();
        let evidence = ServiceEvidence { pages, tier: Some(tier.to_owned()), ..Default::default() };
        let mut review = open(None);
        review.advise("dee", &BTreeMap::new()).unwrap();
        for (item, yes) in ["defects", "hygiene", "cards", "backups"].into_iter().zip(yes) {
            if let Some(yes) = yes {
                review.answer(&list, item, answer(yes, "e")).unwrap();
            }
        }
        for (item, waived) in ["defects", "pages", "backups"].into_iter().zip(waived) {
            if waived {
                review.waive(&list, waiver(item, "bo", 0, 30)).unwrap();
            }
        }
        // The same by hand.
        let is_low = tier == "low";
        let sound = yes[0] == Some(true) || waived[0];
        let seldom = is_low || waived[1] || pages.is_some_and(|pages| pages <= 8);
        let scoped = yes[2].is_some();
        let backed = is_low || waived[2] || yes[3] == Some(true);
        let ready = sound && seldom && scoped && backed;
        prop_assert_eq!(review.submit(&list, &evidence, by("ada", 2)).is_ok(), ready);
    }
}
