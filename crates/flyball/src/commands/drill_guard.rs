//! `flyball drill-guard`: ends a drill's fault when the server that began it cannot.
//!
//! A process of its own, so that it outlives a server that is killed. `flyball_govern::drill::Guard` decides; here is
//! what it hears, and what it does. Time is counted from when it began, by a clock that nobody sets.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use flyball_connect::drill::Ask;
use flyball_connect::drill::guard::{
    ARMED, BEAT, Charge, ChargeError, DISMISSED, LINE_BYTES_MAX, UNDONE,
};
use flyball_govern::drill::{Guard, GuardAct, GuardHeard};
use flyball_model::Timestamp;
use flyball_server::{Asker, Clock, choose_cryptography};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::commands::replay::now;
use crate::{Exit, talk};

/// Lines that nobody has looked at yet: the server is not read any further then.
const LINES_MAX: usize = 16;

/// End a drill's fault when the server that began it cannot
///
/// A server starts it before it breaks anything, and says every second on its standard input that it lives.
/// When that ends, when nothing is said for three seconds, on SIGTERM, and when the drill's time is over, it
/// takes the fault away, again and again until that worked.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, hide = true)]
pub(crate) struct DrillGuardArgs {}

pub(crate) fn run() -> anyhow::Result<Exit> {
    choose_cryptography();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(guard())
}

/// Guards until there is nothing to take away.
async fn guard() -> anyhow::Result<Exit> {
    // Before anything is promised.
    let mut ends = Ends::new().context("cannot wait for signals")?;
    let mut lines = lines();
    let said = tokio::select! {
        line = lines.recv() => line,
        () = ends.come() => return Ok(Exit::Met),
    };
    let charge = match said {
        Some(Line::Said(line)) => Charge::read(&line)?,
        Some(Line::Long) => bail!(ChargeError::Long),
        None => bail!("nobody says what to guard; hint: a server starts it, for a drill"),
    };
    let asker = Asker::new(Clock::new(now))?;
    for ask in &charge.asks {
        asker.check(ask).map_err(|problem| {
            let name = shown(ask);
            anyhow!("{name} cannot be asked: {problem}; hint: a guard has the server's environment")
        })?;
    }
    let clock = Steady::new();
    let mut fault = Fault { asker, left: charge.asks.into_iter().map(Arc::new).collect() };
    let mut guard = Guard::new(clock.now(), charge.latest);
    say(ARMED);
    let mut heard = GuardHeard::Nothing;
    let mut is_open = true;
    loop {
        match guard.hear(heard, clock.now()) {
            GuardAct::Leave => return Ok(Exit::Met),
            GuardAct::Undo => {
                talk::note(&format!("taking the fault of a drill away: {}", why(heard)));
                heard = fault.take_away().await;
            }
            GuardAct::Wait(until) => {
                heard = tokio::select! {
                    line = lines.recv(), if is_open => hear(line.as_ref()),
                    () = ends.come() => GuardHeard::Terminated,
                    () = sleep(clock.until(until)) => GuardHeard::Nothing,
                };
                is_open &= heard != GuardHeard::PipeEnded;
            }
        }
    }
}

/// Why a fault is taken away after this was heard.
const fn why(heard: GuardHeard) -> &'static str {
    match heard {
        GuardHeard::PipeEnded => "the server is gone",
        GuardHeard::Terminated => "the guard is told to end",
        GuardHeard::UndoFailed => "the last attempt failed",
        _ => "the server does not say that it lives, or the drill's time is over",
    }
}

/// The time, from when the command began.
struct Steady {
    at: Timestamp,
    since: Instant,
}

impl Steady {
    fn new() -> Self {
        Self { at: now(), since: Instant::now() }
    }

    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.since.elapsed().as_nanos()).unwrap_or(i64::MAX);
        Timestamp::from_nanos(self.at.nanos().saturating_add(passed))
    }

    fn until(&self, at: Timestamp) -> Duration {
        Duration::from_nanos(at.since(self.now()).nanos().unsigned_abs())
    }
}

/// The signals that end a process.
struct Ends([Signal; 3]);

impl Ends {
    fn new() -> std::io::Result<Self> {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [terminate, interrupt, hangup] = kinds.map(signal);
        Ok(Self([terminate?, interrupt?, hangup?]))
    }

    async fn come(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// What stands on a line.
enum Line {
    Said(String),
    /// It has no end within [`LINE_BYTES_MAX`].
    Long,
}

/// The lines of standard input, until it ends or cannot be read. From a thread of its own, which a process that
/// ends does not wait for.
fn lines() -> Receiver<Line> {
    let (tell, lines) = channel(LINES_MAX);
    std::thread::spawn(move || {
        let mut input = BufReader::new(std::io::stdin());
        loop {
            let mut line = Vec::new();
            // Longer by one than what is read, so that it is seen.
            let most = LINE_BYTES_MAX as u64 + 1;
            let is_there = input.by_ref().take(most).read_until(b'\n', &mut line);
            let is_whole = line.ends_with(b"\n");
            let next = match is_there {
                Ok(1..) if is_whole => Line::Said(String::from_utf8_lossy(&line).into_owned()),
                Ok(1..) if line.len() > LINE_BYTES_MAX => Line::Long,
                // A line that breaks off was said by somebody who died.
                _ => return,
            };
            if tell.blocking_send(next).is_err() {
                return;
            }
        }
    });
    lines
}

/// What a line means. What it does not know is no beat.
fn hear(line: Option<&Line>) -> GuardHeard {
    match line {
        Some(Line::Said(line)) if line.trim() == BEAT => GuardHeard::Beat,
        Some(Line::Said(line)) if line.trim() == DISMISSED => GuardHeard::Dismissed,
        Some(_) => GuardHeard::Nothing,
        None => GuardHeard::PipeEnded,
    }
}

/// What is left of a fault.
struct Fault {
    asker: Asker,
    left: Vec<Arc<Ask>>,
}

impl Fault {
    /// Asks once for everything that is left, at the same time.
    async fn take_away(&mut self) -> GuardHeard {
        let mut asked = JoinSet::new();
        for ask in self.left.drain(..) {
            let asker = self.asker.clone();
            asked.spawn(async move { (asker.ask(&ask).await, ask) });
        }
        for (answer, ask) in asked.join_all().await {
            if let Err(problem) = answer {
                talk::warning(&format!("{}: {problem}; it is asked again", shown(&ask)));
                self.left.push(ask);
            }
        }
        if self.left.is_empty() {
            say(UNDONE);
            return GuardHeard::Undone;
        }
        GuardHeard::UndoFailed
    }
}

/// An ask as it may be shown: without what a password may stand in.
fn shown(ask: &Ask) -> String {
    format!("{} {}", ask.method, flyball_server::masked(&ask.url))
}

/// Says a word to the server, if it still listens.
fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
}
