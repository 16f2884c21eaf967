//! The business outcomes of services, kept as they were pushed.
//!
//! The points of one day are one record: a year of any of them is read in a few hundred rows. They are kept
//! under the name that the outcome had when they came, so that a service which chooses another one begins
//! with nothing. Values are kept as texts, which are read as exactly what was pushed.

use std::collections::BTreeMap;

use flyball_catalog::Catalog;
use flyball_govern::delivery::{Point, Series};
use flyball_model::{Duration, Interval, Timestamp};
use flyball_store::{NewRecord, Noting, Record, RecordBound, StoreError};
use serde_json::json;

use crate::changes::ChangesError;
use crate::control::{SharedControl, parse};

/// What such records are called.
const OUTCOME: &str = "outcome";
/// The most days that are kept: those of two hundred services over five years. A point has 29 bytes at least, so one
/// look at all services holds fewer than five million of them.
const OUTCOMES: RecordBound = RecordBound { rows: 400_000, bytes: 128 << 20 };
/// The most days of one service that one look takes in: 400 and as many before them, full, with room for
/// outcomes that it had before.
const OUTCOMES_SEEN: RecordBound = RecordBound { rows: 2_000, bytes: 32 << 20 };
/// The most points of one day: one every five minutes.
const DAY_POINTS_MAX: usize = 288;
/// What one record holds the points of.
const DAY: Duration = Duration::from_days(1);

/// Why points are not kept. Nothing of the request was kept then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutcomeError {
    /// The control state refused, or what it holds cannot be read.
    #[error(transparent)]
    Kept(#[from] ChangesError),
    /// A day has no room for so many.
    #[error(
        "the day that begins at {0} would have more than {DAY_POINTS_MAX} points; hint: push one every five \
         minutes at most, or put what lies closer together"
    )]
    Full(Timestamp),
}

impl From<StoreError> for OutcomeError {
    fn from(error: StoreError) -> Self {
        Self::Kept(error.into())
    }
}

/// The points of a day, as they are kept.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Day {
    /// The outcome.
    name: String,
    /// The value of each moment.
    points: BTreeMap<Timestamp, String>,
}

/// What was pushed of the outcomes of services.
#[derive(Debug)]
pub(crate) struct Pushed {
    /// Each service that has chosen an outcome, and its points.
    pub(crate) series: Vec<(String, Series)>,
    /// Whether there are more, earlier ones, than are looked at.
    pub(crate) is_cut: bool,
}

/// Keeps `points` of the outcome `name` of `service`, each in the place of the one of its moment; of two of the same
/// moment the later in the list. Answers how many were not known. On disk when this returns.
///
/// # Errors
///
/// [`OutcomeError`]; nothing was kept then.
pub(crate) fn keep(
    control: &SharedControl,
    (service, name): (&str, &str),
    points: &[Point],
    (who, now): (&str, Timestamp),
) -> Result<usize, OutcomeError> {
    let mut days: BTreeMap<Timestamp, BTreeMap<Timestamp, String>> = BTreeMap::new();
    for Point { at, value } in points {
        days.entry(at.floor(DAY)).or_default().insert(*at, format!("{value:?}"));
    }
    control.lock().note(who, now, |noting| {
        let mut new = 0;
        for (start, points) in days {
            new += keep_day(noting, (service, name), start, points)?;
        }
        Ok(new)
    })
}

/// Keeps the points of the day that begins at `start`; answers how many were not known.
fn keep_day(
    noting: &Noting<'_>,
    (service, name): (&str, &str),
    start: Timestamp,
    points: BTreeMap<Timestamp, String>,
) -> Result<usize, OutcomeError> {
    let id = format!("{service}:{name}:{start}");
    let mut day = match noting.record(OUTCOME, &id)? {
        Some(record) => read(&record)?,
        None => Day { name: name.to_owned(), points: BTreeMap::new() },
    };
    let mut new = 0;
    for (at, value) in points {
        let known = day.points.insert(at, value.clone());
        new += usize::from(known != Some(value));
    }
    if day.points.len() > DAY_POINTS_MAX {
        return Err(OutcomeError::Full(start));
    }
    if new == 0 {
        return Ok(0);
    }
    let detail = json!({ "service": service, "name": name, "points": new });
    let text = json!(day).to_string();
    let kept = NewRecord { kind: OUTCOME, id, service: Some(service.to_owned()), at: start, text };
    noting.keep(&kept, OUTCOMES, Some(("service.outcome", &detail)))?;
    Ok(new)
}

fn read(record: &Record) -> Result<Day, ChangesError> {
    Ok(parse(record)?)
}

/// The points of the outcome `name` of `service` in a time, in the order of their days; and whether these are
/// all.
///
/// # Errors
///
/// [`ChangesError::Store`], [`ChangesError::Unreadable`].
pub(crate) fn points(
    control: &SharedControl,
    (service, name): (&str, &str),
    during: Interval,
) -> Result<(Vec<Point>, bool), ChangesError> {
    let days = (during.start().floor(DAY), during.end());
    let services = [service.to_owned()];
    let (found, are_all) = control.lock().records_of(OUTCOME, &services, days, OUTCOMES_SEEN)?;
    let mut points = Vec::new();
    for record in found.iter().rev() {
        let day = read(record)?;
        if day.name != name {
            continue;
        }
        let inside = day.points.iter().filter(|(at, _)| during.contains(**at));
        // What is no number is of another version, and said to nobody here.
        points.extend(
            inside.filter_map(|(at, value)| Some(Point { at: *at, value: value.parse().ok()? })),
        );
    }
    Ok((points, are_all))
}

/// What was pushed in a time of the outcomes that `services` have chosen.
///
/// # Errors
///
/// [`ChangesError::Store`], [`ChangesError::Unreadable`].
pub(crate) fn pushed(
    control: &SharedControl,
    catalog: &Catalog,
    services: &[String],
    during: Interval,
) -> Result<Pushed, ChangesError> {
    let mut pushed = Pushed { series: Vec::new(), is_cut: false };
    for service in services {
        let described = catalog.governance.service(service);
        let Some(chosen) = described.and_then(|of| of.spec.delivery.outcome.as_ref()) else {
            continue;
        };
        let (points, are_all) = points(control, (service, &chosen.name), during)?;
        pushed.is_cut |= !are_all;
        pushed.series.push((service.clone(), Series::new(chosen.clone(), points)));
    }
    Ok(pushed)
}
