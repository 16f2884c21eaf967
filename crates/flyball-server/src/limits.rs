//! What one client may ask of the server.

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampNanosecondType;
use flyball_model::{Duration, Timestamp};
use flyball_store::JournalOptions;

use crate::auth::Rates;
use crate::decode::Body;
use crate::entry::Content;

/// The reason for events that are older than late events may be.
const TOO_LATE: &str = "older than late events may be";
/// The reason for events that lie ahead of the clock.
const IN_FUTURE: &str = "in the future";

/// Bounds on what comes in. Each is refused with its name and value, and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest body of one request as it is sent. Bytes; 16 MiB unless told: a collector's
    /// largest batches are a quarter of it.
    pub request_bytes_max: usize,
    /// The largest body of one request after decompression. Bytes; 64 MiB unless told: honest
    /// telemetry compresses to a tenth, a bomb to a thousandth.
    pub decompressed_bytes_max: usize,
    /// Attributes that one event may name itself, with those nested in others; one with more is
    /// refused. 1,024 unless told: SDKs keep 128 of a span.
    pub attributes_max: usize,
    /// The longest text of one attribute; a longer one is cut between characters, counted, and told to
    /// who sent it where a condition reads it. Bytes; 16 KiB unless told: stack traces and statements are
    /// shorter. One that a body says once of all its events takes its room with each of them when they
    /// are read again.
    pub attribute_bytes_max: usize,
    /// Bodies that are being worked on at the same time, decompressed. Bytes; 512 MiB unless told.
    /// Past it requests are told to come again. An eighth of it is for small bodies alone, so that large
    /// ones cannot keep them out.
    pub working_bytes_max: usize,
    /// Bodies that are being read at the same time, as they are sent. Bytes; 256 MiB unless told.
    /// Past it requests are told to come again.
    pub reading_bytes_max: usize,
    /// Connections open at the same time; 12,000 unless told. Past it new ones wait.
    pub connections_max: usize,
    /// Streams of budgets open at the same time; 256 unless told, of which each token and each person has
    /// a fourth at most. Past it clients are told to come again.
    pub streams_max: usize,
    /// How long a client may take to send a request's headers, or the next part of its body, and to
    /// take something of what it is answered.
    pub idle_max: std::time::Duration,
    /// How long a body may take as a whole; a minute unless told, in which the largest needs 280 KiB
    /// a second.
    pub body_time_max: std::time::Duration,
    /// What each token may ask.
    pub rates: Rates,
    /// How late an event may be: one that is older when it arrives is refused. A day unless told.
    pub late_max: Duration,
    /// How far ahead of the clock an event may lie; clocks differ by seconds. Ten minutes unless
    /// told.
    pub ahead_max: Duration,
    /// Queries that run at the same time; 2 unless told, since each takes two threads. Past it
    /// clients are told to ask again.
    pub queries_max: usize,
    /// How long a query may run. 30 s unless told.
    pub query_time_max: std::time::Duration,
    /// What a query's operators hold at once. Bytes; 256 MiB unless told.
    pub query_memory_max: usize,
    /// Rows of an answer; 10,000 unless told. Past it there is none.
    pub query_rows_max: usize,
    /// The rows of an answer in memory. Bytes; 32 MiB unless told.
    pub query_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 16 << 20,
            decompressed_bytes_max: 64 << 20,
            attributes_max: 1_024,
            attribute_bytes_max: 16 << 10,
            working_bytes_max: 512 << 20,
            reading_bytes_max: 256 << 20,
            connections_max: 12_000,
            streams_max: 256,
            idle_max: std::time::Duration::from_secs(10),
            body_time_max: std::time::Duration::from_mins(1),
            rates: Rates::default(),
            late_max: Duration::from_days(1),
            ahead_max: Duration::from_minutes(10),
            queries_max: 2,
            query_time_max: std::time::Duration::from_secs(30),
            query_memory_max: 256 << 20,
            query_rows_max: 10_000,
            query_bytes_max: 32 << 20,
        }
    }
}

/// Bytes that an entry's header may take beside the body.
const ENTRY_HEADER_BYTES: usize = 4 << 10;

impl Limits {
    /// The bounds of the journal that takes such requests.
    pub(crate) fn journal(&self) -> JournalOptions {
        let entry_bytes_max = self.request_bytes_max + ENTRY_HEADER_BYTES;
        JournalOptions { entry_bytes_max, ..JournalOptions::default() }
    }

    /// The times that what arrives at `arrival` may be of: from, and up to without.
    pub(crate) fn times(&self, arrival: Timestamp) -> (Timestamp, Timestamp) {
        (arrival.minus(self.late_max), arrival.plus(self.ahead_max))
    }

    /// `reason`, with the bound where it is about the age of events.
    pub(crate) fn named(&self, reason: &'static str) -> String {
        match reason {
            TOO_LATE => format!("{reason}: {}", self.late_max),
            IN_FUTURE => format!("{reason} by more than {}", self.ahead_max),
            _ => reason.to_owned(),
        }
    }

    /// What is said of texts that were cut; `None` where none was.
    pub(crate) fn cut(&self, texts: u64) -> Option<String> {
        let most = self.attribute_bytes_max;
        let texts = (texts > 0).then_some(texts)?;
        Some(format!(
            "{texts} texts of attributes were longer than {most} bytes and were cut; hint: shorten them \
             where they are made"
        ))
    }

    /// Refuses what in `body` is too late or in the future for its arrival. Samples are taken out;
    /// events stay in their batches, and whoever counts leaves them out by the same bounds.
    ///
    /// What was asked for is as old as it was asked to be.
    pub(crate) fn bound(&self, body: &mut Body, content: Content, arrival: Timestamp) {
        let (mut from, to) = self.times(arrival);
        if content == Content::PrometheusMatrix {
            from = Timestamp::MIN;
        }
        let Body { batches, series, decoded, .. } = body;
        let mut is_refused = |number: u64, at: Timestamp| {
            let is_inside = from <= at && at < to;
            if !is_inside {
                decoded.events -= 1;
                let reason = if at < from { TOO_LATE } else { IN_FUTURE };
                decoded.rejects.add(reason, number, None, at.to_string().as_bytes());
            }
            !is_inside
        };
        for (series, number) in series.iter_mut().zip(1..) {
            series.samples.retain(|sample| !is_refused(number, sample.at));
        }
        series.retain(|series| !series.samples.is_empty());
        for batch in batches {
            let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
            for (row, nanos) in times.values().iter().enumerate() {
                if !times.is_null(row) {
                    is_refused(row as u64 + 1, Timestamp::from_nanos(*nanos));
                }
            }
        }
    }
}
