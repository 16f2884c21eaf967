//! The formats that can be read: how they are named, told apart, and decoded.

mod detect;
mod parse;

use std::fs::File;
use std::sync::Arc;

use crate::batch::BatchBuilder;
use crate::codec::access_log::{AccessLogCodec, LogFormat, LogFormatError};
use crate::codec::csv::{self, CsvOptions};
use crate::codec::ndjson::NdjsonCodec;
use crate::codec::otlp::json::OtlpJsonCodec;
use crate::codec::otlp::protobuf::OtlpProtobufCodec;
use crate::codec::parquet::ParquetCodec;
use crate::codec::{Decoded, LineCodec, StreamCodec};

/// A format of events, after decompression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// An access log of Apache or nginx.
    AccessLog {
        /// As it was named: `combined`, `nginx:$remote_addr …`.
        name: String,
        /// What its lines look like.
        format: Arc<LogFormat>,
    },
    /// Values with delimiters between them.
    Csv(Arc<CsvOptions>),
    /// OpenTelemetry's traces or logs in JSON.
    OtlpJson,
    /// OpenTelemetry's traces or logs in protobuf.
    OtlpProto,
    /// A Parquet file.
    Parquet,
}

/// A format that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// No format of this name.
    #[error("`{name}` is no format\nhint: {hint}")]
    Unknown {
        /// The name as given.
        name: String,
        /// What was meant, or what there is.
        hint: String,
    },
    /// A log format string that cannot be used.
    #[error(transparent)]
    LogFormat(#[from] LogFormatError),
    /// An option of CSV that cannot be used.
    #[error("`{option}` cannot be used as an option of CSV\nhint: {hint}")]
    Csv {
        /// The option as given.
        option: String,
        /// What can be used.
        hint: &'static str,
    },
}

/// Where a record of a line format ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splitter {
    /// At every newline.
    Newline,
    /// At a newline outside double quotes. A quote opens only at the beginning of a field.
    Csv {
        /// What stands between fields.
        delimiter: u8,
    },
}

/// Makes a codec for one thread. Gets the header record (without its line end) when the format has
/// one, else nothing.
pub type NewLineCodec = Box<dyn Fn(&[u8]) -> Box<dyn LineCodec> + Send + Sync>;

/// How a format is decoded.
pub enum Codec {
    /// Records that can be decoded in parallel, in chunks of whole records.
    Lines {
        /// Where a record ends.
        splitter: Splitter,
        /// Whether the first record is a header, passed to `new` and not decoded.
        header: bool,
        /// Called once a thread.
        new: NewLineCodec,
    },
    /// A stream that must be read from its start to its end.
    Stream(Box<dyn StreamCodec>),
    /// A file whose end must be read first.
    Seekable(Box<dyn SeekableCodec>),
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Lines { .. } => "Lines",
            Self::Stream(_) => "Stream",
            Self::Seekable(_) => "Seekable",
        })
    }
}

/// A codec of a format that needs to move about in its file.
pub trait SeekableCodec: Send {
    /// Decodes `input` to its end; as [`StreamCodec::decode`] otherwise. Standard input and
    /// compressed inputs arrive as a temporary file.
    ///
    /// # Errors
    ///
    /// What `input` answers. Content that cannot be read is a reject, not an error.
    fn decode(
        &mut self,
        input: File,
        batch: &mut BatchBuilder,
        decoded: &mut Decoded,
        flush: &mut dyn FnMut(&mut BatchBuilder) -> bool,
    ) -> std::io::Result<()>;
}

impl Format {
    /// What [`parse`](Self::parse) reads, in the order of the documentation.
    pub const NAMES: &[&str] = &[
        "auto",
        "ndjson",
        "common",
        "combined",
        "vhost-combined",
        "nginx-main",
        "nginx:FORMAT",
        "apache:FORMAT",
        "csv",
        "tsv",
        "otlp-json",
        "otlp-proto",
        "parquet",
    ];

    /// The format of the input called `name` that begins with `head` (decompressed): by content,
    /// then by the extension. `None` when neither tells.
    pub fn detect(name: &str, head: &[u8]) -> Option<Self> {
        detect::detect(name, head)
    }

    /// The format that `text` names; `None` for `auto`, which is to be detected.
    ///
    /// # Errors
    ///
    /// [`FormatError`] for a name that is none, a log format string or an option that cannot be
    /// used.
    pub fn parse(text: &str) -> Result<Option<Self>, FormatError> {
        parse::parse(text)
    }

    /// The name shown and accepted.
    pub fn name(&self) -> String {
        match self {
            Self::Ndjson => "ndjson".to_owned(),
            Self::AccessLog { name, .. } => name.clone(),
            Self::Csv(options) => options.to_string(),
            Self::OtlpJson => "otlp-json".to_owned(),
            Self::OtlpProto => "otlp-proto".to_owned(),
            Self::Parquet => "parquet".to_owned(),
        }
    }

    /// How it is decoded.
    pub fn codec(&self) -> Codec {
        match self {
            Self::Ndjson => Codec::Lines {
                splitter: Splitter::Newline,
                header: false,
                new: Box::new(|_| Box::new(NdjsonCodec::new())),
            },
            Self::AccessLog { format, .. } => {
                let format = Arc::clone(format);
                Codec::Lines {
                    splitter: Splitter::Newline,
                    header: false,
                    new: Box::new(move |_| Box::new(AccessLogCodec::new(Arc::clone(&format)))),
                }
            }
            Self::Csv(options) => Codec::Lines {
                splitter: Splitter::Csv { delimiter: options.delimiter },
                header: options.header,
                new: csv::new_codec(Arc::clone(options)),
            },
            Self::OtlpJson => Codec::Stream(Box::new(OtlpJsonCodec::default())),
            Self::OtlpProto => Codec::Stream(Box::new(OtlpProtobufCodec::default())),
            Self::Parquet => Codec::Seekable(Box::new(ParquetCodec::default())),
        }
    }
}

#[cfg(test)]
mod tests;
