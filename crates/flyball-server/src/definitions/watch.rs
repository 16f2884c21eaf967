//! Files that are read again when they change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flyball_catalog::{SourcesError, read_sources};
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::Definitions;

/// How long files must rest before they are read: an editor or a checkout writes several at once.
const REST: Duration = Duration::from_millis(300);
/// How long to wait for that at most.
const REST_MAX: Duration = Duration::from_secs(5);
/// How long after files could not be taken they are read again, though nothing in them is at fault;
/// twice as long each time after.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// How long that gets at most.
const RETRY_MAX: Duration = Duration::from_mins(1);

/// Watches files for as long as it is held.
#[derive(Debug)]
pub(crate) struct Watching {
    _watcher: RecommendedWatcher,
    _reader: AbortOnDropHandle<()>,
}

/// Has `definitions` go by what is under `paths` whenever that changes.
///
/// A file is seen by way of its directory, so that one that is replaced is seen as well.
pub(crate) fn watch(
    definitions: Arc<Definitions>,
    paths: Vec<PathBuf>,
) -> Result<Watching, notify::Error> {
    // One place is enough: what has changed is found by reading.
    let (tell, mut told) = mpsc::channel(1);
    // What has changed since the files were read, and before they were watched.
    let _ = tell.try_send(());
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error may hide a change.
        if event.map_or(true, |event| is_change(event.kind)) {
            let _ = tell.try_send(());
        }
    })?;
    let mut places = BTreeSet::new();
    for path in &paths {
        let is_directory = path.is_dir();
        let place = if is_directory { path.as_path() } else { parent(path) };
        let mode =
            if is_directory { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        if places.insert((place, is_directory)) {
            watcher.watch(place, mode)?;
        }
    }
    let reader = tokio::spawn(async move {
        let mut retry: Option<Duration> = None;
        loop {
            let is_told = match retry {
                Some(after) => timeout(after, told.recv()).await.unwrap_or(Some(())),
                None => told.recv().await,
            };
            if is_told.is_none() {
                return;
            }
            let latest = Instant::now() + REST_MAX;
            while timeout_at(latest.min(Instant::now() + REST), told.recv()).await.is_ok() {
                if Instant::now() >= latest {
                    break;
                }
            }
            let paths = paths.clone();
            let read = tokio::task::spawn_blocking(move || read_sources(&paths)).await;
            let Ok(read) = read else { continue };
            // Why it is refused has been logged and is kept; what files say changes with them only.
            let cannot_be_read = matches!(read, Err(SourcesError::Read { .. }));
            retry = match definitions.give(read).await {
                Err(error) if cannot_be_read || error.is_passing() => {
                    Some(retry.map_or(RETRY_MIN, |before| RETRY_MAX.min(before * 2)))
                }
                Ok(()) | Err(_) => None,
            };
        }
    });
    Ok(Watching { _watcher: watcher, _reader: AbortOnDropHandle::new(reader) })
}

/// Whether files may hold something else than before; reading them is no change.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// The directory that holds `path`.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
