//! The live server: takes telemetry in, keeps the ledger, answers budgets.
//!
//! [`Server::start`] opens a data directory and listens. A request goes through
//! [`intake`] (decoded, journalled, acknowledged) to the [`evaluator`] (counted, committed,
//! judged); [`http`] is what clients see of it.
//!
//! This crate decides nothing about budgets (`flyball-budget` does) and keeps nothing on disk
//! itself (`flyball-store` does): it joins them, and speaks the protocols.

mod backup;
mod clock;
mod decode;
mod doctor;
mod entry;
mod evaluator;
mod http;
mod intake;
mod keys;
mod limits;
mod listen;
mod pool;
mod stored;
mod telemetry;
mod verify;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use flyball_catalog::Catalog;
use flyball_events::Projection;
use flyball_store::{Recovery, Store, StoreError};

pub use backup::{BackupError, backup, restore};
pub use clock::Clock;
pub use doctor::{Finding, doctor};
pub use evaluator::{
    FillStatus, InstallError, ObjectiveStatus, Settings, SliceStatus, SloStatus, StartError,
};
pub use http::{Problem, openapi};
pub use limits::Limits;
pub use stored::{Retention, StoredError};
pub use telemetry::log;
pub use verify::{Difference, NotCompared, Verified, VerifyError, verify};

use decode::Reading;
use listen::Listeners;
use telemetry::Telemetry;

/// How a server is to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory; made where it is not there.
    pub data: PathBuf,
    /// The addresses to listen on; each answers everything. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// What is evaluated from the start.
    pub catalog: Arc<Catalog>,
    /// Bounds on what comes in.
    pub limits: Limits,
    /// How budgets are kept.
    pub settings: Settings,
    /// How long events are kept.
    pub retention: Retention,
    /// What time it is.
    pub clock: Clock,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stored events cannot be used.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// What is to be evaluated cannot be.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {cause}\nhint: choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    recovery: Recovery,
    ready: Arc<Ready>,
    listeners: Listeners,
    evaluator: evaluator::Running,
    evaluating: evaluator::Handle,
    storing: stored::Running,
}

/// Whether the server takes requests.
#[derive(Debug, Default)]
pub(crate) struct Ready(Mutex<Option<String>>);

impl Ready {
    /// Why it does not; `None` when it does.
    pub(crate) fn reason(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, reason: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

impl Server {
    /// Opens the data directory, counts what a crash has left, and listens.
    ///
    /// Runs on the async runtime that it is called on; counting and decoding have threads of their
    /// own.
    ///
    /// # Errors
    ///
    /// [`ServerError`]; nothing runs then.
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        let Config { data, listen, catalog, limits, settings, retention, clock } = config;
        choose_cryptography();
        let Store { journal, ledger, control: _, recovery } = Store::open(&data, limits.journal())?;
        let journal = Arc::new(journal);
        let keys = Arc::default();
        let telemetry = Arc::new(Telemetry::default());
        let (storing, stored) = stored::start(
            &data,
            stored::Parts {
                journal: Arc::clone(&journal),
                limits: limits.clone(),
                retention,
                clock: clock.clone(),
                telemetry: Arc::clone(&telemetry),
            },
        )??;
        let nothing = Reading { version: 0, projection: Projection::Only(Vec::new()) };
        let reading = Arc::new(RwLock::new(Arc::new(nothing)));
        let parts = evaluator::Parts {
            journal: Arc::clone(&journal),
            ledger,
            keys: Arc::clone(&keys),
            stored: stored.clone(),
            reading: Arc::clone(&reading),
            limits: limits.clone(),
            settings,
            clock: clock.clone(),
            telemetry: Arc::clone(&telemetry),
        };
        let (evaluator, known) = evaluator::start(parts, catalog)?;
        let evaluating = evaluator.handle.clone();
        let connections = limits.connections_max;
        let idle = limits.idle_max;
        let queries = limits.queries_max;
        let intake = intake::Intake::new(intake::Parts {
            journal,
            keys,
            known,
            reading,
            counting: evaluating.messages(),
            limits,
            clock,
            telemetry: Arc::clone(&telemetry),
        })?;
        let ready = Arc::new(Ready::default());
        let router = http::router(http::App {
            intake: Arc::new(intake),
            evaluator: evaluating.clone(),
            telemetry,
            ready: Arc::clone(&ready),
            stored,
            querying: Arc::new(tokio::sync::Semaphore::new(queries)),
        });
        let (addresses, listeners) = listen::start(&listen, router, connections, idle).await?;
        Ok(Self { addresses, recovery, ready, listeners, evaluator, evaluating, storing })
    }

    /// The addresses that are listened on, in the order of the configuration, with real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What opening the journal has found.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Tells when something has changed that a reader of budgets could see.
    pub fn ticks(&self) -> tokio::sync::watch::Receiver<u64> {
        self.evaluating.ticks()
    }

    /// Evaluates `catalog` from now on. SLOs that count as before go on as they are.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; what was evaluated before goes on.
    pub async fn install(&self, catalog: Arc<Catalog>) -> Result<(), InstallError> {
        let installed = self.evaluating.ask(move |evaluator| evaluator.install(catalog)).await;
        installed.unwrap_or_else(|ended| Err(InstallError::Condition(ended.to_string())))
    }

    /// Takes no more requests, finishes those that were begun, counts everything, and ends.
    pub async fn stop(self) {
        self.ready.set(Some("the server is going down".to_owned()));
        self.listeners.stop().await;
        let stop = move || {
            self.evaluator.stop();
            self.storing.stop();
        };
        let stopped = tokio::task::spawn_blocking(stop).await;
        if let Err(error) = stopped {
            tracing::error!(%error, "the evaluator did not end");
        }
    }
}

/// Chooses what computes TLS in this process, for servers and clients alike; to be called before
/// either is made. Calls after the first do nothing.
pub fn choose_cryptography() {
    // One that was chosen before does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
