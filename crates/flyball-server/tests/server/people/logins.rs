//! Who gets in, who does not, and for how long.

use flyball_model::Duration;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::provider::{Signed, base64url};
use super::{Browser, Site};
use crate::harness::{NOON, TestClock};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_stays_over_a_restart_and_logs_out() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    assert_eq!(site.get(&Browser::default(), "/api/v1/me").await.0, 401);
    let mut browser = Browser::default();
    let asked = site.begin(&mut browser, "/login?next=/api/v1/slos%3Fservice%3Dshop").await;
    site.provider.script().claims = site.claims("boss", &asked);
    let query = format!("code=c&state={}&session_state=x", asked.state);
    let answer = site.come_back(&mut browser, &query).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (303, &reqwest::header::HeaderValue::from_static("/api/v1/slos?service=shop"))
    );
    let kept = answer.headers().get_all("set-cookie").iter().map(|one| one.to_str().unwrap());
    let kept: Vec<&str> = kept.collect();
    assert!(kept[0].starts_with("__Host-flyball_session=flyball_"), "{kept:?}");
    assert!(kept[0].ends_with("; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax; Secure"));
    assert!(kept[1].starts_with("__Host-flyball_login=; Path=/; Max-Age=0"), "{kept:?}");
    let verifier = site.provider.script().sent["code_verifier"].clone();
    assert_eq!(base64url(&Sha256::digest(verifier)), asked.challenge);
    assert_eq!(site.provider.script().sent["client_id"], "flyball", "a public client");

    let (status, me) = site.get(&browser, "/api/v1/me").await;
    assert_eq!((status, &me["actor"]), (200, &json!("person:boss")), "{me}");
    assert_eq!(me["roles"], json!([{"service": "*", "role": "admin"}]));
    assert_eq!(me["person"]["email"], "boss@example.com");
    assert_eq!(me["session"]["expires"], "2026-03-03T12:00:00Z");

    let site = site.restart(directory.path()).await;
    assert_eq!(site.get(&browser, "/api/v1/slos").await.0, 200);
    let (_, sessions) = site.get(&browser, "/api/v1/sessions").await;
    assert_eq!(sessions["sessions"][0]["subject"], "boss", "{sessions}");

    let before = browser.clone();
    let leave = site.request("POST", "/logout").header("sec-fetch-site", "same-origin");
    assert_eq!(site.send(&mut browser, leave).await.status(), 204);
    assert!(browser.cookies.is_empty(), "{browser:?}");
    let (status, said) = site.get(&before, "/api/v1/me").await;
    assert_eq!(status, 401);
    assert!(said["detail"].as_str().unwrap().contains("session is over"), "{said}");

    let again = site.log_in("boss").await;
    let (_, log) = site.get(&again, "/api/v1/audit").await;
    let said =
        |at: usize| (log["records"][at]["actor"].clone(), log["records"][at]["action"].clone());
    assert_eq!(said(0), (json!("person:boss"), json!("session.begin")));
    assert_eq!(said(1), (json!("person:boss"), json!("session.end")));
    let secret = before.cookies[0].1.rsplit('_').next().unwrap().to_owned();
    assert!(!log.to_string().contains(&secret));
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_good_once_in_the_browser_that_began() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let mut browser = Browser::default();
    let asked = site.begin(&mut browser, "/login").await;
    site.provider.script().claims = site.claims("ann", &asked);
    let good = format!("code=c&state={}", asked.state);
    let refused = async |browser: &Browser, query: &str, status: u16| {
        let answer = site.come_back(&mut browser.clone(), query).await;
        assert_eq!(answer.status(), status, "{query}");
        assert!(answer.headers().get("set-cookie").is_none());
        let said: Value = answer.json().await.unwrap();
        assert!(said["hint"].as_str().unwrap().contains("/login"), "{said}");
    };
    refused(&browser, "code=c&state=another", 400).await;
    refused(&browser, "code=c", 400).await;
    refused(&Browser::default(), &good, 400).await;
    let mut stranger = Browser::default();
    let theirs = site.begin(&mut stranger, "/login").await;
    refused(&stranger, &good, 400).await;
    refused(&stranger, &format!("error=access_denied&state={}", theirs.state), 403).await;
    let answer = site.come_back(&mut browser.clone(), &good).await;
    assert_eq!(answer.status(), 303, "none of that has used it");
    refused(&browser, &good, 400).await;

    let asked = site.begin(&mut browser, "/login").await;
    let iss = format!("code=c&state={}&iss=https%3A%2F%2Fevil.example", asked.state);
    refused(&browser, &iss, 403).await;
    let asked = site.begin(&mut browser, "/login").await;
    refused(&browser, &format!("code=wrong&state={}", asked.state), 403).await;
    let asked = site.begin(&mut browser, "/login").await;
    site.clock.advance(Duration::from_minutes(10));
    refused(&browser, &format!("code=c&state={}", asked.state), 400).await;

    for next in ["https://evil.example", "//evil.example", "/%5Cevil.example", "/%09/evil.example"]
    {
        let (status, said) = site.get(&browser, &format!("/login?next={next}")).await;
        assert_eq!(status, 400, "{next}: {said}");
    }
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_that_is_not_as_it_must_be_lets_nobody_in() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let now = site.clock.now().nanos() / 1_000_000_000;
    let wrong = [
        (Signed::Rightly, json!({"nonce": "of another login"})),
        (Signed::Rightly, json!({"nonce": null})),
        (Signed::Rightly, json!({"exp": now})),
        (Signed::Rightly, json!({"aud": "another"})),
        (Signed::Rightly, json!({"aud": ["flyball", "another"]})),
        (Signed::Rightly, json!({"azp": "another"})),
        (Signed::Rightly, json!({"iss": "https://evil.example"})),
        (Signed::Rightly, json!({"sub": "a\nb"})),
        (Signed::Rightly, json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"})),
        (Signed::Not, json!({})),
        (Signed::WithPublicKey, json!({})),
        (Signed::ByAnother, json!({})),
    ];
    for (signed, more) in wrong {
        let mut browser = Browser::default();
        let asked = site.begin(&mut browser, "/login").await;
        let mut claims = site.claims("boss", &asked);
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        {
            let mut script = site.provider.script();
            (script.claims, script.signed) = (claims, signed);
        }
        let query = format!("code=c&state={}", asked.state);
        let answer = site.come_back(&mut browser, &query).await;
        assert_eq!(answer.status(), 403, "{signed:?} {more}");
        assert!(answer.headers().get("set-cookie").is_none());
        let said = answer.text().await.unwrap();
        assert!(said.contains("cannot be trusted") && !said.contains("eyJ"), "{said}");
    }
    site.provider.script().signed = Signed::Rightly;
    let boss = site.log_in("boss").await;
    let counters = site.get(&boss, "/metrics").await.1;
    let counted = r#"flyball_logins_total{outcome="untrusted"} 12"#;
    assert!(counters.as_str().unwrap().contains(counted), "{counters}");
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_changed_and_the_provider_goes_down_while_people_work() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let boss = site.log_in("boss").await;
    site.provider.script().key = 7;
    let again = site.log_in("boss").await;
    let token = json!({"name": "ci", "scopes": ["admin"]});
    let (status, made) = site.ask(&boss, "POST", "/api/v1/tokens", token).await;
    assert_eq!(status, 201, "{made}");

    let Site { running, provider, clock } = site;
    let issuer = provider.issuer.clone();
    drop(provider);
    running.server.stop().await;
    // It starts without its provider, too.
    let running = super::serve(directory.path(), &issuer, &clock).await;
    let provider = super::Provider::start().await;
    let site = Site { running, provider, clock };
    for _ in 0..2 {
        let (status, said) = site.get(&Browser::default(), "/login").await;
        assert_eq!(status, 503, "{said}");
        assert!(said["hint"].as_str().unwrap().contains("tokens and sessions go on"), "{said}");
    }
    for browser in [&boss, &again] {
        assert_eq!(site.get(browser, "/api/v1/slos").await.0, 200);
    }
    let by_token = site.request("GET", "/api/v1/me").bearer_auth(made["token"].as_str().unwrap());
    assert_eq!(by_token.send().await.unwrap().status(), 200);
    site.running.server.stop().await;

    // People of another provider are others, whatever it calls them.
    let site = Site::with(directory.path(), site.provider, site.clock).await;
    assert_eq!(site.get(&boss, "/api/v1/me").await.0, 401);
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_idle_and_after_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let (idle, busy) = (site.log_in("ann").await, site.log_in("ann").await);
    for hour in 1..24 {
        site.clock.advance(Duration::from_hours(1));
        assert_eq!(site.get(&busy, "/api/v1/me").await.0, 200, "{hour}");
        if hour == 8 {
            assert_eq!(site.get(&idle, "/api/v1/me").await.0, 401);
        }
    }
    site.clock.advance(Duration::from_hours(1));
    assert_eq!(site.get(&busy, "/api/v1/me").await.0, 401, "a day is the most");
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_id_token_leaves_out_the_provider_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path()).await;
    let nothing = json!({"email": null, "groups": null});
    let mut info = json!({"sub": "boss", "email": "boss@example.com", "groups": ["a"]});
    site.provider.script().info = info.clone();
    let boss = site.log_in_as("boss", &nothing).await;
    let (_, me) = site.get(&boss, "/api/v1/me").await;
    assert_eq!((&me["person"]["email"], &me["roles"]), (&Value::Null, &json!([])), "not verified");
    assert_eq!(me["person"]["groups"], json!(["a"]));
    info["email_verified"] = json!(true);
    site.provider.script().info = info.clone();
    let boss = site.log_in_as("boss", &nothing).await;
    assert_eq!(site.get(&boss, "/api/v1/me").await.1["roles"][0]["role"], "admin");

    // What it tells of somebody else is not theirs.
    info["sub"] = json!("another");
    site.provider.script().info = info;
    let mut browser = Browser::default();
    let asked = site.begin(&mut browser, "/login").await;
    let mut claims = site.claims("boss", &asked);
    claims["email"] = Value::Null;
    site.provider.script().claims = claims;
    let answer = site.come_back(&mut browser, &format!("code=c&state={}", asked.state)).await;
    assert_eq!(answer.status(), 503);
    site.running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_there_is_nothing_to_log_in_at() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let running = crate::harness::Running::start(directory.path(), "", &clock).await;
    for path in ["/login", "/login/callback?state=x&code=y"] {
        let (status, said) = running.get(path).await;
        assert_eq!(status, 404);
        assert!(said["hint"].as_str().unwrap().contains("--oidc-issuer"), "{said}");
    }
    running.server.stop().await;
}
