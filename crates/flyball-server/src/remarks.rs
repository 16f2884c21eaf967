//! What people say of services, kept: toil, and how satisfied users are.

use flyball_govern::review::Remark;
use flyball_model::Timestamp;
use flyball_store::{NewRecord, RecordBound, StoreError};
use serde_json::json;

use crate::control::SharedControl;

/// What such records are called.
const REMARK: &str = "remark";
/// The most that are kept: one a week of two hundred services for years.
const REMARKS: RecordBound = RecordBound { rows: 50_000, bytes: 64 << 20 };
/// The most that one look takes in.
const REMARKS_SEEN: RecordBound = RecordBound { rows: 1_000, bytes: 4 << 20 };

/// Keeps what is said of `service`. On disk when this returns.
///
/// # Errors
///
/// [`StoreError`]; nothing was kept then.
pub(crate) fn keep(
    control: &SharedControl,
    service: &str,
    remark: &Remark,
) -> Result<(), StoreError> {
    let Remark { toil, toil_hours, satisfaction, who, at, .. } = remark;
    let detail = json!({
        "service": service, "toil": toil, "toil_hours": toil_hours, "satisfaction": satisfaction,
    });
    let (id, text) = (format!("{service}:{at}"), json!(remark).to_string());
    let new = NewRecord { kind: REMARK, id, service: Some(service.to_owned()), at: *at, text };
    control.lock().note(who, *at, |noting| {
        noting.keep(&new, REMARKS, Some(("service.remark", &detail))).map(|_| ())
    })
}

/// What was said of `service` from `from` to before `to`, the latest first.
///
/// # Errors
///
/// [`StoreError`].
pub(crate) fn remarks(
    control: &SharedControl,
    service: &str,
    during: (Timestamp, Timestamp),
) -> Result<Vec<Remark>, StoreError> {
    let services = [service.to_owned()];
    let found = control.lock().records_of(REMARK, &services, during, REMARKS_SEEN)?;
    // What cannot be read is of another version, and said to nobody here.
    Ok(found.0.iter().filter_map(|record| serde_json::from_str(&record.text).ok()).collect())
}
