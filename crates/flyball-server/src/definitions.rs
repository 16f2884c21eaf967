//! The definitions in force, and how they change.
//!
//! What is kept is a *file*: a name and a text, as a client applied it. All of them, together with
//! the files that the server was started with, are loaded as one set, so that references lead from
//! one to another. Changes are made one after the other, each as a whole or not at all.
//!
//! The order of a change is: load and check everything; ask the evaluator whether it could take
//! it; commit it to the control state with its audit records; have the evaluator take it. The
//! control state is the truth at a start. A crash before the commit has changed nothing, a crash
//! after it is completed by the next start.

mod compare;
mod doubts;
mod held;
mod plan;
mod reach;
mod retargets;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flyball_catalog::{Catalog, SourcesError, read_sources};
use flyball_govern::SERVER;
use flyball_model::{Duration, Timestamp};
use flyball_spec::{Diagnostic, Source};
use flyball_store::{
    Change, Control, DOCUMENT_BYTES_MAX, Document, NewDocument, Noting, StoreError,
};

use crate::ServerError;
use crate::auth::Caller;
use crate::clock::Clock;
use crate::control::SharedControl;
use crate::evaluator::{self, Ended, InstallError};
use crate::http::shapes;
use crate::stored::Stored;
use crate::telemetry::Telemetry;
use doubts::{idle, linted, same_version, uncovered, unheard_incidents, unlike_met, unlike_stored};
use held::{Beside, held};
pub(crate) use plan::{Plan, names};
pub(crate) use reach::seen;
use retargets::Loosened;
pub(crate) use retargets::retargets;
pub(crate) use watch::{Watching, watch};

/// What documents of the control state are called that are files of definitions.
const KIND: &str = "definitions";
/// The most files that can be applied, over all requests.
pub(crate) const FILES_MAX: usize = 10_000;
/// The most that all applied files may hold together. Bytes; ten thousand files of usual length.
/// All of it is compiled with every change.
const TOTAL_BYTES_MAX: usize = 64 << 20;
/// The longest name of a file. Bytes; a path on most systems has less.
const NAME_BYTES_MAX: usize = 512;

/// Definitions that a server is given when it starts, beside those that were applied.
#[derive(Debug, Clone)]
pub enum Given {
    /// These texts.
    Sources(Vec<Source>),
    /// Files, and directories with all their YAML and JSON below. They are read again whenever
    /// they change.
    Paths(Vec<PathBuf>),
}

impl Given {
    fn read(&self) -> Result<Vec<Source>, SourcesError> {
        match self {
            Self::Sources(sources) => Ok(sources.clone()),
            Self::Paths(paths) => read_sources(paths),
        }
    }
}

/// A file to apply.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Its name: a relative path with `/` between its parts.
    #[schema(
        max_length = 512,
        pattern = r"^([^./\\\x00-\x1f\x7f-\x9f]|\.[^./\\\x00-\x1f\x7f-\x9f]|\.\.[^/\\\x00-\x1f\x7f-\x9f])[^/\\\x00-\x1f\x7f-\x9f]*(/([^./\\\x00-\x1f\x7f-\x9f]|\.[^./\\\x00-\x1f\x7f-\x9f]|\.\.[^/\\\x00-\x1f\x7f-\x9f])[^/\\\x00-\x1f\x7f-\x9f]*)*$"
    )]
    pub(crate) name: String,
    /// Its documents, in YAML or JSON. 4 MiB at most.
    pub(crate) text: String,
}

/// A change that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Apply {
    /// Files that are new or take another's place.
    pub(crate) files: Vec<File>,
    /// Applied files to remove, by name.
    pub(crate) removals: Vec<String>,
    /// Whether applied files that are not among `files` are removed: those below a directory of
    /// `below`, or all where none is named.
    pub(crate) prune: bool,
    /// See `prune`.
    pub(crate) below: Vec<String>,
    /// Whether only to say what would change.
    pub(crate) dry_run: bool,
    /// The revision that is to be changed; another one is refused.
    pub(crate) revision: Option<u64>,
}

impl Apply {
    /// Whether an applied file called `name` is one of those that are removed unless they are here.
    fn is_pruned(&self, name: &str) -> bool {
        let is_in = |directory: &String| {
            name.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
        };
        self.below.is_empty() || self.below.iter().any(is_in)
    }
}

/// Why definitions were not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// A request that cannot be meant.
    #[error("{0}")]
    Request(String),
    /// A file that was to be removed and is not there.
    #[error("no applied file is called `{0}`; hint: GET /api/v1/definitions lists them")]
    Missing(String),
    /// Somebody else was faster.
    #[error(
        "the definitions are at revision {found} and not at {expected} any more; hint: look at \
         what has changed, then apply again"
    )]
    Revision {
        /// What was to be changed.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// A file that the server reads by itself.
    #[error(
        "`{0}` is a file that the server was started with; hint: change it there, or apply yours \
         under another name"
    )]
    GivenFile(String),
    /// More than can be kept.
    #[error("that would make {0} files, and {FILES_MAX} can be kept; hint: join some of them")]
    TooMany(usize),
    /// Longer than can be kept.
    #[error("that would make {0} bytes of files, and {TOTAL_BYTES_MAX} can be kept")]
    TooLong(usize),
    /// More than whoever asks may change.
    #[error("{0}")]
    Forbidden(String),
    /// What is wrong with the documents.
    #[error("the documents cannot be used")]
    Documents(Vec<Diagnostic>),
    /// What cannot be evaluated.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// Kept, and not in force.
    #[error(
        "the definitions are kept as revision {revision} and not in force yet: {cause}; hint: \
         apply them again when the server can write"
    )]
    NotInForce {
        /// What they are kept as.
        revision: u64,
        /// Why not.
        cause: InstallError,
    },
    /// The control state cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server ends.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl ApplyError {
    /// Whether the same may be taken when it is tried again: nothing that was asked for is at fault.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Install(InstallError::Store(_)))
    }

    /// The error without findings in files that `caller` may not see: they are told of those that they
    /// have sent.
    fn seen_by(self, caller: &Caller, apply: &Apply) -> Self {
        match self {
            Self::Documents(mut found) if !caller.sees_all() => {
                found.retain(|one| apply.files.iter().any(|file| file.name == one.file));
                if found.iter().any(Diagnostic::is_error) {
                    return Self::Documents(found);
                }
                let said = "the documents do not fit with some that you may not see; hint: a name \
                            may be taken there, so choose another";
                Self::Forbidden(said.to_owned())
            }
            other => other,
        }
    }
}

/// Files of the server's own that were refused; what was in force before goes on.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Refused {
    /// When they were read.
    #[schema(value_type = shapes::Instant)]
    pub(crate) at: Timestamp,
    /// What is wrong as a whole.
    pub(crate) reason: String,
    /// Findings in the documents, each with its place.
    #[schema(value_type = Vec<shapes::Finding>)]
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Everything that is known of the definitions at one moment.
#[derive(Debug)]
pub(crate) struct Known {
    /// The revision of what was applied.
    pub(crate) revision: u64,
    /// Whether the evaluator goes by it.
    pub(crate) in_force: bool,
    /// The files that were applied.
    pub(crate) applied: Vec<Document>,
    /// The files that the server reads by itself.
    pub(crate) given: Vec<Source>,
    /// What is in force.
    pub(crate) catalog: Arc<Catalog>,
    /// What of the server's own files is not.
    pub(crate) refused: Option<Refused>,
}

/// The definitions and whoever evaluates them.
#[derive(Debug)]
pub(crate) struct Definitions {
    control: SharedControl,
    evaluator: evaluator::Handle,
    clock: Clock,
    telemetry: Arc<Telemetry>,
    /// Whether a metrics system is asked.
    asks: bool,
    stored: Stored,
    /// Held for as long as a change takes: one at a time.
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug)]
struct State {
    given: Vec<Source>,
    catalog: Arc<Catalog>,
    /// The revision that the evaluator goes by.
    revision: u64,
    refused: Option<Refused>,
}

/// What is read before a server runs.
#[derive(Debug)]
pub(crate) struct Loaded {
    state: State,
    asks: bool,
}

impl Loaded {
    /// Loads what was applied to `control` with what is `given`. With `asks`, a metrics system is asked.
    pub(crate) fn read(control: &Control, given: &Given, asks: bool) -> Result<Self, ServerError> {
        let given = given.read()?;
        let (revision, applied) = applied(control)?;
        let loaded = evaluable(&sources(&given, &applied), asks);
        let (catalog, findings) = loaded.map_err(|found| {
            // Files of one name may be at odds: which of them were applied is said with their names.
            let whose = |file: &Document| {
                let Document { name, applied_by, applied_at, .. } = file;
                let at = applied_at.floor(Duration::from_seconds(1));
                Source::new(format!("{name} (applied by {applied_by} at {at})"), &file.text)
            };
            let told: Vec<Source> =
                given.iter().cloned().chain(applied.iter().map(whose)).collect();
            ServerError::Documents(evaluable(&told, asks).err().unwrap_or(found))
        })?;
        tell(&findings);
        let catalog = Arc::new(catalog);
        Ok(Self { state: State { given, catalog, revision, refused: None }, asks })
    }

    /// What is to be evaluated.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.state.catalog)
    }
}

impl Definitions {
    pub(crate) fn new(
        control: SharedControl,
        evaluator: evaluator::Handle,
        loaded: Loaded,
        clock: Clock,
        telemetry: Arc<Telemetry>,
        stored: Stored,
    ) -> Self {
        let Loaded { state, asks } = loaded;
        let state = tokio::sync::Mutex::new(state);
        Self { control, evaluator, clock, telemetry, asks, stored, state }
    }

    /// Everything that is known at the moment.
    pub(crate) async fn known(&self) -> Result<Known, ApplyError> {
        let state = self.state.lock().await;
        let (revision, applied) = self.applied().await?;
        Ok(Known {
            revision,
            in_force: revision == state.revision,
            applied,
            given: state.given.clone(),
            catalog: Arc::clone(&state.catalog),
            refused: state.refused.clone(),
        })
    }

    /// Makes a change, and says what it is. It is made to its end even if whoever asked goes away.
    pub(crate) async fn apply(
        self: &Arc<Self>,
        apply: Apply,
        caller: Caller,
    ) -> Result<Plan, ApplyError> {
        let this = Arc::clone(self);
        let changed = tokio::spawn(async move { this.change(apply, &caller).await }).await;
        // What ends before it is done was ended with the server.
        let changed = changed.unwrap_or(Err(ApplyError::Ended(Ended)));
        self.telemetry.definitions(match &changed {
            Ok(plan) if plan.dry_run => "planned",
            Ok(_) => "applied",
            Err(_) => "refused",
        });
        changed
    }

    async fn change(&self, apply: Apply, caller: &Caller) -> Result<Plan, ApplyError> {
        check_names(&apply)?;
        let actor = caller.actor();
        let mut state = self.state.lock().await;
        let (revision, before) = self.applied().await?;
        if let Some(expected) = apply.revision.filter(|expected| *expected != revision) {
            return Err(ApplyError::Revision { expected, found: revision });
        }
        let applied = before;
        let texts = applied.iter().map(|document| (document.name.clone(), document.text.clone()));
        let before: BTreeMap<String, String> = texts.collect();
        for file in &apply.files {
            if state.given.iter().any(|given| given.name == file.name) {
                return Err(ApplyError::GivenFile(file.name.clone()));
            }
        }
        Self::check_removals(&state, &apply, caller)?;
        let after = after(&before, &apply)?;
        let mut sources = state.given.clone();
        sources.extend(after.iter().map(|(name, text)| Source::new(name, text)));
        let (catalog, mut warnings) = match self.load(sources).await {
            Ok(loaded) => loaded,
            Err(error) => {
                let beside = Beside { catalog: &state.catalog, applied: &applied, after: &after };
                let held = held(&apply.files, beside, caller).await?;
                let error = if held.is_empty() { error } else { ApplyError::Documents(held) };
                return Err(error.seen_by(caller, &apply));
            }
        };
        let sets = (&*state.catalog, &*catalog);
        reach::check(caller, (&before, &after), sets)?;
        let check = Arc::clone(&catalog);
        self.evaluator.ask(move |evaluator| evaluator.check(&check)).await??;

        warnings.extend(self.doubts(&state.catalog, &catalog, caller).await?);
        let plan = Plan::new(&before, &after, sets.0, sets.1, warnings);
        let mut plan = plan.seen_by(caller, sets);
        (plan.revision, plan.dry_run) = (revision, apply.dry_run);
        let is_changed = before != after;
        if apply.dry_run || !is_changed && state.revision == revision {
            return Ok(plan);
        }
        if is_changed {
            let loosened = retargets::loosened(&self.evaluator, sets).await?;
            plan.revision = self.commit(&before, after, loosened, &actor).await?;
        }
        let install = Arc::clone(&catalog);
        let installed = self.evaluator.ask(move |evaluator| evaluator.install(install)).await?;
        if let Err(cause) = installed {
            return Err(ApplyError::NotInForce { revision: plan.revision, cause });
        }
        let revision = plan.revision;
        tracing::info!(revision, actor, "other definitions are in force");
        (state.catalog, state.revision) = (catalog, revision);
        Ok(plan)
    }

    /// What is likely not meant in the SLOs that are others than `before`: what there is to say
    /// without data, and where other events are counted, what does not go with the stored ones.
    async fn doubts(
        &self,
        before: &Arc<Catalog>,
        after: &Arc<Catalog>,
        caller: &Caller,
    ) -> Result<Vec<Diagnostic>, ApplyError> {
        let (before, after) = (Arc::clone(before), Arc::clone(after));
        let (source, suggests) = (self.stored.source(), caller.sees_all());
        let (control, now) = (self.control.clone(), self.clock.now());
        let met = self.evaluator.ask(|evaluator| evaluator.met().clone()).await?;
        let found = tokio::task::spawn_blocking(move || {
            let mut found = linted(&before, &after);
            found.extend(unlike_stored(&before, &after, &source, suggests));
            found.extend(unlike_met(&before, &after, &met, suggests));
            found.extend(idle(&before, &after, &control, suggests));
            found.extend(same_version(&before, &after));
            found.extend(unheard_incidents(&before, &after, &control));
            found.extend(uncovered(&before, &after, now));
            found
        });
        Ok(found.await.map_err(|_| Ended)?)
    }

    /// Refuses to remove what `caller` may not know of: for them it is not there.
    fn check_removals(state: &State, apply: &Apply, caller: &Caller) -> Result<(), ApplyError> {
        let Some(seen) = seen(&state.catalog, caller) else { return Ok(()) };
        match apply.removals.iter().find(|name| !seen.contains(name.as_str())) {
            Some(hidden) => Err(ApplyError::Missing(hidden.clone())),
            None => Ok(()),
        }
    }

    /// Keeps `after` in place of `before`, with what it has loosened, and returns its revision.
    async fn commit(
        &self,
        before: &BTreeMap<String, String>,
        after: BTreeMap<String, String>,
        loosened: Vec<Loosened>,
        actor: &str,
    ) -> Result<u64, ApplyError> {
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        let removals = gone.map(|name| (KIND.to_owned(), name.clone())).collect();
        let new = after.into_iter().filter(|(name, text)| before.get(name) != Some(text));
        let upserts = new.map(|(name, text)| {
            let kind = KIND.to_owned();
            NewDocument { kind, name, text, origin: String::new() }
        });
        let change = Change { upserts: upserts.collect(), removals };
        let (actor, now) = (actor.to_owned(), self.clock.now());
        let why = "other definitions were applied";
        self.control(move |control| {
            let also = |noting: &Noting<'_>| retargets::keep(noting, loosened, (&actor, why), now);
            control.apply_with(&change, &actor, now, also)
        })
        .await
    }

    /// Takes `read` for the files that the server reads by itself. Where they cannot be used, what
    /// was in force goes on, and why is kept to be asked for.
    pub(crate) async fn give(
        &self,
        read: Result<Vec<Source>, SourcesError>,
    ) -> Result<(), ApplyError> {
        let mut state = self.state.lock().await;
        let given = match read {
            Ok(given) if given == state.given => {
                // Put back to what is in force.
                state.refused = None;
                return Ok(());
            }
            Ok(given) => given,
            Err(error) => {
                self.refuse(&mut state, error.to_string(), Vec::new());
                return Err(ApplyError::Request(error.to_string()));
            }
        };
        let before = Arc::clone(&state.catalog);
        let taken = self.take(&given, &before).await;
        match taken {
            Ok((catalog, revision)) => {
                (state.given, state.catalog, state.revision) = (given, catalog, revision);
                state.refused = None;
                tracing::info!("the server's own files have changed and are in force");
                self.telemetry.definitions("read");
                Ok(())
            }
            Err(error) => {
                let found = match &error {
                    ApplyError::Documents(found) => found.clone(),
                    _ => Vec::new(),
                };
                self.refuse(&mut state, error.to_string(), found);
                Err(error)
            }
        }
    }

    async fn take(
        &self,
        given: &[Source],
        before: &Catalog,
    ) -> Result<(Arc<Catalog>, u64), ApplyError> {
        let (revision, applied) = self.applied().await?;
        let (catalog, warnings) = self.load(sources(given, &applied)).await?;
        tell(&warnings);
        let loosened = retargets::loosened(&self.evaluator, (before, &*catalog)).await?;
        let install = Arc::clone(&catalog);
        self.evaluator.ask(move |evaluator| evaluator.install(install)).await??;
        if !loosened.is_empty() {
            let (who, now) = (SERVER, self.clock.now());
            let why = "the server's own files have changed";
            let kept = self.control(move |control| {
                control.note(who, now, |noting| retargets::keep(noting, loosened, (who, why), now))
            });
            if let Err(error) = kept.await {
                // What the files say is in force all the same.
                tracing::error!(%error, "that promises were loosened is not kept");
            }
        }
        Ok((catalog, revision))
    }

    fn refuse(&self, state: &mut State, reason: String, diagnostics: Vec<Diagnostic>) {
        self.telemetry.definitions("refused");
        tracing::error!(reason, "the server's own files are refused; what was in force goes on");
        tell(&diagnostics);
        state.refused = Some(Refused { at: self.clock.now(), reason, diagnostics });
    }

    /// Loads `sources` beside the threads that answer requests: a large set takes a while.
    async fn load(
        &self,
        sources: Vec<Source>,
    ) -> Result<(Arc<Catalog>, Vec<Diagnostic>), ApplyError> {
        let asks = self.asks;
        let loaded = tokio::task::spawn_blocking(move || evaluable(&sources, asks)).await;
        let (catalog, warnings) = loaded.map_err(|_| Ended)?.map_err(ApplyError::Documents)?;
        Ok((Arc::new(catalog), warnings))
    }

    async fn applied(&self) -> Result<(u64, Vec<Document>), ApplyError> {
        self.control(|control| applied(control)).await
    }

    /// Has `work` done with the control state, on a thread that may wait for the disk.
    async fn control<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Control) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApplyError> {
        let control = self.control.clone();
        let done = tokio::task::spawn_blocking(move || work(&mut control.lock()));
        Ok(done.await.map_err(|_| Ended)??)
    }
}

/// The files that were applied to the server of the data directory `data`, which nobody has open.
///
/// # Errors
///
/// [`StoreError::Locked`] while a server runs; else what cannot be read.
pub fn applied_to(data: &Path) -> Result<Vec<Source>, StoreError> {
    let (_, applied) = applied(&Control::open_alone(data)?)?;
    Ok(sources(&[], &applied))
}

/// The files that were applied, by name, and their revision.
fn applied(control: &Control) -> Result<(u64, Vec<Document>), StoreError> {
    let documents = control.documents()?;
    let files = documents.documents.into_iter().filter(|document| document.kind == KIND);
    Ok((documents.revision, files.collect()))
}

/// The whole set.
fn sources(given: &[Source], applied: &[Document]) -> Vec<Source> {
    let applied = applied.iter().map(|file| Source::new(&file.name, &file.text));
    given.iter().cloned().chain(applied).collect()
}

/// Loads `sources` as one set, as it can be evaluated here.
fn evaluable(
    sources: &[Source],
    asks: bool,
) -> Result<(Catalog, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (catalog, findings) = Catalog::load(sources)?;
    Ok((if asks { catalog } else { catalog.without_asking() }, findings))
}

/// The files as they are after `apply`.
fn after(
    before: &BTreeMap<String, String>,
    apply: &Apply,
) -> Result<BTreeMap<String, String>, ApplyError> {
    let mut after = before.clone();
    if apply.prune {
        after.retain(|name, _| !apply.is_pruned(name));
    }
    for name in &apply.removals {
        if !before.contains_key(name) {
            return Err(ApplyError::Missing(name.clone()));
        }
        after.remove(name);
    }
    after.extend(apply.files.iter().map(|file| (file.name.clone(), file.text.clone())));
    if after.len() > FILES_MAX {
        return Err(ApplyError::TooMany(after.len()));
    }
    let bytes = after.values().map(String::len).sum();
    if bytes > TOTAL_BYTES_MAX {
        return Err(ApplyError::TooLong(bytes));
    }
    Ok(after)
}

/// Refuses names that are no relative paths, names that are there twice, and texts that are too
/// long.
fn check_names(apply: &Apply) -> Result<(), ApplyError> {
    let mut seen = BTreeSet::new();
    for File { name, text } in &apply.files {
        if name.len() > NAME_BYTES_MAX {
            let said = format!("the name of a file is longer than {NAME_BYTES_MAX} bytes");
            return Err(ApplyError::Request(said));
        }
        if !is_path(name) {
            let said = format!(
                "`{}` cannot be the name of a file; hint: use a relative path such as shop/slo.yaml",
                name.escape_debug()
            );
            return Err(ApplyError::Request(said));
        }
        if !seen.insert(name) {
            return Err(ApplyError::Request(format!("the file `{name}` is there twice")));
        }
        if apply.removals.contains(name) {
            let said = format!("the file `{name}` is to be applied and to be removed");
            return Err(ApplyError::Request(said));
        }
        if text.len() > DOCUMENT_BYTES_MAX {
            let said = format!(
                "the file `{name}` is longer than {DOCUMENT_BYTES_MAX} bytes; hint: split it"
            );
            return Err(ApplyError::Request(said));
        }
    }
    match apply.below.iter().find(|directory| !is_path(directory)) {
        Some(directory) => {
            let said = format!(
                "`{}` cannot be the name of a directory; hint: use a relative path such as shop",
                directory.escape_debug()
            );
            Err(ApplyError::Request(said))
        }
        None => Ok(()),
    }
}

/// Whether `name` is a relative path with `/` between its parts.
fn is_path(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.split('/').all(is_part) && !name.contains(|c: char| c == '\\' || c.is_control())
}

/// Writes findings to the log, each with its place.
fn tell(findings: &[Diagnostic]) {
    for found in findings {
        let place = format!("{}:{}:{}", found.file, found.line, found.column);
        let hint = found.hint.as_deref().unwrap_or_default();
        if found.is_error() {
            tracing::error!(place, hint, "{}", found.message);
        } else {
            tracing::warn!(place, hint, "{}", found.message);
        }
    }
}
