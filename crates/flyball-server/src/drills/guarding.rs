//! The guard of a run, as the server that started it sees it: a process that takes the fault away when this one dies.
//!
//! It is in a process group of its own, so that what ends the server's group leaves it. It is told that the server lives by
//! a thread of its own, for as long as whoever carries the drill out goes on looking at it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;

use flyball_connect::drill::guard::{ARMED, BEAT, DISMISSED};
use flyball_govern::drill::BEAT_EVERY;
use tokio::sync::watch;

use super::wait_of;

/// How many beats are given for one look at the drill: looks wait for disks and for systems that do not answer.
const BEATS_PER_LOOK: u32 = 10;
/// How much is read of a guard. Bytes; it says two words.
const SAID_BYTES_MAX: u64 = 1 << 10;

/// The program that a guard is, with what it is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardProgram {
    /// Its file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// What is known of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was started and has not answered.
    Started,
    /// It knows what to do.
    Armed,
    /// It says nothing any more.
    Gone,
}

/// A guard that was started. Dropped without being dismissed, it takes the fault away.
#[derive(Debug)]
pub(super) struct Guarding {
    known: watch::Receiver<Known>,
    looks: Arc<AtomicU64>,
    words: Sender<&'static str>,
}

impl Guarding {
    /// Starts a guard and charges it by a line.
    ///
    /// # Errors
    ///
    /// It, or a thread, cannot be started.
    pub(super) fn start(program: &GuardProgram, charge: String) -> std::io::Result<Self> {
        let GuardProgram { program, arguments } = program;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (told, known) = watch::channel(Known::Started);
        let (words, said) = channel();
        let looks = Arc::<AtomicU64>::default();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        if let (Some(stdin), Some(stdout)) = (stdin, stdout) {
            named("guard hears").spawn(move || listen(stdout, &told))?;
            let speaking = Speaking { looks: Arc::clone(&looks), known: known.clone(), said };
            named("guard speaks").spawn(move || speaking.run(stdin, &charge, child))?;
        }
        Ok(Self { known, looks, words })
    }

    /// What is known of it; the drill was looked at.
    pub(super) fn look(&self) -> Known {
        self.looks.fetch_add(1, Ordering::Relaxed);
        *self.known.borrow()
    }

    /// Told when more is known of it; never where nothing more can be.
    pub(super) async fn changed(&mut self) {
        if self.known.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Says a word to it; one that is gone hears nothing.
    pub(super) fn say(&self, word: &'static str) {
        let _ = self.words.send(word);
    }

    /// The fault is gone: it may leave.
    pub(super) fn dismiss(self) {
        self.say(DISMISSED);
    }
}

/// Hears what a guard says, until it says nothing any more.
fn listen(stdout: ChildStdout, told: &watch::Sender<Known>) {
    for line in BufReader::new(stdout.take(SAID_BYTES_MAX)).lines() {
        match line {
            Ok(line) if line == ARMED => _ = told.send_replace(Known::Armed),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    told.send_replace(Known::Gone);
}

/// Whoever tells a guard that the server lives.
struct Speaking {
    looks: Arc<AtomicU64>,
    known: watch::Receiver<Known>,
    said: Receiver<&'static str>,
}

impl Speaking {
    /// Charges it, beats while the drill is looked at, and dismisses it. Without a dismissal its pipe ends.
    fn run(self, mut stdin: ChildStdin, charge: &str, mut child: Child) {
        // What cannot be told to one that is gone is known by its own end.
        let _ = stdin.write_all(charge.as_bytes()).and_then(|()| self.beat(&mut stdin));
        drop(stdin);
        if let Err(error) = child.wait() {
            tracing::warn!(%error, "nobody knows how the guard of a drill ended");
        }
    }

    fn beat(&self, stdin: &mut ChildStdin) -> std::io::Result<()> {
        let (mut looks, mut beats) = (0, 0);
        loop {
            match self.said.recv_timeout(wait_of(BEAT_EVERY)) {
                Ok(DISMISSED) => return writeln!(stdin, "{DISMISSED}"),
                Ok(word) => {
                    writeln!(stdin, "{word}")?;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.looks.load(Ordering::Relaxed);
            beats = if now == looks { beats + 1 } else { 0 };
            looks = now;
            // A server that lives and does not look is as good as a dead one.
            if beats > BEATS_PER_LOOK || *self.known.borrow() == Known::Gone {
                return Ok(());
            }
            writeln!(stdin, "{BEAT}")?;
        }
    }
}
