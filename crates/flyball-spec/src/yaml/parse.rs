//! Events of the YAML parser to trees, with bounds.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::node::{Data, Entry, Node, Scalar, ScalarForm};
use crate::source::Span;

/// The deepest nesting that is read, aliases expanded; OpenSLO needs about 15.
pub(crate) const DEPTH_MAX: usize = 64;
/// The most nodes of one source, aliases expanded: stops a "billion laughs" early.
pub(crate) const NODES_MAX: usize = 400_000;
/// The most repeated keys and other recoverable faults that are kept of one source.
const FAULTS_MAX: usize = 100;

/// Why a text is not the YAML we read.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// The documents of a text, up to the first syntax error.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) documents: Vec<Node>,
    pub(crate) faults: Vec<Fault>,
    /// The first anchor, alias or merge key, if there is one.
    pub(crate) anchor: Option<Span>,
}

/// Reads all documents of `text`.
pub(crate) fn parse(text: &str) -> Parsed {
    let first = read(text);
    // JSON may be indented with tabs, which YAML forbids. Blanking them keeps every position.
    let looks_json = text.trim_start().starts_with(['{', '[']);
    if !first.faults.is_empty() && looks_json && text.contains('\t') {
        let blanked = text.replace('\t', " ");
        let second = read(&blanked);
        if second.faults.is_empty() {
            return second;
        }
    }
    first
}

fn read(text: &str) -> Parsed {
    let mut builder = Builder::new(text);
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        match next {
            Ok((event, span)) => {
                let span = Span {
                    start: builder.byte(span.start.index()),
                    end: builder.byte(span.end.index()),
                };
                if let Err(fault) = builder.event(event, span) {
                    builder.parsed.faults.push(fault);
                    break;
                }
            }
            Err(error) => {
                let at = builder.byte(error.marker().index());
                builder.parsed.faults.push(Fault {
                    span: Span { start: at, end: at + 1 },
                    message: format!("not readable as YAML: {}", error.info()),
                    hint: Some(syntax_hint(error.info(), text, at).to_owned()),
                });
                break;
            }
        }
    }
    builder.parsed
}

/// What to do about a text that is no YAML, by what the parser says and what stands at byte `at`.
fn syntax_hint(info: &str, text: &str, at: usize) -> &'static str {
    let line_start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let is_indented_by_tab = text
        .get(line_start..)
        .and_then(|line| line.trim_start_matches(' ').chars().next())
        .is_some_and(|first| first == '\t');
    let says = |words: &str| info.contains(words);
    if is_indented_by_tab || says("tabs disallowed") {
        "YAML forbids tabs for indentation; use spaces"
    } else if says("mapping values are not allowed") {
        "put a text that holds `: ` in quotes, or indent this line as its siblings are"
    } else if says("quoted scalar") {
        "close the quote"
    } else if says("unexpected character") {
        "put a text that begins with a sign in quotes"
    } else if says("unknown anchor") {
        "name an anchor (`&name`) before it is used, or put a text that begins with `*` in quotes"
    } else if says("flow") || says("illegal placement of ':'") {
        "look for a `[`, `{` or comma that is missing or too many in this line or before it"
    } else {
        "look at the indentation, the quotes and the brackets of this line and the one above it"
    }
}

/// A collection that is still open.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value, in a mapping.
    key: Option<(String, Span, bool)>,
    /// The keys so far, in a mapping.
    keys: HashSet<String>,
    /// The values of `<<`, taken in when the mapping ends, so that its own keys win.
    merges: Vec<(Node, Span)>,
    nodes: usize,
    height: usize,
}

struct Anchored {
    node: Node,
    nodes: usize,
    height: usize,
}

struct Builder {
    /// Byte offset by character index; empty when every character is one byte.
    bytes: Vec<u32>,
    length: usize,
    stack: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    parsed: Parsed,
}

impl Builder {
    fn new(text: &str) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect()
        };
        Self {
            bytes,
            length: text.len(),
            stack: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            parsed: Parsed::default(),
        }
    }

    fn byte(&self, character: usize) -> usize {
        if self.bytes.is_empty() {
            return character.min(self.length);
        }
        self.bytes.get(character).map_or(self.length, |at| *at as usize)
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let form = form(style, tag.as_ref(), span)?;
                let scalar = Scalar { text: text.into_owned(), form };
                let node = Node { span, data: Data::Scalar(scalar) };
                self.count(1, span)?;
                self.place(node, anchor, 1, 0)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_ref(), "seq", span)?;
                self.open(Data::Sequence(Vec::new()), anchor, span)
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_ref(), "map", span)?;
                self.open(Data::Mapping(Vec::new()), anchor, span)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(mut open) = self.stack.pop() else { return Ok(()) };
                for (merged, at) in std::mem::take(&mut open.merges) {
                    merge(&mut open.node, merged, at)?;
                }
                open.node.span.end = span.end.max(open.node.span.start);
                self.place(open.node, open.anchor, open.nodes, open.height)
            }
            Event::Alias(anchor) => {
                self.parsed.anchor.get_or_insert(span);
                let Some(anchored) = self.anchors.get(&anchor) else {
                    return Err(fault(
                        span,
                        "this alias stands for something that is not complete here",
                        "an anchor can be used only after the value that it names",
                    ));
                };
                let (node, nodes, height) =
                    (anchored.node.clone(), anchored.nodes, anchored.height);
                self.count(nodes, span)?;
                self.place(node, 0, nodes, height)
            }
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Fault> {
        self.nodes += nodes;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!("more than {NODES_MAX} values, aliases expanded");
        Err(fault(span, &message, "split the file, or use fewer aliases"))
    }

    fn open(&mut self, data: Data, anchor: usize, span: Span) -> Result<(), Fault> {
        self.count(1, span)?;
        if self.stack.len() >= DEPTH_MAX {
            return Err(too_deep(span));
        }
        let node = Node { span, data };
        self.stack.push(Open {
            node,
            anchor,
            key: None,
            keys: HashSet::new(),
            merges: Vec::new(),
            nodes: 1,
            height: 0,
        });
        Ok(())
    }

    /// Puts a finished node of `nodes` values and `height` levels below it where it belongs.
    fn place(
        &mut self,
        node: Node,
        anchor: usize,
        nodes: usize,
        height: usize,
    ) -> Result<(), Fault> {
        if self.stack.len() + height > DEPTH_MAX {
            return Err(too_deep(node.span));
        }
        if anchor != 0 {
            self.parsed.anchor.get_or_insert(node.span);
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, height });
        }
        let Some(open) = self.stack.last_mut() else {
            self.parsed.documents.push(node);
            return Ok(());
        };
        open.nodes += nodes;
        open.height = open.height.max(height + 1);
        match &mut open.node.data {
            Data::Sequence(items) => items.push(node),
            Data::Mapping(entries) => match open.key.take() {
                None => {
                    let Data::Scalar(Scalar { text, form }) = node.data else {
                        return Err(fault(
                            node.span,
                            "a key must be a single word or text",
                            "lists and mappings cannot be keys here",
                        ));
                    };
                    open.key = Some((text, node.span, form == ScalarForm::Plain));
                }
                Some((key, key_span, key_plain)) => {
                    if key == "<<" && key_plain {
                        self.parsed.anchor.get_or_insert(key_span);
                        open.merges.push((node, key_span));
                    } else if open.keys.insert(key.clone()) {
                        entries.push(Entry { key, key_span, key_plain, value: node });
                    } else if self.parsed.faults.len() < FAULTS_MAX {
                        // The first one counts, so that the rest of the document is still checked.
                        let shown = crate::diagnostic::shown(&key);
                        let message = format!("the key `{shown}` is given twice");
                        self.parsed.faults.push(fault(key_span, &message, "keep one of them"));
                    }
                }
            },
            Data::Scalar(_) => {}
        }
        Ok(())
    }
}

/// `<<: *defaults`: takes the entries that are not there yet.
fn merge(into: &mut Node, node: Node, at: Span) -> Result<(), Fault> {
    let Data::Mapping(entries) = &mut into.data else { return Ok(()) };
    let merged: Vec<Entry> = match node.data {
        Data::Mapping(merged) => merged,
        Data::Sequence(items) => items
            .into_iter()
            .filter_map(|item| match item.data {
                Data::Mapping(merged) => Some(merged),
                _ => None,
            })
            .flatten()
            .collect(),
        Data::Scalar(_) => {
            let message = "`<<` takes a mapping, or a list of mappings";
            return Err(fault(at, message, "write `<<: *name`"));
        }
    };
    let mut keys: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    entries.extend(merged.into_iter().filter(|entry| keys.insert(entry.key.clone())));
    Ok(())
}

fn form(style: ScalarStyle, tag: Option<&Cow<'_, Tag>>, span: Span) -> Result<ScalarForm, Fault> {
    if let Some(tag) = tag {
        let known = ["str", "int", "float", "bool", "null", "timestamp"];
        let plain = tag.handle.is_empty() && tag.suffix == "!";
        if !(plain || tag.is_yaml_core_schema() && known.contains(&tag.suffix.as_str())) {
            return Err(unknown_tag(span));
        }
        if plain || tag.suffix == "str" {
            return Ok(ScalarForm::Quoted);
        }
    }
    Ok(match style {
        ScalarStyle::Plain => ScalarForm::Plain,
        ScalarStyle::Literal => ScalarForm::Literal,
        ScalarStyle::Folded => ScalarForm::Folded,
        _ => ScalarForm::Quoted,
    })
}

fn check_tag(tag: Option<&Cow<'_, Tag>>, expected: &str, span: Span) -> Result<(), Fault> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == expected) => {
            Err(unknown_tag(span))
        }
        _ => Ok(()),
    }
}

fn unknown_tag(span: Span) -> Fault {
    fault(span, "a YAML tag is not understood here", "leave the tag out")
}

fn too_deep(span: Span) -> Fault {
    let message = format!("nested deeper than {DEPTH_MAX} levels");
    fault(span, &message, "no document that is read here needs that; look for a wrong indent")
}

fn fault(span: Span, message: &str, hint: &str) -> Fault {
    Fault { span, message: message.to_owned(), hint: Some(hint.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_know_their_place() {
        let text = "a: plain ä\nb: 'q''uo'\nc:\n  - x\n  - \"ö\"\n";
        let parsed = parse(text);
        assert!(parsed.faults.is_empty());
        let root = &parsed.documents[0];
        let slice = |node: &Node| &text[node.span.start..node.span.end];
        assert_eq!(slice(root.get("a").unwrap()), "plain ä");
        assert_eq!(slice(root.get("b").unwrap()), "'q''uo'");
        let Data::Sequence(items) = &root.get("c").unwrap().data else { panic!("no list") };
        assert_eq!(slice(&items[1]), "\"ö\"");
        assert_eq!(root.path_to(items[1].span.start), "c[1]");
    }

    #[test]
    fn aliases_expand_within_bounds() {
        let parsed = parse("a: &x {k: 1, j: 2}\nb: *x\nc: {<<: *x, k: 3}\n");
        assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
        assert_eq!(
            parsed.documents[0].to_json().to_string(),
            r#"{"a":{"j":2,"k":1},"b":{"j":2,"k":1},"c":{"j":2,"k":3}}"#
        );
        let level = |level: usize| {
            let previous = format!("*a{}", level - 1);
            format!("a{level}: &a{level} [{}]\n", [previous.as_str(); 9].join(", "))
        };
        let laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n")
            + &(1..30).map(level).collect::<String>();
        assert!(parse(&laughs).faults[0].message.contains("aliases expanded"));
        let level = |level: usize| format!("a{level}: &a{level} [*a{}]\n", level - 1);
        let chain = String::from("a0: &a0 [x]\n") + &(1..200).map(level).collect::<String>();
        assert!(parse(&chain).faults[0].message.contains("nested deeper"));
        assert!(parse("a: &a [*a]\n").faults[0].message.contains("alias"));
    }

    #[test]
    fn depth_is_bounded_in_blocks_and_flows() {
        let flow = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(parse(&flow).faults.len(), 1);
        let block: String = (0..500).map(|level| " ".repeat(level) + "k:\n").collect();
        assert!(parse(&block).faults[0].message.contains("nested deeper"));
    }

    #[test]
    fn repeated_keys_are_faults_and_the_first_counts() {
        let parsed = parse("a: 1\nb: 2\na: 3\n");
        assert_eq!(parsed.faults.len(), 1);
        assert_eq!(parsed.documents[0].to_json().to_string(), r#"{"a":1,"b":2}"#);
    }

    #[test]
    fn json_with_tabs_is_read() {
        let parsed = parse("{\n\t\"a\": [1,\n\t\t2]\n}\n");
        assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
        assert_eq!(parsed.documents[0].to_json().to_string(), r#"{"a":[1,2]}"#);
    }

    #[test]
    fn documents_before_a_syntax_error_are_kept() {
        let parsed = parse("a: 1\n---\nb: [1\n");
        assert_eq!(parsed.documents.len(), 1);
        assert_eq!(parsed.faults.len(), 1);
    }
}
