//! Pages break warranties: that somebody was called for a service is noted with its changes, beside the
//! delivery of what they are told.

use std::collections::HashSet;
use std::time::Duration as Wait;

use flyball_connect::Hook;
use flyball_govern::warranty::Page;

use super::Context;

/// How long to wait until what could not be noted is tried again.
const AGAIN: Wait = Wait::from_secs(5);

/// Notes pages until the server goes down. Those of before the start are noted again, which changes nothing.
pub(super) async fn run(context: Context) {
    let mut ticks = context.evaluator.ticks();
    let mut noted: HashSet<u64> = HashSet::new();
    loop {
        let Ok(paged) = context.evaluator.ask(|evaluator| evaluator.paged()).await else { return };
        noted.retain(|id| paged.iter().any(|(known, ..)| known == id));
        let mut is_noted = true;
        for (id, service, at) in paged {
            if noted.contains(&id) {
                continue;
            }
            let environment = Hook::ENVIRONMENT.to_owned();
            let page = Page { alert: id.to_string(), service, environment, at };
            let (changes, now) = (context.changes.clone(), context.clock.now());
            let noting = tokio::task::spawn_blocking(move || changes.page(&page, now)).await;
            match noting {
                Ok(Ok(())) => _ = noted.insert(id),
                Ok(Err(error)) => {
                    tracing::error!(%error, alert = id, "a page is not noted; it is tried again");
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
