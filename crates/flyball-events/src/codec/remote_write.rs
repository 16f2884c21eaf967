//! Prometheus remote write, version 1 and 2, read straight from the wire.
//!
//! Field numbers are those of `prometheus.WriteRequest` and `io.prometheus.write.v2.Request`. The
//! two differ in how labels are written: as strings, or as references into a table of symbols.
//! Sources: the specifications 1.0 and 2.0 at prometheus.io/docs/specs/prw.
//!
//! What breaks a rule of the specification is refused alone, as partial writes want it: a series, a
//! sample, an exemplar. A message that is no protobuf is refused as a whole. Two rules for senders are
//! not held against them, because nothing is lost: the order of labels, and that of a series'
//! samples.

use flyball_model::Timestamp;

use super::wire::{Fault, Fields, Wire, doubles, text, varints, zigzag};
use crate::reject::Rejects;
use crate::sample::{
    Buckets, Histogram, MetricKind, NAME_LABEL, Reset, Sample, SampleValue, Series, Temporality,
};

/// The double by which Prometheus says that a series ended.
const STALE_BITS: u64 = 0x7FF0_0000_0000_0002;
/// The schema of histograms with listed bounds.
const EXPLICIT_SCHEMA: i64 = -53;

const NO_NAME: Fault = "a series without a metric name";
const EMPTY_LABEL: Fault = "a label with an empty name or value";
const REPEATED: Fault = "a label that stands twice";
const ODD_LABELS: Fault = "an odd number of label references";
const NO_SYMBOL: Fault = "a reference to a symbol that is not there";
const FIRST_SYMBOL: Fault = "the first symbol is not the empty text";
const TWO_SORTS: Fault = "a series with numbers and histograms";
const NO_SAMPLES: Fault = "a series without samples";
const BAD_TIME: Fault = "a time outside the years 1678 to 2262";
const BAD_SCHEMA: Fault = "a histogram of an unknown schema";
const BAD_SPANS: Fault = "a histogram whose spans do not match its buckets";
const NEGATIVE: Fault = "a histogram with a count that is negative or no number";
const BAD_COUNT: Fault = "a histogram whose buckets do not add up to its count";
const BAD_BOUNDS: Fault = "a histogram whose bounds do not ascend";
const BAD_CUSTOM: Fault = "a histogram with listed bounds and buckets below or around zero";
const BAD_EXPONENTIAL: Fault = "a histogram with exponential buckets and listed bounds";
const OTHER_VALUE: Fault = "a sample of a time that the series has another value for";
const NO_EXEMPLAR_TIME: Fault = "an exemplar without a time";

/// Which of the two messages a request holds; its `Content-Type` says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteWriteVersion {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

/// What one request brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RemoteWrite {
    /// The series that follow the rules, in the order they were sent.
    pub series: Vec<Series>,
    /// What version 1 says of metrics apart from their series: name and kind.
    pub families: Vec<(String, MetricKind)>,
    /// The samples, histograms and exemplars that do not, counted by reason; the line of an example is
    /// the number of its series, from 1. A series without any counts as one.
    pub rejects: Rejects,
}

impl RemoteWrite {
    /// Reads an uncompressed message. An empty one has no series.
    ///
    /// # Errors
    ///
    /// Why the message is no request of this version: nothing of it can be used.
    pub fn decode(version: RemoteWriteVersion, message: &[u8]) -> Result<Self, &'static str> {
        let (mut parts, mut symbols) = (Vec::new(), Vec::new());
        let mut write = Self::default();
        let part_tag = if version == RemoteWriteVersion::V1 { 1 } else { 5 };
        let mut fields = Fields { bytes: message };
        while let Some(field) = fields.next() {
            match field? {
                (tag, Wire::Bytes(part)) if tag == part_tag => parts.push(part),
                (3, Wire::Bytes(metadata)) if version == RemoteWriteVersion::V1 => {
                    write.families.push(family(metadata)?);
                }
                (4, Wire::Bytes(symbol)) if version == RemoteWriteVersion::V2 => {
                    symbols.push(text(symbol)?);
                }
                _ => {}
            }
        }
        if symbols.first().is_some_and(|first| !first.is_empty()) {
            return Err(FIRST_SYMBOL);
        }
        let symbol = |at: u64| {
            let at = usize::try_from(at).map_err(|_| NO_SYMBOL)?;
            symbols.get(at).copied().ok_or(NO_SYMBOL)
        };
        for (part, number) in parts.into_iter().zip(1..) {
            let mut faults = Vec::new();
            let series = match version {
                RemoteWriteVersion::V1 => series_v1(part),
                RemoteWriteVersion::V2 => series_v2(part, &symbol, &mut faults),
            };
            match series.and_then(|series| checked(series, &mut faults)) {
                Ok(series) => {
                    write.series.push(series);
                    for reason in faults {
                        write.rejects.add(reason, number, None, part);
                    }
                }
                Err(reason) => write.rejects.add_all(reason, records(part), number, part),
            }
        }
        Ok(write)
    }
}

/// How many samples, histograms and exemplars a series holds, as far as it can be read; at least 1.
fn records(series: &[u8]) -> u64 {
    let mut fields = Fields { bytes: series };
    let mut records = 0;
    while let Some(Ok(field)) = fields.next() {
        // The same in both versions, which give the last two other places.
        records += u64::from(matches!(field, (2..=4, Wire::Bytes(_))));
    }
    records.max(1)
}

/// `TimeSeries` of version 1: labels 1, samples 2, exemplars 3, histograms 4.
fn series_v1(message: &[u8]) -> Result<Series, Fault> {
    let mut series = empty();
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        match field? {
            (1, Wire::Bytes(label)) => series.labels.push(label_v1(label)?),
            (2, Wire::Bytes(part)) => series.samples.push(sample(part)?),
            (3, Wire::Bytes(_)) => series.exemplars += 1,
            (4, Wire::Bytes(part)) => series.samples.push(histogram(part)?),
            _ => {}
        }
    }
    Ok(series)
}

fn label_v1(message: &[u8]) -> Result<(String, String), Fault> {
    let (mut name, mut value) = (String::new(), String::new());
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        match field? {
            (1, Wire::Bytes(bytes)) => name = text(bytes)?.into(),
            (2, Wire::Bytes(bytes)) => value = text(bytes)?.into(),
            _ => {}
        }
    }
    Ok((name, value))
}

/// `TimeSeries` of version 2: label references 1, samples 2, histograms 3, exemplars 4, metadata 5,
/// creation time 6. Exemplars that break a rule are noted in `faults`.
fn series_v2<'a>(
    message: &'a [u8],
    symbol: &dyn Fn(u64) -> Result<&'a str, Fault>,
    faults: &mut Vec<Fault>,
) -> Result<Series, Fault> {
    let mut series = empty();
    let mut created = None;
    let mut references = Vec::new();
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        match field? {
            (1, wire) => varints(wire, &mut references)?,
            (2, Wire::Bytes(part)) => series.samples.push(sample(part)?),
            (3, Wire::Bytes(part)) => series.samples.push(histogram(part)?),
            (4, Wire::Bytes(part)) => match exemplar_v2(part, symbol) {
                Ok(()) => series.exemplars += 1,
                Err(reason) => faults.push(reason),
            },
            (5, Wire::Bytes(metadata)) => {
                described(metadata, symbol)?;
                series.kind = kind(metadata)?;
            }
            (6, Wire::Varint(millis)) => created = time(millis)?,
            _ => {}
        }
    }
    let (pairs, []) = references.as_chunks::<2>() else { return Err(ODD_LABELS) };
    for [name, value] in pairs {
        series.labels.push((symbol(*name)?.to_owned(), symbol(*value)?.to_owned()));
    }
    for sample in &mut series.samples {
        sample.since = sample.since.or(created);
    }
    let is_histogram = |sample: &Sample| matches!(sample.value, SampleValue::Histogram(_));
    let is_number = |sample: &Sample| matches!(sample.value, SampleValue::Number(_));
    if series.samples.is_empty() {
        return Err(NO_SAMPLES);
    }
    if series.samples.iter().any(is_histogram) && series.samples.iter().any(is_number) {
        return Err(TWO_SORTS);
    }
    Ok(series)
}

/// Checks an `Exemplar` of version 2: label references 1, value 2, time 3.
fn exemplar_v2<'a>(
    message: &'a [u8],
    symbol: &dyn Fn(u64) -> Result<&'a str, Fault>,
) -> Result<(), Fault> {
    let (mut references, mut at) = (Vec::new(), None);
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        match field? {
            (1, wire) => varints(wire, &mut references)?,
            (3, Wire::Varint(millis)) => at = time(millis)?,
            _ => {}
        }
    }
    if !references.len().is_multiple_of(2) {
        return Err(ODD_LABELS);
    }
    references.into_iter().try_for_each(|reference| symbol(reference).map(drop))?;
    at.map(drop).ok_or(NO_EXEMPLAR_TIME)
}

/// Checks that the texts of version 2's `Metadata` are there: help 3, unit 4.
fn described<'a>(
    message: &'a [u8],
    symbol: &dyn Fn(u64) -> Result<&'a str, Fault>,
) -> Result<(), Fault> {
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        if let (3 | 4, Wire::Varint(reference)) = field? {
            symbol(reference)?;
        }
    }
    Ok(())
}

/// `MetricMetadata` of version 1: type 1, name of the metric 2.
fn family(message: &[u8]) -> Result<(String, MetricKind), Fault> {
    let mut name = String::new();
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        if let (2, Wire::Bytes(bytes)) = field? {
            name = text(bytes)?.into();
        }
    }
    Ok((name, kind(message)?))
}

/// The type in metadata: field 1 in both versions.
fn kind(message: &[u8]) -> Result<MetricKind, Fault> {
    let mut kind = MetricKind::Unknown;
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        if let (1, Wire::Varint(number)) = field? {
            kind = match number {
                0 => MetricKind::Unknown,
                1 => MetricKind::Counter,
                2 => MetricKind::Gauge,
                3 => MetricKind::Histogram,
                _ => MetricKind::Other,
            };
        }
    }
    Ok(kind)
}

fn empty() -> Series {
    let (labels, samples) = (Vec::new(), Vec::new());
    let (kind, temporality) = (MetricKind::Unknown, Temporality::Cumulative);
    Series { labels, kind, temporality, samples, exemplars: 0 }
}

/// What both versions demand of labels and of the times of samples, with both put in order. Samples
/// that break a rule are noted in `faults`.
fn checked(mut series: Series, faults: &mut Vec<Fault>) -> Result<Series, Fault> {
    let labels = &mut series.labels;
    if labels.iter().any(|(name, value)| name.is_empty() || value.is_empty()) {
        return Err(EMPTY_LABEL);
    }
    if !labels.is_sorted_by(|(a, _), (b, _)| a < b) {
        labels.sort_unstable();
        if !labels.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(REPEATED);
        }
    }
    if !labels.iter().any(|(name, _)| name == NAME_LABEL) {
        return Err(NO_NAME);
    }
    let samples = &mut series.samples;
    if !samples.is_sorted_by(|a, b| a.at < b.at) {
        samples.sort_by_key(|sample| sample.at);
        // What was sent twice is the same; of two values for one time the first stands.
        samples.dedup_by(|later, earlier| {
            let differs = later.at == earlier.at && !is_same(&later.value, &earlier.value);
            if differs {
                faults.push(OTHER_VALUE);
            }
            differs
        });
    }
    Ok(series)
}

/// Whether two values are the same, NaN among them.
fn is_same(a: &SampleValue, b: &SampleValue) -> bool {
    match (a, b) {
        (SampleValue::Number(a), SampleValue::Number(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

/// `Sample`: value 1, time 2, start 3.
fn sample(message: &[u8]) -> Result<Sample, Fault> {
    let (mut bits, mut at, mut since) = (0, 0, None);
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        match field? {
            (1, Wire::Fixed64(value)) => bits = value,
            (2, Wire::Varint(millis)) => at = millis,
            (3, Wire::Varint(millis)) => since = time(millis)?,
            _ => {}
        }
    }
    Ok(Sample { at: instant(at)?, since, value: number(bits) })
}

fn number(bits: u64) -> SampleValue {
    if bits == STALE_BITS { SampleValue::Stale } else { SampleValue::Number(f64::from_bits(bits)) }
}

/// Milliseconds since 1970; zero is absence.
fn time(millis: u64) -> Result<Option<Timestamp>, Fault> {
    if millis == 0 { Ok(None) } else { instant(millis).map(Some) }
}

fn instant(millis: u64) -> Result<Timestamp, Fault> {
    let nanos = millis.cast_signed().checked_mul(1_000_000).ok_or(BAD_TIME)?;
    Ok(Timestamp::from_nanos(nanos))
}

/// The parts of a `Histogram`, which both versions write alike.
#[derive(Debug, Default)]
struct Parts {
    count: f64,
    count_int: Option<u64>,
    sum_bits: u64,
    schema: i64,
    zero_threshold: f64,
    zero: f64,
    negative: Side,
    positive: Side,
    reset: Reset,
    millis: u64,
    since: Option<Timestamp>,
    bounds: Vec<f64>,
}

/// The buckets of one sign: where they are, and their counts either as differences or as they are.
#[derive(Debug, Default)]
struct Side {
    spans: Vec<(i64, u64)>,
    deltas: Vec<u64>,
    counts: Vec<f64>,
}

fn histogram(message: &[u8]) -> Result<Sample, Fault> {
    let mut parts = Parts::default();
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        match field? {
            (1, Wire::Varint(count)) => {
                (parts.count, parts.count_int) = (count as f64, Some(count));
            }
            (2, Wire::Fixed64(bits)) => parts.count = f64::from_bits(bits),
            (3, Wire::Fixed64(bits)) => parts.sum_bits = bits,
            (4, Wire::Varint(schema)) => parts.schema = zigzag(schema),
            (5, Wire::Fixed64(bits)) => parts.zero_threshold = f64::from_bits(bits),
            (6, Wire::Varint(count)) => parts.zero = count as f64,
            (7, Wire::Fixed64(bits)) => parts.zero = f64::from_bits(bits),
            (8, Wire::Bytes(part)) => parts.negative.spans.push(span(part)?),
            (9, wire) => varints(wire, &mut parts.negative.deltas)?,
            (10, wire) => doubles(wire, &mut parts.negative.counts)?,
            (11, Wire::Bytes(part)) => parts.positive.spans.push(span(part)?),
            (12, wire) => varints(wire, &mut parts.positive.deltas)?,
            (13, wire) => doubles(wire, &mut parts.positive.counts)?,
            (14, Wire::Varint(hint)) => {
                parts.reset = match hint {
                    1 => Reset::Yes,
                    2 => Reset::No,
                    3 => Reset::Gauge,
                    _ => Reset::Unknown,
                };
            }
            (15, Wire::Varint(millis)) => parts.millis = millis,
            (16, wire) => doubles(wire, &mut parts.bounds)?,
            (17, Wire::Varint(millis)) => parts.since = time(millis)?,
            _ => {}
        }
    }
    let (at, since) = (instant(parts.millis)?, parts.since);
    if parts.sum_bits == STALE_BITS {
        return Ok(Sample { at, since, value: SampleValue::Stale });
    }
    Ok(Sample { at, since, value: SampleValue::Histogram(Box::new(parts.histogram()?)) })
}

impl Parts {
    fn histogram(self) -> Result<Histogram, Fault> {
        let (positive, negative) = (self.positive.buckets()?, self.negative.buckets()?);
        let sum = f64::from_bits(self.sum_bits);
        let counts = || positive.iter().chain(&negative).map(|(_, count)| *count);
        let is_no_count = |count: f64| count.is_nan() || count < 0.0;
        if is_no_count(self.count) || is_no_count(self.zero) || counts().any(is_no_count) {
            return Err(NEGATIVE);
        }
        // Measurements that are NaN are in the count and in no bucket. Counts of fractions are
        // sums themselves, so they are not compared.
        if self.count_int.is_some() {
            let counted = counts().sum::<f64>() + self.zero;
            let fits = if sum.is_nan() { counted <= self.count } else { counted == self.count };
            if !fits {
                return Err(BAD_COUNT);
            }
        }
        let buckets = match self.schema {
            EXPLICIT_SCHEMA => {
                // Either would be counted in no bucket. Zero is what senders write for its absence.
                if !negative.is_empty() || self.zero > 0.0 || self.zero_threshold > 0.0 {
                    return Err(BAD_CUSTOM);
                }
                explicit(self.bounds, &positive)?
            }
            -4..=8 if !self.bounds.is_empty() => return Err(BAD_EXPONENTIAL),
            -4..=8 => Buckets::Exponential {
                scale: i32::try_from(self.schema).map_err(|_| BAD_SCHEMA)?,
                zero_threshold: self.zero_threshold,
                zero: self.zero,
                positive,
                negative,
            },
            _ => return Err(BAD_SCHEMA),
        };
        Ok(Histogram { count: self.count, sum, reset: self.reset, buckets })
    }
}

/// Buckets by index as one count a bound, and one above all.
fn explicit(bounds: Vec<f64>, buckets: &[(i32, f64)]) -> Result<Buckets, Fault> {
    if !bounds.is_sorted_by(|a, b| a < b) || bounds.iter().any(|bound| !bound.is_finite()) {
        return Err(BAD_BOUNDS);
    }
    let mut counts = vec![0.0; bounds.len() + 1];
    for (index, count) in buckets {
        let at = usize::try_from(*index).map_err(|_| BAD_SPANS)?;
        *counts.get_mut(at).ok_or(BAD_SPANS)? = *count;
    }
    Ok(Buckets::Explicit { bounds, counts })
}

impl Side {
    /// Indexes with their counts. Differences add up; there are as many counts as the spans say.
    fn buckets(&self) -> Result<Vec<(i32, f64)>, Fault> {
        let mut sum = 0_i64;
        let counts: Vec<f64> = if self.deltas.is_empty() {
            self.counts.clone()
        } else {
            let add = |delta: &u64| {
                sum = sum.checked_add(zigzag(*delta)).ok_or(NEGATIVE)?;
                Ok(sum as f64)
            };
            self.deltas.iter().map(add).collect::<Result<_, Fault>>()?
        };
        let expected =
            self.spans.iter().try_fold(0_u64, |sum, (_, length)| sum.checked_add(*length));
        if expected != Some(counts.len() as u64) {
            return Err(BAD_SPANS);
        }
        let mut out = Vec::with_capacity(counts.len());
        let mut counts = counts.into_iter();
        let mut index = 0_i64;
        for (at, (offset, length)) in self.spans.iter().enumerate() {
            // Only the first may begin below zero; the others begin after the one before.
            if at > 0 && *offset < 0 {
                return Err(BAD_SPANS);
            }
            index += offset;
            for _ in 0..*length {
                let count = counts.next().ok_or(BAD_SPANS)?;
                out.push((i32::try_from(index).map_err(|_| BAD_SPANS)?, count));
                index += 1;
            }
        }
        Ok(out)
    }
}

/// `BucketSpan`: offset 1, length 2. Both are of 32 bits, so that sums of them fit 64.
fn span(message: &[u8]) -> Result<(i64, u64), Fault> {
    let (mut offset, mut length) = (0, 0);
    let mut fields = Fields { bytes: message };
    while let Some(field) = fields.next() {
        match field? {
            (1, Wire::Varint(value)) => offset = zigzag(value),
            (2, Wire::Varint(value)) => length = value,
            _ => {}
        }
    }
    let fits = i32::try_from(offset).is_ok() && u32::try_from(length).is_ok();
    if fits { Ok((offset, length)) } else { Err(BAD_SPANS) }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the counts that tests write are small and whole"
)]
mod tests;
