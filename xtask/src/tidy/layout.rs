//! The layout of the workspace: flat `crates/`, a directory named as its crate, the workspace's
//! lints everywhere, one integration test binary a crate.

use super::Finding;
use super::graph::{Graph, Member, Package};
use super::tree::Tree;
use crate::manifest::Manifest;

/// Crates with `unsafe` code. Cargo cannot inherit lints and override one, so they repeat them.
const UNSAFE: &[&str] = &["flyball-scan"];

/// The map of the code.
const MAP: &str = "ARCHITECTURE.md";

/// Everything that is not where or as it should be.
pub(super) fn check(graph: &Graph, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let workspace = Manifest::parse(tree.text("Cargo.toml").unwrap_or_default());
    for (_, package, member) in graph.members() {
        findings.extend(place(package, member));
        findings.extend(lints(package, member, &workspace));
        findings.extend(on_the_map(package, tree));
    }
    findings.extend(unused(graph, &workspace));
    for directory in tree.directories_in("crates") {
        let manifest = format!("crates/{directory}/Cargo.toml");
        if !tree.exists(&manifest) {
            findings.push(Finding::new(
                manifest,
                1,
                format!("crates/{directory} is no crate"),
                "crates are flat: put modules into src/, or remove the directory",
            ));
        }
        findings.extend(test_binaries(tree, directory));
    }
    findings
}

fn place(package: &Package, member: &Member) -> Option<Finding> {
    let wanted = match package.name.as_str() {
        "xtask" => "xtask/Cargo.toml".to_owned(),
        name => format!("crates/{name}/Cargo.toml"),
    };
    (member.path != wanted).then(|| {
        Finding::new(
            &member.path,
            1,
            format!("the crate `{}` belongs in {wanted}", package.name),
            "crates/ is flat and a directory is named as its crate",
        )
    })
}

/// A crate that the code map does not name.
fn on_the_map(package: &Package, tree: &Tree) -> Option<Finding> {
    let map = tree.text(MAP)?;
    let row = format!("| `{}` |", package.name);
    (!map.contains(&row)).then(|| {
        Finding::new(
            MAP,
            1,
            format!("the code map lacks `{}`", package.name),
            "add a row: what it owns, what it needs, what it must not reach",
        )
    })
}

fn lints(package: &Package, member: &Member, workspace: &Manifest) -> Vec<Finding> {
    let manifest = &member.manifest;
    if !UNSAFE.contains(&package.name.as_str()) {
        let inherits = manifest.table("lints").any(|k| k.name == "workspace" && k.value == "true")
            || manifest.table("").any(|k| k.name == "lints.workspace" && k.value == "true");
        return if inherits {
            Vec::new()
        } else {
            vec![Finding::new(
                &member.path,
                1,
                format!("`{}` does not take the workspace's lints", package.name),
                "add `[lints]` with `workspace = true`",
            )]
        };
    }
    let mut findings = Vec::new();
    for tool in ["rust", "clippy"] {
        let (shared, own) = (format!("workspace.lints.{tool}"), format!("lints.{tool}"));
        for lint in workspace.table(&shared) {
            let is_needed = lint.name != "unsafe_code" && lint.value != "\"allow\"";
            if is_needed && !manifest.table(&own).any(|key| key.name == lint.name) {
                findings.push(Finding::new(
                    &member.path,
                    manifest.table(&own).next().map_or(1, |key| key.line),
                    format!("`[{own}]` lacks the workspace's `{}`", lint.name),
                    "repeat it: a crate with unsafe code cannot inherit the workspace's lints",
                ));
            }
        }
    }
    findings
}

/// Dependencies that the workspace declares and no crate takes.
fn unused(graph: &Graph, workspace: &Manifest) -> Vec<Finding> {
    let is_taken = |name: &str| graph.members().any(|(_, _, member)| member.manifest.takes(name));
    workspace
        .table("workspace.dependencies")
        .filter(|key| !is_taken(&key.name))
        .map(|key| {
            Finding::new(
                "Cargo.toml",
                key.line,
                format!("no crate takes `{}`", key.name),
                "remove it: what is declared is what is used",
            )
        })
        .collect()
}

/// Every binary links everything, DataFusion included; one is enough.
fn test_binaries(tree: &Tree, directory: &str) -> Option<Finding> {
    let prefix = format!("crates/{directory}/tests/");
    let mut binaries: Vec<&str> = tree
        .files()
        .filter(|path| {
            path.strip_prefix(&prefix).is_some_and(|rest| match rest.split_once('/') {
                None => std::path::Path::new(rest).extension().is_some_and(|end| end == "rs"),
                Some((_, inner)) => inner == "main.rs",
            })
        })
        .collect();
    let second = (binaries.len() > 1).then(|| binaries.pop()).flatten()?;
    Some(Finding::new(
        second,
        1,
        format!("crates/{directory} has {} integration test binaries", binaries.len() + 1),
        "make it a module of the first: each binary is linked again",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::graph::fixture;
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";
    const ROOT: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\nmissing_docs = \"warn\"\n\
                        [workspace.lints.clippy]\ntodo = \"warn\"\nfloat_cmp = \"allow\"\n";

    fn messages(name: &str, manifest: &str, files: &[(&str, &str)]) -> Vec<String> {
        let graph = fixture(&[name], &[(name, manifest)]);
        let mut all = vec![("Cargo.toml", ROOT)];
        all.extend_from_slice(files);
        check(&graph, &Tree::of(&all)).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn lints_are_inherited_or_repeated() {
        assert_eq!(messages("flyball", LINTS, &[]), [""; 0]);
        assert_eq!(messages("flyball", "", &[]), ["`flyball` does not take the workspace's lints"]);
        let own = "[lints.rust]\nmissing_docs = \"warn\"\n[lints.clippy]\ntodo = \"warn\"\n";
        assert_eq!(messages("flyball-scan", own, &[]), [""; 0]);
        let own = "[lints.rust]\nmissing_docs = \"warn\"\n";
        assert_eq!(
            messages("flyball-scan", own, &[]),
            ["`[lints.clippy]` lacks the workspace's `todo`"]
        );
    }

    #[test]
    fn a_directory_is_a_crate_of_its_name() {
        let found = messages("flyball", LINTS, &[("crates/group/inner/Cargo.toml", "")]);
        assert_eq!(found, ["crates/group is no crate"]);
        let mut graph = fixture(&["flyball"], &[("flyball", LINTS)]);
        graph.packages[0].member.as_mut().unwrap().path = "crates/other/Cargo.toml".to_owned();
        let found = check(&graph, &Tree::of(&[]));
        assert_eq!(found[0].message, "the crate `flyball` belongs in crates/flyball/Cargo.toml");
    }

    #[test]
    fn the_map_names_every_crate() {
        let map = [("ARCHITECTURE.md", "| `flyball` | the command |\n")];
        assert_eq!(messages("flyball", LINTS, &map), [""; 0]);
        let map = [("ARCHITECTURE.md", "`flyball` is planned\n")];
        assert_eq!(messages("flyball", LINTS, &map), ["the code map lacks `flyball`"]);
    }

    #[test]
    fn what_is_declared_is_used() {
        let root = Manifest::parse("[workspace.dependencies]\nserde = \"1\"\nrand = \"1\"\n");
        let manifest = "[dev-dependencies]\nserde = { workspace = true, features = [\"rc\"] }\n";
        let graph = fixture(&["flyball"], &[("flyball", manifest)]);
        let found = unused(&graph, &root);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].message.as_str()), (3, "no crate takes `rand`"));
    }

    #[test]
    fn one_test_binary_is_enough() {
        let one = [("crates/flyball/Cargo.toml", ""), ("crates/flyball/tests/cli.rs", "")];
        assert_eq!(messages("flyball", LINTS, &one), [""; 0]);
        let mut two = one.to_vec();
        two.push(("crates/flyball/tests/other/main.rs", ""));
        two.push(("crates/flyball/tests/cli/part.rs", ""));
        assert_eq!(
            messages("flyball", LINTS, &two),
            ["crates/flyball has 2 integration test binaries"]
        );
    }
}
