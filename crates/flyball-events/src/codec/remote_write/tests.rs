use proptest::prelude::*;

use super::RemoteWriteVersion::{V1, V2};
use super::*;
use crate::codec::wire::MALFORMED;

/// A writer of protobuf, to read back.
#[derive(Default, Clone)]
struct Message(Vec<u8>);

impl Message {
    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn varint(mut self, tag: u64, value: u64) -> Self {
        self.raw_varint(tag << 3);
        self.raw_varint(value);
        self
    }

    fn double(mut self, tag: u64, value: f64) -> Self {
        self.raw_varint(tag << 3 | 1);
        self.0.extend(value.to_bits().to_le_bytes());
        self
    }

    fn bytes(mut self, tag: u64, value: &[u8]) -> Self {
        self.raw_varint(tag << 3 | 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn packed(self, tag: u64, values: &[u64]) -> Self {
        let mut inner = Self::default();
        for value in values {
            inner.raw_varint(*value);
        }
        self.bytes(tag, &inner.0)
    }

    fn packed_doubles(self, tag: u64, values: &[f64]) -> Self {
        let bytes: Vec<u8> =
            values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect();
        self.bytes(tag, &bytes)
    }
}

fn message() -> Message {
    Message::default()
}

fn zig(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn millis(at: Timestamp) -> u64 {
    (at.nanos() / 1_000_000).cast_unsigned()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_nanos(millis * 1_000_000)
}

fn write_side(message: Message, first_tag: u64, buckets: &[(i32, f64)], whole: bool) -> Message {
    let mut message = message;
    let mut next = 0_i64;
    let mut last = 0_i64;
    let (mut deltas, mut counts) = (Vec::new(), Vec::new());
    for (index, count) in buckets {
        let span = Message::default().varint(1, zig(i64::from(*index) - next)).varint(2, 1);
        message = message.bytes(first_tag, &span.0);
        next = i64::from(*index) + 1;
        deltas.push(zig(*count as i64 - last));
        last = *count as i64;
        counts.push(*count);
    }
    if whole {
        message.packed(first_tag + 1, &deltas)
    } else {
        message.packed_doubles(first_tag + 2, &counts)
    }
}

fn write_histogram(sample: &Sample, histogram: &Histogram, whole: bool) -> Vec<u8> {
    let mut out = message();
    out =
        if whole { out.varint(1, histogram.count as u64) } else { out.double(2, histogram.count) };
    out = out.double(3, histogram.sum).varint(15, millis(sample.at));
    out = match histogram.reset {
        Reset::Unknown => out,
        Reset::Yes => out.varint(14, 1),
        Reset::No => out.varint(14, 2),
        Reset::Gauge => out.varint(14, 3),
    };
    if let Some(since) = sample.since {
        out = out.varint(17, millis(since));
    }
    match &histogram.buckets {
        Buckets::Exponential { scale, zero_threshold, zero, positive, negative } => {
            out = out.varint(4, zig(i64::from(*scale))).double(5, *zero_threshold);
            out = if whole { out.varint(6, *zero as u64) } else { out.double(7, *zero) };
            write_side(write_side(out, 8, negative, whole), 11, positive, whole).0
        }
        Buckets::Explicit { bounds, counts } => {
            out = out.varint(4, zig(EXPLICIT_SCHEMA)).packed_doubles(16, bounds);
            let buckets: Vec<(i32, f64)> = (0..).zip(counts.iter().copied()).collect();
            write_side(out, 11, &buckets, whole).0
        }
    }
}

/// A request with `series`, as a sender would write it. Version 2 puts every text into a table.
fn write(version: RemoteWriteVersion, series: &[Series], whole: bool) -> Vec<u8> {
    let mut symbols = vec![String::new()];
    let mut body = message();
    for one in series {
        let mut out = message();
        let mut references = Vec::new();
        for (name, value) in &one.labels {
            if version == V1 {
                let label = message().bytes(1, name.as_bytes()).bytes(2, value.as_bytes());
                out = out.bytes(1, &label.0);
            }
            for text in [name, value] {
                let known = symbols.iter().position(|symbol| symbol == text);
                references.push(known.unwrap_or_else(|| {
                    symbols.push(text.clone());
                    symbols.len() - 1
                }) as u64);
            }
        }
        if version == V2 {
            out = out.packed(1, &references);
        }
        for sample in &one.samples {
            out = match &sample.value {
                SampleValue::Histogram(histogram) => {
                    let tag = if version == V1 { 4 } else { 3 };
                    out.bytes(tag, &write_histogram(sample, histogram, whole))
                }
                value => {
                    let bits = match value {
                        SampleValue::Number(number) => *number,
                        _ => f64::from_bits(STALE_BITS),
                    };
                    let mut part = message().double(1, bits).varint(2, millis(sample.at));
                    if let Some(since) = sample.since {
                        part = part.varint(3, millis(since));
                    }
                    out.bytes(2, &part.0)
                }
            };
        }
        for _ in 0..one.exemplars {
            let exemplar = message().double(2, 1.5).varint(3, 1_000);
            out = out.bytes(if version == V1 { 3 } else { 4 }, &exemplar.0);
        }
        if version == V2 && one.kind != MetricKind::Unknown {
            out = out.bytes(5, &message().varint(1, one.kind as u64).0);
        }
        body = body.bytes(if version == V1 { 1 } else { 5 }, &out.0);
    }
    if version == V1 {
        return body.0;
    }
    let table = symbols.iter().fold(message(), |table, symbol| table.bytes(4, symbol.as_bytes()));
    [table.0, body.0].concat()
}

fn buckets() -> impl Strategy<Value = Vec<(i32, f64)>> {
    prop::collection::btree_map(-40..40_i32, 0..9_u32, 0..6)
        .prop_map(|map| map.into_iter().map(|(index, count)| (index, f64::from(count))).collect())
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    let exponential = (-4..=8_i32, buckets(), buckets(), 0..9_u32).prop_map(
        |(scale, positive, negative, zero)| Buckets::Exponential {
            scale,
            zero_threshold: 0.001,
            zero: f64::from(zero),
            positive,
            negative,
        },
    );
    let explicit = prop::collection::btree_map(1..1000_u32, 0..9_u32, 0..6).prop_map(|map| {
        let bounds: Vec<f64> = map.keys().map(|bound| f64::from(*bound)).collect();
        let counts = map.values().chain([&3]).map(|count| f64::from(*count)).collect();
        Buckets::Explicit { bounds, counts }
    });
    let reset = prop::sample::select(vec![Reset::Unknown, Reset::Yes, Reset::No, Reset::Gauge]);
    (prop_oneof![exponential, explicit], reset).prop_map(|(buckets, reset)| {
        let count = match &buckets {
            Buckets::Exponential { zero, positive, negative, .. } => {
                zero + positive.iter().chain(negative).map(|(_, count)| count).sum::<f64>()
            }
            Buckets::Explicit { counts, .. } => counts.iter().sum(),
        };
        Histogram { count, sum: 12.5, reset, buckets }
    })
}

fn any_series() -> impl Strategy<Value = Series> {
    let time = (1..4_000_000_000_000_i64).prop_map(at);
    let since = prop::option::of((1..4_000_000_000_000_i64).prop_map(at));
    let number = prop_oneof![
        3 => any::<f64>().prop_filter("compares", |n| !n.is_nan()).prop_map(SampleValue::Number),
        1 => Just(SampleValue::Stale),
    ];
    let histogram =
        any_histogram().prop_map(|histogram| SampleValue::Histogram(Box::new(histogram)));
    let sample = |(at, since, value)| Sample { at, since, value };
    let samples = prop_oneof![
        prop::collection::vec((time.clone(), since.clone(), number).prop_map(sample), 1..4),
        prop::collection::vec((time, since, histogram).prop_map(sample), 1..4),
    ];
    let kind = prop::sample::select(vec![
        MetricKind::Unknown,
        MetricKind::Counter,
        MetricKind::Gauge,
        MetricKind::Histogram,
        MetricKind::Other,
    ]);
    let labels = prop::collection::btree_map("[a-z]{1,6}", "[a-zß]{1,6}", 0..5);
    (labels, kind, samples, 0..3_u64).prop_map(|(mut labels, kind, mut samples, exemplars)| {
        samples.sort_by_key(|sample| sample.at);
        samples.dedup_by_key(|sample| sample.at);
        labels.insert(NAME_LABEL.to_owned(), "requests_total".to_owned());
        Series {
            labels: labels.into_iter().collect(),
            kind,
            temporality: Temporality::Cumulative,
            samples,
            exemplars,
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        series in prop::collection::vec(any_series(), 0..5),
        whole in any::<bool>(),
    ) {
        let read = RemoteWrite::decode(V2, &write(V2, &series, whole)).unwrap();
        prop_assert_eq!(read.rejects.total(), 0, "{:?}", read.rejects);
        prop_assert_eq!(&read.series, &series);
        let read = RemoteWrite::decode(V1, &write(V1, &series, whole)).unwrap();
        // Version 1 says kinds of metrics apart from their series.
        let plain: Vec<Series> =
            series.into_iter().map(|one| Series { kind: MetricKind::Unknown, ..one }).collect();
        prop_assert_eq!(&read.series, &plain);
    }

    #[test]
    fn spoilt_messages_do_no_harm(
        series in prop::collection::vec(any_series(), 1..3),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        for version in [V1, V2] {
            let mut bytes = write(version, &series, true);
            let place = place.index(bytes.len());
            if cut { bytes.truncate(place) } else { bytes[place] = byte }
            if let Ok(read) = RemoteWrite::decode(version, &bytes) {
                prop_assert!(read.series.len() as u64 + read.rejects.total() <= bytes.len() as u64);
            }
            // The other version's message is read as nothing or refused, never as something else.
            let other = if version == V1 { V2 } else { V1 };
            if let Ok(read) = RemoteWrite::decode(other, &write(version, &series, true)) {
                prop_assert!(read.series.is_empty());
            }
        }
    }
}

fn reason(version: RemoteWriteVersion, message: &[u8]) -> &'static str {
    match RemoteWrite::decode(version, message) {
        Err(reason) => reason,
        Ok(read) => {
            assert!(read.series.is_empty(), "{read:?}");
            read.rejects.iter().next().map_or("nothing", |(reason, _)| reason)
        }
    }
}

fn series(labels: &[(&str, &str)], value: SampleValue) -> Series {
    let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let samples = vec![Sample { at: at(1_000), since: None, value }];
    let (kind, temporality) = (MetricKind::Unknown, Temporality::Cumulative);
    Series { labels, kind, temporality, samples, exemplars: 0 }
}

#[test]
fn a_series_that_breaks_a_rule_is_refused_alone() {
    let one = SampleValue::Number(1.0);
    for (labels, expected) in [
        (vec![("a", "b")], NO_NAME),
        (vec![], NO_NAME),
        (vec![("__name__", "x"), ("a", "")], EMPTY_LABEL),
        (vec![("", "a"), ("__name__", "x")], EMPTY_LABEL),
        (vec![("__name__", "x"), ("a", "b"), ("a", "c")], REPEATED),
        (vec![("a", "b"), ("__name__", "x"), ("a", "b")], REPEATED),
    ] {
        let bad = series(&labels, one.clone());
        let good = series(&[("__name__", "x")], one.clone());
        for version in [V1, V2] {
            assert_eq!(
                reason(version, &write(version, std::slice::from_ref(&bad), true)),
                expected
            );
            let both = write(version, &[bad.clone(), good.clone()], true);
            let read = RemoteWrite::decode(version, &both).unwrap();
            assert_eq!((read.series, read.rejects.total()), (vec![good.clone()], 1));
        }
    }
}

#[test]
fn labels_and_samples_are_put_in_order() {
    let number =
        |millis, number| Sample { at: at(millis), since: None, value: SampleValue::Number(number) };
    let mut sent = series(&[("b", "1"), ("__name__", "x"), ("a", "2")], SampleValue::Stale);
    // The time 2 has two values, of which the first stands; the time 1 has one that was sent twice.
    sent.samples = vec![number(2, 20.0), number(1, 10.0), number(2, 21.0), number(1, 10.0)];
    for version in [V1, V2] {
        let read = RemoteWrite::decode(version, &write(version, std::slice::from_ref(&sent), true))
            .unwrap();
        let names: Vec<&str> =
            read.series[0].labels.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["__name__", "a", "b"]);
        assert_eq!(read.series[0].samples, [number(1, 10.0), number(1, 10.0), number(2, 20.0)]);
        let refused: Vec<_> = read.rejects.iter().map(|(why, what)| (why, what.count)).collect();
        assert_eq!(refused, [(OTHER_VALUE, 1)]);
    }
}

#[test]
fn an_exemplar_that_breaks_a_rule_is_refused_alone() {
    let sample = message().double(1, 1.0).varint(2, 1_000);
    let exemplar = |message: Message| message.double(2, 1.5);
    let with = |exemplars: &[Message]| {
        let series = message().packed(1, &[1, 2]).bytes(2, &sample.0);
        let series = exemplars.iter().fold(series, |series, exemplar| series.bytes(4, &exemplar.0));
        let symbols = message().bytes(4, b"").bytes(4, b"__name__").bytes(4, b"x");
        RemoteWrite::decode(V2, &symbols.bytes(5, &series.0).0).unwrap()
    };
    let good = exemplar(message().packed(1, &[1, 2]).varint(3, 1_000));
    for (bad, reason) in [
        (exemplar(message()), NO_EXEMPLAR_TIME),
        (exemplar(message().packed(1, &[1]).varint(3, 1_000)), ODD_LABELS),
        (exemplar(message().packed(1, &[1, 9]).varint(3, 1_000)), NO_SYMBOL),
    ] {
        let read = with(&[good.clone(), bad]);
        assert_eq!((read.series[0].exemplars, read.series[0].samples.len()), (1, 1));
        assert_eq!(read.rejects.first().map(|(why, _)| why), Some(reason));
    }
}

#[test]
fn a_refused_series_counts_with_all_that_it_holds() {
    let mut sent = series(&[("job", "x")], SampleValue::Number(1.0));
    sent.samples.push(Sample { at: at(2_000), ..sent.samples[0].clone() });
    sent.exemplars = 1;
    for version in [V1, V2] {
        let read = RemoteWrite::decode(version, &write(version, std::slice::from_ref(&sent), true))
            .unwrap();
        let refused: Vec<_> = read.rejects.iter().map(|(why, what)| (why, what.count)).collect();
        assert_eq!(refused, [(NO_NAME, 3)]);
    }
}

#[test]
fn references_must_lead_somewhere() {
    let with = |references: &[u64]| {
        let sample = message().double(1, 1.0).varint(2, 1_000);
        let series = message().packed(1, references).bytes(2, &sample.0);
        message().bytes(4, b"").bytes(4, b"__name__").bytes(4, b"x").bytes(5, &series.0).0
    };
    assert_eq!(RemoteWrite::decode(V2, &with(&[1, 2])).unwrap().series.len(), 1);
    assert_eq!(reason(V2, &with(&[1])), ODD_LABELS);
    assert_eq!(reason(V2, &with(&[1, 3])), NO_SYMBOL);
    assert_eq!(reason(V2, &with(&[1, u64::MAX])), NO_SYMBOL);
    assert_eq!(reason(V2, &message().bytes(4, b"x").0), FIRST_SYMBOL);
    // Help and unit are texts of the table too.
    let sample = message().double(1, 1.0).varint(2, 1_000);
    for tag in [3, 4] {
        let series = message().packed(1, &[1, 2]).bytes(2, &sample.0);
        let series = series.bytes(5, &message().varint(1, 1).varint(tag, 9).0);
        let symbols = message().bytes(4, b"").bytes(4, b"__name__").bytes(4, b"x");
        assert_eq!(reason(V2, &symbols.bytes(5, &series.0).0), NO_SYMBOL);
    }
    // Unpacked, as a sender may write them.
    let sample = message().double(1, 1.0).varint(2, 1_000);
    let series = message().varint(1, 1).varint(1, 2).bytes(2, &sample.0);
    let symbols = message().bytes(4, b"").bytes(4, b"__name__").bytes(4, b"x");
    let read = RemoteWrite::decode(V2, &symbols.bytes(5, &series.0).0).unwrap();
    assert_eq!(read.series[0].labels, [("__name__".to_owned(), "x".to_owned())]);
}

#[test]
fn a_series_has_samples_of_one_sort() {
    let name = [("__name__", "x")];
    let mut empty = series(&name, SampleValue::Stale);
    empty.samples.clear();
    assert_eq!(reason(V2, &write(V2, std::slice::from_ref(&empty), true)), NO_SAMPLES);
    // In version 1 a series may come for its exemplars alone.
    assert_eq!(RemoteWrite::decode(V1, &write(V1, &[empty], true)).unwrap().series.len(), 1);
    let buckets = Buckets::Explicit { bounds: vec![], counts: vec![0.0] };
    let histogram = Histogram { count: 0.0, sum: 0.0, reset: Reset::Unknown, buckets };
    let mut both = series(&name, SampleValue::Histogram(Box::new(histogram)));
    both.samples.push(Sample { at: at(1), since: None, value: SampleValue::Number(1.0) });
    assert_eq!(reason(V2, &write(V2, &[both], true)), TWO_SORTS);
}

#[test]
fn a_creation_time_is_that_of_every_sample_without_one() {
    let sample = message().double(1, 1.0).varint(2, 9_000);
    let own = sample.clone().varint(3, 5_000);
    let series = message().packed(1, &[1, 2]).bytes(2, &sample.0).bytes(2, &own.0).varint(6, 4_000);
    let symbols = message().bytes(4, b"").bytes(4, b"__name__").bytes(4, b"x");
    let read = RemoteWrite::decode(V2, &symbols.bytes(5, &series.0).0).unwrap();
    let since: Vec<_> = read.series[0].samples.iter().map(|sample| sample.since).collect();
    assert_eq!(since, [Some(at(4_000)), Some(at(5_000))]);
}

#[test]
fn histograms_must_add_up() {
    let bad = |histogram: Message| {
        let series = message()
            .bytes(1, &message().bytes(1, b"__name__").bytes(2, b"x").0)
            .bytes(4, &histogram.varint(15, 1_000).0);
        reason(V1, &message().bytes(1, &series.0).0)
    };
    let span = |offset: i64, length: u64| message().varint(1, zig(offset)).varint(2, length).0;
    assert_eq!(bad(message().varint(4, zig(9))), BAD_SCHEMA);
    assert_eq!(bad(message().varint(4, zig(-5))), BAD_SCHEMA);
    assert_eq!(bad(message().varint(1, 5)), BAD_COUNT);
    assert_eq!(bad(message().double(2, -1.0)), NEGATIVE);
    assert_eq!(bad(message().bytes(11, &span(0, 2)).packed(12, &[zig(1)])), BAD_SPANS);
    assert_eq!(bad(message().bytes(11, &span(0, u64::MAX))), BAD_SPANS);
    assert_eq!(bad(message().bytes(11, &span(0, u64::from(u32::MAX)))), BAD_SPANS);
    assert_eq!(bad(message().varint(1, 1).bytes(11, &span(0, 1)).packed(12, &[zig(-1)])), NEGATIVE);
    let back = message().bytes(11, &span(3, 1)).bytes(11, &span(-2, 1));
    assert_eq!(bad(back.packed(12, &[zig(1), zig(0)])), BAD_SPANS);
    let listed = message().varint(4, zig(EXPLICIT_SCHEMA));
    assert_eq!(bad(listed.clone().packed_doubles(16, &[2.0, 1.0])), BAD_BOUNDS);
    assert_eq!(bad(listed.clone().packed_doubles(16, &[f64::NAN])), BAD_BOUNDS);
    let below = listed.clone().bytes(8, &span(0, 1)).packed(9, &[zig(1)]).varint(1, 1);
    assert_eq!(bad(below), BAD_CUSTOM);
    assert_eq!(bad(listed.clone().varint(6, 1).varint(1, 1)), BAD_CUSTOM);
    assert_eq!(bad(message().packed_doubles(16, &[1.0])), BAD_EXPONENTIAL);
    assert_eq!(bad(message().double(2, f64::NAN)), NEGATIVE);
    let past = listed.bytes(11, &span(1, 1)).packed(12, &[zig(1)]).varint(1, 1);
    assert_eq!(bad(past), BAD_SPANS);
}

#[test]
fn version_1_says_kinds_apart() {
    let metadata = message().varint(1, 1).bytes(2, b"requests_total").bytes(4, b"help");
    let read = RemoteWrite::decode(V1, &message().bytes(3, &metadata.0).0).unwrap();
    assert_eq!(read.families, [("requests_total".to_owned(), MetricKind::Counter)]);
}

#[test]
fn an_empty_message_has_no_series() {
    for version in [V1, V2] {
        assert_eq!(RemoteWrite::decode(version, b""), Ok(RemoteWrite::default()));
        assert_eq!(RemoteWrite::decode(version, b"\xFF"), Err(MALFORMED));
    }
}
