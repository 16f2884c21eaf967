//! A GitHub App in whose name deployments are approved and rejected.
//!
//! The app shows that it is itself by a JSON Web Token signed with its key, gets a token for the
//! installation that asks, and posts the answer with it. Everything is sent below one address that the
//! server was started with; what a message names as the place of the answer must lie there.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration as Wait;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flyball_connect::Protection;
use flyball_model::Timestamp;
use reqwest::{Client, RequestBuilder, Url};
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::Signer;
use serde_json::{Value, json};

/// GitHub's API for repositories at github.com.
pub const GITHUB_API: &str = "https://api.github.com";
/// The version of the API that is spoken.
const API_VERSION: &str = "2022-11-28";
/// How long GitHub may take to connect and to answer. It waits ten seconds for us, in which it is asked twice.
const CONNECT_MAX: Wait = Wait::from_secs(2);
const ANSWER_MAX: Wait = Wait::from_secs(4);
/// The longest answer that is read. Bytes; a token with the names of its repositories is a few kilobytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How much of a refusal is told. Bytes.
const SAID_BYTES_MAX: usize = 300;
/// How long a token of ours is valid, in seconds; GitHub takes ten minutes at most. It begins a minute ago, since
/// clocks differ.
const TOKEN_SECONDS: i64 = 540;
const TOKEN_SECONDS_AGO: i64 = 60;

/// The app that answers: `ID:FILE`, its id or client id and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubApp {
    id: String,
    key: PathBuf,
}

/// Why the app cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// It does not say which app's key is where.
    #[error(
        "that is no app with its key; hint: write ID:FILE, as 123456:/etc/flyball/github-app.pem"
    )]
    Form,
    /// The address is none.
    #[error("`{0}` is no address of GitHub's API; hint: it is like https://github.example/api/v3")]
    Api(String),
    /// The key cannot be used.
    #[error(
        "cannot use the key of the GitHub App in {file}: {cause}; hint: GitHub gives an RSA key as a file in PEM",
        file = file.display()
    )]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The system refused a client.
    #[error("cannot make a client for GitHub: {0}")]
    Client(#[from] reqwest::Error),
}

/// Why GitHub was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// Nobody can answer.
    #[error(
        "the server has no GitHub App to answer as; hint: start it with --github-app ID:FILE, the app's id and its key"
    )]
    NoApp,
    /// The answer is wanted at a place that is not GitHub's.
    #[error(
        "the answer is awaited at `{0}`, which is no run of the repository at GitHub's API; hint: --github-api \
         names another address of it"
    )]
    Elsewhere(String),
    /// The key of the app cannot be used any more.
    #[error(transparent)]
    Key(#[from] GitHubError),
    /// GitHub does not take it.
    #[error(
        "GitHub answers {what} with {status}: {said}; hint: deliver the webhook again when that is mended"
    )]
    Refused {
        /// What was sent.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// The beginning of what it said.
        said: String,
    },
    /// GitHub cannot be reached.
    #[error("GitHub cannot be reached: {0}; hint: deliver the webhook again")]
    Unreachable(String),
}

impl FromStr for GitHubApp {
    type Err = GitHubError;

    fn from_str(text: &str) -> Result<Self, GitHubError> {
        let (id, file) = text.split_once(':').ok_or(GitHubError::Form)?;
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_id || file.is_empty() {
            return Err(GitHubError::Form);
        }
        Ok(Self { id: id.to_owned(), key: PathBuf::from(file) })
    }
}

impl GitHubApp {
    /// A token that shows, for some minutes from `now` on, that it is the app who asks. The key is read each
    /// time: one that was replaced is in force at once.
    fn token(&self, now: Timestamp) -> Result<String, GitHubError> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let begins = now.nanos().div_euclid(1_000_000_000) - TOKEN_SECONDS_AGO;
        let head = part(&json!({ "alg": "RS256", "typ": "JWT" }));
        let ends = begins + TOKEN_SECONDS;
        let body = part(&json!({ "iat": begins, "exp": ends, "iss": self.id }));
        let signed = format!("{head}.{body}");
        let cannot = |error: rustls::Error| self.unusable(&error.to_string());
        let signature = self.signer()?.sign(signed.as_bytes()).map_err(cannot)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn signer(&self) -> Result<Box<dyn Signer>, GitHubError> {
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key = key.map_err(|error| self.unusable(&error.to_string()))?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key);
        let key = key.map_err(|error| self.unusable(&error.to_string()))?;
        let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]);
        signer.ok_or_else(|| self.unusable("it is no RSA key"))
    }

    fn unusable(&self, cause: &str) -> GitHubError {
        GitHubError::Key { file: self.key.clone(), cause: cause.to_owned() }
    }
}

/// Who answers GitHub; nobody where there is no app.
#[derive(Debug, Clone)]
pub(crate) struct GitHub {
    api: Arc<str>,
    app: Option<GitHubApp>,
    client: Client,
}

impl GitHub {
    /// An answerer at `api` in the name of `app`.
    ///
    /// # Errors
    ///
    /// [`GitHubError`]: an address that is none, a key that cannot be used.
    pub(crate) fn new(api: &str, app: Option<GitHubApp>) -> Result<Self, GitHubError> {
        let url = Url::parse(api).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
        let is_plain = |url: &Url| {
            url.username().is_empty() && url.query().is_none() && url.fragment().is_none()
        };
        if !url.as_ref().is_some_and(is_plain) {
            return Err(GitHubError::Api(api.to_owned()));
        }
        if let Some(app) = &app {
            app.signer()?;
        }
        let client = Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            .user_agent("flyball")
            // What is sent holds a token that is GitHub's alone.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { api: api.trim_end_matches('/').into(), app, client })
    }

    /// Where the answer to `asked` is sent, if anybody can send it there.
    ///
    /// # Errors
    ///
    /// [`AnswerError::NoApp`], [`AnswerError::Elsewhere`].
    pub(crate) fn callback(&self, asked: &Protection) -> Result<String, AnswerError> {
        self.app.as_ref().ok_or(AnswerError::NoApp)?;
        let found = asked.callback_below(&self.api).map(str::to_owned);
        found.ok_or_else(|| AnswerError::Elsewhere(asked.callback.clone()))
    }

    /// Tells GitHub `answer` at `callback`, for the installation that asked.
    ///
    /// # Errors
    ///
    /// [`AnswerError`]; GitHub may know the answer all the same where its own answer was lost.
    pub(crate) async fn answer(
        &self,
        installation: u64,
        callback: &str,
        answer: &Value,
        now: Timestamp,
    ) -> Result<(), AnswerError> {
        let app = self.app.clone().ok_or(AnswerError::NoApp)?;
        let token = tokio::task::spawn_blocking(move || app.token(now)).await;
        let token = token.map_err(|error| AnswerError::Unreachable(error.to_string()))??;
        let access = format!("{}/app/installations/{installation}/access_tokens", self.api);
        let given = self.send("a request for a token", self.client.post(access), &token).await?;
        let given: Value = serde_json::from_slice(&given).unwrap_or_default();
        let what = "a request for a token";
        let Some(token) = given["token"].as_str() else {
            let said = "its answer holds no token".to_owned();
            return Err(AnswerError::Refused { what, status: 200, said });
        };
        self.send("the answer", self.client.post(callback).json(answer), token).await.map(drop)
    }

    async fn send(
        &self,
        what: &'static str,
        request: RequestBuilder,
        token: &str,
    ) -> Result<bytes::Bytes, AnswerError> {
        let unreachable =
            |error: reqwest::Error| AnswerError::Unreachable(error.without_url().to_string());
        let request = request
            .bearer_auth(token)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", API_VERSION);
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut body = bytes::BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(unreachable)? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                let said = format!("more than {ANSWER_BYTES_MAX} bytes");
                return Err(AnswerError::Refused { what, status: status.as_u16(), said });
            }
            body.extend_from_slice(&part);
        }
        if status.is_success() {
            return Ok(body.freeze());
        }
        let said = String::from_utf8_lossy(&body[..body.len().min(SAID_BYTES_MAX)]).into_owned();
        Err(AnswerError::Refused { what, status: status.as_u16(), said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_and_addresses_are_read_or_refused() {
        for wrong in ["", "1", "1:", ":/a", "a b:/a"] {
            assert!(matches!(wrong.parse::<GitHubApp>(), Err(GitHubError::Form)), "{wrong}");
        }
        crate::choose_cryptography();
        let app: GitHubApp = "Iv1abc:/nowhere/at all".parse().unwrap();
        assert!(matches!(GitHub::new(GITHUB_API, Some(app)), Err(GitHubError::Key { .. })));
        for wrong in ["api.github.com", "ftp://a/", "https://a:b@c/", "https://c/?d", ""] {
            assert!(matches!(GitHub::new(wrong, None), Err(GitHubError::Api(_))), "{wrong}");
        }
    }
}
