use std::convert::Infallible;

use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use super::*;

/// The idle time of these tests.
const SHORT: Duration = Duration::from_millis(50);
/// An answer that no buffer between server and client holds when it is asked for [`ASKED`] times. Bytes.
const ANSWER_BYTES: usize = 1 << 20;
const ASKED: usize = 64;
/// News of a stream, which together take far longer than a quiet connection may stay in a crowd.
const NEWS: usize = 40;

/// Answers shortly, at length, and for a long time.
fn router() -> Router {
    let large = Bytes::from(vec![b'x'; ANSWER_BYTES]);
    let news = async || {
        let pace = tokio::time::interval(SHORT / 2);
        let news = futures::stream::unfold(pace, |mut pace| async {
            pace.tick().await;
            Some((Ok::<_, Infallible>("news\n"), pace))
        });
        Body::from_stream(news.take(NEWS))
    };
    Router::new()
        .route("/", get(async || "here"))
        .route("/large", get(async move || large))
        .route("/news", get(news))
}

/// A server with room for so many connections.
async fn server(connections: usize) -> (SocketAddr, Listeners) {
    crate::choose_cryptography();
    let any = "127.0.0.1:0".parse().unwrap();
    let (addresses, listeners) =
        start(&[any], router(), connections, SHORT, None, &Arc::default()).await.unwrap();
    (addresses[0], listeners)
}

async fn ask(client: &reqwest::Client, address: SocketAddr, path: &str) -> reqwest::Response {
    let answer = client.get(format!("http://{address}{path}")).send();
    tokio::time::timeout(DRAIN, answer).await.expect("there is room").unwrap()
}

/// Clients that hold a connection open, as HTTP/2 has it, and ask no more.
#[tokio::test]
async fn quiet_connections_make_room_for_others() {
    let (address, listeners) = server(2).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let answer = ask(&client, address, "/").await;
        assert_eq!(answer.text().await.unwrap(), "here");
        // Kept, and with it its connection.
        clients.push(client);
    }
    listeners.stop().await;
}

#[tokio::test]
async fn clients_that_ask_and_do_not_read_make_room_for_others() {
    let (address, listeners) = server(2).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all("GET /large HTTP/1.1\r\nHost: x\r\n\r\n".repeat(ASKED).as_bytes())
            .await
            .unwrap();
        clients.push(client);
    }
    let answer = ask(&reqwest::Client::new(), address, "/").await;
    assert_eq!(answer.text().await.unwrap(), "here");
    listeners.stop().await;
}

/// In HTTP/2 clients say how much of an answer they take: here nothing, so that no write is held up.
#[tokio::test]
async fn clients_that_take_no_answer_make_room_for_others() {
    let (address, listeners) = server(2).await;
    let mut taken = Vec::new();
    for _ in 0..2 {
        let builder = reqwest::Client::builder().http2_prior_knowledge();
        let client = builder.http2_initial_stream_window_size(0).build().unwrap();
        taken.push((ask(&client, address, "/large").await, client));
    }
    let answer = ask(&reqwest::Client::new(), address, "/").await;
    assert_eq!(answer.text().await.unwrap(), "here");
    listeners.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_read_is_not_cut_off_in_a_crowd() {
    for builder in [reqwest::Client::builder(), reqwest::Client::builder().http2_prior_knowledge()]
    {
        let (address, listeners) = server(1).await;
        let stream = ask(&builder.build().unwrap(), address, "/news").await;
        assert_eq!(stream.text().await.unwrap(), "news\n".repeat(NEWS));
        listeners.stop().await;
    }
}
