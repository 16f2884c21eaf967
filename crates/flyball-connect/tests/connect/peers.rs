//! A real Alertmanager that is told of alerts, and a real Prometheus that tells of its own.
//!
//! Both are Debian's packages, as `make tools` installs them.

mod alertmanager;
mod prometheus;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration as Wait;

use flyball_model::Timestamp;

/// How long anything may take: starting a program on a machine with much else to do.
const PATIENCE: Wait = Wait::from_mins(1);

/// A program that ends with its test.
struct Peer(Child);

impl Peer {
    /// Starts a program and waits until a line of its log holds `ready`.
    fn start(program: &str, arguments: &[String], ready: &'static str) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; run `make tools`"));
        let log = BufReader::new(child.stderr.take().unwrap());
        let peer = Self(child);
        let (said, hears) = channel();
        thread::spawn(move || {
            // Read to the end, so that the program can go on writing.
            for line in log.lines().map_while(Result::ok) {
                // Whoever waits may have gone.
                let _ = said.send(line);
            }
        });
        let mut all = Vec::new();
        loop {
            let line = hears.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{program} is not ready: {all:#?}"));
            let is_ready = line.contains(ready);
            all.push(line);
            if is_ready {
                return peer;
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address that nobody listens on.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Listens, answers every request with 200, and hands on path and body.
fn listen() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (told, hears) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let request = read(&stream);
            (&stream)
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
            if told.send(request).is_err() {
                return;
            }
        }
    });
    (address, hears)
}

/// Reads a request: its path and its body.
fn read(stream: &TcpStream) -> (String, Vec<u8>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let path = line.split(' ').nth(1).unwrap().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        lines.read_line(&mut line).unwrap();
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(bytes) = header.strip_prefix("content-length:") {
            length = bytes.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).unwrap();
    (path, body)
}

/// Sends a request to `http://ADDRESS/PATH`; status and body of the answer.
fn send(method: &str, url: &str, headers: &[(&str, String)], body: &[u8]) -> (u16, Vec<u8>) {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // By HTTP/1.0 the answer comes in one piece and ends with the connection.
    write!(stream, "{method} /{path} HTTP/1.0\r\nhost: {address}\r\n").unwrap();
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n").unwrap();
    }
    write!(stream, "content-length: {}\r\n\r\n", body.len()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), answer[end + 4..].to_vec())
}

/// The time by which the programs go.
#[expect(clippy::disallowed_methods, reason = "programs of others read the clock themselves")]
fn now() -> Timestamp {
    Timestamp::from_jiff(jiff::Timestamp::now()).unwrap()
}
