//! Whether a message comes from whom it says: a secret that both know, compared in constant time.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha224, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use crate::headers::Headers;

/// The shortest secret that is used, in bytes: a shorter one is a mistake, or can be guessed.
pub const SECRET_BYTES_MIN: usize = 8;

/// How a sender shows that it knows the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `X-Hub-Signature-256: sha256=…`, an HMAC of the body.
    GitHub,
    /// `X-Signature: sha256=…`, an HMAC of the body; SHA-224, SHA-384 and SHA-512 too.
    Flux,
    /// `X-Gitlab-Token`, the secret itself.
    GitLab,
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no secret to check with, or it is too short to be one.
    #[error(
        "the hook has no secret of at least {SECRET_BYTES_MIN} bytes; give it one, and the sender the same"
    )]
    NoSecret,
    /// The sender shows nothing.
    #[error("the header `{0}` is missing; give the sender the hook's secret")]
    Missing(&'static str),
    /// What the sender shows is no signature.
    #[error("the header `{0}` is no signature; it reads `sha256=` and the digest in hexadecimal")]
    Malformed(&'static str),
    /// What the sender shows is not of this secret and this body.
    #[error("the signature is not of this body with the hook's secret")]
    Wrong,
}

/// Whether `body` comes from somebody who knows one of `secrets`: several, so that a secret can be
/// replaced without a gap.
///
/// # Errors
///
/// [`SignatureError`]; also without any secret, since a hook that anyone may call tells nothing.
pub fn verify(
    scheme: Scheme,
    secrets: &[&[u8]],
    headers: &Headers,
    body: &[u8],
) -> Result<(), SignatureError> {
    if secrets.is_empty() || secrets.iter().any(|secret| secret.len() < SECRET_BYTES_MIN) {
        return Err(SignatureError::NoSecret);
    }
    let name = match scheme {
        Scheme::GitHub => "x-hub-signature-256",
        Scheme::Flux => "x-signature",
        Scheme::GitLab => "x-gitlab-token",
    };
    let shown = headers.get(name).ok_or(SignatureError::Missing(name))?;
    if scheme == Scheme::GitLab {
        // Every secret is compared, so that the time taken does not tell which one was met.
        let met =
            secrets.iter().fold(0, |met, secret| met | shown.as_bytes().ct_eq(secret).unwrap_u8());
        return if met == 1 { Ok(()) } else { Err(SignatureError::Wrong) };
    }
    let (algorithm, digits) = shown.split_once('=').ok_or(SignatureError::Malformed(name))?;
    let tag = bytes(digits).ok_or(SignatureError::Malformed(name))?;
    let check: fn(&[u8], &[u8], &[u8]) -> bool = match (algorithm, scheme) {
        ("sha256", _) => is_of::<Hmac<Sha256>>,
        ("sha224", Scheme::Flux) => is_of::<Hmac<Sha224>>,
        ("sha384", Scheme::Flux) => is_of::<Hmac<Sha384>>,
        ("sha512", Scheme::Flux) => is_of::<Hmac<Sha512>>,
        _ => return Err(SignatureError::Malformed(name)),
    };
    let met = secrets.iter().fold(false, |met, secret| met | check(secret, body, &tag));
    if met { Ok(()) } else { Err(SignatureError::Wrong) }
}

/// Whether `tag` is the code of `body` under `secret`, compared in constant time.
fn is_of<M: Mac + KeyInit>(secret: &[u8], body: &[u8], tag: &[u8]) -> bool {
    <M as KeyInit>::new_from_slice(secret).is_ok_and(|mut mac| {
        mac.update(body);
        mac.verify_slice(tag).is_ok()
    })
}

/// The bytes of hexadecimal digits, two a byte.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
