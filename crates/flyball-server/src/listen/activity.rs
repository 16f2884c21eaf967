//! What goes on on a connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

use crate::telemetry::Telemetry;

/// The least that an answer goes on by, in bytes on the wire. Less may be HTTP/2's signs of life, which
/// answer nothing.
const PROGRESS_BYTES: u64 = 1 << 10;

/// What goes on on a connection.
#[derive(Debug)]
pub(super) struct Activity {
    telemetry: Arc<Telemetry>,
    /// Whether something was asked since this was last looked at.
    asked: AtomicBool,
    /// Requests whose answers have not begun.
    working: AtomicUsize,
    /// Parts of answers that were asked for, since there was room to send them.
    parts: AtomicU64,
    /// Bytes that were written.
    written: AtomicU64,
}

impl Activity {
    pub(super) fn new(telemetry: Arc<Telemetry>) -> Self {
        let (asked, working) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (parts, written) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { telemetry, asked, working, parts, written }
    }

    /// Whether something was asked since the last look.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
    }

    /// So many bytes were written.
    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Its answers are not taken, and it is cut off.
    pub(super) fn cut_off(&self) {
        self.telemetry.cut_off();
    }

    /// A request has come; its answer has not begun until what is returned is dropped.
    pub(super) fn ask(self: &Arc<Self>) -> Working {
        self.asked.store(true, Ordering::Relaxed);
        self.working.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(self))
    }

    /// Waits until for all of `patience` no request was worked on and no answer went on.
    pub(super) async fn until_still(&self, patience: Duration) {
        let so_far = || (self.parts.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed));
        let (mut parts, mut written) = so_far();
        loop {
            tokio::time::sleep(patience).await;
            let (parts_now, written_now) = so_far();
            let is_working = self.working.load(Ordering::Relaxed) > 0;
            if !is_working && parts_now == parts && written_now - written < PROGRESS_BYTES {
                return;
            }
            (parts, written) = (parts_now, written_now);
        }
    }
}

/// A request whose answer has not begun.
#[derive(Debug)]
pub(super) struct Working(Arc<Activity>);

impl Working {
    /// The answer begins.
    pub(super) fn answer(self, response: Response) -> Response<Answer> {
        let activity = Arc::clone(&self.0);
        response.map(|body| Answer { body, activity })
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer. It is asked for its next part when there is room to send it.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    activity: Arc<Activity>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.activity.parts.fetch_add(1, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
