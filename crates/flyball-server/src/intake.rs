//! Taking a request in: decoded, written to the journal, handed to whoever counts, and only then
//! acknowledged.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use flyball_events::{Rejected, Rejects, Sample, SampleValue};
use flyball_model::Timestamp;
use flyball_store::{Journal, LedgerReader, StoreError};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use crate::clock::Clock;
use crate::decode::{Body, BodyError, Decoder, Reading, expand, said_bytes};
use crate::entry::{self, Compression, Content, Header, Mark};
use crate::evaluator::{Handed, Message};
use crate::hex::hex;
use crate::keys::{Claim, ID_BYTES, Keys, is_other, parts};
use crate::limits::Limits;
use crate::pool::{GivenUp, Pool, Size};
use crate::telemetry::Telemetry;

mod room;

use room::Room;

/// From how many bytes on, decompressed, decoding a body is taken to be large work: tens of
/// milliseconds.
const LARGE_BYTES: usize = 1 << 20;
/// The least that a body is taken to be when it is decompressed. Bytes.
const EXPECTED_BYTES_MIN: usize = 16 << 10;
/// How many times its size a compressed body is taken to become where it does not say more, and by how
/// much more it is tried again where it has become more: most are a tenth.
const COMPRESSION_FACTOR: usize = 8;

/// How many bytes of a key say what was in its request: enough for what happens by mistake.
const CONTENT_BYTES: usize = 8;
/// What says what is in a request.
type Said = [u8; CONTENT_BYTES];

/// A request, not yet looked into.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// What its body is.
    pub(crate) content: Content,
    /// How that is compressed.
    pub(crate) compression: Compression,
    /// The service of events that name none.
    pub(crate) service: Option<String>,
    /// The client's idempotency key, and who that is: others may use the same.
    pub(crate) key: Option<SenderKey>,
    /// The body as it was sent.
    pub(crate) body: Bytes,
    /// The services that its sender may send for; none for all.
    pub(crate) services: Vec<String>,
    /// The format of a log's lines.
    pub(crate) format: Option<String>,
    /// How far its source has been read with it.
    pub(crate) mark: Option<Mark>,
}

/// An idempotency key of one sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SenderKey {
    /// Who sends, as in the audit log.
    pub(crate) sender: String,
    /// What they call the request.
    pub(crate) key: String,
}

impl Offer {
    /// An offer of `body` by somebody who may send for every service, with nothing known beside it.
    pub(crate) fn new(content: Content, compression: Compression, body: Bytes) -> Self {
        Self {
            content,
            compression,
            service: None,
            key: None,
            body,
            services: Vec::new(),
            format: None,
            mark: None,
        }
    }
}

/// What became of a request that was taken in. It is durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Events that count.
    pub(crate) events: u64,
    /// Records that do not, by reason.
    pub(crate) rejects: Rejects,
    /// Those reasons in their order, with the bounds that they are about.
    pub(crate) reasons: Vec<String>,
    /// How many texts of attributes that are read were cut, and what is said of that.
    pub(crate) texts_cut: (u64, Option<String>),
    /// Whether a request with the same key or content was taken in before, and this one is left out.
    pub(crate) repeated: bool,
    /// Of the events, those that are samples of histograms.
    pub(crate) histograms: u64,
    /// Exemplars that came along with samples that count. They are in the journal with their request.
    pub(crate) exemplars: u64,
}

impl Receipt {
    /// The records that were refused, by reason.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&str, &Rejected)> {
        let rejected = self.rejects.iter().map(|(_, rejected)| rejected);
        self.reasons.iter().map(String::as_str).zip(rejected)
    }

    /// How many records were refused, and why, in words; `None` when none was.
    pub(crate) fn refused(&self) -> Option<(u64, String)> {
        let total = self.rejects.total();
        let reason =
            |(reason, rejected): (&str, &Rejected)| format!("{}: {reason}", rejected.count);
        let reasons: Vec<String> = self.refusals().map(reason).collect();
        (total > 0).then(|| (total, reasons.join("; ")))
    }
}

/// Why a request was not taken in: nothing of it is counted.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refusal {
    /// Too much is being worked on.
    #[error("too many requests are being worked on; hint: send it again after a moment")]
    Busy,
    /// The body is at fault.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The sender may not send for a service that is named.
    #[error(
        "the token may not send events of {0}; hint: it is for some services only, and only for \
         requests that name no other"
    )]
    Service(String),
    /// Something else was taken in under the same key.
    #[error(
        "the Idempotency-Key was used for other content, and nothing of this was taken in; hint: give each \
         request a key of its own, and the same one only when it is sent again as it was"
    )]
    KeyReused,
    /// The store is at fault.
    #[error("nothing can be written: {0}")]
    Store(#[from] StoreError),
    /// The server is going down, or a bug was met.
    #[error("the request was given up; hint: send it again")]
    GivenUp,
}

impl Refusal {
    /// The reason in one word, for counters.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Busy | Self::Store(StoreError::Busy { .. }) => "busy",
            Self::Body(BodyError::TooLarge { .. }) | Self::Store(StoreError::TooLarge { .. }) => {
                "too large"
            }
            Self::Body(BodyError::Compression(_)) => "compression",
            Self::Body(BodyError::Malformed(_)) => "malformed",
            Self::Service(_) => "service",
            Self::KeyReused => "key reused",
            Self::Store(_) => "store",
            Self::GivenUp => "given up",
        }
    }

    /// Whether the same request may be taken in when it is sent again.
    pub(crate) const fn is_temporary(&self) -> bool {
        match self {
            Self::Body(_)
            | Self::Service(_)
            | Self::KeyReused
            | Self::Store(StoreError::TooLarge { .. }) => false,
            Self::Busy | Self::Store(_) | Self::GivenUp => true,
        }
    }
}

impl From<GivenUp> for Refusal {
    fn from(_: GivenUp) -> Self {
        Self::GivenUp
    }
}

/// The door through which everything comes in.
#[derive(Debug)]
pub(crate) struct Intake {
    journal: Arc<Journal>,
    keys: Arc<Keys>,
    known: Mutex<LedgerReader>,
    reading: Arc<RwLock<Arc<Reading>>>,
    pool: Pool<Decoder>,
    counting: Sender<Message>,
    room: Room,
    limits: Limits,
    clock: Clock,
    telemetry: Arc<Telemetry>,
}

/// The parts that an [`Intake`] joins.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) journal: Arc<Journal>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) known: LedgerReader,
    pub(crate) reading: Arc<RwLock<Arc<Reading>>>,
    pub(crate) counting: Sender<Message>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Arc<Telemetry>,
}

impl Intake {
    pub(crate) fn new(parts: Parts) -> std::io::Result<Self> {
        let Parts { journal, keys, known, reading, counting, limits, clock, telemetry } = parts;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (initial, bounds) = (Arc::clone(&reading), limits.clone());
        let pool =
            Pool::new("decode", threads, move || Decoder::new(current(&initial), bounds.clone()))?;
        Ok(Self {
            journal,
            keys,
            known: Mutex::new(known),
            reading,
            pool,
            counting,
            room: Room::new(limits.working_bytes_max),
            limits,
            clock,
            telemetry,
        })
    }

    /// The bounds on what comes in.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes a request in. Returns when what it brought is on disk.
    ///
    /// Once begun it is brought to its end, whether the caller waits or not.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; nothing of it counts then.
    pub(crate) async fn accept(self: &Arc<Self>, offer: Offer) -> Result<Receipt, Refusal> {
        let content = offer.content;
        let this = Arc::clone(self);
        let begun = tokio::time::Instant::now();
        let done = tokio::spawn(async move { this.take_in(offer).await }).await;
        let outcome = done.unwrap_or(Err(Refusal::GivenUp));
        self.telemetry.took_in(content, &outcome, begun.elapsed());
        outcome
    }

    async fn take_in(&self, offer: Offer) -> Result<Receipt, Refusal> {
        let Offer { content, compression, service, key, body, services, format, mark } = offer;
        let mut header = Header { content, compression, service, key: None, format, mark };
        let arrival = self.clock.now();
        let (decoded, said, permit) =
            self.decode(&header, &body, services.into(), arrival, key.is_some()).await?;
        let rejects = decoded.decoded.rejects.clone();
        let receipt = Receipt {
            events: decoded.decoded.events,
            reasons: rejects.iter().map(|(reason, _)| self.limits.named(reason)).collect(),
            rejects,
            texts_cut: (decoded.texts_cut, self.limits.cut(decoded.texts_cut)),
            repeated: false,
            histograms: histograms(&decoded),
            exemplars: decoded.series.iter().map(|series| series.exemplars).sum(),
        };
        if receipt.events == 0 && header.mark.is_none() {
            return Ok(receipt);
        }
        let key = key_of(header.content, key.as_ref(), decoded.identity);
        let key = key.map(|key| [&key[..], said.as_ref().map_or(&[], |said| &said[..])].concat());
        let claimed = match &key {
            None => None,
            Some(key) => loop {
                match self.keys.claim(key) {
                    Claim::Durable => return Ok(Receipt { repeated: true, ..receipt }),
                    Claim::Other => return Err(Refusal::KeyReused),
                    Claim::Wait(mut decided) => {
                        // An error tells as much as a change: it was decided.
                        let _ = decided.changed().await;
                    }
                    Claim::New(claimed) => match self.counted(key)? {
                        Some(before) if is_other(&before, key) => {
                            return Err(Refusal::KeyReused);
                        }
                        Some(_) => return Ok(Receipt { repeated: true, ..receipt }),
                        None => break Some(claimed),
                    },
                }
            },
        };
        header.key = key.as_deref().map(hex);
        let ticket = self.journal.append(arrival, entry::encode(&header, &body))?;
        let sequence = ticket.await?;
        if let Some(claimed) = claimed {
            claimed.keep(sequence);
        }
        let mark = header.mark;
        let handed = Handed { sequence, arrival, key, mark, body: decoded, permit };
        // Nobody counts any more when the server goes down: the journal has it.
        let _ = self.counting.send(Message::Entry(Box::new(handed)));
        Ok(receipt)
    }

    /// Decodes a body, in room and in a turn for what it is expected to be, and answers what says what
    /// is in it where it `is_keyed`. One that turns out to be more is begun again in more room, as far
    /// as there is any: what bodies say of their size may be wrong, and small work must be small.
    async fn decode(
        &self,
        header: &Header,
        body: &Bytes,
        services: Arc<[String]>,
        arrival: Timestamp,
        is_keyed: bool,
    ) -> Result<(Body, Option<Said>, OwnedSemaphorePermit), Refusal> {
        let max = self.limits.decompressed_bytes_max;
        let mut bytes = expected(header.compression, body).min(max);
        let mut permit = self.room.take(bytes)?;
        loop {
            let size = size_of(bytes);
            let (reading, limits) = (current(&self.reading), self.limits.clone());
            let (header, body, services) = (header.clone(), body.clone(), Arc::clone(&services));
            let decoded = self.pool.run(size, move |decoder| {
                decoder.read(&reading);
                let expanded = expand(header.compression, &body, bytes)?;
                let mut decoded = decoder.decode_expanded(&header, &expanded)?;
                if let Some(other) = foreign(&decoded, &services) {
                    return Err(Refusal::Service(other));
                }
                limits.bound(&mut decoded, header.content, arrival);
                Ok((decoded, is_keyed.then(|| said(header.service.as_deref(), &expanded))))
            });
            match decoded.await? {
                Err(Refusal::Body(BodyError::TooLarge { .. })) if bytes < max => {
                    bytes = bytes.saturating_mul(COMPRESSION_FACTOR).min(max);
                    // Nothing is held of what was tried.
                    drop(permit);
                    permit = self.room.take(bytes)?;
                }
                decoded => {
                    let (decoded, said) = decoded?;
                    return Ok((decoded, said, permit));
                }
            }
        }
    }

    /// The key of `key`'s request, where the ledger knows it.
    fn counted(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.snapshot()?.key_from(parts(key).0)
    }
}

/// What says what is in a body, however that was compressed, for events of `service`.
fn said(service: Option<&str>, expanded: &[u8]) -> Said {
    let mut hash = Sha256::new();
    hash.update(service.unwrap_or_default());
    // No service holds a zero.
    hash.update(b"\0");
    hash.update(expanded);
    let mut said = [0; CONTENT_BYTES];
    said.copy_from_slice(&hash.finalize()[..CONTENT_BYTES]);
    said
}

/// How much work a body of so many bytes is, decompressed.
const fn size_of(bytes: usize) -> Size {
    if bytes < LARGE_BYTES { Size::Small } else { Size::Large }
}

/// How many bytes a body is taken to be when it is decompressed: what it says, or more where it is so
/// long that it will be more.
fn expected(compression: Compression, body: &[u8]) -> usize {
    let said = said_bytes(compression, body).unwrap_or(0);
    let likely = match compression {
        Compression::None | Compression::Snappy => 0,
        Compression::Gzip | Compression::Zstd => body.len().saturating_mul(COMPRESSION_FACTOR),
    };
    said.max(likely).max(EXPECTED_BYTES_MIN)
}

/// A service of the events in `body` that is not among `services`, in words; none when there is none,
/// or when `services` is empty: all.
///
/// Samples of metrics belong to no service, so that they are foreign to whoever is bound to some.
fn foreign(body: &Body, services: &[String]) -> Option<String> {
    if services.is_empty() {
        return None;
    }
    let found = body.services().into_iter();
    let mut foreign = found.filter(|found| match found {
        Some(name) => !services.contains(name),
        None => true,
    });
    Some(match foreign.next()? {
        Some(name) => format!("the service `{name}`"),
        None => "no service".to_owned(),
    })
}

/// What is read at the moment.
fn current(reading: &RwLock<Arc<Reading>>) -> Arc<Reading> {
    Arc::clone(&reading.read().unwrap_or_else(PoisonError::into_inner))
}

/// The key that a request is counted once under: the client's own, else what its content says.
///
/// Keys of different kinds of content never meet.
fn key_of(
    content: Content,
    given: Option<&SenderKey>,
    identity: Option<[u8; 16]>,
) -> Option<Vec<u8>> {
    let (kind, sender, text): (&str, &str, &[u8]) = match (given, &identity) {
        (Some(SenderKey { sender, key }), _) => ("given", sender, key.as_bytes()),
        (None, Some(identity)) => ("content", "", identity),
        (None, None) => return None,
    };
    let mut hash = Sha256::new();
    let signal = content.name().rsplit_once('-').map_or(content.name(), |(signal, _)| signal);
    // Only the last part may hold a zero.
    for part in [kind.as_bytes(), b"\0", signal.as_bytes(), b"\0", sender.as_bytes(), b"\0", text] {
        hash.update(part);
    }
    Some(hash.finalize()[..ID_BYTES].to_vec())
}

/// How many samples are histograms.
fn histograms(body: &Body) -> u64 {
    let samples = body.series.iter().flat_map(|series| &series.samples);
    let is_histogram = |sample: &&Sample| matches!(sample.value, SampleValue::Histogram(_));
    samples.filter(is_histogram).count() as u64
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// What the bombs become: far more than what is decoded between small requests. Bytes.
    const BOMB_BYTES: usize = 60 << 20;

    #[test]
    fn a_bomb_that_says_its_size_is_expected_to_be_it() {
        let blanks = vec![b' '; BOMB_BYTES];
        let zstd = zstd::bulk::compress(&blanks, 1).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&blanks).unwrap();
        let snappy = snap::raw::Encoder::new().compress_vec(&blanks).unwrap();
        for (compression, body) in [
            (Compression::Zstd, zstd),
            (Compression::Gzip, gzip.finish().unwrap()),
            (Compression::Snappy, snappy),
            (Compression::None, blanks),
        ] {
            assert_eq!(expected(compression, &body), BOMB_BYTES, "{compression:?}");
        }
    }

    #[test]
    fn what_says_nothing_of_its_size_is_expected_to_be_usual() {
        // A frame that is written as it comes does not know how long it will be.
        let stream = zstd::encode_all(std::io::repeat(b' ').take(BOMB_BYTES as u64), 1).unwrap();
        assert!(stream.len() < 8 << 10, "{}", stream.len());
        assert_eq!(said_bytes(Compression::Zstd, &stream), None);
        let usual = stream.len() * COMPRESSION_FACTOR;
        assert_eq!(expected(Compression::Zstd, &stream), usual.max(EXPECTED_BYTES_MIN));
        for compression in [Compression::Zstd, Compression::Gzip, Compression::Snappy] {
            assert_eq!(expected(compression, b""), EXPECTED_BYTES_MIN);
        }
    }
}
