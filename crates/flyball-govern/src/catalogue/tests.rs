use flyball_model::Duration;
use proptest::prelude::*;

use super::*;
use crate::service::ServiceSpec;

fn target(text: &str) -> Target {
    Target::new(Rational::parse_percent(text).unwrap()).unwrap()
}

fn promises(all: &[(&str, &str)]) -> Vec<(String, Target)> {
    all.iter().map(|(slo, text)| ((*slo).to_owned(), target(text))).collect()
}

fn described(name: &str, more: &str) -> Service {
    let text = format!(
        r#"{{"team": "t", "accountable": {{"who": "ada"}}, "fundedUntil": "2030-12-31"{more}}}"#
    );
    let spec: ServiceSpec = serde_json::from_str(&text).unwrap();
    Service::new(name, spec).unwrap()
}

fn today() -> Date {
    "2026-11-22".parse().unwrap()
}

/// The faults of a service called `shop`, which asks what `asks` says, among `others`.
fn faults(own: &[(&str, &str)], asks: &str, others: &[(&str, &[(&str, &str)])]) -> Vec<Fault> {
    let shop = described("shop", &format!(r#", "dependencies": [{asks}]"#));
    let own = promises(own);
    let services: Vec<_> = others.iter().map(|(name, _)| described(name, "")).collect();
    let theirs: Vec<_> = others.iter().map(|(_, slos)| promises(slos)).collect();
    let mut entries = vec![Entry { name: "shop", service: Some(&shop), promises: &own }];
    for (service, promises) in services.iter().zip(&theirs) {
        entries.push(Entry { name: &service.name, service: Some(service), promises });
    }
    let found = check(&entries, today());
    found.into_iter().filter(|(name, _)| name == "shop").flat_map(|(_, faults)| faults).collect()
}

#[test]
fn what_goes_is_asked_neither_for_money_nor_for_promises() {
    let of = |lifecycle: &str| {
        let text = format!(
            r#"{{"team": "t", "accountable": {{"who": "ada"}}, "lifecycle": "{lifecycle}"}}"#
        );
        let shop = Service::new("shop", serde_json::from_str(&text).unwrap()).unwrap();
        check(&[Entry { name: "shop", service: Some(&shop), promises: &[] }], today())
    };
    assert_eq!(of("deprecated"), []);
    let production = of("production");
    assert!(
        matches!(production[0].1.as_slice(), [Fault::NotFunded { .. }, Fault::NoSlo]),
        "{production:?}"
    );
}

const TWO: &str = r#"{"service": "bank"}, {"service": "stock"}"#;

#[test]
fn two_that_are_needed_allow_less_than_either() {
    // 0.9999 × 0.9999 = 0.99980001.
    let others: [(&str, &[(&str, &str)]); 2] =
        [("bank", &[("up", "99.99%")]), ("stock", &[("up", "99.99%")])];
    assert_eq!(faults(&[("up", "99.98%")], TWO, &others), []);
    assert_eq!(faults(&[("up", "99.980001%")], TWO, &others), [], "at the bound");
    let above = faults(&[("up", "99.9800010001%")], TWO, &others);
    let [Fault::AboveProduct { target, bound, dependencies, .. }] = above.as_slice() else {
        panic!("{above:?}")
    };
    assert_eq!((target.as_str(), dependencies.len()), ("99.9800010001%", 2));
    assert!((bound - 0.999_800_01).abs() < 1e-12, "{bound}");
    // A fifth nine is above each of them, whatever fails with what.
    let above = faults(&[("up", "99.999%")], TWO, &others);
    assert_eq!(above.len(), 2, "{above:?}");
    assert!(above.iter().all(|fault| matches!(fault, Fault::AboveDependency { .. })), "{above:?}");
}

#[test]
fn a_soft_dependency_allows_anything() {
    let asks = r#"{"service": "bank", "kind": "soft"}"#;
    assert_eq!(faults(&[("up", "99.999%")], asks, &[("bank", &[("up", "90%")])]), []);
    assert_eq!(faults(&[("up", "99.999%")], asks, &[("bank", &[])]), []);
}

#[test]
fn a_dependency_promises_what_is_asked_of_it() {
    let others: [(&str, &[(&str, &str)]); 1] = [("bank", &[("fast", "95%"), ("up", "99.95%")])];
    let asks = r#"{"service": "bank", "slo": "up"}"#;
    assert_eq!(faults(&[("up", "99.9%")], asks, &others), []);
    assert_eq!(faults(&[("up", "99.95%")], asks, &others), [], "as much as it promises");
    assert_eq!(faults(&[("up", "99.96%")], asks, &others).len(), 1);
    let slower = faults(&[("up", "99.9%")], r#"{"service": "bank", "slo": "fast"}"#, &others);
    let [Fault::AboveDependency { promised, .. }] = slower.as_slice() else { panic!("{slower:?}") };
    assert_eq!(promised, "95%");
    let gone = faults(&[("up", "99.9%")], r#"{"service": "bank", "slo": "fresh"}"#, &others);
    let [Fault::DependencyWithoutSlo { slo: Some(slo), .. }] = gone.as_slice() else {
        panic!("{gone:?}")
    };
    assert_eq!(slo, "fresh");
}

/// A bank that is available for 99 % and fresh for 99.99 % allows nobody 99.9 % by its freshness.
#[test]
fn which_promise_is_needed_is_told_or_not_known() {
    let others: [(&str, &[(&str, &str)]); 1] = [("bank", &[("up", "99%"), ("fresh", "99.99%")])];
    let asks = r#"{"service": "bank"}"#;
    assert_eq!(faults(&[("up", "99%")], asks, &others), [], "whichever it is");
    let found = faults(&[("up", "99.9%")], asks, &others);
    let [Fault::DependencyUnclear { lowest, highest, .. }] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((lowest.as_str(), highest.as_str()), ("99%", "99.99%"));
    assert!(
        found[0].sentence().contains("`{service: bank, slo: NAME}`"),
        "{}",
        found[0].sentence()
    );
    let found = faults(&[("up", "99.999%")], asks, &others);
    assert!(matches!(found[..], [Fault::AboveDependency { .. }]), "{found:?}");
}

/// The faults of each of `services` that say whom they ask, all of which promise 99 % but those of `silent`.
fn woven(services: &[(&str, &str)], silent: &[&str]) -> Vec<(String, Vec<Fault>)> {
    let described: Vec<Service> = services
        .iter()
        .map(|(name, asks)| {
            let asks = asks.split_whitespace().map(|of| format!(r#"{{"service": "{of}"}}"#));
            let asks: Vec<String> = asks.collect();
            described(name, &format!(r#", "dependencies": [{}]"#, asks.join(", ")))
        })
        .collect();
    let (own, none) = (promises(&[("up", "99%")]), Vec::new());
    let entries: Vec<Entry<'_>> = described
        .iter()
        .map(|service| {
            let promises = if silent.contains(&&*service.name) { &none } else { &own };
            Entry { name: &service.name, service: Some(service), promises }
        })
        .collect();
    check(&entries, today())
}

#[test]
fn services_that_cannot_do_without_each_other_are_told() {
    let found =
        woven(&[("a", "b"), ("b", "c d"), ("c", "a"), ("d", ""), ("e", "a"), ("f", "f2")], &[]);
    let cycles: Vec<(&str, Vec<&str>)> = found
        .iter()
        .flat_map(|(name, faults)| faults.iter().map(move |fault| (name, fault)))
        .filter_map(|(name, fault)| match fault {
            Fault::DependencyCycle { services } => {
                Some((name.as_str(), services.iter().map(String::as_str).collect()))
            }
            _ => None,
        })
        .collect();
    let expected =
        [("a", vec!["a", "b", "c"]), ("b", vec!["b", "c", "a"]), ("c", vec!["c", "a", "b"])];
    assert_eq!(cycles, expected);
}

/// Behind one that promises nothing stands what it cannot do without itself.
#[test]
fn what_promises_nothing_hides_nothing() {
    let found = woven(&[("a", "b"), ("b", "c d"), ("c", ""), ("d", "")], &["b"]);
    let of = |name: &str| found.iter().find(|(of, _)| of == name).unwrap().1.clone();
    let without = Fault::DependencyWithoutSlo { dependency: "b".to_owned(), slo: None };
    let faults = of("a");
    let [first, Fault::AboveProduct { dependencies, .. }] = faults.as_slice() else {
        panic!("{faults:?}")
    };
    assert_eq!((first, dependencies), (&without, &vec!["c".to_owned(), "d".to_owned()]));
    assert_eq!(of("b"), [Fault::NoSlo]);
}

#[test]
fn a_dependency_without_promise_is_told() {
    let asks = r#"{"service": "bank"}, {"service": "gone"}"#;
    let found = faults(&[("up", "99%")], asks, &[("bank", &[])]);
    let without =
        |name: &str| Fault::DependencyWithoutSlo { dependency: name.to_owned(), slo: None };
    assert_eq!(found, [without("bank"), without("gone")]);
}

#[test]
fn nobody_answers_pays_or_promises() {
    let bare = Service::new("bare", ServiceSpec::default()).unwrap();
    let none: [(String, Target); 0] = [];
    let entries = [
        Entry { name: "bare", service: Some(&bare), promises: &none },
        Entry { name: "heard-of", service: None, promises: &none },
    ];
    let found = check(&entries, today());
    let unknown = Fault::NotFunded { funding: Funding::Unknown };
    assert_eq!(
        found,
        [
            (
                "bare".to_owned(),
                vec![Fault::NoTeam, Fault::NobodyAccountable, unknown, Fault::NoSlo]
            ),
            ("heard-of".to_owned(), vec![Fault::Undescribed, Fault::NoSlo]),
        ]
    );
    for (_, faults) in found {
        assert!(faults.iter().all(|fault| fault.sentence().ends_with('.')));
    }
}

#[test]
fn funding_is_told_before_it_ends() {
    let fault = |until: &str| {
        let text =
            format!(r#"{{"team": "t", "accountable": {{"who": "a"}}, "fundedUntil": "{until}"}}"#);
        let spec: ServiceSpec = serde_json::from_str(&text).unwrap();
        let service = Service::new("shop", spec).unwrap();
        let promises = promises(&[("up", "99%")]);
        let entry = Entry { name: "shop", service: Some(&service), promises: &promises };
        check(&[entry], today()).pop().map(|(_, mut faults)| faults.remove(0))
    };
    let day = |text: &str| text.parse::<Date>().unwrap();
    let ended = |last| Some(Fault::NotFunded { funding: Funding::Ended { last } });
    let ends = |until| Some(Fault::NotFunded { funding: Funding::Ends { until } });
    assert_eq!(fault("2026-11-21"), ended(day("2026-11-21")));
    assert_eq!(fault("2026-11-22"), ends(day("2026-11-22")), "the last day is paid");
    // 90 days after 2026-11-22 is 2027-02-20.
    assert_eq!(fault("2027-02-19"), ends(day("2027-02-19")));
    assert_eq!(fault("2027-02-20"), None);
    assert_eq!(crate::service::FUNDING_NOTICE, 90);
    assert_eq!(
        crate::service::day(flyball_model::Timestamp::MIN.plus(Duration::from_days(400))).year(),
        1678
    );
}

proptest! {
    /// Against fractions whose products still fit 128 bits.
    #[test]
    fn products_compare_as_wide_integers_do(
        share in (0_u64..1_000, 1_u64..1_000),
        factors in proptest::collection::vec((0_u64..1_000, 1_u64..1_000), 0..10),
    ) {
        let fraction = |(part, more): (u64, u64)| (part, part + more);
        let exact = |(part, whole): (u64, u64)| Rational::new(part, whole).unwrap();
        let share = fraction(share);
        let factors: Vec<_> = factors.into_iter().map(fraction).collect();
        let (mut left, mut right) = (u128::from(share.0), u128::from(share.1));
        for (part, whole) in &factors {
            left *= u128::from(*whole);
            right *= u128::from(*part);
        }
        let factors: Vec<_> = factors.into_iter().map(exact).collect();
        prop_assert_eq!(compare_with_product(exact(share), &factors), left.cmp(&right));
    }

    /// What no machine integer holds: as many equal dependencies as there may be, a hair around their product.
    #[test]
    fn many_that_are_needed_are_compared_exactly(nines in 1_u32..12, count in 1_usize..64) {
        let whole = 10_u64.pow(nines);
        let each = Rational::new(whole - 1, whole).unwrap();
        let factors = vec![each; count];
        prop_assert!(compare_with_product(each, &factors[..1]).is_eq());
        if count > 1 {
            prop_assert!(compare_with_product(each, &factors).is_gt());
        }
        // The sum of what may go bad is a bound from below: Π (1 - b) ≥ 1 - Σ b (Bernoulli).
        let bad = u64::try_from(count).unwrap();
        if bad < whole {
            let bound = Rational::new(whole - bad, whole).unwrap();
            prop_assert!(compare_with_product(bound, &factors).is_le());
        }
    }
}
