//! The options of `flyball serve` that say how people log in.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use flyball_server::{Oidc, OidcOptions, Who};

use crate::remote::server_url;

/// How people log in.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "People")]
pub(crate) struct PeopleArgs {
    /// Let people log in at /login with this OIDC provider: its issuer, as it is in its discovery
    /// document
    #[arg(long, value_name = "URL", env = "FLYBALL_OIDC_ISSUER")]
    oidc_issuer: Option<String>,
    /// What the provider calls this server
    #[arg(long, value_name = "ID", env = "FLYBALL_OIDC_CLIENT_ID")]
    oidc_client_id: Option<String>,
    /// The file that holds the client's secret; a public client has none
    #[arg(long, value_name = "FILE", env = "FLYBALL_OIDC_CLIENT_SECRET_FILE")]
    oidc_client_secret_file: Option<PathBuf>,
    /// What the provider is asked for beside openid, once for each
    #[arg(
        long = "oidc-scope",
        value_name = "SCOPE",
        default_values = ["email", "profile"]
    )]
    oidc_scopes: Vec<String>,
    /// The claim that holds the groups of a person
    #[arg(long, value_name = "NAME", default_value = "groups")]
    oidc_groups_claim: String,
    /// Who is an admin for as long as it is said here, once for each: person:SUBJECT, email:ADDRESS or
    /// group:NAME. Others are by `flyball grant add`
    #[arg(long = "oidc-admin", value_name = "WHO")]
    oidc_admins: Vec<Who>,
    /// The server as browsers reach it: scheme, host and port; links in alerts begin with it. An OIDC
    /// provider must know its path /login/callback
    #[arg(long, value_name = "URL", env = "FLYBALL_EXTERNAL_URL")]
    external_url: Option<String>,
}

impl PeopleArgs {
    /// The server as browsers reach it, where somebody says that.
    ///
    /// # Errors
    ///
    /// What is no address of a server.
    pub(crate) fn external(&self) -> anyhow::Result<Option<String>> {
        let Some(url) = &self.external_url else { return Ok(None) };
        server_url(url).map_err(|said| anyhow!("--external-url: {said}"))?;
        Ok(Some(url.clone()))
    }

    /// How people log in; `None` when they do not.
    ///
    /// What belongs together is looked at here: each part may come from the command line, the
    /// environment or a file.
    ///
    /// # Errors
    ///
    /// What is missing or cannot be used.
    pub(crate) fn read(self) -> anyhow::Result<Option<Oidc>> {
        let given = [
            ("--oidc-issuer", self.oidc_issuer.is_some()),
            ("--oidc-client-id", self.oidc_client_id.is_some()),
            ("--external-url", self.external_url.is_some()),
        ];
        let more = self.oidc_client_secret_file.is_some() || !self.oidc_admins.is_empty();
        let Self { oidc_issuer, oidc_client_id, external_url, .. } = self;
        let (Some(issuer), Some(client_id), Some(external)) =
            (oidc_issuer, oidc_client_id, external_url)
        else {
            // The address is of use by itself.
            if !more && given[..2].iter().all(|(_, is_given)| !is_given) {
                return Ok(None);
            }
            let missing = given.iter().filter(|(_, is_given)| !is_given).map(|(name, _)| *name);
            let missing: Vec<&str> = missing.collect();
            bail!(
                "people cannot log in without {}\nhint: --oidc-issuer, --oidc-client-id and \
                 --external-url belong together",
                missing.join(" and ")
            );
        };
        let options = OidcOptions {
            issuer,
            client_id,
            client_secret: self.oidc_client_secret_file,
            external,
            scopes: self.oidc_scopes,
            groups_claim: self.oidc_groups_claim,
            admins: self.oidc_admins,
        };
        Ok(Oidc::new(options).map(Some)?)
    }
}
