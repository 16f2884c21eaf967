//! What could not be read, counted by reason, with the first examples.

use std::collections::BTreeMap;

/// Examples kept of each reason.
const EXAMPLES_MAX: usize = 3;
/// Bytes shown of an example.
const EXAMPLE_BYTES_MAX: usize = 160;

/// Records that could not be read. Reasons are few and fixed, so the count is bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Rejects {
    reasons: BTreeMap<&'static str, Rejected>,
}

/// Records refused for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rejected {
    /// How many.
    pub count: u64,
    /// The first few.
    pub examples: Vec<Example>,
}

/// One record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Example {
    /// The line or record, from 1, in its file.
    pub line: u64,
    /// The byte in the line, from 1, where reading stopped; `None` when the whole line is at fault.
    pub column: Option<u64>,
    /// The beginning of the line, control characters escaped.
    pub excerpt: String,
}

impl Rejects {
    /// Counts one record refused for `reason`.
    pub fn add(&mut self, reason: &'static str, line: u64, column: Option<u64>, text: &[u8]) {
        self.note(reason, 1, line, column, text);
    }

    /// Counts `count` records that were refused together for `reason`: one example stands for all.
    pub fn add_all(&mut self, reason: &'static str, count: u64, line: u64, text: &[u8]) {
        self.note(reason, count, line, None, text);
    }

    fn note(
        &mut self,
        reason: &'static str,
        count: u64,
        line: u64,
        column: Option<u64>,
        text: &[u8],
    ) {
        let rejected = self.reasons.entry(reason).or_default();
        rejected.count += count;
        if rejected.examples.len() < EXAMPLES_MAX {
            rejected.examples.push(Example { line, column, excerpt: excerpt(text) });
        }
    }

    /// Adds `later`, whose lines are counted from `lines_before` on.
    pub fn append(&mut self, later: Self, lines_before: u64) {
        for (reason, rejected) in later.reasons {
            let own = self.reasons.entry(reason).or_default();
            own.count += rejected.count;
            for mut example in rejected.examples {
                if own.examples.len() < EXAMPLES_MAX {
                    example.line += lines_before;
                    own.examples.push(example);
                }
            }
        }
    }

    /// All refused records.
    pub fn total(&self) -> u64 {
        self.reasons.values().map(|rejected| rejected.count).sum()
    }

    /// Reasons with their records, by reason.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Rejected)> {
        self.reasons.iter().map(|(reason, rejected)| (*reason, rejected))
    }

    /// The refused record that stands first in its file.
    pub fn first(&self) -> Option<(&'static str, &Example)> {
        self.iter()
            .filter_map(|(reason, rejected)| rejected.examples.first().map(|e| (reason, e)))
            .min_by_key(|(_, example)| example.line)
    }
}

/// The beginning of `text`, control characters escaped.
pub(crate) fn excerpt(text: &[u8]) -> String {
    let cut = &text[..text.len().min(EXAMPLE_BYTES_MAX)];
    let mut out: String = String::from_utf8_lossy(cut)
        .chars()
        .flat_map(|c| {
            let escaped: Vec<char> =
                if c.is_control() { c.escape_default().collect() } else { vec![c] };
            escaped
        })
        .collect();
    if cut.len() < text.len() {
        out.push('…');
    }
    out
}
