//! What documents of rotas said, and from when on: kept, so that what was served stays what it was.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use flyball_govern::SERVER;
use flyball_govern::oncall::{Past, Rota, RotaSpec, Switchboard};
use flyball_model::Timestamp;
use flyball_store::{NewRecord, RecordBound, RecordFilter};
use serde_json::json;

use super::{ROTAS_MAX, RotaError, Rotas, parse, text};

/// The most documents that are kept: a dozen a year of hundreds of rotas, for years.
const DOCUMENTS: RecordBound = RecordBound { rows: 50_000, bytes: 512 << 20 };
/// The documents of one rota that are looked at: those that were applied last.
const LOOKED_AT: usize = 1_000;
const ROTA: &str = "rota";

/// What the document of a rota said, as it is kept.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Kept {
    /// From when on.
    from: Timestamp,
    /// What it said; `None` once there was none.
    spec: Option<RotaSpec>,
}

impl Rotas {
    /// Keeps what is new of the documents of rotas.
    ///
    /// # Errors
    ///
    /// [`RotaError`].
    pub(crate) async fn keep_rotas(&self) -> Result<(), RotaError> {
        let (board, at) = self.evaluator.ask(|it| it.rotas()).await?;
        let rotas = self.clone();
        let kept = tokio::task::spawn_blocking(move || {
            let mut known = rotas.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &board)) {
                return Ok(());
            }
            rotas.keep_documents(&board, at)?;
            *known = Some(board);
            Ok(())
        });
        kept.await?
    }

    fn keep_documents(&self, board: &Switchboard, at: Timestamp) -> Result<(), RotaError> {
        let before = self.control.lock().record_services(ROTA, ROTAS_MAX)?;
        let now = board.rotas().map(|rota| rota.name().to_owned());
        for name in before.into_iter().chain(now).collect::<BTreeSet<_>>() {
            let spec = board.rota(&name).map(|rota| rota.spec().clone());
            let last = self.documents(&name, 1)?.pop();
            if last.map(|last| last.spec) == Some(spec.clone()) {
                continue;
            }
            let id = format!("{name}:{at}");
            let detail = json!({ "rota": name, "is_there": spec.is_some() });
            let text = text(&Kept { from: at, spec }, &id)?;
            let record = NewRecord { kind: ROTA, id, service: Some(name), at, text };
            self.control.lock().note(SERVER, at, |noting| {
                noting.keep(&record, DOCUMENTS, Some(("on_call.rota", &detail))).map(|_| ())
            })?;
        }
        Ok(())
    }

    /// The last `limit` documents of the rota called `name`, the oldest first.
    fn documents(&self, name: &str, limit: usize) -> Result<Vec<Kept>, RotaError> {
        let own = [name.to_owned()];
        let filter = RecordFilter { services: Some(&own), before: None, limit };
        let found = self.control.lock().records(ROTA, &filter)?;
        found.iter().rev().map(parse).collect()
    }

    /// The rota called `name` as it was; as it is now where nothing else is known.
    ///
    /// # Errors
    ///
    /// [`RotaError`].
    pub(crate) async fn past(&self, name: &str) -> Result<Past, RotaError> {
        self.keep_rotas().await?;
        let (rotas, name) = (self.clone(), name.to_owned());
        let found = tokio::task::spawn_blocking(move || {
            let documents = rotas.documents(&name, LOOKED_AT)?.into_iter();
            // One that a newer version would refuse says nothing.
            let rota = |kept: Kept| {
                let rota = kept.spec.map(|spec| Rota::new(&name, spec)).transpose();
                Some((kept.from, rota.ok()?))
            };
            Ok::<_, RotaError>(Past::of(documents.filter_map(rota)))
        });
        found.await?
    }
}
