//! Whether a change may ship: a question answered from live budgets, and what was decided kept.
//!
//! `flyball-govern` decides; here it is given what it decides from, and signatures, latches, blocks,
//! overrides and approvals are kept as records of the control state. A decision that is asked for by POST is kept with
//! the SHA-256 of its canonical JSON as its id, which the audit log's chain holds as well: a decision
//! that was changed does not fit its id, and one whose id is not in the chain was never made.

mod acts;
mod approvals;
mod classes;
mod contests;
mod deciding;
mod github;
mod knowing;
mod settling;

use std::sync::{Arc, Mutex};

use flyball_catalog::{Catalog, Governance};
use flyball_govern::gate::{
    Approval, Decision, Facts, GateInputs, Latch, Override, Question, latch_conditions,
};
use flyball_govern::incident;
use flyball_govern::policy::{Block, Policy, Signature, Tier};
use flyball_model::{Interval, Timestamp};
use flyball_store::{NewRecord, Noting, Record, RecordBound, RecordFilter, StoreError};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::control::{self, SharedControl, Unreadable, new_id};
use crate::evaluator::ServiceFacts;

pub(crate) use acts::{ActError, NewOverride, NewStop, OverridesKept, Page};
pub(crate) use approvals::{Actor, NewApproval};
pub(crate) use classes::{Classes, NewClass};
pub(crate) use contests::{KeptContest, NewContest};
pub(crate) use deciding::{Decided, Looked, lock};
use deciding::{Remembered, Waiting};
pub(crate) use github::{AnswerError, GitHub};
pub use github::{GITHUB_API, GitHubApp, GitHubError};
pub(crate) use knowing::{Found, Knowing, Turned, Version};
use settling::Settling;

/// The most decisions that are kept; the oldest make room, and their ids stay in the audit log.
const DECISIONS: RecordBound = RecordBound { rows: 200_000, bytes: 1 << 30 };
/// The most signatures, latches, blocks, overrides and approvals that are kept, each.
pub(crate) const ACTS: RecordBound = RecordBound { rows: 10_000, bytes: 64 << 20 };
/// Blocks, overrides and approvals that one question looks at: those that were made last. They last for days.
const LOOKED_AT: usize = 1_000;

const SIGNATURE: &str = "signature";
const LATCH: &str = "latch";
const BLOCK: &str = "block";
const OVERRIDE: &str = "override";
const APPROVAL: &str = "approval";
pub(crate) const CLASS: &str = "class";
const DECISION: &str = "decision";
const USE: &str = "use";
const CONTEST: &str = "contest";

/// A change that an override let through.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Use {
    /// The override.
    #[serde(rename = "override")]
    pub(crate) by: String,
    /// The change, if it had a name.
    pub(crate) change: Option<String>,
    /// The decision.
    pub(crate) decision: String,
    /// When it was asked.
    pub(crate) at: Timestamp,
}

/// Why a question cannot be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    /// The control state refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is kept, or decided, cannot be read or written as JSON.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Whoever made the decision has failed.
    #[error("the server gave up; hint: ask again")]
    GivenUp,
    /// The tier names a policy that is not there.
    #[error("there is no policy `{0}`; hint: apply it, or name another in the tier")]
    NoPolicy(String),
}

/// What is known where a question is asked: the documents in force, and the service's budgets.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) tier: Tier,
    pub(crate) policy: Policy,
    pub(crate) facts: Facts,
}

impl Known {
    /// What the documents of `catalog` and its budgets say of `service`.
    ///
    /// # Errors
    ///
    /// [`GateError::NoPolicy`].
    pub(crate) fn of(
        catalog: &Catalog,
        service: &str,
        found: ServiceFacts,
    ) -> Result<Self, GateError> {
        let governance: &Governance = &catalog.governance;
        let tier = governance.tier(service);
        let named = governance.policy(&tier.spec.policy);
        let policy = named.ok_or_else(|| GateError::NoPolicy(tier.spec.policy.clone()))?.clone();
        let facts = Facts {
            tier: Some(tier.name.clone()),
            alerts_paging: Some(found.paging),
            budgets: found.budgets,
            ..Facts::default()
        };
        Ok(Self { tier, policy, facts })
    }
}

/// What was decided by people: everything that a question is held against beside the budgets.
#[derive(Debug, Clone, Default)]
struct Acts {
    signatures: Vec<Signature>,
    latches: Vec<Latch>,
    blocks: Vec<Block>,
    overrides: Vec<Override>,
    approvals: Vec<Approval>,
}

/// Keeps what people decide, and what was decided on changes.
#[derive(Debug, Clone)]
pub(crate) struct Gatekeeper {
    control: SharedControl,
    /// Decisions that are to be made.
    waiting: Arc<Mutex<Waiting>>,
    /// Held by whoever makes decisions, or changes what they are held against.
    writing: Arc<Mutex<()>>,
    remembered: Arc<Mutex<Remembered>>,
    settling: Arc<Settling>,
    known: Knowing,
}

impl Gatekeeper {
    pub(crate) fn of(control: SharedControl) -> Self {
        let settling = Arc::new(Settling::new(control.clone()));
        Self {
            control,
            settling,
            waiting: Arc::default(),
            writing: Arc::default(),
            remembered: Arc::default(),
            known: Knowing::default(),
        }
    }

    /// What is known of services, remembered for as long as it is.
    pub(crate) fn knowing(&self) -> &Knowing {
        &self.known
    }

    /// Decisions on `service`, the last first.
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn decisions(
        &self,
        service: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, String, serde_json::Value)>, GateError> {
        let services = [service.to_owned()];
        let filter = RecordFilter { services: Some(&services), before, limit };
        let found = self.control.lock().records(DECISION, &filter)?;
        found.iter().map(|one| Ok((one.number, one.id.clone(), parse(one)?))).collect()
    }

    /// Decisions on `service` in a time and at the moment that it ends, the last first; at most [`LOOKED_AT`].
    ///
    /// # Errors
    ///
    /// [`GateError`].
    pub(crate) fn decided_in(
        &self,
        service: &str,
        during: Interval,
    ) -> Result<Vec<incident::Decided>, GateError> {
        let after = Timestamp::from_nanos(during.end().nanos().saturating_add(1));
        let times = (during.start(), after);
        read(&self.control.lock().records_about(DECISION, Some(service), times, LOOKED_AT)?)
    }

    /// What a new record of `kind` is known by. To be asked by who holds the acts.
    fn new_id(&self, kind: &str, service: &str, at: Timestamp) -> Result<String, GateError> {
        let control = self.control.lock();
        Ok(new_id(service, at, |id| Ok(control.record(kind, id)?.is_some()))?)
    }

    fn acts(&self, service: &str, known: &Known) -> Result<Acts, GateError> {
        let control = self.control.lock();
        let all = RecordFilter { services: None, before: None, limit: LOOKED_AT };
        let own = [service.to_owned()];
        let of_service = RecordFilter { services: Some(&own), ..all.clone() };
        let name = known.policy.name();
        let signatures: Vec<Signature> = read(&control.records(SIGNATURE, &all)?)?;
        let latches: Vec<Latch> = read(&control.records(LATCH, &of_service)?)?;
        Ok(Acts {
            signatures: signatures.into_iter().filter(|of| of.policy == name).collect(),
            latches: latches.into_iter().filter(|of| of.policy == name).collect(),
            // Also those of all services.
            blocks: read(&control.records(BLOCK, &all)?)?,
            overrides: read(&control.records(OVERRIDE, &of_service)?)?,
            approvals: read(&control.records(APPROVAL, &of_service)?)?,
        })
    }
}

impl Acts {
    fn inputs<'a>(&'a self, question: &'a Question, known: &'a Known) -> GateInputs<'a> {
        let Known { policy, facts, .. } = known;
        let Self { signatures, latches, blocks, overrides, approvals } = self;
        GateInputs { policy, question, facts, signatures, latches, blocks, overrides, approvals }
    }

    /// Moves the latches to where they are now, and answers those that moved.
    fn move_latches(&mut self, question: &Question, known: &Known) -> Vec<Latch> {
        let conditions = latch_conditions(&self.inputs(question, known));
        let mut moved = Vec::new();
        for (level, holds) in conditions {
            let found = self.latches.iter().position(|latch| latch.level == level);
            let latch = match found {
                Some(at) => self.latches.swap_remove(at),
                None => Latch::open(known.policy.name(), &level),
            };
            let before = latch.state.clone();
            let after = latch.after(&known.policy, holds, &known.facts.budgets, question.at);
            if after.state != before {
                moved.push(after.clone());
            }
            self.latches.push(after);
        }
        self.latches.sort_by(|one, two| one.level.cmp(&two.level));
        moved
    }
}

/// Keeps a latch of `service`.
fn keep_latch(
    noting: &Noting<'_>,
    latch: &Latch,
    service: &str,
    at: Timestamp,
    action: &str,
) -> Result<(), GateError> {
    let id = format!("{}/{}/{service}", latch.policy, latch.level);
    let text = text(latch, &id)?;
    let detail = json!({ "state": latch.state });
    let kept = NewRecord { kind: LATCH, id, service: Some(service.to_owned()), at, text };
    noting.keep(&kept, ACTS, Some((action, &detail)))?;
    Ok(())
}

/// Keeps that the override `by` let a change through; asked again about the same change, it is one use.
fn keep_use(noting: &Noting<'_>, by: &str, decision: &Decision, id: &str) -> Result<(), GateError> {
    let Decision { service, change, at, .. } = decision;
    let (change, at) = (change.clone(), *at);
    let name = format!("{by}/{}", change.as_deref().unwrap_or(id));
    let used = Use { by: by.to_owned(), change, decision: id.to_owned(), at };
    let text = text(&used, &name)?;
    let service = Some(service.clone());
    noting.keep(&NewRecord { kind: USE, id: name, service, at, text }, ACTS, None)?;
    Ok(())
}

/// What a record says.
///
/// # Errors
///
/// [`GateError::Unreadable`].
pub(crate) fn parse<T: DeserializeOwned>(record: &Record) -> Result<T, GateError> {
    Ok(control::parse(record)?)
}

/// What each of `records` says.
///
/// # Errors
///
/// [`GateError::Unreadable`].
pub(crate) fn read<T: DeserializeOwned>(records: &[Record]) -> Result<Vec<T>, GateError> {
    records.iter().map(parse).collect()
}

/// What is kept under `id`, as the text of a record.
///
/// # Errors
///
/// [`GateError::Unreadable`].
pub(crate) fn text(kept: &impl serde::Serialize, id: &str) -> Result<String, GateError> {
    Ok(control::text(kept, id)?)
}
