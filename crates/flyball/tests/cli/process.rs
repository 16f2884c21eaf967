//! Commands that run for a while, and what they say meanwhile.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use tokio::time::Instant;

/// How long what is awaited may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A process whose lines are awaited; it is killed when it is not needed any more.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

/// `flyball` in `at`, to be started.
pub(crate) fn command(at: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    command.args(args).current_dir(at).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A server of the data directory `data` in `at` that listens on `address`, with more arguments,
/// and its URL.
pub(crate) fn serve(at: &Path, address: &str, more: &[&str]) -> (Process, String) {
    let args = ["serve", "--data", "data", "--listen", address];
    listening(&mut command(at, &[&args[..], more].concat()))
}

/// The server that `serve` starts, and its URL.
pub(crate) fn listening(serve: &mut Command) -> (Process, String) {
    let mut child = serve.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = child.stderr.take().unwrap();
    let mut server = Process::new(child, said);
    let line = server.wait_for("listening on ");
    let url = line.split("listening on ").nth(1).unwrap().trim().to_owned();
    (server, url)
}

impl Process {
    /// Reads the lines of `output`, so that the process never waits for that.
    pub(crate) fn new(child: Child, output: impl Read + Send + 'static) -> Self {
        let (say, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody may listen any more; it is read all the same.
                let _ = say.send(line);
            }
        });
        Self { child, lines, said: Vec::new() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The memory that the process has. Bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory that it has had since [`Self::forget_peak`]. Bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Measures the peak from now on.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.id()), "5").unwrap();
    }

    fn status(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kibibytes << 10
    }

    /// The first line from here on that holds `text`.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("it did not say `{text}`: {:#?}", self.said);
            };
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Lets the process live for a while; it must not end by itself.
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

    /// Waits until the process has ended by itself, which must be a failure. Returns all that it has said.
    pub(crate) fn failure(mut self) -> Vec<String> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:#?}", self.said),
            }
        }
        let status = self.child.wait().unwrap();
        assert!(!status.success(), "{status}: {:#?}", self.said);
        std::mem::take(&mut self.said)
    }

    /// SIGTERM: the process must end in order. Returns all that it has said.
    pub(crate) fn stop(mut self) -> Vec<String> {
        let pid = self.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        self.said.extend(self.lines.iter());
        assert!(status.success(), "{status}: {:#?}", self.said);
        std::mem::take(&mut self.said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
