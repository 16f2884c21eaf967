//! Canonical formatting that keeps comments, or says that it cannot.
//!
//! What is written is read again before it is returned: when a value or comment would be lost,
//! formatting fails instead. Aliases are not expanded behind the writer's back; they are refused.

use crate::diagnostic::{Diagnostic, Level};
use crate::source::{Source, SourceText, Span};
use crate::yaml::{CommentMap, Data, Node, Parsed, emit_json, emit_yaml, parse};

/// Formats the documents of a source: keys in alphabetical order, block style, comments kept.
///
/// A stream stays a stream, a list of documents a list, JSON stays JSON. Formatting what was
/// formatted changes nothing. Blank lines are not kept. Content is not checked: [`load`] does.
///
/// # Errors
///
/// The faults of a source that is not readable, that uses anchors or merge keys, or whose comments
/// stand where they cannot be kept.
///
/// [`load`]: crate::load
pub fn format(source: &Source) -> Result<String, Vec<Diagnostic>> {
    let text = SourceText::new(source);
    let fail = |span: Span, message: &str, hint: &str| error(&text, span, message, Some(hint));
    let parsed = readable(source, &text)?;
    if let Some(span) = parsed.anchor {
        let message = "anchors, aliases and merge keys cannot be kept in canonical form";
        return Err(vec![fail(
            span,
            message,
            "write the values out, or leave this file unformatted",
        )]);
    }
    let is_json = text.text().trim_start().starts_with(['{', '[']);
    if is_json && serde_json::from_str::<serde::de::IgnoredAny>(text.text()).is_ok() {
        let mut out = String::new();
        for document in &parsed.documents {
            emit_json(document, 0, &mut out);
            out.push('\n');
        }
        return Ok(out);
    }
    let comments = comments(&text, &parsed.documents);
    let out = stream(&text, &parsed.documents, &comments);
    if same(&parsed.documents, &comments, &out) {
        return Ok(out);
    }
    let span = comments.first().map_or(Span { start: 0, end: 1 }, |comment| comment.span);
    let message = "formatting would lose a comment or change a value, so nothing was changed";
    Err(vec![fail(span, message, "move comments to lines of their own before a key")])
}

/// The documents of `source`, whose prepared form is `text`.
///
/// # Errors
///
/// Why it is not readable.
pub(crate) fn readable(source: &Source, text: &SourceText<'_>) -> Result<Parsed, Vec<Diagnostic>> {
    if source.text.len() > crate::source::SOURCE_BYTES_MAX {
        let span = Span { start: 0, end: 1 };
        return Err(vec![error(text, span, "the source is too large", Some("split it"))]);
    }
    let parsed = parse(text.text());
    if parsed.faults.is_empty() {
        return Ok(parsed);
    }
    let faults = parsed.faults.iter();
    Err(faults.map(|f| error(text, f.span, &f.message, f.hint.as_deref())).collect())
}

fn error(text: &SourceText<'_>, span: Span, message: &str, hint: Option<&str>) -> Diagnostic {
    let (message, hint) = (message.to_owned(), hint.map(str::to_owned));
    Diagnostic::new(Level::Error, text, span, String::new(), message, hint)
}

#[derive(Debug)]
struct Comment {
    span: Span,
    text: String,
    /// Whether something else stands before it on its line.
    trails: bool,
}

/// The spans in which `#` is no comment. The span of a block is its lines without the header.
fn scalars(node: &Node, out: &mut Vec<Span>) {
    match &node.data {
        Data::Scalar(_) => out.push(node.span),
        Data::Sequence(items) => {
            for item in items {
                scalars(item, out);
            }
        }
        Data::Mapping(entries) => {
            for entry in entries {
                out.push(entry.key_span);
                scalars(&entry.value, out);
            }
        }
    }
}

fn comments(text: &SourceText<'_>, documents: &[Node]) -> Vec<Comment> {
    let mut taken = Vec::new();
    for document in documents {
        scalars(document, &mut taken);
    }
    taken.sort_by_key(|span| span.start);
    let bytes = text.text().as_bytes();
    let (mut found, mut at, mut next) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        while next < taken.len() && taken[next].end <= at {
            next += 1;
        }
        if next < taken.len() && taken[next].start <= at && at < taken[next].end {
            at = taken[next].end;
            continue;
        }
        let begins = at == 0 || bytes[at - 1].is_ascii_whitespace();
        if bytes[at] == b'#' && begins {
            let line = text.line_span(text.line_index(at));
            let span = Span { start: at, end: line.end };
            let before = text.slice(Span { start: line.start, end: at });
            found.push(Comment {
                span,
                text: text.slice(span).trim_end().to_owned(),
                trails: !before.trim().is_empty(),
            });
            at = line.end.max(at + 1);
        } else {
            at += 1;
        }
    }
    found
}

/// Entries and items in the order in which they begin; items before their first key.
fn starts(node: &Node, out: &mut Vec<(usize, bool)>) {
    match &node.data {
        Data::Scalar(_) => {}
        Data::Sequence(items) => {
            for item in items {
                out.push((item.span.start, true));
                starts(item, out);
            }
        }
        Data::Mapping(entries) => {
            for entry in entries {
                out.push((entry.key_span.start, false));
                starts(&entry.value, out);
            }
        }
    }
}

/// All documents with their comments.
fn stream(text: &SourceText<'_>, documents: &[Node], comments: &[Comment]) -> String {
    // Where the lines `---` are: a comment before one ends the document before it.
    let separators: Vec<usize> = (0..text.line_count())
        .map(|index| text.line_span(index))
        .filter(|line| text.slice(*line).starts_with("---"))
        .map(|line| line.start)
        .collect();
    let mut out = String::new();
    let mut rest = comments.iter().peekable();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            out.push_str("---\n");
        }
        let first = first_start(document);
        let next = documents.get(index + 1).map_or(usize::MAX, |next| {
            separators.iter().copied().rfind(|at| *at <= next.span.start).unwrap_or(next.span.start)
        });
        let mut map = CommentMap::new();
        let mut tail = String::new();
        let mut places = Vec::new();
        starts(document, &mut places);
        while let Some(comment) = rest.next_if(|comment| comment.span.start < next) {
            let at = comment.span.start;
            if at < first {
                out.push_str(&comment.text);
                out.push('\n');
                continue;
            }
            // The key that the line begins with, even before `{a: 1}`; else what came last.
            let line = text.line_span(text.line_index(at)).start;
            let on_line = |place: &&(usize, bool)| place.0 >= line && place.0 < at;
            let before = places
                .iter()
                .find(|place| on_line(place) && !place.1)
                .or_else(|| places.iter().find(on_line))
                .or_else(|| places.iter().rfind(|(start, _)| *start < at));
            let after = places.iter().find(|(start, _)| *start > at);
            let trailing_slot = comment.trails.then_some(before).flatten();
            if let Some(place) = trailing_slot {
                let slot = map.entry(*place).or_default();
                if slot.trailing.is_none() {
                    slot.trailing = Some(comment.text.clone());
                } else {
                    slot.leading.push(comment.text.clone());
                }
            } else if let Some(place) = after {
                map.entry(*place).or_default().leading.push(comment.text.clone());
            } else {
                tail.push_str(&comment.text);
                tail.push('\n');
            }
        }
        out.push_str(&emit_yaml(document, &map));
        out.push_str(&tail);
    }
    for comment in rest {
        out.push_str(&comment.text);
        out.push('\n');
    }
    out
}

/// Where the document's first key, item or scalar begins.
fn first_start(document: &Node) -> usize {
    let mut places = Vec::new();
    starts(document, &mut places);
    places.first().map_or(document.span.start, |(start, _)| *start)
}

/// True when `out` holds the same values and comments.
fn same(documents: &[Node], comments: &[Comment], out: &str) -> bool {
    let source = Source::new("", out);
    let text = SourceText::new(&source);
    let parsed = parse(text.text());
    let values = |documents: &[Node]| -> Vec<_> { documents.iter().map(Node::to_json).collect() };
    let texts = |comments: &[Comment]| {
        let mut texts: Vec<String> = comments.iter().map(|comment| comment.text.clone()).collect();
        texts.sort();
        texts
    };
    parsed.faults.is_empty()
        && values(&parsed.documents) == values(documents)
        && texts(&self::comments(&text, &parsed.documents)) == texts(comments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        let out = format(&Source::new("a.yaml", text))
            .unwrap_or_else(|faults| panic!("{}", crate::render(&faults)));
        let again = format(&Source::new("a.yaml", out.as_str())).unwrap();
        assert_eq!(again, out, "formatting twice changed something");
        out
    }

    #[test]
    fn comments_move_with_what_they_speak_of() {
        let text = "# head\nkind: SLO # the kind\n# before version\napiVersion: openslo/v1\nspec:\n  # list\n  objectives: # here\n    # first\n    - target: 0.9 # low\n      displayName: a\n    - target: 0.8\n  # end of spec\n# tail\n";
        let expected = "# head\n# before version\napiVersion: openslo/v1\nkind: SLO # the kind\nspec:\n  # list\n  objectives: # here\n  # first\n  - displayName: a\n    target: 0.9 # low\n  - target: 0.8\n# end of spec\n# tail\n";
        assert_eq!(formatted(text), expected);
    }

    #[test]
    fn hashes_in_values_are_no_comments() {
        let text = "b: 'x # y'\na: |\n  select # 1\n  # two\n# after\nc: a#b\nd: {e: [1, 2]} # f\n";
        let expected = "a: |\n  select # 1\n  # two\nb: \"x # y\"\n# after\nc: a#b\nd: # f\n  e:\n  - 1\n  - 2\n";
        assert_eq!(formatted(text), expected);
    }

    #[test]
    fn streams_and_lists_stay_what_they_are() {
        assert_eq!(
            formatted("---\n# one\na: 1\n# end of one\n---\n# two\nb: 2\n"),
            "# one\na: 1\n# end of one\n---\n# two\nb: 2\n"
        );
        assert_eq!(formatted("- b: 1\n  a: 2\n- c\n"), "- a: 2\n  b: 1\n- c\n");
        assert_eq!(
            formatted("{\"b\": 0.9990, \"a\": []}"),
            "{\n  \"a\": [],\n  \"b\": 0.9990\n}\n"
        );
    }

    #[test]
    fn anchors_are_refused_with_their_place() {
        let faults = format(&Source::new("a.yaml", "a: &x 1\nb: *x\n")).unwrap_err();
        assert_eq!((faults[0].line, faults[0].severity), (1, Level::Error));
    }
}
