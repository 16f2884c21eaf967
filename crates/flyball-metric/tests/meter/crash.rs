//! A meter that is killed and restored ends where one ends that was never killed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use flyball_events::{Buckets, Histogram, Reset, Sample, SampleValue, Series};
use flyball_metric::{Meter, Standing, Watched};
use flyball_model::Comparison;
use flyball_testkit::Random;

use crate::naive::scrapes;
use crate::support::{Ledger, at, bad, gauge, good, number, post, series, share, since};

/// Compiled once: expressions take longer than samples.
static SLIS: LazyLock<Vec<Watched>> = LazyLock::new(|| {
    vec![
        bad("sum(rate(http_total{code=~\"5..\"}[5m]))", "sum(rate(http_total[5m]))"),
        // Series of their own for each side, which a scrape here and there lacks.
        good("sum(rate(d_bucket{le=\"0.3\"}[5m]))", "sum(rate(d_count[5m]))"),
        bad("sum(rate(d_count[5m])) - sum(rate(d_bucket{le=\"1\"}[5m]))", "sum(rate(d_count[5m]))"),
        share("histogram_fraction(0, 0.3, sum(rate(h[5m])))"),
        good("increase(delta_total{ok=\"1\"}[1m])", "sum(increase(delta_total[1m]))"),
        gauge("queue", Comparison::AtMost, 10.0),
        gauge("time() - queue", Comparison::Above, 0.0),
        // More on the side than in the total.
        good("sum(http_total)", "sum(http_total{code=\"200\"})"),
    ]
});

/// Scrapes of counters, with classic and exponential histograms, deltas and gauges added.
fn requests(seed: u64, count: u64) -> Vec<(i64, Vec<Series>)> {
    let mut random = Random::new(seed ^ 1);
    let mut requests = scrapes(seed, count);
    let (mut buckets, mut before, mut shift) = ([0u64; 4], 9_990, 0);
    for (arrival, request) in &mut requests {
        // Now and then nothing comes for more than a day.
        shift += if random.below(25) == 0 { 100_000 } else { 0 };
        for sample in request.iter_mut().flat_map(|series| &mut series.samples) {
            sample.at = at(sample.at.nanos() / 1_000_000_000 + shift);
        }
        *arrival += shift;
        let seconds = *arrival - 1;
        if random.below(15) == 0 {
            buckets = [0; 4];
        }
        for (at, bucket) in (1..).zip(&mut buckets) {
            *bucket += random.below(at * 10);
        }
        let bounds = ["0.1", "0.5", "1.0", "+Inf"];
        for (le, value) in bounds.into_iter().zip(buckets) {
            if random.below(12) > 0 {
                let name = format!("d_bucket instance=a job=j le={le}");
                request.push(series(&name, vec![number(seconds, value as f64)]));
            }
        }
        if random.below(12) > 0 {
            let count = vec![number(seconds, buckets[3] as f64)];
            request.push(series("d_count instance=a job=j", count));
        }
        request.push(series("h instance=a", vec![exponential(seconds, buckets, random.below(20))]));
        for ok in ["0", "1"] {
            let delta = since(seconds, before, random.below(9) as f64 / 4.0);
            request.push(series(&format!("delta_total ok={ok}"), vec![delta]));
        }
        before = seconds;
        let gauge =
            [f64::NAN, 5.0, 15.0, seconds as f64][usize::try_from(random.below(4)).unwrap()];
        request.push(series("queue", vec![number(seconds, gauge)]));
        // Shards of one scrape come apart and in any order.
        if random.below(2) == 0 {
            request.reverse();
        }
    }
    let split = requests.into_iter().flat_map(|(arrival, mut request)| {
        let later = request.split_off(request.len() / 2);
        [(arrival, request), (arrival + 2, later)]
    });
    split.collect()
}

fn exponential(seconds: i64, buckets: [u64; 4], chance: u64) -> Sample {
    // At times the source makes its buckets coarser.
    let scale = i32::from(chance > 2);
    let positive = (-3..).zip(buckets).map(|(index, count)| (index, count as f64)).collect();
    let buckets_sum = buckets.iter().sum::<u64>() as f64;
    let histogram = Histogram {
        count: buckets_sum,
        sum: 0.0,
        reset: if chance == 5 { Reset::Yes } else { Reset::Unknown },
        buckets: Buckets::Exponential {
            scale,
            zero_threshold: 0.0,
            zero: 0.0,
            positive,
            negative: vec![],
        },
    };
    Sample { at: at(seconds), since: None, value: SampleValue::Histogram(Box::new(histogram)) }
}

/// What was committed: the ledger, what the meter keeps, and how far the requests are counted.
#[derive(Default)]
struct Store {
    ledger: Ledger,
    kept: BTreeMap<Vec<u8>, Vec<u8>>,
    position: usize,
}

impl Store {
    fn commit(&mut self, meter: &mut Meter, position: usize) {
        let drained = meter.drain();
        post(&mut self.ledger, &drained.counts);
        for (key, value) in drained.changes {
            match value {
                Some(value) => self.kept.insert(key, value),
                None => self.kept.remove(&key),
            };
        }
        self.position = position;
    }

    fn restore(&self) -> Meter {
        let pairs = self.kept.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        Meter::restore(SLIS.clone(), at(9_000), pairs).unwrap()
    }
}

/// Runs all requests, committing and being killed by chance; with none, in one go.
fn run(requests: &[(i64, Vec<Series>)], mut chance: Option<Random>) -> (Store, Vec<Standing>) {
    let mut store = Store::default();
    let mut meter = store.restore();
    let mut position = 0;
    // Enough for every run to end.
    let mut lives = 20;
    while let Some((arrival, request)) = requests.get(position) {
        meter.apply(request, at(*arrival));
        position += 1;
        let Some(random) = &mut chance else { continue };
        match random.below(6) {
            0 => store.commit(&mut meter, position),
            1 if lives > 0 => {
                lives -= 1;
                meter = store.restore();
                position = store.position;
            }
            // Time goes on without samples as well.
            2 => meter.apply(&[], at(*arrival)),
            _ => {}
        }
    }
    meter.apply(&[], at(1_000_000_000));
    store.commit(&mut meter, position);
    let standings = (0..SLIS.len()).map(|sli| meter.standing(sli).unwrap()).collect();
    (store, standings)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn a_killed_meter_ends_with_the_same_tallies(seed in proptest::prelude::any::<u64>(), count in 1u64..50) {
        let requests = requests(seed, count);
        let (whole, standings) = run(&requests, None);
        let (killed, killed_standings) = run(&requests, Some(Random::new(seed)));
        proptest::prop_assert_eq!(&killed.ledger, &whole.ledger);
        proptest::prop_assert_eq!(&killed.kept, &whole.kept);
        proptest::prop_assert_eq!(killed_standings, standings);
    }
}

/// The test above would notice: what is committed without its state counts differently.
#[test]
fn forgetting_what_is_kept_is_noticed() {
    let requests = requests(7, 40);
    let (whole, _) = run(&requests, None);
    let mut store = Store::default();
    let mut meter = store.restore();
    for (index, (arrival, request)) in requests.iter().enumerate() {
        meter.apply(request, at(*arrival));
        store.commit(&mut meter, index + 1);
        if index == 50 {
            store.kept.clear();
            meter = store.restore();
        }
    }
    meter.apply(&[], at(1_000_000_000));
    store.commit(&mut meter, requests.len());
    assert_ne!(store.ledger, whole.ledger);
}

#[test]
fn damaged_pairs_are_refused() {
    let mut store = Store::default();
    let mut meter = store.restore();
    for (arrival, request) in requests(3, 20) {
        meter.apply(&request, at(arrival));
    }
    store.commit(&mut meter, 0);
    for (key, value) in &store.kept {
        for length in 0..value.len() {
            let pair = [(key.as_slice(), &value[..length])];
            assert!(Meter::restore(SLIS.clone(), at(0), pair).is_err(), "{key:?} cut to {length}");
        }
    }
    for key in [&b""[..], b"x", b"s123", b"cc"] {
        assert!(Meter::restore(SLIS.clone(), at(0), [(key, &[1][..])]).is_err());
    }
}
