//! Back-fill: a new definition is counted over stored events from before it was given, hour by hour,
//! while the definition that it replaces keeps serving.
//!
//! A thread of its own reads stored events; the evaluator counts them between live entries, so that
//! which slices there are has one order. What comes after the definition was begun is counted live,
//! what came before (by the number of its journal entry) here: no event is counted by both. The
//! tallies of an hour and the note that it is done are one commit, so that a crash repeats nothing.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::compute::kernels::cmp::{gt, lt_eq};
use arrow::compute::{and, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use flyball_catalog::CountedBy;
use flyball_model::{Duration, Timestamp};
use flyball_segment::{ENTRY_COLUMN, Hour, SegmentError};
use flyball_store::{
    Generation, GenerationId, GenerationState, LedgerSnapshot, Sequence, StoreError,
};
use serde::{Deserialize, Serialize};

use super::objective::can_fill;
use super::{Evaluator, Message};
use crate::hex::hex;
use crate::http::shapes;
use crate::stored::{Stored, StoredError};

/// How long after a failure it is tried again.
const RETRY_AFTER: Duration = Duration::from_minutes(1);

/// How far a generation is counted over stored events; kept in the ledger with its tallies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Hours from this one on are counted; none is when it is missing.
    pub(crate) done_from: Option<Hour>,
    /// The first hour that had events.
    pub(crate) first: Option<Hour>,
    /// Whether all are counted.
    pub(crate) is_done: bool,
}

impl Progress {
    /// What `snapshot` keeps of `generation`; `None` where nothing stored was counted for it.
    pub(crate) fn read(
        snapshot: &LedgerSnapshot<'_>,
        generation: &Generation,
    ) -> Result<Option<Self>, StoreError> {
        let value = snapshot.value(&key(generation))?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }
}

/// Where the progress of a generation is kept.
fn key(generation: &Generation) -> Vec<u8> {
    // A hash first, since names may be long.
    format!("fill\0{}\0{}", hex(&generation.hash), generation.slo).into_bytes()
}

/// What an SLO whose past is being counted shows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FillStatus {
    /// The first hour of stored events, or the moment from which on samples are asked for; `None` before
    /// it is known.
    #[schema(value_type = Option<shapes::Instant>)]
    pub from: Option<Timestamp>,
    /// Hours of stored events, and of samples that a metrics system is asked for, that are counted; of
    /// each indicator for itself where samples are asked for.
    pub hours_done: usize,
    /// Those that there are; 0 before it is known.
    pub hours: usize,
}

impl FillStatus {
    /// Both together.
    pub(super) fn plus(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        Self {
            from: self.from.into_iter().chain(other.from).min(),
            hours_done: self.hours_done + other.hours_done,
            hours: self.hours + other.hours,
        }
    }
}

/// What is to be read.
#[derive(Debug)]
pub(super) struct Job {
    number: u64,
    /// The last entry whose events are wanted.
    since: Sequence,
    /// Only hours before this one.
    before: Option<Hour>,
    columns: Vec<String>,
}

/// What the reading thread tells the evaluator.
#[derive(Debug)]
pub(crate) struct Step {
    /// The job that it belongs to.
    number: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Which hours there are, and the first of all that are stored.
    Began { first: Option<Hour>, hours: usize },
    /// Events of an hour.
    Rows(RecordBatch),
    /// That was all of an hour.
    Hour(Hour),
    /// That was all.
    Ended,
    /// Stored events cannot be read.
    Failed(String),
}

/// The fill that goes on.
#[derive(Debug)]
pub(super) struct Fill {
    generations: Vec<Generation>,
    progress: Progress,
    hours: usize,
    hours_done: usize,
}

/// The evaluator's side of the reading thread.
#[derive(Debug)]
pub(super) struct Filling {
    stored: Stored,
    jobs: Sender<Job>,
    /// Answers to steps: whether to go on.
    go: Sender<bool>,
    /// The last job's number.
    number: u64,
    current: Option<Fill>,
    /// When to try again after a failure.
    retry_at: Option<Timestamp>,
    /// What has failed since it was tried again: its turn comes after that of all others.
    failed: HashSet<GenerationId>,
    /// When to look for definitions whose pasts were asked for to the end.
    promote_at: Option<Timestamp>,
    /// The thread's, until it is started.
    waiting: Option<(Receiver<Job>, Receiver<bool>)>,
    thread: Option<JoinHandle<()>>,
}

impl Filling {
    pub(super) fn new(stored: Stored) -> Self {
        let ((jobs, waiting_jobs), (go, waiting_go)) = (channel(), channel());
        Self {
            stored,
            jobs,
            go,
            number: 0,
            current: None,
            retry_at: None,
            failed: HashSet::new(),
            promote_at: None,
            waiting: Some((waiting_jobs, waiting_go)),
            thread: None,
        }
    }

    /// Starts the thread that reads. It ends with the evaluator.
    pub(super) fn start(&mut self, to: Sender<Message>) -> std::io::Result<()> {
        let Some((jobs, go)) = self.waiting.take() else { return Ok(()) };
        let stored = self.stored.clone();
        let thread = thread::Builder::new().name("fill".to_owned()).spawn(move || {
            while let Ok(job) = jobs.recv() {
                let tell = |what| {
                    let step = Step { number: job.number, what };
                    to.send(Message::Stored(Box::new(step))).is_ok() && go.recv().unwrap_or(false)
                };
                if let Err(error) = read(&job, &stored, &tell) {
                    tell(What::Failed(error.to_string()));
                }
            }
        })?;
        self.thread = Some(thread);
        Ok(())
    }

    /// Ends the thread, which gives up what it reads.
    pub(super) fn stop(self) {
        let Self { jobs, go, thread, .. } = self;
        drop((jobs, go));
        if let Some(thread) = thread {
            // A panic has been printed by the thread itself.
            let _ = thread.join();
        }
    }

    /// What the generation `id` shows.
    pub(super) fn status(&self, id: GenerationId) -> FillStatus {
        let fill = self.current.as_ref();
        match fill.filter(|fill| fill.generations.iter().any(|filled| filled.id == id)) {
            Some(fill) => FillStatus {
                from: fill.progress.first.map(Hour::start),
                hours_done: fill.hours_done,
                hours: fill.hours,
            },
            None => FillStatus { from: None, hours_done: 0, hours: 0 },
        }
    }
}

/// Reads what `job` asks for, the newest hour first. `tell` answers whether to go on.
fn read(job: &Job, stored: &Stored, tell: &dyn Fn(What) -> bool) -> Result<(), StoredError> {
    stored.flush()?;
    // The files of this moment stay until it is dropped, whatever is joined or deleted meanwhile.
    let view = stored.segments().view();
    let all = view.hours();
    let hours: Vec<Hour> = all
        .iter()
        .rev()
        .filter(|hour| job.before.is_none_or(|before| **hour < before))
        .copied()
        .collect();
    if !tell(What::Began { first: all.first().copied(), hours: hours.len() }) {
        return Ok(());
    }
    for hour in hours {
        for batch in view.read(hour, Some(&job.columns)) {
            let batch = within(&batch?, (Sequence::NONE, job.since))?;
            if batch.num_rows() > 0 && !tell(What::Rows(coded(&batch)?)) {
                return Ok(());
            }
        }
        if !tell(What::Hour(hour)) {
            return Ok(());
        }
    }
    tell(What::Ended);
    Ok(())
}

/// The events of `batch` that came with entries behind `after`, up to `through`.
pub(crate) fn within(
    batch: &RecordBatch,
    (after, through): (Sequence, Sequence),
) -> Result<RecordBatch, SegmentError> {
    let Some(entries) = batch.column_by_name(ENTRY_COLUMN) else { return Ok(batch.slice(0, 0)) };
    let entries = entries.as_primitive::<Int64Type>();
    let bound = |sequence: Sequence| Int64Array::new_scalar(sequence.0.cast_signed());
    let is_wanted = and(&gt(entries, &bound(after))?, &lt_eq(entries, &bound(through))?)?;
    Ok(filter_record_batch(batch, &is_wanted)?)
}

/// `batch` with its texts as dictionaries, as they were when they came in: conditions are then
/// evaluated once for each different text.
pub(crate) fn coded(batch: &RecordBatch) -> Result<RecordBatch, SegmentError> {
    let kind = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let is_text = *field.data_type() == DataType::Utf8;
        // A twin is plain, as builders make it.
        if is_text && !field.name().ends_with(flyball_events::TWIN_SUFFIX) {
            columns.push(arrow::compute::cast(column, &kind)?);
            fields.push(arrow::datatypes::Field::new(field.name(), kind.clone(), true));
        } else {
            columns.push(column.clone());
            fields.push(field.as_ref().clone());
        }
    }
    Ok(RecordBatch::try_new(std::sync::Arc::new(arrow::datatypes::Schema::new(fields)), columns)?)
}

impl Evaluator {
    /// Begins to count what is not counted yet, from its last hour that is. What went on before is
    /// given up; nothing of an hour that was begun is kept.
    fn fill(&mut self) -> Result<(), StoreError> {
        self.filling.number += 1;
        self.filling.current = None;
        self.counting.fill(&[]);
        // What was counted and could not be written yet comes first: the progress that is read next must
        // be that of all of it.
        self.try_commit()?;
        let snapshot = self.ledger.snapshot()?;
        let mut group: Option<(Progress, Vec<Generation>)> = None;
        for (definition, generation) in &self.counted {
            if generation.state != GenerationState::Filling || !can_fill(definition, generation) {
                continue;
            }
            if self.filling.failed.contains(&generation.id) {
                // Its turn comes when it is tried again.
                continue;
            }
            let progress = Progress::read(&snapshot, generation)?.unwrap_or_default();
            if progress.is_done && self.counting.pasts().is_open(generation.id) {
                // Only samples are still to be asked for.
                continue;
            }
            match &mut group {
                None => group = Some((progress, vec![generation.clone()])),
                Some((same, group)) if *same == progress && group[0].since == generation.since => {
                    group.push(generation.clone());
                }
                // Its turn comes when this group is done.
                Some(_) => {}
            }
        }
        drop(snapshot);
        let Some((progress, generations)) = group else {
            self.telemetry.filling(0);
            return Ok(());
        };
        let ids: Vec<GenerationId> = generations.iter().map(|generation| generation.id).collect();
        let columns = self.counting.fill(&ids);
        let job = Job {
            number: self.filling.number,
            since: generations[0].since,
            before: progress.done_from,
            columns,
        };
        self.filling.current = Some(Fill { generations, progress, hours: 0, hours_done: 0 });
        // It has ended only when the server goes down.
        let _ = self.filling.jobs.send(job);
        Ok(())
    }

    /// Tries again what has failed, when it is time and nothing else is being counted.
    pub(super) fn fill_again(&mut self, now: Timestamp) {
        let is_free = self.filling.current.is_none();
        if is_free && self.filling.retry_at.is_some_and(|at| at <= now) {
            self.filling.retry_at = None;
            self.filling.failed.clear();
            self.begin_fill(now);
        }
    }

    /// Begins to count what is not counted yet; later, where the ledger cannot be read now.
    pub(super) fn begin_fill(&mut self, now: Timestamp) {
        if let Err(error) = self.fill() {
            self.filling.retry_at = Some(now.plus(RETRY_AFTER));
            self.telemetry.store_failed("back-fill", &error);
        }
    }

    /// Takes a step of the reading thread, and tells it whether to go on.
    pub(super) fn filled(&mut self, step: Step) {
        let is_current = step.number == self.filling.number && self.filling.current.is_some();
        let taken = if is_current { self.take_step(step.what) } else { Ok(false) };
        let _ = self.filling.go.send(matches!(taken, Ok(true)));
        if let Err(error) = taken {
            self.fill_failed(&error);
        }
    }

    /// Tries again after a while, and goes on with what else is to be counted until then: stored events that
    /// cannot be read may not be among what others want.
    fn fill_failed(&mut self, error: &str) {
        self.telemetry.fill_failed(error);
        let now = self.clock.now();
        self.filling.retry_at = Some(now.plus(RETRY_AFTER));
        // One that is counted to its end and cannot take another's place would only fail again.
        let Some(fill) = self.filling.current.take() else { return };
        let failed = fill.generations.iter().map(|generation| generation.id);
        self.filling.failed.extend(failed);
        self.begin_fill(now);
    }

    /// `false` when there is no more to come.
    fn take_step(&mut self, what: What) -> Result<bool, String> {
        let said = |error: StoreError| error.to_string();
        let Some(fill) = &mut self.filling.current else { return Ok(false) };
        match what {
            What::Began { first, hours } => {
                fill.hours = hours;
                fill.progress.first = fill.progress.first.or(first);
                self.telemetry.filling(hours);
            }
            What::Rows(batch) => {
                self.counting.drain(&mut self.ledger, &mut self.pending).map_err(said)?;
                let counted = self.counting.add_stored(&batch, &mut self.ledger).map_err(said)?;
                if let Err(error) = counted {
                    self.telemetry.not_counted(&error);
                }
            }
            What::Hour(hour) => {
                fill.hours_done += 1;
                fill.progress.done_from = Some(hour);
                self.telemetry.filling(fill.hours - fill.hours_done);
                self.counting.drain_stored(&mut self.pending);
                self.keep_progress();
                self.commit();
            }
            What::Ended => {
                fill.progress.is_done = true;
                self.keep_progress();
                self.try_commit().map_err(said)?;
                self.fill_ends().map_err(|error| error.to_string())?;
                return Ok(false);
            }
            What::Failed(error) => return Err(error),
        }
        Ok(true)
    }

    /// Has the progress written with what is pending.
    fn keep_progress(&mut self) {
        let Some(fill) = &self.filling.current else { return };
        let value = serde_json::to_vec(&fill.progress).ok();
        let kept = fill.generations.iter().map(|generation| (key(generation), value.clone()));
        self.pending.values.extend(kept);
    }

    /// What is counted takes the place of what it replaces.
    fn fill_ends(&mut self) -> Result<(), super::InstallError> {
        let Some(fill) = self.filling.current.take() else { return Ok(()) };
        for generation in &fill.generations {
            // Made anew from the ledger, which has more of the past now.
            for watched in &mut self.watched {
                if watched.generation.id == generation.id {
                    watched.is_outdated = true;
                }
            }
            tracing::info!(slo = generation.slo, "the definition is counted over stored events");
        }
        self.install_again()
    }

    /// Has definitions whose pasts were asked for to the end take the place of those before them.
    pub(super) fn pasts_end(&mut self, now: Timestamp) {
        if self.counting.take_ended() {
            self.filling.promote_at = Some(now);
        }
        if self.filling.promote_at.is_none_or(|at| at > now) {
            return;
        }
        self.filling.promote_at = None;
        if let Err(error) = self.promote() {
            self.telemetry.install_failed(&error);
            self.filling.promote_at = Some(now.plus(RETRY_AFTER));
        }
    }

    /// Makes the definitions live whose pasts were asked for to the end. Taking all definitions once more is
    /// dear, and needed only where one takes another's place.
    fn promote(&mut self) -> Result<(), super::InstallError> {
        let Self { counted, counting, ledger, watched, .. } = self;
        let mut is_replacing = false;
        for (definition, generation) in counted {
            let is_open = counting.pasts().is_open(generation.id);
            let is_asked =
                definition.indicators.iter().any(|by| matches!(by, CountedBy::Metric(_)));
            if generation.state != GenerationState::Filling || is_open || !is_asked {
                continue;
            }
            let serves = watched.iter().any(|watched| watched.generation.id == generation.id);
            if can_fill(definition, generation) || !serves {
                is_replacing = true;
            } else {
                ledger.set_state(generation.id, GenerationState::Live)?;
                generation.state = GenerationState::Live;
            }
        }
        if is_replacing { self.install_again() } else { Ok(()) }
    }

    /// Takes the definitions in force once more: those that are filled are live from then on.
    fn install_again(&mut self) -> Result<(), super::InstallError> {
        let catalog = std::sync::Arc::clone(&self.catalog);
        self.install(catalog)?;
        // A state that was kept a while ago catches up with the others at once.
        self.advance(self.at);
        Ok(())
    }
}
