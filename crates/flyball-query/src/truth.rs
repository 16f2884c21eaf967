//! Three-valued truth over the rows of a batch, as two bit sets.

use arrow::array::{Array, BooleanArray};

/// For each row whether a predicate is true, false or neither (unknown), as in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Truth {
    /// Rows for which it is true. Bits past the last row are zero.
    pub(crate) yes: Vec<u64>,
    /// Rows for which it is false. Bits past the last row are zero.
    pub(crate) no: Vec<u64>,
}

impl Truth {
    /// Unknown for every one of `rows` rows.
    pub(crate) fn unknown(rows: usize) -> Self {
        let words = rows.div_ceil(64);
        Self { yes: vec![0; words], no: vec![0; words] }
    }

    /// The truth that a boolean array states; null is unknown.
    pub(crate) fn from_array(array: &BooleanArray) -> Self {
        let words = array.len().div_ceil(64);
        let values = array.values().bit_chunks();
        let mut yes: Vec<u64> = values.iter_padded().take(words).collect();
        let mut no: Vec<u64> = yes.iter().map(|word| !word).collect();
        if let Some(last) = no.last_mut()
            && !array.len().is_multiple_of(64)
        {
            *last &= (1 << (array.len() % 64)) - 1;
        }
        if let Some(nulls) = array.nulls() {
            let known = nulls.inner().bit_chunks();
            for ((yes, no), known) in yes.iter_mut().zip(&mut no).zip(known.iter_padded()) {
                *yes &= known;
                *no &= known;
            }
        }
        Self { yes, no }
    }

    /// Gives each row the truth of entry `codes[row]` of this one.
    pub(crate) fn spread(&self, codes: impl ExactSizeIterator<Item = usize>) -> Self {
        let mut out = Self::unknown(codes.len());
        let mut codes = codes;
        for (yes_out, no_out) in out.yes.iter_mut().zip(&mut out.no) {
            let (mut yes, mut no) = (0, 0);
            for bit in 0..64 {
                let Some(code) = codes.next() else { break };
                yes |= (self.yes[code / 64] >> (code % 64) & 1) << bit;
                no |= (self.no[code / 64] >> (code % 64) & 1) << bit;
            }
            (*yes_out, *no_out) = (yes, no);
        }
        out
    }

    /// Takes the truth of the rows that `chosen` marks from `other`.
    pub(crate) fn replace(&mut self, other: &Self, chosen: &[bool]) {
        for (word, rows) in chosen.chunks(64).enumerate() {
            let mask = rows.iter().rev().fold(0_u64, |mask, row| mask << 1 | u64::from(*row));
            self.yes[word] = self.yes[word] & !mask | other.yes[word] & mask;
            self.no[word] = self.no[word] & !mask | other.no[word] & mask;
        }
    }

    /// Kleene's AND.
    pub(crate) fn and(&mut self, other: &Self) {
        for (a, b) in self.yes.iter_mut().zip(&other.yes) {
            *a &= b;
        }
        for (a, b) in self.no.iter_mut().zip(&other.no) {
            *a |= b;
        }
    }

    /// Kleene's OR.
    pub(crate) fn or(&mut self, other: &Self) {
        for (a, b) in self.yes.iter_mut().zip(&other.yes) {
            *a |= b;
        }
        for (a, b) in self.no.iter_mut().zip(&other.no) {
            *a &= b;
        }
    }

    /// Kleene's NOT.
    pub(crate) fn not(&mut self) {
        std::mem::swap(&mut self.yes, &mut self.no);
    }
}

/// The words that the bits `start..end` lie in, each with a mask of those bits.
#[inline]
pub(crate) fn words(start: usize, end: usize) -> impl Iterator<Item = (usize, u64)> {
    (start / 64..end.div_ceil(64)).map(move |word| {
        let from = start.saturating_sub(word * 64);
        let past = ((word + 1) * 64).saturating_sub(end);
        (word, (u64::MAX << from) & (u64::MAX >> past))
    })
}

/// Whether bit `row` is set.
#[cfg(test)]
pub(crate) fn is_set(bits: &[u64], row: usize) -> bool {
    bits[row / 64] >> (row % 64) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(truth: &Truth, len: usize) -> Vec<Option<bool>> {
        (0..len)
            .map(|row| match (is_set(&truth.yes, row), is_set(&truth.no, row)) {
                (true, false) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
                (true, true) => panic!("row {row} is both true and false"),
            })
            .collect()
    }

    fn answers() -> impl proptest::strategy::Strategy<Value = Vec<(Option<bool>, Option<bool>)>> {
        let one = || proptest::option::of(proptest::bool::ANY);
        proptest::collection::vec((one(), one()), 0..200)
    }

    proptest::proptest! {
        #[test]
        fn kleene_logic_holds_row_by_row(pairs in answers()) {
            let (a, b): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
            let truth = |v: &Vec<Option<bool>>| Truth::from_array(&BooleanArray::from(v.clone()));
            proptest::prop_assert_eq!(&rows(&truth(&a), a.len()), &a);
            let mut and = truth(&a);
            and.and(&truth(&b));
            let mut or = truth(&a);
            or.or(&truth(&b));
            let mut not = truth(&a);
            not.not();
            for (row, (a, b)) in pairs.iter().enumerate() {
                let expected = match (a, b) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                };
                proptest::prop_assert_eq!(rows(&and, pairs.len())[row], expected);
                let expected = match (a, b) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                };
                proptest::prop_assert_eq!(rows(&or, pairs.len())[row], expected);
                proptest::prop_assert_eq!(rows(&not, pairs.len())[row], a.map(|a| !a));
            }
        }

        #[test]
        fn masks_of_a_range_have_its_bits(from in 0usize..300, len in 0usize..300) {
            let bits: Vec<usize> = words(from, from + len)
                .flat_map(|(word, mask)| {
                    (0..64).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| word * 64 + bit)
                })
                .collect();
            proptest::prop_assert_eq!(bits, (from..from + len).collect::<Vec<_>>());
        }

        #[test]
        fn spreading_is_a_lookup(codes in proptest::collection::vec(0usize..3, 0..200)) {
            let truth = Truth::from_array(&BooleanArray::from(vec![Some(true), None, Some(false)]));
            let spread = truth.spread(codes.iter().copied());
            let expected: Vec<_> = codes.iter().map(|c| [Some(true), None, Some(false)][*c]).collect();
            proptest::prop_assert_eq!(rows(&spread, codes.len()), expected);
        }
    }
}
