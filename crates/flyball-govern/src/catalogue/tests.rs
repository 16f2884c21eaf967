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
fn a_dependency_promises_the_highest_of_its_targets() {
    let others: [(&str, &[(&str, &str)]); 1] = [("bank", &[("fast", "95%"), ("up", "99.95%")])];
    let asks = r#"{"service": "bank"}"#;
    assert_eq!(faults(&[("up", "99.9%")], asks, &others), []);
    assert_eq!(faults(&[("up", "99.95%")], asks, &others), [], "as much as it promises");
    assert_eq!(faults(&[("up", "99.96%")], asks, &others).len(), 1);
}

#[test]
fn a_dependency_without_promise_is_told() {
    let asks = r#"{"service": "bank"}, {"service": "gone"}"#;
    let found = faults(&[("up", "99%")], asks, &[("bank", &[])]);
    let without = |name: &str| Fault::DependencyWithoutSlo { dependency: name.to_owned() };
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
