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
    let nobody = of(OutOfHours::None);
    assert_eq!(
        (nobody.standby, nobody.call_outs, nobody.time_off),
        (money("0 USD"), money("0 USD"), money("0 USD"))
    );
    let developers =
        costs.yearly(SupportModel::Developers, OutOfHours::Team, &LOAD, money("1000 USD")).unwrap();
    assert_eq!(developers.capital, money("20000 USD"));
    assert_eq!(developers.capital.plus(developers.operating), Some(developers.total));
    assert_eq!(costs.yearly(SupportModel::Sre, OutOfHours::Team, &LOAD, money("1 EUR")), None);
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
    assert_eq!(differ.costs.len(), 4);
    assert!(differ.costs.is_sorted_by(|a, b| a.total.amount() <= b.total.amount()));
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
    }
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
