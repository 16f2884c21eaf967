//! Calls as they went, kept for load and pay.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;
use std::time::Duration as Wait;

use flyball_govern::SERVER;
use flyball_govern::alert::Subject;
use flyball_govern::oncall::Call;
use flyball_model::{Duration, Interval};
use flyball_store::{NewRecord, RecordBound, RecordFilter};

use super::{RotaError, Rotas, parse, text};
use crate::tasks::Tasks;

/// The most calls that are kept: a page every quarter of an hour for years.
const CALLS: RecordBound = RecordBound { rows: 200_000, bytes: 512 << 20 };
/// The most calls that a question about load or pay looks at: those that began last.
const ASKED_MAX: usize = 20_000;
/// How often alerts are asked for their calls. What is over is with its alert for far longer.
const EVERY: Wait = Wait::from_secs(2);
/// How long before a stretch of time calls are looked for that reach into it: each level waits for days at most.
const CALL_LONGEST: Duration = Duration::from_days(32);
const CALL: &str = "call";

/// One call, as it is kept.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct KeptCall {
    /// The alert.
    pub(crate) alert: u64,
    /// What it is about.
    pub(crate) subject: Subject,
    /// How it went.
    pub(crate) call: Call,
}

/// What was kept last of each alert whose calls are known of.
pub(super) type Seen = HashMap<u64, Vec<Call>>;

impl Rotas {
    /// Keeps calls from now on.
    pub(crate) fn start(self) -> Tasks {
        let tasks = Tasks::asking("calls are kept after the next start");
        let stopped = tasks.stopped().clone();
        tasks.spawn(async move {
            loop {
                match self.keep().await {
                    Err(RotaError::Ended(_)) => return,
                    Err(error) => {
                        tracing::error!(%error, "calls and rotas are not kept; it is tried again");
                    }
                    Ok(()) => {}
                }
                tokio::select! {
                    () = stopped.cancelled() => return,
                    () = tokio::time::sleep(EVERY) => {}
                }
            }
        });
        tasks
    }

    async fn keep(&self) -> Result<(), RotaError> {
        self.keep_rotas().await?;
        self.keep_calls().await
    }

    /// Keeps what is new of calls.
    ///
    /// # Errors
    ///
    /// [`RotaError`].
    pub(crate) async fn keep_calls(&self) -> Result<(), RotaError> {
        let called = self.evaluator.ask(|it| it.calls()).await?;
        let rotas = self.clone();
        let kept = tokio::task::spawn_blocking(move || {
            let mut seen = rotas.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = |of: &&crate::evaluator::Called| seen.get(&of.alert) != Some(&of.calls);
            let mut news: BTreeMap<String, KeptCall> = BTreeMap::new();
            for of in called.iter().filter(is_new) {
                for call in &of.calls {
                    // Numbers of alerts begin anew when a ledger is made anew.
                    let id = format!("{}/{}", of.alert, call.opened);
                    let (alert, subject, call) = (of.alert, of.subject.clone(), call.clone());
                    news.insert(id, KeptCall { alert, subject, call });
                }
            }
            rotas.keep_news(&news)?;
            *seen = called.into_iter().map(|of| (of.alert, of.calls)).collect();
            Ok::<_, RotaError>(())
        });
        kept.await?
    }

    fn keep_news(&self, news: &BTreeMap<String, KeptCall>) -> Result<(), RotaError> {
        let Some(at) = news.values().map(|kept| kept.call.opened).max() else { return Ok(()) };
        self.control.lock().note(SERVER, at, |noting| {
            for (id, kept) in news {
                let text = text(kept, id)?;
                // After a start nobody knows what was kept.
                if noting.record(CALL, id)?.is_some_and(|record| record.text == text) {
                    continue;
                }
                let (id, at) = (id.clone(), kept.call.opened);
                let service = Some(kept.subject.service.clone());
                noting.keep(&NewRecord { kind: CALL, id, service, at, text }, CALLS, None)?;
            }
            Ok(())
        })
    }

    /// Calls of `services`, or of all, those that were heard of last first, each with its number.
    ///
    /// # Errors
    ///
    /// [`RotaError`].
    pub(crate) fn calls(
        &self,
        services: Option<&[String]>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, KeptCall)>, RotaError> {
        let filter = RecordFilter { services, before, limit };
        let found = self.control.lock().records(CALL, &filter)?;
        found.iter().map(|one| Ok((one.number, parse(one)?))).collect()
    }

    /// The calls of `service` that began in `during`, the latest first; and whether these are all.
    ///
    /// # Errors
    ///
    /// [`RotaError`].
    pub(crate) fn calls_about(
        &self,
        service: &str,
        during: Interval,
    ) -> Result<(Vec<Call>, bool), RotaError> {
        let (time, service) = ((during.start(), during.end()), Some(service));
        let found = self.control.lock().records_about(CALL, service, time, ASKED_MAX + 1)?;
        let are_all = found.len() <= ASKED_MAX;
        let calls = found.iter().take(ASKED_MAX).map(|one| Ok(parse::<KeptCall>(one)?.call));
        Ok((calls.collect::<Result<_, RotaError>>()?, are_all))
    }

    /// The calls that began in `during`, or so shortly before that people may have been called in it; and
    /// whether these are all.
    ///
    /// # Errors
    ///
    /// [`RotaError`].
    pub(crate) fn calls_of(&self, during: Interval) -> Result<(Vec<Call>, bool), RotaError> {
        let time = (during.start().minus(CALL_LONGEST), during.end());
        let found = self.control.lock().records_about(CALL, None, time, ASKED_MAX + 1)?;
        let are_all = found.len() <= ASKED_MAX;
        let calls = found.iter().take(ASKED_MAX).map(|one| Ok(parse::<KeptCall>(one)?.call));
        Ok((calls.collect::<Result<_, RotaError>>()?, are_all))
    }
}
