//! What people make of rotas, and what came of calls: kept as records of the control state.
//!
//! An exception is a record of its own that is never taken out: one that is removed says by whom, and holds up to
//! then. Whoever makes one waits until the alerts know of it too. Calls live with their alerts, in the evaluator's
//! ledger; here each is kept beside for load and pay, for longer than alerts are. So are the documents of rotas, each with
//! the moment from which it was in force: what was served follows from them.

mod calls;
mod made;
mod past;

use std::collections::BTreeMap;
use std::sync::Arc;

use flyball_govern::oncall::{ExceptionError, Exceptions, Rota, SwapHow, Switchboard};
use flyball_model::Timestamp;
use flyball_store::{NewRecord, Noting, Record, RecordBound, RecordFilter, StoreError};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::control::{self, SharedControl, Unreadable, new_id};
use crate::evaluator::{self, Ended};
pub(crate) use calls::KeptCall;
pub(crate) use made::{KeptException, Made, NewException, Removed};

/// The most exceptions that are kept.
const EXCEPTIONS: RecordBound = RecordBound { rows: 50_000, bytes: 256 << 20 };
/// The exceptions of a rota that are looked at: those made last. They last for days.
const LOOKED_AT: usize = 1_000;
/// The most rotas whose exceptions are read at the start.
const ROTAS_MAX: usize = 10_000;

const EXCEPTION: &str = "exception";

/// Why nothing is made of a rota.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotaError {
    /// The control state refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is kept cannot be read or written as JSON.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The server goes down.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// A bug.
    #[error("the server gave up: {0}")]
    GivenUp(#[from] tokio::task::JoinError),
    /// It cannot be made, or not be ended like this.
    #[error(transparent)]
    Exception(#[from] ExceptionError),
    /// What was is not changed.
    #[error("it ends before now; hint: what was served stays as it was")]
    Past,
    /// There is no such rota.
    #[error("no rota is called `{0}`; hint: GET /api/v1/on-call/rotas lists them")]
    Rota(String),
    /// The rota has no such exception.
    #[error(
        "the rota `{rota}` has no exception `{id}`; hint: GET /api/v1/on-call/rotas/{rota}/exceptions lists them"
    )]
    Unknown {
        /// The rota.
        rota: String,
        /// What was asked for.
        id: String,
    },
}

/// A rota and the exceptions to it.
type Known<'a> = (&'a Rota, &'a Exceptions);

/// Keeps what people make of rotas, and what their documents said; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Rotas {
    control: SharedControl,
    evaluator: evaluator::Handle,
    /// Held by whoever makes or ends an exception, until alerts know of it: what is known of them is never
    /// older than what was known before.
    writing: Arc<tokio::sync::Mutex<()>>,
    kept: Arc<std::sync::Mutex<calls::Seen>>,
    /// What rotas were kept of last.
    known: Arc<std::sync::Mutex<Option<Arc<Switchboard>>>>,
}

/// The exceptions in force, by rota.
///
/// # Errors
///
/// They cannot be read.
pub(crate) fn exceptions(
    control: &SharedControl,
) -> Result<BTreeMap<String, Exceptions>, StoreError> {
    let rotas = control.lock().record_services(EXCEPTION, ROTAS_MAX)?;
    let mut found = BTreeMap::new();
    for rota in rotas {
        match of_rota(control, &rota) {
            Ok(exceptions) => _ = found.insert(rota, exceptions),
            Err(RotaError::Store(error)) => return Err(error),
            Err(error) => tracing::error!(rota, %error, "exceptions are not in force"),
        }
    }
    Ok(found)
}

/// The exceptions of `rota` that are in force, or were.
fn of_rota(control: &SharedControl, rota: &str) -> Result<Exceptions, RotaError> {
    let own = [rota.to_owned()];
    let filter = RecordFilter { services: Some(&own), before: None, limit: LOOKED_AT };
    let records = control.lock().records(EXCEPTION, &filter)?;
    let mut found = Exceptions::default();
    // Those of one moment act in the order in which they were made.
    for record in records.iter().rev() {
        parse::<KeptException>(record)?.into_force(&mut found);
    }
    Ok(found)
}

impl Rotas {
    pub(crate) fn new(control: SharedControl, evaluator: &evaluator::Handle) -> Self {
        let (writing, kept, known) = (Arc::default(), Arc::default(), Arc::default());
        Self { control, evaluator: evaluator.clone(), writing, kept, known }
    }

    /// Who is called for which service, with all exceptions.
    ///
    /// # Errors
    ///
    /// The server goes down.
    pub(crate) async fn switchboard(&self) -> Result<Arc<Switchboard>, Ended> {
        self.evaluator.ask(|it| Arc::clone(it.switchboard())).await
    }

    /// Makes an exception to `rota`, as `actor`; in force when this returns.
    ///
    /// # Errors
    ///
    /// [`RotaError`]; nothing changes.
    pub(crate) async fn make(
        &self,
        rota: &str,
        new: NewException,
        actor: String,
        at: Timestamp,
    ) -> Result<KeptException, RotaError> {
        self.change(rota, move |(rota, exceptions), control| {
            control.lock().note(&actor, at, |noting| {
                let is_taken = |id: &str| Ok(noting.record(EXCEPTION, id)?.is_some());
                let id = new_id(rota.name(), at, is_taken)?;
                let kept = new.check((rota, exceptions), id, &actor, at)?;
                let detail = json!({ "rota": rota.name(), "exception": kept.made });
                keep(noting, &kept, kept.made.action(), &detail)?;
                Ok(kept)
            })
        })
        .await
    }

    /// Removes the exception `id` of `rota` from `at` on; for a swap, [`Self::settle`].
    ///
    /// # Errors
    ///
    /// [`RotaError`]; nothing changes.
    pub(crate) async fn remove(
        &self,
        rota: &str,
        id: String,
        removed: Removed,
    ) -> Result<KeptException, RotaError> {
        let detail = json!({ "rota": rota, "why": removed.why });
        let (by, at) = (removed.by.clone(), removed.at);
        let work = move |_: Known<'_>, kept: &mut KeptException| kept.remove(removed);
        self.amend(rota, id, ("on_call.remove", detail), (by, at), work).await
    }

    /// Ends the swap `id` of `rota`: `who` takes it, declines it or withdraws it.
    ///
    /// # Errors
    ///
    /// [`RotaError`]; nothing changes.
    pub(crate) async fn settle(
        &self,
        rota: &str,
        id: String,
        (who, how): (String, SwapHow),
        (actor, at): (String, Timestamp),
    ) -> Result<KeptException, RotaError> {
        let detail = json!({ "rota": rota, "who": who, "how": how });
        let (of, name) = (rota.to_owned(), id.clone());
        let work = move |known: Known<'_>, kept: &mut KeptException| match &mut kept.made {
            Made::Swap(swap) => Ok(swap.end(known, &who, how, at)?),
            Made::Override(_) | Made::Temporary(_) => {
                Err(RotaError::Unknown { rota: of, id: name })
            }
        };
        self.amend(rota, id, ("on_call.settle", detail), (actor, at), work).await
    }

    /// The exceptions of `rota`, those made last first, each with its number.
    ///
    /// # Errors
    ///
    /// [`RotaError`].
    pub(crate) fn list(
        &self,
        rota: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, KeptException)>, RotaError> {
        let own = [rota.to_owned()];
        let filter = RecordFilter { services: Some(&own), before, limit };
        let found = self.control.lock().records(EXCEPTION, &filter)?;
        found.iter().map(|one| Ok((one.number, parse(one)?))).collect()
    }

    /// Changes the exception `id` of `rota` as `work` does.
    async fn amend(
        &self,
        rota: &str,
        id: String,
        (action, detail): (&'static str, serde_json::Value),
        (actor, at): (String, Timestamp),
        work: impl FnOnce(Known<'_>, &mut KeptException) -> Result<(), RotaError> + Send + 'static,
    ) -> Result<KeptException, RotaError> {
        self.change(rota, move |(rota, exceptions), control| {
            control.lock().note(&actor, at, |noting| {
                let unknown =
                    || RotaError::Unknown { rota: rota.name().to_owned(), id: id.clone() };
                let record = noting.record(EXCEPTION, &id)?.ok_or_else(unknown)?;
                let mut kept: KeptException = parse(&record)?;
                if kept.rota != rota.name() {
                    return Err(unknown());
                }
                work((rota, exceptions), &mut kept)?;
                keep(noting, &kept, action, &detail)?;
                Ok(kept)
            })
        })
        .await
    }

    /// Does `work` on a rota that is there, and lets alerts know what is in force then.
    async fn change<T: Send + 'static>(
        &self,
        rota: &str,
        work: impl FnOnce(Known<'_>, &SharedControl) -> Result<T, RotaError> + Send + 'static,
    ) -> Result<T, RotaError> {
        let _held = self.writing.lock().await;
        let board = self.switchboard().await?;
        let name = rota.to_owned();
        let control = self.control.clone();
        let done = tokio::task::spawn_blocking(move || {
            let rota = board.rota(&name).ok_or_else(|| RotaError::Rota(name.clone()))?;
            let done = work((rota, &board.exceptions(&name)), &control)?;
            Ok::<_, RotaError>((done, of_rota(&control, &name)?, name))
        });
        let (done, exceptions, name) = done.await??;
        self.evaluator.ask(move |it| it.except(name, exceptions)).await?;
        Ok(done)
    }
}

fn keep(
    noting: &Noting<'_>,
    kept: &KeptException,
    action: &str,
    detail: &serde_json::Value,
) -> Result<(), RotaError> {
    let (id, at) = (kept.id().to_owned(), kept.start());
    let text = text(kept, &id)?;
    let service = Some(kept.rota.clone());
    let record = NewRecord { kind: EXCEPTION, id, service, at, text };
    noting.keep(&record, EXCEPTIONS, Some((action, detail)))?;
    Ok(())
}

fn parse<T: DeserializeOwned>(record: &Record) -> Result<T, RotaError> {
    Ok(control::parse(record)?)
}

fn text(kept: &impl serde::Serialize, id: &str) -> Result<String, RotaError> {
    Ok(control::text(kept, id)?)
}
