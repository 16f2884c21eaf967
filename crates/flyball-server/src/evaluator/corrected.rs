//! What corrections change in the window of an SLO, so that nobody wonders where events have gone.

use flyball_budget::correction::{Applied, Counts, apply, expand};
use flyball_budget::live::LiveError;
use flyball_budget::{Series, window_at};
use flyball_model::{Correction, CorrectionMode, Interval, Slo, Timestamp};
use flyball_store::{Ledger, LedgerSnapshot, SliceId, StoreError};

use crate::http::shapes;

/// A correction in the window of an SLO, and what it changes there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct CorrectionStatus {
    /// Its name.
    pub name: String,
    /// What it does: `drop` takes events out, `count-as-good` counts them as good.
    #[schema(value_type = String)]
    pub mode: CorrectionMode,
    /// The kind of reason.
    pub category: String,
    /// Who answers for it.
    pub author: String,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// How many of its occurrences share time with the window.
    pub occurrences: u64,
    /// The latest of them.
    #[schema(value_type = shapes::Stretch)]
    pub last: Interval,
    /// How many slots with data it changes, in all indicators together.
    pub slots: u64,
    /// The events inside before.
    #[schema(value_type = shapes::Changed)]
    pub before: Counts,
    /// The events inside after: what is no longer there was taken out.
    #[schema(value_type = shapes::Changed)]
    pub after: Counts,
}

/// Whether some of `corrections` are for `slo`.
pub(super) fn is_corrected(slo: &Slo, corrections: &[Correction]) -> bool {
    corrections.iter().any(|correction| correction.is_for(&slo.name))
}

/// What `corrections` change in the window of `slo` at `at`, whose counts are those of `slices`, one for each
/// objective; those that have no occurrence in it are not listed.
pub(super) fn corrected(
    slo: &Slo,
    slices: &[Option<SliceId>],
    corrections: &[Correction],
    snapshot: &LedgerSnapshot<'_>,
    at: Timestamp,
) -> Result<Vec<CorrectionStatus>, LiveError<StoreError>> {
    let window = window_at(&slo.window, at)?.elapsed;
    let expanded = expand(corrections, &slo.name, window)?;
    let mut found: Vec<CorrectionStatus> = Vec::new();
    let mut counted: Vec<SliceId> = Vec::new();
    if expanded.is_empty() {
        return Ok(found);
    }
    // Objectives of one indicator share its counts.
    for (indicator, slice) in slices.iter().enumerate() {
        let tallies = match slice {
            Some(slice) if counted.contains(slice) => continue,
            Some(slice) => {
                counted.push(*slice);
                snapshot.tallies(*slice, window).map_err(LiveError::History)?
            }
            None if indicator > 0 => continue,
            None => Vec::new(),
        };
        let series = Series::new(Ledger::SLOT_WIDTH, tallies)?;
        let (_, applied) = apply(&series, &expanded, indicator)?;
        for of_one in applied.chunk_by(|a, b| a.name == b.name) {
            add(&mut found, of_one);
        }
    }
    Ok(found)
}

/// Adds what the occurrences of one correction changed in one indicator.
fn add(found: &mut Vec<CorrectionStatus>, applied: &[Applied]) {
    let [first, ..] = applied else { return };
    let at = found.iter().position(|known| known.name == first.name).unwrap_or_else(|| {
        found.push(CorrectionStatus {
            name: first.name.clone(),
            mode: first.mode,
            category: first.category.clone(),
            author: first.author.clone(),
            reason: first.reason.clone(),
            occurrences: applied.len() as u64,
            last: applied
                .iter()
                .map(|one| one.interval)
                .max_by_key(|interval| interval.start())
                .unwrap_or(first.interval),
            slots: 0,
            before: Counts::default(),
            after: Counts::default(),
        });
        found.len() - 1
    });
    let sum = &mut found[at];
    for one in applied {
        sum.slots += one.slots;
        for (into, more) in [(&mut sum.before, one.before), (&mut sum.after, one.after)] {
            into.valid += more.valid;
            into.good += more.good;
            into.bad += more.bad;
        }
    }
}
