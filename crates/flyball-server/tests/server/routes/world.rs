//! A server with a shop of which something of every sort is known, a bank beside it, and everybody who may ask.

use std::path::Path;

use flyball_model::Duration;
use flyball_server::{Config, Given, Role, Scope};
use flyball_spec::Source;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::alerts::{QUICK, minute};
use crate::changes::hook_secrets;
use crate::gate::{admin, post};
use crate::harness::{NOON, PATIENCE, Running, SHOP, TestClock, config};
use crate::people::{EXTERNAL, Site};

/// What the shop is called, and what nobody else's answers may hold.
pub(super) const OWN: &str = "shop";
/// The service of those who are not to know of it.
const OTHER: &str = "bank";

/// What somebody shows.
#[derive(Debug, Clone)]
enum Shows {
    Nothing,
    Token(String),
    /// The cookies of a session.
    Session(String),
}

/// What somebody may do.
#[derive(Debug, Clone)]
pub(super) enum May {
    /// Nobody knows who it is.
    Unknown,
    /// What a token of the scope may, for one service or for all.
    Token(Scope, Option<&'static str>),
    /// What a person of these roles may; `*` is every service.
    Person(Vec<(&'static str, Role)>),
}

/// Somebody who asks.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) name: String,
    /// As the audit log names them.
    pub(super) actor: String,
    pub(super) may: May,
    shows: Shows,
}

impl Caller {
    pub(super) fn is_browser(&self) -> bool {
        matches!(self.shows, Shows::Session(_))
    }
}

/// A server, and who asks.
pub(super) struct World {
    pub(super) site: Site,
    client: Client,
    /// Two admins by their tokens, for what has to be there before.
    pub(super) ada: Caller,
    pub(super) bo: Caller,
    pub(super) callers: Vec<Caller>,
    /// A run of the shop's drill that is over: while its alerts fire, none may begin.
    pub(super) run: String,
    /// How many things were made, for names that are new.
    pub(super) made: u32,
}

/// Another SLO of the shop, which fails with the first.
fn beside(name: &str) -> String {
    let (slo, _) = QUICK.split_once("---").unwrap();
    slo.replace("name: checkout", &format!("name: {name}"))
}

/// A service of which the catalogue has much to say.
fn undescribed(name: &str) -> String {
    format!(
        "---\napiVersion: flyball.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{team: {name}}}\n"
    )
}

fn configured(home: &Path, clock: &TestClock) -> Config {
    let secrets = home.join("secrets");
    std::fs::create_dir_all(&secrets).unwrap();
    std::fs::write(secrets.join("webhook"), "hush\n").unwrap();
    let bank = SHOP.replace("name: checkout", "name: pay").replace(OWN, OTHER);
    let slos = ["checkout", "cart", "search", "stock", "returns"].map(beside).join("---\n");
    let given = vec![
        Source::new("shop.yaml", format!("{slos}---\n{}", include_str!("shop.yaml"))),
        Source::new("bank.yaml", bank),
        Source::new("undescribed.yaml", ["dock", "mill"].map(undescribed).concat()),
        Source::new("common.yaml", include_str!("common.yaml")),
        Source::new("drills.yaml", include_str!("drills.yaml")),
    ];
    Config {
        given: Given::Sources(given),
        secrets: Some(secrets),
        hooks: hook_secrets(home),
        backups: Some(home.join("backups")),
        ..config(&home.join("data"), "", clock)
    }
}

/// What is at `path` once `is_awaited`.
async fn awaited(open: &Running, path: &str, is_awaited: impl Fn(&Value) -> bool) {
    let look = async {
        while !is_awaited(&open.get(path).await.1) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, look).await;
    assert!(waited.is_ok(), "{path}: {}", open.get(path).await.1);
}

/// Runs the shop's drill while all of its users are served; the run's key.
async fn drilled(open: &Running, clock: &TestClock) -> String {
    clock.advance(Duration::from_minutes(15));
    let line = |second: u32| {
        let at = clock.now().minus(Duration::from_seconds(700 - second));
        format!("{{\"time\":\"{at}\",\"service.name\":\"{OWN}\",\"status\":200}}\n")
    };
    let events: String = (0..700).map(line).collect();
    assert_eq!(open.post("/api/v1/events", events).send().await.unwrap().status(), 200);
    // What was counted has to be complete.
    clock.advance(Duration::from_seconds(15));
    let drill = "/api/v1/drills/shop-errors";
    awaited(open, drill, |said| said["may_begin"] == true).await;
    let (status, begun) = post(open, &format!("{drill}/runs"), json!({"apply": true})).await;
    assert_eq!(status, 201, "{begun}");
    let key = begun["run"]["key"].as_str().unwrap().to_owned();
    let run = format!("/api/v1/drill-runs/{key}");
    assert_eq!(post(open, &format!("{run}/stop"), json!({})).await.0, 200);
    // Callers may send what they were told until then.
    clock.advance(Duration::from_seconds(4));
    awaited(open, &run, |said| said["run"]["watch"]["state"]["state"] == "ended").await;
    // What fires now is not for it any more.
    clock.advance(Duration::from_hours(2));
    key
}

/// A shop and a bank, of which one SLO each is known and nothing else.
fn plain(home: &Path, clock: &TestClock) -> Config {
    let secrets = home.join("secrets");
    std::fs::create_dir_all(&secrets).unwrap();
    std::fs::write(secrets.join("webhook"), "hush\n").unwrap();
    let bank = SHOP.replace("name: checkout", "name: pay").replace(OWN, OTHER);
    let given = vec![Source::new("shop.yaml", SHOP), Source::new("bank.yaml", bank)];
    Config {
        given: Given::Sources(given),
        secrets: Some(secrets),
        ..config(&home.join("data"), "", clock)
    }
}

impl World {
    /// A server on which the shop's alerts fire, and a caller of each sort.
    pub(super) async fn start(home: &Path) -> Self {
        flyball_server::choose_cryptography();
        let clock = TestClock::at(NOON);
        let open = Running::of(configured(home, &clock)).await;
        let run = drilled(&open, &clock).await;
        minute(&open, &clock, false).await;
        minute(&open, &clock, true).await;
        open.server.stop().await;
        Self { run, ..Self::of(home, clock, configured).await }
    }

    /// A server of which only the shop's and the bank's SLOs are known, and a caller of each sort.
    pub(super) async fn start_plain(home: &Path) -> Self {
        flyball_server::choose_cryptography();
        let clock = TestClock::at(NOON);
        Running::of(plain(home, &clock)).await.server.stop().await;
        Self::of(home, clock, plain).await
    }

    async fn of(
        home: &Path,
        clock: TestClock,
        configured: fn(&Path, &TestClock) -> Config,
    ) -> Self {
        let data = home.join("data");
        let by_token = |name: &str| {
            let token = admin(&data, name);
            Caller {
                name: name.to_owned(),
                actor: format!("token:{}", token.split('_').nth(1).unwrap()),
                may: May::Token(Scope::Admin, None),
                shows: Shows::Token(token),
            }
        };
        let (ada, bo) = (by_token("ada"), by_token("bo"));
        let site =
            Site::of(clock.clone(), |oidc| Config { oidc: Some(oidc), ..configured(home, &clock) });
        let client = Client::builder().redirect(reqwest::redirect::Policy::none());
        let client = client.build().unwrap();
        let mut world = Self {
            site: site.await,
            client,
            ada,
            bo,
            callers: Vec::new(),
            run: String::new(),
            made: 0,
        };
        world.ask(&world.ada, "/api/v1/changes", json!({"id": "first", "service": OTHER})).await;
        world.callers = world.everybody().await;
        world
    }

    /// A caller of every role, for the shop, for the bank and for all; a token of every scope, bound or not; and
    /// those who may nothing.
    async fn everybody(&self) -> Vec<Caller> {
        let shows = Shows::Nothing;
        let (name, actor) = ("nobody".to_owned(), "anyone".to_owned());
        let mut callers = vec![Caller { name, actor, may: May::Unknown, shows }];
        callers.push(self.person("guest", Vec::new()).await);
        for role in Role::ALL {
            if role == Role::Admin {
                continue;
            }
            for service in [OWN, OTHER, "*"] {
                let name = format!("{role}-{}", if service == "*" { "all" } else { service });
                callers.push(self.person(&name, vec![(service, role)]).await);
            }
            if role > Role::Viewer {
                let mixed = vec![(OWN, Role::Viewer), (OTHER, role)];
                callers.push(self.person(&format!("{role}-beside"), mixed).await);
            }
        }
        for scope in Scope::ALL {
            for service in [None, Some(OWN), Some(OTHER)] {
                if scope != Scope::Admin || service.is_none() {
                    callers.push(self.token(scope, service).await);
                }
            }
        }
        let boss = self.site.log_in("boss").await;
        callers.push(Caller {
            name: "boss".to_owned(),
            actor: "person:boss".to_owned(),
            may: May::Person(vec![("*", Role::Admin)]),
            shows: Shows::Session(boss.shown()),
        });
        callers
    }

    /// A person with these roles.
    pub(super) async fn person(&self, name: &str, roles: Vec<(&'static str, Role)>) -> Caller {
        for (service, role) in &roles {
            let grant = json!({"who": format!("person:{name}"), "service": service, "role": role});
            self.ask(&self.ada, "/api/v1/grants", grant).await;
        }
        let browser = self.site.log_in(name).await;
        Caller {
            name: name.to_owned(),
            actor: format!("person:{name}"),
            may: May::Person(roles),
            shows: Shows::Session(browser.shown()),
        }
    }

    async fn token(&self, scope: Scope, service: Option<&'static str>) -> Caller {
        let services: Vec<&str> = service.into_iter().collect();
        let name = format!("{scope} token for {}", service.unwrap_or("all"));
        let body = json!({"name": name, "scopes": [scope], "services": services});
        let made = self.ask(&self.ada, "/api/v1/tokens", body).await;
        Caller {
            name,
            actor: format!("token:{}", made["id"].as_str().unwrap()),
            may: May::Token(scope, service),
            shows: Shows::Token(made["token"].as_str().unwrap().to_owned()),
        }
    }

    /// A request of `caller`, as pages of the server's own send it.
    pub(super) fn request(&self, caller: &Caller, method: &str, address: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, self.site.running.url(address));
        match &caller.shows {
            Shows::Nothing => request,
            Shows::Token(token) => request.bearer_auth(token),
            Shows::Session(cookies) => request.header("cookie", cookies).header("origin", EXTERNAL),
        }
    }

    /// What is answered to `body` from somebody who may; it has to be done.
    pub(super) async fn ask(&self, caller: &Caller, address: &str, body: Value) -> Value {
        let request = self.request(caller, "POST", address).json(&body);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let said: Value = answer.json().await.unwrap_or_default();
        assert!(status.is_success(), "{address} {body}: {status} {said}");
        said
    }

    /// What is at `address`, for an admin; null where nothing is.
    pub(super) async fn look(&self, address: &str) -> Value {
        let answer = self.request(&self.ada, "GET", address).send().await.unwrap();
        if answer.status().is_success() { answer.json().await.unwrap() } else { Value::Null }
    }

    /// The moment so many hours ahead.
    pub(super) fn ahead(&self, hours: u32) -> String {
        self.site.clock.now().plus(Duration::from_hours(hours)).to_string()
    }

    /// The audit log's records after the one of this number.
    pub(super) async fn records(&self, after: u64) -> Vec<Value> {
        let page = self.look(&format!("/api/v1/audit?limit=1000&after={after}")).await;
        page["records"].as_array().unwrap().clone()
    }
}
