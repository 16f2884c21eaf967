//! The counts of one SLI: which rows it takes, in total and by slice.

use std::collections::HashMap;
use std::rc::Rc;

use arrow::array::RecordBatch;
use flyball_model::{Slice, Tally};

use super::order::Run;
use super::slices::SliceCodes;
use super::slots::SlotCounts;
use super::{Gained, SliPart};
use crate::error::QueryError;
use crate::predicate::{Answers, PredicateId, PredicateSet};
use crate::truth::{Truth, words};

/// One SLI and what was counted of it.
#[derive(Debug)]
pub(super) struct SliCounts {
    pub(super) total: PredicateId,
    pub(super) side: PredicateId,
    pub(super) side_is_bad: bool,
    pub(super) by: Vec<String>,
    pub(super) slice_limit: usize,
    pub(super) counts: SlotCounts,
    pub(super) slices: Vec<SlotCounts>,
    pub(super) known: HashMap<Vec<Option<String>>, usize>,
    /// The slice that takes what is past the limit, once it is reached.
    pub(super) overflow: Option<usize>,
    pub(super) over_slice_limit: u64,
}

/// Which rows of a batch are valid and which of those are good, for one SLI.
pub(super) struct EventBits {
    total: Rc<Truth>,
    side: Rc<Truth>,
    side_is_bad: bool,
}

impl EventBits {
    /// `None` when no row is valid.
    pub(super) fn of(
        sli: &SliCounts,
        predicates: &mut PredicateSet,
        batch: &RecordBatch,
        answers: &mut Answers,
    ) -> Result<Option<Self>, (SliPart, QueryError)> {
        let mut evaluate =
            |part, id| predicates.evaluate(id, batch, answers).map_err(|error| (part, error));
        let total = evaluate(SliPart::Total, sli.total)?;
        if total.yes.iter().all(|word| *word == 0) {
            return Ok(None);
        }
        let side = evaluate(SliPart::Side, sli.side)?;
        Ok(Some(Self { total, side, side_is_bad: sli.side_is_bad }))
    }

    /// The valid, good and undecided rows among those that `mask` selects of a word.
    #[inline]
    fn word(&self, at: usize, mask: u64) -> [u64; 3] {
        let valid = self.total.yes[at] & mask;
        let (yes, no) = (self.side.yes[at], self.side.no[at]);
        let good = if self.side_is_bad { no } else { yes };
        [valid, valid & good, valid & !(yes | no)]
    }

    pub(super) fn tally(&self, start: usize, end: usize) -> Tally {
        let mut sums = [0; 3];
        for (at, mask) in words(start, end) {
            for (sum, bits) in sums.iter_mut().zip(self.word(at, mask)) {
                *sum += u64::from(bits.count_ones());
            }
        }
        let [valid, good, undecided] = sums;
        Tally::with_undecided(valid, good, undecided).unwrap_or_default()
    }
}

impl SliCounts {
    pub(super) fn slots(&self) -> usize {
        self.counts.len() + self.slices.iter().map(SlotCounts::len).sum::<usize>()
    }

    pub(super) fn count_slices(&mut self, bits: &EventBits, runs: &[Run], codes: &SliceCodes) {
        // Local codes become slices of this SLI when they are first met with a valid event.
        let mut slices: Vec<Option<usize>> = vec![None; codes.values.len()];
        let mut sums = vec![Tally::EMPTY; codes.values.len()];
        let mut met = Vec::new();
        for run in runs {
            for row in run.start..run.end {
                let tally = bits.tally(row, row + 1);
                if tally.is_empty() {
                    continue;
                }
                let code = codes.rows[row] as usize;
                if sums[code].is_empty() {
                    met.push(code);
                }
                sums[code] = sums[code].plus(tally);
            }
            for code in met.drain(..) {
                let tally = std::mem::take(&mut sums[code]);
                let slice = match slices[code] {
                    Some(slice) => slice,
                    None => *slices[code].insert(self.slice(&codes.values[code])),
                };
                if self.overflow == Some(slice) {
                    self.over_slice_limit += tally.valid();
                }
                self.slices[slice].add(run.slot, tally);
            }
        }
    }

    /// The slice with these values; the overflow once the limit is reached.
    fn slice(&mut self, values: &[Option<String>]) -> usize {
        if let Some(slice) = self.known.get(values) {
            return *slice;
        }
        if self.known.len() < self.slice_limit {
            let slice = self.new_slice();
            self.known.insert(values.to_vec(), slice);
            return slice;
        }
        let overflow = self.overflow.unwrap_or_else(|| self.new_slice());
        self.overflow = Some(overflow);
        overflow
    }

    /// Makes a slice known.
    pub(super) fn know(&mut self, slice: &Slice) {
        match slice {
            Slice::Of(values) => {
                let values: Vec<_> = values.iter().map(|(_, value)| value.clone()).collect();
                if !self.known.contains_key(&values) {
                    let slice = self.new_slice();
                    self.known.insert(values, slice);
                }
            }
            Slice::Overflow if self.overflow.is_none() => self.overflow = Some(self.new_slice()),
            Slice::Overflow => {}
        }
    }

    /// Takes what was counted; `at` is this SLI's index.
    pub(super) fn drain(&mut self, at: usize) -> Vec<Gained> {
        let mut gained = Vec::new();
        let mut take = |slice: Option<Slice>, counts: &mut SlotCounts| {
            let slots = std::mem::take(counts).into_sorted();
            if !slots.is_empty() {
                gained.push(Gained { sli: at, slice, slots });
            }
        };
        if self.counts.len() == 0 {
            return gained;
        }
        take(None, &mut self.counts);
        for (values, slice) in &self.known {
            let counts = &mut self.slices[*slice];
            if counts.len() > 0 {
                let named = self.by.iter().cloned().zip(values.iter().cloned());
                take(Some(Slice::Of(named.collect())), counts);
            }
        }
        if let Some(slice) = self.overflow {
            take(Some(Slice::Overflow), &mut self.slices[slice]);
        }
        gained
    }

    fn new_slice(&mut self) -> usize {
        self.slices.push(SlotCounts::default());
        self.slices.len() - 1
    }
}
