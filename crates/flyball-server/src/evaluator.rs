//! Whoever counts: follows the journal, adds to the ledger, keeps every objective up to date.
//!
//! One thread owns the ledger and all live states, so that a budget is always that of one moment.
//! Entries are counted in the journal's order. What a request held was decoded when it came in and
//! is handed over; where it was not (a restart, a changed set of attributes) the journal is read
//! again. Tallies, keys and position are committed together, and live states are told after that:
//! a crash between any two steps counts nothing twice and forgets nothing.

mod agreed;
mod alerting;
mod corrected;
mod counting;
mod evidence;
mod facts;
mod fill;
mod history;
mod joined;
mod lifting;
mod met;
mod objective;
mod past;
mod reading;
mod retention;
mod served;
mod status;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration as Wait;

use flyball_budget::alert::Change;
use flyball_budget::nominal_length;
use flyball_catalog::{Catalog, Counted, CountedBy};
use flyball_govern::custody::Carried;
use flyball_govern::oncall::Exceptions;
use flyball_metric::Points;
use flyball_model::{Duration, Timestamp};
use flyball_store::{
    Commit, Entry, Generation, GenerationId, Journal, Key, Ledger, LedgerReader, Sequence,
    StoreError,
};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot, watch};
use tokio::time::Instant;

use crate::changes::Recent;
use crate::clock::Clock;
use crate::decode::{Body, Decoder, Reading};
use crate::entry::{self, Header, Mark};
use crate::hex::unhex;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::stored::Stored;
use crate::telemetry::Telemetry;
pub(crate) use agreed::Agreed;
use alerting::Alerting;
pub(crate) use alerting::{AlertError, Called};
pub use corrected::CorrectionStatus;
use counting::Counting;
pub(crate) use counting::{Counting as Recount, Kept};
pub(crate) use evidence::Calendar;
pub(crate) use facts::ServiceFacts;
pub use fill::FillStatus;
use fill::Filling;
pub(crate) use fill::{Progress, coded, within};
pub(crate) use history::{History, Sums};
use joined::{Joined, Joining};
use lifting::Shadows;
pub use met::Doubt;
pub(crate) use met::Met;
pub use objective::InstallError;
use objective::Watched;
pub(crate) use objective::hash_again;
pub(crate) use past::{PASTS_MAX, Unfinished};
pub(crate) use reading::{SloCounts, ToRead, corrected_series};
pub(crate) use served::{ServedBy, ServedError, check, steps};
pub use status::{ObjectiveStatus, SliceStatus, SloStatus};

/// How long the ledger may lag behind the journal, and how often states are looked at.
const TICK: Wait = Wait::from_millis(250);
/// How often the states of alert rules are kept where nothing has changed: a restart goes through
/// the slots since then once more.
const KEEP_EVERY: Duration = Duration::from_minutes(1);
/// The least time between two commits while entries come without end: each waits for the disk, and one
/// of many entries costs little more than one of few.
const COMMIT_EVERY: Wait = Wait::from_millis(100);
/// Entries that are committed together at most; what one transaction holds is bounded by it.
const ENTRIES_MAX: usize = 4096;

/// Something for the evaluator to do.
pub(crate) enum Message {
    /// A request that is in the journal.
    Entry(Box<Handed>),
    /// Events from before a definition was given.
    Stored(Box<fill::Step>),
    /// A question, or a change.
    Ask(Box<dyn FnOnce(&mut Evaluator) + Send>),
    /// Count what is there, commit, and end.
    Stop,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Entry(_) => "Entry",
            Self::Stored(_) => "Stored",
            Self::Ask(_) => "Ask",
            Self::Stop => "Stop",
        })
    }
}

/// A request that was taken in.
#[derive(Debug)]
pub(crate) struct Handed {
    /// Its journal entry.
    pub sequence: Sequence,
    /// When it arrived.
    pub arrival: Timestamp,
    /// The key that it is counted once under.
    pub key: Option<Vec<u8>>,
    /// How far its source has been read with it.
    pub mark: Option<Mark>,
    /// What it holds.
    pub body: Body,
    /// Room that it takes, given back when it is counted.
    pub permit: OwnedSemaphorePermit,
}

/// What a metrics system is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// For the samples of these series.
    Samples(Vec<String>),
    /// For what it makes of a query.
    Points(Points),
}

/// A metric SLI that is counted.
#[derive(Debug)]
pub(crate) struct Metered {
    /// What is to be known for it.
    pub(crate) question: Question,
    /// About how long its SLO's window is.
    pub(crate) window: Duration,
    /// What is still to be counted of its past.
    pub(crate) past: Option<Unfinished>,
}

/// The evaluator has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server is going down")]
pub struct Ended;

/// A way to the evaluator from other threads.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    messages: Sender<Message>,
    ticks: watch::Receiver<u64>,
    joining: Joining,
    reading: reading::Reading,
    /// The ledger as those read it who look at months of it, one after the other.
    looking: Arc<tokio::sync::Mutex<LedgerReader>>,
    due: Arc<Notify>,
}

impl Handle {
    /// Has `question` answered on the evaluator's thread.
    ///
    /// # Errors
    ///
    /// [`Ended`] when it runs no more.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Evaluator) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (done, answer) = oneshot::channel();
        let ask = Box::new(move |evaluator: &mut Evaluator| {
            // Whoever asked may have gone.
            let _ = done.send(question(evaluator));
        });
        self.messages.send(Message::Ask(ask)).map_err(|_| Ended)?;
        answer.await.map_err(|_| Ended)
    }

    /// Whether nobody evaluates any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ticks.has_changed().is_err()
    }

    /// Tells when something has changed that a reader of budgets could see.
    pub(crate) fn ticks(&self) -> watch::Receiver<u64> {
        self.ticks.clone()
    }

    /// Told when there may be notices to send.
    pub(crate) fn due(&self) -> &Notify {
        &self.due
    }

    /// Where requests that were taken in are handed over.
    pub(crate) fn messages(&self) -> Sender<Message> {
        self.messages.clone()
    }
}

/// What an evaluator works with.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) journal: Arc<Journal>,
    pub(crate) ledger: Ledger,
    pub(crate) keys: Arc<Keys>,
    pub(crate) stored: Stored,
    pub(crate) reading: Arc<RwLock<Arc<Reading>>>,
    pub(crate) limits: Limits,
    pub(crate) settings: Settings,
    /// Whether a metrics system is asked for samples, of the past too.
    pub(crate) asks: bool,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Arc<Telemetry>,
    /// What changed before an alert.
    pub(crate) recent: Recent,
    /// What people have made of rotas, by rota.
    pub(crate) exceptions: BTreeMap<String, Exceptions>,
    /// Who carries the pager, by service; `None` for a retired one.
    pub(crate) custody: BTreeMap<String, Option<Carried>>,
}

/// How budgets are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long after its end a slot is taken to be complete, for what is on its way. Counts that
    /// come later still correct it. 5 s unless told: exporters send every few seconds.
    pub settle: Duration,
    /// How long keys of requests are remembered. An hour unless told: clients give up sooner.
    pub key_memory: Duration,
    /// How long tallies are kept; twice the longest window of any SLO at least. For ever unless told.
    pub tally_memory: Option<Duration>,
    /// The oldest tallies are deleted where the ledger takes more, but for those of twice the longest window.
    /// Bytes on disk; there is no bound unless told.
    pub ledger_bytes_max: Option<u64>,
}

impl Settings {
    /// Up to when slots are taken to be complete at `now`.
    fn complete(&self, now: Timestamp) -> Timestamp {
        now.minus(self.settle).floor(Ledger::SLOT_WIDTH)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            settle: Duration::from_seconds(5),
            key_memory: Duration::from_hours(1),
            tally_memory: None,
            ledger_bytes_max: None,
        }
    }
}

/// Whoever counts; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Evaluator {
    journal: Arc<Journal>,
    ledger: Ledger,
    keys: Arc<Keys>,
    reading: Arc<RwLock<Arc<Reading>>>,
    limits: Limits,
    settings: Settings,
    asks: bool,
    clock: Clock,
    telemetry: Arc<Telemetry>,
    catalog: Arc<Catalog>,
    /// What is counted, with its generation: what serves, and what is still being filled.
    counted: Vec<(Counted, Generation)>,
    filling: Filling,
    counting: Counting,
    watched: Vec<Watched>,
    /// Generations that an installation has begun which has not come to its end.
    begun: Vec<GenerationId>,
    joined: Joined,
    met: Met,
    alerting: Alerting,
    shadows: Shadows,
    recent: Recent,
    decoder: Decoder,
    /// Taken in, and not counted because one before them has not come yet.
    waiting: BTreeMap<Sequence, Handed>,
    /// The next entry to count.
    next: Sequence,
    /// What is counted and not committed.
    pending: Commit,
    permits: Vec<OwnedSemaphorePermit>,
    /// When the last commit was tried.
    committed: Instant,
    /// When what is counted and not committed arrived; not what was found at the start.
    arrivals: Vec<Timestamp>,
    /// The moment up to which states were advanced.
    at: Timestamp,
    ticked: watch::Sender<u64>,
    /// When states were last kept, and old keys forgotten.
    kept: Timestamp,
}

/// A running evaluator.
#[derive(Debug)]
pub(crate) struct Running {
    /// The way to it.
    pub handle: Handle,
    thread: JoinHandle<()>,
}

impl Running {
    /// Counts what is in the journal, commits, and ends.
    pub(crate) fn stop(self) {
        let _ = self.handle.messages.send(Message::Stop);
        // A panic has been printed by the thread itself.
        let _ = self.thread.join();
    }
}

/// Starts an evaluator of `catalog`: counts what the journal holds behind the ledger's position,
/// then waits for what comes.
///
/// # Errors
///
/// What cannot be read from the store, and [`InstallError`] for documents that cannot be counted.
pub(crate) fn start(
    parts: Parts,
    catalog: Arc<Catalog>,
) -> Result<(Running, LedgerReader), StartError> {
    let Parts { journal, mut ledger, keys, stored, reading, limits, settings, .. } = parts;
    let Parts { asks, clock, telemetry, recent, exceptions, custody, .. } = parts;
    let position = ledger.position()?;
    let reader = ledger.reader()?;
    let joining = Arc::new(tokio::sync::Mutex::new(ledger.reader()?));
    let beside = Arc::new(tokio::sync::Mutex::new(ledger.reader()?));
    let looking = Arc::new(tokio::sync::Mutex::new(ledger.reader()?));
    let (ticked, ticks) = watch::channel(0);
    let now = clock.now();
    let at = settings.complete(now);
    let due = Arc::new(Notify::new());
    let mut alerting = Alerting::read(&ledger.snapshot()?, now, Arc::clone(&due), &telemetry)?;
    alerting.begin_with(exceptions, custody, now);
    let nothing = Arc::new(Reading::of(0, Vec::new()));
    let mut evaluator = Evaluator {
        decoder: Decoder::new(nothing, limits.clone()),
        journal,
        ledger,
        keys,
        reading,
        limits,
        settings,
        asks,
        clock,
        telemetry,
        catalog: Arc::default(),
        counted: Vec::new(),
        filling: Filling::new(stored),
        counting: Counting::default(),
        watched: Vec::new(),
        begun: Vec::new(),
        joined: Joined::default(),
        met: Met::default(),
        alerting,
        shadows: Shadows::default(),
        recent,
        waiting: BTreeMap::new(),
        next: position.next(),
        pending: Commit { after: position, through: position, ..Commit::default() },
        permits: Vec::new(),
        committed: Instant::now(),
        arrivals: Vec::new(),
        at,
        ticked,
        kept: now,
    };
    evaluator.install(catalog)?;
    evaluator.recover()?;
    evaluator.advance(at);
    // Of what a crash or another version has left nobody may have heard.
    evaluator.reconcile_alerts();
    let (messages, waiting) = channel();
    evaluator.filling.start(messages.clone()).map_err(StartError::Thread)?;
    let thread = thread::Builder::new()
        .name("evaluator".to_owned())
        .spawn(move || evaluator.run(&waiting))
        .map_err(StartError::Thread)?;
    let handle = Handle { messages, ticks, joining, reading: beside, looking, due };
    Ok((Running { handle, thread }, reader))
}

/// Why an evaluator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What cannot be counted.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl Evaluator {
    /// What is evaluated.
    pub(crate) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The names of what has come in.
    pub(crate) const fn met(&self) -> &Met {
        &self.met
    }

    /// How far `source` has been read, as its last counted entry says.
    ///
    /// # Errors
    ///
    /// What cannot be read from the ledger.
    pub(crate) fn mark(&mut self, source: &str) -> Result<Option<String>, StoreError> {
        self.try_commit()?;
        let value = self.ledger.snapshot()?.value(&mark_key(source))?;
        Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
    }

    /// The metric SLIs that are counted, with what is still to be counted of their pasts.
    pub(crate) fn metered(&self) -> Vec<Metered> {
        let mut metered = Vec::new();
        for (definition, generation) in &self.counted {
            for (indicator, by) in definition.indicators.iter().enumerate() {
                let CountedBy::Metric(plan) = by else { continue };
                let samples = || Question::Samples(plan.selectors());
                metered.push(Metered {
                    question: plan.points().map_or_else(samples, Question::Points),
                    window: nominal_length(&definition.slo.window),
                    past: self.counting.pasts().unfinished((generation.id, indicator)),
                });
            }
        }
        metered
    }

    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            // What was counted does not wait for more to come.
            let wait = if self.permits.is_empty() { TICK } else { COMMIT_EVERY };
            let first = match messages.recv_timeout(wait) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            // What was handed over before this moment is counted before anything is looked at up to it.
            let now = self.clock.now();
            if self.take_all(first, messages) {
                break;
            }
            self.count();
            self.tick(now);
        }
        // What was taken in before the end, and what its senders still hold.
        while let Ok(message) = messages.try_recv() {
            self.take(message);
        }
        self.count();
        self.keep_all();
        self.commit();
        // It holds the data directory too.
        self.filling.stop();
    }

    /// Takes `first` and whatever else has come, before the disk is bothered; `true` after the last
    /// one.
    fn take_all(&mut self, first: Option<Message>, messages: &Receiver<Message>) -> bool {
        let mut next = first.or_else(|| messages.try_recv().ok());
        while let Some(message) = next {
            if self.take(message) {
                return true;
            }
            let has_room = self.waiting.len() < ENTRIES_MAX;
            next = has_room.then(|| messages.try_recv().ok()).flatten();
        }
        false
    }

    /// Takes a message; `true` for the last one.
    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Entry(handed) => {
                self.waiting.insert(handed.sequence, *handed);
            }
            Message::Stored(step) => {
                // Live entries that have come before go first.
                self.count();
                self.filled(*step);
            }
            Message::Ask(question) => question(self),
            Message::Stop => return true,
        }
        false
    }

    /// Counts the entries that have come, as far as they are without gaps.
    fn count(&mut self) {
        while let Some((&sequence, handed)) = self.waiting.first_key_value() {
            if sequence != self.next {
                return;
            }
            let is_current = handed.body.version == self.counting.reading().version;
            if !is_current && !self.read_again(sequence) {
                // It stays, and all behind it, until it can be read.
                return;
            }
            let Some(handed) = self.waiting.remove(&sequence) else { return };
            let Handed { sequence, arrival, key, mark, body, permit } = handed;
            if is_current {
                self.add(arrival, mark.as_ref(), &body);
            }
            self.entry_done(sequence, arrival, key, mark);
            self.permits.push(permit);
            self.arrivals.push(arrival);
        }
    }

    /// Counts an entry that was decoded.
    fn add(&mut self, arrival: Timestamp, mark: Option<&Mark>, body: &Body) {
        self.met.add(body, mark, arrival);
        let (from, to) = self.limits.times(arrival);
        if let Err(error) = self.counting.add(body, arrival, mark, (from, to)) {
            // A condition that fails on the types that came; the others are counted.
            self.telemetry.not_counted(&error);
        }
    }

    fn entry_done(
        &mut self,
        sequence: Sequence,
        arrival: Timestamp,
        key: Option<Vec<u8>>,
        mark: Option<Mark>,
    ) {
        let mark = mark.map(|mark| (mark_key(&mark.source), Some(mark.reached.into_bytes())));
        self.pending.values.extend(mark);
        self.next = sequence.next();
        self.pending.through = sequence;
        self.pending.keys.extend(key.map(|key| Key { key, sequence, arrival }));
    }

    /// Counts an entry from the journal; `false` when the system does not let it be read at the moment.
    fn read_again(&mut self, sequence: Sequence) -> bool {
        match self.journal.read_from(sequence).and_then(|mut reader| reader.read()) {
            Ok(Some(entry)) => _ = self.add_entry(entry),
            Ok(None) => self.telemetry.unreadable(sequence, "it is not in the journal"),
            Err(error @ StoreError::Io { .. }) => {
                self.telemetry.store_failed("read", &error);
                return false;
            }
            Err(error) => self.telemetry.unreadable(sequence, &error.to_string()),
        }
        true
    }

    /// Decodes an entry and counts it. Returns what is known of it beside its body; `None` where even
    /// that cannot be read.
    fn add_entry(&mut self, entry: Entry) -> Option<Header> {
        let Entry { sequence, arrival, payload } = entry;
        let unreadable = |error: &dyn std::fmt::Display| {
            self.telemetry.unreadable(sequence, &error.to_string());
        };
        let (header, body) = entry::decode(payload).map_err(|error| unreadable(&error)).ok()?;
        self.decoder.read(self.counting.reading());
        match self.decoder.decode(&header, &body) {
            Ok(mut body) => {
                self.limits.bound(&mut body, header.content, arrival);
                self.add(arrival, header.mark.as_ref(), &body);
            }
            Err(error) => unreadable(&error),
        }
        Some(header)
    }

    /// Counts what the journal holds behind the ledger's position.
    fn recover(&mut self) -> Result<(), StoreError> {
        let mut reader = self.journal.read_from(self.next)?;
        let mut entries = 0;
        while let Some(found) = reader.read()? {
            let (sequence, arrival) = (found.sequence, found.arrival);
            let header = self.add_entry(found);
            let (key, mark) = header.map_or((None, None), |header| (header.key, header.mark));
            let key = key.as_deref().and_then(unhex);
            if let Some(key) = &key {
                self.keys.recovered(key.clone(), sequence);
            }
            self.entry_done(sequence, arrival, key, mark);
            entries += 1;
            if entries % ENTRIES_MAX == 0 || self.counting.is_full() {
                self.try_commit()?;
            }
        }
        self.telemetry.recovered(entries as u64);
        self.try_commit()
    }

    /// Commits what was counted, tells the live states, and moves them to `now`.
    fn tick(&mut self, now: Timestamp) {
        self.counting.wait(now);
        let to = self.settings.complete(now);
        let is_full = self.counting.is_full() || self.permits.len() >= ENTRIES_MAX;
        if to > self.at || is_full || self.committed.elapsed() >= COMMIT_EVERY {
            self.commit();
        }
        self.pasts_end(now);
        self.fill_again(now);
        if to > self.at {
            self.advance(to);
            if now.since(self.kept) > KEEP_EVERY {
                let hour = Duration::from_hours(1);
                if self.kept.floor(hour) < now.floor(hour) {
                    self.forget_tallies(now);
                }
                self.kept = now;
                self.keep_all();
                if let Err(error) = self.ledger.forget_keys(now.minus(self.settings.key_memory)) {
                    self.telemetry.store_failed("forget keys", &error);
                }
            }
        }
    }

    fn commit(&mut self) {
        if let Err(error) = self.try_commit() {
            // Nothing is lost: it is tried again, and the journal holds it all.
            self.telemetry.store_failed("commit", &error);
        }
    }

    fn try_commit(&mut self) -> Result<(), StoreError> {
        self.committed = Instant::now();
        self.retire_begun()?;
        let counting = &mut self.counting;
        counting.drain(&mut self.ledger, &mut self.pending)?;
        for (reason, count) in counting.take_left_out() {
            self.telemetry.left_out(reason, count);
        }
        let Commit { after, through, deltas, values, .. } = &self.pending;
        if through == after && deltas.is_empty() && values.is_empty() {
            return Ok(());
        }
        self.ledger.commit(&self.pending)?;
        let through = self.pending.through;
        self.keys.committed(through);
        let done = std::mem::replace(
            &mut self.pending,
            Commit { after: through, through, ..Commit::default() },
        );
        self.permits.clear();
        let now = self.clock.now();
        for arrival in self.arrivals.drain(..) {
            self.telemetry.counted(now.since(arrival));
        }
        self.telemetry.committed(through, done.deltas.len());
        if !done.deltas.is_empty() {
            self.record(&done.deltas);
            for generation in self.counting.take_reaching_back() {
                self.watch_again(generation);
            }
        }
        // How far a past is counted goes on without a count, too.
        self.ticked.send_modify(|tick| *tick += 1);
        Ok(())
    }

    /// Tells who is to be called, and who no longer.
    fn changed(&mut self, slo: &str, changes: &[Change]) {
        for change in changes {
            self.telemetry.alert(slo, change);
        }
    }

    /// Publishes what decoders are to read from now on.
    fn publish(&self) {
        let reading = Arc::clone(self.counting.reading());
        *self.reading.write().unwrap_or_else(PoisonError::into_inner) = reading;
    }
}

/// Where the ledger keeps how far a source was read.
fn mark_key(source: &str) -> Vec<u8> {
    [b"mark\0", source.as_bytes()].concat()
}
