//! The cookies of people's browsers, and whether a request was made by a page of this server.

use axum::http::{HeaderMap, HeaderValue, Method, header};

use crate::auth::LIFE;
use crate::login::{Login, PATIENCE};

/// A header that says that a request was made by a program on purpose: a form cannot set it, and a
/// page of another origin may not (that takes a permission by CORS, which nobody is given here).
const ON_PURPOSE: &str = "x-flyball-request";

/// What of browsers is this server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Browsers {
    origin: String,
    is_encrypted: bool,
}

impl Browsers {
    pub(super) fn of(login: &Login) -> Self {
        Self { origin: login.origin(), is_encrypted: login.is_encrypted() }
    }

    /// A cookie's name. With `__Host-` a browser takes it from this very host only, encrypted: no other
    /// host of the same domain can put one in its place.
    fn name(&self, what: &str) -> String {
        let prefix = if self.is_encrypted { "__Host-" } else { "" };
        format!("{prefix}flyball_{what}")
    }

    /// The value of the session's cookie.
    pub(super) fn session<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        cookie(headers, &self.name("session"))
    }

    /// The value of the cookie that a browser keeps while somebody logs in.
    pub(super) fn login<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        cookie(headers, &self.name("login"))
    }

    /// Has the browser keep the session; forget it where there is none.
    pub(super) fn keep_session(&self, secret: Option<&str>) -> Option<HeaderValue> {
        self.keep("session", secret, LIFE.nanos() / NANOS)
    }

    /// Has the browser keep what binds a login to it; forget it where there is none.
    pub(super) fn keep_login(&self, secret: Option<&str>) -> Option<HeaderValue> {
        self.keep("login", secret, PATIENCE.nanos() / NANOS)
    }

    /// `None` for a value that no header can hold, which none of ours is.
    fn keep(&self, what: &str, secret: Option<&str>, seconds: i64) -> Option<HeaderValue> {
        let seconds = if secret.is_some() { seconds } else { 0 };
        let (name, value) = (self.name(what), secret.unwrap_or_default());
        let secure = if self.is_encrypted { "; Secure" } else { "" };
        let cookie =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        let mut cookie = HeaderValue::try_from(cookie).ok()?;
        cookie.set_sensitive(true);
        Some(cookie)
    }

    /// Whether a request with the session's cookie may change something: whether it was made by a page
    /// of this server, or on purpose.
    ///
    /// A browser sends the cookie with whatever request any page has it make. `SameSite=Lax` keeps it from
    /// forms of other sites, but not from pages of other hosts below the same domain, and some browsers
    /// make exceptions. So a request must prove where it comes from: by `Sec-Fetch-Site`, by `Origin`, or
    /// by a header that only a program sets. None of them may say that it comes from elsewhere.
    pub(super) fn is_own(&self, method: &Method, headers: &HeaderMap) -> bool {
        if method.is_safe() {
            return true;
        }
        let site = headers.get("sec-fetch-site").map(|site| site == "same-origin");
        let origin = headers.get(header::ORIGIN).map(|origin| *origin == *self.origin);
        let on_purpose = headers.get(ON_PURPOSE).map(|_| true);
        let said = [site, origin, on_purpose];
        !said.contains(&Some(false)) && said.contains(&Some(true))
    }
}

/// Nanoseconds of a second.
const NANOS: i64 = 1_000_000_000;

/// The first cookie called `name`.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim())).find(|pair| pair.0 == name).map(|p| p.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browsers(is_encrypted: bool) -> Browsers {
        Browsers { origin: "https://flyball.example".to_owned(), is_encrypted }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn cookies_are_bound_to_the_host_and_kept_from_scripts() {
        let kept = browsers(true).keep_session(Some("x")).unwrap();
        let expected = "__Host-flyball_session=x; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax; \
                        Secure";
        assert_eq!(kept.to_str().unwrap(), expected);
        assert!(kept.is_sensitive());
        let gone = browsers(false).keep_login(None).unwrap();
        assert_eq!(gone, "flyball_login=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        let sent = headers(&[
            ("cookie", "a=b; flyball_session=wrong"),
            ("cookie", "c; __Host-flyball_session=right; x=y"),
        ]);
        assert_eq!(browsers(true).session(&sent), Some("right"));
        assert_eq!(browsers(true).login(&sent), None);
    }

    #[test]
    fn a_change_must_come_from_here_as_far_as_anything_tells() {
        let own = |method: &Method, pairs: &[(&'static str, &'static str)]| {
            browsers(true).is_own(method, &headers(pairs))
        };
        assert!(own(&Method::GET, &[("sec-fetch-site", "cross-site")]), "it changes nothing");
        let here = "https://flyball.example";
        for good in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("origin", here)],
            &[("x-flyball-request", "1")],
            &[("origin", here), ("sec-fetch-site", "same-origin"), ("x-flyball-request", "1")],
        ] {
            assert!(own(&Method::POST, good), "{good:?}");
        }
        for wrong in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("x-flyball-request", "1")],
            &[("sec-fetch-site", "none")],
            &[("origin", "null")],
            &[("origin", "http://flyball.example"), ("x-flyball-request", "1")],
            &[("origin", "https://evil.flyball.example"), ("sec-fetch-site", "same-origin")],
        ] {
            assert!(!own(&Method::POST, wrong), "{wrong:?}");
        }
    }
}
