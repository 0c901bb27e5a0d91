//! `ExtractGrokPatterns`: patterns made of named ones, `%{IP:client} %{WORD:method}`.
//!
//! `%{NAME}` stands for a pattern of the table below or one that is defined beside, `%{NAME:field}` keeps what it matches under
//! a name, and `%{NAME:field:int}` as a number. Names of the table and what they match are those that Logstash made common.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::{Argument, Arguments, Complaint, Function, Kind, literal_text, needed, optional};
use crate::number;
use crate::ottl::datum::{Datum, Failure, Held};
use crate::ottl::eval::Expression;
use crate::pattern::{self, Pattern};
use crate::view::{Map, Upserts, Value};

/// How deep patterns may be made of others.
const MAX_DEPTH: usize = 20;
/// Characters of a pattern with all others in their places.
const MAX_LENGTH: usize = 256 << 10;

static PATTERNS: &[(&str, &str)] = &[
    ("WORD", r"\b\w+\b"),
    ("NOTSPACE", r"\S+"),
    ("SPACE", r"\s*"),
    ("DATA", r".*?"),
    ("GREEDYDATA", r".*"),
    ("INT", r"[+-]?[0-9]+"),
    ("POSINT", r"\b[1-9][0-9]*\b"),
    ("NONNEGINT", r"\b[0-9]+\b"),
    ("BASE10NUM", r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"),
    ("NUMBER", r"%{BASE10NUM}"),
    ("BASE16NUM", r"[+-]?(?:0x)?[0-9A-Fa-f]+"),
    ("BASE16FLOAT", r"[+-]?(?:0x)?[0-9A-Fa-f]+(?:\.[0-9A-Fa-f]*)?"),
    ("BOOL", r"true|false"),
    ("QUOTEDSTRING", r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"#),
    ("QS", r"%{QUOTEDSTRING}"),
    ("UUID", r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"),
    ("URN", r"urn:[0-9A-Za-z][0-9A-Za-z-]{0,31}:[0-9A-Za-z()+,.:=@;$_!*'/?#-]+"),
    ("IPV4", r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"),
    ("IPV6", r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:%{IPV4}|[0-9A-Fa-f]{0,4})(?:%[0-9A-Za-z]+)?"),
    ("IP", r"%{IPV6}|%{IPV4}"),
    ("HOSTNAME", r"\b[0-9A-Za-z][0-9A-Za-z-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z-]{0,62})*\.?"),
    ("IPORHOST", r"%{IP}|%{HOSTNAME}"),
    ("HOSTPORT", r"%{IPORHOST}:%{POSINT}"),
    ("CISCOMAC", r"(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"),
    ("WINDOWSMAC", r"(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}"),
    ("COMMONMAC", r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}"),
    ("MAC", r"%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC}"),
    ("USERNAME", r"[0-9A-Za-z._-]+"),
    ("USER", r"%{USERNAME}"),
    ("EMAILLOCALPART", r"[A-Za-z][0-9A-Za-z_.+=:-]*"),
    ("EMAILADDRESS", r"%{EMAILLOCALPART}@%{HOSTNAME}"),
    ("UNIXPATH", r"(?:/[\w%!$@:.,+~-]*)+"),
    ("WINPATH", r"[A-Za-z]+:(?:\\[^\\?*]*)+"),
    ("PATH", r"%{UNIXPATH}|%{WINPATH}"),
    ("URIPROTO", r"[A-Za-z][0-9A-Za-z+.-]*"),
    ("URIHOST", r"%{IPORHOST}(?::%{POSINT})?"),
    ("URIPATH", r"(?:/[0-9A-Za-z$.+!*'(){},~:;=@#%&_-]*)+"),
    ("URIQUERY", r"[0-9A-Za-z$.+!*'|(){},~@#%&/=:;_?<>\[\]-]*"),
    ("URIPARAM", r"\?%{URIQUERY}"),
    ("URIPATHPARAM", r"%{URIPATH}(?:\?%{URIQUERY})?"),
    ("URI", r"%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?%{URIHOST}(?:%{URIPATHPARAM})?"),
    ("YEAR", r"[0-9]{4}|[0-9]{2}"),
    (
        "MONTH",
        r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b",
    ),
    ("MONTHNUM", r"0[1-9]|1[0-2]"),
    ("MONTHDAY", r"0[1-9]|[12][0-9]|3[01]|[1-9]"),
    ("DAY", r"\b(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)\b"),
    ("HOUR", r"2[0-3]|[01]?[0-9]"),
    ("MINUTE", r"[0-5][0-9]"),
    ("SECOND", r"(?:[0-5][0-9]|60)(?:[:.,][0-9]+)?"),
    ("TIME", r"%{HOUR}:%{MINUTE}(?::%{SECOND})?"),
    ("TZ", r"[PMACE][SED]T|UTC"),
    ("DATE_US", r"%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}"),
    ("DATE_EU", r"%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}"),
    ("DATE", r"%{DATE_US}|%{DATE_EU}"),
    ("DATESTAMP", r"%{DATE}[- ]%{TIME}"),
    ("ISO8601_TIMEZONE", r"Z|[+-]%{HOUR}(?::?%{MINUTE})"),
    ("TIMESTAMP_ISO8601", r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?"),
    ("DATESTAMP_RFC822", r"%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}"),
    ("DATESTAMP_RFC2822", r"%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} %{ISO8601_TIMEZONE}"),
    ("DATESTAMP_OTHER", r"%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}"),
    ("DATESTAMP_EVENTLOG", r"%{YEAR}%{MONTHNUM}%{MONTHDAY}%{HOUR}%{MINUTE}%{SECOND}"),
    ("HTTPDATE", r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}"),
    ("SYSLOGTIMESTAMP", r"%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("PROG", r"[!-Z\\^-~]+"),
    ("SYSLOGPROG", r"%{PROG}(?:\[[0-9]+\])?"),
    ("SYSLOGHOST", r"%{IPORHOST}"),
    ("SYSLOGFACILITY", r"<%{NONNEGINT}.%{NONNEGINT}>"),
    ("SYSLOGBASE", r"%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:host.name} %{SYSLOGPROG}:"),
    (
        "LOGLEVEL",
        r"(?i:alert|trace|debug|notice|info(?:rmation)?|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|emerg(?:ency)?)",
    ),
];

pub(super) static FUNCTIONS: &[Function] = &[Function {
    check: |arguments| {
        let Some(text) = literal_text(arguments, 1) else { return Ok(()) };
        let definitions = definitions(arguments)?;
        let grok = Grok::new(&String::from_utf8_lossy(text), &definitions);
        let grok = grok.map_err(|text| Complaint { index: 1, text })?;
        let only_named = matches!(arguments.get(2), Some(Argument::Value(Expression::Constant(Datum::Bool(true)))));
        if only_named && grok.fields.iter().all(|field| field.name.is_none()) {
            let text = "at least 1 named capture group must be supplied in the given regex".to_owned();
            return Err(Complaint { index: 1, text });
        }
        Ok(())
    },
    ..Function::new(
        "ExtractGrokPatterns",
        &[
            needed("target", Kind::Text),
            needed("pattern", Kind::Text),
            optional("named_captures_only", Kind::Bool),
            optional("pattern_definitions", Kind::Texts),
        ],
        extract,
    )
}];

/// Patterns that are defined beside, `NAME=pattern`.
fn definitions(arguments: &[Argument]) -> Result<HashMap<String, String>, Complaint> {
    let mut definitions = HashMap::new();
    let Some(Argument::Items(items)) = arguments.get(3) else { return Ok(definitions) };
    for item in items {
        let Expression::Constant(Datum::Text(text)) = item else { continue };
        let text = String::from_utf8_lossy(text);
        match text.split_once('=') {
            Some((name, pattern)) if !name.contains(':') => {
                definitions.insert(name.to_owned(), pattern.to_owned());
            }
            _ => {
                let text = format!("{text:?} must be of the form NAME=pattern, without ':' in the name");
                return Err(Complaint { index: 3, text });
            }
        }
    }
    Ok(definitions)
}

fn extract<'v>(args: &Arguments<'_, 'v>) -> Result<Datum<'v>, Failure> {
    let (target, text) = (args.text(0)?, args.text(1)?);
    let only_named = args.bool_or(2, false)?;
    let grok = remembered(args.given, &text)?;
    let mut map = Map::default();
    if let Some(captures) = grok.pattern.regex().captures(&target) {
        let mut entries = Upserts::new(&mut map);
        for (index, field) in grok.fields.iter().enumerate() {
            let key = match &field.name {
                Some(name) => name,
                None if only_named => continue,
                None => &field.pattern,
            };
            let found = captures.get(index + 1).map_or(&[][..], |group| group.as_bytes());
            entries.upsert(Cow::Owned(key.clone().into_bytes()), field.value(found)?);
        }
    }
    Ok(Datum::Nested(Held::Owned(Box::new(Value::Map(map)))))
}

/// Patterns that a thread remembers at most.
const REMEMBERED: usize = 64;

thread_local! {
    /// By how many definitions there are, and the text of all: compiling takes a thousand times as long as matching.
    static COMPILED: RefCell<HashMap<Vec<u8>, Rc<Grok>>> = RefCell::default();
}

/// The compiled pattern, with the definitions that stand in the same arguments.
fn remembered(arguments: &[Argument], text: &[u8]) -> Result<Rc<Grok>, Failure> {
    let definitions = definitions(arguments).map_err(|complaint| Failure::new(complaint.text))?;
    let mut names: Vec<_> = definitions.iter().collect();
    names.sort();
    let mut key = [names.len().to_string().as_bytes(), b"\n", text].concat();
    names.iter().for_each(|(name, pattern)| key.extend_from_slice(format!("\n{name}={pattern}").as_bytes()));
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(grok) = compiled.get(&key) {
            return Ok(grok.clone());
        }
        let grok = Rc::new(Grok::new(&String::from_utf8_lossy(text), &definitions).map_err(Failure::new)?);
        if compiled.len() >= REMEMBERED {
            compiled.clear();
        }
        compiled.insert(key, grok.clone());
        Ok(grok)
    })
}

/// What one group of the whole pattern is about.
struct Field {
    /// The pattern it came from.
    pattern: String,
    name: Option<String>,
    kind: String,
}

impl Field {
    fn value(&self, text: &[u8]) -> Result<Value<'static>, Failure> {
        let wrong = |why| Failure::new(format!("{:?} is no {}: {why}", String::from_utf8_lossy(text), self.kind));
        Ok(match self.kind.as_str() {
            "int" | "long" => Value::Int(number::parse_int(text).map_err(wrong)?),
            "float" | "double" => Value::Double(number::parse_double(text).map_err(wrong)?),
            "bool" | "boolean" => Value::Bool(text == b"true"),
            _ => Value::text(text.to_vec()),
        })
    }
}

struct Grok {
    pattern: Pattern,
    /// One for each group, in order.
    fields: Vec<Field>,
}

impl Grok {
    fn new(text: &str, definitions: &HashMap<String, String>) -> Result<Self, String> {
        let mut fields = Vec::new();
        let mut out = String::new();
        expand(text, definitions, &mut out, &mut fields, 0)?;
        let pattern = pattern::compile(&out)?;
        Ok(Self { pattern, fields })
    }
}

/// Appends the pattern with every `%{…}` replaced. Groups of its own do not capture, so that groups are fields.
fn expand(
    text: &str,
    definitions: &HashMap<String, String>,
    out: &mut String,
    fields: &mut Vec<Field>,
    depth: usize,
) -> Result<(), String> {
    if depth > MAX_DEPTH || out.len() > MAX_LENGTH {
        return Err("patterns are made of one another without an end".to_owned());
    }
    let mut rest = text;
    while let Some(at) = rest.find("%{") {
        plain(&rest[..at], out, fields);
        let (inside, behind) = rest[at + 2..].split_once('}').ok_or("a '%{' is not closed")?;
        rest = behind;
        let mut parts = inside.splitn(3, ':');
        let name = parts.next().unwrap_or_default();
        let field = parts.next().filter(|field| !field.is_empty());
        let kind = parts.next().unwrap_or_default();
        let known = definitions.get(name).map(String::as_str);
        let known = known.or_else(|| PATTERNS.iter().find(|(known, _)| *known == name).map(|(_, pattern)| *pattern));
        let Some(pattern) = known else { return Err(format!("the pattern {name} is not known")) };
        // Only what stands in the pattern itself has a value of its own, and what is named.
        if depth == 0 || field.is_some() {
            out.push('(');
            fields.push(Field { pattern: name.to_owned(), name: field.map(str::to_owned), kind: kind.to_owned() });
        } else {
            out.push_str("(?:");
        }
        expand(pattern, definitions, out, fields, depth + 1)?;
        out.push(')');
    }
    plain(rest, out, fields);
    Ok(())
}

/// Appends what stands between. A named group there is a field; others lose their number.
fn plain(text: &str, out: &mut String, fields: &mut Vec<Field>) {
    let mut chars = text.char_indices().peekable();
    let mut in_class = false;
    while let Some((at, c)) = chars.next() {
        out.push(c);
        match c {
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => {
                let rest = &text[at + 1..];
                let name =
                    rest.strip_prefix("?P<").or_else(|| rest.strip_prefix("?<")).and_then(|rest| rest.split_once('>'));
                match name {
                    Some((name, _)) => {
                        fields.push(Field {
                            pattern: name.to_owned(),
                            name: Some(name.to_owned()),
                            kind: String::new(),
                        });
                    }
                    None if !rest.starts_with('?') => out.push_str("?:"),
                    None => {}
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_the_table_compiles_and_matches_what_it_is_for() {
        for (name, _) in PATTERNS {
            Grok::new(&format!("%{{{name}}}"), &HashMap::new()).unwrap_or_else(|why| panic!("{name}: {why}"));
        }
        for (name, text) in [
            ("IP", "10.1.2.3"),
            ("IP", "2001:db8::1"),
            ("HOSTPORT", "example.com:80"),
            ("URI", "https://jo@example.com:8443/a/b?x=1"),
            ("TIMESTAMP_ISO8601", "2024-02-03T04:05:06.789Z"),
            ("HTTPDATE", "03/Feb/2024:04:05:06 +0000"),
            ("SYSLOGTIMESTAMP", "Feb  3 04:05:06"),
            ("QUOTEDSTRING", r#""a \"b\" c""#),
            ("LOGLEVEL", "WARN"),
            ("MAC", "00:1a:2b:3c:4d:5e"),
            ("UUID", "123e4567-e89b-12d3-a456-426614174000"),
        ] {
            let grok = Grok::new(&format!("^%{{{name}}}$"), &HashMap::new()).unwrap();
            assert!(grok.pattern.is_match(text.as_bytes()), "{name} {text}");
        }
    }

    #[test]
    fn patterns_that_cannot_be_made_are_refused() {
        let definitions = HashMap::from([("A".to_owned(), "%{A}".to_owned())]);
        for text in ["%{NOSUCH}", "%{A}", "%{WORD", "("] {
            assert!(Grok::new(text, &definitions).is_err(), "{text}");
        }
    }
}
