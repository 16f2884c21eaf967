use flyball_model::{Duration, Incident, Interval, Timestamp};
use proptest::prelude::*;

use super::super::*;

/// 126 incidents that companies wrote about.
const PUBLIC: &str = include_str!("../../../tests/data/incidents/public-incident-durations.csv");

fn at(minute: i64) -> Timestamp {
    Timestamp::from_seconds(minute * 60)
}

fn public() -> Vec<IncidentRecord> {
    let lines = PUBLIC.lines().skip(1).enumerate();
    let records = lines.map(|(number, line)| {
        // One of them sank in 1628, which is before nanoseconds in 64 bits begin: only lengths are read.
        let minutes: f64 = line.split(',').nth(3).unwrap().parse().unwrap();
        let length = Duration::from_nanos(whole(minutes * 60_000.0) * 1_000_000).unwrap();
        let incident = Incident {
            started: Some(at(0)),
            resolved: Some(at(0).plus(length)),
            ..Incident::new(number.to_string())
        };
        let by = Opened::ByMessage { system: "csv".to_owned() };
        IncidentRecord::new(incident, by, at(0))
    });
    records.collect()
}

/// The nearest whole number.
fn whole(number: f64) -> i64 {
    format!("{number:.0}").parse().unwrap()
}

fn all() -> Interval {
    Interval::new(Timestamp::MIN, Timestamp::MAX).unwrap()
}

/// The numbers were counted apart from this code, with Python's `statistics` and `fractions`.
#[test]
fn a_mean_of_public_incidents_says_more_of_the_longest_than_of_the_rest() {
    let found = measures(&public(), all(), Timestamp::MAX);
    assert_eq!((found.incidents, found.detect.lengths.as_ref()), (126, None));
    let lengths = found.resolve.lengths.as_ref().unwrap();
    let minutes = |of: Duration| of.as_minutes_f64();
    assert!((minutes(found.resolve.mean().unwrap()) - 16_998.694).abs() < 0.01);
    assert!((minutes(lengths.spread.median) - 429.5).abs() < 1e-9);
    assert!((minutes(lengths.spread.p90) - 7_199.98).abs() < 0.01);
    assert_eq!(lengths.quartiles.map(minutes), [104.0, 2_072.0]);
    assert_eq!(lengths.median_95.unwrap().map(minutes), [270.0, 626.0]);
    let counts: Vec<u64> = lengths.bins.iter().map(|bin| bin.count).collect();
    assert_eq!(counts, [1, 0, 2, 6, 8, 18, 12, 18, 23, 17, 11, 10]);
    let is_longer = |bin: &&Bin| bin.below.is_none_or(|end| end > found.resolve.mean().unwrap());
    let longer: u64 = lengths.bins.iter().filter(is_longer).map(|bin| bin.count).sum();
    assert!(longer < 126 / 10, "nine of ten are shorter than the mean");
}

/// Ranks of the 95 % interval of a median, as tables of it have them (Conover, *Practical Nonparametric
/// Statistics*): of 6 the first and last, of 10 the 2nd and 9th, of 20 the 6th and 15th, of 30 the 10th and 21st.
#[test]
fn the_interval_of_a_median_has_the_published_ranks() {
    let interval = |count: u32| {
        let lengths: Vec<Duration> = (1..=count).map(Duration::from_minutes).collect();
        Distribution::of(lengths).unwrap().median_95
    };
    let ranks = |low, high| Some([low, high].map(Duration::from_minutes));
    assert_eq!((interval(1), interval(5)), (None, None));
    for (count, low, high) in [(6, 1, 6), (10, 2, 9), (12, 3, 10), (20, 6, 15), (30, 10, 21)] {
        assert_eq!(interval(count), ranks(low, high), "of {count}");
    }
}

#[test]
fn what_lasts_is_told_beside_and_false_alarms_are_measured_nowhere() {
    let record = |id: &str, moments: [Option<i64>; 5]| {
        let [started, detected, acknowledged, mitigated, resolved] =
            moments.map(|minute| minute.map(at));
        let incident = Incident {
            started,
            detected,
            acknowledged,
            mitigated,
            resolved,
            ..Incident::new(id.to_owned())
        };
        IncidentRecord::new(incident, Opened::ByAlerts { alerts: vec![1] }, at(0))
    };
    let mut alarm = record("false", [Some(0), Some(1), Some(2), None, Some(3)]);
    let by = By { who: "ada", at: at(9), why: "the probe was wrong" };
    alarm.call_false(FalseAlarmCause::Measurement, "the probe asked a host of old", by).unwrap();
    let records = [
        record("a", [Some(0), Some(5), Some(7), Some(20), Some(30)]),
        record("b", [Some(10), Some(11), None, None, None]),
        record("c", [None, Some(12), Some(11), None, Some(40)]),
        record("late", [Some(100), Some(101), None, None, None]),
        alarm,
    ];
    let hour = Interval::new(at(0), at(60)).unwrap();
    let found = measures(&records, hour, at(70));
    assert_eq!((found.incidents, found.false_alarms[&FalseAlarmCause::Measurement]), (3, 1));
    let count = |of: &Measure| of.lengths.as_ref().map_or(0, |lengths| lengths.spread.count);
    let lasting = |of: &Measure| of.lasting.map(|of| (of.count, of.longest));
    assert_eq!((count(&found.detect), found.detect.unknown), (2, 1));
    assert_eq!(found.detect.mean(), Some(Duration::from_minutes(3)));
    assert_eq!(found.acknowledge.mean(), Some(Duration::from_minutes(2)));
    assert_eq!(found.acknowledge.unknown, 1, "it was acknowledged before it was detected");
    assert_eq!(lasting(&found.acknowledge), Some((1, Duration::from_minutes(59))));
    assert_eq!(found.mitigate.mean(), Some(Duration::from_minutes(20)));
    assert_eq!(lasting(&found.resolve), Some((1, Duration::from_minutes(60))));
    assert_eq!(measures(&[], hour, at(0)).resolve.mean(), None, "nothing has no mean");
}

proptest! {
    /// Against sums and counts that are made naively.
    #[test]
    fn a_distribution_is_what_it_is_counted_from(minutes in proptest::collection::vec(0u32..20_000, 1..60)) {
        let lengths: Vec<Duration> = minutes.iter().copied().map(Duration::from_minutes).collect();
        let found = Distribution::of(lengths.clone()).unwrap();
        let sum: u64 = minutes.iter().map(|of| u64::from(*of)).sum();
        let mean = sum as f64 / minutes.len() as f64;
        prop_assert!((found.mean.as_minutes_f64() - mean).abs() < 1e-6);
        prop_assert_eq!(found.bins.iter().map(|bin| bin.count).sum::<u64>(), minutes.len() as u64);
        let mut before = Duration::ZERO;
        for bin in &found.bins {
            let is_in = |of: &&Duration| **of >= before && bin.below.is_none_or(|end| **of < end);
            prop_assert_eq!(bin.count, lengths.iter().filter(is_in).count() as u64);
            before = bin.below.unwrap_or(before);
        }
        if let Some([low, high]) = found.median_95 {
            prop_assert!(low <= found.spread.median && found.spread.median <= high);
            // As many lie below the interval as above it: the ranks are symmetric.
            let below = lengths.iter().filter(|of| **of < low).count();
            prop_assert!(below <= lengths.len() / 2);
        }
    }
}
