//! Addresses of other systems, and where their secrets are found: documents say where, and never what.

use flyball_model::{Address, SECRET_PREFIX, SecretRef};

use crate::decode::{Reader, Text};
use crate::diagnostic::shown;

/// The longest address of a receiver. Bytes.
const URL_BYTES_MAX: usize = 2_048;
/// How a secret is referred to.
const SECRET_HINT: &str = "write env:FLYBALL_SECRET_NAME for an environment variable of the server, or \
                           file:NAME for a file in its --secrets directory";

/// An address of HTTP, or where one is found that is a password in itself.
pub(super) fn address(text: &Text, r: &mut Reader<'_, '_>) -> Option<Address> {
    if is_reference(text) {
        return secret(text, r).map(Address::Secret);
    }
    url(text, r).map(Address::Plain)
}

/// An address of HTTP without a password.
pub(super) fn url(text: &Text, r: &mut Reader<'_, '_>) -> Option<String> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| text.value.strip_prefix(scheme));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or(rest));
    if authority.is_some_and(|authority| authority.contains('@')) {
        let message = "the address holds a password, and documents are shown to people";
        r.error(text.at.span, message, SECRET_HINT);
        return None;
    }
    let is_plain = text.value.chars().all(|sign| sign.is_ascii_graphic());
    if !is_plain || text.value.len() > URL_BYTES_MAX || authority.is_none_or(str::is_empty) {
        let message = format!("`{}` is no URL of HTTP", shown(&text.value));
        r.error(text.at.span, message, "like https://hooks.example/alerts");
        return None;
    }
    Some(text.value.clone())
}

fn is_reference(text: &Text) -> bool {
    ["env:", "file:"].iter().any(|scheme| text.value.starts_with(scheme))
}

/// Where a secret is found. What stands there instead is not shown again: it may be the secret.
pub(super) fn secret(text: &Text, r: &mut Reader<'_, '_>) -> Option<SecretRef> {
    let (found, message) = if let Some(name) = text.value.strip_prefix("env:") {
        let is_sign =
            |sign: char| sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign == '_';
        let is_good = name.len() > SECRET_PREFIX.len()
            && name.starts_with(SECRET_PREFIX)
            && name.chars().all(is_sign);
        let message = "a secret's environment variable has a name that begins with FLYBALL_SECRET_, of \
                       capital letters, digits and `_`";
        (is_good.then(|| SecretRef::Env(name.to_owned())), message)
    } else if let Some(name) = text.value.strip_prefix("file:") {
        let is_sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '_');
        let is_good = !name.is_empty() && !name.starts_with('.') && name.chars().all(is_sign);
        let message =
            "a secret's file is named alone, without a path: letters, digits, `.`, `-`, `_`";
        (is_good.then(|| SecretRef::File(name.to_owned())), message)
    } else {
        (None, "a secret is referred to, and never stands in a document")
    };
    if found.is_none() {
        r.error(text.at.span, message, SECRET_HINT);
    }
    found
}
