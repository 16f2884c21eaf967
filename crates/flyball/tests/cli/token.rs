//! Tokens and the audit log by the command line, and what the server's log says of them: nothing.

use tempfile::TempDir;

use crate::process::{command, listening};
use crate::run::flyball;

#[test]
fn tokens_beside_a_server_that_does_not_run() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let missing = flyball(at, &["audit", "verify", "--data", "data"]);
    assert_eq!(missing.code, 2);
    assert!(!at.join("data").exists(), "looking makes nothing");

    let create = ["token", "create", "--data", "data", "--name", "a", "--scope"];
    let refused = flyball(at, &[&create[..], &["read"]].concat());
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("scope admin"), "{}", refused.err);
    let made = flyball(at, &[&create[..], &["admin", "--expires", "90d"]].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    let token = made.out.trim();
    assert!(token.starts_with("flyball_") && !made.err.contains(token));
    let id = token.split('_').nth(1).unwrap();

    let listed = flyball(at, &["token", "list", "--data", "data"]);
    assert!(listed.out.contains(id) && !listed.out.contains(token), "{}", listed.out);
    assert_eq!(flyball(at, &["token", "revoke", id, "--data", "data"]).code, 0);
    assert_eq!(flyball(at, &["token", "revoke", id, "--data", "data"]).code, 2);
    let log = flyball(at, &["audit", "show", "--data", "data"]).out;
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((log.lines().count(), &last["action"]), (2, &"token.revoke".into()));
    let verified = flyball(at, &["audit", "verify", "--data", "data"]);
    let hash = last["hash"].as_str().unwrap();
    assert_eq!((verified.code, verified.out), (0, format!("2 {hash}\n")));
}

#[test]
fn no_token_is_in_the_log_whatever_is_logged() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let admin =
        flyball(at, &["token", "create", "--data", "data", "--name", "admin", "--scope", "admin"]);
    let admin = admin.out.trim().to_owned();
    let serve = ["serve", "--data", "data", "--listen", "127.0.0.1:0"];
    let (server, url) = listening(command(at, &serve).env("FLYBALL_LOG", "trace"));
    let asked = ["--server", &url, "--token", &admin];
    let create = ["token", "create", "--name", "reader", "--scope", "read"];
    let made = flyball(at, &[&create[..], &asked].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    let reader = made.out.trim().to_owned();
    let (wrong, refused) = (["--server", &url, "--token", &reader], "scope `admin`");
    let listed = flyball(at, &[&["token", "list"][..], &wrong].concat());
    assert!(listed.code == 2 && listed.err.contains(refused), "{}", listed.err);
    let nobody = flyball(at, &["audit", "verify", "--server", &url]);
    assert!(nobody.err.contains("FLYBALL_TOKEN"), "{}", nobody.err);
    assert_eq!(flyball(at, &[&["audit", "verify"][..], &asked].concat()).code, 0);
    assert_eq!(flyball(at, &[&["audit", "show"][..], &asked].concat()).out.lines().count(), 2);

    // Everywhere else that somebody may put one by mistake, over both versions of HTTP.
    flyball_server::choose_cryptography();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let builders =
            [reqwest::Client::builder(), reqwest::Client::builder().http2_prior_knowledge()];
        for client in builders.map(|builder| builder.build().unwrap()) {
            for path in ["/healthz", "/api/v1/events", "/v1/traces", &format!("/{reader}")] {
                for media in ["application/json", "application/grpc", "text/plain"] {
                    let request = client
                        .post(format!("{url}{path}?token={reader}"))
                        .bearer_auth(&reader)
                        .header("x-api-key", &reader)
                        .header("idempotency-key", &reader)
                        .header("content-type", media)
                        .body(format!("{{\"token\":\"{reader}\"}}"));
                    let _ = request.send().await;
                }
            }
        }
    });
    let whole = server.stop().join("\n");
    assert!(whole.contains("TRACE"), "{whole}");
    for token in [&admin, &reader] {
        let secret = token.rsplit('_').next().unwrap();
        let found =
            whole.lines().find(|line| line.contains(secret) || line.contains(&secret[..20]));
        assert_eq!(found, None);
    }
}
