//! A server of Toxiproxy's HTTP API before noxious: `flyball-toxiproxy ADDRESS`.
//!
//! As much of the API as is asked of it: proxies are made, shown, switched off and on; toxics are added and removed.
//! Fields and statuses are Toxiproxy's, from its README and api.go. It has no `reset_peer`, as noxious has none.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use noxious::proxy::{ProxyConfig, ProxyRunner, ProxyWithToxics, Runner, Toxics};
use noxious::signal::{Close, Stop, Stopper};
use noxious::socket::TcpListener;
use noxious::state::SharedProxyInfo;
use noxious::toxic::{Toxic, ToxicEvent, ToxicEventKind, ToxicEventResult};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// Events of a proxy that wait.
const EVENTS_MAX: usize = 16;

/// A proxy that listens.
struct Running {
    info: SharedProxyInfo,
    events: bmrng::RequestSender<ToxicEvent, ToxicEventResult>,
    stop: Stopper,
    closed: Close,
}

/// A proxy: its toxics stay while it does not listen.
struct Proxy {
    config: ProxyConfig,
    toxics: Toxics,
    running: Option<Running>,
}

impl Proxy {
    async fn start(&mut self) -> io::Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let (config, toxics) = (self.config.clone(), self.toxics.clone());
        let (listener, info) = ProxyRunner::initialize_proxy::<TcpListener>(config, toxics).await?;
        let (events, told) = bmrng::channel(EVENTS_MAX);
        let ((stop, stopper), (closed, closer)) = (Stop::new(), Close::new());
        tokio::spawn(ProxyRunner::run_proxy(listener, info.clone(), told, stop, closer));
        self.running = Some(Running { info, events, stop: stopper, closed });
        Ok(())
    }

    async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.stop();
            // It has ended when nobody is left to say so.
            let _ = running.closed.recv().await;
        }
    }

    /// Tells connections, and keeps what they are told.
    async fn tell(&mut self, kind: ToxicEventKind) -> Result<(), Refusal> {
        if let Some(running) = &self.running {
            let event = ToxicEvent::new(self.config.name.clone(), kind);
            let told = running.events.send_receive(event).await;
            told.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
            self.toxics = running.info.state.lock().toxics.clone();
            return Ok(());
        }
        let lists = [&mut self.toxics.upstream, &mut self.toxics.downstream];
        match kind {
            ToxicEventKind::RemoveToxic(name) => {
                for list in lists {
                    list.retain(|toxic| toxic.name != name);
                }
                Ok(())
            }
            _ => Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, "the proxy is down".to_owned())),
        }
    }

    fn shown(&self) -> Value {
        let mut config = self.config.clone();
        config.enabled = self.running.is_some();
        let toxics = self.toxics.clone().into_vec();
        json!(ProxyWithToxics { proxy: config, toxics })
    }
}

/// An error as Toxiproxy says it.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, error) = self;
        (status, Json(json!({ "error": error, "status": status.as_u16() }))).into_response()
    }
}

fn failed(error: &impl ToString) -> Refusal {
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

fn bad(error: &impl ToString) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, format!("bad request body: {}", error.to_string()))
}

type Proxies = Arc<Mutex<HashMap<String, Proxy>>>;

fn of<'a>(proxies: &'a mut HashMap<String, Proxy>, name: &str) -> Result<&'a mut Proxy, Refusal> {
    let none = || Refusal(StatusCode::NOT_FOUND, "proxy not found".to_owned());
    proxies.get_mut(name).ok_or_else(none)
}

async fn create(
    State(proxies): State<Proxies>,
    Json(body): Json<Value>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let config: ProxyConfig = serde_json::from_value(body).map_err(|error| bad(&error))?;
    config.validate().map_err(|error| bad(&error))?;
    let mut proxies = proxies.lock().await;
    if proxies.contains_key(&config.name) {
        return Err(Refusal(StatusCode::CONFLICT, "proxy already exists".to_owned()));
    }
    let name = config.name.clone();
    let mut proxy = Proxy { config, toxics: Toxics::empty(), running: None };
    proxy.start().await.map_err(|error| failed(&error))?;
    let shown = proxy.shown();
    proxies.insert(name, proxy);
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn show(
    State(proxies): State<Proxies>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(of(&mut *proxies.lock().await, &name)?.shown()))
}

async fn update(
    State(proxies): State<Proxies>,
    Path(name): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Refusal> {
    let mut proxies = proxies.lock().await;
    let proxy = of(&mut proxies, &name)?;
    match body["enabled"].as_bool() {
        Some(true) => proxy.start().await.map_err(|error| failed(&error))?,
        Some(false) => proxy.stop().await,
        None => {}
    }
    Ok(Json(proxy.shown()))
}

async fn add(
    State(proxies): State<Proxies>,
    Path(name): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Refusal> {
    let mut proxies = proxies.lock().await;
    let proxy = of(&mut proxies, &name)?;
    let mut toxic: Toxic = serde_json::from_value(body.clone()).map_err(|error| bad(&error))?;
    toxic.set_default_name();
    if proxy.toxics.find_by_name(&toxic.name).is_some() {
        return Err(Refusal(StatusCode::CONFLICT, "toxic already exists".to_owned()));
    }
    proxy.tell(ToxicEventKind::AddToxic(toxic)).await?;
    Ok(Json(body))
}

async fn remove(
    State(proxies): State<Proxies>,
    Path((name, toxic)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let mut proxies = proxies.lock().await;
    let proxy = of(&mut proxies, &name)?;
    if proxy.toxics.find_by_name(&toxic).is_none() {
        return Err(Refusal(StatusCode::NOT_FOUND, "toxic not found".to_owned()));
    }
    proxy.tell(ToxicEventKind::RemoveToxic(toxic)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).ok_or_else(|| io::Error::other("which address?"))?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    let api = axum::Router::new()
        .route("/proxies", post(create))
        .route("/proxies/{name}", get(show).post(update))
        .route("/proxies/{name}/toxics", post(add))
        .route("/proxies/{name}/toxics/{toxic}", delete(remove))
        .with_state(Proxies::default());
    axum::serve(listener, api).await
}
