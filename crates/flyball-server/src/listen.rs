//! Accepting connections: bounded in number, in how long they may say nothing, and in how long they may
//! leave what they are answered.

mod activity;
mod patient;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ServerError;
use crate::telemetry::Telemetry;
use crate::tls::{self, Tls};
use activity::Activity;
use patient::{Greeted, Taken};

/// How long requests that were begun may take to end when the server goes down.
const DRAIN: Duration = Duration::from_secs(20);
/// How long to wait after a connection could not be accepted, most likely for lack of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Requests at the same time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;
/// What one HTTP/2 stream, and one connection, may send before it is read. Bytes.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// The largest frame of HTTP/2 that is taken. Bytes: four times what clients send unless told, so that a
/// request of a batch comes in fewer pieces.
const FRAME_BYTES_MAX: u32 = 64 << 10;
/// What the kernel keeps of answers on one connection that their reader has not taken. Bytes: left to
/// itself it would keep megabytes for whoever asks without end and reads nothing.
const UNREAD_BYTES_MAX: usize = 256 << 10;
/// How often a silent HTTP/2 connection is asked whether it lives.
const PING: Duration = Duration::from_secs(20);
/// How long a connection may stay without a new request.
const QUIET_MAX: Duration = Duration::from_mins(5);
/// The share of all connections, in percent, past which quiet ones make room at once.
const CROWD_PERCENT: usize = 75;
/// The largest head of a request. Bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How many times as long as it may say nothing a connection that was told to go may take nothing of its
/// answers: streams give a sign of life in half of that.
const STILL_TIMES: u32 = 3;

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
    telemetry: &Arc<Telemetry>,
) -> Result<(Vec<SocketAddr>, Listeners), ServerError> {
    let mut bound = Vec::new();
    for address in addresses {
        let cannot = |cause| ServerError::Listen { address: *address, cause };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        // Connections have what their listener has.
        SockRef::from(&listener).set_send_buffer_size(UNREAD_BYTES_MAX).map_err(cannot)?;
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
            telemetry: Arc::clone(telemetry),
            stop: listeners.stop.clone(),
            tasks: listeners.tasks.clone(),
        };
        listeners.tasks.spawn(accept.run(listener));
    }
    Ok((real, listeners))
}

/// Where a request comes from: the other end of its connection, which may be a proxy's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The network of an address: one customer has it to themselves, and may have every address in it.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
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
    telemetry: Arc<Telemetry>,
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
                Ok((stream, peer)) => {
                    let connection = self.connection(stream, Peer(peer.ip()));
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
    fn connection(&self, stream: TcpStream, peer: Peer) -> impl Future<Output = ()> + Send + use<> {
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
            .max_frame_size(FRAME_BYTES_MAX)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
        let idle = self.idle;
        let router = TowerToHyperService::new(self.router.clone());
        let (room, stop) = (self.room.clone(), self.stop.clone());
        let activity = Arc::new(Activity::new(Arc::clone(&self.telemetry)));
        let served = Served { builder, router, peer, room, idle, stop, activity };
        let acceptor = self.tls.as_ref().map(|tls| TlsAcceptor::from(tls.current()));
        async move {
            // Small answers are not held back for more to come.
            let _ = stream.set_nodelay(true);
            let stream = Taken::new(stream, idle, Arc::clone(&served.activity));
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
    peer: Peer,
    room: Room,
    idle: Duration,
    stop: CancellationToken,
    activity: Arc<Activity>,
}

impl Served {
    /// Serves a connection until it ends. When the server goes down, or nothing is asked for long, the
    /// client is told to ask nothing more here, and what it has asked is answered for as long as it
    /// takes the answers.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: Greeted<S>) {
        let (router, peer, activity) = (self.router, self.peer, Arc::clone(&self.activity));
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let working = activity.ask();
            let response = router.call(request);
            async move { response.await.map(|response| working.answer(response)) }
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = until_quiet(&self.activity, &self.room, self.idle) => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    served = connection.as_mut() => served,
                    () = self.activity.until_still(self.idle * STILL_TIMES) => {
                        self.activity.cut_off();
                        tracing::debug!("a connection was cut off: its answers were not taken");
                        return;
                    }
                }
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
/// others want its place.
async fn until_quiet(activity: &Activity, room: &Room, short: Duration) {
    let mut quiet = Duration::ZERO;
    while quiet < QUIET_MAX && (quiet < short || !room.is_crowded()) {
        tokio::time::sleep(short).await;
        quiet = if activity.was_asked() { Duration::ZERO } else { quiet + short };
    }
}

#[cfg(test)]
mod tests;
