//! How people log in: by `OpenID` Connect, with an authorization code and PKCE.
//!
//! A login begins with a redirect to the provider that carries three secrets: a `state` that names it, a
//! nonce that comes back inside the ID token, and the hash of a PKCE verifier without which a code is
//! worth nothing. They are kept here for minutes, bound to the browser by a cookie, and are good once.
//! So a callback that was stolen, repeated or begun by somebody else leads nowhere.
//!
//! The provider is asked when somebody logs in and never else: while it is down nobody new comes in,
//! and everything goes on for those who are.

mod claims;
mod pending;
mod provider;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use flyball_store::Identity;
use openidconnect::{ClientId, ClientSecret, IssuerUrl, RedirectUrl};
use reqwest::Url;

use crate::auth::{People, Who};
use crate::clock::Clock;
use crate::urls::masked;
pub(crate) use pending::PATIENCE;
use pending::{Pending, Waiting};
use provider::Provider;

/// The longest secret of a client. Bytes.
const SECRET_BYTES_MAX: usize = 4 << 10;
/// Where the provider sends people back to.
const CALLBACK: &str = "/login/callback";

/// How people log in, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcOptions {
    /// The provider, as it calls itself in its tokens.
    pub issuer: String,
    /// What the provider calls this server.
    pub client_id: String,
    /// The file that holds the client's secret; a public client has none.
    pub client_secret: Option<PathBuf>,
    /// The server as browsers reach it: scheme, host and port.
    pub external: String,
    /// What the provider is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that holds the groups of a person: a text or a list of them.
    pub groups_claim: String,
    /// Who is an admin, whatever was granted.
    pub admins: Vec<Who>,
}

/// How people log in, checked.
#[derive(Debug, Clone)]
pub struct Oidc {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    callback: RedirectUrl,
    external: Url,
    scopes: Vec<String>,
    groups_claim: String,
    admins: Vec<Who>,
}

/// Why people could not log in that way. The secret itself is never told.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// A URL that secrets must not be sent to or from.
    #[error(
        "`{0}` cannot be used: {1}\nhint: write https://HOST, or http://127.0.0.1:PORT to try it out"
    )]
    Url(String, &'static str),
    /// The file of the secret cannot be read.
    #[error("cannot read the client's secret from {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file of the secret holds none.
    #[error("{} holds no secret of up to {SECRET_BYTES_MAX} bytes in one line", .0.display())]
    Secret(PathBuf),
    /// A client of HTTP cannot be made.
    #[error("cannot make a client: {0}")]
    Client(#[from] reqwest::Error),
}

impl Oidc {
    /// Checks `options`, and reads the secret. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`OidcError`].
    pub fn new(options: OidcOptions) -> Result<Self, OidcError> {
        let OidcOptions { issuer, client_id, client_secret, external, .. } = options;
        url(&issuer)?;
        let external = url(&external)?;
        if external.path() != "/" || external.query().is_some() || external.fragment().is_some() {
            let why = "browsers must reach the server at a host of its own, without a path";
            return Err(OidcError::Url(masked(external.as_str()), why));
        }
        // Both were read as URLs just now.
        let no_url = |text: &str| OidcError::Url(masked(text), "it is no URL");
        let callback = external.join(CALLBACK).map_err(|_| no_url(external.as_str()))?;
        Ok(Self {
            issuer: IssuerUrl::new(issuer.clone()).map_err(|_| no_url(&issuer))?,
            client_id: ClientId::new(client_id),
            client_secret: client_secret.map(read_secret).transpose()?,
            callback: RedirectUrl::from_url(callback),
            external,
            scopes: options.scopes,
            groups_claim: options.groups_claim,
            admins: options.admins,
        })
    }

    /// Whom the gate is to let in.
    pub(crate) fn people(&self) -> People {
        People { issuer: self.issuer.to_string(), admins: self.admins.clone() }
    }
}

/// A URL over which secrets may go: encrypted, or not leaving the machine.
fn url(text: &str) -> Result<Url, OidcError> {
    let wrong = |why| OidcError::Url(masked(text), why);
    let url = Url::parse(text).map_err(|_| wrong("it is no URL"))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    match url.scheme() {
        "https" if !host.is_empty() => Ok(url),
        "http" if is_here => Ok(url),
        "http" => Err(wrong("what is sent could be read on its way")),
        _ => Err(wrong("it is none of HTTP")),
    }
}

fn read_secret(path: PathBuf) -> Result<ClientSecret, OidcError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let secret = text.trim_end_matches(['\n', '\r']);
            if secret.is_empty() || secret.len() > SECRET_BYTES_MAX || secret.contains('\n') {
                return Err(OidcError::Secret(path));
            }
            Ok(ClientSecret::new(secret.to_owned()))
        }
        Err(cause) => Err(OidcError::Read { path, cause }),
    }
}

/// Why somebody is not logged in. What is told is safe to be shown and logged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// `next` leads elsewhere.
    #[error("`next` is no path of this server; hint: write it like /api/v1/me")]
    Next,
    /// The callback belongs to no login that was begun here, in this browser, just now.
    #[error(
        "this login is not known: it took too long, was used before, or began in another browser; \
         hint: begin again at /login"
    )]
    Unknown,
    /// The provider does not let them in, and says why in a word.
    #[error("the identity provider refuses the login: {0}; hint: begin again at /login")]
    Refused(String),
    /// What the provider sends cannot be trusted.
    #[error(
        "what the identity provider says cannot be trusted: {0}; hint: begin again at /login; an \
         admin finds more in the server's log"
    )]
    Untrusted(&'static str),
    /// The provider cannot be asked.
    #[error(
        "the identity provider cannot be asked: {0}; hint: try again in a moment; tokens and \
         sessions go on meanwhile"
    )]
    Unreachable(&'static str),
    /// Too many logins at once.
    #[error("too many people log in at once; hint: try again in a moment")]
    Busy,
}

impl LoginError {
    /// The reason in a word or two, for counters.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Unknown => "unknown",
            Self::Refused(_) => "refused",
            Self::Untrusted(_) => "untrusted",
            Self::Unreachable(_) => "unreachable",
            Self::Busy => "busy",
        }
    }
}

/// Logs people in.
#[derive(Debug)]
pub(crate) struct Login {
    external: Url,
    provider: Provider,
    pending: Mutex<Pending>,
    clock: Clock,
}

/// A login that was begun.
#[derive(Debug)]
pub(crate) struct Begun {
    /// Where to send the browser.
    pub(crate) to: String,
    /// What the browser is to keep meanwhile.
    pub(crate) browser: String,
}

/// What the provider sends back by way of the browser.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Returned<'a> {
    pub(crate) state: &'a str,
    pub(crate) code: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
    /// Who says to be the provider, where it is told (RFC 9207).
    pub(crate) issuer: Option<&'a str>,
    /// What the browser has kept.
    pub(crate) browser: Option<&'a str>,
}

impl Login {
    /// # Errors
    ///
    /// [`OidcError::Client`].
    pub(crate) fn new(oidc: Oidc, clock: Clock) -> Result<Self, OidcError> {
        let external = oidc.external.clone();
        let provider = Provider::new(oidc, clock.clone())?;
        Ok(Self { external, provider, pending: Mutex::default(), clock })
    }

    /// The origin of this server's own pages.
    pub(crate) fn origin(&self) -> String {
        self.external.origin().ascii_serialization()
    }

    /// Whether cookies must only be sent encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.external.scheme() == "https"
    }

    /// Begins a login from `address` that ends at the path `next`.
    ///
    /// # Errors
    ///
    /// [`LoginError`].
    pub(crate) async fn begin(&self, next: &str, address: IpAddr) -> Result<Begun, LoginError> {
        if !self.is_own_path(next) {
            return Err(LoginError::Next);
        }
        let request = self.provider.request().await?;
        let (waiting, browser) = Waiting::new(request.nonce, request.verifier, next.to_owned())
            .map_err(|_| LoginError::Busy)?;
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.add(request.state, waiting, address, self.clock.now());
        Ok(Begun { to: request.to, browser })
    }

    /// Ends a login: who it is, and the path that they wanted to.
    ///
    /// # Errors
    ///
    /// [`LoginError`].
    pub(crate) async fn finish(
        &self,
        returned: Returned<'_>,
    ) -> Result<(Identity, String), LoginError> {
        let waiting = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.take(returned.state, returned.browser, self.clock.now())
        };
        let waiting = waiting.ok_or(LoginError::Unknown)?;
        if returned.issuer.is_some_and(|issuer| issuer != self.provider.issuer()) {
            return Err(LoginError::Untrusted("it was sent back by another provider"));
        }
        let Some(code) = returned.code else {
            return Err(LoginError::Refused(word(returned.error.unwrap_or_default())));
        };
        let Waiting { nonce, verifier, next, .. } = waiting;
        let identity = self.provider.exchange(code, verifier, &nonce).await?;
        Ok((identity, next))
    }

    /// Whether `next` is a path of this server. Browsers take `//host` and `/\host` for other hosts, and
    /// leave out tabs and line ends.
    fn is_own_path(&self, next: &str) -> bool {
        let is_plain = next.len() <= NEXT_BYTES_MAX
            && next.starts_with('/')
            && !next.starts_with("//")
            && !next.contains('\\')
            && next.bytes().all(|byte| byte.is_ascii_graphic());
        let joined = || self.external.join(next);
        is_plain && joined().is_ok_and(|url| url.origin() == self.external.origin())
    }
}

/// The longest path to go on to. Bytes.
const NEXT_BYTES_MAX: usize = 2 << 10;

/// A code of an error as providers have them; anything else is not repeated.
fn word(code: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    if (1..=64).contains(&code.len()) && code.bytes().all(is_word) {
        code.to_owned()
    } else {
        "it does not say why".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> OidcOptions {
        OidcOptions {
            issuer: "https://id.example".to_owned(),
            client_id: "flyball".to_owned(),
            client_secret: None,
            external: "https://flyball.example".to_owned(),
            scopes: Vec::new(),
            groups_claim: "groups".to_owned(),
            admins: Vec::new(),
        }
    }

    #[test]
    fn secrets_go_over_encrypted_connections_only() {
        for good in ["https://id.example/realms/a", "http://127.0.0.1:1", "http://[::1]:1"] {
            Oidc::new(OidcOptions { issuer: good.to_owned(), ..options() }).unwrap();
        }
        for wrong in ["http://id.example", "ftp://id.example", "id.example", "http://127.0.0.1.x"] {
            let refused = Oidc::new(OidcOptions { issuer: wrong.to_owned(), ..options() });
            assert!(refused.is_err(), "{wrong}");
            let refused = Oidc::new(OidcOptions { external: wrong.to_owned(), ..options() });
            assert!(refused.is_err(), "{wrong}");
        }
        let below = "https://flyball.example/below".to_owned();
        assert!(Oidc::new(OidcOptions { external: below, ..options() }).is_err());
    }

    #[test]
    fn a_secret_is_a_line_of_a_file_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Oidc::new(OidcOptions { client_secret: Some(path.clone()), ..options() })
        };
        let known = read("very-secret\n").unwrap();
        assert_eq!(known.client_secret.as_ref().unwrap().secret(), "very-secret");
        assert!(!format!("{known:?}").contains("very-secret"));
        for wrong in ["", "\n", "two\nlines\n"] {
            assert!(matches!(read(wrong), Err(OidcError::Secret(_))), "{wrong:?}");
        }
    }

    #[test]
    fn the_way_on_stays_on_this_server() {
        crate::choose_cryptography();
        let clock = Clock::new(|| flyball_model::Timestamp::from_seconds(0));
        let login = Login::new(Oidc::new(options()).unwrap(), clock).unwrap();
        for own in ["/", "/api/v1/me?x=1#y", "/a//b", "/%2F%2Fevil.example"] {
            assert!(login.is_own_path(own), "{own}");
        }
        for wrong in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/a\r\nSet-Cookie: x=y",
            "javascript:alert(1)",
            "evil.example",
            &format!("/{}", "x".repeat(NEXT_BYTES_MAX)),
        ] {
            assert!(!login.is_own_path(wrong), "{wrong}");
        }
    }
}
