//! Where in a JSON document a byte lies, in the words of the document.

use std::fmt::Write;

/// A list or an object that is open.
enum Open<'a> {
    /// The key whose value comes; `None` before the first.
    Object(Option<&'a str>),
    /// The index of the item, from 0.
    List(u64),
}

/// The path to the byte at `end` of `document`: `resourceSpans[0].scopeSpans[0].spans[7].kind`.
///
/// Up to there the document is JSON: a parser has read it.
pub(super) fn path(document: &str, end: usize) -> String {
    let bytes = &document.as_bytes()[..end.min(document.len())];
    let mut open = Vec::new();
    let mut awaits_key = false;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let start = at + 1;
                at = string_end(bytes, start);
                if awaits_key && let Some(Open::Object(key)) = open.last_mut() {
                    *key = document.get(start..at);
                    awaits_key = false;
                }
            }
            b'{' => {
                open.push(Open::Object(None));
                awaits_key = true;
            }
            b'[' => open.push(Open::List(0)),
            b'}' | b']' => {
                open.pop();
                awaits_key = false;
            }
            b',' => match open.last_mut() {
                Some(Open::List(index)) => *index += 1,
                _ => awaits_key = true,
            },
            _ => {}
        }
        at += 1;
    }
    let mut path = String::new();
    for step in open {
        // Writing to a text cannot fail.
        let _ = match step {
            Open::Object(None) => Ok(()),
            Open::Object(Some(key)) if path.is_empty() => write!(path, "{key}"),
            Open::Object(Some(key)) => write!(path, ".{key}"),
            Open::List(index) => write!(path, "[{index}]"),
        };
    }
    path
}

/// The quote that ends the string whose first byte is at `start`, or the end.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_byte_has_a_path() {
        let document = r#"{"a":[{"b":"x\",[{"},{"c":7,"d":[1,[2,{"e":3}]]}],"f":0}"#;
        let at = |text: &str| path(document, document.find(text).unwrap() + text.len());
        assert_eq!(at("{\"a\""), "a");
        assert_eq!(at("\"b\":\"x"), "a[0].b");
        assert_eq!(at("7"), "a[1].c");
        assert_eq!(at("2"), "a[1].d[1][0]");
        assert_eq!(at("\"e\":3"), "a[1].d[1][1].e");
        assert_eq!(at("0"), "f");
        assert_eq!((path(document, 0), path(document, 9_999)), (String::new(), String::new()));
    }
}
