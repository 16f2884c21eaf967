//! The meter: samples in, tallies and what must be remembered out.
//!
//! Everything that decides a tally is kept durably with it: the last sample of each series, what a
//! slot still waits for, what one side of a ratio is ahead of the other. Time is the arrival that
//! comes with the samples, and whatever is due by then happens in the order of its own times, not
//! of the calls. So a meter that was restored from its last drain and is given the samples since
//! then again ends with the same tallies, whenever it was drained.

mod due;
mod durable;
mod keys;
mod routes;
mod series;
mod sli;
mod slices;
mod step;
mod unmet;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use flyball_events::Series;
use flyball_model::{Duration, Slice, Slot, Tally, Timestamp};
use foldhash::fast::RandomState;

use due::Due;
pub use durable::SCHEMA;
use keys::Key;
use routes::Router;
use series::{Group, SeriesState, Target};
use sli::SliState;
use slices::Slices;
pub use unmet::Unmet;

use crate::error::RestoreError;
use crate::terms::Plan;

/// Series remembered at most. One takes about 250 bytes, so that all of them fit in 256 MiB; beyond
/// it new series are refused and counted.
pub const SERIES_MAX: usize = 1_000_000;
/// Series remembered as not meant by any SLI, at 32 bytes each; beyond it all are forgotten and
/// looked at anew.
pub const STRANGERS_MAX: usize = 1_000_000;
/// Bounds of one classic histogram at most; the widest in use have some dozens.
pub const BOUNDS_MAX: usize = 256;
/// How long a slot waits for the other side of its ratio: side and total of one scrape come in
/// requests of their own, seconds apart.
pub const HOLD: Duration = Duration::from_seconds(30);
/// Slots of one SLI that wait at most; beyond it the earliest is settled at once.
pub const PENDING_MAX: usize = 4_096;
/// How long counts of a side that exceed the total are carried on before they are dropped.
pub const CARRY_MAX: Duration = Duration::from_minutes(5);
/// How far a sample may lie in the future of its arrival; as Prometheus has it for its own head.
pub const FUTURE_MAX: Duration = Duration::from_minutes(10);
/// How long a series is remembered without samples, to the hour.
pub const IDLE_MAX: Duration = Duration::from_hours(24);
/// The longest pause between two samples of a target that is watched without a break: Prometheus'
/// own lookback before it takes a series for gone.
pub const TARGET_GAP_MAX: Duration = Duration::from_minutes(5);

/// An SLI that a meter counts.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What it is called across restarts; unique. It has to change whenever the plan does, since
    /// what was kept under it counts on.
    pub identity: String,
    /// What to count.
    pub plan: Plan,
    /// Samples up to this moment count nothing for it, because another meter counts them; those
    /// after it are compared with them all the same, so that the two meters together count what
    /// one would. `None` where all samples count.
    pub after: Option<Timestamp>,
}

/// Events of one SLI, or of one slice of it, in one slot, to be added to what the ledger has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The SLI's place in the list that the meter was made of.
    pub sli: usize,
    /// The slice; `None` for all events together.
    pub slice: Option<Slice>,
    /// The slot, of the width [`crate::SLOT`].
    pub slot: Slot,
    /// What to add; never empty.
    pub tally: Tally,
}

/// A key and its new value; none where it is forgotten.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// What has happened since the last drain, to be committed in one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drained {
    /// Tallies by SLI and slot, in this order; those of slices come behind.
    pub counts: Vec<Counted>,
    /// What to remember, opaque; a later change of a key replaces an earlier one.
    pub changes: Vec<Change>,
}

/// Why a sample was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Its series has a sample of the same time.
    Duplicate,
    /// Its series has a later one: retried, or overtaken on the way.
    Late,
    /// More than [`FUTURE_MAX`] after its arrival.
    Future,
    /// NaN or infinite.
    NotFinite,
    /// A counter below zero.
    Negative,
    /// A counter above 2⁵³, where doubles leave out whole numbers.
    TooLarge,
    /// A number where the query means a histogram, or the other way round.
    OtherKind,
    /// A histogram that stands for itself and does not say since when.
    NoStart,
    /// A bucket whose bound is no number, or one of more than [`BOUNDS_MAX`].
    Bound,
    /// Of a new series, when [`SERIES_MAX`] are remembered.
    TooManySeries,
}

impl Reason {
    const ALL: [Self; 10] = [
        Self::Duplicate,
        Self::Late,
        Self::Future,
        Self::NotFinite,
        Self::Negative,
        Self::TooLarge,
        Self::OtherKind,
        Self::NoStart,
        Self::Bound,
        Self::TooManySeries,
    ];
}

impl Reason {
    /// The reason in words, always the same.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Duplicate => "a sample of the same time is counted already",
            Self::Late => "a later sample of the series is counted already",
            Self::Future => "the sample lies in the future",
            Self::NotFinite => "the value is no finite number",
            Self::Negative => "a counter below zero",
            Self::TooLarge => "a counter too large to be exact",
            Self::OtherKind => "a number where the query means a histogram, or the other way round",
            Self::NoStart => "a histogram that stands for itself without saying since when",
            Self::Bound => "a bucket whose bound is no number, or one too many",
            Self::TooManySeries => "too many series",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// How an SLI stands, apart from its tallies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Since when it is watched.
    pub began: Timestamp,
    /// True once a bucket had to be cut at a threshold: its counts are estimates from then on.
    pub is_estimated: bool,
    /// Counts of the side that found no total to belong to yet; below zero where the queries take
    /// away more than they add.
    pub ahead: i64,
    /// Since when it is ahead; a moment is usual, minutes mean that the queries do not fit together.
    pub ahead_since: Option<Timestamp>,
    /// Counts that were ahead for longer than [`CARRY_MAX`] and were dropped.
    pub dropped: u64,
    /// Slots that wait for their other side.
    pub waiting: usize,
}

/// Counts SLIs from samples. See the [crate's](crate) documentation.
#[derive(Debug)]
pub struct Meter {
    router: Router,
    /// The SLIs that are watched, and behind them their slices as they were met.
    slis: Vec<SliState>,
    slices: Slices,
    /// Those of `slis` of which slots wait.
    due: Due,
    series: HashMap<Key, SeriesState, RandomState>,
    /// Series that need no state: of no SLI, or buckets away from every threshold.
    stateless: HashMap<Key, series::Stateless, RandomState>,
    /// Classic histograms by the labels that their buckets share.
    groups: HashMap<Key, Group, RandomState>,
    targets: HashMap<Key, Target, RandomState>,
    series_max: usize,
    /// The latest arrival.
    now: Timestamp,
    /// When idle series were forgotten last, rounded down to hours.
    swept: Timestamp,
    counts: BTreeMap<(usize, Slot), Tally>,
    refusals: [u64; Reason::ALL.len()],
    changed: Changed,
}

/// What the next drain has to write.
#[derive(Debug, Default)]
struct Changed {
    series: Vec<Key>,
    targets: Vec<Key>,
    groups: Vec<Key>,
    gone: Vec<Vec<u8>>,
    /// Whether time went on.
    clock: bool,
}

impl Meter {
    /// A meter that watches `slis` from `began` on and remembers nothing.
    pub fn new(slis: Vec<Watched>, began: Timestamp) -> Self {
        let plans: Vec<&Plan> = slis.iter().map(|watched| &watched.plan).collect();
        let router = Router::new(&plans);
        let slices = Slices::new(&plans);
        let slis = slis.into_iter().map(|watched| SliState::new(watched, began)).collect();
        Self {
            router,
            slis,
            slices,
            due: Due::default(),
            series: HashMap::default(),
            stateless: HashMap::default(),
            groups: HashMap::default(),
            targets: HashMap::default(),
            series_max: SERIES_MAX,
            now: Timestamp::MIN,
            swept: Timestamp::MIN,
            counts: BTreeMap::new(),
            refusals: [0; Reason::ALL.len()],
            changed: Changed::default(),
        }
    }

    /// A meter that goes on where another one was drained. SLIs that were not watched then begin at
    /// `began`; what was kept of SLIs that are not watched any more is forgotten.
    ///
    /// # Errors
    ///
    /// Pairs that no drain gave.
    pub fn restore<'a>(
        slis: Vec<Watched>,
        began: Timestamp,
        pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, RestoreError> {
        let mut meter = Self::new(slis, began);
        let places = meter.places();
        for (key, value) in pairs {
            meter.read_pair(key, value, &places)?;
        }
        for (place, sli) in meter.slis.iter().enumerate() {
            meter.due.moved(place, Timestamp::MAX, sli.next_due);
        }
        Ok(meter)
    }

    /// The same with fewer series at most.
    #[must_use]
    pub fn with_series_max(mut self, most: usize) -> Self {
        self.series_max = most.min(SERIES_MAX);
        self
    }

    /// The same for samples that were stored and come in long stretches, all series of an SLI together:
    /// they are taken to have come when their slots ended.
    #[must_use]
    pub fn of_stored(mut self) -> Self {
        self.slis.iter_mut().for_each(SliState::come_stored);
        self
    }

    /// Counts the samples of one request that came at `arrival`.
    ///
    /// Samples of a series have to come in the order of their times; others are left out and
    /// counted. All samples of a request are counted in that order. Without series it only lets time go on: slots that have waited long enough are
    /// settled, which otherwise happens when the next samples come. An `arrival` before an earlier
    /// one is taken as that. Tallies are kept until they are drained, at most 361 slots for each
    /// sample and SLI.
    pub fn apply(&mut self, series: &[Series], arrival: Timestamp) {
        if arrival > self.now {
            self.now = arrival;
            self.changed.clock = true;
        }
        self.settle();
        self.sweep();
        // All are met before any is counted, so that a classic histogram's bounds are known.
        let met: Vec<Option<step::Met>> = series.iter().map(|series| self.meet(series)).collect();
        let mut steps = Vec::new();
        for (series, met) in series.iter().zip(met) {
            let Some(met) = met.filter(|met| self.admit(series, *met)) else { continue };
            // One that goes back in time stays behind the one before it.
            let mut at = Timestamp::MIN;
            steps.extend(series.samples.iter().map(|sample| {
                at = at.max(sample.at);
                (at, met.key, sample, series.temporality)
            }));
        }
        // A request may hold a long stretch: what is new in a target is told by what came before it, of
        // all its series.
        if !steps.is_sorted_by_key(|(at, ..)| *at) {
            steps.sort_by_key(|(at, ..)| *at);
        }
        for (_, key, sample, temporality) in steps {
            self.step(key, sample, temporality);
        }
        self.settle();
    }

    /// Takes what has happened since the last time. When it cannot be committed, the meter has to
    /// be restored from what was.
    pub fn drain(&mut self) -> Drained {
        let counts = std::mem::take(&mut self.counts);
        let counts = counts.into_iter().map(|((sli, slot), tally)| match &self.slis[sli].slice {
            None => Counted { sli, slice: None, slot, tally },
            Some((of, slice)) => Counted { sli: *of, slice: Some(slice.clone()), slot, tally },
        });
        Drained { counts: counts.collect(), changes: self.changes() }
    }

    /// Makes a slice of an SLI known that was met elsewhere, so that both keep the same ones.
    pub fn know(&mut self, sli: usize, slice: &Slice) {
        if sli < self.slices.watched() {
            self.slices.place(sli, slice.clone(), &mut self.slis, true);
        }
    }

    /// The slices that were met since the last time, each with the place of its SLI, in their order: for
    /// another meter of the same SLIs to [know](Self::know), so that both together keep no more than
    /// one would. What is beyond the most slices is none of them.
    pub fn take_met(&mut self) -> Vec<(usize, Slice)> {
        self.slices.take_met()
    }

    /// How an SLI stands; `None` where there is none.
    pub fn standing(&self, sli: usize) -> Option<Standing> {
        self.slis.get(sli).map(SliState::standing)
    }

    /// Samples left out since the start, by reason; reasons without any are not listed.
    pub fn refusals(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.refusals).filter(|(_, count)| *count > 0)
    }

    /// Series that are remembered.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    fn refuse(&mut self, reason: Reason, samples: usize) {
        let count = &mut self.refusals[reason as usize];
        *count = count.saturating_add(samples as u64);
    }

    fn settle(&mut self) {
        while let Some(place) = self.due.first(self.now) {
            let sli = &mut self.slis[place];
            let before = sli.next_due;
            sli.settle(self.now, |slot, tally| add(&mut self.counts, place, slot, tally));
            self.due.moved(place, before, sli.next_due);
        }
    }

    /// Forgets what was idle, once an hour. What is idle is told by the hour, not by the moment, so
    /// that it is the same whenever in the hour this is called, and again after a restart.
    fn sweep(&mut self) {
        let hour = self.now.floor(Duration::from_hours(1));
        if hour <= self.swept {
            return;
        }
        self.swept = hour;
        let oldest = hour.minus(IDLE_MAX);
        let gone = &mut self.changed.gone;
        self.series.retain(|key, state| {
            let keeps = state.seen >= oldest;
            if !keeps {
                gone.push(keys::series(*key));
            }
            keeps
        });
        self.targets.retain(|key, target| {
            let keeps = target.seen >= oldest;
            if !keeps {
                gone.push(keys::target(*key));
            }
            keeps
        });
        self.groups.retain(|key, group| {
            let keeps = group.seen >= oldest;
            if !keeps {
                gone.push(keys::group(*key));
            }
            keeps
        });
    }
}

/// Adds to the tally of an SLI's slot.
fn add(counts: &mut BTreeMap<(usize, Slot), Tally>, sli: usize, slot: Slot, tally: Tally) {
    if !tally.is_empty() {
        let sum = counts.entry((sli, slot)).or_default();
        *sum = sum.plus(tally);
    }
}
