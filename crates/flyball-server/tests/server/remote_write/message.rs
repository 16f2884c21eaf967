//! Requests of remote write as a sender would write them.

use prost::encoding::{bytes, double, int64, sint32, sint64, string, uint32, uint64};

/// Names and values, in the order in which they are written.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// One `TimeSeries`. Times are milliseconds after [`super::NOW_MILLIS`].
#[derive(Debug, Clone, Default)]
pub(super) struct Sent<'a> {
    pub(super) labels: Labels<'a>,
    /// Times and values.
    pub(super) samples: Vec<(i64, f64)>,
    pub(super) histograms: Vec<Histogram>,
    /// Labels and times; 0 for none.
    pub(super) exemplars: Vec<(Labels<'a>, i64)>,
    /// Type, help and unit.
    pub(super) metadata: Option<(i64, &'a str, &'a str)>,
    /// Since when the samples and histograms count; 0 for not said.
    pub(super) start: i64,
}

/// A native histogram of whole numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    pub(super) at: i64,
    pub(super) count: u64,
    pub(super) zero: Option<u64>,
    pub(super) schema: i32,
    /// Spans, and counts as differences.
    pub(super) positive: (Vec<(i32, u32)>, Vec<i64>),
    pub(super) negative: (Vec<(i32, u32)>, Vec<i64>),
    pub(super) bounds: Vec<f64>,
    pub(super) reset: i64,
}

fn field(tag: u32, part: &[u8], into: &mut Vec<u8>) {
    bytes::encode(tag, &part.to_vec(), into);
}

impl Histogram {
    fn write(&self, start: i64) -> Vec<u8> {
        let mut out = Vec::new();
        uint64::encode(1, &self.count, &mut out);
        double::encode(3, &12.5, &mut out);
        sint32::encode(4, &self.schema, &mut out);
        if let Some(zero) = &self.zero {
            uint64::encode(6, zero, &mut out);
        }
        for (tag, (spans, deltas)) in [(8, &self.negative), (11, &self.positive)] {
            for (offset, length) in spans {
                let mut span = Vec::new();
                sint32::encode(1, offset, &mut span);
                uint32::encode(2, length, &mut span);
                field(tag, &span, &mut out);
            }
            sint64::encode_packed(tag + 1, deltas, &mut out);
        }
        int64::encode(14, &self.reset, &mut out);
        int64::encode(15, &moment(self.at), &mut out);
        double::encode_packed(16, &self.bounds, &mut out);
        if start != 0 {
            int64::encode(17, &moment(start), &mut out);
        }
        out
    }
}

fn moment(at: i64) -> i64 {
    super::NOW_MILLIS + at
}

fn sample(at: i64, value: f64, start: i64) -> Vec<u8> {
    let mut out = Vec::new();
    double::encode(1, &value, &mut out);
    int64::encode(2, &moment(at), &mut out);
    if start != 0 {
        int64::encode(3, &moment(start), &mut out);
    }
    out
}

/// `io.prometheus.write.v2.Request`.
pub(super) fn version_2(series: &[Sent<'_>]) -> Vec<u8> {
    let mut symbols = vec![""];
    let mut body = Vec::new();
    for sent in series {
        let mut refer = |text| {
            let known = symbols.iter().position(|symbol| *symbol == text).unwrap_or(symbols.len());
            if known == symbols.len() {
                symbols.push(text);
            }
            u32::try_from(known).unwrap()
        };
        let mut out = Vec::new();
        let labels: Vec<u32> =
            sent.labels.iter().flat_map(|(name, value)| [refer(*name), refer(*value)]).collect();
        uint32::encode_packed(1, &labels, &mut out);
        for (at, value) in &sent.samples {
            field(2, &sample(*at, *value, sent.start), &mut out);
        }
        for histogram in &sent.histograms {
            field(3, &histogram.write(sent.start), &mut out);
        }
        for (labels, at) in &sent.exemplars {
            let mut exemplar = Vec::new();
            let labels: Vec<u32> =
                labels.iter().flat_map(|(name, value)| [refer(*name), refer(*value)]).collect();
            uint32::encode_packed(1, &labels, &mut exemplar);
            double::encode(2, &1.5, &mut exemplar);
            if *at != 0 {
                int64::encode(3, &moment(*at), &mut exemplar);
            }
            field(4, &exemplar, &mut out);
        }
        if let Some((kind, help, unit)) = sent.metadata {
            let mut metadata = Vec::new();
            int64::encode(1, &kind, &mut metadata);
            uint32::encode(3, &refer(help), &mut metadata);
            uint32::encode(4, &refer(unit), &mut metadata);
            field(5, &metadata, &mut out);
        }
        field(5, &out, &mut body);
    }
    let mut message = Vec::new();
    for symbol in symbols {
        string::encode(4, &symbol.to_owned(), &mut message);
    }
    message.extend(body);
    message
}

/// `prometheus.WriteRequest`, with metadata beside the series.
pub(super) fn version_1(series: &[Sent<'_>]) -> Vec<u8> {
    let mut message = Vec::new();
    for sent in series {
        let label = |(name, value): &(&str, &str)| {
            let mut out = Vec::new();
            string::encode(1, &(*name).to_owned(), &mut out);
            string::encode(2, &(*value).to_owned(), &mut out);
            out
        };
        let mut out = Vec::new();
        for pair in sent.labels {
            field(1, &label(pair), &mut out);
        }
        for (at, value) in &sent.samples {
            field(2, &sample(*at, *value, 0), &mut out);
        }
        for (labels, at) in &sent.exemplars {
            let mut exemplar = Vec::new();
            for pair in *labels {
                field(1, &label(pair), &mut exemplar);
            }
            double::encode(2, &1.5, &mut exemplar);
            int64::encode(3, &moment(*at), &mut exemplar);
            field(3, &exemplar, &mut out);
        }
        for histogram in &sent.histograms {
            field(4, &histogram.write(0), &mut out);
        }
        if !out.is_empty() {
            field(1, &out, &mut message);
        }
        if let Some((kind, help, unit)) = sent.metadata {
            let mut metadata = Vec::new();
            int64::encode(1, &kind, &mut metadata);
            string::encode(2, &"requests_total".to_owned(), &mut metadata);
            string::encode(4, &help.to_owned(), &mut metadata);
            string::encode(5, &unit.to_owned(), &mut metadata);
            field(3, &metadata, &mut message);
        }
    }
    message
}
