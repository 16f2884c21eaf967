//! A server that is killed over and over while clients of every protocol send numbered events and
//! send again whatever was not acknowledged. At the end the ledger must hold what clients had
//! acknowledged, exactly: nothing lost, nothing twice.
//!
//! `FLYBALL_CRASH_KILLS` says how often; a handful unless told, a campaign from `cargo xtask crash`.

mod faults;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use faults::Fault;

use crate::clients::{self, Protocol, SETTLE_MAX};
use crate::site::{Site, assert_exact};

/// Kills of a run that is not told how many.
const KILLS: u32 = 12;
/// So many kills after which definitions change.
const EDITION_KILLS: u32 = 3;
/// The longest time that a server is left alone before it is killed.
const LIFE_MAX: Duration = Duration::from_millis(700);

/// Says in a child process where its small disk is mounted.
const SMALL_DISK: &str = "FLYBALL_CRASH_DISK";

#[test]
fn the_ledger_holds_what_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    campaign(directory.path(), false);
}

/// The same on a file system that is full from time to time. It is a real one, mounted for a child
/// alone where the system permits it; the child is this very test.
#[test]
fn a_disk_that_fills_up_loses_nothing() {
    if let Some(directory) = std::env::var_os(SMALL_DISK) {
        return campaign(Path::new(&directory), true);
    }
    let directory = tempfile::tempdir().unwrap();
    let size = 64 + 2 * kills();
    let inside = |script: &str| {
        let mount = format!("mount -t tmpfs -o size={size}m flyball \"$0\" && {script}");
        let mut command = Command::new("unshare");
        command.args(["-r", "-m", "sh", "-c", &mount]).arg(directory.path());
        command
    };
    let permitted = inside("true").output().is_ok_and(|output| output.status.success());
    if !permitted {
        eprintln!("skipped: this system does not let a test mount a file system");
        return;
    }
    let mut command = inside("exec \"$@\"");
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::a_disk_that_fills_up_loses_nothing", "--nocapture"]);
    assert!(command.env(SMALL_DISK, directory.path()).status().unwrap().success());
}

fn kills() -> u32 {
    let kills = std::env::var("FLYBALL_CRASH_KILLS");
    kills.map_or(KILLS, |kills| kills.parse().expect("a number of kills"))
}

/// Kills servers in `directory` under load, then compares. `is_small` when its disk may be filled.
fn campaign(directory: &Path, is_small: bool) {
    let kills = kills();
    let seed = std::env::var("FLYBALL_CRASH_SEED");
    let seed = seed.map_or_else(|_| rand::random(), |seed| seed.parse().expect("a seed"));
    println!("{kills} kills, FLYBALL_CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    flyball_server::choose_cryptography();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let site = Site::new(directory, &clients::documents(0));
    let ended = Arc::new(AtomicBool::new(false));
    let address = site.address();
    let sending: Vec<_> = Protocol::ALL
        .into_iter()
        .map(|protocol| {
            let ended = Arc::clone(&ended);
            runtime.spawn(clients::send(protocol, address, ended))
        })
        .collect();

    for kill in 0..kills {
        // Now and then definitions change, there and back: they are counted over stored events, and
        // the server is killed in the middle of that as well.
        let edition = kill / EDITION_KILLS % 2;
        site.define(&clients::documents(edition));
        let mut running = site.start();
        let life = random.random_range(Duration::ZERO..LIFE_MAX);
        running.live(life);
        if is_small && kill % 3 == 1 {
            let full = faults::fill(directory);
            running.live(life);
            full.empty();
            running.live(life);
        }
        running.kill();
        let fault = Fault::choose(&mut random);
        fault.inject(&site.data(), &mut random);
        println!("kill {kill} after {life:?}, then {fault:?}");
    }

    let running = site.start();
    ended.store(true, Ordering::SeqCst);
    let sent: Vec<clients::Sent> =
        sending.into_iter().map(|task| runtime.block_on(task).unwrap()).collect();
    let retried: u64 = sent.iter().map(|sent| sent.attempts - sent.requests).sum();
    println!("{sent:#?}");
    assert!(retried > 0, "some request met a server that was gone");
    if is_small {
        assert!(sent.iter().any(|sent| sent.refused > 0), "the disk was full for some request");
    }
    for sent in &sent {
        assert!(sent.events > 0, "{sent:?}");
        let counted = runtime.block_on(clients::counted(address, sent, SETTLE_MAX));
        assert_eq!(counted, (sent.events, sent.bad), "valid and bad of {:?}", sent.protocol);
    }

    // Once more from the disk: what is shown is what the ledger holds.
    running.stop();
    let again = site.start();
    for sent in &sent {
        let counted = runtime.block_on(clients::counted(address, sent, SETTLE_MAX));
        assert_eq!(counted, (sent.events, sent.bad), "after a restart: {:?}", sent.protocol);
    }
    again.stop();
    // And from the events themselves, counted again.
    let edition = (kills.max(1) - 1) / EDITION_KILLS % 2;
    assert_exact(&site.data(), &clients::documents(edition));
}
