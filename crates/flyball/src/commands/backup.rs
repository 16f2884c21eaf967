//! `flyball backup` and `flyball restore`: a copy of a data directory, and the way back.

use std::path::PathBuf;

use flyball_server::{BackupMade, BackupRequest, Limits};

use crate::commands::token::PlaceArgs;
use crate::remote::Remote;
use crate::{Exit, talk};

/// Copy a data directory, with a list of digests
///
/// A running server is asked to, and goes on meanwhile; with `--data` the server must not run. The
/// copy has been read back and checked when the command ends.
///
/// Examples:
///
///   flyball backup 2026-03-02                 # below the server's `--backups`
///   flyball backup --data /var/lib/flyball /mnt/backups/2026-03-02
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BackupArgs {
    /// The backup's name among the server's; with `--data` the directory to fill, which is made where
    /// it is not there, else empty
    #[arg(value_name = "TO")]
    to: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Fill an empty data directory from a backup
///
/// Every file is compared with the list of digests before and after it is copied.
///
/// Examples:
///
///   flyball restore --data /var/lib/flyball /mnt/backups/2026-03-02
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RestoreArgs {
    /// The data directory to fill; made where it is not there, else empty
    #[arg(long, value_name = "DIR", default_value = "flyball-data", env = "FLYBALL_DATA")]
    data: PathBuf,
    /// The backup
    #[arg(value_name = "FROM")]
    from: PathBuf,
}

/// Makes a backup.
pub(crate) fn backup(args: &BackupArgs) -> anyhow::Result<Exit> {
    let BackupArgs { to, place } = args;
    let made = if let Some(data) = &place.data {
        anyhow::ensure!(data.is_dir(), "there is no data directory at {}", data.display());
        flyball_server::backup(data, to, &Limits::default())?.into()
    } else {
        let request = BackupRequest { name: to.display().to_string() };
        Remote::new(&place.server)?
            .post_and_wait::<BackupMade>(&["api", "v1", "backups"], &request)?
    };
    talk::note(&format!(
        "{} files, {} bytes, up to entry {}; the audit log ends with record {} {}",
        made.files, made.bytes, made.last, made.audit_number, made.audit_hash
    ));
    Ok(Exit::Met)
}

/// Restores one.
pub(crate) fn restore(args: &RestoreArgs) -> anyhow::Result<Exit> {
    let made = flyball_server::restore(&args.from, &args.data)?;
    talk::note(&format!(
        "{} files, {} bytes, up to entry {}, of which {} are counted",
        made.files, made.bytes, made.last, made.position
    ));
    Ok(Exit::Met)
}
