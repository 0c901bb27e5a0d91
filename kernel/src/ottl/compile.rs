//! Trees to expressions: names are looked up, arguments checked, constants settled.

use std::borrow::Cow;

use super::ast::{self, ValueKind};
use super::context::{Context, Subject};
use super::datum::{Datum, repaired};
use super::editors::{self, Editor};
use super::eval::{Check, Expression, Key};
use super::functions::{self, Argument, Complaint, Kind, Parameter, XPath};
use super::key_set::KeySet;
use super::path::{self, ENUMS, Entry, Keys};
use super::problem::Problem;
use super::target::Target;
use crate::guess::guess;
use crate::view::Needs;
use crate::{glob, pattern};

/// Compiles what belongs to one source text, for one context.
pub(super) struct Compiler<'s> {
    source: &'s str,
    context: Context,
    /// What must be decoded for what was compiled so far.
    pub needs: Needs,
    /// Whether it matters who sent a request.
    pub reads_origin: bool,
    /// The outermost context of which an editor changes something.
    pub writes: Option<Context>,
    /// What the text is called in messages.
    what: &'static str,
}

impl<'s> Compiler<'s> {
    pub(super) fn new(source: &'s str, context: Context) -> Self {
        Self { source, context, needs: Needs::default(), reads_origin: false, writes: None, what: "condition" }
    }

    /// The same for a statement.
    pub(super) fn statement(source: &'s str, context: Context) -> Self {
        Self { what: "statement", ..Self::new(source, context) }
    }

    fn problem<T>(&self, at: usize, message: impl Into<String>) -> Result<T, Problem> {
        Err(Problem::new(self.source, at, message))
    }

    /// What literals decide is decided here. So an operand beside `or true` is never evaluated, and cannot fail.
    pub(super) fn condition(&mut self, condition: &ast::Condition) -> Result<Check, Problem> {
        Ok(match condition {
            ast::Condition::Constant(value) => Check::Constant(*value),
            ast::Condition::Or(terms) => match self.undecided(terms, true)? {
                None => Check::Constant(true),
                Some(terms) if terms.is_empty() => Check::Constant(false),
                Some(terms) => Check::Or(terms),
            },
            ast::Condition::And(factors) => match self.undecided(factors, false)? {
                None => Check::Constant(false),
                Some(factors) if factors.is_empty() => Check::Constant(true),
                Some(factors) => Check::And(factors),
            },
            ast::Condition::Not(inner) => match self.condition(inner)? {
                Check::Constant(value) => Check::Constant(!value),
                inner => Check::Not(Box::new(inner)),
            },
            ast::Condition::Compare { left, operator, right } => {
                let literal = is_literal(left) && is_literal(right);
                let check = Check::Compare { left: self.value(left)?, operator: *operator, right: self.value(right)? };
                match if literal { check.test(&Subject::default()).ok() } else { None } {
                    Some(value) => Check::Constant(value),
                    None => check,
                }
            }
            ast::Condition::Call(call) => Check::Call(self.call(call)?),
        })
    }

    /// The parts that are not constant, or `None` if one of the constants is `decisive`.
    fn undecided(&mut self, parts: &[ast::Condition], decisive: bool) -> Result<Option<Vec<Check>>, Problem> {
        let mut checks = Vec::with_capacity(parts.len());
        let mut decided = false;
        for part in parts {
            match self.condition(part)? {
                Check::Constant(value) => decided |= value == decisive,
                check => checks.push(check),
            }
        }
        Ok((!decided).then_some(checks))
    }

    pub(super) fn value(&mut self, value: &ast::Value) -> Result<Expression, Problem> {
        if let Some(literal) = literal(value) {
            return Ok(Expression::Constant(literal));
        }
        let expression = match &value.kind {
            ValueKind::Name(name) => return self.name(name, value.at),
            ValueKind::List(items) => Expression::List(self.values(items)?),
            ValueKind::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| Ok((key.clone(), self.value(value)?)));
                Expression::Map(entries.collect::<Result<_, Problem>>()?)
            }
            ValueKind::Path(path) => return self.path(path),
            ValueKind::Call(call) => return self.call(call),
            ValueKind::Positive(inner) => return self.value(inner),
            ValueKind::Negative(inner) => Expression::Negative(Box::new(self.value(inner)?)),
            ValueKind::Chain { first, rest } => {
                let first = Box::new(self.value(first)?);
                let rest = rest.iter().map(|(operator, value)| Ok((*operator, self.value(value)?)));
                Expression::Chain { first, rest: rest.collect::<Result<_, Problem>>()? }
            }
            _ => return self.problem(value.at, "not a value"),
        };
        let constant = match &expression {
            Expression::List(items) => items.iter().all(Expression::is_constant),
            Expression::Map(entries) => entries.iter().all(|(_, value)| value.is_constant()),
            Expression::Negative(inner) => inner.is_constant(),
            Expression::Chain { first, rest } => {
                first.is_constant() && rest.iter().all(|(_, value)| value.is_constant())
            }
            _ => false,
        };
        Ok(settle(expression, constant))
    }

    fn values(&mut self, values: &[ast::Value]) -> Result<Vec<Expression>, Problem> {
        values.iter().map(|value| self.value(value)).collect()
    }

    fn name(&mut self, name: &str, at: usize) -> Result<Expression, Problem> {
        if !self.context.has_enums() {
            return self.problem(at, format!("{} {}s know no names such as {name}", self.context, self.what));
        }
        match ENUMS.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => Ok(Expression::Constant(Datum::Int(*value))),
            None if functions::find(name).is_some() => {
                self.problem(at, format!("the function {name} cannot stand here without its arguments"))
            }
            None => {
                let hint = guess(name, ENUMS.iter().map(|(known, _)| *known));
                self.problem(at, format!("unknown name {name}{hint}"))
            }
        }
    }

    fn path(&mut self, path: &ast::Path) -> Result<Expression, Problem> {
        let (_, entry, keys) = self.entry(path)?;
        self.keyed(entry, &path.dotted(), path.at, keys)
    }

    /// A path that will be written.
    fn target(&mut self, path: &ast::Path) -> Result<Target, Problem> {
        let (context, entry, keys) = self.entry(path)?;
        let Some(context) = context else {
            return self.problem(path.at, format!("'{}' can be read only", path.dotted()));
        };
        // What stands in brackets is checked as for reading.
        self.keyed(entry, &path.dotted(), path.at, keys)?;
        if !entry.own {
            self.writes = Some(self.writes.map_or(context, |outermost| outermost.min(context)));
        }
        let mut keys = self.keys(keys)?;
        for key in &mut keys {
            if let Key::Text(text) = key {
                *text = repaired(Cow::Owned(std::mem::take(text))).into_owned();
            }
        }
        Ok(Target { entry, keys })
    }

    /// The path with its context, which what is known of the request does not have, and the keys behind it.
    fn entry<'p>(
        &mut self,
        path: &'p ast::Path,
    ) -> Result<(Option<Context>, &'static Entry, &'p [ast::Value]), Problem> {
        let dotted = path.dotted();
        let Some((first, rest)) = path.segments.split_first() else { return self.problem(path.at, "an empty path") };
        // A lone word is a field of the own context, also where it is called like another one.
        let (context, segments) = match Context::of_prefix(&first.name) {
            _ if first.name == path::REQUEST => (None, rest),
            Some(context) if !rest.is_empty() => (Some(context), rest),
            _ => (Some(self.context), path.segments.as_slice()),
        };
        if let Some(context) = context.filter(|context| *context > self.context) {
            let message = format!("'{dotted}': a {} {} cannot look into a {context}", self.context, self.what);
            return self.problem(path.at, message);
        }
        self.reads_origin |= context.is_none();
        let entries = context.map_or(path::REQUEST_PATHS, path::entries);
        let name = segments.iter().map(|segment| segment.name.as_str()).collect::<Vec<_>>().join(".");
        let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
            let hint = path_hint(&dotted, &name, entries);
            return self.problem(path.at, format!("unknown path '{dotted}'{hint}"));
        };
        if entry.own && context != Some(self.context) {
            let message = format!("'{dotted}': a {} {} has 'cache' of its own only", self.context, self.what);
            return self.problem(path.at, message);
        }
        self.needs = self.needs.union(entry.needs());
        let Some((last, others)) = segments.split_last() else { return Ok((context, entry, &[])) };
        if first.keys.len() + others.iter().map(|segment| segment.keys.len()).sum::<usize>() > 0
            && path.segments.len() > 1
        {
            return self.problem(path.at, format!("'{dotted}': keys can stand behind the last name only"));
        }
        Ok((context, entry, &last.keys))
    }

    fn keyed(
        &mut self,
        entry: &'static Entry,
        dotted: &str,
        at: usize,
        keys: &[ast::Value],
    ) -> Result<Expression, Problem> {
        if keys.is_empty() {
            return Ok(Expression::Path(entry));
        }
        match (entry.keys, keys) {
            (Keys::None, _) => self.problem(at, format!("'{dotted}' has nothing to look up with a key")),
            (Keys::TraceState, [key]) => Ok(Expression::TraceState { path: entry, key: Box::new(self.value(key)?) }),
            (Keys::TraceState, _) => self.problem(at, format!("'{dotted}' takes one key")),
            (Keys::Header, keys) => Ok(Expression::Header { path: entry, keys: self.keys(keys)? }),
            (Keys::Map, keys) => Ok(Expression::Member { map: entry, keys: self.keys(keys)? }),
        }
    }

    fn keys(&mut self, keys: &[ast::Value]) -> Result<Vec<Key>, Problem> {
        let compile = |key: &ast::Value| match &key.kind {
            ValueKind::Text(text) => Ok(Key::Text(text.clone())),
            ValueKind::Int(index) => Ok(Key::Int(*index)),
            _ => Ok(Key::Dynamic(self.value(key)?)),
        };
        keys.iter().map(compile).collect()
    }

    fn call(&mut self, call: &ast::Call) -> Result<Expression, Problem> {
        let Some(function) = functions::find(&call.name) else {
            if functions::LAMBDAS.contains(&call.name.as_str()) {
                return self
                    .problem(call.at, format!("{} takes a lambda expression, which is not supported", call.name));
            }
            let known = functions::all().filter(|function| function.is_in(self.context)).map(|function| function.name);
            let hint = guess(&call.name, known);
            return self.problem(call.at, format!("undefined function {:?}{hint}", call.name));
        };
        if !function.is_in(self.context) {
            let message = format!("{} {}s do not have the function {}", self.context, self.what, call.name);
            return self.problem(call.at, message);
        }
        let arguments = self.arguments(function.name, function.parameters, call)?;
        self.checked(function.parameters, call, (function.check)(&arguments))?;
        let constant = function.constant && arguments.iter().all(Argument::is_constant) && call.keys.is_empty();
        let keys = self.keys(&call.keys)?;
        Ok(settle(Expression::Call { function, arguments, keys }, constant))
    }

    /// The editor that a statement begins with, and what it is given.
    pub(super) fn editor(&mut self, call: &ast::Call) -> Result<(&'static Editor, Vec<Argument>), Problem> {
        let Some(editor) = editors::find(&call.name) else {
            let known = editors::all().filter(|editor| editor.is_in(self.context)).map(|editor| editor.name);
            let hint = guess(&call.name, known);
            return self.problem(call.at, format!("undefined function {:?}{hint}", call.name));
        };
        if !editor.is_in(self.context) {
            let message = format!("{} statements do not have the function {}", self.context, call.name);
            return self.problem(call.at, message);
        }
        let arguments = self.arguments(editor.name, editor.parameters, call)?;
        self.checked(editor.parameters, call, (editor.check)(&arguments))?;
        self.needs = self.needs.union(editor.needs);
        Ok((editor, arguments))
    }

    /// Puts a complaint about an argument where the argument stands.
    fn checked(
        &self,
        parameters: &[Parameter],
        call: &ast::Call,
        outcome: Result<(), Complaint>,
    ) -> Result<(), Problem> {
        let Err(Complaint { index, text }) = outcome else { return Ok(()) };
        let parameter = &parameters[index];
        let named = |given: &&ast::Argument| given.name.as_deref().is_some_and(|name| is_called(parameter, name));
        let given = call.arguments.iter().find(named).or_else(|| call.arguments.get(index));
        self.problem(given.map_or(call.at, |given| given.value.at), format!("{}: {text}", parameter.name))
    }

    fn arguments(
        &mut self,
        name: &str,
        parameters: &'static [Parameter],
        call: &ast::Call,
    ) -> Result<Vec<Argument>, Problem> {
        let least = parameters.iter().filter(|parameter| !parameter.optional).count();
        if call.arguments.len() > parameters.len() || call.arguments.len() < least {
            let most = parameters.len();
            let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
            let given = call.arguments.len();
            return self.problem(call.at, format!("{} takes {expected} arguments, got {given}", name));
        }
        let mut arguments: Vec<Argument> = parameters.iter().map(|_| Argument::Absent).collect();
        for (position, given) in call.arguments.iter().enumerate() {
            let index = match &given.name {
                None => position,
                Some(word) => match parameters.iter().position(|parameter| is_called(parameter, word)) {
                    Some(index) => index,
                    None => {
                        let hint = guess(word, parameters.iter().map(|parameter| parameter.name));
                        let message = format!("{name} has no parameter {word}{hint}");
                        return self.problem(given.value.at, message);
                    }
                },
            };
            if !matches!(arguments[index], Argument::Absent) {
                let message = format!("{} is given {} twice", name, parameters[index].name);
                return self.problem(given.value.at, message);
            }
            arguments[index] = self.argument(&parameters[index], &given.value)?;
        }
        for (argument, parameter) in arguments.iter().zip(parameters) {
            if matches!(argument, Argument::Absent) && !parameter.optional {
                return self.problem(call.at, format!("{} lacks its argument {}", name, parameter.name));
            }
        }
        Ok(arguments)
    }

    fn argument(&mut self, parameter: &Parameter, value: &ast::Value) -> Result<Argument, Problem> {
        let name = parameter.name;
        match (parameter.kind, &value.kind) {
            (Kind::Items | Kind::Texts, ValueKind::List(items)) => {
                if items.is_empty() && parameter.kind == Kind::Items {
                    return self.problem(value.at, format!("{name} must have at least one item"));
                }
                return Ok(Argument::Items(self.values(items)?));
            }
            (Kind::Keys, ValueKind::List(items)) => {
                let items = self.values(items)?;
                return Ok(KeySet::written(&items).map_or(Argument::Items(items), Argument::Keys));
            }
            (Kind::Items | Kind::Texts | Kind::Keys, _) => {
                return self.problem(value.at, format!("{name} must be a list in brackets"));
            }
            (Kind::Target, ValueKind::Path(path)) => return Ok(Argument::Target(self.target(path)?)),
            (Kind::Target, _) => return self.problem(value.at, format!("{name} must be a path")),
            (Kind::Function, ValueKind::Name(word)) => return self.function(word, value.at),
            (Kind::Function, _) => {
                return self.problem(value.at, format!("{name} must be the name of a function, such as SHA256"));
            }
            (Kind::LiteralInt, kind) if !matches!(kind, ValueKind::Int(_)) => {
                return self.problem(value.at, format!("{name} must be an integer, written as such"));
            }
            (Kind::LiteralText | Kind::Glob | Kind::XPath, kind) if !matches!(kind, ValueKind::Text(_)) => {
                return self.problem(value.at, format!("{name} must be a text in double quotes"));
            }
            (Kind::Glob, ValueKind::Text(text)) => {
                let text = String::from_utf8_lossy(text);
                return match glob::glob(&text) {
                    Ok(regex) => Ok(Argument::Pattern(regex)),
                    Err(error) => self.problem(value.at, format!("{text:?} is no pattern: {error}")),
                };
            }
            (Kind::XPath, ValueKind::Text(text)) => {
                let text = String::from_utf8_lossy(text);
                return match XPath::parse(&text) {
                    Ok(path) => Ok(Argument::XPath(path)),
                    Err(error) => self.problem(value.at, format!("{text:?} is no xpath: {error}")),
                };
            }
            (Kind::Pattern, ValueKind::Text(text)) => {
                let text = String::from_utf8_lossy(text);
                return match pattern::compile(&text) {
                    Ok(regex) => Ok(Argument::Pattern(regex)),
                    Err(error) => self.problem(value.at, format!("{text:?} is no regular expression: {error}")),
                };
            }
            _ => {}
        }
        let expression = self.value(value)?;
        // What a function gives is looked at when it is called, also where it is settled already.
        let is_written = !matches!(value.kind, ValueKind::Call(_));
        if let Expression::Constant(constant) = &expression
            && is_written
            && let Err(failure) = functions::check(parameter.kind, constant.borrow())
        {
            return self.problem(value.at, format!("{name}: {failure}"));
        }
        // What a statement writes goes out as it is.
        Ok(Argument::Value(match expression {
            Expression::Constant(value) if self.what == "statement" => Expression::Constant(value.repaired()),
            expression => expression,
        }))
    }

    /// A function that is handed over by its name.
    fn function(&self, name: &str, at: usize) -> Result<Argument, Problem> {
        let texts = || functions::all().filter(|function| function.takes_one_text()).map(|function| function.name);
        match functions::find(name) {
            Some(function) if function.takes_one_text() && function.is_in(self.context) => {
                Ok(Argument::Function(function))
            }
            Some(_) => self.problem(at, format!("{name} cannot stand here: it is no function of one text")),
            None => self.problem(at, format!("undefined function {name}{}", guess(name, texts()))),
        }
    }
}

/// What may have been meant, with the prefix as it was written.
fn path_hint(dotted: &str, name: &str, entries: &[Entry]) -> String {
    if name == "duration" {
        return "; write 'span.end_time - span.start_time'".to_owned();
    }
    let prefix = dotted.strip_suffix(name).unwrap_or("");
    let candidates: Vec<String> = entries.iter().map(|entry| format!("{prefix}{}", entry.name)).collect();
    guess(dotted, candidates.iter().map(String::as_str))
}

/// Whether a parameter is meant: by its own name, or the same in camel case.
fn is_called(parameter: &Parameter, name: &str) -> bool {
    let plain = |text: &str| text.replace('_', "").to_lowercase();
    parameter.name == name || plain(parameter.name) == plain(name)
}

/// A value that stands in the text as such. A number with a sign is an expression.
fn literal(value: &ast::Value) -> Option<Datum<'static>> {
    Some(match &value.kind {
        ValueKind::Nil => Datum::Nil,
        ValueKind::Bool(value) => Datum::Bool(*value),
        ValueKind::Int(value) => Datum::Int(*value),
        ValueKind::Double(value) => Datum::Double(*value),
        ValueKind::Text(text) => Datum::Text(text.clone().into()),
        ValueKind::Bytes(bytes) => Datum::Bytes(bytes.clone().into()),
        _ => return None,
    })
}

/// Whether a value stands there as such. What has to be computed first does not.
fn is_literal(value: &ast::Value) -> bool {
    match &value.kind {
        ValueKind::Positive(inner) | ValueKind::Negative(inner) => {
            matches!(inner.kind, ValueKind::Int(_) | ValueKind::Double(_))
        }
        ValueKind::Name(_) => true,
        ValueKind::List(items) => items.iter().all(is_literal),
        ValueKind::Map(entries) => entries.iter().all(|(_, value)| is_literal(value)),
        _ => literal(value).is_some(),
    }
}

/// Evaluates what is constant once and for all. What fails is left to fail for every span, as it would in the
/// Go collector.
fn settle(expression: Expression, constant: bool) -> Expression {
    if !constant {
        return expression;
    }
    let value = expression.evaluate(&Subject::default()).ok().and_then(Datum::into_static);
    value.map_or(expression, Expression::Constant)
}
