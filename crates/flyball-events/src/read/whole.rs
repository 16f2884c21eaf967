//! Formats that are read as a whole: documents, tables, length-prefixed messages.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::input::{Input, Meter};
use super::summary::{InputSummary, time_range};
use super::{Compression, Delivery, EventsError, Source};
use crate::batch::BatchBuilder;
use crate::codec::{Decoded, StreamCodec};
use crate::format::SeekableCodec;

/// Counts decompressed bytes and keeps the error that ended them.
struct Counted {
    reader: Box<dyn Read + Send>,
    meter: Arc<Meter>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.meter.bytes_decoded.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

pub(super) fn stream<T>(
    source: Source<'_>,
    codec: &mut dyn StreamCodec,
    summary: &mut InputSummary,
    delivery: &mut Delivery<'_, T>,
) -> Result<(), EventsError> {
    let Source { input, options, reader, meter } = source;
    let mut reader = Counted { reader, meter: Arc::clone(&meter) };
    let mut batch = options.builder();
    let mut decoded = Decoded::default();
    let result = {
        let mut flush = |batch: &mut BatchBuilder| flush(batch, &meter, summary, delivery);
        let result = codec.decode(&mut reader, &mut batch, &mut decoded, &mut flush);
        let _ = flush(&mut batch);
        result
    };
    summary.add(decoded);
    summary.names_over_limit = batch.names_over_limit();
    summary.offered.clone_from(batch.offered());
    summary.take_meter(&meter);
    summary.check_strict(options)?;
    if let Err(error) = result {
        summary.damage(input, &meter, error, &[])?;
        summary.check_strict(options)?;
    }
    Ok(())
}

pub(super) fn seekable<T>(
    source: Source<'_>,
    codec: &mut dyn SeekableCodec,
    summary: &mut InputSummary,
    delivery: &mut Delivery<'_, T>,
) -> Result<(), EventsError> {
    let Source { input, options, reader, meter } = source;
    let file = match input {
        Input::File(path) if summary.compression == Compression::None && path.is_file() => {
            File::open(path).map_err(|error| input.error(error))?
        }
        _ => {
            let reader = Counted { reader, meter: Arc::clone(&meter) };
            match spool(reader) {
                Ok(file) => file,
                Err(error) => {
                    summary.take_meter(&meter);
                    summary.damage(input, &meter, error, &[])?;
                    return summary.check_strict(options);
                }
            }
        }
    };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    meter.bytes_decoded.store(length, Ordering::Relaxed);
    if summary.compression == Compression::None {
        meter.bytes_read.store(length, Ordering::Relaxed);
    }
    let mut batch = options.builder();
    let mut decoded = Decoded::default();
    let result = {
        let mut flush = |batch: &mut BatchBuilder| flush(batch, &meter, summary, delivery);
        let result = codec.decode(file, &mut batch, &mut decoded, &mut flush);
        let _ = flush(&mut batch);
        result
    };
    summary.add(decoded);
    summary.names_over_limit = batch.names_over_limit();
    summary.offered.clone_from(batch.offered());
    summary.take_meter(&meter);
    summary.check_strict(options)?;
    result.map_err(|error| input.error(error))
}

/// Passes the builder's rows on; `false` when no more are wanted.
fn flush<T>(
    batch: &mut BatchBuilder,
    meter: &Meter,
    summary: &mut InputSummary,
    delivery: &mut Delivery<'_, T>,
) -> bool {
    if delivery.stopped {
        return false;
    }
    let rows = batch.rows();
    if rows == 0 {
        return true;
    }
    let batch = batch.finish();
    summary.widen(time_range(&batch));
    let flow = delivery.deliver((delivery.map)(batch));
    delivery.events += rows as u64;
    (delivery.report)(meter.bytes_read.load(Ordering::Relaxed), delivery.events);
    flow.is_continue()
}

/// Copies a stream into a file that nobody else can see and that goes away by itself.
fn spool(mut reader: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut reader, &mut file)?;
    file.flush()?;
    file.rewind()?;
    Ok(file)
}
