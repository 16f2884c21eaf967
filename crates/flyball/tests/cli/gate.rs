//! The gate by the command line: exit codes that a pipeline goes by, and what people decide by hand.

use std::path::Path;

use flyball_model::{Duration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::serve;
use crate::run::{Ran, flyball};

fn at_server(at: &Path, url: &str, args: &[&str]) -> Ran {
    flyball(at, &[args, &["--server", url]].concat())
}

#[test]
fn a_pipeline_goes_by_the_exit_code() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flyball-govern/policies");
    for name in ["four-weeks.yaml", "quarterly-with-sign-off.yaml"] {
        std::fs::copy(policies.join(name), at.join(name)).unwrap();
    }
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);
    let applied =
        run(&["apply", "--yes", "-f", "four-weeks.yaml", "-f", "quarterly-with-sign-off.yaml"]);
    assert_eq!(applied.code, 0, "what ships applies as it ships: {}", applied.err);

    let new = run(&["gate", "shop"]);
    assert_eq!(new.code, 0, "{}", new.err);
    assert!(new.out.contains("not blocked") && new.out.contains("advisory"), "{}", new.out);
    for wrong in [&["--class", "party"][..], &["--rollout", "fast"], &["--dry-run=x"]] {
        assert_eq!(run(&[&["gate", "shop"], wrong].concat()).code, 2, "{wrong:?}");
    }
    assert_eq!(flyball(at, &["gate", "shop", "--server", "http://127.0.0.1:1"]).code, 2);

    let freeze = ["policy", "freeze", "shop", "--role", "sre", "--why", "a sale", "--until"];
    let refused = run(&[&freeze[..], &["2000-01-01T00:00:00Z"]].concat());
    assert_eq!(refused.code, 2, "it has ended before it begins");
    let looked = run(&["gate", "shop", "--dry-run", "-o", "json"]).json();
    let now = Timestamp::parse(looked["decision"]["at"].as_str().unwrap()).unwrap();
    let soon = now.plus(Duration::from_hours(2));
    let frozen = run(&[&freeze[..], &[&soon.to_string()]].concat());
    assert_eq!(frozen.code, 0, "{}", frozen.err);
    let denied = run(&["gate", "shop", "--rollout", "canary:5%:30m"]);
    assert_eq!(denied.code, 1, "{}", denied.out);
    assert!(
        denied.out.contains("a sale") && denied.out.contains("would change it"),
        "{}",
        denied.out
    );
    assert_eq!(run(&["gate", "shop", "--class", "rollback"]).code, 0, "restoring is never denied");
    assert_eq!(run(&["gate", "other"]).code, 0);
    let looked = run(&["gate", "shop", "--dry-run", "-o", "json"]);
    assert_eq!((looked.code, &looked.json()["id"]), (1, &Value::Null));

    for role in ["product_manager", "engineering_lead", "sre"] {
        assert_eq!(run(&["policy", "sign", "four-weeks", "--role", role]).code, 0);
    }
    assert_eq!(run(&["policy", "sign", "four-weeks", "--role", "cto"]).code, 2);
    let listed = run(&["policy", "list"]).out;
    assert!(listed.contains("enforced") && listed.contains("advisory"), "{listed}");
    let until = soon.to_string();
    let except = ["policy", "override", "shop", "--role", "product_manager", "--until", &until];
    assert_eq!(run(&[&except[..], &["--why", " "]].concat()).code, 2, "for no reason");
    assert_eq!(run(&[&except[..], &["--why", "a contract ends"]].concat()).code, 0);
    let through = run(&["gate", "shop"]);
    assert_eq!(through.code, 0, "{}", through.out);
    assert!(through.out.contains("a contract ends"), "{}", through.out);
    assert_eq!(run(&["policy", "sign-off", "shop", "overspent", "--role", "sre"]).code, 2);
    assert_eq!(run(&["audit", "verify"]).code, 0);
}
