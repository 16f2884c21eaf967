//! Post-mortems that policies demanded, as they are kept: from when they arise until they are met or waived.

use flyball_govern::SERVER;
use flyball_govern::incident::{KeptDemand, Waived};
use flyball_govern::policy::PostMortemReason;
use flyball_model::Timestamp;
use flyball_store::{NewRecord, Noting, RecordBound};
use serde_json::{Value, json};

use super::incidents::IncidentActError;
use super::told::{parse, text};
use super::{Changes, ChangesError};

/// What such records are called.
const DEMAND: &str = "post-mortem.demand";
/// The most that are kept: of each incident some.
const DEMANDS: RecordBound = RecordBound { rows: 20_000, bytes: 32 << 20 };
/// That somebody was told of what is late.
const TOLD: &str = "incident.told";
/// The most of these that are kept: one of each item and demand.
const ALL_TOLD: RecordBound = RecordBound { rows: 40_000, bytes: 32 << 20 };

fn keep(
    noting: &Noting<'_>,
    demand: &KeptDemand,
    audited: (&str, &Value),
) -> Result<(), ChangesError> {
    let KeptDemand { service, slo, reason, since, after, .. } = demand;
    let id = match (reason, after) {
        (PostMortemReason::Incident { id }, None) => json!([service, slo, "incident", id]),
        (PostMortemReason::Incident { id }, Some(after)) => {
            json!([service, slo, "incident", id, after])
        }
        (PostMortemReason::Class { class }, _) => json!([service, slo, "class", class, since]),
    };
    let (id, text, service) = (id.to_string(), text(demand)?, Some(service.clone()));
    let new = NewRecord { kind: DEMAND, id, service, at: *since, text };
    noting.keep(&new, DEMANDS, Some(audited))?;
    Ok(())
}

impl Changes {
    /// What was demanded of `services`, met or not; of an incident under the id that it has since.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`], [`ChangesError::Unreadable`].
    pub(crate) fn demanded(&self, services: &[String]) -> Result<Vec<KeptDemand>, ChangesError> {
        let times = (Timestamp::MIN, Timestamp::MAX);
        let (mut found, _) =
            self.known_of((DEMAND, DEMANDS), services, times, parse::<KeptDemand>)?;
        for demand in &mut found {
            if let PostMortemReason::Incident { id } = &mut demand.reason
                && let Some(known) = self.incident(id)?
            {
                *id = known.record.incident.id;
            }
        }
        // What was kept under an id of before is there once; that somebody waived it holds for both.
        found.sort_by_key(|of| of.waived.is_none());
        let mut known: Vec<KeptDemand> = Vec::with_capacity(found.len());
        for demand in found {
            let is_it = |of: &KeptDemand| {
                let is_class = matches!(of.reason, PostMortemReason::Class { .. });
                (&of.service, &of.slo, &of.reason) == (&demand.service, &demand.slo, &demand.reason)
                    && of.after == demand.after
                    && !is_class
            };
            if !known.iter().any(is_it) {
                known.push(demand);
            }
        }
        Ok(known)
    }

    /// Keeps what is demanded from now on.
    ///
    /// # Errors
    ///
    /// Nothing was kept then. [`ChangesError`].
    pub(crate) fn demand(&self, new: &[KeptDemand], now: Timestamp) -> Result<(), ChangesError> {
        if new.is_empty() {
            return Ok(());
        }
        self.control.lock().note(SERVER, now, |noting| {
            for demand in new {
                let detail = json!(demand);
                keep(noting, demand, ("post_mortem.demand", &detail))?;
            }
            Ok(())
        })
    }

    /// Waives what is demanded of `service` for `reason`, of whichever SLOs; answers what it was.
    ///
    /// # Errors
    ///
    /// Nothing was changed then. [`IncidentActError::Unknown`] where nothing of it stands.
    pub(crate) fn waive(
        &self,
        service: &str,
        reason: &PostMortemReason,
        waived: &Waived,
    ) -> Result<Vec<KeptDemand>, IncidentActError> {
        let mut found = self.demanded(&[service.to_owned()])?;
        found.retain(|of| of.reason == *reason && of.waived.is_none());
        if found.is_empty() {
            return Err(IncidentActError::Unknown(
                "demand that stands",
                "the card of the service lists what is demanded",
            ));
        }
        self.control.lock().note(&waived.who, waived.at, |noting| {
            for demand in &mut found {
                demand.waived = Some(waived.clone());
                keep(noting, demand, ("post_mortem.waive", &json!(demand)))?;
            }
            Ok::<_, ChangesError>(())
        })?;
        Ok(found)
    }

    /// Whether `key` was told.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`].
    pub(crate) fn was_told(&self, key: &str) -> Result<bool, ChangesError> {
        Ok(self.control.lock().record(TOLD, key)?.is_some())
    }

    /// Keeps that `key` of `service` was told, as `said`.
    ///
    /// # Errors
    ///
    /// [`ChangesError::Store`].
    pub(crate) fn keep_told(
        &self,
        (key, service): (&str, &str),
        said: &str,
        at: Timestamp,
    ) -> Result<(), ChangesError> {
        let detail = json!({ "service": service, "said": said });
        let (id, text, service) = (key.to_owned(), detail.to_string(), Some(service.to_owned()));
        let new = NewRecord { kind: TOLD, id, service, at, text };
        self.control.lock().note(SERVER, at, |noting| {
            noting.keep(&new, ALL_TOLD, Some(("incident.tell", &detail))).map(|_| ())
        })?;
        Ok(())
    }
}
