//! From text to tokens. A name or a star behind something that could be an operand is an operator.

use super::Operator;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Slash,
    DoubleSlash,
    Dot,
    DoubleDot,
    At,
    Axis(String),
    Star,
    Pipe,
    Comma,
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Operator(Operator),
    Text(String),
    Number(f64),
    /// `name`, `prefix:name` or `prefix:*`.
    Name(String),
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = next(rest, first, tokens.last())?;
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// The token that a text begins with, and how long that is.
fn next(text: &str, first: char, before: Option<&Token>) -> Result<(Token, usize), String> {
    const PLAIN: [(&str, Token); 11] = [
        ("//", Token::DoubleSlash),
        ("/", Token::Slash),
        ("..", Token::DoubleDot),
        ("@", Token::At),
        ("|", Token::Pipe),
        (",", Token::Comma),
        ("(", Token::Open),
        (")", Token::Close),
        ("[", Token::OpenBracket),
        ("]", Token::CloseBracket),
        (".", Token::Dot),
    ];
    const OPERATORS: [(&str, Operator); 8] = [
        ("!=", Operator::Unequal),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("=", Operator::Equal),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("+", Operator::Add),
        ("-", Operator::Subtract),
    ];
    let digits = text.strip_prefix('.').unwrap_or(text);
    if digits.starts_with(|c: char| c.is_ascii_digit()) {
        let length = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let number = text[..length].parse().map_err(|_| format!("{:?} is no number", &text[..length]))?;
        return Ok((Token::Number(number), length));
    }
    if let Some((sign, token)) = PLAIN.iter().find(|(sign, _)| text.starts_with(sign)) {
        return Ok((token.clone(), sign.len()));
    }
    if let Some((sign, operator)) = OPERATORS.iter().find(|(sign, _)| text.starts_with(sign)) {
        return Ok((Token::Operator(*operator), sign.len()));
    }
    if matches!(first, '"' | '\'') {
        let end = text[1..].find(first).ok_or_else(|| format!("a text without its end: {text}"))?;
        return Ok((Token::Text(text[1..=end].to_owned()), end + 2));
    }
    let follows_operand = match before {
        None => false,
        Some(token) => !matches!(
            token,
            Token::At
                | Token::Axis(_)
                | Token::Open
                | Token::OpenBracket
                | Token::Comma
                | Token::Operator(_)
                | Token::Slash
                | Token::DoubleSlash
                | Token::Pipe
        ),
    };
    if first == '*' {
        let token = if follows_operand { Token::Operator(Operator::Multiply) } else { Token::Star };
        return Ok((token, 1));
    }
    let length = name_length(text);
    if length == 0 {
        return Err(format!("unexpected {first:?}"));
    }
    let name = &text[..length];
    if follows_operand {
        let operator = match name {
            "and" => Operator::And,
            "or" => Operator::Or,
            "div" => Operator::Divide,
            "mod" => Operator::Modulo,
            _ => return Err(format!("unexpected {name:?}")),
        };
        return Ok((Token::Operator(operator), length));
    }
    let rest = &text[length..];
    let behind = rest.trim_start();
    if behind.starts_with("::") {
        return Ok((Token::Axis(name.to_owned()), text.len() - behind.len() + 2));
    }
    if let Some(local) = rest.strip_prefix(':') {
        let more = if local.starts_with('*') { 1 } else { name_length(local) };
        if more == 0 {
            return Err(format!("a prefix without its name: {text}"));
        }
        return Ok((Token::Name(text[..length + 1 + more].to_owned()), length + 1 + more));
    }
    Ok((Token::Name(name.to_owned()), length))
}

/// How long the name is that a text begins with; 0 if there is none.
fn name_length(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return 0;
    }
    text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}'))).unwrap_or(text.len())
}
