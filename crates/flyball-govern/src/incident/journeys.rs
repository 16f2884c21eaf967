//! Which journeys of users an incident hits, through the services that they take.

use std::collections::{BTreeMap, BTreeSet};

/// The journeys of users, each with the services that take part in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Journeys(BTreeMap<String, BTreeSet<String>>);

/// A journey that is hit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Hit {
    /// The journey.
    pub journey: String,
    /// Its services that are hit, sorted; never empty.
    pub through: Vec<String>,
    /// How many services it has.
    pub of: usize,
}

impl Journeys {
    /// What services say of themselves: each with the journeys that it takes part in.
    pub fn of<'a, J>(services: impl IntoIterator<Item = (&'a str, J)>) -> Self
    where
        J: IntoIterator<Item = &'a str>,
    {
        let mut of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (service, journeys) in services {
            for journey in journeys {
                of.entry(journey.to_owned()).or_default().insert(service.to_owned());
            }
        }
        Self(of)
    }

    /// The services of a journey, sorted; none of one that nobody takes part in.
    pub fn services(&self, journey: &str) -> impl Iterator<Item = &str> {
        self.0.get(journey).into_iter().flatten().map(String::as_str)
    }

    /// The journeys that services which are hit take part in, sorted.
    pub fn hit<'a>(&self, services: impl IntoIterator<Item = &'a str>) -> Vec<Hit> {
        let hit: BTreeSet<&str> = services.into_iter().collect();
        let found = self.0.iter().map(|(journey, of)| Hit {
            journey: journey.clone(),
            through: of.iter().filter(|of| hit.contains(of.as_str())).cloned().collect(),
            of: of.len(),
        });
        found.filter(|hit| !hit.through.is_empty()).collect()
    }
}
