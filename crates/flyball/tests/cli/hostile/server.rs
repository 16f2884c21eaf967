//! `flyball serve` as a process whose memory is watched.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that runs, and the token that everybody uses who has one.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

fn flyball(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    command.current_dir(directory).stdin(Stdio::null());
    command
}

/// Makes a token for the data directory.
pub(crate) fn token(directory: &Path, name: &str, scope: &str) -> String {
    let made = flyball(directory)
        .args(["token", "create", "--data", "data", "--name", name, "--scope", scope])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

impl Server {
    pub(crate) fn start(directory: &Path, documents: &str) -> Self {
        std::fs::write(directory.join("slos.yaml"), documents).unwrap();
        token(directory, "admin", "admin");
        let token = token(directory, "everybody", "ingest");
        let mut child = flyball(directory)
            .args(["serve", "--data", "data", "--slo", "slos.yaml", "--listen", "127.0.0.1:0"])
            // Hostile clients share the token of the honest one: it must not be the rate alone that
            // protects.
            .args(["--token-requests", "1000000", "--token-bytes", "100000000000"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the server says that it listens").unwrap();
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.trim().parse().unwrap();
            }
        };
        // What it says further is read, so that it never waits for that.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, address, token }
    }

    /// The most memory that the server has had since [`Self::forget_peak`]. Bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// The memory that the server has. Bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn status(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kibibytes << 10
    }

    /// Measures the peak from now on.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    /// SIGTERM: the server must end in order.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}
