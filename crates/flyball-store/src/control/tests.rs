//! The control state against plain maps, and its audit log against people who change it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::hex;

fn open(path: &Path) -> Control {
    Control::open(&DataDirectory::open(path).unwrap()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn document(name: &str, text: &str) -> NewDocument {
    let (kind, origin) = ("SLO".to_owned(), "git".to_owned());
    NewDocument { kind, name: name.to_owned(), text: text.to_owned(), origin }
}

fn token(id: &str, hash: u8) -> NewToken {
    NewToken {
        id: id.to_owned(),
        name: "CI of the shop".to_owned(),
        hash: [hash; 32],
        scopes: vec!["ingest".to_owned(), "with \"quotes\"".to_owned()],
        services: Vec::new(),
        role: None,
        functions: Vec::new(),
        person: None,
        made_by: None,
        expires: Some(at(99)),
    }
}

/// The canonical encoding of `docs/format/control-v1.md`, put together here a second time.
fn naive_hash(record: &AuditRecord) -> [u8; 32] {
    let mut bytes = b"flyball.dev/audit/v1\n".to_vec();
    bytes.extend((0..8).map(|at| u8::try_from(record.number >> (8 * at) & 0xff).unwrap()));
    bytes.extend((0..8).map(|at| u8::try_from(record.at.nanos() >> (8 * at) & 0xff).unwrap()));
    for text in [&record.actor, &record.action, &record.target, &record.detail] {
        let length = text.len();
        bytes.extend((0..8).map(|at| u8::try_from(length >> (8 * at) & 0xff).unwrap()));
        bytes.extend(text.bytes());
    }
    bytes.extend(record.previous);
    Sha256::digest(&bytes).into()
}

proptest! {
    // Every change waits for the disk.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn documents_are_a_map_with_a_revision(
        changes in proptest::collection::vec(
            (
                proptest::collection::btree_map("[ab]", "[xy]", 0..2),
                proptest::collection::btree_set("[cd]", 0..2),
                any::<bool>(),
            ),
            1..8,
        ),
    ) {
        let directory = TempDir::new().unwrap();
        let mut control = open(directory.path());
        let mut map: BTreeMap<String, (String, i64)> = BTreeMap::new();
        let mut revision = 0;
        let mut records = 0;
        for (time, (upserts, removals, swaps)) in (1_i64..).zip(changes) {
            // So that what one change adds another removes.
            let other = |name: &String| match (name.as_str(), swaps) {
                ("a", true) => "c".to_owned(),
                ("c", true) => "a".to_owned(),
                _ => name.clone(),
            };
            let change = Change {
                upserts: upserts.iter().map(|(name, text)| document(&other(name), text)).collect(),
                removals: removals.iter().map(|name| ("SLO".to_owned(), other(name))).collect(),
            };
            let before = records;
            for name in &removals {
                records += usize::from(map.remove(&other(name)).is_some());
            }
            for (name, text) in &upserts {
                if map.get(&other(name)).is_none_or(|(present, _)| present != text) {
                    map.insert(other(name), (text.clone(), time));
                    records += 1;
                }
            }
            revision += u64::from(records > before);
            prop_assert_eq!(control.apply(&change, "ann", at(time)).unwrap(), revision);
        }
        drop(control);
        let control = open(directory.path());
        let documents = map
            .into_iter()
            .map(|(name, (text, time))| {
                let NewDocument { kind, name, text, origin } = document(&name, &text);
                let (applied_at, applied_by) = (at(time), "ann".to_owned());
                Document { kind, name, text, origin, applied_at, applied_by }
            })
            .collect();
        prop_assert_eq!(control.documents().unwrap(), Documents { revision, documents });
        prop_assert_eq!(control.verify_audit().unwrap().records, records as u64);
    }
}

#[test]
fn a_change_that_cannot_be_meant_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let mut control = open(directory.path());
    let upserts = |documents: Vec<NewDocument>| Change { upserts: documents, removals: Vec::new() };
    let good = document("a", "x");
    control.apply(&upserts(vec![good.clone()]), "ann", at(1)).unwrap();
    let before = (control.documents().unwrap(), control.verify_audit().unwrap());
    let other = document("b", "x");
    let both =
        Change { upserts: vec![other.clone()], removals: vec![("SLO".to_owned(), "b".to_owned())] };
    let long = "ü".repeat(CONTROL_TEXT_MAX + 1);
    for (change, actor, why) in [
        (both, "ann", "the document `SLO/b` is named twice in one change"),
        (upserts(vec![other.clone(), document("", "x")]), "ann", "must not be empty"),
        (
            upserts(vec![other.clone(), document(&long, "x")]),
            "ann",
            "of 1025 characters is more than",
        ),
        (upserts(vec![document("b", &"x".repeat(DOCUMENT_BYTES_MAX + 1))]), "ann", "a document of"),
        (upserts(vec![other.clone()]), "", "an actor"),
    ] {
        let error = control.apply(&change, actor, at(2)).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    control.insert_token(&token("t1", 1), "ann", at(1)).unwrap();
    for (token, why) in [
        (token("t1", 2), "a token `t1` is there already"),
        (token("t2", 1), "a token `t2` is there already"),
        (NewToken { services: vec![String::new()], ..token("t3", 3) }, "a service"),
        (NewToken { scopes: vec!["s".to_owned(); 257], ..token("t3", 3) }, "more than the 256"),
    ] {
        let error = control.insert_token(&token, "ann", at(2)).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let everywhere_by_mistake = Grant {
        subject: "ann".to_owned(),
        service: Some(String::new()),
        role: "admin".to_owned(),
        functions: Vec::new(),
    };
    assert!(control.set_grant(&everywhere_by_mistake, "ann", at(2)).is_err());
    assert!(control.remove_grant("ann", Some(""), "ann", at(2)).is_err());
    assert_eq!(control.documents().unwrap(), before.0);
    assert_eq!(control.verify_audit().unwrap().records, before.1.records + 1, "the token t1");
    assert_eq!((control.tokens().unwrap().len(), control.grants().unwrap()), (1, Vec::new()));
}

#[test]
fn tokens_are_found_by_digest_and_revoked_once() {
    let directory = TempDir::new().unwrap();
    let mut control = open(directory.path());
    let second = NewToken {
        role: Some("editor".to_owned()),
        functions: vec!["security".to_owned()],
        expires: None,
        services: vec!["shop".to_owned()],
        ..token("b", 2)
    };
    control.insert_token(&token("z", 1), "ann", at(1)).unwrap();
    control.insert_token(&second, "ann", at(2)).unwrap();
    assert!(control.revoke_token("b", "bob", at(3)).unwrap());
    assert!(!control.revoke_token("b", "bob", at(4)).unwrap());
    assert!(!control.revoke_token("no such token", "bob", at(4)).unwrap());
    drop(control);
    let control = open(directory.path());
    let of = |new: NewToken, created, revoked_at| {
        let NewToken {
            id,
            name,
            hash,
            scopes,
            services,
            role,
            functions,
            person,
            made_by,
            expires,
        } = new;
        Token {
            id,
            name,
            hash,
            scopes,
            services,
            role,
            functions,
            person,
            made_by,
            created,
            expires,
            revoked_at,
        }
    };
    let expected = [of(token("z", 1), at(1), None), of(second, at(2), Some(at(3)))];
    assert_eq!(control.tokens().unwrap(), expected);
    assert_eq!(control.token_by_hash(&[2; 32]).unwrap().as_ref(), Some(&expected[1]));
    assert_eq!(control.token_by_hash(&[3; 32]).unwrap(), None);
    let actions: Vec<_> =
        control.audit(0, 9).unwrap().into_iter().map(|r| (r.actor, r.action, r.target)).collect();
    let action = |actor: &str, action: &str, target: &str| {
        (actor.to_owned(), action.to_owned(), target.to_owned())
    };
    let created = |target| action("ann", "token.create", target);
    assert_eq!(actions, [created("z"), created("b"), action("bob", "token.revoke", "b")]);
}

#[test]
fn a_subject_has_one_role_for_each_service_and_one_for_all() {
    let directory = TempDir::new().unwrap();
    let mut control = open(directory.path());
    let grant = |service: Option<&str>, role: &str| Grant {
        subject: "ann@example.com".to_owned(),
        service: service.map(str::to_owned),
        role: role.to_owned(),
        functions: Vec::new(),
    };
    assert!(control.set_grant(&grant(Some("shop"), "editor"), "root", at(1)).unwrap());
    assert!(!control.set_grant(&grant(Some("shop"), "editor"), "root", at(2)).unwrap());
    assert!(control.set_grant(&grant(None, "viewer"), "root", at(3)).unwrap());
    let owner = Grant { functions: vec!["security".to_owned()], ..grant(Some("shop"), "owner") };
    assert!(control.set_grant(&grant(Some("shop"), "owner"), "root", at(4)).unwrap());
    assert!(control.set_grant(&owner, "root", at(4)).unwrap(), "it acts as another");
    assert!(!control.set_grant(&owner, "root", at(4)).unwrap());
    assert_eq!(control.grants().unwrap(), [grant(None, "viewer"), owner.clone()]);
    assert!(control.remove_grant("ann@example.com", None, "root", at(5)).unwrap());
    assert!(!control.remove_grant("ann@example.com", None, "root", at(6)).unwrap());
    drop(control);
    let control = open(directory.path());
    assert_eq!(control.grants().unwrap(), [owner]);
    let details: Vec<_> = control.audit(1, 9).unwrap().into_iter().map(|r| r.detail).collect();
    assert_eq!(
        details,
        [
            r#"{"service":null,"role":"viewer","as":[],"replaces":null}"#,
            r#"{"service":"shop","role":"owner","as":[],"replaces":"editor","replaces_as":[]}"#,
            r#"{"service":"shop","role":"owner","as":["security"],"replaces":"owner","replaces_as":[]}"#,
            r#"{"service":null,"role":"viewer","as":[]}"#,
        ]
    );
}

fn ann() -> Identity {
    Identity {
        issuer: "https://id.example".to_owned(),
        subject: "0001".to_owned(),
        email: Some("ann@example.com".to_owned()),
        name: None,
        groups: vec!["sre \"one\"".to_owned()],
    }
}

fn session(number: u8) -> NewSession {
    let id = format!("s{number}");
    NewSession { id, hash: [number; 32], expires: at(1_000), idle_since: at(0) }
}

#[test]
fn a_person_is_as_their_last_login_says_and_keeps_their_newest_sessions() {
    let directory = TempDir::new().unwrap();
    let mut control = open(directory.path());
    control.begin_session(&ann(), &session(1), "person:0001", at(1)).unwrap();
    let other = Identity { issuer: "https://other.example".to_owned(), ..ann() };
    control.begin_session(&other, &session(2), "person:0001", at(2)).unwrap();
    let later = Identity { email: None, groups: Vec::new(), ..ann() };
    for number in 3..20 {
        let at = at(i64::from(number));
        control.begin_session(&later, &session(number), "person:0001", at).unwrap();
    }
    let taken = control.begin_session(&ann(), &session(19), "person:0001", at(20)).unwrap_err();
    assert!(matches!(taken, StoreError::Exists { .. }), "{taken}");
    drop(control);
    let mut control = open(directory.path());
    let people = control.people().unwrap();
    assert_eq!(people, [Person { id: 1, identity: later }, Person { id: 2, identity: other }]);
    let ids = |control: &Control| -> Vec<String> {
        control.sessions().unwrap().into_iter().map(|session| session.id).collect()
    };
    let kept: Vec<String> = [2].into_iter().chain(4..20).map(|n| format!("s{n}")).collect();
    assert_eq!(ids(&control), kept);

    // What is over goes when somebody comes.
    control.see_session("s7", at(500)).unwrap();
    let new = NewSession { idle_since: at(400), ..session(21) };
    control.begin_session(&ann(), &new, "person:0001", at(600)).unwrap();
    assert_eq!(ids(&control), ["s7", "s21"]);
    let new = NewSession { expires: at(2_000), ..session(22) };
    control.begin_session(&ann(), &new, "person:0001", at(1_000)).unwrap();
    assert_eq!(ids(&control), ["s22"]);
    assert!(control.end_session("s22", "person:0001", at(1_001)).unwrap());
    assert!(!control.end_session("s22", "person:0001", at(1_001)).unwrap());
    assert!(control.people().unwrap().is_empty(), "nobody has a session or a token");
    let last = control.audit(0, 99).unwrap().pop().unwrap();
    assert_eq!((last.action.as_str(), last.target.as_str()), ("session.end", "s22"));
}

#[test]
fn who_is_expelled_has_neither_sessions_nor_tokens() {
    let directory = TempDir::new().unwrap();
    let mut control = open(directory.path());
    control.begin_session(&ann(), &session(1), "person:0001", at(1)).unwrap();
    let bob = Identity { subject: "0002".to_owned(), ..ann() };
    control.begin_session(&bob, &session(2), "person:0002", at(1)).unwrap();
    for (id, person, made_by) in [
        ("a", Some(1), Some(1)),
        ("b", Some(2), Some(2)),
        ("c", None, None),
        ("d", None, Some(1)),
        ("e", None, Some(2)),
    ] {
        let hash = id.as_bytes()[0];
        let new = NewToken { person, made_by, ..token(id, hash) };
        control.insert_token(&new, "person:0001", at(2)).unwrap();
    }
    assert_eq!(control.expel("0001", "root", at(3)).unwrap(), 3);
    assert_eq!(control.expel("0001", "root", at(4)).unwrap(), 0);
    assert_eq!(control.sessions().unwrap()[0].id, "s2");
    let revoked = control.tokens().unwrap().into_iter().filter(|one| one.revoked_at.is_some());
    assert_eq!(revoked.map(|one| one.id).collect::<Vec<_>>(), ["a", "d"]);
    let records = control.audit(7, 9).unwrap();
    let said: Vec<_> = records.iter().map(|r| (r.action.as_str(), r.target.as_str())).collect();
    assert_eq!(said, [("session.end", "s1"), ("token.revoke", "a"), ("token.revoke", "d")]);
    control.verify_audit().unwrap();
    // Who has only made a token is still known.
    assert!(control.end_session("s2", "root", at(5)).unwrap());
    assert_eq!(control.people().unwrap().len(), 2);
}

#[test]
fn makers_of_before_they_were_noted_are_those_of_the_audit_log() {
    let directory = TempDir::new().unwrap();
    let before = sqlite::Schema { steps: &schema::TABLES.steps[..2], ..schema::TABLES };
    let old = sqlite::open(&directory.path().join(FILE), &before).unwrap();
    old.execute_batch(
        "INSERT INTO people (id, issuer, subject, groups) VALUES
             (1, 'first', 'ann', '[]'), (2, 'second', 'ann', '[]'), (3, 'first', 'bob', '[]');
         INSERT INTO tokens (id, name, hash, scopes, services, created, person) VALUES
             ('a', 'of a machine', randomblob(32), '[]', '[]', 1, NULL),
             ('b', 'of nobody', randomblob(32), '[]', '[]', 2, NULL),
             ('c', 'of a person', randomblob(32), '[]', '[]', 3, 3);
         INSERT INTO audit (number, at, actor, action, target, detail, previous, hash) VALUES
             (1, 1, 'person:ann', 'token.create', 'a', '{}', zeroblob(32), zeroblob(32)),
             (2, 2, 'token:x', 'token.create', 'b', '{}', zeroblob(32), zeroblob(32)),
             (3, 3, 'person:bob', 'token.create', 'c', '{}', zeroblob(32), zeroblob(32)),
             (4, 4, 'person:bob', 'token.revoke', 'a', '{}', zeroblob(32), zeroblob(32));",
    )
    .unwrap();
    drop(old);
    let tokens = open(directory.path()).tokens().unwrap();
    let makers: Vec<Option<i64>> = tokens.iter().map(|token| token.made_by).collect();
    assert_eq!(makers, [Some(1), None, Some(3)]);
}

#[test]
fn a_file_of_before_there_were_people_is_brought_up_to_date() {
    let directory = TempDir::new().unwrap();
    let before = sqlite::Schema { steps: &schema::TABLES.steps[..1], ..schema::TABLES };
    let path = directory.path().join(FILE);
    let old = sqlite::open(&path, &before).unwrap();
    old.execute_batch(
        "INSERT INTO tokens (id, name, hash, scopes, services, created)
         VALUES ('t', 'old', zeroblob(32), '[]', '[]', 7)",
    )
    .unwrap();
    drop(old);
    let control = open(directory.path());
    assert_eq!(control.tokens().unwrap()[0].person, None);
    assert_eq!((control.people().unwrap(), control.sessions().unwrap()), (Vec::new(), Vec::new()));
}

#[test]
fn tables_are_bounded() {
    let directory = TempDir::new().unwrap();
    let mut control = open(directory.path());
    let fill = |table: &str, values: &str| {
        format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
             INSERT INTO {table} SELECT {values} FROM n;"
        )
    };
    let sql = [
        fill("grants", "'user ' || n, '', 'viewer', '[]'"),
        fill("documents", "'SLO', 'd' || n, '', '', 0, 'ann'"),
        fill(
            "tokens (id, name, hash, scopes, services, created)",
            "n, '', randomblob(32), '[]', '[]', 0",
        ),
    ];
    control.connection.execute_batch(&sql.concat()).unwrap();
    let grant = |subject: &str| Grant {
        subject: subject.to_owned(),
        service: None,
        role: "editor".to_owned(),
        functions: Vec::new(),
    };
    assert!(control.set_grant(&grant("user 7"), "root", at(1)).unwrap());
    let change = |name: &str| Change { upserts: vec![document(name, "x")], removals: Vec::new() };
    assert_eq!(control.apply(&change("d7"), "root", at(1)).unwrap(), 1);
    for error in [
        control.set_grant(&grant("user"), "root", at(1)).unwrap_err(),
        control.apply(&change("d"), "root", at(1)).unwrap_err(),
        control.insert_token(&token("t", 1), "root", at(1)).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::TooMany { most: CONTROL_ROWS_MAX, .. }), "{error}");
    }
    assert_eq!((control.revision().unwrap(), control.verify_audit().unwrap().records), (1, 2));
}

/// A log of six records, closed.
fn with_log(path: &Path) -> AuditChecked {
    let mut control = open(path);
    for number in 1..=6 {
        control.insert_token(&token(&format!("t{number}"), number), "ann", at(5)).unwrap();
    }
    control.verify_audit().unwrap()
}

/// Changes the log behind its back, as somebody who may write the file can.
fn meddle(path: &Path, sql: &str) {
    let connection = Connection::open(path.join(FILE)).unwrap();
    let open = "DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted;";
    connection.execute_batch(&format!("{open}{sql}")).unwrap();
}

#[test]
fn every_way_to_change_the_log_is_found_at_its_first_record() {
    let columns = "at, actor, action, target, detail, previous, hash";
    let insert = format!(
        "UPDATE audit SET number = number + 100 WHERE number > 2;
         UPDATE audit SET number = number - 99 WHERE number > 100;
         INSERT INTO audit (number, {columns}) SELECT 3, {columns} FROM audit WHERE number = 4;"
    );
    for (sql, number, what) in [
        ("UPDATE audit SET actor = 'bob' WHERE number = 3", 3, "its hash does not fit"),
        ("UPDATE audit SET at = at + 1 WHERE number = 1", 1, "its hash does not fit"),
        ("UPDATE audit SET actor = 'an', action = 'n' || action WHERE number = 4", 4, "its hash"),
        ("UPDATE audit SET hash = zeroblob(32) WHERE number = 6", 6, "its hash does not fit"),
        ("UPDATE audit SET previous = zeroblob(32) WHERE number = 2", 2, "it does not follow"),
        ("DELETE FROM audit WHERE number = 3", 3, "it is missing"),
        ("DELETE FROM audit WHERE number = 1", 1, "it is missing"),
        (
            "DELETE FROM audit WHERE number = 3;
             UPDATE audit SET number = number - 1 WHERE number > 3",
            3,
            "it does not follow the record before it",
        ),
        (
            "UPDATE audit SET number = 103 WHERE number = 3;
             UPDATE audit SET number = 3 WHERE number = 4;
             UPDATE audit SET number = 4 WHERE number = 103",
            3,
            "it does not follow the record before it",
        ),
        (insert.as_str(), 4, "it does not follow the record before it"),
    ] {
        let directory = TempDir::new().unwrap();
        with_log(directory.path());
        meddle(directory.path(), sql);
        let error = open(directory.path()).verify_audit().unwrap_err();
        let StoreError::AuditBroken { number: found, .. } = &error else { panic!("{error}") };
        assert_eq!(*found, number, "{sql}: {error}");
        assert!(error.to_string().contains(what), "{sql}: {error}");
    }
}

#[test]
fn newest_records_that_were_cut_off_are_missed_by_a_head_noted_elsewhere() {
    let directory = TempDir::new().unwrap();
    let noted = with_log(directory.path()).head;
    let control = open(directory.path());
    assert_eq!(control.audit(noted.number - 1, 1).unwrap()[0].hash, noted.hash);
    drop(control);
    meddle(directory.path(), "DELETE FROM audit WHERE number > 4");
    let control = open(directory.path());
    // The chain alone cannot tell.
    assert_eq!(control.verify_audit().unwrap().records, 4);
    assert_eq!(control.audit(noted.number - 1, 1).unwrap(), []);
}

#[test]
fn the_table_itself_takes_no_changes() {
    let directory = TempDir::new().unwrap();
    with_log(directory.path());
    let connection = Connection::open(directory.path().join(FILE)).unwrap();
    for sql in ["UPDATE audit SET actor = 'bob'", "DELETE FROM audit WHERE number = 6"] {
        let error = connection.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("the audit log is only appended to"), "{error}");
    }
}

#[test]
fn records_are_hashed_as_the_page_says() {
    const PAGE: &str = include_str!("../../../../docs/format/control-v1.md");
    let directory = TempDir::new().unwrap();
    let empty = open(directory.path()).verify_audit().unwrap();
    assert_eq!(empty, AuditChecked { records: 0, head: AuditHead { number: 0, hash: [0; 32] } });
    let mut control = open(directory.path());
    let grant = Grant {
        subject: "ann@example.com".to_owned(),
        service: None,
        role: "viewer".to_owned(),
        functions: Vec::new(),
    };
    control.set_grant(&grant, "root", at(1_795_262_400)).unwrap();
    control.remove_grant("ann@example.com", None, "rööt", at(-1)).unwrap();
    let records = control.audit(0, usize::MAX).unwrap();
    let mut previous = [0; 32];
    for record in &records {
        assert_eq!(record.previous, previous);
        assert_eq!(record.hash, naive_hash(record));
        previous = record.hash;
    }
    assert_eq!(control.verify_audit().unwrap().head, AuditHead { number: 2, hash: previous });
    let shown = hex(&records[0].hash);
    assert!(PAGE.contains(&shown), "docs/format/control-v1.md should show {shown}");
}

#[test]
fn a_file_of_another_version_is_refused() {
    let directory = TempDir::new().unwrap();
    drop(open(directory.path()));
    let connection = Connection::open(directory.path().join(FILE)).unwrap();
    connection.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(connection);
    let taken = DataDirectory::open(directory.path()).unwrap();
    let error = Control::open(&taken).unwrap_err().to_string();
    assert!(error.contains("`flyball.dev/control/v1, tables of version 99`"), "{error}");
}

fn told(kind: &'static str, id: &str, service: Option<&str>, text: &str) -> NewRecord {
    let at = at(id.parse().unwrap_or(0));
    let (id, service) = (id.to_owned(), service.map(str::to_owned));
    NewRecord { kind, id, service, at, text: text.to_owned() }
}

const BOUND: RecordBound = RecordBound { rows: 3, bytes: 20 };

fn keep(control: &mut Control, new: &NewRecord) -> (u64, usize) {
    let detail = serde_json::json!({});
    let work = |noting: &Noting<'_>| noting.keep(new, BOUND, Some(("change.record", &detail)));
    control.note("ci", at(1), work).unwrap()
}

#[test]
fn records_are_kept_within_bounds_and_in_order() {
    let directory = TempDir::new().unwrap();
    let mut control = open(directory.path());
    let ids = |control: &Control, services: Option<&[String]>, before, limit| -> Vec<String> {
        let filter = RecordFilter { services, before, limit };
        let found = control.records("change", &filter).unwrap();
        found.into_iter().map(|record| record.id).collect()
    };
    assert_eq!(keep(&mut control, &told("change", "1", Some("shop"), "a")), (1, 0));
    assert_eq!(keep(&mut control, &told("change", "2", Some("bank"), "b")).1, 0);
    assert_eq!(keep(&mut control, &told("change", "1", Some("shop"), "aaa")).0, 1);
    assert_eq!(control.record_total("change").unwrap(), (2, 4));
    assert_eq!(
        ids(&control, None, None, 9),
        ["2", "1"],
        "more was told of the first, which is old"
    );
    let shop = ["shop".to_owned()];
    assert_eq!(ids(&control, Some(&shop), None, 9), ["1"]);
    assert_eq!(ids(&control, Some(&[]), None, 9), Vec::<String>::new());
    assert_eq!(ids(&control, None, None, 1), ["2"]);
    let number = control.record("change", "2").unwrap().unwrap().number;
    assert_eq!(ids(&control, None, Some(number), 9), ["1"]);
    assert_eq!(control.record("incident", "2").unwrap(), None);
    let about = |service, from, to, limit| {
        let found = control.records_about("change", service, (at(from), at(to)), limit).unwrap();
        found.into_iter().map(|record| record.id).collect::<Vec<_>>()
    };
    assert_eq!(about(None, 1, 3, 9), ["2", "1"], "the newest first");
    assert_eq!(about(None, 1, 3, 1), ["2"]);
    assert_eq!(about(Some("shop"), 1, 3, 9), ["1"]);
    assert_eq!(about(None, 2, 9, 9), ["2"], "from the first moment on");
    assert_eq!(about(None, 0, 2, 9), ["1"], "to before the last");

    // By count, then by bytes; the newest stays whatever its size.
    assert_eq!(keep(&mut control, &told("change", "3", None, "c")).1, 0);
    assert_eq!(keep(&mut control, &told("change", "4", None, "d")).1, 1);
    assert_eq!(ids(&control, None, None, 9), ["4", "3", "2"]);
    keep(&mut control, &told("incident", "9", None, "x"));
    assert_eq!(keep(&mut control, &told("change", "5", None, &"e".repeat(30))).1, 3);
    assert_eq!(ids(&control, None, None, 9), ["5"]);
    assert_eq!(control.record_total("change").unwrap(), (1, 30));
    assert_eq!(control.record_total("incident").unwrap(), (1, 1));
    let large = told("change", "6", None, &"f".repeat(RECORD_BYTES_MAX + 1));
    let refused = control.note("ci", at(1), |noting| noting.keep(&large, BOUND, None)).unwrap_err();
    assert!(matches!(refused, StoreError::TooLong { .. }), "{refused}");
    drop(control);
    let control = open(directory.path());
    assert_eq!(ids(&control, None, None, 9), ["5"]);
    assert_eq!(control.verify_audit().unwrap().records, 7);
}

#[test]
fn a_message_that_is_refused_was_not_delivered() {
    let directory = TempDir::new().unwrap();
    let mut control = open(directory.path());
    let mut deliver = |hash, fails: bool| -> Result<Delivered, StoreError> {
        let (system, name) = ("github".to_owned(), "1".to_owned());
        control.note("ci", at(1), |noting| {
            let found = noting.deliver(&Delivery { system, name, hash: [hash; 32] })?;
            noting.keep(&told("change", "5", Some("shop"), "x"), BOUND, None)?;
            let near = noting.near("change", "shop", (at(5), at(6)), 9)?;
            assert_eq!(near.len(), 1);
            assert_eq!(noting.near("change", "shop", (at(4), at(5)), 9)?, []);
            if fails {
                return Err(StoreError::TooMany { what: "records", most: 0 });
            }
            Ok(found)
        })
    };
    deliver(1, true).unwrap_err();
    assert_eq!(deliver(1, false).unwrap(), Delivered::New);
    assert_eq!(deliver(1, false).unwrap(), Delivered::Again);
    assert_eq!(deliver(2, false).unwrap(), Delivered::Otherwise);
    assert_eq!(control.verify_audit().unwrap().records, 0);
}
