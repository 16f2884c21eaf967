//! Live budgets as server-sent events.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::Stream;
use utoipa::ToSchema;

use super::App;
use super::extract::Query;
use super::problem::Problem;
use super::slos::SloQuery;
use crate::auth::Caller;
use crate::evaluator::SloStatus;

/// How long to wait before a connection without news is given a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The least time between two looks at the same budgets.
const PAUSE: Duration = Duration::from_secs(1);

/// An event of the stream.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct News {
    /// What it is about: `slo`.
    event: &'static str,
    /// The SLO as `GET /api/v1/slos/{name}` says it, JSON on one line.
    data: String,
}

impl From<News> for Event {
    fn from(News { event, data }: News) -> Self {
        Self::default().event(event).data(data)
    }
}

/// Budgets whenever they change: an event `slo` for each SLO that is asked for, with the same
/// document as `GET /api/v1/slos/{name}`. The first ones come at once.
#[utoipa::path(
    get,
    path = "/api/v1/stream",
    tag = "slos",
    params(SloQuery),
    responses(
        (status = 200, description = "Server-sent events", body = News, content_type = "text/event-stream"),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn budgets(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<SloQuery>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = changes(app, caller, query);
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// What one connection has been told.
struct Told {
    app: App,
    caller: Caller,
    query: SloQuery,
    ticks: tokio::sync::watch::Receiver<u64>,
    /// What was last said of each SLO.
    last: HashMap<String, SloStatus>,
    waiting: VecDeque<Event>,
    is_first: bool,
}

fn changes(
    app: App,
    caller: Caller,
    query: SloQuery,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let ticks = app.evaluator.ticks();
    let told = Told {
        app,
        caller,
        query,
        ticks,
        last: HashMap::new(),
        waiting: VecDeque::new(),
        is_first: true,
    };
    futures::stream::unfold(told, |mut told| async move {
        loop {
            if let Some(event) = told.waiting.pop_front() {
                return Some((Ok(event), told));
            }
            if !std::mem::take(&mut told.is_first) {
                tokio::select! {
                    () = told.app.ready.until_not() => return None,
                    changed = told.ticks.changed() => changed.ok()?,
                }
                tokio::time::sleep(PAUSE).await;
                told.ticks.mark_unchanged();
            }
            told.look().await?;
        }
    })
}

impl Told {
    /// Looks at the budgets, and lines up those that have changed. `None` when the server ends, or who
    /// looks may not any more.
    async fn look(&mut self) -> Option<()> {
        self.caller = self.app.gate.again(&self.caller)?;
        let (query, caller) = (self.query.clone(), self.caller.clone());
        let asked = move |slo: &flyball_model::Slo| query.asks_for(slo, &caller);
        let statuses = self.app.evaluator.ask(move |e| e.statuses(asked)).await.ok()?.ok()?;
        for status in statuses {
            if let Some(before) = self.last.get_mut(&status.slo) {
                // The moment of looking is no news.
                before.at = status.at;
                if *before == status {
                    continue;
                }
            }
            let data = serde_json::to_string(&status).ok()?;
            self.waiting.push_back(News { event: "slo", data }.into());
            self.last.insert(status.slo.clone(), status);
        }
        Some(())
    }
}
