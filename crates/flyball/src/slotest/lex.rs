//! Lines of a script become statements of tokens.
//!
//! A statement is one line; lines that begin with a blank carry it on. `#` begins a comment.
//! `<<END` takes the lines that follow, up to a line that is only `END`, as one text.

use super::problem::{Fault, Place, Problem};

/// The largest script: far past what a person writes.
pub(super) const SCRIPT_BYTES_MAX: usize = 16 << 20;

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) place: Place,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters, digits and most signs, without quotes.
    Word,
    /// In double quotes; `text` is what stands between them.
    Quoted,
    /// A comparison: `=`, `!=`, `~`, `<`, `<=`, `>`, `>=`.
    Sign,
    /// A colon that ends a head.
    Colon,
    /// The lines of a `<<END`; the place is that of their first line.
    Text,
}

/// One statement: at least one token.
pub(super) type Statement = Vec<Token>;

/// Splits a script into statements, with what is wrong with the lines that belong to none.
pub(super) fn statements(script: &str) -> (Vec<Statement>, Vec<Problem>) {
    let mut out: Vec<Statement> = Vec::new();
    let mut faults = Vec::new();
    // True while lines carry on a statement with a fault, which is left out as a whole.
    let mut is_broken = false;
    let mut lines = script.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let is_continued = line.starts_with([' ', '\t']);
        let mut tokens = match tokens(line, index + 1) {
            Ok(tokens) if tokens.is_empty() || is_continued && is_broken => continue,
            Ok(tokens) => tokens,
            Err(fault) => {
                faults.push(*fault);
                if is_continued && !is_broken {
                    out.pop();
                }
                is_broken = true;
                continue;
            }
        };
        is_broken = false;
        match heredoc(&mut tokens) {
            Ok(None) => {}
            Ok(Some(end)) => {
                let is_end = |line: &str| line.trim_end() == end.text;
                let mut body = String::new();
                let rest = lines.by_ref().map(|(_, line)| line);
                let mut closed = false;
                for line in rest {
                    closed = is_end(line);
                    if closed {
                        break;
                    }
                    body.push_str(line);
                    body.push('\n');
                }
                if !closed {
                    let message = format!("`<<{0}` has no line `{0}` that ends it", end.text);
                    faults.push(*Problem::script(end.place, message));
                    return (out, faults);
                }
                let place = Place { line: index + 2, column: 1, length: 1 };
                tokens.push(Token { kind: Kind::Text, text: body, place });
            }
            // Which of the lines below are its text cannot be known.
            Err(fault) => {
                faults.push(*fault);
                return (out, faults);
            }
        }
        match (is_continued, out.last_mut()) {
            (false, _) => out.push(tokens),
            (true, Some(statement)) => statement.extend(tokens),
            (true, None) => {
                let place = tokens.first().map(|token| token.place).unwrap_or_default();
                let fault = Problem::script(place, "nothing stands before this line to carry on")
                    .hint("begin a statement at the start of a line");
                faults.push(*fault);
                is_broken = true;
            }
        }
    }
    (out, faults)
}

/// Takes `<< END` off the end of a line.
fn heredoc(tokens: &mut Statement) -> Result<Option<Token>, Fault> {
    let Some(at) = tokens.iter().position(|t| t.kind == Kind::Sign && t.text == "<<") else {
        return Ok(None);
    };
    let sign = tokens[at].place;
    match tokens.get(at + 1) {
        Some(word) if word.kind == Kind::Word && tokens.len() == at + 2 => {
            let end = word.clone();
            tokens.truncate(at);
            Ok(Some(end))
        }
        _ => Err(Problem::script(sign, "`<<` needs one word after it, at the end of the line")
            .hint("write `<<END`, the text on the lines below, and a line `END`")),
    }
}

fn tokens(line: &str, line_number: usize) -> Result<Vec<Token>, Fault> {
    let chars: Vec<char> = line.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        let place =
            |end: usize| Place { line: line_number, column: start + 1, length: end - start };
        let next = chars.get(at + 1).copied();
        let (kind, text) = match chars[at] {
            '#' => break,
            c if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '"' => {
                let Some(length) = chars[at + 1..].iter().position(|c| *c == '"') else {
                    return Err(Problem::script(place(chars.len()), "the quote is not closed"));
                };
                at += length + 2;
                (Kind::Quoted, chars[start + 1..at - 1].iter().collect())
            }
            ':' if next.is_none_or(char::is_whitespace) => {
                at += 1;
                (Kind::Colon, ":".to_owned())
            }
            c if is_sign(c) => {
                at += 1;
                let doubled =
                    matches!((c, next), ('<' | '>' | '!' | '=', Some('=')) | ('<', Some('<')));
                at += usize::from(doubled);
                (Kind::Sign, chars[start..at].iter().collect())
            }
            _ => {
                while at < chars.len() && !ends_word(&chars, at) {
                    at += 1;
                }
                (Kind::Word, chars[start..at].iter().collect())
            }
        };
        out.push(Token { kind, text, place: place(at) });
    }
    Ok(out)
}

const fn is_sign(c: char) -> bool {
    matches!(c, '=' | '<' | '>' | '!' | '~')
}

/// A colon ends a word only before a blank, so that times stay whole.
fn ends_word(chars: &[char], at: usize) -> bool {
    let c = chars[at];
    let is_head_end = c == ':' && chars.get(at + 1).is_none_or(|next| next.is_whitespace());
    c.is_whitespace() || c == '"' || is_sign(c) || is_head_end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<Vec<String>> {
        let texts = |statement: Statement| statement.into_iter().map(|token| token.text).collect();
        let (statements, faults) = statements(script);
        assert_eq!(faults, []);
        statements.into_iter().map(texts).collect()
    }

    #[test]
    fn times_stay_whole_and_heads_end() {
        assert_eq!(
            texts("series a from 2026-01-01T00:00:00Z: 1/2x3 # so\n  _x5\nat now"),
            [
                vec!["series", "a", "from", "2026-01-01T00:00:00Z", ":", "1/2x3", "_x5"],
                vec!["at", "now"]
            ]
        );
        assert_eq!(
            texts("expect budget a: spent>=1.5% sli~0.9"),
            [["expect", "budget", "a", ":", "spent", ">=", "1.5%", "sli", "~", "0.9"]]
        );
    }

    #[test]
    fn texts_below_are_taken_whole() {
        let (found, faults) = statements("slo <<END\n# kept\n a: 1\nEND\nat x\n");
        assert_eq!(faults, []);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0][1].text, "# kept\n a: 1\n");
        assert_eq!(found[0][1].place.line, 2);
    }

    #[test]
    fn what_is_not_closed_is_refused() {
        for (script, message) in [
            ("slo \"a", "the quote is not closed"),
            ("slo <<END\na", "has no line `END`"),
            ("slo <<", "needs one word"),
            ("slo << A B", "needs one word"),
            ("  at x", "nothing stands before"),
        ] {
            let (_, faults) = statements(script);
            assert_eq!(faults.len(), 1, "{script}: {faults:?}");
            assert!(faults[0].message.contains(message), "{script}: {faults:?}");
        }
    }

    #[test]
    fn a_fault_takes_its_statement_and_leaves_the_others() {
        let (found, faults) = statements("at a\n \"b\n c\nat d\n  e\n\"f\n  \"g\nat h");
        let found: Vec<Vec<&str>> =
            found.iter().map(|one| one.iter().map(|token| token.text.as_str()).collect()).collect();
        assert_eq!(found, [vec!["at", "d", "e"], vec!["at", "h"]]);
        let lines: Vec<usize> = faults.iter().map(|fault| fault.place.line).collect();
        assert_eq!(lines, [2, 6, 7]);
    }
}
