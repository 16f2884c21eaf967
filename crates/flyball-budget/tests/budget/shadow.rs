//! A shadow that is moved on against a replay: after every tick both say the same.

use flyball_budget::alert::Change;
use flyball_budget::live::{Live, Plan, Saved, Shadow};
use flyball_model::{Duration, Severity, Timestamp};
use proptest::prelude::*;

use crate::live::{Ledger, SINCE, SLOT, Step, added, corrections, slos, steps};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_shadow_says_what_a_replay_says(
        slo in slos(),
        corrections in corrections(),
        steps in steps(),
        behind in 0u32..40_000,
    ) {
        let since = Timestamp::from_seconds(SINCE);
        let plan = || {
            Plan::new(&slo, 0, SLOT, &corrections, since, since.plus(Duration::from_days(400))).unwrap()
        };
        let from = since.plus(Duration::from_seconds(behind));
        let (ledger, mut now, mut shadow) = (Ledger::new(SLOT), since, None::<Shadow>);
        for step in &steps {
            match step {
                Step::Events(events) => {
                    let added = added(now, events);
                    ledger.add(&added);
                    if let Some(shadow) = &mut shadow {
                        shadow.record(&added, &ledger).unwrap();
                    }
                }
                Step::Tick(seconds) | Step::Fault(seconds) => {
                    now = now.plus(Duration::from_seconds(*seconds));
                }
                Step::Restart => shadow = None,
                Step::Replay => {}
            }
            if now < from {
                continue;
            }
            let shadow = shadow.get_or_insert_with(|| Shadow::begin(plan(), from, &ledger).unwrap());
            let saved = Saved { at: from.nanos(), watches: Vec::new() };
            let (plan, mut changes) = (plan(), Vec::new());
            let mut replay = Live::load(&plan, &saved, &ledger).unwrap();
            replay.advance(&plan, now, &ledger, &mut changes).unwrap();
            let is_page = |change: &Change| matches!(change, Change::Fired(of) if of.severity == Severity::Page);
            prop_assert_eq!(shadow.pages(now, &ledger).unwrap(), changes.iter().any(is_page));
        }
    }
}
