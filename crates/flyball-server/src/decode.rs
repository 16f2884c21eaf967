//! From a request's bytes to batches of events: the same code when it comes in and when it is read
//! again from the journal.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use flyball_events::{
    BATCH_ROWS, BatchBuilder, Codec, Decoded, Format, LineCodec, Mapping, NAME_LABEL, NdjsonCodec,
    OtlpCodec, OtlpEncoding, OtlpSignal, Projection, RemoteWrite, RemoteWriteVersion, Series,
    TimeRule, otlp_metrics,
};
use flyball_metric::POINTS_PREFIX;

use crate::entry::{Compression, Content, Header};
use crate::limits::Limits;
use crate::sources::prometheus::matrix;

/// Which attributes are read, and since which change of what is counted. Whose an event is is always
/// read: who sends may be bound to some services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Goes up with every change.
    pub(crate) version: u64,
    /// The attributes.
    pub(crate) projection: Projection,
}

impl Reading {
    /// A reading of these attributes.
    pub(crate) fn of(version: u64, mut attributes: Vec<String>) -> Self {
        if !attributes.iter().any(|name| name == SERVICE) {
            attributes.push(SERVICE.to_owned());
        }
        Self { version, projection: Projection::Only(attributes) }
    }
}

/// What a body holds.
#[derive(Debug)]
pub(crate) struct Body {
    /// Its events.
    pub(crate) batches: Vec<RecordBatch>,
    /// Its samples of metrics.
    pub(crate) series: Vec<Series>,
    /// How many events, or samples, they are, and what could not be read.
    pub(crate) decoded: Decoded,
    /// How many texts of attributes that are read were too long, and were cut.
    pub(crate) texts_cut: u64,
    /// What tells the request from others by its content, where its protocol allows that.
    pub(crate) identity: Option<[u8; 16]>,
    /// The version of the [`Reading`] it was read with.
    pub(crate) version: u64,
}

impl Body {
    /// The services of the events, each once; `None` for events without one and for samples.
    pub(crate) fn services(&self) -> BTreeSet<Option<String>> {
        let mut services = BTreeSet::new();
        if !self.series.is_empty() {
            services.insert(None);
        }
        for batch in &self.batches {
            let texts = batch.column_by_name(SERVICE).map(|column| cast(column, &DataType::Utf8));
            // What is no text is no name.
            let Some(Ok(texts)) = texts else {
                services.insert(None);
                continue;
            };
            let texts = texts.as_string::<i32>();
            services.extend(texts.iter().map(|text| text.map(str::to_owned)));
        }
        services
    }
}

/// What a body holds beside its events.
struct Taken {
    series: Vec<Series>,
    decoded: Decoded,
    identity: Option<[u8; 16]>,
}

/// A body that cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// More than is allowed after decompression.
    #[error(
        "the body is larger than {max} bytes when it is decompressed; hint: send smaller batches"
    )]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// Not what its encoding says.
    #[error("the body cannot be decompressed: {0}")]
    Compression(String),
    /// Not what its type says.
    #[error("{0}")]
    Malformed(String),
}

/// Decodes bodies; one a thread, because codecs learn from what they have seen.
pub(crate) struct Decoder {
    reading: Arc<Reading>,
    limits: Limits,
    batch: BatchBuilder,
    ndjson: NdjsonCodec,
    otlp: OtlpCodec,
    /// Codecs of the logs' formats that were met; as many as are configured.
    logs: HashMap<String, Box<dyn LineCodec>>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("reading", &self.reading).finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder that reads what `reading` says.
    pub(crate) fn new(reading: Arc<Reading>, limits: Limits) -> Self {
        let mut batch = BatchBuilder::new(
            reading.projection.clone(),
            Arc::new(Mapping::default()),
            TimeRule::Required,
            None,
        );
        batch.set_attributes_max(limits.attributes_max);
        batch.set_text_bytes_max(limits.attribute_bytes_max);
        Self {
            reading,
            limits,
            batch,
            ndjson: NdjsonCodec::new(),
            otlp: OtlpCodec::default(),
            logs: HashMap::new(),
        }
    }

    /// Reads what `reading` says from now on.
    pub(crate) fn read(&mut self, reading: &Arc<Reading>) {
        if self.reading.version != reading.version {
            *self = Self::new(Arc::clone(reading), self.limits.clone());
        }
    }

    /// The events of `body`.
    ///
    /// # Errors
    ///
    /// [`BodyError`]; the decoder can be used again.
    pub(crate) fn decode(&mut self, header: &Header, body: &[u8]) -> Result<Body, BodyError> {
        let max = self.limits.decompressed_bytes_max;
        self.decode_expanded(header, &expand(header.compression, body, max)?)
    }

    /// As [`Self::decode`], for a body that is decompressed already.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    pub(crate) fn decode_expanded(
        &mut self,
        header: &Header,
        bytes: &[u8],
    ) -> Result<Body, BodyError> {
        let mut batches = Vec::new();
        let mut flush = |batch: &mut BatchBuilder| batches.push(batch.finish());
        let taken = self.rows(header, bytes, &mut flush)?;
        if self.batch.rows() > 0 {
            flush(&mut self.batch);
        }
        let Taken { series, decoded, identity } = taken;
        let texts_cut = self.batch.take_texts_cut();
        Ok(Body { batches, series, decoded, texts_cut, identity, version: self.reading.version })
    }

    /// Adds the events of `body` to those that wait in [`Self::batch`]; `flush` takes them whenever
    /// they are [`BATCH_ROWS`]. Answers how many bytes the body is when it is decompressed.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`]; nothing was added then.
    pub(crate) fn gather(
        &mut self,
        header: &Header,
        body: &[u8],
        flush: &mut dyn FnMut(&mut BatchBuilder),
    ) -> Result<usize, BodyError> {
        let bytes = expand(header.compression, body, self.limits.decompressed_bytes_max)?;
        self.rows(header, &bytes, flush)?;
        Ok(bytes.len())
    }

    /// The events that wait since [`Self::gather`].
    pub(crate) fn batch(&mut self) -> &mut BatchBuilder {
        &mut self.batch
    }

    fn rows(
        &mut self,
        header: &Header,
        bytes: &[u8],
        flush: &mut dyn FnMut(&mut BatchBuilder),
    ) -> Result<Taken, BodyError> {
        self.batch.set_service(header.service.clone());
        let mut decoded = Decoded::default();
        let mut identity = None;
        let malformed = |error: &dyn std::fmt::Display| BodyError::Malformed(error.to_string());
        let mut series = Vec::new();
        match header.content {
            Content::Ndjson | Content::AccessLog => {
                let codec: &mut dyn LineCodec = match &header.format {
                    None => &mut self.ndjson,
                    Some(name) => match self.logs.entry(name.clone()) {
                        Entry::Occupied(known) => known.into_mut().as_mut(),
                        Entry::Vacant(place) => place.insert(log_codec(name)?).as_mut(),
                    },
                };
                for lines in chunks(bytes) {
                    codec.decode(lines, &mut self.batch, &mut decoded);
                    if self.batch.rows() >= BATCH_ROWS {
                        flush(&mut self.batch);
                    }
                }
            }
            Content::PrometheusMatrix => {
                let read = matrix::read(bytes).map_err(|error| malformed(&error))?;
                series = read;
            }
            Content::OtlpTracesProtobuf
            | Content::OtlpTracesJson
            | Content::OtlpLogsProtobuf
            | Content::OtlpLogsJson => {
                let (signal, encoding) = (signal(header.content), encoding(header.content));
                let batch = &mut self.batch;
                let mut flush = |batch: &mut BatchBuilder| {
                    flush(batch);
                    true
                };
                let request = self.otlp.decode(signal, encoding, bytes, batch, &mut flush);
                let request = request.map_err(|error| malformed(&error))?;
                (decoded, identity) = (request.decoded, request.identity);
            }
            Content::OtlpMetricsProtobuf | Content::OtlpMetricsJson => {
                let read = otlp_metrics(encoding(header.content), bytes);
                let read = read.map_err(|error| malformed(&error))?;
                (series, decoded.rejects) = (read.series, read.rejects);
                leave_out_answers(&mut series, &mut decoded);
            }
            Content::RemoteWriteV1 | Content::RemoteWriteV2 => {
                let read = RemoteWrite::decode(version(header.content), bytes);
                let read = read.map_err(|error| malformed(&error))?;
                (series, decoded.rejects) = (read.series, read.rejects);
                leave_out_answers(&mut series, &mut decoded);
            }
        }
        decoded.events += series.iter().map(|series| series.samples.len() as u64).sum::<u64>();
        Ok(Taken { series, decoded, identity })
    }
}

/// Leaves out series with the names of answers that the server has asked for: they would be counted as
/// such.
fn leave_out_answers(series: &mut Vec<Series>, decoded: &mut Decoded) {
    series.retain(|series| {
        let name = series.labels.iter().find(|(label, _)| label == NAME_LABEL);
        let Some((_, name)) = name.filter(|(_, name)| name.starts_with(POINTS_PREFIX)) else {
            return true;
        };
        decoded.rejects.add(KEPT_NAME, 1, None, name.as_bytes());
        false
    });
}

/// The reason for series that are left out for their names.
const KEPT_NAME: &str = "a metric's name that is kept for answers of metrics systems";

/// The codec of lines in the format called `name`.
pub(crate) fn log_codec(name: &str) -> Result<Box<dyn LineCodec>, BodyError> {
    let format = Format::parse(name).map_err(|error| BodyError::Malformed(error.to_string()))?;
    match format.as_ref().map(Format::codec) {
        Some(Codec::Lines { header: false, new, .. }) => Ok(new(b"")),
        _ => Err(BodyError::Malformed(format!("`{name}` is no format of single lines"))),
    }
}

/// The attribute that says whose an event is.
pub(crate) const SERVICE: &str = "service.name";

const fn signal(content: Content) -> OtlpSignal {
    match content {
        Content::OtlpLogsProtobuf | Content::OtlpLogsJson => OtlpSignal::Logs,
        _ => OtlpSignal::Traces,
    }
}

const fn encoding(content: Content) -> OtlpEncoding {
    match content {
        Content::OtlpTracesJson | Content::OtlpLogsJson | Content::OtlpMetricsJson => {
            OtlpEncoding::Json
        }
        _ => OtlpEncoding::Protobuf,
    }
}

const fn version(content: Content) -> RemoteWriteVersion {
    match content {
        Content::RemoteWriteV2 => RemoteWriteVersion::V2,
        _ => RemoteWriteVersion::V1,
    }
}

/// Bytes of lines that are decoded before it is looked whether the batch is full.
const CHUNK_BYTES: usize = 1 << 20;

/// `bytes` in chunks of whole lines.
fn chunks(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let begin = bytes.len().min(CHUNK_BYTES);
        let rest = bytes[begin..].iter().position(|byte| *byte == b'\n');
        let end = rest.map_or(bytes.len(), |at| begin + at + 1);
        let (chunk, rest) = bytes.split_at(end);
        bytes = rest;
        Some(chunk)
    })
}

/// How many bytes `body` says that it is when it is decompressed; `None` where it says nothing. What
/// it says may be wrong.
pub(crate) fn said_bytes(compression: Compression, body: &[u8]) -> Option<usize> {
    let said = match compression {
        Compression::None => return Some(body.len()),
        Compression::Snappy => return snap::raw::decompress_len(body).ok(),
        // RFC 1952, section 2.3.1: the last four bytes, of the last member.
        Compression::Gzip => u64::from(u32::from_le_bytes(*body.last_chunk()?)),
        // Of the first frame.
        Compression::Zstd => zstd::zstd_safe::get_frame_content_size(body).ok()??,
    };
    Some(usize::try_from(said).unwrap_or(usize::MAX))
}

/// `body` decompressed, at most `max` bytes of it.
///
/// # Errors
///
/// [`BodyError::TooLarge`] as soon as there would be more; [`BodyError::Compression`] for a body
/// that is damaged or cut off.
pub(crate) fn expand(
    compression: Compression,
    body: &[u8],
    max: usize,
) -> Result<Cow<'_, [u8]>, BodyError> {
    if compression == Compression::Snappy {
        return snappy(body, max);
    }
    let mut reader: Box<dyn Read + '_> = match compression {
        Compression::None if body.len() > max => return Err(BodyError::TooLarge { max }),
        Compression::None | Compression::Snappy => return Ok(Cow::Borrowed(body)),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(body)),
        Compression::Zstd => {
            let cannot = |error: std::io::Error| BodyError::Compression(error.to_string());
            let mut decoder = zstd::Decoder::with_buffer(body).map_err(cannot)?;
            // A frame may ask for a window of gigabytes before it yields a byte.
            decoder.window_log_max(WINDOW_LOG_MAX).map_err(cannot)?;
            Box::new(decoder)
        }
    };
    let mut bytes = Vec::new();
    let read = (&mut reader).take(max as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| BodyError::Compression(error.to_string()))?;
    if bytes.len() > max {
        return Err(BodyError::TooLarge { max });
    }
    Ok(Cow::Owned(bytes))
}

/// As [`expand`]. The block says how long it is before anything is read.
fn snappy(body: &[u8], max: usize) -> Result<Cow<'_, [u8]>, BodyError> {
    let cannot = |error: snap::Error| BodyError::Compression(error.to_string());
    if snap::raw::decompress_len(body).map_err(cannot)? > max {
        return Err(BodyError::TooLarge { max });
    }
    snap::raw::Decoder::new().decompress_vec(body).map(Cow::Owned).map_err(cannot)
}

/// The largest window of a zstd frame, as a power of two: what RFC 8878 asks every decoder to
/// support at least, 8 MiB.
const WINDOW_LOG_MAX: u32 = 23;
