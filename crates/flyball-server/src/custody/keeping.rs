//! What time alone does to custody: pagers that go back at their deadline, and teams that are paid no more.
//!
//! It is looked at once a minute; what funding says once a day. Who is told of tickets of the service is told of both,
//! of funding once for each thing that is so. That it was told is kept, so that a restart tells it no more; a crash
//! between may tell it twice, under the same key.

use std::time::Duration as Wait;

use flyball_catalog::Catalog;
use flyball_govern::alert::Reminder;
use flyball_govern::custody::{Custody, FundingAlarm};
use flyball_govern::service::{Funding, Service, day};
use flyball_model::{Duration, Timestamp};
use flyball_store::{NewRecord, RecordBound, StoreError};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Custodies, CustodiesError};
use crate::clock::Clock;
use crate::evaluator::{self, Ended};

/// How often it is looked at.
const EACH: Duration = Duration::from_minutes(1);
/// How long to wait until what could not be read or kept is tried again.
const AGAIN: Wait = Wait::from_secs(5);

/// That somebody was told of funding.
const FUNDING: &str = "funding";
/// The most of these that are kept: a few of each service.
const TOLD: RecordBound = RecordBound { rows: 20_000, bytes: 16 << 20 };
/// Who does what nobody does.
const SERVER: &str = "server";

/// Why it was not looked at.
#[derive(Debug, thiserror::Error)]
enum KeepingError {
    #[error(transparent)]
    Ended(#[from] Ended),
    #[error(transparent)]
    Custody(#[from] CustodiesError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the server gave up: {0}")]
    GivenUp(#[from] tokio::task::JoinError),
}

/// Pagers that are looked after.
#[derive(Debug)]
pub(crate) struct Running {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// Looks at nothing more; what is being kept is kept.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Looks after `custodies` from now on.
pub(crate) fn start(
    custodies: &Custodies,
    evaluator: &evaluator::Handle,
    clock: &Clock,
) -> Running {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let keeper = Keeper {
        custodies: custodies.clone(),
        evaluator: evaluator.clone(),
        clock: clock.clone(),
        looked: None,
        funding: None,
    };
    tasks.spawn(keeper.run(stop.clone()));
    Running { stop, tasks }
}

/// Who looks after pagers.
struct Keeper {
    custodies: Custodies,
    evaluator: evaluator::Handle,
    clock: Clock,
    /// The minute of the last look.
    looked: Option<Timestamp>,
    /// The day on which funding was looked at last.
    funding: Option<Timestamp>,
}

impl Keeper {
    /// Looks until the server goes down.
    async fn run(mut self, stop: CancellationToken) {
        let mut ticks = self.evaluator.ticks();
        loop {
            let failed = match self.look().await {
                Ok(()) => false,
                Err(KeepingError::Ended(_)) if self.evaluator.has_ended() => return,
                Err(error) => {
                    tracing::error!(%error, "custody is not looked after; it is tried again");
                    true
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                ticked = ticks.changed(), if !failed => if ticked.is_err() { return },
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// Looks at what a minute, and a day, have done.
    async fn look(&mut self) -> Result<(), KeepingError> {
        let now = self.clock.now();
        let minute = now.floor(EACH);
        if self.looked == Some(minute) {
            return Ok(());
        }
        let custodies = self.custodies.clone();
        let moved = tokio::task::spawn_blocking(move || custodies.settle(now)).await??;
        for (service, custody) in moved {
            let returned = returned(&service, &custody);
            self.evaluator.ask(move |evaluator| evaluator.remind(&returned)).await??;
        }
        let today = now.floor(Duration::from_days(1));
        if self.funding != Some(today) {
            self.tell_of_funding(now).await?;
            self.funding = Some(today);
        }
        self.looked = Some(minute);
        Ok(())
    }

    /// Tells of each team that is not paid, or not for long, unless that was told.
    async fn tell_of_funding(&self, now: Timestamp) -> Result<(), KeepingError> {
        let found = self.evaluator.ask(move |evaluator| {
            let catalog: &Catalog = evaluator.catalog();
            let services = catalog.governance.services();
            let ends = |of: &&Service| of.spec.funded_until.is_some();
            let of = |of: &Service| (of.clone(), evaluator.promised_since(&of.name));
            services.filter(ends).map(of).collect::<Vec<_>>()
        });
        for (service, promised) in found.await? {
            let (custodies, name) = (self.custodies.clone(), service.name.clone());
            let custody = tokio::task::spawn_blocking(move || custodies.get(&name, promised));
            let custody = custody.await?.map_err(CustodiesError::from)?;
            // A team that nobody promised anything for carries its pager itself.
            let custody = custody.unwrap_or_else(|| Custody::new(&service.name, now));
            let funding = Funding::of(&service.spec, day(now));
            let Some(alarm) = custody.funding_alarm(funding, now) else { continue };
            let reminder = reminder(&alarm, now);
            if self.was_told(&reminder.key).await? {
                continue;
            }
            let told = reminder.clone();
            self.evaluator.ask(move |evaluator| evaluator.remind(&told)).await??;
            self.keep_told(reminder, now).await?;
        }
        Ok(())
    }

    async fn was_told(&self, key: &str) -> Result<bool, KeepingError> {
        let (control, key) = (self.custodies.control.clone(), key.to_owned());
        let known = tokio::task::spawn_blocking(move || control.lock().record(FUNDING, &key));
        Ok(known.await??.is_some())
    }

    async fn keep_told(&self, reminder: Reminder, at: Timestamp) -> Result<(), KeepingError> {
        let control = self.custodies.control.clone();
        let keep = move || {
            let Reminder { key, service, title, .. } = reminder;
            let detail = json!({ "service": service, "said": title });
            let text = detail.to_string();
            let kept = NewRecord { kind: FUNDING, id: key, service: Some(service), at, text };
            control.lock().note(SERVER, at, |noting| {
                noting.keep(&kept, TOLD, Some(("funding.tell", &detail))).map(|_| ())
            })
        };
        Ok(tokio::task::spawn_blocking(keep).await??)
    }
}

/// What is told of funding.
fn reminder(alarm: &FundingAlarm, at: Timestamp) -> Reminder {
    let (state, date) = match alarm.funding {
        Funding::Ended { last } => ("ended", last.to_string()),
        Funding::Ends { until } | Funding::Lasts { until } => ("ends", until.to_string()),
        Funding::Unknown => ("unknown", String::new()),
    };
    let title = match alarm.funding {
        Funding::Ended { .. } => format!("its team has not been paid since {date}"),
        _ => format!("its team is paid until {date} only"),
    };
    Reminder {
        key: format!("funding/{}/{state}/{date}", alarm.service),
        service: alarm.service.clone(),
        title,
        text: alarm.sentence.clone(),
        at,
    }
}

/// What is told of a pager that went back by itself.
fn returned(service: &str, custody: &Custody) -> Reminder {
    let last = custody.moves().last();
    let at = last.map_or(Timestamp::MIN, |last| last.at);
    let from = last.map_or("nobody", |last| last.from.word());
    Reminder {
        key: format!("custody/{service}/{at}"),
        service: service.to_owned(),
        title: format!("its developers carry its pager since {at}"),
        text: format!(
            "The notice is over; {from} advises the developers from now on. GET /api/v1/custody/{service} says why."
        ),
        at,
    }
}
