//! The request line: `GET /path?query HTTP/1.1`.

/// The parts of a request line; nothing is decoded yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) method: Option<&'a [u8]>,
    pub(super) path: Option<&'a [u8]>,
    pub(super) query: Option<&'a [u8]>,
    pub(super) version: Option<&'a [u8]>,
}

/// Methods are longer nowhere in the registry of HTTP methods (`UPDATEREDIRECTREF`).
const METHOD_BYTES_MAX: usize = 20;

/// Takes a request line apart. `None` when it is none: binary bytes of a TLS handshake sent in
/// clear, an empty line, noise.
///
/// A target may have spaces; the protocol is what follows the last one. HTTP/0.9 has no protocol.
pub(super) fn request(line: &[u8]) -> Option<Request<'_>> {
    let space = line.iter().take(METHOD_BYTES_MAX + 1).position(|b| *b == b' ')?;
    let (method, rest) = (&line[..space], &line[space + 1..]);
    if method.is_empty() || !method.iter().all(|b| b.is_ascii_uppercase() || *b == b'-') {
        return None;
    }
    let (target, version) = match protocol_start(rest) {
        Some(at) => (&rest[..at], Some(&rest[at + " HTTP/".len()..])),
        None => (rest, None),
    };
    let (path, query) = match target {
        [b'/' | b'*', ..] => split_query(target),
        // The absolute form, sent to proxies: scheme, authority, path.
        _ => match memchr::memmem::find(target, b"://") {
            Some(at) => {
                let after = &target[at + 3..];
                let authority = memchr::memchr2(b'/', b'?', after).unwrap_or(after.len());
                let (path, query) = split_query(&after[authority..]);
                (if path.is_empty() { b"/" } else { path }, query)
            }
            // The authority form has no path.
            None if method == b"CONNECT" && version.is_some() => {
                return Some(Request { method: Some(method), version, ..Request::default() });
            }
            None => return None,
        },
    };
    Some(Request { method: Some(method), path: Some(path), query, version })
}

/// Where ` HTTP/…` begins at the end of `rest`.
fn protocol_start(rest: &[u8]) -> Option<usize> {
    // Nearly always eight bytes; a memrchr costs more.
    if let Some(at) = rest.len().checked_sub(9)
        && rest[at..].starts_with(b" HTTP/")
    {
        return Some(at);
    }
    let at = memchr::memrchr(b' ', rest)?;
    rest[at..].starts_with(b" HTTP/").then_some(at)
}

/// Path, and query without its question mark; an empty query is none.
pub(super) fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'?', target) {
        Some(at) => (&target[..at], Some(&target[at + 1..]).filter(|query| !query.is_empty())),
        None => (target, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> Option<(&str, &str, &str, &str)> {
        let text = |part: Option<&'static [u8]>| std::str::from_utf8(part.unwrap_or(b"-")).unwrap();
        let line: &'static str = String::leak(line.to_owned());
        let request = request(line.as_bytes())?;
        Some((text(request.method), text(request.path), text(request.query), text(request.version)))
    }

    #[test]
    fn request_lines_of_every_form() {
        assert_eq!(parts("GET / HTTP/1.1"), Some(("GET", "/", "-", "1.1")));
        assert_eq!(parts("GET /a?b=1?2 HTTP/2"), Some(("GET", "/a", "b=1?2", "2")));
        assert_eq!(parts("GET /a b HTTP/1.0"), Some(("GET", "/a b", "-", "1.0")));
        assert_eq!(parts("GET /"), Some(("GET", "/", "-", "-")));
        assert_eq!(parts("OPTIONS * HTTP/1.0"), Some(("OPTIONS", "*", "-", "1.0")));
        assert_eq!(parts("GET http://h:1/p?q HTTP/1.1"), Some(("GET", "/p", "q", "1.1")));
        assert_eq!(parts("GET http://h HTTP/1.1"), Some(("GET", "/", "-", "1.1")));
        assert_eq!(parts("CONNECT h:443 HTTP/1.1"), Some(("CONNECT", "-", "-", "1.1")));
        for noise in
            ["", "-", "\\x16\\x03\\x01", "t3 12.1.2", "GET", "get / HTTP/1.1", " / HTTP/1.1"]
        {
            assert_eq!(parts(noise), None, "{noise}");
        }
    }
}
