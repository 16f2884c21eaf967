//! What the data directory's parts must agree on.

use flyball_store::{Commit, Store, StoreError};
use tempfile::TempDir;

use super::*;

/// A store with five entries, of which three are counted.
fn store(directory: &TempDir) -> Store {
    let mut store = Store::open(directory.path(), options()).unwrap();
    for number in 0..5 {
        store.journal.append(ARRIVAL, vec![number; 7_000]).unwrap().wait().unwrap();
    }
    let commit = Commit { through: Sequence(3), ..Commit::default() };
    store.ledger.commit(&commit).unwrap();
    store
}

#[test]
fn one_process_at_a_time() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory);
    let Store { journal, ledger, control, .. } = store;
    let parts = [Box::new(journal) as Box<dyn std::any::Any>, Box::new(ledger), Box::new(control)];
    for part in parts {
        let refused = Store::open(directory.path(), options()).unwrap_err();
        assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
        drop(part);
    }
    Store::open(directory.path(), options()).unwrap();
}

#[test]
fn a_journal_that_lacks_what_was_counted_is_refused() {
    let directory = TempDir::new().unwrap();
    drop(store(&directory));
    std::fs::remove_dir_all(directory.path().join("journal")).unwrap();
    let refused = Store::open(directory.path(), options()).unwrap_err().to_string();
    assert!(refused.contains("lacks the entries 1 to 3; restore its files"), "{refused}");
}

#[test]
fn a_ledger_that_lacks_what_was_released_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory);
    assert_eq!(store.journal.release(Sequence(3)).unwrap(), 1, "two entries a file");
    drop(store);
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = std::fs::remove_file(directory.path().join(file));
    }
    let refused = Store::open(directory.path(), options()).unwrap_err().to_string();
    assert!(refused.contains("lacks the entries 1 to 2"), "{refused}");
}
