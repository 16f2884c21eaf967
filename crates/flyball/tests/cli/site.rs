//! Where servers are started, one after the other.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use flyball_catalog::Catalog;
use flyball_server::{Limits, verify};
use flyball_spec::Source;

use crate::process::{Process, serve};

/// A directory, and the address that stays the same over all restarts, as clients expect it.
pub(crate) struct Site {
    directory: PathBuf,
    address: SocketAddr,
}

impl Site {
    pub(crate) fn new(directory: &Path, documents: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let this = Self { directory: directory.to_owned(), address };
        this.define(documents);
        this
    }

    /// Gives the server other documents, from its next start on.
    pub(crate) fn define(&self, documents: &str) {
        std::fs::write(self.directory.join("slos.yaml"), documents).unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Starts a server, and waits until it listens.
    pub(crate) fn start(&self) -> Process {
        serve(
            &self.directory,
            &self.address.to_string(),
            &["--slo", "slos.yaml", "--backups", "backups"],
        )
        .0
    }
}

/// Counts the events that are stored in `data` again by `documents`: its ledger must hold the same.
pub(crate) fn assert_exact(data: &Path, documents: &str) {
    let (catalog, _) = Catalog::load(&[Source::new("slos.yaml", documents)]).unwrap();
    let verified = verify(data, &catalog, &Limits::default()).unwrap();
    println!("{} slots compared, {} differ", verified.slots, verified.differing);
    assert_eq!(verified.differences, []);
    assert!(verified.slots > 0, "{verified:?}");
}
