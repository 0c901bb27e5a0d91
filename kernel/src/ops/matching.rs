//! `include` and `exclude`: which spans an op works on.
//!
//! All fields that are given must match. Inside `services`, `span_names` and `span_kinds` any entry does; inside
//! `attributes`, `resources` and `libraries` every entry must.

use std::borrow::Cow;

use crate::pattern::Pattern;
use serde::Deserialize;

use super::Place;
use crate::error::OptionError;
use crate::pattern;
use crate::setting::Setting;
use crate::text;
use crate::view::{Map, Needs, ScopeView, SpanView, Value};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatchSettings {
    /// `strict` or `regexp`.
    pub match_type: String,
    pub services: Vec<String>,
    pub span_names: Vec<String>,
    pub span_kinds: Vec<String>,
    pub attributes: Vec<AttributeSettings>,
    pub resources: Vec<AttributeSettings>,
    pub libraries: Vec<LibrarySettings>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttributeSettings {
    pub key: String,
    /// Without it the key must be there, whatever its value.
    pub value: Option<Setting>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LibrarySettings {
    pub name: String,
    /// Without it any version does; an empty one is an empty version.
    pub version: Option<String>,
}

const KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

/// What stands for a service without a name.
const NO_SERVICE: &[u8] = b"<nil-service-name>";

/// A text to equal, or a pattern to find.
#[derive(Debug)]
enum Text {
    Strict(Vec<u8>),
    Pattern(Pattern),
}

impl Text {
    fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Strict(wanted) => wanted == text,
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

#[derive(Debug)]
enum Wanted {
    Anything,
    Equal(Value<'static>),
    Pattern(Pattern),
}

impl Wanted {
    fn matches(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Anything => true,
            Self::Equal(wanted) => wanted == value,
            Self::Pattern(pattern) => match value {
                Value::Str(text) => pattern.is_match(text),
                Value::Bool(_) | Value::Int(_) => pattern.is_match(&text::text(value)),
                Value::Double(value) if value.is_infinite() => {
                    pattern.is_match(if *value > 0.0 { b"+Inf" } else { b"-Inf" })
                }
                // Always plain decimal, whatever the size.
                Value::Double(value) => pattern.is_match(value.to_string().as_bytes()),
                _ => false,
            },
        }
    }
}

#[derive(Debug)]
struct Library {
    name: Text,
    version: Option<Text>,
}

/// Decides whether a span is meant.
#[derive(Debug)]
struct Matcher {
    services: Vec<Text>,
    span_names: Vec<Text>,
    span_kinds: Vec<Text>,
    attributes: Vec<(Vec<u8>, Wanted)>,
    resources: Vec<(Vec<u8>, Wanted)>,
    libraries: Vec<Library>,
}

impl Matcher {
    fn new(settings: MatchSettings) -> Result<Self, OptionError> {
        let strict = match settings.match_type.as_str() {
            "strict" => true,
            "regexp" => false,
            other => {
                let message = format!("must be strict or regexp, got {other:?}");
                return Err(OptionError::new("match_type", message));
            }
        };
        if let Some(index) = settings.span_kinds.iter().position(|kind| strict && !KINDS[1..].contains(&kind.as_str()))
        {
            let message = format!("must be one of {}, got {:?}", KINDS[1..].join(", "), settings.span_kinds[index]);
            return Err(OptionError::new(format!("span_kinds[{index}]"), message));
        }
        let texts = |texts: Vec<String>, option: &str| -> Result<Vec<Text>, OptionError> {
            let texts = texts.into_iter().enumerate();
            texts.map(|(index, text)| Text::new(text, strict, &format!("{option}[{index}]"))).collect()
        };
        let matcher = Self {
            services: texts(settings.services, "services")?,
            span_names: texts(settings.span_names, "span_names")?,
            span_kinds: texts(settings.span_kinds, "span_kinds")?,
            attributes: wanted(settings.attributes, strict, "attributes")?,
            resources: wanted(settings.resources, strict, "resources")?,
            libraries: libraries(settings.libraries, strict)?,
        };
        if matcher.is_empty() {
            let message = "one of services, span_names, span_kinds, attributes, resources and libraries must be given";
            return Err(OptionError::new("", message));
        }
        Ok(matcher)
    }

    fn is_empty(&self) -> bool {
        self.services.is_empty()
            && self.span_names.is_empty()
            && self.span_kinds.is_empty()
            && self.attributes.is_empty()
            && self.resources.is_empty()
            && self.libraries.is_empty()
    }

    /// What must be decoded for it.
    fn needs(&self) -> Needs {
        Needs {
            attributes: !self.attributes.is_empty(),
            resource: !self.services.is_empty() || !self.resources.is_empty(),
            scope: !self.libraries.is_empty(),
            ..Needs::default()
        }
    }

    fn matches(&self, span: &SpanView<'_>, place: &Place<'_, '_>) -> bool {
        any(&self.span_names, || Cow::Borrowed(span.name()))
            && any(&self.span_kinds, || Cow::Borrowed(kind(span.kind()).as_bytes()))
            && any(&self.services, || service(place.resource.attributes()))
            && all(&self.resources, place.resource.attributes())
            && all(&self.attributes, span.attributes())
            && self.libraries.iter().all(|library| library.matches(place.scope))
    }
}

/// The spans that `include` matches and `exclude` does not; without either, all.
#[derive(Debug)]
pub struct SpanSelection {
    include: Option<Matcher>,
    exclude: Option<Matcher>,
}

impl SpanSelection {
    /// An error is found within `include` or `exclude`.
    pub fn new(include: Option<MatchSettings>, exclude: Option<MatchSettings>) -> Result<Self, OptionError> {
        let matcher = |settings: Option<MatchSettings>, option: &str| {
            settings.map(Matcher::new).transpose().map_err(|error| error.within(option))
        };
        Ok(Self { include: matcher(include, "include")?, exclude: matcher(exclude, "exclude")? })
    }

    /// Whether every span is in it, unasked.
    pub fn is_all(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    /// What must be decoded for it.
    pub fn needs(&self) -> Needs {
        [&self.include, &self.exclude]
            .into_iter()
            .flatten()
            .fold(Needs::default(), |needs, matcher| needs.union(matcher.needs()))
    }

    #[inline]
    pub fn selects(&self, span: &SpanView<'_>, place: &Place<'_, '_>) -> bool {
        let matches = |matcher: &Matcher| matcher.matches(span, place);
        self.include.as_ref().is_none_or(matches) && !self.exclude.as_ref().is_some_and(matches)
    }
}

impl Text {
    fn new(text: String, strict: bool, option: &str) -> Result<Self, OptionError> {
        if strict {
            return Ok(Self::Strict(text.into_bytes()));
        }
        pattern::compile(&text).map(Self::Pattern).map_err(|reason| bad_pattern(option, &text, &reason))
    }
}

impl Library {
    fn matches(&self, scope: &ScopeView<'_>) -> bool {
        self.name.matches(scope.name()) && self.version.as_ref().is_none_or(|version| version.matches(scope.version()))
    }
}

fn bad_pattern(option: &str, text: &str, reason: &str) -> OptionError {
    OptionError::new(option, format!("must be a regular expression, got {text:?}: {reason}"))
}

fn wanted(settings: Vec<AttributeSettings>, strict: bool, option: &str) -> Result<Vec<(Vec<u8>, Wanted)>, OptionError> {
    let mut list = Vec::with_capacity(settings.len());
    for (index, attribute) in settings.into_iter().enumerate() {
        let place = format!("{option}[{index}]");
        if attribute.key.is_empty() {
            return Err(OptionError::new(format!("{place}::key"), "must not be empty"));
        }
        let wanted = match attribute.value {
            None | Some(Setting::Nothing) => Wanted::Anything,
            Some(value) if strict => Wanted::Equal(value.to_value()),
            Some(Setting::Text(text)) => pattern::compile(&text)
                .map(Wanted::Pattern)
                .map_err(|reason| bad_pattern(&format!("{place}::value"), &text, &reason))?,
            Some(_) => {
                let message = "must be a string where match_type is regexp";
                return Err(OptionError::new(format!("{place}::value"), message));
            }
        };
        list.push((attribute.key.into_bytes(), wanted));
    }
    Ok(list)
}

fn libraries(settings: Vec<LibrarySettings>, strict: bool) -> Result<Vec<Library>, OptionError> {
    let settings = settings.into_iter().enumerate();
    settings
        .map(|(index, library)| {
            let option = |name: &str| format!("libraries[{index}]::{name}");
            let version = library.version.map(|version| Text::new(version, strict, &option("version"))).transpose()?;
            Ok(Library { name: Text::new(library.name, strict, &option("name"))?, version })
        })
        .collect()
}

/// Whether there are no entries, or one of them matches.
fn any<'t>(entries: &[Text], text: impl FnOnce() -> Cow<'t, [u8]>) -> bool {
    if entries.is_empty() {
        return true;
    }
    let text = text();
    entries.iter().any(|entry| entry.matches(&text))
}

fn all(entries: &[(Vec<u8>, Wanted)], attributes: &Map<'_>) -> bool {
    entries.iter().all(|(key, wanted)| attributes.get(key).is_some_and(|value| wanted.matches(value)))
}

fn service<'v>(attributes: &'v Map<'_>) -> Cow<'v, [u8]> {
    attributes.get(b"service.name").map_or(Cow::Borrowed(NO_SERVICE), text::text)
}

fn kind(number: i32) -> &'static str {
    usize::try_from(number).ok().and_then(|index| KINDS.get(index)).copied().unwrap_or("")
}
