//! Classes that people put incidents, changes and drills into.

use std::collections::BTreeMap;

use flyball_govern::policy::{Classing, Role};
use flyball_model::Timestamp;
use flyball_store::{NewRecord, RecordFilter};
use serde_json::json;

use super::{ACTS, ActError, CLASS, GateError, Gatekeeper, Known, LOOKED_AT, Page, read, text};

/// The class of each incident, change or drill, by its service and id.
pub(crate) type Classes = BTreeMap<(String, String), String>;

/// A class to give.
#[derive(Debug)]
pub(crate) struct NewClass {
    pub(crate) service: String,
    pub(crate) posting: String,
    pub(crate) class: Option<String>,
    pub(crate) role: Role,
    pub(crate) why: String,
}

impl Gatekeeper {
    /// Puts what is known of a service into a class, or takes that back; the last word counts. The next answer of the
    /// gate goes by it.
    ///
    /// # Errors
    ///
    /// [`ActError::Classing`].
    pub(crate) fn classify(
        &self,
        new: NewClass,
        known: &Known,
        who: &str,
        at: Timestamp,
    ) -> Result<Classing, ActError> {
        let _held = self.hold();
        let NewClass { service, posting, class, role, why } = new;
        let who = who.to_owned();
        let made = Classing { service, posting, class, role, who, why, at };
        made.check(&known.tier.spec.rights)?;
        let Classing { service, posting, class, role, who, why, .. } = &made;
        let id = format!("{service}:{posting}");
        let detail = json!({
            "service": service, "posting": posting, "class": class, "role": role, "why": why,
        });
        let (text, service) = (text(&made, &id)?, Some(service.clone()));
        let kept = NewRecord { kind: CLASS, id, service, at, text };
        self.control.lock().note(who, at, |noting| {
            noting.keep(&kept, ACTS, Some(("gate.classify", &detail))).map(|_| ())
        })?;
        self.known.forget();
        Ok(made)
    }

    /// A page of what was put into classes, the last word on each, and before what the next begins.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn classified(
        &self,
        service: &str,
        page: Page,
    ) -> Result<(Vec<Classing>, Option<u64>), GateError> {
        self.page_of(CLASS, service, page)
    }

    /// The classes of what happened to `services`, of the last [`LOOKED_AT`] that were given.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn classes(&self, services: &[String]) -> Result<Classes, GateError> {
        let filter = RecordFilter { services: Some(services), before: None, limit: LOOKED_AT };
        let given: Vec<Classing> = read(&self.control.lock().records(CLASS, &filter)?)?;
        let given =
            given.into_iter().filter_map(|one| Some(((one.service, one.posting), one.class?)));
        Ok(given.collect())
    }
}
