//! The shape of OTLP's JSON, borrowed from its text.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::request::OtlpSignal;
use super::super::value::from_base64;
use super::super::{Any, Attribute, Id, Log, Span, write_hex};

/// A request, or the data of a file: `ExportTraceServiceRequest`, `TracesData` and their like.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Request<'a> {
    #[serde(borrow, rename = "resourceSpans", alias = "resource_spans")]
    spans: Option<List<Part<'a>>>,
    #[serde(borrow, rename = "resourceLogs", alias = "resource_logs")]
    logs: Option<List<Part<'a>>>,
    #[serde(rename = "resourceMetrics", alias = "resource_metrics")]
    metrics: Option<IgnoredAny>,
}

impl<'a> Request<'a> {
    pub(super) fn is_metrics(&self) -> bool {
        self.metrics.is_some()
    }

    pub(super) fn is_known(&self) -> bool {
        self.spans.is_some() || self.logs.is_some()
    }

    /// Whether there is something of another signal.
    pub(super) fn is_other(&self, signal: OtlpSignal) -> bool {
        let other = match signal {
            OtlpSignal::Traces => &self.logs,
            OtlpSignal::Logs => &self.spans,
        };
        other.is_some() || self.is_metrics()
    }

    pub(super) fn parts(self) -> impl Iterator<Item = Part<'a>> {
        let spans = self.spans.unwrap_or_default().0;
        let logs = self.logs.unwrap_or_default().0;
        spans.into_iter().chain(logs)
    }
}

/// `ResourceSpans` or `ResourceLogs`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow, alias = "scope_spans")]
    scope_spans: List<Scoped<'a>>,
    #[serde(borrow, alias = "scope_logs")]
    scope_logs: List<Scoped<'a>>,
}

impl<'a> Part<'a> {
    /// The resource's attributes, and what each scope recorded.
    pub(super) fn split(self) -> (Vec<Attribute<'a>>, impl Iterator<Item = Scoped<'a>>) {
        let resource = self.resource.unwrap_or_default().attributes.pairs();
        (resource, self.scope_spans.0.into_iter().chain(self.scope_logs.0))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resource<'a> {
    #[serde(borrow)]
    pub(super) attributes: List<KeyValue<'a>>,
}

/// `ScopeSpans` or `ScopeLogs`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Scoped<'a> {
    #[serde(borrow)]
    pub(super) scope: Option<Scope<'a>>,
    #[serde(borrow)]
    pub(super) spans: List<SpanShape<'a>>,
    #[serde(borrow, rename = "logRecords", alias = "log_records")]
    pub(super) logs: List<LogShape<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Scope<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) version: Text<'a>,
    #[serde(borrow)]
    pub(super) attributes: List<KeyValue<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SpanShape<'a> {
    #[serde(alias = "trace_id")]
    trace_id: Hex,
    #[serde(alias = "span_id")]
    span_id: Hex,
    #[serde(alias = "parent_span_id")]
    parent_span_id: Hex,
    #[serde(borrow)]
    name: Text<'a>,
    kind: Number<i64>,
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Number<u64>,
    #[serde(alias = "end_time_unix_nano")]
    end_time_unix_nano: Number<u64>,
    #[serde(borrow)]
    attributes: List<KeyValue<'a>>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    message: Text<'a>,
    code: Number<i64>,
}

impl<'a> From<SpanShape<'a>> for (Span<'a>, Vec<Attribute<'a>>) {
    fn from(shape: SpanShape<'a>) -> Self {
        let status = shape.status.unwrap_or_default();
        let span = Span {
            trace_id: Id::Text(shape.trace_id.0),
            span_id: Id::Text(shape.span_id.0),
            parent_span_id: Id::Text(shape.parent_span_id.0),
            name: shape.name.0,
            kind: shape.kind.0,
            start: shape.start_time_unix_nano.0,
            end: shape.end_time_unix_nano.0,
            status_code: status.code.0,
            status_message: status.message.0,
        };
        (span, shape.attributes.pairs())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LogShape<'a> {
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Number<u64>,
    #[serde(alias = "observed_time_unix_nano")]
    observed_time_unix_nano: Number<u64>,
    #[serde(alias = "severity_number")]
    severity_number: Number<i64>,
    #[serde(borrow, alias = "severity_text")]
    severity_text: Text<'a>,
    #[serde(borrow)]
    body: Option<Any<'a>>,
    #[serde(borrow, alias = "event_name")]
    event_name: Text<'a>,
    #[serde(alias = "trace_id")]
    trace_id: Hex,
    #[serde(alias = "span_id")]
    span_id: Hex,
    #[serde(borrow)]
    attributes: List<KeyValue<'a>>,
}

impl<'a> From<LogShape<'a>> for (Log<'a>, Vec<Attribute<'a>>) {
    fn from(shape: LogShape<'a>) -> Self {
        let log = Log {
            time: shape.time_unix_nano.0,
            observed: shape.observed_time_unix_nano.0,
            severity_number: shape.severity_number.0,
            severity_text: shape.severity_text.0,
            body: shape.body.unwrap_or_default(),
            event_name: shape.event_name.0,
            trace_id: Id::Text(shape.trace_id.0),
            span_id: Id::Text(shape.span_id.0),
        };
        (log, shape.attributes.pairs())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    value: Option<Any<'a>>,
}

impl<'a> List<KeyValue<'a>> {
    pub(super) fn pairs(self) -> Vec<Attribute<'a>> {
        self.0.into_iter().map(|pair| (pair.key.0, pair.value.unwrap_or_default())).collect()
    }
}

/// A list; `null` is an empty one.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(List::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_any(Items(PhantomData))
    }
}

/// A text, borrowed unless it has escapes; `null` is an empty one.
#[derive(Debug, Default)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Letters;
        impl<'de> Visitor<'de> for Letters {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_any(Letters)
    }
}

/// An id in lower-case hexadecimal; empty when it is missing or all zeros.
#[derive(Debug, Default)]
struct Hex(String);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        let digits = text.as_bytes();
        if digits.iter().all(|b| *b == b'0') {
            return Ok(Self::default());
        }
        if matches!(digits.len(), 16 | 32) && digits.iter().all(u8::is_ascii_hexdigit) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        // Plain protobuf JSON writes bytes in base64.
        match from_base64(&text).filter(|bytes| matches!(bytes.len(), 8 | 16)) {
            Some(bytes) if bytes.iter().all(|byte| *byte == 0) => Ok(Self::default()),
            Some(bytes) => {
                let mut hex = String::with_capacity(2 * bytes.len());
                write_hex(&bytes, &mut hex);
                Ok(Self(hex))
            }
            None => Ok(Self(text.into_owned())),
        }
    }
}

/// An integer, written as a number, as a string, or as the name of an enum's value.
#[derive(Debug, Default)]
pub(super) struct Number<T>(pub(super) T);

impl<'de, T: TryFrom<i128> + Default> Deserialize<'de> for Number<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Digits(PhantomData)).map(Self)
    }
}

/// Refuses within the visit, so that the error's place is the number's.
struct Digits<T>(PhantomData<T>);

impl<T: TryFrom<i128>> Digits<T> {
    fn fit<E: Error>(value: i128) -> Result<T, E> {
        T::try_from(value).map_err(|_| E::custom(format!("{value} is out of range")))
    }
}

impl<T: TryFrom<i128> + Default> Visitor<'_> for Digits<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, as a number or a string")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        Self::fit(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        Self::fit(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        if value.fract() != 0.0 || value.abs() >= 1.9e19 {
            return Err(E::custom(format!("{value} is not an integer")));
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole and bounded")]
        Self::fit(value as i128)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let value = text.parse().ok().or_else(|| enum_number(text));
        Self::fit(value.ok_or_else(|| E::custom(format!("`{text}` is not an integer")))?)
    }
}

/// The number of an enum's value, by its name in the protocol.
fn enum_number(name: &str) -> Option<i128> {
    const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let position = |names: &[&str], name: &str| names.iter().position(|n| *n == name);
    let number = if let Some(kind) = name.strip_prefix("SPAN_KIND_") {
        position(&super::super::SPAN_KINDS, kind)?
    } else if let Some(code) = name.strip_prefix("STATUS_CODE_") {
        position(&super::super::STATUS_CODES, code)?
    } else if let Some(temporality) = name.strip_prefix("AGGREGATION_TEMPORALITY_") {
        position(&["UNSPECIFIED", "DELTA", "CUMULATIVE"], temporality)?
    } else {
        let level = name.strip_prefix("SEVERITY_NUMBER_")?;
        if level == "UNSPECIFIED" {
            return Some(0);
        }
        // Each level has four numbers: TRACE is 1, TRACE2 is 2, DEBUG is 5.
        let (level, step) = match level.strip_suffix(['2', '3', '4']) {
            Some(word) => (word, usize::from(level.as_bytes()[word.len()] - b'1')),
            None => (level, 0),
        };
        position(&LEVELS, level)? * 4 + 1 + step
    };
    i128::try_from(number).ok()
}

impl<'de: 'a, 'a> Deserialize<'de> for Any<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Value)
    }
}

struct Value;

impl<'de> Visitor<'de> for Value {
    type Value = Any<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value such as {\"stringValue\": \"…\"}")
    }

    fn visit_unit<E>(self) -> Result<Any<'de>, E> {
        Ok(Any::Absent)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Any<'de>, A::Error> {
        let mut value = Any::Absent;
        while let Some(Text(key)) = fields.next_key()? {
            value = match &*key {
                "stringValue" | "string_value" => Any::Text(fields.next_value::<Text<'de>>()?.0),
                "boolValue" | "bool_value" => Any::Bool(fields.next_value()?),
                "intValue" | "int_value" => Any::Int(fields.next_value::<Number<i64>>()?.0),
                "doubleValue" | "double_value" => Any::Float(fields.next_value::<Double>()?.0),
                "bytesValue" | "bytes_value" => {
                    let Text(text) = fields.next_value()?;
                    match from_base64(&text) {
                        Some(bytes) => Any::Bytes(bytes.into()),
                        None => Any::Text(text),
                    }
                }
                "arrayValue" | "array_value" => {
                    Any::List(fields.next_value::<Values<Any<'de>>>()?.values.0)
                }
                "kvlistValue" | "kvlist_value" => {
                    Any::Map(fields.next_value::<Values<KeyValue<'de>>>()?.values.pairs())
                }
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
        }
        Ok(value)
    }
}

#[derive(Debug, Deserialize)]
struct Values<T> {
    #[serde(default = "List::default", bound(deserialize = "T: Deserialize<'de>"))]
    values: List<T>,
}

/// A double; protobuf's JSON writes those that JSON cannot as strings.
#[derive(Debug, Default)]
pub(super) struct Double(pub(super) f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Decimals;
        impl Visitor<'_> for Decimals {
            type Value = Double;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E>(self, value: i64) -> Result<Double, E> {
                Ok(Double(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Double, E> {
                Ok(Double(value as f64))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Double, E> {
                Ok(Double(value))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Double, E> {
                text.parse().map(Double).map_err(|_| E::custom(format!("`{text}` is not a number")))
            }
        }
        deserializer.deserialize_any(Decimals)
    }
}
