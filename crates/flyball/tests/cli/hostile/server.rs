//! `flyball serve` as a process whose memory is watched.

use std::net::SocketAddr;
use std::path::Path;

use crate::process::{Process, serve};
use crate::run::flyball;

/// A server that runs, and the token that everybody uses who has one.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

/// Makes a token for the data directory.
pub(crate) fn token(directory: &Path, name: &str, scope: &str) -> String {
    let made = flyball(
        directory,
        &["token", "create", "--data", "data", "--name", name, "--scope", scope],
    );
    assert_eq!(made.code, 0, "{}", made.err);
    made.out.trim().to_owned()
}

impl Server {
    pub(crate) fn start(directory: &Path, documents: &str) -> Self {
        std::fs::write(directory.join("slos.yaml"), documents).unwrap();
        token(directory, "admin", "admin");
        let token = token(directory, "everybody", "ingest");
        // Hostile clients share the token of the honest one: it must not be the rate alone that
        // protects.
        let rates = ["--token-requests", "1000000", "--token-bytes", "100000000000"];
        let more = [&["--slo", "slos.yaml"][..], &rates].concat();
        let (process, url) = serve(directory, "127.0.0.1:0", &more);
        let address = url.trim_start_matches("http://").parse().unwrap();
        Self { process, address, token }
    }

    /// SIGTERM: the server must end in order.
    pub(crate) fn stop(self) {
        self.process.stop();
    }
}
