//! Bodies while they come: how long they may take, and how much memory all of them may hold.
//!
//! Every handler reads its request through this, whatever the protocol.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use crate::auth::Caller;
use crate::limits::Limits;

/// Why a body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyEnd {
    /// No byte came for a while.
    #[error("no byte of the body came for {0:?}")]
    Idle(Duration),
    /// It takes too long as a whole.
    #[error("the body was not there after {0:?}; hint: send smaller batches")]
    Slow(Duration),
    /// Too much is being read at the same time.
    #[error("too many bodies are being read; hint: send it again after a moment")]
    NoRoom,
    /// The client or the network broke it off.
    #[error("the body breaks off: {0}")]
    Broken(axum::Error),
}

/// Measures bodies.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    /// One permit a kibibyte.
    room: Arc<Semaphore>,
    /// What the bodies of one token may hold: half, so that others are never left without.
    share: usize,
    idle: Duration,
    total: Duration,
}

/// The memory that a body holds. It is free again when body and handler have let go of it.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<Semaphore>,
    share: usize,
    caller: Caller,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Notes that `bytes` more have come. `false` when there is no room for them.
    fn take(&self, bytes: usize) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.caller.hold(bytes, self.share) {
            return false;
        }
        taken.bytes += bytes;
        let has = taken.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let needs = taken.bytes.div_ceil(1 << 10);
        let Ok(more) = u32::try_from(needs.saturating_sub(has)) else { return false };
        if more == 0 {
            return true;
        }
        let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(more) else { return false };
        match &mut taken.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let taken = self.taken.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.caller.release(taken.bytes);
    }
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            room: Arc::new(Semaphore::new(limits.reading_bytes_max >> 10)),
            share: limits.reading_bytes_max / 2,
            idle: limits.idle_max,
            total: limits.body_time_max,
        }
    }

    /// `body`, measured, and what holds its memory; `caller` is charged for it
    /// and may hold half of what all may.
    pub(super) fn measure(&self, body: Body, caller: Caller) -> (Body, Arc<Held>) {
        let (room, share) = (Arc::clone(&self.room), self.share);
        let held = Arc::new(Held { room, share, caller, taken: Mutex::default() });
        if body.is_end_stream() {
            return (body, held);
        }
        let now = Instant::now();
        let metered = Metered {
            inner: body,
            idle: self.idle,
            total: self.total,
            end: now + self.total,
            patience: Box::pin(tokio::time::sleep_until(now + self.idle.min(self.total))),
            held: Arc::clone(&held),
        };
        (Body::new(metered), held)
    }
}

struct Metered {
    inner: Body,
    idle: Duration,
    total: Duration,
    end: Instant,
    patience: Pin<Box<Sleep>>,
    held: Arc<Held>,
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = BodyEnd;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyEnd>>> {
        let this = self.get_mut();
        // The end of the whole time is looked at first: a trickle would never be found pending.
        let now = Instant::now();
        if now >= this.end {
            return Poll::Ready(Some(Err(BodyEnd::Slow(this.total))));
        }
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    if !this.held.take(data.len()) {
                        return Poll::Ready(Some(Err(BodyEnd::NoRoom)));
                    }
                    this.patience.as_mut().reset((now + this.idle).min(this.end));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyEnd::Broken(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => this.patience.as_mut().poll(context).map(|()| {
                let is_over = this.patience.deadline() >= this.end;
                let end =
                    if is_over { BodyEnd::Slow(this.total) } else { BodyEnd::Idle(this.idle) };
                Some(Err(end))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use http_body_util::BodyExt;

    fn meter(room: usize) -> Meter {
        let limits = Limits {
            reading_bytes_max: room,
            idle_max: Duration::from_millis(20),
            body_time_max: Duration::from_millis(200),
            ..Limits::default()
        };
        Meter::new(&limits)
    }

    async fn end_of(body: Body) -> String {
        let error = body.collect().await.unwrap_err().into_inner();
        error.to_string()
    }

    #[tokio::test]
    async fn a_body_that_stops_and_one_that_trickles_are_cut_off() {
        let meter = meter(1 << 20);
        let silent = Body::from_stream(futures::stream::pending::<Result<Bytes, axum::Error>>());
        let (silent, _held) = meter.measure(silent, Caller::Anyone);
        assert!(end_of(silent).await.contains("no byte"));

        let trickle = futures::stream::repeat(()).then(|()| async {
            tokio::task::yield_now().await;
            Ok::<_, axum::Error>(Bytes::from_static(b"x"))
        });
        let (trickle, _held) = meter.measure(Body::from_stream(trickle), Caller::Anyone);
        assert!(end_of(trickle).await.contains("not there after"));
    }

    #[tokio::test]
    async fn memory_is_held_until_the_handler_lets_go() {
        let meter = meter(8 << 10);
        let (first, held) = meter.measure(Body::from(vec![0; 6 << 10]), Caller::Anyone);
        assert_eq!(first.collect().await.unwrap().to_bytes().len(), 6 << 10);
        let (second, _) = meter.measure(Body::from(vec![0; 6 << 10]), Caller::Anyone);
        assert!(end_of(second).await.contains("too many bodies"));
        drop(held);
        let (third, _) = meter.measure(Body::from(vec![0; 6 << 10]), Caller::Anyone);
        assert!(third.collect().await.is_ok());
    }
}
