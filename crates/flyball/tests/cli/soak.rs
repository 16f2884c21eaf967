//! Clients of every protocol that send to one server for a while. At the end the ledger must hold
//! what they had acknowledged, agree with the stored events, and the server must need no more memory
//! than it did when it had warmed up. Half the way it is backed up.
//!
//! `FLYBALL_SOAK_SECONDS` says how long; a few unless told, half an hour from `cargo xtask soak`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clients::{self, Protocol, SETTLE_MAX};
use crate::run::flyball;
use crate::site::{Site, assert_exact};

/// Seconds of a run that is not told how many.
const SECONDS: u64 = 8;
/// Looks at the server's memory over the whole time.
const LOOKS: u32 = 80;
/// How much more memory than before the last quarter may need: a tenth, and what a moment's load
/// takes. Bytes.
const GROWTH_MAX: u64 = 32 << 20;

#[test]
fn memory_stays_flat_and_the_ledger_exact() {
    let seconds = std::env::var("FLYBALL_SOAK_SECONDS");
    let seconds = seconds.map_or(SECONDS, |seconds| seconds.parse().expect("seconds"));
    let directory = tempfile::tempdir().unwrap();
    flyball_server::choose_cryptography();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let documents = clients::documents(0);
    let site = Site::new(directory.path(), &documents);
    let mut running = site.start();
    let ended = Arc::new(AtomicBool::new(false));
    let address = site.address();
    let start = |protocol| runtime.spawn(clients::send(protocol, address, Arc::clone(&ended)));
    let sending: Vec<_> = Protocol::ALL.into_iter().map(start).collect();

    let mut memory = Vec::new();
    for look in 1..=LOOKS {
        running.live(Duration::from_secs(seconds) / LOOKS);
        memory.push(running.memory());
        if look == LOOKS / 2 {
            let server = format!("http://{address}");
            let backup = || flyball(directory.path(), &["backup", "half", "--server", &server]);
            let made = backup();
            assert_eq!(made.code, 0, "{}", made.err);
            let twice = backup();
            assert_eq!(twice.code, 2, "{}", twice.err);
            assert!(twice.err.contains("not empty"), "{}", twice.err);
        }
        if look % (LOOKS / 8) == 0 {
            println!(
                "{:5} s {:6} MiB",
                seconds * u64::from(look) / u64::from(LOOKS),
                running.memory() >> 20
            );
        }
    }
    ended.store(true, Ordering::SeqCst);
    let sent: Vec<clients::Sent> =
        sending.into_iter().map(|task| runtime.block_on(task).unwrap()).collect();
    for sent in &sent {
        println!("{:?}: {} events in {} requests", sent.protocol, sent.events, sent.requests);
        assert!(sent.events > 0, "{sent:?}");
        let counted = runtime.block_on(clients::counted(address, sent, SETTLE_MAX));
        assert_eq!(counted, (sent.events, sent.bad), "valid and bad of {:?}", sent.protocol);
    }
    let (warm, last) = (middle(&memory, 1), middle(&memory, 3));
    println!("{} MiB in the second quarter, {} MiB in the last", warm >> 20, last >> 20);
    assert!(last <= warm + warm / 10 + GROWTH_MAX, "{memory:?}");

    running.stop();
    assert_exact(&site.data(), &documents);
    // What was copied in the middle of all that is whole, and counts as it did.
    let again = flyball(directory.path(), &["restore", "--data", "again", "backups/half"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_exact(&directory.path().join("again"), &documents);
}

/// The median of a quarter of `memory`, counted from 0.
fn middle(memory: &[u64], quarter: usize) -> u64 {
    let length = memory.len() / 4;
    let mut part = memory[quarter * length..][..length].to_vec();
    part.sort_unstable();
    part[length / 2]
}
