//! Tokens and the audit log by the command line, and what the server's log says of them: nothing.

use flyball_model::Timestamp;
use flyball_server::{Scope, TokenRequest, Tokens};
use tempfile::TempDir;

use crate::process::{command, listening, serve};
use crate::run::flyball;

#[test]
fn tokens_beside_a_server_that_does_not_run() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let missing = flyball(at, &["audit", "verify", "--data", "data"]);
    assert_eq!(missing.code, 2);
    for looking in [["token", "list"], ["grant", "list"]] {
        let missing = flyball(at, &[&looking[..], &["--data", "data"]].concat());
        assert!(missing.code == 2 && missing.err.contains("hint:"), "{}", missing.err);
    }
    assert!(!at.join("data").exists(), "looking makes nothing");

    let create = ["token", "create", "--data", "data", "--name", "a", "--scope"];
    let refused = flyball(at, &[&create[..], &["read"]].concat());
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("scope admin"), "{}", refused.err);
    let made = flyball(at, &[&create[..], &["admin", "--expires", "90d"]].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("from now on every request needs one"), "{}", made.err);
    let token = made.out.trim();
    assert!(token.starts_with("flyball_") && !made.err.contains(token));
    let id = token.split('_').nth(1).unwrap();

    let (then, end) = ("2000-01-01T00:00:00Z", "2000-01-02T00:00:00Z");
    let brief = TokenRequest {
        name: "b".to_owned(),
        scopes: vec![Scope::Read],
        services: Vec::new(),
        functions: Vec::new(),
        expires: Some(end.to_owned()),
    };
    let tokens = Tokens::open(&at.join("data")).unwrap();
    tokens.create(&brief, "offline", Timestamp::parse(then).unwrap()).unwrap();
    drop(tokens);
    let listed = flyball(at, &["token", "list", "--data", "data"]);
    assert!(listed.out.contains("expired 2000-01-02"), "{}", listed.out);
    assert!(listed.out.contains(id) && !listed.out.contains(token), "{}", listed.out);
    assert_eq!(flyball(at, &["token", "revoke", id, "--data", "data"]).code, 0);
    assert_eq!(flyball(at, &["token", "revoke", id, "--data", "data"]).code, 2);
    let log = flyball(at, &["audit", "show", "--data", "data"]).out;
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((log.lines().count(), &last["action"]), (3, &"token.revoke".into()));
    let verified = flyball(at, &["audit", "verify", "--data", "data"]);
    let hash = last["hash"].as_str().unwrap();
    assert_eq!((verified.code, verified.out), (0, format!("3 {hash}\n")));
}

#[test]
fn whoever_copies_everything_is_in_the_audit_log_and_in_the_copy() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let (_server, url) = serve(at, "127.0.0.1:0", &["--backups", "backups"]);
    let there = ["--server", &url];
    assert_eq!(flyball(at, &[&["backup", "noon"][..], &there].concat()).code, 0);
    assert_eq!(flyball(at, &[&["backup", "../noon"][..], &there].concat()).code, 2);
    let here = flyball(at, &[&["audit", "show"][..], &there].concat()).out;
    assert_eq!(flyball(at, &["restore", "--data", "again", "backups/noon"]).code, 0);
    assert_eq!(flyball(at, &["audit", "show", "--data", "again"]).out, here);
    let record: serde_json::Value = serde_json::from_str(&here).unwrap();
    let said = ["actor", "action", "target"].map(|key| record[key].as_str().unwrap());
    assert_eq!(said, ["anyone", "backup.make", "noon"]);
}

#[test]
fn grants_beside_a_server_and_at_one() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let add = |who: &str, role: &str, service: &str, place: &[&str]| {
        let said = ["grant", "add", who, "--role", role, "--service", service];
        flyball(at, &[&said[..], place].concat())
    };
    let here = ["--data", "data"];
    assert_eq!(add("group:sre", "sre", "*", &here).code, 0);
    assert_eq!(add("group:sre", "sre", "*", &here).code, 0, "it is so already");
    let refused = add("email:Ann@example.com", "admin", "shop", &here);
    assert!(refused.code == 2 && refused.err.contains("all services"), "{}", refused.err);
    assert_eq!(add("ann", "sre", "*", &here).code, 2, "nobody says who that is");
    assert_eq!(add("group:sre", "king", "*", &here).code, 2);
    let create = ["token", "create", "--name", "a", "--scope", "admin", "--data", "data"];
    let token = flyball(at, &create).out;

    let (server, url) = serve(at, "127.0.0.1:0", &[]);
    let there = ["--server", &url, "--token", token.trim()];
    assert_eq!(add("email:Ann@example.com", "owner", "shop", &there).code, 0);
    let listed = flyball(at, &[&["grant", "list"][..], &there].concat()).out;
    let rows: Vec<Vec<&str>> =
        listed.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows,
        [vec!["email:ann@example.com", "shop", "owner"], vec!["group:sre", "*", "sre"]]
    );
    let acting =
        ["grant", "add", "email:ann@example.com", "--role", "owner", "--service", "shop", "--as"];
    let made = flyball(at, &[&acting[..], &["security"], &there].concat());
    assert!(made.code == 0 && made.err.contains("acts as security"), "{}", made.err);
    let refused = flyball(at, &[&acting[..], &["securty"], &there].concat());
    assert!(
        refused.code == 2 && refused.err.contains("did you mean `security`?"),
        "{}",
        refused.err
    );
    let create = ["token", "create", "--name", "audits", "--scope", "admin", "--as", "privacy"];
    assert_eq!(flyball(at, &[&create[..], &there].concat()).code, 0);
    for (list, shown) in [("grant", "security"), ("token", "privacy")] {
        let listed = flyball(at, &[&[list, "list"][..], &there].concat()).out;
        assert!(listed.contains("ACTS AS") && listed.contains(shown), "{listed}");
    }
    let remove = ["grant", "remove", "email:ANN@example.com", "--service", "shop"];
    assert_eq!(flyball(at, &[&remove[..], &there].concat()).code, 0);
    assert_eq!(flyball(at, &[&remove[..], &there].concat()).code, 2, "it is gone");
    server.stop();
    let log = flyball(at, &["audit", "show", "--data", "data"]).out;
    let actions: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["action"].to_string())
        .collect();
    let expected =
        ["grant.set", "token.create", "grant.set", "grant.set", "token.create", "grant.remove"];
    assert_eq!(actions, expected.map(|action| format!("\"{action}\"")));
}

#[test]
fn people_log_in_only_where_their_secrets_are_safe() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let refused = |more: &[&str], why: &str| {
        let serve = ["serve", "--data", "data", "--oidc-client-id", "flyball"];
        let run = flyball(at, &[&serve[..], more].concat());
        assert!(run.code == 2 && run.err.contains(why), "{more:?}: {}", run.err);
        assert!(!at.join("data").exists());
    };
    let issuer = ["--oidc-issuer", "https://id.example"];
    refused(&issuer, "--external-url");
    let external = ["--external-url", "https://flyball.example"];
    refused(&[&["--oidc-issuer", "http://id.example"][..], &external].concat(), "on its way");
    let missing = ["--oidc-client-secret-file", "missing"];
    refused(&[&issuer[..], &external, &missing].concat(), "cannot read the client's secret");
    let nobody = ["--oidc-admin", "ann"];
    refused(&[&issuer[..], &external, &nobody].concat(), "person:SUBJECT");
}

#[test]
fn no_token_is_in_the_log_whatever_is_logged() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let admin =
        flyball(at, &["token", "create", "--data", "data", "--name", "admin", "--scope", "admin"]);
    let admin = admin.out.trim().to_owned();
    let args = ["serve", "--data", "data", "--listen", "127.0.0.1:0"];
    let (server, url) = listening(command(at, &args).env("FLYBALL_LOG", "trace"));
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
    let id = admin.split('_').nth(1).unwrap();
    let last = flyball(at, &[&["token", "revoke", id][..], &asked].concat());
    assert!(last.code == 2 && last.err.contains("--force"), "{}", last.err);
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
