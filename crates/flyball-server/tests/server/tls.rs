//! TLS with real handshakes: certificates made by OpenSSL, connections by a client that checks them.

use std::path::Path;
use std::process::Command;

use flyball_server::{Clock, Config, Server, ServerError, TlsFiles};
use reqwest::{Certificate, Client};

use crate::harness::{NOON, TestClock};

/// A certificate for localhost that signs itself, as `name.pem` and `name.key`.
pub(crate) fn make(directory: &Path, name: &str) -> Vec<u8> {
    let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::read(directory.join(certificate)).unwrap()
}

/// A client that takes only `certificate`.
fn client(certificate: &[u8]) -> Client {
    let certificate = Certificate::from_pem(certificate).unwrap();
    Client::builder().tls_certs_only([certificate]).build().unwrap()
}

pub(crate) async fn start(directory: &Path) -> Result<Server, ServerError> {
    let clock = TestClock::at(NOON);
    let config = Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        tls: Some(TlsFiles {
            certificates: directory.join("server.pem"),
            key: directory.join("server.key"),
        }),
        ..Config::new(directory.join("data"), Clock::new(move || clock.now()))
    };
    Server::start(config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_used_and_a_bad_one_is_not() {
    flyball_server::choose_cryptography();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let first = make(path, "server");
    let server = start(path).await.unwrap();
    let url = format!("https://localhost:{}/healthz", server.addresses()[0].port());
    let kept = client(&first);
    let answer = kept.get(&url).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2, "chosen in the handshake");
    let old = Client::builder().http1_only();
    let certificate = Certificate::from_pem(&first).unwrap();
    let old = old.tls_certs_only([certificate]).build().unwrap();
    assert_eq!(old.get(&url).send().await.unwrap().status(), 200);
    let plain = url.replace("https", "http");
    assert!(reqwest::get(&plain).await.is_err(), "nothing is answered unencrypted");

    // A key of another certificate.
    make(path, "other");
    std::fs::copy(path.join("other.key"), path.join("server.key")).unwrap();
    server.reload_tls().await;
    assert_eq!(client(&first).get(&url).send().await.unwrap().status(), 200);

    let second = make(path, "server");
    server.reload_tls().await;
    assert_eq!(client(&second).get(&url).send().await.unwrap().status(), 200);
    assert!(client(&first).get(&url).send().await.is_err());
    let answer = kept.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200, "a connection that was open goes on");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_hold_no_pair_are_told_with_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let said = start(directory.path()).await.unwrap_err().to_string();
    assert!(said.contains("server.pem"), "{said}");
    make(directory.path(), "server");
    std::fs::write(directory.path().join("server.key"), "secret").unwrap();
    let said = start(directory.path()).await.unwrap_err().to_string();
    assert!(said.contains("server.key") && !said.contains("secret"), "{said}");
}
