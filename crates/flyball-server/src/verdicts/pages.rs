//! Pages break warranties and open incidents: that somebody was called for a service is noted with its changes and its
//! incidents, beside the delivery of what they are told.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration as Wait;

use flyball_connect::Hook;
use flyball_govern::alert::Paged;
use flyball_govern::warranty::Page;
use flyball_model::Timestamp;

use super::Context;
use crate::changes::{Changes, ChangesError};

/// How long to wait until what could not be noted is tried again.
const AGAIN: Wait = Wait::from_secs(5);

/// Notes pages until the server goes down. Those of before the start are noted again, which changes nothing.
pub(super) async fn run(context: Context) {
    let mut ticks = context.evaluator.ticks();
    // By alert, the step up to which it is noted.
    let mut noted: HashMap<u64, u32> = HashMap::new();
    loop {
        let known = noted.clone();
        let news = context.evaluator.ask(move |evaluator| {
            let desk = evaluator.desk();
            let forgotten = known.keys().copied().filter(|id| desk.alert(*id).is_none());
            (evaluator.paged_since(&known), forgotten.collect::<Vec<_>>())
        });
        let Ok((paged, forgotten)) = news.await else { return };
        noted.retain(|id, _| !forgotten.contains(id));
        let mut services: BTreeMap<String, Vec<Paged>> = BTreeMap::new();
        for of in paged {
            services.entry(of.alert.subject.service.clone()).or_default().push(of);
        }
        let mut is_noted = true;
        for (service, mut alerts) in services {
            alerts.sort_by_key(|of| (of.first, of.alert.id));
            let steps = alerts.iter().filter_map(|Paged { alert, .. }| {
                Some((alert.id, alert.transitions.last()?.number))
            });
            let steps: Vec<(u64, u32)> = steps.collect();
            let (changes, now) = (context.changes.clone(), context.clock.now());
            let noting =
                tokio::task::spawn_blocking(move || note(&changes, &service, &alerts, now)).await;
            match noting {
                Ok(Ok(())) => noted.extend(steps),
                Ok(Err(error)) => {
                    tracing::error!(%error, "pages are not noted; it is tried again");
                    is_noted = false;
                }
                Err(_) => is_noted = false,
            }
        }
        let again = tokio::time::sleep(AGAIN);
        tokio::select! {
            () = context.stop.cancelled() => return,
            ticked = ticks.changed(), if is_noted => if ticked.is_err() { return },
            () = again, if !is_noted => {}
        }
    }
}

/// Notes `alerts` of `service` with its changes and incidents.
fn note(
    changes: &Changes,
    service: &str,
    alerts: &[Paged],
    now: Timestamp,
) -> Result<(), ChangesError> {
    for Paged { alert, first, .. } in alerts {
        let (service, environment) = (service.to_owned(), Hook::ENVIRONMENT.to_owned());
        let page = Page { alert: alert.id.to_string(), service, environment, at: *first };
        changes.page(&page, now)?;
    }
    changes.alerted(service, alerts, now)
}
