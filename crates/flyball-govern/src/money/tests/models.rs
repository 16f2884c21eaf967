//! Support models: costs by hand, both published rules, and when reality has left a choice.

use flyball_model::Timestamp;

use super::*;

const LOAD: Load =
    Load { call_outs_a_year: 10, call_out_lasts: Duration::from_minutes(30), failures_a_year: 12 };

fn basis() -> Basis {
    Basis {
        an_hour: money("200000 USD"),
        product: Product::DigitalService,
        interval: Duration::from_days(1),
        traffic: Traffic::Light,
        reviewed: false,
        missed: false,
        load: LOAD,
    }
}

/// A table of costs worked by hand: a week of 100 hours out of hours at 12, two people, ten services.
#[test]
fn costs_are_those_worked_by_hand() {
    let mut spec = assumed().spec;
    spec.standby = money("12 USD");
    spec.out_of_hours = Duration::from_hours(84);
    spec.services_per_domain = 10;
    let costs = SupportCosts::new("ours", spec).unwrap();
    let of = |out_of_hours| {
        costs.yearly(SupportModel::Operations, out_of_hours, &LOAD, money("1000 USD")).unwrap()
    };
    // Half of the 8 766 hours of a year, two people: 8 766 × 12.
    let team = of(OutOfHours::Team);
    assert_eq!(team.standby, money("105192 USD"));
    assert_eq!(of(OutOfHours::Domain).standby, money("10519.20 USD"));
    // Half an hour is paid as one: 10 × 100; given back as half an hour: 10 × 0.5 × 80.
    assert_eq!((team.call_outs, team.time_off), (money("1000 USD"), money("400 USD")));
    assert_eq!((team.set_up, team.running), (money("5000 USD"), money("20000 USD")));
    assert_eq!(team.total, money("131592 USD"));
    assert_eq!((team.capital, team.operating), (money("0 USD"), money("131592 USD")));
    // Twelve failures of four hours.
    assert_eq!((team.expected_loss, team.hand_offs), (money("48000 USD"), 2));
    assert_eq!(team.with_loss, money("179592 USD"));
    let nobody = of(OutOfHours::None);
    assert_eq!(
        (nobody.standby, nobody.call_outs, nobody.time_off),
        (money("0 USD"), money("0 USD"), money("0 USD"))
    );
    // Nights of 7 h 12 min and a weekend of 55 h 12 min: (4 · 7.2² + 55.2²) ÷ 336 = 9.6857… h, in whole seconds.
    assert_eq!(wait_until_work(spec_hours(84)), Duration::from_seconds(34_868));
    assert_eq!(nobody.expected_loss, money("48000 USD").plus(waited(34_868)).unwrap());
    let developers =
        costs.yearly(SupportModel::Developers, OutOfHours::Team, &LOAD, money("1000 USD")).unwrap();
    assert_eq!(developers.capital, money("20000 USD"));
    assert_eq!(developers.capital.plus(developers.operating), Some(developers.total));
    assert_eq!(costs.yearly(SupportModel::Sre, OutOfHours::Team, &LOAD, money("1 EUR")), None);
}

/// What twelve failures cost that wait so many seconds at 1 000 an hour.
fn waited(seconds: u32) -> Money {
    let hour = money("12000 USD");
    hour.for_time(Duration::from_seconds(seconds)).unwrap()
}

fn spec_hours(hours: u32) -> Duration {
    Duration::from_hours(hours)
}

/// Who is not called waits until work begins: half of the night or the weekend that the failure falls into.
#[test]
fn nobody_out_of_hours_waits_until_work_begins() {
    let minutes = |hours| wait_until_work(Duration::from_hours(hours)).as_minutes_f64();
    // Four nights of 16 h and a weekend of 64 h: (4 · 16² + 64²) ÷ 336.
    assert!((minutes(128) - 5_120.0 / 336.0 * 60.0).abs() < 1.0 / 30.0);
    assert!((minutes(168) - (4.0 * 24.0 * 24.0 + 72.0 * 72.0) / 336.0 * 60.0).abs() < 1.0 / 30.0);
    // A weekend alone.
    assert!((minutes(48) - 48.0 * 48.0 / 336.0 * 60.0).abs() < 1.0 / 30.0);
    assert_eq!(wait_until_work(Duration::ZERO), Duration::ZERO);
}

fn ruled(basis: &Basis) -> [(Option<SupportModel>, SupportReason); 2] {
    recommend(&assumed(), basis).unwrap().rules.map(|ruled| (ruled.model, ruled.reason))
}

/// Equal Experts' selection: each line of its rule, and what no line covers.
#[test]
fn the_playbooks_rule_has_two_keys() {
    use SupportModel::{Developers, Operations};
    let days = Duration::from_days;
    let shelf = |interval, an_hour: &str| Basis {
        product: Product::OffTheShelf,
        interval,
        an_hour: money(an_hour),
        ..basis()
    };
    let says = |basis: Basis| ruled(&basis)[0];
    assert_eq!(says(basis()), (Some(Developers), SupportReason::OftenDeployed));
    let weekly = Basis { interval: days(7), ..basis() };
    assert_eq!(says(weekly), (Some(Developers), SupportReason::OftenDeployed));
    let seldom = Basis { interval: days(8), ..basis() };
    assert_eq!(says(seldom), (None, SupportReason::NotCovered));
    for an_hour in ["6000 USD", "200000 USD", "900000 USD"] {
        assert_eq!(
            says(shelf(days(14), an_hour)),
            (Some(Operations), SupportReason::SeldomDeployed)
        );
    }
    assert_eq!(says(shelf(days(30), "1 USD")).0, Some(Operations));
    assert_eq!(says(shelf(days(7), "1 USD")), (None, SupportReason::NotCovered));
    // At four nines always those who build it: by a banding that asks for them.
    let mut spec = assumed().spec;
    spec.bandings[0].bands[2].target = target("99.99%");
    let strict = SupportCosts::new("strict", spec).unwrap();
    let of = recommend(&strict, &shelf(days(30), "900000 USD")).unwrap();
    assert_eq!(
        (of.rules[0].model, of.rules[0].reason),
        (Some(Developers), SupportReason::FourNines)
    );
}

/// How SRE teams take services on: each step, and back.
#[test]
fn the_rule_of_sre_teams_has_steps() {
    use SupportModel::{Developers, Shared, Sre};
    let says =
        |traffic, reviewed, missed| ruled(&Basis { traffic, reviewed, missed, ..basis() })[1];
    let (light, some, critical) = (Traffic::Light, Traffic::Substantial, Traffic::Critical);
    assert_eq!(says(light, false, false), (Some(Developers), SupportReason::Default));
    assert_eq!(says(light, true, false), (Some(Developers), SupportReason::Default));
    assert_eq!(says(some, false, false), (Some(Developers), SupportReason::NotReviewed));
    assert_eq!(says(some, true, false), (Some(Shared), SupportReason::Substantial));
    assert_eq!(says(critical, false, false), (Some(Developers), SupportReason::NotReviewed));
    assert_eq!(says(critical, true, false), (Some(Sre), SupportReason::Critical));
    assert_eq!(says(critical, true, true), (Some(Developers), SupportReason::HandedBack));
}

/// Where the two rules differ neither decides; where one is silent the other does.
#[test]
fn rules_that_differ_are_both_shown() {
    use SupportModel::{Developers, Mixed, Operations, Sre};
    let agree = recommend(&assumed(), &basis()).unwrap();
    assert_eq!(agree.agreed, Some(SupportModel::Developers));
    assert!(agree.assumed);
    let critical = Basis { traffic: Traffic::Critical, reviewed: true, ..basis() };
    let differ = recommend(&assumed(), &critical).unwrap();
    assert_eq!(differ.agreed, None);
    assert_eq!(
        differ.rules.map(|of| of.model),
        [Some(SupportModel::Developers), Some(SupportModel::Sre)]
    );
    let silent = Basis { interval: Duration::from_days(10), ..critical };
    assert_eq!(recommend(&assumed(), &silent).unwrap().agreed, Some(SupportModel::Sre));
    assert_eq!(differ.costs.len(), 5);
    // A premium that is small beside what it does not cover is not the cheapest insurance.
    assert!(differ.costs.is_sorted_by(|a, b| a.with_loss.amount() <= b.with_loss.amount()));
    assert!(!differ.costs.is_sorted_by(|a, b| a.total.amount() <= b.total.amount()));
    let all = [Operations, Developers, Sre, Mixed].map(|of| match of {
        Operations => crate::service::SupportModel::Operations,
        Developers => crate::service::SupportModel::Developers,
        Sre => crate::service::SupportModel::Sre,
        _ => crate::service::SupportModel::Mixed,
    });
    for said in all {
        let model = SupportModel::of_service(said);
        assert!(differ.costs.iter().any(|cost| cost.model == model), "{said:?} has its cost");
    }
    assert!(differ.costs.iter().all(|cost| cost.out_of_hours == OutOfHours::Domain));
    assert!(differ.rules.iter().all(|of| of.reason.sentence().ends_with('.')));
    assert_eq!(recommend(&assumed(), &Basis { an_hour: money("1 EUR"), ..basis() }), None);
}

fn choice() -> SupportChoice {
    SupportChoice {
        who: "ada".to_owned(),
        at: Timestamp::from_seconds(0),
        basis: basis(),
        target: target("99%"),
        model: SupportModel::Developers,
        out_of_hours: OutOfHours::Domain,
        reason: None,
    }
}

/// What is chosen against the bands or a rule is told at once, whatever happens later.
#[test]
fn a_choice_against_what_was_said_then_is_marked() {
    assert_eq!(against(&assumed(), &choice()), Some(Vec::new()));
    let mut nothing = choice();
    nothing.target = target("0%");
    nothing.model = SupportModel::Sre;
    nothing.out_of_hours = OutOfHours::None;
    let rules = [SupportRule::EqualExperts, SupportRule::SreRunIt];
    let model =
        |rule| Against::Model { rule, asked: SupportModel::Developers, chosen: SupportModel::Sre };
    let found = against(&assumed(), &nothing).unwrap();
    assert_eq!(
        found,
        [
            Against::Target { asked: target("99%"), chosen: target("0%") },
            Against::OutOfHours { asked: OutOfHours::Domain, chosen: OutOfHours::None },
            model(rules[0]),
            model(rules[1]),
        ]
    );
    assert_eq!(found[0].sentence(), "The bands asked for 99%, and 0% was chosen.");
}

/// What is in force is held against what was chosen, whatever the numbers say.
#[test]
fn what_is_in_force_is_not_always_what_was_chosen() {
    let same = InForce {
        promised: vec![target("99.9%"), target("99%")],
        broken: Vec::new(),
        holder: Some(SupportModel::Developers),
    };
    assert_eq!(left(&choice(), &same), []);
    assert_eq!(left(&choice(), &InForce { holder: None, ..same.clone() }), [], "not known");
    let other = InForce {
        promised: vec![target("99.9%")],
        broken: vec!["checkout".to_owned()],
        holder: Some(SupportModel::Sre),
    };
    let found = left(&choice(), &other);
    let said: Vec<String> = found.iter().map(Drift::sentence).collect();
    assert_eq!(
        said,
        [
            "99% was chosen, and its SLOs promise 99.9%.",
            "developers was chosen, and the pager is with sre.",
            "The budget of checkout is overspent.",
        ]
    );
    let mut mixed = choice();
    mixed.model = SupportModel::Mixed;
    assert_eq!(left(&mixed, &InForce { holder: Some(SupportModel::Sre), ..same }), []);
}

#[test]
fn a_choice_stands_while_its_numbers_do() {
    assert_eq!(drift(&assumed(), &choice(), &basis()), Some(Vec::new()));
    // A little more of everything, within the quarter that is tolerated.
    let load = Load { call_outs_a_year: 12, failures_a_year: 15, ..LOAD };
    let near = Basis { an_hour: money("200000 USD"), load, ..basis() };
    assert_eq!(drift(&assumed(), &choice(), &near), Some(Vec::new()));
}

#[test]
fn drift_says_which_number_led_elsewhere() {
    let richer = Basis { an_hour: money("300000 USD"), ..basis() };
    let found = drift(&assumed(), &choice(), &richer).unwrap();
    let because = vec![Input::AnHour];
    assert_eq!(
        found,
        [
            Drift::Target { chosen: target("99%"), now: target("99.9%"), because: because.clone() },
            // Twelve failures of half an hour.
            Drift::Loss { then: money("1200000 USD"), now: money("1800000 USD"), because },
        ]
    );
    // Traffic and review only together lead to another model.
    let grown = Basis { traffic: Traffic::Critical, reviewed: true, ..basis() };
    let found = drift(&assumed(), &choice(), &grown).unwrap();
    let model = |because: Vec<Input>| Drift::Model {
        rule: SupportRule::SreRunIt,
        chosen: SupportModel::Developers,
        now: SupportModel::Sre,
        because,
    };
    assert_eq!(found, [model(Vec::new())]);
    let mut reviewed = choice();
    reviewed.basis.reviewed = true;
    assert_eq!(drift(&assumed(), &reviewed, &grown), Some(vec![model(vec![Input::Traffic])]));
    // More call-outs cost more.
    let load = Load { call_outs_a_year: 400, ..LOAD };
    let found = drift(&assumed(), &choice(), &Basis { load, ..basis() }).unwrap();
    assert!(
        matches!(&found[..], [Drift::Cost { because, .. }] if *because == [Input::Load]),
        "{found:?}"
    );
}

/// What was chosen against a rule is no drift until the rule says a third thing.
#[test]
fn a_choice_against_a_rule_stands() {
    let mut against = choice();
    against.target = target("99.9%");
    against.model = SupportModel::Operations;
    assert_eq!(drift(&assumed(), &against, &basis()), Some(Vec::new()));
    let grown = Basis { traffic: Traffic::Critical, reviewed: true, ..basis() };
    assert!(matches!(
        &drift(&assumed(), &against, &grown).unwrap()[..],
        [Drift::Model { now: SupportModel::Sre, .. }]
    ));
}

/// Costs that say nothing of the model are told of by whoever has a choice; what else has left it is found all the same.
#[test]
fn a_choice_without_costs_is_held_against_what_else_is_known() {
    let mut costs = assumed();
    costs.spec.models.retain(|of| of.model != SupportModel::Developers);
    assert_eq!(drift(&costs, &choice(), &basis()), Some(Vec::new()));
    let richer = Basis { an_hour: money("300000 USD"), ..basis() };
    let found = drift(&costs, &choice(), &richer);
    assert!(matches!(found.as_deref(), Some([Drift::Target { .. }])), "{found:?}");
    let euros = Basis { an_hour: money("300000 EUR"), ..basis() };
    assert_eq!(drift(&costs, &choice(), &euros), None, "in two currencies");
}

#[test]
fn costs_are_written_as_they_are_read_and_checked() {
    let costs = assumed();
    assert!(costs.spec.assumed);
    let again: SupportCostsSpec =
        serde_json::from_value(serde_json::to_value(&costs.spec).unwrap()).unwrap();
    assert_eq!(again, costs.spec);
    let kept: SupportChoice =
        serde_json::from_value(serde_json::to_value(choice()).unwrap()).unwrap();
    assert_eq!(kept, choice());
    let mut spec = costs.spec.clone();
    spec.call_out = money("1 EUR");
    spec.out_of_hours = Duration::from_hours(169);
    spec.services_per_domain = 0;
    spec.models[1].model = SupportModel::Developers;
    spec.models[1].set_up_years = 0;
    spec.bandings[0].bands[2].up_to = Some(money("800000 USD"));
    spec.bandings[1].bands.swap(0, 1);
    spec.nines.times = 0;
    let wrong = SupportCosts::new("", spec).unwrap_err();
    let paths: Vec<&str> = wrong.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "metadata.name",
            "spec.callOut",
            "spec.outOfHours",
            "spec.servicesPerDomain",
            "spec.models[1].model",
            "spec.models[1].setUpYears",
            "spec.bandings[0].bands",
            "spec.bandings[1].bands",
            "spec.nines.times",
        ]
    );
}
