//! Secrets of alert targets and restore actions: documents say where they are, and never what.

use std::path::PathBuf;

use flyball_connect::notify::Secret;
use flyball_model::SecretRef;

/// The longest secret. Bytes; keys, tokens and addresses are far shorter.
const SECRET_BYTES_MAX: u64 = 16 << 10;

/// Where secrets are found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets {
    directory: Option<PathBuf>,
}

impl Secrets {
    /// Files are looked for in `directory`; there are none without it.
    pub(crate) const fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// The secret as it is now: one that was replaced is in force with the next attempt. It may wait for a
    /// disk.
    ///
    /// # Errors
    ///
    /// Why there is none, without anything of it.
    pub(crate) fn read(&self, reference: &SecretRef) -> Result<Secret, String> {
        let text = match reference {
            SecretRef::Env(name) => std::env::var(name).map_err(|_| {
                format!("the environment variable {name} is not set, or is no text")
            })?,
            SecretRef::File(name) => {
                let directory = self.directory.as_ref().ok_or_else(|| {
                    format!("the secret file {name} cannot be read: the server has no --secrets directory")
                })?;
                let path = directory.join(name);
                let cannot = |error| format!("the secret file {name} cannot be read: {error}");
                let length = std::fs::metadata(&path).map_err(cannot)?.len();
                if length > SECRET_BYTES_MAX {
                    return Err(format!(
                        "the secret file {name} has more than {SECRET_BYTES_MAX} bytes"
                    ));
                }
                std::fs::read_to_string(&path).map_err(cannot)?
            }
        };
        if text.trim().is_empty() {
            return Err("the secret is empty".to_owned());
        }
        Ok(Secret::new(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_secret_is_told_without_it() {
        let home = tempfile::tempdir().unwrap();
        let file = |name: &str| SecretRef::File(name.to_owned());
        let secrets = Secrets::new(Some(home.path().to_owned()));
        std::fs::write(home.path().join("empty"), "\n").unwrap();
        std::fs::write(home.path().join("key"), "hush\n").unwrap();
        assert!(secrets.read(&file("empty")).is_err_and(|said| said.contains("empty")));
        assert!(
            secrets.read(&file("none")).is_err_and(|said| said.contains("none cannot be read"))
        );
        assert!(
            Secrets::default().read(&file("key")).is_err_and(|said| said.contains("--secrets"))
        );
        assert_eq!(secrets.read(&file("key")), Ok(Secret::new("hush")));
    }
}
