//! Every kind of document comes back from a server as it was applied, and applying it again changes nothing.
//!
//! Which kinds there are, and which fields each has, is what the program itself says when it is shown others: a new
//! one fails here until it is in `tests/documents`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use flyball_catalog::Catalog;
use flyball_spec::{Diagnostic, Source, load};
use serde_json::{Map, Value, json};

use crate::process::serve;
use crate::run::{Ran, directory, flyball};

/// What no document has.
const STRANGE: &str = "zzzzqq";

/// A kind of document: its `apiVersion` and its name.
type Kind = (String, String);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A file of the repository.
fn text(path: &str) -> String {
    std::fs::read_to_string(repository().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents that are kept for this, of the kinds whose fields are looked at one by one.
fn whole() -> Vec<Value> {
    let files = ["flyball.json", "openslo.json", "house.json"].map(|name| {
        let text = text(&format!("crates/flyball/tests/documents/{name}"));
        serde_json::from_str::<Vec<Value>>(&text).unwrap()
    });
    let test = text("crates/flyball/tests/documents/house.policytest");
    files.into_iter().flatten().chain([serde_json::from_str(&test).unwrap()]).collect()
}

/// Files that are applied together, by their names.
fn sets() -> Vec<BTreeMap<String, String>> {
    let own = ["flyball.json", "openslo.json", "house.json", "backstage.yaml", "v2alpha.yaml"];
    let own = own.map(|name| format!("crates/flyball/tests/documents/{name}"));
    let of = "crates/flyball-spec/tests/data/";
    let next = [
        "alert_conditions",
        "alert_notification_targets",
        "alert_policies",
        "data_sources",
        "services",
        "slis",
    ]
    .map(|name| format!("{of}openslo/files/go-sdk/v2alpha-examples/{name}.yaml"));
    let first = ["services", "slos"]
        .map(|name| format!("{of}openslo/files/go-sdk/v1alpha-examples/{name}.yaml"));
    let others = [
        "sloth/examples/getting-started.yml",
        "sloth/examples/k8s-home-wifi.yml",
        "sloth/windows/google-28d.yaml",
        "pyrra/nginx.yaml",
    ]
    .map(|name| format!("{of}{name}"));
    let mut shipped = vec!["examples/checkout.yaml".to_owned()];
    for directory in ["checklists", "policies", "costs", "custody"] {
        let directory = format!("crates/flyball-govern/{directory}");
        let files = std::fs::read_dir(repository().join(&directory)).unwrap();
        let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let files =
            files.filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "yaml"));
        shipped.extend(files.map(|name| format!("{directory}/{name}")));
    }
    let named = |paths: &[String]| {
        let files =
            paths.iter().map(|path| (path.rsplit('/').next().unwrap().to_owned(), text(path)));
        files.collect::<BTreeMap<_, _>>()
    };
    let page = text("docs/spec.md");
    let blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let spec = BTreeMap::from([("spec.yaml".to_owned(), blocks.collect::<Vec<_>>().join("---\n"))]);
    vec![named(&own), named(&next), named(&first), named(&others), named(&shipped), spec]
}

/// What `hint` lists after "one of".
fn listed(found: &[Diagnostic]) -> Vec<String> {
    let hints = found.iter().filter_map(|fault| fault.hint.as_deref()?.strip_prefix("one of "));
    hints.flat_map(|list| list.split(", ")).map(str::to_owned).collect()
}

/// What is said of one document.
fn said(document: &Value) -> Vec<Diagnostic> {
    load(&[Source::new("x.json", document.to_string())]).1
}

/// The kinds that the program reads, as it says itself.
fn kinds() -> BTreeSet<Kind> {
    let mut kinds = BTreeSet::new();
    for version in listed(&said(&json!({"apiVersion": STRANGE, "kind": STRANGE}))) {
        let strange = json!({"apiVersion": version, "kind": STRANGE, "metadata": {"name": "x"}});
        let found = listed(&said(&strange));
        // A catalogue has kinds that are left out.
        let found =
            if version.starts_with("backstage.io/") { vec!["Component".to_owned()] } else { found };
        assert!(!found.is_empty(), "{version} says no kinds");
        kinds.extend(found.into_iter().map(|kind| (version.clone(), kind)));
    }
    kinds
}

/// What the first line that begins with `key` says, in a document of any format.
fn said_first(text: &str, key: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim_start);
    let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// The kinds of the documents in a text.
fn held(text: &str) -> Vec<Kind> {
    if let Ok(list) = serde_json::from_str::<Vec<Value>>(text) {
        return list.iter().map(kind).collect();
    }
    // Some files hold a list of documents.
    let text = format!("\n{text}").replace("\n- apiVersion", "\n---\napiVersion");
    let documents = text.split("\n---");
    let kinds = documents
        .filter_map(|one| Some((said_first(one, "apiVersion")?, said_first(one, "kind")?)));
    kinds.collect()
}

/// The kind of a document.
fn kind(document: &Value) -> Kind {
    let of = |key: &str| document[key].as_str().unwrap().to_owned();
    (of("apiVersion"), of("kind"))
}

#[test]
fn every_kind_is_among_the_documents() {
    let mut seen: BTreeSet<Kind> =
        sets().iter().flat_map(BTreeMap::values).flat_map(|text| held(text)).collect();
    seen.extend(whole().iter().map(kind));
    // The same entities under an older name.
    seen.insert(("backstage.io/v1beta1".to_owned(), "Component".to_owned()));
    let missing: Vec<Kind> = kinds().difference(&seen).cloned().collect();
    assert!(
        missing.is_empty(),
        "write these down with every field, in tests/documents: {missing:?}"
    );
}

/// Every object of `value`, by its path without numbers, with what leads to it.
fn objects(value: &Value, path: &str, pointer: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            found.push((path.to_owned(), pointer.to_owned()));
            for (name, inner) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                objects(inner, &path, &format!("{pointer}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (at, inner) in items.iter().enumerate() {
                objects(inner, &format!("{path}[]"), &format!("{pointer}/{at}"), found);
            }
        }
        _ => {}
    }
}

/// The names in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The fields that are said to be known where a strange one stands; `None` where any may stand.
fn known(document: &Value) -> Option<Vec<String>> {
    if document["kind"] == "PolicyTest" {
        let home = directory(&[("x.policytest", document.to_string().as_bytes())]);
        let Ran { out, err, .. } = flyball(home.path(), &["policy", "test", "x.policytest"]);
        let told = out + &err;
        let (_, rest) = told.split_once(&format!("unknown field `{STRANGE}`, expected "))?;
        return Some(quoted(rest.lines().next()?).collect());
    }
    let sources = [Source::new("x.json", document.to_string())];
    let found = match Catalog::load(&sources) {
        Ok((_, found)) | Err(found) => found,
    };
    let fault = found.iter().find(|fault| fault.path.ends_with(STRANGE))?;
    if let Some((_, list)) = fault.message.split_once("expected ") {
        return Some(quoted(list).collect());
    }
    let list = fault.hint.as_deref()?.strip_prefix("known here: ")?;
    Some(list.split(", ").map(str::to_owned).collect())
}

#[test]
fn every_field_of_every_kind_is_written_somewhere() {
    // What a document says of itself is looked at, and not what another refers to.
    let mut used: BTreeMap<(Kind, String), BTreeSet<String>> = BTreeMap::new();
    let mut expected: BTreeMap<(Kind, String), BTreeSet<String>> = BTreeMap::new();
    for document in &whole() {
        let kind = kind(document);
        let mut found = Vec::new();
        objects(document, "", "", &mut found);
        for (path, pointer) in found {
            let key = (kind.clone(), path);
            let fields = document.pointer(&pointer).unwrap().as_object().unwrap();
            used.entry(key.clone()).or_default().extend(fields.keys().cloned());
            let mut strange = document.clone();
            let own = Map::from_iter([(STRANGE.to_owned(), json!(1))]);
            let place = strange.pointer_mut(&pointer).unwrap();
            let inner = std::mem::take(place).as_object().unwrap().clone();
            *place = Value::Object(own.into_iter().chain(inner).collect());
            expected.entry(key).or_default().extend(known(&strange).unwrap_or_default());
        }
    }
    let missing = expected.iter().filter_map(|(key, fields)| {
        let missing: Vec<&String> = fields.difference(&used[key]).collect();
        (!missing.is_empty()).then(|| format!("{key:?}: {missing:?}"))
    });
    let missing: Vec<String> = missing.collect();
    let looked_at = expected.values().filter(|fields| !fields.is_empty()).count();
    assert!(looked_at > 100, "only {looked_at} places say what is known there");
    assert!(missing.is_empty(), "no document in tests/documents has\n{}", missing.join("\n"));
}

fn ok(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out
}

/// The applied files of a server, by name, as `flyball get` prints them; and their revision.
fn exported(at: &Path, url: &str) -> (BTreeMap<String, String>, u64) {
    let get = ["get", "definitions", "--server", url];
    let listed = flyball(at, &[&get[..], &["-o", "json"]].concat()).json();
    let files = listed["files"].as_array().unwrap().iter().map(|file| {
        let name = file["name"].as_str().unwrap();
        (name.to_owned(), ok(flyball(at, &[&get[..2], &[name], &get[2..]].concat())))
    });
    (files.collect(), listed["revision"].as_u64().unwrap())
}

/// What a plan would change, line by line.
fn changes(plan: &str) -> Vec<&str> {
    plan.lines().filter(|line| line.starts_with(['+', '~', '-'])).collect()
}

#[test]
fn what_is_applied_comes_back_as_it_was_and_is_no_change() {
    for set in sets() {
        let names: Vec<&String> = set.keys().collect();
        let home = directory(&[]);
        let (mine, theirs) = (home.path().join("mine"), home.path().join("theirs"));
        let write = |at: &Path, files: &BTreeMap<String, String>| {
            std::fs::create_dir_all(at).unwrap();
            for (name, text) in files {
                std::fs::write(at.join(name), text).unwrap();
            }
        };
        write(&mine, &set);
        let (first, url) = serve(home.path(), "127.0.0.1:0", &[]);
        let apply =
            |at: &Path, url: &str| ok(flyball(at, &["apply", "-f", ".", "--yes", "--server", url]));
        assert!(!changes(&apply(&mine, &url)).is_empty() || names.len() == 1, "{names:?}");
        let (back, revision) = exported(&mine, &url);
        assert_eq!(back, set, "{names:?}");

        // As it came back, and written anew, it changes nothing.
        write(&theirs, &back);
        let plan = ok(flyball(&theirs, &["apply", "-f", ".", "--dry-run", "--server", &url]));
        assert_eq!(changes(&plan), [""; 0], "{plan}");
        assert_eq!(changes(&apply(&theirs, &url)), [""; 0]);
        assert_eq!(exported(&mine, &url), (back.clone(), revision));
        first.stop();

        std::fs::remove_dir_all(home.path().join("data")).unwrap();
        let (second, url) = serve(home.path(), "127.0.0.1:0", &[]);
        apply(&theirs, &url);
        assert_eq!(exported(&theirs, &url).0, set, "{names:?}");
        second.stop();
    }
}

#[test]
fn a_test_of_a_policy_is_for_the_command_alone() {
    let home = directory(&[]);
    for name in ["house.json", "house.policytest"] {
        let from = repository().join("crates/flyball/tests/documents").join(name);
        std::fs::copy(from, home.path().join(name)).unwrap();
    }
    ok(flyball(home.path(), &["policy", "test", "house.policytest"]));
    std::fs::rename(home.path().join("house.policytest"), home.path().join("test.yaml")).unwrap();
    let (_server, url) = serve(home.path(), "127.0.0.1:0", &[]);
    let ran = flyball(home.path(), &["apply", "-f", "test.yaml", "--yes", "--server", &url]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("`flyball policy test` runs them"), "{}", ran.err);
}
