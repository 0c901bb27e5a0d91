//! `db_sanitizer`: queries without the values in them.

use serde::Deserialize;

use super::sql;
use crate::tape::{self, Kind, Step};
use crate::view::{Map, SpanView, Value};

/// A kind of database, as the options call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    Sql,
    Redis,
    Valkey,
    Memcached,
    Mongo,
    OpenSearch,
    Es,
}

impl Engine {
    /// Whether a span names this kind of database, by its `db.system.name`.
    fn is_named(self, system: &str) -> bool {
        match self {
            Self::Sql => matches!(system, "other_sql" | "mysql" | "postgresql" | "mariadb" | "sqlite"),
            Self::Redis => system == "redis",
            Self::Valkey => system == "valkey",
            Self::Memcached => system == "memcached",
            Self::Mongo => system == "mongodb",
            Self::OpenSearch => system == "opensearch",
            Self::Es => system == "elasticsearch",
        }
    }

    /// The query with its values left out. What cannot be read stays as it is.
    fn sanitize(self, query: &[u8]) -> Vec<u8> {
        match self {
            Self::Sql => sql::sanitize(query),
            Self::Redis | Self::Valkey => commands_alone(query),
            Self::Memcached => first_words(query),
            Self::Mongo | Self::OpenSearch | Self::Es => json_shape(query).unwrap_or_else(|| query.to_vec()),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineSettings {
    pub engine: Engine,
    /// Attributes whose values are queries.
    #[serde(default)]
    pub attributes: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    pub engines: Vec<EngineSettings>,
    pub sanitize_span_name: bool,
}

#[derive(Debug)]
pub(super) struct DatabaseSanitizer {
    engines: Vec<(Engine, Vec<Vec<u8>>)>,
    pub sanitizes_span_names: bool,
}

impl DatabaseSanitizer {
    pub(super) fn new(settings: DatabaseSettings) -> Self {
        let engines = settings
            .engines
            .into_iter()
            .map(|engine| (engine.engine, engine.attributes.into_iter().map(String::into_bytes).collect()));
        Self { engines: engines.collect(), sanitizes_span_names: settings.sanitize_span_name }
    }

    /// The query in an attribute of a span on this system, without its values; `None` if nothing changes.
    pub(super) fn attribute(&self, system: &str, key: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        let (engine, _) = self.engines.iter().find(|(engine, attributes)| {
            engine.is_named(system) && attributes.iter().any(|attribute| **attribute == *key)
        })?;
        Some(engine.sanitize(text)).filter(|sanitized| *sanitized != text)
    }

    /// The name of a span on a database without the values in it.
    pub(super) fn span_name(&self, span: &SpanView<'_>) -> Option<Vec<u8>> {
        const INTERNAL: i32 = 1;
        const SERVER: i32 = 2;
        const CLIENT: i32 = 3;
        if !matches!(span.kind(), INTERNAL | SERVER | CLIENT) {
            return None;
        }
        let system = system_of(span.attributes())?;
        let (engine, _) = self.engines.iter().find(|(engine, _)| engine.is_named(&system))?;
        Some(engine.sanitize(span.name())).filter(|name| *name != span.name() && !name.is_empty() && *name != b"...")
    }
}

/// Which database attributes name, in lower case.
pub(super) fn system_of(attributes: &Map<'_>) -> Option<String> {
    ["db.system.name", "db.system"].iter().find_map(|key| match attributes.get(key.as_bytes()) {
        Some(Value::Str(text)) if !text.is_empty() => Some(String::from_utf8_lossy(text).to_lowercase()),
        _ => None,
    })
}

/// The JSON with `"?"` for every string, number and word in it, or `None` if it is none.
fn json_shape(query: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(query.len());
    let mut done = 0;
    tape::walk(query, |step| {
        if let Step::Leaf(kind @ (Kind::Text | Kind::Number | Kind::Word), start, end) = step {
            // A text is told without its quotes.
            let quote = usize::from(kind == Kind::Text);
            out.extend_from_slice(&query[done..start - quote]);
            out.extend_from_slice(b"\"?\"");
            done = end + quote;
        }
        true
    })?;
    out.extend_from_slice(&query[done..]);
    Some(out)
}

/// Commands of Redis, one a line, each with a question mark for its arguments.
fn commands_alone(query: &[u8]) -> Vec<u8> {
    let lines = query.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let commands = lines.map(|line| match line.iter().position(u8::is_ascii_whitespace) {
        Some(end) => [&line[..end], b" ?"].concat(),
        None => line.to_vec(),
    });
    commands.collect::<Vec<_>>().join(&b'\n')
}

/// The command of memcached: what stands before the first blank, of the first line.
fn first_words(query: &[u8]) -> Vec<u8> {
    let line = query.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or(query);
    line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()).unwrap_or(line).to_vec()
}
