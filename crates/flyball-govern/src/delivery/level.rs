//! Where a measure stands in DORA's report of a year.
//!
//! The printed clusters overlap, leave gaps and are not always in order: of 2018 `medium` and `low`
//! deploy equally often, and in 2024 `high` fails more often than `medium`. So each metric is placed
//! by itself, and the answer may be several levels, or that it lies between two.

use flyball_model::Duration;

use super::spread::Share;
use super::tables::{Band, Row, printed};

/// A level of DORA's, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The best cluster, where the year has one.
    Elite,
    /// The next.
    High,
    /// The next.
    Medium,
    /// The last.
    Low,
}

/// A report of DORA's, by year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Edition {
    /// Accelerate: State of DevOps 2018.
    #[serde(rename = "2018")]
    Y2018,
    /// Accelerate State of DevOps 2019.
    #[serde(rename = "2019")]
    Y2019,
    /// Accelerate State of DevOps 2021.
    #[serde(rename = "2021")]
    Y2021,
    /// Accelerate State of DevOps 2022, which has no `elite`.
    #[serde(rename = "2022")]
    Y2022,
    /// Accelerate State of DevOps 2023.
    #[serde(rename = "2023")]
    Y2023,
    /// Accelerate State of DevOps 2024.
    #[serde(rename = "2024")]
    Y2024,
    /// State of AI-assisted Software Development 2025, which prints distributions and no clusters.
    #[serde(rename = "2025")]
    Y2025,
}

impl Edition {
    /// Every edition, oldest first.
    pub const ALL: [Self; 7] =
        [Self::Y2018, Self::Y2019, Self::Y2021, Self::Y2022, Self::Y2023, Self::Y2024, Self::Y2025];

    /// Its year.
    pub const fn year(self) -> u16 {
        match self {
            Self::Y2018 => 2018,
            Self::Y2019 => 2019,
            Self::Y2021 => 2021,
            Self::Y2022 => 2022,
            Self::Y2023 => 2023,
            Self::Y2024 => 2024,
            Self::Y2025 => 2025,
        }
    }

    /// The edition of a year; `None` for years without one, 2020 among them.
    pub fn of(year: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|edition| edition.year() == year)
    }
}

/// What is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The time from one deployment to the next.
    Frequency,
    /// From commit to users.
    LeadTime,
    /// From a failed deployment to its recovery; until 2023, from an outage to its end.
    Recovery,
    /// Deployments that failed users.
    ChangeFailure,
}

/// Where a measure stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// At one level.
    Level {
        /// The level.
        level: Level,
    },
    /// At each of these, best first: they print the same, or what is known allows for all of them.
    Several {
        /// The levels.
        levels: Vec<Level>,
    },
    /// At none: it is worse than one level prints and better than another.
    Between {
        /// The nearest level that prints something better; `None` when all print worse.
        better: Option<Level>,
        /// The nearest level that prints something worse; `None` when all print better.
        worse: Option<Level>,
    },
    /// The edition prints no levels.
    NotPublished,
    /// There is nothing to place.
    NotEnoughData,
}

impl Answer {
    /// Every level that this answer allows for, or lies between.
    fn touched(&self) -> Vec<Level> {
        match self {
            Self::Level { level } => vec![*level],
            Self::Several { levels } => levels.clone(),
            Self::Between { better, worse } => better.iter().chain(worse).copied().collect(),
            Self::NotPublished | Self::NotEnoughData => Vec::new(),
        }
    }
}

/// Where a measure stands in one edition.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Placed {
    /// The edition.
    pub edition: Edition,
    /// What is placed.
    pub metric: Metric,
    /// Where it stands.
    #[serde(flatten)]
    pub answer: Answer,
    /// Whether every printed range that this rests on was held against the report itself.
    pub confirmed: bool,
}

/// Places a length of time: the interval between deployments, a lead time, a recovery.
///
/// `None` is nothing to place, and so is [`Metric::ChangeFailure`], which is no time.
pub fn place_time(edition: Edition, metric: Metric, length: Option<Duration>) -> Placed {
    place(edition, metric, |row| match length {
        Some(length) if metric != Metric::ChangeFailure => at_time(row, length.nanos()),
        _ => Answer::NotEnoughData,
    })
}

/// Places a change failure rate of which the least and the most are known: the same when every
/// deployment is decided. Where the two stand apart the answer names every level that a rate between
/// them is at, or beside.
pub fn place_failure(edition: Edition, bounds: Option<(Share, Share)>) -> Placed {
    place(edition, Metric::ChangeFailure, |row| {
        let Some((least, most)) = bounds else { return Answer::NotEnoughData };
        let (at_least, at_most) = (at_share(row, least), at_share(row, most));
        if at_least == at_most {
            return at_least;
        }
        let touched = [at_least.touched(), at_most.touched()].concat();
        let reaches = |percent: u64| most.compare_with(percent, 100).is_ge();
        let begins_by = |percent: u64| least.compare_with(percent, 100).is_le();
        let allowed = row.bands.iter().filter(|(level, band)| {
            touched.contains(level)
                || match *band {
                    Band::Percent(from, to) => reaches(from) && begins_by(to),
                    Band::About(percent) => reaches(percent) && begins_by(percent),
                    Band::Time(..) => false,
                }
        });
        Answer::Several { levels: allowed.map(|(level, _)| *level).collect() }
    })
}

fn place(edition: Edition, metric: Metric, at: impl FnOnce(&Row) -> Answer) -> Placed {
    let row = printed(edition, metric);
    let answer = if row.bands.is_empty() { Answer::NotPublished } else { at(&row) };
    let confirmed = row.confirmed;
    Placed { edition, metric, answer, confirmed }
}

/// The levels that match, else the nearest on both sides. `below` and `above` say how far a band
/// lies on either side, `None` when it does not.
fn answer(
    row: &Row,
    matches: impl Fn(Band) -> bool,
    better: impl Fn(Band) -> Option<u64>,
    worse: impl Fn(Band) -> Option<u64>,
) -> Answer {
    let levels: Vec<Level> =
        row.bands.iter().filter(|(_, band)| matches(*band)).map(|(level, _)| *level).collect();
    match levels.as_slice() {
        [level] => Answer::Level { level: *level },
        [_, _, ..] => Answer::Several { levels },
        [] => {
            let near = |distance: &dyn Fn(Band) -> Option<u64>, last: bool| {
                let found =
                    row.bands.iter().filter_map(|(level, band)| Some((distance(*band)?, *level)));
                // Of levels that print the same, the one nearest to the other side.
                let found = found.min_by_key(|(distance, level)| {
                    (*distance, if last { u8::MAX - *level as u8 } else { *level as u8 })
                });
                found.map(|(_, level)| level)
            };
            Answer::Between { better: near(&better, true), worse: near(&worse, false) }
        }
    }
}

fn at_time(row: &Row, nanos: i64) -> Answer {
    answer(
        row,
        |band| matches!(band, Band::Time(from, to) if (from..=to).contains(&nanos)),
        |band| match band {
            Band::Time(_, to) if to < nanos => Some(nanos.abs_diff(to)),
            _ => None,
        },
        |band| match band {
            Band::Time(from, _) if from > nanos => Some(from.abs_diff(nanos)),
            _ => None,
        },
    )
}

fn at_share(row: &Row, share: Share) -> Answer {
    let abouts = || {
        row.bands.iter().filter_map(|(_, band)| match band {
            Band::About(percent) => Some(*percent),
            _ => None,
        })
    };
    let (least, most) = (abouts().min(), abouts().max());
    let compare = |percent: u64| share.compare_with(percent, 100);
    answer(
        row,
        |band| match band {
            Band::Percent(from, to) => compare(from).is_ge() && compare(to).is_le(),
            // The middle of the best cluster has members below it, that of the worst above it.
            Band::About(percent) => {
                compare(percent).is_eq()
                    || (Some(percent) == least && compare(percent).is_lt())
                    || (Some(percent) == most && compare(percent).is_gt())
            }
            Band::Time(..) => false,
        },
        // Distances between bands are whole per cent; only their order matters.
        |band| match band {
            Band::Percent(_, to) | Band::About(to) if compare(to).is_gt() => {
                Some(100 - to.min(100))
            }
            _ => None,
        },
        |band| match band {
            Band::Percent(from, _) | Band::About(from) if compare(from).is_lt() => Some(from),
            _ => None,
        },
    )
}
