//! What is asked in a drill, against what the makers of the other systems say of their interfaces.

use flyball_connect::drill::guard::{Charge, ChargeError, LINE_BYTES_MAX};
use flyball_connect::drill::{Ask, Injection, chaos_toolkit, envoy, toxiproxy, webhook};
use flyball_connect::notify::{Secret, signature};
use flyball_govern::alert::Outcome;
use flyball_govern::drill::{Drill, Fault, Held};
use flyball_model::{Duration, Rational};
use serde_json::{Value, json};

use crate::now;

const PROXY: &str = "http://127.0.0.1:8474/";

fn injection(fault: Fault, share: (u64, u64)) -> Injection<'static> {
    Injection { key: "k-1", fault, share: Rational::new(share.0, share.1).unwrap() }
}

fn body(ask: &Ask) -> Value {
    serde_json::from_str(&ask.body).unwrap()
}

/// The fields, types and statuses of Toxiproxy's README and api.go.
#[test]
fn toxics_are_added_and_removed_and_both_may_come_again() {
    let delay = injection(Fault::Delay { by: Duration::from_seconds(2) }, (1, 4));
    let begin = toxiproxy::begin(PROXY, "shop/eu 1", &delay).unwrap();
    assert_eq!(begin.method, "POST");
    assert_eq!(begin.url, "http://127.0.0.1:8474/proxies/shop%2Feu%201/toxics");
    let expected = json!({"name": "flyball-k-1", "type": "latency", "stream": "downstream", "toxicity": 0.25,
        "attributes": {"latency": 2_000, "jitter": 0}});
    assert_eq!(body(&begin), expected);
    let there = br#"{"error":"toxic already exists","status":409}"#;
    assert_eq!(begin.judge(409, there, now()), Outcome::Delivered);
    assert!(matches!(begin.judge(404, b"proxy not found", now()), Outcome::Refused { .. }));
    let end = toxiproxy::end(PROXY, "shop/eu 1", &delay);
    assert_eq!((end.method.as_str(), end.body.as_str()), ("DELETE", ""));
    assert_eq!(end.url, "http://127.0.0.1:8474/proxies/shop%2Feu%201/toxics/flyball-k-1");
    assert_eq!(end.judge(404, b"toxic not found", now()), Outcome::Delivered, "it is gone");
    assert!(matches!(end.judge(502, b"", now()), Outcome::Later { .. }));
    for (fault, kind) in [(Fault::Reset, "reset_peer"), (Fault::Hang, "timeout")] {
        let ask = toxiproxy::begin(PROXY, "shop", &injection(fault, (1, 1))).unwrap();
        assert_eq!(
            (&body(&ask)["type"], &body(&ask)["attributes"]),
            (&json!(kind), &json!({"timeout": 0}))
        );
    }
    let down = injection(Fault::Down, (1, 1));
    let (begin, end) =
        (toxiproxy::begin(PROXY, "shop", &down).unwrap(), toxiproxy::end(PROXY, "shop", &down));
    assert_eq!((body(&begin), body(&end)), (json!({"enabled": false}), json!({"enabled": true})));
    let none = br#"{"error":"proxy not found","status":404}"#;
    assert_eq!(end.judge(404, none, now()), Outcome::Delivered, "so is the proxy");
    assert!(matches!(begin.judge(404, none, now()), Outcome::Refused { .. }));
    assert!(
        toxiproxy::begin(PROXY, "shop", &injection(Fault::Abort { status: 503 }, (1, 1))).is_err()
    );
    let kept = serde_json::to_string(&end).unwrap();
    assert_eq!(serde_json::from_str::<Ask>(&kept).unwrap(), end, "a guard reads it from a pipe");
}

#[test]
fn a_proxy_says_whether_the_fault_is_there() {
    let delay = injection(Fault::Delay { by: Duration::from_seconds(2) }, (1, 1));
    let proxy = |name: &str| {
        json!({"name": "shop", "enabled": true, "toxics": [{"name": name}]}).to_string()
    };
    let is_there = |text: &str, of| toxiproxy::is_there(text.as_bytes(), of);
    assert_eq!(is_there(&proxy("flyball-k-1"), &delay), Some(true));
    assert_eq!(is_there(&proxy("latency_downstream"), &delay), Some(false));
    assert_eq!(is_there("bad gateway", &delay), None);
    let down = injection(Fault::Down, (1, 1));
    assert_eq!(is_there(&proxy("flyball-k-1"), &down), Some(false));
    assert_eq!(is_there(r#"{"enabled": false}"#, &down), Some(true));
}

/// The keys of Envoy's fault filter, and `/runtime` as Envoy 1.40 answers it.
#[test]
fn runtime_keys_are_set_together_in_millionths_and_removed() {
    let abort = injection(Fault::Abort { status: 503 }, (1, 40));
    let begin = envoy::begin("http://127.0.0.1:9901", "fault.http", &abort).unwrap();
    let share = "%7B%22numerator%22%3A25000%2C%22denominator%22%3A%22MILLION%22%7D";
    let address = "http://127.0.0.1:9901/runtime_modify?fault.http.abort.abort_percent=";
    assert_eq!(begin.url, format!("{address}{share}&fault.http.abort.http_status=503"));
    assert_eq!((begin.method.as_str(), begin.body.as_str()), ("POST", ""));
    let end = envoy::end("http://127.0.0.1:9901", "fault.http", &abort).unwrap();
    assert_eq!(end.url, format!("{address}&fault.http.abort.http_status="));
    let delay = injection(Fault::Delay { by: Duration::from_seconds(1) }, (1, 1));
    let own = envoy::begin("http://127.0.0.1:9901", "flyball.shop", &delay).unwrap();
    assert!(
        own.url.contains("flyball.shop.delay_percent=")
            && own.url.ends_with("flyball.shop.delay_ms=1000")
    );
    assert!(envoy::begin("http://127.0.0.1:9901", "x", &injection(Fault::Reset, (1, 1))).is_err());
    let runtime = |value: &str| {
        let key = "fault.http.abort.abort_percent";
        json!({"layers": ["base", "admin"], "entries": {key: {"layer_values": ["", value], "final_value": value}}})
    };
    let is_there = |text: Value| envoy::is_there(text.to_string().as_bytes(), "fault.http", &abort);
    assert_eq!(is_there(runtime(r#"{"numerator":25000,"denominator":"MILLION"}"#)), Some(true));
    assert_eq!(
        (is_there(runtime("")), is_there(json!({"layers": ["admin"]}))),
        (Some(false), Some(false))
    );
    assert_eq!(envoy::is_there(b"OK", "fault.http", &abort), None);
}

#[test]
fn callers_send_headers_as_long_as_they_are_told() {
    let abort = injection(Fault::Abort { status: 503 }, (1, 10));
    let lease = envoy::lease(Some(&abort), now()).unwrap();
    let headers = json!({"x-envoy-fault-abort-request": "503", "x-envoy-fault-abort-request-percentage": "10"});
    assert_eq!(lease["headers"], headers);
    assert_eq!(lease["until"], json!(now().plus(Duration::from_seconds(3))));
    assert_eq!(envoy::lease(None, now()).unwrap()["headers"], json!({}));
    let fine = injection(Fault::Abort { status: 503 }, (1, 1_000));
    assert!(
        envoy::headers(&fine).is_err(),
        "a tenth of a per cent is none that the header can say"
    );
}

fn drill() -> Drill {
    let spec = json!({
        "description": "Payments are slow.", "service": "shop", "slo": "answered", "reserve": "20%", "longest": "1m",
        "fault": {"kind": "hang"},
        "via": {"kind": "toxiproxy", "url": PROXY, "proxy": "shop"},
        "hours": {"days": ["mon"], "from": "10:00", "to": "16:00", "timeZone": "UTC"},
    });
    Drill::new("slow-payments", serde_json::from_value(spec).unwrap()).unwrap()
}

#[test]
fn a_webhook_is_told_for_how_long_an_order_holds() {
    let hang = injection(Fault::Hang, (1, 4));
    let to = ("https://break.example/", "FLYBALL_SECRET_BREAK");
    let ask = webhook::ask(webhook::Order::Begin, &drill(), &hang, to, now());
    let told = body(&ask);
    assert_eq!(
        (&told["schema"], &told["order"]),
        (&json!("flyball.dev/drill/v1"), &json!("begin"))
    );
    assert_eq!((&told["fault"], &told["share"]), (&json!({"kind": "hang"}), &json!(0.25)));
    assert_eq!(told["until"], json!(now().plus(Duration::from_seconds(3))));
    let end = webhook::ask(webhook::Order::End, &drill(), &hang, to, now());
    assert_eq!(body(&end)["until"], Value::Null);
    let schema = include_str!("../../../../docs/format/drill-v1.schema.json");
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("drill.json", serde_json::from_str(schema).unwrap()).unwrap();
    let index = compiler.compile("drill.json", &mut schemas).unwrap();
    for order in [&told, &body(&end)] {
        if let Err(error) = schemas.validate(order, index) {
            panic!("{error}\n{order}");
        }
    }
    let secret = Secret::new("a secret of sixteen bytes");
    let signed = signature(&secret, now(), end.body.as_bytes());
    let headers = [
        ("content-type", "application/json"),
        ("flyball-signature", signed.as_str()),
        ("flyball-delivery", "k-1:end"),
        ("flyball-event", "drill.end"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(end.headers_at(now(), Some(&secret)), headers);
    assert!(!format!("{end:?}").contains("sixteen"), "the secret is not in what is kept");
}

#[test]
fn a_guard_is_charged_by_a_line() {
    let hang = injection(Fault::Hang, (1, 4));
    let to = ("https://break.example/", "FLYBALL_SECRET_BREAK");
    let end = webhook::ask(webhook::Order::End, &drill(), &hang, to, now());
    let charge = |asks| Charge { asks, latest: now() };
    let line = charge(vec![end.clone(), toxiproxy::end(PROXY, "shop", &hang)]).line();
    assert_eq!(line.find('\n'), Some(line.len() - 1));
    assert_eq!(Charge::read(&line).unwrap().line(), line);
    assert!(toxiproxy::end(PROXY, "shop", &hang).headers_at(now(), None).is_empty(), "no body");
    assert_eq!(Charge::read(&charge(vec![]).line()), Err(ChargeError::Asks { asks: 0 }));
    assert_eq!(Charge::read(&charge(vec![end; 17]).line()), Err(ChargeError::Asks { asks: 17 }));
    let padded = format!("{}{line}", " ".repeat(LINE_BYTES_MAX));
    assert_eq!(Charge::read(&padded), Err(ChargeError::Long));
    for wrong in ["", "armed", "{}", r#"{"asks":[],"latest":"soon"}"#] {
        assert!(matches!(Charge::read(wrong), Err(ChargeError::Unknown { .. })), "{wrong}");
    }
}

/// The statuses of Chaos Toolkit's journal.
#[test]
fn a_journal_says_whether_the_steady_state_held_and_all_was_rolled_back() {
    let journal = |status: &str, deviated: bool, rollbacks: Value| {
        let text =
            json!({"status": status, "deviated": deviated, "rollbacks": rollbacks}).to_string();
        let read = chaos_toolkit::journal(text.as_bytes()).unwrap();
        (read.held, read.is_rolled_back)
    };
    let fine = json!([{"status": "succeeded"}]);
    assert_eq!(journal("completed", false, fine.clone()), (Held::Yes, Some(true)));
    assert_eq!(journal("completed", true, json!([{"status": "failed"}])), (Held::No, Some(false)));
    assert_eq!(journal("interrupted", false, json!([])), (Held::Unknown, None));
    // What Chaos Toolkit 1.19 wrote of an experiment like the one below: run to its end, ended by SIGTERM, and with a
    // steady state that deviated.
    let written = [
        (include_str!("../data/chaos-toolkit/completed.json"), "completed", Held::Yes),
        (include_str!("../data/chaos-toolkit/interrupted.json"), "interrupted", Held::Unknown),
        (include_str!("../data/chaos-toolkit/deviated.json"), "failed", Held::No),
    ];
    for (text, status, held) in written {
        let is_rolled_back = Some(true);
        let expected = chaos_toolkit::Journal { status: status.to_owned(), held, is_rolled_back };
        assert_eq!(chaos_toolkit::journal(text.as_bytes()).unwrap(), expected);
    }
    assert!(chaos_toolkit::journal(b"{}").is_err() && chaos_toolkit::journal(b"no").is_err());
    let hang = injection(Fault::Hang, (1, 1));
    let (begin, end) =
        (toxiproxy::begin(PROXY, "shop", &hang).unwrap(), toxiproxy::end(PROXY, "shop", &hang));
    let experiment =
        chaos_toolkit::experiment(&drill(), &begin, &end, "http://127.0.0.1:8080/go-on");
    let pauses =
        experiment["method"].as_array().unwrap().iter().map(|step| &step["pauses"]["after"]);
    let paused: f64 = pauses.filter_map(Value::as_f64).sum();
    assert!((paused - 60.0).abs() < 1e-9, "{paused} s in all");
    assert_eq!(experiment["method"][1]["pauses"]["after"], json!(1.0), "none lasts long");
    assert_eq!(experiment["rollbacks"][0]["provider"]["method"], json!("DELETE"));
    assert_eq!(experiment["runtime"]["rollbacks"]["strategy"], json!("always"));
    let arguments = chaos_toolkit::arguments("a.json", "journal.json");
    assert_eq!((arguments[0].as_str(), arguments.last().unwrap().as_str()), ("run", "a.json"));
}
