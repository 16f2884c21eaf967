//! When the trouble that set off a rule began.

use std::ops::Range;

use crate::account::Account;

/// The position of the first bad slot of the spell that led to a firing at the end of `range`.
///
/// The spell is found as in Page's cumulative sum test: each slot adds its bad units less those
/// that the rule's own bound would have allowed it, and the spell begins after the point where the
/// sum was lowest. Errors that go on at a rate below the bound are background, not onset.
///
/// Source: E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954).
pub(super) fn onset(account: &Account<'_>, range: Range<usize>, bound: f64) -> Option<usize> {
    let (mut sum, mut lowest) = (0.0, 0.0);
    let mut first = range.start;
    let mut last_bad = None;
    for index in range.clone() {
        let slot = index..index + 1;
        let valid = account.valid_units(&slot) as f64;
        let bad = account.error_ratio(&slot).unwrap_or(0.0) * valid;
        if bad > 0.0 {
            last_bad = Some(index);
        }
        sum += bad - bound * valid;
        if sum <= lowest {
            lowest = sum;
            first = index + 1;
        }
    }
    // Nothing stands out when the whole range lies below the bound, as with a comparison `lt`.
    if first >= range.end { last_bad.or(range.clone().next_back()) } else { Some(first) }
}
