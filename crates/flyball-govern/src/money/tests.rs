//! Money against published numbers, tables worked by hand and second computations.

mod changes;
mod models;
mod targets;

use flyball_model::{Duration, Rational, Target};

use super::*;
use crate::policy::testing::yaml;

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn target(text: &str) -> Target {
    Target::new(Rational::parse_percent(text).unwrap()).unwrap()
}

/// The costs that ship.
fn assumed() -> SupportCosts {
    let document = yaml(ASSUMED);
    assert_eq!(
        (&document["apiVersion"], &document["kind"]),
        (&"flyball.dev/v1".into(), &"SupportCosts".into())
    );
    let spec: SupportCostsSpec = serde_json::from_value(document["spec"].clone()).unwrap();
    SupportCosts::new(document["metadata"]["name"].as_str().unwrap(), spec).unwrap()
}
