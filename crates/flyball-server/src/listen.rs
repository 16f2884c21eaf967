//! Accepting connections: bounded in number, and in how long they may say nothing.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ServerError;
use crate::tls::{self, Tls};

/// How long requests that were begun may take to end when the server goes down.
const DRAIN: Duration = Duration::from_secs(20);
/// How long to wait after a connection could not be accepted, most likely for lack of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Requests at the same time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;
/// What one HTTP/2 stream, and one connection, may send before it is read. Bytes.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// How often a silent HTTP/2 connection is asked whether it lives.
const PING: Duration = Duration::from_secs(20);
/// How long a connection may stay without a new request.
const QUIET_MAX: Duration = Duration::from_mins(5);
/// The share of all connections, in percent, past which quiet ones make room at once.
const CROWD_PERCENT: usize = 75;
/// The largest head of a request. Bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// The bytes that tell HTTP/1 from HTTP/2.
const PREFACE_BYTES: usize = 24;

/// Open listeners.
#[derive(Debug)]
pub(crate) struct Listeners {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Listeners {
    /// Accepts no more, and waits for requests that were begun.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "connections are cut off");
        }
    }
}

/// Listens on `addresses` and answers by `router`. Returns the addresses with their real ports.
pub(crate) async fn start(
    addresses: &[SocketAddr],
    router: Router,
    connections_max: usize,
    idle: Duration,
    tls: Option<Arc<Tls>>,
) -> Result<(Vec<SocketAddr>, Listeners), ServerError> {
    let mut bound = Vec::new();
    for address in addresses {
        let cannot = |cause| ServerError::Listen { address: *address, cause };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        bound.push((listener.local_addr().map_err(cannot)?, listener));
    }
    let listeners = Listeners { stop: CancellationToken::new(), tasks: TaskTracker::new() };
    if let Some(tls) = &tls {
        listeners.tasks.spawn(look_again(Arc::clone(tls), listeners.stop.clone()));
    }
    let room = Room { all: connections_max, free: Arc::new(Semaphore::new(connections_max)) };
    let mut real = Vec::new();
    for (address, listener) in bound {
        real.push(address);
        let accept = Accept {
            room: room.clone(),
            router: router.clone(),
            idle,
            tls: tls.clone(),
            stop: listeners.stop.clone(),
            tasks: listeners.tasks.clone(),
        };
        listeners.tasks.spawn(accept.run(listener));
    }
    Ok((real, listeners))
}

/// Places for connections.
#[derive(Debug, Clone)]
struct Room {
    all: usize,
    free: Arc<Semaphore>,
}

impl Room {
    fn is_crowded(&self) -> bool {
        (self.all - self.free.available_permits()) * 100 > self.all * CROWD_PERCENT
    }
}

/// What accepts on one listener.
struct Accept {
    room: Room,
    router: Router,
    idle: Duration,
    tls: Option<Arc<Tls>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Reads certificate and key again, time and again.
async fn look_again(tls: Arc<Tls>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(tls::LOOK) => {}
        }
        let tls = Arc::clone(&tls);
        // A panic is told by the runtime; the next look may do better.
        let _ = tokio::task::spawn_blocking(move || tls.reload_and_tell()).await;
    }
}

impl Accept {
    async fn run(self, listener: TcpListener) {
        loop {
            // Room comes first: a connection that is not accepted costs nothing here.
            let room = tokio::select! {
                () = self.stop.cancelled() => return,
                room = Arc::clone(&self.room.free).acquire_owned() => room,
            };
            let Ok(room) = room else { return };
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let connection = self.connection(stream);
                    self.tasks.spawn(async move {
                        connection.await;
                        drop(room);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves one connection to its end.
    fn connection(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + use<> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.idle)
            .max_buf_size(HEAD_BYTES_MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(self.idle)
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
        let idle = self.idle;
        let router = TowerToHyperService::new(self.router.clone());
        let served =
            Served { builder, router, room: self.room.clone(), idle, stop: self.stop.clone() };
        let acceptor = self.tls.as_ref().map(|tls| TlsAcceptor::from(tls.current()));
        async move {
            // Small answers are not held back for more to come.
            let _ = stream.set_nodelay(true);
            let Some(acceptor) = acceptor else {
                return served.serve(Greeted::new(stream, idle)).await;
            };
            // The whole handshake has the time that the first bytes have without one.
            let shaken = tokio::select! {
                () = served.stop.cancelled() => return,
                shaken = tokio::time::timeout(idle, acceptor.accept(stream)) => shaken,
            };
            match shaken {
                Ok(Ok(stream)) => served.serve(Greeted::new(stream, idle)).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        }
    }
}

/// What serves one connection.
struct Served {
    builder: auto::Builder<TokioExecutor>,
    router: TowerToHyperService<Router>,
    room: Room,
    idle: Duration,
    stop: CancellationToken,
}

impl Served {
    /// Serves a connection until it ends. When the server goes down, or nothing is asked for long, the
    /// client is told to ask nothing more here, and what it has asked is answered.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: Greeted<S>) {
        let asked = Arc::new(AtomicBool::new(false));
        let (router, ask) = (self.router, Arc::clone(&asked));
        let service = service_fn(move |request| {
            ask.store(true, Ordering::Relaxed);
            router.call(request)
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = until_quiet(&asked, &self.room, self.idle) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Waits until a connection has asked nothing for longer than it may, which is `short` where many
/// others want its place. `asked` is set by each request.
async fn until_quiet(asked: &AtomicBool, room: &Room, short: Duration) {
    let mut quiet = Duration::ZERO;
    while quiet < QUIET_MAX && (quiet < short || !room.is_crowded()) {
        tokio::time::sleep(short).await;
        quiet = if asked.swap(false, Ordering::Relaxed) { Duration::ZERO } else { quiet + short };
    }
}

/// A connection whose first bytes must come in time: before them it is not known which protocol's
/// own timeouts apply.
#[derive(Debug)]
struct Greeted<S> {
    stream: S,
    missing: usize,
    patience: Pin<Box<Sleep>>,
}

impl<S> Greeted<S> {
    fn new(stream: S, patience: Duration) -> Self {
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
            let said = "the client has said nothing";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, said)));
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

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;

    /// Clients that hold a connection open, as HTTP/2 has it, and ask no more.
    #[tokio::test]
    async fn quiet_connections_make_room_for_others() {
        crate::choose_cryptography();
        let router = Router::new().route("/", get(async || "here"));
        let (any, short) = ("127.0.0.1:0".parse().unwrap(), Duration::from_millis(50));
        let (addresses, listeners) = start(&[any], router, 2, short, None).await.unwrap();
        let mut clients = Vec::new();
        for _ in 0..5 {
            let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
            let answer = client.get(format!("http://{}/", addresses[0])).send();
            let answer = tokio::time::timeout(DRAIN, answer).await.unwrap().unwrap();
            assert_eq!(answer.text().await.unwrap(), "here");
            // Kept, and with it its connection.
            clients.push(client);
        }
        listeners.stop().await;
    }
}
