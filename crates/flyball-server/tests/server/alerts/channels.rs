//! What each kind of target receives, over real sockets.

use flyball_connect::notify::{Secret, signature};
use flyball_model::{Duration, Timestamp};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::receiver::Receiver;
use super::{minute, target, webhook, with_targets};
use crate::harness::{NOON, Running, TestClock};

/// What one connection of SMTP has brought: the envelope and the message.
async fn smtp(stream: TcpStream) -> Vec<String> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut said = Vec::new();
    let mut is_message = false;
    write.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        let verb = line.to_ascii_uppercase();
        let answer: &[u8] = if is_message {
            is_message = line != ".";
            if is_message { b"" } else { b"250 taken\r\n" }
        } else if verb.starts_with("EHLO") {
            b"250-mail.example\r\n250 8BITMIME\r\n"
        } else if verb.starts_with("DATA") {
            is_message = true;
            b"354 go on\r\n"
        } else {
            b"250 fine\r\n"
        };
        said.push(line);
        // Who has been told that all is taken may go without a word.
        if write.write_all(answer).await.is_err() || verb.starts_with("QUIT") {
            break;
        }
        if said.last().is_some_and(|line| line == ".") && !is_message {
            break;
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_target_is_told_in_its_own_words() {
    flyball_server::choose_cryptography();
    let home = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let mut receivers = Vec::new();
    for _ in 0..5 {
        receivers.push(Receiver::start().await);
    }
    let [hook, slack, pager, goalert, manager] = &mut receivers[..] else { unreachable!() };
    let mail = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mail_port = mail.local_addr().unwrap().port();
    let targets = [
        webhook("hook", &hook.url("/hook")),
        target("slack", "slack: {url: 'file:slack'}"),
        target(
            "pager",
            &format!("pagerDuty: {{routingKey: 'file:key', url: '{}'}}", pager.url("/v2/enqueue")),
        ),
        target("goalert", &format!("goAlert: {{token: 'file:key', url: '{}'}}", goalert.url(""))),
        target(
            "manager",
            &format!("alertmanager: {{url: '{}', bearer: 'file:key'}}", manager.url("/am")),
        ),
        target(
            "mail",
            &format!(
                "mail: {{host: 127.0.0.1, port: {mail_port}, encryption: none, from: flyball@example.com, \
                 to: [on-call@example.com]}}"
            ),
        ),
        // Pages of others are none of theirs.
        target(
            "others",
            &format!(
                "services: [bank], webhook: {{url: '{}', secret: 'file:key'}}",
                hook.url("/no")
            ),
        ),
    ];
    let config = with_targets(home.path(), &targets.concat(), &clock);
    let secrets = home.path().join("secrets");
    std::fs::write(secrets.join("slack"), slack.url("/services/T0/B0/secret")).unwrap();
    std::fs::write(secrets.join("key"), "0123456789abcdef").unwrap();
    let running = Running::of(config).await;
    minute(&running, &clock, true).await;

    let told = hook.next().await;
    let shown = told.header("flyball-signature").to_owned();
    let at = shown.split(['=', ',']).nth(1).unwrap().parse::<i64>().unwrap();
    let expected = signature(&Secret::new("hush"), Timestamp::from_seconds(at), &told.body);
    assert_eq!((told.path.as_str(), shown), ("/hook", expected));
    assert_eq!(told.header("flyball-delivery"), told.header("idempotency-key"));

    let told = slack.next().await;
    assert_eq!(told.path, "/services/T0/B0/secret");
    assert!(told.json()["text"].as_str().is_some_and(|text| text.contains("checkout")));

    let told = pager.next().await.json();
    assert_eq!(
        (&told["event_action"], &told["payload"]["severity"]),
        (&"trigger".into(), &"critical".into())
    );
    assert_eq!(told["routing_key"], "0123456789abcdef");
    let key = told["dedup_key"].clone();

    let told = goalert.next().await;
    assert_eq!((told.path.as_str(), &told.json()["dedup"]), ("/api/v2/generic/incoming", &key));
    assert_eq!(told.header("authorization"), "Bearer 0123456789abcdef");

    let told = manager.next().await;
    assert_eq!(told.path, "/am/api/v2/alerts");
    assert_eq!(told.header("authorization"), "Bearer 0123456789abcdef");
    let labels = &told.json()[0]["labels"];
    assert_eq!((&labels["service"], &labels["severity"]), (&"shop".into(), &"page".into()));

    let (stream, _) = mail.accept().await.unwrap();
    let said = smtp(stream).await;
    assert!(said.iter().any(|line| line.starts_with("RCPT TO:<on-call@example.com>")), "{said:#?}");
    assert!(
        said.iter()
            .any(|line| line.starts_with("Message-ID: <") && line.ends_with("@flyball.example>"))
    );

    // The end: the same trouble in everybody's words.
    for _ in 0..8 {
        minute(&running, &clock, false).await;
        clock.advance(Duration::from_seconds(1));
    }
    let closed = loop {
        let told = pager.next().await.json();
        if told["event_action"] == "resolve" {
            break told;
        }
    };
    assert_eq!(closed["dedup_key"], key);
    loop {
        let told = goalert.next().await.json();
        if told["action"] == json!("close") {
            assert_eq!(told["dedup"], key);
            break;
        }
    }
    assert_eq!(hook.deliveries().len(), 3, "a page, a ticket, the end");
    drop(mail);
    running.server.stop().await;
}
