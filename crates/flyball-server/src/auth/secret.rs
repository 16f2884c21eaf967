//! The text of a token: `flyball_`, its public id, and 256 random bits.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// What every token begins with, so that scanners of leaked secrets can find one.
const PREFIX: &str = "flyball_";
/// Hexadecimal digits of the id: 64 bits, so that two never meet by chance.
const ID_DIGITS: usize = 16;
/// Hexadecimal digits of the secret.
const SECRET_DIGITS: usize = 64;

/// A token as its holder shows it. It is never printed by `Debug`, and gone when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret {
    id: String,
    digest: [u8; 32],
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Secret {
    /// A new one: what is kept of it, and the text to show once.
    ///
    /// # Errors
    ///
    /// When the system has no random bytes.
    pub(super) fn generate() -> Result<(Self, String), getrandom::Error> {
        let mut random = [0; usize::midpoint(ID_DIGITS, SECRET_DIGITS)];
        getrandom::fill(&mut random)?;
        let (id, secret) = random.split_at(ID_DIGITS / 2);
        let (id, secret) = (hex(id), hex(secret));
        let text = format!("{PREFIX}{id}_{secret}");
        Ok((Self { id, digest: Sha256::digest(&secret).into() }, text))
    }

    /// What `text` says; `None` when it does not have the form of a token.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_hex = |text: &str, digits| {
            text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        (is_hex(id, ID_DIGITS) && is_hex(secret, SECRET_DIGITS))
            .then(|| Self { id: id.to_owned(), digest: Sha256::digest(secret).into() })
    }

    /// The public part.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// SHA-256 of the secret part. 256 random bits need no salt and no slow hash.
    pub(super) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_made_and_tells_nothing() {
        let (made, text) = Secret::generate().unwrap();
        assert_eq!(Secret::read(&text), Some(made.clone()));
        let secret = text.rsplit('_').next().unwrap();
        assert!(!format!("{made:?}").contains(secret));
        assert_ne!(Secret::generate().unwrap().1, text);
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let (_, text) = Secret::generate().unwrap();
        for wrong in ["", "flyball_", &text[1..], &text[..text.len() - 1], &format!("{text}0")] {
            assert_eq!(Secret::read(wrong), None, "{wrong}");
        }
    }
}
