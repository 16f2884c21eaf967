//! Event batches and the codecs that fill them.
//!
//! Every input, whatever its format, becomes Arrow record batches with a `time` column and one
//! column an attribute, named by OpenTelemetry semantic conventions. Codecs decode straight into
//! column builders ([`BatchBuilder`]); only the attributes in the [`Projection`] are materialised.
//!
//! This crate evaluates nothing and knows neither SQL nor SLOs: predicates are in `flyball-query`.

mod batch;
mod codec;
mod column;
mod format;
mod read;
mod reject;
mod sample;
mod semantic;
mod time;

pub use batch::{BatchBuilder, ColumnId, Offered, Projection, Role, TIME_COLUMN, TimeRule};
pub use codec::access_log::{AccessLogCodec, LogFormat, LogFormatError};
pub use codec::csv::{CsvCodec, CsvOptions};
pub use codec::ndjson::NdjsonCodec;
pub use codec::otlp::json::OtlpJsonCodec;
pub use codec::otlp::metrics::{OtlpMetrics, otlp_metrics};
pub use codec::otlp::protobuf::OtlpProtobufCodec;
pub use codec::otlp::request::{OtlpCodec, OtlpEncoding, OtlpError, OtlpRequest, OtlpSignal};
pub use codec::parquet::ParquetCodec;
pub use codec::remote_write::{RemoteWrite, RemoteWriteVersion};
pub use codec::{Decoded, LineCodec, StreamCodec};
pub use column::TWIN_SUFFIX;
pub use format::{Codec, Format, FormatError, NewLineCodec, SeekableCodec, Splitter};
pub use read::{
    BATCH_ROWS, Compression, EventsError, Expanded, Input, InputSummary, Progress, ReadOptions,
    ReadSummary, expand, lacks_time, read, read_mapped, remedy,
};
pub use reject::{Example, Rejected, Rejects};
pub use sample::{
    Buckets, Histogram, MetricKind, NAME_LABEL, Reset, Sample, SampleValue, Series, Temporality,
};
pub use semantic::{Mapping, MappingError};
pub use time::{TimeReader, epoch_nanos, epoch_nanos_float, epoch_nanos_int};
