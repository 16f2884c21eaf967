//! What the server says of itself: counters for `/metrics`, and structured logs.

use std::sync::atomic::AtomicU64;

use flyball_budget::alert::Change;
use flyball_budget::live::LiveError;
use flyball_govern::alert::{Desk, State};
use flyball_govern::verdict::Answer as Verdict;
use flyball_metric::Reason;
use flyball_model::Duration;
use flyball_query::QueryError;
use flyball_store::{Sequence, StoreError};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::entry::Content;
use crate::evaluator::InstallError;
use crate::intake::{Receipt, Refusal};
use crate::stored::StoredError;

/// What came in, as what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    content: &'static str,
}

/// What was not counted, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Dropped {
    content: &'static str,
    reason: &'static str,
}

/// What other systems tell, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Told {
    system: &'static str,
    outcome: &'static str,
}

/// What a change did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    answer: &'static str,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Doing {
    doing: &'static str,
}

/// An attempt to tell a target of something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    target: String,
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

/// An answer: to which route, and how it begins, as in `2xx`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    route: String,
    class: &'static str,
}

/// Bounds of how long an acknowledgement took, in seconds: around the 50 ms that are promised at half
/// load, and around a disk that is slow.
const ACK_BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Bounds of how long it took until a request was counted, in seconds: budgets are to follow within
/// seconds, and a back-fill or a full disk takes minutes.
const COUNTED_BOUNDS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0];

/// Histograms by kind, each with [`ACK_BOUNDS`].
type AckTimes = Family<Kind, Histogram, fn() -> Histogram>;

/// Writes what happens to standard error from now on: as text on a terminal, else as JSON. What is
/// written is chosen by `directives`, such as `debug` or `info,hyper=debug`; what they leave open is
/// written from `info` on. Calls after the first do nothing.
///
/// # Errors
///
/// Directives that cannot be read, with a hint. A word alone has to be a level: the name of a part in its
/// place would silence all others.
pub fn log(directives: &str) -> Result<(), String> {
    use std::io::IsTerminal;
    use std::str::FromStr;
    use tracing::level_filters::LevelFilter;
    use tracing_subscriber::EnvFilter;
    let hint = "hint: write error, warn, info, debug, trace or off, or PART=LEVEL of one part";
    let words = directives.split(',').map(str::trim).filter(|word| !word.is_empty());
    for word in words.filter(|word| !word.contains(['=', '[', '{'])) {
        LevelFilter::from_str(word)
            .map_err(|_| format!("`{word}` is no level of a log; {hint}"))?;
    }
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .parse(directives)
        .map_err(|error| format!("the log cannot be chosen by `{directives}`: {error}; {hint}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Another subscriber that is there already does as well.
    let _ = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    Ok(())
}

/// Counters of everything that happens, with a registry that renders them.
#[derive(Debug)]
pub(crate) struct Telemetry {
    registry: Registry,
    requests: Family<Kind, Counter>,
    events: Family<Kind, Counter>,
    repeated: Family<Kind, Counter>,
    refused: Family<Dropped, Counter>,
    dropped: Family<Dropped, Counter>,
    left_out: Family<Why, Counter>,
    texts_cut: Family<Doing, Counter>,
    denied: Family<Why, Counter>,
    tail_files_lost: Family<Why, Counter>,
    cut_off: Counter,
    logins: Family<Outcome, Counter>,
    failures: Family<Doing, Counter>,
    deltas: Counter,
    recovered: Counter,
    committed: Gauge<u64, AtomicU64>,
    alerts: Counter,
    open: Family<InState, Gauge<u64, AtomicU64>>,
    alerts_refused: Counter,
    foreign_refused: Counter,
    silenced: Counter,
    waiting: Gauge<u64, AtomicU64>,
    given_up: Family<Why, Counter>,
    attempts: Family<Attempt, Counter>,
    stored_events: Counter,
    stored: Gauge<u64, AtomicU64>,
    stored_bytes: Gauge<u64, AtomicU64>,
    deleted: Family<Class, Counter>,
    filling: Gauge<u64, AtomicU64>,
    behind: Gauge<f64, AtomicU64>,
    definitions: Family<Outcome, Counter>,
    told: Family<Told, Counter>,
    verdicts: Family<Answered, Counter>,
    answers: Family<Answer, Counter>,
    acknowledged: AckTimes,
    counted: Histogram,
}

impl Default for Telemetry {
    fn default() -> Self {
        let mut this = Self {
            registry: Registry::with_prefix("flyball"),
            requests: Family::default(),
            events: Family::default(),
            repeated: Family::default(),
            refused: Family::default(),
            dropped: Family::default(),
            left_out: Family::default(),
            texts_cut: Family::default(),
            denied: Family::default(),
            tail_files_lost: Family::default(),
            cut_off: Counter::default(),
            logins: Family::default(),
            failures: Family::default(),
            deltas: Counter::default(),
            recovered: Counter::default(),
            committed: Gauge::default(),
            alerts: Counter::default(),
            open: Family::default(),
            alerts_refused: Counter::default(),
            foreign_refused: Counter::default(),
            silenced: Counter::default(),
            waiting: Gauge::default(),
            given_up: Family::default(),
            attempts: Family::default(),
            stored_events: Counter::default(),
            stored: Gauge::default(),
            stored_bytes: Gauge::default(),
            deleted: Family::default(),
            filling: Gauge::default(),
            behind: Gauge::default(),
            definitions: Family::default(),
            told: Family::default(),
            verdicts: Family::default(),
            answers: Family::default(),
            acknowledged: Family::new_with_constructor(|| Histogram::new(ACK_BOUNDS)),
            counted: Histogram::new(COUNTED_BOUNDS),
        };
        this.register_intake();
        this.register_alerts();
        this.register_store();
        this
    }
}

impl Telemetry {
    /// What comes in, and from whom.
    fn register_intake(&mut self) {
        let r = &mut self.registry;
        r.register("ingest_requests", "Requests taken in and durable", self.requests.clone());
        r.register("ingest_events", "Events taken in and durable", self.events.clone());
        let repeated = "Requests left out because they were taken in before";
        r.register("ingest_repeated", repeated, self.repeated.clone());
        let refused = "Requests refused as a whole, by reason";
        r.register("ingest_refused_requests", refused, self.refused.clone());
        r.register("ingest_dropped_events", "Events not counted, by reason", self.dropped.clone());
        let left_out = "Samples of metric SLIs that were taken in and count nothing, by reason";
        r.register("samples_left_out", left_out, self.left_out.clone());
        let cut = "Texts of attributes that were too long and were cut, when events were taken in and stored";
        r.register("texts_cut", cut, self.texts_cut.clone());
        let lost = "Files of logs that may not have been read to their end, by reason";
        r.register("tail_files_lost", lost, self.tail_files_lost.clone());
        r.register("denied_requests", "Requests that may not pass, by reason", self.denied.clone());
        let cut_off =
            "Connections that were cut off because their clients did not take the answers";
        r.register("connections_cut_off", cut_off, self.cut_off.clone());
        r.register("logins", "Logins of people, by what became of them", self.logins.clone());
        r.register(
            "failures",
            "What the server could not do, to be tried again",
            self.failures.clone(),
        );
        let recovered = "Journal entries that a start found behind the ledger and counted";
        r.register("recovered_entries", recovered, self.recovered.clone());
        r.register("ledger_slots_written", "Slots that commits added to", self.deltas.clone());
        let position = "The last journal entry that the ledger counts";
        r.register("ledger_position", position, self.committed.clone());
    }

    /// What people and their systems are told.
    fn register_alerts(&mut self) {
        let r = &mut self.registry;
        r.register(
            "alert_changes",
            "Alert rules that began or ceased to fire",
            self.alerts.clone(),
        );
        r.register("alerts", "Alerts that are not over, by their state", self.open.clone());
        let refused = "Alerts that had no room, of which nobody was told";
        r.register("alerts_refused", refused, self.alerts_refused.clone());
        let refused = "Alerts of other systems that had no room";
        r.register("foreign_alerts_refused", refused, self.foreign_refused.clone());
        let silenced = "Notices that were not made because a silence covers the alert";
        r.register("notices_silenced", silenced, self.silenced.clone());
        let waiting = "Notices that wait to be sent, or for an answer";
        r.register("notices_waiting", waiting, self.waiting.clone());
        let given_up = "Notices that were given up, by reason";
        r.register("notices_given_up", given_up, self.given_up.clone());
        let attempts = "Attempts to tell a target, by what came of them and why";
        r.register("notice_attempts", attempts, self.attempts.clone());
    }

    /// What is kept, and what is made of it.
    fn register_store(&mut self) {
        let r = &mut self.registry;
        r.register(
            "segments_events",
            "Events on their way into segments",
            self.stored_events.clone(),
        );
        let stored = "The last journal entry whose events are in segments";
        r.register("segments_position", stored, self.stored.clone());
        r.register("segments_bytes", "What segments take on disk", self.stored_bytes.clone());
        let deleted = "Files that were deleted because they were old enough, by what they held";
        r.register("retention_deleted_files", deleted, self.deleted.clone());
        let filling = "Hours of stored events that new definitions are still to be counted over";
        r.register("backfill_hours_left", filling, self.filling.clone());
        let behind = "How far what is asked of the metrics system is behind, where it is furthest";
        r.register_with_unit("prometheus_behind", behind, Unit::Seconds, self.behind.clone());
        let definitions = "Changes of definitions, by what became of them";
        r.register("definition_changes", definitions, self.definitions.clone());
        let told = "Messages of other systems on changes, by what became of them";
        r.register("change_messages", told, self.told.clone());
        let verdicts = "Changes of which it was said what they did, by answer";
        r.register("change_verdicts", verdicts, self.verdicts.clone());
        r.register("http_answers", "Answers by route and class of status", self.answers.clone());
        let acknowledged = "From a request's last byte to its events being on disk";
        let seconds = Unit::Seconds;
        r.register_with_unit("ingest_ack", acknowledged, seconds, self.acknowledged.clone());
        let counted = "From a request's arrival to its events being in the ledger";
        let seconds = Unit::Seconds;
        r.register_with_unit("ingest_counted", counted, seconds, self.counted.clone());
    }

    /// The counters as `OpenMetrics` text.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// A message of `system` on changes was understood.
    pub(crate) fn told(&self, system: &'static str, outcome: &'static str) {
        self.told.get_or_create(&Told { system, outcome }).inc();
    }

    /// It is known what a change did.
    pub(crate) fn judged(&self, answer: Verdict) {
        let answer = match answer {
            Verdict::Healthy => "healthy",
            Verdict::Regressed => "regressed",
            Verdict::Undecided => "undecided",
        };
        self.verdicts.get_or_create(&Answered { answer }).inc();
    }

    /// A request was worked on for `took`, from when all of it was there.
    pub(crate) fn took_in(
        &self,
        content: Content,
        outcome: &Result<Receipt, Refusal>,
        took: std::time::Duration,
    ) {
        let content = content.name();
        match outcome {
            Ok(receipt) => {
                let kind = Kind { content };
                self.acknowledged.get_or_create(&kind).observe(took.as_secs_f64());
                if receipt.repeated {
                    self.repeated.get_or_create(&kind).inc();
                } else {
                    self.requests.get_or_create(&kind).inc();
                    self.events.get_or_create(&kind).inc_by(receipt.events);
                }
                self.texts_cut("take in", receipt.texts_cut.0);
                for (reason, rejected) in receipt.rejects.iter() {
                    self.dropped.get_or_create(&Dropped { content, reason }).inc_by(rejected.count);
                }
            }
            Err(refusal) => {
                let reason = refusal.name();
                self.refused.get_or_create(&Dropped { content, reason }).inc();
                if let Refusal::Store(error) = refusal {
                    self.store_failed("append", error);
                }
            }
        }
    }

    /// Texts of attributes were cut by whoever was `doing` that: to take in what conditions read, or to store
    /// all there is.
    pub(crate) fn texts_cut(&self, doing: &'static str, texts: u64) {
        if texts > 0 {
            self.texts_cut.get_or_create(&Doing { doing }).inc_by(texts);
        }
    }

    /// A request that was refused before its body was looked at.
    pub(crate) fn refused(&self, content: &'static str, reason: &'static str) {
        self.refused.get_or_create(&Dropped { content, reason }).inc();
    }

    /// Samples that count nothing.
    pub(crate) fn left_out(&self, reason: Reason, samples: u64) {
        self.left_out.get_or_create(&Why { reason: reason.text() }).inc_by(samples);
    }

    /// A file of a log could not be read to its end, or was never read.
    pub(crate) fn log_lost(&self, reason: &'static str) {
        self.tail_files_lost.get_or_create(&Why { reason }).inc();
    }

    /// An answer of `route` with the HTTP status `status`.
    pub(crate) fn answered(&self, route: &str, status: u16) {
        let class = match status {
            100..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.answers.get_or_create(&Answer { route: route.to_owned(), class }).inc();
    }

    /// A request's events are in the ledger, `after` its arrival.
    pub(crate) fn counted(&self, after: Duration) {
        // A clock that was set back makes it nothing.
        let nanos = u64::try_from(after.nanos()).unwrap_or_default();
        self.counted.observe(std::time::Duration::from_nanos(nanos).as_secs_f64());
    }

    /// A request whose caller may not do what it asks.
    pub(crate) fn denied(&self, reason: &'static str) {
        self.denied.get_or_create(&Why { reason }).inc();
    }

    /// A connection was cut off whose client did not take its answers.
    pub(crate) fn cut_off(&self) {
        self.cut_off.inc();
    }

    /// Somebody has `begun` to log in, is `done`, or was refused for this reason.
    pub(crate) fn login(&self, outcome: &'static str) {
        self.logins.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn not_counted(&self, error: &QueryError) {
        self.failures.get_or_create(&Doing { doing: "count" }).inc();
        tracing::error!(%error, "a condition cannot be evaluated over the events that came");
    }

    pub(crate) fn unreadable(&self, entry: Sequence, error: &str) {
        self.failures.get_or_create(&Doing { doing: "read" }).inc();
        tracing::error!(entry = entry.0, error, "a journal entry cannot be read");
    }

    pub(crate) fn recovered(&self, entries: u64) {
        self.recovered.inc_by(entries);
        tracing::info!(entries, "counted what the journal held behind the ledger");
    }

    pub(crate) fn store_failed(&self, doing: &'static str, error: &StoreError) {
        self.failures.get_or_create(&Doing { doing }).inc();
        tracing::error!(%error, doing, "the store does not work");
    }

    pub(crate) fn state_failed(&self, slo: &str, error: &LiveError<StoreError>) {
        self.failures.get_or_create(&Doing { doing: "evaluate" }).inc();
        tracing::error!(slo, %error, "an objective cannot be kept up to date");
    }

    pub(crate) fn install_failed(&self, error: &InstallError) {
        self.failures.get_or_create(&Doing { doing: "install" }).inc();
        tracing::error!(%error, "the definitions cannot be planned further");
    }

    pub(crate) fn committed(&self, through: Sequence, slots: usize) {
        self.committed.set(through.0);
        self.deltas.inc_by(slots as u64);
    }

    pub(crate) fn alert(&self, slo: &str, change: &Change) {
        self.alerts.inc();
        let (what, firing) = match change {
            Change::Fired(firing) => ("fires", firing),
            Change::Resolved(firing) => ("resolved", firing),
        };
        tracing::warn!(slo, rule = firing.rule, severity = ?firing.severity, "alert {what}");
    }

    /// What is known of alerts, and counted of notices, at the moment.
    pub(crate) fn alerts(&self, desk: &Desk) {
        use std::sync::atomic::Ordering::Relaxed;
        let count = |state| desk.alerts().filter(|alert| alert.state == state).count() as u64;
        for (state, name) in [(State::Pending, "pending"), (State::Firing, "firing")] {
            self.open.get_or_create(&InState { state: name }).set(count(state));
        }
        let (counts, outbox) = (desk.counts(), desk.outbox());
        self.alerts_refused.inner().store(counts.alerts_refused, Relaxed);
        self.silenced.inner().store(counts.silenced, Relaxed);
        self.waiting.set(outbox.waiting().count() as u64);
        for (reason, count) in outbox.dead_count() {
            let why = Why { reason: reason.name() };
            self.given_up.get_or_create(&why).inner().store(*count, Relaxed);
        }
    }

    /// An attempt to tell a target is over.
    pub(crate) fn notified(&self, target: &str, outcome: &'static str, reason: &'static str) {
        let target = target.to_owned();
        self.attempts.get_or_create(&Attempt { target, outcome, reason }).inc();
    }

    /// Alerts of other systems that had no room.
    pub(crate) fn foreign_refused(&self, alerts: u64) {
        self.foreign_refused.inc_by(alerts);
    }

    /// What was kept of alerts and cannot be read; the rules themselves say what fires.
    pub(crate) fn alert_row(&self, key: &str, error: &serde_json::Error) {
        self.failures.get_or_create(&Doing { doing: "read alerts" }).inc();
        tracing::error!(key, %error, "something that was kept of alerts cannot be read");
    }

    pub(crate) fn stored_events(&self, events: u64) {
        self.stored_events.inc_by(events);
    }

    pub(crate) fn stored(&self, through: u64, bytes: u64) {
        self.stored.set(through);
        self.stored_bytes.set(bytes);
    }

    pub(crate) fn stored_failed(&self, error: &StoredError) {
        self.failures.get_or_create(&Doing { doing: "store events" }).inc();
        tracing::error!(%error, "events cannot be stored; they are kept in the journal");
    }

    pub(crate) fn deleted(&self, class: &'static str, files: usize) {
        self.deleted.get_or_create(&Class { class }).inc_by(files as u64);
    }

    pub(crate) fn filling(&self, hours_left: usize) {
        self.filling.set(hours_left as u64);
    }

    pub(crate) fn fill_failed(&self, error: &str) {
        self.failures.get_or_create(&Doing { doing: "back-fill" }).inc();
        tracing::error!(error, "stored events cannot be counted; it is tried again");
    }

    /// What is asked of the metrics system is this far behind.
    pub(crate) fn behind(&self, by: Duration) {
        self.behind.set(by.nanos() as f64 / 1e9);
    }

    /// What is asked of the metrics system did not come, or cannot be used.
    pub(crate) fn ask_failed(&self, source: &str, why: &dyn std::fmt::Display) {
        self.failures.get_or_create(&Doing { doing: "ask" }).inc();
        tracing::warn!(source, %why, "the metrics system was asked in vain; it is asked again");
    }

    /// Definitions were `planned` or `applied` by a client, `read` from the server's own files, or
    /// `refused`.
    pub(crate) fn definitions(&self, outcome: &'static str) {
        self.definitions.get_or_create(&Outcome { outcome }).inc();
    }
}
