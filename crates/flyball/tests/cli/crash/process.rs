//! `flyball serve` as a process that can be killed.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use tokio::time::Instant;

/// How long a server may take until it answers.
const READY_MAX: Duration = Duration::from_mins(1);

/// Where and how servers are started, one after the other.
pub(crate) struct Process {
    directory: PathBuf,
    address: SocketAddr,
}

/// A server that runs.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Process {
    pub(crate) fn new(directory: &Path, documents: &str) -> Self {
        // The port stays the same over all restarts, as clients expect it.
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

    pub(crate) fn start(&self) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flyball"))
            .args(["serve", "--data", "data", "--slo", "slos.yaml", "--listen"])
            .arg(self.address.to_string())
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    return;
                }
            }
        });
        Running { child, lines, said: Vec::new() }
    }
}

impl Running {
    /// Waits until the server says that it listens.
    pub(crate) fn wait_ready(&mut self) {
        loop {
            match self.lines.recv_timeout(READY_MAX) {
                Ok(line) => {
                    let is_ready = line.contains("listening on");
                    self.said.push(line);
                    if is_ready {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("the server did not start: {:#?}", self.said)
                }
            }
        }
    }

    /// Lets the server live for a while; it must not end by itself.
    pub(crate) fn live(&mut self, life: Duration) {
        let end = Instant::now() + life;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("it ended: {:#?}", self.said),
            }
        }
    }

    /// SIGKILL, at once.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: the server must end in order.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {:#?}", self.lines.iter().collect::<Vec<_>>());
    }
}
