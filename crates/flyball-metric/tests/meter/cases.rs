//! One rule a test, with numbers that can be checked by hand.

use std::collections::BTreeMap;

use flyball_events::{Buckets, Histogram, Reset, Sample, SampleValue, Series, Temporality};
use flyball_metric::{Meter, Reason, Watched};
use flyball_model::{Comparison, Slot, Tally};

use crate::support::{
    Ledger, at, bad, bad_by_host, gauge, good, number, post, series, share, since, totals,
};

/// A meter of one SLI that counts every `c`, from second 1,000 on.
fn counter() -> Meter {
    Meter::new(vec![bad("c{code=\"500\"}", "c")], at(1_000))
}

fn refusals(meter: &Meter) -> Vec<(Reason, u64)> {
    meter.refusals().collect()
}

/// Valid events after samples of one series.
fn counted(samples: Vec<Sample>) -> u64 {
    let mut meter = counter();
    meter.apply(&[series("c instance=a", samples)], at(9_000));
    totals(&mut meter, 0).0
}

#[test]
fn increases_lie_between_their_samples() {
    let mut meter = counter();
    for (seconds, value) in [(1_005, 100.0), (1_020, 115.0), (1_035, 115.0), (1_050, 118.0)] {
        meter.apply(&[series("c instance=a", vec![number(seconds, value)])], at(seconds));
    }
    meter.apply(&[], at(2_000));
    let counts = meter.drain().counts;
    let slots: Vec<(i64, u64)> = counts.iter().map(|c| (c.slot.0, c.tally.valid())).collect();
    // 15 in (1005, 1020]: five seconds of it lie in slot 100; then none; then 3 in (1035, 1050].
    assert_eq!(slots, [(100, 5), (101, 10), (103, 1), (104, 2)]);
}

#[test]
fn a_first_sample_is_a_baseline() {
    assert_eq!(counted(vec![number(2_000, 100.0)]), 0);
    assert_eq!(counted(vec![number(2_000, 100.0), number(2_015, 107.0)]), 7);
}

/// A past comes in long stretches: a series whose labels sort before those of its target's others counts from
/// zero all the same, and one that was there from the start does not.
#[test]
fn the_order_of_series_in_a_request_does_not_matter() {
    let steady = |code: &str| {
        let samples = (0..5).map(|step| number(2_000 + 15 * step, 50.0)).collect();
        series(&format!("c code={code} instance=a job=x"), samples)
    };
    let first_error = series("c code=500 instance=a job=x", vec![number(2_030, 3.0)]);
    for others in [["200", "300"], ["700", "800"]] {
        let mut request = vec![first_error.clone(), steady(others[0]), steady(others[1])];
        request.sort_by(|a, b| a.labels.cmp(&b.labels));
        let mut meter = counter();
        meter.apply(&request, at(2_060));
        assert_eq!(totals(&mut meter, 0), (3, 0), "{others:?}");
    }
}

/// Each host has counts of its own, beyond the limit together with others; a restart knows them again.
#[test]
fn slices_are_counted_for_themselves() {
    let watched = || vec![bad_by_host("c{code=\"500\"}", "c", 2)];
    let request = |seconds, well: f64, failed: f64| {
        let of = |host: &str, code: &str, value| {
            let labels = format!("c code={code} host={host} instance=i job=x");
            series(&labels, vec![number(seconds, value)])
        };
        let both = |host| [of(host, "200", well), of(host, "500", failed)];
        ["a", "b", "c", "d"].into_iter().flat_map(both).collect::<Vec<Series>>()
    };
    let mut meter = Meter::new(watched(), at(1_000));
    meter.apply(&request(2_000, 10.0, 1.0), at(2_000));
    meter.apply(&request(2_010, 17.0, 2.0), at(2_010));
    let mut kept = BTreeMap::new();
    let mut counts: BTreeMap<Option<String>, (u64, u64)> = BTreeMap::new();
    let mut take = |meter: &mut Meter| {
        let drained = meter.drain();
        kept.extend(drained.changes);
        for counted in drained.counts {
            let slice = counted.slice.map(|slice| slice.to_string());
            let sum = counts.entry(slice).or_default();
            *sum = (sum.0 + counted.tally.valid(), sum.1 + counted.tally.bad());
        }
        kept.clone()
    };
    let pairs = take(&mut meter);
    let pairs = pairs.iter().filter_map(|(key, value)| Some((key.as_slice(), value.as_deref()?)));
    let mut meter = Meter::restore(watched(), at(1_000), pairs).unwrap();
    meter.apply(&request(2_020, 17.0, 4.0), at(2_020));
    meter.apply(&[], at(3_000));
    take(&mut meter);
    let slices = [("a", 10, 3), ("b", 10, 3), ("other", 20, 6)];
    let slices = slices.map(|(slice, valid, bad)| (Some(slice.to_owned()), (valid, bad)));
    let all: BTreeMap<_, _> = slices.into_iter().chain([(None, (40, 12))]).collect();
    assert_eq!(counts, all);
}

#[test]
fn a_start_after_the_meter_began_counts_from_zero() {
    assert_eq!(counted(vec![since(2_000, 1_990, 5.0)]), 5);
    assert_eq!(counted(vec![since(2_000, 1_000, 5.0)]), 5);
    assert_eq!(counted(vec![since(2_000, 999, 5.0)]), 0);
}

#[test]
fn a_series_of_a_watched_target_counts_from_zero() {
    let count = |second: &str, seconds| {
        let mut meter = counter();
        meter.apply(&[series("c code=200 instance=a job=x", vec![number(2_000, 50.0)])], at(2_000));
        meter.apply(&[series(second, vec![number(seconds, 3.0)])], at(seconds));
        totals(&mut meter, 0)
    };
    // The first error of a target that was scraped before: `increase()` never sees it.
    assert_eq!(count("c code=500 instance=a job=x", 2_015), (3, 0));
    assert_eq!(count("c code=500 instance=a job=x", 2_300), (3, 0));
    assert_eq!(count("c code=500 instance=a job=x", 2_301), (0, 0));
    assert_eq!(count("c code=500 instance=b job=x", 2_015), (0, 0));
    assert_eq!(count("c code=500 instance=a job=y", 2_015), (0, 0));
    // Of the same scrape.
    assert_eq!(count("c code=500 instance=a job=x", 2_000), (0, 0));
}

#[test]
fn a_new_sli_does_not_take_a_known_series_for_new() {
    let mut meter = counter();
    meter.apply(&[series("c instance=a", vec![number(2_000, 50.0)])], at(2_000));
    let pairs = meter.drain().changes;
    let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_slice(), v.as_deref().unwrap())).collect();
    let slis = || vec![bad("c{code=\"500\"}", "c"), bad("d", "c"), bad("c", "c_bucket{le=\"1\"}")];
    let mut meter = Meter::restore(slis(), at(2_005), pairs).unwrap();
    assert_eq!(meter.standing(0).unwrap().began, at(1_000));
    assert_eq!(meter.standing(1).unwrap().began, at(2_005));
    meter.apply(&[series("c instance=a", vec![number(2_015, 53.0)])], at(2_015));
    meter.apply(&[], at(3_000));
    let counts = meter.drain().counts;
    let valid = |sli| counts.iter().filter(|c| c.sli == sli).map(|c| c.tally.valid()).sum::<u64>();
    assert_eq!((valid(0), valid(1), valid(2)), (3, 3, 0));
}

#[test]
fn resets_count_from_zero() {
    assert_eq!(counted(vec![number(2_000, 100.0), number(2_015, 4.0)]), 4);
    // The start tells what the value does not show.
    let with_starts = |second| counted(vec![since(2_000, 900, 10.0), since(2_015, second, 25.0)]);
    assert_eq!(with_starts(2_005), 25);
    assert_eq!(with_starts(900), 15);
    // Restated by a moment, long before the last sample: not a reset.
    assert_eq!(with_starts(901), 15);
}

#[test]
fn what_says_that_it_is_a_delta_is_never_subtracted() {
    // A source whose points all name the same start.
    let deltas = vec![since(2_000, 1_990, 5.0), since(2_060, 1_990, 7.0), since(2_120, 1_990, 6.0)];
    let counted = |temporality, deltas| {
        let mut meter = counter();
        let series = Series { temporality, ..series("c instance=a", deltas) };
        meter.apply(std::slice::from_ref(&series), at(9_000));
        // Sent again, it counts once.
        meter.apply(&[series], at(9_001));
        totals(&mut meter, 0).0
    };
    assert_eq!(counted(Temporality::Delta, deltas.clone()), 18);
    assert_eq!(counted(Temporality::Cumulative, deltas), 5 + 2 + 6);
    let unsaid = vec![number(2_000, 5.0), number(2_060, 7.0)];
    assert_eq!(counted(Temporality::Delta, unsaid), 7, "what the first one is since is not known");
}

#[test]
fn deltas_are_increases_since_their_starts() {
    let deltas = vec![since(2_000, 1_940, 5.0), since(2_060, 2_000, 7.0), since(2_120, 2_060, 9.0)];
    assert_eq!(counted(deltas), 21);
}

#[test]
fn gaps_and_ends_lose_nothing() {
    let stale = Sample { value: SampleValue::Stale, ..number(2_015, 0.0) };
    let samples = vec![number(2_000, 10.0), stale, number(2_600, 40.0), number(8_000, 41.0)];
    assert_eq!(counted(samples), 31);
}

#[test]
fn what_cannot_be_counted_is_left_out_by_reason() {
    let mut meter = counter();
    let samples = vec![
        number(2_000, 10.0),
        number(2_000, 11.0),
        number(1_999, 12.0),
        number(2_010, f64::NAN),
        number(2_010, f64::INFINITY),
        number(2_010, -1.0),
        number(2_010, 1e16),
        number(2_611, 10.0),
        number(2_010, 13.0),
    ];
    meter.apply(&[series("c instance=a", samples)], at(2_010));
    assert_eq!(
        refusals(&meter),
        [
            (Reason::Duplicate, 1),
            (Reason::Late, 1),
            (Reason::Future, 1),
            (Reason::NotFinite, 2),
            (Reason::Negative, 1),
            (Reason::TooLarge, 1),
        ]
    );
    assert_eq!(totals(&mut meter, 0).0, 3);
}

#[test]
fn fractions_carry_their_rest() {
    let quarters = (0..9).map(|step| number(2_000 + step * 15, step as f64 * 0.25));
    assert_eq!(counted(quarters.collect()), 2);
    // Across a reset too.
    let samples = vec![number(2_000, 1.0), number(2_015, 1.75), number(2_030, 0.25)];
    assert_eq!(counted(samples), 1);
}

#[test]
fn gauges_are_events_by_sample() {
    let slis = vec![
        gauge("lag{topic=\"a\"}", Comparison::AtMost, 5.0),
        gauge("time() - done", Comparison::Below, 86_400.0),
    ];
    let mut meter = Meter::new(slis, at(0));
    let lags = [3.0, 5.0, 6.0, f64::NAN, -1.0];
    let lags = (0..).zip(lags).map(|(step, value)| number(100_000 + step * 10, value)).collect();
    let done =
        vec![number(100_000, 13_601.0), number(100_010, 13_601.0), number(100_020, 99_000.0)];
    meter.apply(
        &[series("lag topic=a", lags), series("lag topic=b", vec![number(100_000, 1.0)])],
        at(100_050),
    );
    meter.apply(&[series("done", done)], at(100_050));
    let counts = meter.drain().counts;
    let of = |sli| counts.iter().filter(move |c| c.sli == sli).map(|c| (c.slot.0, c.tally.good()));
    // Without waiting: gauges have one side.
    assert_eq!(of(0).collect::<Vec<_>>(), [(10_000, 1), (10_001, 1), (10_002, 0), (10_004, 1)]);
    assert_eq!(of(1).collect::<Vec<_>>(), [(10_000, 1), (10_001, 0), (10_002, 1)]);
    assert_eq!(refusals(&meter), [(Reason::NotFinite, 1)]);
}

/// A scrape of a classic histogram with bounds 0.1, 0.5, 2.
fn scrape(meter: &mut Meter, seconds: i64, [a, b, c, all]: [f64; 4]) {
    let bucket = |le: &str, value| {
        series(&format!("d_bucket instance=a le={le}"), vec![number(seconds, value)])
    };
    let request = [
        bucket("2.0", c),
        bucket("+Inf", all),
        bucket("0.1", a),
        bucket("0.5", b),
        series("d_count instance=a", vec![number(seconds, all)]),
    ];
    meter.apply(&request, at(seconds));
}

#[test]
fn classic_buckets_are_exact_on_bounds_and_interpolated_inside() {
    let of = |le: &str| {
        let side = format!("sum(rate(d_bucket{{le=\"{le}\"}}[5m]))");
        let slis = vec![good(&side, "sum(rate(d_count[5m]))")];
        let mut meter = Meter::new(slis, at(0));
        scrape(&mut meter, 1_000, [5.0, 6.0, 7.0, 8.0]);
        scrape(&mut meter, 1_015, [15.0, 36.0, 97.0, 108.0]);
        let standing = meter.standing(0).unwrap();
        let (remembered, sums) = (meter.series_count(), totals(&mut meter, 0));
        (sums, standing.is_estimated, remembered)
    };
    // Only the bucket that is needed is remembered, and the count.
    assert_eq!(of("0.5"), ((100, 30), false, 2));
    // However the bound is written.
    assert_eq!(of("2"), ((100, 90), false, 2));
    // Half way from 0.5 to 2: 30 and half of the 60 above.
    assert_eq!(of("1.25"), ((100, 60), true, 3));
    assert_eq!(of("0.05"), ((100, 5), true, 2));
    assert_eq!(of("9"), ((100, 90), true, 2));
}

/// A histogram with 10 up to 1, 20 up to 2, 40 up to 4, times `factor`.
fn histogram(seconds: i64, factor: f64, reset: Reset) -> Sample {
    let positive = vec![(0, 10.0 * factor), (1, 20.0 * factor), (2, 40.0 * factor)];
    let buckets = Buckets::Exponential {
        scale: 0,
        zero_threshold: 1e-9,
        zero: 0.0,
        positive,
        negative: vec![],
    };
    let histogram = Histogram { count: 70.0 * factor, sum: 0.0, reset, buckets };
    Sample { at: at(seconds), since: None, value: SampleValue::Histogram(Box::new(histogram)) }
}

#[test]
fn histograms_give_both_sides_at_once() {
    let of = |bound: &str, samples: Vec<Sample>| {
        let text = format!("histogram_fraction(0, {bound}, sum(rate(h[5m])))");
        let mut meter = Meter::new(vec![share(&text)], at(0));
        meter.apply(&[series("h instance=a", samples)], at(2_000));
        let estimated = meter.standing(0).unwrap().is_estimated;
        // Nothing waits: what is there is there at once.
        let counts = meter.drain().counts;
        assert_eq!(meter.standing(0).unwrap().waiting, 0);
        let sum: flyball_model::Tally = counts.iter().map(|c| c.tally).sum();
        (sum.valid(), sum.good(), estimated)
    };
    let plain = |last| vec![histogram(1_000, 1.0, Reset::Unknown), last];
    assert_eq!(of("2", plain(histogram(1_015, 3.0, Reset::No))), (140, 60, false));
    // 2.828… is the middle of (2, 4] by exponents.
    let (valid, good, estimated) =
        of("2.8284271247461903", plain(histogram(1_015, 3.0, Reset::No)));
    assert!((valid, estimated) == (140, true) && (99..=100).contains(&good));
    // Resets, told and seen; a delta; and numbers where histograms are meant.
    assert_eq!(of("2", plain(histogram(1_015, 3.0, Reset::Yes))), (210, 90, false));
    assert_eq!(
        of("2", vec![histogram(1_000, 3.0, Reset::No), histogram(1_015, 1.0, Reset::Unknown)]),
        (70, 30, false)
    );
    let delta = Sample { since: Some(at(1_000)), ..histogram(1_015, 2.0, Reset::Gauge) };
    assert_eq!(of("2", plain(delta)), (140, 60, false));
    assert_eq!(
        of("2", vec![histogram(1_000, 2.0, Reset::Gauge), number(1_015, 5.0)]),
        (0, 0, false)
    );
}

#[test]
fn series_are_bounded() {
    let mut meter = counter().with_series_max(2);
    for name in ["a", "b", "c"] {
        let samples = vec![number(2_000, 1.0), number(2_010, 3.0)];
        meter.apply(&[series(&format!("c instance={name}"), samples)], at(2_010));
    }
    assert_eq!((meter.series_count(), refusals(&meter)), (2, vec![(Reason::TooManySeries, 2)]));
    // A day later the first ones are forgotten, and there is room.
    meter.apply(&[], at(2_010 + 26 * 3_600));
    assert_eq!(meter.series_count(), 0);
    let gone = meter.drain().changes.iter().filter(|(_, value)| value.is_none()).count();
    assert_eq!(gone, 4, "two series and two targets");
}

#[test]
fn the_future_may_be_near() {
    let mut meter = counter();
    let samples = vec![number(2_000, 1.0), number(2_500, 2.0)];
    meter.apply(&[series("c instance=a", samples)], at(2_000));
    meter.apply(&[], at(2_529));
    assert_eq!(meter.drain().counts.iter().filter(|c| c.slot >= Slot(249)).count(), 0);
    assert_eq!(totals(&mut meter, 0).0, 1);
}

/// Two meters of one SLI, of which the first counts up to a moment and the second after it, count
/// together what one alone counts, whatever samples the second is given from before.
#[test]
fn a_meter_takes_over_from_another_at_any_moment() {
    let samples = |from: i64, to: i64| {
        let all = (0..40).map(|n| (1_000 + 15 * n, n));
        let some = all.filter(move |(at, _)| from < *at && *at <= to);
        let of = |text, value: &dyn Fn(i64) -> i64| {
            let number = |(at, n): (i64, i64)| number(at, value(n) as f64);
            series(text, some.clone().map(number).collect())
        };
        vec![
            of("c code=200 instance=a", &|n| 100 + 7 * n),
            // Begins anew in between.
            of("c code=500 instance=a", &|n| if n < 20 { 50 + n } else { n - 20 }),
        ]
    };
    let one = |from, to, after: Option<i64>| {
        let sli = Watched { after: after.map(at), ..bad("c{code=\"500\"}", "c") };
        let mut meter = Meter::new(vec![sli], at(900));
        meter.apply(&samples(from, to), at(to));
        totals(&mut meter, 0)
    };
    let whole = one(0, 5_000, None);
    assert_eq!(whole, (39 * 7 + 38, 39 * 7));
    for moment in [1_014, 1_015, 1_200, 1_300, 1_307, 1_590] {
        let (first, second) = (one(0, moment, None), one(moment - 60, 5_000, Some(moment)));
        assert_eq!((first.0 + second.0, first.1 + second.1), whole, "at {moment}");
    }
}

#[test]
fn a_new_threshold_of_a_known_histogram_is_no_failure() {
    let native = |seconds, count: f64| {
        let buckets = Buckets::Explicit { bounds: vec![1.0, 2.0], counts: vec![count, 0.0, 0.0] };
        let histogram = Histogram { count, sum: 0.0, reset: Reset::Unknown, buckets };
        let value = SampleValue::Histogram(Box::new(histogram));
        series("h", vec![Sample { at: at(seconds), since: None, value }])
    };
    let faster = |than: u32| {
        good(
            &format!("histogram_fraction(-Inf, {than}, h) * histogram_count(h)"),
            "histogram_count(h)",
        )
    };
    let mut meter = Meter::new(vec![faster(1)], at(1_000));
    meter.apply(&[native(1_010, 5.0)], at(1_010));
    let pairs = meter.drain().changes;
    let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_slice(), v.as_deref().unwrap())).collect();
    let mut meter = Meter::restore(vec![faster(1), faster(2)], at(1_015), pairs).unwrap();
    meter.apply(&[native(1_020, 9.0)], at(1_020));
    meter.apply(&[native(1_030, 12.0)], at(1_030));
    meter.apply(&[], at(4_000_000_000));
    let mut ledger = Ledger::new();
    post(&mut ledger, &meter.drain().counts);
    let sum = |sli: usize| -> Tally {
        ledger.iter().filter(|((of, _), _)| *of == sli).map(|(_, tally)| *tally).sum()
    };
    assert_eq!(sum(0), Tally::new(7, 7).unwrap());
    assert_eq!(sum(1), Tally::new(3, 3).unwrap());
}

#[test]
fn stored_samples_do_not_wait_for_others_longer_than_they_have() {
    let all = |code: &str| {
        let samples = (0..120).map(|n| number(1_000 + 10 * n, n as f64)).collect();
        series(&format!("c code={code}"), samples)
    };
    let valid = |mut meter: Meter| {
        meter.apply(&[all("200"), all("500")], at(2_190));
        meter.drain().counts.iter().map(|counted| counted.tally.valid()).sum::<u64>()
    };
    let meter = || Meter::new(vec![bad("c{code=\"500\"}", "c")], at(900));
    // All but the last half minute.
    assert_eq!((valid(meter()), valid(meter().of_stored())), (0, 2 * 116));
}

#[test]
fn selectors_that_no_series_meets_are_told() {
    let mut meter = Meter::new(vec![bad("c{code=\"500\"}", "c{job=\"x\"}")], at(1_000));
    let unmet = |meter: &Meter| -> Vec<(String, bool)> {
        let unmet = meter.unmet(0).into_iter();
        unmet.map(|unmet| (unmet.selector, unmet.is_of_bad)).collect()
    };
    let (side, total) = ("c{code=\"500\"}".to_owned(), "c{job=\"x\"}".to_owned());
    meter.apply(&[series("d job=x", vec![number(1_005, 1.0)])], at(1_005));
    meter.apply(&[series("c job=y", vec![number(1_005, 1.0)])], at(1_005));
    assert_eq!(unmet(&meter), [(side.clone(), true), (total, false)]);
    meter.apply(&[series("c job=x", vec![number(1_010, 1.0)])], at(1_010));
    assert_eq!(unmet(&meter), [(side, true)]);
    assert_eq!(meter.unmet(1), []);
    // What was met is met again after a restart, with the first samples.
    let pairs = meter.drain().changes;
    let pairs = pairs.iter().filter_map(|(key, value)| Some((key.as_slice(), value.as_deref()?)));
    let again = vec![bad("c{code=\"500\"}", "c{job=\"x\"}")];
    let mut meter = Meter::restore(again, at(1_000), pairs).unwrap();
    assert_eq!(meter.unmet(0).len(), 2);
    meter.apply(&[series("c job=x", vec![number(1_020, 1.0)])], at(1_020));
    assert_eq!(meter.unmet(0).len(), 1);
}

#[test]
fn meters_that_tell_each_other_keep_no_more_slices_than_one() {
    let watched = || vec![bad_by_host("c{code=\"500\"}", "c", 2)];
    let request = |host: &str, seconds: i64, value: f64| {
        vec![series(&format!("c host={host} instance=i job=x"), vec![number(seconds, value)])]
    };
    let mut meters = [Meter::new(watched(), at(1_000)), Meter::new(watched(), at(1_000))];
    for (turn, host) in ["a", "b", "c", "d"].into_iter().enumerate() {
        for seconds in [2_000, 2_010] {
            let (one, other) = meters.split_at_mut(1);
            let (one, other) = if turn % 2 == 0 { (one, other) } else { (other, one) };
            one[0].apply(&request(host, seconds, seconds as f64), at(seconds));
            for (sli, slice) in one[0].take_met() {
                other[0].know(sli, &slice);
            }
        }
    }
    let mut kept: Vec<String> = Vec::new();
    for meter in &mut meters {
        meter.apply(&[], at(3_000));
        kept.extend(meter.drain().counts.into_iter().filter_map(|c| Some(c.slice?.to_string())));
        assert_eq!(meter.take_met(), [], "what another has met is not told back");
    }
    kept.sort();
    kept.dedup();
    assert_eq!(kept, ["a", "b", "other"]);
}
