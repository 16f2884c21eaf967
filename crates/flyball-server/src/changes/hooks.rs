//! Hooks: senders that show no token of ours, and sign what they send with a secret that both know.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use flyball_connect::{Headers, SECRET_BYTES_MIN, Scheme, SignatureError, verify};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The most bytes of a file of secrets.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The most bodies of hooks that are worked on at once. Nobody is known before their body was read, so
/// that these share what others leave of the memory for reading.
const BODIES_MAX: usize = 16;

/// A sender that signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signed {
    GitHub,
    GitLab,
    Flux,
}

impl Signed {
    const ALL: [Self; 3] = [Self::GitHub, Self::GitLab, Self::Flux];

    /// Its name in paths, options and counters.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Flux => "flux",
        }
    }

    const fn scheme(self) -> Scheme {
        match self {
            Self::GitHub => Scheme::GitHub,
            Self::GitLab => Scheme::GitLab,
            Self::Flux => Scheme::Flux,
        }
    }
}

/// Where the secrets of a hook are: `github:FILE`, a secret a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSecret {
    hook: Signed,
    file: PathBuf,
}

/// Why secrets of hooks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It does not say which hook's secrets are where.
    #[error("that is no hook with a file; hint: write github:FILE, gitlab:FILE or flux:FILE")]
    Form,
    /// The file cannot be read.
    #[error("cannot read the secrets in {file}: {cause}", file = file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file holds no secret, or one that can be guessed, or is no file of secrets at all.
    #[error(
        "{file} holds no secrets; hint: write one a line, each of {SECRET_BYTES_MIN} bytes or more, \
         {FILE_BYTES_MAX} bytes in all at most", file = file.display()
    )]
    Secrets {
        /// The file.
        file: PathBuf,
    },
}

impl FromStr for HookSecret {
    type Err = HookError;

    fn from_str(text: &str) -> Result<Self, HookError> {
        let (name, file) = text.split_once(':').ok_or(HookError::Form)?;
        let hook = Signed::ALL.into_iter().find(|hook| hook.name() == name);
        let file = Some(PathBuf::from(file)).filter(|file| !file.as_os_str().is_empty());
        Ok(Self { hook: hook.ok_or(HookError::Form)?, file: file.ok_or(HookError::Form)? })
    }
}

/// The secrets of one sender.
type Secrets = Vec<Vec<u8>>;

/// The secrets of all hooks.
pub(crate) struct Hooks {
    secrets: BTreeMap<Signed, Secrets>,
    bodies: Semaphore,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the secrets.
        f.debug_struct("Hooks").field("signed", &self.secrets.keys()).finish_non_exhaustive()
    }
}

/// Why a message is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsigned {
    /// The hook has no secret.
    #[error(
        "the server has no secret of this hook; hint: start it with --hook-secret {0}:FILE, and give \
         the sender the same secret"
    )]
    NoSecret(&'static str),
    /// The signature is not there, or wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl Hooks {
    /// Reads the secrets.
    ///
    /// # Errors
    ///
    /// [`HookError`]; nothing is believed without a secret, so a file without one is a mistake.
    pub(crate) fn read(files: &[HookSecret]) -> Result<Self, HookError> {
        let mut secrets: BTreeMap<Signed, Secrets> = BTreeMap::new();
        for HookSecret { hook, file } in files {
            secrets.entry(*hook).or_default().extend(read(file)?);
        }
        Ok(Self { secrets, bodies: Semaphore::new(BODIES_MAX) })
    }

    /// Room for one body, for as long as it is held; `None` when there is none.
    pub(crate) fn room(&self) -> Option<SemaphorePermit<'_>> {
        self.bodies.try_acquire().ok()
    }

    /// Whether `body` comes from somebody who knows a secret of `hook`.
    ///
    /// # Errors
    ///
    /// [`Unsigned`].
    pub(crate) fn verify(
        &self,
        hook: Signed,
        headers: &Headers,
        body: &[u8],
    ) -> Result<(), Unsigned> {
        let secrets = self.secrets.get(&hook).ok_or(Unsigned::NoSecret(hook.name()))?;
        let secrets: Vec<&[u8]> = secrets.iter().map(Vec::as_slice).collect();
        Ok(verify(hook.scheme(), &secrets, headers, body)?)
    }
}

fn read(file: &Path) -> Result<Secrets, HookError> {
    let mut text = Vec::new();
    let opened = std::fs::File::open(file);
    opened
        .and_then(|opened| opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut text))
        .map_err(|cause| HookError::Io { file: file.to_owned(), cause })?;
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let found: Secrets = lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
    let is_short = found.iter().any(|secret| secret.len() < SECRET_BYTES_MIN);
    if found.is_empty() || is_short || text.len() as u64 > FILE_BYTES_MAX {
        return Err(HookError::Secrets { file: file.to_owned() });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_secrets_are_read_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        let given = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let secret = HookSecret { hook: Signed::Flux, file: file.clone() };
            Hooks::read(&[secret]).map(|hooks| hooks.secrets[&Signed::Flux].len())
        };
        assert_eq!(given("it is long enough\r\n\n and so is this\n").unwrap(), 2);
        for wrong in ["", "\n", "short\n", "it is long enough\nshort"] {
            assert!(matches!(given(wrong), Err(HookError::Secrets { .. })), "{wrong:?}");
        }
        let absent = "github:/nowhere/at all".parse().unwrap();
        assert!(matches!(Hooks::read(&[absent]), Err(HookError::Io { .. })));
        for wrong in ["github", "github:", "argocd:/a", ":/a", ""] {
            assert!(matches!(wrong.parse::<HookSecret>(), Err(HookError::Form)), "{wrong}");
        }
    }
}
