//! From CEL's syntax tree to a condition with types.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, Expr, LiteralValue, SourceInfo, operators};
use cel::parser::{Expression, Parser};
use flyball_model::{Duration, Rational};

use super::{
    CONDITION_BYTES_MAX, ConditionError, Kind, Node, Number, Operand, Operator, Place, Value,
    Variable,
};

/// How deep a condition nests; deeper ones are refused by the parser.
const DEPTH_MAX: u16 = 32;

/// Compiles `text`, and says which of `variables` it names.
pub(super) fn compile(
    text: &str,
    variables: &'static [Variable],
) -> Result<(Node, BTreeSet<Place>), ConditionError> {
    let at_start = |message: String| ConditionError { line: 1, column: 1, message };
    if text.len() > CONDITION_BYTES_MAX {
        let message =
            format!("a condition has at most {CONDITION_BYTES_MAX} bytes, not {}", text.len());
        return Err(at_start(message));
    }
    if text.trim().is_empty() {
        return Err(at_start(
            "a condition is empty; hint: write `true` for one that always holds".into(),
        ));
    }
    let parser = Parser::new().max_recursion_depth(DEPTH_MAX);
    let (root, source) = parser.parse_with_source_info(text).map_err(|errors| {
        let Some(error) = errors.errors.first() else {
            return at_start("this is not CEL".to_owned());
        };
        let place = |value: isize| usize::try_from(value).unwrap_or(1).max(1);
        let message = format!("this is not CEL: {}", error.msg);
        ConditionError { line: place(error.pos.0), column: place(error.pos.1), message }
    })?;
    let mut compiler = Compiler { text, source: &source, variables, places: BTreeSet::new() };
    let root = compiler.node(&root)?;
    Ok((root, compiler.places))
}

struct Compiler<'a> {
    text: &'a str,
    source: &'a SourceInfo,
    variables: &'static [Variable],
    places: BTreeSet<Place>,
}

impl Compiler<'_> {
    /// A part that is true, false or unknown.
    fn node(&mut self, expression: &Expression) -> Result<Node, ConditionError> {
        match &expression.expr {
            Expr::Literal(LiteralValue::Boolean(value)) => Ok(Node::Literal(*value.inner())),
            Expr::Ident(_) | Expr::Select(_) => {
                let place = self.place(expression)?;
                let variable = self.variable(place);
                if variable.kind != Kind::Bool {
                    return Err(self.error(
                        expression,
                        format!("`{}` is {}; hint: compare it with something", variable.name, variable.kind),
                    ));
                }
                Ok(Node::Variable(place))
            }
            Expr::Call(call) => self.call(expression, call),
            _ => Err(self.error(
                expression,
                "this is not true or false; hint: a condition is made of comparisons, `&&`, `||` and `!`".into(),
            )),
        }
    }

    fn call(&mut self, expression: &Expression, call: &CallExpr) -> Result<Node, ConditionError> {
        let both = |compiler: &mut Self, make: fn(Box<Node>, Box<Node>) -> Node| {
            let [left, right] = call.args.as_slice() else {
                return Err(compiler.unsupported(expression, call));
            };
            Ok(make(Box::new(compiler.node(left)?), Box::new(compiler.node(right)?)))
        };
        let operator = match call.func_name.as_str() {
            operators::LOGICAL_AND => return both(self, Node::And),
            operators::LOGICAL_OR => return both(self, Node::Or),
            operators::LOGICAL_NOT => {
                let [inner] = call.args.as_slice() else {
                    return Err(self.unsupported(expression, call));
                };
                return Ok(Node::Not(Box::new(self.node(inner)?)));
            }
            operators::IN => return self.member(expression, call),
            operators::EQUALS => Operator::Equal,
            operators::NOT_EQUALS => Operator::NotEqual,
            operators::LESS => Operator::Less,
            operators::LESS_EQUALS => Operator::AtMost,
            operators::GREATER => Operator::Greater,
            operators::GREATER_EQUALS => Operator::AtLeast,
            _ => return Err(self.unsupported(expression, call)),
        };
        let [left_side, right_side] = call.args.as_slice() else {
            return Err(self.unsupported(expression, call));
        };
        let (left, right) = (self.operand(left_side)?, self.operand(right_side)?);
        let (left_kind, right_kind) = (self.kind(&left), self.kind(&right));
        if left_kind != right_kind {
            let message = format!("{left_kind} is compared with {right_kind}");
            return Err(self.error(right_side, message));
        }
        if operator.is_order() && matches!(left_kind, Kind::Bool | Kind::Text) {
            let message =
                format!("{left_kind} is not more or less than another; hint: use `==` or `!=`");
            return Err(self.error(left_side, message));
        }
        for (variable, literal, place) in [(&left, &right, right_side), (&right, &left, left_side)]
        {
            if let (Operand::Variable(variable), Operand::Literal(value)) = (variable, literal) {
                self.can_be(*variable, value, place)?;
            }
        }
        Ok(Node::Compare(left, operator, right))
    }

    /// `variable in [literals]`.
    fn member(&mut self, expression: &Expression, call: &CallExpr) -> Result<Node, ConditionError> {
        let [element, list] = call.args.as_slice() else {
            return Err(self.unsupported(expression, call));
        };
        let Expr::List(literals) = &list.expr else {
            let message = "`in` needs a list of literals, like `service.tier in [\"critical\", \"standard\"]`";
            return Err(self.error(list, message.to_owned()));
        };
        let operand = self.operand(element)?;
        let mut values = Vec::with_capacity(literals.elements.len());
        for literal in &literals.elements {
            let Operand::Literal(value) = self.operand(literal)? else {
                return Err(self.error(literal, "a list holds literals only".to_owned()));
            };
            if value.kind() != self.kind(&operand) {
                let kind = self.kind(&operand);
                let message = format!("{kind} is looked for among lists of {}", value.kind());
                return Err(self.error(literal, message));
            }
            if let Operand::Variable(place) = &operand {
                self.can_be(*place, &value, literal)?;
            }
            values.push(value);
        }
        Ok(Node::In(operand, values))
    }

    fn operand(&mut self, expression: &Expression) -> Result<Operand, ConditionError> {
        match &expression.expr {
            Expr::Ident(_) | Expr::Select(_) => Ok(Operand::Variable(self.place(expression)?)),
            Expr::Literal(literal) => Ok(Operand::Literal(self.literal(expression, literal)?)),
            Expr::Call(call) if call.func_name == operators::NEGATE => {
                match call.args.first().map(|inner| self.operand(inner)).transpose()? {
                    Some(Operand::Literal(Value::Number(number))) => {
                        Ok(Operand::Literal(Value::Number(number.negated())))
                    }
                    _ => Err(self.error(expression, "only a number can be negated".to_owned())),
                }
            }
            Expr::Call(call) if call.func_name == "duration" => {
                let text = match call.args.as_slice() {
                    [Expression { expr: Expr::Literal(LiteralValue::String(text)), .. }] => {
                        text.inner()
                    }
                    _ => {
                        return Err(self.error(
                            expression,
                            "write a length of time like `duration(\"24h\")`".into(),
                        ));
                    }
                };
                match Duration::parse(text) {
                    Ok(length) => Ok(Operand::Literal(Value::Length(length))),
                    Err(error) => Err(self.error(expression, error.to_string())),
                }
            }
            Expr::Call(call) => Err(self.unsupported(expression, call)),
            _ => Err(self.error(expression, "write a variable or a literal here".to_owned())),
        }
    }

    fn literal(
        &self,
        expression: &Expression,
        literal: &LiteralValue,
    ) -> Result<Value, ConditionError> {
        match literal {
            LiteralValue::Boolean(value) => Ok(Value::Bool(*value.inner())),
            LiteralValue::String(text) => Ok(Value::Text(text.inner().to_owned().into())),
            LiteralValue::UInt(value) => Ok(Value::Number(Number::count(*value.inner()))),
            LiteralValue::Int(value) => {
                let size = Number::count(value.inner().unsigned_abs());
                Ok(Value::Number(if *value.inner() < 0 { size.negated() } else { size }))
            }
            LiteralValue::Double(value) => {
                // The shortest decimal that names this double is what was written, up to the 15
                // digits that a double holds.
                let text = value.inner().abs().to_string();
                let Some(size) = Rational::parse(&text).map(Number::of) else {
                    let message =
                        format!("`{text}` has more places than the twelve that are compared");
                    return Err(self.error(expression, message));
                };
                Ok(Value::Number(if *value.inner() < 0.0 { size.negated() } else { size }))
            }
            LiteralValue::Null | LiteralValue::Bytes(_) => {
                let message = "only numbers, texts, `true`, `false` and lengths of time are compared; hint: what is \
                               unknown makes a condition undecided, it is not null";
                Err(self.error(expression, message.to_owned()))
            }
        }
    }

    /// The variable of a dotted name.
    fn place(&mut self, expression: &Expression) -> Result<Place, ConditionError> {
        let mut parts = Vec::new();
        let mut inner = expression;
        loop {
            match &inner.expr {
                Expr::Select(select) if !select.test => {
                    parts.push(select.field.as_str());
                    inner = &select.operand;
                }
                Expr::Ident(root) => {
                    parts.push(root);
                    break;
                }
                _ => {
                    let like = self.variables.first().map_or("", |variable| variable.name);
                    let message = format!("write a variable like `{like}` here");
                    return Err(self.error(expression, message));
                }
            }
        }
        parts.reverse();
        let text = parts.join(".");
        let Some(place) = self.variables.iter().position(|variable| variable.name == text) else {
            let near = near(&text, self.variables);
            return Err(self.error(inner, format!("there is no variable `{text}`; {near}")));
        };
        self.places.insert(Place(place));
        Ok(Place(place))
    }

    fn variable(&self, place: Place) -> &'static Variable {
        &self.variables[place.0]
    }

    fn kind(&self, operand: &Operand) -> Kind {
        match operand {
            Operand::Literal(value) => value.kind(),
            Operand::Variable(place) => self.variable(*place).kind,
        }
    }

    /// Refuses words that a variable never is.
    fn can_be(
        &self,
        variable: Place,
        value: &Value,
        place: &Expression,
    ) -> Result<(), ConditionError> {
        let variable = self.variable(variable);
        match value {
            Value::Text(text)
                if !variable.words.is_empty() && !variable.words.contains(&text.as_ref()) =>
            {
                let words = variable.words.join(", ");
                let message =
                    format!("`{}` is never `{text}`; hint: it is one of {words}", variable.name);
                Err(self.error(place, message))
            }
            _ => Ok(()),
        }
    }

    fn unsupported(&self, expression: &Expression, call: &CallExpr) -> ConditionError {
        let message = format!(
            "`{}` is not accepted in a condition; hint: it is made of comparisons of variables with literals, \
             `in`, `duration(\"24h\")`, `&&`, `||` and `!`",
            call.func_name.trim_matches('_').trim_start_matches('@')
        );
        self.error(expression, message)
    }

    /// An error at the place of `expression`.
    fn error(&self, expression: &Expression, message: String) -> ConditionError {
        // A dotted name begins at its first part; the parser keeps its last dot.
        let mut first = expression;
        while let Expr::Select(select) = &first.expr {
            first = &select.operand;
        }
        // The parser counts bytes, people count characters.
        let offset = self.source.offset_for(first.id).map_or(0, |(start, _)| start as usize);
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        ConditionError { line, column, message }
    }
}

/// Variables of the same group, or the groups.
fn near(text: &str, variables: &[Variable]) -> String {
    let group = text.split_once('.').map_or(text, |(group, _)| group);
    let grouped = variables.iter().filter_map(|variable| variable.name.split_once('.'));
    let same: Vec<&str> = variables
        .iter()
        .map(|variable| variable.name)
        .filter(|name| name.split_once('.').is_some_and(|(own, _)| own == group))
        .collect();
    if same.is_empty() {
        let mut groups: Vec<&str> = grouped.map(|(group, _)| group).collect();
        groups.dedup();
        return format!("hint: variables begin with one of {}", groups.join(", "));
    }
    format!("hint: there are {}", same.join(", "))
}
