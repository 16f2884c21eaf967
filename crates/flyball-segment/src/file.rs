//! One Parquet file: written sorted, read by columns.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, FieldRef, Int64Type, TimestampNanosecondType, UInt32Type};
use flyball_events::{BATCH_ROWS, TIME_COLUMN, TWIN_SUFFIX};
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{FileMetaData, KeyValue, RowGroupMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;

use crate::{ENTRY_COLUMN, SegmentError};

/// The attribute that says whose an event is, by which files are sorted first.
const SERVICE_COLUMN: &str = "service.name";
/// Rows of a group, which is what a reader takes at once at least, and may leave out by its bounds.
const GROUP_ROWS: usize = 1 << 17;
/// What the events of one batch that is read take, about. Bytes: conditions, SQL and checks hold a few
/// batches at a time.
const READ_BYTES_MAX: usize = 32 << 20;
/// The key in a file's metadata under which is said how long the longest text of each column is, in the
/// order of columns: bytes, with commas between. Texts that are repeated take no room in a file, and
/// theirs for each event when it is read.
const TEXTS_KEY: &str = "flyball.text_bytes_max";
/// What a value takes beside its text. Bytes.
const VALUE_BYTES: usize = 8;
/// What is read at once to check a file. Bytes.
const BLOCK_BYTES: usize = 1 << 18;

/// What was written.
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) crc32c: u32,
}

/// `batch` in the order of service, time and entry.
pub(crate) fn sorted(batch: &RecordBatch) -> Result<RecordBatch, SegmentError> {
    let services = ranks(batch.column_by_name(SERVICE_COLUMN), batch.num_rows());
    let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values();
    let entries = batch.column_by_name(ENTRY_COLUMN).map(AsArray::as_primitive::<Int64Type>);
    let entry = |row: usize| entries.map_or(0, |entries| entries.value(row));
    let key = |row: usize| (services[row], times[row], entry(row));
    if (1..batch.num_rows()).all(|row| key(row - 1) <= key(row)) {
        return Ok(batch.clone());
    }
    let mut rows: Vec<u32> = (0..).take(batch.num_rows()).collect();
    rows.sort_by_key(|row| key(*row as usize));
    Ok(take_record_batch(batch, &UInt32Array::from(rows))?)
}

/// For each row the place of its text among all texts in order, from 1; 0 where it has none, and where
/// `column` holds no texts. Few texts are compared then, and many numbers.
fn ranks(column: Option<&ArrayRef>, rows: usize) -> Vec<u32> {
    let none = || vec![0; rows];
    let Some(column) = column else { return none() };
    if let Some(coded) = column.as_dictionary_opt::<UInt32Type>() {
        let places = ranks(Some(coded.values()), coded.values().len());
        let place = |code: Option<u32>| code.map_or(0, |code| places[code as usize]);
        return coded.keys().iter().map(place).collect();
    }
    let Some(texts) = column.as_string_opt::<i32>() else { return none() };
    let distinct: BTreeSet<&str> = texts.iter().flatten().collect();
    let place: HashMap<&str, u32> = distinct.into_iter().zip(1..).collect();
    texts.iter().map(|text| text.map_or(0, |text| place[text])).collect()
}

/// What the events of `batch` take in memory when they are read again, texts without dictionaries.
/// Bytes.
pub(crate) fn memory(batch: &RecordBatch) -> usize {
    let of = |column: &ArrayRef| {
        let Some(coded) = column.as_dictionary_opt::<UInt32Type>() else {
            return column.get_array_memory_size();
        };
        let Some(texts) = coded.values().as_string_opt::<i32>() else {
            return column.get_array_memory_size();
        };
        let length = |code: u32| texts.value_length(code as usize).cast_unsigned() as usize;
        let text: usize = coded.keys().iter().flatten().map(length).sum();
        text + coded.len() * size_of::<i32>()
    };
    batch.columns().iter().map(of).sum()
}

/// Writes `batch` to a new file at `path`; on disk when this returns.
pub(crate) fn write(path: &Path, batch: &RecordBatch) -> Result<Written, SegmentError> {
    let cannot = || SegmentError::io("write", path);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_created_by(concat!("flyball ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_statistics_enabled(EnabledStatistics::None);
    // Bounds of what files are sorted by tell what to leave out; those of all others would cost as
    // much as all of the rest.
    for name in [SERVICE_COLUMN, TIME_COLUMN, ENTRY_COLUMN] {
        let column = ColumnPath::new(vec![name.to_owned()]);
        properties = properties.set_column_statistics_enabled(column, EnabledStatistics::Chunk);
    }
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        // Where nearly every event has a text of its own, a dictionary saves nothing.
        let coded = column.as_dictionary_opt::<UInt32Type>();
        if coded.is_some_and(|coded| coded.values().len() > coded.len() / 4 * 3) {
            let column = ColumnPath::new(vec![field.name().to_owned()]);
            properties = properties.set_column_dictionary_enabled(column, false);
        }
    }
    let longest: Vec<String> =
        batch.columns().iter().map(|column| longest_text(column).to_string()).collect();
    let texts = KeyValue::new(TEXTS_KEY.to_owned(), longest.join(","));
    let properties = properties.set_key_value_metadata(Some(vec![texts])).build();
    // Arrow's own schema says no more than Parquet's for what is written here.
    let options =
        ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let file = crate::create_file(path).map_err(cannot())?;
    let parquet = |error: parquet::errors::ParquetError| std::io::Error::other(error.to_string());
    let mut file = Summed { file, bytes: 0, crc32c: 0 };
    let mut writer = ArrowWriter::try_new_with_options(&mut file, batch.schema(), options)
        .map_err(parquet)
        .map_err(cannot())?;
    writer.write(batch).map_err(parquet).map_err(cannot())?;
    writer.close().map_err(parquet).map_err(cannot())?;
    file.file.sync_all().map_err(cannot())?;
    Ok(Written { bytes: file.bytes, crc32c: file.crc32c })
}

/// A file that knows what was written to it.
struct Summed {
    file: File,
    bytes: u64,
    crc32c: u32,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// The length and the CRC-32C of the file at `path`.
pub(crate) fn sum(path: &Path) -> Result<(u64, u32), SegmentError> {
    let cannot = || SegmentError::io("read", path);
    let mut file = BufReader::new(File::open(path).map_err(cannot())?);
    let mut block = vec![0; BLOCK_BYTES];
    let (mut bytes, mut crc32c) = (0, 0);
    loop {
        let read = file.read(&mut block).map_err(cannot())?;
        if read == 0 {
            return Ok((bytes, crc32c));
        }
        bytes += read as u64;
        crc32c = crc32c::crc32c_append(crc32c, &block[..read]);
    }
}

/// The length of the longest text of `column`; 0 where it holds none. Bytes.
fn longest_text(column: &ArrayRef) -> usize {
    let texts = column.as_dictionary_opt::<UInt32Type>().map_or(column, |coded| coded.values());
    let Some(texts) = texts.as_string_opt::<i32>() else { return 0 };
    texts.offsets().lengths().max().unwrap_or(0)
}

/// How many events are read at once, of the columns `wanted` of a file: as many as stay within
/// [`READ_BYTES_MAX`] however long their texts are, and one at least. Files that do not say how long
/// these are come from before it was said.
fn rows_at_once(file: &FileMetaData, wanted: &[usize]) -> usize {
    let mut said = file.key_value_metadata().into_iter().flatten();
    let said = said.find(|pair| pair.key == TEXTS_KEY).and_then(|pair| pair.value.as_ref());
    let Some(said) = said else { return BATCH_ROWS };
    let longest: Vec<usize> = said.split(',').map(|bytes| bytes.parse().unwrap_or(0)).collect();
    let of = |column: &usize| VALUE_BYTES + longest.get(*column).copied().unwrap_or(0);
    let row = wanted.iter().map(of).fold(VALUE_BYTES, usize::saturating_add);
    (READ_BYTES_MAX / row).clamp(1, BATCH_ROWS)
}

/// The events of one file, batch by batch. After an error there is no more.
pub struct Reader {
    path: PathBuf,
    reader: Option<ParquetRecordBatchReader>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Reader {
    /// Reads the file at `path`: its time and entry, and of its attributes those in `columns` with
    /// their twins, or all.
    pub(crate) fn open(path: &Path, columns: Option<&[String]>) -> Result<Self, SegmentError> {
        let file = File::open(path).map_err(SegmentError::io("read", path))?;
        let open = || {
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)?;
            let fields = builder.schema().fields().iter().enumerate();
            let is_wanted = |name: &str| {
                let name = name.strip_suffix(TWIN_SUFFIX).unwrap_or(name);
                let always = name == TIME_COLUMN || name == ENTRY_COLUMN;
                always || columns.is_none_or(|columns| columns.iter().any(|wanted| wanted == name))
            };
            let wanted: Vec<usize> =
                fields.filter(|(_, field)| is_wanted(field.name())).map(|(at, _)| at).collect();
            let rows = rows_at_once(builder.metadata().file_metadata(), &wanted);
            let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
            builder.with_projection(mask).with_batch_size(rows).build()
        };
        let reader = guarded(open).map_err(|what| SegmentError::damaged(path, what))?;
        Ok(Self { path: path.to_owned(), reader: Some(reader) })
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = self.reader.take()?;
        match guarded(|| reader.next().transpose()) {
            Ok(Some(batch)) => {
                self.reader = Some(reader);
                Some(Ok(batch))
            }
            Ok(None) => None,
            Err(what) => Some(Err(SegmentError::damaged(&self.path, what))),
        }
    }
}

/// The columns of the file at `path`, in two rows with the bounds of its integers.
pub(crate) fn outline(path: &Path) -> Result<RecordBatch, SegmentError> {
    let file = File::open(path).map_err(SegmentError::io("read", path))?;
    let read = || {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)?;
        let groups = builder.metadata().row_groups();
        let column = |(at, field): (usize, &FieldRef)| -> ArrayRef {
            if *field.data_type() != DataType::Int64 {
                return new_null_array(field.data_type(), 2);
            }
            let of = |group: &RowGroupMetaData| match group.column(at).statistics() {
                Some(Statistics::Int64(bounds)) => {
                    (bounds.min_opt().copied(), bounds.max_opt().copied())
                }
                _ => (None, None),
            };
            let bounds = groups.iter().map(of);
            let (least, most): (Vec<_>, Vec<_>) = bounds.unzip();
            let least = least.into_iter().flatten().min();
            let most = most.into_iter().flatten().max();
            Arc::new(Int64Array::from(vec![least, most]))
        };
        let columns = builder.schema().fields().iter().enumerate().map(column).collect();
        let batch = RecordBatch::try_new(builder.schema().clone(), columns)?;
        Ok::<_, parquet::errors::ParquetError>(batch)
    };
    guarded(read).map_err(|what| SegmentError::damaged(path, what))
}

/// Runs a step of the Parquet decoder, which panics on some damaged files: a panic is an error. What
/// panicked is not used again.
fn guarded<T, E: std::fmt::Display>(step: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the decoder gave up on it".to_owned()),
    }
}
