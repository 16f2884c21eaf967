//! What hostile clients do. Each attack goes on until it is dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::join_all;
use rand::RngCore;
use reqwest::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::interval;

/// Whom to attack, with which token, and how hard.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    /// Connections of attacks that need many.
    pub(crate) connections: usize,
    pub(crate) bombs: [(&'static str, Bytes); 2],
    /// Distinct slices that were taken in.
    pub(crate) slices: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Attack {
    None,
    IdleConnections,
    SlowHeaders,
    SlowBodies,
    SlowReaders,
    WrongTokens,
    Bombs,
    GiantAttributes,
    DeepNesting,
    DistinctSlices,
    Malformed,
    RapidReset,
    Settings,
    ManyStreams,
}

impl Attack {
    pub(crate) const ALL: [Self; 14] = [
        Self::None,
        Self::IdleConnections,
        Self::SlowHeaders,
        Self::SlowBodies,
        Self::SlowReaders,
        Self::WrongTokens,
        Self::Bombs,
        Self::GiantAttributes,
        Self::DeepNesting,
        Self::DistinctSlices,
        Self::Malformed,
        Self::RapidReset,
        Self::Settings,
        Self::ManyStreams,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::IdleConnections => "idle connections",
            Self::SlowHeaders => "slow heads",
            Self::SlowBodies => "slow bodies",
            Self::SlowReaders => "slow readers",
            Self::WrongTokens => "wrong tokens",
            Self::Bombs => "gzip, zstd bombs",
            Self::GiantAttributes => "giant attributes",
            Self::DeepNesting => "deep nesting",
            Self::DistinctSlices => "distinct slices",
            Self::Malformed => "malformed protobuf",
            Self::RapidReset => "HTTP/2 rapid reset",
            Self::Settings => "HTTP/2 settings, pings",
            Self::ManyStreams => "HTTP/2 many streams",
        }
    }

    /// Attacks for ever.
    pub(crate) async fn run(self, target: Target) {
        let crowd = match self {
            Self::None => 0,
            Self::IdleConnections | Self::SlowHeaders | Self::SlowReaders => target.connections,
            Self::SlowBodies => 64,
            _ => 4,
        };
        join_all((0..crowd).map(|number| self.client(&target, number))).await;
        std::future::pending::<()>().await;
    }

    async fn client(self, target: &Target, number: usize) {
        match self {
            Self::None => {}
            Self::IdleConnections => idle(target, number).await,
            Self::SlowHeaders => forever(async || slow(target, HEAD).await).await,
            Self::SlowBodies => {
                let head = format!(
                    "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\
                     Authorization: Bearer {}\r\n\r\n",
                    target.token
                );
                forever(async || slow(target, &head).await).await;
            }
            Self::SlowReaders => forever(async || unread(target).await).await,
            Self::WrongTokens => wrong_tokens(target).await,
            Self::Bombs => bombs(target).await,
            Self::GiantAttributes => giants(target).await,
            Self::DeepNesting => nested(target).await,
            Self::DistinctSlices => slices(target, number).await,
            Self::Malformed => malformed(target).await,
            Self::RapidReset => forever(async || frames(target, reset_frames).await).await,
            Self::Settings => forever(async || frames(target, control_frames).await).await,
            Self::ManyStreams => forever(async || frames(target, open_frames).await).await,
        }
    }
}

const HEAD: &str = "POST /api/v1/events HTTP/1.1\r\nHost: x\r\n";
/// The pause of clients that trickle, and of those that were cut off.
const PAUSE: Duration = Duration::from_millis(100);

/// Comes again whenever the server has cut it off.
async fn forever(mut attack: impl AsyncFnMut() -> std::io::Result<()>) {
    let mut pace = interval(PAUSE);
    loop {
        // Being cut off is what is expected.
        let _ = attack().await;
        pace.tick().await;
    }
}

/// Half of them say nothing, half greet as HTTP/2 does and fall silent.
async fn idle(target: &Target, number: usize) {
    forever(async || {
        let mut stream = TcpStream::connect(target.address).await?;
        if number.is_multiple_of(2) {
            stream.write_all(PREFACE).await?;
            stream.write_all(&frame(SETTINGS, 0, 0, b"")).await?;
        }
        let mut sink = [0; 1024];
        while stream.read(&mut sink).await? > 0 {}
        Ok(())
    })
    .await;
}

/// Sends `head`, then a byte at a time.
async fn slow(target: &Target, head: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(target.address).await?;
    stream.write_all(head.as_bytes()).await?;
    let mut pace = interval(PAUSE);
    loop {
        pace.tick().await;
        stream.write_all(b"x").await?;
    }
}

/// Requests that are written at once by whoever reads no answer.
const UNREAD_AT_ONCE: usize = 1_000;

/// Asks for as long as the server takes it, and reads nothing of the answers.
async fn unread(target: &Target) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(target.address).await?;
    let requests = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(UNREAD_AT_ONCE);
    loop {
        stream.write_all(requests.as_bytes()).await?;
    }
}

fn url(target: &Target, path: &str) -> String {
    format!("http://{}{path}", target.address)
}

/// Posts `body`, whatever the answer.
/// Whether it was taken in.
async fn post(
    client: &Client,
    target: &Target,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> bool {
    let mut request = client.post(url(target, path)).bearer_auth(&target.token).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.is_ok_and(|answer| answer.status().is_success())
}

async fn wrong_tokens(target: &Target) {
    let client = Client::new();
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    for number in 0_u64.. {
        let token = format!("flyball_{number:016x}_{number:064x}");
        let request = client.post(url(target, "/api/v1/events")).bearer_auth(token);
        let _ = request.body(body.clone()).send().await;
    }
}

/// What a bomb becomes. Bytes; four times what the server takes.
const BOMB_BYTES: u64 = 256 << 20;

/// Bombs by their encoding: nothing, compressed to a thousandth and less.
pub(crate) fn make_bombs() -> [(&'static str, Bytes); 2] {
    ["gzip", "zstd"].map(|encoding| (encoding, bomb(encoding)))
}

fn bomb(encoding: &str) -> Bytes {
    let nothing = std::io::repeat(b' ');
    let mut nothing = std::io::Read::take(nothing, BOMB_BYTES);
    if encoding == "gzip" {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::copy(&mut nothing, &mut packer).unwrap();
        return packer.finish().unwrap().into();
    }
    let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    std::io::copy(&mut nothing, &mut packer).unwrap();
    packer.finish().unwrap().into()
}

const GRPC: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A message of gRPC in its frame.
fn framed(is_compressed: bool, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(is_compressed.into());
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.put_slice(message);
    framed.freeze()
}

fn http2() -> Client {
    Client::builder().http2_prior_knowledge().build().unwrap()
}

async fn bombs(target: &Target) {
    let (plain, grpc) = (Client::new(), http2());
    loop {
        for (encoding, body) in &target.bombs {
            let headers = [("content-encoding", *encoding)];
            post(&plain, target, "/api/v1/events", &headers, body.clone()).await;
            let media = ("content-type", "application/x-protobuf");
            post(&plain, target, "/v1/logs", &[headers[0], media], body.clone()).await;
            let headers = [("grpc-encoding", *encoding), ("content-type", "application/grpc")];
            post(&grpc, target, GRPC, &headers, framed(true, body)).await;
        }
    }
}

async fn giants(target: &Target) {
    let text = "x".repeat(12 << 20);
    let one = format!("{{\"time\":\"2026-03-02T12:00:00Z\",\"status\":200,\"path\":\"{text}\"}}\n");
    let many: Vec<String> = (0..300_000).map(|number| format!("\"a{number}\":{number},")).collect();
    let many = many.concat();
    let many = format!("{{{many}\"time\":\"2026-03-02T12:00:00Z\"}}\n");
    let client = Client::new();
    loop {
        for body in [&one, &many] {
            post(&client, target, "/api/v1/events", &[], body.clone().into()).await;
        }
    }
}

async fn nested(target: &Target) {
    let open = "[".repeat(4 << 20);
    let line = format!("{{\"time\":\"2026-03-02T12:00:00Z\",\"path\":{open}\n");
    // `KeyValue` in `AnyValue` in `KeyValueList`: each level is one byte of tag and some of length.
    let mut value = Vec::new();
    for _ in 0..20_000 {
        let mut outer = vec![0x2A];
        let mut length = value.len();
        while length >= 0x80 {
            outer.push(u8::try_from(length & 0x7F).unwrap() | 0x80);
            length >>= 7;
        }
        outer.push(u8::try_from(length).unwrap());
        outer.extend_from_slice(&value);
        value = outer;
    }
    let client = Client::new();
    loop {
        post(&client, target, "/api/v1/events", &[], line.clone().into()).await;
        let json = [("content-type", "application/json")];
        let body = format!("{{\"resourceSpans\":{open}");
        post(&client, target, "/v1/traces", &json, body.into()).await;
        let protobuf = [("content-type", "application/x-protobuf")];
        post(&client, target, "/v1/traces", &protobuf, value.clone().into()).await;
    }
}

/// Events of one request, each of another slice.
const SLICES_AT_ONCE: u64 = 10_000;

/// Slices that nobody has seen before, without end.
async fn slices(target: &Target, client_number: usize) {
    let client = Client::new();
    for request in 0_u64.. {
        let at = super::honest::now();
        let line = |event: u64| {
            format!(
                "{{\"time\":\"{at}\",\"service.name\":\"shop\",\"status\":200,\
                 \"tenant\":\"{client_number}-{request}-{event}\"}}\n"
            )
        };
        let body: String = (0..SLICES_AT_ONCE).map(line).collect();
        if post(&client, target, "/api/v1/events", &[], body.into()).await {
            target.slices.fetch_add(SLICES_AT_ONCE, Ordering::Relaxed);
        }
    }
}

async fn malformed(target: &Target) {
    let (plain, grpc) = (Client::new(), http2());
    let media = [("content-type", "application/x-protobuf")];
    loop {
        let mut noise = vec![0; 64 << 10];
        rand::rng().fill_bytes(&mut noise);
        // A start that is well-formed leads further in.
        noise[..4].copy_from_slice(&[0x0A, 0xFF, 0xFF, 0x03]);
        let noise = Bytes::from(noise);
        for path in ["/v1/traces", "/v1/logs", "/v1/metrics", "/api/v1/write"] {
            post(&plain, target, path, &media, noise.clone()).await;
        }
        let media = [("content-type", "application/grpc")];
        post(&grpc, target, GRPC, &media, framed(false, &noise)).await;
        post(&grpc, target, GRPC, &media, noise.clone()).await;
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_HEADERS: u8 = 4;

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.put_uint(payload.len() as u64, 3);
    frame.put_u8(kind);
    frame.put_u8(flags);
    frame.put_u32(stream);
    frame.put_slice(payload);
    frame
}

/// `POST /` over http to x, in HPACK: static entries, and a literal for the authority.
const REQUEST: &[u8] = &[0x83, 0x84, 0x86, 0x41, 0x01, b'x'];

fn reset_frames(stream: u32) -> Vec<u8> {
    let mut frames = frame(HEADERS, END_HEADERS, stream, REQUEST);
    frames.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    frames
}

fn open_frames(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, REQUEST)
}

fn control_frames(stream: u32) -> Vec<u8> {
    let mut frames = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    frames.extend(frame(PING, 0, 0, &u64::from(stream).to_be_bytes()));
    frames
}

/// Sends frames as fast as they go, and reads nothing of the answers.
async fn frames(target: &Target, of: fn(u32) -> Vec<u8>) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(target.address).await?;
    stream.write_all(PREFACE).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, b"")).await?;
    for number in (1..u32::MAX / 2).step_by(2) {
        stream.write_all(&of(number)).await?;
    }
    Ok(())
}
