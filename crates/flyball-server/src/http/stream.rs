//! Live budgets as server-sent events.

mod look;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use utoipa::ToSchema;

use super::App;
use super::extract::Query;
use super::problem::Problem;
use super::slos::SloQuery;
use crate::auth::Caller;
use crate::evaluator::Handle;
use crate::listen::{Peer, network};
use look::{Look, Looks, PAUSE, Seen};

/// How long to wait before a connection without news is given a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which part of all streams one token, one person, or one network where nobody is asked who they are, may
/// have open: a fourth, so that no broken client leaves the others without any.
const SHARE: usize = 4;

/// What all streams share.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    room: Arc<Semaphore>,
    most_each: usize,
    /// How many are open, by who has them.
    open: Arc<Mutex<HashMap<String, usize>>>,
    looks: Arc<Looks>,
}

/// Room for one stream, given back when this is dropped.
#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
    owner: String,
    open: Arc<Mutex<HashMap<String, usize>>>,
}

impl Streams {
    /// Streams of what `evaluator` counts, at most `max` at once.
    pub(crate) fn new(evaluator: Handle, max: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(max)),
            most_each: max.div_ceil(SHARE),
            open: Arc::default(),
            looks: Arc::new(Looks::new(evaluator)),
        }
    }

    /// Room for a stream of `caller`, who asks from `address`.
    ///
    /// # Errors
    ///
    /// What is full, and what to do.
    fn place(&self, caller: &Caller, address: IpAddr) -> Result<Place, String> {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            let said = "too many streams are open; hint: ask GET /api/v1/slos from time to time, or \
                        come again after a moment";
            return Err(said.to_owned());
        };
        // However many tokens and sessions a person has, they are one.
        let owner = match (caller, caller.person()) {
            (Caller::Anyone, _) => format!("network {}", network(address)),
            (_, Some((person, _))) => format!("person {person}"),
            (_, None) => caller.actor(),
        };
        let mut held = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(owner.clone()).or_default();
        if *count >= self.most_each {
            let most = self.most_each;
            return Err(format!(
                "you have {most} streams open, and may have no more; hint: close those that are not \
                 read, or ask GET /api/v1/slos from time to time"
            ));
        }
        *count += 1;
        drop(held);
        Ok(Place { _permit: permit, owner, open: Arc::clone(&self.open) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.owner);
            }
        }
    }
}

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
        (status = 429, description = "Too many streams at once; ask again", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn budgets(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(Peer(address)): Extension<Peer>,
    Query(query): Query<SloQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = app.streams.place(&caller, address);
    let place = place.map_err(|said| Problem::new(StatusCode::TOO_MANY_REQUESTS, &said))?;
    let stream = changes(app, caller, query, place);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// What one connection has been told.
struct Told {
    app: App,
    caller: Caller,
    query: SloQuery,
    ticks: watch::Receiver<u64>,
    /// The look that is being told; none before the first.
    look: Option<Arc<Look>>,
    /// The next of its SLOs.
    place: usize,
    /// The number of the look that was told before, and who the caller was then: rights may change.
    before: Option<(u64, Caller)>,
    _room: Place,
}

fn changes(
    app: App,
    caller: Caller,
    query: SloQuery,
    room: Place,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let ticks = app.evaluator.ticks();
    let (look, before) = (None, None);
    let told = Told { app, caller, query, ticks, look, place: 0, before, _room: room };
    futures::stream::unfold(told, |mut told| async move {
        loop {
            if let Some(event) = told.next() {
                return Some((Ok(event), told));
            }
            if let Some(tick) = told.look.as_ref().map(|look| look.tick) {
                let ready = Arc::clone(&told.app.ready);
                tokio::select! {
                    _ = ready.until_not() => return None,
                    ticked = told.later_than(tick) => ticked?,
                }
                tokio::time::sleep(PAUSE).await;
            }
            told.look().await?;
        }
    })
}

impl Told {
    /// The next news of the look that is being told.
    fn next(&mut self) -> Option<Event> {
        let look = self.look.as_ref()?;
        let rest = look.slos.get(self.place..)?;
        let found = rest.iter().position(|seen| self.is_news(seen))?;
        self.place += found + 1;
        let data = rest[found].text().to_owned();
        Some(News { event: "slo", data }.into())
    }

    /// Whether the caller asks for an SLO, may see it, and does not know of it as it is.
    fn is_news(&self, seen: &Seen) -> bool {
        let service = &seen.status.service;
        let is_known =
            |(told, caller): &(u64, Caller)| seen.changed <= *told && caller.sees(service);
        self.query.asks_for_service(service, &self.caller)
            && !self.before.as_ref().is_some_and(is_known)
    }

    /// Waits until something may have changed since `tick`. `None` when the server has ended.
    async fn later_than(&mut self, tick: u64) -> Option<()> {
        self.ticks.wait_for(|now| *now != tick).await.is_ok().then_some(())
    }

    /// Looks at the budgets. `None` when the server ends, or who looks may not any more.
    async fn look(&mut self) -> Option<()> {
        let look = self.app.streams.looks.look().await?;
        let caller = self.app.gate.again(&self.caller)?;
        let before = std::mem::replace(&mut self.caller, caller);
        self.before = self.look.replace(look).map(|told| (told.number, before));
        self.place = 0;
        Some(())
    }
}
