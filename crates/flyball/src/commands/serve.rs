//! `flyball serve`: the live server.

mod notify;
mod people;
mod settings;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::FromArgMatches;
use flyball_model::Duration;
use flyball_server::{
    Clock, Config, GITHUB_API, GitHubApp, Given, Grafana, GuardProgram, HookSecret, Limits,
    Prometheus, Rates, Retention, Server, ServerError, Settings, Tail, TlsFiles,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::commands::print;
use crate::commands::replay::now;
use crate::{Exit, talk};
use notify::notify;

/// How far `--ahead-max` and `--settle` may reach together: events that no window holds yet are shown for an
/// hour from where windows end.
const AHEAD_AND_SETTLE_MAX: Duration = Duration::from_minutes(59);

/// Take telemetry in, keep the ledger, and answer budgets as they are now
///
/// Events come by OTLP (gRPC and HTTP, both on every address) and as JSON lines; a request is
/// answered when what it brought is on disk. Budgets are at /api/v1/slos.
///
/// Examples:
///
///   flyball serve --data /var/lib/flyball --slo slos/
///   flyball serve --config /etc/flyball/flyball.yaml
///   flyball budget
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ServeArgs {
    /// A YAML file with these options by their names, as `slo: [/etc/flyball/slos]`. What is said on
    /// the command line or by the environment goes before it
    #[arg(long, value_name = "FILE", env = "FLYBALL_CONFIG")]
    config: Option<PathBuf>,
    /// Print every option, with its meaning and value, as such a file, and end
    #[arg(long)]
    print_config: bool,
    /// The data directory; made where it is not there
    #[arg(long, value_name = "DIR", default_value = "flyball-data", env = "FLYBALL_DATA")]
    data: PathBuf,
    /// SLO documents to evaluate beside those that are applied: files, or directories with all
    /// their YAML and JSON below. They are read again when they change
    #[arg(long = "slo", value_name = "PATH")]
    slos: Vec<PathBuf>,
    /// An address to listen on, once for each
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = address,
        default_values = ["127.0.0.1:8480", "127.0.0.1:4317", "127.0.0.1:4318"]
    )]
    listen: Vec<SocketAddr>,
    /// A log to follow, through rotations: PATH;format=NAME;service=NAME, once for each
    ///
    /// Formats are those of `flyball replay --format` that have one event a line; `combined` unless
    /// told.
    #[arg(long = "tail", value_name = "LOG")]
    tails: Vec<Tail>,
    /// A Prometheus-compatible system to ask for the samples of metric SLIs, from the beginning of
    /// their windows on
    #[arg(long, value_name = "URL", env = "FLYBALL_PROMETHEUS", hide_env_values = true)]
    prometheus: Option<String>,
    /// Listen to other machines also while there are no tokens: everybody may do everything
    #[arg(long)]
    dev: bool,
    /// Encrypt every address by TLS with this certificate and its chain, a PEM file; read again when
    /// it changes, and on SIGHUP
    #[arg(long, value_name = "FILE", env = "FLYBALL_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, a PEM file
    #[arg(long, value_name = "FILE", env = "FLYBALL_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Requests that each token or session may make in a second
    #[arg(long, value_name = "N", default_value_t = Rates::default().requests)]
    token_requests: u32,
    /// Bytes that each token or session may send in a second
    #[arg(long, value_name = "N", default_value_t = Rates::default().bytes)]
    token_bytes: u64,
    /// The longest text of one attribute, in bytes; a longer one is cut, and told to who sends it where a
    /// condition reads it
    #[arg(long, value_name = "N", default_value_t = Limits::default().attribute_bytes_max,
        value_parser = attribute_bytes)]
    attribute_bytes: usize,
    /// How late an event may be: one that is older when it comes is refused and counted
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = Duration::parse)]
    late_max: Duration,
    /// How far ahead of the server's clock an event may be; one that is further is refused and counted
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = Duration::parse)]
    ahead_max: Duration,
    /// How long after its end a slot of ten seconds is taken to be complete; what comes later still
    /// corrects it
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = Duration::parse)]
    settle: Duration,
    /// How long stored events are kept, after the hour they are of: what a new definition can be
    /// counted over
    #[arg(long, value_name = "TIME", default_value = "35d", value_parser = Duration::parse)]
    keep_events: Duration,
    /// How much disk stored events may take, in GiB; past it the oldest are deleted
    #[arg(long, value_name = "GIB", default_value_t = 64)]
    keep_events_gib: u32,
    /// How much of the journal is kept at least though it is counted and stored, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    keep_journal_mib: u32,
    /// How long the journal is kept at most, where it is counted and stored; by its size only unless told
    #[arg(long, value_name = "TIME", value_parser = Duration::parse)]
    keep_journal: Option<Duration>,
    /// How long counts are kept, once a window has passed; for ever unless told
    #[arg(long, value_name = "TIME", value_parser = Duration::parse)]
    keep_ledger: Option<Duration>,
    /// How much disk counts may take, in MiB; past it the oldest are deleted, but none that a window may
    /// still need
    #[arg(long, value_name = "MIB")]
    keep_ledger_mib: Option<u32>,
    /// The directory that backups are made in when an admin asks for one, each in its own below it
    #[arg(long, value_name = "DIR", env = "FLYBALL_BACKUPS")]
    backups: Option<PathBuf>,
    /// The directory of files that alert targets and restore actions find secrets in, as `file:NAME`
    #[arg(long, value_name = "DIR", env = "FLYBALL_SECRETS")]
    secrets: Option<PathBuf>,
    /// The directory of flagd's flag files that restore actions may write, and no others
    #[arg(long, value_name = "DIR", env = "FLYBALL_FLAG_FILES")]
    flag_files: Option<PathBuf>,
    /// The directory of Chaos Toolkit's experiments that drills may run, and no others; `chaos` is looked for in PATH
    #[arg(long, value_name = "DIR", env = "FLYBALL_EXPERIMENTS")]
    experiments: Option<PathBuf>,
    /// How long idempotency keys of requests are remembered
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = Duration::parse)]
    keep_keys: Duration,
    /// The secrets that webhooks of a forge are signed with, once for each: github:FILE, gitlab:FILE or
    /// flux:FILE, a secret a line. Without one its messages are refused
    #[arg(long = "hook-secret", value_name = "SECRET")]
    hook_secrets: Vec<HookSecret>,
    /// A Grafana that changes and what they did are shown in, as annotations
    #[arg(long, value_name = "URL", env = "FLYBALL_GRAFANA", requires = "grafana_token")]
    grafana: Option<String>,
    /// The file with the token of a service account of Grafana that may write annotations
    #[arg(long, value_name = "FILE", env = "FLYBALL_GRAFANA_TOKEN", requires = "grafana")]
    grafana_token: Option<PathBuf>,
    /// The GitHub App that answers deployment protection rules: ID:FILE, its id or client id and its
    /// private key in PEM. Without one they are not answered
    #[arg(long, value_name = "APP", env = "FLYBALL_GITHUB_APP")]
    github_app: Option<GitHubApp>,
    /// GitHub's API, for a GitHub of your own `https://HOST/api/v3`. Answers are sent nowhere else
    #[arg(long, value_name = "URL", default_value = GITHUB_API)]
    github_api: String,
    // Last, since its heading would be that of what follows.
    #[command(flatten)]
    people: people::PeopleArgs,
}

/// The least that a text of an attribute may be bounded to. Bytes; conditions compare names and paths.
const ATTRIBUTE_BYTES_MIN: usize = 256;

/// An address to listen on. Names are not looked up: they may mean several addresses.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "that is no IP address with a port; hint: write 127.0.0.1:8480, [::1]:8480, or 0.0.0.0:8480 \
         for all of this machine"
            .to_owned()
    })
}

/// How long a text may be: long enough for names and paths, and no longer than a body may be at all.
fn attribute_bytes(text: &str) -> Result<usize, String> {
    let limits = Limits::default();
    let bounds = ATTRIBUTE_BYTES_MIN..=limits.request_bytes_max;
    let bytes = text.parse().ok().filter(|bytes| bounds.contains(bytes));
    bytes.ok_or_else(|| format!("that is no number from {} to {}", bounds.start(), bounds.end()))
}

/// Serves until it is told to stop; `arguments` are the whole command line.
pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<Exit> {
    let matches = settings::resolve(arguments)?;
    let args = ServeArgs::from_arg_matches(&matches)?;
    if args.print_config {
        print(&settings::file(&matches))?;
        return Ok(Exit::Met);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(args))
}

/// Files that a server may have open beside its connections: of the store, of the answers to queries.
const FILES_BESIDE: u64 = 1_024;

/// How many connections the system has room for, at most `wanted`; it is asked for as much room as it gives.
fn connections_max(wanted: usize) -> usize {
    let needed = wanted as u64 + FILES_BESIDE;
    // Where nothing is told of a limit there is none.
    let files = rlimit::increase_nofile_limit(needed).unwrap_or(needed);
    let room = files - FILES_BESIDE.min(files / 2);
    let connections = usize::try_from(room).unwrap_or(wanted).min(wanted);
    if connections < wanted {
        talk::note(&format!(
            "{files} files may be open, so {connections} clients may be connected; hint: `ulimit -n {needed}`, or \
             LimitNOFILE={needed} of a systemd unit"
        ));
    }
    connections
}

/// This program as the guard of a drill; none where the system does not say where it is, and none beside the first process
/// of a container: all others end with that.
fn guard() -> Option<GuardProgram> {
    if std::process::id() == 1 {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    Some(GuardProgram { program, arguments: vec!["drill-guard".to_owned()] })
}

async fn serve(args: ServeArgs) -> anyhow::Result<Exit> {
    let directives = std::env::var("FLYBALL_LOG").unwrap_or_default();
    flyball_server::log(&directives).map_err(|said| anyhow!("FLYBALL_LOG: {said}"))?;
    // Before anything is promised: a signal from here on ends in order.
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot wait for signals")?;
    if args.keep_ledger.is_some_and(|kept| kept < args.keep_events) {
        bail!(
            "--keep-ledger is less than --keep-events; hint: stored events are what the ledger is \
             verified with, so counts are kept for as long at least"
        );
    }
    if args.settle.nanos().saturating_add(args.ahead_max.nanos()) > AHEAD_AND_SETTLE_MAX.nanos() {
        bail!(
            "--ahead-max and --settle are more than {AHEAD_AND_SETTLE_MAX} together; hint: windows would be \
             an hour behind what comes in"
        );
    }
    let tls = match (args.tls_cert, args.tls_key) {
        (Some(certificates), Some(key)) => Some(TlsFiles { certificates, key }),
        (None, None) => None,
        _ => bail!("a certificate needs its key\nhint: --tls-cert and --tls-key belong together"),
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let rates = Rates { requests: args.token_requests, bytes: args.token_bytes };
    let config = Config {
        listen: args.listen,
        dev: args.dev,
        tls,
        given: Given::Paths(args.slos),
        external: args.people.external()?,
        oidc: args.people.read()?,
        secrets: args.secrets,
        flag_files: args.flag_files,
        hooks: args.hook_secrets,
        grafana: match (args.grafana, args.grafana_token) {
            (Some(url), Some(token)) => Some(Grafana::new(&url, token)?),
            _ => None,
        },
        github: args.github_app,
        github_api: args.github_api,
        limits: Limits {
            rates,
            late_max: args.late_max,
            ahead_max: args.ahead_max,
            attribute_bytes_max: args.attribute_bytes,
            connections_max: connections_max(Limits::default().connections_max),
            ..Limits::default()
        },
        settings: Settings {
            settle: args.settle,
            key_memory: args.keep_keys,
            tally_memory: args.keep_ledger,
            ledger_bytes_max: args.keep_ledger_mib.map(|mib| u64::from(mib) << 20),
        },
        retention: Retention {
            segments_age_max: args.keep_events,
            segments_bytes_max: u64::from(args.keep_events_gib) << 30,
            journal_bytes_min: u64::from(args.keep_journal_mib) << 20,
            journal_age_max: args.keep_journal,
        },
        backups: args.backups,
        guard: guard(),
        experiments: args.experiments,
        tails: args.tails,
        prometheus: args.prometheus.as_deref().map(Prometheus::new).transpose()?,
        ..Config::new(args.data, Clock::new(now))
    };
    let server = match Server::start(config).await {
        Ok(server) => server,
        Err(error) => {
            if let ServerError::Documents(found) = &error {
                talk::diagnostics(found);
            }
            return Err(error.into());
        }
    };
    for address in server.addresses() {
        talk::note(&format!("listening on {scheme}://{address}"));
    }
    notify("READY=1");
    let broken = loop {
        tokio::select! {
            _ = hangup.recv() => server.reload_tls().await,
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
            reason = server.broken() => break Some(reason),
        }
    };
    notify("STOPPING=1");
    talk::note("going down: finishing what was begun");
    server.stop().await;
    match broken {
        None => Ok(Exit::Met),
        // Whoever looks after it starts it again.
        Some(reason) => {
            bail!("{reason}\nhint: start the server again; what it has acknowledged is kept")
        }
    }
}
