//! What the inputs say of each service, hour by hour, in bounded memory.
//!
//! Durations are counted between the very thresholds that may be proposed, so what is said of a
//! threshold is exact and no quantile is estimated. Wider cells replace hours when there are many.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimestampNanosecondType};
use flyball_events::TWIN_SUFFIX;
use flyball_model::{Duration, Rational, Slot, Timestamp};

/// Services kept; past it the inputs need `--service` or a filter, not a thousand proposals.
pub(super) const SERVICES_MAX: usize = 200;
/// Cells kept over all services, of about 0.9 kB each: 90 MB.
const CELLS_MAX: usize = 100_000;
/// Widths of a cell in hours, the finest first; each divides the next.
const HOURS: [u32; 5] = [1, 4, 24, 168, 672];

/// The attributes that are read.
pub(super) const ATTRIBUTES: [&str; 6] = [
    "service.name",
    "span.kind",
    "duration_ms",
    "http.response.status_code",
    "rpc.grpc.status_code",
    "otel.status_code",
];

/// What tells success from failure, the most telling first.
pub(super) const SIGNALS: [Signal; 3] = [
    Signal { attribute: "http.response.status_code", good: "http.response.status_code < 500" },
    // Source: OpenTelemetry semantic conventions, gRPC: the codes that are errors of a server.
    Signal {
        attribute: "rpc.grpc.status_code",
        good: "rpc.grpc.status_code NOT IN (2, 4, 12, 13, 14, 15)",
    },
    Signal { attribute: "otel.status_code", good: "otel.status_code <> 'ERROR'" },
];

/// An attribute that tells success from failure.
#[derive(Debug)]
pub(super) struct Signal {
    pub(super) attribute: &'static str,
    /// The SQL condition of a good event.
    pub(super) good: &'static str,
}

/// Latency thresholds in milliseconds that people would write, as SQL and as a number, ascending:
/// from a hundredth of a millisecond to a quarter of an hour.
pub(super) static THRESHOLDS: LazyLock<Vec<(String, f64)>> = LazyLock::new(|| {
    const STEPS: [u64; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];
    let mut out = Vec::new();
    for decade in 0..8 {
        for step in STEPS {
            let thousandths = step * 10u64.pow(decade);
            // `f64` of a short decimal is what SQL reads from its text as well.
            let Some(value) = Rational::new(thousandths, 1_000) else { continue };
            let text = value.to_string();
            if let Ok(number) = text.parse() {
                out.push((text, number));
            }
        }
    }
    out
});

/// Events of one service in one stretch of time.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// For each of [`SIGNALS`]: events that have it, and those of them that failed.
    pub(super) signals: [(u64, u64); SIGNALS.len()],
    /// Events with a duration, by the first of [`THRESHOLDS`] that they do not exceed; the last
    /// one is for those that exceed all.
    pub(super) durations: Box<[u64]>,
}

impl Cell {
    fn new() -> Self {
        let durations = vec![0; THRESHOLDS.len() + 1].into_boxed_slice();
        Self { signals: [(0, 0); SIGNALS.len()], durations }
    }

    fn merge(&mut self, other: &Self) {
        for (own, more) in self.signals.iter_mut().zip(other.signals) {
            *own = (own.0 + more.0, own.1 + more.1);
        }
        for (own, more) in self.durations.iter_mut().zip(&other.durations) {
            *own += more;
        }
    }
}

/// One service.
#[derive(Debug)]
pub(super) struct Service {
    /// `None` for events without a service.
    pub(super) name: Option<String>,
    /// Events that count, by cell.
    pub(super) cells: BTreeMap<Slot, Cell>,
    pub(super) width: Duration,
    /// Events that count: requests, and where spans have a kind those that serve or consume.
    pub(super) events: u64,
    /// Spans that are calls to others or steps inside.
    pub(super) inner_spans: u64,
    /// Whether some of the counted events are spans with a kind, and whether some are not.
    pub(super) has_kind: bool,
    pub(super) lacks_kind: bool,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// All services.
#[derive(Debug)]
pub(super) struct History {
    services: BTreeMap<Option<String>, Service>,
    rung: usize,
    left_out: u64,
}

impl History {
    pub(super) const fn new() -> Self {
        Self { services: BTreeMap::new(), rung: 0, left_out: 0 }
    }

    /// The services in the order of their names, events without one first.
    pub(super) fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// Events of services past [`SERVICES_MAX`].
    pub(super) const fn services_left_out(&self) -> u64 {
        self.left_out
    }

    fn width(&self) -> Duration {
        Duration::from_hours(HOURS[self.rung])
    }

    /// Counts a batch.
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        let Some(times) = batch.column(0).as_primitive_opt::<TimestampNanosecondType>() else {
            return;
        };
        let names = Texts::of(batch, "service.name");
        let kinds = Texts::of(batch, "span.kind");
        let durations = Numbers::of(batch, "duration_ms");
        let http = Numbers::of(batch, SIGNALS[0].attribute);
        let grpc = Numbers::of(batch, SIGNALS[1].attribute);
        let otel = Texts::of(batch, SIGNALS[2].attribute);
        let width = self.width();
        for row in 0..batch.num_rows() {
            if times.is_null(row) {
                continue;
            }
            let at = Timestamp::from_nanos(times.value(row));
            let Some(service) = self.service(names.get(row), at) else {
                self.left_out += 1;
                continue;
            };
            match kinds.get(row) {
                Some("SERVER" | "CONSUMER") => service.has_kind = true,
                Some(_) => {
                    service.inner_spans += 1;
                    continue;
                }
                None => service.lacks_kind = true,
            }
            service.events += 1;
            service.first = service.first.min(at);
            service.last = service.last.max(at);
            let cell = service.cells.entry(Slot::of(at, width)).or_insert_with(Cell::new);
            let mut note = |signal: usize, failed: bool| {
                cell.signals[signal].0 += 1;
                cell.signals[signal].1 += u64::from(failed);
            };
            // A value that cannot be read is undecided, and counts as bad in a replay as well.
            if let Some(status) = http.get(row) {
                note(0, status.is_nan() || status >= 500.0);
            }
            if let Some(status) = grpc.get(row) {
                let is_failed = [2.0, 4.0, 12.0, 13.0, 14.0, 15.0].contains(&status);
                note(1, status.is_nan() || is_failed);
            }
            if let Some(status) = otel.get(row) {
                note(2, status == "ERROR");
            }
            if let Some(duration) = durations.get(row) {
                // What is no number is within no threshold.
                let duration = if duration.is_nan() { f64::INFINITY } else { duration };
                let bucket = THRESHOLDS.partition_point(|(_, threshold)| *threshold < duration);
                cell.durations[bucket] += 1;
            }
        }
        self.coarsen_if_full();
    }

    fn service(&mut self, name: Option<&str>, at: Timestamp) -> Option<&mut Service> {
        let key = name.map(str::to_owned);
        if !self.services.contains_key(&key) && self.services.len() >= SERVICES_MAX {
            return None;
        }
        let width = self.width();
        Some(self.services.entry(key).or_insert_with_key(|name| Service {
            name: name.clone(),
            cells: BTreeMap::new(),
            width,
            events: 0,
            inner_spans: 0,
            has_kind: false,
            lacks_kind: false,
            first: at,
            last: at,
        }))
    }

    fn coarsen_if_full(&mut self) {
        while self.rung + 1 < HOURS.len()
            && self.services.values().map(|service| service.cells.len()).sum::<usize>() > CELLS_MAX
        {
            let factor = i64::from(HOURS[self.rung + 1] / HOURS[self.rung]);
            self.rung += 1;
            let width = self.width();
            for service in self.services.values_mut() {
                service.width = width;
                for (slot, cell) in std::mem::take(&mut service.cells) {
                    let wide = Slot(slot.0.div_euclid(factor));
                    service.cells.entry(wide).or_insert_with(Cell::new).merge(&cell);
                }
            }
        }
    }
}

/// A column of texts; numbers among them as they were written.
struct Texts(Option<(ArrayRef, Option<ArrayRef>)>);

impl Texts {
    fn of(batch: &RecordBatch, name: &str) -> Self {
        let text = |name: &str| cast(batch.column_by_name(name)?, &DataType::Utf8).ok();
        let own = text(name).or_else(|| text(&format!("{name}{TWIN_SUFFIX}")));
        Self(own.map(|own| (own, text(&format!("{name}{TWIN_SUFFIX}")))))
    }

    fn get(&self, row: usize) -> Option<&str> {
        let (own, twin) = self.0.as_ref()?;
        let at = |array: &'_ ArrayRef| array.is_valid(row);
        if at(own) {
            return Some(own.as_string::<i32>().value(row));
        }
        let twin = twin.as_ref().filter(|twin| at(twin))?;
        Some(twin.as_string::<i32>().value(row))
    }
}

/// A column of numbers, with the texts that may stand among them.
struct Numbers {
    numbers: Option<Float64Array>,
    /// Where there is a value at all.
    present: Texts,
}

impl Numbers {
    fn of(batch: &RecordBatch, name: &str) -> Self {
        // What does not cast is null: present, and no number.
        let numbers = batch
            .column_by_name(name)
            .and_then(|column| cast(column, &DataType::Float64).ok())
            .and_then(|column| column.as_primitive_opt::<Float64Type>().cloned());
        Self { numbers, present: Texts::of(batch, name) }
    }

    /// The value of a row; not a number for what is there and cannot be read as one.
    fn get(&self, row: usize) -> Option<f64> {
        if let Some(numbers) = &self.numbers
            && numbers.is_valid(row)
        {
            return Some(numbers.value(row));
        }
        self.present.get(row).map(|text| text.trim().parse().unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_ascend_and_read_back_as_they_are_written() {
        assert!(THRESHOLDS.is_sorted_by(|a, b| a.1 < b.1));
        assert!(THRESHOLDS.iter().any(|(text, _)| text == "0.01"));
        assert!(THRESHOLDS.iter().any(|(text, value)| text == "250" && *value == 250.0));
        for (text, value) in THRESHOLDS.iter() {
            assert_eq!(text.parse::<f64>().ok(), Some(*value));
            assert!(!text.contains('e'), "{text} is no plain decimal");
        }
    }
}
