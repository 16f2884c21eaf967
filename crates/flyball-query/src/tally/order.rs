//! Rows of a batch in the order in which they are counted: by service, then by slot.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::error::ArrowError;
use flyball_model::Slot;

/// Rows `start..end` of a batch fall into `slot`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) slot: Slot,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Stretches of neighbouring rows in the same slot.
pub(super) fn runs(slots: &[Slot]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (row, slot) in slots.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if run.slot == *slot => run.end = row + 1,
            _ => runs.push(Run { slot: *slot, start: row, end: row + 1 }),
        }
    }
    runs
}

/// The order of rows by slot; `None` when they are in that order already.
pub(super) fn order_by_slot(slots: &[Slot]) -> Option<Vec<u32>> {
    if slots.is_sorted() {
        return None;
    }
    let mut order: Vec<u32> = (0..u32::try_from(slots.len()).ok()?).collect();
    order.sort_by_key(|row| slots[*row as usize]);
    Some(order)
}

/// The order of rows by key, each below `keys_len`, and then slot; `None` when they are in that
/// order already.
pub(super) fn order_by_key(slots: &[Slot], keys: &[u32], keys_len: usize) -> Option<Vec<u32>> {
    // There are few keys, and rows mostly come in the order of their slots: count, then place.
    let mut starts = vec![0; keys_len + 1];
    for key in keys {
        starts[*key as usize + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut order = vec![0; keys.len()];
    for (key, row) in keys.iter().zip(0..) {
        let at = &mut next[*key as usize];
        order[*at] = row;
        *at += 1;
    }
    let slot = |row: &u32| slots[*row as usize];
    for range in starts.windows(2) {
        let rows = &mut order[range[0]..range[1]];
        if !rows.is_sorted_by_key(slot) {
            rows.sort_by_key(slot);
        }
    }
    (!order.is_sorted()).then_some(order)
}

pub(super) type Reordered = (RecordBatch, Vec<Slot>, Vec<u32>);

pub(super) fn reorder(
    batch: &RecordBatch,
    slots: &[Slot],
    keys: &[u32],
    order: Option<Vec<u32>>,
) -> Result<Reordered, ArrowError> {
    let Some(order) = order else {
        return Ok((batch.clone(), slots.to_vec(), keys.to_vec()));
    };
    let slots = order.iter().map(|row| slots[*row as usize]).collect();
    let keys = if keys.is_empty() {
        Vec::new()
    } else {
        order.iter().map(|row| keys[*row as usize]).collect()
    };
    let batch = take_record_batch(batch, &UInt32Array::from(order))?;
    Ok((batch, slots, keys))
}
