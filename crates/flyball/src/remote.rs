//! Speaking with a server: where it is, what it refuses and why.

mod view;

use std::fmt::Write;

use anyhow::{Context, bail};
use flyball_spec::Diagnostic;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use crate::output::words;
use crate::talk;
pub(crate) use view::{
    BudgetView, CorrectionView, DoubtView, FillView, ForecastView, SloList, SloView, StandingView,
};

/// How long to wait for a connection.
const CONNECT_MAX: std::time::Duration = std::time::Duration::from_secs(10);
/// How long an answer may take; a large set of documents is compiled in seconds.
const ANSWER_MAX: std::time::Duration = std::time::Duration::from_mins(1);

/// The longest event of a stream. Bytes; an SLO with thousands of slices has less.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// The environment variable that names a server.
pub(crate) const SERVER_ENV: &str = "FLYBALL_SERVER";

/// The address of a server.
///
/// # Errors
///
/// Why it is none, with a hint.
pub(crate) fn server_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| !url.cannot_be_a_base() && matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| {
        "that is no address of a server; hint: write http://HOST:PORT, or https:// where it has a \
         certificate"
            .to_owned()
    })
}

/// Which server is meant, and what lets us in.
#[derive(Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// The server
    #[arg(
        long,
        value_name = "URL",
        env = SERVER_ENV,
        value_parser = server_url,
        default_value = "http://127.0.0.1:8480",
        help_heading = "Server"
    )]
    server: Url,

    /// A token of the server
    #[arg(
        long,
        value_name = "TOKEN",
        env = "FLYBALL_TOKEN",
        hide_env_values = true,
        help_heading = "Server"
    )]
    token: Option<String>,
}

impl ServerArgs {
    /// The server at `server`, which `token` lets us in.
    pub(crate) const fn new(server: Url, token: Option<String>) -> Self {
        Self { server, token }
    }
}

/// A server.
#[derive(Debug)]
pub(crate) struct Remote {
    runtime: Runtime,
    client: Client,
    base: Url,
    token: Option<String>,
}

/// What a server says when it refuses.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Refusal {
    title: String,
    detail: String,
    hint: Option<String>,
    diagnostics: Vec<Diagnostic>,
}

/// That a server refuses.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
struct Refused {
    status: StatusCode,
    said: String,
}

/// Whether a server refuses because of how something is at the moment.
pub(crate) fn is_conflict(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|of| of.status == StatusCode::CONFLICT)
}

/// Requests and their fields that hints name, and the commands and options that make them.
const COMMANDS: [(&str, &str); 17] = [
    ("say why in `reason`", "say why by --reason"),
    ("see /api/v1/openapi.json", "--help of the command says what it takes"),
    ("GET /api/v1/checklists", "`flyball review checklists`"),
    ("GET /api/v1/on-call/rotas", "`flyball oncall rotas`"),
    ("GET /api/v1/policies", "`flyball policy list`"),
    ("GET /api/v1/tokens", "`flyball token list`"),
    ("GET /api/v1/definitions", "`flyball get definitions`"),
    ("GET /api/v1/grants", "`flyball grant list`"),
    ("GET /api/v1/services", "`flyball service list`"),
    ("GET /api/v1/changes", "`flyball change list`"),
    ("GET /api/v1/incidents", "`flyball incident list`"),
    ("GET /api/v1/action-items", "`flyball incident action list`"),
    ("GET /api/v1/friction", "`flyball friction list`"),
    ("GET /api/v1/risks", "`flyball risk list`"),
    ("GET /api/v1/slos", "`flyball get slos`"),
    ("GET /api/v1/drill-runs", "`flyball drill runs`"),
    ("GET /api/v1/drills lists", "`flyball drill list` lists"),
];

/// Requests about a service or a drill that hints name, and the commands that make them.
const OF_SERVICE: [(&str, &str); 3] = [
    ("GET /api/v1/drills/", "flyball drill show"),
    ("GET /api/v1/reviews/", "flyball review list --service"),
    ("GET /api/v1/custody/", "flyball custody show"),
];

/// A hint for whoever types commands.
pub(crate) fn in_commands(hint: &str) -> String {
    let commands = COMMANDS.iter();
    let hint =
        commands.fold(hint.to_owned(), |hint, (request, command)| hint.replace(request, command));
    // What a service has is listed by a command of its own.
    for (request, command) in OF_SERVICE {
        let of_service = hint.strip_prefix(request).and_then(|rest| rest.split_once(' '));
        if let Some((service, said)) = of_service {
            return format!("`{command} {service}` {said}");
        }
    }
    // What a rota or a service has is listed by a command of its own.
    let of_rota =
        hint.strip_prefix("`flyball oncall rotas`/").and_then(|rest| rest.split_once('/'));
    if let Some((rota, (what, said))) =
        of_rota.and_then(|(rota, rest)| Some((rota, rest.split_once(' ')?)))
    {
        return format!("`flyball oncall {what} {rota}` {said}");
    }
    let of_service = hint.strip_prefix("GET /api/v1/gate/").and_then(|rest| rest.split_once('/'));
    match of_service.and_then(|(service, rest)| Some((service, rest.split_once(' ')?))) {
        Some((service, (what, said))) => format!("`flyball policy {what} {service}` {said}"),
        None => hint,
    }
}

impl Remote {
    /// The server that `args` name; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// A system that refuses threads or sockets.
    pub(crate) fn new(args: &ServerArgs) -> anyhow::Result<Self> {
        flyball_server::choose_cryptography();
        let client = Client::builder().connect_timeout(CONNECT_MAX).build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let token = args.token.clone().filter(|token| !token.is_empty());
        Ok(Self { runtime, client, base: args.server.clone(), token })
    }

    /// What is at `path`, of which each part may hold any character.
    ///
    /// # Errors
    ///
    /// A server that cannot be reached, or refuses.
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<T> {
        self.ask(self.request(Method::GET, path, query)?.timeout(ANSWER_MAX))
    }

    /// The list called `list` at `path` that `query` asks for, with all its pages as one answer: `cursor` is what the next is
    /// asked with.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub(crate) fn whole(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        (list, cursor): (&str, &str),
    ) -> anyhow::Result<serde_json::Value> {
        let mut whole: serde_json::Value = self.get(path, query)?;
        while let Some(next) = whole["next"].as_u64() {
            let next = next.to_string();
            let asked = [query, &[(cursor, next.as_str())]].concat();
            let mut more: serde_json::Value = self.get(path, &asked)?;
            if let (Some(known), Some(records)) =
                (whole[list].as_array_mut(), more[list].as_array_mut())
            {
                known.append(records);
            }
            whole["next"] = more["next"].take();
        }
        Ok(whole)
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl serde::Serialize,
    ) -> anyhow::Result<T> {
        self.ask(self.request(Method::POST, path, &[])?.json(body).timeout(ANSWER_MAX))
    }

    /// As [`Self::post`], for what may take the server hours.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub(crate) fn post_and_wait<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl serde::Serialize,
    ) -> anyhow::Result<T> {
        self.ask(self.request(Method::POST, path, &[])?.json(body))
    }

    /// Removes what is at `path`.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub(crate) fn delete(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<()> {
        let request = self.request(Method::DELETE, path, query)?.timeout(ANSWER_MAX);
        self.runtime.block_on(async { self.send(request).await.map(|_| ()) })
    }

    /// Asks whether all is well at `path`.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub(crate) fn reach(&self, path: &[&str]) -> anyhow::Result<()> {
        let request = self.request(Method::GET, path, &[])?.timeout(CONNECT_MAX);
        self.runtime.block_on(async { self.send(request).await.map(|_| ()) })
    }

    /// What is at `path`, as it is.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub(crate) fn get_text(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<String> {
        let request = self.request(Method::GET, path, query)?.timeout(ANSWER_MAX);
        self.runtime.block_on(async {
            self.send(request).await?.text().await.context("the answer broke off")
        })
    }

    /// Sends `body` to `path`, and gives the answer in the media type `accept` as it is.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub(crate) fn post_for_text(
        &self,
        path: &[&str],
        accept: &str,
        body: &impl serde::Serialize,
    ) -> anyhow::Result<String> {
        let request = self.request(Method::POST, path, &[])?.timeout(ANSWER_MAX);
        self.runtime.block_on(async {
            let response = self.send(request.header("accept", accept).json(body)).await?;
            response.text().await.context("the answer broke off")
        })
    }

    /// What is at `path` as it is, in whatever media type it has.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub(crate) fn text(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<String> {
        let request = self.request(Method::GET, path, query)?.timeout(ANSWER_MAX);
        self.runtime.block_on(async {
            self.send(request).await?.text().await.context("the answer broke off")
        })
    }

    /// Hands every event of the stream at `path` to `take`, until the server ends it.
    ///
    /// # Errors
    ///
    /// As [`Self::get`]; a stream that breaks off, and what `take` answers.
    pub(crate) fn events(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        mut take: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let request = self.request(Method::GET, path, query)?;
        self.runtime.block_on(async {
            let mut response = self.send(request).await?;
            let (mut buffer, mut data) = (Vec::new(), String::new());
            while let Some(chunk) = response.chunk().await.context("the stream broke off")? {
                if buffer.len() + data.len() + chunk.len() > EVENT_BYTES_MAX {
                    bail!("an event of the stream is longer than {EVENT_BYTES_MAX} bytes");
                }
                buffer.extend_from_slice(&chunk);
                while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    let line = String::from_utf8_lossy(&line);
                    let line = line.trim_end_matches(['\n', '\r']);
                    if let Some(more) = line.strip_prefix("data:") {
                        data.push_str(more.strip_prefix(' ').unwrap_or(more));
                    } else if line.is_empty() && !data.is_empty() {
                        take(&std::mem::take(&mut data))?;
                    }
                }
            }
            Ok(())
        })
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<RequestBuilder> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => _ = segments.pop_if_empty().extend(path),
            Err(()) => bail!("`{}` is no server", self.base),
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.client.request(method, url);
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        self.runtime.block_on(async {
            let response = self.send(request).await?;
            let body = response.bytes().await.context("the answer broke off")?;
            serde_json::from_slice(&body).context(
                "the answer cannot be understood\nhint: is it a Flyball server, and of this version?",
            )
        })
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let mut said = format!("cannot reach {}", self.base);
                let mut cause = std::error::Error::source(&error);
                while let Some(error) = cause {
                    write!(said, ": {error}")?;
                    cause = error.source();
                }
                let hint = if said.contains("corrupt message") && self.base.scheme() == "https" {
                    "what listens there speaks no TLS: write http://"
                } else {
                    "`flyball serve` starts a server; --server or FLYBALL_SERVER names another one"
                };
                bail!("{said}\nhint: {hint}");
            }
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        talk::diagnostics(&refusal.diagnostics);
        let Refusal { title, detail, hint, .. } = refusal;
        let mut said = match (detail.as_str(), title.as_str()) {
            ("", "") => format!("the server answers {status}"),
            ("", title) => title.to_owned(),
            (detail, _) => detail.to_owned(),
        };
        let hint = match status {
            StatusCode::UNAUTHORIZED => {
                Some("give a token with --token or in FLYBALL_TOKEN".to_owned())
            }
            _ if title.is_empty() && detail.is_empty() => Some(format!(
                "what listens at {} may be no Flyball server; --server or FLYBALL_SERVER names \
                 another one",
                self.base
            )),
            _ => hint,
        };
        if let Some(hint) = hint {
            write!(said, "\nhint: {}", in_commands(&hint))?;
        }
        Err(Refused { status, said: words::printable(&said) }.into())
    }
}
