//! Hostile clients against a server, while an honest one goes on. Memory must stay bounded, and the
//! honest client must be served.
//!
//! Each attack takes `FLYBALL_HOSTILE_SECONDS`, one unless told; `cargo xtask hostile` takes longer
//! and uses 10,000 connections. What was measured is printed.

mod attacks;
mod honest;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use attacks::{Attack, Target};
use server::Server;
use tokio::sync::Notify;

/// Seconds of each attack of a run that is not told how many.
const SECONDS: u64 = 1;
/// How much longer an attack goes on while nobody honest was served.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections of such a run, and of longer ones.
const CONNECTIONS: usize = 300;
const CONNECTIONS_OF_CAMPAIGN: usize = 10_000;
/// The most memory that any attack may bring the server to. Bytes: bodies that are read and worked on
/// may take 768 MiB together.
const MEMORY_MAX: u64 = 1 << 30;

const DOCUMENTS: &str = r"
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout}
spec:
  service: shop
  indicator:
    metadata: {name: answered}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: flyball, spec: {where: status < 500}}}
        total: {metricSource: {type: flyball, spec: {where: service.name = 'shop', by: [tenant], sliceLimit: 5000}}}
  timeWindow: [{duration: 1d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9}]
";

#[test]
fn hostile_clients_take_neither_memory_nor_service() {
    flyball_server::choose_cryptography();
    let seconds = std::env::var("FLYBALL_HOSTILE_SECONDS");
    let seconds = seconds.map_or(SECONDS, |seconds| seconds.parse().expect("seconds"));
    let connections = if seconds > SECONDS { CONNECTIONS_OF_CAMPAIGN } else { CONNECTIONS };
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), DOCUMENTS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!(
        "{:24} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8}",
        "attack", "peak MiB", "then MiB", "answers", "refused", "p50 ms", "p99 ms"
    );
    let bombs = attacks::make_bombs();
    let slices = Arc::new(AtomicU64::new(0));
    let mut findings = Vec::new();
    for attack in Attack::ALL {
        server.process.forget_peak();
        let target = Target {
            address: server.address,
            token: server.token.clone(),
            connections,
            bombs: bombs.clone(),
            slices: Arc::clone(&slices),
        };
        let (ended, served) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let honest = honest::send(
            honest::url(&server),
            server.token.clone(),
            Arc::clone(&ended),
            Arc::clone(&served),
        );
        let met = runtime.block_on(async {
            let honest = tokio::spawn(honest);
            // What is measured is what happens in this time; then the attack is dropped. On a busy
            // machine it goes on until somebody honest was served beside it, or it is given up.
            let time = Duration::from_secs(seconds);
            let enough = async { tokio::join!(tokio::time::sleep(time), served.notified()) };
            tokio::select! {
                () = attack.run(target) => {}
                _ = enough => {}
                () = tokio::time::sleep(time + PATIENCE) => {}
            }
            ended.store(true, Ordering::Relaxed);
            honest.await.unwrap()
        });
        let (peak, then) = (server.process.peak(), server.process.memory());
        let millis = |share| met.quantile(share).as_secs_f64() * 1e3;
        println!(
            "{:24} {:9} {:9} {:8} {:8} {:8.1} {:8.1}",
            attack.name(),
            peak >> 20,
            then >> 20,
            met.answers(),
            met.refused.len(),
            millis(0.5),
            millis(0.99),
        );
        let mut find = |said: String| findings.push(format!("{}: {said}", attack.name()));
        if peak > MEMORY_MAX {
            find(format!("{} MiB of memory", peak >> 20));
        }
        if met.answers() == 0 {
            find("no honest request was answered".to_owned());
        }
        if let Some(first) = met.refused.first() {
            find(format!("{} honest requests failed: {first}", met.refused.len()));
        }
    }
    println!("{} distinct slices were taken in", slices.load(Ordering::Relaxed));
    server.stop();
    assert!(findings.is_empty(), "{findings:#?}");
}
