//! Words and signs to a tree.

use std::ops::Range;

use flyball_events::NAME_LABEL;

use super::lex::{Kind, Token, tokens};
use super::{DEPTH_MAX, Expression, Node, QUERY_BYTES_MAX};
use crate::error::{Fault, QueryError};
use crate::matcher::{Matcher, Selector};

/// Binary operators, loosest first; those of one group bind alike.
const PRECEDENCE: [&[&str]; 6] = [
    &["or"],
    &["and", "unless"],
    &["==", "!=", "<=", "<", ">=", ">"],
    &["+", "-"],
    &["*", "/", "%", "atan2"],
    &["^"],
];

const AGGREGATIONS: [&str; 14] = [
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
    "limitk",
    "limit_ratio",
];

/// Reads a whole query.
pub(crate) fn parse(query: &str) -> Result<Node, QueryError> {
    let error = |(span, fault)| QueryError::new(query, span, fault);
    if query.len() > QUERY_BYTES_MAX {
        let message = format!("a query longer than {QUERY_BYTES_MAX} bytes is not read");
        return Err(error((0..0, Fault::Syntax(message))));
    }
    let tokens = tokens(query).map_err(error)?;
    let mut parser = Parser { query, tokens, next: 0 };
    let node = parser.binary(0, 0).map_err(error)?;
    match parser.tokens.get(parser.next) {
        None => Ok(node),
        Some(token) => Err(error(syntax(token.span.clone(), "the query should end here"))),
    }
}

/// Where a window stands that a tool has to fill in, such as `[{{.window}}]`; `None` where there is none.
pub(crate) fn template(query: &str) -> Result<Option<Range<usize>>, QueryError> {
    let tokens = tokens(query).map_err(|(span, fault)| QueryError::new(query, span, fault))?;
    let found = tokens
        .into_iter()
        .find(|token| matches!(&token.kind, Kind::Window(text) if text.contains(['{', '$'])));
    Ok(found.map(|token| token.span))
}

type Error = (Range<usize>, Fault);

fn syntax(span: Range<usize>, message: &str) -> Error {
    (span, Fault::Syntax(message.to_owned()))
}

fn pull(span: Range<usize>, message: &str) -> Error {
    (span, Fault::Pull(message.to_owned()))
}

struct Parser<'q> {
    query: &'q str,
    tokens: Vec<Token>,
    next: usize,
}

impl Parser<'_> {
    fn kind(&self, ahead: usize) -> Option<&Kind> {
        self.tokens.get(self.next + ahead).map(|token| &token.kind)
    }

    /// Where the next token stands; the end of the query when there is none.
    fn here(&self) -> Range<usize> {
        let end = self.query.len()..self.query.len();
        self.tokens.get(self.next).map_or(end, |token| token.span.clone())
    }

    /// Where the last token taken ends.
    fn end(&self) -> usize {
        self.next.checked_sub(1).map_or(0, |last| self.tokens[last].span.end)
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        let token = self.tokens.get(self.next + ahead)?;
        (token.kind == Kind::Word).then(|| &self.query[token.span.clone()])
    }

    /// Takes the next word when it is `word`, in any case.
    fn take_word(&mut self, word: &str) -> bool {
        let found = self.word(0).is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.kind(0), Some(Kind::Sign(next)) if *next == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Error> {
        if self.take(sign) {
            return Ok(());
        }
        Err(syntax(self.here(), &format!("`{sign}` is expected here")))
    }

    /// Takes the operator of `group` that stands here.
    fn operator(&mut self, group: &[&'static str]) -> Option<&'static str> {
        let found = group.iter().copied().find(|operator| match self.kind(0) {
            Some(Kind::Sign(sign)) => sign == operator,
            _ => self.word(0).is_some_and(|word| word.eq_ignore_ascii_case(operator)),
        });
        self.next += usize::from(found.is_some());
        found
    }

    /// An expression of operators that bind at least as tightly as group `level`.
    fn binary(&mut self, level: usize, depth: usize) -> Result<Node, Error> {
        let Some(group) = PRECEDENCE.get(level) else { return self.unary(depth) };
        let mut left = self.binary(level + 1, depth)?;
        let mut chain = depth;
        while let Some(operator) = self.operator(group) {
            // A long chain nests to the left.
            chain += 1;
            self.not_too_deep(chain)?;
            let modifier = self.modifier()?;
            // `^` binds to the right, all others to the left.
            let right_level = if operator == "^" { level } else { level + 1 };
            let right = self.binary(right_level, chain)?;
            left = Node {
                span: left.span.start..right.span.end,
                expression: Expression::Binary {
                    operator,
                    modifier,
                    left: Box::new(left),
                    right: Box::new(right),
                },
            };
        }
        Ok(left)
    }

    fn not_too_deep(&self, depth: usize) -> Result<(), Error> {
        if depth <= DEPTH_MAX {
            return Ok(());
        }
        Err(syntax(self.here(), "the query nests too deeply"))
    }

    /// `bool`, `on (…)`, `ignoring (…)`, `group_left (…)`, `group_right (…)` after an operator.
    fn modifier(&mut self) -> Result<Option<Range<usize>>, Error> {
        let start = self.here().start;
        let first = self.next;
        self.take_word("bool");
        if self.take_word("on") || self.take_word("ignoring") {
            self.labels()?;
            if self.take_word("group_left") || self.take_word("group_right") {
                self.labels()?;
            }
        }
        Ok((self.next > first).then(|| start..self.end()))
    }

    /// Labels in parentheses; none at all where the parentheses may be left out.
    fn labels(&mut self) -> Result<(), Error> {
        if !self.take("(") {
            return Ok(());
        }
        while !self.take(")") {
            if !matches!(self.kind(0), Some(Kind::Word | Kind::Text(_))) {
                return Err(syntax(self.here(), "a label is expected here"));
            }
            self.next += 1;
            if !self.take(",") && !self.is_sign(")") {
                return Err(syntax(self.here(), "`,` or `)` is expected here"));
            }
        }
        Ok(())
    }

    /// A sign before an operand; `-a ^ b` is `-(a ^ b)`.
    fn unary(&mut self, depth: usize) -> Result<Node, Error> {
        self.not_too_deep(depth)?;
        let start = self.here().start;
        if self.take("-") {
            let inner = self.binary(PRECEDENCE.len() - 1, depth + 1)?;
            let span = start..inner.span.end;
            return Ok(Node { span, expression: Expression::Negated(Box::new(inner)) });
        }
        if self.take("+") {
            return self.binary(PRECEDENCE.len() - 1, depth + 1);
        }
        let node = self.operand(depth)?;
        self.no_modifiers()?;
        Ok(node)
    }

    /// What moves a query in time has no meaning for samples that come as they are measured.
    fn no_modifiers(&mut self) -> Result<(), Error> {
        if let Some(Kind::Window(_)) = self.kind(0) {
            return Err(pull(self.here(), "a subquery cannot be counted from samples"));
        }
        if self.is_sign("@") || self.word(0).is_some_and(|w| w.eq_ignore_ascii_case("offset")) {
            let message = "a query of another time cannot be counted from samples";
            return Err(pull(self.here(), message));
        }
        Ok(())
    }

    fn operand(&mut self, depth: usize) -> Result<Node, Error> {
        let span = self.here();
        let expression = match self.kind(0) {
            Some(Kind::Number(value)) => Expression::Number(*value),
            Some(Kind::Text(_)) => Expression::Text,
            Some(Kind::Sign("(")) => {
                self.next += 1;
                let inner = self.binary(0, depth + 1)?;
                self.expect(")")?;
                return Ok(Node { span: span.start..self.end(), expression: inner.expression });
            }
            Some(Kind::Sign("{")) => return self.selector(None),
            Some(Kind::Word) => return self.named(depth),
            _ => return Err(syntax(span, "an expression is expected here")),
        };
        self.next += 1;
        Ok(Node { span, expression })
    }

    /// A number in letters, an aggregation, a function, or a metric.
    fn named(&mut self, depth: usize) -> Result<Node, Error> {
        let span = self.here();
        let name = self.query[span.clone()].to_owned();
        let lower = name.to_ascii_lowercase();
        let opens = matches!(self.kind(1), Some(Kind::Sign("(")));
        if let Some(value) = [("inf", f64::INFINITY), ("nan", f64::NAN)]
            .into_iter()
            .find_map(|(word, value)| (word == lower).then_some(value))
        {
            self.next += 1;
            return Ok(Node { span, expression: Expression::Number(value) });
        }
        let grouped = self.word(1).is_some_and(|word| {
            word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("without")
        });
        if AGGREGATIONS.contains(&lower.as_str()) && (opens || grouped) {
            self.next += 1;
            self.grouping()?;
            let arguments = self.arguments(depth)?;
            self.grouping()?;
            let expression = Expression::Aggregate { name: lower, arguments };
            return Ok(Node { span: span.start..self.end(), expression });
        }
        if opens {
            self.next += 1;
            let arguments = self.arguments(depth)?;
            let expression = Expression::Call { name, arguments };
            return Ok(Node { span: span.start..self.end(), expression });
        }
        self.next += 1;
        self.selector(Some((name, span.start)))
    }

    fn grouping(&mut self) -> Result<(), Error> {
        if self.take_word("by") || self.take_word("without") {
            if !self.is_sign("(") {
                return Err(syntax(self.here(), "labels in parentheses are expected here"));
            }
            self.labels()?;
        }
        Ok(())
    }

    fn arguments(&mut self, depth: usize) -> Result<Vec<Node>, Error> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.take(")") {
            arguments.push(self.binary(0, depth + 1)?);
            if !self.take(",") && !self.is_sign(")") {
                return Err(syntax(self.here(), "`,` or `)` is expected here"));
            }
        }
        Ok(arguments)
    }

    /// A selector after its name, or without one, and its window.
    fn selector(&mut self, name: Option<(String, usize)>) -> Result<Node, Error> {
        let start = name.as_ref().map_or_else(|| self.here().start, |(_, start)| *start);
        let mut selector = Selector { name: name.map(|(name, _)| name), matchers: Vec::new() };
        if self.take("{") {
            while !self.take("}") {
                self.matcher(&mut selector)?;
                if !self.take(",") && !self.is_sign("}") {
                    return Err(syntax(self.here(), "`,` or `}` is expected here"));
                }
            }
        }
        if selector.is_everything() {
            let message = "a selector needs a name or a matcher that keeps something out";
            return Err(syntax(start..self.end(), message));
        }
        let window = match self.kind(0) {
            Some(Kind::Window(window)) => Some(window.clone()),
            _ => None,
        };
        let Some(window) = window else {
            let span = start..self.end();
            return Ok(Node { span, expression: Expression::Selector(selector) });
        };
        if window.is_empty() {
            return Err(syntax(self.here(), "a length of time is expected in the brackets"));
        }
        if window.contains(':') {
            return Err(pull(self.here(), "a subquery cannot be counted from samples"));
        }
        self.next += 1;
        let span = start..self.end();
        Ok(Node { span, expression: Expression::Range { selector, window } })
    }

    /// `label="value"` and its relatives, or a metric's name in quotes.
    fn matcher(&mut self, selector: &mut Selector) -> Result<(), Error> {
        let at = self.here();
        let (label, quoted) = match self.kind(0) {
            Some(Kind::Word) => (self.query[at.clone()].to_owned(), false),
            Some(Kind::Text(text)) => (text.clone(), true),
            _ => return Err(syntax(at, "a label is expected here")),
        };
        self.next += 1;
        let operator = match self.kind(0) {
            Some(Kind::Sign(sign @ ("=" | "!=" | "=~" | "!~"))) => *sign,
            _ if quoted => return name(selector, label, at),
            _ => return Err(syntax(self.here(), "one of =, !=, =~ and !~ is expected here")),
        };
        self.next += 1;
        let value_at = self.here();
        let Some(Kind::Text(value)) = self.kind(0) else {
            return Err(syntax(value_at, "a value in quotes is expected here"));
        };
        let value = value.clone();
        self.next += 1;
        let matcher = match operator {
            "=" if label == NAME_LABEL => return name(selector, value, at),
            "=" | "!=" => Matcher::equal(label, value, operator == "="),
            _ => Matcher::pattern(label, value, operator == "=~")
                .map_err(|message| syntax(value_at, &message))?,
        };
        selector.matchers.push(matcher);
        Ok(())
    }
}

/// Fixes the metric's name.
fn name(selector: &mut Selector, name: String, at: Range<usize>) -> Result<(), Error> {
    if selector.name.is_some() {
        return Err(syntax(at, "the metric has a name already"));
    }
    selector.name = Some(name);
    Ok(())
}
