//! Alertmanager is told again of what fires: it takes an alert that it hears nothing of to be over.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::time::Duration as Wait;

use flyball_connect::notify::{REFRESH_EVERY, Receiver, refresh};
use flyball_model::{AlertChannel, AlertTarget};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::{Telling, channel, post};

/// Tells every Alertmanager again until the server goes down.
pub(super) async fn run(telling: Telling) {
    let every = Wait::from_nanos(REFRESH_EVERY.nanos().unsigned_abs());
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Each by itself: one that does not answer keeps no other waiting.
    let mut running: HashMap<String, JoinHandle<()>> = HashMap::new();
    loop {
        tokio::select! {
            () = telling.tasks.stopped().cancelled() => return,
            _ = ticks.tick() => {}
        }
        let asked =
            telling.context.evaluator.ask(|it| it.catalog().set.alert_targets.clone()).await;
        let Ok(targets) = asked else { return };
        let names: HashSet<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        let mut order = telling.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.retain(|name, _| names.contains(name.as_str()));
        drop(order);
        running.retain(|_, task| !task.is_finished());
        for target in targets {
            let is_one = matches!(target.via, AlertChannel::Alertmanager { .. });
            if is_one && !running.contains_key(&target.name) {
                let name = target.name.clone();
                running.insert(name, telling.tasks.spawn(again(telling.clone(), target)));
            }
        }
    }
}

/// Tells one Alertmanager again of all that it believes.
async fn again(telling: Telling, target: AlertTarget) {
    let lock = telling.lock(&target.name);
    // From what is asked here until it is sent, no step is told: a request with an alert that fires, behind
    // one with its end, would open it again.
    let _alone = lock.write().await;
    let name = target.name.clone();
    let asked = telling.context.evaluator.ask(move |evaluator| evaluator.believed_by(&name)).await;
    let Ok(believed) = asked else { return };
    if believed.is_empty() {
        return;
    }
    let receiver = match channel::receiver(&telling, &target.via).await {
        Ok(receiver) => receiver,
        Err(problem) => {
            telling.context.telemetry.notified(&target.name, "failed", "secret");
            tracing::warn!(alert_target = target.name, problem, "Alertmanager is not told again");
            return;
        }
    };
    let Some(Receiver::Alertmanager { url, bearer }) = receiver else { return };
    let believed = believed.iter().map(|(alert, severity)| (alert, *severity));
    for request in refresh(&url, bearer.as_ref(), believed, &telling.sender()) {
        let told = post::send(&telling.client, &request, &telling.context.clock).await;
        telling.context.telemetry.notified(&target.name, told.name(), told.reason);
    }
}
