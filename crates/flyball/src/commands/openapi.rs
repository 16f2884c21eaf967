//! `flyball openapi`: what the API of a server is.

use super::print;
use crate::Exit;

/// Print the description of a server's API: `OpenAPI` 3.1, in JSON
///
/// The same as `GET /api/v1/openapi.json`, without a server.
///
/// Examples:
///   flyball openapi > /tmp/openapi.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct OpenapiArgs {}

pub(crate) fn run() -> anyhow::Result<Exit> {
    print(flyball_server::openapi())?;
    Ok(Exit::Met)
}
