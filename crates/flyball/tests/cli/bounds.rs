//! Bounds on late events and on those ahead of the clock, and when slots are complete, as options.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::process::serve;
use crate::run::{directory, flyball, slo_with};

/// How often it is looked whether events are counted, and how many times at most.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS_MAX: usize = 300;

/// Sends an event of now with one that is so old, or for less than nothing so far ahead, and says what
/// became of them.
#[expect(clippy::disallowed_methods, reason = "the server reads the same clock")]
fn send(url: &str, old: SignedDuration) -> Value {
    let now = Timestamp::now();
    let line = |at: Timestamp| format!("{{\"time\":\"{at}\",\"status\":200}}\n");
    let lines = line(now) + &line(now.checked_sub(old).unwrap());
    flyball_server::choose_cryptography();
    ask(reqwest::Client::new().post(format!("{url}/api/v1/events")).body(lines))
}

fn ask(request: reqwest::RequestBuilder) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

#[test]
fn events_are_refused_by_the_bounds_that_the_server_is_given() {
    let slo =
        slo_with("shop", "status > 0", "status < 500", "0.9", "duration: 7d, isRolling: true");
    let home = directory(&[("slo.yaml", slo.as_bytes())]);
    let at = home.path();
    let (old, ahead) = (SignedDuration::from_hours(48), SignedDuration::from_mins(-30));
    let first = |said: &Value| said["rejected"][0]["reason"].clone();

    let strict = ["--late-max", "30s", "--ahead-max", "20m"];
    let apart = directory(&[]);
    let (server, url) = serve(apart.path(), "127.0.0.1:0", &strict);
    let said = send(&url, SignedDuration::from_mins(1));
    assert_eq!(
        (&said["events"], first(&said)),
        (&1.into(), "older than late events may be: 30s".into())
    );
    let said = send(&url, ahead);
    assert_eq!(
        (&said["events"], first(&said)),
        (&1.into(), "in the future by more than 20m".into())
    );
    let Value::String(metrics) = ask(reqwest::Client::new().get(format!("{url}/metrics"))) else {
        panic!("metrics are no JSON");
    };
    for reason in ["older than late events may be", "in the future"] {
        let name = "flyball_ingest_dropped_events_total";
        let line = format!("{name}{{content=\"ndjson\",reason=\"{reason}\"}} 1\n");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    server.stop();

    // Others let the same in; and the last quarter of an hour is not complete.
    let lax = ["--late-max", "3d", "--ahead-max", "40m", "--settle", "15m", "--slo", "slo.yaml"];
    let (mut server, url) = serve(at, "127.0.0.1:0", &lax);
    for old in [old, ahead, SignedDuration::from_mins(1)] {
        assert_eq!(send(&url, old)["events"], 2, "{old}");
    }
    let shop = || ask(reqwest::Client::new().get(format!("{url}/api/v1/slos/shop")));
    let valid = |said: &Value| {
        let of = |part: &str| said["objectives"][0][part]["valid"].as_u64().unwrap();
        of("budget") + of("newest")
    };
    let mut said = shop();
    for _ in 0..LOOKS_MAX {
        if valid(&said) == 6 {
            break;
        }
        server.live(LOOK);
        said = shop();
    }
    assert_eq!(valid(&said), 6, "{said}");
    let moment = |key: &str| said[key].as_str().unwrap().parse::<Timestamp>().unwrap();
    let incomplete = moment("at").duration_since(moment("complete_up_to"));
    assert!(incomplete >= SignedDuration::from_mins(15), "{said}");
    server.kill();

    let refused =
        flyball(at, &["serve", "--data", "other", "--ahead-max", "50m", "--settle", "10m"]);
    assert!(refused.code == 2 && refused.err.contains("hint: "), "{refused:?}");

    // What is not stored yet is counted again by the same bounds.
    let verify = ["ledger", "verify", "--data", "data", "--slo", "slo.yaml"];
    let verified = flyball(at, &verify);
    assert_eq!(verified.code, 1, "{verified:?}");
    let verified =
        flyball(at, &[&verify[..], &["--late-max", "3d", "--ahead-max", "40m"]].concat());
    assert_eq!(verified.code, 0, "{verified:?}");
}
