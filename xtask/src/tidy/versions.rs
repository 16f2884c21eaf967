//! One version of each heavy dependency.
//!
//! Two versions of a small crate cost seconds; two of these cost minutes of every build, and their
//! types do not fit each other.

use std::collections::BTreeMap;

use super::Finding;
use super::graph::{Graph, is_of};

/// Families that may be there only once.
const HEAVY: &[&str] = &[
    "arrow",
    "axum",
    "datafusion",
    "hyper",
    "jiff",
    "object_store",
    "parquet",
    "prost",
    "regex",
    "rustls",
    "serde",
    "sqlparser",
    "sqlx",
    "tokio",
    "tonic",
];

/// Every heavy package that is there twice.
pub(super) fn check(graph: &Graph) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, package) in graph.packages.iter().enumerate() {
        if HEAVY.iter().any(|family| is_of(&package.name, family)) {
            versions.entry(&package.name).or_default().push(number);
        }
    }
    let twice = versions.into_iter().filter(|(_, numbers)| numbers.len() > 1);
    twice
        .map(|(name, numbers)| {
            let ways: Vec<String> = numbers
                .iter()
                .map(|&number| {
                    let version = &graph.packages[number].version;
                    format!("{version} ({})", way(graph, number))
                })
                .collect();
            Finding::new(
                "Cargo.toml",
                1,
                format!("`{name}` is there {} times: {}", numbers.len(), ways.join(", ")),
                "choose versions in [workspace.dependencies] that agree on one",
            )
        })
        .collect()
}

/// How a crate of the workspace comes to `wanted`.
fn way(graph: &Graph, wanted: usize) -> String {
    graph
        .members()
        .filter_map(|(member, ..)| graph.path_to(member, |number| number == wanted))
        .min_by_key(Vec::len)
        .map_or_else(|| "for tests or build scripts".to_owned(), |path| graph.show(&path))
}

#[cfg(test)]
mod tests {
    use super::super::graph::fixture;
    use super::*;

    #[test]
    fn two_versions_of_a_heavy_crate_are_found_with_their_ways() {
        let graph = fixture(
            &["flyball > arrow 59.0.0", "flyball > old 1.0.0", "old 1.0.0 > arrow 58.0.0"],
            &[("flyball", "")],
        );
        let findings = check(&graph);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].message,
            "`arrow` is there 2 times: 59.0.0 (flyball → arrow), 58.0.0 (flyball → old → arrow)"
        );
    }

    #[test]
    fn small_crates_may_differ_and_one_version_is_fine() {
        let graph =
            fixture(&["flyball > syn 1.0.0", "flyball > syn 2.0.0", "flyball > tokio 1.0.0"], &[]);
        assert_eq!(check(&graph), []);
    }
}
