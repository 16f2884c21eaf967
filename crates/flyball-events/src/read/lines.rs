//! Line formats: units of whole records, decoded by several threads, delivered in order.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use flyball_model::Timestamp;

use super::split::{Buffer, Records, UNIT_BYTES, Unit};
use super::summary::{InputSummary, time_range};
use super::{Delivery, EventsError, Source};
use crate::batch::{BatchBuilder, Offered};
use crate::codec::{Decoded, LineCodec};
use crate::format::{NewLineCodec, Splitter};

/// The reason for a record longer than [`super::split::LINE_BYTES_MAX`].
pub(super) const TOO_LONG: &str = "longer than 16 MiB";
/// The reason for a header whose line does not end where it should.
pub(super) const BARE_RETURN: &str = "lines end with carriage returns alone";

/// Units in flight for each thread: one being decoded, one waiting for its turn.
const UNITS_PER_THREAD: usize = 2;

/// What became of one unit.
struct Done<T> {
    decoded: Decoded,
    mapped: Option<T>,
    range: Option<(Timestamp, Timestamp)>,
    names_over_limit: u64,
    /// All that was offered so far, when there is something new.
    offered: Option<Offered>,
}

/// What one thread decodes with.
struct Decoder<'a, T> {
    codec: Box<dyn LineCodec>,
    batch: BatchBuilder,
    /// How much the batch builder had offered before.
    offered: usize,
    map: &'a (dyn Fn(arrow::array::RecordBatch) -> T + Sync),
}

impl<T> Decoder<'_, T> {
    fn decode(&mut self, unit: &Unit, bytes: &[u8]) -> Done<T> {
        let mut decoded = Decoded::default();
        if *unit == Unit::TooLong {
            decoded.lines = 1;
            decoded.rejects.add(TOO_LONG, 1, None, bytes);
            return Done { decoded, mapped: None, range: None, names_over_limit: 0, offered: None };
        }
        self.codec.decode(bytes, &mut self.batch, &mut decoded);
        let names_over_limit = self.batch.names_over_limit();
        let len = self.batch.offered().len();
        let offered = (len > self.offered).then(|| self.batch.offered().clone());
        self.offered = len;
        if self.batch.rows() == 0 {
            return Done { decoded, mapped: None, range: None, names_over_limit, offered };
        }
        let batch = self.batch.finish();
        let range = time_range(&batch);
        Done { decoded, mapped: Some((self.map)(batch)), range, names_over_limit, offered }
    }
}

pub(super) fn read<T: Send>(
    source: Source<'_>,
    splitter: Splitter,
    header: bool,
    new: &NewLineCodec,
    summary: &mut InputSummary,
    delivery: &mut Delivery<'_, T>,
) -> Result<(), EventsError> {
    let Source { input, options, reader, meter } = source;
    let mut records = Records::new(reader, splitter);
    let header = if header { header_of(&mut records, summary) } else { Vec::new() };
    summary.check_strict(options)?;
    let map = delivery.map;
    let decoder = || Decoder { codec: new(&header), batch: options.builder(), offered: 0, map };
    let mut take = |done: Done<T>| -> Result<ControlFlow<()>, EventsError> {
        summary.add(done.decoded);
        summary.widen(done.range);
        summary.names_over_limit = summary.names_over_limit.max(done.names_over_limit);
        summary.offered.extend(done.offered.unwrap_or_default());
        summary.check_strict(options)?;
        summary.take_meter(&meter);
        (delivery.report)(summary.bytes_read, summary.events);
        Ok(done.mapped.map_or(ControlFlow::Continue(()), |mapped| delivery.deliver(mapped)))
    };
    if options.threads <= 1 {
        alone(&mut records, &mut decoder(), &mut take)?;
    } else {
        together(&mut records, options.threads, &decoder, &mut take)?;
    }
    summary.take_meter(&meter);
    summary.bytes_decoded = records.bytes;
    if let Some((error, rest)) = records.take_broken() {
        summary.damage(input, &meter, error, &rest)?;
        summary.check_strict(options)?;
    }
    Ok(())
}

/// The header record, counted as lines; one that cannot be what names the columns is a reject.
fn header_of(records: &mut Records, summary: &mut InputSummary) -> Vec<u8> {
    let header = match records.header() {
        Ok(header) => header,
        Err(beginning) => {
            summary.lines = 1;
            summary.rejects.add(TOO_LONG, 1, None, &beginning);
            return Vec::new();
        }
    };
    summary.lines = u64::from(!header.is_empty());
    summary.lines += memchr::memchr_iter(b'\n', &header).count() as u64;
    if let Some(at) = bare_return(&header) {
        summary.rejects.add(BARE_RETURN, 1, Some(at as u64 + 1), &header);
    }
    header
}

/// Where a carriage return stands outside quotes: the file's lines end with it, and the "header"
/// is many of them, if not all.
fn bare_return(header: &[u8]) -> Option<usize> {
    let mut is_quoted = false;
    header.iter().position(|byte| {
        is_quoted ^= *byte == b'"';
        *byte == b'\r' && !is_quoted
    })
}

type Take<'a, T> = dyn FnMut(Done<T>) -> Result<ControlFlow<()>, EventsError> + 'a;

fn alone<T>(
    records: &mut Records,
    decoder: &mut Decoder<'_, T>,
    take: &mut Take<'_, T>,
) -> Result<(), EventsError> {
    let mut buffer = Buffer::default();
    loop {
        let unit = records.next(&mut buffer, UNIT_BYTES);
        if unit == Unit::End || take(decoder.decode(&unit, buffer.bytes()))?.is_break() {
            return Ok(());
        }
    }
}

/// The source as threads share it: who holds it takes the next unit.
struct Shared<'a> {
    records: &'a mut Records,
    /// One permit for each unit that may be in flight.
    permits: Receiver<()>,
    next: u64,
}

fn together<'m, T: Send>(
    records: &mut Records,
    threads: usize,
    decoder: &(dyn Fn() -> Decoder<'m, T> + Sync),
    take: &mut Take<'_, T>,
) -> Result<(), EventsError> {
    let permit_count = threads * UNITS_PER_THREAD;
    let (permit, permits) = sync_channel(permit_count);
    for _ in 0..permit_count {
        // The channel has room for all and its other end is right here.
        let _ = permit.send(());
    }
    let shared = Mutex::new(Shared { records, permits, next: 0 });
    let (done, finished) = channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let done = done.clone();
            scope.spawn(|| work(&shared, &mut decoder(), done));
        }
        drop(done);
        // Leaving this closure early drops `permit`: threads then find no permit and end.
        let permit = permit;
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        for (turn, unit) in finished {
            waiting.insert(turn, unit);
            while let Some(unit) = waiting.remove(&next) {
                next += 1;
                if take(unit)?.is_break() {
                    return Ok(());
                }
                let _ = permit.try_send(());
            }
        }
        Ok(())
    })
}

#[expect(clippy::needless_pass_by_value, reason = "a thread drops its end when it is through")]
fn work<T>(shared: &Mutex<Shared<'_>>, decoder: &mut Decoder<'_, T>, done: Sender<(u64, Done<T>)>) {
    let mut buffer = Buffer::default();
    loop {
        let (turn, unit) = {
            // A thread that panicked takes the whole scope down; the state itself stays whole.
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if shared.permits.recv().is_err() {
                return;
            }
            let unit = shared.records.next(&mut buffer, UNIT_BYTES);
            if unit == Unit::End {
                return;
            }
            let turn = shared.next;
            shared.next += 1;
            (turn, unit)
        };
        if done.send((turn, decoder.decode(&unit, buffer.bytes()))).is_err() {
            return;
        }
    }
}
