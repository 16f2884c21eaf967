use std::collections::BTreeMap;

use flyball_model::{Duration, Rational, Tally, Target, Timestamp};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(second)
}

fn tally(valid: u64, bad: u64) -> Tally {
    Tally::new(valid, valid - bad).unwrap()
}

fn dependant(service: &str, during: (u64, u64), before: (u64, u64)) -> Dependant {
    Dependant {
        service: service.to_owned(),
        slo: "answered".to_owned(),
        is_soft: true,
        target: Target::new(Rational::new(999, 1_000).unwrap()).unwrap(),
        during: tally(during.0, during.1),
        before: tally(before.0, before.1),
        window_valid: 1_000_000,
    }
}

fn ended(why: Stop) -> Watch {
    let lasts = Duration::from_minutes(5);
    let dose =
        Dose { bad: 600, allowed: 1_000, surplus: 700, bound: Bound::Share, lasts, is_cut: false };
    let mut watch = Watch::new("k-1", "locks-down", "ada", &dose, 100);
    watch.arm(at(0)).unwrap();
    watch.armed(at(0)).unwrap();
    watch.injected(at(10)).unwrap();
    watch.stop(why, at(300));
    watch.undone(at(301)).unwrap();
    watch
}

#[test]
fn a_report_says_who_assumed_too_much_and_by_what_chance() {
    let drill = with(&[(
        "hypothesis",
        json!({"text": "mail waits", "holds": [{"slo": "sent", "badAtMost": "1%"}, {"slo": "read", "badAtMost": "0%"}]}),
    )]);
    let dependants = [
        dependant("calm", (1_000, 1), (100_000, 100)),
        dependant("files", (1_000, 300), (100_000, 100)),
        dependant("noisy", (1_000, 110), (100_000, 10_000)),
        dependant("silent", (0, 0), (100_000, 0)),
        dependant("new", (1_000, 300), (0, 0)),
    ];
    let watch = ended(Stop::Dosed);
    let mut steady = BTreeMap::from([("sent".to_owned(), tally(1_000, 10))]);
    let report_of = |steady: &BTreeMap<String, Tally>, burned| {
        report(&ReportInputs {
            drill: &drill,
            watch: &watch,
            burned,
            during: tally(2_000, 640),
            dependants: &dependants,
            steady,
            detected: Some(at(70)),
            recovered: Some(at(331)),
        })
    };
    let found = report_of(&steady, Some(640));
    assert_eq!(
        (found.as_dosed, found.detect, found.recover),
        (Some(true), Some(Duration::from_minutes(1)), Some(Duration::from_seconds(30)))
    );
    let by = |service: &str| found.dependants.iter().find(|of| of.service == service).unwrap();
    assert_eq!(by("files").assumed_too_much, Some(true));
    // 300 of 1,000 where 101 of 100,002 are usual: 1 is expected.
    assert_eq!((by("files").excess, by("calm").assumed_too_much), (299, Some(false)));
    assert_eq!(by("noisy").assumed_too_much, Some(false), "a tenth is usual of it");
    assert_eq!((by("silent").assumed_too_much, by("new").assumed_too_much), (None, None));
    assert_eq!(found.dependants[0].service, "new", "whoever burned most comes first");
    let hypothesis = found.hypothesis.unwrap();
    assert_eq!(hypothesis.held, Held::Unknown, "nobody read anything");
    steady.insert("read".to_owned(), tally(50, 0));
    assert_eq!(report_of(&steady, None).hypothesis.unwrap().held, Held::Yes);
    steady.insert("sent".to_owned(), tally(1_000, 11));
    assert_eq!(report_of(&steady, None).hypothesis.unwrap().held, Held::No);
}

#[test]
fn only_a_drill_that_was_dosed_is_held_to_its_dose() {
    let drill = read(&text());
    let as_dosed = |why, burned| {
        let (watch, steady) = (ended(why), BTreeMap::new());
        let inputs = ReportInputs {
            drill: &drill,
            watch: &watch,
            burned,
            during: Tally::EMPTY,
            dependants: &[],
            steady: &steady,
            detected: None,
            recovered: None,
        };
        let found = report(&inputs);
        assert_eq!((found.share, found.hypothesis, found.detect), (None, None, None));
        assert_eq!(found.during.unwrap().length(), Duration::from_seconds(291));
        found.as_dosed
    };
    assert_eq!(as_dosed(Stop::Dosed, Some(660)), Some(true));
    assert_eq!(as_dosed(Stop::Dosed, Some(661)), Some(false));
    assert_eq!(as_dosed(Stop::Dosed, Some(539)), Some(false));
    assert_eq!(as_dosed(Stop::Dosed, None), None);
    assert_eq!(as_dosed(Stop::Asked { who: "bo".to_owned() }, Some(3)), None);
}

/// Binomial tails as tables have them: of 20 with 0.1, five or more have 0.0432.
#[test]
fn chance_is_the_upper_tail_of_a_binomial() {
    // (bad + 1) / (valid + 2) is one tenth.
    let found = |bad| {
        let of = dependant("a", (20, bad), (98, 9));
        let drill = read(&text());
        let (watch, steady) = (ended(Stop::Dosed), BTreeMap::new());
        let report = report(&ReportInputs {
            drill: &drill,
            watch: &watch,
            burned: None,
            during: Tally::EMPTY,
            dependants: &[of],
            steady: &steady,
            detected: None,
            recovered: None,
        });
        report.dependants[0].by_chance.unwrap()
    };
    assert!((found(5) - 0.0432).abs() < 5e-5, "{}", found(5));
    assert!((found(0) - 1.0).abs() < 1e-12);
}
