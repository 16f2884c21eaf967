//! URLs as they may be shown.

/// What was given as a `url`, to be shown: `***` stands for its password, and for a user without one. What
/// is no URL loses all that could be meant as one; what has neither is as it was, as an empty text is.
pub fn masked(url: &str) -> String {
    let begin = url.find("://").map_or(0, |at| at + "://".len());
    let (scheme, rest) = url.split_at(begin);
    let authority = if begin > 0 && reqwest::Url::parse(url).is_ok() {
        rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())
    } else {
        // A password with such a character may be why it is none.
        rest.len()
    };
    let Some(end) = rest[..authority].rfind('@') else { return url.to_owned() };
    let (user, host) = rest.split_at(end);
    match user.split_once(':') {
        Some((user, _)) => format!("{scheme}{user}:***{host}"),
        None => format!("{scheme}***{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("http://h:9090/a@b?c=d@e", "http://h:9090/a@b?c=d@e"),
            ("http://u:pw@h:9090/x", "http://u:***@h:9090/x"),
            ("http://u:p@w@h/x@y", "http://u:***@h/x@y"),
            ("http://:pw@h", "http://:***@h"),
            ("http://key@h/", "http://***@h/"),
            ("http://u:p/w@h:9090", "http://u:***@h:9090"),
            ("http://u:pw@h:port/", "http://u:***@h:port/"),
            ("ftp://u:pw@h/", "ftp://u:***@h/"),
            ("u:pw@h:9090", "u:***@h:9090"),
            ("http:/u:pw@h", "http:***@h"),
            ("localhost:9090", "localhost:9090"),
            ("", ""),
        ] {
            assert_eq!(masked(url), shown, "{url}");
        }
    }
}
