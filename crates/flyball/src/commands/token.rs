//! `flyball token`: who may use a server.

use std::io::Write;
use std::path::PathBuf;

use flyball_govern::policy::Role as Function;
use flyball_model::{Duration, Timestamp};
use flyball_server::{MadeToken, Scope, TokenInfo, TokenRequest, Tokens};

use crate::commands::existing;
use crate::commands::replay::now;
use crate::output::grid::Grid;
use crate::output::words::whole_seconds;
use crate::remote::{Remote, ServerArgs};
use crate::{Exit, talk};

/// Make, list and revoke the tokens of a server
///
/// Once there is any token, every request needs one, or a person who has logged in. The first must be made for the data directory,
/// by whoever can write there, or at a server that listens to its own machine only.
#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TokenCommand {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Where the tokens are.
#[derive(Debug, clap::Args)]
pub(crate) struct PlaceArgs {
    /// The data directory of a server that does not run; without it a running server is asked
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Make a token, and print it: it is shown this once
///
/// Examples:
///
///   flyball token create --name admin --scope admin --data /var/lib/flyball
///   flyball token create --name collector --scope ingest --service shop --expires 90d
///   flyball token create --name audits --scope admin --as security
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct CreateArgs {
    /// What people call it: who will use it
    #[arg(long)]
    name: String,
    /// What it may be used for, once for each: ingest, read, deploy, or admin, which means all
    #[arg(long = "scope", required = true, value_parser = scope)]
    scopes: Vec<Scope>,
    /// A service that it is for, once for each; all without one
    #[arg(long = "service", value_name = "SERVICE")]
    services: Vec<String>,
    /// A function in the company that it acts in, such as security, once for each; one that somebody was granted is
    /// nobody else's
    #[arg(long = "as", value_name = "FUNCTION", value_parser = function)]
    functions: Vec<Function>,
    /// How long it is taken, such as 90d; for ever unless told
    #[arg(long, value_parser = Duration::parse)]
    expires: Option<Duration>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// List the tokens, revoked and expired ones too; never what they are
///
/// `admin` among the scopes means all of them, `all` that a token is for every service; `acts as` are its functions in the
/// company. `made by` is the
/// person who has logged in and made it, by themselves or by another token.
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

/// Revoke a token for good
#[derive(Debug, clap::Args)]
struct RevokeArgs {
    /// The token's id, as in the list
    id: String,
    /// Also when nobody could make another one through the server any more
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What times of tokens are told in.
const SECOND: Duration = Duration::from_seconds(1);

/// Who acts, where the data directory is changed without a server.
pub(crate) const OFFLINE: &str = "offline";

fn scope(name: &str) -> Result<Scope, String> {
    Scope::named(name).ok_or_else(|| {
        let known: Vec<&str> = Scope::ALL.into_iter().map(Scope::name).collect();
        format!("a scope is one of {}", known.join(", "))
    })
}

pub(crate) fn function(name: &str) -> Result<Function, String> {
    Function::new(name).map_err(|error| error.to_string())
}

/// What a server answers when it lists tokens.
#[derive(Debug, serde::Deserialize)]
struct Listed {
    tokens: Vec<TokenInfo>,
}

pub(crate) fn run(args: TokenArgs) -> anyhow::Result<Exit> {
    match args.command {
        TokenCommand::Create(args) => create(args),
        TokenCommand::List(args) => list(&args),
        TokenCommand::Revoke(args) => revoke(&args),
    }
}

fn create(args: CreateArgs) -> anyhow::Result<Exit> {
    let expires = args.expires.map(|after| now().plus(after).floor(SECOND).to_string());
    let CreateArgs { name, scopes, services, functions, place, .. } = args;
    let request = TokenRequest { name, scopes, services, functions, expires };
    let made: MadeToken = match &place.data {
        Some(data) => {
            let is_new = !data.is_dir();
            let made = Tokens::open(data)?.create(&request, OFFLINE, now())?;
            if is_new {
                talk::warning(&format!(
                    "there was no data directory at {}: it was made with this token",
                    data.display()
                ));
            }
            made
        }
        None => Remote::new(&place.server)?.post(&["api", "v1", "tokens"], &request)?,
    };
    if made.first {
        talk::warning(
            "it is the first token: from now on every request needs one, and senders that show none are \
             refused; hint: make each a token with the scope ingest, before the server is started again \
             where it does not run",
        );
    }
    talk::note(&format!("token {} was made; it is shown this once:", made.id));
    writeln!(std::io::stdout().lock(), "{}", made.token)?;
    Ok(Exit::Met)
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let tokens = if let Some(data) = &args.place.data {
        Tokens::open(existing(data)?)?.list()?
    } else {
        let remote = Remote::new(&args.place.server)?;
        let said = remote.whole(&["api", "v1", "tokens"], &[], ("tokens", "after"))?;
        serde_json::from_value::<Listed>(said)?.tokens
    };
    let mut table = Grid::new(
        "no tokens",
        &["id", "name", "scopes", "services", "acts as", "created", "made by", "valid"],
    );
    let now = now();
    for token in tokens {
        let state = match (&token.revoked, &token.expires) {
            (Some(at), _) => format!("no, revoked {}", whole_seconds(at)),
            (None, Some(at)) if Timestamp::parse(at).is_ok_and(|at| at <= now) => {
                format!("no, expired {}", whole_seconds(at))
            }
            (None, Some(at)) => format!("until {}", whole_seconds(at)),
            (None, None) => "until it is revoked".to_owned(),
        };
        let services =
            if token.services.is_empty() { "all".to_owned() } else { token.services.join(",") };
        let name = crate::output::words::printable(&token.name);
        let maker = match (&token.person, &token.made_by) {
            (Some(person), _) => format!("{person}, for themselves"),
            (None, Some(maker)) => maker.clone(),
            // Beside a server that did not run, or by another token that nobody who logs in has made.
            (None, None) => "no person".to_owned(),
        };
        let maker = crate::output::words::printable(&maker);
        let scopes = token.scopes.join(",");
        let created = whole_seconds(&token.created);
        let functions = token.functions.join(",");
        table.add_row([token.id, name, scopes, services, functions, created, maker, state]);
    }
    writeln!(std::io::stdout().lock(), "{table}")?;
    Ok(Exit::Met)
}

fn revoke(args: &RevokeArgs) -> anyhow::Result<Exit> {
    if let Some(data) = &args.place.data {
        if !Tokens::open(existing(data)?)?.revoke(&args.id, OFFLINE, now())? {
            anyhow::bail!("there is no such token, or it is revoked\nhint: flyball token list");
        }
    } else {
        let query: &[(&str, &str)] = if args.force { &[("force", "true")] } else { &[] };
        let path = ["api", "v1", "tokens", &args.id];
        Remote::new(&args.place.server)?.delete(&path, query)?;
    }
    talk::note(&format!("token {} is revoked", args.id));
    Ok(Exit::Met)
}
