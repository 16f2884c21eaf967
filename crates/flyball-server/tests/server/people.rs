//! People who log in: over real sockets, at a provider that lies when it is told to.

mod functions;
mod logins;
mod provider;
mod rights;

use std::path::Path;

use flyball_server::{Config, Oidc, OidcOptions, Who};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, Url};
use serde_json::{Value, json};

use crate::harness::{NOON, Running, SHOP, TestClock, config};
use provider::Provider;

/// What a browser's requests to this server are told to come from.
pub(crate) const EXTERNAL: &str = "https://flyball.example";

/// A server, its provider and the time at both.
pub(crate) struct Site {
    pub(crate) running: Running,
    provider: Provider,
    pub(crate) clock: TestClock,
}

/// A browser: it keeps cookies and follows nothing.
#[derive(Debug, Default, Clone)]
pub(crate) struct Browser {
    cookies: Vec<(String, String)>,
}

/// A login that was begun: what the provider is asked for.
#[derive(Debug, Clone)]
struct Asked {
    state: String,
    nonce: String,
    challenge: String,
}

/// A second service's SLO beside that of the shop.
fn documents() -> String {
    let other = SHOP.replace("name: checkout", "name: pay").replace("shop", "bank");
    format!("{SHOP}---{other}")
}

impl Site {
    /// A server where nobody has logged in yet; `boss@example.com` is its admin.
    async fn start(data: &Path) -> Self {
        Self::with(data, Provider::start().await, TestClock::at(NOON)).await
    }

    async fn with(data: &Path, provider: Provider, clock: TestClock) -> Self {
        flyball_server::choose_cryptography();
        let running = serve(data, &provider.issuer, &clock).await;
        Self { running, provider, clock }
    }

    /// A server of what `config` makes of how people log in.
    pub(crate) async fn of(clock: TestClock, config: impl FnOnce(Oidc) -> Config) -> Self {
        let provider = Provider::start().await;
        let running = Running::of(config(oidc(&provider.issuer))).await;
        Self { running, provider, clock }
    }

    /// The server, started again.
    async fn restart(self, data: &Path) -> Self {
        self.running.server.stop().await;
        Self::with(data, self.provider, self.clock).await
    }

    /// What the provider says of `subject` in answer to `asked`.
    fn claims(&self, subject: &str, asked: &Asked) -> Value {
        let now = self.clock.now().nanos() / 1_000_000_000;
        json!({
            "iss": self.provider.issuer,
            "aud": "flyball",
            "sub": subject,
            "nonce": asked.nonce,
            "iat": now,
            "exp": now + 300,
            "email": format!("{subject}@example.com"),
            "email_verified": true,
            "groups": [],
        })
    }

    async fn send(&self, browser: &mut Browser, request: reqwest::RequestBuilder) -> Response {
        let answer = request.header("cookie", browser.shown()).send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            browser.cookies.retain(|(known, _)| known != name);
            if !rest.contains("Max-Age=0") {
                browser.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        client.request(Method::from_bytes(method.as_bytes()).unwrap(), self.running.url(path))
    }

    /// A request of a page of the server's own.
    async fn ask(&self, browser: &Browser, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.request(method, path).header("origin", EXTERNAL);
        if body != Value::Null {
            request = request.json(&body);
        }
        let answer = self.send(&mut browser.clone(), request).await;
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, browser: &Browser, path: &str) -> (u16, Value) {
        self.ask(browser, "GET", path, Value::Null).await
    }

    /// Begins a login.
    async fn begin(&self, browser: &mut Browser, path: &str) -> Asked {
        let answer = self.send(browser, self.request("GET", path)).await;
        assert_eq!(answer.status(), 303);
        let to = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        assert_eq!(to.origin().ascii_serialization(), self.provider.issuer);
        let of = |name: &str| to.query_pairs().find(|pair| pair.0 == name).unwrap().1.into_owned();
        assert_eq!(of("code_challenge_method"), "S256");
        assert_eq!(of("redirect_uri"), format!("{EXTERNAL}/login/callback"));
        Asked { state: of("state"), nonce: of("nonce"), challenge: of("code_challenge") }
    }

    /// Comes back from the provider.
    async fn come_back(&self, browser: &mut Browser, query: &str) -> Response {
        self.send(browser, self.request("GET", &format!("/login/callback?{query}"))).await
    }

    /// Logs `subject` in, as whom the provider says more.
    async fn log_in_as(&self, subject: &str, more: &Value) -> Browser {
        let mut browser = Browser::default();
        let asked = self.begin(&mut browser, "/login").await;
        let mut claims = self.claims(subject, &asked);
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.provider.script().claims = claims;
        let answer = self.come_back(&mut browser, &format!("code=c&state={}", asked.state)).await;
        let status = answer.status();
        assert_eq!(status, 303, "{}", answer.text().await.unwrap());
        browser
    }

    pub(crate) async fn log_in(&self, subject: &str) -> Browser {
        self.log_in_as(subject, &json!({})).await
    }

    /// Grants a role as the admin does.
    async fn grant(&self, boss: &Browser, who: &str, service: &str, role: &str) {
        let grant = json!({"who": who, "service": service, "role": role});
        let (status, said) = self.ask(boss, "POST", "/api/v1/grants", grant).await;
        assert_eq!(status, 200, "{said}");
    }
}

impl Browser {
    /// What it sends as `Cookie`.
    pub(crate) fn shown(&self) -> String {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        cookies.collect::<Vec<_>>().join("; ")
    }
}

/// How people log in at `issuer`.
fn oidc(issuer: &str) -> Oidc {
    let admin: Who = "email:Boss@example.com".parse().unwrap();
    let options = OidcOptions {
        issuer: issuer.to_owned(),
        client_id: "flyball".to_owned(),
        client_secret: None,
        external: EXTERNAL.to_owned(),
        scopes: vec!["email".to_owned()],
        groups_claim: "groups".to_owned(),
        admins: vec![admin],
    };
    Oidc::new(options).unwrap()
}

async fn serve(data: &Path, issuer: &str, clock: &TestClock) -> Running {
    let oidc = Some(oidc(issuer));
    Running::of(Config { oidc, ..config(data, &documents(), clock) }).await
}
