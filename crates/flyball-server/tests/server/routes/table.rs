//! The routes, as the table and the description of the API have them.

use std::collections::{BTreeMap, BTreeSet};

use flyball_server::{Role, Scope, openapi};
use serde_json::Value;

const TABLE: &str = include_str!("table.txt");

/// What a route is about: which services a role must be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// No service.
    Server,
    /// Every service.
    All,
    /// The shop, which everybody may know to be there.
    Own,
    /// The shop, which is not there for others.
    Hidden,
    /// What of the shop the caller may see or change.
    Filtered,
    /// The sender of a message, whoever they show that they are.
    Signed,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Everybody.
    Anybody,
    /// Tokens of the scope; people of the role, or all who have logged in.
    Some(Scope, Option<Role>),
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    /// As the description names it.
    pub(super) path: String,
    /// As it is asked for; `$names` are to be filled in.
    pub(super) address: String,
    pub(super) asks: Asks,
    pub(super) place: Place,
    /// What the least of those who may are answered.
    pub(super) status: u16,
    /// The action in the audit log.
    pub(super) record: Option<&'static str>,
    pub(super) body: Option<&'static str>,
}

/// The path of an address, and the address without the names of its parts.
pub(super) fn parts(written: &str) -> (String, String) {
    let (mut path, mut address, mut rest) = (String::new(), String::new(), written);
    while let Some((before, after)) = rest.split_once('{') {
        let (inner, after) = after.split_once('}').unwrap();
        let (name, value) = inner.split_once('=').unwrap();
        path.extend([before, "{", name, "}"]);
        address.extend([before, value]);
        rest = after;
    }
    let last = rest.split('?').next().unwrap();
    (path + last, address + rest)
}

/// The lines of a table without comments.
pub(super) fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

impl Route {
    fn read(line: &'static str) -> Self {
        let mut words = line.splitn(8, ' ');
        let mut word = || words.next().unwrap_or_else(|| panic!("too few words: {line}"));
        let (method, (path, address)) = (word(), parts(word()));
        let asks = match (word(), word()) {
            ("open", "open") => Asks::Anybody,
            (scope, "anybody") => Asks::Some(Scope::named(scope).unwrap(), None),
            (scope, role) => {
                Asks::Some(Scope::named(scope).unwrap(), Some(Role::named(role).unwrap()))
            }
        };
        let place = match word() {
            "server" => Place::Server,
            "all" => Place::All,
            "own" => Place::Own,
            "hidden" => Place::Hidden,
            "filtered" => Place::Filtered,
            "signed" => Place::Signed,
            other => panic!("`{other}` is no place: {line}"),
        };
        let (status, record) = (word().parse().unwrap(), word());
        let record = (record != "-").then_some(record);
        Self { method, path, address, asks, place, status, record, body: words.next() }
    }

    /// The table.
    pub(super) fn all() -> Vec<Self> {
        lines(TABLE).map(Self::read).collect()
    }
}

/// What a description says that an operation needs.
fn said(operation: &Value) -> Asks {
    let needs = operation["security"].as_array().unwrap();
    let of = |scheme: &str| needs.iter().find_map(|one| one.get(scheme)?.as_array());
    let Some(scopes) = of("token") else { return Asks::Anybody };
    let role = of("session").unwrap().first().and_then(Value::as_str);
    let scope = Scope::named(scopes[0].as_str().unwrap()).unwrap();
    Asks::Some(scope, role.map(|role| Role::named(role).unwrap()))
}

/// The operations of the description by method and path.
pub(super) fn described() -> BTreeMap<(String, String), Value> {
    let document: Value = serde_json::from_str(openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| {
            ((method.to_ascii_uppercase(), path.clone()), operation.clone())
        })
    });
    operations.collect()
}

#[test]
fn every_route_is_in_the_table_once_with_what_its_description_says() {
    let described = described();
    let mut seen = BTreeSet::new();
    for route in Route::all() {
        let key = (route.method.to_owned(), route.path.clone());
        let operation = described.get(&key).unwrap_or_else(|| panic!("{key:?} is no route"));
        assert_eq!(said(operation), route.asks, "{key:?}");
        let answers = operation["responses"].as_object().unwrap();
        assert!(answers.contains_key(&route.status.to_string()), "{key:?}: {}", route.status);
        let changes = route.method != "GET";
        assert!(changes || route.record.is_none(), "{key:?}: looking is not recorded");
        assert!(seen.insert(key), "{} {} is there twice", route.method, route.path);
    }
    let missing: Vec<_> = described.keys().filter(|key| !seen.contains(key)).collect();
    assert!(missing.is_empty(), "write down who may ask these, in routes/table.txt: {missing:?}");
}

#[test]
fn every_action_that_is_recorded_is_documented() {
    let page = include_str!("../../../../../docs/format/control-v1.md");
    let is_told = |action: &&str| !page.contains(&format!("`{action}`"));
    let actions: BTreeSet<&str> = Route::all().iter().filter_map(|route| route.record).collect();
    let missing: Vec<&str> = actions.into_iter().filter(is_told).collect();
    assert!(missing.is_empty(), "docs/format/control-v1.md says nothing of {missing:?}");
}
