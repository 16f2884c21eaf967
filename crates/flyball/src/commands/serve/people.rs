//! The options of `flyball serve` that say how people log in.

use std::path::PathBuf;

use flyball_server::{Oidc, OidcError, OidcOptions, Who};

/// How people log in.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "People")]
pub(crate) struct PeopleArgs {
    /// Let people log in at /login with this OIDC provider: its issuer, as it is in its discovery
    /// document
    #[arg(
        long,
        value_name = "URL",
        requires_all = ["oidc_client_id", "external_url"],
        env = "FLYBALL_OIDC_ISSUER"
    )]
    oidc_issuer: Option<String>,
    /// What the provider calls this server
    #[arg(long, value_name = "ID", requires = "oidc_issuer", env = "FLYBALL_OIDC_CLIENT_ID")]
    oidc_client_id: Option<String>,
    /// The file that holds the client's secret; a public client has none
    #[arg(
        long,
        value_name = "FILE",
        requires = "oidc_issuer",
        env = "FLYBALL_OIDC_CLIENT_SECRET_FILE"
    )]
    oidc_client_secret_file: Option<PathBuf>,
    /// What the provider is asked for beside openid, once for each
    #[arg(
        long = "oidc-scope",
        value_name = "SCOPE",
        default_values = ["email", "profile"],
        requires = "oidc_issuer"
    )]
    oidc_scopes: Vec<String>,
    /// The claim that holds the groups of a person
    #[arg(long, value_name = "NAME", default_value = "groups", requires = "oidc_issuer")]
    oidc_groups_claim: String,
    /// Who is an admin for as long as it is said here, once for each: person:SUBJECT, email:ADDRESS or
    /// group:NAME. Others are by `flyball grant add`
    #[arg(long = "oidc-admin", value_name = "WHO", requires = "oidc_issuer")]
    oidc_admins: Vec<Who>,
    /// The server as browsers reach it: scheme, host and port. The provider must know its path
    /// /login/callback
    #[arg(long, value_name = "URL", requires = "oidc_issuer", env = "FLYBALL_EXTERNAL_URL")]
    external_url: Option<String>,
}

impl PeopleArgs {
    /// How people log in; `None` when they do not.
    ///
    /// # Errors
    ///
    /// What cannot be used.
    pub(crate) fn read(self) -> Result<Option<Oidc>, OidcError> {
        let Self { oidc_issuer, oidc_client_id, external_url, .. } = self;
        let (Some(issuer), Some(client_id), Some(external)) =
            (oidc_issuer, oidc_client_id, external_url)
        else {
            return Ok(None);
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
        Oidc::new(options).map(Some)
    }
}
