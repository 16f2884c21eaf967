//! A server that is spoken to over HTTP.

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a server may take to answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Which server, and with which token.
#[derive(Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// The server's address
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8480",
        env = "FLYBALL_SERVER"
    )]
    server: String,
    /// The token to show. In the environment it is not seen by other users of the machine
    #[arg(long, value_name = "TOKEN", env = "FLYBALL_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// A server's API.
pub(crate) struct Remote<'a> {
    args: &'a ServerArgs,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl<'a> Remote<'a> {
    pub(crate) fn new(args: &'a ServerArgs) -> anyhow::Result<Self> {
        flyball_server::choose_cryptography();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Self { args, runtime, client })
    }

    /// What the server answers to GET.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(self.client.get(self.url(path)))
    }

    /// What the server answers to POST with `body` as JSON.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.ask(self.client.post(self.url(path)).json(body))
    }

    /// Deletes what is at `path`.
    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(self.client.delete(self.url(path))).map(|_| ())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.args.server.trim_end_matches('/'))
    }

    fn ask<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> anyhow::Result<T> {
        let body = self.send(request)?;
        serde_json::from_slice(&body)
            .with_context(|| format!("{} does not answer as Flyball does", self.args.server))
    }

    fn send(&self, mut request: reqwest::RequestBuilder) -> anyhow::Result<Vec<u8>> {
        if let Some(token) = &self.args.token {
            request = request.bearer_auth(token);
        }
        let server = &self.args.server;
        let (status, body) = self.runtime.block_on(async {
            let response = request
                .send()
                .await
                .with_context(|| format!("cannot reach {server}\nhint: name it with --server"))?;
            let status = response.status();
            Ok::<_, anyhow::Error>((status, response.bytes().await?))
        })?;
        if status.is_success() {
            return Ok(body.to_vec());
        }
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let said = problem["detail"].as_str().unwrap_or(status.as_str());
        let hint = match problem["hint"].as_str() {
            _ if status.as_u16() == 401 => {
                "\nhint: give a token with --token or in FLYBALL_TOKEN".to_owned()
            }
            Some(hint) => format!("\nhint: {hint}"),
            None => String::new(),
        };
        anyhow::bail!("{server} refuses: {said}{hint}")
    }
}
