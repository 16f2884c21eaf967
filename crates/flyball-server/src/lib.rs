//! The live server: takes telemetry in, keeps the ledger, answers budgets.
//!
//! [`Server::start`] opens a data directory and listens. A request goes through
//! [`intake`] (decoded, journalled, acknowledged) to the [`evaluator`] (counted, committed,
//! judged); [`http`] is what clients see of it.
//!
//! This crate decides nothing about budgets (`flyball-budget` does) and keeps nothing on disk
//! itself (`flyball-store` does): it joins them, and speaks the protocols.

mod actor;
mod clock;
mod decode;
mod definitions;
mod entry;
mod evaluator;
mod http;
mod intake;
mod keys;
mod limits;
mod listen;
mod pool;
mod telemetry;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use flyball_catalog::SourcesError;
use flyball_events::Projection;
use flyball_spec::{Diagnostic, Source};
use flyball_store::{JournalOptions, Recovery, Store, StoreError};

pub use actor::Actor;
pub use clock::Clock;
pub use definitions::Given;
pub use evaluator::{InstallError, ObjectiveStatus, Settings, SliceStatus, SloStatus, StartError};
pub use http::{Problem, openapi};
pub use limits::Limits;
pub use telemetry::log;

use decode::Reading;
use definitions::{Definitions, Loaded};
use listen::Listeners;
use telemetry::Telemetry;

/// How a server is to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory; made where it is not there.
    pub data: PathBuf,
    /// The addresses to listen on; each answers everything. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// What is evaluated beside what was applied.
    pub given: Given,
    /// Bounds on what comes in.
    pub limits: Limits,
    /// How budgets are kept.
    pub settings: Settings,
    /// What time it is.
    pub clock: Clock,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is to be evaluated cannot be.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The files of definitions cannot be read.
    #[error(transparent)]
    Sources(#[from] SourcesError),
    /// The definitions, those that were applied among them, have errors.
    #[error("the SLO documents cannot be used")]
    Documents(Vec<Diagnostic>),
    /// The files of definitions cannot be watched.
    #[error(
        "cannot watch the SLO documents: {0}\nhint: the system limits how much is watched; on \
         Linux by fs.inotify.max_user_watches and max_user_instances"
    )]
    Watch(#[from] notify::Error),
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
    definitions: Arc<Definitions>,
    /// Held for as long as files are to be read again.
    watching: Option<definitions::Watching>,
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
        let Config { data, listen, given, limits, settings, clock } = config;
        choose_cryptography();
        let options = JournalOptions {
            entry_bytes_max: limits.request_bytes_max + ENTRY_HEADER_BYTES,
            ..JournalOptions::default()
        };
        let Store { journal, ledger, control, recovery } = Store::open(&data, options)?;
        let loaded = Loaded::read(&control, &given)?;
        let journal = Arc::new(journal);
        let keys = Arc::default();
        let telemetry = Arc::new(Telemetry::default());
        let nothing = Reading { version: 0, projection: Projection::Only(Vec::new()) };
        let reading = Arc::new(RwLock::new(Arc::new(nothing)));
        let parts = evaluator::Parts {
            journal: Arc::clone(&journal),
            ledger,
            keys: Arc::clone(&keys),
            reading: Arc::clone(&reading),
            limits: limits.clone(),
            settings,
            clock: clock.clone(),
            telemetry: Arc::clone(&telemetry),
        };
        let (evaluator, known) = evaluator::start(parts, loaded.catalog())?;
        let evaluating = evaluator.handle.clone();
        let connections = limits.connections_max;
        let idle = limits.idle_max;
        let intake = intake::Intake::new(intake::Parts {
            journal,
            keys,
            known,
            reading,
            counting: evaluating.messages(),
            limits,
            clock: clock.clone(),
            telemetry: Arc::clone(&telemetry),
        })?;
        let definitions = Arc::new(Definitions::new(
            Arc::new(Mutex::new(control)),
            evaluating.clone(),
            loaded,
            clock,
            Arc::clone(&telemetry),
        ));
        let watching = match given {
            Given::Paths(paths) if !paths.is_empty() => {
                Some(definitions::watch(Arc::clone(&definitions), paths)?)
            }
            Given::Paths(_) | Given::Sources(_) => None,
        };
        let ready = Arc::new(Ready::default());
        let router = http::router(http::App {
            intake: Arc::new(intake),
            evaluator: evaluating.clone(),
            telemetry,
            ready: Arc::clone(&ready),
            definitions: Arc::clone(&definitions),
        });
        let (addresses, listeners) = listen::start(&listen, router, connections, idle).await?;
        Ok(Self {
            addresses,
            recovery,
            ready,
            listeners,
            evaluator,
            evaluating,
            definitions,
            watching,
        })
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

    /// Evaluates `sources` from now on in place of what was given at the start, with what was
    /// applied. SLOs that count as before go on as they are.
    ///
    /// # Errors
    ///
    /// Why they cannot be used; what was evaluated before goes on.
    pub async fn give(&self, sources: Vec<Source>) -> Result<(), Problem> {
        Ok(self.definitions.give(Ok(sources)).await?)
    }

    /// Takes no more requests, finishes those that were begun, counts everything, and ends.
    pub async fn stop(self) {
        self.ready.set(Some("the server is going down".to_owned()));
        drop(self.watching);
        self.listeners.stop().await;
        let stopped = tokio::task::spawn_blocking(move || self.evaluator.stop()).await;
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

/// Bytes that an entry's header may take beside the body.
const ENTRY_HEADER_BYTES: usize = 4 << 10;
