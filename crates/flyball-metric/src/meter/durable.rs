//! What a meter keeps, as keys and values of bytes: `docs/format/meter-v1.md`.

use std::collections::HashMap;

use flyball_model::{Slot, Timestamp};

use super::keys::{self, Key};
use super::series::{Count, Group, SeriesState, Target};
use super::sli::{Carry, Pending, SliState};
use super::{BOUNDS_MAX, Change, Meter, PENDING_MAX};
use crate::error::RestoreError;
use crate::terms::What;

/// The format of the keys and values, which others must not rely on.
pub const SCHEMA: &str = "flyball.dev/meter/v1";
/// The first byte of every value.
const VERSION: u8 = 1;
/// The most things that are counted of one series.
const COUNTS_MAX: usize = 1 << 16;

impl Meter {
    /// Everything that changed since the last time.
    pub(super) fn changes(&mut self) -> Vec<Change> {
        let changed = std::mem::take(&mut self.changed);
        let mut changes: Vec<Change> = changed.gone.into_iter().map(|key| (key, None)).collect();
        if changed.clock {
            let mut out = Writer::new();
            out.time(self.now);
            out.time(self.swept);
            changes.push((keys::clock(), Some(out.bytes)));
        }
        for key in changed.series {
            if let Some(state) = self.series.get_mut(&key) {
                state.is_changed = false;
                changes.push((keys::series(key), Some(write_series(state))));
            }
        }
        for key in changed.targets {
            if let Some(target) = self.targets.get_mut(&key) {
                target.is_changed = false;
                changes.push((keys::target(key), Some(write_target(target))));
            }
        }
        let mut groups = changed.groups;
        groups.sort_unstable();
        groups.dedup();
        for key in groups {
            if let Some(group) = self.groups.get(&key) {
                changes.push((keys::group(key), Some(write_group(group))));
            }
        }
        for sli in self.slis.iter_mut().filter(|sli| sli.is_changed) {
            sli.is_changed = false;
            changes.push((keys::sli(&sli.identity), Some(write_sli(sli))));
        }
        changes
    }

    /// Takes in one pair of what was kept.
    pub(super) fn read_pair(
        &mut self,
        key: &[u8],
        value: &[u8],
        places: &HashMap<String, usize>,
    ) -> Result<(), RestoreError> {
        let no_key = || RestoreError::Key { bytes: key.len() };
        let (first, rest) = key.split_first().ok_or_else(no_key)?;
        let fingerprint = || rest.try_into().map(Key::from_be_bytes).map_err(|_| no_key());
        match *first {
            keys::CLOCK if rest.is_empty() => {
                let mut input = Reader::new(value, "the clock")?;
                (self.now, self.swept) = (input.time()?, input.time()?);
                input.end()
            }
            keys::SERIES => {
                if self.series.len() >= self.series_max {
                    return Err(RestoreError::Series { most: self.series_max });
                }
                self.series.insert(fingerprint()?, read_series(value)?);
                Ok(())
            }
            keys::TARGET => {
                self.targets.insert(fingerprint()?, read_target(value)?);
                Ok(())
            }
            keys::GROUP => {
                self.groups.insert(fingerprint()?, read_group(value)?);
                Ok(())
            }
            keys::SLI => {
                if let Some(place) = self.place_of(rest, places) {
                    return read_sli(value, &mut self.slis[place]);
                }
                self.changed.gone.push(key.to_vec());
                Ok(())
            }
            _ => Err(no_key()),
        }
    }
}

fn write_series(state: &SeriesState) -> Vec<u8> {
    let mut out = Writer::new();
    out.time(state.at);
    out.time(state.since);
    out.time(state.seen);
    out.word(state.layout);
    out.number(state.counts.len() as u64);
    for count in &state.counts {
        let (tag, bits) = match count.what {
            What::Samples => (0, None),
            What::Value => (1, None),
            What::Count => (2, None),
            What::Classic(bits) => (3, Some(bits)),
            What::Below(bits) => (4, Some(bits)),
        };
        out.bytes.push(tag);
        if let Some(bits) = bits {
            out.word(bits);
        }
        out.word(count.last.to_bits());
        out.number(u64::from(count.rest));
    }
    out.bytes
}

fn read_series(value: &[u8]) -> Result<SeriesState, RestoreError> {
    let mut input = Reader::new(value, "a series")?;
    let (at, since, seen) = (input.time()?, input.time()?, input.time()?);
    let layout = input.word()?;
    let length = input.length(COUNTS_MAX)?;
    let counts: Result<Box<[Count]>, RestoreError> = (0..length)
        .map(|_| {
            let what = match input.byte()? {
                0 => What::Samples,
                1 => What::Value,
                2 => What::Count,
                3 => What::Classic(input.word()?),
                4 => What::Below(input.word()?),
                _ => return Err(input.wrong()),
            };
            let last = f64::from_bits(input.word()?);
            let rest = u32::try_from(input.number()?).map_err(|_| input.wrong())?;
            Ok(Count { what, last, rest })
        })
        .collect();
    let counts = counts?;
    input.end()?;
    Ok(SeriesState {
        at,
        since,
        seen,
        layout,
        target: 0,
        route: None,
        is_changed: false,
        counts,
        bucket: None,
        slices: Box::default(),
    })
}

fn write_target(target: &Target) -> Vec<u8> {
    let mut out = Writer::new();
    for time in [target.first, target.previous, target.last, target.seen] {
        out.time(time);
    }
    out.bytes
}

fn read_target(value: &[u8]) -> Result<Target, RestoreError> {
    let mut input = Reader::new(value, "a target")?;
    let (first, previous) = (input.time()?, input.time()?);
    let (last, seen) = (input.time()?, input.time()?);
    input.end()?;
    Ok(Target { first, previous, last, seen, is_changed: false })
}

fn write_group(group: &Group) -> Vec<u8> {
    let mut out = Writer::new();
    out.time(group.seen);
    out.number(group.bounds.len() as u64);
    for bound in &group.bounds {
        out.word(bound.to_bits());
    }
    out.bytes
}

fn read_group(value: &[u8]) -> Result<Group, RestoreError> {
    let mut input = Reader::new(value, "a histogram's bounds")?;
    let seen = input.time()?;
    let length = input.length(BOUNDS_MAX)?;
    let bounds: Result<Vec<f64>, RestoreError> =
        (0..length).map(|_| input.word().map(f64::from_bits)).collect();
    let bounds = bounds?;
    if !bounds.is_sorted_by(|a, b| a < b) {
        return Err(input.wrong());
    }
    input.end()?;
    Ok(Group { bounds, seen })
}

fn write_sli(sli: &SliState) -> Vec<u8> {
    let mut out = Writer::new();
    out.time(sli.began);
    out.bytes.push(u8::from(sli.is_estimated));
    out.signed(sli.carry.side);
    out.signed(sli.carry.total);
    out.time(sli.carry.since.unwrap_or(Timestamp::MIN));
    out.number(sli.dropped);
    out.number(sli.pending.len() as u64);
    for (slot, pending) in &sli.pending {
        out.signed(slot.0);
        out.time(pending.due);
        out.signed(pending.side);
        out.signed(pending.total);
    }
    out.bytes
}

fn read_sli(value: &[u8], sli: &mut SliState) -> Result<(), RestoreError> {
    let mut input = Reader::new(value, "an SLI")?;
    sli.began = input.time()?;
    sli.is_estimated = match input.byte()? {
        0 => false,
        1 => true,
        _ => return Err(input.wrong()),
    };
    let (side, total, since) = (input.signed()?, input.signed()?, input.time()?);
    let since = Some(since).filter(|since| *since != Timestamp::MIN);
    sli.carry = Carry { side, total, since };
    sli.dropped = input.number()?;
    for _ in 0..input.length(PENDING_MAX)? {
        let slot = Slot(input.signed()?);
        let due = input.time()?;
        let (side, total) = (input.signed()?, input.signed()?);
        sli.pending.insert(slot, Pending { due, side, total });
        sli.next_due = sli.next_due.min(due);
    }
    sli.is_changed = false;
    input.end()
}

/// Writes a value.
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn new() -> Self {
        Self { bytes: vec![VERSION] }
    }

    /// Unsigned LEB128.
    fn number(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.bytes.push(low & 0x7f);
            }
            self.bytes.push(low | 0x80);
        }
    }

    /// Zigzag, so that small amounts of either sign are short.
    fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63).cast_unsigned());
    }

    fn time(&mut self, time: Timestamp) {
        self.word(time.nanos().cast_unsigned());
    }

    fn word(&mut self, word: u64) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }
}

/// Reads a value.
struct Reader<'v> {
    rest: &'v [u8],
    what: &'static str,
}

impl<'v> Reader<'v> {
    fn new(value: &'v [u8], what: &'static str) -> Result<Self, RestoreError> {
        let mut input = Self { rest: value, what };
        if input.byte()? == VERSION { Ok(input) } else { Err(input.wrong()) }
    }

    fn wrong(&self) -> RestoreError {
        RestoreError::Value { what: self.what }
    }

    fn byte(&mut self) -> Result<u8, RestoreError> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| self.wrong())?;
        self.rest = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, RestoreError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(self.wrong());
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.wrong())
    }

    fn signed(&mut self) -> Result<i64, RestoreError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn time(&mut self) -> Result<Timestamp, RestoreError> {
        self.word().map(|nanos| Timestamp::from_nanos(nanos.cast_signed()))
    }

    fn word(&mut self) -> Result<u64, RestoreError> {
        let (word, rest) = self.rest.split_first_chunk().ok_or_else(|| self.wrong())?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*word))
    }

    fn length(&mut self, most: usize) -> Result<usize, RestoreError> {
        let length = usize::try_from(self.number()?).ok().filter(|length| *length <= most);
        length.ok_or_else(|| self.wrong())
    }

    fn end(&self) -> Result<(), RestoreError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong()) }
    }
}
