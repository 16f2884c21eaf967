//! Somebody who is told of alerts, over a real socket.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A request that came.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// What the receiver answers, and to whom it hands requests on.
#[derive(Debug, Clone)]
struct Shared {
    told: UnboundedSender<Request>,
    /// A status, and how many requests are answered with it before all others are taken.
    answer: Arc<Mutex<(u16, usize)>>,
    deliveries: Arc<Mutex<BTreeSet<String>>>,
}

/// A server that takes whatever it is told.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: std::net::SocketAddr,
    hears: UnboundedReceiver<Request>,
    shared: Shared,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let (told, hears) = unbounded_channel();
        let (answer, deliveries) = (Arc::new(Mutex::new((200, 0))), Arc::default());
        let shared = Shared { told, answer, deliveries };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(take).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, hears, shared }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers the next `count` requests with `status`.
    pub(crate) fn answer(&self, status: u16, count: usize) {
        *self.shared.answer.lock().unwrap() = (status, count);
    }

    /// The next request, as soon as it is there.
    pub(crate) async fn next(&mut self) -> Request {
        let next = tokio::time::timeout(Duration::from_mins(1), self.hears.recv()).await;
        next.expect("a request is awaited and does not come").unwrap()
    }

    /// Everything that came and was not looked at.
    pub(crate) fn heard(&mut self) -> Vec<Request> {
        std::iter::from_fn(|| self.hears.try_recv().ok()).collect()
    }

    /// Whether everything that came was looked at.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.hears.try_recv().is_err()
    }

    /// The different keys of all notices that came.
    pub(crate) fn deliveries(&self) -> BTreeSet<String> {
        self.shared.deliveries.lock().unwrap().clone()
    }
}

async fn take(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    if let Some(key) = headers.get("flyball-delivery") {
        shared.deliveries.lock().unwrap().insert(key.to_str().unwrap().to_owned());
    }
    let request = Request { method, path: uri.path().to_owned(), headers, body };
    let mut answer = shared.answer.lock().unwrap();
    let status = if answer.1 > 0 {
        answer.1 -= 1;
        StatusCode::from_u16(answer.0).unwrap()
    } else {
        StatusCode::OK
    };
    drop(answer);
    // The test may be over.
    let _ = shared.told.send(request);
    (status, "as you say")
}
