//! Events of many journal entries as few large batches: what is repeated in them is kept once, and
//! what a batch costs is paid seldom.

use std::sync::Arc;

use flyball_events::{BatchBuilder, Projection};
use flyball_segment::{Buffer, Run, SegmentError};
use flyball_store::Entry;

use crate::decode::{Decoder, Reading};
use crate::entry;
use crate::limits::Limits;

/// Bodies whose events wait to become a batch. Bytes, decompressed; a batch that has all its rows needs
/// fewer. What is repeated in them takes its room again when it is read without its dictionary.
const WAITING_BYTES_MAX: usize = 8 << 20;

/// Reads entries into a [`Buffer`].
#[derive(Debug)]
pub(super) struct Gatherer {
    decoder: Decoder,
    limits: Limits,
    waiting: Waiting,
    texts_cut: u64,
}

/// What has been read and is in no buffer yet; the rows themselves are in the decoder.
#[derive(Debug, Default)]
struct Waiting {
    /// Whose rows they are.
    runs: Vec<Run>,
    /// How many rows `runs` are together.
    rows: usize,
    /// The bodies that they were in. Bytes, decompressed.
    bytes: usize,
    /// The service of those that name none.
    service: Option<String>,
}

impl Waiting {
    /// Notes that `run` brought the rows up to `rows`.
    fn reach(&mut self, rows: usize, run: Run) {
        if rows > self.rows {
            self.runs.push(Run { rows: rows - self.rows, ..run });
            self.rows = rows;
        }
    }

    /// Has the rows of `batch` in `buffer`; nothing waits then.
    fn hand_over(
        &mut self,
        batch: &mut BatchBuilder,
        buffer: &mut Buffer,
    ) -> Result<(), SegmentError> {
        let added = match batch.rows() {
            0 => Ok(()),
            _ => buffer.add(&batch.finish(), &self.runs),
        };
        (self.rows, self.bytes) = (0, 0);
        self.runs.clear();
        added
    }
}

impl Gatherer {
    pub(super) fn new(limits: Limits) -> Self {
        Self { decoder: decoder(&limits), limits, waiting: Waiting::default(), texts_cut: 0 }
    }

    /// Reads `entry`, which follows the one before. Its events are in `buffer` after the next
    /// [`Self::finish`].
    ///
    /// # Errors
    ///
    /// Columns that Arrow cannot handle. An entry that cannot be read has no events: the evaluator
    /// leaves it out as well.
    pub(super) fn add(&mut self, entry: Entry, buffer: &mut Buffer) -> Result<(), SegmentError> {
        let number = entry.sequence.0;
        let (from, to) = self.limits.times(entry.arrival);
        let cannot = |error: &dyn std::fmt::Display| {
            tracing::error!(entry = number, %error, "a journal entry cannot be stored");
        };
        let (header, body) = match entry::decode(entry.payload) {
            Ok(read) => read,
            Err(error) => {
                cannot(&error);
                return Ok(());
            }
        };
        if header.content.is_metrics() {
            return Ok(());
        }
        if header.service != self.waiting.service {
            self.finish(buffer)?;
            self.waiting.service.clone_from(&header.service);
        }
        let run = Run { entry: number, rows: 0, from, to };
        let (waiting, mut added) = (&mut self.waiting, Ok(()));
        let mut flush = |batch: &mut BatchBuilder| {
            waiting.reach(batch.rows(), run);
            let result = waiting.hand_over(batch, buffer);
            if added.is_ok() {
                added = result;
            }
        };
        let bytes = self.decoder.gather(&header, &body, &mut flush).unwrap_or_else(|error| {
            cannot(&error);
            0
        });
        added?;
        self.waiting.reach(self.decoder.batch().rows(), run);
        self.waiting.bytes += bytes;
        if self.waiting.bytes > WAITING_BYTES_MAX {
            self.finish(buffer)?;
        }
        Ok(())
    }

    /// How many texts of attributes were too long, and were cut, since the last time.
    pub(super) fn take_texts_cut(&mut self) -> u64 {
        std::mem::take(&mut self.texts_cut)
    }

    /// Has everything that was read in `buffer`.
    ///
    /// # Errors
    ///
    /// As [`Self::add`].
    pub(super) fn finish(&mut self, buffer: &mut Buffer) -> Result<(), SegmentError> {
        let added = self.waiting.hand_over(self.decoder.batch(), buffer);
        self.texts_cut += self.decoder.batch().take_texts_cut();
        if self.decoder.batch().is_crowded() {
            self.decoder = decoder(&self.limits);
        }
        added
    }
}

/// A decoder of all attributes.
fn decoder(limits: &Limits) -> Decoder {
    let everything = Arc::new(Reading { version: 0, projection: Projection::All });
    Decoder::new(everything, limits.clone())
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use flyball_events::BATCH_ROWS;
    use flyball_model::Timestamp;
    use flyball_segment::SegmentWriter;
    use flyball_store::Sequence;

    use super::*;
    use crate::entry::{Compression, Content, Header};

    fn entry(number: u64, content: Content, service: Option<&str>, body: &str) -> Entry {
        let header = Header {
            content,
            compression: Compression::None,
            service: service.map(str::to_owned),
            key: None,
            format: None,
            mark: None,
        };
        Entry {
            sequence: Sequence(number),
            arrival: Timestamp::parse("2026-03-02T12:30:00Z").unwrap(),
            payload: entry::encode(&header, body.as_bytes()),
        }
    }

    /// What is stored of `entries`: of each event its entry, service and number, in order.
    fn stored(entries: Vec<Entry>) -> Vec<(i64, String, i64)> {
        let mut gatherer = Gatherer::new(Limits::default());
        let mut buffer = Buffer::new(0);
        for entry in entries {
            gatherer.add(entry, &mut buffer).unwrap();
        }
        gatherer.finish(&mut buffer).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, _) = SegmentWriter::open(directory.path()).unwrap();
        writer.append(&buffer).unwrap();
        let view = writer.segments().view();
        let mut all = Vec::new();
        for batch in view.hours().into_iter().flat_map(|hour| view.read(hour, None)) {
            let batch = batch.unwrap();
            let entries = batch.column(1).as_primitive::<Int64Type>();
            let services = batch.column_by_name("service.name").unwrap().as_string::<i32>();
            let numbers = batch.column_by_name("n").unwrap().as_primitive::<Int64Type>();
            all.extend((0..batch.num_rows()).map(|row| {
                (entries.value(row), services.value(row).to_owned(), numbers.value(row))
            }));
        }
        all.sort();
        all
    }

    #[test]
    fn every_event_keeps_its_entry_and_service_whatever_shares_its_batch() {
        let lines = |count: i64| -> String {
            let line = |n: i64| format!("{{\"time\":\"2026-03-02T12:29:00Z\",\"n\":{n}}}\n");
            (0..count).map(line).collect()
        };
        let many = i64::try_from(BATCH_ROWS).unwrap() + 5;
        let counts = [(1, "a", 3), (2, "a", many), (3, "b", 2), (7, "b", many * 2), (8, "a", 1)];
        let ndjson = |&(number, service, count): &(i64, &str, i64)| {
            entry(number.cast_unsigned(), Content::Ndjson, Some(service), &lines(count))
        };
        let mut entries: Vec<Entry> = counts.iter().map(ndjson).collect();
        entries.insert(3, entry(4, Content::RemoteWriteV1, None, "samples are no events"));
        entries.insert(4, entry(5, Content::OtlpTracesProtobuf, Some("b"), "no protobuf"));
        let mut torn = entry(6, Content::Ndjson, None, "");
        torn.payload.truncate(3);
        entries.insert(5, torn);
        let each = |(number, service, count): (i64, &str, i64)| {
            let service = service.to_owned();
            (0..count).map(move |n| (number, service.clone(), n))
        };
        assert_eq!(stored(entries), counts.into_iter().flat_map(each).collect::<Vec<_>>());
    }
}
