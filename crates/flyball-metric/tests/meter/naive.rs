//! The meter against a count that knows nothing of maps, routes and changes: every series for itself,
//! from all its samples at once.

use std::collections::BTreeMap;

use flyball_events::{SampleValue, Series};
use flyball_metric::Meter;
use flyball_model::{Slot, Tally};
use flyball_testkit::Random;

use crate::support::{Ledger, at, bad, good, number, post, series};

const NANOS: i128 = 1_000_000_000;

/// Requests and their arrivals: scrapes of three targets, in order, with resets, pauses, retries,
/// series that appear later, and halves of events.
pub(crate) fn scrapes(seed: u64, count: u64) -> Vec<(i64, Vec<Series>)> {
    let mut random = Random::new(seed);
    let mut values: BTreeMap<String, u64> = BTreeMap::new();
    let (mut seconds, mut requests) = (10_000, Vec::new());
    for _ in 0..count {
        let pauses = [5, 10, 15, 15, 15, 30, 290, 310, 5_000];
        seconds += pauses[usize::try_from(random.below(9)).unwrap()];
        let mut request = Vec::new();
        for instance in ["a", "b", "c"] {
            let is_down = random.below(6) == 0;
            let restarts = random.below(12) == 0;
            for code in ["200", "404", "500", "503"] {
                let name = format!("http_total code={code} instance={instance} job=j");
                if is_down || (!values.contains_key(&name) && random.below(3) > 0) {
                    continue;
                }
                let value = values.entry(name.clone()).or_default();
                let step = [0, 2, 2, 6, 40, 41][usize::try_from(random.below(6)).unwrap()];
                *value = if restarts { step } else { *value + step };
                let mut samples = vec![number(seconds, *value as f64 / 2.0)];
                if random.below(10) == 0 {
                    samples.push(number(seconds - 3, 7.0));
                }
                request.push(series(&name, samples));
            }
        }
        requests.push((seconds + 1, request));
    }
    requests
}

/// What each slot should have: all and bad events.
fn expected(requests: &[(i64, Vec<Series>)]) -> BTreeMap<Slot, (u64, u64)> {
    let label = |series: &Series, name: &str| {
        series.labels.iter().find(|(label, _)| label == name).unwrap().1.clone()
    };
    // In halves, so that everything is a whole number.
    let mut samples: BTreeMap<(String, String), Vec<(i64, u64)>> = BTreeMap::new();
    let mut sightings: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for series in requests.iter().flat_map(|(_, request)| request) {
        let of = samples.entry((label(series, "instance"), label(series, "code"))).or_default();
        for sample in &series.samples {
            let SampleValue::Number(value) = sample.value else { unreachable!() };
            let seconds = sample.at.nanos() / 1_000_000_000;
            if of.last().is_none_or(|(last, _)| *last < seconds) {
                of.push((seconds, format!("{:.0}", value * 2.0).parse().unwrap()));
                sightings.entry(label(series, "instance")).or_default().push(seconds);
            }
        }
    }
    let mut slots: BTreeMap<Slot, (u64, u64)> = BTreeMap::new();
    for ((instance, code), samples) in &samples {
        let mut rest = 0;
        let mut before: Option<(i64, u64)> = None;
        for (to, value) in samples {
            let (from, halves) = match before {
                Some((from, last)) if last <= *value => (from, value - last),
                Some((from, _)) => (from, *value),
                None => {
                    let seen = sightings[instance].iter().filter(|seen| *seen < to).max();
                    match seen {
                        Some(seen) if to - seen <= 300 => (*seen, *value),
                        _ => {
                            before = Some((*to, *value));
                            continue;
                        }
                    }
                }
            };
            before = Some((*to, *value));
            let sum = halves + rest;
            let whole = sum / 2;
            rest = sum % 2;
            let from = from.max(to - 3_600);
            let upto = |second: i64| {
                let share = i128::from(second.clamp(from, *to) - from) * NANOS;
                i128::from(whole) * share / (i128::from(to - from) * NANOS)
            };
            for slot in from / 10..=to / 10 {
                let part = u64::try_from(upto(slot * 10 + 10) - upto(slot * 10)).unwrap();
                let sum = slots.entry(Slot(slot)).or_default();
                sum.0 += part;
                sum.1 += if code.starts_with('5') { part } else { 0 };
            }
        }
    }
    slots.retain(|_, (valid, _)| *valid > 0);
    slots
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn counts_are_those_of_a_naive_count(seed in proptest::prelude::any::<u64>(), count in 1u64..60) {
        let requests = scrapes(seed, count);
        let slis = vec![
            bad("sum(rate(http_total{code=~\"5..\"}[5m]))", "sum(rate(http_total[5m]))"),
            good("sum(http_total) - sum(http_total{code=~\"5.*\"})", "sum(http_total{job=\"j\"})"),
        ];
        let mut meter = Meter::new(slis, at(0));
        let mut ledger = Ledger::new();
        for (arrival, request) in &requests {
            meter.apply(request, at(*arrival));
            post(&mut ledger, &meter.drain().counts);
        }
        meter.apply(&[], at(100_000_000));
        post(&mut ledger, &meter.drain().counts);
        let expected = expected(&requests);
        for sli in 0..2 {
            let found: BTreeMap<Slot, (u64, u64)> = ledger
                .iter()
                .filter(|((of, _), _)| *of == sli)
                .map(|((_, slot), tally): (_, &Tally)| (*slot, (tally.valid(), tally.bad())))
                .collect();
            proptest::prop_assert_eq!(&found, &expected);
            proptest::prop_assert_eq!(meter.standing(sli).unwrap().ahead, 0);
        }
    }
}
