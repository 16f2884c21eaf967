//! How long a gate takes to answer while events come in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::load::{self, Load, Sent};
use crate::server::Server;
use crate::{Kind, SLOS, now, say};

/// Questions in a second, and for how long.
const RATE: usize = 2_000;
const SECONDS: usize = 20;
/// Questions under way at the same time, at most.
const ASKERS: usize = 64;
/// Events that come in a second meanwhile.
const EVENTS_A_SECOND: u64 = 10_000;

/// Measures decisions of a policy that nobody has signed, which pass, and of one that denies.
pub(crate) fn measure(runtime: &Runtime) -> anyhow::Result<()> {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut server = Server::start(directory.path(), &load::documents(SLOS))?;
    let events = EVENTS_A_SECOND * SECONDS as u64;
    say(&format!("{RATE} questions a second for {SECONDS} s, {EVENTS_A_SECOND} events a second"))?;
    let mut load = Load::new(Kind::Lines, events);
    for (name, is_signed) in [("gate, changes pass", false), ("gate, changes wait", true)] {
        if is_signed {
            runtime.block_on(sign(&server))?;
            load = load.again();
        }
        let before = server.cpu()?;
        let begun = now();
        let seconds = SECONDS as f64;
        let (sent, asked) = runtime.block_on(async {
            tokio::try_join!(load.send(server.address(), Some(seconds)), ask(&server))
        })?;
        let took = now().duration_since(begun).as_secs_f64();
        say(&format!(
            "{name:<34} p50 {:.1} ms, p99 {:.1} ms, {:.0} answers/s   {:.2} CPU   ack p99 {:.1} ms",
            asked.percentile(50.0),
            asked.percentile(99.0),
            (RATE * SECONDS) as f64 / took,
            (server.cpu()? - before) / took,
            sent.percentile(99.0),
        ))?;
    }
    let threads = server.cpu_by_thread()?.into_iter().take(4);
    let shares: Vec<String> = threads.map(|(name, used)| format!("{name} {used:.1}")).collect();
    say(&format!("{:<34} {}", "  CPU seconds by thread", shares.join(", ")))?;
    runtime.block_on(verify(&server))?;
    server.stop()
}

async fn ask(server: &Server) -> anyhow::Result<Sent> {
    let next = Arc::new(AtomicUsize::new(0));
    let (begun, to) = (now(), server.address());
    let mut askers = Vec::new();
    for _ in 0..ASKERS {
        let next = Arc::clone(&next);
        askers.push(tokio::spawn(async move {
            let mut connection = Connection::open(to).await?;
            let mut took = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= RATE * SECONDS {
                    return anyhow::Ok(took);
                }
                let due = begun + Duration::from_secs_f64(at as f64 / RATE as f64);
                tokio::time::sleep_until(due.into()).await;
                let sent = now();
                connection.ask(at % load::SERVICES, at).await?;
                took.push(now().duration_since(sent).as_secs_f64() * 1e3);
            }
        }));
    }
    let mut took = Vec::new();
    for asker in askers {
        took.extend(asker.await??);
    }
    Ok(Sent::of(took))
}

/// A connection that asks with little more than the system calls, since it shares the cores with the server.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(1 << 16) })
    }

    async fn ask(&mut self, service: usize, change: usize) -> anyhow::Result<()> {
        let body = format!("{{\"change\":\"release-{change}\"}}");
        let request = format!(
            "POST /api/v1/gate/service-{service} HTTP/1.1\r\nhost: gate\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.answer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the server hung up");
            if self.is_whole()? {
                return Ok(());
            }
        }
    }

    /// Whether all of an answer has come, which must be 200.
    fn is_whole(&self) -> anyhow::Result<bool> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(begin) = head.parse(&self.answer)? else { return Ok(false) };
        ensure!(head.code == Some(200), "{:?}", head.code);
        let length = head.headers.iter().find(|it| it.name.eq_ignore_ascii_case("content-length"));
        let length = length.context("an answer says its length")?;
        Ok(self.answer.len() - begin >= std::str::from_utf8(length.value)?.parse()?)
    }
}

async fn sign(server: &Server) -> anyhow::Result<()> {
    for role in ["product_manager", "engineering_lead", "sre"] {
        let url = format!("http://{}/api/v1/policies/four-weeks/signatures", server.address());
        let body = format!("{{\"role\":\"{role}\"}}");
        let answer = reqwest::Client::new().post(url).body(body).send().await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
    }
    Ok(())
}

/// A decision log that does not verify ends the run with an error.
async fn verify(server: &Server) -> anyhow::Result<()> {
    let url = format!("http://{}/api/v1/audit/verify", server.address());
    let said: serde_json::Value = reqwest::get(url).await?.json().await?;
    ensure!(said["whole"] == true, "{said}");
    let records = said["records"].as_u64().context("a number of records")?;
    ensure!(records >= 2 * (RATE * SECONDS) as u64, "{said}");
    say(&format!("{:<34} {records} records, whole", "  audit log"))
}
