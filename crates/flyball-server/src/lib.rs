//! The live server: takes telemetry in, keeps the ledger, answers budgets.
//!
//! [`Server::start`] opens a data directory and listens. A request goes through
//! [`intake`] (decoded, journalled, acknowledged) to the [`evaluator`] (counted, committed,
//! judged); [`http`] is what clients see of it.
//!
//! This crate decides nothing about budgets (`flyball-budget` does) and keeps nothing on disk
//! itself (`flyball-store` does): it joins them, and speaks the protocols.

mod agreements;
mod alerts;
mod annotations;
mod asking;
mod attribution;
mod auth;
mod backup;
mod changes;
mod clock;
mod control;
mod custody;
mod decode;
mod definitions;
mod delivery;
mod doctor;
mod drills;
mod entry;
mod evaluator;
mod frictions;
mod gate;
mod hex;
mod http;
mod intake;
mod keys;
mod limits;
mod listen;
mod login;
mod names;
mod outcomes;
mod pool;
mod ready;
mod remarks;
mod report;
mod restoring;
mod reviews;
mod risks;
mod rotas;
mod sources;
mod stored;
mod support;
mod tasks;
mod telemetry;
mod tls;
mod urls;
mod verdicts;
mod verify;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use flyball_catalog::SourcesError;
use flyball_spec::{Diagnostic, Source};
use flyball_store::{Journal, Recovery, Store, StoreError};

pub use annotations::{Grafana, GrafanaError};
pub use asking::Asker;
pub use auth::{
    AuditPage, AuditVerdict, ControlError, GrantInfo, Grants, MadeToken, Rates, RecordedChange,
    Role, Scope, TokenInfo, TokenRequest, Tokens, Who, WhoError,
};
pub use backup::{BackupError, backup, restore};
pub use changes::{ChangeView, HookError, HookSecret, Receipt, ReportTold};
pub use clock::Clock;
pub use definitions::{Given, applied_to};
pub use doctor::{Finding, Outcome, doctor};
pub use drills::GuardProgram;
pub use evaluator::{
    CorrectionStatus, Doubt, FillStatus, InstallError, ObjectiveStatus, Settings, SliceStatus,
    SloStatus, StartError,
};
pub use gate::{GITHUB_API, GitHubApp, GitHubError};
pub use http::{BackupMade, BackupRequest, Problem, openapi};
pub use limits::Limits;
pub use login::{Oidc, OidcError, OidcOptions};
pub use sources::prometheus::PrometheusError;
pub use sources::tail::TailError;
pub use sources::{Prometheus, Tail};
pub use stored::{Retention, StoredError};
pub use telemetry::log;
pub use tls::{TlsError, TlsFiles};
pub use urls::masked;
pub use verify::{Difference, NotCompared, Verified, VerifyError, verify};

use auth::{Gate, Sessions};
use backup::Copies;
use changes::{Changes, Hooks};
use control::SharedControl;
use custody::Custodies;
use decode::Reading;
use definitions::{Definitions, Loaded};
use drills::Drills;
use gate::{Gatekeeper, GitHub};
use listen::Listeners;
use login::Login;
pub(crate) use ready::Ready;
use restoring::Restorer;
use reviews::Reviews;
use rotas::Rotas;
use tasks::Tasks;
use telemetry::Telemetry;
use tls::Tls;
use tokio_util::sync::CancellationToken;

/// How a server is to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory; made where it is not there.
    pub data: PathBuf,
    /// The addresses to listen on; each answers everything. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Whether to listen to other machines also while there are no tokens, so that everybody who
    /// reaches the server may do everything: for development.
    pub dev: bool,
    /// Certificate and key to serve all addresses by TLS; without them nothing is encrypted.
    pub tls: Option<TlsFiles>,
    /// What is evaluated beside what was applied.
    pub given: Given,
    /// How people log in; without it only tokens let anybody in.
    pub oidc: Option<Oidc>,
    /// The address under which people reach this server, as links say it; by which targets of alerts know it,
    /// too. The first address that is listened on unless told.
    pub external: Option<String>,
    /// The directory with the files that alert targets and restore actions find their secrets in; none are there
    /// without it.
    pub secrets: Option<PathBuf>,
    /// The directory with the files of flags that restore actions may write; none are written without it.
    pub flag_files: Option<PathBuf>,
    /// The secrets that hooks sign with; a hook without one believes nobody.
    pub hooks: Vec<HookSecret>,
    /// Where changes and verdicts are marked on dashboards, if anywhere.
    pub grafana: Option<Grafana>,
    /// The GitHub App that answers its deployment protection rules; none are answered without it.
    pub github: Option<GitHubApp>,
    /// The address of GitHub's API, which answers are sent to and nowhere else.
    pub github_api: String,
    /// Bounds on what comes in.
    pub limits: Limits,
    /// How budgets are kept.
    pub settings: Settings,
    /// Logs to follow.
    pub tails: Vec<Tail>,
    /// Where samples of metric SLIs are asked for, beside those that are sent; new ones over their
    /// whole window.
    pub prometheus: Option<Prometheus>,
    /// How long events are kept.
    pub retention: Retention,
    /// Where backups are made; none are without it.
    pub backups: Option<PathBuf>,
    /// What takes a drill's fault away when the server dies, as a process of its own; without it no drill is begun that
    /// needs one.
    pub guard: Option<GuardProgram>,
    /// The directory with the experiments of Chaos Toolkit's that drills may run; none are run without it.
    pub experiments: Option<PathBuf>,
    /// What time it is.
    pub clock: Clock,
}

impl Config {
    /// A server of the directory `data` that evaluates nothing yet and listens nowhere, everything
    /// else as it is unless told.
    pub fn new(data: PathBuf, clock: Clock) -> Self {
        Self {
            data,
            listen: Vec::new(),
            dev: false,
            tls: None,
            given: Given::Sources(Vec::new()),
            oidc: None,
            external: None,
            secrets: None,
            flag_files: None,
            hooks: Vec::new(),
            grafana: None,
            github: None,
            github_api: GITHUB_API.to_owned(),
            limits: Limits::default(),
            settings: Settings::default(),
            retention: Retention::default(),
            tails: Vec::new(),
            prometheus: None,
            backups: None,
            guard: None,
            experiments: None,
            clock,
        }
    }
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
    /// Everybody could do everything.
    #[error(
        "{address} can be reached from other machines, and there are no tokens: everybody could do \
         everything\nhint: make one with `flyball token create --name admin --scope admin --data DIR`, listen on \
         127.0.0.1, or say --dev"
    )]
    Exposed {
        /// The address.
        address: SocketAddr,
    },
    /// People could not log in.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// The secrets of hooks cannot be used.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// GitHub could not be answered.
    #[error(transparent)]
    GitHub(#[from] GitHubError),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Targets of alerts could not be told.
    #[error("cannot make a client for alert targets: {0}")]
    Client(#[from] reqwest::Error),
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
    sources: sources::Running,
    tls: Option<Arc<Tls>>,
    evaluator: evaluator::Running,
    evaluating: evaluator::Handle,
    storing: stored::Running,
    telling: Telling,
    drilling: Tasks,
    definitions: Arc<Definitions>,
    /// Held for as long as files are to be read again.
    watching: Option<definitions::Watching>,
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
    #[expect(
        clippy::too_many_lines,
        reason = "the parts of a server, in the order in which they need each other"
    )]
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        let Config { data, listen, dev, tls, given, oidc, limits, .. } = config;
        let Config { settings, tails, prometheus, retention, clock, .. } = config;
        let origin = origin(config.external, &listen, tls.is_some());
        let (tls, hooks, github) = keyed(tls, &config.hooks, (&config.github_api, config.github))?;
        let store = Store::open(&data, limits.journal())?;
        let making = store.backups();
        let Store { journal, ledger, control, recovery } = store;
        let loaded = Loaded::read(&control, &given, prometheus.is_some())?;
        let control = SharedControl::new(control);
        let changes = Changes::of(control.clone());
        let (gate, login) = admission(&control, limits.rates, &clock, oidc)?;
        refuse_exposure(&listen, gate.is_open(), dev, tls.is_some())?;
        let journal = Arc::new(journal);
        let (keys, telemetry) = (Arc::default(), Arc::new(Telemetry::default()));
        let (storing, stored) =
            store_events(&data, &journal, &limits, retention, &clock, &telemetry)?;
        let copies = Copies::new(making, &stored, config.backups, control.clone());
        let reading = Arc::new(RwLock::new(Arc::new(Reading::of(0, Vec::new()))));
        let parts = evaluator::Parts {
            journal: Arc::clone(&journal),
            ledger,
            keys: Arc::clone(&keys),
            stored: stored.clone(),
            reading: Arc::clone(&reading),
            limits: limits.clone(),
            settings,
            asks: prometheus.is_some(),
            clock: clock.clone(),
            telemetry: Arc::clone(&telemetry),
            recent: changes.recent(),
            exceptions: rotas::exceptions(&control)?,
            custody: custody::holders(&control, clock.now())?,
        };
        let (evaluator, known) = evaluator::start(parts, loaded.catalog())?;
        let evaluating = evaluator.handle.clone();
        let Limits { connections_max, idle_max, queries_max, streams_max, .. } = limits;
        let intake = Arc::new(intake::Intake::new(intake::Parts {
            journal: Arc::clone(&journal),
            keys,
            known,
            reading,
            counting: evaluating.messages(),
            limits,
            clock: clock.clone(),
            telemetry: Arc::clone(&telemetry),
        })?);
        let (now, store) = ((&clock, &telemetry), (&control, &stored));
        let definitions = define(loaded, &evaluating, now, store);
        let (watching, ready) = (watch(&definitions, given)?, Arc::<Ready>::default());
        let places = (config.secrets.clone(), config.flag_files, Arc::clone(&origin));
        let restorer = Restorer::new(&changes, &evaluating, now, places)?;
        let rotas = Rotas::new(control.clone(), &evaluating);
        let run_by = (config.guard, config.experiments, data.as_path());
        let drills = Drills::new(&changes, &evaluating, &clock, run_by)?;
        let app = http::App {
            intake: Arc::clone(&intake),
            evaluator: evaluating.clone(),
            telemetry: Arc::clone(&telemetry),
            ready: Arc::clone(&ready),
            gate,
            tokens: Tokens::of(control.clone()),
            grants: Grants::of(control.clone()),
            gatekeeper: Gatekeeper::of(control.clone()),
            github,
            changes: changes.clone(),
            restorer: restorer.clone(),
            reviews: Reviews::of(control.clone()),
            custodies: Custodies::of(control.clone()),
            rotas: rotas.clone(),
            drills: drills.clone(),
            hooks,
            sessions: Sessions::of(control.clone()),
            control,
            received: alerts::Received::default(),
            login,
            clock: clock.clone(),
            copies,
            stored,
            querying: Arc::new(tokio::sync::Semaphore::new(queries_max)),
            definitions: Arc::clone(&definitions),
            streams: http::Streams::new(evaluating.clone(), streams_max),
            // One is drawn after the other: each takes a processor for seconds.
            simulating: Arc::new(pool::Pool::new("simulate", 2, || ())?),
        };
        let router = http::router(app.clone());
        let (addresses, listeners) =
            listen::start(&listen, router, connections_max, idle_max, tls.clone(), &telemetry)
                .await?;
        // Who cannot listen tells nobody.
        let told = (config.secrets, config.grafana, origin);
        let telling = Telling::start(app, (changes, restorer, rotas), now, told)?;
        let drilling = drills.start();
        let (handle, stop) = (evaluating.clone(), CancellationToken::new());
        tokio::spawn(Arc::clone(&ready).watch(journal, evaluating.clone(), stop.clone()));
        let context = sources::Context { intake, evaluator: handle, clock, telemetry, stop };
        Ok(Self {
            addresses,
            recovery,
            ready,
            listeners,
            sources: sources::Running::start(&context, tails, prometheus),
            tls,
            evaluator,
            evaluating,
            storing,
            telling,
            drilling,
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

    /// Reads certificate and key again at once; else that happens within seconds of a change. Ones
    /// that cannot be used are told in the log, and those of before are used further. Without TLS
    /// nothing happens.
    pub async fn reload_tls(&self) {
        let Some(tls) = self.tls.clone() else { return };
        // A panic is told by the runtime.
        let _ = tokio::task::spawn_blocking(move || tls.reload_and_tell()).await;
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

    /// Waits until the server can take no more requests before it is started again, and answers why: the disk
    /// has failed to confirm a write, or a thread has failed. What was acknowledged is kept.
    pub async fn broken(&self) -> String {
        self.ready.until_not().await
    }

    /// Takes no more requests, finishes those that were begun, counts everything, and ends.
    pub async fn stop(self) {
        self.ready.set(Some("the server is going down".to_owned()));
        drop(self.watching);
        self.sources.stop().await;
        self.drilling.stop().await;
        self.listeners.stop().await;
        self.telling.stop().await;
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

/// Whoever is told what happens: people and their systems of alerts, and changes of what they did and what is done
/// about it.
#[derive(Debug)]
struct Telling {
    alerts: Tasks,
    verdicts: Tasks,
    restores: Tasks,
    custody: Tasks,
    calls: Tasks,
    demands: Tasks,
}

impl Telling {
    /// Tells from now on: with the directory of secrets, a Grafana where there is one, and the address under
    /// which people reach this server.
    fn start(
        app: http::App,
        (changes, restorer, rotas): (Changes, Restorer, Rotas),
        (clock, telemetry): (&Clock, &Arc<Telemetry>),
        (secrets, grafana, origin): (Option<PathBuf>, Option<Grafana>, Arc<str>),
    ) -> Result<Self, reqwest::Error> {
        let evaluating = &app.evaluator.clone();
        let (counters, own) = (Arc::clone(telemetry), Arc::clone(&origin));
        let alerts = alerts::start(evaluating, clock, counters, secrets, own)?;
        let verdicts = verdicts::start(evaluating, &changes, clock, telemetry);
        if let Some(grafana) = grafana {
            verdicts::push(&verdicts, grafana, changes, (clock, telemetry), origin)?;
        }
        let custody = custody::start(app.clone());
        let (restores, calls, demands) =
            (restorer.start(), rotas.start(), http::demands::start(app));
        Ok(Self { alerts, verdicts, restores, custody, calls, demands })
    }

    async fn stop(self) {
        self.verdicts.stop().await;
        self.restores.stop().await;
        self.custody.stop().await;
        self.alerts.stop().await;
        self.calls.stop().await;
        self.demands.stop().await;
    }
}

/// Certificate and key of this server, the secrets of hooks, and who answers GitHub.
type Keyed = (Option<Arc<Tls>>, Arc<Hooks>, GitHub);

/// Reads all that needs keys.
fn keyed(
    tls: Option<TlsFiles>,
    secrets: &[HookSecret],
    (api, app): (&str, Option<GitHubApp>),
) -> Result<Keyed, ServerError> {
    choose_cryptography();
    let tls = tls.map(Tls::new).transpose()?.map(Arc::new);
    Ok((tls, Arc::new(Hooks::read(secrets)?), GitHub::new(api, app)?))
}

/// The address under which people reach this server, without a slash at its end.
fn origin(external: Option<String>, listen: &[SocketAddr], is_encrypted: bool) -> Arc<str> {
    let scheme = if is_encrypted { "https" } else { "http" };
    let own = || listen.first().map_or_else(String::new, |address| format!("{scheme}://{address}"));
    external.unwrap_or_else(own).trim_end_matches('/').into()
}

/// The definitions that were `loaded`, evaluated from now on.
fn define(
    loaded: Loaded,
    evaluating: &evaluator::Handle,
    (clock, telemetry): (&Clock, &Arc<Telemetry>),
    (control, stored): (&SharedControl, &stored::Stored),
) -> Arc<Definitions> {
    Arc::new(Definitions::new(
        control.clone(),
        evaluating.clone(),
        loaded,
        clock.clone(),
        Arc::clone(telemetry),
        stored.clone(),
    ))
}

/// Stores events from the journal on as segments below `data`.
fn store_events(
    data: &Path,
    journal: &Arc<Journal>,
    limits: &Limits,
    retention: Retention,
    clock: &Clock,
    telemetry: &Arc<Telemetry>,
) -> Result<(stored::Running, stored::Stored), StoredError> {
    let parts = stored::Parts {
        journal: Arc::clone(journal),
        limits: limits.clone(),
        retention,
        clock: clock.clone(),
        telemetry: Arc::clone(telemetry),
    };
    stored::start(data, parts)
}

/// Who is let in, and how people log in.
fn admission(
    control: &SharedControl,
    rates: Rates,
    clock: &Clock,
    oidc: Option<Oidc>,
) -> Result<(Arc<Gate>, Option<Arc<Login>>), ServerError> {
    let people = oidc.as_ref().map(Oidc::people);
    let gate = Gate::new(control.clone(), rates, clock.clone(), people)?;
    let login = oidc.map(|oidc| Login::new(oidc, clock.clone())).transpose()?;
    Ok((Arc::new(gate), login.map(Arc::new)))
}

/// Reads the files that were `given` again whenever they change, where there are any.
fn watch(
    definitions: &Arc<Definitions>,
    given: Given,
) -> Result<Option<definitions::Watching>, ServerError> {
    Ok(match given {
        Given::Paths(paths) if !paths.is_empty() => {
            Some(definitions::watch(Arc::clone(definitions), paths)?)
        }
        Given::Paths(_) | Given::Sources(_) => None,
    })
}

/// Refuses to listen to other machines where everybody could do everything, and warns where what is
/// sent can be read on its way.
fn refuse_exposure(
    listen: &[SocketAddr],
    is_open: bool,
    dev: bool,
    is_encrypted: bool,
) -> Result<(), ServerError> {
    let Some(address) = listen.iter().find(|address| !address.ip().is_loopback()) else {
        return Ok(());
    };
    if is_open && !dev {
        return Err(ServerError::Exposed { address: *address });
    }
    if is_open {
        tracing::warn!(%address, "there are no tokens: everybody may do everything");
    }
    if !is_encrypted {
        tracing::warn!(%address, "tokens and telemetry are sent unencrypted; see --tls-cert");
    }
    Ok(())
}

/// Chooses what computes TLS in this process, for servers and clients alike; to be called before
/// either is made. Calls after the first do nothing.
pub fn choose_cryptography() {
    // One that was chosen before does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
