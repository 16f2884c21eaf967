//! The arrows between crates: what each may need, and what it must not reach at all.
//!
//! The table is ARCHITECTURE.md's. Reaching counts: a crate that needs a crate that needs tokio
//! has tokio. Only normal dependencies count; tests may use what they like.

use super::Finding;
use super::graph::{Graph, Package, is_of};

/// What is said of one crate.
struct Rule {
    name: &'static str,
    /// The crates of this workspace that it may need.
    may_need: &'static [&'static str],
    /// Families of packages that it must not reach.
    must_not_reach: &'static [&'static str],
}

/// Any YAML parser, whatever it is called.
const YAML: &[&str] = &[
    "serde_yaml",
    "serde_yml",
    "serde_norway",
    "serde-saphyr",
    "saphyr",
    "yaml-rust",
    "yaml-rust2",
];

const RULES: &[Rule] = &[
    Rule {
        name: "flyball-model",
        may_need: &[],
        must_not_reach: &["tokio", "arrow", "parquet", "datafusion", "axum", "serde_json", "@yaml"],
    },
    Rule {
        name: "flyball-budget",
        may_need: &["flyball-model"],
        must_not_reach: &["tokio", "arrow", "parquet", "datafusion", "axum", "serde_json", "@yaml"],
    },
    Rule {
        name: "flyball-govern",
        may_need: &["flyball-model", "flyball-budget"],
        must_not_reach: &["tokio", "arrow", "parquet", "datafusion", "axum", "@yaml"],
    },
    Rule {
        name: "flyball-connect",
        may_need: &["flyball-model", "flyball-govern"],
        must_not_reach: &["tokio", "arrow", "parquet", "datafusion", "axum", "@yaml"],
    },
    Rule {
        name: "flyball-spec",
        may_need: &["flyball-model"],
        must_not_reach: &["tokio", "arrow", "parquet", "datafusion", "axum"],
    },
    Rule {
        name: "flyball-scan",
        may_need: &[],
        must_not_reach: &["tokio", "arrow", "datafusion", "axum", "@yaml"],
    },
    Rule {
        name: "flyball-events",
        may_need: &["flyball-model", "flyball-scan"],
        must_not_reach: &["datafusion", "tokio", "axum", "@yaml"],
    },
    Rule {
        name: "flyball-query",
        may_need: &["flyball-model", "flyball-events"],
        must_not_reach: &["axum", "@yaml"],
    },
    Rule {
        name: "flyball-metric",
        may_need: &["flyball-model", "flyball-events"],
        must_not_reach: &["datafusion", "tokio", "axum", "@yaml"],
    },
    Rule {
        name: "flyball-store",
        may_need: &["flyball-model"],
        must_not_reach: &["tokio", "arrow", "parquet", "datafusion", "axum", "@yaml"],
    },
    Rule {
        name: "flyball-segment",
        may_need: &["flyball-model", "flyball-events"],
        must_not_reach: &["datafusion", "tokio", "axum", "@yaml"],
    },
    Rule {
        name: "flyball-catalog",
        may_need: &[
            "flyball-model",
            "flyball-budget",
            "flyball-govern",
            "flyball-spec",
            "flyball-metric",
            "flyball-query",
        ],
        must_not_reach: &["axum"],
    },
    Rule {
        name: "flyball-server",
        may_need: &[
            "flyball-model",
            "flyball-budget",
            "flyball-govern",
            "flyball-connect",
            "flyball-spec",
            "flyball-events",
            "flyball-query",
            "flyball-metric",
            "flyball-segment",
            "flyball-store",
            "flyball-catalog",
        ],
        must_not_reach: &[],
    },
    Rule {
        name: "flyball",
        may_need: &[
            "flyball-model",
            "flyball-budget",
            "flyball-spec",
            "flyball-events",
            "flyball-govern",
            "flyball-query",
            "flyball-catalog",
            "flyball-connect",
            "flyball-server",
        ],
        must_not_reach: &[],
    },
    Rule {
        name: "flyball-testkit",
        may_need: &["flyball-model"],
        must_not_reach: &["datafusion", "axum"],
    },
    Rule {
        name: "xtask",
        may_need: &[],
        must_not_reach: &["tokio", "arrow", "datafusion", "axum"],
    },
];

/// Packages that only one crate may name as its own dependency.
const NAMED_ONLY_BY: &[(&str, &str)] =
    &[("datafusion", "flyball-query"), ("sqlparser", "flyball-query")];

/// Every arrow that points where it must not.
pub(super) fn check(graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, package, member) in graph.members() {
        let Some(rule) = RULES.iter().find(|rule| rule.name == package.name) else {
            findings.push(Finding::new(
                &member.path,
                1,
                format!("the crate `{}` has no rule", package.name),
                "say in ARCHITECTURE.md and in xtask/src/tidy/arrows.rs what it must not reach",
            ));
            continue;
        };
        let line = |needed: &Package| member.manifest.dependency_line(&needed.name);
        for &need in &package.needs {
            let needed = &graph.packages[need];
            if needed.member.is_some() && !rule.may_need.contains(&needed.name.as_str()) {
                findings.push(Finding::new(
                    &member.path,
                    line(needed),
                    format!("`{}` must not need `{}`", package.name, needed.name),
                    "arrows point downward only: see the code map in ARCHITECTURE.md",
                ));
            }
            let sole = NAMED_ONLY_BY.iter().find(|(family, _)| is_of(&needed.name, family));
            if let Some((_, owner)) = sole.filter(|(_, owner)| *owner != package.name) {
                findings.push(Finding::new(
                    &member.path,
                    line(needed),
                    format!("only `{owner}` may name `{}`", needed.name),
                    "ask for what is needed through that crate's own types",
                ));
            }
        }
        for family in rule.must_not_reach {
            if let Some(path) = graph.path_to(number, |at| belongs(&graph.packages[at], family)) {
                findings.push(Finding::new(
                    &member.path,
                    line(&graph.packages[path[1]]),
                    format!("`{}` must not reach this: {}", package.name, graph.show(&path)),
                    "move the code that needs it to a crate above, or turn the feature off",
                ));
            }
        }
    }
    findings
}

fn belongs(package: &Package, family: &str) -> bool {
    match family {
        "@yaml" => YAML.iter().any(|parser| is_of(&package.name, parser)),
        family => is_of(&package.name, family),
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::fixture;
    use super::*;

    const MODEL: (&str, &str) = ("flyball-model", "[dependencies]\njiff = \"1\"\n");
    const EVENTS: (&str, &str) =
        ("flyball-events", "[dependencies]\narrow = \"1\"\nparquet = \"1\"\n");

    #[test]
    fn what_is_allowed_passes() {
        let graph = fixture(
            &["flyball-events > flyball-model", "flyball-events > arrow", "flyball-model > jiff"],
            &[MODEL, EVENTS],
        );
        assert_eq!(check(&graph), []);
    }

    #[test]
    fn what_is_reached_through_others_is_found_where_it_enters() {
        let graph = fixture(
            &["flyball-events > parquet", "parquet > object_store", "object_store > tokio"],
            &[EVENTS],
        );
        let findings = check(&graph);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].path.as_str(), findings[0].line),
            ("crates/flyball-events/Cargo.toml", 3)
        );
        assert!(findings[0].message.contains("parquet → object_store → tokio"));
    }

    #[test]
    fn upward_arrows_and_unknown_crates_are_found() {
        let graph =
            fixture(&["flyball-model > flyball-events"], &[MODEL, EVENTS, ("flyball-new", "")]);
        assert!(check(&graph)[0].message.contains("must not need `flyball-events`"));
        let graph = fixture(&["flyball-new > serde"], &[("flyball-new", "")]);
        assert!(check(&graph)[0].message.contains("has no rule"));
    }

    #[test]
    fn datafusion_is_named_by_one_crate() {
        let query = ("flyball-query", "[dependencies]\ndatafusion = \"1\"\n");
        let graph = fixture(&["flyball-query > datafusion"], &[query]);
        assert_eq!(check(&graph), []);
        let binary = ("flyball", "[dependencies]\ndatafusion-sql = \"1\"\n");
        let graph = fixture(&["flyball > datafusion-sql"], &[binary]);
        let findings = check(&graph);
        assert_eq!(findings[0].message, "only `flyball-query` may name `datafusion-sql`");
        assert_eq!(findings[0].line, 2);
    }

    #[test]
    fn any_yaml_parser_counts() {
        let graph = fixture(&["flyball-model > saphyr-parser"], &[MODEL]);
        assert_eq!(check(&graph).len(), 1);
    }
}
