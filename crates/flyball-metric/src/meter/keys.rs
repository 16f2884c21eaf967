//! Names of series, targets and histograms in 16 bytes, the same in every release.
//!
//! SipHash-1-3 of 128 bits: among a million series two share a name with a probability of 10⁻²⁷.

use std::hash::Hasher;

use flyball_events::NAME_LABEL;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::matcher::value;

/// A fingerprint.
pub(super) type Key = u128;

/// First bytes of kept keys, by what they are about.
pub(super) const SERIES: u8 = b's';
pub(super) const TARGET: u8 = b't';
pub(super) const GROUP: u8 = b'g';
pub(super) const SLI: u8 = b'i';
pub(super) const CLOCK: u8 = b'c';

/// Of all labels but `without`, which are sorted by name.
pub(super) fn fingerprint(labels: &[(String, String)], without: Option<&str>) -> Key {
    let mut hasher = SipHasher13::new();
    for (name, value) in labels.iter().filter(|(name, _)| without != Some(name.as_str())) {
        write(&mut hasher, name);
        write(&mut hasher, value);
    }
    hasher.finish128().as_u128()
}

/// Of what exposes a metric: its name, `job` and `instance`. `None` without an instance, since
/// then it is not known that the series come from one process.
pub(super) fn target_of(labels: &[(String, String)]) -> Option<Key> {
    let instance = value(labels, "instance");
    if instance.is_empty() {
        return None;
    }
    let mut hasher = SipHasher13::new();
    for part in [value(labels, NAME_LABEL), value(labels, "job"), instance] {
        write(&mut hasher, part);
    }
    Some(hasher.finish128().as_u128())
}

/// A text and its length, so that no two lists of texts are written alike.
fn write(hasher: &mut SipHasher13, text: &str) {
    hasher.write(&(text.len() as u64).to_le_bytes());
    hasher.write(text.as_bytes());
}

pub(super) fn series(key: Key) -> Vec<u8> {
    of(SERIES, &key.to_be_bytes())
}

pub(super) fn target(key: Key) -> Vec<u8> {
    of(TARGET, &key.to_be_bytes())
}

pub(super) fn group(key: Key) -> Vec<u8> {
    of(GROUP, &key.to_be_bytes())
}

pub(super) fn sli(identity: &str) -> Vec<u8> {
    of(SLI, identity.as_bytes())
}

pub(super) fn clock() -> Vec<u8> {
    vec![CLOCK]
}

fn of(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + rest.len());
    key.push(first);
    key.extend_from_slice(rest);
    key
}
