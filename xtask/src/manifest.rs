//! Just enough of `Cargo.toml` to find a key and the line it stands on.
//!
//! Cargo has already judged the file; what `cargo metadata` does not tell is where things stand
//! and which lints are inherited. Tables are read line by line; values over several lines count
//! with their first.

/// A manifest as its keys, in order.
#[derive(Debug)]
pub(crate) struct Manifest {
    keys: Vec<Key>,
}

/// One `key = value` or dotted key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The table it is in, such as `dependencies`; empty before the first table.
    pub(crate) table: String,
    /// The key as written, such as `arrow` or `arrow.workspace`.
    pub(crate) name: String,
    /// What follows the `=`, trimmed.
    pub(crate) value: String,
    /// From 1.
    pub(crate) line: usize,
}

impl Manifest {
    /// Reads the text of a manifest.
    pub(crate) fn parse(text: &str) -> Self {
        let mut table = String::new();
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                name.trim_start_matches('[').trim().clone_into(&mut table);
            } else if let Some((name, value)) = line.split_once('=') {
                keys.push(Key {
                    table: table.clone(),
                    name: name.trim().trim_matches('"').to_owned(),
                    value: value.trim().to_owned(),
                    line: index + 1,
                });
            }
        }
        Self { keys }
    }

    /// The keys of one table.
    pub(crate) fn table<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Key> {
        self.keys.iter().filter(move |key| key.table == table)
    }

    /// True when `dependency` is among the dependencies of any kind.
    pub(crate) fn takes(&self, dependency: &str) -> bool {
        self.dependency(dependency).is_some()
    }

    /// The line on which `dependency` is declared; 1 when it is not found.
    pub(crate) fn dependency_line(&self, dependency: &str) -> usize {
        self.dependency(dependency).map_or(1, |key| key.line)
    }

    fn dependency(&self, name: &str) -> Option<&Key> {
        self.keys
            .iter()
            .filter(|key| key.table.ends_with("dependencies"))
            .find(|key| key.name.split('.').next() == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_with_their_table_and_line() {
        let manifest = Manifest::parse(
            "[package]\nname = \"a\"\n\n# tokio = \"1\"\n[dependencies]\narrow.workspace = true\n\
             tokio = { version = \"1\" }\n",
        );
        assert_eq!(manifest.dependency_line("tokio"), 7);
        assert_eq!(manifest.dependency_line("arrow"), 6);
        assert_eq!(manifest.dependency_line("absent"), 1);
        let names: Vec<_> = manifest.table("dependencies").map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["arrow.workspace", "tokio"]);
        assert_eq!(manifest.table("package").next().unwrap().value, "\"a\"");
    }
}
