//! One attribute of a batch while it is being filled.
//!
//! The type is that of the first value; what does not fit goes into a text twin, so nothing is
//! dropped. Missing values cost nothing: a column is padded with nulls only when it is next set. Nor does a
//! text that many rows in a row have: the column is padded with it.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::iter;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, NullBufferBuilder,
    PrimitiveArray, StringArray,
};
use arrow::buffer::{BooleanBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, UInt32Type};
use hashbrown::HashTable;

/// What the name of a text twin adds to its column's name.
///
/// A value that does not fit its column (text among numbers, an integer past 2⁵³ among floats, a
/// number too large for a double) is kept in this twin as it was written.
pub const TWIN_SUFFIX: &str = "~text";

/// The largest integer below which every integer is a double: 2⁵³.
const DOUBLE_EXACT_MAX: u64 = 1 << 53;

/// Values of one attribute, in row order.
#[derive(Debug)]
pub(crate) struct Column {
    values: Values,
    /// Set where a row has a value; shorter than the batch until padded.
    present: NullBufferBuilder,
    /// The length of `present`, which its own method does not tell without a call.
    len: usize,
    /// Rows whose value did not fit, with the text as written; in row order.
    twin: Vec<(usize, String)>,
    /// The code of the text that rows without a value have, where many rows share one.
    shared: Option<u32>,
    /// How much the batch before held: this one is expected to be like it.
    before: Before,
}

/// What a column held when it was last finished.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    rows: usize,
    /// Different texts, and the bytes of all of them.
    texts: usize,
    text_bytes: usize,
}

impl Before {
    /// The values of a column whose first one comes in `row`.
    fn values<T: Clone>(self, row: usize, none: T) -> Vec<T> {
        let mut values = Vec::with_capacity(self.rows.max(row + 1));
        values.resize(row, none);
        values
    }
}

#[derive(Debug, Default)]
enum Values {
    /// No value yet.
    #[default]
    Unknown,
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Float(Vec<f64>),
    Text(Interned),
}

/// Dictionary-coded strings.
///
/// Texts wait in the order in which they came until there are enough to be looked up together: the
/// dictionaries of all columns do not fit in the memory that is nearest to the processor, and one that is
/// asked for a text a row has to be fetched for each.
#[derive(Debug, Default)]
struct Interned {
    /// Those of texts that wait are still 0.
    codes: Vec<u32>,
    dictionary: Dictionary,
    waiting: Waiting,
    /// Texts of the [`TRIAL`] that were looked up, and how many of them were new.
    tried: (usize, usize),
}

/// Texts that wait for their codes.
#[derive(Debug, Default)]
struct Waiting {
    bytes: String,
    /// The row of each, and where it ends in `bytes`.
    ends: Vec<(u32, u32)>,
}

/// Texts that wait at most. Their places fill a kilobyte.
const WAITING_MAX: usize = 128;
/// The longest text that waits. Bytes.
const WAITING_TEXT_MAX: usize = 64;

#[derive(Debug)]
struct Dictionary {
    table: HashTable<u32>,
    bytes: String,
    ends: Vec<usize>,
    hasher: foldhash::fast::FixedState,
    /// The code last given to a text of the same [`Dictionary::likeness`].
    recent: Box<[u32; RECENT_LEN]>,
    /// Whether the texts are ids, so that nobody looks for repeats. One that is repeated all the same has
    /// several codes.
    is_of_ids: bool,
}

/// Texts by which it is told whether they are ids: if fifteen of sixteen are new.
const TRIAL: usize = 2 * WAITING_MAX;

/// Texts that a [`Dictionary`] finds without hashing them, if they are unlike enough.
const RECENT_LEN: usize = 256;

impl Default for Dictionary {
    fn default() -> Self {
        Self {
            table: HashTable::new(),
            bytes: String::new(),
            ends: Vec::new(),
            hasher: foldhash::fast::FixedState::default(),
            recent: Box::new([0; RECENT_LEN]),
            is_of_ids: false,
        }
    }
}

impl Dictionary {
    /// An empty one with room for what the batch before had.
    fn with_room(before: Before) -> Self {
        let mut dictionary = Self {
            bytes: String::with_capacity(before.text_bytes),
            ends: Vec::with_capacity(before.texts),
            ..Self::default()
        };
        dictionary.table.reserve(before.texts, |_| 0);
        dictionary
    }

    /// The code of `text`, which is new or known.
    #[inline]
    fn code(&mut self, text: &str) -> u32 {
        if self.is_of_ids {
            return self.push(text);
        }
        let likeness = Self::likeness(text.as_bytes());
        let recent = self.recent[likeness];
        if (recent as usize) < self.ends.len() && is_same(self.get(recent), text) {
            return recent;
        }
        let code = self.intern(text);
        self.recent[likeness] = code;
        code
    }

    /// A number below [`RECENT_LEN`] that differs mostly for the few texts of an attribute: made of
    /// their length and last eight bytes, in which paths, ids and codes differ.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "what is left is below RECENT_LEN")]
    fn likeness(text: &[u8]) -> usize {
        let word = match text.last_chunk::<8>() {
            Some(end) => u64::from_le_bytes(*end),
            None => text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        let mixed = (word ^ text.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The highest bits depend on all others.
        (mixed >> (u64::BITS - RECENT_LEN.ilog2())) as usize
    }

    #[inline]
    fn get(&self, code: u32) -> &[u8] {
        let code = code as usize;
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.bytes.as_bytes()[start..self.ends[code]]
    }

    fn intern(&mut self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text.as_bytes());
        if let Some(code) = self.table.find(hash, |code| self.get(*code) == text.as_bytes()) {
            return *code;
        }
        let code = self.push(text);
        let Self { table, bytes, ends, hasher, .. } = self;
        table.insert_unique(hash, code, |code| {
            let code = *code as usize;
            let start = if code == 0 { 0 } else { ends[code - 1] };
            hasher.hash_one(&bytes.as_bytes()[start..ends[code]])
        });
        code
    }

    /// The code of `text` as a new one.
    fn push(&mut self, text: &str) -> u32 {
        // A batch holds fewer rows than 2³² by far, so codes never run out.
        let code = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        code
    }

    fn into_array(self) -> StringArray {
        let end = |end: &usize| i32::try_from(*end).expect("texts of a batch are less than 2 GiB");
        let offsets: Vec<i32> = iter::once(0).chain(self.ends.iter().map(end)).collect();
        StringArray::new(OffsetBuffer::new(offsets.into()), self.bytes.into_bytes().into(), None)
    }
}

impl Interned {
    #[inline]
    fn push(&mut self, text: &str) {
        if self.dictionary.is_of_ids || text.len() > WAITING_TEXT_MAX {
            self.codes.push(self.dictionary.code(text));
            return;
        }
        if self.waiting.ends.len() == WAITING_MAX {
            self.settle();
        }
        let Waiting { bytes, ends } = &mut self.waiting;
        bytes.push_str(text);
        // A batch holds fewer rows than 2³² by far, and texts that wait are short.
        #[expect(clippy::cast_possible_truncation, reason = "both are small")]
        ends.push((self.codes.len() as u32, bytes.len() as u32));
        self.codes.push(0);
    }

    /// Gives all texts that wait their codes.
    fn settle(&mut self) {
        let Waiting { bytes, ends } = &mut self.waiting;
        let mut start = 0;
        let (settled, known) = (ends.len(), self.dictionary.ends.len());
        for (row, end) in ends.drain(..) {
            // Rows that were given up have none.
            if let Some(code) = self.codes.get_mut(row as usize) {
                *code = self.dictionary.code(&bytes[start..end as usize]);
            }
            start = end as usize;
        }
        bytes.clear();
        let (tried, new) = &mut self.tried;
        if *tried < TRIAL {
            *tried += settled;
            *new += self.dictionary.ends.len() - known;
            self.dictionary.is_of_ids = *tried >= TRIAL && *new * 16 >= *tried * 15;
        }
    }
}

impl Default for Column {
    fn default() -> Self {
        let present = NullBufferBuilder::new(0);
        Self {
            values: Values::default(),
            present,
            len: 0,
            twin: Vec::new(),
            shared: None,
            before: Before::default(),
        }
    }
}

impl Column {
    /// Makes `row` the next to be set, with nulls before it. `false` when it has a value already.
    #[inline]
    pub(crate) fn begin(&mut self, row: usize) -> bool {
        let known = self.len;
        if known < row {
            self.align(row);
        }
        known <= row
    }

    /// True when no row has a value.
    pub(crate) fn is_unused(&self) -> bool {
        matches!(self.values, Values::Unknown) && self.twin.is_empty()
    }

    /// Gives the rows from `row` on, of which none has a value yet, `text` where they set none, until
    /// [`Self::end_sharing`]. `false`, with nothing done, unless it is a column of texts; where a text is
    /// shared already it stays.
    pub(crate) fn share(&mut self, row: usize, text: &str) -> bool {
        if self.shared.is_some() {
            return true;
        }
        let Values::Text(interned) = &mut self.values else { return false };
        let code = interned.dictionary.code(text);
        self.align(row);
        self.shared = Some(code);
        true
    }

    /// Whether rows without a value share one.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Gives rows from `rows` on no value any more.
    pub(crate) fn end_sharing(&mut self, rows: usize) {
        self.align(rows);
        self.shared = None;
    }

    /// Appends what rows without a value have, nulls or the text they share, until the column has `rows`
    /// rows, or truncates it to them.
    fn align(&mut self, rows: usize) {
        let known = self.len;
        if known == rows {
            return;
        }
        if known > rows {
            self.present.truncate(rows);
        } else if self.shared.is_some() {
            self.present.append_n_non_nulls(rows - known);
        } else {
            self.present.append_n_nulls(rows - known);
        }
        self.len = rows;
        match &mut self.values {
            Values::Unknown => {}
            Values::Bool(values) => values.resize(rows, false),
            Values::Int(values) => values.resize(rows, 0),
            Values::Float(values) => values.resize(rows, 0.0),
            Values::Text(text) => {
                if rows < known {
                    // The rows may be set again.
                    text.settle();
                }
                text.codes.resize(rows, self.shared.unwrap_or_default());
            }
        }
    }

    /// Forgets the value of `row` and everything after it.
    pub(crate) fn truncate(&mut self, rows: usize) {
        if self.len > rows {
            self.align(rows);
        }
        while self.twin.last().is_some_and(|(row, _)| *row >= rows) {
            self.twin.pop();
        }
    }

    #[inline]
    pub(crate) fn set_int(&mut self, row: usize, value: i64) {
        match &mut self.values {
            Values::Int(values) => values.push(value),
            Values::Unknown => {
                let mut values = self.before.values(row, 0);
                values.push(value);
                self.values = Values::Int(values);
            }
            Values::Float(values) => {
                values.push(value as f64);
                if value.unsigned_abs() > DOUBLE_EXACT_MAX {
                    self.twin.push((row, value.to_string()));
                }
            }
            Values::Text(text) => text.push(&value.to_string()),
            Values::Bool(_) => return self.set_twin(row, &value.to_string()),
        }
        self.mark();
    }

    /// Sets a number that is not a 64-bit integer. `text` is how it was written: it is kept when
    /// the double does not say the same.
    #[inline]
    pub(crate) fn set_float(&mut self, row: usize, value: f64, text: &str) {
        match &mut self.values {
            Values::Text(interned) => interned.push(&text_of(value, text)),
            _ if !value.is_finite() => return self.set_twin(row, text),
            Values::Float(values) => values.push(value),
            Values::Unknown => {
                let mut values = self.before.values(row, 0.0);
                values.push(value);
                self.values = Values::Float(values);
            }
            Values::Int(values) => {
                // One float among integers makes the column float; integers that a double
                // cannot hold keep their digits in the twin.
                let mut floats: Vec<f64> = Vec::with_capacity(values.len() + 1);
                for (row, &int) in values.iter().enumerate() {
                    floats.push(int as f64);
                    if self.present.is_valid(row) && int.unsigned_abs() > DOUBLE_EXACT_MAX {
                        self.twin.push((row, int.to_string()));
                    }
                }
                self.twin.sort_by_key(|(row, _)| *row);
                floats.push(value);
                self.values = Values::Float(floats);
            }
            Values::Bool(_) => return self.set_twin(row, &text_of(value, text)),
        }
        self.mark();
        if matches!(self.values, Values::Float(_)) && is_wide_integer(text) {
            self.twin.push((row, text.to_owned()));
        }
    }

    /// As [`Self::set_float`], for sources without types: among texts it stays as it was written,
    /// since it may be one of them.
    pub(crate) fn set_written(&mut self, row: usize, value: f64, text: &str) {
        if matches!(self.values, Values::Text(_) | Values::Bool(_)) {
            return self.set_text(row, text);
        }
        self.set_float(row, value, text);
    }

    #[inline]
    pub(crate) fn set_bool(&mut self, row: usize, value: bool) {
        match &mut self.values {
            Values::Bool(values) => values.push(value),
            Values::Unknown => {
                let mut values = self.before.values(row, false);
                values.push(value);
                self.values = Values::Bool(values);
            }
            Values::Text(text) => text.push(if value { "true" } else { "false" }),
            Values::Int(_) | Values::Float(_) => {
                return self.set_twin(row, if value { "true" } else { "false" });
            }
        }
        self.mark();
    }

    #[inline]
    pub(crate) fn set_text(&mut self, row: usize, value: &str) {
        match &mut self.values {
            Values::Text(text) => text.push(value),
            Values::Unknown => {
                let codes = self.before.values(row, 0);
                let dictionary = Dictionary::with_room(self.before);
                let mut text = Interned { codes, dictionary, ..Interned::default() };
                text.push(value);
                self.values = Values::Text(text);
            }
            _ => return self.set_twin(row, value),
        }
        self.mark();
    }

    /// The row has its value.
    #[inline]
    fn mark(&mut self) {
        self.present.append_non_null();
        self.len += 1;
    }

    fn set_twin(&mut self, row: usize, text: &str) {
        self.align(row + 1);
        self.twin.push((row, text.to_owned()));
    }

    /// Gives every row without a value `text`; only for a column of text or without values.
    pub(crate) fn fill_missing(&mut self, rows: usize, text: &str) {
        self.align(rows);
        if self.is_unused() {
            let mut interned = Interned::default();
            interned.codes = vec![interned.dictionary.intern(text); rows];
            self.values = Values::Text(interned);
            self.present = NullBufferBuilder::new_with_len(rows);
            return;
        }
        let Values::Text(interned) = &mut self.values else { return };
        interned.settle();
        let code = interned.dictionary.intern(text);
        for (row, value) in interned.codes.iter_mut().enumerate() {
            if !self.present.is_valid(row) {
                *value = code;
            }
        }
        self.present = NullBufferBuilder::new_with_len(rows);
    }

    /// The finished arrays with their fields, `rows` long, and an empty column in its place.
    ///
    /// A column without any value yields nothing.
    pub(crate) fn finish(&mut self, name: &str, rows: usize) -> Vec<(Field, ArrayRef)> {
        self.align(rows);
        let mut column = std::mem::take(self);
        if let Values::Text(text) = &mut column.values {
            text.settle();
        }
        self.before = Before { rows, ..Before::default() };
        if let Values::Text(Interned { dictionary, .. }) = &column.values {
            self.before.texts = dictionary.ends.len();
            self.before.text_bytes = dictionary.bytes.len();
        }
        let nulls = column.present.finish();
        let array: Option<ArrayRef> = match column.values {
            Values::Unknown => None,
            Values::Bool(values) => {
                Some(Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)))
            }
            Values::Int(values) => {
                Some(Arc::new(Int64Array::new(ScalarBuffer::from(values), nulls)))
            }
            Values::Float(values) => {
                Some(Arc::new(Float64Array::new(ScalarBuffer::from(values), nulls)))
            }
            Values::Text(text) => {
                let keys: PrimitiveArray<UInt32Type> =
                    PrimitiveArray::new(ScalarBuffer::from(text.codes), nulls);
                let values = Arc::new(text.dictionary.into_array());
                DictionaryArray::try_new(keys, values).ok().map(|array| Arc::new(array) as ArrayRef)
            }
        };
        let mut out = Vec::with_capacity(2);
        if let Some(array) = array {
            out.push((Field::new(name, array.data_type().clone(), true), array));
        }
        if !column.twin.is_empty() {
            let mut texts: Vec<Option<&str>> = vec![None; rows];
            for (row, text) in &column.twin {
                texts[*row] = Some(text);
            }
            let array = StringArray::from(texts);
            let name = format!("{name}{TWIN_SUFFIX}");
            out.push((Field::new(name, DataType::Utf8, true), Arc::new(array) as ArrayRef));
        }
        out
    }
}

/// Whether `text` is `known`. Most are a word or a few, which are compared here and not by a call.
#[inline]
fn is_same(known: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    if known.len() != text.len() {
        return false;
    }
    match (known.last_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(known_end), Some(text_end)) if known.len() <= 16 => {
            known_end == text_end && known.first_chunk::<8>() == text.first_chunk::<8>()
        }
        _ => known == text,
    }
}

/// One number has one text, whatever column it stands in: its shortest decimal form, or the text
/// it was `written` as if a double does not hold it.
fn text_of(value: f64, written: &str) -> Cow<'_, str> {
    if value.is_finite() && !is_wide_integer(written) {
        // Adding zero makes a negative zero positive.
        Cow::Owned((value + 0.0).to_string())
    } else {
        Cow::Borrowed(written)
    }
}

/// True for the text of an integer that a double cannot hold exactly.
fn is_wide_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() >= 16 && digits.bytes().all(|b| b.is_ascii_digit())
}
