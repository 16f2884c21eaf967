//! Postings that somebody disputes: kept with their evidence and outcome, each step in the audit log.

use flyball_govern::policy::{Act, Contest, ContestOutcome, Evidence, Role};
use flyball_model::Timestamp;
use flyball_store::NewRecord;
use serde_json::json;

use super::{ACTS, ActError, CONTEST, GateError, Gatekeeper, Known, Page, Unreadable, text};

/// A contest to open.
#[derive(Debug)]
pub(crate) struct NewContest {
    pub(crate) service: String,
    pub(crate) posting: String,
    pub(crate) why: String,
    pub(crate) decider: Role,
    pub(crate) deadline: Timestamp,
}

/// What is kept of a contest.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct KeptContest {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) contest: Contest,
}

impl KeptContest {
    /// As it is at `at`: one whose deadline has passed has lapsed without anybody doing anything.
    pub(crate) fn at(&self, at: Timestamp) -> Result<serde_json::Value, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        value["state"] = serde_json::to_value(self.contest.state(at))?;
        Ok(value)
    }
}

impl Gatekeeper {
    /// Opens a contest for `who`, if the rights of the service's tier let `decider` decide it.
    ///
    /// # Errors
    ///
    /// [`ActError::Contest`], [`ActError::Refused`].
    pub(crate) fn contest(
        &self,
        new: NewContest,
        known: &Known,
        who: &str,
        at: Timestamp,
    ) -> Result<KeptContest, ActError> {
        let NewContest { service, posting, why, decider, deadline } = new;
        let rights = &known.tier.spec.rights;
        if !rights.may(&decider, Act::DecideContest) {
            let may: Vec<&str> = rights.holders(Act::DecideContest).map(Role::name).collect();
            return Err(ActError::Refused(format!(
                "`{decider}` decides no contests; hint: these may: {}",
                may.join(", ")
            )));
        }
        let _held = self.hold();
        let id = self.new_id(CONTEST, &service, at)?;
        let detail = json!({
            "service": service, "posting": posting, "why": why, "decider": decider,
            "deadline": deadline,
        });
        let contest = Contest::open(&posting, who, &why, at, decider, deadline)?;
        let kept = KeptContest { id: id.clone(), contest };
        let text = text(&kept, &id)?;
        let record = NewRecord { kind: CONTEST, id, service: Some(service), at, text };
        self.control.lock().note(who, at, |noting| {
            noting.keep(&record, ACTS, Some(("contest.open", &detail))).map(|_| ())
        })?;
        Ok(kept)
    }

    /// Adds evidence to the contest `id` of `service`.
    ///
    /// # Errors
    ///
    /// [`ActError::Unknown`], [`ActError::Contest`].
    pub(crate) fn bring(
        &self,
        (service, id): (&str, &str),
        text: String,
        who: &str,
        at: Timestamp,
    ) -> Result<KeptContest, ActError> {
        let act = ("contest.evidence", json!({ "service": service, "text": text }));
        self.amend((CONTEST, service, id), (who, at), act, |kept: &mut KeptContest| {
            kept.contest.add(Evidence { by: who.to_owned(), at, text })?;
            Ok(kept.contest.opened())
        })
    }

    /// Decides the contest `id` of `service`, as `role`.
    ///
    /// # Errors
    ///
    /// [`ActError::Unknown`], [`ActError::Contest`].
    pub(crate) fn settle(
        &self,
        (service, id): (&str, &str),
        (role, outcome, why): (&Role, ContestOutcome, &str),
        who: &str,
        at: Timestamp,
    ) -> Result<KeptContest, ActError> {
        let detail = json!({ "service": service, "role": role, "outcome": outcome, "why": why });
        let act = ("contest.decide", detail);
        self.amend((CONTEST, service, id), (who, at), act, |kept: &mut KeptContest| {
            kept.contest.decide(role, who, at, outcome, why)?;
            Ok(kept.contest.opened())
        })
    }

    /// A page of contests of `service`, those opened last first, as they are at `at`, and before what the next begins.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn contests(
        &self,
        service: &str,
        page: Page,
        at: Timestamp,
    ) -> Result<(Vec<serde_json::Value>, Option<u64>), GateError> {
        let (kept, next): (Vec<KeptContest>, _) = self.page_of(CONTEST, service, page)?;
        let shown = kept
            .iter()
            .map(|one| one.at(at).map_err(|cause| Unreadable { id: one.id.clone(), cause }));
        Ok((shown.collect::<Result<_, Unreadable>>()?, next))
    }
}
