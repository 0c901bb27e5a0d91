//! Attributes that tell series apart, and how they get into the key and the attributes of a series.

use crate::error::OptionError;
use crate::glob::dotted_glob;
use crate::pattern::Pattern;
use crate::view::{Map, Value};
use crate::wire::{put_bytes, put_message};

use super::settings::DimensionSettings;

/// Appends an attribute, as a `KeyValue` in a field of number 1.
pub fn put_attribute(out: &mut Vec<u8>, name: &[u8], value: &Value<'_>) {
    put_message(out, 1, |out| {
        put_bytes(out, 1, name);
        put_message(out, 2, |out| value.encode(out));
    });
}

pub fn put_text_attribute(out: &mut Vec<u8>, name: &[u8], text: &[u8]) {
    put_message(out, 1, |out| {
        put_bytes(out, 1, name);
        put_message(out, 2, |out| put_bytes(out, 1, text));
    });
}

/// Appends text to a key, so that nothing that follows can be taken for a part of it.
#[inline]
pub fn put_key_text(key: &mut Vec<u8>, text: &[u8]) {
    key.extend_from_slice(&(text.len() as u32).to_le_bytes());
    key.extend_from_slice(text);
}

struct Named {
    name: Box<[u8]>,
    default: Option<Value<'static>>,
}

/// Names and globs, in the order of the configuration.
#[derive(Default)]
pub struct Dimensions {
    named: Vec<Named>,
    globs: Vec<Pattern>,
}

impl Dimensions {
    /// `path` leads to the list in the configuration, and `reserved` are names that series have anyway.
    pub fn new(settings: &[DimensionSettings], path: &str, reserved: &[&str], errors: &mut Vec<OptionError>) -> Self {
        let mut dimensions = Self::default();
        for (index, each) in settings.iter().enumerate() {
            if each.glob.is_empty() {
                let default = each.default.as_ref().map(|text| Value::text(text.clone().into_bytes()));
                dimensions.named.push(Named { name: each.name.as_bytes().into(), default });
                continue;
            }
            let place = format!("{path}[{index}]::glob");
            match dotted_glob(&each.glob) {
                Err(error) => errors.push(OptionError::new(place, format!("is no glob: {error}"))),
                Ok(pattern) => {
                    let names = settings.iter().map(|other| &other.name[..]).chain(reserved.iter().copied());
                    if let Some(name) =
                        names.into_iter().find(|name| !name.is_empty() && pattern.is_match(name.as_bytes()))
                    {
                        errors.push(OptionError::new(place, format!("matches {name:?}, which series have anyway")));
                    }
                    dimensions.globs.push(pattern);
                }
            }
        }
        dimensions
    }

    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.globs.is_empty()
    }

    /// Appends the values to a key. The first source that has an attribute counts.
    #[inline]
    pub fn put_key(&self, sources: &[&Map<'_>], key: &mut Vec<u8>) {
        for each in &self.named {
            match each.find(sources) {
                Some(value) => {
                    key.push(1);
                    value.encode(key);
                }
                None => key.push(0),
            }
        }
        if !self.globs.is_empty() {
            self.matching(sources, |name, value| {
                put_key_text(key, name);
                value.encode(key);
            });
            key.push(0xff);
        }
    }

    /// Appends the attributes. Those whose names are in `names` are there already.
    pub fn put_attributes(&self, sources: &[&Map<'_>], names: &mut Vec<Vec<u8>>, out: &mut Vec<u8>) {
        let mut put = |name: &[u8], value: &Value<'_>| {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_vec());
                put_attribute(out, name, value);
            }
        };
        for each in &self.named {
            if let Some(value) = each.find(sources) {
                put(&each.name, value);
            }
        }
        if !self.globs.is_empty() {
            self.matching(sources, put);
        }
    }

    /// Shows the attributes that globs match, source by source, sorted by name.
    fn matching(&self, sources: &[&Map<'_>], mut show: impl FnMut(&[u8], &Value<'_>)) {
        for (index, source) in sources.iter().enumerate() {
            let mut found: Vec<_> = source
                .entries()
                .iter()
                .filter(|entry| self.globs.iter().any(|glob| glob.is_match(&entry.key)))
                .filter(|entry| !sources[..index].iter().any(|before| before.contains(&entry.key)))
                .collect();
            found.sort_by(|a, b| a.key.cmp(&b.key));
            found.dedup_by(|b, a| a.key == b.key);
            found.into_iter().for_each(|entry| show(&entry.key, entry.value()));
        }
    }
}

impl Named {
    #[inline]
    fn find<'f>(&'f self, sources: &[&'f Map<'_>]) -> Option<&'f Value<'f>> {
        sources.iter().find_map(|source| source.get(&self.name)).or(self.default.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Map<'static> {
        let mut map = Map::default();
        for (key, value) in pairs {
            map.push(key.as_bytes().to_vec(), Value::text(value.as_bytes().to_vec()));
        }
        map
    }

    fn named(name: &str, default: Option<&str>) -> DimensionSettings {
        DimensionSettings { name: name.to_owned(), default: default.map(str::to_owned), ..Default::default() }
    }

    fn glob(glob: &str) -> DimensionSettings {
        DimensionSettings { glob: glob.to_owned(), ..Default::default() }
    }

    #[test]
    fn keys_differ_where_attributes_do() {
        let mut errors = Vec::new();
        let dimensions =
            Dimensions::new(&[named("a", None), named("b", Some("x")), glob("c.*")], "d", &[], &mut errors);
        assert!(errors.is_empty());
        let key = |pairs: &[(&str, &str)]| {
            let mut key = Vec::new();
            dimensions.put_key(&[&map(pairs), &map(&[("a", "outer")])], &mut key);
            key
        };
        assert_eq!(key(&[]), key(&[("b", "x"), ("unknown", "1")]));
        assert_eq!(key(&[("c.1", "1"), ("c.2", "2")]), key(&[("c.2", "2"), ("c.1", "1")]));
        let different = [key(&[]), key(&[("a", "")]), key(&[("b", "")]), key(&[("c.1", "")]), key(&[("c.2", "")])];
        for (index, one) in different.iter().enumerate() {
            assert!(different[..index].iter().all(|other| other != one));
        }
    }

    #[test]
    fn what_globs_would_take_twice_is_refused() {
        let mut errors = Vec::new();
        let _ =
            Dimensions::new(&[named("a.b", None), glob("a.*"), glob("[")], "dimensions", &["span.name"], &mut errors);
        let _ = Dimensions::new(&[glob("span.*")], "events::dimensions", &["span.name"], &mut errors);
        let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, ["dimensions[1]::glob", "dimensions[2]::glob", "events::dimensions[0]::glob"]);
    }
}
