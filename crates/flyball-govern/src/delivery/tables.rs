//! What DORA's reports print of their clusters, by year.
//!
//! Sources: the reports of 2018, 2019 and 2021 ("Accelerate State of DevOps"), read. Of 2022, 2023 and
//! 2024 only some cells could be held against the reports; those that could not say so
//! ([`Row::confirmed`]). 2020 had no report, and 2025 prints distributions instead of clusters.
//!
//! A printed range such as "between once per day and once per week" is a [`Band`] here. Ranges of
//! times hold their beginning and not their end; ranges of frequencies hold the more frequent end, so
//! that exactly once a week is weekly. "Less than one day" below a level that prints "less than one
//! hour" begins at that hour.

use flyball_model::Duration;

use super::level::{Edition, Level, Metric};

const HOUR: i64 = Duration::from_hours(1).nanos();
const DAY: i64 = Duration::from_days(1).nanos();
const WEEK: i64 = 7 * DAY;
/// A twelfth of 365.25 days.
pub(super) const MONTH: i64 = 2_629_800 * 1_000_000_000;
const HALF_YEAR: i64 = 6 * MONTH;

/// What is printed of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Band {
    /// Nanoseconds, both ends included.
    Time(i64, i64),
    /// Whole per cent, both ends included.
    Percent(u64, u64),
    /// About so many per cent: the middle of a cluster.
    About(u64),
}

/// The levels of one metric in one year, from best to worst.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) bands: &'static [(Level, Band)],
    /// Whether every cell was held against the report.
    pub(super) confirmed: bool,
}

use Level::{Elite, High, Low, Medium};

// Times, from shorter to longer.
const UNDER_HOUR: Band = Band::Time(0, HOUR - 1);
const UNDER_DAY: Band = Band::Time(0, DAY - 1);
const HOUR_TO_DAY: Band = Band::Time(HOUR, DAY - 1);
const DAY_TO_WEEK: Band = Band::Time(DAY, WEEK - 1);
const WEEK_TO_MONTH: Band = Band::Time(WEEK, MONTH - 1);
const MONTH_TO_HALF_YEAR: Band = Band::Time(MONTH, HALF_YEAR - 1);
const OVER_HALF_YEAR: Band = Band::Time(HALF_YEAR, i64::MAX);
// Frequencies, as the time from one deployment to the next.
const ON_DEMAND: Band = Band::Time(0, DAY - 1);
const HOURLY_TO_DAILY: Band = Band::Time(HOUR, DAY);
const DAILY_TO_WEEKLY: Band = Band::Time(DAY, WEEK);
const WEEKLY_TO_MONTHLY: Band = Band::Time(WEEK + 1, MONTH);
const MONTHLY_TO_HALF_YEARLY: Band = Band::Time(MONTH + 1, HALF_YEAR);
const LESS_THAN_HALF_YEARLY: Band = Band::Time(HALF_YEAR + 1, i64::MAX);
// The same as a week and more, where the level above ends at a month.
const WEEK_TO_MONTH_OFTEN: Band = Band::Time(WEEK, MONTH);

const fn row(bands: &'static [(Level, Band)], confirmed: bool) -> Row {
    Row { bands, confirmed }
}

/// What is printed; without bands where the edition prints no clusters.
pub(super) const fn printed(edition: Edition, metric: Metric) -> Row {
    match metric {
        Metric::Frequency => frequency(edition),
        Metric::LeadTime => lead_time(edition),
        Metric::Recovery => recovery(edition),
        Metric::ChangeFailure => change_failure(edition),
    }
}

const fn frequency(edition: Edition) -> Row {
    match edition {
        Edition::Y2018 => row(
            &[
                (Elite, ON_DEMAND),
                (High, HOURLY_TO_DAILY),
                (Medium, WEEK_TO_MONTH_OFTEN),
                (Low, WEEK_TO_MONTH_OFTEN),
            ],
            true,
        ),
        Edition::Y2019 => row(
            &[
                (Elite, ON_DEMAND),
                (High, DAILY_TO_WEEKLY),
                (Medium, WEEKLY_TO_MONTHLY),
                (Low, MONTHLY_TO_HALF_YEARLY),
            ],
            true,
        ),
        Edition::Y2021 => row(
            &[
                (Elite, ON_DEMAND),
                (High, WEEK_TO_MONTH_OFTEN),
                (Medium, MONTHLY_TO_HALF_YEARLY),
                (Low, LESS_THAN_HALF_YEARLY),
            ],
            true,
        ),
        Edition::Y2022 => row(
            &[(High, ON_DEMAND), (Medium, WEEK_TO_MONTH_OFTEN), (Low, MONTHLY_TO_HALF_YEARLY)],
            false,
        ),
        Edition::Y2023 => row(
            &[
                (Elite, ON_DEMAND),
                (High, DAILY_TO_WEEKLY),
                (Medium, WEEKLY_TO_MONTHLY),
                (Low, WEEKLY_TO_MONTHLY),
            ],
            false,
        ),
        Edition::Y2024 => row(
            &[
                (Elite, ON_DEMAND),
                (High, DAILY_TO_WEEKLY),
                (Medium, WEEKLY_TO_MONTHLY),
                (Low, MONTHLY_TO_HALF_YEARLY),
            ],
            false,
        ),
        Edition::Y2025 => row(&[], true),
    }
}

const fn lead_time(edition: Edition) -> Row {
    match edition {
        Edition::Y2018 => row(
            &[
                (Elite, UNDER_HOUR),
                (High, DAY_TO_WEEK),
                (Medium, WEEK_TO_MONTH),
                (Low, MONTH_TO_HALF_YEAR),
            ],
            true,
        ),
        Edition::Y2019 => row(
            &[
                (Elite, UNDER_DAY),
                (High, DAY_TO_WEEK),
                (Medium, WEEK_TO_MONTH),
                (Low, MONTH_TO_HALF_YEAR),
            ],
            true,
        ),
        Edition::Y2021 => row(
            &[
                (Elite, UNDER_HOUR),
                (High, DAY_TO_WEEK),
                (Medium, MONTH_TO_HALF_YEAR),
                (Low, OVER_HALF_YEAR),
            ],
            true,
        ),
        Edition::Y2022 => {
            row(&[(High, DAY_TO_WEEK), (Medium, WEEK_TO_MONTH), (Low, MONTH_TO_HALF_YEAR)], false)
        }
        Edition::Y2023 => row(
            &[
                (Elite, UNDER_DAY),
                (High, DAY_TO_WEEK),
                (Medium, WEEK_TO_MONTH),
                (Low, WEEK_TO_MONTH),
            ],
            false,
        ),
        Edition::Y2024 => row(
            &[
                (Elite, UNDER_DAY),
                (High, DAY_TO_WEEK),
                (Medium, WEEK_TO_MONTH),
                (Low, MONTH_TO_HALF_YEAR),
            ],
            false,
        ),
        Edition::Y2025 => row(&[], true),
    }
}

const fn recovery(edition: Edition) -> Row {
    match edition {
        Edition::Y2018 | Edition::Y2019 => row(
            &[
                (Elite, UNDER_HOUR),
                (High, HOUR_TO_DAY),
                (Medium, HOUR_TO_DAY),
                (Low, WEEK_TO_MONTH),
            ],
            true,
        ),
        Edition::Y2021 => row(
            &[
                (Elite, UNDER_HOUR),
                (High, HOUR_TO_DAY),
                (Medium, DAY_TO_WEEK),
                (Low, OVER_HALF_YEAR),
            ],
            true,
        ),
        Edition::Y2022 => {
            row(&[(High, UNDER_DAY), (Medium, DAY_TO_WEEK), (Low, WEEK_TO_MONTH)], false)
        }
        Edition::Y2023 => row(
            &[
                (Elite, UNDER_HOUR),
                (High, HOUR_TO_DAY),
                (Medium, DAY_TO_WEEK),
                (Low, MONTH_TO_HALF_YEAR),
            ],
            false,
        ),
        Edition::Y2024 => row(
            &[
                (Elite, UNDER_HOUR),
                (High, HOUR_TO_DAY),
                (Medium, HOUR_TO_DAY),
                (Low, WEEK_TO_MONTH),
            ],
            false,
        ),
        Edition::Y2025 => row(&[], true),
    }
}

const fn change_failure(edition: Edition) -> Row {
    const FIRST: Band = Band::Percent(0, 15);
    const SECOND: Band = Band::Percent(16, 30);
    const FOURTH: Band = Band::Percent(46, 60);
    match edition {
        Edition::Y2018 | Edition::Y2019 => {
            row(&[(Elite, FIRST), (High, FIRST), (Medium, FIRST), (Low, FOURTH)], true)
        }
        Edition::Y2021 => {
            row(&[(Elite, FIRST), (High, SECOND), (Medium, SECOND), (Low, SECOND)], true)
        }
        Edition::Y2022 => row(&[(High, FIRST), (Medium, SECOND), (Low, FOURTH)], false),
        Edition::Y2023 => row(
            &[
                (Elite, Band::About(5)),
                (High, Band::About(10)),
                (Medium, Band::About(15)),
                (Low, Band::About(64)),
            ],
            false,
        ),
        Edition::Y2024 => row(
            &[
                (Elite, Band::About(5)),
                (High, Band::About(20)),
                (Medium, Band::About(10)),
                (Low, Band::About(40)),
            ],
            false,
        ),
        Edition::Y2025 => row(&[], true),
    }
}
