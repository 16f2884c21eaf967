//! The guard of a drill as a process, before a real server of HTTP that is broken until it is asked to be whole.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use flyball_connect::drill::Ask;
use flyball_connect::drill::guard::{Charge, LINE_BYTES_MAX};
use flyball_connect::notify::{Secret, signature};
use flyball_model::Timestamp;
use tokio::time::Instant;

use crate::process::{Process, command};
use crate::run::flyball_with_input;

/// How long what is awaited may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a fault is there after whoever began it died, at most.
pub(crate) const WHOLE_WITHIN: Duration = Duration::from_secs(5);
pub(crate) const SECRET: (&str, &str) = ("FLYBALL_SECRET_BREAK", "a secret of sixteen bytes");

/// A request.
pub(crate) struct Asked {
    head: Vec<String>,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.head.iter().filter_map(|line| line.split_once(": "));
        found.find(|(of, _)| *of == name).map(|(_, value)| value)
    }
}

/// How a request is answered.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Status(u16),
    /// Not at all, and the connection stays.
    Never,
}

/// Something broken, and who asked it to be whole.
pub(crate) struct Broken {
    pub(crate) address: String,
    asked: Receiver<Asked>,
}

impl Broken {
    /// It answers so at first, and by 204 from then on.
    pub(crate) fn new(first: &'static [Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            let mut answers = first.iter().copied();
            let mut unanswered = Vec::new();
            for mut stream in listener.incoming().map_while(Result::ok) {
                let request = read(&stream);
                match answers.next().unwrap_or(Answer::Status(204)) {
                    Answer::Status(status) => {
                        let answer = format!(
                            "HTTP/1.1 {status} x\r\nlocation: /elsewhere\r\ncontent-length: \
                             0\r\nconnection: close\r\n\r\n"
                        );
                        stream.write_all(answer.as_bytes()).unwrap();
                    }
                    Answer::Never => unanswered.push(stream),
                }
                if tell.send(request).is_err() {
                    return;
                }
            }
        });
        Self { address, asked }
    }

    pub(crate) fn next(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).expect("an ask is awaited and does not come")
    }

    /// What takes the fault away, until `latest`.
    fn charge(&self, latest: Timestamp) -> Charge {
        let ask = Ask {
            method: "DELETE".to_owned(),
            url: format!("http://{}/fault", self.address),
            body: "{\"key\":1}".to_owned(),
            headers: vec![("flyball-event".to_owned(), "drill.end".to_owned())],
            secret_env: Some(SECRET.0.to_owned()),
            as_good: vec![404],
        };
        Charge { asks: vec![ask], latest }
    }
}

fn read(stream: &TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let head: Vec<String> =
        reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    let mut asked = Asked { head, body: String::new(), at: Instant::now() };
    let length = asked.header("content-length").unwrap_or("0").parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    asked.body = String::from_utf8(body).unwrap();
    asked
}

/// A guard, and the pipe that it holds.
struct Guarding {
    child: Child,
    pipe: Option<ChildStdin>,
    said: Receiver<String>,
}

impl Guarding {
    /// Waits until it is armed.
    fn arm(charge: &Charge) -> Self {
        let mut child = command(Path::new("/"), &["drill-guard"])
            .env(SECRET.0, SECRET.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(charge.line().as_bytes()).unwrap();
        let (out, (tell, said)) = (child.stdout.take().unwrap(), channel());
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // Nobody may listen any more; it is read all the same.
                let _ = tell.send(line);
            }
        });
        let guarding = Self { child, pipe: Some(pipe), said };
        assert_eq!(guarding.said.recv_timeout(PATIENCE).as_deref(), Ok("armed"));
        guarding
    }

    fn tell(&self, lines: &str) {
        // It may have ended.
        let _ = self.pipe.as_ref().unwrap().write_all(lines.as_bytes());
    }

    /// What it says until it ends by itself, and how it ended.
    fn end(mut self) -> (Vec<String>, ExitStatus) {
        let said = self.said.iter().collect();
        (said, self.child.wait().unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "the guard reads the same clock")]
fn now() -> Timestamp {
    Timestamp::from_jiff(jiff::Timestamp::now()).unwrap()
}

fn in_an_hour() -> Timestamp {
    now().plus(flyball_model::Duration::from_hours(1))
}

fn undone((said, status): &(Vec<String>, ExitStatus)) {
    assert!(said == &["undone"] && status.code() == Some(0), "{said:?}, {status}");
}

#[test]
fn a_pipe_that_ends_ends_the_fault_by_a_signed_request() {
    let broken = Broken::new(&[]);
    let charge = broken.charge(in_an_hour());
    let mut guarding = Guarding::arm(&charge);
    guarding.pipe = None;
    let died = Instant::now();
    let asked = broken.next();
    assert!(asked.at - died < WHOLE_WITHIN, "{:?}", asked.at - died);
    assert_eq!(
        (asked.head[0].as_str(), &asked.body),
        ("DELETE /fault HTTP/1.1", &charge.asks[0].body)
    );
    assert_eq!(asked.header("flyball-event"), Some("drill.end"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    let signed = asked.header("flyball-signature").unwrap();
    let seconds = signed.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
    let expected =
        signature(&Secret::new(SECRET.1), Timestamp::from_seconds(seconds), asked.body.as_bytes());
    assert_eq!(signed, expected);
    undone(&guarding.end());
}

/// A parent that beats faster than it must, without a process of its own to wait in.
const PARENT: &str = r#"
coproc G { exec "$0" drill-guard; }
printf '%s' "$1" >&"${G[1]}"
read -r said <&"${G[0]}"
echo "$said"
while echo beat >&"${G[1]}"; do echo beat; read -r -t 0.5 -u "${G[0]}"; done
"#;

#[test]
fn a_parent_that_beats_is_believed_and_one_that_is_killed_is_followed() {
    let broken = Broken::new(&[]);
    let line = broken.charge(in_an_hour()).line();
    let mut child = Command::new("bash")
        .args(["-c", PARENT, env!("CARGO_BIN_EXE_flyball"), &line])
        .env(SECRET.0, SECRET.1)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let mut parent = Process::new(child, out);
    parent.wait_for("armed");
    // Longer than a guard waits for a beat.
    for _ in 0..8 {
        parent.wait_for("beat");
    }
    assert!(broken.asked.try_recv().is_err(), "the parent lives");
    parent.kill();
    let died = Instant::now();
    let whole = broken.next().at.saturating_duration_since(died);
    assert!(whole < WHOLE_WITHIN, "{whole:?}");
}

#[test]
fn a_parent_that_says_nothing_any_more_is_not_waited_for() {
    let broken = Broken::new(&[]);
    let guarding = Guarding::arm(&broken.charge(in_an_hour()));
    guarding.tell("beat\nbeat\n");
    let last = Instant::now();
    // What it does not know is no beat.
    guarding.tell("bleat\n");
    let silent = broken.next().at - last;
    assert!(silent > Duration::from_millis(2_500) && silent < WHOLE_WITHIN, "{silent:?}");
    undone(&guarding.end());
}

#[test]
fn what_fails_is_asked_again_there_and_nowhere_else_until_it_works() {
    let broken = Broken::new(&[Answer::Never, Answer::Status(302), Answer::Status(500)]);
    let fine = Broken::new(&[Answer::Status(404)]);
    let mut charge = broken.charge(in_an_hour());
    charge.asks.extend(fine.charge(in_an_hour()).asks);
    let mut guarding = Guarding::arm(&charge);
    guarding.pipe = None;
    let died = Instant::now();
    let asked = [broken.next(), broken.next(), broken.next(), broken.next()];
    assert!(asked.iter().all(|asked| asked.head[0] == "DELETE /fault HTTP/1.1"));
    let again = asked[1].at - died;
    assert!(again < WHOLE_WITHIN, "{again:?}: one that does not answer is given up");
    assert!(asked[3].at - asked[2].at > Duration::from_millis(900), "it is not a flood");
    undone(&guarding.end());
    fine.next();
    assert!(fine.asked.try_recv().is_err(), "what worked is not asked again");
}

#[test]
fn a_guard_that_is_dismissed_asks_nobody() {
    let broken = Broken::new(&[]);
    let guarding = Guarding::arm(&broken.charge(in_an_hour()));
    guarding.tell("beat\ndismissed\n");
    let (said, status) = guarding.end();
    assert!(said.is_empty() && status.success(), "{said:?}, {status}");
    assert!(broken.asked.try_recv().is_err());
}

#[test]
fn a_guard_that_is_told_to_end_ends_the_fault_first() {
    for name in ["-TERM", "-INT", "-HUP"] {
        let broken = Broken::new(&[Answer::Status(503)]);
        let guarding = Guarding::arm(&broken.charge(in_an_hour()));
        let pid = guarding.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
        broken.next();
        broken.next();
        undone(&guarding.end());
    }
}

#[test]
fn a_fault_is_gone_at_the_latest_time_whoever_lives_and_nobody_need_listen() {
    let broken = Broken::new(&[]);
    let guarding = Guarding::arm(&broken.charge(now()));
    broken.next();
    guarding.tell("beat\n");
    undone(&guarding.end());

    // As a server leaves it that died between starting it and hearing that it is armed.
    let mut child = command(Path::new("/"), &["drill-guard"])
        .env(SECRET.0, SECRET.1)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    pipe.write_all(broken.charge(in_an_hour()).line().as_bytes()).unwrap();
    drop(pipe);
    broken.next();
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_charges_with_nothing_is_refused_before_anything_is_promised() {
    let broken = Broken::new(&[]);
    let mut charge = broken.charge(in_an_hour());
    let unsigned = charge.line();
    charge.asks[0].url = "fault".to_owned();
    charge.asks[0].secret_env = None;
    let long = "x".repeat(LINE_BYTES_MAX + 2);
    for (line, problem) in [
        ("", "nobody says what to guard"),
        ("beat\n", "is no charge"),
        ("{\"asks\":[]", "nobody says what to guard"),
        (long.as_str(), "has no end"),
        (charge.line().as_str(), "DELETE fault cannot be asked"),
        (unsigned.as_str(), "FLYBALL_SECRET_BREAK is not set"),
    ] {
        let ran = flyball_with_input(Path::new("/"), &["drill-guard"], line.as_bytes());
        assert!(ran.code == 2 && ran.out.is_empty(), "{ran:?}");
        assert!(ran.err.contains(problem) && ran.err.contains("; hint: "), "{}", ran.err);
    }
}
