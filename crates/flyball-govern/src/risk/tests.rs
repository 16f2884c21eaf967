//! Registers for tests, and what is asked of documents.

mod documents;
mod measures;
mod published;
mod sheets;
mod simulated;

use std::collections::BTreeSet;

use flyball_model::{Duration, Rational, Target};
use jiff::civil::{Date, date};

use super::*;

const TODAY: Date = date(2026, 11, 1);

fn share(text: &str) -> Rational {
    Rational::parse_percent(text).unwrap()
}

/// A risk from `detect repair share between`, each a value or a range.
fn risk(name: &str, inputs: &str) -> Risk {
    let inputs: Vec<&str> = inputs.split_whitespace().collect();
    let time = |at: usize| inputs[at].parse::<TimeRange>().unwrap();
    let spec = RiskSpec {
        description: None,
        service: "shop".to_owned(),
        slos: BTreeSet::new(),
        time_to_detect: time(0),
        time_to_repair: time(1),
        share_of_users: inputs[2].parse().unwrap(),
        time_between_failures: time(3),
        themes: BTreeSet::new(),
        accepted: None,
        matches: None,
        undelayed: Undelayed::default(),
    };
    Risk::new(name, spec).unwrap()
}

fn register(risks: &[Risk]) -> Register {
    Register::new("shop", None, risks.to_vec()).unwrap()
}

fn ruled(risks: &[Risk], rules: serde_json::Value) -> Register {
    let rules = RiskRules::new("shop", serde_json::from_value(rules).unwrap()).unwrap();
    Register::new("shop", Some(&rules), risks.to_vec()).unwrap()
}

fn objective(target: &str, window: Duration) -> RiskObjective {
    let target = Target::new(share(target)).unwrap();
    RiskObjective { slo: "served".to_owned(), target, window }
}

fn assessed(register: &Register, target: &str) -> Assessment {
    assess(register, &objective(target, YEAR), TODAY).unwrap()
}
