//! How lists are paged: everything once, to an end.

use std::collections::BTreeSet;

use serde_json::Value;

use super::table::{described, lines, parts};
use super::world::World;

const LISTS: &str = include_str!("lists.txt");

/// One line of the table.
#[derive(Debug)]
struct List {
    /// As the description names it.
    path: String,
    address: String,
    /// Its key, what the next page is asked with, what it is made longer by; `None` where it is bounded.
    pages: Option<[&'static str; 3]>,
}

impl List {
    fn read(line: &'static str) -> Self {
        let mut words = line.splitn(4, ' ');
        let (path, address) = parts(words.next().unwrap());
        let key = words.next().unwrap();
        let mut word = || words.next().unwrap_or_else(|| panic!("too few words: {line}"));
        let pages = match key {
            "bounded" => {
                assert!(word().len() > 1, "say why: {line}");
                None
            }
            _ => Some([key, word(), word()]),
        };
        Self { path, address, pages }
    }

    fn all() -> Vec<Self> {
        lines(LISTS).map(Self::read).collect()
    }
}

/// Whether an answer of `path` may hold a list, as the table has it.
pub(super) fn may_list(path: &str) -> bool {
    List::all().iter().any(|list| list.path == path)
}

/// The properties of a schema of `document`, those of its parts among them.
fn properties(schema: &Value, document: &Value) -> Vec<(String, Value)> {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        return properties(document.pointer(pointer).unwrap(), document);
    }
    let parts = ["allOf", "oneOf", "anyOf"].map(|key| schema[key].as_array());
    let mut found: Vec<(String, Value)> =
        parts.into_iter().flatten().flatten().flat_map(|part| properties(part, document)).collect();
    let own = schema["properties"].as_object().into_iter().flatten();
    found.extend(own.map(|(name, schema)| (name.clone(), schema.clone())));
    found
}

/// The lists in the answer of an operation, by their keys.
fn listed(operation: &Value, document: &Value) -> BTreeSet<String> {
    let answer = operation.pointer("/responses/200/content/application~1json/schema");
    let Some(schema) = answer else { return BTreeSet::new() };
    let is_list = |schema: &Value| {
        let kind = &schema["type"];
        kind == "array" || kind.as_array().is_some_and(|kinds| kinds.contains(&"array".into()))
    };
    if is_list(schema) {
        return BTreeSet::from([String::new()]);
    }
    let found = properties(schema, document).into_iter().filter(|(_, schema)| is_list(schema));
    found.map(|(name, _)| name).collect()
}

/// The most records of a page, where an operation has pages.
fn most(operation: &Value) -> Option<u64> {
    let parameters = operation["parameters"].as_array()?;
    let limit = parameters.iter().find(|parameter| parameter["name"] == "limit")?;
    limit["schema"]["maximum"].as_u64()
}

#[test]
fn every_list_is_paged_or_bounded() {
    let document: Value = serde_json::from_str(flyball_server::openapi()).unwrap();
    let known = List::all();
    let mut seen = BTreeSet::new();
    for list in &known {
        assert!(seen.insert(list.path.clone()), "{} is there twice", list.path);
    }
    for ((method, path), operation) in described() {
        if method != "GET" {
            continue;
        }
        let keys = listed(&operation, &document);
        let list = known.iter().find(|list| list.path == path);
        let Some(list) = list else {
            assert!(
                keys.is_empty(),
                "{path} lists {keys:?}: page it, and write it in routes/lists.txt"
            );
            continue;
        };
        let Some([key, cursor, _]) = list.pages else { continue };
        // Of what is flattened the description names no keys.
        assert!(keys.is_empty() || keys.contains(key), "{path} lists {keys:?}");
        assert!(most(&operation).is_some(), "{path} takes no `limit`");
        let parameters = operation["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|of| of["name"] == cursor), "{path} takes no `{cursor}`");
        let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        let names = properties(answer, &document);
        assert!(names.iter().any(|(name, _)| name == "next"), "{path} has no `next`");
    }
}

/// A value as it stands in a query.
fn coded(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.replace('+', "%2B").replace(' ', "%20").replace('&', "%26")
}

impl World {
    /// What is wrong with the pages of a list.
    async fn walk(&mut self, list: &List, most: u64) -> Result<(), String> {
        let [key, cursor, makes] = list.pages.unwrap();
        let own = self.ada.clone();
        for _ in 0..5 {
            if makes != "-" {
                self.make(makes, &own).await;
            }
        }
        let joint = if list.address.contains('?') { '&' } else { '?' };
        let page = async |query: String| {
            let request = self.request(&own, "GET", &format!("{}{joint}{query}", list.address));
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        };
        for wrong in ["0".to_owned(), (most + 1).to_string(), "-1".to_owned(), "many".to_owned()] {
            let (status, said) = page(format!("limit={wrong}")).await;
            if status != 400 {
                return Err(format!("limit={wrong}: {status} {said}"));
            }
        }
        let (status, whole) = page(format!("limit={most}")).await;
        let records = whole[key].as_array().cloned().unwrap_or_default();
        if status != 200 || !whole["next"].is_null() || records.len() < 3 {
            return Err(format!("{status}, {} records, next {}", records.len(), whole["next"]));
        }
        for limit in [1, 2] {
            let (mut walked, mut next, mut pages) = (Vec::new(), Value::Null, 0);
            loop {
                let from = if next.is_null() {
                    String::new()
                } else {
                    format!("&{cursor}={}", coded(&next))
                };
                let (status, said) = page(format!("limit={limit}{from}")).await;
                if status != 200 || pages > 2 * records.len() {
                    return Err(format!("page {pages} after {next}: {status} {said}"));
                }
                let found = said[key].as_array().unwrap();
                if found.len() > limit {
                    return Err(format!("{} records where {limit} was asked", found.len()));
                }
                walked.extend(found.iter().cloned());
                pages += 1;
                next = said["next"].clone();
                if next.is_null() {
                    break;
                }
            }
            if walked != records {
                let ids = |of: &[Value]| {
                    of.iter()
                        .map(|one| one.to_string().chars().take(90).collect())
                        .collect::<Vec<String>>()
                };
                return Err(format!(
                    "by {limit}: {:#?}\nbut at once {:#?}",
                    ids(&walked),
                    ids(&records)
                ));
            }
        }
        let distinct: BTreeSet<String> = records.iter().map(Value::to_string).collect();
        if distinct.len() == records.len() {
            Ok(())
        } else {
            Err("a record is there twice".to_owned())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_everything_once_and_come_to_an_end() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::start(home.path()).await;
    let described = described();
    let mut faults = Vec::new();
    for list in List::all().iter().filter(|list| list.pages.is_some()) {
        let operation = &described[&("GET".to_owned(), list.path.clone())];
        if let Err(fault) = world.walk(list, most(operation).unwrap()).await {
            faults.push(format!("{}: {fault}", list.address));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    world.site.running.server.stop().await;
}
