//! One action: what to do with which key.

use std::borrow::Cow;

use crate::pattern::Pattern;
use serde::Deserialize;

use super::convert::Target;
use super::{convert, hash};
use crate::error::OptionError;
use crate::origin::Origin;
use crate::pattern;
use crate::setting::Setting;
use crate::view::{Map, Value};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActionSettings {
    pub key: String,
    pub action: String,
    pub value: Option<Setting>,
    pub from_attribute: String,
    pub from_context: String,
    pub default_value: Option<Setting>,
    pub pattern: String,
    pub converted_type: String,
}

#[derive(Debug)]
pub(super) enum Action {
    Set { key: String, when: When, source: Source },
    Delete(Selection),
    Hash(Selection),
    Extract { key: String, pattern: Pattern, groups: Vec<(usize, String)> },
    Convert { key: String, to: Target },
}

/// Whether the key has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Absent,
    Present,
    Always,
}

/// Keys by name, by pattern, or both.
#[derive(Debug)]
pub(super) struct Selection {
    key: Option<String>,
    pattern: Option<Pattern>,
}

/// Where a value comes from. The default counts when the rest finds nothing.
#[derive(Debug)]
pub(super) struct Source {
    origin: ValueOrigin,
    default: Option<Value<'static>>,
}

#[derive(Debug)]
enum ValueOrigin {
    Nowhere,
    Literal(Value<'static>),
    Attribute(String),
    Header(String),
    ClientAddress,
}

impl Action {
    pub(super) fn new(settings: ActionSettings) -> Result<Self, OptionError> {
        let name = settings.action.to_lowercase();
        settings.check(&name)?;
        let pattern = match settings.pattern.as_str() {
            "" => None,
            text => Some(pattern::compile(text).map_err(|reason| {
                OptionError::new("pattern", format!("must be a regular expression, got {text:?}: {reason}"))
            })?),
        };
        let key = settings.key.clone();
        let when = match name.as_str() {
            "insert" => When::Absent,
            "update" => When::Present,
            "upsert" => When::Always,
            "convert" => return Ok(Self::Convert { key, to: Target::named(&settings.converted_type)? }),
            "extract" => return Self::extract(key, pattern),
            _ => {
                let selection = Selection { key: (!key.is_empty()).then_some(key), pattern };
                return Ok(if name == "hash" { Self::Hash(selection) } else { Self::Delete(selection) });
            }
        };
        Ok(Self::Set { key, when, source: settings.source() })
    }

    fn extract(key: String, pattern: Option<Pattern>) -> Result<Self, OptionError> {
        let Some(pattern) = pattern else {
            return Err(OptionError::new("pattern", "is required for the action 'extract'"));
        };
        let mut groups = Vec::new();
        for (index, name) in pattern.regex().capture_names().enumerate().skip(1) {
            match name {
                Some(name) => groups.push((index, name.to_owned())),
                None => {
                    return Err(OptionError::new("pattern", "must name every group, such as (?P<host>[^/]+)"));
                }
            }
        }
        if groups.is_empty() {
            return Err(OptionError::new("pattern", "must have a named group, such as (?P<host>[^/]+)"));
        }
        Ok(Self::Extract { key, pattern, groups })
    }

    pub(super) fn reads_origin(&self) -> bool {
        matches!(
            self,
            Self::Set { source: Source { origin: ValueOrigin::Header(_) | ValueOrigin::ClientAddress, .. }, .. }
        )
    }

    /// Does it, and tells whether anything changed.
    pub(super) fn apply<'a>(&'a self, map: &mut Map<'a>, origin: Option<&'a Origin>) -> bool {
        match self {
            Self::Set { key, when, source } => set(map, key.as_bytes(), *when, source, origin),
            Self::Delete(selection) => {
                let gone = selection.key.as_ref().is_some_and(|key| map.remove(key.as_bytes()));
                let matching = selection.pattern.as_ref();
                gone | matching.is_some_and(|pattern| map.retain(|key, _| !pattern.is_match(key)) > 0)
            }
            Self::Hash(selection) => {
                let index = selection.key.as_ref().and_then(|key| map.position(key.as_bytes()));
                if let Some(index) = index {
                    hash_at(map, index);
                }
                let Some(pattern) = &selection.pattern else { return index.is_some() };
                let mut changed = index.is_some();
                for index in 0..map.len() {
                    // A key that both name and pattern hit is hashed twice, as in the Go collector.
                    if pattern.is_match(&map.entries()[index].key) {
                        hash_at(map, index);
                        changed = true;
                    }
                }
                changed
            }
            Self::Extract { key, pattern, groups } => {
                let Some(Value::Str(text)) = map.get(key.as_bytes()).cloned() else { return false };
                let Some(captures) = pattern.regex().captures(&text) else { return false };
                for (index, name) in groups {
                    let range = captures.get(*index).map_or(0..0, |group| group.range());
                    let group = match &text {
                        Cow::Borrowed(text) => Cow::Borrowed(&text[range]),
                        Cow::Owned(text) => Cow::Owned(text[range].to_vec()),
                    };
                    map.upsert(name.as_bytes(), Value::Str(group));
                }
                true
            }
            Self::Convert { key, to } => {
                let Some(index) = map.position(key.as_bytes()) else { return false };
                match convert::convert(map.entries()[index].value(), *to) {
                    Some(value) => {
                        map.set_at(index, value);
                        true
                    }
                    None => false,
                }
            }
        }
    }
}

fn set<'a>(map: &mut Map<'a>, key: &'a [u8], when: When, source: &'a Source, origin: Option<&'a Origin>) -> bool {
    let index = map.position(key);
    match (when, index) {
        (When::Absent, Some(_)) | (When::Present, None) => return false,
        _ => {}
    }
    let found = match &source.origin {
        ValueOrigin::Nowhere => None,
        ValueOrigin::Literal(value) => Some(value.borrowed()),
        ValueOrigin::Attribute(from) => map.get(from.as_bytes()).cloned(),
        ValueOrigin::Header(name) => match origin.and_then(|origin| origin.header(name)) {
            None | Some([]) => None,
            Some([value]) => Some(Value::Str(Cow::Borrowed(value.as_bytes()))),
            Some(values) => Some(Value::text(values.join(";").into_bytes())),
        },
        // An unknown peer is an empty address, and found.
        ValueOrigin::ClientAddress => {
            Some(Value::Str(Cow::Borrowed(origin.map_or(&[][..], |origin| address(&origin.peer).as_bytes()))))
        }
    };
    let Some(value) = found.or_else(|| source.default.as_ref().map(Value::borrowed)) else { return false };
    match index {
        Some(index) => map.set_at(index, value),
        None => map.push(key, value),
    }
    true
}

fn hash_at(map: &mut Map<'_>, index: usize) {
    let hashed = hash::hash(map.entries()[index].value());
    map.set_at(index, Value::text(hashed));
}

/// The address of a peer without its port.
fn address(peer: &str) -> &str {
    let host = peer.rsplit_once(':').map_or(peer, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

impl ActionSettings {
    /// Says what is missing, or stands where it means nothing.
    fn check(&self, action: &str) -> Result<(), OptionError> {
        let sources = [
            ("value", self.value.as_ref().is_some_and(|value| *value != Setting::Nothing)),
            ("from_attribute", !self.from_attribute.is_empty()),
            ("from_context", !self.from_context.is_empty()),
        ];
        let given: Vec<&str> = sources.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        let refuse = |option: &str| Err(OptionError::new(option, format!("means nothing for the action '{action}'")));
        let required = |option: &str| Err(OptionError::new(option, format!("is required for the action '{action}'")));
        match action {
            "insert" | "update" | "upsert" => {
                if given.len() > 1 {
                    return Err(OptionError::new("", format!("only one of {} can be the source", given.join(", "))));
                }
                if given.is_empty() && self.default_value.is_none() {
                    let message = "one of value, from_attribute, from_context and default_value must be given";
                    return Err(OptionError::new("", message));
                }
                if !self.pattern.is_empty() {
                    return refuse("pattern");
                }
                if !self.converted_type.is_empty() {
                    return refuse("converted_type");
                }
            }
            "delete" | "hash" => {
                if let Some(option) = given.iter().find(|option| **option != "from_context") {
                    return refuse(option);
                }
                if !self.converted_type.is_empty() {
                    return refuse("converted_type");
                }
                if self.key.is_empty() && self.pattern.is_empty() {
                    let message = format!("one of key and pattern must be given for the action '{action}'");
                    return Err(OptionError::new("", message));
                }
            }
            "extract" | "convert" => {
                if let Some(option) = given.first() {
                    return refuse(option);
                }
                if action == "extract" && self.pattern.is_empty() {
                    return required("pattern");
                }
                if action == "extract" && !self.converted_type.is_empty() {
                    return refuse("converted_type");
                }
                if action == "convert" && !self.pattern.is_empty() {
                    return refuse("pattern");
                }
                if action == "convert" && self.converted_type.is_empty() {
                    return required("converted_type");
                }
            }
            "" => {
                let message = "is required: insert, update, upsert, delete, hash, extract or convert";
                return Err(OptionError::new("action", message));
            }
            other => {
                let message =
                    format!("must be one of insert, update, upsert, delete, hash, extract, convert, got {other:?}");
                return Err(OptionError::new("action", message));
            }
        }
        if self.key.is_empty() && !matches!(action, "delete" | "hash") {
            return required("key");
        }
        Ok(())
    }

    fn source(self) -> Source {
        let literal = self.value.filter(|value| *value != Setting::Nothing);
        let origin = if let Some(value) = literal {
            ValueOrigin::Literal(value.to_value())
        } else if !self.from_attribute.is_empty() {
            ValueOrigin::Attribute(self.from_attribute)
        } else if self.from_context.is_empty() || self.from_context.starts_with("auth.") {
            // Nothing authenticates yet, so there are no attributes of it.
            ValueOrigin::Nowhere
        } else if self.from_context == "client.address" {
            ValueOrigin::ClientAddress
        } else {
            let name = self.from_context.strip_prefix("metadata.").unwrap_or(&self.from_context);
            ValueOrigin::Header(name.to_owned())
        };
        Source { origin, default: self.default_value.map(|value| value.to_value()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: ActionSettings) -> String {
        Action::new(settings).unwrap_err().to_string()
    }

    fn action(action: &str, key: &str) -> ActionSettings {
        ActionSettings { action: action.to_owned(), key: key.to_owned(), ..ActionSettings::default() }
    }

    fn map(entries: &[(&str, &str)]) -> Map<'static> {
        let mut map = Map::default();
        for (key, value) in entries {
            map.push(key.as_bytes().to_vec(), Value::text(value.as_bytes().to_vec()));
        }
        map
    }

    fn keys(map: &Map<'_>) -> Vec<String> {
        map.entries().iter().map(|entry| String::from_utf8_lossy(&entry.key).into_owned()).collect()
    }

    #[test]
    fn what_an_action_lacks_is_named() {
        assert_eq!(
            refused(action("insert", "a")),
            "one of value, from_attribute, from_context and default_value must be given"
        );
        assert_eq!(refused(action("delete", "")), "one of key and pattern must be given for the action 'delete'");
        assert_eq!(refused(action("extract", "a")), "pattern: is required for the action 'extract'");
        assert_eq!(
            refused(action("bogus", "a")),
            "action: must be one of insert, update, upsert, delete, hash, extract, convert, got \"bogus\""
        );
        let unnamed = ActionSettings { pattern: "(a)".to_owned(), ..action("extract", "a") };
        assert_eq!(refused(unnamed), "pattern: must name every group, such as (?P<host>[^/]+)");
    }

    #[test]
    fn a_deleted_key_leaves_its_place_to_the_last_one() {
        let mut attributes = map(&[("a", ""), ("b", ""), ("c", ""), ("d", "")]);
        let delete = Action::new(action("delete", "b")).unwrap();
        assert!(delete.apply(&mut attributes, None));
        assert_eq!(keys(&attributes), ["a", "d", "c"]);
    }

    #[test]
    fn a_key_hit_by_name_and_pattern_is_hashed_twice() {
        let settings = ActionSettings { pattern: "^a$".to_owned(), ..action("hash", "a") };
        let twice = Action::new(settings).unwrap();
        let mut attributes = map(&[("a", "abc")]);
        twice.apply(&mut attributes, None);
        let once = hash::hash(&Value::text(b"abc".to_vec()));
        assert_eq!(attributes.get(b"a"), Some(&Value::text(hash::hash(&Value::text(once)))));
    }

    #[test]
    fn a_header_is_found_in_any_case_and_all_its_values_joined() {
        let settings = ActionSettings { from_context: "metadata.X-Tenant".to_owned(), ..action("upsert", "tenant") };
        let origin = Origin {
            peer: "[::1]:4000".to_owned(),
            metadata: vec![("x-tenant".to_owned(), vec!["a".to_owned(), "b".to_owned()])],
        };
        let tenant = Action::new(settings).unwrap();
        let settings = ActionSettings { from_context: "client.address".to_owned(), ..action("upsert", "client") };
        let client = Action::new(settings).unwrap();
        let mut attributes = map(&[]);
        tenant.apply(&mut attributes, Some(&origin));
        client.apply(&mut attributes, Some(&origin));
        assert_eq!(attributes.get(b"tenant"), Some(&Value::text(b"a;b".to_vec())));
        assert_eq!(attributes.get(b"client"), Some(&Value::text(b"::1".to_vec())));
    }
}
