//! How long a connection may keep the server waiting: for its first bytes, and for taking what is
//! written to it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::activity::Activity;

/// The bytes that tell HTTP/1 from HTTP/2.
const PREFACE_BYTES: usize = 24;

/// A connection whose first bytes must come in time: before them it is not known which protocol's
/// own timeouts apply.
#[derive(Debug)]
pub(super) struct Greeted<S> {
    stream: S,
    missing: usize,
    patience: Pin<Box<Sleep>>,
}

impl<S> Greeted<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        let patience = Box::pin(tokio::time::sleep(patience));
        Self { stream, missing: PREFACE_BYTES, patience }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.missing == 0 {
            return read;
        }
        let came = buffer.filled().len() - before;
        self.missing = self.missing.saturating_sub(came);
        if read.is_pending() && self.patience.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(timed_out("the client has said nothing")));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }
}

/// A socket that ends when nothing of what is written to it is taken for too long.
///
/// It lies below TLS, which takes what it is given into a buffer of its own.
#[derive(Debug)]
pub(super) struct Taken<S> {
    stream: S,
    patience: Duration,
    /// Until when something must be taken, while a write waits.
    stuck: Option<Pin<Box<Sleep>>>,
    activity: Arc<Activity>,
}

impl<S> Taken<S> {
    pub(super) fn new(stream: S, patience: Duration, activity: Arc<Activity>) -> Self {
        Self { stream, patience, stuck: None, activity }
    }

    /// What a write has come to: written, waiting, or waited for too long.
    fn waited(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.stuck = None;
            if let Ok(bytes) = &written {
                self.activity.wrote(*bytes);
            }
            return Poll::Ready(written);
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        if stuck.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.activity.cut_off();
        Poll::Ready(Err(timed_out("the client takes nothing of what is written")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taken<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taken<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.waited(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has nothing of its own to write.
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.waited(context, written)
    }
}

fn timed_out(said: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, said)
}
