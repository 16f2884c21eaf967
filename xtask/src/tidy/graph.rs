//! The resolved dependency graph, reduced to what the checks ask of it.
//!
//! It is that of Linux on x86-64, with the default features of every crate. Development and build
//! dependencies are left out: what only tests and build scripts reach is not part of a crate.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::manifest::Manifest;

/// One target, so that the graph is the same on every machine that checks it.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Packages and their normal dependencies.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Packages; their places are their numbers.
    pub(super) packages: Vec<Package>,
}

/// One package.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// What it needs at run time, by number.
    pub(super) needs: BTreeSet<usize>,
    /// Set for crates of this workspace.
    pub(super) member: Option<Member>,
}

/// A crate of this workspace.
#[derive(Debug)]
pub(super) struct Member {
    /// Its manifest, relative to the root.
    pub(super) path: String,
    pub(super) manifest: Manifest,
}

impl Graph {
    /// Asks cargo about the workspace at `root`.
    ///
    /// # Errors
    ///
    /// When cargo fails, as it does when Cargo.lock is out of date.
    pub(super) fn load(root: &Path) -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .other_options(["--locked", "--filter-platform", PLATFORM].map(str::to_owned))
            .exec()
            .context("cargo metadata failed; hint: run `cargo build` to refresh Cargo.lock")?;
        let numbers: BTreeMap<_, _> = metadata
            .packages
            .iter()
            .enumerate()
            .map(|(number, p)| (p.id.clone(), number))
            .collect();
        let resolve = metadata.resolve.context("cargo metadata gave no resolved graph")?;
        let root = metadata.workspace_root.as_std_path();
        let mut packages = Vec::with_capacity(metadata.packages.len());
        for package in &metadata.packages {
            let node = resolve.nodes.iter().find(|node| node.id == package.id);
            let needs = node.into_iter().flat_map(|node| &node.deps).filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
            });
            let member = metadata
                .workspace_members
                .contains(&package.id)
                .then(|| member(root, package.manifest_path.as_std_path()))
                .transpose()?;
            packages.push(Package {
                name: package.name.to_string(),
                version: package.version.to_string(),
                needs: needs.filter_map(|need| numbers.get(&need.pkg)).copied().collect(),
                member,
            });
        }
        Ok(Self { packages })
    }

    /// The crates of this workspace.
    pub(super) fn members(&self) -> impl Iterator<Item = (usize, &Package, &Member)> {
        self.packages.iter().enumerate().filter_map(|(number, package)| {
            package.member.as_ref().map(|member| (number, package, member))
        })
    }

    /// The shortest way from `start` to a package whose number `wanted` accepts, both ends included.
    pub(super) fn path_to(
        &self,
        start: usize,
        wanted: impl Fn(usize) -> bool,
    ) -> Option<Vec<usize>> {
        let mut came_from = BTreeMap::from([(start, start)]);
        let mut queue = VecDeque::from([start]);
        while let Some(here) = queue.pop_front() {
            if here != start && wanted(here) {
                let mut path = vec![here];
                while let Some(&before) = path.last().and_then(|last| came_from.get(last)) {
                    if path.last() == Some(&before) {
                        break;
                    }
                    path.push(before);
                }
                path.reverse();
                return Some(path);
            }
            for &next in &self.packages[here].needs {
                if let Entry::Vacant(unseen) = came_from.entry(next) {
                    unseen.insert(here);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// `a → b → c`.
    pub(super) fn show(&self, path: &[usize]) -> String {
        let names: Vec<&str> = path.iter().map(|&at| self.packages[at].name.as_str()).collect();
        names.join(" → ")
    }
}

fn member(root: &Path, path: &Path) -> anyhow::Result<Member> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    Ok(Member { path: relative, manifest: Manifest::parse(&text) })
}

/// True when `name` is `family` or one of its parts, as `arrow-array` is of `arrow`.
pub(super) fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

/// Graphs for tests: `"a 1.0 > b 2.0"` is a package that needs another; members have manifests.
#[cfg(test)]
pub(super) fn fixture(edges: &[&str], members: &[(&str, &str)]) -> Graph {
    let mut graph = Graph::default();
    let number = |graph: &mut Graph, text: &str| {
        let (name, version) = text.trim().split_once(' ').unwrap_or((text.trim(), "1.0.0"));
        let known = graph.packages.iter().position(|p| p.name == name && p.version == version);
        known.unwrap_or_else(|| {
            let member = members.iter().find(|(member, _)| *member == name);
            graph.packages.push(Package {
                name: name.to_owned(),
                version: version.to_owned(),
                needs: BTreeSet::new(),
                member: member.map(|(name, manifest)| Member {
                    path: format!("crates/{name}/Cargo.toml"),
                    manifest: Manifest::parse(manifest),
                }),
            });
            graph.packages.len() - 1
        })
    };
    for edge in edges {
        let mut names = edge.split('>');
        let from = number(&mut graph, names.next().unwrap_or_default());
        for name in names {
            let to = number(&mut graph, name);
            graph.packages[from].needs.insert(to);
        }
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_way_is_shown() {
        let graph = fixture(&["a > b > c", "b > d", "c > d", "d > e", "e > a"], &[]);
        let path = graph.path_to(0, |at| graph.packages[at].name == "e").unwrap();
        assert_eq!(graph.show(&path), "a → b → d → e");
        assert_eq!(graph.path_to(0, |at| graph.packages[at].name == "x"), None);
    }

    #[test]
    fn a_family_is_not_a_prefix() {
        assert!(is_of("arrow", "arrow") && is_of("arrow-array", "arrow"));
        assert!(!is_of("arrows", "arrow") && !is_of("narrow", "arrow"));
    }
}
