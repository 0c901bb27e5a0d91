//! XML as maps.

use std::borrow::Cow;
use std::collections::HashMap;

use super::tree::{Content, Id, ROOT, Tree};
use crate::ottl::datum::{Datum, Failure, Held};
use crate::view::{Map, Upserts, Value};

/// How deep elements may nest: each is a map in a list, and an attribute can hold so much.
const MAX_DEPTH: usize = 15;

/// A map for the one element, with `tag`, `content`, `attributes` and `children`.
pub(super) fn parse<'v>(text: &str) -> Result<Datum<'v>, Failure> {
    let tree = super::reader::read(text).map_err(|why| Failure::new(format!("unmarshal xml: {why}")))?.tree;
    let children = tree.children(ROOT);
    let Some(at) = children.iter().position(|child| tree.is_element(*child)) else {
        return Err(Failure::new("unmarshal xml: there is no element"));
    };
    if at + 1 < children.len() {
        return Err(Failure::new("trailing bytes after parsing xml"));
    }
    Ok(nested(element(&tree, children[at], 0)?))
}

fn element(tree: &Tree, id: Id, depth: usize) -> Result<Map<'static>, Failure> {
    check(depth)?;
    let mut map = Map::default();
    let Content::Element { name, attributes } = tree.content(id) else { return Ok(map) };
    map.upsert(b"tag", text(&name.local));
    // Blanks around each piece are indentation.
    let pieces = tree.children(id).iter().filter_map(|child| match tree.content(*child) {
        Content::Text(text) | Content::CData(text) => Some(text.trim()),
        _ => None,
    });
    let content: String = pieces.collect();
    if !content.is_empty() {
        map.upsert(b"content", text(&content));
    }
    if !attributes.is_empty() {
        let mut inner = Map::default();
        let mut upserts = Upserts::new(&mut inner);
        for attribute in attributes {
            upserts.upsert(Cow::Owned(attribute.name.local.as_bytes().to_vec()), text(&attribute.value));
        }
        map.upsert(b"attributes", Value::Map(inner));
    }
    let children = tree.children(id).iter().filter(|child| tree.is_element(**child));
    let children = children.map(|child| element(tree, *child, depth + 1).map(Value::Map));
    let children = children.collect::<Result<Vec<_>, _>>()?;
    if !children.is_empty() {
        map.upsert(b"children", Value::List(children));
    }
    Ok(map)
}

/// A map of what stands in elements by their names; of several with one name, a list.
pub(super) fn simplified<'v>(tree: &Tree) -> Result<Datum<'v>, Failure> {
    Ok(nested(inside(tree, ROOT, 0)?))
}

fn inside(tree: &Tree, id: Id, depth: usize) -> Result<Map<'static>, Failure> {
    check(depth)?;
    let children = tree.children(id).iter().filter_map(|child| match tree.content(*child) {
        Content::Element { name, .. } => Some((*child, name.local.as_str())),
        _ => None,
    });
    let children: Vec<(Id, &str)> = children.collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    children.iter().for_each(|(_, name)| *counts.entry(name).or_default() += 1);

    let mut entries: Vec<(&str, Value<'static>)> = Vec::new();
    let mut lists: HashMap<&str, usize> = HashMap::new();
    for (child, name) in children {
        if tree.children(child).is_empty() {
            continue;
        }
        let value = match leaf(tree, child) {
            Some(leaf) => Some(text(leaf)),
            None => Some(inside(tree, child, depth + 1)?).filter(|map| !map.is_empty()).map(Value::Map),
        };
        if counts[name] == 1 {
            entries.extend(value.map(|value| (name, value)));
            continue;
        }
        // The list is there as soon as something might be in it.
        let place = *lists.entry(name).or_insert_with(|| {
            entries.push((name, Value::List(Vec::new())));
            entries.len() - 1
        });
        if let Value::List(items) = &mut entries[place].1 {
            items.extend(value);
        }
    }
    let mut map = Map::default();
    let mut upserts = Upserts::new(&mut map);
    for (name, value) in entries {
        upserts.upsert(Cow::Owned(name.as_bytes().to_vec()), value);
    }
    Ok(map)
}

/// The first text of an element without elements in it, unless it is empty.
fn leaf(tree: &Tree, id: Id) -> Option<&str> {
    if tree.children(id).iter().any(|child| tree.is_element(*child)) {
        return None;
    }
    let mut texts = tree.children(id).iter().filter_map(|child| match tree.content(*child) {
        Content::Text(text) | Content::CData(text) => Some(text.as_str()),
        _ => None,
    });
    texts.next().filter(|text| !text.is_empty())
}

fn check(depth: usize) -> Result<(), Failure> {
    if depth >= MAX_DEPTH {
        return Err(Failure::new(format!(
            "elements nest deeper than {MAX_DEPTH} levels, which an attribute cannot hold"
        )));
    }
    Ok(())
}

fn text(text: &str) -> Value<'static> {
    Value::text(text.as_bytes().to_vec())
}

fn nested<'v>(map: Map<'static>) -> Datum<'v> {
    Datum::Nested(Held::Owned(Box::new(Value::Map(map))))
}
