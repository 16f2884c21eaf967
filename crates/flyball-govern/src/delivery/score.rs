//! DORA's Quick Check, and where a measure stands among the answers to the survey of 2025.
//!
//! Sources: `dora-team/dora.dev`, `svelte/quick-check` (the scale); the report of 2025 (the shares of
//! answers, as public code transcribes them).

use flyball_model::Duration;

use super::level::Metric;
use super::spread::Share;
use super::tables::MONTH;

/// The best score, in hundredths of a point.
pub const SCORE_MAX: u32 = 1_000;

/// The survey's answer that a time falls under, from 1 (more than six months) to 6 (less than one
/// hour; for frequency: on demand, several times a day). `None` for a metric that is no time.
pub fn category(metric: Metric, length: Duration) -> Option<u8> {
    const DAY: i64 = Duration::from_days(1).nanos();
    const HOUR: i64 = Duration::from_hours(1).nanos();
    let nanos = length.nanos();
    let reached = match metric {
        Metric::ChangeFailure => return None,
        // Several times a day is "on demand", once a day "between once per hour and once per day".
        Metric::Frequency => {
            let ends = [6 * MONTH, MONTH, 7 * DAY, DAY, DAY - 1];
            ends.iter().filter(|end| nanos <= **end).count()
        }
        Metric::LeadTime | Metric::Recovery => {
            let ends = [6 * MONTH, MONTH, 7 * DAY, DAY, HOUR];
            ends.iter().filter(|end| nanos < **end).count()
        }
    };
    u8::try_from(reached + 1).ok()
}

/// The score of a category, in hundredths of a point: 1 is 0, 6 is 10, linear between. `tenths` are
/// tenths of a category, so that a mean of several can be scored; outside 1 to 6 the nearest.
pub fn score_of_category(tenths: u32) -> u32 {
    (tenths.clamp(10, 60) - 10) * 20
}

/// The score of a share that is better the smaller it is, in hundredths of a point, rounded down:
/// none is 10, all is 0.
pub fn score_of_share(share: Share) -> u32 {
    let lost = (u128::from(share.of) * u128::from(SCORE_MAX)).div_ceil(u128::from(share.out_of));
    SCORE_MAX.saturating_sub(u32::try_from(lost).unwrap_or(SCORE_MAX))
}

/// The mean of scores, in hundredths of a point, rounded down; `None` of none.
pub fn overall(scores: &[u32]) -> Option<u32> {
    let sum: u64 = scores.iter().copied().map(u64::from).sum();
    u32::try_from(sum.checked_div(scores.len() as u64)?).ok()
}

/// Where an answer stands among those of 2025, in tenths of a per cent. The three need not add up to
/// 1000, because the printed shares are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// Who answered with something worse.
    pub worse: u32,
    /// Who answered with the same category.
    pub same: u32,
    /// Who answered with something better.
    pub better: u32,
}

/// Where a category stands among the answers of 2025; `None` for a metric without printed shares and
/// for a category that is none.
pub fn standing(metric: Metric, category: u8) -> Option<Standing> {
    // From category 1 to 6, in tenths of a per cent.
    let shares: [u32; 6] = match metric {
        Metric::Frequency => [36, 203, 315, 219, 65, 162],
        Metric::LeadTime => [20, 132, 283, 319, 150, 94],
        Metric::Recovery => [10, 49, 94, 280, 353, 213],
        Metric::ChangeFailure => return None,
    };
    let place = usize::from(category.checked_sub(1)?);
    let same = *shares.get(place)?;
    let (worse, better) = (shares[..place].iter().sum(), shares[place + 1..].iter().sum());
    Some(Standing { worse, same, better })
}
