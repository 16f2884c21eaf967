//! How many users an incident hit, told apart by an attribute of stored events.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use flyball_govern::incident::Users;
use flyball_model::{EventSli, GoodOrBad, Interval};
use flyball_query::sql::{Bounds, EventSource, query_within};
use tokio::sync::watch;

use super::super::{App, room};

/// Attributes that tell users apart, by the semantic conventions of OpenTelemetry; the first that events have counts.
const ATTRIBUTES: [&str; 3] = ["user.id", "enduser.id", "enduser.pseudo.id"];

/// The distinct users with a valid event of `sli` in `parts` of a time, oldest first, and those with a bad one, by the attribute that tells them
/// apart. `None` where events have none, cannot be asked, or are stored no longer: that nobody was hit is not told by
/// silence. `counted` is what the ledger counts of valid events, where it counts events: fewer that are stored are not all.
pub(super) async fn users(
    app: &App,
    sli: &EventSli,
    parts: &[Interval],
    counted: Option<u64>,
) -> Option<(String, Users)> {
    let from = parts.first()?.start();
    let permit = room(app).await.ok()?;
    let limits = app.intake.limits().clone();
    let (stored, sli, parts) = (app.stored.clone(), sli.clone(), parts.to_vec());
    let (wanting, wanted) = watch::channel(());
    let work = tokio::task::spawn_blocking(move || {
        let source = stored.source();
        let names = source.attributes().ok()?.names();
        let by = ATTRIBUTES.into_iter().find(|name| names.contains(*name))?;
        let begins = source.begins();
        let source: Arc<dyn EventSource> = Arc::new(source);
        let bounds = Bounds {
            memory_bytes_max: limits.query_memory_max,
            time_max: limits.query_time_max,
            wanted,
            place: Arc::new(permit),
        };
        let mut users = None;
        let read = query_within(&statement(&sli, by, &parts), &source, bounds, &mut |batch| {
            users = read(batch);
            false
        });
        read.ok()?;
        let (valid, users) = users?;
        let are_all = match counted {
            Some(counted) => valid >= counted,
            None => begins.is_none_or(|begins| begins <= from),
        };
        (valid > 0 && are_all).then(|| (by.to_owned(), users))
    });
    let found = work.await.ok()?;
    drop(wanting);
    found
}

/// The question, in the language that conditions of SLIs are written in.
fn statement(sli: &EventSli, by: &str, parts: &[Interval]) -> String {
    let EventSli { total, side, .. } = sli;
    // What is not known to be good is bad. A condition may end in a comment.
    let bad = match side {
        GoodOrBad::Good(good) => format!("({good}\n) IS NOT TRUE"),
        GoodOrBad::Bad(bad) => format!("({bad}\n) IS NOT FALSE"),
    };
    let during = parts.iter().map(|part| {
        let (from, to) = (part.start(), part.end());
        format!("time >= TIMESTAMP '{from}' AND time < TIMESTAMP '{to}'")
    });
    let during = during.collect::<Vec<_>>().join(" OR ");
    format!(
        "SELECT count(DISTINCT CASE WHEN {bad} THEN CAST({by} AS VARCHAR) END) AS hit, \
         count(DISTINCT CAST({by} AS VARCHAR)) AS seen, count(*) AS valid FROM events \
         WHERE ({during}) AND ({total}\n)"
    )
}

/// The valid events that are stored, and users.
fn read(batch: &RecordBatch) -> Option<(u64, Users)> {
    let column = |at: usize| {
        let column = batch.columns().get(at)?.as_primitive_opt::<Int64Type>()?;
        column.values().first().and_then(|count| u64::try_from(*count).ok())
    };
    Some((column(2)?, Users { hit: column(0)?, seen: column(1)? }))
}
