//! What hurts people at work, kept.

use flyball_govern::friction::{Friction, FrictionError};
use flyball_model::Timestamp;
use flyball_store::{NewRecord, Noting, Record, RecordBound, RecordFilter, StoreError};
use serde_json::{Value, json};

use crate::changes::ChangesError;
use crate::control::{SharedControl, parse};

/// What such records are called.
const FRICTION: &str = "friction";
/// The most that are kept: what hurts in two hundred services for years.
const FRICTIONS: RecordBound = RecordBound { rows: 10_000, bytes: 128 << 20 };
/// What is read at a time, and what one answer says at most.
pub(crate) const SEEN_MAX: usize = 1_000;

/// What hurts, as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct KeptFriction {
    /// In which order frictions were first noted.
    pub(crate) number: u64,
    pub(crate) friction: Friction,
}

/// Why nothing is noted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrictionActError {
    /// It cannot be kept.
    #[error(transparent)]
    Kept(#[from] ChangesError),
    /// It does not take it.
    #[error(transparent)]
    Friction(#[from] FrictionError),
    /// There is none.
    #[error("there is no such friction; hint: GET /api/v1/friction lists them")]
    Unknown,
    /// The id is that of another one.
    #[error("`{0}` is known; hint: note that it was met again, or give this one an id of its own")]
    Taken(String),
}

impl From<StoreError> for FrictionActError {
    fn from(error: StoreError) -> Self {
        Self::Kept(error.into())
    }
}

fn read(record: &Record) -> Result<KeptFriction, ChangesError> {
    Ok(KeptFriction { number: record.number, friction: parse(record)? })
}

fn keep(
    noting: &Noting<'_>,
    friction: Friction,
    (action, detail): (&str, &Value),
) -> Result<KeptFriction, FrictionActError> {
    let (id, service) = (friction.id.clone(), friction.service.clone());
    let at = friction.times.last().map_or(Timestamp::MIN, |met| met.at);
    let text = json!(friction).to_string();
    let new = NewRecord { kind: FRICTION, id, service, at, text };
    let (number, _) = noting.keep(&new, FRICTIONS, Some((action, detail)))?;
    Ok(KeptFriction { number, friction })
}

/// Keeps what hurts, met for the first time. On disk when this returns.
///
/// # Errors
///
/// [`FrictionActError`]; nothing was kept then.
pub(crate) fn note(
    control: &SharedControl,
    friction: Friction,
    (who, now): (&str, Timestamp),
) -> Result<KeptFriction, FrictionActError> {
    control.lock().note(who, now, |noting| {
        if noting.record(FRICTION, &friction.id)?.is_some() {
            return Err(FrictionActError::Taken(friction.id.clone()));
        }
        let detail = json!({ "service": friction.service, "what": friction.what });
        keep(noting, friction, ("friction.note", &detail))
    })
}

/// Changes the friction called `id` as `work` does; `action` and what that answers are audited.
///
/// # Errors
///
/// [`FrictionActError`]; nothing was changed then.
pub(crate) fn amend(
    control: &SharedControl,
    id: &str,
    (who, now): (&str, Timestamp),
    action: &str,
    work: impl FnOnce(&mut Friction) -> Result<Value, FrictionActError>,
) -> Result<KeptFriction, FrictionActError> {
    control.lock().note(who, now, |noting| {
        let found = noting.record(FRICTION, id)?.ok_or(FrictionActError::Unknown)?;
        let KeptFriction { mut friction, .. } = read(&found)?;
        let mut detail = work(&mut friction)?;
        detail["service"] = json!(friction.service);
        keep(noting, friction, (action, &detail))
    })
}

/// The friction called `id`.
///
/// # Errors
///
/// [`ChangesError::Store`], [`ChangesError::Unreadable`].
pub(crate) fn get(control: &SharedControl, id: &str) -> Result<Option<KeptFriction>, ChangesError> {
    let found = control.lock().record(FRICTION, id)?;
    found.as_ref().map(read).transpose()
}

/// What hurts and is asked for, what was noted last first: `limit` of it; and the number of the last that was looked at,
/// where there may be more.
///
/// # Errors
///
/// [`ChangesError::Store`], [`ChangesError::Unreadable`].
pub(crate) fn list(
    control: &SharedControl,
    mut before: Option<u64>,
    limit: usize,
    is_asked: impl Fn(&Friction) -> bool,
) -> Result<(Vec<KeptFriction>, Option<u64>), ChangesError> {
    let mut listed = Vec::new();
    loop {
        let filter = RecordFilter { services: None, before, limit: SEEN_MAX };
        let found = control.lock().records(FRICTION, &filter)?;
        for record in &found {
            let one = read(record)?;
            before = Some(one.number);
            if is_asked(&one.friction) {
                listed.push(one);
            }
            if listed.len() == limit {
                return Ok((listed, before));
            }
        }
        if found.len() < SEEN_MAX {
            return Ok((listed, None));
        }
    }
}
