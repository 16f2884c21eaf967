//! `flyball grant`: what people may do on a server.

use std::io::Write;

use flyball_govern::policy::Role as Function;
use flyball_server::{GrantInfo, Grants, Role, Who};

use super::existing;
use crate::commands::replay::now;
use crate::commands::token::{OFFLINE, PlaceArgs, function};
use crate::output::grid::Grid;
use crate::output::words::printable;
use crate::remote::Remote;
use crate::{Exit, talk};

/// Grant roles to people, take them away, list them
///
/// People are named as the identity provider knows them: person:SUBJECT, email:ADDRESS (if the provider
/// has verified it), or group:NAME. They log in at a server that was started with --oidc-issuer.
#[derive(Debug, clap::Args)]
pub(crate) struct GrantArgs {
    #[command(subcommand)]
    command: GrantCommand,
}

#[derive(Debug, clap::Subcommand)]
enum GrantCommand {
    Add(AddArgs),
    List(ListArgs),
    Remove(RemoveArgs),
}

/// Grant a role, and functions with it, in the place of what was granted before to the same for the same service
///
/// Examples:
///
///   flyball grant add group:sre --role sre --service '*'
///   flyball grant add email:ann@example.com --role owner --service shop
///   flyball grant add group:guards --role owner --service '*' --as security
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct AddArgs {
    /// Who: person:SUBJECT, email:ADDRESS or group:NAME
    who: Who,
    /// What they may do: viewer, developer, owner, sre or admin; each may all that those before it may
    #[arg(long, value_parser = role)]
    role: Role,
    /// The service where they may; '*' for all, as an admin's must be
    #[arg(long)]
    service: String,
    /// A function in the company that they act in there, such as security, once for each; one that somebody was granted
    /// is nobody else's
    #[arg(long = "as", value_name = "FUNCTION", value_parser = function)]
    functions: Vec<Function>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// List all grants
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

/// Take a role away; it is refused from then on what needed it
///
/// Examples:
///
///   flyball grant remove email:ann@example.com --service shop
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct RemoveArgs {
    /// Who, as in the list
    who: Who,
    /// The service that the grant is for; '*' for the one for all
    #[arg(long)]
    service: String,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What a server answers when it lists grants.
#[derive(Debug, serde::Deserialize)]
struct Listed {
    grants: Vec<GrantInfo>,
}

/// Where a server has them.
const PATH: [&str; 3] = ["api", "v1", "grants"];

fn role(name: &str) -> Result<Role, String> {
    Role::named(name).ok_or_else(|| {
        let known: Vec<&str> = Role::ALL.into_iter().map(Role::name).collect();
        format!("a role is one of {}", known.join(", "))
    })
}

pub(crate) fn run(args: GrantArgs) -> anyhow::Result<Exit> {
    match args.command {
        GrantCommand::Add(args) => add(args),
        GrantCommand::List(args) => list(&args),
        GrantCommand::Remove(args) => remove(&args),
    }
}

fn add(args: AddArgs) -> anyhow::Result<Exit> {
    let AddArgs { who, role, service, functions, place } = args;
    let grant = GrantInfo { who: who.to_string(), service, role, functions };
    match &place.data {
        Some(data) => _ = Grants::open(data)?.add(&grant, OFFLINE, now())?,
        None => _ = Remote::new(&place.server)?.post::<GrantInfo>(&PATH, &grant)?,
    }
    let (who, service) = (printable(&grant.who), printable(&grant.service));
    let functions = listed(&grant.functions);
    let acting = if functions.is_empty() {
        String::new()
    } else {
        format!(" and acts as {functions}, as only those do who were granted it")
    };
    talk::note(&format!("{who} has the role {role} for {service}{acting}"));
    Ok(Exit::Met)
}

/// The names of functions.
fn listed(functions: &[Function]) -> String {
    let names: Vec<&str> = functions.iter().map(Function::name).collect();
    names.join(",")
}

fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let grants = if let Some(data) = &args.place.data {
        Grants::open(existing(data)?)?.list()?
    } else {
        let said = Remote::new(&args.place.server)?.whole(&PATH, &[], ("grants", "after"))?;
        serde_json::from_value::<Listed>(said)?.grants
    };
    let mut table = Grid::new("no grants", &["who", "service", "role", "acts as"]);
    for GrantInfo { who, service, role, functions } in grants {
        let (who, service) = (printable(&who), printable(&service));
        table.add_row([who, service, role.to_string(), listed(&functions)]);
    }
    writeln!(std::io::stdout().lock(), "{table}")?;
    Ok(Exit::Met)
}

fn remove(args: &RemoveArgs) -> anyhow::Result<Exit> {
    let RemoveArgs { who, service, place } = args;
    let who = who.to_string();
    if let Some(data) = &place.data {
        if !Grants::open(existing(data)?)?.remove(&who, service, OFFLINE, now())? {
            anyhow::bail!("there is no such grant\nhint: flyball grant list");
        }
    } else {
        let query = [("who", who.as_str()), ("service", service.as_str())];
        Remote::new(&place.server)?.delete(&PATH, &query)?;
    }
    talk::note(&format!("{} has no role for {} any more", printable(&who), printable(service)));
    Ok(Exit::Met)
}
