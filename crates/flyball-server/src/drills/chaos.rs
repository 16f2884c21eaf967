//! Experiments of Chaos Toolkit's, run beside the server.
//!
//! A shell holds the pipe that a guard holds, and runs `chaos` below itself: when the pipe ends or the server says so, it ends the
//! experiment by SIGTERM, at which Chaos Toolkit plays its rollbacks. So it is guard and driver in one.

use std::path::{Path, PathBuf};

use flyball_connect::drill::chaos_toolkit::{JOURNAL_BYTES_MAX, arguments, journal};
use flyball_connect::drill::guard::DISMISSED;
use flyball_govern::drill::{Drill, DrillVia};

use super::guarding::GuardProgram;

/// What the shell is told when the experiment is to begin.
pub(super) const BEGIN: &str = "begin";
/// What the shell does: it answers, waits for its word, runs what its arguments say, and ends that.
const SCRIPT: &str = r#"
command -v "$1" >/dev/null || exit 1
exec 3<&0
echo armed
while read -r word <&3 && [ "$word" != begin ]; do
  [ "$word" = dismissed ] && exit 0
done
[ "$word" = begin ] || exit 0
"$@" </dev/null >/dev/null 2>&1 3<&- &
experiment=$!
{ while read -r word <&3 && [ "$word" != dismissed ]; do :; done; kill -TERM "$experiment"; } &
listener=$!
wait "$experiment"
kill "$listener"
"#;

/// Where experiments are, and where their journals go.
#[derive(Debug, Clone)]
pub(super) struct Experiments {
    directory: Option<PathBuf>,
    journals: PathBuf,
}

impl Experiments {
    /// Those below `directory`; there are none without it. Journals go below the data directory `data`.
    pub(super) fn new(directory: Option<PathBuf>, data: &Path) -> Self {
        Self { directory, journals: data.join("drills") }
    }

    /// The shell that runs the experiment of `drill` for the run called `key`. It waits for a disk.
    ///
    /// # Errors
    ///
    /// Why it cannot be run.
    pub(super) fn shell(&self, drill: &Drill, key: &str) -> Result<GuardProgram, String> {
        let DrillVia::ChaosToolkit { experiment } = &drill.spec.via else {
            return Err("it is no experiment".to_owned());
        };
        let Some(directory) = &self.directory else {
            return Err(format!(
                "the experiment {experiment} cannot be run: the server has no --experiments directory; hint: start it with \
                 one"
            ));
        };
        let cannot = |error: std::io::Error| {
            format!(
                "the experiment {experiment} cannot be read: {error}; hint: it must lie below --experiments"
            )
        };
        let directory = directory.canonicalize().map_err(cannot)?;
        let file = directory.join(experiment).canonicalize().map_err(cannot)?;
        if !file.starts_with(&directory) {
            return Err(format!(
                "the experiment {experiment} lies outside of --experiments; hint: links must not lead out of it"
            ));
        }
        std::fs::create_dir_all(&self.journals)
            .map_err(|error| format!("journals of experiments cannot be written: {error}"))?;
        let (file, journal) = (file.to_string_lossy(), self.journal(key));
        let called = ["-c", SCRIPT, "sh", "chaos"].map(str::to_owned);
        let arguments =
            called.into_iter().chain(arguments(&file, &journal.to_string_lossy())).collect();
        Ok(GuardProgram { program: "/bin/sh".into(), arguments })
    }

    /// Whether all that the experiment of the run called `key` broke is whole, as its journal says. It waits for a disk.
    ///
    /// # Errors
    ///
    /// That something may not be, or that nobody knows.
    pub(super) fn is_whole(&self, key: &str) -> Result<(), String> {
        let path = self.journal(key);
        let length = std::fs::metadata(&path).map_or(0, |of| of.len());
        if length > JOURNAL_BYTES_MAX as u64 {
            return Err(format!("its journal has more than {JOURNAL_BYTES_MAX} bytes"));
        }
        let Ok(text) = std::fs::read(&path) else {
            return Err("Chaos Toolkit left no journal".to_owned());
        };
        match journal(&text).map_err(|error| error.to_string())?.is_rolled_back {
            Some(false) => Err("a rollback of the experiment failed".to_owned()),
            Some(true) | None => Ok(()),
        }
    }

    fn journal(&self, key: &str) -> PathBuf {
        self.journals.join(format!("{}.json", key.replace(['/', '\\'], "-")))
    }
}

/// Whether `drill` is an experiment of Chaos Toolkit's.
pub(super) const fn is_experiment(drill: &DrillVia) -> bool {
    matches!(drill, DrillVia::ChaosToolkit { .. })
}

/// The word that ends an experiment.
pub(super) const END: &str = DISMISSED;
