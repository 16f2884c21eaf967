//! What is promised of the default rules, on few simulated services; `make alerting` has many.

use flyball_model::Duration;

use crate::simulated::{Results, Settings};

#[test]
fn default_rules_keep_their_promises() {
    let settings =
        Settings { seed: 1, services: 192, slot: Duration::from_seconds(30), is_whole: false };
    let results = Results::run(settings, |_| ()).unwrap();
    for promise in results.promises() {
        assert!(promise.is_kept, "{}\n\n{results}", promise.name);
    }
}
