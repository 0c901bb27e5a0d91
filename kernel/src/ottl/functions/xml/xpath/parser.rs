//! From tokens to an expression.

use super::calls::CALLS;
use super::lexer::{Token, tokens};
use super::{Axis, Expr, Operator, Start, Step, Test};
use crate::guess::guess;

/// How deep expressions may nest.
const MAX_DEPTH: usize = 32;
/// Characters of an expression.
const MAX_LENGTH: usize = 4096;

/// Operators by how tightly they bind, the loosest first.
const LEVELS: [&[Operator]; 6] = [
    &[Operator::Or],
    &[Operator::And],
    &[Operator::Equal, Operator::Unequal],
    &[Operator::Less, Operator::LessOrEqual, Operator::Greater, Operator::GreaterOrEqual],
    &[Operator::Add, Operator::Subtract],
    &[Operator::Multiply, Operator::Divide, Operator::Modulo],
];

pub(super) fn parse(text: &str) -> Result<Expr, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("it is longer than {MAX_LENGTH} bytes"));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expression = parser.expression()?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) => Err(format!("unexpected {}", shown(token))),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn takes(&mut self, token: &Token) -> bool {
        let is_next = self.peek() == Some(token);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, token: &Token) -> Result<(), String> {
        if self.takes(token) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(found) => format!("expected {}, found {}", shown(token), shown(found)),
            None => format!("expected {} at the end", shown(token)),
        })
    }

    fn expression(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("it nests deeper than {MAX_DEPTH} levels"));
        }
        let expression = self.binary(0);
        self.depth -= 1;
        expression
    }

    fn binary(&mut self, level: usize) -> Result<Expr, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(Token::Operator(operator)) = self.peek() {
            let operator = *operator;
            if !operators.contains(&operator) {
                break;
            }
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = Expr::Binary { operator, left: Box::new(left), right: Box::new(right) };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, String> {
        let mut negative = false;
        while self.takes(&Token::Operator(Operator::Subtract)) {
            negative = !negative;
        }
        let mut parts = vec![self.path()?];
        while self.takes(&Token::Pipe) {
            parts.push(self.path()?);
        }
        let operand = match (parts.len(), parts.iter().all(Expr::gives_nodes)) {
            (1, _) => parts.remove(0),
            (_, true) => Expr::Union(parts),
            (_, false) => return Err("only nodes can be united with |".to_owned()),
        };
        Ok(if negative { Expr::Negative(Box::new(operand)) } else { operand })
    }

    fn path(&mut self) -> Result<Expr, String> {
        let is_call = matches!(self.peek(), Some(Token::Name(name)) if !is_node_type(name))
            && self.tokens.get(self.at + 1) == Some(&Token::Open);
        if is_call || matches!(self.peek(), Some(Token::Text(_) | Token::Number(_) | Token::Open)) {
            let primary = self.primary()?;
            let predicates = self.predicates()?;
            let filtered = match predicates.is_empty() {
                true => primary,
                false if primary.gives_nodes() => Expr::Filter { nodes: Box::new(primary), predicates },
                false => return Err("only nodes have predicates".to_owned()),
            };
            if !matches!(self.peek(), Some(Token::Slash | Token::DoubleSlash)) {
                return Ok(filtered);
            }
            if !filtered.gives_nodes() {
                return Err("only nodes can be followed by a path".to_owned());
            }
            return self.steps(Start::Nodes(Box::new(filtered)), Vec::new());
        }
        match self.peek() {
            Some(Token::Slash) => {
                if !self.tokens.get(self.at + 1).is_some_and(begins_step) {
                    self.at += 1;
                    return Ok(Expr::Path { from: Start::Document, steps: Vec::new() });
                }
                self.steps(Start::Document, Vec::new())
            }
            Some(Token::DoubleSlash) => self.steps(Start::Document, Vec::new()),
            _ => {
                let first = self.step()?;
                self.steps(Start::Context, vec![first])
            }
        }
    }

    /// Everything that follows behind slashes.
    fn steps(&mut self, from: Start, mut steps: Vec<Step>) -> Result<Expr, String> {
        loop {
            if self.takes(&Token::DoubleSlash) {
                steps.push(Step { axis: Axis::DescendantOrSelf, test: Test::Any, predicates: Vec::new() });
            } else if !self.takes(&Token::Slash) {
                return Ok(Expr::Path { from, steps });
            }
            steps.push(self.step()?);
        }
    }

    fn step(&mut self) -> Result<Step, String> {
        let short = |axis| Step { axis, test: Test::Any, predicates: Vec::new() };
        if self.takes(&Token::Dot) {
            return Ok(Step { predicates: self.predicates()?, ..short(Axis::ItSelf) });
        }
        if self.takes(&Token::DoubleDot) {
            return Ok(Step { predicates: self.predicates()?, ..short(Axis::Parent) });
        }
        let axis = match self.peek() {
            Some(Token::At) => Axis::Attribute,
            Some(Token::Axis(name)) => axis(name)?,
            _ => Axis::Child,
        };
        self.at += usize::from(matches!(self.peek(), Some(Token::At | Token::Axis(_))));
        let test = match self.peek().cloned() {
            Some(Token::Star) => Test::Name { prefix: None, local: None },
            Some(Token::Name(name)) if self.tokens.get(self.at + 1) == Some(&Token::Open) => {
                self.at += 2;
                let test = self.node_type(&name)?;
                self.expect(&Token::Close)?;
                return Ok(Step { axis, test, predicates: self.predicates()? });
            }
            Some(Token::Name(name)) => name_test(&name),
            Some(token) => return Err(format!("expected a step, found {}", shown(&token))),
            None => return Err("expected a step at the end".to_owned()),
        };
        self.at += 1;
        Ok(Step { axis, test, predicates: self.predicates()? })
    }

    fn node_type(&mut self, name: &str) -> Result<Test, String> {
        match name {
            "node" => Ok(Test::Any),
            "text" => Ok(Test::Text),
            "comment" => Ok(Test::Comment),
            "processing-instruction" => match self.peek().cloned() {
                Some(Token::Text(target)) => {
                    self.at += 1;
                    Ok(Test::Instruction(Some(target)))
                }
                _ => Ok(Test::Instruction(None)),
            },
            _ => Err(format!("{name}() cannot be a step")),
        }
    }

    fn predicates(&mut self) -> Result<Vec<Expr>, String> {
        let mut predicates = Vec::new();
        while self.takes(&Token::OpenBracket) {
            predicates.push(self.expression()?);
            self.expect(&Token::CloseBracket)?;
        }
        Ok(predicates)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let token = self.peek().cloned();
        self.at += 1;
        match token {
            Some(Token::Text(text)) => Ok(Expr::Text(text)),
            Some(Token::Number(number)) => Ok(Expr::Number(number)),
            Some(Token::Open) => {
                let inner = self.expression()?;
                self.expect(&Token::Close)?;
                Ok(inner)
            }
            Some(Token::Name(name)) => {
                self.at += 1;
                self.call(&name)
            }
            _ => Err("expected a value".to_owned()),
        }
    }

    fn call(&mut self, name: &str) -> Result<Expr, String> {
        let Some(call) = CALLS.iter().find(|call| call.name == name) else {
            let hint = guess(name, CALLS.iter().map(|call| call.name));
            return Err(format!("there is no function {name}{hint}"));
        };
        let mut arguments = Vec::new();
        while self.peek() != Some(&Token::Close) {
            if !arguments.is_empty() {
                self.expect(&Token::Comma)?;
            }
            arguments.push(self.expression()?);
        }
        self.expect(&Token::Close)?;
        if !call.takes.contains(&arguments.len()) {
            return Err(format!("{name} does not take {} arguments", arguments.len()));
        }
        if call.wants_nodes && arguments.first().is_some_and(|first| !first.gives_nodes()) {
            return Err(format!("{name} wants nodes"));
        }
        Ok(Expr::Call { call, arguments })
    }
}

fn is_node_type(name: &str) -> bool {
    matches!(name, "node" | "text" | "comment" | "processing-instruction")
}

fn begins_step(token: &Token) -> bool {
    matches!(token, Token::Dot | Token::DoubleDot | Token::At | Token::Axis(_) | Token::Star | Token::Name(_))
}

fn axis(name: &str) -> Result<Axis, String> {
    Ok(match name {
        "ancestor" => Axis::Ancestor,
        "ancestor-or-self" => Axis::AncestorOrSelf,
        "attribute" => Axis::Attribute,
        "child" => Axis::Child,
        "descendant" => Axis::Descendant,
        "descendant-or-self" => Axis::DescendantOrSelf,
        "following" => Axis::Following,
        "following-sibling" => Axis::FollowingSibling,
        "parent" => Axis::Parent,
        "preceding" => Axis::Preceding,
        "preceding-sibling" => Axis::PrecedingSibling,
        "self" => Axis::ItSelf,
        _ => return Err(format!("there is no axis {name}")),
    })
}

fn name_test(name: &str) -> Test {
    match name.split_once(':') {
        Some((prefix, "*")) => Test::Name { prefix: Some(prefix.to_owned()), local: None },
        Some((prefix, local)) => Test::Name { prefix: Some(prefix.to_owned()), local: Some(local.to_owned()) },
        None => Test::Name { prefix: Some(String::new()), local: Some(name.to_owned()) },
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Slash => "/".to_owned(),
        Token::DoubleSlash => "//".to_owned(),
        Token::Dot => ".".to_owned(),
        Token::DoubleDot => "..".to_owned(),
        Token::At => "@".to_owned(),
        Token::Star => "*".to_owned(),
        Token::Pipe => "|".to_owned(),
        Token::Comma => "a comma".to_owned(),
        Token::Open => "(".to_owned(),
        Token::Close => ")".to_owned(),
        Token::OpenBracket => "[".to_owned(),
        Token::CloseBracket => "]".to_owned(),
        Token::Axis(name) => format!("{name}::"),
        Token::Operator(_) => "an operator".to_owned(),
        Token::Text(text) => format!("{text:?}"),
        Token::Number(number) => number.to_string(),
        Token::Name(name) => name.clone(),
    }
}
