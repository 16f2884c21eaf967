//! Promises that were loosened: what was promised before and after, who did it, and whether the budget was
//! overspent then. Kept as records, since documents tell only what is promised now.

use flyball_budget::Status;
use flyball_catalog::Catalog;
use flyball_govern::policy::Retarget;
use flyball_model::{Target, Timestamp};
use flyball_store::{NewRecord, Noting, RecordBound, StoreError};
use serde_json::json;

use super::ApplyError;
use crate::control::SharedControl;
use crate::evaluator::Handle;

/// What such records are called.
const RETARGET: &str = "retarget";
/// The most that are kept.
const RETARGETS: RecordBound = RecordBound { rows: 10_000, bytes: 16 << 20 };
/// The most that one look takes in.
const RETARGETS_SEEN: RecordBound = RecordBound { rows: 1_000, bytes: 4 << 20 };

/// A promise that is about to be loosened.
#[derive(Debug)]
pub(super) struct Loosened {
    service: String,
    slo: String,
    from: Target,
    to: Target,
    overspent: Option<bool>,
}

/// The objectives of SLOs that promise less in `sets.1` than in `sets.0`, by their order.
fn looser(sets: (&Catalog, &Catalog)) -> Vec<Loosened> {
    let mut found = Vec::new();
    for after in &sets.1.set.slos {
        let Some(before) = sets.0.set.slos.iter().find(|slo| slo.name == after.name) else {
            continue;
        };
        for (was, is) in before.objectives.iter().zip(&after.objectives) {
            if is.target.share() < was.target.share() {
                let (service, slo) = (after.service.clone(), after.name.clone());
                let (from, to) = (was.target, is.target);
                found.push(Loosened { service, slo, from, to, overspent: None });
            }
        }
    }
    found
}

/// The promises that `sets.1` loosens, and whether their SLOs are missed at the moment.
pub(super) async fn loosened(
    evaluator: &Handle,
    sets: (&Catalog, &Catalog),
) -> Result<Vec<Loosened>, ApplyError> {
    let mut found = looser(sets);
    if found.is_empty() {
        return Ok(found);
    }
    let asked = evaluator.ask(move |evaluator| {
        let is_one = |slo: &flyball_model::Slo| found.iter().any(|one| one.slo == slo.name);
        // What cannot be read is not known, and stands in nobody's way.
        let statuses = evaluator.statuses(is_one).unwrap_or_default();
        for one in &mut found {
            let status = statuses.iter().find(|of| of.slo == one.slo).map(|of| of.status);
            one.overspent = match status {
                Some(Status::Missed) => Some(true),
                Some(Status::Met) => Some(false),
                Some(Status::NoData) | None => None,
            };
        }
        found
    });
    Ok(asked.await?)
}

/// Keeps what `who` has loosened at `at`, and why.
pub(super) fn keep(
    noting: &Noting<'_>,
    loosened: Vec<Loosened>,
    (who, why): (&str, &str),
    at: Timestamp,
) -> Result<(), StoreError> {
    for (number, one) in loosened.into_iter().enumerate() {
        let Loosened { service, slo, from, to, overspent } = one;
        let detail = json!({ "slo": slo, "from": from, "to": to, "overspent": overspent });
        let id = format!("{slo}/{at}/{number}");
        let (who, why) = (who.to_owned(), why.to_owned());
        let kept = Retarget { slo, slice: None, from, to, who, why, at, overspent };
        let text = json!(kept).to_string();
        let new = NewRecord { kind: RETARGET, id, service: Some(service), at, text };
        noting.keep(&new, RETARGETS, Some(("slo.loosen", &detail)))?;
    }
    Ok(())
}

/// The promises of `services` that were loosened from `from` to before `to`, the latest first.
///
/// # Errors
///
/// [`StoreError`].
pub(crate) fn retargets(
    control: &SharedControl,
    services: &[String],
    during: (Timestamp, Timestamp),
) -> Result<Vec<Retarget>, StoreError> {
    let found = control.lock().records_of(RETARGET, services, during, RETARGETS_SEEN)?;
    // What cannot be read is of another version, and no sign of anything.
    Ok(found.0.iter().filter_map(|record| serde_json::from_str(&record.text).ok()).collect())
}
