//! Fills a record batch row by row, straight from a codec.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, NullBufferBuilder, RecordBatch, TimestampNanosecondArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use crate::column::Column;
use crate::semantic::{self, Mapping};

/// The name of the column that every batch has first: when the event happened.
pub const TIME_COLUMN: &str = "time";

/// Attributes kept of one batch; a source with more names than this is not events but keys as
/// data. Further names are counted, not kept.
const COLUMNS_MAX: usize = 4_096;

/// Which attributes are materialised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// All of them.
    All,
    /// Only those named; `time` is always there.
    Only(Vec<String>),
}

/// What to do with an event that has no readable time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeRule {
    /// It cannot be placed in a slot: refuse it.
    Required,
    /// Keep it with a null time.
    Optional,
}

/// What a key of the source means to the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nobody asked for it.
    Skip,
    /// Its value goes into this column.
    Attribute(ColumnId),
    /// Its value is the event's time, if no key of lower rank is present; where the whole event
    /// is wanted, also an attribute under its own name.
    Time {
        /// 0 is best.
        rank: u8,
        /// The column for the value as written.
        column: Option<ColumnId>,
    },
}

/// A column of one [`BatchBuilder`]; stays valid from batch to batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnId {
    index: u32,
    /// For a key that conventions have replaced: its value gives way to that of the current key.
    is_old: bool,
}

/// Fills record batches: `role` once per key, then `set_…` per value, `end_row` per event.
///
/// The first value for a column in a row wins, but for one of a key that conventions have replaced:
/// it gives way to that of the current key. The codec clears the row with
/// [`abandon_row`](Self::abandon_row).
#[derive(Debug)]
pub struct BatchBuilder {
    id: BuilderId,
    projection: Projection,
    mapping: Arc<Mapping>,
    time_rule: TimeRule,
    /// Given to events without a `service.name`.
    service: Option<String>,
    attributes_max: usize,
    text_bytes_max: usize,
    texts_cut: u64,
    ids: HashMap<String, ColumnId>,
    columns: Vec<Slot>,
    /// The places of the columns in which rows share a text.
    shared: Vec<u32>,
    times: Vec<i64>,
    time_present: NullBufferBuilder,
    row_time: Option<(u8, i64)>,
    rows: usize,
    names_over_limit: u64,
    offered: Offered,
}

/// Which builder it is, among all of this process: a codec that remembers columns tells by it whether
/// they are still good. The default is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BuilderId(u64);

impl BuilderId {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// One column with its name.
#[derive(Debug)]
struct Slot {
    name: String,
    column: Column,
    /// The row whose value came from a replaced key.
    old_row: Option<usize>,
    /// Whether an event had a value under a replaced key and one more.
    has_clashed: bool,
}

/// What the keys of a source stand for, wanted or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Offered {
    /// Attribute names, times left out.
    pub attributes: BTreeSet<String>,
    /// For each name that renames lead to, the user's or those of conventions, the keys met that
    /// stand for it: those renamed and those called so already.
    pub renamed: BTreeMap<String, BTreeSet<String>>,
    /// The attributes that some event had under a key that conventions have replaced and under
    /// another one; only one of the values was kept.
    pub clashed: BTreeSet<String>,
    /// Columns called like one before them, whose values were left out: position, from 1, and name.
    pub repeated: BTreeSet<(usize, String)>,
}

impl Offered {
    /// Names and keys together; it grows with every one that is new.
    pub(crate) fn len(&self) -> usize {
        let renamed: usize = self.renamed.values().map(BTreeSet::len).sum();
        self.attributes.len() + renamed + self.clashed.len() + self.repeated.len()
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.attributes.extend(other.attributes);
        self.clashed.extend(other.clashed);
        self.repeated.extend(other.repeated);
        for (to, keys) in other.renamed {
            self.renamed.entry(to).or_default().extend(keys);
        }
    }
}

impl BatchBuilder {
    /// An empty builder.
    pub fn new(
        projection: Projection,
        mapping: Arc<Mapping>,
        time_rule: TimeRule,
        service: Option<String>,
    ) -> Self {
        Self {
            id: BuilderId::next(),
            projection,
            mapping,
            time_rule,
            service,
            attributes_max: usize::MAX,
            text_bytes_max: usize::MAX,
            texts_cut: 0,
            ids: HashMap::new(),
            columns: Vec::new(),
            shared: Vec::new(),
            times: Vec::new(),
            time_present: NullBufferBuilder::new(0),
            row_time: None,
            rows: 0,
            names_over_limit: 0,
            offered: Offered::default(),
        }
    }

    /// Sets the service that events without a `service.name` are given, from the rows on that are
    /// not yet finished.
    pub fn set_service(&mut self, service: Option<String>) {
        self.service = service;
    }

    /// Refuses events that name more attributes than `max` from now on; those of their resource and
    /// scope do not count. There is no bound unless told.
    pub fn set_attributes_max(&mut self, max: usize) {
        self.attributes_max = max;
    }

    /// Cuts texts that are longer than `max` bytes from now on, between characters; they are counted. A
    /// text that came once and is told of thousands of events takes its room for each of them wherever
    /// they are read again. There is no bound unless told.
    pub fn set_text_bytes_max(&mut self, max: usize) {
        self.text_bytes_max = max;
    }

    /// How many texts were cut since the last time.
    pub fn take_texts_cut(&mut self) -> u64 {
        std::mem::take(&mut self.texts_cut)
    }

    /// `text`, cut where it is too long.
    #[inline]
    fn bounded<'t>(&mut self, text: &'t str) -> &'t str {
        if text.len() <= self.text_bytes_max {
            return text;
        }
        self.texts_cut += 1;
        &text[..text.floor_char_boundary(self.text_bytes_max)]
    }

    /// How many attributes an event may name.
    pub(crate) fn attributes_max(&self) -> usize {
        self.attributes_max
    }

    /// Which one it is.
    pub(crate) fn id(&self) -> BuilderId {
        self.id
    }

    /// What the source's key `name` (flattened with dots) means here. Ask once per key and keep
    /// the answer; it does not change.
    pub fn role(&mut self, name: &str) -> Role {
        let mapping = Arc::clone(&self.mapping);
        let attribute = mapping.attribute(name);
        // Bounded by the renames: their own keys, and the few that conventions call the same.
        let is_target = mapping.is_target(attribute);
        if is_target || semantic::is_current(attribute) {
            self.offered.renamed.entry(attribute.to_owned()).or_default().insert(name.to_owned());
        }
        if let Some(rank) = mapping.time_rank(name) {
            // `time` itself needs no second column; other time keys keep their own where
            // everything is wanted.
            let column = if name == TIME_COLUMN { None } else { self.column(name) };
            return Role::Time { rank, column };
        }
        let names = &mut self.offered.attributes;
        if names.len() < COLUMNS_MAX && !names.contains(attribute) {
            names.insert(attribute.to_owned());
        }
        // Where the user has a say in what an attribute is, no key outranks another.
        let is_old = attribute != name && !is_target;
        let column = self.column(attribute).map(|column| ColumnId { is_old, ..column });
        column.map_or(Role::Skip, Role::Attribute)
    }

    /// Whether a key that begins with `path` and a dot may be wanted.
    pub(crate) fn may_want_below(&self, path: &str) -> bool {
        let is_below =
            |name: &str| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        match &self.projection {
            Projection::All => true,
            Projection::Only(names) => {
                names.iter().any(|name| is_below(name))
                    || self.mapping.renames().any(|(from, _)| is_below(from))
                    || semantic::replaced().any(is_below)
            }
        }
    }

    /// Notes that the source's column `position`, from 1, is called `name` like one before it, and
    /// that its values are left out. Nothing is noted of a column that nobody wants.
    pub(crate) fn note_repeated(&mut self, position: usize, name: &str) {
        if self.role(name) != Role::Skip && self.offered.repeated.len() < COLUMNS_MAX {
            self.offered.repeated.insert((position, name.to_owned()));
        }
    }

    /// The column for the attribute `name` as it stands, without renames; `None` when it is not
    /// wanted.
    pub fn column(&mut self, name: &str) -> Option<ColumnId> {
        if let Some(id) = self.ids.get(name) {
            return Some(*id);
        }
        if let Projection::Only(names) = &self.projection
            && !names.iter().any(|wanted| wanted == name)
        {
            return None;
        }
        if self.columns.len() >= COLUMNS_MAX {
            self.names_over_limit += 1;
            return None;
        }
        let id = ColumnId { index: u32::try_from(self.columns.len()).ok()?, is_old: false };
        self.ids.insert(name.to_owned(), id);
        self.columns.push(Slot {
            name: name.to_owned(),
            column: Column::default(),
            old_row: None,
            has_clashed: false,
        });
        Some(id)
    }

    /// What the source has offered so far; bounded like columns.
    pub fn offered(&self) -> &Offered {
        &self.offered
    }

    /// Keys met past the column limit so far; their values were not kept.
    pub fn names_over_limit(&self) -> u64 {
        self.names_over_limit
    }

    /// Whether it knows so many attributes that there may soon be no room for others: a new builder
    /// has room for as many again.
    pub fn is_crowded(&self) -> bool {
        self.columns.len() > COLUMNS_MAX / 2
    }

    /// Whether events must have a time.
    pub fn time_rule(&self) -> TimeRule {
        self.time_rule
    }

    /// Complete rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    #[inline]
    fn cell(&mut self, id: ColumnId) -> Option<&mut Column> {
        let index = id.index as usize;
        if !self.columns[index].column.begin(self.rows) && !self.gives_way(id) {
            return None;
        }
        if id.is_old {
            if self.columns[index].column.is_shared() {
                // What is shared is of the current key.
                self.note_clash(id);
                return None;
            }
            self.columns[index].old_row = Some(self.rows);
        }
        Some(&mut self.columns[index].column)
    }

    /// Notes that an event has a value under a replaced key and one more.
    fn note_clash(&mut self, id: ColumnId) {
        let slot = &mut self.columns[id.index as usize];
        if !slot.has_clashed {
            slot.has_clashed = true;
            self.offered.clashed.insert(slot.name.clone());
        }
    }

    /// Whether the value that the row already has in the column makes room for that of `id`: the
    /// one of a replaced key for the current key's.
    #[cold]
    fn gives_way(&mut self, id: ColumnId) -> bool {
        let has_old = self.columns[id.index as usize].old_row == Some(self.rows);
        if id.is_old || has_old {
            self.note_clash(id);
        }
        if id.is_old || !has_old {
            return false;
        }
        let slot = &mut self.columns[id.index as usize];
        slot.old_row = None;
        slot.column.truncate(self.rows);
        slot.column.begin(self.rows)
    }

    /// Sets an integer in the current row.
    #[inline]
    pub fn set_int(&mut self, column: ColumnId, value: i64) {
        let row = self.rows;
        if let Some(column) = self.cell(column) {
            column.set_int(row, value);
        }
    }

    /// Sets a number that is not a 64-bit integer; `text` is how it was written. Among texts it
    /// becomes its shortest decimal form.
    #[inline]
    pub fn set_float(&mut self, column: ColumnId, value: f64, text: &str) {
        let (row, text) = (self.rows, self.bounded(text));
        if let Some(column) = self.cell(column) {
            column.set_float(row, value, text);
        }
    }

    /// Sets a number of a source without types: among texts it stays as it was written.
    pub(crate) fn set_written(&mut self, column: ColumnId, value: f64, text: &str) {
        let (row, text) = (self.rows, self.bounded(text));
        if let Some(column) = self.cell(column) {
            column.set_written(row, value, text);
        }
    }

    /// Sets a truth value in the current row.
    #[inline]
    pub fn set_bool(&mut self, column: ColumnId, value: bool) {
        let row = self.rows;
        if let Some(column) = self.cell(column) {
            column.set_bool(row, value);
        }
    }

    /// Sets a text in the current row.
    #[inline]
    pub fn set_text(&mut self, column: ColumnId, value: &str) {
        let (row, value) = (self.rows, self.bounded(value));
        if let Some(column) = self.cell(column) {
            column.set_text(row, value);
        }
    }

    /// Between rows: gives all that follow `text` where they set no value of their own, until
    /// [`Self::end_sharing`] or [`Self::finish`], as [`Self::set_text`] at the end of each would. `false`, with nothing done, where that cannot be: for a replaced key, in a column of numbers, or
    /// for a text that is too long.
    #[must_use]
    pub(crate) fn share_text(&mut self, id: ColumnId, text: &str) -> bool {
        let Slot { column, .. } = &mut self.columns[id.index as usize];
        if id.is_old || text.len() > self.text_bytes_max {
            return false;
        }
        if !column.is_shared() && column.share(self.rows, text) {
            self.shared.push(id.index);
        }
        column.is_shared()
    }

    /// Between rows: those that follow share no text any more.
    pub(crate) fn end_sharing(&mut self) {
        for index in self.shared.drain(..) {
            self.columns[index as usize].column.end_sharing(self.rows);
        }
    }

    /// Offers `nanos` since the epoch as the current row's time; the lowest rank wins.
    #[inline]
    pub fn set_time(&mut self, rank: u8, nanos: i64) {
        if self.row_time.is_none_or(|(best, _)| rank < best) {
            self.row_time = Some((rank, nanos));
        }
    }

    /// Ends the current row. `false`, with the row forgotten, when it needs a time and has none.
    #[inline]
    #[must_use]
    pub fn end_row(&mut self) -> bool {
        match self.row_time.take() {
            Some((_, nanos)) => {
                self.times.push(nanos);
                self.time_present.append_non_null();
            }
            None if self.time_rule == TimeRule::Required => {
                self.abandon_row();
                return false;
            }
            None => {
                self.times.push(0);
                self.time_present.append_null();
            }
        }
        self.rows += 1;
        true
    }

    /// Forgets whatever was set in the current row.
    pub fn abandon_row(&mut self) {
        self.row_time = None;
        for slot in &mut self.columns {
            slot.column.truncate(self.rows);
            slot.old_row = None;
        }
    }

    /// The finished batch, `time` first, then the attributes that had a value, in the order they
    /// were first met. The builder is empty again and keeps its column ids.
    ///
    /// Rows not ended are forgotten. Zero rows give a batch with only an empty `time`.
    pub fn finish(&mut self) -> RecordBatch {
        self.abandon_row();
        self.end_sharing();
        let rows = std::mem::take(&mut self.rows);
        if let Some(service) = self.service.take() {
            if rows > 0
                && let Some(id) = self.column("service.name")
            {
                self.columns[id.index as usize].column.fill_missing(rows, &service);
            }
            self.service = Some(service);
        }
        let times = ScalarBuffer::from(std::mem::take(&mut self.times));
        let times = TimestampNanosecondArray::new(times, self.time_present.finish());
        let times = times.with_timezone("UTC");
        let mut fields = vec![Field::new(
            TIME_COLUMN,
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            true,
        )];
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(times)];
        for Slot { name, column, .. } in &mut self.columns {
            for (field, array) in column.finish(name, rows) {
                fields.push(field);
                arrays.push(array);
            }
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .expect("every column was aligned to the same number of rows")
    }
}

#[cfg(test)]
mod tests;
