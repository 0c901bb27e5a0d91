//! Tokens to a tree, by recursive descent.
//!
//! ```text
//! statement  = editor [ "where" condition ]
//! condition  = term { "or" term }
//! term       = factor { "and" factor }
//! factor     = [ "not" ] ( comparison | "true" | "false" | function | "(" condition ")" )
//! ```
//!
//! What parentheses hold, a condition or arithmetic, is told by the token behind them, so nothing is ever read
//! twice. Nesting is bounded: every walk over the tree recurses, and a stack overflow would end the process.

use super::ast::{Argument, Call, Comparison, Condition, Operator, Path, Segment, Statement, Value, ValueKind};
use super::lexer::{Lexeme, Token, lex};
use super::problem::Problem;

/// How deep parentheses, lists, maps, calls and keys may nest.
const MAX_NESTING: usize = 64;

/// Reads a condition. Whether its paths and functions exist is another question.
pub fn parse_condition(source: &str) -> Result<Condition, Problem> {
    let mut parser = Parser::new(source)?;
    let condition = parser.condition()?;
    parser.end()?;
    Ok(condition)
}

/// Reads a statement: an editor with an optional condition.
pub fn parse_statement(source: &str) -> Result<Statement, Problem> {
    let mut parser = Parser::new(source)?;
    let statement = parser.statement()?;
    parser.end()?;
    Ok(statement)
}

struct Parser<'s> {
    source: &'s str,
    lexemes: Vec<Lexeme>,
    /// For each opening parenthesis the index of the token behind its closing one.
    behind: Vec<usize>,
    at: usize,
    depth: usize,
}

impl<'s> Parser<'s> {
    fn new(source: &'s str) -> Result<Self, Problem> {
        let lexemes = lex(source)?;
        let mut behind = vec![lexemes.len(); lexemes.len()];
        let mut open = Vec::new();
        for (index, lexeme) in lexemes.iter().enumerate() {
            match lexeme.token {
                Token::Sign("(") => open.push(index),
                Token::Sign(")") => {
                    if let Some(start) = open.pop() {
                        behind[start] = index + 1;
                    }
                }
                _ => {}
            }
        }
        Ok(Self { source, lexemes, behind, at: 0, depth: 0 })
    }

    fn token(&self) -> Option<&Token> {
        self.lexemes.get(self.at).map(|lexeme| &lexeme.token)
    }

    /// Where the next token begins in the source.
    fn offset(&self) -> usize {
        self.lexemes.get(self.at).map_or(self.source.len(), |lexeme| lexeme.start)
    }

    fn sign_at(&self, index: usize) -> Option<&'static str> {
        match self.lexemes.get(index)?.token {
            Token::Sign(sign) => Some(sign),
            _ => None,
        }
    }

    fn sign(&self) -> Option<&'static str> {
        self.sign_at(self.at)
    }

    fn word(&self) -> Option<&str> {
        match self.token()? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.sign() == Some(sign);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.word() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(self.source, self.offset(), message)
    }

    /// The complaint about the next token.
    fn expected(&self, what: &str) -> Problem {
        match self.lexemes.get(self.at) {
            Some(lexeme) => {
                let found: String = self.source[lexeme.start..lexeme.end].chars().take(40).collect();
                self.problem(format!("expected {what}, found '{found}'"))
            }
            None => self.problem(format!("expected {what}, found the end")),
        }
    }

    fn expect(&mut self, sign: &str) -> Result<(), Problem> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.expected(&format!("'{sign}'"))) }
    }

    fn end(&self) -> Result<(), Problem> {
        match self.token() {
            None => Ok(()),
            Some(Token::Sign("=")) => Err(self.problem("expected the end, found '='; equality is written '=='")),
            Some(_) if comparison(self.sign()).is_some() => {
                Err(self.problem("comparisons cannot be chained; join them with 'and'"))
            }
            Some(_) => Err(self.expected("the end")),
        }
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        if self.depth == MAX_NESTING {
            return Err(self.problem(format!("nested deeper than {MAX_NESTING} levels")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn statement(&mut self) -> Result<Statement, Problem> {
        let is_call = self.sign_at(self.at + 1) == Some("(");
        let name = match self.word() {
            Some(word) if is_call && word.starts_with(|c: char| c.is_ascii_lowercase()) => word.to_owned(),
            Some(word) if is_call && word.starts_with(|c: char| c.is_ascii_uppercase()) => {
                return Err(self
                    .problem(format!("a statement begins with an editor, whose name is lower case, not with {word}")));
            }
            _ => return Err(self.expected("an editor such as set(…)")),
        };
        let at = self.offset();
        self.at += 1;
        let arguments = self.arguments()?;
        if self.sign() == Some("[") {
            return Err(self.problem("the result of an editor cannot be indexed"));
        }
        let condition = if self.take_word("where") { Some(self.condition()?) } else { None };
        Ok(Statement { editor: Call { at, name, arguments, keys: Vec::new() }, condition })
    }

    fn condition(&mut self) -> Result<Condition, Problem> {
        let first = self.term()?;
        if self.word() != Some("or") {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.take_word("or") {
            terms.push(self.term()?);
        }
        Ok(Condition::Or(terms))
    }

    fn term(&mut self) -> Result<Condition, Problem> {
        let first = self.factor()?;
        if self.word() != Some("and") {
            return Ok(first);
        }
        let mut factors = vec![first];
        while self.take_word("and") {
            factors.push(self.factor()?);
        }
        Ok(Condition::And(factors))
    }

    fn factor(&mut self) -> Result<Condition, Problem> {
        if self.take_word("not") {
            if self.word() == Some("not") {
                return Err(self.problem("'not not' is not allowed; write 'not (not …)'"));
            }
            return Ok(Condition::Not(Box::new(self.plain_factor()?)));
        }
        self.plain_factor()
    }

    fn plain_factor(&mut self) -> Result<Condition, Problem> {
        if self.sign() == Some("(") && !continues_value(self.sign_at(self.behind[self.at])) {
            self.at += 1;
            let condition = self.nested(Self::condition)?;
            self.expect(")")?;
            return Ok(condition);
        }
        let start = self.offset();
        let left = self.value()?;
        if let Some(operator) = comparison(self.sign()) {
            self.at += 1;
            let right = self.value()?;
            return Ok(Condition::Compare { left, operator, right });
        }
        match left.kind {
            ValueKind::Bool(value) => Ok(Condition::Constant(value)),
            ValueKind::Call(call) => Ok(Condition::Call(call)),
            ValueKind::Path(path) if self.sign() != Some("=") => {
                let message = format!("a path alone is no condition; write '{} == true'", path.dotted());
                Err(Problem::new(self.source, start, message))
            }
            _ if self.sign() == Some("=") => Err(self.problem("equality is written '=='")),
            _ => Err(self.expected("a comparison such as '=='")),
        }
    }

    fn value(&mut self) -> Result<Value, Problem> {
        let at = self.offset();
        if let Some(kind) = self.lone_value()? {
            if let Some(sign @ ("+" | "-" | "*" | "/")) = self.sign() {
                let message = format!("only numbers, paths, functions and parentheses can stand beside '{sign}'");
                return Err(self.problem(message));
            }
            return Ok(Value { at, kind });
        }
        self.chain(&[("+", Operator::Add), ("-", Operator::Subtract)], |parser| {
            parser.chain(&[("*", Operator::Multiply), ("/", Operator::Divide)], Self::operand)
        })
    }

    /// A value that cannot stand beside an operator, if that is what comes.
    fn lone_value(&mut self) -> Result<Option<ValueKind>, Problem> {
        let kind = match self.token() {
            Some(Token::Text(text)) => ValueKind::Text(text.clone()),
            Some(Token::Bytes(bytes)) => ValueKind::Bytes(bytes.clone()),
            Some(Token::Word(word)) => match word.as_str() {
                "nil" => ValueKind::Nil,
                "true" => ValueKind::Bool(true),
                "false" => ValueKind::Bool(false),
                word if self.sign_at(self.at + 1) == Some("=>") => {
                    return Err(self.problem(format!("lambdas are not supported: '{word} => …'")));
                }
                word if word.starts_with(|c: char| c.is_ascii_uppercase())
                    && self.sign_at(self.at + 1) != Some("(") =>
                {
                    ValueKind::Name(word.to_owned())
                }
                _ => return Ok(None),
            },
            Some(Token::Sign("[")) => {
                self.at += 1;
                return Ok(Some(ValueKind::List(self.nested(Self::items)?)));
            }
            Some(Token::Sign("{")) => {
                self.at += 1;
                return Ok(Some(ValueKind::Map(self.nested(Self::entries)?)));
            }
            Some(Token::Sign("(")) if self.sign_at(self.behind[self.at]) == Some("=>") => {
                return Err(self.problem("lambdas are not supported: '(…) => …'"));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(kind))
    }

    fn items(&mut self) -> Result<Vec<Value>, Problem> {
        let mut items = Vec::new();
        if self.take_sign("]") {
            return Ok(items);
        }
        loop {
            items.push(self.value()?);
            if !self.take_sign(",") {
                self.expect("]")?;
                return Ok(items);
            }
        }
    }

    fn entries(&mut self) -> Result<Vec<(Vec<u8>, Value)>, Problem> {
        let mut entries = Vec::new();
        while !self.take_sign("}") {
            let Some(Token::Text(key)) = self.token() else {
                return Err(self.expected("a key in double quotes or '}'"));
            };
            let key = key.clone();
            self.at += 1;
            self.expect(":")?;
            entries.push((key, self.value()?));
            if !self.take_sign(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(entries)
    }

    /// Operands between operators of one precedence.
    fn chain(
        &mut self,
        operators: &[(&str, Operator)],
        operand: impl Fn(&mut Self) -> Result<Value, Problem>,
    ) -> Result<Value, Problem> {
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.sign() == Some(sign)) {
            self.at += 1;
            rest.push((*operator, operand(self)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Value { at: first.at, kind: ValueKind::Chain { first: Box::new(first), rest } })
    }

    fn operand(&mut self) -> Result<Value, Problem> {
        let at = self.offset();
        if self.take_sign("-") {
            return Ok(Value { at, kind: ValueKind::Negative(Box::new(self.unsigned()?)) });
        }
        if self.take_sign("+") {
            return Ok(Value { at, kind: ValueKind::Positive(Box::new(self.unsigned()?)) });
        }
        self.unsigned()
    }

    fn unsigned(&mut self) -> Result<Value, Problem> {
        let at = self.offset();
        let kind = match self.token() {
            Some(Token::Int(value)) => ValueKind::Int(*value),
            Some(Token::Double(value)) => ValueKind::Double(*value),
            Some(Token::Sign("(")) => {
                self.at += 1;
                let inner = self.nested(Self::value)?;
                self.expect(")")?;
                // A lone value in parentheses is none that could be calculated with.
                if matches!(inner.kind, ValueKind::Text(_) | ValueKind::Bytes(_) | ValueKind::Nil | ValueKind::Bool(_))
                    || matches!(inner.kind, ValueKind::Name(_) | ValueKind::List(_) | ValueKind::Map(_))
                {
                    return Err(Problem::new(
                        self.source,
                        at,
                        "only arithmetic and conditions can stand in parentheses",
                    ));
                }
                return Ok(inner);
            }
            Some(Token::Word(_)) => return self.named(at),
            Some(Token::Text(_) | Token::Bytes(_)) | None | Some(Token::Sign(_)) => {
                return Err(self.expected("a value"));
            }
        };
        self.at += 1;
        Ok(Value { at, kind })
    }

    /// A function or a path.
    fn named(&mut self, at: usize) -> Result<Value, Problem> {
        let word = self.word().unwrap_or_default().to_owned();
        if matches!(word.as_str(), "nil" | "true" | "false" | "not" | "and" | "or") {
            return Err(self.expected("a value"));
        }
        if self.sign_at(self.at + 1) != Some("(") {
            return Ok(Value { at, kind: ValueKind::Path(self.path(at)?) });
        }
        if !word.starts_with(|c: char| c.is_ascii_uppercase()) {
            let message = format!(
                "'{word}(…)' is an editor: it can only begin a statement; functions with a value start upper case"
            );
            return Err(self.problem(message));
        }
        self.at += 1;
        let arguments = self.arguments()?;
        let keys = self.keys()?;
        Ok(Value { at, kind: ValueKind::Call(Call { at, name: word, arguments, keys }) })
    }

    fn path(&mut self, at: usize) -> Result<Path, Problem> {
        let mut segments = Vec::new();
        loop {
            let Some(word) = self.word() else { return Err(self.expected("a name")) };
            let name = word.to_owned();
            if matches!(word, "nil" | "true" | "false" | "not" | "and" | "or") {
                return Err(self.problem(format!("'{name}' cannot be part of a path")));
            }
            if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.contains(|c: char| c.is_ascii_uppercase()) {
                return Err(self.problem(format!("a path is written in lower case, found '{name}'")));
            }
            self.at += 1;
            segments.push(Segment { name, keys: self.keys()? });
            if !self.take_sign(".") {
                return Ok(Path { at, segments });
            }
        }
    }

    fn keys(&mut self) -> Result<Vec<Value>, Problem> {
        let mut keys = Vec::new();
        while self.take_sign("[") {
            let key = self.nested(Self::value)?;
            if matches!(key.kind, ValueKind::Nil | ValueKind::Bool(_) | ValueKind::Bytes(_))
                || matches!(key.kind, ValueKind::Name(_) | ValueKind::List(_) | ValueKind::Map(_))
            {
                return Err(Problem::new(
                    self.source,
                    key.at,
                    "a key is a string, an integer, or an expression that gives one",
                ));
            }
            self.expect("]")?;
            keys.push(key);
        }
        Ok(keys)
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, Problem> {
        self.expect("(")?;
        self.nested(|parser| {
            let mut arguments: Vec<Argument> = Vec::new();
            if parser.take_sign(")") {
                return Ok(arguments);
            }
            loop {
                let named = parser.sign_at(parser.at + 1) == Some("=");
                let name = if named { parser.word().map(str::to_owned) } else { None };
                if name.is_some() {
                    parser.at += 2;
                } else if arguments.last().is_some_and(|argument| argument.name.is_some()) {
                    return Err(parser.problem("an argument without a name stands behind one with a name"));
                }
                arguments.push(Argument { name, value: parser.value()? });
                if !parser.take_sign(",") {
                    parser.expect(")")?;
                    return Ok(arguments);
                }
            }
        })
    }
}

/// Whether this sign behind a closing parenthesis shows that the parentheses hold a value.
fn continues_value(sign: Option<&str>) -> bool {
    comparison(sign).is_some() || matches!(sign, Some("+" | "-" | "*" | "/" | "=>"))
}

fn comparison(sign: Option<&str>) -> Option<Comparison> {
    Some(match sign? {
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(source: &str) -> String {
        parse_condition(source).map(|tree| format!("{tree:?}")).unwrap_err().message
    }

    #[test]
    fn everything_the_grammar_has_is_read() {
        for source in [
            r#"span.attributes["a"]["b"][0] == nil and not IsRootSpan() or (true and false)"#,
            "(1 + 2) * -3 <= +span.kind / 2",
            "((1)) == (2)",
            r#"Split("a,b", ",")[0] == "a""#,
            r#"F(a = 1, b_c = [1, "x", nil, [2]], d = {"k": {"l": 1},})"#,
            "span.attributes[Concat([\"a\"], \"\")] != 0x00ff",
            "not (not true)",
            "IsMatch(\n  span.name,\n  \"x\"\n)",
            "true == false",
            "{} == []",
        ] {
            parse_condition(source).unwrap_or_else(|problem| panic!("{problem}"));
        }
        parse_statement(r#"set(span.name, "x") where span.kind == SPAN_KIND_SERVER"#).unwrap();
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (source, expected) in [
            ("", "expected a value, found the end"),
            (r#"span.attributes["t"]"#, "a path alone is no condition; write 'span.attributes == true'"),
            ("1 < 2 < 3", "comparisons cannot be chained; join them with 'and'"),
            ("span.name = \"x\"", "equality is written '=='"),
            ("not not true", "'not not' is not allowed; write 'not (not …)'"),
            (r#""a" + "b" == "ab""#, "only numbers, paths, functions and parentheses can stand beside '+'"),
            (r#"1 + "b" == "ab""#, "expected a value, found '\"b\"'"),
            ("--2 == 2", "expected a value, found '-'"),
            ("nil + 1 == 2", "only numbers, paths, functions and parentheses can stand beside '+'"),
            ("[1, 2][0] == 1", "expected a comparison such as '==', found '['"),
            ("span.attributes[nil] == 1", "a key is a string, an integer, or an expression that gives one"),
            ("1e5 == 1", "expected a comparison such as '==', found 'e5'"),
            (
                "set(span.name, 1)",
                "'set(…)' is an editor: it can only begin a statement; functions with a value start upper case",
            ),
            ("span.Name == 1", "a path is written in lower case, found 'Name'"),
            ("span.nil == 1", "'nil' cannot be part of a path"),
            ("F(a = 1, 2)", "an argument without a name stands behind one with a name"),
            ("Any(span.events, (e) => e == 1)", "lambdas are not supported: '(…) => …'"),
            ("Any(span.events, e => e == 1)", "lambdas are not supported: 'e => …'"),
            ("(true", "expected ')', found the end"),
            ("true)", "expected the end, found ')'"),
            ("(\"a\") == \"a\"", "only arithmetic and conditions can stand in parentheses"),
        ] {
            assert_eq!(message(source), expected, "{source}");
        }
        assert_eq!(
            parse_statement("IsMatch(span.name)").unwrap_err().message,
            "a statement begins with an editor, whose name is lower case, not with IsMatch"
        );
    }

    #[test]
    fn nesting_is_bounded_and_length_is_not() {
        for (open, close) in
            [("(", ")"), ("F(", ")"), ("[", "]"), ("{\"a\":", "}"), ("span.attributes[", "]"), ("not (", ")")]
        {
            for depth in [100, 100_000] {
                let source = format!("{}1{} == 1", open.repeat(depth), close.repeat(depth));
                assert!(parse_condition(&source).is_err(), "{open}");
                assert!(parse_condition(&open.repeat(depth)).is_err(), "{open}");
            }
        }
        parse_condition(&format!("1{} == 1", " + 1 * 1".repeat(20_000))).unwrap();
        parse_condition(&format!("true{}", " or true and true".repeat(20_000))).unwrap();
    }
}
