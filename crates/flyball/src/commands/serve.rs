//! `flyball serve`: the live server.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use flyball_server::{Clock, Config, Given, Limits, Server, ServerError, Settings};
use tokio::signal::unix::{SignalKind, signal};

use crate::commands::replay::now;
use crate::{Exit, talk};

/// Take telemetry in, keep the ledger, and answer budgets as they are now
///
/// Events come by OTLP (gRPC and HTTP, both on every address) and as JSON lines; a request is
/// answered when what it brought is on disk. Budgets are at /api/v1/slos.
///
/// Examples:
///
///   flyball serve --data /var/lib/flyball --slo slos/
///   curl --data-binary @events.ndjson http://127.0.0.1:8480/api/v1/events
///   curl http://127.0.0.1:8480/api/v1/slos
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ServeArgs {
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
        default_values = ["127.0.0.1:8480", "127.0.0.1:4317", "127.0.0.1:4318"]
    )]
    listen: Vec<SocketAddr>,
}

/// Serves until it is told to stop.
pub(crate) fn run(args: ServeArgs) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(args))
}

async fn serve(args: ServeArgs) -> anyhow::Result<Exit> {
    flyball_server::log();
    // Before anything is promised: a signal from here on ends in order.
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let config = Config {
        data: args.data,
        listen: args.listen,
        given: Given::Paths(args.slos),
        limits: Limits::default(),
        settings: Settings::default(),
        clock: Clock::new(now),
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
        talk::note(&format!("listening on http://{address}"));
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    talk::note("going down: finishing what was begun");
    server.stop().await;
    Ok(Exit::Met)
}
