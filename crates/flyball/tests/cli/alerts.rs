//! Alerts of a real server, killed in every phase of telling somebody, and the commands about them.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::live::send;
use crate::process::{Process, serve};
use crate::run::{Ran, directory, flyball, slo_with};

/// How long a notice may take: slots of 10 s, and a machine with much else to do.
const PATIENCE: Duration = Duration::from_mins(2);

/// A request that waits for its answer.
pub(crate) struct Told {
    stream: TcpStream,
    pub(crate) body: Value,
    pub(crate) key: String,
}

impl Told {
    fn event(&self) -> &str {
        self.body["event"].as_str().unwrap()
    }

    pub(crate) fn answer(mut self, status: u16) {
        let answer =
            format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        // Whoever asked may have been killed.
        let _ = self.stream.write_all(answer.as_bytes());
    }
}

/// Somebody who is told of alerts.
pub(crate) struct Hook {
    pub(crate) address: String,
    pub(crate) told: Receiver<Told>,
}

impl Hook {
    pub(crate) fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Whoever asks may be killed in the middle of it.
                if let Some(request) = read(stream)
                    && tell.send(request).is_err()
                {
                    return;
                }
            }
        });
        Self { address, told }
    }

    pub(crate) fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("a notice is awaited and does not come")
    }

    /// The next of an alert: what a team owes for an outage is told as well, whenever that is looked at.
    fn next_of_alert(&self) -> Told {
        loop {
            let told = self.next();
            if told.event() != "service.reminder" {
                return told;
            }
            told.answer(200);
        }
    }
}

fn read(stream: TcpStream) -> Option<Told> {
    let mut lines = BufReader::new(stream.try_clone().ok()?);
    let (mut line, mut length, mut key) = (String::new(), 0, String::new());
    loop {
        line.clear();
        lines.read_line(&mut line).ok()?;
        let header = line.trim();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(": ") {
            match name {
                "content-length" => length = value.parse().ok()?,
                "flyball-delivery" => value.clone_into(&mut key),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some(Told { stream, body: serde_json::from_slice(&body).ok()?, key })
}

/// A directory with a promise that pages at once, and a webhook that is told.
fn home(hook: &Hook) -> TempDir {
    let window = "duration: 1h, isRolling: true";
    let slo = slo_with("checkout", "status IS NOT NULL", "status < 500", "0.9", window);
    let slo = slo.replace(
        "metadata: {name: checkout}",
        "metadata: {name: checkout, annotations: {flyball.dev/alerting: quick}}",
    );
    let more = format!(
        "---\napiVersion: flyball.dev/v1\nkind: AlertStrategy\nmetadata: {{name: quick}}\nspec: \
         {{rules: [{{name: fast, severity: page, burn: {{factor: 5, long: 30m}}}}]}}\n---\napiVersion: \
         flyball.dev/v1\nkind: AlertTarget\nmetadata: {{name: hook}}\nspec: {{webhook: {{url: \
         'http://{}/', secret: 'file:hook'}}}}\n",
        hook.address
    );
    let home = directory(&[("slo.yaml", (slo + &more).as_bytes())]);
    std::fs::create_dir(home.path().join("secrets")).unwrap();
    std::fs::write(home.path().join("secrets/hook"), "hush").unwrap();
    home
}

/// Starts a server with the documents, secrets and address that notices and hooks need.
pub(crate) fn start(at: &Path) -> (Process, String) {
    let more =
        ["--slo", "slo.yaml", "--secrets", "secrets", "--external-url", "https://flyball.example"];
    serve(at, "127.0.0.1:0", &more)
}

fn ok(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out
}

#[test]
fn no_step_is_lost_or_told_twice_wherever_the_server_is_killed() {
    let hook = Hook::listen();
    let home = home(&hook);
    let at = home.path();
    let mut taken = BTreeSet::new();

    // The events are acknowledged, and nothing has been counted yet.
    let (server, url) = start(at);
    send(&url, 100, 100);
    server.kill();

    // The notice is on its way.
    let (server, _) = start(at);
    let first = hook.next_of_alert();
    assert_eq!((first.event(), &first.body["may_repeat"]), ("alert.open", &false.into()));
    server.kill();
    let key = first.key.clone();
    drop(first);

    // It comes again, and says so. This time it is refused for now, and waits.
    let (server, _) = start(at);
    let again = hook.next_of_alert();
    assert_eq!((again.event(), &again.key), ("alert.open", &key));
    assert_eq!(again.body["may_repeat"], true, "{}", again.body);
    again.answer(503);
    server.kill();

    // It is taken, and nobody keeps that: the server is gone at the same moment.
    let (server, _) = start(at);
    let again = hook.next_of_alert();
    assert_eq!((again.event(), &again.key), ("alert.open", &key));
    taken.insert(again.key.clone());
    again.answer(200);
    server.kill();

    // The trouble ends in a life of its own; before its end only the beginning may be repeated.
    let (server, url) = start(at);
    send(&url, 1_000, 0);
    server.kill();
    let (server, url) = start(at);
    let closed = loop {
        let told = hook.next_of_alert();
        if told.event() == "alert.close" {
            break told;
        }
        assert_eq!((told.event(), &told.key), ("alert.open", &key));
        assert_eq!(told.body["may_repeat"], true, "{}", told.body);
        told.answer(200);
    };
    assert_eq!(closed.body["alert"]["state"], "resolved");
    taken.insert(closed.key.clone());
    closed.answer(200);

    // A second trouble is another alert, across an end in order.
    send(&url, 9_000, 9_000);
    let second = hook.next_of_alert();
    assert_eq!((second.event(), &second.body["alert"]["id"]), ("alert.open", &2.into()));
    assert!(taken.insert(second.key.clone()));
    second.answer(200);
    server.stop();
    let (server, url) = start(at);
    let page = flyball(at, &["alert", "list", "-o", "json", "--server", &url]).json();
    let steps = |alert: &Value| -> Vec<String> {
        let steps = alert["transitions"].as_array().unwrap().iter();
        steps.map(|step| step["kind"].as_str().unwrap().to_owned()).collect()
    };
    let alerts = page["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 2, "{page}");
    assert_eq!(steps(&alerts[1]), ["fired", "resolved"]);
    assert_eq!(steps(&alerts[0]), ["fired"]);
    // Whatever was to be sent again would be by now: an end in order waits for it.
    server.stop();
    assert!(hook.told.try_recv().is_err(), "nothing is told again");
    assert_eq!(taken.len(), 3, "each step was taken under a key of its own");
}

#[test]
fn alerts_are_taken_on_and_silenced_from_the_command_line() {
    let hook = Hook::listen();
    let home = home(&hook);
    let at = home.path();
    let (server, url) = start(at);
    let run = |args: &[&str]| flyball(at, &[args, &["--server", &url]].concat());
    let empty = ok(run(&["alert", "list"]));
    assert_eq!(empty.lines().count(), 1, "a header alone: {empty}");
    let targets = ok(run(&["get", "alert-targets"]));
    assert!(targets.contains("hook") && targets.contains("webhook"), "{targets}");
    send(&url, 100, 100);
    hook.next().answer(200);
    let list = ok(run(&["alert", "list", "--state", "firing"]));
    assert!(list.contains("checkout") && list.contains("fast"), "{list}");
    let taken = run(&["alert", "ack", "1", "--who", "ana", "--note", "rolling back"]);
    assert!(taken.code == 0 && taken.err.contains("ana (anyone)"), "{taken:?}");
    let told = hook.next();
    assert_eq!(told.event(), "alert.acknowledge");
    told.answer(200);
    let twice = run(&["alert", "ack", "1"]);
    assert!(twice.code == 2 && twice.err.contains("talk to them"), "{twice:?}");
    let shown = ok(run(&["alert", "show", "1"]));
    assert!(shown.contains("100 bad of 100") && shown.contains("rolling back"), "{shown}");

    let unsaid = run(&["alert", "silence", "--for", "2h", "--why", "a move"]);
    assert!(unsaid.code == 2 && unsaid.err.contains("--service"), "{unsaid:?}");
    let made = run(&["alert", "silence", "--service", "shop", "--for", "2h", "--why", "a move"]);
    assert!(made.code == 0 && made.err.contains("silence 1 lasts until"), "{made:?}");
    let silences = ok(run(&["alert", "silences"]));
    assert!(silences.contains("service=shop") && silences.contains("yes"), "{silences}");
    assert!(ok(run(&["alert", "list"])).contains("silenced"));
    let shown = ok(run(&["alert", "show", "1"]));
    assert!(shown.contains("covered by silence 1 until") && shown.contains(": a move"), "{shown}");
    let card = run(&["service", "show", "shop"]).out;
    assert!(card.contains("silent until") && card.contains("by silence 1 (a move)"), "{card}");
    assert_eq!(run(&["alert", "unsilence", "1"]).code, 0);
    let mut events = BTreeSet::new();
    for _ in 0..2 {
        let told = hook.next();
        events.insert(told.event().to_owned());
        told.answer(200);
    }
    assert_eq!(events.into_iter().collect::<Vec<_>>(), ["alert.update", "silence.over"]);
    let foreign = ok(run(&["alert", "list", "--foreign"]));
    assert_eq!(foreign, "no alerts of others\n");
    server.stop();
}
