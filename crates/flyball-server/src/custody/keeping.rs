//! What time alone does to custody: pagers that go back at their deadline, work on a service that is over, what becomes
//! reason to hand back, teams that are paid no more, and pages that nobody will hear.
//!
//! It is looked at once a minute; what changes by the day once a day. Who is told of tickets of the service is told,
//! once for each thing that is so; what no target is there to hear is told once there is one. That it was told is kept,
//! so that a restart tells it no more; a crash between may tell it twice, under the same key.

use std::collections::BTreeMap;
use std::time::Duration as Wait;

use flyball_govern::SERVER;
use flyball_govern::alert::Reminder;
use flyball_govern::checklist::Review;
use flyball_govern::custody::{Custody, FundingAlarm, Holder, MoveReason};
use flyball_govern::oncall::Switchboard;
use flyball_govern::service::{Funding, Service, day};
use flyball_model::{Duration, Interval, Timestamp};
use flyball_store::{NewRecord, RecordBound, StoreError};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::CustodiesError;
use super::called::by_exceptions;
use super::waiting::{in_custody, in_reviews};
use crate::changes::PAGE_MAX;
use crate::evaluator::Ended;
use crate::gate::GateError;
use crate::http::{App, grounds_of};
use crate::tasks::Tasks;

/// How often it is looked at.
const EACH: Duration = Duration::from_minutes(1);
/// How long to wait until what could not be read or kept is tried again.
const AGAIN: Wait = Wait::from_secs(5);
/// For how long after something has happened it is still news.
pub(super) const NEWS: Duration = Duration::from_days(30);
/// How far ahead hours are looked for in which nobody can be paged, and how often these are told at most.
const AHEAD: Duration = Duration::from_days(28);
const GAPS_EACH: Duration = Duration::from_days(7);

/// How much of a key is shown in the log.
const KEY_SHOWN: usize = 200;

/// That somebody was told of something.
const TOLD: &str = "funding";
/// The most of these that are kept: a few of each service.
const TOLD_MAX: RecordBound = RecordBound { rows: 20_000, bytes: 16 << 20 };

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

/// Looks after the pagers of `app` from now on.
pub(crate) fn start(app: App) -> Tasks {
    let tasks = Tasks::default();
    let keeper = Keeper { app, looked: None, today: None, late: BTreeMap::new() };
    tasks.spawn(keeper.run(tasks.stopped().clone()));
    tasks
}

/// Who looks after pagers.
struct Keeper {
    app: App,
    /// The minute of the last look.
    looked: Option<Timestamp>,
    /// The day on which it was looked at last what changes by the day.
    today: Option<Timestamp>,
    /// What could not be told, or not be kept as told, by its key: it is tried again each minute, while all else goes on.
    late: BTreeMap<String, Late>,
}

/// Something that is told late.
struct Late {
    told: Told,
    /// Whether it was told, and only that is not kept: it is not told again.
    is_told: bool,
}

/// Something to tell, and what the audit log calls that.
pub(super) type Told = (&'static str, Reminder);

/// Something to tell of `service` that is known by `key`.
pub(super) fn told(
    action: &'static str,
    (service, key): (&str, String),
    said: (String, String),
    at: Timestamp,
) -> Told {
    let (title, text) = said;
    (action, Reminder { key, service: service.to_owned(), title, text, at, target: None })
}

impl Keeper {
    /// Looks until the server goes down.
    async fn run(mut self, stop: CancellationToken) {
        let mut ticks = self.app.evaluator.ticks();
        loop {
            let failed = match self.look().await {
                Ok(()) => false,
                Err(KeepingError::Ended(_)) if self.app.evaluator.has_ended() => return,
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
        let now = self.app.clock.now();
        let minute = now.floor(EACH);
        if self.looked == Some(minute) {
            return Ok(());
        }
        let custodies = self.app.custodies.clone();
        let all = tokio::task::spawn_blocking(move || custodies.settle(now)).await??;
        let holders = all.iter().map(|(service, of)| (service.clone(), of.carried(now)));
        let holders: BTreeMap<_, _> = holders.collect();
        self.app.evaluator.ask(move |evaluator| evaluator.carry(holders)).await?;
        let mut told: Vec<Told> = all.iter().filter_map(|of| returned(of, now)).collect();
        told.extend(all.iter().filter_map(|of| mended(of, now)));
        told.extend(all.iter().flat_map(|of| in_custody(of, now)));
        let board = self.app.evaluator.ask(|evaluator| evaluator.rotas().0).await?;
        told.extend(by_exceptions(&board, now));
        let today = now.floor(Duration::from_days(1));
        let is_new_day = self.today != Some(today);
        if is_new_day {
            told.extend(self.funding(now).await?);
            told.extend(self.grounds(&all, now).await);
            told.extend(self.calls(now).await?);
            told.extend(self.reviews(now).await?);
        }
        self.tell(told, now).await?;
        (self.today, self.looked) = (Some(today), Some(minute));
        Ok(())
    }

    /// Each team that is not paid, or not for long.
    async fn funding(&self, now: Timestamp) -> Result<Vec<Told>, KeepingError> {
        let found = self.app.evaluator.ask(move |evaluator| {
            let services = evaluator.catalog().governance.services();
            let ends = |of: &&Service| of.spec.funded_until.is_some();
            let ending: Vec<Service> = services.filter(ends).cloned().collect();
            let of = |of: Service| {
                let promised = evaluator.promised_since(&of.name);
                (of, promised)
            };
            ending.into_iter().map(of).collect::<Vec<_>>()
        });
        let mut told = Vec::new();
        for (service, promised) in found.await? {
            let (custodies, name) = (self.app.custodies.clone(), service.name.clone());
            let custody = tokio::task::spawn_blocking(move || custodies.get(&name, promised));
            let custody = custody.await?.map_err(CustodiesError::from)?;
            // A team that nobody promised anything for carries its pager itself.
            let custody = custody.unwrap_or_else(|| Custody::new(&service.name, now));
            let funding = Funding::of(&service.spec, day(now));
            let alarm = custody.funding_alarm(funding, now);
            told.extend(alarm.map(|alarm| ("funding.tell", reminder(&alarm, now))));
        }
        Ok(told)
    }

    /// What is reason to hand pagers back, that nobody has given notice for: once a month for each service.
    async fn grounds(&self, custodies: &BTreeMap<String, Custody>, now: Timestamp) -> Vec<Told> {
        let mut all = Vec::new();
        for (service, custody) in custodies {
            let is_free = custody
                .notice()
                .is_none_or(|notice| notice.reprieve().is_some_and(|until| until <= now));
            if !is_free || matches!(custody.holder(now), None | Some(Holder::Developers)) {
                continue;
            }
            match grounds_of(&self.app, service, custody).await {
                Ok(grounds) if grounds.is_empty() => {}
                Ok(grounds) => {
                    let said: Vec<&str> = grounds.iter().map(|of| of.say.as_str()).collect();
                    let month = &now.to_string()[..7];
                    all.push(told(
                        "custody.tell",
                        (service, format!("custody/{service}/grounds/{month}")),
                        (
                            "there is reason to hand its pager back".to_owned(),
                            format!(
                                "{} `flyball custody notice {service}` gives notice.",
                                said.join(" ")
                            ),
                        ),
                        now,
                    ));
                }
                // It is looked at again tomorrow.
                Err(problem) => {
                    let problem = problem.text();
                    tracing::warn!(service, problem, "whether its pager may go back is not known");
                }
            }
        }
        all
    }

    /// Pages that nobody will hear of services that people are called for, and pagers that are not those of who is called.
    async fn calls(&self, now: Timestamp) -> Result<Vec<Told>, KeepingError> {
        let found = self.app.evaluator.ask(|evaluator| {
            let services = evaluator.catalog().services().into_iter().map(str::to_owned);
            let services: Vec<String> = services.collect();
            (evaluator.rotas().0, services)
        });
        let (board, services) = found.await?;
        let told = tokio::task::spawn_blocking(move || {
            let of =
                |service: &String| [gaps(&board, service, now), misrouted(&board, service, now)];
            services.iter().flat_map(of).flatten().collect()
        });
        Ok(told.await?)
    }

    /// Reviews that wait for signatures, and approvals that end.
    async fn reviews(&self, now: Timestamp) -> Result<Vec<Told>, KeepingError> {
        let reviews = self.app.reviews.clone();
        let all = move || -> Result<Vec<Review>, GateError> {
            let (mut all, mut before) = (Vec::new(), None);
            loop {
                let page = reviews.page(None, before, PAGE_MAX)?;
                before = page.last().map(|(number, _)| *number);
                let is_last = page.len() < PAGE_MAX;
                all.extend(page.into_iter().map(|(_, review)| review));
                if is_last {
                    return Ok(all);
                }
            }
        };
        let all = tokio::task::spawn_blocking(all).await?.map_err(CustodiesError::from)?;
        Ok(in_reviews(&all, now))
    }

    /// Tells of each thing unless that was done. One that cannot be told or kept stands in the way of no other.
    ///
    /// # Errors
    ///
    /// The server goes down.
    async fn tell(&mut self, all: Vec<Told>, at: Timestamp) -> Result<(), KeepingError> {
        let mut late = std::mem::take(&mut self.late);
        let mut due: Vec<(Late, bool)> = Vec::new();
        for told in all {
            let before = late.remove(&told.1.key);
            let is_told = before.as_ref().is_some_and(|before| before.is_told);
            due.push((Late { told, is_told }, before.is_none()));
        }
        due.extend(late.into_values().map(|one| (one, false)));
        for (mut one, is_first) in due {
            match self.tell_once(&mut one, at).await {
                Ok(()) => {}
                Err(error @ KeepingError::Ended(_)) => return Err(error),
                Err(error) => {
                    let (key, is_told) = (one.told.1.key.clone(), one.is_told);
                    if is_first {
                        let key: String = key.chars().take(KEY_SHOWN).collect();
                        tracing::error!(key, is_told, %error, "a reminder is late");
                    }
                    self.late.insert(key, one);
                }
            }
        }
        Ok(())
    }

    /// Tells of something unless that was done, and keeps that it was. What no target hears is told when it is looked at
    /// again.
    async fn tell_once(&self, late: &mut Late, at: Timestamp) -> Result<(), KeepingError> {
        let (action, told) = late.told.clone();
        let (control, key) = (self.app.control.clone(), told.key.clone());
        let known = tokio::task::spawn_blocking(move || control.lock().record(TOLD, &key));
        if known.await??.is_some() {
            return Ok(());
        }
        let reminder = told.clone();
        if !late.is_told {
            let told = self.app.evaluator.ask(move |evaluator| evaluator.remind(&reminder)).await?;
            // What is told and not on disk yet is told.
            late.is_told = told.as_ref().map_or(true, |is_heard| *is_heard);
            if !told? {
                return Ok(());
            }
        }
        let control = self.app.control.clone();
        let keep = move || {
            let Reminder { key, service, title, .. } = told;
            let detail = json!({ "service": service, "said": title });
            let text = detail.to_string();
            let kept = NewRecord { kind: TOLD, id: key, service: Some(service), at, text };
            control.lock().note(SERVER, at, |noting| {
                noting.keep(&kept, TOLD_MAX, Some((action, &detail))).map(|_| ())
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
        target: None,
    }
}

/// That a pager went back by itself of late.
fn returned((service, custody): (&String, &Custody), now: Timestamp) -> Option<Told> {
    let last = custody.moves().last()?;
    let is_back = matches!(last.why, MoveReason::HandedBack { .. });
    if !is_back || now.since(last.at) > NEWS {
        return None;
    }
    let (from, at) = (last.from.word(), last.at);
    let title = format!("its developers carry its pager since {at}");
    let text = format!(
        "The notice is over; {from} advises the developers from now on. GET /api/v1/custody/{service} says why."
    );
    Some(told("custody.tell", (service, format!("custody/{service}/{at}")), (title, text), at))
}

/// That the time is over, of late, for which a service was mended or others helped.
fn mended((service, custody): (&String, &Custody), now: Timestamp) -> Option<Told> {
    let until = custody.notice()?.reprieve()?;
    if until > now || now.since(until) > NEWS {
        return None;
    }
    let title = format!("what was decided on its pager is over since {until}");
    let text = format!(
        "The evidence is to be looked at again: `flyball custody show {service}` says what is reason to hand it back."
    );
    Some(told(
        "custody.tell",
        (service, format!("custody/{service}/mended/{until}")),
        (title, text),
        until,
    ))
}

/// Hours ahead in which nobody of the first rota of `service` can be paged.
fn gaps(board: &Switchboard, service: &str, now: Timestamp) -> Option<Told> {
    let rota = board.rota(&board.chain_of(service)?.spec.levels.first()?.rota)?;
    let exceptions = board.exceptions(rota.name());
    let gaps = rota.coverage(Interval::starting(now, AHEAD), &exceptions).gaps;
    let first = gaps.first()?.span;
    let (name, count) = (rota.name(), gaps.len());
    let title = format!("nobody of `{name}` can be paged from {}", first.start());
    let text = format!(
        "Until {}, and {count} times in all within {AHEAD}. `flyball oncall gaps {name}` says why; say under \
             `cover` when somebody has to be there.",
        first.end()
    );
    Some(told(
        "on_call.tell",
        (service, format!("on-call/{service}/gaps/{}", now.floor(GAPS_EACH))),
        (title, text),
        now,
    ))
}

/// That a page of `service` does not call first who carries its pager.
fn misrouted(board: &Switchboard, service: &str, now: Timestamp) -> Option<Told> {
    let text = board.misrouted(service)?;
    let holder = board.holder(service)?.word();
    let title = "its pages do not follow its pager".to_owned();
    Some(told(
        "custody.tell",
        (service, format!("custody/{service}/misrouted/{holder}")),
        (title, text),
        now,
    ))
}
